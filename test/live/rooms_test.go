package live

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/source/audit"
)

// pair is a run of pidwire: the process that was started, and its child, which prints.
type pair struct {
	cmd             *exec.Cmd
	collector, rest int
	ended           chan struct{}
}

// startPair starts pidwire in its own process group, and waits until it watches.
func startPair(t *testing.T, stdout *os.File, stderr *bytes.Buffer, env []string, args ...string) *pair {
	t.Helper()
	cmd := exec.Command(pidwire, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout = stdout
	log, err := os.CreateTemp(t.TempDir(), "stderr")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &pair{cmd: cmd, collector: cmd.Process.Pid, ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = unix.Kill(-p.collector, unix.SIGKILL)
		<-p.ended
		b, _ := os.ReadFile(log.Name())
		stderr.Write(b)
	})
	looks := 200
	if built != "" {
		looks *= 12 // loading programs takes up to half a minute under emulation
	}
	for range looks {
		if b, _ := os.ReadFile(log.Name()); bytes.Contains(b, []byte("watching")) {
			if p.rest = childOf(p.collector); p.rest == 0 {
				t.Fatal("the process that watches has no child that prints")
			}
			return p
		}
		time.Sleep(50 * time.Millisecond)
	}
	b, _ := os.ReadFile(log.Name())
	t.Fatalf("pidwire does not watch: %s", b)
	return nil
}

// childOf finds a child by its name and parent.
func childOf(parent int) int {
	names, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range names {
		var pid, ppid int
		var comm, state string
		b, _ := os.ReadFile(name)
		if n, _ := fmt.Sscan(string(b), &pid, &comm, &state, &ppid); n == 4 && ppid == parent && comm == "(pidwire-rest)" {
			return pid
		}
	}
	return 0
}

// mustEnd checks that the run ends within a limit, which is ten times longer under emulation.
func (p *pair) mustEnd(t *testing.T, within time.Duration) int {
	t.Helper()
	if built != "" {
		within *= 10
	}
	select {
	case <-p.ended:
	case <-time.After(within):
		t.Errorf("it is there after %v", within)
		return -1
	}
	return p.cmd.ProcessState.ExitCode()
}

// sleeper is a target that does nothing.
func sleeper(t *testing.T) string {
	t.Helper()
	cmd := exec.Command("sleep", "300")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return strconv.Itoa(cmd.Process.Pid)
}

// fieldsOf reads /proc/PID/status.
func fieldsOf(t *testing.T, pid int) map[string]string {
	t.Helper()
	fields, err := statusOf(pid)
	if err != nil {
		t.Fatal(err)
	}
	return fields
}

// statusOf does the same for a process that may have ended.
func statusOf(pid int) (map[string]string, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return nil, err
	}
	fields := map[string]string{}
	for line := range strings.Lines(string(b)) {
		k, v, _ := strings.Cut(line, ":")
		fields[k] = strings.Join(strings.Fields(v), " ")
	}
	return fields, nil
}

