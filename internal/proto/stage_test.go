package proto

import (
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
