package proto

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/pidwire/pidwire/internal/bounded"
	"github.com/pidwire/pidwire/internal/event"
)

// Options control the stage.
type Options struct {
	Secrets bool // show secrets instead of ***
	Packets bool // the timeline has packets: they tell what the time of an exchange was spent on
	Calls   bool // the timeline has calls: packets of processes are not read
}

const (
	// Bytes is the memory for all conversations of a timeline. A quarter of it is left for what is not freed yet: with
	// less, the garbage collector runs most of the time once many connections are open.
	Bytes = 32 << 20
	// keepConvs is how many connections may be used before an unused one is forgotten.
	keepConvs = 1 << 17
	// pause is how long the beginning of a message waits for the rest before it is emitted, ns.
	pause = 100_000_000
	// maxDelayed bounds the beginnings that wait: in a file without times none would ever be emitted.
	maxDelayed = 4096
	// near is how many conversations are kept at hand.
	near = 64
	// recent is how many threads are kept at hand.
	recent = 32
	// maxExits bounds the processes whose end is known.
	maxExits = 4096
)

// Stage finds the messages in the entries of a timeline, and emits an entry for each.
type Stage struct {
	o        Options
	list     []*Protocol
	convs    bounded.Index[uint32, *Conv] // by Conn.N
	near     [near]*Conv                  // of the last entries, by the last bits of the connection's number
	delayed  []delayed
	lookups  []lookup         // the last ones
	exits    map[uint32]int64 // when processes have ended, by pid
	out      event.Entry      // that is emitted
	messages slab[event.Message]
	budgets  slab[event.Budget]
	fields   slab[event.Field]

	exchanges uint64 // number of exchanges so far
	losses    int    // number of times that calls were lost
	gaps      int    // segments that wait for others
	buffered  bool   // the current unit is in a buffer of the connection, not in the entry
	peer      netip.AddrPort

	now, unit, until mark         // of the current entry, and of the current unit
	recent           [recent]*who // of the last entries, by tid
	pass             func(*event.Entry)
}

var noAddr netip.AddrPort

// delayed is a conversation with the beginning of a message.
type delayed struct {
	c  *Conv
	at int64 // when it is emitted
}

// New returns the stage for a new timeline.
func New(list []*Protocol, o Options) *Stage {
	s := &Stage{o: o, list: list, exits: map[uint32]int64{}}
	s.convs.In(bounded.Of(Bytes/4*3), keepConvs, func(c *Conv) int { return c.taken })
	return s
}

// Add emits an entry, and the messages that became complete with it.
func (s *Stage) Add(e *event.Entry, emit func(*event.Entry)) {
	s.pass = emit
	if _, end := e.Body.(*event.End); end {
		s.finish(e)
		emit(e)
		return
	}
	emit(e)
	if len(s.delayed) > 0 {
		s.due(e.Time)
	}
	switch b := e.Body.(type) {
	case *event.Call:
		s.call(e, b)
	case *event.Capture:
		if s.o.Packets {
			s.onWire(e, b)
		}
		s.packet(e, b)
	case *event.State:
		s.state(e, b)
	case *event.Process:
		if b.What == event.Exit {
			if len(s.exits) >= maxExits {
				clear(s.exits)
			}
			s.exits[e.Task.PID] = e.Time
		}
	case *event.Note:
		if b.Gap {
			s.losses++
		}
	case *event.Lost:
		if b.Layer == event.LayerSys || b.Layer == event.LayerNone {
			s.losses++
		}
	}
}

// spoken reports whether messages are looked for on sockets of this kind.
func spoken(c *event.Conn) bool {
	switch c.Family {
	case 0, 1, 2, 10, 40: // of other tools, AF_UNIX, AF_INET, AF_INET6, AF_VSOCK
		return c.Type != 3 // SOCK_RAW
	}
	return false
}

