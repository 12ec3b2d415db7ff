package importer

import (
	"bytes"

	"github.com/pidwire/pidwire/internal/foreign/dump"
	"github.com/pidwire/pidwire/internal/wire"
)

// text is the state for reading the output of tcpdump.
type text struct {
	reader dump.Reader
	line   dump.Line
	start  bool // times count from the first line (-ttttt), which looks like -ttt
	v4, v6 int  // number of names that have been emitted
	ifaces map[string]uint32
	iface  uint32 // interface of lines that name none

	dumps bool      // packets have dumps below them: each waits for its own
	held  dump.Line // the packet that waits; its kind is Unknown if there is none
	made  []byte    // its data and interface
	hex   dump.Hex
}

// maxIfaces is the maximum number of interface names.
const maxIfaces = 1 << 16

// sinceStart reports whether the deltas of a text count from its first line, which is
// assumed if they never decrease.
func sinceStart(head []byte) bool {
	var r dump.Reader
	var l dump.Line
	last, n := int64(0), 0
	for range sniffLines {
		line, rest, whole := bytes.Cut(head, []byte("\n"))
		if !whole {
			break
		}
		head = rest
		r.Read(line, &l)
		if l.Form != dump.Delta {
			continue
		}
		if n++; l.Time < last {
			return false
		}
		last = l.Time
	}
	return n > 2
}

// hasDumps reports whether a text has the lines of -x or -X.
func hasDumps(head []byte) bool {
	for range sniffLines {
		line, rest, whole := bytes.Cut(head, []byte("\n"))
		if !whole {
			break
		}
		if head = rest; dump.IsHex(bytes.TrimRight(line, "\r")) {
			return true
		}
	}
	return false
}

func (s *Source) dump(line []byte) error {
	t := &s.text
	l := &t.line
	if t.held.Kind == dump.Packet && t.hex.Add(line) {
		return nil
	}
	t.reader.Read(line, l)
	if l.Kind == dump.More {
		t.dumps = t.dumps || dump.IsHex(line)
		return nil
	}
	if err := s.release(); err != nil {
		return err
	}
	switch l.Kind {
	case dump.Packet:
		if t.dumps {
			s.hold(l)
			return nil
		}
		return s.packet(l)
	case dump.Gap:
		return s.gap()
	case dump.Bad:
		s.clock.dump(l, s.text.start)
		return s.unread(l.Why)
	case dump.Other:
		s.clock.dump(l, s.text.start)
		return s.unread("not an IP packet, or its addresses are missing")
	case dump.Header:
		if len(l.Iface) > 0 {
			return s.named(l.Iface, &s.text.iface)
		}
	case dump.Dropped, dump.DroppedIf:
		if l.Count == 0 {
			return nil
		}
		x := wire.Lost{H: wire.Hdr{Kind: wire.KindLost, Layer: wire.LayerPkt, Time: s.last()}, Count: l.Count, Reason: wire.LostTool}
		return s.emit(wire.Seal(x.Append(s.rec[:0])))
	case dump.Unknown:
		if len(line) > 0 {
			return s.unread("not a line of tcpdump")
		}
	}
	return nil
}

// hold keeps a packet until the lines below it are known.
func (s *Source) hold(l *dump.Line) {
	t := &s.text
	t.made = append(append(t.made[:0], l.Data...), l.Iface...)
	t.held = *l
	t.held.Data, t.held.Iface = t.made[:len(l.Data):len(l.Data)], t.made[len(l.Data):]
	t.hex.Start()
}

// release emits the packet that waits, with the payload of the dump below it.
func (s *Source) release() error {
	l := &s.text.held
	if l.Kind != dump.Packet {
		return nil
	}
	s.text.hex.Fill(&s.text.reader, l)
	err := s.packet(l)
	*l = dump.Line{}
	return err
}

func (s *Source) packet(l *dump.Line) error {
	at := uint64(max(s.clock.dump(l, s.text.start), 0))
	s.latest = max(s.latest, at)
	for _, n := range s.text.reader.NamesFrom(s.text.v4, s.text.v6) {
		if n.Addr.Is4() {
			s.text.v4++
		} else {
			s.text.v6++
		}
		if err := s.tell(&wire.Name{What: wire.NameHost, Id: uint32(s.text.v4 + s.text.v6)}, n.Name, n.Addr.AsSlice()); err != nil {
			return err
		}
	}
	iface := s.text.iface
	if len(l.Iface) > 0 {
		if err := s.named(l.Iface, &iface); err != nil {
			return err
		}
	}
	p := wire.Packet{H: wire.Hdr{Kind: wire.KindPacket, Layer: wire.LayerPkt, Time: at}, Len: l.Len, Caplen: uint32(len(l.Data)), Ifindex: iface}
	switch l.Dir {
	case dump.In:
		p.Dir = wire.PacketIn
	case dump.Out:
		p.Dir = wire.PacketOut
	}
	b := append(p.Append(s.rec[:0]), l.Data...)
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	s.rec = b
	return s.emit(wire.Seal(b))
}

// named sets n to the number of an interface, and emits its name when it first appears.
func (s *Source) named(name []byte, n *uint32) error {
	i, known := s.text.ifaces[string(name)]
	if !known {
		if len(s.text.ifaces) >= maxIfaces {
			*n = 0
			return nil
		}
		if s.text.ifaces == nil {
			s.text.ifaces = map[string]uint32{}
		}
		i = uint32(len(s.text.ifaces)) + 1
		s.text.ifaces[string(name)] = i
		if err := s.tell(&wire.Name{What: wire.NameIface, Id: i}, string(name), nil); err != nil {
			return err
		}
	}
	*n = i
	return nil
}

// tell emits a name record, with an address if addr is not nil.
func (s *Source) tell(n *wire.Name, name string, addr []byte) error {
	attrs := wire.AppendAttr(nil, wire.TagName, name)
	if addr != nil {
		attrs = wire.AppendAttr(attrs, wire.TagAddr, string(addr))
	}
	n.H = wire.Hdr{Kind: wire.KindName, Time: s.last()}
	n.Attrs = uint16(len(attrs))
	b := append(n.Append(s.rec[:0]), attrs...)
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	s.rec = b
	return s.emit(wire.Seal(b))
}
