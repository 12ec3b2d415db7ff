// Package dhcp reads DHCP (RFC 2131, RFC 2132), BOOTP (RFC 951) and DHCPv6 (RFC 8415).
package dhcp

import (
	"encoding/hex"
	"net/netip"
	"strconv"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
	"github.com/pidwire/pidwire/internal/proto/bin"
)

// Protocol is DHCP.
var Protocol = &proto.Protocol{
	Name: "dhcp", Title: "DHCP",
	Ports:  []uint16{67, 68, portClient6, portServer6},
	Detect: detect,
	New:    func(*proto.Conv) proto.Parser { return &parser{} },
	Keys:   []*event.Key{keyID, keyAddress, keyPrefix, keyServer, keyHost, keyLease, keyRouter, keyResolver, keyDomain, keyMessage, keyStatus, keyMAC, keyRelay, keyTry},
}

var (
	keyID       = &event.Key{Name: "dhcp.transaction_id", Form: event.FormCount}
	keyAddress  = &event.Key{Name: "dhcp.address", Many: true}
	keyPrefix   = &event.Key{Name: "dhcp.prefix", Label: "prefix", Many: true}
	keyServer   = &event.Key{Name: "dhcp.server", Label: "server"}
	keyHost     = &event.Key{Name: "dhcp.client.host_name", Label: "host"}
	keyLease    = &event.Key{Name: "dhcp.lease", Label: "lease", Form: event.FormNS}
	keyRouter   = &event.Key{Name: "dhcp.router", Label: "router"}
	keyResolver = &event.Key{Name: "dhcp.dns", Label: "dns", Many: true}
	keyDomain   = &event.Key{Name: "dhcp.domain", Form: event.FormQuiet}
	keyMessage  = &event.Key{Name: "dhcp.message", Label: "message"}
	keyStatus   = &event.Key{Name: "dhcp.status"}
	keyMAC      = &event.Key{Name: "dhcp.client.mac", Form: event.FormQuiet}
	keyRelay    = &event.Key{Name: "dhcp.relay", Label: "relay"}
	keyTry      = &event.Key{Name: "dhcp.try", Label: "try", Form: event.FormInt}
)

const (
	// fixedSize is the size of a message of BOOTP up to its options, with the number that says that these are options.
	fixedSize   = 240
	magic       = 0x63825363
	portClient6 = 546
	portServer6 = 547
	// maxList bounds the addresses of a kind that a message shows, maxText its texts.
	maxList = 8
	maxText = 200
)

func detect(h *proto.Hint) proto.Verdict {
	b := h.Begin()
	switch {
	case h.Stream:
	case isV4(b):
		return proto.Sure
	case isV6(b):
		return proto.Maybe
	}
	return proto.No
}

func isV4(b []byte) bool {
	if len(b) < fixedSize || b[0] != 1 && b[0] != 2 || b[2] > 16 {
		return false
	}
	r := bin.Of(b[fixedSize-4:])
	return r.U32() == magic
}

// isV6 reports whether a message has a type of DHCPv6 and options to its end.
func isV6(b []byte) bool {
	if len(b) < 4 || b[0] == 0 || int(b[0]) >= len(types6) {
		return false
	}
	at := 4
	if b[0] == relayForward || b[0] == relayReply {
		at = relaySize
	}
	if len(b) < at+4 {
		return false
	}
	for r := bin.Of(b[at:]); len(r.B) > 0; {
		if r.U16(); r.Short {
			return false
		}
		if r.Bytes(int(r.U16())); r.Short {
			return false
		}
	}
	return true
}

type parser struct {
	proto.Base
	asked proto.Numbered // by the client's number, and what was asked
}

func (p *parser) Held() int { return 64 + p.asked.Held() }

func (p *parser) Packet(c *proto.Conv, d proto.Dir, b []byte, size int64) bool {
	port := c.Peer().Port()
	if local := c.Conn().Local.Port(); local == portClient6 || local == portServer6 || port == portClient6 || port == portServer6 {
		if isV6(b) {
			p.v6(c, d, b, size)
			return true
		}
	}
	if !isV4(b) {
		return false
	}
	p.v4(c, d, b, size)
	return true
}

// Types of messages (RFC 2132, 9.6), with BOOTP in place of 0.
var types4 = [...]string{
	"BOOTP", "DISCOVER", "OFFER", "REQUEST", "DECLINE", "ACK", "NAK", "RELEASE", "INFORM", "FORCERENEW", "LEASEQUERY", "LEASEUNASSIGNED", "LEASEUNKNOWN", "LEASEACTIVE",
}

const (
	bootp    = 0
	discover = 1
	offer    = 2
	request  = 3
	ack      = 5
	nak      = 6
	inform   = 8
)

// Options of DHCP that are read.
const (
	optPad       = 0
	optRouter    = 3
	optDNS       = 6
	optHost      = 12
	optDomain    = 15
	optRequested = 50
	optLease     = 51
	optType      = 53
	optServer    = 54
	optMessage   = 56
	optEnd       = 255
)

