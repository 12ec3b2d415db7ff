package ktrace

import (
	"bytes"
	"net/netip"
	"strconv"
)

// maxText is the maximum length for Parse: a line whose bytes are all escaped, in two fields.
const maxText = 8*MaxLine + 4096

// Append appends l to b as one line for Parse. It omits the leader: PID, Comm, CPU and Time. The line has
// words for format and kind, followed by named fields, without empty ones:
//
//	ftrace leaf depth=1 name=tcp_sendmsg ret=0xbe dur=12345
func Append(b []byte, l *Line) []byte {
	b = append(b, l.Format.String()...)
	b = append(b, ' ')
	b = append(b, l.Kind.String()...)
	if l.Depth != 0 {
		b = appendInt(b, "depth", int64(l.Depth))
	}
	b = appendBytes(b, "name", l.Name, false)
	b = appendBytes(b, "module", l.Module, false)
	b = appendBytes(b, "func", l.Func, false)
	b = appendBytes(b, "args", l.Args, false)
	b = appendBytes(b, "ret", l.Ret, l.HasRet)
	if l.HasDur {
		b = appendInt(b, "dur", l.Dur)
	}
	b = appendEnd(b, "local", l.Local)
	b = appendEnd(b, "peer", l.Peer)
	switch l.Dir {
	case Out:
		b = append(b, " dir=out"...)
	case In:
		b = append(b, " dir=in"...)
	}
	if l.Bytes >= 0 {
		b = appendInt(b, "bytes", l.Bytes)
	}
	b = appendBytes(b, "flags", l.Flags, false)
	b = appendBytes(b, "old", l.Old, false)
	b = appendBytes(b, "new", l.New, false)
	if l.Count != 0 {
		b = append(b, " count="...)
		b = strconv.AppendUint(b, l.Count, 10)
	}
	return appendBytes(b, "text", l.Text, false)
}

func appendInt(b []byte, name string, v int64) []byte {
	b = append(b, ' ')
	b = append(b, name...)
	b = append(b, '=')
	return strconv.AppendInt(b, v, 10)
}

func appendEnd(b []byte, name string, e netip.AddrPort) []byte {
	if !e.IsValid() {
		return b
	}
	b = append(b, ' ')
	b = append(b, name...)
	b = append(b, '=')
	return e.AppendTo(b)
}

func appendBytes(b []byte, name string, v []byte, always bool) []byte {
	if len(v) == 0 && !always {
		return b
	}
	b = append(b, ' ')
	b = append(b, name...)
	b = append(b, '=')
	if len(v) > 0 && !needsQuotes(v) {
		return append(b, v...)
	}
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for _, c := range v {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ' || c == 0x7f:
			b = append(b, '\\', 'x', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

func needsQuotes(v []byte) bool {
	for _, c := range v {
		if c <= ' ' || c == '"' || c == '\\' || c == 0x7f {
			return true
		}
	}
	return false
}

// Parse parses a line of Append into l, which it overwrites. l has no leader. Its slices alias b, or a
// buffer of l if text was escaped, which is valid until l is overwritten. The error is ErrUnknown
// or ErrTooLong.
func Parse(b []byte, l *Line) error {
	l.reset()
	if len(b) > maxText {
		return ErrTooLong
	}
	t := text(b)
	format, ok1 := indexOf(formatNames[:], t.word())
	if !ok1 || !t.skip(" ") {
		return ErrUnknown
	}
	kind, ok2 := indexOf(kindNames[:], t.word())
	if !ok2 {
		return ErrUnknown
	}
	l.Format, l.Kind = Format(format), Kind(kind)
	for len(t) > 0 {
		if !t.skip(" ") || !l.field(&t) {
			l.reset()
			return ErrUnknown
		}
	}
	return nil
}

func indexOf(names []string, b []byte) (int, bool) {
	for i, s := range names {
		if string(b) == s {
			return i, true
		}
	}
	return 0, false
}

// field parses a named field.
func (l *Line) field(t *text) bool {
	i := bytes.IndexByte((*t)[:min(len(*t), 16)], '=')
	if i < 1 {
		return false
	}
	name := (*t)[:i]
	*t = (*t)[i+1:]
	v, ok := l.unquote(t)
	if !ok {
		return false
	}
	switch string(name) {
	case "depth":
		n, ok := number(v, 2*MaxLine)
		l.Depth = int(n)
		return ok
	case "name":
		l.Name = v
	case "module":
		l.Module = v
	case "func":
		l.Func = v
	case "args":
		l.Args = v
	case "ret":
		l.Ret, l.HasRet = v, true
	case "dur":
		n, ok := number(v, max64)
		l.Dur, l.HasDur = int64(n), true
		return ok
	case "local":
		l.Local, ok = parseEnd(v)
		return ok
	case "peer":
		l.Peer, ok = parseEnd(v)
		return ok
	case "dir":
		l.Dir = Out
		if string(v) == "in" {
			l.Dir = In
		}
		return l.Dir == In || string(v) == "out"
	case "bytes":
		n, ok := number(v, max64)
		l.Bytes = int64(n)
		return ok
	case "flags":
		l.Flags = v
	case "old":
		l.Old = v
	case "new":
		l.New = v
	case "count":
		l.Count, ok = number(v, 1<<64-1)
		return ok
	case "text":
		l.Text = v
	default:
		return false
	}
	return true
}

// parseEnd parses an address with its port in the format of netip. It does not unmap IPv4-mapped IPv6
// addresses.
func parseEnd(v []byte) (netip.AddrPort, bool) {
	if i := bytes.IndexByte(v, ':'); i > 0 {
		if a, ok := addr4(v[:i]); ok {
			port, ok := number(v[i+1:], 1<<16-1)
			return netip.AddrPortFrom(a, uint16(port)), ok
		}
	}
	if len(v) > 64 {
		return netip.AddrPort{}, false
	}
	e, err := netip.ParseAddrPort(string(v))
	return e, err == nil && e.Addr().Zone() == ""
}

// unquote parses a value.
func (l *Line) unquote(t *text) ([]byte, bool) {
	if !t.skip(`"`) {
		w := t.word()
		return w, len(w) > 0 && !needsQuotes(w)
	}
	rest := *t
	end := bytes.IndexAny(rest, `"\`)
	if end < 0 {
		return nil, false
	}
	if rest[end] == '"' {
		*t = rest[end+1:]
		return rest[:end], true
	}
	start := len(l.buf)
	for i := 0; i < len(rest); i++ {
		switch c := rest[i]; c {
		case '"':
			*t = rest[i+1:]
			return l.buf[start:], true
		case '\\':
			if i++; i == len(rest) {
				return nil, false
			}
			if c = rest[i]; c == 'x' {
				if i+2 >= len(rest) {
					return nil, false
				}
				n, err := strconv.ParseUint(string(rest[i+1:i+3]), 16, 8)
				if err != nil {
					return nil, false
				}
				i += 2
				c = byte(n)
			} else if c != '"' && c != '\\' {
				return nil, false
			}
			l.buf = append(l.buf, c)
		default:
			l.buf = append(l.buf, c)
		}
	}
	return nil, false
}
