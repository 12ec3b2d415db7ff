// Package truss reads what truss(1) printed, line by line: that of Solaris and
// illumos, of AIX, and of FreeBSD, which three programs have in common a name
// and a manner, and nothing else.
//
// It knows
//
//   - Solaris 10 and 11, and illumos up to 2024: with and without the leaders of
//     -f and -l, the times of -d, -D and -E, what -v, -r, -w, -x, -a and -e add
//     below a call, signals, faults, and the function calls of -u;
//   - AIX 6 and 7: leaders with process and thread, calls in its kernel's names
//     (kwrite, connext), and as above where it prints as Solaris does. Times (-d)
//     are read as its manual describes them;
//   - FreeBSD 10 to 15: with the numbers of -f and -H, the times of -d and -D,
//     arguments, addresses and strings as it decodes them.
//
// Older ones are read as far as they print the same. The notations are those of
// the sources of illumos and FreeBSD, and of AIX's manual and what was published
// of its output.
//
// Not read are summaries (-c), the tables of truss -u on AIX, lines that another
// program wrote into, and lines that a mail program broke in two. Truss of
// UnixWare and HP-UX's tusc are other programs.
//
// A line that has one time only may have been made with -d, -D or -E, and does
// not tell: it is taken for that of -d. A file of Solaris or AIX that was made
// with -d has a line of kind Base. Times are of a call's return, never of its
// begin.
//
// Nothing here looks at the machine, and the meaning of a call is not known here
// either: arguments are text, with helpers for those notations that describe
// data, sockets and descriptors. What is read was printed of a process that may
// be hostile: all of it is bounded, and no line is read by more steps than a few
// for each of its bytes.
package truss

import (
	"bytes"
	"errors"
	"math"
	"net/netip"

	"github.com/pidwire/pidwire/internal/foreign/numeral"
)

const (
	// MaxLine bounds a line, in bytes, with its details.
	MaxLine = 16 << 20
	// MaxArgs bounds the arguments of a call that are told apart; the last one
	// has all of the rest.
	MaxArgs = 64
	// MaxDetails bounds what a Joiner puts below a call, in bytes.
	MaxDetails = 1 << 20
)

var (
	// ErrUnknown says that truss does not print such a line.
	ErrUnknown = errors.New("not a line of truss")
	// ErrTooLong says that a line has more than MaxLine bytes.
	ErrTooLong = errors.New("line of truss too long")
)

// Kind is what a line is.
type Kind uint8

