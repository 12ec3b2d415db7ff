// Package ktrace reads what kernel tracers printed, line by line: the functions
// that a process went through in the kernel, and the events on the way.
//
// It knows three families of text:
//
//   - SystemTap, what scripts print behind thread_indent and indent (tapset
//     indent.stp, whose text is the same since 2009): socket-trace.stp,
//     callgraph.stp and para-callgraph.stp, with parameters and return values,
//     and the messages of stap around them.
//   - ftrace, as the files trace and trace_pipe have it and as trace-cmd report
//     prints it: the tracers function_graph, with any of its options and with the
//     latency format, and function, and events. The notation is that of kernels
//     since 2.6.29; what 5.10, 6.1, 6.12 and 7.2 print was seen, and of trace-cmd
//     what 3.1 and 3.4 print. The return value of a function is read in the ways
//     that it was and is written: `= 0xbe`, `ret=0xbe`, and trace-cmd's
//     `(ret=0xbe)`. It, return addresses, interrupt marks (`==========>`) and the
//     time of the latency tracers' graphs are known by the sources only.
//   - DTrace, by the source of FreeBSD's dtrace(1) and the guides of Solaris: the
//     default output, with and without -F, its own messages, and the columns and
//     sentences of scripts for the tcp, udp and ip providers: those of the
//     providers' guides and manual pages, of the DTrace book (chapter 6), of the
//     DTraceToolkit (tcpsnoop), and of FreeBSD's share/dtrace. All are known by
//     the formats in these scripts, and by the examples that are published.
//
// A line is read for what it says by itself, and a Reader adds what it inherits
// from lines before: the task that runs on a CPU, the function that a `}` ends,
// the columns that a heading names. Where no heading came before, the columns of a
// script are read as far as the scripts that are known agree on them.
//
// What is not read:
//
//   - what a SystemTap or D script prints in a form of its own: such a line is
//     Unknown, or an Event of which all is Text;
//   - aggregations of DTrace, apart from the columns HOST, PORT and COUNT, and
//     what tracemem and stack print;
//   - the hours and dates that scripts print: they stay in Text;
//   - ftrace's latency flags (`d..1.`), and which task had a TGID;
//   - ftrace with the options raw, hex, bin and verbose, its histograms, the
//     tracers that print neither functions nor events (blk, hwlat, mmiotrace),
//     and the frames of stack traces, which are Notes;
//   - the depth that trace-cmd gives a function of the tracer function by
//     indentation, which it guesses;
//   - whose a bare address is that a one-liner prints (`trace(args[2]->ip_daddr)`):
//     it stays in Text;
//   - `perf trace`, `perf script`, bpftrace and the BCC tools, which are others.
//
// Everything is bounded: a line has at most MaxLine bytes, and a Reader that
// would remember more than 16 MiB forgets all that it remembers.
package ktrace

import (
	"errors"
	"net/netip"
)

const (
	// MaxLine bounds a line, in bytes. The kernel's have at most 8 KiB.
	MaxLine = 64 << 10
	// MaxDepth bounds how deep functions are remembered inside each other; the
	// kernel stops at 50. Deeper ones are read, but not matched.
	MaxDepth = 256
)

var (
	// ErrUnknown says that no tracer prints such a line.
	ErrUnknown = errors.New("not a line of a kernel tracer")
	// ErrTooLong says that a line has more than MaxLine bytes.
	ErrTooLong = errors.New("line of a kernel tracer too long")
)

// Kind is what a line is.
type Kind uint8

// Kinds of lines.
const (
	// Unknown is none of a tracer: Text is the line.
	Unknown Kind = iota
	// Header is a heading, a rule or an empty line. Text is the line.
	Header
	// Enter is a function that was entered, and whose Leave follows.
	Enter
	// Leave is the return from a function.
	Leave
	// Leaf is a function that was entered and left: function_graph prints one
	// line where no other function was called in between.
	Leaf
	// Call is a function that was called, and of whose return nothing is known:
	// ftrace's tracer function. Func is its caller.
	Call
	// Event is a trace event, or a probe that has no return.
	Event
	// Switch is the task that a CPU went on with: PID and Comm are the new one,
	// Text has both. Events in between are not shown by function_graph.
	Switch
	// Lost says that Count lines are missing here, 0 where nobody knows how many.
	// CPU is where, or -1. Text is the message.
	Lost
	// Note is a message of the tracer's. Text is all of it.
	Note
	// Gap is where someone left out lines: `...` or `[...]`.
	Gap
)

var kindNames = [...]string{"unknown", "header", "enter", "leave", "leaf", "call", "event", "switch", "lost", "note", "gap"}

// String is the name that Append prints.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "invalid"
}

// Format is the tracer that printed a line.
type Format uint8

// The formats. That of a line which any tracer could have printed is zero.
const (
	SystemTap Format = iota + 1
	Ftrace
	DTrace
)

var formatNames = [...]string{"none", "systemtap", "ftrace", "dtrace"}

// String is the name that Append prints.
func (f Format) String() string {
	if int(f) < len(formatNames) {
		return formatNames[f]
	}
	return "invalid"
}

// Clock is what a Stamp counts from.
type Clock uint8

// Clocks.
const (
	// NoClock is where nothing was printed.
	NoClock Clock = iota
	// Boot counts from where the tracer's clock began, which is mostly when the
	// machine started: ftrace's trace_clock, DTrace's timestamp.
	Boot
	// Start counts from the first line of the trace (ftrace's latency format).
	Start
	// Thread counts from when the thread entered its outermost function
	// (SystemTap).
	Thread
	// Delta counts from the line before.
	Delta
	// Ticks is no time: NS is the number that ftrace's trace_clock had, which was
	// counter, x86-tsc or another one without seconds.
	Ticks
)

