package pcapfilter

import (
	"slices"

	"golang.org/x/net/bpf"
)

// emit returns the program of a graph.
func emit(entry *block) []bpf.Instruction {
	blocks := order(entry)
	first := map[*block]registers{}
	code := make([][]bpf.Instruction, len(blocks))
	for i, b := range blocks {
		r := first[b] // of the first block: nothing is known
		e := emitter{registers: r}
		e.test(b.test)
		code[i] = e.code
		for _, next := range []*block{b.yes, b.no} {
			if r, ok := first[next]; ok {
				first[next] = r.shared(e.registers)
			} else {
				first[next] = e.registers
			}
		}
	}
	return link(blocks, code)
}

// link joins the code of blocks with jumps. It works from the end to the start: all jumps are forward, so
// their distances are then known.
func link(blocks []*block, code [][]bpf.Instruction) []bpf.Instruction {
	var back []bpf.Instruction // the program backwards
	at := map[*block]int{}     // distance of a block from the end of the program
	used := map[*block]bool{}
	for _, b := range blocks {
		used[b.yes], used[b.no] = true, true
	}
	if used[reject] {
		back = append(back, bpf.RetConstant{Val: noMatch})
		at[reject] = len(back)
	}
	if used[accept] || len(blocks) == 0 {
		back = append(back, bpf.RetConstant{Val: match})
		at[accept] = len(back)
	}
	for i := len(blocks) - 1; i >= 0; i-- {
		b := blocks[i]
		yes, no := at[b.yes], at[b.no]
		// A test can skip 255 instructions, and the jump for the other target may be one of
		// them.
		const reach = 254
		if skip := len(back) - no; skip > reach {
			back = append(back, bpf.Jump{Skip: uint32(skip)})
			no = len(back)
		}
		if skip := len(back) - yes; skip > reach {
			back = append(back, bpf.Jump{Skip: uint32(skip)})
			yes = len(back)
		}
		back = append(back, jump(b.test, uint8(len(back)-yes), uint8(len(back)-no)))
		for j := len(code[i]) - 1; j >= 0; j-- {
			back = append(back, code[i][j])
		}
		at[b] = len(back)
	}
	slices.Reverse(back)
	return back
}

func jump(t test, yes, no uint8) bpf.Instruction {
	cond := [...]bpf.JumpTest{
		equal: bpf.JumpEqual, greater: bpf.JumpGreaterThan, atLeast: bpf.JumpGreaterOrEqual, anyBit: bpf.JumpBitsSet,
	}[t.rel]
	if t.b.form == constant {
		return bpf.JumpIf{Cond: cond, Val: t.b.k, SkipTrue: yes, SkipFalse: no}
	}
	return bpf.JumpIfX{Cond: cond, SkipTrue: yes, SkipFalse: no}
}

// registers are the values in A and X, where they are known.
type registers struct {
	a, x *value
}

func (r registers) shared(other registers) registers {
	if r.a != other.a {
		r.a = nil
	}
	if r.x != other.x {
		r.x = nil
	}
	return r
}

// emitter writes the code of one block.
type emitter struct {
	registers
	code []bpf.Instruction
}

func (e *emitter) put(ins bpf.Instruction) { e.code = append(e.code, ins) }

// test loads the values of a test into A, and into X if the second is not a constant.
func (e *emitter) test(t test) {
	if t.b.form == constant {
		e.load(t.a, 0)
		return
	}
	e.operands(t.a, t.b, 0)
}

// load loads a value into A. Scratch memory is free from slot on.
func (e *emitter) load(v *value, slot int) {
	if e.a == v {
		return
	}
	switch v.form {
	case constant:
		e.put(bpf.LoadConstant{Dst: bpf.RegA, Val: v.k})
	case length:
		e.put(bpf.LoadExtension{Num: bpf.ExtLen})
	case load:
		e.put(bpf.LoadAbsolute{Off: v.k, Size: v.size})
	case loadAt:
		e.loadX(v.a, slot)
		e.put(bpf.LoadIndirect{Off: v.k, Size: v.size})
	case headerLen:
		e.loadX(v, slot)
		e.put(bpf.TXA{})
	case compound:
		if v.b.form == constant {
			e.load(v.a, slot)
			e.put(bpf.ALUOpConstant{Op: v.op, Val: v.b.k})
			break
		}
		e.operands(v.a, v.b, slot)
		e.put(bpf.ALUOpX{Op: v.op})
	}
	e.a = v
}

// loadX loads a value into X. It overwrites A, except for headerLen.
func (e *emitter) loadX(v *value, slot int) {
	switch {
	case e.x == v:
		return
	case v.form == headerLen:
		e.put(bpf.LoadMemShift{})
	default:
		e.load(v, slot)
		e.put(bpf.TAX{})
	}
	e.x = v
}

// operands loads a into A and b into X. If both need X, the one that takes more slots is computed first,
// so that the number of slots is logarithmic in the number of operators: an expression of maxExpr
// cannot need 16.
func (e *emitter) operands(a, b *value, slot int) {
	switch {
	case b.form == headerLen:
		e.load(a, slot)
		e.loadX(b, slot)
	case !a.usesX:
		e.loadX(b, slot)
		e.load(a, slot)
	case a.slots >= b.slots:
		e.load(a, slot)
		e.put(bpf.StoreScratch{Src: bpf.RegA, N: slot})
		e.loadX(b, slot+1)
		e.put(bpf.LoadScratch{Dst: bpf.RegA, N: slot})
	default:
		e.load(b, slot)
		e.put(bpf.StoreScratch{Src: bpf.RegA, N: slot})
		e.load(a, slot+1)
		e.put(bpf.LoadScratch{Dst: bpf.RegX, N: slot})
	}
	e.a, e.x = a, b
}
