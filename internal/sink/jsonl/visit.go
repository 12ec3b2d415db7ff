package jsonl

import (
	"github.com/pidwire/pidwire/internal/event"
)

// lines writes the line of an entry.
type lines struct{ *Sink }

func (s lines) Call(e *event.Entry, b *event.Call) {
	s.begin(e, "syscall", "sys")
	s.identity(e)
	s.call(b, !b.Foreign || b.Dur != 0)
	s.end(e)
}

func (s lines) Audit(e *event.Entry, b *event.Audit) {
	s.begin(e, "audit", "aud")
	s.identity(e)
	if b.Call != nil {
		s.call(b.Call, b.Joined && (!b.Call.Foreign || b.Call.Dur != 0))
	}
	s.audit(b)
	s.end(e)
}

func (s lines) Capture(e *event.Entry, b *event.Capture) {
	s.begin(e, "packet", "pkt")
	s.identity(e)
	s.packet(e.Conn, b)
	s.end(e)
}

func (s lines) State(e *event.Entry, b *event.State) {
	s.begin(e, "state", "krn")
	s.identity(e)
	s.state(b)
	s.end(e)
}

func (s lines) Kernel(e *event.Entry, b *event.Kernel) {
	if b.What == event.KernelSock || b.What == event.KernelStep && len(b.Path)+len(b.UserStack) == 0 {
		return
	}
	s.begin(e, "kernel", "krn")
	s.identity(e)
	s.kernel(b)
	s.end(e)
}

func (s lines) Handover(e *event.Entry, b *event.Handover) {
	s.begin(e, "handover", "pkt")
	s.identity(e)
	s.raw(`,"handover":{"evidence":"`).raw(b.Owner.String()).raw(`","accepted":`).bool(b.Listener != 0)
	s.raw(`,"shown_before":`).uint(b.Shown).raw("}")
	s.end(e)
}

func (s lines) Message(e *event.Entry, b *event.Message) {
	s.begin(e, "message", "msg")
	s.identity(e)
	s.said(b)
	s.end(e)
}

func (s lines) Verdict(e *event.Entry, b *event.Verdict) {
	s.raw(`{"v":1,"type":"verdict","time":"`)
	s.time(e.Time)
	s.raw(`","t_ns":`).int(e.Time - s.o.Start)
	s.verdict(b)
	s.end(e)
}

func (s lines) Process(e *event.Entry, b *event.Process) {
	s.begin(e, "process", "sys")
	s.process(e, b)
	s.end(e)
}

func (s lines) Lost(e *event.Entry, b *event.Lost) {
	s.lost[max(b.Layer, event.LayerSys)] += b.Count
	s.begin(e, "lost", b.Layer.String())
	s.raw(`,"lost":{"count":`).uint(b.Count).raw(`,"reason":`).str(b.Reason).raw("}")
	s.end(e)
}

func (s lines) End(_ *event.Entry, b *event.End) { s.reason = b.Reason }

// Other bodies have no line (docs/schema.json).

func (lines) SockFound(*event.Entry, *event.SockFound) {}
func (lines) Ready(*event.Entry, *event.Ready)         {}
func (lines) Name(*event.Entry, *event.Name)           {}
func (lines) Symbol(*event.Entry, *event.Symbol)       {}
func (lines) Note(*event.Entry, *event.Note)           {}
func (lines) Clock(*event.Entry, *event.Clock)         {}
func (lines) Fact(*event.Entry, *event.Fact)           {}
func (lines) Unknown(*event.Entry, *event.Unknown)     {}
