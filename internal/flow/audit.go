package flow

import (
	"net/netip"
	"strings"

	"github.com/pidwire/pidwire/internal/bounded"
	"github.com/pidwire/pidwire/internal/event"
)

// fdKey is a descriptor of a process: the only identity that audit records of a socket.
type fdKey struct {
	pid uint32
	fd  int32
}

// audit joins an audit record. If its call was recorded too, the sockets are known
// exactly. Otherwise descriptors are tracked from socket and accept on; audit does not
// record close, so a descriptor may be stale until its number is reused.
func (j *Joiner) audit(e *event.Entry, a *event.Audit) {
	if a.AUIDName == "" && a.AUID != event.Unset {
		a.AUIDName = j.user(a.AUID)
	}
	if a.UID != event.Unset {
		a.UIDName = j.user(a.UID)
	}
	c := a.Call
	if c == nil {
		return
	}
	if a.Joined && c.Foreign {
		// The call precedes its record.
		if l := &j.lastCall; l.pid == e.Task.PID && l.name == c.Name && l.ret == c.Ret {
			e.Conn, e.Match = l.conn, l.match
		}
		return
	}
	if a.Joined {
		for i := range c.Socks {
			conn, _ := j.conn(&c.Socks[i], &e.Event)
			switch {
			case conn == nil:
			case e.Conn == nil:
				e.Conn, e.Match = conn, event.MatchExact
			case conn.N != e.Conn.N:
				e.Others = append(e.Others, conn)
			}
		}
		return
	}
	j.descriptors(e, c)
}

// lastCall is the last call of the timeline, with its connection.
type lastCall struct {
	pid   uint32
	tid   uint32
	name  string
	ret   int64
	conn  *event.Conn
	match event.Match
}

// descriptors joins a call whose sockets are known by descriptor number only.
func (j *Joiner) descriptors(e *event.Entry, c *event.Call) {
	pid := j.tables.of(e.Task.PID)
	switch {
	case c.Role.Has(event.Connects) && c.Addr.IsValid() && len(c.Args) > 0 && c.Args[0].Unknown && len(c.Socks) > 0:
		// The descriptor is not known, but the addresses of its packets are.
		s := &c.Socks[0]
		j.next++
		e.Conn, e.First, e.Match = &event.Conn{N: j.next, Owner: e.Task.Proc, First: e.Time, Family: s.Family, Type: s.Type, Protocol: s.Protocol, Local: s.Local, Peer: c.Addr}, true, event.MatchGuess
		j.indexFD(e.Conn)
		return
	case c.Role.Has(event.Opens) && c.Ret >= 0 && len(c.Args) >= 3:
		e.Conn, e.First, e.Match = j.opened(e, fdKey{pid, int32(c.Ret)}), true, event.MatchTable
		e.Conn.Family, e.Conn.Type, e.Conn.Protocol = uint16(c.Args[0].Raw), uint16(c.Args[1].Raw&0xf), transport(c.Args[0].Raw, c.Args[1].Raw&0xf, c.Args[2].Raw)
		return
	case c.Ret > 0 && c.Role.Has(event.Forks):
		j.tables.born(uint32(c.Ret), pid, saysAny(c, "CLONE_FILES"))
		return
	case len(c.Args) == 0 || c.Args[0].Unknown:
		return
	}
	key := fdKey{pid, int32(c.Args[0].Raw)}
	known := j.held(key)
	e.Match = event.MatchTable
	switch c.Args[0].Name {
	case "sockfd":
		if known == nil && e.Task.Bare && !j.tables.known(pid) {
			// Perhaps a thread: the file does not say which process it belongs to.
			if known = j.onlyHolder(key.fd); known != nil {
				e.Match = event.MatchGuess
			}
		}
	case "fd", "oldfd":
		// A file, unless it is a known socket.
		if known == nil && len(c.Socks) == 0 {
			e.Match = event.MatchNone
			return
		}
	default:
		e.Match = event.MatchNone
		return
	}
	if e.Conn = known; known == nil {
		e.Conn = j.byFD(e, key)
	}
	if len(c.Socks) > 0 {
		e.Conn = j.toldBy(e.Conn, &c.Socks[0], key)
	}
	switch {
	case c.Role.Has(event.Closes) && c.Ret == 0:
		closed := *e.Conn
		closed.Closed = true
		e.Conn = j.replace(&closed)
		j.dropFD(key)
	case c.Role.Has(event.Duplicates) && c.Ret >= 0:
		j.keepFD(fdKey{pid, int32(c.Ret)}, e.Conn)
	case c.Role.Has(event.Accepts) && c.Ret >= 0:
		child := j.acceptedFrom(e, fdKey{pid, int32(c.Ret)}, c.Addr)
		child.Family, child.Type, child.Protocol = e.Conn.Family, e.Conn.Type, e.Conn.Protocol
		child.Listener, child.Peer = e.Conn.N, c.Addr
		if !child.Local.IsValid() {
			child.Local = e.Conn.Local
		}
		j.indexFD(child)
		e.Others = append(e.Others, child)
	case c.Addr.IsValid() && c.Role.Has(event.Connects) && c.Addr != e.Conn.Peer:
		to := *e.Conn
		to.Peer = c.Addr
		e.Conn = j.keepFD(key, &to)
	case c.Addr.IsValid() && c.Role.Has(event.Binds|event.AsksLocal) && c.Ret >= 0:
		at := *e.Conn
		at.Local = c.Addr
		e.Conn = j.keepFD(key, &at)
	}
}

