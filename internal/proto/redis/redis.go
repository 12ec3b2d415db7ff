// Package redis reads RESP, the protocol of Redis and its relatives, in versions 2 and 3
// (https://redis.io/docs/latest/develop/reference/protocol-spec/), with inline commands.
package redis

import (
	"bytes"
	"strings"
	"unsafe"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
	"github.com/pidwire/pidwire/internal/proto/keys"
)

// Protocol is RESP.
var Protocol = &proto.Protocol{
	Name: "redis", Title: "Redis",
	Ports:  ports,
	Detect: detect,
	New:    func(*proto.Conv) proto.Parser { return &parser{} },
	Keys:   []*event.Key{keys.System, keys.Operation, keys.Summary, keys.Namespace, keys.Status, keyKind, keySize, keyCount},
}

var ports = []uint16{6379, 6380, 26379, 16379}

var (
	keyKind  = &event.Key{Name: "redis.value.type", Form: event.FormQuiet}
	keySize  = &event.Key{Name: "redis.value.size", Form: event.FormBytes}
	keyCount = &event.Key{Name: "redis.value.elements", Label: "elements", Form: event.FormInt}
)

const (
	// maxNumber bounds the line with the size of something.
	maxNumber = 32
	// maxLine bounds simple strings, errors and inline commands.
	maxLine = 16 << 10
	// maxArg is up to which size arguments are read; others pass.
	maxArg = 256
	// maxArgs is how many arguments of a command are read; more pass.
	maxArgs = 8
	// maxDepth bounds the levels of arrays in arrays.
	maxDepth = 16
	// maxShown bounds the text of a command.
	maxShown = 200
)

// detect waits for the first message only until the other end answers.
func detect(h *proto.Hint) proto.Verdict {
	v := look(h)
	if v == proto.Wait && h.Turned() {
		return proto.No
	}
	return v
}

// look accepts the beginning of a command. Answers and inline commands can be of other protocols too.
func look(h *proto.Hint) proto.Verdict {
	if !h.Stream {
		return proto.No
	}
	b := h.Begin()
	if len(b) == 0 {
		return proto.No
	}
	switch b[0] {
	case '*':
		return command(b, !h.Start)
	case '+', '-', ':', '$', '%', '>', '_', '#', ',':
		if i := bytes.IndexByte(b, '\n'); !h.Start && i > 1 && b[i-1] == '\r' {
			return proto.Maybe
		}
		return proto.No
	}
	line, _, whole := bytes.Cut(b, []byte("\n"))
	word, _, more := bytes.Cut(bytes.TrimSuffix(line, []byte("\r")), []byte(" "))
	if len(word) == 0 || len(word) > maxName {
		return proto.No
	}
	if whole || more {
		if lookup(word) == nil || !whole && len(line) > maxLine {
			return proto.No
		}
		if !whole {
			return waitOn(h)
		}
		return proto.Maybe
	}
	for _, ch := range word {
		if letter := ch | 0x20; letter < 'a' || letter > 'z' {
			return proto.No
		}
	}
	return waitOn(h)
}

// waitOn waits for more bytes of what can be an inline command where the port is that of Redis.
func waitOn(h *proto.Hint) proto.Verdict {
	if h.On(ports) {
		return proto.Wait
	}
	return proto.No
}

// command says whether b begins a command: an array of strings of which the first is a word. If strict is set, it must be a command
// that is known, or what a server sends to subscribers.
func command(b []byte, strict bool) proto.Verdict {
	n, at := number(b)
	switch {
	case at == 0 && len(b) < maxNumber && digits(b[1:]):
		return proto.Wait
	case at <= 0 || n < 1 || n > 1<<20:
		return proto.No
	case at == len(b):
		return proto.Wait
	case b[at] != '$':
		return proto.No
	}
	b = b[at:]
	n, at = number(b)
	switch {
	case at == 0 && len(b) < maxNumber && digits(b[1:]):
		return proto.Wait
	case at <= 0 || n < 1 || n > maxName:
		return proto.No
	}
	b = b[at:]
	for i, ch := range b[:min(len(b), int(n))] {
		letter := ch|0x20 >= 'a' && ch|0x20 <= 'z'
		if !letter && (i == 0 || ch != '.' && ch != '_' && ch != '-' && (ch < '0' || ch > '9')) {
			return proto.No
		}
	}
	switch {
	case len(b) < int(n)+2:
		return proto.Wait
	case b[n] != '\r' || b[n+1] != '\n':
		return proto.No
	case strict && lookup(b[:n]) == nil && !pubsub(string(b[:n])):
		return proto.No
	}
	return proto.Sure
}

