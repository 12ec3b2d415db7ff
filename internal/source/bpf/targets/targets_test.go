//go:build linux

package targets

import (
	"io/fs"
	"testing"

	"github.com/pidwire/pidwire/internal/source/bpf/load"
	"github.com/pidwire/pidwire/internal/source/proc"
	"github.com/pidwire/pidwire/internal/wire"
)

// table is a fake targets map, and procs a fake /proc.
type table struct {
	m     map[uint32]load.Target
	ended map[uint32]uint64
	lost  map[uint32][wire.LayerAud]uint64
	room  int
}

func (k *table) SetTarget(pid, mode uint32) error {
	if _, ok := k.m[pid]; !ok && len(k.m) >= k.room {
		return load.ErrFull
	}
	k.m[pid] = load.Target{PID: pid, Mode: mode}
	return nil
}
func (k *table) Forget(pid uint32) error { delete(k.m, pid); return nil }
func (k *table) Refuse(pid uint32, since uint64) error {
	if t, ok := k.m[pid]; ok && t.Mode == wire.TargetTentative && t.Since == since {
		t.No = true
		k.m[pid] = t
	}
	return nil
}
func (k *table) Target(pid uint32) (load.Target, error) { return k.m[pid], nil }
func (k *table) Targets() (list []load.Target, err error) {
	for _, t := range k.m {
		list = append(list, t)
	}
	return list, nil
}
func (k *table) Drop(t load.Target) error        { delete(k.m, t.PID); return nil }
func (k *table) Room() int                       { return k.room }
func (k *table) Ended(pid uint32) (start uint64) { return k.ended[pid] }
func (k *table) TakeLost(pid uint32) [wire.LayerAud]uint64 {
	l := k.lost[pid]
	delete(k.lost, pid)
	return l
}

type procs map[uint32]*proc.Process

func (p procs) PIDs() (list []uint32, err error) {
	for pid := range p {
		list = append(list, pid)
	}
	return list, nil
}
func (p procs) Brief(pid uint32) (*proc.Process, error) { return p.Read(pid) }

func (p procs) Read(pid uint32) (*proc.Process, error) {
	if q := p[pid]; q != nil {
		return q, nil
	}
	return nil, fs.ErrNotExist
}
func (p procs) Alive(pid uint32) bool { return p[pid] != nil }

type world struct {
	*Set
	k     *table
	procs procs
	t     *testing.T
}

func newWorld(t *testing.T, names ...string) *world {
	k := &table{m: map[uint32]load.Target{}, ended: map[uint32]uint64{}, lost: map[uint32][wire.LayerAud]uint64{}, room: 100}
	o := Options{Follow: true}
	for _, n := range names {
		o.Criteria = append(o.Criteria, proc.Target{Name: n})
	}
	s := New(k, o)
	p := procs{}
	s.proc = p
	return &world{s, k, p, t}
}

// exec simulates the exec of a program: it updates the targets map and /proc, and returns
// the record. To simulate its loss, the test ignores it.
func (w *world) exec(pid uint32, start, at uint64, name string) *wire.Proc {
	if w.k.m[pid].Mode != wire.TargetWatch {
		w.k.m[pid] = load.Target{PID: pid, Mode: wire.TargetTentative, Since: at}
	}
	w.procs[pid] = &proc.Process{PID: pid, Start: start / tick * tick, Comm: name}
	p := &wire.Proc{What: wire.ProcExec, Pid: pid, Start: start}
	if w.k.m[pid].Mode == wire.TargetTentative {
		p.Flags = wire.ProcTentative
	}
	copy(p.Comm[:], name)
	return p
}

func (w *world) learn(p *wire.Proc, at uint64, want bool) {
	w.t.Helper()
	if got, err := w.Process(p, nil, at); err != nil || got != want {
		w.t.Errorf("record %d of process %d: %v, %v", p.What, p.Pid, got, err)
	}
}

func (w *world) ours(pid uint32, start, at uint64, want bool) {
	w.t.Helper()
	if got, err := w.Ours(pid, start, at); err != nil || got != want {
		w.t.Errorf("process %d of %d, at %d: %v, %v", pid, start, at, got, err)
	}
}

func TestOursFromTheExecOn(t *testing.T) {
	w := newWorld(t, "wanted")
	const start = 5*tick + 7
	first := w.exec(10, start, 100, "sh")
	w.learn(first, 100, false)
	if !w.k.m[10].No {
		t.Error("the kernel side was not told")
	}
	w.ours(10, start, 150, false)
	second := w.exec(10, start, 200, "wanted")
	w.learn(second, 200, true)
	w.ours(10, start, 190, false) // a late record from before the exec
	w.ours(10, start, 210, true)
	w.ours(10, 9*tick+1, 210, false) // another process that has had the pid
	third := w.exec(10, start, 300, "other")
	w.learn(third, 300, true)
	w.learn(&wire.Proc{What: wire.ProcExit, Pid: 10, Start: start}, 400, true)
	w.ours(10, start, 410, true) // the kernel closes its sockets
	if !w.Empty() {
		t.Error("it is alive")
	}
}