func (p *parser) v4(c *proto.Conv, d proto.Dir, b []byte, size int64) {
	m := c.Message(event.MessageNotice, d)
	m.Bytes = size
	m.Fields = c.Fields(12 + 2*maxList)
	r := bin.Of(b)
	asks := r.U8() == 1
	r.U8() // kind of hardware
	hardware := int(r.U8())
	r.U8() // hops
	id := r.U32()
	r.U32() // time and flags
	own, given := r.Bytes(4), r.Bytes(4)
	r.Bytes(4)
	relay := r.Bytes(4)
	mac := r.Bytes(16)
	var kind byte
	var wanted []byte
	m.Fields = append(m.Fields, event.Field{Key: keyID, Num: int64(id)})
	options := b[fixedSize:]
	each4(options, func(code byte, v []byte) {
		switch {
		case code == optType && len(v) == 1:
			kind = v[0]
		case code == optRequested:
			wanted = v
		}
	})
	if asks {
		given = wanted
	}
	if m.Fields = address(m.Fields, keyAddress, given); len(m.Fields) == 1 {
		m.Fields = address(m.Fields, keyAddress, own)
	}
	each4(options, func(code byte, v []byte) {
		switch {
		case code == optServer:
			m.Fields = address(m.Fields, keyServer, v)
		case code == optHost:
			m.Fields = append(m.Fields, event.Field{Key: keyHost, Text: text(v)})
		case code == optLease && len(v) == 4:
			m.Fields = append(m.Fields, event.Field{Key: keyLease, Num: int64(bin.Of(v).U32()) * 1e9})
		case code == optRouter && len(v) >= 4:
			m.Fields = address(m.Fields, keyRouter, v[:4])
		case code == optDNS:
			for n := 0; len(v) >= 4 && n < maxList; n, v = n+1, v[4:] {
				m.Fields = address(m.Fields, keyResolver, v[:4])
			}
		case code == optDomain:
			m.Fields = append(m.Fields, event.Field{Key: keyDomain, Text: text(v)})
		case code == optMessage:
			m.Fields = append(m.Fields, event.Field{Key: keyMessage, Text: text(v)})
		}
	})
	m.Fields = address(m.Fields, keyRelay, relay)
	if hardware > 0 {
		m.Fields = append(m.Fields, event.Field{Key: keyMAC, Text: colons(mac[:min(hardware, len(mac))])})
	}
	if m.Text = "type " + strconv.Itoa(int(kind)); int(kind) < len(types4) {
		m.Text = types4[kind]
	}
	switch kind {
	case bootp:
		if asks {
			p.ask(c, m, uint64(id))
			return
		}
		p.answer(c, m, uint64(id))
	case discover, request, inform:
		p.ask(c, m, uint64(kind)<<32|uint64(id))
	case offer:
		p.answer(c, m, discover<<32|uint64(id))
	case nak, ack:
		if kind == nak {
			m.Error = "NAK"
		}
		k := request<<32 | uint64(id)
		if p.asked.Get(k) == nil {
			k = inform<<32 | uint64(id)
		}
		p.answer(c, m, k)
	default:
		c.Emit(m)
	}
}

// each4 calls f for each option.
func each4(b []byte, f func(code byte, v []byte)) {
	for r := bin.Of(b); len(r.B) > 0; {
		switch code := r.U8(); code {
		case optPad:
		case optEnd:
			return
		default:
			v := r.Bytes(int(r.U8()))
			if r.Short {
				return
			}
			f(code, v)
		}
	}
}

// ask emits a request, or a further try of it.
func (p *parser) ask(c *proto.Conv, m *event.Message, k uint64) {
	m.Kind, m.Group = event.MessageRequest, m.Text
	if x := p.asked.Get(k); x != nil {
		x.Kind++
		m.Exchange = x.ID
		m.Fields = append(m.Fields, event.Field{Key: keyTry, Num: int64(x.Kind + 1)})
		c.Emit(m)
		return
	}
	p.asked.Put(k, c.Ask(m))
}

// answer emits an answer. Several servers can answer a client: the first one ends the exchange.
func (p *parser) answer(c *proto.Conv, m *event.Message, k uint64) {
	m.Kind = event.MessageAnswer
	x := p.asked.Take(k)
	c.Close(&x, m)
	c.Emit(m)
}

// address adds an address, unless all of it is 0.
func address(list []event.Field, key *event.Key, b []byte) []event.Field {
	if a, ok := netip.AddrFromSlice(b); ok && !a.IsUnspecified() {
		list = append(list, event.Field{Key: key, Text: a.String()})
	}
	return list
}

// colons returns the address of a network interface.
func colons(b []byte) string {
	out := make([]byte, 0, 3*len(b))
	for i := range b {
		if i > 0 {
			out = append(out, ':')
		}
		out = hex.AppendEncode(out, b[i:i+1])
	}
	return string(out)
}

func text(b []byte) string {
	for len(b) > 0 && b[len(b)-1] == 0 {
		b = b[:len(b)-1]
	}
	return proto.Text(b[:min(len(b), maxText)])
}
