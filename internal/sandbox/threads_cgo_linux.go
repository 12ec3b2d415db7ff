//go:build cgo

package sandbox

import "errors"

// allThreads reports why a system call cannot be made in all threads of the process, nil if it can. With
// cgo the runtime does not do it; psx (psx.c) looks its threads up in /proc/PID/task and signals them by
// thread id alone. In the /proc of another pid namespace, and without one, those are not its threads: it
// would signal others', and wait for them without end.
func allThreads() error {
	if OwnProc() {
		return nil
	}
	return errors.New("/proc is not that of this pid namespace, and pidwire was built with cgo, which needs it (build it with CGO_ENABLED=0)")
}
