//go:build linux

// Package bpf is the source of live records: eBPF programs on raw tracepoints,
// which never stop the watched process. It is one of the doors to the machine.
//
// Below it, object has the programs, load puts them into the kernel, targets keeps
// who is watched, snapshot puts down what was there before, names tells what
// numbers mean, and graph reads function_graph. What is here runs them: it reads
// the ring and passes on its records.
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

	"github.com/pidwire/pidwire/internal/source/bpf/graph"
	"github.com/pidwire/pidwire/internal/source/bpf/load"
	"github.com/pidwire/pidwire/internal/source/bpf/names"
	"github.com/pidwire/pidwire/internal/source/bpf/snapshot"
	"github.com/pidwire/pidwire/internal/source/bpf/targets"
	"github.com/pidwire/pidwire/internal/source/ftrace"
	"github.com/pidwire/pidwire/internal/source/proc"
	"github.com/pidwire/pidwire/internal/wire"
)

// Source watches processes. Its methods are for one goroutine, but for those
// that say otherwise.
type Source struct {
	opts    Options
	header  wire.Header
	k       *load.Kernel
	pids    *load.Pids // nil: in the host's pid namespace
	proc    proc.FS    // with the host's pids
	self    uint32     // our own pid there
	targets *targets.Set
	names   *names.Teller
	graph   *graph.Graph // of function_graph; nil: it is not used
	rd      *ringbuf.Reader
	rec     ringbuf.Record // the one being read
	held    bool           // it was read by sleep, and not passed on
	bed     bed
	quiet   time.Time // since when the ring was found empty

	// Started is called by Run once everything is attached and the targets
	// are marked, before the first record of the kernel's is read. May be nil.
	Started func() error

	found   []*proc.Process
	buf     []byte                   // of records made here
	said    map[uint32]uint64        // tid -> entry of the call last shown as waiting
	lost    [wire.LostReasons]uint64 // of calls
	lostPkt [wire.LostReasons]uint64 // of packets
	lostKrn [wire.LostReasons]uint64 // of kernel events
	procs   uint64                   // births, execs and ends that were lost
	doubt   bool                     // after a loss: who is watched is to be looked up
	closing map[uint64]bool          // cookies of TCP connections that are not at their end
	ended   time.Time                // when no process was left
	ringed  []wire.Record            // of one look, where function_graph tells beside it
	late    []string                 // what is to be said of what does not work, since the start
	taken   string                   // what somebody else has done to function_graph
	hooked  time.Time                // when the programs at the cgroup were last looked for
}

// Options say what to watch and how.
type Options struct {
	Config
	Targets []proc.Target
	Command []string // for the header
	Tool    string   // version, for the header
	Endless bool     // go on when no process is left: more may come
	Lazy    bool     // nobody looks at what comes before the end: a record may lie unread for lazyInterval
	Never   []uint32 // further processes of ours, by pid: not watched, whatever the targets are
	// Joined and Left are told of each process that is watched from then on, and
	// that has ended; may be nil. They are called by Run.
	Joined, Left func(pid uint32)
}

const (
	// pollInterval is how long a record lies in the ring unread: a line is on
	// the terminal well within 100 ms of its call. While there are records the
	// ring is looked at by this clock alone: a wake-up costs the watched process
	// more than its event does, and epoll on a ring that is never empty returns
	// at once, each time for a few records. While there are none see sleep.go.
	pollInterval = 10 * time.Millisecond
	// lazyInterval is the same where nobody waits for it: what a look costs, three or four
	// threads that wake, is as much as a thousand records.
	lazyInterval = 50 * time.Millisecond
	// stackInterval is the same where functions of the process are to be named: its
	// memory map can be read only while it lives.
	stackInterval = time.Millisecond
	// busyRing is when the next look follows at once, in bytes a look.
	busyRing = DefaultRing / 16
	waitScan = 250 * time.Millisecond
	// hooksEvery is how often the programs at the cgroup are looked for.
	hooksEvery = 2 * time.Second
	// quietScan is waitScan while the reader sleeps.
	quietScan = time.Second
	// lookAgain is how often it is looked up who is watched while records are lost.
	lookAgain = 100 * time.Millisecond
	clockStep = 10 * time.Second
)

// New loads and attaches. errors.Is(err, os.ErrPermission) tells a lack of
// privilege; Explain says why.
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
		StrLen: o.StrLen, PageSize: uint32(os.Getpagesize()), Layers: layers(&o.Config),
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

// translate puts what was given as /proc and our own pid namespace have it into the
// host's numbers, where they differ: the kernel side knows no others.
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

// layers are those that are watched, as a Header has them.
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

// clocks reads CLOCK_MONOTONIC and CLOCK_REALTIME as one moment: of a few
// readings the one whose two monotonic ends stand closest.
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

// Clock returns CLOCK_MONOTONIC, in ns: the clock of the records.
func Clock() uint64 { return now() }

func now() uint64 {
	var t unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return uint64(t.Nano())
}

// Header returns the header of what Run emits.
func (s *Source) Header() wire.Header { return s.header }

// Watch makes a process a target at once, by the number that records have for it. It
// may be called before Run, from any goroutine.
func (s *Source) Watch(pid uint32) error {
	return s.k.SetTarget(pid, wire.TargetWatch)
}

// Missing returns what does not work here, a sentence each. It is on the
// timeline too, as notes.
func (s *Source) Missing() []string {
	var list []string
	for _, n := range s.k.Notes {
		list = append(list, n.Text)
	}
	return list
}

// Engine says what tells of the functions of the kernel, and of how many; empty
// where nothing does.
func (s *Source) Engine() string { return s.k.Engine }

