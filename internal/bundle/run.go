package bundle

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"net/netip"
	"slices"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/wire"
)

// What is held at a time: items of at most so long, so many of a file, so many
// bytes of all.
const (
	minSpan  = 6_000_000_000
	maxSlack = 2_000_000_000
	maxHeld  = 16 << 10
	maxBytes = 6 << 20
	// coarseBytes is the same where a clock has seconds only: whole ones are compared.
	coarseBytes = 10 << 20
	coarse      = 100_000_000
)

// Run emits the records of all files in one order, and a KindEnd. A file that
// cannot be read to its end does not end the others: the errors, an *ErrFile
// each, are returned after all has been emitted.
func (b *Bundle) Run(ctx context.Context, emit func(wire.Record) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer b.Close()
	defer cancel()
	b.emit = emit
	b.sent = b.header.Mono
	for _, f := range b.files {
		f.start(ctx, &b.hosts, b.tables, len(b.files))
	}
	for _, n := range b.notes {
		if err := b.note(n); err != nil {
			return err
		}
	}
	for {
		limit, more, err := b.read(ctx)
		if err := cmp.Or(ctx.Err(), err); err != nil {
			return err
		}
		b.align(limit)
		if err := b.release(limit); err != nil {
			return err
		}
		if !more {
			break
		}
	}
	var errs []error
	for _, f := range b.files {
		if f.err != nil {
			errs = append(errs, &ErrFile{f.Name, f.err})
		}
	}
	e := wire.End{H: wire.Hdr{Kind: wire.KindEnd, Time: b.sent}, Reason: wire.EndDetached}
	if err := emit(wire.Seal(e.Append(b.rec[:0]))); err != nil {
		return err
	}
	return errors.Join(append(errs, emit(nil))...)
}

// read fills the window, and says up to when everything in it can be placed.
func (b *Bundle) read(ctx context.Context) (limit int64, more bool, err error) {
	begin, span := b.window(ctx)
	room := maxBytes
	if span > minSpan+coarse {
		room = coarseBytes
	}
	if err := b.fill(ctx, begin+span, room); err != nil {
		return 0, false, err
	}
	reached := int64(math.MaxInt64) // what all files have been read up to
	for _, f := range b.files {
		switch {
		case f.eof && len(f.cur.items) == 0:
		case f.h.Clock == wire.ClockNone:
			more = true
		case len(f.cur.items) > 0:
			more = true
			reached = min(reached, max(f.last, f.front()))
		default: // it waits
			more = true
			reached = min(reached, f.last)
		}
	}
	if !more {
		return math.MaxInt64, false, nil
	}
	// What is behind the limit is there to be compared with.
	limit = min(begin+span/2, reached-min(span/2, (reached-begin)/2))
	if b.waits() {
		limit = reached // nobody knows when there will be more to compare with
	}
	return max(limit, begin+1), true, nil
}

// window is the time to be looked at: from the first item that is held, the longer
// the coarser the clocks are.
func (b *Bundle) window(ctx context.Context) (begin, span int64) {
	begin, span = math.MaxInt64, minSpan
	for _, f := range b.files {
		f.bytes = 0
		for _, it := range f.held {
			f.bytes += it.bytes()
			if it.gone || it.rides() {
				continue // it goes with another
			}
			front := it.due
			if it.placed {
				front = max(front, it.at)
			}
			begin = min(begin, front)
			span = max(span, 2*min(it.slack, maxSlack)+minSpan)
		}
		if len(f.held) == 0 && f.fill(ctx) {
			begin = min(begin, f.front())
			span = max(span, 2*min(f.cur.items[0].slack, maxSlack)+minSpan)
		}
	}
	return begin, span
}

// fill reads all files up to end, as far as room bytes hold that: the one that is behind
// first, so that all have been read equally far when there is none.
func (b *Bundle) fill(ctx context.Context, end int64, room int) error {
	var timed []*file
	bytes := 0
	for _, f := range b.files {
		if f.h.Clock != wire.ClockNone {
			timed = append(timed, f)
			bytes += f.bytes
			continue
		}
		// Without times it is never behind: it has a part of the room.
		for f.bytes < room/len(b.files) && len(f.held) < maxHeld && f.fill(ctx) {
			if err := b.take(f); err != nil {
				return err
			}
		}
		bytes += f.bytes
	}
	wanted := func(f *file) bool {
		return bytes < room && len(f.held) < maxHeld && f.fill(ctx) && f.front() <= end
	}
	// One that has nothing more at hand is not asked again: that would wait.
	timed = slices.DeleteFunc(timed, func(f *file) bool { return !wanted(f) })
	for len(timed) > 0 {
		slices.SortStableFunc(timed, func(x, y *file) int { return cmp.Compare(x.front(), y.front()) })
		first, until := timed[0], end
		if len(timed) > 1 {
			until = timed[1].front()
		}
		for first.front() <= until {
			bytes -= first.bytes
			if err := b.take(first); err != nil {
				return err
			}
			bytes += first.bytes
			if !wanted(first) {
				timed = timed[1:]
				break
			}
		}
	}
	return nil
}

