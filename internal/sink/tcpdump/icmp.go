package tcpdump

import (
	"encoding/binary"
	"strconv"

	"github.com/pidwire/pidwire/internal/event"
)

// ICMP message types (RFC 792, 950, 1256).
const (
	echoReply     = 0
	unreachable   = 3
	sourceQuench  = 4
	redirect      = 5
	echoRequest   = 8
	routerAdvert  = 9
	routerSolicit = 10
	timeExceeded  = 11
	paramProblem  = 12
	timeRequest   = 13
	timeReply     = 14
	infoRequest   = 15
	infoReply     = 16
	maskRequest   = 17
	maskReply     = 18
)

// Codes of unreachable with more than an address in the text.
const (
	protocolCode = 2
	portCode     = 3
	needFragment = 4
)

// Offsets in a message.
const (
	quotedAt       = 8   // of the quoted packet
	quotedProto    = 17  // of the protocol in the quoted packet
	quotedDst      = 24  // of the destination in the quoted packet
	extendedBehind = 136 // of the extensions, RFC 4884
)

// icmpTextMost is the length to which tcpdump truncates the text of a message. A router
// advertisement can be longer.
const icmpTextMost = 163

// unreachableWords has the text before and after the address, by code.
var unreachableWords = [...][2]string{
	{"net ", " unreachable"},
	{"host ", " unreachable"},
	{"", ""}, {"", ""}, {"", ""}, // handled separately
	{"", " unreachable - source route failed"},
	{"net ", " unreachable - unknown"},
	{"host ", " unreachable - unknown"},
	{"", " unreachable - source host isolated"},
	{"net ", " unreachable - admin prohibited"},
	{"host ", " unreachable - admin prohibited"},
	{"net ", " unreachable - tos prohibited"},
	{"host ", " unreachable - tos prohibited"},
	{"host ", " unreachable - admin prohibited filter"},
	{"host ", " unreachable - host precedence violation"},
	{"host ", " unreachable - precedence cutoff"},
}

// icmp writes an ICMP message of n bytes at offset at. If it is truncated nothing but that is
// written, as in tcpdump.
func (w *writer) icmp(at int, n uint32, fragmented bool) {
	w.proto = "icmp"
	kind := w.u8(at)
	w.u8(at + 1)
	if w.cut {
		return
	}
	start := len(w.b)
	w.str("ICMP ")
	whole := w.icmpText(at, kind)
	if w.cut || !whole {
		// tcpdump prints the text after it has read the whole message.
		w.b, w.cut = w.b[:start], false
		w.trunc()
		w.cut = true
		return
	}
	if most := start + len("ICMP ") + icmpTextMost; len(w.b) > most {
		w.b = w.b[:most]
	}
	w.say(", length ", n)
	if w.o.Verbose == 0 {
		return
	}
	if !fragmented && w.has(at, n) {
		if s := fold(sum(0, w.d[at:at+int(n)])); s != 0 {
			has := w.u16(at + 2) // truncated in a message of 3 bytes
			w.str(" (wrong icmp cksum ")
			w.hex(uint64(has), 1)
			w.str(" (->")
			w.hex(uint64(shouldBe(has, s)), 1)
			w.str(")!)")
		}
	}
	if w.cut {
		return
	}
	switch kind {
	case unreachable, sourceQuench, redirect, timeExceeded, paramProblem:
		w.str("\n\t")
		// If the total length of the quoted packet is less than 4, that field does not count as
		// captured.
		if in := w.p.Inner; in == nil || len(in.Data) < 4 && in.Damage != event.TooDeep {
			w.lost()
			return
		}
		w.inside(4)
		w.proto = "icmp"
	}
	if (kind == unreachable || kind == timeExceeded || kind == paramProblem) && n > extendedBehind && !w.cut {
		w.extensions(at, n)
	}
}

