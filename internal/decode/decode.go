// Package decode converts wire records to events. The result depends only on the records and
// their header, not on the machine.
package decode

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"

	"github.com/pidwire/pidwire/internal/decode/krn"
	"github.com/pidwire/pidwire/internal/decode/pkt"
	"github.com/pidwire/pidwire/internal/decode/sock"
	"github.com/pidwire/pidwire/internal/decode/sys"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/foreign/ktrace"
	"github.com/pidwire/pidwire/internal/foreign/strace"
	"github.com/pidwire/pidwire/internal/foreign/truss"
	"github.com/pidwire/pidwire/internal/wire"
)

// Decoder decodes the records of one source, in order.
type Decoder struct {
	h       wire.Header
	sys     *sys.Decoder
	seq     uint64
	comms   map[[16]byte]string
	call    wire.Syscall // scratch for the current record
	did     wire.Kernel
	walked  wire.Func
	pkt     *pkt.Decoder
	krn     *krn.Decoder
	line    strace.Line // scratch for the current record
	trussed truss.Line
	traced  ktrace.Line
	fd      strace.Desc
	addr    strace.Addr
	path    []byte
	toks    []event.Token // memory of the arena for more tokens
	arena   *event.Arena
}

// New returns a decoder for the records that follow h.
func New(h wire.Header) *Decoder {
	d := &Decoder{h: h, sys: sys.New(h), comms: map[[16]byte]string{}, pkt: pkt.New(), krn: krn.New(), arena: new(event.Arena)}
	d.krn.Iface = d.sys.Iface
	return d
}

// Absolute disables relative TCP sequence numbers: RelSeq will be Seq.
func (d *Decoder) Absolute() { d.pkt.Absolute = true }

// Use makes the decoder allocate from a. By default it has an arena of its own, which is
// never reset.
func (d *Decoder) Use(a *event.Arena) {
	d.arena, d.toks = a, nil
	d.sys.Use(a)
	d.krn.Use(a)
}

// Record decodes r into ev, which it overwrites. It never fails: errors are put into Warn, or
// the body becomes an event.Unknown. Strings of the event alias r, which must not change
// while the event is in use.
func (d *Decoder) Record(r wire.Record, ev *event.Event) {
	d.seq++
	*ev = event.Event{Seq: d.seq, Time: d.wall(r.Time()), Raw: r}
	var ok bool
	switch r.Kind() {
	case wire.KindSyscall:
		ok = d.syscall(r, ev)
	case wire.KindUring:
		ok = d.uring(r, ev)
	case wire.KindPacket:
		ok = d.packet(r, ev)
	case wire.KindHandover:
		ok = d.handover(r, ev)
	case wire.KindState:
		ok = d.state(r, ev)
	case wire.KindAudit:
		ok = d.audit(r, ev)
	case wire.KindText:
		ok = d.text(r, ev)
	case wire.KindKernel:
		ok = d.kernelEvent(r, ev)
	case wire.KindFunc:
		f := &d.walked
		if ok = f.Unmarshal(r); ok {
			ev.Task = d.owner(&f.Owner)
			ev.Body = d.krn.Func(f)
		}
	case wire.KindSymbol:
		ok = d.symbol(r, ev)
	case wire.KindProc:
		ok = d.process(r, ev)
	case wire.KindSock:
		ok = d.sockFound(r, ev)
	case wire.KindReady:
		var w wire.Ready
		if ok = w.Unmarshal(r); ok {
			ev.Task = event.Task{Proc: proc(w.Pid, w.Start), TID: w.Pid}
			ev.Body = &event.Ready{EpFD: w.Epfd, FD: w.Fd, Events: w.Events, Data: w.Data, Inode: w.Ino}
		}
	case wire.KindLost:
		var l wire.Lost
		if ok = l.Unmarshal(r); ok {
			ev.Body = &event.Lost{Layer: layer(l.H.Layer), Reason: lostReason(l.Reason), Count: l.Count}
		}
	case wire.KindClock:
		var c wire.Clock
		if ok = c.Unmarshal(r); ok {
			ev.Body = &event.Clock{Drift: int64(c.Wall) - d.wall(c.Mono)}
		}
	case wire.KindName:
		ok = d.name(r, ev)
	case wire.KindNote:
		var n wire.Note
		if ok = n.Unmarshal(r); ok {
			attrs := r[wire.SizeNote:]
			note := &event.Note{
				Degraded: n.Level == wire.NoteDegraded,
				Text:     string(wire.AttrOf(attrs, wire.TagText)),
				Fix:      string(wire.AttrOf(attrs, wire.TagFix)),
			}
			note.Gap = note.Degraded && strings.HasSuffix(note.Text, wire.MissingLines)
			ev.Body = note
		}
	case wire.KindFact:
		var f wire.Fact
		if ok = f.Unmarshal(r); ok {
			attrs := r[wire.SizeFact:]
			ev.Task = event.Task{Proc: proc(f.Pid, f.Start), TID: f.Pid}
			ev.Body = &event.Fact{Name: string(wire.AttrOf(attrs, wire.TagName)), Text: string(wire.AttrOf(attrs, wire.TagText))}
		}
	case wire.KindEnd:
		var e wire.End
		if ok = e.Unmarshal(r); ok {
			ev.Body = &event.End{Reason: endReason(e.Reason)}
		}
	default:
		ok = true
		ev.Body = &event.Unknown{Kind: r.Kind(), Len: len(r)}
	}
	if !ok {
		ev.Warn = append(ev.Warn, fmt.Sprintf("record of kind %d is too short: %d bytes", r.Kind(), len(r)))
		ev.Body = &event.Unknown{Kind: r.Kind(), Len: len(r)}
	}
}

