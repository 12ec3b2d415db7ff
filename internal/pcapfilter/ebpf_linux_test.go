package pcapfilter_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/pcapfilter"
)

// TestEBPF runs translated programs in the kernel, on every packet, and compares
// their verdicts with those of the classic programs.
func TestEBPF(t *testing.T) {
	needBPF(t)
	large := "tcp"
	for i := range 400 {
		large += fmt.Sprintf(" or ip[%d] = %d and ip6[%d] != %d", i%61, i%256, i%47, i%256)
	}
	exprs := append([]string{large}, expressions...)
	g := generator{rand.New(rand.NewPCG(1, 0))}
	for range 100 {
		exprs = append(exprs, g.expression(3))
	}
	progs := map[string][]bpf.Instruction{"": nil}
	for _, expr := range exprs {
		if prog, err := pcapfilter.Compile(expr); err == nil {
			progs[expr] = prog
		}
	}
	all := packets()
	runs, matches, longest := 0, 0, 0
	for expr, prog := range progs {
		f, n := load(t, expr, prog)
		longest = max(longest, n)
		if prog == nil {
			prog = []bpf.Instruction{bpf.RetConstant{Val: 1}}
		}
		m := sameInKernel(t, expr, f, vm(t, expr, prog), all)
		runs += len(all)
		matches += m
	}
	t.Logf("%d programs of at most %d instructions, %d packets: %d runs, %d of matches", len(progs), longest, len(all), runs, matches)
}

// TestEBPFInstructions does the same with programs that Compile does not
// generate.
func TestEBPFInstructions(t *testing.T) {
	needBPF(t)
	accept, reject := bpf.RetConstant{Val: math.MaxUint32}, bpf.RetConstant{}
	byte1 := bpf.LoadAbsolute{Off: 1, Size: 1}
	progs := map[string][]bpf.Instruction{
		"A is returned":       {byte1, bpf.RetA{}},
		"nothing is set":      {bpf.TXA{}, bpf.RetA{}},
		"no scratch is set":   {bpf.LoadScratch{Dst: bpf.RegX, N: 15}, bpf.LoadScratch{Dst: bpf.RegA, N: 3}, bpf.ALUOpX{Op: bpf.ALUOpOr}, bpf.RetA{}},
		"all scratch":         scratch(),
		"dead code":           {bpf.Jump{Skip: 1}, bpf.LoadMemShift{Off: 1}, accept},
		"dead end":            {bpf.LoadConstant{Dst: bpf.RegX, Val: 7}, accept, reject},
		"one way":             {byte1, bpf.JumpIf{Cond: bpf.JumpEqual, Val: 3, SkipTrue: 1, SkipFalse: 1}, accept, reject},
		"offset beyond all":   {bpf.LoadAbsolute{Off: 0x80000000, Size: 1}, accept},
		"X beyond all":        {bpf.LoadConstant{Dst: bpf.RegX, Val: math.MaxUint32}, bpf.LoadIndirect{Off: 1, Size: 1}, accept},
		"X and a large one":   {bpf.LoadConstant{Dst: bpf.RegX, Val: 1 << 31}, bpf.LoadIndirect{Off: 1 << 31, Size: 1}, accept},
		"a length beyond all": {bpf.LoadMemShift{Off: 1 << 31}, accept},
		"a length elsewhere":  {bpf.LoadMemShift{Off: 1}, bpf.TXA{}, bpf.RetA{}},
		"division by zero":    {byte1, bpf.ALUOpX{Op: bpf.ALUOpDiv}, accept},
		"remainder of zero":   {byte1, bpf.ALUOpX{Op: bpf.ALUOpMod}, accept},
	}
	for _, cond := range []bpf.JumpTest{
		bpf.JumpEqual, bpf.JumpNotEqual, bpf.JumpGreaterThan, bpf.JumpLessThan,
		bpf.JumpGreaterOrEqual, bpf.JumpLessOrEqual, bpf.JumpBitsSet, bpf.JumpBitsNotSet,
	} {
		name := fmt.Sprint("test ", cond)
		for _, k := range []uint32{4, 0x40000000, 0x80000000, math.MaxUint32} {
			high := bpf.ALUOpConstant{Op: bpf.ALUOpMul, Val: 0x10000000}
			progs[fmt.Sprint(name, " of ", k)] = []bpf.Instruction{byte1, high, bpf.JumpIf{Cond: cond, Val: k, SkipTrue: 1}, accept, reject}
			progs[fmt.Sprint(name, " not of ", k)] = []bpf.Instruction{byte1, high, bpf.JumpIf{Cond: cond, Val: k, SkipFalse: 1}, accept, reject}
		}
		progs[name+" of X"] = []bpf.Instruction{
			bpf.LoadConstant{Dst: bpf.RegX, Val: 2}, byte1, bpf.JumpIfX{Cond: cond, SkipTrue: 1, SkipFalse: 2}, accept, reject, bpf.RetA{},
		}
	}
	for _, op := range []bpf.ALUOp{
		bpf.ALUOpAdd, bpf.ALUOpSub, bpf.ALUOpMul, bpf.ALUOpDiv, bpf.ALUOpMod,
		bpf.ALUOpAnd, bpf.ALUOpOr, bpf.ALUOpXor, bpf.ALUOpShiftLeft, bpf.ALUOpShiftRight,
	} {
		for _, b := range []uint32{1, 3, 31, 32, 33, 0x80000001, math.MaxUint32} {
			for _, a := range []uint32{7, 0x80000000, math.MaxUint32} {
				name := fmt.Sprintf("%#x of %d and %d", uint16(op), a, b)
				load := bpf.LoadConstant{Dst: bpf.RegA, Val: a}
				want := bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: 5, SkipTrue: 1}
				progs[name] = []bpf.Instruction{load, bpf.ALUOpConstant{Op: op, Val: b}, want, accept, reject}
				progs[name+" in X"] = []bpf.Instruction{load, bpf.LoadConstant{Dst: bpf.RegX, Val: b}, bpf.ALUOpX{Op: op}, want, accept, reject}
			}
		}
	}
	all := packets()[:20]
	for name, prog := range progs {
		f, _ := load(t, name, prog)
		sameInKernel(t, name, f, vm(t, name, prog), all)
	}
	t.Logf("%d programs", len(progs))
}

