// Package importer is the source for the text output of other tools: it makes a record for
// each event of an audit log, for each line of strace, truss and kernel tracers, and for
// each packet that tcpdump has printed. It needs no privilege, and runs on any system.
//
// Lines that cannot be read are counted and reported by number, and so are places where
// lines were left out ("..."). Memory is bounded for any input.
package importer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/pidwire/pidwire/internal/foreign/auditlog"
	"github.com/pidwire/pidwire/internal/foreign/dump"
	"github.com/pidwire/pidwire/internal/foreign/ktrace"
	"github.com/pidwire/pidwire/internal/foreign/strace"
	"github.com/pidwire/pidwire/internal/foreign/truss"
	"github.com/pidwire/pidwire/internal/wire"
)

// Kind is the format of a file.
type Kind int

const (
	Unknown Kind = iota
	AuditLog
	Strace
	Dump
	Truss
	Ktrace
	kinds
)

// format has the functions that read files of a Kind.
type format struct {
	name   string
	layers uint32                      // set of bits: 1<<wire.LayerSys...
	begin  func(*Source)               // called before the first line; may be nil
	line   func(*Source, []byte) error // called for each line, without its end; valid during the call
	flush  func(*Source) error         // called at the end of the file; may be nil
}

var formats [kinds]format

func init() { // not in the declaration: the methods refer to formats
	formats = [kinds]format{
		Unknown:  {name: "unknown"},
		AuditLog: {"audit log", 1 << wire.LayerAud, nil, (*Source).audit, (*Source).flushAudit},
		Strace:   {"strace", 1 << wire.LayerSys, (*Source).beginStrace, (*Source).strace, (*Source).flushStrace},
		Dump:     {"tcpdump", 1 << wire.LayerPkt, (*Source).beginDump, (*Source).dump, (*Source).release},
		Truss:    {"truss", 1 << wire.LayerSys, nil, (*Source).truss, (*Source).flushTruss},
		Ktrace:   {"kernel tracer", 1 << wire.LayerKrn, nil, (*Source).ktrace, nil},
	}
}

func (k Kind) String() string {
	if k < 0 || k >= kinds {
		return formats[Unknown].name
	}
	return formats[k].name
}

const (
	// sniffLines is the maximum number of lines that Sniff examines.
	sniffLines = 50
	// SniffBytes is the number of bytes from the start of a file that Sniff needs.
	SniffBytes = 16 << 10
	// maxLine is the maximum length of a line in bytes; longer ones are truncated.
	maxLine = 1 << 20
	// maxTold is the number of unreadable lines that are reported one by one; further ones are counted.
	maxTold    = 10
	checkEvery = 1024
)

// Sniff detects the Kind of a file by its first bytes: that of most lines.
func Sniff(head []byte) Kind {
	if bytes.IndexByte(head, 0) >= 0 {
		return Unknown
	}
	var votes [kinds]float64
	var packets dump.Reader
	for n := 0; n < sniffLines && len(head) > 0; n++ {
		line, rest, whole := bytes.Cut(head, []byte("\n"))
		head = rest
		if !whole && n > 0 {
			break // it may be incomplete
		}
		kind, sure := kindOf(line, &packets)
		if votes[kind]++; sure {
			votes[kind] += 2
		}
	}
	votes[Unknown] = 0
	best := Unknown
	for k := range kinds {
		if votes[k] > votes[best] {
			best = k
		}
	}
	return best
}

// kindOf detects the Kind of a line, and reports whether it is certain: many lines of truss
// could also be of strace.
func kindOf(line []byte, packets *dump.Reader) (k Kind, sure bool) {
	var r auditlog.Record
	if k := auditlog.Read(line, &r); k == auditlog.Raw || k == auditlog.Interpreted || k == auditlog.Printed {
		return AuditLog, true
	}
	if truss.Is(line) {
		return Truss, true
	}
	if ktrace.Is(line) != 0 {
		return Ktrace, true
	}
	var l strace.Line
	if strace.Parse(line, &l) == nil {
		switch l.Kind {
		case strace.Call, strace.Unfinished, strace.Resumed, strace.Exit, strace.Killed, strace.Signal:
			return Strace, false
		}
	}
	var p dump.Line
	if packets.Read(line, &p); p.Kind == dump.Packet || p.Kind == dump.Begun || p.Kind == dump.Bad {
		return Dump, true
	}
	return Unknown, false
}

// Source reads a file.
type Source struct {
	kind   Kind
	name   string
	in     *bufio.Reader
	header wire.Header
	emit   func(wire.Record) error
	queue  [][]byte // records read by New; the header needs the time of the first event
	line   uint32   // number of the current line
	latest uint64   // latest time of a record
	rec    []byte
	long   []byte // a line that is longer than the reader's buffer
	bad    uint64 // number of unreadable lines
	failed error  // read error in New
	// For audit logs.
	asm    auditlog.Assembler
	record auditlog.Record
	// For strace.
	parsed  strace.Line
	join    strace.Joiner
	pid     uint32 // pid for lines without one
	printed []byte
	keyless bool  // a key was removed from printed
	err     error // error of emit in a callback

	clock clock
	text  text

	trussed   truss.Line
	trussJoin truss.Joiner
	base      int64 // origin of times that count from the start, ns since the epoch
	traced    ktrace.Line
	tracer    ktrace.Reader
	threads   map[uint32]int64 // start time of the outermost function by thread
}

