// Package truss parses the output of truss(1) line by line: that of Solaris and illumos, of AIX,
// and of FreeBSD. These are three different programs with the same name and similar output.
//
// It knows
//
//   - Solaris 10 and 11, and illumos up to 2024: with and without the leaders of
//     -f and -l, the times of -d, -D and -E, the lines that -v, -r, -w, -x, -a and -e add
//     below a call, signals, faults, and the function calls of -u;
//   - AIX 6 and 7: leaders with process and thread, calls with the names of its kernel
//     (kwrite, connext), and the same as above if the output is that of Solaris. Times (-d)
//     are parsed as its manual describes them;
//   - FreeBSD 10 to 15: with the numbers of -f and -H, the times of -d and -D,
//     and its decoded arguments, addresses and strings.
//
// Older versions can be parsed if their output is the same. The formats are from the sources of
// illumos and FreeBSD, and from the manual of AIX and published output of it.
//
// Not supported are summaries (-c), the tables of truss -u on AIX, lines mixed with output of
// another program, and lines wrapped by a mail program. truss of UnixWare and tusc of HP-UX are
// other programs.
//
// A line with only one time may be of -d, -D or -E. It is parsed as -d. A file of Solaris or AIX
// with -d has a line of kind Base. Times are those of the return of a call, never of its entry.
//
// The result does not depend on the machine, and the package does not know calls: arguments are
// text, with helpers to decode data, sockaddrs and fds. The input may be of a hostile process:
// memory is bounded, and parsing takes linear time.
package truss

import (
	"bytes"
	"errors"
	"math"
	"net/netip"

	"github.com/pidwire/pidwire/internal/foreign/numeral"
)

const (
	// MaxLine is the maximum length of a line with its details, in bytes.
	MaxLine = 16 << 20
	// MaxArgs is the maximum number of arguments of a call. The last one has all of the rest.
	MaxArgs = 64
	// MaxDetails is the maximum length of the details of a call, in bytes.
	MaxDetails = 1 << 20
)

var (
	// ErrUnknown means that truss does not print such a line.
	ErrUnknown = errors.New("not a line of truss")
	// ErrTooLong means that a line has more than MaxLine bytes.
	ErrTooLong = errors.New("line of truss too long")
)

// Kind is the kind of a line.
type Kind uint8

// Kinds of lines.
const (
	// Unknown is a line that is not of truss: Text is the line.
	Unknown Kind = iota
	// Call is a call that returned, or that never returns: `close(3) = 0`, `_exit(0)`.
	Call
	// Unfinished is a call that has not returned: `read(0, 0x08047A20, 1024) (sleeping...)`.
	// When it returns it is printed again as a Call.
	Unfinished
	// Detail has details of the previous call or signal. Text is the line without its
	// leader: `	AF_INET  name = 10.0.0.1  port = 80`, `  G E T   /`,
	// ` argv: ls -l`, `      siginfo: SIGCLD CLD_EXITED pid=7 status=0x0000`. See
	// Sockaddr and Data.
	Detail
	// Signal is a signal that arrived, stopped the process or continued it: Name is the
	// signal, Code its number, Text the message.
	Signal
	// Exit is the end of a process, or of a thread if Thread is set: Text is the message,
	// Code the status, or the signal if Killed is set and it was printed.
	Exit
	// Base is the epoch of the times of -d: Time is the epoch, Text the line.
	Base
	// Func is a call of a function in a library (-u), or its return:
	// `-> libc:malloc(0x10, 0x0)`, `<- libc:malloc() = 0x8061a20`. Text is the message,
	// Name is `libc:malloc`.
	Func
	// Note is another message of truss: a fault, credentials, the start of a process or
	// thread. Text is the message.
	Note
	// Gap marks lines omitted by an editor: `...`.
	Gap
)

var kindNames = [...]string{"Unknown", "Call", "Unfinished", "Detail", "Signal", "Exit", "Base", "Func", "Note", "Gap"}

// String is the name of the constant.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "Kind?"
}

// Flavor is the system whose truss printed a line.
type Flavor uint8

// Flavors.
const (
	// Any is an unknown flavor. A call with a result is then of Solaris or AIX, for results
	// of FreeBSD have their own format.
	Any Flavor = iota
	// Solaris includes illumos.
	Solaris
	AIX
	FreeBSD
)

