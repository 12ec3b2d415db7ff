package why

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/event"
)

const all = 1<<event.LayerSys | 1<<event.LayerPkt | 1<<event.LayerKrn

// story makes entries of a process, 1 ms after each other unless at says otherwise.
type story struct {
	list []*event.Entry
	now  int64
	seq  uint64
}

func (s *story) add(c *event.Conn, b event.Body) {
	s.now += millisecond
	s.seq++
	s.list = append(s.list, &event.Entry{Event: event.Event{Time: s.now, Seq: s.seq, Task: event.Task{Proc: event.Proc{PID: 7, Start: 1}, TID: 7}, Body: b}, Conn: c, Match: event.MatchExact})
}

func (s *story) wait(ns int64) { s.now += ns }

func (s *story) packet(c *event.Conn, d event.Direction, flags uint8, n uint32) {
	s.add(c, &event.Capture{Packet: event.Packet{Dir: d, Proto: event.ProtoTCP, Version: 4, TCP: event.TCPHeader{Valid: true, Flags: flags, Win: 100, Length: n}}})
}

func (s *story) connect(c *event.Conn, errno string) {
	b := &event.Call{Name: "connect", Role: event.Connects, Errno: errno, Addr: c.Peer}
	if errno != "" {
		b.Ret = -1
	}
	s.add(c, b)
}

// judged returns the verdicts of a story, in short: rank severity cause, and how often.
func (s *story) judged(t *testing.T, o Options) (list []string) {
	t.Helper()
	g := New(o)
	s.add(nil, &event.End{})
	for i, e := range s.list {
		n := 0
		g.Add(e, func(out *event.Entry) {
			if out == e {
				n++
				return
			}
			v, is := out.Body.(*event.Verdict)
			if !is || i != len(s.list)-1 || n > 0 {
				t.Fatalf("entry %d: %T", i, out.Body)
			}
			if v.Rank != len(list)+1 || v.Cause == "" || v.Text == "" || len(v.Evidence) == 0 || v.Count < 1 || v.Evidence[0].Seq == 0 {
				t.Errorf("a bad verdict: %+v", v)
			}
			list = append(list, v.Severity.String()+" "+v.Cause)
		})
		if n != 1 {
			t.Fatalf("entry %d was passed %d times", i, n)
		}
	}
	return list
}

func tcp(n uint32, peer string) *event.Conn {
	p := netip.MustParseAddrPort(peer)
	c := &event.Conn{N: n, Family: afInet, Type: sockStream, Protocol: event.ProtoTCP, Peer: p, Local: netip.MustParseAddrPort("10.0.0.1:4000")}
	if p.Addr().Is6() {
		c.Family = afInet6
	}
	return c
}

const (
	syn, ack, rst, fin = event.TCPSyn, event.TCPAck, event.TCPRst, event.TCPFin
	in, out            = event.DirIn, event.DirOut
)

func (s *story) handshake(c *event.Conn) {
	s.connect(c, "EINPROGRESS")
	s.packet(c, out, syn, 0)
	s.packet(c, in, syn|ack, 0)
	s.add(c, &event.State{From: event.TCPSynSent, To: event.TCPEstablished})
}

