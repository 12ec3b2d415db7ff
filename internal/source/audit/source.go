//go:build linux

// Package audit is the live source of layer aud: it adds audit rules for the socket
// calls of the watched processes, and reads the audit records.
package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/foreign/auditlog"
	"github.com/pidwire/pidwire/internal/source/auditrec"
	"github.com/pidwire/pidwire/internal/source/proc"
	"github.com/pidwire/pidwire/internal/wire"
)

// Options configures how audit is used.
type Options struct {
	Follow bool // children are watched too
	// Wait makes the watched processes wait if the kernel's queue is full, so that
	// no records are lost; otherwise they are dropped and counted.
	Wait bool
	// Unicast registers this process as the audit daemon, if there is none. Then the
	// kernel does not print the records to its log.
	Unicast bool
}

const (
	receiveBuffer = 32 << 20
	backlog       = 8192
	// defaultWait is the kernel's default, 60 s, in jiffies of 4 ms.
	defaultWait = 15000
	pollEvery   = 20 * time.Millisecond
	countEvery  = 500 * time.Millisecond
	lossesEvery = 100 * time.Millisecond
	rulesEvery  = time.Second // the kernel sends all rules, including those of others
	// quietAfter is the time without records after which Run blocks for up to quietFor, instead of polling
	// every pollEvery.
	quietAfter = time.Second
	quietFor   = 250 * time.Millisecond
	// coarse is how much earlier than the call the time of a record can be: the kernel's coarse clock
	// (ktime_get_coarse_real_ts64) has steps of up to 10 ms. Here only the other direction matters,
	// an error of the conversion in mono.
	coarse = 1_000_000
	// keepGone is how long records of a process are accepted after its end.
	keepGone = 2 * time.Second
	groupLog = 1 // AUDIT_NLGRP_READLOG
	// maxRuled is the maximum number of processes that have rules of their own, because the kernel
	// checks every rule at every system call of the host. Above it, rules for all processes are used.
	maxRuled = 32
)

// Source records the watched processes by audit rules. Its methods are safe for
// concurrent use.
type Source struct {
	o       Options
	c       control
	in      *netlink.Conn
	state   state
	unicast bool
	daemon  uint32 // pid of the audit daemon; 0 if there is none
	never   bool   // there are rules that suppress records
	lost    uint32 // Status.Lost at the start

	nudge  atomic.Bool   // the reader has something to do
	called atomic.Uint64 // end of the last call that may have an audit record, CLOCK_MONOTONIC ns

	rules  map[uint32][]rule // by pid; owned by the worker until worked is closed
	worked chan struct{}     // closed when the worker has ended

	mu      sync.Mutex
	wake    *sync.Cond
	todo    []todo
	busy    bool
	watched map[uint32]bool
	gone    map[uint32]time.Time // watched processes that have ended, and when
	covers  []uint32             // processes with new rules, to be reported
	closed  bool
	ending  bool  // all rules are removed, and none is added
	failed  error // first error of adding a rule, not reported yet
	broad   bool  // the rules are for all processes, and other processes are filtered out here
	stand   int   // number of our rules in the kernel
}

// NeededCaps are the capabilities that a source needs to run and to restore the settings, by
// number (linux/capability.h): AUDIT_CONTROL and AUDIT_READ.
var NeededCaps = []uint{30, 37}

// ErrAudit means that audit cannot be used on this machine.
var ErrAudit = errors.New("audit cannot be used")

// Probe returns the status of audit, and the number of rules that killed runs have
// left. It changes nothing.
func Probe() (now Status, left int, err error) {
	c, err := dial()
	if err != nil {
		return now, 0, fmt.Errorf("%w: %w", ErrAudit, err)
	}
	defer c.Close()
	if now, err = c.status(); err != nil {
		return now, 0, fmt.Errorf("%w: %w", ErrAudit, err)
	}
	list, err := c.rules()
	if err != nil {
		return now, 0, fmt.Errorf("%w: %w", ErrAudit, err)
	}
	alive := map[string]bool{}
	for _, s := range states() {
		alive[s.Key] = alive[s.Key] || s.alive()
	}
	for i := range list {
		if key := list[i].key(); strings.HasPrefix(key, keyPrefix) && !alive[key] && !keyAlive(key) {
			left++
		}
	}
	return now, left, nil
}

