// Package pipeline moves records from a source to the recording and to the
// sinks. One goroutine runs the source and writes the recording, one decodes and
// assigns connections, and each sink has one behind a bounded queue.
package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/pidwire/pidwire/internal/bounded"
	"github.com/pidwire/pidwire/internal/decode"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/flow"
	"github.com/pidwire/pidwire/internal/merge"
	"github.com/pidwire/pidwire/internal/proto"
	protocols "github.com/pidwire/pidwire/internal/proto/list"
	"github.com/pidwire/pidwire/internal/sink"
	"github.com/pidwire/pidwire/internal/stage"
	"github.com/pidwire/pidwire/internal/stage/cause"
	"github.com/pidwire/pidwire/internal/stage/names"
	"github.com/pidwire/pidwire/internal/why"
	"github.com/pidwire/pidwire/internal/wire"
)

// Source is a source of records. Run emits them until the source has no
// more or ctx is done; emit(nil) means that no more records are available now.
type Source interface {
	Header() wire.Header
	Run(ctx context.Context, emit func(wire.Record) error) error
}

// Config configures a run.
type Config struct {
	Source Source
	// Clock returns CLOCK_MONOTONIC in ns. If it is set, the records of several layers
	// are merged by time; nil means that they are in order already.
	Clock func() uint64
	Tap   *wire.Writer // the recording; may be nil. It never drops a record
	Sinks []sink.Sink
	// Keep reports whether the sinks get an entry; nil means all.
	Keep func(*event.Entry) bool
	// Limit ends the run after that many kept calls and packets; 0 means no limit.
	Limit uint64
	// Wait blocks the source while a sink is slow, instead of dropping entries. It is for
	// sources that read files.
	Wait bool
	// Tables limits the memory of connections, threads and names, in bytes; 0 means bounded.Bytes.
	Tables int
	// Files is the number of sinks, at the start of Sinks, that are files: they block the
	// source in any case, and get all entries, including those that Keep rejects.
	Files int
	// Messages adds the messages of application protocols; Secrets shows the secrets in them.
	Messages, Secrets bool
	// Verdicts adds the causes of what is slow or failing, before the end.
	Verdicts bool
	// Numeric omits the names of addresses.
	Numeric bool
	// Wrote is called from any goroutine when a sink has written a batch. It may be nil.
	Wrote func()
}

// Result holds the counts of a run.
type Result struct {
	Records uint64
	Calls   uint64
	Packets uint64
	Audits  uint64               // audit events
	Events  uint64               // kernel events
	Said    uint64               // messages
	Lost    [event.Layers]uint64 // lost by the source
	Dropped []uint64             // entries dropped, by sink
	Reason  string               // why the source has ended; empty if it has no end record
}

const (
	batchRecords = 256
	batchBytes   = 128 << 10
	// Lengths of the queues between the goroutines, in batches. 8 batches of 256 calls, at
	// some 2,500 bytes per call and record, are 5 MiB queued per sink.
	recordQueue = 4
	sinkQueue   = 8
	// turns is the number of times to yield before a sink is considered too slow: if all goroutines share
	// one thread, the sink may not have run yet.
	turns = 3
	// Limits in bytes, because a record may be longer than a batch, and a call may have a
	// thousand times its own bytes in tokens: for the batches that are not decoded yet, for
	// those queued for the sinks, and (maxArena) for the decoded form of one batch.
	maxUndecoded = 2 << 20
	maxDecoded   = 7 << 20
	// The same limits with Config.Wait, where the queue only has to keep the sinks busy.
	waitQueue    = 1
	maxUnwritten = 1 << 20
	maxArena     = 1 << 19
	// freeArenas is the number of unused arenas to keep. While the sinks keep up, two are in use.
	freeArenas = 2
)

// batch holds a number of records, then the entries decoded from them, and
// the memory of both. It is reused after the last sink has released it.
type batch struct {
	recs  []wire.Record // a nil record is a call that is only counted
	slab  []byte        // memory of the records
	bytes int           // size of all records, including those in earlier slabs
	list  []event.Entry
	files []int        // indexes in list of entries for file sinks only
	arena *event.Arena // nil if not decoded yet
	// idle means that the source was idle after this batch: sinks flush.
	idle    bool
	packets uint64       // packets that are only counted
	users   atomic.Int32 // reference count
	waits   int          // bytes that it has reserved in run.undecoded
	weighs  int          // bytes that it has reserved in run.decoded
}

// ErrSink wraps the error of a sink, which ends the run.
type ErrSink struct{ Err error }

