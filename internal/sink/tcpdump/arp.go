package tcpdump

import "github.com/pidwire/pidwire/internal/event"

// Hardware types of ARP whose addresses are not printed like Ethernet addresses (IANA
// arp-parameters).
const (
	hardFrameRelay = 15
	hardATM        = 19
)

var hardwareNames = []word{
	{1, "Ethernet"}, {6, "TokenRing"}, {7, "ArcNet"}, {hardFrameRelay, "FrameRelay"}, {23, "Strip"}, {24, "IEEE 1394"},
	{hardATM, "ATM"}, {32, "InfiniBand"},
}

// Operations of ARP (IANA arp-parameters).
const (
	arpRequest     = 1
	arpReply       = 2
	arpRevRequest  = 3
	arpRevReply    = 4
	arpInvRequest  = 8
	arpInvReply    = 9
	arpNotResolved = 10
)

var arpOps = []word{
	{arpRequest, "Request"}, {arpReply, "Reply"}, {arpRevRequest, "Reverse Request"}, {arpRevReply, "Reverse Reply"},
	{arpInvRequest, "Inverse Request"}, {arpInvReply, "Inverse Reply"}, {arpNotResolved, "NACK Reply"},
}

// arpMessage is an ARP message (RFC 826) of which all addresses were captured: types, and
// offsets and lengths of the addresses.
type arpMessage struct {
	hard, proto, op    uint16
	senderHard, target hardAddr
	senderProto        protoAddr
	targetProto        protoAddr
}

// hardAddr is a hardware address: offset and length. For ATM it is a number, followed by a
// subaddress of sub bytes.
type hardAddr struct{ at, n, sub int }

type protoAddr struct{ at, n int }

// arp writes ARP, RARP (RFC 903) and inverse ARP (RFC 2390).
func (w *writer) arp(at int, length uint32) {
	w.proto = "arp"
	if !w.need(at, 8) {
		return
	}
	m := arpMessage{hard: w.u16(at), proto: w.u16(at + 2), op: w.u16(at + 6)}
	if m.hard == hardATM {
		if !w.need(at, 12) {
			return
		}
		const most = 0x3f // the other bits of a length are the format of the number
		d := w.d[at:]
		m.senderHard = hardAddr{at + 12, int(d[4] & most), int(d[5] & most)}
		m.senderProto = protoAddr{m.senderHard.end(), int(d[8])}
		m.target = hardAddr{m.senderProto.end(), int(d[9] & most), int(d[10] & most)}
		m.targetProto = protoAddr{m.target.end(), int(d[11])}
	} else {
		hard, proto := int(w.d[at+4]), int(w.d[at+5])
		m.senderHard = hardAddr{at: at + 8, n: hard}
		m.senderProto = protoAddr{m.senderHard.end(), proto}
		m.target = hardAddr{at: m.senderProto.end(), n: hard}
		m.targetProto = protoAddr{m.target.end(), proto}
	}
	if !w.need(m.targetProto.at, uint32(m.targetProto.n)) {
		return
	}
	if !w.o.Link {
		w.str("ARP, ")
	}
	atm := m.hard == hardATM
	readable := m.ip() && m.senderProto.n == 4 && m.targetProto.n == 4 && (m.senderHard.n != 0 || atm)
	if !readable || w.o.Verbose > 0 {
		w.arpTypes(&m)
	}
	if readable || w.o.Verbose > 0 {
		if w.o.Verbose > 0 {
			w.str(", ")
		}
		w.named(arpOps, uint32(m.op), "Unknown (", ")")
		w.byte(' ')
		if !w.arpWords(&m) {
			w.raw(at)
			return
		}
	}
	w.say(", length ", length)
}

func (a hardAddr) end() int { return a.at + a.n + a.sub }

func (a protoAddr) end() int { return a.at + a.n }

// ip reports whether the protocol addresses are IPv4, possibly with trailer encapsulation
// (RFC 893).
func (m *arpMessage) ip() bool { return m.proto == event.EtherIPv4 || m.proto == etherTrail }

