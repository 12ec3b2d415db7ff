package proto

import (
	"net/netip"
	"slices"
	"strings"
	"unsafe"

	"github.com/pidwire/pidwire/internal/event"
)

const (
	// maxHalf bounds the unread bytes of a direction, and so the size of a unit. Both directions, the open exchanges
	// and the parser's own state are below 64 KiB a connection.
	maxHalf = 24 << 10
	// maxMarks bounds the calls that the unread bytes of a direction are known to come from; the
	// times of more are those of the last one.
	maxMarks = 8
	// maxHint is what Detect gets of a direction, and how long recognition waits for more.
	maxHint = 4 << 10
	// maxTurns is after how many changes of direction a connection that was open before is given up.
	maxTurns = 16
)

// mark is the call or packet that bytes came from.
type mark struct {
	time  int64 // of its first byte: when it was sent or had come, ns since the Unix epoch
	end   int64 // of its last byte
	seq   uint64
	slack int64 // how far the times may be off, ns
	off   int64 // of its first byte in the stream
	who   *who
}

// who is the thread of a call or packet. It is shared by all marks of the same thread.
type who struct {
	task  event.Task
	user  string
	match event.Match
}

// piece is a part of the unread bytes of a direction.
type piece struct {
	upto int // offset in half.buf
	mark
}

// half is one direction of a connection.
type half struct {
	buf    []byte // what was not read yet
	marks  []piece
	skip   int64 // bytes to pass without being read; toEnd: all
	passed int64 // of these, so far
	ended  bool
	count  int64 // bytes so far
	pos    int64 // of these read: the offset of the first byte of buf
}

const toEnd = -1

// Conv is a conversation: the two directions of a connection, and who reads them.
type Conv struct {
	stage  *Stage
	conn   *event.Conn
	proto  *Protocol // nil: not recognized yet
	parser Parser    // nil as well
	half   [2]half

	last    mark  // of its last bytes
	first   Dir   // whose bytes came first since recognition began
	turn    Dir   // the direction of the last bytes
	turns   uint8 // changes of direction since the beginning
	begun   bool
	start   bool   // recognition began with the first byte of the connection, or after another protocol
	got     uint32 // Stage.convs.Turns when it was got last
	deaf    bool   // recognition waits for a change of direction
	changed bool   // the parser has been replaced by the method that is running
	later   bool   // the stage has it in its list of delayed heads
	stream  bool
	strange uint8     // datagrams that no protocol recognized
	calls   bool      // its bytes are those of calls
	order   *[2]order // its bytes are those of packets: their order
	traffic *traffic  // what packets tell of its times
	life    *life     // nil: datagrams
	group   string    // of its last exchange
	opened  uint64    // number of its last exchange
	done    uint64    // number of the last one that has been answered
	losses  int       // Stage.losses when it was used last
	taken   int       // bytes that it was counted with in the room

	user event.Proc // the process that made the last of its calls
}

// Conn returns the connection.
func (c *Conv) Conn() *event.Conn { return c.conn }

// Peer returns the address of the current datagram's other end, or that of the connection.
func (c *Conv) Peer() netip.AddrPort {
	if c.stage.peer.IsValid() {
		return c.stage.peer
	}
	return c.conn.Peer
}

// Start reports whether the parser was given the connection from its first byte on.
func (c *Conv) Start() bool { return c.start }

// Secrets reports whether secrets are shown.
func (c *Conv) Secrets() bool { return c.stage.o.Secrets }

// Secret returns a secret as it is shown.
func (c *Conv) Secret(s string) string {
	if c.stage.o.Secrets || s == "" {
		return s
	}
	return "***"
}

// Times returns when the first and the last byte of the current unit were sent or had come, in ns since the Unix
// epoch. For Skipped, Pause and Ended both are those of the last byte.
func (c *Conv) Times() (first, last int64) { return c.stage.unit.time, c.stage.until.end }

