// Package strace reads what strace(1) printed, line by line, and prints a line
// again from what was read, byte for byte as it was.
//
// It knows the notation of strace 4.5 up to 7: with and without process
// numbers, times, instruction pointers and syscall numbers, calls in one line
// and calls that another process cut in two, signals, ends of processes, and
// the messages of strace itself that share its standard error. Options that
// print something else altogether, the summary of -c and colors, are not
// known.
//
// Nothing here looks at the machine, and the meaning of a syscall is not known
// here either: arguments are text, with helpers for those notations that
// describe data, sockets and descriptors.
package strace

import (
	"bytes"
	"errors"
	"math"
)

const (
	// MaxLine bounds a line, in bytes.
	MaxLine = 16 << 20
	// MaxArgs bounds the arguments of a call that are told apart; the last one
	// has all of the rest.
	MaxArgs = 64
	// MaxNotes bounds what is told apart after a result, in the same manner.
	MaxNotes = 4
)

var (
	// ErrUnknown says that strace does not print such a line.
	ErrUnknown = errors.New("not a line of strace")
	// ErrTooLong says that a line has more than MaxLine bytes.
	ErrTooLong = errors.New("line of strace too long")
)

// Kind is what a line is.
type Kind uint8

// Kinds of lines.
const (
	// Unknown is none of strace: Text is the line.
	Unknown Kind = iota
	// Call is a whole call: `close(3) = 0`.
	Call
	// Unfinished is the first part of a call, whose second part comes as a
	// Resumed line, or never: `read(3,  <unfinished ...>`. Mark says which.
	Unfinished
	// Resumed is the second part of a call: `<... read resumed>"a", 1) = 1`.
	// Its first argument continues the last one of the first part, and where
	// that was cut inside brackets the arguments are not whole: see Joiner.
	Resumed
	// Broken is the first part of a call, cut by something else that was
	// written to the same terminal. Mark is that, where it was strace's own:
	// `vfork(strace: Process 7 attached`. A Rest follows.
	Broken
	// Rest is what follows a Broken line, as Resumed but without a name:
	// `, child_tidptr=0x7f9278c86a10) = 7`, or a Mark only: ` <unfinished ...>`.
	Rest
	// Signal is a signal that arrived or stopped the process:
	// `--- SIGCHLD {...} ---`; Name is the signal, Text what is known of it.
	Signal
	// Exit is the end of a process: `+++ exited with 0 +++`; Code has the 0.
	Exit
	// Killed is the end of a process by a signal, Name:
	// `+++ killed by SIGKILL +++`.
	Killed
	// Superseded is a thread that lived on as PID after its execve:
	// `+++ superseded by execve in pid 8 +++`; Code is the former number, 8.
	Superseded
	// Note is a message of strace's own: `strace: Process 7 attached`; Text is
	// all of it.
	Note
	// Gap is where someone left out lines: `...`.
	Gap
	// Stack is a frame of -k, of the call before: ` > /lib/libc.so.6(...`; Text
	// is the line.
	Stack
	// Dump is data of -e read or write, of the call before:
	// ` | 00000  68 65 6c  hel |`; Text is the line, see DumpData.
	Dump
)

var kindNames = [...]string{
	"Unknown", "Call", "Unfinished", "Resumed", "Broken", "Rest", "Signal",
	"Exit", "Killed", "Superseded", "Note", "Gap", "Stack", "Dump",
}

// String is the name of the constant.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "Kind?"
}

// Clock is what a Stamp counts from.
type Clock uint8

// Clocks.
const (
	// NoClock is where nothing was printed.
	NoClock Clock = iota
	// Day counts from local midnight (-t, -tt).
	Day
	// Unix counts from 1970 (-ttt).
	Unix
	// Delta counts from the line before (-r), or is a duration (-T).
	Delta
)

// Stamp is a time as strace prints it.
type Stamp struct {
	Clock Clock
	NS    int64  // nanoseconds; the fraction may have had fewer digits
	Text  []byte // as printed, without what surrounds it
}

