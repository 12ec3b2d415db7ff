// Package http2 reads HTTP/2 (RFC 9113) where it is not encrypted, and gRPC in it.
package http2

import (
	"encoding/binary"
	"strings"
	"unsafe"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
	"github.com/pidwire/pidwire/internal/proto/httpkey"
	"github.com/pidwire/pidwire/internal/proto/keys"
	"github.com/pidwire/pidwire/internal/proto/mask"
)

// Protocol is HTTP/2.
var Protocol = &proto.Protocol{
	Name: "http2", Title: "HTTP/2",
	Ports:  []uint16{80, 8080, 8000, 50051, 9090},
	Detect: detect,
	New:    newParser,
	Keys: []*event.Key{
		httpkey.Method, httpkey.Target, httpkey.Path, httpkey.Query, httpkey.Scheme, httpkey.Host, httpkey.Address, httpkey.Port, httpkey.Status, httpkey.Type,
		httpkey.Encoding, httpkey.Body, httpkey.ReqBody, httpkey.Location, httpkey.Version, httpkey.Agent, httpkey.Server, httpkey.Header, keyStream, keyUnread, keyDebug,
	},
}

// Plain is what a client speaks that does not begin as one of HTTP/2, to a server that has: HTTP/1. Package list sets it.
var Plain *proto.Protocol

// GRPC is gRPC: what HTTP/2 carries is recognized by its type.
var GRPC = &proto.Protocol{
	Name: "grpc", Title: "gRPC",
	Detect: func(*proto.Hint) proto.Verdict { return proto.No },
	New:    newParser,
	Keys:   append([]*event.Key{keys.RPCSystem, keys.RPCService, keys.RPCMethod, keyCode, keyMessage, keyMessages}, Protocol.Keys...),
}

var (
	keyStream = &event.Key{Name: "http2.stream", Form: event.FormCount}
	keyUnread = &event.Key{Name: "http2.unreadable", Label: "headers not readable", Form: event.FormInt}
	keyDebug  = &event.Key{Name: "http2.debug"}

	keyCode     = &event.Key{Name: "rpc.grpc.status_code", Form: event.FormCount}
	keyMessage  = &event.Key{Name: "rpc.grpc.message", Label: "message"}
	keyMessages = &event.Key{Name: "rpc.grpc.messages", Label: "messages", Form: event.FormInt}
)

// Why headers cannot be read.
const (
	notSeen = "headers cannot be read: they refer to earlier ones that were not recorded"
	missing = "headers cannot be read: a part of them was not recorded"
	tooMany = "headers cannot be read: they are larger than what is kept"
	damaged = "headers cannot be read: they are damaged"
)

const (
	// maxBlock bounds a header block.
	maxBlock = 8 << 10
	// maxStreams bounds the streams that are followed, maxKept the memory of their messages whose bodies have not ended,
	// maxGroup what they are counted under, and the text of those of which only that is kept.
	maxStreams = 40
	maxKept    = 6 << 10
	maxGroup   = 128
)

// mode is what follows in a direction.
type mode uint8

const (
	atFrame   mode = iota
	atPrefix       // what is before a header block or data in a frame
	inBlock        // a part of a header block
	inData         // data of gRPC, with the headers of messages
	inPass         // what is passed
	atControl      // a frame that is read as a whole
)

// half is one direction.
type half struct {
	mode  mode
	frame frame
	left  int // bytes of the frame that were not read
	pad   int // of these, at the end
	lost  bool
	begun bool // its first bytes have been read
	table table

	// The header block that is being read, perhaps of several frames.
	open  bool // CONTINUATION must follow
	begin frame
	push  uint32 // the stream that PUSH_PROMISE promises
	block []byte
	why   string // why it cannot be read; empty: it can
	at    proto.At
	from  int64
	size  int64 // with the headers of its frames
}

// side is one direction of a stream.
type side struct {
	m       *event.Message // until its body has passed
	text    string         // of a message of which only this is kept, and how it is
	fault   string
	at      proto.At
	from    int64
	total   int64 // bytes in the stream
	body    int64
	began   bool
	ended   bool
	bare    bool // its headers end it
	short   bool // only text and fault are kept
	headed  bool // its beginning has been emitted
	hurt    bool // a part of it was not recorded
	prefix  uint8
	code    int16  // result of gRPC; -1: none
	count   int32  // messages of gRPC; -1: unknown
	message uint32 // what was read of the size of the current one
	left    int64  // what was not read of it
}

// stream is a stream that has not ended.
type stream struct {
	id   uint32
	grpc bool
	x    proto.Exchange
	side [2]side
}

