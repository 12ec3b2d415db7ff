// Package smtp reads SMTP (RFC 5321) with its extensions for TLS (RFC 3207), authentication (RFC 4954), pipelining and chunks (RFC 3030).
package smtp

import (
	"bytes"
	"strconv"
	"unsafe"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
	"github.com/pidwire/pidwire/internal/proto/bin"
	"github.com/pidwire/pidwire/internal/proto/replies"
)

// Protocol is SMTP.
var Protocol = &proto.Protocol{
	Name: "smtp", Title: "SMTP",
	Ports:  []uint16{25, 587, 2525, 24},
	Detect: detect,
	New:    func(*proto.Conv) proto.Parser { return &parser{} },
	Keys:   []*event.Key{keyCommand, keyCode, keySize},
}

var (
	keyCommand = &event.Key{Name: "smtp.command", Form: event.FormQuiet}
	keyCode    = &event.Key{Name: "smtp.reply_code", Form: event.FormCount}
	keySize    = &event.Key{Name: "smtp.message.size", Form: event.FormBytes}
)

// verbs are the commands.
var verbs = map[string]bool{
	"EHLO": true, "HELO": true, "LHLO": true, "MAIL": true, "RCPT": true, "DATA": true, "BDAT": true, "RSET": true, "NOOP": true, "QUIT": true, "VRFY": true, "EXPN": true, "HELP": true,
	"AUTH": true, "STARTTLS": true, "ETRN": true, "XCLIENT": true, "XFORWARD": true, "TURN": true, "BURL": true, "ATRN": true,
}

func detect(h *proto.Hint) proto.Verdict {
	b := h.Begin()
	if !h.Stream || len(b) == 0 {
		return proto.No
	}
	greeting, line := replies.Begins(b)
	switch {
	case greeting == proto.No:
		return command(b)
	case greeting == proto.Wait:
		return proto.Wait
	case replies.Has(line, "smtp"):
		return proto.Sure
	case replies.Has(line, "ftp"):
		return proto.No
	}
	// Others greet like this too: the first command of the client tells.
	other := h.Data[h.First.Other()]
	if len(other) == 0 {
		return proto.Wait
	}
	if v := command(other); v != proto.No {
		return v
	}
	if first, size := replies.Line(other); size > 0 {
		if verb, _ := replies.Verb(first); verbs[verb] {
			return proto.Maybe
		}
	}
	return proto.No
}

// command says whether b begins with a command that only SMTP has.
func command(b []byte) proto.Verdict {
	for _, begin := range []string{"EHLO ", "HELO ", "LHLO ", "MAIL FROM:", "RCPT TO:"} {
		n := min(len(b), len(begin))
		switch {
		case !bytes.EqualFold(b[:n], []byte(begin[:n])):
		case n == len(begin):
			return proto.Sure
		default:
			return proto.Wait
		}
	}
	return proto.No
}

// Kinds of requests.
const (
	plain = iota
	startTLS
	authenticates
	data    // the server is asked to accept a message
	message // the message
)

type parser struct {
	proto.Base
	client proto.Dir
	known  bool
	queue  proto.Queue
	reply  replies.Reply
	proves bool // the next line of the client is a part of its authentication

	inData bool // a message follows, or is being sent
	begun  bool // its first line has been read
	line   bool // its next byte is the first of a line
	hole   bool // bytes of it are missing
	size   int64
	begin  int64
	at     proto.At
}

func (p *parser) Held() int { return int(unsafe.Sizeof(*p)) + p.queue.Held() + p.reply.Held() }

func (p *parser) Read(c *proto.Conv, d proto.Dir, b []byte) int {
	if !p.known {
		p.known, p.client = true, d
		if _, _, _, ok := replies.Code(b[:min(len(b), 4)]); ok {
			p.client = d.Other()
		}
	}
	if d == p.client && p.inData {
		return p.contents(c, d, b)
	}
	line, size := replies.Line(b)
	if size == 0 {
		if len(b) > replies.MaxLine {
			c.Fail("a line that is too long")
		}
		return 0
	}
	if d == p.client {
		p.request(c, d, line, size)
	} else {
		p.answer(c, d, line, size)
	}
	return size
}

