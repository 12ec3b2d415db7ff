package strace

import "bytes"

const (
	// MaxPending bounds the first parts of calls that a Joiner remembers.
	MaxPending = 4096
	// maxPendingBytes bounds what they take.
	maxPendingBytes = 4 << 20
	// maxKept bounds the buffer of each that is kept to be used again, and
	// maxKeptLine that of joined calls.
	maxKept     = 1 << 10
	maxKeptLine = 1 << 20
)

// Joiner puts calls together that were cut in two. The zero value is ready. It
// takes lines in their order and gives all of them on, each once: both parts of
// a call as one line of kind Call, where the second part was, and all others as
// they are. A part without its other one is an orphan, and is given on as it
// is; a first part as soon as it is known that no second one follows, or when
// there are more of them than MaxPending.
//
// A joined call has the leader, name and times of its first part, the arguments
// of both, and all that is behind them of the second part; EndTime and EndDelta
// are the times of the latter.
//
// The Joiner owns the lines it makes, and their bytes: they are valid until
// the function returns that they are given to. Lines that were given in are
// read only while they are: first parts are copied.
type Joiner struct {
	// Tag is what the caller calls the line at hand, its number say.
	Tag uint32

	index  map[uint32]int32 // by PID
	parts  []part
	free   int32 // the first of those not in use; 0: none. Linked by next
	bytes  int
	broken int32  // what the next Rest belongs to; 0: nothing
	text   []byte // of joined
	first  Line
	joined Line
}

// part is the first part of a call. parts[0] is the head of the list of those
// in use, which begins with the oldest.
type part struct {
	prev, next int32
	pid        uint32
	tag        uint32
	text       []byte
	from, to   int // where the name of the syscall is
}

// Add takes a line and calls emit with what it completes: with no, one or
// several lines.
func (j *Joiner) Add(l *Line, emit func(*Line)) {
	if j.index == nil {
		j.index = make(map[uint32]int32)
		j.parts = make([]part, 1, 16)
	}
	switch l.Kind {
	case Unfinished, Broken:
		if at := j.index[l.PID]; at != 0 {
			j.orphan(at, emit)
		}
		j.hold(l, emit)
		return
	case Call:
		if at := j.index[l.PID]; at != 0 {
			j.orphan(at, emit)
		}
	case Resumed:
		if at := j.find(l); at != 0 {
			if j.join(at, l, emit) {
				return
			}
			j.orphan(at, emit)
		}
	case Rest:
		if at := j.broken; at != 0 {
			j.broken = 0
			if j.join(at, l, emit) {
				return
			}
			j.orphan(at, emit)
		}
	case Exit, Killed:
		if at := j.index[l.PID]; at != 0 {
			j.orphan(at, emit)
		}
	case Superseded:
		// The thread goes on under the number of the process, whose own call
		// is gone with it.
		if at := j.index[l.Code]; at != 0 && l.Code != l.PID {
			if gone := j.index[l.PID]; gone != 0 {
				j.orphan(gone, emit)
			}
			delete(j.index, l.Code)
			j.index[l.PID] = at
			j.parts[at].pid = l.PID
		}
	}
	emit(l)
}

// Waits reports whether a process has a first part that waits for its second.
func (j *Joiner) Waits(pid uint32) bool {
	return len(j.index) > 0 && j.index[pid] != 0 || j.broken != 0
}

// Flush calls emit with the first parts that are left, the oldest one first.
func (j *Joiner) Flush(emit func(*Line)) {
	for len(j.parts) > 0 && j.parts[0].next != 0 {
		j.orphan(j.parts[0].next, emit)
	}
}

// find finds the first part of a call. Lines have a number only while there are
// several processes: either part may lack it.
func (j *Joiner) find(l *Line) int32 {
	at := j.index[l.PID]
	if at != 0 && j.named(at, l.Name) {
		return at
	}
	if l.PID != 0 {
		if other := j.index[0]; other != 0 && j.named(other, l.Name) {
			return other
		}
		return at
	}
	only := int32(0)
	for n := j.parts[0].next; n != 0; n = j.parts[n].next {
		if j.named(n, l.Name) {
			if only != 0 {
				return 0
			}
			only = n
		}
	}
	if only == 0 {
		return at
	}
	return only
}

func (j *Joiner) named(at int32, name []byte) bool {
	p := &j.parts[at]
	return bytes.Equal(p.text[p.from:p.to], name)
}

// hold remembers a first part.
func (j *Joiner) hold(l *Line, emit func(*Line)) {
	for len(j.index) >= MaxPending || j.bytes > maxPendingBytes {
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
	p.pid, p.tag = l.PID, j.Tag
	p.text = l.appendLeader(p.text[:0])
	p.from, p.to = len(p.text), len(p.text)+len(l.Name)
	p.text = Append(p.text[:0], l)
	j.bytes += len(p.text)
	p.prev, p.next = j.parts[0].prev, 0
	j.parts[p.prev].next = at
	j.parts[0].prev = at
	j.index[l.PID] = at
	j.broken = 0
	if l.Kind == Broken {
		j.broken = at
	}
}

// drop forgets a first part.
func (j *Joiner) drop(at int32) {
	p := &j.parts[at]
	delete(j.index, p.pid)
	j.bytes -= len(p.text)
	j.parts[p.prev].next = p.next
	j.parts[p.next].prev = p.prev
	if cap(p.text) > maxKept {
		p.text = nil
	}
	p.next, j.free = j.free, at
	if j.broken == at {
		j.broken = 0
	}
}

// orphan gives a first part on as it is.
func (j *Joiner) orphan(at int32, emit func(*Line)) {
	Parse(j.parts[at].text, &j.first)
	text := j.parts[at].text
	j.parts[at].text = nil
	j.bytes -= len(text)
	j.drop(at)
	emit(&j.first)
	if cap(text) <= maxKept {
		j.parts[at].text = text[:0]
	}
}

// join puts both parts together and says whether they fit. What is still not
// whole then is remembered in place of the first part.
func (j *Joiner) join(at int32, second *Line, emit func(*Line)) bool {
	first := &j.first
	Parse(j.parts[at].text, first)
	if second.Kind == Resumed && !bytes.Equal(first.Name, second.Name) {
		return false
	}
	b := first.appendLeader(j.text[:0])
	b = append(b, first.Name...)
	b = append(b, '(')
	b = first.appendArgs(b)
	b = second.appendArgs(b)
	b = append(b, second.markPad...)
	b = append(b, second.Mark...)
	if second.HasResult {
		if second.noClose {
			b = append(b, ')')
		}
		b = second.appendResult(b)
	}
	b = append(b, second.trail...)
	j.text = b
	if cap(b) > maxKeptLine {
		j.text = nil
	}
	whole := &j.joined
	if Parse(b, whole) != nil {
		return false
	}
	switch whole.Kind {
	case Call:
		tag := j.parts[at].tag
		j.drop(at)
		whole.Joined, whole.FirstTag, whole.EndTime, whole.EndDelta = true, tag, second.Time, second.Delta
		emit(whole)
		return true
	case Unfinished, Broken:
		p := &j.parts[at]
		j.bytes += len(b) - len(p.text)
		p.text = append(p.text[:0], b...)
		if whole.Kind == Broken {
			j.broken = at
		}
		return true
	}
	return false
}
