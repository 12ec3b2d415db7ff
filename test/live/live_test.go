// Package live runs the programs of testdata/progs under pidwire, and compares its output with the
// lines that each program says must be shown.
package live

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/source/bpf/load"
)

// The environment names binaries that are built already: a guest of test/vm/run has no compiler.
var (
	pidwire = os.Getenv("PIDWIRE_BIN")   // the program
	built   = os.Getenv("PIDWIRE_PROGS") // programs, as BITS/NAME
)

const sources = "../../testdata/progs"

// binaries is the directory of what the tests compile.
var binaries string

func TestMain(m *testing.M) {
	if os.Getenv(apart) != "" {
		fmt.Fprintln(os.Stderr, become())
		os.Exit(1)
	}
	if os.Getenv(asOther) != "" {
		callForever()
		os.Exit(1)
	}
	if spec := os.Getenv(asClient); spec != "" {
		if err := client(spec); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// What this process ignores, its children ignore too: nohup(1), perhaps, has it ignore SIGHUP.
	signal.Notify(make(chan os.Signal, 1), unix.SIGHUP)
	code := func() int {
		var err error
		if binaries, err = os.MkdirTemp("", "pidwire-live"); err != nil {
			panic(err)
		}
		defer os.RemoveAll(binaries)
		if pidwire == "" {
			pidwire = filepath.Join(binaries, "pidwire")
			cmd := exec.Command("go", "build", "-o", pidwire, "../../cmd/pidwire")
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
			cmd.Stderr = os.Stderr
			if err := cmd.Run(); err != nil {
				panic(err)
			}
		}
		return m.Run()
	}()
	os.Exit(code)
}

// needRoot skips the test without privilege, unless the environment requires all tests to run.
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

var header = regexp.MustCompile(`^/\* trace: ([^;*]+?)(?:; bits: ([^;*]+?))?(?:; needs: ([^;*]+?))? \*/`)

// program is one of testdata/progs.
type program struct {
	name, trace string
	bits        []string
}

func programs(t *testing.T) []program {
	t.Helper()
	files, err := filepath.Glob(sources + "/*.c")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d programs in %s: %v", len(files), sources, err)
	}
	var list []program
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		m := header.FindSubmatch(b)
		if m == nil {
			t.Fatalf("%s: no header in its first line", f)
		}
		p := program{name: strings.TrimSuffix(filepath.Base(f), ".c"), trace: string(m[1]), bits: []string{"64"}}
		if len(m[2]) > 0 {
			p.bits = strings.Split(string(m[2]), ",")
		}
		list = append(list, p)
	}
	return list
}

// runs32 reports whether this kernel runs 32-bit programs. Some hypervisors have no such mode.
var runs32 = sync.OnceValues(func() (bool, error) {
	out, err := exec.Command(sources+"/check.sh", "-p").CombinedOutput()
	var ee *exec.ExitError
	if errors.As(err, &ee) && ee.ExitCode() == 3 {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("check.sh -p: %w\n%s", err, out)
	}
	return true, nil
})

// compiled has a function for each program, by BITS/NAME, which compiles it once.
var compiled sync.Map

// build returns the path of the compiled program.
func build(t *testing.T, name, bits string) string {
	t.Helper()
	if built != "" {
		return filepath.Join(built, bits, name)
	}
	if bits == "32" {
		if ok, err := runs32(); err != nil {
			t.Fatal(err)
		} else if !ok {
			t.Skip("this kernel runs no 32-bit programs")
		}
	}
	out := filepath.Join(binaries, bits, name)
	compile, _ := compiled.LoadOrStore(bits+"/"+name, sync.OnceValue(func() error {
		if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
			return err
		}
		if b, err := exec.Command(sources+"/check.sh", "-b", bits, "-o", out, name).CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w\n%s", name, err, b)
		}
		return nil
	}))
	if err := compile.(func() error)(); err != nil {
		t.Fatal(err)
	}
	return out
}