// acceptedFrom returns the connection that accept returned: the one of the handshake,
// if that was recorded.
func (j *Joiner) acceptedFrom(e *event.Entry, key fdKey, peer netip.AddrPort) *event.Conn {
	f, ok := j.byPeer.Get(unmapped(peer))
	port := e.Conn.Local.Port()
	if !ok || f.conn.Old || f.conn.Listener != 0 || port != 0 && f.conn.Local.Port() != port && f.conn.Peer.Port() != port {
		return j.opened(e, key)
	}
	j.byPeer.Drop(unmapped(peer))
	c := *f.conn
	if unmapped(c.Local) == unmapped(peer) {
		c.Local, c.Peer = c.Peer, c.Local
	}
	c.Owner = e.Task.Proc
	return j.keepFD(key, &c)
}

// opened creates the connection of a new descriptor.
func (j *Joiner) opened(e *event.Entry, key fdKey) *event.Conn {
	j.next++
	return j.keepFD(key, &event.Conn{N: j.next, Owner: e.Task.Proc, First: e.Time})
}

func (j *Joiner) keepFD(key fdKey, c *event.Conn) *event.Conn {
	if c.ID != (event.SockID{}) {
		j.index(c)
	} else {
		j.indexFD(c)
	}
	if _, had := j.fds.Get(key); !had {
		n, _ := j.holders.Get(key.fd)
		j.holders.Put(key.fd, holders{n.n + 1, key})
	}
	j.fds.Put(key, c)
	return c
}

func (j *Joiner) dropFD(key fdKey) {
	if _, had := j.fds.Get(key); had {
		n, _ := j.holders.Get(key.fd)
		j.holders.Put(key.fd, holders{max(n.n-1, 0), n.last})
	}
	j.fds.Drop(key)
}

// held returns the connection of a descriptor, also of one inherited from the parent
// process; nil if none is known.
func (j *Joiner) held(key fdKey) *event.Conn {
	if c, ok := j.fds.Get(key); ok {
		return c
	}
	const generations = 8
	from := key
	for range generations {
		parent, ok := j.tables.parents.Get(from.pid)
		if !ok {
			return nil
		}
		from.pid = parent
		if c, ok := j.fds.Get(from); ok {
			return j.keepFD(key, c)
		}
	}
	return nil
}

// holders are the processes with a descriptor of one number.
type holders struct {
	n    int
	last fdKey
}

// onlyHolder returns the connection of a descriptor number if exactly one process has a
// socket with that number.
func (j *Joiner) onlyHolder(fd int32) *event.Conn {
	h, _ := j.holders.Get(fd)
	if h.n != 1 {
		return nil
	}
	c, _ := j.fds.Get(h.last)
	return c
}

// tables maps threads to descriptor tables, as far as a file shows how they were created.
type tables struct {
	threads bounded.Index[uint32, uint32] // descriptor table of a thread, named by its first thread
	parents bounded.Index[uint32, uint32] // table that a table was copied from
}

func (t *tables) of(pid uint32) uint32 {
	if table, ok := t.threads.Get(pid); ok {
		return table
	}
	return pid
}

func (t *tables) known(pid uint32) bool {
	_, thread := t.threads.Get(pid)
	_, child := t.parents.Get(pid)
	return thread || child
}

func (t *tables) born(child, parent uint32, shared bool) {
	t.threads.Drop(child)
	t.parents.Drop(child)
	if shared {
		t.threads.Put(child, parent)
	} else {
		t.parents.Put(child, parent)
	}
}

// saysAny reports whether an argument, as printed by another tool, contains a word.
func saysAny(c *event.Call, word string) bool {
	for i := range c.Args {
		for _, t := range c.Args[i].Val {
			if strings.Contains(t.Str, word) {
				return true
			}
		}
	}
	return false
}

// indexFD registers a connection that is known by its descriptor for packets in
// another file.
func (j *Joiner) indexFD(c *event.Conn) {
	j.nameEnds(c)
	if c.Local.Port() == 0 || c.Peer.Port() == 0 {
		return
	}
	k := pairOf(uint8(c.Protocol), c.Local, c.Peer)
	if f, ok := j.others.Get(k); ok && f.conn.N == c.N {
		f.conn = c
		return
	}
	j.others.Put(k, &foreign{conn: c})
}

// toldBy copies the addresses of a descriptor from another file.
func (j *Joiner) toldBy(c *event.Conn, s *event.Sock, key fdKey) *event.Conn {
	if !s.Local.IsValid() || c.Local == s.Local && (c.Peer == s.Peer || !s.Peer.IsValid()) {
		return c
	}
	to := *c
	to.Local = s.Local
	if s.Peer.IsValid() {
		to.Peer = s.Peer
	}
	if to.Family == 0 {
		to.Family, to.Type, to.Protocol = s.Family, s.Type, s.Protocol
	}
	return j.keepFD(key, &to)
}

// byFD returns the connection of a descriptor: one whose creation was recorded, or that
// was found at attach; otherwise a new one.
func (j *Joiner) byFD(e *event.Entry, key fdKey) *event.Conn {
	if c := j.held(key); c != nil {
		return c
	}
	if s := j.foundFD[key]; s != nil {
		c, first := j.conn(&s.Sock, &e.Event)
		e.First = first
		return j.keepFD(key, c)
	}
	c := j.opened(e, key)
	c.Old, e.First = true, true
	return c
}

// transport returns the default protocol of a socket created with protocol 0.
func transport(family, kind, protocol uint64) uint16 {
	const inet, inet6, stream, dgram = 2, 10, 1, 2
	if protocol != 0 || family != inet && family != inet6 {
		return uint16(protocol)
	}
	switch kind {
	case stream:
		return event.ProtoTCP
	case dgram:
		return event.ProtoUDP
	}
	return 0
}
