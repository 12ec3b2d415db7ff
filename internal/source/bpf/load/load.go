//go:build linux

// Package load puts the programs of bpf/ into the kernel, and attaches them: which
// of them for which layer, in which form for this kernel, and what is not there if
// one is refused. A Kernel is what came of it.
package load

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/source/bpf/object"
	"github.com/pidwire/pidwire/internal/source/ftrace"
	"github.com/pidwire/pidwire/internal/source/ksyms"
	"github.com/pidwire/pidwire/internal/source/proc"
	"github.com/pidwire/pidwire/internal/syscalls"
	"github.com/pidwire/pidwire/internal/wire"
)

// Kernel is what is loaded and attached.
type Kernel struct {
	Maps   Maps
	Reader *ringbuf.Reader // of the ring
	Works  Works
	Notes  []Note // what does not work here

	Open    *ebpf.Program // iterator over the open sockets of the host; nil: they are read from /proc
	States  *ebpf.Program // iterator: puts into the ring how the targets' TCP sockets stand; nil: none
	ifaces  *ebpf.Program // iterator over the interfaces of the network namespace in wanted; nil: none
	wanted  *ebpf.Map
	found   *ebpf.Map  // what it has found
	Blocked *link.Iter // over the calls that are blocked; nil: they cannot be known

	Filtered bool   // packets are filtered by the program at the sockets
	Engine   string // that tells of functions, if any does
	Exact    bool   // functions are traced at their entries and returns
	Graph    *ftrace.Tracer
	Names    Names

	colls []*ebpf.Collection
	owned []*ebpf.Map // of objects whose programs are loaded each for itself
	links []link.Link
	hooks []hook          // those of links that stand at a cgroup
	tells map[string]bool // of the programs at named events, those that are attached

	cgroups *cgroups // the root of cgroup v2; nil: not looked for, or all is loaded

	types *btf.Cache    // the kernel's BTF, read once for all objects, and by several goroutines; nil when all is loaded
	cast  bool          // it has bpf_rdonly_cast: fields are read by plain loads
	adopt *ebpf.Program // iterator: makes open sockets the targets'

	changes atomic.Uint32  // of the targets map, by us
	epoch   *ebpf.Variable // the same, for the programs

	twice   bool // threads are preempted in programs at tracepoints: these have second copies
	pairs   []*pair
	seconds []*ebpf.Collection
	again   map[*ebpf.Program]*ebpf.Program // the second copy of a program
	before  uint64                          // what Missed counted until all was attached

	raw  bool // tp_btf is refused: the same programs are raw tracepoints
	ends bool // the end of each call that sends is told of
	bare bool // tracing programs have no socket storage and make no cookies: before 5.12
}

// Works says of the parts that may be missing which are there.
type Works struct {
	Cookies, Uring      bool
	Perf                bool // programs at calls are at perf's events
	Packets, States     bool
	DeviceIn, DeviceOut bool // packets that no socket gets
	Steps               bool // stacks at tracepoints on the way
}

// Names are what numbers of this kernel mean. With layer krn alone.
type Names struct {
	Drops, Resets map[uint32]string // reasons, by enum skb_drop_reason and sk_rst_reason; nil without BTF
	Symbols       *ksyms.Table      // nil: not read, or SymbolsErr
	SymbolsErr    error
	Protos        map[uint64]string // what functions that are traced take and give, by address
}

// ReadSymbols reads the kernel's table, which takes a tenth of a second.
func (n *Names) ReadSymbols() { n.Symbols, n.SymbolsErr = ksyms.Read() }

// Note is something that does not work here, and what that costs.
type Note struct {
	Text, Fix string
	Err       error // may be nil
}

// Tells reports whether a program at a named event is attached.
func (k *Kernel) Tells(program string) bool { return k.tells[program] }

// Close detaches every program and frees every map.
func (k *Kernel) Close() error {
	var err error
	if k.Graph != nil {
		err = k.Graph.Close()
	}
	k.closeRoot()
	if k.Reader != nil {
		err = errors.Join(err, k.Reader.Close())
	}
	for _, l := range k.links {
		l.Close()
	}
	for _, c := range slices.Concat(k.colls, k.seconds) {
		c.Close()
	}
	for _, m := range k.owned {
		m.Close()
	}
	k.Maps.close()
	return err
}

// harmless are the programs whose being passed over loses nothing.
var harmless = map[string]bool{
	object.StepsProgTreeStep:             true, // it stands in the way of itself: what it does allocates too
	object.SocketsProgCookieState:        true, // a cookie is made by whoever asks for it next
	object.PacketsProgOwnerAccepted:      true, // whose a socket is shows at its first use
	object.PacketsProgOwnerAcceptedMptcp: true,
}