func scratch() []bpf.Instruction {
	var prog []bpf.Instruction
	for n := range 16 {
		prog = append(prog, bpf.LoadAbsolute{Off: uint32(n), Size: 1}, bpf.StoreScratch{Src: bpf.RegA, N: n})
	}
	for n := range 16 {
		prog = append(prog, bpf.LoadScratch{Dst: bpf.RegX, N: n}, bpf.ALUOpX{Op: bpf.ALUOpSub})
	}
	return append(prog, bpf.RetA{})
}

// TestEBPFErrors checks the errors for programs that have no translation.
func TestEBPFErrors(t *testing.T) {
	ret := bpf.RetConstant{}
	far := make([]bpf.Instruction, 4000)
	for i := range far {
		far[i] = bpf.LoadIndirect{Size: 4}
	}
	for want, prog := range map[string][]bpf.Instruction{
		"instruction 0: extension 0 is not supported": {bpf.LoadExtension{Num: bpf.ExtProto}, ret},
		"instruction 1: jumps out of the program":     {bpf.TAX{}, bpf.TXA{}},
		"instruction 0: jumps out of the program":     {bpf.Jump{Skip: 7}, ret},
		"instruction 0: a load of 3 bytes":            {bpf.LoadAbsolute{Size: 3}, ret},
		"instruction 0: no scratch memory M[16]":      {bpf.LoadScratch{N: 16}, ret},
		"instruction 0: no scratch memory M[-1]":      {bpf.StoreScratch{N: -1}, ret},
		"instruction 0: unknown operation 0xf000":     {bpf.ALUOpConstant{Op: 0xf000}, ret},
		"instruction 0: unknown operation 0xf001":     {bpf.ALUOpX{Op: 0xf001}, ret},
		"instruction 0: unknown test 77":              {bpf.JumpIf{Cond: 77}, ret},
		"instruction 0: division by zero":             {bpf.ALUOpConstant{Op: bpf.ALUOpMod}, ret},
		"a jump over 44000 instructions is too far":   append([]bpf.Instruction{bpf.Jump{Skip: 0}, bpf.JumpIf{SkipTrue: 1}, bpf.Jump{Skip: 4000}}, append(far, ret)...),
		"instruction 0: {6 0 0 0} has no translation": {bpf.RawInstruction{Op: 6}},
	} {
		_, err := pcapfilter.EBPF(prog)
		if err == nil || err.Error() != want {
			t.Errorf("%v: %v, want %s", prog[0], err, want)
		}
	}
	negated, err := pcapfilter.EBPF([]bpf.Instruction{bpf.NegateA{}, bpf.RetA{}})
	if err != nil || len(negated) != 6 {
		t.Errorf("negation: %v, %v", negated, err)
	}
}

