package rooms_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/rooms"
	"github.com/pidwire/pidwire/internal/sandbox"
	"github.com/pidwire/pidwire/internal/wire"
)

// TestMain runs the tests, or the rest if the test binary was started as that: its first argument selects what it does.
func TestMain(m *testing.M) {
	if os.Args[0] != rooms.Arg0 {
		os.Exit(m.Run())
	}
	in, err := rooms.Enter()
	if err != nil {
		fmt.Println("enter:", err)
		os.Exit(1)
	}
	switch os.Args[1] {
	case "attempts":
		attempts(in, false)
	case "resolve":
		attempts(in, true)
	case "records":
		tell(in)
	case "stalled":
		time.Sleep(time.Hour)
	case "busy":
		for began := time.Now(); time.Since(began) < time.Minute; {
		}
	case "files":
		files(in)
	}
	os.Exit(0)
}

// start starts the test binary as the rest, with the function what.
func start(t *testing.T, c rooms.Config, what string) (*rooms.Rest, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	c.Args, c.Stdout, c.Stderr = append([]string{what}, c.Args...), &out, os.Stderr
	if c.As.UID == 0 {
		c.As = sandbox.Identity{UID: 65534, GID: 65534}
	}
	r, err := rooms.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Kill)
	return r, &out
}

func ended(t *testing.T, r *rooms.Rest) int {
	t.Helper()
	select {
	case <-r.Exited():
	case <-time.After(20 * time.Second):
		t.Fatal("the rest does not end")
	}
	code, by := r.Exit()
	if by != 0 {
		t.Fatalf("the rest was ended by %v", by)
	}
	return code
}

// try prints the result of an attempt.
func try(what string, err error) {
	var errno syscall.Errno
	switch {
	case err == nil:
		fmt.Println(what, "done")
	case errors.As(err, &errno):
		fmt.Println(what, unix.ErrnoName(errno))
	default:
		fmt.Println(what, err)
	}
}

// attempts does what an attacker would do who controls the process.
func attempts(in *rooms.Inside, resolve bool) {
	self, _ := os.Executable()
	if err := in.Confine(resolve); err != nil {
		fmt.Println("confine:", err)
	}
	for _, name := range []string{"/etc/shadow", "/etc/passwd", "/proc/1/environ", "/", "/etc/resolv.conf"} {
		f, err := os.Open(name)
		if err == nil {
			f.Close()
		}
		try("open "+name, err)
	}
	_, err := os.OpenFile("/tmp/pidwire-rest-made-this", os.O_CREATE|os.O_WRONLY, 0o600)
	try("create", err)
	try("exec", syscall.Exec(self, []string{self}, nil))
	try("fork", exec.Command("/bin/true").Start())
	for _, s := range []struct {
		name         string
		family, kind int
	}{
		{"tcp", unix.AF_INET, unix.SOCK_STREAM}, {"udp", unix.AF_INET, unix.SOCK_DGRAM}, {"unix", unix.AF_UNIX, unix.SOCK_STREAM},
		{"netlink", unix.AF_NETLINK, unix.SOCK_RAW}, {"packet", unix.AF_PACKET, unix.SOCK_RAW},
	} {
		fd, err := unix.Socket(s.family, s.kind, 0)
		if err == nil && s.name == "tcp" {
			err = unix.Connect(fd, &unix.SockaddrInet4{Port: 80, Addr: [4]byte{127, 0, 0, 1}})
		}
		try("socket "+s.name, err)
	}
	const mapCreate, progLoad = 0, 5
	for _, cmd := range []uintptr{mapCreate, progLoad} {
		_, _, errno := unix.Syscall(unix.SYS_BPF, cmd, 0, 0)
		try(fmt.Sprint("bpf ", cmd), errno)
	}
	try("ptrace", unix.PtraceAttach(os.Getppid()))
	try("kill", unix.Kill(os.Getppid(), 0))
	_, _, errno := unix.Syscall(unix.SYS_TGKILL, uintptr(os.Getppid()), uintptr(os.Getppid()), 0)
	try("tgkill", errno)
	try("setuid", syscall.Setresuid(0, 0, 0))
	try("mount", unix.Mount("none", "/tmp", "tmpfs", 0, ""))
	try("unshare", unix.Unshare(unix.CLONE_NEWUSER))
	_, _, errno = unix.Syscall6(unix.SYS_PROCESS_VM_READV, uintptr(os.Getppid()), 0, 0, 0, 0, 0)
	try("process_vm_readv", errno)
	// New threads, memory, and open descriptors must still work.
	done := make(chan bool)
	go func() { done <- true }()
	<-done
	fmt.Println("thread done")
}

