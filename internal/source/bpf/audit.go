//go:build linux

package bpf

import "encoding/binary"

// Unaudited returns the threads of the targets that Linux audit cannot see, by
// process: those that were born before audit was on for the first time since
// boot. nil without an error where the kernel does not tell.
func (s *Source) Unaudited() (map[uint32][]uint32, error) {
	spec, err := loadAudit()
	if err != nil {
		return nil, err
	}
	coll, err := s.k.loadSpec(s.opts.Config, spec, nil)
	if err != nil {
		return nil, err
	}
	defer coll.Programs["unaudited"].Close()
	b, err := readIter(coll.Programs["unaudited"])
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
