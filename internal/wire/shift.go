package wire

import "encoding/binary"

// Shift adds delta, in ns, to all CLOCK_MONOTONIC times in a record, in place: the time
// of the record, the entry time of a call, the times of owners and the like. Start times of
// processes and the wall clock of audit are not changed.
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

// attr calls do with the offset of the value of the first attribute with the tag.
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