// Stamp is a time.
type Stamp struct {
	Clock Clock
	NS    int64 // nanoseconds, but for Ticks; most tracers print microseconds
}

// Dir is the direction of a packet, or who began a connection.
type Dir uint8

// The directions.
const (
	DirUnknown Dir = iota
	Out
	In
)

// Line is one line. Its slices are those of the line that was read, of the
// Reader until it reads again, or constants: they are not to be written to. What
// was not printed is empty.
type Line struct {
	Kind   Kind
	Format Format

	// The leader: what says when, where and in which task. Append leaves it out.

	PID  uint32 // thread as printed; 0 where none was, and of idle tasks
	Comm []byte // name of the task; function_graph prints 7 bytes of it
	CPU  int32  // -1 where none was printed
	Time Stamp

	// Depth is how many functions are around this one, by indentation. Of an
	// Event it is that of the function that it happened in, plus one.
	Depth int
	// Name is the function, the event, or the probe of DTrace: with its provider
	// (`tcp:send`) where that can be told.
	Name []byte
	// Module is what Name is of, where ftrace printed it: `[wlan]` without the
	// brackets.
	Module []byte
	// Func is the function that called Name (Call, and funcgraph-retaddr), or that
	// the probe is in (DTrace).
	Func []byte
	// Args is the text of the arguments, without parentheses.
	Args []byte
	// Ret is the return value as printed, of a Leave or Leaf; HasRet tells an
	// empty one from none.
	Ret    []byte
	HasRet bool
	// Dur is the time between entry and return, ns. SystemTap does not print it: it
	// is the difference of two times in µs.
	Dur    int64
	HasDur bool

	// Local and Peer are the ends of a connection; a port that was not printed, or
	// that may be that of either end, is 0.
	Local, Peer netip.AddrPort
	Dir         Dir
	// Bytes is a length as printed, in the sense that the tracer or the script has
	// for it: with headers or without. -1 where there is none.
	Bytes int64
	// Flags are those of TCP as scripts print them: `PUSH|ACK`.
	Flags []byte
	// Old and New are the states of a TCP connection before and after: TCP_CLOSE,
	// state-syn-sent.
	Old, New []byte

	// Count is that of Lost, and the number of times in DTrace's COUNT.
	Count uint64
	// Text is, of an Event, all behind its name; of a script's columns, all of the
	// line; and see Kind. Of function lines it is what was not understood.
	Text []byte

	byTask bool   // a `}` of this line belongs to the task, not to the CPU
	buf    []byte // of Parse, for what was escaped
}

func (l *Line) reset() {
	buf := l.buf
	*l = Line{CPU: -1, Bytes: -1, buf: buf[:0]}
}

// trust is how sure it is that a line is of a tracer.
type trust uint8

const (
	no   trust = iota
	weak       // if the lines around are
	sure
)

// Reader reads lines in the order in which they were printed. Its zero value is
// ready.
type Reader struct {
	// Format is that of all lines, if the caller knows it. Otherwise each line is
	// told by itself, and one that could be anything by the lines before.
	Format Format

	now  Format
	cols layout
	memory
}

// Read reads one line, which has no newline. l is overwritten; line is not kept.
// The error is ErrUnknown or ErrTooLong, and then l is of kind Unknown and has
// the line as its Text.
func (r *Reader) Read(line []byte, l *Line) error {
	l.reset()
	if len(line) > MaxLine {
		l.Text = line
		return ErrTooLong
	}
	b := trimRight(line)
	format := r.Format
	if format == 0 {
		format = r.now
	}
	if len(b) == 0 {
		l.Kind, l.Format = Header, format
		return nil
	}
	if isGap(b) {
		// What was left out may have been another task, or the end of a function.
		r.memory = memory{}
		l.Kind, l.Format, l.Text = Gap, format, b
		return nil
	}
	for i := range 4 {
		f := Format(i)
		if i == 0 {
			f = format
		} else if r.Format != 0 {
			break
		} else if f == format {
			continue
		}
		if f == 0 {
			continue
		}
		switch r.scan(f, b, l) {
		case weak:
			if f == format {
				r.inherit(l)
				return nil
			}
		case sure:
			r.now = f
			r.inherit(l)
			return nil
		}
		l.reset()
	}
	l.Text = line
	return ErrUnknown
}

// scan reads what b says by itself as a line of a format, but for DTrace's
// columns.
func (r *Reader) scan(f Format, b []byte, l *Line) trust {
	var t trust
	switch f {
	case SystemTap:
		t = scanStap(b, l)
	case Ftrace:
		t = scanFtrace(b, l)
	case DTrace:
		t = scanDTrace(b, l, &r.cols)
	}
	if t != no {
		l.Format = f
	}
	return t
}

// inherit adds to l what lines before it said, and remembers what l says for
// those behind it.
func (r *Reader) inherit(l *Line) {
	switch l.Format {
	case SystemTap:
		r.thread(l)
	case Ftrace:
		r.graph(l)
	}
}

// Is says which tracer printed a line, and 0 where that is not certain: with it
// a file is recognised by most of its lines. It looks at no lines around.
func Is(line []byte) Format {
	if len(line) > MaxLine {
		return 0
	}
	b := trimRight(line)
	if len(b) == 0 || isGap(b) {
		return 0
	}
	var l Line
	l.reset()
	if scanStap(b, &l) == sure {
		return SystemTap
	}
	l.reset()
	if scanFtrace(b, &l) == sure {
		return Ftrace
	}
	l.reset()
	if scanDTrace(b, &l, nil) == sure {
		return DTrace
	}
	return 0
}

func isGap(b []byte) bool {
	b = trim(b)
	return string(b) == "..." || string(b) == "[...]"
}
