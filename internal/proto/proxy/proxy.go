// Package proxy reads the PROXY protocol, versions 1 and 2, with which a proxy says whose connection it passes on. What
// follows is read as what it is.
package proxy

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strconv"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
	"github.com/pidwire/pidwire/internal/proto/httpkey"
)

// Protocol is the PROXY protocol.
var Protocol = &proto.Protocol{
	Name: "proxy", Title: "PROXY",
	Detect: detect,
	New:    func(*proto.Conv) proto.Parser { return parser{} },
	Keys:   []*event.Key{keyVersion, keyFamily, keyAddress, keyPort, keyAuthority, httpkey.Address, httpkey.Port},
}

var (
	keyVersion   = &event.Key{Name: "proxy.version", Form: event.FormQuiet}
	keyFamily    = &event.Key{Name: "proxy.family", Form: event.FormQuiet}
	keyAddress   = &event.Key{Name: "client.address", Form: event.FormQuiet}
	keyPort      = &event.Key{Name: "client.port", Form: event.FormCount}
	keyAuthority = &event.Key{Name: "proxy.authority", Label: "authority"}
)

const (
	begin1 = "PROXY "
	begin2 = "\r\n\r\n\x00\r\nQUIT\n"
	// maxLine is the most that a header of version 1 takes.
	maxLine = 107
	// maxHeader bounds a header of version 2.
	maxHeader = 4 << 10
)

func detect(h *proto.Hint) proto.Verdict {
	if !h.Stream || !h.Start {
		return proto.No
	}
	return begins(h.Begin())
}

func begins(b []byte) proto.Verdict {
	best := proto.No
	for _, begin := range [...]string{begin1 + "TCP4 ", begin1 + "TCP6 ", begin1 + "UNKNOWN", begin2} {
		n := min(len(b), len(begin))
		if string(b[:n]) != begin[:n] {
			continue
		}
		if n == len(begin) {
			return proto.Sure
		}
		best = proto.Wait
	}
	return best
}

type parser struct{ proto.Base }

func (parser) Held() int { return 16 }

func (p parser) Read(c *proto.Conv, d proto.Dir, b []byte) int {
	if begins(b) == proto.No {
		return 0 // the other end: it is read when the header has passed
	}
	if b[0] == begin2[0] {
		return p.binary(c, d, b)
	}
	i := bytes.IndexByte(b, '\n')
	switch {
	case i < 0 && len(b) < maxLine:
		return 0
	case i < 0 || i >= maxLine:
		c.Fail("a line that is too long")
		return 0
	}
	words := bytes.Fields(b[:i])
	m := c.Message(event.MessageNotice, d)
	m.Bytes, m.Text = int64(i+1), "unknown client"
	m.Fields = append(c.Fields(6), event.Field{Key: keyVersion, Text: "1"})
	if len(words) > 1 {
		m.Fields = append(m.Fields, event.Field{Key: keyFamily, Text: proto.Text(words[1])})
	}
	if len(words) == 6 {
		addresses(m, addrPort(words[2], words[4]), addrPort(words[3], words[5]))
	}
	c.Emit(m)
	c.Switch(nil)
	return i + 1
}

func addrPort(host, port []byte) netip.AddrPort {
	a, err := netip.ParseAddr(string(host))
	n, err2 := strconv.ParseUint(string(port), 10, 16)
	if err != nil || err2 != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a, uint16(n))
}

// addresses adds who has connected to what.
func addresses(m *event.Message, from, to netip.AddrPort) {
	if from.IsValid() {
		m.Text = "client " + from.String()
		m.Fields = append(m.Fields, event.Field{Key: keyAddress, Text: from.Addr().String()}, event.Field{Key: keyPort, Num: int64(from.Port())})
	}
	if to.IsValid() {
		m.Fields = append(m.Fields, event.Field{Key: httpkey.Address, Text: to.Addr().String()}, event.Field{Key: httpkey.Port, Num: int64(to.Port())})
	}
}

// binary reads a header of version 2.
func (parser) binary(c *proto.Conv, d proto.Dir, b []byte) int {
	const head = len(begin2) + 4
	if len(b) < head {
		return 0
	}
	command, family := b[len(begin2)], b[len(begin2)+1]
	size := head + int(binary.BigEndian.Uint16(b[len(begin2)+2:]))
	if command>>4 != 2 || size > maxHeader {
		c.Fail("not a header of the PROXY protocol")
		return 0
	}
	if len(b) < size {
		return 0
	}
	m := c.Message(event.MessageNotice, d)
	m.Bytes, m.Text = int64(size), "unknown client"
	m.Fields = append(c.Fields(8), event.Field{Key: keyVersion, Text: "2"}, event.Field{Key: keyFamily, Text: familyName(family)})
	rest := b[head:size]
	n := 0
	switch family >> 4 {
	case 1:
		n = 4
	case 2:
		n = 16
	case 3:
		const path = 108
		rest = rest[min(len(rest), 2*path):]
	}
	switch {
	case command&15 == 0:
		m.Text = "the proxy itself"
	case n > 0 && len(rest) >= 2*n+4:
		from, _ := netip.AddrFromSlice(rest[:n])
		to, _ := netip.AddrFromSlice(rest[n : 2*n])
		addresses(m, netip.AddrPortFrom(from, binary.BigEndian.Uint16(rest[2*n:])), netip.AddrPortFrom(to, binary.BigEndian.Uint16(rest[2*n+2:])))
	}
	if n > 0 {
		rest = rest[min(len(rest), 2*n+4):]
	}
	const authority = 2
	for len(rest) >= 3 {
		kind, value := rest[0], rest[3:]
		value = value[:min(len(value), int(binary.BigEndian.Uint16(rest[1:])))]
		if kind == authority {
			m.Fields = append(m.Fields, event.Field{Key: keyAuthority, Text: proto.Text(value)})
			break
		}
		rest = rest[3+len(value):]
	}
	c.Emit(m)
	c.Switch(nil)
	return size
}

func familyName(n byte) string {
	switch n {
	case 0x11:
		return "TCP4"
	case 0x12:
		return "UDP4"
	case 0x21:
		return "TCP6"
	case 0x22:
		return "UDP6"
	case 0x31:
		return "UNIX stream"
	case 0x32:
		return "UNIX datagram"
	}
	return "UNKNOWN"
}
