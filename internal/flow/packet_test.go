package flow

import (
	"net/netip"
	"testing"

	"github.com/pidwire/pidwire/internal/event"
)

var (
	here  = netip.MustParseAddrPort("10.0.0.5:80")
	there = netip.MustParseAddrPort("10.0.2.15:48448")
)

// atServer is the cookie of a listening socket.
const atServer = 50

// seg returns a TCP segment at the end with address local.
func seg(cookie uint64, dir event.Direction, flags uint8, local, peer netip.AddrPort) *event.Capture {
	c := &event.Capture{Cookie: cookie, Owner: event.OwnerReceived}
	if cookie == atServer {
		c.Owner = event.OwnerCreated
	}
	c.Dir, c.Version, c.Proto, c.Src, c.Dst = dir, 4, event.ProtoTCP, local, peer
	if dir == event.DirIn {
		c.Src, c.Dst = peer, local
	}
	c.TCP.Valid, c.TCP.Flags = true, flags
	return c
}

const (
	syn    = event.TCPSyn
	synAck = event.TCPSyn | event.TCPAck
	ack    = event.TCPAck
)

// packet adds a packet, and checks its connection and match.
func (l *life) packet(c *event.Capture, n uint32, first bool, m event.Match) *event.Conn {
	l.t.Helper()
	e := l.add(parent, c)
	if e.Conn == nil {
		l.t.Fatalf("at %d: joined to nothing", e.Time)
	}
	if e.Conn.N != n || e.First != first || e.Match != m {
		l.t.Errorf("at %d: c%d, first %v, %v; want c%d, %v, %v", e.Time, e.Conn.N, e.First, e.Match, n, first, m)
	}
	return e.Conn
}

func TestPacketsOfAClient(t *testing.T) {
	l := newLife(t)
	l.call(parent, "socket", 3, made(tcp(70, 7, 3)))
	c := l.packet(seg(70, event.DirOut, syn, there, here), 1, false, event.MatchExact)
	if c.Local != there || c.Peer != here {
		t.Errorf("after the SYN: %+v", c)
	}
	l.packet(seg(70, event.DirIn, synAck, there, here), 1, false, event.MatchExact)
	s := tcp(70, 7, 3)
	s.State, s.Local, s.Peer = 1, there, here
	l.want(l.call(parent, "connect", 0, s), 1, false)
	l.packet(seg(70, event.DirOut, ack, there, here), 1, false, event.MatchExact)
}

func TestPacketsOfAServer(t *testing.T) {
	listener := tcp(atServer, 5, 3)
	listener.State, listener.Local = event.TCPListen, here
	child := tcp(51, 6, 4)
	child.State, child.Local, child.Peer = 1, here, there
	accept := func(l *life) {
		l.t.Helper()
		l.want(l.call(parent, "accept4", 4, listener, made(child)), 1, false, 2)
	}
	data := func(l *life, m event.Match) {
		l.t.Helper()
		c := l.packet(seg(51, event.DirIn, ack, here, there), 2, false, m)
		if c.Listener != 1 || c.ID.Cookie != 51 || c.Old {
			l.t.Errorf("%+v", c)
		}
	}
	handshake := func(t *testing.T) *life {
		l := newLife(t)
		l.call(parent, "listen", 0, made(listener))
		l.packet(seg(atServer, event.DirIn, syn, here, there), 2, true, event.MatchTable)
		l.packet(seg(atServer, event.DirIn, syn, here, there), 2, false, event.MatchTable) // again
		l.packet(seg(atServer, event.DirOut, synAck, here, there), 2, false, event.MatchTable)
		l.packet(seg(atServer, event.DirIn, ack, here, there), 2, false, event.MatchTable)
		return l
	}
	t.Run("data before accept", func(t *testing.T) {
		l := handshake(t)
		data(l, event.MatchTable)
		data(l, event.MatchExact)
		accept(l)
		data(l, event.MatchExact)
	})
	t.Run("accept before data", func(t *testing.T) {
		l := handshake(t)
		accept(l)
		data(l, event.MatchExact)
		// Later packets with the listener's cookie belong to the same connection.
		l.packet(seg(atServer, event.DirIn, ack, here, there), 2, false, event.MatchTable)
	})
	t.Run("addresses used again", func(t *testing.T) {
		l := handshake(t)
		accept(l)
		l.packet(seg(atServer, event.DirIn, syn, here, there), 3, true, event.MatchTable)
		l.packet(seg(52, event.DirIn, ack, here, there), 3, false, event.MatchTable)
		data(l, event.MatchExact)
	})
	t.Run("a socket of IPv6", func(t *testing.T) {
		l := handshake(t)
		six := child
		mapped := func(a netip.AddrPort) netip.AddrPort {
			b := a.Addr().As16()
			return netip.AddrPortFrom(netip.AddrFrom16(b), a.Port())
		}
		six.Family, six.Local, six.Peer = 10, mapped(here), mapped(there)
		l.want(l.call(parent, "accept4", 4, listener, made(six)), 1, false, 2)
		l.packet(seg(51, event.DirIn, ack, here, there), 2, false, event.MatchExact)
	})
}

