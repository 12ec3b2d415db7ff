// Package intime reads what a hostile process can keep from being read: its memory behind /proc (the
// page may be of a FUSE file that nobody serves), and the files that it has mapped.
package intime

import (
	"errors"
	"fmt"
	"time"
)

// ErrLate says that something was not read in time, or was not tried any more.
var ErrLate = errors.New("not read in time")

// maxHung bounds the reads that have not come back: each holds a thread until it does. With so many
// nothing more is tried, for who watches must not be held up by one process after the other.
const maxHung = 16

var hung = make(chan struct{}, maxHung)

// Do calls f, and returns what it returns, or ErrLate after so long. f goes on then, in a goroutine of its
// own: it must not touch what its caller goes on with.
func Do[T any](within time.Duration, f func() (T, error)) (T, error) {
	var none T
	select {
	case hung <- struct{}{}:
	default:
		return none, fmt.Errorf("%w: %d earlier reads have not returned", ErrLate, maxHung)
	}
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	go func() {
		v, err := f()
		<-hung
		done <- result{v, err}
	}()
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.v, r.err
	case <-timer.C:
		return none, ErrLate
	}
}
