//go:build linux

package bpf

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/source/ftrace"
	"github.com/pidwire/pidwire/internal/source/proc"
	"github.com/pidwire/pidwire/internal/wire"
)

// Config says what the kernel side does. It is fixed at load.
type Config struct {
	Self      uint32 // our own pid: never watched; 0 to watch ourselves too
	All       bool
	UIDs      []uint32
	Cgroups   []string // paths below the cgroup v2 root
	Ports     []uint16
	AskExec   bool // Decide is asked about every process that is exec'ed
	Follow    bool
	StrLen    uint32            // payload bytes a buffer, at most MaxStrLen
	Calls     func(string) bool // which of wire.Calls; nil: all
	NoCalls   bool              // without system calls and io_uring requests
	Packets   bool              // with packets
	Kernel    bool              // with what the kernel does for the sockets
	Drops     bool              // of that only what it drops
	Tree      bool              // with the functions on the way
	Functions []string          // which: patterns of ksyms.Select; nil: the default set
	Engine    string            // that tells of them, one of Engines; empty: the first that works
	Stacks    bool              // with the stacks of the kernel and the process
	Audit     bool              // beside a source of audit's records
	Snaplen   uint32            // bytes of a packet, at most MaxSnaplen
	Filter    []bpf.Instruction // of pcapfilter.Compile: which packets; nil: all
	RingBytes uint32            // a power of two; 0: DefaultRing
	NoTracing bool              // as where tp_btf is refused; for tests
	Twice     bool              // as where programs at tracepoints are preempted; for tests
	NoPerf    bool              // then as where perf's events cannot be had; for tests
	Threads   uint32            // watched threads at most; 0: DefaultThreads
}

const (
	// MaxStrLen bounds what is copied of one buffer (SCRATCH_SLACK in bpf/snap.h).
	MaxStrLen = 64 << 10
	// MaxSnaplen bounds what is copied of one packet (SNAPLEN_MAX in bpf/packets.bpf.c).
	MaxSnaplen = 65535
	// DefaultRing is the size of the ring buffer, in bytes.
	DefaultRing = 8 << 20
	// DefaultThreads is the number of threads that can be watched at once.
	DefaultThreads = 16384
	maxCgroups     = 8
)

// kernel is what is loaded and attached. Every link is kept here: one that is
// collected detaches its program.
type kernel struct {
	maps  map[string]*ebpf.Map
	colls []*ebpf.Collection
	links []link.Link
	iter  *ebpf.Program
	notes []note

	blocked *link.Iter // calls that are blocked; nil: they cannot be known

	parts map[string]bool // of what may be missing, what works: uring, cookies
	types *btf.Cache      // the kernel's BTF, read once for all objects
	cast  bool            // it has bpf_rdonly_cast: fields are read by plain loads

	adopt    *ebpf.Program // iterator: makes open sockets the targets'
	filtered bool          // packets are filtered by the program at the sockets
	states   *ebpf.Program // iterator: how the targets' TCP sockets stand

	changes atomic.Uint32  // of the targets map, by us
	epoch   *ebpf.Variable // the same, for the programs

	twice   bool // threads are preempted in programs at tracepoints: these have second copies
	pairs   []*pair
	seconds []*ebpf.Collection
	again   map[*ebpf.Program]*ebpf.Program // the second copy of a program
	before  uint64                          // what missed counted until all was attached

	names  *nameTeller // of layer krn
	Engine string      // that tells of functions, if any does
	graph  *ftrace.Tracer
	begins map[uint64]uint64 // where the functions begin that graph tells of, by what it tells
	exact  bool              // functions are traced at their entries and returns
	raw    bool              // tp_btf is refused: the same programs are raw tracepoints
	ends   bool              // the end of each call that sends is told of
	bare   bool              // tracing programs have no socket storage and make no cookies: before 5.12
}

// note is something that does not work here, and what that costs.
type note struct {
	text, fix string
	err       error // may be nil
}

func (k *kernel) Close() error {
	var err error
	if k.graph != nil {
		err = k.graph.Close()
	}
	for _, l := range k.links {
		l.Close()
	}
	for _, c := range slices.Concat(k.colls, k.seconds) {
		c.Close()
	}
	for _, m := range k.maps {
		m.Close()
	}
	return err
}

// harmless are the programs whose being passed over loses nothing.
var harmless = map[string]bool{
	"tree_step":            true, // it stands in the way of itself: what it does allocates too
	"cookie_state":         true, // a cookie is made by whoever asks for it next
	"owner_accepted":       true, // whose a socket is shows at its first use
	"owner_accepted_mptcp": true,
}

