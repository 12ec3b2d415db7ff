package rooms

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/sandbox"
	"github.com/pidwire/pidwire/internal/wire"
)

// Config configures Start.
type Config struct {
	Args           []string // arguments of the rest, argv[1:]
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	As             sandbox.Identity
	// Open opens a file for the rest; the request has In, Out or Module set. An error of type *FileError has an
	// exit code. This package closes the file after it is sent. Open is called from one goroutine.
	Open func(Request) (*os.File, error)
	// Size returns the size of an input file in bytes, and false if it is not a regular file.
	Size func(name string) (int64, bool)
	// Stop is called when the rest requests the end of the run, with one of the reasons wire.End*. It may
	// be called more than once. It may be nil.
	Stop func(reason uint32)
}

// Rest is the collector's handle of the other process. Header, Emit and End must not be called
// concurrently; all other methods are safe for concurrent use.
type Rest struct {
	cmd    *exec.Cmd
	pipe   *os.File
	enc    *encoder
	ctl    control
	stop   *os.File
	beats  *os.File // eventfd that the rest increments when it has written output
	config Config

	ready  chan struct{} // closed when all outputs are open
	exited chan struct{} // closed when the process has exited
	code   int           // exit code
	signal syscall.Signal

	mu     sync.Mutex
	opened bool // ready is closed

	last  uint64      // time of the first idle frame since the last record, ns; 0 if there was none
	ended atomic.Bool // all records have been sent
	read  int64       // bytes that the rest had read from the pipe at the last call of Progress
}

// pipeBytes is the requested size of the pipe (F_SETPIPE_SZ): how many bytes the rest may lag behind before
// the collector blocks.
const pipeBytes = 1 << 20

// Start starts the rest, which then waits for the header. It inherits only the descriptors of ExtraFiles and
// the three standard ones.
func Start(c Config) (*Rest, error) {
	if os.Getenv(insideEnv) != "" {
		return nil, errors.New("the printing process cannot start another one")
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	// SyscallConn, because Fd would make the pipe blocking, and deadlines need the runtime's poller.
	if conn, err := w.SyscallConn(); err == nil {
		_ = conn.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeBytes) })
	}
	pipe := w
	ctl, theirs, err := sockets()
	if err != nil {
		pipe.Close()
		return nil, err
	}
	defer theirs.Close()
	stopR, stopW, err := os.Pipe()
	if err != nil {
		pipe.Close()
		ctl.close()
		return nil, err
	}
	defer stopR.Close()
	beat, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		pipe.Close()
		ctl.close()
		stopW.Close()
		return nil, err
	}
	beats := os.NewFile(uintptr(beat), "progress")
	rest := &Rest{
		pipe: pipe, enc: newEncoder(pipe), ctl: ctl, stop: stopW, beats: beats, config: c,
		ready: make(chan struct{}), exited: make(chan struct{}),
	}
	rest.cmd = &exec.Cmd{
		Path: self, Args: append([]string{Arg0}, c.Args...), Stdin: c.Stdin, Stdout: c.Stdout, Stderr: c.Stderr,
		Env:        append(os.Environ(), insideEnv+"=1"),
		ExtraFiles: []*os.File{r, theirs, stopR, beats},
	}
	if rest.cmd.Stdin == nil {
		null, err := emptyFile()
		if err != nil {
			rest.release()
			return nil, err
		}
		defer null.Close()
		rest.cmd.Stdin = null
	}
	if err := rest.cmd.Start(); err != nil {
		rest.release()
		return nil, fmt.Errorf("starting the printing process: %w", err)
	}
	go rest.wait()
	if err := ctl.send(hello{c.As}, nil); err != nil {
		rest.Kill()
		return nil, fmt.Errorf("the printing process has exited: %w", err)
	}
	go rest.serve()
	return rest, nil
}

func (r *Rest) release() {
	r.pipe.Close()
	r.stop.Close()
	r.beats.Close()
	r.ctl.close()
}

// wait reaps the process.
func (r *Rest) wait() {
	err := r.cmd.Wait()
	var ee *exec.ExitError
	switch {
	case errors.As(err, &ee):
		r.code = ee.ExitCode()
		if ws, ok := ee.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			r.signal, r.code = ws.Signal(), 128+int(ws.Signal())
		}
	case err != nil:
		r.code = 1
	}
	close(r.exited)
}

// serve answers the requests of the rest until it has exited.
func (r *Rest) serve() {
	defer r.ctl.close()
	for {
		var q Request
		fd, err := r.ctl.receive(&q)
		if fd >= 0 {
			_ = unix.Close(fd) // requests have no descriptor
		}
		if err != nil {
			return
		}
		switch {
		case q.Ready:
			r.mu.Lock()
			if !r.opened {
				r.opened = true
				close(r.ready)
			}
			r.mu.Unlock()
			err = r.ctl.send(answer{}, nil)
		case q.Stop != nil:
			if r.config.Stop != nil {
				r.config.Stop(*q.Stop)
			}
			err = r.ctl.send(answer{}, nil)
		case q.Size != nil:
			n, ok := r.config.Size(*q.Size)
			err = r.ctl.send(answer{Regular: ok, Bytes: n}, nil)
		case q.In != nil || q.Out != nil || q.Module != nil:
			err = r.pass(q)
		}
		if err != nil {
			return
		}
	}
}

