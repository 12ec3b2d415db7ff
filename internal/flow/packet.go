package flow

import (
	"net/netip"

	"github.com/pidwire/pidwire/internal/event"
)

// tuple identifies a TCP connection by addresses, for packets of a handshake, which
// carry the listener's cookie. Two network namespaces may use the same addresses.
type tuple struct {
	local, peer netip.AddrPort
	space       uint32 // event.SpaceOf; 0: unknown
}

func tupleOf(local, peer netip.AddrPort, space uint32) tuple {
	return tuple{unmapped(local), unmapped(peer), space}
}

// unmapped converts IPv4-mapped IPv6 addresses to IPv4.
func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// packet joins a packet to the connection of its socket.
func (j *Joiner) packet(e *event.Entry, p *event.Capture) {
	local, peer := p.Src, p.Dst
	if p.Dir == event.DirIn {
		local, peer = peer, local
	}
	j.learn(p.Answers)
	j.owner(e, p)
	if p.Cookie == 0 && !p.Wire {
		j.foreign(e, p)
		return
	}
	j.show(e, p)
	c := find(&j.byCookie, p.Cookie)
	if p.Cookie == 0 && p.Wire && j.frame.tid == e.Task.TID && e.Time <= j.frame.end {
		// The socket has no cookie yet: the last call on an AF_PACKET socket sends it.
		e.Conn, e.Match = j.frame.conn, event.MatchTable
		return
	}
	if p.Made != event.MadeSocket {
		// The addresses identify the flow; no socket had the packet.
		e.Conn, e.Match = c, event.MatchTable
		return
	}
	if f := j.numbered[p.Cookie]; c == nil && f != nil {
		c, e.First = j.begin(&f.Sock, &e.Event), true
	}
	if p.Proto != event.ProtoTCP || !local.IsValid() || !peer.IsValid() {
		if c == nil {
			c, e.First = j.fromPacket(e, p, local, netip.AddrPort{}), true
		}
		e.Conn = c
		return
	}
	if c != nil && c.State != event.TCPListen && unmapped(c.Peer) == unmapped(peer) {
		e.Conn = c
		return
	}
	j.established(e, p, c, local, peer)
}

// established joins a TCP packet whose socket has no connection with the packet's addresses: the packet
// belongs to a handshake, to a connection that was just established, or to one that is not known. c is
// the connection of its cookie, which may be a listener, or nil.
func (j *Joiner) established(e *event.Entry, p *event.Capture, c *event.Conn, local, peer netip.AddrPort) {
	key := tupleOf(local, peer, p.Space)
	syn := p.TCP.Valid && p.TCP.Flags&(event.TCPSyn|event.TCPAck) == event.TCPSyn
	child, known := j.child(key)
	if syn && known && child.ID.Cookie != 0 {
		known = false // the addresses are reused
	}
	switch {
	case known && (c == nil || c.State == event.TCPListen || c.N == child.N):
		e.Conn, e.Match = child, min(e.Match, event.MatchTable)
		if c == nil && child.ID.Cookie == 0 && !atListener(p) {
			// The first packet with the connection's own cookie.
			own := *child
			own.ID.Cookie = p.Cookie
			e.Conn = j.replace(&own)
			j.tuples.Put(key, e.Conn)
		}
	case c != nil && c.State != event.TCPListen:
		// The connection was established; its call returns later.
		to := *c
		to.Local, to.Peer = local, peer
		e.Conn = j.replace(&to)
	case c != nil || syn && p.Dir == event.DirIn:
		// A handshake at a listener creates the connection that accept will return.
		child = j.fromPacket(e, p, local, peer)
		child.ID.Cookie, child.Old, child.Found = 0, false, false
		if c != nil {
			child.Listener, child.NetNS = c.N, c.NetNS
			e.Others = append(e.Others, c)
		}
		e.Conn, e.First = child, true
		e.Match = min(e.Match, event.MatchTable)
		j.tuples.Put(key, child)
	default:
		e.Conn, e.First = j.fromPacket(e, p, local, peer), true
		e.Conn.Old = p.Old && !syn
		e.Conn.Found = e.Conn.Old
		j.index(e.Conn)
	}
}

// owner sets the match of a packet by the evidence for its owner. If accept has returned for its socket, the owner is
// the caller of accept, not that of the listener.
func (j *Joiner) owner(e *event.Entry, p *event.Capture) {
	e.Match = event.MatchExact
	if p.Inherited {
		e.Match = event.MatchInherited
		if u, ok := j.accepted.Get(p.Cookie); ok {
			e.Task, e.Match, p.Owner, p.Inherited = u.Task, event.MatchExact, u.What, false
		}
	}
	if p.Shared {
		e.Match = min(e.Match, event.MatchShared)
	}
}

