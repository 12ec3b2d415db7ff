package ktrace

import (
	"bytes"
	"math"
	"net/netip"
)

// text is the rest of a line.
type text []byte

func (t text) has(s string) bool { return len(t) >= len(s) && string(t[:len(s)]) == s }

func (t text) at(i int, c byte) bool { return i < len(t) && t[i] == c }

func (t text) index(s string) int { return bytes.Index(t, []byte(s)) }

func (t *text) skip(s string) bool {
	if !t.has(s) {
		return false
	}
	*t = (*t)[len(s):]
	return true
}

// blanks skips spaces and tabs and returns their number.
func (t *text) blanks() int {
	n := 0
	for n < len(*t) && ((*t)[n] == ' ' || (*t)[n] == '\t') {
		n++
	}
	*t = (*t)[n:]
	return n
}

// word skips and returns the text up to the next space or tab.
func (t *text) word() []byte {
	n := 0
	for n < len(*t) && (*t)[n] != ' ' && (*t)[n] != '\t' {
		n++
	}
	w := (*t)[:n]
	*t = (*t)[n:]
	return w
}

// num skips and returns a decimal number. If there is none up to most it returns false and skips
// nothing.
func (t *text) num(most uint64) (uint64, bool) {
	v, n := uint64(0), 0
	for ; n < len(*t) && isDigit((*t)[n]); n++ {
		d := uint64((*t)[n] - '0')
		if v > (most-d)/10 || d > most {
			return 0, false
		}
		v = v*10 + d
	}
	if n == 0 {
		return 0, false
	}
	*t = (*t)[n:]
	return v, true
}

// maxSeconds keeps nanoseconds in the range of int64.
const maxSeconds = 9_000_000_000

// seconds parses seconds with a fraction; digits is the number of digits of the fraction.
func (t *text) seconds() (ns int64, digits int, ok bool) {
	rest := *t
	s, ok := rest.num(maxSeconds)
	if !ok || !rest.skip(".") {
		return 0, 0, false
	}
	frac, digits := rest.fraction(1e8)
	if digits == 0 {
		return 0, 0, false
	}
	*t = rest
	return int64(s)*1e9 + frac, digits, true
}

// fraction parses digits after a point, of which the first has the value unit. It skips digits after the
// ninth.
func (t *text) fraction(unit int64) (v int64, digits int) {
	for digits < len(*t) && digits < 9 && isDigit((*t)[digits]) {
		v += int64((*t)[digits]-'0') * unit
		unit /= 10
		digits++
	}
	*t = (*t)[digits:]
	return v, digits
}

func isDigit(c byte) bool { return c-'0' <= 9 }

func isLetter(c byte) bool { return (c|0x20)-'a' < 26 }

// Classes of bytes.
const (
	inSymbol = 1 << iota // in the name of a function
	inName               // in the name of an event or a probe
	inFlags              // in ftrace's latency flags
	inAddr               // in an IP address
)

var class = classes()

func classes() (t [256]uint8) {
	set := func(bits uint8, chars string) {
		for i := range len(chars) {
			t[chars[i]] |= bits
		}
	}
	const (
		lower  = "abcdefghijklmnopqrstuvwxyz"
		upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
		digits = "0123456789"
	)
	set(inSymbol, lower+upper+digits+"_.$@+/:~`")
	set(inName, lower+upper+digits+"_.-")
	set(inFlags, ".dDbBXnNpPlLhHsSzZx#*"+digits+"abcdef")
	set(inAddr, digits+"abcdefABCDEF:.")
	return t
}

func all(b []byte, bits uint8) bool {
	for _, c := range b {
		if class[c]&bits == 0 {
			return false
		}
	}
	return len(b) > 0
}

// isSymbol reports whether b can be the name of a function.
func isSymbol(b []byte) bool {
	return len(b) > 0 && len(b) <= maxName && all(b, inSymbol) && (isLetter(b[0]) || b[0] == '_' || b[0] == '.') || isHex(b)
}