// Open enables audit. Only processes that are created while it is enabled can be recorded.
// Close restores the previous settings.
func Open(o Options) (_ *Source, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w: %w", ErrAudit, err)
		}
	}()
	c, err := dial()
	if err != nil {
		return nil, err
	}
	s := &Source{o: o, c: c, rules: map[uint32][]rule{}, worked: make(chan struct{}), watched: map[uint32]bool{}, gone: map[uint32]time.Time{}}
	s.wake = sync.NewCond(&s.mu)
	go s.work()
	defer func() {
		if err != nil {
			_ = s.Close()
		}
	}()
	if _, err = c.clean(); err != nil {
		return nil, err
	}
	if err = s.turnOn(); err != nil {
		return nil, err
	}
	var groups uint32
	if !s.unicast {
		groups = groupLog
	}
	if s.in, err = netlink.Dial(unix.NETLINK_AUDIT, &netlink.Config{Groups: groups}); err != nil {
		return nil, fmt.Errorf("reading audit: %w", why(err))
	}
	// Exceeds net.core.rmem_max if we are privileged (SO_RCVBUFFORCE).
	if err = s.in.SetReadBuffer(receiveBuffer); err != nil {
		return nil, fmt.Errorf("reading audit: %w", err)
	}
	if s.unicast {
		in := control{s.in}
		if err = in.set(setPID, Status{PID: uint32(os.Getpid())}); err != nil {
			return nil, fmt.Errorf("becoming the audit daemon: %w", err)
		}
	}
	return s, nil
}

// turnOn saves the settings of audit to a file, and enables audit.
func (s *Source) turnOn() error {
	unlock, err := lockState()
	if err != nil {
		return err
	}
	defer unlock()
	before, err := s.c.status()
	if err != nil {
		return err
	}
	s.daemon = daemon(before)
	s.unicast = s.o.Unicast && s.daemon == 0
	s.state = state{Key: newKey(), PID: os.Getpid(), Start: proc.StartOf(os.Getpid()), Before: before}
	for _, other := range s.state.othersAlive() {
		s.state.Before = other.Before // the current settings are those of the other run
	}
	now := Status{Enabled: 1, Backlog: max(backlog, before.Backlog)}
	if s.o.Wait {
		if now.BacklogWait = before.BacklogWait; now.BacklogWait == 0 {
			now.BacklogWait = defaultWait
		}
	}
	s.state.Set = []Status{now}
	if err := s.state.write(); err != nil {
		return err
	}
	list, err := s.c.rules()
	if err != nil {
		return err
	}
	s.never = forbids(list)
	if before.Enabled == 2 {
		return errors.New("audit rules are locked until the next boot (auditctl -e 2): no rule can be added")
	}
	if err := s.c.set(setEnabled|setBacklog|setBacklogWait, now); err != nil {
		return fmt.Errorf("enabling audit: %w", err)
	}
	s.lost = before.Lost
	return nil
}

// Mode returns a text that describes how audit is used.
func (s *Source) Mode() string {
	var b strings.Builder
	switch {
	case s.unicast:
		b.WriteString("audit records: only pidwire receives them")
	case s.daemon != 0:
		fmt.Fprintf(&b, "audit records: received in addition to the audit daemon (process %d)", s.daemon)
	default:
		b.WriteString("audit records: no audit daemon is running, so the kernel also prints each record to its log (not with --audit-unicast)")
	}
	if s.o.Wait {
		b.WriteString("; a full queue blocks the watched processes")
	} else {
		b.WriteString("; a full queue drops records (with --audit-wait it blocks the watched processes)")
	}
	s.mu.Lock()
	broad := s.broad
	s.mu.Unlock()
	if broad {
		fmt.Fprintf(&b, "; more than %d processes are watched: the rules match all processes of the host, and records of others are discarded", maxRuled)
	} else if s.o.Follow {
		b.WriteString("; one rule per process and one for its children")
	}
	if s.never {
		b.WriteString("; audit has rules that suppress records (auditctl -l: never): some calls may have none")
	}
	return b.String()
}

