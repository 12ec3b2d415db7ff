package list

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
)

const ms = 1_000_000

// scene is a timeline of one process, whose times are in ms.
type scene struct {
	t     *testing.T
	s     *proto.Stage
	seq   uint64
	conn  event.Conn
	lives []*event.Message
	next  [2]uint32 // sequence numbers, by direction
}

func newScene(t *testing.T, o proto.Options) *scene {
	return &scene{t: t, s: proto.New(All, o), conn: event.Conn{
		N: 1, Type: 1, Family: 2, Protocol: event.ProtoTCP, Local: netip.MustParseAddrPort("10.0.0.1:40000"), Peer: netip.MustParseAddrPort("10.0.0.2:80"),
	}, next: [2]uint32{1000, 5000}}
}

func (s *scene) add(at float64, conn *event.Conn, b event.Body) {
	s.seq++
	e := event.Entry{Event: event.Event{Time: int64(at * ms), Seq: s.seq, Body: b, Task: event.Task{Proc: event.Proc{PID: 7}, TID: 7}}, Conn: conn}
	s.s.Add(&e, func(e *event.Entry) {
		if m, ok := e.Body.(*event.Message); ok && m.Proto == proto.Connection {
			s.lives = append(s.lives, e.Clone().Body.(*event.Message))
		}
	})
}

func (s *scene) call(from, to float64, c *event.Call) {
	c.State, c.Dur = event.Returned, int64((to-from)*ms)
	conn := s.conn
	s.add(from, &conn, c)
}

func (s *scene) connect(from, to float64) {
	s.call(from, to, &event.Call{Name: "connect", Role: event.Connects})
}

func (s *scene) send(from, to float64, text string) {
	s.call(from, to, &event.Call{Name: "send", Role: event.Sends, Bytes: int64(len(text)), Ret: int64(len(text)), Payload: []event.Piece{{Data: []byte(text), Len: int64(len(text))}}})
}

func (s *scene) read(from, to float64, text string) {
	s.call(from, to, &event.Call{Name: "recv", Role: event.Receives, In: true, Bytes: int64(len(text)), Ret: int64(len(text)), Payload: []event.Piece{{Data: []byte(text), Len: int64(len(text))}}})
}

func (s *scene) close(at float64) {
	s.conn.Closed = true
	s.call(at, at, &event.Call{Name: "close", Role: event.Closes})
}

// packet adds a segment with n bytes.
func (s *scene) packet(at float64, d event.Direction, flags uint8, n int) {
	src, dst := s.conn.Local, s.conn.Peer
	me, other := 0, 1
	if d == event.DirIn {
		src, dst = dst, src
		me, other = 1, 0
	}
	c := &event.Capture{Packet: event.Packet{Dir: d, Src: src, Dst: dst, Proto: event.ProtoTCP, Version: 4, Length: uint32(20 + n), TCP: event.TCPHeader{
		Valid: true, Flags: flags, Seq: s.next[me], Ack: s.next[other], Header: 20, Length: uint32(n), Win: 1000,
	}}}
	s.next[me] += uint32(n)
	if flags&event.TCPSyn != 0 {
		s.next[me]++
	}
	conn := s.conn
	s.add(at, &conn, c)
}

// end ends the timeline and returns the message about the connection.
func (s *scene) end(at float64) *event.Message {
	s.t.Helper()
	s.add(at, nil, &event.End{})
	if len(s.lives) != 1 {
		s.t.Fatalf("%d messages about connections", len(s.lives))
	}
	m := s.lives[0]
	var sum int64
	for _, n := range m.Budget {
		sum += n
	}
	if sum != m.Took || m.Took != m.End-m.Begin {
		s.t.Errorf("the shares are %d ns, the whole is %d, and from begin to end %d", sum, m.Took, m.End-m.Begin)
	}
	return m
}

// shares checks the budget, in ms.
func shares(t *testing.T, m *event.Message, want map[event.Share]float64) {
	t.Helper()
	for s, n := range m.Budget {
		if w := int64(want[event.Share(s)] * ms); n != w {
			t.Errorf("%v: %v ms, want %v", event.Share(s), float64(n)/ms, float64(w)/ms)
		}
	}
}

