//go:build linux

// Package targets keeps who is watched: which of the processes that are there
// match, and which of those that come. The kernel side keeps the same in its
// targets map, by birth and end; what it cannot decide is decided here, where
// the ring is read in order.
package targets

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/source/proc"
	"github.com/pidwire/pidwire/internal/wire"
)

// kernel is what the kernel side has of the targets.
type kernel interface {
	SetTarget(pid, mode uint32) error
	Forget(pid uint32) error
}

// Set is who is watched. Its methods are for one goroutine.
type Set struct {
	o       Options
	kernel  kernel
	pids    map[uint32]bool // watched processes that are alive
	decided map[uint32]bool // exec'ed processes that were asked about
}

// Options say who is to be watched.
type Options struct {
	Criteria []proc.Target
	Self     uint32 // never watched; 0: nobody
	Follow   bool   // children of targets are targets
	// Joined and Left are told of each process that is watched from then on, and
	// that has ended; may be nil.
	Joined, Left func(pid uint32)
}

// New returns a set of nobody.
func New(k kernel, o Options) *Set {
	return &Set{o: o, kernel: k, pids: map[uint32]bool{}, decided: map[uint32]bool{}}
}

// Find marks the matching processes as watched, their children too, and
// looks again until nothing new is found: a child may be born between the look
// and the mark. byPort are those that a port names. errors.Is(err, proc.ErrNoTarget)
// where a process that was named by its pid has ended.
func (s *Set) Find(byPort map[uint32]bool) ([]*proc.Process, error) {
	marked := map[uint32]*proc.Process{}
	var order []*proc.Process
	for {
		pids, err := proc.Default.PIDs()
		if err != nil {
			return nil, err
		}
		added := false
		for _, pid := range pids {
			if marked[pid] != nil || pid == s.o.Self {
				continue
			}
			p, err := proc.Default.Read(pid)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			hit := byPort[pid] || (s.o.Follow && marked[p.PPID] != nil)
			for i := range s.o.Criteria {
				hit = hit || s.o.Criteria[i].Match(p)
			}
			if !hit {
				continue
			}
			if err := s.kernel.SetTarget(pid, wire.TargetWatch); err != nil {
				return nil, fmt.Errorf("watching %d: %w", pid, err)
			}
			marked[pid] = p
			order = append(order, p)
			added = true
		}
		if !added {
			break
		}
	}
	for i := range s.o.Criteria {
		t := &s.o.Criteria[i]
		if t.PID != 0 && marked[t.PID] == nil {
			return nil, fmt.Errorf("%w: process %d ended before it could be watched", proc.ErrNoTarget, t.PID)
		}
	}
	return order, nil
}

// Decided reports whether an undecided process has turned out to be watched.
func (s *Set) Decided(pid uint32) bool { return s.decided[pid] }

// Has reports whether a process is watched and alive.
func (s *Set) Has(pid uint32) bool { return s.pids[pid] }

// Empty reports whether nobody is.
func (s *Set) Empty() bool { return len(s.pids) == 0 }

// Add takes a process into the set, and tells who wants to know.
func (s *Set) Add(pid uint32) {
	if !s.pids[pid] && s.o.Joined != nil {
		s.o.Joined(pid)
	}
	s.pids[pid] = true
}

// Process keeps the set by births and ends, and decides about those that were
// exec'ed and may match a name. It reports whether the record is of a process that
// is watched, or was to its end.
func (s *Set) Process(p *wire.Proc, attrs []byte) (ours bool, err error) {
	tentative := p.Flags&wire.ProcTentative != 0
	switch p.What {
	case wire.ProcExec, wire.ProcFork:
		if tentative {
			// A child goes as its parent went, whatever it becomes.
			match := s.decided[p.Ppid]
			if p.What == wire.ProcExec {
				match = s.decided[p.Pid] || s.matchExec(p, attrs)
			}
			s.decided[p.Pid] = match
			if !match {
				return false, s.kernel.Forget(p.Pid)
			}
			if err := s.kernel.SetTarget(p.Pid, wire.TargetWatch); err != nil {
				return false, err
			}
		}
		s.Add(p.Pid)
	case wire.ProcFound:
		s.Add(p.Pid)
	case wire.ProcExit:
		if s.o.Left != nil {
			s.o.Left(p.Pid)
		}
		was := s.decided[p.Pid]
		delete(s.decided, p.Pid)
		delete(s.pids, p.Pid)
		if tentative && !was {
			return false, nil
		}
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

// Reap forgets processes whose end was not seen: the record of it was lost.
func (s *Set) Reap() {
	for pid := range s.pids {
		if !proc.Default.Alive(pid) {
			delete(s.pids, pid)
		}
	}
}
