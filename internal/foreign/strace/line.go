package strace

import (
	"bytes"
	"math"

	"github.com/pidwire/pidwire/internal/foreign/numeral"
)

func (l *Line) parse(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	switch {
	case b[0] == '.':
		l.Kind, l.Text = Gap, b
		return string(b) == "..."
	case b[0] == ' ' && len(b) > 2 && b[2] == ' ':
		switch b[1] {
		case '>':
			l.Kind, l.Text = Stack, b
			return true
		case '|', '*':
			l.Kind, l.Text = Dump, b
			return true
		case '=':
			l.Kind, l.Text = Dump, b
			return bytes.Contains(b, dumpVector)
		}
	}
	i := l.leader(b)
	if i >= len(b) {
		return false
	}
	switch b[i] {
	case '-':
		return l.signal(b[i:])
	case '+':
		return l.ended(b[i:])
	case '<':
		return l.resumed(b, i)
	case '[':
		if bytes.HasPrefix(b[i:], notePersonality) {
			l.Kind, l.Text = Note, b[i:]
			return true
		}
	}
	n := i
	for n < len(b) && class[b[n]]&isName != 0 {
		n++
	}
	if n > i && n < len(b) && b[n] == '(' {
		l.Name = b[i:n]
		return l.call(b, n+1)
	}
	if i > 0 {
		return false
	}
	if isNote(b) {
		l.Kind, l.Text = Note, b
		return true
	}
	l.Kind = Rest
	return l.second(b, 0)
}

var (
	notePersonality = []byte("[ Process PID=")
	noteProcess     = []byte("Process ")
	noteProgram     = []byte("strace: ")
	dumpVector      = []byte(" buffers in vector ")
)

// isNote reports whether b is a message of strace. Old ones start with the process, others with
// the program name of strace.
func isNote(b []byte) bool {
	if rest, ok := bytes.CutPrefix(b, noteProcess); ok {
		return len(rest) > 0 && numeral.Is(rest[0])
	}
	i := bytes.Index(b[:min(len(b), maxProgram)], noteProgram)
	if i < 0 || i > 0 && b[i-1] != '/' {
		return false
	}
	return bytes.IndexByte(b[:i], ' ') < 0
}

// maxProgram bounds the program name of strace, which may be a path.
const maxProgram = 256

// leader parses the part before the syscall and returns the offset of the syscall. It stops at
// text that it cannot parse, which then fails to parse as a syscall.
func (l *Line) leader(b []byte) int {
	i := 0
	switch {
	case b[0] == '[' && bytes.HasPrefix(b, pidOpen):
		i = l.pidInBrackets(b)
	case numeral.Is(b[0]):
		i = l.pidAlone(b)
	}
	if i < len(b) && b[i] == '[' {
		i = l.context(b, i)
	}
	if i < len(b) && (numeral.Is(b[i]) || b[i] == ' ') {
		i = l.stamp(b, i)
	}
	if l.Time.Clock != NoClock && i < len(b) {
		switch {
		case b[i] == '(':
			i = l.deltaInParens(b, i)
		case b[i] == ' ':
			i = l.stamp(b, i)
		}
	}
	for i < len(b) && b[i] == '[' {
		next := l.numbers(b, i)
		if next == i {
			break
		}
		i = next
	}
	return i
}

var pidOpen = []byte("[pid ")

// pidInBrackets parses `[pid  123] `, `[pid  123<comm>] ` or `[pid 123 (comm)] `.
func (l *Line) pidInBrackets(b []byte) int {
	i := len(pidOpen)
	for i < len(b) && b[i] == ' ' {
		i++
	}
	pad, start := b[len(pidOpen):i], i
	for i < len(b) && numeral.Is(b[i]) {
		i++
	}
	pid, ok := numeral.Decimal(b[start:i], math.MaxUint32)
	if !ok {
		return 0
	}
	text := b[start:i]
	comm, form, i := command(b, i)
	if i+1 >= len(b) || b[i] != ']' || b[i+1] != ' ' {
		return 0
	}
	l.pidForm, l.pidPad, l.pidText, l.PID = pidBrackets, pad, text, uint32(pid)
	l.commForm, l.Comm = form, comm
	return i + 2
}

// maxPID is the maximum pid (PID_MAX_LIMIT).
const maxPID = 1 << 22

