package tcpdump

import "encoding/binary"

// Link types of pcap files (LINKTYPE_* in the registry at tcpdump.org).
const (
	linkNone     = 0
	linkEthernet = 1
	linkRaw12    = 12
	linkRaw      = 101
	linkLoop     = 108
	linkSLL      = 113
	linkIPv4     = 228
	linkIPv6     = 229
	linkSLL2     = 276
)

// Sizes of link headers, in bytes. VLAN tags may follow those with an EtherType.
const (
	etherSize = 14
	loopSize  = 4
	sllSize   = 16
	sll2Size  = 20
	tagSize   = 4
)

// etherLongest is the largest value of an EtherType field that is a length (IEEE 802.3 3.2.6).
const etherLongest = 1500

// AppendLink appends the text of the link header before an IP packet, for which the caller
// calls Append afterwards. It appends nothing unless o.Link. link, header and ether are those
// of event.Capture; length is the length of the frame on the wire, header and packet.
func AppendLink(dst []byte, link uint16, header []byte, ether uint16, length uint32, o *Options) []byte {
	if o == nil || !o.Link {
		return dst
	}
	w := writer{b: dst, o: o, d: header, end: len(header)}
	switch link {
	case linkNone, linkRaw12, linkRaw, linkIPv4, linkIPv6:
		w.str("ip: ")
	case linkEthernet:
		if !w.has(0, etherSize) {
			break
		}
		w.macs(", ")
		at := etherSize - 2
		for ; w.has(at+2, tagSize); at += tagSize {
			w.tag(at, length)
		}
		w.announce(at, ether, length)
	case linkLoop:
		if w.has(0, loopSize) {
			w.family(w.loopFamily(), length)
		}
	case linkSLL, linkSLL2:
		c := cookedOf(link)
		if !w.has(0, uint32(c.size)) {
			break
		}
		w.cookedKind(c)
		w.cookedHeader(c, length)
		for at := c.size; w.has(at, tagSize); at += tagSize {
			w.cookedTag(at, w.u16(at+2))
		}
	}
	return w.b
}

// macs writes the source and destination of an Ethernet frame, and after.
func (w *writer) macs(after string) {
	w.colons(w.d[6:12])
	w.str(" > ")
	w.colons(w.d[:6])
	w.str(after)
}

// colons writes b as a hardware address.
func (w *writer) colons(b []byte) {
	for i, c := range b {
		if i > 0 {
			w.byte(':')
		}
		w.hex(uint64(c), 2)
	}
}

// isTag reports whether an EtherType is that of a VLAN tag (IEEE 802.1Q, 802.1ad and the older
// EtherTypes of the latter). Another EtherType follows a tag.
func isTag(ether uint16) bool {
	return ether == 0x8100 || ether == 0x88a8 || ether == 0x9100 || ether == 0x9200
}

// tag writes the VLAN tag whose EtherType is at offset at.
func (w *writer) tag(at int, length uint32) {
	w.announce(at, w.u16(at), length)
	w.vlan(w.u16(at + 2))
}

func (w *writer) vlan(tci uint16) {
	w.say("vlan ", uint32(tci&0xfff))
	w.say(", p ", uint32(tci>>13))
	if tci&0x1000 != 0 {
		w.str(", DEI")
	}
	w.str(", ")
}

// announce writes the EtherType at offset at, and after the first one the length of the frame.
func (w *writer) announce(at int, ether uint16, length uint32) {
	w.etherType(ether)
	if at == etherSize-2 {
		w.colonLength(length)
	} else {
		w.str(", ")
	}
}

// colonLength writes the end of the link header text.
func (w *writer) colonLength(length uint32) {
	w.say(", length ", length)
	w.str(": ")
}

func (w *writer) etherType(ether uint16) {
	s := name(etherTypes, uint32(ether))
	if w.o.Quick && s != "" {
		w.str(s)
		return
	}
	if w.o.Quick {
		w.str("Unknown Ethertype")
	} else {
		w.str("ethertype ")
		w.str(orUnknown(s))
	}
	w.code(uint64(ether), 4)
}

