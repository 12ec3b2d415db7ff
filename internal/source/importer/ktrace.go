package importer

import (
	"github.com/pidwire/pidwire/internal/foreign/ktrace"
	"github.com/pidwire/pidwire/internal/wire"
)

// maxThreads is the maximum size of Source.threads. A full map is cleared.
const maxThreads = 1 << 14

func (s *Source) ktrace(line []byte) error {
	l := &s.traced
	if err := s.tracer.Read(line, l); err != nil {
		return s.unread("not a line of a kernel tracer")
	}
	switch l.Kind {
	case ktrace.Gap:
		return s.gap()
	case ktrace.Lost:
		at, _ := s.traceTime(l)
		x := wire.Lost{H: wire.Hdr{Kind: wire.KindLost, Layer: wire.LayerKrn, Time: uint64(max(at, 0))}, Count: max(l.Count, 1), Reason: wire.LostTool}
		return s.emit(wire.Seal(x.Append(s.rec[:0])))
	case ktrace.Enter, ktrace.Leave, ktrace.Leaf, ktrace.Call, ktrace.Event:
	default:
		return nil // headings and messages of the tracer
	}
	at, slack := s.traceTime(l)
	x := wire.Text{
		H: wire.Hdr{Kind: wire.KindText, Layer: wire.LayerKrn, Time: uint64(max(at, 0))}, Slack: uint64(slack), Pid: l.PID, Line: s.line, Format: wire.TextKtrace,
	}
	copy(x.Comm[:len(x.Comm)-1], l.Comm)
	s.printed = ktrace.Append(s.printed[:0], l)
	return s.say(&x, s.printed)
}

// traceTime returns the time of a line of a kernel tracer, and its maximum error, in ns.
func (s *Source) traceTime(l *ktrace.Line) (at, slack int64) {
	c := &s.clock
	switch l.Time.Clock {
	case ktrace.Boot, ktrace.Start:
		c.says(wire.ClockStart)
		c.now, slack = l.Time.NS, 1000
	case ktrace.Delta:
		c.says(wire.ClockStart)
		c.now, slack = c.now+l.Time.NS, 1000
	case ktrace.Thread:
		// Times count from the start of a thread's outermost function, which is not known.
		c.says(wire.ClockNone)
		if l.Depth == 0 && l.Kind != ktrace.Leave || s.threads[l.PID] == 0 {
			if len(s.threads) >= maxThreads || s.threads == nil {
				s.threads = map[uint32]int64{}
			}
			s.threads[l.PID] = max(c.now-l.Time.NS, 1)
		}
		at = s.threads[l.PID] + l.Time.NS
		c.now = max(c.now, at)
		return at, day
	default:
		c.says(wire.ClockNone)
		return c.now, day
	}
	return c.now, slack
}
