// Package text writes the timeline as lines: fixed columns, followed by the call in the format
// of strace.
//
//	0.000000 curl[402475]  c1 sys  socket(AF_INET, SOCK_STREAM, IPPROTO_TCP) = 5 <9us>
//
// A ~ after a time means that it may be off by 1 ms or more. A ~ before a process means that
// the process has inherited the socket or shares it, and a ? that the process is a guess.
package text

import (
	"io"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink/clean"
	"github.com/pidwire/pidwire/internal/sink/notation"
	"github.com/pidwire/pidwire/internal/sink/tcpdump"
)

// TimeStyle is the format of the first column.
type TimeStyle uint8

const (
	TimeRel   TimeStyle = iota // seconds since the start
	TimeAbs                    // 15:04:05
	TimeMicro                  // 15:04:05.000000
	TimeEpoch                  // seconds since 1970
	TimeDelta                  // seconds since the previous line
	TimeNone
)

// Options control the format of lines.
type Options struct {
	Notation notation.Options
	Packets  tcpdump.Options
	Time     TimeStyle
	Start    int64 // ns since the epoch: the zero of TimeRel
	Zone     *time.Location
	NoDur    bool // without <9us>
	Plain    bool // like strace: only [pid N] and the call
	// Names replaces addresses of packets by the names that the traced processes have looked
	// up. Resolve returns names of other addresses; it may be nil.
	Names   bool
	Tree    bool // print the functions around kernel events
	Stacks  bool // print whole stacks below kernel events
	Resolve func(netip.Addr) string
	Colour  *Colours
}

// Colours has the SGR sequences of the columns. The notation has its own.
type Colours struct {
	Time, Task, Conn, Layer, Note, Warn, Reset string
}

// Sink writes lines to w. It is buffered.
type Sink struct {
	w     io.Writer
	o     Options
	b     []byte
	prev  int64 // time of the previous line
	task  int   // width of the task column, which only grows
	conn  int
	peer  *event.Conn // connection of the current packet
	words Words
	err   error
}

const (
	flushAt     = 32 << 10
	minTask     = 16
	maxTask     = 28
	timeRelWide = 13
	mostOthers  = 8         // maximum number of further connections on a line
	vague       = 1_000_000 // minimum error of a time that is marked, in ns
)

// New returns a sink that writes to w.
func New(w io.Writer, o Options) *Sink {
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Colour == nil {
		o.Colour = &Colours{}
	}
	s := &Sink{w: w, o: o, task: minTask, conn: 2}
	o.Packets.Name = s.nameOf
	s.words = Words{Notation: o.Notation, Packets: o.Packets, NoDur: o.NoDur, Plain: o.Plain, Tree: o.Tree, Apart: true, Note: o.Colour.Note, Reset: o.Colour.Reset}
	return s
}

// nameOf returns the name of an address of the current packet, "" if it has none.
func (s *Sink) nameOf(a netip.Addr) string {
	if s.peer == nil {
		return ""
	}
	if name := s.peer.MadeName(a); name != "" {
		return name
	}
	if c := s.peer; s.o.Names && c.PeerName != "" && c.Peer.Addr().Unmap() == a.Unmap() {
		return PeerName(c)
	}
	if s.o.Resolve != nil {
		return s.o.Resolve(a.Unmap())
	}
	return ""
}

// Write appends the lines of an entry.
func (s *Sink) Write(e *event.Entry) error {
	if s.err != nil {
		return s.err
	}
	e.Visit(lines{s})
	if len(s.b) > flushAt {
		return s.Flush()
	}
	return nil
}

// kernel writes a kernel event and the functions around it.
func (s *Sink) kernel(e *event.Entry, k *event.Kernel) {
	if s.o.Tree {
		for i := range k.Path {
			s.line(e, "krn")
			s.b = append(appendInferred(s.b, &k.Path[i], 1+k.Around+i), '\n')
		}
	}
	switch {
	case k.What == event.KernelSock:
		return
	case k.Tracer == event.Pidwire && k.Function() && !s.o.Tree:
		return
	case k.What == event.KernelStep:
		// The user stack of a call, whose line is above; the tree has the kernel steps.
		if len(k.Stack) == 0 {
			s.stacks(k)
		}
		return
	}
	if s.o.Tree && k.What == event.KernelEvent && len(k.Path)+k.Around > 0 {
		deep := *k
		deep.Depth = 1 + k.Around + len(k.Path)
		at := *e
		at.Body = &deep
		e = &at
	}
	s.put(e, "krn")
	s.stacks(k)
}

// stacks writes whole stacks below a line, like strace -k.
func (s *Sink) stacks(k *event.Kernel) {
	if !s.o.Stacks {
		return
	}
	for _, stack := range [][]event.Frame{k.Stack, k.UserStack} {
		for i := range stack {
			s.b = append(appendFrame(append(s.b, " > "...), &stack[i]), '\n')
		}
	}
}