type parser struct {
	half    [2]half
	client  proto.Dir
	known   bool // which direction that is
	prefix  bool // the preface has passed
	streams []stream
	kept    int // memory of messages
}

func newParser(c *proto.Conv) proto.Parser {
	p := &parser{}
	for d := range p.half {
		p.half[d].table = newTable(!c.Start())
	}
	return p
}

func (p *parser) Held() int {
	n := 640 + cap(p.streams)*int(unsafe.Sizeof(stream{})) + p.kept
	for d := range p.half {
		n += cap(p.half[d].block) + p.half[d].table.held()
	}
	return n
}

func (p *parser) Read(c *proto.Conv, d proto.Dir, b []byte) int {
	h := &p.half[d]
	if h.lost {
		switch frames(b) {
		case proto.No:
			return len(b)
		case proto.Wait:
			return 0
		}
		h.lost = false
	}
	switch h.mode {
	case atFrame:
		return p.head(c, d, b)
	case atPrefix:
		return p.framePrefix(c, d, b)
	case inBlock:
		n := min(h.left-h.pad, len(b))
		p.fragment(c, d, b[:n])
		return n
	case inData:
		return p.prefixes(c, d, b)
	case atControl:
		n := min(h.left, maxControl)
		if len(b) < n {
			return 0
		}
		h.left -= n
		p.control(c, d, b[:n])
		p.pass(c, d)
		return n
	}
	return len(b)
}

// head reads the header of a frame.
func (p *parser) head(c *proto.Conv, d proto.Dir, b []byte) int {
	first := c.Start() && !p.prefix && !p.half[d].begun
	if first && b[0] >= 'A' && b[0] <= 'Z' && b[0] != preface[0] {
		c.Switch(Plain)
		return 0
	}
	if !p.prefix && b[0] == preface[0] {
		n := min(len(b), len(preface))
		if string(b[:n]) != preface[:n] {
			if first {
				c.Switch(Plain)
			} else {
				c.Fail("not a frame of HTTP/2")
			}
			return 0
		}
		if n < len(preface) {
			return 0
		}
		p.prefix, p.client, p.known, p.half[d].begun = true, d, true, true
		return n
	}
	if len(b) < frameHead {
		return 0
	}
	h := &p.half[d]
	h.begun = true
	f := readFrame(b)
	if !f.valid() || h.open != (f.kind == frameContinuation) || h.open && f.id != h.begin.id {
		c.Fail("not a frame of HTTP/2")
		return 0
	}
	h.frame, h.left, h.pad = f, f.size, 0
	switch f.kind {
	case frameData, frameHeaders, framePush:
		if f.kind != frameData {
			h.begin, h.open, h.push, h.why, h.size = f, true, 0, "", 0
			h.block = nil
			h.at = c.Here()
			h.from, _ = c.Times()
		}
		if p.prefixSize(&f) > 0 {
			h.mode = atPrefix
			if h.left < p.prefixSize(&f) {
				c.Fail("not a frame of HTTP/2")
			}
			break
		}
		p.body(c, d)
	case frameContinuation:
		p.body(c, d)
	case frameReset, frameGoAway:
		h.mode = atControl
	default:
		p.pass(c, d)
	}
	return frameHead
}

// prefixSize is the size of what is before the data or the header block of a frame.
func (p *parser) prefixSize(f *frame) (n int) {
	if f.flags&flagPadded != 0 {
		n++
	}
	switch {
	case f.kind == framePush:
		n += 4
	case f.kind == frameHeaders && f.flags&flagPriority != 0:
		n += 5
	}
	return n
}

func (p *parser) framePrefix(c *proto.Conv, d proto.Dir, b []byte) int {
	h := &p.half[d]
	n := p.prefixSize(&h.frame)
	if len(b) < n {
		return 0
	}
	h.left -= n
	rest := b
	if h.frame.flags&flagPadded != 0 {
		if h.pad = int(b[0]); h.pad > h.left {
			c.Fail("not a frame of HTTP/2")
			return 0
		}
		rest = b[1:]
	}
	if h.frame.kind == framePush {
		h.push = binary.BigEndian.Uint32(rest) & 0x7fffffff
		p.client, p.known = d.Other(), true
	}
	p.body(c, d)
	return n
}