func status(t *testing.T, pid int) map[string]string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]string{}
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, ":"); ok {
			fields[k] = strings.Join(strings.Fields(v), " ")
		}
	}
	return fields
}

// TestAttempts checks that the rest can only use what it has open.
func TestAttempts(t *testing.T) {
	for _, what := range []string{"attempts", "resolve"} {
		r, out := start(t, rooms.Config{}, what)
		if code := ended(t, r); code != 0 {
			t.Errorf("%s: exit code %d", what, code)
		}
		said := strings.Split(strings.TrimSpace(out.String()), "\n")
		allowed := []string{"thread done"}
		if what == "resolve" {
			allowed = append(allowed, "open /etc/resolv.conf done", "socket udp done", "socket tcp EACCES", "socket tcp ECONNREFUSED")
		}
		if len(said) < 20 {
			t.Errorf("%s: it said only %q", what, said)
		}
		for _, line := range said {
			if slices.Contains(allowed, line) {
				continue
			}
			if !strings.HasSuffix(line, " EPERM") && !strings.HasSuffix(line, " EACCES") {
				t.Errorf("%s: %s", what, line)
			}
		}
		if !slices.Contains(said, "thread done") {
			t.Errorf("%s: it has no threads any more", what)
		}
	}
	if _, err := os.Stat("/tmp/pidwire-rest-made-this"); err == nil {
		t.Error("it made a file")
	}
}

// TestStatus checks the status of the rest in /proc, before it has read anything and while it waits.
func TestStatus(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("PIDWIRE_MUST") != "" {
			t.Fatal("PIDWIRE_MUST is set, and this is not root")
		}
		t.Skip("who is not root stays who he is")
	}
	r, _ := start(t, rooms.Config{As: sandbox.Identity{UID: 4242, GID: 4343, Groups: []uint32{4444}}}, "records")
	select {
	case <-r.Ready():
	case <-time.After(10 * time.Second):
		t.Fatal("it is not ready")
	}
	got := status(t, r.PID())
	for field, want := range map[string]string{
		"Uid": "4242 4242 4242 4242", "Gid": "4343 4343 4343 4343", "Groups": "4444", "CapEff": "0000000000000000", "CapPrm": "0000000000000000",
		"CapInh": "0000000000000000", "CapAmb": "0000000000000000", "NoNewPrivs": "1", "Seccomp": "2", "Name": rooms.Arg0,
	} {
		if got[field] != want {
			t.Errorf("%s: %q, want %q", field, got[field], want)
		}
	}
}

// tell prints a line for each record and idle frame.
func tell(in *rooms.Inside) {
	_ = in.Confine(false)
	_ = in.Ready()
	s, err := in.Stream()
	if err != nil {
		fmt.Println(err)
		os.Exit(3)
	}
	fmt.Println("header", s.Header().Host)
	n := 0
	err = s.Run(context.Background(), func(r wire.Record) error {
		if r == nil {
			fmt.Println("idle", s.Clock(), n)
			return nil
		}
		n++
		return nil
	})
	fmt.Println("end", n, err)
}

func note(size int) wire.Record {
	n := wire.Note{H: wire.Hdr{Kind: wire.KindNote}}
	return wire.Seal(append(n.Append(nil), make([]byte, size)...))
}

// TestRecords checks that all records arrive unchanged, whatever their size, with the times of idle frames.
func TestRecords(t *testing.T) {
	r, out := start(t, rooms.Config{}, "records")
	if err := r.Header(wire.Header{Version: wire.WireVersion, Host: "here"}); err != nil {
		t.Fatal(err)
	}
	at := uint64(0)
	now := func() uint64 { at += 1000; return at }
	total := 0
	for i := range 2000 {
		if err := r.Emit(note(i*37%90_000), now); err != nil {
			t.Fatal(err)
		}
		total++
		if i%500 == 499 {
			_ = r.Emit(nil, now)
		}
	}
	r.End()
	if code := ended(t, r); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	want := "header here\nidle 1000 500\nidle 2000 1000\nidle 3000 1500\nidle 4000 2000\nend 2000 <nil>\n"
	if out.String() != want {
		t.Errorf("it got\n%swant\n%s", out, want)
	}
}