// Line is one line. Its slices alias the line that was parsed, and are its as
// long as that line is. All are in strace's own escapes.
type Line struct {
	Kind Kind

	PID     uint32 // process or thread; 0 where none was printed
	Comm    []byte // name of the process (--decode-pids=comm)
	Context []byte // security context (--secontext)
	Time    Stamp  // Day or Unix
	Delta   Stamp  // time since the line before (-r)
	Nr      int64  // number of the syscall (-n); -1 where there is none
	IP      uint64 // instruction pointer (-i); 0 where there is none

	Name []byte // of the syscall, or the signal
	Text []byte // see Kind
	Mark []byte // what ends a call that is not whole, see Kind

	Code    uint32 // see Exit and Superseded
	Core    bool   // Killed: core was dumped
	Stopped bool   // Signal: it stopped the process

	HasResult bool   // there was a `=`
	HasValue  bool   // Ret is known: the result was not `?`
	Ret       int64  // result; one above the range of int64 wraps around
	RetText   []byte // result as printed; FD reads it where it is one
	Errno     []byte // ECONNREFUSED; also ERESTARTSYS and such, behind a `?`
	ErrText   []byte // what was in parentheses behind Errno
	Injected  bool   // `(INJECTED)`: strace made this result up (-e inject)
	Delayed   bool   // `(DELAYED)`: strace held this call
	Dur       Stamp  // time spent in the call (-T)

	// Of a call that a Joiner put together of two lines: times of the second part.
	Joined            bool
	FirstTag          uint32 // Joiner.Tag at the first part
	EndTime, EndDelta Stamp

	// How the above was laid out.
	pidForm  pidForm
	commForm commForm
	deltaIn  bool // in `(+` and `)`
	noClose  bool // no `)` before the result, as strace 4 did
	pidText  []byte
	pidPad   []byte // before the number where in brackets, else behind it
	deltaPad []byte
	nrText   []byte
	ipText   []byte
	lead     []byte // behind `resumed>`
	markPad  []byte
	resPad   []byte // before the `=`
	trail    []byte // blanks and carriage return at the end

	nargs, nnotes int
	args          [MaxArgs][]byte
	notes         [MaxNotes][]byte
}

type pidForm uint8

const (
	pidNone pidForm = iota
	pidBrackets
	pidPlain
)

type commForm uint8

const (
	commNone commForm = iota
	commAngle
	commParen
)

// Args are the arguments of a call, each as printed: quoted strings with their
// quotes, structures with their braces. With -N they begin with their name and
// `=`. Joined with ", " they are the text between the parentheses; where that
// ended with a comma, the last one is empty. The slices are l's.
func (l *Line) Args() [][]byte { return l.args[:l.nargs] }

// Notes are what follows the result and the error, as printed, with the
// parentheses: `(Timeout)`, `([{fd=3, revents=POLLIN}])`, `(INJECTED)`,
// `<unavailable>`. The slices are l's.
func (l *Line) Notes() [][]byte { return l.notes[:l.nnotes] }

// Parse reads one line, which has no newline. l is overwritten; nothing of the
// line is copied. The error is ErrUnknown or ErrTooLong, and then l is of kind
// Unknown and has the line as its Text.
func Parse(line []byte, l *Line) error {
	l.reset()
	if len(line) > MaxLine {
		l.Text = line
		return ErrTooLong
	}
	end := len(line)
	for end > 0 && (line[end-1] == ' ' || line[end-1] == '\r' || line[end-1] == '\t') {
		end--
	}
	l.trail = line[end:]
	if l.parse(line[:end]) {
		return nil
	}
	l.reset()
	l.Text = line
	return ErrUnknown
}

