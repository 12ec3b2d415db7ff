package text

import (
	"strconv"
	"strings"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink/clean"
	"github.com/pidwire/pidwire/internal/sink/notation"
	"github.com/pidwire/pidwire/internal/sink/tcpdump"
)

// Words formats the message of a line, the part after the columns.
type Words struct {
	Notation    notation.Options
	Packets     tcpdump.Options
	NoDur       bool   // without <9us>
	Plain       bool   // like strace
	Tree        bool   // indent by the functions around an event
	Apart       bool   // a denial of a call gets its own line, which the caller writes
	Note, Reset string // SGR sequences around notes

	out []byte // during Append
}

// Append appends the message of a call, packet, state, handover, process, audit or kernel
// event, without the final newline. Only dumps of packets have newlines in them. It appends
// nothing for other bodies.
func (w *Words) Append(b []byte, e *event.Entry) []byte {
	w.out = b
	e.Visit(wording{w})
	b, w.out = w.out, nil
	return b
}

func (w *Words) call(b []byte, e *event.Entry, c *event.Call) []byte {
	b = notation.AppendCall(w.via(b, c), c, &w.Notation)
	if !w.NoDur && c.State == event.Returned && !c.Refused && (!c.Foreign || c.Dur != 0) {
		b = append(notation.AppendDuration(append(b, " <"...), c.Dur), '>')
	}
	if w.Plain {
		return b
	}
	if c.Role.Has(event.Connects) && e.Conn != nil && e.Conn.PeerName != "" && !e.Conn.PeerMade {
		b = w.aside(b, PeerName(e.Conn))
	}
	if c.Refused {
		b = w.aside(b, "seccomp")
	}
	return w.others(b, e)
}

// via appends the way in which a call was made, like io_uring. socketcall(2) is shown only if
// verbose.
func (w *Words) via(b []byte, c *event.Call) []byte {
	if c.Via == "" || c.Via == "socketcall" && (w.Plain || !w.Notation.Verbose) {
		return b
	}
	return append(append(b, c.Via...), ": "...)
}

// packet appends the direction of a packet and its text like tcpdump.
func (w *Words) packet(b []byte, e *event.Entry, p *event.Capture) []byte {
	switch p.Dir {
	case event.DirOut:
		b = append(b, "> "...)
	case event.DirIn:
		b = append(b, "< "...)
	}
	b = AppendPacket(b, p, &w.Packets)
	if p.Made != event.MadeSocket {
		b = w.aside(b, p.Made.String())
	}
	return w.others(b, e)
}

// AppendPacket appends a packet, or a frame without IP, like tcpdump.
func AppendPacket(b []byte, p *event.Capture, o *tcpdump.Options) []byte {
	if p.NoIP {
		return tcpdump.AppendFrame(b, p.Link, p.Header, p.Ether, p.Data, p.Len, o)
	}
	b = tcpdump.AppendLink(b, p.Link, p.Header, p.Ether, p.Len+uint32(len(p.Header)), o)
	return tcpdump.Append(b, &p.Packet, o)
}

// said appends a message of a protocol, with the time of its exchange.
func (w *Words) said(b []byte, m *event.Message) []byte {
	b = notation.AppendMessage(b, m, &w.Notation)
	sep := "  # "
	note := func() {
		b = append(append(b, w.Note...), sep...)
		sep = "; "
	}
	if m.Timed() && (m.Slack == 0 || m.Took >= m.Slack) {
		note()
		if m.Slack > 0 {
			b = append(b, '~')
		}
		b = notation.AppendTook(b, m, w.Notation.Verbose)
	}
	if m.Unsure != "" {
		note()
		b = append(append(b, "uncertain: "...), m.Unsure...)
	}
	if m.Reason != "" && w.Notation.Verbose {
		note()
		b = append(b, m.Reason...)
	}
	if sep != "  # " {
		b = w.reset(b)
	}
	return b
}

// aside appends a note.
func (w *Words) aside(b []byte, text string) []byte {
	return w.reset(append(append(append(b, w.Note...), "  # "...), text...))
}

func (w *Words) reset(b []byte) []byte {
	if w.Note == "" {
		return b
	}
	return append(b, w.Reset...)
}

