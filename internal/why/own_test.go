package why

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/event"
)

// judge tells a story of a command, and checks the verdicts.
func judge(t *testing.T, want string, tell func(*story)) {
	t.Helper()
	s := &story{}
	s.add(nil, &event.Process{What: event.Exec})
	tell(s)
	if got := strings.Join(s.judged(t, Options{Layers: all, Command: true}), ", "); got != want {
		t.Errorf("%s: %q, want %q", t.Name(), got, want)
	}
}

func (s *story) call(c *event.Conn, name string, role event.Role, ret, dur int64, errno string) {
	s.add(c, &event.Call{Name: name, Role: role, Ret: ret, Bytes: max(ret, 0), Dur: dur, Errno: errno})
}

func (s *story) krn(c *event.Conn, name, reason, flags string) {
	s.add(c, &event.Kernel{What: event.KernelEvent, Name: name, Reason: reason, Fields: []event.Arg{{Name: "flags", Val: event.Tape{{Str: flags}}}}})
}

func (s *story) fact(name, text string) { s.add(nil, &event.Fact{Name: name, Text: text}) }

// spends adds what the thread does until its next call.
func (s *story) spends(c *event.Conn, what ...any) {
	b := &event.Kernel{What: event.KernelEvent, Name: "task:gap"}
	for i := 0; i < len(what); i += 2 {
		ns := what[i+1].(int64)
		b.Dur += ns
		b.Fields = append(b.Fields, event.Arg{Name: what[i].(string), Raw: uint64(ns)})
	}
	s.wait(b.Dur)
	s.add(c, b)
}

// asks adds a request and its answer.
func (s *story) asks(c *event.Conn) {
	s.packet(c, out, ack, 10)
	s.packet(c, in, ack, 10)
}

// TestOwn checks what a program is said to do between its calls.
func TestOwn(t *testing.T) {
	for name, test := range map[string]struct {
		spends []any
		want   string
	}{
		"busy": {[]any{"cpu", 700 * millisecond}, "warning app-busy"}, "asleep": {[]any{"cpu", millisecond, "clock_nanosleep", 700 * millisecond}, "warning app-sleeping"},
		"locked": {[]any{"futex", 700 * millisecond}, "warning app-lock-wait"}, "disk": {[]any{"cpu", 100 * millisecond, "disk", 600 * millisecond}, "warning app-disk-wait"},
		"who knows": {[]any{"futex-timeout", 700 * millisecond}, "warning app-waiting"}, "a bit of all": {[]any{"cpu", 200 * millisecond, "disk", 200 * millisecond, "futex", 200 * millisecond}, "warning app-waiting"},
		"no time to run": {[]any{"ready", 700 * millisecond}, "warning app-waiting"}, "short": {[]any{"cpu", 30 * millisecond}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := tcp(1, "10.0.0.2:80")
			judge(t, test.want, func(s *story) {
				s.handshake(c)
				s.asks(c)
				s.spends(c, test.spends...)
				s.asks(c)
				s.wait(second) // after all, which is not between
			})
		})
	}
	// Before and after the network activity a program may do what it wants.
	judge(t, "", func(s *story) {
		c := tcp(1, "10.0.0.2:80")
		s.call(nil, "socket", event.Opens, 3, 0, "")
		s.spends(nil, "cpu", 3*second)
		s.handshake(c)
		s.asks(c)
	})
	judge(t, "info unexplained", func(s *story) {
		c := tcp(1, "10.0.0.2:80")
		s.handshake(c)
		s.asks(c)
		s.wait(3 * second)
		s.asks(c)
	})
	// The pause before another attempt is a part of the failure.
	judge(t, "warning connect-refused", func(s *story) {
		a, b := tcp(1, "10.0.0.2:80"), tcp(2, "10.0.0.2:80")
		s.packet(a, out, syn, 0)
		s.packet(a, in, rst|ack, 0)
		s.spends(nil, "clock_nanosleep", second)
		s.handshake(b)
		s.asks(b)
	})
	// A wait with a timeout for sockets that owe nothing is a sleep; one for an answer is not.
	judge(t, "warning app-sleeping", func(s *story) {
		c := tcp(1, "10.0.0.2:80")
		s.handshake(c)
		s.asks(c)
		s.call(c, "epoll_wait", event.Waits, 0, 800*millisecond, "")
		s.wait(800 * millisecond)
		s.asks(c)
	})
	judge(t, "", func(s *story) {
		c := tcp(1, "10.0.0.2:80")
		s.handshake(c)
		s.packet(c, out, ack, 10)
		s.call(c, "epoll_wait", event.Waits, 0, 800*millisecond, "")
		s.wait(800 * millisecond)
		s.packet(c, in, ack, 10)
		s.asks(c)
	})
}