// take brings what is next of a file into the window.
func (b *Bundle) take(f *file) error {
	if r := f.cur.items[0].rec; r.Kind() == wire.KindName {
		// Names are for what follows, of whatever file.
		f.pass()
		r.SetTime(b.sent)
		return b.emit(r)
	}
	it := f.next()
	f.last = max(f.last, it.lo)
	f.bytes += it.bytes()
	b.at.arrived(it)
	return nil
}

// waits reports whether a file that grows has nothing at hand.
func (b *Bundle) waits() bool {
	for _, f := range b.files {
		if f.quiet && !f.eof {
			return true
		}
	}
	return false
}

// release emits what is before limit: by time, and of each process in the order
// of its file.
func (b *Bundle) release(limit int64) error {
	var list []*item
	for _, f := range b.files {
		var keep []*item
		last, all := map[uint32]int64{}, int64(0)
		for _, it := range f.held {
			switch {
			case it.gone:
				continue
			case it.rides(): // it goes with its call
				keep = append(keep, it)
				continue
			case !it.placed:
				keep = append(keep, it)
				continue
			case it.kind == gap:
				it.at = max(it.at, all)
			}
			it.at = max(it.at, last[f.line(it)])
			last[f.line(it)] = it.at
			if it.at >= limit {
				keep = append(keep, it)
				continue
			}
			all = max(all, it.at)
			list = append(list, it)
		}
		f.held = keep
	}
	slices.SortStableFunc(list, func(x, y *item) int { return cmp.Compare(x.at, y.at) })
	for from := 0; from < len(list); {
		to := from + 1
		for to < len(list) && list[to].at == list[from].at {
			to++
		}
		if err := b.sendAll(list[from:to]); err != nil {
			return err
		}
		from = to
	}
	if len(list) > 0 && b.waits() {
		return b.emit(nil)
	}
	return nil
}

// line is what of a file has one order: a process, or where that is not told all.
func (f *file) line(it *item) uint32 {
	if f.h.Kernel != "" || it.kind == packet {
		return 0
	}
	return it.pid
}

// sendAll emits items of one time, those of a file one behind the other: calls
// that send, packets, and what came of them.
func (b *Bundle) sendAll(list []*item) error {
	for len(list) > 0 {
		at := 0
		for i := 1; i < len(list); i++ {
			if list[i].file != list[i-1].file && list[i].rank() < list[at].rank() {
				at = i // the next one of another file
			}
		}
		it := list[at]
		copy(list[1:at+1], list[:at])
		list = list[1:]
		if err := b.send(it); err != nil {
			return err
		}
		if r := it.mate; r != nil {
			if err := b.sendRecord(r, it); err != nil {
				return err
			}
			*r = item{gone: true}
		}
		if err := b.sendSteps(it); err != nil {
			return err
		}
		// Items lie in memory together: none may keep others.
		*it = item{}
	}
	return nil
}

func (it *item) rank() int {
	switch {
	case it.kind == other || it.kind == gap:
		return 0
	case it.kind == packet:
		return 2
	case it.sends():
		return 1
	}
	return 3
}

// send emits an item as it stands on the common clock, with what was found.
func (b *Bundle) send(it *item) error {
	r := it.rec
	switch r.Kind() {
	case wire.KindEnd:
		return nil
	case wire.KindClock:
		return nil // of a clock that nobody shows any more
	}
	h := &it.file.h
	wire.Shift(r, int64(h.Wall-h.Mono)+it.file.shift)
	switch {
	case r.Kind() == wire.KindText && len(r) >= wire.SizeText:
		r = b.text(it)
	case r.Kind() == wire.KindPacket && len(r) >= wire.SizePacket:
		b.packet(it)
	case r.Kind() == wire.KindAudit && len(r) >= wire.SizeAudit:
		return b.sendRecord(it, nil)
	case it.kind == gap:
		// It stands behind what its file has before it, which may have been moved.
		r.SetTime(max(r.Time(), uint64(it.file.sent)))
	}
	it.file.sent = max(it.file.sent, it.shown)
	b.sent = max(b.sent, r.Time())
	return b.emit(r)
}

