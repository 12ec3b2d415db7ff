package pcapfilter

// parser is a recursive descent parser of the pcap-filter(7) grammar:
//
//	expression = operand {("and" | "or") (operand | id)}
//	operand    = "not" operand | "(" expression ")" | primitive
//	primitive  = [protocol] qualifiers id | protocol | relation | ...
//	id         = value | "not" id | "(" ids ")"
//	ids        = (value | "not" id) {("and" | "or") id}
//
// "and" and "or" have the same precedence. An id without qualifiers uses the
// current ones, those of the id before it. A closing parenthesis restores the
// qualifiers from before its opening one. After a primitive that takes no
// qualifiers there are no current ones.
type parser struct {
	tokens  []token
	pos     int
	closing []int // index of the ")" that matches a "("; 0 if there is none
	depth   int
	values  values
	checks  []*pred // must hold before the current relation is evaluated
	beyond  bool    // the current relation reads beyond any packet
	never   []never
}

// never is a protocol that no IP packet has, such as arp.
type never struct {
	word *token
	pred *pred
}

func newParser(tokens []token) *parser {
	p := &parser{tokens: tokens, values: values{}, closing: make([]int, len(tokens))}
	var open []int
	for i := range tokens {
		switch t := &tokens[i]; {
		case t.is("("):
			open = append(open, i)
		case t.is(")") && len(open) > 0:
			p.closing[open[len(open)-1]] = i
			open = open[:len(open)-1]
		}
	}
	return p
}

// qualifiers precede an id. An empty one has its default.
type qualifiers struct {
	proto string // a key of protocols
	dir   string // src, dst, or; and: both
	kind  string // host, net, port, portrange, proto
	none  bool   // there are no current qualifiers
}

func (p *parser) at() *token { return &p.tokens[p.pos] }

// next consumes a token and returns it. It does not go beyond the end token.
func (p *parser) next() *token {
	t := p.at()
	if t.kind != end {
		p.pos++
	}
	return t
}

// take consumes the current token if it is one of the keywords ids, and reports
// whether it did.
func (p *parser) take(ids ...string) bool {
	if !p.at().is(ids...) {
		return false
	}
	p.pos++
	return true
}

