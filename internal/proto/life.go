package proto

import (
	"unsafe"

	"github.com/pidwire/pidwire/internal/event"
)

// life divides the whole time of a stream connection, from the look-up of its name to its end. Each event of the
// connection ends an interval, which is given to a share at once, so that the sum of the shares is the time.
// docs/BUDGET.md defines the shares.
type life struct {
	began     int64 // of the first interval, ns since the Unix epoch
	at        int64 // end of the last interval
	shares    event.Budget
	whole     event.Share // the share of all intervals for now; Shares: each has its own
	state     state
	dials     bool     // this end has connected
	bytes     [2]int64 // by direction
	exchanges int64
	resent    int64 // time of the network because something was sent again, ns
	shut      int64 // time of the queue in which our window was closed, ns
	gone      int64 // when the kernel ended the connection; 0: not yet
	who       *who  // the thread that began it
	left      bool  // who accepted it has closed it, unused
}

// state is the last event of a connection.
type state uint8

const (
	unused     state = iota // none
	connecting              // connect was called
	quiet                   // connected or accepted; nothing has been said yet
	sending                 // this end has sent
	reading                 // this end has read
)

const sizeOfLife = int(unsafe.Sizeof(life{}))

// Names of the messages about connections, as in -e msg=.
const (
	Connection = "conn"
	closedText = "closed"
	openText   = "open"
	failedText = "not connected"
)

// Lives are the fields of messages about connections.
var Lives = []*event.Key{keyExchanges, keySent, keyReceived}

var (
	keyExchanges = &event.Key{Name: "pidwire.exchanges", Label: "exchanges", Form: event.FormInt}
	keySent      = &event.Key{Name: "pidwire.sent", Label: "sent", Form: event.FormBytes}
	keyReceived  = &event.Key{Name: "pidwire.received", Label: "received", Form: event.FormBytes}
)

// spend gives the time up to an event to a share. An event that is not known (0), or before the last one, takes none.
func (l *life) spend(at int64, s event.Share) {
	if at <= l.at {
		return
	}
	if l.whole != event.Shares {
		s = l.whole
	}
	l.shares[s] += at - l.at
	l.at = at
}

// begin returns the life of a connection, which begins now if it has not begun.
func (c *Conv) begin(at int64) *life {
	if c.life == nil {
		c.life = &life{began: at, at: at, whole: event.Shares, who: c.stage.now.who}
	}
	return c.life
}

// connects notes that connect was called, and whether it has returned with the connection.
func (c *Conv) connects(begin, end int64, done bool) {
	fresh := c.life == nil
	l := c.begin(begin)
	switch l.state {
	case unused:
		l.dials, l.state = true, connecting
	case connecting, quiet:
		// The kernel's event came before the call that caused it.
		if begin < l.began && l.shares[event.ShareName] == 0 {
			l.shares[event.ShareConnect] += l.began - begin
			l.began, fresh = begin, true
		}
	default:
		return
	}
	if pid := l.who.task.PID; fresh && pid != 0 && l.shares[event.ShareName] == 0 {
		if k := c.stage.lookedUp(pid, c.conn.Peer.Addr(), begin); k != nil {
			k.used = true
			l.shares[event.ShareName] += k.end - k.began
			l.shares[event.ShareOwn] += begin - k.end
			l.began = k.began
		}
	}
	if done {
		c.connected(end)
	} else if l.state == connecting && !c.stage.o.Packets {
		l.spend(end, event.ShareConnect)
	}
}

// connected notes the end of the handshake of TCP.
func (c *Conv) connected(at int64) {
	if l := c.life; l != nil && l.state == connecting {
		l.spend(at, event.ShareConnect)
		l.state = quiet
	}
}

// shakes notes a SYN where there are no calls and states.
func (c *Conv) shakes(d Dir, ack bool, at int64) {
	switch {
	case d == Out && !ack:
		c.connects(at, at, false)
	case d == In && ack:
		c.connected(at)
	case d == In:
		c.begin(at).accepted()
	}
}

// accepted notes that this end waits for its peer.
func (l *life) accepted() {
	if l.state == unused {
		l.state = quiet
	}
}

// handedOn reports whether nobody has used a connection that was accepted: a server may have left it to a child.
func (l *life) handedOn() bool { return l != nil && l.state == quiet && !l.dials }

// Whole gives all time from now on to a share, such as the handshake of TLS. Shares ends that.
func (c *Conv) Whole(s event.Share) {
	if c.life != nil {
		c.life.whole = s
	}
}

// awaited reports whether a request has no answer yet. If what is said cannot be read, it is not known.
func (c *Conv) awaited() (yes, known bool) {
	if c.parser == nil || c.proto == unknown || c.proto.Opaque {
		return false, false
	}
	return c.opened > c.done, true
}

// mine returns the share of what only calls could tell of this end.
func (c *Conv) mine(s event.Share) event.Share {
	if c.calls {
		return s
	}
	return event.ShareUnknown
}

// before divides the time up to bytes that are sent or read.
func (c *Conv) before(d Dir, n int64) {
	if !c.stream {
		return
	}
	now := &c.stage.now
	at := now.time
	if d == In && c.life == nil {
		if came := c.arrived(c.half[In].count - n); came != 0 && came < at {
			at = came
		}
	}
	l := c.begin(at)
	l.bytes[d] += n
	if d == In {
		c.beforeIn(l, now.end, n)
		return
	}
	switch l.state {
	case connecting: // the end of the handshake was not seen
		l.spend(now.time, c.dialing())
	case sending:
		if w := c.traffic; w != nil && w.half[Out].known {
			// What this end has sent before may wait for room: in the send buffer, or in the peer's.
			left := w.half[Out].passed.by(c.half[Out].count - n)
			if left == 0 {
				left = now.time
			}
			l.spend(min(left, now.time), event.ShareSend)
		}
		l.spend(now.time, c.mine(event.ShareOwn))
	case quiet, reading:
		l.spend(now.time, c.mine(event.ShareOwn))
	}
	l.state = sending
}

