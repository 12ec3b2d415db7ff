package tcpdump_test

import (
	"net/netip"
	"strings"

	"github.com/pidwire/pidwire/internal/decode/pkt"
)

// frames are captures of one link type.
type frames struct {
	link uint32
	list []capture
}

const userLink = 147 // LINKTYPE_USER0, which has no decoder

// frameCases returns the frames of the golden files, by name. Only those of "linked" have IP
// packets.
func frameCases() map[string]frames {
	linked := whole(
		tagged(0x0800, tcp4(tcpSeg{sport: 40000, dport: 8000, seq: 10, flags: syn, options: synOptions}, "")),
		tagged(0x86dd, udp6(1000, 2000, []byte("hello"))),
		tagged(0x0800, udp4(1000, 2000, []byte("padded")), 0x8100, 0x3005),
		tagged(0x86dd, icmp6(uint8(128), uint8(0), uint16(0), uint16(1), uint16(2)), 0x88a8, 0xefff, 0x8100, 7, 0x9100, 1, 0x9200, 2),
		tagged(0x0800, tcp4(tcpSeg{sport: 40000, dport: 8000, offset: 4}, "")),
		tagged(0x0800, cat(udp4(1000, 2000, []byte("with padding behind it")), make([]byte, 9))),
		tagged(0x0800, ip4{src: "192.0.2.1", dst: "192.0.2.2", proto: 47}.with(cat(uint16(0), uint16(0x0800), udp4(1, 2, nil)))),
	)
	for _, packet := range tunnelCases()[:6] {
		linked = append(linked, whole(tagged(etherOf(packet), packet))...)
	}
	cooked, cooked2, loop := cookedCases()
	return map[string]frames{
		"linked":   {pkt.LinkEthernet, linked},
		"arp":      {pkt.LinkEthernet, arpCases()},
		"ether":    {pkt.LinkEthernet, etherCases()},
		"words":    {pkt.LinkEthernet, wordCases()},
		"cooked":   {pkt.LinkLinuxSLL, cooked},
		"cooked2":  {pkt.LinkLinuxSLL2, cooked2},
		"loop":     {pkt.LinkLoop, loop},
		"userlink": {userLink, whole([]byte("a frame of nobody knows what"), []byte("x"))},
	}
}

// etherOf returns the EtherType of an IP packet.
func etherOf(packet []byte) uint16 {
	if packet[0]>>4 == 6 {
		return 0x86dd
	}
	return 0x0800
}

// tagged returns an Ethernet frame with VLAN tags, each of an EtherType and a TCI.
func tagged(ether uint16, data []byte, tags ...uint16) []byte {
	b := cat("\x02\x00\x00\x00\x00\x01", "\x02\x00\x00\x00\xab\x02")
	for _, t := range tags {
		b = be.AppendUint16(b, t)
	}
	return cat(b, ether, data)
}

// llc returns an 802.3 frame.
func llc(parts ...any) []byte {
	data := cat(parts...)
	return tagged(uint16(len(data)), data)
}

const (
	mac1    = "\x02\x00\x00\x00\x00\x01"
	mac2    = "\x02\x00\x00\x00\xab\x02"
	noMAC   = "\x00\x00\x00\x00\x00\x00"
	allMACs = "\xff\xff\xff\xff\xff\xff"
)

var (
	addr1 = netip.MustParseAddr("10.0.0.1")
	addr2 = netip.MustParseAddr("10.0.0.2")
)

// arpMessage returns an ARP message for Ethernet and IPv4.
func arpMessage(op uint16, from string, fromIP netip.Addr, to string, toIP netip.Addr) []byte {
	return cat(uint16(1), uint16(0x0800), uint8(6), uint8(4), op, from, fromIP, to, toIP)
}

