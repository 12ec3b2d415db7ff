package tcpdump

import "github.com/pidwire/pidwire/internal/event"

// demux writes the upper layer at offset at. length is its length by the IP header.
func (w *writer) demux(proto uint8, at int, length uint32, fragmented bool) {
	v4 := w.p.Version == 4
	for proto == event.ProtoAH {
		n := w.auth(at)
		if w.cut || n == 0 {
			return
		}
		proto = w.d[at]
		at += n
		length -= uint32(n)
	}
	switch proto {
	case event.ProtoTCP:
		w.tcp(at, length, fragmented)
	case event.ProtoUDP:
		w.udp(at, length, fragmented)
	case event.ProtoSCTP:
		w.sctp(at, length)
	case event.ProtoICMP:
		if !v4 {
			w.requires(proto, "IPv4")
			return
		}
		w.icmp(at, length, fragmented)
	case event.ProtoICMPv6:
		if v4 {
			w.requires(proto, "IPv6")
			return
		}
		w.icmp6(at, length, fragmented)
	case event.ProtoIGMP:
		if !v4 {
			w.requires(proto, "IPv4")
			return
		}
		w.igmp(at, length)
	case event.ProtoIPv4:
		w.inside(4)
	case event.ProtoIPv6:
		w.inside(6)
	case event.ProtoGRE:
		w.gre(at, length)
	case event.ProtoESP:
		w.esp(at, length)
	case event.ProtoIPComp: // RFC 3173
		w.proto = "ipcomp"
		cpi := w.u16(at + 2)
		w.str("IPComp(cpi=0x")
		w.hex(uint64(cpi), 4)
		w.byte(')')
	case netDisk:
		w.say(" nd ", length)
	case ethernet:
		if v4 {
			w.requires(proto, "IPv6")
			return
		}
		w.unnamed(proto, length)
	case event.ProtoNoNext:
		w.str("no next header")
	default:
		w.unnamed(proto, length)
	}
}

const (
	netDisk  = 77
	ethernet = 143
)

func (w *writer) unnamed(proto uint8, length uint32) {
	w.say(" ip-proto-", uint32(proto))
	w.say(" ", length)
}

func (w *writer) requires(proto uint8, version string) {
	w.byte('[')
	w.str(protoName(proto))
	w.str(" requires ")
	w.str(version)
	w.byte(']')
	w.invalid()
}

// inside writes the packet nested in w.p. version is its IP version by the outer header.
func (w *writer) inside(version uint8) {
	outer, d, end := w.p, w.d, w.end
	in := outer.Inner
	if in == nil {
		w.lost()
		return
	}
	w.enter(in)
	if version == 4 {
		w.ip4()
	} else {
		w.ip6()
	}
	w.p, w.d, w.end = outer, d, end
}

// auth writes an authentication header (RFC 4302) and returns its length. The header is
// truncated if that is 0 or w.cut is set.
func (w *writer) auth(at int) int {
	w.proto = "ah"
	if !w.has(at, 1) {
		w.trunc()
		return 0
	}
	w.str("AH")
	words := uint32(w.u8(at + 1))
	n := (words + 2) * 4
	w.byte('(')
	if w.o.Verbose > 0 {
		w.say("length=", words)
		w.say("(", n)
		w.str("-bytes),")
	}
	if r := w.u16(at + 2); r != 0 {
		w.str("reserved=0x")
		w.hex(uint64(r), 1)
		w.str("[MustBeZero],")
	}
	spi := w.u32(at + 4)
	w.str("spi=0x")
	w.hex(uint64(spi), 8)
	w.byte(',')
	seq := w.u32(at + 8)
	w.str("seq=0x")
	w.hex(uint64(seq), 1)
	w.str(",icv=0x")
	for i := 12; i < int(n); i++ {
		w.hex(uint64(w.u8(at+i)), 2)
		if w.cut {
			return 0
		}
	}
	w.str("): ")
	return int(n)
}

// esp writes the part of an ESP packet that is not encrypted (RFC 4303).
func (w *writer) esp(at int, length uint32) {
	w.proto = "esp"
	if at+8 >= w.end {
		w.trunc()
		return
	}
	spi, seq := w.u32(at), w.u32(at+4)
	w.str("ESP(spi=0x")
	w.hex(uint64(spi), 8)
	w.str(",seq=0x")
	w.hex(uint64(seq), 1)
	w.say("), length ", length)
}

var greFlags = []word{
	{0x8000, "checksum present"}, {0x4000, "routing present"}, {0x2000, "key present"},
	{0x1000, "sequence# present"}, {0x0800, "source routing present"}, {0x0080, "ack present"},
}

