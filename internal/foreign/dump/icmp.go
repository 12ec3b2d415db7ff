package dump

import "encoding/binary"

const icmpSize = 8

// message is an ICMP message whose text has only the type and perhaps the code.
type message struct {
	s          string
	kind, code uint8
}

// messages has ICMP messages (RFC 792, 950, 1256) by the prefix of their text.
var messages = []message{
	{"time exceeded in-transit", 11, 0}, {"ip reassembly time exceeded", 11, 1}, {"source quench", 4, 0},
	{"router solicitation", 10, 0}, {"router advertisement", 9, 0}, {"information request", 15, 0},
	{"information reply", 16, 0}, {"address mask request", 17, 0},
}

// messages6 has ICMPv6 messages (RFC 4443, 4861, 2710, 3810, 6275).
var messages6 = []message{
	{"time exceeded in-transit (reassembly)", 3, 1}, {"time exceeded in-transit", 3, 0},
	{"multicast listener report v2", 143, 0}, {"multicast listener query", 130, 0}, {"multicast listener report", 131, 0},
	{"multicast listener done", 132, 0}, {"router solicitation", 133, 0}, {"router advertisement", 134, 0},
	{"redirect", 137, 0}, {"router renumbering", 138, 0}, {"who-are-you request", 139, 0}, {"who-are-you reply", 140, 0},
	{"inverse neighbor solicitation", 141, 0}, {"inverse neighbor advertisement", 142, 0}, {"ha discovery request", 144, 0},
	{"ha discovery reply", 145, 0}, {"mobile router solicitation", 146, 0}, {"mobile router advertisement", 147, 0},
	{"RPL", 155, 0}, {"mtrace response", 200, 0}, {"mtrace message", 201, 0},
}

// unreachables has the text before and after the address, by code.
var unreachables = [...][2]string{
	{"net ", " unreachable"},
	{"host ", " unreachable"},
	{"", ""}, {"", ""}, {"", ""}, // handled separately
	{"", " unreachable - source route failed"},
	{"net ", " unreachable - unknown"},
	{"host ", " unreachable - unknown"},
	{"", " unreachable - source host isolated"},
	{"net ", " unreachable - admin prohibited"},
	{"host ", " unreachable - admin prohibited"},
	{"net ", " unreachable - tos prohibited"},
	{"host ", " unreachable - tos prohibited"},
	{"host ", " unreachable - admin prohibited filter"},
	{"host ", " unreachable - host precedence violation"},
	{"host ", " unreachable - precedence cutoff"},
}

// host parses an address or a host name.
func (r *Reader) host(t text, v6 bool) (a [16]byte, ok bool) {
	if v6 {
		a, ok = addr6(t)
	} else if v4, n := addr4(t); n > 0 && n == len(t) {
		copy(a[:], v4[:])
		ok = true
	}
	if ok {
		return a, r.names.name(a, v6) == ""
	}
	if !isName(t) {
		return a, false
	}
	return r.names.addr(t, v6)
}

// icmp builds the part of an ICMP message that is in the text.
func (r *Reader) icmp(t text, p *packet) (made, length int, ok bool) {
	b := r.buf[p.at:]
	clear(b[:icmpSize+ip4Size+4])
	t = t.trimIP()
	length, hasLen := t.cutLength()
	made = 4
	be := binary.BigEndian
	switch {
	case t.has("echo request"), t.has("echo reply"):
		if t.skip("echo request") {
			b[0] = 8
		} else {
			t.skip("echo reply")
		}
		made = r.echo(t, b)
	case t.skip("type-#"):
		v, ok := t.num(most8)
		if !ok {
			return 0, 0, false
		}
		b[0] = byte(v)
		made = 1
	case t.skip("time stamp query"):
		b[0] = 13
		made = r.echo(t, b)
	case t.skip("time stamp reply"):
		b[0] = 14
		made = r.echo(t, b)
	case t.skip("address mask is 0x"):
		v, ok := t.hex()
		if !ok {
			return 0, 0, false
		}
		b[0] = 18
		be.PutUint32(b[icmpSize:], uint32(v))
		made = icmpSize + 4
	case t.skip("parameter problem - octet "):
		v, _ := t.num(most8)
		b[0], b[4] = 12, byte(v)
		made = icmpSize
	case t.skip("parameter problem - code "):
		v, _ := t.num(most8)
		b[0], b[1] = 12, byte(v)
		made = icmpSize
	case t.skip("time exceeded-#"):
		v, _ := t.num(most8)
		b[0], b[1] = 11, byte(v)
		quote4(b[icmpSize:], p)
		made = icmpSize + ip4Size
	case t.has("redirect"):
		if !r.redirect(t, b, p) {
			return 0, 0, false
		}
		made = icmpSize + ip4Size
	case t.index(" unreachable") >= 0:
		if made = r.unreachable(t, b, p); made == 0 {
			return 0, 0, false
		}
	default:
		m := find(messages, t)
		if m == nil {
			return 0, 0, false
		}
		b[0], b[1] = m.kind, m.code
		if m.kind == 11 { // the destination has sent the quoted packet
			quote4(b[icmpSize:], p)
			made = icmpSize + ip4Size
		}
	}
	if !hasLen {
		r.unknown |= Length
		length = made
	}
	return made, length, true
}

