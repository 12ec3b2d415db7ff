package ktrace

import "bytes"

// memory is the state of a Reader.
type memory struct {
	used    int // estimated bytes
	names   map[string][]byte
	cpus    map[int32]*cpu
	tasks   map[uint32]*stack
	threads map[uint32]*thread
	lost    uint64 // number of times that lines were lost
}

// maxMemory bounds the state, in bytes.
const maxMemory = 8 << 20

// cpu is the state of a CPU of ftrace.
type cpu struct {
	pid   uint32
	comm  []byte
	stack stack
}

// stack has the open functions by depth. Those that function_graph omitted have no name.
type stack struct {
	funcs []fn
	lost  uint64 // memory.lost when they were entered
}

type fn struct{ name, module []byte }

// thread has the open functions of a thread of SystemTap.
type thread struct {
	frames []frame
}

type frame struct {
	name []byte
	ns   int64 // since the outermost entry
}

// entrySize is the estimated overhead of an entry in a map or slice.
const entrySize = 96

// grow adds n bytes to the size of the state. If that exceeds maxMemory it drops all state: pointers into
// memory are then stale.
func (m *memory) grow(n int) {
	if m.used+n > maxMemory {
		*m = memory{}
	}
	if m.names == nil {
		m.names = map[string][]byte{}
		m.cpus = map[int32]*cpu{}
		m.tasks = map[uint32]*stack{}
		m.threads = map[uint32]*thread{}
	}
	m.used += n
}

// intern returns a copy of a name, which is shared as names repeat.
func (m *memory) intern(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	if s, ok := m.names[string(b)]; ok {
		return s
	}
	b = b[:min(len(b), maxName)]
	m.grow(2*len(b) + entrySize)
	s := bytes.Clone(b)
	m.names[string(s)] = s
	return s
}

func (m *memory) cpu(n int32) *cpu {
	c := m.cpus[n]
	if c == nil {
		m.grow(2 * entrySize)
		c = &cpu{}
		m.cpus[n] = c
	}
	return c
}

// graph implements Reader.inherit for ftrace.
func (r *Reader) graph(l *Line) {
	if l.CPU >= 0 {
		switch {
		case l.PID != 0 || len(l.Comm) > 0: // the line names the task
			comm := r.intern(l.Comm)
			c := r.cpu(l.CPU)
			c.pid, c.comm = l.PID, comm
		case l.Kind != Lost && l.Kind != Header && l.Kind != Note:
			if c := r.cpus[l.CPU]; c != nil {
				l.PID, l.Comm = c.pid, c.comm
			}
		}
	}
	switch l.Kind {
	case Lost:
		// The kernel prints the names of functions whose entry was lost, trace-cmd does not: a
		// `}` would be matched with an older function.
		r.lost++
	case Enter, Leave, Leaf:
		if l.Depth < MaxDepth {
			r.nest(l)
		}
	}
}

// nest sets the function that a `}` ends.
func (r *Reader) nest(l *Line) {
	var f fn
	if l.Kind == Enter {
		f = fn{r.intern(l.Name), r.intern(l.Module)}
	}
	s := r.stack(l)
	if l.Depth >= len(s.funcs) {
		if l.Kind != Enter {
			return
		}
		if l.Depth >= cap(s.funcs) {
			r.grow((2*l.Depth + 8) * entrySize)
			s = r.stack(l)
			s.funcs = append(make([]fn, 0, 2*l.Depth+8), s.funcs...)
		}
		s.funcs = s.funcs[:l.Depth+1]
	}
	if l.Kind == Leave && len(l.Name) == 0 {
		l.Name, l.Module = s.funcs[l.Depth].name, s.funcs[l.Depth].module
	}
	s.funcs[l.Depth] = f
}

// stack returns the stack of open functions for a line of function_graph.
//
// The kernel stores for each CPU the function that it printed last at each depth, for any task, and prints
// the name after a `}` only if it differs. So a `}` without a name ends the function that was
// printed last on the CPU. trace-cmd never prints the name: there the stack is that of the task.
func (r *Reader) stack(l *Line) *stack {
	if !l.byTask {
		return &r.cpu(l.CPU).stack
	}
	s := r.tasks[l.PID]
	if s == nil {
		r.grow(2 * entrySize)
		s = &stack{}
		r.tasks[l.PID] = s
	}
	if s.lost != r.lost {
		clear(s.funcs)
		s.lost = r.lost
	}
	return s
}

// thread matches the lines of a thread of SystemTap. The times are relative to the outermost entry, so
// that their differences are durations.
func (r *Reader) thread(l *Line) {
	switch l.Kind {
	case Enter:
		name := r.intern(l.Name)
		t := r.threadOf(l.PID)
		if l.Depth == 0 && l.Time.NS == 0 {
			t.frames = t.frames[:0] // functions that have not returned never will
		}
		if len(t.frames) == MaxDepth {
			return
		}
		if len(t.frames) == cap(t.frames) {
			r.grow((2*len(t.frames) + 8) * entrySize)
			t = r.threadOf(l.PID)
			t.frames = append(make([]frame, 0, 2*len(t.frames)+8), t.frames...)
		}
		t.frames = append(t.frames, frame{name, l.Time.NS})
	case Leave:
		t := r.threads[l.PID]
		if t == nil {
			return
		}
		for i := len(t.frames) - 1; i >= 0; i-- {
			if !bytes.Equal(t.frames[i].name, l.Name) {
				continue
			}
			if d := l.Time.NS - t.frames[i].ns; d >= 0 {
				l.Dur, l.HasDur = d, true
			}
			t.frames = t.frames[:i]
			return
		}
	}
}

func (r *Reader) threadOf(pid uint32) *thread {
	t := r.threads[pid]
	if t == nil {
		r.grow(2 * entrySize)
		t = &thread{}
		r.threads[pid] = t
	}
	return t
}
