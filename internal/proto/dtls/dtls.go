// Package dtls reads the handshakes and alerts of DTLS 1.0 to 1.3 (RFC 6347, RFC 9147), as far as they are not encrypted. The
// messages of a handshake are those of TLS.
package dtls

import (
	"net/netip"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
	"github.com/pidwire/pidwire/internal/proto/bin"
	"github.com/pidwire/pidwire/internal/proto/tls"
)

// Protocol is DTLS.
var Protocol = &proto.Protocol{
	Name: "dtls", Title: "DTLS",
	Ports:  []uint16{443, 853, 2221, 5061, 5246, 5247, 5349, 5684, 6514, 10161, 10162},
	Detect: detect,
	New:    func(*proto.Conv) proto.Parser { return &parser{} },
	Keys: []*event.Key{
		tls.KeyServerName, tls.KeyOffered, tls.KeyVersions, tls.KeyJA4, tls.KeyVersion, tls.KeyCipher, tls.KeyProtocol, tls.KeyGroup, tls.KeyResumed, tls.KeyLevel,
		keyCookie, keyTry,
	},
}

var (
	keyCookie = &event.Key{Name: "dtls.cookie.size", Label: "cookie", Form: event.FormBytes}
	keyTry    = &event.Key{Name: "dtls.try", Label: "try", Form: event.FormInt}
)

// Types of records (IANA tls-parameters).
const (
	changeCipher = 20
	alert        = 21
	handshake    = 22
	application  = 23
	withID       = 25 // RFC 9146
	ack          = 26
)

// Types of handshake messages that are read.
const (
	clientHello        = 1
	serverHello        = 2
	helloVerifyRequest = 3
)

const (
	headerSize = 13
	// partSize is the header of a part of a handshake message.
	partSize = 12
	// maxMessage bounds a hello, maxPeers the peers of a socket whose handshakes are read, maxHeld the memory of their messages.
	maxMessage = 8 << 10
	maxPeers   = 32
	maxHeld    = 24 << 10
)

// record is a record. Its body may not have been captured to its end.
type record struct {
	kind  byte
	epoch uint16 // 0: not encrypted
	size  int    // of its body
	body  []byte
}

// next reads the record at the beginning of r. ok is false if there is none.
func next(r *bin.Reader) (rec record, ok bool) {
	rec.kind = r.U8()
	version := r.U16()
	rec.epoch = r.U16()
	r.Bytes(6) // number
	rec.size = int(r.U16())
	const maxRecord = 1<<14 + 2048
	if r.Short || version != 0xfeff && version != 0xfefd && version != 0x0100 || rec.size == 0 || rec.size > maxRecord {
		return rec, false // version 0x0100 is that of OpenSSL's first draft
	}
	switch rec.kind {
	case changeCipher:
		ok = rec.size == 1 || rec.size == 3
	case alert:
		ok = rec.size == 2 && rec.epoch == 0 || rec.size >= 16 && rec.size <= 256 && rec.epoch > 0
	case handshake:
		ok = rec.size >= partSize
	case application, withID:
		ok = rec.epoch > 0
	case ack:
		ok = rec.size >= 2
	}
	rec.body = r.Some(rec.size)
	return rec, ok
}

// part is the header of a part of a handshake message.
type part struct {
	kind               byte
	number             uint16
	length, from, size int
	data               []byte
}

func readPart(r *bin.Reader) (p part, ok bool) {
	u24 := func() int { return int(r.U8())<<16 | int(r.U16()) }
	p.kind, p.length = r.U8(), u24()
	p.number, p.from, p.size = r.U16(), u24(), u24()
	if r.Short || p.from+p.size > p.length || p.kind > 67 {
		return p, false
	}
	p.data = r.Some(p.size)
	return p, true
}

func detect(h *proto.Hint) proto.Verdict {
	if h.Stream || !is(h.Begin(), int64(len(h.Begin()))) {
		return proto.No
	}
	return proto.Sure
}

