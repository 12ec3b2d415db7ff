package tls

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
)

// JA4 returns the fingerprint of a client by the public specification of JA4: how many ciphers and extensions it
// offers, and digests of their sorted lists, so that clients that shuffle them have one fingerprint.
func (h *ClientHello) JA4(transport byte) string {
	version := uint16(0)
	pairs(h.versions, func(v uint16) {
		if !grease(v) && newer(v, version) {
			version = v
		}
	})
	if version == 0 {
		version = h.Version
	}
	var ciphers, extensions, signatures []uint16
	pairs(h.ciphers, func(v uint16) {
		if !grease(v) {
			ciphers = append(ciphers, v)
		}
	})
	pairs(h.signatures, func(v uint16) {
		if !grease(v) {
			signatures = append(signatures, v)
		}
	})
	count, named := 0, false
	for r := h.extensions; len(r.b) > 0; {
		kind := r.u16()
		r.vector(2)
		if r.bad || grease(kind) {
			continue
		}
		count++
		switch kind {
		case extServerName:
			named = true
		case extALPN:
		default:
			extensions = append(extensions, kind)
		}
	}
	slices.Sort(ciphers)
	slices.Sort(extensions)

	out := append(make([]byte, 0, 36), transport)
	out = append(out, ja4Version(version)...)
	if named {
		out = append(out, 'd')
	} else {
		out = append(out, 'i')
	}
	out = twoDigits(out, len(ciphers))
	out = twoDigits(out, count)
	list := h.protocols
	first := list.vector(1)
	out = append(out, ja4Protocol(first.b)...)
	out = digest(append(out, '_'), ciphers, nil)
	out = digest(append(out, '_'), extensions, signatures)
	return string(out)
}

// newer reports whether version a is later than b; those of DTLS count down.
func newer(a, b uint16) bool {
	if a>>8 == datagrams && b>>8 == datagrams {
		return a < b
	}
	return a > b
}

func ja4Version(v uint16) string {
	switch v {
	case 0xfefc:
		return "d3"
	case 0xfefd:
		return "d2"
	case 0xfeff:
		return "d1"
	case 0x0304:
		return "13"
	case 0x0303:
		return "12"
	case 0x0302:
		return "11"
	case 0x0301:
		return "10"
	case 0x0300:
		return "s3"
	case 0x0002:
		return "s2"
	}
	return "00"
}

func twoDigits(b []byte, n int) []byte {
	n = min(n, 99)
	return append(b, '0'+byte(n/10), '0'+byte(n%10))
}

// ja4Protocol returns the first and the last character of a name; of their hexadecimal form if they are not
// both letters or digits.
func ja4Protocol(name []byte) string {
	if len(name) == 0 {
		return "00"
	}
	ends := []byte{name[0], name[len(name)-1]}
	if alnum(ends[0]) && alnum(ends[1]) {
		return string(ends)
	}
	digits := hex.EncodeToString(ends)
	return digits[:1] + digits[3:]
}

func alnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// digest adds the beginning of the SHA-256 of numbers in hexadecimal, with commas between them, and after a _ of more.
func digest(out []byte, list, more []uint16) []byte {
	if len(list) == 0 {
		return append(out, "000000000000"...)
	}
	b := numbers(nil, list)
	if len(more) > 0 {
		b = numbers(append(b, '_'), more)
	}
	sum := sha256.Sum256(b)
	return hex.AppendEncode(out, sum[:6])
}

func numbers(b []byte, list []uint16) []byte {
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = hex.AppendEncode(b, []byte{byte(v >> 8), byte(v)})
	}
	return b
}