// digits reports whether b can be a number and its end.
func digits(b []byte) bool {
	for i, ch := range b {
		if (ch < '0' || ch > '9') && (ch != '\r' || i == 0 || i != len(b)-1) {
			return false
		}
	}
	return true
}

// number reads a line with a number after its first byte, and returns the size of the line; 0 if it is not
// complete, -1 if there is no number.
func number(b []byte) (n int64, size int) {
	negative, i := false, 1
	if i < len(b) && b[i] == '-' {
		negative = true
		i++
	}
	begin := i
	for ; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
		if n = n*10 + int64(b[i]-'0'); n > 1<<40 {
			return 0, -1
		}
	}
	switch {
	case i == len(b), b[i] == '\r' && i+1 == len(b):
		return 0, 0
	case i == begin || b[i] != '\r' || b[i+1] != '\n':
		return 0, -1
	}
	if negative {
		n = -n
	}
	return n, i + 2
}

// half is one direction.
type half struct {
	busy   bool // a message has begun
	resync bool // bytes were missing: until a message begins

	at    proto.At // of the message that has begun
	begin int64
	bytes int64
	left  [maxDepth]int64 // elements that are still to come, by level; of a command, its arguments
	attr  [maxDepth]bool  // the level is an attribute, which is no element
	level int
	form  form // of an answer
	spec  spec // of a command
	text  string
}

// form is what an answer is.
type form struct {
	kind  string // "array"
	size  int64  // of a string
	count int64  // of elements
	push  bool   // sent without being asked
	words [2]string
	known int // of words
	want  bool
}

type parser struct {
	proto.Base
	half   [2]half
	queue  proto.Queue
	client proto.Dir
	known  bool   // client is
	agreed bool   // an answer has confirmed it
	text   []byte // of the current command
	db     string // number of the database, after SELECT

	subscribed bool  // arrays can be messages that nobody asked for
	monitor    bool  // simple strings can be lines of MONITOR
	mute       bool  // the server does not answer: CLIENT REPLY OFF, or replication
	skip       int   // nor these next commands: CLIENT REPLY SKIP
	doubt      bool  // messages are missing: to which request an answer belongs is not known
	next       bool  // the end of an answer is missing, which was the only one to come: the next command begins the next
	unsure     bool  // the next answer follows such an end
	last       int64 // when the last bytes came or went
}

func (p *parser) Held() int {
	n := int(unsafe.Sizeof(*p)) + p.queue.Held() + cap(p.text)
	for i := range p.half {
		h := &p.half[i]
		n += len(h.text) + len(h.form.words[0]) + len(h.form.words[1])
	}
	return n
}

func (p *parser) Read(c *proto.Conv, d proto.Dir, b []byte) int {
	h := &p.half[d]
	if h.resync && !p.resume(c, d, b) {
		return len(b)
	}
	if !p.known {
		p.client, p.known = d, true
		if b[0] != '*' && !h.inline(b) || pushed(b) {
			p.client = d.Other() // what the server sends on a connection that was open before
		}
		p.agreed = c.Start()
	}
	if !p.agreed && d != p.client && b[0] == '*' && !pushed(b) {
		switch command(b, true) {
		case proto.Wait:
			return 0
		case proto.Sure:
			p.client, p.agreed = d, true // What was taken for a command was the end of an answer.
			p.queue.Clear()
		}
	}
	if p.unsure && d != p.client && !h.busy && aggregates[b[0]] == "" && !bytes.ContainsRune([]byte("+-:,(#_$=!|"), rune(b[0])) {
		// The command was sent before the end of the answer that is missing.
		*h = half{resync: true}
		p.unsure, p.doubt = false, true
		p.queue.Clear()
		return len(b)
	}
	if d == p.client {
		if h.busy {
			return p.arguments(c, d, b, 0)
		}
		if b[0] == '*' {
			return p.command(c, d, b)
		}
		return p.inline(c, d, b)
	}
	return p.reply(c, d, b)
}