// Flush writes the buffer.
func (s *Sink) Flush() error {
	if len(s.b) > 0 && s.err == nil {
		_, s.err = s.w.Write(s.b)
		s.b = s.b[:0]
	}
	return s.err
}

// Close flushes.
func (s *Sink) Close() error { return s.Flush() }

// put writes the line of an entry.
func (s *Sink) put(e *event.Entry, layer string) {
	if s.o.Plain {
		s.b = append(s.b, "[pid "...)
		s.b = strconv.AppendUint(s.b, uint64(e.Task.TID), 10)
		s.b = append(s.b, "] "...)
	} else {
		s.line(e, layer)
	}
	s.b = append(s.words.Append(s.b, e), '\n')
}

// introduce writes a line for a connection whose creation was not seen: it was open before, was
// handed over, or the call was not traced.
func (s *Sink) introduce(e *event.Entry) {
	if s.o.Plain {
		return
	}
	if e.First && e.Conn != nil && e.Conn.Old {
		s.newcomer(e)
	}
	for i, c := range e.Others {
		if i == mostOthers {
			break
		}
		if c.Old && c.First == e.Time {
			at := *e
			at.Conn = c
			s.newcomer(&at)
		}
	}
}

func (s *Sink) newcomer(e *event.Entry) {
	if e.Conn.Family == 0 {
		return // an fd of which nothing is known but the call
	}
	s.line(e, "   ")
	s.b = append(s.b, s.o.Colour.Note...)
	if e.Conn.Found {
		s.b = append(s.b, "# open before: "...)
	} else {
		s.b = append(s.b, "# first seen: "...)
	}
	s.b = AppendConn(s.b, e.Conn)
	s.b = append(s.b, s.reset(s.o.Colour.Note)...)
	s.b = append(s.b, '\n')
}

// AppendConn appends a connection: TCP 10.0.2.15:48448 -> 10.0.0.5:80 ESTABLISHED.
func AppendConn(b []byte, c *event.Conn) []byte {
	if c.Family == 0 && c.ID == (event.SockID{}) {
		b = append(b, "socket"...) // an fd in the output of another tool
	} else {
		b = append(b, notation.Transport(c.Family, c.Type, c.Protocol)...)
	}
	addr := func(a netip.AddrPort) {
		switch name := c.MadeName(a.Addr()); {
		case name != "":
			b = strconv.AppendUint(append(clean.AppendText(b, name), ':'), uint64(a.Port()), 10)
		case a.IsValid():
			b = a.AppendTo(b)
		default:
			b = append(b, '*')
		}
	}
	switch {
	case c.Path != "":
		b = append(b, ' ')
		if c.Path[0] == 0 {
			b = append(b, '@')
			b = clean.AppendText(b, c.Path[1:])
		} else {
			b = clean.AppendText(b, c.Path)
		}
	case c.Local.IsValid() || c.Peer.IsValid():
		b = append(b, ' ')
		addr(c.Local)
		if c.Peer.IsValid() {
			b = append(b, " -> "...)
			b = AppendPeer(b, c, c.Peer)
		}
	}
	if st := notation.TCPState(c.Family, c.Protocol, c.State); st != "" {
		b = append(b, ' ')
		b = append(b, st...)
	}
	return b
}

// AppendPeer appends the address of a connection's peer, a, with its name: localhost:80 (127.0.0.1), or
// 127.0.0.1:80 without one. A name that is inferred has a ~.
func AppendPeer(b []byte, c *event.Conn, a netip.AddrPort) []byte {
	if c.PeerName == "" {
		return a.AppendTo(b)
	}
	b = strconv.AppendUint(append(append(b, PeerName(c)...), ':'), uint64(a.Port()), 10)
	if c.PeerMade {
		return b
	}
	return append(a.Addr().AppendTo(append(b, " ("...)), ')')
}

// PeerName returns the name of a connection's peer, with a ~ if it is inferred.
func PeerName(c *event.Conn) string {
	name := clean.Text(c.PeerName)
	if c.PeerFrom.Inferred() {
		return "~" + name
	}
	return name
}

// AppendExit appends a wait status in words, like strace.
func AppendExit(b []byte, status uint32) []byte {
	if sig := status & 0x7f; sig != 0 {
		b = append(b, "killed by "...)
		b = append(b, notation.Signal(sig)...)
		if status&0x80 != 0 {
			b = append(b, " (core dumped)"...)
		}
		return b
	}
	b = append(b, "exited with "...)
	return strconv.AppendUint(b, uint64(status>>8&0xff), 10)
}

