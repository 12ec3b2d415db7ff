package ladder_test

import (
	"io"
	"testing"

	"github.com/pidwire/pidwire/internal/sink"
	"github.com/pidwire/pidwire/internal/sink/ladder"
	"github.com/pidwire/pidwire/internal/sink/sinktest"
)

// TestContract checks the contract of sinks. The drawing is checked with the recordings of
// testdata/rec (.ladder).
func TestContract(t *testing.T) {
	for name, o := range map[string]ladder.Options{"wide": {Conn: 1, Width: 140}, "narrow": {Conn: 1, Width: 60}, "ascii": {Conn: 3, ASCII: true}} {
		t.Run(name, func(t *testing.T) {
			sinktest.Run(t, func(w io.Writer) sink.Sink { return ladder.New(w, o) }, sinktest.Options{AtClose: true})
		})
	}
}
