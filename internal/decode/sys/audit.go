package sys

import (
	"encoding/binary"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/syscalls"
	"github.com/pidwire/pidwire/internal/wire"
)

// Audited decodes a call of an audit record, which has only the first known arguments, the
// result, and perhaps a sockaddr (nil: none). Other memory is decoded as unreadable, other
// arguments are shown as ?. placed is true if the sockaddr is an argument of the call.
func (d *Decoder) Audited(s *wire.Syscall, known int, saddr []byte) (c *event.Call, placed bool, warn []string) {
	// Made-up user addresses for saddr and for its length.
	const addrAt, lenAt = 0xffff_0000, 0xffff_8000
	def := lookup(s)
	at, given := addressOf(def)
	d.mem.pieces = d.mem.pieces[:0]
	if at >= 0 && len(saddr) > 0 {
		placed = true
		s.Args[at] = addrAt
		n := d.arena.Bytes(4)
		binary.LittleEndian.PutUint32(n, uint32(len(saddr)))
		for _, phase := range [...]uint8{wire.PhaseEnter, wire.PhaseExit} {
			d.mem.pieces = append(d.mem.pieces, piece{addr: addrAt, n: uint64(len(saddr)), phase: phase, b: saddr}, piece{addr: lenAt, n: 4, phase: phase, b: n})
		}
		if s.Args[at+1] = lenAt; given {
			s.Args[at+1] = uint64(len(saddr))
		}
	}
	c, warn = d.syscall(s, nil)
	if placed && !d.failed {
		c.Addr = addrPort(saddr) // also for accept, whose record has no memory
	}
	for i := range c.Args {
		if i >= known && !(placed && (i == at || i == at+1)) {
			d.begin()
			d.text("", "?")
			c.Args[i].Raw, c.Args[i].Val, c.Args[i].Unknown = 0, d.finish(), true
		}
		if placed && (i == at || i == at+1) {
			c.Args[i].Raw, c.Args[i].Unknown = 0, true
		}
		if placed && i == at+1 && !given && !d.failed {
			// The size of the buffer is not recorded.
			d.begin()
			d.open(event.TArray, "")
			d.text("", "?")
			d.arrow()
			d.uint("", uint64(len(saddr)))
			d.end()
			c.Args[i].Val = d.finish()
		}
	}
	return c, placed, warn
}

// addressOf returns the index of the sockaddr argument of a call, -1 if there is none. given
// is true if the process passes the sockaddr, false if the kernel returns it. Its length is
// the next argument.
func addressOf(def *syscalls.Call) (at int, given bool) {
	if def == nil {
		return -1, false
	}
	for i := range def.Args {
		switch def.Args[i].Kind {
		case syscalls.AddrIn:
			return i, true
		case syscalls.AddrOut, syscalls.AddrRecv:
			return i, false
		}
	}
	return -1, false
}

// Address decodes a sockaddr.
func (d *Decoder) Address(saddr []byte) event.Tape {
	c, _, _ := d.Audited(&wire.Syscall{Abi: wire.AbiX8664, Nr: 49}, 3, saddr) // bind
	return c.Args[1].Val
}
