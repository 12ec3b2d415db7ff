// Package ntp reads NTP (RFC 5905): the time of a server, and commands of ntpq. Of extension fields (RFC 7822, RFC 8915) only the
// names are shown.
package ntp

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"strconv"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
	"github.com/pidwire/pidwire/internal/proto/bin"
)

// Protocol is NTP.
var Protocol = &proto.Protocol{
	Name: "ntp", Title: "NTP",
	Ports:  []uint16{123},
	Detect: detect,
	New:    func(*proto.Conv) proto.Parser { return &parser{} },
	Keys:   []*event.Key{keyVersion, keyMode, keyStratum, keyReference, keyOffset, keyDelay, keyDispersion, keyLeap, keyExtension, keySequence},
}

var (
	keyVersion    = &event.Key{Name: "ntp.version", Label: "version", Form: event.FormInt}
	keyMode       = &event.Key{Name: "ntp.mode", Form: event.FormQuiet}
	keyStratum    = &event.Key{Name: "ntp.stratum", Form: event.FormCount}
	keyReference  = &event.Key{Name: "ntp.reference_id", Label: "reference"}
	keyOffset     = &event.Key{Name: "ntp.offset", Label: "offset", Form: event.FormNS}
	keyDelay      = &event.Key{Name: "ntp.root_delay", Label: "root delay", Form: event.FormNS}
	keyDispersion = &event.Key{Name: "ntp.root_dispersion", Label: "root dispersion", Form: event.FormNS}
	keyLeap       = &event.Key{Name: "ntp.leap", Label: "leap"}
	keyExtension  = &event.Key{Name: "ntp.extensions", Label: "extension", Many: true}
	keySequence   = &event.Key{Name: "ntp.sequence", Form: event.FormCount}
)

const (
	headSize = 48
	// controlSize is the header of a command (RFC 9327).
	controlSize = 12
	// maxExtensions bounds the extension fields that a message shows.
	maxExtensions = 16
)

// Modes.
const (
	active    = 1
	client    = 3
	server    = 4
	broadcast = 5
	control   = 6
	private   = 7
)

var modes = [8]string{1: "symmetric active", 2: "symmetric passive", 3: "client", 4: "server", 5: "broadcast", 6: "control", 7: "private"}

// detect is certain of requests in which all is 0 that a client does not know, and of answers with times that follow each other.
func detect(h *proto.Hint) proto.Verdict {
	b := h.Begin()
	if h.Stream || len(b) == 0 || !possible(b) {
		return proto.No
	}
	mode := b[0] & 7
	if mode >= control {
		return proto.Maybe
	}
	poll, precision := int8(b[2]), int8(b[3])
	switch {
	case poll < -1 || poll > 17:
		return proto.Maybe
	case mode == client && zero(b[1:2]) && zero(b[4:40]) && !zero(b[40:48]):
		return proto.Sure
	case mode == server && precision <= 0 && b[1] > 0 && b[1] < 16 && later(b[16:], b[32:]) && later(b[32:], b[40:]):
		return proto.Sure
	}
	return proto.Maybe
}

// possible checks the first bytes of a message, and its size.
func possible(b []byte) bool {
	version, mode := b[0]>>3&7, b[0]&7
	switch {
	case version == 0 || version > 4 || mode == 0:
		return false
	case mode >= control:
		return len(b) >= 8 && (mode == private || len(b) >= controlSize && b[0]>>6 == 0)
	}
	return len(b) >= headSize && len(b)%4 == 0 && b[1] <= 16
}

func zero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// later reports whether the second of two times is known, and less than 12 days after the first one.
func later(a, b []byte) bool {
	x, y := binary.BigEndian.Uint64(a), binary.BigEndian.Uint64(b)
	return x != 0 && y-x < 1<<52
}

type parser struct {
	proto.Base
	asked proto.Numbered // by the time that a request was sent, or the number of a command
}

func (p *parser) Held() int { return 64 + p.asked.Held() }

