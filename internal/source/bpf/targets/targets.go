//go:build linux

// Package targets maintains the set of watched processes: those that match at the
// start, and those that match later. The BPF programs maintain their targets map at
// fork, exec and exit. What they cannot decide is decided here, where the ring is read in
// order. After a loss of records, the set is updated from the map.
//
// A process is watched from a certain time: its fork, the exec that made it match, or
// always if it existed at attach. Records of it from before that time are not passed
// on, nor are records of processes that are not watched.
package targets

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/source/bpf/load"
	"github.com/pidwire/pidwire/internal/source/proc"
	"github.com/pidwire/pidwire/internal/wire"
)

// kernel is the interface to the maps of the BPF programs; see load.Kernel.
type kernel interface {
	SetTarget(pid, mode uint32) error
	Forget(pid uint32) error
	Refuse(pid uint32, since uint64) error
	Target(pid uint32) (load.Target, error)
	Targets() ([]load.Target, error)
	Drop(load.Target) error
	Room() int
	Ended(pid uint32) (start uint64)
	TakeLost(pid uint32) [wire.LayerAud]uint64
}

// machine is the interface to /proc; see proc.FS.
type machine interface {
	PIDs() ([]uint32, error)
	Brief(pid uint32) (*proc.Process, error)
	Read(pid uint32) (*proc.Process, error)
	Alive(pid uint32) bool
}

// Set is the set of watched processes. It is not safe for concurrent use.
type Set struct {
	o      Options
	kernel kernel
	proc   machine

	alive map[uint32]*member
	last  *member      // result of the last lookup
	ended past[member] // watched processes that have ended; the kernel still closes their sockets
	no    past[member] // refused processes

	// Found lists processes that are watched although the record that announces it was
	// lost. The caller reads and clears it.
	Found []*proc.Process
	// Lost counts the lost records of processes that were undecided and are watched now, by
	// layer. Unasked counts processes that ended before they were decided, Full those that
	// are not watched because the map is full. The caller reads and clears them.
	Lost    [wire.LayerAud]uint64
	Unasked uint64
	Full    uint64
}

// member is a process, identified by pid and start time.
type member struct {
	pid   uint32
	start uint64 // ns since boot; a multiple of tick if it is from /proc
	from  uint64 // CLOCK_MONOTONIC ns from which it is watched
}

// tick is the unit of start times in /proc, in ns.
const tick = 10_000_000

// is reports whether m started at that time; 0 means an unknown time, which always matches.
func (m *member) is(start uint64) bool {
	switch {
	case m.start == start || start == 0 || m.start == 0:
		return true
	case m.start%tick == 0 || start%tick == 0:
		return m.start/tick == start/tick
	}
	return false
}

// maxPast is the maximum number of entries in a past.
const maxPast = 8192

// past is a map by pid that keeps the latest entries.
type past[T any] struct {
	young, old map[uint32]T
}

func (p *past[T]) add(pid uint32, v T) {
	if p.young == nil || len(p.young) >= maxPast/2 {
		p.young, p.old = map[uint32]T{}, p.young
	}
	p.young[pid] = v
}

func (p *past[T]) get(pid uint32) (T, bool) {
	if v, ok := p.young[pid]; ok {
		return v, true
	}
	v, ok := p.old[pid]
	return v, ok
}

func (p *past[T]) drop(pid uint32) {
	delete(p.young, pid)
	delete(p.old, pid)
}

// Options selects the processes to watch.
type Options struct {
	Criteria []proc.Target
	Proc     proc.FS
	Never    []uint32 // pids that are never watched; 0 is ignored
	Follow   bool     // children of targets are targets
	// Joined is called for each process that becomes a target, Left for each target that has
	// ended. They may be nil.
	Joined, Left func(pid uint32)
}

// New returns an empty set.
func New(k kernel, o Options) *Set {
	return &Set{o: o, kernel: k, proc: o.Proc, alive: map[uint32]*member{}}
}

