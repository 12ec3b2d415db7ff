package pcapng

import (
	"bytes"
	"encoding/base64"
	"strconv"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink/clean"
)

// Offsets in struct pw_packet of fields that an event does not have in full precision. A test
// compares them with internal/wire.
const (
	offTime        = 8
	offOwnerCookie = 24
	offStart       = 32
	offOwnerTime   = 40
	offHow         = 68
	offComm        = 72
	endComm        = 88
	offFlags       = 106
	sizePacket     = 112

	howOld = 256
)

// maxLink is the largest link header in a comment, in bytes.
const maxLink = 1024

const (
	optFlags    = 2 // of a packet
	optDropped  = 4
	optPacketID = 5
	optProcess  = 8
)

// ifaceKey identifies an interface: a process or a device. The first interface of a file is for
// packets without either.
type ifaceKey struct {
	proc   event.Proc
	device device
}

// iface has the description and the counts of an interface.
type iface struct {
	name, description string
	pid               uint32 // 0: not of a process
	nspid, uid        uint32
	start             uint64
	device            device
	packets           uint64
}

// capture writes a packet, or the row for a frame without IP.
func (s *Sink) capture(e *event.Entry, p *event.Capture) {
	switch {
	case p.NoIP && s.o.PacketsOnly:
		s.frames++
		return
	case p.NoIP:
		s.frame(e, p)
		return
	}
	s.settle()
	s.learn(p.Answers)
	head := fixedPart(e, p)
	id := s.ifaceOf(e, p, head)
	f := &s.stats[id]
	f.packets++

	at := s.begin(blockEPB)
	s.b = le.AppendUint32(s.b, id)
	s.time(e.Time)
	s.b = le.AppendUint32(s.b, uint32(sllLen+len(p.Data)))
	s.b = le.AppendUint32(s.b, sllLen+p.Len)
	s.sll(p)
	s.b = append(s.b, p.Data...)
	s.pad()
	o := s.option(optComment)
	s.comment(e, p, head, f)
	s.endOption(o)
	switch p.Dir {
	case event.DirIn:
		s.option32(optFlags, 1)
	case event.DirOut:
		s.option32(optFlags, 2)
	}
	if s.dropped > 0 {
		s.option64(optDropped, s.dropped)
		s.dropped = 0
	}
	s.option64(optPacketID, e.Seq)
	if e.Task.PID != 0 {
		s.option64(optProcess, uint64(e.Task.TID)<<32|uint64(e.Task.PID)) // two 32-bit integers
	}
	s.endOptions()
	s.end(at)
}

// sllLen is the size of a LINKTYPE_LINUX_SLL header.
const sllLen = 16

// sll writes the LINKTYPE_LINUX_SLL header of a packet: the packet type, ARPHRD_VOID for an
// unknown device, an address of length 0, and the EtherType.
func (s *Sink) sll(p *event.Capture) {
	const toUs, toOthers, byUs = 0, 3, 4
	kind, ether := byte(toOthers), uint16(event.EtherIPv4)
	switch p.Dir {
	case event.DirIn:
		kind = toUs
	case event.DirOut:
		kind = byUs
	}
	if p.Version == 6 {
		ether = event.EtherIPv6
	}
	s.b = append(s.b, 0, kind, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, byte(ether>>8), byte(ether))
}

// fixedPart returns the fixed part of the record of a packet, nil if the event has no record.
func fixedPart(e *event.Entry, p *event.Capture) []byte {
	at := sizePacket + len(p.Header)
	if len(e.Raw) < at+len(p.Data) || len(p.Data) > 0 && &e.Raw[at] != &p.Data[0] {
		return nil
	}
	return e.Raw[:sizePacket]
}

