package truss

import (
	"bytes"
	"math"

	"github.com/pidwire/pidwire/internal/foreign/numeral"
)

// Classes of bytes.
const (
	isName    = 1 << iota // in the name of a call
	isWord                // in a result
	isErrno               // in the name of an error
	isPriv                // in the name of a privilege
	special               // starts or ends something in arguments
	isEscaped             // after a backslash in a spaced string
	isUpHex               // in a spaced string
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
	set(isName, lower+upper+digits+"_.$")
	set(isWord, lower+upper+digits+"_+-|.:")
	set(isErrno, upper+digits+"_")
	set(isPriv, lower+upper+digits+"_")
	set(special, "\"()[]{},")
	set(isEscaped, "0btnvfr")
	set(isUpHex, digits+"ABCDEF")
	return t
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' }

func skipBlanks(b []byte, i int) int {
	for i < len(b) && isBlank(b[i]) {
		i++
	}
	return i
}

func skipSpaces(b []byte, i int) int {
	for i < len(b) && b[i] == ' ' {
		i++
	}
	return i
}

// integer parses a number in C syntax, with nothing after it.
func integer(b []byte) (int64, bool) {
	neg := len(b) > 0 && b[0] == '-'
	if neg {
		b = b[1:]
	}
	var n uint64
	var ok bool
	switch {
	case len(b) > 2 && b[0] == '0' && (b[1] == 'x' || b[1] == 'X'):
		n, ok = numeral.Hex(b[2:])
	case len(b) > 1 && b[0] == '0':
		n, ok = numeral.Octal(b[1:])
	default:
		n, ok = numeral.Decimal(b, math.MaxUint64)
	}
	if neg {
		if n > 1<<63 {
			return 0, false
		}
		return -int64(n), ok
	}
	return int64(n), ok
}

// maxSeconds keeps nanoseconds in the range of int64.
const maxSeconds = 9_000_000_000

// scanSeconds parses `0.1234` at b[i], and returns the offset after it. FreeBSD may print negative
// times. digits is the number of digits of the fraction, which is required.
func scanSeconds(b []byte, i int) (ns int64, digits, end int, ok bool) {
	neg := i < len(b) && b[i] == '-'
	if neg {
		i++
	}
	n := i
	for n < len(b) && numeral.Is(b[n]) {
		n++
	}
	if n >= len(b) || b[n] != '.' {
		return 0, 0, i, false
	}
	sec, ok := numeral.Decimal(b[i:n], maxSeconds)
	if !ok {
		return 0, 0, i, false
	}
	ns = int64(sec) * 1e9
	scale := int64(1e8)
	for n++; n < len(b) && numeral.Is(b[n]) && digits < 9; n++ {
		ns += int64(b[n]-'0') * scale
		scale /= 10
		digits++
	}
	if digits == 0 || n < len(b) && numeral.Is(b[n]) {
		return 0, 0, i, false
	}
	if neg {
		ns = -ns
	}
	return ns, digits, n, true
}

// scanDate parses `Thu Mar 26 08:01:30 2009`, the format of asctime(3), perhaps with a time zone
// before the year. It returns nanoseconds since 1970 as if the time were UTC.
func scanDate(b []byte) (int64, bool) {
	const longest, zone = 40, 10
	if len(b) < len("Thu Mar 26 08:01:30 2009") || len(b) > longest || b[3] != ' ' || b[7] != ' ' || b[10] != ' ' ||
		b[13] != ':' || b[16] != ':' || b[19] != ' ' || index3(weekdays, b) < 0 {
		return 0, false
	}
	month := index3(months, b[4:])
	day, ok1 := numeral.Decimal(bytes.TrimLeft(b[8:10], " "), 31)
	hour, ok2 := numeral.Decimal(b[11:13], 23)
	minute, ok3 := numeral.Decimal(b[14:16], 59)
	second, ok4 := numeral.Decimal(b[17:19], 60)
	year := b[20:]
	if n := bytes.LastIndexByte(year, ' '); n >= 0 {
		if n > zone {
			return 0, false
		}
		for _, c := range year[:n] {
			if class[c]&isWord == 0 {
				return 0, false
			}
		}
		year = year[n+1:]
	}
	y, ok5 := numeral.Decimal(year, 2200)
	if month < 0 || !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || day == 0 || y < 1970 {
		return 0, false
	}
	days := sinceEpoch(int64(y), int64(month)+1, int64(day))
	return (((days*24+int64(hour))*60+int64(minute))*60 + int64(second)) * 1e9, true
}

// index3 returns the index of the name of three letters at the start of b.
func index3(names string, b []byte) int {
	for i := 0; i < len(names); i += 3 {
		if string(b[:3]) == names[i:i+3] {
			return i / 3
		}
	}
	return -1
}

// sinceEpoch returns the days from 1970-01-01 to a date of the Gregorian calendar.
func sinceEpoch(year, month, day int64) int64 {
	// Years are counted from March, so that the leap day is the last one.
	if month <= 2 {
		year--
		month += 12
	}
	const beforeEpoch = 719468 // days from 0000-03-01
	return 365*year + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + day - 1 - beforeEpoch
}

var (
	sleeping  = []byte("(sleeping...)")
	waiting   = []byte("(waiting for child to exit()/exec()...)")
	returning = []byte("(returning as ")
	errSmall  = []byte("Err#")
	errLarge  = []byte("ERR#")
	argcMark  = []byte("argc")
)

// closing returns the offset of the parenthesis that closes the arguments, before blanks before
// b[i], or -1 if there is none. It also accepts the mark of a return in a child before b[i].
func (l *Line) closing(b []byte, i, open int) int {
	i = trimBlanks(b, i)
	// Blanks before the parenthesis do not matter for the mark.
	if i > 0 && b[i-1] == ')' && bytes.HasSuffix(b[:trimBlanks(b, i-1)], spacedDots) {
		if n := bytes.LastIndex(b[:i], returning); n > open {
			if at := trimBlanks(b, n); at > open+1 && b[at-1] == ')' {
				l.Child = true
				return at - 1
			}
		}
	}
	if i > open+1 && b[i-1] == ')' {
		return i - 1
	}
	return -1
}

var spacedDots = []byte(" ...")

func trimBlanks(b []byte, i int) int {
	for i > 0 && isBlank(b[i-1]) {
		i--
	}
	return i
}

// ending parses the result backwards from the end of b, which has no trailing blanks. It returns
// the offset of the parenthesis that closes the one at b[open].
func (l *Line) ending(b []byte, open int) (end int, ok bool) {
	last := len(b) - 1
	if last <= open {
		return 0, false
	}
	switch b[last] {
	case ')':
		for _, mark := range [][]byte{sleeping, waiting} {
			if bytes.HasSuffix(b, mark) {
				if end = l.closing(b, len(b)-len(mark), open); end > 0 {
					l.mark = b[len(b)-len(mark):]
					return end, true
				}
			}
		}
		if end = l.hexResult(b, open); end > 0 {
			return end, true
		}
		return last, true
	case '\'':
		end = l.freebsdError(b, open)
		return end, end > 0
	}
	// All results are short.
	const longest = 128
	from := max(open+1, len(b)-longest)
	tail := b[from:]
	if n := bytes.LastIndex(tail, errSmall); n >= 0 {
		if end = l.solarisError(b, from+n, open); end > 0 {
			return end, true
		}
	}
	if n := bytes.LastIndex(tail, errLarge); n >= 0 {
		if end = l.freebsdError(b, open); end > 0 {
			return end, true
		}
	}
	if n := bytes.LastIndex(tail, argcMark); n >= 0 {
		if end = l.argc(b, from+n, open); end > 0 {
			return end, true
		}
	}
	if n := bytes.LastIndexByte(tail, '='); n >= 0 {
		if end = l.value(b, from+n, open); end > 0 {
			return end, true
		}
	}
	return 0, false
}

// hexResult parses ` = 3 (0x3)` at the end of b.
func (l *Line) hexResult(b []byte, open int) int {
	i := len(b) - 1
	n := i
	for n > open && numeral.Value(b[n-1]) >= 0 {
		n--
	}
	hexText := b[n:i]
	const before = " (0x"
	if n-len(before) <= open || string(b[n-len(before):n]) != before {
		return -1
	}
	n -= len(before)
	i = n
	for n > open && (numeral.Is(b[n-1]) || b[n-1] == '-') {
		n--
	}
	text := b[n:i]
	const equals = "= "
	if n-len(equals) <= open || string(b[n-len(equals):n]) != equals {
		return -1
	}
	value, ok1 := integer(text)
	if leadingZero(text) {
		return -1
	}
	hex, ok2 := numeral.Hex(hexText)
	if !ok1 || !ok2 || uint64(value) != hex && (uint64(value)&math.MaxUint32 != hex || hex > math.MaxUint32) {
		return -1
	}
	end := l.closing(b, n-len(equals), open)
	if end > 0 {
		l.form, l.HasResult, l.HasValue = formHex, true, true
		l.Ret, l.RetText, l.hexText = value, text, hexText
	}
	return end
}

// freebsdError parses ` ERR#36 'Operation now in progress'` at the end of b.
func (l *Line) freebsdError(b []byte, open int) int {
	const longest = 256
	from := max(open+1, len(b)-longest)
	n := bytes.LastIndex(b[from:], errLarge)
	if n < 0 {
		return -1
	}
	n += from
	i := n + len(errLarge)
	start := i
	for i < len(b) && (numeral.Is(b[i]) || i == start && b[i] == '-') {
		i++
	}
	num, ok := integer(b[start:i])
	if !ok || num > math.MaxInt32 || num < math.MinInt32 || leadingZero(b[start:i]) {
		return -1
	}
	var text []byte
	if i < len(b) {
		at := skipBlanks(b, i)
		if at == i || len(b)-at < 2 || b[at] != '\'' || b[len(b)-1] != '\'' {
			return -1
		}
		text = b[at+1 : len(b)-1]
	}
	end := l.closing(b, n, open)
	if end > 0 {
		l.form, l.HasResult, l.HasValue, l.Ret = formERR, true, true, -1
		l.ErrNum, l.ErrText = num, text
	}
	return end
}

// leadingZero reports whether a number is octal in C. Decimal results never are.
func leadingZero(b []byte) bool {
	b = bytes.TrimPrefix(b, []byte("-"))
	return len(b) > 1 && b[0] == '0'
}

// solarisError parses `Err#13 EACCES [file_dac_read]` at b[n].
func (l *Line) solarisError(b []byte, n, open int) int {
	num, i, ok := scanNumber(b, n+len(errSmall))
	if !ok || num > math.MaxInt32 || num == 0 {
		return -1
	}
	var name, priv []byte
	if at := skipBlanks(b, i); at > i && at < len(b) && b[at] == 'E' {
		i = at
		for i < len(b) && class[b[i]]&isErrno != 0 {
			i++
		}
		name = b[at:i]
	}
	if at := skipBlanks(b, i); at > i && at < len(b) && b[at] == '[' {
		i = at + 1
		for i < len(b) && class[b[i]]&isPriv != 0 {
			i++
		}
		if i == at+1 || i == len(b) || b[i] != ']' {
			return -1
		}
		priv = b[at+1 : i]
		i++
	}
	if i != len(b) {
		return -1
	}
	end := l.closing(b, n, open)
	if end > 0 {
		l.form, l.HasResult, l.HasValue, l.Ret = formErr, true, true, -1
		l.ErrNum, l.Errno, l.Priv = int64(num), name, priv
	}
	return end
}

// argc parses `argc = 1`, or `argc: 1` of AIX, at b[n]: the result of an exec.
func (l *Line) argc(b []byte, n, open int) int {
	i := n + len(argcMark)
	switch {
	case bytes.HasPrefix(b[i:], []byte(" = ")):
		i += 3
	case bytes.HasPrefix(b[i:], []byte(": ")):
		i += 2
	default:
		return -1
	}
	if _, at, ok := scanNumber(b, i); !ok || at != len(b) {
		return -1
	}
	end := l.closing(b, n, open)
	if end > 0 {
		l.form, l.HasResult, l.HasValue, l.RetText = formArgc, true, true, b[n:]
	}
	return end
}

// value parses `= 4`, `= 4 [5]`, `= SIGALRM`, or `=` of AIX, at b[n].
func (l *Line) value(b []byte, n, open int) int {
	i := skipBlanks(b, n+1)
	start := i
	for i < len(b) && class[b[i]]&isWord != 0 {
		i++
	}
	text := b[start:i]
	var second []byte
	if i < len(b) {
		at := skipBlanks(b, i)
		if at == i || len(text) == 0 || b[at] != '[' || b[len(b)-1] != ']' {
			return -1
		}
		second = bytes.Trim(b[at+1:len(b)-1], " ")
		for _, c := range second {
			if class[c]&isWord == 0 {
				return -1
			}
		}
		if len(second) == 0 {
			return -1
		}
	}
	end := l.closing(b, n, open)
	if end < 0 || end == n-1 && len(text) == 0 {
		return -1
	}
	l.tabbed = bytes.IndexByte(b[end:n], '\t') >= 0
	l.form, l.HasResult, l.RetText = formValue, true, text
	l.Ret, l.HasValue = integer(text)
	if second != nil {
		l.HasRet2, l.ret2Text = true, second
		l.Ret2, _ = integer(second)
	}
	return end
}

// spacedEnd returns the end of a string in the notation of Solaris whose opening quote is b[i]. It
// has two characters per byte, so the closing quote cannot be the second of a pair. If it is not
// such a string, end is -1 and where is the first byte that does not fit.
func spacedEnd(b []byte, i int) (end, where int) {
	for i++; i < len(b); i += 2 {
		if b[i] == '"' {
			return i + 1, 0
		}
		if i+1 == len(b) || !isPair(b[i], b[i+1]) {
			break
		}
	}
	return -1, i
}

func isPair(a, b byte) bool {
	switch a {
	case ' ':
		return b >= ' ' && b < 0x7f
	case '\\':
		return class[b]&isEscaped != 0
	}
	return class[a]&isUpHex != 0 && class[b]&isUpHex != 0
}

// quoteEnd returns the end of the string whose opening quote is b[i] and whose inner quotes have a
// backslash; -1 if it has no end.
func quoteEnd(b []byte, i int) int {
	start := i + 1
	for i = start; ; i++ {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return -1
		}
		i += n
		slash := i
		for slash > start && b[slash-1] == '\\' {
			slash--
		}
		if (i-slash)&1 == 0 {
			return i + 1
		}
	}
}

