package merge

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/syscalls"
	"github.com/pidwire/pidwire/internal/wire"
)

// Packets of a socket that was just accepted, inherited or passed carry the
// listener's owner. The new owner is known at its first use of the socket, mostly
// within the window; the packets are then relabelled (PacketHanded).

// tuple is the addresses of a TCP connection as its packets have them.
type tuple struct {
	local, peer  [16]byte
	lport, rport uint16
}

const protoTCP = 6

// maxChildren bounds the accepted sockets whose addresses are kept.
const maxChildren = 2048

// children maps the cookies of accepted sockets to their addresses: packets of a
// handshake carry the listener's cookie.
type children struct{ young, old map[uint64]tuple }

func (c *children) put(cookie uint64, t tuple) {
	if len(c.young) >= maxChildren {
		c.old, c.young = c.young, map[uint64]tuple{}
	}
	c.young[cookie] = t
}

func (c *children) get(cookie uint64) (tuple, bool) {
	t, ok := c.young[cookie]
	if !ok {
		t, ok = c.old[cookie]
	}
	return t, ok
}

// born stores the addresses of a socket created by a listener.
func (m *Merger) born(r wire.Record) {
	if len(r) < wire.SizeState+wire.SizeSock {
		return
	}
	var k wire.Sock
	k.Unmarshal(r[wire.SizeState:])
	if binary.LittleEndian.Uint64(r[wire.OffStateOwner:]) == k.Cookie {
		return
	}
	m.bornOf(&k)
}

func (m *Merger) bornOf(k *wire.Sock) {
	m.children.put(k.Cookie, tuple{unmapped(k.Laddr), unmapped(k.Raddr), k.Lport, k.Rport})
}

// unmapped converts an IPv4-mapped IPv6 address to IPv4.
func unmapped(a [16]byte) [16]byte {
	if bytes.HasPrefix(a[:], make([]byte, 10)) && a[10] == 0xff && a[11] == 0xff {
		return [16]byte(append(append([]byte(nil), a[12:]...), make([]byte, 12)...))
	}
	return a
}

// accepted makes the caller of accept the owner of the new socket.
func (m *Merger) accepted(r wire.Record) {
	if r[wire.OffSyscallNsock] == 0 {
		return
	}
	var s wire.Syscall
	socks, _, ok := wire.SyscallParts(r, &s)
	if !ok || s.Ret < 0 {
		return
	}
	var listener uint64
	for i := range int(s.Nsock) {
		var k wire.Sock
		k.Unmarshal(socks[i*wire.SizeSock:])
		if k.Flags&wire.SockResult == 0 || k.Cookie == 0 {
			listener = k.Cookie
			continue
		}
		c := syscalls.Find(s.Abi, s.Nr, s.Sub)
		if c == nil || !c.Role.Has(event.Accepts) {
			return // dup
		}
		o := wire.Owner{
			Cookie: k.Cookie, Start: s.Start, Time: s.H.Time, Pid: s.Pid, Tid: s.Tid, Nspid: s.Nspid, Nstid: s.Nstid,
			Uid: s.Uid, How: wire.OwnerAccepted, Comm: s.Comm,
		}
		if _, known := m.children.get(k.Cookie); !known && k.Protocol == protoTCP {
			m.bornOf(&k) // before 5.12 there is no state record
		}
		var b [wire.SizeOwner]byte
		m.relabel(k.Cookie, listener, o.Append(b[:0]))
	}
}

