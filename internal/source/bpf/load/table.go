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

// Target is the entry of a thread group in the targets map.
type Target struct {
	PID   uint32
	Mode  uint32 // enum pw_target; 0: there is no entry
	Since uint64 // CLOCK_MONOTONIC ns, time of the record that announces it; 0: set by user space
	No    bool   // undecided, and refused by user space
}

// targetBits is TARGET_BITS of bpf/pidwire.h.
const targetBits = 2

func targetOf(pid uint32, value uint64) Target {
	return Target{PID: pid, Mode: uint32(value & (1<<targetBits - 1)), Since: value >> targetBits}
}

func (t *Target) value() uint64 { return t.Since<<targetBits | uint64(t.Mode) }

// maybeSlots is MAYBE_SLOTS of bpf/pidwire.h.
const maybeSlots = 65536

// ErrFull means that the targets map is full.
var ErrFull = errors.New("too many processes to watch")

// SetTarget sets the mode of a thread group, enum pw_target. It is safe for concurrent
// use. The error wraps ErrFull if the map is full.
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

// Forget deletes the entry of a thread group. For one that is alive and may exec, use
// Refuse instead.
func (k *Kernel) Forget(pid uint32) error {
	if err := k.Maps.Targets.Delete(pid); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return err
	}
	if err := k.Maps.Refused.Delete(pid); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return err
	}
	return k.changed()
}

// Refuse marks a thread group that is undecided since that time as not watched. If it has
// exec'ed again meanwhile, it stays undecided.
func (k *Kernel) Refuse(pid uint32, since uint64) error {
	t := Target{PID: pid, Mode: wire.TargetTentative, Since: since}
	if err := k.Maps.Refused.Put(pid, t.value()); err != nil {
		return err
	}
	return k.changed()
}

// Target returns the entry of a thread group. Its Mode is 0 if there is none.
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

// Targets lists the targets map.
func (k *Kernel) Targets() (list []Target, err error) {
	no := map[uint32]uint64{}
	var pid uint32
	var value uint64
	// Concurrent changes may abort an iteration; then it is repeated.
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

// Drop deletes the entry of a refused process that is alive. If the process has exec'ed
// meanwhile and the entry is a new one, it is kept.
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

// Room returns the capacity of the targets map.
func (k *Kernel) Room() int { return int(k.Maps.Targets.MaxEntries()) }

// Ended returns the start time, in ns since boot, of a watched thread group with that pid
// that has ended; 0 if none is known.
func (k *Kernel) Ended(pid uint32) (start uint64) {
	if k.Maps.Gone.Lookup(pid, &start) != nil {
		return 0
	}
	return start
}

// TakeLost returns and clears the number of records lost for a thread group while it was
// undecided, by layer.
func (k *Kernel) TakeLost(pid uint32) (lost [wire.LayerAud]uint64) {
	if b, err := k.Maps.Undecided.LookupBytes(pid); err == nil && len(b) == 8*len(lost) {
		for i := 1; i < len(lost); i++ {
			lost[i] = binary.NativeEndian.Uint64(b[8*i:])
		}
		_ = k.Maps.Undecided.Delete(pid) // an LRU map: the entry may be gone
	}
	return lost
}

// changed increments the epoch, which makes the programs look up again whether threads are targets.
func (k *Kernel) changed() error {
	if k.epoch == nil {
		return nil // no program with the variable is loaded
	}
	return k.epoch.Set(k.changes.Add(1))
}