// bareEnd is quoteEnd for FreeBSD, which does not escape quotes in strings: the closing quote is
// the first one followed by text that can follow a string.
func bareEnd(b []byte, i int) int {
	for i++; ; {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return -1
		}
		i += n + 1
		rest := bytes.TrimPrefix(b[i:], dots)
		if len(rest) == 0 || rest[0] == ',' || rest[0] == ')' || rest[0] == '}' || rest[0] == ']' || rest[0] == ' ' {
			return i
		}
	}
}

var dots = []byte("...")

// scanner skips strings. It remembers unsuccessful searches, so that the time is linear.
type scanner struct {
	bsd     bool
	noQuote bool
	// Offset up to which pairs that start at an even (0) or odd (1) offset are valid, without a
	// closing quote.
	failed [2]int
	// End of the data string of FreeBSD, or 0.
	dataEnd int
}

// stringEnd returns the end of the string whose opening quote is b[i], -1 if it has none.
func (s *scanner) stringEnd(b []byte, i int) int {
	if s.noQuote {
		return -1
	}
	var end int
	if s.bsd {
		end = bareEnd(b, i)
	} else {
		if i+1 > s.failed[i&1] {
			var where int
			if end, where = spacedEnd(b, i); end > 0 {
				if canEnd(b[end:]) {
					return end
				}
				where = end
			}
			s.failed[i&1] = where
		}
		end = quoteEnd(b, i)
	}
	s.noQuote = end < 0
	return end
}

