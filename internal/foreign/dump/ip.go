package dump

import "encoding/binary"

// IP protocol numbers (IANA protocol-numbers).
const (
	protoHop    = 0
	protoICMP   = 1
	protoIGMP   = 2
	protoIPv4   = 4
	protoTCP    = 6
	protoUDP    = 17
	protoDCCP   = 33
	protoIPv6   = 41
	protoRoute  = 43
	protoFrag   = 44
	protoGRE    = 47
	protoESP    = 50
	protoAH     = 51
	protoICMPv6 = 58
	protoNone   = 59
	protoDest   = 60
	protoOSPF   = 89
	protoEIGRP  = 88
	protoPIM    = 103
	protoIPComp = 108
	protoVRRP   = 112
	protoSCTP   = 132
	protoMobil  = 135
	// protoReserved is used for an unknown protocol.
	protoReserved = 255
)

const (
	ip4Size = 20
	ip6Size = 40
	// maxDepth is the maximum nesting of packets.
	maxDepth = 8
	// maxBytes is the maximum length of a packet: headers of maxDepth packets and the longest
	// TCP header, or an ICMP error.
	maxBytes = (maxDepth-1)*ip6Size + ip6Size + 8 + ip6Size + 60
)

// Values of Line.Why.
const (
	badEnds    = "two addresses expected"
	badVersion = "addresses of another IP version"
	badService = "unknown service name"
	badPort    = "no port"
	badNames   = "too many names"
	badGiven   = "a placeholder address of a name"
	badHead    = "unreadable IP header"
	badTCP     = "unreadable TCP header"
	badLong    = "too long for an IP packet"
	badProto   = "unknown protocol"
	badDeep    = "too many nested packets"
	badLine    = "line too long"
)

// head has the fields of the IP header that -v prints.
type head struct {
	printed bool
	options bool // there are options, which are omitted
	tos     uint8
	ttl     uint8
	flags   uint8 // the three bits of the header
	proto   uint8
	id      uint16
	off     uint16 // bytes
	total   uint16 // IPv6: payload length
	flow    uint32
	missing int // missing bytes of the total length
}

// read parses the text between IP or IP6 and the addresses.
func (h *head) read(t *text) bool {
	if !h.cut(t) {
		return false
	}
	if !t.skip("(") {
		return true
	}
	if !h.parens(t) {
		return false
	}
	t.blanks()
	return h.cut(t)
}

// cut parses "truncated-ip - N bytes missing!".
func (h *head) cut(t *text) bool {
	if !t.skipAny("truncated-ip - ", "truncated-ip6 - ") {
		return true
	}
	n, ok := t.num(most16)
	h.missing = int(n)
	ok = ok && t.skip(" bytes missing!")
	t.blanks()
	return ok
}

// parens parses the fields up to the closing parenthesis.
func (h *head) parens(t *text) bool {
	h.printed = true
	for {
		t.skip(",")
		t.blanks()
		if t.skip(")") {
			return true
		}
		if !h.field(t) {
			return false
		}
	}
}

func (h *head) field(t *text) bool {
	var v uint64
	var ok bool
	switch {
	case t.skip("tos 0x"), t.skip("class 0x"):
		v, ok = t.hex()
		h.tos = uint8(v)
		t.skipAny(",ECT(1)", ",ECT(0)", ",CE")
		return ok && v <= most8
	case t.skip("flowlabel 0x"):
		v, ok = t.hex()
		h.flow = uint32(v) & 0xfffff
	case t.skip("ttl "), t.skip("hlim "):
		t.blanks()
		v, ok = t.num(most8)
		h.ttl = uint8(v)
	case t.skip("id "):
		v, ok = t.num(most16)
		h.id = uint16(v)
	case t.skip("offset "):
		v, ok = t.num(most16)
		h.off = uint16(v)
	case t.skip("flags ["):
		for !t.skip("]") {
			switch {
			case t.skip("+"):
				h.flags |= 1
			case t.skip("DF"):
				h.flags |= 2
			case t.skip("rsvd"):
				h.flags |= 4
			case t.skipAny("none", ", "):
			default:
				return false
			}
		}
		return true
	case t.skip("proto"), t.skip("next-header"):
		t.skip(":")
		open := t.index("(")
		if open < 0 {
			return false
		}
		*t = (*t)[open+1:]
		if !t.digit(0) { // Mobile IP (old) (62)
			if open = t.index("("); open < 0 {
				return false
			}
			*t = (*t)[open+1:]
		}
		v, ok = t.num(most8)
		h.proto = uint8(v)
		return ok && t.skip(")")
	case t.skip("payload length"), t.skip("length"):
		t.skip(":")
		t.skip(" ")
		v, ok = t.num(most16)
		h.total = uint16(v)
	case t.skip("options "):
		h.options = true
		return t.parens()
	case t.skip("bad cksum "):
		_, ok = t.hex()
		t.skip(" ")
		ok = ok && t.parens() && t.skip("!")
	}
	return ok
}