func orUnknown(s string) string {
	if s == "" {
		return "Unknown"
	}
	return s
}

// code writes a number in parentheses after its name.
func (w *writer) code(v uint64, width int) {
	w.str(" (0x")
	w.hex(v, width)
	w.byte(')')
}

// loopFamily returns the address family in a LINKTYPE_LOOP header. Some systems write it in
// host byte order.
func (w *writer) loopFamily() uint32 {
	if v := binary.LittleEndian.Uint32(w.d); v <= 0xffff {
		return v
	}
	return w.u32(0)
}

// families has the BSD numbers of address families. IPv6 differs between systems.
var families = []word{
	{2, "IPv4"}, {6, "NS"}, {familyISO, "ISO"}, {familyAppletalk, "Appletalk"}, {familyIPX, "IPX"}, {24, "IPv6"},
	{28, "IPv6"}, {30, "IPv6"},
}

const (
	familyISO       = 7
	familyAppletalk = 16
	familyIPX       = 23
)

func (w *writer) family(v, length uint32) {
	s := name(families, v)
	switch {
	case !w.o.Quick:
		w.str("AF ")
		w.str(orUnknown(s))
		w.say(" (", v)
		w.byte(')')
	case s == "":
		w.say("Unknown AF ", v)
	default:
		w.str(s)
	}
	w.colonLength(length)
}

// cooked has the offsets of the fields of a cooked header (LINKTYPE_LINUX_SLL, _SLL2).
type cooked struct {
	size                   int
	kind, addr, ether, arp int
	wide                   int // 1: kind and the size of the address have one more byte
	index                  int // of the interface index; 0: none
}

var (
	sll  = cooked{size: sllSize, kind: 0, arp: 2, addr: 6, ether: 14, wide: 1}
	sll2 = cooked{size: sll2Size, kind: 10, arp: 8, addr: 12, ether: 0, index: 4}
)

func cookedOf(link uint16) *cooked {
	if link == linkSLL {
		return &sll
	}
	return &sll2
}

// Special values of the EtherType in a cooked header.
const (
	cooked8023 = 1
	cooked8022 = 4
)

// cookedKind writes the packet type of a cooked header.
func (w *writer) cookedKind(c *cooked) {
	words := [...]string{"In", "B", "M", "P", "Out"}
	kind := int(w.u8(c.kind + c.wide))
	s := "?"
	if kind < len(words) && (c.wide == 0 || w.u8(c.kind) == 0) {
		s = words[kind]
	}
	blanks := "  "[:3-len(s)]
	if c.index == 0 {
		w.str(blanks)
		w.str(s)
	} else {
		w.str(s)
		w.str(blanks)
	}
	w.byte(' ')
}

// cookedHeader writes the other fields of a cooked header, which was captured completely.
func (w *writer) cookedHeader(c *cooked, length uint32) {
	if c.index != 0 {
		w.say("ifindex ", w.u32(c.index))
		w.byte(' ')
	}
	size := uint16(w.u8(c.addr - 1))
	if c.wide != 0 {
		size = w.u16(c.addr - 2)
	}
	if size == 6 {
		w.colons(w.d[c.addr : c.addr+6])
		w.byte(' ')
	}
	if w.o.Quick {
		return
	}
	switch ether := w.u16(c.ether); {
	case ether == cooked8023:
		w.str("802.3")
	case ether == cooked8022:
		w.str("802.2")
	case ether <= etherLongest:
		w.str("ethertype Unknown")
		w.code(uint64(ether), 4)
	default:
		w.etherType(ether)
	}
	w.colonLength(length)
}