// conv returns the conversation of a connection. Without create it returns nil if there is none.
func (s *Stage) conv(conn *event.Conn, create bool) *Conv {
	at := &s.near[conn.N%near]
	if c := *at; c != nil && c.conn.N == conn.N && c.got == s.convs.Turns {
		c.conn = conn
		return c
	}
	c, ok := s.convs.Get(conn.N)
	switch {
	case ok:
		c.conn = conn
	case !create:
		return nil
	default:
		c = &Conv{stage: s, conn: conn, losses: s.losses, start: !conn.Old && !conn.Found, stream: conn.Type != 2 && conn.Type != 5}
		if conn.Type == 0 {
			c.stream = conn.Protocol != event.ProtoUDP
		}
		c.taken = c.held()
		s.convs.Put(conn.N, c)
	}
	c.got = s.convs.Turns
	*at = c
	return c
}

// grew counts the memory of a conversation after it was used.
func (s *Stage) grew(c *Conv) {
	n := c.held()
	if n != c.taken {
		d := n - c.taken
		c.taken = n
		if c.got == s.convs.Turns {
			s.convs.Grew(d) // it is in the young half
		} else if now, ok := s.convs.Get(c.conn.N); ok && now == c {
			s.convs.Grew(d)
		}
	}
}

// at sets the mark of the current entry.
func (s *Stage) at(e *event.Entry, begin, end int64) {
	slot := &s.recent[e.Task.TID%recent]
	w := *slot
	if w == nil || w.match != e.Match || w.task != e.Task || w.user != e.User {
		w = &who{task: e.Task, user: strings.Clone(e.User), match: e.Match}
		w.task.Comm = strings.Clone(w.task.Comm)
		*slot = w
	}
	s.now = mark{time: begin, end: end, seq: e.Seq, slack: e.Slack, who: w}
	s.unit, s.until = s.now, s.now
}

// call reads what a call has moved.
func (s *Stage) call(e *event.Entry, b *event.Call) {
	if e.Conn == nil || b.State != event.Returned || !spoken(e.Conn) {
		return
	}
	end := e.Time + b.Dur
	switch {
	case b.Role.Has(event.Connects) && (b.Ret == 0 || b.Errno == "EINPROGRESS"):
		if c := s.living(e, e.Conn); c != nil {
			s.at(e, e.Time, end)
			// With packets the kernel tells when the handshake ended.
			c.connects(e.Time, end, b.Ret == 0)
			s.grew(c)
		}
	case b.Role.Has(event.Accepts) && len(e.Others) == 1 && b.Ret >= 0:
		if c := s.living(e, e.Others[0]); c != nil {
			s.at(e, end, end)
			c.begin(end).accepted()
			s.grew(c)
		}
	case b.Bytes > 0:
		if b.In && b.Peeks() {
			return
		}
		c := s.conv(e.Conn, true)
		if c.order != nil {
			return // its packets are read
		}
		c.calls, c.user = true, e.Task.Proc
		if b.In {
			s.at(e, end, end)
			s.moved(c, In, b)
		} else {
			s.at(e, e.Time, end)
			s.moved(c, Out, b)
		}
		s.grew(c)
	case b.Ret == 0 && b.Role.Has(event.Receives) && e.Conn.Type != 2 && len(b.Args) > 0 && asked(b):
		if c := s.conv(e.Conn, false); c != nil {
			s.at(e, end, end)
			c.end(In)
			s.grew(c)
		}
	case b.Role.Has(event.Closes) && e.Conn.Closed:
		// A child closes what it has inherited, and its parent goes on.
		if c := s.conv(e.Conn, false); c != nil && (c.user.PID == 0 || c.user.PID == e.Task.PID || e.Task.Start < c.user.Start) {
			s.at(e, e.Time, end)
			if s.o.Packets && c.life.handedOn() {
				c.life.left = true // its child may have it: the kernel tells when it ends
				return
			}
			s.closed(c)
		}
	case b.Ret == 0 && b.Role.Has(event.ShutsDown) && len(b.Args) > 1:
		c := s.conv(e.Conn, false)
		if c == nil {
			return
		}
		s.at(e, e.Time, end)
		switch b.Args[1].Raw {
		case 1, 2: // SHUT_WR, SHUT_RDWR
			c.end(Out)
		}
		s.grew(c)
	}
}

