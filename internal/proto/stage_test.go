package proto

import (
	"bytes"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/event"
)

// TestDelayedBounded checks that the beginnings of messages are not kept for ever in a file without times, and that none is lost.
func TestDelayedBounded(t *testing.T) {
	const conns = 3 * maxDelayed
	s := New(nil, Options{Calls: true})
	heads, rests := 0, 0
	count := func(e *event.Entry) {
		if m, ok := e.Body.(*event.Message); ok && m.Proto != Connection {
			switch m.Part {
			case event.Head:
				heads++
			default:
				rests++
			}
		}
	}
	for i := range conns {
		c := &event.Call{Role: event.Sends, Bytes: 20, Ret: 20, Payload: []event.Piece{{Data: []byte("what is it, I wonder"), Len: 20}}}
		s.Add(&event.Entry{Event: event.Event{Time: 1, Body: c}, Conn: &event.Conn{N: uint32(i + 1), Type: 1}}, count)
		if len(s.delayed) > maxDelayed+1 {
			t.Fatalf("%d beginnings wait after %d connections", len(s.delayed), i+1)
		}
	}
	s.Add(&event.Entry{Event: event.Event{Time: 1, Body: &event.End{}}}, count)
	if heads < conns-maxDelayed-1 || rests != conns {
		t.Errorf("%d beginnings and %d messages of %d connections", heads, rests, conns)
	}
}

// TestClosedByChild checks that a conversation goes on when a process that has only inherited its socket closes it.
func TestClosedByChild(t *testing.T) {
	line := &Protocol{
		Name: "line", Detect: func(*Hint) Verdict { return Sure },
		New: func(*Conv) Parser { return &lines{} },
	}
	s := New([]*Protocol{line}, Options{Calls: true})
	conn := &event.Conn{N: 1, Type: 1}
	var said []string
	add := func(pid uint32, b *event.Call) {
		task := event.Task{Proc: event.Proc{PID: pid, Start: uint64(pid)}}
		s.Add(&event.Entry{Event: event.Event{Time: 1, Task: task, Body: b}, Conn: conn}, func(e *event.Entry) {
			if m, ok := e.Body.(*event.Message); ok && m.Proto == "line" {
				said = append(said, m.Text)
			}
		})
	}
	send := func(text string) *event.Call {
		n := int64(len(text))
		return &event.Call{Role: event.Sends, Bytes: n, Ret: n, Payload: []event.Piece{{Data: []byte(text), Len: n}}}
	}
	closes := func(pid uint32) {
		conn.Closed = true
		add(pid, &event.Call{Role: event.Closes})
		conn.Closed = false
	}
	add(1, send("one\ntw"))
	closes(2)
	add(1, send("o\n"))
	closes(1)
	add(1, send("ee\n"))
	if got := strings.Join(said, " "); got != "one two ee" {
		t.Errorf("%q", got)
	}
	if _, ok := s.convs.Get(1); !ok {
		t.Error("no conversation")
	}
}

// lines reads lines.
type lines struct{ Base }

func (*lines) Held() int { return 0 }

func (*lines) Read(c *Conv, d Dir, b []byte) int {
	i := bytes.IndexByte(b, '\n')
	if i >= 0 {
		m := c.Message(event.MessageNotice, d)
		m.Text = string(b[:i])
		c.Emit(m)
	}
	return i + 1
}
