package bundle

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/pidwire/pidwire/internal/bounded"
)

// TestSegments checks that packets of long connections, each with few at a time, take bounded
// memory, and that the latest are found.
func TestSegments(t *testing.T) {
	for _, conns := range []int{1, 50, 2000, 100_000} {
		t.Run(fmt.Sprint(conns), func(t *testing.T) {
			var a aligner
			a.init(&hosts{}, bounded.Of(tableBytes))
			list := make([]*conn, conns)
			for i := range list {
				list[i] = new(conn)
			}
			for n := range uint32(600_000) {
				c := list[int(n)%conns]
				a.add(c, int(n/7)%2, segment{n, n + 1, int64(n)})
				if a.segments > allSegments {
					t.Fatalf("%d segments", a.segments)
				}
				if d := c.data[int(n/7)%2]; d[len(d)-1].from != n {
					t.Fatalf("packet %d is not known", n)
				}
			}
			sum, kept := 0, 0
			for _, c := range list {
				sum += len(c.data[0]) + len(c.data[1])
				if c.kept {
					kept++
				} else if c.data[0] != nil || c.data[1] != nil {
					t.Fatal("a connection is remembered that is not in the list")
				}
			}
			if sum+kept*connSegments != a.segments || kept != len(a.kept) {
				t.Errorf("%d segments of %d connections counted, there are %d of %d", a.segments, len(a.kept), sum, kept)
			}
			if least := min(maxSegments/2, allSegments/2/(connSegments+1)); sum < least {
				t.Errorf("%d packets are known, wanted at least %d", sum, least)
			}
		})
	}
}

// TestHostsFull checks that no name gets the address of another one when the table of names is
// full.
func TestHostsFull(t *testing.T) {
	var h hosts
	seen := map[netip.Addr]string{}
	full, refused := 0, 0
	for n := range uint32(60_000) {
		// The readers of both files assigned the same placeholder addresses to different names.
		own := netip.AddrFrom4([4]byte{198, 18 + byte(n>>17), byte(n >> 9), byte(n >> 1)})
		name := fmt.Sprintf("host-%d.example.net", n)
		addr, err := h.addr(name, own)
		if err != nil {
			refused++
			continue
		}
		if h.bytes == hostBytes {
			full++
			if h.taken[addr] {
				t.Fatalf("%s has the address %s, which another one has", name, addr)
			}
			continue
		}
		if other, is := seen[addr]; is {
			t.Fatalf("%s and %s are both %s", name, other, addr)
		}
		seen[addr] = name
	}
	if full == 0 || refused == 0 || len(seen) < 10_000 {
		t.Errorf("%d names, %d more with their own address, %d refused", len(seen), full, refused)
	}
}
