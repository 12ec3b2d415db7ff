// Package replay is the source of a recording: it needs no privilege, and runs
// on any system.
package replay

import (
	"context"
	"errors"
	"io"

	"github.com/pidwire/pidwire/internal/wire"
)

// Source reads a recording.
type Source struct {
	r     *wire.Reader
	ended bool
}

// New reads the prologue of a recording; see wire.NewReader for its errors.
func New(r io.Reader) (*Source, error) {
	rd, err := wire.NewReader(r)
	if err != nil {
		return nil, err
	}
	return &Source{r: rd}, nil
}

// Header returns the recording's header.
func (s *Source) Header() wire.Header { return s.r.Header }

// ErrNotClosed says that a recording is whole, block by block, but was not
// closed: its writer was killed between two blocks.
var ErrNotClosed = errors.New("not closed in order: the last moments may be missing")

// Run emits every record. It returns nil at the end of a
// recording that was closed, else ErrNotClosed, a *wire.CutError or a
// *wire.DamageError, after everything before that has been emitted.
func (s *Source) Run(ctx context.Context, emit func(wire.Record) error) error {
	for {
		rec, err := s.r.Next()
		if err == io.EOF {
			if err := emit(nil); err != nil {
				return err
			}
			if !s.ended {
				return ErrNotClosed
			}
			return nil
		}
		if err != nil {
			return errors.Join(emit(nil), err)
		}
		s.ended = rec.Kind() == wire.KindEnd
		if err := emit(rec); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}
