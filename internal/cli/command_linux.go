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
	"strconv"
	"syscall"
	"time"

	"github.com/pidwire/pidwire/internal/source/proc"
)

// shimName is argv[0] of the process that becomes the command: it waits until
// it is watched, then lets the command take its place. So nothing of the
// command's is lost, and it is neither stopped nor traced.
const shimName = "pidwire-exec"

// shimFD is the pipe that the shim waits on, and readyFD the one on which it says that
// it does: they are the ExtraFiles.
const (
	shimFD  = 3
	readyFD = 4
)

// command is a COMMAND that waits to be let go.
type command struct {
	cmd   *exec.Cmd
	there uint32   // its pid in /proc
	gate  *os.File // nil once it was let go, or given up
	ready *os.File
	exit  chan int // its exit code, when it has ended
}

// startCommand starts the shim of a command, as another user if asked.
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
	c := &exec.Cmd{
		Path:       self,
		Args:       append([]string{shimName, bornIgnoring, path}, argv...),
		Stdin:      stdin,
		Stdout:     stdout,
		Stderr:     stderr,
		ExtraFiles: []*os.File{r, says},
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
	child := &command{cmd: c, gate: w, ready: ready, exit: make(chan int, 1)}
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

// pid is the command's, as /proc has it.
func (c *command) pid() uint32 { return c.there }

// waits returns when the shim has come to its gate, or has ended: what it does before
// that is not the command's. Only then it may be watched.
func (c *command) waits(ctx context.Context) {
	defer c.ready.Close()
	defer context.AfterFunc(ctx, func() { _ = c.ready.SetReadDeadline(time.Unix(1, 0)) })()
	_, _ = c.ready.Read(make([]byte, 1))
}

// release makes the shim become the command.
func (c *command) release() error {
	_, err := c.gate.Write([]byte{1})
	err = errors.Join(err, c.gate.Close())
	c.gate = nil
	return err
}

// abandon ends a shim that was not let go.
func (c *command) abandon() {
	if c.gate != nil {
		c.gate.Close()
		c.gate = nil
		c.ready.Close()
		<-c.exit
	}
}

// wait returns the command's exit code: 128 and the signal if one killed it.
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

// bornIgnoring says which of the signals that end a run was ignored when this process began, as it is for what a
// script runs in the background: we catch it, the command is to ignore it. What else was ignored Go does not tell; a
// SIGHUP that was is not caught.
var bornIgnoring = func() string {
	if signal.Ignored(syscall.SIGINT) {
		return "INT"
	}
	return ""
}()

// shim is the child: args are what it is to ignore, the path and the command's own argv.
func shim(args []string, stderr io.Writer) int {
	if len(args) < 3 {
		return exitUsage
	}
	if args[0] != "" {
		signal.Ignore(syscall.SIGINT)
	}
	args = args[1:]
	// By calls of its own: an os.File would make an epoll instance, which is the command's to the watching.
	_ = syscall.SetNonblock(shimFD, false)
	b := []byte{1}
	_, _ = syscall.Write(readyFD, b)
	_ = syscall.Close(readyFD)
	n, err := syscall.Read(shimFD, b)
	for err == syscall.EINTR {
		n, err = syscall.Read(shimFD, b)
	}
	if n <= 0 {
		return exitFailure // pidwire ended before it let us go
	}
	_ = syscall.Close(shimFD)
	err = syscall.Exec(args[0], args[1:], os.Environ())
	fmt.Fprintf(stderr, "pidwire: %s: %v\n", args[0], err)
	return exitNotExec
}