// TestExecWhileRefused checks that refusing a process for one exec does not refuse the next one.
func TestExecWhileRefused(t *testing.T) {
	w := newWorld(t, "wanted")
	const start = 5*tick + 7
	first := w.exec(10, start, 100, "sh")
	second := w.exec(10, start, 200, "wanted")
	w.learn(first, 100, false)
	if w.k.m[10].No {
		t.Error("the second exec was refused with the first")
	}
	w.learn(second, 200, true)
	if w.k.m[10].Mode != wire.TargetWatch {
		t.Errorf("%+v", w.k.m[10])
	}
}

// TestPidUsedAgain checks that a process is not mistaken for an earlier one with the same pid.
func TestPidUsedAgain(t *testing.T) {
	w := newWorld(t, "wanted")
	const start, again = 5*tick + 7, 90*tick + 3
	w.learn(w.exec(10, start, 100, "wanted"), 100, true)
	// Its exit record is lost, and the pid is reused.
	delete(w.k.m, 10)
	next := w.exec(10, again, 500, "other")
	w.learn(next, 500, false)
	w.ours(10, again, 510, false)
	w.ours(10, start, 300, true)
	// A late decision to watch must not apply to the process that has the pid now.
	late := w.exec(11, start, 600, "wanted")
	w.exec(11, again, 700, "other")
	w.learn(late, 600, true)
	if w.k.m[11].Mode == wire.TargetWatch {
		t.Error("another process is watched")
	}
}

func TestLookAfterALoss(t *testing.T) {
	w := newWorld(t, "wanted")
	const start = 5*tick + 7
	w.learn(w.exec(1, start, 100, "wanted"), 100, true)
	w.k.m[2] = load.Target{PID: 2, Mode: wire.TargetWatch, Since: 150} // a child whose fork record was lost
	w.procs[2] = &proc.Process{PID: 2, Start: 6 * tick, Comm: "x"}
	w.exec(3, start, 160, "wanted") // its exec record was lost
	w.exec(4, start, 170, "other")
	w.exec(5, start, 180, "wanted") // the same, and it has ended
	delete(w.procs, 5)
	w.k.m[6] = load.Target{PID: 6, Mode: wire.TargetWatch, Since: 150} // ended, and the exit record was lost
	w.k.lost[3] = [wire.LayerAud]uint64{wire.LayerSys: 7}
	w.k.lost[4] = [wire.LayerAud]uint64{wire.LayerSys: 9}
	delete(w.procs, 1)
	if err := w.Look(); err != nil {
		t.Fatal(err)
	}
	for pid, want := range map[uint32]bool{1: false, 2: true, 3: true, 4: false, 5: false, 6: false} {
		if w.Has(pid) != want {
			t.Errorf("process %d: watched %v", pid, !want)
		}
	}
	if len(w.Found) != 2 || w.Unasked != 1 || w.Lost[wire.LayerSys] != 7 {
		t.Errorf("found %d, %d unasked, lost %v", len(w.Found), w.Unasked, w.Lost)
	}
	for _, pid := range []uint32{1, 5, 6} {
		if _, ok := w.k.m[pid]; ok {
			t.Errorf("process %d has ended, and its entry stays", pid)
		}
	}
	w.ours(3, start, 155, false)
	w.ours(3, start, 165, true)
	w.ours(2, 6*tick+4, 200, true)
	if !w.k.m[4].No {
		t.Error("the other was not refused")
	}
}

func TestNoRoom(t *testing.T) {
	w := newWorld(t, "wanted")
	w.k.room = 2
	for pid := uint32(1); pid <= 5; pid++ {
		w.procs[pid] = &proc.Process{PID: pid, Start: tick, Comm: "wanted"}
	}
	found, err := w.Find(nil)
	if err != nil || len(found) != 2 || w.Full != 3 {
		t.Errorf("found %d, %d without room: %v", len(found), w.Full, err)
	}
	// One of them is deleted from the map, which is full now.
	w.k.room = 1
	delete(w.k.m, found[0].PID)
	if err := w.Look(); err != nil || w.Has(found[0].PID) || !w.Has(found[1].PID) {
		t.Errorf("%v", err)
	}
}

func TestPastIsBounded(t *testing.T) {
	var p past[int]
	for i := range uint32(10 * maxPast) {
		p.add(i, int(i))
	}
	if n := len(p.young) + len(p.old); n > maxPast {
		t.Errorf("%d entries", n)
	}
	if _, ok := p.get(10*maxPast - 1); !ok {
		t.Error("the latest is not there")
	}
	if _, ok := p.get(0); ok {
		t.Error("the first is there still")
	}
}
