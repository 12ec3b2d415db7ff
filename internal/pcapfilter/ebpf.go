package pcapfilter

import (
	"fmt"
	"math"

	"github.com/cilium/ebpf/asm"
	"golang.org/x/net/bpf"
)

// The registers of a translated program. Calls keep R6 to R9.
const (
	regSKB = asm.R6
	regA   = asm.R7
	regX   = asm.R8
)

// The stack of a translated program, as offsets from the frame pointer: the bytes loaded from the
// packet, and below them the scratch memory, 4 bytes each.
const (
	stackLoad    = -8
	stackScratch = -12
)

const (
	// skbLen is the offset of len in struct __sk_buff.
	skbLen = 0
	// maxOffset is the largest offset that bpf_skb_load_bytes takes.
	maxOffset = math.MaxInt32
)

// EBPF translates a program of Compile into the body of
//
//	int f(struct __sk_buff *skb)
//
// which returns the result of the program: 0 for no match. It is for program types that may call
// bpf_skb_load_bytes and whose skb starts at the IP header, such as cgroup_skb; len is skb->len.
// It takes at most 72 bytes of stack and needs JMP32 (kernel 5.1). It has neither symbols nor
// references: its jumps are numeric, so no instructions may be inserted or removed. The caller
// must add name and BTF to the first instruction.
//
// A program that reads beyond the packet, or divides by X when that is zero, does not match.
// Extensions of classic BPF other than len are an error.
func EBPF(prog []bpf.Instruction) (asm.Instructions, error) {
	if len(prog) == 0 {
		prog = []bpf.Instruction{bpf.RetConstant{Val: match}}
	}
	t := translator{starts: make([]int, len(prog)+1)}
	t.prologue(prog)
	reached := make([]bool, len(prog)+1)
	reached[0] = true
	for i, ins := range prog {
		t.starts[i] = len(t.out)
		if !reached[i] { // the verifier rejects unreachable code
			continue
		}
		next, err := t.instruction(i, ins)
		if err != nil {
			return nil, fmt.Errorf("instruction %d: %w", i, err)
		}
		for _, n := range next {
			if n >= len(prog) {
				return nil, fmt.Errorf("instruction %d: jumps out of the program", i)
			}
			reached[n] = true
		}
	}
	t.starts[len(prog)] = len(t.out)
	if t.fails {
		t.put(asm.Mov.Imm32(asm.R0, noMatch), asm.Return())
	}
	for _, j := range t.jumps {
		distance := t.starts[j.to] - j.at - 1
		if distance > math.MaxInt16 {
			return nil, fmt.Errorf("a jump over %d instructions is too far", distance)
		}
		t.out[j.at].Offset = int16(distance)
	}
	return t.out, nil
}

// translator translates a program. Jump targets are resolved at the end.
type translator struct {
	out    asm.Instructions
	starts []int // offset of each classic instruction; the last one is the return without a match
	jumps  []struct{ at, to int }
	fails  bool // there is a jump to the last
}

func (t *translator) put(ins ...asm.Instruction) { t.out = append(t.out, ins...) }

// jump appends a jump to a classic instruction.
func (t *translator) jump(ins asm.Instruction, to int) {
	t.jumps = append(t.jumps, struct{ at, to int }{len(t.out), to})
	t.put(ins)
}

// fail appends a jump to the return without a match.
func (t *translator) fail(ins asm.Instruction) {
	t.fails = true
	t.jump(ins, len(t.starts)-1)
}

// prologue initializes everything that the program may read before writing it.
func (t *translator) prologue(prog []bpf.Instruction) {
	t.put(
		asm.Mov.Reg(regSKB, asm.R1),
		asm.Mov.Imm32(regA, 0),
		asm.Mov.Imm32(regX, 0),
	)
	var read [16]bool
	for _, ins := range prog {
		if l, ok := ins.(bpf.LoadScratch); ok && l.N >= 0 && l.N < len(read) && !read[l.N] {
			read[l.N] = true
			t.put(asm.StoreMem(asm.RFP, scratch(l.N), regA, asm.Word))
		}
	}
}

func scratch(n int) int16 { return int16(stackScratch - 4*n) }

