//go:build linux

// Package bpf is the live source of records: eBPF programs at raw tracepoints,
// which never stop the watched process.
//
// Its subpackages: object has the compiled programs, load loads and attaches them,
// targets maintains the set of watched processes, snapshot records what existed before
// the programs were attached, names resolves numbers to names, and graph reads
// function_graph. This package runs them: it reads the ring buffer and emits its records.
package bpf

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/source/bpf/facts"
	"github.com/pidwire/pidwire/internal/source/bpf/graph"
	"github.com/pidwire/pidwire/internal/source/bpf/load"
	"github.com/pidwire/pidwire/internal/source/bpf/names"
	"github.com/pidwire/pidwire/internal/source/bpf/snapshot"
	"github.com/pidwire/pidwire/internal/source/bpf/targets"
	"github.com/pidwire/pidwire/internal/source/ftrace"
	"github.com/pidwire/pidwire/internal/source/proc"
	"github.com/pidwire/pidwire/internal/wire"
)

// Source watches processes. Its methods must be called from one goroutine, except where
// documented.
type Source struct {
	opts    Options
	header  wire.Header
	k       *load.Kernel
	pids    *load.Pids // translates pids; nil in the host's pid namespace
	proc    proc.FS    // takes pids of the host
	self    uint32     // our own pid on the host
	targets *targets.Set
	names   *names.Teller
	facts   *facts.Teller // nil without Config.Env
	graph   *graph.Graph  // nil if function_graph is not used
	rd      *ringbuf.Reader
	rec     ringbuf.Record // current record
	held    bool           // sleep has read rec, and it is not emitted yet
	bed     bed
	quiet   time.Time // since when the ring has been empty

	// Started is called by Run when all programs are attached and the targets are marked,
	// before the first record is read from the ring. It may be nil.
	Started func() error

	found   []*proc.Process
	buf     []byte                   // for records made by this package
	said    map[uint32]uint64        // tid -> entry of the call last shown as waiting
	lost    [wire.LostReasons]uint64 // of calls
	lostPkt [wire.LostReasons]uint64 // of packets
	lostKrn [wire.LostReasons]uint64 // of kernel events
	procs   uint64                   // lost fork, exec and exit records
	doubt   bool                     // after such a loss: the targets must be compared with the kernel's table
	closing map[uint64]bool          // cookies of TCP connections that are being closed
	ended   time.Time                // when the last process ended
	ringed  []wire.Record            // records of one round, to be merged with function_graph's
	late    []string                 // notes about failures after the start, not emitted yet
	taken   string                   // what another process has done to function_graph
	hooked  time.Time                // when the programs at the cgroup were last checked
}

// Options selects what to watch and how.
type Options struct {
	Config
	Targets  []proc.Target
	Command  []string      // for the header
	Tool     string        // version, for the header
	Messages wire.Messages // whether layer msg is shown; for the header of the recording
	Endless  bool          // continue when no process is left, as more may come
	Lazy     bool          // no output is needed before the end: records are read every lazyInterval
	Never    []uint32      // pids of further processes of pidwire, which are never watched
	// Run calls Joined for each process that becomes a target, and Left for each target that
	// has ended. They may be nil.
	Joined, Left func(pid uint32)
}

const (
	// pollInterval is how often the ring is read while records come, so that a line is on the
	// terminal well within 100 ms of its call. The ring is polled because a wake-up costs
	// the watched process more than its record does, and epoll on a ring that is never empty
	// returns at once, each time for a few records. When no records come see sleep.go.
	pollInterval = 10 * time.Millisecond
	// lazyInterval is the same with Options.Lazy. Each round wakes three or four threads,
	// which costs as much as a thousand records.
	lazyInterval = 50 * time.Millisecond
	// stackInterval is the same with user stacks: their functions can be named only while the
	// process is alive, because its memory map is needed.
	stackInterval = time.Millisecond
	// busyRing is the number of bytes in a round after which the next one follows at once.
	busyRing = DefaultRing / 16
	waitScan = 250 * time.Millisecond
	// hooksEvery is how often the source checks that its programs are still at the cgroup.
	hooksEvery = 2 * time.Second
	// quietScan is waitScan while the reader sleeps.
	quietScan = time.Second
	// lookAgain is the minimum time between two comparisons of the targets with the kernel's table.
	lookAgain = 100 * time.Millisecond
	clockStep = 10 * time.Second
)