// isHex reports whether b is an address, which is printed for a function without a name:
// `0xffffffff81000000`, and `ffffffff81000000` by trace-cmd.
func isHex(b []byte) bool {
	rest, prefix := bytes.CutPrefix(b, []byte("0x"))
	if !prefix && len(b) < 8 || len(rest) == 0 || len(rest) > 16 {
		return false
	}
	for _, c := range rest {
		if !isDigit(c) && (c|0x20)-'a' > 5 {
			return false
		}
	}
	return true
}

const (
	// maxName bounds the name of a function (KSYM_NAME_LEN is 512).
	maxName = 512
	// maxComm bounds the name of a task: that of the kernel has 15 bytes.
	maxComm = 64
	// maxCPU bounds the number of a CPU: NR_CPUS is at most 8192.
	maxCPU = 1<<16 - 1
	max32  = math.MaxUint32
	max64  = math.MaxInt64
)

func trimRight(b []byte) []byte {
	n := len(b)
	for n > 0 && (b[n-1] == ' ' || b[n-1] == '\r' || b[n-1] == '\t' || b[n-1] == '\n') {
		n--
	}
	return b[:n]
}

func trim(b []byte) []byte {
	t := text(b)
	t.blanks()
	return trimRight(t)
}

// number parses a decimal number with nothing after it.
func number(b []byte, most uint64) (uint64, bool) {
	t := text(b)
	v, ok := t.num(most)
	return v, ok && len(t) == 0
}

// address parses an IP address with nothing after it, except a prefix length as in the guide of Oracle
// (`192.0.2.8/27`), which it ignores.
func address(b []byte) (netip.Addr, bool) {
	if i := bytes.IndexByte(b, '/'); i > 0 {
		if bits, ok := number(b[i+1:], 128); !ok || bits == 0 {
			return netip.Addr{}, false
		}
		b = b[:i]
	}
	if a, ok := addr4(b); ok {
		return a, true
	}
	if len(b) < 2 || len(b) > 45 || !all(b, inAddr) || bytes.IndexByte(b, ':') < 0 {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(string(b))
	return a, err == nil
}

// addr4 parses IPv4 addresses without allocations.
func addr4(b []byte) (netip.Addr, bool) {
	if len(b) < 7 || len(b) > 15 {
		return netip.Addr{}, false
	}
	var a [4]byte
	t := text(b)
	for i := range a {
		if i > 0 && !t.skip(".") {
			return netip.Addr{}, false
		}
		v, ok := t.num(255)
		if !ok {
			return netip.Addr{}, false
		}
		a[i] = byte(v)
	}
	return netip.AddrFrom4(a), len(t) == 0
}

// addrPort parses `1.2.3.4:5`, `[::1]:5` or, as printed by scripts, `::1:5`. A prefix length may precede
// the colon; see address.
func addrPort(b []byte) (netip.AddrPort, bool) {
	i := bytes.LastIndexByte(b, ':')
	if i < 0 {
		return netip.AddrPort{}, false
	}
	port, ok := number(b[i+1:], math.MaxUint16)
	if !ok {
		return netip.AddrPort{}, false
	}
	host := b[:i]
	if n := len(host); n > 2 && host[0] == '[' && host[n-1] == ']' {
		host = host[1 : n-1]
	}
	a, ok := address(host)
	return netip.AddrPortFrom(a, uint16(port)), ok
}

// task parses `comm-pid` with nothing after it.
func task(b []byte) (comm []byte, pid uint32, ok bool) {
	i := bytes.LastIndexByte(b, '-')
	if i < 1 || i > maxComm {
		return nil, 0, false
	}
	v, ok := number(b[i+1:], max32)
	return b[:i], uint32(v), ok
}

// closing returns the offset of the parenthesis that closes the one at b[0], -1 if there is none.
func closing(b []byte) int {
	depth := 0
	for i, c := range b {
		switch c {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}
