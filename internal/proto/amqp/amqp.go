// Package amqp reads AMQP 0-9-1, the protocol of RabbitMQ
// (https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf).
package amqp

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"unsafe"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
	"github.com/pidwire/pidwire/internal/proto/bin"
	"github.com/pidwire/pidwire/internal/proto/keys"
)

// Protocol is AMQP 0-9-1.
var Protocol = &proto.Protocol{
	Name: "amqp", Title: "AMQP",
	Ports:  []uint16{5672},
	Detect: detect,
	New:    func(c *proto.Conv) proto.Parser { return &parser{headed: !c.Start()} },
	Keys: []*event.Key{
		keys.MessagingSystem, keys.MessagingOperation, keys.MessagingDestination, keys.MessagingBody, keyChannel, keyRouting, keyExchange, keyReply, keyMechanism, keyResponse, keyTag, keyMessages,
	},
}

var (
	keyChannel   = &event.Key{Name: "amqp.channel", Form: event.FormCount}
	keyExchange  = &event.Key{Name: "amqp.exchange", Form: event.FormQuiet}
	keyRouting   = &event.Key{Name: "messaging.rabbitmq.destination.routing_key", Form: event.FormQuiet}
	keyReply     = &event.Key{Name: "amqp.reply_code", Form: event.FormCount}
	keyMechanism = &event.Key{Name: "amqp.mechanism", Label: "auth"}
	keyResponse  = &event.Key{Name: "amqp.response", Form: event.FormQuiet}
	keyTag       = &event.Key{Name: "messaging.rabbitmq.message.delivery_tag", Form: event.FormCount}
	keyMessages  = &event.Key{Name: "amqp.messages", Label: "messages", Form: event.FormInt}
)

const (
	opening    = "AMQP\x00\x00\x09\x01"
	headerSize = 7
	frameEnd   = 0xce
	maxSize    = 16 << 20
	// maxRead is how much of a method is read; the rest passes.
	maxRead = 4 << 10
)

// Types of frames.
const (
	frameMethod    = 1
	frameHeader    = 2
	frameBody      = 3
	frameHeartbeat = 8
)

// method describes a method.
type method struct {
	name   string
	args   string // s: short string, l: long string, t: table, 1 2 4 8: numbers of so many bytes, b: bits
	show   int    // which short string is shown, from 1; 0: none
	answer uint32 // the method that answers it; 0: none
	noWait byte   // the bit that says that there will be no answer
	body   bool   // contents follow
}

// id returns the number of a method.
func id(class, number uint32) uint32 { return class<<16 | number }

// Methods that are special.
var (
	startOK      = id(10, 11)
	connClose    = id(10, 50)
	channelClose = id(20, 40)
	basicReturn  = id(60, 50)
	basicPublish = id(60, 40)
	basicDeliver = id(60, 60)
	basicGet     = id(60, 70)
	basicGetOK   = id(60, 71)
	getEmpty     = id(60, 72)
	declareOK    = id(50, 11)
)