// living returns the conversation of a stream whose time is divided from its beginning on; nil for other sockets.
func (s *Stage) living(e *event.Entry, conn *event.Conn) *Conv {
	if !spoken(conn) || conn.Type != 1 && conn.Type != 0 || conn.Type == 0 && conn.Protocol != event.ProtoTCP {
		return nil
	}
	return s.conv(conn, true)
}

// state notes the handshake of TCP, as the kernel sees it.
func (s *Stage) state(e *event.Entry, b *event.State) {
	if e.Conn == nil || b.Look {
		return
	}
	switch b.To {
	case event.TCPSynSent:
		if c := s.living(e, e.Conn); c != nil {
			s.at(e, e.Time, e.Time)
			c.connects(e.Time, e.Time, false)
			s.grew(c)
		}
	case event.TCPClose:
		// What has been received can still be read.
		if c := s.conv(e.Conn, false); c != nil && c.life != nil {
			if c.life.left && c.life.handedOn() {
				s.at(e, e.Time, e.Time)
				s.closed(c)
				return
			}
			c.life.gone = e.Time
		}
	case event.TCPEstablished:
		if c := s.conv(e.Conn, false); c != nil {
			c.connected(e.Time)
		}
	}
}

// asked reports whether a call that received nothing had asked for bytes: then the stream has ended.
func asked(b *event.Call) bool {
	for i := range b.Args {
		switch b.Args[i].Name {
		case "count", "len", "size":
			return b.Args[i].Raw > 0
		}
	}
	return true
}

// moved reads the payload of a call.
func (s *Stage) moved(c *Conv, d Dir, b *event.Call) {
	if !c.stream {
		s.datagrams(c, d, b)
		return
	}
	left := b.Bytes
	for i := range b.Payload {
		p := &b.Payload[i]
		c.feed(d, p.Data, p.Len)
		left -= p.Len
	}
	c.feed(d, nil, left)
}

// datagrams reads the messages of a call on a datagram socket.
func (s *Stage) datagrams(c *Conv, d Dir, b *event.Call) {
	list := b.Payload
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].Msg == list[0].Msg {
			n++
		}
		data, size := list[0].Data, int64(0)
		for i := range list[:n] {
			p := &list[i]
			if i > 0 && size == int64(len(data)) {
				data = append(data[:len(data):len(data)], p.Data...)
			}
			size += p.Len
		}
		s.peer = list[0].Peer
		c.datagram(d, data, size)
		s.peer = noAddr
		list = list[n:]
	}
}

// maxStrange is after how many datagrams of no protocol a socket's are not looked at any more.
const maxStrange = 64

// datagram reads one datagram.
func (c *Conv) datagram(d Dir, b []byte, size int64) {
	if !c.begun {
		c.begun, c.first, c.turn = true, d, d
	}
	if d != c.turn {
		c.turned(d)
	}
	c.stage.buffered = false
	c.last = c.stage.now
	c.stage.unit, c.stage.until = c.stage.now, c.stage.now
	c.losses = c.stage.losses
	if p, ok := c.parser.(Packets); ok && c.proto != unknown && p.Packet(c, d, b, size) {
		c.changed = false
		return
	}
	found := unknown
	if c.strange < maxStrange {
		h := c.Hint(d, b)
		if p, _ := c.stage.detect(&h); p != nil {
			found = p
		} else {
			c.strange++
		}
	}
	if found != c.proto {
		if t, ok := c.parser.(*turns); ok && t.size > 0 {
			t.flush(c, false)
		}
		c.choose(found)
	}
	if p, ok := c.parser.(Packets); ok {
		p.Packet(c, d, b, size)
	}
	c.changed = false
}

