package importer

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/pidwire/pidwire/internal/foreign/keys"
	"github.com/pidwire/pidwire/internal/foreign/strace"
	"github.com/pidwire/pidwire/internal/wire"
)

func (s *Source) strace(line []byte) error {
	if len(line) == 0 {
		return nil
	}
	if call, ok := strace.Whole(line, &s.parsed); ok && !s.join.Waits(s.parsed.PID) && !keys.Maybe(call) {
		return s.straceText(&s.parsed, call)
	}
	if err := strace.Parse(line, &s.parsed); err != nil {
		return s.unread("not a line of strace")
	}
	s.join.Tag = s.line
	s.join.Add(&s.parsed, s.straceLine)
	err := s.err
	s.err = nil
	return err
}

// pidOf returns the pid at the end of the name of a file of strace -ff, or 0.
func pidOf(name string) uint32 {
	n, err := strconv.ParseUint(name[strings.LastIndexByte(name, '.')+1:], 10, 32)
	if err != nil || !strings.Contains(name, ".") {
		return 0
	}
	return uint32(n)
}

// straceLine emits a line, or a call that was joined from two lines.
func (s *Source) straceLine(l *strace.Line) {
	if s.err != nil {
		return
	}
	switch l.Kind {
	case strace.Note:
		// "Process 9744 attached" gives the pid for lines without one.
		var pid uint32
		if n, _ := fmt.Sscanf(string(bytes.TrimPrefix(l.Text, []byte("strace: "))), "Process %d attached", &pid); n == 1 && s.pid == 0 {
			s.pid = pid
		}
		return
	case strace.Gap:
		s.err = s.gap()
		return
	case strace.Stack, strace.Dump, strace.Signal, strace.Superseded:
		return
	case strace.Call, strace.Unfinished, strace.Exit, strace.Killed:
	default:
		s.err = s.unread("half of a call; the other half is missing")
		return
	}
	if l.Dur.Clock == strace.NoClock && l.EndTime.Clock == l.Time.Clock && precision(l.Time.Text) < 1_000_000 {
		// A joined call has two times, whose difference is the duration.
		if d := l.EndTime.NS - l.Time.NS; d >= 0 && l.HasResult {
			l.Dur = strace.Stamp{Clock: strace.Delta, NS: d, Text: fmt.Appendf(nil, "%d.%06d", d/1e9, d%1e9/1000)}
		}
	}
	s.keyless = keys.Hide(l.Name, l.Args())
	at := *l
	// Only the call is printed, without the fields before it.
	l.PID, l.Comm, l.Context, l.Time, l.Delta, l.Nr, l.IP = 0, nil, nil, strace.Stamp{}, strace.Stamp{}, -1, 0
	s.printed = strace.Append(s.printed[:0], l)
	s.err = s.straceText(&at, s.printed)
	s.keyless = false
}

// straceText emits text as a record, with pid and time from l.
func (s *Source) straceText(l *strace.Line, text []byte) error {
	at, slack := s.clock.strace(l)
	pid := l.PID
	if pid == 0 {
		pid = s.pid
	}
	x := wire.Text{
		H: wire.Hdr{Kind: wire.KindText, Layer: wire.LayerSys, Time: uint64(max(at, 0))}, Slack: uint64(slack), Pid: pid, Line: s.line, Format: wire.TextStrace,
	}
	if l.Joined {
		x.Flags, x.Line = wire.TextHalves, l.FirstTag
	}
	if s.keyless {
		x.Flags |= wire.TextKeyless
	}
	copy(x.Comm[:len(x.Comm)-1], l.Comm)
	return s.say(&x, text)
}
