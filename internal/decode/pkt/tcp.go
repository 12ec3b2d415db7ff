package pkt

import (
	"bytes"
	"encoding/binary"

	"github.com/pidwire/pidwire/internal/event"
)

// tcp decodes the header in t, which has at least 20 bytes.
func (d *Decoder) tcp(p *event.Packet, t []byte, length uint32, l level) {
	be := binary.BigEndian
	h := &p.TCP
	h.Valid = true
	h.Seq, h.Ack = be.Uint32(t[4:]), be.Uint32(t[8:])
	h.Header, h.Flags = t[12]>>4*4, t[13]
	h.Win, h.Sum, h.Urg = be.Uint16(t[14:]), be.Uint16(t[16:]), be.Uint16(t[18:])
	h.RelSeq, h.RelAck = h.Seq, h.Ack
	h.Length = length - uint32(h.Header)
	if h.Header < tcpMin {
		return
	}
	h.Options = t[tcpMin:min(int(h.Header), len(t))]
	if h.Flags&event.TCPAck != 0 && !d.Absolute {
		d.relative(p, l)
	}
}

// relative sets the sequence numbers relative to the first ones of the connection. A SYN
// starts a new connection, even if the addresses are known.
func (d *Decoder) relative(p *event.Packet, l level) {
	h := &p.TCP
	from, to := p.Src.Port(), p.Dst.Port()
	var first base
	var known, rev bool
	if p.Version == 4 {
		src, dst := p.Data[12:16], p.Data[16:20]
		if rev = reversed(from, to, src, dst); rev {
			src, dst, from, to = dst, src, to, from
		}
		be := binary.BigEndian
		k := key4{be.Uint32(src), be.Uint32(dst), uint32(from)<<16 | uint32(to)}
		if first, known = d.v4.find(k); !known || h.Flags&event.TCPSyn != 0 {
			first, known = begin(h, rev), false
			if !l.quoted {
				d.v4.put(k, first)
			}
		}
	} else {
		src, dst := p.Data[8:24], p.Data[24:40]
		if rev = reversed(from, to, src, dst); rev {
			src, dst, from, to = dst, src, to, from
		}
		k := key6{[16]byte(src), [16]byte(dst), uint32(from)<<16 | uint32(to)}
		if first, known = d.v6.find(k); !known || h.Flags&event.TCPSyn != 0 {
			first, known = begin(h, rev), false
			if !l.quoted {
				d.v6.put(k, first)
			}
		}
	}
	mine, other := first.low, first.high
	if rev {
		mine, other = other, mine
	}
	h.SackBase = other
	if known {
		h.RelSeq -= mine
		h.RelAck -= other
	}
}

// reversed reports whether the sender is the second end of the key: the one with the higher
// port, or with the higher address if the ports are equal.
func reversed(from, to uint16, src, dst []byte) bool {
	return from > to || from == to && bytes.Compare(src, dst) > 0
}

// begin returns the base of a connection whose first segment is h. The acknowledgment number
// is taken as the initial sequence number of the other end plus one.
func begin(h *event.TCPHeader, rev bool) base {
	if rev {
		return base{low: h.Ack - 1, high: h.Seq}
	}
	return base{low: h.Seq, high: h.Ack - 1}
}

// key4 and key6 identify a connection; the end with the lower port is the first.
type key4 struct {
	low, high uint32
	ports     uint32
}

type key6 struct {
	low, high [16]byte
	ports     uint32
}

// base holds the first sequence number of each end.
type base struct{ low, high uint32 }

// flows stores bases in two generations. A full young generation replaces the old one, and
// entries of the old one that are used move to the young one. So memory is bounded, and
// connections in use are not dropped.
type flows[K comparable] struct {
	young, old map[K]base
	full       int // size of a generation; 0: maxFlows
}

// maxFlows bounds the memory of both generations to 4 MiB.
const maxFlows = 1 << 14

func (f *flows[K]) find(k K) (base, bool) {
	if b, ok := f.young[k]; ok {
		return b, true
	}
	b, ok := f.old[k]
	if ok {
		f.put(k, b)
	}
	return b, ok
}

func (f *flows[K]) put(k K, b base) {
	if f.full == 0 {
		f.full = maxFlows
	}
	if f.young == nil || len(f.young) >= f.full {
		f.young, f.old = f.old, f.young
		clear(f.young)
		if f.young == nil {
			f.young = map[K]base{}
		}
	}
	f.young[k] = b
}
