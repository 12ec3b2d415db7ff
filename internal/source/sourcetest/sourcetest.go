// Package sourcetest is the contract of all sources: the test of each source calls Run.
package sourcetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/pidwire/pidwire/internal/syscalls"
	"github.com/pidwire/pidwire/internal/wire"
)

// Source is a source, as used by the pipeline.
type Source interface {
	Header() wire.Header
	Run(ctx context.Context, emit func(wire.Record) error) error
}

// Options describe how a source is created, and how it ends.
type Options struct {
	// New creates a source with at least one record. Resources that must be closed are registered
	// with t.Cleanup.
	New func(t *testing.T) Source
	// Stir causes an event that a live source will see. It is called in a goroutine while the
	// source runs, and again every 10 ms. nil: the source has records without it.
	Stir func()
	// Endless: the source only ends when its context is done.
	Endless bool
}

// patience is the time after which an operation counts as stuck.
const patience = 30 * time.Second

// Run tests a source.
func Run(t *testing.T, o Options) {
	t.Run("header", func(t *testing.T) { header(t, o) })
	t.Run("records", func(t *testing.T) { records(t, o) })
	t.Run("an error of emit ends it", func(t *testing.T) { emitError(t, o) })
	t.Run("its context ends it", func(t *testing.T) { cancelled(t, o) })
}

func header(t *testing.T, o Options) {
	h := o.New(t).Header()
	if h.Version == 0 || h.Version > wire.WireVersion {
		t.Errorf("version %d, this is %d", h.Version, wire.WireVersion)
	}
	if h.Arch != "amd64" && h.Arch != "arm64" {
		t.Errorf("architecture %q", h.Arch)
	}
	if h.Wall == 0 || h.Mono == 0 {
		t.Errorf("the timeline has no zero: wall %d, mono %d", h.Wall, h.Mono)
	}
	if y := time.Unix(0, int64(h.Wall)).Year(); y < 2020 || y > 2200 {
		t.Errorf("the timeline begins in the year %d", y)
	}
}

// run runs a source until it ends, or until emit ends it. It fails if this takes too long.
func run(t *testing.T, o Options, ctx context.Context, emit func(wire.Record) error) error {
	t.Helper()
	s := o.New(t)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if o.Stir != nil {
		stirred := make(chan struct{})
		defer func() { stop(); <-stirred }()
		go func() {
			defer close(stirred)
			for tick := time.NewTicker(10 * time.Millisecond); ; {
				o.Stir()
				select {
				case <-ctx.Done():
					tick.Stop()
					return
				case <-tick.C:
				}
			}
		}()
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, emit) }()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		t.Fatalf("the source runs on after %s", patience)
		return nil
	}
}

// records checks that each record is well formed, that the source reports when there are no more
// records at the moment, and how it ends.
func records(t *testing.T, o Options) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var n, idle, atIdle int
	var last uint16
	h := o.New(t).Header()
	err := run(t, o, ctx, func(r wire.Record) error {
		if r == nil {
			idle, atIdle = idle+1, n
			if o.Endless && n > 0 {
				cancel()
			}
			return nil
		}
		n++
		if last == wire.KindEnd {
			t.Errorf("record %d, of kind %d, after the end", n, r.Kind())
		}
		last = r.Kind()
		WellFormed(t, h, r)
		return nil
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("Run: %v", err)
	}
	if n == 0 {
		t.Error("no record")
	}
	if idle == 0 {
		t.Error("it never said that nothing more is at hand: sinks would hold their lines back")
	}
	if err == nil && last != wire.KindEnd {
		t.Errorf("it ended in order, and its last record is of kind %d", last)
	}
	if err == nil && atIdle < n-1 {
		t.Errorf("%d records came after it had last said that nothing is at hand", n-atIdle)
	}
}

