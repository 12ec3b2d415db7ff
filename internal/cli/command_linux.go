package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/source/proc"
)

// shimName is argv[0] of the process that becomes the command: it waits until
// it is watched, and then calls execve. So all calls of the command are seen,
// and it is neither stopped nor traced by ptrace.
const shimName = "pidwire-exec"

// command is a started COMMAND: at first its shim, which waits for release.
type command struct {
	cmd   *exec.Cmd
	there uint32   // its pid in /proc
	gate  *os.File // write end of the pipe that the shim reads; nil after release or abandon
	ready *os.File // read end of the pipe that the shim writes
	exit  chan int // receives the exit code

	gateFD int // fd of the gate in the shim
}

// startCommand starts the shim of a command, as the user asUser if that is not empty.
func startCommand(argv []string, asUser string, stdin io.Reader, stdout, stderr io.Writer) (*command, error) {
	path, err := exec.LookPath(argv[0])
	if err != nil {
		code := exitNotFound
		if errors.Is(err, os.ErrPermission) {
			code = exitNotExec
		}
		return nil, &exitError{code: code, err: err}
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	ready, says, err := os.Pipe()
	if err != nil {
		r.Close()
		w.Close()
		return nil, err
	}
	files, gate, saying := beside(r, says)
	how := born
	how.Gate, how.Ready = gate, saying
	c := &exec.Cmd{
		Path:       self,
		Args:       append([]string{shimName, how.String(), path}, argv...),
		Stdin:      stdin,
		Stdout:     stdout,
		Stderr:     stderr,
		ExtraFiles: files,
	}
	if asUser != "" {
		cred, env, err := credential(asUser)
		if err != nil {
			for _, f := range []*os.File{r, w, ready, says} {
				f.Close()
			}
			return nil, err
		}
		c.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
		c.Env = append(os.Environ(), env...)
	}
	err = c.Start()
	r.Close()
	says.Close()
	if err != nil {
		w.Close()
		ready.Close()
		return nil, err
	}
	child := &command{cmd: c, gate: w, ready: ready, gateFD: gate, exit: make(chan int, 1)}
	child.there, err = proc.Default.There(uint32(c.Process.Pid))
	go func() { child.exit <- child.wait() }()
	if err != nil {
		child.abandon()
		return nil, err
	}
	return child, nil
}

func credential(name string) (*syscall.Credential, []string, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, nil, &exitError{code: exitNoTarget, err: err}
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, nil, err
	}
	cred := &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	groups, err := u.GroupIds()
	if err != nil {
		return nil, nil, err
	}
	for _, g := range groups {
		n, err := strconv.ParseUint(g, 10, 32)
		if err != nil {
			return nil, nil, err
		}
		cred.Groups = append(cred.Groups, uint32(n))
	}
	return cred, []string{"HOME=" + u.HomeDir, "USER=" + u.Username, "LOGNAME=" + u.Username}, nil
}

// pid returns the pid of the command in /proc.
func (c *command) pid() uint32 { return c.there }

// waits returns when the shim waits at its gate, has ended, or ctx is done. It must not be watched
// earlier, as the calls before that are not those of the command.
func (c *command) waits(ctx context.Context) {
	defer c.ready.Close()
	defer context.AfterFunc(ctx, func() { _ = c.ready.SetReadDeadline(time.Unix(1, 0)) })()
	_, _ = c.ready.Read(make([]byte, 1))
}

// release lets the shim execute the command.
func (c *command) release() error {
	_, err := c.gate.Write([]byte{1})
	err = errors.Join(err, c.gate.Close())
	c.gate = nil
	return err
}

// abandon ends a shim that has not been released.
func (c *command) abandon() {
	if c.gate != nil {
		c.gate.Close()
		c.gate = nil
		c.ready.Close()
		<-c.exit
	}
}

// wait returns the exit code of the command: 128 plus the signal number if a signal killed it.
func (c *command) wait() int {
	err := c.cmd.Wait()
	var ee *exec.ExitError
	if errors.As(err, &ee) {
		if ws, ok := ee.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			return 128 + int(ws.Signal())
		}
		return ee.ExitCode()
	}
	if err != nil {
		return exitFailure
	}
	return 0
}

// inheritance is passed to the shim as an argument: the descriptors of its pipes, and the signal state that pidwire was
// started with, which it has changed for itself and which the command must have.
type inheritance struct {
	Gate, Ready int    // fds of the pipe that the shim waits on, and of the one that it writes to before
	Mask        uint64 // blocked signals; pidwire unblocks those that it catches
	Ignored     bool   // SIGINT was ignored, as in background jobs of a script; pidwire catches it
}

func (h inheritance) String() string {
	return fmt.Sprintf("%d,%d,%x,%t", h.Gate, h.Ready, h.Mask, h.Ignored)
}

func (h *inheritance) parse(s string) error {
	_, err := fmt.Sscanf(s, "%d,%d,%x,%t", &h.Gate, &h.Ready, &h.Mask, &h.Ignored)
	return err
}

// born is the signal state at the start of this process. Go does not tell which other signals were ignored; if SIGHUP
// was, pidwire does not catch it.
var born = func() inheritance {
	h := inheritance{Ignored: signal.Ignored(syscall.SIGINT)}
	var set unix.Sigset_t
	if unix.PthreadSigmask(unix.SIG_BLOCK, nil, &set) == nil {
		h.Mask = uint64(set.Val[0])
	}
	return h
}()

// inherited holds the files that the command inherits by number, such as 3<file of a shell. They are kept referenced,
// because the finalizer of an os.File would close the descriptor, which is not ours.
var inherited []*os.File

// beside returns the ExtraFiles of a child: the descriptors that it inherits, at their own numbers, and r and w at two
// free ones, which are rFD and wFD.
func beside(r, w *os.File) (files []*os.File, rFD, wFD int) {
	for fd := 3; ; fd++ {
		// Descriptors that pidwire has opened itself are FD_CLOEXEC.
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		switch {
		case err == nil && flags&unix.FD_CLOEXEC == 0:
			f := os.NewFile(uintptr(fd), "inherited")
			inherited = append(inherited, f)
			files = append(files, f)
		case rFD == 0:
			rFD = fd
			files = append(files, r)
		default:
			return append(files, w), rFD, fd
		}
	}
}

// shim runs in the child. args are its inheritance, the path, and the argv of the command.
func shim(args []string, stderr io.Writer) int {
	var how inheritance
	if len(args) < 3 || how.parse(args[0]) != nil {
		return exitUsage
	}
	args = args[1:]
	// Plain system calls: an os.File would create an epoll instance, which would look like one of the command.
	_ = syscall.SetNonblock(how.Gate, false)
	b := []byte{1}
	_, _ = syscall.Write(how.Ready, b)
	_ = syscall.Close(how.Ready)
	n, err := syscall.Read(how.Gate, b)
	for err == syscall.EINTR {
		n, err = syscall.Read(how.Gate, b)
	}
	if n <= 0 {
		return exitFailure // pidwire has ended without a release
	}
	_ = syscall.Close(how.Gate)
	if how.Ignored {
		signal.Ignore(syscall.SIGINT)
	}
	runtime.LockOSThread()
	var set unix.Sigset_t
	set.Val[0] = how.Mask
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &set, nil)
	err = syscall.Exec(args[0], args[1:], os.Environ())
	fmt.Fprintf(stderr, "pidwire: %s: %v\n", args[0], err)
	return exitNotExec
}