var flavorNames = [...]string{"Any", "Solaris", "AIX", "FreeBSD"}

// String is the name of the constant.
func (f Flavor) String() string {
	if int(f) < len(flavorNames) {
		return flavorNames[f]
	}
	return "Flavor?"
}

// Clock is the epoch of a Stamp.
type Clock uint8

// Clocks.
const (
	// NoClock means that no time was printed.
	NoClock Clock = iota
	// Start counts from the start of the trace, which is the Base if there is one (-d).
	Start
	// Delta is a duration (-D, -E).
	Delta
	// Unix counts from 1970: the Base of Solaris.
	Unix
	// Local is a date and time in an unknown time zone, as if it were UTC: the Base of AIX.
	Local
)

// Stamp is a time as truss prints it.
type Stamp struct {
	Clock Clock
	NS    int64  // nanoseconds; the fraction may have had fewer digits
	Text  []byte // as printed, without delimiters
}

// Line is a parsed line. Its slices alias the line that was parsed, except Errno, which must not be
// modified.
type Line struct {
	Kind   Kind
	Flavor Flavor

	PID uint32 // process; 0: not printed
	LWP uint32 // thread: lwp of Solaris, kernel thread of AIX and FreeBSD; 0: not printed

	Time  Stamp // of the return: Start; of kind Base, Unix or Local
	Delta Stamp // since the previous line of the same thread (-D)
	Sys   Stamp // time in the kernel (-E), if -d and -D were printed, too
	// Begin is the Time of the Unfinished for a call that a Joiner has joined, if it was
	// printed.
	Begin Stamp

	Name []byte // of the call, signal or function
	Text []byte // see Kind

	Code   uint32 // see Signal and Exit
	Killed bool   // Exit: by a signal
	Core   bool   // Exit: core was dumped
	Thread bool   // Exit: of the thread LWP only

	HasResult bool   // the call returned: `=`, an error, or `argc`
	HasValue  bool   // Ret is known
	Ret       int64  // result, -1 for an error; one above the range of int64 wraps around
	RetText   []byte // result as printed, nil for an error
	HasRet2   bool   // there is a second result: `= 4 [5]`
	Ret2      int64
	// Errno is the name of the error, EINPROGRESS: as printed, or found by its number and
	// text. It is nil if there was none, or it is unknown.
	Errno   []byte
	ErrNum  int64  // number of the error, which differs between the systems; 0: none
	ErrText []byte // text of the error on FreeBSD
	Priv    []byte // missing privilege: `Err#13 EACCES [file_dac_read]`
	// Child means that this is the return of fork in the child, or of lwp_create in the new
	// thread.
	Child bool

	// Addr is the socket address in the call, in its details, or in a Detail. It is invalid
	// if there is none, or for other families than IP.
	Addr netip.AddrPort
	// Details are the details of the call or signal that a Joiner has added, each as the Text
	// of a Detail, separated by newlines.
	Details []byte
	// Cut means that Details were truncated to MaxDetails bytes.
	Cut bool

	// Layout of the fields above.
	raw      []byte // the line that was parsed
	form     form
	ret2Text []byte
	hexText  []byte
	mark     []byte // of an Unfinished
	tabbed   bool   // a tab before the result
	tight    bool   // no blanks between arguments

	nargs int
	args  [MaxArgs][]byte
}

// form is the format of a result.
type form uint8

const (
	formNone  form = iota // no result
	formValue             // `= 4`, `= 4 [5]`
	formHex               // ` = 4 (0x4)`
	formErr               // `Err#2 ENOENT`
	formERR               // ` ERR#2 'No such file or directory'`
	formArgc              // `argc = 1`, `argc: 1`
)

// Args returns the arguments of a call as printed, without blanks around them: strings with quotes,
// structs with braces. The slices belong to l.
func (l *Line) Args() [][]byte { return l.args[:l.nargs] }

