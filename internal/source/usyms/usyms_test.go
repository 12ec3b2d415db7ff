//go:build linux

package usyms

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
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

// here returns an address in itself.
//
//go:noinline
func here() uint64 {
	pc, _, _, _ := runtime.Caller(0)
	return uint64(pc)
}

// TestSelf finds the location of a function of this program in its file.
func TestSelf(t *testing.T) {
	r := New()
	l, ok := r.Find(uint32(os.Getpid()), here())
	if !ok || l.Module == 0 || !strings.Contains(l.File, "usyms.test") {
		t.Fatalf("%+v, %v", l, ok)
	}
	f, err := r.Module(l.Module)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	own, err := os.Stat("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if info, err := f.Stat(); err != nil || !os.SameFile(info, own) {
		t.Errorf("module %d is %v, %v", l.Module, info, err)
	}
	code := make([]byte, 8)
	if _, err := f.ReadAt(code, int64(l.Offset)); err != nil {
		t.Error(err)
	}
	mem, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	in := make([]byte, len(code))
	if _, err := mem.ReadAt(in, int64(here())); err != nil || !bytes.Equal(code, in) {
		t.Errorf("at %#x of the file is % x, and in memory % x, %v", l.Offset, code, in, err)
	}
	// A file keeps its number, which is not valid after the file was closed.
	if again, _ := r.Find(uint32(os.Getpid()), here()); again.Module != l.Module {
		t.Errorf("module %d, and then %d", l.Module, again.Module)
	}
	r.closeAll()
	if f, err := r.Module(l.Module); !errors.Is(err, ErrNoModule) {
		t.Errorf("%v, %v", f, err)
	}
	if l, ok := r.Find(uint32(os.Getpid()), 1); ok {
		t.Errorf("address 1: %+v", l)
	}
	if l, ok := r.Find(1<<30, 1); ok {
		t.Errorf("of no process: %+v", l)
	}
}

func FuzzMaps(f *testing.F) {
	f.Add(maps)
	f.Fuzz(func(t *testing.T, text string) {
		if m, err := parseMaps(strings.NewReader(text)); err == nil {
			find(m, 1)
		}
	})
}

// TestOpenBelow checks which files are opened by the path of a mapped one: no FIFO, which would block the
// reader, no device, and no file that the process has put there to have it read with our privileges.
func TestOpenBelow(t *testing.T) {
	root := t.TempDir()
	in := func(name string) string { return filepath.Join(root, name) }
	if err := errors.Join(
		syscall.Mkfifo(in("fifo"), 0o644), os.Mkdir(in("dir"), 0o755), os.WriteFile(in("open"), []byte("text"), 0o644), os.WriteFile(in("secret"), []byte("text"), 0o600),
		os.Symlink("open", in("link")), os.Symlink("/secret", in("absolute")), os.Symlink(root, in("dir/up")),
	); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(in("secret"), &st); err != nil {
		t.Fatal(err)
	}
	own := fileKey{fmt.Sprintf("%02x:%02x", unix.Major(st.Dev), unix.Minor(st.Dev)), st.Ino}
	other, elsewhere := own, own
	other.inode++
	elsewhere.dev = "fff:01"
	for _, test := range []struct {
		path string
		key  fileKey
		want bool
	}{
		{"/open", other, true},
		{"/open (deleted)", other, true},
		{"/secret", own, true},
		{"/secret", other, false},
		{"/secret", elsewhere, false},
		{"/link", own, false},
		{"/absolute", own, false},
		{"/dir/up/open", own, false},
		{"/../../../../../../../etc/passwd", own, false},
		{"/fifo", own, false},
		{"/dir", own, false},
		{"/none", own, false},
	} {
		f, err := openBelow(root, mapping{path: test.path, file: test.key})
		if (err == nil) != test.want {
			t.Errorf("%s, mapped as %v: %v", test.path, test.key, err)
		}
		if err != nil {
			continue
		}
		if b, err := io.ReadAll(f); string(b) != "text" {
			t.Errorf("%s: %q, %v", test.path, b, err)
		}
		f.Close()
	}
	for _, device := range []string{"/null", "/tty"} {
		if f, err := openBelow("/dev", mapping{path: device}); err == nil {
			f.Close()
			t.Errorf("/dev%s was opened", device)
		}
	}
}
