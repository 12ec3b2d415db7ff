package strace

import (
	"bytes"
	"math"
	"net/netip"

	"github.com/pidwire/pidwire/internal/foreign/numeral"
)

// Int parses the number at the start of an argument, in decimal, octal or hexadecimal. It ignores
// a comment or an annotation after it. Numbers above the range of int64 wrap around.
func Int(arg []byte) (int64, bool) { return leadingInt(Value(arg)) }

// Value returns an argument without the name that -N puts before it.
func Value(arg []byte) []byte {
	n := 0
	for n < len(arg) && class[arg[n]]&isName != 0 {
		n++
	}
	if n > 0 && n+1 < len(arg) && arg[n] == '=' && arg[n+1] != '>' {
		return arg[n+1:]
	}
	return arg
}

// String decodes a quoted string and appends its bytes to dst. cut is true if strace truncated
// the string (-s). ok is false if the argument is not a quoted string; dst is then returned
// unchanged.
func String(dst, arg []byte) (out []byte, cut, ok bool) {
	arg = Value(arg)
	if len(arg) == 0 || arg[0] != '"' {
		return dst, false, false
	}
	end := quoteEnd(arg, 0)
	if end < 0 {
		return dst, false, false
	}
	return unquote(dst, arg[1:end-1]), bytes.HasPrefix(arg[end:], dots), true
}

var dots = []byte("...")

// unquote decodes the C escapes of strace.
func unquote(dst, s []byte) []byte {
	for {
		n := bytes.IndexByte(s, '\\')
		if n < 0 || n+1 == len(s) {
			return append(dst, s...)
		}
		dst = append(dst, s[:n]...)
		c := s[n+1]
		s = s[n+2:]
		switch c {
		case 'n':
			c = '\n'
		case 't':
			c = '\t'
		case 'r':
			c = '\r'
		case 'v':
			c = '\v'
		case 'f':
			c = '\f'
		case 'x':
			if len(s) >= 2 && numeral.Value(s[0]) >= 0 && numeral.Value(s[1]) >= 0 {
				c = byte(numeral.Value(s[0])<<4 | numeral.Value(s[1]))
				s = s[2:]
			}
		case '0', '1', '2', '3', '4', '5', '6', '7':
			c -= '0'
			for i := 0; i < 2 && len(s) > 0 && s[0]-'0' <= 7; i++ {
				c = c<<3 | (s[0] - '0')
				s = s[1:]
			}
		}
		dst = append(dst, c)
	}
}

// Elements iterates over the elements of an array or the fields of a struct, as printed. The zero
// value has none.
type Elements struct {
	rest []byte
	s    scanner
}

// In returns the elements of an argument that is an array or a struct, and no elements for other
// arguments. If strace prints the value before and after the call, `[28 => 16]`,
// `{...} => {...}`, only the first is used.
func In(arg []byte) Elements {
	arg = Value(arg)
	if len(arg) == 0 || arg[0] != '[' && arg[0] != '{' {
		return Elements{}
	}
	var s scanner
	end := s.group(arg, 0)
	if end < 0 {
		return Elements{}
	}
	return Elements{rest: arg[1 : end-1]}
}

// Next returns the next element, and false if there is none. An element `...` stands for those
// that strace omitted. The result aliases the argument.
func (e *Elements) Next() ([]byte, bool) {
	b := e.rest
	if len(b) == 0 {
		return nil, false
	}
	s := &e.s
	for i := 0; i < len(b); {
		switch b[i] {
		case '"':
			if i = quoteEnd(b, i); i < 0 {
				e.rest = nil
				return b, true
			}
		case '(', '[', '{':
			if i = s.group(b, i); i < 0 {
				e.rest = nil
				return b, true
			}
		case '<':
			i = s.angle(b, i)
		case '/':
			i = s.comment(b, i)
		case ',':
			if i+1 < len(b) && b[i+1] == ' ' {
				e.rest = b[i+2:]
				return b[:i], true
			}
			i++
		default:
			i++
		}
	}
	e.rest = nil
	return b, true
}

// Field returns the value of a field of a struct: `{iov_base="a", iov_len=1}`.
func Field(arg []byte, name string) ([]byte, bool) {
	for e := In(arg); ; {
		f, ok := e.Next()
		if !ok {
			return nil, false
		}
		if len(f) <= len(name) || string(f[:len(name)]) != name {
			continue
		}
		f = f[len(name):]
		if f[0] == '(' { // strace 4: `msg_name(16)={...}`
			if n := bytes.IndexByte(f, ')'); n > 0 {
				f = f[n+1:]
			}
		}
		if len(f) > 0 && f[0] == '=' {
			return f[1:], true
		}
	}
}

