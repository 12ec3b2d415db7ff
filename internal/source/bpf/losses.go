//go:build linux

package bpf

import (
	"encoding/binary"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/pidwire/pidwire/internal/wire"
)

// losses emits records for the losses that the BPF programs have counted since the last call.
func (s *Source) losses(emit func(wire.Record) error) error {
	if err := s.lostProcs(); err != nil {
		return err
	}
	for _, reason := range []uint32{wire.LostRing, wire.LostInflight, wire.LostUring, wire.LostTargets, wire.LostCall, wire.LostUnasked} {
		if err := s.counted(s.k.Maps.Lost, wire.LayerSys, reason, &s.lost[reason], emit); err != nil {
			return err
		}
		for _, l := range []struct {
			counts *ebpf.Map
			layer  uint16
			before *uint64
		}{{s.k.Maps.LostPackets, wire.LayerPkt, &s.lostPkt[reason]}, {s.k.Maps.LostEvents, wire.LayerKrn, &s.lostKrn[reason]}} {
			if l.counts != nil {
				if err := s.counted(l.counts, l.layer, reason, l.before, emit); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// counted emits a record for the increase of one counter.
func (s *Source) counted(m *ebpf.Map, layer uint16, reason uint32, before *uint64, emit func(wire.Record) error) error {
	sum, err := count(m, reason)
	if err != nil {
		return err
	}
	s.doubt = s.doubt || sum != *before
	return s.lose(layer, reason, sum, before, emit)
}

// count reads a counter of the BPF programs.
func count(m *ebpf.Map, reason uint32) (uint64, error) {
	// Through mapped memory; see COUNTS in bpf/pidwire.h.
	counts, err := m.Memory()
	var sum [8]byte
	if err == nil {
		_, err = counts.ReadAt(sum[:], int64(reason)*8)
	}
	if err != nil {
		return 0, fmt.Errorf("reading the loss counters: %w", err)
	}
	return binary.NativeEndian.Uint64(sum[:]), nil
}

// lostProcs schedules a look at the kernel's process table if a fork, exec or exit was lost.
func (s *Source) lostProcs() error {
	n, err := count(s.k.Maps.Lost, wire.LostProcs)
	if err != nil {
		return err
	}
	if n != s.procs {
		s.procs, s.doubt = n, true
	}
	return nil
}

// lostOfTargets emits records for the losses of processes that were undecided at the time and
// are targets now, and for processes that are not watched because of a loss.
func (s *Source) lostOfTargets(emit func(wire.Record) error) error {
	t := s.targets
	for layer, n := range t.Lost {
		if err := s.lose(uint16(layer), wire.LostRing, n, new(uint64), emit); err != nil {
			return err
		}
	}
	clear(t.Lost[:])
	if err := s.lose(wire.LayerSys, wire.LostTargets, t.Full, new(uint64), emit); err != nil {
		return err
	}
	err := s.lose(wire.LayerSys, wire.LostUnasked, t.Unasked, new(uint64), emit)
	t.Full, t.Unasked = 0, 0
	return err
}

func (s *Source) lose(layer uint16, reason uint32, sum uint64, before *uint64, emit func(wire.Record) error) error {
	if sum == *before {
		return nil
	}
	l := wire.Lost{
		H:     wire.Hdr{Kind: wire.KindLost, Layer: layer, Time: now()},
		Count: sum - *before, Reason: reason,
	}
	*before = sum
	return emit(wire.Seal(l.Append(s.buf[:0])))
}
