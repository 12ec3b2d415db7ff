package tcpdump

import "github.com/pidwire/pidwire/internal/event"

// ICMPv6 message types (RFC 4443, 4861, 2710, 3810, 6275).
const (
	unreach6      = 1
	tooBig6       = 2
	exceeded6     = 3
	problem6      = 4
	echo6         = 128
	echoReply6    = 129
	groupQuery    = 130
	groupReport   = 131
	groupDone     = 132
	solicitRouter = 133
	advertRouter  = 134
	solicitNeigh  = 135
	advertNeigh   = 136
	redirect6     = 137
	groupReport2  = 143
	homeRequest   = 144
	homeReply     = 145
	prefixSolicit = 146
	prefixAdvert  = 147
	rpl           = 155
	nodeQuery     = 139
	nodeReply     = 140
	inverseSol    = 141
	inverseAdv    = 142
	renumber      = 138
	mtraceReply   = 200
	mtraceRequest = 201
)

var icmp6Types = []word{
	{unreach6, "destination unreachable"}, {tooBig6, "packet too big"}, {exceeded6, "time exceeded in-transit"},
	{problem6, "parameter problem"}, {echo6, "echo request"}, {echoReply6, "echo reply"},
	{groupQuery, "multicast listener query"}, {groupReport, "multicast listener report"},
	{groupDone, "multicast listener done"}, {solicitRouter, "router solicitation"},
	{advertRouter, "router advertisement"}, {solicitNeigh, "neighbor solicitation"},
	{advertNeigh, "neighbor advertisement"}, {redirect6, "redirect"}, {renumber, "router renumbering"},
	{inverseSol, "inverse neighbor solicitation"}, {inverseAdv, "inverse neighbor advertisement"},
	{groupReport2, "multicast listener report v2"}, {homeRequest, "ha discovery request"},
	{homeReply, "ha discovery reply"}, {prefixSolicit, "mobile router solicitation"},
	{prefixAdvert, "mobile router advertisement"}, {nodeQuery, "who-are-you request"},
	{nodeReply, "who-are-you reply"}, {mtraceRequest, "mtrace message"}, {mtraceReply, "mtrace response"}, {rpl, "RPL"},
}

// icmp6 writes an ICMPv6 message of n bytes.
func (w *writer) icmp6(at int, n uint32, fragmented bool) {
	w.proto = "icmp6"
	if n == 0 {
		w.str("ICMP6, length 0")
		w.invalid()
		return
	}
	if w.o.Verbose > 0 && !fragmented && w.has(at, n) {
		has := w.u16(at + 2)
		if w.cut {
			return
		}
		if s := w.pseudo(at, n, event.ProtoICMPv6); s != 0 {
			w.str("[bad icmp6 cksum 0x")
			w.hex(uint64(has), 4)
			w.str(" -> 0x")
			w.hex(uint64(shouldBe(has, s)), 4)
			w.str("!] ")
		} else {
			w.str("[icmp6 sum ok] ")
		}
	}
	kind := w.u8(at)
	w.str("ICMP6, ")
	w.named(icmp6Types, uint32(kind), "unknown icmp6 type (", ")")
	if w.o.Verbose > 0 {
		switch kind {
		case solicitRouter, advertRouter, advertNeigh, solicitNeigh, redirect6, homeReply, prefixAdvert:
			w.say(", length ", n)
		}
	}
	code := w.u8(at + 1)
	if w.cut {
		return
	}
	if w.icmp6Body(at, n, kind, code) && w.o.Verbose == 0 {
		w.say(", length ", n)
	}
}

// icmp6Body writes the body of a message. It returns false if nothing may follow it.
func (w *writer) icmp6Body(at int, n uint32, kind, code uint8) bool {
	switch kind {
	case unreach6:
		return w.unreachable6(at, n, code)
	case tooBig6:
		w.say(", mtu ", w.u32(at+4))
	case exceeded6:
		switch code {
		case 0:
			w.with6(" for ", at+8+24)
		case 1:
			w.str(" (reassembly)")
		default:
			w.say(", unknown code (", uint32(code))
			w.byte(')')
		}
	case problem6:
		if !w.has(at+8+24, 16) {
			w.trunc()
			return false
		}
		words := [...]string{", erroneous - octet ", ", next header - octet ", ", option - octet ", ", incomplete header chain - octet "}
		if int(code) < len(words) {
			w.say(words[code], w.u32(at+4))
		} else {
			w.say(", code-#", uint32(code))
		}
	case echo6, echoReply6:
		id, seq := w.u16(at+4), w.u16(at+6)
		w.say(", id ", uint32(id))
		w.say(", seq ", uint32(seq))
	case groupQuery:
		switch {
		case n == 24:
			w.group(at)
		case n >= 28:
			w.str(" v2")
			w.groupQuery2(at, n)
		default:
			w.say(" unknown-version (len ", n)
			w.str(") ")
		}
	case groupReport, groupDone:
		w.group(at)
	case groupReport2:
		if n < 8 {
			w.badLen(n)
			break
		}
		w.groups(at, n, uint32(w.u16(at+6)), 16, "v2-report")
	case solicitRouter, advertRouter, solicitNeigh, advertNeigh, redirect6, homeReply, prefixAdvert:
		return w.neighbor(at, n, kind)
	case prefixSolicit, homeRequest:
		w.id6(at)
	case renumber, nodeQuery, nodeReply, inverseSol, inverseAdv, rpl:
	default: // includes multicast traceroute, of which only the types have names
		w.say(", length ", n)
		if w.o.Verbose < 2 {
			w.unknown(at, n, "\n\t")
		}
		return false
	}
	return true
}