// New loads and attaches the programs. If privilege is missing the error is
// os.ErrPermission; Explain gives the cause.
func New(o Options) (*Source, error) {
	for _, t := range o.Targets {
		switch {
		case t.All:
			o.All = true
		case t.Cgroup != "":
			o.Cgroups = append(o.Cgroups, t.Cgroup)
		case t.Port != 0:
			o.Ports = append(o.Ports, t.Port)
		case t.Name != "":
			o.AskExec = true
		case t.User != "":
			o.UIDs = append(o.UIDs, t.UID)
		}
	}
	s := &Source{opts: o, said: map[uint32]uint64{}, closing: map[uint64]bool{}}
	s.header = wire.Header{
		Version: wire.WireVersion, Arch: runtime.GOARCH, Tool: o.Tool, Command: o.Command,
		StrLen: o.StrLen, PageSize: uint32(os.Getpagesize()), Layers: layers(&o.Config), Messages: o.Messages,
	}
	for _, t := range o.Targets {
		s.header.Targets = append(s.header.Targets, t.Text)
	}
	s.header.Kernel = load.Release()
	s.header.Host, _ = os.Hostname()
	if err := s.translate(); err != nil {
		return nil, err
	}
	o = s.opts
	k, err := load.Load(o.Config)
	if err != nil {
		s.pids.Close()
		return nil, err
	}
	s.k = k
	for _, pid := range o.Never {
		if err := k.SetTarget(pid, wire.TargetNever); err != nil {
			s.pids.Close()
			k.Close()
			return nil, err
		}
	}
	s.targets = targets.New(k, targets.Options{Criteria: o.Targets, Proc: s.proc, Never: append(s.opts.Never, o.Self), Follow: o.Follow, Joined: s.joined, Left: o.Left})
	tell := names.Options{Interfaces: k.Interfaces, Proc: s.proc, Self: s.self, Stacks: o.Stacks, Now: now, Note: func(text string, emit func(wire.Record) error) error { return s.note(text, "", emit) }}
	if o.Kernel {
		tell.Kernel = &k.Names
	}
	s.names = names.New(tell)
	if o.Env {
		s.facts = facts.New(facts.Options{Proc: s.proc, Self: s.self, Now: now, Holders: func(port uint16) (map[uint32]bool, error) {
			return snapshot.PortHolders(s.k, s.proc, []uint16{port})
		}})
	}
	if k.Graph != nil {
		s.graph = graph.New(k.Graph, &k.Names, s.proc, s.targets.Has, s.names.Function)
	}
	s.header.Mono, s.header.Wall = clocks()
	s.rd = k.Reader
	if s.bed, err = newBed(k.Maps.Reader); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.rd.SetDeadline(past)
	return s, nil
}

// translate converts the pids in the options, which are those of pidwire's pid namespace, to
// those of the host, which the BPF programs use.
func (s *Source) translate() (err error) {
	s.proc, s.self = proc.Default, uint32(os.Getpid())
	if s.pids, err = load.OpenPids(s.proc); err != nil || s.pids == nil {
		return err
	}
	s.proc.Pids, s.self = s.pids, s.pids.Self
	o := &s.opts
	if o.Self != 0 {
		o.Self = s.pids.Self
	}
	o.Never = slices.Clone(o.Never)
	for i, pid := range o.Never {
		if host, ok := s.pids.Host(pid); ok {
			o.Never[i] = host
		}
	}
	o.Targets = slices.Clone(o.Targets)
	for i := range o.Targets {
		t := &o.Targets[i]
		if t.PID == 0 {
			continue
		}
		host, ok := s.pids.Host(t.PID)
		if !ok {
			s.pids.Close()
			return fmt.Errorf("%w: process %d of this pid namespace", proc.ErrNoTarget, t.PID)
		}
		t.PID = host
	}
	return nil
}

// layers returns the set of recorded layers in the form of Header.Layers.
func layers(c *Config) (bits uint32) {
	if !c.NoCalls {
		bits |= 1 << wire.LayerSys
	}
	if c.Audit {
		bits |= 1 << wire.LayerAud
	}
	if c.Packets {
		bits |= 1 << wire.LayerPkt
	}
	if c.Kernel || c.Packets && !c.NoCalls {
		bits |= 1 << wire.LayerKrn
	}
	return bits
}

