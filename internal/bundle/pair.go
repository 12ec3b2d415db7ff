package bundle

import (
	"net/netip"
	"slices"

	"github.com/pidwire/pidwire/internal/event"
)

// pair gives the connection of a call its packets.
func (a *aligner) pair(it *item) {
	c := it.conn
	if c == nil || c.packets || it.paired || it.kind != call && it.kind != record || it.mate != nil && it.kind == record {
		return
	}
	it.paired = true
	c.update()
	peer := c.peer
	if it.addr.IsValid() && !it.role.Has(event.Binds|event.AsksLocal) {
		peer = it.addr
	}
	if c.pair != nil && !(it.addr.IsValid() && c.proto == event.ProtoUDP) {
		return
	}
	connects := it.role.Has(event.Connects)
	switch {
	case connects:
		c.connected = true
	case c.whole && c.proto == event.ProtoTCP && !c.connected:
		return // the peer is that of a call that follows
	}
	if it.size > 0 && !peer.IsValid() {
		a.bySizes(c)
		return
	}
	if !peer.IsValid() {
		return
	}
	is := func(end netip.AddrPort) bool { return plain(end) == plain(peer) }
	q := a.find(plain(peer))
	best := a.first(q, it, is)
	if best == nil && (connects || c.connected) {
		// The file may have a name for the peer, of which nobody knows the address.
		is = func(end netip.AddrPort) bool { return end.Port() == peer.Port() && a.hosts.made(end.Addr()) }
		q = a.find(named(peer.Port()))
		best = a.first(q, it, is)
	}
	if best != nil && connects && best.syn && len(c.sizes) > 0 {
		best = a.likeliest(q, c, best, is)
	}
	if best == nil {
		return
	}
	join(c, best, is(best.local))
	if a.hosts.made(c.peer.Addr()) && plain(peer) != plain(c.peer) {
		best.made, best.real = c.peer.Addr().Unmap(), peer.Addr().Unmap()
		c.peer = peer
		if c.local.Addr().Unmap() == best.made { // the host speaks to itself
			c.local = netip.AddrPortFrom(best.real, c.local.Port())
		}
	}
}

// first returns the first of the connections of a queue that a call may be of,
// one end of which is the call's peer.
func (a *aligner) first(q *queue, it *item, is func(netip.AddrPort) bool) (best *conn) {
	if q == nil {
		return nil
	}
	c := it.conn
	for _, k := range q.list {
		if best != nil && best.syn && (k.first > best.first || k.first > it.hi+patience && it.hi < whenever) {
			break
		}
		other := k.local
		switch {
		case is(k.local):
			other = k.peer
		case !is(k.peer):
			continue
		}
		switch {
		case k.pair != nil, c.proto != 0 && k.proto != c.proto:
			continue
		case c.local.IsValid() && c.local.Port() != 0 && (c.local.Port() != other.Port() ||
			!c.local.Addr().IsUnspecified() && plain(c.local) != plain(other) && !a.hosts.made(other.Addr())):
			continue
		case it.role.Has(event.Connects) && (k.first < it.lo-latency || k.first > it.hi+patience && k.syn && it.hi < whenever):
			continue
		case !it.role.Has(event.Connects) && c.whole && k.syn && k.first < c.first-latency:
			continue // of one before
		}
		if best == nil || k.syn && !best.syn || k.syn == best.syn && k.first < best.first {
			best = k
		}
	}
	return best
}

// likeliest looks among the connections that began just after the first that may
// be that of a call: several processes may have connected to one port at a time,
// and the sizes of what went over them tell them apart.
func (a *aligner) likeliest(q *queue, c, first *conn, is func(netip.AddrPort) bool) *conn {
	const most, near = 8, 100_000_000
	best, top, n := first, -1, 0
	for _, k := range q.list {
		if k.pair != nil || !k.syn || k.first < first.first || c.proto != 0 && k.proto != c.proto {
			continue
		}
		if n++; n > most || k.first > first.first+near {
			break
		}
		if _, same := c.common(k, is(k.local)); same > top {
			best, top = k, same
		}
	}
	return best
}

// join makes a connection of calls and one of packets the same.
func join(c, k *conn, flip bool) {
	k.pair, k.flip = c, flip
	if c.pair == nil {
		c.pair = k
	}
	c.sizes = nil
	c.local, c.peer = k.local, k.peer
	if flip {
		c.local, c.peer = k.peer, k.local
	}
	if k.pid == 0 {
		k.pid = c.pid
	}
	// Of a connection whose beginning both have, positions are known.
	if c.whole && k.syn && k.proto == event.ProtoTCP {
		c.synced = [2]bool{true, true}
	}
}

// bySizes looks for the packets of a connection whose peer no call told, by the
// sizes of what went over it: it takes three of them in order, two of which are
// different, and no other connection that has as many.
func (a *aligner) bySizes(c *conn) {
	const least = 3
	// Again when there is a third more.
	if n := len(c.sizes); n < least || n > 4 && n < c.tried+c.tried/3 {
		return
	}
	c.tried = len(c.sizes)
	var best *conn
	top, second, flip := 0, 0, false
	unpaired := 0
	for _, k := range a.open {
		if k.pair == nil {
			unpaired++
		}
	}
	if unpaired > maxOpen {
		return // too many to tell
	}
	for _, k := range a.open {
		if k.pair != nil {
			continue
		}
		for _, way := range []bool{false, true} {
			n, _ := c.common(k, way)
			switch {
			case n > top:
				best, flip, top, second = k, way, n, top
			case n > second:
				second = n
			}
		}
	}
	if top >= least && top > second && 2*top > len(c.sizes) {
		join(c, best, flip)
	}
}

// common counts the sizes that a connection of calls and one of packets have in
// common, in order; 0 if they are all alike. Weight is what that is worth: a few
// bytes are read and sent by everybody.
func (c *conn) common(k *conn, flip bool) (n, weight int) {
	const most = 100
	type sized struct {
		n  int32
		at int64
	}
	var list []sized
	for dir := range 2 {
		for _, s := range k.data[dir] {
			size := int32(s.to - s.from)
			if (dir == 1) != flip {
				size = -size
			}
			list = append(list, sized{size, s.at})
		}
	}
	slices.SortFunc(list, func(a, b sized) int { return int(max(-1, min(1, a.at-b.at))) })
	if len(list) > 2*maxSizes { // the packets may have begun earlier
		list = list[:2*maxSizes]
	}
	first, different := int32(0), false
	match(len(c.sizes), len(list), func(i, j int) bool { return c.sizes[i] == list[j].n }, func(i, _ int) {
		if n++; n == 1 {
			first = c.sizes[i]
		}
		weight += min(int(max(c.sizes[i], -c.sizes[i])), most)
		different = different || c.sizes[i] != first
	})
	if !different {
		return 0, weight
	}
	return n, weight
}
