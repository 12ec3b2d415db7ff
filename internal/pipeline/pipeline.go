// Package pipeline moves records from a source to the recording and to the
// sinks: one goroutine for the source, which also writes the recording, one
// that decodes and joins, one for each sink behind a bounded queue.
package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/pidwire/pidwire/internal/bounded"
	"github.com/pidwire/pidwire/internal/decode"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/flow"
	"github.com/pidwire/pidwire/internal/merge"
	"github.com/pidwire/pidwire/internal/sink"
	"github.com/pidwire/pidwire/internal/stage"
	"github.com/pidwire/pidwire/internal/stage/cause"
	"github.com/pidwire/pidwire/internal/wire"
)

// Source is where records come from. Run emits them until the source has no
// more or ctx is done; emit(nil) says that nothing more is at hand now.
type Source interface {
	Header() wire.Header
	Run(ctx context.Context, emit func(wire.Record) error) error
}

// Config is one run.
type Config struct {
	Source Source
	// Clock gives CLOCK_MONOTONIC ns. With it the records of several layers are
	// put into one order; nil: they have one.
	Clock func() uint64
	Tap   *wire.Writer // the recording; may be nil. It never drops a record
	Sinks []sink.Sink
	// Keep says which entries the sinks get; nil: all.
	Keep func(*event.Entry) bool
	// Limit ends the run after so many kept calls and packets; 0: none.
	Limit uint64
	// Wait makes a slow sink slow the source, instead of losing entries: for
	// files, which can wait.
	Wait bool
	// Tables is what connections, threads and names may take, bytes; 0: bounded.Bytes.
	Tables int
	// Files is how many of the first sinks are files: they are waited for in
	// any case, and get all entries, also those that Keep leaves out.
	Files int
	// Wrote is called, by any goroutine, when a sink has written a batch; may be nil.
	Wrote func()
}

// Result is what a run saw.
type Result struct {
	Records uint64
	Calls   uint64
	Packets uint64
	Audits  uint64               // events of audit
	Events  uint64               // of the kernel
	Lost    [event.Layers]uint64 // by the source
	Dropped []uint64             // entries, by sink
	Reason  string               // of the source's end; empty if it did not say
}

const (
	batchRecords = 256
	batchBytes   = 128 << 10
	// Batches between the goroutines. With 256 calls each, some 2,500 bytes a
	// call with its record, 8 of them bound what waits for a sink to 5 MiB.
	recordQueue = 4
	sinkQueue   = 8
	// turns is how often others may run before a sink is taken to be too slow: where goroutines share one
	// thread, it may not have had its turn.
	turns = 3
	// Records that are longer than a batch, and calls with a thousand times their own
	// bytes in tokens, are bounded by bytes: what waits to be decoded, what waits for
	// the sinks, and the decoded form of one batch.
	maxUndecoded = 2 << 20
	maxDecoded   = 7 << 20
	// Where the source waits for the sinks, what waits only keeps them busy.
	waitQueue    = 1
	maxUnwritten = 1 << 20
	maxArena     = 1 << 19
	// freeArenas are kept for the next batches; where the sinks keep up, two are in use.
	freeArenas = 2
)

// batch is the records that came together, then the entries made of them, and
// the memory of both. It is used again when the last sink is done with it.
type batch struct {
	recs  []wire.Record // nil: a call of which only the count is wanted
	slab  []byte
	bytes int // of all records, also of those in a slab before this one
	list  []event.Entry
	files []int        // of list, what only files get
	arena *event.Arena // nil: not decoded yet
	// idle says that nothing followed this batch for now: sinks flush.
	idle    bool
	packets uint64 // of which only the count is wanted
	users   atomic.Int32
	waits   int // bytes that it takes of run.undecoded
	weighs  int // bytes that it takes of run.decoded
}

// ErrSink wraps the error of a sink, which ends the run.
type ErrSink struct{ Err error }

func (e *ErrSink) Error() string { return e.Err.Error() }
func (e *ErrSink) Unwrap() error { return e.Err }

// Run moves everything and closes the sinks. It returns what it saw even with
// an error. The error is the source's, the recording's or a sink's (*ErrSink).
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
				for d := range queues[i] { // the queue is emptied so that nobody waits for it
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

// merged runs the source through a merger.
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

// limitError is the cause by which a run is ended that has shown enough. A live
// source asks for EndReason, to put it into its last record.
type limitError struct{}

func (limitError) Error() string     { return "limit reached" }
func (limitError) EndReason() uint32 { return wire.EndLimit }

var errLimit limitError

type run struct {
	Config
	records chan *batch
	cur     *batch
	fresh   bool      // something came since the sinks were last told to flush
	free    sync.Pool // of *batch, without arena
	arenas  arenas

	undecoded, decoded room

	end event.Entry
	res Result // Records by the source's goroutine, the rest by the decoder's
}

// untap says why the recording ends. It is said once: what merge still holds is shown, and not written.
func (p *run) untap(err error) error {
	p.Tap = nil
	return fmt.Errorf("writing the recording: %w", err)
}

// emit is called by the source for each record.
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
	// Only recording: nothing needs to be decoded, but the counts are wanted.
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

// done gives a batch back when its last user says so.
func (p *run) done(b *batch) {
	if b.users.Add(-1) == 0 {
		p.decoded.give(b.weighs)
		b.weighs = 0
		if b.arena != nil {
			if !p.arenas.put(b.arena) {
				clear(b.list) // or it keeps what the arena had
			}
			b.arena = nil
		}
		p.free.Put(b)
	}
}

// arenas are those that nobody uses. What was given back last is taken first: it still lies in the processor's caches.
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

// put keeps an arena and its memory for the next batch, and reports that, unless there are enough: a sink that was
// slow for a while had many.
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
		// The records that are there keep the old slab.
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
	pass := stage.Chain(stages(h, tables), o.take)
	owed := make([]uint64, len(queues)) // entries dropped and not told yet
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
				// The rest of the records make a batch of their own. Both have the slab,
				// which is not used again.
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
				p.end = *e.Clone() // for the last batch
			} else {
				p.end.Time = e.Time
				pass(e)
			}
			o.end()
		}
		b.idle = idle
		p.pass(b, queues, owed)
	}
	p.finish(queues, owed, o.last(pass))
}

