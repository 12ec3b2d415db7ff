package auditlog

import (
	"bytes"
	"slices"
)

// Event is the records of one serial number, as lines of audit.log.
type Event struct {
	Wall   int64 // ns since the Unix epoch
	Serial uint64
	Node   string
	Text   []byte // the lines, parted by newlines
	N      int    // of them
	Types  []uint16
}

const (
	// maxEvents are put together at once; a record that comes later than so
	// many others begins an event of its own.
	maxEvents = 64
	maxText   = 48 << 10 // of one event: further records are counted only
	// patience is how much later other records may be before an event is taken
	// for whole: old kernels do not say where one ends. In ns.
	patience = 2_000_000_000
	login    = 1006
)

// Assembler puts records together that belong to one event. Records of several
// events may come in turn. Events are given out in the order in which they became
// whole. What done is given is good until it returns.
//
// ausearch puts a line of dashes before each event: at Separator, Flush may be
// called, so that nothing waits.
type Assembler struct {
	open []*Event // oldest first
	free []*Event
	// Cut counts records that were left out of an event that is too long.
	Cut uint64
}

// Add takes a record, with its line as audit.log has it, and calls done for each
// event that is whole now.
func (a *Assembler) Add(r *Record, line []byte, done func(*Event) error) error {
	var e *Event
	for i := len(a.open) - 1; i >= 0 && e == nil; i-- {
		if o := a.open[i]; o.Serial == r.Serial && o.Wall == r.Wall() && o.Node == string(r.Node) {
			e = o
		}
	}
	if e == nil {
		if r.Type == EOE {
			return nil // of one that was given out already
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
	// Before EOE, which auditd does not write, the kernel sends PROCTITLE last;
	// ausearch prints it first.
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

// old gives out the events that were long before r. Each node has its own clock.
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

// Flush gives out what there is.
func (a *Assembler) Flush(done func(*Event) error) error {
	for len(a.open) > 0 {
		if err := a.give(0, done); err != nil {
			return err
		}
	}
	return nil
}

// Open returns how many events are not whole yet.
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

// several reports whether a record is of an event that may have others: those
// of the kernel that a system call brings about. Messages of user space stand
// alone. LOGIN has a number of theirs, and is the kernel's.
func several(kind uint16) bool {
	return kind == 0 || kind == login || kind >= 1300 && kind < 2000
}
