package bundle

import (
	"slices"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/wire"
)

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
			f.gaps++
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
			it.accepted()
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

// coarse reports whether a call's time is open enough to be looked for: clocks of
// microseconds are believed.
func (it *item) coarse() bool { return it.hi-it.lo >= 50_000 }

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

// accepted takes from the handshake of what a call accepted when it has returned.
func (it *item) accepted() {
	if it.child == 0 || !it.role.Has(event.Accepts) {
		return
	}
	c, _ := it.file.conns.Get(it.child)
	if c != nil && c.pair != nil && c.pair.syn && c.pair.handshook != 0 {
		it.wanted(c.pair.handshook, false)
	}
}

// bound takes from the packets of a call when that can have been, and goes on
// in the stream. It is called once for each call, in order.
func (it *item) bound() {
	c := it.conn
	if c == nil || c.packets {
		return
	}
	c.update()
	if k := c.pair; it.role.Has(event.Connects) && k != nil && k.syn {
		it.wanted(k.first, true)
		return
	}
	if k := c.pair; k != nil && it.role.Has(event.Closes|event.ShutsDown) {
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
