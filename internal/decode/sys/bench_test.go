package sys

import (
	"testing"

	"github.com/pidwire/pidwire/internal/sink/notation"
	"github.com/pidwire/pidwire/internal/syscalls"
	"github.com/pidwire/pidwire/internal/wire"
)

const base = 0x7ffd00001000

func socket() wire.Sock {
	return wire.Sock{Fd: 5, Family: afInet, Type: 1, Protocol: 6, State: 1, Lport: 80, Rport: 4711, Laddr: [16]byte{127, 0, 0, 1}, Raddr: [16]byte{127, 0, 0, 1}}
}

func callRecord(name string, ret int64, args ...uint64) *record {
	r := &record{}
	n, ok := syscalls.ByName(name).Number(wire.AbiX8664)
	if !ok {
		panic(name)
	}
	r.Nr, r.Abi, r.Ret = n, wire.AbiX8664, ret
	copy(r.Args[:], args)
	return r
}

func bench(b *testing.B, r *record) {
	d := New(wire.Header{StrLen: 32})
	o := &notation.Options{}
	var line []byte
	b.ReportAllocs()
	for b.Loop() {
		c, _ := d.Syscall(&r.Syscall, r.socks, r.chunks)
		line = notation.AppendCall(line[:0], c, o)
	}
	b.SetBytes(int64(len(line)))
}

var (
	payload  = []byte("GET /index.html HTTP/1.1\r\nHost: localhost\r\n")
	sockaddr = []byte{2, 0, 0, 80, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}
)

func recvfromRecord() *record {
	return callRecord("recvfrom", 44, 5, base, 4096, 0, base+8192, base+9000).sock(socket()).
		mem(wire.PhaseEnter, base+9000, []byte{128, 0, 0, 0}).mem(wire.PhaseExit, base+9000, []byte{16, 0, 0, 0}).
		mem(wire.PhaseExit, base, payload[:32]).mem(wire.PhaseExit, base+8192, sockaddr)
}

func sendtoRecord() *record {
	return callRecord("sendto", 44, 5, base, 44, 0x4000, base+8192, 16).sock(socket()).
		mem(wire.PhaseEnter, base+8192, sockaddr).mem(wire.PhaseExit, base, payload[:32])
}

func recvmsgRecord() *record {
	hdr := make([]byte, 56)
	put := func(o int, v uint64) {
		for i := range 8 {
			hdr[o+i] = byte(v >> (8 * i))
		}
	}
	put(0, base+1000)
	put(8, 128)
	put(16, base+2000)
	put(24, 1)
	put(32, base+3000)
	put(40, 64)
	r := callRecord("recvmsg", 44, 5, base, 0).sock(socket()).mem(wire.PhaseEnter, base, hdr)
	put(8, 16)
	put(40, 32)
	var iov [16]byte
	copy(iov[:], le64(base+4000))
	copy(iov[8:], le64(2048))
	cmsg := append(append(le64(28), 0, 0, 0, 0, 8, 0, 0, 0), 1, 0, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1, 0, 0, 0, 0)
	return r.mem(wire.PhaseExit, base, hdr).mem(wire.PhaseExit, base+1000, sockaddr).mem(wire.PhaseExit, base+2000, iov[:]).
		mem(wire.PhaseExit, base+3000, cmsg).mem(wire.PhaseExit, base+4000, payload[:32])
}

func le64(v uint64) []byte {
	b := make([]byte, 8)
	for i := range b {
		b[i] = byte(v >> (8 * i))
	}
	return b
}

func BenchmarkDecodeRecvfrom(b *testing.B) { bench(b, recvfromRecord()) }
func BenchmarkDecodeSendto(b *testing.B)   { bench(b, sendtoRecord()) }
func BenchmarkDecodeRecvmsg(b *testing.B)  { bench(b, recvmsgRecord()) }

func BenchmarkDecodeRead(b *testing.B) {
	bench(b, callRecord("read", 44, 5, base, 4096).sock(socket()).mem(wire.PhaseExit, base, payload[:32]))
}

func BenchmarkDecodeWrite(b *testing.B) {
	bench(b, callRecord("write", 44, 5, base, 44).sock(socket()).mem(wire.PhaseExit, base, payload[:32]))
}

func BenchmarkDecodeConnect(b *testing.B) {
	bench(b, callRecord("connect", -115, 5, base, 16).sock(socket()).mem(wire.PhaseEnter, base, sockaddr))
}

func BenchmarkDecodeBinary(b *testing.B) {
	bin := make([]byte, 32)
	for i := range bin {
		bin[i] = byte(i * 37)
	}
	bench(b, callRecord("read", 4000, 5, base, 4096).sock(socket()).mem(wire.PhaseExit, base, bin))
}

// BenchmarkDecodeOnly measures decoding without formatting, for sinks that do not write lines.
func BenchmarkDecodeOnly(b *testing.B) {
	r := recvfromRecord()
	d := New(wire.Header{StrLen: 32})
	b.ReportAllocs()
	for b.Loop() {
		d.Syscall(&r.Syscall, r.socks, r.chunks)
	}
}
