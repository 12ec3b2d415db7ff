package list

import (
	"net/netip"
	"testing"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
)

// call returns an entry with a call that moves bytes.
func call(conn *event.Conn, d proto.Dir, data string) *event.Entry {
	c := &event.Call{Name: "sendto", Role: event.Sends, Bytes: int64(len(data)), Ret: int64(len(data)), Dur: 1000, Payload: []event.Piece{{Data: []byte(data), Len: int64(len(data))}}}
	if d == proto.In {
		c.Name, c.Role, c.In = "recvfrom", event.Receives, true
	}
	return &event.Entry{Event: event.Event{Seq: 1, Task: event.Task{Proc: event.Proc{PID: 7}, TID: 7, Comm: "prog"}, Body: c}, Conn: conn, Match: event.MatchExact}
}

// benchmark runs exchanges through the stage: the cost of one, in ns and memory.
func benchmark(b *testing.B, datagrams bool, ask, answer string) {
	conn := &event.Conn{N: 1, Family: 2, Type: 1, Protocol: 6, Local: netip.MustParseAddrPort("10.0.0.1:40000"), Peer: netip.MustParseAddrPort("10.0.0.2:53")}
	if datagrams {
		conn.Type, conn.Protocol = 2, 17
	}
	s := proto.New(All, proto.Options{Calls: true})
	q, a := call(conn, proto.Out, ask), call(conn, proto.In, answer)
	messages, n := 0, 0
	count := func(e *event.Entry) {
		if _, ok := e.Body.(*event.Message); ok {
			messages++
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		q.Time += 10_000
		a.Time = q.Time + 5000
		s.Add(q, count)
		s.Add(a, count)
		n++
	}
	if messages < 2*n-1 {
		b.Fatalf("%d messages in %d exchanges", messages, n)
	}
}

// BenchmarkHTTP is a keep-alive exchange as a client makes it: two calls.
func BenchmarkHTTP(b *testing.B) {
	benchmark(b, false, "GET /items/4711 HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n",
		"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Mon, 30 Nov 2026 16:42:25 GMT\r\nContent-Type: application/json\r\nContent-Length: 15\r\nConnection: keep-alive\r\n\r\n{\"hello\":\"you\"}")
}

// BenchmarkDNS is a query and its answer.
func BenchmarkDNS(b *testing.B) {
	benchmark(b, true, "\x12\x34\x01\x20\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07example\x03com\x00\x00\x01\x00\x01",
		"\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x03www\x07example\x03com\x00\x00\x01\x00\x01\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x5d\xb8\xd8\x22")
}

// BenchmarkUnknown is an exchange of a protocol that is not known.
func BenchmarkUnknown(b *testing.B) {
	benchmark(b, false, "\x00\x01what is it that begins so long?\xff", "\x00\x02nothing at all that anybody knows\xff")
}
