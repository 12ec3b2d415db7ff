package krn

import (
	"net/netip"

	"github.com/pidwire/pidwire/internal/decode/sys"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/syscalls"
	"github.com/pidwire/pidwire/internal/wire"
)

// fields decodes an event from its arguments, which are documented in bpf/wire.h, and the
// addresses of its record, of 16 bytes each.
type fields func(d *Decoder, e *event.Kernel, a *[6]uint64, addr []byte)

// events has the names of events and their decoders, by number. A decoder may replace the
// name.
var events = [...]struct {
	name   string
	fields fields
}{
	wire.EventSend:        {"sock:send", (*Decoder).moved},
	wire.EventReceive:     {"sock:receive", (*Decoder).moved},
	wire.EventReady:       {"sock:ready", (*Decoder).ready},
	wire.EventError:       {"sock:error", (*Decoder).sockError},
	wire.EventWait:        {"sock:wait", (*Decoder).waited},
	wire.EventMemory:      {"sock:memory-limit", (*Decoder).memoryLimit},
	wire.EventQueueFull:   {"sock:rcvqueue-full", (*Decoder).queueFull},
	wire.EventAcceptFull:  {"tcp:listen-overflow", (*Decoder).acceptFull},
	wire.EventSkbQueue:    {"skb:queue", (*Decoder).skbOut},
	wire.EventSkbSend:     {"skb:send", (*Decoder).skbOut},
	wire.EventSkbReceive:  {"skb:receive", (*Decoder).skbIn},
	wire.EventSkbCopy:     {"skb:copy", (*Decoder).skbCopy},
	wire.EventSkbDrop:     {"skb:drop", (*Decoder).drop},
	wire.EventRetransmit:  {"tcp:retransmit", (*Decoder).retransmit},
	wire.EventSynackAgain: {"tcp:retransmit-synack", (*Decoder).synackAgain},
	wire.EventRstSent:     {"tcp:reset-sent", (*Decoder).resetSent},
	wire.EventRstReceived: {"tcp:reset-received", (*Decoder).resetReceived},
	wire.EventCongestion:  {"tcp:congestion", (*Decoder).congestion},
	wire.EventIcmpSent:    {"icmp:send", (*Decoder).icmpSent},
	wire.EventRoute:       {"route:lookup", (*Decoder).route},
	wire.EventNeighNew:    {"neigh:create", (*Decoder).neighbourNew},
	wire.EventNeighAsked:  {"neigh:lookup", (*Decoder).neighbourAsked},
	wire.EventNeighFailed: {"neigh:failed", (*Decoder).neighbourFailed},
	wire.EventNeighFound:  {"neigh:found", (*Decoder).neighbourFound},
	wire.EventGap:         {"task:gap", (*Decoder).gap},
}

func (d *Decoder) moved(e *event.Kernel, a *[6]uint64, _ []byte) {
	if a[1] != 0 {
		d.put("flags", event.Token{Kind: event.TFlags, Num: a[1], Tab: sys.MsgFlags})
	}
	if d.result(e, int64(a[0])); int64(a[0]) >= 0 {
		e.Bytes = int64(a[0])
	}
}

func (d *Decoder) ready(_ *event.Kernel, a *[6]uint64, _ []byte) {
	switch {
	case a[3] != 0:
		d.uint("waiting", a[3])
	case a[2] == protoTCP:
		d.uint("unread", a[0])
	default:
		d.uint("packets", a[1])
	}
}

func (d *Decoder) sockError(_ *event.Kernel, a *[6]uint64, _ []byte) {
	d.errno("error", int64(a[0]))
	if a[2] == protoTCP {
		d.state(a[1])
	}
}

// state adds the name of a TCP state, if n is valid.
func (d *Decoder) state(n uint64) {
	if n < uint64(len(tcpStates)) {
		d.text("state", tcpStates[n])
	}
}

func (d *Decoder) waited(e *event.Kernel, a *[6]uint64, _ []byte) {
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
}

func (d *Decoder) memoryLimit(_ *event.Kernel, a *[6]uint64, _ []byte) {
	d.uint("pages", a[0])
	d.text("to", [...]string{"send", "receive"}[a[1]&1])
}

func (d *Decoder) queueFull(_ *event.Kernel, a *[6]uint64, _ []byte) {
	if a[0] != 0 {
		d.uint("length", a[0])
	}
	d.uint("queued", a[1])
	d.uint("rcvbuf", a[2])
	if a[3] != 0 {
		d.errno("error", -int64(a[3]))
	}
}

