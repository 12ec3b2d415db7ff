// Package tail emits messages of which only the first bytes are read, when their last byte has passed.
package tail

import (
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
)

// Tail is the rest of a message in one direction of a connection. The zero Tail is none.
type Tail struct {
	m  *event.Message
	x  proto.Exchange
	at proto.At
}

// Answer emits the answer to a request after its next n bytes.
func (t *Tail) Answer(c *proto.Conv, d proto.Dir, m *event.Message, x proto.Exchange, n int64) {
	if n <= 0 {
		c.Close(&x, m)
		c.Emit(m)
		return
	}
	proto.Own(m)
	t.m, t.x, t.at = m, x, c.Here()
	c.Skip(d, n)
}

// Open reports whether there is a message.
func (t *Tail) Open() bool { return t.m != nil }

// Skipped emits the answer, whose last byte has passed. It reports whether there was one.
func (t *Tail) Skipped(c *proto.Conv) bool {
	if t.m == nil {
		return false
	}
	m := t.m
	_, m.End = c.Times()
	c.Close(&t.x, m)
	c.EmitAt(m, t.at)
	*t = Tail{}
	return true
}

// Ended emits the answer, whose last bytes do not come.
func (t *Tail) Ended(c *proto.Conv) {
	if t.m != nil {
		t.m.Unsure = proto.Incomplete
		t.Skipped(c)
	}
}

// Held is the memory of what is kept.
func (t *Tail) Held() int {
	n := 160
	if t.m != nil {
		n += 300 + len(t.m.Text) + len(t.m.Group) + cap(t.m.Fields)*32
		for i := range t.m.Fields {
			n += len(t.m.Fields[i].Text)
		}
	}
	return n
}
