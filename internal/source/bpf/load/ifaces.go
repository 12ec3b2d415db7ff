//go:build linux

package load

import (
	"errors"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/source/bpf/object"
)

// loadIfaces loads the iterator over the interfaces of a network namespace. It is optional: without it, the
// interfaces are read by a thread that enters the namespace.
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

// ErrNoIterator means that the iterator over the interfaces of a network namespace is not available.
var ErrNoIterator = errors.New("no iterator over network interfaces")

// TellsInterfaces reports whether Interfaces is available.
func (k *Kernel) TellsInterfaces() bool { return k.ifaces != nil }

// Interfaces lists the interfaces of a network namespace, given by inode. The list is empty if no process is in
// the namespace. It is not safe for concurrent use.
func (k *Kernel) Interfaces(netns uint32) (list []Iface, err error) {
	if k.ifaces == nil {
		return nil, ErrNoIterator
	}
	// Slots 0 to 2 are WANTED, FOUND and COUNT of bpf/ifaces.bpf.c.
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
		var i struct { // struct iface of bpf/ifaces.bpf.c
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
