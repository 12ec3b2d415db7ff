// Package flow joins events to connections. A connection is one socket, from its
// creation or its first event to its last. Connections are numbered c1, c2, ... in
// order of appearance.
package flow

import (
	"net/netip"
	"strings"
	"unsafe"

	"github.com/pidwire/pidwire/internal/bounded"
	"github.com/pidwire/pidwire/internal/event"
)

// Joiner joins the events of one timeline. It has no goroutine and no clock.
type Joiner struct {
	next     uint32
	byCookie connIndex
	byInode  connIndex
	found    map[uint64]*event.SockFound // by inode: open at attach, not used yet
	numbered map[uint64]*event.SockFound // the same by cookie, if known
	users    bounded.Index[uint32, string]
	fds      bounded.Index[fdKey, *event.Conn]       // descriptors followed by audit records and by other tools' calls
	hosts    map[netip.Addr]string                   // host names in files, by the placeholder address of each
	byPeer   bounded.Index[netip.AddrPort, *foreign] // connections by their client's address, for the accepting end
	holders  bounded.Index[int32, holders]           // by the descriptor's number
	tables   tables
	lastCall lastCall
	foundFD  map[fdKey]*event.SockFound
	ready    bounded.Index[epollKey, event.SockID] // what epoll instances wait for
	tuples   bounded.Index[tuple, *event.Conn]     // connections that a handshake began

	shown    bounded.Index[uint64, *shown]    // by cookie: as whose packets have been shown
	accepted bounded.Index[uint64, event.Use] // by cookie: who called accept for it
	others   bounded.Index[pair, *foreign]    // flows of files without sockets
	ends     bounded.Index[pair, endsOf]      // of sockets, for packets of another file
	names    bounded.Index[netip.Addr, named] // names from DNS answers
	frame    struct {                         // the last call on an AF_PACKET socket
		tid  uint32
		end  int64
		conn *event.Conn
	}
	room      *bounded.Room
	hostBytes int // of hosts, approximately

	closed []*event.Conn // the oldest first, to be dropped
}

const (
	afUnix   = 1
	afPacket = 17
)

const (
	// keepClosed is how many closed connections are kept: one owner of a socket may
	// close it while another uses it.
	keepClosed = 4096
	// keepOpen is how many other connections may be used before an unused one is
	// forgotten: a process that exits does not call close.
	keepOpen = 1 << 14
	// keepRecent is the same for data needed only for a short time, or only while a
	// connection is busy.
	keepRecent = 4096
	// maxHosts bounds the host names with placeholder addresses, maxHostBytes their
	// memory, 100 bytes an entry included.
	maxHosts     = 1 << 17
	maxHostBytes = 5 << 20
	// maxFound bounds the sockets that were open at attach and have not been used.
	// Others become connections without their path and without "open before".
	maxFound = 1 << 14
	// foundSlots is the estimated size of one in the three tables.
	foundSlots = 100
	// keepUsers bounds the user names, in each of two generations.
	keepUsers = 1 << 12
)

type connIndex = bounded.Index[uint64, *event.Conn]

// find returns the connection of a key, or nil.
func find(x *connIndex, key uint64) *event.Conn {
	c, _ := x.Get(key)
	return c
}

// forget removes a connection, unless the key belongs to another one, or the
// connection was used after its close.
func forget(x *connIndex, key uint64, n uint32) {
	if c := find(x, key); c != nil && c.N == n && (c.Closed || ended(c)) {
		x.Drop(key)
	}
}

// ended reports whether a TCP connection is closed, even if a process still holds
// its socket.
func ended(c *event.Conn) bool {
	return c.Protocol == event.ProtoTCP && c.State == event.TCPClose && c.Peer.IsValid()
}

