package pipeline_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/pipeline"
	"github.com/pidwire/pidwire/internal/sink"
	"github.com/pidwire/pidwire/internal/wire"
)

const (
	mono  = 1_000
	wall  = 1_700_000_000_000_000_000
	batch = 500 // calls between two idle markers; those of the pipeline have 512
)

var header = wire.Header{Version: wire.WireVersion, Arch: "amd64", StrLen: 32, Mono: mono, Wall: wall}

// source is a pipeline.Source whose Run is a function.
type source func(ctx context.Context, emit func(wire.Record) error) error

func (source) Header() wire.Header { return header }
func (s source) Run(ctx context.Context, emit func(wire.Record) error) error {
	return s(ctx, emit)
}

// callRecord makes the record of the nth call in buf: close(n), at n us.
func callRecord(buf []byte, n uint64) wire.Record {
	ret := int64(0)
	if n%2 == 1 {
		ret = -9
	}
	c := wire.Syscall{
		H: wire.Hdr{Kind: wire.KindSyscall, Layer: wire.LayerSys, Time: mono + n*1000}, Enter: mono + n*1000, Ret: ret,
		Args: [6]uint64{n}, Pid: 42, Tid: 42, Nr: 3, Abi: wire.AbiX8664,
	}
	return wire.Seal(c.Append(buf[:0]))
}

func endRecord(n uint64) wire.Record {
	e := wire.End{H: wire.Hdr{Kind: wire.KindEnd, Time: mono + n*1000}, Reason: wire.EndDetached}
	return wire.Seal(e.Append(nil))
}

// calls emits n calls and the end. After each batch it emits nil, and calls pause.
func calls(n uint64, pause func(emitted uint64)) source {
	return func(ctx context.Context, emit func(wire.Record) error) error {
		buf := make([]byte, 0, 256)
		for i := range n {
			if err := emit(callRecord(buf, i)); err != nil {
				return err
			}
			if (i+1)%batch == 0 {
				if err := emit(nil); err != nil {
					return err
				}
				if pause != nil {
					pause(i + 1)
				}
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
		return errors.Join(emit(endRecord(n)), emit(nil))
	}
}

// endless emits calls until it is stopped.
func endless(ctx context.Context, emit func(wire.Record) error) error {
	return calls(1<<62, nil)(ctx, emit)
}

// collector is a sink that stores what it gets.
type collector struct {
	mu      sync.Mutex
	changed sync.Cond
	gate    chan struct{} // the first Write blocks until it is closed
	fail    error         // returned by Write from the failAt-th call on
	failAt  int
	nums    []uint64 // first argument of the calls
	lost    []event.Lost
	lostAt  []int64
	end     string
	flushed int // number of calls at the last Flush
	closed  int
}

func newCollector() *collector {
	c := &collector{}
	c.changed.L = &c.mu
	return c
}

func (c *collector) Write(e *event.Entry) error {
	if c.gate != nil {
		<-c.gate
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.changed.Broadcast()
	switch b := e.Body.(type) {
	case *event.Call:
		if c.fail != nil && len(c.nums) >= c.failAt {
			return c.fail
		}
		c.nums = append(c.nums, b.Args[0].Raw)
	case *event.Lost:
		c.lost, c.lostAt = append(c.lost, *b), append(c.lostAt, e.Time)
	case *event.End:
		c.end = b.Reason
	}
	return nil
}

func (c *collector) Flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flushed = len(c.nums)
	c.changed.Broadcast()
	return nil
}

func (c *collector) Close() error { c.closed++; return nil }

// waitFor waits until n calls have been flushed.
func (c *collector) waitFor(t *testing.T, n uint64) {
	timeout := time.AfterFunc(30*time.Second, func() { panic("the sink does not get its entries") })
	defer timeout.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for uint64(c.flushed) < n {
		c.changed.Wait()
	}
}

func (c *collector) inOrder(t *testing.T, n int) {
	t.Helper()
	if len(c.nums) != n {
		t.Fatalf("%d calls, want %d", len(c.nums), n)
	}
	for i, got := range c.nums {
		if got != uint64(i) {
			t.Fatalf("call %d is number %d", i, got)
		}
	}
}

func (c *collector) toldLost() (n uint64) {
	for _, l := range c.lost {
		n += l.Count
	}
	return n
}

// run runs the pipeline. The test fails if that does not end.
func run(t *testing.T, ctx context.Context, c pipeline.Config) (pipeline.Result, error) {
	t.Helper()
	type result struct {
		r   pipeline.Result
		err error
	}
	done := make(chan result, 1)
	go func() {
		r, err := pipeline.Run(ctx, c)
		done <- result{r, err}
	}()
	select {
	case r := <-done:
		return r.r, r.err
	case <-time.After(60 * time.Second):
		t.Fatal("the run does not end")
		panic("")
	}
}

func tap(t *testing.T) (*bytes.Buffer, *wire.Writer) {
	t.Helper()
	b := &bytes.Buffer{}
	w, err := wire.NewWriter(b, header)
	if err != nil {
		t.Fatal(err)
	}
	return b, w
}

// recorded returns the number of calls in a recording, which must be complete.
func recorded(t *testing.T, b *bytes.Buffer) (n int) {
	t.Helper()
	r, err := wire.NewReader(b)
	if err != nil {
		t.Fatal(err)
	}
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return n
		}
		if err != nil {
			t.Fatalf("the recording: %v", err)
		}
		if rec.Kind() == wire.KindSyscall {
			var s wire.Syscall
			if s.Unmarshal(rec); s.Args[0] != uint64(n) {
				t.Fatalf("record %d is of call %d", n, s.Args[0])
			}
			n++
		}
	}
}