// icmpText writes the text of a message. It returns false if it finds by a length check that
// the message is truncated.
func (w *writer) icmpText(at int, kind uint8) bool {
	code := w.d[at+1]
	switch kind {
	case echoRequest, echoReply:
		if kind == echoRequest {
			w.str("echo request, id ")
		} else {
			w.str("echo reply, id ")
		}
		w.num(uint32(w.u16(at + 4)))
		w.say(", seq ", uint32(w.u16(at+6)))
	case unreachable:
		return w.unreachable(at, code)
	case redirect:
		words := [...][2]string{{"redirect ", " to net "}, {"redirect ", " to host "}, {"redirect-tos ", " to net "}, {"redirect-tos ", " to host "}}
		if int(code) < len(words) {
			w.str(words[code][0])
			w.addr4(at + quotedDst)
			w.str(words[code][1])
		} else {
			w.say("redirect-#", uint32(code))
			w.byte(' ')
			w.addr4(at + quotedDst)
			w.str(" to ")
		}
		w.addr4(at + 4)
	case routerAdvert:
		return w.routerAdvert(at)
	case timeExceeded:
		switch code {
		case 0:
			w.str("time exceeded in-transit")
		case 1:
			w.str("ip reassembly time exceeded")
		default:
			w.say("time exceeded-#", uint32(code))
		}
		return w.has(at+quotedDst, 4)
	case paramProblem:
		if code != 0 {
			w.say("parameter problem - code ", uint32(code))
		} else {
			w.say("parameter problem - octet ", uint32(w.u8(at+4)))
		}
	case maskReply:
		w.str("address mask is 0x")
		w.hex(uint64(w.u32(at+8)), 8)
	case timeRequest:
		w.say("time stamp query id ", uint32(w.u16(at+4)))
		w.say(" seq ", uint32(w.u16(at+6)))
	case timeReply:
		w.say("time stamp reply id ", uint32(w.u16(at+4)))
		w.say(" seq ", uint32(w.u16(at+6)))
		w.str(": org ")
		w.midnight(w.u32(at + 8))
		w.str(", recv ")
		w.midnight(w.u32(at + 12))
		w.str(", xmit ")
		w.midnight(w.u32(at + 16))
	case sourceQuench:
		w.str("source quench")
	case routerSolicit:
		w.str("router solicitation")
	case infoRequest:
		w.str("information request")
	case infoReply:
		w.str("information reply")
	case maskRequest:
		w.str("address mask request")
	default:
		w.say("type-#", uint32(kind))
	}
	return true
}

func (w *writer) unreachable(at int, code uint8) bool {
	switch {
	case code == protocolCode:
		w.addr4(at + quotedDst)
		w.say(" protocol ", uint32(w.u8(at+quotedProto)))
		w.str(" unreachable")
	case code == portCode:
		if !w.has(at+quotedProto, 1) {
			return false
		}
		port := uint32(w.u16(at + quotedAt + int(w.u8(at+quotedAt)&15)*4 + 2))
		w.addr4(at + quotedDst)
		switch proto := w.u8(at + quotedProto); proto {
		case event.ProtoTCP:
			w.say(" tcp port ", port)
		case event.ProtoUDP:
			w.say(" udp port ", port)
		default:
			w.say(" protocol ", uint32(proto))
			w.say(" port ", port)
		}
		w.str(" unreachable")
	case code == needFragment:
		mtu := w.u16(at + 6)
		w.addr4(at + quotedDst)
		w.str(" unreachable - need to frag")
		if mtu != 0 {
			w.say(" (mtu ", uint32(mtu))
			w.byte(')')
		}
	case int(code) < len(unreachableWords):
		w.str(unreachableWords[code][0])
		w.addr4(at + quotedDst)
		w.str(unreachableWords[code][1])
	default:
		w.addr4(at + quotedDst)
		w.say(" unreachable - #", uint32(code))
	}
	return true
}

