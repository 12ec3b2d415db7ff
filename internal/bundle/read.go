package bundle

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"unsafe"

	"github.com/pidwire/pidwire/internal/bounded"
	"github.com/pidwire/pidwire/internal/decode"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/flow"
	"github.com/pidwire/pidwire/internal/wire"
)

// kind is the kind of an item.
type kind uint8

const (
	other kind = iota
	call
	packet
	record // an audit record
	gap    // lines are missing here, or events were lost
)

// item is a record, with the fields that other files may have, too.
type item struct {
	rec  wire.Record
	file *file
	kind kind
	// The event was between lo and hi; at is its position in the timeline, and shown the
	// time that is printed. All are ns on the common clock.
	lo, hi, at, shown int64
	due               int64  // maximum of lo and of due of the previous item in its line
	slack             int64  // uncertainty in the file
	dur               int64  // duration of a call, if known
	wish              int64  // time of its packet; 0: unknown
	next              int64  // earliest time of the next item of its process
	paired, placed    bool   // pair and place have handled it
	began             uint32 // line of the file at which it started; 0: unknown
	gone              bool   // it has been emitted with its call
	halves            bool   // a line at the position of its second half

	pid   uint32
	comm  string
	name  string // system call
	role  event.Role
	ret   int64
	addr  netip.AddrPort // argument of a call
	fd    int32          // -1: unknown
	size  uint32         // payload bytes
	in    bool
	done  bool // the call has returned
	conn  *conn
	child uint32 // number of the accepted connection

	// Fields of a packet.
	src, dst netip.AddrPort
	proto    uint8
	dir      event.Direction
	flags    uint8
	seq      uint32

	mate *item // the call of an audit record and vice versa; the call of a kernel function

	// Fields of a kernel function that a tracer printed.
	step, leaves bool
	enters       string // system call that the function implements
	depth        int
	steps        []*item // kernel functions of a call
}

// bytes returns the memory of an item.
func (it *item) bytes() int { return int(unsafe.Sizeof(*it)) + len(it.rec) }

// sends reports whether a call goes before its packets.
func (i *item) sends() bool {
	if i.size > 0 {
		return !i.in
	}
	return i.role.Has(event.Connects | event.Listens | event.ShutsDown | event.Closes)
}

// conn is a connection in one file.
type conn struct {
	file        *file
	n           uint32
	proto       uint16
	local, peer netip.AddrPort // of packets: the sender of the first one is local
	pid         uint32
	comm        string
	packets     bool  // its file has packets, not calls
	whole       bool  // the file has its start
	syn         bool  // of packets: a SYN was seen
	handshook   int64 // of packets: time of the end of the handshake; 0: none
	first       int64 // time of its first item
	connected   bool  // of calls: connect or accept was seen
	indexed     bool  // of packets: it is in the queues
	reported    bool  // a call has been given its addresses

	// pair is the same connection in another file: that of packets for calls, that of calls
	// for packets.
	pair *conn
	flip bool // of packets: local is the peer of the calls
	// Of packets: placeholder for the peer's host name, and the real address from the
	// calls.
	made, real netip.Addr

	// Of calls: position in the stream, by direction; 0 is out.
	pos    [2]uint32
	synced [2]bool
	used   [2]int64 // time of the last packet that was matched
	tried  int      // number of sizes at the last search
	sizes  []int32  // payload sizes of its first calls, negative: received
	gaps   uint32   // number of the file's gaps at the last update
	// Of packets: first sequence number, and the segments that are kept.
	base  [2]uint32
	based [2]bool
	data  [2][]segment
	kept  bool     // it is in aligner.kept
	fin   [2]int64 // time of the FIN; 0: none
}

// connSize is the memory of a connection in bytes, without sizes and data.
const connSize = int(unsafe.Sizeof(conn{}))

func (c *conn) bytes() int { return connSize + 4*cap(c.sizes) }

// update resets what is known of a connection if its file has had a gap.
func (c *conn) update() {
	if c.gaps != c.file.gaps {
		c.gaps, c.whole, c.synced = c.file.gaps, false, [2]bool{}
	}
}

// segment is the payload of a packet; from and to are positions in the stream.
type segment struct {
	from, to uint32
	at       int64
}

