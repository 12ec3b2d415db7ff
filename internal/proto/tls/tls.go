// Package tls reads the handshakes and alerts of TLS 1.0 to 1.3 (RFC 8446, RFC 5246) and of SSL 3 (RFC 6101), as far as they
// are not encrypted. What they carry is only counted.
package tls

import (
	"encoding/binary"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
)

// Protocol is TLS.
var Protocol = &proto.Protocol{
	Name: "tls", Title: "TLS", Opaque: true,
	Ports:  []uint16{443, 8443, 465, 563, 636, 853, 989, 990, 992, 993, 994, 995, 5061, 5671, 6697, 8883},
	Detect: detect,
	New:    func(*proto.Conv) proto.Parser { return &parser{} },
	Keys: []*event.Key{
		KeyServerName, KeyOffered, KeyVersions, KeyJA4, KeyVersion, KeyCipher, KeyProtocol, KeyGroup, KeyResumed, keySubject, keyIssuer, keyNotBefore, keyNotAfter,
		keyNames, keyRequested, keyClientSubject, keyClientIssuer, KeyLevel, keySent, keyReceived,
	},
}

// Keys of what QUIC and DTLS have too.
var (
	KeyServerName = &event.Key{Name: "tls.client.server_name", Label: "sni", Names: event.FromSNI}
	KeyOffered    = &event.Key{Name: "tls.client.alpn", Label: "alpn", Many: true}
	KeyVersions   = &event.Key{Name: "tls.client.supported_versions", Form: event.FormQuiet, Many: true}
	KeyJA4        = &event.Key{Name: "tls.client.ja4", Form: event.FormQuiet}
	KeyVersion    = &event.Key{Name: "tls.protocol.version", Label: "version"}
	KeyCipher     = &event.Key{Name: "tls.cipher"}
	KeyProtocol   = &event.Key{Name: "tls.next_protocol", Label: "alpn"}
	KeyGroup      = &event.Key{Name: "tls.curve", Form: event.FormQuiet}
	KeyResumed    = &event.Key{Name: "tls.resumed", Label: "resumed", Form: event.FormBool}
	KeyLevel      = &event.Key{Name: "tls.alert.level", Form: event.FormQuiet}
)

var (
	keySubject       = &event.Key{Name: "tls.server.subject", Label: "subject"}
	keyIssuer        = &event.Key{Name: "tls.server.issuer", Form: event.FormQuiet}
	keyNotBefore     = &event.Key{Name: "tls.server.not_before", Form: event.FormQuiet}
	keyNotAfter      = &event.Key{Name: "tls.server.not_after", Form: event.FormQuiet}
	keyNames         = &event.Key{Name: "tls.server.alternative_names", Form: event.FormQuiet, Many: true}
	keyRequested     = &event.Key{Name: "tls.client.certificate_requested", Label: "asks for certificate", Form: event.FormBool}
	keyNone          = &event.Key{Name: "tls.client.certificate_missing", Label: "has no certificate", Form: event.FormBool}
	keyClientSubject = &event.Key{Name: "tls.client.subject", Label: "subject"}
	keyClientIssuer  = &event.Key{Name: "tls.client.issuer", Form: event.FormQuiet}
	keySent          = &event.Key{Name: "tls.application.sent", Label: "sent", Form: event.FormBytes}
	keyReceived      = &event.Key{Name: "tls.application.received", Label: "received", Form: event.FormBytes}
)

// Types of records.
const (
	changeCipher = 20
	alert        = 21
	handshake    = 22
	application  = 23
	heartbeat    = 24
)

// Types of handshake messages that are read.
const (
	clientHello        = 1
	serverHello        = 2
	certificateMessage = 11
	certificateRequest = 13
)

const (
	headerSize = 5
	maxRecord  = 1<<14 + 2048
	// maxMessage bounds what is kept of a handshake message.
	maxMessage = 8 << 10
)

func detect(h *proto.Hint) proto.Verdict {
	if !h.Stream {
		return proto.No
	}
	best := proto.No
	for _, b := range h.Data {
		if len(b) > 0 {
			best = max(best, begins(b, h.Start))
		}
	}
	return best
}

