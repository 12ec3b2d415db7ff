package merge

import (
	"encoding/binary"
	"slices"

	"github.com/pidwire/pidwire/internal/syscalls"
	"github.com/pidwire/pidwire/internal/wire"
)

// An audit record is joined to the record of its call by process, number, arguments
// and result, in the order of both: audit's clock is coarse, and it does not record
// threads. The call's record is appended to audit's, which follows the call.

// callKey has the fields that both records of a call have.
type callKey struct {
	pid, nr uint32
	abi     uint8
	ret     int64
	args    [4]uint64
}

// audits joins calls and audit records.
type audits struct {
	on      bool
	calls   map[callKey][]heldCall    // delayed, not joined
	records map[callKey][]wire.Record // of audit, delayed, not joined
	late    []*lateCall               // calls that were emitted, not joined
	byKey   map[callKey][]*lateCall
	covers  map[uint32]uint64 // by process: the time since when audit records all its socket calls
	upto    uint64            // all records of calls that returned before have arrived
}

type heldCall struct {
	rec wire.Record
	at  uint64
}

type lateCall struct {
	key     callKey
	rec     wire.Record // its own memory
	covered bool
	joined  bool
}

// maxLate bounds the calls kept after they were emitted, maxCovered the processes.
const (
	maxLate    = 4096
	maxCovered = 65536
)

// JoinAudit enables joining of audit records to calls.
func (m *Merger) JoinAudit() {
	m.audits = audits{
		on: true, calls: map[callKey][]heldCall{}, records: map[callKey][]wire.Record{}, byKey: map[callKey][]*lateCall{}, covers: map[uint32]uint64{},
	}
}

func narrow(abi uint8) bool { return abi == wire.AbiI386 || abi == wire.AbiArm }

// result returns a call's result as audit records it: -EINTR for calls that are
// restarted (audit_syscall_exit, kernel/auditsc.c).
func result(n int64) int64 {
	const restartSys, restartBlock, eintr = -512, -516, -4
	if n <= restartSys && n >= restartBlock {
		return eintr
	}
	return n
}

// keyOfCall returns the key of a call that has returned, if audit may record it.
func (m *Merger) keyOfCall(r wire.Record) (k callKey, ok bool) {
	var s wire.Syscall
	if !s.Unmarshal(r) || s.Flags&(wire.CallWaiting|wire.CallUnfinished) != 0 {
		return k, false
	}
	c := syscalls.Find(s.Abi, s.Nr, s.Sub)
	if c == nil || !c.Audited() {
		return k, false
	}
	k = callKey{pid: s.Pid, nr: s.Nr, abi: s.Abi, ret: result(s.Ret)}
	if k.abi == wire.AbiX32 {
		k.abi = wire.AbiX8664 // audit distinguishes them only by the number
	}
	if s.Sub != 0 {
		k.args[0] = uint64(s.Sub)
		return k, true
	}
	copy(k.args[:], s.Args[:4])
	k.trim()
	return k, true
}

func (k *callKey) trim() {
	if narrow(k.abi) {
		for i := range k.args {
			k.args[i] = uint64(uint32(k.args[i]))
		}
	}
}

func keyOfAudit(r wire.Record) (k callKey, ok bool) {
	var a wire.Audit
	if !a.Unmarshal(r) || a.Flags&wire.AuditCall == 0 {
		return k, false
	}
	k = callKey{pid: a.Pid, nr: a.Nr, abi: a.Abi, ret: result(a.Ret), args: a.Args}
	if a.Abi == wire.AbiI386 && a.Nr == syscalls.Socketcall {
		k.args = [4]uint64{a.Args[0]}
	}
	k.trim()
	return k, true
}

// addCall takes a call before it is inserted. If its audit record arrived earlier,
// addCall returns that record joined with the call.
func (m *Merger) addCall(r wire.Record) (joined wire.Record) {
	k, ok := m.keyOfCall(r)
	if !ok {
		return nil
	}
	list := m.audits.records[k]
	if len(list) == 0 {
		return nil
	}
	rec := list[0]
	m.dropRecord(k, 0)
	joined = withCall(rec, r)
	m.blank(rec)
	return joined
}

// holdCall stores a delayed call that is not joined yet.
func (m *Merger) holdCall(held wire.Record, at uint64) {
	if k, ok := m.keyOfCall(held); ok {
		m.audits.calls[k] = append(m.audits.calls[k], heldCall{held, at})
	}
}

// auditNotice handles the records of audit's source that are not events, and reports
// whether r is one.
func (m *Merger) auditNotice(r wire.Record) (taken bool, err error) {
	var a wire.Audit
	if !a.Unmarshal(r) {
		return false, nil
	}
	switch {
	case a.Flags&wire.AuditCovers != 0:
		if m.audits.on && len(m.audits.covers) < maxCovered {
			m.audits.covers[a.Pid] = a.H.Time
		}
		return true, nil
	case a.Flags&wire.AuditUpto != 0:
		return true, m.missing(a.H.Time)
	}
	return false, nil
}