// Module opens a file that a watched process has mapped: see collect.Live.
func (s *Source) Module(id uint32) (*os.File, error) { return s.names.Module(id) }

// OnStart sets Started.
func (s *Source) OnStart(f func() error) { s.Started = f }

// Watched returns the processes that were targets when Run began. It is for
// Started.
func (s *Source) Watched() []*proc.Process { return s.found }

// Close detaches every program and frees every map.
func (s *Source) Close() error {
	return errors.Join(s.k.Close(), s.pids.Close())
}

// Run emits records until ctx is done, or until no target is left and none can
// come. emit(nil) says that nothing more is at hand now; records belong to the
// source again when emit returns. The last record is a KindEnd.
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
		// One more round collects what was on its way when the end came.
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

// schedule is when what is not done in every round is done next.
type schedule struct {
	scan  time.Time // for calls that are blocked, targets that have ended, losses that only the kernel counts
	clock time.Time // for a record of both clocks
	look  time.Time // for the targets, at the earliest
}

// begin emits what was before the first call: notes and the snapshot.
func (s *Source) begin(emit func(wire.Record) error) error {
	if s.pids != nil {
		if err := s.inform("this runs in a pid namespace below the host's: pids are those of the host", emit); err != nil {
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

// interval is how often the ring is read while records come.
func (s *Source) interval() time.Duration {
	switch {
	case s.opts.Stacks:
		return stackInterval
	case s.opts.Lazy && s.graph == nil && s.ringBytes() >= DefaultRing:
		return lazyInterval
	}
	return pollInterval
}

// lookAgain asks the kernel's own table which processes are targets, after a loss. What
// is in the ring has been read: the map may be ahead of it.
func (s *Source) lookAgain(emit func(wire.Record) error) error {
	s.doubt = false
	if err := s.targets.Look(); err != nil {
		return err
	}
	return s.turnedOut(now(), emit)
}

// latecomers emits the notes that came up outside of a round.
func (s *Source) latecomers(emit func(wire.Record) error) error {
	for _, text := range s.late {
		if err := s.note(text, "", emit); err != nil {
			return err
		}
	}
	s.late = nil
	return nil
}

// scan does what is due at t, and in the last round what tells of losses.
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

// reasonOf says why a context was done: its cause may know.
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

// drain passes on what is in the ring, up to as much as it can hold, and
// returns how many bytes that were.
func (s *Source) drain(emit func(wire.Record) error) (n int, err error) {
	if s.graph != nil {
		return s.drainGraph(emit)
	}
	return s.each(func(r wire.Record) error { return s.pass(r, emit) })
}

// each reads what is in the ring; a record is good for the call.
func (s *Source) each(do func(wire.Record) error) (n int, err error) {
	for n < s.ringBytes() {
		if s.held {
			s.held = false
		} else if err := s.rd.ReadInto(&s.rec); errors.Is(err, os.ErrDeadlineExceeded) {
			return n, nil
		} else if errors.Is(err, ringbuf.ErrFlushed) {
			continue // sleep was told to end
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
	// maxClosing bounds the connections that are remembered as not at their end.
	maxClosing = 1 << 16
	// lingerMin is how long the kernel is given to close what a process that
	// ended had open, and lingerMax how long their peers to answer; lingerBlind
	// is for both, where it does not tell of states.
	lingerMin   = 20 * time.Millisecond
	lingerMax   = 250 * time.Millisecond
	lingerBlind = 100 * time.Millisecond
)

// closed reports whether the connections of the processes that have ended are
// at their end too: their last packets are shown.
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

// process has the set of watched processes kept, and the names told that a
// process brings.
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
	if p.Flags&wire.ProcTentative != 0 {
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
	return emit(r)
}

// turnedOut puts down who processes are that are watched, where the record that
// should have told was lost: before what is of them at that time.
func (s *Source) turnedOut(at uint64, emit func(wire.Record) error) error {
	if len(s.targets.Found) == 0 {
		return nil
	}
	found := s.targets.Found
	s.targets.Found = nil
	s.ended = time.Time{}
	return s.tell(found, at, emit)
}

// tell puts down who processes are, and the names that they bring.
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
	}
	return nil
}

// joined is told of each process that is watched from now on.
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

// snapshot makes targets of the processes that are there, and puts down who
// they are and which sockets they hold. The programs are attached by now: what
// happens meanwhile waits in the ring.
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

// Look puts into the ring how the TCP sockets of the targets stand now. It may
// be called from any goroutine while Run runs.
func (s *Source) Look() error {
	if s.k.States == nil {
		return nil
	}
	_, err := load.ReadIter(s.k.States)
	return err
}

// drainGraph passes on what is in the ring and what function_graph tells, by
// time: a call comes behind what was done in it. What is told of the time since
// the ring was read stays for the next look, with its calls.
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

// stands says once when somebody else has taken our programs from where they stood, uses ftrace for
// something else, or turns it off.
func (s *Source) stands(last bool, emit func(wire.Record) error) error {
	var hooks []string
	// The kernel takes a lock for the answer (cgroup_mutex) that busy machines hold for long.
	if t := time.Now(); last || t.Sub(s.hooked) > hooksEvery {
		s.hooked = t
		hooks = s.k.Detached()
	}
	if len(hooks) > 0 {
		text := "another has detached programs of pidwire (" + strings.Join(hooks, ", ") + "): packets and sockets are missing from here on"
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
		return s.note("ftrace is as we had set it: functions are shown again", "", emit)
	}
	return s.note("another has changed ftrace: functions are not shown from here on: "+why, "", emit)
}

// inform puts down what nothing is missing for.
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
