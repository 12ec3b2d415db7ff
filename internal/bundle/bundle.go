// Package bundle merges several files into one timeline: for example the output of
// strace, tcpdump and audit for the same process and time.
//
// A file whose clock lacks the zone, the day or all of it is aligned by events that
// other files have, too (survey.go). Then all files are read in parallel through a
// window of time (read.go). Within the window related items are joined (align.go): an
// audit record and its call (record.go), the calls and the packets of a connection
// (pair.go), a call and the kernel functions in it (steps.go). The result gives calls
// with a coarse clock their order and better times (place.go), the socket of a call its
// local port, and a packet its process (run.go). All of this is inferred, and marked as
// such in the records (wire.Text.Slack, wire.PacketMatched).
//
// Memory is bounded for any input.
package bundle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pidwire/pidwire/internal/bounded"
	"github.com/pidwire/pidwire/internal/wire"
)

// Source reads a file; see pipeline.Source.
type Source interface {
	Header() wire.Header
	Run(ctx context.Context, emit func(wire.Record) error) error
}

// File is one of the files to merge.
type File struct {
	Name string
	// Open opens the file, and can be called repeatedly; the caller calls close.
	Open func() (src Source, close func() error, err error)
	// Once means that the file can be opened only once, like standard input. It is not
	// surveyed, and the bundle waits for its data.
	Once bool
	// Shift is added to all times, in ns, if Shifted; the clock is then not aligned.
	Shift   int64
	Shifted bool
}

// Options give what the files do not tell.
type Options struct {
	Zone *time.Location // time zone of times of day; nil: inferred, else UTC
	Date int64          // date of times of day: its midnight as if in UTC, ns since the epoch
	// Dated means that Date is set; otherwise the date is inferred.
	Dated bool
}

// Bundle is a source that merges several files.
type Bundle struct {
	files   []*file
	header  wire.Header
	notes   []string
	undated []string // files whose date no file tells
	o       Options
	comms   map[uint32]string // process names from any file
	at      aligner
	hosts   hosts
	tables  *bounded.Room // shared by the connections of all files
	emit    func(wire.Record) error
	rec     []byte
	sent    uint64 // time of the latest emitted record
}

// ErrFile is an error that ended the reading of one file. The other files are still read.
type ErrFile struct {
	Name string
	Err  error
}

func (e *ErrFile) Error() string { return e.Name + ": " + e.Err.Error() }
func (e *ErrFile) Unwrap() error { return e.Err }

// New surveys the files to align their clocks, and opens them. The caller must either
// run the bundle or close it.
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

// sameMachine returns an error for recordings of different machines or boots, whose pids,
// cookies and times cannot be compared.
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
			return fmt.Errorf("%s was recorded on %s (%s), %s on %s (%s): recordings of different machines cannot be merged yet; open them separately",
				first.Name, first.h.Host, first.h.Arch, f.Name, f.h.Host, f.h.Arch)
		case abs(booted(&first.h)-booted(&f.h)) > int64(time.Minute):
			return fmt.Errorf("%s and %s were recorded after different boots of %s, and their socket numbers do not match: they cannot be merged yet; open them separately",
				first.Name, f.Name, f.h.Host)
		}
	}
	return nil
}

// booted returns the boot time of the machine of a recording, provided that its clock
// was right.
func booted(h *wire.Header) int64 { return int64(h.Wall - h.Mono) }

// makeHeader builds the header of the merged timeline, whose two clocks are both the wall clock.
func (b *Bundle) makeHeader() {
	h := wire.Header{Version: wire.WireVersion, Arch: "amd64", Clock: wire.ClockNone, Messages: wire.WithoutMessages}
	first := int64(-1)
	for _, f := range b.files {
		if f.h.Kernel != "" {
			h.Arch, h.Kernel, h.Host, h.PageSize, h.Command = f.h.Arch, f.h.Kernel, f.h.Host, f.h.PageSize, f.h.Command
		}
		h.StrLen = max(h.StrLen, f.h.StrLen)
		h.Layers |= f.h.Layers
		if f.h.Messages != wire.WithoutMessages {
			h.Messages = f.h.Messages
		}
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

// Header returns the header: its times are that of the first event of all files, and both
// clocks are the wall clock.
func (b *Bundle) Header() wire.Header { return b.header }

// Notes returns one line for each file whose clock was aligned.
func (b *Bundle) Notes() []string { return b.notes }

// Close closes the files that Run has not closed.
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