// New returns the joiner of a new timeline. Its tables share the room with those
// of the stages behind it.
func New(room *bounded.Room) *Joiner {
	j := &Joiner{
		room:     room,
		found:    map[uint64]*event.SockFound{},
		numbered: map[uint64]*event.SockFound{},
		foundFD:  map[fdKey]*event.SockFound{},
		hosts:    map[netip.Addr]string{},
	}
	conn := func(c *event.Conn) int {
		n := int(unsafe.Sizeof(event.Conn{}))
		if c != nil {
			n += len(c.Path)
		}
		return n
	}
	flow := func(*foreign) int { return int(unsafe.Sizeof(foreign{}) + unsafe.Sizeof(event.Conn{})) }
	j.byCookie.In(j.room, keepOpen, conn)
	j.byInode.In(j.room, keepOpen, conn)
	j.fds.In(j.room, keepOpen, conn)
	j.holders.In(j.room, keepOpen, nil)
	j.ready.In(j.room, keepOpen, nil)
	j.tables.threads.In(j.room, keepOpen, nil)
	j.tables.parents.In(j.room, keepOpen, nil)
	j.users.In(j.room, keepUsers, func(name string) int { return len(name) })
	j.names.In(j.room, keepRecent, func(n named) int { return len(n.name) })
	j.shown.In(j.room, keepRecent, func(*shown) int { return int(unsafe.Sizeof(shown{})) })
	j.accepted.In(j.room, keepRecent, nil)
	j.tuples.In(j.room, keepRecent, conn)
	j.ends.In(j.room, keepRecent, func(endsOf) int { return conn(nil) })
	j.byPeer.In(j.room, keepRecent, flow)
	j.others.In(j.room, keepOpen, flow)
	j.byCookie.Dear, j.byInode.Dear, j.fds.Dear = true, true, true
	return j
}

// Add joins e.Event to its connection and fills in the other fields of e. Events are
// added in the order of their records.
func (j *Joiner) Add(e *event.Entry) {
	switch b := e.Body.(type) {
	case *event.Call:
		j.learn(b.Answers)
		j.call(e, b)
		j.lastCall = lastCall{e.Task.PID, e.Task.TID, b.Name, b.Ret, e.Conn, e.Match}
	case *event.Capture:
		j.packet(e, b)
	case *event.State:
		j.state(e, b)
	case *event.Handover:
		j.handover(e, b)
	case *event.Audit:
		j.audit(e, b)
	case *event.Kernel:
		j.kernel(e, b)
	case *event.SockFound:
		if len(j.foundFD) >= maxFound || len(j.found) >= maxFound || len(j.numbered) >= maxFound {
			break
		}
		j.room.Fill(int(unsafe.Sizeof(*b)) + len(b.Path) + foundSlots)
		j.foundFD[fdKey{e.Task.PID, b.Sock.FD}] = b
		if b.Sock.ID.Inode != 0 {
			j.found[b.Sock.ID.Inode] = b
		}
		if b.Sock.ID.Cookie != 0 {
			j.numbered[b.Sock.ID.Cookie] = b
		}
	case *event.Ready:
		if b.Inode != 0 {
			j.ready.Put(epollKey{e.Task.Proc, uint64(b.EpFD), b.Data}, event.SockID{Inode: b.Inode})
		}
	case *event.Name:
		switch {
		case b.What == event.NameUser:
			j.users.Put(b.ID, b.Name)
		case b.What == event.NameHost && b.Addr.IsValid() && len(j.hosts) < maxHosts && j.hostBytes < maxHostBytes:
			j.hosts[b.Addr.Unmap()] = b.Name
			j.hostBytes += len(b.Name) + 100
			j.room.Fill(len(b.Name) + 100)
		}
	}
	e.User = j.user(e.Task.UID)
}

func (j *Joiner) user(id uint32) string {
	name, _ := j.users.Get(id)
	return name
}

