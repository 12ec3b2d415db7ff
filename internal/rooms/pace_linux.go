package rooms

import "runtime"

/*
Both processes are goroutines that pass batches on to each other. While there is little to do each of these steps
wakes another thread, which costs more than the step: of 20,000 packets a second two thirds of the time went there.
So as long as little comes all goroutines of a process run on one thread at a time.
*/

const (
	paceEvery = 500_000_000 // ns
	// Bytes a second below which one thread is enough, and above which it is not.
	paceSlow, paceFast = 32 << 20, 64 << 20
	// paceRow is how many bytes may come without an idle moment between them.
	paceRow = 4 << 20
)

// pace sets how many threads run Go code at a time. It is for one goroutine.
type pace struct {
	set   func(threads int)
	many  int // threads, where much comes
	one   bool
	since uint64 // CLOCK_MONOTONIC, ns
	bytes uint64 // since then
	row   int    // bytes since the last idle moment
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

// came is told of each frame of records.
func (p *pace) came(n int) {
	p.bytes += uint64(n)
	if p.row += n; p.row > paceRow {
		p.to(false)
	}
}

// idle is told of each idle moment.
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