// addAudit takes an audit record. If its call has arrived, addAudit returns the joined
// record and the position of the call.
func (m *Merger) addAudit(r wire.Record) (joined wire.Record, at uint64, ok bool) {
	k, isCall := keyOfAudit(r)
	if !isCall {
		return nil, 0, false
	}
	if list := m.audits.byKey[k]; len(list) > 0 {
		c := list[0]
		c.joined = true
		m.audits.dropLate(c)
		return withCall(r, c.rec), r.Time(), true
	}
	if list := m.audits.calls[k]; len(list) > 0 {
		c := list[0]
		if rest := slices.Delete(list, 0, 1); len(rest) > 0 {
			m.audits.calls[k] = rest
		} else {
			delete(m.audits.calls, k)
		}
		return withCall(r, c.rec), c.at, true
	}
	return nil, 0, false
}

func (a *audits) dropLate(c *lateCall) {
	list := a.byKey[c.key]
	i := slices.Index(list, c)
	if i < 0 {
		return
	}
	if rest := slices.Delete(list, i, i+1); len(rest) > 0 {
		a.byKey[c.key] = rest
	} else {
		delete(a.byKey, c.key)
	}
}

// missing reports the calls without an audit record, once all records of calls that
// returned before a time have arrived.
func (m *Merger) missing(upto uint64) error {
	if !m.audits.on {
		return nil
	}
	m.audits.upto = max(m.audits.upto, upto)
	var gone []*lateCall
	m.audits.late = slices.DeleteFunc(m.audits.late, func(c *lateCall) bool {
		if c.rec.Time() < upto && !c.joined {
			gone = append(gone, c)
		}
		return c.joined || c.rec.Time() < upto
	})
	for _, c := range gone {
		m.audits.dropLate(c)
		if err := m.tell(c); err != nil {
			return err
		}
	}
	return nil
}

// tell reports a call without an audit record, if audit should have one.
func (m *Merger) tell(c *lateCall) error {
	if !c.covered {
		return nil
	}
	a := wire.Audit{H: wire.Hdr{Kind: wire.KindAudit, Layer: wire.LayerAud, Time: c.rec.Time()}, Pid: c.key.pid, Flags: wire.AuditMissing | wire.AuditCall}
	return m.emit(withCall(wire.Seal(a.Append(nil)), c.rec))
}

// holdAudit stores a delayed audit record that is not joined yet.
func (m *Merger) holdAudit(held wire.Record) {
	if k, ok := keyOfAudit(held); ok {
		m.audits.records[k] = append(m.audits.records[k], held)
	}
}

func (m *Merger) dropRecord(k callKey, i int) {
	list := m.audits.records[k]
	if rest := slices.Delete(list, i, i+1); len(rest) > 0 {
		m.audits.records[k] = rest
	} else {
		delete(m.audits.records, k)
	}
}

// withCall returns an audit record with its call's record appended.
func withCall(audit, call wire.Record) wire.Record {
	return wire.Seal(slices.Concat(audit, call))
}

// blank removes a delayed record.
func (m *Merger) blank(rec wire.Record) {
	for i := m.next; i < len(m.held); i++ {
		if h := m.held[i].rec; len(h) > 0 && &h[0] == &rec[0] {
			m.takeOut(i)
			return
		}
	}
}

// leaves unregisters a record that is emitted. A call without an audit record is kept
// for a while, because audit may be slow; leaves returns a call whose record should
// have arrived.
func (m *Merger) leaves(r wire.Record) (missing *lateCall) {
	switch r.Kind() {
	case wire.KindAudit:
		if k, ok := keyOfAudit(r); ok {
			list := m.audits.records[k]
			if i := slices.IndexFunc(list, func(h wire.Record) bool { return &h[0] == &r[0] }); i >= 0 {
				m.dropRecord(k, i)
			}
		}
	case wire.KindSyscall:
		k, ok := m.keyOfCall(r)
		if !ok {
			return nil
		}
		list := m.audits.calls[k]
		i := slices.IndexFunc(list, func(c heldCall) bool { return &c.rec[0] == &r[0] })
		if i < 0 {
			return nil
		}
		if rest := slices.Delete(list, i, i+1); len(rest) > 0 {
			m.audits.calls[k] = rest
		} else {
			delete(m.audits.calls, k)
		}
		from, covered := m.audits.covers[k.pid]
		enter := binary.LittleEndian.Uint64(r[wire.OffSyscallEnter:])
		c := &lateCall{key: k, rec: slices.Clone(r), covered: covered && enter > from}
		if r.Time() < m.audits.upto {
			return c
		}
		if len(m.audits.late) < maxLate {
			m.audits.late = append(m.audits.late, c)
			m.audits.byKey[k] = append(m.audits.byKey[k], c)
		}
	}
	return nil
}