// TestPacketsOfOldSockets checks that sockets open at attach are recognized.
func TestPacketsOfOldSockets(t *testing.T) {
	l := newLife(t)
	listener, open := tcp(atServer, 5, 3), tcp(60, 6, 4)
	listener.State, listener.Local = event.TCPListen, here
	open.State, open.Local, open.Peer = 1, here, there
	l.add(parent, &event.SockFound{Sock: listener})
	l.add(parent, &event.SockFound{Sock: open})
	c := l.packet(seg(60, event.DirIn, ack, here, there), 1, true, event.MatchExact)
	if !c.Old || c.ID != open.ID {
		t.Errorf("%+v", c)
	}
	other := netip.MustParseAddrPort("10.0.2.16:1")
	e := l.add(parent, seg(atServer, event.DirIn, syn, here, other))
	if e.Conn == nil || e.Conn.N != 3 || e.Conn.Listener != 2 || len(e.Others) != 1 || e.Others[0].N != 2 || !e.Others[0].Old || e.Others[0].State != event.TCPListen {
		t.Errorf("%+v, others %+v", e.Conn, e.Others)
	}
	l.want(l.call(parent, "accept4", -11, listener), 2, false)
}

func TestPacketsAlone(t *testing.T) {
	l := newLife(t)
	// In the middle of an earlier connection, and of one whose start was seen.
	old := seg(60, event.DirOut, ack, there, here)
	old.Old = true
	if c := l.packet(old, 1, true, event.MatchExact); !c.Old {
		t.Errorf("%+v", c)
	}
	l.packet(seg(60, event.DirIn, ack, there, here), 1, false, event.MatchExact)
	if c := l.packet(seg(61, event.DirOut, syn, there, here), 2, true, event.MatchExact); c.Old {
		t.Errorf("%+v", c)
	}
	// At an unknown listener.
	l.packet(seg(atServer, event.DirIn, syn, here, there), 3, true, event.MatchTable)
	l.packet(seg(atServer, event.DirOut, synAck, here, there), 3, false, event.MatchTable)
	other := netip.MustParseAddrPort("10.0.2.16:1")
	l.packet(seg(atServer, event.DirIn, syn, here, other), 4, true, event.MatchTable)
	inherited := seg(51, event.DirIn, ack, here, there)
	inherited.Inherited = true
	l.packet(inherited, 3, false, event.MatchTable)
	l.packet(inherited, 3, false, event.MatchInherited)

	// One UDP socket is one connection, for any number of peers.
	for i, peer := range []netip.AddrPort{here, other} {
		u := seg(80, event.DirOut, 0, there, peer)
		u.Proto, u.TCP = event.ProtoUDP, event.TCPHeader{}
		if c := l.packet(u, 5, i == 0, event.MatchExact); c.Peer.IsValid() || c.Type != 2 {
			t.Errorf("%+v", c)
		}
	}
}

// TestPacketsOfFiles checks that packets without a socket are joined by their addresses, in both
// directions, and marked as a guess.
func TestPacketsOfFiles(t *testing.T) {
	l := newLife(t)
	plain := func(dir event.Direction, flags uint8, seq uint32) *event.Capture {
		c := seg(0, dir, flags, there, here)
		c.Owner, c.TCP.Seq = 0, seq
		c.Dir = event.DirUnknown
		return c
	}
	c := l.packet(plain(event.DirOut, syn, 1), 1, true, event.MatchGuess)
	if c.Local != there || c.Peer != here || c.Old {
		t.Errorf("%+v", c)
	}
	l.packet(plain(event.DirIn, synAck, 7), 1, false, event.MatchGuess)
	l.packet(plain(event.DirOut, syn, 1), 1, false, event.MatchGuess) // again
	l.packet(plain(event.DirOut, ack, 2), 1, false, event.MatchGuess)
	l.packet(plain(event.DirOut, syn, 99), 2, true, event.MatchGuess)
	other := plain(event.DirIn, ack, 5)
	other.Src = netip.MustParseAddrPort("10.0.0.6:80")
	if c := l.packet(other, 3, true, event.MatchGuess); !c.Old {
		t.Errorf("%+v", c)
	}
}

