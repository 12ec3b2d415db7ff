package flow

import (
	"testing"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/syscalls"
)

// payload is a segment that carries bytes at a position of its stream, of which
// the SYN had the number 1000 one way and 5000 the other.
func payload(dir event.Direction, at, n uint32) *event.Capture {
	c := seg(70, dir, ack, there, here)
	c.TCP.Seq, c.TCP.Length = 1001+at, n
	if dir == event.DirIn {
		c.TCP.Seq += 4000
	}
	return c
}

func (l *life) moves(name string, in bool, n int64) event.Entry {
	s := tcp(70, 7, 3)
	s.State, s.Local, s.Peer = 1, there, here
	return l.add(parent, &event.Call{Name: name, Role: syscalls.RoleOf(name), Ret: n, Bytes: n, In: in, Socks: []event.Sock{s}, Dur: 2})
}

func (l *life) causedBy(e event.Entry, cause uint64) {
	l.t.Helper()
	if e.Cause != cause {
		l.t.Errorf("%d is caused by %d, want %d", e.Seq, e.Cause, cause)
	}
}

// connected begins a connection of cookie 70 by socket, connect and handshake.
func connected(t *testing.T) *life {
	l := newLife(t)
	l.call(parent, "socket", 3, made(tcp(70, 7, 3)))
	s := tcp(70, 7, 3)
	s.State, s.Local, s.Peer = 1, there, here
	connect := l.add(parent, &event.Call{Name: "connect", Role: syscalls.RoleOf("connect"), Socks: []event.Sock{s}, Dur: 10})
	first := seg(70, event.DirOut, syn, there, here)
	first.TCP.Seq = 1000
	l.causedBy(l.add(parent, first), connect.Seq)
	second := seg(70, event.DirIn, synAck, there, here)
	second.TCP.Seq = 5000
	l.causedBy(l.add(parent, second), 0)
	l.causedBy(l.add(parent, seg(70, event.DirOut, ack, there, here)), 0)
	return l
}

// TestCauseOfPackets holds that bytes are known by their position, however late
// they leave, and whatever was written since.
func TestCauseOfPackets(t *testing.T) {
	l := connected(t)
	one, two := l.moves("write", false, 100), l.moves("sendto", false, 50)
	for range 20 {
		l.now++ // both calls have returned long since
	}
	l.causedBy(l.add(parent, payload(event.DirOut, 0, 60)), one.Seq)
	l.causedBy(l.add(parent, payload(event.DirOut, 60, 60)), one.Seq)
	l.causedBy(l.add(parent, payload(event.DirOut, 120, 30)), two.Seq)
	l.causedBy(l.add(parent, payload(event.DirOut, 60, 60)), one.Seq) // again
	l.causedBy(l.add(parent, payload(event.DirOut, 150, 1)), 0)       // of no call that was seen
	s := tcp(70, 7, 3)
	s.State, s.Local, s.Peer = 1, there, here
	bye := l.add(parent, &event.Call{Name: "close", Role: syscalls.RoleOf("close"), Socks: []event.Sock{s}, Dur: 5})
	fin := seg(70, event.DirOut, ack|event.TCPFin, there, here)
	l.causedBy(l.add(parent, fin), bye.Seq)
}

// TestCauseOfCalls holds that a call is given the packet that brought its last
// byte, or ended the stream.
func TestCauseOfCalls(t *testing.T) {
	l := connected(t)
	a, b := l.add(parent, payload(event.DirIn, 0, 100)), l.add(parent, payload(event.DirIn, 100, 100))
	l.causedBy(l.moves("read", true, 100), a.Seq)
	peek := event.Call{Name: "recvfrom", Role: syscalls.RoleOf("recvfrom"), Ret: 50, Bytes: 50, In: true, Socks: []event.Sock{tcp(70, 7, 3)}, Args: []event.Arg{{Name: "flags", Raw: 2}}}
	l.causedBy(l.add(parent, &peek), b.Seq)
	l.causedBy(l.moves("read", true, 50), b.Seq)
	l.causedBy(l.moves("read", true, 50), b.Seq)
	fin := seg(70, event.DirIn, ack|event.TCPFin, there, here)
	fin.TCP.Seq = 5201
	end := l.add(parent, fin)
	l.causedBy(l.moves("read", true, 0), end.Seq)
	rst := l.add(parent, seg(70, event.DirIn, event.TCPRst, there, here))
	s := tcp(70, 7, 3)
	l.causedBy(l.add(parent, &event.Call{Name: "write", Role: syscalls.RoleOf("write"), Ret: -104, Errno: "ECONNRESET", Socks: []event.Sock{s}}), rst.Seq)
}

