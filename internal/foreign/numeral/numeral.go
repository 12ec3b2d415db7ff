// Package numeral parses numbers in the output of other tools: only digits, without a sign, with a
// check for overflow.
package numeral

import "math"

// Is reports whether c is a decimal digit.
func Is(c byte) bool { return c-'0' <= 9 }

// Decimal parses decimal digits. The value must not exceed most.
func Decimal(b []byte, most uint64) (n uint64, ok bool) {
	if len(b) == 0 || len(b) > 20 {
		return 0, false
	}
	for _, c := range b {
		d := uint64(c - '0')
		if !Is(c) || n > (math.MaxUint64-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, n <= most
}

// Hex parses up to 16 hexadecimal digits.
func Hex(b []byte) (n uint64, ok bool) {
	if len(b) == 0 || len(b) > 16 {
		return 0, false
	}
	for _, c := range b {
		d := Value(c)
		if d < 0 {
			return 0, false
		}
		n = n<<4 | uint64(d)
	}
	return n, true
}

// Value returns the value of a hexadecimal digit, or -1.
func Value(c byte) int {
	switch {
	case Is(c):
		return int(c - '0')
	case c-'a' < 6:
		return int(c-'a') + 10
	case c-'A' < 6:
		return int(c-'A') + 10
	}
	return -1
}

// Octal parses octal digits. An empty text is 0.
func Octal(b []byte) (n uint64, ok bool) {
	for _, c := range b {
		if c-'0' > 7 || n>>61 != 0 {
			return 0, false
		}
		n = n<<3 | uint64(c-'0')
	}
	return n, true
}
