package importer

import (
	"github.com/pidwire/pidwire/internal/foreign/keys"
	"github.com/pidwire/pidwire/internal/foreign/truss"
	"github.com/pidwire/pidwire/internal/wire"
)

func (s *Source) truss(line []byte) error {
	if len(line) == 0 {
		return nil
	}
	if err := truss.Parse(line, &s.trussed); err != nil {
		return s.unread("not a line of truss")
	}
	s.trussJoin.Add(&s.trussed, s.trussLine)
	err := s.err
	s.err = nil
	return err
}

// trussLine emits a line, or a call with the lines that belong to it.
func (s *Source) trussLine(l *truss.Line) {
	if s.err != nil {
		return
	}
	switch l.Kind {
	case truss.Base:
		s.base = l.Time.NS
		if l.Time.Clock == truss.Local {
			s.clock.says(wire.ClockDate)
		} else {
			s.clock.says(wire.ClockEpoch)
		}
		s.clock.now = s.base
		return
	case truss.Gap:
		s.err = s.gap()
		return
	case truss.Call, truss.Unfinished:
	case truss.Exit:
		if l.Thread {
			return
		}
	default:
		return // signals, library functions, and lines without a call
	}
	at, slack := s.clock.truss(l, s.base)
	x := wire.Text{
		H: wire.Hdr{Kind: wire.KindText, Layer: wire.LayerSys, Time: uint64(max(at, 0))}, Slack: uint64(slack), Pid: l.PID, Line: s.line, Format: wire.TextTruss,
	}
	if l.Begin.Clock != truss.NoClock {
		x.Flags = wire.TextHalves
	}
	if keys.Hide(l.Name, l.Args()) {
		x.Flags |= wire.TextKeyless
	}
	s.printed = truss.Append(s.printed[:0], l)
	s.err = s.say(&x, s.printed)
}

// truss returns the time of a line of truss, which is that of the return, and its maximum
// error, in ns.
func (c *clock) truss(l *truss.Line, base int64) (at, slack int64) {
	switch {
	case l.Time.Clock == truss.Start:
		c.says(wire.ClockStart)
		c.now = base + l.Time.NS
	case l.Delta.Clock == truss.Delta:
		c.says(wire.ClockStart)
		c.now += l.Delta.NS
	default:
		c.says(wire.ClockNone)
		return c.now, day
	}
	return c.now, precision(l.Time.Text)
}
