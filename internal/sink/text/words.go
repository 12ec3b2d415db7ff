package text

import (
	"strconv"
	"strings"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink/clean"
	"github.com/pidwire/pidwire/internal/sink/notation"
	"github.com/pidwire/pidwire/internal/sink/tcpdump"
)

// Words are what a line says behind its columns.
type Words struct {
	Notation    notation.Options
	Packets     tcpdump.Options
	NoDur       bool   // without <9us>
	Plain       bool   // as strace prints
	Tree        bool   // what happened stands as deep as the functions around it
	Apart       bool   // a refusal beside a call has a line of its own, which the caller writes
	Note, Reset string // SGR sequences around what is said beside the notation

	out []byte // during Append
}

// Append appends the words of a call, a packet, a state, a handover or a
// process, without a newline (but for the lines of a packet's bytes); of other
// bodies nothing.
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
		b = w.aside(b, clean.Text(e.Conn.PeerName))
	}
	if c.Refused {
		b = w.aside(b, "seccomp")
	}
	return w.others(b, e)
}

// via says how a call came, where strace would not show it as one. That a 32-bit
// process made it by socketcall is for who wants everything.
func (w *Words) via(b []byte, c *event.Call) []byte {
	if c.Via == "" || c.Via == "socketcall" && (w.Plain || !w.Notation.Verbose) {
		return b
	}
	return append(append(b, c.Via...), ": "...)
}

// packet writes a packet as tcpdump does, behind where it went.
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

// AppendPacket appends a packet, or a frame that carries none, as tcpdump does.
func AppendPacket(b []byte, p *event.Capture, o *tcpdump.Options) []byte {
	if p.NoIP {
		return tcpdump.AppendFrame(b, p.Link, p.Header, p.Ether, p.Data, p.Len, o)
	}
	b = tcpdump.AppendLink(b, p.Link, p.Header, p.Ether, p.Len+uint32(len(p.Header)), o)
	return tcpdump.Append(b, &p.Packet, o)
}

// aside appends what is said of a line, and not part of its notation.
func (w *Words) aside(b []byte, text string) []byte {
	return w.reset(append(append(append(b, w.Note...), "  # "...), text...))
}

func (w *Words) reset(b []byte) []byte {
	if w.Note == "" {
		return b
	}
	return append(b, w.Reset...)
}

// state writes how a TCP connection's state changed, and at its end what it
// came to.
func (w *Words) state(b []byte, e *event.Entry, s *event.State) []byte {
	if s.Context == event.ContextTask { // done in a call
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
			b = strconv.AppendUint(append(b, ", sent again "...), uint64(c.Retrans), 10)
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

// appendInferred writes a function that was found on a stack.
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

// appendFrame writes a frame of a stack as strace -k does: file(function+0x1f) [0x1234].
func appendFrame(b []byte, f *event.Frame) []byte {
	b = clean.AppendText(b, f.File)
	if f.Name != "" {
		b = clean.AppendText(append(b, '('), f.Name)
		b = strconv.AppendUint(append(b, "+0x"...), f.Offset, 16)
		b = append(b, ')')
	}
	return append(strconv.AppendUint(append(b, " [0x"...), f.Addr, 16), ']')
}

// kernel writes a step of the kernel, indented by how deep it is.
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

// onTime says on whose time something was done, where that was not the task's
// own call.
func (w *Words) onTime(b []byte, e *event.Entry, k *event.Kernel) []byte {
	b = append(append(b, w.Note...), "  # "...)
	other := k.OnTID != 0 && k.OnTID != e.Task.TID
	if k.Context == event.ContextSoftirq {
		b = strconv.AppendInt(append(b, "softirq, cpu "...), int64(k.CPU), 10)
		if other {
			b = append(b, ", on the time of "...)
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

// handover says that a socket is another process's now, and how many packets
// above were so already.
func (w *Words) handover(b []byte, h *event.Handover) []byte {
	b = append(append(b, w.Note...), "# has the socket now, after "...)
	b = clean.AppendName(b, h.From.Comm)
	b = append(strconv.AppendUint(append(b, '['), uint64(h.From.PID), 10), ']')
	if h.Shown > 0 {
		b = strconv.AppendUint(append(b, "; packets above that were its already: "...), h.Shown, 10)
	}
	return w.reset(b)
}

// audit writes what audit recorded: the call as strace would print it, then who
// did it.
func (w *Words) audit(b []byte, e *event.Entry, a *event.Audit) []byte {
	if a.Missing {
		b = append(append(append(b, w.Note...), "# no record of "...), a.Call.Name...)
		return w.reset(append(b, ", which was seen"...))
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
		return w.others(b, e) // its own words say who
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

// denied reports whether what audit says beside a call has a line of its own.
func (w *Words) denied(a *event.Audit) bool {
	return w.Apart && a.Denial && a.Call != nil && a.What != ""
}

// OurKey reports whether a rule's key is one of pidwire's own, which says
// nothing to who reads a line.
func OurKey(key string) bool { return strings.HasPrefix(key, "pidwire-") }

// others names the further connections: the child that accept made, the other
// end of a socketpair, what else poll waits for, the listener of a handshake.
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
