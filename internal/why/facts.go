package why

import (
	"net/netip"
	"strconv"

	"github.com/pidwire/pidwire/internal/event"
)

// Numbers of address families and socket types (include/linux/socket.h, include/linux/net.h).
const (
	afUnix     = 1
	afInet     = 2
	afInet6    = 10
	afNetlink  = 16
	sockStream = 1
	sockDgram  = 2
)

// The bounds of what is kept. What is beyond them is counted.
const (
	maxConns     = 1 << 13
	maxLookups   = 1 << 12
	maxFailures  = 256
	maxSuccesses = 1 << 14
)

// Bytes is the memory that all facts take at most, and what is not freed yet.
const Bytes = 48 << 20

// facts is what is known of a timeline.
type facts struct {
	begin     int64 // of the timeline
	ran       int64 // when the command replaced what started it; 0: not yet
	root      event.Proc
	exited    int64 // when the root process exited; 0: not yet
	status    uint32
	lost      [event.Layers]uint64
	conns     map[uint32]*conn
	list      []*conn
	more      int
	lookedUp  map[lookupKey]*lookup
	order     []*lookup
	failures  []*failure
	successes []success
	exchanges map[uint64]*exchange
	said      []*exchange // in order
	spinning  map[uint32]*spin
	gaps      []gap
	left      []leftOver
	known     []fact
	last      event.Evident // the last entry
	quiet     silence
}

// leftOver is a connection that was there at attach, and that its peer had closed.
type leftOver struct {
	local, peer netip.AddrPort
	task        event.Task
	at          event.Evident
}

// fact is what was read of the machine, as a process sees it.
type fact struct {
	pid  uint32
	name string
	text string
	at   event.Evident
}

func newFacts() facts {
	return facts{conns: map[uint32]*conn{}, lookedUp: map[lookupKey]*lookup{}, exchanges: map[uint64]*exchange{}, spinning: map[uint32]*spin{}}
}

// hit counts events of a kind.
type hit struct {
	n           int
	first, last event.Evident
}

func (h *hit) add(v event.Evident) {
	if h.n == 0 {
		h.first = v
	}
	h.last = v
	h.n++
}

// success is something that worked.
type success struct {
	at        int64
	pid       uint32
	connected bool // a connection was made
	unix      bool
	family    uint16
	peer      netip.AddrPort // of a connection
	what      string         // or a call of this name returned what it was asked for
}

// failure is a call that failed, other than one on a connection.
type failure struct {
	call, errno string
	hits        hit
	task        event.Task
	conn        *conn // nil if it is about none
	addr        netip.AddrPort
	role        event.Role
	took        int64 // of the first one, ns
	refused     bool  // by seccomp
}

// drop is a packet that the kernel of this host has dropped.
type drop struct {
	reason string
	out    bool
	hit
}

// conn is what is known of one end of a connection.
type conn struct {
	*event.Conn
	task   event.Task
	began  int64
	client bool // it has connected, or sent a SYN
	server bool // it was accepted, or listens

	errno    string // of the last one that failed, or SO_ERROR
	failed   event.Evident
	up       int64 // the handshake has ended; 0: not yet
	closedAt int64

	syn, synAck, rstIn, finIn, finOut, icmp  hit
	resetSent                                string   // why the kernel has sent a reset
	code                                     [2]uint8 // type and code of the ICMP error
	v6                                       bool
	router                                   netip.Addr // which sent the ICMP error
	drops                                    []drop
	neighbour, overflow, full, reset, resent hit

	sent, received        int64 // bytes of data in packets
	lastOut, lastIn       int64
	seqOut                uint32 // the highest sequence number sent
	seqKnown              bool
	again, againBig, sack hit // retransmissions, of which of full size; SACK sent
	zeroOut, zeroIn       hit
	zeroSince             [2]int64
	mss                   int
	errors                []failure // of calls on it
	eof                   event.Evident
	unheard               hit // waits that ended without anything, after something was sent
	unheardFor            int64
	stuck                 hit // waits for room to send
	stuckFor              int64
	closeWait             event.Evident
	state                 uint8
	rtt                   int64     // the shortest, ns
	spoke                 [2]string // protocols of the first messages: ours, the peer's
	said                  [2]event.Evident
	hello                 handshake
	life                  *event.Message // what its time was spent on; nil before its end
	lifeAt                event.Evident
	stream                bool // an answer of events, or a request that asks the server to wait
	sends                 int
	noDelay, cork         bool
	rcvbuf, sndbuf        bool // set by the process
	requests, answers     hit
	cut                   []*exchange // with an answer that may not be complete
	names                 bool        // names were asked for on it
	spun                  spun
	tiny                  [2]tiny // sends, receives
	trips                 trips
	streams               [2]stream     // sent, received
	called, seen          [2]int64      // bytes of TCP, or datagrams: by calls, and by packets
	slowest               event.Evident // the answer that took longest
	slowestTook           int64
	slowestOf             string
}

// stream is what has been seen of one direction of TCP.
type stream struct {
	next  uint32 // sequence number after what has been seen
	known bool
	hole  int64  // bytes before it that have not been seen
	most  uint32 // of a segment
}

