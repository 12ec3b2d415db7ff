package tcpdump

import "github.com/pidwire/pidwire/internal/dns"

// dnsOver is the transport of a DNS message.
type dnsOver uint8

const (
	dnsUDP dnsOver = iota
	dnsTCP
	dnsMulticast // RFC 6762
)

const (
	topBit   = 0x8000 // of the class, in multicast DNS
	mostName = 255
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

// dnsMessage writes a DNS message (RFC 1035).
type dnsMessage struct {
	*writer
	dns.Message
	h        dns.Header
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
	if n < dns.HeaderSize {
		w.say("domain [length ", n)
		w.str(" < 12]")
		w.invalid()
		return
	}
	if w.cut {
		return
	}
	m := dnsMessage{writer: w, Message: dns.Message{Bytes: w.d[:w.end], At: at}, multi: over == dnsMulticast, verbose2: w.o.Verbose > 1}
	ok := false
	if m.h, ok = m.Header(); !ok {
		w.trunc()
		return
	}
	w.num(uint32(m.h.ID))
	w.str(dnsOps[m.h.Op()])
	if m.h.Flags&dns.Response != 0 {
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
	code := m.Result(&m.h)
	if int(code) < len(dnsResults) {
		m.str(dnsResults[code])
	} else {
		m.say(" Resp", code&0xfff)
	}
	for _, f := range [...]struct {
		bit, set uint16
		c        byte
	}{
		{dns.Authoritative, dns.Authoritative, '*'}, {dns.RecursionAvailable, 0, '-'}, {dns.Truncated, dns.Truncated, '|'},
		{dns.AuthenticData, dns.AuthenticData, '$'},
	} {
		if m.h.Flags&f.bit == f.set {
			m.byte(f.c)
		}
	}
	if m.h.Questions != 1 {
		m.count(m.h.Questions, "q")
	}
	at := m.At + dns.HeaderSize
	for i := range m.h.Questions {
		if i > 0 {
			m.byte(',')
		}
		ok := false
		if m.verbose2 {
			m.str(" q:")
			at, ok = m.question(at)
		} else if at, ok = m.SkipName(at); ok {
			at += 4
		}
		if !ok {
			return false
		}
	}
	m.say(" ", uint32(m.h.Answers))
	m.say("/", uint32(m.h.Authorities))
	m.say("/", uint32(m.h.Additional))
	at, ok := m.records(at, m.h.Answers, "", true)
	return ok && m.rest(at)
}

func (m *dnsMessage) query() bool {
	if m.h.Flags&dns.RecursionDesired != 0 {
		m.byte('+')
	}
	if m.h.Flags&dns.CheckingDisabled != 0 {
		m.byte('%')
	}
	if m.h.Flags&0x6cf != 0 { // bits that a query does not have
		m.str(" [b2&3=0x")
		m.hex(uint64(m.h.Flags), 1)
		m.byte(']')
	}
	const inverse = 1
	if m.h.Op() == inverse {
		if m.h.Questions != 0 {
			m.count(m.h.Questions, "q")
		}
		if m.h.Answers != 1 {
			m.count(m.h.Answers, "a")
		}
	} else {
		if m.h.Answers != 0 {
			m.count(m.h.Answers, "a")
		}
		if m.h.Questions != 1 {
			m.count(m.h.Questions, "q")
		}
	}
	if m.h.Authorities != 0 {
		m.count(m.h.Authorities, "n")
	}
	if m.h.Additional != 0 {
		m.count(m.h.Additional, "au")
	}
	at := m.At + dns.HeaderSize
	for i := range m.h.Questions {
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
	at, ok := m.records(at, m.h.Answers, "", true)
	return ok && m.rest(at)
}

func (m *dnsMessage) count(n uint16, what string) {
	m.say(" [", uint32(n))
	m.str(what)
	m.byte(']')
}

// rest writes the authority and additional records, only with -vv.
func (m *dnsMessage) rest(at int) bool {
	if !m.verbose2 {
		return true
	}
	at, ok := m.records(at, m.h.Authorities, " ns:", false)
	if !ok {
		return false
	}
	_, ok = m.records(at, m.h.Additional, " ar:", false)
	return ok
}

// records writes title and n records. With must it tries to read the first record even at the
// end of the data.
func (m *dnsMessage) records(at int, n uint16, title string, must bool) (int, bool) {
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

// question writes a question and returns the offset after it.
func (m *dnsMessage) question(at int) (int, bool) {
	q, _, ok := m.Question(at)
	if !ok {
		return 0, false
	}
	m.byte(' ')
	m.named(dnsTypes, uint32(q.Type), "Type", "")
	m.class(q.Class)
	if m.multi {
		if q.Class&topBit != 0 {
			m.str(" (QU)")
		} else {
			m.str(" (QM)")
		}
	}
	m.str("? ")
	at, ok = m.domain(q.Name, m.At)
	return at + 4, ok
}

func (m *dnsMessage) class(class uint16) {
	if m.multi {
		class &^= topBit
	}
	if class == dns.ClassIN {
		return
	}
	m.byte(' ')
	m.named([]word{{3, "CHAOS"}, {4, "HS"}, {255, "ANY"}}, uint32(class), "(Class ", ")")
}

// domain writes the name at offset at of the message at offset base, and returns the offset
// after it.
func (w *writer) domain(at, base int) (int, bool) {
	n := dns.Message{Bytes: w.d[:w.end], At: base}.NameAt(at)
	n.Jumps = w.jumps
	chars := 0
	for {
		l, more := n.Next()
		if !more {
			break
		}
		switch l.Kind {
		case dns.Root:
			w.byte('.')
			continue
		case dns.Text:
			show := l.Len
			if chars+l.Len > mostName {
				show = max(mostName-chars, 0)
			}
			if !w.chars(l.At, uint32(show)) {
				return 0, false
			}
			chars += l.Len
		case dns.Bits:
			w.bitLabel(l.At)
		case dns.BadType:
			w.str("<BAD LABEL TYPE>")
		case dns.BadExtended:
			w.say("<ELT ", uint32(l.Len))
			w.byte('>')
		case dns.BadPointer:
			w.str("<BAD PTR>")
		case dns.TooManyPointers:
			w.str("<TOO MANY PTRS>")
		}
		if l.Kind == dns.Text || l.Kind == dns.Bits {
			if chars <= mostName {
				w.byte('.')
			}
			chars++
		}
	}
	w.jumps = n.Jumps
	end, ok := n.End()
	if ok && chars > mostName {
		w.str("<DOMAIN NAME TOO LONG>")
	}
	return end, ok
}

// bitLabel writes a bit label in hex.
func (w *writer) bitLabel(at int) {
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
}
