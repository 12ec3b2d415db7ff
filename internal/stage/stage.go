// Package stage is what stands between flow and the sinks: each stage sees the
// entries of a timeline in order, may add to them, and may make entries of its own.
package stage

import "github.com/pidwire/pidwire/internal/event"

// Stage takes entries that are joined to their connections.
//
// Add passes e on by calling emit with it, once, in the same call; entries of the
// stage's own may go before it or after it. What a stage keeps of e it clones
// (event.Clone): memory of e is used again when Add has returned. An entry with the
// body event.End is the last one of every timeline: what a stage has put off goes
// before it. Add is called by one goroutine.
type Stage interface {
	Add(e *event.Entry, emit func(*event.Entry))
}

// Chain returns what puts an entry through the stages, in order, and gives last
// what comes out.
func Chain(stages []Stage, last func(*event.Entry)) func(*event.Entry) {
	if len(stages) == 0 {
		return last
	}
	first, next := stages[0], Chain(stages[1:], last)
	return func(e *event.Entry) { first.Add(e, next) }
}