func find(list []message, t text) *message {
	for i := range list {
		if t.has(list[i].s) {
			return &list[i]
		}
	}
	return nil
}

// echo builds the rest of a message with an identifier and a sequence number.
func (r *Reader) echo(t text, b []byte) int {
	t.skip(",")
	id, ok1 := t.after(" id ", most16)
	t.skip(",")
	seq, ok2 := t.after(" seq ", most16)
	if !ok1 || !ok2 {
		return 4
	}
	binary.BigEndian.PutUint16(b[4:], uint16(id))
	binary.BigEndian.PutUint16(b[6:], uint16(seq))
	return icmpSize
}

// quote4 builds the IP header quoted by an error: that of a packet from the destination of the
// error.
func quote4(b []byte, p *packet) {
	b[0] = 0x45
	b[3] = ip4Size + 8 // the minimum that an error quotes; the real length is unknown
	copy(b[12:], p.dst.addr[:4])
}

func (r *Reader) redirect(t text, b []byte, p *packet) bool {
	t.skip("redirect")
	tos := t.skip("-tos")
	code, odd := t.after("-#", most8)
	if !t.skip(" ") {
		return false
	}
	dst, ok1 := r.host(t.word(), false)
	switch {
	case odd && t.skip(" to "):
	case t.skip(" to net "):
	case t.skip(" to host "):
		code = 1
	default:
		return false
	}
	if tos {
		code += 2
	}
	gate, ok2 := r.host(t.word(), false)
	b[0], b[1] = 5, byte(code)
	copy(b[4:], gate[:4])
	quote4(b[icmpSize:], p)
	copy(b[icmpSize+16:], dst[:4])
	return ok1 && ok2
}

// unreachable builds an unreachable message and returns its length, 0 on failure.
func (r *Reader) unreachable(t text, b []byte, p *packet) int {
	b[0] = 3
	be := binary.BigEndian
	quoted := b[icmpSize:]
	quote4(quoted, p)
	before := ""
	switch {
	case t.skip("net "):
		before = "net "
	case t.skip("host "):
		before = "host "
	}
	dst, ok := r.host(t.word(), false)
	if !ok {
		return 0
	}
	copy(quoted[16:], dst[:4])
	made := icmpSize + ip4Size
	isUDP := t.has(" udp port ")
	switch {
	case t.skipAny(" udp port ", " tcp port "):
		b[1] = 3
		quoted[9] = protoTCP
		if isUDP {
			quoted[9] = protoUDP
		}
		port, ok := r.services.port(t.word(), isUDP)
		if !ok {
			return 0
		}
		be.PutUint16(quoted[ip4Size+2:], port)
		return made + 4
	case t.skip(" protocol "):
		b[1] = 2
		proto, ok := t.num(most8)
		quoted[9] = byte(proto)
		if port, is := t.after(" port ", most16); is {
			b[1] = 3
			be.PutUint16(quoted[ip4Size+2:], uint16(port))
			made += 4
		}
		if !ok {
			return 0
		}
		return made
	case t.skip(" unreachable - #"):
		code, ok := t.num(most8)
		b[1] = byte(code)
		if !ok {
			return 0
		}
		return made
	case t.skip(" unreachable - need to frag"):
		b[1] = 4
		if mtu, ok := t.after(" (mtu ", most16); ok {
			be.PutUint16(b[6:], uint16(mtu))
		}
		return made
	}
	for code, w := range unreachables {
		if w[0] == before && t.is(w[1]) {
			b[1] = byte(code)
			return made
		}
	}
	return 0
}