// routerAdvert writes a router advertisement (RFC 1256).
func (w *writer) routerAdvert(at int) bool {
	if !w.has(at+4, 4) {
		return false
	}
	w.str("router advertisement lifetime ")
	switch t := uint32(w.u16(at + 6)); {
	case t < 60:
		w.num(t)
	case t < 3600:
		w.num(t / 60)
		w.sixty(t % 60)
	default:
		w.num(t / 3600)
		w.sixty(t % 3600 / 60)
		w.sixty(t % 60)
	}
	n := int(w.u8(at + 4))
	w.say(" ", uint32(n))
	w.byte(':')
	if size := w.u8(at + 5); size != 2 {
		w.say(" [size ", uint32(size))
		w.byte(']')
		return true
	}
	for i := range n {
		if !w.has(at+8+i*8, 8) {
			return false
		}
		w.str(" {")
		w.addr4(at + 8 + i*8)
		w.say(" ", w.u32(at+12+i*8))
		w.byte('}')
	}
	return true
}

// sixty writes a colon and minutes or seconds, in two digits.
func (w *writer) sixty(v uint32) {
	w.byte(':')
	w.padded(v, 2)
}

func (w *writer) padded(v uint32, width int) {
	for least := uint32(10); width > 1; width, least = width-1, least*10 {
		if v < least {
			for range width - 1 {
				w.byte('0')
			}
			break
		}
	}
	w.num(v)
}

// midnight writes milliseconds since midnight as a time of day.
func (w *writer) midnight(ms uint32) {
	s := ms / 1000
	w.padded(s/3600, 2)
	w.sixty(s / 60 % 60)
	w.sixty(s % 60)
	w.byte('.')
	w.padded(ms%1000, 3)
}

// extensions writes the extensions after the quoted packet (RFC 4884), mostly MPLS labels
// (RFC 4950).
func (w *writer) extensions(at int, n uint32) {
	const header = 141 // up to the first byte of an object
	if !w.has(at, header) {
		w.trunc()
		return
	}
	ext := at + extendedBehind
	n -= extendedBehind
	captured := w.has(ext, n)
	right := captured && fold(sum(0, w.d[ext:ext+int(n)])) == 0
	// Not every router sets the length. If it is 0 and the checksum is wrong, there are no
	// extensions.
	if w.d[at+5] == 0 && captured && !right {
		return
	}
	version := w.d[ext] >> 4
	w.say("\n\tICMP Multi-Part extension v", uint32(version))
	if version != 2 {
		w.str(" packet not supported")
		return
	}
	if captured {
		w.str(", checksum 0x")
		w.hex(uint64(binary.BigEndian.Uint16(w.d[ext+2:])), 4)
		if right {
			w.str(" (correct), length ")
		} else {
			w.str(" (incorrect), length ")
		}
		w.num(n)
	}
	n -= 4
	for o := ext + 4; n > 4; {
		if !w.has(o, 4) {
			w.trunc()
			return
		}
		size, class, kind := uint32(binary.BigEndian.Uint16(w.d[o:])), w.d[o+2], w.d[o+3]
		o += 4
		w.str("\n\t  ")
		switch class {
		case 1:
			w.str("MPLS Stack Entry")
		case 2:
			w.str("Interface Identification")
		default:
			w.str("unknown")
		}
		w.say(" Object (", uint32(class))
		w.say("), Class-Type: ", uint32(kind))
		w.say(", length ", size)
		n -= 4
		if class == 0 || size < 4 {
			return
		}
		size -= 4
		if class == 1 && kind == 1 {
			label := w.u32(o)
			w.say("\n\t    label ", label>>12)
			w.say(", tc ", label>>9&7)
			if label&0x100 != 0 {
				w.str(", [S]")
			}
			w.say(", ttl ", label&0xff)
		} else {
			w.unknown(o, size, "\n\t    ")
		}
		if w.cut || n < size {
			return
		}
		n -= size
		o += int(size)
	}
}

// tenths writes v with one decimal.
func (w *writer) tenths(v float64) {
	if !w.cut {
		w.b = strconv.AppendFloat(w.b, v, 'f', 1, 64)
	}
}

// duration writes seconds as 1w2d3h4m5s.
func (w *writer) duration(s uint32) {
	if s == 0 {
		w.str("0s")
		return
	}
	units := [...]struct {
		s uint32
		c byte
	}{{31536000, 'y'}, {604800, 'w'}, {86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}}
	for _, u := range units {
		if s >= u.s {
			w.num(s / u.s)
			w.byte(u.c)
			s %= u.s
		}
	}
}
