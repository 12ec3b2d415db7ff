// Package adb reads the protocol of the Android Debug Bridge, between adb and a device or emulator
// (system/core/adb/protocol.txt in the sources of Android).
package adb

import (
	"bytes"
	"encoding/binary"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
)

// Protocol is the protocol of adb.
var Protocol = &proto.Protocol{
	Name: "adb", Title: "ADB",
	Ports:  []uint16{5555, 5554, 5037},
	Detect: detect,
	New:    func(*proto.Conv) proto.Parser { return &parser{} },
	Keys:   []*event.Key{keyCommand, keyLocal, keyRemote, keyService, keySize, keyAuth, keyBanner},
}

var (
	keyCommand = &event.Key{Name: "adb.command", Form: event.FormQuiet}
	keyLocal   = &event.Key{Name: "adb.local_id", Label: "local", Form: event.FormInt}
	keyRemote  = &event.Key{Name: "adb.remote_id", Label: "remote", Form: event.FormInt}
	keyService = &event.Key{Name: "adb.service", Form: event.FormQuiet}
	keySize    = &event.Key{Name: "adb.size", Form: event.FormBytes}
	keyAuth    = &event.Key{Name: "adb.auth_type"}
	keyBanner  = &event.Key{Name: "adb.system"}
)

// The commands, as they are in the first four bytes of a message.
var commands = []string{"CNXN", "AUTH", "OPEN", "OKAY", "WRTE", "CLSE", "SYNC", "STLS"}

const (
	headSize = 24
	// maxText is how much of the payload of OPEN and CNXN is read.
	maxText = 1024
)

// header is the header of a message, in host byte order.
type header struct {
	command          string
	arg0, arg1, size uint32
}

// read reads a header of 24 bytes. ok is false if its last word is not the complement of its first one.
func read(b []byte) (h header, ok bool) {
	le := binary.LittleEndian
	if le.Uint32(b[20:]) != ^le.Uint32(b) {
		return h, false
	}
	for _, c := range commands {
		if string(b[:4]) == c {
			return header{c, le.Uint32(b[4:]), le.Uint32(b[8:]), le.Uint32(b[12:])}, true
		}
	}
	return h, false
}

func detect(h *proto.Hint) proto.Verdict {
	b := h.Begin()
	if !h.Stream || len(b) == 0 {
		return proto.No
	}
	if len(b) >= headSize {
		if _, ok := read(b); ok {
			return proto.Sure
		}
		return proto.No
	}
	for _, c := range commands {
		if n := min(len(b), len(c)); string(b[:n]) == c[:n] {
			return proto.Wait
		}
	}
	return proto.No
}

type parser struct {
	proto.Base
	lost  [2]bool        // bytes are missing: the next ones may be in the middle of a message
	asked proto.Numbered // by direction and the sender's id; CNXN and AUTH by id 0
}

func (p *parser) Held() int { return 64 + p.asked.Held() }

func (p *parser) Read(c *proto.Conv, d proto.Dir, b []byte) int {
	if len(b) < headSize {
		return 0
	}
	h, ok := read(b)
	switch {
	case !ok && p.lost[d]:
		return len(b) // until a message begins
	case !ok:
		c.Fail("not a message of adb")
		return 0
	}
	p.lost[d] = false
	text := 0
	if h.command == "OPEN" || h.command == "CNXN" {
		text = int(min(h.size, maxText))
	}
	if len(b) < headSize+text {
		return 0
	}
	p.message(c, d, &h, b[headSize:headSize+text], false)
	if rest := int64(h.size) - int64(text); rest > 0 {
		c.Skip(d, rest)
	}
	return headSize + text
}

// Cut reads a message of which the payload was not recorded to its end.
func (p *parser) Cut(c *proto.Conv, d proto.Dir, b []byte, _ int64) int64 {
	if len(b) < headSize {
		return 0
	}
	h, ok := read(b)
	if !ok {
		return 0
	}
	text := b[headSize:]
	p.message(c, d, &h, text[:min(len(text), int(min(h.size, maxText)))], uint32(len(text)) < h.size)
	return headSize + int64(h.size)
}

// Lost goes on: each message begins with a word by which it is known.
func (p *parser) Lost(_ *proto.Conv, d proto.Dir, _ int64) bool {
	p.asked = proto.Numbered{}
	p.lost[d] = true
	return true
}

// key identifies a request: who sent it, and its id there.
func key(d proto.Dir, id uint32) uint64 { return uint64(d)<<32 | uint64(id) }

func (p *parser) message(c *proto.Conv, d proto.Dir, h *header, payload []byte, cut bool) {
	m := c.Message(event.MessageNotice, d)
	m.Text = h.command
	m.Bytes = headSize + int64(h.size)
	m.Fields = append(c.Fields(6), event.Field{Key: keyCommand, Text: h.command})
	ids := func() {
		if h.arg0 != 0 {
			m.Fields = append(m.Fields, event.Field{Key: keyLocal, Num: int64(h.arg0)})
		}
		if h.arg1 != 0 {
			m.Fields = append(m.Fields, event.Field{Key: keyRemote, Num: int64(h.arg1)})
		}
	}
	var x proto.Exchange
	switch h.command {
	case "CNXN":
		banner := proto.Text(bytes.TrimRight(payload, "\x00"))
		m.Fields = append(m.Fields, event.Field{Key: keyBanner, Text: banner})
		if x = p.asked.Take(key(d.Other(), 0)); !x.Known() {
			p.ask(c, m, key(d, 0), "CNXN")
			return
		}
		m.Kind = event.MessageAnswer
	case "AUTH":
		kind := "unknown"
		switch h.arg0 {
		case 1:
			kind = "token"
		case 2:
			kind = "signature"
		case 3:
			kind = "public key"
		}
		m.Fields = append(m.Fields, event.Field{Key: keyAuth, Text: kind})
	case "OPEN":
		service := proto.Text(bytes.TrimRight(payload, "\x00"))
		if cut {
			service += "..."
		}
		m.Text = "OPEN " + service
		m.Fields = append(m.Fields, event.Field{Key: keyService, Text: service})
		ids()
		name, _, _ := bytes.Cut(payload, []byte(":"))
		p.ask(c, m, key(d, h.arg0), "OPEN "+proto.Text(name))
		return
	case "WRTE":
		m.Fields = append(m.Fields, event.Field{Key: keySize, Num: int64(h.size)})
		ids()
		p.ask(c, m, key(d, h.arg0), "WRTE")
		return
	case "OKAY", "CLSE":
		ids()
		if x = p.asked.Take(key(d.Other(), h.arg1)); x.Known() {
			m.Kind = event.MessageAnswer
			if h.command == "CLSE" {
				m.Error = "CLSE"
			}
		}
	default:
		ids()
	}
	c.Close(&x, m)
	c.Emit(m)
}

// ask emits a message that the other end answers.
func (p *parser) ask(c *proto.Conv, m *event.Message, k uint64, group string) {
	m.Kind, m.Group = event.MessageRequest, group
	p.asked.Put(k, c.Ask(m))
}
