package importer

import (
	"bytes"
	"time"

	"github.com/pidwire/pidwire/internal/foreign/dump"
	"github.com/pidwire/pidwire/internal/foreign/strace"
	"github.com/pidwire/pidwire/internal/wire"
)

const day = int64(24 * time.Hour)

// clock converts the times of lines to ns since the Unix epoch, or since another
// origin that the lines use. The zero value is ready to use.
type clock struct {
	now  int64 // time of the previous line
	day  int64 // midnight of the current day, for times of day
	work wire.Clockwork
	told bool // work is set, by the first line
}

// says sets the kind of clock, which is that of the first line.
func (c *clock) says(w wire.Clockwork) {
	if !c.told {
		c.work, c.told = w, true
	}
}

// ofDay converts a time of day. It starts with the first day of the epoch, and goes to
// the next day if the time is more than half a day before the previous one.
func (c *clock) ofDay(ns int64) int64 {
	c.says(wire.ClockDay)
	at := c.day + ns
	if at < c.now-day/2 {
		c.day += day
		at += day
	}
	return at
}

// strace returns the time of a line of strace, and its maximum error, in ns.
func (c *clock) strace(l *strace.Line) (at, slack int64) {
	switch {
	case l.Time.Clock == strace.Unix:
		c.says(wire.ClockEpoch)
		at = l.Time.NS
	case l.Time.Clock == strace.Day:
		at = c.ofDay(l.Time.NS)
	case l.Delta.Clock == strace.Delta:
		c.says(wire.ClockStart)
		at = c.now + l.Delta.NS
	default:
		c.says(wire.ClockNone)
		at, slack = c.now, day
	}
	c.now = at
	if l.Time.Clock != strace.NoClock {
		slack = precision(l.Time.Text)
	}
	return at, slack
}

// dump returns the time of a line of tcpdump. start means that deltas count from the
// first line, and not from the previous one.
func (c *clock) dump(l *dump.Line, start bool) int64 {
	switch l.Form {
	case dump.Epoch:
		c.says(wire.ClockEpoch)
		c.now = l.Time
	case dump.Date:
		c.says(wire.ClockDate)
		c.now = l.Time
	case dump.TimeOfDay:
		c.now = c.ofDay(l.Time)
	case dump.Delta:
		c.says(wire.ClockStart)
		if start {
			c.now = l.Time
		} else {
			c.now += l.Time
		}
	default:
		c.says(wire.ClockNone)
	}
	return c.now
}

// precision returns the value of the last digit of a time, in ns.
func precision(text []byte) int64 {
	_, digits, _ := bytes.Cut(text, []byte("."))
	n := int64(time.Second)
	for range digits {
		n = max(n/10, 1)
	}
	return n
}
