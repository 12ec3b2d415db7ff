package pcapng

import (
	"bytes"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink/clean"
	"github.com/pidwire/pidwire/internal/sink/text"
)

const (
	prioWarning = '4'
	prioInfo    = '6'
)

// entry writes the row of an entry that is not a packet, if it has one.
func (s *Sink) entry(e *event.Entry) {
	if l, ok := e.Body.(*event.Lost); ok && l.Layer == event.LayerPkt {
		s.dropped += l.Count
		s.lost += l.Count
	}
	if p, ok := e.Body.(*event.Process); ok && p.What == event.Exec {
		// After exec the packets get a new interface with the new name.
		delete(s.ifaces, ifaceKey{proc: e.Task.Proc})
		s.same = false
	}
	if s.o.PacketsOnly {
		return
	}
	s.owe(e.Raw)
	e.Visit(rows{s})
}

// row has the offsets of a row and its MESSAGE in the buffer.
type row struct{ block, message int }

// row starts a row, up to its MESSAGE.
func (s *Sink) row(time int64) row {
	at := s.begin(blockRow)
	s.str("__REALTIME_TIMESTAMP=")
	s.uint(uint64(max(time, 0)) / 1000)
	s.str("\nMESSAGE=")
	return row{at, len(s.b)}
}

// about ends the MESSAGE and writes the fields of the task. layer may be empty.
func (s *Sink) about(r row, e *event.Entry, ident, layer string, priority byte) {
	s.b = s.b[:r.message+cut(s.b[r.message:], maxMessage)]
	s.str("\nPRIORITY=")
	s.b = append(s.b, priority)
	s.str("\nSYSLOG_IDENTIFIER=")
	s.str(ident)
	if layer != "" {
		s.str("\nPIDWIRE_LAYER=")
		s.str(layer)
	}
	if e != nil && e.Task.PID != 0 {
		s.str("\n_PID=")
		s.uint(uint64(e.Task.PID))
		if e.Task.TID != e.Task.PID && e.Task.TID != 0 {
			s.str("\n_TID=")
			s.uint(uint64(e.Task.TID))
		}
		if e.Task.Comm != "" {
			s.str("\n_COMM=")
			s.b = clean.AppendText(s.b, e.Task.Comm)
		}
	}
	if e != nil && e.Conn != nil {
		s.str("\nPIDWIRE_CONN=c")
		s.uint(uint64(e.Conn.N))
	}
	s.b = append(s.b, '\n')
}

// endRow ends a row, and writes all pending records into it.
func (s *Sink) endRow(r row) {
	if len(s.owed) > 0 {
		s.str("PIDWIRE_RECORD=")
		s.base64(s.owed)
		s.b = append(s.b, '\n')
		s.owed, s.owes = s.owed[:0], 0
	}
	s.end(r.block)
}

// owe stores a record for the next row.
func (s *Sink) owe(raw []byte) {
	if len(raw) == 0 || !s.reads() {
		return
	}
	if len(s.owed)+len(raw) > maxRow {
		s.settle()
	}
	s.owed = append(s.owed, s.part(raw)...)
	s.owes++
}

// part writes all but the last piece of a v that is too long for a row, and returns the last.
func (s *Sink) part(v []byte) []byte {
	for len(v) > maxRow {
		r := s.row(s.now)
		s.str("a part of the next row")
		s.about(r, nil, "pidwire", "", prioInfo)
		s.str("PIDWIRE_PART=")
		s.base64(v[:maxRow])
		s.b = append(s.b, '\n')
		s.end(r.block)
		v = v[maxRow:]
	}
	return v
}

// settle writes a row for the pending records, if there are any.
func (s *Sink) settle() {
	if len(s.owed) == 0 {
		return
	}
	r := s.row(s.now)
	s.uint(uint64(s.owes))
	if s.owes == 1 {
		s.str(" record without a line")
	} else {
		s.str(" records without a line")
	}
	s.about(r, nil, "pidwire", "", prioInfo)
	s.endRow(r)
}

// first writes the row with the header of the recording.
func (s *Sink) first() {
	header := s.part(s.o.Header)
	r := s.row(s.o.Start)
	s.b = clean.AppendText(s.b, s.o.Comment)
	s.about(r, nil, "pidwire", "", prioInfo)
	s.str("PIDWIRE_HEADER=")
	s.base64(header)
	s.b = append(s.b, '\n')
	s.end(r.block)
}

// words writes the row of an entry with a message of text.Words.
func (s *Sink) words(e *event.Entry, ident, layer string) {
	r := s.row(e.Time)
	s.b = s.say.Append(s.b, e)
	errno, prio := int64(0), byte(prioInfo)
	if c, ok := e.Body.(*event.Call); ok && c.Errno != "" {
		errno, prio = c.Ret, prioWarning
	}
	s.about(r, e, ident, layer, prio)
	if errno < 0 {
		s.str("ERRNO=")
		s.uint(uint64(-errno))
		s.b = append(s.b, '\n')
	}
	s.endRow(r)
}

// frame writes a row for a frame without IP.
func (s *Sink) frame(e *event.Entry, p *event.Capture) {
	s.owe(e.Raw)
	r := s.row(e.Time)
	at := len(s.b)
	s.b = text.AppendPacket(s.b, p, &s.say.Packets)
	if i := bytes.IndexByte(s.b[at:], '\n'); i >= 0 {
		s.b = s.b[:at+i] // drop the hex dump of an unknown frame
	}
	s.str(" (frame without IP)")
	s.about(r, e, "frame", "pkt", prioInfo)
	s.endRow(r)
}