// comment writes the keys of a packet, which the package documentation describes.
func (s *Sink) comment(e *event.Entry, p *event.Capture, head []byte, f *iface) {
	t := &e.Task
	s.key("pid=", uint64(t.PID))
	if t.TID != t.PID {
		s.key(" tid=", uint64(t.TID))
	}
	if head != nil {
		s.comm(string(bytes.TrimRight(head[offComm:endComm], "\x00")))
	} else {
		s.comm(t.Comm)
	}
	if e.Conn != nil {
		s.key(" conn=c", uint64(e.Conn.N))
		s.str(" match=")
		s.str(e.Match.String())
	}
	s.cause(e.Cause)
	if head == nil {
		return
	}
	s.how(le.Uint32(head[offHow:]))
	if p.Made != event.MadeSocket {
		s.str(" made=")
		s.nameOr(p.Made.String(), uint64(p.Made))
	}
	s.flags(head[offFlags])
	s.task(t, le.Uint64(head[offStart:]), f)
	if seen := le.Uint64(head[offOwnerTime:]); seen != 0 {
		s.str(" seen=")
		s.b = strconv.AppendInt(s.b, int64(le.Uint64(head[offTime:])-seen), 10)
	}
	s.keyUnless(" sock=", p.Cookie, 0)
	s.keyUnless(" owner=", le.Uint64(head[offOwnerCookie:]), p.Cookie)
	s.keyUnless(" if=", uint64(p.Iface), 0)
	s.keyUnless(" space=", uint64(p.Space), 0)
	s.keyUnless(" mark=", uint64(p.Mark), 0)
	if len(p.Header) <= maxLink {
		s.keyUnless(" link=", uint64(p.Link), 0)
		if len(p.Header) > 0 {
			s.str(" l2=")
			s.b = base64.RawStdEncoding.AppendEncode(s.b, p.Header)
		}
	}
}

// cause writes the call that sent a packet, if it is still among the last keptCalls.
func (s *Sink) cause(seq uint64) {
	c := &s.known.calls[seq%keptCalls]
	if seq == 0 || c.seq != seq {
		return
	}
	s.str(" sys=")
	s.str(c.name)
	if c.fd >= 0 {
		s.key("(", uint64(c.fd))
		s.str(")")
	}
}

// task writes the fields of the owner that differ from the defaults of its interface.
func (s *Sink) task(t *event.Task, start uint64, f *iface) {
	usual := iface{nspid: t.PID}
	if f.pid == t.PID {
		usual = *f
	}
	s.keyUnless(" uid=", uint64(t.UID), uint64(usual.uid))
	s.keyUnless(" start=", start, usual.start)
	s.keyUnless(" nspid=", uint64(t.NSPID), uint64(usual.nspid))
	same := t.TID
	if t.NSPID != t.PID && t.TID == t.PID {
		same = t.NSPID
	}
	s.keyUnless(" nstid=", uint64(t.NSTID), uint64(same))
}

func (s *Sink) how(v uint32) {
	if v == 0 {
		return
	}
	s.str(" how=")
	known := v &^ howOld
	if known > 0xff || event.Evidence(known).String() == unknown {
		s.uint(uint64(v))
		return
	}
	s.str(event.Evidence(known).String())
	if v != known {
		s.str(",old")
	}
}

// unknown is the name that package event returns for numbers without a name.
const unknown = "unknown"

func (s *Sink) nameOr(name string, number uint64) {
	if name == unknown {
		s.uint(number)
	} else {
		s.str(name)
	}
}

func (s *Sink) key(k string, v uint64) {
	s.str(k)
	s.uint(v)
}

func (s *Sink) keyUnless(k string, v, usual uint64) {
	if v != usual {
		s.key(k, v)
	}
}

func (s *Sink) comm(v string) {
	const digits = "0123456789ABCDEF"
	if v != "" {
		s.str(" comm=")
	}
	for i := range len(v) {
		switch c := v[i]; {
		case c <= ' ' || c >= 0x7f || c == '%' || c == '=':
			s.b = append(s.b, '%', digits[c>>4], digits[c&15])
		default:
			s.b = append(s.b, c)
		}
	}
}

var flagNames = [...]string{"wire", "handed", "claimed", "matched", "shared"}

func (s *Sink) flags(v byte) {
	switch {
	case v == 0:
		return
	case v>>len(flagNames) != 0:
		s.key(" flags=", uint64(v))
		return
	}
	sep := " flags="
	for i, name := range flagNames {
		if v>>i&1 != 0 {
			s.str(sep)
			s.str(name)
			sep = ","
		}
	}
}