// body begins to read the data or the part of a header block in a frame.
func (p *parser) body(c *proto.Conv, d proto.Dir) {
	h := &p.half[d]
	if h.frame.kind != frameData {
		h.size += frameHead + int64(h.frame.size)
		h.mode = inBlock
		if h.left == h.pad {
			p.fragment(c, d, nil)
		}
		return
	}
	s := p.stream(h.frame.id)
	if s == nil {
		p.pass(c, d)
		return
	}
	sd := &s.side[d]
	sd.total += frameHead + int64(h.frame.size)
	sd.body += int64(h.left - h.pad)
	if s.grpc && sd.count >= 0 {
		h.mode = inData
		p.next(c, d)
		return
	}
	p.pass(c, d)
}

// next goes on in data of gRPC: with the header of a message, with what it contains, or at the end.
func (p *parser) next(c *proto.Conv, d proto.Dir) {
	h := &p.half[d]
	s := p.stream(h.frame.id)
	if s == nil || h.left == h.pad {
		p.pass(c, d)
		return
	}
	if sd := &s.side[d]; sd.left > 0 {
		n := min(sd.left, int64(h.left-h.pad))
		sd.left -= n
		h.left -= int(n)
		c.Skip(d, n)
	}
}

// pass passes the rest of a frame.
func (p *parser) pass(c *proto.Conv, d proto.Dir) {
	h := &p.half[d]
	h.mode = inPass
	n := h.left
	h.left, h.pad = 0, 0
	if n > 0 {
		c.Skip(d, int64(n))
		return
	}
	p.passed(c, d)
}

func (p *parser) Skipped(c *proto.Conv, d proto.Dir) {
	if p.half[d].mode == inData {
		p.next(c, d)
		return
	}
	p.passed(c, d)
}

// passed is called at the end of a frame.
func (p *parser) passed(c *proto.Conv, d proto.Dir) {
	h := &p.half[d]
	h.mode = atFrame
	switch f := &h.frame; {
	case f.kind == frameData && f.flags&flagEndStream != 0:
		if s := p.stream(f.id); s != nil {
			p.end(c, s, d, "")
		}
	case (f.kind == frameHeaders || f.kind == frameContinuation || f.kind == framePush) && f.flags&flagEndHeaders != 0:
		p.headers(c, d)
	}
}

// prefixes reads the header of a message of gRPC: whether it is compressed, and its size.
func (p *parser) prefixes(c *proto.Conv, d proto.Dir, b []byte) int {
	h := &p.half[d]
	s := p.stream(h.frame.id)
	if s == nil {
		h.left--
		p.pass(c, d)
		return 1
	}
	const size = 5
	sd := &s.side[d]
	n := 0
	for n < len(b) && h.left > h.pad && sd.prefix < size {
		sd.message = sd.message<<8 | uint32(b[n])
		sd.prefix++
		h.left--
		n++
	}
	if sd.prefix == size {
		sd.count++
		sd.left = int64(sd.message)
		sd.prefix, sd.message = 0, 0
	}
	p.next(c, d)
	return n
}

// fragment reads a part of a header block.
func (p *parser) fragment(c *proto.Conv, d proto.Dir, b []byte) {
	h := &p.half[d]
	h.left -= len(b)
	switch {
	case h.why != "":
	case len(h.block)+len(b) > maxBlock:
		h.why, h.block = tooMany, nil
	default:
		if h.block == nil {
			h.block = make([]byte, 0, min(len(b)+h.left-h.pad, maxBlock))
		}
		h.block = append(h.block, b...)
	}
	if h.left == h.pad {
		p.pass(c, d)
	}
}

// maxControl bounds what is read of RST_STREAM and GOAWAY.
const maxControl = 8 + 128

// control reads RST_STREAM and GOAWAY.
func (p *parser) control(c *proto.Conv, d proto.Dir, b []byte) {
	h := &p.half[d]
	size := frameHead + int64(h.frame.size)
	if h.frame.kind == frameReset {
		p.reset(c, d, binary.BigEndian.Uint32(b), size)
		return
	}
	code := binary.BigEndian.Uint32(b[4:])
	m := c.Message(event.MessageNotice, d)
	m.Bytes = size
	m.Text = "GOAWAY " + errorName(code)
	if code != 0 {
		m.Error = errorName(code)
	}
	m.Fields = append(c.Fields(2), event.Field{Key: keyStream, Num: int64(binary.BigEndian.Uint32(b) & 0x7fffffff)})
	if what := proto.Text(b[8:]); what != "" && printable(what) && !mask.Token(what) {
		m.Fields = append(m.Fields, event.Field{Key: keyDebug, Text: what})
	}
	c.Emit(m)
}

func printable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

