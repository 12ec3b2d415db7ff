package pkt

import (
	"encoding/binary"
	"net/netip"

	"github.com/pidwire/pidwire/internal/event"
)

func (d *Decoder) ip6(data []byte, wireLen uint32, p *event.Packet, l level) {
	if !start(data, wireLen, p, 6, ip6Len) {
		return
	}
	be := binary.BigEndian
	h := &p.IP
	word := be.Uint32(data)
	h.TOS, h.Flow = uint8(word>>20), word&0xfffff
	h.Total = be.Uint16(data[4:])
	h.Proto, h.TTL = data[6], data[7]
	h.Header = ip6Len
	p.Proto = h.Proto
	p.Src = netip.AddrPortFrom(netip.AddrFrom16([16]byte(data[8:])), 0)
	p.Dst = netip.AddrPortFrom(netip.AddrFrom16([16]byte(data[24:])), 0)
	if h.Total != 0 {
		total := uint32(h.Total) + ip6Len
		p.End = min(p.End, total)
		if wireLen < total {
			h.Missing = total - wireLen
		}
	}
	off, proto, length, ok := chain(p)
	p.Proto = proto
	if !ok {
		return
	}
	d.transport(p, proto, off, length, l)
	if p.Off > 0 && p.Off <= p.End {
		h.Options = data[ip6Len:p.Off]
	}
}

// chain follows the extension headers (RFC 8200) to the upper layer. It returns its offset,
// protocol and length. A payload length of 0 means either a jumbogram (RFC 2675) or an empty
// packet.
func chain(p *event.Packet) (off uint32, proto uint8, length uint32, ok bool) {
	b := p.Data[:p.End]
	payload := uint32(p.IP.Total)
	length = payload
	if payload == 0 {
		length = p.Len // until there is a jumbo option
	}
	off, proto = ip6Len, p.IP.Proto
	jumbo, hops := uint32(0), false
	for { // each iteration consumes at least 8 captured bytes
		rest := b[min(off, p.End):]
		n := uint32(8)
		switch proto {
		case event.ProtoHopByHop, event.ProtoDestOpts, event.ProtoRouting:
			if len(rest) < 8 {
				return bad(p, off, proto)
			}
			n = (uint32(rest[1]) + 1) * 8
		case event.ProtoFragment:
			if len(rest) < 4 {
				return bad(p, off, proto)
			}
			frag := binary.BigEndian.Uint16(rest[2:])
			p.Fragment, p.IP.FragOff = true, frag&^7
			if frag&^7 != 0 || uint32(len(rest)) <= n {
				return off, proto, length, false
			}
		case event.ProtoMobility, event.ProtoMobilOld:
			return off, proto, length, false
		default:
			switch {
			case jumbo != 0:
				if length = jumbo + ip6Len; length < off {
					return bad(p, off, proto)
				}
				p.End = min(p.End, length)
				if p.Len < length {
					p.IP.Missing = length - p.Len
				}
				length -= off
			case payload == 0 && p.Len > maxTotal+ip6Len: // BIG TCP without a jumbo option
				length = p.Len - off
			case payload == 0 && off > ip6Len:
				return bad(p, off, proto)
			case payload == 0:
				length, p.End = 0, ip6Len
			}
			return off, proto, length, true
		}
		if proto != event.ProtoFragment && uint32(len(rest)) < n {
			return bad(p, off, proto)
		}
		switch proto {
		case event.ProtoHopByHop:
			j, fine := hopOptions(rest[2:n], payload)
			if hops || off > ip6Len || !fine || payload == 0 && j == 0 {
				return bad(p, off, proto)
			}
			jumbo, hops = j, true
		case event.ProtoRouting:
			if t := rest[2]; t != 0 && t != 2 && t != 4 || rest[1]%2 == 1 {
				return bad(p, off, proto)
			}
		}
		if length < n { // the payload ends in the header
			return bad(p, off, proto)
		}
		proto = rest[0]
		off += n
		length -= n
	}
}

func bad(p *event.Packet, off uint32, proto uint8) (uint32, uint8, uint32, bool) {
	p.Damage = event.BadExtension
	return off, proto, 0, false
}

// hopOptions parses the hop-by-hop options in b. It returns the length in a valid jumbo
// option: over 65535, in a packet with payload length 0. ok is false if an option is
// truncated.
func hopOptions(b []byte, payload uint32) (jumbo uint32, ok bool) {
	const pad1, alert, jumboOpt, home = 0, 5, 0xc2, 0xc9
	seen := false
	for len(b) > 0 {
		if b[0] == pad1 {
			b = b[1:]
			continue
		}
		if len(b) < 2 || len(b) < int(b[1])+2 {
			return 0, false
		}
		size := b[1]
		switch b[0] {
		case alert:
			if size != 2 {
				return 0, false
			}
		case home:
			if size < 16 {
				return 0, false
			}
		case jumboOpt:
			if size != 4 {
				return 0, false
			}
			if n := binary.BigEndian.Uint32(b[2:]); !seen && payload == 0 && n > 65535 {
				jumbo = n
			}
			seen = true
		}
		b = b[int(size)+2:]
	}
	return jumbo, true
}
