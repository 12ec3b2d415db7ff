//go:build linux

package load

import (
	"runtime"

	"github.com/cilium/ebpf"

	"github.com/pidwire/pidwire/internal/wire"
)

// fillCalls writes the table of calls: by number for each of the two ABIs of
// this machine, and by the number inside socketcall.
func fillCalls(m *ebpf.Map, want func(string) bool) error {
	native, compat := uint8(wire.AbiX8664), uint8(wire.AbiI386)
	if runtime.GOARCH == "arm64" {
		native, compat = wire.AbiARM64, wire.AbiARM
	}
	put := func(slot int, d wire.Calldesc) error {
		return m.Put(uint32(slot), d.Append(nil))
	}
	for i := range wire.Calls {
		c := &wire.Calls[i]
		if !want(c.Name) {
			continue
		}
		if n, ok := c.Number(native); ok {
			if err := put(wire.SlotNative+int(n), c.Desc); err != nil {
				return err
			}
		}
		if n, ok := c.Number(compat); ok {
			if err := put(wire.SlotCompat+int(n), c.Desc); err != nil {
				return err
			}
		}
		if c.Socketcall != 0 && compat == wire.AbiI386 {
			if err := put(wire.SlotVector+int(c.Socketcall), c.Desc); err != nil {
				return err
			}
			if err := put(wire.SlotCompat+wire.Socketcall, wire.Calldesc{Flags: wire.DescOn, Fd1: -1, Fd2: -1}); err != nil {
				return err
			}
		}
	}
	if native == wire.AbiX8664 {
		for nr, name := range wire.X32Numbers {
			if want(name) {
				if err := put(wire.SlotNative+int(nr), wire.CallByName(name).Desc); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
