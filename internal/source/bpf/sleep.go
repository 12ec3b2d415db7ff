//go:build linux

package bpf

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"
)

/*
The ring is looked at by the clock while there is something in it, and not at all while there is
nothing: the first record after a quiet time wakes the reader (ring_flags in bpf/pidwire.h).

The reader says that it sleeps, and then looks once more. A program that has asked before that, and was
told that nobody sleeps, may put its record into the ring behind the look: settle is what such a program is
given to be done. It runs for a microsecond, and nearly everywhere without being preempted.
*/

const (
	// quietAfter is how long the ring must be empty before the reader sleeps. It is longer than
	// merge holds records.
	quietAfter = 350 * time.Millisecond
	settle     = time.Millisecond
)

// past is a deadline for reads that must not block.
var past = time.Unix(1, 0)

// bed is the memory in which the BPF programs see whether the reader sleeps.
type bed struct{ asleep *ebpf.Memory }

func newBed(m *ebpf.Map) (bed, error) {
	asleep, err := m.Memory()
	if err != nil {
		return bed{}, fmt.Errorf("the map of the reader: %w", err)
	}
	return bed{asleep}, nil
}

func (b bed) set(asleep bool) error {
	var v uint64
	if asleep {
		v = 1
	}
	_, err := b.asleep.WriteAt(binary.NativeEndian.AppendUint64(nil, v), 0)
	return err
}

// sleep waits for a record, until a time, or for ctx to be done. A record that it has read is the
// first one of the next call of each.
func (s *Source) sleep(ctx context.Context, until time.Time) error {
	if err := s.bed.set(true); err != nil {
		return err
	}
	timer := time.NewTimer(settle)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
	var err error
	if ctx.Err() == nil && s.rd.AvailableBytes() == 0 {
		s.rd.SetDeadline(until)
		stop := context.AfterFunc(ctx, func() { _ = s.rd.Flush() })
		err = s.rd.ReadInto(&s.rec)
		stop()
		s.rd.SetDeadline(past)
		s.held = err == nil
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, ringbuf.ErrFlushed) {
		err = nil
	}
	return errors.Join(err, s.bed.set(false))
}