// TestCauseOfWaiting holds that poll is given what came while it waited, for
// any of what it waited for, and accept the end of the handshake.
func TestCauseOfWaiting(t *testing.T) {
	for i := range syscalls.Table {
		if c := &syscalls.Table[i]; c.Role.Has(event.Waits) {
			t.Run(c.Name, func(t *testing.T) { causeOfWaiting(t, c) })
		}
	}
}

func causeOfWaiting(t *testing.T, call *syscalls.Call) {
	l := connected(t)
	poll := func(ret, began int64) event.Entry {
		e := event.Entry{Event: event.Event{Time: began, Seq: 1000, Task: parent,
			Body: &event.Call{Name: call.Name, Role: call.Role, Ret: ret, Dur: l.now - began, Socks: []event.Sock{tcp(60, 6, 4), tcp(70, 7, 3)}}}}
		l.j.Add(&e)
		return e
	}
	poll(0, l.now) // both are known from here on
	began := l.now + 1
	p := l.add(parent, payload(event.DirIn, 0, 10))
	l.causedBy(poll(1, began), p.Seq)
	l.causedBy(poll(0, began), 0)
	l.now += 10
	l.causedBy(poll(1, l.now), 0) // it came before

	listener := tcp(atServer, 5, 3)
	listener.State, listener.Local = event.TCPListen, here
	l.add(parent, seg(atServer, event.DirIn, syn, here, there))
	l.add(parent, seg(atServer, event.DirOut, synAck, here, there))
	third := l.add(parent, seg(atServer, event.DirIn, ack, here, there))
	s := tcp(51, 9, 4)
	s.State, s.Local, s.Peer = 1, here, there
	l.causedBy(l.call(parent, "accept4", 4, listener, made(s)), third.Seq)
}

// TestCauseOfDatagrams holds that without positions time tells: what leaves
// while a call sends is its.
func TestCauseOfDatagrams(t *testing.T) {
	l := newLife(t)
	s := tcp(80, 8, 5)
	s.Type, s.Protocol, s.New = 2, event.ProtoUDP, true
	dgram := func(dir event.Direction) *event.Capture {
		c := seg(80, dir, 0, there, here)
		c.Proto, c.TCP.Valid, c.Length = event.ProtoUDP, false, 30
		return c
	}
	send := l.add(parent, &event.Call{Name: "sendto", Role: syscalls.RoleOf("sendto"), Ret: 22, Bytes: 22, Socks: []event.Sock{s}, Dur: 3})
	l.causedBy(l.add(parent, dgram(event.DirOut)), send.Seq)
	l.now += 10
	l.causedBy(l.add(parent, dgram(event.DirOut)), 0)
	in := l.add(parent, dgram(event.DirIn))
	l.causedBy(l.add(parent, &event.Call{Name: "recvfrom", Role: syscalls.RoleOf("recvfrom"), Ret: 22, Bytes: 22, In: true, Socks: []event.Sock{s}}), in.Seq)
}

// TestStates holds that a socket which a listener begot is one connection with
// its handshake, from its first state on.
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
	// Packets of it are its listener's until it is handed over.
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
	// What the device saw of a closed one changes nothing of it.
	late := seg(51, event.DirIn, ack, here, there)
	late.Made, late.Wire = event.MadePeer, true
	l.packet(late, 2, false, event.MatchTable)
}
