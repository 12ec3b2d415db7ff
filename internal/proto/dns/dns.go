// Package dns reads DNS (RFC 1035) on datagrams and on streams, with EDNS (RFC 6891), and multicast
// DNS (RFC 6762).
package dns

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"strconv"

	"github.com/pidwire/pidwire/internal/dns"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
)

// Protocol is DNS.
var Protocol = &proto.Protocol{
	Name: "dns", Title: "DNS",
	Ports:  []uint16{portDNS, portMDNS, 5355},
	Detect: detect,
	New:    func(*proto.Conv) proto.Parser { return &parser{} },
	Keys:   []*event.Key{keyID, keyName, keyType, keyClass, keyOp, keyCode, keyAnswer, keyTTL, keyFrom, keyTry, keyCut, keyAuthority},
}

const (
	portDNS  = 53
	portMDNS = 5353
)

var (
	keyID        = &event.Key{Name: "dns.id", Form: event.FormCount}
	keyName      = &event.Key{Name: "dns.question.name", Form: event.FormQuiet}
	keyType      = &event.Key{Name: "dns.question.type", Form: event.FormQuiet}
	keyClass     = &event.Key{Name: "dns.question.class", Form: event.FormQuiet}
	keyOp        = &event.Key{Name: "dns.op_code"}
	keyCode      = &event.Key{Name: "dns.response_code"}
	keyAnswer    = &event.Key{Name: "dns.answers", Many: true}
	keyTTL       = &event.Key{Name: "dns.ttl", Label: "ttl", Form: event.FormInt}
	keyFrom      = &event.Key{Name: "dns.server", Label: "server"}
	keyTry       = &event.Key{Name: "dns.try", Label: "try", Form: event.FormInt}
	keyCut       = &event.Key{Name: "dns.truncated", Label: "truncated", Form: event.FormBool}
	keyAuthority = &event.Key{Name: "dns.authoritative", Form: event.FormQuiet}
)

// maxAnswers bounds the answers that a message shows.
const maxAnswers = 16

// detect reads a whole message: it is certain if all of it can be read and nothing is left.
func detect(h *proto.Hint) proto.Verdict {
	b := h.Begin()
	if !h.Stream {
		return look(b, h)
	}
	if len(b) < 2 {
		return waitOn(h)
	}
	n := int(binary.BigEndian.Uint16(b))
	if n < dns.HeaderSize+5 {
		return proto.No
	}
	if b = b[2:]; len(b) < dns.HeaderSize {
		return waitOn(h)
	}
	if len(b) < n {
		if !plausible(b, h) {
			return proto.No
		}
		return proto.Wait
	}
	return look(b[:n], h)
}

// waitOn waits for more bytes where DNS is likely: its first bytes can be those of anything.
func waitOn(h *proto.Hint) proto.Verdict {
	if h.On([]uint16{portDNS, portMDNS}) {
		return proto.Wait
	}
	return proto.No
}

// plausible checks a header.
func plausible(b []byte, hint *proto.Hint) bool {
	h, ok := dns.Message{Bytes: b}.Header()
	if !ok || h.Flags&0x0040 != 0 {
		return false
	}
	switch op := h.Op(); {
	case op == 1 || op == 3 || op > 6, h.Flags&dns.Response == 0 && h.Flags&15 != 0:
		return false
	}
	total := int(h.Questions) + int(h.Answers) + int(h.Authorities) + int(h.Additional)
	return (h.Questions == 1 || hint.On([]uint16{portMDNS})) && total > 0 && total <= 512
}

// look checks a message.
func look(b []byte, hint *proto.Hint) proto.Verdict {
	if !plausible(b, hint) {
		return proto.No
	}
	m := dns.Message{Bytes: b}
	h, _ := m.Header()
	total := int(h.Questions) + int(h.Answers) + int(h.Authorities) + int(h.Additional)
	at := dns.HeaderSize
	for range h.Questions {
		q, next, ok := m.Question(at)
		if !ok {
			return cut(b, hint)
		}
		if class := q.Class & 0x7fff; class != dns.ClassIN && class != 3 && class != 4 && class != 254 && class != 255 {
			return proto.No
		}
		at = next
	}
	for i := int(h.Questions); i < total; i++ {
		r, ok := m.Record(at)
		if !ok || r.End > len(b) {
			return cut(b, hint)
		}
		at = r.End
	}
	if at != len(b) {
		return proto.Maybe
	}
	return proto.Sure
}

// cut is the verdict on a message that ends too early, or is damaged.
func cut(b []byte, hint *proto.Hint) proto.Verdict {
	if len(b) >= dns.HeaderSize+5 {
		return proto.Maybe
	}
	return proto.No
}

type parser struct {
	proto.Base
	asked proto.Numbered
}

func (p *parser) Held() int { return 64 + p.asked.Held() }

// Read reads a message on a stream, after its length (RFC 7766).
func (p *parser) Read(c *proto.Conv, d proto.Dir, b []byte) int {
	if len(b) < 2 {
		return 0
	}
	n := 2 + int(binary.BigEndian.Uint16(b))
	if len(b) < n {
		return 0
	}
	if !p.message(c, d, b[2:n], int64(n)) {
		c.Fail("not a message of DNS")
	}
	return n
}

