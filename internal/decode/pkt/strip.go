package pkt

import (
	"encoding/binary"

	"github.com/pidwire/pidwire/internal/event"
)

// Link types of pcap files (LINKTYPE_* in the registry at tcpdump.org).
const (
	LinkNull      = 0
	LinkEthernet  = 1
	LinkRaw12     = 12 // DLT_RAW on some systems
	LinkRaw       = 101
	LinkLoop      = 108
	LinkLinuxSLL  = 113
	LinkIPv4      = 228
	LinkIPv6      = 229
	LinkLinuxSLL2 = 276
)

// Strip returns the IP packet in a frame and its EtherType. ok is false if the frame has no IP
// packet, is too short, or the packet is empty; etherType is then the one of the frame, if
// any. Padding after the packet is not removed: the IP header has the length.
func Strip(linktype uint32, frame []byte) (ipPacket []byte, etherType uint16, ok bool) {
	be := binary.BigEndian
	switch linktype {
	case LinkEthernet:
		if len(frame) < 14 {
			return nil, 0, false
		}
		return tagged(frame[14:], be.Uint16(frame[12:]))
	case LinkLinuxSLL:
		if len(frame) < 16 {
			return nil, 0, false
		}
		return tagged(frame[16:], be.Uint16(frame[14:]))
	case LinkLinuxSLL2:
		if len(frame) < 20 {
			return nil, 0, false
		}
		return tagged(frame[20:], be.Uint16(frame))
	case LinkNull, LinkLoop:
		if len(frame) < 4 {
			return nil, 0, false
		}
		// An address family in host byte order (Null) or network byte order (Loop). AF_INET6
		// differs between systems.
		family := be.Uint32(frame)
		if family > 0xffff {
			family = binary.LittleEndian.Uint32(frame)
		}
		switch family {
		case 2:
			return carried(frame[4:], event.EtherIPv4)
		case 10, 24, 28, 30:
			return carried(frame[4:], event.EtherIPv6)
		}
		return nil, 0, false
	case LinkRaw, LinkRaw12:
		if len(frame) == 0 {
			return nil, 0, false
		}
		switch frame[0] >> 4 {
		case 4:
			return frame, event.EtherIPv4, true
		case 6:
			return frame, event.EtherIPv6, true
		}
		return nil, 0, false
	case LinkIPv4:
		return carried(frame, event.EtherIPv4)
	case LinkIPv6:
		return carried(frame, event.EtherIPv6)
	}
	return nil, 0, false
}

// tagged skips VLAN tags (IEEE 802.1Q, 802.1ad and the older EtherTypes of the latter).
func tagged(b []byte, ether uint16) ([]byte, uint16, bool) {
	for ether == 0x8100 || ether == 0x88a8 || ether == 0x9100 || ether == 0x9200 {
		if len(b) < 4 {
			return nil, ether, false
		}
		ether, b = binary.BigEndian.Uint16(b[2:]), b[4:]
	}
	return carried(b, ether)
}

func carried(b []byte, ether uint16) ([]byte, uint16, bool) {
	if len(b) == 0 || ether != event.EtherIPv4 && ether != event.EtherIPv6 {
		return nil, ether, false
	}
	return b, ether, true
}
