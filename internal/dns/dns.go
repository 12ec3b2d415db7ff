// Package dns reads DNS messages (RFC 1035), also those of which only a part was captured, and
// damaged ones: what comes before the damage can be read. It allocates nothing.
//
// All functions take and return offsets into Message.Bytes. They never read beyond it.
package dns

import "encoding/binary"

// Message is a message as far as it was captured.
type Message struct {
	Bytes []byte // up to the end of what was captured; the message may be longer
	At    int    // offset of the header: names refer to it
}

// HeaderSize is the size of a header, in bytes.
const HeaderSize = 12

// Bits of the flags.
const (
	Response           = 0x8000
	Authoritative      = 0x0400
	Truncated          = 0x0200
	RecursionDesired   = 0x0100
	RecursionAvailable = 0x0080
	AuthenticData      = 0x0020
	CheckingDisabled   = 0x0010
)

// Types of records that change how a message is read.
const (
	TypeA    = 1
	TypePTR  = 12
	TypeAAAA = 28
	TypeOPT  = 41 // RFC 6891
)

// ClassIN is the class of the Internet. In multicast DNS the highest bit of a class has another
// meaning (RFC 6762, 18.12).
const ClassIN = 1

// Header is the header of a message.
type Header struct {
	ID, Flags uint16
	// Numbers of entries in the four sections.
	Questions, Answers, Authorities, Additional uint16
}

// Op returns the kind of query, 0 to 15.
func (h *Header) Op() uint8 { return uint8(h.Flags >> 11 & 15) }

// Question is an entry of the question section.
type Question struct {
	Name        int
	Type, Class uint16
}

// Record is a resource record.
type Record struct {
	Name        int
	Type, Class uint16
	TTL         uint32 // of an OPT record: the upper bits of the response code, the version, and flags
	Data, End   int    // of the RDATA, which may not have been captured
}

func (m Message) has(at, n int) bool { return at >= 0 && at+n <= len(m.Bytes) }

func (m Message) u16(at int) uint16 { return binary.BigEndian.Uint16(m.Bytes[at:]) }

// Header returns the header. ok is false if it was not captured.
func (m Message) Header() (h Header, ok bool) {
	if !m.has(m.At, HeaderSize) {
		return h, false
	}
	return Header{m.u16(m.At), m.u16(m.At + 2), m.u16(m.At + 4), m.u16(m.At + 6), m.u16(m.At + 8), m.u16(m.At + 10)}, true
}

// Question returns the question at an offset and the offset after it. ok is false if it was not
// captured, or if its name is damaged.
func (m Message) Question(at int) (q Question, next int, ok bool) {
	q.Name = at
	if at, ok = m.SkipName(at); !ok || !m.has(at, 4) {
		return q, 0, false
	}
	q.Type, q.Class = m.u16(at), m.u16(at+2)
	return q, at + 4, true
}

const recordHead = 10 // after the name

// Record returns the record at an offset. ok is false if what comes before its RDATA was not
// captured, or if its name is damaged.
func (m Message) Record(at int) (r Record, ok bool) {
	end, ok := m.SkipName(at)
	if !ok {
		return r, false
	}
	r, ok = m.RecordAfter(end)
	r.Name = at
	return r, ok
}

// RecordAfter is Record for a name that ends at this offset.
func (m Message) RecordAfter(at int) (r Record, ok bool) {
	if !m.has(at, recordHead) {
		return r, false
	}
	r = Record{Type: m.u16(at), Class: m.u16(at + 2), TTL: binary.BigEndian.Uint32(m.Bytes[at+4:]), Data: at + recordHead}
	r.End = r.Data + int(m.u16(at+8))
	return r, true
}

// Result returns the response code, with the upper bits from an OPT record if there is one that
// was captured.
func (m Message) Result(h *Header) uint32 {
	code := uint32(h.Flags & 15)
	at := m.At + HeaderSize
	var ok bool
	for range h.Questions {
		if at, ok = m.SkipName(at); !ok {
			return code
		}
		if at += 4; at >= len(m.Bytes) {
			return code
		}
	}
	first := uint32(h.Answers) + uint32(h.Authorities)
	for i := range first + uint32(h.Additional) {
		if at, ok = m.SkipName(at); !ok || !m.has(at, 2) {
			return code
		}
		if i >= first && m.u16(at) == TypeOPT {
			if m.has(at+4, 1) {
				code |= uint32(m.Bytes[at+4]) << 4
			}
			return code
		}
		if !m.has(at+8, 2) {
			return code
		}
		if at += recordHead + int(m.u16(at+8)); at >= len(m.Bytes) {
			return code
		}
	}
	return code
}
