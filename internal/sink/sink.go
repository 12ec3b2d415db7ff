// Package sink is where the timeline leaves pidwire: words are made here, and
// nothing is asked of a source.
package sink

import "github.com/pidwire/pidwire/internal/event"

// Sink takes the entries of one timeline, in order, from one goroutine.
type Sink interface {
	// Write takes one entry. It is the sink's during the call only: its memory
	// is used again. Conns are not, and may be kept.
	Write(*event.Entry) error
	// Flush hands on what is buffered: nothing more is at hand now.
	Flush() error
	// Close ends the output. It does not close what New was given.
	Close() error
}