func (m *Merger) handedOver(r wire.Record) {
	if len(r) < wire.SizeHandover {
		return
	}
	cookie := binary.LittleEndian.Uint64(r[wire.OffHandoverCookie:])
	listener := binary.LittleEndian.Uint64(r[wire.OffHandoverListener:])
	owner := r[wire.OffHandoverOwner : wire.OffHandoverOwner+wire.SizeOwner]
	m.relabel(cookie, listener, owner)
	if listener != 0 {
		return
	}
	// Both processes used the socket before: one may send and the other receive.
	// Data received since the last read belongs to the process that reads it.
	delete(m.holders, cookie)
	if reads(owner) {
		var since uint64
		if b := wire.AttrOf(r[wire.SizeHandover:], wire.TagSince); len(b) == 8 {
			since = binary.LittleEndian.Uint64(b)
		}
		for _, p := range m.unread(cookie, since) {
			setOwner(p, owner)
		}
	}
	delete(m.labels, labelKey{cookie: cookie}) // a later packet may be read by the other process
	if len(m.shared) >= maxChildren {
		m.shared = map[uint64]bool{}
	}
	m.shared[cookie] = true
}

// hold stores a socket that several processes held at attach. Until one of them uses it, its packets may belong to
// any of them.
func (m *Merger) hold(r wire.Record) {
	var s wire.Socksnap
	if !s.Unmarshal(r) || s.Holders < 2 || len(r) < wire.SizeSocksnap+wire.SizeSock {
		return
	}
	var k wire.Sock
	k.Unmarshal(r[wire.SizeSocksnap:])
	const inet, inet6 = 2, 10
	switch {
	case k.Cookie == 0 || k.Family != inet && k.Family != inet6: // it has no packets, or none that could be found
	case len(m.holders) < maxChildren:
		m.holders[k.Cookie] = true
	default:
		m.anyHeld = true
	}
}

// holdersMay marks a packet as shared if its owner only held the socket at attach, as others did.
func (m *Merger) holdersMay(r wire.Record) {
	if len(m.holders) == 0 && !m.anyHeld || r[wire.OffPacketMade] != wire.MadeSocket ||
		binary.LittleEndian.Uint32(r[wire.OffPacketOwner+wire.OffOwnerHow:])&^wire.OwnerOld != wire.OwnerFound {
		return
	}
	if !m.anyHeld && !m.holders[binary.LittleEndian.Uint64(r[wire.OffPacketOwner+wire.OffOwnerCookie:])] {
		return
	}
	r[wire.OffPacketFlags] |= wire.PacketShared | wire.PacketOpen
}

// wrote makes the packets that wait for it the writer's, if they carry only bytes that it is proved to have written.
func (m *Merger) wrote(r wire.Record) {
	if len(r) < wire.SizeWrote {
		return
	}
	cookie := binary.LittleEndian.Uint64(r[wire.OffWroteCookie:])
	from, to := binary.LittleEndian.Uint32(r[wire.OffWroteFrom:]), binary.LittleEndian.Uint32(r[wire.OffWroteTo:])
	l := m.labels[labelKey{cookie: cookie, out: true}]
	if l == nil {
		return
	}
	open := l.packets[:0]
	for _, p := range l.packets {
		seq, n := segment(p)
		if int32(seq-from) < 0 || int32(to-(seq+n)) < 0 {
			open = append(open, p)
			continue
		}
		setOwner(p, r[wire.OffWroteOwner:wire.OffWroteOwner+wire.SizeOwner])
	}
	l.packets = open
}

// segment returns the sequence number of a TCP packet, and the length of its data.
func segment(r wire.Record) (seq, n uint32) {
	b, at := r[wire.SizePacket:], uint32(40)
	if b[0]>>4 == 4 {
		at = uint32(b[0]&15) * 4
	}
	return binary.BigEndian.Uint32(b[at+4:]), binary.LittleEndian.Uint32(r[wire.OffPacketLen:]) - at - uint32(b[at+12]>>4)*4
}

// awaitsProof reports whether a packet has an uncertain sender, and enough of its headers to settle it.
func awaitsProof(r wire.Record) bool {
	if r[wire.OffPacketDir] != wire.PacketOut || !open(r) || !isTCP(r) || !carries(r) {
		return false
	}
	at := 40
	if r[wire.SizePacket]>>4 == 4 {
		at = int(r[wire.SizePacket]&15) * 4
	}
	return len(r) > wire.SizePacket+at+12
}

