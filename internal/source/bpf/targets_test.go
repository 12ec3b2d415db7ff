//go:build linux

package bpf

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/pidwire/pidwire/internal/source/proc"
	"github.com/pidwire/pidwire/internal/syscalls"
	"github.com/pidwire/pidwire/internal/wire"
)

// connections makes TCP connections to itself, one after the other.
func connections(count string) int {
	var n int
	if _, err := fmt.Sscan(count, &n); err != nil {
		return 1
	}
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 1
	}
	for range n {
		c, err := net.Dial("tcp4", ln.Addr().String())
		if err != nil {
			return 1
		}
		peer, err := ln.Accept()
		if err != nil {
			return 1
		}
		if _, err := c.Write([]byte("bytes of another")); err != nil {
			return 1
		}
		if _, err := peer.Read(make([]byte, 64)); err != nil {
			return 1
		}
		c.Close()
		peer.Close()
	}
	return 0
}

// orphan floods a socketpair, and ends with a child that lives on.
func orphan(count string) int {
	self, err := os.Executable()
	if err != nil {
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
	for range 20_000 {
		if _, err := syscall.Write(p[0], b); err != nil {
			return 1
		}
		if _, err := syscall.Read(p[1], b); err != nil {
			return 1
		}
	}
	child := exec.Command(self)
	child.Env = []string{leftVar + "=" + count}
	if err := child.Start(); err != nil {
		return 1
	}
	return 0
}

func left(count string) int {
	var n int
	if _, err := fmt.Sscan(count, &n); err != nil {
		return 1
	}
	for range n {
		time.Sleep(200 * time.Millisecond)
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
		if err != nil || syscall.Close(fd) != nil {
			return 1
		}
	}
	return 0
}

// called starts this binary under another name, with a variable set.
func called(t *testing.T, name, variable string, n int) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(self, link); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(link)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", variable, n))
	return cmd
}

