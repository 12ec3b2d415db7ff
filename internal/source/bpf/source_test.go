//go:build linux

package bpf

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/pidwire/pidwire/internal/source/proc"
	"github.com/pidwire/pidwire/internal/source/sourcetest"
	"github.com/pidwire/pidwire/internal/wire"
)

// With this variable set the test binary is the watched process: it writes and
// reads so many bytes on a socketpair, one by one.
const floodVar = "PIDWIRE_BPF_FLOOD"

func TestMain(m *testing.M) {
	if n := os.Getenv(floodVar); n != "" {
		os.Exit(flood(n))
	}
	os.Exit(m.Run())
}

func flood(count string) int {
	var n int
	if _, err := fmt.Sscan(count, &n); err != nil {
		return 1
	}
	p, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return 1
	}
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return 1
	}
	b := []byte{'x'}
	for range n {
		if _, err := syscall.Write(p[0], b); err != nil {
			return 1
		}
		if _, err := syscall.Read(p[1], b); err != nil {
			return 1
		}
	}
	return 0
}

// flooder starts the watched process, stopped before its flood.
func flooder(t *testing.T, n int) (*exec.Cmd, io.Writer) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", floodVar, n))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	if l, err := bufio.NewReader(out).ReadString('\n'); l != "ready\n" {
		t.Fatalf("the flooder said %q: %v", l, err)
	}
	return cmd, in
}

// TestLossesAreCounted holds that captured and lost together are what was
// done, when the reader sleeps and the ring is small.
func TestLossesAreCounted(t *testing.T) {
	needRoot(t)
	for _, test := range []struct {
		name  string
		ring  uint32
		sleep time.Duration
		lossy bool
	}{
		{"slow reader", 64 << 10, 500 * time.Millisecond, true},
		{"fast reader", DefaultRing, 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			const n = 5000
			child, in := flooder(t, n)
			s, err := New(Options{
				Config: Config{
					Self: uint32(os.Getpid()), StrLen: 32, RingBytes: test.ring,
					Calls: func(name string) bool { return name == "read" || name == "write" },
				},
				Targets: []proc.Target{{PID: uint32(child.Process.Pid)}},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			s.Started = func() error {
				io.WriteString(in, "\n")
				time.Sleep(test.sleep)
				return nil
			}
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			var calls, lost uint64
			var ended bool
			err = s.Run(ctx, func(r wire.Record) error {
				switch r.Kind() {
				case wire.KindSyscall:
					calls++
				case wire.KindLost:
					var l wire.Lost
					l.Unmarshal(r)
					lost += l.Count
				case wire.KindEnd:
					ended = true
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			// The end of the process may be among what was lost.
			if got := calls + lost; got != 2*n && got != 2*n+1 || !ended {
				t.Errorf("captured %d + lost %d, want %d; ended %v", calls, lost, 2*n, ended)
			}
			if (lost > 0) != test.lossy {
				t.Errorf("lost %d", lost)
			}
			t.Logf("captured %d, lost %d", calls, lost)
		})
	}
}

// TestContract holds what every source promises.
func TestContract(t *testing.T) {
	needRoot(t)
	sourcetest.Run(t, sourcetest.Options{
		New: func(t *testing.T) sourcetest.Source {
			child, in := flooder(t, 20_000)
			s, err := New(Options{
				Config:  Config{Self: uint32(os.Getpid()), StrLen: 32, Follow: true},
				Targets: []proc.Target{{PID: uint32(child.Process.Pid)}},
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			s.Started = func() error { _, err := io.WriteString(in, "\n"); return err }
			return s
		},
	})
}

// TestSnapshot holds that what was there before is told first.
func TestSnapshot(t *testing.T) {
	needRoot(t)
	child, in := flooder(t, 10)
	s, err := New(Options{
		Config:  Config{Self: uint32(os.Getpid()), StrLen: 32, Follow: true},
		Targets: []proc.Target{{PID: uint32(child.Process.Pid)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Started = func() error { _, err := io.WriteString(in, "\n"); return err }
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	kinds := map[uint16]int{}
	err = s.Run(ctx, func(r wire.Record) error {
		if r.Kind() == wire.KindSyscall && (kinds[wire.KindSock] < 2 || kinds[wire.KindProc] < 1) {
			t.Errorf("a call before the snapshot: %v", kinds)
		}
		kinds[r.Kind()]++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if kinds[wire.KindSyscall] < 20 || kinds[wire.KindProc] < 2 {
		t.Errorf("kinds: %v", kinds)
	}
}
