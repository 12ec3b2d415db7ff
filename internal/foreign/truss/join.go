package truss

import (
	"bytes"
	"slices"
)

const (
	// MaxPending is the maximum number of Unfinished calls that a Joiner stores, and maxSame
	// that of one thread, or of one process if threads are not distinguished.
	MaxPending = 4096
	maxSame    = 64
	// maxPendingBytes bounds their memory.
	maxPendingBytes = 4 << 20
	// maxKept is the largest buffer that is kept for reuse.
	maxKept = 1 << 20
)

// Joiner joins lines that belong together. The zero value is ready to use. It takes parsed lines in
// order and emits all of them: an Unfinished and its later Call as that Call, at its position,
// with the time of the Unfinished as Begin; Details as part of the call or signal before them;
// all others unchanged.
//
// An Unfinished without a Call is emitted unchanged: when its thread makes another call or ends,
// when there are more than MaxPending, or at Flush. So is a Detail without a call before it.
// Details beyond MaxDetails are dropped, and Line.Cut of the call is set.
//
// As a call may have details, it is emitted only with the next line.
//
// The Joiner owns the lines that it emits and their bytes: they are valid until emit returns. It
// does not retain lines passed to it.
type Joiner struct {
	held  held
	parts []part
	free  int32              // first unused part, linked by next; 0: none
	index map[thread][]int32 // parts of a thread, the oldest first
	procs map[uint32]int     // number of parts of a process
	used  int
	bytes int
	gone  []int32 // scratch for ended
	line  Line
	first Line
}

// thread identifies the thread of a line.
type thread struct{ pid, lwp uint32 }

// held is the previous line, if it may have details.
type held struct {
	thread
	kind    Kind
	text    []byte
	details int // their length in text, in bytes
	id      []byte
	cut     bool
}

// part is an Unfinished. parts[0] is the head of the list of used parts, the oldest first.
type part struct {
	thread
	prev, next int32
	text       []byte
	id         []byte
	details    bool
	cut        bool
}

// Add takes a line, and calls emit for each line that is complete: none, one or several.
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
		if l.Flavor == FreeBSD { // FreeBSD prints no details
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

// Flush calls emit for the remaining lines: first the held line, then the calls that did not
// return, the oldest first.
func (j *Joiner) Flush(emit func(*Line)) {
	j.release(emit)
	for len(j.parts) > 0 && j.parts[0].next != 0 {
		j.orphan(j.parts[0].next, emit)
	}
}

// release emits the held line.
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

// trim frees large buffers.
func (j *Joiner) trim() {
	if cap(j.held.text) > maxKept {
		j.held.text = nil
	}
	if cap(j.held.id) > maxKept {
		j.held.id = nil
	}
}

// find returns the Unfinished call of a thread with the given name and first argument, which is
// the fd. Lines have a thread number only while there are several threads, so each line may lack
// it.
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

// join emits the held line as the return of the call of a part.
func (j *Joiner) join(at int32, emit func(*Line)) {
	h, p := &j.held, &j.parts[at]
	Parse(p.text, &j.first)
	if h.details == 0 && p.details {
		// Only the Unfinished has details.
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

// wait stores the held line as a part.
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

// drop removes a part and its buffers.
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

// keep gives the buffers of a dropped part to the next unused part.
func (j *Joiner) keep(text, id []byte) {
	const most = 1 << 10
	if j.free != 0 && j.parts[j.free].text == nil && cap(text) <= most && cap(id) <= most {
		j.parts[j.free].text, j.parts[j.free].id = text[:0], id[:0]
	}
}

// orphan emits a part unchanged.
func (j *Joiner) orphan(at int32, emit func(*Line)) {
	p := &j.parts[at]
	text, id, cut := p.text, p.id, p.cut
	j.drop(at)
	Parse(text, &j.first)
	j.first.Cut = cut
	emit(&j.first)
	j.keep(text, id)
}

// orphans emits all parts of a thread.
func (j *Joiner) orphans(who thread, emit func(*Line)) {
	for len(j.index[who]) > 0 {
		j.orphan(j.index[who][0], emit)
	}
}

// ended emits the parts of a process, or with only those of the thread.
func (j *Joiner) ended(who thread, only bool, emit func(*Line)) {
	if only || j.procs[who.pid] == 0 {
		j.orphans(who, emit)
		return
	}
	// Search from the newest part: the skipped parts are newer than the process's, which
	// bounds the cost.
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