// is reports whether a datagram consists of records.
func is(b []byte, size int64) bool {
	r := bin.Of(b)
	rec, ok := next(r)
	if ok && rec.kind == handshake && rec.epoch == 0 {
		_, ok = readPart(bin.Of(rec.body))
	}
	for ok && len(r.B) > 0 {
		if unified(r.B) {
			return true // it is the last one
		}
		if len(r.B) < headerSize && int64(len(b)) < size {
			return true
		}
		_, ok = next(r)
	}
	return ok
}

// unified reports whether bytes begin an encrypted record of DTLS 1.3, whose header has other fields (RFC 9147, 4).
func unified(b []byte) bool { return b[0]&0xe0 == 0x20 }

// peer is the state of the handshakes with a peer.
type peer struct {
	addr   netip.AddrPort
	asked  proto.Exchange // ClientHello
	number uint16         // of that message
	client proto.Dir
	known  bool // there was a hello
	said   bool // it was said that there are data
	ids    int
	id     [32]byte // session
	half   [2]half
}

// half is the hello of a direction whose parts come one after the other.
type half struct {
	kind   byte
	number uint16
	buf    []byte // from its beginning on
	at     proto.At
	from   int64
	size   int64
}

type parser struct {
	proto.Base
	peers []*peer // from the one that was used first on
}

func (p *parser) Held() int {
	n := 64 + cap(p.peers)*8
	for _, e := range p.peers {
		n += 512 + cap(e.half[0].buf) + cap(e.half[1].buf)
	}
	return n
}

func (p *parser) Packet(c *proto.Conv, d proto.Dir, b []byte, size int64) bool {
	if len(b) > 0 && unified(b) && len(p.peers) > 0 {
		return true
	}
	if !is(b, size) {
		return false
	}
	e := p.peer(c.Peer())
	left := size // of the datagram's size, what no message was given yet
	for r := bin.Of(b); len(r.B) > 0 && !unified(r.B); {
		rec, ok := next(r)
		if !ok {
			break
		}
		switch {
		case rec.kind == handshake && rec.epoch == 0:
			for r := bin.Of(rec.body); len(r.B) > 0; {
				part, ok := readPart(r)
				if !ok {
					break
				}
				e.part(c, d, &part, &left)
			}
		case rec.kind == alert && rec.epoch == 0 && len(rec.body) == 2:
			e.alert(c, d, rec.body[0], rec.body[1], &left)
		case rec.kind == alert && rec.epoch > 0:
			m := c.Message(event.MessageNotice, d)
			m.Text, m.Bytes = "encrypted alert", headerSize+int64(rec.size)
			c.Emit(m)
		case rec.kind == application && !e.known && !e.said:
			e.said = true
			m := c.Message(event.MessageNotice, d)
			m.Text, m.Bytes, m.Unsure = "application data", headerSize+int64(rec.size), "its handshake was not recorded"
			c.Emit(m)
		}
	}
	for len(p.peers) > 1 && (len(p.peers) > maxPeers || p.Held() > maxHeld) {
		p.peers = p.peers[:copy(p.peers, p.peers[1:])]
	}
	return true
}

// peer returns the state of a peer, which is then the last one.
func (p *parser) peer(addr netip.AddrPort) *peer {
	for i, e := range p.peers {
		if e.addr == addr {
			copy(p.peers[i:], p.peers[i+1:])
			p.peers[len(p.peers)-1] = e
			return e
		}
	}
	e := &peer{addr: addr}
	p.peers = append(p.peers, e)
	return e
}

