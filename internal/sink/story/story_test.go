package story_test

import (
	"bytes"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink"
	"github.com/pidwire/pidwire/internal/sink/sinktest"
	"github.com/pidwire/pidwire/internal/sink/story"
)

func TestContract(t *testing.T) {
	sinktest.Run(t, func(w io.Writer) sink.Sink { return story.New(w, story.Options{}) }, sinktest.Options{Folds: true})
}

// tell returns the story of entries.
func tell(t *testing.T, list ...*event.Entry) string {
	t.Helper()
	var b bytes.Buffer
	s := story.New(&b, story.Options{})
	for _, e := range list {
		if err := s.Write(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var task = event.Task{Proc: event.Proc{PID: 7}, TID: 7, Comm: "prog"}

func entry(at int64, conn uint32, body event.Body) *event.Entry {
	c := &event.Conn{N: conn, Family: 2, Type: 1, Protocol: 6, Peer: netip.MustParseAddrPort("10.0.0.5:80"), PeerName: "web"}
	return &event.Entry{Event: event.Event{Time: at * 1e6, Task: task, Body: body}, Conn: c, Match: event.MatchExact}
}

var (
	question = &event.Key{Name: "dns.question.name", Form: event.FormQuiet}
	kind     = &event.Key{Name: "dns.question.type", Form: event.FormQuiet}
	code     = &event.Key{Name: "dns.response_code"}
	answer   = &event.Key{Name: "dns.answers", Many: true}
)

// dns returns a query, or with ms an answer after that time.
func dns(at int64, name, of, rcode string, exchange uint64, answers ...string) *event.Entry {
	m := &event.Message{Proto: "dns", Title: "DNS", Dir: event.DirOut, Exchange: exchange, Begin: at * 1e6, End: at * 1e6, Fields: []event.Field{{Key: question, Text: name}, {Key: kind, Text: of}}}
	if rcode != "?" {
		m.Kind, m.Dir, m.Took = event.MessageAnswer, event.DirIn, 1e6
		if rcode != "" {
			m.Fields = append(m.Fields, event.Field{Key: code, Text: rcode})
		}
		for _, a := range answers {
			m.Fields = append(m.Fields, event.Field{Key: answer, Text: a})
		}
	}
	return entry(at, 2, m)
}

// exchange returns the two messages of an exchange.
func exchange(at int64, conn uint32, path, status string, n uint64, took int64) []*event.Entry {
	return []*event.Entry{
		entry(at, conn, &event.Message{Proto: "http", Title: "HTTP", Dir: event.DirOut, Text: "GET " + path, Group: "GET /items/*", Exchange: n, Begin: at * 1e6, End: at * 1e6}),
		entry(at+took, conn, &event.Message{Proto: "http", Title: "HTTP", Kind: event.MessageAnswer, Dir: event.DirIn, Text: status, Group: "GET /items/*", Exchange: n, Begin: (at + took) * 1e6, End: (at + took) * 1e6, Took: took * 1e6}),
	}
}

// TestStory checks look-ups with a search list, folding, and failures.
func TestStory(t *testing.T) {
	for _, test := range []struct {
		name string
		list []*event.Entry
		want string
	}{
		{"a search list is one look-up", []*event.Entry{
			dns(1, "web.corp.test", "A", "?", 1), dns(1, "web.corp.test", "AAAA", "?", 2),
			dns(2, "web.corp.test", "A", "NXDOMAIN", 1), dns(3, "web.corp.test", "AAAA", "NXDOMAIN", 2),
			dns(3, "web.test", "A", "?", 3), dns(3, "web.test", "AAAA", "?", 4),
			dns(9, "web.test", "A", "", 3, "10.0.0.5"), dns(9, "web.test", "AAAA", "no answer", 4),
		}, "   0.001000 prog[7]         c2   look up web.test -> 10.0.0.5  (after web.corp.test)  # 8 ms, 4 queries\n"},
		{"silence", []*event.Entry{dns(1, "web", "A", "?", 1), entry(30_000, 3, &event.Process{What: event.Exit, Code: 256})},
			"   0.001000 prog[7]         c2   look up web -> no answer  # 0 ns, 1 query\n  30.000000 prog[7]         c3   exited with 1\n"},
		{"exchanges are folded by what varies", append(append(exchange(1, 3, "/items/1", "200", 1, 4), exchange(6, 3, "/items/2", "200", 2, 9)...), exchange(20, 3, "/items/3", "500", 3, 1)...),
			"   0.001000 prog[7]         c3   HTTP GET /items/* -> 200  x 2, 4 ms .. 9 ms\n   0.020000 prog[7]         c3   HTTP GET /items/3 -> 500  # 1 ms\n"},
		{"what is uncertain says so, and is not folded with what is certain", func() []*event.Entry {
			list := append(exchange(1, 3, "/items/1", "200", 1, 4), exchange(6, 3, "/items/2", "200", 2, 9)...)
			list[3].Body.(*event.Message).Unsure = "it is not complete"
			return list
		}(), "   0.001000 prog[7]         c3   HTTP GET /items/1 -> 200  # 4 ms\n   0.006000 prog[7]         c3   HTTP GET /items/2 -> 200  (uncertain: it is not complete)  # 9 ms\n"},
		{"refused", []*event.Entry{entry(1, 4, &event.Call{Name: "connect", Role: event.Connects, Errno: "ECONNREFUSED", Ret: -111, Dur: 20_000})},
			"   0.001000 prog[7]         c4   connect to web:80 (10.0.0.5) failed: ECONNREFUSED  # 20 us\n"},
		{"established later", []*event.Entry{
			entry(1, 4, &event.Call{Name: "connect", Role: event.Connects, Errno: "EINPROGRESS", Ret: -115}),
			entry(1, 4, &event.State{From: 7, To: 2}), entry(4, 4, &event.State{From: 2, To: 1}),
		}, "   0.001000 prog[7]         c4   connected to web:80 (10.0.0.5)  # 3 ms\n"},
	} {
		if got := tell(t, test.list...); got != test.want {
			t.Errorf("%s: got\n%swant\n%s", test.name, got, test.want)
		}
	}
}

// TestBounded checks that a timeline of any length takes bounded memory: requests without answers, connections that are never closed.
func TestBounded(t *testing.T) {
	s := story.New(io.Discard, story.Options{})
	long := strings.Repeat("x", 100)
	for i := range 200_000 {
		for _, e := range exchange(int64(i), uint32(i), "/"+long, "200", uint64(i+1), 1)[:1] {
			if err := s.Write(e); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Write(dns(int64(i), long[:i%90+1], "A", "?", uint64(i+1))); err != nil {
			t.Fatal(err)
		}
	}
	if conns, asked, lookups := s.Held(); conns > 1<<14 || asked > 1<<14 || lookups > 64 {
		t.Errorf("%d connections, %d requests, %d look-ups", conns, asked, lookups)
	}
}
