package pcapfilter_test

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
)

// The packets use only the addresses and ports that are in the expressions, so
// that filters often match.
var (
	addrs4 = []string{"10.0.0.1", "10.1.2.3", "10.2.0.9", "1.2.3.4", "5.6.7.8", "192.168.1.7", "224.0.0.251", "239.1.1.1", "255.255.255.255", "0.0.0.0", "0.0.0.10"}
	addrs6 = []string{"2001:db8::1", "2001:db8:8000::2", "2001:db8:1:2::3", "::1", "fe80::1", "ff02::1", "::ffff:1.2.3.4", "::"}
	ports  = []uint16{80, 443, 53, 22, 25, 20, 21, 123, 5060, 1, 5, 10, 65535}
)

// header4 returns an IPv4 packet. options is the length of its options in bytes,
// a multiple of 4; fragment is its flags and fragment offset field.
func header4(src, dst string, proto uint8, options int, fragment uint16, payload []byte) []byte {
	b := make([]byte, 20+options, 20+options+len(payload))
	b[0] = 0x40 | uint8(len(b)/4)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)+len(payload)))
	binary.BigEndian.PutUint16(b[4:], 0x1234)
	binary.BigEndian.PutUint16(b[6:], fragment)
	b[8], b[9] = 64, proto
	copy(b[12:], netip.MustParseAddr(src).AsSlice())
	copy(b[16:], netip.MustParseAddr(dst).AsSlice())
	for i := range options {
		b[20+i] = 1
	}
	return append(b, payload...)
}

func header6(src, dst string, next uint8, payload []byte) []byte {
	b := make([]byte, 40, 40+len(payload))
	b[0] = 0x60
	binary.BigEndian.PutUint16(b[4:], uint16(len(payload)))
	b[6], b[7] = next, 64
	copy(b[8:], netip.MustParseAddr(src).AsSlice())
	copy(b[24:], netip.MustParseAddr(dst).AsSlice())
	return append(b, payload...)
}

// extension6 returns an IPv6 extension header of 8 bytes, and payload. As a
// fragment header it has offset 0.
func extension6(next uint8, payload []byte) []byte {
	return append([]byte{next, 0, 0, 1, 0, 0, 0, 7}, payload...)
}

func segment(src, dst uint16, flags uint8, data int) []byte {
	b := make([]byte, 20+data)
	binary.BigEndian.PutUint16(b, src)
	binary.BigEndian.PutUint16(b[2:], dst)
	b[12], b[13] = 0x50, flags
	return b
}

func datagram(src, dst uint16, data int) []byte {
	b := make([]byte, 8+data)
	binary.BigEndian.PutUint16(b, src)
	binary.BigEndian.PutUint16(b[2:], dst)
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)))
	return b
}

func icmp(kind, code uint8) []byte { return append([]byte{kind, code}, make([]byte, 14)...) }

// packets returns the packets on which filters are compared.
func packets() [][]byte {
	r := rand.New(rand.NewPCG(4, 6))
	pick4 := func() string { return addrs4[r.IntN(len(addrs4))] }
	pick6 := func() string { return addrs6[r.IntN(len(addrs6))] }
	port := func() uint16 { return ports[r.IntN(len(ports))] }
	var all [][]byte
	add := func(proto uint8, payload []byte) {
		all = append(all,
			header4(pick4(), pick4(), proto, 4*r.IntN(3), 0, payload),
			header6(pick6(), pick6(), proto, payload))
	}
	for range 80 { // ports
		add(6, segment(port(), port(), 0x10, r.IntN(100)))
		add(17, datagram(port(), port(), r.IntN(100)))
	}
	for range 12 {
		add(132, append(datagram(port(), port(), 0), 0, 0, 0, 0, 1, 2, 3, 4))
	}
	for flags := range 256 {
		all = append(all, header4(pick4(), pick4(), 6, 0, 0, segment(port(), port(), uint8(flags), 0)))
	}
	for kind := range 48 {
		all = append(all, header4(pick4(), pick4(), 1, 4*(kind%2), 0, icmp(uint8(kind), uint8(kind%3))))
	}
	for kind := range 256 {
		if kind > 8 && kind < 120 || kind > 160 {
			continue
		}
		all = append(all, header6(pick6(), pick6(), 58, icmp(uint8(kind), uint8(kind%3))))
	}
	for proto := range 256 {
		all = append(all, header4(pick4(), pick4(), uint8(proto), 0, 0, segment(port(), port(), 2, 4)))
		if proto%4 == 0 || slices.Contains([]int{50, 51, 58, 89, 103, 112, 135}, proto) {
			all = append(all, header6(pick6(), pick6(), uint8(proto), segment(port(), port(), 2, 4)))
		}
	}
	for _, fragment := range []uint16{0x2000, 0x4000, 0x2001, 0x0001, 0x1fff, 0x8000, 0xffff} {
		all = append(all,
			header4(pick4(), pick4(), 6, 0, fragment, segment(80, 443, 2, 0)),
			header4(pick4(), pick4(), 17, 8, fragment, datagram(53, 53, 9)),
			header4(pick4(), pick4(), 1, 0, fragment, icmp(8, 0)))
	}
	for _, next := range []uint8{0, 43, 44, 60, 51} { // extension headers
		for _, proto := range []uint8{6, 17, 132, 58, 44, 89} {
			all = append(all, header6(pick6(), pick6(), next, extension6(proto, segment(80, 53, 0x12, 0))))
		}
		all = append(all, header6(pick6(), pick6(), next, extension6(44, extension6(6, segment(80, 443, 2, 0)))))
	}
	for _, a := range addrs4 {
		for _, b := range addrs4 {
			all = append(all, header4(a, b, 17, 0, 0, datagram(port(), port(), 0)))
		}
	}
	for _, a := range addrs6 {
		for _, b := range addrs6 {
			all = append(all, header6(a, b, 6, segment(port(), port(), 2, 0)))
		}
	}
	for _, p := range [][]byte{ // truncated at each length
		header4("10.0.0.1", "1.2.3.4", 6, 8, 0, segment(80, 443, 0x12, 4)),
		header4("10.1.2.3", "224.0.0.251", 17, 0, 0, datagram(53, 123, 4)),
		header4("5.6.7.8", "10.0.0.1", 1, 0, 0, icmp(8, 0)),
		header6("2001:db8::1", "ff02::1", 6, segment(443, 22, 2, 4)),
		header6("::1", "2001:db8::1", 44, extension6(17, datagram(53, 80, 2))),
		header6("fe80::1", "ff02::1", 58, icmp(135, 0)),
	} {
		for n := 1; n < len(p); n++ {
			all = append(all, p[:n])
		}
	}
	for i := range 150 { // random bytes
		b := make([]byte, 1+r.IntN(120))
		for j := range b {
			b[j] = uint8(r.Uint32())
		}
		switch i % 3 {
		case 0:
			b[0] = 0x40 | b[0]&15
		case 1:
			b[0] = 0x60 | b[0]&15
		}
		all = append(all, b)
	}
	return all
}