// reset ends a stream.
func (p *parser) reset(c *proto.Conv, d proto.Dir, code uint32, size int64) {
	id := p.half[d].frame.id
	name := errorName(code)
	s := p.stream(id)
	if s == nil && (code == 0 || !p.half[d].table.partial) {
		return
	}
	m := c.Message(event.MessageNotice, d)
	m.Bytes, m.Text = size, "RST_STREAM "+name
	m.Fields = append(c.Fields(1), event.Field{Key: keyStream, Num: int64(id)})
	if code != 0 {
		m.Error = name
	}
	if s == nil {
		c.Emit(m)
		return
	}
	if s.grpc {
		m.Proto, m.Title = GRPC.Name, GRPC.Title
	}
	answer := &s.side[p.client.Other()]
	m.Exchange = s.x.ID
	if code != 0 || !answer.ended {
		switch {
		case d != p.client && p.known && !answer.began:
			m.Kind = event.MessageAnswer
			if answer.hurt {
				m.Unsure = "a part of the connection before it was not recorded"
			}
			c.Close(&s.x, m)
		case answer.began && !answer.ended:
			answer.fault = name
			p.fail(s, p.client.Other(), name)
			p.end(c, s, p.client.Other(), "")
			s = p.stream(id)
		}
		c.Emit(m)
	}
	if s != nil {
		p.drop(c, s)
	}
}

// stream returns the stream with an id; nil if there is none. It is valid until the next one is added or dropped.
func (p *parser) stream(id uint32) *stream {
	for i := len(p.streams) - 1; i >= 0; i-- {
		if p.streams[i].id == id {
			return &p.streams[i]
		}
	}
	return nil
}

// add adds a stream.
func (p *parser) add(c *proto.Conv, id uint32) *stream {
	if len(p.streams) >= maxStreams {
		p.drop(c, &p.streams[0])
	}
	if p.streams == nil {
		p.streams = make([]stream, 0, 4)
	}
	p.streams = append(p.streams, stream{id: id})
	return &p.streams[len(p.streams)-1]
}

// drop emits what is left of a stream and forgets it.
func (p *parser) drop(c *proto.Conv, s *stream) {
	id := s.id
	p.kept -= len(s.x.Group)
	for d := range s.side {
		p.done(c, s, proto.Dir(d), proto.Incomplete)
	}
	for i := range p.streams {
		if p.streams[i].id == id {
			last := len(p.streams) - 1
			copy(p.streams[i:], p.streams[i+1:])
			p.streams[last] = stream{}
			p.streams = p.streams[:last]
			return
		}
	}
}

// end is called at the end of a direction of a stream.
func (p *parser) end(c *proto.Conv, s *stream, d proto.Dir, unsure string) {
	p.done(c, s, d, unsure)
	s.side[d].ended = true
	// Without its request, which was HTTP/1 or was not recorded, an answer is all of a stream.
	if other := &s.side[d.Other()]; other.ended || !other.began && !s.x.Known() {
		p.drop(c, s)
	}
}

// cost is the memory of a message that is kept.
func cost(m *event.Message) int {
	n := 256 + len(m.Text) + len(m.Group) + len(m.Error)
	for i := range m.Fields {
		n += 40 + len(m.Fields[i].Text)
	}
	return n
}

// hold keeps a message until its body has passed.
func (p *parser) hold(c *proto.Conv, s *stream, d proto.Dir, m *event.Message) {
	sd := &s.side[d]
	sd.m = m
	if sd.bare {
		p.kept += cost(m)
		return // it is emitted at once
	}
	proto.Own(m)
	p.kept += cost(m)
	c.Later()
	for i := 0; p.kept > maxKept && i < len(p.streams); i++ {
		for d := range p.streams[i].side {
			p.shorten(c, &p.streams[i], proto.Dir(d))
		}
	}
}

// shorten emits the beginning of a message, and keeps little of it.
func (p *parser) shorten(c *proto.Conv, s *stream, d proto.Dir) {
	sd := &s.side[d]
	if sd.m == nil {
		return
	}
	p.beginning(c, s, d)
	p.kept -= cost(sd.m)
	sd.text, sd.fault = strings.Clone(sd.m.Text[:min(len(sd.m.Text), maxGroup)]), sd.m.Error
	sd.short, sd.m = true, nil
	p.kept += len(sd.text) + len(sd.fault)
}

// fail makes a message that is kept one with an error.
func (p *parser) fail(s *stream, d proto.Dir, what string) {
	sd := &s.side[d]
	switch {
	case sd.m != nil:
		p.kept += len(what) - len(sd.m.Error)
		sd.m.Error = what
	case sd.short:
		p.kept += len(what) - len(sd.fault)
		sd.fault = what
	}
}

