// Package bundle makes one timeline of several files: what strace, tcpdump and
// audit saw of one process at the same time, say.
//
// A clock that does not tell the zone, the day or anything is set by what other
// files have of the same events (survey.go). Then all are read side by side, a
// window at a time (read.go), and in each what belongs together is found
// (align.go): an audit record and its call (record.go), a connection's calls and
// its packets (pair.go), a call and what the kernel did in it (steps.go). From
// that come the order and closer times for calls whose clock is coarse (place.go),
// the local port of a call's socket and the process of a packet (run.go). All of
// it is evidence and no proof: records say so (wire.Text.Slack,
// wire.PacketMatched).
//
// Memory is bounded, whatever the files hold.
package bundle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pidwire/pidwire/internal/bounded"
	"github.com/pidwire/pidwire/internal/wire"
)

// Source is what a file is read by; see pipeline.Source.
type Source interface {
	Header() wire.Header
	Run(ctx context.Context, emit func(wire.Record) error) error
}

// File is one of the files.
type File struct {
	Name string
	// Open begins to read the file, anew each time; close ends that.
	Open func() (src Source, close func() error, err error)
	// Once says that it can be opened once: standard input. It is not looked
	// through before, and waited for.
	Once bool
	// Shift is to be added to its times, ns, if Shifted: nothing is found then.
	Shift   int64
	Shifted bool
}

// Options say what the files do not.
type Options struct {
	Zone *time.Location // of times of day; nil: found, else UTC
	Date int64          // of times of day: ns since the epoch at its midnight, as if in UTC
	// Dated says that Date is given; else it is found.
	Dated bool
}

// Bundle is the source of several files.
type Bundle struct {
	files   []*file
	header  wire.Header
	notes   []string
	undated []string // files of which no other tells the date
	o       Options
	comms   map[uint32]string // names of processes that any file has
	at      aligner
	hosts   hosts
	tables  *bounded.Room // of all files
	emit    func(wire.Record) error
	rec     []byte
	sent    uint64 // time of the latest record
}

// ErrFile is what ended the reading of a file; the others were read on.
type ErrFile struct {
	Name string
	Err  error
}

func (e *ErrFile) Error() string { return e.Name + ": " + e.Err.Error() }
func (e *ErrFile) Unwrap() error { return e.Err }

// New looks through the files, as far as that takes to set their clocks, and
// opens them. The caller runs the bundle, or closes it.
func New(ctx context.Context, files []File, o Options) (*Bundle, error) {
	b := &Bundle{o: o, comms: map[uint32]string{}, tables: bounded.Of(tableBytes)}
	b.at.init(&b.hosts, b.tables)
	digests := make([]*digest, len(files))
	for i := range files {
		f := &file{File: files[i], n: i}
		b.files = append(b.files, f)
		if f.Once {
			continue
		}
		d, err := survey(ctx, f, &b.hosts, len(files))
		if err != nil {
			return nil, err
		}
		digests[i] = d
		for pid, comm := range d.comms {
			if _, known := b.comms[pid]; !known && len(b.comms) < maxComms {
				b.comms[pid] = comm
			}
		}
		d.comms = nil
	}
	for i, f := range b.files {
		var err error
		if f.src, f.close, err = f.Open(); err != nil {
			b.Close()
			return nil, &ErrFile{f.Name, err}
		}
		f.h = f.src.Header()
		if digests[i] == nil {
			digests[i] = &digest{clock: f.h.Clock, first: int64(f.h.Wall), last: int64(f.h.Wall)}
		}
	}
	if err := b.sameMachine(); err != nil {
		b.Close()
		return nil, err
	}
	b.setClocks(digests)
	b.makeHeader()
	return b, nil
}

// sameMachine refuses recordings whose records mean different things by the
// same numbers.
func (b *Bundle) sameMachine() error {
	var first *file
	for _, f := range b.files {
		if f.h.Kernel == "" {
			continue
		}
		switch {
		case first == nil:
			first = f
		case first.h.Arch != f.h.Arch || first.h.Host != f.h.Host:
			return fmt.Errorf("%s is of %s (%s), %s of %s (%s): recordings of several machines are not joined yet; open them one by one",
				first.Name, first.h.Host, first.h.Arch, f.Name, f.h.Host, f.h.Arch)
		case abs(booted(&first.h)-booted(&f.h)) > int64(time.Minute):
			return fmt.Errorf("%s and %s were made after different starts of %s, and number sockets each by its own: they are not joined yet; open them one by one",
				first.Name, f.Name, f.h.Host)
		}
	}
	return nil
}

// booted is when the machine of a recording started, as far as its clock was set
// right.
func booted(h *wire.Header) int64 { return int64(h.Wall - h.Mono) }

// makeHeader makes the header of all: the wall clock stands for both.
func (b *Bundle) makeHeader() {
	h := wire.Header{Version: wire.WireVersion, Arch: "amd64", Clock: wire.ClockNone}
	first := int64(-1)
	for _, f := range b.files {
		if f.h.Kernel != "" {
			h.Arch, h.Kernel, h.Host, h.PageSize, h.Command = f.h.Arch, f.h.Kernel, f.h.Host, f.h.PageSize, f.h.Command
		}
		h.StrLen = max(h.StrLen, f.h.StrLen)
		h.Layers |= f.h.Layers
		h.Clock = min(h.Clock, f.h.Clock)
		h.Targets = append(h.Targets, f.Name)
		if f.h.Clock == wire.ClockNone && len(b.files) > 1 {
			continue
		}
		if at := int64(f.h.Wall) + f.shift; first < 0 || at < first {
			first = at
		}
	}
	h.Mono, h.Wall = uint64(max(first, 0)), uint64(max(first, 0))
	b.header = h
}

// Header says when the first event of all was, and that both clocks are the
// wall clock.
func (b *Bundle) Header() wire.Header { return b.header }

// Notes say how the clocks of the files were set, a line each.
func (b *Bundle) Notes() []string { return b.notes }

// Close ends the reading of files that Run has not ended.
func (b *Bundle) Close() error {
	var errs []error
	for _, f := range b.files {
		if f.close != nil {
			errs = append(errs, f.close())
			f.close = nil
		}
	}
	return errors.Join(errs...)
}