// canEnd reports whether a string can end before b.
func canEnd(b []byte) bool {
	b = bytes.TrimPrefix(b, dots[:2])
	return len(b) == 0 || b[0] == ',' || b[0] == ')' || b[0] == ' ' || b[0] == '}' || b[0] == ']'
}

// dataCalls are the calls of FreeBSD with data as the second argument. The data may have any text,
// but the other arguments have no strings except an address, so the end of the data is found from
// the end of the arguments.
var dataCalls = map[string]bool{
	"read": true, "write": true, "pread": true, "pwrite": true, "recvfrom": true, "sendto": true,
	"linux_read": true, "linux_write": true, "linux_sendto": true, "linux_recvfrom": true,
}

var unixAddr = []byte("{ AF_UNIX \"")

// findData returns the end of the data in the arguments b[i:end] of FreeBSD.
func findData(b []byte, i, end int) int {
	args := b[i:end]
	n := bytes.LastIndexByte(args, '"')
	if n < 0 {
		return 0
	}
	if bytes.HasPrefix(args[n+1:], []byte(" }")) {
		at := bytes.LastIndex(args[:n], unixAddr)
		if at < 0 {
			return 0
		}
		if n = bytes.LastIndexByte(args[:at], '"'); n < 0 {
			return 0
		}
	}
	return i + n + 1
}