// wall converts CLOCK_MONOTONIC ns to ns since the Unix epoch. The offset is the same for the
// whole recording, so that the timeline has no jumps when the clock is set; event.Clock has
// the drift.
func (d *Decoder) wall(mono uint64) int64 {
	return int64(mono - d.h.Mono + d.h.Wall)
}

// proc returns the identity of a process. start is in ns. It is rounded down to clock ticks of
// 10 ms, the resolution of start times in /proc.
func proc(pid uint32, start uint64) event.Proc {
	const tick = 10_000_000
	return event.Proc{PID: pid, Start: start / tick}
}

func (d *Decoder) comm(c [16]byte) string {
	if s, ok := d.comms[c]; ok {
		return s
	}
	b, _, _ := bytes.Cut(c[:], []byte{0})
	s := string(b)
	const most = 4096 // a hostile process may rename itself without end
	if len(d.comms) < most {
		d.comms[c] = s
	}
	return s
}

func (d *Decoder) syscall(r wire.Record, ev *event.Event) bool {
	s := &d.call
	socks, chunks, ok := wire.SyscallParts(r, s)
	if !ok {
		return false
	}
	ev.Time = d.wall(s.Enter)
	ev.Task = event.Task{
		Proc: proc(s.Pid, s.Start), TID: s.Tid, NSPID: s.Nspid, NSTID: s.Nstid, UID: s.Uid, Comm: d.comm(s.Comm),
	}
	call, warn := d.sys.Syscall(s, socks, chunks)
	answers(call)
	ev.Body, ev.Warn = call, warn
	d.krn.Returned(s.Tid)
	return true
}

func (d *Decoder) uring(r wire.Record, ev *event.Event) bool {
	var u wire.Uring
	if !u.Unmarshal(r) || len(r)-wire.SizeUring < int(u.Nsock)*wire.SizeSock {
		return false
	}
	ev.Time = d.wall(u.Enter)
	ev.Task = event.Task{
		Proc: proc(u.Pid, u.Start), TID: u.Tid, NSPID: u.Nspid, NSTID: u.Nstid, UID: u.Uid, Comm: d.comm(u.Comm),
	}
	ev.Body, ev.Warn = d.sys.Uring(&u, r[wire.SizeUring:])
	return true
}

func (d *Decoder) packet(r wire.Record, ev *event.Event) bool {
	var p wire.Packet
	if !p.Unmarshal(r) || uint64(p.Caplen) > uint64(len(r)-wire.SizePacket) {
		return false
	}
	ev.Task = d.owner(&p.Owner)
	ev.Task.Bare = p.Flags&wire.PacketMatched != 0
	c := d.arena.Capture()
	c.Dir = event.DirUnknown
	switch p.Dir {
	case wire.PacketIn:
		c.Dir = event.DirIn
	case wire.PacketOut:
		c.Dir = event.DirOut
	}
	data, length := []byte(r[wire.SizePacket:wire.SizePacket+int(p.Caplen)]), p.Len
	c.Link, c.Header, c.Ether, c.NoIP = p.Link, nil, 0, false
	if p.Link != 0 {
		inner, ether, isIP := pkt.Strip(uint32(p.Link), data)
		c.Ether, c.NoIP = ether, !isIP
		if isIP {
			head := len(data) - len(inner)
			c.Header, data, length = data[:head], inner, length-min(length, uint32(head))
		}
	}
	if c.NoIP {
		c.Packet = event.Packet{Dir: c.Dir, Len: length, Captured: uint32(len(data)), Data: data}
	} else {
		d.pkt.Packet(data, length, &c.Packet)
	}
	c.Answers = pkt.Answers(&c.Packet)
	c.Cookie, c.Owner, c.Inherited = p.Cookie, evidence(p.Owner.How), p.Owner.Cookie != p.Cookie
	c.Made, c.Wire, c.Handed = event.Made(p.Made), p.Flags&wire.PacketWire != 0, p.Flags&wire.PacketHanded != 0
	c.Handshake = c.Handed && c.Inherited
	c.Inherited = c.Inherited && !c.Handed
	c.Space = uint32(p.NsHigh)<<16 | uint32(p.NsLow)
	c.Shared = p.Flags&wire.PacketShared != 0
	c.Old = p.Owner.How&wire.OwnerOld != 0
	c.Claimed = p.Flags&wire.PacketClaimed != 0
	c.Seen, c.Iface, c.Mark = d.wall(p.Owner.Time), p.Ifindex, p.Mark
	ev.Body = c
	return true
}

