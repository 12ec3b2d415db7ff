// Package pkt decodes IP packets: the headers of IPv4, IPv6, TCP, UDP and ICMP, and the packet
// inside a tunnel or an ICMP error. Payloads stay bytes. The result depends only on the
// packets and their order, not on the machine. If headers contradict each other the package
// follows tcpdump 4.99, whose format internal/sink/tcpdump writes.
package pkt

import (
	"encoding/binary"
	"net/netip"

	"github.com/pidwire/pidwire/internal/event"
)

const (
	ip4Min  = 20
	ip6Len  = 40
	tcpMin  = 20
	udpLen  = 8
	icmpLen = 8
)

// Decoder decodes packets in capture order. Its only state is the initial sequence numbers of
// TCP connections, in bounded memory.
type Decoder struct {
	v4 flows[key4]
	v6 flows[key6]
	// Absolute disables relative sequence numbers, and the state for them.
	Absolute bool
}

// New returns a decoder without state.
func New() *Decoder { return &Decoder{} }

// Packet decodes data into p, which it overwrites except for p.Dir. data starts at an IP
// header, and had wireLen bytes on the wire. Packet never fails: errors are put into p.Damage,
// or fields are missing. p aliases data. Packet allocates only for nested packets.
func (d *Decoder) Packet(data []byte, wireLen uint32, p *event.Packet) {
	if uint64(len(data)) > uint64(wireLen) {
		data = data[:wireLen]
	}
	dir := p.Dir
	*p = event.Packet{Dir: dir}
	d.packet(data, wireLen, p, 0, false)
}

// level is the nesting level of a packet.
type level struct {
	depth  int
	quoted bool // quoted by an ICMP error: an old packet, which must not start a flow
}

func (d *Decoder) packet(data []byte, wireLen uint32, p *event.Packet, depth int, quoted bool) {
	l := level{depth, quoted}
	if len(data) > 0 && data[0]>>4 == 6 {
		d.ip6(data, wireLen, p, l)
		return
	}
	d.ip4(data, wireLen, p, l)
}

// start sets the fields that do not depend on the IP version. It reports whether the header is
// complete and has version v.
func start(data []byte, wireLen uint32, p *event.Packet, v uint8, header int) bool {
	p.Data, p.Len, p.Captured, p.End = data, wireLen, uint32(len(data)), uint32(len(data))
	if len(data) == 0 {
		p.Damage = event.DamageCut
		return false
	}
	p.Version = data[0] >> 4
	switch {
	case p.Version != v:
		p.Damage = event.BadVersion
	case len(data) < header:
		p.Damage = event.DamageCut
	case wireLen < uint32(header):
		p.Damage = event.DamageShort
	default:
		return true
	}
	return false
}

// maxTotal is the largest length that fits into an IP header. The kernel makes larger packets, which are segmented later, and
// sets the field to 0 (BIG TCP, since Linux 6.3 for IPv4).
const maxTotal = 65535

func (d *Decoder) ip4(data []byte, wireLen uint32, p *event.Packet, l level) {
	if !start(data, wireLen, p, 4, ip4Min) {
		return
	}
	be := binary.BigEndian
	h := &p.IP
	h.Header = data[0] & 15 * 4
	h.TOS = data[1]
	h.Total = be.Uint16(data[2:])
	h.ID = be.Uint16(data[4:])
	off := be.Uint16(data[6:])
	h.Flags, h.FragOff = uint8(off>>13), off<<3
	h.TTL, h.Proto, h.Sum = data[8], data[9], be.Uint16(data[10:])
	p.Proto = h.Proto
	p.Src = netip.AddrPortFrom(netip.AddrFrom4([4]byte(data[12:])), 0)
	p.Dst = netip.AddrPortFrom(netip.AddrFrom4([4]byte(data[16:])), 0)
	p.Fragment = h.FragOff != 0 || h.Flags&event.FlagMF != 0
	if h.Header < ip4Min {
		p.Damage = event.BadHeaderLen
		return
	}
	if wireLen < uint32(h.Total) {
		h.Missing = uint32(h.Total) - wireLen
	}
	total := uint32(h.Total)
	if h.Total == 0 && wireLen > maxTotal {
		total = wireLen
	}
	if total < uint32(h.Header) {
		p.Damage = event.BadTotalLen
		return
	}
	p.End = min(p.End, total)
	hdr := uint32(h.Header)
	h.Options = data[ip4Min:min(hdr, p.End)]
	if hdr > p.End {
		p.Damage = event.DamageCut
		return
	}
	if h.FragOff != 0 {
		return
	}
	d.transport(p, h.Proto, hdr, total-hdr, l)
}