func arpCases() []capture {
	var list []capture
	arp := func(parts ...any) { list = append(list, whole(tagged(0x0806, cat(parts...)))...) }
	for op := range uint16(12) {
		arp(arpMessage(op, mac1, addr1, mac2, addr2))
		arp(uint16(19), uint16(0x0800), uint8(0x40|4), uint8(2), op, uint8(4), uint8(6), uint8(0), uint8(4), "ATM1", "su", addr1, "ATM222", addr2)
	}
	for _, hard := range []uint16{0, 6, 7, 15, 23, 24, 32, 99} {
		for _, op := range []uint16{1, 2, 3, 8} {
			arp(hard, uint16(0x0800), uint8(6), uint8(4), op, mac1, addr1, mac2, addr2)
		}
	}
	for _, dlci := range []string{"\x18\x41", "\x18\x40\x03", "\x18\x40\x02\x05", "\x18\x40\x02\x04", "\x19\x41", "\x18", "\x18\x40", "\x18\x40\x02", "\x18\x40\x02\x04\x01", ""} {
		arp(uint16(15), uint16(0x0800), uint8(len(dlci)), uint8(4), uint16(8), dlci, addr1, dlci, addr2)
	}
	for _, proto := range []uint16{0x1000, 0x86dd, 0x1234, 0x0806} {
		arp(uint16(1), proto, uint8(6), uint8(4), uint16(1), mac1, addr1, noMAC, addr2)
		arp(uint16(19), proto, uint8(4), uint8(0), uint16(1), uint8(4), uint8(0), uint8(0), uint8(4), "ATM1", addr1, addr2)
	}
	for _, proto := range []uint16{ // each EtherType with a name
		0x00fe, 0x0200, 0x0500, 0x0600, 0x0707, 0x0800, 0x0806, 0x1000, 0x1111, 0x3c12, 0x3c13, 0x6001, 0x6002,
		0x6003, 0x6004, 0x6007, 0x6558, 0x8035, 0x8038, 0x803c, 0x803e, 0x805b, 0x805c, 0x809b, 0x80f3, 0x8100,
		0x8137, 0x86dd, 0x8808, 0x8809, 0x880b, 0x8847, 0x8848, 0x8863, 0x8864, 0x886f, 0x8870, 0x888e, 0x8899,
		0x88a2, 0x88a8, 0x88ca, 0x88cc, 0x88e5, 0x88f7, 0x8902, 0x893a, 0x8947, 0x894f, 0x9000, 0x9100, 0x9200,
		0xabcd, 0xd28b, 0xfefe,
	} {
		arp(uint16(1), proto, uint8(0), uint8(0), uint16(1))
	}
	for op := range uint16(11) { // address lengths that tcpdump does not handle
		arp(uint16(1), uint16(0x0800), uint8(6), uint8(6), op, mac1, mac1, noMAC, mac2)
		arp(uint16(1), uint16(0x0800), uint8(0), uint8(4), op, addr1, addr2)
		arp(uint16(19), uint16(0x0800), uint8(0), uint8(0), op, uint8(4), uint8(0), uint8(0), uint8(5), addr1, addr2, "5")
		arp(uint16(19), uint16(0x0800), uint8(0), uint8(0), op, uint8(3), uint8(0), uint8(0), uint8(4), addr1, addr2)
	}
	arp(uint16(32), uint16(0x0800), uint8(20), uint8(4), uint16(2), strings.Repeat("\x0a", 20), addr1, strings.Repeat("\x0b", 20), addr2)
	arp(uint16(1), uint16(0x0800), uint8(255), uint8(4), uint16(2), "short")
	arp(uint16(1), uint16(0x0800), uint8(255), uint8(255), uint16(2), make([]byte, 1020))
	request := arpMessage(1, mac1, addr1, noMAC, addr2)
	list = append(list, whole(
		tagged(0x0806, cat(request, make([]byte, 18))), // padded to 60 bytes
		tagged(0x0806, arpMessage(1, mac1, netip.IPv4Unspecified(), noMAC, addr2)),
		tagged(0x0806, arpMessage(1, mac1, addr1, noMAC, addr1)),
		tagged(0x0806, arpMessage(2, mac1, addr1, allMACs, addr1)),
		tagged(0x0806, request, 0x8100, 0x2064),
		tagged(0x0806, request, 0x88a8, 1, 0x8100, 2),
		tagged(0x8035, arpMessage(3, mac1, netip.IPv4Unspecified(), mac1, netip.IPv4Unspecified())),
		tagged(0x8035, arpMessage(4, mac2, addr2, mac1, addr1)),
	)...)
	frame := tagged(0x0806, request)
	for n := 1; n < len(frame); n += 3 {
		list = append(list, capture{frame[:n], len(frame)}, capture{frame[:n], n})
	}
	return list
}