// begins says whether bytes are those of records.
func begins(b []byte, start bool) proto.Verdict {
	if b[0]&0x80 != 0 {
		return beginsV2(b, start)
	}
	if !header(b) {
		return proto.No
	}
	if len(b) < headerSize {
		return proto.Wait
	}
	size := int(binary.BigEndian.Uint16(b[3:]))
	body := b[headerSize:]
	switch b[0] {
	case handshake:
		if len(body) < 6 && len(body) < size {
			return proto.Wait
		}
		if plain(body, size) {
			return proto.Sure
		}
	case alert:
		if size == 2 && len(body) >= 2 && alerts[body[1]] != "" {
			return proto.Sure
		}
		if size == 2 && len(body) < 2 {
			return proto.Wait
		}
	case changeCipher:
		if len(body) == 0 {
			return proto.Wait
		}
		return proto.Sure
	}
	if start {
		return proto.No // it begins with a handshake
	}
	// Further records make it certain.
	for n := 1; ; n++ {
		next := headerSize + size
		if len(b) <= next {
			if n > 1 {
				return proto.Sure
			}
			return proto.Maybe
		}
		if b = b[next:]; !header(b) {
			return proto.No
		}
		if len(b) < headerSize {
			return proto.Maybe
		}
		size = int(binary.BigEndian.Uint16(b[3:]))
	}
}

// header reports whether bytes can be the header of a record: all that are there.
func header(b []byte) bool {
	switch {
	case b[0] < changeCipher || b[0] > heartbeat, len(b) > 1 && b[1] != 3, len(b) > 2 && b[2] > 4:
		return false
	case len(b) < headerSize:
		return true
	}
	size := int(binary.BigEndian.Uint16(b[3:]))
	switch b[0] {
	case changeCipher:
		return size == 1 && (len(b) == headerSize || b[headerSize] == 1)
	case alert:
		return size == 2 || size >= 16 && size <= 256 // encrypted
	case application:
		return size <= maxRecord
	}
	return size > 0 && size <= maxRecord
}

// plain reports whether a record of a handshake begins with the first message of an end. It may be in several records.
func plain(body []byte, size int) bool {
	if size < 6 {
		return size > 0 && len(body) >= size && (body[0] == clientHello || body[0] == serverHello) && (size == 1 || body[1] == 0)
	}
	if len(body) < 6 {
		return false
	}
	length := int(body[1])<<16 | int(body[2])<<8 | int(body[3])
	switch body[0] {
	case clientHello, serverHello:
		return body[4] == 3 && body[5] <= 4 && length >= 38 && length < 1<<17
	}
	return false
}

// beginsV2 says whether bytes are a hello in the form of SSL 2, which clients that could also speak later versions sent
// (RFC 5246, E.2).
func beginsV2(b []byte, start bool) proto.Verdict {
	switch {
	case !start, len(b) > 2 && b[2] != clientHello, len(b) > 3 && b[3] != 3 && b[3] != 0, len(b) > 4 && b[3] == 3 && b[4] > 3, len(b) > 4 && b[3] == 0 && b[4] != 2:
		return proto.No
	case len(b) < sizeV2:
		return proto.Wait
	}
	if _, ok := helloV2(b); !ok {
		return proto.No
	}
	return proto.Sure
}

// sizeV2 is the size of a hello in the form of SSL 2 without its lists.
const sizeV2 = 11

// helloV2 returns the size of a hello in the form of SSL 2.
func helloV2(b []byte) (size int, ok bool) {
	ciphers, session, challenge := int(binary.BigEndian.Uint16(b[5:])), int(binary.BigEndian.Uint16(b[7:])), int(binary.BigEndian.Uint16(b[9:]))
	size = int(binary.BigEndian.Uint16(b)&0x7fff) + 2
	ok = ciphers > 0 && ciphers%3 == 0 && (session == 0 || session == 16) && challenge >= 16 && challenge <= 32 && size == sizeV2+ciphers+session+challenge
	return size, ok
}

