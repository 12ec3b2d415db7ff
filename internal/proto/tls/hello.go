package tls

import (
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
)

// reader reads numbers and vectors from the beginning of bytes. Reading beyond the end sets bad.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.b, r.bad = nil, true
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

// number reads a number of n bytes.
func (r *reader) number(n int) (v int) {
	for _, c := range r.take(n) {
		v = v<<8 | int(c)
	}
	return v
}

func (r *reader) u16() uint16 { return uint16(r.number(2)) }

// vector reads a vector whose length has n bytes.
func (r *reader) vector(n int) reader { return reader{b: r.take(r.number(n))} }

// Extensions (IANA tls-extensiontype-values) that are read.
const (
	extServerName = 0
	extSignatures = 13
	extALPN       = 16
	extPSK        = 41
	extEarlyData  = 42
	extVersions   = 43
	extKeyShare   = 51
)

// ClientHello is the first message of a client. Its slices alias the message.
type ClientHello struct {
	Version    uint16 // legacy_version
	Session    []byte
	Cookie     []byte // DTLS: what a HelloVerifyRequest had
	ServerName []byte
	Early      bool   // data are sent before the answer
	ciphers    []byte // numbers of two bytes, as in the message; so are the following
	signatures []byte
	versions   []byte
	protocols  reader // ALPN
	extensions reader
}

// ReadClientHello reads a ClientHello (RFC 8446, 4.1.2) after the header of its handshake message.
func ReadClientHello(b []byte) (h ClientHello, ok bool) { return readClientHello(b, 3) }

// ReadDatagramClientHello reads a ClientHello of DTLS (RFC 6347, 4.3.2; RFC 9147, 5.3).
func ReadDatagramClientHello(b []byte) (h ClientHello, ok bool) { return readClientHello(b, datagrams) }

// datagrams is the first byte of versions of DTLS, which are the complements of those of TLS.
const datagrams = 0xfe

// readClientHello reads a ClientHello whose version has a first byte.
func readClientHello(b []byte, major uint16) (h ClientHello, ok bool) {
	r := reader{b: b}
	h.Version = r.u16()
	const random = 32
	r.take(random)
	h.Session = r.take(r.number(1))
	if major == datagrams {
		h.Cookie = r.take(r.number(1))
	}
	h.ciphers = r.take(r.number(2))
	r.take(r.number(1)) // compression methods
	if r.bad || h.Version>>8 != major || len(h.Session) > 32 || len(h.ciphers) == 0 || len(h.ciphers)%2 != 0 {
		return h, false
	}
	if len(r.b) == 0 {
		return h, true // no extensions
	}
	h.extensions = r.vector(2)
	if r.bad || len(r.b) > 0 {
		return h, false
	}
	for r := h.extensions; len(r.b) > 0; {
		kind, data := r.u16(), r.vector(2)
		if r.bad {
			return h, false
		}
		switch kind {
		case extServerName:
			list := data.vector(2)
			if list.number(1) == 0 { // host_name
				h.ServerName = list.take(list.number(2))
			}
		case extSignatures:
			h.signatures = data.take(data.number(2) &^ 1)
		case extALPN:
			h.protocols = data.vector(2)
		case extVersions:
			h.versions = data.take(data.number(1) &^ 1)
		case extEarlyData:
			h.Early = true
		}
	}
	return h, true
}

// pairs calls f for each number of two bytes.
func pairs(b []byte, f func(uint16)) {
	for ; len(b) >= 2; b = b[2:] {
		f(uint16(b[0])<<8 | uint16(b[1]))
	}
}

// grease reports whether a number is reserved for clients that test servers (RFC 8701).
func grease(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }

// maxList bounds the protocols and versions of a message that are shown.
const maxList = 8

// Fields adds the fields of a ClientHello; transport is the first letter of its fingerprint: t for TCP, q for QUIC, d for DTLS.
func (h *ClientHello) Fields(list []event.Field, transport byte) []event.Field {
	if len(h.ServerName) > 0 {
		list = append(list, event.Field{Key: KeyServerName, Text: proto.Text(h.ServerName)})
	}
	n := 0
	for r := h.protocols; len(r.b) > 0 && n < maxList; n++ {
		name := r.vector(1)
		if len(name.b) > 0 {
			list = append(list, event.Field{Key: KeyOffered, Text: proto.Text(name.b)})
		}
	}
	n = 0
	pairs(h.versions, func(v uint16) {
		if n++; n <= maxList && !grease(v) {
			list = append(list, event.Field{Key: KeyVersions, Text: versionName(v)})
		}
	})
	if len(h.versions) == 0 {
		list = append(list, event.Field{Key: KeyVersions, Text: versionName(h.Version)})
	}
	return append(list, event.Field{Key: KeyJA4, Text: h.JA4(transport)})
}

// ServerHello is the first message of a server. Its slices alias the message.
type ServerHello struct {
	Version  uint16 // the one that was chosen
	Session  []byte
	Cipher   uint16
	Protocol []byte // ALPN, where it is not encrypted
	Group    uint16 // of the key exchange; 0 if it is not said here
	PSK      bool
	Retry    bool // a HelloRetryRequest
}

// retry is the random number of a HelloRetryRequest: the SHA-256 of "HelloRetryRequest".
const retry = "\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c"

// ReadServerHello reads a ServerHello (RFC 8446, 4.1.3), also one of DTLS, after the header of its handshake message.
func ReadServerHello(b []byte) (h ServerHello, ok bool) {
	r := reader{b: b}
	h.Version = r.u16()
	h.Retry = string(r.take(len(retry))) == retry
	h.Session = r.take(r.number(1))
	h.Cipher = r.u16()
	r.number(1) // compression method
	if r.bad || h.Version>>8 != 3 && h.Version>>8 != datagrams || len(h.Session) > 32 {
		return h, false
	}
	for r := r.vector(2); len(r.b) > 0; {
		kind, data := r.u16(), r.vector(2)
		if r.bad {
			return h, false
		}
		switch kind {
		case extVersions:
			h.Version = data.u16()
		case extALPN:
			list := data.vector(2)
			h.Protocol = list.take(list.number(1))
		case extKeyShare:
			h.Group = data.u16()
		case extPSK:
			h.PSK = true
		}
	}
	return h, true
}

// Fields adds the fields of a ServerHello.
func (h *ServerHello) Fields(list []event.Field) []event.Field {
	list = append(list, event.Field{Key: KeyVersion, Text: versionName(h.Version)}, event.Field{Key: KeyCipher, Text: CipherName(h.Cipher)})
	if len(h.Protocol) > 0 {
		list = append(list, event.Field{Key: KeyProtocol, Text: proto.Text(h.Protocol)})
	}
	if h.Group != 0 {
		list = append(list, event.Field{Key: KeyGroup, Text: named(groups, h.Group)})
	}
	if h.PSK {
		list = append(list, event.Field{Key: KeyResumed, Num: 1})
	}
	return list
}
