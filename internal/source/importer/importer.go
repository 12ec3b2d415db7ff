// Package importer is the source of what other tools printed: a record for each
// event of an audit log, and for each line of strace. It needs no privilege, and
// runs on any system.
//
// What cannot be read is counted and said, with its line. Memory is bounded,
// whatever the file holds.
package importer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/pidwire/pidwire/internal/foreign/auditlog"
	"github.com/pidwire/pidwire/internal/foreign/strace"
	"github.com/pidwire/pidwire/internal/source/audit"
	"github.com/pidwire/pidwire/internal/wire"
)

// Kind is what a file is.
type Kind int

const (
	Unknown Kind = iota
	AuditLog
	Strace
)

func (k Kind) String() string {
	switch k {
	case AuditLog:
		return "audit log"
	case Strace:
		return "strace"
	}
	return "unknown"
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
	var votes [Strace + 1]int
	for n := 0; n < sniffLines && len(head) > 0; n++ {
		line, rest, whole := bytes.Cut(head, []byte("\n"))
		head = rest
		if !whole && n > 0 {
			break // it may be cut
		}
		var r auditlog.Record
		if k := auditlog.Read(line, &r); k == auditlog.Raw || k == auditlog.Interpreted || k == auditlog.Printed {
			votes[AuditLog]++
			continue
		}
		var l strace.Line
		if strace.Parse(line, &l) == nil {
			switch l.Kind {
			case strace.Call, strace.Unfinished, strace.Resumed, strace.Exit, strace.Killed, strace.Signal:
				votes[Strace]++
			}
		}
	}
	switch {
	case votes[AuditLog] > votes[Strace]:
		return AuditLog
	case votes[Strace] > 0:
		return Strace
	}
	return Unknown
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
	// Of an audit log.
	asm    auditlog.Assembler
	record auditlog.Record
	// Of strace.
	parsed  strace.Line
	join    strace.Joiner
	pid     uint32 // of lines that say none
	clock   int64  // ns, of the line before
	day     int64  // ns of the day that a time of day is on
	printed []byte
	err     error // of emit, in a callback
}

// New reads as far as the first record, and returns a source of the rest.
func New(in *bufio.Reader, name string, kind Kind) (*Source, error) {
	s := &Source{kind: kind, name: name, in: in}
	s.header = wire.Header{Version: wire.WireVersion, Arch: "amd64", Layers: 1 << wire.LayerSys, Targets: []string{name}}
	if kind == AuditLog {
		s.header.Layers = 1 << wire.LayerAud
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
			return nil, err
		}
	}
	first := uint64(0)
	for _, r := range s.queue {
		if k := wire.Record(r).Kind(); k != wire.KindNote {
			first = wire.Record(r).Time()
			break
		}
	}
	// The clock of the tool is the wall clock, and stands in for the monotonic one.
	s.header.Mono, s.header.Wall = first, first
	for _, r := range s.queue {
		if wire.Record(r).Kind() == wire.KindNote {
			wire.Record(r).SetTime(first)
		}
	}
	return s, nil
}

func (s *Source) begun() bool {
	for _, r := range s.queue {
		if wire.Record(r).Kind() != wire.KindNote {
			return true
		}
	}
	return len(s.queue) > 2*maxTold
}

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
			return err
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
	e := wire.End{H: wire.Hdr{Kind: wire.KindEnd, Time: max(s.latest, s.header.Mono)}, Reason: wire.EndDetached}
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
	if s.kind == AuditLog {
		return s.audit(line)
	}
	return s.strace(line)
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
	if s.kind == AuditLog {
		return s.asm.Flush(s.auditEvent)
	}
	s.join.Flush(s.straceLine)
	return s.err
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
	n := wire.Note{H: wire.Hdr{Kind: wire.KindNote, Time: max(s.latest, s.header.Mono)}, Level: wire.NoteDegraded, Attrs: uint16(len(attrs))}
	b := append(n.Append(s.rec[:0]), attrs...)
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	s.rec = b
	return s.emit(wire.Seal(b))
}

func (s *Source) audit(line []byte) error {
	r := &s.record
	switch auditlog.Read(line, r) {
	case auditlog.Empty, auditlog.TimeLine:
		return nil
	case auditlog.Separator:
		return s.asm.Flush(s.auditEvent) // ausearch parts events so
	case auditlog.Raw:
		return s.asm.Add(r, line, s.auditEvent)
	case auditlog.Interpreted, auditlog.Printed:
		s.long = r.AppendRaw(s.long[:0], numberOf)
		return s.asm.Add(r, s.long, s.auditEvent)
	}
	return s.unread("not a record of audit")
}