// with6 writes s and the address at offset at, or nothing if it was not captured.
func (w *writer) with6(s string, at int) {
	if w.need(at, 16) {
		w.str(s)
		w.addr6(at)
	}
}

func (w *writer) id6(at int) {
	id := w.u16(at + 4)
	w.str(", id 0x")
	w.hex(uint64(id), 4)
}

func (w *writer) unreachable6(at int, n uint32, code uint8) bool {
	quoted := at + 8
	words := [...]string{"unreachable route", " unreachable prohibited", "beyond scope", "unreachable address", "unreachable port"}
	w.str(", ")
	if int(code) >= len(words) {
		w.say("unknown unreach code (", uint32(code))
		w.byte(')')
		if w.o.Verbose < 2 {
			w.unknown(at, n, "\n\t")
			return false
		}
		return true
	}
	w.str(words[code])
	switch code {
	case 0, 1, 3:
		w.with6(" ", quoted+24)
	case 2:
		if w.need(quoted+24, 16) {
			w.with6(" ", quoted+24)
			w.with6(", source address ", quoted+8)
		}
	case 4:
		proto, port, ok := w.quotedPort(quoted)
		if !ok {
			w.trunc()
			return false
		}
		w.with6(", ", quoted+24)
		if proto == event.ProtoTCP {
			w.say(" tcp port ", uint32(port))
		} else {
			w.say(" udp port ", uint32(port))
		}
	}
	return true
}

// quotedPort returns the protocol and the destination port of the quoted packet at offset at.
func (w *writer) quotedPort(at int) (proto uint8, port uint16, ok bool) {
	if !w.has(at+6, 1) {
		return 0, 0, false
	}
	proto = w.d[at+6]
	for n := 40; at < w.end; {
		at += n
		switch proto {
		case event.ProtoUDP, event.ProtoTCP:
			if !w.has(at+2, 2) {
				return 0, 0, false
			}
			return proto, w.u16(at + 2), true
		case hopByHop, destOpts, routing:
			if !w.has(at+1, 1) {
				return 0, 0, false
			}
			proto, n = w.d[at], (int(w.d[at+1])+1)*8
		case fragment:
			if !w.has(at+2, 2) || w.u16(at+2)&^7 != 0 {
				return 0, 0, false
			}
			proto, n = w.d[at], 8
		case event.ProtoAH:
			if !w.has(at+1, 1) {
				return 0, 0, false
			}
			proto, n = w.d[at], (int(w.d[at+1])+2)*4
		default:
			return 0, 0, false
		}
	}
	return 0, 0, false
}

// group writes the body of an MLD version 1 message (RFC 2710).
func (w *writer) group(at int) {
	if w.has(at, 24) {
		w.say("max resp delay: ", uint32(w.u16(at+4)))
		w.str(" addr: ")
		w.addr6(at + 8)
	}
}

func (w *writer) groupQuery2(at int, n uint32) {
	code := uint32(w.u16(at + 4))
	t := code
	if code >= 32768 { // a floating-point number
		t = (code&0xfff | 0x1000) << (code>>12&7 + 3)
	}
	if w.o.Verbose > 0 {
		w.say(" [max resp delay=", t)
		w.byte(']')
	}
	w.with6(" [gaddr ", at+8)
	if w.o.Verbose > 0 {
		flags, qqi := w.u8(at+24), uint32(0)
		if flags&8 != 0 {
			w.str(" sflag")
		}
		if r := flags & 7; r != 0 {
			w.say(" robustness=", uint32(r))
		}
		if qqi = uint32(w.u8(at + 25)); qqi >= 128 {
			qqi = (qqi&15 | 16) << (qqi>>4&7 + 3)
		}
		w.say(" qqi=", qqi)
	}
	if sources := uint32(w.u16(at + 26)); sources > 0 && !w.cut {
		w.sources(at+28, n-28, sources, 16)
	}
	w.byte(']')
}
