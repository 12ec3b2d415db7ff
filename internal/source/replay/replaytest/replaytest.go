// Package replaytest reads recordings for tests.
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

// Each calls f with the header and the records of each recording that matches the glob pattern.
// There must be at least one. f may keep the records.
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
