package tcpdump

import "encoding/binary"

// dnsOver is the transport of a DNS message.
type dnsOver uint8

const (
	dnsUDP dnsOver = iota
	dnsTCP
	dnsMulticast // RFC 6762
)

const (
	dnsHeader = 12
	typeOPT   = 41
	classIN   = 1
	topBit    = 0x8000 // of the class, in multicast DNS

	mostJumps = 10000
	mostName  = 255
)

var dnsOps = [...]string{
	"", " inv_q", " stat", " op3", " notify", " update", " op6", " op7", " op8", " updateA", " updateD", " updateDA",
	" updateM", " updateMA", " zoneInit", " zoneRef",
}

var dnsResults = [...]string{
	"", " FormErr", " ServFail", " NXDomain", " NotImp", " Refused", " YXDomain", " YXRRSet", " NXRRSet", " NotAuth",
	" NotZone", " Resp11", " Resp12", " Resp13", " Resp14", " NoChange", " BadVers", "Resp17", " Resp18", " Resp19",
	" Resp20", "Resp21", " Resp22", " BadCookie",
}

// dnsMessage is a DNS message (RFC 1035).
type dnsMessage struct {
	*writer
	at       int
	flags    uint16
	qd       uint32 // number of questions, answers, authorities, additional records
	an       uint32
	ns       uint32
	ar       uint32
	multi    bool
	verbose2 bool
}

// dns writes a DNS message of n bytes.
func (w *writer) dns(at int, n uint32, over dnsOver) {
	w.proto = "domain"
	if over == dnsTCP {
		if n < 2 {
			w.say(" [DNS over TCP: length ", n)
			w.str(" < 2]")
			w.invalid()
			return
		}
		n -= 2
		if prefix := uint32(w.u16(at)); prefix != n {
			w.say(" [prefix length(", prefix)
			w.say(") != length(", n)
			w.str(")]")
			w.invalid()
			return
		}
		at += 2
		w.byte(' ')
	}
	if n < dnsHeader {
		w.say("domain [length ", n)
		w.str(" < 12]")
		w.invalid()
		return
	}
	if w.cut {
		return
	}
	if !w.has(at, dnsHeader) {
		w.trunc()
		return
	}
	be := binary.BigEndian
	h := w.d[at : at+dnsHeader]
	m := dnsMessage{
		writer: w, at: at, flags: be.Uint16(h[2:]), multi: over == dnsMulticast, verbose2: w.o.Verbose > 1,
		qd: uint32(be.Uint16(h[4:])), an: uint32(be.Uint16(h[6:])), ns: uint32(be.Uint16(h[8:])), ar: uint32(be.Uint16(h[10:])),
	}
	w.num(uint32(be.Uint16(h)))
	w.str(dnsOps[m.flags>>11&15])
	ok := false
	if m.flags&0x8000 != 0 {
		ok = m.response()
	} else {
		ok = m.query()
	}
	if !ok {
		w.trunc()
		return
	}
	w.say(" (", n)
	w.byte(')')
}

// response and query return false if the message is truncated or damaged.

func (m *dnsMessage) response() bool {
	code := m.result()
	if int(code) < len(dnsResults) {
		m.str(dnsResults[code])
	} else {
		m.say(" Resp", code&0xfff)
	}
	if m.flags&0x0400 != 0 { // authoritative
		m.byte('*')
	}
	if m.flags&0x0080 == 0 { // no recursion available
		m.byte('-')
	}
	if m.flags&0x0200 != 0 { // truncated
		m.byte('|')
	}
	if m.flags&0x0020 != 0 { // authentic data
		m.byte('$')
	}
	if m.qd != 1 {
		m.count(m.qd, "q")
	}
	at := m.at + dnsHeader
	for i := range m.qd {
		if i > 0 {
			m.byte(',')
		}
		ok := false
		if m.verbose2 {
			m.str(" q:")
			at, ok = m.question(at)
		} else if at, ok = m.skipName(at); ok {
			at += 4
		}
		if !ok {
			return false
		}
	}
	m.say(" ", m.an)
	m.say("/", m.ns)
	m.say("/", m.ar)
	at, ok := m.records(at, m.an, "", true)
	return ok && m.rest(at)
}