// half is one direction.
type half struct {
	kind   byte // of the current record
	left   int  // bytes of it that were not read
	fresh  bool // none of it was read
	hidden bool // handshake messages and alerts are encrypted
	opaque bool // where handshake messages begin is not known
	done   bool // its Finished has come
	lost   bool // bytes were missing: until a record begins
	ended  bool

	msg  []byte // what was read of the current handshake message, with its header
	want int    // bytes of it to read; 0: until its header is complete
	rest int    // bytes after these to pass
	at   proto.At
	from int64 // its first byte
	size int64 // bytes in the stream since the last message, with headers

	total int64 // bytes of application data
}

type parser struct {
	half     [2]half
	client   proto.Dir
	known    bool // which direction that is
	said     bool // there is application data
	version2 bool
	tls13    bool
	asked    proto.Exchange // ClientHello
	m        *event.Message // ServerHello, until the handshake has ended
	at       proto.At
	x        proto.Exchange
	headed   bool     // its beginning has been emitted
	last     bool     // its last record is passing
	session  [32]byte // ID of the session that the client wants to resume
	ids      int      // length of it
}

func (p *parser) Held() int {
	n := 768 + cap(p.half[0].msg) + cap(p.half[1].msg)
	if p.m != nil {
		for i := range p.m.Fields {
			n += 40 + len(p.m.Fields[i].Text)
		}
	}
	return n
}

func (p *parser) Read(c *proto.Conv, d proto.Dir, b []byte) int {
	h := &p.half[d]
	if h.lost {
		if !header(b) || len(b) > headerSize && !followed(b) {
			h.total += int64(len(b))
			return len(b)
		}
		if len(b) < headerSize {
			return 0
		}
		h.lost = false
	}
	switch {
	case h.left == 0:
		return p.records(c, d, b)
	case h.kind == handshake:
		return p.handshake(c, d, b[:min(h.left, len(b))])
	case len(b) < h.left:
		return 0
	}
	h.left = 0
	p.alert(c, d, b[0], b[1])
	return 2
}

// followed reports whether another record follows, as far as can be seen.
func followed(b []byte) bool {
	next := headerSize + int(binary.BigEndian.Uint16(b[3:]))
	return len(b) <= next || header(b[next:])
}

// records reads the header of a record, or those of all records of application data in b.
func (p *parser) records(c *proto.Conv, d proto.Dir, b []byte) int {
	h := &p.half[d]
	for n := 0; ; {
		r := b[n:]
		if p.said && p.m == nil && len(r) >= headerSize && r[0] == application && r[1] == 3 && r[2] <= 4 {
			size := int(binary.BigEndian.Uint16(r[3:]))
			if size > maxRecord {
				c.Fail("not a record of TLS")
				return n
			}
			h.total += int64(size)
			if n += headerSize + size; n >= len(b) {
				c.Skip(d, int64(n-len(b)))
				return len(b)
			}
			continue
		}
		switch {
		case n > 0:
			return n
		case b[0]&0x80 != 0 && (p.version2 || !p.known):
			return p.hello2(c, d, b)
		case !header(b[:min(headerSize, len(b))]):
			c.Fail("not a record of TLS")
			return 0
		case len(b) < headerSize:
			return 0
		}
		p.record(c, d, b[0], int(binary.BigEndian.Uint16(b[3:])))
		return headerSize
	}
}

// hello2 reads a hello in the form of SSL 2. If its answer has that form too, nothing more is read.
func (p *parser) hello2(c *proto.Conv, d proto.Dir, b []byte) int {
	if p.version2 {
		c.Skip(d, -1)
		return len(b)
	}
	if len(b) < sizeV2 {
		return 0
	}
	size, ok := helloV2(b)
	if !ok {
		c.Fail("not a record of TLS")
		return 0
	}
	if len(b) < size {
		return 0
	}
	p.version2, p.client, p.known = true, d, true
	m := c.Message(event.MessageRequest, d)
	m.Text, m.Group, m.Bytes = "ClientHello of SSL 2", "handshake", int64(size)
	m.Fields = append(c.Fields(1), event.Field{Key: KeyVersions, Text: versionName(binary.BigEndian.Uint16(b[3:]))})
	p.asked = c.Ask(m)
	c.Whole(event.ShareTLS)
	return size
}

