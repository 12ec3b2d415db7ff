package tcpdump_test

import "strings"

// labels returns an encoded domain name.
func labels(name string) []byte {
	var b []byte
	for l := range strings.SplitSeq(name, ".") {
		if l != "" {
			b = append(append(b, uint8(len(l))), l...)
		}
	}
	return append(b, 0)
}

func dnsMsg(id, flags uint16, counts [4]uint16, parts ...any) []byte {
	return cat(id, flags, counts[0], counts[1], counts[2], counts[3], cat(parts...))
}

func question(name string, kind, class uint16) []byte { return cat(labels(name), kind, class) }

// record returns a resource record whose owner is the name at offset 12.
func record(kind, class uint16, data ...any) []byte {
	d := cat(data...)
	return cat(uint16(0xc00c), kind, class, uint32(300), uint16(len(d)), d)
}

var dnsQuery = dnsMsg(4711, 0x0100, [4]uint16{1, 0, 0, 0}, question("api.example.com", 1, 1))

func dnsCases() [][]byte {
	q := question("api.example.com", 1, 1)
	a := record(1, 1, uint32(0x01020304))
	opt := func(flags uint16, data ...any) []byte {
		d := cat(data...)
		return cat(uint8(0), uint16(41), uint16(1232), uint8(1), uint8(0), flags, uint16(len(d)), d)
	}
	option := func(code uint16, data ...any) []byte {
		d := cat(data...)
		return cat(code, uint16(len(d)), d)
	}
	messages := [][]byte{
		dnsQuery,
		dnsMsg(4711, 0x8180, [4]uint16{1, 1, 0, 0}, q, a),
		dnsMsg(4711, 0x8583, [4]uint16{1, 0, 1, 0}, q, record(6, 1, labels("ns.example.com"), labels("host.example.com"), uint32(1), uint32(2), uint32(3), uint32(4), uint32(5))),
		dnsMsg(4712, 0x8182, [4]uint16{1, 0, 0, 0}, q),
		dnsMsg(4712, 0x8200, [4]uint16{1, 0, 0, 0}, q),
		dnsMsg(4712, 0x81a0, [4]uint16{1, 3, 1, 1}, q, a, record(28, 1, uint64(0x20010db8<<32), uint64(1)), record(5, 1, labels("x.example.com")), record(2, 1, uint16(0xc010)), opt(0x8000)),
		dnsMsg(1, 0x0110, [4]uint16{1, 0, 0, 1}, q, opt(0)),
		dnsMsg(1, 0x0000, [4]uint16{1, 0, 0, 1}, q, opt(0x8000, option(10, "clientco"), option(8, uint16(1), uint8(24), uint8(0), "\x0a\x00\x01"), option(12, "\x00\x00"), option(3), option(11, uint16(123)), option(9, uint32(5)), option(14, uint16(1), uint16(2)), option(5, "\x05\x08\x63"), option(6, "\x02"), option(7, "\x01"), option(13, labels("a.b")), option(77, "xy"))),
		dnsMsg(1, 0x8180, [4]uint16{1, 1, 0, 1}, q, a, opt(0x8000, option(10, "clientcoserverco"), option(8, uint16(2), uint8(32), uint8(0), uint32(0x20010db8)), option(8, uint16(9), uint16(0)), option(10, "x"), option(11, "x"), option(9, "x"), option(14, "x"))),
		dnsMsg(2, 0x0100, [4]uint16{1, 0, 0, 0}, question("4.3.2.1.in-addr.arpa", 12, 1)),
		dnsMsg(2, 0x8180, [4]uint16{1, 1, 0, 0}, question("4.3.2.1.in-addr.arpa", 12, 1), record(12, 1, labels("host.example.com"))),
		dnsMsg(3, 0x8180, [4]uint16{1, 2, 0, 0}, question("example.com", 15, 1), record(15, 1, uint16(10), labels("mx1.example.com")), record(15, 1, uint16(20), uint8(3), "mx2", uint16(0xc00c))),
		dnsMsg(3, 0x8180, [4]uint16{1, 1, 0, 0}, question("example.com", 16, 1), record(16, 1, uint8(5), "v=spf", uint8(4), "a\x1b\xff\"")),
		dnsMsg(3, 0x8180, [4]uint16{1, 1, 0, 0}, question("_x._tcp.example.com", 33, 1), record(33, 1, uint16(1), uint16(2), uint16(443), labels("srv.example.com"))),
		dnsMsg(3, 0x8180, [4]uint16{1, 3, 0, 0}, q, record(256, 1, uint16(1), uint16(2), "http://a/"), record(65, 1, "https"), record(257, 1, "caa")),
		dnsMsg(3, 0x8180, [4]uint16{1, 3, 0, 0}, q, record(38, 1, uint8(64), uint64(1), labels("p.example.com")), record(38, 1, uint8(0), uint64(1), uint64(2)), record(38, 1, uint8(129))),
		dnsMsg(3, 0x8180, [4]uint16{1, 1, 0, 1}, q, record(104, 1, "free text"), record(250, 255, labels("hmac-md5"), uint16(0), uint32(1), uint16(300), uint16(2), uint16(7), uint16(3), uint16(0), uint16(0))),
		dnsMsg(4, 0x0100, [4]uint16{1, 0, 0, 0}, question("x", 255, 3)),
		dnsMsg(4, 0x0100, [4]uint16{1, 0, 0, 0}, question("x", 65, 4)),
		dnsMsg(4, 0x0100, [4]uint16{1, 0, 0, 0}, question("x", 65, 77)),
		dnsMsg(4, 0x0100, [4]uint16{1, 0, 0, 0}, question("", 2, 1)),
		dnsMsg(4, 0x2800, [4]uint16{1, 1, 1, 1}, q, a, a, a),
		dnsMsg(4, 0x0900, [4]uint16{1, 0, 0, 0}, q),
		dnsMsg(4, 0x0900, [4]uint16{0, 1, 0, 0}, a),
		dnsMsg(4, 0x07ef, [4]uint16{2, 0, 0, 0}, q, q),
		dnsMsg(4, 0x8180, [4]uint16{2, 1, 0, 0}, q, q, a),
		dnsMsg(4, 0x8180, [4]uint16{0, 0, 0, 0}),
		dnsMsg(4, 0x8180, [4]uint16{1, 2, 0, 0}, q, a),
		dnsMsg(4, 0x0100, [4]uint16{1, 0, 0, 0}, uint16(0xc00c), uint16(1), uint16(1)),
		dnsMsg(4, 0x0100, [4]uint16{1, 0, 0, 0}, uint16(0xc0ff), uint16(1), uint16(1)),
		dnsMsg(4, 0x0100, [4]uint16{1, 0, 0, 0}, uint8(0x80), uint8(0), uint16(1), uint16(1)),
		dnsMsg(4, 0x0100, [4]uint16{1, 0, 0, 0}, uint8(0x42), uint8(0), uint16(1), uint16(1)),
		dnsMsg(4, 0x0100, [4]uint16{1, 0, 0, 0}, uint8(0x41), uint8(13), uint16(0xabcd), uint8(0), uint16(1), uint16(1)),
		dnsMsg(4, 0x0100, [4]uint16{1, 0, 0, 0}, uint8(4), "\x00\x07\x80.", uint8(0), uint16(1), uint16(1)),
		dnsMsg(4, 0x0100, [4]uint16{1, 0, 0, 0}, question(strings.Repeat("abcdefghi.", 40), 1, 1)),
		dnsMsg(4, 0x0100, [4]uint16{1, 0, 0, 0}, "\x03ab"),
		[]byte("short"),
	}
	var list [][]byte
	for i, m := range messages {
		if m[min(2, len(m)-1)]&0x80 != 0 {
			list = append(list, ip4{src: "10.0.0.5", dst: "10.0.2.15", proto: 17, transportAt: 6}.with(udpDatagram(53, 40000, m)))
		} else {
			list = append(list, udp4(40000, 53, m))
		}
		if i%4 == 0 {
			list = append(list, tcp4(tcpSeg{sport: 40000, dport: 53, seq: 1, ack: 1, flags: ack | psh}, string(cat(uint16(len(m)), m))))
		}
	}
	list = append(list,
		tcp4(tcpSeg{sport: 40000, dport: 53, seq: 1, ack: 1, flags: ack | psh}, "x"),
		tcp4(tcpSeg{sport: 40000, dport: 53, seq: 1, ack: 1, flags: ack | psh}, string(cat(uint16(500), dnsQuery))),
		udp6(5353, 5353, dnsMsg(0, 0, [4]uint16{2, 0, 0, 0}, question("_ipp._tcp.local", 12, 1), question("host.local", 1, 0x8001))),
		udp6(5353, 5353, dnsMsg(0, 0x8400, [4]uint16{0, 1, 0, 1}, cat(labels("host.local"), uint16(1), uint16(0x8001), uint32(120), uint16(4), uint32(0xc0000201)), opt(0))),
	)
	return list
}