func (m *dnsMessage) query() bool {
	if m.flags&0x0100 != 0 { // recursion desired
		m.byte('+')
	}
	if m.flags&0x0010 != 0 { // checking disabled
		m.byte('%')
	}
	if m.flags&0x6cf != 0 { // bits that a query does not have
		m.str(" [b2&3=0x")
		m.hex(uint64(m.flags), 1)
		m.byte(']')
	}
	const inverse = 1
	if m.flags>>11&15 == inverse {
		if m.qd != 0 {
			m.count(m.qd, "q")
		}
		if m.an != 1 {
			m.count(m.an, "a")
		}
	} else {
		if m.an != 0 {
			m.count(m.an, "a")
		}
		if m.qd != 1 {
			m.count(m.qd, "q")
		}
	}
	if m.ns != 0 {
		m.count(m.ns, "n")
	}
	if m.ar != 0 {
		m.count(m.ar, "au")
	}
	at := m.at + dnsHeader
	for i := range m.qd {
		if i > 0 && at >= m.end {
			return false
		}
		var ok bool
		if at, ok = m.question(at); !ok {
			return false
		}
	}
	if !m.verbose2 {
		return true
	}
	at, ok := m.records(at, m.an, "", true)
	return ok && m.rest(at)
}

func (m *dnsMessage) count(n uint32, what string) {
	m.say(" [", n)
	m.str(what)
	m.byte(']')
}

// rest writes the authority and additional records, only with -vv.
func (m *dnsMessage) rest(at int) bool {
	if !m.verbose2 {
		return true
	}
	at, ok := m.records(at, m.ns, " ns:", false)
	if !ok {
		return false
	}
	_, ok = m.records(at, m.ar, " ar:", false)
	return ok
}

// records writes title and n records. With must it tries to read the first record even at the
// end of the data.
func (m *dnsMessage) records(at int, n uint32, title string, must bool) (int, bool) {
	for i := range n {
		if at >= m.end && (i > 0 || !must) {
			return at, false
		}
		if i == 0 {
			m.str(title)
		} else {
			m.byte(',')
		}
		var ok bool
		if at, ok = m.record(at); !ok || m.cut {
			return at, false
		}
	}
	return at, true
}

// result returns the response code, with the upper bits from an OPT record (RFC 6891) if there
// is one.
func (m *dnsMessage) result() uint32 {
	code := uint32(m.flags & 15)
	at := m.at + dnsHeader
	var ok bool
	for range m.qd {
		if at, ok = m.skipName(at); !ok {
			return code
		}
		if at += 4; at >= m.end {
			return code
		}
	}
	be := binary.BigEndian
	for i := range m.an + m.ns + m.ar {
		if at, ok = m.skipName(at); !ok || !m.has(at, 2) {
			return code
		}
		if i >= m.an+m.ns && be.Uint16(m.d[at:]) == typeOPT {
			if m.has(at+4, 1) {
				code |= uint32(m.d[at+4]) << 4
			}
			return code
		}
		if !m.has(at+8, 2) {
			return code
		}
		if at += 10 + int(be.Uint16(m.d[at+8:])); at >= m.end {
			return code
		}
	}
	return code
}

// skipName returns the offset after the name at offset at.
func (m *dnsMessage) skipName(at int) (int, bool) {
	for {
		if !m.has(at, 1) {
			return 0, false
		}
		c := int(m.d[at])
		at++
		switch {
		case c == 0:
			return at, true
		case c&labelMask == labelPointer:
			return at + 1, true
		case c&labelMask == labelReserved:
			return 0, false
		case c&labelMask == labelExtended:
			if c&^labelMask != bitLabel || !m.has(at, 1) {
				return 0, false
			}
			at += 1 + bitBytes(m.d[at])
		default:
			at += c
		}
	}
}

// question writes a question and returns the offset after it.
func (m *dnsMessage) question(at int) (int, bool) {
	name := at
	at, ok := m.skipName(at)
	if !ok || !m.has(at, 4) {
		return 0, false
	}
	be := binary.BigEndian
	m.byte(' ')
	m.named(dnsTypes, uint32(be.Uint16(m.d[at:])), "Type", "")
	class := be.Uint16(m.d[at+2:])
	m.class(class)
	if m.multi {
		if class&topBit != 0 {
			m.str(" (QU)")
		} else {
			m.str(" (QM)")
		}
	}
	m.str("? ")
	at, ok = m.domain(name, m.at)
	return at + 4, ok
}