// inline reports whether b is an inline command.
func (*half) inline(b []byte) bool {
	return b[0]|0x20 >= 'a' && b[0]|0x20 <= 'z'
}

// pushed reports whether an array is what a server sends to subscribers.
func pushed(b []byte) bool {
	_, at := number(b)
	if at <= 0 {
		return false
	}
	for _, word := range []string{"$7\r\nmessage\r\n", "$8\r\npmessage\r\n", "$8\r\nsmessage\r\n"} {
		if bytes.HasPrefix(b[at:], []byte(word)) {
			return true
		}
	}
	return false
}

// quiet is how long nothing must have been sent so that all earlier commands are taken to have been answered, ns. Commands that block
// take longer; therefore this is only a way out of doubt.
const quiet = 1_000_000_000

// resume reports whether a message begins at b after bytes that are missing. A command is recognized by its content.
// An answer can only begin when the client has sent a command after a while without any bytes.
func (p *parser) resume(c *proto.Conv, d proto.Dir, b []byte) bool {
	if d != p.client || command(b, true) != proto.Sure {
		return false
	}
	p.half[d].resync = false
	return true
}

// settle ends doubt: if nothing was sent for a while, the next answer is that to the command that begins here.
func (p *parser) settle(c *proto.Conv) {
	if first, _ := c.Times(); p.doubt && first-p.last >= quiet {
		p.doubt = false
		if h := &p.half[p.client.Other()]; h.resync {
			*h = half{}
		}
	}
}

// only reports whether the answer that has begun is the only one that the server has to send.
func (p *parser) only() bool {
	h := &p.half[p.client]
	return p.queue.Len() == 1 && !p.subscribed && !p.monitor && !p.mute && p.skip == 0 && !h.busy && !h.resync
}

// part emits an answer of which the rest is missing. redis-cli begins with COMMAND DOCS, whose answer is longer than what is recorded.
func (p *parser) part(c *proto.Conv, d proto.Dir) {
	f := &p.half[d].form
	m := p.message(c, d)
	m.Text, m.Unsure = f.kind, "a part of it was not recorded"
	m.Fields = append(m.Fields, event.Field{Key: keyKind, Text: f.kind}, event.Field{Key: keyCount, Num: f.count})
	x := p.queue.Pop()
	c.Close(&x, m)
	c.EmitAt(m, p.half[d].at)
}

func (p *parser) Lost(c *proto.Conv, d proto.Dir, n int64) bool {
	if !p.known {
		return false
	}
	if h := &p.half[d]; n > 0 && d != p.client && h.busy && h.level > 0 && !p.doubt && p.agreed && p.only() {
		p.part(c, d)
		*h = half{resync: true}
		p.next = true
		return true
	}
	if p.next && d != p.client {
		return true // more of the same answer
	}
	p.half[d] = half{resync: true}
	p.next = false
	p.doubt = true
	p.queue.Clear()
	_, p.last = c.Times()
	return true
}

// command reads the beginning of a command: its first arguments up to one that is long.
func (p *parser) command(c *proto.Conv, d proto.Dir, b []byte) int {
	n, at := number(b)
	switch {
	case at == 0 && len(b) < maxNumber:
		return 0
	case at <= 0:
		return p.bad(c)
	case n <= 0:
		return at
	}
	var args [maxArgs][]byte
	k := 0
	long := int64(-1)
	for k < len(args) && int64(k) < n {
		size, line := int64(0), 0
		if at < len(b) {
			if b[at] != '$' {
				return p.bad(c)
			}
			size, line = number(b[at:])
		}
		switch {
		case line == 0 && len(b)-at < maxNumber:
			return 0
		case line <= 0 || size < 0:
			return p.bad(c)
		}
		at += line
		if size > maxArg {
			long = size
			break
		}
		end := at + int(size)
		if end+2 > len(b) {
			return 0
		}
		if b[end] != '\r' || b[end+1] != '\n' {
			return p.bad(c)
		}
		args[k] = b[at:end]
		k++
		at = end + 2
	}
	if k == 0 {
		return p.bad(c)
	}
	p.settle(c)
	h := &p.half[d]
	s := p.write(c, args[:k], n)
	if int64(k) == n {
		m := c.Message(event.MessageRequest, d)
		m.Bytes = int64(at)
		p.request(c, m, &s, string(p.text), c.Here())
		return at
	}
	h.busy, h.at, h.bytes, h.spec, h.text = true, c.Here(), int64(at), s, string(p.text)
	h.spec.name = strings.Clone(s.name)
	h.begin, _ = c.Times()
	h.left[0] = n - int64(k)
	if long < 0 {
		return at
	}
	h.left[0]--
	h.bytes += long + 2
	c.Skip(d, long+2)
	return at
}

