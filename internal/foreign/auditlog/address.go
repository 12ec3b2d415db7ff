package auditlog

import (
	"bytes"
	"net/netip"
)

// families has the address family names of ausearch (famtab.h in libauparse).
var families = map[string]byte{
	"local": 1, "inet": 2, "ax25": 3, "ipx": 4, "appletalk": 5, "netrom": 6, "bridge": 7, "atmpvc": 8, "x25": 9,
	"inet6": 10, "rose": 11, "decnet": 12, "netbeui": 13, "security": 14, "key": 15, "netlink": 16, "packet": 17,
	"ash": 18, "econet": 19, "atmsvc": 20, "rds": 21, "sna": 22, "irda": 23, "pppox": 24, "wanpipe": 25, "llc": 26,
	"can": 29, "tipc": 30, "bluetooth": 31, "iucv": 32, "rxrpc": 33, "isdn": 34, "phonet": 35, "ieee802154": 36,
	"caif": 37, "alg": 38, "nfc": 39, "vsock": 40, "kcm": 41, "qipcrtr": 42, "smc": 43, "xdp": 44, "mctp": 45,
}

const (
	afLocal   = 1
	afInet    = 2
	afInet6   = 10
	afNetlink = 16

	maxPath = 108
)

// Address appends the sockaddr encoded in a value of saddr: in hexadecimal, or interpreted by
// auparse, from audit 1.7 to 4:
//
//	{ saddr_fam=inet laddr=124.65.150.30 lport=5222 }
//	{ fam=inet6 laddr=fe80::1%3 lport=53 }
//	inet host:124.65.150.30 serv:5222
//	{ saddr_fam=local path=/run/x }
//	{ saddr_fam=netlink nlnk-fam=16 nlnk-pid=7 }
//
// The family is little-endian. If there is only a family, { saddr_fam=packet (unsupported) }, the
// sockaddr has just its 2 bytes. Fields that are not printed are 0: flow label, netlink groups,
// and the scope if it is the name of an interface.
//
// The interpreted form does not distinguish abstract names and paths. Text that does not start with
// / or . is taken as an abstract name, and gets a leading NUL.
func Address(dst, v []byte) (addr []byte, ok bool) {
	if b, isHex := Bytes(v); isHex {
		return append(dst, b...), true
	}
	if in, braces := bytes.CutPrefix(v, []byte("{")); braces {
		v, _ = bytes.CutSuffix(in, []byte("}"))
	}
	v = bytes.Trim(v, " ")
	for _, before := range []string{"saddr_fam=", "fam="} {
		v, _ = bytes.CutPrefix(v, []byte(before))
	}
	for _, name := range []string{"unknown-family", "unknown family"} {
		if in, has := inside(v, name); has {
			n, isNumber := number(in)
			if !isNumber || n > 1<<16-1 {
				return dst, false
			}
			return append(dst, byte(n), byte(n>>8)), true
		}
	}
	name, rest, _ := bytes.Cut(v, []byte(" "))
	family, ok := families[string(name)]
	if !ok {
		return dst, false
	}
	dst = append(dst, family, 0)
	switch family {
	case afLocal:
		return appendPath(dst, rest), true
	case afInet, afInet6:
		return appendInet(dst, family, rest), true
	case afNetlink:
		pid, ok := number(word(rest, "nlnk-pid=", "pid:"))
		if !ok || pid > 1<<32-1 {
			return dst, true
		}
		return append(dst, 0, 0, byte(pid), byte(pid>>8), byte(pid>>16), byte(pid>>24), 0, 0, 0, 0), true
	}
	return dst, true
}

// word returns the text after one of two names, up to a space.
func word(b []byte, name, older string) []byte {
	for len(b) > 0 {
		var w []byte
		w, b, _ = bytes.Cut(b, []byte(" "))
		if v, ok := bytes.CutPrefix(w, []byte(name)); ok {
			return v
		}
		if v, ok := bytes.CutPrefix(w, []byte(older)); ok {
			return v
		}
	}
	return nil
}

func appendInet(dst []byte, family byte, b []byte) []byte {
	host, zone, _ := bytes.Cut(word(b, "laddr=", "host:"), []byte("%"))
	const longest = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")
	if len(host) > longest {
		return dst
	}
	addr, err := netip.ParseAddr(string(host))
	port, ok := number(word(b, "lport=", "serv:"))
	if err != nil || !ok || port > 1<<16-1 || addr.Is4() != (family == afInet) {
		return dst
	}
	dst = append(dst, byte(port>>8), byte(port))
	if addr.Is4() {
		ip := addr.As4()
		return append(append(dst, ip[:]...), 0, 0, 0, 0, 0, 0, 0, 0)
	}
	ip := addr.As16()
	scope, ok := number(zone)
	if !ok || scope > 1<<32-1 {
		scope = 0
	}
	return append(append(append(dst, 0, 0, 0, 0), ip[:]...), byte(scope), byte(scope>>8), byte(scope>>16), byte(scope>>24))
}

func appendPath(dst, b []byte) []byte {
	b, isPath := bytes.CutPrefix(b, []byte("path="))
	if len(b) == 0 || !isPath && (string(b) == "unnamed socket" || string(b) == "sockaddr len too short") {
		return dst
	}
	from := len(dst)
	dst = unescape(append(dst, 0), b)
	if n := len(dst) - from - 1; b[0] != '/' && b[0] != '.' && n < maxPath {
		return dst
	}
	dst = append(dst[:from], dst[from+1:]...)
	if len(dst) < from+maxPath {
		return append(dst, 0)
	}
	return dst[:from+maxPath]
}

// appendAddress appends a value of saddr in hexadecimal, or unchanged if it is not an address.
func appendAddress(dst, v []byte) []byte {
	addr, ok := Address(nil, v)
	if !ok {
		return append(dst, v...)
	}
	return appendHex(dst, addr)
}
