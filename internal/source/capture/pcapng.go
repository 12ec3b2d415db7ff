package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/bits"

	"github.com/pidwire/pidwire/internal/wire"
)

// Block types and options of draft-ietf-opsawg-pcapng; 9 is of
// draft-richardson-opsawg-pcapng-extras.
const (
	blockInterface = 1
	blockOldPacket = 2
	blockSimple    = 3
	blockStats     = 5
	blockPacket    = 6
	blockJournal   = 9

	optComment    = 1
	optFlags      = 2 // of a packet
	optProcess    = 8
	optName       = 2 // of an interface
	optResolution = 9
	optOffset     = 14
)

// iface is an interface of the current section.
type iface struct {
	link    uint16
	snaplen uint32
	clock   clock
	index   uint32 // counted over all sections, from 1
	usual   owner  // owner of its packets, from its comment
}

// ifname is the name of an interface.
type ifname struct {
	netns uint64
	index uint32
	name  string
}

// block returns the type of the next block, and its body between the two lengths, without
// consuming it. At the end of the file it returns io.EOF.
func (s *Source) block() (kind uint32, body []byte, err error) {
	b, err := s.in.whole(8)
	if err != nil {
		return 0, nil, err
	}
	if binary.LittleEndian.Uint32(b) == magicNG {
		if b, err = s.in.whole(12); err != nil {
			return 0, nil, err
		}
		switch {
		case binary.LittleEndian.Uint32(b[8:]) == magicOrder:
			s.big = false
		case binary.BigEndian.Uint32(b[8:]) == magicOrder:
			s.big = true
		default:
			return 0, nil, s.damage("a section whose byte order is %x", b[8:])
		}
	}
	kind = s.u32(b)
	size := s.u32(b[4:])
	switch {
	case size < 12 || size%4 != 0:
		return 0, nil, s.damage("a block of %d bytes", size)
	case size > maxBlock:
		return 0, nil, s.damage("a block of %d bytes, the limit is %d", size, maxBlock)
	}
	switch kind {
	case magicNG, blockInterface, blockPacket, blockOldPacket, blockSimple, blockJournal, blockStats:
	default:
		// It is not read, and can be large: skip it in pieces.
		for left := int(size) - 12; left > 0; left -= len(b) {
			if b, err = s.inside(min(left, ahead)); err != nil {
				return 0, nil, err
			}
			s.in.skip(len(b))
		}
		if b, err = s.inside(12); err != nil {
			return 0, nil, err
		}
		return kind, nil, s.sameSize(kind, size, b)
	}
	if b, err = s.in.whole(int(size)); err != nil {
		return 0, nil, err
	}
	return kind, b[8 : size-4], s.sameSize(kind, size, b)
}

// sameSize compares the size of a block with the one at its end, which is that of b.
func (s *Source) sameSize(kind, size uint32, b []byte) error {
	if again := s.u32(b[len(b)-4:]); again != size {
		return s.damage("a block of type %d has length %d at its start and %d at its end", kind, size, again)
	}
	return nil
}

// inside returns the next n bytes of a block without consuming them. At the end of the file
// it returns a *wire.CutError.
func (s *Source) inside(n int) ([]byte, error) {
	b, err := s.in.whole(n)
	if errors.Is(err, io.EOF) {
		err = &wire.CutError{Offset: s.in.off}
	}
	return b, err
}

// passBlock consumes a block that block has returned.
func (s *Source) passBlock(body []byte) { s.in.skip(len(body) + 12) }

// prime reads up to the first packet or row, from which the header is made. It ignores errors
// after the first block, as Run returns them.
func (s *Source) prime() error {
	for first := true; ; first = false {
		kind, body, err := s.block()
		switch {
		case err == nil:
		case first:
			return err
		default:
			return nil
		}
		switch kind {
		case magicNG, blockInterface:
			if err := s.describe(kind, body); err != nil {
				if first {
					return err
				}
				return nil
			}
		case blockPacket, blockOldPacket, blockSimple:
			if t, err := s.parsePacket(kind, body); err == nil {
				s.begin(t.ns)
			}
			return nil
		case blockJournal:
			r := parseRow(body)
			if r.part != nil && r.header == nil {
				s.addPart(r.part)
				break
			}
			if r.header == nil {
				s.begin(r.ns)
				return nil
			}
			return s.firstHeader(r, body)
		}
		s.passBlock(body)
	}
}

