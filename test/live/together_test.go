package live

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A start of pidwire takes seconds under emulation. So one pidwire can watch many programs, which
// this binary runs one after the other. Before each it makes a call that pidwire shows, a connect
// to a path with this prefix, by which the lines are divided.
const divider = "/pidwire-live/"

// listVar names a file with the paths of the programs, one per line.
const listVar = "PIDWIRE_LIVE_PROGRAMS"

// outcome is a program that was watched together with others.
type outcome struct {
	dir   string // has its output and its exit code
	shown []string
}

// runPrograms runs the programs in the list. It is the command that pidwire watches.
func runPrograms() int {
	list, err := os.ReadFile(os.Getenv(listVar))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	s, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for prog := range strings.Lines(string(list)) {
		prog = strings.TrimSpace(prog)
		key := keyOf(prog)
		_ = syscall.Connect(s, &syscall.SockaddrUnix{Name: divider + key}) // ENOENT
		if err := runProgram(prog, filepath.Join(filepath.Dir(os.Getenv(listVar)), filepath.FromSlash(key))); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return 0
}

// keyOf returns NAME/BITS for the path of a program.
func keyOf(prog string) string {
	return filepath.Base(prog) + "/" + filepath.Base(filepath.Dir(prog))
}

// runProgram runs a program in a directory of its own, and writes its output and exit code there.
func runProgram(prog, dir string) error {
	if err := os.MkdirAll(dir+"/run", 0o755); err != nil {
		return err
	}
	stdout, err := os.Create(dir + "/stdout")
	if err != nil {
		return err
	}
	defer stdout.Close()
	stderr, err := os.Create(dir + "/stderr")
	if err != nil {
		return err
	}
	defer stderr.Close()
	cmd := exec.Command(prog)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir+"/run", stdout, stderr
	var ee *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &ee) {
		return err
	}
	return os.WriteFile(dir+"/code", fmt.Append(nil, cmd.ProcessState.ExitCode()), 0o644)
}

// watchTogether watches the wanted programs. It returns the output of pidwire, and the outcomes of the
// programs by NAME/BITS.
func watchTogether(t *testing.T, wanted func(p program) bool, flags ...string) (shown []byte, all map[string]*outcome) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	all = map[string]*outcome{}
	var list bytes.Buffer
	for _, p := range programs(t) {
		for _, bits := range p.bits {
			if !wanted(p) || bits == "32" && !has32(t) {
				continue
			}
			prog := build(t, p.name, bits)
			fmt.Fprintln(&list, prog)
			all[keyOf(prog)] = &outcome{dir: filepath.Join(dir, p.name, bits)}
		}
	}
	file := filepath.Join(dir, "list")
	if err := os.WriteFile(file, list.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	out := filepath.Join(dir, "lines")
	cmd := exec.CommandContext(ctx, pidwire, slices.Concat([]string{"trace", "-q", "-o", out}, layered(flags), []string{"--", self})...)
	cmd.Env = append(os.Environ(), actVar+"=programs", listVar+"="+file)
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, b)
	}
	if shown, err = os.ReadFile(out); err != nil {
		t.Fatal(err)
	}
	return shown, all
}

// watchEach watches the wanted programs together, and divides the lines among their outcomes.
func watchEach(t *testing.T, wanted func(p program) bool, flags ...string) map[string]*outcome {
	t.Helper()
	shown, all := watchTogether(t, wanted, flags...)
	var cur *outcome
	for l := range strings.Lines(string(shown)) {
		if m := divides.FindStringSubmatch(l); m != nil {
			if cur = all[m[1]]; cur == nil {
				t.Fatalf("a divider of no program: %s", l)
			}
		} else if cur != nil {
			cur.shown = append(cur.shown, l)
		}
	}
	return all
}

// has32 reports whether there are programs of 32 bits.
func has32(t *testing.T) bool {
	t.Helper()
	if built != "" {
		_, err := os.Stat(filepath.Join(built, "32"))
		return err == nil
	}
	ok, err := runs32()
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

var divides = regexp.MustCompile(`connect\(\d+, \{sa_family=AF_UNIX, sun_path="` + divider + `([^"]+)"\}, \d+\) = -1 ENOENT`)

// result returns the output of the program and that of pidwire, as watch does.
func (o *outcome) result(t *testing.T) (said, shown []byte) {
	t.Helper()
	code, err := os.ReadFile(o.dir + "/code")
	if err != nil {
		t.Fatal(err)
	}
	stderr, _ := os.ReadFile(o.dir + "/stderr")
	switch string(code) {
	case "0":
	case "77":
		cannotRun(t, filepath.Base(filepath.Dir(o.dir)), string(stderr))
	default:
		t.Fatalf("exit code %s\n%s", code, stderr)
	}
	if said, err = os.ReadFile(o.dir + "/stdout"); err != nil {
		t.Fatal(err)
	}
	return said, []byte(strings.Join(o.shown, ""))
}

// onlyCalls selects lines in strace's notation, as -e trace=TRACE,io_uring_enter does.
func onlyCalls(lines []byte, trace string) (selected []byte) {
	names := append(strings.Split(trace, ","), "io_uring_enter")
	for l := range strings.Lines(string(lines)) {
		text := pid.ReplaceAllString(l, "")
		name, _, call := strings.Cut(text, "(")
		if strings.HasPrefix(text, "io_uring: ") || !call || slices.Contains(names, name) {
			selected = append(selected, l...)
		}
	}
	return selected
}
