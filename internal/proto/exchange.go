package proto

import (
	"strings"

	"github.com/pidwire/pidwire/internal/event"
)

// Exchange is a request that waits for its answer.
type Exchange struct {
	ID    uint64
	Group string // what it is counted under
	Note  string // for the parser
	Kind  int    // for the parser
	began int64  // first byte of the request
	sent  int64  // last byte of it
	slack int64  // of these times
	first int64  // offset of the request's first byte in its direction; -1: unknown
	end   int64  // offset after its last byte
	came  int64  // when the request's first byte arrived here; 0: unknown
	back  int64  // when the answer's first byte arrived here; 0: unknown
	reply int64  // offset of the answer's first byte; -1: unknown
	at    int64  // when that was sent or had come; 0: not yet
	dir   Dir    // of the request
	set   bool
}

// Known reports whether the request was seen.
func (x *Exchange) Known() bool { return x.set }

// Ask gives a request an exchange of its own, and emits it. The strings of m may alias the bytes of the unit.
func (c *Conv) Ask(m *event.Message) Exchange {
	x := c.Open(m)
	c.Emit(m)
	return x
}

// Open gives a request an exchange of its own; the caller emits it.
func (c *Conv) Open(m *event.Message) Exchange {
	c.stage.exchanges++
	m.Exchange = c.stage.exchanges
	c.opened = m.Exchange
	if c.life != nil {
		c.life.exchanges++
	}
	if c.group != m.Group {
		c.group = strings.Clone(m.Group)
	}
	x := Exchange{ID: m.Exchange, Group: c.group, began: m.Begin, slack: c.stage.unit.slack, first: c.stage.unit.off, reply: -1, set: true}
	if m.Dir == event.DirIn {
		x.dir = In
	}
	c.Sent(&x, m.End)
	if x.dir == In {
		x.came = c.arrived(x.first)
	}
	return x
}

// arrived returns when the byte at an offset of what is received arrived; 0 if it is not known.
func (c *Conv) arrived(off int64) int64 {
	if c.traffic == nil || !c.traffic.half[In].known || off < 0 {
		return 0
	}
	return c.traffic.half[In].passed.by(off + 1)
}

// Sent notes the last byte of a request whose end was not known when it was opened: now, and when it was sent or had come.
func (c *Conv) Sent(x *Exchange, at int64) {
	x.sent, x.end = at, c.half[x.dir].count
}

// Began notes the first byte of the answer to a request, which is the current unit. It is for answers that are
// emitted later.
func (c *Conv) Began(x *Exchange) {
	if x.set && x.at == 0 {
		x.reply, x.at = c.stage.unit.off, c.stage.unit.time
		if x.dir == Out {
			x.back = c.arrived(x.reply)
		}
	}
}

// Close makes m the answer to a request, with the time that it took; the caller emits it. An unknown
// exchange gives m none.
func (c *Conv) Close(x *Exchange, m *event.Message) {
	if !x.set {
		return
	}
	m.Exchange = x.ID
	if m.Group == "" {
		m.Group = x.Group
	}
	c.Began(x)
	m.Slack = max(x.slack, c.stage.until.slack)
	c.divide(x, m)
}

// Queue has the requests of a protocol that answers in the order of requests. The zero Queue is
// empty.
type Queue struct {
	ring []Exchange // its size is a power of two
	head int        // index of the oldest
	n    int
	lost int // older requests that were dropped: the next answers are theirs
}

// maxQueue bounds the requests that wait for their answer, by connection.
const maxQueue = 128

// Push adds a request. If there are too many, the oldest one is dropped; its answer will have none.
func (q *Queue) Push(x Exchange) {
	switch {
	case q.n < len(q.ring):
	case q.n < maxQueue:
		ring := make([]Exchange, max(2*q.n, 4))
		k := copy(ring, q.ring[q.head:])
		copy(ring[k:], q.ring[:q.head])
		q.ring, q.head = ring, 0
	default:
		q.head = (q.head + 1) & (len(q.ring) - 1)
		q.n--
		q.lost++
	}
	q.ring[(q.head+q.n)&(len(q.ring)-1)] = x
	q.n++
}

// First returns the oldest request; nil if there is none, or it was dropped.
func (q *Queue) First() *Exchange {
	if q.n == 0 || q.lost > 0 {
		return nil
	}
	return &q.ring[q.head]
}

// Last returns the newest request; nil if there is none.
func (q *Queue) Last() *Exchange {
	if q.n == 0 {
		return nil
	}
	return &q.ring[(q.head+q.n-1)&(len(q.ring)-1)]
}

// Pop removes the oldest request. Without one, or if it was dropped, the result is unknown.
func (q *Queue) Pop() (x Exchange) {
	switch {
	case q.lost > 0:
		q.lost--
	case q.n > 0:
		x = q.ring[q.head]
		q.ring[q.head] = Exchange{}
		q.head = (q.head + 1) & (len(q.ring) - 1)
		q.n--
	}
	return x
}

// Clear removes all requests.
func (q *Queue) Clear() {
	clear(q.ring)
	q.head, q.n, q.lost = 0, 0, 0
}

// Len returns the number of requests.
func (q *Queue) Len() int { return q.n + q.lost }

// Held is the memory of a queue.
func (q *Queue) Held() int { return len(q.ring) * exchangeSize }

const exchangeSize = 152

// Numbered has the requests of a protocol that gives each a number. The zero value is empty.
type Numbered struct {
	list []numbered
}

type numbered struct {
	key uint64
	x   Exchange
}

// Put adds a request under a number. One that is there already with that number is replaced.
func (n *Numbered) Put(key uint64, x Exchange) {
	for i := range n.list {
		if n.list[i].key == key {
			n.list[i].x = x
			return
		}
	}
	if len(n.list) >= maxQueue {
		n.list = n.list[:copy(n.list, n.list[1:])] // the oldest, which had no answer
	}
	n.list = append(n.list, numbered{key, x})
}

// Get returns the request with a number; nil if there is none.
func (n *Numbered) Get(key uint64) *Exchange {
	for i := range n.list {
		if n.list[i].key == key {
			return &n.list[i].x
		}
	}
	return nil
}

// Take removes the request with a number. Without one, the result is unknown.
func (n *Numbered) Take(key uint64) (x Exchange) {
	for i := range n.list {
		if n.list[i].key == key {
			x = n.list[i].x
			n.list = append(n.list[:i], n.list[i+1:]...)
			return x
		}
	}
	return x
}

// Len returns the number of requests.
func (n *Numbered) Len() int { return len(n.list) }

// Held is the memory of the requests.
func (n *Numbered) Held() int { return cap(n.list) * (exchangeSize + 8) }
