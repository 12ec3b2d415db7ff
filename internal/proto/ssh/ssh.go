// Package ssh reads what SSH says before it is encrypted (RFC 4253): versions, and how keys are exchanged.
package ssh

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
)

// Protocol is SSH.
var Protocol = &proto.Protocol{
	Name: "ssh", Title: "SSH", Opaque: true,
	Ports:  ports,
	Detect: detect,
	New:    func(*proto.Conv) proto.Parser { return &parser{} },
	Keys: []*event.Key{
		keyVersion, keySoftware, keyKex, keyHostKey, keyFingerprint, keyCipherUp, keyCipherDown, keyMacUp, keyMacDown, keyCompressionUp, keyCompressionDown, keyReason,
	},
}

var (
	keyVersion         = &event.Key{Name: "ssh.protocol", Form: event.FormQuiet}
	keySoftware        = &event.Key{Name: "ssh.software", Form: event.FormQuiet}
	keyKex             = &event.Key{Name: "ssh.key_exchange", Form: event.FormQuiet}
	keyHostKey         = &event.Key{Name: "ssh.host_key.algorithm", Form: event.FormQuiet}
	keyFingerprint     = &event.Key{Name: "ssh.host_key.fingerprint", Form: event.FormQuiet}
	keyCipherUp        = &event.Key{Name: "ssh.client_to_server.cipher", Form: event.FormQuiet}
	keyCipherDown      = &event.Key{Name: "ssh.server_to_client.cipher", Form: event.FormQuiet}
	keyMacUp           = &event.Key{Name: "ssh.client_to_server.mac", Form: event.FormQuiet}
	keyMacDown         = &event.Key{Name: "ssh.server_to_client.mac", Form: event.FormQuiet}
	keyCompressionUp   = &event.Key{Name: "ssh.client_to_server.compression", Form: event.FormQuiet}
	keyCompressionDown = &event.Key{Name: "ssh.server_to_client.compression", Form: event.FormQuiet}
	keyReason          = &event.Key{Name: "ssh.disconnect.reason", Label: "reason"}
)

// Types of packets (RFC 4253, 12; RFC 4419, 5; RFC 5656, 7.1).
const (
	msgDisconnect   = 1
	msgKexInit      = 20
	msgNewKeys      = 21
	msgInit         = 30 // of Diffie-Hellman, with elliptic curves or not
	msgReply        = 31 // the answer to it
	msgGroupReply   = 33 // the answer where the client asks for a group
	msgGroupRequest = 34
)

const (
	maxLine   = 4 << 10
	maxPacket = 35000
	// maxRead bounds the packets that are read, maxLists what is kept of the algorithms of an end.
	maxRead  = 16 << 10
	maxLists = 6 << 10
)

func detect(h *proto.Hint) proto.Verdict {
	if !h.Stream || !h.Start {
		return proto.No
	}
	best := proto.No
	for d, b := range h.Data {
		// Servers can send other lines before.
		if i := bytes.LastIndex(b, []byte("\nSSH-")); i >= 0 && isLines(b[:i]) {
			b = b[i+1:]
		}
		switch n := min(len(b), len(begin)); {
		case n == 0:
		case string(b[:n]) != begin[:n]:
			if proto.Dir(d) == h.First && h.On(ports) && len(b) < maxLine && isLines(b) {
				best = max(best, proto.Wait)
			}
		case len(b) <= len(begin):
			best = max(best, proto.Wait)
		case b[n] == '1' || b[n] == '2':
			best = proto.Sure
		}
	}
	return best
}

var ports = []uint16{22, 2222}

// begin is what lines with a version begin with.
const begin = "SSH-"

// isLines reports whether bytes are lines of text.
func isLines(b []byte) bool {
	return bytes.IndexFunc(b, func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' }) < 0
}

// half is one direction.
type half struct {
	spoken bool   // its version has passed
	lists  []byte // the algorithms that it offers
}

type parser struct {
	proto.Base
	half  [2]half
	asked proto.Exchange // the key exchange
}

// exchanges of keys: with a group that the client asks for, or not.
const (
	plain = iota
	group
)

func (p *parser) Held() int { return 256 + cap(p.half[0].lists) + cap(p.half[1].lists) }

func (p *parser) Read(c *proto.Conv, d proto.Dir, b []byte) int {
	if !p.half[d].spoken {
		return p.version(c, d, b)
	}
	const head = 6
	if len(b) < head {
		return 0
	}
	size := 4 + int64(binary.BigEndian.Uint32(b))
	padding := int64(b[4])
	if size > maxPacket || size < head+padding {
		c.Fail("not a packet of SSH")
		return 0
	}
	kind := b[5]
	switch kind {
	case msgKexInit, msgInit, msgReply, msgGroupReply, msgGroupRequest, msgDisconnect:
		if size <= maxRead {
			if int64(len(b)) < size {
				return 0
			}
			p.packet(c, d, kind, b[head:size-padding], size)
			return int(size)
		}
	case msgNewKeys:
		p.half[d].lists = nil
		c.Skip(d, -1) // all that follows is encrypted
		return int(min(size, int64(len(b))))
	}
	if n := int64(len(b)); n < size {
		c.Skip(d, size-n)
	}
	return int(min(size, int64(len(b))))
}

// version reads the line with the version of an end. Servers can send other lines before.
func (p *parser) version(c *proto.Conv, d proto.Dir, b []byte) int {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		if len(b) > maxLine {
			c.Fail("a line that is too long")
		}
		return 0
	}
	line := bytes.TrimSuffix(b[:i], []byte("\r"))
	rest, ok := bytes.CutPrefix(line, []byte(begin))
	if !ok {
		return i + 1
	}
	p.half[d].spoken = true
	version, software, _ := bytes.Cut(rest, []byte("-"))
	m := c.Message(event.MessageNotice, d)
	m.Bytes, m.Text = int64(i+1), proto.Text(line)
	m.Fields = append(c.Fields(2), event.Field{Key: keyVersion, Text: proto.Text(version)}, event.Field{Key: keySoftware, Text: proto.Text(software)})
	c.Emit(m)
	if !bytes.HasPrefix(version, []byte("2.")) && string(version) != "1.99" {
		c.Skip(d, -1) // packets of version 1 have another form
	}
	return i + 1
}

