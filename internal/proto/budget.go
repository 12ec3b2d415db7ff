package proto

import (
	"slices"
	"unsafe"

	"github.com/pidwire/pidwire/internal/event"
)

// maxPassed bounds what is kept of the packets of a direction. Beyond it, every second entry is dropped: the bytes of one that
// is dropped have passed with the next one.
const maxPassed = 64

// passed says that all bytes before an offset have passed by a time.
type passed struct {
	off int64
	at  int64 // ns since the Unix epoch
}

// passes is a list of passed, in order.
type passes []passed

func (p *passes) add(off, at int64) {
	list := *p
	if n := len(list); n > 0 && off <= list[n-1].off {
		return
	}
	if len(list) == maxPassed {
		k := 0
		for i := 1; i < len(list); i += 2 {
			list[k] = list[i]
			k++
		}
		list = list[:k]
	}
	*p = append(list, passed{off, at})
}

// again is add for what passes more than once: the last time counts.
func (p *passes) again(off, at int64) {
	for i, e := range *p {
		if e.off >= off {
			(*p)[i].at = at
			return
		}
	}
	p.add(off, at)
}

// by returns when the byte before an offset had passed; 0 if that is not known.
func (p passes) by(off int64) int64 {
	for _, e := range p {
		if e.off >= off {
			return e.at
		}
	}
	return 0
}

// flight is one direction of a TCP connection as the packets at this end show it.
type flight struct {
	isn    uint32
	known  bool   // isn is valid: the SYN was seen
	passed passes // first transmissions of what is sent, or arrivals
	acked  passes // acknowledged by the other end
	resent passes // retransmissions: offsets after their last byte only grow
	last   int64  // offset after the last byte
	edge   int64  // In: all bytes before it have arrived
	ahead  []span // In: offsets of bytes that have arrived behind a hole, in order
}

// maxAhead bounds the pieces behind holes. Beyond it, the hole before the last one counts as filled: the next acknowledgment
// of this end tells what really is there.
const maxAhead = 16

// arrive notes that bytes have arrived. What comes behind a hole cannot be read before the hole is filled.
func (f *flight) arrive(from, to, at int64) {
	f.last = max(f.last, to)
	if to <= f.edge {
		return
	}
	if from > f.edge {
		f.hold(span{from, to})
		return
	}
	f.edge = to
	n := 0
	for n < len(f.ahead) && f.ahead[n].from <= f.edge {
		f.edge = max(f.edge, f.ahead[n].to)
		n++
	}
	f.ahead = f.ahead[:copy(f.ahead, f.ahead[n:])]
	f.passed.add(f.edge, at)
}

// hold adds bytes behind a hole.
func (f *flight) hold(s span) {
	i := len(f.ahead)
	for i > 0 && f.ahead[i-1].from > s.from {
		i--
	}
	switch {
	case i > 0 && f.ahead[i-1].to >= s.from:
		f.ahead[i-1].to = max(f.ahead[i-1].to, s.to)
		i--
	case len(f.ahead) == maxAhead:
		f.ahead[maxAhead-1].to = max(f.ahead[maxAhead-1].to, s.to)
		return
	default:
		f.ahead = slices.Insert(f.ahead, i, s)
	}
	for i+1 < len(f.ahead) && f.ahead[i+1].from <= f.ahead[i].to {
		f.ahead[i].to = max(f.ahead[i].to, f.ahead[i+1].to)
		f.ahead = slices.Delete(f.ahead, i+1, i+2)
	}
}

// traffic is what packets tell of a TCP connection.
type traffic struct {
	half   [2]flight
	rtt    int64 // the shortest round trip, ns; 0: none was measured
	syn    int64 // when the SYN left, for the first round trip
	zero   int64 // since when our window is 0; 0: it is not
	closed []span
}

// span is a time in which our window was 0: the peer could not send, as we did not read; or a piece of a stream.
type span struct{ from, to int64 }

// maxSpans bounds the spans that are kept: the last ones.
const maxSpans = 16