// New returns a source for in. It reads up to the first event.
func New(in *bufio.Reader, name string, kind Kind) (*Source, error) {
	if kind <= Unknown || kind >= kinds {
		return nil, fmt.Errorf("%s: not the format of a known tool", name)
	}
	s := &Source{kind: kind, name: name, in: in}
	f := &formats[kind]
	s.header = wire.Header{Version: wire.WireVersion, Arch: "amd64", Layers: f.layers, Targets: []string{name}}
	if f.begin != nil {
		f.begin(s)
	}
	s.emit = func(r wire.Record) error {
		s.queue = append(s.queue, bytes.Clone(r))
		return nil
	}
	for !s.begun() {
		if err := s.next(); err == io.EOF {
			if err := s.flush(); err != nil {
				return nil, err
			}
			break
		} else if err != nil {
			s.failed = err // Run returns it after the records read so far
			break
		}
	}
	first := uint64(0)
	for _, r := range s.queue {
		if !aside(r) {
			first = wire.Record(r).Time()
			break
		}
	}
	s.header.Clock = s.clock.work
	// The tool uses the wall clock, which also takes the place of the monotonic one.
	s.header.Mono, s.header.Wall = first, first
	for _, r := range s.queue {
		if aside(r) {
			wire.Record(r).SetTime(first)
		}
	}
	return s, nil
}

func (s *Source) begun() bool {
	for _, r := range s.queue {
		if !aside(r) {
			return true
		}
	}
	return len(s.queue) > 2*maxTold
}

// aside reports whether a record is no event, and has no time of its own.
func aside(r wire.Record) bool {
	k := r.Kind()
	return k == wire.KindNote || k == wire.KindName || k == wire.KindLost
}

// last returns the time for a record that is no event.
func (s *Source) last() uint64 { return max(s.latest, s.header.Mono) }

// Header returns the header, which has the time of the first event.
func (s *Source) Header() wire.Header { return s.header }

// Run emits a record for each event, and a KindEnd.
func (s *Source) Run(ctx context.Context, emit func(wire.Record) error) error {
	for _, r := range s.queue {
		if err := emit(r); err != nil {
			return err
		}
	}
	s.queue, s.emit = nil, emit
	if s.failed != nil {
		return errors.Join(s.flush(), emit(nil), s.failed)
	}
	for n := 0; ; n++ {
		if n%checkEvery == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		if s.in.Buffered() == 0 {
			// The next read may block: show what has been read.
			if err := emit(nil); err != nil {
				return err
			}
		}
		err := s.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return errors.Join(s.flush(), emit(nil), err)
		}
	}
	if err := s.flush(); err != nil {
		return err
	}
	if s.asm.Cut > 0 {
		if err := s.note(fmt.Sprintf("%s: %d records were omitted, from events that have too many", s.name, s.asm.Cut)); err != nil {
			return err
		}
	}
	if s.bad > maxTold {
		if err := s.note(fmt.Sprintf("%s: %d lines in total could not be read", s.name, s.bad)); err != nil {
			return err
		}
	}
	e := wire.End{H: wire.Hdr{Kind: wire.KindEnd, Time: s.last()}, Reason: wire.EndDetached}
	if err := emit(wire.Seal(e.Append(s.rec[:0]))); err != nil {
		return err
	}
	return emit(nil)
}

// next reads a line and emits the records that it completes.
func (s *Source) next() error {
	line, err := s.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		line, err = s.longLine(line)
	}
	if err != nil && (err != io.EOF || len(line) == 0) {
		return err
	}
	s.line++
	line = bytes.TrimRight(line, "\r\n")
	return formats[s.kind].line(s, line)
}

// longLine reads the rest of a line, and truncates it to maxLine.
func (s *Source) longLine(start []byte) ([]byte, error) {
	s.long = append(s.long[:0], start...)
	for {
		more, err := s.in.ReadSlice('\n')
		if len(s.long) < maxLine {
			s.long = append(s.long, more[:min(len(more), maxLine-len(s.long))]...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return s.long, err
		}
	}
}

func (s *Source) flush() error {
	if flush := formats[s.kind].flush; flush != nil {
		return flush(s)
	}
	return nil
}

func (s *Source) flushAudit() error { return s.asm.Flush(s.auditEvent) }

func (s *Source) flushTruss() error {
	s.trussJoin.Flush(s.trussLine)
	return s.err
}

func (s *Source) flushStrace() error {
	s.join.Flush(s.straceLine)
	return s.err
}

func (s *Source) beginStrace() { s.pid = pidOf(s.name) }

func (s *Source) beginDump() {
	head, _ := s.in.Peek(min(s.in.Buffered(), SniffBytes))
	s.text.start, s.text.dumps = sinceStart(head), hasDumps(head)
}

// say emits a text record.
func (s *Source) say(x *wire.Text, text []byte) error {
	x.Text = uint32(len(text))
	s.rec = append(x.Append(s.rec[:0]), text...)
	for len(s.rec)%8 != 0 {
		s.rec = append(s.rec, 0)
	}
	s.latest = max(s.latest, x.H.Time)
	return s.emit(wire.Seal(s.rec))
}

// gap emits a note that lines were left out, for a line "...".
func (s *Source) gap() error {
	return s.note(fmt.Sprintf("%s:%d: %s", s.name, s.line, wire.MissingLines))
}

// unread counts a line that cannot be read, and emits a note for the first maxTold.
func (s *Source) unread(why string) error {
	if s.bad++; s.bad > maxTold {
		return nil
	}
	return s.note(fmt.Sprintf("%s:%d: %s", s.name, s.line, why))
}

func (s *Source) note(text string) error {
	attrs := wire.AppendAttr(nil, wire.TagText, text)
	n := wire.Note{H: wire.Hdr{Kind: wire.KindNote, Time: s.last()}, Level: wire.NoteDegraded, Attrs: uint16(len(attrs))}
	b := append(n.Append(s.rec[:0]), attrs...)
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	s.rec = b
	return s.emit(wire.Seal(b))
}
