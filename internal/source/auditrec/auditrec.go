// Package auditrec makes the wire record of an audit event, whether the kernel
// told it or a file has it.
package auditrec

import (
	"bytes"
	"slices"

	"github.com/pidwire/pidwire/internal/foreign/auditlog"
	"github.com/pidwire/pidwire/internal/wire"
)

// Who says by which rule an event was recorded, and who did it.
type Who struct {
	Key       []byte // of its rule; aliases the event
	AUID, UID uint32 // Unset where it does not say
}

// Unset is a user id that nobody has.
const Unset = 1<<32 - 1

// Read reads from an event what its wire record says apart from the text, and into w,
// unless that is nil, who did it. It reports whether the event is about a process.
func Read(e *auditlog.Event, w *Who) (a wire.Audit, ok bool) {
	a = wire.Audit{Wall: uint64(e.Wall), Serial: e.Serial}
	// It is the record of the call that knows, if there is one.
	of := slices.Contains(e.Types, auditlog.Syscall)
	for i, rest := 0, e.Text; len(rest) > 0; i++ {
		var line []byte
		if at := bytes.IndexByte(rest, '\n'); at >= 0 {
			line, rest = rest[:at], rest[at+1:]
		} else {
			line, rest = rest, nil
		}
		if of && (i >= len(e.Types) || e.Types[i] != auditlog.Syscall) {
			continue
		}
		r, isRecord := auditlog.Split(line)
		if !isRecord {
			continue
		}
		call := r.Type == auditlog.Syscall
		for fields := r.Fields; len(fields) > 0; {
			var k, v []byte
			k, v, fields = auditlog.Next(fields)
			switch string(k) {
			case "pid":
				if n, good := auditlog.Decimal(v); good && n > 0 && n < 1<<32 {
					a.Pid, ok = uint32(n), true
				}
				if call && w == nil {
					return a, ok // what follows says who
				}
			case "key":
				if w != nil {
					w.Key = auditlog.Text(v)
				}
			case "auid", "uid":
				n, good := auditlog.Decimal(v)
				switch {
				case w == nil || !good || n < 0 || n > Unset:
				case k[0] == 'a':
					w.AUID = uint32(n)
				default:
					w.UID = uint32(n)
				}
			}
			if !call {
				continue
			}
			switch string(k) {
			case "arch":
				n, _ := auditlog.Hex(v)
				a.Abi = auditlog.Arch(n)
			case "syscall":
				n, good := auditlog.Decimal(v)
				if good && n >= 0 && n < 1<<32 {
					a.Nr = uint32(n)
					a.Flags |= wire.AuditCall
				}
			case "exit":
				a.Ret, _ = auditlog.Decimal(v)
			case "a0", "a1", "a2", "a3":
				a.Args[k[1]-'0'], _ = auditlog.Hex(v)
			}
		}
	}
	return a, ok
}

// Append appends the wire record of an event, its length not set (wire.Seal).
func Append(b []byte, a *wire.Audit, text []byte) []byte {
	a.Text = uint32(len(text))
	from := len(b)
	b = append(a.Append(b), text...)
	for (len(b)-from)%8 != 0 {
		b = append(b, 0)
	}
	return b
}