func (e *ErrSink) Error() string { return e.Err.Error() }
func (e *ErrSink) Unwrap() error { return e.Err }

// Run runs the pipeline until the source ends, and closes the sinks. The Result is valid
// even if there is an error, which is that of the source, the recording or a sink (*ErrSink).
func Run(ctx context.Context, c Config) (Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p := &run{Config: c, records: make(chan *batch, recordQueue), undecoded: room{most: maxUndecoded}, decoded: room{most: maxDecoded}}
	depth := sinkQueue
	if c.Wait {
		depth, p.decoded.most = waitQueue, maxUnwritten
	}
	p.cur = p.newBatch()
	p.res.Dropped = make([]uint64, len(c.Sinks))

	var sinks sync.WaitGroup
	queues := make([]chan delivery, len(c.Sinks))
	errs := make([]error, len(c.Sinks))
	for i, s := range c.Sinks {
		queues[i] = make(chan delivery, depth)
		sinks.Go(func() {
			errs[i] = p.drain(s, queues[i], i < c.Files)
			if errs[i] != nil {
				cancel(&ErrSink{errs[i]})
				for d := range queues[i] { // drained so that no sender blocks
					p.done(d.b)
				}
			}
		})
	}
	var decoding sync.WaitGroup
	decoding.Go(func() {
		p.decode(queues, func() { cancel(errLimit) })
		for _, q := range queues {
			close(q)
		}
	})

	var err error
	if c.Clock == nil {
		err = c.Source.Run(ctx, p.emit)
	} else {
		err = p.merged(ctx)
	}
	p.send(true)
	close(p.records)
	if p.Tap != nil {
		if flushed := p.Tap.Flush(); flushed != nil {
			err = errors.Join(err, p.untap(flushed))
		}
	}
	decoding.Wait()
	sinks.Wait()
	for _, e := range errs {
		if e != nil {
			return p.res, &ErrSink{e}
		}
	}
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return p.res, err
}

// merged runs the source with its records merged by time.
func (p *run) merged(ctx context.Context) error {
	m := merge.New(p.emit)
	if h := p.Source.Header(); h.Layers&(1<<wire.LayerSys) != 0 && h.Layers&(1<<wire.LayerAud) != 0 {
		m.JoinAudit()
	}
	err := p.Source.Run(ctx, func(r wire.Record) error {
		if r != nil {
			return m.Add(r)
		}
		if err := m.Idle(p.Clock()); err != nil {
			return err
		}
		return p.emit(nil)
	})
	return errors.Join(err, m.Flush())
}

// limitError is the cause of a run that was canceled by Config.Limit. A live
// source writes its EndReason to the last record.
type limitError struct{}

func (limitError) Error() string     { return "limit reached" }
func (limitError) EndReason() uint32 { return wire.EndLimit }

var errLimit limitError

type run struct {
	Config
	records chan *batch
	cur     *batch
	fresh   bool      // records were added since the last idle batch
	free    sync.Pool // of *batch, without arena
	arenas  arenas

	undecoded, decoded room

	end event.Entry
	res Result // Records is written by the source's goroutine, all else by the decoder's
}

// untap ends the recording and wraps its error. Later records, such as those that merge still holds, are
// only passed to the sinks.
func (p *run) untap(err error) error {
	p.Tap = nil
	return fmt.Errorf("writing the recording: %w", err)
}

// emit is called by the source, or by merge, for each record.
func (p *run) emit(r wire.Record) error {
	if r == nil {
		if p.Tap != nil {
			if err := p.Tap.Flush(); err != nil {
				return p.untap(err)
			}
		}
		if p.fresh {
			p.send(true)
			p.fresh = false
		}
		return nil
	}
	p.fresh = true
	p.res.Records++
	if p.Tap != nil {
		if err := p.Tap.Write(r); err != nil {
			return p.untap(err)
		}
	}
	switch kind := r.Kind(); {
	// Without sinks records are not decoded, but only counted.
	case len(p.Sinks) == 0 && kind == wire.KindPacket:
		p.cur.packets++
	case len(p.Sinks) == 0 && kind == wire.KindSyscall:
		if len(r) >= wire.SizeSyscall && r[wire.OffSyscallFlags]&wire.CallWaiting == 0 {
			p.cur.recs = append(p.cur.recs, nil)
		}
	default:
		p.add(r)
	}
	if len(p.cur.recs) >= batchRecords || p.cur.bytes >= batchBytes {
		p.send(false)
	}
	return nil
}

