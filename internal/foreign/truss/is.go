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

// Is reports whether a line is truss's and could not be strace's, or one of any
// other program that prints calls: by its leader, its result, or its notation of
// strings and addresses. Many lines of truss could be either, `close(3) = 0`, so
// a file is of truss where this is true of some lines and strace's package does
// not know most.
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

// onlyTruss says whether a call is printed as no other program does.
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
		// Data that only looks like two characters for each byte has more bytes:
		// a blank and what is behind it are two. Only `\001` in front of a digit
		// has fewer.
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

// hasSpaced says whether a spaced string has a byte that is printed as a blank
// and itself, none in hexadecimal that has a shorter notation, and no `\0` that
// could be the begin of a number.
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