var methods = map[uint32]method{
	id(10, 10): {name: "connection.start", answer: startOK}, startOK: {name: "connection.start-ok", args: "tsl"},
	id(10, 20): {name: "connection.secure", answer: id(10, 21)}, id(10, 21): {name: "connection.secure-ok"},
	id(10, 30): {name: "connection.tune", answer: id(10, 31)}, id(10, 31): {name: "connection.tune-ok"},
	id(10, 40): {name: "connection.open", args: "s", show: 1, answer: id(10, 41)}, id(10, 41): {name: "connection.open-ok"},
	connClose: {name: "connection.close", args: "2s22", answer: id(10, 51)}, id(10, 51): {name: "connection.close-ok"},
	id(10, 60): {name: "connection.blocked", args: "s", show: 1}, id(10, 61): {name: "connection.unblocked"},
	id(10, 70): {name: "connection.update-secret", answer: id(10, 71)}, id(10, 71): {name: "connection.update-secret-ok"},
	id(20, 10): {name: "channel.open", answer: id(20, 11)}, id(20, 11): {name: "channel.open-ok"},
	id(20, 20): {name: "channel.flow", answer: id(20, 21)}, id(20, 21): {name: "channel.flow-ok"},
	channelClose: {name: "channel.close", args: "2s22", answer: id(20, 41)}, id(20, 41): {name: "channel.close-ok"},
	id(40, 10): {name: "exchange.declare", args: "2ssb", show: 1, answer: id(40, 11), noWait: 1 << 4}, id(40, 11): {name: "exchange.declare-ok"},
	id(40, 20): {name: "exchange.delete", args: "2sb", show: 1, answer: id(40, 21), noWait: 1 << 1}, id(40, 21): {name: "exchange.delete-ok"},
	id(40, 30): {name: "exchange.bind", args: "2sssb", show: 1, answer: id(40, 31), noWait: 1}, id(40, 31): {name: "exchange.bind-ok"},
	id(40, 40): {name: "exchange.unbind", args: "2sssb", show: 1, answer: id(40, 51), noWait: 1}, id(40, 51): {name: "exchange.unbind-ok"},
	id(50, 10): {name: "queue.declare", args: "2sb", show: 1, answer: declareOK, noWait: 1 << 4}, declareOK: {name: "queue.declare-ok", args: "s", show: 1},
	id(50, 20): {name: "queue.bind", args: "2sssb", show: 1, answer: id(50, 21), noWait: 1}, id(50, 21): {name: "queue.bind-ok"},
	id(50, 50): {name: "queue.unbind", args: "2sss", show: 1, answer: id(50, 51)}, id(50, 51): {name: "queue.unbind-ok"},
	id(50, 30): {name: "queue.purge", args: "2sb", show: 1, answer: id(50, 31), noWait: 1}, id(50, 31): {name: "queue.purge-ok"},
	id(50, 40): {name: "queue.delete", args: "2sb", show: 1, answer: id(50, 41), noWait: 1 << 2}, id(50, 41): {name: "queue.delete-ok"},
	id(60, 10): {name: "basic.qos", answer: id(60, 11)}, id(60, 11): {name: "basic.qos-ok"},
	id(60, 20): {name: "basic.consume", args: "2ssb", show: 1, answer: id(60, 21), noWait: 1 << 3}, id(60, 21): {name: "basic.consume-ok", args: "s"},
	id(60, 30): {name: "basic.cancel", args: "sb", answer: id(60, 31), noWait: 1}, id(60, 31): {name: "basic.cancel-ok", args: "s"},
	basicPublish: {name: "basic.publish", args: "2ssb", body: true},
	basicReturn:  {name: "basic.return", args: "2sss", body: true},
	basicDeliver: {name: "basic.deliver", args: "s8bss", body: true},
	basicGet:     {name: "basic.get", args: "2sb", show: 1, answer: basicGetOK},
	basicGetOK:   {name: "basic.get-ok", args: "8bss4", body: true}, getEmpty: {name: "basic.get-empty"},
	id(60, 80): {name: "basic.ack", args: "8b"}, id(60, 90): {name: "basic.reject", args: "8b"}, id(60, 120): {name: "basic.nack", args: "8b"},
	id(60, 100): {name: "basic.recover-async"}, id(60, 110): {name: "basic.recover", answer: id(60, 111)}, id(60, 111): {name: "basic.recover-ok"},
	id(85, 10): {name: "confirm.select", args: "b", answer: id(85, 11), noWait: 1}, id(85, 11): {name: "confirm.select-ok"},
	id(90, 10): {name: "tx.select", answer: id(90, 11)}, id(90, 11): {name: "tx.select-ok"},
	id(90, 20): {name: "tx.commit", answer: id(90, 21)}, id(90, 21): {name: "tx.commit-ok"},
	id(90, 30): {name: "tx.rollback", answer: id(90, 31)}, id(90, 31): {name: "tx.rollback-ok"},
}

// answers are the methods that answer others.
var answers = func() map[uint32]bool {
	m := map[uint32]bool{getEmpty: true}
	for _, one := range methods {
		if one.answer != 0 {
			m[one.answer] = true
		}
	}
	return m
}()

// detect waits for the first message only until the other end answers.
func detect(h *proto.Hint) proto.Verdict {
	v := look(h)
	if v == proto.Wait && h.Turned() {
		return proto.No
	}
	return v
}

func look(h *proto.Hint) proto.Verdict {
	b := h.Begin()
	if !h.Stream || len(b) == 0 {
		return proto.No
	}
	if h.Start {
		n := min(len(b), len(opening))
		switch {
		case string(b[:n]) != opening[:n]:
			return proto.No
		case n < len(opening):
			return proto.Wait
		}
		return proto.Sure
	}
	// The frames of a connection that was open before.
	if len(b) < headerSize {
		if b[0] == frameMethod || b[0] == frameHeartbeat {
			return proto.Wait
		}
		return proto.No
	}
	n := int(binary.BigEndian.Uint32(b[3:]))
	switch {
	case n > maxSize:
		return proto.No
	case b[0] == frameHeartbeat && n == 0 && len(b) > headerSize && b[headerSize] == frameEnd:
		return proto.Maybe
	case b[0] != frameMethod || n < 4 || len(b) >= headerSize+4 && methods[binary.BigEndian.Uint32(b[headerSize:])].name == "":
		return proto.No
	case len(b) <= headerSize+n:
		if headerSize+n < 1<<10 {
			return proto.Wait
		}
		return proto.No
	case b[headerSize+n] == frameEnd:
		return proto.Sure
	}
	return proto.No
}

