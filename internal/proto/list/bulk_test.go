package list

import (
	"testing"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
	"github.com/pidwire/pidwire/internal/proto/prototest"
)

// TestBulk checks that records and frames with data need no memory each, and none of their contents.
func TestBulk(t *testing.T) {
	record := func(head ...byte) []event.Piece {
		const size = 16384
		data := append(append([]byte(nil), head...), make([]byte, 64)...)
		return []event.Piece{{Data: data, Len: int64(len(head)) + size}}
	}
	for name, test := range map[string]struct {
		talk string
		data []event.Piece
		want string
	}{
		"TLS":    {"../tls/testdata/tls13.talk", record(23, 3, 3, 0x40, 0), "TLS"},
		"HTTP/2": {"../http2/testdata/gap.talk", record(0, 0x40, 0, 0, 0, 0, 0, 0, 9), "HTTP/2"},
	} {
		t.Run(name, func(t *testing.T) {
			s := proto.New(All, proto.Options{})
			messages := 0
			keep := func(e *event.Entry) {
				if m, ok := e.Body.(*event.Message); ok {
					if messages++; m.Title != test.want {
						t.Errorf("not of the protocol: %s", prototest.Line(e))
					}
				}
			}
			conn := &event.Conn{N: 1, Family: 2, Type: 1, Protocol: event.ProtoTCP}
			at := int64(0)
			add := func(in bool, p []event.Piece) {
				at++
				c := event.Call{Name: "send", Role: event.Sends, In: in, Bytes: p[0].Len, Ret: p[0].Len, Payload: p}
				s.Add(&event.Entry{Event: event.Event{Time: at, Seq: uint64(at), Body: &c}, Conn: conn}, keep)
			}
			for _, step := range prototest.Read(t, test.talk).Steps {
				if len(step.Data) > 0 {
					add(step.Dir == proto.In, []event.Piece{{Data: step.Data, Len: int64(len(step.Data)) + step.Gap}})
				}
			}
			before := messages
			call := event.Call{Name: "recv", Role: event.Receives, In: true, Bytes: test.data[0].Len, Ret: test.data[0].Len, Payload: test.data}
			e := &event.Entry{Event: event.Event{Time: at, Seq: uint64(at), Body: &call}, Conn: conn}
			if n := testing.AllocsPerRun(1000, func() { s.Add(e, keep) }); n > 0 {
				t.Errorf("%v allocations for each", n)
			}
			if messages != before {
				t.Errorf("%d messages of data", messages-before)
			}
		})
	}
}
