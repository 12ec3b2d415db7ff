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

// kind is what an item is to the others.
type kind uint8

const (
	other kind = iota
	call
	packet
	record // of audit
	gap    // lines were left out here, or events lost
)

// item is a record, and what of it others may have too.
type item struct {
	rec  wire.Record
	file *file
	kind kind
	// When it was: between lo and hi, as far as is known; at is where it is put,
	// and shown is the time that it is shown with. All are ns on the common clock.
	lo, hi, at, shown int64
	due               int64  // lo, or that of one before it in its line of the file
	slack             int64  // that it came with
	dur               int64  // of a call, if known
	wish              int64  // when its packet was; 0: not known
	next              int64  // when the next one of its process is at the earliest
	paired, placed    bool   // it has been looked at
	began             uint32 // line of its file that it began at; 0: not told
	gone              bool   // a record that went with its call
	halves            bool   // a line that stands where its second half did

	pid   uint32
	comm  string
	name  string // of a call
	role  event.Role
	ret   int64
	addr  netip.AddrPort // that a call gave
	fd    int32          // -1: not known
	size  uint32         // payload that it moved
	in    bool
	done  bool // a call that has returned
	conn  *conn
	child uint32 // what it accepted

	// Of a packet, as its file has it.
	src, dst netip.AddrPort
	proto    uint8
	dir      event.Direction
	flags    uint8
	seq      uint32

	mate *item // an audit record and its call; of a step of the kernel the call

	// Of what a kernel tracer printed.
	step, leaves bool
	enters       string // the system call that its function is the begin of
	depth        int
	steps        []*item // of a call: what stands under it
}

// bytes is what an item takes in memory.
func (it *item) bytes() int { return int(unsafe.Sizeof(*it)) + len(it.rec) }

// sends reports whether a call stands before the packets that it causes.
func (i *item) sends() bool {
	if i.size > 0 {
		return !i.in
	}
	return i.role.Has(event.Connects | event.Listens | event.ShutsDown | event.Closes)
}

// conn is a connection as one file has it.
type conn struct {
	file        *file
	n           uint32
	proto       uint16
	local, peer netip.AddrPort // of packets: who was seen first is local
	pid         uint32
	comm        string
	packets     bool  // it is of a packet file
	whole       bool  // its beginning was seen
	syn         bool  // of packets: there was one
	handshook   int64 // of packets: when the handshake was complete; 0: not yet
	first       int64 // time of its first item
	connected   bool  // of calls: there was a connect, or it was accepted
	indexed     bool  // of packets: it can be found
	told        bool  // its addresses have been given to a call

	// pair is what another file has of the same connection: of calls the
	// packets, of packets the calls.
	pair *conn
	flip bool // of packets: local is the peer of the calls
	// Of packets whose peer's address was made up for a name: that, and the real
	// one, which the calls have.
	made, real netip.Addr

	// Of calls: how far their stream is, by direction; 0 is out.
	pos    [2]uint32
	synced [2]bool
	used   [2]int64 // time of the last packet that a call was found for
	tried  int      // sizes when it was last looked for
	sizes  []int32  // of what it moved first, negative: in; to find its packets by
	gaps   uint32   // those of its file that it knows of
	// Of packets: what they count from, and those with payload that are at hand.
	base  [2]uint32
	based [2]bool
	data  [2][]segment
	kept  bool     // some are
	fin   [2]int64 // time of the FIN; 0: none yet
}

// connSize is what a connection takes in memory, bytes, without sizes and data.
const connSize = int(unsafe.Sizeof(conn{}))

func (c *conn) bytes() int { return connSize + 4*cap(c.sizes) }

// update says that of a connection not all is known any more, if there has been a gap.
func (c *conn) update() {
	if c.gaps != c.file.gaps {
		c.gaps, c.whole, c.synced = c.file.gaps, false, [2]bool{}
	}
}

// segment is the payload of a packet: from and to are positions in the stream.
type segment struct {
	from, to uint32
	at       int64
}

const (
	batchItems = 256
	maxDue     = 1 << 14 // processes whose last time is known
	arenaItems = 16      // what is decoded in one piece of memory: of each little is kept
	batchBytes = 64 << 10
	// maxConns are the connections of a file that are remembered.
	maxConns = 1 << 15
	// maxLoose are the descriptors of a file that may be sockets.
	maxLoose = 1 << 12
	// Left is what the tables of the timeline behind may take, bytes, where one file
	// alone leaves bounded.Bytes to them.
	Left = 6 << 20
	// tableBytes is what is remembered of all files; readerBytes what the readers of
	// all of them remember to tell connections.
	tableBytes  = 6 << 20
	readerBytes = 4 << 20
	// maxRecord bounds a record: several of each file are held.
	maxRecord = 1<<20 + 64<<10
)

