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