var both = proto.Options{Calls: true, Packets: true}

const (
	get    = "GET / HTTP/1.1\r\nHost: web.test\r\n\r\n"
	answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
)

func (s *scene) handshake() {
	s.packet(1, event.DirOut, event.TCPSyn, 0)
	s.packet(3, event.DirIn, event.TCPSyn|event.TCPAck, 0)
	s.packet(3, event.DirOut, event.TCPAck, 0)
}

// TestLifeOfClient has two exchanges: the second answer comes in two parts, with a pause.
func TestLifeOfClient(t *testing.T) {
	s := newScene(t, both)
	s.handshake()
	s.connect(1, 3) // 2 ms: connect
	s.packet(5.5, event.DirOut, event.TCPAck, len(get))
	s.send(5, 6, get)                                      // 2 own, 1 send
	s.packet(58, event.DirIn, event.TCPAck, len(answer)+4) // 2 of network, 50 of the server
	s.read(60, 61, answer+"body")                          // 3 in the queue
	s.packet(70.5, event.DirOut, event.TCPAck, len(get))   //
	s.send(70, 71, get)                                    // 9 own, 1 send
	s.packet(83, event.DirIn, event.TCPAck, len(answer)+2) // 2 of network, 10 of the server
	s.read(80, 83, answer+"bo")                            //
	s.packet(103, event.DirIn, event.TCPAck, 2)            // 20 of transfer
	s.read(84, 103, "dy")                                  //
	s.close(200)                                           // 97 idle
	shares(t, s.end(300), map[event.Share]float64{
		event.ShareConnect: 2, event.ShareOwn: 11, event.ShareSend: 2, event.ShareNetwork: 4, event.SharePeer: 60, event.ShareQueue: 3,
		event.ShareTransfer: 20, event.ShareIdle: 97,
	})
	m := s.lives[0]
	if m.Text != "closed" || m.Bytes != int64(2*len(get)+2*len(answer)+8) || m.Fields[0].Num != 2 || m.Fields[1].Num != int64(2*len(get)) {
		t.Errorf("%+v", m)
	}
}

// TestLifeOfServer checks that a server's time between answer and request is nobody's.
func TestLifeOfServer(t *testing.T) {
	s := newScene(t, both)
	s.packet(1, event.DirIn, event.TCPSyn, 0)
	s.packet(1, event.DirOut, event.TCPSyn|event.TCPAck, 0)
	s.packet(3, event.DirIn, event.TCPAck, 0)
	child := s.conn
	s.seq++
	e := event.Entry{Event: event.Event{Time: 2 * ms, Seq: s.seq, Body: &event.Call{Name: "accept", Role: event.Accepts, State: event.Returned, Dur: 2 * ms, Ret: 5}}, Conn: &event.Conn{N: 9, Type: 1, Family: 2}, Others: []*event.Conn{&child}}
	s.s.Add(&e, func(*event.Entry) {}) // from 4 ms on
	s.packet(10, event.DirIn, event.TCPAck, len(get))
	s.read(9, 15, get) // 6 idle, 5 in the queue
	s.packet(45, event.DirOut, event.TCPAck, len(answer)+4)
	s.send(45, 46, answer+"body") // 30 own, 1 send
	s.packet(100, event.DirIn, event.TCPAck, len(get))
	s.read(99, 100, get) // 54 idle
	s.close(110)         // 10 own: it has not answered
	shares(t, s.end(300), map[event.Share]float64{event.ShareIdle: 60, event.ShareQueue: 5, event.ShareOwn: 40, event.ShareSend: 1})
}

// TestLifeWithoutPackets checks that what only packets tell is unknown.
func TestLifeWithoutPackets(t *testing.T) {
	s := newScene(t, proto.Options{Calls: true})
	s.connect(1, 3)
	s.send(5, 6, get)
	s.read(60, 61, answer+"body")
	s.close(100)
	shares(t, s.end(300), map[event.Share]float64{event.ShareConnect: 2, event.ShareOwn: 2, event.ShareSend: 1, event.ShareUnknown: 55, event.ShareIdle: 39})
}