// Skip passes the next n bytes of a direction, after the current unit, without giving them to Read, and
// then calls Skipped. If n is negative, that is at the end of the direction.
func (c *Conv) Skip(d Dir, n int64) {
	if n < 0 {
		n = toEnd
	}
	c.half[d].skip, c.half[d].passed = n, 0
}

// Passed returns how many bytes have passed since Skip was called.
func (c *Conv) Passed(d Dir) int64 { return c.half[d].passed }

// Switch gives what follows in both directions to the recognition of protocols, or to p if it is not nil. The parser
// must not be used after the method that called Switch has returned.
func (c *Conv) Switch(p *Protocol) {
	c.proto, c.parser, c.changed = nil, nil, true
	c.start, c.begun, c.turns = true, false, 0
	c.half[Out].skip, c.half[In].skip = 0, 0
	if p != nil {
		c.begun = true
		c.choose(p)
	}
}

// Fail gives the connection up: its bytes cannot be read as those of the protocol. What follows is
// unknown. The reason is static.
func (c *Conv) Fail(reason string) {
	m := c.Message(event.MessageNotice, c.turn)
	m.Proto, m.Title, m.Text, m.Reason = unknown.Name, unknown.Title, unknown.Name, reason
	c.Emit(m)
	c.changed = true
	c.half[Out].skip, c.half[In].skip = 0, 0
	c.choose(unknown)
}

func (c *Conv) choose(p *Protocol) {
	c.proto = p
	c.Whole(event.Shares)
	c.parser = p.New(c)
}

// Message returns a new message of the current unit, with its direction, times and protocol.
func (c *Conv) Message(kind event.MessageKind, d Dir) *event.Message {
	m := c.stage.messages.take()
	m.Kind, m.Dir = kind, d.Event()
	if c.proto != nil {
		m.Proto, m.Title = c.proto.Name, c.proto.Title
	}
	m.Begin, m.End = c.Times()
	return m
}

// Fields returns an empty list with room for n fields.
func (c *Conv) Fields(n int) []event.Field { return c.stage.fields.some(n) }

// Text returns bytes as a string without a copy. It is valid until the method that got the bytes returns: what
// the parser keeps, it must clone.
func Text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// Emit emits a message at the current unit. The strings in it may alias the bytes of the unit.
func (c *Conv) Emit(m *event.Message) { c.EmitAt(m, c.Here()) }

// At is the place of a message in the timeline: the call or packet that had its first byte.
type At struct{ mark }

// Here returns the place of the current unit, for EmitAt.
func (c *Conv) Here() At { return At{c.stage.unit} }

// EmitAt emits a message at an earlier place.
func (c *Conv) EmitAt(m *event.Message, at At) {
	if c.stage.buffered {
		Own(m) // the entry outlives the buffer
	}
	c.stage.fields.trim(m.Fields)
	m.Fields = slices.Clip(m.Fields) // the parser may add more later, to a message of which this is the beginning
	if m.Kind == event.MessageAnswer && m.Part != event.Head && m.Exchange > c.done {
		c.done = m.Exchange
	}
	c.stage.emit(c, m, at.mark)
}

// Own makes a message independent of the bytes that it was made from: one that is emitted later.
func Own(m *event.Message) {
	m.Text, m.Group, m.Error = strings.Clone(m.Text), strings.Clone(m.Group), strings.Clone(m.Error)
	for i := range m.Fields {
		m.Fields[i].Text = strings.Clone(m.Fields[i].Text)
	}
}

// Later asks for Pause in a while: the parser has the beginning of a message.
func (c *Conv) Later() {
	if !c.later {
		c.later = true
		c.stage.delay(c)
	}
}

// feed adds n bytes to a direction, of which the first ones are b.
func (c *Conv) feed(d Dir, b []byte, n int64) {
	h := &c.half[d]
	if h.ended || n <= 0 {
		return
	}
	if c.losses != c.stage.losses {
		c.doubt()
		h = &c.half[d]
	}
	h.count += n
	c.last = c.stage.now
	c.before(d, n)
	defer c.after(d)
	if c.begun && d != c.turn {
		c.turned(d)
	}
	c.bytes(d, b)
	if gap := n - int64(len(b)); gap > 0 {
		c.gap(d, gap)
	}
}

