// Package clean escapes strings of hostile processes, such as names, paths and arguments, for a
// terminal or for JSON.
package clean

import (
	"unicode"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// Hidden reports whether a rune must be escaped for a terminal: C0 and C1 controls, bidirectional
// marks and overrides, other invisible format characters, line and paragraph separators, and
// noncharacters.
func Hidden(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7f && r < 0xa0:
		return true
	case r < 0x300:
		return r == 0xad // soft hyphen
	case r == 0x61c, r == 0x180e, r == 0xfeff, r == utf8.RuneError:
		return true
	case r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2060 && r <= 0x206f:
		return true
	case r >= 0xd800 && r <= 0xf8ff: // surrogates, private use
		return true
	case r >= 0xfff0 && r <= 0xfffb, r >= 0xe0000 && r <= 0xe0fff, r >= 0xf0000:
		return true
	case r&0xfffe == 0xfffe, r >= 0xfdd0 && r <= 0xfdef: // noncharacters
		return true
	case r >= 0x1bca0 && r <= 0x1bca3, r >= 0x1d173 && r <= 0x1d17a:
		return true
	case r == 0x34f, r == 0x115f, r == 0x1160, r == 0x17b4, r == 0x17b5, r == 0x3164, r == 0xffa0:
		return true // invisible letters and marks
	}
	return false
}

// AppendText appends s, escaped for a terminal: hidden runes as \n, \x1b or \u202e, a backslash as
// \\, bytes that are not UTF-8 as \xff. \x80 to \xff are always bytes: the control characters
// U+0080 to U+009F are \u0080 to \u009f.
func AppendText(dst []byte, s string) []byte { return appendText(dst, s, itself) }

// AppendPrinted is like AppendText for a string that has already been escaped: it does not escape
// backslashes.
func AppendPrinted(dst []byte, s string) []byte { return appendText(dst, s, itself|escapes) }

// Classes of bytes.
const (
	itself  = 1 << iota // copied
	escapes             // a backslash
)

var class = func() (t [256]uint8) {
	for c := 0x20; c < 0x7f; c++ {
		t[c] = itself
	}
	t['\\'] = escapes
	return t
}()

func appendText(dst []byte, s string, pass uint8) []byte {
	for i := 0; i < len(s); {
		from := i
		for i < len(s) && class[s[i]]&pass != 0 {
			i++
		}
		if dst = append(dst, s[from:i]...); i == len(s) {
			break
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '\\':
			dst = append(dst, `\\`...)
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case r == utf8.RuneError && n <= 1:
			dst = append(dst, '\\', 'x', hexDigits[s[i]>>4], hexDigits[s[i]&15])
		case r < 0x80:
			dst = append(dst, '\\', 'x', hexDigits[r>>4], hexDigits[r&15])
		case Hidden(r):
			dst = appendU(dst, r)
		default:
			dst = append(dst, s[i:i+n]...)
		}
		i += n
	}
	return dst
}

// AppendName appends the name of a process or thread for a column of a line. It escapes like
// AppendText, and also the delimiters of the line: NAME[PID] ends at the first blank, and NAME at the
// first bracket. Blanks, brackets and parentheses are written as \x20, \x5b and so on, and so are the
// marks ~, ?, - and + at the start.
func AppendName(dst []byte, s string) []byte {
	at := len(dst)
	dst = AppendText(dst, s)
	safe := true
	for i, c := range dst[at:] {
		if c >= 0x80 || delimits(c, i) {
			safe = false
			break
		}
	}
	if safe {
		return dst
	}
	text := string(dst[at:])
	dst = dst[:at]
	for i, r := range text {
		switch {
		case r < 0x80 && delimits(byte(r), i):
			dst = append(dst, '\\', 'x', hexDigits[r>>4], hexDigits[r&15])
		case r >= 0x80 && unicode.IsSpace(r):
			dst = appendU(dst, r)
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return dst
}

// delimits reports whether a byte at index i of a name looks like the end of the name or like a mark.
func delimits(c byte, i int) bool {
	switch c {
	case ' ', '[', ']', '(', ')', '<', '>':
		return true
	case '~', '?', '-', '+':
		return i == 0
	}
	return false
}

// Name returns the result of AppendName as a string.
func Name(s string) string { return string(AppendName(nil, s)) }

// Text returns the result of AppendText as a string.
func Text(s string) string { return string(AppendText(nil, s)) }

func appendU(dst []byte, r rune) []byte {
	if r > 0xffff {
		dst = append(dst, `\U00`...)
		for shift := 20; shift >= 0; shift -= 4 {
			dst = append(dst, hexDigits[r>>shift&15])
		}
		return dst
	}
	return append(dst, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}

// plain has the bytes that need no escape in a JSON string.
var plain = func() (t [256]bool) {
	for c := 0x20; c < 0x7f; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// AppendJSON appends s as a JSON string with quotes. It escapes hidden runes, so that the text is
// also safe on a terminal. Bytes that are not UTF-8 become U+FFFD, as JSON has no bytes.
func AppendJSON[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		run := i
		for i < len(s) && plain[s[i]] {
			i++
		}
		dst = append(dst, s[run:i]...)
		if i == len(s) {
			break
		}
		if c := s[i]; c == '"' || c == '\\' {
			dst = append(dst, '\\', c)
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
		switch {
		case r == '\n':
			dst = append(dst, `\n`...)
		case Hidden(r) && r > 0xffff:
			r -= 0x10000
			dst = appendU(dst, 0xd800+r>>10)
			dst = appendU(dst, 0xdc00+r&0x3ff)
		case Hidden(r):
			dst = appendU(dst, r)
		default:
			dst = append(dst, s[i:i+n]...)
		}
		i += n
	}
	return append(dst, '"')
}