// missed counts the times that the kernel passed over one of the programs, as
// it was running on that CPU already: interrupted, or preempted. The kernel
// counts them by program, whoever the task was; before 5.12 it does not. Where
// there is a second copy, what that has done is not counted; nor are calls, as
// each thread knows what was passed over of its own (PW_LOST_CALL).
func (k *kernel) missed() (n uint64) {
	for _, c := range k.colls {
		for name, p := range c.Programs {
			if !harmless[name] && !byThread[name] && k.again[p] == nil {
				n += misses(p)
			}
		}
	}
	for _, p := range k.pairs {
		n += p.missed()
	}
	return n - min(n, k.before)
}

func misses(p *ebpf.Program) uint64 {
	s, err := p.Stats()
	if err != nil {
		return 0
	}
	return s.RecursionMisses
}

// sinceBoot returns CLOCK_BOOTTIME in ns, which the starts of tasks count in.
func sinceBoot() uint64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return 0
	}
	return uint64(t.Nano())
}

func (k *kernel) has(part string) bool { return k.parts[part] }

func (k *kernel) note(err error, text, fix string) {
	if err != nil {
		text += " (" + briefly(err).Error() + ")"
	}
	k.notes = append(k.notes, note{text, fix, err})
}

// hasFunc reports whether the kernel has a function for programs to call.
func (k *kernel) hasFunc(name string) bool {
	spec, err := k.types.Kernel()
	if err != nil {
		return false
	}
	var f *btf.Func
	return spec.TypeByName(name, &f) == nil
}

// hasTracepoint reports whether the kernel has a tracepoint.
func (k *kernel) hasTracepoint(name string) bool {
	spec, err := k.types.Kernel()
	if err != nil {
		return false
	}
	_, err = tracepointProto(spec, name)
	return err == nil
}

// sharedMaps are made once and given to every object.
var sharedMaps = []string{"ring", "targets", "threads", "calls", "uids", "ports", "cgroups", "lost", "maybe", "gone"}

// load puts the programs into the kernel. What cannot be loaded and is not
// needed for the system calls themselves becomes a note.
func load(c Config) (_ *kernel, err error) {
	k := &kernel{
		maps: map[string]*ebpf.Map{}, parts: map[string]bool{}, types: btf.NewCache(),
		again: map[*ebpf.Program]*ebpf.Program{},
	}
	defer func() {
		if err == nil {
			return
		}
		k.Close()
		if c.NoCalls && !errors.Is(err, ErrPackets) {
			err = fmt.Errorf("%w: %w", ErrPackets, err) // there is nothing else
		}
	}()
	// Maps count against RLIMIT_MEMLOCK before 5.11. Where it cannot be raised,
	// it may be enough as it is: what fails then says so.
	_ = rlimit.RemoveMemlock()
	if c.StrLen > MaxStrLen {
		return nil, fmt.Errorf("string size %d: at most %d bytes are copied of one buffer", c.StrLen, MaxStrLen)
	}
	if len(c.Cgroups) > maxCgroups {
		return nil, fmt.Errorf("%d cgroups: at most %d at once", len(c.Cgroups), maxCgroups)
	}

	k.cast = k.hasFunc("bpf_rdonly_cast")
	k.twice = c.Twice || preemptedAtTracepoints(Release())
	sys, err := loadSyscalls()
	if err != nil {
		return nil, err
	}
	if err := c.size(sys); err != nil {
		return nil, err
	}
	for _, name := range sharedMaps {
		m, err := ebpf.NewMap(sys.Maps[name])
		if err != nil {
			return nil, fmt.Errorf("map %s: %w", name, err)
		}
		k.maps[name] = m
	}
	if err := k.fill(c); err != nil {
		return nil, err
	}
	want := func(name string) bool {
		switch {
		case name == "bind" && len(c.Ports) > 0:
			return true // it makes a process a target by port, shown or not
		case c.NoCalls:
			// So does the first call of a user's or a cgroup's process; packets
			// begin with a socket.
			return name == "socket" && c.matchedByCalls()
		}
		return c.Calls == nil || c.Calls(name)
	}
	if err := fillCalls(k.maps["calls"], want); err != nil {
		return nil, err
	}
	proc, err := loadProcess()
	if err != nil {
		return nil, err
	}
	pcoll, err := k.loadSpec(c, proc, nil)
	if err != nil {
		return nil, err
	}
	// Births first: a child must be a target before its first call.
	for _, p := range []struct{ point, prog string }{
		{"sched_process_fork", "process_fork"}, {"sched_process_exec", "process_exec"}, {"sched_process_exit", "process_exit"},
	} {
		if err := k.rawTracepoint(p.point, pcoll.Programs[p.prog]); err != nil {
			return nil, err
		}
	}
	if !c.NoCalls || c.matchedByCalls() {
		if err := k.watchCalls(c, sys); err != nil {
			return nil, err
		}
	}
	k.loadSockets(c)
	if !c.NoCalls {
		k.loadBlocked(c)
		k.loadUring(c)
	}
	if c.Packets || c.Kernel {
		if err := k.loadPackets(c); err != nil {
			switch {
			case c.NoCalls && c.Packets:
				return nil, err
			case c.Packets:
				k.note(err, "packets are not shown", "")
			default:
				k.note(err, "of what the kernel does only what it does in a thread's own time is shown", "")
			}
		}
	}
	if c.Kernel {
		types, _ := k.types.Kernel() // without, there are numbers
		k.names = newNameTeller(types)
		if c.Tree || c.Stacks {
			k.names.readSymbols() // before there is something to watch, that may end meanwhile
			if err := k.names.symsErr; err != nil {
				k.note(err, "functions of the kernel are shown as addresses", "")
			}
		}
		if c.Tree {
			if err := k.loadTree(c); err != nil {
				return nil, err
			}
		}
		k.loadKernelEvents(c)
		if c.Stacks && !c.NoCalls {
			k.loadCallStacks(c)
		}
	}
	k.types = nil // tens of megabytes, and of no use any more
	k.before = k.missed()
	return k, nil
}