// Watch adds rules for a process asynchronously, because the kernel may take some time for
// one. Sync waits for that.
func (s *Source) Watch(pid uint32) { s.later(pid, true) }

// Ended removes the rules of a process that has ended, asynchronously.
func (s *Source) Ended(pid uint32) { s.later(pid, false) }

func (s *Source) later(pid uint32, watch bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.ending {
		return
	}
	if watch {
		delete(s.gone, pid)
		s.watched[pid] = true
	} else if s.watched[pid] {
		delete(s.watched, pid)
		s.gone[pid] = time.Now()
	}
	s.todo = append(s.todo, todo{pid, watch})
	s.wake.Broadcast()
}

// todo is a request to add or remove the rules of a process; to remove all rules, if the
// process is everybody.
type todo struct {
	pid   uint32
	watch bool
}

// endRules removes all rules, asynchronously. Otherwise the records that still have to be read
// at the end would become more and more on a busy host.
func (s *Source) endRules() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.ending = true
	s.todo = []todo{{everybody, false}}
	s.wake.Broadcast()
}

// work adds and removes rules until the source is closed.
func (s *Source) work() {
	defer close(s.worked)
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		for len(s.todo) == 0 && !s.closed {
			s.wake.Wait()
		}
		if s.closed {
			return
		}
		t := s.todo[0]
		s.todo = s.todo[1:]
		s.busy = true
		s.mu.Unlock()
		var err error
		switch {
		case t.watch:
			err = s.make(t.pid)
		case t.pid == everybody:
			s.dropAll()
		default:
			s.drop(t.pid)
		}
		s.mu.Lock()
		s.busy = false
		switch {
		case err != nil && s.failed == nil:
			s.failed = err
		case err == nil && t.watch:
			s.covers = append(s.covers, t.pid)
		}
		s.hurry()
		s.wake.Broadcast()
	}
}

// Sync waits until all requested rules are added or removed, and returns the first error since
// errors were last reported.
func (s *Source) Sync() error {
	s.mu.Lock()
	for (len(s.todo) > 0 || s.busy) && !s.closed {
		s.wake.Wait()
	}
	s.mu.Unlock()
	return s.ruleError()
}

// make adds the rules of a process. It must be called by the worker, which owns s.rules.
func (s *Source) make(pid uint32) error {
	if s.rules[pid] != nil || s.rules[everybody] != nil {
		return nil
	}
	if len(s.rules) >= maxRuled {
		return s.makeBroad()
	}
	who := []uint32{fieldPID}
	if s.o.Follow {
		who = append(who, fieldPPID)
	}
	for _, a := range arches(runtime.GOARCH) {
		for _, w := range who {
			r := newRule(a.arch, a.calls, w, pid, s.state.Key)
			if err := s.c.addRule(&r); err != nil {
				s.drop(pid)
				return fmt.Errorf("an audit rule for process %d: %w", pid, err)
			}
			s.rules[pid] = append(s.rules[pid], r)
			s.stands(1)
		}
	}
	return nil
}

// everybody means all processes: no process has this pid.
const everybody = 0

// makeBroad replaces the rules of single processes by rules for all processes.
func (s *Source) makeBroad() error {
	for _, a := range arches(runtime.GOARCH) {
		r := newRule(a.arch, a.calls, everybody, everybody, s.state.Key)
		if err := s.c.addRule(&r); err != nil {
			s.drop(everybody)
			return fmt.Errorf("an audit rule for all processes: %w", err)
		}
		s.rules[everybody] = append(s.rules[everybody], r)
		s.stands(1)
	}
	s.mu.Lock()
	s.broad = true
	s.mu.Unlock()
	for pid := range s.rules {
		if pid != everybody {
			s.drop(pid)
		}
	}
	return nil
}

func (s *Source) drop(pid uint32) {
	for i := range s.rules[pid] {
		// The error is ignored: the rule may have been removed by others (auditctl -D).
		_ = s.c.deleteRule(&s.rules[pid][i])
	}
	s.stands(-len(s.rules[pid]))
	delete(s.rules, pid)
}

