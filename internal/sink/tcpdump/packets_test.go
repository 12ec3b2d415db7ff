package tcpdump_test

import (
	"encoding/binary"
	"net/netip"
)

var be = binary.BigEndian

// cat concatenates the parts of a packet: bytes, strings, and integers of their size.
func cat(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case []byte:
			b = append(b, p...)
		case string:
			b = append(b, p...)
		case uint8:
			b = append(b, p)
		case uint16:
			b = be.AppendUint16(b, p)
		case uint32:
			b = be.AppendUint32(b, p)
		case uint64:
			b = be.AppendUint64(b, p)
		case netip.Addr:
			b = append(b, p.AsSlice()...)
		default:
			panic("cat: a part of another type")
		}
	}
	return b
}

func sum16(parts ...[]byte) uint16 {
	var s uint32
	for _, b := range parts {
		for i := range b {
			if i%2 == 0 {
				s += uint32(b[i]) << 8
			} else {
				s += uint32(b[i])
			}
		}
	}
	for s>>16 != 0 {
		s = s&0xffff + s>>16
	}
	return ^uint16(s)
}

// checked sets the checksum at off in a message.
func checked(b []byte, off int) []byte {
	be.PutUint16(b[off:], 0)
	be.PutUint16(b[off:], sum16(b))
	return b
}

type ip4 struct {
	src, dst    string
	proto       uint8
	tos, ttl    uint8
	id, frag    uint16 // frag: flags and fragment offset, as in the header
	options     []byte
	total       int // 0: the correct value
	badSum      bool
	transportAt int // offset of the checksum in the payload if it covers the pseudo-header; 0: none
}

func (h ip4) with(payload []byte) []byte {
	src, dst := netip.MustParseAddr(h.src), netip.MustParseAddr(h.dst)
	if h.ttl == 0 {
		h.ttl = 64
	}
	n := 20 + len(h.options)
	total := n + len(payload)
	if h.total != 0 {
		total = h.total
	}
	if at := h.transportAt; at > 0 {
		be.PutUint16(payload[at:], 0)
		be.PutUint16(payload[at:], sum16(cat(src, dst, uint8(0), h.proto, uint16(len(payload))), payload))
	}
	b := cat(uint8(0x40|n/4), h.tos, uint16(total), h.id, h.frag, h.ttl, h.proto, uint16(0), src, dst, h.options)
	checked(b, 10)
	if h.badSum {
		b[10] ^= 0xff
	}
	return append(b, payload...)
}

type ip6 struct {
	src, dst    string
	next        uint8
	class       uint8
	flow        uint32
	hops        uint8
	ext         []byte // extension headers; next is the type of the first
	proto       uint8  // of the payload, for the checksum
	transportAt int
	noLength    bool
}

func (h ip6) with(payload []byte) []byte {
	src, dst := netip.MustParseAddr(h.src), netip.MustParseAddr(h.dst)
	if h.hops == 0 {
		h.hops = 64
	}
	if h.proto == 0 {
		h.proto = h.next
	}
	if at := h.transportAt; at > 0 {
		be.PutUint16(payload[at:], 0)
		be.PutUint16(payload[at:], sum16(cat(src, dst, uint32(len(payload)), uint32(h.proto)), payload))
	}
	n := len(h.ext) + len(payload)
	if h.noLength {
		n = 0
	}
	return cat(uint32(6<<28)|uint32(h.class)<<20|h.flow, uint16(n), h.next, h.hops, src, dst, h.ext, payload)
}

const (
	fin = 1 << iota
	syn
	rst
	psh
	ack
	urg
	ece
	cwr
)

type tcpSeg struct {
	sport, dport uint16
	seq, ack     uint32
	flags        uint8
	win, urg     uint16
	options      []byte // padded with zeros to a multiple of 4
	offset       uint8  // in words; 0: the correct value
}

func (s tcpSeg) with(payload string) []byte {
	o := s.options
	for len(o)%4 != 0 {
		o = append(o[:len(o):len(o)], 0)
	}
	if s.offset == 0 {
		s.offset = uint8(5 + len(o)/4)
	}
	if s.win == 0 {
		s.win = 502
	}
	return cat(s.sport, s.dport, s.seq, s.ack, s.offset<<4, s.flags, s.win, uint16(0), s.urg, o, payload)
}

func tcp4(s tcpSeg, payload string) []byte {
	return ip4{src: "10.0.2.15", dst: "10.0.0.5", proto: 6, id: 4711, frag: 0x4000, transportAt: 16}.with(s.with(payload))
}

func tcp4back(s tcpSeg, payload string) []byte {
	return ip4{src: "10.0.0.5", dst: "10.0.2.15", proto: 6, id: 815, transportAt: 16}.with(s.with(payload))
}

func tcp6(s tcpSeg, payload string) []byte {
	return ip6{src: "2001:db8::15", dst: "2001:db8::5", next: 6, transportAt: 16}.with(s.with(payload))
}

func udpDatagram(sport, dport uint16, payload []byte) []byte {
	return cat(sport, dport, uint16(8+len(payload)), uint16(0), payload)
}

func udp4(sport, dport uint16, payload []byte) []byte {
	return ip4{src: "10.0.2.15", dst: "10.0.0.5", proto: 17, transportAt: 6}.with(udpDatagram(sport, dport, payload))
}

func udp6(sport, dport uint16, payload []byte) []byte {
	return ip6{src: "fe80::1", dst: "ff02::fb", next: 17, transportAt: 6}.with(udpDatagram(sport, dport, payload))
}

func icmp4(parts ...any) []byte {
	return ip4{src: "10.0.0.5", dst: "10.0.2.15", proto: 1}.with(checked(cat(parts...), 2))
}

func icmp6(parts ...any) []byte {
	return ip6{src: "fe80::1", dst: "ff02::1", next: 58, hops: 255, transportAt: 2}.with(cat(parts...))
}

// capture is a captured packet: its first bytes, and its length on the wire.
type capture struct {
	data []byte
	wire int
}

func whole(list ...[]byte) []capture {
	var c []capture
	for _, p := range list {
		c = append(c, capture{p, len(p)})
	}
	return c
}

// pcap returns a pcap file.
func pcap(link uint32, list []capture) []byte {
	le := binary.LittleEndian
	b := le.AppendUint32(nil, 0xa1b2c3d4)
	b = le.AppendUint16(b, 2)
	b = le.AppendUint16(b, 4)
	for _, v := range []uint32{0, 0, 262144, link} {
		b = le.AppendUint32(b, v)
	}
	for i, c := range list {
		for _, v := range []uint32{1700000000, uint32(i), uint32(len(c.data)), uint32(c.wire)} {
			b = le.AppendUint32(b, v)
		}
		b = append(b, c.data...)
	}
	return b
}

// parsePcap parses a little-endian pcap file. It returns the link type and the frames.
func parsePcap(b []byte) (uint32, []capture) {
	le := binary.LittleEndian
	link := le.Uint32(b[20:])
	var list []capture
	for b = b[24:]; len(b) >= 16; {
		n, wire := int(le.Uint32(b[8:])), int(le.Uint32(b[12:]))
		list = append(list, capture{b[16 : 16+n], wire})
		b = b[16+n:]
	}
	return link, list
}
