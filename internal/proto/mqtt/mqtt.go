// Package mqtt reads MQTT 3.1.1 and 5 (https://docs.oasis-open.org/mqtt/), and 3.1.
package mqtt

import (
	"strconv"
	"unsafe"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
	"github.com/pidwire/pidwire/internal/proto/bin"
	"github.com/pidwire/pidwire/internal/proto/keys"
	"github.com/pidwire/pidwire/internal/proto/mask"
)

// Protocol is MQTT.
var Protocol = &proto.Protocol{
	Name: "mqtt", Title: "MQTT",
	Ports:  ports,
	Detect: detect,
	New:    func(*proto.Conv) proto.Parser { return &parser{} },
	Keys: []*event.Key{
		keys.MessagingSystem, keys.MessagingOperation, keys.MessagingDestination, keys.MessagingClient, keys.MessagingBody, keys.User, keyVersion, keyQoS, keyRetain, keyDup, keyID, keyReason,
		keyPassword, keyWill, keyTopics,
	},
}

var ports = []uint16{1883}

var (
	keyVersion  = &event.Key{Name: "mqtt.version", Form: event.FormQuiet}
	keyQoS      = &event.Key{Name: "mqtt.qos", Label: "qos", Form: event.FormInt}
	keyRetain   = &event.Key{Name: "mqtt.retain", Label: "retain", Form: event.FormBool}
	keyDup      = &event.Key{Name: "mqtt.dup", Label: "dup", Form: event.FormBool}
	keyID       = &event.Key{Name: "mqtt.packet_id", Form: event.FormCount}
	keyReason   = &event.Key{Name: "mqtt.reason_code", Form: event.FormCount}
	keyPassword = &event.Key{Name: "mqtt.password", Form: event.FormQuiet}
	keyWill     = &event.Key{Name: "mqtt.will.topic", Label: "will"}
	keyTopics   = &event.Key{Name: "mqtt.topics", Label: "topics", Form: event.FormInt}
)

// Types of packets.
const (
	connect = iota + 1
	connack
	publish
	puback
	pubrec
	pubrel
	pubcomp
	subscribe
	suback
	unsubscribe
	unsuback
	pingreq
	pingresp
	disconnect
	auth
)

var names = [...]string{
	"", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE", "SUBACK", "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH",
}

// maxRead is how much of a packet is read; the rest passes.
const maxRead = 2 << 10

// reasons are the results of version 5.
var reasons = map[byte]string{
	0x04: "disconnect with will", 0x10: "no matching subscribers", 0x11: "no subscription existed", 0x18: "continue authentication", 0x19: "re-authenticate",
	0x80: "unspecified error", 0x81: "malformed packet", 0x82: "protocol error", 0x83: "implementation specific error", 0x84: "unsupported protocol version",
	0x85: "client identifier not valid", 0x86: "bad user name or password", 0x87: "not authorized", 0x88: "server unavailable", 0x89: "server busy", 0x8a: "banned",
	0x8b: "server shutting down", 0x8c: "bad authentication method", 0x8d: "keep alive timeout", 0x8e: "session taken over", 0x8f: "topic filter invalid", 0x90: "topic name invalid",
	0x91: "packet identifier in use", 0x92: "packet identifier not found", 0x93: "receive maximum exceeded", 0x94: "topic alias invalid", 0x95: "packet too large",
	0x96: "message rate too high", 0x97: "quota exceeded", 0x98: "administrative action", 0x99: "payload format invalid", 0x9a: "retain not supported", 0x9b: "qos not supported",
	0x9c: "use another server", 0x9d: "server moved", 0x9e: "shared subscriptions not supported", 0x9f: "connection rate exceeded", 0xa0: "maximum connect time",
	0xa1: "subscription identifiers not supported", 0xa2: "wildcard subscriptions not supported",
}

// returns are the results of CONNACK before version 5.
var returns = [...]string{"accepted", "unacceptable protocol version", "identifier rejected", "server unavailable", "bad user name or password", "not authorized"}

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
	if b[0] == connect<<4 {
		n, size := length(b)
		switch {
		case size < 0 || size > 0 && n < 10:
			return proto.No
		case size == 0:
			return proto.Wait
		}
		b = b[size:]
		for _, begin := range []string{"\x00\x04MQTT\x04", "\x00\x04MQTT\x05", "\x00\x06MQIsdp\x03"} {
			k := min(len(b), len(begin))
			switch {
			case string(b[:k]) != begin[:k]:
			case k == len(begin):
				return proto.Sure
			default:
				return proto.Wait
			}
		}
		return proto.No
	}
	if h.Start || !h.On(ports) {
		return proto.No
	}
	// The packets of a connection that was open before.
	for len(b) > 0 {
		n, size := length(b)
		switch {
		case size == 0:
			return proto.Maybe
		case size < 0 || !valid(b[0], n):
			return proto.No
		}
		b = b[min(len(b), size+n):]
	}
	return proto.Maybe
}