// layered adds layer sys to flags that name no layer: most tests are about calls alone.
func layered(flags []string) []string {
	for _, f := range flags {
		if f == "-l" || f == "--drops" || strings.HasPrefix(f, "--layers") {
			return flags
		}
	}
	return append([]string{"-l", "sys"}, flags...)
}

// watch runs a program under pidwire. It returns the output of the program, and that of pidwire.
func watch(t *testing.T, prog string, flags ...string) (said, shown []byte) {
	t.Helper()
	limit := time.Minute
	if built != "" {
		limit *= 4 // attaching to functions takes seconds each under emulation
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	out := filepath.Join(t.TempDir(), "lines")
	args := append([]string{"trace", "-q", "-o", out}, layered(flags)...)
	cmd := exec.CommandContext(ctx, pidwire, append(args, "--", prog)...)
	cmd.Dir = t.TempDir()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var ee *exec.ExitError
	if errors.As(err, &ee) && ee.ExitCode() == 77 {
		cannotRun(t, filepath.Base(prog), stderr.String())
	}
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, stderr.Bytes())
	}
	shown, err = os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return stdout.Bytes(), shown
}

// since has the programs that need a later kernel than 5.10, with its release (6.7 is 607).
var since = map[string]int{"landlock": 607, "uring_kinds": 600}

// lacks has what programs need that a kernel may be built or configured without. Each probe asks the kernel itself,
// and returns an error if it is not there. All other programs run on every kernel.
var lacks = map[string]func() error{
	"aio":           func() error { return calls(unix.SYS_IO_SETUP, unix.ENOSYS) },
	"beyond_cmsg":   func() error { return opens(unix.AF_INET6, unix.SOCK_DGRAM) },
	"beyond_path":   func() error { return unix.Access("/dev/net/tun", unix.R_OK|unix.W_OK) },
	"beyond_packet": func() error { return opens(unix.AF_PACKET, unix.SOCK_DGRAM) },
	"kernel_neigh":  func() error { return unix.Access("/dev/net/tun", unix.R_OK|unix.W_OK) },
	"kernel_six":    func() error { return unix.Access("/proc/sys/net/ipv6/conf/lo", unix.F_OK) },
	"landlock":      func() error { return calls(unix.SYS_LANDLOCK_CREATE_RULESET, unix.ENOSYS, unix.EOPNOTSUPP) },
	"packet":        func() error { return opens(unix.AF_PACKET, unix.SOCK_DGRAM) },
	"tcp6":          func() error { return opens(unix.AF_INET6, unix.SOCK_STREAM) },
	"uring":         func() error { return calls(unix.SYS_IO_URING_SETUP, unix.ENOSYS, unix.EPERM) },
	"uring_kinds":   func() error { return calls(unix.SYS_IO_URING_SETUP, unix.ENOSYS, unix.EPERM) },
	"uring_many":    func() error { return calls(unix.SYS_IO_URING_SETUP, unix.ENOSYS, unix.EPERM) },
	"vsock":         func() error { return opens(unix.AF_VSOCK, unix.SOCK_STREAM) },
}

// calls makes a system call without arguments. It returns the error if it is one of those that say that the kernel
// does not have the call.
func calls(nr uintptr, absent ...unix.Errno) error {
	if _, _, errno := unix.Syscall(nr, 0, 0, 0); slices.Contains(absent, errno) {
		return errno
	}
	return nil
}

func opens(family, kind int) error {
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Close(fd)
	}
	return err
}

// mayLack reports whether a program may say that it cannot run here: if the kernel is too old; and, unless it is one of
// the kernels of a guest or the whole suite must run, if the kernel says that it does not have what the program needs.
func mayLack(name string) bool {
	if built == "" && os.Getenv("PIDWIRE_MUST") != "" {
		return false
	}
	if release() < since[name] {
		return true
	}
	probe := lacks[name]
	return built == "" && probe != nil && probe() != nil
}