// turned notes a change of direction. While the protocol of a connection that was open before is not
// known, recognition begins again: a message may begin here.
func (c *Conv) turned(d Dir) {
	c.turn, c.deaf = d, false
	if c.turns < maxTurns {
		c.turns++
	}
	if c.parser == nil && !c.start {
		for i := range c.half {
			c.half[i].pos += int64(len(c.half[i].buf))
			c.half[i].drop()
		}
		c.first = d
	}
	if t, ok := c.parser.(turner); ok {
		t.turned(c, d)
	}
}

// turner is a parser that wants to know of changes of direction.
type turner interface{ turned(c *Conv, d Dir) }

// bytes adds known bytes to a direction.
func (c *Conv) bytes(d Dir, b []byte) {
	for len(b) > 0 {
		if !c.begun {
			c.begun, c.first, c.turn = true, d, d
		}
		h := &c.half[d]
		switch {
		case h.ended:
			return
		case c.deaf:
			h.pos += int64(len(b))
			return
		case h.skip == toEnd:
			h.passed += int64(len(b))
			h.pos += int64(len(b))
			return
		case h.skip > 0:
			// skip is 0 while there are unread bytes before.
			n := min(h.skip, int64(len(b)))
			b = b[n:]
			h.pos += n
			c.skipped(d, n)
		case c.parser != nil && len(h.buf) == 0:
			// In place: most messages are in one call.
			c.stage.buffered = false
			n := c.read(d, b, false)
			b = b[n:]
			if !c.changed && h.skip == 0 && len(b) > 0 {
				h.keep(c, b[:min(len(b), maxHalf)])
				b = b[min(len(b), maxHalf):]
			}
			c.changed = false
		default:
			n := min(len(b), maxHalf-len(h.buf))
			h.keep(c, b[:n])
			b = b[n:]
			c.drain(d)
			if len(h.buf) >= maxHalf {
				c.tooLarge(d)
			}
		}
	}
}

// tooLarge handles a unit that is larger than what is kept.
func (c *Conv) tooLarge(d Dir) {
	if c.parser == nil {
		c.choose(unknown)
		c.drain(c.first)
		return
	}
	c.stage.unit, c.stage.until = c.half[d].mark(0), c.stage.now
	c.half[d].pos += int64(len(c.half[d].buf))
	c.half[d].drop()
	c.Fail("a message is larger than what is kept of it")
	c.drain(d.Other())
}

// skipped lets n bytes pass.
func (c *Conv) skipped(d Dir, n int64) {
	h := &c.half[d]
	h.passed += n
	if h.skip -= n; h.skip == 0 {
		c.atLast()
		c.parser.Skipped(c, d)
	}
}

// atLast makes the last byte of the current entry the current unit.
func (c *Conv) atLast() {
	s := c.stage
	s.unit, s.until = s.now, s.now
	s.unit.time = s.now.end
	s.unit.off = -1
}

// gap passes n bytes that are not known.
func (c *Conv) gap(d Dir, n int64) {
	for n > 0 {
		h := &c.half[d]
		switch {
		case h.ended:
			return
		case c.deaf:
			h.pos += n
			return
		case h.skip == toEnd:
			h.passed += n
			h.pos += n
			return
		case h.skip > 0:
			k := min(h.skip, n)
			n -= k
			h.pos += k
			c.skipped(d, k)
			continue
		}
		if !c.begun {
			c.begun, c.first, c.turn = true, d, d
		}
		if c.parser == nil {
			c.recognize(true)
			c.drain(c.first)
			if h.skip != 0 {
				continue
			}
		}
		if k := c.cut(d, n); k >= 0 {
			n = k
			continue
		}
		h.pos += int64(len(h.buf)) + n
		h.drop()
		c.atLast()
		if !c.parser.Lost(c, d, n) {
			c.Fail("bytes of the stream are missing")
		}
		c.changed = false
		return
	}
}

