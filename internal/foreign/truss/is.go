package truss

import (
	"bytes"

	"github.com/pidwire/pidwire/internal/foreign/numeral"
)

var (
	siginfo = []byte("siginfo: SIG")
	faultOf = []byte("Incurred fault #")
	byTruss = []byte("truss: ")
	soCalls = []byte("so_socket")
)

// Is reports whether a line is of truss, and cannot be of strace or another program that prints
// calls. The evidence is the leader, the result, or the format of strings and addresses. Many
// lines of truss, like `close(3) = 0`, could be of either. So a file is of truss if Is is true
// for some lines and package strace cannot parse most lines.
func Is(line []byte) bool {
	var l Line
	if Parse(line, &l) != nil {
		return false
	}
	switch l.Kind {
	case Base, Exit, Signal:
		return true
	case Func:
		return bytes.IndexByte(l.Name, ':') > 0
	case Note:
		return l.Flavor == FreeBSD || bytes.HasPrefix(l.Text, faultOf) || bytes.HasPrefix(l.Text, byTruss)
	case Detail:
		return l.Addr.IsValid() || bytes.HasPrefix(l.Text[skipBlanks(l.Text, 0):], siginfo)
	case Call, Unfinished:
		return l.onlyTruss()
	}
	return false
}

// onlyTruss reports whether the format of a call is unique to truss.
func (l *Line) onlyTruss() bool {
	if l.PID != 0 || l.LWP != 0 || l.mark != nil || l.Child || l.Addr.IsValid() || l.tabbed ||
		l.form == formHex || l.form == formERR || l.form == formErr || l.form == formArgc ||
		l.Flavor == AIX && l.Time.Clock != NoClock || bytes.HasPrefix(l.Name, soCalls) {
		return true
	}
	args := l.Args()
	for i, arg := range args {
		if i == len(args)-1 && bytes.HasPrefix(arg, sovPrefix) {
			return true
		}
		if len(arg) == 0 || arg[0] != '"' {
			continue
		}
		end, _ := spacedEnd(arg, 0)
		if end < 0 {
			continue
		}
		if bytes.Equal(arg[end:], dots[:2]) {
			return true
		}
		// A string that only looks like two characters per byte has more bytes: a blank and
		// the next character are two bytes. Only `\001` before a digit has fewer.
		n := int64(end-2) / 2
		if end != len(arg) || !hasSpaced(arg[1:end-1]) {
			continue
		}
		if l.HasValue && l.Ret == n {
			return true
		}
		if i+1 < len(args) {
			if size, ok := Int(args[i+1]); ok && size == n {
				return true
			}
		}
	}
	return false
}

// hasSpaced reports whether a spaced string has a byte printed as a blank and itself, no byte in
// hexadecimal for which there is another notation, and no `\0` that could be the start of a
// number.
func hasSpaced(s []byte) bool {
	found := false
	for i := 0; i+1 < len(s); i += 2 {
		switch {
		case s[i] == ' ':
			found = true
		case s[i] != '\\':
			c := byte(numeral.Value(s[i])<<4 | numeral.Value(s[i+1]))
			if c == 0 || c >= '\b' && c <= '\r' || c >= ' ' && c < 0x7f {
				return false
			}
		case s[i+1] == '0' && i+2 < len(s) && numeral.Is(s[i+2]):
			return false
		}
	}
	return found
}