// request reads a command.
func (p *parser) request(c *proto.Conv, d proto.Dir, line []byte, size int) {
	m := c.Message(event.MessageRequest, d)
	m.Bytes = int64(size)
	if p.proves {
		p.proves = false
		m.Text, m.Group = c.Secret(proto.Text(line)), "AUTH"
		x := c.Ask(m)
		x.Kind = authenticates
		p.queue.Push(x)
		return
	}
	verb, rest := replies.Verb(line)
	if !verbs[verb] && (verb == "" || len(verb) > 8 || !bin.Printable(line)) {
		c.Fail("not a command of SMTP")
		return
	}
	m.Text, m.Group = proto.Text(line[:min(len(line), 400)]), verb
	m.Fields = append(c.Fields(2), event.Field{Key: keyCommand, Text: verb})
	kind := plain
	switch verb {
	case "AUTH":
		kind = authenticates
		mechanism, initial, more := bytes.Cut(rest, []byte(" "))
		m.Text = verb + " " + proto.Text(mechanism)
		if more {
			m.Text += " " + c.Secret(proto.Text(initial))
		}
	case "STARTTLS":
		kind = startTLS
	case "DATA":
		kind = data
		p.inData, p.begun, p.line, p.hole, p.size = true, false, true, false, 0
	case "BDAT":
		word, _, _ := bytes.Cut(rest, []byte(" "))
		n, err := strconv.ParseInt(proto.Text(word), 10, 32)
		if err != nil || n < 0 {
			break
		}
		m.Bytes += n
		m.Fields = append(m.Fields, event.Field{Key: keySize, Num: n})
		if n > 0 {
			c.Skip(d, n)
		}
	}
	x := c.Ask(m)
	x.Kind = kind
	p.queue.Push(x)
}

func (p *parser) Skipped(c *proto.Conv, _ proto.Dir) {
	if x := p.queue.Last(); x != nil {
		_, end := c.Times()
		c.Sent(x, end)
	}
}

// contents passes the lines of a message until the one with a single dot.
func (p *parser) contents(c *proto.Conv, d proto.Dir, b []byte) int {
	if !p.begun {
		p.begun, p.at = true, c.Here()
		p.begin, _ = c.Times()
	}
	at := 0
	for at < len(b) {
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			rest := b[at:]
			if p.line && (len(rest) == 1 && rest[0] == '.' || len(rest) == 2 && string(rest) == ".\r") {
				p.size += int64(at)
				return at // It can become the last line.
			}
			p.line = false
			at = len(b)
			break
		}
		line := b[at : at+i+1]
		at += i + 1
		if p.line && (string(line) == ".\r\n" || string(line) == ".\n") {
			p.size += int64(at)
			p.sent(c, d, int64(len(line)), "")
			return at
		}
		p.line = true
	}
	p.size += int64(at)
	return at
}

// sent emits the message, which ends with so many bytes that do not belong to it.
func (p *parser) sent(c *proto.Conv, d proto.Dir, last int64, unsure string) {
	p.inData = false
	m := c.Message(event.MessageRequest, d)
	m.Begin, m.Bytes, m.Text, m.Group, m.Unsure = p.begin, p.size, "message", "message", unsure
	if p.hole && unsure == "" {
		m.Unsure = "a part of it was not recorded"
	}
	m.Fields = append(c.Fields(1), event.Field{Key: keySize, Num: max(p.size-last, 0)})
	x := c.Open(m)
	x.Kind = message
	p.queue.Push(x)
	c.EmitAt(m, p.at)
}

// answer reads a line of a reply.
func (p *parser) answer(c *proto.Conv, d proto.Dir, line []byte, size int) {
	whole, ok := p.reply.Add(c, line, size)
	switch {
	case !ok:
		c.Fail("not a reply of SMTP")
		return
	case !whole:
		return
	}
	code := p.reply.Code
	if p.inData && p.queue.Len() == 0 {
		// The server has the message: its end was not recorded, or there is none.
		if p.begun {
			p.sent(c, d.Other(), 0, "its end was not recorded")
		}
		p.inData = false
	}
	x := p.queue.Pop()
	if code == 334 {
		p.reply.Text = "" // what the client proves is computed from it
	}
	m, at := p.reply.Message(c, d)
	m.Fields = append(c.Fields(1), event.Field{Key: keyCode, Num: int64(code)})
	if !x.Known() {
		m.Kind = event.MessageNotice
	}
	c.Close(&x, m)
	c.EmitAt(m, at)
	switch {
	case x.Kind == data && code != 354 && !p.begun:
		p.inData = false
	case x.Kind == authenticates && code == 334:
		p.proves = true
	case x.Kind == startTLS && code == 220:
		c.Switch(nil)
	}
}

// Lost passes missing bytes in a message. Others could be commands or replies.
func (p *parser) Lost(c *proto.Conv, d proto.Dir, n int64) bool {
	if !p.known || d != p.client || !p.inData || !p.begun {
		return false
	}
	p.hole, p.line = true, false
	p.size += n
	return true
}

// Ended emits a message that has no end.
func (p *parser) Ended(c *proto.Conv, d proto.Dir) {
	if p.known && d == p.client && p.inData && p.begun {
		p.sent(c, d, 0, proto.Incomplete)
	}
}
