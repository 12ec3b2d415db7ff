// Package krn decodes what the kernel did: named events, whichever tracepoint of
// whichever kernel told of them. The names follow DTrace's tcp, udp and ip
// providers: stable words for what happens to a connection.
package krn

import (
	"net/netip"

	"github.com/pidwire/pidwire/internal/decode/sock"
	"github.com/pidwire/pidwire/internal/decode/sys"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/wire"
)

// Decoder decodes the records of one source, in their order.
type Decoder struct {
	drops, resets map[uint32]string // names of reasons, as that kernel numbers them
	symbols       map[symbolKey]symbol
	trees         map[uint32]*tree // by the thread that runs
	open          map[uint32]int   // the same: functions that it is in, where these are told of
	protos        map[uint64]*proto
	symbolBytes   int // of symbols, about
	frameCount    int // of trees
	protoBytes    int // of protos, about
	arena         *event.Arena
	toks          []event.Token // the arena's, with room for more
	fields        []event.Arg   // of the event at hand, from the arena
	n             int
	netns         uint64

	// Iface names an interface of a network namespace; empty where it is not known.
	Iface func(netns uint64, index uint32) string
}

// New returns a decoder with an arena of its own, which only grows.
func New() *Decoder {
	return &Decoder{
		drops: map[uint32]string{}, resets: map[uint32]string{}, symbols: map[symbolKey]symbol{}, trees: map[uint32]*tree{}, open: map[uint32]int{}, protos: map[uint64]*proto{},
		arena: new(event.Arena), Iface: func(uint64, uint32) string { return "" },
	}
}

// Use makes the decoder cut what follows from a.
func (d *Decoder) Use(a *event.Arena) { d.arena, d.toks = a, nil }

const (
	maxReasons = 4096
	maxFields  = 10
)

// Learn takes what a wire.KindName record says of a reason.
func (d *Decoder) Learn(what uint16, id uint32, name string) {
	m := d.drops
	switch what {
	case wire.NameDrop:
	case wire.NameReset:
		m = d.resets
	default:
		return
	}
	if len(m) < maxReasons {
		m[id] = name
	}
}

// names are those of the events; what depends on their arguments is not here.
var names = [...]string{
	wire.EventSend:        "sock:send",
	wire.EventReceive:     "sock:receive",
	wire.EventReady:       "sock:ready",
	wire.EventError:       "sock:error",
	wire.EventWait:        "sock:wait",
	wire.EventMemory:      "sock:memory-limit",
	wire.EventQueueFull:   "sock:rcvqueue-full",
	wire.EventAcceptFull:  "tcp:listen-overflow",
	wire.EventSkbQueue:    "skb:queue",
	wire.EventSkbSend:     "skb:send",
	wire.EventSkbReceive:  "skb:receive",
	wire.EventSkbCopy:     "skb:copy",
	wire.EventSkbDrop:     "skb:drop",
	wire.EventRetransmit:  "tcp:retransmit",
	wire.EventSynackAgain: "tcp:retransmit-synack",
	wire.EventRstSent:     "tcp:reset-sent",
	wire.EventRstReceived: "tcp:reset-received",
	wire.EventCongestion:  "tcp:congestion",
	wire.EventIcmpSent:    "icmp:send",
	wire.EventRoute:       "route:lookup",
	wire.EventNeighNew:    "neigh:create",
	wire.EventNeighAsked:  "neigh:lookup",
	wire.EventNeighFailed: "neigh:failed",
	wire.EventNeighFound:  "neigh:found",
}

var waits = [...]string{
	wire.WaitData:    "sock:rcvbuf-wait",
	wire.WaitSndbuf:  "sock:sndbuf-wait",
	wire.WaitConnect: "sock:connect-wait",
	wire.WaitAccept:  "sock:accept-wait",
}

const (
	afInet6   = 10
	protoTCP  = 6
	protoUDP  = 17
	noThresh  = 0x7fffffff // TCP_INFINITE_SSTHRESH, net/tcp.h: none yet
	tableMain = 254        // RT_TABLE_*, linux/rtnetlink.h
)

