package truss

import (
	"bytes"
	"slices"
)

const (
	// MaxPending bounds the calls that a Joiner waits for, which have been
	// printed and have not returned, and maxSame those of one thread, or of a
	// process whose threads are not told apart.
	MaxPending = 4096
	maxSame    = 64
	// maxPendingBytes bounds what they take.
	maxPendingBytes = 4 << 20
	// maxKept bounds the buffers that are kept to be used again.
	maxKept = 1 << 20
)

// Joiner puts lines together. The zero value is ready. It takes lines, as Parse
// made them, in their order and gives all of them on: an Unfinished and the Call
// that it became as that call, with the time of the former as its Begin, where
// the latter was; Details with the call or signal before them, as its Details;
// all others as they are.
//
// An Unfinished whose call does not come is given on as it is: when its thread
// makes another call or ends, when there are more than MaxPending, or at Flush.
// So is a Detail that is of no call before. Details beyond MaxDetails are dropped,
// and the call says so (Line.Cut).
//
// As a call may have details, it is given on when the next line is known.
//
// The Joiner owns the lines it makes, and their bytes: they are valid until the
// function returns that they are given to. Lines that were given in are read
// only while they are.
type Joiner struct {
	held  held
	parts []part
	free  int32              // the first of those not in use; 0: none. Linked by next
	index map[thread][]int32 // the parts of a thread, the oldest first
	procs map[uint32]int     // how many parts a process has
	used  int
	bytes int
	gone  []int32 // for ended
	line  Line
	first Line
}

// thread is whose a line is.
type thread struct{ pid, lwp uint32 }

// held is the line before, if it may have details.
type held struct {
	thread
	kind    Kind
	text    []byte
	details int // how many bytes of text they are
	id      []byte
	cut     bool
}

// part is an Unfinished. parts[0] is the head of the list of those in use, which
// begins with the oldest.
type part struct {
	thread
	prev, next int32
	text       []byte
	id         []byte
	details    bool
	cut        bool
}

// Add takes a line and calls emit with what is complete then: with no, one or
// several lines.
func (j *Joiner) Add(l *Line, emit func(*Line)) {
	if j.index == nil {
		j.index = make(map[thread][]int32)
		j.procs = make(map[uint32]int)
		j.parts = make([]part, 1, 16)
	}
	who := thread{l.PID, l.LWP}
	h := &j.held
	switch l.Kind {
	case Detail:
		if h.kind == Unknown || h.thread != who {
			emit(l)
			return
		}
		if h.details+len(l.Text)+1 > MaxDetails || len(h.text)+len(l.Text)+1 > MaxLine {
			h.cut = true
			return
		}
		h.text = append(h.text, '\n')
		h.text = append(h.text, l.Text...)
		h.details += len(l.Text) + 1
	case Call, Unfinished, Signal:
		j.release(emit)
		if l.Flavor == FreeBSD { // which prints no details
			emit(l)
			return
		}
		h.thread, h.kind = who, l.Kind
		h.text = append(h.text[:0], l.raw...)
		h.details, h.cut = 0, l.Cut
		if l.Details != nil {
			h.details = len(l.Details) + 1
		}
		h.id = append(append(h.id[:0], l.Name...), '(')
		if l.nargs > 0 {
			h.id = append(h.id, l.args[0]...)
		}
	default:
		j.release(emit)
		if l.Kind == Exit {
			j.ended(who, l.Thread, emit)
		}
		emit(l)
	}
}

// Flush calls emit with what is left, calls that did not return last, and the
// oldest of them first.
func (j *Joiner) Flush(emit func(*Line)) {
	j.release(emit)
	for len(j.parts) > 0 && j.parts[0].next != 0 {
		j.orphan(j.parts[0].next, emit)
	}
}

// release gives on what is held.
func (j *Joiner) release(emit func(*Line)) {
	h := &j.held
	kind := h.kind
	if kind == Unknown {
		return
	}
	h.kind = Unknown
	switch kind {
	case Unfinished:
		j.wait(emit)
		return
	case Call:
		if at := j.find(h.thread, h.id); at != 0 {
			j.join(at, emit)
			return
		}
		if h.lwp != 0 {
			j.orphans(h.thread, emit)
		}
	}
	Parse(h.text, &j.line)
	j.line.Cut = h.cut
	last := kind == Call && !j.line.HasResult && (string(j.line.Name) == "_exit" || string(j.line.Name) == "exit")
	emit(&j.line)
	if last {
		j.ended(h.thread, false, emit)
	}
	j.trim()
}

// trim forgets a buffer that has become large.
func (j *Joiner) trim() {
	if cap(j.held.text) > maxKept {
		j.held.text = nil
	}
	if cap(j.held.id) > maxKept {
		j.held.id = nil
	}
}

