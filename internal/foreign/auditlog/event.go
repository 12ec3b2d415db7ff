package auditlog

import (
	"bytes"
	"slices"
)

// Event has the records with one serial number, as lines of audit.log.
type Event struct {
	Wall   int64 // ns since the Unix epoch
	Serial uint64
	Node   string
	Text   []byte // the lines, separated by newlines
	N      int    // number of lines
	Types  []uint16
}

const (
	// maxEvents is the maximum number of incomplete events. A record that arrives after so
	// many other events starts a new event.
	maxEvents = 64
	maxText   = 48 << 10 // maximum text of an event; further records are only counted
	// patience is the time in ns after which an event is complete if later records have
	// arrived. Old kernels do not mark the end of an event.
	patience = 2_000_000_000
	login    = 1006
)

// Assembler groups records by event. Records of several events may be interleaved. done is called for
// events in the order in which they become complete; its argument is valid until it returns.
//
// ausearch prints a line of dashes before each event: the caller may call Flush at Separator to avoid
// delays.
type Assembler struct {
	open []*Event // oldest first
	free []*Event
	// Cut counts records that were omitted from events that are too long.
	Cut uint64
}

// Add adds a record, with its line as in audit.log, and calls done for each event that is now
// complete.
func (a *Assembler) Add(r *Record, line []byte, done func(*Event) error) error {
	var e *Event
	for i := len(a.open) - 1; i >= 0 && e == nil; i-- {
		if o := a.open[i]; o.Serial == r.Serial && o.Wall == r.Wall() && o.Node == string(r.Node) {
			e = o
		}
	}
	if e == nil {
		if r.Type == EOE {
			return nil // of an event that is already done
		}
		if len(a.open) >= maxEvents {
			if err := a.give(0, done); err != nil {
				return err
			}
		}
		e = a.begin(r)
	}
	if r.Type != EOE {
		line = bytes.TrimRight(line, "\r\n")
		if len(e.Text)+1+len(line) > maxText {
			a.Cut++
		} else {
			if e.N > 0 {
				e.Text = append(e.Text, '\n')
			}
			e.Text = append(e.Text, line...)
			e.N++
			e.Types = append(e.Types, r.Type)
		}
	}
	// The kernel sends PROCTITLE last, before EOE, which auditd does not write. ausearch prints
	// it first.
	if r.Type == EOE || !several(r.Type) || r.Type == ProcTitle && slices.Contains(e.Types, Syscall) {
		for i, o := range a.open {
			if o == e {
				if err := a.give(i, done); err != nil {
					return err
				}
				break
			}
		}
	}
	return a.old(r, done)
}

// old calls done for events of the node of r that are older than r by patience. Each node has its
// own clock.
func (a *Assembler) old(r *Record, done func(*Event) error) error {
	wall := r.Wall()
	for i := 0; i < len(a.open); {
		o := a.open[i]
		if wall-o.Wall <= patience || o.Node != string(r.Node) {
			i++
			continue
		}
		if err := a.give(i, done); err != nil {
			return err
		}
	}
	return nil
}

// Flush calls done for all events.
func (a *Assembler) Flush(done func(*Event) error) error {
	for len(a.open) > 0 {
		if err := a.give(0, done); err != nil {
			return err
		}
	}
	return nil
}

// Open returns the number of incomplete events.
func (a *Assembler) Open() int { return len(a.open) }

func (a *Assembler) begin(r *Record) *Event {
	var e *Event
	if n := len(a.free); n > 0 {
		e, a.free = a.free[n-1], a.free[:n-1]
	} else {
		e = new(Event)
	}
	*e = Event{Wall: r.Wall(), Serial: r.Serial, Node: e.Node, Text: e.Text[:0], Types: e.Types[:0]}
	if e.Node != string(r.Node) {
		e.Node = string(r.Node)
	}
	a.open = append(a.open, e)
	return e
}

func (a *Assembler) give(i int, done func(*Event) error) error {
	e := a.open[i]
	a.open = append(a.open[:i], a.open[i+1:]...)
	var err error
	if e.N > 0 {
		err = done(e)
	}
	a.free = append(a.free, e)
	return err
}

// several reports whether a record is of an event that may have others: records of the kernel for a
// system call. Messages of user space are single records. LOGIN has a number in their range, but
// is of the kernel.
func several(kind uint16) bool {
	return kind == 0 || kind == login || kind >= 1300 && kind < 2000
}
