package pcapng

import (
	"io"

	"github.com/pidwire/pidwire/internal/event"
)

// Pcap writes the packets, and nothing else, as a pcap file of nanoseconds and
// LINKTYPE_RAW (draft-ietf-opsawg-pcap): whose they are is lost.
type Pcap struct {
	w       io.Writer
	b       []byte
	written int64
	frames  uint64
	err     error
}

const pcapNano = 0xa1b23c4d

// NewPcap begins a file; snaplen 0 is 262144. The error is w's.
func NewPcap(w io.Writer, snaplen uint32) (*Pcap, error) {
	if snaplen == 0 {
		snaplen = allSnaplen
	}
	s := &Pcap{w: w}
	s.b = le.AppendUint32(s.b, pcapNano)
	s.b = le.AppendUint16(s.b, 2) // version 2.4
	s.b = le.AppendUint16(s.b, 4)
	s.b = le.AppendUint64(s.b, 0) // two fields that nobody uses
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

// Flush writes what is buffered.
func (s *Pcap) Flush() error {
	if len(s.b) > 0 && s.err == nil {
		_, s.err = s.w.Write(s.b)
		s.written += int64(len(s.b))
		s.b = s.b[:0]
	}
	return s.err
}

// Close flushes.
func (s *Pcap) Close() error { return s.Flush() }

// Size is how long the file is, what is buffered included.
func (s *Pcap) Size() int64 { return s.written + int64(len(s.b)) }

// LeftOut is how many frames without IP were left out.
func (s *Pcap) LeftOut() uint64 { return s.frames }