// Kinds of lines.
const (
	// Unknown is none of truss: Text is the line.
	Unknown Kind = iota
	// Call is a call that returned, or that is known to be the last of its
	// thread: `close(3) = 0`, `_exit(0)`.
	Call
	// Unfinished is a call that had not returned when it was printed. When it
	// does, it is printed again, as a Call: `read(0, 0x08047A20, 1024) (sleeping...)`.
	Unfinished
	// Detail says more of the call, or signal, before. Text is the line without
	// its leader: `	AF_INET  name = 10.0.0.1  port = 80`, `  G E T   /`,
	// ` argv: ls -l`, `      siginfo: SIGCLD CLD_EXITED pid=7 status=0x0000`. See
	// Sockaddr and Data.
	Detail
	// Signal is a signal that arrived, stopped the process or continued it: Name
	// is the signal, Code its number, Text all of it.
	Signal
	// Exit is the end of a process or, where Thread is set, of a thread: Text is
	// all of it, Code the status, or the signal where Killed is set and it was
	// printed.
	Exit
	// Base is what -d's times count from: Time has it, Text is the line.
	Base
	// Func is a call of a function in a library (-u), or its return:
	// `-> libc:malloc(0x10, 0x0)`, `<- libc:malloc() = 0x8061a20`. Text is all of
	// it, Name is `libc:malloc`.
	Func
	// Note is something else that truss says: a fault, credentials, a process or
	// thread that begins. Text is all of it.
	Note
	// Gap is where someone left out lines: `...`.
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

// Flavor is whose truss printed a line.
type Flavor uint8

// Flavors.
const (
	// Any is where the line does not tell. A call that has a result is then of
	// Solaris or AIX: FreeBSD prints results in its own manner.
	Any Flavor = iota
	// Solaris is also illumos.
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

// Clock is what a Stamp counts from.
type Clock uint8

// Clocks.
const (
	// NoClock is where nothing was printed.
	NoClock Clock = iota
	// Start counts from the start of the trace, which is the Base where there is
	// one (-d).
	Start
	// Delta is a duration (-D, -E).
	Delta
	// Unix counts from 1970: the Base of Solaris.
	Unix
	// Local is a date and time of an unknown time zone, as if it were UTC: the
	// Base of AIX.
	Local
)

// Stamp is a time as truss prints it.
type Stamp struct {
	Clock Clock
	NS    int64  // nanoseconds; the fraction may have had fewer digits
	Text  []byte // as printed, without what surrounds it
}

// Line is one line. Its slices alias the line that was parsed, and are its as
// long as that line is; but Errno, which may not be written to.
type Line struct {
	Kind   Kind
	Flavor Flavor

	PID uint32 // process; 0 where none was printed
	LWP uint32 // thread: lwp of Solaris, kernel thread of AIX and FreeBSD; 0 where none was printed

	Time  Stamp // of the return: Start; of kind Base, Unix or Local
	Delta Stamp // since the line before of the same thread (-D)
	Sys   Stamp // time in the kernel (-E), where -d and -D were printed, too
	// Begin is, of a call that a Joiner put together, the Time of its first
	// part, where that was printed.
	Begin Stamp

	Name []byte // of the call, the signal or the function
	Text []byte // see Kind

	Code   uint32 // see Signal and Exit
	Killed bool   // Exit: by a signal
	Core   bool   // Exit: memory was dumped
	Thread bool   // Exit: of the thread LWP only

	HasResult bool   // the call returned: `=`, an error, or `argc`
	HasValue  bool   // Ret is known
	Ret       int64  // result, -1 of an error; one above the range of int64 wraps around
	RetText   []byte // result as printed, nil of an error
	HasRet2   bool   // there was a second one: `= 4 [5]`
	Ret2      int64
	// Errno is the name of the error, EINPROGRESS: as printed, or by its number
	// and text. It is nil where there was none, or it is not known.
	Errno   []byte
	ErrNum  int64  // number of the error, which the three systems do not share; 0: none
	ErrText []byte // what FreeBSD says of the error
	Priv    []byte // privilege that was missing: `Err#13 EACCES [file_dac_read]`
	// Child says that this is the return of a fork in the child, or of an
	// lwp_create in the new thread.
	Child bool

	// Addr is that of a socket which the call, or its details, or a Detail say.
	// It is invalid where there is none, or it is of another family.
	Addr netip.AddrPort
	// Details are the lines that a Joiner put below the call or signal, each as
	// the Text of a Detail, with newlines between them.
	Details []byte
	// Cut says that there were more Details than MaxDetails bytes.
	Cut bool

	// How the above was laid out.
	raw      []byte // all that was parsed
	form     form
	ret2Text []byte
	hexText  []byte
	mark     []byte // of an Unfinished
	tabbed   bool   // a tab before the result
	tight    bool   // no blanks between arguments

	nargs int
	args  [MaxArgs][]byte
}

// form is how a result is printed.
type form uint8

const (
	formNone  form = iota // not
	formValue             // `= 4`, `= 4 [5]`
	formHex               // ` = 4 (0x4)`
	formErr               // `Err#2 ENOENT`
	formERR               // ` ERR#2 'No such file or directory'`
	formArgc              // `argc = 1`, `argc: 1`
)

// Args are the arguments of a call, each as printed: strings with their quotes,
// structures with their braces, without blanks around them. The slices are l's.
func (l *Line) Args() [][]byte { return l.args[:l.nargs] }

// Parse reads one line. l is overwritten; nothing of the line is copied. A line
// that Append made may have newlines: what is behind the first one are Details.
// The error is ErrUnknown or ErrTooLong, and then l is of kind Unknown and has
// the line as its Text.
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

// reset leaves the arguments as they are, nobody sees those beyond nargs.
func (l *Line) reset() {
	l.Kind, l.Flavor = Unknown, Any
	l.PID, l.LWP = 0, 0
	l.Time, l.Delta, l.Sys, l.Begin = Stamp{}, Stamp{}, Stamp{}, Stamp{}
	l.resetCall()
	l.Details, l.Cut = nil, false
	l.raw = nil
}

// resetCall forgets what is behind the leader and the times.
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

// findAddr looks for an address in the arguments, which FreeBSD decodes, and in
// the details.
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
		// Data may be blanks, two for each byte, which are indented by two.
		l.Kind, l.Text = Detail, line[led:]
		return len(l.Text) >= 4 && len(l.Text)&1 == 0 && len(bytes.Trim(l.Text, " ")) == 0
	}
	// How deep it stands tells a call from what is said of one. What begins with
	// one or two blanks has arguments of a program (-a, -e), which may look like
	// anything.
	indent := line[led:at]
	tabs := led > 0 && len(bytes.Trim(indent, "\t")) == 0
	switch {
	case len(indent) == 0 || loose:
		if l.event(b, at) || l.call(b, at, false) {
			return true
		}
	case len(indent) > 2 || tabs:
		// AIX puts tabs before a call.
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
	// What has a second leader, which would be read as the Detail's own, is none
	// of truss.
	pid, lwp, flavor := l.PID, l.LWP, l.Flavor
	second, _ := l.leader(l.Text, 0)
	l.PID, l.LWP, l.Flavor = pid, lwp, flavor
	return second == 0
}

// timed reads what stands behind times.
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

// leader reads what says whose the line is, from b[i] on: `1234:`, `1234/5:`,
// `/5:`, `1234/5@6:` of Solaris, `1234: 5678:` of AIX, ` 1234:`, ` 1234 100567:`
// of FreeBSD. It says where the line goes on, behind the tabs that belong to the
// leader. loose is that these are blanks, which do not tell from where on they
// are the line's. Where there is no leader it returns i.
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
	case n < len(b) && b[n] == ' ': // of -f and -H
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
		// Solaris has a second one where both numbers are short.
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

// stamps reads up to three times from b[i] on, and says where what follows
// begins: `  0.1234<tab>` of Solaris, `0.1234: ` of AIX, `0.001234567 ` of
// FreeBSD.
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

// notes are what other lines begin with.
var notes = [...][]byte{
	[]byte("*** "), []byte("psargs: "), []byte("Incurred fault #"), []byte("(Warning: "), []byte("truss: "),
	[]byte("<new "), []byte("-- UNKNOWN "), []byte("Process stopped because of:"),
}

// base reads `Base time stamp:  1238054490.9020  [ Thu Mar 26 08:01:30 GMT 2009 ]`
// and `Thu Mar 26 08:01:30 2009`.
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

// event reads what is not a call and is known by how it begins, at b[i].
func (l *Line) event(b []byte, i int) bool {
	t := b[i:]
	if rest, ok := bytes.CutPrefix(t, interrupted); ok {
		t = rest[skipBlanks(rest, 0):] // of the terminal
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

// signal reads `14, SIGALRM [caught]` or `14 (SIGALRM)`.
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

// processEnd reads how FreeBSD says that a process ended.
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

// function reads `-> libc:malloc(0x10, 0x0)` and `<- libc:malloc() = 0x8061a20`.
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

// call reads a call whose name is at b[i]. need says that only its result makes
// it one.
func (l *Line) call(b []byte, i int, need bool) bool {
	n := i
	if b[n] == '#' { // one that FreeBSD's does not know: `#123(`
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

// rest reads a call from its opening parenthesis on.
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

// aixNames are calls of AIX's kernel that the others do not have.
var aixNames = map[string]bool{
	"kread": true, "kwrite": true, "kreadv": true, "kwritev": true, "kopen": true, "kioctl": true, "kfcntl": true, "kfork": true,
	"klseek": true, "kpread": true, "kpwrite": true, "kthread_ctl": true, "kwaitpid": true, "connext": true, "naccept": true,
	"ngetsockname": true, "ngetpeername": true, "nrecvfrom": true, "nrecvmsg": true, "nsendmsg": true, "fstatx": true,
	"sbrk": true, "__libc_sbrk": true, "__loadx": true, "_pollset_poll": true, "pollset_ctl": true,
	"pollset_create": true, "_poll": true, "_select": true, "_nsleep": true, "_sigaction": true, "thread_setmystate": true,
	"_getpid": true, "_thread_self": true, "read_sysconfig": true, "vmgetinfo": true, "getkerninfo": true, "appulimit": true,
}

// tell finds out whose truss it was, and the names of errors that were printed
// as numbers.
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

// maxPIDFreeBSD is the most that FreeBSD numbers a process; its threads have
// higher ones.
const maxPIDFreeBSD = 99999

var (
	hexMark   = []byte("0x")
	soPrefix  = []byte("so_")
	sovPrefix = []byte("SOV_")
)

// errnoBytes are the names of errors, as a Line has them.
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

// Append appends l to b in one manner, whatever it was laid out like, and
// returns it: without its leader and times, a call with a tab before its result,
// and its Details below it. Parse reads it as the same line, but for these, and
// for a Flavor that they told. Where Parse did not know the line it is as it was.
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

// scanNumber reads a number of 32 bits at b[i] and says where it ends.
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
