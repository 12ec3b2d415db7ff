package flow

import (
	"math/rand/v2"
	"testing"
)

// TestRoom holds that tables which share room stay within it, whatever comes, that
// what they take is counted right, and that what came last is known.
func TestRoom(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var r room
	var small index[uint32, uint32]
	var named index[uint64, string]
	var grows index[uint32, *stream]
	small.in(&r, keepOpen, nil)
	named.in(&r, keepOpen, func(s string) int { return len(s) })
	grows.in(&r, keepOpen, (*stream).bytes)
	check := func(n, limit int) {
		t.Helper()
		sum := 0
		for _, x := range r.tables {
			all, _ := x.takes()
			sum += all
		}
		if r.used != sum || sum < 0 {
			t.Fatalf("after %d: %d bytes counted, the tables say %d", n, r.used, sum)
		}
		if r.used > limit {
			t.Fatalf("after %d: %d bytes of %d", n, r.used, limit)
		}
	}
	name := string(make([]byte, 2000))
	full := 0
	for n := range uint32(200_000) {
		if n == 100_000 {
			r.fill(11 << 20)
		}
		limit := roomBytes
		if n >= 100_000 {
			limit = roomLeast
		}
		switch k := rnd.Uint32N(60_000); rnd.IntN(5) {
		case 0:
			small.put(k, n)
			if v, ok := small.get(k); !ok || v != n {
				t.Fatal("what was put is not there")
			}
		case 1:
			named.put(uint64(k), name[:k%2000])
		case 2, 3:
			s, ok := grows.get(k % 9000)
			if !ok {
				s = &stream{}
				grows.put(k%9000, s)
			}
			for range 20 {
				grows.grew(s.out.put(piece{}))
			}
		case 4:
			small.drop(k)
			named.drop(uint64(k))
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

// TestRoomOfOne holds that a table alone has all the room, and forgets what is old
// first.
func TestRoomOfOne(t *testing.T) {
	var r room
	var x index[uint32, string]
	x.in(&r, 100, func(s string) int { return len(s) })
	long := string(make([]byte, roomBytes/150))
	for n := range uint32(1000) {
		x.put(n, long)
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
	if r.used > roomBytes {
		t.Errorf("%d bytes are taken", r.used)
	}
}
