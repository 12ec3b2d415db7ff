package sys

import (
	"encoding/binary"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/wire"
)

// Audited decodes a call of which audit has the first known arguments, its
// result, and an address that it took or gave, as bytes of a sockaddr (nil:
// none). Memory that audit does not have is shown as a tracer shows what it
// cannot read, arguments that it does not have as ?. placed says that an
// argument of the call is the address.
func (d *Decoder) Audited(s *wire.Syscall, known int, saddr []byte) (c *event.Call, placed bool, warn []string) {
	// No process has memory there.
	const addrAt, lenAt = 0xffff_0000, 0xffff_8000
	def := lookup(s)
	at := addressOf(def)
	d.mem.pieces = d.mem.pieces[:0]
	if def != nil && at >= 0 && len(saddr) > 0 {
		placed = true
		s.Args[at] = addrAt
		n := d.arena.Bytes(4)
		binary.LittleEndian.PutUint32(n, uint32(len(saddr)))
		for _, phase := range [...]uint8{wire.PhaseEnter, wire.PhaseExit} {
			d.mem.pieces = append(d.mem.pieces, piece{addr: addrAt, n: uint64(len(saddr)), phase: phase, b: saddr}, piece{addr: lenAt, n: 4, phase: phase, b: n})
		}
		if def.args[at+1].name == "addrlen" {
			if takesAddress(def) {
				s.Args[at+1] = uint64(len(saddr))
			} else {
				s.Args[at+1] = lenAt
			}
		}
	}
	c, warn = d.syscall(s, nil)
	if placed && !d.failed {
		c.Addr = addrPort(saddr) // of accept too, which did not give it
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
		if placed && i == at+1 && !takesAddress(def) && !d.failed && def.args[i].name == "addrlen" {
			// How much room there was is not recorded.
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

// addressOf returns which argument of a call is a socket's address, -1 if none.
func addressOf(def *call) int {
	if def == nil {
		return -1
	}
	for i := range def.args {
		switch def.args[i].name {
		case "addr", "dest_addr", "src_addr":
			if i+1 < len(def.args) {
				return i
			}
		}
	}
	return -1
}

func takesAddress(def *call) bool {
	return def.name == "connect" || def.name == "bind" || def.name == "sendto"
}

// Address decodes the bytes of a sockaddr by itself.
func (d *Decoder) Address(saddr []byte) event.Tape {
	c, _, _ := d.Audited(&wire.Syscall{Abi: wire.AbiX8664, Nr: 49}, 3, saddr) // bind
	return c.Args[1].Val
}
