//go:build linux

package load

import (
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
	found, err := ebpf.NewMap(o.Found)
	if err != nil {
		return
	}
	k.owned = append(k.owned, found)
	progs, err := k.load(c, spec, map[string]*ebpf.Map{object.IfacesMapWanted: wanted, object.IfacesMapFound: found}, o.Interfaces)
	if err != nil {
		return
	}
	k.wanted, k.found, k.ifaces = wanted, found, progs[0]
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
	// As WANTED, FOUND and COUNT of bpf/ifaces.bpf.c.
	if err := errors.Join(k.wanted.Put(uint32(0), netns), k.wanted.Put(uint32(1), uint32(0)), k.wanted.Put(uint32(2), uint32(0))); err != nil {
		return nil, err
	}
	if _, err := ReadIter(k.ifaces); err != nil {
		return nil, err
	}
	var count uint32
	if err := k.wanted.Lookup(uint32(2), &count); err != nil {
		return nil, err
	}
	for n := range count {
		var i struct { // struct iface there
			Index uint32
			Name  [16]byte
		}
		if err := k.found.Lookup(n, &i); err != nil {
			return nil, err
		}
		list = append(list, Iface{i.Index, unix.ByteSliceToString(i.Name[:])})
	}
	return list, nil
}
