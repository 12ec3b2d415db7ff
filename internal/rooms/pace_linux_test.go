package rooms

import (
	"slices"
	"testing"
)

// TestPace checks at which rates the number of threads changes.
func TestPace(t *testing.T) {
	var set []int
	p := &pace{many: 4, set: func(n int) { set = append(set, n) }}
	at := uint64(1)
	// ticks simulates n intervals of 10 ms with the given number of bytes in each.
	ticks := func(n, bytes int, want ...int) {
		t.Helper()
		set = nil
		for range n {
			for left := bytes; left > 0; left -= fillFrame {
				p.received(min(left, fillFrame))
			}
			at += 10_000_000
			p.idle(at)
		}
		if !slices.Equal(set, want) {
			t.Errorf("%d ticks of %d bytes: %v, want %v", n, bytes, set, want)
		}
	}
	ticks(200, 100_000, 1)   // 10 MB/s
	ticks(200, 500_000)      // 50: between the limits
	ticks(200, 900_000, 4)   // 90
	ticks(200, 500_000)      // 50
	ticks(200, 0, 1)         // nothing
	ticks(1, paceRow+1, 4)   // a backlog comes at once
	ticks(200, 1000, 1)      // the backlog is over
	ticks(10, paceRow+1, 4)  // 400
	ticks(1000, paceRow-100) // stays
	p = &pace{many: 1, set: p.set}
	ticks(200, 0)
	ticks(200, paceRow+1)
}
