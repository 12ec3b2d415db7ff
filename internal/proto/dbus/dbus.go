// Package dbus reads D-Bus (https://dbus.freedesktop.org/doc/dbus-specification.html): the authentication, and the headers of
// messages. Of contents only the text of errors is shown.
package dbus

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"hash/maphash"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
	"github.com/pidwire/pidwire/internal/proto/keys"
	"github.com/pidwire/pidwire/internal/proto/tail"
)

// Protocol is D-Bus.
var Protocol = &proto.Protocol{
	Name: "dbus", Title: "D-Bus",
	Detect: detect,
	New:    func(*proto.Conv) proto.Parser { return &parser{} },
	Keys: []*event.Key{keys.RPCSystem, keys.RPCService, keys.RPCMethod, keyDestination, keySender, keyPath, keySerial, keyReplySerial, keyFDs, keyBody, keyText,
		keyMechanism, keyIdentity, keyData},
}

var (
	keyDestination = &event.Key{Name: "dbus.destination", Label: "to"}
	keySender      = &event.Key{Name: "dbus.sender", Label: "from"}
	keyPath        = &event.Key{Name: "dbus.path"}
	keySerial      = &event.Key{Name: "dbus.serial", Form: event.FormCount}
	keyReplySerial = &event.Key{Name: "dbus.reply_serial", Form: event.FormCount}
	keyFDs         = &event.Key{Name: "dbus.unix_fds", Label: "fds", Form: event.FormInt}
	keyBody        = &event.Key{Name: "dbus.body.size", Form: event.FormBytes}
	keyText        = &event.Key{Name: "dbus.error.message"}
	keyMechanism   = &event.Key{Name: "dbus.auth.mechanism"}
	keyIdentity    = &event.Key{Name: "dbus.auth.identity"}
	keyData        = &event.Key{Name: "dbus.auth.data"}
)

const (
	headSize = 16
	// maxHeader bounds a message's header, which has names and a path; those of the specification are up to 64 MiB.
	maxHeader = 8 << 10
	maxSize   = 1 << 27
	// maxLine bounds a line of the authentication.
	maxLine = 8 << 10
	// maxText is how much of the text of an error is read.
	maxText = 256
)

// Types of messages.
const (
	methodCall   = 1
	methodReturn = 2
	failure      = 3
	signal       = 4
)

const noReply = 0x1 // flag: nobody waits for an answer

func detect(h *proto.Hint) proto.Verdict {
	b := h.Begin()
	if !h.Stream || len(b) == 0 {
		return proto.No
	}
	const auth = "\x00AUTH"
	if n := min(len(b), len(auth)); string(b[:n]) == auth[:n] && h.Start {
		if n < len(auth) {
			return waitOn(h)
		}
		return proto.Sure
	}
	if b[0] != 'l' && b[0] != 'B' {
		return proto.No
	}
	if len(b) < headSize {
		if begins(b) {
			return waitOn(h)
		}
		return proto.No
	}
	var m message
	switch size := m.sizes(b); {
	case size < 0:
		return proto.No
	case size > len(b):
		return waitOn(h)
	}
	if m.read(b) {
		return proto.Sure
	}
	return proto.No
}

// waitOn waits for more bytes until the other end sends some.
func waitOn(h *proto.Hint) proto.Verdict {
	if h.Turned() || h.Last {
		return proto.No
	}
	return proto.Wait
}

// begins reports whether bytes can be the beginning of a message.
func begins(b []byte) bool {
	return (b[0] == 'l' || b[0] == 'B') && (len(b) < 2 || b[1] >= methodCall && b[1] <= signal) && (len(b) < 3 || b[2] < 8) && (len(b) < 4 || b[3] == 1)
}

// message is the header of a message. Its strings alias the bytes.
type message struct {
	order       binary.ByteOrder
	kind, flags byte
	body        int64
	serial      uint32
	path, iface, member, name, destination, sender,
	signature []byte
	reply, fds uint32
}

// sizes reads the fixed part of a header, and returns the size of the whole header; -1 if it is none.
func (m *message) sizes(b []byte) int {
	if len(b) < headSize || !begins(b) {
		return -1
	}
	m.order = binary.LittleEndian
	if b[0] == 'B' {
		m.order = binary.BigEndian
	}
	m.kind, m.flags = b[1], b[2]
	body, fields := m.order.Uint32(b[4:]), m.order.Uint32(b[12:])
	m.serial = m.order.Uint32(b[8:])
	if body > maxSize || m.serial == 0 || fields > maxHeader-headSize-8 {
		return -1
	}
	m.body = int64(body)
	return headSize + int(fields+7)&^7
}

