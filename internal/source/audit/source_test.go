//go:build linux

package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/source/proc"
	"github.com/pidwire/pidwire/internal/source/sourcetest"
	"github.com/pidwire/pidwire/internal/syscalls"
	"github.com/pidwire/pidwire/internal/wire"
)

// flood in the environment turns the test binary into a process that calls getsockopt that
// many times, on request.
const (
	flood = "PIDWIRE_AUDIT_FLOOD"
	paced = "PIDWIRE_AUDIT_PACED"
)

func TestMain(m *testing.M) {
	if n, err := strconv.Atoi(os.Getenv(flood)); err == nil {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
		if err != nil {
			os.Exit(1)
		}
		var b [1]byte
		_, _ = os.Stdin.Read(b[:])
		for i := range n {
			if os.Getenv(paced) != "" && i%200 == 0 {
				time.Sleep(10 * time.Millisecond) // keeps the kernel's queue short
			}
			if _, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); err != nil {
				os.Exit(1)
			}
		}
		fmt.Println("done")
		_, _ = os.Stdin.Read(b[:])
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("PIDWIRE_MUST") != "" {
		t.Fatal("PIDWIRE_MUST is set, and this is not root")
	}
	t.Skip("needs root")
}

// TestLosses checks that received and lost records together account for all calls,
// whichever of the two queues was full, and that nothing is lost if the process
// waits.
func TestLosses(t *testing.T) {
	needRoot(t)
	sourcetest.Alone(t, "audit")
	for _, test := range []struct {
		name   string
		o      Options
		calls  int
		asleep bool
		lost   uint32 // reason of the losses; 0: nothing is lost
	}{
		{"read in time", Options{Unicast: true}, 2000, false, 0},
		{"the socket was full", Options{}, 60_000, true, wire.LostAudit},
		{"the kernel's queue was full", Options{Unicast: true}, 60_000, true, wire.LostBacklog},
		{"the process waits", Options{Unicast: true, Wait: true}, 20_000, false, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := Open(test.o)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if test.lost == wire.LostAudit && s.daemon == 0 {
				// Otherwise each record would be printed to the console, which is slow.
				if old, err := os.ReadFile("/proc/sys/kernel/printk"); err == nil {
					_ = os.WriteFile("/proc/sys/kernel/printk", []byte("1"), 0)
					defer os.WriteFile("/proc/sys/kernel/printk", old, 0)
				}
			}
			if test.lost == wire.LostBacklog {
				// If calls take 0.5 ms each, as under emulation, they do not fill our queue
				// before the kernel gives up on the full socket, which takes 500 ms.
				long := s.state.Set[0]
				short := long
				short.Backlog = 64
				if err := s.c.set(setBacklog, short); err != nil {
					t.Fatal(err)
				}
				defer func() {
					if err := s.c.set(setBacklog, long); err != nil {
						t.Error(err)
					}
				}()
			}
			child := exec.Command(os.Args[0])
			child.Env = append(os.Environ(), fmt.Sprintf("%s=%d", flood, test.calls))
			if test.lost == wire.LostAudit {
				child.Env = append(child.Env, paced+"=1")
			}
			in, err := child.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := child.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := child.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() {
				in.Close()
				_ = child.Process.Kill()
				_ = child.Wait()
			}()
			s.Watch(uint32(child.Process.Pid))
			if err := s.Sync(); err != nil {
				t.Fatal(err)
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				_, _ = io.ReadFull(out, make([]byte, len("done\n")))
			}()
			_, _ = in.Write([]byte("\n"))
			wait := func() {
				select {
				case <-done:
				case <-time.After(3 * time.Minute): // under emulation, together with another test, it takes one minute
					t.Error("the calls do not end")
				}
			}
			if test.asleep {
				wait()
			}
			ctx, cancel := context.WithCancel(context.Background())
			go func() {
				wait()
				time.Sleep(300 * time.Millisecond)
				cancel()
			}()
			events, lost, covered := 0, map[uint32]uint64{}, 0
			h := wire.Header{Mono: header().Time}
			err = s.Run(ctx, func(r wire.Record) error {
				sourcetest.WellFormed(t, h, r)
				switch r.Kind() {
				case wire.KindAudit:
					var a wire.Audit
					a.Unmarshal(r)
					switch {
					case a.Flags&wire.AuditCovers != 0:
						covered++
					case a.Flags&wire.AuditCall != 0 && a.Nr == unix.SYS_GETSOCKOPT && int(a.Pid) == child.Process.Pid:
						events++
					}
				case wire.KindLost:
					var l wire.Lost
					l.Unmarshal(r)
					lost[l.Reason] += l.Count
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d calls: %d events, lost %v", test.calls, events, lost)
			if covered != 1 {
				t.Errorf("%d processes said to be covered", covered)
			}
			switch test.lost {
			case 0:
				if events != test.calls || len(lost) != 0 {
					t.Errorf("%d events of %d calls, lost %v", events, test.calls, lost)
				}
			case wire.LostAudit:
				// Missing serials: each is an event, possibly of another process. Records that
				// did not fit into the kernel's queue have no serial, and are counted one by one.
				n := uint64(events) + lost[test.lost]
				if lost[test.lost] == 0 || n+lost[wire.LostBacklog] < uint64(test.calls) {
					t.Errorf("%d events and %v lost of %d calls", events, lost, test.calls)
				}
			case wire.LostBacklog:
				// Lost records, one or more per event. Those that the kernel has printed to its
				// log instead (before 6.12) are counted by missing serials.
				if lost[test.lost] == 0 || uint64(events)+lost[test.lost]+lost[wire.LostAudit] < uint64(test.calls) {
					t.Errorf("%d events and %v records lost of %d calls", events, lost, test.calls)
				}
			}
		})
	}
}

func TestRule(t *testing.T) {
	for _, goarch := range []string{"amd64", "arm64"} {
		list := arches(goarch)
		if len(list) != 2 || len(list[0].calls) < 15 || len(list[1].calls) < 15 {
			t.Fatalf("%s: %+v", goarch, list)
		}
		r := newRule(list[0].arch, list[0].calls, fieldPID, 1234, "pidwire-00c0ffee")
		back, ok := parseRule(r.bytes())
		if !ok || back.key() != "pidwire-00c0ffee" || back.mask != r.mask || !slices.Equal(back.fields, r.fields) {
			t.Errorf("%s: %+v", goarch, back)
		}
	}
	if i386 := arches("amd64")[1].calls; !slices.Contains(i386, syscalls.Socketcall) {
		t.Errorf("no socketcall among %v", i386)
	}
}

// FuzzRule checks that parseRule does not panic on any input, and that a parsed rule can be encoded and parsed again.
func FuzzRule(f *testing.F) {
	r := newRule(1, []uint32{41, 42}, fieldPID, 7, "pidwire-x")
	f.Add(r.bytes())
	f.Add(r.bytes()[:ruleLen])
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, ok := parseRule(b); ok {
			_ = r.key()
			if again, ok := parseRule(r.bytes()); !ok || again.key() != r.key() {
				t.Error("a rule that does not read again")
			}
		}
	})
}

