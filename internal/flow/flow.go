// Package flow joins events to connections. A connection is one socket, from
// the call that made it, or its first sight, to its last event; it has one
// number on the timeline, c1, c2, ..., in order of appearance.
package flow

import (
	"net/netip"

	"github.com/pidwire/pidwire/internal/event"
)

// Joiner is the state of one timeline. It has no goroutine and no clock.
type Joiner struct {
	next     uint32
	byCookie map[uint64]*event.Conn
	byInode  map[uint64]*event.Conn
	found    map[uint64]*event.SockFound // by inode: open at attach, not used yet
	users    map[uint32]string

	closed []*event.Conn // oldest first, to be forgotten
}

// keepClosed is how many closed connections are remembered: a socket may be
// closed by one of its owners and used on by another.
const keepClosed = 16384

// New returns the joiner of a new timeline.
func New() *Joiner {
	return &Joiner{
		byCookie: map[uint64]*event.Conn{},
		byInode:  map[uint64]*event.Conn{},
		found:    map[uint64]*event.SockFound{},
		users:    map[uint32]string{},
	}
}

// Add joins an event. Events come in the order in which they became known.
func (j *Joiner) Add(ev event.Event) event.Entry {
	e := event.Entry{Event: ev}
	switch b := ev.Body.(type) {
	case *event.Call:
		j.call(&e, b)
	case *event.SockFound:
		if b.Sock.ID.Inode != 0 {
			j.found[b.Sock.ID.Inode] = b
		}
	case *event.Name:
		if b.What == event.NameUser {
			j.users[b.ID] = b.Name
		}
	}
	e.User = j.users[ev.Task.UID]
	return e
}

func (j *Joiner) call(e *event.Entry, c *event.Call) {
	for i := range c.Socks {
		s := &c.Socks[i]
		conn, first := j.conn(s, &e.Event)
		if conn == nil {
			continue
		}
		if e.Conn == nil {
			// The kernel itself said which socket the descriptor is.
			e.Conn, e.First, e.Match = conn, first, event.MatchExact
			continue
		}
		if conn.N == e.Conn.N {
			continue
		}
		if s.New && s.Result && conn.Listener == 0 && first {
			listener := *conn
			listener.Listener = e.Conn.N
			conn = j.replace(&listener)
		}
		e.Others = append(e.Others, conn)
	}
	if e.Conn != nil && c.Name == "close" && c.Ret == 0 && !e.Conn.Closed {
		closed := *e.Conn
		closed.Closed = true
		e.Conn = j.replace(&closed)
		j.forget(e.Conn)
	}
}

// conn finds the connection of a socket, or begins it.
func (j *Joiner) conn(s *event.Sock, ev *event.Event) (_ *event.Conn, first bool) {
	if s.ID == (event.SockID{}) {
		return nil, false
	}
	c := j.byCookie[s.ID.Cookie]
	if s.ID.Cookie == 0 || c == nil {
		c = j.byInode[s.ID.Inode]
		// An inode number comes round again; a cookie does not.
		if c != nil && s.ID.Cookie != 0 && c.ID.Cookie != 0 && c.ID.Cookie != s.ID.Cookie {
			c = nil
		}
	}
	if c == nil {
		return j.begin(s, ev), true
	}
	next := *c
	if update(&next, s) {
		return j.replace(&next), false
	}
	return c, false
}

func (j *Joiner) begin(s *event.Sock, ev *event.Event) *event.Conn {
	j.next++
	c := &event.Conn{
		N: j.next, ID: s.ID, NetNS: s.NetNS, Family: s.Family, Type: s.Type, Protocol: s.Protocol,
		Owner: ev.Task.Proc, Old: !s.New, First: ev.Time,
	}
	if f := j.found[s.ID.Inode]; f != nil && s.ID.Inode != 0 {
		c.Path = f.Path
		delete(j.found, s.ID.Inode)
	}
	update(c, s)
	j.index(c)
	return c
}

// update takes over what a socket says anew, and reports whether there was
// anything. Addresses that are gone (a closed socket has none) stay.
func update(c *event.Conn, s *event.Sock) bool {
	changed := false
	if c.ID.Cookie == 0 && s.ID.Cookie != 0 {
		c.ID.Cookie, changed = s.ID.Cookie, true
	}
	if c.ID.Inode == 0 && s.ID.Inode != 0 {
		c.ID.Inode, changed = s.ID.Inode, true
	}
	addr := func(old *netip.AddrPort, now netip.AddrPort) {
		if now.IsValid() && now != *old {
			*old, changed = now, true
		}
	}
	addr(&c.Local, s.Local)
	addr(&c.Peer, s.Peer)
	if c.Closed && !s.Before {
		c.Closed, changed = false, true // closed by one of its owners only
	}
	if c.State != s.State {
		c.State, changed = s.State, true
	}
	return changed
}

func (j *Joiner) index(c *event.Conn) {
	if c.ID.Cookie != 0 {
		j.byCookie[c.ID.Cookie] = c
	}
	if c.ID.Inode != 0 {
		j.byInode[c.ID.Inode] = c
	}
}

func (j *Joiner) replace(c *event.Conn) *event.Conn {
	j.index(c)
	return c
}

// forget drops the oldest closed connections.
func (j *Joiner) forget(c *event.Conn) {
	j.closed = append(j.closed, c)
	if len(j.closed) < 2*keepClosed {
		return
	}
	for _, c := range j.closed[:keepClosed] {
		if cur := j.byCookie[c.ID.Cookie]; cur != nil && cur.N == c.N {
			delete(j.byCookie, c.ID.Cookie)
		}
		if cur := j.byInode[c.ID.Inode]; cur != nil && cur.N == c.N {
			delete(j.byInode, c.ID.Inode)
		}
	}
	j.closed = append(j.closed[:0], j.closed[keepClosed:]...)
}