func (p *run) newBatch() *batch {
	b, ok := p.free.Get().(*batch)
	if !ok {
		return &batch{recs: make([]wire.Record, 0, batchRecords), slab: make([]byte, 0, batchBytes+batchBytes/4)}
	}
	b.files = b.files[:0]
	clear(b.recs)
	if cap(b.slab) > 2*batchBytes {
		b.slab = nil
	}
	b.recs, b.slab, b.list, b.idle, b.packets, b.bytes = b.recs[:0], b.slab[:0], b.list[:0], false, 0, 0
	return b
}

// done releases one reference to a batch, and frees the batch with the last one.
func (p *run) done(b *batch) {
	if b.users.Add(-1) == 0 {
		p.decoded.give(b.weighs)
		b.weighs = 0
		if b.arena != nil {
			if !p.arenas.put(b.arena) {
				clear(b.list) // it references memory of the arena
			}
			b.arena = nil
		}
		p.free.Put(b)
	}
}

// arenas is a free list. The arena freed last is taken first, as it is likely to be in the CPU's caches.
type arenas struct {
	mu   sync.Mutex
	free []*event.Arena
}

func (s *arenas) take() *event.Arena {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.free) == 0 {
		return new(event.Arena)
	}
	a := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	return a
}

// put frees an arena. It reports whether the arena and its memory are kept for a later batch: at most freeArenas are,
// as more are in use while a sink is slow.
func (s *arenas) put(a *event.Arena) bool {
	kept := a.Reset()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.free) >= freeArenas {
		return false
	}
	s.free = append(s.free, a)
	return kept
}

func (p *run) add(r wire.Record) {
	b := p.cur
	if cap(b.slab)-len(b.slab) < len(r) {
		// The existing records keep the old slab alive.
		b.slab = make([]byte, 0, max(batchBytes, len(r)))
	}
	b.bytes += len(r)
	at := len(b.slab)
	b.slab = append(b.slab, r...)
	b.recs = append(b.recs, b.slab[at:len(b.slab):len(b.slab)])
}

func (p *run) send(idle bool) {
	p.cur.idle = idle
	p.cur.waits = p.cur.bytes
	p.undecoded.take(p.cur.waits)
	p.records <- p.cur
	p.cur = p.newBatch()
}

func (p *run) decode(queues []chan delivery, stop func()) {
	h := p.Source.Header()
	dec := decode.New(h)
	tables := bounded.Of(cmp.Or(p.Tables, bounded.Bytes))
	join := flow.New(tables)
	o := &outlet{run: p, stop: stop}
	pass := stage.Chain(p.stages(h, tables), o.take)
	owed := make([]uint64, len(queues)) // entries dropped and not reported yet, by sink
	for b := range p.records {
		b.arena = p.arenas.take()
		dec.Use(b.arena)
		p.res.Packets += b.packets
		idle := b.idle
		for i, recs := 0, b.recs; i < len(recs); i++ {
			r := recs[i]
			if r == nil {
				p.count(&p.res.Calls, stop)
				continue
			}
			if b.arena.Used() > maxArena {
				// The remaining records become another batch. Both reference the slab,
				// so it is not reused.
				next := p.newBatch()
				next.recs, next.bytes, next.waits = append(next.recs, recs[i:]...), b.bytes, b.waits
				b.slab, next.slab, b.waits, b.idle = nil, nil, 0, false
				p.pass(b, queues, owed)
				b, recs, i = next, next.recs, 0
				b.arena = p.arenas.take()
				dec.Use(b.arena)
			}
			e := o.begin(b)
			dec.Record(r, &e.Event)
			join.Add(e)
			if _, end := e.Body.(*event.End); end {
				p.end = *e.Clone() // emitted in the last batch
			} else {
				p.end.Time = e.Time
				pass(e)
			}
			o.end()
		}
		b.idle = idle
		p.pass(b, queues, owed)
	}
	p.finish(queues, owed, o.last(pass, func(b *batch) { p.pass(b, queues, owed) }))
}

// stages returns the stages for a timeline. The tables of all but proto share the room of flow's.
func (p *run) stages(h wire.Header, tables *bounded.Room) (list []stage.Stage) {
	const both = 1<<wire.LayerSys | 1<<wire.LayerPkt
	if h.Layers&both == both {
		list = append(list, cause.New(tables))
	}
	if p.Messages {
		list = append(list, proto.New(protocols.All, proto.Options{Secrets: p.Secrets, Calls: h.Layers&(1<<wire.LayerSys) != 0, Packets: h.Layers&(1<<wire.LayerPkt) != 0}))
	}
	list = append(list, names.New(tables, p.Numeric))
	if p.Verdicts {
		list = append(list, why.New(why.Options{Layers: uint32(h.Layers), Command: len(h.Command) > 0}))
	}
	return list
}