// open is a request that waits for its answer.
type open struct {
	channel uint16
	answer  uint32
	x       proto.Exchange
}

// maxOpen bounds them.
const maxOpen = 64

// contents is a method whose header with the size has still to come.
type contents struct {
	m       *event.Message
	x       proto.Exchange
	at      proto.At
	channel uint16
}

type parser struct {
	proto.Base
	headed bool // the opening has been read
	open   []open
	half   [2]contents
}

func (p *parser) Held() int {
	n := int(unsafe.Sizeof(*p)) + cap(p.open)*int(unsafe.Sizeof(open{}))
	for i := range p.half {
		if p.half[i].m != nil {
			n += maxRead // It has its strings.
		}
	}
	return n
}

func (p *parser) Read(c *proto.Conv, d proto.Dir, b []byte) int {
	if b[0] == 'A' {
		return p.opening(c, d, b)
	}
	if len(b) < headerSize {
		return 0
	}
	kind, channel, n := b[0], binary.BigEndian.Uint16(b[1:]), int(binary.BigEndian.Uint32(b[3:]))
	if n > maxSize || !p.headed {
		c.Fail("not a frame of AMQP")
		return 0
	}
	total := headerSize + n + 1
	read := total
	switch {
	case kind == frameBody:
		read = headerSize
	case total > maxRead:
		read = maxRead
	}
	if len(b) < read {
		return 0
	}
	if read < total {
		c.Skip(d, int64(total-read))
	} else if b[total-1] != frameEnd {
		c.Fail("not a frame of AMQP")
		return 0
	}
	body := b[headerSize:min(read, headerSize+n)]
	switch kind {
	case frameMethod:
		p.method(c, d, channel, bin.Of(body), total)
	case frameHeader:
		p.header(c, d, channel, bin.Of(body), total)
	case frameBody:
	case frameHeartbeat:
		m := p.message(c, d, "heartbeat", channel, total)
		c.Emit(m)
	default:
		c.Fail("not a frame of AMQP")
	}
	return read
}

// opening reads what a client begins with, and a server answers if it does not know the version.
func (p *parser) opening(c *proto.Conv, d proto.Dir, b []byte) int {
	if len(b) < len(opening) {
		return 0
	}
	if !bytes.HasPrefix(b, []byte("AMQP")) {
		c.Fail("not a frame of AMQP")
		return 0
	}
	p.headed = true
	m := p.message(c, d, "AMQP "+strconv.Itoa(int(b[5]))+"-"+strconv.Itoa(int(b[6]))+"-"+strconv.Itoa(int(b[7])), 0, len(opening))
	c.Emit(m)
	return len(opening)
}

func (p *parser) message(c *proto.Conv, d proto.Dir, name string, channel uint16, size int) *event.Message {
	m := c.Message(event.MessageNotice, d)
	m.Text, m.Bytes = name, int64(size)
	m.Fields = append(c.Fields(9), event.Field{Key: keys.MessagingSystem, Text: "rabbitmq"}, event.Field{Key: keys.MessagingOperation, Text: name}, event.Field{Key: keyChannel, Num: int64(channel)})
	return m
}

// arguments are those of a method that matter.
type arguments struct {
	short   [3][]byte
	long    []byte
	numbers [3]uint64
	bits    byte
}

func readArguments(r *bin.Reader, kinds string) (a arguments) {
	s, n := 0, 0
	number := func(v uint64) {
		if n < len(a.numbers) {
			a.numbers[n] = v
			n++
		}
	}
	for _, kind := range kinds {
		switch kind {
		case 's':
			if b := r.Bytes(int(r.U8())); s < len(a.short) {
				a.short[s] = b
				s++
			}
		case 'l':
			a.long = r.Some(int(r.U32()))
		case 't':
			r.Some(int(r.U32()))
		case '1':
			number(uint64(r.U8()))
		case '2':
			number(uint64(r.U16()))
		case '4':
			number(uint64(r.U32()))
		case '8':
			number(r.U64())
		case 'b':
			a.bits = r.U8()
		}
	}
	return a
}

// shown returns a name as it is shown.
func shown(b []byte) string {
	if !bin.Printable(b) {
		return "?"
	}
	return proto.Text(b)
}

