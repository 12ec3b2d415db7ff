package bundle

import (
	"math/rand/v2"
	"testing"
)

// longest returns the length of a longest common subsequence, by dynamic programming.
func longest(a, b []int) int {
	row := make([]int, len(b)+1)
	for i := range a {
		diagonal := 0
		for j := range b {
			up := row[j+1]
			if a[i] == b[j] {
				row[j+1] = diagonal + 1
			} else {
				row[j+1] = max(up, row[j])
			}
			diagonal = up
		}
	}
	return row[len(b)]
}

// TestMatch checks that the maximum number of pairs is found, in order.
func TestMatch(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		a, b := make([]int, r.IntN(30)), make([]int, r.IntN(30))
		for i := range a {
			a[i] = r.IntN(4)
		}
		for i := range b {
			b[i] = r.IntN(4)
		}
		if r.IntN(3) == 0 { // equal events
			b = append([]int(nil), a...)
			for i := range b {
				if r.IntN(8) == 0 {
					b[i] = 9
				}
			}
		}
		n, li, lj := 0, -1, -1
		match(len(a), len(b), func(i, j int) bool { return a[i] == b[j] }, func(i, j int) {
			if i <= li || j <= lj || a[i] != b[j] {
				t.Fatalf("%v %v: pair %d %d", a, b, i, j)
			}
			n, li, lj = n+1, i, j
		})
		if want := longest(a, b); n != want {
			t.Fatalf("%v %v: %d pairs, want %d", a, b, n, want)
		}
	}
}

// TestMatchBound checks that sequences without common elements are compared in bounded time, and
// that pairs are still found.
func TestMatchBound(t *testing.T) {
	const n = 20_000
	asked, pairs := 0, 0
	match(n, n, func(i, j int) bool { asked++; return i == j+1 && i%500 == 0 }, func(i, j int) { pairs++ })
	if asked > 30*n*100 || pairs < 30 {
		t.Errorf("%d comparisons, %d pairs", asked, pairs)
	}
}