// follow takes a segment of n bytes.
func (s *stream) follow(seq, n uint32) {
	if !s.known {
		s.next, s.known = seq, true
	}
	s.most = max(s.most, n)
	end := seq + n
	if d := int32(seq - s.next); d > 0 {
		s.hole += int64(d)
	} else if d < 0 {
		s.hole -= min(s.hole, int64(min(n, uint32(-d))))
	}
	if int32(end-s.next) > 0 {
		s.next = end
	}
}

// torn reports whether records of a connection are missing, although no loss was counted: a part of a stream was never
// seen, and the kernel did not miss it, or calls have moved more than packets. What was not seen of it then proves nothing.
func (c *conn) torn() bool {
	for d := range c.streams {
		switch called, seen := c.called[d], c.seen[d]; {
		case c.streams[d].hole > 0 && (d == 0 || c.sack.n == 0), seen > 0 && called > seen, c.names && called > 0 && called < seen:
			return true
		}
	}
	return c.tcp() && c.client && c.up != 0 && !c.Old && c.seen[1] > 0 && c.synAck.n == 0
}

// shreds reports whether so much of a connection is missing that its times mean nothing: a sixth.
func (c *conn) shreds() bool {
	var seen, missing int64
	for d := range c.streams {
		seen += c.seen[d]
		if d == 1 && c.sack.n > 0 {
			continue
		}
		missing += max(c.streams[d].hole, c.called[d]-c.seen[d], 0)
	}
	return seen > 0 && 6*missing > seen+missing
}

// handshake is what is known of one of TLS.
type handshake struct {
	name                string
	hello, answer       event.Evident
	alertIn, alertOut   event.Evident
	descIn, descOut     string
	encrypted           event.Evident // alert of this end
	notBefore, notAfter string
	names               []string
	sent, received      int64 // bytes of the application, inside of it
	bare                bool  // the client was asked for a certificate and has none
}

// note takes the facts of an entry.
func (g *Engine) note(e *event.Entry) {
	if g.begin == 0 || e.Time < g.begin {
		g.begin = e.Time
	}
	e.Visit(noter{g})
}

// conn returns what is kept of the connection of an entry; nil if it has none, or there is no room.
func (g *Engine) conn(e *event.Entry) *conn {
	if e.Conn == nil {
		return nil
	}
	c := g.conns[e.Conn.N]
	if c == nil {
		if len(g.list) >= maxConns {
			g.more++
			return nil
		}
		c = &conn{task: e.Task.Clone(), began: e.Time}
		g.conns[e.Conn.N] = c
		g.list = append(g.list, c)
	}
	c.Conn = e.Conn
	if c.task.PID == 0 && e.Task.PID != 0 {
		c.task = e.Task.Clone()
	}
	return c
}

// evident makes evidence of an entry.
func evident(e *event.Entry, l event.Layer, text string) event.Evident {
	v := event.Evident{Layer: l, Seq: e.Seq, Time: e.Time, Text: text}
	if e.Conn != nil {
		v.Conn = e.Conn.N
	}
	return v
}

// succeeded notes that something worked.
func (g *Engine) succeeded(s success) {
	if len(g.successes) < maxSuccesses {
		g.successes = append(g.successes, s)
	}
}

// peer names the other end: api.test:443, or the address.
func (c *conn) peer() string {
	switch {
	case c.Path != "" && c.Path[0] == 0:
		return "@" + c.Path[1:]
	case c.Path != "":
		return c.Path
	case !c.Peer.IsValid():
		return "its peer"
	case c.PeerName != "" && !c.PeerFrom.Inferred():
		return c.PeerName + ":" + strconv.Itoa(int(c.Peer.Port())) + " (" + c.Peer.Addr().String() + ")"
	}
	return c.Peer.String()
}

// tcp reports whether it is a stream over IP.
func (c *conn) tcp() bool {
	return c.Type == sockStream && (c.Family == afInet || c.Family == afInet6 || c.Protocol == event.ProtoTCP)
}

// dropped returns the drops in one direction whose reason is in the set; an empty set is any.
func (c *conn) dropped(out bool, reasons ...string) *drop {
	for i := range c.drops {
		d := &c.drops[i]
		if d.out != out {
			continue
		}
		for _, r := range reasons {
			if d.reason == r {
				return d
			}
		}
	}
	return nil
}

// failedCall returns the first failure of a call on it with one of the errors.
func (c *conn) failedCall(errnos ...string) *failure {
	for i := range c.errors {
		for _, want := range errnos {
			if c.errors[i].errno == want {
				return &c.errors[i]
			}
		}
	}
	return nil
}

// seen notes that something was recorded at a time.
func (g *Engine) seen(e *event.Entry, l event.Layer, at int64, text string) {
	if g.last.Seq != 0 && at <= g.last.Time {
		return
	}
	v := evident(e, l, text)
	v.Time = at
	if g.last.Seq != 0 && at-g.last.Time > g.quiet.to.Time-g.quiet.from.Time {
		g.quiet = silence{g.last, v}
	}
	g.last = v
}