// done emits a message whose body has passed.
func (p *parser) done(c *proto.Conv, s *stream, d proto.Dir, unsure string) {
	sd := &s.side[d]
	m := sd.m
	kind := event.MessageRequest
	if !p.known || d != p.client {
		kind = event.MessageAnswer
	}
	switch {
	case m != nil:
		p.kept -= cost(m)
		if sd.headed {
			m.Part = event.Rest
		}
	case sd.short:
		m = c.Message(kind, d)
		m.Begin, m.Text, m.Error, m.Part = sd.from, sd.text, sd.fault, event.Rest
		p.mark(m, s)
		m.Fields = append(c.Fields(4), event.Field{Key: keyStream, Num: int64(s.id)})
		if sd.code >= 0 {
			m.Fields = append(m.Fields, event.Field{Key: keyCode, Num: int64(sd.code)})
		}
		p.kept -= len(sd.text) + len(sd.fault)
	default:
		return
	}
	sd.m, sd.short = nil, false
	_, m.End = c.Times()
	if unsure != "" && m.Unsure == "" {
		m.Unsure = unsure
	}
	p.complete(c, s, d, m)
	c.EmitAt(m, sd.at)
}

// mark gives a message the protocol of its stream, and its exchange.
func (p *parser) mark(m *event.Message, s *stream) {
	if s.grpc {
		m.Proto, m.Title = GRPC.Name, GRPC.Title
	}
	m.Exchange, m.Group = s.x.ID, s.x.Group
}

// complete adds to a message what is known at its end.
func (p *parser) complete(c *proto.Conv, s *stream, d proto.Dir, m *event.Message) {
	sd := &s.side[d]
	m.Bytes = sd.total
	size := httpkey.Body
	if m.Kind == event.MessageRequest {
		size = httpkey.ReqBody
	}
	if !sd.bare {
		m.Fields = append(m.Fields, event.Field{Key: size, Num: sd.body})
	}
	if s.grpc && sd.count >= 0 {
		m.Fields = append(m.Fields, event.Field{Key: keyMessages, Num: int64(sd.count)})
	}
	if sd.hurt && m.Unsure == "" {
		m.Unsure = "a part of it was not recorded"
	}
	if m.Kind == event.MessageAnswer {
		c.Close(&s.x, m)
	} else {
		c.Sent(&s.x, m.End)
	}
}

// beginning emits what is known of a message as its beginning.
func (p *parser) beginning(c *proto.Conv, s *stream, d proto.Dir) {
	sd := &s.side[d]
	if sd.m == nil || sd.headed {
		return
	}
	sd.headed = true
	m := c.Message(sd.m.Kind, d)
	_, end := c.Times()
	*m = *sd.m
	m.End, m.Part = end, event.Head
	m.Fields = append(c.Fields(len(m.Fields)+2), m.Fields...)
	p.complete(c, s, d, m)
	c.EmitAt(m, sd.at)
}

func (p *parser) Pause(c *proto.Conv) {
	for i := range p.streams {
		for d := range p.streams[i].side {
			p.beginning(c, &p.streams[i], proto.Dir(d))
		}
	}
}

func (p *parser) Lost(c *proto.Conv, d proto.Dir, n int64) bool {
	h := &p.half[d]
	if h.mode != atFrame && n > 0 && n <= int64(h.left) {
		// What is missing is in one frame.
		h.left -= int(n)
		switch {
		case h.frame.kind == frameData:
			if s := p.stream(h.frame.id); s != nil {
				s.side[d].hurt, s.side[d].count = true, -1
			}
		case h.open:
			h.why, h.block = missing, nil
			if h.mode == inBlock && h.left > h.pad {
				return true
			}
		}
		p.pass(c, d)
		return true
	}
	if h.open {
		// The stream at least is known.
		h.why, h.block = missing, nil
		p.headers(c, d)
	}
	h.table.lose()
	h.begun = true
	h.lost, h.open, h.mode, h.left, h.pad = true, false, atFrame, 0, 0
	for i := range p.streams {
		if sd := &p.streams[i].side[d]; !sd.ended {
			sd.hurt, sd.count = true, -1
		}
	}
	return true
}

func (p *parser) Ended(c *proto.Conv, d proto.Dir) {
	p.half[d].block = nil
	for i := len(p.streams) - 1; i >= 0; i-- {
		p.done(c, &p.streams[i], d, proto.Incomplete)
	}
}
