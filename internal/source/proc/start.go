package proc

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

// StartOf returns when a process started, in the kernel's ticks, as
// /proc/PID/stat has it; empty if there is none of that pid, or if it has ended
// and nobody has waited for it yet (a zombie). With the pid it names the process
// beyond its end.
func StartOf(pid int) string {
	// The 22nd field.
	const start = 22 - 3
	if f := Stat(fmt.Sprintf("/proc/%d", pid)); len(f) > start && f[0] != "Z" && f[0] != "X" {
		return f[start]
	}
	return ""
}

// Stat returns the fields of a process's or a thread's stat (proc(5)), given its folder in /proc, from the third
// on: its state, its parent... nil if there is none.
func Stat(dir string) []string {
	b, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return nil
	}
	// The name, the second, may hold anything.
	return strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
}