// packet is an IP packet that is being built.
type packet struct {
	h        head
	v6       bool
	depth    int
	src, dst end
	at       int // offset of the transport header in Reader.buf
	proto    uint8
	off      uint16 // fragment offset, in bytes
}

// ip builds the packet from the text t after the word IP or IP6, at offset at. It returns the number
// of bytes built and the length of the packet, or why it failed.
func (r *Reader) ip(t text, v6 bool, h head, at, depth int) (made, wire int, why string) {
	if depth >= maxDepth {
		return 0, 0, badDeep
	}
	p := packet{h: h, v6: v6, depth: depth}
	size := ip4Size
	if v6 {
		size = ip6Size
	}
	p.at = at + size
	if why = r.ends(&t, &p); why != "" {
		return 0, 0, why
	}
	n, length, why := r.transport(t, &p)
	if why != "" {
		return 0, 0, why
	}
	total := size + length
	if h.printed && !h.options {
		if total = int(h.total); v6 {
			total += size
		}
		r.unknown &^= Length
	}
	if total > most16 && !v6 || total-size > most16 {
		return 0, 0, badLong
	}
	if h.printed {
		r.unknown &^= Fragment | TTL | TOS
		if h.options {
			r.unknown |= Options
		}
	}
	b := r.buf[at:p.at]
	clear(b)
	be := binary.BigEndian
	if v6 {
		be.PutUint32(b, 6<<28|uint32(h.tos)<<20|h.flow)
		be.PutUint16(b[4:], uint16(max(total-size, 0)))
		b[6], b[7] = p.proto, h.ttl
		copy(b[8:], p.src.addr[:])
		copy(b[24:], p.dst.addr[:])
	} else {
		b[0], b[1] = 0x45, h.tos
		be.PutUint16(b[2:], uint16(total))
		be.PutUint16(b[4:], h.id)
		be.PutUint16(b[6:], uint16(h.flags)<<13|p.off>>3)
		b[8], b[9] = h.ttl, p.proto
		copy(b[12:], p.src.addr[:4])
		copy(b[16:], p.dst.addr[:4])
		be.PutUint16(b[10:], ^sum(b))
	}
	wire = total - h.missing
	if wire < size { // the text had only the captured length
		wire = total
	}
	wire = max(wire, 1)
	return min(size+n, wire), wire, ""
}

// sum returns the Internet checksum (RFC 1071) before inversion.
func sum(b []byte) uint16 {
	s := uint32(0)
	for i := 0; i+1 < len(b); i += 2 {
		s += uint32(b[i])<<8 | uint32(b[i+1])
	}
	s = s>>16 + s&0xffff
	return uint16(s>>16 + s)
}

