package bundle

import (
	"net/netip"
	"slices"

	"github.com/pidwire/pidwire/internal/event"
)

// pair finds the packets of a call's connection.
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
		return // the peer comes with a later call
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
		// The file of packets may have a host name in place of the peer's address.
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
		if c.local.Addr().Unmap() == best.made { // both ends are this host
			c.local = netip.AddrPortFrom(best.real, c.local.Port())
		}
	}
}

// first returns the first connection in a queue that can be that of a call; is reports
// whether an address is the call's peer.
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
			continue // it is older than the connection of the call
		}
		if best == nil || k.syn && !best.syn || k.syn == best.syn && k.first < best.first {
			best = k
		}
	}
	return best
}

// likeliest chooses among the connections that started within 100 ms after first, by the
// sizes of their data: several processes may have connected to the same port at the same
// time.
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

// join links a connection of calls and one of packets.
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
	// Both files have the start of the connection: positions in the stream are known.
	if c.whole && k.syn && k.proto == event.ProtoTCP {
		c.synced = [2]bool{true, true}
	}
}

// bySizes finds the packets of a connection with an unknown peer by the sizes of its data.
// A match needs three sizes in order that are not all equal, and more than any other
// connection has.
func (a *aligner) bySizes(c *conn) {
	const least = 3
	// Try again only when there are a third more sizes.
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
		return // too many to be certain
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

// common returns the number of sizes that a connection of calls and one of packets have in
// common, in order; 0 if all of them are equal. weight is their sum, each up to 100 bytes:
// small messages are too frequent to be evidence.
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
	if len(list) > 2*maxSizes { // twice as many, as the packets may start earlier
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
