package dump

import "encoding/binary"

// Flags of a TCP header (RFC 9293 3.1).
const (
	flagFIN = 0x01
	flagSYN = 0x02
	flagRST = 0x04
	flagACK = 0x10
	flagURG = 0x20
)

// tcpSize is the length of a TCP header without options.
const tcpSize = 20

// segment is a TCP segment that is being built.
type segment struct {
	flags           uint16 // with the reserved bit that became AE (RFC 9768)
	seq, ack        uint32
	win, urg, sum   uint16
	hasSeq, hasSum  bool
	hasLen, options bool
	header          int // if the text has it
	length          int // of the payload
	opt             text
}

// oldFlags parses the flags of tcpdump 3: letters, or a point if there are none. ACK is not among
// them, but follows with its number.
func oldFlags(t *text) (flags uint16, ok bool) {
	n := 0
	for n < len(*t) && (*t)[n] != ' ' && (*t)[n] != ',' {
		switch (*t)[n] {
		case 'F':
			flags |= flagFIN
		case 'S':
			flags |= flagSYN
		case 'R':
			flags |= flagRST
		case 'P':
			flags |= 0x08
		case 'E':
			flags |= 0x40
		case 'W':
			flags |= 0x80
		case '.':
		default:
			return 0, false
		}
		n++
	}
	if n == 0 || n > 8 {
		return 0, false
	}
	*t = (*t)[n:]
	return flags, true
}

// oldTCP reports whether t is a segment in the format of tcpdump 3.
func oldTCP(t text) bool {
	if _, ok := oldFlags(&t); !ok {
		return false
	}
	return t.has(", cksum ") || t.has(" [tcp sum ") || t.has(" [bad tcp ") || t.has(" [bad hdr ") ||
		t.skip(" ") && (t.has("ack ") || t.has("win ") || t.digits() > 0 && (t[t.digits():].has(":") || t[t.digits():].has(" win ")))
}

// newFlags parses the text in "Flags [...]".
func newFlags(t *text) (flags uint16, ok bool) {
	if t.skip("none]") {
		return 0, true
	}
	const letters = "FSRP.UEWe"
	for i := range *t {
		c := (*t)[i]
		if c == ']' {
			*t = (*t)[i+1:]
			return flags, true
		}
		bit := -1
		for j := range len(letters) {
			if letters[j] == c {
				bit = j
			}
		}
		if bit < 0 {
			return 0, false
		}
		flags |= 1 << bit
	}
	return 0, false
}

// tcp builds a TCP header, or only its ports if the text has no more.
func (r *Reader) tcp(t text, p *packet) (made, length int, why string) {
	r.unknown |= Sum
	if v, ok := t.after("tcp ", most16); ok { // -q, or a bad header
		r.unknown |= TCPRest
		header := uint64(tcpSize)
		if n, ok := t.after(" [bad hdr length ", 60); ok {
			header = n
		}
		return 4, int(v + header), ""
	}
	var s segment
	var ok bool
	switch {
	case t.skip("Flags ["):
		if s.flags, ok = newFlags(&t); !ok {
			return 0, 0, badTCP
		}
		s.modern(t)
	case oldTCP(t):
		r.old = true
		s.flags, _ = oldFlags(&t)
		if !s.ancient(t) {
			return 0, 0, badTCP
		}
	default:
		r.unknown |= TCPRest | Length
		return 4, tcpSize, ""
	}
	if !s.hasLen {
		r.unknown |= Length
	}
	return r.segment(&s, p)
}

// modern parses the text of tcpdump 4 after the flags.
func (s *segment) modern(t text) {
	if n, ok := t.after(" [bad hdr length ", 60); ok {
		if v, ok := t.after(" - too long, > ", most16); ok {
			s.header, s.length, s.hasLen = int(n), int(v)-int(n), true
		}
		return
	}
	for t.skip(", ") {
		if v, ok := t.after("seq ", most32); ok {
			s.seq, s.hasSeq = uint32(v), true
			if v, ok := t.after(":", most32); ok {
				s.length = payload(uint32(v) - s.seq)
			}
		} else if v, ok := t.after("ack ", most32); ok {
			s.ack = uint32(v)
		} else if v, ok := t.after("win ", most16); ok {
			s.win = uint16(v)
		} else if v, ok := t.after("urg ", most16); ok {
			s.urg = uint16(v)
		} else if v, ok := t.after("length ", most32); ok {
			s.length, s.hasLen = int(v), true
			return
		} else if s.checksum(&t) {
		} else if t.skip("options [") {
			s.opt, s.options = t, true
			end := optionsEnd(t)
			if end < 0 {
				return
			}
			s.opt, t = t[:end], t[end+1:]
		} else {
			return
		}
	}
}

