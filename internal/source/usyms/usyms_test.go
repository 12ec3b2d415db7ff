//go:build linux

package usyms

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

const maps = `55d0c0000000-55d0c0001000 r--p 00000000 fe:01 1234                       /usr/bin/my prog
55d0c0001000-55d0c0009000 r-xp 00001000 fe:01 1234                       /usr/bin/my prog
7f0000000000-7f0000001000 rw-p 00000000 00:00 0
7f0000002000-7f0000004000 r-xp 00000000 00:00 0
7ffc00000000-7ffc00002000 r-xp 00000000 00:00 0                          [vdso]
`

func TestParseMaps(t *testing.T) {
	got, err := parseMaps(strings.NewReader(maps))
	if err != nil {
		t.Fatal(err)
	}
	want := []mapping{
		{0x55d0c0001000, 0x55d0c0009000, 0x1000, fileKey{"fe:01", 1234}, "/usr/bin/my prog"},
		{0x7ffc00000000, 0x7ffc00002000, 0, fileKey{"00:00", 0}, "[vdso]"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	for _, bad := range []string{"x\n", "1-2 r-xp 0 0:0\n", "zz-2 r-xp 0 00:00 0 x\n", "1 r-xp 0 00:00 0 x\n"} {
		if _, err := parseMaps(strings.NewReader(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// here is a function whose address is asked for.
//
//go:noinline
func here() uint64 {
	pc, _, _, _ := runtime.Caller(0)
	return uint64(pc)
}

// TestSelf finds a Go function of this very program.
func TestSelf(t *testing.T) {
	r := New()
	l, ok := r.Find(uint32(os.Getpid()), here())
	if !ok || !strings.HasSuffix(l.Name, "usyms.here") || l.Offset == 0 || l.Offset > 4096 || !strings.Contains(l.File, "usyms.test") {
		t.Errorf("%+v, %v", l, ok)
	}
	if l, ok := r.Find(uint32(os.Getpid()), 1); ok {
		t.Errorf("address 1: %+v", l)
	}
	if l, ok := r.Find(1<<30, 1); ok {
		t.Errorf("of no process: %+v", l)
	}
}

const program = `
__attribute__((noinline)) int first(int x) { return x * 3 + 1; }
__attribute__((noinline)) static int second(int x) { return first(x) * first(x + 1); }
int main(int argc, char **argv) { return second(argc); }
`

func run(t *testing.T, name string, arg ...string) {
	t.Helper()
	if out, err := exec.Command(name, arg...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, arg, err, out)
	}
}

// TestFiles reads a C program as it is, stripped, with .gnu_debugdata, and a
// stripped Go program.
func TestFiles(t *testing.T) {
	for _, tool := range []string{"gcc", "objcopy", "strip", "nm", "xz"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("PIDWIRE_MUST") != "" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(in("p.c"), []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "gcc", "-O1", "-o", in("p"), in("p.c"))
	run(t, "strip", "-o", in("stripped"), in("p"))
	// As gdb's manual says it is made: MiniDebugInfo.
	run(t, "objcopy", "--only-keep-debug", in("p"), in("mini"))
	run(t, "xz", "-f", in("mini"))
	run(t, "objcopy", "--add-section", ".gnu_debugdata="+in("mini.xz"), in("stripped"), in("withmini"))
	want := map[string]bool{"first": true, "second": true, "main": true}
	names := func(file string) (found int, s *symbols) {
		f, err := os.Open(in(file))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if s, err = Read(f); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for i, n := range s.names {
			if want[n] {
				found++
				l := s.loads[0]
				if name, off, ok := s.find(s.addrs[i] + 1 - l.addr + l.offset); !ok || name != n || off != 1 {
					t.Errorf("%s: %s+1 is %s+%d, %v", file, n, name, off, ok)
				}
			}
		}
		return found, s
	}
	for file, n := range map[string]int{"p": 3, "stripped": 0, "withmini": 3} {
		if got, _ := names(file); got != n {
			t.Errorf("%s: %d of the functions, want %d", file, got, n)
		}
	}
	_, s := names("p")
	if _, _, ok := s.find(1 << 40); ok {
		t.Error("an offset behind the file has a name")
	}

	if err := os.WriteFile(in("g.go"), []byte("package main\n\n//go:noinline\nfunc inside() { println(1) }\nfunc main() { inside() }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-ldflags", "-s -w", "-o", in("g"), in("g.go"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_, s = names("g")
	found := false
	for _, n := range s.names {
		found = found || n == "main.inside"
	}
	if !found {
		t.Errorf("a stripped Go program: %d functions, and not main.inside", len(s.names))
	}
}

func FuzzRead(f *testing.F) {
	if b, err := os.ReadFile("/bin/true"); err == nil {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := Read(bytes.NewReader(b)); err == nil {
			s.find(1)
		}
	})
}

func FuzzMaps(f *testing.F) {
	f.Add(maps)
	f.Fuzz(func(t *testing.T, text string) {
		if m, err := parseMaps(strings.NewReader(text)); err == nil {
			find(m, 1)
		}
	})
}

// TestOpenRegular holds that nothing but a regular file is opened: a FIFO would hold up who reads, and
// opening a device may do something.
func TestOpenRegular(t *testing.T) {
	dir := t.TempDir()
	fifo, file, link := filepath.Join(dir, "fifo"), filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := errors.Join(syscall.Mkfifo(fifo, 0o600), os.WriteFile(file, []byte("text"), 0o600), os.Symlink(file, link)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{fifo, "/dev/null", "/dev/tty", dir, filepath.Join(dir, "none")} {
		if f, err := openRegular(name); err == nil {
			f.Close()
			t.Errorf("%s was opened", name)
		}
	}
	for _, name := range []string{file, link} {
		f, err := openRegular(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if b, err := io.ReadAll(f); string(b) != "text" {
			t.Errorf("%s: %q, %v", name, b, err)
		}
		f.Close()
	}
}
