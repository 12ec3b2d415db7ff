package bundle

import (
	"cmp"
	"net/netip"
	"slices"
	"unsafe"

	"github.com/pidwire/pidwire/internal/bounded"
	"github.com/pidwire/pidwire/internal/event"
)

// aligner finds what belongs together.
type aligner struct {
	ends  bounded.Index[netip.AddrPort, *queue] // connections of packets by either end
	hosts *hosts
	open  []*conn // TCP connections of packets that have no calls yet, the newest last

	kept     []*conn // of which there are segments, the oldest first
	segments int     // of all, with connSegments for each connection
}

// queue is connections that have no calls yet, in the order in which they began.
type queue struct{ list []*conn }

// queued is what a connection takes in memory in each of two queues: the file's own
// table may have forgotten it.
const queued = 8 + connSize/2

func (q *queue) bytes() int { return int(unsafe.Sizeof(*q)) + len(q.list)*queued }

const (
	maxEnds     = 1 << 16
	maxQueue    = 1 << 12
	maxOpen     = 64
	maxSegments = 1 << 12 // of a connection in one direction
	allSegments = 1 << 16
	// connSegments is what a connection takes that is remembered for its segments.
	connSegments = connSize / int(unsafe.Sizeof(segment{}))
	maxSizes     = 128
	// patience is how long after a call its first packet may come.
	patience = 3_000_000_000
)

func (a *aligner) init(names *hosts, tables *bounded.Room) {
	a.hosts = names
	a.ends.In(tables, maxEnds, (*queue).bytes)
}

// index remembers a connection by one of its ends.
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

// find returns the connections of an end that have no calls yet, nil if none
// was ever seen.
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

// named is where connections are found of which an end's name is known, and its
// port.
func named(port uint16) netip.AddrPort { return netip.AddrPortFrom(netip.Addr{}, port) }

// opened remembers a connection that may be found by its sizes.
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

// arrived takes an item in when it comes into the window.
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
			return // again
		}
		a.add(c, dir, segment{from, from + it.size, it.lo})
	}
}

// add remembers a packet of a connection.
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

// cut forgets all but the last n packets of a connection in one direction.
func (a *aligner) cut(c *conn, dir, n int) {
	list := c.data[dir]
	if len(list) <= n {
		return
	}
	a.segments -= len(list) - n
	c.data[dir] = append([]segment(nil), list[len(list)-n:]...)
}

// forget makes a quarter of the room free at least: of all connections the last few
// packets stay, as many of each; if there are too many for that, the half goes that
// has had none for longest.
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

// latest is the time of the last packet that is remembered.
func (c *conn) latest() (at int64) {
	for _, list := range c.data {
		if len(list) > 0 {
			at = max(at, list[len(list)-1].at)
		}
	}
	return at
}

// plain gives an address of IPv4 one form.
func plain(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// align finds what belongs to the items before limit.
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
		// In the order in which they began.
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
