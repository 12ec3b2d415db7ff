//go:build linux

// Package bpf is the source of live records: eBPF programs on raw tracepoints,
// which never stop the watched process. It is one of the doors to the machine.
package bpf

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/source/proc"
	"github.com/pidwire/pidwire/internal/wire"
)

// Source watches processes. Its methods are for one goroutine, but for those
// that say otherwise.
type Source struct {
	opts   Options
	header wire.Header
	k      *kernel
	rd     *ringbuf.Reader
	rec    ringbuf.Record // the one being read

	// Started is called by Run once everything is attached and the targets
	// are marked, before the first record of the kernel's is read. May be nil.
	Started func() error

	found   []*proc.Process
	buf     []byte                   // of records made here
	said    map[uint32]uint64        // tid -> entry of the call last shown as waiting
	lost    [wire.LostReasons]uint64 // of calls
	lostPkt [wire.LostReasons]uint64 // of packets
	lostKrn [wire.LostReasons]uint64 // of kernel events
	pids    map[uint32]bool          // watched processes that are alive
	decided map[uint32]bool          // exec'ed processes that were asked about
	users   map[uint32]bool          // whose names have been told
	ifaces  map[uint64]bool          // network namespaces whose interfaces have been told
	closing map[uint64]bool          // cookies of TCP connections that are not at their end
	ended   time.Time                // when no process was left
	threads map[uint32]*wire.Owner   // of function_graph, by tid
	ringed  []wire.Record            // of one look, where function_graph tells beside it
	late    []string                 // what is to be said of what does not work, since the start
}

// Options say what to watch and how.
type Options struct {
	Config
	Targets []proc.Target
	Command []string // for the header
	Tool    string   // version, for the header
	Endless bool     // go on when no process is left: more may come
	// Joined and Left are told of each process that is watched from then on, and
	// that has ended; may be nil. They are called by Run.
	Joined, Left func(pid uint32)
}

const (
	// pollInterval is how long a record lies in the ring unread: a line is on
	// the terminal well within 100 ms of its call. The ring is looked at by
	// this clock alone. A wake-up costs the watched process more than its event
	// does, and epoll on a ring that is never empty returns at once, each time
	// for a few records.
	pollInterval = 10 * time.Millisecond
	// stackInterval is the same where functions of the process are to be named: its
	// memory map can be read only while it lives.
	stackInterval = time.Millisecond
	// busyRing is when the next look follows at once, in bytes a look.
	busyRing  = DefaultRing / 16
	waitScan  = 250 * time.Millisecond
	clockStep = 10 * time.Second
	// waitShown is how long a call is blocked before it is shown as waiting.
	waitShown = time.Second
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
	s := &Source{
		opts: o, said: map[uint32]uint64{}, pids: map[uint32]bool{},
		decided: map[uint32]bool{}, users: map[uint32]bool{}, ifaces: map[uint64]bool{}, closing: map[uint64]bool{},
	}
	s.header = wire.Header{
		Version: wire.WireVersion, Arch: runtime.GOARCH, Tool: o.Tool, Command: o.Command,
		StrLen: o.StrLen, PageSize: uint32(os.Getpagesize()), Layers: o.layers(),
	}
	for _, t := range o.Targets {
		s.header.Targets = append(s.header.Targets, t.Text)
	}
	s.header.Kernel = Release()
	s.header.Host, _ = os.Hostname()
	k, err := load(o.Config)
	if err != nil {
		return nil, err
	}
	s.k = k
	s.header.Mono, s.header.Wall = clocks()
	if s.rd, err = ringbuf.NewReader(k.maps["ring"]); err != nil {
		k.Close()
		return nil, err
	}
	// A deadline in the past: reads return what is there, and never wait.
	s.rd.SetDeadline(time.Unix(1, 0))
	return s, nil
}

// layers are those that are watched, as a Header has them.
func (c Config) layers() (bits uint32) {
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

// Release returns the kernel's release, as uname -r.
func Release() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Release[:])
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

// Watch makes a process a target at once. It may be called before Run, from
// any goroutine.
func (s *Source) Watch(pid uint32) error {
	return s.k.target(pid, wire.TargetWatch)
}

// Missing returns what does not work here, a sentence each. It is on the
// timeline too, as notes.
func (s *Source) Missing() []string {
	var list []string
	for _, n := range s.k.notes {
		list = append(list, n.text)
	}
	return list
}