// release returns the release of the running kernel: 607 for 6.7, 510 for 5.10.
func release() int {
	var u unix.Utsname
	var major, minor int
	_ = unix.Uname(&u)
	fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor)
	return major*100 + minor
}

// cannotRun skips the test of a program that says that it cannot run, or fails it if the program should.
func cannotRun(t *testing.T, name, why string) {
	t.Helper()
	if !mayLack(name) {
		t.Fatalf("%s should run on this kernel: %s", name, strings.TrimSpace(why))
	}
	t.Skipf("the program cannot run on this kernel: %s", strings.TrimSpace(why))
}

var pid = regexp.MustCompile(`^\[pid \d+\] `)

// split separates calls and io_uring requests in strace's notation, and removes lines about the
// process and repeated ones.
func split(b []byte) (calls, uring []string) {
	sc := bufio.NewScanner(bytes.NewReader(b))
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		l := pid.ReplaceAllString(sc.Text(), "")
		switch {
		case strings.HasPrefix(l, "+++"), strings.HasSuffix(l, "<waiting ...>"):
		case strings.HasPrefix(l, "io_uring: "):
			uring = append(uring, strings.TrimPrefix(l, "io_uring: "))
		default:
			calls = append(calls, l)
		}
	}
	return calls, uring
}

// TestPrograms compares pidwire's output with what each program says it did. check.sh compares the
// same lines with strace.
func TestPrograms(t *testing.T) {
	needRoot(t)
	flags := []string{"--format", "strace", "--no-duration", "-s", "32"}
	var together map[string]*outcome
	if built != "" {
		together = watchEach(t, func(p program) bool { return !isKernel(p) }, flags...)
	}
	for _, p := range programs(t) {
		if built != "" && isKernel(p) {
			continue // TestKernel runs them too, and emulation is slow
		}
		for _, bits := range p.bits {
			t.Run(p.name+"/"+bits, func(t *testing.T) {
				prog := build(t, p.name, bits)
				run := func() (said, shown []byte) {
					return watch(t, prog, append(slices.Clone(flags), "-e", "trace="+p.trace+",io_uring_enter")...)
				}
				var said, shown []byte
				if o := together[p.name+"/"+bits]; o != nil {
					said, shown = o.result(t)
					shown = onlyCalls(shown, p.trace)
				} else {
					said, shown = run()
				}
				// Since 7.0 both copies of a program can be skipped. This is rare, and counted.
				for again := 0; again < 3 && load.PreemptedAtTracepoints(load.Release()) && bytes.Contains(shown, []byte("skipped by the kernel")); again++ {
					said, shown = run()
				}
				want, wantUring := expectations(said)
				got, gotUring := split(shown)
				got = without(got, "io_uring_enter(")
				compare(t, want, got)
				compareUring(t, wantUring, gotUring)
			})
		}
	}
}

// isKernel reports whether a program prints the kernel events that must be shown.
func isKernel(p program) bool { return strings.HasPrefix(p.name, "kernel_") }

// TestSeccompKills checks that a call for which seccomp kills the thread or process is shown once,
// and that no loss is reported. Up to Linux 5.15 the process does not return, and its exit is
// reported first; up to 6.15 its memory is gone by then.
func TestSeccompKills(t *testing.T) {
	needRoot(t)
	_, shown := watch(t, build(t, "beyond_seccomp_kill", "64"), "--no-duration", "-e", "trace=connect")
	lines := regexp.MustCompile(`(?m)connect\(.*`).FindAllString(string(shown), -1)
	address := `(\{sa_family=AF_INET, sin_port=htons\(2599%s\), sin_addr=inet_addr\("127.0.0.1"\)\}|0x[0-9a-f]+)`
	want := []string{"1", "2", "3"}
	if release() < 516 && len(lines) == 2 {
		want = want[1:] // the exit of the process has been reported already
	}
	if len(lines) != len(want) {
		t.Fatalf("%d calls, want %d:\n%s", len(lines), len(want), shown)
	}
	for i, l := range lines {
		if !regexp.MustCompile(`^connect\(3, ` + fmt.Sprintf(address, want[i]) + `, 16\) = (\?|42)  # seccomp$`).MatchString(l) {
			t.Errorf("%s", l)
		}
	}
	mustHide(t, string(shown), "lost")
}

