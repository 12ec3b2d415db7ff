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

// Inside is the rest's connection to the collector.
type Inside struct {
	mu     sync.Mutex // one request at a time
	ctl    control
	stream *os.File
	stop   *os.File
	parent int // pid of the collector
}

// Enter makes this process the rest: it switches to the user that the collector sends, before it reads
// anything else. It must be the first call of the process.
func Enter() (*Inside, error) {
	// Nonblocking, to use the runtime's poller: a thread that blocks in read(2) is one more to wake.
	_ = syscall.SetNonblock(streamFD, true)
	in := &Inside{
		parent: os.Getppid(),
		ctl:    control{controlFD}, stream: os.NewFile(streamFD, "records"), stop: os.NewFile(stopFD, "stop"),
	}
	for _, fd := range []int{streamFD, controlFD, stopFD, beatFD} {
		syscall.CloseOnExec(fd)
	}
	closeInherited()
	// After an exec of /proc/self/exe the name of the process would be "exe".
	_ = os.WriteFile("/proc/self/comm", []byte(Arg0), 0)
	// These signals are sent to a whole process group or service: by a terminal, timeout(1) or systemd. Only the
	// collector reacts, and the records that it has sent are still printed.
	signal.Ignore(syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGTERM)
	// With a handler, a write to a closed pipe fails with EPIPE and does not kill the process.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	var h hello
	if _, err := in.ctl.receive(&h); err != nil {
		return nil, fmt.Errorf("the collector does not answer: %w", err)
	}
	// If the kernel refuses, as in a user namespace, the process keeps its user. Confine drops all other
	// privileges in any case.
	_ = sandbox.Become(h.As)
	return in, nil
}

// closeInherited closes the descriptors that were inherited from the parent of the collector. These are not
// FD_CLOEXEC, while those that this process has opened are.
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

// Confine drops all privileges that the process does not need any more; see sandbox.Rest. Data from files or
// from the network must not be parsed before.
func (in *Inside) Confine(resolve bool) error { return sandbox.Rest(resolve) }

// ask sends a request and waits for the answer. The file is nil if the answer has none.
func (in *Inside) ask(q Request) (*os.File, error) {
	f, _, err := in.call(q)
	return f, err
}

func (in *Inside) call(q Request) (*os.File, answer, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if err := in.ctl.send(q, nil); err != nil {
		return nil, answer{}, fmt.Errorf("the collector has exited: %w", err)
	}
	var a answer
	fd, err := in.ctl.receive(&a)
	var f *os.File
	if fd >= 0 {
		f = os.NewFile(uintptr(fd), a.Name)
	}
	switch {
	case err != nil:
		return nil, a, fmt.Errorf("the collector has exited: %w", err)
	case a.Err != "":
		return nil, a, &FileError{Text: a.Err, Code: a.Code, Hint: a.Hint}
	}
	return f, a, nil
}

// Size returns the size in bytes of a file of the command line, and false if it is not a regular file.
func (in *Inside) Size(name string) (int64, bool) {
	_, a, err := in.call(Request{Size: &name})
	return a.Bytes, err == nil && a.Regular
}

// Open opens a file of the command line for reading.
func (in *Inside) Open(name string) (*os.File, error) { return in.file(Request{In: &name}) }

// Create opens a file of the command line for writing.
func (in *Inside) Create(p Place) (*os.File, error) { return in.file(Request{Out: &p}) }

// Module opens a file that a watched process has mapped.
func (in *Inside) Module(id uint32) (*os.File, error) { return in.file(Request{Module: &id}) }

func (in *Inside) file(q Request) (*os.File, error) {
	f, err := in.ask(q)
	if err == nil && f == nil {
		err = errors.New("the collector did not return a file")
	}
	return f, err
}

// Ready tells the collector that all outputs are open.
func (in *Inside) Ready() error {
	_, err := in.ask(Request{Ready: true})
	return err
}

// Beat tells the collector that output was written; see Rest.Progress.
func (in *Inside) Beat() {
	_, _ = unix.Write(beatFD, binary.NativeEndian.AppendUint64(nil, 1))
}

// Stopped calls do once when the collector calls Interrupt or exits.
func (in *Inside) Stopped(do func()) {
	go func() {
		_, _ = in.stop.Read(make([]byte, 1))
		do()
	}()
}

// Stream is the source of the records that the collector sends.
type Stream struct {
	in  *Inside
	dec *decoder
	h   wire.Header
	now atomic.Uint64
}

// Stream waits for the header and returns the stream of records. It returns ErrNotBegun or ErrNoCollector if
// there is none.
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

// ErrNotBegun means that the collector has closed the stream before the header, and is alive. It reports the
// reason itself.
var ErrNotBegun = errors.New("the collector has not started")

// collectorLives reports whether the collector is alive 200 ms after it has closed the stream. If it is, it kills this
// process after it has reported the error.
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

// ErrNoCollector means that the stream has no end frame: the collector has ended early.
var ErrNoCollector = errors.New("the collector has exited unexpectedly: it crashed or was killed, perhaps because memory ran out")

func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrNoCollector
	}
	return err
}

// Header returns the header of the records that Run emits.
func (s *Stream) Header() wire.Header { return s.h }

// Clock returns the time of the last idle frame: all records that were made before it have been emitted.
func (s *Stream) Clock() uint64 { return s.now.Load() }

// Run emits the records until the end frame. When ctx is done it requests the collector to end the run, and
// still emits the last records.
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
			pace.received(len(b))
			err = records(b, emit)
		case frameIdle:
			if len(b) < 8 {
				return fmt.Errorf("%w: an incomplete idle frame", errFrame)
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
	// If the collector has exited, the run has ended already.
	_, _ = s.in.ask(Request{Stop: &reason})
}