// Event decodes a record that wire.KernelParts took apart.
func (d *Decoder) Event(k *wire.Kernel, t *wire.KernelTail) *event.Kernel {
	e := d.arena.Kernel()
	e.What, e.Tracer, e.Dur, e.Bytes, e.Cookie, e.CPU = event.KernelEvent, event.Pidwire, -1, -1, k.Cookie, int32(k.Cpu)
	switch k.Context {
	case wire.ContextTask:
		e.Context = event.ContextTask
		if k.OnTid == 0 {
			e.Depth = 1
		}
	case wire.ContextSoftirq:
		e.Context = event.ContextSoftirq
	}
	e.OnTID = k.OnTid
	if e.Depth == 0 {
		e.Inherited = k.Owner.Cookie != k.Cookie
		e.Shared, e.Found = k.Flags&wire.KernelShared != 0, k.Flags&wire.KernelFound != 0
	}
	if k.Nsock > 0 {
		var s wire.Sock
		s.Unmarshal(t.Socks)
		sock.Fill(&e.Sock, &s)
		e.HasSock = true
	}
	if k.Event == wire.EventNone {
		e.What = event.KernelSock
		return e
	}
	if k.Event == wire.EventCall {
		t.Kernel = nil // the way into the kernel, always the same
	}
	d.stacks(e, k, t)
	if n := d.open[d.runs(k)]; n > 0 {
		e.Path, e.Around = nil, n
	}
	if k.Event == wire.EventStep || k.Event == wire.EventCall {
		e.What = event.KernelStep
		return e
	}
	if int(k.Event) < len(names) {
		e.Name = names[k.Event]
	}
	if e.Name == "" {
		e.Name = "unknown"
	}
	d.begin(k)
	d.event(e, k, t.Addrs)
	e.Fields = d.fields[:d.n:d.n]
	return e
}

