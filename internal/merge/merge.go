// Package merge orders the records of several layers: a cause precedes its
// effect. It delays records for a short time (Window), until the calls that sent
// the packets have returned and the owners of the packets are known.
package merge

import (
	"encoding/binary"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/syscalls"
	"github.com/pidwire/pidwire/internal/wire"
)

const (
	// Window is how long a record is delayed, in ns. Most calls that send have
	// returned by then, and most accepted sockets have been used.
	Window = 50_000_000
	// maxHeld bounds the delayed records, in bytes; above it the oldest are emitted early.
	maxHeld = 3 << 20
	slabLen = 128 << 10
	// maxSpare is how many empty slabs are kept.
	maxSpare = 4
)

// Merger delays records and emits them in order. It is for one goroutine and has
// no clock: time is that of the records, and the argument of Idle.
//
// The position of a record is the time at which it was made. For a call that is
// its return, which follows whatever woke it. Only calls that send, connect or
// close are positioned at their entry, before the packets that they cause.
type Merger struct {
	emit func(wire.Record) error
	held []item // from next on, by at
	next int
	size int // bytes held

	cur   *slab
	spare []*slab

	children  children
	listeners map[uint64]bool      // cookies of sockets that SYNs came to
	labels    map[labelKey]*labels // delayed packets whose owner may change
	shared    map[uint64]bool      // cookies of sockets that several processes use
	holders   map[uint64]bool      // cookies of sockets that several processes held at attach, and that none has used since
	anyHeld   bool                 // the table was too small
	audits    audits
	heldBack  map[uint32]*heldBack // by tid: kernel events of a call that has not returned
	back      int                  // bytes of these
	waiting   uint64               // the time at which the first of these have waited for too long, or an earlier time
	order     []wire.Record        // of one thread, while they are sorted
}

type item struct {
	at    uint64
	rec   wire.Record // nil: removed
	slab  *slab
	label *labels // lists that contain it, nil: none
}

// slab is memory for copies of records. It is reused once all of them are emitted.
type slab struct {
	buf  []byte
	used int
}

// New returns a merger that passes records to emit, which must not keep them
// after it returns.
func New(emit func(wire.Record) error) *Merger {
	return &Merger{emit: emit, children: children{young: map[uint64]tuple{}}, listeners: map[uint64]bool{}, labels: map[labelKey]*labels{}, shared: map[uint64]bool{}, holders: map[uint64]bool{}, heldBack: map[uint32]*heldBack{}}
}

// Add takes a record; its bytes are copied.
func (m *Merger) Add(r wire.Record) error {
	now := r.Time()
	m.tooLong(now)
	if now > Window {
		if err := m.release(now - Window); err != nil {
			return err
		}
	}
	at := now
	switch r.Kind() {
	case wire.KindKernel, wire.KindFunc:
		if m.awaitsCall(r) {
			return m.bound()
		}
	case wire.KindEnd:
		// The end record is from the calls' source, and later audit records may have arrived.
		if m.next < len(m.held) {
			at = max(at, m.held[len(m.held)-1].at)
		}
	case wire.KindSyscall:
		if len(r) >= wire.SizeSyscall {
			if sends(r) {
				at = binary.LittleEndian.Uint64(r[wire.OffSyscallEnter:])
			}
			m.accepted(r)
		}
	case wire.KindAudit:
		if taken, err := m.auditNotice(r); taken {
			return err
		}
		if m.audits.on {
			if whole, place, ok := m.addAudit(r); ok {
				m.insert(place, whole)
				return m.bound()
			}
		}
	case wire.KindHandover:
		m.handedOver(r)
	case wire.KindWrote:
		m.wrote(r)
		return m.bound()
	case wire.KindState:
		m.born(r)
	case wire.KindSock:
		m.hold(r)
	case wire.KindPacket:
		if len(r) >= wire.SizePacket {
			m.once(r)
			m.listens(r)
		}
	}
	if !m.audits.on {
		m.insert(at, r)
		if r.Kind() == wire.KindSyscall {
			m.returned(r, at)
		}
		return m.bound()
	}
	var joined wire.Record
	if r.Kind() == wire.KindSyscall {
		joined = m.addCall(r)
	}
	held := m.insert(at, r)
	switch {
	case joined != nil:
		m.insert(at, joined)
	case r.Kind() == wire.KindSyscall:
		m.holdCall(held, at)
	case r.Kind() == wire.KindAudit:
		m.holdAudit(held)
	}
	if r.Kind() == wire.KindSyscall {
		m.returned(r, at)
	}
	return m.bound()
}