// valid reports whether the first byte of a packet can have this length after it.
func valid(first byte, n int) bool {
	switch kind, flags := first>>4, first&15; kind {
	case 0:
		return false
	case publish:
		return flags>>1&3 != 3 && n >= 2
	case pubrel, subscribe, unsubscribe:
		return flags == 2 && n >= 2
	case pingreq, pingresp:
		return flags == 0 && n == 0
	case connect:
		return flags == 0 && n >= 10
	case disconnect, auth:
		return flags == 0
	default:
		return flags == 0 && n >= 2
	}
}

// length reads the length of a packet, which is after its first byte, and returns it with the size of the header; 0 if that is
// not complete, -1 if it is none.
func length(b []byte) (n, size int) {
	for i := 1; i < len(b) && i < 5; i++ {
		n |= int(b[i]&0x7f) << (7 * (i - 1))
		if b[i] < 0x80 {
			return n, i + 1
		}
	}
	if len(b) >= 5 {
		return 0, -1
	}
	return 0, 0
}

type parser struct {
	proto.Base
	version byte
	asked   proto.Numbered
	last    [2]uint64 // the newest request of each end
}

func (p *parser) Held() int { return int(unsafe.Sizeof(*p)) + p.asked.Held() }

func (p *parser) Read(c *proto.Conv, d proto.Dir, b []byte) int {
	n, size := length(b)
	if size == 0 {
		return 0
	}
	if size < 0 || !valid(b[0], n) {
		c.Fail("not a packet of MQTT")
		return 0
	}
	read := min(size+n, maxRead)
	if len(b) < read {
		return 0
	}
	if size+n > read {
		c.Skip(d, int64(size+n-read))
	}
	p.packet(c, d, b[0], bin.Of(b[size:read]), size+n, n)
	return read
}

// number returns the key of a request: what kind it is, which end has sent it, its number.
func number(kind byte, d proto.Dir, id uint16) uint64 {
	return uint64(kind)<<24 | uint64(d)<<16 | uint64(id)
}

// str reads a string.
func str(r *bin.Reader) []byte { return r.Bytes(int(r.U16())) }

// shown returns a name as it is shown.
func shown(b []byte) string {
	if !bin.Printable(b) {
		return "?"
	}
	const most = 200
	return proto.Text(b[:min(len(b), most)])
}

// properties passes the properties of version 5.
func (p *parser) properties(r *bin.Reader) {
	if p.version != 5 {
		return
	}
	n := 0
	for shift := 0; shift < 28; shift += 7 {
		b := r.U8()
		n |= int(b&0x7f) << shift
		if b < 0x80 {
			break
		}
	}
	r.Bytes(n)
}

func (p *parser) packet(c *proto.Conv, d proto.Dir, first byte, r *bin.Reader, size, n int) {
	kind := first >> 4
	m := c.Message(event.MessageNotice, d)
	m.Bytes, m.Text = int64(size), names[kind]
	m.Fields = append(c.Fields(10), event.Field{Key: keys.MessagingSystem, Text: "mqtt"}, event.Field{Key: keys.MessagingOperation, Text: names[kind]})
	switch kind {
	case connect:
		p.connect(c, d, m, r)
	case connack:
		r.U8()
		p.answer(c, d, m, connect, 0, r.U8())
	case publish:
		p.publish(c, d, m, first, r, n)
	case puback, pubrec, pubrel, pubcomp:
		p.acknowledged(c, d, m, kind, r, n)
	case subscribe, unsubscribe:
		id := r.U16()
		m.Fields = append(m.Fields, event.Field{Key: keyID, Num: int64(id)})
		p.properties(r)
		topics(m, r, kind == subscribe)
		p.request(c, d, m, number(kind, d, id))
	case suback, unsuback:
		id := r.U16()
		m.Fields = append(m.Fields, event.Field{Key: keyID, Num: int64(id)})
		p.properties(r)
		worst := byte(0)
		if kind == suback || p.version == 5 {
			for _, code := range r.B {
				worst = max(worst, code)
			}
		}
		p.answer(c, d, m, kind-1, id, worst)
	case pingreq:
		p.request(c, d, m, number(kind, d, 0))
	case pingresp:
		p.answer(c, d, m, pingreq, 0, 0)
	case disconnect, auth:
		if code := r.U8(); code != 0 {
			reason(m, code)
		}
		c.Emit(m)
	}
}

// request emits a request.
func (p *parser) request(c *proto.Conv, d proto.Dir, m *event.Message, key uint64) {
	m.Kind = event.MessageRequest
	if m.Group == "" {
		m.Group = m.Text
	}
	p.asked.Put(key, c.Ask(m))
	p.last[d] = key
}

// Skipped notes when the last byte of a request was sent.
func (p *parser) Skipped(c *proto.Conv, d proto.Dir) {
	if x := p.asked.Get(p.last[d]); x != nil {
		_, end := c.Times()
		c.Sent(x, end)
	}
}

