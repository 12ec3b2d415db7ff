//go:build linux

package bpf

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
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

// preemptedAtTracepoints reports whether a thread can be preempted in a program
// at a tracepoint, by the kernel's release: since 7.0 (bpf/turn.h). Nothing in
// its BTF tells of it.
func preemptedAtTracepoints(release string) bool {
	var major int
	_, err := fmt.Sscanf(release, "%d.", &major)
	return err == nil && major >= 7
}

// watchCalls loads the programs at the entries and returns of calls, and attaches
// them. Where threads are preempted in programs at tracepoints they are at perf's
// events, which see to it that none is; if these cannot be had, there are second
// copies.
func (k *kernel) watchCalls(c Config, spec *ebpf.CollectionSpec) error {
	if k.twice && !c.NoPerf {
		perf := spec.Copy()
		for name := range byThread {
			p := perf.Programs[name]
			p.Type, p.AttachType = ebpf.TracePoint, ebpf.AttachNone
		}
		err := perf.Variables["cfg_perf"].Set(uint8(1))
		if err == nil {
			err = k.attachCalls(c, perf)
		}
		if err == nil {
			k.parts["perf"] = true
			return nil
		}
	}
	return k.attachCalls(c, spec)
}

// attachCalls attaches both programs or none, as the kind that they are made for.
func (k *kernel) attachCalls(c Config, spec *ebpf.CollectionSpec) error {
	coll, err := k.loadSpec(c, spec, nil)
	if err != nil {
		return err
	}
	points := []string{"sys_exit", "sys_enter"}
	if c.NoCalls {
		points = points[1:]
	}
	links := len(k.links)
	for _, point := range points {
		if err = k.attachCall(point, coll.Programs[point]); err != nil {
			k.detach(links)
			return err
		}
	}
	k.epoch = coll.Variables["targets_epoch"]
	return nil
}

func (k *kernel) attachCall(point string, prog *ebpf.Program) error {
	if prog.Type() != ebpf.TracePoint {
		return k.rawTracepoint(point, prog)
	}
	const group = "raw_syscalls"
	l, err := link.Tracepoint(group, point, prog, nil)
	if err != nil {
		return fmt.Errorf("perf's event %s:%s: %w", group, point, err)
	}
	k.links = append(k.links, l)
	return nil
}

// byThread are the programs that need no turns: each thread knows of its calls
// what has been seen.
var byThread = map[string]bool{"sys_enter": true, "sys_exit": true}

// secondCopies makes the programs of an object the first of two, and returns
// the spec of the second ones; nil if it has none that needs one.
func secondCopies(spec *ebpf.CollectionSpec) (*ebpf.CollectionSpec, error) {
	turn := spec.Variables["cfg_turn"]
	if turn == nil {
		return nil, nil
	}
	second := spec.Copy()
	for name, p := range second.Programs {
		if !(byThread[name] && p.Type == ebpf.RawTracepoint) && !refersTo(p, "turns") {
			delete(second.Programs, name)
		}
	}
	if len(second.Programs) == 0 {
		return nil, nil
	}
	if err := turn.Set(turnFirst); err != nil {
		return nil, err
	}
	return second, second.Variables["cfg_turn"].Set(turnSecond)
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
// middle of one.
func (k *kernel) loadSecond(first *ebpf.Collection, spec *ebpf.CollectionSpec) error {
	replace := map[string]*ebpf.Map{}
	for name, m := range first.Maps {
		if name != "scratches" && !strings.HasPrefix(name, ".rodata") && spec.Maps[name] != nil {
			replace[name] = m
		}
	}
	second, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{MapReplacements: replace, Cache: k.types})
	if err != nil {
		return fmt.Errorf("second copy: %w", err)
	}
	p := &pair{turns: first.Maps["turns"]}
	for name, prog := range second.Programs {
		if !byThread[name] {
			p.first = append(p.first, first.Programs[name])
		}
		k.again[first.Programs[name]] = prog
	}
	if len(p.first) > 0 {
		k.pairs = append(k.pairs, p)
	}
	k.seconds = append(k.seconds, second)
	return nil
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