// readArgs splits b[i:end] into arguments. It returns false if brackets in them are not balanced.
func (l *Line) readArgs(b []byte, i, end int) bool {
	b = b[:end]
	s := scanner{bsd: l.form == formHex || l.form == formERR}
	if s.bsd && dataCalls[string(l.Name)] {
		s.dataEnd = findData(b, i, end)
	}
	start, depth, balanced := i, 0, true
	for {
		for i < end && class[b[i]]&special == 0 {
			i++
		}
		if i == end {
			break
		}
		switch b[i] {
		case '"':
			n := -1
			if s.dataEnd > i+1 && depth == 0 && l.nargs == 1 {
				n = s.dataEnd
			} else {
				n = s.stringEnd(b, i)
			}
			if n < 0 {
				n = i + 1
			}
			i = n
		case '(', '[', '{':
			depth++
			i++
		case ')', ']', '}':
			if depth--; depth < 0 {
				depth, balanced = 0, false
			}
			i++
		case ',':
			if depth == 0 && l.nargs < MaxArgs-1 {
				l.addArg(b[start:i])
				if i+1 < end && !isBlank(b[i+1]) {
					l.tight = true
				}
				start = i + 1
			}
			i++
		}
	}
	if arg := trimArg(b[start:end]); l.nargs > 0 || len(arg) > 0 {
		l.addArg(arg)
	}
	if s.bsd {
		l.tight = true
	}
	return balanced && depth == 0
}

func (l *Line) addArg(arg []byte) {
	l.args[l.nargs] = trimArg(arg)
	l.nargs++
}

func trimArg(arg []byte) []byte {
	i := skipBlanks(arg, 0)
	return arg[i:max(i, trimBlanks(arg, len(arg)))]
}