// pass opens a file and sends the descriptor.
func (r *Rest) pass(q Request) error {
	f, err := r.config.Open(q)
	if err == nil {
		defer f.Close()
		return r.ctl.send(answer{Name: f.Name()}, f)
	}
	a := answer{Err: err.Error(), Code: 1}
	var fe *FileError
	if errors.As(err, &fe) {
		a.Code, a.Hint = fe.Code, fe.Hint
	}
	return r.ctl.send(a, nil)
}

// Header sends the header.
func (r *Rest) Header(h wire.Header) error { return r.enc.header(h) }

// PID returns the pid of the rest.
func (r *Rest) PID() int { return r.cmd.Process.Pid }

// Ready returns a channel that is closed when the rest has opened all outputs.
func (r *Rest) Ready() <-chan struct{} { return r.ready }

// Exited returns a channel that is closed when the rest has exited.
func (r *Rest) Exited() <-chan struct{} { return r.exited }

// Exit returns the exit code of the rest, and the signal that killed it, or 0. It must not be called before
// Exited is closed.
func (r *Rest) Exit() (code int, by syscall.Signal) { return r.code, r.signal }

// idleFor is how long idle frames are sent after the last record, in ns. It is longer than merge holds
// records. Later idle frames would only wake the rest.
const idleFor = 300_000_000

// Emit sends a record, which the caller may reuse when Emit returns. A nil record means that no more
// records are available at the time that now returns. Emit returns an error if writing to the rest has
// failed; from then on, records are only counted as unsent.
func (r *Rest) Emit(rec wire.Record, now func() uint64) error {
	switch {
	case rec != nil:
		r.enc.add(rec)
		r.last = 0
	default:
		at := now()
		if r.enc.pace == nil {
			r.enc.pace = newPace() // the programs are loaded when the source is idle for the first time
		}
		r.enc.pace.idle(at)
		if r.last == 0 {
			r.last = at
		}
		if at-r.last < idleFor {
			r.enc.idle(at)
		}
	}
	return r.enc.fail
}

// Progress reports whether the rest is not stalled: since the last call it has read or written something, or the
// pipe is empty before the end of the records, or one of its threads is runnable. A rest that waits for
// the reader of its output sleeps; one that waits for a CPU is runnable.
func (r *Rest) Progress() bool {
	moved := false
	beats := int(r.beats.Fd())
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(beats), Events: unix.POLLIN}}, 0); err == nil && n > 0 {
		n, err := unix.Read(beats, make([]byte, 8))
		moved = err == nil && n == 8
	}
	conn, err := r.pipe.SyscallConn()
	if err != nil {
		return moved
	}
	// Loaded before TIOCINQ: bytes that this process writes in between must not count as progress.
	written := r.enc.written.Load()
	_ = conn.Control(func(fd uintptr) {
		if left, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ); err == nil {
			if read := written - int64(left); read > r.read {
				moved, r.read = true, read
			}
			moved = moved || left == 0 && !r.ended.Load()
		}
	})
	return moved || runnable(r.PID())
}

// runnable reports whether a thread of a process is in state R (running or runnable).
func runnable(pid int) bool {
	list, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, name := range list {
		b, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		// The third field of the line (proc(5)). The second one, the name, may contain any character.
		if i := bytes.LastIndexByte(b, ')'); i >= 0 && bytes.HasPrefix(b[i+1:], []byte(" R")) {
			return true
		}
	}
	return false
}

// Unsent returns the number of records that could not be sent.
func (r *Rest) Unsent() uint64 { return r.enc.lost }

// Hurry sets a deadline for blocked writes to the rest.
func (r *Rest) Hurry(at time.Time) { _ = r.pipe.SetWriteDeadline(at) }

// End sends the remaining records and an end frame, and closes the pipe.
func (r *Rest) End() {
	r.enc.end()
	r.ended.Store(true)
	r.pipe.Close()
}

// Cut closes the pipe without an end frame, from which the rest concludes that the collector has failed. It
// has no effect after End.
func (r *Rest) Cut() { r.pipe.Close() }

// Interrupt requests the rest to stop reading and to finish its output. It is for runs that read files.
func (r *Rest) Interrupt() {
	r.ended.Store(true) // from now on, an empty pipe does not count as progress
	r.stop.Close()
}

// Kill kills the rest and waits for its exit.
func (r *Rest) Kill() {
	_ = r.cmd.Process.Kill()
	<-r.exited
}