// payload returns the difference of two sequence numbers as a length, 0 if it is too large for a
// packet.
func payload(n uint32) int {
	if n > most16 {
		return 0
	}
	return int(n)
}

// checksum parses "cksum 0x... (...)".
func (s *segment) checksum(t *text) bool {
	v, ok := t.afterHex("cksum 0x")
	if !ok || v > most16 {
		return false
	}
	s.sum, s.hasSum = uint16(v), true
	t.skip(" ")
	t.parens()
	return true
}

// optionsEnd returns the offset of the bracket that closes the options. Options may have brackets,
// too.
func optionsEnd(t text) int {
	depth := 0
	for i, c := range t {
		switch c {
		case '[':
			depth++
		case ']':
			if depth == 0 {
				return i
			}
			depth--
		}
	}
	return -1
}

// ancient parses the text of tcpdump 3 after the flags:
// " first:last(length) ack N win N urg N <options>".
func (s *segment) ancient(t text) bool {
	if t.skip(", ") {
		if !s.checksum(&t) {
			return false
		}
		t.skip(",")
	}
	if t.has(" [") {
		if n, ok := t.after(" [bad hdr length ", 60); ok {
			v, ok := t.after(" - too long, > ", most16)
			s.header, s.length, s.hasLen = int(n), int(v)-int(n), ok
			return ok
		}
		end := t.index("]")
		if end < 0 {
			return false
		}
		t = t[end+1:]
	}
	s.hasLen = true
	if v, ok := t.after(" ", most32); ok {
		s.seq, s.hasSeq = uint32(v), true
		if _, ok = t.after(":", most32); ok {
			n, ok := t.after("(", most16)
			if !ok || !t.skip(")") {
				return false
			}
			s.length = int(n)
		}
	}
	if v, ok := t.after(" ack ", most32); ok {
		s.ack = uint32(v)
		s.flags |= flagACK
	}
	v, ok := t.after(" win ", most16)
	if !ok {
		return false
	}
	s.win = uint16(v)
	if v, ok := t.after(" urg ", most16); ok {
		s.urg = uint16(v)
		s.flags |= flagURG
	}
	if t.skip(" <") {
		s.options = true
		s.opt = t
		if end := t.index(">"); end >= 0 {
			s.opt = t[:end]
		}
	}
	return true
}

// segment writes a TCP header.
func (r *Reader) segment(s *segment, p *packet) (made, length int, why string) {
	f, mine := r.flows.find(p.src.addr, p.dst.addr, p.src.port, p.dst.port, p.v6)
	other := 1 - mine
	isACK := s.flags&flagACK != 0
	if isACK && f.fromSYN && s.flags&flagSYN == 0 && s.ack == f.base[other]+1 && s.ack > most16 {
		// A relative number would be 1.
		r.absolute = true
	}
	minusS := r.Absolute || r.absolute
	absolute := minusS || !isACK || s.flags&flagSYN != 0 || !f.begun
	sackBase := uint32(0)
	if !s.hasSeq {
		// Guess a consistent number. The numbers of the text are then relative to it.
		r.unknown |= Seq
		s.seq = f.next[mine]
	} else if !absolute {
		s.seq += f.base[mine]
	}
	if isACK {
		if !absolute {
			s.ack += f.base[other]
		}
		if !f.begun || s.flags&flagSYN != 0 {
			f.begun, f.fromSYN = true, s.flags&flagSYN != 0
			f.base[mine], f.base[other] = s.seq, s.ack-1
			f.next[other] = s.ack
		}
		if !minusS {
			sackBase = f.base[other]
		}
	}
	next := s.seq + uint32(max(s.length, 0))
	if s.flags&(flagSYN|flagFIN) != 0 {
		next++
	}
	if s.flags&flagRST == 0 && (int32(next-f.next[mine]) > 0 || s.hasSeq && absolute) {
		f.next[mine] = next
	}
	b := r.buf[p.at:]
	size := tcpSize
	if s.options {
		o := options{b: b[tcpSize:60], flags: s.flags, sackBase: sackBase}
		o.read(s.opt)
		if o.guessed {
			r.unknown |= Options
		}
		for o.n%4 != 0 {
			o.put(0)
		}
		size += o.n
	}
	made = size
	header := size
	if s.header > 0 {
		header = s.header
		made = tcpSize
	}
	be := binary.BigEndian
	be.PutUint32(b[4:], s.seq)
	be.PutUint32(b[8:], s.ack)
	b[12], b[13] = byte(header/4)<<4|byte(s.flags>>8&1), byte(s.flags)
	be.PutUint16(b[14:], s.win)
	be.PutUint16(b[16:], s.sum)
	be.PutUint16(b[18:], s.urg)
	if s.hasSum {
		r.unknown &^= Sum
	}
	if length = header + s.length; length < tcpSize {
		return 0, 0, badTCP
	}
	return made, length, ""
}
