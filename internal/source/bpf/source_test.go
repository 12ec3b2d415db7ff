//go:build linux

package bpf

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/bpf"

	"github.com/pidwire/pidwire/internal/pcapfilter"
	"github.com/pidwire/pidwire/internal/source/proc"
	"github.com/pidwire/pidwire/internal/source/sourcetest"
	"github.com/pidwire/pidwire/internal/wire"
)

// With one of these variables set, the test binary is the watched process. It writes and reads this
// number of bytes on a socketpair, one at a time (after the first it waits until it is told to
// continue); or it sends itself this number of datagrams of datagramSize bytes, on a socket created
// before or after attach; or it creates this number of sockets.
const (
	floodVar       = "PIDWIRE_BPF_FLOOD"
	pauseVar       = "PIDWIRE_BPF_PAUSE"
	datagramVar    = "PIDWIRE_BPF_DATAGRAMS"
	newDatagramVar = "PIDWIRE_BPF_NEW_DATAGRAMS"
	socketsVar     = "PIDWIRE_BPF_SOCKETS"
	// With these it makes this number of TCP connections to itself; or floods a socketpair and
	// leaves a child that creates this number of sockets; or is that child.
	tcpVar    = "PIDWIRE_BPF_TCP"
	orphanVar = "PIDWIRE_BPF_ORPHAN"
	leftVar   = "PIDWIRE_BPF_LEFT"
	// With this one it runs tests in a mount namespace that should have tracefs.
	tracefsVar   = "PIDWIRE_BPF_TRACEFS"
	datagramSize = 100
)

func TestMain(m *testing.M) {
	if n := os.Getenv(floodVar); n != "" {
		os.Exit(flood(n, false))
	}
	if n := os.Getenv(pauseVar); n != "" {
		os.Exit(flood(n, true))
	}
	if n := os.Getenv(datagramVar); n != "" {
		os.Exit(datagrams(n, false))
	}
	if n := os.Getenv(newDatagramVar); n != "" {
		os.Exit(datagrams(n, true))
	}
	if n := os.Getenv(socketsVar); n != "" {
		os.Exit(sockets(n))
	}
	if n := os.Getenv(tcpVar); n != "" {
		os.Exit(connections(n))
	}
	if n := os.Getenv(orphanVar); n != "" {
		os.Exit(orphan(n))
	}
	if n := os.Getenv(leftVar); n != "" {
		os.Exit(left(n))
	}
	if os.Getenv(tracefsVar) != "" {
		if err := syscall.Mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, ""); err != nil {
			fmt.Println("mount tracefs:", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func sockets(count string) int {
	var n int
	if _, err := fmt.Sscan(count, &n); err != nil {
		return 1
	}
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return 1
	}
	for range n {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
		if err != nil || syscall.Close(fd) != nil {
			return 1
		}
	}
	return 0
}

func flood(count string, pause bool) int {
	var n int
	if _, err := fmt.Sscan(count, &n); err != nil {
		return 1
	}
	p, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return 1
	}
	fmt.Println("ready")
	in := bufio.NewReader(os.Stdin)
	if _, err := in.ReadString('\n'); err != nil {
		return 1
	}
	runtime.LockOSThread() // losses are known only for threads that were seen before
	b := []byte{'x'}
	for i := range n {
		if i == 1 && pause {
			if _, err := in.ReadString('\n'); err != nil {
				return 1
			}
		}
		if _, err := syscall.Write(p[0], b); err != nil {
			return 1
		}
		if _, err := syscall.Read(p[1], b); err != nil {
			return 1
		}
	}
	return 0
}

func datagrams(count string, later bool) int {
	var n int
	if _, err := fmt.Sscan(count, &n); err != nil {
		return 1
	}
	open := func() (*net.UDPConn, error) { return net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}) }
	var c *net.UDPConn
	var err error
	if !later {
		c, err = open()
	}
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return 1
	}
	if later {
		c, err = open()
	}
	if err != nil {
		return 1
	}
	b := make([]byte, datagramSize)
	for range n {
		if _, err := c.WriteTo(b, c.LocalAddr()); err != nil {
			return 1
		}
		if _, _, err := c.ReadFrom(b); err != nil {
			return 1
		}
	}
	return 0
}

// needRoot skips a test that cannot run without privilege, unless the environment requires it (CI
// and the emulated kernels).
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("PIDWIRE_MUST") != "" {
			t.Fatal("PIDWIRE_MUST is set, and this is not root")
		}
		t.Skip("needs root")
	}
}

