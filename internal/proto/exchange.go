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
	x := Exchange{ID: m.Exchange, Group: strings.Clone(m.Group), began: m.Begin, sent: m.End, slack: c.stage.unit.slack, set: true}
	if m.Dir == event.DirIn {
		x.dir = In
	}
	return x
}

// Sent notes the last byte of a request whose end was not known when it was opened.
func (x *Exchange) Sent(at int64) { x.sent = at }

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
	if m.Took = m.End - x.began; m.Took < 0 {
		m.Took = 0
	}
	m.Slack = max(x.slack, c.stage.until.slack)
	c.stage.divide(c, x, m)
}

// Queue has the requests of a protocol that answers in the order of requests. The zero Queue is
// empty.
type Queue struct {
	list []Exchange
	over bool // requests were dropped: the first answers have lost theirs
}

// maxQueue bounds the requests that wait for their answer, by connection.
const maxQueue = 128

// Push adds a request.
func (q *Queue) Push(x Exchange) {
	if len(q.list) >= maxQueue {
		q.list, q.over = q.list[:0], true
	}
	q.list = append(q.list, x)
}

// First returns the oldest request; nil if there is none.
func (q *Queue) First() *Exchange {
	if len(q.list) == 0 {
		return nil
	}
	return &q.list[0]
}

// Last returns the newest request; nil if there is none.
func (q *Queue) Last() *Exchange {
	if len(q.list) == 0 {
		return nil
	}
	return &q.list[len(q.list)-1]
}

// Pop removes the oldest request. Without one, the result is unknown.
func (q *Queue) Pop() (x Exchange) {
	if len(q.list) > 0 {
		x = q.list[0]
		q.list = q.list[:copy(q.list, q.list[1:])]
	}
	return x
}

// Clear removes all requests.
func (q *Queue) Clear() { q.list = q.list[:0] }

// Len returns the number of requests.
func (q *Queue) Len() int { return len(q.list) }

// Held is the memory of a queue.
func (q *Queue) Held() int { return cap(q.list) * exchangeSize }

const exchangeSize = 104

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