// Find marks the matching processes and their children as watched. It repeats the
// search until it finds no new ones, because a process may fork before it is marked.
// byPort has the pids that match by port. The error wraps proc.ErrNoTarget if a process
// that was given by pid has ended.
func (s *Set) Find(byPort map[uint32]bool) ([]*proc.Process, error) {
	f := finder{
		Set: s, byPort: byPort, marked: map[uint32]*proc.Process{}, full: map[uint32]bool{}, seen: map[uint32]bool{},
		brief: !slices.ContainsFunc(s.o.Criteria, func(t proc.Target) bool { return !t.MatchBrief() }),
	}
	for added := true; added; {
		pids, err := s.proc.PIDs()
		if err != nil {
			return nil, err
		}
		added = false
		for _, pid := range pids {
			ok, err := f.look(pid)
			if err != nil {
				return nil, err
			}
			added = added || ok
		}
	}
	for i := range s.o.Criteria {
		t := &s.o.Criteria[i]
		if t.PID != 0 && f.marked[t.PID] == nil && !f.full[t.PID] {
			return nil, fmt.Errorf("%w: process %d exited before it could be watched", proc.ErrNoTarget, t.PID)
		}
	}
	for _, p := range f.order {
		s.add(&member{pid: p.PID, start: p.Start})
	}
	return f.order, nil
}

// finder is one search for the processes that match.
type finder struct {
	*Set
	byPort map[uint32]bool
	marked map[uint32]*proc.Process
	full   map[uint32]bool // not marked because the map is full
	seen   map[uint32]bool // completely read before: only their parents may have changed
	brief  bool            // the fields that Brief reads are sufficient for all criteria
	order  []*proc.Process // marked, in the order of marking
}