// TestNames checks that a connection has the name that was resolved to its peer's address, if it
// was resolved before.
func TestNames(t *testing.T) {
	l := newLife(t)
	dns := seg(90, event.DirIn, 0, there, netip.MustParseAddrPort("10.0.0.53:53"))
	dns.Proto, dns.TCP.Valid = event.ProtoUDP, false
	ninth := netip.MustParseAddrPort("10.0.0.9:80")
	// What the address was asked for is not better than the name that was looked up.
	dns.Answers = []event.Answer{
		{Addr: here.Addr(), Name: "web.test", From: event.FromDNS}, {Addr: here.Addr(), Name: "host-7.test", From: event.FromPTR}, {Addr: netip.MustParseAddr("10.0.0.8"), Name: "host-8.test", From: event.FromPTR},
	}
	l.add(parent, dns)
	c := l.packet(seg(60, event.DirOut, syn, there, here), 2, true, event.MatchExact)
	if c.PeerName != "web.test" || c.PeerFrom != event.FromDNS {
		t.Errorf("%+v", c)
	}
	// By a call too, with the address in either form.
	s := made(tcp(61, 8, 5))
	s.Family, s.Peer = 10, netip.AddrPortFrom(netip.AddrFrom16(here.Addr().As16()), 443)
	if e := l.call(parent, "connect", 0, s); e.Conn.PeerName != "web.test" {
		t.Errorf("%+v", e.Conn)
	}
	if c := l.packet(seg(62, event.DirOut, syn, there, ninth), 4, true, event.MatchExact); c.PeerName != "" || c.PeerFrom != event.FromNowhere {
		t.Errorf("%+v", c)
	}
	if c := l.packet(seg(63, event.DirOut, syn, there, netip.MustParseAddrPort("10.0.0.8:80")), 5, true, event.MatchExact); c.PeerName != "host-8.test" || c.PeerFrom != event.FromPTR {
		t.Errorf("%+v", c)
	}
}

// TestNamespaces checks that equal addresses in two network namespaces are two connections, even if
// their handshakes are interleaved.
func TestNamespaces(t *testing.T) {
	l := newLife(t)
	inSpace := func(cookie uint64, dir event.Direction, flags uint8, space uint32) *event.Capture {
		c := seg(cookie, dir, flags, here, there)
		c.Space = event.SpaceOf(space)
		if cookie == atServer+1 {
			c.Owner = event.OwnerCreated
		}
		return c
	}
	for i, netns := range []uint32{4026531840, 4026532200} {
		listener := tcp(uint64(atServer+i), uint64(5+i), 3)
		listener.State, listener.Local, listener.NetNS = event.TCPListen, here, netns
		l.call(parent, "listen", 0, made(listener))
	}
	l.packet(inSpace(atServer, event.DirIn, syn, 4026531840), 3, true, event.MatchTable)
	l.packet(inSpace(atServer+1, event.DirIn, syn, 4026532200), 4, true, event.MatchTable)
	l.packet(inSpace(atServer, event.DirOut, synAck, 4026531840), 3, false, event.MatchTable)
	l.packet(inSpace(atServer+1, event.DirOut, synAck, 4026532200), 4, false, event.MatchTable)
	child := tcp(71, 9, 4)
	child.State, child.Local, child.Peer, child.NetNS = 1, here, there, 4026532200
	listener := tcp(atServer+1, 6, 3)
	listener.State, listener.Local, listener.NetNS = event.TCPListen, here, 4026532200
	l.want(l.call(parent, "accept4", 4, listener, made(child)), 2, false, 4)
	l.packet(inSpace(70, event.DirIn, ack, 4026531840), 3, false, event.MatchTable)
	l.packet(inSpace(71, event.DirIn, ack, 4026532200), 4, false, event.MatchExact)
}

// TestStates checks that an accepted socket and its handshake are one connection, from its first
// state on.
func TestStates(t *testing.T) {
	l := newLife(t)
	listener := tcp(atServer, 5, -1)
	listener.State, listener.Local = event.TCPListen, here
	l.add(parent, &event.State{Sock: listener, From: event.TCPClose, To: event.TCPListen})
	l.packet(seg(atServer, event.DirIn, syn, here, there), 2, true, event.MatchTable)
	born := tcp(51, 0, -1)
	born.State, born.Local, born.Peer = 3, here, there
	e := l.add(parent, &event.State{Sock: born, Listener: atServer, From: event.TCPListen, To: 3})
	if e.Conn == nil || e.Conn.N != 2 || e.Conn.Listener != 1 || e.Match != event.MatchInherited || e.Conn.Old {
		t.Errorf("%+v, %v", e.Conn, e.Match)
	}
	// Its packets belong to the listener until the handover.
	in := seg(51, event.DirIn, ack, here, there)
	in.Inherited = true
	l.packet(in, 2, false, event.MatchInherited)
	h := &event.Handover{Cookie: 51, Listener: atServer, Owner: event.OwnerReceived}
	if e := l.add(child, h); e.Conn == nil || e.Conn.N != 2 || h.Shown != 1 || h.From.PID != parent.PID {
		t.Errorf("%+v: %+v", e.Conn, h)
	}
	again := &event.Handover{Cookie: 51, Owner: event.OwnerSent}
	if l.add(child, again); again.Shown != 0 || again.From.PID != 0 {
		t.Errorf("handed to whom it was handed to: %+v", again)
	}
	// Packets at the device after the close do not change it.
	late := seg(51, event.DirIn, ack, here, there)
	late.Made, late.Wire = event.MadePeer, true
	l.packet(late, 2, false, event.MatchTable)
}