// etherCases returns frames of which -v prints no more.
func etherCases() []capture {
	ui := func(dst, src uint8, rest ...any) []byte { return llc(dst, src, uint8(3), cat(rest...)) }
	snap := func(org uint32, pid uint16, rest ...any) []byte {
		return ui(0xaa, 0xaa, be.AppendUint32(nil, org)[1:], pid, cat(rest...))
	}
	var list [][]byte
	for _, ether := range []uint16{0x05dd, 0x0600, 0x1234, 0x6004, 0x88b5, 0x9100 + 1, 0x893a, 0xffff} {
		list = append(list, tagged(ether, []byte("what nobody reads")), tagged(ether, []byte("even"), 0x8100, 5))
	}
	list = append(list,
		tagged(0x1234, nil),
		tagged(0x0800, nil),
		tagged(0x86dd, nil, 0x8100, 9),
		tagged(0x8100, []byte{0, 1, 8}),
		tagged(0x8100, []byte{0, 1, 8}, 0x88a8, 2),
		tagged(0x8870, cat(uint8(0x42), uint8(0x42), uint8(3), uint16(0), uint8(0), uint8(0x80))),
		tagged(0x8870, cat(uint8(4), uint8(5), uint8(0x7f), "jumbo")),
		tagged(0, nil),
		tagged(1500, []byte("shorter than it says")),
		tagged(3, []byte("\x04\x04\xe3and padding")),
		tagged(2, []byte("\x04\x04\xe3and padding")),
		tagged(3, []byte("\x04\x04\xe2and padding")),
		tagged(0, []byte("\x04\x04\xe3and padding")),
		tagged(9, []byte("\x42\x42\x03\x00\x00\x00\x80 padding")),
		tagged(7, []byte("\x42\x42\x03\x00\x00\x00\x80 padding"), 0x8100, 77),
	)
	for _, control := range []uint8{0x03, 0xe3, 0xf3, 0xaf, 0xbf, 0x63, 0x43, 0x0f, 0x6f, 0x87, 0x0b, 0x13} {
		list = append(list, llc(uint8(0x04), uint8(0x04), control), llc(uint8(0x05), uint8(0x05), control, "payload"))
	}
	for _, control := range []uint16{0x0100, 0x0101, 0x0500, 0x0904, 0x0000, 0xffff &^ 0x100, 0x0200 | 0x01, 0x1500 | 0x03} {
		list = append(list, llc(uint8(0x7e), uint8(0x7f), control, "payload"), llc(uint8(0x02), uint8(0x0e), control))
	}
	for _, xid := range []string{"", "\x81", "\x81\x01", "\x81\x01\x02", "\x81\x01\x02\x03", "\x80\x01\x02"} {
		list = append(list, llc(uint8(0x00), uint8(0x01), uint8(0xaf), xid))
	}
	for _, sap := range []uint8{0x00, 0x02, 0x04, 0x0e, 0x4e, 0x7e, 0x8e, 0x10, 0xf4} {
		list = append(list, ui(sap, sap, "payload"), ui(sap|1, 0xfe, "payload"), ui(0xf0, sap, "payload"))
	}
	list = append(list,
		snap(0, 0x1234, "what nobody reads"),
		snap(0, 0x0806, arpMessage(1, mac1, addr1, noMAC, addr2)),
		snap(0xf8, 0x0806, arpMessage(7, mac1, addr1, noMAC, addr2)),
		snap(0xf8, 0x1234, "what nobody reads"),
		snap(0x0c, 0x010b, uint16(0), uint8(0), uint8(0x80)),
		snap(0x0c, 0x010c, uint16(0), uint8(0), uint8(0x80)),
		snap(0x0c, 0x1234, "what nobody reads"),
		snap(0x80c2, 0x000e, uint16(0), uint8(0), uint8(0x80)),
		snap(0x80c2, 0x0002, "what nobody reads"),
		snap(0x80c2, 0x1234, "what nobody reads"),
		snap(0x080007, 0x1234, "what nobody reads"),
		snap(0x080007, 0x9000, "what nobody reads"),
		snap(0x123456, 0x1234, "what nobody reads"),
		snap(0xd0f0db, 0x1234),
		ui(0xaa, 0xaa, "shrt"),
		ui(0xaa, 0xab, "\x00\x00\x00\x12\x34"),
		llc(uint8(0xaa), uint8(0xaa), uint8(0x13), "\x00\x00\x00\x12\x34"),
		ui(0x42, 0x42, "abc"),
		ui(0x42, 0x42, "abcd"),
		ui(0x42, 0x42, uint16(0), uint8(1), uint8(0)),
		ui(0x42, 0x42, uint16(0), uint8(0), uint8(7)),
		ui(0x42, 0x42, uint16(0), uint8(3), uint8(2)),
		ui(0x42, 0x42, uint16(0), uint8(2), uint8(2), "no flags"),
		ui(0x42, 0x42, uint16(0), uint8(0), uint8(2), "not of this version"),
	)
	for _, org := range []uint32{ // each organization with a name and without protocols
		0x00005e, 0x000081, 0x00a03e, 0x00e02f, 0x009069, 0x080009, 0x00120f, 0x0012bb, 0x001b21, 0x002320,
		0x5c16c7, 0xb0d2f5, 0x002481, 0x0004ea, 0x748771, 0xa42305, 0x00049f, 0x0015ad, 0x001018, 0x00e004,
		0xd0f0db,
	} {
		list = append(list, snap(org, 0x0806, "what nobody reads"))
	}
	for pid := range uint16(16) {
		switch pid {
		case 1, 3, 4, 7, 9, 10: // otherFrames has some of them
		default:
			list = append(list, snap(0x80c2, pid, "what nobody reads"))
		}
	}
	loopback := func(parts ...any) { list = append(list, tagged(0x9000, cat(parts...))) }
	loopback("\x00\x00", "\x01\x00", "\x05\x00", "data")
	loopback("\x00\x00", "\x02\x00", mac2, "data")
	loopback("\x08\x00", "8 octets", "\x03\x00", "data")
	loopback("\x07\x00", "7 octet", "\x01\x00", "\x05\x00")
	loopback("\x09\x00", "7 octet")
	loopback("\x00\x00", "\x01")
	loopback("\x00\x00", "\x01\x00\x01")
	loopback("\x00\x00", "\x02\x00short")
	loopback("\x00")
	loopback()
	slow := func(parts ...any) { list = append(list, tagged(0x8809, cat(parts...))) }
	slow()
	slow(uint8(1))
	slow(uint8(2))
	slow(uint8(1), uint8(2), "another version")
	slow(uint8(2), uint8(2), "another version")
	slow(uint8(10), "a protocol that nobody reads")
	eapol := func(parts ...any) { list = append(list, tagged(0x888e, cat(parts...))) }
	for kind := range uint8(5) {
		eapol(uint8(2), 1+kind, uint16(4), "data")
	}
	eapol(uint8(2), uint8(1))
	return whole(list...)
}

