// Package memcached reads the text protocol of memcached with its meta commands
// (https://github.com/memcached/memcached/blob/master/doc/protocol.txt) and the binary protocol
// (https://docs.memcached.org/protocols/binary/).
package memcached

import (
	"bytes"
	"strconv"
	"strings"
	"unsafe"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
	"github.com/pidwire/pidwire/internal/proto/bin"
	"github.com/pidwire/pidwire/internal/proto/keys"
	"github.com/pidwire/pidwire/internal/proto/mask"
)

// Protocol is that of memcached.
var Protocol = &proto.Protocol{
	Name: "memcached", Title: "memcached",
	Ports:  ports,
	Detect: detect,
	New:    func(*proto.Conv) proto.Parser { return &parser{} },
	Keys:   []*event.Key{keys.System, keys.Operation, keys.Summary, keys.Status, keyValues, keySize},
}

var ports = []uint16{11211}

var (
	keyValues = &event.Key{Name: "memcached.values", Label: "values", Form: event.FormInt}
	keySize   = &event.Key{Name: "memcached.value.size", Form: event.FormBytes}
)

const (
	maxLine = 2 << 10
	maxKey  = 250
)

// shape is what follows a command.
type shape uint8

const (
	byKeys  shape = iota // keys
	byValue              // a key, flags, time and size, and then the value
	meta                 // a key and flags
	metaSet              // a key, the size, flags, and then the value
	alone                // something that is not a key
)

var commands = map[string]shape{
	"get": byKeys, "gets": byKeys, "gat": alone, "gats": alone, "delete": byKeys, "incr": byKeys, "decr": byKeys, "touch": byKeys,
	"set": byValue, "add": byValue, "replace": byValue, "append": byValue, "prepend": byValue, "cas": byValue,
	"mg": meta, "md": meta, "ma": meta, "me": meta, "ms": metaSet, "mn": alone,
	"stats": alone, "flush_all": alone, "version": alone, "verbosity": alone, "quit": alone, "cache_memlimit": alone, "slabs": alone, "lru": alone, "lru_crawler": alone, "watch": alone,
}

