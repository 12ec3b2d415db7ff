package dhcp

import (
	"encoding/binary"
	"net/netip"
	"strconv"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
	"github.com/pidwire/pidwire/internal/proto/bin"
)

// types6 are the types of messages of DHCPv6 (RFC 8415, 7.3).
var types6 = [...]string{
	"", "SOLICIT", "ADVERTISE", "REQUEST", "CONFIRM", "RENEW", "REBIND", "REPLY", "RELEASE", "DECLINE", "RECONFIGURE", "INFORMATION-REQUEST", "RELAY-FORW", "RELAY-REPL",
}

const (
	advertise    = 2
	reply        = 7
	reconfigure  = 10
	relayForward = 12
	relayReply   = 13
	// relaySize is the header of a relay's message.
	relaySize = 34
)

// Options of DHCPv6 that are read.
const (
	opt6Client   = 1
	opt6Server   = 2
	opt6IA       = 3
	opt6TA       = 4
	opt6Address  = 5
	opt6Status   = 13
	opt6DNS      = 23
	opt6Prefixes = 25
	opt6Prefix   = 26
	opt6Name     = 39
)

// statuses are the codes of failures (RFC 8415, 21.13).
var statuses = [...]string{"", "UnspecFail", "NoAddrsAvail", "NoBinding", "NotOnLink", "UseMulticast", "NoPrefixAvail"}

func (p *parser) v6(c *proto.Conv, d proto.Dir, b []byte, size int64) {
	m := c.Message(event.MessageNotice, d)
	m.Bytes, m.Title, m.Text = size, "DHCPv6", types6[b[0]]
	m.Fields = c.Fields(8 + 3*maxList)
	if b[0] == relayForward || b[0] == relayReply {
		m.Fields = address(m.Fields, keyRelay, b[2:18])
		c.Emit(m)
		return
	}
	id := uint64(binary.BigEndian.Uint32(b) & 0xffffff)
	m.Fields = append(m.Fields, event.Field{Key: keyID, Num: int64(id)})
	each6(b[4:], func(code uint16, v []byte) { option6(m, code, v, 0) })
	const v6 = 1 << 56
	switch b[0] {
	case advertise, reply:
		p.answer(c, m, v6|id)
	case reconfigure:
		c.Emit(m)
	default:
		p.ask(c, m, v6|id)
	}
}

func each6(b []byte, f func(code uint16, v []byte)) {
	for r := bin.Of(b); len(r.B) >= 4; {
		code := r.U16()
		v := r.Bytes(int(r.U16()))
		if r.Short {
			return
		}
		f(code, v)
	}
}

// option6 reads an option; those of addresses are in others.
func option6(m *event.Message, code uint16, v []byte, depth int) {
	if len(m.Fields) >= cap(m.Fields)-maxList {
		return
	}
	r := bin.Of(v)
	inner := func() {
		if depth < 2 {
			each6(r.B, func(code uint16, v []byte) { option6(m, code, v, depth+1) })
		}
	}
	switch code {
	case opt6IA, opt6Prefixes:
		r.Bytes(12)
		inner()
	case opt6TA:
		r.Bytes(4)
		inner()
	case opt6Address:
		a := r.Bytes(16)
		r.U32() // preferred
		lease := r.U32()
		if !r.Short {
			m.Fields = address(m.Fields, keyAddress, a)
			lease6(m, lease)
		}
		inner()
	case opt6Prefix:
		r.U32()
		lease, bits := r.U32(), int(r.U8())
		a, ok := netip.AddrFromSlice(r.Bytes(16))
		if ok && bits <= 128 {
			m.Fields = append(m.Fields, event.Field{Key: keyPrefix, Text: netip.PrefixFrom(a, bits).String()})
			lease6(m, lease)
		}
		inner()
	case opt6Status:
		if status := r.U16(); status != 0 && m.Error == "" {
			if m.Error = "status " + strconv.Itoa(int(status)); int(status) < len(statuses) {
				m.Error = statuses[status]
			}
			m.Fields = append(m.Fields, event.Field{Key: keyStatus, Text: m.Error})
			if len(r.B) > 0 {
				m.Fields = append(m.Fields, event.Field{Key: keyMessage, Text: text(r.B)})
			}
		}
	case opt6DNS:
		for n := 0; len(r.B) >= 16 && n < maxList; n++ {
			m.Fields = address(m.Fields, keyResolver, r.Bytes(16))
		}
	case opt6Client:
		if mac := hardware(v); mac != "" {
			m.Fields = append(m.Fields, event.Field{Key: keyMAC, Text: mac})
		}
	case opt6Server:
		if mac := hardware(v); mac != "" {
			m.Fields = append(m.Fields, event.Field{Key: keyServer, Text: mac})
		}
	case opt6Name:
		r.U8()
		m.Fields = append(m.Fields, event.Field{Key: keyHost, Text: name(r.B)})
	}
}

// lease6 adds the time of the first address.
func lease6(m *event.Message, n uint32) {
	for _, f := range m.Fields {
		if f.Key == keyLease {
			return
		}
	}
	if n > 0 {
		m.Fields = append(m.Fields, event.Field{Key: keyLease, Num: int64(n) * 1e9})
	}
}

// hardware returns the hardware's address of a DUID (RFC 8415, 11), where it has one.
func hardware(b []byte) string {
	r := bin.Of(b)
	switch kind := r.U16(); kind {
	case 1:
		r.Bytes(6) // kind of hardware, and time
	case 3:
		r.U16()
	default:
		return ""
	}
	if len(r.B) == 0 || len(r.B) > 20 {
		return ""
	}
	return colons(r.B)
}

// name returns the labels of a name with dots between them.
func name(b []byte) string {
	var out []byte
	for r := bin.Of(b); len(r.B) > 0 && len(out) < maxText; {
		label := r.Bytes(int(r.U8()))
		if len(label) == 0 {
			break
		}
		if len(out) > 0 {
			out = append(out, '.')
		}
		out = append(out, label...)
	}
	return proto.Text(out)
}
