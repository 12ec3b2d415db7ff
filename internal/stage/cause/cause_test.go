package cause

import (
	"testing"

	"github.com/pidwire/pidwire/internal/bounded"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/syscalls"
)

// line is a timeline of one connection and its listener.
type line struct {
	t        *testing.T
	f        *Finder
	now      int64
	conn     *event.Conn
	listener *event.Conn
}

func newLine(t *testing.T) *line {
	return &line{t: t, f: New(new(bounded.Room)), conn: &event.Conn{N: 1}, listener: &event.Conn{N: 2}}
}

// add adds an event of a connection to the timeline.
func (l *line) add(b event.Body, c *event.Conn, others ...*event.Conn) event.Entry {
	l.now++
	return l.at(l.now, b, c, others...)
}

func (l *line) at(now int64, b event.Body, c *event.Conn, others ...*event.Conn) event.Entry {
	l.t.Helper()
	e := event.Entry{Event: event.Event{Time: now, Seq: uint64(l.now), Body: b}, Conn: c, Others: others}
	passed := 0
	l.f.Add(&e, func(out *event.Entry) {
		if passed++; out != &e {
			l.t.Error("another entry came out")
		}
	})
	if passed != 1 {
		l.t.Errorf("the entry came out %d times", passed)
	}
	return e
}

func call(name string, ret, dur int64) *event.Call {
	return &event.Call{Name: name, Role: syscalls.RoleOf(name), Ret: ret, Dur: dur}
}

// moves returns a call that sends or receives n bytes.
func (l *line) moves(name string, n int64) event.Entry {
	c := call(name, n, 2)
	c.Bytes, c.In = n, c.Role.Has(event.Receives)
	return l.add(c, l.conn)
}

func (l *line) causedBy(e event.Entry, cause uint64) {
	l.t.Helper()
	if e.Cause != cause {
		l.t.Errorf("%d is caused by %d, want %d", e.Seq, e.Cause, cause)
	}
}

const (
	syn    = event.TCPSyn
	synAck = event.TCPSyn | event.TCPAck
	ack    = event.TCPAck
)

// seg returns a segment at the end that sent its SYN with sequence number 1000, and received one
// with 5000.
func seg(dir event.Direction, flags uint8) *event.Capture {
	c := &event.Capture{Packet: event.Packet{Dir: dir, Proto: event.ProtoTCP}, Made: event.MadeSocket}
	c.TCP.Valid, c.TCP.Flags, c.TCP.Seq = true, flags, 1000
	if dir == event.DirIn {
		c.TCP.Seq = 5000
	}
	return c
}

// payload returns a segment with n bytes at a position of its stream.
func payload(dir event.Direction, at, n uint32) *event.Capture {
	c := seg(dir, ack)
	c.TCP.Seq += 1 + at
	c.TCP.Length = n
	return c
}

// connected starts a connection by connect and its handshake.
func connected(t *testing.T) *line {
	l := newLine(t)
	connect := l.add(call("connect", 0, 10), l.conn)
	l.causedBy(l.add(seg(event.DirOut, syn), l.conn), connect.Seq)
	l.causedBy(l.add(seg(event.DirIn, synAck), l.conn), 0)
	l.causedBy(l.add(seg(event.DirOut, ack), l.conn), 0)
	return l
}

// TestPackets checks that bytes are found by their position, however late they are sent, and
// regardless of later writes.
func TestPackets(t *testing.T) {
	l := connected(t)
	one, two := l.moves("write", 100), l.moves("sendto", 50)
	l.now += 20 // both calls have returned
	out := func(at, n uint32) event.Entry { return l.add(payload(event.DirOut, at, n), l.conn) }
	l.causedBy(out(0, 60), one.Seq)
	l.causedBy(out(60, 60), one.Seq)
	l.causedBy(out(120, 30), two.Seq)
	l.causedBy(out(60, 60), one.Seq) // again
	l.causedBy(out(150, 1), 0)       // of no call that was seen
	bye := l.add(call("close", 0, 5), l.conn)
	l.causedBy(l.add(seg(event.DirOut, ack|event.TCPFin), l.conn), bye.Seq)
}

// TestCalls checks that the cause of a call is the packet that brought its last byte, or ended the
// stream.
func TestCalls(t *testing.T) {
	l := connected(t)
	a, b := l.add(payload(event.DirIn, 0, 100), l.conn), l.add(payload(event.DirIn, 100, 100), l.conn)
	l.causedBy(l.moves("read", 100), a.Seq)
	peek := call("recvfrom", 50, 1)
	peek.Bytes, peek.In, peek.Args = 50, true, []event.Arg{{Name: "flags", Raw: 2}}
	l.causedBy(l.add(peek, l.conn), b.Seq)
	l.causedBy(l.moves("read", 50), b.Seq)
	l.causedBy(l.moves("read", 50), b.Seq)
	fin := seg(event.DirIn, ack|event.TCPFin)
	fin.TCP.Seq = 5201
	end := l.add(fin, l.conn)
	l.causedBy(l.moves("read", 0), end.Seq)
	rst := l.add(seg(event.DirIn, event.TCPRst), l.conn)
	failed := call("write", -104, 1)
	failed.Errno = "ECONNRESET"
	l.causedBy(l.add(failed, l.conn), rst.Seq)
}

// TestWaiting checks that the cause of each waiting call is a packet that arrived while it waited,
// for any of its conditions.
func TestWaiting(t *testing.T) {
	for i := range syscalls.Table {
		waits := &syscalls.Table[i]
		if !waits.Role.Has(event.Waits) {
			continue
		}
		t.Run(waits.Name, func(t *testing.T) {
			l := connected(t)
			poll := func(ret, began int64) event.Entry {
				return l.at(began, call(waits.Name, ret, l.now-began), &event.Conn{N: 7}, l.conn)
			}
			poll(0, l.now)
			began := l.now + 1
			p := l.add(payload(event.DirIn, 0, 10), l.conn)
			l.causedBy(poll(1, began), p.Seq)
			l.causedBy(poll(0, began), 0)
			l.now += 10
			l.causedBy(poll(1, l.now), 0) // arrived earlier
		})
	}
}

// TestAccept checks that the cause of accept is the end of the handshake.
func TestAccept(t *testing.T) {
	l := newLine(t)
	l.add(seg(event.DirIn, syn), l.conn)
	l.add(seg(event.DirOut, synAck), l.conn)
	third := l.add(seg(event.DirIn, ack), l.conn)
	l.causedBy(l.add(call("accept4", 4, 1), l.listener, l.conn), third.Seq)
}

// TestDatagrams checks that without positions the time decides: packets that leave during a sending
// call belong to it.
func TestDatagrams(t *testing.T) {
	l := newLine(t)
	dgram := func(dir event.Direction) *event.Capture {
		return &event.Capture{Packet: event.Packet{Dir: dir, Proto: event.ProtoUDP, Length: 30}, Made: event.MadeSocket}
	}
	send := l.moves("sendto", 22)
	l.causedBy(l.add(dgram(event.DirOut), l.conn), send.Seq)
	l.now += 10
	l.causedBy(l.add(dgram(event.DirOut), l.conn), 0)
	in := l.add(dgram(event.DirIn), l.conn)
	l.causedBy(l.moves("recvfrom", 22), in.Seq)
	l.now += 10
	empty := l.add(call("sendto", 0, 3), l.conn)
	l.causedBy(l.add(dgram(event.DirOut), l.conn), empty.Seq)
}