func ip6Cases() [][]byte {
	datagram := udpDatagram(1000, 2000, []byte("payload."))
	one := func(next uint8, ext ...any) []byte {
		return ip6{src: "2001:db8::1", dst: "2001:db8:0:1::2", next: next, proto: 17, transportAt: 6, ext: cat(ext...)}.with(datagram)
	}
	segment := uint64(0x20010db800000000)
	big := one(17)
	be.PutUint16(big[4:], 1000)
	version := one(17)
	version[0] = 0x75
	list := [][]byte{
		ip6{src: "::1", dst: "::1", next: 17, transportAt: 6, class: 0x28, flow: 0xbeef, hops: 1}.with(datagram),
		ip6{src: "::ffff:1.2.3.4", dst: "::1.2.3.4", next: 17, transportAt: 6}.with(datagram),
		ip6{src: "1:0:0:2:0:0:0:3", dst: "1:0:2:3:4:5:6:7", next: 17, transportAt: 6}.with(datagram),
		ip6{src: "::", dst: "::1:0", next: 17, transportAt: 6}.with(datagram),
		one(17), big, version,
		one(0, uint8(17), uint8(0), uint8(5), uint8(2), uint16(0), uint8(1), uint8(0)),
		one(0, uint8(17), uint8(0), uint8(0), uint8(0), uint8(1), uint8(2), uint16(0)),
		one(0, uint8(17), uint8(0), uint8(0x26), uint8(4), uint32(0)),
		one(0, uint8(17), uint8(0), uint8(5), uint8(3), uint32(0)),
		one(0, uint8(17), uint8(0), uint8(5), uint8(9), uint32(0)),
		one(0, uint8(17), uint8(0), uint8(0xc2), uint8(4), uint32(70000)),
		one(0, uint8(17), uint8(2), uint8(0xc9), uint8(20), segment, uint64(1), uint32(0x00010000+7)),
		one(0, uint8(0), uint8(0), uint8(1), uint8(4), uint32(0), uint8(17), uint8(0), uint8(1), uint8(4), uint32(0)),
		one(60, uint8(17), uint8(0), uint8(1), uint8(4), uint32(0)),
		one(60, uint8(0), uint8(0), uint8(1), uint8(4), uint32(0), uint8(17), uint8(0), uint8(1), uint8(4), uint32(0)),
		one(60, uint8(17), uint8(0), uint8(0xc2), uint8(4), uint32(70000)),
		one(43, uint8(17), uint8(2), uint8(0), uint8(1), uint32(0), segment, uint64(9)),
		one(43, uint8(17), uint8(4), uint8(2), uint8(1), uint32(7), segment, uint64(8), segment, uint64(9)),
		one(43, uint8(17), uint8(4), uint8(4), uint8(1), uint8(1), uint8(8), uint16(0xab), segment, uint64(8), segment, uint64(9)),
		one(43, uint8(17), uint8(1), uint8(0), uint8(1), uint32(0), segment),
		one(43, uint8(17), uint8(0), uint8(9), uint8(1), uint32(0)),
		one(44, uint8(17), uint8(0), uint16(1), uint32(0xcafe)),
		one(44, uint8(17), uint8(0), uint16(1480|1), uint32(0xcafe)),
		one(44, uint8(17), uint8(0), uint16(0), uint32(0xcafe)),
		one(0, uint8(43), uint8(0), uint8(1), uint8(4), uint32(0), uint8(44), uint8(0), uint8(4), uint8(0), uint32(0)),
		one(135, uint8(59), uint8(1), uint8(1), uint8(0), uint32(0), uint64(1)),
		one(135, uint8(59), uint8(3), uint8(5), uint8(0), uint16(0), uint16(77), uint8(0xa0), uint8(0), uint16(10), uint32(0), uint64(0)),
		one(135, uint8(59), uint8(3), uint8(6), uint8(0), uint16(0), uint8(1), uint8(0x80), uint16(9), uint16(10), uint32(0), uint64(0)),
		one(135, uint8(59), uint8(2), uint8(3), uint8(0), uint16(0), uint16(7), uint64(0), uint64(0)),
		one(135, uint8(59), uint8(2), uint8(7), uint8(0), uint16(0), uint16(0x0300), segment, uint64(1)),
		one(135, uint8(59), uint8(0), uint8(9), uint8(0), uint32(0)),
		one(135, uint8(59), uint8(6), uint8(5), uint8(0), uint16(0), uint16(77), uint8(0xf0), uint8(0), uint16(10),
			uint8(1), uint8(0), uint8(2), uint8(2), uint16(9), uint8(3), uint8(16), segment, uint64(1), uint8(4), uint8(4), uint32(0x00010002), uint8(9), uint8(1), uint8(7), uint8(5), uint8(10), uint64(0), uint16(0)),
		one(135, uint8(59), uint8(0), uint8(7), uint8(0), uint32(0)),
		ip6{src: "::1", dst: "::2", next: 59}.with(nil),
		ip6{src: "::1", dst: "::2", next: 59}.with([]byte("after the end")),
		ip6{src: "::1", dst: "::2", next: 6}.with(nil),
		ip6{src: "::1", dst: "::2", next: 17, noLength: true}.with(datagram),
		ip6{src: "::1", dst: "::2", next: 60, noLength: true, ext: cat(uint8(17), uint8(0), uint8(1), uint8(4), uint32(0))}.with(datagram),
		ip6{src: "::1", dst: "::2", next: 0, noLength: true, ext: cat(uint8(17), uint8(0), uint8(0xc2), uint8(4), uint32(70000))}.with(datagram),
		ip6{src: "::1", dst: "::2", next: 0, noLength: true, ext: cat(uint8(17), uint8(0), uint8(0xc2), uint8(4), uint32(7))}.with(datagram),
		ip6{src: "::1", dst: "::2", next: 0, noLength: true, ext: cat(uint8(17), uint8(1), uint8(0xc2), uint8(4), uint32(70000), uint8(0xc2), uint8(4), uint32(70001), uint16(0))}.with(datagram),
	}
	for _, proto := range []uint8{1, 2, 253} {
		list = append(list, ip6{src: "::1", dst: "::2", next: proto}.with([]byte("some payload")))
	}
	return list
}

