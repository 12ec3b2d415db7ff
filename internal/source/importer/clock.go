package importer

import (
	"bytes"
	"time"

	"github.com/pidwire/pidwire/internal/foreign/dump"
	"github.com/pidwire/pidwire/internal/foreign/strace"
	"github.com/pidwire/pidwire/internal/wire"
)

const day = int64(24 * time.Hour)

// clock turns what lines say of their time into ns since the Unix epoch, or
// since what else they count from. Its zero value is ready.
type clock struct {
	now  int64 // of the line before
	day  int64 // that a time of day is on
	work wire.Clockwork
	told bool // work is: by the first line
}

// says remembers what the first line counted from.
func (c *clock) says(w wire.Clockwork) {
	if !c.told {
		c.work, c.told = w, true
	}
}

// ofDay is when a time of day was: on the first day of the epoch, and on the
// next one when it goes back by more than half a day.
func (c *clock) ofDay(ns int64) int64 {
	c.says(wire.ClockDay)
	at := c.day + ns
	if at < c.now-day/2 {
		c.day += day
		at += day
	}
	return at
}

// strace is when a line of strace was, and how far that may be off.
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

// dump is when a line of tcpdump was. start says that its deltas count from the
// first line.
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

// precision is what the last digit of a time is worth, ns.
func precision(text []byte) int64 {
	_, digits, _ := bytes.Cut(text, []byte("."))
	n := int64(time.Second)
	for range digits {
		n = max(n/10, 1)
	}
	return n
}
