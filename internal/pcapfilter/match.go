package pcapfilter

import (
	"encoding/binary"

	"golang.org/x/net/bpf"
)

// Match runs a program of Compile on a packet. data is the captured part, and length the length on the
// wire. An empty program matches everything. The VM of golang.org/x/net/bpf would take len(data)
// as the length.
func Match(prog []bpf.Instruction, data []byte, length uint32) bool {
	if len(prog) == 0 {
		return true
	}
	var (
		a, x    uint32
		scratch [16]uint32
	)
	for pc := 0; pc < len(prog); pc++ {
		ok := true
		switch ins := prog[pc].(type) {
		case bpf.LoadConstant:
			if ins.Dst == bpf.RegX {
				x = ins.Val
			} else {
				a = ins.Val
			}
		case bpf.LoadScratch:
			if ins.Dst == bpf.RegX {
				x = scratch[ins.N&15]
			} else {
				a = scratch[ins.N&15]
			}
		case bpf.StoreScratch:
			if ins.Src == bpf.RegX {
				scratch[ins.N&15] = x
			} else {
				scratch[ins.N&15] = a
			}
		case bpf.LoadAbsolute:
			a, ok = read(data, uint64(ins.Off), ins.Size)
		case bpf.LoadIndirect:
			a, ok = read(data, uint64(x)+uint64(ins.Off), ins.Size)
		case bpf.LoadMemShift:
			if ok = uint64(ins.Off) < uint64(len(data)); ok {
				x = uint32(data[ins.Off]&15) * 4
			}
		case bpf.LoadExtension:
			if ok = ins.Num == bpf.ExtLen; ok {
				a = length
			}
		case bpf.ALUOpConstant:
			a, ok = arith(ins.Op, a, ins.Val)
		case bpf.ALUOpX:
			a, ok = arith(ins.Op, a, x)
		case bpf.NegateA:
			a = -a
		case bpf.TAX:
			x = a
		case bpf.TXA:
			a = x
		case bpf.Jump:
			pc += int(ins.Skip)
		case bpf.JumpIf:
			pc += skip(ins.Cond, a, ins.Val, ins.SkipTrue, ins.SkipFalse)
		case bpf.JumpIfX:
			pc += skip(ins.Cond, a, x, ins.SkipTrue, ins.SkipFalse)
		case bpf.RetConstant:
			return ins.Val != 0
		case bpf.RetA:
			return a != 0
		default:
			ok = false
		}
		if !ok {
			return false
		}
	}
	return false
}

func read(data []byte, off uint64, size int) (uint32, bool) {
	if off+uint64(size) > uint64(len(data)) {
		return 0, false
	}
	switch b := data[off:]; size {
	case 1:
		return uint32(b[0]), true
	case 2:
		return uint32(binary.BigEndian.Uint16(b)), true
	case 4:
		return binary.BigEndian.Uint32(b), true
	}
	return 0, false
}

func arith(op bpf.ALUOp, a, b uint32) (uint32, bool) {
	switch op {
	case bpf.ALUOpAdd:
		return a + b, true
	case bpf.ALUOpSub:
		return a - b, true
	case bpf.ALUOpMul:
		return a * b, true
	case bpf.ALUOpDiv:
		if b == 0 {
			return 0, false
		}
		return a / b, true
	case bpf.ALUOpMod:
		if b == 0 {
			return 0, false
		}
		return a % b, true
	case bpf.ALUOpAnd:
		return a & b, true
	case bpf.ALUOpOr:
		return a | b, true
	case bpf.ALUOpXor:
		return a ^ b, true
	case bpf.ALUOpShiftLeft:
		return a << b, true
	case bpf.ALUOpShiftRight:
		return a >> b, true
	}
	return 0, false
}

func skip(cond bpf.JumpTest, a, b uint32, yes, no uint8) int {
	var is bool
	switch cond {
	case bpf.JumpEqual:
		is = a == b
	case bpf.JumpNotEqual:
		is = a != b
	case bpf.JumpGreaterThan:
		is = a > b
	case bpf.JumpLessThan:
		is = a < b
	case bpf.JumpGreaterOrEqual:
		is = a >= b
	case bpf.JumpLessOrEqual:
		is = a <= b
	case bpf.JumpBitsSet:
		is = a&b != 0
	case bpf.JumpBitsNotSet:
		is = a&b == 0
	}
	if is {
		return int(yes)
	}
	return int(no)
}
