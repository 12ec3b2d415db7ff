//go:build linux

package load

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/wire"
)

// Target is what the kernel side has of a thread group in its targets map.
type Target struct {
	PID   uint32
	Mode  uint32 // enum pw_target; 0: none of it
	Since uint64 // CLOCK_MONOTONIC ns: the time of the record that tells of it; 0: user space said so
	No    bool   // undecided, and said no to
}

// targetBits is TARGET_BITS of bpf/pidwire.h.
const targetBits = 2

func targetOf(pid uint32, value uint64) Target {
	return Target{PID: pid, Mode: uint32(value & (1<<targetBits - 1)), Since: value >> targetBits}
}

func (t *Target) value() uint64 { return t.Since<<targetBits | uint64(t.Mode) }

// maybeSlots is MAYBE_SLOTS of bpf/pidwire.h.
const maybeSlots = 65536

// ErrFull says that the kernel side has no room for another target.
var ErrFull = errors.New("too many processes to watch")

// SetTarget sets what a thread group is, enum pw_target; it may be called from any
// goroutine. The error wraps ErrFull where there is no room.
func (k *Kernel) SetTarget(pid, mode uint32) error {
	t := Target{PID: pid, Mode: mode}
	if err := k.Maps.Targets.Put(pid, t.value()); errors.Is(err, unix.E2BIG) || errors.Is(err, unix.ENOMEM) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	} else if err != nil {
		return err
	}
	if err := k.Maps.Maybe.Put(pid%maybeSlots, uint8(1)); err != nil {
		return err
	}
	return k.changed()
}

// Forget makes a thread group nobody's target. Of one that is alive and may exec,
// Refuse is the way.
func (k *Kernel) Forget(pid uint32) error {
	if err := k.Maps.Targets.Delete(pid); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return err
	}
	if err := k.Maps.Refused.Delete(pid); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return err
	}
	return k.changed()
}

// Refuse says no to a thread group that is undecided since then. If it has exec'ed
// again meanwhile, it stays undecided.
func (k *Kernel) Refuse(pid uint32, since uint64) error {
	t := Target{PID: pid, Mode: wire.TargetTentative, Since: since}
	if err := k.Maps.Refused.Put(pid, t.value()); err != nil {
		return err
	}
	return k.changed()
}

// Target looks a thread group up.
func (k *Kernel) Target(pid uint32) (Target, error) {
	var value uint64
	if err := k.Maps.Targets.Lookup(pid, &value); errors.Is(err, ebpf.ErrKeyNotExist) {
		return Target{PID: pid}, nil
	} else if err != nil {
		return Target{}, err
	}
	t := targetOf(pid, value)
	if t.Mode == wire.TargetTentative {
		var no uint64
		t.No = k.Maps.Refused.Lookup(pid, &no) == nil && no == value
	}
	return t, nil
}

// Targets lists all that is in the targets map.
func (k *Kernel) Targets() (list []Target, err error) {
	no := map[uint32]uint64{}
	var pid uint32
	var value uint64
	// What changes while it is read may end an iteration early: once more then.
	for range 4 {
		list = list[:0]
		it := k.Maps.Refused.Iterate()
		for it.Next(&pid, &value) {
			no[pid] = value
		}
		it = k.Maps.Targets.Iterate()
		for it.Next(&pid, &value) {
			t := targetOf(pid, value)
			t.No = t.Mode == wire.TargetTentative && no[pid] == value
			list = append(list, t)
		}
		if err = it.Err(); err == nil {
			return list, nil
		}
		if !errors.Is(err, ebpf.ErrIterationAborted) {
			return nil, err
		}
	}
	return list, nil
}

// Drop takes out an entry that was said no to, of a process that is alive. If it
// has exec'ed just now, that is put back.
func (k *Kernel) Drop(t Target) error {
	var value uint64
	err := k.Maps.Targets.LookupAndDelete(t.PID, &value)
	switch {
	case errors.Is(err, ebpf.ErrKeyNotExist):
		return nil
	case errors.Is(err, ebpf.ErrNotSupported): // before 5.14
		if err := k.Maps.Targets.Lookup(t.PID, &value); err != nil || value != t.value() {
			return nil
		}
		err = k.Maps.Targets.Delete(t.PID)
	case err == nil && value != t.value():
		err = k.Maps.Targets.Update(t.PID, value, ebpf.UpdateNoExist)
	}
	if errors.Is(err, ebpf.ErrKeyNotExist) || errors.Is(err, ebpf.ErrKeyExist) {
		return nil
	}
	return err
}

// Room is how many thread groups the kernel side can have.
func (k *Kernel) Room() int { return int(k.Maps.Targets.MaxEntries()) }

// Ended returns when a watched thread group began that had the pid and has ended, ns
// since boot; 0 if none is known.
func (k *Kernel) Ended(pid uint32) (start uint64) {
	if k.Maps.Gone.Lookup(pid, &start) != nil {
		return 0
	}
	return start
}

// TakeLost returns what was lost of a thread group while it was undecided, by
// layer, and forgets it.
func (k *Kernel) TakeLost(pid uint32) (lost [wire.LayerAud]uint64) {
	if b, err := k.Maps.Undecided.LookupBytes(pid); err == nil && len(b) == 8*len(lost) {
		for i := 1; i < len(lost); i++ {
			lost[i] = binary.NativeEndian.Uint64(b[8*i:])
		}
		_ = k.Maps.Undecided.Delete(pid) // it is an LRU's: it may be gone
	}
	return lost
}

// changed has the threads look again at what is kept of them as targets.
func (k *Kernel) changed() error {
	if k.epoch == nil {
		return nil // nothing is loaded that keeps it
	}
	return k.epoch.Set(k.changes.Add(1))
}