// inCall returns the text in the parentheses of `htons(80)`.
func inCall(b []byte, name string) ([]byte, bool) {
	if len(b) < len(name)+2 || string(b[:len(name)]) != name || b[len(name)] != '(' {
		return nil, false
	}
	end := bytes.LastIndexByte(b, ')')
	return b[len(name)+1 : max(end, len(name)+1)], end > 0
}

// Addr is a socket address in an argument.
type Addr struct {
	// Family is the name: AF_INET, or one of old versions like PF_INET, AF_LOCAL and AF_FILE;
	// with -X raw it is the number. It aliases the argument.
	Family []byte
	// AddrPort is the address for AF_INET and AF_INET6, without a zone.
	AddrPort netip.AddrPort
	// Scope is the interface of an IPv6 address: its name with escapes, or its number if that
	// is not zero. It aliases the argument.
	Scope []byte
	// Path is the decoded path for AF_UNIX, without the leading NUL of an abstract name. It
	// aliases the buffer that Sockaddr returned.
	Path     []byte
	Abstract bool
	Cut      bool // strace truncated Path
	// PID and Groups are for AF_NETLINK.
	PID, Groups uint32
}

// Sockaddr parses an argument such as
// `{sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("10.0.0.1")}`
// into a. It appends decoded bytes to dst and returns it. ok is false if the argument is not an
// address. For an unknown family, and for an address that strace could not decode, only Family
// is set.
func Sockaddr(dst, arg []byte, a *Addr) (out []byte, ok bool) {
	*a = Addr{}
	var addr netip.Addr
	var port uint16
	for e := In(arg); ; {
		f, more := e.Next()
		if !more {
			break
		}
		name, v := f, []byte(nil)
		if n := bytes.IndexByte(f, '='); n >= 0 {
			name, v = f[:n], f[n+1:]
		}
		if a.Family == nil && string(name) != "sa_family" {
			return dst, false
		}
		switch string(name) {
		case "sa_family":
			a.Family = familyName(v)
		case "sin_port", "sin6_port":
			if in, ok := inCall(v, "htons"); ok {
				n, _ := leadingInt(in)
				port = uint16(n)
			}
		case "sin_addr":
			if in, ok := inCall(v, "inet_addr"); ok {
				addr = quotedAddr(in)
			}
		case "sin6_scope_id":
			a.Scope = v
			if in, ok := inCall(v, "if_nametoindex"); ok {
				a.Scope = bytes.Trim(in, `"`)
			} else if n, ok := leadingInt(v); ok && n == 0 {
				a.Scope = nil
			}
		case "sun_path", "path":
			if len(v) > 0 && v[0] == '@' {
				a.Abstract, v = true, v[1:]
			}
			start := len(dst)
			if dst, a.Cut, ok = String(dst, v); ok {
				a.Path = dst[start:len(dst):len(dst)]
			}
		case "nl_pid":
			n, _ := leadingInt(v)
			a.PID = uint32(n)
		case "nl_groups":
			n, _ := leadingInt(v)
			a.Groups = uint32(n)
		default:
			// `inet_pton(AF_INET6, "::1", &sin6_addr)`, in old and new versions.
			if in, ok := inCall(f, "inet_pton"); ok {
				if n := bytes.IndexByte(in, '"'); n >= 0 {
					addr = quotedAddr(in[n:])
				}
			}
		}
	}
	if addr.IsValid() {
		a.AddrPort = netip.AddrPortFrom(addr, port)
	}
	return dst, a.Family != nil
}

// familyName returns the name if -X verbose has printed number and name.
func familyName(v []byte) []byte {
	if n := bytes.Index(v, commentOpen); n >= 0 {
		name := v[n+len(commentOpen):]
		if n = bytes.Index(name, commentClose); n >= 0 {
			return bytes.TrimRight(name[:n], " ")
		}
	}
	return v
}

// quotedAddr parses an address in quotes, which is escaped with -xx.
func quotedAddr(b []byte) netip.Addr {
	const longest = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")
	var buf [longest]byte
	if len(b) == 0 || b[0] != '"' {
		return netip.Addr{}
	}
	end := quoteEnd(b, 0)
	if end < 0 || end > 4*longest+2 {
		return netip.Addr{}
	}
	addr, _ := parseAddr(unquote(buf[:0], b[1:end-1]))
	return addr
}

