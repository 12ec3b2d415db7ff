// Package wire defines the binary records that the kernel side and the sources emit,
// and the .pidwire file format that stores them. The rest of the program has no other
// input.
//
// The structs in zwire.go are generated from bpf/wire.h, which documents each field. All
// integers are little-endian. The package imports neither os nor time, so that a
// recording can be read on any system.
package wire

import (
	"encoding/binary"
	"iter"
)

//go:generate go run ./gen -header ../../bpf/wire.h -out zwire.go

// Record is the encoding of one record, starting with its Hdr. A Record passed to a
// callback belongs to the caller, which may overwrite it after the callback returns,
// unless documented otherwise.
type Record []byte

// Kind returns the kind of the record, 0 if r is shorter than a Hdr.
func (r Record) Kind() uint16 {
	if len(r) < SizeHdr {
		return 0
	}
	return binary.LittleEndian.Uint16(r[4:])
}

// Time returns the time of the record, in CLOCK_MONOTONIC ns.
func (r Record) Time() uint64 {
	if len(r) < SizeHdr {
		return 0
	}
	return binary.LittleEndian.Uint64(r[8:])
}

// SetTime overwrites the time of a record.
func (r Record) SetTime(ns uint64) {
	binary.LittleEndian.PutUint64(r[8:], ns)
}

// MissingLines is the end of the text of a note that a file lacks lines at this position.
const MissingLines = "lines are missing here"

// Seal pads a record to a multiple of 8 bytes and sets its length.
func Seal(b []byte) Record {
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	binary.LittleEndian.PutUint32(b, uint32(len(b)))
	return b
}

// Chunks iterates over the captured memory of a syscall record; b is the part after the
// sockets. The data aliases b, and is nil for a fault. A truncated chunk ends the iteration.
func Chunks(b []byte) iter.Seq2[Chunk, []byte] {
	return func(yield func(Chunk, []byte) bool) {
		for {
			var c Chunk
			if !c.Unmarshal(b) {
				return
			}
			b = b[SizeChunk:]
			if c.Flags&ChunkFault != 0 {
				if !yield(c, nil) {
					return
				}
				continue
			}
			padded := (uint64(c.Len) + 7) &^ 7
			if padded > uint64(len(b)) {
				return
			}
			if !yield(c, b[:c.Len:c.Len]) {
				return
			}
			b = b[padded:]
		}
	}
}

// AppendChunk appends c and data, padded to 8, to b. It sets c.Len, and ignores data if c
// is a fault.
func AppendChunk(b []byte, c Chunk, data []byte) []byte {
	if c.Flags&ChunkFault == 0 {
		c.Len = uint32(len(data))
	} else {
		data = nil
	}
	b = c.Append(b)
	b = append(b, data...)
	for n := len(data); n%8 != 0; n++ {
		b = append(b, 0)
	}
	return b
}

// AppendAttr appends an attribute to b, padded to 4. It truncates values to 65535 bytes.
func AppendAttr(b []byte, tag uint16, value string) []byte {
	if len(value) > 0xffff {
		value = value[:0xffff]
	}
	a := Attr{Tag: tag, Len: uint16(len(value))}
	b = a.Append(b)
	b = append(b, value...)
	for n := len(value); n%4 != 0; n++ {
		b = append(b, 0)
	}
	return b
}

// Attrs iterates over the attributes in b; values alias b.
func Attrs(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for {
			var a Attr
			if !a.Unmarshal(b) {
				return
			}
			b = b[SizeAttr:]
			padded := (int(a.Len) + 3) &^ 3
			if int(a.Len) > len(b) {
				return
			}
			if !yield(a.Tag, b[:a.Len:a.Len]) {
				return
			}
			b = b[min(padded, len(b)):]
		}
	}
}

// AttrOf returns the value of the first attribute with the tag, nil if there is none.
func AttrOf(b []byte, tag uint16) []byte {
	for t, v := range Attrs(b) {
		if t == tag {
			return v
		}
	}
	return nil
}

// SyscallParts decodes the fixed part of a syscall record into s, and returns its sockets
// (s.Nsock times SizeSock bytes) and its chunks. ok is false if the record is too short.
func SyscallParts(r Record, s *Syscall) (socks, chunks []byte, ok bool) {
	if !s.Unmarshal(r) {
		return nil, nil, false
	}
	rest := r[SizeSyscall:]
	n := int(s.Nsock) * SizeSock
	if n > len(rest) || uint64(s.Chunks) > uint64(len(rest)-n) {
		return nil, nil, false
	}
	return rest[:n:n], rest[n : n+int(s.Chunks) : n+int(s.Chunks)], true
}

// KernelTail is the variable part of a kernel record. The slices alias the record.
type KernelTail struct {
	Addrs  []byte // addresses, 16 bytes each
	Socks  []byte // sockets, SizeSock bytes each
	Kernel []byte // kernel stack, 8 bytes a frame, innermost first
	User   []byte // user stack, likewise
}

// KernelParts decodes a kernel record into k and t. It returns false if the record is
// too short.
func KernelParts(r Record, k *Kernel, t *KernelTail) bool {
	if !k.Unmarshal(r) {
		return false
	}
	rest := []byte(r[SizeKernel:])
	take := func(n int) []byte {
		if rest == nil || n > len(rest) {
			rest = nil
			return nil
		}
		part := rest[:n:n]
		rest = rest[n:]
		return part
	}
	t.Addrs = take(16 * int(k.Naddr))
	t.Socks = take(SizeSock * int(k.Nsock))
	t.Kernel = take(8 * int(k.Nkstack))
	t.User = take(8 * int(k.Nustack))
	return rest != nil
}

// Aliases with the usual capitalization.
const (
	AbiARM64 = AbiArm64
	AbiARM   = AbiArm
)
