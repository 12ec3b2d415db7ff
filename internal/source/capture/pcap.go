package capture

import (
	"encoding/binary"
	"fmt"

	"github.com/pidwire/pidwire/internal/wire"
)

// pcapHeader reads the header of a pcap file, and the time of its first packet.
func (s *Source) pcapHeader() error {
	b, err := s.in.whole(pcapHead)
	if err != nil {
		return err
	}
	s.big = isPcap(binary.BigEndian.Uint32(b))
	magic := s.u32(b)
	if magic == magicPatch {
		return fmt.Errorf("unknown pcap variant %08x: convert the file with editcap", magic)
	}
	s.nano = magic == magicNano
	if major, minor := s.u16(b[4:]), s.u16(b[6:]); major != 2 {
		return s.damage("pcap version %d.%d: only version 2 is supported", major, minor)
	}
	// The upper bits have the length of the frame check sequence.
	s.link = linkOf(s.u32(b[20:]) & 0x03ffffff)
	s.in.skip(pcapHead)
	if b, err = s.in.peek(pcapPacket); err != nil {
		return err
	}
	if len(b) == pcapPacket {
		s.begin(s.pcapTime(b))
	}
	return nil
}

func (s *Source) pcapTime(b []byte) int64 {
	frac := int64(s.u32(b[4:]))
	if !s.nano {
		frac *= 1000
	}
	return int64(s.u32(b))*1e9 + frac
}

// nextPcap emits the next packet of a pcap file.
func (s *Source) nextPcap() error {
	b, err := s.in.whole(pcapPacket)
	if err != nil {
		return err
	}
	ns, caplen, length := s.pcapTime(b), s.u32(b[8:]), s.u32(b[12:])
	if caplen > maxBlock {
		return s.damage("a packet of %d bytes, the limit is %d", caplen, maxBlock)
	}
	if b, err = s.in.whole(pcapPacket + int(caplen)); err != nil {
		return err
	}
	data := b[pcapPacket:]
	s.pkt = wire.Packet{H: wire.Hdr{Layer: wire.LayerPkt}, Link: s.link, Dir: cookedDir(s.link, data)}
	if err := s.packet(ns, nil, data, max(length, caplen)); err != nil {
		return err
	}
	s.in.skip(len(b))
	return nil
}

// linkOf converts a link type to that of a record, where 0 means none. It returns
// LINKTYPE_LOOP for LINKTYPE_NULL, whose header can be read in the same way.
func linkOf(v uint32) uint16 {
	switch {
	case v == linkNull:
		return linkLoop
	case v > linkUnknown:
		return linkUnknown
	}
	return uint16(v)
}

// sllLen is the size of a LINKTYPE_LINUX_SLL header.
const sllLen = 16

// ownSLL reports whether a packet begins with an SLL header that sink/pcapng has written:
// the ARPHRD type is 0xffff and the length of the address is 0.
func ownSLL(b []byte) bool {
	return len(b) >= sllLen && binary.BigEndian.Uint32(b[2:]) == 0xffff0000
}

// cookedDir returns the direction of a packet with an SLL or SLL2 header, from the packet
// type in the header; 0 if it is not known.
func cookedDir(link uint16, b []byte) uint8 {
	const toOthers, byUs = 3, 4
	var kind int
	switch {
	case link == linkSLL && len(b) >= sllLen:
		kind = int(binary.BigEndian.Uint16(b))
	case link == linkSLL2 && len(b) >= 20:
		kind = int(b[10])
	default:
		return 0
	}
	switch {
	case kind < toOthers:
		return wire.PacketIn
	case kind == byUs:
		return wire.PacketOut
	}
	return 0
}