// TestCut checks that the end of the pipe without an end frame is an error.
func TestCut(t *testing.T) {
	r, out := start(t, rooms.Config{}, "records")
	_ = r.Header(wire.Header{Version: wire.WireVersion})
	_ = r.Emit(note(8), nil)
	_ = r.Emit(nil, func() uint64 { return 1 })
	r.Cut()
	ended(t, r)
	if want := "end 1 " + rooms.ErrNoCollector.Error(); !strings.Contains(out.String(), want) {
		t.Errorf("it says %q, want %q", out, want)
	}
}

// TestNotBegun checks the error if the collector ends before the header and is alive, so that it reports the reason.
func TestNotBegun(t *testing.T) {
	r, out := start(t, rooms.Config{}, "records")
	r.Cut()
	ended(t, r)
	if want := rooms.ErrNotBegun.Error(); !strings.Contains(out.String(), want) {
		t.Errorf("it says %q, want %q", out, want)
	}
}

// TestStalled checks that Emit does not block beyond the deadline of Hurry if the rest does not read, and that
// the unsent records are counted.
func TestStalled(t *testing.T) {
	r, _ := start(t, rooms.Config{}, "stalled")
	_ = r.Header(wire.Header{Version: wire.WireVersion})
	time.AfterFunc(200*time.Millisecond, func() { r.Hurry(time.Now()) })
	began := time.Now()
	n := 0
	for range 100 {
		if r.Emit(note(60_000), nil) == nil {
			n++
		}
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	if r.Unsent() == 0 || int(r.Unsent())+n < 100 {
		t.Errorf("%d records passed on, %d not", n, r.Unsent())
	}
	still := 0
	for range 100 {
		if still++; r.Progress() { // it may not be asleep yet
			still = 0
		}
		if still == 6 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("who sleeps makes no progress")
}

// TestBusy checks that a rest that needs a CPU is not considered stalled.
func TestBusy(t *testing.T) {
	r, _ := start(t, rooms.Config{}, "busy")
	_ = r.Header(wire.Header{Version: wire.WireVersion})
	r.End()
	for range 20 {
		if !r.Progress() {
			t.Error("it is busy, and taken for stalled")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// TestKilled checks that the exit of the rest is reported, with the signal.
func TestKilled(t *testing.T) {
	r, _ := start(t, rooms.Config{}, "stalled")
	_ = unix.Kill(r.PID(), unix.SIGKILL)
	select {
	case <-r.Exited():
	case <-time.After(10 * time.Second):
		t.Fatal("its end is not seen")
	}
	if _, by := r.Exit(); by != unix.SIGKILL {
		t.Errorf("ended by %v", by)
	}
	var err error
	for range 100 {
		if err = r.Emit(note(60_000), nil); err != nil {
			break
		}
	}
	if !errors.Is(err, unix.EPIPE) {
		t.Errorf("records for it: %v", err)
	}
}

// files requests files that the rest may open, and one that it may not.
func files(in *rooms.Inside) {
	_ = in.Confine(false)
	for _, name := range []string{os.Args[2], "/etc/shadow"} {
		f, err := in.Open(name)
		if err != nil {
			fmt.Println("refused:", err)
			continue
		}
		b, err := io.ReadAll(f)
		fmt.Printf("read %q %v\n", b, err)
	}
	f, err := in.Create(rooms.Place{Turn: 7})
	if err == nil {
		_, err = f.WriteString("made")
	}
	fmt.Println("create:", err)
	_, err = f.Read(make([]byte, 1))
	fmt.Println(err)
}

// TestFiles checks that the rest gets files from the collector, and only those that it allows.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "in")
	if err := os.WriteFile(name, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, out := start(t, rooms.Config{Args: []string{name}, Open: func(q rooms.Request) (*os.File, error) {
		switch {
		case q.In != nil && *q.In == name:
			return os.Open(name)
		case q.Out != nil:
			return os.OpenFile(filepath.Join(dir, fmt.Sprint("out", q.Out.Turn)), os.O_CREATE|os.O_WRONLY, 0o600)
		}
		return nil, &rooms.FileError{Text: "not yours", Code: 2}
	}}, "files")
	ended(t, r)
	wrote := filepath.Join(dir, "out7")
	want := "read \"text\" <nil>\nrefused: not yours\ncreate: <nil>\nread " + wrote + ": bad file descriptor\n"
	if out.String() != want {
		t.Errorf("it got\n%swant\n%s", out, want)
	}
	if b, err := os.ReadFile(wrote); string(b) != "made" {
		t.Errorf("the file has %q, %v", b, err)
	}
}
