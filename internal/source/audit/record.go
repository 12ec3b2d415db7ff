package audit

import (
	"bytes"

	"github.com/pidwire/pidwire/internal/foreign/auditlog"
	"github.com/pidwire/pidwire/internal/wire"
)

// Header reads from an event what its wire record says apart from the text, and
// the key of its rule. It reports whether the event is about a process.
func Header(e *auditlog.Event) (a wire.Audit, key []byte, ok bool) {
	a = wire.Audit{Wall: uint64(e.Wall), Serial: e.Serial}
	for rest := e.Text; len(rest) > 0; {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		r, isRecord := auditlog.Parse(line)
		if !isRecord {
			continue
		}
		call := r.Type == auditlog.Syscall
		if a.Flags&wire.AuditCall != 0 && !call {
			continue // it is the call's record that knows
		}
		for fields := r.Fields; len(fields) > 0; {
			var k, v []byte
			k, v, fields = auditlog.Next(fields)
			switch string(k) {
			case "pid":
				if n, good := auditlog.Decimal(v); good && n > 0 && n < 1<<32 {
					a.Pid, ok = uint32(n), true
				}
			case "key":
				key = auditlog.Text(v)
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
	return a, key, ok
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