// bound emits the oldest records while more than maxHeld bytes are delayed.
func (m *Merger) bound() error {
	for m.size > maxHeld {
		if err := m.pass(); err != nil {
			return err
		}
	}
	return nil
}

// Idle emits the records whose delay is over at time now (CLOCK_MONOTONIC, ns).
// Every record made before now must have been added.
func (m *Merger) Idle(now uint64) error {
	m.tooLong(now)
	if now < Window {
		return nil
	}
	return m.release(now - Window)
}

// Flush emits all records.
func (m *Merger) Flush() error {
	m.tooLong(1<<64 - 1)
	for m.next < len(m.held) {
		if err := m.pass(); err != nil {
			return err
		}
	}
	return nil
}

func (m *Merger) release(until uint64) error {
	for m.next < len(m.held) && m.held[m.next].at <= until {
		if err := m.pass(); err != nil {
			return err
		}
	}
	return nil
}

// pass emits the first record.
func (m *Merger) pass() error {
	it := m.held[m.next]
	m.held[m.next] = item{}
	m.next++
	if m.next == len(m.held) {
		m.held, m.next = m.held[:0], 0
	}
	m.size -= len(it.rec)
	m.unlabel(&it)
	var missing *lateCall
	if m.audits.on && len(it.rec) > 0 {
		if k := it.rec.Kind(); k == wire.KindSyscall || k == wire.KindAudit {
			missing = m.leaves(it.rec)
		}
	}
	err := error(nil)
	if len(it.rec) > 0 {
		err = m.emit(it.rec)
	}
	if err == nil && missing != nil {
		err = m.tell(missing)
	}
	if it.slab.used--; it.slab.used == 0 && it.slab != m.cur && cap(it.slab.buf) == slabLen && len(m.spare) < maxSpare {
		it.slab.buf = it.slab.buf[:0]
		m.spare = append(m.spare, it.slab)
	}
	return err
}

// insert copies a record to its position, behind all records of the same time, and
// returns the copy.
func (m *Merger) insert(at uint64, r wire.Record) wire.Record {
	if m.cur == nil || cap(m.cur.buf)-len(m.cur.buf) < len(r) {
		switch {
		case m.cur != nil && m.cur.used == 0 && cap(m.cur.buf) >= len(r):
			m.cur.buf = m.cur.buf[:0]
		case len(m.spare) > 0 && len(r) <= slabLen:
			m.cur, m.spare = m.spare[len(m.spare)-1], m.spare[:len(m.spare)-1]
		default:
			m.cur = &slab{buf: make([]byte, 0, max(slabLen, len(r)))}
		}
	}
	s := m.cur
	from := len(s.buf)
	s.buf = append(s.buf, r...)
	s.used++
	m.size += len(r)
	if m.next > 4096 && m.next > len(m.held)/2 {
		n := copy(m.held, m.held[m.next:])
		clear(m.held[n:])
		m.held, m.next = m.held[:n], 0
	}
	it := item{at: at, rec: s.buf[from:len(s.buf):len(s.buf)], slab: s}
	switch it.rec.Kind() {
	case wire.KindPacket:
		if len(it.rec) >= wire.SizePacket {
			m.holdersMay(it.rec)
		}
		it.label = m.label(it.rec)
	case wire.KindKernel:
		it.label = m.label(it.rec)
	}
	m.held = append(m.held, it)
	for i := len(m.held) - 1; i > m.next && m.held[i-1].at > at; i-- {
		m.held[i-1], m.held[i] = m.held[i], m.held[i-1]
	}
	return it.rec
}

// takeOut removes a delayed record.
func (m *Merger) takeOut(i int) {
	it := &m.held[i]
	m.unlabel(it)
	m.size -= len(it.rec)
	it.rec = nil
}

// sends reports whether a call causes packets.
func sends(r wire.Record) bool {
	if r[wire.OffSyscallFlags]&wire.CallWaiting != 0 {
		return false
	}
	c := syscalls.Find(r[wire.OffSyscallAbi], binary.LittleEndian.Uint32(r[wire.OffSyscallNr:]), r[wire.OffSyscallSub])
	const causes = event.Binds | event.Connects | event.Listens | event.Sends | event.Splices | event.ShutsDown | event.Closes | event.ClosesRange | event.Replaces
	return c != nil && c.Role.Has(causes)
}
