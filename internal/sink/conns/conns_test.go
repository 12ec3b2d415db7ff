package conns_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink"
	"github.com/pidwire/pidwire/internal/sink/conns"
	"github.com/pidwire/pidwire/internal/sink/sinktest"
)

func TestContract(t *testing.T) {
	for name, o := range map[string]conns.Options{"table": {All: true}, "json": {JSON: true, All: true}, "narrow": {All: true, Wide: 60}} {
		t.Run(name, func(t *testing.T) {
			sinktest.Run(t, func(w io.Writer) sink.Sink { return conns.New(w, o) }, sinktest.Options{AtClose: true})
		})
	}
}

const start = 1_700_000_000_000_000_000

var (
	here  = netip.MustParseAddrPort("10.0.2.15:48448")
	there = netip.MustParseAddrPort("10.0.0.5:80")
)

func conn(n uint32, state uint8) *event.Conn {
	return &event.Conn{N: n, ID: event.SockID{Cookie: uint64(n), Inode: uint64(100 + n)}, Family: 2, Type: 1, Protocol: 6, State: state, Local: here, Peer: there}
}

func at(ms int64, c *event.Conn, m event.Match, b event.Body) *event.Entry {
	return &event.Entry{
		Event: event.Event{Time: start + ms*1_000_000, Task: event.Task{Proc: event.Proc{PID: 7}, TID: 7, Comm: "curl"}, Body: b},
		Conn:  c, Match: m,
	}
}

func state(from, to uint8, look bool, c event.TCPCounts) *event.State {
	return &event.State{Sock: event.Sock{Family: 2, Type: 1, Protocol: 6}, From: from, To: to, Look: look, TCP: c}
}

