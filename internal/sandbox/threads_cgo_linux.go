//go:build cgo

package sandbox

import "errors"

// allThreads returns an error if system calls cannot be made in all threads of the process. With cgo the
// runtime does not do that; psx (psx.c) finds the threads in /proc/PID/task and signals them by tid only.
// In the /proc of another pid namespace these are not our threads: psx would signal threads of other
// processes, and wait for them forever. Without a /proc it fails too.
func allThreads() error {
	if OwnProc() {
		return nil
	}
	return errors.New("/proc belongs to another pid namespace, and pidwire was built with cgo, which needs that of its own (build it with CGO_ENABLED=0)")
}