// outlet collects the output of the stages for each entry into its batch.
type outlet struct {
	*run
	stop   func()
	b      *batch
	at     int          // index of the current entry in b.list
	cur    *event.Entry // that entry until the stages have passed it; decoded in place, as an entry is large
	passed bool         // they have
	to     whose        // sinks that get it
	before []result     // entries that the stages have added before it; those after it are in b.list
	spill  func(*batch) // passes a batch of such entries on; nil: they stay with the current one
	after  []int        // indexes of those that only file sinks get
}

type result struct {
	e  event.Entry
	to whose
}

// begin appends an empty entry to a batch and makes it the current one.
func (o *outlet) begin(b *batch) *event.Entry {
	b.list = append(b.list, event.Entry{})
	o.b, o.at, o.passed, o.to = b, len(b.list)-1, false, forNone
	o.cur = &b.list[o.at]
	return o.cur
}

// take receives the entries from the last stage.
func (o *outlet) take(e *event.Entry) {
	to := o.wanted(e, o.stop)
	switch {
	case e == o.cur:
		o.passed, o.to = true, to
	case to == forNone:
	case o.passed:
		// The stages do not change the current entry any more: it may move with the list.
		if to == forFiles {
			o.after = append(o.after, len(o.b.list))
		}
		o.b.list = append(o.b.list, *e)
	default:
		o.before = append(o.before, result{*e, to})
		if len(o.before) == maxBefore && o.spill != nil {
			o.spill(o.earlier())
		}
	}
}

// maxBefore is how many entries before the last one are a batch: at the end the stages report on all connections.
const maxBefore = 512

// earlier returns a batch of the entries before the current one.
func (o *outlet) earlier() *batch {
	b := o.newBatch()
	b.arena = o.arenas.take()
	for i := range o.before {
		r := &o.before[i]
		if r.to == forFiles {
			b.files = append(b.files, len(b.list))
		}
		b.list = append(b.list, r.e)
	}
	const size = 1 << 10 // of an entry with its message
	b.bytes = size * len(b.list)
	clear(o.before)
	o.before = o.before[:0]
	return b
}

// end makes the batch what the stages have passed since begin.
func (o *outlet) end() {
	b, shift := o.b, len(o.before)
	if o.to == forNone {
		b.list = slices.Delete(b.list, o.at, o.at+1)
		shift--
	}
	for i := range o.before {
		r := &o.before[i]
		b.list = slices.Insert(b.list, o.at+i, r.e)
		if r.to == forFiles {
			b.files = append(b.files, o.at+i)
		}
	}
	if o.to == forFiles {
		b.files = append(b.files, o.at+shift)
	}
	for _, i := range o.after {
		b.files = append(b.files, i+shift)
	}
	clear(o.before)
	o.before, o.after, o.cur = o.before[:0], o.after[:0], nil
}

// last returns the last batch: the entries that the stages have delayed, and the end
// entry if the source has emitted one or the limit was reached. Batches before it go to spill.
func (o *outlet) last(pass func(*event.Entry), spill func(*batch)) *batch {
	o.spill = spill
	if o.limited() {
		o.run.end.Body = &event.End{Reason: errLimit.Error()}
	}
	b := o.newBatch()
	e := o.begin(b)
	*e = o.run.end
	said, ok := e.Body.(*event.End)
	if ok {
		o.res.Reason = said.Reason
	} else {
		e.Body = &event.End{}
	}
	pass(e)
	if o.to = forNone; ok {
		o.to = forAll
	}
	o.end()
	return b
}

// pass queues a decoded batch for the sinks.
func (p *run) pass(b *batch, queues []chan delivery, owed []uint64) {
	p.undecoded.give(b.waits)
	b.waits = 0
	weighs := b.bytes + b.arena.Held()
	full := false
	if p.Wait {
		p.decoded.take(weighs)
	} else {
		for i := 0; i < turns && p.decoded.over(weighs); i++ {
			runtime.Gosched()
		}
		full = !p.decoded.try(weighs)
	}
	b.weighs = weighs
	b.users.Store(int32(len(queues)) + 1)
	for i, q := range queues {
		p.offer(q, b, i < p.Files, full, &owed[i], &p.res.Dropped[i])
	}
	p.done(b)
}

// room is a semaphore of bytes.
type room struct {
	mu         sync.Mutex
	left       *sync.Cond
	used, most int // most 0: unlimited
}