// cut gives what is buffered of a unit to the parser, and says that n bytes after it are not known. It returns how
// many of these are left after the unit, or -1 if the parser cannot read it.
func (c *Conv) cut(d Dir, n int64) int64 {
	h := &c.half[d]
	p, ok := c.parser.(Cutter)
	if !ok || len(h.buf) == 0 {
		return -1
	}
	s := c.stage
	s.buffered = true
	s.unit, s.until = h.mark(0), s.now
	s.unit.off = h.pos
	k := p.Cut(c, d, h.buf, n)
	c.changed = false
	if k <= 0 {
		return -1
	}
	h.pos += int64(len(h.buf))
	k -= int64(len(h.buf))
	h.drop()
	switch {
	case k < 0:
		return n
	case k > n:
		h.pos += n
		h.skip += k - n
		return 0
	}
	h.pos += k
	return n - k
}

// doubt says that calls were lost, perhaps of this connection.
func (c *Conv) doubt() {
	c.losses = c.stage.losses
	if c.parser == nil || !c.stream || !c.calls {
		return
	}
	for d := range c.half {
		h := &c.half[d]
		if h.ended || h.count == 0 {
			continue
		}
		h.pos = h.count
		h.drop()
		h.skip = 0
		c.atLast()
		if c.parser != nil && !c.parser.Lost(c, Dir(d), 0) {
			c.Fail("calls were lost, which may have been of this connection")
		}
		c.changed = false
	}
}

// end says that a direction has no more bytes.
func (c *Conv) end(d Dir) {
	if c.half[d].ended {
		return
	}
	if c.parser == nil && c.begun {
		c.recognize(true)
		c.drain(c.first)
	}
	h := &c.half[d]
	h.ended = true
	if c.parser == nil {
		return
	}
	c.atLast()
	c.stage.buffered = true
	if h.skip == toEnd {
		h.skip = 0
		c.parser.Skipped(c, d)
	}
	if len(h.buf) > 0 {
		c.stage.unit = h.mark(0)
	}
	h.drop()
	if c.parser != nil {
		c.parser.Ended(c, d)
	}
	c.changed = false
}

// read gives b to the parser, unit by unit, and returns how many bytes were read. It stops if the parser has
// been replaced. If kept is set, b is the buffer of the direction.
func (c *Conv) read(d Dir, b []byte, kept bool) (n int) {
	s := c.stage
	now := s.now
	defer func() { s.now = now }()
	for n < len(b) && !c.changed {
		h := &c.half[d]
		if h.skip == toEnd {
			h.passed += int64(len(b) - n)
			h.pos += int64(len(b) - n)
			return len(b)
		}
		if h.skip > 0 {
			k := int(min(h.skip, int64(len(b)-n)))
			n += k
			h.pos += int64(k)
			if kept {
				s.now = h.mark(n - 1)
			}
			c.skipped(d, int64(k))
			continue
		}
		s.unit, s.until = now, now
		if kept {
			s.unit, s.until = h.mark(n), h.mark(len(b)-1)
		}
		s.unit.off = h.pos
		k := min(c.parser.Read(c, d, b[n:]), len(b)-n)
		if k <= 0 {
			return n
		}
		n += k
		c.half[d].pos += int64(k)
	}
	return n
}

// keep adds unread bytes to the buffer of a direction.
func (h *half) keep(c *Conv, b []byte) {
	if len(b) == 0 {
		return
	}
	now := c.stage.now
	h.buf = append(h.buf, b...)
	if k := len(h.marks); k > 0 && (h.marks[k-1].seq == now.seq || k == maxMarks) {
		h.marks[k-1].upto, h.marks[k-1].end = len(h.buf), now.end
		return
	}
	h.marks = append(h.marks, piece{len(h.buf), now})
}