// instruction translates a classic instruction, and returns the indexes of its successors.
func (t *translator) instruction(i int, ins bpf.Instruction) (next []int, err error) {
	switch ins := ins.(type) {
	case bpf.RetConstant:
		t.put(asm.Mov.Imm32(asm.R0, int32(ins.Val)), asm.Return())
		return nil, nil
	case bpf.RetA:
		t.put(asm.Mov.Reg32(asm.R0, regA), asm.Return())
		return nil, nil
	case bpf.Jump:
		to := i + 1 + int(ins.Skip)
		t.jump(always(), to)
		return []int{to}, nil
	case bpf.JumpIf:
		return t.branch(i, ins.Cond, ins.SkipTrue, ins.SkipFalse, func(op asm.JumpOp) asm.Instruction {
			return asm.Instruction{OpCode: jump32(op, asm.ImmSource), Dst: regA, Constant: int64(int32(ins.Val))}
		})
	case bpf.JumpIfX:
		return t.branch(i, ins.Cond, ins.SkipTrue, ins.SkipFalse, func(op asm.JumpOp) asm.Instruction {
			return asm.Instruction{OpCode: jump32(op, asm.RegSource), Dst: regA, Src: regX}
		})
	case bpf.LoadConstant:
		t.put(asm.Mov.Imm32(register(ins.Dst), int32(ins.Val)))
	case bpf.LoadScratch:
		if ins.N < 0 || ins.N > 15 {
			return nil, fmt.Errorf("no scratch memory M[%d]", ins.N)
		}
		t.put(asm.LoadMem(register(ins.Dst), asm.RFP, scratch(ins.N), asm.Word))
	case bpf.StoreScratch:
		if ins.N < 0 || ins.N > 15 {
			return nil, fmt.Errorf("no scratch memory M[%d]", ins.N)
		}
		t.put(asm.StoreMem(asm.RFP, scratch(ins.N), register(ins.Src), asm.Word))
	case bpf.LoadExtension:
		if ins.Num != bpf.ExtLen {
			return nil, fmt.Errorf("extension %d is not supported", ins.Num)
		}
		t.put(asm.LoadMem(regA, regSKB, skbLen, asm.Word))
	case bpf.LoadAbsolute:
		if ins.Off > maxOffset {
			t.fail(always())
			return nil, nil
		}
		t.put(asm.Mov.Imm32(asm.R2, int32(ins.Off)))
		err = t.load(ins.Size)
	case bpf.LoadIndirect:
		if ins.Off > maxOffset {
			t.fail(always())
			return nil, nil
		}
		t.put(asm.Mov.Reg32(asm.R2, regX))
		// Add in 64 bits, which cannot overflow: the helper uses only the low 32 bits.
		t.put(asm.Add.Imm(asm.R2, int32(ins.Off)))
		t.fail(asm.Instruction{OpCode: asm.JGT.Op(asm.ImmSource), Dst: asm.R2, Constant: maxOffset})
		err = t.load(ins.Size)
	case bpf.LoadMemShift:
		if ins.Off > maxOffset {
			t.fail(always())
			return nil, nil
		}
		t.put(asm.Mov.Imm32(asm.R2, int32(ins.Off)))
		t.call(1)
		t.put(
			asm.LoadMem(regX, asm.RFP, stackLoad, asm.Byte),
			asm.And.Imm32(regX, 0xf),
			asm.LSh.Imm32(regX, 2),
		)
	case bpf.TAX:
		t.put(asm.Mov.Reg32(regX, regA))
	case bpf.TXA:
		t.put(asm.Mov.Reg32(regA, regX))
	case bpf.NegateA:
		t.put(asm.Mul.Imm32(regA, -1))
	case bpf.ALUOpConstant:
		return []int{i + 1}, t.constantOp(ins.Op, ins.Val)
	case bpf.ALUOpX:
		return []int{i + 1}, t.xOp(ins.Op)
	default:
		return nil, fmt.Errorf("%v has no translation", ins)
	}
	return []int{i + 1}, err
}

func register(r bpf.Register) asm.Register {
	if r == bpf.RegX {
		return regX
	}
	return regA
}

func always() asm.Instruction {
	return asm.Instruction{OpCode: asm.Ja.Op(asm.ImmSource)}
}

// jump32 compares the lower 32 bits.
func jump32(op asm.JumpOp, from asm.Source) asm.OpCode {
	return asm.OpCode(asm.Jump32Class).SetJumpOp(op).SetSource(from)
}

// conditions has the tests of classic BPF and their negations. JSet has none.
var conditions = map[bpf.JumpTest][2]asm.JumpOp{
	bpf.JumpEqual:          {asm.JEq, asm.JNE},
	bpf.JumpNotEqual:       {asm.JNE, asm.JEq},
	bpf.JumpGreaterThan:    {asm.JGT, asm.JLE},
	bpf.JumpLessThan:       {asm.JLT, asm.JGE},
	bpf.JumpGreaterOrEqual: {asm.JGE, asm.JLT},
	bpf.JumpLessOrEqual:    {asm.JLE, asm.JGT},
	bpf.JumpBitsSet:        {asm.JSet, asm.InvalidJumpOp},
	bpf.JumpBitsNotSet:     {asm.InvalidJumpOp, asm.JSet},
}

