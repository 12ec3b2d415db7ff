//go:build unix

package outfile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestCreate(t *testing.T) {
	root := os.Geteuid() == 0
	other := os.Geteuid()
	if root {
		other = 4242
	}
	for _, test := range []struct {
		name    string
		prepare func(path string) error // creates the file at path
		refused string                  // expected in the error; empty: no error
		root    bool                    // prepare needs root
		owner   int
	}{
		{"new", func(string) error { return nil }, "", false, other},
		{"own", func(p string) error {
			return errors.Join(os.WriteFile(p, []byte("old"), 0o666), os.Chmod(p, 0o666), own(p, other))
		}, "", false, other},
		{"roots", func(p string) error { return os.WriteFile(p, []byte("old"), 0o644) }, "", true, 0},
		{"anothers", func(p string) error { return errors.Join(os.WriteFile(p, []byte("old"), 0o666), own(p, 4711)) }, "belongs to user 4711", true, 0},
		{"symlink", func(p string) error {
			return errors.Join(os.WriteFile(p+"x", []byte("old"), 0o600), os.Symlink(p+"x", p))
		}, "symbolic link", false, 0},
		{"dangling", func(p string) error { return os.Symlink(p+"x", p) }, "symbolic link", false, 0},
		{"hardlink", func(p string) error {
			return errors.Join(os.WriteFile(p+"x", []byte("old"), 0o600), os.Link(p+"x", p), own(p, other))
		}, "2 hard links", false, 0},
		{"fifo", func(p string) error { return syscall.Mkfifo(p, 0o600) }, "FIFO", false, 0},
		{"directory", func(p string) error { return os.Mkdir(p, 0o700) }, "is a directory", false, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.root && !root {
				t.Skip("only root can give files away")
			}
			path := filepath.Join(t.TempDir(), "file")
			if err := test.prepare(path); err != nil {
				t.Fatal(err)
			}
			f, err := Rules{UID: other, GID: os.Getegid()}.Create(path)
			if test.refused != "" {
				if err == nil || !strings.Contains(err.Error(), test.refused) || !strings.Contains(err.Error(), path) {
					t.Fatalf("error %v, want one with %q", err, test.refused)
				}
				if b, err := os.ReadFile(path + "x"); err == nil && string(b) != "old" {
					t.Errorf("the file behind it was changed to %q", b)
				}
				info, err := os.Lstat(path)
				if err != nil {
					t.Fatal(err)
				}
				if !info.Mode().IsRegular() {
					return
				}
				if b, err := os.ReadFile(path); err != nil || string(b) != "old" {
					t.Errorf("it was changed to %q (%v)", b, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			info, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode() != 0o600 || info.Size() != 0 {
				t.Errorf("mode %v, %d bytes", info.Mode(), info.Size())
			}
			if uid := int(info.Sys().(*syscall.Stat_t).Uid); uid != test.owner {
				t.Errorf("it belongs to user %d, want %d", uid, test.owner)
			}
		})
	}
}

func own(path string, uid int) error {
	if os.Geteuid() != 0 {
		return nil
	}
	return os.Chown(path, uid, os.Getegid())
}

// TestInput checks that an input file is not overwritten under any name.
func TestInput(t *testing.T) {
	dir := t.TempDir()
	in := filepath.Join(dir, "in")
	if err := os.WriteFile(in, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(in)
	if err != nil {
		t.Fatal(err)
	}
	rules := Rules{UID: -1, Inputs: []os.FileInfo{info}}
	t.Chdir(dir)
	if err := os.Mkdir("d", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, "here"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{in, "in", "./in", "d/../in", "here/in"} {
		if f, err := rules.Create(name); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "an input of the same run") {
			f.Close()
			t.Errorf("%s: error %v", name, err)
		}
	}
	if b, _ := os.ReadFile(in); string(b) != "precious" {
		t.Fatalf("it is %q now", b)
	}
}

// TestNull checks that the null device can be written to, and keeps its owner and mode.
func TestNull(t *testing.T) {
	before, err := os.Stat(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Rules{UID: 4242, GID: 4242}.Create(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("x"); err != nil {
		t.Error(err)
	}
	after, err := os.Stat(os.DevNull)
	if err != nil || after.Mode() != before.Mode() || after.Sys().(*syscall.Stat_t).Uid != before.Sys().(*syscall.Stat_t).Uid {
		t.Errorf("it was changed from %v to %v (%v)", before, after, err)
	}
}