// Parse parses a line into l, which it overwrites. l aliases the line. A line of Append may have
// newlines: the text after the first one becomes Details. The error is ErrUnknown or
// ErrTooLong; l is then of kind Unknown and its Text is the line.
func Parse(line []byte, l *Line) error {
	l.reset()
	if len(line) > MaxLine {
		l.Text = line
		return ErrTooLong
	}
	first, details := line, []byte(nil)
	if n := bytes.IndexByte(line, '\n'); n >= 0 {
		first, details = line[:n], line[n+1:]
	}
	ok := l.parse(first)
	if ok && details != nil {
		ok = l.Kind == Call || l.Kind == Unfinished || l.Kind == Signal
		l.Details = details
	}
	if !ok {
		l.reset()
		l.Text = line
		return ErrUnknown
	}
	l.raw = line
	l.findAddr()
	return nil
}

// reset clears l. It does not clear args, for those beyond nargs are not accessible.
func (l *Line) reset() {
	l.Kind, l.Flavor = Unknown, Any
	l.PID, l.LWP = 0, 0
	l.Time, l.Delta, l.Sys, l.Begin = Stamp{}, Stamp{}, Stamp{}, Stamp{}
	l.resetCall()
	l.Details, l.Cut = nil, false
	l.raw = nil
}

// resetCall clears the fields after the leader and the times.
func (l *Line) resetCall() {
	l.Name, l.Text = nil, nil
	l.Code, l.Killed, l.Core, l.Thread = 0, false, false, false
	l.HasResult, l.HasValue, l.Ret, l.RetText = false, false, 0, nil
	l.HasRet2, l.Ret2 = false, 0
	l.Errno, l.ErrNum, l.ErrText, l.Priv, l.Child = nil, 0, nil, nil, false
	l.Addr = netip.AddrPort{}
	l.form, l.ret2Text, l.hexText, l.mark, l.tight, l.tabbed = formNone, nil, nil, nil, false, false
	l.nargs = 0
}

// findAddr searches an address in the arguments, which FreeBSD decodes, and in the details.
func (l *Line) findAddr() {
	var a Addr
	switch l.Kind {
	case Detail:
		Sockaddr(l.Text, &a)
	case Call, Unfinished:
		for _, arg := range l.Args() {
			if len(arg) > 0 && arg[0] == '{' && Sockaddr(arg, &a) && a.AddrPort.IsValid() {
				break
			}
		}
		for rest := l.Details; !a.AddrPort.IsValid() && len(rest) > 0; {
			var line []byte
			line, rest, _ = bytes.Cut(rest, newline)
			Sockaddr(line, &a)
		}
	}
	l.Addr = a.AddrPort
}

var newline = []byte("\n")

func (l *Line) parse(line []byte) bool {
	line = bytes.TrimRight(line, "\r")
	b := line[:trimBlanks(line, len(line))]
	if len(b) >= 3 && len(bytes.Trim(b, ".")) == 0 {
		l.Kind, l.Text = Gap, b
		return true
	}
	led, loose := l.leader(line, 0)
	if led == 0 && l.base(b) {
		return true
	}
	at := skipBlanks(line, led)
	if at == len(line) {
		// Data of blanks: two per byte, indented by two.
		l.Kind, l.Text = Detail, line[led:]
		return len(l.Text) >= 4 && len(l.Text)&1 == 0 && len(bytes.Trim(l.Text, " ")) == 0
	}
	// The indentation distinguishes a call from a detail. A line with one or two blanks has
	// arguments of a program (-a, -e), which may be any text.
	indent := line[led:at]
	tabs := led > 0 && len(bytes.Trim(indent, "\t")) == 0
	switch {
	case len(indent) == 0 || loose:
		if l.event(b, at) || l.call(b, at, false) {
			return true
		}
	case len(indent) > 2 || tabs:
		// AIX prints tabs before a call.
		if l.event(b, at) || tabs && l.call(b, at, true) {
			return true
		}
	}
	if len(indent) <= 1 || tabs || loose {
		if l.timed(b, at, led) {
			return true
		}
	}
	if at == 0 {
		return false
	}
	l.Kind = Detail
	if at == led || loose {
		for led--; isBlank(line[led-1]); led-- {
		}
	}
	l.Text = line[led:]
	if led == 0 {
		return true
	}
	// A Detail with a second leader is not of truss. Parsed again, that would become its own
	// leader.
	pid, lwp, flavor := l.PID, l.LWP, l.Flavor
	second, _ := l.leader(l.Text, 0)
	l.PID, l.LWP, l.Flavor = pid, lwp, flavor
	return second == 0
}

