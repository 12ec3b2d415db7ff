// Package websocket reads WebSocket (RFC 6455), after a connection has changed to it from HTTP/1.
package websocket

import (
	"encoding/binary"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
)

// Protocol is WebSocket. Its bytes say too little for a connection that was open before.
var Protocol = &proto.Protocol{
	Name: "websocket", Title: "WebSocket",
	Detect: func(*proto.Hint) proto.Verdict { return proto.No },
	New:    func(*proto.Conv) proto.Parser { return &parser{} },
	Keys:   []*event.Key{keySize, keyFrames, keyCompressed, keyCode, keyReason},
}

var (
	keySize       = &event.Key{Name: "websocket.message.size", Form: event.FormBytes}
	keyFrames     = &event.Key{Name: "websocket.message.frames", Form: event.FormCount}
	keyCompressed = &event.Key{Name: "websocket.message.compressed", Label: "compressed", Form: event.FormBool}
	keyCode       = &event.Key{Name: "websocket.close.code", Form: event.FormCount}
	keyReason     = &event.Key{Name: "websocket.close.reason", Label: "reason"}
)

// Opcodes of frames.
const (
	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8
	opPing         = 9
	opPong         = 10
)

// maxControl is the most that a control frame carries.
const maxControl = 125

// frame is the header of a frame.
type frame struct {
	op         byte
	final      bool
	compressed bool
	masked     bool
	key        [4]byte
	size       int64
	head       int // size of the header
}

// readFrame reads the header of a frame; head is 0 if it is not complete, and -1 if there can be no such frame.
func readFrame(b []byte) (f frame) {
	if len(b) < 2 {
		return f
	}
	f.op, f.final, f.compressed, f.masked = b[0]&15, b[0]&0x80 != 0, b[0]&0x40 != 0, b[1]&0x80 != 0
	control := f.op >= opClose
	if b[0]&0x30 != 0 || f.op > opPong || f.op > opBinary && !control || control && (!f.final || f.compressed || b[1]&0x7f > maxControl) {
		f.head = -1
		return f
	}
	n := 2
	switch size := b[1] & 0x7f; size {
	case 126:
		n += 2
	case 127:
		n += 8
	default:
		f.size = int64(size)
	}
	at := n
	if f.masked {
		n += len(f.key)
	}
	if len(b) < n {
		return f
	}
	switch at {
	case 4:
		f.size = int64(binary.BigEndian.Uint16(b[2:]))
	case 10:
		f.size = int64(binary.BigEndian.Uint64(b[2:]))
	}
	copy(f.key[:], b[at:n])
	if f.head = n; f.size < 0 {
		f.head = -1
	}
	return f
}

// half is one direction.
type half struct {
	frame   frame
	control bool // the body of a control frame follows
	lost    bool // bytes were missing: until a frame begins
	hurt    bool // of the message, as well
	masked  bool // how frames of this direction are, once known
	known   bool

	// The message whose frames are passing.
	open       bool
	op         byte
	compressed bool
	headed     bool // its beginning has been emitted
	at         proto.At
	from       int64
	bytes      int64 // in the stream
	size       int64
	frames     int64
}

type parser struct{ half [2]half }

func (p *parser) Held() int { return 512 }

func (p *parser) Read(c *proto.Conv, d proto.Dir, b []byte) int {
	h := &p.half[d]
	if h.control {
		if int64(len(b)) < h.frame.size {
			return 0
		}
		h.control = false
		p.control(c, d, b[:h.frame.size])
		return int(h.frame.size)
	}
	f := readFrame(b)
	if h.lost && f.head != 0 {
		if f.head < 0 || h.known && f.masked != h.masked || f.op == opContinuation && !h.open {
			return len(b)
		}
		h.lost = false
	}
	switch {
	case f.head == 0:
		return 0
	case f.head < 0:
		c.Fail("not a frame of WebSocket")
		return 0
	}
	h.frame = f
	h.masked, h.known = f.masked, true
	if f.op >= opClose {
		h.control = true
		if !h.open {
			h.at = c.Here()
			h.from, _ = c.Times()
		}
		if f.size == 0 {
			h.control = false
			p.control(c, d, nil)
		}
		return f.head
	}
	if f.op != opContinuation || !h.open {
		p.done(c, d, "its end was not recorded")
		h.open, h.headed, h.op, h.compressed, h.hurt = true, false, f.op, f.compressed, f.op == opContinuation
		h.bytes, h.size, h.frames = 0, 0, 0
		h.at = c.Here()
		h.from, _ = c.Times()
		c.Later()
	}
	h.frames++
	h.bytes += int64(f.head) + f.size
	h.size += f.size
	if f.size == 0 {
		p.Skipped(c, d)
	} else {
		c.Skip(d, f.size)
	}
	return f.head
}