const (
	batchItems = 256
	maxDue     = 1 << 14 // entries of file.due
	arenaItems = 16      // records that are decoded before the arena is reset
	batchBytes = 64 << 10
	// maxConns bounds the connections of a file.
	maxConns = 1 << 15
	// maxLoose bounds the descriptors of a file that may be sockets.
	maxLoose = 1 << 12
	// Left is the memory for the tables of the timeline that reads from the bundle, in bytes,
	// in place of bounded.Bytes for a single file.
	Left = 6 << 20
	// tableBytes bounds the connections of all files, readerBytes the tables of all readers
	// together.
	tableBytes  = 6 << 20
	readerBytes = 4 << 20
	// maxRecord bounds a record, as several of each file are in memory.
	maxRecord = 1<<20 + 64<<10
)

// batch holds items of a file, and for each its connection according to the file; N is 0 if
// it has none.
type batch struct {
	items []item
	conns []event.Conn
}

// file is the state of reading a file.
type file struct {
	File
	n     int
	src   Source
	close func() error
	h     wire.Header
	shift int64 // added to its times

	batches chan batch
	free    chan []event.Conn // conns of used batches, to use again
	cur     batch             // items that are not in the window yet
	held    []*item
	bytes   int   // memory of held
	last    int64 // time of the last item
	sent    int64 // latest time that was printed
	eof     bool
	err     error            // valid after eof
	quiet   bool             // a file with Once has no data at hand
	due     map[uint32]int64 // latest item.due, by line
	conns   bounded.Index[uint32, *conn]
	loose   bounded.Index[[2]uint32, *conn] // by process and descriptor
	gaps    uint32
}

// reader decodes records of a file into items.
type reader struct {
	f      *file
	d      *decode.Decoder
	j      *flow.Joiner
	arena  *event.Arena
	n      int
	rebase int64
	e      event.Entry
	// towards is the peer of a connection that starts with the last item, if that is from a
	// kernel tracer.
	towards netip.AddrPort
	names   map[string]string
	hosts   *hosts
	other   map[netip.Addr]netip.Addr // placeholders of this file that differ from those for all files
}

// newReader returns the reader for one of `of` files.
func newReader(f *file, h wire.Header, names *hosts, of int) *reader {
	r := &reader{f: f, hosts: names, d: decode.New(h), j: flow.New(bounded.Of(readerBytes / of)), arena: new(event.Arena), names: map[string]string{}}
	r.d.Use(r.arena)
	r.d.Absolute()
	r.rebase = int64(h.Wall - h.Mono)
	return r
}

// item decodes a record into it, which keeps the bytes. Times are those of the file, as wall
// clock.
func (r *reader) item(rec wire.Record, it *item) (*event.Entry, error) {
	if len(rec) > maxRecord {
		return nil, fmt.Errorf("a record of %d bytes: the limit is %d when several files are merged (open it alone)", len(rec), maxRecord)
	}
	if r.n++; r.n%arenaItems == 0 {
		r.arena.Reset()
		r.d.Use(r.arena)
	}
	if err := r.unify(rec); err != nil {
		return nil, err
	}
	e := &r.e
	*e = event.Entry{}
	r.towards = netip.AddrPort{}
	if k := rec.Kind(); k == wire.KindName || k == wire.KindSymbol {
		// Only the timeline needs them, and they would take memory here.
		*it = item{rec: rec, file: r.f, lo: int64(rec.Time()) + r.rebase}
		return e, nil
	}
	r.d.Record(rec, &e.Event)
	r.j.Add(e)
	*it = item{rec: rec, file: r.f, pid: e.Task.PID, comm: e.Task.Comm}
	it.lo, it.slack = e.Time, e.Slack
	switch b := e.Body.(type) {
	case *event.Call:
		it.kind = call
		it.call(r, b)
		if !b.Foreign {
			it.at = int64(rec.Time()) + r.rebase
			if it.sends() {
				it.at = e.Time
			}
		}
	case *event.Audit:
		if b.Call != nil && !b.Joined && !b.Missing {
			it.kind = record
			it.call(r, b.Call)
			it.slack = auditSlack
		}
	case *event.Capture:
		it.kind = packet
		it.src, it.dst, it.proto, it.dir = b.Src, b.Dst, b.Proto, b.Dir
		if b.Proto == event.ProtoTCP && b.TCP.Valid {
			it.flags, it.seq, it.size = b.TCP.Flags, b.TCP.Seq, b.TCP.Length
		} else if b.Proto == event.ProtoUDP && b.Length > 8 {
			it.size = b.Length - 8
		}
	case *event.Kernel:
		it.kernel(b, r.name)
		if b.Peer.IsValid() && (strings.Contains(b.To, "SYN_SENT") || strings.Contains(b.To, "syn-sent") || strings.HasSuffix(b.Name, "connect-request")) {
			r.towards = b.Peer
		}
	case *event.Note:
		if b.Gap {
			it.kind = gap
		}
	case *event.Lost:
		it.kind = gap
	}
	if rec.Kind() == wire.KindText {
		it.text(rec)
	}
	return e, nil
}