// timed parses times and the text after them.
func (l *Line) timed(b []byte, at, led int) bool {
	flavor := l.Flavor
	end, aix := l.stamps(b, at)
	if end == at {
		return false
	}
	if aix && at == 0 {
		next, _ := l.leader(b, end)
		end = skipBlanks(b, next)
	}
	if end < len(b) && (l.event(b, end) || l.call(b, end, false)) {
		return true
	}
	l.Time, l.Delta, l.Sys = Stamp{}, Stamp{}, Stamp{}
	if led == 0 {
		l.PID, l.LWP = 0, 0
	}
	l.Flavor = flavor
	return false
}

// leader parses the process and thread at b[i]: `1234:`, `1234/5:`, `/5:`, `1234/5@6:` of Solaris,
// `1234: 5678:` of AIX, ` 1234:`, ` 1234 100567:` of FreeBSD. It returns the offset after the
// leader and its tabs. loose means that there are blanks instead of tabs, so that the
// indentation of the line is unknown. If there is no leader it returns i.
func (l *Line) leader(b []byte, i int) (next int, loose bool) {
	n := skipSpaces(b, i)
	pid, n, ok := scanNumber(b, n)
	first, slash := n, false
	var lwp uint64
	switch {
	case n < len(b) && b[n] == '/':
		slash = true
		var has bool
		if lwp, n, has = scanNumber(b, n+1); !has {
			return i, false
		}
		if n < len(b) && b[n] == '@' {
			if _, n, has = scanNumber(b, n+1); !has {
				return i, false
			}
		}
	case !ok:
		return i, false
	case n < len(b) && b[n] == ' ': // -f and -H
		var has bool
		if lwp, n, has = scanNumber(b, skipSpaces(b, n)); !has {
			return i, false
		}
	}
	if n+1 >= len(b) || b[n] != ':' || !isBlank(b[n+1]) {
		return i, false
	}
	l.PID, l.LWP = uint32(pid), uint32(lwp)
	if slash {
		l.Flavor = Solaris
	} else if n != first {
		l.Flavor = FreeBSD
	}
	n++
	if b[n] == '\t' {
		// Solaris prints a second tab if both numbers are short.
		const tabStop = 9
		if n++; slash && ok && n-i < tabStop && n < len(b) && b[n] == '\t' {
			n++
		}
	} else {
		loose = true
	}
	if slash || l.LWP != 0 {
		if loose {
			n = skipBlanks(b, n)
		}
		return n, loose
	}
	at := skipBlanks(b, n)
	if thread, end, ok := scanNumber(b, at); ok && end+1 < len(b) && b[end] == ':' && isBlank(b[end+1]) {
		l.LWP, l.Flavor = uint32(thread), AIX
		return skipBlanks(b, end+1), true
	}
	if loose {
		n = at
	}
	return n, loose
}

// stamps parses up to three times at b[i], and returns the offset after them: `  0.1234<tab>` of
// Solaris, `0.1234: ` of AIX, `0.001234567 ` of FreeBSD.
func (l *Line) stamps(b []byte, i int) (next int, aix bool) {
	for _, s := range []*Stamp{&l.Time, &l.Delta, &l.Sys} {
		ns, digits, end, ok := scanSeconds(b, i)
		if !ok {
			break
		}
		text := b[i:end]
		colon := end < len(b) && b[end] == ':'
		if colon {
			end++
		}
		if end >= len(b) || !isBlank(b[end]) {
			break
		}
		const freebsdDigits = 9
		switch {
		case colon:
			aix, l.Flavor = true, AIX
		case digits == freebsdDigits:
			l.Flavor = FreeBSD
		}
		clock := Delta
		if s == &l.Time {
			clock = Start
		}
		*s = Stamp{Clock: clock, NS: ns, Text: text}
		i = skipBlanks(b, end)
	}
	return i, aix
}

var (
	baseSolaris  = []byte("Base time stamp:")
	weekdays     = "SunMonTueWedThuFriSat"
	months       = "JanFebMarAprMayJunJulAugSepOctNovDec"
	received     = []byte("Received signal #")
	stopped      = []byte("Stopped by signal #")
	continued    = []byte("Continued with signal #")
	signalOf     = []byte("SIGNAL ")
	processExit  = []byte("process exit, rval = ")
	processKill  = []byte("process killed, signal = ")
	coreDumped   = []byte(" (core dumped)")
	killed       = []byte("*** process killed ***")
	threadExit   = []byte("<thread ")
	threadExited = []byte(" exited>")
	interrupted  = []byte("^C")
)