// arpTypes writes the hardware and protocol types.
func (w *writer) arpTypes(m *arpMessage) {
	w.named(hardwareNames, uint32(m.hard), "Unknown Hardware (", ")")
	if m.hard != hardATM {
		w.say(" (len ", uint32(m.senderHard.n))
		w.byte(')')
	}
	w.str(", ")
	if s := name(etherTypes, uint32(m.proto)); s != "" {
		w.str(s)
	} else {
		w.str("Unknown Protocol")
		w.code(uint64(m.proto), 4)
	}
	w.say(" (len ", uint32(m.senderProto.n))
	if m.hard == hardATM {
		w.say("/", uint32(m.targetProto.n))
	}
	w.byte(')')
}

// arpWords writes an operation. It returns false for an unknown one.
func (w *writer) arpWords(m *arpMessage) bool {
	atm := m.hard == hardATM
	switch {
	case m.op == arpRequest:
		w.str("who-has ")
		w.protoAddr(m, m.targetProto, "t")
		if atm && m.target.n != 0 || !atm && !zero(w.d[m.target.at:m.target.end()]) {
			w.str(" (")
			w.hardAddr(m, m.target)
			w.byte(')')
		}
		w.str(" tell ")
		w.protoAddr(m, m.senderProto, "s")
	case m.op == arpReply:
		w.protoAddr(m, m.senderProto, "s")
		w.str(" is-at ")
		w.hardAddr(m, m.senderHard)
	case m.op == arpInvRequest, m.op == arpRevRequest && !atm:
		w.str("who-is ")
		w.hardAddr(m, m.target)
		w.str(" tell ")
		w.hardAddr(m, m.senderHard)
	case m.op == arpRevReply && !atm:
		w.hardAddr(m, m.target)
		w.str(" at ")
		w.protoAddr(m, m.targetProto, "t")
	case m.op == arpInvReply:
		w.hardAddr(m, m.senderHard)
		if !atm { // tcpdump omits the blank for ATM
			w.byte(' ')
		}
		w.str("at ")
		w.protoAddr(m, m.senderProto, "s")
	case m.op == arpNotResolved && atm: // RFC 2225
		w.str("for ")
		w.protoAddr(m, m.senderProto, "s")
	default:
		return false
	}
	return true
}

func zero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// protoAddr writes a protocol address. whose is "s" for the sender and "t" for the target.
func (w *writer) protoAddr(m *arpMessage, a protoAddr, whose string) {
	switch {
	case !m.ip():
		w.str("<wrong proto type>")
	case a.n == 4:
		w.addr4(a.at)
	case m.hard == hardATM:
		w.str("<wrong ")
		w.str(whose)
		w.str("plen>")
	default:
		w.str("<wrong len>")
	}
}

func (w *writer) hardAddr(m *arpMessage, a hardAddr) {
	b := w.d[a.at : a.at+a.n]
	switch {
	case a.n == 0 && m.hard == hardATM:
		w.str("<No address>")
	case a.n == 0:
		w.str("<empty>")
	case m.hard == hardFrameRelay:
		w.dlci(b)
	default:
		w.colons(b)
		if a.sub != 0 {
			w.byte(',')
			w.colons(w.d[a.at+a.n : a.end()])
		}
	}
}

// dlci writes a frame relay address of 2 to 4 bytes (Q.922 3.2). The lowest bit of a byte
// marks the last one.
func (w *writer) dlci(b []byte) {
	const last = 1
	n := 0
	for n < len(b) && b[n]&last == 0 {
		n++
	}
	switch {
	case n == 0 || n > 3:
		w.str("<Invalid DLCI>")
		return
	case n == len(b):
		w.str("<Truncated>")
		return
	}
	v := uint32(b[0]&0xfc)<<2 | uint32(b[1]&0xf0)>>4
	if n == 3 {
		v = v<<7 | uint32(b[2])>>1
	}
	if n > 1 {
		v = v<<6 | uint32(b[n])>>2
	}
	w.say("DLCI ", v)
}
