// Package bin reads numbers and strings from bytes that may end too early.
package bin

import (
	"bytes"
	"encoding/binary"
)

// Reader reads from the beginning of B. Once B is too short, Short is set, and everything is empty or 0.
type Reader struct {
	B     []byte
	Short bool
}

// Of returns a reader of b.
func Of(b []byte) *Reader { return &Reader{B: b} }

// Bytes returns the next n bytes.
func (r *Reader) Bytes(n int) []byte {
	if n < 0 || n > len(r.B) || r.Short {
		r.Short, r.B = true, nil
		return nil
	}
	b := r.B[:n]
	r.B = r.B[n:]
	return b
}

// Some returns the next n bytes, or those of them that are there.
func (r *Reader) Some(n int) []byte {
	b := r.B
	if n >= 0 && n <= len(b) {
		return r.Bytes(n)
	}
	r.Short, r.B = true, nil
	return b
}

// U8 reads one byte.
func (r *Reader) U8() byte {
	if b := r.Bytes(1); b != nil {
		return b[0]
	}
	return 0
}

// U16 reads a number in network byte order.
func (r *Reader) U16() uint16 {
	if b := r.Bytes(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

// U32 reads a number in network byte order.
func (r *Reader) U32() uint32 {
	if b := r.Bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// U64 reads a number in network byte order.
func (r *Reader) U64() uint64 {
	if b := r.Bytes(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// LE16 reads a number whose lowest byte comes first.
func (r *Reader) LE16() uint16 {
	if b := r.Bytes(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

// LE32 reads a number whose lowest byte comes first.
func (r *Reader) LE32() uint32 {
	if b := r.Bytes(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// LE64 reads a number whose lowest byte comes first.
func (r *Reader) LE64() uint64 {
	if b := r.Bytes(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// CString reads bytes that end with a 0 byte, which is not returned.
func (r *Reader) CString() []byte {
	i := bytes.IndexByte(r.B, 0)
	if i < 0 {
		r.Short, r.B = true, nil
		return nil
	}
	b := r.B[:i]
	r.B = r.B[i+1:]
	return b
}

// Printable reports whether all bytes can be of a text in UTF-8 without control characters.
func Printable(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0x7f {
			return false
		}
	}
	return true
}
