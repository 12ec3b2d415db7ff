//go:build linux

// Package targets keeps who is watched: which of the processes that are there
// match, and which of those that come. The kernel side keeps the same in its
// targets map, by birth and end, and what it cannot decide is decided here, where
// the ring is read in order. Where records were lost, that map says who is watched.
//
// A process is ours from a time on: from its birth, from the exec that made it
// match, or always if it was there at attach. Nothing of it from before that time
// is passed on, and nothing of a process that is not ours.
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

// kernel is what the kernel side has of the targets.
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

// machine is what /proc says of processes.
type machine interface {
	PIDs() ([]uint32, error)
	Brief(pid uint32) (*proc.Process, error)
	Read(pid uint32) (*proc.Process, error)
	Alive(pid uint32) bool
}

// Set is who is watched. Its methods are for one goroutine.
type Set struct {
	o      Options
	kernel kernel
	proc   machine

	alive map[uint32]*member
	last  *member      // that was asked for last
	ended past[member] // watched processes that have ended: the kernel still closes their sockets
	no    past[member] // processes that were said no to

	// Found are processes that turned out to be watched without a record that says
	// so: it was lost. Whoever takes them empties the list.
	Found []*proc.Process
	// Lost is what was lost of processes that have turned out to be watched, by
	// layer; Unasked are processes that ended before it was known who they were, and
	// Full those that there was no room to watch. Whoever takes them zeroes them.
	Lost    [wire.LayerAud]uint64
	Unasked uint64
	Full    uint64
}

// member is a process, by pid and start.
type member struct {
	pid   uint32
	start uint64 // ns since boot; in whole ticks where /proc said it
	from  uint64 // CLOCK_MONOTONIC ns: it is ours from then on
}

// tick is the unit of starts in /proc, in ns.
const tick = 10_000_000

// is reports whether it is the process that started then; 0: not known.
func (m *member) is(start uint64) bool {
	switch {
	case m.start == start || start == 0 || m.start == 0:
		return true
	case m.start%tick == 0 || start%tick == 0:
		return m.start/tick == start/tick
	}
	return false
}

// maxPast bounds what is remembered of processes that are not watched (any more).
const maxPast = 8192

// past remembers the latest entries, by pid.
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

// Options say who is to be watched.
type Options struct {
	Criteria []proc.Target
	Proc     proc.FS  // where processes are read
	Never    []uint32 // never watched; 0 stands for nobody
	Follow   bool     // children of targets are targets
	// Joined and Left are told of each process that is watched from then on, and
	// that has ended; may be nil.
	Joined, Left func(pid uint32)
}

// New returns a set of nobody.
func New(k kernel, o Options) *Set {
	return &Set{o: o, kernel: k, proc: o.Proc, alive: map[uint32]*member{}}
}

// Find marks the matching processes as watched, their children too, and
// looks again until nothing new is found: a child may be born between the look
// and the mark. byPort are those that a port names. errors.Is(err, proc.ErrNoTarget)
// where a process that was named by its pid has ended.
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
			return nil, fmt.Errorf("%w: process %d ended before it could be watched", proc.ErrNoTarget, t.PID)
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
	full   map[uint32]bool // there is no room for them
	seen   map[uint32]bool // by their names too: of these, only who is whose child may have changed
	brief  bool            // what Brief reads decides
	order  []*proc.Process // of marked
}

// look marks a process if it matches, and reports whether it has.
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

// Empty reports whether nobody is.
func (s *Set) Empty() bool { return len(s.alive) == 0 }

