//go:build linux

package audit

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/pidwire/pidwire/internal/source/proc"
)

// TestKauditd checks that the kernel thread is found, and not a process with its name.
func TestKauditd(t *testing.T) {
	needRoot(t)
	dir := kauditd()
	if f := proc.Stat(dir); len(f) < 2 || f[1] != "2" {
		t.Fatalf("%q: %v", dir, f)
	}
}

// TestPassing checks in which states kauditd may hold a record.
func TestPassing(t *testing.T) {
	for _, test := range []struct {
		stat, wchan string
		want        bool
	}{
		{"30 (kauditd) S 2 0", "kauditd_thread", false},
		{"30 (kauditd) S 2 0", "netlink_attachskb", true},
		{"30 (kauditd) R 2 0", "0", true},
		{"30 (kauditd) D 2 0", "0", true},
		{"30 (kauditd) S 2 0", "0", false}, // wchan is hidden
		{"30 (kauditd) I 2 0", "", false},
		{"30 (kau) R (ditd) S 2 0", "", false},
		{"", "", true},
	} {
		dir := t.TempDir()
		for name, text := range map[string]string{"stat": test.stat, "wchan": test.wchan} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := passing(dir); got != test.want {
			t.Errorf("%+v: %v", test, got)
		}
	}
	if passing("") {
		t.Error("no thread is seen, and it has something in hand")
	}
}
