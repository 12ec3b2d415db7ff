// Package bounded keeps tables within a budget of memory: a timeline may have
// any length and any number of connections, threads and names.
package bounded

import "unsafe"

// Room is the memory that the tables of a timeline share. Each is bounded by a count
// of its own, for what real programs do; the room is for input that fills all of them.
// The zero Room is empty. It is for one goroutine.
type Room struct {
	most   int // 0: Bytes
	used   int // estimated bytes of what is in the tables
	old    int // of them, of what is old
	again  int // age looks at the tables again above so many bytes used
	filled int // of what is never forgotten
	tables []table
}

const (
	// Bytes is what all tables of a room may take. A connection is counted in
	// each table that finds it, for the others may have forgotten it.
	Bytes = 12 << 20
	// Least is what is left to the tables, however much is filled.
	Least = 4 << 20
)

// Of returns a room whose tables may take n bytes; a third of that is left to them,
// however much is filled.
func Of(n int) *Room { return &Room{most: n} }

// limit is what the tables may take now.
func (r *Room) limit() int {
	if r.most > 0 {
		return max(r.most-r.filled, r.most/3)
	}
	return max(Bytes-r.filled, Least)
}

// Used returns the estimated bytes of what is in the tables.
func (r *Room) Used() int { return r.used }

// table is an Index, whatever it finds.
type table interface {
	takes() int    // bytes
	takesOld() int // of them
	names() bool   // says which connection it is: without it that would be a new one
	turn()         // forgets what is old
}

// Fill takes n bytes that are not given back.
func (r *Room) Fill(n int) {
	r.filled += n
	r.shrink()
}

// take counts n bytes more, or less.
func (r *Room) take(n int) {
	r.used += n
	if r.old == 0 && r.used > r.again && r.used > r.limit()*3/4 {
		r.again = r.used + r.limit()/16
		r.age()
	}
	r.shrink()
}

// age makes what is in the largest table old, where little of it is, before the room
// is full: else a whole table would have to be forgotten then, with what came last, or
// the others would have ever less.
func (r *Room) age() {
	var largest table
	for _, t := range r.tables {
		if !t.names() && (largest == nil || t.takes() > largest.takes()) {
			largest = t
		}
	}
	if largest != nil && largest.takesOld() < largest.takes()/3 && largest.takes() > r.used/4 {
		largest.turn()
	}
}

// shrink forgets what is old, where it is most, until all have room. If nothing is,
// it forgets a whole table: of those without which no connection becomes another one
// the largest, and only then any other.
func (r *Room) shrink() {
	for r.used > r.limit() {
		var victim table
		best, rank := 0, 0
		for _, t := range r.tables {
			n, of := t.takes(), 1
			if old := t.takesOld(); old > 0 {
				n, of = old, 3
			} else if !t.names() {
				of = 2
			}
			if n > 0 && (of > rank || of == rank && n > best) {
				victim, best, rank = t, n, of
			}
		}
		if victim == nil {
			return
		}
		victim.turn()
		r.again = 0
		r.age()
	}
}

// Index finds things in bounded memory: when young is full it becomes old, and what
// was old and has not been asked for since is forgotten; that happens earlier if the
// room that it shares with others is full.
type Index[K comparable, V any] struct {
	young, old part[K, V]
	most       int // entries of young
	each       int // bytes of an entry
	beyond     func(V) int
	room       *Room
	// Dear says that an entry which is forgotten makes a known thing another one: the
	// room forgets such tables last.
	Dear bool
}

type part[K comparable, V any] struct {
	m     map[K]V
	bytes int
}

// In bounds an index to most entries in each half. An entry takes its place and the
// bytes that beyond says, which may be nil; it shares room with others.
func (x *Index[K, V]) In(r *Room, most int, beyond func(V) int) {
	var k K
	var v V
	if beyond == nil {
		beyond = func(V) int { return 0 }
	}
	// A map has a third of its places free, about.
	x.room, x.most, x.each, x.beyond = r, most, int(unsafe.Sizeof(k)+unsafe.Sizeof(v))*3/2, beyond
	r.tables = append(r.tables, x)
}

// Get returns the value of a key, and whether it is there: it is remembered longer then.
func (x *Index[K, V]) Get(key K) (V, bool) {
	v, ok := x.young.m[key]
	if !ok {
		if v, ok = x.old.m[key]; ok {
			x.Put(key, v)
		}
	}
	return v, ok
}

// Put sets the value of a key.
func (x *Index[K, V]) Put(key K, v V) {
	before, was := x.young.m[key]
	if !was && len(x.young.m) >= x.most {
		x.turn()
	}
	if x.young.m == nil {
		x.young.m = map[K]V{}
	}
	x.young.m[key] = v
	n := x.beyond(v)
	if was {
		n -= x.beyond(before)
	} else {
		n += x.each
	}
	x.Grew(n)
}

// Grew says that an entry that was just got or put takes n bytes more.
func (x *Index[K, V]) Grew(n int) {
	x.young.bytes += n
	x.room.take(n)
}

// Drop forgets a key.
func (x *Index[K, V]) Drop(key K) {
	for _, h := range []*part[K, V]{&x.young, &x.old} {
		if v, ok := h.m[key]; ok {
			delete(h.m, key)
			n := x.each + x.beyond(v)
			h.bytes -= n
			x.room.used -= n
			if h == &x.old {
				x.room.old -= n
			}
		}
	}
}

func (x *Index[K, V]) turn() {
	x.room.used -= x.old.bytes
	x.room.old += x.young.bytes - x.old.bytes
	x.old, x.young = x.young, part[K, V]{}
}

// Size returns how many entries there are, a key that was remembered again counted twice.
func (x *Index[K, V]) Size() int { return len(x.young.m) + len(x.old.m) }

func (x *Index[K, V]) takes() int { return x.young.bytes + x.old.bytes }

func (x *Index[K, V]) takesOld() int { return x.old.bytes }

func (x *Index[K, V]) names() bool { return x.Dear }