// describe handles a section header or an interface description.
func (s *Source) describe(kind uint32, body []byte) error {
	if kind == magicNG {
		if len(body) < 16 {
			return s.damage("a section header of %d bytes", len(body))
		}
		if major, minor := s.u16(body[4:]), s.u16(body[6:]); major != 1 {
			return s.damage("pcapng version %d.%d: only version 1 is supported", major, minor)
		}
		s.ifs = s.ifs[:0]
		return nil
	}
	if len(body) < 8 {
		return s.damage("an interface of %d bytes", len(body))
	}
	if len(s.ifs) >= maxIfaces {
		return s.damage("more than %d interfaces", maxIfaces)
	}
	s.seen++
	f := iface{link: linkOf(uint32(s.u16(body))), snaplen: s.u32(body[4:]), clock: clockOf(6), index: s.seen}
	named := ifname{index: f.index}
	for b := body[8:]; ; {
		code, v, rest, ok := s.option(b)
		if !ok {
			break
		}
		b = rest
		switch {
		case code == optName:
			named.name = string(v[:min(len(v), maxName)])
		case code == optResolution && len(v) > 0:
			offset := f.clock.offset
			f.clock = clockOf(v[0])
			f.clock.offset = offset
		case code == optOffset && len(v) >= 8:
			f.clock.offset = int64(s.u64(v))
		case code == optComment && bytes.HasPrefix(v, []byte("pid=")):
			f.usual = parseOwner(v)
			named.name = "" // it is an interface for a process
		case code == optComment && bytes.HasPrefix(v, []byte("if=")):
			named.index, named.netns = parseDevice(v)
		}
	}
	s.ifs = append(s.ifs, f)
	if named.name != "" && !s.ours && len(s.news) < maxIfaces {
		s.news = append(s.news, named)
	}
	return nil
}

// sendNames emits the names of new interfaces.
func (s *Source) sendNames() error {
	news := s.news
	s.news = nil
	for _, f := range news {
		n := wire.Name{H: wire.Hdr{Kind: wire.KindName, Time: s.latest}, Netns: f.netns, Id: f.index, What: wire.NameIface}
		attrs := wire.AppendAttr(nil, wire.TagName, f.name)
		n.Attrs = uint16(len(attrs))
		if err := s.send(wire.Seal(append(n.Append(nil), attrs...))); err != nil {
			return err
		}
	}
	return nil
}

// nextBlock reads the next block and emits its records.
func (s *Source) nextBlock() error {
	kind, body, err := s.block()
	if err != nil {
		return err
	}
	switch kind {
	case magicNG, blockInterface:
		err = s.describe(kind, body)
	case blockPacket, blockOldPacket, blockSimple:
		err = s.sendPacket(kind, body)
	case blockJournal:
		err = s.row(body)
	case blockStats:
		s.closed = true
	}
	if err != nil {
		return err
	}
	s.passBlock(body)
	return nil
}

// frame is the content of a packet block.
type frame struct {
	iface   *iface
	ns      int64
	data    []byte
	length  uint32
	options []byte
}

func (s *Source) parsePacket(kind uint32, b []byte) (frame, error) {
	const headEPB, headOld, headSPB = 20, 20, 4
	var f frame
	var number, caplen uint32
	var ticks uint64
	switch {
	case kind == blockSimple && len(b) >= headSPB:
		f.length, b = s.u32(b), b[headSPB:]
		caplen = min(f.length, uint32(len(b)))
		if len(s.ifs) > 0 && s.ifs[0].snaplen > 0 {
			caplen = min(caplen, s.ifs[0].snaplen)
		}
	case kind != blockSimple && len(b) >= headEPB:
		number = s.u32(b)
		if kind == blockOldPacket {
			number = uint32(s.u16(b))
		}
		ticks = uint64(s.u32(b[4:]))<<32 | uint64(s.u32(b[8:]))
		caplen, f.length = s.u32(b[12:]), s.u32(b[16:])
		b = b[headOld:]
	default:
		return f, s.damage("a packet's block of %d bytes", len(b))
	}
	if uint64(number) >= uint64(len(s.ifs)) {
		return f, s.damage("a packet of interface %d: the file describes %d", number, len(s.ifs))
	}
	if uint64(caplen) > uint64(len(b)) {
		return f, s.damage("a packet of %d bytes in a block with %d", caplen, len(b))
	}
	f.iface, f.data = &s.ifs[number], b[:caplen]
	f.length = max(f.length, caplen)
	if kind != blockSimple {
		f.ns = f.iface.clock.ns(ticks)
		f.options = b[min(int(caplen+3)&^3, len(b)):]
	} else {
		// It has no time: use the latest one.
		f.ns = int64(s.latest - s.header.Mono + s.header.Wall)
	}
	return f, nil
}

