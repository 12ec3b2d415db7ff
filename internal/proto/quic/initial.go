package quic

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
)

// Versions that are read.
const (
	version1 = 0x00000001 // RFC 9000
	version2 = 0x6b3343cf // RFC 9369
)

// Types of packets with a long header, as in version 1.
const (
	initial   = 0
	zeroRTT   = 1
	handshake = 2
	retry     = 3
)

const (
	long  = 0x80 // of the first byte: a long header
	fixed = 0x40
	// maxID bounds a connection ID, minID is the least that a client chooses for the server at first.
	maxID = 20
	minID = 8
)

// packet is the header of a packet with a long header. Its slices alias the datagram.
type packet struct {
	version uint32
	kind    int
	to      []byte // destination connection ID
	from    []byte // source connection ID
	number  int    // offset of the packet number, which is protected
	size    int    // of the whole packet; more than the bytes at hand if they are cut
	rest    []byte // of other packets: what follows the connection IDs
}

// readPacket reads the header of the first packet of a datagram.
func readPacket(b []byte) (p packet, ok bool) {
	const head = 7
	if len(b) < head || b[0]&long == 0 {
		return p, false
	}
	p.version = binary.BigEndian.Uint32(b[1:])
	at := 5
	for _, id := range [...]*[]byte{&p.to, &p.from} {
		if at >= len(b) {
			return p, false
		}
		n := int(b[at])
		if at++; n > maxID || at+n > len(b) {
			return p, false
		}
		*id = b[at : at+n]
		at += n
	}
	p.rest, p.size = b[at:], len(b)
	p.kind = int(b[0] >> 4 & 3)
	switch p.version {
	case version1:
	case version2:
		p.kind = (p.kind + 3) % 4
	default:
		return p, true
	}
	if b[0]&fixed == 0 {
		return p, false
	}
	if p.kind == retry {
		return p, true
	}
	rest := p.rest
	if p.kind == initial {
		token, n := varint(rest)
		if n == 0 || token > uint64(len(rest)-n) {
			return p, false
		}
		rest = rest[n+int(token):]
	}
	length, n := varint(rest)
	const least = 4 + 16 // what the sample for the protection of headers takes
	if n == 0 || length < least || length > 1<<16 {
		return p, false
	}
	p.number = len(b) - len(rest) + n
	p.size = p.number + int(length)
	return p, true
}

// varint reads a number (RFC 9000, 16) and returns its size; 0 if it is not complete.
func varint(b []byte) (v uint64, n int) {
	if len(b) == 0 {
		return 0, 0
	}
	if n = 1 << (b[0] >> 6); len(b) < n {
		return 0, 0
	}
	v = uint64(b[0] & 0x3f)
	for _, c := range b[1:n] {
		v = v<<8 | uint64(c)
	}
	return v, n
}

// salts are what the keys of Initial packets are made of (RFC 9001, 5.2; RFC 9369, 3.3.1).
var salts = map[uint32]string{
	version1: "\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a",
	version2: "\x0d\xed\xe3\xde\xf7\x00\xa6\xdb\x81\x93\x81\xbe\x6e\x26\x9d\xcb\xf9\xbd\x2e\xd9",
}

// expand derives a key of n bytes (RFC 8446, 7.1).
func expand(secret []byte, label string, n int) []byte {
	info := string([]byte{byte(n >> 8), byte(n), byte(len("tls13 ") + len(label))}) + "tls13 " + label + "\x00"
	out, err := hkdf.Expand(sha256.New, secret, info, n)
	if err != nil {
		return make([]byte, n) // with a constant n there is none
	}
	return out
}

// open decrypts an Initial packet with the keys that belong to the connection ID which the client chose for the server.
func open(b []byte, p *packet, id []byte, client bool) (payload []byte, ok bool) {
	if p.size > len(b) {
		return nil, false
	}
	secret, err := hkdf.Extract(sha256.New, id, []byte(salts[p.version]))
	if err != nil {
		return nil, false
	}
	side, prefix := "server in", "quic "
	if client {
		side = "client in"
	}
	if p.version == version2 {
		prefix = "quicv2 "
	}
	secret = expand(secret, side, sha256.Size)
	hp, err := aes.NewCipher(expand(secret, prefix+"hp", 16))
	if err != nil {
		return nil, false
	}
	var mask [aes.BlockSize]byte
	hp.Encrypt(mask[:], b[p.number+4:p.number+4+aes.BlockSize])
	first := b[0] ^ mask[0]&0x0f
	n := int(first&3) + 1
	head := append(make([]byte, 0, p.number+n), b[:p.number+n]...)
	head[0] = first
	nonce := expand(secret, prefix+"iv", 12)
	for i := range n {
		head[p.number+i] ^= mask[1+i]
		nonce[len(nonce)-n+i] ^= head[p.number+i]
	}
	block, err := aes.NewCipher(expand(secret, prefix+"key", 16))
	if err != nil {
		return nil, false
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, false
	}
	payload, err = gcm.Open(nil, nonce, b[p.number+n:p.size], head)
	return payload, err == nil
}