// gre writes a GRE header (RFC 2784, 2890; version 1: RFC 2637) and its payload.
func (w *writer) gre(at int, length uint32) {
	w.proto = "gre"
	if !w.has(at, 2) || length < 2 {
		w.trunc()
		return
	}
	flags := w.u16(at)
	version := flags & 7
	w.say("GREv", uint32(version))
	if version > 1 {
		w.str(" ERROR: unknown-version")
		return
	}
	if w.o.Verbose > 0 {
		w.str(", Flags [")
		w.bits(greFlags, uint32(flags), ", ", "none")
		w.byte(']')
	}
	g := greReader{w: w, at: at + 2, left: length - 2}
	if !g.field(2) {
		return
	}
	ether := w.u16(at + 2)
	var ok bool
	if version == 0 {
		ok = g.fields0(flags)
	} else {
		ok = g.fields1(flags)
	}
	if !ok {
		return
	}
	if w.o.Link {
		w.str(", proto ")
		if s := name(etherTypes, uint32(ether)); s != "" {
			w.str(s)
		} else {
			w.str("unknown")
		}
		w.code(uint64(ether), 4)
	}
	w.say(", length ", length)
	if version == 1 && flags&greSequence == 0 {
		return
	}
	if w.o.Verbose > 0 {
		w.str("\n\t")
	} else {
		w.str(": ")
	}
	switch {
	case version == 0 && ether == event.EtherIPv4:
		w.inside(4)
	case version == 0 && ether == event.EtherIPv6:
		w.inside(6)
	default:
		w.str("gre-proto-0x")
		w.hex(uint64(ether), 1)
	}
}

const (
	greChecksum = 0x8000
	greRouting  = 0x4000
	greKey      = 0x2000
	greSequence = 0x1000
	greAck      = 0x0080
)

// greReader iterates over the fields of a GRE header.
type greReader struct {
	w    *writer
	at   int
	left uint32
	last int // offset of the last field
}

// field skips a field of n bytes. It returns false if it is truncated.
func (g *greReader) field(n uint32) bool {
	if !g.w.has(g.at, n) || g.left < n {
		g.w.trunc()
		return false
	}
	g.last = g.at
	g.at += int(n)
	g.left -= n
	return true
}

func (g *greReader) fields0(flags uint16) bool {
	w := g.w
	if flags&(greChecksum|greRouting) != 0 {
		if !g.field(2) {
			return false
		}
		if w.o.Verbose > 0 {
			w.str(", sum 0x")
			w.hex(uint64(w.u16(g.last)), 1)
		}
		if !g.field(2) {
			return false
		}
		w.str(", off 0x")
		w.hex(uint64(w.u16(g.last)), 1)
	}
	if flags&greKey != 0 {
		if !g.field(4) {
			return false
		}
		w.str(", key=0x")
		w.hex(uint64(w.u32(g.last)), 1)
	}
	if flags&greSequence != 0 {
		if !g.field(4) {
			return false
		}
		w.say(", seq ", w.u32(g.last))
	}
	for flags&greRouting != 0 {
		if !g.field(4) {
			return false
		}
		family, off, size := w.u16(g.last), w.u8(g.last+2), w.u8(g.last+3)
		if family == 0 && size == 0 {
			break
		}
		if !g.route(family, off, size) {
			w.trunc()
			return false
		}
		if g.left < uint32(size) {
			w.trunc()
			return false
		}
		g.at += int(size)
		g.left -= uint32(size)
	}
	return true
}

func (g *greReader) fields1(flags uint16) bool {
	w := g.w
	if flags&greKey != 0 {
		if !g.field(4) {
			return false
		}
		w.say(", call ", w.u32(g.last)&0xffff)
	}
	if flags&greSequence != 0 {
		if !g.field(4) {
			return false
		}
		w.say(", seq ", w.u32(g.last))
	}
	if flags&greAck != 0 {
		if !g.field(4) {
			return false
		}
		w.say(", ack ", w.u32(g.last))
	}
	if flags&greSequence == 0 {
		w.str(", no-payload")
	}
	return true
}

// route writes a source route entry (RFC 1701): addresses or AS numbers, the next one marked
// with a star.
func (g *greReader) route(family uint16, off, size uint8) bool {
	const ip, asn = 0x0800, 0xfffe
	w := g.w
	step := 4
	switch family {
	case ip:
		w.str(", (rtaf=ip")
	case asn:
		w.str(", (rtaf=asn")
		step = 2
	default:
		w.str(", (rtaf=0x")
		w.hex(uint64(family), 1)
		w.byte(')')
		return true
	}
	ok := true
	switch {
	case int(off)&(step-1) != 0:
		w.say(", badoffset=", uint32(off))
	case int(size)&(step-1) != 0:
		w.say(", badlength=", uint32(size))
	case off >= size:
		w.say(", badoff/len=", uint32(off))
		w.say("/", uint32(size))
	default:
		for i := 0; i < int(size) && ok; i += step {
			if ok = w.has(g.at+i, uint32(step)) && g.left >= uint32(i+step); !ok {
				break
			}
			if w.byte(' '); i == int(off) {
				w.byte('*')
			}
			if step == 4 {
				w.addr4(g.at + i)
			} else {
				w.hex(uint64(w.u16(g.at+i)), 1)
			}
		}
	}
	w.byte(')')
	return ok
}
