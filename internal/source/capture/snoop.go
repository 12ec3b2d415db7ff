package capture

import (
	"github.com/pidwire/pidwire/internal/wire"
)

// What RFC 1761 says of a file of snoop(1M). All numbers are big-endian.
const (
	magicSnoop   = "snoop\x00\x00\x00"
	snoopVersion = 2
	snoopHead    = 16
	snoopPacket  = 24
)

// snoopPrivate marks link types that are of one system alone (RFC 3827).
const snoopPrivate = 1 << 31

// snoopLink is a link type of snoop (RFC 1761, RFC 3827) as a record has it. It
// knows those whose frames are surely laid out as those of a LINKTYPE are: for
// the rest, such as 9, which is "other", and the loopback of 14, no two tools
// agree on what their packets begin with.
func snoopLink(v uint32) uint16 {
	switch v {
	case 0, 4: // IEEE 802.3, Ethernet
		return 1
	case 2: // IEEE 802.5 token ring
		return 6
	case 8:
		return 10 // FDDI
	case 18: // Classical IP over ATM
		return 123 // LINKTYPE_SUNATM
	case snoopPrivate | 5: // ipnet(7D)
		return 226 // LINKTYPE_IPNET
	}
	return linkUnknown
}

// snoopHeader reads the head of a snoop file, and when its first packet was.
func (s *Source) snoopHeader() error {
	b, err := s.in.whole(snoopHead)
	if err != nil {
		return err
	}
	s.big = true
	if version := s.u32(b[8:]); version != snoopVersion {
		return s.damage("snoop of version %d, there is %d only", version, snoopVersion)
	}
	s.link = snoopLink(s.u32(b[12:]))
	s.in.skip(snoopHead)
	if b, err = s.in.peek(snoopPacket); err != nil {
		return err
	}
	if len(b) == snoopPacket {
		s.begin(s.snoopTime(b))
	}
	return nil
}

func (s *Source) snoopTime(b []byte) int64 {
	return int64(s.u32(b[16:]))*1e9 + int64(s.u32(b[20:]))*1e3
}

// nextSnoop emits the next packet of a snoop file, and before it what the file
// says was dropped since the one before.
func (s *Source) nextSnoop() error {
	b, err := s.in.whole(snoopPacket)
	if err != nil {
		return err
	}
	ns, length, caplen, size, drops := s.snoopTime(b), s.u32(b), s.u32(b[4:]), s.u32(b[8:]), s.u32(b[12:])
	switch {
	case size > maxBlock:
		return s.damage("a record of %d bytes, the limit is %d", size, maxBlock)
	case size < snoopPacket || caplen > size-snoopPacket:
		// What is behind the packet is padding, or a trailer of Surveyor's.
		return s.damage("a packet of %d bytes in a record of %d with its header", caplen, size)
	}
	if b, err = s.in.whole(int(size)); err != nil {
		return err
	}
	if err := s.snoopLost(ns, drops); err != nil {
		return err
	}
	data := b[snoopPacket : snoopPacket+caplen]
	s.pkt = wire.Packet{H: wire.Hdr{Layer: wire.LayerPkt}, Link: s.link}
	if err := s.packet(ns, nil, data, max(length, caplen)); err != nil {
		return err
	}
	s.in.skip(len(b))
	return nil
}

// snoopLost emits how many packets were lost, by the count of all that were
// since the file was begun. A count that is lower than the one before begins
// anew: files were put together.
func (s *Source) snoopLost(ns int64, drops uint32) error {
	before := s.drops
	s.drops = drops
	if drops <= before {
		return nil
	}
	l := wire.Lost{
		H:     wire.Hdr{Kind: wire.KindLost, Layer: wire.LayerPkt, Time: s.mono(ns)},
		Count: uint64(drops - before), Reason: wire.LostTool,
	}
	return s.send(wire.Seal(l.Append(nil)))
}
