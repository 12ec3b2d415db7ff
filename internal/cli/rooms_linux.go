package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pidwire/pidwire/internal/collect"
	"github.com/pidwire/pidwire/internal/outfile"
	"github.com/pidwire/pidwire/internal/pipeline"
	"github.com/pidwire/pidwire/internal/rooms"
	"github.com/pidwire/pidwire/internal/sandbox"
	"github.com/pidwire/pidwire/internal/sink/rotate"
)

// isRest reports whether this process is the unprivileged one.
func isRest(argv0 string) bool { return argv0 == rooms.Arg0 }

// inside is the unprivileged process's connection to the collector.
type inside struct{ *rooms.Inside }

func enter() (*inside, error) {
	in, err := rooms.Enter()
	return &inside{in}, err
}

// open opens a file of the command line for reading.
func (in *inside) open(name string) (*os.File, error) {
	f, err := in.Open(name)
	return f, exitOf(err)
}

// create opens a file of the command line for writing.
func (in *inside) create(p place) (*os.File, error) {
	f, err := in.Create(rooms.Place{Lines: p.lines, Since: p.file.Since, Turn: p.file.Turn})
	return f, exitOf(err)
}

// size returns the size of a file of the command line; ok is false if it is not a regular file.
func (in *inside) size(name string) (bytes int64, ok bool) { return in.Size(name) }

// outside reports whether this is the process that the user started. It must start the unprivileged process,
// which reads and prints.
func (a *app) outside() bool { return a.in == nil && !a.alone }

// wrote makes the pipeline report its progress to the collector.
func (a *app) wrote(c *pipeline.Config) {
	if a.in != nil {
		c.Wrote = a.in.Beat
	}
}

// stream returns the records that the collector sends. It returns nil and no error if the collector could not begin;
// the collector reports the reason.
func (a *app) stream() (*rooms.Stream, error) {
	src, err := a.in.Stream()
	if errors.Is(err, rooms.ErrNotBegun) {
		a.code = exitFailure
		return nil, nil
	}
	return src, err
}

// interrupted returns a context that is canceled when the user ends the run.
func (a *app) interrupted(parent context.Context) (context.Context, func()) {
	if a.in == nil {
		return signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM)
	}
	ctx, cancel := context.WithCancel(parent)
	a.in.Stopped(cancel)
	return ctx, cancel
}

// exitOf turns an error of the collector into an exitError with the same exit code and hint.
func exitOf(err error) error {
	var fe *rooms.FileError
	if !errors.As(err, &fe) {
		return err
	}
	e := &exitError{code: fe.Code, err: fe}
	if fe.Hint != "" {
		e.hint = []string{fe.Hint}
	}
	return e
}

// confine drops all privileges that reading and printing do not need. It is called before the first byte
// of input is decoded.
func (a *app) confine(resolve bool) {
	if a.in == nil || a.confined {
		return
	}
	a.confined = true
	_, _ = time.Now().Local().Zone() // loads the time zone file
	if err := a.in.Confine(resolve); err != nil {
		fmt.Fprintf(a.stderr, "pidwire: the printing process could not drop all of its privileges: %v\n", err)
	}
}

// allowed holds the files of the command line, which the unprivileged process may request.
type allowed struct {
	in    []string // input files
	out   writeFlags
	lines string // file of -o
}

// endings handles the signals with which a user ends a run. The first one ends it in order, the second
// immediately. Neither kills this process, as it must remove its programs and rules from the kernel.
type endings struct {
	ctx   context.Context // canceled at the first signal
	again chan struct{}   // closed at the second signal
	stop  func()
}

func endingsOf(parent context.Context) *endings {
	ctx, cancel := context.WithCancel(parent)
	sigs := make(chan os.Signal, 4)
	signal.Notify(sigs, os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT)
	if !signal.Ignored(syscall.SIGHUP) { // nohup(1)
		signal.Notify(sigs, syscall.SIGHUP)
	}
	// With a handler for SIGPIPE, a write to a closed stdout fails with EPIPE instead of killing the process.
	pipes := make(chan os.Signal, 1)
	signal.Notify(pipes, syscall.SIGPIPE)
	e := &endings{ctx: ctx, again: make(chan struct{})}
	done := make(chan struct{})
	var once sync.Once
	e.stop = func() {
		once.Do(func() {
			signal.Stop(sigs)
			signal.Stop(pipes)
			close(done)
			cancel()
		})
	}
	go func() {
		for n := 0; ; {
			select {
			case <-sigs:
				switch n++; n {
				case 1:
					cancel()
				case 2:
					close(e.again)
				}
			case <-done:
				return
			}
		}
	}()
	return e
}

