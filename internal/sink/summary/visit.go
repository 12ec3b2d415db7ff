package summary

import (
	"strings"

	"github.com/pidwire/pidwire/internal/event"
)

// counter counts an entry.
type counter struct{ *Sink }

func (s counter) Lost(_ *event.Entry, b *event.Lost) { s.lost += b.Count }

func (s counter) Kernel(_ *event.Entry, b *event.Kernel) {
	if b.Lost() {
		s.drop(b)
	}
}

func (s counter) Call(e *event.Entry, b *event.Call) {
	if b.State == event.Waiting {
		return // the call will be reported again
	}
	name := b.Name
	if b.Via == "io_uring" {
		name = "io_uring: " + name
	}
	c := s.calls[name]
	if c == nil && (len(s.calls) >= maxCalls || len(name) > maxCall) {
		name = furtherCalls
		c = s.calls[name]
	}
	if c == nil {
		c = &counts{}
		s.calls[strings.Clone(name)] = c // name may be in memory that is reused
	}
	c.add(b)
	if e.Conn == nil {
		return
	}
	k := s.conns[e.Conn.N]
	if k == nil {
		if len(s.conns) >= maxConns {
			s.more++
			return
		}
		if len(s.spare) == 0 {
			s.spare = make([]conn, 56) // 4 KiB: single allocations take 10 % more
		}
		k, s.spare = &s.spare[0], s.spare[1:]
		k.owner = s.nameOf(&e.Task)
		s.conns[e.Conn.N] = k
	}
	k.add(b)
	k.last = e.Conn
}

func (s counter) Message(e *event.Entry, b *event.Message) { s.said.Add(e, b) }

// Other bodies are not counted.

func (counter) Capture(*event.Entry, *event.Capture)     {}
func (counter) State(*event.Entry, *event.State)         {}
func (counter) Handover(*event.Entry, *event.Handover)   {}
func (counter) Audit(*event.Entry, *event.Audit)         {}
func (counter) Process(*event.Entry, *event.Process)     {}
func (counter) SockFound(*event.Entry, *event.SockFound) {}
func (counter) Ready(*event.Entry, *event.Ready)         {}
func (counter) Name(*event.Entry, *event.Name)           {}
func (counter) Symbol(*event.Entry, *event.Symbol)       {}
func (counter) Note(*event.Entry, *event.Note)           {}
func (counter) Verdict(*event.Entry, *event.Verdict)     {}
func (counter) Clock(*event.Entry, *event.Clock)         {}
func (counter) Fact(*event.Entry, *event.Fact)           {}
func (counter) End(*event.Entry, *event.End)             {}
func (counter) Unknown(*event.Entry, *event.Unknown)     {}
