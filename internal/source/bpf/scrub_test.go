//go:build linux

package bpf

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/pidwire/pidwire/internal/wire"
)

const afNetlink, netlinkSockDiag = 16, 4

// diagReply is what sock_diag answers of a socket with two keys: a message
// with an attribute before and one behind them.
func diagReply() []byte {
	attr := func(kind uint16, v []byte) []byte {
		b := binary.LittleEndian.AppendUint16(nil, uint16(4+len(v)))
		b = append(binary.LittleEndian.AppendUint16(b, kind), v...)
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
		return b
	}
	sig := append(bytes.Repeat([]byte{7}, md5Key), bytes.Repeat([]byte("SECRET42"), 10)...)
	body := bytes.Repeat([]byte{9}, diagMsg)
	body = append(body, attr(4, []byte("cubic\x00"))...)
	body = append(body, attr(diagMD5Sig, append(bytes.Clone(sig), sig...))...)
	body = append(body, attr(15, []byte{1, 2, 3, 4})...)
	b := binary.LittleEndian.AppendUint32(nil, uint32(nlHeader+len(body)))
	b = binary.LittleEndian.AppendUint16(b, diagByFamily)
	b = append(b, make([]byte, nlHeader-len(b))...)
	return append(b, body...)
}

func diagRecord(protocol uint16, data []byte) wire.Record {
	k := wire.Sock{Family: afNetlink, Protocol: protocol}
	chunk := wire.AppendChunk(nil, wire.Chunk{Addr: 0x7000, Phase: wire.PhaseExit}, data)
	c := wire.Syscall{H: wire.Hdr{Kind: wire.KindSyscall}, Nsock: 1, Chunks: uint32(len(chunk))}
	return wire.Seal(append(k.Append(c.Append(nil)), chunk...))
}

func TestScrub(t *testing.T) {
	two := append(diagReply(), diagReply()...)
	r := diagRecord(netlinkSockDiag, two)
	scrub(r)
	if bytes.Contains(r, []byte("SECRET")) {
		t.Error("a key is still there")
	}
	clean := bytes.ReplaceAll(two, []byte("SECRET42"), make([]byte, 8))
	if !bytes.Equal(r, diagRecord(netlinkSockDiag, clean)) {
		t.Error("more than the keys has changed")
	}
	// A message that is cut anywhere keeps no part of a key.
	for n := range two {
		r := diagRecord(netlinkSockDiag, two[:n])
		scrub(r)
		if bytes.Contains(r, []byte("SEC")) {
			t.Fatalf("cut at %d: a key is still there", n)
		}
	}
	other := diagRecord(0, two)
	scrub(other)
	if !bytes.Equal(other, diagRecord(0, two)) {
		t.Error("another protocol's messages were changed")
	}
}

func FuzzScrub(f *testing.F) {
	f.Add(diagReply())
	f.Fuzz(func(t *testing.T, b []byte) {
		n := len(b)
		r := diagRecord(netlinkSockDiag, b)
		scrub(r)
		if len(b) != n || r.Kind() != wire.KindSyscall {
			t.Error("the record was damaged")
		}
		scrub(wire.Record(b))
	})
}