func (p *parser) Packet(c *proto.Conv, d proto.Dir, b []byte, size int64) bool {
	if len(b) == 0 || !possible(b) {
		return false
	}
	mode := b[0] & 7
	m := c.Message(event.MessageNotice, d)
	m.Bytes = size
	m.Fields = append(c.Fields(9+maxExtensions), event.Field{Key: keyVersion, Num: int64(b[0] >> 3 & 7)}, event.Field{Key: keyMode, Text: modes[mode]})
	switch mode {
	case control:
		p.control(c, m, b)
	case private:
		m.Text = "private"
		c.Emit(m)
	case client:
		p.query(c, m, b)
	default:
		p.times(c, m, b)
	}
	return true
}

var seed = maphash.MakeSeed()

// from makes a key of a number that is only unique for one peer.
func from(peer netip.AddrPort, n uint64) uint64 {
	return maphash.Comparable(seed, peer)&^0xffff | n&0xffff
}

func (p *parser) query(c *proto.Conv, m *event.Message, b []byte) {
	m.Kind, m.Text, m.Group = event.MessageRequest, "query", "query"
	extensions(m, b)
	sent := binary.BigEndian.Uint64(b[40:])
	if sent == 0 {
		sent = from(c.Peer(), 0)
	}
	p.asked.Put(sent, c.Ask(m))
}

// times reads a message with the time of its sender.
func (p *parser) times(c *proto.Conv, m *event.Message, b []byte) {
	stratum := b[1]
	m.Text = "stratum " + strconv.Itoa(int(stratum))
	var x proto.Exchange
	if b[0]&7 == server {
		m.Kind = event.MessageAnswer
		if origin := binary.BigEndian.Uint64(b[24:]); origin != 0 {
			x = p.asked.Take(origin)
		} else if x = p.asked.Take(from(c.Peer(), 0)); x.Known() {
			m.Unsure = "the request had no time that its answer repeats"
		}
	} else {
		m.Text = modes[b[0]&7] + ", " + m.Text
	}
	c.Close(&x, m)
	m.Fields = append(m.Fields, event.Field{Key: keyStratum, Num: int64(stratum)})
	id := b[12:16]
	switch {
	case stratum == 0:
		m.Error = word(id)
		m.Text = "kiss-o'-death " + m.Error
	case stratum == 1:
		m.Fields = append(m.Fields, event.Field{Key: keyReference, Text: word(id)})
	case stratum < 16:
		a, _ := netip.AddrFromSlice(id)
		m.Fields = append(m.Fields, event.Field{Key: keyReference, Text: a.String()})
	}
	if stratum == 16 {
		m.Text = "not synchronized"
	}
	if n, ok := offset(m, b); ok && x.Known() && stratum > 0 {
		m.Fields = append(m.Fields, event.Field{Key: keyOffset, Num: n})
	}
	if stratum > 0 && stratum < 16 {
		m.Fields = append(m.Fields, event.Field{Key: keyDelay, Num: short(b[4:])}, event.Field{Key: keyDispersion, Num: short(b[8:])})
	}
	if leap := leaps[b[0]>>6]; leap != "" && stratum > 0 {
		m.Fields = append(m.Fields, event.Field{Key: keyLeap, Text: leap})
	}
	extensions(m, b)
	c.Emit(m)
}

var leaps = [4]string{1: "last minute has 61 s", 2: "last minute has 59 s", 3: "clock not synchronized"}

// word returns an identifier of up to four ASCII characters; others are hexadecimal.
func word(b []byte) string {
	n := len(b)
	for n > 0 && b[n-1] == 0 {
		n--
	}
	for _, c := range b[:n] {
		if c <= ' ' || c > '~' {
			return "0x" + strconv.FormatUint(uint64(binary.BigEndian.Uint32(b)), 16)
		}
	}
	if n == 0 {
		return "0"
	}
	return string(b[:n])
}

// short returns a duration in seconds and their 1/65536 as ns.
func short(b []byte) int64 { return int64(binary.BigEndian.Uint32(b)) * 1e9 >> 16 }