func icmpCases() [][]byte {
	quoted := udp4(40000, 9, []byte("quoted"))
	seg := tcp4(tcpSeg{sport: 40000, dport: 80, seq: 1, flags: syn, options: synOptions}, "")
	var list [][]byte
	add := func(parts ...any) { list = append(list, icmp4(parts...)) }
	for code := range uint8(17) {
		add(uint8(3), code, uint16(0), uint16(0), uint16(1400), quoted)
	}
	add(uint8(3), uint8(4), uint16(0), uint32(0), quoted)
	add(uint8(3), uint8(3), uint16(0), uint32(0), seg)
	add(uint8(3), uint8(3), uint16(0), uint32(0), seg[:28])
	add(uint8(3), uint8(3), uint16(0), uint32(0), ip4{src: "10.0.0.1", dst: "10.0.0.2", proto: 132}.with([]byte("12345678")))
	for code := range uint8(5) {
		add(uint8(5), code, uint16(0), uint32(0x0a000001), quoted)
	}
	for code := range uint8(3) {
		add(uint8(11), code, uint16(0), uint32(0), quoted)
		add(uint8(12), code, uint16(0), uint32(20<<24), quoted)
	}
	for kind := range uint8(20) {
		if kind != 3 && kind != 5 {
			add(kind, uint8(0), uint16(0), uint16(7), uint16(8), uint32(3600000*5+61001), uint32(2), uint32(3))
		}
	}
	add(uint8(4), uint8(0), uint16(0), uint32(0), quoted)
	add(uint8(9), uint8(0), uint16(0), uint8(2), uint8(2), uint16(59), uint32(0x0a000001), uint32(0), uint32(0x0a000002), uint32(7))
	add(uint8(9), uint8(0), uint16(0), uint8(1), uint8(2), uint16(1800), uint32(0x0a000001), uint32(0))
	add(uint8(9), uint8(0), uint16(0), uint8(1), uint8(2), uint16(9000), uint32(0x0a000001), uint32(0))
	add(uint8(9), uint8(0), uint16(0), uint8(2), uint8(2), uint16(9000), uint32(0x0a000001), uint32(0))
	add(uint8(9), uint8(0), uint16(0), uint8(1), uint8(3), uint16(9000), uint32(0x0a000001), uint32(0))
	many := cat(uint8(9), uint8(0), uint16(0), uint8(20), uint8(2), uint16(9000))
	for i := range uint32(20) {
		many = cat(many, uint32(0xc0a86464)+i, uint32(4000000000))
	}
	add(many)
	padded := cat(quoted, make([]byte, 128-len(quoted)))
	labels := cat(uint16(12), uint8(1), uint8(1), uint32(0x12345e40), uint32(0x67890140))
	ext := func(length uint8, objects ...any) {
		e := checked(cat(uint16(0x2000), uint16(0), cat(objects...)), 2)
		add(uint8(11), uint8(0), uint16(0), uint8(0), length, uint16(0), padded, e)
	}
	ext(32, labels)
	ext(0, labels)
	ext(32, uint16(8), uint8(2), uint8(9), uint32(7))
	ext(32, uint16(8), uint8(0), uint8(9), uint32(7))
	ext(32, uint16(3), uint8(2), uint8(9), uint32(7))
	ext(32, uint16(80), uint8(7), uint8(9), uint32(7))
	add(uint8(11), uint8(0), uint16(0), uint8(0), uint8(32), uint16(0), padded, uint16(0x3000), uint16(0), labels)
	add(uint8(11), uint8(0), uint16(0), uint8(0), uint8(32), uint16(0), padded, uint16(0x2000), uint16(0), labels)
	add(uint8(11), uint8(0), uint16(0), uint8(0), uint8(0), uint16(0), padded, uint16(0x2000), uint16(0), labels)
	wrong := icmp4(uint8(8), uint8(0), uint16(0), uint16(1), uint16(2), "ping")
	wrong[22]++
	return append(list, wrong,
		icmp4(uint8(8), uint8(0), uint16(0), uint16(1)),
		icmp4(uint8(3), uint8(1), uint16(0), uint32(0)),
		icmp4(uint8(3), uint8(3), uint16(0), uint32(0), quoted[:20]),
		ip4{src: "10.0.0.5", dst: "10.0.2.15", proto: 1}.with([]byte{8}),
		ip4{src: "10.0.0.5", dst: "10.0.2.15", proto: 1}.with(nil),
		ip4{src: "10.0.0.5", dst: "10.0.2.15", proto: 1, frag: 0x2000}.with(checked(cat(uint8(8), uint8(0), uint16(0), uint16(1), uint16(2), "part"), 2)),
	)
}