// record begins to read a record.
func (p *parser) record(c *proto.Conv, d proto.Dir, kind byte, size int) {
	h := &p.half[d]
	h.kind, h.fresh = kind, true
	if len(h.msg) == 0 && h.rest == 0 {
		h.at = c.Here()
		h.from, _ = c.Times()
	}
	p.took(c, d, headerSize)
	switch {
	case kind == handshake && !h.hidden && !h.opaque, kind == alert && !h.hidden && size == 2:
		h.left = size
		return
	case kind == handshake && h.hidden:
		h.done = true
		switch other := &p.half[d.Other()]; {
		case p.m == nil || !other.done:
		case d == p.client:
			p.finish(c, "")
		default:
			p.last = true
		}
	case kind == alert:
		p.encrypted(c, d, int64(size))
	case kind == changeCipher:
		// With TLS 1.3 it means nothing: messages that are not encrypted may follow.
		h.hidden = h.hidden || !p.tls13
	case kind == application:
		p.application(c, d, int64(size))
	}
	c.Skip(d, int64(size))
}

func (p *parser) Skipped(c *proto.Conv, d proto.Dir) {
	p.took(c, d, c.Passed(d))
	if p.last && d != p.client {
		p.finish(c, "")
	}
}

// took counts bytes of a direction; those of the server belong to its answer until the handshake has ended.
func (p *parser) took(c *proto.Conv, d proto.Dir, n int64) {
	p.half[d].size += n
	if p.m != nil && d != p.client {
		p.m.Bytes += n
		_, p.m.End = c.Times()
	}
}

// application notes a record of application data. With TLS 1.3 the rest of the handshake looks the same: the first record
// of the client is its Finished, an empty Certificate, or an alert, which have different sizes. Each has one byte for its
// type, and 16 or 8 of the cipher (RFC 8446, 5.2).
func (p *parser) application(c *proto.Conv, d proto.Dir, size int64) {
	const (
		finished = 4 + 32 + 1 + 8
		empty    = 4 + 4 + 1 // Certificate with an empty context and an empty list
	)
	switch {
	case p.m != nil && p.tls13 && d == p.client && (size == empty+16 || size == empty+8):
		p.m.Fields = append(p.m.Fields, event.Field{Key: keyNone, Num: 1})
		p.finish(c, "")
		return
	case p.m != nil && p.tls13 && d != p.client:
		return
	case p.m != nil && p.tls13 && size < finished:
		p.finish(c, "encrypted alert")
		p.encrypted(c, d, size)
		return
	case p.m != nil && p.tls13:
		p.finish(c, "")
		return
	case p.m != nil && d != p.client:
		p.finish(c, "") // its Finished was not recorded
	}
	p.half[d].total += size
	if p.said || p.m != nil || p.asked.Known() {
		return
	}
	p.said = true
	if !p.known {
		m := c.Message(event.MessageNotice, d)
		m.Text, m.Bytes, m.Unsure = "application data", headerSize+size, "its handshake was not recorded"
		c.Emit(m)
	}
}