// fill writes a timeline: a connection that was open before, one from start to end, a UDP
// socket, and a socket that is never used.
func fill(t *testing.T, s *conns.Sink) {
	t.Helper()
	udp := conn(3, 7)
	udp.Type, udp.Protocol, udp.Peer = 2, 17, netip.AddrPort{}
	old, young := conn(1, 1), conn(2, 1)
	old.Old = true
	out := event.Packet{Dir: event.DirOut, Proto: event.ProtoUDP, Length: 8 + 33}
	for _, e := range []*event.Entry{
		at(0, nil, 0, &event.Process{What: event.Found}),
		at(0, nil, 0, &event.SockFound{Sock: event.Sock{ID: event.SockID{Cookie: 1, Inode: 101}, Family: 2, Type: 1, Protocol: 6, Local: here, Peer: there}}),
		at(0, nil, 0, &event.SockFound{Sock: event.Sock{ID: event.SockID{Inode: 900}, Family: 2, Type: 2, Protocol: 17, Local: netip.MustParseAddrPort("0.0.0.0:53")}}),
		at(0, nil, 0, &event.SockFound{Sock: event.Sock{ID: event.SockID{Inode: 901}, Family: 1, Type: 1}, Path: "\x00abstract"}),
		at(1, old, event.MatchExact, state(1, 1, true, event.TCPCounts{Sent: 1000, Received: 5000, SegsOut: 10, SegsIn: 12, Retrans: 1, RTT: 20_000_000})),
		at(5, young, event.MatchInherited, state(3, 1, false, event.TCPCounts{SegsIn: 1})),
		at(10, udp, event.MatchExact, &event.Capture{Packet: out}),
		at(11, udp, event.MatchTable, &event.Capture{Packet: event.Packet{Dir: event.DirIn, Proto: event.ProtoICMP, Length: 49}, Made: event.MadeICMP}),
		at(20, old, event.MatchExact, state(1, 1, true, event.TCPCounts{Sent: 3100, Resent: 100, Received: 5010, SegsOut: 15, SegsIn: 14, Retrans: 2, RTT: 21_000_000})),
		at(30, conn(2, 7), event.MatchExact, state(9, 7, false, event.TCPCounts{Sent: 1 << 20, SegsOut: 20, SegsIn: 9, RTT: 150_000})),
		at(2000, nil, 0, &event.Lost{Layer: event.LayerPkt, Count: 3}),
	} {
		if err := s.Write(e); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTable(t *testing.T) {
	clock := time.Unix(0, start)
	now := func() time.Time { return clock }
	for name, test := range map[string]struct {
		o    conns.Options
		want string
	}{
		"once": {conns.Options{}, `
CONN PROCESS  PROTO STATE       LOCAL           PEER            SENT RECEIVED PKT> <PKT RTX     RTT     AGE
c1   curl[7]  tcp   ESTABLISHED 10.0.2.15:48448 10.0.0.5:80 2.93 KiB 4.89 KiB   15   14   2 21.00ms >2.000s
c2   curl[7]  tcp   closed      10.0.2.15:48448 10.0.0.5:80 1.00 MiB            20    9       150us 25.00ms
c3   curl[7]  udp               10.0.2.15:48448 -               33 B             1    1              1.990s
-    curl[7]  udp               *:53            -                                                   >2.000s
--- 4 connections; bytes and packets since the start of each connection; lost: 3 events
`},
		"watched": {conns.Options{Every: time.Second, Now: now, All: true}, `
CONN PROCESS  PROTO       STATE       LOCAL           PEER            SENT RECEIVED PKT> <PKT RTX     RTT     AGE
c1   curl[7]  tcp         ESTABLISHED 10.0.2.15:48448 10.0.0.5:80 1.95 KiB     10 B    5    2   1 21.00ms >2.000s
c2   curl[7]  tcp         closed      10.0.2.15:48448 10.0.0.5:80 1.00 MiB            20    9       150us 25.00ms
c3   curl[7]  udp                     10.0.2.15:48448 -               33 B             1    1              1.990s
-    curl[7]  udp                     *:53            -                                                   >2.000s
-    curl[7]  unix-stream             @abstract       -                                                   >2.000s
--- 5 connections; bytes and packets since pidwire started; lost: 3 events

`},
		"narrow": {conns.Options{Wide: 100}, `
CONN PROCESS  PROTO STATE       LOCAL        PEER            SENT RECEIVED PKT> <PKT RTX     RTT     AGE
c1   curl[7]  tcp   ESTABLISHED 10.0.2.15:4… 10.0.0.5:80 2.93 KiB 4.89 KiB   15   14   2 21.00ms >2.000s
c2   curl[7]  tcp   closed      10.0.2.15:4… 10.0.0.5:80 1.00 MiB            20    9       150us 25.00ms
c3   curl[7]  udp               10.0.2.15:4… -               33 B             1    1              1.990s
-    curl[7]  udp               *:53         -                                                   >2.000s
--- 4 connections; bytes and packets since the start of each connection; lost: 3 events
`},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			s := conns.New(&b, test.o)
			fill(t, s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			want := strings.ReplaceAll(test.want[1:], "curl[7] ", "curl[7]")
			want = strings.Replace(want, "PROCESS  ", "PROCESS ", 1)
			if b.String() != want {
				t.Errorf("got:\n%s\nwant:\n%s", b.String(), want)
			}
		})
	}
}

// TestWatch checks that tables are written at intervals, and closed connections disappear.
func TestWatch(t *testing.T) {
	clock := time.Unix(0, start)
	var b bytes.Buffer
	s := conns.New(&b, conns.Options{Every: time.Second, Now: func() time.Time { return clock }, Clear: true})
	fill(t, s)
	flush := func(ms int64) int {
		t.Helper()
		b.Reset()
		clock = time.Unix(0, start+ms*1_000_000)
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
		return strings.Count(b.String(), "\x1b[H\x1b[2J")
	}
	if n := flush(999); n != 0 {
		t.Errorf("%d tables before their time", n)
	}
	if n := flush(5500); n != 1 {
		t.Errorf("%d tables after a long pause, want 1", n)
	}
	if n := flush(5900); n != 0 {
		t.Errorf("%d tables, the next is due at 6 s", n)
	}
	_ = s.Write(at(12_000, conn(1, 1), event.MatchExact, state(1, 1, true, event.TCPCounts{})))
	if n := flush(12_000); n != 1 || strings.Contains(b.String(), "c2 ") || !strings.Contains(b.String(), "already closed: 1") {
		t.Errorf("%d tables:\n%s", n, b.String())
	}
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	s := conns.New(&b, conns.Options{JSON: true, Start: start})
	fill(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var got []map[string]any
	for line := range strings.Lines(b.String()) {
		var o map[string]any
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		got = append(got, o)
	}
	if len(got) != 4 || got[0]["conn"] != "c1" || got[0]["bytes_sent"] != 3000.0 || got[0]["state"] != "ESTABLISHED" || got[2]["packets_out"] != 1.0 || got[3]["conn"] != nil {
		t.Errorf("%v", got)
	}
}