// notes are the prefixes of lines of kind Note.
var notes = [...][]byte{
	[]byte("*** "), []byte("psargs: "), []byte("Incurred fault #"), []byte("(Warning: "), []byte("truss: "),
	[]byte("<new "), []byte("-- UNKNOWN "), []byte("Process stopped because of:"),
}

// base parses `Base time stamp:  1238054490.9020  [ Thu Mar 26 08:01:30 GMT 2009 ]` and
// `Thu Mar 26 08:01:30 2009`.
func (l *Line) base(b []byte) bool {
	if rest, ok := bytes.CutPrefix(b, baseSolaris); ok {
		at := skipBlanks(rest, 0)
		ns, _, end, ok := scanSeconds(rest, at)
		if !ok || end < len(rest) && !isBlank(rest[end]) {
			return false
		}
		l.Kind, l.Flavor, l.Text = Base, Solaris, b
		l.Time = Stamp{Clock: Unix, NS: ns, Text: rest[at:end]}
		return true
	}
	ns, ok := scanDate(b)
	if !ok {
		return false
	}
	l.Kind, l.Flavor, l.Text = Base, AIX, b
	l.Time = Stamp{Clock: Local, NS: ns, Text: b}
	return true
}

// event parses a line at b[i] that is not a call and is identified by its prefix.
func (l *Line) event(b []byte, i int) bool {
	t := b[i:]
	if rest, ok := bytes.CutPrefix(t, interrupted); ok {
		t = rest[skipBlanks(rest, 0):] // echo of the terminal
	}
	if len(t) == 0 || !l.known(t) {
		return false
	}
	l.Text = t
	return true
}

func (l *Line) known(t []byte) bool {
	switch t[0] {
	case 'R', 'C', 'S':
		for _, open := range [][]byte{received, stopped, continued} {
			if rest, ok := bytes.CutPrefix(t, open); ok {
				return l.signal(rest, ", ", ',')
			}
		}
		if rest, ok := bytes.CutPrefix(t, signalOf); ok && l.signal(rest, " (", ')') {
			l.Flavor = FreeBSD
			return true
		}
	case 'p':
		if l.processEnd(t) {
			return true
		}
	case '*':
		if bytes.Equal(t, killed) {
			l.Kind, l.Killed = Exit, true
			return true
		}
	case '<', '-':
		if rest, ok := bytes.CutPrefix(t, threadExit); ok {
			n, end, ok := scanNumber(rest, 0)
			if !ok || !bytes.Equal(rest[end:], threadExited) {
				return false
			}
			l.Kind, l.Flavor, l.Thread, l.LWP = Exit, FreeBSD, true, uint32(n)
			return true
		}
		if l.function(t) {
			return true
		}
	}
	for _, note := range notes {
		if bytes.HasPrefix(t, note) {
			l.Kind = Note
			if note[0] == '<' || note[0] == '-' {
				l.Flavor = FreeBSD
			}
			return true
		}
	}
	return false
}

// signal parses `14, SIGALRM [caught]` or `14 (SIGALRM)`.
func (l *Line) signal(b []byte, open string, end byte) bool {
	n, i, ok := scanNumber(b, 0)
	if !ok {
		return false
	}
	l.Kind, l.Code = Signal, uint32(n)
	if name, ok := bytes.CutPrefix(b[i:], []byte(open)); ok {
		n := 0
		for n < len(name) && name[n] != end && name[n] != ' ' {
			n++
		}
		l.Name = name[:n]
	}
	return true
}

// processEnd parses the message of FreeBSD for the end of a process.
func (l *Line) processEnd(t []byte) bool {
	rest, ok := bytes.CutPrefix(t, processExit)
	if !ok {
		if rest, ok = bytes.CutPrefix(t, processKill); !ok {
			return false
		}
		l.Killed = true
		rest, l.Core = bytes.CutSuffix(rest, coreDumped)
	}
	n, end, ok := scanNumber(rest, 0)
	if !ok || end != len(rest) {
		l.Killed, l.Core = false, false
		return false
	}
	l.Kind, l.Flavor, l.Code = Exit, FreeBSD, uint32(n)
	return true
}