// Engine says what tells of the functions of the kernel, and of how many; empty
// where nothing does.
func (s *Source) Engine() string { return s.k.Engine }

// Watched returns the processes that were targets when Run began. It is for
// Started.
func (s *Source) Watched() []*proc.Process { return s.found }

// Close detaches every program and frees every map.
func (s *Source) Close() error {
	return errors.Join(s.rd.Close(), s.k.Close())
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
	for _, n := range s.k.notes {
		if err := s.note(n.text, n.fix, emit); err != nil {
			return 0, err
		}
	}
	if err := s.snapshot(emit); err != nil {
		return 0, err
	}
	if err := emit(nil); err != nil {
		return 0, err
	}
	if s.Started != nil {
		if err := s.Started(); err != nil {
			return 0, err
		}
	}
	interval := pollInterval
	if s.opts.Stacks {
		interval = stackInterval
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	nextScan, nextClock := time.Now().Add(waitScan), time.Now().Add(clockStep)
	for {
		// One more round collects what was on its way when the end came.
		last := true
		switch {
		case ctx.Err() != nil:
			reason = reasonOf(ctx)
		case !s.opts.Endless && len(s.pids) == 0 && s.closed():
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
		for _, text := range s.late {
			if err := s.note(text, "", emit); err != nil {
				return 0, err
			}
		}
		s.late = nil
		t := time.Now()
		if last || t.After(nextScan) {
			// It can go down again: what a program is passed over for, its second
			// copy may be about to do.
			missed := max(s.k.missed(), s.lost[wire.LostMissed])
			if err := s.lose(wire.LayerSys, wire.LostMissed, missed, &s.lost[wire.LostMissed], emit); err != nil {
				return 0, err
			}
		}
		if t.After(nextScan) {
			nextScan = t.Add(waitScan)
			if !s.opts.NoCalls {
				if err := s.waiting(emit); err != nil {
					return 0, err
				}
			}
			s.reap()
		}
		if t.After(nextClock) {
			nextClock = t.Add(clockStep)
			c := wire.Clock{H: wire.Hdr{Kind: wire.KindClock, Time: now()}}
			c.Mono, c.Wall = clocks()
			if err := emit(wire.Seal(c.Append(s.buf[:0]))); err != nil {
				return 0, err
			}
		}
		if err := emit(nil); err != nil {
			return 0, err
		}
		if last {
			return reason, nil
		}
		if n < busyRing {
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		}
	}
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
	if s.k.graph != nil {
		return s.drainGraph(emit)
	}
	return s.each(func(r wire.Record) error { return s.pass(r, emit) })
}

// each reads what is in the ring; a record is good for the call.
func (s *Source) each(do func(wire.Record) error) (n int, err error) {
	for n < s.ringBytes() {
		err := s.rd.ReadInto(&s.rec)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return n, nil
		}
		if err != nil {
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
	return int(s.k.maps["ring"].MaxEntries())
}

// pass hands on a record of the kernel's, after the few that concern who is
// watched have been acted on.
func (s *Source) pass(r wire.Record, emit func(wire.Record) error) error {
	switch r.Kind() {
	case wire.KindSyscall:
		if s.opts.NoCalls {
			return nil // a call that only made its process a target, and was not left
		}
		if len(r) >= wire.SizeSyscall && r[wire.OffSyscallFlags]&wire.CallTentative != 0 {
			if !s.decided[binary.LittleEndian.Uint32(r[wire.OffSyscallPid:])] {
				return nil
			}
			r[wire.OffSyscallFlags] &^= wire.CallTentative
		}
		scrub(r)
	case wire.KindUring:
		var u wire.Uring
		if u.Unmarshal(r) && u.Flags&wire.UringTentative != 0 && !s.decided[u.Pid] {
			return nil
		}
	case wire.KindPacket:
		if len(r) < wire.SizePacket {
			return nil
		}
		// The room of its class is larger than what it holds, and not cleared.
		r = r[:min(uint32(len(r)), binary.LittleEndian.Uint32(r))]
		clear(r[min(len(r), wire.SizePacket+int(binary.LittleEndian.Uint32(r[wire.OffPacketCaplen:]))):])
		if !s.passes(r) {
			return nil
		}
	case wire.KindState:
		if len(r) >= wire.SizeState+wire.SizeSock {
			cookie := binary.LittleEndian.Uint64(r[wire.SizeState:])
			switch r[wire.OffStateTo] {
			case tcpClose, tcpListen:
				delete(s.closing, cookie)
			default:
				s.closing[cookie] = true
			}
		}
	case wire.KindKernel:
		r = compact(r)
		if err := s.eventNames(r, emit); err != nil {
			return err
		}
	case wire.KindFunc:
		if err := s.funcName(r, emit); err != nil {
			return err
		}
	case wire.KindProc:
		return s.process(r, emit)
	}
	return emit(r)
}

const (
	tcpClose  = 7
	tcpListen = 10
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
	if !s.k.has("states") {
		return past > lingerBlind
	}
	return past > lingerMax || past > lingerMin && len(s.closing) == 0
}

// process keeps the set of watched processes by their births and ends, and
// decides about those that were exec'ed and may match a name.
func (s *Source) process(r wire.Record, emit func(wire.Record) error) error {
	var p wire.Proc
	if !p.Unmarshal(r) {
		return nil
	}
	tentative := p.Flags&wire.ProcTentative != 0
	if s.k.names != nil && (p.What == wire.ProcExec || p.What == wire.ProcExit) {
		s.k.names.otherProgram(p.Pid, p.What == wire.ProcExit, s.opts.Stacks)
	}
	switch p.What {
	case wire.ProcExec, wire.ProcFork:
		if tentative {
			// A child goes as its parent went, whatever it becomes.
			match := s.decided[p.Ppid]
			if p.What == wire.ProcExec {
				match = s.decided[p.Pid] || s.matchExec(&p, r[wire.SizeProc:])
			}
			s.decided[p.Pid] = match
			if !match {
				return s.k.forget(p.Pid)
			}
			if err := s.Watch(p.Pid); err != nil {
				return err
			}
		}
		s.watched(p.Pid)
		s.ended = time.Time{}
	case wire.ProcFound:
		s.watched(p.Pid)
		s.ended = time.Time{}
	case wire.ProcExit:
		if s.opts.Left != nil {
			s.opts.Left(p.Pid)
		}
		was := s.decided[p.Pid]
		delete(s.decided, p.Pid)
		delete(s.pids, p.Pid)
		delete(s.threads, p.Pid)
		if tentative && !was {
			return nil
		}
	}
	if err := s.userName(p.Uid, emit); err != nil {
		return err
	}
	if p.What == wire.ProcExec || p.What == wire.ProcFound {
		if err := s.ifaceNames(p.Pid, p.Netns, r.Time(), emit); err != nil {
			return err
		}
	}
	return emit(r)
}

// watched takes a process into the set, and tells who wants to know.
func (s *Source) watched(pid uint32) {
	if !s.pids[pid] && s.opts.Joined != nil {
		s.opts.Joined(pid)
	}
	if !s.pids[pid] && s.k.graph != nil {
		if err := s.graphWatch(pid); err != nil {
			s.late = append(s.late, fmt.Sprintf("functions of process %d are not traced (%v)", pid, err))
		}
	}
	s.pids[pid] = true
}

// matchExec says whether a process that was just exec'ed is a target by name.
func (s *Source) matchExec(p *wire.Proc, attrs []byte) bool {
	q := proc.Process{PID: p.Pid, UID: p.Uid, Comm: unix.ByteSliceToString(p.Comm[:])}
	q.Exe = unix.ByteSliceToString(wire.AttrOf(attrs, wire.TagExe))
	if argv := wire.AttrOf(attrs, wire.TagArgv); len(argv) > 0 {
		q.Argv = []string{unix.ByteSliceToString(argv)}
	}
	for i := range s.opts.Targets {
		if t := &s.opts.Targets[i]; t.Name != "" && t.Match(&q) {
			return true
		}
	}
	return false
}

// reap forgets processes whose end was not seen: the record of it was lost.
func (s *Source) reap() {
	for pid := range s.pids {
		if !proc.Default.Alive(pid) {
			delete(s.pids, pid)
		}
	}
}

func (s *Source) note(text, fix string, emit func(wire.Record) error) error {
	attrs := wire.AppendAttr(nil, wire.TagText, text)
	if fix != "" {
		attrs = wire.AppendAttr(attrs, wire.TagFix, fix)
	}
	n := wire.Note{H: wire.Hdr{Kind: wire.KindNote, Layer: wire.LayerSys, Time: now()}, Level: wire.NoteDegraded, Attrs: uint16(len(attrs))}
	return emit(wire.Seal(append(n.Append(s.buf[:0]), attrs...)))
}

// losses turns what the kernel side has counted since the last look into records.
func (s *Source) losses(emit func(wire.Record) error) error {
	for _, reason := range []uint32{wire.LostRing, wire.LostInflight, wire.LostUring, wire.LostTargets, wire.LostCall} {
		if err := s.counted(s.k.maps["lost"], wire.LayerSys, reason, &s.lost[reason], emit); err != nil {
			return err
		}
		for _, l := range []struct {
			counts string
			layer  uint16
			before *uint64
		}{{"lost_packets", wire.LayerPkt, &s.lostPkt[reason]}, {"lost_events", wire.LayerKrn, &s.lostKrn[reason]}} {
			if m := s.k.maps[l.counts]; m != nil {
				if err := s.counted(m, l.layer, reason, l.before, emit); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// counted makes a record of what a count of the kernel side has grown by.
func (s *Source) counted(m *ebpf.Map, layer uint16, reason uint32, before *uint64, emit func(wire.Record) error) error {
	// As memory: bpf/pidwire.h says why.
	counts, err := m.Memory()
	if err != nil {
		return fmt.Errorf("reading the counts of losses: %w", err)
	}
	var sum [8]byte
	if _, err := counts.ReadAt(sum[:], int64(reason)*8); err != nil {
		return fmt.Errorf("reading the counts of losses: %w", err)
	}
	return s.lose(layer, reason, binary.NativeEndian.Uint64(sum[:]), before, emit)
}

func (s *Source) lose(layer uint16, reason uint32, sum uint64, before *uint64, emit func(wire.Record) error) error {
	if sum == *before {
		return nil
	}
	l := wire.Lost{
		H:     wire.Hdr{Kind: wire.KindLost, Layer: layer, Time: now()},
		Count: sum - *before, Reason: reason,
	}
	*before = sum
	return emit(wire.Seal(l.Append(s.buf[:0])))
}

// waiting reports, once each, the calls that have been blocked for longer than
// waitShown: the threads map holds every call in flight.
func (s *Source) waiting(emit func(wire.Record) error) error {
	if s.k.blocked == nil {
		return nil
	}
	at, seen := now(), map[uint32]uint64{}
	b, err := readLink(s.k.blocked)
	if err != nil {
		return fmt.Errorf("looking at calls in flight: %w", err)
	}
	for ; len(b) >= wire.SizeThread; b = b[wire.SizeThread:] {
		var t wire.Thread
		t.Unmarshal(b)
		seen[t.Tid] = t.Enter
		if s.said[t.Tid] == t.Enter {
			continue
		}
		// The copy was made while the thread ran: one made again, with the same
		// entry on both sides, is of one call.
		var again [wire.SizeThread]byte
		if s.k.maps["threads"].Lookup(t.Tid, &again) != nil {
			continue
		}
		if enter := t.Enter; !t.Unmarshal(again[:]) || t.Enter != enter {
			continue
		}
		if err := emit(s.waitRecord(&t, at)); err != nil {
			return err
		}
	}
	s.said = seen
	return nil
}

func (s *Source) waitRecord(t *wire.Thread, at uint64) wire.Record {
	nsock := min(t.Nsock, 2)
	snap := t.Snap[:min(int(t.Snaplen), len(t.Snap))]
	c := wire.Syscall{
		H:     wire.Hdr{Kind: wire.KindSyscall, Layer: wire.LayerSys, Time: at},
		Enter: t.Enter, Start: t.Start, Args: t.Args, Pid: t.Pid, Tid: t.Tid, Nspid: t.Nspid, Nstid: t.Nstid,
		Uid: t.Uid, Nr: t.Nr, Abi: t.Abi, Sub: t.Sub, Flags: wire.CallWaiting, Nsock: nsock,
		Chunks: uint32(len(snap)), Comm: t.Comm,
	}
	b := c.Append(s.buf[:0])
	for i := range nsock {
		b = t.Sock[i].Append(b)
	}
	b = append(b, snap...)
	s.buf = b
	return wire.Seal(b)
}
