package pcapng

import (
	"strings"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink/clean"
)

// keeper updates the preamble with an entry.
type keeper struct{ *Preamble }

func (k keeper) Call(e *event.Entry, b *event.Call) {
	c := call{e.Seq, b.Name, -1}
	if len(b.Socks) > 0 {
		c.fd = b.Socks[0].FD
	}
	k.calls[e.Seq%keptCalls] = c
}

func (k keeper) Process(e *event.Entry, b *event.Process) { k.process(e, b) }

func (k keeper) SockFound(e *event.Entry, b *event.SockFound) {
	if b.Sock.ID.Inode != 0 {
		k.keep(itemKey{kind: ofSocket, a: b.Sock.ID.Inode}, e.Raw)
	} else {
		k.keep(itemKey{kind: ofSocket, b: b.Sock.ID.Cookie}, e.Raw)
	}
}

func (k keeper) Name(e *event.Entry, b *event.Name) {
	if b.What == event.NameIface && len(k.devices) < maxDevices {
		k.devices[device{b.NetNS, b.ID}] = strings.Clone(b.Name)
	}
	k.keep(itemKey{kind: ofName, a: uint64(b.What)<<32 | uint64(b.ID), b: b.NetNS}, e.Raw)
}

func (k keeper) Ready(e *event.Entry, b *event.Ready) {
	k.keep(itemKey{kind: ofReady, proc: e.Task.Proc, a: uint64(b.EpFD), b: uint64(b.FD)}, e.Raw)
}

func (k keeper) Clock(e *event.Entry, _ *event.Clock) { k.keep(itemKey{kind: ofClock}, e.Raw) }

func (k keeper) Fact(e *event.Entry, b *event.Fact) {
	k.keep(itemKey{kind: ofFact, proc: e.Task.Proc, text: strings.Clone(b.Name[:min(len(b.Name), maxNote)])}, e.Raw)
}

func (k keeper) Note(e *event.Entry, b *event.Note) {
	if b.Degraded {
		k.keep(itemKey{kind: ofNote, text: strings.Clone(b.Text[:min(len(b.Text), maxNote)])}, e.Raw)
	}
}

// Other bodies are not needed in the next file.

func (keeper) Capture(*event.Entry, *event.Capture)   {}
func (keeper) State(*event.Entry, *event.State)       {}
func (keeper) Handover(*event.Entry, *event.Handover) {}
func (keeper) Audit(*event.Entry, *event.Audit)       {}
func (keeper) Kernel(*event.Entry, *event.Kernel)     {}
func (keeper) Symbol(*event.Entry, *event.Symbol)     {}
func (keeper) Lost(*event.Entry, *event.Lost)         {}
func (keeper) End(*event.Entry, *event.End)           {}
func (keeper) Unknown(*event.Entry, *event.Unknown)   {}
func (keeper) Verdict(*event.Entry, *event.Verdict)   {}
func (keeper) Message(*event.Entry, *event.Message)   {}

// rows writes the row of an entry that is not a packet, if it has one.
type rows struct{ *Sink }

func (s rows) Call(e *event.Entry, b *event.Call) {
	s.learn(b.Answers)
	s.words(e, "syscall", "sys")
}

func (s rows) Audit(e *event.Entry, _ *event.Audit) { s.words(e, "audit", "aud") }

func (s rows) State(e *event.Entry, b *event.State) {
	if !b.Look {
		s.words(e, "state", "krn")
	}
}

func (s rows) Kernel(e *event.Entry, b *event.Kernel) {
	if b.What == event.KernelSock || b.What == event.KernelStep || b.Tracer == event.Pidwire && b.Function() {
		return // functions would outnumber the packets
	}
	s.words(e, "kernel", "krn")
}

func (s rows) Process(e *event.Entry, b *event.Process) {
	if b.What != event.Found {
		s.words(e, "process", "sys")
	}
}

func (s rows) Message(e *event.Entry, _ *event.Message) {
	s.called(e.Conn)
	s.words(e, "message", "msg")
}

func (s rows) Handover(e *event.Entry, b *event.Handover) {
	if b.From.PID != 0 {
		s.words(e, "handover", "pkt")
	}
}

func (s rows) Lost(e *event.Entry, b *event.Lost) {
	r := s.row(e.Time)
	s.str("lost ")
	s.uint(b.Count)
	s.str(" events: ")
	s.str(b.Reason)
	s.about(r, e, "lost", b.Layer.String(), prioWarning)
	s.endRow(r)
}

func (s rows) Note(e *event.Entry, b *event.Note) {
	prio := byte(prioInfo)
	if b.Degraded {
		prio = prioWarning
	}
	r := s.row(e.Time)
	s.b = clean.AppendText(s.b, b.Text)
	s.about(r, e, "note", "", prio)
	s.endRow(r)
}

func (s rows) Verdict(e *event.Entry, b *event.Verdict) {
	prio := byte(prioInfo)
	if b.Severity != event.Info {
		prio = prioWarning
	}
	r := s.row(e.Time)
	s.b = s.say.Append(s.b, e)
	s.about(r, e, "verdict", "", prio)
	s.endRow(r)
}

func (s rows) Unknown(e *event.Entry, b *event.Unknown) {
	r := s.row(e.Time)
	s.str("a record of kind ")
	s.uint(uint64(b.Kind))
	s.str(" that this version cannot read")
	s.about(r, e, "note", "", prioWarning)
	s.endRow(r)
}

// Packets have their own blocks. The records of other bodies go into the next row.

func (rows) Capture(*event.Entry, *event.Capture)     {}
func (rows) SockFound(*event.Entry, *event.SockFound) {}
func (rows) Ready(*event.Entry, *event.Ready)         {}
func (rows) Name(*event.Entry, *event.Name)           {}
func (rows) Symbol(*event.Entry, *event.Symbol)       {}
func (rows) Clock(*event.Entry, *event.Clock)         {}
func (rows) Fact(*event.Entry, *event.Fact)           {}
func (rows) End(*event.Entry, *event.End)             {}
