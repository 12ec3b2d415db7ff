package cli

import (
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/sandbox"
)

// readerNice is the priority of the thread that reads the ring: it has little to do, and what it does
// not read in time is lost.
const readerNice = -15

// inTime gives the calling goroutine a thread of its own with that priority, until the function that it
// returns is called. Who may not raise it goes on as before.
func inTime() func() {
	runtime.LockOSThread()
	if unix.Setpriority(unix.PRIO_PROCESS, 0, readerNice) == nil {
		// The thread keeps the priority, and ends with the goroutine: it is not given to another one.
		return func() {}
	}
	return runtime.UnlockOSThread
}

// hurry gives all threads of the process that priority while they load: whoever watches waits for it, on
// machines that are busy too. The function that it returns takes it back from all but the calling one.
func hurry() (back func()) {
	was, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil || !renice(readerNice, 0) {
		return func() {}
	}
	// The system call gives 20 for the nicest that there is.
	return func() { renice(20-was, unix.Gettid()) }
}

// renice sets the priority of all threads but one; false if it may not.
func renice(nice, but int) bool {
	if !sandbox.OwnProc() {
		return false // it would be others' threads
	}
	done := map[int]bool{but: true}
	// A thread that was made meanwhile has the priority of the one that made it.
	for range 3 {
		list, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return false
		}
		for _, e := range list {
			tid, err := strconv.Atoi(e.Name())
			if err != nil || done[tid] {
				continue
			}
			done[tid] = true
			if err := unix.Setpriority(unix.PRIO_PROCESS, tid, nice); err == unix.EACCES || err == unix.EPERM {
				return false
			}
		}
	}
	return true
}
