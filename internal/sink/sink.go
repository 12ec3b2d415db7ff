// Package sink is the end of the timeline: its subpackages format entries. A sink never asks a
// source.
package sink

import "github.com/pidwire/pidwire/internal/event"

// Sink takes the entries of one timeline, in order, from one goroutine.
type Sink interface {
	// Write handles one entry, which is valid until Write returns: its memory is reused. Conns are
	// never reused, and may be kept.
	Write(*event.Entry) error
	// Flush writes buffered output: there are no more entries at the moment.
	Flush() error
	// Close ends the output. It does not close the writer that was passed to New.
	Close() error
}