func (t *traffic) memory() int {
	n := int(unsafe.Sizeof(*t))
	for i := range t.half {
		f := &t.half[i]
		n += (cap(f.passed)+cap(f.acked)+cap(f.resent))*int(unsafe.Sizeof(passed{})) + cap(f.ahead)*int(unsafe.Sizeof(span{}))
	}
	return n + cap(t.closed)*int(unsafe.Sizeof(span{}))
}

func (t *traffic) sample(ns int64) {
	if ns > 0 && (t.rtt == 0 || ns < t.rtt) {
		t.rtt = ns
	}
}

// onWire notes what a packet tells about times.
func (s *Stage) onWire(e *event.Entry, b *event.Capture) {
	if e.Conn == nil || b.NoIP || b.Proto != event.ProtoTCP || !b.TCP.Valid || b.Made != event.MadeSocket {
		return
	}
	t := &b.TCP
	syn := t.Flags&event.TCPSyn != 0
	c := s.conv(e.Conn, syn)
	if c == nil || c.traffic == nil && !syn {
		return
	}
	if c.traffic == nil {
		c.traffic = &traffic{}
	}
	d := direction(e.Conn, b)
	w := c.traffic
	f, back := &w.half[d], &w.half[d.Other()]
	if syn {
		f.isn, f.known = t.Seq, true
		switch {
		case d == Out && t.Flags&event.TCPAck == 0 && w.syn == 0:
			w.syn = e.Time
		case d == In && t.Flags&event.TCPAck != 0 && w.syn != 0:
			w.sample(e.Time - w.syn)
		}
		if !s.o.Calls {
			s.at(e, e.Time, e.Time)
			c.shakes(d, t.Flags&event.TCPAck != 0, e.Time)
		}
		s.grew(c)
		return
	}
	if t.Flags&event.TCPAck != 0 && back.known {
		off := int64(t.Ack - back.isn - 1)
		if d == In && off <= back.last && (len(back.acked) == 0 || off > back.acked[len(back.acked)-1].off) {
			if at := back.passed.by(off); at != 0 && back.resent.by(off) == 0 {
				w.sample(e.Time - at)
			}
		}
		if off <= back.last {
			back.acked.add(off, e.Time)
			if d == Out {
				back.arrive(back.edge, off, e.Time) // what it acknowledges has arrived, even if no packet showed it
			}
		}
	}
	if t.Length > 0 && f.known {
		from := int64(t.Seq - f.isn - 1)
		end := from + int64(t.Length)
		if d == In {
			f.arrive(from, end, e.Time)
		} else if end > f.last {
			f.last = end
			f.passed.add(end, e.Time)
		} else {
			f.resent.again(end, e.Time)
		}
	}
	if d == Out && t.Flags&event.TCPRst == 0 {
		w.window(t.Win == 0, e.Time)
	}
	s.grew(c)
}

// window notes whether our window is closed.
func (t *traffic) window(zero bool, at int64) {
	switch {
	case zero && t.zero == 0:
		t.zero = at
	case !zero && t.zero != 0:
		if len(t.closed) == maxSpans {
			t.closed = t.closed[:copy(t.closed, t.closed[1:])]
		}
		t.closed = append(t.closed, span{t.zero, at})
		t.zero = 0
	}
}

// trip returns how much of the time from what was sent, up to an offset, to the first byte of the answer was spent on the
// network, and how much of that because it was sent again.
func (t *traffic) trip(sent, first, end int64) (trip, resent int64) {
	out := &t.half[Out]
	acked, again := out.acked.by(end), out.resent.by(end)
	switch trip = min(t.rtt, first-sent); {
	case again > sent && again < first && (acked == 0 || acked > again): // it was lost
		resent = again - sent
		trip = min(trip+resent, first-sent)
	case acked > sent && acked < first:
		trip = min(trip, acked-sent)
	}
	return trip, resent
}