// TestRooms checks the privileges of both processes: the printing one has none and runs as the
// calling user, the collector has what it needs.
func TestRooms(t *testing.T) {
	needAudit(t)
	var said bytes.Buffer
	env := []string{"SUDO_UID=4242", "SUDO_GID=4343"}
	out := filepath.Join(t.TempDir(), "r.pidwire")
	p := startPair(t, nil, &said, env, "trace", sleeper(t), "-l", "sys,pkt,krn,aud", "-w", out)
	rest := fieldsOf(t, p.rest)
	for field, want := range map[string]string{
		"Uid": "4242 4242 4242 4242", "Gid": "4343 4343 4343 4343", "Groups": "", "CapEff": "0000000000000000", "CapPrm": "0000000000000000",
		"NoNewPrivs": "1", "Seccomp": "2",
	} {
		if rest[field] != want {
			t.Errorf("the rest's %s: %q, want %q", field, rest[field], want)
		}
	}
	collector := fieldsOf(t, p.collector)
	if collector["NoNewPrivs"] != "1" || collector["Seccomp"] != "2" {
		t.Errorf("the collector's NoNewPrivs is %s, Seccomp %s", collector["NoNewPrivs"], collector["Seccomp"])
	}
	caps, err := strconv.ParseUint(collector["CapEff"], 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	// CAP_SETUID, SETGID, NET_ADMIN, NET_RAW, SYS_MODULE, SYS_RAWIO, SYS_ADMIN, SYS_BOOT, MKNOD,
	// SETFCAP, MAC_ADMIN.
	for _, c := range []uint{6, 7, 12, 13, 16, 17, 21, 22, 27, 31, 33} {
		if caps&(1<<c) != 0 {
			t.Errorf("the collector keeps capability %d (%x)", c, caps)
		}
	}
	// The file belongs to the calling user, with no access for others.
	var st unix.Stat_t
	if err := unix.Stat(out, &st); err != nil || st.Uid != 4242 || st.Mode&0o777 != 0o600 {
		t.Errorf("the recording is of user %d with mode %o (%v)", st.Uid, st.Mode, err)
	}
	_ = unix.Kill(p.collector, unix.SIGINT)
	if code := p.mustEnd(t, 5*time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestEndings checks that nothing is left after any kind of end: audit has its previous settings,
// and there are no rules and no attached programs.
func TestEndings(t *testing.T) {
	needAudit(t)
	before, rules := auditState(t)
	programs := untilFreed(t, 0)
	for _, test := range []struct {
		name   string
		signal []syscall.Signal
		to     func(*pair) int
	}{
		{"interrupt", []syscall.Signal{unix.SIGINT}, func(p *pair) int { return p.collector }},
		{"interrupt of the group", []syscall.Signal{unix.SIGINT}, func(p *pair) int { return -p.collector }},
		{"twice", []syscall.Signal{unix.SIGINT, unix.SIGINT}, func(p *pair) int { return -p.collector }},
		{"quit", []syscall.Signal{unix.SIGQUIT}, func(p *pair) int { return -p.collector }},
		{"hangup", []syscall.Signal{unix.SIGHUP}, func(p *pair) int { return -p.collector }},
		{"terminate", []syscall.Signal{unix.SIGTERM}, func(p *pair) int { return p.collector }},
		{"terminate the group", []syscall.Signal{unix.SIGTERM}, func(p *pair) int { return -p.collector }},
		{"the rest is killed", []syscall.Signal{unix.SIGKILL}, func(p *pair) int { return p.rest }},
		{"the rest crashes", []syscall.Signal{unix.SIGSEGV}, func(p *pair) int { return p.rest }},
		{"the rest is stopped", []syscall.Signal{unix.SIGSTOP, unix.SIGINT}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var said bytes.Buffer
			p := startPair(t, nil, &said, nil, "trace", sleeper(t), "-l", "sys,pkt,krn,aud")
			if _, during := auditState(t); during == rules {
				t.Error("no audit rule stands while it watches")
			}
			if test.to == nil {
				_ = unix.Kill(p.rest, test.signal[0])
				_ = unix.Kill(p.collector, test.signal[1])
			} else {
				for _, s := range test.signal {
					_ = unix.Kill(test.to(p), s)
				}
			}
			p.mustEnd(t, 5*time.Second)
			untilAudit(t, before, rules)
			if n := untilFreed(t, programs); n > programs {
				t.Errorf("%d programs are loaded, %d before", n, programs)
			}
			if fields, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p.rest)); err == nil && strings.HasPrefix(string(fields), "pidwire") {
				t.Error("the rest is still there")
			}
		})
	}
	t.Run("closed pipe", func(t *testing.T) {
		for range 3 {
			cmd := exec.Command("sh", "-c", pidwire+" -l sys,aud -- "+build(t, "udp", "64")+" 2>&1 | head -n 2")
			if b, err := cmd.Output(); err != nil || bytes.Count(b, []byte{'\n'}) != 2 {
				t.Fatalf("%v: %s", err, b)
			}
			untilAudit(t, before, rules)
		}
	})
}

// TestGroupEndings checks that a signal to all processes, as from a terminal, timeout(1) or a
// service manager, ends the run in order: the last lines and the summary are printed.
func TestGroupEndings(t *testing.T) {
	needRoot(t)
	for _, sig := range []syscall.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGQUIT, unix.SIGHUP} {
		t.Run(unix.SignalName(sig), func(t *testing.T) {
			lines := filepath.Join(t.TempDir(), "lines")
			var said bytes.Buffer
			t.Run("run", func(t *testing.T) { // complete when the process ends
				p := startPair(t, nil, &said, nil, "trace", "-l", "sys", "-o", lines, sleeper(t))
				_ = unix.Kill(-p.collector, sig)
				if code := p.mustEnd(t, 5*time.Second); code != 0 {
					t.Errorf("exit code %d", code)
				}
			})
			if !bytes.Contains(said.Bytes(), []byte("lost sys 0")) || bytes.Contains(said.Bytes(), []byte("ended by signal")) {
				t.Errorf("it says\n%s", &said)
			}
		})
	}
}