// state appends a change of a TCP state, and the counts of the connection at its end.
func (w *Words) state(b []byte, e *event.Entry, s *event.State) []byte {
	if s.Context == event.ContextTask { // in a call
		depth := 1
		if w.Tree {
			depth += s.Around
		}
		b = indent(b, depth)
	}
	b = append(b, "tcp "...)
	b = append(b, notation.TCPState(s.Sock.Family, s.Sock.Protocol, s.From)...)
	b = append(b, " -> "...)
	b = append(b, notation.TCPState(s.Sock.Family, s.Sock.Protocol, s.To)...)
	cause := notation.StateCause(s)
	c := &s.TCP
	counts := s.To == event.TCPClose && c.SegsOut+c.SegsIn > 0
	window := s.Context != event.ContextUnknown && c.SegsOut+c.SegsIn > 0 && !counts
	if cause != "" || counts || window {
		b = append(append(append(b, w.Note...), "  # "...), cause...)
		if cause != "" && (counts || window) {
			b = append(b, "; "...)
		}
	}
	switch {
	case counts:
		b = strconv.AppendUint(append(b, "sent "...), c.Sent-min(c.Sent, c.Resent), 10)
		b = strconv.AppendUint(append(b, ", received "...), c.Received, 10)
		b = append(b, " bytes"...)
		if c.RTT > 0 {
			b = notation.AppendDuration(append(b, ", rtt "...), c.RTT)
		}
		if c.Retrans > 0 {
			b = strconv.AppendUint(append(b, ", retransmitted "...), uint64(c.Retrans), 10)
		}
	case window:
		b = strconv.AppendUint(append(b, "cwnd "...), uint64(c.Cwnd), 10)
		if c.SSThresh < notation.NoSSThresh {
			b = strconv.AppendUint(append(b, ", ssthresh "...), uint64(c.SSThresh), 10)
		}
		if c.RTT > 0 {
			b = notation.AppendDuration(append(b, ", rtt "...), c.RTT)
		}
	}
	if cause != "" || counts || window {
		b = w.reset(b)
	}
	return w.others(b, e)
}

func indent(b []byte, depth int) []byte {
	const deepest = 40
	for range min(depth, deepest) {
		b = append(b, "  "...)
	}
	return b
}

// appendInferred appends a function that was found on a stack.
func appendInferred(b []byte, f *event.Frame, depth int) []byte {
	b = append(indent(b, depth), "~> "...)
	if f.Name == "" {
		return strconv.AppendUint(append(b, "0x"...), f.Addr, 16)
	}
	b = clean.AppendText(b, f.Name)
	if f.File != "" {
		b = append(clean.AppendText(append(b, " ["...), f.File), ']')
	}
	return b
}

// appendFrame appends a stack frame like strace -k: file(function+0x1f) [0x1234].
func appendFrame(b []byte, f *event.Frame) []byte {
	b = clean.AppendText(b, f.File)
	if f.Name != "" {
		b = clean.AppendText(append(b, '('), f.Name)
		b = strconv.AppendUint(append(b, "+0x"...), f.Offset, 16)
		b = append(b, ')')
	}
	return append(strconv.AppendUint(append(b, " [0x"...), f.Addr, 16), ']')
}

// kernel appends a kernel event, indented by its depth.
func (w *Words) kernel(b []byte, e *event.Entry, k *event.Kernel) []byte {
	b = indent(b, k.Depth)
	switch k.What {
	case event.KernelEnter, event.KernelLeaf, event.KernelCall:
		b = append(b, "-> "...)
	case event.KernelLeave:
		b = append(b, "<- "...)
	}
	b = clean.AppendText(b, k.Name)
	function := k.Tracer == event.Pidwire && (k.What == event.KernelLeaf || k.What == event.KernelEnter)
	if function {
		b = append(b, '(')
	} else if k.Args != "" || k.What == event.KernelLeaf {
		b = append(clean.AppendText(append(b, '('), k.Args), ')')
	}
	for i := range k.Fields {
		f := &k.Fields[i]
		switch {
		case len(f.Val) > 0 && f.Val[0].Flags&event.FVerbose != 0 && !w.Notation.Verbose:
			continue
		case !function:
			b = append(b, ' ')
		case i > 0:
			b = append(b, ", "...)
		}
		b = append(append(b, f.Name...), '=')
		b = notation.AppendTape(b, f.Val, &w.Notation)
	}
	if function {
		b = append(b, ')')
	}
	if k.HasRet {
		b = append(b, " = "...)
		switch {
		case k.RetHex && k.Ret64 == 0:
			b = append(b, "NULL"...)
		case k.RetHex:
			b = strconv.AppendUint(append(b, "0x"...), uint64(k.Ret64), 16)
		case k.Tracer == event.Pidwire:
			b = appendResult(b, k.Ret64, k.Errno)
		default:
			b = clean.AppendText(b, k.Ret)
		}
	}
	if k.Dur >= 0 {
		b = append(notation.AppendDuration(append(b, " <"...), k.Dur), '>')
	}
	if k.Text != "" {
		if k.Name != "" {
			b = append(b, "  "...)
		}
		b = clean.AppendText(b, k.Text)
	}
	if k.Func != "" {
		b = w.aside(b, "in "+clean.Text(k.Func))
	}
	if k.Context == event.ContextSoftirq && k.What == event.KernelEvent || k.OnTID != 0 && k.OnTID != e.Task.TID {
		b = w.onTime(b, e, k)
	}
	return w.others(b, e)
}

