//go:build linux

package bpf

import (
	"encoding/binary"

	"github.com/pidwire/pidwire/internal/source/bpf/load"
)

// Unaudited returns the threads of the targets that Linux audit cannot see, by
// process: those that were created before audit was enabled for the first time since
// boot. It returns nil and no error if the kernel does not support the iterator.
func (s *Source) Unaudited() (map[uint32][]uint32, error) {
	prog, err := s.k.Unaudited(s.opts.Config)
	if err != nil {
		return nil, err
	}
	defer prog.Close()
	b, err := load.ReadIter(prog)
	if err != nil {
		return nil, err
	}
	threads := map[uint32][]uint32{}
	const entry = 8 // struct unaudited in bpf/audit.bpf.c
	for ; len(b) >= entry; b = b[entry:] {
		tgid := binary.NativeEndian.Uint32(b)
		threads[tgid] = append(threads[tgid], binary.NativeEndian.Uint32(b[4:]))
	}
	return threads, nil
}
