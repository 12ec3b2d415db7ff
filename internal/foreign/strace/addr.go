package strace

import (
	"bytes"
	"encoding/binary"
	"math"
	"net/netip"

	"github.com/pidwire/pidwire/internal/foreign/numeral"
)

// parseAddr is like netip.ParseAddr, but for bytes, without allocations, and without zones.
func parseAddr(b []byte) (netip.Addr, bool) {
	if bytes.IndexByte(b, ':') >= 0 {
		return parseIPv6(b)
	}
	a, ok := parseIPv4(b)
	if !ok {
		return netip.Addr{}, false
	}
	return netip.AddrFrom4(a), true
}

func parseIPv4(b []byte) (a [4]byte, ok bool) {
	for i := range a {
		n := 0
		for n < len(b) && numeral.Is(b[n]) {
			n++
		}
		v, ok := numeral.Decimal(b[:n], math.MaxUint8)
		if !ok || n > 1 && b[0] == '0' {
			return a, false
		}
		a[i] = byte(v)
		if b = b[n:]; i < len(a)-1 {
			if len(b) == 0 || b[0] != '.' {
				return a, false
			}
			b = b[1:]
		}
	}
	return a, len(b) == 0
}

func parseIPv6(b []byte) (netip.Addr, bool) {
	var a [16]byte
	n, gap := 0, -1
	if rest, ok := bytes.CutPrefix(b, []byte("::")); ok {
		gap, b = 0, rest
	}
	for len(b) > 0 {
		digits := 0
		for digits < len(b) && numeral.Value(b[digits]) >= 0 {
			digits++
		}
		if digits < len(b) && b[digits] == '.' {
			v4, ok := parseIPv4(b)
			if !ok || n > len(a)-4 {
				return netip.Addr{}, false
			}
			n += copy(a[n:], v4[:])
			break
		}
		v, ok := numeral.Hex(b[:digits])
		if !ok || digits > 4 || n == len(a) {
			return netip.Addr{}, false
		}
		binary.BigEndian.PutUint16(a[n:], uint16(v))
		n += 2
		if b = b[digits:]; len(b) == 0 {
			break
		}
		switch {
		case b[0] == ':' && len(b) > 1 && b[1] != ':':
			b = b[1:]
		case b[0] == ':' && len(b) > 1 && gap < 0:
			gap, b = n, b[2:]
		default:
			return netip.Addr{}, false
		}
	}
	if gap >= 0 {
		if n == len(a) {
			return netip.Addr{}, false
		}
		tail := copy(a[len(a)-(n-gap):], a[gap:n])
		clear(a[gap : len(a)-tail])
	} else if n < len(a) {
		return netip.Addr{}, false
	}
	return netip.AddrFrom16(a), true
}

// parseAddrPort parses `1.2.3.4:5` or `[::1]:5`. The result is invalid for anything else.
func parseAddrPort(b []byte) netip.AddrPort {
	n := bytes.LastIndexByte(b, ':')
	if n < 0 {
		return netip.AddrPort{}
	}
	port, ok := numeral.Decimal(b[n+1:], math.MaxUint16)
	if !ok {
		return netip.AddrPort{}
	}
	b = b[:n]
	if len(b) >= 2 && b[0] == '[' && b[n-1] == ']' {
		b = b[1 : n-1]
	}
	addr, ok := parseAddr(b)
	if !ok {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(addr, uint16(port))
}