func evidence(how uint32) event.Evidence { return event.Evidence(how &^ wire.OwnerOld) }

func (d *Decoder) owner(o *wire.Owner) event.Task {
	return event.Task{
		Proc: proc(o.Pid, o.Start), TID: o.Tid, NSPID: o.Nspid, NSTID: o.Nstid, UID: o.Uid, Comm: d.comm(o.Comm),
	}
}

func (d *Decoder) handover(r wire.Record, ev *event.Event) bool {
	var h wire.Handover
	if !h.Unmarshal(r) {
		return false
	}
	ev.Task = d.owner(&h.Owner)
	ev.Body = &event.Handover{Cookie: h.Cookie, Listener: h.Listener, Owner: evidence(h.Owner.How), Seen: d.wall(h.Owner.Time)}
	return true
}

func (d *Decoder) state(r wire.Record, ev *event.Event) bool {
	var s wire.State
	var k wire.Sock
	if !s.Unmarshal(r) || !k.Unmarshal(r[wire.SizeState:]) {
		return false
	}
	ev.Task = d.owner(&s.Owner)
	b := &event.State{
		Sock: sock.Event(&k), Look: s.What == wire.StateLook, From: s.From, To: s.To, Err: s.Err,
		Owner: evidence(s.Owner.How), Shared: s.Flags&wire.StateShared != 0, Old: s.Owner.How&wire.OwnerOld != 0, Context: event.KernelContext(s.Context),
		TCP: event.TCPCounts{
			Sent: s.Sent, Acked: s.Acked, Received: s.Received, Resent: s.Resent, SegsOut: s.SegsOut, SegsIn: s.SegsIn,
			DataOut: s.DataSegsOut, DataIn: s.DataSegsIn, Retrans: s.Retrans,
			RTT: int64(s.Srtt) * 1000, RTTVar: int64(s.Rttvar) * 1000, Cwnd: s.Cwnd, SSThresh: s.Ssthresh,
			Unsent: s.Unsent, Unacked: s.Unacked, Unread: s.Unread, MSS: s.Mss, SendWindow: s.SndWnd,
		},
	}
	if b.Context == event.ContextTask {
		b.Around = d.krn.Open(s.Owner.Tid)
	}
	if s.Fin != 0 && b.TCP.Received > 0 {
		b.TCP.Received--
	}
	if s.Owner.Cookie != k.Cookie {
		b.Listener = s.Owner.Cookie
	}
	if by := wire.AttrOf(r[wire.SizeState+wire.SizeSock:], wire.TagOwners); len(by) > 0 {
		b.Users = new(event.Users)
		for ; len(by) >= wire.SizeOwner; by = by[wire.SizeOwner:] {
			var o wire.Owner
			o.Unmarshal(by)
			b.Users.Add(event.Use{What: evidence(o.How), Task: d.owner(&o), Time: d.wall(o.Time), Inherited: o.Cookie != k.Cookie})
		}
	}
	ev.Body = b
	return true
}

// kernelEvent decodes a kernel event.
func (d *Decoder) kernelEvent(r wire.Record, ev *event.Event) bool {
	k := &d.did
	var t wire.KernelTail
	if !wire.KernelParts(r, k, &t) {
		return false
	}
	b := d.krn.Event(k, &t)
	ev.Task = d.owner(&k.Owner)
	if b.OnTID != 0 {
		b.OnComm = d.comm(k.OnComm)
	}
	ev.Body = b
	return true
}

// Limits for strings of records, in bytes. Strings that are kept for the whole run have the
// limits of the kernel. Longer ones are truncated with a warning.
const (
	maxPath   = 4096 // PATH_MAX
	maxUnix   = 108  // sun_path
	maxName   = 255  // of a user, interface, host or reason: HOST_NAME_MAX is 64, DNS names have up to 253
	maxSymbol = 2048 // KSYM_NAME_LEN is 512; C++ and Rust symbols are longer
	maxProto  = 16 << 10
)

