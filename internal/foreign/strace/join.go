package strace

import "bytes"

const (
	// MaxPending is the maximum number of first parts that a Joiner stores.
	MaxPending = 4096
	// maxPendingBytes bounds their memory.
	maxPendingBytes = 4 << 20
	// maxKept is the largest buffer of a part that is kept for reuse, and maxKeptLine that of
	// joined calls.
	maxKept     = 1 << 10
	maxKeptLine = 1 << 20
)

// Joiner joins the two parts of interrupted calls. The zero value is ready to use. It takes lines
// in order and emits all of them, each once: both parts of a call as one line of kind Call, at
// the position of the second part, and all others unchanged. A part without the other one is an
// orphan, and is emitted unchanged: a first part as soon as it is certain that no second part
// follows, or when there are more than MaxPending.
//
// A joined call has the leader, name and times of the first part, the arguments of both, and the
// rest of the second part. EndTime and EndDelta are the times of the second part.
//
// The Joiner owns the lines that it emits and their bytes: they are valid until emit returns. It
// does not retain lines passed to it: it copies first parts.
type Joiner struct {
	// Tag is set by the caller to identify the current line, for example by its number.
	Tag uint32

	index  map[uint32]int32 // by PID
	parts  []part
	free   int32 // first unused part, linked by next; 0: none
	bytes  int
	broken int32  // part to which the next Rest belongs; 0: none
	text   []byte // text of joined
	first  Line
	joined Line
}

// part is the first part of a call. parts[0] is the head of the list of used parts, the oldest
// first.
type part struct {
	prev, next int32
	pid        uint32
	tag        uint32
	text       []byte
	from, to   int // offsets of the syscall name
}

// Add takes a line, and calls emit for each line that is complete: none, one or several.
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
		// The thread continues with the pid of the process. The call of the main thread never
		// returns.
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

// Waits reports whether a process has a first part without its second part.
func (j *Joiner) Waits(pid uint32) bool {
	return len(j.index) > 0 && j.index[pid] != 0 || j.broken != 0
}

// Flush calls emit for the remaining first parts, the oldest first.
func (j *Joiner) Flush(emit func(*Line)) {
	for len(j.parts) > 0 && j.parts[0].next != 0 {
		j.orphan(j.parts[0].next, emit)
	}
}

// find returns the first part of a call. Lines have a pid only while strace traces several
// processes, so each part may lack it.
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

// hold stores a first part.
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

// drop removes a first part.
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

// orphan emits a first part unchanged.
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

// join joins both parts. It returns false if they do not fit. If the result is still incomplete it
// is stored in place of the first part.
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