// handshake reads a part of a handshake message: b is what there is of the current record.
func (p *parser) handshake(c *proto.Conv, d proto.Dir, b []byte) int {
	h := &p.half[d]
	if h.rest > 0 {
		// Its bytes are not needed, and may not have been recorded.
		n := min(h.rest, h.left)
		h.rest -= n
		h.left -= n
		return p.pass(c, d, b, n)
	}
	const head = 4
	if len(h.msg) == 0 && !h.fresh {
		h.at = c.Here()
		h.from, _ = c.Times()
	}
	h.fresh = false
	n := min(max(h.want, head)-len(h.msg), len(b))
	h.msg = append(h.msg, b[:n]...)
	if h.want == 0 && len(h.msg) == head {
		size := int(h.msg[1])<<16 | int(h.msg[2])<<8 | int(h.msg[3])
		if !expected(h.msg[0], size) {
			// It is encrypted, and the change to that was not recorded.
			h.opaque = true
			n = h.left
			h.msg, h.left = nil, 0
			return p.pass(c, d, b, n)
		}
		h.want = head
		if t := h.msg[0]; t == clientHello || t == serverHello || t == certificateMessage {
			h.want = min(head+size, maxMessage)
		}
		h.rest = head + size - h.want
	}
	h.left -= n
	p.took(c, d, int64(n))
	if len(h.msg) == h.want {
		msg := h.msg
		h.msg, h.want = nil, 0
		p.message(c, d, msg[0], msg[head:])
	}
	return n
}

// pass passes n bytes, of which b is what there is.
func (p *parser) pass(c *proto.Conv, d proto.Dir, b []byte, n int) int {
	k := min(n, len(b))
	p.took(c, d, int64(k))
	c.Skip(d, int64(n-k))
	return k
}

// expected reports whether a handshake message can have a type and a size.
func expected(kind byte, size int) bool {
	switch kind {
	case 0, 5, 14: // hello_request, end_of_early_data, server_hello_done
		return size == 0
	case 1, 2, 4, 8, 11, 12, 13, 15, 16, 20, 21, 22, 23, 24, 25, 67:
		return size < 1<<17
	}
	return false
}

// message reads a handshake message, or the beginning of it that was kept.
func (p *parser) message(c *proto.Conv, d proto.Dir, kind byte, b []byte) {
	h := &p.half[d]
	switch kind {
	case clientHello:
		p.clientHello(c, d, b)
	case serverHello:
		p.serverHello(c, d, b)
	case certificateMessage:
		cert := certificate(b)
		switch {
		case cert == nil || !p.known:
		case d != p.client && p.m != nil:
			p.m.Fields = serverFields(p.m.Fields, cert)
		case d == p.client:
			m := c.Message(event.MessageNotice, d)
			m.Begin, m.Bytes, m.Text, m.Exchange = h.from, h.size, "client certificate", p.x.ID
			m.Fields = append(c.Fields(2), event.Field{Key: keyClientSubject, Text: cert.Subject.String()}, event.Field{Key: keyClientIssuer, Text: cert.Issuer.String()})
			c.EmitAt(m, h.at)
		}
	case certificateRequest:
		if p.m != nil && d != p.client {
			p.m.Fields = append(p.m.Fields, event.Field{Key: keyRequested, Num: 1})
		}
	}
	h.size = 0
}

func (p *parser) clientHello(c *proto.Conv, d proto.Dir, b []byte) {
	h := &p.half[d]
	hello, ok := ReadClientHello(b)
	m := c.Message(event.MessageRequest, d)
	m.Begin, m.Bytes, m.Text, m.Group = h.from, h.size, "ClientHello", "handshake"
	if ok {
		m.Fields = hello.Fields(c.Fields(3+2*maxList), 't')
	} else {
		m.Unsure = proto.Incomplete
	}
	p.client, p.known = d, true
	p.ids = copy(p.session[:], hello.Session)
	p.asked = c.Open(m)
	c.Whole(event.ShareTLS)
	c.EmitAt(m, h.at)
}

func (p *parser) serverHello(c *proto.Conv, d proto.Dir, b []byte) {
	h := &p.half[d]
	hello, ok := ReadServerHello(b)
	if !ok || p.known && d == p.client {
		return
	}
	m := c.Message(event.MessageAnswer, d)
	m.Begin, m.Bytes, m.Text = h.from, h.size, "ServerHello"
	const tls13 = 0x0304
	if p.tls13 = hello.Version == tls13 || hello.Version>>8 == 0x7f; p.tls13 {
		p.half[d.Other()].hidden = false // it meant nothing
	}
	if !p.tls13 && p.asked.Known() && p.ids > 0 && string(hello.Session) == string(p.session[:p.ids]) {
		hello.PSK = true
	}
	m.Fields = hello.Fields(c.Fields(12))
	p.client, p.known = d.Other(), true
	x := p.asked
	p.asked = proto.Exchange{}
	if hello.Retry {
		m.Text = "HelloRetryRequest"
		c.Close(&x, m)
		c.EmitAt(m, h.at)
		return
	}
	proto.Own(m)
	p.m, p.at, p.x, p.headed, p.last = m, h.at, x, false, false
	c.Later()
}

