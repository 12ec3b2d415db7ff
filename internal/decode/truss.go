package decode

import (
	"strings"

	"github.com/pidwire/pidwire/internal/decode/sys"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/foreign/truss"
	"github.com/pidwire/pidwire/internal/syscalls"
)

// trussNames maps names of calls on other systems to those on Linux.
var trussNames = map[string]string{
	"so_socket": "socket", "so_socketpair": "socketpair", // Solaris
	"kread": "read", "kreadv": "readv", "kwrite": "write", "kwritev": "writev", // AIX
	"connext": "connect", "naccept": "accept", "ngetsockname": "getsockname", "ngetpeername": "getpeername",
	"nrecvfrom": "recvfrom", "nrecvmsg": "recvmsg", "nsendmsg": "sendmsg", "erecv": "recv", "esend": "send", "erecvfrom": "recvfrom", "esendto": "sendto",
	"_read": "read", "_write": "write", "_close": "close", "_connect": "connect", "_accept": "accept", // FreeBSD, in libthr
	"_sendto": "sendto", "_recvfrom": "recvfrom", "_sendmsg": "sendmsg", "_recvmsg": "recvmsg", "_socket": "socket",
}

// truss decodes a line of truss.
func (d *Decoder) truss(line []byte, ev *event.Event) {
	l := &d.trussed
	if err := truss.Parse(line, l); err != nil {
		ev.Body = &event.Note{Degraded: true, Text: "not a line of truss: " + string(line)}
		return
	}
	switch l.Kind {
	case truss.Call, truss.Unfinished:
		ev.Body = d.trussCall(l)
	case truss.Exit:
		code := l.Code << 8
		if l.Killed {
			code = l.Code & 0x7f
		}
		ev.Body = &event.Process{What: event.Exit, Code: code}
	default:
		ev.Body = &event.Note{Text: string(line)}
	}
}

func (d *Decoder) trussCall(l *truss.Line) *event.Call {
	c := d.arena.Call()
	c.Foreign = true
	name := string(l.Name)
	if c.Name = name; trussNames[name] != "" {
		c.Name, c.Via = trussNames[name], name
	}
	if info := syscalls.ByName(c.Name); info != nil {
		c.Name, c.Role = info.Name, info.Role
	} else {
		c.Role = syscalls.RoleOf(c.Name)
	}
	if l.Kind == truss.Unfinished {
		c.State = event.Unfinished
	}
	args := l.Args()
	if need := 2*len(args) + 4; cap(d.toks)-len(d.toks) < need {
		d.toks = d.arena.Tokens(need)
	}
	c.Args = d.arena.Args(len(args))
	names := sys.ArgNames(c.Name)
	details := addressBelow(string(l.Details))
	for i, a := range args {
		c.Args[i].Val, c.Args[i].Unknown = d.asIs(a), true
		if i < len(names) {
			c.Args[i].Name = names[i]
		}
		if i == 0 {
			if fd, ok := truss.FD(a); ok {
				c.Args[i].Raw, c.Args[i].Unknown = uint64(fd), false
			}
		}
		if c.Role.Has(event.Opens) && i < 3 {
			if n, ok := sys.Constant(alias(first(a))); ok {
				c.Args[i].Raw, c.Args[i].Unknown = n, false
			} else if n, ok := truss.Int(a); ok { // AIX prints numbers; AF_INET and the socket types are those of Linux
				c.Args[i].Raw, c.Args[i].Unknown = uint64(n), false
			}
		}
		if isAddress(c.Args[i].Name) && details != "" {
			// The details that -v prints below a call are its address.
			d.toks = append(d.toks, event.Token{Kind: event.TAsIs, Str: alias(a)}, event.Token{Kind: event.TNote, Str: details})
			n := len(d.toks)
			c.Args[i].Val, details = event.Tape(d.toks[n-2:n:n]), ""
		}
	}
	c.Addr = l.Addr
	c.Dur = l.Sys.NS
	switch {
	case l.HasValue && l.Errno == nil:
		c.Ret = l.Ret
		if len(l.RetText) > 0 && !plain(l.RetText, l.Ret) {
			c.Out = d.asIs(l.RetText)
		}
	case len(l.RetText) > 0:
		c.Out = d.asIs(l.RetText)
	}
	if l.ErrNum != 0 || l.Errno != nil {
		c.Errno = string(l.Errno)
		if c.Errno == "" {
			c.Errno = "E?"
		}
		c.Ret = -1
		if n, ok := sys.ErrorNumber(c.Errno); ok {
			c.Ret = -n
		}
		if len(l.ErrText) > 0 {
			c.Aux = d.asIs(l.ErrText)
		}
	}
	d.moved(c)
	return c
}

// addressBelow returns the address that -v printed below a call, joined to one line.
func addressBelow(details string) string {
	for line := range strings.Lines(details) {
		if words := strings.Fields(line); len(words) > 1 && strings.HasPrefix(words[0], "AF_") {
			return strings.Join(words, " ")
		}
	}
	return ""
}

func isAddress(arg string) bool { return arg == "addr" || arg == "dest_addr" || arg == "src_addr" }

// moved sets the byte count of a call from its return value.
func (d *Decoder) moved(c *event.Call) {
	if c.Ret <= 0 || c.Errno != "" {
		return
	}
	switch {
	case strings.HasSuffix(c.Name, "mmsg"):
	case strings.HasPrefix(c.Name, "recv"), strings.HasPrefix(c.Name, "read"):
		c.Bytes, c.In = c.Ret, true
	case strings.HasPrefix(c.Name, "send"), strings.HasPrefix(c.Name, "write"):
		c.Bytes = c.Ret
	}
}