// ends parses "src > dst:" and sets the addresses. Ports are set later, because the following text
// tells whether there are any.
func (r *Reader) ends(t *text, p *packet) string {
	src := t.word()
	if !t.skip(" > ") {
		return badEnds
	}
	dst := *t
	colon := t.index(": ")
	switch {
	case colon >= 0:
		dst, *t = dst[:colon], dst[colon+2:]
	case len(dst) > 0 && dst[len(dst)-1] == ':':
		dst, *t = dst[:len(dst)-1], nil
	default:
		return badEnds
	}
	var ok1, ok2 bool
	p.src, ok1 = endOf(src)
	p.dst, ok2 = endOf(dst)
	if !ok1 || !ok2 {
		return badEnds
	}
	ported := false
	switch {
	case p.src.name == nil && p.dst.name == nil && (p.src.label == nil) != (p.dst.label == nil):
		return badPort
	case p.src.name == nil:
		ported = p.src.label != nil
	case p.dst.name == nil:
		ported = p.dst.label != nil
	default:
		ported = !portless(*t)
	}
	for _, e := range [...]*end{&p.src, &p.dst} {
		if e.name == nil {
			if e.v6 != p.v6 {
				return badVersion
			}
			if r.names.name(e.addr, e.v6) != "" {
				return badGiven
			}
			continue
		}
		if ported {
			dot := e.name.lastIndex(".")
			if dot <= 0 || dot == len(e.name)-1 {
				return badPort
			}
			e.name, e.label = e.name[:dot], e.name[dot+1:]
		}
		if e.addr, ok1 = r.names.addr(e.name, p.v6); !ok1 {
			return badNames
		}
	}
	return ""
}

// ports parses the ports and writes them to their offset, which is the same in all protocols.
func (r *Reader) ports(p *packet) string {
	for i, e := range [...]*end{&p.src, &p.dst} {
		var ok bool
		if e.port, ok = r.services.port(e.label, p.proto != protoTCP); !ok {
			return badService
		}
		binary.BigEndian.PutUint16(r.buf[p.at+2*i:], e.port)
	}
	return ""
}

// word is a text that identifies the protocol.
type word struct {
	s     string
	proto uint8
}

// withoutPorts has the text of tcpdump after addresses without ports.
var withoutPorts = []word{
	{"IPComp(", protoIPComp}, {"igmp", protoIGMP}, {"mtrace ", protoIGMP}, {"mresp ", protoIGMP}, {"[invalid len ", protoIGMP},
	{"IP6, ", protoIPv4}, // wrong link-layer encapsulation
	{"ESP(", protoESP}, {"AH(", protoAH},
	{"GREv", protoGRE}, {"PIM", protoPIM}, {"pim ", protoPIM}, {"OSPF", protoOSPF}, {"VRRP", protoVRRP}, {"EIGRP", protoEIGRP},
	{"no next header", protoNone}, {"HBH ", protoHop}, {"DSTOPT ", protoDest}, {"RT6 ", protoRoute}, {"srcrt ", protoRoute},
	{"frag ", protoFrag}, {"mobility: ", protoMobil}, {"nd ", 77},
	{"[|icmp6]", protoICMPv6}, {"[|icmp]", protoICMP}, {"[|igmp]", protoIGMP}, {"[|tcp]", protoTCP}, {"[|udp]", protoUDP},
}

// portless reports whether the text after the ends is of a protocol without ports.
func portless(t text) bool {
	t.blanks()
	if t.has("ICMP") || t.has("icmp") || t.has("[icmp6 ") || t.has("[bad icmp6 ") || t.has("ip-proto-") {
		return true
	}
	if t.has("IP ") || t.has("IP6 ") || t.packetAgain() {
		return true
	}
	for i := range withoutPorts {
		if t.has(withoutPorts[i].s) && t[0] != '[' {
			return true
		}
	}
	return false
}

// packetAgain reports whether t is a nested packet without the word IP, as with -e.
func (t text) packetAgain() bool {
	e, ok := endOf(t.word())
	return ok && e.name == nil && t.has(" > ")
}

// looks6 reports whether t, the text after a missing word IP, is of IPv6.
func (t text) looks6() bool {
	var h head
	if h.cut(&t); t.has("(") {
		return !t.has("(tos ")
	}
	e, _ := endOf(t.word())
	return e.v6
}

