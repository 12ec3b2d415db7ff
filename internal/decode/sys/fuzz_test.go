package sys

import (
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink/notation"
	"github.com/pidwire/pidwire/internal/syscalls"
	"github.com/pidwire/pidwire/internal/wire"
)

// bytes returns the encoded record.
func (r *record) bytes() wire.Record {
	s := r.Syscall
	s.H.Kind = wire.KindSyscall
	s.Chunks = uint32(len(r.chunks))
	b := s.Append(nil)
	b = append(b, r.socks...)
	b = append(b, r.chunks...)
	return wire.Seal(b)
}

func seeds() []*record {
	seeds := []*record{recvfromRecord(), sendtoRecord(), recvmsgRecord()}
	for i := range syscalls.Table {
		c := &syscalls.Table[i]
		for _, abi := range []uint8{wire.AbiX8664, wire.AbiI386, wire.AbiARM64, wire.AbiARM} {
			if n, ok := c.Number(abi); ok {
				r := &record{}
				r.Nr, r.Abi, r.Ret = n, abi, 3
				r.Args = [6]uint64{5, base & 0xffffffff, 8, base & 0xffffffff, base & 0xffffffff, base & 0xffffffff}
				m := make([]byte, 256)
				for i := range m {
					m[i] = byte(i)
				}
				seeds = append(seeds, r.sock(socket()).mem(wire.PhaseEnter, base&0xffffffff, m).mem(wire.PhaseExit, base&0xffffffff, m))
			}
		}
	}
	return seeds
}

// check checks the invariants of a decoded call.
func check(t *testing.T, c *event.Call) {
	tokens := 0
	for i := range c.Args {
		tokens += len(c.Args[i].Val)
	}
	tokens += len(c.Out) + len(c.Aux)
	if tokens > 4*maxTokens {
		t.Fatalf("%d tokens", tokens)
	}
	for _, o := range []*notation.Options{{}, {Verbose: true, FDs: 2, StrLen: 4096}, {Numeric: true, HexStrings: 1, StrLen: -1, FDs: 1}} {
		line := string(notation.AppendCall(nil, c, o))
		if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Fatalf("unescaped: %q", line)
		}
	}
}

func FuzzSyscall(f *testing.F) {
	for _, r := range seeds() {
		f.Add([]byte(r.bytes()))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d := newDecoder() // it keeps what it has decoded
		var s wire.Syscall
		socks, chunks, ok := wire.SyscallParts(b, &s)
		if !ok {
			return
		}
		c, _ := d.Syscall(&s, socks, chunks)
		check(t, c)
	})
}

func FuzzSockaddr(f *testing.F) {
	f.Add(uint8(2), sockaddr)
	for fam := range uint8(50) {
		f.Add(fam, make([]byte, 126))
	}
	f.Fuzz(func(t *testing.T, fam uint8, b []byte) {
		d := newDecoder() // it keeps what it has decoded
		b = append([]byte{fam, 0}, b...)
		r := callRecord("connect", 0, 5, base, uint64(len(b))).mem(wire.PhaseEnter, base, b)
		c, _ := d.Syscall(&r.Syscall, r.socks, r.chunks)
		check(t, c)
	})
}

func FuzzCmsg(f *testing.F) {
	for i := range cmsgShapes {
		s := &cmsgShapes[i]
		f.Add(uint16(s.level), uint16(s.kind), make([]byte, 48), false)
		f.Add(uint16(s.level), uint16(s.kind), make([]byte, 48), true)
	}
	f.Fuzz(func(t *testing.T, level, kind uint16, b []byte, narrow bool) {
		d := newDecoder() // it keeps what it has decoded
		r := &record{}
		r.Abi, r.Nr, r.Ret = wire.AbiX8664, 46, 1
		word := 8
		if narrow {
			r.Abi, r.Nr, word = wire.AbiI386, 370, 4
		}
		head := make([]byte, 7*8)
		copy(head[4*word:], le64(base & 0xffffffff)[:4])
		copy(head[5*word:], le64(uint64(len(b) + word + 8))[:4])
		m := append(le64(uint64(len(b) + word + 8))[:word], byte(level), byte(level>>8), 0, 0, byte(kind), byte(kind>>8), 0, 0)
		m = append(m, b...)
		r.Args = [6]uint64{5, 0x1000}
		r.mem(wire.PhaseExit, 0x1000, head).mem(wire.PhaseExit, base&0xffffffff, m)
		c, _ := d.Syscall(&r.Syscall, r.socks, r.chunks)
		check(t, c)
	})
}

func FuzzNetlink(f *testing.F) {
	f.Add(uint8(0), []byte("\x20\x00\x00\x00\x12\x00\x01\x03\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Add(uint8(0), []byte("\x2c\x00\x00\x00\x02\x00\x00\x02\x01\x00\x00\x00\x00\x00\x00\x00\xed\xff\xff\xff\x14\x00\x00\x00\x12\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x08\x00\x01\x00abc\x00"))
	f.Add(uint8(4), make([]byte, 64))
	f.Fuzz(func(t *testing.T, proto uint8, b []byte) {
		d := newDecoder() // it keeps what it has decoded
		r := callRecord("sendto", 0, 5, base, uint64(len(b))).sock(wire.Sock{Fd: 5, Family: afNetlink, Protocol: uint16(proto)}).mem(wire.PhaseExit, base, b)
		c, _ := d.Syscall(&r.Syscall, r.socks, r.chunks)
		check(t, c)
	})
}
