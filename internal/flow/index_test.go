package flow

import (
	"net/netip"
	"testing"

	"github.com/pidwire/pidwire/internal/bounded"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/stage/cause"
	"github.com/pidwire/pidwire/internal/syscalls"
)

// TestRoomOfServer checks that a server with 16,000 busy connections keeps their numbers: tables
// for causes are emptied first.
func TestRoomOfServer(t *testing.T) {
	room := new(bounded.Room)
	j, causes := New(room), cause.New(room)
	const many = 16_000
	for round := range uint64(2) {
		for i := uint64(1); i <= many; i++ {
			s := tcp(1000+i, 0, 3) // limited by one table only
			e := event.Entry{Event: event.Event{Body: &event.Call{Name: "sendto", Role: syscalls.RoleOf("sendto"), Ret: 1, Bytes: 1, Socks: []event.Sock{s}}}}
			for range 24 {
				j.Add(&e)
				causes.Add(&e, func(*event.Entry) {})
			}
			if e.Conn == nil || uint64(e.Conn.N) != i {
				t.Fatalf("round %d: connection %d is %v", round, i, e.Conn)
			}
			peer := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 9)
			j.tuples.Put(tupleOf(peer, peer, 1), e.Conn)
			j.ends.Put(pairOf(6, peer, peer), endsOf{conn: e.Conn})
			j.shown.Put(i, &shown{})
			j.accepted.Put(i, event.Use{})
			j.ready.Put(epollKey{data: i}, event.SockID{})
			j.byPeer.Put(peer, &foreign{})
		}
	}
	if room.Used() > bounded.Bytes {
		t.Errorf("%d bytes are taken", room.Used())
	}
}
