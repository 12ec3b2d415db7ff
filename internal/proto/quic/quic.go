// Package quic reads the beginnings of connections of QUIC (RFC 9000, RFC 9369): Initial packets, of which anybody who has seen
// the first one can make the keys (RFC 9001, 5.2). All other packets are encrypted.
package quic

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"strconv"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
	"github.com/pidwire/pidwire/internal/proto/tls"
)

// Protocol is QUIC.
var Protocol = &proto.Protocol{
	Name: "quic", Title: "QUIC",
	Ports:  []uint16{443, 8443, 853},
	Detect: detect,
	New:    func(*proto.Conv) proto.Parser { return &parser{} },
	Keys: []*event.Key{
		keyVersion, keyID, keyVersions, keyFrame, keyReason, tls.KeyServerName, tls.KeyOffered, tls.KeyVersions, tls.KeyJA4, tls.KeyVersion, tls.KeyCipher,
		tls.KeyProtocol, tls.KeyGroup, tls.KeyResumed,
	},
}

var (
	keyVersion  = &event.Key{Name: "quic.version", Form: event.FormQuiet}
	keyID       = &event.Key{Name: "quic.connection_id", Form: event.FormQuiet}
	keyVersions = &event.Key{Name: "quic.supported_versions", Label: "version", Many: true}
	keyFrame    = &event.Key{Name: "quic.close.frame", Form: event.FormQuiet}
	keyReason   = &event.Key{Name: "quic.close.reason", Label: "reason"}
)

func detect(h *proto.Hint) proto.Verdict {
	b := h.Begin()
	if h.Stream || len(b) == 0 {
		return proto.No
	}
	p, ok := readPacket(b)
	switch {
	case !ok:
		return proto.No
	case p.version == 0:
		return negotiation(&p)
	case salts[p.version] == "":
		return proto.No
	}
	return proto.Sure
}

// negotiation says whether a packet without a version is of version negotiation (RFC 9000, 17.2.1).
func negotiation(p *packet) proto.Verdict {
	if len(p.rest) == 0 || len(p.rest)%4 != 0 || len(p.rest) > 4*64 {
		return proto.No
	}
	verdict := proto.Maybe
	for i := 0; i < len(p.rest); i += 4 {
		v := uint32(p.rest[i])<<24 | uint32(p.rest[i+1])<<16 | uint32(p.rest[i+2])<<8 | uint32(p.rest[i+3])
		if salts[v] != "" {
			verdict = proto.Sure
		}
	}
	return verdict
}

const (
	// maxAttempts bounds the connections of a socket whose handshakes are read, maxHeld their memory.
	maxAttempts = 32
	maxHeld     = 44 << 10
	// maxMessage bounds a message of a handshake, maxSpans the parts that wait for others.
	maxMessage = 4 << 10
	maxSpans   = 16
)

// side is one end of a connection.
type side struct {
	buf   []byte // of its handshake, from base on
	have  []span // what was received of it, by position
	base  int
	at    proto.At
	from  int64 // the first byte of the message
	begun bool
	size  int64 // bytes of its packets
}

type span struct{ from, to int }

// attempt is the beginning of a connection.
type attempt struct {
	peer    netip.AddrPort
	version uint32
	id      [maxID]byte // what the client chose for the server: the keys are made of it
	ids     int
	own     [maxID]byte // what it chose for itself
	owns    int
	client  proto.Dir
	x       proto.Exchange // ClientHello
	known   uint64         // the exchange that it had
	side    [2]side
	retried bool // a Retry has come: clients ignore others
	over    bool // closed
}

type parser struct {
	proto.Base
	list []*attempt // from the oldest on
}

func (p *parser) Held() int {
	n := 64
	for _, a := range p.list {
		n += 400
		for d := range a.side {
			n += cap(a.side[d].buf) + cap(a.side[d].have)*16
		}
	}
	return n
}

