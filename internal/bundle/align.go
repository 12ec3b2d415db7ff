package bundle

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/wire"
)

// aligner finds what belongs together.
type aligner struct {
	ends  map[netip.AddrPort]*queue // connections of packets by either end
	old   map[netip.AddrPort]*queue
	hosts *hosts
	open  []*conn // TCP connections of packets that have no calls yet, the newest last
}

// queue is connections that have no calls yet, in the order in which they began.
type queue struct{ list []*conn }

const (
	maxEnds     = 1 << 16
	maxQueue    = 1 << 14
	maxOpen     = 64
	maxSegments = 4096
	maxSizes    = 256
	// patience is how long after a call its first packet may come.
	patience = 3_000_000_000
)

func (a *aligner) init(names *hosts) { a.ends, a.hosts = map[netip.AddrPort]*queue{}, names }

// index remembers a connection by one of its ends.
func (a *aligner) index(end netip.AddrPort, c *conn) {
	q := a.find(end)
	if q == nil {
		if len(a.ends) >= maxEnds {
			a.old, a.ends = a.ends, map[netip.AddrPort]*queue{}
		}
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
			c.add(dir, segment{c.base[dir], c.base[dir] + it.size, it.lo})
			c.base[dir] += it.size
		}
		return
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
		c.add(dir, segment{from, from + it.size, it.lo})
	}
}