// fixed are the sizes of the fixed parts of records, by kind.
var fixed = map[uint16]int{
	wire.KindSyscall: wire.SizeSyscall, wire.KindUring: wire.SizeUring, wire.KindProc: wire.SizeProc,
	wire.KindSock: wire.SizeSocksnap + wire.SizeSock, wire.KindLost: wire.SizeLost, wire.KindClock: wire.SizeClock,
	wire.KindName: wire.SizeName, wire.KindNote: wire.SizeNote, wire.KindEnd: wire.SizeEnd,
	wire.KindReady: wire.SizeReady, wire.KindPacket: wire.SizePacket,
	wire.KindHandover: wire.SizeHandover, wire.KindState: wire.SizeState + wire.SizeSock,
	wire.KindAudit: wire.SizeAudit, wire.KindText: wire.SizeText,
	wire.KindKernel: wire.SizeKernel, wire.KindSymbol: wire.SizeSymbol, wire.KindFunc: wire.SizeFunc,
}

// WellFormed fails the test if a record could not be written to a file with this header and read
// back.
func WellFormed(t *testing.T, h wire.Header, r wire.Record) {
	t.Helper()
	var hdr wire.Hdr
	if !hdr.Unmarshal(r) {
		t.Errorf("a record of %d bytes", len(r))
		return
	}
	if int(hdr.Len) != len(r) || len(r)%8 != 0 {
		t.Errorf("kind %d: %d bytes, its length field is %d", hdr.Kind, len(r), hdr.Len)
	}
	size, known := fixed[hdr.Kind]
	if !known {
		t.Errorf("kind %d is none that may stand in a file", hdr.Kind)
	}
	if len(r) < size {
		t.Errorf("kind %d: %d bytes, its fixed part has %d", hdr.Kind, len(r), size)
		return
	}
	if hdr.Layer > wire.LayerAud {
		t.Errorf("kind %d: layer %d", hdr.Kind, hdr.Layer)
	}
	// From a day before zero to a year after: one clock, and no garbage.
	const day = uint64(24 * time.Hour)
	if hdr.Time+day < h.Mono || hdr.Time > h.Mono+366*day {
		t.Errorf("kind %d: time %d, the timeline's zero is %d", hdr.Kind, hdr.Time, h.Mono)
	}
	attrs := func(n uint16, at int) {
		if at+int(n) > len(r) || len(r)-at-int(n) >= 8 {
			t.Errorf("kind %d: %d bytes of attributes where %d are left", hdr.Kind, n, len(r)-at)
			return
		}
		// Each is padded to 4.
		end := 0
		for _, v := range wire.Attrs(r[at : at+int(n)]) {
			end += wire.SizeAttr + (len(v)+3)&^3
		}
		if end != int(n) {
			t.Errorf("kind %d: attributes end at %d of %d", hdr.Kind, end, n)
		}
	}
	switch hdr.Kind {
	case wire.KindSyscall:
		var s wire.Syscall
		_, chunks, ok := wire.SyscallParts(r, &s)
		if !ok {
			t.Errorf("a call that promises %d sockets and %d bytes of chunks in %d bytes", s.Nsock, s.Chunks, len(r))
			return
		}
		end := 0
		for c, data := range wire.Chunks(chunks) {
			end += wire.SizeChunk + (len(data)+7)&^7
			if c.Phase > wire.PhaseExit {
				t.Errorf("a chunk of phase %d", c.Phase)
			}
		}
		if end != len(chunks) {
			t.Errorf("chunks end at %d of %d", end, len(chunks))
		}
		if s.Abi == 0 || s.Abi > wire.AbiX32 || s.Pid == 0 || s.Tid == 0 {
			t.Errorf("a call of abi %d, pid %d, tid %d", s.Abi, s.Pid, s.Tid)
		}
		if s.Enter > hdr.Time {
			t.Errorf("a call that returned %d ns before it began", s.Enter-hdr.Time)
		}
		if syscalls.Find(s.Abi, s.Nr, s.Sub) == nil {
			t.Errorf("abi %d, number %d (%d): not in the call set", s.Abi, s.Nr, s.Sub)
		}
		if s.Flags&wire.CallTentative != 0 {
			t.Error("a tentative call left the source")
		}
	case wire.KindUring:
		var u wire.Uring
		u.Unmarshal(r)
		if len(r) < size+int(u.Nsock)*wire.SizeSock {
			t.Errorf("a request that promises %d sockets in %d bytes", u.Nsock, len(r))
		}
	case wire.KindProc:
		var p wire.Proc
		p.Unmarshal(r)
		attrs(p.Attrs, size)
		if p.What < wire.ProcFound || p.What > wire.ProcExit || p.Pid == 0 {
			t.Errorf("process %d: event %d", p.Pid, p.What)
		}
	case wire.KindSock:
		var s wire.Socksnap
		s.Unmarshal(r)
		attrs(s.Attrs, size)
	case wire.KindPacket:
		var p wire.Packet
		p.Unmarshal(r)
		if p.Caplen > p.Len || len(r)-size != int(p.Caplen+7)&^7 {
			t.Errorf("a packet of %d bytes, %d of them captured, in %d", p.Len, p.Caplen, len(r)-size)
		}
	case wire.KindHandover:
		var h wire.Handover
		h.Unmarshal(r)
		if h.Cookie == 0 || h.Owner.Pid == 0 || h.Listener == h.Cookie {
			t.Errorf("socket %d of listener %d handed to process %d", h.Cookie, h.Listener, h.Owner.Pid)
		}
	case wire.KindState:
		var s wire.State
		s.Unmarshal(r)
		if s.To == 0 || s.What != wire.StateLook && s.What != wire.StateChanged || s.What == wire.StateLook && s.From != s.To {
			t.Errorf("state %d to %d, what %d", s.From, s.To, s.What)
		}
	case wire.KindReady:
		var w wire.Ready
		w.Unmarshal(r)
		if w.Pid == 0 || w.Epfd < 0 || w.Fd < 0 {
			t.Errorf("process %d: epoll instance %d waits for %d", w.Pid, w.Epfd, w.Fd)
		}
	case wire.KindLost:
		var l wire.Lost
		l.Unmarshal(r)
		if l.Count == 0 || l.Reason == 0 || l.Reason >= wire.LostReasons {
			t.Errorf("lost %d for reason %d", l.Count, l.Reason)
		}
	case wire.KindName:
		var n wire.Name
		n.Unmarshal(r)
		attrs(n.Attrs, size)
	case wire.KindNote:
		var n wire.Note
		n.Unmarshal(r)
		attrs(n.Attrs, size)
	case wire.KindEnd:
		var e wire.End
		e.Unmarshal(r)
		if e.Reason == 0 || e.Reason > wire.EndError {
			t.Errorf("ended for reason %d", e.Reason)
		}
	}
}

// emitError checks that the source returns the error of emit, and does not call emit again.
func emitError(t *testing.T, o Options) {
	full := errors.New("no space left on device")
	calls := 0
	err := run(t, o, context.Background(), func(r wire.Record) error {
		if r == nil && calls == 0 {
			return nil
		}
		calls++
		return full
	})
	if !errors.Is(err, full) {
		t.Errorf("Run returns %v, emit gave %v", err, full)
	}
	if calls != 1 {
		t.Errorf("emit was called %d times after its error", calls-1)
	}
}

// cancelled checks that a source ends soon after its context is done, before it starts or in the
// middle.
func cancelled(t *testing.T, o Options) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	check := func(when string, err error) {
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled %s: %v", when, err)
		}
	}
	check("before it began", run(t, o, ctx, func(wire.Record) error { return nil }))
	ctx, cancel = context.WithCancel(context.Background())
	defer cancel()
	check("in the middle", run(t, o, ctx, func(r wire.Record) error {
		if r != nil {
			cancel()
		}
		return nil
	}))
}