// unify replaces the placeholder addresses in a record, which the reader of each file assigns, by those of
// the timeline.
func (r *reader) unify(rec wire.Record) error {
	switch rec.Kind() {
	case wire.KindName:
		own, all, err := r.hosts.rename(rec)
		if err != nil {
			return err
		}
		if own != all {
			if r.other == nil {
				r.other = map[netip.Addr]netip.Addr{}
			}
			r.other[own] = all
		}
	case wire.KindPacket:
		if len(r.other) > 0 {
			readdress(rec, func(a netip.Addr) (netip.Addr, bool) { n, ok := r.other[a]; return n, ok })
		}
	}
	return nil
}

// text sets the fields for a line of another tool.
func (it *item) text(rec wire.Record) {
	it.kind = call // or the end of a process, which keeps its place among the calls
	if len(rec) < wire.SizeText {
		return
	}
	flags := rec[wire.OffTextFlags]
	if flags&wire.TextApart != 0 {
		it.halves = true
		return
	}
	it.began = binary.LittleEndian.Uint32(rec[wire.OffTextLine:])
	it.halves = flags&wire.TextHalves != 0
}

// whenever is the upper bound for items without a time.
const whenever = 1 << 62

// auditSlack is the maximum error of audit's clock: a tick of a kernel with HZ=100, and the
// digits that are not printed.
const auditSlack = 11_000_000

func (it *item) call(r *reader, c *event.Call) {
	it.name, it.role = r.name(c.Name), c.Role
	it.ret, it.addr, it.dur, it.done = c.Ret, c.Addr, c.Dur, c.State == event.Returned
	if it.fd = -1; len(c.Args) > 0 && !c.Args[0].Unknown && (c.Args[0].Name == "fd" || c.Args[0].Name == "sockfd") {
		it.fd = int32(c.Args[0].Raw)
	}
	it.size, it.in = uint32(min(max(c.Bytes, 0), 1<<31)), c.In
	if it.kind == record && c.Bytes == 0 && c.Ret > 0 && c.Role.Has(event.CountsBytes) {
		it.size, it.in = uint32(min(c.Ret, 1<<31)), c.Role.Has(event.Receives)
	}
}

// name returns a shared copy of a name: those of unknown calls alias the record.
func (r *reader) name(s string) string {
	if n, ok := r.names[s]; ok {
		return n
	}
	if len(r.names) < 4096 {
		s = strings.Clone(s)
		r.names[s] = s
	}
	return s
}

// joined sets the connection of an item, from that of its file.
func (f *file) joined(it *item, c *event.Conn) {
	if c.N == 0 {
		f.loosely(it)
		return
	}
	k, known := f.conns.Get(c.N)
	if !known {
		k = &conn{file: f, n: c.N, first: it.lo, packets: it.kind == packet, whole: !c.Old, pid: it.pid, gaps: f.gaps}
		f.conns.Put(c.N, k)
	}
	if !k.packets || k.pair == nil {
		k.proto = c.Protocol
		if c.Local.IsValid() {
			k.local = c.Local
		}
		if c.Peer.IsValid() {
			k.peer = c.Peer
		}
	}
	k.connected = k.connected || c.Listener != 0
	if it.comm != "" {
		k.comm = it.comm
	}
	it.conn = k
}

// loosely sets the connection of a call on a descriptor whose creation was not seen: it may
// be a socket.
func (f *file) loosely(it *item) {
	if it.role.Has(event.Connects) && it.addr.IsValid() && (it.kind == call || it.kind == record) {
		// Audit does not record the descriptors of calls through socketcall.
		it.conn = &conn{file: f, first: it.lo, pid: it.pid, comm: it.comm, peer: it.addr, whole: true, gaps: f.gaps}
		return
	}
	if it.kind != call || it.fd < 0 {
		return
	}
	key := [2]uint32{it.pid, uint32(it.fd)}
	switch k, known := f.loose.Get(key); {
	case it.role.Has(event.Closes):
		f.loose.Drop(key)
	case known:
		it.conn = k
	case it.size > 0:
		it.conn = &conn{file: f, first: it.lo, pid: it.pid, gaps: f.gaps}
		f.loose.Put(key, it.conn)
	}
}