// ifaceOf returns the number of the interface of a packet. It adds the interface if necessary.
func (s *Sink) ifaceOf(e *event.Entry, p *event.Capture, head []byte) uint32 {
	var key ifaceKey
	if s.o.ByDevice {
		key.device = s.known.device(e, p)
	} else if e.Task.PID != 0 {
		key.proc = e.Task.Proc
	}
	if s.same && key == s.last {
		return s.lastID
	}
	id, ok := s.ifaces[key]
	switch {
	case ok:
	case len(s.stats) >= maxIfaces:
		id = 0
	case s.o.ByDevice:
		id = s.addIface(key, s.deviceIface(key.device))
	default:
		id = s.addIface(key, s.processIface(e, head))
	}
	s.same, s.last, s.lastID = true, key, id
	return id
}

func (s *Sink) processIface(e *event.Entry, head []byte) iface {
	f := iface{pid: e.Task.PID, uid: e.Task.UID, nspid: e.Task.NSPID}
	if head != nil {
		f.start = le.Uint64(head[offStart:])
	}
	comm := e.Task.Comm
	if p, ok := s.known.procs[e.Task.Proc]; ok {
		f.description = p.exe
		if p.comm != "" {
			comm = p.comm
		}
	}
	f.name = comm + "[" + strconv.FormatUint(uint64(f.pid), 10) + "]"
	return f
}

func (s *Sink) deviceIface(d device) iface {
	name := s.known.devices[d]
	f := iface{name: name, device: d}
	if d.netns != 0 {
		f.description = "network namespace " + strconv.FormatUint(d.netns, 10)
	}
	if name == "" {
		f.name = "interface " + strconv.FormatUint(uint64(d.index), 10)
	}
	for i := range s.stats {
		if s.stats[i].name == f.name {
			f.name += "@" + strconv.FormatUint(d.netns, 10)
			break
		}
	}
	return f
}

// addIface writes an Interface Description Block and returns its number.
func (s *Sink) addIface(key ifaceKey, f iface) uint32 {
	const optName, optDescription, optResolution, optFilter = 2, 3, 9, 11
	at := s.begin(blockIDB)
	s.b = le.AppendUint16(s.b, linkSLL)
	s.b = le.AppendUint16(s.b, 0)
	s.b = le.AppendUint32(s.b, sllLen+s.o.Snaplen)
	s.text(optName, f.name)
	s.text(optDescription, f.description)
	o := s.option(optComment)
	if f.device != (device{}) {
		s.key("if=", uint64(f.device.index))
		s.key(" netns=", f.device.netns)
	} else {
		s.key("pid=", uint64(f.pid))
		s.keyUnless(" nspid=", uint64(f.nspid), uint64(f.pid))
		s.keyUnless(" uid=", uint64(f.uid), 0)
		s.keyUnless(" start=", f.start, 0)
	}
	s.endOption(o)
	o = s.option(optResolution)
	s.b = append(s.b, nanoseconds)
	s.endOption(o)
	if s.o.Filter != "" {
		o = s.option(optFilter)
		s.b = append(s.b, 0) // filter code 0: the filter is text
		s.b = clean.AppendText(s.b, s.o.Filter)
		s.endOption(o)
	}
	s.endOptions()
	s.end(at)
	id := uint32(len(s.stats))
	s.stats = append(s.stats, f)
	s.ifaces[key] = id
	return id
}

// statistics writes the counts of an interface. The owners of lost packets are unknown: they
// are counted at the first interface, which is for packets without an owner.
func (s *Sink) statistics(i int) {
	const optStarted, optEnded, optReceived, optLost = 2, 3, 4, 5
	f := &s.stats[i]
	at := s.begin(blockISB)
	s.b = le.AppendUint32(s.b, uint32(i))
	s.time(s.now)
	if i == 0 && s.lost+s.frames > 0 {
		o := s.option(optComment)
		sep := ""
		if s.lost > 0 {
			s.key("lost packets of all interfaces: ", s.lost)
			sep = "; "
		}
		if s.frames > 0 {
			s.str(sep)
			s.key("omitted frames without IP: ", s.frames)
		}
		s.endOption(o)
	}
	s.optionTime(optStarted, s.o.Start)
	s.optionTime(optEnded, s.now)
	s.option64(optReceived, f.packets)
	if i == 0 || s.lost == 0 {
		s.option64(optLost, s.lost)
	}
	s.endOptions()
	s.end(at)
}
