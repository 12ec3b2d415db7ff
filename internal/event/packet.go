package event

import "net/netip"

// Direction of a packet, as the watched end sees it.
type Direction uint8

const (
	DirUnknown Direction = iota
	DirOut
	DirIn
)

func (d Direction) String() string {
	switch d {
	case DirOut:
		return "out"
	case DirIn:
		return "in"
	}
	return "unknown"
}

// Damage says where the decoding of an IP header ended early. Fields after that are zero.
type Damage uint8

const (
	Whole        Damage = iota
	DamageCut           // the capture ends inside the IP header
	DamageShort         // the packet itself is shorter than an IP header
	BadVersion          // neither 4 nor 6, or not the version that the layer below announced
	BadHeaderLen        // IPv4: header length below 20
	BadTotalLen         // IPv4: total length below the header's
	BadExtension        // IPv6: an extension header that ends the decoding, or is truncated
	TooDeep             // the packet is inside too many others
)

func (d Damage) String() string {
	switch d {
	case Whole:
		return ""
	case DamageCut:
		return "IP header not captured"
	case DamageShort:
		return "shorter than an IP header"
	case BadVersion:
		return "not the announced IP version"
	case BadHeaderLen:
		return "IP header length too small"
	case BadTotalLen:
		return "IP total length too small"
	case BadExtension:
		return "IPv6 extension header damaged or truncated"
	case TooDeep:
		return "too many nested packets"
	}
	return "unknown damage"
}

// IP protocol numbers of what the decoder decodes (IANA protocol-numbers).
const (
	ProtoHopByHop = 0
	ProtoICMP     = 1
	ProtoIGMP     = 2
	ProtoIPv4     = 4
	ProtoTCP      = 6
	ProtoUDP      = 17
	ProtoDCCP     = 33
	ProtoIPv6     = 41
	ProtoRouting  = 43
	ProtoFragment = 44
	ProtoGRE      = 47
	ProtoESP      = 50
	ProtoAH       = 51
	ProtoICMPv6   = 58
	ProtoNoNext   = 59
	ProtoDestOpts = 60
	ProtoMobilOld = 62
	ProtoIPComp   = 108
	ProtoSCTP     = 132
	ProtoMobility = 135
)

// Ethernet types of what the decoder decodes (IANA ieee-802-numbers).
const (
	EtherIPv4 = 0x0800
	EtherIPv6 = 0x86dd
)

// MaxInner is the maximum number of nested packets that are decoded.
const MaxInner = 8

// Packet is an IP packet, from its IP header on. All byte slices alias the record that it was
// decoded from. Offsets count from the start of Data. Data after the transport header is not
// decoded: sinks that can print it read it there.
type Packet struct {
	Dir      Direction
	Len      uint32 // bytes on the wire, from the IP header on
	Captured uint32 // of them in Data
	Data     []byte

	Version  uint8 // first four bits of Data; 0 if there is no byte
	Proto    uint8 // protocol of the header at Off, after IPv6 extension headers and AH
	Fragment bool  // one part of a datagram
	Damage   Damage

	// Ports are 0 if the protocol has none, if they were not captured, or in later fragments.
	// Addresses are invalid if the header could not be read.
	Src, Dst netip.AddrPort

	IP IPHeader

	Off    uint32 // of the transport header; 0 if not reached
	End    uint32 // of the packet in Data, by the IP header: the rest is padding
	Length uint32 // bytes on the wire from Off on, by the headers; wraps if they contradict each other

	TCP  TCPHeader  // if Proto is ProtoTCP and TCP.Valid
	UDP  UDPHeader  // if Proto is ProtoUDP
	ICMP ICMPHeader // if Proto is ProtoICMP or ProtoICMPv6

	// Inner is the packet inside a tunnel (IP in IP, GRE), or the one that an ICMP error quotes;
	// nil if none was captured.
	Inner *Packet
}

// IPHeader is an IPv4 (RFC 791) or IPv6 (RFC 8200) header, in host byte order.
type IPHeader struct {
	TOS     uint8  // type of service; IPv6: traffic class
	TTL     uint8  // IPv6: hop limit
	Proto   uint8  // of the header itself: IPv6 next header, perhaps of an extension
	Flags   uint8  // IPv4: FlagReserved, FlagDF, FlagMF
	ID      uint16 // IPv4
	FragOff uint16 // bytes, also from an IPv6 fragment header
	Sum     uint16 // IPv4 checksum as it is in the packet
	Total   uint16 // IPv4: total length; IPv6: payload length
	Header  uint8  // bytes of the fixed header with IPv4 options; IPv6: 40
	Flow    uint32 // IPv6 flow label, 20 bits
	Missing uint32 // bytes by which the packet is shorter than its header says
	Options []byte // IPv4 options; IPv6: extension headers and AH up to Off, the first of type Proto
}

// The flags of an IPv4 header, in the order of its three bits.
const (
	FlagMF       = 1
	FlagDF       = 2
	FlagReserved = 4
)

// TCPHeader is a TCP header (RFC 9293), in host byte order.
type TCPHeader struct {
	Valid   bool   // all 20 bytes were captured
	Flags   uint8  // TCPFin ... TCPCWR
	Header  uint8  // bytes of the header with options, as it states: 0 to 60
	Win     uint16 // not scaled
	Urg     uint16
	Sum     uint16
	Seq     uint32
	Ack     uint32
	Options []byte // the captured part
	Length  uint32 // bytes of payload on the wire

	// Sequence numbers relative to the first ones seen of the connection, as in tcpdump; equal to
	// Seq and Ack if the segment has no ACK or is the first. SackBase is subtracted from the edges
	// of SACK blocks.
	RelSeq, RelAck, SackBase uint32
}

// The flags of a TCP header, as in its fourteenth byte.
const (
	TCPFin = 0x01
	TCPSyn = 0x02
	TCPRst = 0x04
	TCPPsh = 0x08
	TCPAck = 0x10
	TCPUrg = 0x20
	TCPEce = 0x40
	TCPCwr = 0x80
)

// UDPHeader is a UDP header (RFC 768), in host byte order. Fields that were not captured are 0.
type UDPHeader struct {
	Length uint16 // of header and payload, as it states
	Sum    uint16 // 0: none
}

// ICMPHeader is the start of an ICMP (RFC 792) or ICMPv6 (RFC 4443) message. Fields that were not
// captured are 0.
type ICMPHeader struct {
	Type, Code uint8
	Sum        uint16
	Rest       uint32 // bytes 4 to 7: id and sequence number, MTU, gateway, pointer
}