func (j *Joiner) call(e *event.Entry, c *event.Call) {
	if c.Foreign {
		j.descriptors(e, c)
		return
	}
	for i := range c.Socks {
		s := &c.Socks[i]
		conn, first := j.conn(s, &e.Event)
		if conn == nil {
			continue
		}
		if e.Conn == nil {
			// The kernel resolved the descriptor.
			e.Conn, e.First, e.Match = conn, first, event.MatchExact
			continue
		}
		if conn.N == e.Conn.N {
			continue
		}
		if s.Result && s.ID.Cookie != 0 && c.Role.Has(event.Accepts) {
			j.accepted.Put(s.ID.Cookie, event.Use{What: event.OwnerAccepted, Task: e.Task, Time: e.Time + c.Dur})
		}
		if s.New && s.Result && conn.Listener == 0 {
			listener := *conn
			listener.Listener = e.Conn.N
			if listener.Path == "" {
				listener.Path = e.Conn.Path
			}
			conn = j.replace(&listener)
		}
		e.Others = append(e.Others, conn)
	}
	if e.Conn != nil && e.Conn.Family == afPacket {
		j.frame.tid, j.frame.end, j.frame.conn = e.Task.TID, e.Time+c.Dur, e.Conn
	}
	j.epoll(e, c)
	if e.Conn != nil && c.Role.Has(event.Connects) && c.Addr.IsValid() && !e.Conn.Peer.IsValid() {
		tried := *e.Conn
		tried.Peer = c.Addr // after a failed connect the kernel has no peer
		e.Conn = j.replace(&tried)
	}
	if e.Conn != nil && e.Conn.Family == afUnix && e.Conn.Path == "" && c.Path != "" && (c.Role.Has(event.Connects) || c.Role.Has(event.Binds) && c.Errno == "") {
		named := *e.Conn
		named.Path = strings.Clone(c.Path) // also after a failed connect: the one that was tried
		e.Conn = j.replace(&named)
	}
	if e.Conn != nil && c.Role.Has(event.Closes) && c.Ret == 0 && !e.Conn.Closed {
		closed := *e.Conn
		closed.Closed = true
		e.Conn = j.replace(&closed)
		j.forget(e.Conn)
	}
}

// conn returns the connection of a socket; it creates one if there is none.
func (j *Joiner) conn(s *event.Sock, ev *event.Event) (_ *event.Conn, first bool) {
	if s.ID == (event.SockID{}) {
		return nil, false
	}
	var c *event.Conn
	if s.ID.Cookie != 0 {
		c = find(&j.byCookie, s.ID.Cookie)
	}
	if c == nil && s.ID.Inode != 0 {
		c = find(&j.byInode, s.ID.Inode)
		// Inode numbers are reused, cookies are not.
		if c != nil && s.ID.Cookie != 0 && c.ID.Cookie != 0 && c.ID.Cookie != s.ID.Cookie {
			c = nil
		}
	}
	if c == nil {
		if c = j.adopt(s); c == nil {
			return j.begin(s, ev), true
		}
	}
	if !news(c, s) {
		return c, false
	}
	next := *c
	update(&next, s)
	return j.replace(&next), false
}

func (j *Joiner) begin(s *event.Sock, ev *event.Event) *event.Conn {
	j.next++
	c := &event.Conn{
		N: j.next, ID: s.ID, NetNS: s.NetNS, Family: s.Family, Type: s.Type, Protocol: s.Protocol,
		Owner: ev.Task.Proc, Old: !s.New, First: ev.Time,
	}
	if f := j.found[s.ID.Inode]; f != nil {
		// The number may belong to another socket by now.
		if f.Sock.ID.Cookie == 0 || s.ID.Cookie == 0 || f.Sock.ID.Cookie == s.ID.Cookie {
			c.Path, c.Found = f.Path, true
		}
		delete(j.found, s.ID.Inode)
		delete(j.numbered, f.Sock.ID.Cookie)
	}
	update(c, s)
	j.index(c)
	return c
}

// news reports whether a socket has data that its connection lacks. Addresses that
// the socket lost by closing are kept.
func news(c *event.Conn, s *event.Sock) bool {
	return c.State != s.State ||
		c.ID.Cookie == 0 && s.ID.Cookie != 0 ||
		c.ID.Inode == 0 && s.ID.Inode != 0 ||
		tells(s.Local, c.Local) ||
		tells(s.Peer, c.Peer) ||
		c.Closed && !s.Before
}

// tells reports whether an address has data that the previous one lacks. A closed socket has no
// port.
func tells(now, before netip.AddrPort) bool {
	return now.IsValid() && now != before && (now.Port() != 0 || before.Port() == 0)
}

