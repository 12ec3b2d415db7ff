package rooms

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/sandbox"
	"github.com/pidwire/pidwire/internal/wire"
)

// Inside is the rest's view of the collector.
type Inside struct {
	mu     sync.Mutex // one request at a time
	ctl    control
	stream *os.File
	stop   *os.File
	parent int // the collector
}

// Enter makes this process the rest: it becomes the user that the collector names, before it has read
// anything else. It is the first thing that the process does.
func Enter() (*Inside, error) {
	// For the runtime's poller: a thread that is blocked in read is another one that must be woken.
	_ = syscall.SetNonblock(streamFD, true)
	in := &Inside{
		parent: os.Getppid(),
		ctl:    control{controlFD}, stream: os.NewFile(streamFD, "records"), stop: os.NewFile(stopFD, "stop"),
	}
	for _, fd := range []int{streamFD, controlFD, stopFD, beatFD} {
		syscall.CloseOnExec(fd)
	}
	closeInherited()
	// What runs is named by argv[0], and not by the link that it was started by.
	_ = os.WriteFile("/proc/self/comm", []byte(Arg0), 0)
	// These go to a whole group: of a terminal, by timeout(1), or to all processes of a service. The collector ends
	// the run, and what is on its way is still printed.
	signal.Ignore(syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGTERM)
	// A write to a closed pipe is an error, and not the end.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	var h hello
	if _, err := in.ctl.receive(&h); err != nil {
		return nil, fmt.Errorf("the collector does not answer: %w", err)
	}
	// Where the kernel refuses, as in a user namespace, the process stays who it is, and loses the rest
	// of its privilege all the same.
	_ = sandbox.Become(h.As)
	return in, nil
}

// closeInherited closes the descriptors that whoever started the collector left open for its children:
// what was opened in this process is closed on exec, and these are not.
func closeInherited() {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, e := range list {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || fd <= beatFD {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			_ = unix.Close(fd)
		}
	}
}

// Confine takes from the process all that it does not need any more: see sandbox.Rest. Before it nothing
// that came from a file or from the network may be looked at.
func (in *Inside) Confine(resolve bool) error { return sandbox.Rest(resolve) }

// ask sends a request and waits for what came of it.
func (in *Inside) ask(q Request) (*os.File, error) {
	f, _, err := in.call(q)
	return f, err
}

func (in *Inside) call(q Request) (*os.File, answer, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if err := in.ctl.send(q, nil); err != nil {
		return nil, answer{}, fmt.Errorf("the collector has ended: %w", err)
	}
	var a answer
	fd, err := in.ctl.receive(&a)
	var f *os.File
	if fd >= 0 {
		f = os.NewFile(uintptr(fd), a.Name)
	}
	switch {
	case err != nil:
		return nil, a, fmt.Errorf("the collector has ended: %w", err)
	case a.Err != "":
		return nil, a, &FileError{Text: a.Err, Code: a.Code, Hint: a.Hint}
	}
	return f, a, nil
}

// Size returns the size in bytes of a file of the command line, false if it is not a regular one.
func (in *Inside) Size(name string) (int64, bool) {
	_, a, err := in.call(Request{Size: &name})
	return a.Bytes, err == nil && a.Regular
}

// Open opens a file of the command line to read.
func (in *Inside) Open(name string) (*os.File, error) { return in.file(Request{In: &name}) }

// Create opens a file of the command line to write.
func (in *Inside) Create(p Place) (*os.File, error) { return in.file(Request{Out: &p}) }

// Module opens a file that a watched process has mapped.
func (in *Inside) Module(id uint32) (*os.File, error) { return in.file(Request{Module: &id}) }

func (in *Inside) file(q Request) (*os.File, error) {
	f, err := in.ask(q)
	if err == nil && f == nil {
		err = errors.New("the collector gave no file")
	}
	return f, err
}

// Ready says that all outputs are open.
func (in *Inside) Ready() error {
	_, err := in.ask(Request{Ready: true})
	return err
}

// Beat tells the collector that something was written: a rest that is told to end and does not beat any
// more is stalled.
func (in *Inside) Beat() {
	_, _ = unix.Write(beatFD, binary.NativeEndian.AppendUint64(nil, 1))
}

// Stopped calls do once when the collector wants the run to end early.
func (in *Inside) Stopped(do func()) {
	go func() {
		_, _ = in.stop.Read(make([]byte, 1))
		do()
	}()
}

// Stream is the source of what the collector passes on.
type Stream struct {
	in  *Inside
	dec *decoder
	h   wire.Header
	now atomic.Uint64
}

// Stream waits for the collector's header.
func (in *Inside) Stream() (*Stream, error) {
	s := &Stream{in: in, dec: newDecoder(in.stream)}
	var err error
	if s.h, err = s.dec.header(); err == nil {
		return s, nil
	}
	if err = ended(err); errors.Is(err, ErrNoCollector) && in.collectorLives() {
		err = ErrNotBegun
	}
	return nil, err
}

// ErrNotBegun says that the collector could not begin, and says why itself.
var ErrNotBegun = errors.New("the process that watches has not begun")

// collectorLives reports whether the collector, which has let go of the stream, is still there. It ends this process
// then, once it has said what went wrong.
func (in *Inside) collectorLives() bool {
	const looks = 20
	for range looks {
		if os.Getppid() != in.parent {
			return false
		}
		time.Sleep(10 * time.Millisecond)
	}
	return true
}

// ErrNoCollector says that the collector has ended in the middle; if it had something to say, it did.
var ErrNoCollector = errors.New("the process that watches has ended in the middle: it was killed, perhaps for want of memory, or it crashed")

func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrNoCollector
	}
	return err
}

// Header returns the header of what Run emits.
func (s *Stream) Header() wire.Header { return s.h }

// Clock returns the time of the last idle moment: all records made before it have come.
func (s *Stream) Clock() uint64 { return s.now.Load() }

// Run emits what the collector passes on, to its end. When ctx is done the collector is asked to end;
// its last records still come.
func (s *Stream) Run(ctx context.Context, emit func(wire.Record) error) error {
	stop := context.AfterFunc(ctx, func() { s.stopRun(ctx) })
	defer stop()
	pace := newPace()
	defer pace.to(false)
	for {
		kind, b, err := s.dec.next()
		if err != nil {
			return ended(err)
		}
		switch kind {
		case frameRecords:
			pace.came(len(b))
			err = records(b, emit)
		case frameIdle:
			if len(b) < 8 {
				return fmt.Errorf("%w: half an idle moment", errFrame)
			}
			s.now.Store(binary.LittleEndian.Uint64(b))
			pace.idle(s.now.Load())
			err = emit(nil)
		case frameEnd:
			return nil
		default:
			return fmt.Errorf("%w: a frame of kind %d", errFrame, kind)
		}
		if err != nil {
			return err
		}
	}
}

func (s *Stream) stopRun(ctx context.Context) {
	reason := uint32(wire.EndDetached)
	var cause interface{ EndReason() uint32 }
	if errors.As(context.Cause(ctx), &cause) {
		reason = cause.EndReason()
	}
	// A collector that is gone has ended the run already.
	_, _ = s.in.ask(Request{Stop: &reason})
}
