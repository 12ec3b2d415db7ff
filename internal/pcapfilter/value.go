package pcapfilter

import "golang.org/x/net/bpf"

// form is the form of a value, which determines the fields in use.
type form uint8

const (
	constant  form = iota // k
	length                // of the packet
	load                  // size bytes at k
	loadAt                // size bytes at k+a
	headerLen             // of IPv4, in bytes
	compound              // a op b
)

// expr is an unsigned 32-bit arithmetic expression.
type expr struct {
	form form
	op   bpf.ALUOp
	size int // 1, 2 or 4
	k    uint32
	a, b *value
}

// value is an interned expression: equal ones have the same pointer.
type value struct {
	expr
	usesX bool  // computing it changes the register X
	slots uint8 // of scratch memory that it takes
}

// values has all values of a filter.
type values map[expr]*value

func (vs values) get(e expr) *value {
	if v, ok := vs[e]; ok {
		return v
	}
	v := &value{expr: e}
	switch e.form {
	case headerLen:
		v.usesX = true
	case loadAt:
		v.usesX, v.slots = true, e.a.slots
	case compound:
		if e.b.form == constant {
			v.usesX, v.slots = e.a.usesX, e.a.slots
			break
		}
		v.usesX, v.slots = true, operandSlots(e.a, e.b)
	}
	vs[e] = v
	return v
}

// operandSlots returns the number of slots needed to load a into A and b into X.
func operandSlots(a, b *value) uint8 {
	switch {
	case b.form == headerLen:
		return a.slots
	case !a.usesX:
		return max(a.slots, b.slots)
	case a.slots == b.slots:
		return a.slots + 1
	}
	return max(a.slots, b.slots)
}

func (vs values) constant(k uint32) *value {
	return vs.get(expr{form: constant, k: k})
}

func (vs values) load(k uint32, size int) *value {
	return vs.get(expr{form: load, k: k, size: size})
}

func (vs values) loadAt(a *value, k uint32, size int) *value {
	return vs.get(expr{form: loadAt, k: k, size: size, a: a})
}

func (vs values) headerLen() *value {
	return vs.get(expr{form: headerLen})
}

func (vs values) combine(op bpf.ALUOp, a, b *value) *value {
	if a.form == constant && b.form == constant {
		return vs.constant(fold(op, a.k, b.k))
	}
	if a.form == constant {
		switch op {
		case bpf.ALUOpAdd, bpf.ALUOpMul, bpf.ALUOpAnd, bpf.ALUOpOr, bpf.ALUOpXor:
			a, b = b, a
		}
	}
	return vs.get(expr{form: compound, op: op, a: a, b: b})
}

// fold computes a constant expression. b must not be 0 in a division.
func fold(op bpf.ALUOp, a, b uint32) uint32 {
	switch op {
	case bpf.ALUOpAdd:
		return a + b
	case bpf.ALUOpSub:
		return a - b
	case bpf.ALUOpMul:
		return a * b
	case bpf.ALUOpDiv:
		return a / b
	case bpf.ALUOpMod:
		return a % b
	case bpf.ALUOpAnd:
		return a & b
	case bpf.ALUOpOr:
		return a | b
	case bpf.ALUOpXor:
		return a ^ b
	case bpf.ALUOpShiftLeft:
		return a << b
	}
	return a >> b
}

// relation is the comparison of a test.
type relation uint8

const (
	equal relation = iota
	greater
	atLeast
	anyBit // a&b != 0
)

// test is an unsigned comparison of two values.
type test struct {
	rel  relation
	a, b *value
}

// holds returns the outcome of the test for two numbers.
func (r relation) holds(a, b uint32) bool {
	switch r {
	case equal:
		return a == b
	case greater:
		return a > b
	case atLeast:
		return a >= b
	}
	return a&b != 0
}

type predForm uint8

const (
	predTrue predForm = iota
	predFalse
	predFail // reads beyond any packet: the program ends without a match
	predTest
	predAnd
	predOr
	predNot
)

// pred is a predicate on packets: tests joined by and, or and not. a is evaluated before b, and b only if a
// does not decide the outcome.
type pred struct {
	form predForm
	test test
	a, b *pred
}

func and(a *pred, more ...*pred) *pred {
	for _, b := range more {
		a = &pred{form: predAnd, a: a, b: b}
	}
	return a
}

func or(a *pred, more ...*pred) *pred {
	for _, b := range more {
		a = &pred{form: predOr, a: a, b: b}
	}
	return a
}

func not(a *pred) *pred {
	return &pred{form: predNot, a: a}
}

func known(yes bool) *pred {
	if yes {
		return &pred{form: predTrue}
	}
	return &pred{form: predFalse}
}

// compare returns the predicate that a test holds. It moves a constant to the right.
func (vs values) compare(rel relation, a, b *value) *pred {
	switch {
	case a.form == constant && b.form == constant:
		return known(rel.holds(a.k, b.k))
	case a.form == constant && rel == greater:
		return not(vs.compare(atLeast, b, a))
	case a.form == constant && rel == atLeast:
		return not(vs.compare(greater, b, a))
	case a.form == constant:
		a, b = b, a
	}
	if rel == equal && b.form == constant && b.k == 0 && a.form == compound && a.op == bpf.ALUOpAnd && a.b.form == constant {
		return not(&pred{form: predTest, test: test{anyBit, a.a, a.b}})
	}
	return &pred{form: predTest, test: test{rel, a, b}}
}

// is returns the predicate that v is k.
func (vs values) is(v *value, k uint32) *pred {
	return vs.compare(equal, v, vs.constant(k))
}