func (m *dnsMessage) class(class uint16) {
	if m.multi {
		class &^= topBit
	}
	if class == classIN {
		return
	}
	m.byte(' ')
	m.named([]word{{3, "CHAOS"}, {4, "HS"}, {255, "ANY"}}, uint32(class), "(Class ", ")")
}

const (
	labelMask     = 0xc0
	labelPointer  = 0xc0
	labelReserved = 0x80
	labelExtended = 0x40
	bitLabel      = 1 // RFC 2673, obsolete
)

// bitBytes returns the size of a bit label with n bits, where 0 means 256.
func bitBytes(n uint8) int {
	if n == 0 {
		return 32
	}
	return (int(n) + 7) / 8
}

// label returns the first byte of the label at offset at, and the length of the rest. ok is
// false if the label was not captured or has an unknown type.
func (w *writer) label(at int) (c byte, n int, ok bool) {
	if !w.has(at, 1) {
		return 0, 0, false
	}
	c = w.d[at]
	switch c & labelMask {
	case labelReserved:
		w.str("<BAD LABEL TYPE>")
		return c, 0, false
	case labelExtended:
		if e := c &^ labelMask; e != bitLabel {
			w.say("<ELT ", uint32(e))
			w.byte('>')
			return c, 0, false
		}
		if !w.has(at+1, 1) {
			return c, 0, false
		}
		return c, bitBytes(w.d[at+1]) + 1, true
	}
	return c, int(c), true
}

// domain writes the name at offset at of the message at offset base, and returns the offset
// after it. Each pointer must refer to an earlier offset than the one before.
func (w *writer) domain(at, base int) (int, bool) {
	c, n, ok := w.label(at)
	if !ok {
		return 0, false
	}
	back := uint32(at - base) // overflows if the name is before base: then any pointer is accepted
	end := 0
	pointed := false
	at++
	if c&labelMask != labelPointer {
		end = at + n
	}
	if c == 0 {
		w.byte('.')
		return end, true
	}
	chars := 0
	for c != 0 && at < w.end {
		switch c & labelMask {
		case labelPointer:
			if !pointed {
				pointed, end = true, at+1
			}
			to := uint32(c&^labelMask)<<8 | uint32(w.d[at])
			if to >= back {
				w.str("<BAD PTR>")
				return 0, false
			}
			if w.jumps++; w.jumps > mostJumps {
				w.str("<TOO MANY PTRS>")
				return 0, false
			}
			back, at = to, base+int(to)
			if c, n, ok = w.label(at); !ok {
				return 0, false
			}
			at++
			continue
		case labelExtended:
			if !w.bitLabel(at) {
				return 0, false
			}
		default:
			show := n
			if chars+n > mostName {
				show = max(mostName-chars, 0)
			}
			if !w.chars(at, uint32(show)) {
				return 0, false
			}
			chars += n
		}
		at += n
		if chars <= mostName {
			w.byte('.')
		}
		chars++
		if c, n, ok = w.label(at); !ok {
			return 0, false
		}
		at++
		if !pointed {
			end += n + 1
		}
	}
	if chars > mostName {
		w.str("<DOMAIN NAME TOO LONG>")
	}
	return end, end != 0 // 0: the name is a pointer whose second byte was not captured
}

// bitLabel writes a bit label in hex.
func (w *writer) bitLabel(at int) bool {
	if !w.has(at, 1) {
		return false
	}
	bits := int(w.d[at])
	if bits == 0 {
		bits = 256
	}
	w.str("\\[x")
	left := bits
	for at++; left > 7; at, left = at+1, left-8 {
		w.hex(uint64(w.u8(at)), 2)
	}
	switch {
	case left > 4:
		w.hex(uint64(int(w.u8(at))&(0xff<<(8-left))), 2)
	case left > 0:
		w.hex(uint64(w.u8(at)>>4&(0x0f<<(4-left)&0x0f)), 1)
	}
	w.say("/", uint32(bits))
	w.byte(']')
	return true
}