// beside starts a line that strace would not print.
func (s *Sink) beside(e *event.Entry, layer string) {
	if !s.o.Plain {
		s.line(e, layer)
	}
}

func (s *Sink) warn(text string) {
	s.b = append(s.b, s.o.Colour.Warn...)
	s.b = append(s.b, "! "...)
	s.b = append(s.b, text...)
	s.b = append(s.b, s.reset(s.o.Colour.Warn)...)
	s.b = append(s.b, '\n')
}

func (s *Sink) reset(begun string) string {
	if begun == "" {
		return ""
	}
	return s.o.Colour.Reset
}

// line appends the columns before the message.
func (s *Sink) line(e *event.Entry, layer string) {
	c := s.o.Colour
	if s.o.Time != TimeNone {
		s.b = append(s.b, c.Time...)
		s.time(e.Time)
		s.b = append(s.b, s.reset(c.Time)...)
		if e.Slack >= vague {
			s.b = append(s.b, '~')
		} else {
			s.b = append(s.b, ' ')
		}
	}
	s.b = append(s.b, c.Task...)
	at := len(s.b)
	if e.Task.PID != 0 {
		switch {
		case e.Match == event.MatchInherited, e.Match == event.MatchShared:
			s.b = append(s.b, '~') // the owner of the parent socket, or one of several owners
		case e.Match == event.MatchGuess:
			s.b = append(s.b, '?')
		}
		s.b = clean.AppendName(s.b, e.Task.Comm)
		s.b = append(s.b, '[')
		s.b = strconv.AppendUint(s.b, uint64(e.Task.PID), 10)
		if e.Task.TID != e.Task.PID && e.Task.TID != 0 {
			s.b = append(s.b, '/')
			s.b = strconv.AppendUint(s.b, uint64(e.Task.TID), 10)
		}
		s.b = append(s.b, ']')
		if e.Task.NSPID != 0 && e.Task.NSPID != e.Task.PID {
			// The host pid, and the pid in its own namespace in parentheses.
			s.b = append(s.b, '(')
			s.b = strconv.AppendUint(s.b, uint64(e.Task.NSPID), 10)
			s.b = append(s.b, ')')
		}
	}
	s.pad(at, &s.task, maxTask)
	s.b = append(s.b, s.reset(c.Task)...)
	s.b = append(s.b, ' ', ' ')
	s.b = append(s.b, c.Conn...)
	at = len(s.b)
	if e.Conn != nil {
		s.b = append(s.b, 'c')
		s.b = strconv.AppendUint(s.b, uint64(e.Conn.N), 10)
	} else {
		s.b = append(s.b, '-')
	}
	s.pad(at, &s.conn, 8)
	s.b = append(s.b, s.reset(c.Conn)...)
	s.b = append(s.b, ' ')
	s.b = append(s.b, c.Layer...)
	s.b = append(s.b, layer...)
	s.b = append(s.b, s.reset(c.Layer)...)
	s.b = append(s.b, ' ', ' ')
}

// pad pads the column that starts at offset at to its width. If the column is wider, the width
// grows, up to most.
func (s *Sink) pad(at int, width *int, most int) {
	n := utf8.RuneCount(s.b[at:])
	if n > *width && *width < most {
		*width = min(n, most)
	}
	for ; n < *width; n++ {
		s.b = append(s.b, ' ')
	}
}

func (s *Sink) time(t int64) {
	switch s.o.Time {
	case TimeRel:
		s.seconds(t - s.o.Start)
	case TimeDelta:
		if s.prev == 0 {
			s.prev = t
		}
		s.seconds(t - s.prev)
		s.prev = t
	case TimeEpoch:
		s.b = strconv.AppendInt(s.b, t/1e9, 10)
		s.micro(t % 1e9)
	case TimeAbs, TimeMicro:
		at := time.Unix(0, t).In(s.o.Zone)
		s.b = at.AppendFormat(s.b, "15:04:05")
		if s.o.Time == TimeMicro {
			s.micro(int64(at.Nanosecond()))
		}
	}
}

// seconds appends ns as right-aligned seconds with six decimals.
func (s *Sink) seconds(ns int64) {
	at := len(s.b)
	if ns < 0 {
		s.b = append(s.b, '-')
		ns = -ns
	}
	s.b = strconv.AppendInt(s.b, ns/1e9, 10)
	s.micro(ns % 1e9)
	for n := len(s.b) - at; n < timeRelWide; n++ {
		s.b = append(s.b, ' ')
		copy(s.b[at+1:], s.b[at:])
		s.b[at] = ' '
	}
}

func (s *Sink) micro(ns int64) {
	s.b = append(s.b, '.')
	us := ns / 1000
	for d := int64(100000); d > 0; d /= 10 {
		s.b = append(s.b, byte('0'+us/d%10))
	}
}
