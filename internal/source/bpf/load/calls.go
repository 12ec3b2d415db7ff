//go:build linux

package load

import (
	"runtime"

	"github.com/cilium/ebpf"

	"github.com/pidwire/pidwire/internal/syscalls"
	"github.com/pidwire/pidwire/internal/wire"
)

// fillCalls fills the map of calls, indexed by syscall number for each of the two ABIs of
// this machine, and by the call number of socketcall(2).
func fillCalls(m *ebpf.Map, want func(*syscalls.Call) bool) error {
	native, compat := uint8(wire.AbiX8664), uint8(wire.AbiI386)
	if runtime.GOARCH == "arm64" {
		native, compat = wire.AbiARM64, wire.AbiARM
	}
	put := func(slot int, d wire.Calldesc) error {
		return m.Put(uint32(slot), d.Append(nil))
	}
	for i := range syscalls.Table {
		c := &syscalls.Table[i]
		if !want(c) {
			continue
		}
		if n, ok := c.Number(native); ok {
			if err := put(wire.SlotNative+int(n), c.Desc()); err != nil {
				return err
			}
		}
		if n, ok := c.Number(compat); ok {
			if err := put(wire.SlotCompat+int(n), c.Desc()); err != nil {
				return err
			}
		}
		if c.Vector != 0 && compat == wire.AbiI386 {
			if err := put(wire.SlotVector+int(c.Vector), c.Desc()); err != nil {
				return err
			}
			if err := put(wire.SlotCompat+syscalls.Socketcall, wire.Calldesc{Flags: wire.DescOn, Fd1: -1, Fd2: -1}); err != nil {
				return err
			}
		}
	}
	if native == wire.AbiX8664 {
		for nr, name := range syscalls.X32 {
			if c := syscalls.ByName(name); want(c) {
				if err := put(wire.SlotNative+int(nr), c.Desc()); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
