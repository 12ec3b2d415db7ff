package tcpdump_test

import "strings"

// cases returns the packets of the golden files, by name. Together they cover all output of the
// package.
func cases() map[string][]capture {
	return map[string][]capture{
		"tcp":     whole(tcpCases()...),
		"options": whole(optionCases()...),
		"mptcp":   whole(mptcpCases()...),
		"lines":   whole(lineCases()...),
		"udp":     whole(udpCases()...),
		"dns":     whole(dnsCases()...),
		"ip":      whole(ip4Cases()...),
		"ip6":     whole(ip6Cases()...),
		"icmp":    whole(icmpCases()...),
		"icmp6":   whole(icmp6Cases()...),
		"igmp":    whole(igmpCases()...),
		"sctp":    whole(sctpCases()...),
		"tunnels": whole(tunnelCases()...),
		"cut":     cutCases(),
	}
}

// cutCases returns truncated packets.
func cutCases() []capture {
	var list []capture
	full := whole(
		tcp4(tcpSeg{sport: 40000, dport: 80, seq: 100, ack: 1, flags: ack | psh, options: synOptions}, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
		udp4(40000, 53, dnsQuery),
		icmp4(uint8(3), uint8(3), uint16(0), uint32(0), udp4(40000, 9, []byte("x"))[:28]),
		ip6{src: "::1", dst: "::1", next: 0, proto: 17, transportAt: 6, ext: cat(uint8(17), uint8(0), uint8(5), uint8(2), uint16(0), uint16(0x100))}.with(udpDatagram(1, 2, []byte("abc"))),
	)
	for _, c := range full {
		for n := 1; n < len(c.data); n += 3 {
			list = append(list, capture{c.data[:n], c.wire})
		}
	}
	return list
}

var (
	stamps     = cat(uint8(1), uint8(1), uint8(8), uint8(10), uint32(100), uint32(7))
	synOptions = cat(uint8(2), uint8(4), uint16(1460), uint8(4), uint8(2), uint8(8), uint8(10), uint32(1), uint32(0), uint8(1), uint8(3), uint8(3), uint8(7))
)

func tcpCases() [][]byte {
	c, s := uint16(48448), uint16(8000)
	list := [][]byte{
		tcp4(tcpSeg{sport: c, dport: s, seq: 123, flags: syn, win: 64240, options: synOptions}, ""),
		tcp4back(tcpSeg{sport: s, dport: c, seq: 9000, ack: 124, flags: syn | ack, win: 65160, options: synOptions}, ""),
		tcp4(tcpSeg{sport: c, dport: s, seq: 124, ack: 9001, flags: ack, options: stamps}, ""),
		tcp4(tcpSeg{sport: c, dport: s, seq: 124, ack: 9001, flags: ack | psh, options: stamps}, "hello"),
		tcp4back(tcpSeg{sport: s, dport: c, seq: 9001, ack: 129, flags: ack | psh | urg, urg: 3, options: stamps}, "world!"),
		tcp4(tcpSeg{sport: c, dport: s, seq: 129, ack: 9001, flags: ack, options: cat(uint8(1), uint8(1), uint8(5), uint8(10), uint32(9003), uint32(9007))}, ""),
		tcp4back(tcpSeg{sport: s, dport: c, seq: 9007, ack: 129, flags: ack, options: cat(uint8(1), uint8(1), uint8(5), uint8(18), uint32(131), uint32(140), uint32(150), uint32(160))}, ""),
		tcp4(tcpSeg{sport: c, dport: s, seq: 129, ack: 9007, flags: ack | fin, options: stamps}, ""),
		tcp4back(tcpSeg{sport: s, dport: c, seq: 9007, ack: 130, flags: ack | rst}, ""),
		tcp4back(tcpSeg{sport: s, dport: c, seq: 9007, ack: 130, flags: ack | rst}, "go away, and \x00\x80\xff do not come back soon"),
		tcp4back(tcpSeg{sport: s, dport: c, seq: 9007, flags: rst}, ""),
		tcp4(tcpSeg{sport: c, dport: s, seq: 1, flags: 0}, ""),
		tcp4(tcpSeg{sport: c, dport: s, seq: 1, flags: 0xff}, "all flags"),
		tcp4(tcpSeg{sport: c, dport: s, seq: 1, flags: syn | ece | cwr, win: 1}, ""),
		tcp4(tcpSeg{sport: 7, dport: 7, seq: 500, ack: 600, flags: ack}, "same port"),
		tcp4back(tcpSeg{sport: 7, dport: 7, seq: 600, ack: 509, flags: ack}, "other way"),
		tcp4(tcpSeg{sport: c, dport: s, flags: ack, offset: 4}, ""),
		tcp4(tcpSeg{sport: c, dport: s, flags: ack, offset: 15}, ""),
		tcp6(tcpSeg{sport: c, dport: s, seq: 123, flags: syn, options: synOptions}, ""),
		tcp6(tcpSeg{sport: c, dport: s, seq: 124, ack: 77, flags: ack}, "x"),
		tcp6(tcpSeg{sport: c, dport: s, seq: 125, ack: 78, flags: ack}, "yz"),
	}
	bad := tcp4(tcpSeg{sport: c, dport: s, seq: 300, ack: 9007, flags: ack}, "bad sum")
	bad[len(bad)-1]++
	return append(list, bad)
}

func optionCases() [][]byte {
	var list [][]byte
	for _, o := range [][]byte{
		cat(uint8(0)),
		cat(uint8(1), uint8(0), uint8(1), uint8(1)),
		cat(uint8(2), uint8(4), uint16(536)),
		cat(uint8(2), uint8(3), uint16(536)),
		cat(uint8(2), uint8(6), uint16(536), uint16(0)),
		cat(uint8(3), uint8(3), uint8(14)),
		cat(uint8(5), uint8(9), uint32(1), uint32(2)),
		cat(uint8(6), uint8(6), uint32(1), uint8(7), uint8(6), uint32(2)),
		cat(uint8(11), uint8(6), uint32(1), uint8(12), uint8(6), uint32(2), uint8(13), uint8(6), uint32(3)),
		cat(uint8(19), uint8(18), "0123456789abcdef"),
		cat(uint8(20), uint8(4), uint8(0x12), uint8(3)),
		cat(uint8(28), uint8(4), uint16(0x8005)),
		cat(uint8(28), uint8(4), uint16(0x0010)),
		cat(uint8(29), uint8(3), uint8(0)),
		cat(uint8(29), uint8(4), uint8(1), uint8(2)),
		cat(uint8(29), uint8(16), uint8(1), uint8(2), "0123456789ab"),
		cat(uint8(34), uint8(2)),
		cat(uint8(34), uint8(10), "cookie!?"),
		cat(uint8(34), uint8(5), "bad"),
		cat(uint8(254), uint8(4), uint16(0xf989)),
		cat(uint8(254), uint8(12), uint16(0xf989), "cookie!?"),
		cat(uint8(254), uint8(6), uint16(0xe2d4), uint16(1)),
		cat(uint8(254), uint8(3), uint8(1)),
		cat(uint8(99), uint8(2)),
		cat(uint8(99), uint8(5), "abc"),
		cat(uint8(99), uint8(40), "abc"),
		cat(uint8(1), uint8(99), uint8(1)),
		cat(uint8(8), uint8(9), uint32(1), uint16(2), uint8(3)),
		cat(uint8(1), uint8(1), uint8(1), uint8(2)),
	} {
		list = append(list, tcp4(tcpSeg{sport: 1234, dport: 4321, seq: 1, flags: syn, options: o}, ""))
	}
	return list
}

func mptcpCases() [][]byte {
	seg := func(flags, sub uint8, rest ...any) []byte {
		data := cat(rest...)
		o := cat(uint8(30), uint8(3+len(data)), sub, data)
		return tcp4(tcpSeg{sport: 1234, dport: 4321, seq: 1, flags: flags, options: o}, "")
	}
	key := uint64(0x0123456789abcdef)
	return [][]byte{
		seg(syn, 0x01, uint8(0x81)),
		seg(syn, 0x00, uint8(0x01), key),
		seg(ack, 0x01, uint8(0x01), key, key),
		seg(ack, 0x01, uint8(0x01), key, key, uint16(9)),
		seg(syn, 0x02, uint8(0x01)),
		seg(ack, 0x01, uint8(0x01)),
		seg(syn, 0x11, uint8(3), uint32(0xcafe), uint32(0xbabe)),
		seg(syn|ack, 0x10, uint8(3), key, uint32(0xbabe)),
		seg(ack, 0x10, uint8(0), "0123456789abcdefghij"),
		seg(ack, 0x10, uint8(0)),
		seg(ack, 0x20, uint8(0x01), uint32(77)),
		seg(ack, 0x20, uint8(0x03), key),
		seg(ack, 0x20, uint8(0x15), uint32(77), uint32(88), uint32(1), uint16(10)),
		seg(ack, 0x20, uint8(0x0f), key, key, uint32(1), uint16(10), uint16(0xabcd)),
		seg(ack, 0x20, uint8(0x05), uint32(77), uint32(88), uint32(1)),
		seg(ack, 0x20, uint8(0x01), uint16(7)),
		seg(syn, 0x20, uint8(0x01), uint32(7)),
		seg(ack, 0x34, uint8(5), uint32(0x0a000001)),
		seg(ack, 0x34, uint8(5), uint32(0x0a000001), uint16(443)),
		seg(ack, 0x30, uint8(5), uint32(0x0a000001), key),
		seg(ack, 0x31, uint8(5), uint32(0x0a000001), uint16(443), key),
		seg(ack, 0x36, uint8(5), key, key),
		seg(ack, 0x3f, uint8(5), key, key, uint16(443)),
		seg(ack, 0x30, uint8(5), key, key, key),
		seg(ack, 0x30, uint8(5), key, key, uint16(443), key),
		seg(ack, 0x30, uint8(5)),
		seg(ack, 0x40, uint8(1), uint8(2)),
		seg(ack, 0x40),
		seg(ack, 0x51),
		seg(ack, 0x50, uint8(4)),
		seg(ack, 0x50, uint16(4)),
		seg(ack, 0x60, uint8(0), key),
		seg(ack, 0x70, uint8(0), key),
		seg(ack, 0x60),
		seg(ack, 0x80, uint8(0)),
	}
}

func lineCases() [][]byte {
	var list [][]byte
	add := func(port uint16, payload string) {
		list = append(list, tcp4(tcpSeg{sport: 40001, dport: port, seq: 1, ack: 1, flags: ack | psh}, payload))
		list = append(list, tcp4back(tcpSeg{sport: port, dport: 40001, seq: 1, ack: 1, flags: ack | psh}, payload))
	}
	add(80, "GET / HTTP/1.1\r\nHost: example.com\r\nX: \ttab\r\n\r\n")
	add(8080, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")
	add(80, "just some bytes of a body\n")
	add(80, "post /lower HTTP/1.0\n")
	add(80, "GET /no-end-of-line")
	add(80, "GET /carriage\rreturn\r\n")
	add(80, "GET /\x1b[31mred\r\n")
	add(80, "GET /ends-in-cr\r")
	add(80, "HTTP/1.1\t200 OK\r\n")
	add(80, strings.Repeat("A", 128)+" 200\r\n")
	add(80, strings.Repeat("A", 129)+" 200\r\n")
	add(80, "\x80\x81")
	add(21, "220 ready\r\n")
	add(43, "example.com\r\n")
	add(25, "EHLO there\r\nMAIL FROM:<a@b>\r\n")
	add(554, "PLAY rtsp://a/b RTSP/1.0\r\n")
	add(8554, "RTSP/1.0 404 no\r\n")
	add(22, "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")
	add(22, "SSH-2.0-\x00\r\n")
	add(22, "\x00\x00\x01\x02")
	add(22, "SSH-2.0-no-end")
	add(9999, "nothing known")
	list = append(list,
		udp4(5060, 5060, []byte("REGISTER sip:a SIP/2.0\r\nVia: x\r\n\r\n")),
		udp4(5060, 5060, []byte("SIP/2.0 100 Trying\r\n")),
		udp4(5060, 5060, []byte("\x00\x01")),
	)
	return list
}

func udpCases() [][]byte {
	noSum := udp4(1000, 2000, []byte("no sum"))
	noSum[26], noSum[27] = 0, 0
	badSum := udp4(1000, 2000, []byte("bad sum"))
	badSum[26]++
	header := func(n uint16, payload string) []byte {
		return ip4{src: "10.0.2.15", dst: "10.0.0.5", proto: 17}.with(cat(uint16(1000), uint16(2000), n, uint16(1), payload))
	}
	return [][]byte{
		udp4(1000, 2000, []byte("hello")),
		udp4(1000, 2000, nil),
		udp6(1000, 2000, []byte("hello")),
		noSum, badSum,
		header(8+5, "hello, longer"),
		header(8+50, "hello, shorter"),
		header(7, "hello"),
		header(0, "hello"),
		ip4{src: "10.0.2.15", dst: "10.0.0.5", proto: 17}.with([]byte("1234567")),
		ip4{src: "10.0.2.15", dst: "10.0.0.5", proto: 17}.with([]byte("123")),
		ip4{src: "10.0.2.15", dst: "10.0.0.5", proto: 17}.with(nil),
	}
}

func ip4Cases() [][]byte {
	base := ip4{src: "192.0.2.1", dst: "198.51.100.2", proto: 17, transportAt: 6}
	one := func(change func(*ip4)) []byte {
		h := base
		change(&h)
		return h.with(udpDatagram(1000, 2000, []byte("payload.")))
	}
	var list [][]byte
	for _, o := range [][]byte{
		cat(uint8(1), uint8(1), uint8(1), uint8(0)),
		cat(uint8(7), uint8(11), uint8(8), uint32(0x01020304), uint32(0), uint8(0)),
		cat(uint8(131), uint8(7), uint8(4), uint32(0x01020304), uint8(0)),
		cat(uint8(137), uint8(7), uint8(1), uint32(0x01020304), uint8(0)),
		cat(uint8(131), uint8(8), uint8(4), uint32(0x01020304), uint8(0)),
		cat(uint8(7), uint8(2), uint16(0)),
		cat(uint8(68), uint8(12), uint8(9), uint8(0), uint32(1), uint32(2)),
		cat(uint8(68), uint8(20), uint8(13), uint8(0x21), uint32(0x01020304), uint32(1), uint32(0), uint32(0)),
		cat(uint8(68), uint8(12), uint8(5), uint8(3), uint32(0x01020304), uint32(1)),
		cat(uint8(68), uint8(8), uint8(0), uint8(2), uint32(1)),
		cat(uint8(68), uint8(3), uint16(0)),
		cat(uint8(148), uint8(4), uint16(0)),
		cat(uint8(148), uint8(4), uint16(7)),
		cat(uint8(148), uint8(3), uint16(0)),
		cat(uint8(130), uint8(4), uint16(0)),
		cat(uint8(82), uint8(4), uint16(0)),
		cat(uint8(99), uint8(4), uint16(0)),
		cat(uint8(99), uint8(1), uint16(0)),
		cat(uint8(99), uint8(9), uint16(0)),
	} {
		list = append(list, one(func(h *ip4) { h.options = o }))
	}
	for tos := range uint8(4) {
		list = append(list, one(func(h *ip4) { h.tos = tos | 0x10 }))
	}
	for frag := range uint16(8) {
		list = append(list, one(func(h *ip4) { h.frag = frag << 13 }))
	}
	short := func(b []byte, at int, v uint8) []byte {
		b[at] = v
		return b
	}
	list = append(list,
		one(func(h *ip4) { h.ttl = 1; h.id = 65535 }),
		one(func(h *ip4) { h.frag = 0x2000 | 185 }),
		one(func(h *ip4) { h.frag = 185; h.proto = 6 }),
		one(func(h *ip4) { h.badSum = true }),
		one(func(h *ip4) { h.total = 1500 }),
		one(func(h *ip4) { h.total = 30 }),
		one(func(h *ip4) { h.total = 19 }),
		short(one(func(*ip4) {}), 3, 0),
		short(one(func(*ip4) {}), 0, 0x44),
		short(one(func(*ip4) {}), 0, 0x4f),
		short(one(func(*ip4) {}), 0, 0x55),
		short(one(func(*ip4) {}), 0, 0x05),
		short(one(func(*ip4) {}), 8, 0),
	)
	for _, proto := range []uint8{0, 3, 9 + 100, 77, 59, 61, 58, 143, 253, 255, 108} {
		list = append(list, ip4{src: "192.0.2.1", dst: "198.51.100.2", proto: proto}.with([]byte("some payload")))
	}
	return list
}

func igmpCases() [][]byte {
	var list [][]byte
	add := func(parts ...any) {
		list = append(list, ip4{src: "10.0.0.1", dst: "224.0.0.1", proto: 2, ttl: 1, options: cat(uint8(148), uint8(4), uint16(0))}.with(checked(cat(parts...), 2)))
	}
	group := uint32(0xe0000105)
	add(uint8(0x11), uint8(0), uint16(0), uint32(0))
	add(uint8(0x11), uint8(100), uint16(0), uint32(0))
	add(uint8(0x11), uint8(20), uint16(0), group)
	add(uint8(0x11), uint8(20), uint16(0), group, uint16(0))
	add(uint8(0x11), uint8(100), uint16(0), uint32(0), uint32(0))
	add(uint8(0x11), uint8(0x7f), uint16(0), group, uint32(0))
	add(uint8(0x11), uint8(0xa5), uint16(0), group, uint16(0), uint16(2), uint32(1), uint32(2))
	add(uint8(0x11), uint8(0xff), uint16(0), group, uint16(0), uint16(2), uint32(1))
	add(uint8(0x11), uint8(100), uint16(0), group, uint16(0), uint16(2), uint8(1))
	add(uint8(0x12), uint8(0), uint16(0), group)
	add(uint8(0x12), uint8(0), uint16(0), group, uint32(0))
	add(uint8(0x16), uint8(0), uint16(0), group)
	add(uint8(0x17), uint8(0), uint16(0), group)
	add(uint8(0x22), uint8(0), uint16(0), uint16(0), uint16(1), uint8(4), uint8(0), uint16(0), group)
	add(uint8(0x22), uint8(0), uint16(0), uint16(0), uint16(2), uint8(1), uint8(0), uint16(1), group, uint32(7), uint8(9), uint8(0), uint16(0), group)
	add(uint8(0x22), uint8(0), uint16(0), uint16(0), uint16(3), uint8(6), uint8(0), uint16(9), group)
	add(uint8(0x22), uint8(0), uint16(0), uint16(0), uint16(3), uint8(6), uint8(0), uint16(0), group)
	add(uint8(0x22), uint8(0), uint16(0), uint16(0), uint16(1), uint8(6))
	add(uint8(0x1f), uint8(0), uint16(0), uint32(0), uint32(1), uint32(2), group, uint32(0x05000102))
	add(uint8(0x1e), uint8(0), uint16(0), uint32(0), uint32(1), uint32(2), uint32(3), uint32(0x05000102))
	add(uint8(0x1e), uint8(0), uint16(0), uint32(0), uint32(1))
	add(uint8(0x30), uint8(0), uint16(0), uint32(0))
	list[0][len(list[0])-5]++ // a wrong checksum
	return list
}

func sctpCases() [][]byte {
	var list [][]byte
	add := func(chunks ...[]byte) {
		var b []byte
		for _, c := range chunks {
			b = append(b, c...)
		}
		list = append(list, ip4{src: "10.0.0.1", dst: "10.0.0.2", proto: 132}.with(cat(uint16(5000), uint16(6000), uint32(7), uint32(8), b)))
	}
	chunk := func(kind, flags uint8, parts ...any) []byte {
		b := cat(parts...)
		b = cat(kind, flags, uint16(4+len(b)), b)
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
		return b
	}
	add(chunk(1, 0, uint32(1), uint32(106496), uint16(10), uint16(65535), uint32(99)))
	add(chunk(2, 0, uint32(1), uint32(106496), uint16(10), uint16(65535), uint32(99), "parameters.."))
	add(chunk(10, 0, "a cookie"), chunk(0, 3, uint32(100), uint16(1), uint16(2), uint32(0), "hello"))
	add(chunk(11, 0), chunk(3, 0, uint32(100), uint32(5000), uint16(0), uint16(0)))
	add(chunk(3, 0, uint32(100), uint32(5000), uint16(2), uint16(1), uint16(2), uint16(3), uint16(5), uint16(6), uint32(99)))
	add(chunk(0, 7, uint32(100), uint16(1), uint16(2), uint32(46), "x"), chunk(0, 0, uint32(101), uint16(1), uint16(2), uint32(18), "xyz"))
	add(chunk(0, 3, uint32(100), uint16(1), uint16(2), uint32(0)))
	add(chunk(0, 3, uint32(100)))
	add(chunk(1, 0, uint32(100)))
	add(chunk(3, 0, uint32(100)))
	add(chunk(4, 0, "heartbeat"), chunk(5, 0, "heartbeat"))
	add(chunk(6, 0), chunk(7, 0, uint32(1)), chunk(8, 0), chunk(9, 0, uint32(1)), chunk(14, 0))
	add(chunk(12, 0, uint32(1)), chunk(13, 0, uint32(1)), chunk(0xc0, 0, uint32(1)), chunk(0xc1, 0), chunk(0xc2, 0), chunk(0x40, 0))
	add([]byte{0, 0})
	add([]byte{11, 0, 0, 3})
	add([]byte{11, 0, 0, 9})
	add()
	list = append(list,
		ip4{src: "10.0.0.1", dst: "10.0.0.2", proto: 132}.with([]byte("short")),
		ip6{src: "::1", dst: "::2", next: 132}.with(cat(uint16(5000), uint16(6000), uint32(7), uint32(8), chunk(11, 0))),
	)
	return list
}

func tunnelCases() [][]byte {
	in4 := tcp4(tcpSeg{sport: 40000, dport: 8000, seq: 10, ack: 20, flags: ack | psh, options: stamps}, "inside")
	in6 := udp6(1000, 2000, []byte("inside"))
	out := func(proto uint8, parts ...any) []byte {
		return ip4{src: "192.0.2.1", dst: "192.0.2.2", proto: proto}.with(cat(parts...))
	}
	out6 := func(proto uint8, parts ...any) []byte {
		return ip6{src: "2001:db8::1", dst: "2001:db8::2", next: proto}.with(cat(parts...))
	}
	ah := func(next uint8) []byte {
		return cat(next, uint8(4), uint16(0), uint32(0x100), uint32(1), "0123456789ab")
	}
	return [][]byte{
		out(4, in4), out(4, in4), out(41, in6), out6(4, in4), out6(41, in6),
		out(4, in6), out(41, in4), out(4), out(41), out(4, "\x45"), out(41, "\x60"),
		out(4, out(4, out(41, out6(4, in4)))),
		out(47, uint16(0), uint16(0x0800), in4),
		out(47, uint16(0), uint16(0x86dd), in6),
		out6(47, uint16(0xb000), uint16(0x0800), uint16(0x1234), uint16(0), uint32(0xcafe), uint32(77), in4),
		out(47, uint16(0x2000), uint16(0x6559), uint32(1), "payload"),
		out(47, uint16(0x4000), uint16(0x0800), uint16(0), uint16(0), uint16(0x0800), uint8(4), uint8(8), uint32(1), uint32(2), uint16(0xfffe), uint8(0), uint8(4), uint16(1), uint16(2), uint16(5), uint8(0), uint8(4), uint32(0), uint32(0), in4),
		out(47, uint16(0x4000), uint16(0x0800), uint16(0), uint16(0), uint16(0x0800), uint8(1), uint8(8), uint32(1), uint32(2), uint32(0), in4),
		out(47, uint16(0x3081), uint16(0x880c), uint16(4), uint16(9), uint32(5), uint32(6), "ppp!"),
		out(47, uint16(0x2081), uint16(0x880b), uint16(4), uint16(9), uint32(6)),
		out(47, uint16(0x0002), uint16(0x0800), in4),
		out(47, uint8(0)),
		out(47, uint16(0x2000), uint16(0x0800), uint16(1)),
		out(50, uint32(0x1234), uint32(77), "encrypted"),
		out(50, uint32(0x1234), uint32(77)),
		out(51, ah(6), in4[20:]),
		out(51, ah(17), udpDatagram(1, 2, []byte("x"))),
		out(51, ah(1), "\x08\x00\x00\x00\x00\x01\x00\x02"),
		out6(51, ah(58), "\x80\x00\x00\x00\x00\x01\x00\x02"),
		out(51, cat(uint8(6), uint8(4), uint16(3), uint32(0x100)), "cut"),
		out(108, uint8(6), uint8(0), uint16(2), "compressed"),
	}
}
