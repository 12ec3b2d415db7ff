package truss

import (
	"bytes"
	"math"
	"net/netip"

	"github.com/pidwire/pidwire/internal/foreign/numeral"
)

// Int parses an argument or a result that is a number, in decimal, octal or hexadecimal. Numbers
// above the range of int64 wrap around.
func Int(arg []byte) (int64, bool) { return integer(arg) }

// AtFDCWD is the result of FD for AT_FDCWD, whose value differs between the systems.
const AtFDCWD = -100

var atFDCWD = []byte("AT_FDCWD")

// FD parses an argument or a result that is an fd, which is an int in C: `3`, `0x3`,
// `AT_FDCWD`.
func FD(arg []byte) (int64, bool) {
	if bytes.Equal(arg, atFDCWD) {
		return AtFDCWD, true
	}
	n, ok := integer(arg)
	switch {
	case !ok, n < math.MinInt32, n > math.MaxUint32:
		return 0, false
	case n <= math.MaxInt32:
		return n, true
	}
	if !bytes.HasPrefix(arg, hexMark) {
		return 0, false
	}
	const solarisFDCWD = 0xffd19553
	if n == solarisFDCWD {
		return AtFDCWD, true
	}
	return int64(int32(n)), true
}

// String decodes an argument that is a string and appends its bytes to dst. cut is true if truss
// truncated it. ok is false if the argument is not a string; dst is then returned unchanged.
//
// Solaris and AIX print data with two characters per byte, `" h i\n8F"`, and other strings as they
// are. FreeBSD prints data like vis(3). If both are possible, an argument with a blank or a
// backslash is decoded as the former. Use StringOf if the flavor is known.
func String(dst, arg []byte) (out []byte, cut, ok bool) { return StringOf(dst, arg, Any) }

// StringOf is like String for data of a known flavor.
func StringOf(dst, arg []byte, f Flavor) (out []byte, cut, ok bool) {
	if len(arg) < 2 || arg[0] != '"' {
		return dst, false, false
	}
	if f != FreeBSD {
		if end, _ := spacedEnd(arg, 0); end > 0 {
			in, rest := arg[1:end-1], arg[end:]
			more := bytes.Equal(rest, dots[:2])
			if more || len(rest) == 0 && (f != Any || bytes.ContainsAny(in, " \\")) {
				return unspace(dst, in), more, true
			}
		}
	}
	n := bytes.LastIndexByte(arg, '"')
	rest := arg[n+1:]
	if n == 0 || len(rest) > len(dots) || len(bytes.Trim(rest, ".")) > 0 || len(rest) == 1 {
		return dst, false, false
	}
	return unvis(dst, arg[1:n]), len(rest) > 0, true
}

// unspace decodes pairs that isPair accepts.
func unspace(dst, s []byte) []byte {
	for ; len(s) >= 2; s = s[2:] {
		c := s[1]
		switch s[0] {
		case ' ':
		case '\\':
			c = escape(c)
		default:
			c = byte(numeral.Value(s[0])<<4 | numeral.Value(s[1]))
		}
		dst = append(dst, c)
	}
	return dst
}

// escape returns the byte of a C escape by the letter after the backslash.
func escape(c byte) byte {
	switch c {
	case '0':
		return 0
	case 'a':
		return '\a'
	case 'b':
		return '\b'
	case 't':
		return '\t'
	case 'n':
		return '\n'
	case 'v':
		return '\v'
	case 'f':
		return '\f'
	case 'r':
		return '\r'
	}
	return c
}

// unvis decodes vis(3) with VIS_CSTYLE, and `\x1b` and `\"`, which illumos prints in file names.
func unvis(dst, s []byte) []byte {
	for {
		n := bytes.IndexByte(s, '\\')
		if n < 0 || n+1 == len(s) {
			return append(dst, s...)
		}
		dst = append(dst, s[:n]...)
		c := s[n+1]
		s = s[n+2:]
		switch c {
		case 's':
			c = ' '
		case 'e', 'E':
			c = 0x1b
		case 'x':
			if len(s) >= 2 && numeral.Value(s[0]) >= 0 && numeral.Value(s[1]) >= 0 {
				c = byte(numeral.Value(s[0])<<4 | numeral.Value(s[1]))
				s = s[2:]
			}
		case '^':
			if len(s) > 0 {
				c = control(s[0])
				s = s[1:]
			}
		case 'M':
			switch {
			case len(s) >= 2 && s[0] == '-':
				c = s[1] | 0x80
				s = s[2:]
			case len(s) >= 2 && s[0] == '^':
				c = control(s[1]) | 0x80
				s = s[2:]
			}
		case '0', '1', '2', '3', '4', '5', '6', '7':
			c -= '0'
			for i := 0; i < 2 && len(s) > 0 && s[0]-'0' <= 7; i++ {
				c = c<<3 | (s[0] - '0')
				s = s[1:]
			}
		default:
			c = escape(c)
		}
		dst = append(dst, c)
	}
}

// control returns the byte of `^A`.
func control(c byte) byte {
	if c == '?' {
		return 0x7f
	}
	return c & 0x1f
}