// matchedByCalls reports that a process may become a target by a call it makes.
func (c Config) matchedByCalls() bool {
	return c.All || len(c.UIDs) > 0 || len(c.Cgroups) > 0 || len(c.Ports) > 0
}

// size sets the sizes of the maps, which must agree in all objects.
func (c Config) size(spec *ebpf.CollectionSpec) error {
	if m := spec.Maps["ring"]; m != nil {
		m.MaxEntries = DefaultRing
		if c.RingBytes != 0 {
			m.MaxEntries = c.RingBytes
		}
	}
	for _, name := range []string{"threads", "targets"} {
		if m := spec.Maps[name]; m != nil {
			m.MaxEntries = DefaultThreads
			if c.Threads != 0 {
				m.MaxEntries = c.Threads
			}
		}
	}
	for name, each := range map[string]uint32{"scratches": 1, "turns": turns} {
		m := spec.Maps[name]
		if m == nil {
			continue
		}
		n, err := ebpf.PossibleCPU()
		if err != nil {
			return err
		}
		m.MaxEntries = uint32(n) * each
	}
	return nil
}

// loadSpec loads the named programs of an object, or all of them, with the
// shared maps in the place of its own.
func (k *kernel) loadSpec(c Config, spec *ebpf.CollectionSpec, only []string) (_ *ebpf.Collection, err error) {
	if only != nil {
		want := map[string]bool{}
		for _, n := range only {
			want[n] = true
		}
		for n := range spec.Programs {
			if !want[n] {
				delete(spec.Programs, n)
			}
		}
	}
	if err := c.size(spec); err != nil {
		return nil, err
	}
	for name, v := range map[string]any{
		"cfg_self":     c.Self,
		"cfg_all":      c.All,
		"cfg_uids":     len(c.UIDs) > 0,
		"cfg_cgroups":  uint8(len(c.Cgroups)),
		"cfg_ports":    len(c.Ports) > 0,
		"cfg_exec":     c.AskExec,
		"cfg_follow":   c.Follow,
		"cfg_strlen":   c.StrLen,
		"cfg_cast":     k.cast,
		"cfg_snaplen":  c.Snaplen,
		"cfg_old":      k.adopt == nil,
		"cfg_filter":   k.filtered,
		"cfg_packets":  c.Packets,
		"cfg_events":   c.Kernel,
		"cfg_storage":  !k.bare,
		"cfg_kstack":   c.Tree && !k.exact || c.Stacks,
		"cfg_ustack":   c.Stacks,
		"cfg_drops":    c.Drops,
		"cfg_softirqs": c.Kernel,
		"cfg_returns":  !c.NoCalls,
		"cfg_ends":     k.ends,
		"cfg_loaded":   sinceBoot(),
		"cfg_calls":    !c.NoCalls,
	} {
		v = byteBool(v)
		if cv := spec.Variables[name]; cv != nil {
			if err := cv.Set(v); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	if k.filtered {
		if err := setFilter(spec, c.Filter); err != nil {
			return nil, err
		}
	}
	if k.raw {
		for _, p := range spec.Programs {
			if p.Type == ebpf.Tracing && p.AttachType == ebpf.AttachTraceRawTp {
				// Their contexts are the same: the tracepoint's arguments.
				p.Type, p.AttachType = ebpf.RawTracepoint, ebpf.AttachNone
			}
		}
	}
	replace := map[string]*ebpf.Map{}
	for name := range spec.Maps {
		if m := k.maps[name]; m != nil {
			replace[name] = m
		}
	}
	var second *ebpf.CollectionSpec
	if k.twice {
		if second, err = secondCopies(spec); err != nil {
			return nil, err
		}
	}
	coll, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{MapReplacements: replace, Cache: k.types})
	if err != nil {
		return nil, err
	}
	k.colls = append(k.colls, coll)
	if second != nil {
		if err := k.loadSecond(coll, second); err != nil {
			return nil, err
		}
	}
	return coll, nil
}

func byteBool(v any) any {
	b, ok := v.(bool)
	if !ok {
		return v
	}
	if b {
		return uint8(1)
	}
	return uint8(0)
}

// detach takes back all links but the first n.
func (k *kernel) detach(n int) {
	for _, l := range k.links[n:] {
		l.Close()
	}
	k.links = k.links[:n]
}

// rawTracepoint attaches a program and, behind it, its second copy.
func (k *kernel) rawTracepoint(name string, prog *ebpf.Program) error {
	l, err := link.AttachRawTracepoint(link.RawTracepointOptions{Name: name, Program: prog})
	if err != nil {
		return fmt.Errorf("raw tracepoint %s: %w", name, err)
	}
	k.links = append(k.links, l)
	if again := k.again[prog]; again != nil {
		return k.rawTracepoint(name, again)
	}
	return nil
}

// fill writes the criteria that the kernel side matches by itself.
func (k *kernel) fill(c Config) error {
	one := uint8(1)
	for _, uid := range c.UIDs {
		if err := k.maps["uids"].Put(uid, one); err != nil {
			return fmt.Errorf("user %d: %w", uid, err)
		}
	}
	for _, port := range c.Ports {
		if err := k.maps["ports"].Put(port, one); err != nil {
			return fmt.Errorf("port %d: %w", port, err)
		}
	}
	if len(c.Cgroups) > 0 {
		root, err := proc.Default.CgroupRoot()
		if err != nil {
			return err
		}
		for i, path := range c.Cgroups {
			d, err := os.Open(filepath.Join(root, path))
			if err != nil {
				return err
			}
			err = k.maps["cgroups"].Put(uint32(i), uint32(d.Fd()))
			d.Close()
			if err != nil {
				return fmt.Errorf("cgroup %s: %w", path, err)
			}
		}
	}
	if c.Self != 0 {
		return k.target(c.Self, wire.TargetNever)
	}
	return nil
}

// maybeSlots is MAYBE_SLOTS of bpf/pidwire.h.
const maybeSlots = 65536

// target sets what a thread group is, enum pw_target.
func (k *kernel) target(pid, mode uint32) error {
	if err := k.maps["targets"].Put(pid, mode); err != nil {
		return err
	}
	if err := k.maps["maybe"].Put(pid%maybeSlots, uint8(1)); err != nil {
		return err
	}
	return k.changed()
}

// forget makes a thread group nobody's target.
func (k *kernel) forget(pid uint32) error {
	if err := k.maps["targets"].Delete(pid); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return err
	}
	return k.changed()
}