// over is the unprivileged process, as the collector sees it, and its end.
type over struct {
	*rooms.Rest
	a      *app
	broker *broker
	ended  *endings
	cancel context.CancelCauseFunc // ends the run
	cut    chan struct{}           // closed when it is killed because it stalls
}

// stopped is the cause of a canceled run: the unprivileged process has requested it, or a limit is reached.
type stopped struct{ reason uint32 }

func (s stopped) Error() string     { return "the printing process has ended the run" }
func (s stopped) EndReason() uint32 { return s.reason }

// errRest means that the unprivileged process has ended early. It has printed the reason.
var errRest = errors.New("the printing process has exited")

// startRest starts the unprivileged process. The returned context is canceled at the first signal, or
// when that process exits or requests the end of the run.
func (a *app) startRest(e *endings, files allowed, stdin io.Reader) (*over, context.Context, error) {
	ctx, cancel := context.WithCancelCause(e.ctx)
	as := sandbox.Caller()
	b, err := newBroker(files, as, a.stdout)
	if err != nil {
		cancel(nil)
		return nil, nil, err
	}
	r, err := rooms.Start(rooms.Config{
		Args: a.args, Stdin: stdin, Stdout: a.stdout, Stderr: a.stderr, As: as, Open: b.open, Size: b.size,
		Stop: func(reason uint32) { cancel(stopped{reason}) },
	})
	if err != nil {
		cancel(nil)
		return nil, nil, err
	}
	o := &over{Rest: r, a: a, broker: b, ended: e, cancel: cancel, cut: make(chan struct{})}
	go func() {
		<-r.Exited()
		cancel(errRest)
	}()
	go o.watch()
	return o, ctx, nil
}

const (
	// stalledAfter is how many checks in a row may find no progress of the unprivileged process after the
	// run was ended. Checks are counted, not time, as on a busy machine this process is delayed too.
	stalledAfter  = 6
	progressEvery = 50 * time.Millisecond
)

// watch kills the unprivileged process after the first signal if it makes no progress, because the
// reader of its output does not read. While it makes progress it is killed only at the second signal.
func (o *over) watch() {
	select {
	case <-o.Exited():
		return
	case <-o.ended.ctx.Done():
	}
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	still := 0
	for {
		select {
		case <-o.Exited():
			return
		case <-tick.C:
			if still++; o.Progress() {
				still = 0
			}
			if still < stalledAfter {
				continue
			}
		case <-o.ended.again:
		}
		close(o.cut)
		o.Hurry(time.Now()) // unblock writes to it
		o.Kill()
		return
	}
}