func (s *Source) dropAll() {
	for pid := range s.rules {
		s.drop(pid)
	}
}

func (s *Source) stands(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stand += n
}

// standing returns the expected number of our rules in the kernel, and false while some are being added or removed.
func (s *Source) standing() (n int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stand, len(s.todo) == 0 && !s.busy
}

// Close removes the rules and restores the settings of audit.
func (s *Source) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.wake.Broadcast()
	s.mu.Unlock()
	<-s.worked
	if s.in != nil {
		if s.unicast {
			// Otherwise the kernel would notice the end of this daemon only at its next record.
			_ = s.c.set(setPID, Status{})
		}
		s.in.Close()
	}
	s.dropAll()
	var err error
	if s.state.Key != "" {
		if unlock, lockErr := lockState(); lockErr == nil {
			// Another run that has ended since may have added settings to our file (bequeath).
			s.state = s.state.again()
			if others := s.state.othersAlive(); len(others) > 0 {
				err = s.state.bequeath(others)
			} else {
				_, err = s.c.restore(s.state)
			}
			s.state.remove()
			unlock()
		}
	}
	return errors.Join(err, s.c.Close())
}

// ours reports whether an event is of a watched process.
func (s *Source) ours(pid uint32, key []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if string(key) == s.state.Key && !s.broad {
		return true
	}
	if s.watched[pid] {
		return true
	}
	_, ok := s.gone[pid]
	return ok
}

// Run reads records until ctx is done, and then those that the kernel has not sent yet. emit
// must be safe for concurrent use with the other source.
func (s *Source) Run(ctx context.Context, emit func(wire.Record) error) error {
	raw, err := s.in.SyscallConn()
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, s.hurry)()
	r := reader{s: s, emit: emit, dropped: s.lost, lost: map[uint32]uint64{}, never: s.never, kauditd: kauditd()}
	buf := make([]byte, 64<<10)
	nextCount, nextRules, nextLosses := time.Now().Add(countEvery), time.Now().Add(rulesEvery), time.Now()
	var last time.Time // until when to wait for the remaining records; zero while ctx is not done
	lastRecord := time.Now()
	for {
		if err := s.newlyCovered(emit); err != nil {
			return err
		}
		if err := s.ruleError(); err != nil {
			if err := r.note(err.Error() + ": some calls have no record"); err != nil {
				return err
			}
		}
		got, err := r.receive(raw, buf)
		if err != nil {
			return fmt.Errorf("reading audit: %w", err)
		}
		if got > 0 {
			r.quiet = 0
		} else if err := r.settled(); err != nil {
			return err
		}
		now := time.Now()
		if now.After(nextLosses) {
			nextLosses = now.Add(lossesEvery)
			r.lost[wire.LostAudit] += r.gaps.settle()
			if err := r.losses(); err != nil {
				return err
			}
		}
		if now.After(nextCount) || !last.IsZero() {
			nextCount = now.Add(countEvery)
			if err := r.count(); err != nil {
				return err
			}
			s.forgetGone(now)
		}
		if now.After(nextRules) || ctx.Err() != nil && last.IsZero() {
			nextRules = now.Add(rulesEvery)
			if err := r.rules(); err != nil {
				return err
			}
		}
		switch {
		case ctx.Err() != nil && last.IsZero():
			last, r.end = now.Add(3*pollEvery), header().Time
			s.endRules()
		case !last.IsZero() && now.After(last) && r.complete(got):
			return r.finish()
		case !last.IsZero() && now.After(last.Add(patience)):
			if err := r.finish(); err != nil {
				return err
			}
			return r.note("some audit records could not be read before the end")
		}
		switch {
		case got > 0:
			lastRecord = now
		case now.Sub(lastRecord) > quietAfter && last.IsZero():
			if err := s.pause(raw); err != nil {
				return err
			}
		default:
			time.Sleep(pollEvery) // records that arrive meanwhile are read in one batch
		}
	}
}