// transport builds the part after the IP header. It returns the number of bytes built, and the length
// in the text.
func (r *Reader) transport(t text, p *packet) (made, length int, why string) {
	p.off = p.h.off
	t.blanks()
	if p.src.label != nil {
		return r.withPorts(t, p)
	}
	rest := t
	switch {
	case p.h.off > 0:
		p.proto = p.h.proto
		r.unknown |= Payload
		return 0, 0, ""
	case rest.has("IP6 "), rest.has("IP "), rest.packetAgain():
		v6, is := rest.ipWord()
		if !is {
			v6 = rest.looks6()
		}
		if p.proto = protoIPv4; v6 {
			p.proto = protoIPv6
		}
		var h head
		if h.read(&rest) {
			if made, length, why = r.ip(rest, v6, h, p.at, p.depth+1); why == "" || why == badDeep {
				return made, length, why
			}
		}
		r.unknown |= Payload | Length
		return 0, 0, ""
	case rest.skipAny("ICMP ", "icmp: "):
		p.proto = protoICMP
		return r.message(rest, p)
	case rest.skip("[icmp6 sum ok] "), rest.skip("[bad icmp6 cksum "), rest.has("ICMP6, "), rest.has("icmp6: "):
		p.proto = protoICMPv6
		return r.message(rest, p)
	case rest.skip("ip-proto-"):
		v, ok := rest.num(most8)
		if !ok {
			return 0, 0, badEnds
		}
		p.proto = uint8(v)
		r.unknown |= Payload
		if n, ok := rest.after(" ", most16); ok {
			return 0, int(n), ""
		}
		// Only fragments other than the first have no length here. The offset is unknown: use
		// 8, that of the second fragment of minimum size.
		r.unknown |= Length
		p.off = 8
		return 0, 0, ""
	}
	for _, w := range withoutPorts {
		if rest.skip(w.s) {
			p.proto = w.proto
			return r.inside(rest, p)
		}
	}
	if p.h.printed {
		p.proto = p.h.proto
		r.unknown |= Payload
		return 0, 0, ""
	}
	if p.src.name != nil || p.dst.name != nil {
		return 0, 0, badProto // it need not be a packet at all
	}
	p.proto = protoReserved
	r.unknown |= Payload | Proto | Length
	return 0, 0, ""
}

// message builds an ICMP message, or nothing if its text is unknown.
func (r *Reader) message(t text, p *packet) (made, length int, why string) {
	r.unknown |= Sum | Payload
	var ok bool
	if p.proto == protoICMP {
		made, length, ok = r.icmp(t, p)
	} else {
		made, length, ok = r.icmp6(t, p)
	}
	if ok {
		return made, length, ""
	}
	t = t.trimIP()
	if length, ok = t.cutLength(); !ok {
		r.unknown |= Length
	}
	return 0, length, ""
}

// inside builds the part after one of withoutPorts.
func (r *Reader) inside(t text, p *packet) (made, length int, why string) {
	b := r.buf[p.at:]
	be := binary.BigEndian
	switch p.proto {
	case protoNone:
		r.unknown |= Length
		return 0, 0, ""
	case protoESP:
		spi, ok1 := t.afterHex("spi=0x")
		seq, ok2 := t.afterHex(",seq=0x")
		n, ok3 := t.cutLength()
		if ok1 && ok2 && ok3 {
			be.PutUint32(b, uint32(spi))
			be.PutUint32(b[4:], uint32(seq))
			r.unknown |= Payload
			return 8, n, ""
		}
	}
	r.unknown |= Payload
	n, ok := t.cutLength()
	if p.proto == 77 {
		if v, is := t.num(most16); is {
			n, ok = int(v), true
		}
	}
	switch p.proto {
	case protoAH, protoGRE, protoHop, protoDest, protoRoute, protoFrag, protoMobil:
		ok = false // the length is that of a nested part
	}
	if !ok {
		r.unknown |= Length
		n = 0
	}
	return 0, n, ""
}

// afterHex is like after for a hexadecimal number.
func (t *text) afterHex(s string) (uint64, bool) {
	rest := *t
	if !rest.skip(s) {
		return 0, false
	}
	v, ok := rest.hex()
	if ok {
		*t = rest
	}
	return v, ok
}