func detect(h *proto.Hint) proto.Verdict {
	b := h.Begin()
	if !h.Stream || len(b) == 0 {
		return proto.No
	}
	if b[0] == magicRequest {
		return binaryRequest(b)
	}
	line, _, whole := bytes.Cut(b, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	word, rest, more := bytes.Cut(line, []byte(" "))
	if len(word) > 16 || len(word) == 0 {
		return proto.No
	}
	kind, known := commands[string(word)]
	switch {
	case !whole && h.Turned():
		return proto.No
	case !whole && !more:
		for name := range commands {
			if strings.HasPrefix(name, string(word)) {
				return proto.Wait
			}
		}
		return proto.No
	case !known:
		return proto.No
	case !whole && len(line) > maxLine:
		return proto.No
	case !whole:
		return proto.Wait
	}
	if kind == byValue {
		if _, ok := valueSize(bytes.Fields(rest)); ok {
			return proto.Sure
		}
		return proto.No
	}
	if h.On(ports) {
		return proto.Maybe
	}
	// Other protocols have such commands too: the answer tells.
	reply := h.Data[h.First.Other()]
	if len(reply) == 0 {
		return proto.Wait
	}
	for _, begin := range []string{"VALUE ", "END\r\n", "STAT ", "VERSION ", "DELETED\r\n", "NOT_FOUND\r\n", "TOUCHED\r\n", "HD", "EN\r\n", "VA "} {
		n := min(len(begin), len(reply))
		switch {
		case string(reply[:n]) != begin[:n]:
		case n == len(begin):
			return proto.Sure
		default:
			return proto.Wait
		}
	}
	return proto.No
}

// valueSize returns the size of the value from the words after a command that stores one.
func valueSize(words [][]byte) (int64, bool) {
	if len(words) < 4 || len(words) > 6 || len(words[0]) > maxKey {
		return 0, false
	}
	for _, w := range words[1:4] {
		if _, err := strconv.ParseInt(proto.Text(w), 10, 64); err != nil {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(proto.Text(words[3]), 10, 32)
	return n, err == nil && n >= 0
}

type parser struct {
	proto.Base
	queue  proto.Queue
	client proto.Dir
	known  bool
	binary bool
	quiet  bool // answers to meta commands can be missing, until that to mn
	// answer is that to the oldest request, so far.
	answer struct {
		begun  bool
		at     proto.At
		begin  int64
		bytes  int64
		values int64
		size   int64
		stats  int64
		whole  bool // it ends with the value
	}
}

func (p *parser) Held() int { return int(unsafe.Sizeof(*p)) + p.queue.Held() }

func (p *parser) Read(c *proto.Conv, d proto.Dir, b []byte) int {
	if !p.known {
		p.known, p.client, p.binary = true, d, b[0] == magicRequest
	}
	if p.binary {
		return p.packet(c, d, b)
	}
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		if len(b) > maxLine {
			return p.bad(c)
		}
		return 0
	}
	line := bytes.TrimSuffix(b[:i], []byte("\r"))
	if d == p.client {
		p.request(c, d, line, int64(i+1))
	} else {
		p.reply(c, d, line, int64(i+1))
	}
	return i + 1
}

func (p *parser) bad(c *proto.Conv) int {
	c.Fail("not the protocol of memcached")
	return 0
}

// key returns a key as it is shown.
func key(b []byte) string {
	s := proto.Text(b[:min(len(b), maxKey)])
	if mask.Token(s) {
		return mask.Stars
	}
	return s
}

// request reads a command.
func (p *parser) request(c *proto.Conv, d proto.Dir, line []byte, n int64) {
	words := bytes.Fields(line)
	if len(words) == 0 {
		p.bad(c)
		return
	}
	name := proto.Text(words[0])
	kind, known := commands[name]
	if !known {
		if !bin.Printable(line) {
			p.bad(c)
			return
		}
		// The server answers with an error. What it is, is not shown: it can be a part of a value.
		name, words = "unknown command", words[:1]
	}
	m := c.Message(event.MessageRequest, d)
	m.Group = name
	m.Bytes = n
	m.Fields = append(c.Fields(4), event.Field{Key: keys.System, Text: "memcached"}, event.Field{Key: keys.Operation, Text: name}, event.Field{Key: keys.Summary, Text: name})
	args := words[1:]
	text := name
	silent := len(args) > 0 && string(args[len(args)-1]) == "noreply"
	var size int64 = -1
	switch kind {
	case byKeys:
		const most = 4
		for i, a := range args {
			if name != "get" && name != "gets" && i > 0 {
				break
			}
			if i == most {
				text += " ..."
				break
			}
			text += " " + key(a)
		}
	case byValue, metaSet:
		ok := false
		if kind == byValue {
			size, ok = valueSize(args)
		} else if len(args) > 1 {
			var err error
			size, err = strconv.ParseInt(proto.Text(args[1]), 10, 32)
			ok = err == nil && size >= 0
		}
		if !ok {
			size = -1
			break // The server answers with an error.
		}
		text += " " + key(args[0])
		m.Bytes += size + 2
		m.Fields = append(m.Fields, event.Field{Key: keySize, Num: size})
		c.Skip(d, size+2)
	case meta:
		if len(args) > 0 {
			text += " " + key(args[0])
		}
	case alone:
		if len(args) > 0 && !silent {
			text += " " + key(args[len(args)-1])
		}
	}
	if kind == meta || kind == metaSet {
		for i, a := range args {
			if i > 0 && string(a) == "q" {
				silent, p.quiet = true, true
			}
		}
	}
	m.Text = text
	if name == "quit" {
		m.Kind, m.Group = event.MessageNotice, ""
		c.Emit(m)
		return
	}
	x := c.Ask(m)
	if name == "mn" {
		x.Kind = 1
	}
	if !silent {
		p.queue.Push(x)
	}
}

// reply reads a line of an answer.
func (p *parser) reply(c *proto.Conv, d proto.Dir, line []byte, n int64) {
	a := &p.answer
	if !a.begun {
		a.begun, a.at = true, c.Here()
		a.begin, _ = c.Times()
	}
	a.bytes += n
	word, rest, _ := bytes.Cut(line, []byte(" "))
	switch proto.Text(word) {
	case "VALUE", "VA":
		words := bytes.Fields(rest)
		at := 2
		if string(word) == "VA" {
			at = 0
		}
		if len(words) <= at {
			p.bad(c)
			return
		}
		size, err := strconv.ParseUint(proto.Text(words[at]), 10, 31)
		if err != nil {
			p.bad(c)
			return
		}
		a.values++
		a.size += int64(size)
		a.bytes += int64(size) + 2
		a.whole = at == 0
		c.Skip(d, int64(size)+2)
	case "STAT":
		a.stats++
	case "END":
		switch {
		case a.values > 0:
			p.done(c, d, "VALUE", "")
		case a.stats > 0:
			p.done(c, d, "STAT", "")
		default:
			p.done(c, d, "END", "")
		}
	case "ERROR", "CLIENT_ERROR", "SERVER_ERROR":
		p.done(c, d, proto.Text(line[:min(len(line), 200)]), proto.Text(word))
	case "VERSION":
		p.done(c, d, proto.Text(line[:min(len(line), 64)]), "")
	default:
		if len(word) == 0 || len(word) > 20 {
			p.bad(c)
			return
		}
		p.done(c, d, proto.Text(word), "")
	}
}

func (p *parser) Skipped(c *proto.Conv, d proto.Dir) {
	if d == p.client {
		if x := p.queue.Last(); x != nil {
			_, end := c.Times()
			c.Sent(x, end)
		}
		return
	}
	if p.answer.whole {
		p.done(c, d, "VA", "")
	}
}

// done emits the answer to the oldest request.
func (p *parser) done(c *proto.Conv, d proto.Dir, text, fault string) {
	a := &p.answer
	m := c.Message(event.MessageAnswer, d)
	m.Begin, m.Bytes, m.Text, m.Error = a.begin, a.bytes, text, fault
	m.Fields = append(c.Fields(4), event.Field{Key: keys.System, Text: "memcached"})
	if fault != "" {
		m.Fields = append(m.Fields, event.Field{Key: keys.Status, Text: fault})
	}
	if a.values > 0 {
		m.Fields = append(m.Fields, event.Field{Key: keyValues, Num: a.values}, event.Field{Key: keySize, Num: a.size})
	}
	if text == "MN" {
		for x := p.queue.First(); x != nil && x.Kind != 1; x = p.queue.First() {
			p.queue.Pop()
		}
		p.quiet = false
	}
	if !p.quiet {
		x := p.queue.Pop()
		c.Close(&x, m)
	}
	c.EmitAt(m, a.at)
	a.begun, a.bytes, a.values, a.size, a.stats, a.whole = false, 0, 0, 0, 0, false
}