// receive reads the available messages without blocking, and returns their number.
func (r *reader) receive(raw syscall.RawConn, buf []byte) (got int, err error) {
	const most = 4096 // then Run does its other work
	var recvErr error
	err = raw.Control(func(fd uintptr) {
		for got < most {
			n, _, err := unix.Recvfrom(int(fd), buf, unix.MSG_DONTWAIT)
			switch {
			case errors.Is(err, unix.EAGAIN):
				return
			case errors.Is(err, unix.EINTR):
				continue
			case errors.Is(err, unix.ENOBUFS):
				r.overrun = true
				continue
			case err != nil:
				recvErr = err
				return
			}
			got++
			if recvErr = r.message(buf[:n]); recvErr != nil {
				return
			}
		}
	})
	return got, errors.Join(err, recvErr)
}

// settled is called if no more messages are available: then all events are complete. Only at
// the end, or if a call waits for its record, does it request the status, because the
// kernel starts a thread for each answer.
func (r *reader) settled() error {
	if err := r.asm.Flush(r.event); err != nil {
		return err
	}
	if err := r.gauge(); err != nil {
		return err
	}
	if r.s.called.Load() >= r.upto || r.end != 0 {
		return r.progress()
	}
	return nil
}

// complete reports whether, at the end, all records of calls that returned before it have been
// received. A record of a later time is proof, because the kernel queues records in the order in
// which calls return: on a host that is busy with records of others the queue is never empty.
func (r *reader) complete(got int) bool {
	return !r.overrun && (got == 0 && r.upto >= r.end || r.newest > r.end+coarse)
}

// finish emits what has been received, and the losses.
func (r *reader) finish() error {
	if err := r.asm.Flush(r.event); err != nil {
		return err
	}
	for range 2 {
		r.lost[wire.LostAudit] += r.gaps.settle()
	}
	if err := r.losses(); err != nil {
		return err
	}
	if !r.complete(0) || r.upto >= r.end {
		return nil
	}
	return r.reached(r.end)
}

// hurry makes pause return.
func (s *Source) hurry() {
	s.nudge.Store(true)
	if s.in != nil {
		_ = s.in.SetReadDeadline(time.Unix(1, 0))
	}
}

// pause waits for a record, for hurry, or for quietFor. It uses the runtime's poller, because a thread that is
// blocked in a system call needs another one to take over its work.
func (s *Source) pause(raw syscall.RawConn) error {
	if err := s.in.SetReadDeadline(time.Now().Add(quietFor)); err != nil {
		return err
	}
	if s.nudge.Swap(false) {
		return nil
	}
	err := raw.Read(func(fd uintptr) bool {
		// Unlike recv with MSG_PEEK, poll does not clear ENOBUFS, which receive must see.
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		return n > 0 || err != nil
	})
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("waiting for audit: %w", err)
	}
	return nil
}

// progress emits the time up to which all records have been received. That is the time of the
// previous check if the kernel had no queued record then, and none has arrived since.
func (r *reader) progress() error {
	now := header()
	st, err := r.s.c.status()
	if err != nil {
		return err
	}
	if st.Waiting > 0 || passing(r.kauditd) {
		r.quiet = 0
		return nil
	}
	upto := r.quiet
	r.quiet = now.Time
	if upto == 0 {
		return nil
	}
	if r.end != 0 {
		upto = min(upto, r.end) // calls that return later may have no record: the rules are being removed
	}
	return r.reached(upto)
}

// reached emits the time up to which all records have been received.
func (r *reader) reached(upto uint64) error {
	if err := r.losses(); err != nil {
		return err
	}
	r.upto = upto
	a := wire.Audit{H: header(), Flags: wire.AuditUpto}
	a.H.Time = upto
	return r.emit(wire.Seal(a.Append(nil)))
}

func (s *Source) forgetGone(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for pid, at := range s.gone {
		if now.Sub(at) > keepGone {
			delete(s.gone, pid)
		}
	}
}