func isTCP(r wire.Record) bool {
	b := r[wire.SizePacket:]
	return len(b) >= 20 && (b[0]>>4 == 4 && b[9] == protoTCP || b[0]>>4 == 6 && b[6] == protoTCP)
}

// unread returns the delayed packets received by a socket after a time, and their kernel events.
func (m *Merger) unread(cookie, since uint64) (list []wire.Record) {
	add := func(p wire.Record) {
		if p.Time() > since && (p.Kind() == wire.KindKernel && open(p) || p.Kind() == wire.KindPacket && p[wire.OffPacketDir] == wire.PacketIn && carries(p)) {
			list = append(list, p)
		}
	}
	if m.shared[cookie] {
		for _, p := range m.labelled(labelKey{cookie: cookie}) {
			add(p)
		}
		return list
	}
	// It was not known to be shared: its packets are not registered.
	for i := len(m.held) - 1; i >= m.next && m.held[i].at > since; i-- {
		switch p := m.held[i].rec; {
		case p.Kind() == wire.KindPacket && len(p) >= wire.SizePacket && p[wire.OffPacketMade] == wire.MadeSocket &&
			binary.LittleEndian.Uint64(p[wire.OffPacketCookie:]) == cookie:
			add(p)
		case p.Kind() == wire.KindKernel && len(p) >= wire.SizeKernel && binary.LittleEndian.Uint64(p[wire.OffKernelCookie:]) == cookie:
			add(p)
		}
	}
	return list
}

// labelKey identifies delayed packets that may be relabelled: by socket cookie, and
// at a listener also by the addresses of the connection; those that wait for a proof of their sender apart.
type labelKey struct {
	cookie uint64
	tuple  tuple
	out    bool
}

// maxLabels bounds the packets of a key: further packets keep their owner. One call can read
// or send many packets, and settles them all.
const maxLabels = 2048

// labels are the delayed packets of one key, in order of arrival.
type labels struct {
	key     labelKey
	packets []wire.Record
}

// label registers a delayed packet whose owner may change, and returns the list that
// has it. The packet keeps that list: its key may be computed differently later,
// because the tables that keys are made from forget earlier.
func (m *Merger) label(r wire.Record) *labels {
	k, ok := m.keyOf(r)
	if !ok {
		return nil
	}
	l := m.labels[k]
	if l == nil {
		l = &labels{key: k}
		m.labels[k] = l
	}
	if len(l.packets) >= maxLabels {
		return nil
	}
	l.packets = append(l.packets, r)
	return l
}

// unlabel unregisters a packet that is emitted: its memory is reused.
func (m *Merger) unlabel(it *item) {
	l := it.label
	if l == nil {
		return
	}
	it.label = nil
	i := slices.IndexFunc(l.packets, func(r wire.Record) bool { return &r[0] == &it.rec[0] })
	switch {
	case i == 0:
		l.packets = l.packets[1:]
	case i > 0:
		l.packets = slices.Delete(l.packets, i, i+1)
	}
	if len(l.packets) == 0 && m.labels[l.key] == l {
		delete(m.labels, l.key)
	}
}

// labelled returns the delayed packets of a key.
func (m *Merger) labelled(k labelKey) []wire.Record {
	if l := m.labels[k]; l != nil {
		return l.packets
	}
	return nil
}