// function parses `-> libc:malloc(0x10, 0x0)` and `<- libc:malloc() = 0x8061a20`.
func (l *Line) function(t []byte) bool {
	if len(t) < 3 || t[0] == '-' && t[1] != '>' || t[0] == '<' && t[1] != '-' {
		return false
	}
	at := skipBlanks(t, 2)
	open := bytes.IndexByte(t[at:], '(')
	if open <= 0 {
		return false
	}
	open += at
	for _, c := range t[at:open] {
		if isBlank(c) {
			return false
		}
	}
	if !l.rest(t, open) {
		if !bytes.HasSuffix(t, structReturn) {
			return false
		}
		l.HasResult = true
	}
	l.Kind, l.Name = Func, t[at:open]
	return true
}

var structReturn = []byte("() = struct return")

// call parses a call whose name is at b[i]. need means that it must have a result.
func (l *Line) call(b []byte, i int, need bool) bool {
	n := i
	if b[n] == '#' { // unknown to truss of FreeBSD: `#123(`
		n++
	}
	for n < len(b) && class[b[n]]&isName != 0 {
		n++
	}
	if n == i || n == len(b) || b[n] != '(' || numeral.Is(b[i]) {
		return false
	}
	l.Name = b[i:n]
	if !l.rest(b, n) || need && !l.HasResult && l.mark == nil {
		l.resetCall()
		return false
	}
	l.tell()
	return true
}

// rest parses a call from its opening parenthesis on.
func (l *Line) rest(b []byte, open int) bool {
	end, ok := l.ending(b, open)
	if ok {
		l.Kind = Call
		if l.mark != nil {
			l.Kind = Unfinished
		}
		if l.readArgs(b, open+1, end) || l.form != formNone || l.mark != nil {
			return true
		}
	}
	l.resetCall()
	return false
}

var (
	aixArgc = []byte("argc:")
	exits   = [...][]byte{[]byte("exit"), []byte("thr_exit")}
)

// aixNames are calls that only AIX has.
var aixNames = map[string]bool{
	"kread": true, "kwrite": true, "kreadv": true, "kwritev": true, "kopen": true, "kioctl": true, "kfcntl": true, "kfork": true,
	"klseek": true, "kpread": true, "kpwrite": true, "kthread_ctl": true, "kwaitpid": true, "connext": true, "naccept": true,
	"ngetsockname": true, "ngetpeername": true, "nrecvfrom": true, "nrecvmsg": true, "nsendmsg": true, "fstatx": true,
	"sbrk": true, "__libc_sbrk": true, "__loadx": true, "_pollset_poll": true, "pollset_ctl": true,
	"pollset_create": true, "_poll": true, "_select": true, "_nsleep": true, "_sigaction": true, "thread_setmystate": true,
	"_getpid": true, "_thread_self": true, "read_sysconfig": true, "vmgetinfo": true, "getkerninfo": true, "appulimit": true,
}

// tell determines the flavor of the line, and the names of errors that were printed as numbers.
func (l *Line) tell() {
	switch l.form {
	case formHex, formERR:
		l.Flavor = FreeBSD
	case formArgc:
		l.Flavor = Solaris
		if bytes.HasPrefix(l.RetText, aixArgc) {
			l.Flavor = AIX
		}
	case formNone:
		if l.Flavor == Any && l.mark == nil && l.nargs > 0 && bytes.HasPrefix(l.args[0], hexMark) {
			for _, name := range exits {
				if bytes.Equal(l.Name, name) {
					l.Flavor = FreeBSD
				}
			}
		}
	}
	if l.Flavor == Any {
		switch {
		case bytes.HasPrefix(l.Name, soPrefix):
			l.Flavor = Solaris
		case aixNames[string(l.Name)]:
			l.Flavor = AIX
		case l.nargs > 0 && bytes.HasPrefix(l.args[l.nargs-1], sovPrefix):
			l.Flavor = Solaris
		case l.form == formErr && l.Errno != nil:
			s := ErrnoName(Solaris, l.ErrNum) == string(l.Errno)
			a := ErrnoName(AIX, l.ErrNum) == string(l.Errno)
			if s && !a {
				l.Flavor = Solaris
			} else if a && !s {
				l.Flavor = AIX
			}
		}
	}
	if l.Flavor == FreeBSD && l.LWP == 0 && l.PID > maxPIDFreeBSD {
		l.PID, l.LWP = 0, l.PID // -H without -f
	}
	var name string
	switch {
	case l.form == formERR:
		name = freebsdErrno(l.ErrNum, l.ErrText)
	case l.form == formErr && l.Errno == nil:
		name = ErrnoName(l.Flavor, l.ErrNum)
	}
	if name != "" {
		l.Errno = errnoBytes[name]
	}
}

