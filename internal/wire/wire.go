// Package wire is the raw form of everything pidwire sees: the records that
// leave the kernel or a source, and the .pidwire file they stand in. What is
// not in a record does not exist for the rest of the program.
//
// The structs in zwire.go are generated from bpf/wire.h, which says what each
// field means. All byte order is little-endian. The package imports neither
// os nor time, so that a recording opens on any system.
package wire

import (
	"encoding/binary"
	"iter"
)

//go:generate go run ./gen -header ../../bpf/wire.h -out zwire.go

// Record is the bytes of one record, its Hdr first. A Record passed to a
// callback is the caller's: it may be overwritten after the call returns,
// unless the callee says otherwise.
type Record []byte

// Kind returns the record's kind, 0 if r is too short to have one.
func (r Record) Kind() uint16 {
	if len(r) < SizeHdr {
		return 0
	}
	return binary.LittleEndian.Uint16(r[4:])
}

// Time returns CLOCK_MONOTONIC ns at which the record was made.
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

// Seal sets the length of a record that was appended to, and pads it to 8.
func Seal(b []byte) Record {
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	binary.LittleEndian.PutUint32(b, uint32(len(b)))
	return b
}

// Chunks iterates over the memory that a syscall record carries: b is what
// follows its sockets. data aliases b. A chunk that does not fit ends the walk.
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

// AppendChunk appends a chunk and its bytes, padded, to b.
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

// AppendAttr appends an attribute to b, padded to 4. Values longer than 65535
// bytes are cut.
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

// AttrOf returns the value of one attribute, nil if b has none of that tag.
func AttrOf(b []byte, tag uint16) []byte {
	for t, v := range Attrs(b) {
		if t == tag {
			return v
		}
	}
	return nil
}

// SyscallParts splits a syscall record behind its fixed part. Socks is nsock
// times SizeSock bytes. It reports whether the record holds what it promises.
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

// KernelTail is what stands behind the fixed part of a kernel record. The
// slices alias the record.
type KernelTail struct {
	Addrs  []byte // 16 bytes each
	Socks  []byte // SizeSock bytes each
	Kernel []byte // stack: 8 bytes a frame, innermost first
	User   []byte // the process's
}

// KernelParts splits a kernel record. It reports whether the record holds what
// it promises.
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

// The ABIs under their usual capitals.
const (
	AbiARM64 = AbiArm64
	AbiARM   = AbiArm
)