// shown is the owner with which a socket's packets were shown since its last handover.
type shown struct {
	task event.Task
	n    uint64
}

func (j *Joiner) show(e *event.Entry, p *event.Capture) {
	s, ok := j.shown.Get(p.Cookie)
	if !ok {
		s = &shown{}
		j.shown.Put(p.Cookie, s)
	}
	if s.task.Proc != e.Task.Proc {
		s.task, s.n = e.Task, 0
	}
	if p.Inherited {
		s.n++
	}
}

// handover joins a change of owner, and counts the packets that were shown with the
// previous owner by inheritance: they belong to the new one.
func (j *Joiner) handover(e *event.Entry, h *event.Handover) {
	e.Conn, e.Match = find(&j.byCookie, h.Cookie), event.MatchExact
	s, ok := j.shown.Get(h.Cookie)
	if !ok || s.task.Proc == e.Task.Proc {
		return
	}
	h.From, h.Shown = s.task, s.n
	s.task, s.n = e.Task, 0
}

// state joins a change of TCP state. The first one of an accepted socket creates its connection.
func (j *Joiner) state(e *event.Entry, s *event.State) {
	s.Sock.New = !s.Old || s.Listener != 0
	e.Match = event.MatchExact
	if s.Listener != 0 {
		e.Match = event.MatchInherited
	}
	if s.Shared {
		e.Match = min(e.Match, event.MatchShared)
	}
	if u, ok := j.accepted.Get(s.Sock.ID.Cookie); ok && s.Users != nil {
		s.Users.Add(u)
	}
	e.Conn, e.First = j.conn(&s.Sock, &e.Event)
	if e.First {
		e.Conn.Found = e.Conn.Old
	}
	if e.Conn != nil && !s.Look && ended(e.Conn) {
		j.forget(e.Conn)
	}
	if e.Conn == nil || s.Listener == 0 || e.Conn.Listener != 0 {
		return
	}
	if l := find(&j.byCookie, s.Listener); l != nil && l.N != e.Conn.N {
		child := *e.Conn
		child.Listener = l.N
		e.Conn = j.replace(&child)
		if e.First {
			e.Others = append(e.Others, l)
		}
	}
}

// atListener reports whether a packet carries a listener's cookie: it belongs to the
// listener's owner, although no process sends or receives on a listener.
func atListener(p *event.Capture) bool {
	return p.Handshake || !p.Inherited && p.Owner != event.OwnerSent && p.Owner != event.OwnerReceived && p.Owner != event.OwnerUsed
}

// fromPacket creates the connection of a packet that is its first event. If the packet
// has a cookie, the caller indexes the connection.
func (j *Joiner) fromPacket(e *event.Entry, p *event.Capture, local, peer netip.AddrPort) *event.Conn {
	j.next++
	c := &event.Conn{
		N: j.next, ID: event.SockID{Cookie: p.Cookie}, Protocol: uint16(p.Proto), Local: local, Peer: peer,
		Owner: e.Task.Proc, Old: p.Old, Found: p.Old, First: e.Time,
	}
	switch p.Version {
	case 4:
		c.Family = 2
	case 6:
		c.Family = 10
	}
	switch p.Proto {
	case event.ProtoTCP:
		c.Type = 1
	case event.ProtoUDP:
		c.Type = 2
	default:
		c.Type = 3
	}
	if p.Proto != event.ProtoTCP && p.Cookie != 0 {
		j.index(c)
	}
	return c
}

// child returns the current state of a connection created by a handshake.
func (j *Joiner) child(key tuple) (*event.Conn, bool) {
	c, ok := j.tuples.Get(key)
	if ok && c.ID.Cookie != 0 {
		if now := find(&j.byCookie, c.ID.Cookie); now != nil && now.N == c.N {
			c = now
		}
	}
	return c, ok
}

// adopt returns the connection created by a handshake for a socket that is seen for
// the first time, if there is one.
func (j *Joiner) adopt(s *event.Sock) *event.Conn {
	if s.Protocol != event.ProtoTCP || !s.Peer.IsValid() || !s.Local.IsValid() {
		return nil
	}
	key := tupleOf(s.Local, s.Peer, event.SpaceOf(s.NetNS))
	c, ok := j.child(key)
	if !ok && key.space != 0 {
		// Packets of older recordings have no namespace.
		key.space = 0
		c, ok = j.child(key)
	}
	if !ok || c.ID.Cookie != 0 && s.ID.Cookie != 0 && c.ID.Cookie != s.ID.Cookie {
		return nil
	}
	own := *c
	own.NetNS, own.Family = s.NetNS, s.Family
	update(&own, s)
	j.tuples.Put(key, &own)
	return j.replace(&own)
}