// bad gives the connection up.
func (p *parser) bad(c *proto.Conv) int {
	c.Fail("not RESP")
	return 0
}

// arguments passes the arguments of a command that are not read.
func (p *parser) arguments(c *proto.Conv, d proto.Dir, b []byte, at int) int {
	h := &p.half[d]
	for at < len(b) && h.left[0] > 0 {
		if b[at] != '$' {
			return p.bad(c)
		}
		size, line := number(b[at:])
		switch {
		case line == 0 && len(b)-at < maxNumber:
			return at
		case line <= 0 || size < 0:
			return p.bad(c)
		}
		h.left[0]--
		h.bytes += int64(line) + size + 2
		at += line
		if rest := size + 2 - int64(len(b)-at); rest > 0 {
			c.Skip(d, rest)
			return len(b)
		}
		at += int(size) + 2
	}
	if h.left[0] == 0 {
		p.finish(c, d)
	}
	return at
}

// finish emits a command of which all arguments have passed.
func (p *parser) finish(c *proto.Conv, d proto.Dir) {
	h := &p.half[d]
	m := c.Message(event.MessageRequest, d)
	m.Begin, m.Bytes = h.begin, h.bytes
	h.busy = false
	p.request(c, m, &h.spec, h.text, h.at)
	h.text, h.at = "", proto.At{}
}

// inline reads a command that is a line.
func (p *parser) inline(c *proto.Conv, d proto.Dir, b []byte) int {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		if len(b) > maxLine {
			return p.bad(c)
		}
		return 0
	}
	line := bytes.TrimSpace(b[:i])
	if len(line) == 0 {
		return i + 1
	}
	var args [maxArgs][]byte
	k, n := 0, 0
	for len(line) > 0 {
		var word []byte
		word, line, _ = bytes.Cut(line, []byte(" "))
		if len(word) == 0 {
			continue
		}
		if n++; k < len(args) {
			args[k] = word
			k++
		}
		line = bytes.TrimLeft(line, " ")
	}
	for _, ch := range args[0] {
		if ch <= ' ' || ch >= 0x7f || len(args[0]) > maxName {
			return p.bad(c)
		}
	}
	p.settle(c)
	m := c.Message(event.MessageRequest, d)
	m.Bytes = int64(i + 1)
	s := p.write(c, args[:k], int64(n))
	p.request(c, m, &s, string(p.text), c.Here())
	return i + 1
}

// request emits a command.
func (p *parser) request(c *proto.Conv, m *event.Message, s *spec, text string, at proto.At) {
	m.Text, m.Group = text, s.name
	m.Fields = append(c.Fields(4), event.Field{Key: keys.System, Text: "redis"}, event.Field{Key: keys.Operation, Text: s.name}, event.Field{Key: keys.Summary, Text: s.name})
	if p.db != "" {
		m.Fields = append(m.Fields, event.Field{Key: keys.Namespace, Text: p.db})
	}
	x := c.Open(m)
	x.Kind = int(s.does)
	p.last = m.End
	if p.next {
		p.half[p.client.Other()] = half{}
		p.next, p.unsure = false, true
	}
	c.EmitAt(m, at)
	switch {
	case s.does == replySkip:
		p.skip = 2
	case s.does == replyOff:
		p.mute = true
	case s.does == replyOn:
		p.mute, p.skip = false, 0
	case s.does == replicates:
		if !p.doubt {
			p.queue.Push(x)
		}
		p.mute = true
		return
	}
	if p.skip > 0 {
		p.skip--
		return
	}
	if !p.mute && !p.doubt {
		p.queue.Push(x)
	}
}