func (p *parser) Skipped(c *proto.Conv, d proto.Dir) {
	if h := &p.half[d]; h.frame.final {
		p.done(c, d, "")
	}
}

// done emits the message that has passed.
func (p *parser) done(c *proto.Conv, d proto.Dir, unsure string) {
	h := &p.half[d]
	if !h.open {
		return
	}
	h.open = false
	m := p.message(c, d)
	if h.headed {
		m.Part = event.Rest
	}
	if m.Unsure == "" {
		m.Unsure = unsure
	}
	c.EmitAt(m, h.at)
}

// message returns what is known of the current message.
func (p *parser) message(c *proto.Conv, d proto.Dir) *event.Message {
	h := &p.half[d]
	m := c.Message(event.MessageNotice, d)
	m.Begin, m.Bytes = h.from, h.bytes
	switch h.op {
	case opText:
		m.Text = "text"
	case opBinary:
		m.Text = "binary"
	default:
		m.Text = "message"
	}
	m.Fields = append(c.Fields(3), event.Field{Key: keySize, Num: h.size}, event.Field{Key: keyFrames, Num: h.frames})
	if h.compressed {
		m.Fields = append(m.Fields, event.Field{Key: keyCompressed, Num: 1})
	}
	if h.hurt {
		m.Unsure = "a part of it was not recorded"
	}
	return m
}

// control emits a control frame.
func (p *parser) control(c *proto.Conv, d proto.Dir, b []byte) {
	h := &p.half[d]
	m := c.Message(event.MessageNotice, d)
	m.Bytes = int64(h.frame.head) + h.frame.size
	at := c.Here()
	if !h.open {
		m.Begin, at = h.from, h.at
	}
	switch h.frame.op {
	case opPing:
		m.Text = "ping"
	case opPong:
		m.Text = "pong"
	default:
		p.closing(c, m, h, b)
	}
	c.EmitAt(m, at)
}

// closing adds why an end closes. The key of the client only keeps proxies from taking frames for something else.
func (p *parser) closing(c *proto.Conv, m *event.Message, h *half, b []byte) {
	m.Text = "close"
	if len(b) < 2 {
		return
	}
	var plain [maxControl]byte
	n := copy(plain[:], b)
	if h.frame.masked {
		for i := range plain[:n] {
			plain[i] ^= h.frame.key[i%len(h.frame.key)]
		}
	}
	code := binary.BigEndian.Uint16(plain[:])
	m.Text = "close " + strconv.Itoa(int(code))
	m.Fields = append(c.Fields(2), event.Field{Key: keyCode, Num: int64(code)})
	if reason := string(plain[2:n]); reason != "" && utf8.ValidString(reason) {
		m.Fields = append(m.Fields, event.Field{Key: keyReason, Text: reason})
	}
	const normal, away = 1000, 1001
	if name := closeName(code); name != "" {
		m.Text += " " + name
	}
	if code != normal && code != away {
		m.Error = strings.TrimPrefix(m.Text, "close ")
	}
}

// closeName returns what a code says (RFC 6455, 7.4.1).
func closeName(code uint16) string {
	switch code {
	case 1000:
		return "normal"
	case 1001:
		return "going away"
	case 1002:
		return "protocol error"
	case 1003:
		return "unsupported data"
	case 1007:
		return "invalid data"
	case 1008:
		return "policy violation"
	case 1009:
		return "message too big"
	case 1010:
		return "extension missing"
	case 1011:
		return "internal error"
	case 1012:
		return "service restart"
	case 1013:
		return "try again later"
	case 1014:
		return "bad gateway"
	}
	return ""
}

func (p *parser) Pause(c *proto.Conv) {
	for d := range p.half {
		h := &p.half[d]
		if !h.open || h.headed {
			continue
		}
		h.headed = true
		m := p.message(c, proto.Dir(d))
		m.Part = event.Head
		if f := &h.frame; f.op < opClose && f.size > 0 {
			left := f.size - c.Passed(proto.Dir(d))
			m.Bytes -= left
			m.Fields[0].Num -= left
		}
		c.EmitAt(m, h.at)
	}
}

func (p *parser) Lost(_ *proto.Conv, d proto.Dir, _ int64) bool {
	h := &p.half[d]
	h.hurt, h.control, h.lost = true, false, true
	return true
}

func (p *parser) Ended(c *proto.Conv, d proto.Dir) { p.done(c, d, proto.Incomplete) }