// shut returns how long our window was closed between two times.
func (t *traffic) shut(from, to int64) (ns int64) {
	for _, s := range t.closed {
		ns += max(min(s.to, to)-max(s.from, from), 0)
	}
	if t.zero != 0 {
		ns += max(to-max(t.zero, from), 0)
	}
	return ns
}

// Incomplete is the Unsure of a message that ended before its end.
const Incomplete = "it is not complete"

// divide sets the time of an answer, and what it was spent on. The parts are intervals between events that follow each
// other, so that their sum is the time.
func (c *Conv) divide(x *Exchange, m *event.Message) {
	if m.Dir == event.DirIn {
		c.divideClient(x, m)
	} else {
		c.divideServer(x, m)
	}
}

// cuts is a time that is divided at events.
type cuts struct {
	at, end int64
	b       *event.Budget
}

// until gives the time up to an event to a share. An event that is not known (0), or before the last one, takes none.
func (t *cuts) until(at int64, s event.Share) {
	if at > t.end {
		at = t.end
	}
	if at > t.at {
		t.b[s] += at - t.at
		t.at = at
	}
}

// transfer gives the time until the process began to read to the queue, and then the time up to the last byte that came to the
// transfer; what of that our window was closed, to the queue again. It returns that.
func (t *cuts) transfer(w *traffic, read, last int64) (shut int64) {
	t.until(read, event.ShareQueue)
	from := t.at
	t.until(last, event.ShareTransfer)
	shut = w.shut(from, t.at)
	t.b[event.ShareTransfer] -= shut
	t.b[event.ShareQueue] += shut
	return shut
}

// divideClient divides the time from a request that this end sends to the answer that it reads.
func (c *Conv) divideClient(x *Exchange, m *event.Message) {
	m.Took = max(m.End-x.began, 0)
	b := c.stage.budgets.take()
	m.Budget = b
	t := cuts{x.began, x.began + m.Took, b}
	w := c.traffic
	if w == nil || !w.half[Out].known || !w.half[In].known || x.reply < 0 || x.first < 0 {
		t.until(min(x.sent, m.Begin), event.ShareSend)
		t.until(t.end, event.ShareUnknown)
		return
	}
	out, in := &w.half[Out], &w.half[In]
	sent := out.passed.by(x.end)
	first := x.back
	last := in.passed.by(c.half[In].count)
	if sent == 0 || first == 0 {
		t.until(min(x.sent, m.Begin), event.ShareSend)
		t.until(t.end, event.ShareUnknown)
		return
	}
	t.until(sent, event.ShareSend)
	if first > t.at {
		var trip int64
		trip, m.Resent = w.trip(t.at, first, x.end)
		t.until(t.at+trip, event.ShareNetwork)
		t.until(first, event.SharePeer)
	}
	m.Shut = t.transfer(w, x.at, last)
	if !c.calls {
		// Without calls it is not known when the process read it; the end is the last packet.
		t.until(t.end, event.ShareTransfer)
	}
	if m.Unsure == Incomplete {
		t.until(t.end, event.ShareTransfer) // the process waited for the rest
	}
	t.until(t.end, event.ShareQueue)
}

// divideServer divides the time from a request that arrives here to the answer that this end sends.
func (c *Conv) divideServer(x *Exchange, m *event.Message) {
	began, last := x.began, int64(0)
	w := c.traffic
	known := c.calls && w != nil && w.half[In].known && x.first >= 0
	if known {
		if x.came != 0 && x.came < began {
			began = x.came
		}
		last = w.half[In].passed.by(x.end)
		known = last != 0
	}
	m.Took = max(m.End-began, 0)
	b := c.stage.budgets.take()
	m.Budget = b
	t := cuts{began, began + m.Took, b}
	switch {
	case known:
		m.Shut = t.transfer(w, x.began, last)
		t.until(x.sent, event.ShareQueue)
	case c.calls:
		t.until(x.sent, event.ShareUnknown)
	default:
		t.until(t.end, event.ShareUnknown)
	}
	t.until(x.at, event.ShareOwn)
	t.until(t.end, event.ShareSend)
}