// withPorts builds the part after ends with ports.
func (r *Reader) withPorts(t text, p *packet) (made, length int, why string) {
	switch {
	case t.has("Flags ["), oldTCP(t), t.has("tcp ") && t.digit(len("tcp ")), t.has("[|tcp]"):
		p.proto = protoTCP
	case t.has("sctp"), t.has("[|sctp]"):
		p.proto = protoSCTP
	case t.has("DCCP "):
		p.proto = protoDCCP
	default:
		p.proto = protoUDP
	}
	if p.h.printed && (p.h.proto == protoTCP || p.h.proto == protoUDP || p.h.proto == protoSCTP) {
		p.proto = p.h.proto
	}
	if why = r.ports(p); why != "" {
		return 0, 0, why
	}
	switch p.proto {
	case protoTCP:
		return r.tcp(t, p)
	case protoUDP:
		return r.udp(t, p)
	}
	r.unknown |= Payload
	n, ok := t.cutLength()
	if !ok || p.proto == protoSCTP {
		r.unknown |= Length
		n = 4
	}
	return 4, n, ""
}

// udp builds a UDP header (RFC 768), or only its ports if the text has no length.
func (r *Reader) udp(t text, p *packet) (made, length int, why string) {
	const size = 8
	b := r.buf[p.at:]
	be := binary.BigEndian
	be.PutUint16(b[6:], 0)
	r.unknown |= Sum
	switch {
	case t.skip("[no cksum] "):
		r.unknown &^= Sum
	case t.skip("[udp sum ok] "):
	case t.skip("[bad udp cksum 0x"):
		if v, ok := t.hex(); ok {
			be.PutUint16(b[6:], uint16(v))
			r.unknown &^= Sum
		}
		if end := t.index("!] "); end >= 0 {
			t = t[end+3:]
		}
	}
	made = size
	n, has := 0, true
	if v, ok := t.after("UDP, bad length ", most16); ok {
		n = int(v)
		if v, ok = t.after(" > ", most16); ok {
			length = int(v)
		}
	} else if v, ok := t.after("UDP, length ", most16); ok {
		n, length = int(v), int(v)
	} else if v, ok := t.after("UDP, length: ", most16); ok {
		n, length = int(v), int(v)
	} else if v, ok := t.after("udp ", most16); ok {
		n, length = int(v), int(v)
	} else if v, ok := t.after("truncated-udplength ", most16); ok {
		be.PutUint16(b[4:], uint16(v))
		r.unknown |= Length
		return 6, 6, ""
	} else if n, has = t.messageLength(); has {
		length = n
	} else {
		r.unknown |= Length
		return 4, size, ""
	}
	if n > most16-size {
		return 0, 0, badLong
	}
	be.PutUint16(b[4:], uint16(n+size))
	return made, size + length, ""
}

// messageLength returns the length of a message over UDP, if the text has it: in parentheses at the
// end, as for DNS, or after the word length.
func (t text) messageLength() (int, bool) {
	t = t.trimIP()
	if t.index(" > ") >= 0 { // of a nested packet
		return 0, false
	}
	if n := len(t); n > 2 && t[n-1] == ')' {
		open := t.lastIndex("(")
		rest := t[open+1:]
		if v, ok := rest.num(most16); ok && rest.is(")") {
			return int(v), true
		}
	}
	rest := t
	if n, ok := rest.cutLength(); ok {
		return n, true
	}
	return 0, false
}

// trimIP removes the text of the IP header that tcpdump 3 printed at the end.
func (t text) trimIP() text {
	for _, s := range [...]string{" (DF)", " [tos", " (ttl ", " (frag "} {
		if at := t.lastIndex(s); at >= 0 && (s != " [tos" || t[len(t)-1] == ']') {
			t = t[:at]
		}
	}
	for len(t) > 0 && t[len(t)-1] == ' ' {
		t = t[:len(t)-1]
	}
	return t
}