// element counts an element, and reports whether the answer is complete with it.
func (h *half) element() bool {
	for h.level > 0 {
		if h.left[h.level-1]--; h.left[h.level-1] > 0 {
			return false
		}
		h.level--
		if h.attr[h.level] {
			h.attr[h.level] = false
			return false // what it is an attribute of follows
		}
	}
	return true
}

// reply reads an answer: as much of it as there is.
func (p *parser) reply(c *proto.Conv, d proto.Dir, b []byte) int {
	h := &p.half[d]
	at := 0
	for at < len(b) {
		begin := at
		i := bytes.IndexByte(b[at:], '\n')
		if i < 2 {
			if i >= 0 || len(b)-at > maxLine {
				return p.bad(c)
			}
			return at
		}
		if b[at+i-1] != '\r' {
			return p.bad(c)
		}
		kind, line := b[at], b[at+1:at+i-1]
		at += i + 1
		f := &h.form
		top := h.level == 0
		switch kind {
		case '+', '-', ':', ',', '(', '#', '_':
			f.word(line)
			p.begin(c, h, top, begin)
			if top {
				h.bytes += int64(at - begin)
				p.scalar(c, d, kind, line)
				return at
			}
		case '$', '=', '!':
			n, size := number(b[begin:at])
			if size <= 0 || n < -1 {
				return p.bad(c)
			}
			if n < 0 {
				p.begin(c, h, top, begin)
				if top {
					h.bytes += int64(at - begin)
					p.scalar(c, d, '_', nil)
					return at
				}
				break
			}
			if (kind == '!' && top || f.want) && n <= maxArg {
				end := at + int(n)
				if end+2 > len(b) {
					return begin
				}
				f.word(b[at:end])
				if kind == '!' && top {
					p.begin(c, h, top, begin)
					h.bytes += int64(end + 2 - begin)
					p.scalar(c, d, '-', b[at:end])
					return end + 2
				}
			}
			f.want = f.want && f.known < len(f.words) && n <= maxArg
			p.begin(c, h, top, begin)
			if top {
				f.kind, f.size = "string", n
			}
			h.bytes += int64(at - begin)
			if rest := n + 2 - int64(len(b)-at); rest > 0 {
				h.bytes += n + 2
				c.Skip(d, rest)
				return len(b)
			}
			begin = at
			at += int(n) + 2
		case '*', '~', '>', '%', '|':
			n, size := number(b[begin:at])
			if size <= 0 || n < -1 || h.level >= maxDepth {
				return p.bad(c)
			}
			p.begin(c, h, top, begin)
			if n < 0 && top {
				h.bytes += int64(at - begin)
				p.scalar(c, d, '_', nil)
				return at
			}
			f.want = top && (kind == '>' || kind == '*' && (p.subscribed || p.queue.Len() == 0)) // It says what it is.
			if top && kind != '|' {
				f.kind, f.count, f.push = aggregates[kind], max(n, 0), kind == '>'
			}
			if kind == '%' || kind == '|' {
				n *= 2
			}
			if n > 0 {
				h.left[h.level], h.attr[h.level] = n, kind == '|'
				h.level++
				h.bytes += int64(at - begin)
				continue
			}
			if kind == '|' {
				h.bytes += int64(at - begin)
				continue
			}
		default:
			return p.bad(c)
		}
		h.bytes += int64(at - begin)
		if h.element() {
			p.answer(c, d)
			return at
		}
	}
	return at
}

var aggregates = [256]string{'*': "array", '~': "set", '>': "push", '%': "map"}

// word keeps one of the first elements of an array that may say what it is.
func (f *form) word(b []byte) {
	if !f.want || f.known == len(f.words) {
		return
	}
	f.words[f.known] = string(b[:min(len(b), maxArg)])
	if f.known++; f.known == 1 && !pubsub(f.words[0]) && !f.push {
		f.want = false
	}
}

// begin notes where an answer begins.
func (p *parser) begin(c *proto.Conv, h *half, top bool, at int) {
	if !top || h.busy {
		return
	}
	h.busy, h.at, h.bytes = true, c.Here(), 0
	h.begin, _ = c.Times()
	h.form = form{}
}

// pubsub reports whether a word begins what a server sends to subscribers.
func pubsub(word string) bool {
	switch word {
	case "message", "pmessage", "smessage", "subscribe", "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe", "sunsubscribe":
		return true
	}
	return false
}

