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

// Bounds of the window: its minimum length and the maximum slack, both in ns, the items of
// one file, and the bytes of all files.
const (
	minSpan  = 6_000_000_000
	maxSlack = 2_000_000_000
	maxHeld  = 16 << 10
	maxBytes = 6 << 20
	// coarseBytes replaces maxBytes if a clock has seconds only (a slack above coarse ns), because
	// whole seconds are compared then.
	coarseBytes = 10 << 20
	coarse      = 100_000_000
)

// Run emits the records of all files in order, and a KindEnd. If a file cannot be read to
// its end, the others are still read: the errors, each an *ErrFile, are returned after all
// records have been emitted.
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

// read fills the window, and returns the time up to which all items in it can be placed.
func (b *Bundle) read(ctx context.Context) (limit int64, more bool, err error) {
	begin, span := b.window(ctx)
	room := maxBytes
	if span > minSpan+coarse {
		room = coarseBytes
	}
	if err := b.fill(ctx, begin+span, room); err != nil {
		return 0, false, err
	}
	reached := int64(math.MaxInt64) // time up to which all files have been read
	for _, f := range b.files {
		switch {
		case f.eof && len(f.cur.items) == 0:
		case f.h.Clock == wire.ClockNone:
			more = true
		case len(f.cur.items) > 0:
			more = true
			reached = min(reached, max(f.last, f.front()))
		default: // it waits for data
			more = true
			reached = min(reached, f.last)
		}
	}
	if !more {
		return math.MaxInt64, false, nil
	}
	// Items after the limit are only compared with.
	limit = min(begin+span/2, reached-min(span/2, (reached-begin)/2))
	if b.waits() {
		limit = reached // it is unknown when more data comes
	}
	return max(limit, begin+1), true, nil
}

// window returns the start of the window, which is that of the first held item, and its
// length, which depends on how coarse the clocks are. It also sums up the held bytes.
func (b *Bundle) window(ctx context.Context) (begin, span int64) {
	begin, span = math.MaxInt64, minSpan
	for _, f := range b.files {
		f.bytes = 0
		for _, it := range f.held {
			f.bytes += it.bytes()
			if it.gone || it.rides() {
				continue // it is emitted with another item
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

// fill reads all files up to end, or until they take room bytes. It always reads the file
// that is behind, so that all have been read equally far when the room is used up.
func (b *Bundle) fill(ctx context.Context, end int64, room int) error {
	var timed []*file
	bytes := 0
	for _, f := range b.files {
		if f.h.Clock != wire.ClockNone {
			timed = append(timed, f)
			bytes += f.bytes
			continue
		}
		// A file without times is never behind: it gets a fixed share of the room.
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
	// A file without data at hand is not asked again, because that would block.
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

// take moves the next item of a file into the window.
func (b *Bundle) take(f *file) error {
	if r := f.cur.items[0].rec; r.Kind() == wire.KindName {
		// Names apply to all later items, also of other files.
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

// waits reports whether a growing file has no data at hand.
func (b *Bundle) waits() bool {
	for _, f := range b.files {
		if f.quiet && !f.eof {
			return true
		}
	}
	return false
}

// release emits the items before limit, in the order of time, and those of each process in the
// order of their file.
func (b *Bundle) release(limit int64) error {
	var list []*item
	for _, f := range b.files {
		var keep []*item
		last, all := map[uint32]int64{}, int64(0)
		for _, it := range f.held {
			switch {
			case it.gone:
				continue
			case it.rides(): // it is emitted with its call
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

// line returns the key of items that stay in the order of the file: the process, 0 if the file
// has one order for all.
func (f *file) line(it *item) uint32 {
	if f.h.Kernel != "" || it.kind == packet {
		return 0
	}
	return it.pid
}

// sendAll emits items with the same time. It keeps the order within each file, and otherwise
// emits calls that send before packets, and those before calls that receive.
func (b *Bundle) sendAll(list []*item) error {
	for len(list) > 0 {
		at := 0
		for i := 1; i < len(list); i++ {
			if list[i].file != list[i-1].file && list[i].rank() < list[at].rank() {
				at = i // the first one of another file that goes before
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
		// Items are allocated together: clear it, so that it does not keep others alive.
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

// send emits an item with its time on the common clock, and with what was joined to it.
func (b *Bundle) send(it *item) error {
	r := it.rec
	switch r.Kind() {
	case wire.KindEnd:
		return nil
	case wire.KindClock:
		return nil // the timeline has another clock
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
		// It stays after the previous items of its file, which may have moved.
		r.SetTime(max(r.Time(), uint64(it.file.sent)))
	}
	it.file.sent = max(it.file.sent, it.shown)
	b.sent = max(b.sent, r.Time())
	return b.emit(r)
}

// text sets the time of a line, and adds the addresses of its socket.
func (b *Bundle) text(it *item) wire.Record {
	r := it.rec
	var x wire.Text
	x.Unmarshal(r)
	x.H.Time = uint64(it.shown)
	x.Slack = uint64(min(max(it.hi-it.lo, 0), day))
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

// tells reports whether a call is the first one that can give the addresses of its connection,
// and sets k to them.
func (it *item) tells(k *wire.Sock) bool {
	c := it.conn
	if c == nil || c.pair == nil || c.reported || it.role.Has(event.Opens) {
		return false
	}
	c.reported = true
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

// packet sets the process of a packet, if its connection has been joined to calls.
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

// sendRecord emits an audit record, after its call if that is known.
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

// wall adds the shift of the file to audit's own time.
func (b *Bundle) wall(it *item, r wire.Record) {
	at := binary.LittleEndian.Uint64(r[wire.OffAuditWall:])
	binary.LittleEndian.PutUint64(r[wire.OffAuditWall:], at+uint64(it.file.shift))
}

// note emits a note on the files.
func (b *Bundle) note(text string) error {
	attrs := wire.AppendAttr(nil, wire.TagText, text)
	n := wire.Note{H: wire.Hdr{Kind: wire.KindNote, Time: b.header.Mono}, Level: wire.NoteInfo, Attrs: uint16(len(attrs))}
	r := append(n.Append(nil), attrs...)
	for len(r)%8 != 0 {
		r = append(r, 0)
	}
	return b.emit(wire.Seal(r))
}
