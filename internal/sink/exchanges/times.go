package exchanges

import (
	"math/bits"
	"slices"
)

// times has the distribution of times in ns: exactly for the first exact of them, then in classes that are
// narrower than 1/32 of their time.
type times struct {
	n           uint64
	least, most int64
	first       []int64
	classes     []uint32
}

const (
	exact = 256
	// fine is the number of classes for each power of 2.
	fine = 32
)

func (t *times) add(ns int64) {
	ns = max(ns, 0)
	if t.n == 0 || ns < t.least {
		t.least = ns
	}
	t.most = max(t.most, ns)
	t.n++
	if t.classes == nil {
		if len(t.first) < exact {
			t.first = append(t.first, ns)
			return
		}
		for _, ns := range t.first {
			t.count(ns)
		}
		t.first = nil
	}
	t.count(ns)
}

func (t *times) count(ns int64) {
	i := classOf(uint64(ns))
	if i >= len(t.classes) {
		t.classes = append(t.classes, make([]uint32, i+1-len(t.classes))...)
	}
	t.classes[i]++
}

// classOf returns the class of a time: below 2*fine each has its own.
func classOf(v uint64) int {
	shift := max(bits.Len64(v)-6, 0) // fine is 2^5, so that 6 bits remain
	return shift*fine + int(v>>shift)
}

// middle returns the middle of a class.
func middle(class int) int64 {
	if class < 2*fine {
		return int64(class)
	}
	shift := class/fine - 1
	low := uint64(class-shift*fine) << shift
	return int64(low + 1<<shift/2)
}

// at returns the time that a percentage of all do not exceed (nearest rank).
func (t *times) at(percent uint64) int64 {
	if t.n == 0 {
		return 0
	}
	rank := max((t.n*percent+99)/100, 1)
	if t.classes == nil {
		list := slices.Sorted(slices.Values(t.first))
		return list[rank-1]
	}
	seen := uint64(0)
	for i, n := range t.classes {
		if seen += uint64(n); seen >= rank {
			return min(max(middle(i), t.least), t.most)
		}
	}
	return t.most
}