func TestEverySinkGetsEverything(t *testing.T) {
	for _, n := range []uint64{0, 1, batch - 1, batch, batch + 1, 5000} {
		a, b := newCollector(), newCollector()
		file, w := tap(t)
		res, err := run(t, t.Context(), pipeline.Config{Source: calls(n, nil), Tap: w, Sinks: []sink.Sink{a, b}, Wait: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []*collector{a, b} {
			c.inOrder(t, int(n))
			if c.closed != 1 || c.end != "detached" || c.lost != nil || c.flushed != int(n) {
				t.Errorf("%d calls: closed %d times, end %q, lost %v, flushed at %d", n, c.closed, c.end, c.lost, c.flushed)
			}
		}
		if got := recorded(t, file); got != int(n) {
			t.Errorf("%d calls in the recording, want %d", got, n)
		}
		if res.Calls != n || res.Records != n+1 || res.Reason != "detached" || res.Lost != [event.Layers]uint64{} || res.Dropped[0]+res.Dropped[1] != 0 {
			t.Errorf("%d calls: %+v", n, res)
		}
	}
}

// TestSlowSink checks that a slow sink loses entries and gets their number, and that
// no other sink loses any.
func TestSlowSink(t *testing.T) {
	const n = 40 * batch
	slow, fast := newCollector(), newCollector()
	slow.gate = make(chan struct{})
	file, w := tap(t)
	src := calls(n, func(emitted uint64) {
		fast.waitFor(t, emitted) // live: the fast sink keeps up
		if emitted == 30*batch {
			close(slow.gate)
			slow.waitFor(t, 1)
		}
	})
	res, err := run(t, t.Context(), pipeline.Config{Source: src, Tap: w, Sinks: []sink.Sink{slow, fast}})
	if err != nil {
		t.Fatal(err)
	}
	fast.inOrder(t, n)
	if fast.lost != nil || res.Dropped[1] != 0 {
		t.Errorf("the fast sink lost %v, %d", fast.lost, res.Dropped[1])
	}
	if got := recorded(t, file); got != n {
		t.Errorf("%d calls in the recording, want %d", got, n)
	}
	told := slow.toldLost()
	if told == 0 || told != res.Dropped[0] {
		t.Errorf("the slow sink was told of %d lost entries, %d were dropped", told, res.Dropped[0])
	}
	if end := map[bool]uint64{true: 1}[slow.end != ""]; uint64(len(slow.nums))+end+told != n+1 {
		t.Errorf("the slow sink got %d calls and %d ends, and was told of %d lost; %d were emitted", len(slow.nums), end, told, n+1)
	}
	for i := 1; i < len(slow.nums); i++ {
		if slow.nums[i] <= slow.nums[i-1] {
			t.Fatalf("out of order: %d after %d", slow.nums[i], slow.nums[i-1])
		}
	}
	for _, l := range slow.lost {
		if l.Reason == "" || l.Layer != wire.LayerSys {
			t.Errorf("told as %+v", l)
		}
	}
	if res.Lost != [event.Layers]uint64{} || res.Calls != n {
		t.Errorf("the source lost nothing: %+v", res)
	}
}

// TestSlowAtTheEnd checks that losses at the end are reported too, with a time on the
// timeline, and that the end entry follows.
func TestSlowAtTheEnd(t *testing.T) {
	const n = 30 * batch
	slow, fast := newCollector(), newCollector()
	slow.gate = make(chan struct{})
	src := calls(n, func(emitted uint64) { fast.waitFor(t, emitted) })
	ended := func(ctx context.Context, emit func(wire.Record) error) error {
		err := src(ctx, emit)
		go func() {
			time.Sleep(50 * time.Millisecond) // let the last batch be queued or dropped
			close(slow.gate)
		}()
		return err
	}
	res, err := run(t, t.Context(), pipeline.Config{Source: source(ended), Sinks: []sink.Sink{slow, fast}})
	if err != nil {
		t.Fatal(err)
	}
	if told := slow.toldLost(); told == 0 || told != res.Dropped[0] {
		t.Errorf("told of %d lost entries, %d were dropped", told, res.Dropped[0])
	}
	for _, at := range slow.lostAt {
		if at < wall || at > wall+n*1000 {
			t.Errorf("lost at %d, the timeline is from %d to %d", at, int64(wall), int64(wall+n*1000))
		}
	}
	if slow.end != "detached" {
		t.Errorf("a slow sink is not told how it ended: %q", slow.end)
	}
	if slow.closed != 1 {
		t.Errorf("closed %d times", slow.closed)
	}
}

// TestWait checks that with Wait a slow sink blocks the source and loses nothing.
func TestWait(t *testing.T) {
	const n = 40 * batch
	slow := newCollector()
	slow.gate = make(chan struct{})
	time.AfterFunc(100*time.Millisecond, func() { close(slow.gate) })
	res, err := run(t, t.Context(), pipeline.Config{Source: calls(n, nil), Sinks: []sink.Sink{slow, newCollector()}, Wait: true})
	if err != nil {
		t.Fatal(err)
	}
	slow.inOrder(t, n)
	if slow.lost != nil || res.Dropped[0] != 0 {
		t.Errorf("lost %v, dropped %v", slow.lost, res.Dropped)
	}
}

// TestIdle checks that the sinks and the recording are flushed when the source is idle, as
// a user may be watching.
func TestIdle(t *testing.T) {
	c := newCollector()
	file, w := tap(t)
	var onDisk int
	src := source(func(ctx context.Context, emit func(wire.Record) error) error {
		if err := errors.Join(emit(callRecord(nil, 0)), emit(nil)); err != nil {
			return err
		}
		onDisk = recorded(t, bytes.NewBuffer(bytes.Clone(file.Bytes())))
		c.waitFor(t, 1)
		return emit(endRecord(1))
	})
	if _, err := run(t, t.Context(), pipeline.Config{Source: src, Tap: w, Sinks: []sink.Sink{c}}); err != nil {
		t.Fatal(err)
	}
	if onDisk != 1 {
		t.Errorf("%d calls in the recording when nothing more was at hand", onDisk)
	}
}

// TestIdleAfterAnyNumber checks the same for numbers of records around the size of a batch of
// the pipeline.
func TestIdleAfterAnyNumber(t *testing.T) {
	for _, n := range []uint64{511, 512, 513, 1024} {
		c := newCollector()
		held := uint64(0)
		src := source(func(ctx context.Context, emit func(wire.Record) error) error {
			for i := range n {
				if err := emit(callRecord(nil, i)); err != nil {
					return err
				}
			}
			if err := emit(nil); err != nil {
				return err
			}
			for deadline := time.Now().Add(2 * time.Second); ; time.Sleep(time.Millisecond) {
				c.mu.Lock()
				held = n - uint64(c.flushed)
				c.mu.Unlock()
				if held == 0 || time.Now().After(deadline) {
					return emit(endRecord(n))
				}
			}
		})
		if _, err := run(t, t.Context(), pipeline.Config{Source: src, Sinks: []sink.Sink{c}, Wait: true}); err != nil {
			t.Fatal(err)
		}
		if held != 0 {
			t.Errorf("after %d calls, and then nothing, %d of them are held back", n, held)
		}
	}
}

func TestSinkError(t *testing.T) {
	full := errors.New("no space left on device")
	for _, wait := range []bool{false, true} {
		bad, good := newCollector(), newCollector()
		bad.fail, bad.failAt = full, 700
		_, err := run(t, t.Context(), pipeline.Config{Source: source(endless), Sinks: []sink.Sink{good, bad}, Wait: wait})
		var sinkErr *pipeline.ErrSink
		if !errors.As(err, &sinkErr) || !errors.Is(err, full) {
			t.Errorf("wait %v: %v", wait, err)
		}
		if good.closed != 1 {
			t.Errorf("wait %v: the other sink was closed %d times", wait, good.closed)
		}
		if len(bad.nums) != 700 {
			t.Errorf("wait %v: the sink was called on after its error", wait)
		}
	}
}

// short is a writer that fails after n writes.
type short struct {
	n   int
	err error
}

func (s *short) Write(p []byte) (int, error) {
	if s.n--; s.n < 0 {
		return 0, s.err
	}
	return len(p), nil
}

func TestTapError(t *testing.T) {
	full := errors.New("no space left on device")
	w, err := wire.NewWriter(&short{n: 3, err: full}, header)
	if err != nil {
		t.Fatal(err)
	}
	c := newCollector()
	_, err = run(t, t.Context(), pipeline.Config{Source: source(endless), Tap: w, Sinks: []sink.Sink{c}, Wait: true})
	var sinkErr *pipeline.ErrSink
	if !errors.Is(err, full) || errors.As(err, &sinkErr) {
		t.Errorf("%v", err)
	}
	if c.closed != 1 {
		t.Errorf("the sink was closed %d times", c.closed)
	}
	// The disk becomes full at the last write.
	w, err = wire.NewWriter(&short{n: 1, err: full}, header)
	if err != nil {
		t.Fatal(err)
	}
	src := source(func(_ context.Context, emit func(wire.Record) error) error { return emit(endRecord(1)) })
	if _, err = run(t, t.Context(), pipeline.Config{Source: src, Tap: w}); !errors.Is(err, full) {
		t.Errorf("the last block: %v", err)
	}
	// With a merger, which still holds records at that time: the error is reported once, and the records are shown.
	w, err = wire.NewWriter(&short{n: 3, err: full}, header)
	if err != nil {
		t.Fatal(err)
	}
	c = newCollector()
	clock := func() uint64 { return 0 }
	_, err = run(t, t.Context(), pipeline.Config{Source: source(endless), Clock: clock, Tap: w, Sinks: []sink.Sink{c}, Wait: true})
	if err == nil || strings.Count(err.Error(), full.Error()) != 1 {
		t.Errorf("beside a merger: %v", err)
	}
}

func TestSourceError(t *testing.T) {
	broken := errors.New("damaged")
	c := newCollector()
	src := source(func(_ context.Context, emit func(wire.Record) error) error {
		return errors.Join(emit(callRecord(nil, 0)), broken)
	})
	res, err := run(t, t.Context(), pipeline.Config{Source: src, Sinks: []sink.Sink{c}})
	if !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	c.inOrder(t, 1) // earlier entries are shown
	if c.closed != 1 || res.Calls != 1 {
		t.Errorf("closed %d times, %+v", c.closed, res)
	}
}

func TestStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := newCollector()
	go func() {
		c.waitFor(t, 1)
		cancel()
	}()
	if _, err := run(t, ctx, pipeline.Config{Source: source(endless), Sinks: []sink.Sink{c}, Wait: true}); err != nil {
		t.Errorf("stopped by the user: %v", err)
	}
	if c.closed != 1 {
		t.Errorf("closed %d times", c.closed)
	}
}

func TestKeep(t *testing.T) {
	c := newCollector()
	failed := func(e *event.Entry) bool {
		call, ok := e.Body.(*event.Call)
		return !ok || call.Errno != ""
	}
	file, w := tap(t)
	res, err := run(t, t.Context(), pipeline.Config{Source: calls(1000, nil), Tap: w, Sinks: []sink.Sink{c}, Keep: failed, Wait: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.nums) != 500 || res.Calls != 500 {
		t.Errorf("%d calls shown, %d counted, want 500", len(c.nums), res.Calls)
	}
	for _, n := range c.nums {
		if n%2 == 0 {
			t.Fatalf("call %d was not wanted", n)
		}
	}
	if got := recorded(t, file); got != 1000 {
		t.Errorf("a filter of what is shown cut the recording to %d calls", got)
	}
}

func TestLimit(t *testing.T) {
	for _, limit := range []uint64{1, 10, batch, 3000} {
		a, b := newCollector(), newCollector()
		keep := func(e *event.Entry) bool {
			call, ok := e.Body.(*event.Call)
			return !ok || call.Args[0].Raw%3 == 0
		}
		res, err := run(t, t.Context(), pipeline.Config{Source: source(endless), Sinks: []sink.Sink{a, b}, Keep: keep, Limit: limit, Wait: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []*collector{a, b} {
			if uint64(len(c.nums)) != limit || c.nums[limit-1] != (limit-1)*3 || c.closed != 1 {
				t.Errorf("limit %d: %d calls, closed %d times", limit, len(c.nums), c.closed)
			}
		}
		if res.Calls != limit {
			t.Errorf("limit %d: %d counted", limit, res.Calls)
		}
	}
}

// TestLimitOfARecording checks that a limit ends a run that only records.
func TestLimitOfARecording(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	file, w := tap(t)
	res, err := run(t, ctx, pipeline.Config{Source: calls(1_000_000, nil), Tap: w, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	// Calls that were already queued may be in it too.
	if got := recorded(t, file); got < 100 || got > 100_000 {
		t.Errorf("a limit of 100 calls: %d recorded, %d counted", got, res.Calls)
	}
}

// TestLostBySource checks that losses of the source are counted, and reach
// all sinks.
func TestLostBySource(t *testing.T) {
	c := newCollector()
	src := source(func(_ context.Context, emit func(wire.Record) error) error {
		for range 2 {
			l := wire.Lost{H: wire.Hdr{Kind: wire.KindLost, Layer: wire.LayerSys, Time: mono}, Count: 21, Reason: wire.LostRing}
			if err := emit(wire.Seal(l.Append(nil))); err != nil {
				return err
			}
		}
		return nil
	})
	hideAll := func(e *event.Entry) bool { _, call := e.Body.(*event.Call); return !call }
	res, err := run(t, t.Context(), pipeline.Config{Source: src, Sinks: []sink.Sink{c}, Keep: hideAll})
	if err != nil || res.Lost[event.LayerSys] != 42 || c.toldLost() != 42 {
		t.Errorf("lost %v, told %d, %v", res.Lost, c.toldLost(), err)
	}
}

// TestOneThread checks that a sink that is fast enough loses nothing if all goroutines share one thread, and others
// run before it.
func TestOneThread(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const n = 400
	c := newCollector()
	src := source(func(ctx context.Context, emit func(wire.Record) error) error {
		for i := range uint64(n) {
			if err := errors.Join(emit(callRecord(nil, i)), emit(nil)); err != nil {
				return err
			}
		}
		return emit(endRecord(n))
	})
	res, err := run(t, t.Context(), pipeline.Config{Source: src, Sinks: []sink.Sink{c}})
	if err != nil {
		t.Fatal(err)
	}
	if res.Dropped[0] != 0 {
		t.Errorf("%d of %d calls were dropped", res.Dropped[0], n)
	}
}