// look marks a process if it matches, and reports whether it did.
func (f *finder) look(pid uint32) (added bool, err error) {
	if f.marked[pid] != nil || slices.Contains(f.o.Never, pid) || f.full[pid] {
		return false, nil
	}
	if f.brief || f.seen[pid] {
		p, err := f.proc.Brief(pid)
		if errors.Is(err, fs.ErrNotExist) || err == nil && !f.wants(p) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	p, err := f.proc.Read(pid)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	f.seen[pid] = true
	if !f.wants(p) {
		return false, nil
	}
	switch err := f.kernel.SetTarget(pid, wire.TargetWatch); {
	case errors.Is(err, load.ErrFull):
		f.full[pid] = true
		f.Full++
		return false, nil
	case err != nil:
		return false, fmt.Errorf("watching %d: %w", pid, err)
	}
	f.marked[pid] = p
	f.order = append(f.order, p)
	return true, nil
}

func (f *finder) wants(p *proc.Process) bool {
	return f.byPort[p.PID] || f.o.Follow && f.marked[p.PPID] != nil || f.matches(p)
}

func (s *Set) matches(p *proc.Process) bool {
	for i := range s.o.Criteria {
		if s.o.Criteria[i].Match(p) {
			return true
		}
	}
	return false
}

// Has reports whether a process is watched and alive.
func (s *Set) Has(pid uint32) bool { return s.alive[pid] != nil }

// Empty reports whether no process is watched and alive.
func (s *Set) Empty() bool { return len(s.alive) == 0 }

// add adds a process to the set, and calls Joined if it is new.
func (s *Set) add(m *member) {
	if was := s.alive[m.pid]; was != nil && was.is(m.start) {
		if m.start%tick != 0 {
			was.start = m.start
		}
		was.from = min(was.from, m.from)
		return
	} else if was != nil {
		s.end(was) // its exit record was lost, and the pid has been reused
	}
	s.alive[m.pid] = m
	s.no.drop(m.pid)
	for layer, n := range s.kernel.TakeLost(m.pid) {
		s.Lost[layer] += n
	}
	if s.o.Joined != nil {
		s.o.Joined(m.pid)
	}
}

// end removes a process from the set, and calls Left.
func (s *Set) end(m *member) {
	delete(s.alive, m.pid)
	if s.last == m {
		s.last = nil
	}
	s.ended.add(m.pid, *m)
	if s.o.Left != nil {
		s.o.Left(m.pid)
	}
}

// Ours reports whether a process was watched at that time (CLOCK_MONOTONIC ns), also if it
// has ended since. start is its start time in ns since boot, or 0 if not known. If
// the set does not know the process, because a record was lost, it looks it up in the targets map.
func (s *Set) Ours(pid uint32, start, time uint64) (bool, error) {
	if m := s.last; m != nil && m.pid == pid && m.start == start {
		return time >= m.from, nil
	}
	if m := s.alive[pid]; m != nil && m.is(start) {
		if start%tick != 0 {
			m.start = start
		}
		s.last = m
		return time >= m.from, nil
	}
	if m, ok := s.ended.get(pid); ok && m.is(start) {
		return time >= m.from, nil
	}
	if m, ok := s.no.get(pid); ok && m.is(start) {
		return false, nil
	}
	if m := s.alive[pid]; m != nil {
		// The pid has been reused: m and the process in question are different ones.
		if p, err := s.proc.Read(pid); err == nil && m.is(p.Start) {
			return false, nil
		}
		s.end(m)
	}
	t, err := s.kernel.Target(pid)
	if err != nil {
		return false, err
	}
	switch {
	case t.Mode == wire.TargetWatch:
		err = s.watched(t)
	case t.Mode == wire.TargetTentative && !t.No:
		err = s.decide(t)
	}
	if err != nil {
		return false, err
	}
	if m := s.alive[pid]; m != nil && m.is(start) {
		return time >= m.from, nil
	}
	if began := s.kernel.Ended(pid); began != 0 && began == start {
		s.ended.add(pid, member{pid: pid, start: began})
		return true, nil
	}
	s.no.add(pid, member{pid: pid, start: start})
	return false, nil
}

// watched adds a process that is watched according to the targets map.
func (s *Set) watched(t load.Target) error {
	if m := s.alive[t.PID]; m != nil && s.proc.Alive(t.PID) {
		return nil
	}
	p, err := s.proc.Read(t.PID)
	if err != nil || !s.proc.Alive(t.PID) {
		// Its exit record is in the ring, or was lost.
		return s.dead(t.PID)
	}
	if was := s.alive[t.PID]; was == nil || !was.is(p.Start) {
		s.Found = append(s.Found, p)
	}
	s.add(&member{pid: p.PID, start: p.Start, from: t.Since})
	return nil
}

// dead removes a process that has ended from the set and from the targets map.
func (s *Set) dead(pid uint32) error {
	if m := s.alive[pid]; m != nil {
		s.end(m)
	}
	return s.kernel.Forget(pid)
}

// decide accepts or refuses an undecided process, by its data in /proc.
func (s *Set) decide(t load.Target) error {
	p, err := s.proc.Read(t.PID)
	if err != nil || !s.proc.Alive(t.PID) {
		s.Unasked++
		s.kernel.TakeLost(t.PID)
		return s.dead(t.PID)
	}
	// A process that was forked while its parent was watched is watched, even if it has exec'ed since.
	match := s.matches(p)
	if m := s.alive[p.PPID]; m != nil && s.o.Follow && p.Start >= m.from+s.slept() {
		match = true
	}
	if !match {
		return s.refuse(p.PID, p.Start, t.Since)
	}
	s.Found = append(s.Found, p)
	return s.accept(&member{pid: p.PID, start: p.Start, from: t.Since})
}

// slept returns the difference in ns between CLOCK_BOOTTIME, the clock of start times, and
// CLOCK_MONOTONIC, that of records: the time that the machine was suspended.
func (s *Set) slept() uint64 {
	var boot, mono unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot) != nil || unix.ClockGettime(unix.CLOCK_MONOTONIC, &mono) != nil {
		return 0
	}
	return uint64(boot.Nano() - mono.Nano())
}

func (s *Set) refuse(pid uint32, start, since uint64) error {
	s.no.add(pid, member{pid: pid, start: start})
	s.kernel.TakeLost(pid)
	return s.kernel.Refuse(pid, since)
}

// accept makes an undecided process watched.
func (s *Set) accept(m *member) error {
	err := s.kernel.SetTarget(m.pid, wire.TargetWatch)
	if errors.Is(err, load.ErrFull) {
		s.Full++
		return nil
	}
	if err == nil {
		s.add(m)
	}
	return err
}

