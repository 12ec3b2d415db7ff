package memcached

import (
	"encoding/binary"
	"strconv"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
	"github.com/pidwire/pidwire/internal/proto/keys"
)

const (
	magicRequest = 0x80
	magicAnswer  = 0x81
	headerSize   = 24
	maxBody      = 1 << 30
)

// opcodes are the binary commands. Those that end with Q are only answered if there is something to say.
var opcodes = [...]string{
	"get", "set", "add", "replace", "delete", "incr", "decr", "quit", "flush", "getq", "noop", "version", "getk", "getkq", "append", "prepend", "stat",
	"setq", "addq", "replaceq", "deleteq", "incrq", "decrq", "quitq", "flushq", "appendq", "prependq", "verbosity", "touch", "gat", "gatq", "",
	"sasl list", "sasl auth", "sasl step", "gatk", "gatkq",
}

const (
	opStat  = 0x10
	opQuitQ = 0x17
	opSASL  = 0x20
)

func opcode(op byte) string {
	if int(op) < len(opcodes) {
		return opcodes[op]
	}
	return ""
}

// silent reports whether a command may be left without an answer.
func silent(op byte) bool {
	name := opcode(op)
	return name != "" && name[len(name)-1] == 'q'
}

// statuses are the results of binary commands.
var statuses = map[uint16]string{
	1: "KEY_NOT_FOUND", 2: "KEY_EXISTS", 3: "VALUE_TOO_LARGE", 4: "INVALID_ARGUMENTS", 5: "NOT_STORED", 6: "NON_NUMERIC_VALUE", 7: "WRONG_SERVER", 8: "AUTH_ERROR", 9: "AUTH_CONTINUE",
	0x20: "AUTH_ERROR", 0x21: "AUTH_CONTINUE", 0x81: "UNKNOWN_COMMAND", 0x82: "OUT_OF_MEMORY", 0x83: "NOT_SUPPORTED", 0x84: "INTERNAL_ERROR", 0x85: "BUSY", 0x86: "TEMPORARY_FAILURE",
}

// binaryRequest says whether b begins with a binary command.
func binaryRequest(b []byte) proto.Verdict {
	switch {
	case len(b) > 1 && opcode(b[1]) == "", len(b) > 5 && b[5] != 0:
		return proto.No
	case len(b) < headerSize:
		return proto.Wait
	}
	body := binary.BigEndian.Uint32(b[8:])
	if uint32(binary.BigEndian.Uint16(b[2:]))+uint32(b[4]) > body || body > maxBody || binary.BigEndian.Uint16(b[2:]) > maxKey {
		return proto.No
	}
	return proto.Sure
}

// packet reads a binary packet: its header, extras and key.
func (p *parser) packet(c *proto.Conv, d proto.Dir, b []byte) int {
	if len(b) < headerSize {
		return 0
	}
	op, body := b[1], int64(binary.BigEndian.Uint32(b[8:]))
	size := int(binary.BigEndian.Uint16(b[2:]))
	read := headerSize + int(b[4]) + size
	magic := byte(magicAnswer)
	if d == p.client {
		magic = magicRequest
	}
	if b[0] != magic || int64(read-headerSize) > body || size > maxKey || body > maxBody || opcode(op) == "" {
		return p.bad(c)
	}
	if len(b) < read {
		return 0
	}
	rest := body - int64(read-headerSize)
	if rest > 0 {
		c.Skip(d, rest)
	}
	kind := int(op) | int(binary.BigEndian.Uint32(b[12:]))<<8
	name := opcode(op)
	if d == p.client {
		m := c.Message(event.MessageRequest, d)
		m.Bytes, m.Text, m.Group = headerSize+body, name, name
		if size > 0 {
			m.Text += " " + key(b[read-size:read])
		}
		m.Fields = append(c.Fields(4), event.Field{Key: keys.System, Text: "memcached"}, event.Field{Key: keys.Operation, Text: name}, event.Field{Key: keys.Summary, Text: name})
		if rest > 0 && op < opSASL {
			m.Fields = append(m.Fields, event.Field{Key: keySize, Num: rest})
		}
		x := c.Ask(m)
		x.Kind = kind
		if op != opQuitQ {
			p.queue.Push(x)
		}
		return read
	}
	if op == opStat && size > 0 {
		return read // one of many
	}
	m := c.Message(event.MessageAnswer, d)
	m.Bytes, m.Text = headerSize+body, "OK"
	m.Fields = append(c.Fields(3), event.Field{Key: keys.System, Text: "memcached"})
	status := binary.BigEndian.Uint16(b[6:])
	if status != 0 {
		m.Text = statuses[status]
		if m.Text == "" {
			m.Text = "STATUS" + strconv.Itoa(int(status))
		}
		if m.Text != "AUTH_CONTINUE" {
			m.Error = m.Text
			m.Fields = append(m.Fields, event.Field{Key: keys.Status, Text: m.Text})
		}
	} else if rest > 0 && op < opSASL {
		m.Fields = append(m.Fields, event.Field{Key: keySize, Num: rest})
	}
	for x := p.queue.First(); x != nil; x = p.queue.First() {
		if x.Kind == kind {
			known := p.queue.Pop()
			c.Close(&known, m)
			break
		}
		if !silent(byte(x.Kind)) {
			break
		}
		p.queue.Pop()
	}
	c.Emit(m)
	return read
}