// read reads a whole header. It reports whether it is one.
func (m *message) read(b []byte) bool {
	size := m.sizes(b)
	if size < 0 || size > len(b) {
		return false
	}
	b = b[:headSize+int(m.order.Uint32(b[12:]))]
	for at := headSize; at < len(b); {
		at = (at + 7) &^ 7
		if at+4 > len(b) || b[at+1] != 1 || b[at+3] != 0 {
			return false // a field is a code, a signature of one letter, and the value
		}
		code, kind := b[at], b[at+2]
		at += 4
		var text []byte
		number := uint32(0)
		switch kind {
		case 's', 'o', 'u':
			at = (at + 3) &^ 3
			if at+4 > len(b) {
				return false
			}
			number = m.order.Uint32(b[at:])
			at += 4
			if kind == 'u' {
				break
			}
			if int64(number) >= int64(len(b)-at) || b[at+int(number)] != 0 {
				return false
			}
			text = b[at : at+int(number)]
			at += int(number) + 1
		case 'g':
			if at >= len(b) || at+1+int(b[at]) >= len(b) {
				return false
			}
			text = b[at+1 : at+1+int(b[at])]
			at += 2 + len(text)
		default:
			return false
		}
		if !m.field(code, kind, text, number) {
			return false
		}
	}
	switch m.kind {
	case methodCall:
		return m.path != nil && m.member != nil
	case signal:
		return m.path != nil && m.member != nil && m.iface != nil
	case failure:
		return m.name != nil && m.reply != 0
	}
	return m.reply != 0
}

// field keeps a field, and reports whether it has its type.
func (m *message) field(code, kind byte, text []byte, number uint32) bool {
	if bytes.IndexByte(text, 0) >= 0 {
		return false
	}
	want := byte('s')
	switch code {
	case 0:
		return false
	case 1:
		m.path, want = text, 'o'
	case 2:
		m.iface = text
	case 3:
		m.member = text
	case 4:
		m.name = text
	case 5:
		m.reply, want = number, 'u'
	case 6:
		m.destination = text
	case 7:
		m.sender = text
	case 8:
		m.signature, want = text, 'g'
	case 9:
		m.fds, want = number, 'u'
	default:
		return true // of a later version
	}
	return kind == want
}

// half is one direction.
type half struct {
	lost bool // bytes are missing: the next ones may be in the middle of a message
	tail tail.Tail
}

type parser struct {
	proto.Base
	half  [2]half
	auth  proto.Queue    // lines that the server answers
	asked proto.Numbered // by direction, the caller's name and its number
}

func (p *parser) Held() int {
	return 64 + p.half[0].tail.Held() + p.half[1].tail.Held() + p.auth.Held() + p.asked.Held()
}

func (p *parser) Read(c *proto.Conv, d proto.Dir, b []byte) int {
	h := &p.half[d]
	if b[0] == 'l' || b[0] == 'B' && (len(b) < 2 || b[1] < ' ') {
		if len(b) < headSize && begins(b) {
			return 0
		}
		var m message
		size := m.sizes(b)
		if size > len(b) {
			return 0
		}
		if size > 0 && m.read(b) {
			text := 0
			if m.kind == failure && len(m.signature) > 0 && m.signature[0] == 's' {
				text = int(min(m.body, 4+maxText))
			}
			if len(b) < size+text {
				return 0
			}
			h.lost = false
			p.message(c, d, &m, size, b[size:size+text], true)
			return size + text
		}
	}
	switch {
	case h.lost:
		return len(b) // until a message begins
	case b[0] != 0 && (b[0] < 'A' || b[0] > 'Z'):
		c.Fail("not a message of D-Bus")
		return 0
	}
	i := bytes.IndexByte(b, '\n')
	switch {
	case i < 0 && len(b) < maxLine:
		return 0
	case i < 1 || b[i-1] != '\r' || !p.line(c, d, b[:i-1], i+1):
		c.Fail("not a message of D-Bus")
		return 0
	}
	return i + 1
}

// line reads a line of the authentication. Before the first one the client sends a NUL, with which its credentials go.
func (p *parser) line(c *proto.Conv, d proto.Dir, b []byte, size int) bool {
	b = bytes.TrimPrefix(b, []byte{0})
	word, rest, _ := bytes.Cut(b, []byte(" "))
	m := c.Message(event.MessageNotice, d)
	m.Text, m.Bytes = proto.Text(word), int64(size)
	m.Fields = c.Fields(3)
	data := func(b []byte) {
		if len(b) > 0 {
			m.Fields = append(m.Fields, event.Field{Key: keyData, Text: c.Secret(proto.Text(b))})
		}
	}
	switch string(word) {
	case "AUTH":
		mechanism, first, _ := bytes.Cut(rest, []byte(" "))
		m.Kind, m.Group = event.MessageRequest, "AUTH"
		if len(mechanism) > 0 {
			m.Text = "AUTH " + proto.Text(mechanism)
			m.Fields = append(m.Fields, event.Field{Key: keyMechanism, Text: proto.Text(mechanism)})
		}
		// Of these mechanisms it is who the client is: a number, or a name.
		if who, err := hex.DecodeString(string(first)); err == nil && len(who) > 0 && (string(mechanism) == "EXTERNAL" || string(mechanism) == "DBUS_COOKIE_SHA1") {
			m.Fields = append(m.Fields, event.Field{Key: keyIdentity, Text: string(who)})
		} else {
			data(first)
		}
		p.auth.Push(c.Ask(m))
		return true
	case "NEGOTIATE_UNIX_FD":
		m.Kind, m.Group = event.MessageRequest, m.Text
		p.auth.Push(c.Ask(m))
		return true
	case "OK", "REJECTED", "AGREE_UNIX_FD", "ERROR":
		m.Kind = event.MessageAnswer
		if word[0] == 'R' || word[0] == 'E' {
			m.Error = m.Text
		}
		x := p.auth.Pop()
		c.Close(&x, m)
	case "DATA":
		data(rest)
	case "CANCEL", "BEGIN":
	default:
		return false
	}
	c.Emit(m)
	return true
}