// keyOf returns the key of a packet, or of a kernel event in softirq context, whose
// owner is inherited from a listener, or whose socket is a listener.
func (m *Merger) keyOf(r wire.Record) (k labelKey, ok bool) {
	if r.Kind() == wire.KindKernel {
		if len(r) < wire.SizeKernel || r[wire.OffKernelContext] == wire.ContextTask && binary.LittleEndian.Uint32(r[wire.OffKernelOnTid:]) == 0 {
			return k, false
		}
		k.cookie = binary.LittleEndian.Uint64(r[wire.OffKernelCookie:])
		return k, k.cookie != 0 && (inherited(r) || open(r))
	}
	if len(r) < wire.SizePacket || r[wire.OffPacketMade] != wire.MadeSocket {
		return k, false
	}
	k.cookie = binary.LittleEndian.Uint64(r[wire.OffPacketCookie:])
	if m.listeners[k.cookie] {
		k.tuple, ok = tupleOf(r)
		return k, ok
	}
	if awaitsProof(r) {
		k.out = true
		return k, true
	}
	handed := r[wire.OffPacketFlags]&wire.PacketHanded != 0
	return k, handed || inherited(r) || m.shared[k.cookie]
}

// relabel sets the owner of the delayed packets and kernel events of a socket whose
// owner is inherited from the listener, including packets of the handshake.
func (m *Merger) relabel(cookie, listener uint64, owner []byte) {
	for _, r := range m.labelled(labelKey{cookie: cookie}) {
		switch {
		case !inherited(r):
		case open(r) && !reads(owner): // the sender may not be the reader
		case r.Kind() == wire.KindKernel || r[wire.OffPacketFlags]&wire.PacketHanded == 0:
			setOwner(r, owner)
		}
	}
	for _, r := range m.labelled(labelKey{cookie: cookie, out: true}) {
		if inherited(r) { // of its writer there is no proof yet
			copy(r[wire.OffPacketOwner:wire.OffPacketOwner+wire.SizeOwner], owner)
			r[wire.OffPacketFlags] |= wire.PacketHanded
		}
	}
	t, ok := m.children.get(cookie)
	if !ok || listener == 0 {
		return
	}
	for _, r := range m.labelled(labelKey{cookie: listener, tuple: t}) {
		if r[wire.OffPacketFlags]&wire.PacketHanded == 0 {
			setOwner(r, owner)
		}
	}
}

func setOwner(r wire.Record, owner []byte) {
	if r.Kind() == wire.KindKernel {
		copy(r[wire.OffKernelOwner:wire.OffKernelOwner+wire.SizeOwner], owner)
		if open(r) {
			r[wire.OffKernelFlags] &^= wire.KernelOpen | wire.KernelShared
		}
		return
	}
	confirmed := r[wire.OffPacketDir] == wire.PacketOut && open(r) && !inherited(r) &&
		bytes.Equal(r[wire.OffPacketOwner+wire.OffOwnerPid:][:4], owner[wire.OffOwnerPid:][:4])
	if open(r) {
		r[wire.OffPacketFlags] &^= wire.PacketOpen | wire.PacketShared
	}
	if confirmed {
		return // with the thread that it had
	}
	copy(r[wire.OffPacketOwner:wire.OffPacketOwner+wire.SizeOwner], owner)
	r[wire.OffPacketFlags] |= wire.PacketHanded
}

// open reports whether a packet or kernel event belongs to the process that reads next.
func open(r wire.Record) bool {
	if r.Kind() == wire.KindKernel {
		return r[wire.OffKernelFlags]&wire.KernelOpen != 0
	}
	return r[wire.OffPacketFlags]&wire.PacketOpen != 0
}

// reads reports whether an owner is known by a read.
func reads(owner []byte) bool {
	return binary.LittleEndian.Uint32(owner[wire.OffOwnerHow:])&^wire.OwnerOld == wire.OwnerReceived
}

// inherited reports whether the owner of a packet or kernel event is that of another socket.
func inherited(r wire.Record) bool {
	owner, cookie := wire.OffPacketOwner, wire.OffPacketCookie
	if r.Kind() == wire.KindKernel {
		owner, cookie = wire.OffKernelOwner, wire.OffKernelCookie
	}
	return !bytes.Equal(r[owner+wire.OffOwnerCookie:owner+wire.OffOwnerCookie+8], r[cookie:cookie+8])
}

