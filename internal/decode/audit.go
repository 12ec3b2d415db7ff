package decode

import (
	"bytes"
	"encoding/hex"
	"strings"

	"github.com/pidwire/pidwire/internal/decode/sock"
	"github.com/pidwire/pidwire/internal/decode/sys"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/foreign/auditlog"
	"github.com/pidwire/pidwire/internal/syscalls"
	"github.com/pidwire/pidwire/internal/wire"
)

// audit decodes an event of Linux audit: its records, and the system call that caused it.
func (d *Decoder) audit(r wire.Record, ev *event.Event) bool {
	var a wire.Audit
	if !a.Unmarshal(r) || uint64(a.Text) > uint64(len(r)-wire.SizeAudit) {
		return false
	}
	text := r[wire.SizeAudit : wire.SizeAudit+int(a.Text)]
	b := d.arena.Audit()
	b.Serial, b.Stamp, b.AUID, b.Session, b.UID = a.Serial, int64(a.Wall), event.Unset, event.Unset, event.Unset
	ev.Body = b
	ev.Task = event.Task{Proc: event.Proc{PID: a.Pid}}
	b.Missing = a.Flags&wire.AuditMissing != 0
	// The audit clock is coarse, and has another epoch than the timeline.
	ev.Time, ev.Slack = b.Stamp, 4_000_000
	known := 0
	s := &d.call
	*s = wire.Syscall{Pid: a.Pid, Abi: a.Abi, Nr: a.Nr, Ret: a.Ret}
	if a.Flags&wire.AuditCall != 0 {
		s.Args, known = [6]uint64{a.Args[0], a.Args[1], a.Args[2], a.Args[3]}, 4
		if a.Abi == wire.AbiI386 && a.Nr == syscalls.Socketcall {
			s.Sub, s.Args, known = uint8(min(a.Args[0], 255)), [6]uint64{}, 0
		}
	}
	known, saddr := d.auditRecords(&a, text, known, b, ev)
	call := r[min(len(r), wire.SizeAudit+(int(a.Text)+7)&^7):]
	if d.auditCall(&a, call, known, saddr, b, ev) {
		saddr = nil // saddr is among the arguments
	}
	if len(saddr) > 0 {
		b.Addr = d.sys.Address(saddr)
		b.AddrRole = roleOf(b.Call)
	}
	return b.Call != nil || !b.Missing // AuditMissing needs a call: the one without an audit event
}

// auditRecords parses the lines of an event: the task into ev, the arguments and the result
// of the call into d.call, everything else into b. It returns the number of known arguments
// of the call, and its sockaddr.
func (d *Decoder) auditRecords(a *wire.Audit, text []byte, args int, b *event.Audit, ev *event.Event) (known int, saddr []byte) {
	s := &d.call
	known = args
	for rest := text; len(rest) > 0; {
		var line []byte
		if at := bytes.IndexByte(rest, '\n'); at >= 0 {
			line, rest = rest[:at], rest[at+1:]
		} else {
			line, rest = rest, nil
		}
		rec, ok := auditlog.Split(line)
		if !ok {
			ev.Warn = append(ev.Warn, "not an audit record")
			continue
		}
		if rec.Type != 0 {
			b.Types = append(b.Types, auditlog.Name(rec.Type))
		} else {
			b.Types = append(b.Types, alias(rec.Name))
		}
		switch {
		case rec.Type == auditlog.Syscall || rec.Type == auditlog.Seccomp || rec.Type >= auditlog.AnomPromiscuous && rec.Type <= auditlog.AnomLast:
			exit := d.whoOf(rec.Fields, b, &ev.Task)
			if len(exit) > 0 && exit[0] >= 'A' && rec.Type == auditlog.Syscall {
				if n, ok := sys.ErrorNumber(alias(exit)); ok {
					s.Ret = -n // printed as a name by ausearch -i
				}
			}
			if rec.Type != auditlog.Syscall {
				b.Denial = true
				say(b, &rec)
			}
		case rec.Type == auditlog.SockAddr:
			saddr = d.hex(auditlog.Value(rec.Fields, "saddr"), saddr)
		case rec.Type == auditlog.SocketCall:
			known = vector(rec.Fields, &s.Args)
		case rec.Type == auditlog.AVC, rec.Type == auditlog.Landlock, rec.Type == auditlog.SELinuxErr, rec.Type == auditlog.NetfilterCfg, rec.Type == auditlog.NetfilterPkt,
			rec.Type >= auditlog.AppArmorFirst && rec.Type <= auditlog.AppArmorLast:
			d.whoOf(rec.Fields, b, &ev.Task)
			b.Denial = true
			say(b, &rec)
		case rec.Type == auditlog.ProcTitle, rec.Type == auditlog.FDPair, rec.Type == auditlog.EOE:
		case a.Flags&wire.AuditCall == 0:
			d.whoOf(rec.Fields, b, &ev.Task)
			say(b, &rec)
		}
	}
	return known, saddr
}