// dialing returns the share of the time after connect, until it is seen that the connection is there.
func (c *Conv) dialing() event.Share {
	if c.stage.o.Packets {
		return event.ShareConnect
	}
	return event.ShareUnknown // connect did not wait, and nothing else tells
}

// after gives the time of a call that sends to its share.
func (c *Conv) after(d Dir) {
	if d == Out && c.life != nil {
		c.life.spend(c.stage.now.end, event.ShareSend)
	}
}

// beforeIn divides the time up to the end of a call that has read n bytes.
func (c *Conv) beforeIn(l *life, read, n int64) {
	state := l.state
	l.state = reading
	end := c.half[In].count
	w := c.traffic
	var first, last int64 // when its bytes arrived
	if w != nil && w.half[In].known {
		first, last = c.arrived(end-n), w.half[In].passed.by(end)
	}
	if first == 0 || last == 0 {
		s := event.ShareUnknown
		if state == connecting {
			s = c.dialing()
		}
		l.spend(read, s)
		return
	}
	first, last = min(first, read), min(last, read)
	awaited, known := c.awaited()
	switch {
	case state == connecting:
		l.spend(first, event.ShareConnect)
	case state == sending:
		c.returned(l, w, first)
	case state == quiet && l.dials: // the peer speaks first
		l.spend(first, event.SharePeer)
	case state == reading && awaited:
		l.spend(first, event.ShareTransfer)
	case state == reading && !known:
		// A peer that is sending is not silent for longer than a round trip.
		l.spend(min(l.at+w.rtt, first), event.ShareTransfer)
		l.spend(first, event.SharePeer)
	default:
		l.spend(first, event.ShareIdle)
	}
	from := l.at
	l.spend(last, event.ShareTransfer)
	if shut := w.shut(from, l.at); shut > 0 && l.whole == event.Shares {
		l.shares[event.ShareTransfer] -= shut
		l.shares[event.ShareQueue] += shut
		l.shut += shut
	}
	l.spend(read, c.queue())
}

// queue returns the share of bytes that have arrived: without calls it is not known when they were read.
func (c *Conv) queue() event.Share {
	if c.calls {
		return event.ShareQueue
	}
	return event.ShareTransfer
}

// returned divides the time from what this end has sent to the first byte that has come back.
func (c *Conv) returned(l *life, w *traffic, first int64) {
	out, end := &w.half[Out], c.half[Out].count
	if !out.known {
		l.spend(first, event.ShareUnknown)
		return
	}
	l.spend(min(out.passed.by(end), first), event.ShareSend)
	if awaited, known := c.awaited(); known && !awaited || !known && !l.dials {
		l.spend(first, event.ShareIdle) // nothing was asked
		return
	}
	trip, resent := w.trip(l.at, first, end)
	l.resent += resent
	l.spend(l.at+trip, event.ShareNetwork)
	l.spend(first, event.SharePeer)
}

// over divides the rest of the time of a connection, and emits what there is to say about it. awaited is whether a request
// had no complete answer.
func (c *Conv) over(now mark, closed, awaited, known bool) {
	l := c.life
	if l == nil {
		return
	}
	c.life = nil
	user := l.who
	if c.last.who != nil {
		user = c.last.who
	}
	switch exit := c.stage.exits[user.task.PID]; {
	case closed:
	case l.gone != 0:
		now.time, closed = l.gone, true
	case exit != 0 && exit >= l.at:
		// Others may have the socket, which have not used it.
		now.time = exit
	}
	now.time = max(now.time, l.at)
	switch w := c.traffic; {
	case l.state == connecting:
		l.spend(now.time, c.dialing())
	case l.state == sending && (awaited || !known) && l.dials && w != nil && w.half[In].known:
		c.returned(l, w, now.time)
	case l.state == sending && (awaited || !known) && l.dials:
		l.spend(now.time, event.ShareUnknown)
	case l.state == reading && awaited && !l.dials:
		l.spend(now.time, c.mine(event.ShareOwn))
	case l.state == reading && awaited:
		l.spend(now.time, event.ShareTransfer) // the rest never came
	default:
		l.spend(now.time, event.ShareIdle)
	}
	m := c.stage.messages.take()
	m.Kind, m.Proto, m.Title, m.Text = event.MessageNotice, Connection, title(c.conn), openText
	switch {
	case l.state == connecting && closed:
		m.Text = failedText
	case closed:
		m.Text = closedText
	}
	m.Begin, m.End = l.began, l.at
	m.Took, m.Slack, m.Resent, m.Shut = l.at-l.began, now.slack, l.resent, l.shut
	m.Bytes = l.bytes[Out] + l.bytes[In]
	m.Budget = c.stage.budgets.take()
	*m.Budget = l.shares
	m.Fields = append(c.Fields(3), event.Field{Key: keyExchanges, Num: l.exchanges}, event.Field{Key: keySent, Num: l.bytes[Out]}, event.Field{Key: keyReceived, Num: l.bytes[In]})
	if now.who == nil || now.who.task.PID == 0 || !closed {
		now.who = l.who
	}
	c.stage.emit(c, m, now)
}

// title names a connection by its transport.
func title(c *event.Conn) string {
	switch {
	case c.Family == 1:
		return "unix"
	case c.Family == 40:
		return "vsock"
	case c.Protocol == 132:
		return "SCTP"
	case c.Protocol == event.ProtoTCP, c.Protocol == 262:
		return "TCP"
	}
	return "stream"
}
