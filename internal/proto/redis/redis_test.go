package redis_test

import (
	"testing"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
	"github.com/pidwire/pidwire/internal/proto/redis"
)

// BenchmarkCommands measures commands with their answers, from calls to messages.
func BenchmarkCommands(b *testing.B) {
	s := proto.New([]*proto.Protocol{redis.Protocol}, proto.Options{})
	conn := &event.Conn{N: 1, Family: 2, Type: 1, Protocol: event.ProtoTCP}
	command, answer := []byte("*2\r\n$3\r\nGET\r\n$9\r\nuser:4711\r\n"), []byte("$5\r\nhello\r\n")
	messages := 0
	count := func(e *event.Entry) {
		if _, ok := e.Body.(*event.Message); ok {
			messages++
		}
	}
	var calls [2]event.Call
	calls[0] = event.Call{Role: event.Sends, Bytes: int64(len(command)), Payload: []event.Piece{{Data: command, Len: int64(len(command))}}}
	calls[1] = event.Call{Role: event.Receives, In: true, Bytes: int64(len(answer)), Payload: []event.Piece{{Data: answer, Len: int64(len(answer))}}}
	entries := [2]event.Entry{{Conn: conn}, {Conn: conn}}
	at := int64(1)
	b.ReportAllocs()
	for b.Loop() {
		for i := range entries {
			at += 1000
			e := &entries[i]
			e.Event = event.Event{Time: at, Seq: uint64(at), Body: &calls[i]}
			s.Add(e, count)
		}
	}
	if messages < 2*b.N {
		b.Fatalf("%d messages of %d commands", messages, b.N)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commands/s")
}