// take reserves n bytes. It blocks until they are available, or nothing else is reserved.
func (r *room) take(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left == nil {
		r.left = sync.NewCond(&r.mu)
	}
	for !r.fits(n) {
		r.left.Wait()
	}
	r.used += n
}

// over reports whether n bytes are not available now.
func (r *room) over(n int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.fits(n)
}

// fits requires mu to be held.
func (r *room) fits(n int) bool { return r.most == 0 || r.used == 0 || r.used+n <= r.most }

// try reserves n bytes without blocking, and reports whether they were available. It reserves them in any case.
func (r *room) try(n int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	ok := r.fits(n)
	r.used += n
	return ok
}

// give releases n bytes.
func (r *room) give(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.used -= n
	if r.left != nil {
		r.left.Broadcast()
	}
}

// finish queues the last batch for every sink, and blocks for slow ones. It comes with the number of
// dropped entries.
func (p *run) finish(queues []chan delivery, owed []uint64, b *batch) {
	b.users.Store(int32(len(queues)))
	for i, q := range queues {
		q <- delivery{b, owed[i], p.end.Time}
	}
}

func (p *run) limited() bool { return p.Limit != 0 && p.res.Calls+p.res.Packets >= p.Limit }

// count increments n for a call or a packet, and reports whether it is within the limit. It calls stop at the limit.
func (p *run) count(n *uint64, stop func()) bool {
	if p.limited() {
		return false
	}
	*n++
	if p.limited() {
		stop()
	}
	return true
}

// whose selects the sinks that get an entry.
type whose int

const (
	forNone whose = iota
	forFiles
	forAll
)

// wanted counts an entry, and returns the sinks that get it.
func (p *run) wanted(e *event.Entry, stop func()) whose {
	if body, ok := e.Body.(*event.Lost); ok {
		p.res.Lost[body.Layer] += body.Count
	}
	if p.limited() {
		return forNone
	}
	if p.Keep != nil && !p.Keep(e) {
		if p.Files > 0 {
			return forFiles
		}
		return forNone
	}
	// A waiting call is not counted: its record follows when it returns.
	switch body := e.Body.(type) {
	case *event.Call:
		if body.State != event.Waiting && !p.count(&p.res.Calls, stop) {
			return forNone
		}
	case *event.Capture:
		if !p.count(&p.res.Packets, stop) {
			return forNone
		}
	case *event.Audit:
		if !body.Missing {
			p.res.Audits++
		}
	case *event.Kernel:
		if body.What != event.KernelSock && body.What != event.KernelStep {
			p.res.Events++
		}
	case *event.Message:
		if body.Part != event.Head {
			p.res.Said++
		}
	}
	return forAll
}

// delivery is a batch for one sink.
type delivery struct {
	b    *batch
	lost uint64 // number of entries before b that this sink did not get
	at   int64  // time for the report of lost, if b is empty
}

// offer queues a batch for a sink. If its queue is full, or full is set because the limit of all
// queues is reached, it drops the batch and counts its entries.
func (p *run) offer(q chan delivery, b *batch, file, full bool, owed, dropped *uint64) {
	if p.Wait || file {
		q <- delivery{b, 0, 0}
		return
	}
	for i := 0; !full && i <= turns; i++ {
		select {
		case q <- delivery{b, *owed, p.end.Time}:
			*owed = 0
			return
		default:
			runtime.Gosched()
		}
	}
	*owed += uint64(len(b.list))
	*dropped += uint64(len(b.list))
	p.done(b)
}

// drain writes the batches of one queue to a sink, and closes the sink at the end.
func (p *run) drain(s sink.Sink, q chan delivery, file bool) error {
	for d := range q {
		if d.lost > 0 {
			lost := event.Entry{Event: event.Event{Body: &event.Lost{Layer: event.LayerSys, Reason: "output too slow", Count: d.lost}}}
			lost.Time = d.at
			if len(d.b.list) > 0 {
				lost.Time = d.b.list[0].Time
			}
			if err := s.Write(&lost); err != nil {
				p.done(d.b)
				return err
			}
		}
		skip := d.b.files
		for i := range d.b.list {
			if len(skip) > 0 && skip[0] == i {
				if skip = skip[1:]; !file {
					continue
				}
			}
			if err := s.Write(&d.b.list[i]); err != nil {
				p.done(d.b)
				return err
			}
		}
		if d.b.idle {
			if err := s.Flush(); err != nil {
				p.done(d.b)
				return err
			}
		}
		p.done(d.b)
		if p.Wrote != nil {
			p.Wrote()
		}
	}
	return s.Close()
}
