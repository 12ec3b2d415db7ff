package ladder

import (
	"github.com/pidwire/pidwire/internal/event"
)

// rungs draws an entry.
type rungs struct{ *Sink }

func (s rungs) Call(e *event.Entry, b *event.Call)       { s.call(e, b) }
func (s rungs) Capture(e *event.Entry, b *event.Capture) { s.packet(e, b) }
func (s rungs) State(e *event.Entry, b *event.State)     { s.state(e, b) }

func (s rungs) Message(e *event.Entry, b *event.Message) { s.message(e, b) }

func (s rungs) Handover(e *event.Entry, b *event.Handover) {
	if b.From.PID != 0 {
		s.add(&row{time: e.Time, app: "# " + name(&e.Task) + " now has the socket"})
	}
}

// Other bodies are not drawn.

func (rungs) Audit(*event.Entry, *event.Audit)         {}
func (rungs) Kernel(*event.Entry, *event.Kernel)       {}
func (rungs) Process(*event.Entry, *event.Process)     {}
func (rungs) SockFound(*event.Entry, *event.SockFound) {}
func (rungs) Ready(*event.Entry, *event.Ready)         {}
func (rungs) Name(*event.Entry, *event.Name)           {}
func (rungs) Symbol(*event.Entry, *event.Symbol)       {}
func (rungs) Lost(*event.Entry, *event.Lost)           {}
func (rungs) Note(*event.Entry, *event.Note)           {}
func (rungs) Verdict(*event.Entry, *event.Verdict)     {}
func (rungs) Clock(*event.Entry, *event.Clock)         {}
func (rungs) Fact(*event.Entry, *event.Fact)           {}
func (rungs) End(*event.Entry, *event.End)             {}
func (rungs) Unknown(*event.Entry, *event.Unknown)     {}