// clocks reads CLOCK_MONOTONIC and CLOCK_REALTIME at the same time: it brackets the reading of
// one by two of the other, and takes the best of several attempts.
func clocks() (mono, wall uint64) {
	best := int64(1 << 62)
	for range 5 {
		var a, w, b unix.Timespec
		unix.ClockGettime(unix.CLOCK_MONOTONIC, &a)
		unix.ClockGettime(unix.CLOCK_REALTIME, &w)
		unix.ClockGettime(unix.CLOCK_MONOTONIC, &b)
		if d := b.Nano() - a.Nano(); d < best {
			best, mono, wall = d, uint64(a.Nano()+d/2), uint64(w.Nano())
		}
	}
	return mono, wall
}

// Clock returns CLOCK_MONOTONIC in ns, the clock of the records.
func Clock() uint64 { return now() }

func now() uint64 {
	var t unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return uint64(t.Nano())
}

// Header returns the header of what Run emits.
func (s *Source) Header() wire.Header { return s.header }

// Watch makes a process a target, by its pid on the host. It may be called before Run and from
// any goroutine.
func (s *Source) Watch(pid uint32) error {
	return s.k.SetTarget(pid, wire.TargetWatch)
}

// Missing returns a sentence for each feature that does not work on this machine. Run emits
// them as notes, too.
func (s *Source) Missing() []string {
	var list []string
	for _, n := range s.k.Notes {
		list = append(list, n.Text)
	}
	return list
}

// Engine returns the name of the engine that traces kernel functions, and their number; empty if
// none is used.
func (s *Source) Engine() string { return s.k.Engine }

// Module opens a file that a watched process has mapped; see collect.Live.
func (s *Source) Module(id uint32) (*os.File, error) { return s.names.Module(id) }

// OnStart sets Started.
func (s *Source) OnStart(f func() error) { s.Started = f }

// Watched returns the processes that were targets when Run started. It is meant to be called
// from Started.
func (s *Source) Watched() []*proc.Process { return s.found }

// Close detaches all programs and frees all maps.
func (s *Source) Close() error {
	var err error
	if s.facts != nil {
		err = s.facts.Close()
	}
	return errors.Join(err, s.k.Close(), s.pids.Close())
}

// Run emits records until ctx is done, or until no target is left and none can come.
// emit(nil) means that there are no more records now. A record is valid until emit returns.
// The last record is a KindEnd.
func (s *Source) Run(ctx context.Context, emit func(wire.Record) error) error {
	reason, err := s.run(ctx, emit)
	if err != nil {
		return err
	}
	e := wire.End{H: wire.Hdr{Kind: wire.KindEnd, Time: now()}, Reason: reason}
	if err := emit(wire.Seal(e.Append(s.buf[:0]))); err != nil {
		return err
	}
	return emit(nil)
}

func (s *Source) run(ctx context.Context, emit func(wire.Record) error) (reason uint32, err error) {
	if err := s.begin(emit); err != nil {
		return 0, err
	}
	tick := time.NewTicker(s.interval())
	defer tick.Stop()
	started := time.Now()
	due := schedule{scan: started.Add(waitScan), clock: started.Add(clockStep), look: started}
	for {
		// A last round reads the records that were emitted before the end.
		last := true
		switch {
		case ctx.Err() != nil:
			reason = reasonOf(ctx)
		case !s.opts.Endless && s.targets.Empty() && s.closed():
			reason = wire.EndTargets
		default:
			last = false
		}
		n, err := s.drain(emit)
		if err != nil {
			return 0, err
		}
		if err := s.losses(emit); err != nil {
			return 0, err
		}
		if s.doubt && (last || s.targets.Empty() || time.Now().After(due.look)) {
			due.look = time.Now().Add(lookAgain)
			if err := s.lookAgain(emit); err != nil {
				return 0, err
			}
			if last && reason == wire.EndTargets && !s.targets.Empty() {
				last = false
			}
		}
		if err := s.lostOfTargets(emit); err != nil {
			return 0, err
		}
		if err := s.latecomers(emit); err != nil {
			return 0, err
		}
		t := time.Now()
		if err := s.scan(t, &due, last, emit); err != nil {
			return 0, err
		}
		if err := emit(nil); err != nil {
			return 0, err
		}
		if last {
			return reason, nil
		}
		if n > 0 {
			s.quiet = t
		}
		switch {
		case n >= busyRing:
		case t.Sub(s.quiet) > quietAfter && s.graph == nil && !s.doubt && (s.opts.Endless || !s.targets.Empty()):
			if err := s.sleep(ctx, earlier(due.scan.Add(quietScan-waitScan), due.clock)); err != nil {
				return 0, err
			}
		default:
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		}
	}
}