// wordCases returns frames of which tcpdump -v prints more than this package.
func wordCases() []capture {
	tlv := func(kind uint16, value string) []byte { return cat(kind<<9|uint16(len(value)), value) }
	end := tlv(0, "")
	chassis, port, ttl := tlv(1, "\x04"+mac1), tlv(2, "\x05eth0"), tlv(3, "\x00\x78")
	bridge := "\x80\x01" + mac2
	bpdu := func(version, kind, flags uint8, rest ...any) []byte {
		b := cat(uint16(0), version, kind, flags, "\x80\x00"+mac1, uint32(4), bridge, uint16(0x8003), uint16(0x100), uint16(0x1400), uint16(0x200), uint16(0xf00))
		return llc(uint8(0x42), uint8(0x42), uint8(3), b, cat(rest...))
	}
	multiple := func(version uint8, v3 uint16) []byte {
		return bpdu(version, 2, 0x7c, uint8(0), v3, make([]byte, 64))
	}
	list := [][]byte{
		tagged(0x88cc, cat(chassis, port, ttl, end)),
		tagged(0x88cc, cat(chassis, port, ttl, tlv(4, "a port"), tlv(5, "a host\x01\x80"), tlv(6, "a system"), end, "padding")),
		tagged(0x88cc, cat(chassis, tlv(5, "zero\x00inside"), tlv(5, "twice"), tlv(127, "\x00\x12\x0f\x01abc"), tlv(99, "x"), end)),
		tagged(0x88cc, cat(tlv(5, "too short")[:6])),
		tagged(0x88cc, cat(tlv(3, ""), tlv(5, "behind an empty one"))),
		tagged(0x88cc, cat(ttl, "\x0a")),
		tagged(0x88cc, nil),
		bpdu(0, 0, 0),
		bpdu(0, 0, 0x81, uint8(0)),
		bpdu(2, 0, 0x3c, uint8(0)),
		bpdu(2, 2, 0x7c, uint8(0), "padding"),
		bpdu(2, 2, 0x02),
		bpdu(3, 2, 0, uint8(1), make([]byte, 99)),
		multiple(3, 64), multiple(3, 65), multiple(3, 0), multiple(4, 0),
		bpdu(4, 2, 0x7c, uint8(0), uint16(64), make([]byte, 64), uint16(85), make([]byte, 85)),
		bpdu(4, 2, 0x7c, uint8(0), uint16(64), make([]byte, 64), uint16(84), make([]byte, 85)),
		bpdu(4, 2, 0x7c, uint8(0), uint16(64), make([]byte, 64), uint16(86), make([]byte, 85)),
		tagged(0x8809, cat(uint8(1), uint8(1), make([]byte, 108))),
		tagged(0x8809, cat(uint8(2), uint8(1), make([]byte, 108))),
		tagged(0x8809, cat(uint8(3), uint16(0x50), uint8(0), make([]byte, 42))),
		tagged(0x888e, cat(uint8(2), uint8(0), uint16(5), uint8(1), uint8(7), uint16(5), uint8(1))),
		tagged(0x888e, cat(uint8(1), uint8(0), uint16(0))),
	}
	return whole(list...)
}

