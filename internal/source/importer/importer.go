// Package importer is the source of what other tools printed: a record for each
// event of an audit log, for each line of strace, of truss and of kernel tracers,
// and for each packet that tcpdump described. It needs no privilege, and runs on any system.
//
// What cannot be read is counted and said, with its line; so is where somebody
// left lines out. Memory is bounded, whatever the file holds.
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

// Kind is what a file is.
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

// format is how the files of a kind are read.
type format struct {
	name   string
	layers uint32                      // set of bits: 1<<wire.LayerSys...
	begin  func(*Source)               // before the first line; may be nil
	line   func(*Source, []byte) error // one line, without its end; good until the next
	flush  func(*Source) error         // at the end of the file; may be nil
}

var formats [kinds]format

func init() { // the methods ask for their formats
	formats = [kinds]format{
		Unknown:  {name: "unknown"},
		AuditLog: {"audit log", 1 << wire.LayerAud, nil, (*Source).audit, (*Source).flushAudit},
		Strace:   {"strace", 1 << wire.LayerSys, (*Source).beginStrace, (*Source).strace, (*Source).flushStrace},
		Dump:     {"tcpdump", 1 << wire.LayerPkt, (*Source).beginDump, (*Source).dump, nil},
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
	// sniffLines are looked at, at most, to tell what a file is.
	sniffLines = 50
	// SniffBytes is how much of a file's start Sniff is to be given.
	SniffBytes = 16 << 10
	// maxLine is the longest line; what is behind it is left out, and said.
	maxLine = 1 << 20
	// maxTold are lines that are told by themselves; further ones are counted.
	maxTold    = 10
	checkEvery = 1024
)

// Sniff says what a file is by its first bytes: what most of its lines are.
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
			break // it may be cut
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

// kindOf says what a line is of, and whether no other tool prints such a one:
// many lines of truss could be of strace.
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
	queue  [][]byte // records before Run, of which Header needs the first
	line   uint32
	latest uint64
	rec    []byte
	long   []byte // a line that is longer than the reader's buffer
	bad    uint64
	failed error // of New's reading
	// Of an audit log.
	asm    auditlog.Assembler
	record auditlog.Record
	// Of strace.
	parsed  strace.Line
	join    strace.Joiner
	pid     uint32 // of lines that say none
	printed []byte
	keyless bool  // a key was taken out of what is printed
	err     error // of emit, in a callback

	clock clock
	text  text

	trussed   truss.Line
	trussJoin truss.Joiner
	base      int64 // of times that count from the start: ns since the epoch
	traced    ktrace.Line
	tracer    ktrace.Reader
	threads   map[uint32]int64 // when the outermost function of a thread began
}

// New reads as far as the first record, and returns a source of the rest.
func New(in *bufio.Reader, name string, kind Kind) (*Source, error) {
	if kind <= Unknown || kind >= kinds {
		return nil, fmt.Errorf("%s: not a file of a tool that is known", name)
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
			s.failed = err // Run says so, after what was read
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
	// The clock of the tool is the wall clock, and stands in for the monotonic one.
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

// last is the time of what is no event.
func (s *Source) last() uint64 { return max(s.latest, s.header.Mono) }

// Header says when the first event was.
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
			// A file that grows: what is here is shown.
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
		if err := s.note(fmt.Sprintf("%s: %d records were left out of events that have too many", s.name, s.asm.Cut)); err != nil {
			return err
		}
	}
	if s.bad > maxTold {
		if err := s.note(fmt.Sprintf("%s: %d lines in all were not read", s.name, s.bad)); err != nil {
			return err
		}
	}
	e := wire.End{H: wire.Hdr{Kind: wire.KindEnd, Time: s.last()}, Reason: wire.EndDetached}
	if err := emit(wire.Seal(e.Append(s.rec[:0]))); err != nil {
		return err
	}
	return emit(nil)
}

// next reads a line and emits what it completes.
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

// longLine reads on, up to what a line may have.
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
	s.text.start = sinceStart(head)
}

// say emits a line as it was printed.
func (s *Source) say(x *wire.Text, text []byte) error {
	x.Text = uint32(len(text))
	s.rec = append(x.Append(s.rec[:0]), text...)
	for len(s.rec)%8 != 0 {
		s.rec = append(s.rec, 0)
	}
	s.latest = max(s.latest, x.H.Time)
	return s.emit(wire.Seal(s.rec))
}

// gap says that somebody left lines out: "..." alone on a line.
func (s *Source) gap() error {
	return s.note(fmt.Sprintf("%s:%d: lines were left out here", s.name, s.line))
}

// unread says of a line that it was not read.
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
