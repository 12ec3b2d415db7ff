package flow

import (
	"cmp"
	"net/netip"
	"strings"

	"github.com/pidwire/pidwire/internal/event"
)

// pair identifies a flow by its packets only, in either direction: files of other
// tools have no sockets.
type pair struct {
	proto uint8
	a, b  netip.AddrPort
}

type foreign struct {
	conn *event.Conn
	isn  uint32 // sequence number of its SYN, if syn
	syn  bool
}

// kernel joins an event of another tool's tracer by the addresses of its connection.
func (j *Joiner) kernel(e *event.Entry, k *event.Kernel) {
	if k.Tracer == event.Pidwire {
		j.kernelEvent(e, k)
		return
	}
	if k.Under && j.lastCall.conn != nil {
		e.Conn, e.Match = j.lastCall.conn, event.MatchGuess
		return
	}
	if k.Local.Port() == 0 || k.Peer.Port() == 0 {
		return
	}
	p := event.Capture{Packet: event.Packet{Proto: event.ProtoTCP, Version: 4, Src: k.Local, Dst: k.Peer}, Old: true}
	if strings.Contains(k.Name, "udp") {
		p.Proto = event.ProtoUDP
	}
	if k.Local.Addr().Unmap().Is6() {
		p.Version = 6
	}
	j.foreign(e, &p)
}

// kernelEvent joins a kernel event that pidwire recorded.
func (j *Joiner) kernelEvent(e *event.Entry, k *event.Kernel) {
	if k.Cookie == 0 {
		// The call has no socket, or none yet: the event belongs to the call above it.
		if k.What != event.KernelEvent && j.lastCall.tid == e.Task.TID && j.lastCall.conn != nil {
			e.Conn, e.Match = j.lastCall.conn, event.MatchTable
		}
		return
	}
	e.Match = event.MatchExact
	if k.Inherited {
		e.Match = event.MatchInherited
		if u, ok := j.accepted.Get(k.Cookie); ok {
			e.Task, e.Match, k.Inherited = u.Task, event.MatchExact, false
		}
	}
	switch {
	case k.Found && !k.Inherited:
		e.Match = event.MatchTable
	case k.Shared:
		e.Match = min(e.Match, event.MatchShared)
	}
	if k.HasSock {
		e.Conn, e.First = j.conn(&k.Sock, &e.Event)
		return
	}
	e.Conn = find(&j.byCookie, k.Cookie)
	if f := j.numbered[k.Cookie]; e.Conn == nil && f != nil {
		e.Conn, e.First = j.begin(&f.Sock, &e.Event), true
	}
}

func pairOf(proto uint8, a, b netip.AddrPort) pair {
	a, b = unmapped(a), unmapped(b)
	if cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Port(), b.Port())) > 0 {
		a, b = b, a
	}
	return pair{proto, a, b}
}

// endsOf is the connection of a socket with two addresses. several: sockets of more than one
// network namespace have these addresses, so packets in a file without namespaces may belong to any
// of them.
type endsOf struct {
	conn    *event.Conn
	several bool
}

func (j *Joiner) putEnds(c *event.Conn) {
	k := pairOf(uint8(c.Protocol), c.Local, c.Peer)
	f, ok := j.ends.Get(k)
	several := ok && (f.several || f.conn.NetNS != 0 && c.NetNS != 0 && f.conn.NetNS != c.NetNS)
	j.ends.Put(k, endsOf{c, several})
}

// nameEnds sets the host names of a connection that no sink has seen yet.
func (j *Joiner) nameEnds(c *event.Conn) {
	if c.Peer.IsValid() {
		var n named
		n, c.PeerMade = j.nameOf(c.Peer.Addr(), named{c.PeerName, c.PeerFrom})
		c.PeerName, c.PeerFrom = n.name, n.from
	}
	if c.Local.IsValid() && len(j.hosts) > 0 {
		var n named
		n, c.LocalMade = j.nameOf(c.Local.Addr(), named{name: c.LocalName})
		c.LocalName = n.name
	}
}

// nameOf returns the name of an address, and whether the address is a placeholder for it.
func (j *Joiner) nameOf(a netip.Addr, before named) (name named, made bool) {
	if host, ok := j.hosts[a.Unmap()]; ok {
		return named{host, event.FromFile}, true
	}
	if before.name == "" {
		before, _ = j.names.Get(a.Unmap())
	}
	return before, false
}

// foreign joins a packet by its addresses. That is a guess: addresses are reused, and
// the file may combine several machines.
func (j *Joiner) foreign(e *event.Entry, p *event.Capture) {
	if p.NoIP || !p.Src.IsValid() || !p.Dst.IsValid() {
		return
	}
	k := pairOf(p.Proto, p.Src, p.Dst)
	f, known := j.others.Get(k)
	if !known {
		// A recording opened beside this file has the socket.
		if f, ok := j.ends.Get(k); ok {
			e.Conn, e.Match = f.conn, event.MatchTable
			if f.several {
				e.Match = event.MatchGuess
			}
			return
		}
	}
	begins := p.TCP.Valid && p.TCP.Flags&(event.TCPSyn|event.TCPAck) == event.TCPSyn
	if known && begins && f.syn && f.isn != p.TCP.Seq {
		known = false // the addresses are reused
	}
	if !known {
		// The file does not say which end was captured: the first sender is taken as local.
		local, peer := p.Src, p.Dst
		if p.Dir == event.DirIn {
			local, peer = peer, local
		}
		if p.Proto != event.ProtoTCP && p.Proto != event.ProtoUDP {
			local, peer = netip.AddrPortFrom(local.Addr(), 0), netip.AddrPortFrom(peer.Addr(), 0)
		}
		f = &foreign{conn: j.fromPacket(e, p, local, peer)}
		j.nameEnds(f.conn)
		f.conn.Old = p.Proto == event.ProtoTCP && !begins
		f.conn.Found = f.conn.Old
		e.First = true
	}
	if begins && !f.syn {
		f.isn, f.syn = p.TCP.Seq, true
		j.byPeer.Put(unmapped(p.Src), f)
	}
	j.others.Put(k, f)
	e.Conn, e.Match = f.conn, event.MatchGuess
}
