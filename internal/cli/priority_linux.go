package cli

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/sandbox"
)

// readerNice is the priority of the process that reads the ring: it has little to do, and what it does not
// read in time is lost.
const readerNice = -15

// hurry gives all threads of the process that priority, and with that those that they make; who may not raise it
// goes on as before. It is for before the programs are loaded: whoever watches waits for them, on machines that are
// busy too. No thread is kept for the reader alone: then the runtime's timers would wake another one that wakes it.
func hurry() { renice(readerNice) }

// renice sets the priority of all threads.
func renice(nice int) {
	if !sandbox.OwnProc() {
		return // it would be others' threads
	}
	done := map[int]bool{}
	// A thread that was made meanwhile has the priority of the one that made it.
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