// packet reads a packet without its header and its padding.
func (p *parser) packet(c *proto.Conv, d proto.Dir, kind byte, b []byte, size int64) {
	switch kind {
	case msgKexInit:
		const cookie = 16
		if len(b) > cookie && len(b) <= maxLists {
			p.half[d].lists = append([]byte(nil), b[cookie:]...)
		}
	case msgInit, msgGroupRequest:
		if p.asked.Known() {
			return // of an exchange with a group
		}
		m := c.Message(event.MessageRequest, d)
		m.Bytes, m.Text, m.Group = size, "key exchange", "key exchange"
		p.asked = c.Ask(m)
		if kind == msgGroupRequest {
			p.asked.Kind = group
		} else {
			p.asked.Kind = plain
		}
	case msgReply, msgGroupReply:
		if kind == msgReply && p.asked.Kind == group {
			return // only the group
		}
		p.reply(c, d, b, size)
	case msgDisconnect:
		p.disconnect(c, d, b, size)
	}
}

// reply emits the answer to a key exchange, with the algorithms that follow from what both ends offer.
func (p *parser) reply(c *proto.Conv, d proto.Dir, b []byte, size int64) {
	m := c.Message(event.MessageAnswer, d)
	m.Bytes, m.Text = size, "key exchange"
	m.Fields = p.chosen(c.Fields(9), d.Other())
	if key, _ := text(b); len(key) > 0 {
		sum := sha256.Sum256(key)
		m.Fields = append(m.Fields, event.Field{Key: keyFingerprint, Text: "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])})
	}
	c.Close(&p.asked, m)
	p.asked = proto.Exchange{}
	c.Emit(m)
}

// text reads a string with its length.
func text(b []byte) (s, rest []byte) {
	if len(b) < 4 {
		return nil, nil
	}
	n := binary.BigEndian.Uint32(b)
	if b = b[4:]; uint64(n) > uint64(len(b)) {
		return nil, nil
	}
	return b[:n], b[n:]
}

// chosen adds the algorithms that are used: the first ones of the client's lists that the server has (RFC 4253, 7.1).
func (p *parser) chosen(list []event.Field, client proto.Dir) []event.Field {
	ours, theirs := p.half[client].lists, p.half[client.Other()].lists
	var ciphers [2]string
	for i, k := range [...]*event.Key{keyKex, keyHostKey, keyCipherUp, keyCipherDown, keyMacUp, keyMacDown, keyCompressionUp, keyCompressionDown} {
		var a, b []byte
		a, ours = text(ours)
		b, theirs = text(theirs)
		name := common(string(a), string(b))
		switch k {
		case keyCipherUp, keyCipherDown:
			ciphers[i%2] = name
		case keyMacUp, keyMacDown:
			if cipher := ciphers[i%2]; strings.Contains(cipher, "gcm") || strings.Contains(cipher, "poly1305") {
				continue // it has one of its own
			}
		}
		if name != "" {
			list = append(list, event.Field{Key: k, Text: name})
		}
	}
	return list
}

// common returns the first name of a list that another list has too.
func common(a, b string) string {
	b = "," + b + ","
	for name := range strings.SplitSeq(a, ",") {
		if name != "" && strings.Contains(b, ","+name+",") {
			return name
		}
	}
	return ""
}

var reasons = [...]string{
	1: "HOST_NOT_ALLOWED_TO_CONNECT", 2: "PROTOCOL_ERROR", 3: "KEY_EXCHANGE_FAILED", 4: "RESERVED", 5: "MAC_ERROR", 6: "COMPRESSION_ERROR", 7: "SERVICE_NOT_AVAILABLE",
	8: "PROTOCOL_VERSION_NOT_SUPPORTED", 9: "HOST_KEY_NOT_VERIFIABLE", 10: "CONNECTION_LOST", 11: "BY_APPLICATION", 12: "TOO_MANY_CONNECTIONS", 13: "AUTH_CANCELLED_BY_USER",
	14: "NO_MORE_AUTH_METHODS_AVAILABLE", 15: "ILLEGAL_USER_NAME",
}

func (p *parser) disconnect(c *proto.Conv, d proto.Dir, b []byte, size int64) {
	if len(b) < 4 {
		return
	}
	code := binary.BigEndian.Uint32(b)
	name := "reason " + strconv.FormatUint(uint64(code), 10)
	if int64(code) < int64(len(reasons)) && reasons[code] != "" {
		name = reasons[code]
	}
	m := c.Message(event.MessageNotice, d)
	m.Bytes, m.Text, m.Error = size, "disconnect "+name, name
	const most = 200
	if what, _ := text(b[4:]); len(what) > 0 {
		m.Fields = append(c.Fields(1), event.Field{Key: keyReason, Text: proto.Text(what[:min(len(what), most)])})
	}
	if p.asked.Known() {
		m.Exchange = p.asked.ID
	}
	c.Emit(m)
}

// Lost gives the direction up: where packets begin is not known any more, and nearly all of them are encrypted.
func (p *parser) Lost(c *proto.Conv, d proto.Dir, _ int64) bool {
	p.asked = proto.Exchange{}
	p.half[d].lists = nil
	c.Skip(d, -1)
	return true
}