// branch appends a test with two targets.
func (t *translator) branch(i int, cond bpf.JumpTest, yes, no uint8, compare func(asm.JumpOp) asm.Instruction) ([]int, error) {
	ops, ok := conditions[cond]
	if !ok {
		return nil, fmt.Errorf("unknown test %d", cond)
	}
	onYes, onNo := i+1+int(yes), i+1+int(no)
	switch {
	case onYes == onNo:
		t.jump(always(), onYes)
	case ops[0] == asm.InvalidJumpOp || yes == 0 && ops[1] != asm.InvalidJumpOp:
		t.jump(compare(ops[1]), onNo)
		if yes != 0 {
			t.jump(always(), onYes)
		}
	default:
		t.jump(compare(ops[0]), onYes)
		if no != 0 {
			t.jump(always(), onNo)
		}
	}
	return []int{onYes, onNo}, nil
}

// call loads size bytes at R2 to the stack, or returns without a match.
func (t *translator) call(size int) {
	t.put(
		asm.Mov.Reg(asm.R1, regSKB),
		asm.Mov.Reg(asm.R3, asm.RFP),
		asm.Add.Imm(asm.R3, stackLoad),
		asm.Mov.Imm32(asm.R4, int32(size)),
		asm.FnSkbLoadBytes.Call(),
	)
	t.fail(asm.Instruction{OpCode: asm.JNE.Op(asm.ImmSource), Dst: asm.R0})
}

// load loads the bytes at R2 into A, in host byte order.
func (t *translator) load(size int) error {
	switch size {
	case 1:
		t.call(size)
		t.put(asm.LoadMem(regA, asm.RFP, stackLoad, asm.Byte))
	case 2:
		t.call(size)
		t.put(asm.LoadMem(regA, asm.RFP, stackLoad, asm.Half), asm.HostTo(asm.BE, regA, asm.Half))
	case 4:
		t.call(size)
		t.put(asm.LoadMem(regA, asm.RFP, stackLoad, asm.Word), asm.HostTo(asm.BE, regA, asm.Word))
	default:
		return fmt.Errorf("a load of %d bytes", size)
	}
	return nil
}

// alu has the operations that are the same in both kinds of BPF.
var alu = map[bpf.ALUOp]asm.ALUOp{
	bpf.ALUOpAdd: asm.Add, bpf.ALUOpSub: asm.Sub, bpf.ALUOpMul: asm.Mul, bpf.ALUOpDiv: asm.Div, bpf.ALUOpMod: asm.Mod,
	bpf.ALUOpAnd: asm.And, bpf.ALUOpOr: asm.Or, bpf.ALUOpXor: asm.Xor,
	bpf.ALUOpShiftLeft: asm.LSh, bpf.ALUOpShiftRight: asm.RSh,
}

func (t *translator) constantOp(op bpf.ALUOp, k uint32) error {
	to, ok := alu[op]
	switch {
	case !ok:
		return fmt.Errorf("unknown operation %#x", uint16(op))
	case k == 0 && (to == asm.Div || to == asm.Mod):
		return fmt.Errorf("division by zero")
	case k > 31 && (to == asm.LSh || to == asm.RSh):
		t.put(asm.Mov.Imm32(regA, 0))
	default:
		t.put(to.Imm32(regA, int32(k)))
	}
	return nil
}

// xOp appends an operation with X, with checks where the two kinds of BPF differ: eBPF continues after a
// division by zero, and shifts by the low five bits.
func (t *translator) xOp(op bpf.ALUOp) error {
	to, ok := alu[op]
	if !ok {
		return fmt.Errorf("unknown operation %#x", uint16(op))
	}
	switch to {
	case asm.Div, asm.Mod:
		t.fail(asm.Instruction{OpCode: jump32(asm.JEq, asm.ImmSource), Dst: regX})
	case asm.LSh, asm.RSh:
		t.put(
			asm.Instruction{OpCode: jump32(asm.JLE, asm.ImmSource), Dst: regX, Constant: 31, Offset: 2},
			asm.Mov.Imm32(regA, 0),
			asm.Instruction{OpCode: asm.Ja.Op(asm.ImmSource), Offset: 1},
		)
	}
	t.put(to.Reg32(regA, regX))
	return nil
}
