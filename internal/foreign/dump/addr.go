package dump

import (
	"net/netip"

	"github.com/gopacket/gopacket/layers"
)

// end is one end of a packet in the text.
type end struct {
	addr  [16]byte // an IPv4 address is in the first four bytes
	v6    bool
	name  text // nil if there is an address
	label text // the port, a number or a service name; nil: none
	port  uint16
}

// endOf parses an address or a name, with or without a port. For a name, the port can only be
// separated later, when it is known that there is one.
func endOf(t text) (e end, ok bool) {
	if colon := t.lastIndex(":"); colon >= 0 {
		e.v6 = true
		at := len(t)
		if n := dots(t[colon:]); n == 1 || n == 4 { // three dots are those of an IPv4 address at the end of the IPv6 address
			at = t.lastIndex(".")
			e.label = t[at+1:]
		}
		e.addr, ok = addr6(t[:at])
		return e, ok
	}
	if a, n := addr4(t); n > 0 {
		switch {
		case n == len(t):
			copy(e.addr[:], a[:])
			return e, true
		case t[n] == '.' && dots(t[n:]) == 1:
			copy(e.addr[:], a[:])
			e.label = t[n+1:]
			return e, len(e.label) > 0
		}
	}
	e.name = t
	return e, isName(t)
}

func dots(t text) int {
	n := 0
	for _, c := range t {
		if c == '.' {
			n++
		}
	}
	return n
}

