//go:build linux

package load

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/pidwire/pidwire/internal/source/bpf/object"
)

// The values of cfg_turn, enum turn_of in bpf/turn.h.
const (
	turnFirst  = uint8(1)
	turnSecond = uint8(2)
)

// pair is an object whose programs are attached twice.
type pair struct {
	first []*ebpf.Program
	turns *ebpf.Map // how often the second ones stepped in
}

// PreemptedAtTracepoints reports whether a thread can be preempted in a program
// at a tracepoint, by the kernel's release: since 7.0 (bpf/turn.h). Nothing in
// its BTF tells of it.
func PreemptedAtTracepoints(release string) bool {
	var major int
	_, err := fmt.Sscanf(release, "%d.", &major)
	return err == nil && major >= 7
}

// watchCalls loads the programs at the entries and returns of calls, and attaches
// them. Where threads are preempted in programs at tracepoints they are at perf's
// events, which see to it that none is; if these cannot be had, there are second
// copies.
func (k *Kernel) watchCalls(c Config, spec *ebpf.CollectionSpec, born <-chan struct{}) error {
	if k.twice && !c.NoPerf {
		if err := k.callsByPerf(c, spec.Copy(), born); err == nil {
			k.Works.Perf = true
			return nil
		}
	}
	return k.attachCalls(c, spec, born, k.rawTracepoint)
}

func (k *Kernel) callsByPerf(c Config, spec *ebpf.CollectionSpec, born <-chan struct{}) error {
	var o object.SyscallsSpecs
	if err := spec.Assign(&o); err != nil {
		return err
	}
	for _, p := range []*ebpf.ProgramSpec{o.SysEnter, o.SysExit} {
		p.Type, p.AttachType = ebpf.TracePoint, ebpf.AttachNone
	}
	if err := o.CfgPerf.Set(uint8(1)); err != nil {
		return err
	}
	return k.attachCalls(c, spec, born, func(point string, prog *ebpf.Program) error {
		return k.perfEvent("raw_syscalls", point, prog)
	})
}

// attachCalls attaches both programs or none.
func (k *Kernel) attachCalls(c Config, spec *ebpf.CollectionSpec, born <-chan struct{}, attach func(point string, prog *ebpf.Program) error) error {
	var o object.SyscallsSpecs
	if err := spec.Assign(&o); err != nil {
		return err
	}
	coll, err := k.collection(c, spec, nil, o.SysExit, o.SysEnter)
	if err != nil {
		return err
	}
	points := []string{object.SyscallsProgSysExit, object.SyscallsProgSysEnter}
	if c.NoCalls {
		points = points[1:]
	}
	<-born
	links := len(k.links)
	for _, point := range points {
		if err := attach(point, coll.Programs[point]); err != nil {
			k.detach(links)
			return err
		}
	}
	var v struct {
		Epoch *ebpf.Variable `ebpf:"targets_epoch"` // object.SyscallsVarTargetsEpoch
	}
	if err := coll.Assign(&v); err != nil {
		return err
	}
	k.epoch = v.Epoch
	return nil
}

// byThread are the programs that need no turns: each thread knows of its calls
// what has been seen.
var byThread = map[string]bool{object.SyscallsProgSysEnter: true, object.SyscallsProgSysExit: true}

// secondCopies makes the programs of an object the first of two, and returns
// the spec of the second ones; nil if it has none that needs one.
func secondCopies(spec *ebpf.CollectionSpec) (*ebpf.CollectionSpec, error) {
	turn := spec.Variables[object.SyscallsVarCfgTurn]
	if turn == nil {
		return nil, nil
	}
	second := spec.Copy()
	for name, p := range second.Programs {
		if !(byThread[name] && p.Type == ebpf.RawTracepoint) && !refersTo(p, object.SyscallsMapTurns) {
			delete(second.Programs, name)
		}
	}
	if len(second.Programs) == 0 {
		return nil, nil
	}
	if err := turn.Set(turnFirst); err != nil {
		return nil, err
	}
	return second, second.Variables[object.SyscallsVarCfgTurn].Set(turnSecond)
}

func refersTo(p *ebpf.ProgramSpec, name string) bool {
	for _, in := range p.Instructions {
		if in.Reference() == name {
			return true
		}
	}
	return false
}

// loadSecond loads the second copies of a collection's programs. They share its
// maps, but for the record under construction: the first copy may be in the
// middle of one. turns is the object's map of them, if it was made before.
func (k *Kernel) loadSecond(first *ebpf.Collection, spec *ebpf.CollectionSpec, turns *ebpf.Map) error {
	replace := map[string]*ebpf.Map{}
	for name, m := range first.Maps {
		if name != object.SyscallsMapScratches && !strings.HasPrefix(name, ".rodata") && spec.Maps[name] != nil {
			replace[name] = m
		}
	}
	second, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{MapReplacements: replace, Cache: k.types})
	if err != nil {
		return fmt.Errorf("second copy: %w", err)
	}
	if turns == nil {
		turns = first.Maps[object.SyscallsMapTurns]
	}
	var pairs []*ebpf.Program
	for name, prog := range second.Programs {
		if !byThread[name] {
			pairs = append(pairs, first.Programs[name])
		}
		k.again[first.Programs[name]] = prog
	}
	k.paired(turns, pairs)
	k.seconds = append(k.seconds, second)
	return nil
}

// paired has programs counted that have second copies, with the others of their
// object: what these have taken is one sum.
func (k *Kernel) paired(turns *ebpf.Map, first []*ebpf.Program) {
	if len(first) == 0 {
		return
	}
	for _, p := range k.pairs {
		if p.turns == turns {
			p.first = append(p.first, first...)
			return
		}
	}
	k.pairs = append(k.pairs, &pair{first: first, turns: turns})
}

// missed counts what neither of the two programs has done.
func (p *pair) missed() (n uint64) {
	for _, prog := range p.first {
		n += misses(prog)
	}
	// In this order: what is passed over now and taken at once is not lost.
	counts, err := p.turns.Memory()
	if err != nil {
		return n
	}
	var taken uint64
	var b [sizeTurn]byte
	for at := int64(0); at < int64(p.turns.MaxEntries())*sizeTurn; at += sizeTurn {
		if _, err := counts.ReadAt(b[:], at); err != nil {
			return n
		}
		taken += binary.NativeEndian.Uint64(b[offTaken:])
	}
	return n - min(n, taken)
}

// struct turn of bpf/turn.h, and how many there are for a CPU.
const (
	sizeTurn = 136
	offTaken = 128
	turns    = 32
)

// Twice reports whether threads are preempted in programs at tracepoints, so that
// these are attached twice.
func (k *Kernel) Twice() bool { return k.twice }

// Program is one that is loaded.
type Program struct {
	Name  string
	First *ebpf.Program
	Again *ebpf.Program // its second copy; nil: it has none
}

// Programs lists what is loaded.
func (k *Kernel) Programs() (list []Program) {
	for _, c := range k.colls {
		for name, p := range c.Programs {
			list = append(list, Program{name, p, k.again[p]})
		}
	}
	return list
}

// Links lists what is attached. They stay the Kernel's.
func (k *Kernel) Links() []link.Link { return k.links }