// cookedTag writes the VLAN tag at offset at, and the EtherType ether after it.
func (w *writer) cookedTag(at int, ether uint16) {
	if w.o.Link {
		w.vlan(w.u16(at))
	}
	if !w.o.Quick {
		w.str("ethertype ")
		w.str(orUnknown(name(etherTypes, uint32(ether))))
		w.str(", ")
	}
}

var etherTypes = []word{
	{0x0800, "IPv4"}, {0x86dd, "IPv6"}, {etherARP, "ARP"}, {etherRARP, "Reverse ARP"}, {0x8100, "802.1Q"},
	{0x9100, "802.1Q-9100"}, {0x88a8, "802.1Q-QinQ"}, {0x9200, "802.1Q-9200"}, {etherMACsec, "802.1AE MACsec"},
	{etherMPLS, "MPLS unicast"}, {etherMPLSMulti, "MPLS multicast"}, {0x0200, "PUP"}, {0x0600, "NS"}, {0x0500, "Sprite"},
	{etherTrail, "Trail"}, {0x6001, "MOP DL"}, {0x6002, "MOP RC"}, {etherDECnet, "DN"}, {0x6004, "LAT"}, {0x6007, "SCA"},
	{0x6558, "TEB"}, {0x8038, "Lanbridge"}, {0x803c, "DEC DNS"}, {0x803e, "DEC DTS"}, {0x805b, "VEXP"},
	{0x805c, "VPROD"}, {etherAppletalk, "Appletalk"}, {etherAARP, "Appletalk ARP"}, {etherIPX, "IPX"}, {etherPPP, "PPP"},
	{etherMPCP, "MPCP"}, {etherSlow, "Slow Protocols"}, {etherPPPoED, "PPPoE D"}, {etherPPPoES, "PPPoE S"},
	{etherEAPOL, "EAPOL"}, {etherRealtek, "Realtek protocols"}, {etherNLB, "MS NLB heartbeat"}, {etherJumbo, "Jumbo"},
	{etherNSH, "NSH"}, {etherLoopback, "Loopback"}, {etherISO, "OSI"}, {0x00fe, "GRE-OSI"}, {etherCFMOld, "CFM (old)"},
	{etherCFM, "CFM"}, {0x893a, "IEEE1905.1"}, {etherLLDP, "LLDP"}, {etherTIPC, "TIPC"}, {etherGeoNetOld, "GeoNet (old)"},
	{etherGeoNet, "GeoNet"}, {etherCALM, "CALM FAST"}, {etherAoE, "AoE"}, {etherPTP, "PTP"},
	{etherArista, "Arista Vendor Specific Protocol"},
}

// EtherTypes that are handled here (IANA ieee-802-numbers, and some vendor-specific ones).
const (
	etherARP       = 0x0806
	etherRARP      = 0x8035
	etherTrail     = 0x1000
	etherLLDP      = 0x88cc
	etherEAPOL     = 0x888e
	etherSlow      = 0x8809
	etherLoopback  = 0x9000
	etherJumbo     = 0x8870
	etherMACsec    = 0x88e5
	etherMPLS      = 0x8847
	etherMPLSMulti = 0x8848
	etherDECnet    = 0x6003
	etherAppletalk = 0x809b
	etherAARP      = 0x80f3
	etherIPX       = 0x8137
	etherPPP       = 0x880b
	etherMPCP      = 0x8808
	etherPPPoED    = 0x8863
	etherPPPoES    = 0x8864
	etherPPPoED2   = 0x3c12
	etherPPPoES2   = 0x3c13
	etherRealtek   = 0x8899
	etherNLB       = 0x886f
	etherNSH       = 0x894f
	etherISO       = 0xfefe
	etherCFM       = 0x8902
	etherCFMOld    = 0xabcd
	etherTIPC      = 0x88ca
	etherGeoNet    = 0x8947
	etherGeoNetOld = 0x0707
	etherCALM      = 0x1111
	etherAoE       = 0x88a2
	etherPTP       = 0x88f7
	etherArista    = 0xd28b
)