// flooder starts the watched process, stopped before its flood.
func flooder(t *testing.T, n int) (*exec.Cmd, io.Writer) {
	t.Helper()
	return actor(t, floodVar, n)
}

// actor starts this binary with a variable set, and waits until it is ready.
func actor(t *testing.T, variable string, n int) (*exec.Cmd, io.Writer) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", variable, n))
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
		t.Fatalf("the actor said %q: %v", l, err)
	}
	return cmd, in
}

// TestLossesAreCounted checks that captured and lost calls add up to the calls made, with a
// sleeping reader and a small ring.
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
			if fallback := slices.ContainsFunc(s.Missing(), func(m string) bool { return strings.HasPrefix(m, "the filter does not load") }); fallback != (test.name == "filter by us") {
				t.Errorf("filtered by us: %v", s.Missing())
			}
			s.Started = func() error {
				io.WriteString(in, "\n")
				time.Sleep(test.sleep)
				return nil
			}
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			var calls, lost uint64
			var ended bool
			reasons := map[uint32]uint64{}
			err = s.Run(ctx, func(r wire.Record) error {
				switch r.Kind() {
				case wire.KindSyscall:
					calls++
				case wire.KindLost:
					var l wire.Lost
					l.Unmarshal(r)
					lost += l.Count
					reasons[l.Reason] += l.Count
				case wire.KindEnd:
					ended = true
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			// The end of the process may be among the lost records.
			if got := calls + lost; got != 2*n && got != 2*n+1 || !ended {
				t.Errorf("captured %d + lost %d, want %d; ended %v", calls, lost, 2*n, ended)
			}
			if (lost > 0) != test.lossy {
				t.Errorf("lost %d", lost)
			}
			t.Logf("captured %d, lost %d by reasons %v", calls, lost, reasons)
		})
	}
}

func compile(t *testing.T, expr string) []bpf.Instruction {
	t.Helper()
	prog, err := pcapfilter.Compile(expr)
	if err != nil {
		t.Fatal(err)
	}
	return prog
}

