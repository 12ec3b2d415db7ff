package tcpdump

import (
	"bytes"
	"slices"

	"github.com/pidwire/pidwire/internal/event"
)

// AppendFrame appends a frame without an IP packet, like Append. link, header, ether and data
// are those of event.Capture: the frame is the concatenation of header, which may be empty,
// and data. If link is 0 there is no link header, and ether is the EtherType of the frame;
// otherwise ether is ignored. length is the length of the frame on the wire, in bytes.
func AppendFrame(dst []byte, link uint16, header []byte, ether uint16, data []byte, length uint32, o *Options) []byte {
	if o == nil {
		o = &defaults
	}
	if len(header) > 0 {
		data = slices.Concat(header, data)
	}
	if length == 0 || len(data) == 0 {
		return appendNothing(dst, length)
	}
	data = data[:min(uint64(len(data)), uint64(length))]
	w := writer{b: dst, o: o, d: data, end: len(data)}
	head := w.frame(link, ether, length)
	if w.cut { // tcpdump does not know the length of the header then
		head = 0
	}
	return appendDump(w.b, data[min(head, len(data)):], o)
}

// frame writes a frame and returns the length of its link header.
func (w *writer) frame(link, ether uint16, length uint32) int {
	switch link {
	case linkNone:
		w.bare(ether, length)
		return 0
	case linkEthernet:
		return w.ethernet(length)
	case linkLoop:
		return w.loop(length)
	case linkSLL, linkSLL2:
		return w.cooked(cookedOf(link), length)
	case linkRaw12, linkRaw, linkIPv4, linkIPv6:
		if w.o.Link {
			w.str("ip: ")
		}
		w.say("unknown ip ", uint32(w.d[0]>>4))
		return 0
	}
	w.str("UNSUPPORTED")
	w.raw(0)
	return 0
}

// known tells which program can decode the payload of a frame.
type known uint8

const (
	written known = iota // decoded by this package
	others               // decoded by tcpdump, but not by this package
	none                 // decoded by neither
)

// rest ends the text of a frame. It dumps the payload from offset at if tcpdump does so, too.
func (w *writer) rest(k known, at int) {
	switch k {
	case others:
		if !w.cut {
			w.b = bytes.TrimRight(w.b, ":, ")
		}
	case none:
		w.dump(at)
	}
}

// dump writes the bytes from offset at in hex, unless options suppress them or print them
// anyway.
func (w *writer) dump(at int) {
	if !w.o.Quick && !w.o.Hex && !w.o.HexASCII {
		w.raw(at)
	}
}

func (w *writer) raw(at int) {
	if !w.cut {
		w.b = appendHexASCII(w.b, "\n\t", w.d[at:w.end])
	}
}

// bare writes a frame without a link header.
func (w *writer) bare(ether uint16, length uint32) {
	if w.o.Link {
		w.etherType(ether)
		w.colonLength(length)
	}
	k := w.carried(ether, 0, length)
	if k != written && !w.o.Link {
		w.etherType(ether)
		w.colonLength(length)
	}
	w.rest(k, 0)
}

// ethernet writes an Ethernet frame (IEEE 802.3).
func (w *writer) ethernet(length uint32) int {
	w.proto = "ether"
	if !w.has(0, etherSize) {
		w.trunc()
		return w.end
	}
	if w.o.Link {
		w.macs(", ")
	}
	at := etherSize - 2
	for isTag(w.u16(at)) {
		if !w.has(at+2, tagSize) {
			w.proto = "vlan"
			w.trunc()
			return w.end
		}
		if w.o.Link {
			w.tag(at, length)
		}
		at += tagSize
	}
	ether, typeAt := w.u16(at), at
	at += 2
	left := length - uint32(at)
	switch {
	case ether <= etherLongest:
		left = min(left, uint32(ether))
		w.end = min(w.end, at+int(left))
		if w.o.Link {
			w.str("802.3")
			if typeAt == etherSize-2 {
				w.colonLength(left)
			}
		}
		n, _ := w.llc(at, left, true)
		return at + n
	case ether == etherJumbo: // draft-ietf-isis-ext-eth
		n, _ := w.llc(at, left, true)
		return at + n
	}
	if w.o.Link {
		w.announce(typeAt, ether, length)
	}
	k := w.carried(ether, at, left)
	if k != written && !w.o.Link {
		w.macs(", ")
		w.etherType(ether)
		w.colonLength(length)
	}
	w.rest(k, at)
	return at
}