// stages are those of a timeline, whose tables share the room.
func stages(h wire.Header, tables *bounded.Room) (list []stage.Stage) {
	const both = 1<<wire.LayerSys | 1<<wire.LayerPkt
	if h.Layers&both == both {
		list = append(list, cause.New(tables))
	}
	return list
}

// outlet takes what the stages make of each entry into its batch.
type outlet struct {
	*run
	stop          func()
	b             *batch
	cur           *event.Entry // the last one of b.list: in place, for an entry is large
	passed        bool         // cur has come out
	to            whose        // and is for them
	before, after []result     // what the stages made, around cur
}

type result struct {
	e  event.Entry
	to whose
}

// begin makes room for the next entry in a batch.
func (o *outlet) begin(b *batch) *event.Entry {
	b.list = append(b.list, event.Entry{})
	o.b, o.cur, o.passed, o.to = b, &b.list[len(b.list)-1], false, forNone
	return o.cur
}

// take is what the last stage passes its entries to.
func (o *outlet) take(e *event.Entry) {
	to := o.wanted(e, o.stop)
	switch {
	case e == o.cur:
		o.passed, o.to = true, to
	case to == forNone:
	case o.passed:
		o.after = append(o.after, result{*e, to})
	default:
		o.before = append(o.before, result{*e, to})
	}
}

// end puts into the batch what came out since begin.
func (o *outlet) end() {
	b := o.b
	at := len(b.list) - 1
	if len(o.before) > 0 {
		cur := b.list[at]
		b.list = b.list[:at]
		o.add(o.before)
		at = len(b.list)
		b.list = append(b.list, cur)
	}
	switch o.to {
	case forNone:
		b.list = b.list[:at]
	case forFiles:
		b.files = append(b.files, at)
	}
	o.add(o.after)
	clear(o.before)
	clear(o.after)
	o.before, o.after = o.before[:0], o.after[:0]
}

func (o *outlet) add(list []result) {
	for i := range list {
		if list[i].to == forFiles {
			o.b.files = append(o.b.files, len(o.b.list))
		}
		o.b.list = append(o.b.list, list[i].e)
	}
}

// last returns the batch that ends the timeline: what the stages have put off,
// and how it ended, if the source says.
func (o *outlet) last(pass func(*event.Entry)) *batch {
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

// pass gives a batch that is decoded to the sinks.
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

// room counts bytes that wait somewhere.
type room struct {
	mu         sync.Mutex
	left       *sync.Cond
	used, most int // most 0: any number
}

// take waits until there is room for n bytes, or for anything.
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

// over reports whether there is no room for n bytes now.
func (r *room) over(n int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.fits(n)
}

// fits is for who holds mu.
func (r *room) fits(n int) bool { return r.most == 0 || r.used == 0 || r.used+n <= r.most }

// try takes n bytes, and reports whether there was room for them.
func (r *room) try(n int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	ok := r.fits(n)
	r.used += n
	return ok
}

// give gives n bytes back.
func (r *room) give(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.used -= n
	if r.left != nil {
		r.left.Broadcast()
	}
}

// finish gives every sink, however slow, its last batch, and what it did not get.
func (p *run) finish(queues []chan delivery, owed []uint64, b *batch) {
	b.users.Store(int32(len(queues)))
	for i, q := range queues {
		q <- delivery{b, owed[i], p.end.Time}
	}
}

func (p *run) limited() bool { return p.Limit != 0 && p.res.Calls+p.res.Packets >= p.Limit }

// count counts a call or a packet, and reports whether it is within the limit.
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

// whose says which sinks get an entry.
type whose int

const (
	forNone whose = iota
	forFiles
	forAll
)

// wanted counts an entry, and says who gets it.
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
	// A call that is waiting comes again.
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
	}
	return forAll
}

// delivery is a batch for one sink, and how many entries before it that sink
// did not get.
type delivery struct {
	b    *batch
	lost uint64
	at   int64 // when, if b is empty
}

// offer gives a batch to a sink, or counts it as lost if its queue, or what all
// queues may have, is full.
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

// drain writes what comes for one sink, and closes it at the end.
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