// TestPackets checks that every packet is captured or counted as lost, in both directions, with the
// requested length, and that its owner is named, also on a socket that was open before.
func TestPackets(t *testing.T) {
	needRoot(t)
	const n = 3000
	const size = 20 + 8 + datagramSize // with the headers of IPv4 and UDP
	for _, test := range []struct {
		name    string
		actor   string
		ring    uint32
		sleep   time.Duration
		snaplen uint32
		lossy   bool
		filter  []bpf.Instruction
		want    uint64
	}{
		{"slow reader", newDatagramVar, 64 << 10, 500 * time.Millisecond, 64, true, nil, 2 * n},
		{"fast reader", newDatagramVar, DefaultRing, 0, MaxSnaplen, false, nil, 2 * n},
		{"cut", newDatagramVar, DefaultRing, 0, 30, false, nil, 2 * n},
		{"open before", datagramVar, DefaultRing, 0, 128, false, nil, 2 * n},
		{"filter", datagramVar, DefaultRing, 0, 128, false, compile(t, fmt.Sprintf("udp and ip[2:2] = %d", size)), 2 * n},
		{"other filter", datagramVar, DefaultRing, 0, 128, false, compile(t, "tcp or ip6"), 0},
		// Calls that the BPF programs do not filter are filtered here, approximately.
		{"filter by us", datagramVar, DefaultRing, 0, 128, false, []bpf.Instruction{
			bpf.LoadAbsolute{Off: 9, Size: 1}, bpf.JumpIf{Cond: bpf.JumpEqual, Val: 17, SkipTrue: 1},
			bpf.LoadExtension{Num: bpf.ExtProto}, bpf.RetConstant{Val: 1},
		}, 2 * n},
	} {
		t.Run(test.name, func(t *testing.T) {
			child, in := actor(t, test.actor, n)
			s, err := New(Options{
				Config: Config{
					Self: uint32(os.Getpid()), Follow: true, NoCalls: true, Packets: true, Snaplen: test.snaplen, RingBytes: test.ring,
					Filter: test.filter,
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
			by := map[uint8]uint64{}
			var lost uint64
			err = s.Run(ctx, func(r wire.Record) error {
				switch r.Kind() {
				case wire.KindSyscall:
					t.Error("a call, where packets alone were asked for")
				case wire.KindPacket:
					var p wire.Packet
					p.Unmarshal(r)
					by[p.Dir]++
					if p.Len != size || p.Caplen != min(size, test.snaplen) || p.Owner.Pid != uint32(child.Process.Pid) || p.Cookie == 0 {
						t.Errorf("%+v", p)
					}
				case wire.KindLost:
					var l wire.Lost
					l.Unmarshal(r)
					if l.H.Layer == wire.LayerPkt {
						lost += l.Count
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := by[wire.PacketIn] + by[wire.PacketOut] + lost; got != test.want {
				t.Errorf("captured %v + lost %d, want %d", by, lost, test.want)
			}
			if (lost > 0) != test.lossy {
				t.Errorf("lost %d", lost)
			}
			t.Logf("captured %v, lost %d", by, lost)
		})
	}
}

// TestKernelEvents checks that the kernel events of a number of datagrams are reported once each or
// counted as lost, by tracing programs and by raw tracepoints.
func TestKernelEvents(t *testing.T) {
	needRoot(t)
	const n = 500
	for _, test := range []struct {
		name  string
		raw   bool
		ring  uint32
		sleep time.Duration
	}{
		{"tracing", false, DefaultRing, 0},
		{"raw tracepoints", true, DefaultRing, 0},
		{"slow reader", false, 64 << 10, 500 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			child, in := actor(t, newDatagramVar, n)
			s, err := New(Options{
				Config:  Config{Self: uint32(os.Getpid()), Follow: true, NoCalls: true, Kernel: true, Snaplen: 64, RingBytes: test.ring, NoTracing: test.raw},
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
			by := map[uint16]int{}
			var lost uint64
			err = s.Run(ctx, func(r wire.Record) error {
				switch r.Kind() {
				case wire.KindKernel:
					var k wire.Kernel
					var tail wire.KernelTail
					if !wire.KernelParts(r, &k, &tail) || k.Owner.Pid != uint32(child.Process.Pid) {
						t.Errorf("%+v", k)
					}
					if k.Event != wire.EventNone && k.Cookie == 0 {
						t.Errorf("event %d of no socket", k.Event)
					}
					by[k.Event]++
				case wire.KindPacket:
					t.Error("a packet, where events alone were asked for")
				case wire.KindLost:
					var l wire.Lost
					l.Unmarshal(r)
					if l.H.Layer == wire.LayerKrn {
						lost += l.Count
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			sum := 0
			for _, e := range []uint16{wire.EventSkbQueue, wire.EventSkbSend, wire.EventSkbReceive} {
				sum += by[e]
				if test.sleep == 0 && by[e] != n {
					t.Errorf("event %d: %d times, want %d", e, by[e], n)
				}
			}
			if test.sleep == 0 && lost > 0 || test.sleep > 0 && (lost == 0 || uint64(sum)+lost < 3*n) {
				t.Errorf("%d of %d, lost %d", sum, 3*n, lost)
			}
			t.Logf("%v, lost %d", by, lost)
		})
	}
}

// TestMatchingCallsAlone checks that if calls are only used to find targets and not shown, none is
// emitted or counted as lost.
func TestMatchingCallsAlone(t *testing.T) {
	needRoot(t)
	child, in := actor(t, socketsVar, 100)
	s, err := New(Options{
		Config:  Config{Self: uint32(os.Getpid()), NoCalls: true, Packets: true, Snaplen: 64, Ports: []uint16{1}, UIDs: []uint32{uint32(os.Geteuid())}},
		Targets: []proc.Target{{PID: uint32(child.Process.Pid)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Started = func() error { _, err := io.WriteString(in, "\n"); return err }
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	ended := false
	err = s.Run(ctx, func(r wire.Record) error {
		switch r.Kind() {
		case wire.KindSyscall:
			t.Error("a call")
		case wire.KindLost:
			var l wire.Lost
			l.Unmarshal(r)
			if l.Reason == wire.LostCall {
				t.Errorf("lost %d calls", l.Count)
			}
		case wire.KindProc:
			var p wire.Proc
			p.Unmarshal(r)
			ended = ended || p.What == wire.ProcExit && p.Pid == uint32(child.Process.Pid)
			if ended {
				cancel()
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if !ended {
		t.Error("its end was not told")
	}
}

// TestContract checks the contract of sources.
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

// TestSnapshot checks that existing objects are reported first.
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
