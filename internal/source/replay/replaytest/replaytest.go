// Package replaytest reads the recordings that tests begin with.
package replaytest

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/pidwire/pidwire/internal/source/replay"
	"github.com/pidwire/pidwire/internal/wire"
)

// Each calls f with the header and the records of each recording that the glob
// pattern matches, of which there must be one. The records are f's to keep.
func Each(tb testing.TB, pattern string, f func(h wire.Header, records []wire.Record)) {
	tb.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		tb.Fatalf("%d recordings: %v", len(files), err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			tb.Fatal(err)
		}
		src, err := replay.New(bytes.NewReader(b))
		if err != nil {
			tb.Fatal(err)
		}
		var records []wire.Record
		if err := src.Run(context.Background(), func(r wire.Record) error {
			if r != nil {
				records = append(records, bytes.Clone(r))
			}
			return nil
		}); err != nil {
			tb.Fatal(err)
		}
		f(src.Header(), records)
	}
}
