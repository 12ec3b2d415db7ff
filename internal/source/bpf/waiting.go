//go:build linux

package bpf

import (
	"fmt"

	"github.com/pidwire/pidwire/internal/source/bpf/load"
	"github.com/pidwire/pidwire/internal/wire"
)

// waiting emits the calls that have been blocked for longer than load.WaitShown, each once. The
// threads map has all calls in progress.
func (s *Source) waiting(emit func(wire.Record) error) error {
	if s.k.Blocked == nil {
		return nil
	}
	at, seen := now(), map[uint32]uint64{}
	b, err := load.ReadLink(s.k.Blocked)
	if err != nil {
		return fmt.Errorf("reading calls in flight: %w", err)
	}
	for ; len(b) >= wire.SizeThread; b = b[wire.SizeThread:] {
		var t wire.Thread
		t.Unmarshal(b)
		seen[t.Tid] = t.Enter
		if s.said[t.Tid] == t.Enter {
			continue
		}
		// The thread may have run while the record was copied. Copy it again: with the same
		// entry time in both copies it is of one call.
		var again [wire.SizeThread]byte
		if s.k.Maps.Threads.Lookup(t.Tid, &again) != nil {
			continue
		}
		if enter := t.Enter; !t.Unmarshal(again[:]) || t.Enter != enter {
			continue
		}
		if err := emit(s.waitRecord(&t, at)); err != nil {
			return err
		}
	}
	s.said = seen
	return nil
}

func (s *Source) waitRecord(t *wire.Thread, at uint64) wire.Record {
	nsock := min(t.Nsock, 2)
	snap := t.Snap[:min(int(t.Snaplen), len(t.Snap))]
	c := wire.Syscall{
		H:     wire.Hdr{Kind: wire.KindSyscall, Layer: wire.LayerSys, Time: at},
		Enter: t.Enter, Start: t.Start, Args: t.Args, Pid: t.Pid, Tid: t.Tid, Nspid: t.Nspid, Nstid: t.Nstid,
		Uid: t.Uid, Nr: t.Nr, Abi: t.Abi, Sub: t.Sub, Flags: wire.CallWaiting, Nsock: nsock,
		Chunks: uint32(len(snap)), Comm: t.Comm,
	}
	b := c.Append(s.buf[:0])
	for i := range nsock {
		b = t.Sock[i].Append(b)
	}
	b = append(b, snap...)
	s.buf = b
	return wire.Seal(b)
}
