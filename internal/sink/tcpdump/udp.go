package tcpdump

import (
	"encoding/binary"

	"github.com/pidwire/pidwire/internal/event"
)

// udp writes a datagram whose header is at offset at.
func (w *writer) udp(at int, length uint32, fragmented bool) {
	w.proto = "udp"
	if !w.has(at+2, 2) {
		if w.p.IP.Proto == event.ProtoUDP {
			w.ends(": ")
		}
		w.trunc()
		return
	}
	w.ports(event.ProtoUDP, ": ")
	if length < 8 {
		w.say("truncated-udp ", length)
		return
	}
	if !w.has(at+4, 2) {
		w.trunc()
		return
	}
	n := uint32(binary.BigEndian.Uint16(w.d[at+4:]))
	if n == 0 && length > 65535 { // a jumbogram, RFC 2675
		n = length
	}
	if n < 8 {
		w.say("truncated-udplength ", n)
		return
	}
	n -= 8
	length = min(length-8, n)
	if at+8 > w.end {
		w.trunc()
		return
	}
	if w.o.Verbose > 0 && !fragmented {
		w.udpSum(at, length)
	}
	if !w.o.Quick {
		src, dst := w.p.Src.Port(), w.p.Dst.Port()
		switch {
		case src == 53 || dst == 53:
			w.dns(at+8, length, dnsUDP)
			return
		case src == 5353 || dst == 5353:
			w.dns(at+8, length, dnsMulticast)
			return
		case (src == 5060 || dst == 5060) && !beforeSIP(src, dst):
			w.text(at+8, length, &sipText)
			return
		}
	}
	if n > length && !fragmented {
		w.say("UDP, bad length ", n)
		w.say(" > ", length)
	} else {
		w.say("UDP, length ", n)
	}
}

// udpSum writes the result of the checksum. Over IPv4, where it is optional, it does so only
// with -vv.
func (w *writer) udpSum(at int, length uint32) {
	if w.p.Version == 4 && w.o.Verbose < 2 {
		return
	}
	has := w.p.UDP.Sum
	if w.p.Version == 4 && has == 0 {
		w.str("[no cksum] ")
		return
	}
	if !w.has(at+8, length) {
		return
	}
	s := w.pseudo(at, length+8, event.ProtoUDP)
	if s == 0 {
		w.str("[udp sum ok] ")
		return
	}
	w.str("[bad udp cksum 0x")
	w.hex(uint64(has), 4)
	w.str(" -> 0x")
	w.hex(uint64(shouldBe(has, s)), 4)
	w.str("!] ")
}

// beforeSIP reports whether tcpdump decodes a port as another protocol before it checks the SIP
// port. The datagram is then not decoded as SIP.
func beforeSIP(src, dst uint16) bool {
	for _, p := range [...]uint16{src, dst} {
		switch p {
		case 67, 68, 69, 88, 123, 161, 162, 496, 500, 520, 521, 525, 546, 547, 646, 654, 698, 701, 750, 921, 1589,
			1645, 1646, 1700, 1701, 1812, 1813, 2103, 2104, 3503, 3799, 4500, 5359, 6343, 6696, 6697, 7500, 8231, 8500,
			7000, 7001, 7002, 7003, 7004, 7005, 7006, 7007, 7008, 7009, 12222, 12223:
			return true
		}
	}
	switch dst {
	case 1985, 3456, 3784, 3785, 4567, 4784, 6784:
		return true
	}
	return src == 49152
}