// pidAlone parses `123   ` or `123<comm> `. A time in whole seconds looks the same except for
// its value.
func (l *Line) pidAlone(b []byte) int {
	i := 0
	for i < len(b) && numeral.Is(b[i]) {
		i++
	}
	if i == len(b) || b[i] != ' ' && b[i] != '<' {
		return 0
	}
	pid, ok := numeral.Decimal(b[:i], maxPID)
	if !ok {
		return 0
	}
	text := b[:i]
	comm, form, i := command(b, i)
	start := i
	for i < len(b) && b[i] == ' ' {
		i++
	}
	if i == start {
		return 0
	}
	l.pidForm, l.pidText, l.pidPad, l.PID = pidPlain, text, b[start:i], uint32(pid)
	l.commForm, l.Comm = form, comm
	return i
}

// maxComm bounds the name of a process: 15 bytes, which may be escaped to four each.
const maxComm = 64

func command(b []byte, i int) ([]byte, commForm, int) {
	b, rest := b[:min(len(b), i+maxComm+3)], i
	switch {
	case i < len(b) && b[i] == '<':
		if n := bytes.IndexByte(b[i:], '>'); n > 0 {
			return b[i+1 : i+n], commAngle, i + n + 1
		}
	case i+1 < len(b) && b[i] == ' ' && b[i+1] == '(':
		if n := bytes.Index(b[i:], []byte(")] ")); n > 0 {
			return b[i+2 : i+n], commParen, i + n + 1
		}
	}
	return nil, commNone, rest
}

// context parses `[unconfined_u:unconfined_r:unconfined_t:s0] `.
func (l *Line) context(b []byte, i int) int {
	n, named := i+1, false
	for n < len(b) && class[b[n]]&isContext != 0 {
		named = named || b[n] == '_' || b[n] == ':'
		n++
	}
	if !named || n+1 >= len(b) || b[n] != ']' || b[n+1] != ' ' {
		return i
	}
	l.Context = b[i+1 : n]
	return n + 2
}

// stamp parses a time and the space after it: `08:01:30`, `1238054490`, `     0`, each with or
// without a fraction.
func (l *Line) stamp(b []byte, i int) int {
	pad := i
	for i < len(b) && b[i] == ' ' {
		i++
	}
	start := i
	ns, digits, clock, i := readStamp(b, i)
	if clock == NoClock || i >= len(b) || b[i] != ' ' {
		return pad
	}
	s := Stamp{Clock: clock, NS: ns, Text: b[start:i]}
	switch {
	case clock == Day:
		if pad != start || l.Time.Clock != NoClock {
			return pad
		}
		l.Time = s
	case digits >= minUnixDigits && pad == start && l.Time.Clock == NoClock:
		s.Clock = Unix
		l.Time = s
	default:
		l.Delta, l.deltaPad = s, b[pad:start]
	}
	return i + 1
}

// minUnixDigits distinguishes seconds since 1970 from seconds since the previous line: the former
// have had at least this many digits since 1973.
const minUnixDigits = 9

// maxSeconds keeps nanoseconds in the range of int64.
const maxSeconds = 9_000_000_000

// readStamp parses a number with a fraction or a time of day. digits is the number of digits
// before the fraction.
func readStamp(b []byte, i int) (ns int64, digits int, clock Clock, next int) {
	start := i
	for i < len(b) && numeral.Is(b[i]) {
		i++
	}
	digits = i - start
	sec, ok := numeral.Decimal(b[start:i], maxSeconds)
	if !ok {
		return 0, 0, NoClock, start
	}
	clock = Delta
	if digits == 2 && i+6 <= len(b) && b[i] == ':' && b[i+3] == ':' {
		minute, ok1 := numeral.Decimal(b[i+1:i+3], 59)
		second, ok2 := numeral.Decimal(b[i+4:i+6], 60)
		if !ok1 || !ok2 || sec > 23 {
			return 0, 0, NoClock, start
		}
		sec = sec*3600 + minute*60 + second
		i += 6
		clock = Day
	}
	ns = int64(sec) * 1e9
	if i < len(b) && b[i] == '.' {
		scale := int64(1e8)
		n := i + 1
		for ; n < len(b) && numeral.Is(b[n]); n++ {
			ns += int64(b[n]-'0') * scale
			scale /= 10
		}
		if n == i+1 || n > i+10 {
			return 0, 0, NoClock, start
		}
		i = n
	}
	return ns, digits, clock, i
}

// deltaInParens parses `(+     0.000123) `.
func (l *Line) deltaInParens(b []byte, i int) int {
	n := i + 2
	if n >= len(b) || b[i+1] != '+' {
		return i
	}
	pad := n
	for n < len(b) && b[n] == ' ' {
		n++
	}
	start := n
	ns, _, clock, n := readStamp(b, n)
	if clock != Delta || n+1 >= len(b) || b[n] != ')' || b[n+1] != ' ' {
		return i
	}
	l.Delta, l.deltaPad, l.deltaIn = Stamp{Delta, ns, b[start:n]}, b[pad:start], true
	return n + 2
}

