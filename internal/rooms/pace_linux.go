package rooms

import "runtime"

/*
Both processes consist of goroutines that pass batches to each other. At low rates each of these steps wakes another
thread, which costs more than the step itself: at 20,000 packets per second it took two thirds of the time. So at low
rates GOMAXPROCS is 1.
*/

const (
	paceEvery = 500_000_000 // ns
	// Rates in bytes per second: below paceSlow use one thread, above paceFast use all.
	paceSlow, paceFast = 32 << 20, 64 << 20
	// paceRow is the number of bytes without an idle frame in between, above which all threads are used.
	paceRow = 4 << 20
)

// pace adjusts GOMAXPROCS. It is not safe for concurrent use.
type pace struct {
	set   func(threads int)
	many  int // threads at high rates
	one   bool
	since uint64 // start of the interval, CLOCK_MONOTONIC ns
	bytes uint64 // bytes since then
	row   int    // bytes since the last idle frame
}

func newPace() *pace {
	return &pace{many: runtime.GOMAXPROCS(0), set: func(n int) { runtime.GOMAXPROCS(n) }}
}

func (p *pace) to(one bool) {
	if p.one == one || p.many == 1 {
		return
	}
	p.one = one
	if one {
		p.set(1)
	} else {
		p.set(p.many)
	}
}

// received is called for each frame of records, with its size in bytes.
func (p *pace) received(n int) {
	p.bytes += uint64(n)
	if p.row += n; p.row > paceRow {
		p.to(false)
	}
}

// idle is called for each idle frame, with its time.
func (p *pace) idle(at uint64) {
	behind := p.row > paceRow
	p.row = 0
	if at-p.since < paceEvery && p.since != 0 {
		return
	}
	rate := p.bytes * 1e9 / max(at-p.since, 1)
	switch {
	case p.since == 0:
	case rate > paceFast:
		p.to(false)
	case rate < paceSlow && !behind:
		p.to(true)
	}
	p.since, p.bytes = at, 0
}