// message returns the answer that ends here.
func (p *parser) message(c *proto.Conv, d proto.Dir) *event.Message {
	h := &p.half[d]
	m := c.Message(event.MessageAnswer, d)
	m.Begin, m.Bytes = h.begin, h.bytes
	m.Fields = append(c.Fields(4), event.Field{Key: keys.System, Text: "redis"})
	p.last, p.agreed = m.End, true
	h.busy = false
	return m
}

// scalar emits an answer that is one line.
func (p *parser) scalar(c *proto.Conv, d proto.Dir, kind byte, line []byte) {
	m := p.message(c, d)
	text := proto.Text(line[:min(len(line), maxShown)])
	name := "integer"
	switch kind {
	case '+':
		name = "status"
	case '-':
		name = "error"
		m.Error, _, _ = strings.Cut(text, " ")
		text, _, _ = strings.Cut(text, ", with args beginning with") // They can be secrets.
		m.Fields = append(m.Fields, event.Field{Key: keys.Status, Text: m.Error})
	case ',':
		name = "double"
	case '(':
		name = "big number"
	case '#':
		name = "boolean"
		if text == "t" {
			text = "true"
		} else {
			text = "false"
		}
	case '_':
		name, text = "nil", "nil"
	}
	m.Text = text
	m.Fields = append(m.Fields, event.Field{Key: keyKind, Text: name})
	if p.monitor && kind == '+' && p.queue.Len() == 0 {
		m.Text = "monitor"
	}
	p.close(c, d, m)
}

// answer emits an answer that is a string or has elements.
func (p *parser) answer(c *proto.Conv, d proto.Dir) {
	f := p.half[d].form
	m := p.message(c, d)
	m.Text = f.kind
	m.Fields = append(m.Fields, event.Field{Key: keyKind, Text: f.kind})
	if f.kind == "string" {
		m.Fields = append(m.Fields, event.Field{Key: keySize, Num: f.size})
	} else {
		m.Fields = append(m.Fields, event.Field{Key: keyCount, Num: f.count})
	}
	if f.known == 0 || !f.push && !pubsub(f.words[0]) {
		if f.push {
			m.Kind = event.MessageNotice
			c.EmitAt(m, p.half[d].at)
			return
		}
		p.close(c, d, m)
		return
	}
	m.Text = f.words[0]
	if pubsub(f.words[0]) && f.known > 1 {
		m.Text += " " + f.words[1]
		p.subscribed = true
	}
	if x := p.queue.First(); x != nil && does(x.Kind) == subscribes && strings.HasSuffix(f.words[0], "subscribe") {
		p.close(c, d, m)
		return
	}
	m.Kind = event.MessageNotice
	c.EmitAt(m, p.half[d].at)
}

// close emits an answer to the oldest command.
func (p *parser) close(c *proto.Conv, d proto.Dir, m *event.Message) {
	h := &p.half[d]
	x := p.queue.Pop()
	if !x.Known() && (p.subscribed || p.monitor) {
		m.Kind = event.MessageNotice
	}
	if p.doubt || p.unsure {
		m.Unsure = "messages before it were not recorded"
	}
	p.unsure = false
	c.Close(&x, m)
	c.EmitAt(m, h.at)
	if does(x.Kind) == replicates && m.Error == "" {
		c.Skip(d, -1) // what follows is the database, and changes to it
	}
}

func (p *parser) Skipped(c *proto.Conv, d proto.Dir) {
	h := &p.half[d]
	switch {
	case !h.busy:
	case d == p.client:
		if h.left[0] == 0 {
			p.finish(c, d)
		}
	case h.element():
		p.answer(c, d)
	}
}

// Ended emits a message that has begun.
func (p *parser) Ended(c *proto.Conv, d proto.Dir) {
	h := &p.half[d]
	if !h.busy || h.resync {
		return
	}
	m := c.Message(event.MessageAnswer, d)
	m.Begin, m.Bytes, m.Unsure, m.Text = h.begin, h.bytes, proto.Incomplete, h.form.kind
	if d == p.client {
		m.Kind, m.Text, m.Group = event.MessageRequest, h.text, h.spec.name
		c.Open(m)
	} else {
		x := p.queue.Pop()
		c.Close(&x, m)
	}
	c.EmitAt(m, h.at)
}
