// Package ktrace parses the output of kernel tracers line by line: the kernel functions that a process
// called, and events.
//
// It supports three families:
//
//   - SystemTap: the output of scripts with thread_indent and indent (tapset
//     indent.stp, whose format has not changed since 2009): socket-trace.stp,
//     callgraph.stp and para-callgraph.stp, with parameters and return values,
//     and the messages of stap.
//   - ftrace: the files trace and trace_pipe, and the output of trace-cmd report,
//     for the tracers function_graph, with any of its options and with the latency
//     format, and function, and for events. The format is that of kernels since
//     2.6.29. It was tested with the output of 5.10, 6.1, 6.12 and 7.2, and of
//     trace-cmd 3.1 and 3.4. The return value of a function is parsed in all its
//     formats: `= 0xbe`, `ret=0xbe`, and `(ret=0xbe)` of trace-cmd. The formats of
//     return values, return addresses, interrupt marks (`==========>`) and the
//     time in graphs of the latency tracers are only from the sources.
//   - DTrace, by the source of dtrace(1) of FreeBSD and the guides of Solaris: the
//     default output, with and without -F, its messages, and the columns and
//     sentences of scripts for the tcp, udp and ip providers: those in the
//     provider guides and manual pages, in the DTrace book (chapter 6), in the
//     DTraceToolkit (tcpsnoop), and in share/dtrace of FreeBSD. The formats are
//     from these scripts and from published examples.
//
// A Reader parses each line, and adds state from earlier lines: the task that runs on a CPU, the
// function that a `}` ends, the columns of a heading. Without a heading the columns of a script
// are parsed as far as the known scripts have the same columns.
//
// Not supported are:
//
//   - SystemTap and D scripts with their own output format: such a line is
//     Unknown, or an Event with only Text;
//   - aggregations of DTrace, except the columns HOST, PORT and COUNT, and the
//     output of tracemem and stack;
//   - times of day and dates printed by scripts: they stay in Text;
//   - the latency flags of ftrace (`d..1.`), and the TGID of a task;
//   - ftrace with the options raw, hex, bin and verbose, its histograms, tracers
//     without functions and events (blk, hwlat, mmiotrace), and the frames of
//     stack traces, which are Notes;
//   - the indentation of the tracer function by trace-cmd, which guesses the depth;
//   - a bare address printed by a one-liner (`trace(args[2]->ip_daddr)`), whose
//     meaning is unknown: it stays in Text;
//   - `perf trace`, `perf script`, bpftrace and the BCC tools.
//
// Memory is bounded: a line has at most MaxLine bytes, and a Reader drops its state when the estimated
// size of that would exceed 8 MiB.
package ktrace

import (
	"errors"
	"net/netip"
)

const (
	// MaxLine is the maximum length of a line, in bytes. Those of the kernel have at most 8 KiB.
	MaxLine = 64 << 10
	// MaxDepth is the maximum nesting of functions that is stored; the kernel stops at 50. Deeper
	// functions are parsed, but not matched.
	MaxDepth = 256
)

var (
	// ErrUnknown means that no tracer prints such a line.
	ErrUnknown = errors.New("not a line of a kernel tracer")
	// ErrTooLong means that a line has more than MaxLine bytes.
	ErrTooLong = errors.New("line of a kernel tracer too long")
)

// Kind is the kind of a line.
type Kind uint8

// Kinds of lines.
const (
	// Unknown is a line that is not of a tracer: Text is the line.
	Unknown Kind = iota
	// Header is a heading, a rule or an empty line. Text is the line.
	Header
	// Enter is the entry of a function, for which a Leave follows.
	Enter
	// Leave is the return from a function.
	Leave
	// Leaf is the entry and return of a function that called no other function:
	// function_graph prints one line for it.
	Leaf
	// Call is the call of a function without information about its return: the tracer
	// function of ftrace. Func is the caller.
	Call
	// Event is a trace event, or a probe without a return.
	Event
	// Switch is a task switch of a CPU: PID and Comm are those of the new task, Text has
	// both tasks. function_graph does not show events in between.
	Switch
	// Lost means that Count lines are missing; 0: an unknown number. CPU is the CPU, or -1.
	// Text is the message.
	Lost
	// Note is a message of the tracer. Text is the message.
	Note
	// Gap marks lines omitted by an editor: `...` or `[...]`.
	Gap
)

var kindNames = [...]string{"unknown", "header", "enter", "leave", "leaf", "call", "event", "switch", "lost", "note", "gap"}

// String returns the name that Append prints.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "invalid"
}

// Format is the tracer that printed a line.
type Format uint8

// The formats. 0 is that of a line that any tracer could have printed.
const (
	SystemTap Format = iota + 1
	Ftrace
	DTrace
)

