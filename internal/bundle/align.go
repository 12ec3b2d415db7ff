package bundle

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/pidwire/pidwire/internal/event"
)

// aligner finds what belongs together.
type aligner struct {
	ends  map[netip.AddrPort]*queue // connections of packets by either end
	old   map[netip.AddrPort]*queue
	young int // connections in ends
	hosts *hosts
	open  []*conn // TCP connections of packets that have no calls yet, the newest last

	epoch          uint32
	added          int     // packets in it
	lately, before []*conn // that had some in it, and in the one before
}

// queue is connections that have no calls yet, in the order in which they began.
type queue struct{ list []*conn }

const (
	maxIndexed  = 1 << 16 // connections in ends, and as many in old
	maxQueue    = 1 << 12
	maxOpen     = 64
	maxSegments = 4096
	maxAdded    = 1 << 19
	maxSizes    = 256
	// patience is how long after a call its first packet may come.
	patience = 3_000_000_000
)

func (a *aligner) init(names *hosts) { a.ends, a.hosts = map[netip.AddrPort]*queue{}, names }

// index remembers a connection by one of its ends.
func (a *aligner) index(end netip.AddrPort, c *conn) {
	if a.young >= maxIndexed {
		a.old, a.ends, a.young = a.ends, map[netip.AddrPort]*queue{}, 0
	}
	a.young++
	q := a.find(end)
	if q == nil {
		q = new(queue)
		a.ends[end] = q
	}
	if len(q.list) >= maxQueue {
		q.list = append(q.list[:0], q.list[maxQueue/2:]...)
	}
	q.list = append(q.list, c)
}

// find returns the connections of an end that have no calls yet, nil if none
// was ever seen.
func (a *aligner) find(end netip.AddrPort) *queue {
	q := a.ends[end]
	if q == nil {
		if q = a.old[end]; q == nil {
			return nil
		}
		a.ends[end] = q
		a.young += len(q.list)
	}
	for len(q.list) > 0 && q.list[0].pair != nil {
		q.list = q.list[1:]
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

// add remembers a packet of a connection. Those of connections that have not had
// one for as many as maxAdded of others are forgotten.
func (a *aligner) add(c *conn, dir int, s segment) {
	if a.added++; a.added > maxAdded {
		for _, k := range a.before {
			if k.epoch < a.epoch {
				k.data = [2][]segment{}
			}
		}
		a.before, a.lately, a.added = a.lately, nil, 0
		a.epoch++
	}
	if c.epoch != a.epoch || c.data[0] == nil && c.data[1] == nil {
		c.epoch = a.epoch
		a.lately = append(a.lately, c)
	}
	list := c.data[dir]
	if len(list) >= maxSegments {
		list = append(list[:0], list[len(list)/2:]...)
	}
	c.data[dir] = append(list, s)
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