func TestOutcomes(t *testing.T) {
	a, b := tcp(1, "10.0.0.2:80"), tcp(2, "10.0.0.3:80")
	six := tcp(3, "[2001:db8::1]:80")
	unix := &event.Conn{N: 4, Family: afUnix, Type: sockStream, Path: "/run/app.sock"}
	cache := &event.Conn{N: 5, Family: afUnix, Type: sockStream, Path: "/var/run/nscd/socket"}
	exec := &event.Process{What: event.Exec}
	for _, test := range []struct {
		name string
		tell func(*story)
		want string
	}{
		{"refused", func(s *story) { s.connect(a, "EINPROGRESS"); s.packet(a, out, syn, 0); s.packet(a, in, rst|ack, 0) }, "error connect-refused"},
		{"refused, then taken", func(s *story) {
			s.packet(a, out, syn, 0)
			s.packet(a, in, rst|ack, 0)
			s.handshake(b)
		}, "info connect-refused"},
		{"refused, then taken late", func(s *story) {
			s.packet(a, out, syn, 0)
			s.packet(a, in, rst|ack, 0)
			s.wait(second)
			s.handshake(b)
		}, "warning connect-refused"},
		{"no answer", func(s *story) { s.packet(a, out, syn, 0); s.wait(second); s.packet(a, out, syn, 0); s.wait(second) }, "error syn-blackhole"},
		{"one SYN", func(s *story) { s.packet(a, out, syn, 0); s.wait(second / 2) }, ""},
		{"dropped here", func(s *story) {
			s.packet(a, out, syn, 0)
			s.add(a, &event.Kernel{What: event.KernelEvent, Name: "skb:drop", Reason: "NETFILTER_DROP", Fields: []event.Arg{{Name: "flags", Val: event.Tape{{Str: "S"}}}}})
			s.wait(second)
			s.packet(a, out, syn, 0)
		}, "error firewall-drop-local"},
		{"answer dropped here", func(s *story) {
			s.packet(a, out, syn, 0)
			s.add(a, &event.Kernel{What: event.KernelEvent, Name: "skb:drop", Reason: "IP_RPFILTER", Fields: []event.Arg{{Name: "flags", Val: event.Tape{{Str: "S."}}}}})
			s.wait(second)
			s.packet(a, out, syn, 0)
		}, "error reply-dropped-local"},
		{"rejected", func(s *story) {
			s.packet(a, out, syn, 0)
			s.add(a, &event.Capture{Made: event.MadeICMP, Packet: event.Packet{Dir: in, Proto: event.ProtoICMP, Src: a.Peer, ICMP: event.ICMPHeader{Type: 3, Code: 13}}})
		}, "error firewall-reject"},
		{"no route", func(s *story) { s.connect(a, "ENETUNREACH") }, "error no-route"},
		{"no route by IPv6", func(s *story) { s.connect(six, "ENETUNREACH"); s.handshake(a) }, "info no-route"},
		{"IPv6 is dead", func(s *story) { s.packet(six, out, syn, 0); s.wait(second); s.packet(six, out, syn, 0); s.handshake(a) }, "warning ipv6-broken"},
		{"not allowed", func(s *story) { s.connect(a, "EPERM") }, "error denied-by-policy"},
		{"no descriptor", func(s *story) { s.add(nil, &event.Call{Name: "socket", Role: event.Opens, Errno: "EMFILE"}) }, "error fd-limit"},
		{"no ports", func(s *story) { s.connect(a, "EADDRNOTAVAIL") }, "error ephemeral-ports-exhausted"},
		{"no socket", func(s *story) { s.connect(unix, "ENOENT") }, "error unix-socket-missing"},
		{"no cache of names", func(s *story) { s.connect(cache, "ENOENT") }, ""},
		{"nobody there", func(s *story) { s.connect(unix, "ECONNREFUSED") }, "error unix-socket-refused"},
		{"reset", func(s *story) {
			s.handshake(a)
			s.packet(a, in, ack, 100)
			s.packet(a, in, rst, 0)
			s.add(a, &event.Call{Name: "read", Role: event.Receives, Errno: "ECONNRESET"})
		}, "error peer-reset"},
		{"reset after all", func(s *story) {
			s.handshake(a)
			s.packet(a, in, ack, 100)
			s.packet(a, out, fin|ack, 0)
			s.packet(a, in, rst, 0)
		}, ""},
		{"two", func(s *story) { s.connect(unix, "ENOENT"); s.connect(a, "ENETUNREACH") }, "error no-route, error unix-socket-missing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &story{}
			s.add(nil, exec)
			test.tell(s)
			if got := strings.Join(s.judged(t, Options{Layers: all, Command: true}), ", "); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

// TestAbsence checks that what was not seen proves nothing where a layer lost something, or was off.
func TestAbsence(t *testing.T) {
	a := tcp(1, "10.0.0.2:80")
	tell := func(extra ...event.Body) *story {
		s := &story{}
		s.packet(a, out, syn, 0)
		s.wait(second)
		s.packet(a, out, syn, 0)
		for _, b := range extra {
			s.add(nil, b)
		}
		return s
	}
	if got := tell().judged(t, Options{Layers: all}); len(got) != 1 {
		t.Errorf("%q", got)
	}
	if got := tell(&event.Lost{Layer: event.LayerPkt, Count: 1}).judged(t, Options{Layers: all}); len(got) != 0 {
		t.Errorf("with losses: %q", got)
	}
	if got := tell().judged(t, Options{Layers: 1 << event.LayerSys}); len(got) != 0 {
		t.Errorf("without packets: %q", got)
	}
}

// TestOnce checks that a cause is one verdict, however often it occurs.
func TestOnce(t *testing.T) {
	s := &story{}
	for i := range uint32(300) {
		c := tcp(i+1, "10.0.0.2:80")
		s.packet(c, out, syn, 0)
		s.packet(c, in, rst|ack, 0)
	}
	s.add(nil, &event.End{})
	g := New(Options{Layers: all})
	for _, e := range s.list {
		g.Add(e, func(e *event.Entry) {
			if v, ok := e.Body.(*event.Verdict); ok && (v.Count != 300 || len(v.Conns) != mostConns || len(v.Evidence) > mostEvidence) {
				t.Errorf("count %d, %d connections, %d lines", v.Count, len(v.Conns), len(v.Evidence))
			}
		})
	}
}

// TestBounded checks that what is kept is bounded.
func TestBounded(t *testing.T) {
	g := New(Options{Layers: all})
	var s story
	for i := range uint32(maxConns + 1000) {
		s.list = s.list[:0]
		c := tcp(i+1, "10.0.0.2:80")
		s.packet(c, out, syn, 0)
		s.add(c, &event.Message{Proto: "dns", Kind: event.MessageRequest, Dir: out, Fields: []event.Field{{Key: &event.Key{Name: "dns.question.name"}, Text: string(rune(i)) + ".test"}}})
		s.add(c, &event.Message{Proto: "http", Kind: event.MessageRequest, Dir: out, Exchange: uint64(i + 1)})
		for _, e := range s.list {
			g.Add(e, func(*event.Entry) {})
		}
	}
	lost := uint64(0)
	g.Add(&event.Entry{Event: event.Event{Body: &event.End{}}}, func(e *event.Entry) {
		if b, ok := e.Body.(*event.Lost); ok {
			lost += b.Count
		}
	})
	if lost == 0 {
		t.Error("connections that are not judged are not counted")
	}
	if len(g.list) != maxConns || g.more == 0 || len(g.order) > maxLookups || len(g.said) > maxExchanges {
		t.Errorf("%d connections, %d more, %d look-ups, %d exchanges", len(g.list), g.more, len(g.order), len(g.said))
	}
}

// TestAnyOrder checks that no order of entries is too much, and that no verdict is without evidence.
func TestAnyOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	conns := []*event.Conn{nil, tcp(1, "10.0.0.2:80"), tcp(2, "[2001:db8::1]:443"), {N: 3, Family: afUnix, Type: sockStream, Path: "\x00x"}, {N: 4, Family: afInet, Type: sockDgram}, {N: 5}}
	errnos := []string{"", "EAGAIN", "ENOENT", "ECONNREFUSED", "ECONNRESET", "EPIPE", "EMFILE", "EPERM", "EHOSTUNREACH", "ENOBUFS", "EMSGSIZE", "EADDRINUSE"}
	roles := []event.Role{event.Connects, event.Sends, event.Receives, event.Waits, event.Closes, event.Binds, event.SetsOption, event.Accepts}
	names := []string{"skb:drop", "tcp:listen-overflow", "tcp:reset-sent", "tcp:retransmit", "neigh:failed", "sock:rcvqueue-full"}
	protos := []string{"http", "dns", "tls", "unknown", "conn"}
	for range 3000 {
		s := &story{}
		for range 1 + r.IntN(40) {
			c := conns[r.IntN(len(conns))]
			s.wait(r.Int64N(second))
			switch r.IntN(8) {
			case 0:
				s.packet(c, event.Direction(r.IntN(3)), uint8(r.IntN(64)), uint32(r.IntN(3000)))
			case 1:
				s.add(c, &event.Call{Name: "call", Role: roles[r.IntN(len(roles))], Errno: errnos[r.IntN(len(errnos))], Dur: r.Int64N(second), Args: make([]event.Arg, r.IntN(4))})
			case 2:
				s.add(c, &event.Kernel{What: event.KernelEvent, Name: names[r.IntN(len(names))], Reason: localDrops[r.IntN(len(localDrops))]})
			case 3:
				b := &event.Budget{}
				for i := range b {
					b[i] = r.Int64N(second)
				}
				m := &event.Message{Proto: protos[r.IntN(len(protos))], Kind: event.MessageKind(r.IntN(3)), Dir: event.Direction(r.IntN(3)), Exchange: uint64(r.IntN(5)), Budget: b}
				if m.Proto == "dns" {
					m.Fields = []event.Field{{Key: &event.Key{Name: "dns.question.name"}, Text: "a.test"}, {Key: &event.Key{Name: "dns.question.type"}, Text: "A"}}
				}
				s.add(c, m)
			case 4:
				s.add(c, &event.State{From: 1, To: uint8(r.IntN(13))})
			case 6:
				s.spends(c, []string{"cpu", "disk", "futex", "x"}[r.IntN(4)], r.Int64N(second))
			case 7:
				s.fact([]string{"env http_proxy", "listeners 80", "conntrack", "limit nofile", "resolv.conf"}[r.IntN(5)], []string{"", "10.0.0.2:80", "10.0.0.2:80 waiting=1", "5 of 5", "nameserver"}[r.IntN(5)])
			case 5:
				s.add(c, &event.Process{What: event.ProcWhat(1 + r.IntN(4)), Code: uint32(r.IntN(300))})
			}
		}
		s.judged(t, Options{Layers: uint32(r.IntN(32)), Command: r.IntN(2) == 0})
	}
}

func TestStamp(t *testing.T) {
	for text, want := range map[string]int64{
		"1970-01-01T00:00:00Z": 0, "2021-01-01T00:00:00Z": 1609459200, "2000-02-29T23:59:59Z": 951868799, "1969-12-31T23:59:59Z": -1, "2100-03-01T00:00:00Z": 4107542400,
	} {
		if got, ok := stamp(text); !ok || got != want {
			t.Errorf("%s is %d (%t), want %d", text, got, ok, want)
		}
	}
	for _, bad := range []string{"", "2021-01-01", "2021-01-01T00:00:00", "2021-01-01 00:00:00Z", "x021-01-01T00:00:00Z"} {
		if _, ok := stamp(bad); ok {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestNamed(t *testing.T) {
	for _, test := range []struct {
		asked string
		names []string
		want  bool
	}{
		{"api.test", []string{"api.test"}, true}, {"API.test", []string{"x", "api.TEST"}, true}, {"api.test", []string{"*.test"}, true},
		{"a.b.test", []string{"*.test"}, false}, {"test", []string{"*.test"}, false}, {"api.test", []string{"www.test"}, false},
	} {
		if got := named(&handshake{name: test.asked, names: test.names}); got != test.want {
			t.Errorf("%s, %q: %t", test.asked, test.names, got)
		}
	}
}

func TestSacks(t *testing.T) {
	for _, test := range []struct {
		options []byte
		want    bool
	}{
		{nil, false}, {[]byte{1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0}, false}, {[]byte{1, 1, 5, 10, 0, 0, 0, 0, 0, 0, 0, 0}, true},
		{[]byte{8}, false}, {[]byte{8, 0, 5, 10}, false}, {[]byte{8, 20, 5}, false}, {[]byte{0, 5, 2}, false},
	} {
		if got := sacks(test.options); got != test.want {
			t.Errorf("%v: %t", test.options, got)
		}
	}
}

func TestQuoted(t *testing.T) {
	for path, want := range map[string]string{"/run/a.sock": "'/run/a.sock'", "/x; rm -rf ~": "'/x; rm -rf ~'", "/it's": `'/it'\''s'`} {
		if got := quoted(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}
