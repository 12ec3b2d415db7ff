package tcpdump

import "encoding/binary"

// sum adds b to the Internet checksum (RFC 1071) s of an even number of bytes.
func sum(s uint32, b []byte) uint32 {
	for len(b) >= 2 {
		s += uint32(b[0])<<8 | uint32(b[1])
		b = b[2:]
		s = s&0xffff + s>>16
	}
	if len(b) > 0 {
		s += uint32(b[0]) << 8
	}
	return s
}

// fold returns the final checksum. It is 0 if the sum includes the checksum field and the
// field is correct.
func fold(s uint32) uint16 {
	s = s&0xffff + s>>16
	s = s&0xffff + s>>16
	return ^uint16(s)
}

// shouldBe returns the correct value of a checksum field with value has, where got is the
// result of fold.
func shouldBe(has, got uint16) uint16 {
	s := uint32(has) + uint32(got)
	s = s&0xffff + s>>16
	s = s&0xffff + s>>16
	return uint16(s)
}

// pseudo returns the folded sum of n bytes at off and the pseudo-header of proto. The caller
// has checked that the bytes were captured.
func (w *writer) pseudo(off int, n uint32, proto uint8) uint16 {
	var h [40]byte
	b := h[:12]
	be := binary.BigEndian
	if w.p.Version == 4 {
		copy(h[:4], w.d[12:16])
		copy(h[4:8], w.lastHop4())
		h[9] = proto
		be.PutUint16(h[10:], uint16(n))
	} else {
		b = h[:]
		copy(h[:16], w.d[8:24])
		copy(h[16:32], w.lastHop6())
		be.PutUint32(h[32:], n)
		h[39] = proto
	}
	return fold(sum(sum(0, b), w.d[off:off+int(n)]))
}

// lastHop4 returns the final destination, which may be in a source route option.
func (w *writer) lastHop4() []byte {
	const end, nop, loose, strict = 0, 1, 131, 137
	for o := w.p.IP.Options; len(o) > 0; {
		n := 1
		switch o[0] {
		case end:
			return w.d[16:20]
		case nop:
		default:
			if len(o) < 2 {
				return w.d[16:20]
			}
			if n = int(o[1]); n < 2 || n > len(o) {
				return w.d[16:20]
			}
			if (o[0] == loose || o[0] == strict) && n >= 7 {
				return o[n-4 : n]
			}
		}
		o = o[n:]
	}
	return w.d[16:20]
}

// lastHop6 returns the final destination, which may be in a routing header.
func (w *writer) lastHop6() []byte {
	last := w.d[24:40]
	at := 40
	for proto := w.p.IP.Proto; w.has(at, 8); {
		switch proto {
		case hopByHop, destOpts, mobility, mobilityOld:
			proto = w.d[at]
			at += (int(w.d[at+1]) + 1) * 8
		case fragment:
			proto = w.d[at]
			at += 8
		case routing:
			n := int(w.d[at+1])
			if n%2 == 1 {
				return last
			}
			switch w.d[at+2] {
			case 0, 2:
				for i := range n / 2 {
					if !w.has(at+8+i*16, 16) {
						return last
					}
					last = w.d[at+8+i*16:][:16]
				}
			case 4:
				if w.has(at+8, 16) {
					last = w.d[at+8:][:16]
				}
			}
			return last
		default:
			return last
		}
	}
	return last
}