// part reads a part of a handshake message. left is what is left of the size of the datagram.
func (e *peer) part(c *proto.Conv, d proto.Dir, p *part, left *int64) {
	if p.kind != clientHello && p.kind != serverHello && p.kind != helloVerifyRequest || p.length > maxMessage {
		return
	}
	h := &e.half[d]
	switch {
	case p.from == 0:
		*h = half{kind: p.kind, number: p.number, buf: h.buf[:0], at: c.Here()}
		h.from, _ = c.Times()
	case h.kind != p.kind || h.number != p.number || p.from > len(h.buf):
		return // what is before it was not recorded
	}
	h.size += *left
	*left = 0
	h.buf = append(h.buf, p.data[min(len(p.data), len(h.buf)-p.from):]...)
	if len(h.buf) < p.length && len(p.data) == p.size {
		return // others follow
	}
	switch p.kind {
	case clientHello:
		e.clientHello(c, d, h)
	case serverHello:
		e.serverHello(c, d, h)
	case helloVerifyRequest:
		e.verify(c, d, h)
	}
	*h = half{}
}

func (e *peer) clientHello(c *proto.Conv, d proto.Dir, h *half) {
	hello, ok := tls.ReadDatagramClientHello(h.buf)
	m := c.Message(event.MessageRequest, d)
	m.Begin, m.Bytes, m.Text, m.Group = h.from, h.size, "ClientHello", "handshake"
	if ok {
		const most = 24
		m.Fields = hello.Fields(c.Fields(most), 'd')
		if len(hello.Cookie) > 0 {
			m.Fields = append(m.Fields, event.Field{Key: keyCookie, Num: int64(len(hello.Cookie))})
		}
	} else {
		m.Unsure = proto.Incomplete
	}
	e.ids = copy(e.id[:], hello.Session)
	if e.asked.Known() && e.number == h.number && e.client == d {
		e.asked.Kind++
		m.Exchange = e.asked.ID
		m.Fields = append(m.Fields, event.Field{Key: keyTry, Num: int64(e.asked.Kind + 1)})
	} else {
		e.client, e.known, e.number, e.asked = d, true, h.number, c.Open(m)
	}
	c.EmitAt(m, h.at)
}

// verify reads a HelloVerifyRequest: the client repeats its hello with the cookie.
func (e *peer) verify(c *proto.Conv, d proto.Dir, h *half) {
	m := c.Message(event.MessageAnswer, d)
	m.Begin, m.Bytes, m.Text = h.from, h.size, "HelloVerifyRequest"
	r := bin.Of(h.buf)
	r.U16() // version
	m.Fields = append(c.Fields(1), event.Field{Key: keyCookie, Num: int64(r.U8())})
	e.answer(c, d, h.number, m)
	c.EmitAt(m, h.at)
}

func (e *peer) serverHello(c *proto.Conv, d proto.Dir, h *half) {
	hello, ok := tls.ReadServerHello(h.buf)
	m := c.Message(event.MessageAnswer, d)
	m.Begin, m.Bytes, m.Text = h.from, h.size, "ServerHello"
	if hello.Retry {
		m.Text = "HelloRetryRequest"
	}
	if ok {
		hello.PSK = hello.PSK || e.ids > 0 && string(hello.Session) == string(e.id[:e.ids])
		m.Fields = hello.Fields(c.Fields(12))
	} else {
		m.Unsure = proto.Incomplete
	}
	e.answer(c, d, h.number, m)
	c.EmitAt(m, h.at)
}

// answer makes m the answer to the ClientHello with its number. One that is sent again has none.
func (e *peer) answer(c *proto.Conv, d proto.Dir, number uint16, m *event.Message) {
	e.known = true
	if d == e.client || number != e.number {
		return
	}
	c.Close(&e.asked, m)
	e.asked = proto.Exchange{}
}

func (e *peer) alert(c *proto.Conv, d proto.Dir, level, what byte, left *int64) {
	m := c.Message(event.MessageNotice, d)
	name := tls.AlertName(what)
	m.Text, m.Bytes = "alert "+name, *left
	*left = 0
	severity := "warning"
	if level == 2 {
		severity, m.Error = "fatal", name
		if e.asked.Known() && d != e.client {
			m.Kind = event.MessageAnswer
			e.answer(c, d, e.number, m)
		}
	}
	m.Fields = append(c.Fields(1), event.Field{Key: tls.KeyLevel, Text: severity})
	c.Emit(m)
}