// text gives a line its time, and the addresses of its socket.
func (b *Bundle) text(it *item) wire.Record {
	r := it.rec
	var x wire.Text
	x.Unmarshal(r)
	x.H.Time = uint64(it.shown)
	x.Slack = uint64(min(max(it.hi-it.lo, 0), day)) // more is not known either
	if x.Comm[0] == 0 {
		comm := it.comm
		if comm == "" {
			comm = b.comms[it.pid]
		}
		copy(x.Comm[:len(x.Comm)-1], comm)
	}
	x.Append(r[:0])
	var k wire.Sock
	if it.kind == call && it.tells(&k) {
		x.Nsock = 1
		end := min(len(r), wire.SizeText+(int(x.Text)+7)&^7)
		b.rec = k.Append(append(x.Append(b.rec[:0]), r[wire.SizeText:end]...))
		return wire.Seal(b.rec)
	}
	return r
}

// tells reports whether a call is to say the addresses of its connection, which
// no call before has said, and fills them in.
func (it *item) tells(k *wire.Sock) bool {
	c := it.conn
	if c == nil || c.pair == nil || c.told || it.role.Has(event.Opens) {
		return false
	}
	c.told = true
	family, size := uint16(2), uint16(1)
	if c.local.Addr().Unmap().Is6() {
		family = 10
	}
	if c.pair.proto == event.ProtoUDP {
		size = 2
	}
	*k = wire.Sock{Fd: -1, Family: family, Type: size, Protocol: c.pair.proto, Lport: c.local.Port(), Rport: c.peer.Port()}
	copy(k.Laddr[:], c.local.Addr().Unmap().AsSlice())
	copy(k.Raddr[:], c.peer.Addr().Unmap().AsSlice())
	return true
}

// packet gives a packet the process whose calls go with it.
func (b *Bundle) packet(it *item) {
	r := it.rec
	c := it.conn
	if c == nil || c.pair == nil || binary.LittleEndian.Uint32(r[wire.OffPacketOwner+wire.OffOwnerPid:]) != 0 {
		return
	}
	if c.real.IsValid() {
		readdress(r, func(a netip.Addr) (netip.Addr, bool) { return c.real, a == c.made })
	}
	pid := c.pair.pid
	o := r[wire.OffPacketOwner:]
	binary.LittleEndian.PutUint32(o[wire.OffOwnerPid:], pid)
	binary.LittleEndian.PutUint32(o[wire.OffOwnerTid:], pid)
	copy(o[wire.OffOwnerComm:wire.OffOwnerComm+15], cmp.Or(c.pair.comm, b.comms[pid]))
	r[wire.OffPacketFlags] |= wire.PacketMatched
	if r[wire.OffPacketDir] == 0 {
		r[wire.OffPacketDir] = wire.PacketIn
		if (plain(it.src) == plain(c.local)) != c.flip {
			r[wire.OffPacketDir] = wire.PacketOut
		}
	}
}

// sendRecord emits an audit record, behind its call if that is known.
func (b *Bundle) sendRecord(it, c *item) error {
	r := it.rec
	text := int(binary.LittleEndian.Uint32(r[wire.OffAuditText:]))
	end := min(len(r), (wire.SizeAudit+text+7)&^7)
	if c == nil || end < wire.SizeAudit+text {
		b.wall(it, r)
		var k wire.Sock
		if it.kind == record && end >= wire.SizeAudit+text && len(r) == end && it.tells(&k) {
			s := wire.Socksnap{H: wire.Hdr{Kind: wire.KindSock, Len: wire.SizeSocksnap + wire.SizeSock, Time: r.Time()}, Pid: it.pid}
			b.rec = k.Append(s.Append(append(b.rec[:0], r...)))
			r = wire.Seal(b.rec)
		}
		b.sent = max(b.sent, r.Time())
		return b.emit(r)
	}
	wire.Shift(r[:end], int64(it.file.h.Wall-it.file.h.Mono)+it.file.shift)
	b.wall(it, r)
	r.SetTime(uint64(c.shown))
	b.rec = append(append(b.rec[:0], r[:end]...), c.rec...)
	return b.emit(wire.Seal(b.rec))
}

// wall sets audit's own time as far as the file's zone was not known.
func (b *Bundle) wall(it *item, r wire.Record) {
	at := binary.LittleEndian.Uint64(r[wire.OffAuditWall:])
	binary.LittleEndian.PutUint64(r[wire.OffAuditWall:], at+uint64(it.file.shift))
}

// note emits what is to be said of the files.
func (b *Bundle) note(text string) error {
	attrs := wire.AppendAttr(nil, wire.TagText, text)
	n := wire.Note{H: wire.Hdr{Kind: wire.KindNote, Time: b.header.Mono}, Level: wire.NoteInfo, Attrs: uint16(len(attrs))}
	r := append(n.Append(nil), attrs...)
	for len(r)%8 != 0 {
		r = append(r, 0)
	}
	return b.emit(wire.Seal(r))
}
