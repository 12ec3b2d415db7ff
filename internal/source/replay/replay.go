// Package replay reads recordings. It needs no privilege, and runs on any system.
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

// ErrNotClosed says that all blocks of a recording are complete, but it was not closed: its writer
// was killed between two blocks.
var ErrNotClosed = errors.New("not closed: the last events may be missing")

// Run emits every record that this version knows. For a recording of a later version it also emits
// notes: first about fields that it does not know, and at the end the number of records of unknown
// kinds that it skipped. It returns nil at the end of a recording that was closed; otherwise
// ErrNotClosed, a *wire.CutError or a *wire.DamageError, after all records before that have been
// emitted.
func (s *Source) Run(ctx context.Context, emit func(wire.Record) error) error {
	var unknown wire.Unknown
	at := s.r.Header.Mono
	if err := note(at, s.r.Later(), emit); err != nil {
		return err
	}
	for {
		rec, err := s.r.Next()
		if err != nil || rec.Kind() == wire.KindEnd {
			if err := note(at, unknown.Text(), emit); err != nil {
				return err
			}
			unknown = wire.Unknown{}
		}
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
		at = max(at, rec.Time())
		if !rec.Known() {
			unknown.Add(rec)
		} else if err := emit(rec); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// note emits a message about what is missing from the following records, unless it is empty.
func note(at uint64, text string, emit func(wire.Record) error) error {
	if text == "" {
		return nil
	}
	attrs := wire.AppendAttr(nil, wire.TagText, text)
	n := wire.Note{H: wire.Hdr{Kind: wire.KindNote, Time: at}, Level: wire.NoteDegraded, Attrs: uint16(len(attrs))}
	return emit(wire.Seal(append(n.Append(nil), attrs...)))
}
