package decode

import (
	"bytes"
	"strconv"
	"strings"
	"unsafe"

	"github.com/pidwire/pidwire/internal/decode/sock"
	"github.com/pidwire/pidwire/internal/decode/sys"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/foreign/strace"
	"github.com/pidwire/pidwire/internal/syscalls"
	"github.com/pidwire/pidwire/internal/wire"
)

// text decodes a line of another tool.
func (d *Decoder) text(r wire.Record, ev *event.Event) bool {
	var x wire.Text
	if !x.Unmarshal(r) || uint64(x.Text) > uint64(len(r)-wire.SizeText) {
		return false
	}
	ev.Slack = int64(min(x.Slack, 1<<62))
	ev.Task = event.Task{Proc: event.Proc{PID: x.Pid}, TID: x.Pid, Comm: d.comm(x.Comm), Bare: true}
	line := r[wire.SizeText : wire.SizeText+int(x.Text)]
	switch x.Format {
	case wire.TextStrace:
		d.strace(line, ev, x.Line)
	case wire.TextTruss:
		d.truss(line, ev)
	case wire.TextKtrace:
		d.kernel(line, ev)
		if k, ok := ev.Body.(*event.Kernel); ok {
			k.Under = x.Flags&wire.TextUnder != 0
		}
	default:
		ev.Body = &event.Unknown{Kind: r.Kind(), Len: len(r)}
	}
	if c, ok := ev.Body.(*event.Call); ok {
		if c.Redacted = x.Flags&wire.TextKeyless != 0; c.Redacted {
			c.Payload = nil
		}
		answers(c)
		d.foreignSocks(c, r, &x)
	}
	return true
}

// strace decodes a line of strace.
func (d *Decoder) strace(line []byte, ev *event.Event, number uint32) {
	l := &d.line
	if err := strace.Parse(line, l); err != nil {
		ev.Body = &event.Note{Degraded: true, Text: "line " + strconv.FormatUint(uint64(number), 10) + " is not of strace: " + string(line)}
		return
	}
	switch l.Kind {
	case strace.Call, strace.Unfinished:
		ev.Body = d.straceCall(l)
	case strace.Exit:
		ev.Body = &event.Process{What: event.Exit, Code: l.Code << 8}
	default:
		ev.Body = &event.Note{Text: string(line)}
	}
}

// foreignSocks sets the sockets of a call from those in its record, which come from another
// file.
func (d *Decoder) foreignSocks(c *event.Call, r wire.Record, x *wire.Text) {
	rest := r[wire.SizeText+min(len(r)-wire.SizeText, (int(x.Text)+7)&^7):]
	n := min(int(x.Nsock), len(rest)/wire.SizeSock)
	if n == 0 {
		return
	}
	c.Socks = d.arena.Socks(n)
	for i := range c.Socks {
		var k wire.Sock
		k.Unmarshal(rest[i*wire.SizeSock:])
		sock.Fill(&c.Socks[i], &k)
	}
}

// alias returns b as a string without a copy. b must not change while it is in use.
func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func (d *Decoder) straceCall(l *strace.Line) *event.Call {
	c := d.arena.Call()
	c.Foreign = true
	info := syscalls.ByName(alias(l.Name))
	if info != nil {
		c.Name, c.Role = info.Name, info.Role
	} else {
		c.Name = strings.Clone(alias(l.Name))
		c.Role = syscalls.RoleOf(c.Name)
	}
	if l.Kind == strace.Unfinished {
		c.State = event.Unfinished
	}
	args := l.Args()
	if need := len(args) + 3; cap(d.toks)-len(d.toks) < need {
		d.toks = d.arena.Tokens(need)
	}
	c.Args = d.arena.Args(len(args))
	names := sys.ArgNames(c.Name)
	for i, a := range args {
		c.Args[i].Val, c.Args[i].Unknown = d.asIs(a), true
		if i < len(names) {
			c.Args[i].Name = names[i]
		}
		switch {
		case i == 0 && strace.FD(a, &d.fd):
			c.Args[i].Raw, c.Args[i].Unknown = uint64(d.fd.Num), false
			if d.fd.Local.IsValid() {
				c.Socks = d.arena.Socks(1)
				c.Socks[0] = described(&d.fd)
			}
		case c.Role.Has(event.Opens | event.OpensPair):
			if n, ok := sys.Constant(alias(first(a))); ok && i < 3 {
				c.Args[i].Raw, c.Args[i].Unknown = n, false
			}
		case bytes.HasPrefix(a, []byte("{sa_family=")):
			if out, ok := strace.Sockaddr(d.path[:0], a, &d.addr); ok {
				c.Addr, d.path = d.addr.AddrPort, out
			}
		}
	}
	c.Dur = l.Dur.NS
	switch {
	case !l.HasResult:
	case !l.HasValue:
		c.Out = d.asIs(l.RetText)
	default:
		c.Ret = l.Ret
		if !plain(l.RetText, l.Ret) {
			c.Out = d.asIs(l.RetText)
		}
	}
	if len(l.Errno) > 0 {
		c.Errno = strings.Clone(alias(l.Errno))
		if n, ok := sys.ErrorNumber(c.Errno); ok {
			c.Ret = -n
		}
		if len(l.ErrText) > 0 {
			c.Aux = d.asIs(l.ErrText)
		}
	} else if notes := l.Notes(); len(notes) > 0 && len(notes[0]) > 2 {
		c.Aux = d.asIs(notes[0][1 : len(notes[0])-1])
	}
	if info != nil {
		d.moved(c)
		d.straceData(c, args)
	}
	return c
}

// described returns the socket of an fd that strace -yy has decoded.
func described(d *strace.Desc) event.Sock {
	s := event.Sock{FD: d.Num, Family: 2, Local: d.Local, Peer: d.Peer}
	if d.Local.Addr().Is6() && !d.Local.Addr().Is4In6() {
		s.Family = 10
	}
	switch proto, _ := bytes.CutSuffix(d.Proto, []byte("v6")); string(proto) {
	case "TCP":
		s.Type, s.Protocol = 1, event.ProtoTCP
	case "UDP":
		s.Type, s.Protocol = 2, event.ProtoUDP
	}
	return s
}

// asIs returns a tape with the text of a value. The caller has reserved room in d.toks.
func (d *Decoder) asIs(b []byte) event.Tape {
	d.toks = append(d.toks, event.Token{Kind: event.TAsIs, Str: alias(b)})
	n := len(d.toks)
	return event.Tape(d.toks[n-1 : n : n])
}

// first returns the part before the first |: SOCK_STREAM of SOCK_STREAM|SOCK_CLOEXEC.
func first(a []byte) []byte {
	a, _, _ = bytes.Cut(a, []byte("|"))
	return a
}

// plain reports whether a result was printed as a decimal number alone.
func plain(text []byte, n int64) bool {
	var b [24]byte
	return bytes.Equal(text, strconv.AppendInt(b[:0], n, 10))
}