// TestLifeWithoutCalls checks that what only calls tell is unknown.
func TestLifeWithoutCalls(t *testing.T) {
	s := newScene(t, proto.Options{Packets: true})
	s.handshake()
	segment := func(at float64, d event.Direction, text string) {
		head := make([]byte, 40)
		c := &event.Capture{Packet: event.Packet{
			Dir: d, Src: s.conn.Local, Dst: s.conn.Peer, Proto: event.ProtoTCP, Version: 4, Data: append(head, text...), Off: 20, End: uint32(40 + len(text)), Length: uint32(20 + len(text)),
			TCP: event.TCPHeader{Valid: true, Flags: event.TCPAck, Seq: s.next[0], Ack: s.next[1], Header: 20, Length: uint32(len(text)), Win: 1000},
		}}
		if d == event.DirIn {
			c.Src, c.Dst, c.TCP.Seq, c.TCP.Ack = c.Dst, c.Src, s.next[1], s.next[0]
			s.next[1] += uint32(len(text))
		} else {
			s.next[0] += uint32(len(text))
		}
		conn := s.conn
		s.add(at, &conn, c)
	}
	segment(5, event.DirOut, get)
	segment(20, event.DirIn, answer+"body")
	segment(30, event.DirOut, get)
	segment(50, event.DirIn, answer+"body")
	m := s.end(60)
	shares(t, m, map[event.Share]float64{event.ShareConnect: 2, event.ShareUnknown: 12, event.ShareNetwork: 4, event.SharePeer: 31, event.ShareIdle: 10})
	if m.Text != "open" {
		t.Errorf("%q", m.Text)
	}
}

// TestLifeWithLookup checks that the look-up of the name is a part of the first connection's time.
func TestLifeWithLookup(t *testing.T) {
	s := newScene(t, both)
	question := "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03web\x04test\x00\x00\x01\x00\x01"
	told := "\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x03web\x04test\x00\x00\x01\x00\x01\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x0a\x00\x00\x02"
	server := event.Conn{N: 2, Type: 2, Family: 2, Protocol: event.ProtoUDP, Local: netip.MustParseAddrPort("10.0.0.1:50000"), Peer: netip.MustParseAddrPort("10.0.0.53:53")}
	datagram := func(from, to float64, in bool, text string) {
		role := event.Sends
		if in {
			role = event.Receives
		}
		s.add(from, &server, &event.Call{
			Name: "x", Role: role, In: in, State: event.Returned, Dur: int64((to - from) * ms), Bytes: int64(len(text)), Ret: int64(len(text)),
			Payload: []event.Piece{{Data: []byte(text), Len: int64(len(text))}},
		})
	}
	datagram(1, 2, false, question)
	datagram(2, 41, true, told) // 40 for the name
	s.connect(43, 48)           // 2 own, 5 connect
	s.close(50)                 // 2 idle
	m := s.end(60)
	shares(t, m, map[event.Share]float64{event.ShareName: 40, event.ShareOwn: 2, event.ShareConnect: 5, event.ShareIdle: 2})
	// It is not counted twice.
	s.lives, s.conn.N, s.conn.Closed = nil, 3, false
	s.s = proto.New(All, both)
	datagram(1, 2, false, question)
	datagram(2, 41, true, told)
	s.connect(43, 48)
	s.close(50)
	s.conn.N, s.conn.Closed, s.lives = 4, false, nil
	s.connect(52, 53)
	s.close(54)
	shares(t, s.end(60), map[event.Share]float64{event.ShareConnect: 1, event.ShareIdle: 1})
}