func (d *Decoder) event(e *event.Kernel, k *wire.Kernel, addr []byte) {
	a := &k.Args
	switch k.Event {
	case wire.EventSend, wire.EventReceive:
		if a[1] != 0 {
			d.put("flags", event.Token{Kind: event.TFlags, Num: a[1], Tab: sys.MsgFlags})
		}
		if d.result(e, int64(a[0])); int64(a[0]) >= 0 {
			e.Bytes = int64(a[0])
		}
	case wire.EventReady:
		switch {
		case a[3] != 0:
			d.uint("waiting", a[3])
		case a[2] == protoTCP:
			d.uint("unread", a[0])
		default:
			d.uint("packets", a[1])
		}
	case wire.EventError:
		d.errno("error", int64(a[0]))
		if a[2] == protoTCP && a[1] < uint64(len(tcpStates)) {
			d.text("state", tcpStates[a[1]])
		}
	case wire.EventWait:
		e.Dur = int64(a[0])
		if a[1] < uint64(len(waits)) && waits[a[1]] != "" {
			e.Name = waits[a[1]]
		}
		switch a[1] {
		case wire.WaitSndbuf:
			d.uint("queued", a[2])
			d.uint("sndbuf", a[3])
		case wire.WaitData:
			d.uint("rcvbuf", a[5])
		}
	case wire.EventMemory:
		d.uint("pages", a[0])
		d.text("to", [...]string{"send", "receive"}[a[1]&1])
	case wire.EventQueueFull:
		if a[0] != 0 {
			d.uint("length", a[0])
		}
		d.uint("queued", a[1])
		d.uint("rcvbuf", a[2])
		if a[3] != 0 {
			d.errno("error", -int64(a[3]))
		}
	case wire.EventAcceptFull:
		d.uint("waiting", a[0])
		d.uint("backlog", a[1])
		d.text("flags", tcpFlags(uint8(a[2])))
		d.text("from", netip.AddrPortFrom(address(addr, 0, a[4] == afInet6), uint16(a[3])).String())
	case wire.EventSkbQueue, wire.EventSkbSend:
		e.Bytes = int64(a[0])
		d.uint("length", a[0])
		d.iface(a[1])
	case wire.EventSkbReceive:
		e.Bytes = int64(a[0])
		d.uint("length", a[0])
		if a[1] == protoTCP {
			d.text("flags", tcpFlags(uint8(a[2]>>32)))
			d.more("seq", a[2]&0xffffffff)
			d.cwnd(a[3])
			d.duration("srtt", a[4]&0xffffffff)
			d.uint("unacked", a[5]&0xffffffff)
			d.more("sndwnd", a[5]>>32)
			d.more("rcvwnd", a[4]>>32)
		}
	case wire.EventSkbCopy:
		e.Bytes = int64(a[0])
		d.uint("length", a[0])
		if a[1] != a[0] {
			d.uint("of", a[1])
		}
	case wire.EventSkbDrop:
		d.drop(e, a, addr)
	case wire.EventRetransmit:
		e.Bytes = int64(a[1])
		d.more("seq", a[0])
		d.uint("length", a[1])
		if a[2] != 0 {
			d.uint("attempt", a[2])
		}
		if a[3] < uint64(len(tcpStates)) {
			d.text("state", tcpStates[a[3]])
		}
		d.cwnd(a[4])
		d.duration("srtt", a[5])
	case wire.EventSynackAgain:
		d.text("to", netip.AddrPortFrom(address(addr, 0, a[2] == afInet6), uint16(a[0])).String())
		d.uint("attempt", a[1])
	case wire.EventRstSent:
		d.reason("reason", d.resets, uint32(a[0]))
		if peer := a[1] >> 16 & 0xffff; peer != 0 {
			d.uint("to_port", peer)
		}
		if a[2] != 0 && a[2] < uint64(len(tcpStates)) {
			d.text("state", tcpStates[a[2]])
		}
	case wire.EventRstReceived:
		if a[0] < uint64(len(tcpStates)) {
			d.text("state", tcpStates[a[0]])
		}
	case wire.EventCongestion:
		if a[0] < uint64(len(caStates)) {
			d.text("state", caStates[a[0]])
		} else {
			d.uint("state", a[0])
		}
		d.cwnd(a[1])
		d.duration("srtt", a[2])
	case wire.EventIcmpSent:
		d.text("type", icmpType(a[0], a[3] == afInet6))
		if what := icmpCode(a[0], a[1], a[3] == afInet6); what != "" {
			d.text("code", what)
		} else {
			d.uint("code", a[1])
		}
		d.uint("about", a[2])
	case wire.EventRoute:
		d.route(e, a, addr)
	case wire.EventNeighNew:
		d.neighbour(addr, a[0], a[1])
	case wire.EventNeighAsked:
		d.neighbour(addr, a[2], a[3])
		d.text("state", nudState(a[1]))
	case wire.EventNeighFailed:
		d.neighbour(addr, a[1], a[2])
		d.uint("asked", a[0])
	case wire.EventNeighFound:
		d.neighbour(addr, a[1], a[2])
	}
}

func (d *Decoder) drop(e *event.Kernel, a *[6]uint64, addr []byte) {
	e.Bytes = int64(a[2])
	d.reason("reason", d.drops, uint32(a[0]))
	e.Reason = d.drops[uint32(a[0])]
	if e.Reason == "" && a[0] != 0 {
		e.Reason = "unknown"
	}
	d.uint("length", a[2])
	if len(addr) == 32 {
		v6 := a[3]>>32 != 0
		proto := a[3] & 0xff
		switch proto {
		case protoTCP:
			d.text("protocol", "tcp")
			d.text("flags", tcpFlags(uint8(a[5])))
		case protoUDP:
			d.text("protocol", "udp")
		default:
			d.uint("protocol", proto)
		}
		d.text("local", netip.AddrPortFrom(address(addr, 0, v6), uint16(a[4])).String())
		d.text("peer", netip.AddrPortFrom(address(addr, 1, v6), uint16(a[4]>>16)).String())
	}
	e.Func = d.symbols[symbolKey{0, a[1]}].name
	if e.Func == "" && a[1] != 0 {
		d.put("at", event.Token{Kind: event.THex, Num: a[1]})
	}
}

