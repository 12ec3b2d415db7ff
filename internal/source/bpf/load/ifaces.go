//go:build linux

package load

import (
	"encoding/binary"
	"errors"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/source/bpf/object"
)

// loadIfaces loads the iterator over the interfaces of a network namespace. Without it the namespace is
// entered to read them.
func (k *Kernel) loadIfaces(c Config) {
	spec, o, err := object.Open[object.IfacesSpecs](object.LoadIfaces)
	if err != nil {
		return
	}
	wanted, err := ebpf.NewMap(o.Wanted)
	if err != nil {
		return
	}
	k.owned = append(k.owned, wanted)
	progs, err := k.load(c, spec, map[string]*ebpf.Map{object.IfacesMapWanted: wanted}, o.Interfaces)
	if err != nil {
		return
	}
	k.wanted, k.ifaces = wanted, progs[0]
}

// Iface is a network interface.
type Iface struct {
	Index uint32
	Name  string
}

// ErrNoIterator says that this kernel does not tell of the interfaces of another network namespace.
var ErrNoIterator = errors.New("no iterator over network interfaces")

// TellsInterfaces reports whether Interfaces can be asked.
func (k *Kernel) TellsInterfaces() bool { return k.ifaces != nil }

// Interfaces lists the interfaces of a network namespace, by its inode. It is empty where no process is in
// it. It is for one goroutine.
func (k *Kernel) Interfaces(netns uint32) (list []Iface, err error) {
	if k.ifaces == nil {
		return nil, ErrNoIterator
	}
	// As WANTED and FOUND of bpf/ifaces.bpf.c.
	if err := errors.Join(k.wanted.Put(uint32(0), netns), k.wanted.Put(uint32(1), uint32(0))); err != nil {
		return nil, err
	}
	b, err := ReadIter(k.ifaces)
	if err != nil {
		return nil, err
	}
	const entry = 20 // struct iface there
	for ; len(b) >= entry; b = b[entry:] {
		list = append(list, Iface{binary.NativeEndian.Uint32(b), unix.ByteSliceToString(b[4:entry])})
	}
	return list, nil
}