// enter counts a level of nesting that starts at the current token.
func (p *parser) enter() error {
	if p.depth++; p.depth > maxDepth {
		return p.at().fail("nested too deeply")
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

func (p *parser) parse() (*pred, error) {
	m, _, err := p.expression(qualifiers{none: true})
	switch {
	case err != nil:
		return nil, err
	case p.at().kind != end:
		return nil, p.at().unexpected(`expected "and", "or" or the end`)
	}
	return m, nil
}

const notClosed = "missing closing parenthesis"

func (p *parser) expression(q qualifiers) (*pred, qualifiers, error) {
	left, q, err := p.operand(q, false)
	for err == nil && p.at().is("and", "or") {
		join := and
		if p.next().id == "or" {
			join = or
		}
		var right *pred
		if right, q, err = p.operand(q, true); err == nil {
			left = join(left, right)
		}
	}
	return left, q, err
}

// operand parses an operand, or also an id if ids is set. It returns the
// qualifiers that are current after it.
func (p *parser) operand(q qualifiers, ids bool) (*pred, qualifiers, error) {
	if err := p.enter(); err != nil {
		return nil, q, err
	}
	defer p.leave()
	t := p.at()
	if ids && p.beginsID(p.pos) {
		m, err := p.id(q)
		return m, q, err
	}
	switch {
	case t.is("not"):
		p.next()
		m, q, err := p.operand(q, ids)
		if err != nil {
			return nil, q, err
		}
		return not(m), q, nil
	case t.is("(") && p.closing[p.pos] == 0:
		return nil, q, t.fail(notClosed)
	case t.is("(") && !p.tokens[p.closing[p.pos]+1].isOperator():
		p.next()
		m, _, err := p.expression(q)
		if err != nil {
			return nil, q, err
		}
		if !p.take(")") {
			return nil, q, p.at().fail(`expected "and", "or" or a closing parenthesis`)
		}
		return m, q, nil
	case t.is("(", "len", "-") || t.kind == number && p.tokens[p.pos+1].isOperator():
		return p.plain(p.relation())
	case t.kind == end:
		return nil, q, t.fail("expected a primitive, such as host, port or tcp")
	case t.kind != keyword:
		return nil, q, t.unexpected("expected a primitive: put host, net, port, portrange or proto before it")
	}
	return p.primitive()
}

// plain returns the results of a primitive that takes no qualifiers.
func (p *parser) plain(m *pred, err error) (*pred, qualifiers, error) {
	return m, qualifiers{none: true}, err
}

// beginsID reports whether the token at pos begins an id rather than an operand,
// where the grammar allows both.
func (p *parser) beginsID(pos int) bool {
	for {
		switch t := &p.tokens[pos]; {
		case t.is("("):
			if c := p.closing[pos]; c == 0 || p.tokens[c+1].isOperator() {
				return false
			}
		case t.is("not"):
		case t.kind == number:
			return !p.tokens[pos+1].isOperator()
		default:
			return t.kind != keyword && t.kind != end
		}
		pos++
	}
}

func (p *parser) primitive() (*pred, qualifiers, error) {
	t := p.at()
	proto, isProto := protocols[t.id]
	follows := &p.tokens[min(p.pos+1, len(p.tokens)-1)]
	qualified := follows.is("src", "dst", "host", "net", "port", "portrange", "proto", "protochain", "gateway")
	switch {
	case t.is("src", "dst", "host", "net", "port", "portrange", "proto", "protochain"):
		return p.head("")
	case isProto && follows.is("["):
		return p.plain(p.relation())
	case isProto && qualified:
		p.next()
		return p.head(t.id)
	case (isProto || elsewhere[t.id]) && follows.is("broadcast", "multicast"):
		return p.plain(p.cast())
	case isProto:
		p.next()
		if !proto.v4 && !proto.v6 {
			return p.plain(p.version(t.id), nil)
		}
		return p.plain(p.protocol(proto.number, proto.v4, proto.v6), nil)
	case elsewhere[t.id] && (qualified || follows.is("[")):
		return nil, qualifiers{}, t.fail(noLink)
	case elsewhere[t.id]:
		m := known(false)
		p.never = append(p.never, never{p.next(), m})
		return p.plain(m, nil)
	case t.is("less", "greater"):
		return p.plain(p.lengthLimit())
	case t.is("broadcast", "multicast"):
		return nil, qualifiers{}, t.fail(noLink + "; write ip " + t.id)
	case refused[t.id] != "":
		return nil, qualifiers{}, t.fail(refused[t.id])
	}
	return nil, qualifiers{}, t.fail("expected a primitive, such as host, port or tcp")
}

// lengthLimit parses "less N" and "greater N"; both include N.
func (p *parser) lengthLimit() (*pred, error) {
	less := p.next().id == "less"
	n := p.next()
	if n.kind != number {
		return nil, n.fail("expected a length in bytes")
	}
	vs := p.values
	size, limit := vs.get(expr{form: length}), vs.constant(n.num)
	if less {
		return not(vs.compare(greater, size, limit)), nil
	}
	return vs.compare(atLeast, size, limit), nil
}

// cast parses "broadcast" and "multicast" after a protocol. The netmask of the
// interface is not known, so the only broadcast addresses are 0.0.0.0 and
// 255.255.255.255.
func (p *parser) cast() (*pred, error) {
	proto, what := p.next(), p.next()
	vs := p.values
	switch {
	case proto.id == "ip" && what.id == "broadcast":
		dst := vs.load(16, 4)
		return and(p.version("ip"), or(vs.is(dst, 0), vs.is(dst, 0xffffffff))), nil
	case proto.id == "ip":
		return and(p.version("ip"), vs.compare(atLeast, vs.load(16, 1), vs.constant(224))), nil
	case proto.id == "ip6" && what.id == "multicast":
		return and(p.version("ip6"), vs.is(vs.load(24, 1), 0xff)), nil
	case proto.id == "ip6":
		return nil, what.fail("IPv6 has no broadcast")
	}
	return nil, what.fail("only ip broadcast, ip multicast and ip6 multicast can be matched here")
}

// head parses the qualifiers after proto, and their id.
func (p *parser) head(proto string) (*pred, qualifiers, error) {
	q := qualifiers{proto: proto}
	if t := p.at(); t.is("src", "dst") {
		q.dir = p.next().id
		if p.at().is("and", "or") {
			dir, other := p.next().id, p.next()
			if !other.is("src", "dst") || other.id == q.dir {
				return nil, q, other.fail("expected the other of src and dst")
			}
			q.dir = dir
		}
	}
	switch t := p.at(); {
	case t.is("host", "net", "port", "portrange"):
		q.kind = p.next().id
	case q.dir != "":
	case t.is("proto"):
		q.kind = p.next().id
	case t.is("protochain"):
		return nil, q, t.fail("it needs a loop over the headers, which BPF does not have; write proto")
	default:
		return nil, q, t.fail(refused[t.id])
	}
	m, err := p.id(q)
	return m, q, err
}

// id parses the id after qualifiers.
func (p *parser) id(q qualifiers) (*pred, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	if t := p.at(); t.is("(") {
		if n := p.inParentheses(); n != nil {
			return p.value(q, n)
		}
		if p.closing[p.pos] == 0 {
			return nil, t.fail(notClosed)
		}
		p.next()
		m, err := p.ids(q)
		if err != nil {
			return nil, err
		}
		if !p.take(")") {
			return nil, p.at().fail(`expected "and", "or" or a closing parenthesis`)
		}
		return m, nil
	}
	return p.simpleID(q)
}

// simpleID parses an id without parentheses around it.
func (p *parser) simpleID(q qualifiers) (*pred, error) {
	if p.take("not") {
		m, err := p.id(q)
		if err != nil {
			return nil, err
		}
		return not(m), nil
	}
	return p.value(q, p.next())
}

// ids parses the inside of parentheses. The first id must not be in parentheses
// itself, unless it is a number.
func (p *parser) ids(q qualifiers) (*pred, error) {
	first := p.at()
	var left *pred
	var err error
	switch n := p.inParentheses(); {
	case n != nil:
		left, err = p.value(q, n)
	case first.is("("):
		return nil, first.fail(`a second parenthesis is only allowed after "and" and "or"`)
	default:
		left, err = p.simpleID(q)
	}
	for err == nil && p.at().is("and", "or") {
		join := and
		if p.next().id == "or" {
			join = or
		}
		var right *pred
		if right, err = p.id(q); err == nil {
			left = join(left, right)
		}
	}
	return left, err
}

// inParentheses consumes a number in parentheses, as in "port ((80))", and
// returns it. If there is none, it returns nil and consumes nothing.
func (p *parser) inParentheses() *token {
	i := p.pos
	for p.tokens[i].is("(") {
		i++
	}
	n := i - p.pos
	if n == 0 || p.tokens[i].kind != number || p.closing[p.pos] != i+n {
		return nil
	}
	p.pos = i + n + 1
	return &p.tokens[i]
}