func TestLoops(t *testing.T) {
	spin := func(n int, pause int64) func(*story) {
		return func(s *story) {
			c := tcp(1, "10.0.0.2:80")
			s.handshake(c)
			for range n {
				s.call(c, "recvfrom", event.Receives, -1, 0, "EAGAIN")
				s.wait(pause)
			}
			s.call(c, "recvfrom", event.Receives, 5, 0, "")
		}
	}
	judge(t, "warning busy-loop", spin(1500, 0))
	judge(t, "", spin(1500, 10*millisecond))
	judge(t, "", spin(90, 0))
	few := func(n int, bytes int64) func(*story) {
		return func(s *story) {
			c := tcp(1, "10.0.0.2:80")
			s.handshake(c)
			for range n {
				s.call(c, "write", event.Sends, bytes, millisecond/2, "")
			}
		}
	}
	judge(t, "warning tiny-writes", few(1500, 1))
	judge(t, "", few(1500, 1000))
	judge(t, "", few(500, 1))
	judge(t, "error connect-refused, warning retry-storm", func(s *story) {
		for i := range uint32(30) {
			c := tcp(i+1, "10.0.0.2:80")
			s.packet(c, out, syn, 0)
			s.packet(c, in, rst|ack, 0)
		}
	})
}

// TestMachine checks the verdicts that facts of the machine make more exact.
func TestMachine(t *testing.T) {
	here := tcp(1, "10.0.0.1:80") // the address of this end
	refused := func(s *story) {
		s.packet(here, out, syn, 0)
		s.packet(here, in, rst|ack, 0)
	}
	again := func(s *story) {
		s.wait(second)
		s.packet(here, out, syn, 0)
	}
	for name, test := range map[string]struct {
		tell func(*story)
		want string
	}{
		"no listener":      {func(s *story) { refused(s); s.fact("listeners 80", "none") }, "error connect-refused"},
		"elsewhere":        {func(s *story) { refused(s); s.fact("listeners 80", "127.0.0.1:80 waiting=0") }, "error connect-refused"},
		"a listener":       {func(s *story) { refused(s); s.fact("listeners 80", "[::]:80 waiting=0") }, "error firewall-reject"},
		"of another port":  {func(s *story) { refused(s); s.fact("listeners 81", "10.0.0.1:81 waiting=0") }, "error connect-refused"},
		"rejected here":    {func(s *story) { refused(s); s.krn(here, "skb:drop", "NETFILTER_DROP", "S") }, "error firewall-reject"},
		"no room":          {func(s *story) { s.packet(here, out, syn, 0); s.krn(here, "tcp:listen-overflow", "", "S"); again(s) }, "error accept-queue-full"},
		"another key":      {func(s *story) { s.packet(here, out, syn, 0); s.krn(here, "skb:drop", "TCP_MD5NOTFOUND", "S"); again(s) }, "error tcp-md5-mismatch"},
		"damaged":          {func(s *story) { s.packet(here, out, syn, 0); s.krn(here, "skb:drop", "TCP_CSUM", "S."); again(s) }, "error reply-dropped-local"},
		"dropped in queue": {func(s *story) { s.packet(here, out, syn, 0); s.krn(here, "skb:drop", "QDISC_DROP", "S"); again(s) }, "error qdisc-drop"},
		"table full": {func(s *story) {
			s.packet(here, out, syn, 0)
			s.krn(here, "skb:drop", "NETFILTER_DROP", "S")
			s.fact("conntrack", "65536 of 65536")
			again(s)
		}, "error conntrack-full"},
		"table not full": {func(s *story) {
			s.packet(here, out, syn, 0)
			s.krn(here, "skb:drop", "NETFILTER_DROP", "S")
			s.fact("conntrack", "5 of 65536")
			again(s)
		}, "error firewall-drop-local"},
		"proxy":            {func(s *story) { s.fact("env http_proxy", "http://10.0.0.1:80/"); refused(s) }, "error proxy-misconfigured, error connect-refused"},
		"proxy by default": {func(s *story) { s.fact("env ALL_PROXY", "10.0.0.1"); refused(s) }, "error proxy-misconfigured, error connect-refused"},
		"not that proxy":   {func(s *story) { s.fact("env http_proxy", "http://10.0.0.1:3128/"); refused(s) }, "error connect-refused"},
		"no proxy":         {func(s *story) { s.fact("env no_proxy", "10.0.0.1:80"); refused(s) }, "error connect-refused"},
		"nonsense": {func(s *story) {
			s.fact("env http_proxy", "@:/#")
			s.fact("listeners 80", "x waiting=, , :")
			refused(s)
		}, "error connect-refused"},
		"several listeners": {func(s *story) { s.late(here, "127.0.0.1:80 waiting=3, 10.0.0.1:80 waiting=3, 10.0.0.1:80 waiting=0") }, "warning reuseport-imbalance"},
		"all are busy":      {func(s *story) { s.late(here, "10.0.0.1:80 waiting=3, 10.0.0.1:80 waiting=1") }, "warning server-slow"},
	} {
		t.Run(name, func(t *testing.T) { judge(t, test.want, test.tell) })
	}
	judge(t, "error port-privileged", func(s *story) {
		s.fact("sysctl net.ipv4.ip_unprivileged_port_start", "5000")
		s.add(nil, &event.Call{Name: "bind", Role: event.Binds, Errno: "EACCES", Ret: -1, Addr: tcp(1, "10.0.0.1:4000").Peer})
	})
}

