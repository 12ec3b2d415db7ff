//go:build linux

package bpf

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"

	"github.com/pidwire/pidwire/internal/source/bpf/load"
	"github.com/pidwire/pidwire/internal/source/bpf/object"
	"github.com/pidwire/pidwire/internal/source/proc"
	"github.com/pidwire/pidwire/internal/syscalls"
	"github.com/pidwire/pidwire/internal/wire"
)

// TestTwice checks that with two copies of each program every event is reported once, even if all
// first copies are skipped.
func TestTwice(t *testing.T) {
	needRoot(t)
	const n = 300
	for _, test := range []struct {
		name         string
		noPerf, over bool
	}{
		{"perf", false, false},
		{"two copies", true, false},
		{"passed over", true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !test.noPerf && needPerf(t) {
				return
			}
			child, in := actor(t, newDatagramVar, n)
			pid := uint32(child.Process.Pid)
			s, err := New(Options{
				Config:  Config{Self: uint32(os.Getpid()), Follow: true, StrLen: 32, Kernel: true, Snaplen: 64, Twice: true, NoPerf: test.noPerf},
				Targets: []proc.Target{{PID: pid}},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if seconds(s.k) < 20 {
				t.Errorf("%d second copies", seconds(s.k))
			}
			if s.k.Works.Perf == test.noPerf {
				t.Errorf("by perf's events: %v", s.k.Works.Perf)
			}
			if test.over {
				passOver(t, s.k)
			}
			s.Started = func() error { _, err := io.WriteString(in, "\n"); return err }
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			calls, events, exits, lost := 0, map[uint16]int{}, 0, 0
			err = s.Run(ctx, func(r wire.Record) error {
				switch r.Kind() {
				case wire.KindSyscall:
					var c wire.Syscall
					c.Unmarshal(r)
					for _, name := range []string{"sendto", "recvfrom"} {
						if nr, ok := syscalls.ByName(name).Number(c.Abi); ok && nr == c.Nr {
							calls++
						}
					}
				case wire.KindKernel:
					var k wire.Kernel
					var tail wire.KernelTail
					wire.KernelParts(r, &k, &tail)
					events[k.Event]++
				case wire.KindProc:
					var p wire.Proc
					p.Unmarshal(r)
					if p.What == wire.ProcExit && p.Pid == pid {
						exits++
					}
				case wire.KindLost:
					var l wire.Lost
					l.Unmarshal(r)
					// Both copies can be skipped if threads are preempted.
					if l.Reason != wire.LostCall || test.name == "perf" || !load.PreemptedAtTracepoints(Release()) {
						t.Errorf("lost %d of layer %d, reason %d", l.Count, l.H.Layer, l.Reason)
					}
					lost += int(l.Count)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if calls > 2*n || calls+lost < 2*n || exits != 1 { // the lost call may be another one
				t.Errorf("%d calls and %d lost, want %d; %d ends", calls, lost, 2*n, exits)
			}
			for e, programs := range map[uint16][]string{
				wire.EventSend:    {object.KernelProgKernelSent, object.KernelProgKernelSentInet},
				wire.EventReceive: {object.KernelProgKernelReceived, object.KernelProgKernelReceivedInet},
				wire.EventReady:   {object.KernelProgKernelReady, object.KernelProgKernelReadyDefault},
			} {
				want := 0 // on kernels with neither tracepoint nor fentry (arm64 before 6.3)
				if slices.ContainsFunc(programs, s.k.Tells) {
					want = n
				}
				if events[e] != want {
					t.Errorf("event %d: %d times, want %d", e, events[e], want)
				}
			}
			if told := s.k.Tells(object.KernelProgKernelSent) || s.k.Tells(object.KernelProgKernelSentInet); !told && !slices.ContainsFunc(s.Missing(), func(m string) bool { return strings.Contains(m, "sock:send") }) {
				t.Errorf("sends are not told, and that is not said: %v", s.Missing())
			}
		})
	}
}

// needPerf skips the test if programs at calls cannot be attached to perf events. They need a
// thread's registers, which are available since 5.15; they are required since 7.0. If tracefs is
// not mounted, the test runs again in a mount namespace that has it. done reports that this has
// happened.
func needPerf(t *testing.T) (done bool) {
	t.Helper()
	if err := features.HaveProgramHelper(ebpf.TracePoint, asm.FnTaskPtRegs); err != nil {
		var major, minor int
		if n, _ := fmt.Sscanf(Release(), "%d.%d", &major, &minor); n != 2 || major > 5 || major == 5 && minor >= 15 {
			t.Fatalf("Linux %s should have bpf_task_pt_regs: %v", Release(), err)
		}
		t.Skipf("bpf_task_pt_regs: %v", err)
	}
	b, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b, []byte(" tracefs ")) {
		return false
	}
	cmd := exec.Command(os.Args[0], "-test.v", "-test.run", "^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$")
	cmd.Env = append(os.Environ(), tracefsVar+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name()+" ")) {
		t.Errorf("in a mount namespace: %v\n%s", err, out)
	}
	return true
}

// seconds counts the programs that have a second copy.
func seconds(k *load.Kernel) (n int) {
	for _, p := range k.Programs() {
		if p.Again != nil {
			n++
		}
	}
	return n
}

// passOver disables the first copy of each pair, as if a thread were preempted in it on every CPU.
func passOver(t *testing.T, k *load.Kernel) {
	t.Helper()
	first := map[ebpf.ProgramID]bool{}
	for _, p := range k.Programs() {
		if p.Again != nil {
			first[programID(t, p.First)] = true
		}
	}
	closeLinks(t, k, first)
}

func programID(t *testing.T, p *ebpf.Program) ebpf.ProgramID {
	t.Helper()
	info, err := p.Info()
	if err != nil {
		t.Fatal(err)
	}
	id, _ := info.ID()
	return id
}

// closeLinks detaches these programs, all of which must be attached.
func closeLinks(t *testing.T, k *load.Kernel, programs map[ebpf.ProgramID]bool) {
	t.Helper()
	closed := 0
	for _, l := range k.Links() {
		info, err := l.Info()
		if err != nil {
			t.Fatal(err)
		}
		if programs[info.Program] {
			l.Close()
			closed++
		}
	}
	if closed != len(programs) || closed == 0 {
		t.Fatalf("%d of %d programs were attached", closed, len(programs))
	}
}

// TestPassedOverCalls checks that calls whose entry or return was skipped are counted as lost.
func TestPassedOverCalls(t *testing.T) {
	needRoot(t)
	const n = 5000
	for _, test := range []struct {
		name, point string
		perf        bool
	}{
		{"entries", "sys_enter", false}, {"returns", "sys_exit", false},
		{"entries by perf", "sys_enter", true}, {"returns by perf", "sys_exit", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.perf && needPerf(t) {
				return
			}
			child, in := actor(t, pauseVar, n)
			s, err := New(Options{
				Config: Config{
					Self: uint32(os.Getpid()), StrLen: 32, Twice: test.perf, NoPerf: !test.perf,
					Calls: func(name string) bool { return name == "read" || name == "write" },
				},
				Targets: []proc.Target{{PID: uint32(child.Process.Pid)}},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			ids := map[ebpf.ProgramID]bool{}
			for _, p := range s.k.Programs() {
				if p.Name != test.point {
					continue
				}
				ids[programID(t, p.First)] = true
				if p.Again != nil {
					ids[programID(t, p.Again)] = true
				}
			}
			s.Started = func() error { _, err := io.WriteString(in, "\n"); return err }
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			var calls, lost uint64
			err = s.Run(ctx, func(r wire.Record) error {
				switch r.Kind() {
				case wire.KindSyscall:
					if calls == 0 {
						closeLinks(t, s.k, ids)
						if _, err := io.WriteString(in, "\n"); err != nil {
							t.Error(err)
						}
					}
					calls++
				case wire.KindLost:
					var l wire.Lost
					l.Unmarshal(r)
					if l.Reason == wire.LostCall {
						lost += l.Count
					} else if l.Reason != wire.LostMissed || !load.PreemptedAtTracepoints(Release()) {
						t.Errorf("%d lost for reason %d", l.Count, l.Reason)
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			least := uint64(2*n - 1)
			if load.PreemptedAtTracepoints(Release()) {
				least = 2 * n * 95 / 100 // skipped at both ends: cannot be noticed
			}
			if got := calls + lost; lost < least-2 || got < least || got > 2*n+1 {
				t.Errorf("captured %d + lost %d, want %d", calls, lost, 2*n)
			}
			t.Logf("captured %d, lost %d", calls, lost)
		})
	}
}

// TestLetGo checks that no losses are counted for a process that is no longer watched.
func TestLetGo(t *testing.T) {
	needRoot(t)
	const n = 5000
	child, in := actor(t, pauseVar, n)
	s, err := New(Options{
		Config:  Config{Self: uint32(os.Getpid()), StrLen: 32},
		Targets: []proc.Target{{PID: uint32(child.Process.Pid)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Started = func() error { _, err := io.WriteString(in, "\n"); return err }
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	calls := 0
	err = s.Run(ctx, func(r wire.Record) error {
		switch r.Kind() {
		case wire.KindSyscall:
			if calls == 0 {
				if err := s.k.Forget(uint32(child.Process.Pid)); err != nil {
					t.Fatal(err)
				}
				if _, err := io.WriteString(in, "\n"); err != nil {
					t.Error(err)
				}
			}
			calls++
		case wire.KindLost:
			var l wire.Lost
			l.Unmarshal(r)
			if l.Reason == wire.LostCall {
				t.Errorf("lost %d", l.Count)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if calls == 0 || calls > 3 { // one may be in progress
		t.Errorf("captured %d of %d", calls, 2*n)
	}
	t.Logf("captured %d of %d", calls, 2*n)
}