// expectations sorts the lines of a program. A line that begins with ~ is a call that strace shows
// and pidwire does not, because it is not on a socket.
func expectations(b []byte) (calls, uring []string) {
	for l := range strings.Lines(string(b)) {
		l = strings.TrimSuffix(l, "\n")
		switch {
		case strings.HasPrefix(l, "~"), l == "":
		case strings.HasPrefix(l, "#uring "):
			uring = append(uring, strings.TrimPrefix(l, "#uring "))
		case strings.HasPrefix(l, "#"):
		default:
			calls = append(calls, l)
		}
	}
	return calls, uring
}

func without(lines []string, prefix string) []string {
	var out []string
	for _, l := range lines {
		if !strings.HasPrefix(l, prefix) {
			out = append(out, l)
		}
	}
	return out
}

func compare(t *testing.T, want, got []string) {
	t.Helper()
	for i := range max(len(want), len(got)) {
		var w, g string
		if i < len(want) {
			w = want[i]
		}
		if i < len(got) {
			g = got[i]
		}
		if w != g {
			t.Errorf("line %d\nwant %s\ngot  %s", i+1, w, g)
			if len(want) != len(got) {
				t.Errorf("%d lines, want %d", len(got), len(want))
				return
			}
		}
	}
}

var request = regexp.MustCompile(`^(\w+)\((?:(-?\d+)( /\* fixed file \*/)?)?(?:, )?[^)]*\) = (-?\d+|\?)(?: (\w+))?`)

// compareUring compares expected requests, as "OP FD RESULT [fixed]", with shown ones.
func compareUring(t *testing.T, want, shown []string) {
	t.Helper()
	var got []string
	for _, l := range shown {
		m := request.FindStringSubmatch(l)
		if m == nil {
			t.Errorf("not a request: %s", l)
			continue
		}
		fd, res := m[2], m[4]
		if fd == "" {
			fd = "-1"
		}
		if m[5] != "" {
			res = map[string]string{"EAGAIN": "-11", "EBADF": "-9", "EINVAL": "-22", "ECANCELED": "-125"}[m[5]]
		}
		s := m[1] + " " + fd + " " + res
		if m[3] != "" {
			s += " fixed"
		}
		got = append(got, s)
	}
	if len(got) > 0 && !slices.ContainsFunc(got, func(l string) bool { return strings.Fields(l)[1] != "-1" }) {
		// Before 6.0 a request does not have its descriptor, so a close cannot be attributed to a
		// socket; a rejected request (unknown operation, bad descriptor) does not reach the
		// tracepoint.
		t.Log("this kernel's requests have no descriptors: compared without")
		var fewer []string
		for _, l := range want {
			if f := strings.Fields(l); f[0] != "close" && f[2] != "-22" && f[2] != "-9" {
				fewer = append(fewer, strings.Join(slices.Concat([]string{f[0], "-1", f[2]}, f[3:]), " "))
			}
		}
		want = fewer
	}
	compare(t, want, got)
}

// TestStrace compares the lines of the programs with strace, if it is installed.
func TestStrace(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		if os.Getenv("PIDWIRE_MUST") != "" && built == "" {
			t.Fatal("PIDWIRE_MUST is set, and strace is not installed")
		}
		t.Skip("strace is not installed")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, sources+"/check.sh").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if n := bytes.Count(out, []byte("ok   ")); n < 40 {
		t.Errorf("only %d programs were checked:\n%s", n, out)
	}
}
