package text

import (
	"strconv"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink/clean"
)

// lines writes the lines of an entry.
type lines struct{ *Sink }

func (s lines) Call(e *event.Entry, _ *event.Call) {
	s.introduce(e)
	s.put(e, "sys")
}

func (s lines) Capture(e *event.Entry, _ *event.Capture) {
	if !s.o.Plain {
		s.introduce(e)
		s.peer = e.Conn
		s.put(e, "pkt")
	}
}

func (s lines) State(e *event.Entry, b *event.State) {
	if !s.o.Plain && !b.Look {
		s.put(e, "krn")
	}
}

func (s lines) Audit(e *event.Entry, b *event.Audit) {
	if s.o.Plain {
		return
	}
	s.introduce(e)
	s.put(e, "aud")
	if s.words.denied(b) {
		s.line(e, "aud")
		s.b = append(clean.AppendText(s.b, b.What), '\n')
	}
}

func (s lines) Kernel(e *event.Entry, b *event.Kernel) {
	if !s.o.Plain {
		s.introduce(e)
		s.kernel(e, b)
	}
}

func (s lines) Message(e *event.Entry, _ *event.Message) {
	if !s.o.Plain {
		s.put(e, "msg")
	}
}

func (s lines) Handover(e *event.Entry, b *event.Handover) {
	if !s.o.Plain && b.From.PID != 0 {
		s.put(e, "   ")
	}
}

func (s lines) Process(e *event.Entry, b *event.Process) {
	if b.What != event.Found && (!s.o.Plain || b.What == event.Exit) {
		s.put(e, "   ")
	}
}

func (s lines) Lost(e *event.Entry, b *event.Lost) {
	s.beside(e, b.Layer.String())
	s.warn("lost " + strconv.FormatUint(b.Count, 10) + " events: " + b.Reason)
}

func (s lines) Note(e *event.Entry, b *event.Note) {
	if !s.o.Plain && b.Degraded {
		s.line(e, "   ")
		s.warn(clean.Text(b.Text))
	}
}

func (s lines) Fact(e *event.Entry, b *event.Fact) {
	if s.o.Plain || !s.o.Notation.Verbose {
		return
	}
	s.line(e, "   ")
	s.b = append(append(append(s.b, "# "...), clean.Text(b.Name)...), ": "...)
	s.b = append(append(s.b, clean.Text(b.Text)...), '\n')
}

func (s lines) Verdict(e *event.Entry, b *event.Verdict) {
	if s.o.Plain {
		return
	}
	s.line(e, "   ")
	if b.Severity == event.Info {
		s.b = append(AppendVerdict(append(s.b, "# "...), b), '\n')
		return
	}
	s.warn(string(AppendVerdict(nil, b)))
}

func (s lines) Unknown(e *event.Entry, b *event.Unknown) {
	s.beside(e, "   ")
	s.warn("a record of kind " + strconv.Itoa(int(b.Kind)) + " that this version cannot read")
}

// Other bodies have no line.

func (lines) SockFound(*event.Entry, *event.SockFound) {}
func (lines) Ready(*event.Entry, *event.Ready)         {}
func (lines) Name(*event.Entry, *event.Name)           {}
func (lines) Symbol(*event.Entry, *event.Symbol)       {}
func (lines) Clock(*event.Entry, *event.Clock)         {}
func (lines) End(*event.Entry, *event.End)             {}

// wording appends the message of an entry to out.
type wording struct{ *Words }

func (w wording) Call(e *event.Entry, b *event.Call)       { w.out = w.call(w.out, e, b) }
func (w wording) Capture(e *event.Entry, b *event.Capture) { w.out = w.packet(w.out, e, b) }
func (w wording) State(e *event.Entry, b *event.State)     { w.out = w.state(w.out, e, b) }
func (w wording) Audit(e *event.Entry, b *event.Audit)     { w.out = w.audit(w.out, e, b) }
func (w wording) Kernel(e *event.Entry, b *event.Kernel)   { w.out = w.kernel(w.out, e, b) }
func (w wording) Handover(_ *event.Entry, b *event.Handover) {
	w.out = w.handover(w.out, b)
}
func (w wording) Message(_ *event.Entry, b *event.Message) { w.out = w.said(w.out, b) }
func (w wording) Verdict(_ *event.Entry, b *event.Verdict) { w.out = AppendVerdict(w.out, b) }
func (w wording) Process(_ *event.Entry, b *event.Process) { w.out = appendProcess(w.out, b) }

// Other bodies have no message here; sinks that show them have their own.

func (wording) SockFound(*event.Entry, *event.SockFound) {}
func (wording) Ready(*event.Entry, *event.Ready)         {}
func (wording) Name(*event.Entry, *event.Name)           {}
func (wording) Symbol(*event.Entry, *event.Symbol)       {}
func (wording) Lost(*event.Entry, *event.Lost)           {}
func (wording) Note(*event.Entry, *event.Note)           {}
func (wording) Clock(*event.Entry, *event.Clock)         {}
func (wording) Fact(*event.Entry, *event.Fact)           {}
func (wording) End(*event.Entry, *event.End)             {}
func (wording) Unknown(*event.Entry, *event.Unknown)     {}
