package dump

import "bytes"

// text is the rest of a line.
type text []byte

func (t text) has(s string) bool { return len(t) >= len(s) && string(t[:len(s)]) == s }

func (t text) is(s string) bool { return string(t) == s }

func (t text) index(s string) int { return bytes.Index(t, []byte(s)) }

func (t text) lastIndex(s string) int { return bytes.LastIndex(t, []byte(s)) }

func (t *text) skip(s string) bool {
	if !t.has(s) {
		return false
	}
	*t = (*t)[len(s):]
	return true
}

// skipAny skips the first string of list that t starts with.
func (t *text) skipAny(list ...string) bool {
	for _, s := range list {
		if t.skip(s) {
			return true
		}
	}
	return false
}

// blanks skips spaces and returns their number.
func (t *text) blanks() int {
	n := 0
	for n < len(*t) && (*t)[n] == ' ' {
		n++
	}
	*t = (*t)[n:]
	return n
}

// word skips and returns the text up to the next space.
func (t *text) word() text {
	n := 0
	for n < len(*t) && (*t)[n] != ' ' {
		n++
	}
	w := (*t)[:n]
	*t = (*t)[n:]
	return w
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// digit reports whether t has a digit at i.
func (t text) digit(i int) bool { return i < len(t) && digit(t[i]) }

// digits returns the number of digits at the start of t.
func (t text) digits() int {
	n := 0
	for n < len(t) && digit(t[n]) {
		n++
	}
	return n
}

// num skips and returns a decimal number. It returns false if there is none up to most.
func (t *text) num(most uint64) (uint64, bool) {
	n := t.digits()
	if n == 0 || n > 20 {
		return 0, false
	}
	v := uint64(0)
	for _, c := range (*t)[:n] {
		d := uint64(c - '0')
		if v > (most-d)/10 || d > most {
			return 0, false
		}
		v = v*10 + d
	}
	*t = (*t)[n:]
	return v, true
}

const (
	most8  = 1<<8 - 1
	most16 = 1<<16 - 1
	most32 = 1<<32 - 1
	most64 = 1<<64 - 1
)

func (t *text) num32() (uint32, bool) {
	v, ok := t.num(most32)
	return uint32(v), ok
}

// after skips s and the number after it, or nothing if either is missing.
func (t *text) after(s string, most uint64) (uint64, bool) {
	rest := *t
	if !rest.skip(s) {
		return 0, false
	}
	v, ok := rest.num(most)
	if ok {
		*t = rest
	}
	return v, ok
}

func nibble(c byte) (byte, bool) {
	switch {
	case digit(c):
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// hex skips and returns a hexadecimal number of at most 16 digits.
func (t *text) hex() (uint64, bool) {
	v, n := uint64(0), 0
	for n < len(*t) {
		d, ok := nibble((*t)[n])
		if !ok {
			break
		}
		if n++; n > 16 {
			return 0, false
		}
		v = v<<4 | uint64(d)
	}
	*t = (*t)[n:]
	return v, n > 0
}

// octets skips pairs of hexadecimal digits and stores them in dst until it is full. It returns the
// number of pairs.
func (t *text) octets(dst []byte) int {
	n := 0
	for n < len(dst) && len(*t) >= 2 {
		hi, ok1 := nibble((*t)[0])
		lo, ok2 := nibble((*t)[1])
		if !ok1 || !ok2 {
			break
		}
		dst[n] = hi<<4 | lo
		n++
		*t = (*t)[2:]
	}
	return n
}

// parens skips a text in parentheses, which may be nested.
func (t *text) parens() bool {
	if !t.has("(") {
		return false
	}
	depth := 0
	for i, c := range *t {
		switch c {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				*t = (*t)[i+1:]
				return true
			}
		}
	}
	return false
}

// cutLength removes the last ", length N" and the text after it, and returns N.
func (t *text) cutLength() (int, bool) {
	at := t.lastIndex(", length ")
	if at < 0 {
		return 0, false
	}
	rest := (*t)[at:]
	n, ok := rest.after(", length ", most16)
	if !ok || len(rest) > 0 && rest[0] != ' ' && rest[0] != ',' && rest[0] != ':' {
		return 0, false
	}
	*t = (*t)[:at]
	return int(n), true
}