// storm execs a program again and again.
func storm(t *testing.T, name string, execs int) {
	t.Helper()
	link := called(t, name, tcpVar, 3)
	for range execs {
		cmd := exec.Command(link.Path)
		cmd.Env = link.Env
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
}

// everything is a run with all layers.
func everything(ring uint32, names ...string) Options {
	o := Options{
		Config:  Config{Self: uint32(os.Getpid()), Follow: true, StrLen: 32, Packets: true, Kernel: true, Snaplen: 64, RingBytes: ring},
		Endless: true,
	}
	for _, n := range names {
		o.Targets = append(o.Targets, proc.Target{Text: n, Name: n})
	}
	return o
}

// TestUndecided checks that nothing of a process that execs a program with another name is emitted
// or counted, even if the ring overflows.
func TestUndecided(t *testing.T) {
	needRoot(t)
	for _, test := range []struct {
		name  string
		ring  uint32
		sleep time.Duration
	}{
		{"fast reader", DefaultRing, 0},
		{"ring overflows", 64 << 10, 2 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := New(everything(test.ring, "nosuchname"))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			stormed := make(chan struct{})
			s.Started = func() error {
				go func() {
					defer close(stormed)
					storm(t, "somebody", 30)
				}()
				time.Sleep(test.sleep)
				return nil
			}
			go func() {
				<-stormed
				time.Sleep(300 * time.Millisecond)
				cancel()
			}()
			err = s.Run(ctx, func(r wire.Record) error {
				if r == nil {
					return nil
				}
				switch r.Kind() {
				case wire.KindNote, wire.KindEnd, wire.KindClock:
				case wire.KindLost:
					var l wire.Lost
					l.Unmarshal(r)
					// A process that could not be decided is reported; this is not a loss of
					// calls.
					if test.sleep == 0 || l.Reason != wire.LostUnasked {
						t.Errorf("lost %d of layer %d, reason %d", l.Count, l.H.Layer, l.Reason)
					}
				default:
					t.Errorf("a record of kind %d", r.Kind())
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			// Ended processes leave no entries.
			list, err := s.k.Targets()
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range list {
				if !proc.Default.Alive(e.PID) {
					t.Errorf("process %d has ended, and is among the targets: %+v", e.PID, e)
				}
			}
		})
	}
}

// TestDecided checks that everything of a process that execs a matching program is emitted, from
// its first call on, and nothing of other processes.
func TestDecided(t *testing.T) {
	needRoot(t)
	s, err := New(everything(0, "wanted-*"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	const runs = 15
	s.Started = func() error {
		go func() {
			done := make(chan struct{})
			go func() {
				defer close(done)
				storm(t, "somebody", runs)
			}()
			storm(t, "wanted-one", runs)
			<-done
			time.Sleep(300 * time.Millisecond)
			cancel()
		}()
		return nil
	}
	ours := map[uint32]bool{}
	calls, payload, events := 0, 0, 0
	err = s.Run(ctx, func(r wire.Record) error {
		switch r.Kind() {
		case wire.KindProc:
			var p wire.Proc
			p.Unmarshal(r)
			if p.What == wire.ProcExec {
				ours[p.Pid] = true
			}
		case wire.KindSyscall:
			var c wire.Syscall
			c.Unmarshal(r)
			if !ours[c.Pid] || c.Flags&wire.CallTentative != 0 {
				t.Errorf("a call of %d (%s)", c.Pid, c.Comm)
			}
			if nr, ok := syscalls.ByName("connect").Number(c.Abi); ok && nr == c.Nr && c.Ret != -111 {
				calls++
			}
		case wire.KindPacket:
			var p wire.Packet
			p.Unmarshal(r)
			if !ours[p.Owner.Pid] {
				t.Errorf("a packet of %d (%s)", p.Owner.Pid, p.Owner.Comm)
			}
			if p.Dir == wire.PacketOut && p.Len == 52+16 {
				payload++
			}
		case wire.KindKernel:
			var k wire.Kernel
			k.Unmarshal(r)
			if k.Owner.Pid != 0 && !ours[k.Owner.Pid] {
				t.Errorf("event %d of %d (%s)", k.Event, k.Owner.Pid, k.Owner.Comm)
			}
			events++
		case wire.KindLost:
			var l wire.Lost
			l.Unmarshal(r)
			t.Errorf("lost %d of layer %d, reason %d", l.Count, l.H.Layer, l.Reason)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(ours) != runs || payload != 3*runs || calls < 3*runs || events == 0 {
		t.Errorf("%d processes, %d packets with payload, %d connects, %d events", len(ours), payload, calls, events)
	}
}

// TestLostExec checks that a process is decided even if the record of its exec was lost: a matching
// one is watched from then on, and reported.
func TestLostExec(t *testing.T) {
	needRoot(t)
	s, err := New(everything(64<<10, "wanted"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	wanted, other := called(t, "wanted", leftVar, 15), called(t, "somebody", leftVar, 15)
	s.Started = func() error {
		// Nobody reads: the ring keeps the first records.
		storm(t, "wanted", 12)
		for _, cmd := range []*exec.Cmd{wanted, other} {
			if err := cmd.Start(); err != nil {
				return err
			}
			go func() {
				_ = cmd.Wait()
				if cmd == wanted {
					time.Sleep(10 * time.Second) // its end has been seen long before, also on a busy machine
					cancel()
				}
			}()
		}
		time.Sleep(300 * time.Millisecond)
		return nil
	}
	found, execs, calls, ends := 0, 0, 0, 0
	err = s.Run(ctx, func(r wire.Record) error {
		switch r.Kind() {
		case wire.KindProc:
			var p wire.Proc
			p.Unmarshal(r)
			if p.Pid == uint32(other.Process.Pid) {
				t.Errorf("another's birth or end: %+v", p)
			}
			if p.Pid != uint32(wanted.Process.Pid) {
				return nil
			}
			switch p.What {
			case wire.ProcFound:
				found++
			case wire.ProcExec:
				execs++
			case wire.ProcExit:
				ends++
				time.AfterFunc(300*time.Millisecond, cancel) // a second one would be an error
			}
		case wire.KindSyscall:
			var c wire.Syscall
			c.Unmarshal(r)
			switch nr, _ := syscalls.ByName("socket").Number(c.Abi); {
			case c.Pid == uint32(other.Process.Pid):
				t.Errorf("another's call %d", c.Nr)
			case c.Pid == uint32(wanted.Process.Pid) && c.Nr == nr:
				calls++
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found != 1 || execs != 0 || calls < 8 || ends != 1 {
		t.Errorf("found %d times, %d execs, %d sockets of 15, %d ends", found, execs, calls, ends)
	}
	t.Logf("%d sockets of 15", calls)
}

// TestLostFork checks that a run continues while a child is alive whose fork record was lost.
func TestLostFork(t *testing.T) {
	needRoot(t)
	child, in := actor(t, orphanVar, 15)
	s, err := New(Options{
		Config:  Config{Self: uint32(os.Getpid()), Follow: true, StrLen: 32, RingBytes: 64 << 10},
		Targets: []proc.Target{{PID: uint32(child.Process.Pid)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ended := make(chan struct{})
	s.Started = func() error {
		if _, err := io.WriteString(in, "\n"); err != nil {
			return err
		}
		go func() {
			defer close(ended)
			_ = child.Wait()
		}()
		select {
		case <-ended: // the reader was blocked the whole time
		case <-time.After(10 * time.Second):
			t.Error("the flood does not end")
		}
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var reason uint32
	sockets, found, ends := 0, 0, 0
	err = s.Run(ctx, func(r wire.Record) error {
		switch r.Kind() {
		case wire.KindSyscall:
			var c wire.Syscall
			c.Unmarshal(r)
			if nr, ok := syscalls.ByName("socket").Number(c.Abi); ok && c.Nr == nr {
				sockets++
			}
		case wire.KindProc:
			var p wire.Proc
			p.Unmarshal(r)
			if p.Pid == uint32(child.Process.Pid) {
				return nil
			}
			if p.What == wire.ProcFound {
				found++
			}
			if p.What == wire.ProcExit {
				ends++
			}
		case wire.KindEnd:
			var e wire.End
			e.Unmarshal(r)
			reason = e.Reason
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if reason != wire.EndTargets || sockets < 10 || found != 1 || ends != 1 {
		t.Errorf("ended for reason %d, %d sockets of 15, found %d, %d ends", reason, sockets, found, ends)
	}
	t.Logf("%d sockets of 15", sockets)
}

// TestNoRoomForTargets checks that a run continues, with a message, if there are more processes
// than can be watched.
func TestNoRoomForTargets(t *testing.T) {
	needRoot(t)
	o := everything(0, "crowd")
	o.Threads = 8
	var cmds []*exec.Cmd
	crowd := func() {
		for range 12 {
			cmd := called(t, "crowd", leftVar, 5)
			if err := cmd.Start(); err != nil {
				t.Error(err)
				continue
			}
			cmds = append(cmds, cmd)
		}
	}
	crowd() // existing and new processes
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	s.Started = func() error {
		crowd()
		go func() {
			for _, cmd := range cmds {
				_ = cmd.Wait()
			}
			storm(t, "crowd", 3)
			time.Sleep(300 * time.Millisecond)
			cancel()
		}()
		return nil
	}
	var full uint64
	late := map[uint32]bool{}
	err = s.Run(ctx, func(r wire.Record) error {
		switch r.Kind() {
		case wire.KindLost:
			var l wire.Lost
			l.Unmarshal(r)
			if l.Reason == wire.LostTargets {
				full += l.Count
			}
		case wire.KindSyscall:
			var c wire.Syscall
			c.Unmarshal(r)
			if !slices.ContainsFunc(cmds, func(cmd *exec.Cmd) bool { return uint32(cmd.Process.Pid) == c.Pid }) {
				late[c.Pid] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if full == 0 || len(late) != 3 {
		t.Errorf("%d without room, and of 3 that came when there was some again %d were watched", full, len(late))
	}
	t.Logf("%d without room", full)
}
