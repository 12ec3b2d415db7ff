package conns

import (
	"github.com/pidwire/pidwire/internal/event"
)

// counter updates the table with an entry.
type counter struct{ *Sink }

func (s counter) Lost(_ *event.Entry, b *event.Lost) { s.lost += b.Count }

func (s counter) Process(e *event.Entry, b *event.Process) {
	if b.What == event.Exit {
		delete(s.comms, e.Task.Proc)
	} else if len(s.comms) < maxRows {
		s.comms[e.Task.Proc] = e.Task.Comm
	}
}

func (s counter) SockFound(e *event.Entry, b *event.SockFound) { s.wasOpen(e, b) }

func (s counter) State(e *event.Entry, b *event.State) {
	if r := s.row(e); r != nil {
		s.state(r, e, b)
	}
}

func (s counter) Handover(e *event.Entry, b *event.Handover) {
	if r := s.row(e); r != nil {
		s.use(r, event.Use{What: b.Owner, Task: e.Task, Time: b.Seen})
	}
}

func (s counter) Capture(e *event.Entry, b *event.Capture) {
	r := s.row(e)
	if r == nil {
		return
	}
	r.packet(b)
	if b.Made == event.MadeSocket && !b.Handshake {
		s.use(r, event.Use{What: b.Owner, Task: e.Task, Time: b.Seen, Inherited: b.Inherited})
	}
}

func (s counter) Call(e *event.Entry, b *event.Call) {
	if b.State == event.Waiting {
		return
	}
	for _, c := range e.Others {
		at := *e
		at.Conn = c
		if r := s.row(&at); r != nil && b.Ret >= 0 && b.Role.Has(event.Accepts) {
			s.use(r, event.Use{What: event.OwnerAccepted, Task: e.Task, Time: e.Time + b.Dur})
		}
	}
	r := s.row(e)
	if r == nil {
		return
	}
	r.calls.seen = true
	if b.In {
		r.calls.got += uint64(b.Bytes)
	} else {
		r.calls.sent += uint64(b.Bytes)
	}
}

func (s counter) Message(e *event.Entry, b *event.Message) { s.said.Add(e, b) }

// Other bodies are not about connections.

func (counter) Audit(*event.Entry, *event.Audit)     {}
func (counter) Kernel(*event.Entry, *event.Kernel)   {}
func (counter) Ready(*event.Entry, *event.Ready)     {}
func (counter) Name(*event.Entry, *event.Name)       {}
func (counter) Symbol(*event.Entry, *event.Symbol)   {}
func (counter) Note(*event.Entry, *event.Note)       {}
func (counter) Verdict(*event.Entry, *event.Verdict) {}
func (counter) Clock(*event.Entry, *event.Clock)     {}
func (counter) Fact(*event.Entry, *event.Fact)       {}
func (counter) End(*event.Entry, *event.End)         {}
func (counter) Unknown(*event.Entry, *event.Unknown) {}