// Whole reads of a line that is a call in one line, by its looks, all that comes
// before the call, and returns the call. Of l the kind, PID, Comm, Context, Time,
// Delta, Nr and IP are set, of which the slices alias the line. Where ok is false
// the line is for Parse; so is the call, which may turn out to be none.
func Whole(line []byte, l *Line) (call []byte, ok bool) {
	if len(line) == 0 || len(line) > MaxLine || line[len(line)-1] == '>' && bytes.HasSuffix(line, []byte(" ...>")) {
		return nil, false
	}
	if c := line[0]; c != '[' && class[c]&isName == 0 {
		return nil, false
	}
	l.reset()
	i := l.leader(line)
	n := i
	for n < len(line) && class[line[n]]&isName != 0 {
		n++
	}
	if n == i || n >= len(line) || line[n] != '(' {
		return nil, false
	}
	at := bytes.LastIndex(line[n:], []byte(" = "))
	if at < 0 {
		return nil, false
	}
	at += n
	for at > n && line[at-1] == ' ' {
		at--
	}
	if line[at-1] != ')' {
		return nil, false
	}
	l.Kind = Call
	return line[i:], true
}

// reset leaves the arguments as they are, nobody sees those beyond nargs.
func (l *Line) reset() {
	l.Kind = Unknown
	l.PID, l.Comm, l.Context = 0, nil, nil
	l.Time, l.Delta = Stamp{}, Stamp{}
	l.Nr, l.IP = -1, 0
	l.Name, l.Text, l.Mark = nil, nil, nil
	l.Code, l.Core, l.Stopped = 0, false, false
	l.HasResult, l.HasValue, l.Ret, l.RetText = false, false, 0, nil
	l.Errno, l.ErrText, l.Injected, l.Delayed = nil, nil, false, false
	l.Dur = Stamp{}
	l.Joined, l.FirstTag, l.EndTime, l.EndDelta = false, 0, Stamp{}, Stamp{}
	l.pidForm, l.commForm, l.deltaIn, l.noClose = pidNone, commNone, false, false
	l.pidText, l.pidPad, l.deltaPad, l.nrText, l.ipText = nil, nil, nil, nil, nil
	l.lead, l.markPad, l.resPad, l.trail = nil, nil, nil, nil
	l.nargs, l.nnotes = 0, 0
}

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

// isNote knows the messages of strace: those of old begin with the process,
// others with the name that strace was called by.
func isNote(b []byte) bool {
	if rest, ok := bytes.CutPrefix(b, noteProcess); ok {
		return len(rest) > 0 && isDigit(rest[0])
	}
	i := bytes.Index(b[:min(len(b), maxProgram)], noteProgram)
	if i < 0 || i > 0 && b[i-1] != '/' {
		return false
	}
	return bytes.IndexByte(b[:i], ' ') < 0
}

// maxProgram bounds the path that strace was called by.
const maxProgram = 256