// find finds the call of a thread that a line says returned: the one of that
// name and first argument, which is its descriptor. Threads are numbered only
// while there are several: either line may lack it.
func (j *Joiner) find(who thread, id []byte) int32 {
	for _, at := range j.index[who] {
		if bytes.Equal(j.parts[at].id, id) {
			return at
		}
	}
	if j.procs[who.pid] == len(j.index[who]) {
		return 0
	}
	at := j.parts[0].prev
	for n := 0; at != 0 && n < maxSame; at, n = j.parts[at].prev, n+1 {
		p := &j.parts[at]
		if p.pid == who.pid && (p.lwp == 0 || who.lwp == 0) && bytes.Equal(p.id, id) {
			return at
		}
	}
	return 0
}

// join gives on what is held as the call that a part was of.
func (j *Joiner) join(at int32, emit func(*Line)) {
	h, p := &j.held, &j.parts[at]
	Parse(p.text, &j.first)
	if h.details == 0 && p.details {
		// What it was called with is all that is known.
		if n := bytes.IndexByte(p.text, '\n'); n >= 0 && len(h.text)+len(p.text)-n <= MaxLine {
			h.text = append(h.text, p.text[n:]...)
			h.cut = p.cut
		} else {
			h.cut = true
		}
	}
	text, id := p.text, p.id
	j.drop(at)
	Parse(h.text, &j.line)
	j.line.Begin, j.line.Cut = j.first.Time, h.cut
	if j.line.LWP == 0 {
		j.line.LWP = j.first.LWP
	}
	emit(&j.line)
	j.keep(text, id)
	j.trim()
}

// wait makes a part of what is held.
func (j *Joiner) wait(emit func(*Line)) {
	h := &j.held
	if len(h.text)+len(h.id) > maxPendingBytes {
		Parse(h.text, &j.line)
		j.line.Cut = h.cut
		emit(&j.line)
		j.trim()
		return
	}
	switch same := j.index[h.thread]; {
	case h.lwp != 0:
		j.orphans(h.thread, emit)
	case len(same) >= maxSame:
		j.orphan(same[0], emit)
	}
	if at := j.find(h.thread, h.id); at != 0 && j.parts[at].thread == h.thread {
		j.orphan(at, emit)
	}
	for j.parts[0].next != 0 && (j.used >= MaxPending || j.bytes+len(h.text)+len(h.id) > maxPendingBytes) {
		j.orphan(j.parts[0].next, emit)
	}
	at := j.free
	if at != 0 {
		j.free = j.parts[at].next
	} else {
		at = int32(len(j.parts))
		j.parts = append(j.parts, part{})
	}
	p := &j.parts[at]
	p.thread, p.details, p.cut = h.thread, h.details > 0, h.cut
	p.text = append(p.text[:0], h.text...)
	p.id = append(p.id[:0], h.id...)
	j.bytes += len(p.text) + len(p.id)
	p.prev, p.next = j.parts[0].prev, 0
	j.parts[p.prev].next = at
	j.parts[0].prev = at
	j.index[p.thread] = append(j.index[p.thread], at)
	j.procs[p.pid]++
	j.used++
	j.trim()
}

// drop forgets a part, whose buffers it takes away.
func (j *Joiner) drop(at int32) {
	p := &j.parts[at]
	j.bytes -= len(p.text) + len(p.id)
	j.used--
	same := j.index[p.thread]
	if i := slices.Index(same, at); i >= 0 {
		same = slices.Delete(same, i, i+1)
	}
	if len(same) == 0 {
		delete(j.index, p.thread)
	} else {
		j.index[p.thread] = same
	}
	if j.procs[p.pid]--; j.procs[p.pid] == 0 {
		delete(j.procs, p.pid)
	}
	j.parts[p.prev].next = p.next
	j.parts[p.next].prev = p.prev
	p.text, p.id = nil, nil
	p.next, j.free = j.free, at
}

// keep gives the part that is free next its buffers.
func (j *Joiner) keep(text, id []byte) {
	const most = 1 << 10
	if j.free != 0 && j.parts[j.free].text == nil && cap(text) <= most && cap(id) <= most {
		j.parts[j.free].text, j.parts[j.free].id = text[:0], id[:0]
	}
}

// orphan gives a part on as it is.
func (j *Joiner) orphan(at int32, emit func(*Line)) {
	p := &j.parts[at]
	text, id, cut := p.text, p.id, p.cut
	j.drop(at)
	Parse(text, &j.first)
	j.first.Cut = cut
	emit(&j.first)
	j.keep(text, id)
}

// orphans gives on all parts of a thread.
func (j *Joiner) orphans(who thread, emit func(*Line)) {
	for len(j.index[who]) > 0 {
		j.orphan(j.index[who][0], emit)
	}
}

// ended gives on the parts of a process, or of its thread only.
func (j *Joiner) ended(who thread, only bool, emit func(*Line)) {
	if only || j.procs[who.pid] == 0 {
		j.orphans(who, emit)
		return
	}
	// From the newest one on: what is passed by to come to an old one has been
	// added since that was.
	j.gone = j.gone[:0]
	for at := j.parts[0].prev; at != 0 && len(j.gone) < j.procs[who.pid]; at = j.parts[at].prev {
		if j.parts[at].pid == who.pid {
			j.gone = append(j.gone, at)
		}
	}
	slices.Reverse(j.gone)
	for _, at := range j.gone {
		j.orphan(at, emit)
	}
}
