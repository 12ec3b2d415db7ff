//go:build linux

package audit

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/pidwire/pidwire/internal/source/proc"
)

// kauditd returns the directory in /proc of the kernel thread kauditd, which takes records from audit's queue and
// sends them; empty if it is not visible. Kernel threads have process 2 (kthreadd) as their parent, and no others do.
func kauditd() string {
	list, _ := filepath.Glob(proc.Default.Root + "/[0-9]*/comm")
	for _, name := range list {
		if b, err := os.ReadFile(name); err != nil || string(b) != "kauditd\n" {
			continue
		}
		dir := filepath.Dir(name)
		if f := proc.Stat(dir); len(f) > 1 && f[1] == "2" {
			return dir
		}
	}
	return ""
}

// passing reports whether kauditd may hold a record that it has taken from the queue and not sent yet. On a busy
// machine it may have to wait for a CPU.
func passing(dir string) bool {
	if dir == "" {
		return false
	}
	b, err := os.ReadFile(filepath.Join(dir, "wchan"))
	if where := strings.TrimSpace(string(b)); err == nil && where != "" && where != "0" {
		return where != "kauditd_thread" // the function in which it waits for the queue (kernel/audit.c)
	}
	// wchan is not available, or the thread does not sleep.
	f := proc.Stat(dir)
	return len(f) == 0 || f[0] != "S" && f[0] != "I"
}
