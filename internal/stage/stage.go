// Package stage defines the stages between flow and the sinks. Each stage gets the
// entries of a timeline in order, may modify them, and may insert entries of its own.
package stage

import "github.com/pidwire/pidwire/internal/event"

// Stage processes entries that have been assigned to their connections.
//
// Add must call emit with e once, before it returns; it may emit entries of the
// stage's own before or after e. e is valid until Add returns: a stage that keeps
// parts of it must clone it (Entry.Clone). An entry with the body event.End is the last
// one of every timeline: a stage must emit all delayed entries before it. Add is called
// from one goroutine.
type Stage interface {
	Add(e *event.Entry, emit func(*event.Entry))
}

// Chain returns a function that passes an entry through the stages in order, and calls last
// with each entry that they emit.
func Chain(stages []Stage, last func(*event.Entry)) func(*event.Entry) {
	if len(stages) == 0 {
		return last
	}
	first, next := stages[0], Chain(stages[1:], last)
	return func(e *event.Entry) { first.Add(e, next) }
}