// TestUnread checks that a run ends when the reader of its output has gone, even if there is no
// line to print.
func TestUnread(t *testing.T) {
	needRoot(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := startPair(t, w, new(bytes.Buffer), nil, "trace", "-l", "sys", sleeper(t))
	w.Close()
	select {
	case <-p.ended:
		t.Fatal("it ends while its lines are read")
	case <-time.After(1500 * time.Millisecond):
	}
	r.Close()
	if code := p.mustEnd(t, 10*time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestCommandUnchanged checks that a command runs in the same environment as without pidwire:
// ignored and blocked signals, as set by background jobs of scripts and nohup; descriptors, limits,
// priority and environment variables.
func TestCommandUnchanged(t *testing.T) {
	needRoot(t)
	const look = `ls /proc/self/fd; for f in 3 4 9; do readlink /proc/self/fd/$f; done; grep -E '^(Sig(Pnd|Blk|Ign|Cgt)|Cap|NoNewPrivs|Seccomp|Uid|Gid|Groups|Cpus_allowed:)' /proc/self/status;
cat /proc/self/limits /proc/self/oom_score_adj /proc/self/cgroup; nice; umask; env | sort; pwd; cut -d' ' -f5,6,7,8 /proc/self/stat`
	dir := t.TempDir()
	for _, before := range []string{"", "trap '' INT;", "trap '' HUP;", "trap '' INT HUP;", "exec 3</etc/passwd;", "exec 3</etc/passwd 4<" + dir + " 9<>" + dir + "/nine;", "ulimit -c 0; ulimit -n 700; umask 137; nice -n 5 ", "env --block-signal=TERM,USR1 --ignore-signal=INT "} {
		if strings.HasPrefix(before, "env ") && built != "" {
			continue // options that busybox does not have
		}
		if _, err := exec.LookPath("nice"); err != nil && built != "" {
			before = strings.TrimSuffix(before, " nice -n 5 ") // busybox may lack it
		}
		run := func(command string) string {
			t.Helper()
			script := before + " exec "
			if !strings.HasSuffix(before, ";") && before != "" {
				script = "exec " + before
				if i := strings.LastIndexByte(before, ';'); i >= 0 {
					script = before[:i+1] + " exec" + before[i+1:]
				}
			}
			cmd := exec.Command("sh", "-c", script+command+` sh -c "$LOOK"`)
			cmd.Env = append(os.Environ(), "LOOK="+look)
			out, err := cmd.Output()
			if err != nil || !bytes.Contains(out, []byte("SigIgn:")) {
				t.Fatalf("%s: %v: %s", before, err, out)
			}
			return string(out)
		}
		if got, want := run(pidwire+" -q -l sys -o /dev/null --"), run(""); got != want {
			t.Errorf("after %q it finds\n%swant\n%s", before, got, want)
		}
	}
}

// TestOpenInterrupted checks that the first Ctrl-C also ends the reading of files, while it waits
// for standard input, or for a reader of its output.
func TestOpenInterrupted(t *testing.T) {
	line := strings.Repeat("4711 1700000000.250000 write(1, \"x\", 1) = 1\n", 100)
	file := filepath.Join(t.TempDir(), "big.strace")
	if err := os.WriteFile(file, []byte(strings.Repeat(line, 200)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, input, from string
		read              bool // the output is
		code              int
	}{
		{"nothing comes", "", "-", true, 0},
		{"some lines came", line, "-", true, 0},
		{"nobody reads", "", file, false, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			in, feed, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			defer feed.Close()
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			cmd := exec.Command(pidwire, "open", test.from)
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			cmd.Stdin, cmd.Stdout = in, w
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			w.Close()
			defer func() { _ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }()
			got := make(chan int, 1)
			if test.read {
				go func() {
					b, _ := io.ReadAll(r)
					got <- bytes.Count(b, []byte{'\n'})
				}()
			}
			if _, err := feed.WriteString(test.input); err != nil {
				t.Fatal(err)
			}
			slow := time.Duration(1)
			if built != "" {
				slow = 10 // two processes start, under emulation
			}
			time.Sleep(slow * time.Second / 2)
			_ = unix.Kill(-cmd.Process.Pid, unix.SIGINT)
			began := time.Now()
			_ = cmd.Wait()
			if took := time.Since(began); took > slow*2*time.Second {
				t.Errorf("it ends %s after the signal", took)
			}
			if code := cmd.ProcessState.ExitCode(); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			if test.read {
				if n, want := <-got, strings.Count(test.input, "\n"); n != want {
					t.Errorf("%d lines of %d", n, want)
				}
			}
		})
	}
}

// TestNohup checks that a run under nohup survives its terminal.
func TestNohup(t *testing.T) {
	needRoot(t)
	lines := filepath.Join(t.TempDir(), "lines")
	signal.Ignore(unix.SIGHUP)
	defer signal.Reset(unix.SIGHUP)
	p := startPair(t, nil, new(bytes.Buffer), nil, "trace", "-l", "sys", "-o", lines, sleeper(t))
	_ = unix.Kill(-p.collector, unix.SIGHUP)
	select {
	case <-p.ended:
		t.Fatal("SIGHUP ends it, which was ignored when it began")
	case <-time.After(500 * time.Millisecond):
	}
	_ = unix.Kill(-p.collector, unix.SIGINT)
	if code := p.mustEnd(t, 5*time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// untilFreed returns the number of loaded programs, after waiting up to two seconds until it is at most most: the kernel
// frees programs shortly after their process has exited.
func untilFreed(t *testing.T, most int) int {
	t.Helper()
	n := ours(t)
	for i := 0; n > most && i < 100; i++ {
		time.Sleep(20 * time.Millisecond)
		n = ours(t)
	}
	return n
}

func untilAudit(t *testing.T, before audit.Status, rules int) {
	t.Helper()
	for i := 0; ; i++ {
		now, n := auditState(t)
		if now == before && n == rules {
			return
		}
		if i == 100 {
			t.Errorf("audit is %+v with %d rules; before: %+v with %d", now, n, before, rules)
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// TestZombieIsGone checks that a killed collector that has not been reaped does not keep its rules:
// the next run finds and removes them.
func TestZombieIsGone(t *testing.T) {
	needAudit(t)
	before, rules := auditState(t)
	cmd := exec.Command(pidwire, "trace", sleeper(t), "-l", "sys,aud")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	said := bufio.NewScanner(stderr)
	for said.Scan() && !strings.Contains(said.Text(), "watching") {
	}
	if _, n := auditState(t); n == rules {
		t.Fatal("no audit rule stands while it watches")
	}
	_ = cmd.Process.Kill()
	for i := 0; fieldsOf(t, cmd.Process.Pid)["State"] != "Z (zombie)"; i++ {
		if i == 100 {
			t.Fatal("it is no zombie")
		}
		time.Sleep(20 * time.Millisecond)
	}
	if out := run(t, "doctor", "--clean"); !strings.Contains(out, "; audit settings restored") {
		t.Errorf("doctor --clean: %s", out)
	}
	untilAudit(t, before, rules)
}

// TestOtherMountNamespace checks that the rules of a run with a /run of its own are not taken for
// those of a killed run.
func TestOtherMountNamespace(t *testing.T) {
	needAudit(t)
	before, rules := auditState(t)
	cmd := exec.Command("sh", "-c", `mount -t tmpfs none /run && exec "$@"`, "sh", pidwire, "trace", sleeper(t), "-l", "sys,aud")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(stderr)
	for said.Scan() && !strings.Contains(said.Text(), "watching") {
	}
	_, during := auditState(t)
	if during == rules {
		t.Error("no audit rule stands while it watches")
	}
	if out := run(t, "doctor", "--clean"); !strings.Contains(out, "removed 0 audit rules") {
		t.Errorf("doctor --clean: %s", out)
	}
	if _, n := auditState(t); n != during {
		t.Errorf("%d rules stand, %d before", n, during)
	}
	_ = cmd.Process.Signal(unix.SIGINT)
	_ = cmd.Wait()
	untilAudit(t, before, rules)
}

// TestStalledOutput checks that the first Ctrl-C ends a run whose output is not read, within a
// second.
func TestStalledOutput(t *testing.T) {
	needAudit(t)
	before, rules := auditState(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var said bytes.Buffer
	load := startLoad(t)
	func() {
		defer w.Close()
		p := startPair(t, w, &said, nil, "trace", load, "-l", "sys,aud")
		time.Sleep(2 * time.Second) // the pipe is full, and the target continues
		began := time.Now()
		_ = unix.Kill(p.collector, unix.SIGINT)
		code := p.mustEnd(t, 5*time.Second)
		if took := time.Since(began); took > time.Second && built == "" {
			t.Errorf("it took %v", took)
		}
		if code == 0 {
			t.Error("exit code 0, though not everything was written")
		}
	}()
	untilAudit(t, before, rules)
}

// startLoad starts a process that sends and receives until it is killed, and returns its pid.
func startLoad(t *testing.T) string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), actVar+"=flood")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return strconv.Itoa(cmd.Process.Pid)
}