// Process updates the set for a fork, exec or exit record, made at time, and decides
// undecided processes. It reports whether the record is of a process that is watched, or
// was until its exit.
func (s *Set) Process(p *wire.Proc, attrs []byte, time uint64) (ours bool, err error) {
	m := s.alive[p.Pid]
	known := m != nil && m.is(p.Start)
	switch p.What {
	case wire.ProcExec, wire.ProcFork:
		if p.Flags&wire.ProcTentative == 0 {
			s.add(&member{pid: p.Pid, start: p.Start, from: time})
			return true, nil
		}
		match := known
		switch {
		case known: // a watched process stays watched after an exec
		case p.What == wire.ProcExec:
			match = s.matchExec(p, attrs)
		default:
			// A child is watched if its parent was at the time of the fork.
			if match, err = s.Ours(p.Ppid, p.ParentStart, time); err != nil {
				return false, err
			}
		}
		if !match {
			return false, s.refuse(p.Pid, p.Start, time)
		}
		// It may have ended already, and its entry deleted: no new entry must be created.
		t, err := s.kernel.Target(p.Pid)
		if err != nil {
			return false, err
		}
		joins := &member{pid: p.Pid, start: p.Start, from: time}
		same := t.Mode == wire.TargetTentative
		if same && t.Since != time {
			// It has exec'ed again, or the pid has been reused.
			now, err := s.proc.Read(p.Pid)
			same = err == nil && joins.is(now.Start)
		}
		if !same {
			s.add(joins)
			return true, nil
		}
		return true, s.accept(joins)
	case wire.ProcFound:
		s.add(&member{pid: p.Pid, start: p.Start, from: time})
	case wire.ProcExit:
		if known {
			s.end(m)
			return true, nil
		}
		if was, ok := s.ended.get(p.Pid); ok && was.is(p.Start) {
			return true, nil
		}
		if p.Flags&wire.ProcTentative != 0 {
			if was, ok := s.no.get(p.Pid); !ok || !was.is(p.Start) {
				s.Unasked++
			}
			s.kernel.TakeLost(p.Pid)
			s.no.drop(p.Pid)
			return false, nil
		}
		s.ended.add(p.Pid, member{pid: p.Pid, start: p.Start})
	}
	return true, nil
}

// matchExec reports whether a process that has exec'ed is a target by name.
func (s *Set) matchExec(p *wire.Proc, attrs []byte) bool {
	q := proc.Process{PID: p.Pid, UID: p.Uid, Comm: unix.ByteSliceToString(p.Comm[:])}
	q.Exe = unix.ByteSliceToString(wire.AttrOf(attrs, wire.TagExe))
	if argv := wire.AttrOf(attrs, wire.TagArgv); len(argv) > 0 {
		q.Argv = []string{unix.ByteSliceToString(argv)}
	}
	for i := range s.o.Criteria {
		if t := &s.o.Criteria[i]; t.Name != "" && t.Match(&q) {
			return true
		}
	}
	return false
}

// Look updates the set from the targets map, after records were lost. It adds the
// processes that are watched according to the map, decides the undecided ones, and removes
// entries of processes that have ended.
func (s *Set) Look() error {
	list, err := s.kernel.Targets()
	if err != nil {
		return fmt.Errorf("reading the targets: %w", err)
	}
	there := map[uint32]bool{}
	for _, t := range list {
		switch {
		case t.Mode == wire.TargetWatch:
			there[t.PID] = true
			err = s.watched(t)
		case t.Mode != wire.TargetTentative:
		case !t.No:
			if m := s.alive[t.PID]; m != nil {
				err = s.accept(m) // it has exec'ed before the map was updated
			} else {
				err = s.decide(t)
			}
			there[t.PID] = true
		case !s.proc.Alive(t.PID):
			err = s.dead(t.PID)
		case len(list) > s.kernel.Room()/2:
			err = s.kernel.Drop(t) // it makes no call at which the programs would delete it
		}
		if err != nil {
			return err
		}
	}
	for pid, m := range s.alive {
		if there[pid] {
			continue
		}
		s.end(m) // it has ended, or the map is full: the programs do not watch it
	}
	return nil
}

// Reap removes processes that have ended without an exit record, as that was lost.
func (s *Set) Reap() error {
	for pid, m := range s.alive {
		if s.proc.Alive(pid) {
			continue
		}
		// If its exit record is still in the ring, it is passed on nevertheless.
		s.end(m)
		if t, err := s.kernel.Target(pid); err == nil && t.Mode == wire.TargetWatch {
			if err := s.kernel.Forget(pid); err != nil {
				return err
			}
		}
	}
	return nil
}
