// Package rotate is a sink that writes several files, like -C, -G and -W of tcpdump (4.99,
// tcpdump(1)): limits are checked before an entry is written, so that a file may exceed the
// limit by one entry, and names are formed in the same way. Time is that of the entries, not
// the current time.
//
// Options.Make must give each inner sink the state that it needs from earlier files; see
// pcapng.Preamble.
package rotate

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink"
)

// Options control when a file ends, and the name and the creation of the next one.
type Options struct {
	// Name is the name of the files. With Every it is a template for strftime(3) in the C
	// locale.
	Name string
	// Size is the maximum size of a file in bytes (-C, there in units of 1,000,000). 0: no limit.
	Size int64
	// Every is the maximum duration of a file (-G, there in seconds). 0: no limit.
	Every time.Duration
	// Count is the number of files (-W). With Size it is the size of a ring: after name0,
	// name1, ... name0 is overwritten; all numbers have the digits of the largest. With Every
	// alone, Write returns ErrDone after Count files. With both it is the size of the ring in
	// each interval. 0: no limit.
	Count int
	Start int64          // start of the timeline, ns since the epoch, for the name of the first file
	Zone  *time.Location // time zone of names; nil: UTC

	// Open creates a file, or overwrites an existing one. The name is NameOf(at).
	Open func(name string, at Place) (io.WriteCloser, error)
	// Make returns the sink of a file. If it has a method Size() int64, that is the size of
	// the file; otherwise the bytes written to w are counted.
	Make func(w io.Writer) (sink.Sink, error)
}

// Place identifies a file.
type Place struct {
	Since int64 // start of its interval, ns since the epoch; the name depends on it with Every
	Turn  int   // number in the ring, or in the interval
}

// NameOf returns the name of a file. It omits the number 0 if the number of digits is not fixed.
func (o Options) NameOf(p Place) string {
	name := o.Name
	if o.Every > 0 {
		zone := o.Zone
		if zone == nil {
			zone = time.UTC
		}
		name = strftime(name, time.Unix(0, p.Since).In(zone))
	}
	digits := 0
	if o.Count > 1 && o.Size != 0 {
		digits = len(strconv.Itoa(o.Count - 1))
	}
	if p.Turn == 0 && digits == 0 {
		return name
	}
	return name + fmt.Sprintf("%0*d", digits, p.Turn)
}

// ErrDone means that Count files have been written: the run must end, without an error.
var ErrDone = errors.New("maximum file limit reached")

// Sink writes to one file after another.
type Sink struct {
	o    Options
	file io.WriteCloser
	sink sink.Sink
	size func() int64
	// begun is the size of the file before the first entry.
	begun int64

	since int64 // start of the interval, ns since the epoch
	spans int   // number of intervals that have ended
	turn  int   // number of the file in the ring, or in the interval
	err   error
}

// New opens the first file. It returns the error of Open or Make.
func New(o Options) (*Sink, error) {
	s := &Sink{o: o, since: o.Start}
	return s, s.open()
}

// Write writes an entry to the current file, or to the next one if a limit is reached. If there
// is no next file it returns ErrDone, and does not write the entry.
func (s *Sink) Write(e *event.Entry) error {
	if s.err == nil && s.o.Every > 0 && e.Time-s.since >= int64(s.o.Every) {
		s.err = s.nextInterval(e.Time)
	}
	if s.err == nil && s.full() {
		if s.turn++; s.turn == s.o.Count {
			s.turn = 0
		}
		s.err = s.next()
	}
	if s.err != nil {
		return s.err
	}
	s.err = s.sink.Write(e)
	return s.err
}

// full reports whether the current file has exceeded Size. A file with a large preamble must
// also have reached twice its initial size.
func (s *Sink) full() bool {
	if s.o.Size == 0 {
		return false
	}
	n := s.size()
	return n > s.o.Size && n >= 2*s.begun
}

func (s *Sink) nextInterval(now int64) error {
	s.since = now
	s.spans++
	if s.o.Size == 0 && s.o.Count > 0 && s.spans >= s.o.Count {
		if err := s.end(); err != nil {
			return err
		}
		return ErrDone
	}
	s.turn = 0
	return s.next()
}

// next closes the current file and opens the next one.
func (s *Sink) next() error {
	if err := s.end(); err != nil {
		return err
	}
	return s.open()
}

func (s *Sink) end() error {
	if s.file == nil {
		return nil
	}
	err := errors.Join(s.sink.Close(), s.file.Close())
	s.file = nil
	return err
}

func (s *Sink) open() error {
	at := Place{s.since, s.turn}
	name := s.o.NameOf(at)
	f, err := s.o.Open(name, at)
	if err != nil {
		return err
	}
	w := &counter{w: f}
	if s.sink, err = s.o.Make(w); err != nil {
		return fmt.Errorf("%s: %w", name, errors.Join(err, f.Close()))
	}
	s.file, s.size = f, w.size
	if sized, ok := s.sink.(interface{ Size() int64 }); ok {
		s.size = sized.Size
	}
	s.begun = s.size()
	return nil
}

// Flush flushes the current file.
func (s *Sink) Flush() error {
	if s.err == nil {
		s.err = s.sink.Flush()
	}
	return s.err
}

// Close closes the last file. After ErrDone it does nothing.
func (s *Sink) Close() error {
	if s.err == ErrDone {
		return nil
	}
	if err := s.end(); s.err == nil {
		s.err = err
	}
	return s.err
}

// counter is a writer that counts bytes.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) size() int64 { return c.n }

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}
