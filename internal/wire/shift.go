package wire

import "encoding/binary"

// Shift adds delta to every time of a record that counts by CLOCK_MONOTONIC, in
// place: its own, and those of a call's begin and of what is known of owners.
// When processes began, and the wall clock of audit, stay as they are.
func Shift(r Record, delta int64) {
	if delta == 0 || len(r) < SizeHdr {
		return
	}
	add := func(at int) {
		if len(r) >= at+8 {
			binary.LittleEndian.PutUint64(r[at:], binary.LittleEndian.Uint64(r[at:])+uint64(delta))
		}
	}
	owner := func(at int) {
		if len(r) >= at+SizeOwner && binary.LittleEndian.Uint64(r[at+OffOwnerTime:]) != 0 {
			add(at + OffOwnerTime)
		}
	}
	add(OffHdrTime)
	switch r.Kind() {
	case KindSyscall:
		add(OffSyscallEnter)
	case KindUring:
		add(OffUringEnter)
	case KindPacket:
		owner(OffPacketOwner)
	case KindHandover:
		owner(OffHandoverOwner)
		attr(r, SizeHandover, TagSince, add)
	case KindKernel:
		owner(OffKernelOwner)
	case KindFunc:
		owner(OffFuncOwner)
	case KindState:
		owner(OffStateOwner)
		attr(r, SizeState+SizeSock, TagOwners, func(at int) {
			n := int(binary.LittleEndian.Uint16(r[at-SizeAttr+2:]))
			for end := at + n; at+SizeOwner <= end; at += SizeOwner {
				owner(at)
			}
		})
	case KindClock:
		add(OffClockMono)
	case KindAudit:
		if len(r) >= SizeAudit {
			text := uint64(binary.LittleEndian.Uint32(r[OffAuditText:]))
			if at := (uint64(SizeAudit) + text + 7) &^ 7; at < uint64(len(r)) {
				Shift(r[at:], delta)
			}
		}
	}
}

// attr calls do with the offset of the value of an attribute.
func attr(r Record, from int, tag uint16, do func(at int)) {
	for len(r) >= from+SizeAttr {
		n := int(binary.LittleEndian.Uint16(r[from+2:]))
		if len(r) < from+SizeAttr+n {
			return
		}
		if binary.LittleEndian.Uint16(r[from:]) == tag {
			do(from + SizeAttr)
			return
		}
		from += SizeAttr + (n+3)&^3
	}
}
