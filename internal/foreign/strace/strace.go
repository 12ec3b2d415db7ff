// Package strace parses the output of strace(1) line by line. A parsed line can be printed again
// byte for byte.
//
// It knows the output of strace 4.5 to 7: with and without pids, times, instruction pointers and
// syscall numbers, calls on one line and calls that another process interrupted, signals, exits
// of processes, and messages of strace itself on standard error. The summary of -c and colors
// are not supported.
//
// The result does not depend on the machine, and the package does not know syscalls: arguments
// are text, with helpers to decode data, sockaddrs and fds.
package strace

import (
	"bytes"
	"errors"
)

const (
	// MaxLine is the maximum length of a line, in bytes.
	MaxLine = 16 << 20
	// MaxArgs is the maximum number of arguments of a call. The last one has all of the rest.
	MaxArgs = 64
	// MaxNotes is the maximum number of notes after a result. The last one has all of the
	// rest.
	MaxNotes = 4
)

var (
	// ErrUnknown means that strace does not print such a line.
	ErrUnknown = errors.New("not a line of strace")
	// ErrTooLong means that a line has more than MaxLine bytes.
	ErrTooLong = errors.New("line of strace too long")
)

// Kind is the kind of a line.
type Kind uint8

// Kinds of lines.
const (
	// Unknown is a line that is not of strace: Text is the line.
	Unknown Kind = iota
	// Call is a complete call: `close(3) = 0`.
	Call
	// Unfinished is the first part of a call, `read(3,  <unfinished ...>`. Mark tells whether
	// a Resumed line with the second part follows.
	Unfinished
	// Resumed is the second part of a call: `<... read resumed>"a", 1) = 1`.
	// Its first argument continues the last one of the first part. If the cut was inside
	// brackets the arguments are incomplete: see Joiner.
	Resumed
	// Broken is the first part of a call, interrupted by other output on the same terminal.
	// Mark is that output if it is a message of strace:
	// `vfork(strace: Process 7 attached`. A Rest follows.
	Broken
	// Rest follows a Broken line. It is like Resumed but without a name:
	// `, child_tidptr=0x7f9278c86a10) = 7`, or only a Mark: ` <unfinished ...>`.
	Rest
	// Signal is a signal that arrived or stopped the process:
	// `--- SIGCHLD {...} ---`; Name is the signal, Text its siginfo.
	Signal
	// Exit is the exit of a process: `+++ exited with 0 +++`; Code is the status.
	Exit
	// Killed is the end of a process by a signal: `+++ killed by SIGKILL +++`; Name is the
	// signal.
	Killed
	// Superseded is a thread that continues as PID after its execve:
	// `+++ superseded by execve in pid 8 +++`; Code is its former tid, 8.
	Superseded
	// Note is a message of strace: `strace: Process 7 attached`; Text is the message.
	Note
	// Gap marks lines omitted by an editor: `...`.
	Gap
	// Stack is a stack frame (-k) of the previous call: ` > /lib/libc.so.6(...`; Text is the
	// line.
	Stack
	// Dump is data (-e read or write) of the previous call:
	// ` | 00000  68 65 6c  hel |`; Text is the line, see DumpData.
	Dump
)

var kindNames = [...]string{
	"Unknown", "Call", "Unfinished", "Resumed", "Broken", "Rest", "Signal",
	"Exit", "Killed", "Superseded", "Note", "Gap", "Stack", "Dump",
}

// String returns the name of the constant.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "Kind?"
}

// Clock is the epoch of a Stamp.
type Clock uint8

// Clocks.
const (
	// NoClock means that no time was printed.
	NoClock Clock = iota
	// Day counts from local midnight (-t, -tt).
	Day
	// Unix counts from 1970 (-ttt).
	Unix
	// Delta counts from the previous line (-r), or is a duration (-T).
	Delta
)

// Stamp is a time as strace prints it.
type Stamp struct {
	Clock Clock
	NS    int64  // nanoseconds; the fraction may have had fewer digits
	Text  []byte // as printed, without delimiters
}

// Line is a parsed line. Its slices alias the line that was parsed, and have the escapes of
// strace.
type Line struct {
	Kind Kind

	PID     uint32 // process or thread; 0: not printed
	Comm    []byte // name of the process (--decode-pids=comm)
	Context []byte // security context (--secontext)
	Time    Stamp  // Day or Unix
	Delta   Stamp  // time since the previous line (-r)
	Nr      int64  // syscall number (-n); -1: not printed
	IP      uint64 // instruction pointer (-i); 0: not printed

	Name []byte // of the syscall or signal
	Text []byte // see Kind
	Mark []byte // end of an incomplete call, see Kind

	Code    uint32 // see Exit and Superseded
	Core    bool   // Killed: core was dumped
	Stopped bool   // Signal: it stopped the process

	HasResult bool   // there is a `=`
	HasValue  bool   // Ret is known: the result was not `?`
	Ret       int64  // result; one above the range of int64 wraps around
	RetText   []byte // result as printed; FD parses it if it is an fd
	Errno     []byte // ECONNREFUSED; also ERESTARTSYS and the like, after a `?`
	ErrText   []byte // text in parentheses after Errno
	Injected  bool   // `(INJECTED)`: strace injected the result (-e inject)
	Delayed   bool   // `(DELAYED)`: strace delayed the call
	Dur       Stamp  // time spent in the call (-T)

	// For a call that a Joiner has joined: the tag of the first and the times of the second part.
	Joined            bool
	FirstTag          uint32 // Joiner.Tag at the first part
	EndTime, EndDelta Stamp

	// Layout of the fields above.
	pidForm  pidForm
	commForm commForm
	deltaIn  bool // between `(+` and `)`
	noClose  bool // no `)` before the result, as in strace 4
	pidText  []byte
	pidPad   []byte // before the pid if it is in brackets, else after it
	deltaPad []byte
	nrText   []byte
	ipText   []byte
	lead     []byte // after `resumed>`
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

// Args returns the arguments of a call as printed: strings with quotes, structs with braces, and
// with -N preceded by the name and `=`. Joined with ", " they are the text between the
// parentheses; if that ends with a comma the last argument is empty. The slices belong to l.
func (l *Line) Args() [][]byte { return l.args[:l.nargs] }

// Notes returns the texts after the result and the error, as printed, with parentheses:
// `(Timeout)`, `([{fd=3, revents=POLLIN}])`, `(INJECTED)`, `<unavailable>`. The slices belong
// to l.
func (l *Line) Notes() [][]byte { return l.notes[:l.nnotes] }

// Parse parses a line without newline into l, which it overwrites. l aliases the line. The error
// is ErrUnknown or ErrTooLong; l is then of kind Unknown and its Text is the line.
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

// Whole parses only the leader of a line that looks like a complete call, and returns the call. It
// sets Kind, PID, Comm, Context, Time, Delta, Nr and IP of l, whose slices alias the line. If ok
// is false the caller must use Parse on the line. The call has not been checked: it is to be
// parsed by Parse, too.
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

// reset clears l. It does not clear args, for those beyond nargs are not accessible.
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