// start reads the file, one of `of`, in a goroutine that ends with ctx.
func (f *file) start(ctx context.Context, names *hosts, tables *bounded.Room, of int) {
	f.batches, f.free = make(chan batch), make(chan []event.Conn, 2)
	f.conns.In(tables, maxConns, (*conn).bytes)
	f.loose.In(tables, maxLoose, (*conn).bytes)
	r := newReader(f, f.h, names, of)
	go func() {
		defer close(f.batches)
		var list batch
		var slab []byte
		bytes := 0 // in the batch
		send := func() error {
			select {
			case f.batches <- list:
				list, bytes = batch{}, 0
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		err := f.src.Run(ctx, func(rec wire.Record) error {
			if rec == nil {
				if !f.Once {
					return nil
				}
				if len(list.items) > 0 {
					if err := send(); err != nil {
						return err
					}
				}
				return send() // an empty batch: there is no data now
			}
			if cap(slab)-len(slab) < len(rec) {
				slab = make([]byte, 0, max(batchBytes, len(rec)))
			}
			at := len(slab)
			slab = append(slab, rec...)
			bytes += len(rec)
			if list.items == nil {
				list.items = make([]item, 0, batchItems)
				select {
				case list.conns = <-f.free:
				default:
					list.conns = make([]event.Conn, 0, batchItems)
				}
			}
			list.items = append(list.items, item{})
			it := &list.items[len(list.items)-1]
			e, err := r.item(slab[at:len(slab):len(slab)], it)
			if err != nil {
				list.items = list.items[:len(list.items)-1]
				return err
			}
			var c event.Conn
			if e.Conn != nil {
				c = *e.Conn
			}
			list.conns = append(list.conns, c)
			if len(e.Others) > 0 {
				it.child = e.Others[0].N
			}
			if len(list.items) == batchItems || bytes >= batchBytes {
				return send()
			}
			return nil
		})
		f.err = err
		if len(list.items) > 0 {
			_ = send() // it fails if ctx is done
		}
	}()
}

// fill gets the next items of a file into cur; it returns false if there are none now.
func (f *file) fill(ctx context.Context) bool {
	for len(f.cur.items) == 0 && !f.eof {
		select {
		case list, ok := <-f.batches:
			if !ok {
				f.eof = true
				return false
			}
			if len(list.items) == 0 {
				f.quiet = true
				return false
			}
			f.quiet = false
			f.cur = list
		case <-ctx.Done():
			f.eof = true
			return false
		}
	}
	return len(f.cur.items) > 0
}

// front returns the time of the next item on the common clock.
func (f *file) front() int64 { return f.cur.items[0].lo + f.shift }

// pass removes the next item from cur. Its connection must not be used afterwards.
func (f *file) pass() {
	f.cur.items = f.cur.items[1:]
	if len(f.cur.items) > 0 {
		return
	}
	select {
	case f.free <- f.cur.conns[:0]:
	default:
	}
	f.cur = batch{}
}

// next moves an item into the window, and converts its times to the common clock.
func (f *file) next() *item {
	it := &f.cur.items[0]
	c := f.cur.conns[len(f.cur.conns)-len(f.cur.items)]
	f.pass()
	fixed := it.at != 0
	it.lo += f.shift
	it.at += f.shift
	it.hi = it.lo + it.slack
	if !fixed {
		it.at = it.lo
	}
	it.shown, it.next = it.lo, whenever
	if len(f.due) >= maxDue || f.due == nil {
		f.due = map[uint32]int64{}
	}
	it.due = max(it.lo, f.due[f.line(it)])
	f.due[f.line(it)] = it.due
	f.joined(it, &c)
	if c := it.conn; c != nil && it.kind == call && it.size > 0 && len(c.sizes) < maxSizes && c.pair == nil {
		n := int32(it.size)
		if it.in {
			n = -n
		}
		before := cap(c.sizes)
		c.sizes = append(c.sizes, n)
		if more := 4 * (cap(c.sizes) - before); c.n != 0 {
			f.conns.Grew(more)
		} else {
			f.loose.Grew(more)
		}
	}
	if f.h.Clock == wire.ClockNone && it.kind != other {
		it.hi = whenever
	}
	f.held = append(f.held, it)
	return it
}
