//go:build linux

package audit

import (
	"context"
	"sync"

	"github.com/pidwire/pidwire/internal/wire"
)

// Main is the source that says who is watched, and when it ends.
type Main interface {
	Header() wire.Header
	Run(ctx context.Context, emit func(wire.Record) error) error
}

// Both is a source of what Main sees and what audit records.
type Both struct {
	Main
	Audit *Source
}

// Run runs both until Main ends; audit's last records come before its end.
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
			abort(err) // without it the timeline would say less than it seems to
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