// Desc is an fd in an argument or a result.
type Desc struct {
	// Num is the fd; AtFDCWD for AT_FDCWD.
	Num int32
	// Text is the annotation of -y, without the angle brackets: `/tmp/a`,
	// `TCP:[1.2.3.4:5->6.7.8.9:10]`. It and the slices below alias the argument.
	Text []byte
	// Path is Text if that is a path, with escapes.
	Path    []byte
	Deleted bool // the file at Path has been deleted
	// Proto is the text before `:[`: TCP, UDPv6, UNIX-STREAM, NETLINK, socket, pipe,
	// anon_inode.
	Proto []byte
	// Inode is the inode of a socket or pipe if strace printed it. PeerInode is that of the
	// other end of a UNIX socket.
	Inode, PeerInode uint64
	// Local and Peer are the addresses of an IP socket. Peer is invalid if there was none.
	Local, Peer netip.AddrPort
	// SockPath is the path of a UNIX socket as printed, for String. The `@` of an abstract
	// name is not part of it, but sets Abstract.
	SockPath []byte
	Abstract bool
}

// AtFDCWD is the number of AT_FDCWD, the current directory.
const AtFDCWD = -100

// FD parses an argument or a result that is an fd into d: `3`, `3</tmp/a>`,
// `3<TCP:[127.0.0.1:80]>`. It returns false if it is not an fd.
func FD(arg []byte, d *Desc) bool {
	*d = Desc{}
	b := Value(arg)
	if rest, ok := bytes.CutPrefix(b, []byte("AT_FDCWD")); ok {
		d.Num, b = AtFDCWD, rest
	} else {
		n := 0
		for n < len(b) && (numeral.Is(b[n]) || n == 0 && b[0] == '-') {
			n++
		}
		num, ok := leadingInt(b[:n])
		if !ok || num < math.MinInt32 || num > math.MaxInt32 {
			return false
		}
		d.Num, b = int32(num), b[n:]
	}
	if len(b) == 0 || b[0] == ' ' {
		return true
	}
	if b[0] != '<' {
		return false
	}
	var s scanner
	end := s.angle(b, 0)
	if end < 2 || b[end-1] != '>' {
		return false
	}
	d.Text = b[1 : end-1]
	d.Deleted = bytes.HasPrefix(b[end:], []byte("(deleted)"))
	d.annotation()
	return true
}

func (d *Desc) annotation() {
	t := d.Text
	if len(t) > 0 && t[0] == '/' {
		d.Path = t
		if n := bytes.IndexByte(t, '<'); n > 0 { // `/dev/tty<char 5:0>`
			d.Path = t[:n]
		}
		return
	}
	n := bytes.Index(t, []byte(":["))
	if n < 0 || t[len(t)-1] != ']' {
		return
	}
	d.Proto = t[:n]
	in := t[n+2 : len(t)-1]
	if inode, ok := numeral.Decimal(in, math.MaxUint64); ok {
		d.Inode = inode
		return
	}
	if bytes.HasPrefix(d.Proto, []byte("UNIX")) {
		d.unix(in)
		return
	}
	local, peer, both := bytes.Cut(in, []byte("->"))
	d.Local = parseAddrPort(local)
	if both {
		d.Peer = parseAddrPort(peer)
	}
}

// unix parses `1->2,@"path"`, of which all but the first part may be missing.
func (d *Desc) unix(in []byte) {
	n := 0
	for n < len(in) && numeral.Is(in[n]) {
		n++
	}
	d.Inode, _ = numeral.Decimal(in[:n], math.MaxUint64)
	in = in[n:]
	if peer, ok := bytes.CutPrefix(in, []byte("->")); ok {
		for n = 0; n < len(peer) && numeral.Is(peer[n]); n++ {
		}
		d.PeerInode, _ = numeral.Decimal(peer[:n], math.MaxUint64)
		in = peer[n:]
	}
	if path, ok := bytes.CutPrefix(in, []byte(",")); ok {
		d.SockPath, d.Abstract = bytes.CutPrefix(path, []byte("@"))
	}
}

// DumpData decodes a line of kind Dump and appends its bytes, at most 16, to dst. offset is their
// offset in the buffer of the call. ok is false for a line without data, such as
// ` * 5 bytes in buffer 1`.
func DumpData(dst []byte, text []byte) (out []byte, offset uint64, ok bool) {
	b, ok := bytes.CutPrefix(text, []byte(" | "))
	if !ok {
		return dst, 0, false
	}
	n := bytes.IndexByte(b, ' ')
	if n < 0 {
		return dst, 0, false
	}
	if offset, ok = numeral.Hex(b[:n]); !ok {
		return dst, 0, false
	}
	// Two groups of eight, each preceded by two blanks.
	const perLine, perGroup = 16, 8
	b = b[n:]
	start := len(dst)
	for i := range perLine {
		if i%perGroup == 0 && len(b) > 0 {
			b = b[1:]
		}
		if len(b) < 3 || numeral.Value(b[1]) < 0 || numeral.Value(b[2]) < 0 {
			break
		}
		dst = append(dst, byte(numeral.Value(b[1])<<4|numeral.Value(b[2])))
		b = b[3:]
	}
	return dst, offset, len(dst) > start
}
