//go:build linux

package audit

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/pidwire/pidwire/internal/source/proc"
)

// kauditd is the folder in /proc of the kernel's thread that takes records from audit's queue and passes them
// on; empty if it is not seen. The kernel's thread has process 2 as its parent, which nobody else can have.
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

// passing reports whether the kernel's thread may have a record in hand that is not in the queue any more, and
// not with us yet: on a busy machine it waits for a CPU like others do.
func passing(dir string) bool {
	if dir == "" {
		return false
	}
	b, err := os.ReadFile(filepath.Join(dir, "wchan"))
	if where := strings.TrimSpace(string(b)); err == nil && where != "" && where != "0" {
		return where != "kauditd_thread" // where it waits for the queue (kernel/audit.c)
	}
	// Nobody is told where it sleeps, or it does not sleep.
	f := proc.Stat(dir)
	return len(f) == 0 || f[0] != "S" && f[0] != "I"
}
