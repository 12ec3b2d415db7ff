package strace

import (
	"bytes"
	"math"

	"github.com/pidwire/pidwire/internal/foreign/numeral"
)

// Classes of bytes.
const (
	isName    = 1 << iota // in the name of a syscall
	isContext             // in a security context
	isNumber              // in the number of a syscall or an address
	isErrno               // in the name of an error
	special               // starts or ends something in arguments
	inAngle               // ends or nests something in <>
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
	set(isName, lower+upper+digits+"_?#.")
	set(isContext, lower+upper+digits+"_:.,-!")
	set(isNumber, digits+"abcdef?")
	set(isErrno, upper+digits+"_")
	set(special, "\"()[]{}<,/")
	set(inAngle, "<>[]\"")
	return t
}

func isWord(b []byte) bool {
	for _, c := range b {
		if class[c]&isName == 0 {
			return false
		}
	}
	return len(b) > 0
}

// leadingInt parses the number at the start of b, in C syntax.
func leadingInt(b []byte) (int64, bool) {
	neg := len(b) > 0 && b[0] == '-'
	if neg {
		b = b[1:]
	}
	n, ok := uint64(0), false
	if len(b) > 2 && b[0] == '0' && b[1] == 'x' {
		i := 2
		for i < len(b) && numeral.Value(b[i]) >= 0 {
			i++
		}
		n, ok = numeral.Hex(b[2:i])
	} else {
		i := 0
		for i < len(b) && numeral.Is(b[i]) {
			i++
		}
		if i > 1 && b[0] == '0' {
			n, ok = numeral.Octal(b[1:i])
		} else {
			n, ok = numeral.Decimal(b[:i], math.MaxUint64)
		}
	}
	if neg {
		if n > 1<<63 {
			return 0, false
		}
		return -int64(n), ok
	}
	return int64(n), ok
}

func hasResult(b []byte, i int) bool {
	return i+1 < len(b) && b[i] == '=' && b[i+1] == ' '
}

// quoteEnd returns the end of the string whose opening quote is b[i], -1 if it has none.
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

// scanner skips nested text. It remembers unsuccessful searches to the end of a line, so that the
// time is linear.
type scanner struct {
	noAngle, noComment bool
}

// comment skips a comment at b[i], or just the slash if there is none.
func (s *scanner) comment(b []byte, i int) int {
	if s.noComment || i+1 >= len(b) || b[i+1] != '*' {
		return i + 1
	}
	for n := i + 2; n < len(b); {
		switch {
		case b[n] == '"':
			if n = quoteEnd(b, n); n < 0 {
				s.noComment = true
				return i + 1
			}
		case b[n] == '*' && n+1 < len(b) && b[n+1] == '/':
			return n + 2
		default:
			n++
		}
	}
	s.noComment = true
	return i + 1
}

// angle skips an annotation in <> at b[i], or just the `<` if there is none.
//
// Paths and process names have their brackets escaped, so the first `>` ends them, except in
// `</dev/tty<char 5:0>>`. Sockets do not: they have an arrow in square brackets, and perhaps a
// path in quotes. `<<` is not an annotation.
func (s *scanner) angle(b []byte, i int) int {
	if i+1 < len(b) && b[i+1] == '<' {
		return i + 2
	}
	if s.noAngle {
		return i + 1
	}
	depth, square := 1, 0
	path := i+1 < len(b) && b[i+1] == '/'
	for n := i + 1; n < len(b); n++ {
		c := b[n]
		if class[c]&inAngle == 0 {
			continue
		}
		switch c {
		case '<':
			depth++
		case '>':
			if square > 0 && b[n-1] == '-' {
				continue
			}
			if depth--; depth == 0 {
				return n + 1
			}
		case '[':
			if !path && (square > 0 || b[n-1] == ':') {
				square++
			}
		case ']':
			square = max(square-1, 0)
		case '"':
			if square > 0 {
				if n = quoteEnd(b, n); n < 0 {
					s.noAngle = true
					return i + 1
				}
				n--
			}
		}
	}
	s.noAngle = true
	return i + 1
}

// group skips the parentheses, brackets or braces that open at b[i]. It returns -1 if they do not
// close.
func (s *scanner) group(b []byte, i int) int {
	for depth := 0; i < len(b); {
		c := b[i]
		if class[c]&special == 0 {
			i++
			continue
		}
		switch c {
		case '"':
			if i = quoteEnd(b, i); i < 0 {
				return -1
			}
		case '(', '[', '{':
			depth++
			i++
		case ')', ']', '}':
			i++
			if depth--; depth == 0 {
				return i
			}
		case '<':
			i = s.angle(b, i)
		case '/':
			i = s.comment(b, i)
		default:
			i++
		}
	}
	return -1
}

