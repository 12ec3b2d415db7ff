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

// Config says how the rest is started.
type Config struct {
	Args           []string // its arguments, argv[1:]
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	As             sandbox.Identity
	// Open opens a file for the rest; the request has In, Out or Module set. Errors of type *FileError carry an
	// exit code. The file is closed here once it was passed on. It is called by one goroutine.
	Open func(Request) (*os.File, error)
	// Size returns the size of a file that may be read, false if it is not a regular one.
	Size func(name string) (int64, bool)
	// Stop is called when the rest wants the run to end, with a reason of wire.End. It may be called
	// more than once.
	Stop func(reason uint32)
}

// Rest is the other process, as the collector has it. Header, Emit and End are for one goroutine at a
// time; all others may be called by any.
type Rest struct {
	cmd    *exec.Cmd
	pipe   *os.File
	enc    *encoder
	ctl    control
	stop   *os.File
	beats  *os.File // eventfd: counts what the rest has written
	config Config

	ready  chan struct{} // closed when all outputs are open
	exited chan struct{} // closed when the process has ended
	code   int           // exit code, and
	signal syscall.Signal

	mu     sync.Mutex
	opened bool // ready is closed

	last  uint64      // time of the first idle moment since the last record, ns; 0: there was none
	ended atomic.Bool // all has been passed on
	read  int64       // bytes that had left the pipe when Progress was last asked
}

// pipeBytes is the size of the pipe, where the kernel grants it: what the rest may be late without
// stopping the collector.
const pipeBytes = 1 << 20

// Start starts the rest. It waits for the header, or for Kill, and takes nothing but what it is given.
func Start(c Config) (*Rest, error) {
	if os.Getenv(insideEnv) != "" {
		return nil, errors.New("the process that prints cannot start another one")
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	// By SyscallConn, for Fd would make it blocking, and deadlines need the runtime's poller.
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
		return nil, fmt.Errorf("starting the process that prints: %w", err)
	}
	go rest.wait()
	if err := ctl.send(hello{c.As}, nil); err != nil {
		rest.Kill()
		return nil, fmt.Errorf("the process that prints has ended: %w", err)
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

// wait takes the exit of the process.
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

// serve answers the rest until it has ended.
func (r *Rest) serve() {
	defer r.ctl.close()
	for {
		var q Request
		fd, err := r.ctl.receive(&q)
		if fd >= 0 {
			_ = unix.Close(fd) // it has none to give
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

// pass opens a file and passes it on.
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

// Header passes on what is watched.
func (r *Rest) Header(h wire.Header) error { return r.enc.header(h) }

// PID returns the process id of the rest.
func (r *Rest) PID() int { return r.cmd.Process.Pid }

// Ready is closed when the rest has opened all outputs.
func (r *Rest) Ready() <-chan struct{} { return r.ready }

// Exited is closed when the rest has ended.
func (r *Rest) Exited() <-chan struct{} { return r.exited }

// Exit returns the exit code, and the signal that ended the rest, 0 if none did. It is for after Exited.
func (r *Rest) Exit() (code int, by syscall.Signal) { return r.code, r.signal }

// idleFor is how long idle moments are still passed on after the last record, in ns: merge holds records
// for less. Later ones would only wake the rest.
const idleFor = 300_000_000

// Emit passes on a record; its memory may be used again at once. nil is an idle moment, of which now
// gives the time. Emit fails when the rest takes nothing any more; all further records are counted as
// lost then.
func (r *Rest) Emit(rec wire.Record, now func() uint64) error {
	switch {
	case rec != nil:
		r.enc.add(rec)
		r.last = 0
	default:
		at := now()
		if r.enc.pace == nil {
			r.enc.pace = newPace() // the first idle moment: all is loaded
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

// Progress reports whether the rest has read or written something since it was last asked, or has nothing
// to do: a run that waits for the end of something else gives it nothing to read. One that waits for a CPU
// is not stalled: who waits for a reader of its output sleeps.
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
	// What this side has written meanwhile is no progress.
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

// runnable reports whether a thread of a process runs, or would if it had a CPU.
func runnable(pid int) bool {
	list, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, name := range list {
		b, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		// The third field (proc(5)); the name, the second, may hold anything.
		if i := bytes.LastIndexByte(b, ')'); i >= 0 && bytes.HasPrefix(b[i+1:], []byte(" R")) {
			return true
		}
	}
	return false
}

// Unsent is how many records the rest did not take.
func (r *Rest) Unsent() uint64 { return r.enc.lost }

// Hurry makes what waits for the rest to take a record fail at that time.
func (r *Rest) Hurry(at time.Time) { _ = r.pipe.SetWriteDeadline(at) }

// End says that all has been passed on, and closes the pipe.
func (r *Rest) End() {
	r.enc.end()
	r.ended.Store(true)
	r.pipe.Close()
}

// Cut closes the pipe without a word: the rest will say that the collector failed.
func (r *Rest) Cut() { r.pipe.Close() }

// Interrupt asks the rest to end early, with what it has read so far. It is for runs that read files.
func (r *Rest) Interrupt() {
	r.ended.Store(true) // what it waits for from here on is whoever reads its output
	r.stop.Close()
}

// Kill ends the rest at once.
func (r *Rest) Kill() {
	_ = r.cmd.Process.Kill()
	<-r.exited
}
