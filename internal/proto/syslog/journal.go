package syslog

import (
	"bytes"
	"encoding/binary"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
)

// Journal is the native protocol of systemd's journal. Entries that are too large for a datagram are passed in a file, of which nothing
// is known.
var Journal = &proto.Protocol{
	Name: "journal", Title: "journal",
	Detect: func(h *proto.Hint) proto.Verdict {
		switch {
		case h.Stream || !entry(h.Begin()):
			return proto.No
		case h.Path == "/run/systemd/journal/socket":
			return proto.Sure
		}
		f := fields(h.Begin())
		if f.message == nil && f.priority == nil {
			return proto.No
		}
		return proto.Sure
	},
	New:  func(*proto.Conv) proto.Parser { return &journal{} },
	Keys: keys,
}

type journal struct{ proto.Base }

// found are the fields of an entry that are shown.
type found struct{ message, priority, app, pid, unit, facility []byte }

// next reads the field at the beginning of b: NAME=VALUE, or NAME, a newline, the length of the value in 8 bytes and the value.
func next(b []byte) (name, value, rest []byte, ok bool) {
	i := 0
	for i < len(b) && (b[i] >= 'A' && b[i] <= 'Z' || b[i] >= '0' && b[i] <= '9' || b[i] == '_') {
		i++
	}
	if i == 0 || i == len(b) || i > maxWord {
		return nil, nil, nil, false
	}
	name = b[:i]
	switch b[i] {
	case '=':
		value, rest, _ = bytes.Cut(b[i+1:], []byte("\n"))
		return name, value, rest, true
	case '\n':
		b = b[i+1:]
		if len(b) < 8 {
			return nil, nil, nil, false
		}
		size := binary.LittleEndian.Uint64(b)
		if b = b[8:]; size >= uint64(len(b)) {
			return name, b, nil, true // its end was not recorded
		}
		return name, b[:size], bytes.TrimPrefix(b[size:], []byte("\n")), true
	}
	return nil, nil, nil, false
}

// entry reports whether b is a list of fields.
func entry(b []byte) bool {
	for len(b) > 0 {
		var ok bool
		if _, _, b, ok = next(b); !ok {
			return false
		}
		if len(b) == 0 {
			return true
		}
	}
	return false
}

func fields(b []byte) (f found) {
	for len(b) > 0 {
		name, value, rest, ok := next(b)
		if !ok {
			return f
		}
		switch b = rest; string(name) {
		case "MESSAGE":
			f.message = value
		case "PRIORITY":
			f.priority = value
		case "SYSLOG_IDENTIFIER":
			f.app = value
		case "SYSLOG_PID":
			f.pid = value
		case "SYSLOG_FACILITY":
			f.facility = value
		case "UNIT", "USER_UNIT":
			f.unit = value
		}
	}
	return f
}

func (journal) Packet(c *proto.Conv, d proto.Dir, b []byte, size int64) bool {
	f := fields(b)
	if len(b) > 0 && f.message == nil && f.priority == nil && !entry(b) {
		return false
	}
	m := c.Message(event.MessageNotice, d)
	m.Bytes, m.Text = size, "entry"
	m.Fields = c.Fields(5)
	if n, ok := number(f.facility); ok && n < len(facilities) {
		m.Fields = append(m.Fields, event.Field{Key: keyFacility, Text: facilities[n]})
	}
	if n, ok := number(f.priority); ok && n < len(severities) {
		m.Text = severities[n]
		m.Fields = append(m.Fields, event.Field{Key: keySeverity, Text: severities[n]})
	}
	if f.app == nil {
		f.app = f.unit
	}
	if len(f.app) > 0 {
		app := proto.Text(cut(f.app, maxWord))
		m.Text += " " + app
		m.Fields = append(m.Fields, event.Field{Key: keyApp, Text: app})
	}
	m.Group = m.Text
	if len(f.pid) > 0 {
		pid := proto.Text(cut(f.pid, maxWord))
		m.Text += "[" + pid + "]"
		m.Fields = append(m.Fields, event.Field{Key: keyPID, Text: pid})
	}
	if f.message != nil {
		m.Fields = append(m.Fields, event.Field{Key: keyText, Text: shown(f.message)})
	}
	c.Emit(m)
	return true
}