func (p *parser) Packet(c *proto.Conv, d proto.Dir, b []byte, size int64) bool {
	if len(b) == 0 {
		return true
	}
	if b[0]&long == 0 {
		return len(p.list) > 0 // encrypted
	}
	read := false
	for whole := size == int64(len(b)); len(b) > 0 && b[0]&long != 0; {
		q, ok := readPacket(b)
		if !ok {
			break
		}
		read = true
		n := int64(min(q.size, len(b)))
		if !whole {
			n = min(int64(q.size), size)
		}
		switch {
		case q.version == 0:
			p.negotiate(c, d, &q, n)
		case salts[q.version] == "":
		case q.kind == initial:
			p.initial(c, d, b, &q, n)
		case q.kind == retry:
			p.retry(c, d, &q, n)
		}
		b = b[min(q.size, len(b)):]
		size -= n
	}
	for p.Held() > maxHeld && len(p.list) > 1 {
		p.forget()
	}
	return read
}

// initial reads an Initial packet.
func (p *parser) initial(c *proto.Conv, d proto.Dir, b []byte, q *packet, size int64) {
	for i := len(p.list) - 1; i >= 0; i-- {
		a := p.list[i]
		if a.peer != c.Peer() || a.version != q.version {
			continue
		}
		if payload, ok := open(b, q, a.id[:a.ids], d == a.client); ok {
			p.frames(c, d, a, payload, size)
			return
		}
	}
	payload, ok := open(b, q, q.to, true)
	cut := q.size > len(b) && len(q.to) >= minID && size >= 1200 && p.find(c, q) == nil
	if !ok && !cut {
		return
	}
	a := &attempt{peer: c.Peer(), version: q.version, client: d}
	a.ids = copy(a.id[:], q.to)
	a.owns = copy(a.own[:], q.from)
	if len(p.list) >= maxAttempts {
		p.forget()
	}
	p.list = append(p.list, a)
	if ok {
		p.frames(c, d, a, payload, size)
		return
	}
	// It can be seen that a client connects, and nothing more.
	m := c.Message(event.MessageRequest, d)
	m.Text, m.Group, m.Bytes, m.Unsure = "ClientHello", "handshake", size, "it was not recorded to its end"
	m.Fields = a.fields(c, 2)
	a.x = c.Ask(m)
	a.known = a.x.ID
}

// forget drops the oldest attempt.
func (p *parser) forget() {
	n := copy(p.list, p.list[1:])
	p.list[n] = nil
	p.list = p.list[:n]
}

// find returns the attempt with the connection IDs of a client's packet.
func (p *parser) find(c *proto.Conv, q *packet) *attempt {
	for _, a := range p.list {
		if a.peer == c.Peer() && (bytes.Equal(a.own[:a.owns], q.from) || bytes.Equal(a.own[:a.owns], q.to)) {
			return a
		}
	}
	return nil
}

// answered returns the attempt that a packet of the server without encryption answers.
func (p *parser) answered(c *proto.Conv, d proto.Dir, q *packet) *attempt {
	for _, a := range p.list {
		if a.peer == c.Peer() && d != a.client && bytes.Equal(a.own[:a.owns], q.to) {
			return a
		}
	}
	return nil
}

// fields returns the fields that all messages of an attempt have, with room for n more.
func (a *attempt) fields(c *proto.Conv, n int) []event.Field {
	version := "1"
	if a.version == version2 {
		version = "2"
	}
	return append(c.Fields(n+2), event.Field{Key: keyVersion, Text: version}, event.Field{Key: keyID, Text: hex.EncodeToString(a.id[:a.ids])})
}

// Types of frames that Initial packets have (RFC 9000, 12.4).
const (
	framePadding  = 0
	framePing     = 1
	frameAck      = 2
	frameAckECN   = 3
	frameCrypto   = 6
	frameClose    = 0x1c
	frameCloseApp = 0x1d
)

// frames reads the frames of a packet.
func (p *parser) frames(c *proto.Conv, d proto.Dir, a *attempt, b []byte, size int64) {
	s := &a.side[d]
	s.size += size
	r := reader{b: b}
	for len(r.b) > 0 {
		switch kind := r.number(); kind {
		case framePadding, framePing:
		case frameAck, frameAckECN:
			r.number()
			r.number()
			ranges := r.number()
			r.number()
			for ; ranges > 0 && !r.bad; ranges-- {
				r.number()
				r.number()
			}
			for range 3 * (kind - frameAck) {
				r.number()
			}
		case frameCrypto:
			at := r.number()
			data := r.take(r.number())
			if r.bad {
				return
			}
			s.add(c, at, data)
		case frameClose, frameCloseApp:
			p.messages(c, d, a)
			code := r.number()
			frame := uint64(0)
			if kind == frameClose {
				frame = r.number()
			}
			p.closed(c, d, a, code, frame, r.take(r.number()), size)
			return
		default:
			return
		}
	}
	p.messages(c, d, a)
}