func (s *Source) sendPacket(kind uint32, body []byte) error {
	f, err := s.parsePacket(kind, body)
	if err != nil {
		return err
	}
	p := &s.pkt
	*p = wire.Packet{H: wire.Hdr{Layer: wire.LayerPkt}, Link: f.iface.link, Ifindex: f.iface.index, Dir: cookedDir(f.iface.link, f.data)}
	k := &s.keys
	k.reset()
	for b := f.options; ; {
		code, v, rest, ok := s.option(b)
		if !ok {
			break
		}
		b = rest
		switch {
		case code == optFlags && len(v) >= 4:
			if dir := uint8(s.u32(v) & 3); dir != 3 {
				p.Dir = dir
			}
		case code == optProcess && len(v) >= 8 && !k.ours:
			p.Owner.Pid, p.Owner.Tid = s.u32(v), s.u32(v[4:])
		case code == optComment && bytes.HasPrefix(v, []byte("pid=")):
			k.parse(v, &f.iface.usual, p)
		case code == optComment && !k.ours:
			ptcpdump(v, &p.Owner)
		}
	}
	if k.given(keySeen) {
		p.Owner.Time = s.mono(f.ns) - k.seen
	}
	var l2 []byte
	if k.ours && f.iface.link == linkSLL && ownSLL(f.data) {
		// sink/pcapng has replaced the original header, or added this one.
		f.data, f.length = f.data[sllLen:], f.length-sllLen
		l2, p.Link = k.l2, k.link
	}
	if !s.ours && p.Owner.Pid != 0 {
		p.Flags |= wire.PacketClaimed
	}
	return s.packet(f.ns, l2, f.data, uint32(len(l2))+f.length)
}

// option splits the next option from b. It returns false at the end of the options, and if
// an option is longer than b.
func (s *Source) option(b []byte) (code uint16, v, rest []byte, ok bool) {
	if len(b) < 4 {
		return 0, nil, nil, false
	}
	code = s.u16(b)
	n := int(s.u16(b[2:]))
	if code == 0 || n > len(b)-4 {
		return 0, nil, nil, false
	}
	return code, b[4 : 4+n], b[min(4+(n+3)&^3, len(b)):], true
}

// clock has the resolution and the offset of the times of an interface.
type clock struct {
	binary bool
	digits uint8  // a tick is 10^-digits s, or 2^-digits s if binary
	scale  uint64 // factor from ticks to ns, or divisor if there are more than 9 digits
	offset int64  // seconds
}

// clockOf returns the clock for the value of if_tsresol.
func clockOf(resolution byte) clock {
	c := clock{binary: resolution&0x80 != 0, digits: resolution & 0x7f, scale: 1}
	if c.binary {
		return c
	}
	for n := c.digits; n != 9 && c.scale < math.MaxUint64/10; {
		c.scale *= 10
		if n < 9 {
			n++
		} else {
			n--
		}
	}
	return c
}

// ns converts ticks to ns since the epoch, modulo 2^64.
func (c *clock) ns(ticks uint64) int64 {
	var ns uint64
	switch {
	case !c.binary && c.digits <= 9:
		ns = ticks * c.scale
	case !c.binary:
		ns = ticks / c.scale
	case c.digits < 64:
		high, low := bits.Mul64(ticks, 1e9)
		ns = low>>c.digits | high<<(64-c.digits)
	default:
		high, _ := bits.Mul64(ticks, 1e9)
		ns = high >> (c.digits - 64)
	}
	return int64(ns + uint64(c.offset)*1e9)
}
