// Package krn decodes kernel events. Their names do not depend on the kernel version and the
// tracepoint; they follow the tcp, udp and ip providers of DTrace.
package krn

import (
	"net/netip"

	"github.com/pidwire/pidwire/internal/decode/sock"
	"github.com/pidwire/pidwire/internal/decode/sys"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/wire"
)

// Decoder decodes the records of one source, in order.
type Decoder struct {
	drops, resets map[uint32]string // names of reasons, which each kernel numbers in its own way
	symbols       map[symbolKey]symbol
	trees         map[uint32]*tree // by tid of the running thread
	open          map[uint32]int   // by tid: number of traced functions that the thread is in
	protos        map[uint64]*proto
	symbolBytes   int // estimated memory of symbols
	frameCount    int // frames in all trees
	protoBytes    int // estimated memory of protos
	arena         *event.Arena
	toks          []event.Token // memory of the arena for more tokens
	fields        []event.Arg   // fields of the current event, from the arena
	n             int
	netns         uint64

	// Iface returns the name of an interface in a network namespace, "" if it is unknown.
	Iface func(netns uint64, index uint32) string
}

// New returns a decoder with an arena of its own, which is never reset.
func New() *Decoder {
	return &Decoder{
		drops: map[uint32]string{}, resets: map[uint32]string{}, symbols: map[symbolKey]symbol{}, trees: map[uint32]*tree{}, open: map[uint32]int{}, protos: map[uint64]*proto{},
		arena: new(event.Arena), Iface: func(uint64, uint32) string { return "" },
	}
}

// Use makes the decoder allocate from a.
func (d *Decoder) Use(a *event.Arena) { d.arena, d.toks = a, nil }

const (
	maxReasons = 4096
	maxFields  = 10
)

// Learn stores the name of a drop or reset reason in a wire.KindName record.
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
	noThresh  = 0x7fffffff // TCP_INFINITE_SSTHRESH, net/tcp.h: not set yet
	tableMain = 254        // RT_TABLE_*, linux/rtnetlink.h
)

// Event decodes the parts of a record that wire.KernelParts returned.
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
		t.Kernel = nil // the stack at syscall entry is always the same
	}
	d.stacks(e, k, t)
	if n := d.open[d.runs(k)]; n > 0 {
		e.Path, e.Around = nil, n
	}
	if k.Event == wire.EventStep || k.Event == wire.EventCall {
		e.What = event.KernelStep
		return e
	}
	d.begin(k)
	e.Name = "unknown"
	if int(k.Event) < len(events) && events[k.Event].name != "" {
		e.Name = events[k.Event].name
		events[k.Event].fields(d, e, &k.Args, t.Addrs)
	}
	e.Fields = d.fields[:d.n:d.n]
	return e
}

// address returns the i-th address of a record, or the unspecified one if it is missing.
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

// put adds a field.
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

// more adds a field that is shown only in verbose output.
func (d *Decoder) more(name string, v uint64) {
	d.put(name, event.Token{Kind: event.TUint, Num: v, Flags: event.FVerbose})
}

// text adds trusted text.
func (d *Decoder) text(name, v string) { d.put(name, event.Token{Kind: event.TText, Str: v}) }

// duration adds a duration of us microseconds, unless it is 0.
func (d *Decoder) duration(name string, us uint64) { d.nanoseconds(name, us*1000) }

// nanoseconds adds a duration of ns nanoseconds, unless it is 0.
func (d *Decoder) nanoseconds(name string, ns uint64) {
	if ns != 0 {
		d.put(name, event.Token{Kind: event.TDur, Num: ns})
	}
}

func (d *Decoder) errno(name string, n int64) {
	if s, _ := sys.Errno(n); s != "" {
		d.text(name, s)
		return
	}
	d.put(name, event.Token{Kind: event.TInt, Num: uint64(n)})
}

// result sets the result of an event: a number, or -errno.
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

// reason adds the name of a reason, or its number if the name is unknown. It is 0 on kernels
// without reasons.
func (d *Decoder) reason(name string, names map[uint32]string, n uint32) {
	switch s := names[n]; {
	case s != "":
		d.put(name, event.Token{Kind: event.TAsIs, Str: s}) // hostile: the name may come from a recording
	case n != 0:
		d.uint(name, uint64(n))
	}
}
