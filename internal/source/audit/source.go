//go:build linux

// Package audit is the live source of layer aud: it makes rules for the socket
// calls of the watched processes, and reads what the kernel's audit records.
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

// Options say how audit is used.
type Options struct {
	Follow bool // children are watched too
	// Wait makes the watched processes wait for room in the kernel's queue, so
	// that nothing is lost; else records are dropped, and counted.
	Wait bool
	// Unicast takes the records as the one daemon, if there is none: the kernel
	// does not print them to its log then.
	Unicast bool
}

const (
	receiveBuffer = 32 << 20
	backlog       = 8192
	// defaultWait is the kernel's own where a jiffy is 4 ms: 60 s.
	defaultWait = 15000
	pollEvery   = 20 * time.Millisecond
	countEvery  = 500 * time.Millisecond
	rulesEvery  = time.Second // the kernel tells all that stand, of others too
	// quietAfter is how long nothing came when records are waited for, and not looked for: for quietFor, then
	// it is time to count.
	quietAfter = time.Second
	quietFor   = 250 * time.Millisecond
	// keepGone is how long records of a process that ended are still taken.
	keepGone = 2 * time.Second
	groupLog = 1 // AUDIT_NLGRP_READLOG
	// maxRuled are the processes that have rules of their own: the kernel looks at
	// every rule in every call of the host. More have one for all in common.
	maxRuled = 32
)

// Source has the kernel's audit record the watched processes. Its methods may be
// called from any goroutine.
type Source struct {
	o       Options
	c       control
	in      *netlink.Conn
	state   state
	unicast bool
	daemon  uint32 // who reads audit as its daemon
	never   bool   // rules stand that forbid records
	lost    uint32 // records, when it began

	nudge  atomic.Bool   // the reader has something to do
	called atomic.Uint64 // when the last call ended that audit may have a record of, CLOCK_MONOTONIC ns

	rules  map[uint32][]rule // by process; the worker's until it has ended
	worked chan struct{}     // closed when it has

	mu      sync.Mutex
	wake    *sync.Cond
	todo    []todo
	busy    bool
	watched map[uint32]bool
	gone    map[uint32]time.Time // processes that ended
	covers  []uint32             // processes whose rules are new
	closed  bool
	failed  error // of a rule
	broad   bool  // the rules are for all processes, and what is not watched is left out here
	stand   int   // how many rules were made and not removed
}

// NeededCaps are the capabilities that a source needs while it runs and to put everything back, by
// number (linux/capability.h): AUDIT_CONTROL and AUDIT_READ.
var NeededCaps = []uint{30, 37}

// ErrAudit says that audit cannot be used here, and why.
var ErrAudit = errors.New("audit cannot be used")

// Probe says how audit stands, and how many rules a run that was killed has left
// behind. It changes nothing.
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

// Open turns audit on. Processes that are born from now on can be recorded.
// Close puts everything back.
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
		return nil, fmt.Errorf("reading the kernel's audit: %w", why(err))
	}
	// The limit of the machine is passed where we may (SO_RCVBUFFORCE).
	if err = s.in.SetReadBuffer(receiveBuffer); err != nil {
		return nil, fmt.Errorf("reading the kernel's audit: %w", err)
	}
	if s.unicast {
		in := control{s.in}
		if err = in.set(setPID, Status{PID: uint32(os.Getpid())}); err != nil {
			return nil, fmt.Errorf("becoming audit's reader: %w", err)
		}
	}
	return s, nil
}

// turnOn enables audit, having put down how it was.
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
		s.state.Before = other.Before // what we see is its work
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
		return errors.New("audit's rules are locked until the next boot (auditctl -e 2): no rule can be added")
	}
	if err := s.c.set(setEnabled|setBacklog|setBacklogWait, now); err != nil {
		return fmt.Errorf("turning audit on: %w", err)
	}
	s.lost = before.Lost
	return nil
}

// Mode says in words how audit is used.
func (s *Source) Mode() string {
	var b strings.Builder
	switch {
	case s.unicast:
		b.WriteString("audit's records come to us alone")
	case s.daemon != 0:
		fmt.Fprintf(&b, "audit's records come beside its daemon (process %d)", s.daemon)
	default:
		b.WriteString("no audit daemon runs: the kernel prints each record to its log too (--audit-unicast takes them alone)")
	}
	if s.o.Wait {
		b.WriteString("; a full queue makes the watched processes wait")
	} else {
		b.WriteString("; a full queue drops records, and nobody waits (--audit-wait: the other way round)")
	}
	s.mu.Lock()
	broad := s.broad
	s.mu.Unlock()
	if broad {
		fmt.Fprintf(&b, "; more than %d processes are watched: the rules are for all of the host, and what is of others is left out", maxRuled)
	} else if s.o.Follow {
		b.WriteString("; each process has a rule for itself and one for its children")
	}
	if s.never {
		b.WriteString("; rules stand that forbid records (auditctl -l: never), some calls may have none")
	}
	return b.String()
}