func (d *Decoder) acceptFull(_ *event.Kernel, a *[6]uint64, addr []byte) {
	d.uint("waiting", a[0])
	d.uint("backlog", a[1])
	d.text("flags", tcpFlags(uint8(a[2])))
	name := "from"
	if a[5] != 0 {
		name = "listener"
	}
	d.text(name, netip.AddrPortFrom(address(addr, 0, a[4] == afInet6), uint16(a[3])).String())
}

// gap has the time of a thread between two calls. What is not in another field it was on the CPU.
func (d *Decoder) gap(e *event.Kernel, a *[6]uint64, _ []byte) {
	total, ready, disk, slept, other := a[0], a[1], a[2], a[3], a[4]
	e.Dur = int64(total)
	e.Context, e.Depth = event.ContextUnknown, 0 // in no call: it is not shown below one
	d.nanoseconds("cpu", total-min(total, ready+disk+slept+other))
	d.nanoseconds("ready", ready)
	d.nanoseconds("disk", disk)
	if slept > 0 {
		nr := uint32(a[5])
		name := syscalls.Sleeper(uint8(a[5]>>32), nr&^uint32(wire.GapTimed))
		if name == "" {
			name = "asleep"
		}
		if nr&wire.GapTimed != 0 {
			name += "-timeout"
		}
		d.nanoseconds(name, slept)
	}
	d.nanoseconds("other", other)
}

func (d *Decoder) skbOut(e *event.Kernel, a *[6]uint64, _ []byte) {
	e.Bytes = int64(a[0])
	d.uint("length", a[0])
	d.iface(a[1])
}

func (d *Decoder) skbIn(e *event.Kernel, a *[6]uint64, _ []byte) {
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
}

func (d *Decoder) skbCopy(e *event.Kernel, a *[6]uint64, _ []byte) {
	e.Bytes = int64(a[0])
	d.uint("length", a[0])
	if a[1] != a[0] {
		d.uint("of", a[1])
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

func (d *Decoder) retransmit(e *event.Kernel, a *[6]uint64, _ []byte) {
	e.Bytes = int64(a[1])
	d.more("seq", a[0])
	d.uint("length", a[1])
	if a[2] != 0 {
		d.uint("attempt", a[2])
	}
	d.state(a[3])
	d.cwnd(a[4])
	d.duration("srtt", a[5])
}

func (d *Decoder) synackAgain(_ *event.Kernel, a *[6]uint64, addr []byte) {
	d.text("to", netip.AddrPortFrom(address(addr, 0, a[2] == afInet6), uint16(a[0])).String())
	d.uint("attempt", a[1])
}

func (d *Decoder) resetSent(_ *event.Kernel, a *[6]uint64, _ []byte) {
	d.reason("reason", d.resets, uint32(a[0]))
	if peer := a[1] >> 16 & 0xffff; peer != 0 {
		d.uint("to_port", peer)
	}
	if a[2] != 0 {
		d.state(a[2])
	}
}

func (d *Decoder) resetReceived(_ *event.Kernel, a *[6]uint64, _ []byte) { d.state(a[0]) }

func (d *Decoder) congestion(_ *event.Kernel, a *[6]uint64, _ []byte) {
	if a[0] < uint64(len(caStates)) {
		d.text("state", caStates[a[0]])
	} else {
		d.uint("state", a[0])
	}
	d.cwnd(a[1])
	d.duration("srtt", a[2])
}

func (d *Decoder) icmpSent(_ *event.Kernel, a *[6]uint64, _ []byte) {
	d.text("type", icmpType(a[0], a[3] == afInet6))
	if what := icmpCode(a[0], a[1], a[3] == afInet6); what != "" {
		d.text("code", what)
	} else {
		d.uint("code", a[1])
	}
	d.uint("about", a[2])
}

// route decodes the result of a lookup in a routing table.
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

func (d *Decoder) neighbourNew(_ *event.Kernel, a *[6]uint64, addr []byte) {
	d.neighbour(addr, a[0], a[1])
}

func (d *Decoder) neighbourAsked(_ *event.Kernel, a *[6]uint64, addr []byte) {
	d.neighbour(addr, a[2], a[3])
	d.text("state", nudState(a[1]))
}

func (d *Decoder) neighbourFailed(_ *event.Kernel, a *[6]uint64, addr []byte) {
	d.neighbour(addr, a[1], a[2])
	d.uint("asked", a[0])
}

func (d *Decoder) neighbourFound(_ *event.Kernel, a *[6]uint64, addr []byte) {
	d.neighbour(addr, a[1], a[2])
}

func (d *Decoder) neighbour(addr []byte, ifindex, family uint64) {
	d.text("address", address(addr, 0, family == afInet6).String())
	d.iface(ifindex)
}