// loop writes a frame of LINKTYPE_LOOP.
func (w *writer) loop(length uint32) int {
	w.proto = "null"
	if !w.need(0, loopSize) {
		return 0
	}
	family := w.loopFamily()
	if w.o.Link {
		w.family(family, length)
	}
	k := none
	switch family {
	case familyISO, familyAppletalk, familyIPX:
		k = others
	default:
		switch name(families, family) {
		case "IPv4":
			k = w.noIP(event.EtherIPv4, loopSize)
		case "IPv6":
			k = w.noIP(event.EtherIPv6, loopSize)
		}
	}
	if k != written && !w.o.Link {
		w.family(family, length)
	}
	w.rest(k, loopSize)
	return loopSize
}

// noIP writes an IP packet of which no byte was captured.
func (w *writer) noIP(ether uint16, at int) known {
	switch {
	case w.has(at, 1):
		return others
	case ether == event.EtherIPv4:
		w.proto = "ip"
		w.lost()
	default:
		w.proto = "ip6"
		w.trunc()
	}
	return written
}

// cooked writes a frame with a cooked header (LINKTYPE_LINUX_SLL, _SLL2).
func (w *writer) cooked(c *cooked, length uint32) int {
	w.proto = "sll"
	if c.index != 0 {
		w.proto = "sll2"
	}
	if !w.need(0, uint32(c.size)) {
		return 0
	}
	if w.o.Link {
		w.cookedKind(c)
		w.cookedHeader(c, length)
	}
	const radiotap = 803 // ARPHRD_IEEE80211_RADIOTAP: the type does not tell the payload
	at, ether, wireless := c.size, w.u16(c.ether), w.u16(c.arp) == radiotap
	for ether == 0x8100 && !wireless {
		if !w.has(at, tagSize) {
			w.proto = "vlan"
			w.trunc()
			return w.end
		}
		if ether = w.u16(at + 2); ether <= etherLongest {
			ether = cooked8022
		}
		w.cookedTag(at, ether)
		at += tagSize
	}
	left := length - uint32(at)
	var k known
	switch {
	case wireless, ether == cooked8023:
		k = others
	case ether == cooked8022:
		if n, known := w.llc(at, left, false); known {
			at += n
		}
		return at
	case ether <= etherLongest: // tcpdump does not even print the header of these
		w.dump(at)
		return at
	default:
		k = w.carried(ether, at, left)
	}
	if k != written && !w.o.Link {
		if c.index == 0 {
			w.cookedKind(c)
		}
		w.cookedHeader(c, uint32(c.size)+left)
	}
	w.rest(k, at)
	return at
}

// carried writes the payload at offset at, whose EtherType is ether.
func (w *writer) carried(ether uint16, at int, length uint32) known {
	switch ether {
	case etherARP, etherRARP:
		w.arp(at, length)
	case etherLLDP:
		w.lldp(at, length)
	case etherEAPOL:
		w.eapol(at)
	case etherSlow:
		w.slow(at, length)
	case etherLoopback:
		w.loopback(at, length)
	case event.EtherIPv4, event.EtherIPv6:
		return w.noIP(ether, at)
	case etherMACsec, etherMPLS, etherMPLSMulti, etherDECnet, etherAppletalk, etherAARP, etherIPX, etherPPP, etherMPCP,
		etherPPPoED, etherPPPoES, etherPPPoED2, etherPPPoES2, etherRealtek, etherNLB, etherNSH, etherISO, etherCFM,
		etherCFMOld, etherTIPC, etherGeoNet, etherGeoNetOld, etherCALM, etherAoE, etherPTP, etherArista:
		return others
	default:
		return none
	}
	return written
}

