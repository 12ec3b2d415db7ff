package auditlog

import "bytes"

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
)

// Assembler puts records together that belong to one event. Records of several
// events may come in turn. What it gives out is good until the next call.
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
		switch {
		case len(e.Text)+len(line) > maxText:
			a.Cut++
		default:
			if e.N > 0 {
				e.Text = append(e.Text, '\n')
			}
			e.Text = append(e.Text, bytes.TrimRight(line, "\r\n")...)
			e.N++
			e.Types = append(e.Types, r.Type)
		}
	}
	if r.Type == EOE || !several(r.Type) {
		for i, o := range a.open {
			if o == e {
				return a.give(i, done)
			}
		}
	}
	for len(a.open) > 0 && r.Wall()-a.open[0].Wall > patience {
		if err := a.give(0, done); err != nil {
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
	e := &Event{}
	if n := len(a.free); n > 0 {
		e, a.free = a.free[n-1], a.free[:n-1]
	}
	*e = Event{Wall: r.Wall(), Serial: r.Serial, Text: e.Text[:0], Types: e.Types[:0]}
	if len(r.Node) > 0 {
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
// alone.
func several(kind uint16) bool {
	return kind == 0 || kind >= 1300 && kind < 2000
}