// leader reads what comes before the syscall and says where that begins. What
// is not understood is left to be the syscall, which it will not be.
func (l *Line) leader(b []byte) int {
	i := 0
	switch {
	case b[0] == '[' && bytes.HasPrefix(b, pidOpen):
		i = l.pidInBrackets(b)
	case isDigit(b[0]):
		i = l.pidAlone(b)
	}
	if i < len(b) && b[i] == '[' {
		i = l.context(b, i)
	}
	if i < len(b) && (isDigit(b[i]) || b[i] == ' ') {
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

// pidInBrackets reads `[pid  123] `, `[pid  123<comm>] ` or `[pid 123 (comm)] `.
func (l *Line) pidInBrackets(b []byte) int {
	i := len(pidOpen)
	for i < len(b) && b[i] == ' ' {
		i++
	}
	pad, start := b[len(pidOpen):i], i
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	pid, ok := number(b[start:i], math.MaxUint32)
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

// maxPID is the most that a kernel hands out (PID_MAX_LIMIT).
const maxPID = 1 << 22

// pidAlone reads `123   ` or `123<comm> `. A time in whole seconds would look
// the same, but for its value.
func (l *Line) pidAlone(b []byte) int {
	i := 0
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	if i == len(b) || b[i] != ' ' && b[i] != '<' {
		return 0
	}
	pid, ok := number(b[:i], maxPID)
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

// maxComm bounds the name of a process: 15 bytes of it, four each when escaped.
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

// context reads `[unconfined_u:unconfined_r:unconfined_t:s0] `.
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

// stamp reads one time with the space behind it: `08:01:30`, `1238054490`,
// `     0`, each with or without a fraction.
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

// minUnixDigits tells seconds since 1970 from seconds since the line before,
// where nothing else does: the former were shorter until 1973 only.
const minUnixDigits = 9

// maxSeconds keeps nanoseconds within an int64.
const maxSeconds = 9_000_000_000

// readStamp reads digits with a fraction or the time of a day. digits are those
// before the fraction.
func readStamp(b []byte, i int) (ns int64, digits int, clock Clock, next int) {
	start := i
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	digits = i - start
	sec, ok := number(b[start:i], maxSeconds)
	if !ok {
		return 0, 0, NoClock, start
	}
	clock = Delta
	if digits == 2 && i+6 <= len(b) && b[i] == ':' && b[i+3] == ':' {
		minute, ok1 := number(b[i+1:i+3], 59)
		second, ok2 := number(b[i+4:i+6], 60)
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
		for ; n < len(b) && isDigit(b[n]); n++ {
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

// deltaInParens reads `(+     0.000123) `.
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

// numbers reads `[  42] ` (-n) or `[00007f1d666f0a20] ` (-i): the latter has at
// least as many digits as an address has, strace 4.5 put blanks for zeros. In
// between are the numbers of x32, and addresses of 64 bits of a process that was
// one of 32.
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
	nr, decimal := number(digits, math.MaxInt64)
	if len(text) == 8 || len(text) == 16 || len(text) > 8 && (!decimal || l.nrText != nil) {
		if l.ipText != nil {
			return i
		}
		ip, ok := hexNumber(digits)
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
		code, ok := number(rest, math.MaxUint32)
		l.Kind, l.Text, l.Code = Exit, rest, uint32(code)
		return ok
	}
	if rest, ok := bytes.CutPrefix(b, endKilled); ok {
		l.Kind = Killed
		l.Name, l.Core = bytes.CutSuffix(rest, coreDumped)
		return isWord(l.Name)
	}
	if rest, ok := bytes.CutPrefix(b, endExecve); ok {
		pid, ok := number(rest, math.MaxUint32)
		l.Kind, l.Text, l.Code = Superseded, rest, uint32(pid)
		return ok
	}
	return false
}

// resumed reads `<... read resumed>` and the second part of the call.
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
	// strace 4 put a blank here. One that belongs to the argument comes before
	// something that cannot begin one.
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

// call reads a call from behind its opening parenthesis.
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

// second reads the second part of a call.
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

// breakAt finds the message of strace's that ends arguments which begin at i.
// It is rare enough to read them anew; if that comes to something else, the
// message was inside a bracket, and they are left in one.
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

// afterArgs reads from the closing parenthesis on.
func (l *Line) afterArgs(b []byte, i int) bool {
	start := i + 1
	for i++; i < len(b) && b[i] == ' '; i++ {
	}
	l.resPad = b[start:i]
	return l.result(b, i+2)
}

// result reads what is behind `= `.
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

// duration finds ` <0.000123>` at the end.
func duration(b []byte) (i int, ns int64, ok bool) {
	i = len(b) - 1
	if b[i] != '>' {
		return 0, 0, false
	}
	for i--; i > 0 && (isDigit(b[i]) || b[i] == '.'); i-- {
	}
	if i < 1 || b[i] != '<' || b[i-1] != ' ' {
		return 0, 0, false
	}
	ns, _, clock, end := readStamp(b, i+1)
	return i - 1, ns, clock == Delta && end == len(b)-1
}

// readNotes reads the error and the notes, each behind a blank.
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
				if end = s.group(b, n+1); end == len(b) || end > 0 && b[end] == ' ' {
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

// noteInjected may go on with what was injected: `(INJECTED: args)`.
var noteInjected = []byte("(INJECTED")

// Append appends the line that l was parsed from to b, byte for byte, and
// returns it. Where a Joiner made l it is the call as strace had printed it in
// one line.
func Append(b []byte, l *Line) []byte {
	switch l.Kind {
	case Unknown, Note, Gap, Stack, Dump:
		b = l.appendLeader(b)
		b = append(b, l.Text...)
		return append(b, l.trail...)
	}
	b = l.appendLeader(b)
	switch l.Kind {
	case Signal:
		b = append(b, "--- "...)
		if l.Stopped {
			b = append(b, "stopped by "...)
		}
		b = append(b, l.Name...)
		if l.Text != nil {
			b = append(b, ' ')
			b = append(b, l.Text...)
		}
		b = append(b, " ---"...)
	case Exit:
		b = append(b, endExit...)
		b = append(b, l.Text...)
		b = append(b, endClose...)
	case Killed:
		b = append(b, endKilled...)
		b = append(b, l.Name...)
		if l.Core {
			b = append(b, coreDumped...)
		}
		b = append(b, endClose...)
	case Superseded:
		b = append(b, endExecve...)
		b = append(b, l.Text...)
		b = append(b, endClose...)
	case Call, Unfinished, Broken:
		b = append(b, l.Name...)
		b = append(b, '(')
		b = l.appendRest(b)
	case Resumed:
		b = append(b, resumedOpen...)
		b = append(b, l.Name...)
		b = append(b, resumedClose...)
		b = append(b, l.lead...)
		b = l.appendRest(b)
	case Rest:
		b = l.appendRest(b)
	}
	return append(b, l.trail...)
}

func (l *Line) appendLeader(b []byte) []byte {
	switch l.pidForm {
	case pidBrackets:
		b = append(b, pidOpen...)
		b = append(b, l.pidPad...)
		b = append(b, l.pidText...)
		b = l.appendComm(b)
		b = append(b, "] "...)
	case pidPlain:
		b = append(b, l.pidText...)
		b = l.appendComm(b)
		b = append(b, l.pidPad...)
	}
	if l.Context != nil {
		b = append(b, '[')
		b = append(b, l.Context...)
		b = append(b, "] "...)
	}
	if l.Time.Clock != NoClock {
		b = append(b, l.Time.Text...)
		b = append(b, ' ')
	}
	if l.Delta.Clock != NoClock {
		if l.deltaIn {
			b = append(b, "(+"...)
		}
		b = append(b, l.deltaPad...)
		b = append(b, l.Delta.Text...)
		if l.deltaIn {
			b = append(b, ')')
		}
		b = append(b, ' ')
	}
	if l.nrText != nil {
		b = append(b, '[')
		b = append(b, l.nrText...)
		b = append(b, "] "...)
	}
	if l.ipText != nil {
		b = append(b, '[')
		b = append(b, l.ipText...)
		b = append(b, "] "...)
	}
	return b
}

func (l *Line) appendComm(b []byte) []byte {
	switch l.commForm {
	case commAngle:
		b = append(b, '<')
		b = append(b, l.Comm...)
		b = append(b, '>')
	case commParen:
		b = append(b, " ("...)
		b = append(b, l.Comm...)
		b = append(b, ')')
	}
	return b
}

func (l *Line) appendArgs(b []byte) []byte {
	for i, arg := range l.Args() {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, arg...)
	}
	return b
}

// appendRest appends all from the arguments on.
func (l *Line) appendRest(b []byte) []byte {
	b = l.appendArgs(b)
	b = append(b, l.markPad...)
	b = append(b, l.Mark...)
	if !l.HasResult {
		return b
	}
	return l.appendResult(b)
}

func (l *Line) appendResult(b []byte) []byte {
	if !l.noClose {
		b = append(b, ')')
	}
	b = append(b, l.resPad...)
	b = append(b, "= "...)
	b = append(b, l.RetText...)
	if l.Errno != nil {
		b = append(b, ' ')
		b = append(b, l.Errno...)
		if l.ErrText != nil {
			b = append(b, " ("...)
			b = append(b, l.ErrText...)
			b = append(b, ')')
		}
	}
	for _, note := range l.Notes() {
		b = append(b, ' ')
		b = append(b, note...)
	}
	if l.Dur.Clock != NoClock {
		b = append(b, " <"...)
		b = append(b, l.Dur.Text...)
		b = append(b, '>')
	}
	return b
}