func (p *parser) Packet(c *proto.Conv, d proto.Dir, b []byte, size int64) bool {
	h := c.Hint(d, b)
	return look(b, &h) != proto.No && p.message(c, d, b, size)
}

var seed = maphash.MakeSeed()

// key identifies a query: its number, and who was asked.
func key(id uint16, peer netip.AddrPort) uint64 {
	return uint64(id)<<48 | maphash.Comparable(seed, peer)>>16
}

func (p *parser) message(c *proto.Conv, d proto.Dir, b []byte, size int64) bool {
	msg := dns.Message{Bytes: b}
	h, ok := msg.Header()
	if !ok {
		return false
	}
	kind := event.MessageRequest
	if h.Flags&dns.Response != 0 {
		kind = event.MessageAnswer
	}
	m := c.Message(kind, d)
	m.Bytes = size
	conn := c.Conn()
	if conn.Local.Port() == portMDNS || c.Peer().Port() == portMDNS {
		m.Title = "mDNS"
	}
	m.Fields = append(c.Fields(8+int(min(h.Answers, maxAnswers))), event.Field{Key: keyID, Num: int64(h.ID)})
	at, what, kindOf := dns.HeaderSize, "", ""
	for i := range h.Questions {
		q, next, ok := msg.Question(at)
		if !ok {
			break
		}
		at = next
		name := Name(msg, q.Name)
		t := typeName(q.Type)
		if i == 0 {
			what, kindOf = name, t
			m.Fields = append(m.Fields, event.Field{Key: keyName, Text: name}, event.Field{Key: keyType, Text: t})
			if q.Class&0x7fff != dns.ClassIN {
				m.Fields = append(m.Fields, event.Field{Key: keyClass, Text: className(q.Class & 0x7fff)})
			}
		}
	}
	if op := h.Op(); op != 0 {
		m.Fields = append(m.Fields, event.Field{Key: keyOp, Text: opName(op)})
	}
	m.Group = kindOf
	k := key(h.ID, c.Peer())
	if kind == event.MessageRequest {
		if d == proto.Out {
			c.Asked(what, m.Begin)
		}
		p.query(c, m, k, &h, what, kindOf)
		return true
	}
	var room [maxAnswers]netip.Addr
	addrs := p.answer(msg, m, &h, at, what, kindOf, room[:0])
	if d == proto.In {
		c.Told(what, m.End, addrs)
	}
	x := p.asked.Take(k)
	if !x.Known() && conn.Peer != c.Peer() {
		x = p.asked.Take(key(h.ID, netip.AddrPort{})) // asked with send, answered with an address
	}
	if what == "" && h.Questions > 0 {
		m.Unsure = "its question was not recorded"
	} else if x.Known() && what != "" && x.Note != kindOf+" "+what {
		x = proto.Exchange{} // the answer to another question, with the number of this one
	}
	c.Close(&x, m)
	if c.Peer().IsValid() && d == proto.In && c.Peer() != conn.Peer {
		m.Fields = append(m.Fields, event.Field{Key: keyFrom, Text: c.Peer().String()})
	}
	c.Emit(m)
	return true
}

func (p *parser) query(c *proto.Conv, m *event.Message, k uint64, h *dns.Header, what, kind string) {
	m.Text = kind + "? " + what
	if what == "" {
		m.Text = "query"
	}
	if h.ID == 0 && m.Title == "mDNS" {
		m.Kind = event.MessageNotice // anybody may answer, and nobody has to
		c.Emit(m)
		return
	}
	if x := p.asked.Get(k); x != nil && x.Note == kind+" "+what {
		x.Kind++
		m.Exchange = x.ID
		m.Fields = append(m.Fields, event.Field{Key: keyTry, Num: int64(x.Kind + 1)})
		c.Emit(m)
		return
	}
	x := c.Open(m)
	x.Note = kind + " " + what
	p.asked.Put(k, x)
	c.Emit(m)
}

// answer reads the records of an answer, and appends the addresses in them.
func (p *parser) answer(msg dns.Message, m *event.Message, h *dns.Header, at int, what, kind string, addrs []netip.Addr) []netip.Addr {
	m.Text = kind + " " + what
	if what == "" {
		m.Text = "answer"
	}
	code := msg.Result(h)
	if code != 0 {
		m.Error = codeName(code)
		m.Fields = append(m.Fields, event.Field{Key: keyCode, Text: m.Error})
	}
	if h.Flags&dns.Truncated != 0 {
		m.Fields = append(m.Fields, event.Field{Key: keyCut, Num: 1})
	}
	ttl := int64(-1)
	for i := range h.Answers {
		r, ok := msg.Record(at)
		if !ok {
			break
		}
		if i < maxAnswers {
			m.Fields = append(m.Fields, event.Field{Key: keyAnswer, Text: data(msg, &r)})
			if r.End <= len(msg.Bytes) && (r.Type == dns.TypeA || r.Type == dns.TypeAAAA) && len(addrs) < cap(addrs) {
				if a, ok := netip.AddrFromSlice(msg.Bytes[r.Data:r.End]); ok {
					addrs = append(addrs, a.Unmap())
				}
			}
			if ttl < 0 || int64(r.TTL) < ttl {
				ttl = int64(r.TTL)
			}
		}
		at = r.End
	}
	switch {
	case ttl >= 0:
		m.Fields = append(m.Fields, event.Field{Key: keyTTL, Num: ttl})
	case code == 0 && h.Answers == 0 && h.Questions > 0 && h.Flags&dns.Truncated == 0:
		m.Fields = append(m.Fields, event.Field{Key: keyCode, Text: "no answer"})
	}
	if m.Kind == event.MessageAnswer && m.Title == "mDNS" && h.Questions == 0 {
		m.Kind = event.MessageNotice
	}
	return addrs
}