// schedule has the next times of work that is not done in each round.
type schedule struct {
	scan  time.Time // blocked calls, ended targets, losses counted by the kernel
	clock time.Time // a record of both clocks
	look  time.Time // comparison of the targets with the kernel's table, at the earliest
}

// begin emits the notes and the snapshot, before the first call.
func (s *Source) begin(emit func(wire.Record) error) error {
	if s.pids != nil {
		if err := s.inform("pidwire runs in a nested pid namespace: pids are those of the host", emit); err != nil {
			return err
		}
	}
	for _, n := range s.k.Notes {
		if err := s.note(n.Text, n.Fix, emit); err != nil {
			return err
		}
	}
	if err := s.snapshot(emit); err != nil {
		return err
	}
	if err := emit(nil); err != nil {
		return err
	}
	if s.Started != nil {
		return s.Started()
	}
	return nil
}

// interval returns how often the ring is read while records come.
func (s *Source) interval() time.Duration {
	switch {
	case s.opts.Stacks:
		return stackInterval
	case s.opts.Lazy && s.graph == nil && s.ringBytes() >= DefaultRing:
		return lazyInterval
	}
	return pollInterval
}

// lookAgain compares the targets with the kernel's process table after a loss. The ring must
// have been read before, because the map is ahead of it.
func (s *Source) lookAgain(emit func(wire.Record) error) error {
	s.doubt = false
	if err := s.targets.Look(); err != nil {
		return err
	}
	return s.turnedOut(now(), emit)
}

// latecomers emits the notes in late.
func (s *Source) latecomers(emit func(wire.Record) error) error {
	for _, text := range s.late {
		if err := s.note(text, "", emit); err != nil {
			return err
		}
	}
	s.late = nil
	return nil
}

