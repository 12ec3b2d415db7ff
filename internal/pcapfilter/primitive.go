package pcapfilter

import (
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
	"strings"

	"golang.org/x/net/bpf"
)

// version returns the predicate ip or ip6, which tests the first four bits.
func (p *parser) version(proto string) *pred {
	v := p.values.combine(bpf.ALUOpAnd, p.values.load(0, 1), p.values.constant(0xf0))
	if proto == "ip" {
		return p.values.is(v, 0x40)
	}
	return p.values.is(v, 0x60)
}

// firstFragment returns the predicate that an IPv4 packet starts with its transport header.
func (p *parser) firstFragment() *pred {
	return not(p.values.compare(anyBit, p.values.load(6, 2), p.values.constant(0x1fff)))
}

// protocol returns the predicate that the packet has protocol number n, in the given IP versions. In IPv6 it
// may follow one fragment header.
func (p *parser) protocol(n uint32, v4, v6 bool) *pred {
	var in4, in6 *pred
	if v4 {
		in4 = and(p.version("ip"), p.values.is(p.values.load(9, 1), n))
	}
	if v6 {
		const fragment = 44
		next := p.values.load(6, 1)
		in6 = and(p.version("ip6"), or(p.values.is(next, n), and(p.values.is(next, fragment), p.values.is(p.values.load(40, 1), n))))
	}
	switch {
	case in6 == nil:
		return in4
	case in4 == nil:
		return in6
	}
	return or(in4, in6)
}

// value returns the predicate of one id with its qualifiers.
func (p *parser) value(q qualifiers, t *token) (*pred, error) {
	if q.none && t.kind != end {
		return nil, t.fail("no qualifiers apply here: put host, net, port, portrange or proto before it")
	}
	if t.kind == ether {
		return nil, t.fail("a link-layer address, and " + noLink)
	}
	switch q.kind {
	case "port", "portrange":
		return p.portID(q, t)
	case "proto":
		return p.protoID(q, t)
	}
	return p.hostID(q, t)
}

// hostID parses the id of host, net, or no kind, which is host.
func (p *parser) hostID(q qualifiers, t *token) (*pred, error) {
	switch t.kind {
	case number, quad, addr6:
	case word:
		return nil, t.fail("names are not looked up: write the address")
	default:
		return nil, t.fail("expected an address")
	}
	if q.proto != "" && q.proto != "ip" && q.proto != "ip6" {
		return nil, t.fail(q.proto + ` has no addresses: put "and" after it`)
	}
	if (q.proto == "ip6") != (t.kind == addr6) && q.proto != "" {
		return nil, t.fail("not an address of " + q.proto)
	}
	if t.kind == addr6 {
		return p.host6(q, t)
	}
	return p.host4(q, t)
}

// host4 parses an IPv4 address or network. Missing parts of a network are its host part: 10.1 is
// 10.1.0.0/16.
func (p *parser) host4(q qualifiers, t *token) (*pred, error) {
	addr, mask := t.num, uint32(0xffffffff)
	whole := func() error { return t.fail("not a network: it has bits outside its mask") }
	if t.kind == number {
		if p.at().is("/") {
			return nil, p.at().fail("a single number takes no length: write " + t.text + ".0/...")
		}
		if q.kind == "net" {
			shift := bits.LeadingZeros32(addr) &^ 7 & 31
			addr, mask = addr<<shift, mask<<shift
		}
	} else {
		var ok bool
		if addr, mask, ok = parseQuad(t.text); !ok {
			return nil, t.fail("not an IPv4 address")
		}
		slash, isMask := p.take("/"), p.at().is("mask")
		if (slash || isMask) && q.kind != "net" {
			return nil, t.fail("only net takes a mask")
		}
		switch {
		case slash:
			n, err := p.prefix(32)
			if err != nil {
				return nil, err
			}
			mask = ^uint32(0) << (32 - n)
			if addr&^mask != 0 {
				return nil, whole()
			}
		case isMask:
			p.next()
			m := p.next()
			if m.kind != quad {
				return nil, m.fail("expected a mask, such as 255.255.255.0")
			}
			if mask, _, ok = parseQuad(m.text); !ok {
				return nil, m.fail("not an IPv4 mask")
			}
			if addr&^mask != 0 {
				return nil, whole()
			}
		}
	}
	side := func(off uint32) *pred { return p.masked(off, addr, mask) }
	return and(p.version("ip"), q.sides(side(12), side(16))), nil
}

// masked returns the predicate that four bytes are addr under a mask.
func (p *parser) masked(off, addr, mask uint32) *pred {
	switch v := p.values.load(off, 4); mask {
	case 0:
		return known(true)
	case 0xffffffff:
		return p.values.is(v, addr)
	default:
		return p.values.is(p.values.combine(bpf.ALUOpAnd, v, p.values.constant(mask)), addr)
	}
}

