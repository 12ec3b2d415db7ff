//go:build linux

package bpf

import (
	"encoding/binary"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/pidwire/pidwire/internal/wire"
)

// losses turns what the kernel side has counted since the last look into records.
func (s *Source) losses(emit func(wire.Record) error) error {
	for _, reason := range []uint32{wire.LostRing, wire.LostInflight, wire.LostUring, wire.LostTargets, wire.LostCall} {
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

// counted makes a record of what a count of the kernel side has grown by.
func (s *Source) counted(m *ebpf.Map, layer uint16, reason uint32, before *uint64, emit func(wire.Record) error) error {
	// As memory: bpf/pidwire.h says why.
	counts, err := m.Memory()
	if err != nil {
		return fmt.Errorf("reading the counts of losses: %w", err)
	}
	var sum [8]byte
	if _, err := counts.ReadAt(sum[:], int64(reason)*8); err != nil {
		return fmt.Errorf("reading the counts of losses: %w", err)
	}
	return s.lose(layer, reason, binary.NativeEndian.Uint64(sum[:]), before, emit)
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
