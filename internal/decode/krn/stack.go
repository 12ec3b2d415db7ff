package krn

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/wire"
)

// symbol is the symbol of a code address.
type symbol struct {
	name, file string
	offset     uint64
}

type symbolKey struct {
	pid  uint32 // 0: the kernel
	addr uint64
}

const (
	// maxSymbols bounds the memory of symbols, in bytes: symbolSize and the names for each.
	// There is room for 40,000 symbols with usual names.
	maxSymbols = 6 << 20
	symbolSize = 128
	maxThreads = 4096
	// maxFrames bounds the frames in all trees: stacks of 30 functions in each of 500 threads.
	maxFrames = 1 << 14
)

// Symbol stores the symbol in a wire.KindSymbol record.
func (d *Decoder) Symbol(pid uint32, addr, offset uint64, name, file string) {
	if d.symbolBytes > maxSymbols {
		clear(d.symbols)
		d.symbolBytes = 0
	}
	d.symbolBytes += len(name) + len(file) + symbolSize
	d.symbols[symbolKey{pid, addr}] = symbol{name, file, offset}
}

// Returned drops the state of a thread whose system call has returned.
func (d *Decoder) Returned(tid uint32) {
	if t := d.trees[tid]; t != nil {
		d.frameCount -= cap(t.frames)
		delete(d.trees, tid)
	}
	delete(d.open, tid)
}

// runs returns the tid of the thread that ran when the event happened.
func (d *Decoder) runs(k *wire.Kernel) uint32 {
	if k.OnTid != 0 {
		return k.OnTid
	}
	return k.Owner.Tid
}

func (d *Decoder) frame(pid uint32, addr uint64) event.Frame {
	y := d.symbols[symbolKey{pid, addr}]
	return event.Frame{Addr: addr, Offset: y.offset, Name: y.name, File: y.file}
}

func (d *Decoder) frames(pid uint32, b []byte) []event.Frame {
	list := d.arena.Frames(len(b) / 8)
	for i := range list {
		list[i] = d.frame(pid, binary.LittleEndian.Uint64(b[8*i:]))
	}
	return list
}

// hook reports whether a function belongs to the tracer: BPF programs, trampolines and
// tracepoints.
func hook(name string) bool {
	for _, prefix := range []string{"bpf_prog_", "bpf_trampoline_", "bpf_trace_run", "__bpf_trace_", "__traceiter_", "bpf_get_stack", "bpf_ringbuf", "call_trace_"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// entry reports whether a function is part of the syscall entry path, which is common to all
// calls.
func entry(name string) bool {
	switch name {
	case "entry_SYSCALL_64_after_hwframe", "entry_SYSCALL_64", "do_syscall_64", "x64_sys_call", "entry_SYSENTER_compat_after_hwframe",
		"do_SYSENTER_32", "do_fast_syscall_32", "__do_fast_syscall_32", "do_int80_syscall_32", "do_int80_emulation", "asm_int80_emulation", "entry_INT80_compat", "ia32_sys_call",
		"el0t_64_sync", "el0t_64_sync_handler", "el0_svc", "do_el0_svc", "el0_svc_common", "el0_svc_common.constprop.0", "invoke_syscall", "invoke_syscall.constprop.0",
		"el0t_32_sync", "el0t_32_sync_handler", "el0_svc_compat", "do_el0_svc_compat", "el0_sync", "el0_sync_handler":
		return true
	}
	return false
}

// aside reports whether a function is part of the work before or after every system call.
func aside(name string) bool {
	for _, prefix := range []string{"syscall_exit", "syscall_trace", "syscall_enter", "exit_to_user", "syscall_user"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// interrupt reports whether a function is an entry point of interrupts or exceptions.
func interrupt(name string) bool {
	for _, prefix := range []string{"asm_sysvec_", "asm_common_interrupt", "asm_exc_", "common_interrupt", "el1_irq", "el1h_64_irq", "el1_interrupt", "apic_timer_interrupt", "ret_from_intr"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// softirq reports whether a function is the entry point of softirq processing.
func softirq(name string) bool {
	switch name {
	case "handle_softirqs", "__do_softirq", "__softirqentry_text_start":
		return true
	}
	return false
}

// tree is the stack of a thread at its previous event.
type tree struct {
	frames []event.Frame // outermost first
	ours   bool          // the thread itself is traced
}

// stacks sets the stacks of an event, and the part of the kernel stack that is new since the
// previous event of the thread.
func (d *Decoder) stacks(e *event.Kernel, k *wire.Kernel, t *wire.KernelTail) {
	if len(t.User) > 0 {
		e.UserStack = d.frames(k.Owner.Pid, t.User)
	}
	if len(t.Kernel) == 0 {
		return
	}
	e.Stack = d.frames(0, t.Kernel)
	for len(e.Stack) > 0 && hook(e.Stack[0].Name) {
		e.Stack = e.Stack[1:]
	}
	// Start at the outermost function of the call, or at the softirq if it interrupted a
	// thread that is not traced.
	shown := e.Stack
	for len(shown) > 0 && entry(shown[len(shown)-1].Name) {
		shown = shown[:len(shown)-1]
	}
	if len(shown) > 0 && aside(shown[len(shown)-1].Name) {
		return // before or after the call proper
	}
	if i := slices.IndexFunc(shown, func(f event.Frame) bool { return interrupt(f.Name) }); i >= 0 {
		// The call was interrupted: keep the frames of the interrupt only.
		if shown = shown[:i]; k.Event == wire.EventStep {
			return
		}
	}
	runs := d.runs(k)
	if e.Context == event.ContextSoftirq && k.OnTid != k.Owner.Tid {
		for i := len(shown) - 1; i >= 0; i-- {
			if softirq(shown[i].Name) {
				if !d.known(runs) {
					shown = shown[:i]
				}
				break
			}
		}
	}
	d.grow(e, runs, shown)
	if k.OnTid == 0 {
		d.trees[runs].ours = true
	}
}

// known reports whether a thread is traced and in a call with earlier events.
func (d *Decoder) known(tid uint32) bool { return d.trees[tid] != nil && d.trees[tid].ours }

func (d *Decoder) grow(e *event.Kernel, tid uint32, stack []event.Frame) {
	t := d.trees[tid]
	if t == nil {
		if len(d.trees) >= maxThreads || d.frameCount > maxFrames {
			clear(d.trees)
			d.frameCount = 0
		}
		t = &tree{}
		d.trees[tid] = t
	}
	n := len(stack)
	same := 0
	for same < n && same < len(t.frames) {
		now, was := &stack[n-1-same], &t.frames[same]
		if now.Addr == was.Addr {
			same++
			continue
		}
		// The same function at another address: it is the same invocation, for it was
		// called from the same place.
		if now.Name != "" && now.Name == was.Name && now.Addr-now.Offset == was.Addr-was.Offset {
			same++
		}
		break
	}
	path := d.arena.Frames(n - same)
	for i := range path {
		path[i] = stack[n-1-same-i]
	}
	d.frameCount -= cap(t.frames)
	t.frames = t.frames[:0]
	for i := range stack {
		t.frames = append(t.frames, stack[n-1-i])
	}
	d.frameCount += cap(t.frames)
	e.Path, e.Around = path, same
}