// carries reports whether a packet has data for a reader. Only pure TCP ACKs have none.
func carries(r wire.Record) bool {
	b, length := r[wire.SizePacket:], int(binary.LittleEndian.Uint32(r[wire.OffPacketLen:]))
	at := 40
	switch {
	case len(b) < 20:
		return true
	case b[0]>>4 == 4 && b[9] == 6:
		at = int(b[0]&15) * 4
	case b[0]>>4 == 6 && b[6] == 6:
	default:
		return true
	}
	return len(b) <= at+12 || length > at+int(b[at+12]>>4)*4
}

// listens stores the cookie of a socket that receives a SYN.
func (m *Merger) listens(r wire.Record) {
	b := r[min(len(r), wire.SizePacket):]
	if r[wire.OffPacketDir] != wire.PacketIn || r[wire.OffPacketMade] != wire.MadeSocket || len(b) < 40 {
		return
	}
	at := 40
	switch {
	case b[0]>>4 == 4 && b[9] == 6:
		at = int(b[0]&15) * 4
	case b[0]>>4 == 6 && b[6] == 6:
	default:
		return
	}
	const syn, ack = 2, 16
	if len(b) > at+13 && b[at+13]&(syn|ack) == syn {
		cookie := binary.LittleEndian.Uint64(r[wire.OffPacketCookie:])
		if len(m.listeners) >= maxChildren {
			// Delayed packets are registered under their old keys.
			m.listeners, m.labels = map[uint64]bool{}, map[labelKey]*labels{}
		}
		m.listeners[cookie] = true
	}
}

// tupleOf returns the addresses of a TCP packet.
func tupleOf(r wire.Record) (t tuple, ok bool) {
	b := r[wire.SizePacket:]
	if len(b) < 20 {
		return t, false
	}
	src, dst := &t.local, &t.peer
	in := r[wire.OffPacketDir] == wire.PacketIn
	if in {
		src, dst = dst, src
	}
	var at int
	switch b[0] >> 4 {
	case 4:
		at = int(b[0]&15) * 4
		copy(src[:4], b[12:])
		copy(dst[:4], b[16:])
	case 6:
		if at = 40; len(b) < at {
			return t, false
		}
		copy(src[:], b[8:])
		copy(dst[:], b[24:])
	}
	if at < 20 || len(b) < at+4 {
		return t, false
	}
	t.lport, t.rport = binary.BigEndian.Uint16(b[at:]), binary.BigEndian.Uint16(b[at+2:])
	if in {
		t.lport, t.rport = t.rport, t.lport
	}
	return t, true
}

// once drops the device's copy of a packet that a socket of the same owner received
// too: raw sockets receive ICMP errors.
func (m *Merger) once(r wire.Record) {
	const head = 28 // IPv4 header and the first bytes of ICMP
	if len(r) < wire.SizePacket+head || r[wire.OffPacketFlags]&wire.PacketWire != 0 || !icmp(r[wire.SizePacket:]) {
		return
	}
	for i := len(m.held) - 1; i >= m.next; i-- {
		h := m.held[i].rec
		if h.Kind() == wire.KindPacket && len(h) >= wire.SizePacket+head && h[wire.OffPacketFlags]&wire.PacketWire != 0 &&
			h[wire.OffPacketDir] == r[wire.OffPacketDir] &&
			bytes.Equal(h[wire.OffPacketCookie:wire.OffPacketCookie+8], r[wire.OffPacketCookie:wire.OffPacketCookie+8]) &&
			bytes.Equal(h[wire.SizePacket:wire.SizePacket+head], r[wire.SizePacket:wire.SizePacket+head]) {
			m.takeOut(i)
			return
		}
	}
}

func icmp(b []byte) bool {
	return b[0]>>4 == 4 && b[9] == 1 || b[0]>>4 == 6 && b[6] == 58
}
