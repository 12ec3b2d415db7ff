package live

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/source/audit"
	"github.com/pidwire/pidwire/internal/source/replay"
	"github.com/pidwire/pidwire/internal/source/sourcetest"
	"github.com/pidwire/pidwire/internal/syscalls"
	"github.com/pidwire/pidwire/internal/wire"
)

// needAudit fails if the kernel has no audit; all supported kernels have it.
func needAudit(t *testing.T) {
	t.Helper()
	needRoot(t)
	sourcetest.Alone(t, "audit")
	if _, _, err := audit.Probe(); err != nil {
		t.Fatalf("audit: %v", err)
	}
}

var lineOf = regexp.MustCompile(`(?m)^ *[0-9.]+[ ~]+(\S+) +(\S+) +(sys|aud) +(.*)$`)

// TestAudit checks that each call on a socket has an audit record, which is printed like the call,
// has its thread, and follows it.
func TestAudit(t *testing.T) {
	needAudit(t)
	for _, p := range []struct{ name, bits, mode string }{
		{"udp", "64", ""}, {"unix", "64", "--audit-unicast"}, {"families", "64", "--audit-unicast"}, {"msg", "64", "--audit-unicast"},
		{"threads", "64", "--audit-unicast"}, {"options", "64", "--audit-wait"}, {"socketcall32", "32", "--audit-unicast"}, {"direct32", "32", "--audit-unicast"},
	} {
		t.Run(p.name+p.bits, func(t *testing.T) {
			flags := []string{"-l", "sys,aud"}
			if p.mode != "" {
				flags = append(flags, p.mode)
			}
			prog := build(t, p.name, p.bits)
			for i := range tries {
				_, shown := watch(t, prog, flags...)
				wrong := auditOf(string(shown))
				if len(wrong) == 0 {
					return
				}
				if built == "" || i == tries-1 {
					t.Fatal(strings.Join(wrong, "\n"))
				}
			}
		})
	}
}

// auditOf describes the differences between audit records and calls.
func auditOf(shown string) (wrong []string) {
	say := func(format string, arg ...any) { wrong = append(wrong, fmt.Sprintf(format, arg...)) }
	type call struct{ task, conn, text string }
	var sys []call
	records := 0
	for _, m := range lineOf.FindAllStringSubmatch(shown, -1) {
		text := strings.TrimPrefix(m[4], "socketcall: ")
		name, _, _ := strings.Cut(text, "(")
		switch info := syscalls.ByName(name); {
		case strings.Contains(text, "<waiting"):
		case m[3] == "sys" && info != nil && info.Audited():
			sys = append(sys, call{m[1], m[2], text})
		case m[3] == "sys":
		case strings.HasPrefix(text, "# no record"):
			say("%s", m[0])
		default:
			records++
			got := call{m[1], m[2], text}
			found := false
			for i, c := range sys {
				// A duration and further connections may follow the text of the call.
				own := regexp.MustCompile(` <[0-9.]+[a-z]+>( \+c.*)?$`).ReplaceAllString(c.text, "")
				if c.task == got.task && c.conn == got.conn && strings.HasPrefix(got.text, own+" exe=") {
					sys, found = append(sys[:i], sys[i+1:]...), true
					break
				}
			}
			if !found {
				say("a record of no call before it: %s", m[0])
			}
		}
	}
	for _, c := range sys {
		say("no record: %s %s", c.task, c.text)
	}
	if records == 0 {
		say("no record at all:\n%s", shown)
	}
	return wrong
}