// otherFrames returns frames that tcpdump decodes and this package does not.
func otherFrames() []capture {
	data := "\x45\x00 what is in it does not matter here"
	var list [][]byte
	for _, ether := range []uint16{
		0x88e5, 0x8847, 0x8848, 0x6003, 0x809b, 0x80f3, 0x8137, 0x880b, 0x8808, 0x8863, 0x8864, 0x3c12, 0x3c13, 0x8899, 0x886f,
		0x894f, 0xfefe, 0x8902, 0xabcd, 0x88ca, 0x8947, 0x0707, 0x1111, 0x88a2, 0x88f7, 0xd28b,
	} {
		list = append(list, tagged(ether, []byte(data)), tagged(ether, []byte(data), 0x8100, 7))
	}
	for _, sap := range []uint8{0x06, 0xe0, 0xf0, 0xfe} {
		list = append(list, llc(sap, sap, uint8(3), data))
	}
	list = append(list,
		llc(uint16(0xffff), data),
		llc("\xaa\xaa\x03\x00\x00\x00\x08\x00", udp4(1, 2, nil)),
		llc("\xaa\xaa\x03\x00\x00\x00\x88\x63", data),
		llc("\xaa\xaa\x03\x08\x00\x07\x80\x9b", data),
		llc("\xaa\xaa\x03\x00\x00\x0c\x20\x00", data),
		llc("\xaa\xaa\x03\x00\x80\xc2\x00\x07", data),
	)
	return whole(list...)
}

func cookedCases() (one, two, loop []capture) {
	request := arpMessage(1, mac1, addr1, noMAC, addr2)
	add := func(kind uint16, addr string, ether uint16, data ...any) {
		eight := addr + strings.Repeat("\x00", 8-len(addr))
		one = append(one, whole(cat(kind, uint16(1), uint16(len(addr)), eight, ether, cat(data...)))...)
		two = append(two, whole(cat(ether, uint16(0), uint32(0x7fffff01), uint16(1), uint8(kind), uint8(len(addr)), eight, cat(data...)))...)
	}
	for kind := range uint16(6) {
		add(kind, mac1, 0x0806, request)
		add(kind, "", 0x1234, "what nobody reads")
	}
	add(0, mac1, 0x0800, udp4(1000, 2000, []byte("hello")))
	add(4, "", 0x86dd, udp6(1000, 2000, []byte("hello")))
	add(4, "12345678", 0x0800)
	add(0, mac1, 0x0806, request[:20])
	add(0, mac1, 0x8100, uint16(0x6005), uint16(0x0806), request)
	add(4, mac1, 0x8100, uint16(0x6005), uint16(0x0800), udp4(1000, 2000, []byte("hello")))
	add(4, mac1, 0x8100, uint16(0x6005), uint16(0x8100), uint16(6), uint16(0x86dd), udp6(1000, 2000, []byte("hello")))
	add(0, mac1, 0x8100, uint16(0x1005), uint16(0x8100), uint16(6), uint16(0x1234), "what nobody reads")
	add(0, mac1, 0x8100, uint16(0x1005), uint16(7), "\x42\x42\x03\x00\x00\x00\x80")
	add(0, mac1, 0x8100, uint16(0x1005), uint16(0x0806)>>8)
	add(0, mac1, 0x8100, uint8(0))
	add(0, mac1, 4, "\x42\x42\x03\x00\x00\x00\x80")
	add(0, mac1, 4, "\x04\x04\x03payload")
	add(0, mac1, 4, "\x04\x06\x03payload")
	add(0, mac1, 4, "\xaa\xaa\x03\x00\x00\x00\x12\x34payload")
	add(0, mac1, 4, "\x04")
	add(0, mac1, 5, "what nobody reads")
	add(0, mac1, 5)
	add(0, mac1, 0x1234)
	for _, f := range []uint32{0, 3, 6, 77, 0x02000000, 2, 24, 30, 0x1e000000, 0x12345678} {
		loop = append(loop, whole(cat(f))...)
		if f != 2 && f != 24 && f>>24 != 2 && f&0xff != 30 && f>>24 != 0x1e {
			loop = append(loop, whole(cat(f, "what nobody reads"))...)
		}
	}
	loop = append(loop, whole(cat(uint32(2), udp4(1, 2, nil)), cat(uint32(0x1e000000), udp6(1, 2, nil)), []byte{0, 0, 0})...)
	return one, two, loop
}