// isName reports whether t can be a host name, perhaps with a port.
func isName(t text) bool {
	if len(t) == 0 || len(t) > maxName || t[0] == '.' || t[0] == '-' {
		return false
	}
	for _, c := range t {
		if !digit(c) && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// addr4 parses the IPv4 address at the start of t, and returns its length in t, 0 if there is
// none.
func addr4(t text) (a [4]byte, n int) {
	rest := t
	for i := range 4 {
		if i > 0 && !rest.skip(".") {
			return a, 0
		}
		v, ok := rest.num(most8)
		if !ok {
			return a, 0
		}
		a[i] = uint8(v)
	}
	return a, len(t) - len(rest)
}

// addr6 parses an IPv6 address (RFC 4291 2.2) without allocations, unlike netip.
func addr6(t text) (a [16]byte, ok bool) {
	at, gap := 0, -1
	if t.skip("::") {
		gap = 0
	}
	for len(t) > 0 {
		if v4, n := addr4(t); n == len(t) && at <= 12 {
			copy(a[at:], v4[:])
			at += 4
			break
		}
		rest := t
		v, ok := rest.hex()
		if !ok || v > most16 || len(t)-len(rest) > 4 || at > 14 {
			return a, false
		}
		a[at], a[at+1] = byte(v>>8), byte(v)
		at += 2
		t = rest
		switch {
		case len(t) == 0:
		case t.skip("::"):
			if gap >= 0 {
				return a, false
			}
			gap = at
		case !t.skip(":") || len(t) == 0:
			return a, false
		}
	}
	if gap < 0 {
		return a, at == 16
	}
	if at == 16 {
		return a, false
	}
	n := copy(a[16-(at-gap):], a[gap:at])
	clear(a[gap : 16-n])
	return a, true
}

// Placeholder addresses for names are in 192.0.2.0/24 (RFC 5737) and then in 198.18.0.0/15
// (RFC 2544), or in 2001:db8:6e61:6d65::/64 (RFC 3849): addresses in the rest of 2001:db8::/32
// are common in examples.
const (
	maxName  = 255
	maxNames = 1 << 16 // for each IP version
	// maxNameBytes bounds the memory of all names, with an overhead of 100 bytes each.
	maxNameBytes = 8 << 20
	small        = 254 // 192.0.2.1 to .254
)

// Name is a host name in the text, at most 255 bytes of letters, digits, '.', '-' and '_', and
// its placeholder address: 192.0.2.1 and so on, then 198.18.0.1, or 2001:db8:6e61:6d65::1.
type Name struct {
	Name string
	Addr netip.Addr
}

// names assigns placeholder addresses to names in the order of their appearance.
type names struct {
	at   [2]map[string]uint32 // by version: 0 IPv4, 1 IPv6
	list [2][]string
	size int // bytes of all
}

func version(v6 bool) int {
	if v6 {
		return 1
	}
	return 0
}

func (n *names) addr(name text, v6 bool) (a [16]byte, ok bool) {
	v := version(v6)
	i, known := n.at[v][string(name)]
	if known {
		return nth(int(i), v6), true
	}
	if len(n.list[v]) >= maxNames || n.size > maxNameBytes {
		return a, false
	}
	if n.at[v] == nil {
		n.at[v] = map[string]uint32{}
	}
	s := string(name)
	i = uint32(len(n.list[v]))
	n.at[v][s] = i
	n.size += len(s) + 100
	n.list[v] = append(n.list[v], s)
	return nth(int(i), v6), true
}

// nth returns the placeholder address of name i.
func nth(i int, v6 bool) [16]byte {
	switch i++; {
	case v6:
		return [16]byte{0x20, 0x01, 0x0d, 0xb8, 'n', 'a', 'm', 'e', 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)}
	case i <= small:
		return [16]byte{192, 0, 2, byte(i)}
	}
	i -= small
	return [16]byte{198, 18 + byte(i>>16), byte(i >> 8), byte(i)}
}

// name returns the name of a placeholder address, "" if a is not one.
func (n *names) name(a [16]byte, v6 bool) string {
	i := -1
	switch {
	case v6:
		i = int(a[13])<<16 | int(a[14])<<8 | int(a[15])
	case a[0] == 192:
		i = int(a[3])
	default:
		i = int(a[1]&1)<<16 | int(a[2])<<8 | int(a[3]) + small
	}
	list := n.list[version(v6)]
	if i--; i < 0 || i >= len(list) || nth(i, v6) != a {
		return ""
	}
	return list[i]
}

func netAddr(a [16]byte, v6 bool) netip.Addr {
	if v6 {
		return netip.AddrFrom16(a)
	}
	return netip.AddrFrom4([4]byte(a[:4]))
}

// services has ports by their names in services(5).
type services struct{ tcp, udp map[string]uint16 }

// otherServices has names in the services(5) of Debian, Red Hat and older systems that the IANA
// registry does not have, or also has for another port.
var otherServices = map[string]uint16{
	"www": 80, "whois": 43, "auth": 113, "imap2": 143, "snmp-trap": 162, "z3950": 210, "submissions": 465, "biff": 512,
	"route": 520, "kerberos4": 750, "spamd": 783, "datametrics": 1645, "nfs": 2049, "zebra": 2601, "ripd": 2602,
	"ospfd": 2604, "bgpd": 2605, "squid": 3128, "sip-tls": 5061, "postgres": 5432, "x11": 6000, "x11-1": 6001,
	"x11-2": 6002, "x11-3": 6003, "x11-4": 6004, "x11-5": 6005, "x11-6": 6006, "x11-7": 6007, "ircd": 6667, "bbs": 7000,
	"http-alt": 8080, "webcache": 8080, "tproxy": 8081, "webmin": 10000,
}

// load fills the tables from the registry of gopacket, which maps ports to names.
func (s *services) load() {
	const some = 6000
	s.tcp, s.udp = make(map[string]uint16, some), make(map[string]uint16, some)
	for p := most16; p > 0; p-- { // if a name has several ports use the lowest
		if n, ok := layers.TCPPortNames(layers.TCPPort(p)); ok {
			s.tcp[n] = uint16(p)
		}
		if n, ok := layers.UDPPortNames(layers.UDPPort(p)); ok {
			s.udp[n] = uint16(p)
		}
	}
	for n, p := range otherServices {
		s.tcp[n], s.udp[n] = p, p
	}
}

// port returns the port of a number or a service name.
func (s *services) port(label text, udp bool) (uint16, bool) {
	if label.digits() == len(label) {
		v, ok := label.num(most16)
		return uint16(v), ok
	}
	if s.tcp == nil {
		s.load()
	}
	m := s.tcp
	if udp {
		m = s.udp
	}
	p, ok := m[string(label)]
	if !ok { // registered only for the other protocol
		if m = s.udp; udp {
			m = s.tcp
		}
		p, ok = m[string(label)]
	}
	return p, ok
}
