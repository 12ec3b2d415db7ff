// Package pipeline moves records from a source to the recording and to the
// sinks: one goroutine for the source, which also writes the recording, one
// that decodes and joins, one for each sink behind a bounded queue.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/pidwire/pidwire/internal/decode"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/flow"
	"github.com/pidwire/pidwire/internal/sink"
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
	Tap    *wire.Writer // the recording; may be nil. It never drops a record
	Sinks  []sink.Sink
	// Keep says which entries the sinks get; nil: all.
	Keep func(*event.Entry) bool
	// Limit ends the run after so many kept calls; 0: none.
	Limit uint64
	// Wait makes a slow sink slow the source, instead of losing entries: for
	// files, which can wait.
	Wait bool
	// Stable says that the source's records stay as they are after emit, and
	// need not be copied.
	Stable bool
}

// Result is what a run saw.
type Result struct {
	Records uint64
	Calls   uint64
	Lost    uint64   // by the source
	Dropped []uint64 // entries, by sink
	Reason  string   // of the source's end; empty if it did not say
}

const (
	batchRecords = 512
	batchBytes   = 128 << 10
	// Batches between the goroutines: with 512 calls each, some 1,500 bytes a
	// decoded call, 8 of them bound what waits for a sink to about 6 MiB.
	recordQueue = 8
	sinkQueue   = 8
)

type batch struct {
	recs []wire.Record
	slab []byte
	// idle says that nothing followed this batch for now: sinks flush.
	idle bool
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
	p := &run{Config: c, records: make(chan batch, recordQueue)}
	p.res.Dropped = make([]uint64, len(c.Sinks))

	var sinks sync.WaitGroup
	queues := make([]chan entries, len(c.Sinks))
	errs := make([]error, len(c.Sinks))
	for i, s := range c.Sinks {
		queues[i] = make(chan entries, sinkQueue)
		sinks.Go(func() {
			errs[i] = drain(s, queues[i])
			if errs[i] != nil {
				cancel(&ErrSink{errs[i]})
				for range queues[i] { // the queue is emptied so that nobody waits for it
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

	err := c.Source.Run(ctx, p.emit)
	p.send(true)
	close(p.records)
	if c.Tap != nil {
		err = errors.Join(err, c.Tap.Flush())
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

var errLimit = errors.New("limit reached")

type run struct {
	Config
	records chan batch
	cur     batch
	res     Result // Records by the source's goroutine, the rest by the decoder's
}

// emit is called by the source for each record.
func (p *run) emit(r wire.Record) error {
	if r == nil {
		if p.Tap != nil {
			if err := p.Tap.Flush(); err != nil {
				return fmt.Errorf("writing the recording: %w", err)
			}
		}
		if len(p.cur.recs) > 0 {
			p.send(true)
		}
		return nil
	}
	p.res.Records++
	if p.Tap != nil {
		if err := p.Tap.Write(r); err != nil {
			return fmt.Errorf("writing the recording: %w", err)
		}
	}
	if len(p.Sinks) == 0 && r.Kind() == wire.KindSyscall {
		// Only recording: nothing needs to be decoded, but the counts are wanted.
		p.cur.recs = append(p.cur.recs, nil)
	} else {
		p.add(r)
	}
	if len(p.cur.recs) >= batchRecords || len(p.cur.slab) >= batchBytes {
		p.send(false)
	}
	return nil
}

func (p *run) add(r wire.Record) {
	if !p.Stable {
		if cap(p.cur.slab)-len(p.cur.slab) < len(r) {
			// Records that are there keep the old slab.
			p.cur.slab = make([]byte, 0, max(batchBytes+4096, len(r)))
		}
		at := len(p.cur.slab)
		p.cur.slab = append(p.cur.slab, r...)
		r = p.cur.slab[at:len(p.cur.slab):len(p.cur.slab)]
	}
	p.cur.recs = append(p.cur.recs, r)
}

func (p *run) send(idle bool) {
	p.cur.idle = idle
	p.records <- p.cur
	p.cur = batch{recs: make([]wire.Record, 0, batchRecords)}
}

// entries is what a sink's queue holds. All sinks share it: it is not changed.
type entries struct {
	list []event.Entry
	idle bool
}

func (p *run) decode(queues []chan entries, stop func()) {
	dec := decode.New(p.Source.Header())
	join := flow.New()
	owed := make([]uint64, len(queues)) // entries dropped and not told yet
	for b := range p.records {
		out := entries{list: make([]event.Entry, 0, len(b.recs)+1), idle: b.idle}
		for _, r := range b.recs {
			if r == nil {
				p.res.Calls++
				continue
			}
			e := join.Add(dec.Record(r))
			switch body := e.Body.(type) {
			case *event.Lost:
				p.res.Lost += body.Count
			case *event.End:
				p.res.Reason = body.Reason
			}
			if p.Limit != 0 && p.res.Calls >= p.Limit {
				if _, end := e.Body.(*event.End); !end {
					continue
				}
			}
			if p.Keep != nil && !p.Keep(&e) {
				continue
			}
			if _, ok := e.Body.(*event.Call); ok {
				p.res.Calls++
				if p.res.Calls == p.Limit {
					stop()
				}
			}
			out.list = append(out.list, e)
		}
		for i, q := range queues {
			p.offer(q, out, &owed[i], &p.res.Dropped[i])
		}
	}
}

// offer gives entries to a sink, or counts them as lost if its queue is full;
// the next ones that it takes begin with the count.
func (p *run) offer(q chan entries, out entries, owed, dropped *uint64) {
	if *owed > 0 && len(q) < cap(q) {
		lost := event.Entry{Event: event.Event{Body: &event.Lost{Layer: wire.LayerSys, Reason: "output too slow", Count: *owed}}}
		if len(out.list) > 0 {
			lost.Time = out.list[0].Time
		}
		out.list = append([]event.Entry{lost}, out.list...)
	}
	if p.Wait {
		q <- out
		return
	}
	select {
	case q <- out:
		*owed = 0
	default:
		*owed += uint64(len(out.list))
		*dropped += uint64(len(out.list))
	}
}

func drain(s sink.Sink, q chan entries) error {
	for es := range q {
		for i := range es.list {
			if err := s.Write(&es.list[i]); err != nil {
				return err
			}
		}
		if es.idle {
			if err := s.Flush(); err != nil {
				return err
			}
		}
	}
	return s.Close()
}