// alert reads an alert that is not encrypted.
func (p *parser) alert(c *proto.Conv, d proto.Dir, level, what byte) {
	name := AlertName(what)
	failure := ""
	if level == 2 {
		failure = name
	}
	p.took(c, d, 2)
	if p.m != nil {
		p.finish(c, failure)
	}
	m := c.Message(event.MessageNotice, d)
	m.Begin, m.Bytes, m.Text, m.Error = p.half[d].from, headerSize+2, "alert "+name, failure
	severity := "warning"
	if level == 2 {
		severity = "fatal"
	}
	m.Fields = append(c.Fields(1), event.Field{Key: KeyLevel, Text: severity})
	if p.asked.Known() && d != p.client && level == 2 {
		m.Kind = event.MessageAnswer
		c.Close(&p.asked, m)
		p.asked = proto.Exchange{}
	}
	c.EmitAt(m, p.half[d].at)
}

// encrypted notes an alert that is encrypted: nearly always it is close_notify.
func (p *parser) encrypted(c *proto.Conv, d proto.Dir, size int64) {
	m := c.Message(event.MessageNotice, d)
	m.Text, m.Bytes = "encrypted alert", headerSize+size
	c.Emit(m)
}

// finish emits the answer of the handshake, which has ended: with a failure, or well.
func (p *parser) finish(c *proto.Conv, failure string) {
	m := p.m
	p.m, p.last = nil, false
	c.Whole(event.Shares)
	if failure != "" {
		m.Error = failure
	}
	if p.headed {
		m.Part = event.Rest
	}
	c.Close(&p.x, m)
	c.EmitAt(m, p.at)
}

func (p *parser) Pause(c *proto.Conv) {
	if p.m == nil || p.headed {
		return
	}
	p.headed = true
	m := c.Message(event.MessageAnswer, p.client.Other())
	*m = *p.m
	m.Fields = append(c.Fields(len(m.Fields)), m.Fields...)
	m.Part = event.Head
	c.Close(&p.x, m)
	c.EmitAt(m, p.at)
}

func (p *parser) Lost(_ *proto.Conv, d proto.Dir, n int64) bool {
	h := &p.half[d]
	if !p.known || d != p.client {
		// The answer to the ClientHello may be missing, or a part of it.
		p.asked = proto.Exchange{}
		if p.m != nil {
			p.m.Unsure = "a part of it was not recorded"
		}
	}
	if inRecord := n > 0 && n <= int64(h.left) && h.kind == handshake; inRecord {
		h.left -= int(n)
		h.size += n
		left := int64(h.rest)
		if h.want > 0 {
			left += int64(h.want - len(h.msg))
		}
		h.opaque = h.opaque || n > left
		h.rest = int(max(left-n, 0))
		h.msg, h.want = nil, 0
		if h.opaque {
			h.rest = h.left // to its end
		}
		return true
	}
	h.lost, h.left, h.msg, h.want, h.rest, h.size = true, 0, nil, 0, 0, 0
	h.total += n
	return true
}

func (p *parser) Ended(c *proto.Conv, d proto.Dir) {
	h := &p.half[d]
	h.ended = true
	if p.m != nil {
		p.finish(c, "not finished")
	}
	sent, received := p.half[proto.Out].total, p.half[proto.In].total
	if !p.half[d.Other()].ended || sent+received == 0 {
		return
	}
	m := c.Message(event.MessageNotice, d)
	m.Text = "end"
	m.Fields = append(c.Fields(2), event.Field{Key: keySent, Num: sent}, event.Field{Key: keyReceived, Num: received})
	c.Emit(m)
}