// numberOf resolves what ausearch -i put in words, where that is known here: the
// names of errors are left to who decodes.
func numberOf(abi uint8, key string, name []byte) (int64, bool) {
	c := wire.CallByName(string(name))
	switch key {
	case "syscall":
		if string(name) == "socketcall" && abi == wire.AbiI386 {
			return wire.Socketcall, true
		}
		if c != nil {
			n, ok := c.Number(abi)
			return int64(n), ok
		}
	case "a0":
		if c != nil && c.Socketcall != 0 {
			return int64(c.Socketcall), true
		}
	}
	n, ok := socketWords[string(name)]
	return n, ok
}

// socketWords are what ausearch -i makes of the arguments of socket(2).
var socketWords = map[string]int64{
	"local": 1, "inet": 2, "inet6": 10, "netlink": 16, "packet": 17, "vsock": 40,
	"SOCK_STREAM": 1, "SOCK_DGRAM": 2, "SOCK_RAW": 3, "SOCK_SEQPACKET": 5,
	"ip": 0, "icmp": 1, "tcp": 6, "udp": 17, "ipv6-icmp": 58, "sctp": 132,
}

func (s *Source) auditEvent(e *auditlog.Event) error {
	a, _, _ := audit.Header(e)
	s.latest = max(s.latest, uint64(e.Wall))
	a.H = wire.Hdr{Kind: wire.KindAudit, Layer: wire.LayerAud, Time: uint64(e.Wall)}
	s.rec = audit.Append(s.rec[:0], &a, e.Text)
	return s.emit(wire.Seal(s.rec))
}

func (s *Source) strace(line []byte) error {
	if len(line) == 0 {
		return nil
	}
	if err := strace.Parse(line, &s.parsed); err != nil {
		return s.unread("not a line of strace")
	}
	s.join.Add(&s.parsed, s.straceLine)
	err := s.err
	s.err = nil
	return err
}

// straceLine emits a line, or a call that was cut in two.
func (s *Source) straceLine(l *strace.Line) {
	if s.err != nil {
		return
	}
	switch l.Kind {
	case strace.Note:
		// Process 9744 attached: whom lines without a pid are about.
		var pid uint32
		if n, _ := fmt.Sscanf(string(bytes.TrimPrefix(l.Text, []byte("strace: "))), "Process %d attached", &pid); n == 1 && s.pid == 0 {
			s.pid = pid
		}
		return
	case strace.Gap, strace.Stack, strace.Dump, strace.Signal, strace.Superseded:
		return
	case strace.Call, strace.Unfinished, strace.Exit, strace.Killed:
	default:
		s.err = s.unread("half of a call, of which the other half is not here")
		return
	}
	at, slack := s.time(l)
	pid := l.PID
	if pid == 0 {
		pid = s.pid
	}
	x := wire.Text{
		H: wire.Hdr{Kind: wire.KindText, Layer: wire.LayerSys, Time: uint64(max(at, 0))}, Slack: uint64(slack), Pid: pid, Line: s.line, Format: wire.TextStrace,
	}
	copy(x.Comm[:len(x.Comm)-1], l.Comm)
	// What is kept is the call alone; nobody looks at the leader again.
	l.PID, l.Comm, l.Context, l.Time, l.Delta, l.Nr, l.IP = 0, nil, nil, strace.Stamp{}, strace.Stamp{}, -1, 0
	s.printed = strace.Append(s.printed[:0], l)
	x.Text = uint32(len(s.printed))
	s.rec = append(x.Append(s.rec[:0]), s.printed...)
	for len(s.rec)%8 != 0 {
		s.rec = append(s.rec, 0)
	}
	s.latest = max(s.latest, x.H.Time)
	s.err = s.emit(wire.Seal(s.rec))
}

// time is when a line was, ns since the Unix epoch, and how far that may be off.
// A time of day is on the first day of the epoch, and on the next one when it
// goes back by more than half a day.
func (s *Source) time(l *strace.Line) (at, slack int64) {
	const day = int64(24 * time.Hour)
	switch l.Time.Clock {
	case strace.Unix:
		at = l.Time.NS
	case strace.Day:
		at = s.day + l.Time.NS
		if at < s.clock-day/2 {
			s.day += day
			at += day
		}
	default:
		at = s.clock
		if l.Delta.Clock == strace.Delta {
			at += l.Delta.NS
		} else {
			slack = day
		}
	}
	s.clock = at
	if l.Time.Clock != strace.NoClock && slack == 0 {
		slack = precision(l.Time.Text)
	}
	return at, slack
}

// precision is what the last digit of a time is worth, ns.
func precision(text []byte) int64 {
	_, digits, _ := bytes.Cut(text, []byte("."))
	n := int64(time.Second)
	for range digits {
		n = max(n/10, 1)
	}
	return n
}
