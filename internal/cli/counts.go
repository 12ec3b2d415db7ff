package cli

import (
	"fmt"
	"time"

	"github.com/pidwire/pidwire/internal/pipeline"
)

// counts is the line at the end.
func (a *app) counts(r pipeline.Result, d time.Duration) {
	var dropped uint64
	for _, n := range r.Dropped {
		dropped += n
	}
	lost := fmt.Sprintf("lost sys %d", r.Lost)
	if dropped > 0 {
		lost += fmt.Sprintf(", output %d", dropped)
	}
	fmt.Fprintf(a.stderr, "--- %d calls in %s · %s\n", r.Calls, d.Round(time.Millisecond), lost)
}

func lostAny(r pipeline.Result) bool {
	for _, d := range r.Dropped {
		if d > 0 {
			return true
		}
	}
	return r.Lost > 0
}
