//go:build linux

package bpf

import (
	"encoding/binary"

	"github.com/pidwire/pidwire/internal/pcapfilter"
	"github.com/pidwire/pidwire/internal/wire"
)

// pass emits a record from the ring. First it updates the set of targets, for the records that
// concern it.
func (s *Source) pass(r wire.Record, emit func(wire.Record) error) error {
	// Some records reserve more room than they use.
	if n := binary.LittleEndian.Uint32(r); n >= wire.SizeHdr && n%8 == 0 && uint64(n) <= uint64(len(r)) {
		r = r[:n]
	}
	if pid, start := whose(r); pid != 0 {
		ours, err := s.targets.Ours(pid, start, r.Time())
		if err != nil {
			return err
		}
		if err := s.turnedOut(r.Time(), emit); err != nil || !ours {
			return err
		}
	}
	switch r.Kind() {
	case wire.KindEnv:
		if s.facts == nil {
			return nil
		}
		return s.facts.Env(r, emit)
	case wire.KindSyscall:
		if s.opts.NoCalls {
			return nil // a call that only made its process a target, and has not returned
		}
		if len(r) >= wire.SizeSyscall {
			r[wire.OffSyscallFlags] &^= wire.CallTentative
		}
		scrub(r)
		if s.facts != nil {
			if err := s.facts.Call(r, emit); err != nil {
				return err
			}
		}
	case wire.KindUring:
		if len(r) >= wire.SizeUring {
			r[wire.OffUringFlags] &^= wire.UringTentative
		}
	case wire.KindPacket:
		if len(r) < wire.SizePacket {
			return nil
		}
		// The record has the size of its class; its unused end is not initialized.
		r = r[:min(uint32(len(r)), binary.LittleEndian.Uint32(r))]
		clear(r[min(len(r), wire.SizePacket+int(binary.LittleEndian.Uint32(r[wire.OffPacketCaplen:]))):])
		if !s.passes(r) {
			return nil
		}
	case wire.KindState:
		if len(r) >= wire.SizeState+wire.SizeSock {
			cookie := binary.LittleEndian.Uint64(r[wire.SizeState:])
			switch r[wire.OffStateTo] {
			case tcpClose, tcpListen:
				delete(s.closing, cookie)
			default:
				if len(s.closing) >= maxClosing {
					clear(s.closing) // bounded, in case many closes have been lost
				}
				s.closing[cookie] = true
			}
		}
		if s.facts != nil {
			if err := s.facts.State(r, emit); err != nil {
				return err
			}
		}
	case wire.KindKernel:
		r = compact(r)
		if s.facts != nil {
			if err := s.facts.Drop(r, emit); err != nil {
				return err
			}
		}
		if err := s.names.Event(r, emit); err != nil {
			return err
		}
	case wire.KindFunc:
		if err := s.names.Function(r, emit); err != nil {
			return err
		}
	case wire.KindProc:
		return s.process(r, emit)
	}
	return emit(r)
}

// whose returns the process of a record, by pid and start time; 0 if it has none, or if the
// record is one that updates the targets.
func whose(r wire.Record) (pid uint32, start uint64) {
	pidAt, startAt := 0, 0
	switch r.Kind() {
	case wire.KindSyscall:
		pidAt, startAt = wire.OffSyscallPid, wire.OffSyscallStart
	case wire.KindUring:
		pidAt, startAt = wire.OffUringPid, wire.OffUringStart
	case wire.KindPacket:
		pidAt = wire.OffPacketOwner + wire.OffOwnerPid
		startAt = wire.OffPacketOwner + wire.OffOwnerStart
	case wire.KindState:
		pidAt = wire.OffStateOwner + wire.OffOwnerPid
		startAt = wire.OffStateOwner + wire.OffOwnerStart
	case wire.KindHandover:
		pidAt = wire.OffHandoverOwner + wire.OffOwnerPid
		startAt = wire.OffHandoverOwner + wire.OffOwnerStart
	case wire.KindWrote:
		pidAt = wire.OffWroteOwner + wire.OffOwnerPid
		startAt = wire.OffWroteOwner + wire.OffOwnerStart
	case wire.KindKernel:
		pidAt = wire.OffKernelOwner + wire.OffOwnerPid
		startAt = wire.OffKernelOwner + wire.OffOwnerStart
	case wire.KindEnv:
		pidAt, startAt = wire.OffEnvPid, wire.OffEnvStart
	case wire.KindFunc:
		pidAt = wire.OffFuncOwner + wire.OffOwnerPid
		startAt = wire.OffFuncOwner + wire.OffOwnerStart
	}
	if pidAt == 0 || len(r) < max(pidAt+4, startAt+8) {
		return 0, 0
	}
	return binary.LittleEndian.Uint32(r[pidAt:]), binary.LittleEndian.Uint64(r[startAt:])
}

// frames is the maximum number of frames of a stack in a record: FRAMES in bpf/kernel.h.
const frames = 64

// compact removes the unused parts of a record: after its addresses, and after each of
// its stacks.
func compact(r wire.Record) wire.Record {
	r = r[:min(uint32(len(r)), binary.LittleEndian.Uint32(r))]
	const full = wire.SizeKernel + 2*16 + 2*8*frames
	if len(r) < full {
		return r
	}
	kernel, user := min(int(r[wire.OffKernelNkstack]), frames), min(int(r[wire.OffKernelNustack]), frames)
	at := wire.SizeKernel + 16*min(int(r[wire.OffKernelNaddr]), 2)
	at += copy(r[at:], r[wire.SizeKernel+2*16:][:8*kernel])
	at += copy(r[at:], r[wire.SizeKernel+2*16+8*frames:][:8*user])
	binary.LittleEndian.PutUint32(r, uint32(at))
	return r[:at]
}

// passes applies the filter to a packet that has not passed the filter at the sockets.
func (s *Source) passes(r wire.Record) bool {
	if s.opts.Filter == nil || s.k.Filtered && r[wire.OffPacketFlags]&wire.PacketWire == 0 {
		return true
	}
	var p wire.Packet
	p.Unmarshal(r)
	data, length := r[wire.SizePacket:], p.Len
	data = data[:min(int(p.Caplen), len(data))]
	if p.Link != 0 {
		const ethernet = 14
		if len(data) < ethernet {
			return false
		}
		if kind := binary.BigEndian.Uint16(data[12:]); kind != 0x0800 && kind != 0x86dd {
			return false
		}
		data, length = data[ethernet:], length-ethernet
	}
	return pcapfilter.Match(s.opts.Filter, data, length)
}
