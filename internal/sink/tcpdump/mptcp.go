package tcpdump

import (
	"encoding/binary"

	"github.com/pidwire/pidwire/internal/event"
)

var mptcpTypes = []string{"capable", "join", "dss", "add-addr", "rem-addr", "prio", "fail", "fast-close", "unknown"}

// mptcp writes a Multipath TCP option (RFC 8684, 6824); o includes kind and length. It returns
// false if the length is invalid for the subtype.
func (w *writer) mptcp(o []byte) bool {
	w.proto = "mptcp"
	if len(o) < 3 {
		return false
	}
	w.say(" ", uint32(len(o)))
	sub := min(o[2]>>4, uint8(len(mptcpTypes)-1))
	w.byte(' ')
	w.str(mptcpTypes[sub])
	flags := w.p.TCP.Flags
	be := binary.BigEndian
	switch sub {
	case 0:
		return w.mpCapable(o, flags)
	case 1:
		return w.mpJoin(o, flags)
	case 2:
		return flags&event.TCPSyn == 0 && w.mpSequence(o)
	case 3:
		return w.mpAddAddr(o)
	case 4:
		if len(o) < 4 {
			return false
		}
		w.str(" id")
		for _, id := range o[3:] {
			w.say(" ", uint32(id))
		}
	case 5:
		if len(o) != 3 && len(o) != 4 {
			return false
		}
		if o[2]&1 != 0 {
			w.str(" backup")
		} else {
			w.str(" non-backup")
		}
		if len(o) == 4 {
			w.say(" id ", uint32(o[3]))
		}
	case 6:
		if len(o) != 12 {
			return false
		}
		w.str(" seq ")
		w.num64(be.Uint64(o[4:]))
	case 7:
		if len(o) != 12 {
			return false
		}
		w.str(" key 0x")
		w.hex(be.Uint64(o[4:]), 1)
	}
	return true
}

func (w *writer) mpCapable(o []byte, flags uint8) bool {
	n := len(o)
	syn, ack := flags&event.TCPSyn != 0, flags&event.TCPAck != 0
	if !((n == 12 || n == 4) && syn) && !((n == 20 || n == 22) && ack && !syn) {
		return false
	}
	version := o[2] & 15
	if version > 1 {
		w.say(" Unknown Version (", uint32(version))
		w.byte(')')
		return true
	}
	w.say(" v", uint32(version))
	if o[3]&0x80 != 0 {
		w.str(" csum")
	}
	if n > 4 {
		w.str(" {0x")
		w.hex(binary.BigEndian.Uint64(o[4:]), 1)
		if n >= 20 {
			w.str(",0x")
			w.hex(binary.BigEndian.Uint64(o[12:]), 1)
		}
		w.byte('}')
	}
	return true
}

func (w *writer) mpJoin(o []byte, flags uint8) bool {
	n := len(o)
	syn, ack := flags&event.TCPSyn != 0, flags&event.TCPAck != 0
	if !(n == 12 && syn) && !(n == 16 && syn && ack) && !(n == 24 && ack) {
		return false
	}
	if n != 24 {
		if o[2]&1 != 0 {
			w.str(" backup")
		}
		w.say(" id ", uint32(o[3]))
	}
	be := binary.BigEndian
	switch n {
	case 12:
		w.str(" token 0x")
		w.hex(uint64(be.Uint32(o[4:])), 1)
		w.str(" nonce 0x")
		w.hex(uint64(be.Uint32(o[8:])), 1)
	case 16:
		w.hmac(o[4:])
		w.str(" nonce 0x")
		w.hex(uint64(be.Uint32(o[12:])), 1)
	case 24:
		w.str(" hmac 0x")
		for _, c := range o[4:24] {
			w.hex(uint64(c), 2)
		}
	}
	return true
}

func (w *writer) hmac(b []byte) {
	w.str(" hmac 0x")
	w.hex(binary.BigEndian.Uint64(b), 1)
}

// mpSequence writes the data sequence signal.
func (w *writer) mpSequence(o []byte) bool {
	const fin, seq8, hasSeq, ack8, hasAck = 0x10, 0x08, 0x04, 0x02, 0x01
	if len(o) < 4 {
		return false
	}
	flags := o[3]
	o = o[4:]
	if flags&fin != 0 {
		w.str(" fin")
	}
	ok := true
	// take writes the next integer, of 8, 4 or 2 bytes, in decimal.
	take := func(before string, n int) {
		if !ok {
			return
		}
		w.str(before)
		if ok = len(o) >= n; !ok {
			return
		}
		var v uint64
		for _, c := range o[:n] {
			v = v<<8 | uint64(c)
		}
		w.num64(v)
		o = o[n:]
	}
	wide := func(f uint8) int {
		if flags&f != 0 {
			return 8
		}
		return 4
	}
	if flags&hasAck != 0 {
		take(" ack ", wide(ack8))
	}
	if flags&hasSeq != 0 {
		take(" seq ", wide(seq8))
		if ok = ok && len(o) >= 4; ok {
			take(" subseq ", 4)
		}
		if ok = ok && len(o) >= 2; ok {
			take(" len ", 2)
		}
		if ok && len(o) >= 2 {
			w.str(" csum 0x")
			w.hex(uint64(binary.BigEndian.Uint16(o)), 1)
			o = o[2:]
		}
	}
	return ok && len(o) == 0
}

func (w *writer) mpAddAddr(o []byte) bool {
	size := 4
	n := len(o)
	switch n {
	case 8, 10, 16, 18:
	case 20, 22, 28, 30:
		size = 16
	default:
		return false
	}
	switch o[2] & 15 {
	case 6:
		w.str(" v0-ip6")
	case 4:
		w.str(" v0-ip4")
	case 1:
		w.str(" v1-echo")
	case 0:
		w.str(" v1")
	default:
		w.str(" [bad version/echo]")
	}
	w.say(" id ", uint32(o[3]))
	w.byte(' ')
	if size == 4 {
		w.b = append4(w.b, o[4:])
	} else {
		w.b = append16(w.b, [16]byte(o[4:]))
	}
	o = o[4+size:]
	if len(o) == 2 || len(o) == 10 {
		w.say(":", uint32(binary.BigEndian.Uint16(o)))
		o = o[2:]
	}
	if len(o) == 8 {
		w.hmac(o)
	}
	return true
}
