package pcapfilter

import (
	"math"

	"golang.org/x/net/bpf"
)

// operators are the binary arithmetic operators. They are left-associative, and
// a higher precedence binds tighter. % and ^ have no precedence, as in libpcap's
// grammar: each applies to the operand directly before it, and its right operand
// is everything up to the next closing parenthesis or comparison.
var operators = map[string]struct {
	op         bpf.ALUOp
	precedence int
}{
	"|":  {bpf.ALUOpOr, 1},
	"&":  {bpf.ALUOpAnd, 2},
	"<<": {bpf.ALUOpShiftLeft, 3},
	">>": {bpf.ALUOpShiftRight, 3},
	"+":  {bpf.ALUOpAdd, 4},
	"-":  {bpf.ALUOpSub, 4},
	"*":  {bpf.ALUOpMul, 5},
	"/":  {bpf.ALUOpDiv, 5},
	"%":  {bpf.ALUOpMod, greedy},
	"^":  {bpf.ALUOpXor, greedy},
}

const (
	loosest = 0
	unary   = 6
	greedy  = 7
)

// isOperator reports whether the token is a binary operator or a comparison.
func (t *token) isOperator() bool {
	if t.kind != keyword {
		return false
	}
	_, ok := operators[t.id]
	return ok || t.isRelation()
}

func (t *token) isRelation() bool {
	return t.is("=", "!=", ">", "<", ">=", "<=")
}

// relation parses a comparison of two arithmetic expressions.
func (p *parser) relation() (*pred, error) {
	p.checks, p.beyond = nil, false
	a, err := p.arithmetic(loosest)
	if err != nil {
		return nil, err
	}
	op := p.next()
	if !op.isRelation() {
		return nil, op.fail("expected a comparison: =, !=, <, <=, > or >=")
	}
	b, err := p.arithmetic(loosest)
	if err != nil {
		return nil, err
	}
	var m *pred
	switch op.id {
	case "=":
		m = p.values.compare(equal, a, b)
	case "!=":
		m = not(p.values.compare(equal, a, b))
	case ">":
		m = p.values.compare(greater, a, b)
	case ">=":
		m = p.values.compare(atLeast, a, b)
	case "<":
		m = not(p.values.compare(atLeast, a, b))
	case "<=":
		m = not(p.values.compare(greater, a, b))
	}
	if p.beyond {
		m = &pred{form: predFail}
	}
	for i := len(p.checks) - 1; i >= 0; i-- {
		m = and(p.checks[i], m)
	}
	return m, nil
}

// arithmetic parses an expression, up to the first operator whose precedence is not higher than before.
func (p *parser) arithmetic(before int) (*value, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	a, err := p.term()
	for err == nil {
		t := p.at()
		op, ok := operators[t.id]
		if !ok || t.kind != keyword || op.precedence <= before {
			return a, nil
		}
		p.next()
		after := op.precedence
		if after == greedy {
			after = loosest
		}
		var b *value
		if b, err = p.arithmetic(after); err != nil {
			return nil, err
		}
		if a, err = p.combine(t, op.op, a, b); err != nil {
			return nil, err
		}
	}
	return nil, err
}

func (p *parser) combine(t *token, op bpf.ALUOp, a, b *value) (*value, error) {
	if b.form == constant {
		switch op {
		case bpf.ALUOpDiv, bpf.ALUOpMod:
			if b.k == 0 {
				return nil, t.fail("division by zero")
			}
		case bpf.ALUOpShiftLeft, bpf.ALUOpShiftRight:
			if b.k > 31 {
				return nil, t.fail("shift by more than 31 bits")
			}
		}
	}
	return p.values.combine(op, a, b), nil
}

func (p *parser) term() (*value, error) {
	t := p.next()
	switch {
	case t.kind == number:
		return p.values.constant(t.num), nil
	case t.is("len"):
		return p.values.get(expr{form: length}), nil
	case t.is("-"):
		a, err := p.arithmetic(unary)
		if err != nil {
			return nil, err
		}
		// A multiplication, since bpf.VM of golang.org/x/net has no negation.
		return p.values.combine(bpf.ALUOpMul, a, p.values.constant(math.MaxUint32)), nil
	case t.is("("):
		a, err := p.arithmetic(loosest)
		if err != nil {
			return nil, err
		}
		if !p.take(")") {
			return nil, p.at().fail("expected an operator or a closing parenthesis")
		}
		return a, nil
	}
	if _, ok := protocols[t.id]; t.kind != keyword || !ok && !elsewhere[t.id] && refused[t.id] == "" {
		return nil, t.fail("expected a number, len, or an accessor such as ip[0]")
	}
	if !p.take("[") {
		return nil, p.at().fail("expected [ and an offset")
	}
	if !protocols[t.id].index {
		reason := "there is no such accessor"
		if elsewhere[t.id] {
			reason = noLink
		} else if why := refused[t.id]; why != "" {
			reason = why
		}
		return nil, t.fail(reason)
	}
	return p.accessor(t.id)
}

// accessor parses the rest of proto[offset:size], from the offset on.
func (p *parser) accessor(proto string) (*value, error) {
	at, err := p.arithmetic(loosest)
	if err != nil {
		return nil, err
	}
	size := 1
	if p.take(":") {
		n := p.next()
		if n.kind != number || n.num != 1 && n.num != 2 && n.num != 4 {
			return nil, n.fail("expected a size: 1, 2 or 4")
		}
		size = int(n.num)
	}
	if !p.take("]") {
		return nil, p.at().fail("expected an operator, : and a size, or ]")
	}
	return p.access(proto, at, size), nil
}

// access returns the value that an accessor reads, and adds the test for its
// protocol to p.checks. Transport headers are read in first fragments of IPv4
// only, except ICMPv6, which must directly follow the IPv6 header.
func (p *parser) access(proto string, at *value, size int) *value {
	vs := p.values
	number := protocols[proto].number
	base, options := uint32(0), false
	switch proto {
	case "ip", "ip6":
		p.checks = append(p.checks, p.version(proto))
	case "icmp6":
		base = 40
		p.checks = append(p.checks, and(p.version("ip6"), vs.is(vs.load(6, 1), number)))
	default:
		options = true
		p.checks = append(p.checks, and(p.protocol(number, true, false), p.firstFragment()))
	}
	if at.form == constant {
		at = vs.constant(base + at.k)
	}
	switch {
	case at.form == constant && at.k > math.MaxInt32:
		// Negative offsets have a special meaning in classic BPF.
		p.beyond = true
		return vs.load(0, size)
	case at.form == constant && options:
		return vs.loadAt(vs.headerLen(), at.k, size)
	case at.form == constant:
		return vs.load(at.k, size)
	case options:
		return vs.loadAt(vs.combine(bpf.ALUOpAdd, at, vs.headerLen()), 0, size)
	}
	return vs.loadAt(at, base, size)
}