// update copies what is new from a socket to its connection.
func update(c *event.Conn, s *event.Sock) {
	if c.ID.Cookie == 0 {
		c.ID.Cookie = s.ID.Cookie
	}
	if c.ID.Inode == 0 {
		c.ID.Inode = s.ID.Inode
	}
	if tells(s.Local, c.Local) {
		c.Local = s.Local
	}
	if tells(s.Peer, c.Peer) {
		c.Peer = s.Peer
	}
	if c.Closed && !s.Before {
		c.Closed = false // closed by one of its owners only
	}
	c.State = s.State
}

// index registers a connection, which no sink has seen yet, for its socket.
func (j *Joiner) index(c *event.Conn) {
	if c.PeerName == "" && c.Peer.IsValid() {
		n, _ := j.names.Get(c.Peer.Addr().Unmap())
		c.PeerName, c.PeerFrom = n.name, n.from
	}
	if c.ID.Cookie != 0 {
		j.byCookie.Put(c.ID.Cookie, c)
	}
	if c.ID.Inode != 0 {
		j.byInode.Put(c.ID.Inode, c)
	}
	if c.Protocol == event.ProtoTCP || c.Protocol == event.ProtoUDP {
		if c.Local.Port() != 0 && c.Peer.Port() != 0 {
			j.putEnds(c)
		}
	}
}

// named is the name of an address.
type named struct {
	name string
	from event.NameFrom
}

// learn stores the names in a DNS answer. A name that the address was looked up for is not
// replaced by one that the address was asked for.
func (j *Joiner) learn(list []event.Answer) {
	for _, a := range list {
		if a.From == event.FromPTR {
			if before, ok := j.names.Get(a.Addr); ok && before.from == event.FromDNS {
				continue
			}
		}
		j.names.Put(a.Addr, named{a.Name, a.From})
	}
}

func (j *Joiner) replace(c *event.Conn) *event.Conn {
	j.index(c)
	return c
}

// forget removes the oldest closed connections.
func (j *Joiner) forget(c *event.Conn) {
	j.closed = append(j.closed, c)
	if len(j.closed) < 2*keepClosed {
		return
	}
	for _, c := range j.closed[:keepClosed] {
		forget(&j.byCookie, c.ID.Cookie, c.N)
		forget(&j.byInode, c.ID.Inode, c.N)
	}
	j.closed = append(j.closed[:0], j.closed[keepClosed:]...)
}

// epollKey identifies an epoll registration: epoll_wait returns only the data word
// that the process chose.
type epollKey struct {
	proc event.Proc
	epfd uint64
	data uint64
}

// epoll joins the ready descriptors of epoll_wait to their connections, by the
// registrations made with epoll_ctl or present at attach.
func (j *Joiner) epoll(e *event.Entry, c *event.Call) {
	switch {
	case c.Role.Has(event.Registers):
		if e.Conn == nil || c.Ret != 0 || len(c.Args) < 4 {
			return
		}
		for _, t := range c.Args[3].Val {
			if t.Name == "u64" {
				j.ready.Put(epollKey{e.Task.Proc, c.Args[0].Raw, t.Num}, e.Conn.ID)
			}
		}
	case c.Role.Has(event.WaitsEpoll):
		if c.Ret <= 0 || len(c.Args) < 2 {
			return
		}
		for _, t := range c.Args[1].Val {
			if t.Name != "u64" {
				continue
			}
			id, ok := j.ready.Get(epollKey{e.Task.Proc, c.Args[0].Raw, t.Num})
			if !ok {
				continue
			}
			conn := find(&j.byCookie, id.Cookie)
			if id.Cookie == 0 || conn == nil {
				conn = find(&j.byInode, id.Inode)
			}
			first := false
			if f := j.found[id.Inode]; conn == nil && f != nil {
				conn, first = j.begin(&f.Sock, &e.Event), true
			}
			switch {
			case conn == nil:
			case e.Conn == nil:
				e.Conn, e.First, e.Match = conn, first, event.MatchTable
			case conn.N != e.Conn.N:
				e.Others = append(e.Others, conn)
			}
		}
	}
}
