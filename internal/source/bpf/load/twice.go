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
	turns *ebpf.Map // has the number of events that the second copies handled
}

// PreemptedAtTracepoints reports whether a thread can be preempted in a program at a
// tracepoint, which is so since Linux 7.0 (bpf/turn.h). It depends on the release, as BTF
// does not show it.
func PreemptedAtTracepoints(release string) bool {
	var major int
	_, err := fmt.Sscanf(release, "%d.", &major)
	return err == nil && major >= 7
}

// watchCalls loads and attaches the programs at the entries and returns of system calls. If
// threads can be preempted in programs at tracepoints, it attaches them to perf events,
// which disable preemption. If there are no perf events, second copies are attached.
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

// attachCalls loads and attaches both programs, or none. With c.NoCalls it attaches only that at entries.
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

// byThread are the programs that need no turns, because they detect skipped events by
// per-thread state.
var byThread = map[string]bool{object.SyscallsProgSysEnter: true, object.SyscallsProgSysExit: true}

// secondCopies sets up the programs of an object as first copies, and returns the spec of
// the second copies; nil if no program needs one.
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

// loadSecond loads the second copies of the programs of a collection. They share its maps,
// except the scratch buffer for records, which the first copy may be using. turns is the
// map of turns if it was created before, else nil.
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

// paired adds programs that have second copies to the pair of their object, whose
// second copies have a common counter.
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

// missed returns the number of events that neither of the two copies has handled.
func (p *pair) missed() (n uint64) {
	for _, prog := range p.first {
		n += misses(prog)
	}
	// Read after the misses: an event that is skipped in between and handled by the second copy is not lost.
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

// Size and offset of struct turn in bpf/turn.h, and their number per CPU.
const (
	sizeTurn = 136
	offTaken = 128
	turns    = 32
)

// Twice reports whether threads can be preempted in programs at tracepoints, so that
// these are attached twice.
func (k *Kernel) Twice() bool { return k.twice }

// Program is a loaded program.
type Program struct {
	Name  string
	First *ebpf.Program
	Again *ebpf.Program // second copy; may be nil
}

// Programs lists the loaded programs.
func (k *Kernel) Programs() (list []Program) {
	for _, c := range k.colls {
		for name, p := range c.Programs {
			list = append(list, Program{name, p, k.again[p]})
		}
	}
	return list
}

// Links returns the links. The Kernel owns them.
func (k *Kernel) Links() []link.Link { return k.links }