// add takes a process into the set, and tells who wants to know.
func (s *Set) add(m *member) {
	if was := s.alive[m.pid]; was != nil && was.is(m.start) {
		if m.start%tick != 0 {
			was.start = m.start
		}
		was.from = min(was.from, m.from)
		return
	} else if was != nil {
		s.end(was) // its end was lost, and its pid is another one's
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

// end takes a process out of the set.
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

// Ours reports whether what a process did at a time is of one that is watched, or
// was to its end: start is when it began, ns since boot, 0 if that is not known.
// Where it is not known here who the process is, the kernel side is asked: the
// record that told was lost.
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
		// One of the two had the pid before the other.
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

// watched takes in a process that the kernel side watches.
func (s *Set) watched(t load.Target) error {
	if m := s.alive[t.PID]; m != nil && s.proc.Alive(t.PID) {
		return nil
	}
	p, err := s.proc.Read(t.PID)
	if err != nil || !s.proc.Alive(t.PID) {
		// Its end is on its way, or was lost.
		return s.dead(t.PID)
	}
	if was := s.alive[t.PID]; was == nil || !was.is(p.Start) {
		s.Found = append(s.Found, p)
	}
	s.add(&member{pid: p.PID, start: p.Start, from: t.Since})
	return nil
}

// dead takes out what is kept of a process that has ended.
func (s *Set) dead(pid uint32) error {
	if m := s.alive[pid]; m != nil {
		s.end(m)
	}
	return s.kernel.Forget(pid)
}

// decide says of an undecided process whether it is watched, by what /proc says.
func (s *Set) decide(t load.Target) error {
	p, err := s.proc.Read(t.PID)
	if err != nil || !s.proc.Alive(t.PID) {
		s.Unasked++
		s.kernel.TakeLost(t.PID)
		return s.dead(t.PID)
	}
	// A child that was born while its parent was ours is ours, whatever it has become.
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

// slept is how far the clock that starts are of is ahead of that of records, in ns:
// it counts while the machine sleeps.
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

// accept has a process watched that was undecided.
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

// Process keeps the set by births and ends, and decides about those that were
// exec'ed and may match a name. It reports whether the record, made at time, is of a
// process that is watched, or was to its end.
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
		case known: // once ours, whatever it execs
		case p.What == wire.ProcExec:
			match = s.matchExec(p, attrs)
		default:
			// A child goes as its parent went, whatever it becomes.
			if match, err = s.Ours(p.Ppid, p.ParentStart, time); err != nil {
				return false, err
			}
		}
		if !match {
			return false, s.refuse(p.Pid, p.Start, time)
		}
		// It may have ended already, and its entry with it: none is made again.
		t, err := s.kernel.Target(p.Pid)
		if err != nil {
			return false, err
		}
		joins := &member{pid: p.Pid, start: p.Start, from: time}
		same := t.Mode == wire.TargetTentative
		if same && t.Since != time {
			// It has exec'ed again; or its pid is another one's by now.
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

// matchExec says whether a process that was just exec'ed is a target by name.
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

// Look goes by what the kernel side has: after a loss, what was read does not say
// who is watched and alive. Processes that are watched there are taken in, those
// that are undecided are decided, and entries of processes that have ended are
// taken out.
func (s *Set) Look() error {
	list, err := s.kernel.Targets()
	if err != nil {
		return fmt.Errorf("looking who is watched: %w", err)
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
				err = s.accept(m) // it has exec'ed before the kernel side was told
			} else {
				err = s.decide(t)
			}
			there[t.PID] = true
		case !s.proc.Alive(t.PID):
			err = s.dead(t.PID)
		case len(list) > s.kernel.Room()/2:
			err = s.kernel.Drop(t) // where nobody makes a call that takes it out
		}
		if err != nil {
			return err
		}
	}
	for pid, m := range s.alive {
		if there[pid] {
			continue
		}
		s.end(m) // it has ended, or there is no room for it: nothing of it is seen
	}
	return nil
}

// Reap forgets processes whose end was not seen: the record of it was lost.
func (s *Set) Reap() error {
	for pid, m := range s.alive {
		if s.proc.Alive(pid) {
			continue
		}
		// If its end is on its way, it comes through all the same.
		s.end(m)
		if t, err := s.kernel.Target(pid); err == nil && t.Mode == wire.TargetWatch {
			if err := s.kernel.Forget(pid); err != nil {
				return err
			}
		}
	}
	return nil
}