func icmp6Cases() [][]byte {
	var list [][]byte
	add := func(parts ...any) { list = append(list, icmp6(parts...)) }
	quoted := udp6(40000, 9, []byte("quoted"))
	hi, lo := uint64(0xfe80<<48), uint64(0x021122fffe334455)
	lladdr := func(kind uint8) []byte { return cat(kind, uint8(1), "\x02\x11\x22\x33\x44\x55") }
	for code := range uint8(6) {
		add(uint8(1), code, uint16(0), uint32(0), quoted)
		add(uint8(4), code, uint16(0), uint32(40), quoted)
	}
	add(uint8(1), uint8(4), uint16(0), uint32(0), tcp6(tcpSeg{sport: 40000, dport: 80, seq: 1, flags: syn}, ""))
	add(uint8(1), uint8(4), uint16(0), uint32(0), ip6{src: "::1", dst: "::2", next: 132}.with([]byte("12345678")))
	add(uint8(1), uint8(4), uint16(0), uint32(0), ip6{src: "::1", dst: "::2", next: 60, ext: cat(uint8(44), uint8(0), uint8(1), uint8(4), uint32(0), uint8(17), uint8(0), uint16(1), uint32(9))}.with(udpDatagram(1, 2, nil)))
	add(uint8(2), uint8(0), uint16(0), uint32(1280), quoted)
	for code := range uint8(3) {
		add(uint8(3), code, uint16(0), uint32(0), quoted)
	}
	add(uint8(128), uint8(0), uint16(0), uint16(1), uint16(2), "ping")
	add(uint8(129), uint8(0), uint16(0), uint16(1), uint16(2), "ping")
	add(uint8(130), uint8(0), uint16(0), uint16(1000), uint16(0), uint64(0xff02<<48), uint64(1))
	add(uint8(131), uint8(0), uint16(0), uint16(0), uint16(0), uint64(0xff02<<48), uint64(1))
	add(uint8(132), uint8(0), uint16(0), uint16(0), uint16(0), uint64(0xff02<<48), uint64(1))
	add(uint8(130), uint8(0), uint16(0), uint16(1000), uint16(0), uint64(0), uint64(0), uint8(0x0a), uint8(125), uint16(0))
	add(uint8(130), uint8(0), uint16(0), uint16(0x9234), uint16(0), uint64(0xff02<<48), uint64(1), uint8(2), uint8(0x9d), uint16(1), hi, lo)
	add(uint8(130), uint8(0), uint16(0), uint16(0x9234), uint16(0), uint64(0xff02<<48), uint64(1), uint8(2), uint8(0x9d), uint16(2), hi, lo)
	add(uint8(130), uint8(0), uint16(0), uint32(0))
	add(uint8(143), uint8(0), uint16(0), uint16(0), uint16(2), uint8(4), uint8(0), uint16(0), uint64(0xff02<<48), uint64(0xfb), uint8(7), uint8(0), uint16(1), uint64(0xff02<<48), uint64(0xfc), hi, lo)
	add(uint8(143), uint8(0), uint16(0), uint16(0), uint16(2), uint8(4), uint8(0), uint16(3), uint64(0xff02<<48), uint64(0xfb))
	add(uint8(143), uint8(0), uint16(0), uint16(0), uint16(2), uint8(4))
	add(uint8(133), uint8(0), uint16(0), uint32(0))
	add(uint8(133), uint8(0), uint16(0), uint32(0), lladdr(1))
	route := func(units uint8, rest ...any) []byte {
		return cat(uint8(24), units, uint8(48), uint8(0x08), uint32(0xffffffff), cat(rest...))
	}
	add(uint8(134), uint8(0), uint16(0), uint8(64), uint8(0xe2), uint16(1800), uint32(1000), uint32(2000), lladdr(1),
		uint8(5), uint8(1), uint16(0), uint32(1500),
		uint8(3), uint8(4), uint8(64), uint8(0xe0), uint32(0xffffffff), uint32(14400), uint32(0), hi, lo,
		uint8(25), uint8(3), uint16(0), uint32(600), hi, lo,
		uint8(31), uint8(3), uint16(0), uint32(600), labels("lan.example"), uint8(0), uint8(0), uint8(0),
		uint8(7), uint8(1), uint16(0), uint32(1000),
		uint8(8), uint8(1), uint16(0), uint16(1), uint16(1800),
		route(1), route(2, hi), route(3, hi, lo))
	add(uint8(134), uint8(0), uint16(0), uint8(64), uint8(0x18), uint16(1800), uint32(1000), uint32(2000), route(4, hi, lo, lo))
	add(uint8(134), uint8(0), uint16(0), uint8(64), uint8(0x10), uint16(1800), uint32(1000), uint32(2000), uint8(5), uint8(2), uint16(0), uint32(1500), uint64(1), uint8(99), uint8(1), "abcdef", uint8(1), uint8(0))
	add(uint8(135), uint8(0), uint16(0), uint32(0), hi, lo, lladdr(1))
	add(uint8(136), uint8(0), uint16(0), uint32(0xe0000000), hi, lo, lladdr(2))
	add(uint8(136), uint8(0), uint16(0), uint32(0), hi, lo)
	add(uint8(137), uint8(0), uint16(0), uint32(0), hi, lo, hi, lo, lladdr(2), uint8(4), uint8(7), uint16(0), uint32(0), quoted[:48])
	add(uint8(144), uint8(0), uint16(0), uint16(7), uint16(0))
	add(uint8(145), uint8(0), uint16(0), uint16(7), uint16(0), hi, lo, hi, lo)
	add(uint8(146), uint8(0), uint16(0), uint16(7), uint16(0))
	add(uint8(147), uint8(0), uint16(0), uint16(7), uint16(0xc000), lladdr(1))
	add(uint8(141), uint8(0), uint16(0), uint32(0))
	add(uint8(142), uint8(0), uint16(0), uint32(0))
	add(uint8(200), uint8(0), uint16(0), uint32(0))
	add(uint8(250), uint8(0), uint16(0), uint32(0), "unknown")
	add(uint8(1), uint8(0), uint16(0), uint32(0), quoted[:30])
	wrong := icmp6(uint8(128), uint8(0), uint16(0), uint16(1), uint16(2), "ping")
	wrong[42]++
	return append(list, wrong, ip6{src: "::1", dst: "::2", next: 58}.with(nil), ip6{src: "::1", dst: "::2", next: 58}.with([]byte{128}))
}