// newlyCovered emits a record for each process all of whose calls have audit records from now on.
func (s *Source) newlyCovered(emit func(wire.Record) error) error {
	s.mu.Lock()
	list := s.covers
	s.covers = nil
	s.mu.Unlock()
	for _, pid := range list {
		a := wire.Audit{H: header(), Pid: pid, Flags: wire.AuditCovers}
		if err := emit(wire.Seal(a.Append(nil))); err != nil {
			return err
		}
	}
	return nil
}

// ruleError returns and clears the first error of adding a rule since the last call.
func (s *Source) ruleError() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.failed
	s.failed = nil
	return err
}

func header() wire.Hdr {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return wire.Hdr{Kind: wire.KindAudit, Layer: wire.LayerAud, Time: uint64(ts.Nano())}
}

// reader assembles audit records to events.
type reader struct {
	s       *Source
	emit    func(wire.Record) error
	asm     auditlog.Assembler
	line    []byte
	rec     []byte
	serial  uint64            // highest serial number so far
	overrun bool              // the socket buffer was full: serials after those that were in it are missing
	off     bool              // audit was disabled by others
	missing bool              // some of our rules were removed by others
	never   bool              // there are rules that suppress records
	gauged  bool              // gauge has been called: the next new serial is after all missing ones
	dropped uint32            // Status.Lost at the last check
	gaps    gaps              // serials that are missing, as far as they may still arrive
	lost    map[uint32]uint64 // losses that are not emitted yet, by reason
	upto    uint64            // all records up to this time have been received
	newest  uint64            // latest time of a record after end, CLOCK_MONOTONIC ns
	end     uint64            // when ctx was done, CLOCK_MONOTONIC ns; 0 before
	kauditd string            // result of kauditd
	quiet   uint64            // time of the last check that found no queued records; 0 if it found some
	between int64             // CLOCK_REALTIME minus CLOCK_MONOTONIC, ns
	named   map[uint32]bool   // users whose names have been emitted
}

// message handles one message of the kernel: a netlink header and the text. The length in the
// header is not used, as it may be that of the text only, for compatibility with old
// daemons.
func (r *reader) message(b []byte) error {
	if len(b) < unix.NLMSG_HDRLEN {
		return nil
	}
	kind, text := ne.Uint16(b[4:]), b[unix.NLMSG_HDRLEN:]
	if kind < 1100 {
		return nil // answers to requests
	}
	for len(text) > 0 && (text[len(text)-1] == 0 || text[len(text)-1] == '\n') {
		text = text[:len(text)-1]
	}
	rec, ok := auditlog.ParseMessage(kind, text)
	if !ok {
		return nil
	}
	if r.end != 0 {
		r.newest = max(r.newest, r.mono(rec.Wall(), header().Time))
	}
	if rec.Serial > r.serial {
		if r.overrun && r.serial != 0 {
			r.lost[wire.LostAudit] += r.gaps.skip(r.serial, rec.Serial)
			if r.gauged {
				r.overrun, r.gauged = false, false
			}
		}
		r.serial = rec.Serial
	} else {
		r.gaps.arrived(rec.Serial)
	}
	r.line = append(append(append(append(r.line[:0], "type="...), auditlog.Name(kind)...), " msg="...), text...)
	return r.asm.Add(&rec, r.line, r.event)
}

// event emits a record for an event of a watched process.
func (r *reader) event(e *auditlog.Event) error {
	w := auditrec.Who{AUID: auditrec.Unset, UID: auditrec.Unset}
	a, ok := auditrec.Read(e, &w)
	if !ok || !r.s.ours(a.Pid, w.Key) {
		return nil
	}
	for _, id := range [...]uint32{w.AUID, w.UID} {
		if err := r.name(id); err != nil {
			return err
		}
	}
	a.H = header()
	a.H.Time = r.mono(e.Wall, a.H.Time)
	r.rec = auditrec.Append(r.rec[:0], &a, e.Text)
	return r.emit(wire.Seal(r.rec))
}

