package proc

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

// StartOf returns the start time of a process in clock ticks, as in /proc/PID/stat; empty
// if there is no process with that pid, or if it is a zombie. Pid and start time together
// identify a process, even after its end.
func StartOf(pid int) string {
	// The 22nd field.
	const start = 22 - 3
	if f := Stat(fmt.Sprintf("/proc/%d", pid)); len(f) > start && f[0] != "Z" && f[0] != "X" {
		return f[start]
	}
	return ""
}

// Stat returns the fields of the stat file (proc(5)) in the /proc directory of a process or thread, from the third
// on: state, parent pid, and so on. It returns nil if the file cannot be read.
func Stat(dir string) []string {
	b, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return nil
	}
	// The second field, the name, may contain any character.
	return strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
}