// ready waits until the unprivileged process has opened its outputs.
func (o *over) ready(ctx context.Context) error {
	select {
	case <-o.Ready():
		return nil
	case <-o.Exited():
		return errRest
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// finish waits for the unprivileged process to exit, and returns its exit code. Messages are written
// with sayInTime, so that a blocked stderr does not block it.
func (o *over) finish() int {
	<-o.Exited()
	code, by := o.Exit()
	select {
	case <-o.cut:
		o.a.sayInTime(fmt.Sprintf("pidwire: the output is blocked: %d records were not printed, and neither were the last ones before them\n", o.Unsent()))
		return exitFailure
	default:
	}
	if by != 0 {
		o.a.sayInTime(fmt.Sprintf("pidwire: the printing process was killed by signal %d (%v); nothing is left in the kernel\n", by, by))
	}
	return code
}

// sayInTime writes to standard error, and waits at most 200 ms for it.
func (a *app) sayInTime(text string) {
	done := make(chan struct{})
	go func() {
		fmt.Fprint(a.stderr, text)
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(200 * time.Millisecond):
	}
}

// twoRooms runs a verb that only reads files: the unprivileged process does all the work, and this one
// opens the files.
func (a *app) twoRooms(parent context.Context, files allowed) error {
	e := endingsOf(parent)
	defer e.stop()
	var stdin io.Reader
	if slices.Contains(files.in, "-") {
		stdin = a.stdin
	}
	o, ctx, err := a.startRest(e, files, stdin)
	if err != nil {
		return err
	}
	if err := sandbox.Collector(keptCaps(files)...); err != nil {
		fmt.Fprintf(a.stderr, "pidwire: %v\n", err)
	}
	select {
	case <-o.Exited():
	case <-ctx.Done():
		o.Interrupt()
	}
	a.code = o.finish()
	return nil
}

// Capabilities by number (linux/capability.h).
const (
	capChown         = 0
	capDACOverride   = 1
	capDACReadSearch = 2
	capFowner        = 3
	capKill          = 5
)

// keptCaps returns the capabilities for opening the files of the command line, and for killing the
// unprivileged process, which may run as another user. Files of -C and -G are created during the run.
func keptCaps(files allowed) []uint {
	caps := []uint{capKill}
	if len(files.in) > 0 {
		caps = append(caps, capDACReadSearch)
	}
	if len(files.in) > 0 && (files.out.file != "" || files.lines != "") || files.out.rotates() {
		caps = append(caps, capChown, capDACOverride, capFowner)
	}
	return caps
}

// broker opens the files of the command line for the unprivileged process, and no others except the
// modules of watched processes.
type broker struct {
	files allowed
	rules outfile.Rules
	names rotate.Options
	lines os.FileInfo                  // the file of -o; nil until it is opened
	wrote os.FileInfo                  // the last opened file of -w; nil until then
	live  atomic.Pointer[collect.Live] // opens files that watched processes have mapped; nil if no process is watched
}

func newBroker(files allowed, as sandbox.Identity, stdout io.Writer) (*broker, error) {
	uid, gid := as.Owner()
	b := &broker{files: files, rules: outfile.Rules{UID: int(uid), GID: int(gid)}, names: files.out.names()}
	for _, name := range files.in {
		var info os.FileInfo
		var err error
		if name == "-" {
			info, err = os.Stdin.Stat()
		} else {
			info, err = os.Stat(name)
		}
		if err == nil {
			b.rules.Inputs = append(b.rules.Inputs, info)
		} // else the error is reported when it is opened
	}
	if f, ok := stdout.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() && len(b.rules.Inputs) > 0 {
			for i, in := range b.rules.Inputs {
				if os.SameFile(info, in) {
					return nil, usageError("standard output is the input file %s: it would be overwritten", files.in[i])
				}
			}
		}
	}
	return b, nil
}

// open opens the file that the unprivileged process requests.
func (b *broker) open(q rooms.Request) (*os.File, error) {
	if q.Module != nil {
		live := b.live.Load()
		if live == nil {
			return nil, &rooms.FileError{Text: "no process is watched", Code: exitFailure}
		}
		f, err := (*live).Module(*q.Module)
		return f, fileError(err)
	}
	if q.In != nil {
		if !slices.Contains(b.files.in, *q.In) {
			return nil, &rooms.FileError{Text: "not a file of the command line", Code: exitFailure}
		}
		f, err := os.Open(*q.In)
		return f, fileError(inputError(err))
	}
	f, err := b.create(*q.Out)
	return f, fileError(err)
}

func (b *broker) size(name string) (bytes int64, ok bool) {
	if !slices.Contains(b.files.in, name) {
		return 0, false
	}
	return regularSize(name)
}

func (b *broker) create(p rooms.Place) (*os.File, error) {
	name := b.files.lines
	if !p.Lines {
		name = b.files.out.file
		if b.files.out.rotates() {
			name = b.names.NameOf(rotate.Place{Since: p.Since, Turn: p.Turn})
		}
	}
	if name == "" || name == "-" {
		return nil, errors.New("not a file of the command line")
	}
	rules := b.rules
	// -o and -w must not be the same file.
	other, mine := b.wrote, &b.lines
	if !p.Lines {
		other, mine = b.lines, &b.wrote
	}
	if other != nil {
		rules.Inputs = append(slices.Clone(rules.Inputs), other)
	}
	f, err := rules.Create(name)
	if err != nil {
		return nil, err
	}
	*mine, err = f.Stat()
	return f, err
}

// fileError turns an error into one that can be sent to the unprivileged process with its exit code.
func fileError(err error) error {
	if err == nil {
		return nil
	}
	fe := &rooms.FileError{Text: err.Error(), Code: exitFailure}
	var ee *exitError
	if errors.As(err, &ee) {
		fe.Code = ee.code
	} else if errors.Is(err, outfile.ErrRefused) {
		fe.Code = exitUsage
	}
	return fe
}
