package proto

import (
	"math/rand/v2"
	"testing"
)

// TestArrive checks that bytes behind a hole count from when the hole is filled.
func TestArrive(t *testing.T) {
	var f flight
	for i, s := range []struct{ from, to int64 }{{0, 100}, {200, 300}, {400, 500}, {300, 400}, {0, 100}, {100, 200}, {500, 600}} {
		f.arrive(s.from, s.to, int64(i+1))
	}
	for off, want := range map[int64]int64{1: 1, 100: 1, 101: 6, 200: 6, 300: 6, 500: 6, 501: 7, 600: 7, 601: 0} {
		if got := f.passed.by(off); got != want {
			t.Errorf("the byte before %d had arrived at %d, want %d", off, got, want)
		}
	}
	if f.last != 600 || len(f.ahead) != 0 {
		t.Errorf("last %d, ahead %v", f.last, f.ahead)
	}
}

// TestArriveAny compares arrive with a map of bytes, for segments in any order, and checks its bound.
func TestArriveAny(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var f flight
		const bytes = 60
		var have [bytes]bool
		var came [bytes]int64
		edge := int64(0)
		for at := int64(1); at < 200; at++ {
			from := int64(r.IntN(bytes))
			to := min(from+1+int64(r.IntN(4)), bytes)
			for i := from; i < to; i++ {
				have[i] = true
			}
			f.arrive(from, to, at)
			for edge < bytes && have[edge] {
				came[edge] = at
				edge++
			}
			if len(f.ahead) > maxAhead {
				t.Fatalf("%d pieces are kept", len(f.ahead))
			}
			if f.edge != edge {
				t.Fatalf("all before %d have arrived, want %d; behind it: %v", f.edge, edge, f.ahead)
			}
		}
		for i, want := range came {
			if got := f.passed.by(int64(i) + 1); got != want {
				t.Fatalf("byte %d arrived at %d, want %d", i, got, want)
			}
		}
	}
	var f flight
	for i := range int64(100) {
		f.arrive(10+i*10, 15+i*10, i)
	}
	if len(f.ahead) != maxAhead {
		t.Errorf("%d pieces are kept", len(f.ahead))
	}
	if f.arrive(f.edge, 2000, 1000); f.edge != 2000 || len(f.ahead) != 0 {
		t.Errorf("edge %d, ahead %v", f.edge, f.ahead)
	}
}