// Data decodes a Detail that is data of a read or write (-r, -w), two characters per byte after two
// blanks, and appends it to dst. ok is false for any other Detail; dst is then returned
// unchanged.
func Data(dst, detail []byte) (out []byte, ok bool) {
	const indent, most = 2, 64
	if len(detail) > indent+most {
		// A full line may be indented if the tabs of the leader were converted to blanks.
		n := len(detail) - most
		if len(bytes.Trim(detail[:n], " ")) > 0 {
			return dst, false
		}
		detail = detail[n-indent:]
	}
	if len(detail) <= indent || detail[0] != ' ' || detail[1] != ' ' || len(detail)&1 != 0 {
		return dst, false
	}
	in := detail[indent:]
	for i := 0; i < len(in); i += 2 {
		if !isPair(in[i], in[i+1]) {
			return dst, false
		}
	}
	return unspace(dst, in), true
}

// Addr is a socket address.
type Addr struct {
	// Family is the name, AF_INET, or the number that FreeBSD prints for an unknown one. It
	// aliases the text.
	Family []byte
	// AddrPort is the address for AF_INET and AF_INET6, without a zone; otherwise invalid.
	AddrPort netip.AddrPort
	// Path is the path for AF_UNIX, as printed. It aliases the text.
	Path []byte
}

var (
	afPrefix   = []byte("AF_")
	afUnix     = []byte("AF_UNIX")
	saFamily   = []byte("sa_family = ")
	equalsSign = []byte(" = ")
	portMark   = []byte("port = ")
	quoteMark  = []byte("\"")
)

// Sockaddr parses an address into a: an argument of FreeBSD, `{ AF_INET 127.0.0.1:80 }`, also as
// the first field of a msghdr, or a Detail of Solaris,
// `	AF_INET  name = 127.0.0.1  port = 80`. It returns false if there is none.
func Sockaddr(text []byte, a *Addr) bool {
	*a = Addr{}
	at := skipBlanks(text, 0)
	if at == len(text) {
		return false
	}
	if text[at] == '{' {
		return a.freebsd(text[at+1:])
	}
	return a.solaris(text[at:])
}

func (a *Addr) freebsd(b []byte) bool {
	if len(b) > 0 && b[0] == '{' {
		b = b[1:]
	}
	b = b[skipBlanks(b, 0):]
	if !bytes.HasPrefix(b, afPrefix) {
		const near = 64
		n := bytes.Index(b[:min(len(b), near)], saFamily)
		if n < 0 || !bytes.HasPrefix(b, []byte("sa_len = ")) {
			return false
		}
		b = b[n+len(saFamily):]
		_, end, ok := scanNumber(b, 0)
		a.Family = b[:end]
		return ok
	}
	n := bytes.IndexByte(b, ' ')
	if n < 0 {
		return false
	}
	family, value := b[:n], b[n+1:]
	if bytes.Equal(family, afUnix) {
		path, ok := bytes.CutPrefix(value, quoteMark)
		end := bytes.Index(path, []byte("\" }"))
		if !ok || end < 0 {
			return false
		}
		a.Family, a.Path = family, path[:end]
		return true
	}
	end := bytes.IndexByte(value, ' ')
	if end < 0 {
		return false
	}
	value = value[:end]
	colon := bytes.LastIndexByte(value, ':')
	if colon < 0 {
		return false
	}
	host := value[:colon]
	if len(host) >= 2 && host[0] == '[' && host[colon-1] == ']' {
		host = host[1 : colon-1]
	}
	return a.set(family, host, value[colon+1:])
}

func (a *Addr) solaris(b []byte) bool {
	if !bytes.HasPrefix(b, afPrefix) {
		return false
	}
	n := bytes.IndexByte(b, ' ')
	eq := bytes.Index(b, equalsSign)
	if n < 0 || eq <= n {
		return false
	}
	// The label of the address: name, to, from, msg_name.
	label := b[skipBlanks(b, n):max(eq, skipBlanks(b, n))]
	for _, c := range label {
		if class[c]&isName == 0 {
			return false
		}
	}
	if len(label) == 0 {
		return false
	}
	family, value := b[:n], b[eq+len(equalsSign):]
	if bytes.Equal(family, afUnix) {
		a.Family, a.Path = family, value
		return true
	}
	end := bytes.IndexByte(value, ' ')
	if end < 0 {
		return false
	}
	port, ok := bytes.CutPrefix(value[skipBlanks(value, end):], portMark)
	return ok && a.set(family, value[:end], port[:trimBlanks(port, len(port))])
}

// set sets an address of AF_INET or AF_INET6.
func (a *Addr) set(family, host, port []byte) bool {
	n, ok := numeral.Decimal(port, math.MaxUint16)
	if !ok {
		return false
	}
	var addr netip.Addr
	switch string(family) {
	case "AF_INET":
		var v4 [4]byte
		if v4, ok = parseIPv4(host); ok {
			addr = netip.AddrFrom4(v4)
		}
	case "AF_INET6":
		const longest = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")
		if len(host) <= longest && bytes.IndexByte(host, '%') < 0 {
			addr, _ = netip.ParseAddr(string(host))
		}
		ok = addr.Is6()
	default:
		ok = false
	}
	if ok {
		a.Family, a.AddrPort = family, netip.AddrPortFrom(addr, uint16(n))
	}
	return ok
}

func parseIPv4(b []byte) (a [4]byte, ok bool) {
	for i := range a {
		n := 0
		for n < len(b) && numeral.Is(b[n]) {
			n++
		}
		v, ok := numeral.Decimal(b[:n], math.MaxUint8)
		if !ok || leadingZero(b[:n]) {
			return a, false
		}
		a[i] = byte(v)
		if b = b[n:]; i < len(a)-1 {
			if len(b) == 0 || b[0] != '.' {
				return a, false
			}
			b = b[1:]
		}
	}
	return a, len(b) == 0
}
