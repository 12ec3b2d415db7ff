package tcpdump

import "github.com/pidwire/pidwire/internal/event"

var protoNames = []word{
	{0, "Options"}, {1, "ICMP"}, {2, "IGMP"}, {4, "IPIP"}, {6, "TCP"}, {8, "EGP"}, {9, "IGRP"}, {17, "UDP"},
	{33, "DCCP"}, {41, "IPv6"}, {43, "Routing"}, {44, "Fragment"}, {46, "RSVP"}, {47, "GRE"}, {50, "ESP"},
	{51, "AH"}, {55, "Mobile IP"}, {58, "ICMPv6"}, {62, "Mobile IP (old)"}, {88, "EIGRP"}, {89, "OSPF"},
	{103, "PIM"}, {108, "Compressed IP"}, {112, "VRRP"}, {113, "PGM"}, {132, "SCTP"}, {135, "Mobility"},
	{143, "Ethernet"},
}

func protoName(p uint8) string {
	if s := name(protoNames, uint32(p)); s != "" {
		return s
	}
	return "unknown"
}

// ip4 writes an IPv4 packet.
func (w *writer) ip4() {
	p := w.p
	w.proto = "ip"
	switch {
	case p.Damage == event.TooDeep:
		w.tooDeep()
		return
	case len(p.Data) == 0:
		w.lost()
		return
	case p.Damage == event.BadVersion:
		if p.Version == 6 {
			w.str("IP6, wrong link-layer encapsulation")
		} else {
			w.say("IP", uint32(p.Version))
		}
		w.invalid()
		return
	}
	if !w.o.Link {
		w.str("IP ")
	}
	h := &p.IP
	switch {
	case p.Damage == event.DamageCut && len(p.Data) < 20:
		w.trunc()
		return
	case p.Damage == event.DamageShort:
		w.say("truncated-ip ", p.Len)
		return
	case p.Damage == event.BadHeaderLen:
		w.say("bad-hlen ", uint32(h.Header))
		return
	}
	if h.Missing != 0 {
		w.say("truncated-ip - ", h.Missing)
		w.str(" bytes missing! ")
	}
	if p.Damage == event.BadTotalLen {
		w.say("bad-len ", uint32(h.Total))
		return
	}
	if w.o.Verbose > 0 && !w.verbose4() {
		return
	}
	if h.FragOff != 0 {
		w.ends(":")
		w.say(" ip-proto-", uint32(h.Proto))
		return
	}
	switch h.Proto {
	case event.ProtoTCP, event.ProtoUDP, event.ProtoSCTP:
	case event.ProtoDCCP: // not decoded here, so write its addresses
		if p.Damage == event.Whole {
			w.ends(": ")
		}
	default:
		w.ends(": ")
	}
	if p.Damage == event.DamageCut {
		w.remaining(w.end, uint32(h.Header))
		return
	}
	total := uint32(h.Total)
	if total == 0 {
		total = p.Len // larger than the field: BIG TCP
	}
	w.demux(h.Proto, int(h.Header), total-uint32(h.Header), h.Flags&event.FlagMF != 0)
}

// remaining writes that a header of n bytes is longer than the have bytes captured, and ends
// the text.
func (w *writer) remaining(have int, n uint32) {
	w.say(" [remaining caplen(", uint32(have))
	w.say(") < header length(", n)
	w.str(")]")
	w.lost()
}

func (w *writer) tooDeep() {
	w.say("[more than ", event.MaxInner)
	w.str(" packets inside each other]")
}

// verbose4 writes the first line of -v. It returns false if the packet is truncated in the
// options.
func (w *writer) verbose4() bool {
	h := &w.p.IP
	w.str("(tos 0x")
	w.hex(uint64(h.TOS), 1)
	w.str([...]string{"", ",ECT(1)", ",ECT(0)", ",CE"}[h.TOS&3])
	if h.TTL > 0 {
		w.say(", ttl ", uint32(h.TTL))
	}
	w.say(", id ", uint32(h.ID))
	w.say(", offset ", uint32(h.FragOff))
	w.str(", flags [")
	w.bits([]word{{event.FlagMF, "+"}, {event.FlagDF, "DF"}, {event.FlagReserved, "rsvd"}}, uint32(h.Flags), ", ", "none")
	w.str("], proto ")
	w.str(protoName(h.Proto))
	w.say(" (", uint32(h.Proto))
	w.say("), length ", uint32(h.Total))
	whole := true
	if h.Header > 20 {
		w.str(", options (")
		if whole = w.options4(); !whole {
			w.str(" [truncated-option]")
		}
		w.byte(')')
	}
	if w.cut {
		return false
	}
	if w.has(0, uint32(h.Header)) {
		if s := fold(sum(0, w.d[:h.Header])); s != 0 {
			w.str(", bad cksum ")
			w.hex(uint64(h.Sum), 1)
			w.str(" (->")
			w.hex(uint64(shouldBe(h.Sum, s)), 1)
			w.str(")!")
		}
	}
	w.str(")\n    ")
	if !whole {
		w.ends(": ")
		w.trunc()
	}
	return whole
}