// Name returns the name at an offset with dots between its labels; dots in labels, and backslashes, have a
// backslash. The root is ".".
func Name(m dns.Message, at int) string {
	const most = 255
	b := make([]byte, 0, 64)
	n := m.NameAt(at)
	for l, more := n.Next(); more; l, more = n.Next() {
		if l.Kind != dns.Text || l.At+l.Len > len(m.Bytes) || len(b)+l.Len > most {
			break
		}
		if len(b) > 0 {
			b = append(b, '.')
		}
		for _, ch := range m.Bytes[l.At : l.At+l.Len] {
			if ch == '.' || ch == '\\' {
				b = append(b, '\\')
			}
			b = append(b, ch)
		}
	}
	if len(b) == 0 {
		return "."
	}
	return string(b)
}

// data returns the contents of a record.
func data(m dns.Message, r *dns.Record) string {
	if r.End > len(m.Bytes) {
		return typeName(r.Type)
	}
	b := m.Bytes[r.Data:r.End]
	switch {
	case r.Type == dns.TypeA && len(b) == 4, r.Type == dns.TypeAAAA && len(b) == 16:
		a, _ := netip.AddrFromSlice(b)
		return a.String()
	case r.Type == 5 || r.Type == 2 || r.Type == 12: // CNAME, NS, PTR
		return typeName(r.Type) + " " + Name(m, r.Data)
	case r.Type == 15 && len(b) > 2: // MX
		return "MX " + strconv.Itoa(int(binary.BigEndian.Uint16(b))) + " " + Name(m, r.Data+2)
	case r.Type == 33 && len(b) > 6: // SRV
		return "SRV " + Name(m, r.Data+6) + ":" + strconv.Itoa(int(binary.BigEndian.Uint16(b[4:])))
	case r.Type == 16 && len(b) > 0: // TXT
		n := min(int(b[0]), len(b)-1)
		return "TXT " + strconv.Quote(string(b[1:1+n]))
	case r.Type == 6: // SOA
		return "SOA " + Name(m, r.Data)
	}
	return typeName(r.Type)
}

// types are the types of records (IANA dns-parameters).
var types = map[uint16]string{
	1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 13: "HINFO", 15: "MX", 16: "TXT", 17: "RP", 18: "AFSDB", 24: "SIG", 25: "KEY", 28: "AAAA", 29: "LOC",
	33: "SRV", 35: "NAPTR", 36: "KX", 37: "CERT", 39: "DNAME", 41: "OPT", 42: "APL", 43: "DS", 44: "SSHFP", 45: "IPSECKEY", 46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 49: "DHCID",
	50: "NSEC3", 51: "NSEC3PARAM", 52: "TLSA", 53: "SMIMEA", 55: "HIP", 59: "CDS", 60: "CDNSKEY", 61: "OPENPGPKEY", 62: "CSYNC", 63: "ZONEMD", 64: "SVCB", 65: "HTTPS",
	99: "SPF", 108: "EUI48", 109: "EUI64", 249: "TKEY", 250: "TSIG", 251: "IXFR", 252: "AXFR", 255: "ANY", 256: "URI", 257: "CAA",
}

func typeName(t uint16) string {
	if n, ok := types[t]; ok {
		return n
	}
	return "TYPE" + strconv.Itoa(int(t)) // RFC 3597
}

func className(c uint16) string {
	switch c {
	case 3:
		return "CH"
	case 4:
		return "HS"
	case 254:
		return "NONE"
	case 255:
		return "ANY"
	}
	return "CLASS" + strconv.Itoa(int(c))
}

func opName(op uint8) string {
	switch op {
	case 1:
		return "iquery"
	case 2:
		return "status"
	case 4:
		return "notify"
	case 5:
		return "update"
	case 6:
		return "stateful"
	}
	return "op" + strconv.Itoa(int(op))
}

var codes = [...]string{
	"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE", "DSOTYPENI", "", "", "", "",
	"BADVERS", "BADKEY", "BADTIME", "BADMODE", "BADNAME", "BADALG", "BADTRUNC", "BADCOOKIE",
}

func codeName(code uint32) string {
	if int(code) < len(codes) && codes[code] != "" {
		return codes[code]
	}
	return "RCODE" + strconv.Itoa(int(code))
}