// Missed counts the times that the kernel passed over one of the programs, as
// it was running on that CPU already: interrupted, or preempted. The kernel
// counts them by program, whoever the task was; before 5.12 it does not. Where
// there is a second copy, what that has done is not counted; nor are calls, as
// each thread knows what was passed over of its own (PW_LOST_CALL).
func (k *Kernel) Missed() (n uint64) {
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

func (k *Kernel) note(err error, text, fix string) {
	if err != nil {
		text += " (" + briefly(err).Error() + ")"
	}
	k.Notes = append(k.Notes, Note{text, fix, err})
}

// hasFunc reports whether the kernel has a function for programs to call.
func (k *Kernel) hasFunc(name string) bool {
	spec, err := k.types.Kernel()
	if err != nil {
		return false
	}
	var f *btf.Func
	return spec.TypeByName(name, &f) == nil
}

// hasTracepoint reports whether the kernel has a tracepoint.
func (k *Kernel) hasTracepoint(name string) bool {
	spec, err := k.types.Kernel()
	if err != nil {
		return false
	}
	_, err = tracepointProto(spec, name)
	return err == nil
}

// sinceBoot returns CLOCK_BOOTTIME in ns, which the starts of tasks count in.
func sinceBoot() uint64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return 0
	}
	return uint64(t.Nano())
}

// readAhead begins to read the objects that will be loaded: the kernel looks through the programs of one while
// the next is read.
func (c Config) readAhead() {
	object.Ahead[object.SyscallsSpecs](object.LoadSyscalls)
	object.Ahead[object.ProcessSpecs](object.LoadProcess)
	object.Ahead[object.SocketsSpecs](object.LoadSockets)
	if c.Packets || c.Kernel {
		object.Ahead[object.PacketsSpecs](object.LoadPackets)
	}
	if c.Packets {
		object.Ahead[object.DeviceSpecs](object.LoadDevice)
	}
	if !c.NoCalls {
		object.Ahead[object.IfacesSpecs](object.LoadIfaces)
		object.Ahead[object.BlockedSpecs](object.LoadBlocked)
		object.Ahead[object.UringSpecs](object.LoadUring)
	}
	if c.Kernel {
		object.Ahead[object.KernelSpecs](object.LoadKernel)
		object.Ahead[object.PathSpecs](object.LoadPath)
		object.Ahead[object.WaitsSpecs](object.LoadWaits)
	}
}

// Load puts the programs into the kernel. What cannot be loaded and is not
// needed for the system calls themselves becomes a note.
func Load(c Config) (*Kernel, error) { return loadAt(c, nil) }