// reader reads the fields of frames.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) number() uint64 {
	v, n := varint(r.b)
	if n == 0 {
		r.b, r.bad = nil, true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.b, r.bad = nil, true
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

// add adds a part of the handshake.
func (s *side) add(c *proto.Conv, at uint64, b []byte) {
	if at > 1<<20 || len(b) == 0 {
		return
	}
	from := int(at) - s.base
	to := from + len(b)
	if to <= 0 || to > maxMessage || len(s.have) >= maxSpans {
		return
	}
	if from < 0 {
		b, from = b[-from:], 0
	}
	if !s.begun {
		s.begun, s.at = true, c.Here()
		s.from, _ = c.Times()
	}
	if to > len(s.buf) {
		s.buf = append(s.buf, make([]byte, to-len(s.buf))...)
	}
	copy(s.buf[from:to], b)
	// Keep the spans apart and in order.
	i := 0
	for i < len(s.have) && s.have[i].to < from {
		i++
	}
	j := i
	for j < len(s.have) && s.have[j].from <= to {
		from, to = min(from, s.have[j].from), max(to, s.have[j].to)
		j++
	}
	s.have = append(s.have[:i], append([]span{{from, to}}, s.have[j:]...)...)
}

// next returns the next message of the handshake that is complete, with its header.
func (s *side) next() []byte {
	const head = 4
	if len(s.have) == 0 || s.have[0].from > 0 || s.have[0].to < head {
		return nil
	}
	n := head + int(s.buf[1])<<16 + int(s.buf[2])<<8 + int(s.buf[3])
	if s.have[0].to < n {
		return nil
	}
	return s.buf[:n]
}

// drop removes the first n bytes.
func (s *side) drop(n int) {
	s.base += n
	s.buf = append([]byte(nil), s.buf[n:]...)
	list := s.have[:0]
	for _, h := range s.have {
		if h.to > n {
			list = append(list, span{max(h.from-n, 0), h.to - n})
		}
	}
	s.have = list
	s.begun, s.size = len(list) > 0, 0
}

// messages reads the complete messages of an end.
func (p *parser) messages(c *proto.Conv, d proto.Dir, a *attempt) {
	s := &a.side[d]
	for msg := s.next(); msg != nil; msg = s.next() {
		if d == a.client {
			p.clientHello(c, d, a, msg)
		} else {
			p.serverHello(c, d, a, msg)
		}
		s.drop(len(msg))
	}
}

// Types of handshake messages.
const (
	clientHello = 1
	serverHello = 2
	headSize    = 4
)

func (p *parser) clientHello(c *proto.Conv, d proto.Dir, a *attempt, msg []byte) {
	hello, ok := tls.ReadClientHello(msg[headSize:])
	if msg[0] != clientHello || !ok {
		return
	}
	s := &a.side[d]
	m := c.Message(event.MessageRequest, d)
	m.Begin, m.Bytes, m.Text, m.Group = s.from, s.size, "ClientHello", "handshake"
	m.Fields = hello.Fields(a.fields(c, 20), 'q')
	a.x = c.Open(m)
	a.known = a.x.ID
	c.EmitAt(m, s.at)
}

func (p *parser) serverHello(c *proto.Conv, d proto.Dir, a *attempt, msg []byte) {
	hello, ok := tls.ReadServerHello(msg[headSize:])
	if msg[0] != serverHello || !ok {
		return
	}
	s := &a.side[d]
	m := c.Message(event.MessageAnswer, d)
	m.Begin, m.Bytes, m.Text = s.from, s.size, "ServerHello"
	if hello.Retry {
		m.Text = "HelloRetryRequest"
	}
	m.Fields = hello.Fields(a.fields(c, 6))
	p.answer(c, a, m)
	c.EmitAt(m, s.at)
}

// answer makes a message the answer to the ClientHello, if that is known and has none.
func (p *parser) answer(c *proto.Conv, a *attempt, m *event.Message) {
	if a.x.Known() {
		m.Kind = event.MessageAnswer
	}
	c.Close(&a.x, m)
	a.x = proto.Exchange{}
}

// closed emits a CONNECTION_CLOSE.
func (p *parser) closed(c *proto.Conv, d proto.Dir, a *attempt, code, frame uint64, reason []byte, size int64) {
	if a.over {
		return // it is repeated
	}
	a.over = true
	m := c.Message(event.MessageNotice, d)
	name := errorName(code)
	m.Text, m.Bytes, m.Exchange = "CONNECTION_CLOSE "+name, size, a.known
	if code != 0 {
		m.Error = name
	}
	m.Fields = a.fields(c, 2)
	if frame != 0 {
		m.Fields = append(m.Fields, event.Field{Key: keyFrame, Text: "0x" + strconv.FormatUint(frame, 16)})
	}
	const most = 200
	if len(reason) > 0 {
		m.Fields = append(m.Fields, event.Field{Key: keyReason, Text: string(reason[:min(len(reason), most)])})
	}
	if d != a.client {
		p.answer(c, a, m)
	}
	c.Emit(m)
}

// retry reads a Retry: the server wants to see that the client has its address. The client begins again, with other keys.
func (p *parser) retry(c *proto.Conv, d proto.Dir, q *packet, size int64) {
	const tag = 16
	if len(q.rest) < tag {
		return
	}
	m := c.Message(event.MessageNotice, d)
	m.Text, m.Bytes = "Retry", size
	a := p.answered(c, d, q)
	if a == nil || a.retried {
		c.Emit(m)
		return
	}
	a.retried = true
	m.Fields = a.fields(c, 0)
	p.answer(c, a, m)
	c.Emit(m)
	a.ids = copy(a.id[:], q.from)
	a.side = [2]side{}
}

// negotiate reads a packet of version negotiation.
func (p *parser) negotiate(c *proto.Conv, d proto.Dir, q *packet, size int64) {
	if negotiation(q) == proto.No {
		return
	}
	m := c.Message(event.MessageNotice, d)
	m.Text, m.Bytes = "Version Negotiation", size
	const most = 8
	m.Fields = c.Fields(most)
	for b := q.rest; len(b) >= 4 && len(m.Fields) < most; b = b[4:] {
		m.Fields = append(m.Fields, event.Field{Key: keyVersions, Text: versionName(b[:4])})
	}
	if a := p.answered(c, d, q); a != nil && bytes.Equal(a.id[:a.ids], q.from) {
		p.answer(c, a, m)
	}
	c.Emit(m)
}

func versionName(b []byte) string {
	switch v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3]); v {
	case version1:
		return "1"
	case version2:
		return "2"
	}
	return "0x" + hex.EncodeToString(b)
}

var errors = [...]string{
	"NO_ERROR", "INTERNAL_ERROR", "CONNECTION_REFUSED", "FLOW_CONTROL_ERROR", "STREAM_LIMIT_ERROR", "STREAM_STATE_ERROR", "FINAL_SIZE_ERROR", "FRAME_ENCODING_ERROR",
	"TRANSPORT_PARAMETER_ERROR", "CONNECTION_ID_LIMIT_ERROR", "PROTOCOL_VIOLATION", "INVALID_TOKEN", "APPLICATION_ERROR", "CRYPTO_BUFFER_EXCEEDED", "KEY_UPDATE_ERROR",
	"AEAD_LIMIT_REACHED", "NO_VIABLE_PATH", "VERSION_NEGOTIATION_ERROR",
}

// errorName returns the name of an error of the transport (RFC 9000, 20.1). Those of the handshake have an alert of TLS.
func errorName(code uint64) string {
	switch {
	case code < uint64(len(errors)):
		return errors[code]
	case code>>8 == 1:
		return "CRYPTO_ERROR " + tls.AlertName(uint8(code))
	}
	return "error 0x" + strconv.FormatUint(code, 16)
}