// state tells how arguments end.
type state uint8

const (
	wrong  state = iota // invalid
	closed              // with a parenthesis, before the result
	marked              // with a mark, at the end of the line
	open                // no end
)

// readArgs splits the arguments at b[i] and returns the offset of their end: the closing
// parenthesis, if there is one. The second part of a call may close brackets of the first.
func (l *Line) readArgs(b []byte, i int, second bool) (int, state) {
	var s scanner
	start, from, depth := i, i, 0
	for {
		for i < len(b) && class[b[i]]&special == 0 {
			i++
		}
		if i == len(b) {
			l.lastArg(b, start, i)
			return i, open
		}
		switch c := b[i]; c {
		case '"':
			n := quoteEnd(b, i)
			if n < 0 {
				return i, wrong
			}
			i = n
		case '(', '[', '{':
			depth++
			i++
		case ')', ']', '}':
			if depth > 0 {
				depth--
				i++
				continue
			}
			if c == ')' {
				n := i + 1
				for n < len(b) && b[n] == ' ' {
					n++
				}
				if hasResult(b, n) {
					l.lastArg(b, start, i)
					return i, closed
				}
			}
			if !second {
				return i, wrong
			}
			// The text before is inside a bracket of the first part.
			l.nargs, start = 0, from
			i++
		case ',':
			if depth == 0 && i+1 < len(b) && b[i+1] == ' ' && l.nargs < MaxArgs-1 {
				l.args[l.nargs] = b[start:i]
				l.nargs++
				i++
				start = i + 1
			}
			i++
		case '<':
			n := isMark(b[i:])
			if n == 0 {
				i = s.angle(b, i)
				continue
			}
			end := i
			if end > start && b[end-1] == ' ' {
				end--
			}
			if i+n == len(b) {
				l.lastArg(b, start, end)
				l.markPad, l.Mark = b[end:i], b[i:]
				return i, marked
			}
			if m := i + n + 1; b[i+n] == ')' && depth == 0 {
				for m < len(b) && b[m] == ' ' {
					m++
				}
				if hasResult(b, m) {
					l.lastArg(b, start, end)
					l.markPad, l.Mark = b[end:i], b[i:i+n]
					return i + n, closed
				}
			}
			i = s.angle(b, i)
		case '/':
			i = s.comment(b, i)
		}
	}
}

// lastArg adds the last argument. Empty text is an argument only after a comma.
func (l *Line) lastArg(b []byte, start, end int) {
	if l.nargs > 0 || end > start {
		l.args[l.nargs] = b[start:end]
		l.nargs++
	}
}

var (
	markUnfinished = []byte("<unfinished ...")
	markDetached   = []byte("<detached ...>")
	markPID        = []byte("<pid changed to ")
	markRestart    = []byte("<Cannot restart pid ")
	markNone       = []byte("<unavailable>")
)

// isMark returns the length of the mark at the start of b, a `<`; 0 if there is none.
func isMark(b []byte) int {
	if len(b) < len(markNone) || b[1] != 'u' && b[1] != 'd' && b[1] != 'p' && b[1] != 'C' {
		return 0
	}
	switch {
	case bytes.HasPrefix(b, markDetached):
		return len(markDetached)
	case bytes.HasPrefix(b, markNone):
		return len(markNone)
	case bytes.HasPrefix(b, markRestart):
		if b[len(b)-1] == '>' {
			return len(b)
		}
	case bytes.HasPrefix(b, markUnfinished), bytes.HasPrefix(b, markPID):
		// Includes `<unfinished ... exit status 3>`.
		const maxMark = 64
		return bytes.IndexByte(b[:min(len(b), maxMark)], '>') + 1
	}
	return 0
}

// noteStart returns the offset of a message of strace in the arguments from b[i] on, -1 if there
// is none.
func noteStart(b []byte, i int) int {
	for from := i; i < len(b); i++ {
		switch b[i] {
		case '"':
			n := quoteEnd(b, i)
			if n < 0 {
				return -1
			}
			i = n - 1
		case 's':
			if !bytes.HasPrefix(b[i:], noteProgram) {
				continue
			}
			if i == from || b[i-1] != '/' {
				return i
			}
			path := i
			for n := i - 1; n >= from && i-n < maxProgram; n-- {
				if b[n] == '/' {
					path = n
				} else if class[b[n]]&isContext == 0 {
					break
				}
			}
			return path
		case 'P':
			if rest, ok := bytes.CutPrefix(b[i:], noteProcess); ok && len(rest) > 0 && numeral.Is(rest[0]) {
				return i
			}
		}
	}
	return -1
}
