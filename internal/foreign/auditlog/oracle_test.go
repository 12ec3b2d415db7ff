package auditlog_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/pidwire/pidwire/internal/foreign/auditlog"
)

// ausearch runs ausearch on a log, in a time zone 5:30 h ahead of UTC. It skips the test if it is not
// installed, unless PIDWIRE_MUST is set.
func ausearch(t testing.TB, log string, flags ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath("ausearch"); err != nil {
		if os.Getenv("PIDWIRE_MUST") != "" {
			t.Fatalf("PIDWIRE_MUST is set: %v", err)
		}
		t.Skip("ausearch is not installed")
	}
	cmd := exec.Command("ausearch", append(flags, "-if", log)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=XXX-5:30")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ausearch %v: %v\n%s", flags, err, errs.Bytes())
	}
	return out
}

const ahead = 5*3600 + 30*60

// hostile are records of processes that try to be mistaken for another.
var hostile = []string{
	"type=SYSCALL msg=audit(1700000000.001:9001): arch=c000003e syscall=42 success=yes exit=0 a0=3 a1=1 a2=10 a3=0 items=0 ppid=1 pid=666 auid=0 uid=0 tty=(none) ses=1 comm=" +
		hexOf("a exe=/b pid=1") + " exe=" + hexOf("/tmp/x pid=2 uid=3") + ` subj=unconfined key="k"`,
	"type=SYSCALL msg=audit(1700000000.001:9002): arch=c000003e syscall=42 success=yes exit=0 a0=3 a1=1 a2=10 a3=0 items=0 ppid=1 pid=666 auid=0 uid=0 tty=(none) ses=1 comm=" +
		hexOf("\"x\" pid=1") + ` exe="/tmp/x" key=` + hexOf("one two\x01\x1b[31m"),
	"type=PROCTITLE msg=audit(1700000000.001:9003): proctitle=" + hexOf("x pid=1 \x1d saddr={"),
	"type=SOCKADDR msg=audit(1700000000.001:9004): saddr=0100" + hexOf("/run/a } pid=1 {\x00"),
}

// summary returns the values of an event that decoding uses. The order of records differs between the
// output formats of ausearch.
func summary(t testing.TB, e *Event) string {
	var out []string
	for _, line := range strings.Split(string(e.Text), "\n") {
		r, ok := Parse([]byte(line))
		if !ok {
			t.Errorf("%q", line)
		}
		s := fmt.Sprintf("%d.%03d %s", r.Sec, r.Milli, r.Name)
		for rest := r.Fields; len(rest) > 0; {
			var k, v []byte
			switch k, v, rest = Next(rest); string(k) {
			case "pid", "arch", "syscall", "a0", "a1", "a2", "a3", "success", "ppid", "ses", "nargs", "subj", "tty", "exit":
				s += fmt.Sprintf(" %s=%s", k, v)
			case "comm", "exe", "key", "proctitle", "cwd":
				s += fmt.Sprintf(" %s=%q", k, bytes.TrimRight(bytes.ReplaceAll(Text(v), []byte{0}, []byte(" ")), " "))
			case "saddr":
				b, ok := Address(nil, v)
				if !ok {
					t.Errorf("%q", line)
				}
				s += " " + addressOf(b)
			}
		}
		out = append(out, s)
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// addressOf returns the fields of a sockaddr that ausearch prints.
func addressOf(b []byte) string {
	switch family := uint16(b[0]) | uint16(b[1])<<8; {
	case family == 1 && len(b) > 2:
		path, _, _ := bytes.Cut(bytes.TrimPrefix(b[2:], []byte{0}), []byte{0})
		return fmt.Sprintf("local %q", path)
	case family == 2 && len(b) >= 16:
		return fmt.Sprintf("inet %x", b[2:8])
	case family == 10 && len(b) >= 28:
		return fmt.Sprintf("inet6 %x", append(slices.Clone(b[2:4]), b[8:24]...))
	case family == 16 && len(b) >= 12:
		return fmt.Sprintf("netlink %x", b[4:8])
	default:
		return fmt.Sprintf("family %d", family)
	}
}

// events parses a log of any kind like a caller of the package.
func events(t testing.TB, log []byte, atSeparator bool) map[string]string {
	out := map[string]string{}
	done := func(e *Event) error {
		key := fmt.Sprintf("%s %d", e.Node, e.Serial)
		if s := summary(t, e); out[key] == "" {
			out[key] = s
		} else {
			out[key] += " (again) " + s
		}
		return nil
	}
	var a Assembler
	var raw []byte
	var r Record
	for line := range bytes.Lines(log) {
		switch kind := Read(line, &r); kind {
		case Raw:
			if err := a.Add(&r, line, done); err != nil {
				t.Fatal(err)
			}
		case Interpreted, Printed:
			if kind == Interpreted {
				r.Sec -= ahead
			}
			raw = r.AppendRaw(raw[:0], names)
			if err := a.Add(&r, raw, done); err != nil {
				t.Fatal(err)
			}
		case Separator:
			if atSeparator {
				if a.Open() > 1 {
					t.Errorf("%d events between two lines of dashes", a.Open())
				}
				_ = a.Flush(done)
			}
		case Unknown:
			t.Errorf("what is this: %q", line)
		}
	}
	_ = a.Flush(done)
	return out
}

// TestAusearch checks that the output of ausearch gives the same events as the log itself.
func TestAusearch(t *testing.T) {
	var all []string
	for _, file := range logs {
		for _, line := range lines(t, file) {
			// ausearch 3 omits an AppArmor event whose record has class=, which kernels print since
			// 6.1, and treats LOGIN as a separate event.
			if !strings.Contains(line, ":340):") && !strings.Contains(line, "type=LOGIN") {
				all = append(all, line)
			}
		}
	}
	all = append(all, hostile...)
	log := filepath.Join(t.TempDir(), "audit.log")
	if err := os.WriteFile(log, []byte(strings.Join(all, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := events(t, []byte(strings.Join(all, "\n")), false)
	if len(want) < 90 {
		t.Errorf("only %d events", len(want))
	}
	for _, flags := range [][]string{{"--raw"}, {}, {"-i"}} {
		for _, atSeparator := range []bool{false, true} {
			got := events(t, ausearch(t, log, flags...), atSeparator)
			for key, w := range want {
				if got[key] != w {
					t.Errorf("ausearch %v, event %s:\n got %s\nwant %s", flags, key, got[key], w)
				}
				delete(got, key)
			}
			if len(got) > 0 {
				t.Errorf("ausearch %v: events that are not in the log: %v", flags, got)
			}
		}
	}
}

// TestKernelLog checks the same for the kernel log.
func TestKernelLog(t *testing.T) {
	var printed, raw bytes.Buffer
	for i, line := range lines(t, "kernel-6.18.log") {
		r, _ := Parse([]byte(line))
		before := []string{"", "[ 4939.136084] audit: ", "Nov 25 14:33:42 host kernel: [ 4939.136084] audit: "}[i%3]
		fmt.Fprintf(&printed, "%stype=%d audit(%d.%03d:%d): %s\n", before, r.Type, r.Sec, r.Milli, r.Serial, r.Fields)
		fmt.Fprintln(&raw, line)
	}
	got, want := events(t, printed.Bytes(), false), events(t, raw.Bytes(), false)
	for key, w := range want {
		if got[key] != w {
			t.Errorf("event %s:\n got %s\nwant %s", key, got[key], w)
		}
	}
}
