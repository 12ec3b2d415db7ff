package flow

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/syscalls"
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
			sum += x.takes()
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

// TestRoomOfServer holds that a server with 16,000 connections, all of them busy, keeps
// their numbers: what tells of causes is forgotten first.
func TestRoomOfServer(t *testing.T) {
	j := New(true)
	const many = 16_000
	for round := range uint64(2) {
		for i := uint64(1); i <= many; i++ {
			s := tcp(1000+i, 0, 3) // by one table alone
			e := event.Entry{Event: event.Event{Body: &event.Call{Name: "sendto", Role: syscalls.RoleOf("sendto"), Ret: 1, Bytes: 1, Socks: []event.Sock{s}}}}
			for range 24 {
				j.Add(&e)
			}
			if e.Conn == nil || uint64(e.Conn.N) != i {
				t.Fatalf("round %d: connection %d is %v", round, i, e.Conn)
			}
			peer := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 9)
			j.tuples.put(tupleOf(peer, peer, 1), e.Conn)
			j.ends.put(pairOf(6, peer, peer), endsOf{conn: e.Conn})
			j.shown.put(i, &shown{})
			j.accepted.put(i, event.Use{})
			j.ready.put(epollKey{data: i}, event.SockID{})
			j.byPeer.put(peer, &foreign{})
		}
	}
	if j.room.used > roomBytes {
		t.Errorf("%d bytes are taken", j.room.used)
	}
	if j.streams.size() == 0 {
		t.Error("no stream is known")
	}
}

// TestRoomDear holds that a table which says what a connection is goes last.
func TestRoomDear(t *testing.T) {
	var r room
	var conns, causes index[uint32, string]
	size := func(s string) int { return len(s) }
	conns.in(&r, keepOpen, size)
	causes.in(&r, keepOpen, size)
	conns.dear = true
	long := string(make([]byte, roomBytes/1000))
	for n := range uint32(600) {
		conns.put(n, long)
	}
	for n := range uint32(2000) {
		causes.put(n, long)
	}
	for n := range uint32(600) {
		if _, ok := conns.get(n); !ok {
			t.Fatalf("%d is forgotten, and %d causes are not", n, causes.size())
		}
	}
	for n := range uint32(2000) {
		conns.put(n, long) // alone it has to forget as well
	}
	if r.used > roomBytes {
		t.Errorf("%d bytes are taken", r.used)
	}
}