var ipOptions = []word{
	{0, "EOL"}, {1, "NOP"}, {7, "RR"}, {68, "timestamp"}, {82, "traceroute"}, {130, "security"}, {131, "LSRR"},
	{137, "SSRR"}, {148, "RA"},
}

// options4 writes the options. It returns false if one is truncated.
func (w *writer) options4() bool {
	const eol, nop, record, timestamp, loose, strict, alert = 0, 1, 7, 68, 131, 137, 148
	left := uint32(w.p.IP.Header) - 20
	for at := 20; left > 0; {
		if at > 20 {
			w.byte(',')
		}
		code := w.u8(at)
		w.named(ipOptions, uint32(code), "unknown ", "")
		n := uint32(1)
		if code != nop && code != eol {
			n = uint32(w.u8(at + 1))
		}
		if w.cut {
			return false
		}
		if n < 2 && code != nop && code != eol || n > left {
			w.badLength(n)
			return true
		}
		if !w.has(at, n) {
			return false
		}
		switch code {
		case eol:
			return true
		case timestamp:
			if !w.timestamps(at, n) {
				return false
			}
		case record, loose, strict:
			if !w.route(at, n) {
				return false
			}
		case alert:
			if n < 4 {
				w.badLength(n)
			} else if v := w.u16(at + 2); v != 0 {
				w.say(" value ", uint32(v))
			}
		}
		at += int(n)
		left -= n
	}
	return true
}

func (w *writer) badLength(n uint32) {
	w.say(" [bad length ", n)
	w.byte(']')
}

// route writes a route option (RFC 791) of n bytes, with commas up to the position of its
// pointer. It returns false if an address extends beyond the captured bytes.
func (w *writer) route(at int, n uint32) bool {
	if n < 3 || (n+1)&3 != 0 {
		w.badLength(n)
		if n < 3 {
			return true
		}
	}
	ptr := uint32(w.d[at+2]) - 1
	if ptr < 3 || (ptr+1)&3 != 0 || ptr > n+1 {
		w.badPointer(" ", ptr)
	}
	for i := uint32(3); i < n; i += 4 {
		if !w.has(at+int(i), 4) {
			return false
		}
		w.byte(' ')
		w.addr4(at + int(i))
		if ptr > i {
			w.byte(',')
		}
	}
	return true
}

func (w *writer) badPointer(before string, ptr uint32) {
	w.str(before)
	w.say("[bad ptr ", (ptr+1)&0xff)
	w.byte(']')
}

// timestamps writes a timestamp option (RFC 781), with ^ at the position of its pointer.
func (w *writer) timestamps(at int, n uint32) bool {
	if n < 4 {
		w.say("[bad length ", n)
		w.byte(']')
		return true
	}
	const tsOnly, withAddr, prespecified = 0, 1, 3
	kind := w.d[at+3] & 15
	w.str(" TS{")
	size := uint32(8)
	if kind == tsOnly {
		size = 4
	}
	if (n-4)&(size-1) != 0 {
		w.say("[bad length ", n)
		w.byte(']')
	}
	ptr := uint32(w.d[at+2]) - 1
	if ptr < 4 || (ptr-4)&(size-1) != 0 || ptr > n+1 {
		w.badPointer("", ptr)
	}
	i := uint32(0)
	switch kind {
	case tsOnly:
		w.str("TSONLY")
	case withAddr:
		w.str("TS+ADDR")
	case prespecified:
		w.str("PRESPEC")
	default:
		w.say("[bad ts type ", uint32(kind))
		w.byte(']')
	}
	if kind == tsOnly || kind == withAddr || kind == prespecified {
		for i = 4; i < n; i += size {
			hop := at + int(i)
			if !w.has(hop, size) {
				return false
			}
			if w.byte(' '); ptr == i {
				w.str("^ ")
			}
			w.num(w.u32(hop + int(size) - 4))
			w.byte('@')
			if size == 8 {
				w.addr4(hop)
			}
		}
	}
	if ptr == i {
		w.str(" ^ ")
	}
	if lost := w.d[at+3] >> 4; lost != 0 {
		w.say(" [", uint32(lost))
		w.str(" hops not recorded]} ")
	} else {
		w.byte('}')
	}
	return true
}
