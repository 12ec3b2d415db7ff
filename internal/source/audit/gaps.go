//go:build linux

package audit

// gaps finds out which serial numbers of audit never arrive. Two CPUs can queue their records in
// another order than that of their serials, so a missing one is lost only if it has not arrived
// for a while: until settle has been called twice.
type gaps struct {
	young, old map[uint64]struct{}
}

// late is how many serials before the one that has arrived can still arrive: each CPU
// is in at most a few records at a time.
const late = 256

// skip takes the numbers between two serials as missing, and returns how many of them are
// certainly lost.
func (g *gaps) skip(from, to uint64) (lost uint64) {
	first := from + 1
	if to-first > late {
		lost = to - first - late
		first = to - late
	}
	if first < to && g.young == nil {
		g.young = map[uint64]struct{}{}
	}
	for ; first < to; first++ {
		g.young[first] = struct{}{}
	}
	return lost
}

func (g *gaps) arrived(serial uint64) {
	delete(g.young, serial)
	delete(g.old, serial)
}

// settle returns the number of serials that were missing at the previous call already, and still are.
func (g *gaps) settle() (lost uint64) {
	lost = uint64(len(g.old))
	g.old, g.young = g.young, nil
	return lost
}