// maxPIDFreeBSD is the maximum pid on FreeBSD. Thread ids are larger.
const maxPIDFreeBSD = 99999

var (
	hexMark   = []byte("0x")
	soPrefix  = []byte("so_")
	sovPrefix = []byte("SOV_")
)

// errnoBytes has the names of errors as bytes for Line.Errno.
var errnoBytes = func() map[string][]byte {
	m := map[string][]byte{}
	for _, names := range [][]string{solarisErrors[:], aixErrors[:]} {
		for _, name := range names {
			m[name] = []byte(name)
		}
	}
	for _, e := range freebsdErrors {
		m[e.name] = []byte(e.name)
	}
	return m
}()

// Append appends l to b in a canonical format: without leader and times, with a tab before the
// result of a call, and its Details below it. Parse returns the same line for it, except for
// leader and times and a Flavor derived from them. It appends a line of kind Unknown unchanged.
func Append(b []byte, l *Line) []byte {
	switch l.Kind {
	case Call, Unfinished:
	case Signal:
		b = append(b, l.Text...)
		return l.appendDetails(b)
	default:
		return append(b, l.Text...)
	}
	b = append(b, l.Name...)
	b = append(b, '(')
	for i, arg := range l.Args() {
		switch {
		case i == 0:
		case l.tight:
			b = append(b, ',')
		default:
			b = append(b, ", "...)
		}
		b = append(b, arg...)
	}
	b = append(b, ')')
	if l.Child {
		b = append(b, "\t(returning as child ...)"...)
	}
	switch l.form {
	case formValue:
		b = append(b, "\t= "...)
		b = append(b, l.RetText...)
		if l.HasRet2 {
			b = append(b, " ["...)
			b = append(b, l.ret2Text...)
			b = append(b, ']')
		}
	case formHex:
		b = append(b, "\t = "...)
		b = append(b, l.RetText...)
		b = append(b, " (0x"...)
		b = append(b, l.hexText...)
		b = append(b, ')')
	case formErr:
		b = append(b, "\tErr#"...)
		b = appendInt(b, l.ErrNum)
		if l.Errno != nil {
			b = append(b, ' ')
			b = append(b, l.Errno...)
		}
		if l.Priv != nil {
			b = append(b, " ["...)
			b = append(b, l.Priv...)
			b = append(b, ']')
		}
	case formERR:
		b = append(b, "\t ERR#"...)
		b = appendInt(b, l.ErrNum)
		if l.ErrText != nil {
			b = append(b, " '"...)
			b = append(b, l.ErrText...)
			b = append(b, '\'')
		}
	case formArgc:
		b = append(b, '\t')
		b = append(b, l.RetText...)
	}
	if l.mark != nil {
		b = append(b, '\t')
		b = append(b, l.mark...)
	}
	return l.appendDetails(b)
}

func (l *Line) appendDetails(b []byte) []byte {
	if l.Details != nil {
		b = append(b, '\n')
		b = append(b, l.Details...)
	}
	return b
}

func appendInt(b []byte, n int64) []byte {
	u := uint64(n)
	if n < 0 {
		b = append(b, '-')
		u = -u
	}
	var digits [20]byte
	i := len(digits)
	for {
		i--
		digits[i] = byte('0' + u%10)
		if u /= 10; u == 0 {
			return append(b, digits[i:]...)
		}
	}
}

// scanNumber parses a 32-bit number at b[i] and returns the offset after it.
func scanNumber(b []byte, i int) (n uint64, end int, ok bool) {
	end = i
	for end < len(b) && numeral.Is(b[end]) {
		end++
	}
	if i > len(b) {
		return 0, i, false
	}
	n, ok = numeral.Decimal(b[i:end], math.MaxUint32)
	if !ok {
		return 0, i, false
	}
	return n, end, true
}
