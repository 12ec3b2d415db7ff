// Package cause is the stage that finds the call that caused a packet, and the packet that ended
// the wait of a call.
package cause

import (
	"unsafe"

	"github.com/pidwire/pidwire/internal/bounded"
	"github.com/pidwire/pidwire/internal/event"
)

// stream is the recent data of a connection, for finding which call wrote the bytes of a packet,
// and which packet brought the bytes of a call.
type stream struct {
	out, in   half
	sent      span   // the last call that sent, connected or closed
	last      uint64 // Seq of the last packet that brought data, or ended the stream
	lastAt    int64
	reset     uint64 // Seq of the RST
	handshook uint64 // Seq of the packet that completed the handshake
}

// half is one direction. Positions are not known for connections that were open before, or that had
// no handshake: then the order in time decides.
type half struct {
	isn   uint32
	known bool    // isn is valid
	at    uint32  // bytes that calls have sent or received, modulo 2^32
	fin   uint64  // Seq of the FIN
	list  []piece // a ring, once it has grown to pieces
	n     int     // number of pieces added
}

// pieces is the number of calls or packets that are kept per direction.
const pieces = 64

// piece is a part of a stream, with the call that sent it or the packet that brought it.
type piece struct {
	seq      uint64
	from, to uint32
}

type span struct {
	seq        uint64
	begin, end int64
}

// put adds a piece, and returns the number of bytes by which the half has grown.
func (h *half) put(p piece) (grown int) {
	if len(h.list) < pieces {
		before := cap(h.list)
		h.list = append(h.list, p)
		grown = (cap(h.list) - before) * int(unsafe.Sizeof(p))
	} else {
		h.list[h.n%pieces] = p
	}
	h.n++
	return grown
}

// bytes is the memory of a stream.
func (s *stream) bytes() int {
	return int(unsafe.Sizeof(*s)) + (cap(s.out.list)+cap(s.in.list))*int(unsafe.Sizeof(piece{}))
}

// find returns the Seq of the latest piece that contains a position.
func (h *half) find(pos uint32) uint64 {
	for i := h.n - 1; i >= 0 && i >= h.n-pieces; i-- {
		if p := &h.list[i%pieces]; pos-p.from < p.to-p.from {
			return p.seq
		}
	}
	return 0
}

// Finder is the stage, for timelines with calls and packets. It sets Cause.
type Finder struct {
	streams bounded.Index[uint32, *stream] // by Conn.N
}

// keep is the number of connections that may be used before an unused one is dropped.
const keep = 4096

// New returns a finder for a new timeline. Its tables use the room.
func New(room *bounded.Room) *Finder {
	f := &Finder{}
	f.streams.In(room, keep, (*stream).bytes)
	return f
}

// Add sets the cause of an entry that has been joined to its connection.
func (f *Finder) Add(e *event.Entry, emit func(*event.Entry)) {
	switch b := e.Body.(type) {
	case *event.Call:
		f.call(e, b)
	case *event.Capture:
		f.packet(e, b)
	}
	emit(e)
}

// stream returns the stream of a connection, which its first call creates.
func (f *Finder) stream(c *event.Conn) *stream {
	s, ok := f.streams.Get(c.N)
	if !ok {
		s = &stream{}
		f.streams.Put(c.N, s)
	}
	return s
}

// packet finds the call that sent a packet, and stores the packet.
func (f *Finder) packet(e *event.Entry, p *event.Capture) {
	if e.Conn == nil {
		return
	}
	s := f.stream(e.Conn)
	tcp := p.Proto == event.ProtoTCP && p.TCP.Valid
	h := &s.out
	if p.Dir == event.DirIn {
		h = &s.in
	}
	length := p.Length
	if tcp {
		length = p.TCP.Length
		switch {
		case p.TCP.Flags&event.TCPSyn != 0:
			h.isn, h.known = p.TCP.Seq, true
		case p.TCP.Flags&event.TCPFin != 0:
			h.fin = e.Seq
		case p.TCP.Flags&event.TCPRst != 0 && p.Dir == event.DirIn:
			s.reset = e.Seq
		}
	}
	if p.Dir == event.DirIn {
		if tcp && s.handshook == 0 && p.TCP.Flags&(event.TCPSyn|event.TCPAck) == event.TCPAck {
			s.handshook = e.Seq
		}
		if length == 0 && !(tcp && p.TCP.Flags&(event.TCPFin|event.TCPRst) != 0) {
			return
		}
		s.last, s.lastAt = e.Seq, e.Time
		if tcp && h.known {
			from := p.TCP.Seq - h.isn - 1
			f.streams.Grew(h.put(piece{e.Seq, from, from + length}))
		}
		return
	}
	if p.Made != event.MadeSocket {
		return
	}
	if tcp && h.known && length > 0 && !e.Conn.Old {
		e.Cause = h.find(p.TCP.Seq - h.isn - 1)
		return
	}
	if (length > 0 || tcp && p.TCP.Flags&(event.TCPSyn|event.TCPFin|event.TCPRst) != 0) && s.sent.begin <= e.Time && e.Time <= s.sent.end {
		e.Cause = s.sent.seq
	}
}

// call finds the packet for which a call waited, and stores a call that sends.
func (f *Finder) call(e *event.Entry, c *event.Call) {
	if c.State != event.Returned {
		return
	}
	end := e.Time + c.Dur
	if e.Conn == nil {
		return
	}
	s := f.stream(e.Conn)
	switch {
	case c.Role.Has(event.Accepts):
		if len(e.Others) > 0 {
			e.Cause = f.stream(e.Others[0]).handshook
		}
		return
	case c.Role.Has(event.Waits):
		e.Cause = f.wokeBy(e, c, end)
		return
	case c.Role.Has(event.Connects | event.ShutsDown | event.Closes | event.ClosesRange):
		s.sent = span{e.Seq, e.Time, end}
	case c.Bytes > 0 && !c.In, c.Ret == 0 && c.Role.Has(event.SendsEmpty):
		s.sent = span{e.Seq, e.Time, end}
		f.streams.Grew(s.out.put(piece{e.Seq, s.out.at, s.out.at + uint32(c.Bytes)}))
		s.out.at += uint32(c.Bytes)
	case c.Bytes > 0:
		if c.Peeks() {
			e.Cause = s.in.find(s.in.at + uint32(c.Bytes) - 1)
			return
		}
		s.in.at += uint32(c.Bytes)
		if s.in.known && !e.Conn.Old {
			e.Cause = s.in.find(s.in.at - 1)
		} else if s.lastAt <= end {
			e.Cause = s.last
		}
	case c.Errno == "ECONNRESET" || c.Errno == "EPIPE":
		e.Cause = s.reset
	case c.Ret == 0 && c.Role.Has(event.Receives):
		e.Cause = s.in.fin
	}
}

// wokeBy returns the last packet that arrived during a call, for one of the connections that it
// waited for.
func (f *Finder) wokeBy(e *event.Entry, c *event.Call, end int64) uint64 {
	if c.Ret <= 0 {
		return 0
	}
	var seq uint64
	look := func(conn *event.Conn) {
		if s, ok := f.streams.Get(conn.N); ok && s.lastAt >= e.Time && s.lastAt <= end {
			seq = max(seq, s.last)
		}
	}
	look(e.Conn)
	for _, o := range e.Others {
		look(o)
	}
	return seq
}
