// Package probe tests the machine, not pidwire: if it fails, no test of the BPF source is
// meaningful.
package probe

import (
	"os"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/rlimit"
)

// TestRawTracepoint counts system calls with a minimal program.
func TestRawTracepoint(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("kernel %s", strings.TrimSpace(string(release)))
	if err := rlimit.RemoveMemlock(); err != nil {
		t.Fatal(err)
	}
	count, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer count.Close()
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.RawTracepoint,
		Instructions: asm.Instructions{
			asm.StoreImm(asm.RFP, -4, 0, asm.Word),
			asm.Mov.Reg(asm.R2, asm.RFP),
			asm.Add.Imm(asm.R2, -4),
			asm.LoadMapPtr(asm.R1, count.FD()),
			asm.FnMapLookupElem.Call(),
			asm.JEq.Imm(asm.R0, 0, "out"),
			asm.Mov.Imm(asm.R1, 1),
			asm.StoreXAdd(asm.R0, asm.R1, asm.DWord),
			asm.Mov.Imm(asm.R0, 0).WithSymbol("out"),
			asm.Return(),
		},
		License: "Dual BSD/GPL",
	})
	if err != nil {
		t.Fatal(err)
	}
	defer prog.Close()
	tp, err := link.AttachRawTracepoint(link.RawTracepointOptions{Name: "sys_enter", Program: prog})
	if err != nil {
		t.Fatal(err)
	}
	defer tp.Close()

	const calls = 100
	for range calls {
		os.Getppid()
	}
	var n uint64
	if err := count.Lookup(uint32(0), &n); err != nil {
		t.Fatal(err)
	}
	if n < calls {
		t.Errorf("the program saw %d calls, at least %d were made", n, calls)
	}
}

// TestBTF looks up kernel types, which CO-RE needs.
func TestBTF(t *testing.T) {
	info, err := os.Stat("/sys/kernel/btf/vmlinux")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes of BTF", info.Size())
}
