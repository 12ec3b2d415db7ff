package flow

import "unsafe"

// room is the memory that the tables of a timeline share. Each is bounded by a count
// of its own, for what real programs do; this is for input that fills all of them.
type room struct {
	used   int // bytes, about, of what is in the tables
	filled int // of what is not forgotten any more
	tables []table
}

const (
	// roomBytes is what all of it may take. A connection is counted in
	// each table that finds it, for the others may have forgotten it.
	roomBytes = 12 << 20
	// roomLeast is what is left to the tables, however much is filled.
	roomLeast = 4 << 20
)

// table is an index, whatever it finds.
type table interface {
	takes() int    // bytes
	takesOld() int // of them
	names() bool   // says which connection it is: without it that would be a new one
	turn()         // forgets what is old
}

// fill takes n bytes that are not given back.
func (r *room) fill(n int) {
	r.filled += n
	r.shrink()
}

// take counts n bytes more, or less.
func (r *room) take(n int) {
	r.used += n
	r.shrink()
}

// shrink forgets what is old, where it is most, until all have room. If nothing is,
// it forgets a whole table: of those without which no connection becomes another one
// the largest, and only then any other.
func (r *room) shrink() {
	for r.used > max(roomBytes-r.filled, roomLeast) {
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
	}
}

// index finds things in bounded memory: when young is full it becomes old, and what
// was old and has not been asked for since is forgotten; that happens earlier if the
// room that it shares with others is full.
type index[K comparable, V any] struct {
	young, old part[K, V]
	most       int // entries of young
	each       int // bytes of an entry
	beyond     func(V) int
	room       *room
	dear       bool // see table.names
}

type part[K comparable, V any] struct {
	m     map[K]V
	bytes int
}

// in bounds an index to most entries in each half. An entry takes its place and the
// bytes that beyond says, which may be nil; it shares room with others.
func (x *index[K, V]) in(r *room, most int, beyond func(V) int) {
	var k K
	var v V
	if beyond == nil {
		beyond = func(V) int { return 0 }
	}
	// A map has a third of its places free, about.
	x.room, x.most, x.each, x.beyond = r, most, int(unsafe.Sizeof(k)+unsafe.Sizeof(v))*3/2, beyond
	r.tables = append(r.tables, x)
}

func (x *index[K, V]) get(key K) (V, bool) {
	v, ok := x.young.m[key]
	if !ok {
		if v, ok = x.old.m[key]; ok {
			x.put(key, v)
		}
	}
	return v, ok
}

func (x *index[K, V]) put(key K, v V) {
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
	x.grew(n)
}

// grew says that an entry that was just got or put takes n bytes more.
func (x *index[K, V]) grew(n int) {
	x.young.bytes += n
	x.room.take(n)
}

func (x *index[K, V]) drop(key K) {
	for _, h := range []*part[K, V]{&x.young, &x.old} {
		if v, ok := h.m[key]; ok {
			delete(h.m, key)
			n := x.each + x.beyond(v)
			h.bytes -= n
			x.room.used -= n
		}
	}
}

func (x *index[K, V]) turn() {
	x.room.used -= x.old.bytes
	x.old, x.young = x.young, part[K, V]{}
}

func (x *index[K, V]) size() int { return len(x.young.m) + len(x.old.m) }

func (x *index[K, V]) takes() int { return x.young.bytes + x.old.bytes }

func (x *index[K, V]) takesOld() int { return x.old.bytes }

func (x *index[K, V]) names() bool { return x.dear }