var seed = maphash.MakeSeed()

// key identifies a call by the direction it went in, who made it, and its number there. Through a bus the calls of many programs
// come to a service, and each counts its own.
func key(d proto.Dir, caller []byte, serial uint32) uint64 {
	return (maphash.Bytes(seed, caller)<<1|uint64(d))<<32 | uint64(serial)
}

// message emits a message. Unless it is whole, its body is not waited for.
func (p *parser) message(c *proto.Conv, d proto.Dir, h *message, size int, body []byte, whole bool) {
	m := c.Message(event.MessageNotice, d)
	m.Bytes = int64(size) + h.body
	m.Fields = append(c.Fields(12), event.Field{Key: keySerial, Num: int64(h.serial)})
	text := func(k *event.Key, b []byte) {
		if len(b) > 0 {
			m.Fields = append(m.Fields, event.Field{Key: k, Text: proto.Text(b)})
		}
	}
	name := proto.Text(h.member)
	if len(h.iface) > 0 {
		name = string(h.iface) + "." + name
	}
	var x proto.Exchange
	switch h.kind {
	case methodCall:
		m.Text = name
		m.Fields = append(m.Fields, event.Field{Key: keys.RPCSystem, Text: "dbus"})
		text(keys.RPCService, h.iface)
		text(keys.RPCMethod, h.member)
		if h.flags&noReply == 0 {
			m.Kind, m.Group = event.MessageRequest, name
		}
	case signal:
		m.Text, m.Group = "signal "+name, "signal "+name
	default:
		m.Kind, m.Text = event.MessageAnswer, "return"
		m.Fields = append(m.Fields, event.Field{Key: keyReplySerial, Num: int64(h.reply)})
		if h.kind == failure {
			m.Error = string(h.name)
			m.Text = "error " + m.Error
		}
		x = p.asked.Take(key(d.Other(), called(d, h.destination), h.reply))
	}
	text(keyDestination, h.destination)
	text(keySender, h.sender)
	text(keyPath, h.path)
	if h.fds > 0 {
		m.Fields = append(m.Fields, event.Field{Key: keyFDs, Num: int64(h.fds)})
	}
	if h.body > 0 {
		m.Fields = append(m.Fields, event.Field{Key: keyBody, Num: h.body})
	}
	if len(body) > 4 {
		b := body[4:]
		text(keyText, b[:min(int64(h.order.Uint32(body)), int64(len(b)))])
	}
	left := h.body - int64(len(body))
	if !whole {
		left = 0
	}
	if m.Kind == event.MessageRequest {
		p.asked.Put(key(d, called(d.Other(), h.sender), h.serial), c.Ask(m))
		if left > 0 {
			c.Skip(d, left)
		}
		return
	}
	p.half[d].tail.Answer(c, d, m, x, left)
}

// called returns the name of a caller if this end answers it: of its own calls the answers come to one name.
func called(answer proto.Dir, name []byte) []byte {
	if answer == proto.Out {
		return name
	}
	return nil
}

func (p *parser) Skipped(c *proto.Conv, d proto.Dir) { p.half[d].tail.Skipped(c) }

// Cut reads an error of which the text was not recorded to its end.
func (p *parser) Cut(c *proto.Conv, d proto.Dir, b []byte, _ int64) int64 {
	var m message
	if !m.read(b) || p.half[d].lost {
		return 0
	}
	size := m.sizes(b)
	p.message(c, d, &m, size, nil, false)
	return int64(size) + m.body
}

// Lost goes on: calls have numbers, and headers are known by their form.
func (p *parser) Lost(c *proto.Conv, d proto.Dir, _ int64) bool {
	p.half[d].tail.Ended(c)
	p.half[d].lost = true
	p.auth.Clear()
	return true
}

func (p *parser) Ended(c *proto.Conv, d proto.Dir) { p.half[d].tail.Ended(c) }