func TestState(t *testing.T) {
	old := stateDir
	stateDir = t.TempDir()
	defer func() { stateDir = old }()
	s := state{Key: newKey(), PID: os.Getpid(), Start: proc.StartOf(os.Getpid()), Before: Status{Enabled: 1, Backlog: 64, BacklogWait: 15000}}
	if err := s.write(); err != nil {
		t.Fatal(err)
	}
	dead := state{Key: newKey(), PID: os.Getpid(), Start: "1"}
	if err := dead.write(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(stateDir+"/audit-pidwire-1.json", []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	list := states()
	if len(list) != 2 {
		t.Fatalf("%d states", len(list))
	}
	for _, got := range list {
		if got.alive() != (got.Key == s.Key) {
			t.Errorf("%+v: alive %v", got, got.alive())
		}
		if got.Key == s.Key && !reflect.DeepEqual(got, s) {
			t.Errorf("%+v, want %+v", got, s)
		}
	}
	s.remove()
	if len(states()) != 1 {
		t.Error("not removed")
	}
}

// TestToRestore checks that only settings that are still as we set them are restored, and that audit is not
// disabled while others use it.
func TestToRestore(t *testing.T) {
	off := Status{Backlog: 64, BacklogWait: 15000}
	set := Status{Enabled: 1, Backlog: 8192}
	with := func(s Status, change func(*Status)) Status {
		change(&s)
		return s
	}
	for _, test := range []struct {
		name   string
		before Status
		now    Status
		others bool
		mask   uint32
	}{
		{"as we left it", off, set, false, setEnabled | setBacklog | setBacklogWait},
		{"a rule of another's stands", off, set, true, setBacklog | setBacklogWait},
		{"a daemon has come", off, with(set, func(s *Status) { s.PID = 77 }), false, setBacklog | setBacklogWait},
		{"a daemon has come that sets the backlog", off, with(set, func(s *Status) { s.PID, s.Backlog = 77, 20000 }), false, setBacklogWait},
		{"the administrator's backlog", off, with(set, func(s *Status) { s.Backlog = 20000 }), false, setEnabled | setBacklogWait},
		{"the administrator's wait", off, with(set, func(s *Status) { s.BacklogWait = 100 }), false, setEnabled | setBacklog},
		{"turned off meanwhile", off, with(set, func(s *Status) { s.Enabled = 0 }), false, setBacklog | setBacklogWait},
		{"locked meanwhile", off, with(set, func(s *Status) { s.Enabled = 2 }), false, 0},
		{"it was on", Status{Enabled: 1, Backlog: 64, BacklogWait: 1}, set, true, setBacklog | setBacklogWait},
		{"as it was", off, off, false, 0},
	} {
		s := state{Before: test.before, Set: []Status{set}}
		mask, want := s.toRestore(test.now, test.others)
		if mask != test.mask || mask != 0 && want != test.before {
			t.Errorf("%s: mask %#x of %+v, want %#x", test.name, mask, want, test.mask)
		}
	}
}

// TestKeyAlive checks that a key is sufficient to find out whether its run is alive, without a file.
func TestKeyAlive(t *testing.T) {
	if key := newKey(); !keyAlive(key) {
		t.Errorf("%s is not alive", key)
	}
	for _, key := range []string{"pidwire-0a1b2c3d", "pidwire-0a1b2c3d-1-1", "pidwire-", "pidwire-0a1b2c3d-999999999-", "pidwire-a-x-y", "pidwire-a--1-5"} {
		if keyAlive(key) {
			t.Errorf("%s is alive", key)
		}
	}
}

// TestForbids checks which rules can suppress the record of a call.
func TestForbids(t *testing.T) {
	typed := func(op, value uint32) rule {
		return rule{flags: listTypes, action: actAlways, fields: []field{{fieldType, value, op}}}
	}
	for name, test := range map[string]struct {
		r    rule
		want bool
	}{
		"-a always,exit":                    {rule{flags: listExit, action: actAlways}, false},
		"-a never,exit":                     {rule{flags: listExit, action: actNever}, true},
		"-A never,exit":                     {rule{flags: listExit | 0x10, action: actNever}, true},
		"-a never,task":                     {rule{flags: listTask, action: actNever}, true},
		"-a always,exclude msgtype=CWD":     {typed(equal, 1307), false},
		"-a always,exclude msgtype=SYSCALL": {typed(equal, 1300), true},
		"-a always,exclude msgtype!=CWD":    {typed(notEqual, 1307), true},
		"-a always,exclude uid=0":           {rule{flags: listTypes, action: actAlways, fields: []field{{1, 0, equal}}}, true},
		"-a always,user":                    {rule{action: actAlways}, false},
	} {
		if got := test.r.forbids(); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestRulesRemoved checks that there is a note when an administrator removes our rules, or suppresses records.
func TestRulesRemoved(t *testing.T) {
	c, _ := settings(t)
	s, err := Open(Options{Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Watch(uint32(os.Getpid()))
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	notes, ended := make(chan string, 100), make(chan error, 1)
	go func() {
		ended <- s.Run(ctx, func(r wire.Record) error {
			if r != nil && r.Kind() == wire.KindNote {
				notes <- string(wire.AttrOf(r[wire.SizeNote:], wire.TagText))
			}
			return nil
		})
	}()
	said := func(want string) {
		t.Helper()
		select {
		case got := <-notes:
			if !strings.Contains(got, want) {
				t.Errorf("it says %q, want %q", got, want)
			}
		case <-time.After(30 * time.Second):
			t.Errorf("nothing is said, want %q", want)
		}
	}
	// Its own changes must not cause a note.
	s.Watch(1)
	s.Ended(1)
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * rulesEvery)
	select {
	case got := <-notes:
		t.Errorf("it says %q", got)
	default:
	}
	list, err := c.rules()
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		if list[i].key() == s.state.Key {
			if err := c.deleteRule(&list[i]); err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	said("removed pidwire's audit rules")
	never := newRule(unix.AUDIT_ARCH_X86_64, []uint32{300}, fieldPID, 1, "administrator")
	never.action = actNever
	if err := c.addRule(&never); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.deleteRule(&never) }()
	said("suppresses records")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if len(notes) > 0 {
		t.Errorf("and then: %q", <-notes)
	}
}

// settings returns a control socket and the current settings of audit, and restores these after the test.
func settings(t *testing.T) (control, Status) {
	t.Helper()
	needRoot(t)
	sourcetest.Alone(t, "audit")
	c, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	before, err := c.status()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.set(setEnabled|setBacklog|setBacklogWait, before)
		c.Close()
	})
	return c, before
}

// TestUnicastPutBack checks that audit is disabled again after a unicast run, whose own pid does not count as a daemon.
// If a daemon runs, unicast is not used, and the daemon remains registered.
func TestUnicastPutBack(t *testing.T) {
	c, before := settings(t)
	want := before
	if want.PID = daemon(before); want.PID == 0 {
		want.Enabled = 0
		if err := c.set(setEnabled, want); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(Options{Unicast: true})
	if err != nil {
		t.Fatal(err)
	}
	reader := uint32(os.Getpid())
	if want.PID != 0 {
		reader = want.PID
	}
	if now, err := c.status(); err != nil || now.Enabled != 1 || now.PID != reader {
		t.Errorf("while it runs: %+v, %v", now, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if now, err := c.status(); err != nil || now.Enabled != want.Enabled || now.PID != want.PID {
		t.Errorf("afterwards: %+v, %v", now, err)
	}
}

// TestAdministrator checks that changes by the administrator during a run are kept at its end.
func TestAdministrator(t *testing.T) {
	c, before := settings(t)
	s, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := newRule(unix.AUDIT_ARCH_X86_64, []uint32{300}, fieldPID, 1, "administrator")
	if err := c.addRule(&r); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.deleteRule(&r) }()
	if err := c.set(setBacklog, Status{Backlog: 20000}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	now, err := c.status()
	if err != nil {
		t.Fatal(err)
	}
	if now.Enabled != 1 || now.Backlog != 20000 || now.BacklogWait != before.BacklogWait {
		t.Errorf("audit is %+v; it was %+v, and the administrator set a backlog of 20000 and a rule", now, before)
	}
	// Two runs at the same time: the last one restores what both have set.
	if err := errors.Join(c.deleteRule(&r), c.set(setEnabled|setBacklog|setBacklogWait, before)); err != nil {
		t.Fatal(err)
	}
	for _, firstEnds := range []bool{true, false} {
		one, err := Open(Options{})
		if err != nil {
			t.Fatal(err)
		}
		two, err := Open(Options{Wait: true})
		if err != nil {
			t.Fatal(err)
		}
		if !firstEnds {
			one, two = two, one
		}
		if err := errors.Join(one.Close(), two.Close()); err != nil {
			t.Fatal(err)
		}
		if now, err := c.status(); err != nil || now.Enabled != before.Enabled || now.Backlog != before.Backlog || now.BacklogWait != before.BacklogWait {
			t.Errorf("first ends first %v: audit is %+v (%v), it was %+v", firstEnds, now, err, before)
		}
	}
}