// load loads a cgroup_skb program that calls the translation as a function. It
// also returns the number of instructions of the translation.
func load(t *testing.T, name string, prog []bpf.Instruction) (*ebpf.Program, int) {
	t.Helper()
	f, err := pcapfilter.EBPF(prog)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for _, ins := range f {
		const deepest = -72
		if (ins.Dst == asm.RFP || ins.Src == asm.RFP) && ins.Offset < deepest {
			t.Errorf("%s: %v is too deep in the stack", name, ins)
		}
	}
	call := asm.Instruction{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Call), Src: asm.PseudoCall, Constant: -1}
	all := asm.Instructions{
		call.WithReference("match"),
		asm.JEq.Imm(asm.R0, 0, "exit"),
		asm.Mov.Imm(asm.R0, 1),
		asm.Return().WithSymbol("exit"),
		f[0].WithSymbol("match"),
	}
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type:         ebpf.CGroupSKB,
		AttachType:   ebpf.AttachCGroupInetIngress,
		Instructions: append(all, f[1:]...),
		License:      "GPL",
	})
	if err != nil {
		t.Fatalf("%s: %+v", name, err)
	}
	t.Cleanup(func() { p.Close() })
	return p, len(f)
}

// sameInKernel compares the verdicts of f and m, and returns the number of
// matches.
func sameInKernel(t *testing.T, name string, f *ebpf.Program, m *bpf.VM, all [][]byte) int {
	t.Helper()
	matches, bad := 0, 0
	// The kernel removes the Ethernet header. It refuses truncated packets with
	// an EtherType of IP.
	frame := make([]byte, 14, 2048)
	binary.BigEndian.PutUint16(frame[12:], unix.ETH_P_802_EX1)
	for _, p := range all {
		n, err := f.Run(&ebpf.RunOptions{Data: append(frame, p...)})
		if err != nil {
			t.Fatalf("%s: packet %x: %v", name, p, err)
		}
		got, want := n != 0, run(t, m, p)
		if want {
			matches++
		}
		if got == want {
			continue
		}
		if bad++; bad <= 3 {
			t.Errorf("%s: packet %x: match is %v in the kernel, want %v", name, p, got, want)
		}
	}
	return matches
}

// needBPF skips the test if bpf(2) is not permitted. It fails instead if
// PIDWIRE_MUST is set.
func needBPF(t *testing.T) {
	t.Helper()
	if err := rlimit.RemoveMemlock(); err != nil && !errors.Is(err, unix.EPERM) {
		t.Fatal(err)
	}
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type:         ebpf.CGroupSKB,
		AttachType:   ebpf.AttachCGroupInetIngress,
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 1), asm.Return()},
	})
	switch {
	case err == nil:
		p.Close()
	case errors.Is(err, unix.EPERM) && os.Getenv("PIDWIRE_MUST") == "":
		t.Skip(err)
	default:
		t.Fatal(err)
	}
}