// Watch has rules made for a process, soon: making one may take the kernel some
// time. Sync waits for it.
func (s *Source) Watch(pid uint32) { s.later(pid, true) }

// Ended has the rules of a process removed that is gone.
func (s *Source) Ended(pid uint32) { s.later(pid, false) }

func (s *Source) later(pid uint32, watch bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
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

// todo is a process whose rules are to be made or removed.
type todo struct {
	pid   uint32
	watch bool
}

// work makes and removes rules until the source is closed.
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
		if t.watch {
			err = s.make(t.pid)
		} else {
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

// Sync waits until the rules of all processes are made, and returns the first
// error there was since the last time.
func (s *Source) Sync() error {
	s.mu.Lock()
	for (len(s.todo) > 0 || s.busy) && !s.closed {
		s.wake.Wait()
	}
	s.mu.Unlock()
	return s.ruleError()
}

// make makes the rules of a process. rules is the worker's.
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

// everybody stands for all processes: no process has this number.
const everybody = 0

// makeBroad puts rules for all processes in the place of those for each.
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
		// What was removed by another (auditctl -D) is gone too.
		_ = s.c.deleteRule(&s.rules[pid][i])
	}
	s.stands(-len(s.rules[pid]))
	delete(s.rules, pid)
}

func (s *Source) stands(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stand += n
}

// standing returns how many rules must stand, false while some are being made or removed.
func (s *Source) standing() (n int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stand, len(s.todo) == 0 && !s.busy
}

// Close removes the rules, and puts audit back as it was.
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
			// The kernel forgets a reader that is gone only when it has the next record for it.
			_ = s.c.set(setPID, Status{})
		}
		s.in.Close()
	}
	var err error
	for pid := range s.rules {
		s.drop(pid)
	}
	if s.state.Key != "" {
		if unlock, lockErr := lockState(); lockErr == nil {
			// Another run may have had something to put back since this one began, and have left it to us.
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

// ours reports whether an event is about a watched process.
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

// Run reads until ctx is done, and what is on its way then. emit must be good
// for calls beside those of another source.
func (s *Source) Run(ctx context.Context, emit func(wire.Record) error) error {
	raw, err := s.in.SyscallConn()
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, s.hurry)()
	r := reader{s: s, emit: emit, lost: s.lost, never: s.never, kauditd: kauditd()}
	buf := make([]byte, 64<<10)
	nextCount, nextRules := time.Now().Add(countEvery), time.Now().Add(rulesEvery)
	var last time.Time // how long what is on its way is waited for; zero: not yet
	var end uint64     // when that began
	came := time.Now()
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
			return fmt.Errorf("reading the kernel's audit: %w", err)
		}
		if got > 0 {
			r.quiet = 0
		} else if err := r.settled(!last.IsZero()); err != nil {
			return err
		}
		now := time.Now()
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
			last, end = now.Add(3*pollEvery), header().Time
		case !last.IsZero() && now.After(last) && got == 0 && !r.overrun && r.upto >= end:
			return nil
		case !last.IsZero() && now.After(last.Add(patience)):
			return r.note("audit has more records than could be read to the end")
		}
		switch {
		case got > 0:
			came = now
		case now.Sub(came) > quietAfter && last.IsZero():
			if err := s.pause(raw); err != nil {
				return err
			}
		default:
			time.Sleep(pollEvery) // what comes meanwhile is read at once
		}
	}
}

// receive reads what is at hand, and returns how many messages it was.
func (r *reader) receive(raw syscall.RawConn, buf []byte) (got int, err error) {
	const most = 4096 // of a flood: there is more to do
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

// settled is for when nothing follows: what has begun has all its records. At the end,
// or where a call waits for its record, the kernel is asked how far it is: it starts a
// thread for each answer.
func (r *reader) settled(ending bool) error {
	if err := r.asm.Flush(r.event); err != nil {
		return err
	}
	if err := r.gauge(); err != nil {
		return err
	}
	if r.s.called.Load() >= r.upto || ending {
		return r.progress()
	}
	return nil
}

// hurry has pause end.
func (s *Source) hurry() {
	s.nudge.Store(true)
	if s.in != nil {
		_ = s.in.SetReadDeadline(time.Unix(1, 0))
	}
}

// pause waits for a record, or for something else to do: with the runtime's poller, for a thread that is
// blocked is looked after by another one.
func (s *Source) pause(raw syscall.RawConn) error {
	if err := s.in.SetReadDeadline(time.Now().Add(quietFor)); err != nil {
		return err
	}
	if s.nudge.Swap(false) {
		return nil
	}
	err := raw.Read(func(fd uintptr) bool {
		// Unlike a read that peeks, poll leaves the error of a full socket to be seen.
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		return n > 0 || err != nil
	})
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("waiting for the kernel's audit: %w", err)
	}
	return nil
}