// loadAt is Load with a cgroup of the caller's, nil for the host's root.
func loadAt(c Config, at *cgroups) (_ *Kernel, err error) {
	k := &Kernel{
		types: btf.NewCache(), tells: map[string]bool{},
		again:   map[*ebpf.Program]*ebpf.Program{},
		cgroups: at,
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
	if err := c.check(); err != nil {
		return nil, err
	}

	ring := makeRing(orDefault(c.RingBytes, DefaultRing))
	defer func() {
		<-ring.mapped
		k.Maps.Ring, k.Reader = ring.m, ring.rd // to be closed in any case
		if err == nil {
			err = ring.err
		}
	}()
	defer object.Forget()
	c.readAhead()
	k.cast = k.hasFunc("bpf_rdonly_cast") // reads the kernel's types, while the objects are read
	k.twice = c.Twice || PreemptedAtTracepoints(Release())
	spec, err := k.makeMaps(c)
	if err != nil {
		return nil, err
	}
	k.loadSockets(c)
	k.loadIfaces(c)
	// What follows puts records into the ring.
	<-ring.made
	if k.Maps.Ring = ring.m; ring.m == nil {
		<-ring.mapped
		return nil, ring.err
	}
	if err := k.loadParts(c, spec); err != nil {
		return nil, err
	}
	if c.Kernel {
		if err := k.loadKernel(c); err != nil {
			return nil, err
		}
	}
	k.types = nil // tens of megabytes, and of no use any more
	k.closeRoot()
	k.before = k.Missed()
	return k, nil
}

// check returns an error for what the programs have no room for.
func (c Config) check() error {
	if c.StrLen > MaxStrLen {
		return fmt.Errorf("string size %d: at most %d bytes are copied of one buffer", c.StrLen, MaxStrLen)
	}
	if len(c.Cgroups) > maxCgroups {
		return fmt.Errorf("%d cgroups: at most %d at once", len(c.Cgroups), maxCgroups)
	}
	return nil
}

// makeMaps makes the maps that all programs share, fills them, and returns the object
// of the programs at calls.
func (k *Kernel) makeMaps(c Config) (*ebpf.CollectionSpec, error) {
	spec, sys, err := object.Open[object.SyscallsSpecs](object.LoadSyscalls)
	if err != nil {
		return nil, err
	}
	if err := c.size(spec); err != nil {
		return nil, err
	}
	if err := k.Maps.make(sys.Targets, sys.Refused, sys.Undecided, sys.Threads, sys.Calls, sys.Uids, sys.Ports, sys.Cgroups, sys.Lost, sys.Maybe, sys.Reader, sys.Gone, sys.Spread); err != nil {
		return nil, err
	}
	if err := k.fill(c); err != nil {
		return nil, err
	}
	return spec, fillCalls(k.Maps.Calls, c.shows)
}

// loadParts loads and attaches the programs of calls, processes and packets, on
// several CPUs at once.
func (k *Kernel) loadParts(c Config, spec *ebpf.CollectionSpec) error {
	calls, others := k.part(), k.part()
	// Whoever is done first loads them.
	loadOthers := sync.OnceFunc(func() { others.loadOthers(c) })
	born, done := make(chan struct{}), make(chan error, 1)
	go func() {
		err := calls.loadCalls(c, spec, born)
		loadOthers()
		done <- err
	}()
	err := k.loadProcess(c)
	close(born)
	if err == nil && (c.Packets || c.Kernel) {
		err = k.loadPackets(c)
	}
	loadOthers()
	err = errors.Join(<-done, err)
	k.takeIn(calls)
	k.takeIn(others)
	return err
}

// loadKernel loads and attaches what layer krn has beyond packets, and reads what the
// kernel's numbers mean.
func (k *Kernel) loadKernel(c Config) error {
	types, _ := k.types.Kernel() // without, there are numbers
	k.Names = Names{
		Drops:  reasonsOf(types, "skb_drop_reason", "SKB_DROP_REASON_"),
		Resets: reasonsOf(types, "sk_rst_reason", "SK_RST_REASON_"),
		Protos: map[uint64]string{},
	}
	if c.Tree || c.Stacks {
		k.Names.ReadSymbols() // before there is something to watch, that may end meanwhile
		if err := k.Names.SymbolsErr; err != nil {
			k.note(err, "functions of the kernel are shown as addresses", "")
		}
	}
	if c.Tree {
		if err := k.loadTree(c); err != nil {
			return err
		}
	}
	k.loadKernelEvents(c)
	if c.Stacks && !c.NoCalls {
		k.loadCallStacks(c)
	}
	return nil
}

// shows reports whether a call is to be told of.
func (c Config) shows(call *syscalls.Call) bool {
	switch {
	case call.Role.Has(event.Binds) && len(c.Ports) > 0:
		return true // it makes a process a target by port, shown or not
	case c.NoCalls:
		// So does the first call of a user's or a cgroup's process; packets
		// begin with a socket.
		return call.Role.Has(event.Opens) && c.matchedByCalls()
	}
	return c.Calls == nil || c.Calls(call.Name)
}

// part is a part of what is loaded, for another goroutine to load: the kernel looks through programs on several
// CPUs at once. Nothing of k that the part has may be changed until it is taken in, but for the types, which
// several may read.
func (k *Kernel) part() *Kernel {
	return &Kernel{
		Maps: k.Maps, types: k.types, cast: k.cast, twice: k.twice, tells: map[string]bool{}, again: map[*ebpf.Program]*ebpf.Program{},
	}
}

func (k *Kernel) takeIn(part *Kernel) {
	k.Works.Perf = k.Works.Perf || part.Works.Perf
	k.Works.Uring = k.Works.Uring || part.Works.Uring
	k.Notes = append(k.Notes, part.Notes...)
	k.colls = append(k.colls, part.colls...)
	k.owned = append(k.owned, part.owned...)
	k.links = append(k.links, part.links...)
	k.pairs = append(k.pairs, part.pairs...)
	k.seconds = append(k.seconds, part.seconds...)
	maps.Copy(k.again, part.again)
	if part.epoch != nil {
		k.epoch = part.epoch
	}
	if part.Blocked != nil {
		k.Blocked = part.Blocked
	}
}

// ringInWork is the ring while it is made. The kernel zeroes its memory, which may be some hundred megabytes: the
// objects are read meanwhile, and what does not use it is loaded. To map it takes half as long again: that is over
// when all is loaded.
type ringInWork struct {
	made   chan struct{} // closed when m is there, or nil for good
	m      *ebpf.Map
	mapped chan struct{} // closed when rd is there, or err says why not
	rd     *ringbuf.Reader
	err    error
}

func makeRing(size uint32) *ringInWork {
	r := &ringInWork{made: make(chan struct{}), mapped: make(chan struct{})}
	go func() {
		defer close(r.mapped)
		m, err := ebpf.NewMap(&ebpf.MapSpec{Name: object.SyscallsMapRing, Type: ebpf.RingBuf, MaxEntries: size})
		if err != nil {
			close(r.made)
			r.err = fmt.Errorf("map %s: %w", object.SyscallsMapRing, err)
			return
		}
		r.m = m
		close(r.made)
		r.rd, r.err = ringbuf.NewReader(m)
	}()
	return r
}

// loadCalls attaches to calls once births are told of, or it is clear that they cannot be, which ends the run: a
// child must be a target before its first call.
func (k *Kernel) loadCalls(c Config, spec *ebpf.CollectionSpec, born <-chan struct{}) error {
	if c.NoCalls && !c.matchedByCalls() {
		return nil
	}
	return k.watchCalls(c, spec, born)
}

// loadOthers loads what else is wanted of calls. None of it is needed: what cannot be loaded becomes a note.
func (k *Kernel) loadOthers(c Config) {
	if !c.NoCalls {
		k.loadBlocked(c)
		k.loadUring(c)
	}
}

// loadProcess attaches to births, execs and ends.
func (k *Kernel) loadProcess(c Config) error {
	spec, o, err := object.Open[object.ProcessSpecs](object.LoadProcess)
	if err != nil {
		return err
	}
	progs, err := k.load(c, spec, nil, o.ProcessFork, o.ProcessExec, o.ProcessExit)
	if err != nil {
		return err
	}
	for i, point := range []string{"sched_process_fork", "sched_process_exec", "sched_process_exit"} {
		if err := k.rawTracepoint(point, progs[i]); err != nil {
			return err
		}
	}
	return nil
}

// load loads programs of an object, in their order, with the shared maps in the
// place of its own. own are maps of the object that were made before; nil: none.
// An object of which nothing else is loaded may be given as it is; else as a copy.
func (k *Kernel) load(c Config, spec *ebpf.CollectionSpec, own map[string]*ebpf.Map, which ...*ebpf.ProgramSpec) ([]*ebpf.Program, error) {
	coll, err := k.collection(c, spec, own, which...)
	if err != nil {
		return nil, err
	}
	progs := make([]*ebpf.Program, len(which))
	for i, p := range which {
		progs[i] = coll.Programs[p.Name]
	}
	return progs, nil
}

func (k *Kernel) collection(c Config, spec *ebpf.CollectionSpec, own map[string]*ebpf.Map, which ...*ebpf.ProgramSpec) (*ebpf.Collection, error) {
	wanted := map[string]*ebpf.ProgramSpec{}
	for _, p := range which {
		if spec.Programs[p.Name] == nil {
			return nil, fmt.Errorf("program %s: the object has none of that name", p.Name)
		}
		wanted[p.Name] = spec.Programs[p.Name]
	}
	spec.Programs = wanted
	if err := c.size(spec); err != nil {
		return nil, err
	}
	if err := configure(spec, k.settings(c)); err != nil {
		return nil, err
	}
	if k.Filtered {
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
	maps.DeleteFunc(spec.Maps, func(name string, _ *ebpf.MapSpec) bool { return !ofSection(name) && !used(spec, name) })
	replace, err := k.Maps.shared(spec)
	if err != nil {
		return nil, err
	}
	for name := range k.Maps.byName() {
		if spec.Maps[name] != nil && replace[name] == nil {
			return nil, fmt.Errorf("map %s: it is shared, and not made yet", name)
		}
	}
	for name, m := range own {
		if spec.Maps[name] != nil {
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
		if err := k.loadSecond(coll, second, own[object.SyscallsMapTurns]); err != nil {
			return nil, err
		}
	}
	return coll, nil
}

// used reports whether a program of an object has a map.
func used(spec *ebpf.CollectionSpec, name string) bool {
	for _, p := range spec.Programs {
		if refersTo(p, name) {
			return true
		}
	}
	return false
}

// fill writes the criteria that the kernel side matches by itself.
func (k *Kernel) fill(c Config) error {
	one := uint8(1)
	for _, uid := range c.UIDs {
		if err := k.Maps.Uids.Put(uid, one); err != nil {
			return fmt.Errorf("user %d: %w", uid, err)
		}
	}
	for _, port := range c.Ports {
		if err := k.Maps.Ports.Put(port, one); err != nil {
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
			err = k.Maps.Cgroups.Put(uint32(i), uint32(d.Fd()))
			d.Close()
			if err != nil {
				return fmt.Errorf("cgroup %s: %w", path, err)
			}
		}
	}
	if c.Self != 0 {
		return k.SetTarget(c.Self, wire.TargetNever)
	}
	return nil
}

// Release returns the kernel's release, as uname -r.
func Release() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Release[:])
}

// briefly cuts a verifier's log from an error.
func briefly(err error) error {
	var ve *ebpf.VerifierError
	if errors.As(err, &ve) {
		return ve.Cause
	}
	return err
}