// transport decodes the upper layer at off. length is its length according to the IP header.
func (d *Decoder) transport(p *event.Packet, proto uint8, off, length uint32, l level) {
	b := p.Data[:p.End]
	for proto == event.ProtoAH { // RFC 4302
		n, ok := authLen(b, off)
		if !ok {
			p.Proto, p.Off, p.Length = proto, off, length
			return
		}
		proto = b[off]
		off += n
		length -= n
	}
	p.Proto, p.Off, p.Length = proto, off, length
	if off > p.End {
		return
	}
	be := binary.BigEndian
	t := b[off:]
	switch proto {
	case event.ProtoTCP, event.ProtoUDP, event.ProtoSCTP, event.ProtoDCCP:
		if len(t) >= 4 {
			p.Src = netip.AddrPortFrom(p.Src.Addr(), be.Uint16(t))
			p.Dst = netip.AddrPortFrom(p.Dst.Addr(), be.Uint16(t[2:]))
		}
		switch {
		case proto == event.ProtoTCP && len(t) >= tcpMin:
			d.tcp(p, t, length, l)
		case proto == event.ProtoUDP && len(t) >= udpLen:
			p.UDP = event.UDPHeader{Length: be.Uint16(t[4:]), Sum: be.Uint16(t[6:])}
		}
	case event.ProtoICMP:
		if p.Version == 4 {
			d.icmp(p, t, off, l)
		}
	case event.ProtoICMPv6:
		if p.Version == 6 {
			d.icmp(p, t, off, l)
		}
	case event.ProtoIPv4, event.ProtoIPv6:
		d.inside(p, proto, off, length, l)
	case event.ProtoGRE:
		if ether, n, ok := greLen(t, length); ok {
			switch ether {
			case event.EtherIPv4:
				d.inside(p, event.ProtoIPv4, off+n, length-n, l)
			case event.EtherIPv6:
				d.inside(p, event.ProtoIPv6, off+n, length-n, l)
			}
		}
	}
}

// authLen returns the length of the authentication header at off. ok is false if it is
// truncated.
func authLen(b []byte, off uint32) (uint32, bool) {
	if uint64(off)+12 > uint64(len(b)) {
		return 0, false
	}
	n := (uint32(b[off+1]) + 2) * 4
	return n, uint64(off)+uint64(n) <= uint64(len(b))
}

// inside decodes the nested packet at off; proto tells its IP version.
func (d *Decoder) inside(p *event.Packet, proto uint8, off, length uint32, l level) {
	p.Inner = &event.Packet{Dir: p.Dir}
	if l.depth++; l.depth >= event.MaxInner {
		p.Inner.Damage = event.TooDeep
		return
	}
	if proto == event.ProtoIPv4 {
		d.ip4(p.Data[off:p.End], length, p.Inner, l)
	} else {
		d.ip6(p.Data[off:p.End], length, p.Inner, l)
	}
}

func (d *Decoder) icmp(p *event.Packet, t []byte, off uint32, l level) {
	var h [icmpLen]byte
	copy(h[:], t)
	be := binary.BigEndian
	p.ICMP = event.ICMPHeader{Type: h[0], Code: h[1], Sum: be.Uint16(h[2:]), Rest: be.Uint32(h[4:])}
	l.quoted = true
	switch {
	case p.Proto == event.ProtoICMP && quotes4(h[0]) && len(t) >= icmpLen+4:
		total := be.Uint16(t[icmpLen+2:])
		p.Inner = &event.Packet{Dir: p.Dir}
		if l.depth++; l.depth >= event.MaxInner {
			p.Inner.Damage = event.TooDeep
			return
		}
		// Extensions may follow the quoted packet (RFC 4884).
		end := min(p.End, off+icmpLen+uint32(total))
		d.ip4(p.Data[off+icmpLen:end], uint32(total), p.Inner, l)
	case p.Proto == event.ProtoICMPv6 && h[0] >= 1 && h[0] <= 4 && len(t) >= icmpLen+ip6Len:
		total := uint32(be.Uint16(t[icmpLen+4:])) + ip6Len
		p.Inner = &event.Packet{Dir: p.Dir}
		if l.depth++; l.depth >= event.MaxInner {
			p.Inner.Damage = event.TooDeep
			return
		}
		d.ip6(t[icmpLen:], total, p.Inner, l)
	}
}

// quotes4 reports whether ICMP messages of a type quote a packet: unreachable, source quench,
// redirect, time exceeded, parameter problem.
func quotes4(t uint8) bool { return t == 3 || t == 4 || t == 5 || t == 11 || t == 12 }

// greLen returns the length of a GRE header of version 0 (RFC 2784, 2890, 1701), and the
// EtherType of the payload.
func greLen(t []byte, length uint32) (ether uint16, n uint32, ok bool) {
	const checksum, routing, key, sequence = 0x8000, 0x4000, 0x2000, 0x1000
	t = t[:min(uint32(len(t)), length)]
	if len(t) < 4 {
		return 0, 0, false
	}
	be := binary.BigEndian
	flags := be.Uint16(t)
	ether = be.Uint16(t[2:])
	if flags&7 != 0 {
		return 0, 0, false
	}
	n = 4
	for _, f := range [...]uint16{checksum | routing, key, sequence} {
		if flags&f != 0 {
			n += 4
		}
	}
	if flags&routing != 0 {
		for { // source route entries, up to an empty one
			if uint64(n)+4 > uint64(len(t)) {
				return 0, 0, false
			}
			af, size := be.Uint16(t[n:]), t[n+3]
			n += 4
			if af == 0 && size == 0 {
				break
			}
			n += uint32(size)
		}
	}
	return ether, n, uint64(n) <= uint64(len(t))
}