// progress says up to when all records have come: the kernel has none that
// waits or is on its way to us, and then nothing came.
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
	now.Time, r.upto = upto, upto
	a := wire.Audit{H: now, Flags: wire.AuditUpto}
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

// newlyCovered says of which processes all calls have records from now on.
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

// ruleError returns the first error of a rule since the last time.
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

// reader puts records together.
type reader struct {
	s       *Source
	emit    func(wire.Record) error
	asm     auditlog.Assembler
	line    []byte
	rec     []byte
	serial  uint64 // the highest so far
	overrun bool   // the socket was full: serials are missing, behind what was in it then
	off     bool   // audit was turned off by another
	missing bool   // so were some of our rules removed
	never   bool   // rules stand that forbid records
	gauged  bool   // the next record is behind all that are missing
	lost    uint32
	upto    uint64          // all records of what was before have come
	kauditd string          // see there
	quiet   uint64          // when nothing waited in the kernel, and nothing came; 0: not so the last time
	between int64           // ns from CLOCK_MONOTONIC to CLOCK_REALTIME
	named   map[uint32]bool // users whose name has been told
}

// message takes one message of the kernel: a header of netlink, whose length is
// that of the text alone where the kernel thinks of old daemons, and the text.
func (r *reader) message(b []byte) error {
	if len(b) < unix.NLMSG_HDRLEN {
		return nil
	}
	kind, text := ne.Uint16(b[4:]), b[unix.NLMSG_HDRLEN:]
	if kind < 1100 {
		return nil // answers
	}
	for len(text) > 0 && (text[len(text)-1] == 0 || text[len(text)-1] == '\n') {
		text = text[:len(text)-1]
	}
	rec, ok := auditlog.ParseMessage(kind, text)
	if !ok {
		return nil
	}
	if rec.Serial > r.serial {
		if r.overrun && r.serial != 0 {
			if n := rec.Serial - r.serial - 1; n > 0 {
				if err := r.lose(wire.LostAudit, n); err != nil {
					return err
				}
			}
			if r.gauged {
				r.overrun, r.gauged = false, false
			}
		}
		r.serial = rec.Serial
	}
	r.line = append(append(append(append(r.line[:0], "type="...), auditlog.Name(kind)...), " msg="...), text...)
	return r.asm.Add(&rec, r.line, r.event)
}

// event passes on what is about a watched process.
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

// name tells the name of a user, once.
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

// mono is a time of audit on CLOCK_MONOTONIC. What lies between the clocks is
// measured once, so that what has one time in audit has one here.
func (r *reader) mono(wall int64, now uint64) uint64 {
	const step = 1_000_000 // someone has set the clock
	between := time.Now().UnixNano() - int64(now)
	if d := between - r.between; d > step || d < -step {
		r.between = between
	}
	if at := wall - r.between; at > 0 {
		return uint64(at)
	}
	return now
}

func (r *reader) lose(reason uint32, n uint64) error {
	h := header()
	h.Kind = wire.KindLost
	l := wire.Lost{H: h, Count: n, Reason: reason}
	return r.emit(wire.Seal(l.Append(nil)))
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

// gauge has the kernel make a record once what was in a full socket has been read:
// its serial says how many there were in between.
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

// rules looks whether an administrator has removed our rules, or made some that forbid records. What they
// want stands: it is said, and nothing is put back.
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
			if err := r.note("audit's rules were removed by another (auditctl -D): calls have no record from here on"); err != nil {
				return err
			}
		}
	}
	if never := forbids(list); never != r.never {
		r.never = never
		if never {
			return r.note("another has made a rule that forbids records (auditctl -l: never): some calls may have none from here on")
		}
	}
	return nil
}

// forbids reports whether one of the rules may keep calls from having records.
func forbids(list []rule) bool {
	return slices.ContainsFunc(list, func(r rule) bool { return r.forbids() })
}

// count says what the kernel dropped since the last time.
func (r *reader) count() error {
	st, err := r.s.c.status()
	if err != nil {
		return err
	}
	if off := st.Enabled == 0; off != r.off {
		r.off = off
		text := "audit was turned off by another (auditctl -e 0): there are no records from here on"
		if !off {
			text = "audit is on again"
		}
		if err := r.note(text); err != nil {
			return err
		}
	}
	n := st.Lost - r.lost
	r.lost = st.Lost
	if n != 0 {
		// What the kernel has put aside comes with the next record (kauditd_thread).
		r.overrun = r.overrun || r.s.unicast
	}
	if n == 0 || n > 1<<31 { // somebody has set it back
		return nil
	}
	return r.lose(wire.LostBacklog, uint64(n))
}
