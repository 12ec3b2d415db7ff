//go:build linux

package audit

import (
	"bytes"
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
		if _, parent := stateOf(dir); parent == "2" {
			return dir
		}
	}
	return ""
}

// stateOf returns the third and fourth field of /proc/PID/stat (proc(5)).
func stateOf(dir string) (state, parent string) {
	b, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return "", ""
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(f) < 2 {
		return "", ""
	}
	return f[0], f[1]
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
	state, _ := stateOf(dir)
	return state != "S" && state != "I"
}
