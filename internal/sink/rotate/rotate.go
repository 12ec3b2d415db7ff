// Package rotate is a sink of many files, by the rules of tcpdump's -C, -G and
// -W (4.99, tcpdump(1)): a new file is begun before what comes after a limit was
// reached, so that a file may be a little larger than that, and names are made
// in the same way. Time is that of the entries, not of the machine.
//
// What of a run the next file needs is for Options.Make to give to each inner
// sink: see pcapng.Preamble.
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

// Options say when a file ends, what the next one is called, and how it is made.
type Options struct {
	// Name is that of the files. With Every it is a template as for
	// strftime(3), in the C locale.
	Name string
	// Size is how many bytes end a file (-C, there in units of 1,000,000); 0: none.
	Size int64
	// Every is after how long a file ends (-G, there in seconds); 0: never.
	Every time.Duration
	// Count is how many files there are (-W). With Size it is a ring: after
	// name0, name1, ... name0 is written again, all with as many digits as the
	// last needs. With Every alone ErrDone ends the run behind so many files.
	// With both it is the ring of each interval. 0: no limit.
	Count int
	Start int64          // of the timeline, ns since the epoch: names the first file
	Zone  *time.Location // of names; nil: UTC

	// Open makes a file, over one of that name if there is one. The name is NameOf(at).
	Open func(name string, at Place) (io.WriteCloser, error)
	// Make begins a file. A sink that has a method Size() int64 says with it
	// how long its file is; of others what they have written counts.
	Make func(w io.Writer) (sink.Sink, error)
}

// Place is one file of the many.
type Place struct {
	Since int64 // when its interval began, ns since the epoch; with Every alone the name depends on it
	Turn  int   // its number in the ring, or in the interval
}

// NameOf returns the name of a file. The number 0 is left out where nothing says how many digits it has.
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

// ErrDone says that all files there may be are written: the run is at its end,
// and nothing has failed.
var ErrDone = errors.New("maximum file limit reached")

// Sink writes to one file after the other.
type Sink struct {
	o    Options
	file io.WriteCloser
	sink sink.Sink
	size func() int64
	// begun is the size with which the file began.
	begun int64

	since int64 // when the interval began, ns since the epoch
	spans int   // intervals that have ended
	turn  int   // number of the file in its ring, or interval
	err   error
}

// New opens the first file. The error is that of Open or Make.
func New(o Options) (*Sink, error) {
	s := &Sink{o: o, since: o.Start}
	return s, s.open()
}

// Write gives an entry to the file at hand, or to the next one. It returns
// ErrDone, and not the entry to any file, when there is no next one.
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

// full says that the file at hand is larger than it should be. One that begins
// with much, for it must be opened by itself, gets as much again at least.
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

// next ends the file at hand, and begins another.
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

// Flush hands on what the file at hand has not got yet.
func (s *Sink) Flush() error {
	if s.err == nil {
		s.err = s.sink.Flush()
	}
	return s.err
}

// Close ends the last file. After ErrDone there is nothing left to do.
func (s *Sink) Close() error {
	if s.err == ErrDone {
		return nil
	}
	if err := s.end(); s.err == nil {
		s.err = err
	}
	return s.err
}

// counter counts what goes through it.
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