func appendResult(b []byte, n int64, errno string) []byte {
	if errno == "" {
		return strconv.AppendInt(b, n, 10)
	}
	return clean.AppendText(append(b, "-1 "...), errno)
}

// onTime appends a note with the context of an event that was not in a call of its own task:
// softirq and CPU, and the thread that ran.
func (w *Words) onTime(b []byte, e *event.Entry, k *event.Kernel) []byte {
	b = append(append(b, w.Note...), "  # "...)
	other := k.OnTID != 0 && k.OnTID != e.Task.TID
	if k.Context == event.ContextSoftirq {
		b = strconv.AppendInt(append(b, "softirq, cpu "...), int64(k.CPU), 10)
		if other {
			b = append(b, ", current "...)
		}
	} else {
		b = append(b, "by "...)
	}
	if other {
		b = append(clean.AppendName(b, k.OnComm), '[')
		b = append(strconv.AppendUint(b, uint64(k.OnTID), 10), ']')
	}
	return w.reset(b)
}

// handover appends that a socket has a new owner, and the number of packets above that already
// belonged to it.
func (w *Words) handover(b []byte, h *event.Handover) []byte {
	b = append(append(b, w.Note...), "# now has the socket, previously "...)
	b = clean.AppendName(b, h.From.Comm)
	b = append(strconv.AppendUint(append(b, '['), uint64(h.From.PID), 10), ']')
	if h.Shown > 0 {
		b = strconv.AppendUint(append(b, "; its packets above: "...), h.Shown, 10)
	}
	return w.reset(b)
}

// audit appends an audit event: the call like strace, then the fields of the process.
func (w *Words) audit(b []byte, e *event.Entry, a *event.Audit) []byte {
	if a.Missing {
		b = append(append(append(b, w.Note...), "# no audit record of "...), a.Call.Name...)
		return w.reset(append(b, ", which was traced"...))
	}
	if a.Call != nil {
		b = notation.AppendCall(w.via(b, a.Call), a.Call, &w.Notation)
	}
	if a.What != "" && !w.denied(a) {
		if a.Call != nil {
			b = append(b, "  "...)
		}
		b = clean.AppendText(b, a.What)
	}
	field := func(name, value string) {
		if value != "" {
			b = clean.AppendText(append(append(append(b, ' '), name...), '='), value)
		}
	}
	if len(a.Addr) > 0 {
		b = notation.AppendTape(append(append(append(b, ' '), a.AddrRole...), '='), a.Addr, &w.Notation)
	}
	if a.Call == nil {
		return w.others(b, e) // a.What has the fields of the process
	}
	field("exe", a.Exe)
	switch {
	case a.AUIDName != "":
		field("auid", a.AUIDName)
	case a.AUID != event.Unset:
		field("auid", strconv.FormatUint(uint64(a.AUID), 10))
	default:
		field("auid", "unset")
	}
	if a.UIDName != "" {
		field("uid", a.UIDName)
	} else if a.UID != event.Unset {
		field("uid", strconv.FormatUint(uint64(a.UID), 10))
	}
	field("tty", a.TTY)
	if a.Session != event.Unset {
		field("ses", strconv.FormatUint(uint64(a.Session), 10))
	}
	field("subj", a.Subject)
	if !OurKey(a.Key) {
		field("key", a.Key)
	}
	return w.others(b, e)
}

// denied reports whether the denial of a call gets its own line.
func (w *Words) denied(a *event.Audit) bool {
	return w.Apart && a.Denial && a.Call != nil && a.What != ""
}

// OurKey reports whether a key is of one of pidwire's own audit rules, and so not of interest.
func OurKey(key string) bool { return strings.HasPrefix(key, "pidwire-") }

// others appends the further connections: the one that accept returned, the other end of a
// socketpair, others that poll waits for, the listener of a handshake.
func (w *Words) others(b []byte, e *event.Entry) []byte {
	if len(e.Others) == 0 {
		return b
	}
	b = append(b, w.Note...)
	for i, c := range e.Others {
		if i == mostOthers {
			b = append(b, " ..."...)
			break
		}
		b = strconv.AppendUint(append(b, " +c"...), uint64(c.N), 10)
	}
	return w.reset(b)
}

func appendProcess(b []byte, p *event.Process) []byte {
	b = append(b, "+++ "...)
	switch p.What {
	case event.Fork:
		b = strconv.AppendUint(append(b, "started by "...), uint64(p.Parent.PID), 10)
	case event.Exec:
		b = clean.AppendText(append(b, "exec "...), p.Exe)
		for i, a := range p.Argv {
			if i > 0 {
				b = clean.AppendText(append(b, ' '), a)
			}
		}
	case event.Exit:
		b = AppendExit(b, p.Code)
	default:
		b = append(b, "unknown event of the process"...)
	}
	return append(b, " +++"...)
}