// numbers parses `[  42] ` (-n) or `[00007f1d666f0a20] ` (-i). The latter has at least the digits
// of an address, with blanks for zeros in strace 4.5. Lengths in between are x32 syscall
// numbers, and 64-bit addresses of a process that was 32-bit before.
func (l *Line) numbers(b []byte, i int) int {
	n := i + 1
	for n < len(b) && b[n] == ' ' {
		n++
	}
	start := n
	for n < len(b) && class[b[n]]&isNumber != 0 {
		n++
	}
	if n == start || n+1 >= len(b) || b[n] != ']' || b[n+1] != ' ' {
		return i
	}
	text, digits := b[i+1:n], b[start:n]
	nr, decimal := numeral.Decimal(digits, math.MaxInt64)
	if len(text) == 8 || len(text) == 16 || len(text) > 8 && (!decimal || l.nrText != nil) {
		if l.ipText != nil {
			return i
		}
		ip, ok := numeral.Hex(digits)
		if !ok && len(bytes.Trim(digits, "?")) > 0 {
			return i
		}
		l.ipText, l.IP = text, ip
		return n + 2
	}
	if l.nrText != nil || l.ipText != nil {
		return i
	}
	switch {
	case decimal:
		l.Nr = int64(nr)
	case string(digits) != "???":
		return i
	}
	l.nrText = text
	return n + 2
}

var (
	signalClose  = []byte(" ---")
	endClose     = []byte(" +++")
	signalStop   = []byte("--- stopped by ")
	endExit      = []byte("+++ exited with ")
	endKilled    = []byte("+++ killed by ")
	endExecve    = []byte("+++ superseded by execve in pid ")
	coreDumped   = []byte(" (core dumped)")
	signalOpen   = []byte("--- ")
	resumedOpen  = []byte("<... ")
	resumedClose = []byte(" resumed>")
)

func (l *Line) signal(b []byte) bool {
	l.Kind = Signal
	if rest, ok := bytes.CutPrefix(b, signalStop); ok {
		l.Name, ok = bytes.CutSuffix(rest, signalClose)
		l.Stopped = true
		return ok && isWord(l.Name)
	}
	rest, ok := bytes.CutPrefix(b, signalOpen)
	if !ok {
		return false
	}
	if rest, ok = bytes.CutSuffix(rest, signalClose); !ok {
		return false
	}
	l.Name = rest
	if i := bytes.IndexByte(rest, ' '); i >= 0 {
		l.Name, l.Text = rest[:i], rest[i+1:]
		if len(l.Text) == 0 {
			return false
		}
	}
	return isWord(l.Name)
}

func (l *Line) ended(b []byte) bool {
	b, ok := bytes.CutSuffix(b, endClose)
	if !ok {
		return false
	}
	if rest, ok := bytes.CutPrefix(b, endExit); ok {
		code, ok := numeral.Decimal(rest, math.MaxUint32)
		l.Kind, l.Text, l.Code = Exit, rest, uint32(code)
		return ok
	}
	if rest, ok := bytes.CutPrefix(b, endKilled); ok {
		l.Kind = Killed
		l.Name, l.Core = bytes.CutSuffix(rest, coreDumped)
		return isWord(l.Name)
	}
	if rest, ok := bytes.CutPrefix(b, endExecve); ok {
		pid, ok := numeral.Decimal(rest, math.MaxUint32)
		l.Kind, l.Text, l.Code = Superseded, rest, uint32(pid)
		return ok
	}
	return false
}

// resumed parses `<... read resumed>` and the second part of the call.
func (l *Line) resumed(b []byte, i int) bool {
	rest, ok := bytes.CutPrefix(b[i:], resumedOpen)
	if !ok {
		return false
	}
	n := 0
	for n < len(rest) && class[rest[n]]&isName != 0 {
		n++
	}
	if n == 0 || !bytes.HasPrefix(rest[n:], resumedClose) {
		return false
	}
	l.Kind, l.Name = Resumed, rest[:n]
	i += len(resumedOpen) + n + len(resumedClose)
	end := i
	for end < len(b) && b[end] == ' ' {
		end++
	}
	if end > i && hasResult(b, end) {
		l.noClose, l.resPad = true, b[i:end]
		return l.result(b, end+2)
	}
	// strace 4 prints a blank here. A blank that belongs to the argument is followed by text
	// that cannot start an argument.
	if end == i+1 && end < len(b) && !continues(b[end:]) || end > i+1 {
		l.lead = b[i : i+1]
		i++
	}
	return l.second(b, i)
}

var (
	valueChanged = []byte("=> ")
	alternative  = []byte("or ")
	commentOpen  = []byte("/* ")
	commentClose = []byte("*/")
)