// scan does the scheduled work that is due at t, and in the last round all that reports losses.
func (s *Source) scan(t time.Time, due *schedule, last bool, emit func(wire.Record) error) error {
	if last || t.After(due.scan) {
		// Missed may decrease: a skipped run is subtracted once its second copy has handled it.
		missed := max(s.k.Missed(), s.lost[wire.LostMissed])
		s.doubt = s.doubt || missed != s.lost[wire.LostMissed]
		if err := s.lose(wire.LayerSys, wire.LostMissed, missed, &s.lost[wire.LostMissed], emit); err != nil {
			return err
		}
		if err := s.stands(last, emit); err != nil {
			return err
		}
	}
	if t.After(due.scan) {
		due.scan = t.Add(waitScan)
		if !s.opts.NoCalls {
			if err := s.waiting(emit); err != nil {
				return err
			}
		}
		if err := s.targets.Reap(); err != nil {
			return err
		}
	}
	if !t.After(due.clock) {
		return nil
	}
	due.clock = t.Add(clockStep)
	c := wire.Clock{H: wire.Hdr{Kind: wire.KindClock, Time: now()}}
	c.Mono, c.Wall = clocks()
	return emit(wire.Seal(c.Append(s.buf[:0])))
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// reasonOf returns why a context is done; its cause may have the reason.
func reasonOf(ctx context.Context) uint32 {
	var cause interface{ EndReason() uint32 }
	switch {
	case errors.As(context.Cause(ctx), &cause):
		return cause.EndReason()
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return wire.EndLimit
	}
	return wire.EndDetached
}

// drain emits the records in the ring, at most as many bytes as the ring can hold, and
// returns their size.
func (s *Source) drain(emit func(wire.Record) error) (n int, err error) {
	if s.graph != nil {
		return s.drainGraph(emit)
	}
	return s.each(func(r wire.Record) error { return s.pass(r, emit) })
}

// each calls f for each record in the ring; the record is valid during the call.
func (s *Source) each(do func(wire.Record) error) (n int, err error) {
	for n < s.ringBytes() {
		if s.held {
			s.held = false
		} else if err := s.rd.ReadInto(&s.rec); errors.Is(err, os.ErrDeadlineExceeded) {
			return n, nil
		} else if errors.Is(err, ringbuf.ErrFlushed) {
			continue // the sleep was interrupted
		} else if err != nil {
			return n, err
		}
		n += len(s.rec.RawSample)
		if err := do(wire.Record(s.rec.RawSample)); err != nil {
			return n, err
		}
	}
	return n, nil
}

func (s *Source) ringBytes() int {
	return int(s.k.Maps.Ring.MaxEntries())
}

const (
	tcpClose  = 7
	tcpListen = 10
	// maxClosing bounds the connections that are being closed.
	maxClosing = 1 << 16
	// lingerMin is how long to wait for the kernel to close the sockets of an ended process,
	// lingerMax how long for their peers to answer. lingerBlind replaces both if state
	// changes are not recorded.
	lingerMin   = 20 * time.Millisecond
	lingerMax   = 250 * time.Millisecond
	lingerBlind = 100 * time.Millisecond
)

// closed reports whether all connections of the ended processes are closed, so that their last
// packets have been recorded.
func (s *Source) closed() bool {
	if !s.opts.Packets {
		return true
	}
	if s.ended.IsZero() {
		s.ended = time.Now()
	}
	past := time.Since(s.ended)
	if !s.k.Works.States {
		return past > lingerBlind
	}
	return past > lingerMax || past > lingerMin && len(s.closing) == 0
}

// process updates the targets by a process record, and emits names that are new with the
// process.
func (s *Source) process(r wire.Record, emit func(wire.Record) error) error {
	var p wire.Proc
	if !p.Unmarshal(r) {
		return nil
	}
	if p.What == wire.ProcExec || p.What == wire.ProcExit {
		s.names.OtherProgram(p.Pid, p.What == wire.ProcExit)
	}
	ours, err := s.targets.Process(&p, r[wire.SizeProc:], r.Time())
	if err != nil {
		return err
	}
	if err := s.turnedOut(r.Time(), emit); err != nil || !ours {
		return err
	}
	tentative := p.Flags&wire.ProcTentative != 0
	if tentative {
		r[wire.OffProcFlags] &^= wire.ProcTentative
	}
	if p.What != wire.ProcExit {
		s.ended = time.Time{}
	} else if s.graph != nil {
		s.graph.Forget(p.Pid)
	}
	if err := s.names.User(p.Uid, emit); err != nil {
		return err
	}
	if p.What == wire.ProcExec || p.What == wire.ProcFound {
		if err := s.names.Interfaces(p.Pid, p.Netns, r.Time(), emit); err != nil {
			return err
		}
	}
	if err := emit(r); err != nil || s.facts == nil || p.What != wire.ProcExec && p.What != wire.ProcFound {
		return err
	}
	of := facts.Process{PID: p.Pid, Start: p.Start, NetNS: uint32(p.Netns)}
	if p.What == wire.ProcFound || tentative {
		return s.facts.Found(of, emit)
	}
	return s.facts.Started(of, emit)
}

// turnedOut emits records of processes that are targets and whose own record was lost, before
// their other records at that time.
func (s *Source) turnedOut(at uint64, emit func(wire.Record) error) error {
	if len(s.targets.Found) == 0 {
		return nil
	}
	found := s.targets.Found
	s.targets.Found = nil
	s.ended = time.Time{}
	return s.tell(found, at, emit)
}

// tell emits the records of processes, and names that are new with them.
func (s *Source) tell(found []*proc.Process, at uint64, emit func(wire.Record) error) error {
	for _, p := range found {
		if err := s.names.User(p.UID, emit); err != nil {
			return err
		}
		if err := emit(p.Record(at)); err != nil {
			return err
		}
		if err := s.names.Interfaces(p.PID, p.NetNS, at, emit); err != nil {
			return err
		}
		if s.facts == nil {
			continue
		}
		if err := s.facts.Found(facts.Process{PID: p.PID, Start: p.Start, NetNS: uint32(p.NetNS)}, emit); err != nil {
			return err
		}
	}
	return nil
}

// joined calls Options.Joined for a new target.
func (s *Source) joined(pid uint32) {
	if s.opts.Joined != nil {
		s.opts.Joined(pid)
	}
	if s.graph == nil {
		return
	}
	if err := s.graph.Watch(pid); err != nil {
		s.late = append(s.late, fmt.Sprintf("functions of process %d are not traced (%v)", pid, err))
	}
}

// snapshot makes the existing processes targets, and emits records of them and of their
// sockets. The programs are attached by then: events in the meantime are in the ring.
func (s *Source) snapshot(emit func(wire.Record) error) error {
	holders, err := snapshot.PortHolders(s.k, s.proc, s.opts.Ports)
	if err != nil {
		return err
	}
	if s.found, err = s.targets.Find(holders); err != nil {
		return err
	}
	if err := s.k.Adopt(); err != nil {
		return err
	}
	at := now()
	if err := s.tell(s.found, at, emit); err != nil {
		return err
	}
	if err := snapshot.Sockets(s.k, s.proc, s.found, at, emit); err != nil {
		return err
	}
	return snapshot.Epolls(s.proc, s.found, at, emit)
}

// Look records the current state of the targets' TCP sockets. It may be called from any
// goroutine during Run.
func (s *Source) Look() error {
	if s.k.States == nil {
		return nil
	}
	_, err := load.ReadIter(s.k.States)
	return err
}

// drainGraph emits the records in the ring and those of function_graph in the order of time: a
// call comes after its functions. Functions after the time of reading the ring are left for the
// next round, with their calls.
func (s *Source) drainGraph(emit func(wire.Record) error) (n int, err error) {
	s.ringed = s.ringed[:0]
	if n, err = s.each(func(r wire.Record) error {
		s.ringed = append(s.ringed, bytes.Clone(r))
		return nil
	}); err != nil {
		return n, err
	}
	upTo := now()
	lost, err := s.graph.Fill(upTo)
	if err != nil {
		return n, err
	}
	if lost > 0 {
		l := wire.Lost{H: wire.Hdr{Kind: wire.KindLost, Layer: wire.LayerKrn, Time: upTo}, Count: lost, Reason: wire.LostRing}
		if err := emit(wire.Seal(l.Append(s.buf[:0]))); err != nil {
			return n, err
		}
	}
	for _, r := range s.ringed {
		if err := s.graph.UpTo(min(upTo, r.Time()), emit); err != nil {
			return n, err
		}
		if err := s.pass(r, emit); err != nil {
			return n, err
		}
	}
	return n, s.graph.UpTo(upTo, emit)
}

// stands adds a note, once, when another process has detached our programs, uses ftrace for
// something else, or has disabled it.
func (s *Source) stands(last bool, emit func(wire.Record) error) error {
	var hooks []string
	// The kernel needs cgroup_mutex to answer, which is held for long on busy machines.
	if t := time.Now(); last || t.Sub(s.hooked) > hooksEvery {
		s.hooked = t
		hooks = s.k.Detached()
	}
	if len(hooks) > 0 {
		text := "another process detached programs of pidwire (" + strings.Join(hooks, ", ") + "): packets and sockets are missing from here on"
		if err := s.note(text, "", emit); err != nil {
			return err
		}
	}
	if !s.k.Exact {
		return nil
	}
	why := ""
	if s.graph != nil {
		why = s.graph.Changed()
	}
	if err := ftrace.Enabled(); why == "" && err != nil {
		why = err.Error()
	}
	if why == s.taken {
		return nil
	}
	s.taken = why
	if why == "" {
		return s.note("ftrace has our settings again: functions are shown again", "", emit)
	}
	return s.note("another process changed ftrace: functions are not shown from here on: "+why, "", emit)
}

// inform emits a note that is only information.
func (s *Source) inform(text string, emit func(wire.Record) error) error {
	attrs := wire.AppendAttr(nil, wire.TagText, text)
	n := wire.Note{H: wire.Hdr{Kind: wire.KindNote, Layer: wire.LayerSys, Time: now()}, Level: wire.NoteInfo, Attrs: uint16(len(attrs))}
	return emit(wire.Seal(append(n.Append(s.buf[:0]), attrs...)))
}

func (s *Source) note(text, fix string, emit func(wire.Record) error) error {
	attrs := wire.AppendAttr(nil, wire.TagText, text)
	if fix != "" {
		attrs = wire.AppendAttr(attrs, wire.TagFix, fix)
	}
	n := wire.Note{H: wire.Hdr{Kind: wire.KindNote, Layer: wire.LayerSys, Time: now()}, Level: wire.NoteDegraded, Attrs: uint16(len(attrs))}
	return emit(wire.Seal(append(n.Append(s.buf[:0]), attrs...)))
}
