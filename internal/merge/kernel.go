package merge

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/pidwire/pidwire/internal/wire"
)

// heldBack is what the kernel did in a thread since its last call was recorded. It belongs to a
// call that has not returned, and is emitted below that call.
type heldBack struct {
	buf   []byte // records, one after the other
	kept  []byte // buffer for the remaining ones
	first uint64 // time of the earliest
	tree  bool   // functions are among them, or stacks
}

// inTree reports whether a record is a part of the tree of functions of its call.
func inTree(r wire.Record) bool {
	return r.Kind() == wire.KindFunc || len(r) >= wire.SizeKernel && r[wire.OffKernelNkstack] > 0
}

// until returns the time at which the wait for the call is over.
func (d *heldBack) until() uint64 {
	if d.tree {
		return d.first + treeWindow
	}
	return d.first + Window
}

const (
	// treeWindow replaces Window where functions or stacks are recorded: a tree above its call, or below another
	// one, is not readable. A connect over the internet takes longer than Window.
	treeWindow = 1_000_000_000
	// maxHeldBack is the maximum number of bytes that are held back for one call, and maxThreads the
	// maximum number of threads. All together hold back at most maxHeld bytes.
	maxHeldBack = 1 << 20
	maxThreads  = 4096
)

// awaitsCall holds back a kernel event or function in task context.
func (m *Merger) awaitsCall(r wire.Record) bool {
	var tid uint32
	switch {
	case r.Kind() == wire.KindFunc && len(r) >= wire.SizeFunc:
		tid = binary.LittleEndian.Uint32(r[wire.OffFuncOwner+wire.OffOwnerTid:])
	case r.Kind() == wire.KindKernel && len(r) >= wire.SizeKernel && r[wire.OffKernelContext] == wire.ContextTask && binary.LittleEndian.Uint32(r[wire.OffKernelOnTid:]) == 0:
		tid = binary.LittleEndian.Uint32(r[wire.OffKernelOwner+wire.OffOwnerTid:])
	default:
		return false
	}
	d := m.heldBack[tid]
	if d == nil {
		if len(m.heldBack) >= maxThreads {
			return false
		}
		d = &heldBack{}
		m.heldBack[tid] = d
	}
	switch {
	case len(d.buf)+len(r) > maxHeldBack:
		m.releaseHeld(d, 0, 0, 1<<64-1)
	case m.back+len(r) > maxHeld:
		m.tooLong(1<<64 - 1)
		if m.heldBack[tid] == nil {
			m.heldBack[tid] = d
		}
	}
	if len(d.buf) == 0 || r.Time() < d.first {
		d.first = r.Time()
	}
	d.buf = append(d.buf, r...)
	d.tree = d.tree || inTree(r)
	m.back += len(r)
	m.waiting = min(m.waiting, d.until())
	return true
}

// returned emits the kernel events of a call, after the call, which is placed at time at.
func (m *Merger) returned(r wire.Record, at uint64) {
	if len(r) < wire.SizeSyscall || len(m.heldBack) == 0 || r[wire.OffSyscallFlags]&wire.CallWaiting != 0 {
		return
	}
	d := m.heldBack[binary.LittleEndian.Uint32(r[wire.OffSyscallTid:])]
	if d == nil || len(d.buf) == 0 {
		return
	}
	m.releaseHeld(d, binary.LittleEndian.Uint64(r[wire.OffSyscallEnter:]), at, 1<<64-1)
}

// tooLong emits events that have been held back for too long at time now: their call blocks, or is
// not shown.
func (m *Merger) tooLong(now uint64) {
	if m.waiting > now {
		return
	}
	m.waiting = 1<<64 - 1
	for tid, d := range m.heldBack {
		if over := d.until(); len(d.buf) > 0 && over <= now {
			m.releaseHeld(d, 0, 0, now-(over-d.first))
		}
		if len(d.buf) == 0 {
			delete(m.heldBack, tid)
			continue
		}
		m.waiting = min(m.waiting, d.until())
	}
}

// releaseHeld emits the events of a thread up to until, at their own times. Events since enter are
// placed after the call, which is at time at.
func (m *Merger) releaseHeld(d *heldBack, enter, at, until uint64) {
	// A function is recorded when it calls another one or returns: events in it may
	// have been recorded before.
	list := m.order[:0]
	m.back -= len(d.buf)
	d.tree = false
	for rest := d.buf; len(rest) >= wire.SizeHdr; {
		r := wire.Record(rest[:min(len(rest), int(binary.LittleEndian.Uint32(rest)))])
		list = append(list, r)
		rest = rest[len(r):]
	}
	slices.SortStableFunc(list, func(a, b wire.Record) int { return cmp.Compare(a.Time(), b.Time()) })
	n := 0
	for ; n < len(list) && list[n].Time() <= until; n++ {
		time := list[n].Time()
		if time >= enter {
			time = max(time, at)
		}
		m.insert(time, list[n])
	}
	kept := d.kept[:0]
	for _, r := range list[n:] {
		kept = append(kept, r...)
		d.tree = d.tree || inTree(r)
	}
	m.back += len(kept)
	d.buf, d.kept = kept, d.buf
	m.order = list[:0]
	if len(d.buf) > 0 {
		d.first = wire.Record(d.buf).Time()
	}
}