func (c *conn) add(dir int, s segment) {
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

// records gives audit records their calls.
func (b *Bundle) records(limit int64) {
	for _, r := range b.files {
		byPID := map[uint32][]*item{}
		for _, it := range r.held {
			if it.kind == record && it.mate == nil && !it.placed {
				byPID[it.pid] = append(byPID[it.pid], it)
			}
		}
		for pid, rs := range byPID {
			for _, f := range b.files {
				if f == r {
					continue
				}
				b.recordsOf(rs, f, pid, limit)
			}
		}
	}
}

func (b *Bundle) recordsOf(rs []*item, f *file, pid uint32, limit int64) {
	var cs []*item
	for _, it := range f.held {
		if it.kind == call && !it.step && it.mate == nil && it.done && (it.pid == pid || it.pid == 0) {
			cs = append(cs, it)
		}
	}
	cs, rs = common(cs, rs)
	match(len(cs), len(rs), func(i, j int) bool { return same(cs[i], rs[j]) }, func(i, j int) {
		c, r := cs[i], rs[j]
		if c.due >= limit && c.hi < whenever || r.mate != nil {
			return // when more of it has been seen
		}
		c.mate, r.mate = r, c
		// The finer clock is believed.
		lo, hi := max(c.lo, r.lo), min(c.hi, r.hi)
		switch {
		case lo <= hi:
		case c.hi-c.lo <= r.hi-r.lo:
			lo, hi = c.lo, c.hi
		default:
			lo, hi = r.lo, r.hi
		}
		c.lo, c.hi, r.lo, r.hi = lo, hi, lo, hi
		if c.comm == "" {
			c.comm = r.comm
		}
	})
}

// common leaves out what only one side has: calls that audit's rules leave out,
// above all.
func common(cs, rs []*item) ([]*item, []*item) {
	type key struct {
		name string
		ret  int64
	}
	const inCalls, inRecords = 1, 2
	has := map[key]uint8{}
	for _, c := range cs {
		has[key{c.name, c.ret}] |= inCalls
	}
	for _, r := range rs {
		has[key{r.name, r.ret}] |= inRecords
	}
	keep := func(list []*item) (both []*item) {
		for _, it := range list {
			if has[key{it.name, it.ret}] == inCalls|inRecords {
				both = append(both, it)
			}
		}
		return both
	}
	return keep(cs), keep(rs)
}

// same reports whether a call may be that of an audit record.
func same(c, r *item) bool {
	if c.name != r.name || c.ret != r.ret || c.lo > r.hi+latency || r.lo > c.hi+latency {
		return false
	}
	return !c.addr.IsValid() || !r.addr.IsValid() || plain(c.addr) == plain(r.addr)
}

// pair gives the connection of a call its packets.
func (a *aligner) pair(it *item) {
	c := it.conn
	if c == nil || c.packets || it.paired || it.kind != call && it.kind != record || it.mate != nil && it.kind == record {
		return
	}
	it.paired = true
	peer := c.peer
	if it.addr.IsValid() && it.name != "bind" && it.name != "getsockname" {
		peer = it.addr
	}
	if c.pair != nil && !(it.addr.IsValid() && c.proto == event.ProtoUDP) {
		return
	}
	connects := it.name == "connect"
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
	if best == nil && connects {
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
		case it.name == "connect" && (k.first < it.lo-latency || k.first > it.hi+patience && k.syn && it.hi < whenever):
			continue
		case it.name != "connect" && c.whole && k.syn && k.first < c.first-latency:
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
	if len(list) > maxSizes {
		list = list[:maxSizes]
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

// place says where the items of a file stand that are before limit.
func (b *Bundle) place(f *file, limit int64) {
	// Forward: of one process, nothing is before what stood before it.
	after := map[uint32]int64{}
	var list []*item
	for _, it := range f.held {
		switch {
		case it.placed:
			after[it.pid] = max(after[it.pid], it.lo)
			if it.ordered() {
				after[wholeFile] = max(after[wholeFile], it.lo)
			}
			continue
		case it.kind == gap:
			f.gap()
			it.placed = true
			continue
		case it.rides():
			it.placed = true // it goes with its call
			continue
		case it.kind == packet || it.kind == other:
			it.placed = it.due < limit
			continue
		}
		if it.coarse() {
			it.after(after[it.pid])
			if it.ordered() {
				it.after(after[wholeFile])
			}
		}
		if it.due < limit {
			it.bound()
		}
		after[it.pid] = max(after[it.pid], it.lo)
		if it.ordered() {
			after[wholeFile] = max(after[wholeFile], it.lo)
		}
		list = append(list, it)
	}
	// Backward: and nothing behind what stands behind it.
	before, next := map[uint32]int64{}, map[uint32]int64{}
	for _, it := range slices.Backward(list) {
		if at, ok := next[it.pid]; ok {
			it.next = at
		}
		next[it.pid] = it.lo
		if it.coarse() {
			it.before(before, it.pid)
			if it.ordered() {
				it.before(before, wholeFile)
			}
		}
		before[it.pid] = it.hi
		if it.ordered() {
			before[wholeFile] = it.hi
		}
	}
	clear(after)
	for _, it := range list {
		if it.due < limit {
			it.settle(after)
		}
	}
}

// wholeFile stands for all processes of a file.
const wholeFile = 1<<32 - 1

// ordered reports whether an item stands in its file where it began, also among
// those of other processes: what a tool prints as it comes.
func (it *item) ordered() bool { return it.rec.Kind() == wire.KindText && !it.halves }

// after says that an item was not before that.
func (it *item) after(at int64) {
	if at > it.lo && at <= it.hi {
		it.lo = at
	}
}

// before says that it was not behind that of the process whose it is, if there
// is one.
func (it *item) before(before map[uint32]int64, pid uint32) {
	if next, ok := before[pid]; ok && next < it.hi && next >= it.lo {
		it.hi = next
	}
}

// coarse reports whether a call's time is open enough to be looked for.
func (it *item) coarse() bool { return it.hi-it.lo >= 1000 }

// settle puts a call where the evidence wants it, behind those before it.
func (it *item) settle(after map[uint32]int64) {
	it.placed = true
	if !it.coarse() {
		it.shown = it.lo
		switch {
		case it.file.h.Kernel != "":
			// A recording of ours knows its order.
		case it.sends():
			it.at = it.lo
		case it.wish > it.next:
			// It had returned by then: the packet is another's.
			it.at = it.lo + it.dur
			it.conn.synced = [2]bool{}
		default:
			it.at = max(it.lo+it.dur, it.wish)
		}
		after[it.pid] = it.lo
		return
	}
	t := it.lo
	// A clock of milliseconds knows better than that it was before a packet.
	if it.wish >= it.lo && it.wish <= it.hi && (!it.sends() || it.mate == nil && it.slack > auditSlack) {
		t = it.wish
	}
	last := after[it.pid]
	if it.ordered() {
		last = max(last, after[wholeFile])
	}
	if last > t && last <= it.hi {
		t = last
	}
	after[it.pid] = t
	if it.ordered() {
		after[wholeFile] = t
	}
	it.at, it.shown = t, t
}

// bound takes from the packets of a call when that can have been, and goes on
// in the stream. It is called once for each call, in order.
func (it *item) bound() {
	c := it.conn
	if c == nil || c.packets {
		return
	}
	if k := c.pair; it.name == "connect" && k != nil && k.syn {
		it.wanted(k.first, true)
		return
	}
	if k := c.pair; k != nil && (it.name == "close" || it.name == "shutdown") {
		fin := k.fin[0]
		if k.flip {
			fin = k.fin[1]
		}
		if fin >= it.lo && fin <= it.hi {
			it.wanted(fin, true)
		}
		return
	}
	if it.size == 0 {
		return
	}
	dir := 0
	if it.in {
		dir = 1
	}
	from := c.pos[dir]
	c.pos[dir] += it.size
	k := c.pair
	if k == nil {
		return
	}
	list := k.data[dir]
	if k.flip {
		list = k.data[1-dir]
	}
	if c.synced[dir] {
		at := from // the first byte that leaves, the last that comes
		if it.in {
			at += it.size - 1
		}
		for i := range list {
			if s := &list[i]; at-s.from < s.to-s.from {
				if !it.in && s.at >= it.lo-latency || it.in && s.at <= it.hi+latency || it.in && !it.coarse() {
					it.wanted(s.at, !it.in)
					c.used[dir] = s.at
					return
				}
				c.synced[dir] = false // that is not where it is
				break
			}
		}
		if c.synced[dir] {
			return
		}
	}
	// By its size, behind the last that was found.
	for i := range list {
		s := &list[i]
		if s.to-s.from != it.size || s.at <= c.used[dir] || s.at < it.lo-latency && !it.in || s.at < it.lo-patience || s.at > it.hi+latency {
			continue
		}
		it.wanted(s.at, !it.in)
		c.used[dir] = s.at
		if k.proto == event.ProtoTCP {
			c.pos[dir], c.synced[dir] = s.to, true
		}
		return
	}
}

// wanted says that a call was before the packet at that time, or else behind it.
func (it *item) wanted(at int64, before bool) {
	it.wish = at
	switch {
	case !it.coarse():
	case before && at >= it.lo && at < it.hi:
		it.hi = at
	case !before && at > it.lo && at <= it.hi:
		it.lo = at
	}
}

// gap says that of the file's connections not all is known any more.
func (f *file) gap() {
	for _, list := range []map[uint32]*conn{f.conns, f.old} {
		for _, c := range list {
			c.whole, c.synced = false, [2]bool{}
		}
	}
}