// host6 parses an IPv6 address or network. A network without a prefix length is one address.
func (p *parser) host6(q qualifiers, t *token) (*pred, error) {
	n := uint32(128)
	if p.take("/") {
		if q.kind != "net" {
			return nil, t.fail("only net takes a mask")
		}
		var err error
		if n, err = p.prefix(128); err != nil {
			return nil, err
		}
	}
	addr := t.addr.As16()
	// left is how many of the bits of the unit i the mask has.
	left := func(unit, i int) int { return min(unit, max(0, int(n)-unit*i)) }
	side := func(off uint32) *pred {
		all := known(true)
		for i := range 4 {
			mask := ^uint32(0) << (32 - left(32, i))
			all = and(all, p.masked(off+uint32(4*i), binary.BigEndian.Uint32(addr[4*i:]), mask))
		}
		return all
	}
	for i := range addr {
		if mask := byte(uint(0xff00) >> left(8, i)); addr[i]&^mask != 0 {
			return nil, t.fail("not a network: it has bits outside its mask")
		}
	}
	return and(p.version("ip6"), q.sides(side(8), side(24))), nil
}

// sides joins the predicates on the source and the destination.
func (q qualifiers) sides(src, dst *pred) *pred {
	switch q.dir {
	case "src":
		return src
	case "dst":
		return dst
	case "and":
		return and(src, dst)
	}
	return or(src, dst)
}

// prefix parses the prefix length of a network.
func (p *parser) prefix(most uint32) (uint32, error) {
	n := p.next()
	if n.kind != number || n.num > most {
		return 0, n.fail("expected the length of a mask, at most " + strconv.Itoa(int(most)))
	}
	return n.num, nil
}

// parseQuad parses two to four parts of an IPv4 address, which are decimal even if they start with 0. It
// returns a mask of the present parts.
func parseQuad(s string) (addr, mask uint32, ok bool) {
	shift := 32
	for part := range strings.SplitSeq(s, ".") {
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil {
			return 0, 0, false
		}
		shift -= 8
		addr |= uint32(n) << shift
		mask |= 0xff << shift
	}
	return addr, mask, true
}

// portID parses the id of port and portrange.
func (p *parser) portID(q qualifiers, t *token) (*pred, error) {
	switch q.proto {
	case "", "tcp", "udp", "sctp":
	default:
		return nil, t.fail(q.proto + " has no ports: only tcp, udp and sctp do")
	}
	var lo, hi service
	switch {
	case t.kind == number && t.num <= math.MaxUint16:
		lo = onBoth(uint16(t.num))
		hi = lo
	case t.kind == number:
		return nil, t.fail("the highest port is 65535")
	case t.kind == word && q.kind == "port":
		s, ok := services[t.id]
		if !ok {
			return nil, t.fail("unknown port name: write the number")
		}
		lo, hi = s, s
	case t.kind == word:
		first, last, found := strings.Cut(t.id, "-")
		var ok1, ok2 bool
		lo, ok1 = rangeEnd(first)
		hi, ok2 = rangeEnd(last)
		if !found || !ok1 || !ok2 {
			return nil, t.fail("expected two port numbers or known names, separated by a dash")
		}
	default:
		return nil, t.fail("expected a port")
	}
	proto := q.proto
	if lo.tcp == hi.tcp && lo.udp == hi.udp && lo.tcp != lo.udp {
		name := "udp"
		if lo.tcp {
			name = "tcp"
		}
		if proto != "" && proto != name {
			return nil, t.fail("a port of " + name)
		}
		proto = name
	}
	return p.ports(proto, q, uint32(min(lo.port, hi.port)), uint32(max(lo.port, hi.port))), nil
}

// rangeEnd parses one end of a range: a decimal number or a name.
func rangeEnd(s string) (service, bool) {
	if n, err := strconv.ParseUint(s, 10, 16); err == nil {
		return onBoth(uint16(n)), true
	}
	found, ok := services[s]
	return found, ok
}

// ports returns the predicate that a port is from lo to hi.
func (p *parser) ports(proto string, q qualifiers, lo, hi uint32) *pred {
	vs := p.values
	in := func(v *value) *pred {
		if lo == hi {
			return p.values.is(v, lo)
		}
		return and(p.values.compare(atLeast, v, vs.constant(lo)), not(p.values.compare(greater, v, vs.constant(hi))))
	}
	names := []string{proto}
	if proto == "" {
		names = []string{"sctp", "tcp", "udp"}
	}
	l4 := vs.headerLen()
	in6 := q.sides(in(vs.load(40, 2)), in(vs.load(42, 2)))
	in4 := and(p.firstFragment(), q.sides(in(vs.loadAt(l4, 0, 2)), in(vs.loadAt(l4, 2, 2))))
	any6, any4 := known(false), known(false)
	for _, name := range names {
		n := protocols[name].number
		any6 = or(any6, and(vs.is(vs.load(6, 1), n), in6))
		any4 = or(any4, and(vs.is(vs.load(9, 1), n), in4))
	}
	return or(and(p.version("ip6"), any6), and(p.version("ip"), any4))
}

// protoID parses the id of proto.
func (p *parser) protoID(q qualifiers, t *token) (*pred, error) {
	if q.proto != "" && q.proto != "ip" && q.proto != "ip6" {
		return nil, t.fail("only ip and ip6 have proto")
	}
	n := t.num
	switch t.kind {
	case number:
	case word:
		var ok bool
		if n, ok = protoNames[strings.ToLower(t.id)]; !ok {
			return nil, t.fail("unknown protocol name: write the number")
		}
	case keyword:
		if _, ok := protoNames[t.id]; ok {
			return nil, t.fail("a keyword: write \\" + t.id)
		}
		fallthrough
	default:
		return nil, t.fail("expected a protocol: its number, or its name")
	}
	return p.protocol(n, q.proto != "ip6", q.proto != "ip"), nil
}