// unix returns a time in ns since the Unix epoch: that of the eras with this number which is the nearest to another time.
func unix(b []byte, near int64) int64 {
	const toUnix = 2_208_988_800 // seconds from 1900 to 1970
	seconds := binary.BigEndian.Uint32(b)
	now := uint32(near/1e9 + toUnix)
	fraction := int64(uint64(binary.BigEndian.Uint32(b[4:])) * 1e9 >> 32)
	return (near/1e9+int64(int32(seconds-now)))*1e9 + fraction
}

// offset returns how far the server's clock is ahead of the one here, in ns: by when the request was sent and the answer came, as
// the times in the request may be no times (RFC 9109 has random ports, and many clients random times).
func offset(m *event.Message, b []byte) (int64, bool) {
	const real = 1e9 * 1e9 // 2001: earlier times are those of a text that counts from its beginning
	if m.Dir != event.DirIn || m.Exchange == 0 || zero(b[32:40]) || zero(b[40:48]) {
		return 0, false
	}
	sent, came := m.End-m.Took, m.End
	if sent < real {
		return 0, false
	}
	there := unix(b[32:], sent) - sent
	back := unix(b[40:], came) - came
	return there/2 + back/2, true
}

// fields are the types of extension fields (IANA ntp-parameters).
var fields = map[uint16]string{
	0x0002: "Autokey", 0x0102: "Autokey", 0x0104: "unique identifier", 0x0204: "NTS cookie", 0x0304: "NTS cookie placeholder", 0x0404: "NTS authenticator",
	0x2005: "checksum complement", 0xf323: "experiment", 0xf501: "padding", 0xf502: "MAC",
}

// extensions reads what follows the header: fields, and perhaps the digest of a shared key.
func extensions(m *event.Message, b []byte) {
	r := bin.Of(b[headSize:])
	for n := 0; n < maxExtensions; n++ {
		name := ""
		switch left := len(r.B); left {
		case 0:
			return
		case 4:
			if name, r.B = "crypto-NAK", nil; m.Kind == event.MessageAnswer && m.Error == "" {
				m.Error = name
			}
		case 20, 24:
			name, r.B = "MAC", nil
		default:
			kind, size := r.U16(), int(r.U16())
			if size < 16 || size%4 != 0 {
				return
			}
			known := false
			if name, known = fields[kind]; !known {
				name = "0x" + strconv.FormatUint(uint64(kind), 16)
			}
			r.Some(size - 4)
		}
		m.Fields = append(m.Fields, event.Field{Key: keyExtension, Text: name})
	}
}

var commands = map[byte]string{
	1: "read status", 2: "read variables", 3: "write variables", 4: "read clock variables", 5: "write clock variables", 6: "set trap", 7: "trap",
	8: "configure", 9: "export configuration", 10: "read list", 11: "read list of restrictions", 12: "request nonce", 31: "unset trap",
}

var controlErrors = [...]string{
	1: "authentication failure", 2: "bad format", 3: "bad opcode", 4: "bad association", 5: "bad variable", 6: "bad value", 7: "prohibited",
}

// control reads a command of ntpq, or an answer to it (RFC 9327). The answer can be several datagrams; its first one counts.
func (p *parser) control(c *proto.Conv, m *event.Message, b []byte) {
	op := b[1] & 31
	name, known := commands[op]
	if !known {
		name = "command " + strconv.Itoa(int(op))
	}
	number := binary.BigEndian.Uint16(b[2:])
	m.Text = name
	m.Fields = append(m.Fields, event.Field{Key: keySequence, Num: int64(number)})
	k := from(c.Peer(), uint64(number)) + 1<<63
	if b[1]&0x80 == 0 {
		m.Kind, m.Group = event.MessageRequest, name
		p.asked.Put(k, c.Ask(m))
		return
	}
	m.Kind = event.MessageAnswer
	if b[1]&0x40 != 0 {
		if m.Error = "error"; int(b[4]) < len(controlErrors) && controlErrors[b[4]] != "" {
			m.Error = controlErrors[b[4]]
		}
		m.Text += ": " + m.Error
	}
	x := p.asked.Take(k)
	c.Close(&x, m)
	c.Emit(m)
}