// detect returns the protocol of a connection, nil if it is not clear, and whether more bytes could tell.
func (s *Stage) detect(h *Hint) (p *Protocol, waiting bool) {
	for _, q := range s.list {
		switch q.Detect(h) {
		case Sure:
			return q, false
		case Maybe:
			if p == nil && h.On(q.Ports) {
				p = q
			}
		case Wait:
			waiting = true
		}
	}
	return p, waiting
}

// closed ends both directions of a connection, which is not used any more.
func (s *Stage) closed(c *Conv) {
	awaited, known := c.awaited()
	c.end(Out)
	c.end(In)
	c.over(s.now, true, awaited, known)
	if c.order != nil {
		for i := range c.order {
			s.gaps -= len(c.order[i].held)
		}
		c.order = nil
	}
	s.convs.Drop(c.conn.N)
	if at := &s.near[c.conn.N%near]; *at == c {
		*at = nil
	}
}

// Held returns the estimated memory of all conversations, in bytes.
func (s *Stage) Held() (n int) {
	for _, c := range s.convs.All {
		n += c.held()
	}
	return n
}

// delay adds a conversation to those whose parser is to emit what it has after a while.
func (s *Stage) delay(c *Conv) {
	s.delayed = append(s.delayed, delayed{c, s.now.end + pause})
}

// due emits the beginnings of messages that have waited long enough.
func (s *Stage) due(now int64) {
	n := 0
	for n < len(s.delayed) && (s.delayed[n].at <= now || len(s.delayed)-n > maxDelayed) {
		s.delayed[n].c.paused()
		n++
	}
	if n > 0 {
		s.delayed = append(s.delayed[:0], s.delayed[n:]...)
	}
}

func (c *Conv) paused() {
	c.later = false
	if s := c.stage; c.parser != nil {
		s.buffered = true
		s.unit, s.until = c.last, c.last // of this connection, not of the one that was read last
		s.unit.time = c.last.end
		c.parser.Pause(c)
		c.changed = false
	}
}

// finish ends all conversations, at the end of the timeline.
func (s *Stage) finish(e *event.Entry) {
	s.due(int64(^uint64(0) >> 1))
	for _, c := range s.open() {
		s.at(e, e.Time, e.Time)
		if c.parser == nil && c.begun {
			c.recognize(true)
			c.drain(c.first)
		}
		// What is not complete now never will be.
		awaited, known := c.awaited()
		c.end(Out)
		c.end(In)
		s.at(e, e.Time, e.Time)
		c.over(s.now, c.conn.Closed, awaited, known)
	}
}

// open returns the conversations in the order of their connections.
func (s *Stage) open() (list []*Conv) {
	for _, c := range s.convs.All {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b *Conv) int { return cmp.Compare(a.conn.N, b.conn.N) })
	return list
}

// emit emits a message of a connection.
func (s *Stage) emit(c *Conv, m *event.Message, at mark) {
	m.End = max(m.End, m.Begin) // bytes of both directions may have been kept
	s.out = event.Entry{Event: event.Event{Time: at.time, Seq: at.seq, Slack: at.slack, Body: m}, Conn: c.conn}
	if at.who != nil {
		s.out.Task, s.out.User, s.out.Match = at.who.task, at.who.user, at.who.match
	}
	s.pass(&s.out)
}

// slab allocates values in groups, because most of them are needed for a short time only.
type slab[T any] struct {
	free []T
	last []T // free before the last call of some
}

func (s *slab[T]) take() *T {
	if len(s.free) == 0 {
		s.free = make([]T, 32)
	}
	p := &s.free[0]
	s.free = s.free[1:]
	return p
}

// some returns an empty slice with room for n values.
func (s *slab[T]) some(n int) []T {
	if len(s.free) < n {
		s.free = make([]T, max(128, n))
	}
	l := s.free[:0:n]
	s.free, s.last = s.free[n:], s.free
	return l
}

// trim takes back what the last slice of some has not used.
func (s *slab[T]) trim(l []T) {
	if len(s.last) > 0 && len(l) > 0 && &s.last[0] == &l[0] && cap(l)+len(s.free) == len(s.last) {
		s.free = s.last[len(l):]
	}
	s.last = nil
}
