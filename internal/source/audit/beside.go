//go:build linux

package audit

import (
	"context"
	"sync"

	"github.com/pidwire/pidwire/internal/wire"
)

// Main is the source that selects the watched processes and determines the end of the run.
type Main interface {
	Header() wire.Header
	Run(ctx context.Context, emit func(wire.Record) error) error
}

// Both is a source that combines the records of Main with those of audit.
type Both struct {
	Main
	Audit *Source
}

// Run runs both sources until Main ends. The last audit records are emitted before the end record of Main.
func (b *Both) Run(ctx context.Context, emit func(wire.Record) error) error {
	var mu sync.Mutex
	locked := func(r wire.Record) error {
		mu.Lock()
		defer mu.Unlock()
		return emit(r)
	}
	reading, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	main, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	done := make(chan error, 1)
	go func() {
		err := b.Audit.Run(reading, locked)
		if err != nil {
			abort(err) // without audit, the timeline would be incomplete without notice
		}
		done <- err
	}()
	var auditErr error
	ended := false
	err := b.Main.Run(main, func(r wire.Record) error {
		if r != nil && r.Kind() == wire.KindEnd {
			stop()
			auditErr, ended = <-done, true
		}
		if r != nil && r.Kind() == wire.KindSyscall {
			b.Audit.called.Store(r.Time())
		}
		return locked(r)
	})
	if !ended {
		stop()
		auditErr = <-done
	}
	if auditErr != nil {
		return auditErr
	}
	return err
}
