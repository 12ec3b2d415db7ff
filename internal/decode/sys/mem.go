package sys

import (
	"encoding/binary"

	"github.com/pidwire/pidwire/internal/wire"
)

// memory is the captured memory of a record.
type memory struct {
	pieces []piece // reused for the next call
}

type piece struct {
	addr, n uint64
	phase   uint8
	fault   bool
	b       []byte
}

// maxPieces bounds the search. It has room for 8 messages of 16 iovecs, with their headers.
const maxPieces = 1024

func (m *memory) reset(chunks []byte) {
	m.pieces = m.pieces[:0]
	for len(chunks) >= wire.SizeChunk && len(m.pieces) < maxPieces {
		var c wire.Chunk
		c.Unmarshal(chunks)
		chunks = chunks[wire.SizeChunk:]
		p := piece{addr: c.Addr, n: uint64(c.Len), phase: c.Phase}
		if c.Flags&wire.ChunkFault != 0 {
			p.fault = true
			p.n = max(p.n, 1)
		} else {
			padded := (p.n + 7) &^ 7
			if padded > uint64(len(chunks)) {
				return
			}
			p.b = chunks[:p.n:p.n]
			chunks = chunks[padded:]
		}
		m.pieces = append(m.pieces, p)
	}
}

// at returns up to n captured bytes at addr in a phase, nil if there are none.
func (m *memory) at(addr, n uint64, phase uint8) []byte {
	var best []byte
	for i := range m.pieces {
		p := &m.pieces[i]
		if p.phase != phase || p.fault {
			continue
		}
		off := addr - p.addr
		if addr < p.addr || off >= p.n {
			continue
		}
		b := p.b[off:]
		if uint64(len(b)) >= n {
			return b[:n:n]
		}
		if len(b) > len(best) {
			best = b
		}
	}
	if best != nil {
		return m.stitch(best, addr, n, phase)
	}
	return nil
}

// stitch extends b, the bytes at addr, from adjacent pieces to up to n bytes. It copies b
// before it appends.
func (m *memory) stitch(b []byte, addr, n uint64, phase uint8) []byte {
	owned := false
	for joined := true; joined && uint64(len(b)) < n; {
		joined = false
		next := addr + uint64(len(b))
		for i := range m.pieces {
			p := &m.pieces[i]
			if p.phase != phase || p.fault || next < p.addr || next-p.addr >= p.n {
				continue
			}
			more := p.b[next-p.addr:]
			more = more[:min(uint64(len(more)), n-uint64(len(b)))]
			if !owned {
				b, owned = append([]byte(nil), b...), true
			}
			b = append(b, more...)
			joined = true
			break
		}
	}
	return b
}

// faulted reports whether the capture got a fault at addr.
func (m *memory) faulted(addr uint64) bool {
	for i := range m.pieces {
		p := &m.pieces[i]
		if p.fault && addr >= p.addr && addr-p.addr < p.n {
			return true
		}
	}
	return false
}

// in returns up to n bytes of memory that the call reads: those captured at entry, or those
// captured at exit if there are more. Most input memory is captured at exit.
func (d *Decoder) in(addr, n uint64) []byte {
	if addr == 0 {
		return nil
	}
	b := d.mem.at(addr, n, wire.PhaseEnter)
	if uint64(len(b)) < n {
		if x := d.mem.at(addr, n, wire.PhaseExit); len(x) > len(b) {
			return x
		}
	}
	return b
}

// out returns up to n bytes of memory captured at exit.
func (d *Decoder) out(addr, n uint64) []byte {
	if addr == 0 {
		return nil
	}
	return d.mem.at(addr, n, wire.PhaseExit)
}

// inAll is like in, but returns nil unless all n bytes were captured.
func (d *Decoder) inAll(addr, n uint64) []byte {
	if b := d.in(addr, n); uint64(len(b)) == n {
		return b
	}
	return nil
}

// outAll is like out, but returns nil unless all n bytes were captured.
func (d *Decoder) outAll(addr, n uint64) []byte {
	if b := d.out(addr, n); uint64(len(b)) == n {
		return b
	}
	return nil
}

// before returns n bytes of memory captured at entry, or nil unless all were captured.
func (d *Decoder) before(addr, n uint64) []byte {
	if addr == 0 {
		return nil
	}
	if b := d.mem.at(addr, n, wire.PhaseEnter); uint64(len(b)) == n {
		return b
	}
	return nil
}

// Readers of integers at an offset. They return 0 beyond the end of b.

func u8(b []byte, o int) uint64 {
	if o < len(b) {
		return uint64(b[o])
	}
	return 0
}

func u16(b []byte, o int) uint64 {
	if o+2 <= len(b) {
		return uint64(binary.LittleEndian.Uint16(b[o:]))
	}
	return 0
}

func u32(b []byte, o int) uint64 {
	if o+4 <= len(b) {
		return uint64(binary.LittleEndian.Uint32(b[o:]))
	}
	return 0
}

func u64(b []byte, o int) uint64 {
	if o+8 <= len(b) {
		return binary.LittleEndian.Uint64(b[o:])
	}
	return 0
}

func s32(b []byte, o int) int64 { return int64(int32(u32(b, o))) }
func s64(b []byte, o int) int64 { return int64(u64(b, o)) }

func be16(b []byte, o int) uint16 {
	if o+2 <= len(b) {
		return binary.BigEndian.Uint16(b[o:])
	}
	return 0
}

func be32(b []byte, o int) uint64 {
	if o+4 <= len(b) {
		return uint64(binary.BigEndian.Uint32(b[o:]))
	}
	return 0
}

// long reads an unsigned long or a pointer.
func (d *Decoder) long(b []byte, o int) uint64 {
	if d.word == 4 {
		return u32(b, o)
	}
	return u64(b, o)
}
