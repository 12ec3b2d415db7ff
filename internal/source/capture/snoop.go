package capture

import (
	"github.com/pidwire/pidwire/internal/wire"
)

// Format of files of snoop(1M) (RFC 1761). All numbers are big-endian.
const (
	magicSnoop   = "snoop\x00\x00\x00"
	snoopVersion = 2
	snoopHead    = 16
	snoopPacket  = 24
)

// snoopPrivate is the bit of link types that are specific to one system (RFC 3827).
const snoopPrivate = 1 << 31

// snoopLink converts a link type of snoop (RFC 1761, RFC 3827) to a LINKTYPE. It converts
// only types whose frame format is certain to be that of a LINKTYPE. For others, such as
// 9 ("other") and 14 (loopback), tools do not agree on the format.
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

// snoopHeader reads the header of a snoop file, and the time of its first packet.
func (s *Source) snoopHeader() error {
	b, err := s.in.whole(snoopHead)
	if err != nil {
		return err
	}
	s.big = true
	if version := s.u32(b[8:]); version != snoopVersion {
		return s.damage("snoop version %d: only version %d is supported", version, snoopVersion)
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

// nextSnoop emits the next packet of a snoop file, and before it the number of packets dropped
// since the previous one.
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
		// The record may be longer: after the packet there is padding, or a trailer of Surveyor.
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

// snoopLost emits the number of lost packets since the previous packet. drops is the
// cumulative count since the start of the file. If it is lower than the previous one, files were
// concatenated, and the count has restarted.
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
