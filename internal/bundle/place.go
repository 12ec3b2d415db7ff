package bundle

import (
	"slices"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/wire"
)

// place sets the position of a file's items before limit.
func (b *Bundle) place(f *file, limit int64) {
	// Forward: an item is not earlier than the previous one of its process.
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
			it.placed = true // it is emitted with its call
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
	// Backward: an item is not later than the next one of its process.
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

// wholeFile is the key for all processes of a file.
const wholeFile = 1<<32 - 1

// ordered reports whether the file has its items in the order of their start, across
// processes, as a tool prints them.
func (it *item) ordered() bool { return it.rec.Kind() == wire.KindText && !it.halves }

// after raises the lower bound of an item's time, unless it contradicts the upper one.
func (it *item) after(at int64) {
	if at > it.lo && at <= it.hi {
		it.lo = at
	}
}

// before lowers the upper bound of an item's time to that of the next item of the process,
// if there is one.
func (it *item) before(before map[uint32]int64, pid uint32) {
	if next, ok := before[pid]; ok && next < it.hi && next >= it.lo {
		it.hi = next
	}
}

// coarse reports whether the time of a call is so uncertain that it is worth improving.
// Clocks with microseconds are taken as they are.
func (it *item) coarse() bool { return it.hi-it.lo >= 50_000 }

// settle sets the time and position of a call by its evidence, after the calls before it.
func (it *item) settle(after map[uint32]int64) {
	it.placed = true
	if !it.coarse() {
		it.shown = it.lo
		switch {
		case it.file.h.Kernel != "":
			// A recording is in order already.
		case it.sends():
			it.at = it.lo
		case it.wish > it.next:
			// The call had returned before the packet: it is that of another call.
			it.at = it.lo + it.dur
			it.conn.synced = [2]bool{}
		default:
			it.at = max(it.lo+it.dur, it.wish)
		}
		after[it.pid] = it.lo
		return
	}
	t := it.lo
	// A clock with milliseconds is better evidence than a packet that must be later.
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

// accepted bounds the return of a call that accepts by the end of the handshake.
func (it *item) accepted() {
	if it.child == 0 || !it.role.Has(event.Accepts) {
		return
	}
	c, _ := it.file.conns.Get(it.child)
	if c != nil && c.pair != nil && c.pair.syn && c.pair.handshook != 0 {
		it.wanted(c.pair.handshook, false)
	}
}

// bound limits the time of a call by its packets, and advances the position in the stream.
// It is called once for each call, in order.
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
		at := from // sent data: the first byte; received data: the last one
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
				c.synced[dir] = false // the position is wrong
				break
			}
		}
		if c.synced[dir] {
			return
		}
	}
	// Search by size, after the last packet found.
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

// wanted records that a call was before the packet at that time, or else after it.
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