// TestAuditMissing checks that a call whose audit record an audit rule suppresses is reported.
func TestAuditMissing(t *testing.T) {
	needAudit(t)
	auditctl, err := exec.LookPath("auditctl")
	if err != nil {
		if os.Getenv("PIDWIRE_MUST") != "" && built == "" {
			t.Fatal("auditctl is not installed")
		}
		t.Skip("auditctl is not installed")
	}
	rule := []string{"never,exit", "-F", "arch=b64", "-S", "connect", "-k", "live-test"}
	if out, err := exec.Command(auditctl, append([]string{"-a"}, rule...)...).CombinedOutput(); err != nil {
		t.Fatalf("auditctl: %v\n%s", err, out)
	}
	if before, _, err := audit.Probe(); err == nil && before.Enabled == 0 {
		defer exec.Command(auditctl, "-e", "0").Run() // audit stays enabled if another rule exists
	}
	defer exec.Command(auditctl, append([]string{"-d"}, rule...)...).Run()
	_, shown := watch(t, build(t, "unix", "64"), "-l", "sys,aud", "--audit-unicast")
	calls := len(regexp.MustCompile(`(?m) sys  connect\(`).FindAll(shown, -1))
	missing := len(regexp.MustCompile(`(?m) aud  # no audit record of connect, which was traced$`).FindAll(shown, -1))
	if calls == 0 || missing != calls {
		t.Errorf("%d connects, %d told to have no record:\n%s", calls, missing, shown)
	}
}