// batch is items of a file in their order, and the connection that the file has
// for each; N is 0 where there is none.
type batch struct {
	items []item
	conns []event.Conn
}

// file is a file that is being read.
type file struct {
	File
	n     int
	src   Source
	close func() error
	h     wire.Header
	shift int64 // added to its times

	batches chan batch
	free    chan []event.Conn // those of batches that have been taken
	cur     batch             // read, not in the window yet
	held    []*item
	bytes   int   // of what is held
	last    int64 // time of the last item that was read
	sent    int64 // latest time that was shown of it
	eof     bool
	err     error            // of its reading; after eof
	quiet   bool             // it has nothing at hand: of a file that is Once
	due     map[uint32]int64 // the latest, by line
	conns   bounded.Index[uint32, *conn]
	loose   bounded.Index[[2]uint32, *conn] // by process and descriptor
	gaps    uint32
}

// reader decodes the records of a file.
type reader struct {
	f      *file
	d      *decode.Decoder
	j      *flow.Joiner
	arena  *event.Arena
	n      int
	rebase int64
	e      event.Entry
	// towards is whom a connection begins with in what a kernel tracer printed last.
	towards netip.AddrPort
	names   map[string]string
	hosts   *hosts
	other   map[netip.Addr]netip.Addr // of names that have another address than this file's reader made up
}

// newReader returns what reads one of so many files.
func newReader(f *file, h wire.Header, names *hosts, of int) *reader {
	r := &reader{f: f, hosts: names, d: decode.New(h), j: flow.New(bounded.Of(readerBytes / of)), arena: new(event.Arena), names: map[string]string{}}
	r.d.Use(r.arena)
	r.d.Absolute()
	r.rebase = int64(h.Wall - h.Mono)
	return r
}

// item reads a record, whose bytes it takes, into it. Its times are the file's
// own, on the wall clock.
func (r *reader) item(rec wire.Record, it *item) (*event.Entry, error) {
	if len(rec) > maxRecord {
		return nil, fmt.Errorf("a record of %d bytes: of one of several files it has at most %d (open it alone)", len(rec), maxRecord)
	}
	if r.n++; r.n%arenaItems == 0 {
		r.arena.Reset()
		r.d.Use(r.arena)
	}
	switch rec.Kind() {
	case wire.KindName:
		own, all, err := r.hosts.rename(rec)
		if err != nil {
			return nil, err
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
	e := &r.e
	*e = event.Entry{}
	r.towards = netip.AddrPort{}
	if k := rec.Kind(); k == wire.KindName || k == wire.KindSymbol {
		// They are for who shows it all, and take memory.
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
		if b.Degraded && strings.HasSuffix(b.Text, "lines were left out here") {
			it.kind = gap
		}
	case *event.Lost:
		it.kind = gap
	}
	if rec.Kind() == wire.KindText {
		it.kind = call // or the end of a process, which has its place among them
		if len(rec) >= wire.SizeText && rec[wire.OffTextFlags]&wire.TextApart != 0 {
			it.halves = true
			return e, nil
		}
		if len(rec) >= wire.SizeText {
			it.began = binary.LittleEndian.Uint32(rec[wire.OffTextLine:])
		}
		it.halves = len(rec) >= wire.SizeText && rec[wire.OffTextFlags]&wire.TextHalves != 0
	}
	return e, nil
}

// whenever is the end of the time in which an item without a time was.
const whenever = 1 << 62

// auditSlack is how far audit's clock may be behind: a tick of the slowest
// kernel, and the digits that it does not print.
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

// name keeps one copy of each name: those of unknown calls are of the record.
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

// joined gives an item the connection that its own file has for it.
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

// loosely gives a call on a descriptor that nobody saw opened what is known of
// it so far: it may be a socket.
func (f *file) loosely(it *item) {
	if it.role.Has(event.Connects) && it.addr.IsValid() && (it.kind == call || it.kind == record) {
		// Audit knows no descriptors of calls that went through socketcall.
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

// start reads the file, one of so many, in a goroutine, which ends with ctx.
func (f *file) start(ctx context.Context, names *hosts, tables *bounded.Room, of int) {
	f.batches, f.free = make(chan batch), make(chan []event.Conn, 2)
	f.conns.In(tables, maxConns, (*conn).bytes)
	f.loose.In(tables, maxLoose, (*conn).bytes)
	r := newReader(f, f.h, names, of)
	go func() {
		defer close(f.batches)
		var list batch
		var slab []byte
		bytes := 0 // of the batch
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
				return send() // of nothing: it waits
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
			_ = send() // it fails if nobody waits any more
		}
	}()
}

// fill brings the next items of a file into cur; false: there are none now.
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

// front is the time of what is next, on the common clock.
func (f *file) front() int64 { return f.cur.items[0].lo + f.shift }

// pass takes what is next away; what it had for a connection is not to be used then.
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

// next moves an item into the window, on the common clock.
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