// answer emits the answer to a request of the other end.
func (p *parser) answer(c *proto.Conv, d proto.Dir, m *event.Message, kind byte, id uint16, code byte) {
	m.Kind = event.MessageAnswer
	switch {
	case kind == connect && p.version != 5:
		m.Fields = append(m.Fields, event.Field{Key: keyReason, Num: int64(code)})
		if code != 0 {
			m.Error = strconv.Itoa(int(code))
			if int(code) < len(returns) {
				m.Error = returns[code]
			}
			m.Text += " " + m.Error
		}
	case code >= 0x80 || code > 2:
		reason(m, code)
	case kind == connect:
		m.Fields = append(m.Fields, event.Field{Key: keyReason, Num: int64(code)})
	}
	x := p.asked.Take(number(kind, d.Other(), id))
	c.Close(&x, m)
	c.Emit(m)
}

// reason adds the reason of a failure.
func reason(m *event.Message, code byte) {
	name := reasons[code]
	if name == "" {
		name = strconv.Itoa(int(code))
	}
	m.Text += " " + name
	m.Fields = append(m.Fields, event.Field{Key: keyReason, Num: int64(code)})
	if code >= 0x80 {
		m.Error = name
	}
}

func (p *parser) connect(c *proto.Conv, d proto.Dir, m *event.Message, r *bin.Reader) {
	const (
		hasUser     = 0x80
		hasPassword = 0x40
		hasWill     = 0x04
	)
	str(r)
	p.version = r.U8()
	flags := r.U8()
	r.U16()
	p.properties(r)
	client := shown(str(r))
	m.Group = "CONNECT"
	if client != "" {
		m.Text = "CONNECT " + client
	}
	version := "3.1.1"
	switch p.version {
	case 3:
		version = "3.1"
	case 5:
		version = "5"
	}
	m.Fields = append(m.Fields, event.Field{Key: keys.MessagingClient, Text: client}, event.Field{Key: keyVersion, Text: version})
	if flags&hasWill != 0 {
		p.properties(r)
		m.Fields = append(m.Fields, event.Field{Key: keyWill, Text: shown(str(r))})
		str(r)
	}
	if flags&hasUser != 0 {
		m.Fields = append(m.Fields, event.Field{Key: keys.User, Text: shown(str(r))})
	}
	if flags&hasPassword != 0 {
		m.Fields = append(m.Fields, event.Field{Key: keyPassword, Text: c.Secret(shown(str(r)))})
	}
	p.request(c, d, m, number(connect, d, 0))
}

func (p *parser) publish(c *proto.Conv, d proto.Dir, m *event.Message, first byte, r *bin.Reader, n int) {
	topic := str(r)
	left := n - 2 - len(topic)
	qos := first >> 1 & 3
	m.Text = "PUBLISH " + shown(topic)
	m.Fields = append(m.Fields, event.Field{Key: keys.MessagingDestination, Text: shown(topic)}, event.Field{Key: keyQoS, Num: int64(qos)})
	id := uint16(0)
	if qos > 0 {
		id = r.U16()
		left -= 2
		m.Fields = append(m.Fields, event.Field{Key: keyID, Num: int64(id)})
	}
	before := len(r.B)
	p.properties(r)
	if !r.Short {
		left -= before - len(r.B)
	}
	m.Fields = append(m.Fields, event.Field{Key: keys.MessagingBody, Num: int64(max(left, 0))})
	if first&1 != 0 {
		m.Fields = append(m.Fields, event.Field{Key: keyRetain, Num: 1})
	}
	if first&8 != 0 {
		m.Fields = append(m.Fields, event.Field{Key: keyDup, Num: 1})
	}
	if qos == 0 {
		c.Emit(m)
		return
	}
	m.Group = "PUBLISH " + mask.Group(shown(topic))
	p.request(c, d, m, number(publish, d, id))
}

// acknowledged reads the packets that follow PUBLISH. With quality of service 2, PUBREC and PUBREL are between it and its answer.
func (p *parser) acknowledged(c *proto.Conv, d proto.Dir, m *event.Message, kind byte, r *bin.Reader, n int) {
	id := r.U16()
	m.Fields = append(m.Fields, event.Field{Key: keyID, Num: int64(id)})
	code := byte(0)
	if n > 2 {
		code = r.U8()
	}
	if kind == puback || kind == pubcomp || kind == pubrec && code >= 0x80 {
		p.answer(c, d, m, publish, id, code)
		return
	}
	sender := d
	if kind == pubrec {
		sender = d.Other()
	}
	if x := p.asked.Get(number(publish, sender, id)); x != nil {
		m.Exchange = x.ID
	}
	if code >= 0x80 {
		reason(m, code)
	}
	c.Emit(m)
}

// topics adds the topics of a subscription.
func topics(m *event.Message, r *bin.Reader, options bool) {
	n := int64(0)
	for len(r.B) > 0 && !r.Short {
		topic := str(r)
		if options {
			r.U8()
		}
		if r.Short {
			break
		}
		if n++; n == 1 {
			m.Group = m.Text
			m.Text += " " + shown(topic)
			m.Fields = append(m.Fields, event.Field{Key: keys.MessagingDestination, Text: shown(topic)})
		}
	}
	if n > 1 {
		m.Fields = append(m.Fields, event.Field{Key: keyTopics, Num: n})
	}
}