// route says what a look into a routing table gave.
func (d *Decoder) route(e *event.Kernel, a *[6]uint64, addr []byte) {
	const eagain = 11
	v6 := a[3] == afInet6
	d.text("to", address(addr, 0, v6).String())
	switch a[1] {
	case tableMain - 1:
		d.text("table", "default")
	case tableMain:
		d.text("table", "main")
	case tableMain + 1:
		d.text("table", "local")
	default:
		d.uint("table", a[1])
	}
	switch err := int64(a[0]); {
	case err == -eagain:
		d.text("found", "nothing")
		return
	case err < 0:
		e.Name = "route:failed"
		d.result(e, err)
		return
	}
	d.iface(a[2])
	if gw := address(addr, 1, v6); !gw.IsUnspecified() {
		d.text("via", gw.String())
	}
}

func (d *Decoder) neighbour(addr []byte, ifindex, family uint64) {
	d.text("address", address(addr, 0, family == afInet6).String())
	d.iface(ifindex)
}

// address is the i-th of those behind a record; those that are not there are
// the unspecified one.
func address(b []byte, i int, v6 bool) netip.Addr {
	if len(b) < (i+1)*16 {
		return netip.IPv6Unspecified()
	}
	b = b[i*16:]
	if v6 {
		return netip.AddrFrom16([16]byte(b[:16])).Unmap()
	}
	return netip.AddrFrom4([4]byte(b[:4]))
}

func (d *Decoder) begin(k *wire.Kernel) {
	d.n, d.netns = 0, uint64(k.Netns)
	d.fields = d.arena.Args(maxFields)
	if cap(d.toks)-len(d.toks) < maxFields {
		d.toks = d.arena.Tokens(maxFields)
	}
}

// put adds a field, static its name.
func (d *Decoder) put(name string, t event.Token) {
	if d.n == len(d.fields) {
		return
	}
	d.toks = append(d.toks, t)
	at := len(d.toks)
	d.fields[d.n] = event.Arg{Name: name, Raw: t.Num, Val: event.Tape(d.toks[at-1 : at : at])}
	d.n++
}

func (d *Decoder) uint(name string, v uint64) { d.put(name, event.Token{Kind: event.TUint, Num: v}) }

// more adds what is shown where nothing is abbreviated.
func (d *Decoder) more(name string, v uint64) {
	d.put(name, event.Token{Kind: event.TUint, Num: v, Flags: event.FVerbose})
}

// text adds words of the kernel's or our own.
func (d *Decoder) text(name, v string) { d.put(name, event.Token{Kind: event.TText, Str: v}) }

// duration adds a time of us microseconds.
func (d *Decoder) duration(name string, us uint64) {
	if us != 0 {
		d.put(name, event.Token{Kind: event.TDur, Num: us * 1000})
	}
}

func (d *Decoder) errno(name string, n int64) {
	if s, _ := sys.Errno(n); s != "" {
		d.text(name, s)
		return
	}
	d.put(name, event.Token{Kind: event.TInt, Num: uint64(n)})
}

// result sets what an event came to: a number, or -errno.
func (d *Decoder) result(e *event.Kernel, n int64) {
	e.Ret64, e.HasRet = n, true
	if n < 0 {
		e.Errno, _ = sys.Errno(-n)
	}
}

func (d *Decoder) cwnd(pair uint64) {
	d.uint("cwnd", pair&0xffffffff)
	if s := pair >> 32; s < noThresh {
		d.uint("ssthresh", s)
	}
}

func (d *Decoder) iface(index uint64) {
	d.put("dev", event.Token{Kind: event.TIface, Num: index, Str: d.Iface(d.netns, uint32(index)), Flags: event.FPlain})
}

// reason adds a reason by its name; that of a kernel that gives none is 0.
func (d *Decoder) reason(name string, names map[uint32]string, n uint32) {
	switch s := names[n]; {
	case s != "":
		d.put(name, event.Token{Kind: event.TAsIs, Str: s}) // a recording may say what it likes
	case n != 0:
		d.uint(name, uint64(n))
	}
}
