package pcapng

import (
	"io"

	"github.com/pidwire/pidwire/internal/event"
)

// Pcap writes packets to a pcap file with nanoseconds and LINKTYPE_RAW
// (draft-ietf-opsawg-pcap). It does not write their owners, nor other entries.
type Pcap struct {
	w       io.Writer
	b       []byte
	written int64
	frames  uint64
	err     error
}

const pcapNano = 0xa1b23c4d

// NewPcap starts a file. If snaplen is 0 it is 262144. The error is that of w.
func NewPcap(w io.Writer, snaplen uint32) (*Pcap, error) {
	if snaplen == 0 {
		snaplen = allSnaplen
	}
	s := &Pcap{w: w}
	s.b = le.AppendUint32(s.b, pcapNano)
	s.b = le.AppendUint16(s.b, 2) // version 2.4
	s.b = le.AppendUint16(s.b, 4)
	s.b = le.AppendUint64(s.b, 0) // two unused fields
	s.b = le.AppendUint32(s.b, snaplen)
	s.b = le.AppendUint32(s.b, linkRaw)
	return s, s.Flush()
}

// Write appends a packet.
func (s *Pcap) Write(e *event.Entry) error {
	p, ok := e.Body.(*event.Capture)
	switch {
	case s.err != nil || !ok:
		return s.err
	case p.NoIP:
		s.frames++
		return nil
	}
	ns := uint64(max(e.Time, 0))
	s.b = le.AppendUint32(s.b, uint32(ns/1e9))
	s.b = le.AppendUint32(s.b, uint32(ns%1e9))
	s.b = le.AppendUint32(s.b, uint32(len(p.Data)))
	s.b = le.AppendUint32(s.b, p.Len)
	s.b = append(s.b, p.Data...)
	if len(s.b) >= flushAt {
		return s.Flush()
	}
	return nil
}

// Flush writes the buffer.
func (s *Pcap) Flush() error {
	if len(s.b) > 0 && s.err == nil {
		_, s.err = s.w.Write(s.b)
		s.written += int64(len(s.b))
		s.b = s.b[:0]
	}
	return s.err
}

// Close flushes the sink.
func (s *Pcap) Close() error { return s.Flush() }

// Size returns the size of the file, including the buffer.
func (s *Pcap) Size() int64 { return s.written + int64(len(s.b)) }

// LeftOut returns the number of frames without IP, which are left out.
func (s *Pcap) LeftOut() uint64 { return s.frames }
