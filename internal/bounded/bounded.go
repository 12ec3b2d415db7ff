// Package bounded bounds the memory of tables: a timeline may have any length and any number of
// connections, threads and names.
package bounded

import "unsafe"

// Room is a memory budget that the tables of a timeline share. In addition, each table has a
// maximum number of entries, which is what limits it for real programs. The room limits inputs that
// fill all tables. The zero Room is empty. It is not safe for concurrent use.
type Room struct {
	most   int // 0: Bytes
	used   int // estimated bytes of all tables
	old    int // of these, in old halves
	again  int // number of used bytes above which age looks at the tables again
	filled int // bytes that are never freed
	tables []table
}

const (
	// Bytes is the budget of a room. A connection is counted in each table that refers to it,
	// because any of them may be the last to drop it.
	Bytes = 12 << 20
	// Least is the part of the budget that is always left to tables, whatever Fill has taken.
	Least = 4 << 20
)

// Of returns a room whose tables may take n bytes. A third of this is always left to them, whatever
// Fill takes.
func Of(n int) *Room { return &Room{most: n} }

// limit returns the number of bytes that the tables may take now.
func (r *Room) limit() int {
	if r.most > 0 {
		return max(r.most-r.filled, r.most/3)
	}
	return max(Bytes-r.filled, Least)
}

// Used returns the estimated bytes of all tables.
func (r *Room) Used() int { return r.used }

// table is an Index of any type.
type table interface {
	takes() int    // bytes of the old half
	takesOld() int // bytes of the table
	names() bool   // its entries identify connections: without one, a connection gets a new number
	turn()         // drops the old half
}

// Fill takes n bytes from the budget that are never returned.
func (r *Room) Fill(n int) {
	r.filled += n
	r.shrink()
}

// take adds n, which may be negative, to the used bytes.
func (r *Room) take(n int) {
	r.used += n
	if r.old == 0 && r.used > r.again && r.used > r.limit()*3/4 {
		r.again = r.used + r.limit()/16
		r.age()
	}
	r.shrink()
}

// age turns the young half of the largest table that does not identify connections into its old
// half, if little of it is old, before the room is full. Otherwise a whole table would have to be
// emptied then, including its latest entries, or the other tables would shrink more and more.
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

// shrink drops old halves, the largest first, until the tables are within the limit. If there are
// none, it empties whole tables: the largest of those that do not identify connections, and then
// any.
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

// Index is a map in bounded memory with two halves. When the young half is full, it becomes the old
// half, and entries of the previous old half that have not been used since are dropped. This
// happens earlier if the room that it shares with other tables is full.
type Index[K comparable, V any] struct {
	young, old part[K, V]
	most       int // number of entries of young
	each       int // bytes per entry
	beyond     func(V) int
	room       *Room
	// Dear says that the entries identify things, so that dropping one turns a known thing into
	// another. The room empties such tables last.
	Dear bool
	// Turns counts how often the young half became the old one. While it is the same, the value of the last Get or
	// Put of a key is there, and in the young half: a caller may keep it at hand.
	Turns uint32
}

type part[K comparable, V any] struct {
	m     map[K]V
	bytes int
}

// In sets the maximum number of entries per half. Each entry takes a fixed size plus the number of
// bytes that beyond returns, which may be nil. The table uses the budget of room.
func (x *Index[K, V]) In(r *Room, most int, beyond func(V) int) {
	var k K
	var v V
	if beyond == nil {
		beyond = func(V) int { return 0 }
	}
	// A map has about a third of its slots free.
	x.room, x.most, x.each, x.beyond = r, most, int(unsafe.Sizeof(k)+unsafe.Sizeof(v))*3/2, beyond
	r.tables = append(r.tables, x)
}

// Get returns the value of a key, and whether it is present. It moves the entry to the young half.
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

// Grew adds n bytes to the size of the entry of the last Get or Put.
func (x *Index[K, V]) Grew(n int) {
	x.young.bytes += n
	x.room.take(n)
}

// All yields the entries, in no order. The index must not be changed meanwhile.
func (x *Index[K, V]) All(yield func(K, V) bool) {
	for k, v := range x.young.m {
		if !yield(k, v) {
			return
		}
	}
	for k, v := range x.old.m {
		if _, again := x.young.m[k]; !again && !yield(k, v) {
			return
		}
	}
}

// Drop removes a key.
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
	x.Turns++
}

// Size returns the number of entries. A key that has moved to the young half again counts twice.
func (x *Index[K, V]) Size() int { return len(x.young.m) + len(x.old.m) }

func (x *Index[K, V]) takes() int { return x.young.bytes + x.old.bytes }

func (x *Index[K, V]) takesOld() int { return x.old.bytes }

func (x *Index[K, V]) names() bool { return x.Dear }
