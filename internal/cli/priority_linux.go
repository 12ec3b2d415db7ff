package cli

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/sandbox"
)

// readerNice is the nice value of the process that reads the ring buffer. It uses little CPU time, and records
// that it does not read in time are lost.
const readerNice = -15

// hurry sets that nice value for all threads of the process; new threads inherit it. Without the privilege it does
// nothing. It is called before the programs are loaded, as the user waits for them, also on busy machines. The
// reader has no locked thread of its own: the runtime's timers would wake another thread, which then wakes it.
func hurry() { renice(readerNice) }

// renice sets the nice value of all threads.
func renice(nice int) {
	if !sandbox.OwnProc() {
		return // the tids in /proc are of another pid namespace
	}
	done := map[int]bool{}
	// Repeated, as a new thread may have been created by one that was not reniced yet.
	for range 3 {
		list, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return
		}
		for _, e := range list {
			tid, err := strconv.Atoi(e.Name())
			if err != nil || done[tid] {
				continue
			}
			done[tid] = true
			if err := unix.Setpriority(unix.PRIO_PROCESS, tid, nice); err == unix.EACCES || err == unix.EPERM {
				return
			}
		}
	}
}
