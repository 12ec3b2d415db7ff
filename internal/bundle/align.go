package bundle

import (
	"cmp"
	"net/netip"
	"slices"
	"unsafe"

	"github.com/pidwire/pidwire/internal/bounded"
	"github.com/pidwire/pidwire/internal/event"
)

// aligner finds the packets that belong to the connections of calls.
type aligner struct {
	ends  bounded.Index[netip.AddrPort, *queue] // connections of packets by either end
	hosts *hosts
	open  []*conn // TCP connections of packets without calls, the newest last

	kept     []*conn // connections that have segments
	segments int     // number of all segments, plus connSegments for each of kept
}

// queue holds connections without calls, in the order of their first packet.
type queue struct{ list []*conn }

// queued is the memory of a connection in a queue, in bytes. It includes half of the
// connection, which is in two queues, because the table of its file may have evicted it.
const queued = 8 + connSize/2

func (q *queue) bytes() int { return int(unsafe.Sizeof(*q)) + len(q.list)*queued }

const (
	maxEnds     = 1 << 16
	maxQueue    = 1 << 12
	maxOpen     = 64
	maxSegments = 1 << 12 // of one connection in one direction
	allSegments = 1 << 16
	// connSegments is the memory of a connection in kept, in segments.
	connSegments = connSize / int(unsafe.Sizeof(segment{}))
	maxSizes     = 128
	// patience is the maximum time from a call to its first packet, in ns.
	patience = 3_000_000_000
)

func (a *aligner) init(names *hosts, tables *bounded.Room) {
	a.hosts = names
	a.ends.In(tables, maxEnds, (*queue).bytes)
}

// index adds a connection to the queue of one of its ends.
func (a *aligner) index(end netip.AddrPort, c *conn) {
	q := a.find(end)
	if q == nil {
		q = new(queue)
		a.ends.Put(end, q)
	}
	if len(q.list) >= maxQueue {
		q.list = append(q.list[:0], q.list[maxQueue/2:]...)
		a.ends.Grew(-maxQueue / 2 * queued)
	}
	q.list = append(q.list, c)
	a.ends.Grew(queued)
}

// find returns the queue of an end, without the connections at its front that have calls
// by now; nil if there is none.
func (a *aligner) find(end netip.AddrPort) *queue {
	q, known := a.ends.Get(end)
	if !known {
		return nil
	}
	for len(q.list) > 0 && q.list[0].pair != nil {
		q.list[0] = nil
		q.list = q.list[1:]
		a.ends.Grew(-queued)
	}
	return q
}

// named returns the key for connections with an end whose host name is known instead of
// its address.
func named(port uint16) netip.AddrPort { return netip.AddrPortFrom(netip.Addr{}, port) }

// opened adds a connection to those that bySizes searches.
func (a *aligner) opened(c *conn) {
	if len(a.open) > 4*maxOpen {
		keep := a.open[:0]
		for _, k := range a.open {
			if k.pair == nil {
				keep = append(keep, k)
			}
		}
		if len(keep) > 3*maxOpen {
			keep = append(keep[:0], keep[len(keep)-2*maxOpen:]...)
		}
		a.open = keep
	}
	a.open = append(a.open, c)
}

// arrived handles an item that has entered the window.
func (a *aligner) arrived(it *item) {
	c := it.conn
	if it.kind != packet || c == nil {
		return
	}
	if !c.indexed {
		c.indexed = true
		if it.proto == event.ProtoTCP {
			a.opened(c)
		}
		a.index(plain(c.local), c)
		if c.peer != c.local {
			a.index(plain(c.peer), c)
		}
		for _, end := range [...]netip.AddrPort{c.local, c.peer} {
			if a.hosts.made(end.Addr()) {
				a.index(named(end.Port()), c)
			}
		}
	}
	dir := 0
	if plain(it.src) != plain(c.local) {
		dir = 1
	}
	if it.proto != event.ProtoTCP {
		if it.size > 0 {
			a.add(c, dir, segment{c.base[dir], c.base[dir] + it.size, it.lo})
			c.base[dir] += it.size
		}
		return
	}
	if c.syn && c.handshook == 0 && dir == 0 && it.flags&(event.TCPSyn|event.TCPAck) == event.TCPAck {
		c.handshook = it.lo
	}
	switch {
	case it.flags&event.TCPSyn != 0:
		c.base[dir], c.based[dir], c.syn = it.seq+1, true, true
		return
	case !c.based[dir]:
		c.base[dir], c.based[dir] = it.seq, true
	}
	if it.flags&event.TCPFin != 0 && c.fin[dir] == 0 {
		c.fin[dir] = it.lo
	}
	if it.size > 0 {
		from := it.seq - c.base[dir]
		if list := c.data[dir]; len(list) > 0 && int32(from-list[len(list)-1].to) < 0 {
			return // a retransmit
		}
		a.add(c, dir, segment{from, from + it.size, it.lo})
	}
}

// add stores a segment of a connection.
func (a *aligner) add(c *conn, dir int, s segment) {
	if a.segments+1+connSegments > allSegments {
		a.forget()
	}
	if !c.kept {
		c.kept = true
		a.kept = append(a.kept, c)
		a.segments += connSegments
	}
	if len(c.data[dir]) >= maxSegments {
		a.cut(c, dir, maxSegments/2)
	}
	c.data[dir] = append(c.data[dir], s)
	a.segments++
}

// cut drops all but the last n segments of a connection in one direction.
func (a *aligner) cut(c *conn, dir, n int) {
	list := c.data[dir]
	if len(list) <= n {
		return
	}
	a.segments -= len(list) - n
	c.data[dir] = append([]segment(nil), list[len(list)-n:]...)
}

// forget frees at least a quarter of the room. It keeps the last n segments of each
// connection, with the largest n that suffices; if even one is too much, it drops the half of
// the connections that have been idle for longest.
func (a *aligner) forget() {
	const most = allSegments * 3 / 4
	for n := maxSegments / 2; n > 0 && a.segments > most; n /= 2 {
		for _, c := range a.kept {
			a.cut(c, 0, n)
			a.cut(c, 1, n)
		}
	}
	if a.segments <= most {
		return
	}
	slices.SortStableFunc(a.kept, func(x, y *conn) int { return cmp.Compare(x.latest(), y.latest()) })
	half := len(a.kept) / 2
	for _, c := range a.kept[:half] {
		a.cut(c, 0, 0)
		a.cut(c, 1, 0)
		c.kept = false
		a.segments -= connSegments
	}
	a.kept = slices.Clone(a.kept[half:])
}

// latest returns the time of the last segment.
func (c *conn) latest() (at int64) {
	for _, list := range c.data {
		if len(list) > 0 {
			at = max(at, list[len(list)-1].at)
		}
	}
	return at
}

// plain returns an address with IPv4-mapped IPv6 addresses converted to IPv4.
func plain(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// align joins the items before limit: records, kernel steps and packets with their calls.
func (b *Bundle) align(limit int64) {
	b.records(limit)
	b.steps(limit)
	for _, f := range b.files {
		var list []*item
		for _, it := range f.held {
			if !it.placed && !it.paired && (it.due < limit || it.hi == whenever) && it.conn != nil {
				list = append(list, it)
			}
		}
		// In the order in which the calls started.
		slices.SortStableFunc(list, func(x, y *item) int {
			if x.began == 0 || y.began == 0 {
				return 0
			}
			return cmp.Compare(x.began, y.began)
		})
		for _, it := range list {
			b.at.pair(it)
		}
	}
	for _, f := range b.files {
		b.place(f, limit)
	}
}