// lldp writes the length of an LLDP message (IEEE 802.1AB) and the system name in it.
func (w *writer) lldp(at int, length uint32) {
	w.proto = "lldp"
	const systemName = 5
	w.say("LLDP, length ", length)
	for length >= 2 {
		if !w.has(at, 2) {
			w.trunc()
			return
		}
		v := w.u16(at)
		kind, n := v>>9, uint32(v&0x1ff)
		at += 2
		length -= 2
		if kind == 0 || n == 0 {
			return
		}
		if length < n || !w.has(at, n) {
			w.trunc()
			return
		}
		if kind == systemName {
			text, _, _ := bytes.Cut(w.d[at:at+int(n)], []byte{0})
			w.str(": ")
			w.chars(at, uint32(len(text)))
		}
		at += int(n)
		length -= n
	}
}

var eapolTypes = []word{
	{0, "EAP packet"}, {1, "EAPOL start"}, {2, "EAPOL logoff"}, {3, "EAPOL key"}, {4, "Encapsulated ASF alert"},
}

// eapol writes the header of an EAPOL frame (IEEE 802.1X).
func (w *writer) eapol(at int) {
	w.proto = "eap"
	if !w.has(at, 4) {
		w.trunc()
		return
	}
	kind := uint32(w.u8(at + 1))
	if s := name(eapolTypes, kind); s != "" {
		w.str(s)
	} else {
		w.str("unknown")
	}
	w.say(" (", kind)
	w.say(") v", uint32(w.u8(at)))
	w.say(", len ", uint32(w.u16(at+2)))
}

// slow writes the header of a frame of the slow protocols (IEEE 802.3 57A):
// link aggregation and its markers, and OAM.
func (w *writer) slow(at int, length uint32) {
	w.proto = "slow"
	const lacp, marker, oam = 1, 2, 3
	names := [...]string{lacp: "LACP", marker: "MARKER", oam: "OAM"}
	tooShort := func() {
		if w.o.Verbose > 0 {
			w.str("\n\t\t packet is too short")
		} else {
			w.str(" (packet is too short)")
		}
	}
	if length < 1 {
		tooShort()
		return
	}
	kind := w.u8(at)
	switch kind {
	case lacp, marker:
		if length < 2 {
			tooShort()
			return
		}
		version := w.u8(at + 1)
		w.str(names[kind])
		if version != 1 {
			w.say(" version ", uint32(version))
			w.str(" packet not supported")
			return
		}
		w.say("v", uint32(version))
		w.say(", length ", length)
	case oam:
		w.str(names[kind])
		w.say(", length ", length)
	default:
		w.say("unknown (", uint32(kind))
		w.say("), length ", length)
		w.unknown(at, length, "\n\t")
	}
}

// loopback writes a frame of the Ethernet configuration testing protocol
// (Ethernet 2.0, 8); its numbers are little-endian.
func (w *writer) loopback(at int, length uint32) {
	w.proto = "loopback"
	w.str("Loopback")
	le := func(at int) uint32 {
		v := w.u16(at)
		return uint32(v>>8 | v<<8)
	}
	// bad ends the text of an invalid frame with length remaining bytes.
	bad := func() {
		w.invalid()
		w.need(at, length)
	}
	if length < 2 {
		bad()
		return
	}
	skip := le(at)
	at += 2
	length -= 2
	w.say(", skipCount ", skip)
	if skip%8 != 0 {
		w.str(" (bogus)")
	}
	if skip > length {
		bad()
		return
	}
	w.need(at, skip)
	at += int(skip)
	length -= skip
	if length < 2 {
		bad()
		return
	}
	const reply, forward = 1, 2
	kind := le(at)
	at += 2
	length -= 2
	used := uint32(0)
	switch kind {
	case reply:
		w.str(", Reply")
		used = 2
	case forward:
		w.str(", Forward Data")
		used = 6
	default:
		w.say(",  invalid (", kind)
		w.byte(')')
		w.need(at, length)
		return
	}
	if length < used {
		bad()
		return
	}
	if !w.need(at, used) {
		return
	}
	if kind == reply {
		w.say(", receipt number ", le(at))
	} else {
		w.str(", forwarding address ")
		w.colons(w.d[at : at+6])
	}
	at += int(used)
	length -= used
	w.say(", data (", length)
	w.str(" octets)")
	w.need(at, length)
}
