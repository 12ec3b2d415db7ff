package proto

import (
	"unsafe"

	"github.com/pidwire/pidwire/internal/event"
)

const (
	// maxHeld bounds the segments of a direction that are kept until the ones before them arrive, maxSegments their
	// number.
	maxHeld     = 8 << 10
	maxSegments = 16
)

// order puts the segments of one direction of a TCP connection in order.
type order struct {
	next  uint32 // sequence number of the next byte
	known bool
	fin   bool // the direction ends at finAt
	finAt uint32
	bytes int
	held  []segment // after next, by position
}

type segment struct {
	seq  uint32
	size uint32
	data []byte // its captured beginning
	at   mark
}

func (o *order) memory() int {
	return int(unsafe.Sizeof(*o)) + o.bytes + cap(o.held)*int(unsafe.Sizeof(segment{}))
}

// packet reads what a packet carries.
func (s *Stage) packet(e *event.Entry, b *event.Capture) {
	if e.Conn == nil || b.NoIP || b.Fragment || b.Off == 0 || b.Made == event.MadeICMP || s.o.Calls && e.Task.PID != 0 {
		return
	}
	switch {
	case b.Proto == event.ProtoTCP && b.TCP.Valid:
		if b.TCP.Length == 0 && b.TCP.Flags&(event.TCPSyn|event.TCPFin|event.TCPRst) == 0 {
			// Only an acknowledgment, as most packets: it matters if segments wait.
			if s.gaps == 0 {
				return
			}
		}
		s.segment(e, b)
	case b.Proto == event.ProtoUDP:
		const head = 8
		from, to := int(b.Off)+head, int(b.End)
		if from > to || to > len(b.Data) {
			return
		}
		size := int64(b.Length) - head
		if size <= 0 {
			return
		}
		c := s.conv(e.Conn, true)
		if c.calls {
			return
		}
		s.at(e, e.Time, e.Time)
		if !e.Conn.Peer.IsValid() {
			if s.peer = b.Dst; direction(e.Conn, b) == In {
				s.peer = b.Src
			}
		}
		c.datagram(direction(e.Conn, b), b.Data[from:to], size)
		s.peer = noAddr
		s.grew(c)
	}
}

// direction returns the direction of a packet; in a capture without a host the addresses decide.
func direction(c *event.Conn, b *event.Capture) Dir {
	switch b.Dir {
	case event.DirOut:
		return Out
	case event.DirIn:
		return In
	}
	if b.Src == c.Peer && b.Src != c.Local {
		return In
	}
	return Out
}

func (s *Stage) segment(e *event.Entry, b *event.Capture) {
	t := &b.TCP
	d := direction(e.Conn, b)
	begins := t.Length > 0 || t.Flags&event.TCPSyn != 0
	c := s.conv(e.Conn, begins)
	if c == nil || c.calls {
		return
	}
	if c.order == nil {
		if !begins {
			return
		}
		c.order = &[2]order{}
	}
	s.at(e, e.Time, e.Time)
	o, back := &c.order[d], &c.order[d.Other()]
	if t.Flags&event.TCPSyn != 0 {
		o.next, o.known = t.Seq+1, true
		c.start = true
		s.grew(c)
		return
	}
	if t.Flags&event.TCPAck != 0 && len(back.held) > 0 && int32(t.Ack-back.held[0].seq) > 0 {
		// The other end has received what is missing here: it was not captured.
		c.release(d.Other(), true)
		s.at(e, e.Time, e.Time)
	}
	if t.Length > 0 {
		from, to := int(b.Off)+int(t.Header), int(b.End)
		var data []byte
		if from < to && to <= len(b.Data) {
			data = b.Data[from:to]
		}
		c.add(d, t.Seq, t.Length, data[:min(len(data), int(t.Length))])
	}
	switch {
	case t.Flags&event.TCPRst != 0:
		c.release(d, true)
		s.at(e, e.Time, e.Time)
		s.closed(c)
		return
	case t.Flags&event.TCPFin != 0 && o.known:
		o.fin, o.finAt = true, t.Seq+t.Length
	}
	if o.fin && o.next == o.finAt {
		c.end(d)
		if c.half[d.Other()].ended {
			s.closed(c)
			return
		}
	}
	s.grew(c)
}

// add takes a segment.
func (c *Conv) add(d Dir, seq, size uint32, data []byte) {
	o := &c.order[d]
	if !o.known {
		o.next, o.known = seq, true
	}
	if ahead := int32(seq - o.next); ahead > 0 {
		c.hold(d, seq, size, data)
		return
	}
	c.inOrder(d, seq, size, data)
	c.release(d, false)
}

// inOrder gives a segment that begins at or before the next byte to the conversation.
func (c *Conv) inOrder(d Dir, seq, size uint32, data []byte) {
	o := &c.order[d]
	past := o.next - seq
	if past >= size {
		return // all of it was there before
	}
	o.next = seq + size
	data = data[min(int(past), len(data)):]
	c.feed(d, data, int64(size-past))
}

// hold keeps a segment until the ones before it arrive.
func (c *Conv) hold(d Dir, seq, size uint32, data []byte) {
	o := &c.order[d]
	i := 0
	for i < len(o.held) && int32(o.held[i].seq-seq) < 0 {
		i++
	}
	if i < len(o.held) && o.held[i].seq == seq && o.held[i].size >= size {
		return
	}
	keep := segment{seq, size, append([]byte(nil), data[:min(len(data), maxHeld-o.bytes)]...), c.stage.now}
	o.bytes += len(keep.data)
	o.held = append(o.held, segment{})
	copy(o.held[i+1:], o.held[i:])
	o.held[i] = keep
	c.stage.gaps++
	if len(o.held) > maxSegments || o.bytes >= maxHeld {
		c.release(d, true)
	}
}

// release gives the segments to the conversation that wait for nothing more. If lost is set, what is missing before the first
// one will not come.
func (c *Conv) release(d Dir, lost bool) {
	for c.order != nil {
		o := &c.order[d]
		if len(o.held) == 0 {
			return
		}
		g := o.held[0]
		if ahead := int32(g.seq - o.next); ahead > 0 {
			if !lost {
				return
			}
			lost = false
			o.next = g.seq
			c.stage.now = g.at
			c.feed(d, nil, int64(ahead))
		}
		o.held = o.held[:copy(o.held, o.held[1:])]
		o.bytes -= len(g.data)
		c.stage.gaps--
		c.stage.now = g.at
		c.inOrder(d, g.seq, g.size, g.data)
	}
}