func continues(b []byte) bool {
	return b[0] == '<' && isMark(b) > 0 || bytes.HasPrefix(b, valueChanged) ||
		bytes.HasPrefix(b, alternative) || bytes.HasPrefix(b, commentOpen)
}

// call parses a call after its opening parenthesis.
func (l *Line) call(b []byte, i int) bool {
	end, st := l.readArgs(b, i, false)
	switch st {
	case closed:
		l.Kind = Call
		return l.afterArgs(b, end)
	case marked:
		l.Kind = Unfinished
		return true
	case open:
		l.Kind = Broken
		l.breakAt(b, i)
		return true
	}
	return false
}

// second parses the second part of a call.
func (l *Line) second(b []byte, i int) bool {
	end, st := l.readArgs(b, i, true)
	switch st {
	case closed:
		return l.afterArgs(b, end)
	case marked:
		return true
	case open:
		return l.breakAt(b, i)
	}
	return false
}

// breakAt finds a message of strace that interrupts the arguments that start at i. As this is
// rare, it parses them again. If they do not end at the message, it was inside a bracket, and
// they are kept as one argument.
func (l *Line) breakAt(b []byte, i int) bool {
	n := noteStart(b, i)
	if n < 0 {
		return false
	}
	l.nargs = 0
	if _, st := l.readArgs(b[:n], i, l.Kind != Broken); st != open {
		l.nargs, l.markPad = 0, nil
		l.lastArg(b, i, n)
	}
	l.Mark = b[n:]
	return true
}

// afterArgs parses the line from the closing parenthesis on.
func (l *Line) afterArgs(b []byte, i int) bool {
	start := i + 1
	for i++; i < len(b) && b[i] == ' '; i++ {
	}
	l.resPad = b[start:i]
	return l.result(b, i+2)
}

// result parses the text after `= `.
func (l *Line) result(b []byte, i int) bool {
	l.HasResult = true
	start := i
	var s scanner
	for i < len(b) && b[i] != ' ' {
		if b[i] == '<' {
			i = s.angle(b, i)
		} else {
			i++
		}
	}
	l.RetText = b[start:i]
	l.Ret, l.HasValue = leadingInt(l.RetText)
	if i == len(b) {
		return true
	}
	b = b[i:]
	if i, ns, ok := duration(b); ok {
		l.Dur = Stamp{Delta, ns, b[i+2 : len(b)-1]}
		b = b[:i]
	}
	l.readNotes(b)
	return true
}

// duration parses ` <0.000123>` at the end.
func duration(b []byte) (i int, ns int64, ok bool) {
	i = len(b) - 1
	if b[i] != '>' {
		return 0, 0, false
	}
	for i--; i > 0 && (numeral.Is(b[i]) || b[i] == '.'); i-- {
	}
	if i < 1 || b[i] != '<' || b[i-1] != ' ' {
		return 0, 0, false
	}
	ns, _, clock, end := readStamp(b, i+1)
	return i - 1, ns, clock == Delta && end == len(b)-1
}

// readNotes parses the error and the notes, each preceded by a blank.
func (l *Line) readNotes(b []byte) {
	var s scanner
	for len(b) > 0 {
		b = b[1:]
		end := -1
		switch {
		case l.nnotes == MaxNotes-1 || len(b) == 0:
		case b[0] == 'E' && l.Errno == nil && l.nnotes == 0:
			n := 1
			for n < len(b) && class[b[n]]&isErrno != 0 {
				n++
			}
			if n == len(b) {
				l.Errno = b
				return
			}
			if n+1 < len(b) && b[n] == ' ' && b[n+1] == '(' {
				// A group ends at any bracket, for lines may be truncated and mixed.
				if end = s.group(b, n+1); end > 0 && b[end-1] == ')' && (end == len(b) || b[end] == ' ') {
					l.Errno, l.ErrText = b[:n], b[n+2:end-1]
					b = b[end:]
					continue
				}
				end = -1
			}
		case b[0] == '(':
			end = s.group(b, 0)
		case b[0] == '<':
			if end = s.angle(b, 0); end == 1 {
				end = -1
			}
		case b[0] == '/':
			if end = s.comment(b, 0); end == 1 {
				end = -1
			}
		}
		if end < 0 || end < len(b) && b[end] != ' ' {
			end = len(b)
		}
		l.notes[l.nnotes] = b[:end]
		l.nnotes++
		switch note := b[:end]; {
		case bytes.HasPrefix(note, noteInjected):
			l.Injected = true
		case string(note) == "(DELAYED)":
			l.Delayed = true
		}
		b = b[end:]
	}
}

// noteInjected may be followed by what was injected: `(INJECTED: args)`.
var noteInjected = []byte("(INJECTED")