// name emits the name of a user, once.
func (r *reader) name(id uint32) error {
	const most = 4096
	if id == auditrec.Unset || r.named[id] || len(r.named) >= most {
		return nil
	}
	if r.named == nil {
		r.named = map[uint32]bool{}
	}
	r.named[id] = true
	name := proc.UserName(id)
	if name == "" {
		return nil
	}
	h := header()
	h.Kind = wire.KindName
	attrs := wire.AppendAttr(nil, wire.TagName, name)
	n := wire.Name{H: h, Id: id, What: wire.NameUser, Attrs: uint16(len(attrs))}
	return r.emit(wire.Seal(append(n.Append(nil), attrs...)))
}

// mono converts a time of audit to CLOCK_MONOTONIC. The difference between the clocks is
// measured only once, so that equal times remain equal, and again after a step of the
// clock.
func (r *reader) mono(wall int64, now uint64) uint64 {
	const step = 1_000_000 // larger differences mean that the clock was set
	between := time.Now().UnixNano() - int64(now)
	if d := between - r.between; d > step || d < -step {
		r.between = between
	}
	if at := wall - r.between; at > 0 {
		return uint64(at)
	}
	return now
}

// losses emits the losses since the last call, one record for each reason.
func (r *reader) losses() error {
	for _, reason := range [...]uint32{wire.LostBacklog, wire.LostAudit} {
		n := r.lost[reason]
		if n == 0 {
			continue
		}
		delete(r.lost, reason)
		h := header()
		h.Kind = wire.KindLost
		l := wire.Lost{H: h, Count: n, Reason: reason}
		if err := r.emit(wire.Seal(l.Append(nil))); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) note(text string) error {
	attrs := wire.AppendAttr(nil, wire.TagText, text)
	h := header()
	h.Kind = wire.KindNote
	n := wire.Note{H: h, Level: wire.NoteDegraded, Attrs: uint16(len(attrs))}
	b := append(n.Append(nil), attrs...)
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	return r.emit(wire.Seal(b))
}

// gauge makes the kernel emit a record, by a change of the settings to the same value, after
// the content of a full socket has been read. The serial of that record gives the number
// of lost ones.
func (r *reader) gauge() error {
	if !r.overrun || r.gauged || r.serial == 0 {
		return nil
	}
	st, err := r.s.c.status()
	if err != nil {
		return err
	}
	r.gauged = true
	return r.s.c.set(setBacklog, st)
}

// rules checks whether others have removed our rules, or added rules that suppress records. It emits a note
// and does not undo that.
func (r *reader) rules() error {
	want, ok := r.s.standing()
	if !ok {
		return nil
	}
	list, err := r.s.c.rules()
	if err != nil {
		return err
	}
	if still, ok := r.s.standing(); !ok || still != want {
		return nil
	}
	have := 0
	for i := range list {
		if list[i].key() == r.s.state.Key {
			have++
		}
	}
	if missing := have < want; missing != r.missing {
		r.missing = missing
		if missing {
			if err := r.note("another process removed pidwire's audit rules (auditctl -D): calls have no audit records from here on"); err != nil {
				return err
			}
		}
	}
	if never := forbids(list); never != r.never {
		r.never = never
		if never {
			return r.note("another process added an audit rule that suppresses records (auditctl -l: never): some calls may have none from here on")
		}
	}
	return nil
}

// forbids reports whether one of the rules can suppress records of calls.
func forbids(list []rule) bool {
	return slices.ContainsFunc(list, func(r rule) bool { return r.forbids() })
}

// count adds the records that the kernel has dropped since the last call to the losses, and emits a note if
// audit was disabled or enabled.
func (r *reader) count() error {
	st, err := r.s.c.status()
	if err != nil {
		return err
	}
	if off := st.Enabled == 0; off != r.off {
		r.off = off
		text := "another process disabled audit (auditctl -e 0): there are no audit records from here on"
		if !off {
			text = "audit is enabled again"
		}
		if err := r.note(text); err != nil {
			return err
		}
	}
	n := st.Lost - r.dropped
	r.dropped = st.Lost
	if n != 0 {
		// Records on the kernel's hold queue are sent with the next record (kauditd_thread).
		r.overrun = r.overrun || r.s.unicast
	}
	if n == 0 || n > 1<<31 { // the counter was reset
		return nil
	}
	r.lost[wire.LostBacklog] += uint64(n)
	return nil
}