// attr returns a copy of an attribute, truncated to most bytes with a warning in ev.
func (d *Decoder) attr(ev *event.Event, attrs []byte, tag uint16, most int) string {
	b := wire.AttrOf(attrs, tag)
	if len(b) > most {
		ev.Warn = append(ev.Warn, fmt.Sprintf("a text of %d bytes: only the first %d are used", len(b), most))
		b = b[:most]
	}
	return string(b)
}

func (d *Decoder) symbol(r wire.Record, ev *event.Event) bool {
	var s wire.Symbol
	if !s.Unmarshal(r) {
		return false
	}
	b := &event.Symbol{Addr: s.Addr, Offset: s.Offset, PID: s.Pid, Name: d.attr(ev, r[wire.SizeSymbol:], wire.TagName, maxSymbol), File: d.attr(ev, r[wire.SizeSymbol:], wire.TagExe, maxPath)}
	d.krn.Symbol(s.Pid, s.Addr, s.Offset, b.Name, b.File)
	if s.Pid == 0 {
		d.krn.Proto(s.Addr, d.attr(ev, r[wire.SizeSymbol:], wire.TagText, maxProto))
	}
	ev.Body = b
	return true
}

func (d *Decoder) process(r wire.Record, ev *event.Event) bool {
	var p wire.Proc
	if !p.Unmarshal(r) {
		return false
	}
	attrs := r[wire.SizeProc:]
	ev.Task = event.Task{Proc: proc(p.Pid, p.Start), TID: p.Tid, NSPID: p.Nspid, UID: p.Uid, Comm: d.comm(p.Comm)}
	exe, _, _ := bytes.Cut(wire.AttrOf(attrs, wire.TagExe), []byte{0})
	b := &event.Process{
		What: event.ProcWhat(p.What), Parent: proc(p.Ppid, p.ParentStart), Exe: string(exe),
		Cgroup: string(wire.AttrOf(attrs, wire.TagCgroup)), Container: string(wire.AttrOf(attrs, wire.TagContainer)),
		Code: p.Code, NetNS: p.Netns, Compat: p.Flags&wire.ProcCompat != 0,
	}
	if argv := strings.TrimRight(string(wire.AttrOf(attrs, wire.TagArgv)), "\x00"); argv != "" {
		b.Argv = strings.Split(argv, "\x00")
	}
	ev.Body = b
	return true
}

func (d *Decoder) sockFound(r wire.Record, ev *event.Event) bool {
	var s wire.Socksnap
	var k wire.Sock
	if !s.Unmarshal(r) || !k.Unmarshal(r[wire.SizeSocksnap:]) {
		return false
	}
	ev.Task = event.Task{Proc: proc(s.Pid, s.Start), TID: s.Pid}
	ev.Body = &event.SockFound{
		Sock: sock.Event(&k),
		Path: d.attr(ev, r[wire.SizeSocksnap+wire.SizeSock:], wire.TagName, maxUnix),
	}
	return true
}

func (d *Decoder) name(r wire.Record, ev *event.Event) bool {
	var n wire.Name
	if !n.Unmarshal(r) {
		return false
	}
	name := d.attr(ev, r[wire.SizeName:], wire.TagName, maxName)
	d.sys.Learn(n.What, n.Netns, n.Id, name)
	d.krn.Learn(n.What, n.Id, name)
	b := &event.Name{What: n.What, ID: n.Id, NetNS: n.Netns, Name: name}
	if n.What == wire.NameHost {
		b.Addr, _ = netip.AddrFromSlice(wire.AttrOf(r[wire.SizeName:], wire.TagAddr))
	}
	ev.Body = b
	return true
}

// layer returns the layer of a record, LayerSys if n is invalid.
func layer(n uint16) event.Layer {
	if n == 0 || n >= event.Layers {
		return event.LayerSys
	}
	return event.Layer(n)
}

func lostReason(n uint32) string {
	switch n {
	case wire.LostRing:
		return "ring buffer full"
	case wire.LostInflight:
		return "too many threads"
	case wire.LostUring:
		return "too many io_uring requests"
	case wire.LostTargets:
		return "too many processes"
	case wire.LostUnasked:
		return "processes that exited before their names were known"
	case wire.LostMissed:
		return "skipped by the kernel, possibly of other processes"
	case wire.LostCall:
		return "calls skipped by the kernel"
	case wire.LostBacklog:
		return "audit queue in the kernel full, possibly of other processes"
	case wire.LostTool:
		return "dropped by the tool that wrote the file, as it reports"
	case wire.LostAudit:
		return "audit records not read in time, possibly of other processes"
	}
	return "unknown reason"
}

func endReason(n uint32) string {
	switch n {
	case wire.EndDetached:
		return "detached"
	case wire.EndTargets:
		return "targets ended"
	case wire.EndLimit:
		return "limit reached"
	}
	return "error"
}
