// Package sourcetest is the contract of all sources: the test of each source calls Run.
package sourcetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/pidwire/pidwire/internal/wire"
)

// Source is a source, as used by the pipeline.
type Source interface {
	Header() wire.Header
	Run(ctx context.Context, emit func(wire.Record) error) error
}

// Options describe how a source is created, and how it ends.
type Options struct {
	// New creates a source with at least one record. Resources that must be closed are registered
	// with t.Cleanup.
	New func(t *testing.T) Source
	// Stir causes an event that a live source will see. It is called in a goroutine while the
	// source runs, and again every 10 ms. nil: the source has records without it.
	Stir func()
	// Endless: the source only ends when its context is done.
	Endless bool
}

// patience is the time after which an operation counts as stuck.
const patience = 30 * time.Second

// Run tests a source.
func Run(t *testing.T, o Options) {
	t.Run("header", func(t *testing.T) { header(t, o) })
	t.Run("records", func(t *testing.T) { records(t, o) })
	t.Run("an error of emit ends it", func(t *testing.T) { emitError(t, o) })
	t.Run("its context ends it", func(t *testing.T) { cancelled(t, o) })
}

func header(t *testing.T, o Options) {
	h := o.New(t).Header()
	if h.Version == 0 || h.Version > wire.WireVersion {
		t.Errorf("version %d, this is %d", h.Version, wire.WireVersion)
	}
	if h.Arch != "amd64" && h.Arch != "arm64" {
		t.Errorf("architecture %q", h.Arch)
	}
	if h.Wall == 0 || h.Mono == 0 {
		t.Errorf("the timeline has no zero: wall %d, mono %d", h.Wall, h.Mono)
	}
	if y := time.Unix(0, int64(h.Wall)).Year(); y < 2020 || y > 2200 {
		t.Errorf("the timeline begins in the year %d", y)
	}
}

// run runs a source until it ends, or until emit ends it. It fails if this takes too long.
func run(t *testing.T, o Options, ctx context.Context, emit func(wire.Record) error) error {
	t.Helper()
	s := o.New(t)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if o.Stir != nil {
		stirred := make(chan struct{})
		defer func() { stop(); <-stirred }()
		go func() {
			defer close(stirred)
			for tick := time.NewTicker(10 * time.Millisecond); ; {
				o.Stir()
				select {
				case <-ctx.Done():
					tick.Stop()
					return
				case <-tick.C:
				}
			}
		}()
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, emit) }()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		t.Fatalf("the source runs on after %s", patience)
		return nil
	}
}

// records checks that each record is well formed, that the source reports when there are no more
// records at the moment, and how it ends.
func records(t *testing.T, o Options) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var n, idle, atIdle int
	var last uint16
	h := o.New(t).Header()
	err := run(t, o, ctx, func(r wire.Record) error {
		if r == nil {
			idle, atIdle = idle+1, n
			if o.Endless && n > 0 {
				cancel()
			}
			return nil
		}
		n++
		if last == wire.KindEnd {
			t.Errorf("record %d, of kind %d, after the end", n, r.Kind())
		}
		last = r.Kind()
		WellFormed(t, h, r)
		return nil
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("Run: %v", err)
	}
	if n == 0 {
		t.Error("no record")
	}
	if idle == 0 {
		t.Error("it never said that nothing more is at hand: sinks would hold their lines back")
	}
	if err == nil && last != wire.KindEnd {
		t.Errorf("it ended in order, and its last record is of kind %d", last)
	}
	if err == nil && atIdle < n-1 {
		t.Errorf("%d records came after it had last said that nothing is at hand", n-atIdle)
	}
}

// emitError checks that the source returns the error of emit, and does not call emit again.
func emitError(t *testing.T, o Options) {
	full := errors.New("no space left on device")
	calls := 0
	err := run(t, o, context.Background(), func(r wire.Record) error {
		if r == nil && calls == 0 {
			return nil
		}
		calls++
		return full
	})
	if !errors.Is(err, full) {
		t.Errorf("Run returns %v, emit gave %v", err, full)
	}
	if calls != 1 {
		t.Errorf("emit was called %d times after its error", calls-1)
	}
}

// cancelled checks that a source ends soon after its context is done, before it starts or in the
// middle.
func cancelled(t *testing.T, o Options) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	check := func(when string, err error) {
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled %s: %v", when, err)
		}
	}
	check("before it began", run(t, o, ctx, func(wire.Record) error { return nil }))
	ctx, cancel = context.WithCancel(context.Background())
	defer cancel()
	check("in the middle", run(t, o, ctx, func(r wire.Record) error {
		if r != nil {
			cancel()
		}
		return nil
	}))
}