// TestLifeWhole checks that connections of all kinds of conversations have shares that are their whole time, with
// pieces of any size.
func TestLifeWhole(t *testing.T) {
	for _, size := range []int{1, 7, 1000} {
		s := newScene(t, both)
		s.handshake()
		s.connect(1, 3)
		now := 4.0
		for range 3 {
			for text := get; text != ""; {
				n := min(size, len(text))
				s.packet(now+0.2, event.DirOut, event.TCPAck, n)
				s.send(now, now+0.4, text[:n])
				text = text[n:]
				now++
			}
			now += 5
			for text := answer + strings.Repeat("b", 4); text != ""; {
				n := min(size, len(text))
				s.packet(now+0.2, event.DirIn, event.TCPAck, n)
				s.read(now, now+0.4, text[:n])
				text = text[n:]
				now++
			}
		}
		m := s.end(now + 5)
		if m.Budget[event.ShareUnknown] != 0 || m.Budget[event.SharePeer] == 0 || m.Fields[0].Num != 3 {
			t.Errorf("pieces of %d: %v", size, m.Budget)
		}
	}
}

// TestLifeHandedOn checks that a server that closes what it has accepted, for its child, does not end the connection.
func TestLifeHandedOn(t *testing.T) {
	s := newScene(t, both)
	s.packet(1, event.DirIn, event.TCPSyn, 0)
	s.packet(1, event.DirOut, event.TCPSyn|event.TCPAck, 0)
	child := s.conn
	e := event.Entry{Event: event.Event{Time: 2 * ms, Body: &event.Call{Name: "accept", Role: event.Accepts, State: event.Returned, Ret: 5}}, Conn: &event.Conn{N: 9, Type: 1, Family: 2}, Others: []*event.Conn{&child}}
	s.s.Add(&e, func(*event.Entry) {})
	s.close(3)
	s.conn.Closed = false
	s.packet(10, event.DirIn, event.TCPAck, len(get))
	s.read(9, 10, get)
	s.packet(12, event.DirOut, event.TCPAck, len(answer)+4)
	s.send(12, 12, answer+"body")
	s.close(20)
	if m := s.end(30); m.Text != "closed" || m.Took != 18*ms || m.Fields[0].Num != 1 {
		t.Errorf("%+v", m)
	}
	// The kernel's end is that of one that nobody has used.
	s = newScene(t, both)
	s.packet(1, event.DirIn, event.TCPSyn, 0)
	child = s.conn
	e.Others = []*event.Conn{&child}
	s.s.Add(&e, func(*event.Entry) {})
	s.close(3)
	conn := s.conn
	s.add(8, &conn, &event.State{To: event.TCPClose})
	if m := s.end(30); m.Text != "closed" || m.Took != 6*ms {
		t.Errorf("%+v", m)
	}
}

// TestLifeFull checks that the time in which the peer does not read is a part of sending, also between calls.
func TestLifeFull(t *testing.T) {
	s := newScene(t, both)
	s.handshake()
	s.connect(1, 3)
	put := "PUT / HTTP/1.1\r\nHost: web.test\r\nContent-Length: 20\r\n\r\n"
	s.packet(5, event.DirOut, event.TCPAck, len(put))
	s.send(5, 6, put)          // 2 own, 1 send
	s.send(8, 9, "0123456789") // 2 own, 1 send: it waits
	s.packet(40, event.DirOut, event.TCPAck, 10)
	s.send(45, 46, "0123456789") // 31 send, 5 own, 1 send
	s.packet(46, event.DirOut, event.TCPAck, 10)
	s.packet(50, event.DirIn, event.TCPAck, len(answer)+4)
	s.read(50, 50, answer+"body") // 2 network, 2 peer
	s.close(50)
	shares(t, s.end(60), map[event.Share]float64{event.ShareConnect: 2, event.ShareOwn: 9, event.ShareSend: 34, event.ShareNetwork: 2, event.SharePeer: 2})
}

// TestLifeInProgress checks that nobody knows when a connection was there that connect did not wait for, without packets.
func TestLifeInProgress(t *testing.T) {
	s := newScene(t, proto.Options{Calls: true})
	s.call(1, 2, &event.Call{Name: "connect", Role: event.Connects, Ret: -115, Errno: "EINPROGRESS"})
	s.send(10, 11, get)
	s.close(20)
	shares(t, s.end(60), map[event.Share]float64{event.ShareConnect: 1, event.ShareUnknown: 17, event.ShareSend: 1})
}