var formatNames = [...]string{"none", "systemtap", "ftrace", "dtrace"}

// String returns the name that Append prints.
func (f Format) String() string {
	if int(f) < len(formatNames) {
		return formatNames[f]
	}
	return "invalid"
}

// Clock is the epoch of a Stamp.
type Clock uint8

// Clocks.
const (
	// NoClock means that no time was printed.
	NoClock Clock = iota
	// Boot counts from the epoch of the clock of the tracer, usually the boot: trace_clock
	// of ftrace, timestamp of DTrace.
	Boot
	// Start counts from the first line of the trace (latency format of ftrace).
	Start
	// Thread counts from the entry of the outermost function of the thread (SystemTap).
	Thread
	// Delta counts from the previous line.
	Delta
	// Ticks is not a time: NS is the value of trace_clock of ftrace, which was counter,
	// x86-tsc or another clock without seconds.
	Ticks
)

// Stamp is a time.
type Stamp struct {
	Clock Clock
	NS    int64 // nanoseconds, except for Ticks; most tracers print microseconds
}

// Dir is the direction of a packet, or of the start of a connection.
type Dir uint8

// The directions.
const (
	DirUnknown Dir = iota
	Out
	In
)

// Line is a parsed line. Its slices alias the line that was parsed, or are owned by the Reader until its
// next Read, or are constants. They must not be modified. Fields that were not printed are empty.
type Line struct {
	Kind   Kind
	Format Format

	// The leader: time, CPU and task. Append omits it.

	PID  uint32 // thread as printed; 0: not printed, or an idle task
	Comm []byte // name of the task; function_graph prints only 7 bytes of it
	CPU  int32  // -1: not printed
	Time Stamp

	// Depth is the nesting depth of the function, by indentation. For an Event it is that of the
	// enclosing function plus one.
	Depth int
	// Name is the function, the event, or the probe of DTrace, with its provider (`tcp:send`) if
	// that is known.
	Name []byte
	// Module is the module of Name, if ftrace printed it: `[wlan]` without the brackets.
	Module []byte
	// Func is the caller of Name (Call, and funcgraph-retaddr), or the function of the probe
	// (DTrace).
	Func []byte
	// Args is the text of the arguments, without parentheses.
	Args []byte
	// Ret is the return value of a Leave or Leaf as printed; HasRet distinguishes an empty one
	// from none.
	Ret    []byte
	HasRet bool
	// Dur is the time between entry and return, ns. SystemTap does not print it: it is the
	// difference of two times in µs.
	Dur    int64
	HasDur bool

	// Local and Peer are the ends of a connection. A port that was not printed, or whose end is
	// unknown, is 0.
	Local, Peer netip.AddrPort
	Dir         Dir
	// Bytes is a length as printed. Whether it includes headers depends on the tracer or script.
	// -1: none.
	Bytes int64
	// Flags are TCP flags as printed by scripts: `PUSH|ACK`.
	Flags []byte
	// Old and New are the states of a TCP connection before and after: TCP_CLOSE,
	// state-syn-sent.
	Old, New []byte

	// Count is that of Lost, or the value of the column COUNT of DTrace.
	Count uint64
	// Text is, for an Event, the text after its name; for columns of a script, the line; for
	// function lines, the text that was not parsed. See also Kind.
	Text []byte

	byTask bool   // a `}` on this line belongs to the task, not to the CPU
	buf    []byte // of Parse, for unescaped text
}

func (l *Line) reset() {
	buf := l.buf
	*l = Line{CPU: -1, Bytes: -1, buf: buf[:0]}
}

// trust is the confidence that a line is of a tracer.
type trust uint8

const (
	no   trust = iota
	weak       // if the surrounding lines are
	sure
)

// Reader parses lines in order. The zero value is ready to use.
type Reader struct {
	// Format is the format of all lines, if the caller knows it. Otherwise it is detected for
	// each line; an ambiguous line has the format of earlier lines.
	Format Format

	now  Format
	cols layout
	memory
}

// Read parses a line without newline into l, which it overwrites. It does not retain the line. The error
// is ErrUnknown or ErrTooLong; l is then of kind Unknown and its Text is the line.
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
		// The omitted lines may have had a task switch, or the end of a function.
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

// scan parses b as a line of a format without state, except for the columns of DTrace.
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

// inherit adds state from earlier lines to l, and updates the state with l.
func (r *Reader) inherit(l *Line) {
	switch l.Format {
	case SystemTap:
		r.thread(l)
	case Ftrace:
		r.graph(l)
	}
}

// Is returns the tracer that printed a line, 0 if that is not certain. It considers only this line, and is
// for detecting the format of a file from most of its lines.
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