func (p *parser) method(c *proto.Conv, d proto.Dir, channel uint16, r *bin.Reader, size int) {
	number := r.U32()
	how, known := methods[number]
	if !known {
		c.Fail("not a method of AMQP")
		return
	}
	m := p.message(c, d, how.name, channel, size)
	a := readArguments(r, how.args)
	if how.show > 0 && len(a.short[how.show-1]) > 0 {
		m.Text = how.name + " " + shown(a.short[how.show-1])
		if number>>16 != 10 {
			m.Fields = append(m.Fields, event.Field{Key: keys.MessagingDestination, Text: shown(a.short[how.show-1])})
		}
	}
	switch number {
	case startOK:
		m.Fields = append(m.Fields, event.Field{Key: keyMechanism, Text: shown(a.short[0])}, event.Field{Key: keyResponse, Text: c.Secret(shown(a.long))})
	case connClose, channelClose, basicReturn:
		code := int(a.numbers[0])
		m.Text = how.name + " " + strconv.Itoa(code) + " " + shown(a.short[0])
		m.Fields = append(m.Fields, event.Field{Key: keyReply, Num: int64(code)})
		if code != 200 {
			m.Error = strconv.Itoa(code)
		}
	case basicPublish:
		destination(m, a.short[0], a.short[1])
	case basicDeliver:
		m.Fields = append(m.Fields, event.Field{Key: keyTag, Num: int64(a.numbers[0] & (1<<62 - 1))})
		destination(m, a.short[1], a.short[2])
	case basicGetOK:
		m.Fields = append(m.Fields, event.Field{Key: keyTag, Num: int64(a.numbers[0] & (1<<62 - 1))})
		destination(m, a.short[0], a.short[1])
	case declareOK:
		m.Fields = append(m.Fields, event.Field{Key: keyMessages, Num: int64(r.U32())})
	}
	if len(how.args) > 1 && how.args[0] == '8' && !how.body {
		m.Fields = append(m.Fields, event.Field{Key: keyTag, Num: int64(a.numbers[0] & (1<<62 - 1))})
	}
	x := proto.Exchange{}
	switch {
	case answers[number]:
		m.Kind = event.MessageAnswer
		if number == getEmpty {
			number = basicGetOK
		}
		x = p.take(channel, number, d)
	case how.answer != 0 && a.bits&how.noWait == 0:
		m.Kind, m.Group = event.MessageRequest, how.name
		x = c.Ask(m)
		if d == proto.In {
			x.Kind = 1
		}
		p.put(open{channel, how.answer, x})
		if how.name[0] == 'c' && (number == connClose || number == channelClose) {
			p.closing(channel, number)
		}
		return
	}
	if how.body {
		proto.Own(m)
		p.half[d] = contents{m: m, x: x, at: c.Here(), channel: channel}
		return
	}
	c.Close(&x, m)
	c.Emit(m)
}

// destination adds where a message goes.
func destination(m *event.Message, exchange, key []byte) {
	m.Text += " " + shown(exchange) + "/" + shown(key)
	to := exchange
	if len(to) == 0 {
		to = key // The default exchange gives messages to the queue with the name of the key.
	}
	m.Fields = append(m.Fields, event.Field{Key: keys.MessagingDestination, Text: shown(to)}, event.Field{Key: keyExchange, Text: shown(exchange)}, event.Field{Key: keyRouting, Text: shown(key)})
}

// header reads the size of the contents, and emits the method that they belong to.
func (p *parser) header(c *proto.Conv, d proto.Dir, channel uint16, r *bin.Reader, size int) {
	h := &p.half[d]
	r.U32()
	n := r.U64()
	if h.m == nil || h.channel != channel || r.Short {
		return
	}
	m := h.m
	_, m.End = c.Times()
	m.Bytes += int64(size)
	m.Fields = append(m.Fields, event.Field{Key: keys.MessagingBody, Num: int64(n & (1<<62 - 1))})
	c.Close(&h.x, m)
	c.EmitAt(m, h.at)
	*h = contents{}
}

// put adds a request.
func (p *parser) put(o open) {
	if len(p.open) >= maxOpen {
		p.open = p.open[:copy(p.open, p.open[1:])]
	}
	p.open = append(p.open, o)
}

// take returns the oldest request of the other end that a method answers.
func (p *parser) take(channel uint16, answer uint32, d proto.Dir) (x proto.Exchange) {
	from := int(d) ^ 1 // Kind of requests of the other end: proto.Out is 0, proto.In is 1.
	for i := range p.open {
		if o := p.open[i]; o.channel == channel && o.answer == answer && o.x.Kind == from {
			p.open = append(p.open[:i], p.open[i+1:]...)
			return o.x
		}
	}
	return x
}

// closing removes the requests of a channel that is being closed, or of all: they are not answered.
func (p *parser) closing(channel uint16, by uint32) {
	n := 0
	for _, o := range p.open {
		if o.answer == methods[by].answer || by == channelClose && o.channel != channel {
			p.open[n] = o
			n++
		}
	}
	p.open = p.open[:n]
}
