package event

import (
	"slices"
	"strings"
)

// Verdict is a cause that was found for what is slow or failing, or a note about something that looks
// like one and is harmless. The Event has the time from which it holds, and the task and connection that it is about.
type Verdict struct {
	Rank     int    // 1 is the cause to read first; 0 while the timeline has not ended
	Cause    string // an id of the catalogue: "dns-silent"; static
	Severity Severity
	Match    Match    // the weakest join that it depends on
	Conns    []uint32 // numbers of the connections, in order of appearance
	Cost     int64    // how long the process waited because of it, ns; 0: it cost no time, or failed
	Share    float64  // of the whole time, 0 to 1
	Count    int      // how often it happened
	Text     string   // the cause in a sentence, without a full stop: hostile bytes
	Evidence []Evident
	Try      []string // what would help
	Missing  []Layer  // layers that would have made it more certain
}

// Severity is how serious a verdict is.
type Severity uint8

const (
	Info    Severity = iota // harmless
	Warning                 // it was slow, or will fail
	Failure                 // it failed because of this
)

func (s Severity) String() string {
	switch s {
	case Failure:
		return "error"
	case Warning:
		return "warning"
	}
	return "info"
}

// Evident is an entry that a verdict rests on.
type Evident struct {
	Layer Layer
	Seq   uint64 // of the entry
	Time  int64  // ns since the Unix epoch
	Conn  uint32 // number of its connection; 0: none
	Text  string // what it says: hostile bytes
}

func (b *Verdict) visit(e *Entry, v Visitor) { v.Verdict(e, b) }

func (b *Verdict) clone() Body {
	c := *b
	c.Text, c.Conns, c.Missing = strings.Clone(b.Text), slices.Clone(b.Conns), slices.Clone(b.Missing)
	c.Evidence = slices.Clone(b.Evidence)
	for i := range c.Evidence {
		c.Evidence[i].Text = strings.Clone(c.Evidence[i].Text)
	}
	c.Try = cloneStrings(b.Try)
	return &c
}