// icmp6 builds the part of an ICMPv6 message that is in the text.
func (r *Reader) icmp6(t text, p *packet) (made, length int, ok bool) {
	b := r.buf[p.at:]
	clear(b[:icmpSize+ip6Size+4])
	be := binary.BigEndian
	if !t.has("ICMP6, ") && !t.has("icmp6: ") {
		at := t.index("!] ")
		if sum, ok := t.afterHex("0x"); ok && at >= 0 {
			be.PutUint16(b[2:], uint16(sum))
			r.unknown &^= Sum
		}
		if at = t.index("ICMP6, "); at < 0 {
			return 0, 0, false
		}
		t = t[at:]
	}
	t = t[len("ICMP6, "):]
	if t.has("length 0") {
		return 0, 0, true
	}
	t = t.trimIP()
	length, hasLen := t.cutLength()
	made = 4
	switch {
	case t.has("echo request"), t.has("echo reply"):
		b[0] = 129
		if t.skip("echo request") {
			b[0] = 128
		} else {
			t.skip("echo reply")
		}
		made = r.echo(t, b)
	case t.skip("destination unreachable"):
		if made = r.unreachable6(t, b, p); made == 0 {
			return 0, 0, false
		}
	case t.skip("packet too big, mtu "):
		v, _ := t.num(most32)
		b[0] = 2
		be.PutUint32(b[4:], uint32(v))
		made = icmpSize
	case t.skip("time exceeded in-transit for "):
		dst, ok := r.host(t.word(), true)
		if !ok {
			return 0, 0, false
		}
		b[0] = 3
		quote6(b[icmpSize:], dst, p)
		made = icmpSize + ip6Size
	case t.skip("parameter problem"):
		b[0] = 4
		for code, s := range [...]string{", erroneous", ", next header", ", option", ", incomplete header chain"} {
			if t.skip(s) {
				b[1] = byte(code)
			}
		}
		if v, ok := t.after(" - octet ", most32); ok {
			be.PutUint32(b[4:], uint32(v))
			made = icmpSize
		}
	case t.has("neighbor solicitation"), t.has("neighbor advertisement"):
		b[0] = 136
		if t.skip("neighbor solicitation") {
			b[0] = 135
		}
		at := t.lastIndex(" ")
		target := t[at+1:]
		if a, ok := addr6(target); ok {
			copy(b[icmpSize:], a[:])
			made = icmpSize + 16
		}
	case t.skip("unknown icmp6 type ("):
		v, ok := t.num(most8)
		if !ok {
			return 0, 0, false
		}
		b[0] = byte(v)
		made = 1
	default:
		m := find(messages6, t)
		if m == nil {
			return 0, 0, false
		}
		b[0], b[1] = m.kind, m.code
	}
	if !hasLen {
		r.unknown |= Length
		length = made
	}
	return made, length, true
}

// quote6 is quote4 for IPv6.
func quote6(b []byte, dst [16]byte, p *packet) {
	b[0] = 6 << 4
	copy(b[8:], p.dst.addr[:])
	copy(b[24:], dst[:])
}

// unreachable6 is unreachable for IPv6.
func (r *Reader) unreachable6(t text, b []byte, p *packet) int {
	quoted := b[icmpSize:]
	b[0] = 1
	made := icmpSize + ip6Size
	if t.skip(", unknown unreach code (") {
		code, ok := t.num(most8)
		b[1] = byte(code)
		if !ok {
			return 0
		}
		return 4
	}
	t.skip(",")
	for code, s := range [...]string{" unreachable route", "  unreachable prohibited", " beyond scope", " unreachable address", " unreachable port"} {
		if !t.skip(s) {
			continue
		}
		b[1] = byte(code)
		if t.has(" [|") {
			return 4
		}
		t.skip(",")
		t.skip(" ")
		w := t.word()
		if n := len(w); n > 0 && w[n-1] == ',' {
			w = w[:n-1]
		}
		dst, ok := r.host(w, true)
		if !ok {
			return 0
		}
		quote6(quoted, dst, p)
		if t.skip(" source address ") {
			src, ok := r.host(t.word(), true)
			if !ok {
				return 0
			}
			copy(quoted[8:], src[:])
		}
		if isUDP := t.has(" udp port "); t.skipAny(" udp port ", " tcp port ") {
			quoted[6] = protoTCP
			if isUDP {
				quoted[6] = protoUDP
			}
			port, ok := r.services.port(t.word(), isUDP)
			if !ok {
				return 0
			}
			binary.BigEndian.PutUint16(quoted[ip6Size+2:], port)
			made += 4
		}
		return made
	}
	return 0
}