// drain reads what is buffered: first that of direction d, and if the parser changes, of both.
func (c *Conv) drain(d Dir) {
	for again := true; again; {
		again = false
		for _, d := range [...]Dir{d, d.Other()} {
			if len(c.half[d].buf) == 0 {
				continue
			}
			if c.parser == nil {
				c.recognize(false)
				if c.parser == nil {
					return
				}
				d = c.first
				again = true
			}
			c.stage.buffered = true
			n := c.read(d, c.half[d].buf, true)
			c.half[d].consume(n)
			again = again && n > 0 || c.changed
			c.changed = false
		}
	}
}

// consume removes n bytes from the buffer.
func (h *half) consume(n int) {
	switch {
	case n <= 0:
		return
	case n >= len(h.buf):
		h.drop()
		return
	}
	h.buf = h.buf[:copy(h.buf, h.buf[n:])]
	k := 0
	for k < len(h.marks)-1 && h.marks[k].upto <= n {
		k++
	}
	h.marks = h.marks[:copy(h.marks, h.marks[k:])]
	for i := range h.marks {
		h.marks[i].upto -= n
	}
}

func (h *half) drop() { h.buf, h.marks = nil, nil }

// mark returns where the byte at an offset of the buffer came from.
func (h *half) mark(at int) mark {
	for i := range h.marks {
		if at < h.marks[i].upto {
			return h.marks[i].mark
		}
	}
	if n := len(h.marks); n > 0 {
		return h.marks[n-1].mark
	}
	return mark{}
}

// held is the memory of a conversation.
func (c *Conv) held() int {
	n := int(unsafe.Sizeof(*c))
	for i := range c.half {
		n += cap(c.half[i].buf) + cap(c.half[i].marks)*int(unsafe.Sizeof(piece{}))
	}
	if c.traffic != nil {
		n += c.traffic.memory()
	}
	if c.life != nil {
		n += sizeOfLife
	}
	if c.order != nil {
		n += c.order[Out].memory() + c.order[In].memory()
	}
	if p, ok := c.parser.(interface{ Held() int }); ok {
		n += p.Held()
	} else if c.parser != nil {
		n += smallParser
	}
	return n
}

// smallParser is the estimated memory of a parser that does not say.
const smallParser = 128

// hint describes the connection to Protocol.Detect.
func (c *Conv) hint() Hint {
	h := Hint{First: c.first, Start: c.start, Stream: c.stream, Local: c.conn.Local.Port(), Peer: c.Peer().Port(), Path: c.conn.Path}
	for i := range c.half {
		b := c.half[i].buf
		h.Data[i] = b[:min(len(b), maxHint)]
	}
	return h
}

// Hint describes the connection with a datagram.
func (c *Conv) Hint(d Dir, b []byte) Hint {
	h := c.hint()
	h.First, h.Data = d, [2][]byte{}
	h.Data[d] = b[:min(len(b), maxHint)]
	return h
}

// recognize chooses the protocol of a stream. If last is set there will be no more bytes.
func (c *Conv) recognize(last bool) {
	h := c.hint()
	h.Last = last
	p, waiting := c.stage.detect(&h)
	switch {
	case p != nil:
		if c.parser = nil; !waiting || last || c.turns > 0 || len(h.Begin()) >= maxHint {
			c.choose(p)
		}
	case waiting && !last && len(h.Begin()) < maxHint:
	case !last && !c.start && !waiting && len(h.Begin()) >= maxHint:
		// A long message from before: the next one may be recognized.
		c.deaf = true
		for i := range c.half {
			c.half[i].pos += int64(len(c.half[i].buf))
			c.half[i].drop()
		}
	case last, c.start && (c.turns > 0 || len(h.Begin()) >= minBytes), c.turns >= maxTurns:
		c.choose(unknown)
	}
}

// minBytes is after how many bytes a connection of an unknown protocol is taken for one, if no
// protocol waits for more.
const minBytes = 16

// isText reports whether bytes are text, for people.
func isText(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