// late adds a connection whose peer takes a second to answer.
func (s *story) late(c *event.Conn, listeners string) {
	s.handshake(c)
	s.packet(c, out, ack, 10)
	s.wait(second)
	s.packet(c, in, ack, 10)
	s.fact("listeners 80", listeners)
	s.add(c, &event.Message{Proto: "conn", Kind: event.MessageNotice, Took: second, End: s.now, Budget: &event.Budget{event.SharePeer: second}})
}

// TestTrips checks the round trips while data is under way, and what they say about the path.
func TestTrips(t *testing.T) {
	stamp := func(val, echo uint32) []byte {
		return []byte{1, 1, 8, 10, byte(val >> 24), byte(val >> 16), byte(val >> 8), byte(val), byte(echo >> 24), byte(echo >> 16), byte(echo >> 8), byte(echo)}
	}
	at := func(ns int64) *event.Entry { return &event.Entry{Event: event.Event{Time: ns}} }
	var r trips
	r.segment(at(1), &event.TCPHeader{Flags: ack, Seq: 100, Length: 10}, true)
	r.segment(at(1+20*millisecond), &event.TCPHeader{Flags: ack, Ack: 105}, false) // not all of it
	r.segment(at(1+30*millisecond), &event.TCPHeader{Flags: ack, Ack: 110}, false)
	if r.n != 1 || r.least != 30*millisecond {
		t.Errorf("%+v", r)
	}
	// Of what is sent again it is not known which of both was acknowledged.
	r.segment(at(second), &event.TCPHeader{Flags: ack, Seq: 110, Length: 10}, true)
	r.segment(at(2*second), &event.TCPHeader{Flags: ack, Seq: 110, Length: 10}, true)
	r.segment(at(3*second), &event.TCPHeader{Flags: ack, Ack: 120}, false)
	if r.n != 1 {
		t.Errorf("%+v", r)
	}
	// The receiver knows by timestamps, as long as data comes all the time.
	r = trips{}
	r.segment(at(0), &event.TCPHeader{Flags: ack, Length: 100, Options: stamp(500, 0)}, false)
	for i := range int64(30) {
		r.segment(at((1+10*i)*millisecond), &event.TCPHeader{Flags: ack, Options: stamp(uint32(1+10*i), 500)}, true)
		r.segment(at((2+10*i)*millisecond), &event.TCPHeader{Flags: ack, Length: 100, Options: stamp(500, uint32(max(0, 10*i-90)))}, false)
	}
	if r.n < 2 || r.least < 90*millisecond || r.most > 120*millisecond {
		t.Errorf("%+v", r)
	}
	c := &conn{trips: trips{n: 9, least: 10 * millisecond, most: 900 * millisecond, sum: 9 * 600 * millisecond}}
	f := &finding{Verdict: event.Verdict{Cause: "bandwidth-limited"}}
	if c.bloated(f); f.Cause != "bufferbloat" {
		t.Errorf("%+v", f)
	}
	c.trips.sum, c.trips.most = 9*30*millisecond, 100*millisecond
	f.Cause = "bandwidth-limited"
	if c.bloated(f); f.Cause != "bandwidth-limited" {
		t.Errorf("%+v", f)
	}
	for _, o := range [][]byte{nil, {0, 8}, {8}, {8, 10}, {8, 0}, {1, 8, 9, 0, 0, 0, 0, 0, 0, 0}} {
		if _, _, ok := timestamps(o); ok {
			t.Errorf("%v has timestamps", o)
		}
	}
}

