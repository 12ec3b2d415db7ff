// Package nscd reads what programs ask glibc's cache of names for (nscd/nscd-client.h in the sources of glibc): users, groups,
// hosts and services.
package nscd

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
)

// Protocol is that of nscd.
var Protocol = &proto.Protocol{
	Name: "nscd", Title: "nscd",
	Detect: detect,
	New:    func(*proto.Conv) proto.Parser { return &parser{} },
	Keys:   []*event.Key{keyType, keyKey, keyFound},
}

var (
	keyType  = &event.Key{Name: "nscd.request", Form: event.FormQuiet}
	keyKey   = &event.Key{Name: "nscd.key", Form: event.FormQuiet}
	keyFound = &event.Key{Name: "nscd.found", Form: event.FormCount}
)

const (
	headSize = 12
	version  = 2
	maxKey   = 1024
)

// requests are the types of requests. Those with FD in their name are answered with the key, and a descriptor of the cache.
var requests = [...]string{
	"GETPWBYNAME", "GETPWBYUID", "GETGRBYNAME", "GETGRBYGID", "GETHOSTBYNAME", "GETHOSTBYNAMEv6", "GETHOSTBYADDR", "GETHOSTBYADDRv6", "SHUTDOWN", "GETSTAT",
	"INVALIDATE", "GETFDPW", "GETFDGR", "GETFDHST", "GETAI", "INITGROUPS", "GETSERVBYNAME", "GETSERVBYPORT", "GETFDSERV", "GETNETGRENT", "INNETGR", "GETFDNETGR",
}

const (
	hostByAddr  = 6
	hostByAddr6 = 7
	shutdown    = 8
	invalidate  = 10
)

func isFD(kind int) bool { return slices.Contains([]int{11, 12, 13, 18, 21}, kind) }

// detect accepts a request with a version, a type and a key that ends with a NUL or is an address, and with nothing after it.
func detect(h *proto.Hint) proto.Verdict {
	b := h.Begin()
	if !h.Stream || len(b) == 0 || !h.Start || h.Local != 0 || h.Peer != 0 {
		return proto.No
	}
	kind, key, v := request(b)
	switch {
	case v == proto.Wait && (h.Turned() || h.Last):
		return proto.No
	case v != proto.Sure:
		return v
	case len(b) > headSize+len(key) || kind != hostByAddr && kind != hostByAddr6 && (len(key) == 0 || key[len(key)-1] != 0):
		return proto.No
	}
	return proto.Sure
}

// order is that of the machine's bytes.
func order(b []byte) binary.ByteOrder {
	if b[0] == 0 {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

func request(b []byte) (kind int, key []byte, v proto.Verdict) {
	if len(b) < 4 {
		if little, big := []byte{version, 0, 0, 0}, []byte{0, 0, 0, version}; bytes.HasPrefix(little, b) || bytes.HasPrefix(big, b) {
			return 0, nil, proto.Wait
		}
		return 0, nil, proto.No
	}
	o := order(b)
	if o.Uint32(b) != version {
		return 0, nil, proto.No
	}
	if len(b) < headSize {
		return 0, nil, proto.Wait
	}
	n, size := o.Uint32(b[4:]), o.Uint32(b[8:])
	if int64(n) >= int64(len(requests)) || size > maxKey {
		return 0, nil, proto.No
	}
	if len(b) < headSize+int(size) {
		return 0, nil, proto.Wait
	}
	return int(n), b[headSize : headSize+int(size)], proto.Sure
}

type parser struct {
	proto.Base
	client proto.Dir
	kind   int
	key    int // size of the key
	asked  proto.Exchange
}

func (p *parser) Read(c *proto.Conv, d proto.Dir, b []byte) int {
	if p.asked.Known() && d != p.client {
		return p.answer(c, d, b)
	}
	kind, key, v := request(b)
	if v == proto.Wait {
		return 0
	}
	if v != proto.Sure || p.asked.Known() {
		c.Fail("not a request to nscd")
		return 0
	}
	m := c.Message(event.MessageRequest, d)
	name := requests[kind]
	m.Text, m.Group, m.Bytes = name, name, int64(headSize+len(key))
	m.Fields = append(c.Fields(2), event.Field{Key: keyType, Text: name})
	if text := shown(kind, key); text != "" {
		m.Text += " " + text
		m.Fields = append(m.Fields, event.Field{Key: keyKey, Text: text})
	}
	p.client, p.kind, p.key, p.asked = d, kind, len(key), c.Ask(m)
	return headSize + len(key)
}

// answer reads whether something was found, which all answers begin with but those with a descriptor and those to commands. A connection
// has one.
func (p *parser) answer(c *proto.Conv, d proto.Dir, b []byte) int {
	const begin = 8
	m := c.Message(event.MessageAnswer, d)
	switch {
	case isFD(p.kind):
		m.Text, m.Bytes = "descriptor", int64(p.key)
	case p.kind >= shutdown && p.kind <= invalidate:
		m.Text = "answer"
	case len(b) < begin:
		return 0
	default:
		m.Bytes = begin
		found := int32(order(b).Uint32(b[4:]))
		switch m.Fields = append(c.Fields(1), event.Field{Key: keyFound}); {
		case found > 0:
			m.Text, m.Fields[0].Num = "found", 1
		case found < 0:
			m.Text, m.Error = "no cache", "disabled"
		default:
			m.Text, m.Error = "not found", "not found"
		}
	}
	c.Close(&p.asked, m)
	c.Emit(m)
	c.Skip(proto.Out, -1)
	c.Skip(proto.In, -1)
	return len(b)
}

// shown returns a key as text: addresses are bytes.
func shown(kind int, key []byte) string {
	if kind == hostByAddr || kind == hostByAddr6 {
		return address(key)
	}
	return proto.Text(bytes.TrimRight(key, "\x00"))
}

func address(b []byte) string {
	a, ok := netip.AddrFromSlice(b)
	if !ok {
		return ""
	}
	return a.String()
}