// auditCall sets the call of an event: from the record call if it is one of a call, else
// from the audit records. placed is true if saddr is among its arguments.
func (d *Decoder) auditCall(a *wire.Audit, call wire.Record, known int, saddr []byte, b *event.Audit, ev *event.Event) (placed bool) {
	if a.Flags&wire.AuditCall == 0 {
		return false
	}
	switch call.Kind() {
	case wire.KindText:
		whole := event.Event{}
		if !d.text(call, &whole) {
			return false
		}
		c, ok := whole.Body.(*event.Call)
		if !ok {
			return false
		}
		b.Call, b.Joined = c, true
		c.ABI, c.NR = event.ABI(a.Abi), a.Nr
		ev.Task.TID = whole.Task.TID
		ev.Time, ev.Slack = d.wall(call.Time()), whole.Slack
		ev.Warn = append(ev.Warn, whole.Warn...)
		return true
	case wire.KindSyscall:
		whole := event.Event{}
		if !d.syscall(call, &whole) {
			return false
		}
		b.Call, b.Joined = whole.Body.(*event.Call), true
		ev.Task, ev.Time, ev.Slack = whole.Task, whole.Time, 0
		ev.Warn = append(ev.Warn, whole.Warn...)
		return true
	}
	var warn []string
	b.Call, placed, warn = d.sys.Audited(&d.call, known, saddr)
	ev.Warn = append(ev.Warn, warn...)
	var k wire.Sock
	if call.Kind() == wire.KindSock && len(call) >= wire.SizeSocksnap && k.Unmarshal(call[wire.SizeSocksnap:]) {
		b.Call.Socks = d.arena.Socks(1)
		sock.Fill(&b.Call.Socks[0], &k) // the addresses of the socket, from another file
	}
	return placed
}

// roleOf tells whether the address of a call is "local", "peer", or just an "address".
func roleOf(c *event.Call) string {
	if c == nil {
		return "address"
	}
	switch {
	case c.Role.Has(event.Binds | event.AsksLocal):
		return "local"
	case c.Role.Has(event.Connects | event.Accepts | event.AsksPeer | event.Sends | event.Receives):
		return "peer"
	}
	return "address"
}

// say appends a record as text to b.What. The text has strings of processes: it is hostile.
func say(b *event.Audit, r *auditlog.Record) {
	if b.What != "" {
		b.What += "; "
	}
	fields, _, _ := bytes.Cut(r.Fields, []byte{0x1d})
	b.What += string(r.Name) + " " + strings.TrimRight(string(fields), " ")
}

// vector parses the arguments of a SOCKETCALL record, and returns their number.
func vector(fields []byte, args *[6]uint64) (n int) {
	for i, key := range []string{"a0", "a1", "a2", "a3", "a4", "a5"} {
		v, ok := auditlog.Hex(auditlog.Value(fields, key))
		if !ok {
			return i
		}
		args[i] = v
	}
	return len(args)
}

// hex decodes hexadecimal digits into memory of the arena. It returns otherwise if v is not
// hexadecimal.
func (d *Decoder) hex(v, otherwise []byte) []byte {
	if len(v) == 0 || len(v)%2 != 0 {
		return otherwise
	}
	out := d.arena.Bytes(len(v) / 2)
	if n, err := hex.Decode(out, v); err != nil || n != len(out) {
		return otherwise
	}
	return out
}

// whoOf parses the fields of the process into b and t. It returns the value of exit.
func (d *Decoder) whoOf(fields []byte, b *event.Audit, t *event.Task) (exit []byte) {
	for len(fields) > 0 {
		var k, v []byte
		k, v, fields = auditlog.Next(fields)
		switch string(k) {
		case "pid":
			if n, ok := auditlog.Decimal(v); ok && n > 0 && n < 1<<32 {
				t.PID = uint32(n)
			}
		case "ppid":
			b.PPID = id(v, 0)
		case "auid":
			b.AUID = id(v, event.Unset)
		case "uid":
			b.UID = id(v, event.Unset)
		case "euid":
			t.UID = id(v, event.Unset)
		case "ses":
			b.Session = id(v, event.Unset)
		case "tty":
			if string(v) != "(none)" {
				b.TTY = alias(auditlog.Text(v))
			}
		case "comm":
			var c [16]byte
			copy(c[:15], auditlog.Text(v))
			t.Comm = d.comm(c)
		case "exe":
			b.Exe = alias(auditlog.Text(v))
		case "key":
			b.Key = alias(auditlog.Text(v))
		case "subj", "label":
			b.Subject = alias(v)
		case "exit":
			exit = v
		case "AUID":
			if name := alias(auditlog.Text(v)); name != "unset" {
				b.AUIDName = name
			}
		}
	}
	return exit
}

func id(v []byte, none uint32) uint32 {
	if n, ok := auditlog.Decimal(v); ok && n >= -1 && n < 1<<32 {
		return uint32(n)
	}
	return none
}