// TestManyGaps checks that what is kept of gaps, facts and spins is bounded.
func TestManyGaps(t *testing.T) {
	g := New(Options{Layers: all, Command: true})
	for i := range 3 * maxGaps {
		s := &story{}
		s.spends(nil, "cpu", second)
		s.fact(fmt.Sprint("env ", i), "x")
		s.call(tcp(1, "10.0.0.2:80"), "recvfrom", event.Receives, -1, 0, "EAGAIN")
		for _, e := range s.list {
			e.Task.TID = uint32(i)
			g.Add(e, func(*event.Entry) {})
		}
	}
	if len(g.gaps) > maxGaps || len(g.known) > maxFacts || len(g.spinning) > maxSpins {
		t.Errorf("%d gaps, %d facts, %d spins", len(g.gaps), len(g.known), len(g.spinning))
	}
}

// TestLeftOver checks connections that were in CLOSE_WAIT at attach: they count unless they are closed.
func TestLeftOver(t *testing.T) {
	found := func(s *story, n, close int) {
		s.list = nil
		for i := range n {
			c := tcp(uint32(i+1), fmt.Sprintf("10.0.0.2:%d", 1000+i))
			s.add(nil, &event.SockFound{Sock: event.Sock{State: stateCloseWait, Protocol: event.ProtoTCP, Local: c.Local, Peer: c.Peer}})
		}
		s.wait(2 * second)
		for i := range close {
			c := tcp(uint32(i+1), fmt.Sprintf("10.0.0.2:%d", 1000+i))
			s.add(c, &event.State{From: stateCloseWait, To: event.TCPClose})
		}
	}
	judge(t, "warning close-wait-leak", func(s *story) { found(s, 6, 0) })
	judge(t, "", func(s *story) { found(s, 6, 3) })
	judge(t, "", func(s *story) { found(s, 4, 0) })
}