// TestAuditOracle compares the fields of each event that only audit has with ausearch -i.
func TestAuditOracle(t *testing.T) {
	needAudit(t)
	ausearch, err := exec.LookPath("ausearch")
	if err != nil {
		if os.Getenv("PIDWIRE_MUST") != "" && built == "" {
			t.Fatal("ausearch is not installed")
		}
		t.Skip("ausearch is not installed")
	}
	dir := t.TempDir()
	rec, raw := filepath.Join(dir, "x.pidwire"), filepath.Join(dir, "audit.log")
	run(t, "trace", "-q", "-l", "aud", "--audit-unicast", "-w", rec, "--", build(t, "families", "64"))
	f, err := os.Open(rec)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	src, err := replay.New(f)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	if err := src.Run(context.Background(), func(r wire.Record) error {
		var a wire.Audit
		if r != nil && r.Kind() == wire.KindAudit && a.Unmarshal(r) {
			log.Write(r[wire.SizeAudit : wire.SizeAudit+int(a.Text)])
			log.WriteByte('\n')
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(raw, log.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(ausearch, "-i", "-if", raw).Output()
	if err != nil {
		t.Fatalf("ausearch: %v", err)
	}
	out0 := log.String()
	want := map[string]map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^type=SYSCALL msg=audit\([^)]*:(\d+)\) : (.*)$`).FindAllSubmatch(out, -1) {
		fields := map[string]string{}
		for _, f := range regexp.MustCompile(`(\w+)=(\S+)`).FindAllSubmatch(m[2], -1) {
			fields[string(f[1])] = string(f[2])
		}
		fields["exit"], _, _ = strings.Cut(fields["exit"], "(")
		want[string(m[1])] = fields
	}
	addresses := len(regexp.MustCompile(`(?m)^type=SOCKADDR`).FindAll(out, -1))
	n := 0
	for _, line := range bytes.Split([]byte(run(t, "open", "-q", "--json", rec)), []byte("\n")) {
		var o struct {
			Type  string
			Audit struct {
				Serial               string
				Types                []string
				Peer, Local, Address string
				PPID                 int
				TTY, Exe, Key        string
				Session              int
			}
			Process struct {
				PID        int
				Executable struct{ Name string }
				User       struct{ Name string }
			}
			Syscall struct {
				Name, Text string
				Result     int64
			}
			Error struct{ Type string }
		}
		if json.Unmarshal(line, &o) != nil || o.Type != "audit" || o.Syscall.Name == "" {
			continue
		}
		n++
		w, ok := want[o.Audit.Serial]
		if !ok {
			t.Errorf("ausearch has no event %s: %s", o.Audit.Serial, o.Syscall.Text)
			continue
		}
		delete(want, o.Audit.Serial)
		exit := o.Error.Type
		if exit == "" {
			exit = strconv.FormatInt(o.Syscall.Result, 10)
		}
		// Compare each field. pidwire omits the following fields of ausearch: arch, success,
		// items, the ids other than uid and auid, and those of the others that are unset or none.
		if !strings.Contains(out0, "ses=4294967295") && w["ses"] != "unset" && w["ses"] != strconv.Itoa(o.Audit.Session) {
			t.Errorf("event %s: session %d, ausearch says %s", o.Audit.Serial, o.Audit.Session, w["ses"])
		}
		for _, f := range [][2]string{
			{"syscall", o.Syscall.Name}, {"exit", exit}, {"ppid", strconv.Itoa(o.Audit.PPID)}, {"pid", strconv.Itoa(o.Process.PID)},
			{"comm", o.Process.Executable.Name}, {"exe", o.Audit.Exe}, {"key", o.Audit.Key}, {"euid", o.Process.User.Name}, {"tty", cmp.Or(o.Audit.TTY, "(none)")},
		} {
			if w[f[0]] != f[1] {
				t.Errorf("event %s (%s): %s is %q, ausearch says %q", o.Audit.Serial, o.Syscall.Name, f[0], f[1], w[f[0]])
			}
		}
		if slices.Contains(o.Audit.Types, "SOCKADDR") {
			addresses--
			// One byte is not an address, and is shown as its pointer.
			if !strings.Contains(o.Syscall.Text, "{sa_family=") && o.Audit.Peer+o.Audit.Local+o.Audit.Address == "" && !strings.Contains(o.Syscall.Text, ", 1) = ") {
				t.Errorf("no address in %s", o.Syscall.Text)
			}
		}
	}
	for serial, w := range want {
		t.Errorf("event %s (%s) is not shown", serial, w["syscall"])
	}
	if n < 5 || addresses != 0 {
		t.Errorf("%d events; %d addresses more in ausearch's words", n, addresses)
	}
}

// auditState returns the settings of audit, and our rules.
func auditState(t *testing.T) (audit.Status, int) {
	t.Helper()
	s, _, err := audit.Probe()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := audit.Keys()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, k := range keys {
		if strings.HasPrefix(k, "pidwire-") {
			n++
		}
	}
	s.Lost, s.Waiting = 0, 0
	return s, n
}

// TestAuditLeavesNothing checks that rules and settings are restored after an end in order, after a
// signal, and by the next run after a kill -9.
func TestAuditLeavesNothing(t *testing.T) {
	needAudit(t)
	before, n := auditState(t)
	if n != 0 {
		t.Fatalf("%d rules of ours stand before the test", n)
	}
	a := start(t, "pwactor", "pair=x", nil)
	back := func(when string) {
		t.Helper()
		if now, n := auditState(t); now != before || n != 0 {
			t.Errorf("%s: %d rules, %+v; before: %+v", when, n, now, before)
		}
	}
	s := attach(t, a.pid(), "-l", "aud")
	if now, n := auditState(t); n != 4 || now.Enabled != 1 || now.Backlog < 8192 || now.BacklogWait != 0 {
		t.Errorf("while watching: %d rules, %+v", n, now)
	}
	s.stop(t)
	back("after Ctrl-C")
	s = attach(t, a.pid(), "-l", "aud")
	s.cmd.Process.Signal(syscall.SIGTERM)
	s.cmd.Wait()
	back("after SIGTERM")

	s = attach(t, a.pid(), "-l", "aud")
	s.cmd.Process.Kill()
	s.cmd.Wait()
	if _, n := auditState(t); n != 4 {
		t.Errorf("after kill -9: %d rules, want those 4", n)
	}
	if out := run(t, "doctor"); !strings.Contains(out, "4 rules of a killed run are still loaded") {
		t.Errorf("doctor:\n%s", out)
	}
	// Another run that starts now must not take our rules for its own.
	s = attach(t, a.pid(), "-l", "aud")
	if _, n := auditState(t); n != 4 {
		t.Errorf("the next run: %d rules, want its own 4", n)
	}
	other := attach(t, a.pid(), "-l", "aud")
	if _, n := auditState(t); n != 8 {
		t.Errorf("two runs: %d rules, want 8", n)
	}
	s.stop(t)
	if now, n := auditState(t); n != 4 || now.Enabled != 1 {
		t.Errorf("one of two ended: %d rules, %+v", n, now)
	}
	other.cmd.Process.Kill()
	other.cmd.Wait()
	if out := run(t, "doctor", "--clean"); !strings.Contains(out, "removed 4 audit rules; audit settings restored") {
		t.Errorf("doctor --clean: %s", out)
	}
	back("after --clean")
}

// TestAuditDenial checks that refusals by seccomp and Landlock, and changes of the packet filter,
// have lines of their own.
func TestAuditDenial(t *testing.T) {
	needAudit(t)
	for _, test := range []struct {
		name, want string
		command    []string
		can        func() (bool, string)
	}{
		{"seccomp", `SECCOMP .* syscall=\d+ .*code=0x`, []string{build(t, "seccomp", "64")}, nil},
		{"landlock", `LANDLOCK_ACCESS .*blockers=net.connect_tcp .*dest=9`, []string{build(t, "landlock", "64")}, func() (bool, string) {
			// linux/landlock.h: LANDLOCK_CREATE_RULESET_VERSION; audit since version 7.
			n, _, errno := unix.Syscall(444, 0, 0, 1)
			if errno != 0 && errno != unix.ENOSYS && errno != unix.EOPNOTSUPP {
				t.Fatalf("the version of landlock: %v", errno)
			}
			return errno == 0 && n >= 7, "landlock that audits (Linux 6.15)"
		}},
		{"nft", `NETFILTER_CFG table=pidwire:\d+ .*op=nft_register_table`, []string{"unshare", "-n", "nft", "add", "table", "ip", "pidwire"}, func() (bool, string) {
			_, err := exec.LookPath("nft")
			if err != nil && os.Getenv("PIDWIRE_MUST") != "" && built == "" {
				t.Fatal("nft is not installed")
			}
			return err == nil, "nft"
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.can != nil {
				if can, what := test.can(); !can {
					t.Skip("missing: " + what)
				}
			}
			shown := run(t, append([]string{"trace", "-q", "-l", "aud", "--audit-unicast", "-o", "-", "--"}, test.command...)...)
			if !regexp.MustCompile(`(?m)^ *[0-9.]+[ ~]+` + test.name + `\[\d+\] +\S+ +aud  ` + test.want).MatchString(shown) {
				t.Errorf("no line:\n%s", shown)
			}
		})
	}
}

// TestAuditAll checks that many processes share one rule for each table of calls, that pidwire's
// own calls are excluded, that no rule is left, and that on a host that is busy with others' calls
// nothing of them is shown, and the run still ends.
func TestAuditAll(t *testing.T) {
	needAudit(t)
	before, _ := auditState(t)
	const children = 40
	var pids []string
	for range children {
		c := exec.Command("sleep", "60")
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Process.Kill(); c.Wait() })
		pids = append(pids, strconv.Itoa(c.Process.Pid))
	}
	for _, busy := range []bool{false, true} {
		s := attach(t, "-l", "aud", "--audit-unicast", "--no-follow", "-p", strings.Join(pids, ","))
		if _, n := auditState(t); n != 2 {
			t.Errorf("%d processes: %d rules, want 2 for all", children, n)
		}
		if !strings.Contains(s.rest.String(), "more than 32 processes are watched") {
			t.Errorf("it does not say so: %s", s.rest.String())
		}
		if busy {
			for range 2 {
				other := exec.Command(os.Args[0])
				other.Env = append(os.Environ(), asOther+"=1")
				if err := other.Start(); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { other.Process.Kill(); other.Wait() })
			}
			time.Sleep(time.Second)
		}
		time.Sleep(300 * time.Millisecond)
		mustHide(t, s.stop(t), "could not be read before the end") // it waits for 10 s before it says so
		// Lost records may be those of others: other tests may run at the same time.
		if said := s.rest.String(); !regexp.MustCompile(`(?m)^--- 0 calls(, 0 audit events)? in `).MatchString(said) {
			t.Errorf("busy %v: processes that make no calls: %s", busy, said)
		}
		if now, n := auditState(t); n != 0 || now.Enabled != before.Enabled || now.Backlog != before.Backlog {
			t.Errorf("%d rules, %+v, before %+v", n, now, before)
		}
	}
}

// asOther in the environment turns the test binary into a process that makes calls until it is killed.
const asOther = "PIDWIRE_TEST_OTHER"

func callForever() {
	// Below all others: on one CPU, under emulation, nothing else would run.
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, 19)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	for err == nil {
		_, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	}
}
