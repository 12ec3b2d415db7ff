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
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The 22nd field (proc(5)); the name, the second, may hold anything.
	const afterName = 19
	if f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])); len(f) > afterName && f[0] != "Z" && f[0] != "X" {
		return f[afterName]
	}
	return ""
}
