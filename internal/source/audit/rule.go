//go:build linux

package audit

import (
	"bytes"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/foreign/auditlog"
	"github.com/pidwire/pidwire/internal/syscalls"
	"github.com/pidwire/pidwire/internal/wire"
)

// rule is struct audit_rule_data.
type rule struct {
	flags, action uint32
	mask          [unix.AUDIT_BITMASK_SIZE]uint32
	fields        []field
	buf           []byte // values of the text fields, concatenated
}

type field struct{ what, value, op uint32 }

// Fields and operators (include/uapi/linux/audit.h).
const (
	fieldPID   = 0
	fieldArch  = 11
	fieldType  = 12 // AUDIT_MSGTYPE
	fieldPPID  = 18
	fieldKey   = 210
	equal      = 0x40000000
	notEqual   = 0x30000000
	listTask   = 1
	listExit   = 4
	listTypes  = 5 // AUDIT_FILTER_EXCLUDE
	actNever   = 0
	actAlways  = 2
	maxFields  = 64
	ruleHead   = 12
	ruleLen    = ruleHead + 4*unix.AUDIT_BITMASK_SIZE + 3*4*maxFields + 4
	callsByNum = 32 // bits per word of the mask
)

func (r *rule) bytes() []byte {
	b := make([]byte, ruleLen, ruleLen+len(r.buf))
	ne.PutUint32(b, r.flags)
	ne.PutUint32(b[4:], r.action)
	ne.PutUint32(b[8:], uint32(len(r.fields)))
	at := ruleHead
	for _, w := range r.mask {
		ne.PutUint32(b[at:], w)
		at += 4
	}
	for i, f := range r.fields {
		ne.PutUint32(b[at+4*i:], f.what)
		ne.PutUint32(b[at+4*(maxFields+i):], f.value)
		ne.PutUint32(b[at+4*(2*maxFields+i):], f.op)
	}
	ne.PutUint32(b[ruleLen-4:], uint32(len(r.buf)))
	return append(b, r.buf...)
}

func parseRule(b []byte) (r rule, ok bool) {
	if len(b) < ruleLen {
		return r, false
	}
	r.flags, r.action = ne.Uint32(b), ne.Uint32(b[4:])
	n := ne.Uint32(b[8:])
	if n > maxFields {
		return r, false
	}
	at := ruleHead
	for i := range r.mask {
		r.mask[i] = ne.Uint32(b[at:])
		at += 4
	}
	for i := range int(n) {
		r.fields = append(r.fields, field{ne.Uint32(b[at+4*i:]), ne.Uint32(b[at+4*(maxFields+i):]), ne.Uint32(b[at+4*(2*maxFields+i):])})
	}
	length := int(ne.Uint32(b[ruleLen-4:]))
	if length > len(b)-ruleLen {
		return r, false
	}
	r.buf = bytes.Clone(b[ruleLen : ruleLen+length])
	return r, true
}

// textField reports whether the value of a field is the length of its text in buf.
func textField(what uint32) bool {
	switch what {
	case 13, 14, 15, 16, 17, 19, 20, 21, 22, 23, 105, 107, 112, fieldKey: // AUDIT_SUBJ_*, OBJ_*, WATCH, DIR, EXE, FILTERKEY
		return true
	}
	return false
}

// key returns the key of the rule (auditctl -k), or an empty string.
func (r *rule) key() string {
	at := 0
	for _, f := range r.fields {
		if !textField(f.what) {
			continue
		}
		end := min(at+int(f.value), len(r.buf))
		if f.what == fieldKey {
			return string(r.buf[at:end])
		}
		at = end
	}
	return ""
}

// forbids reports whether a rule can suppress the record of a call.
func (r *rule) forbids() bool {
	switch r.flags & 0xf {
	case listTask, listExit:
		return r.action == actNever
	case listTypes:
		// Rules that suppress other types of records are common, and harmless here.
		return !slices.ContainsFunc(r.fields, func(f field) bool {
			return f.what == fieldType && f.op == equal && f.value != auditlog.Syscall && f.value != auditlog.SockAddr
		})
	}
	return false
}

// newRule returns a rule that records the given calls of an architecture. who is the field
// that is compared with pid: fieldPID for the process, or fieldPPID for its children. If
// pid is everybody, the rule is for all processes except this one.
func newRule(arch uint32, calls []uint32, who, pid uint32, key string) rule {
	r := rule{flags: listExit, action: actAlways, buf: []byte(key)}
	for _, nr := range calls {
		if i := nr / callsByNum; int(i) < len(r.mask) {
			r.mask[i] |= 1 << (nr % callsByNum)
		}
	}
	r.fields = []field{{fieldArch, arch, equal}, {fieldKey, uint32(len(key)), equal}}
	if pid != everybody {
		r.fields = slices.Insert(r.fields, 1, field{who, pid, equal})
	} else {
		// Recording our own reads of records would never end.
		r.fields = slices.Insert(r.fields, 1, field{fieldPID, uint32(os.Getpid()), notEqual})
	}
	return r
}

// arches returns the architectures (AUDIT_ARCH_*) of the syscall tables of a machine, with
// the sorted numbers of the socket calls in each.
func arches(goarch string) (list []archCalls) {
	abis := []uint8{wire.AbiX8664, wire.AbiI386}
	if goarch == "arm64" {
		abis = []uint8{wire.AbiARM64, wire.AbiARM}
	}
	for _, abi := range abis {
		a := archCalls{arch: map[uint8]uint32{
			wire.AbiX8664: unix.AUDIT_ARCH_X86_64, wire.AbiI386: unix.AUDIT_ARCH_I386, wire.AbiARM64: unix.AUDIT_ARCH_AARCH64, wire.AbiARM: unix.AUDIT_ARCH_ARM,
		}[abi]}
		for i := range syscalls.Table {
			c := &syscalls.Table[i]
			if nr, ok := c.Number(abi); ok && c.Audited() {
				a.calls = append(a.calls, nr)
			}
		}
		if abi == wire.AbiI386 {
			a.calls = append(a.calls, syscalls.Socketcall)
		}
		slices.Sort(a.calls)
		list = append(list, a)
	}
	return list
}

type archCalls struct {
	arch  uint32
	calls []uint32
}