// changed has the threads look again at what is kept of them as targets.
func (k *kernel) changed() error {
	if k.epoch == nil {
		return nil // nothing is loaded that keeps it
	}
	return k.epoch.Set(k.changes.Add(1))
}

// fillCalls writes the table of calls: by number for each of the two ABIs of
// this machine, and by the number inside socketcall.
func fillCalls(m *ebpf.Map, want func(string) bool) error {
	native, compat := uint8(wire.AbiX8664), uint8(wire.AbiI386)
	if runtime.GOARCH == "arm64" {
		native, compat = wire.AbiARM64, wire.AbiARM
	}
	put := func(slot int, d wire.Calldesc) error {
		return m.Put(uint32(slot), d.Append(nil))
	}
	for i := range wire.Calls {
		c := &wire.Calls[i]
		if !want(c.Name) {
			continue
		}
		if n, ok := c.Number(native); ok {
			if err := put(wire.SlotNative+int(n), c.Desc); err != nil {
				return err
			}
		}
		if n, ok := c.Number(compat); ok {
			if err := put(wire.SlotCompat+int(n), c.Desc); err != nil {
				return err
			}
		}
		if c.Socketcall != 0 && compat == wire.AbiI386 {
			if err := put(wire.SlotVector+int(c.Socketcall), c.Desc); err != nil {
				return err
			}
			if err := put(wire.SlotCompat+wire.Socketcall, wire.Calldesc{Flags: wire.DescOn, Fd1: -1, Fd2: -1}); err != nil {
				return err
			}
		}
	}
	if native == wire.AbiX8664 {
		for nr, name := range wire.X32Numbers {
			if want(name) {
				if err := put(wire.SlotNative+int(nr), wire.CallByName(name).Desc); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// loadSockets makes the kernel number sockets at their birth. Each part may
// fail for itself.
func (k *kernel) loadSockets(c Config) {
	one := func(prog string, set map[string]any) (*ebpf.Program, error) {
		spec, err := loadSockets()
		if err != nil {
			return nil, err
		}
		for name, v := range set {
			if err := spec.Variables[name].Set(v); err != nil {
				return nil, err
			}
		}
		coll, err := k.loadSpec(c, spec, []string{prog})
		if err != nil {
			return nil, err
		}
		return coll.Programs[prog], nil
	}
	state, err := one("cookie_state", nil)
	if err == nil {
		var l link.Link
		if l, err = link.AttachTracing(link.TracingOptions{Program: state}); err == nil {
			k.links = append(k.links, l)
		}
	}
	tracing := err == nil

	root, err := proc.Default.CgroupRoot()
	if err != nil {
		k.note(err, "sockets get their cookies late, and are told apart by inode", "mount -t cgroup2 none /sys/fs/cgroup")
	} else {
		hooks := []struct {
			prog   string
			attach ebpf.AttachType
		}{{"cookie_create", ebpf.AttachCGroupInetSockCreate}}
		if !tracing {
			hooks = append(hooks, struct {
				prog   string
				attach ebpf.AttachType
			}{"cookie_sockops", ebpf.AttachCGroupSockOps})
		}
		k.parts["cookies"] = true
		for _, h := range hooks {
			p, err := one(h.prog, nil)
			if err == nil {
				var l link.Link
				if l, err = link.AttachCgroup(link.CgroupOptions{Path: root, Attach: h.attach, Program: p}); err == nil {
					k.links = append(k.links, l)
				}
			}
			if err != nil {
				k.parts["cookies"] = false
				k.note(fmt.Errorf("%s: %w", h.prog, err), "sockets get their cookies late, and are told apart by inode", "")
			}
		}
	}
	p, err := one("open_sockets", map[string]any{"cfg_number": uint8(1)})
	if err != nil {
		// Those that are open already stay without a cookie, and are told apart by inode.
		p, err = one("open_sockets", nil)
	}
	if err == nil {
		k.iter = p
	} else {
		k.note(err, "no iterator over open files: sockets open before are read from /proc", "")
	}
}

// loadBlocked makes the iterator over the calls that are blocked.
func (k *kernel) loadBlocked(c Config) {
	err := func() error {
		spec, err := loadBlocked()
		if err != nil {
			return err
		}
		if err := spec.Variables["cfg_blocked"].Set(uint64(waitShown)); err != nil {
			return err
		}
		coll, err := k.loadSpec(c, spec, nil)
		if err != nil {
			return err
		}
		k.blocked, err = link.AttachIter(link.IterOptions{Program: coll.Programs["blocked"], Map: k.maps["threads"]})
		return err
	}()
	if err != nil {
		k.note(err, "calls that are blocked are not shown before they return", "")
		return
	}
	k.links = append(k.links, k.blocked)
}

// loadUring attaches to the io_uring tracepoints in the form that this kernel
// has them, read from its BTF.
func (k *kernel) loadUring(c Config) {
	err := func() error {
		submitTP, submit, complete, err := uringVariant(k.types)
		if err != nil {
			return err
		}
		spec, err := loadUring()
		if err != nil {
			return err
		}
		if err := spec.Variables["cfg_submit"].Set(submit); err != nil {
			return err
		}
		if err := spec.Variables["cfg_complete"].Set(complete); err != nil {
			return err
		}
		overflow := k.hasTracepoint("io_uring_cqe_overflow") // since 5.19; before it is told as any other
		if overflow {
			types, _ := k.types.Kernel()
			p, err := tracepointProto(types, "io_uring_cqe_overflow")
			if err != nil {
				return err
			}
			if err := spec.Variables["cfg_overflow_cqe"].Set(byteBool(len(p.Params) > 2 && pointsTo(p.Params[2].Type, ""))); err != nil {
				return err
			}
		} else {
			delete(spec.Programs, "uring_overflow")
		}
		coll, err := k.loadSpec(c, spec, nil)
		if err != nil {
			return err
		}
		if overflow {
			if err := k.rawTracepoint("io_uring_cqe_overflow", coll.Programs["uring_overflow"]); err != nil {
				return err
			}
		}
		if err := k.rawTracepoint("io_uring_complete", coll.Programs["uring_complete"]); err != nil {
			return err
		}
		if err := k.rawTracepoint(submitTP, coll.Programs["uring_submit"]); err != nil {
			return err
		}
		k.parts["uring"] = true
		if submit == submitCtx {
			k.note(nil, "io_uring requests are shown without their socket: this kernel's tracepoint does not name it", "")
		}
		return nil
	}()
	if err != nil {
		k.note(err, "io_uring requests are not shown", "")
	}
}

// The forms of the io_uring tracepoints, as bpf/uring.bpf.c numbers them.
const (
	submitCtx, submitCtxReq, submitReq       = uint8(1), uint8(2), uint8(3)
	completeCtx, completeCtxReq, completeCqe = uint8(1), uint8(2), uint8(3)
)

func uringVariant(types *btf.Cache) (tp string, submit, complete uint8, err error) {
	spec, err := types.Kernel()
	if err != nil {
		return "", 0, 0, err
	}
	for _, tp = range []string{"io_uring_submit_req", "io_uring_submit_sqe"} {
		p, err := tracepointProto(spec, tp)
		if err != nil {
			continue
		}
		// The first parameter is the tracepoint's own void *.
		switch {
		case len(p.Params) >= 2 && pointsTo(p.Params[1].Type, "io_kiocb"):
			submit = submitReq
		case len(p.Params) >= 4 && pointsTo(p.Params[2].Type, ""):
			submit = submitCtxReq
		case len(p.Params) >= 4:
			submit = submitCtx
		}
		break
	}
	if submit == 0 {
		return "", 0, 0, errors.New("no io_uring submission tracepoint")
	}
	p, err := tracepointProto(spec, "io_uring_complete")
	if err != nil {
		return "", 0, 0, err
	}
	switch {
	case len(p.Params) >= 4 && pointsTo(p.Params[3].Type, "io_uring_cqe"):
		complete = completeCqe
	case len(p.Params) >= 5 && pointsTo(p.Params[2].Type, ""):
		complete = completeCtxReq
	case len(p.Params) >= 4:
		complete = completeCtx
	default:
		return "", 0, 0, errors.New("unknown form of io_uring_complete")
	}
	if submit == submitCtx && complete != completeCtx || submit == submitReq && complete == completeCtx {
		return "", 0, 0, errors.New("this kernel's tracepoints cannot be paired")
	}
	return tp, submit, complete, nil
}

func tracepointProto(spec *btf.Spec, tp string) (*btf.FuncProto, error) {
	var t *btf.Typedef
	if err := spec.TypeByName("btf_trace_"+tp, &t); err != nil {
		return nil, err
	}
	ptr, ok := t.Type.(*btf.Pointer)
	if !ok {
		return nil, fmt.Errorf("%s: not a pointer", tp)
	}
	fp, ok := ptr.Target.(*btf.FuncProto)
	if !ok {
		return nil, fmt.Errorf("%s: not a function", tp)
	}
	return fp, nil
}

// pointsTo reports whether t is a pointer, to struct name if that is given.
func pointsTo(t btf.Type, name string) bool {
	p, ok := btf.UnderlyingType(t).(*btf.Pointer)
	if !ok || name == "" {
		return ok
	}
	s, ok := btf.UnderlyingType(p.Target).(*btf.Struct)
	return ok && s.Name == name
}

// briefly cuts a verifier's log from an error.
func briefly(err error) error {
	var ve *ebpf.VerifierError
	if errors.As(err, &ve) {
		return ve.Cause
	}
	return err
}
