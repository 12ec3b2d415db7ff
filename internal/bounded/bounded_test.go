package bounded

import (
	"math/rand/v2"
	"testing"
)

// grower is a value that grows while it is in a table.
type grower struct{ list []byte }

func (g *grower) bytes() int { return 100 + len(g.list) }

func (g *grower) more() int {
	g.list = append(g.list, make([]byte, 24)...)
	return 24
}

// TestRoom checks that tables in a room stay within its size for any sequence of operations, that
// their sizes are counted correctly, and that the latest entries are found.
func TestRoom(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var r Room
	var small Index[uint32, uint32]
	var named Index[uint64, string]
	var grows Index[uint32, *grower]
	small.In(&r, 1<<14, nil)
	named.In(&r, 1<<14, func(s string) int { return len(s) })
	grows.In(&r, 1<<14, (*grower).bytes)
	check := func(n, limit int) {
		t.Helper()
		sum, old := 0, 0
		for _, x := range r.tables {
			sum += x.takes()
			old += x.takesOld()
		}
		if r.used != sum || r.old != old || sum < 0 {
			t.Fatalf("after %d: %d bytes counted, %d of them old, the tables say %d and %d", n, r.used, r.old, sum, old)
		}
		if r.used > limit {
			t.Fatalf("after %d: %d bytes of %d", n, r.used, limit)
		}
	}
	name := string(make([]byte, 2000))
	full := 0
	for n := range uint32(200_000) {
		if n == 100_000 {
			r.Fill(11 << 20)
		}
		limit := Bytes
		if n >= 100_000 {
			limit = Least
		}
		switch k := rnd.Uint32N(60_000); rnd.IntN(5) {
		case 0:
			small.Put(k, n)
			if v, ok := small.Get(k); !ok || v != n {
				t.Fatal("what was put is not there")
			}
		case 1:
			named.Put(uint64(k), name[:k%2000])
		case 2, 3:
			s, ok := grows.Get(k % 9000)
			if !ok {
				s = &grower{}
				grows.Put(k%9000, s)
			}
			for range 20 {
				grows.Grew(s.more())
			}
		case 4:
			small.Drop(k)
			named.Drop(uint64(k))
		}
		if r.used > limit/2 {
			full++
		}
		if n%100 == 0 {
			check(int(n), limit)
		}
	}
	if full < 50_000 {
		t.Errorf("the room was half full %d times only", full)
	}
}

// TestRoomOfOne checks that a single table can use the whole room, and drops the oldest entries
// first.
func TestRoomOfOne(t *testing.T) {
	var r Room
	var x Index[uint32, string]
	x.In(&r, 100, func(s string) int { return len(s) })
	long := string(make([]byte, Bytes/150))
	for n := range uint32(1000) {
		x.Put(n, long)
		if n < 50 {
			continue
		}
		for back := range uint32(50) {
			if _, ok := x.young.m[n-back]; ok {
				continue
			}
			if _, ok := x.old.m[n-back]; !ok {
				t.Fatalf("%d is forgotten after %d", n-back, back)
			}
		}
	}
	if r.used > Bytes {
		t.Errorf("%d bytes are taken", r.used)
	}
}

// TestRoomDear checks that a table that identifies connections is emptied last.
func TestRoomDear(t *testing.T) {
	var r Room
	var conns, causes Index[uint32, string]
	size := func(s string) int { return len(s) }
	conns.In(&r, 1<<14, size)
	causes.In(&r, 1<<14, size)
	conns.Dear = true
	long := string(make([]byte, Bytes/1000))
	for n := range uint32(600) {
		conns.Put(n, long)
	}
	for n := range uint32(2000) {
		causes.Put(n, long)
	}
	for n := range uint32(600) {
		if _, ok := conns.Get(n); !ok {
			t.Fatalf("%d is forgotten, and %d causes are not", n, causes.Size())
		}
	}
	for n := range uint32(2000) {
		conns.Put(n, long) // a single table must drop entries too
	}
	if r.used > Bytes {
		t.Errorf("%d bytes are taken", r.used)
	}
}

// TestAge checks that a full room drops old entries even if no table has reached its own bound, and
// that the latest entries are found.
func TestAge(t *testing.T) {
	r := Of(1 << 20)
	var x, other Index[uint32, uint32]
	x.In(r, 1<<20, nil)
	other.In(r, 1<<20, nil)
	for n := range uint32(400_000) {
		x.Put(n, n)
		if n%3 == 0 {
			other.Put(n, n)
		}
		if r.Used() > 1<<20 {
			t.Fatalf("%d bytes", r.Used())
		}
		if n < 10_000 {
			continue
		}
		if _, known := x.young.m[n-3_999]; !known {
			if _, known = x.old.m[n-3_999]; !known {
				t.Fatalf("%d is forgotten when %d is put", n-3_999, n)
			}
		}
	}
}
