//go:build linux

// Package load loads and attaches the programs of bpf/. It selects them by layer, adapts
// them to the running kernel, and notes what is missing if one is refused. The result is
// a Kernel.
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
	"github.com/cilium/ebpf/asm"
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

// Kernel holds the loaded programs, maps and links.
type Kernel struct {
	Maps   Maps
	Reader *ringbuf.Reader // of the ring buffer
	Works  Works
	Notes  []Note // what does not work on this machine

	Open    *ebpf.Program // iterator over the open sockets of the host; nil: they are read from /proc
	States  *ebpf.Program // iterator that writes the state of the targets' TCP sockets to the ring; may be nil
	ifaces  *ebpf.Program // iterator over the interfaces of the network namespace in wanted; may be nil
	wanted  *ebpf.Map
	found   *ebpf.Map  // results of ifaces
	Blocked *link.Iter // iterator over blocked calls; may be nil

	Filtered bool   // the cgroup programs filter the packets
	Engine   string // description of the engine that traces functions; empty if none does
	Exact    bool   // functions are traced at their entries and returns
	Graph    *ftrace.Tracer
	Names    Names

	colls []*ebpf.Collection
	owned []*ebpf.Map // maps of objects whose programs are loaded separately
	links []link.Link
	hooks []hook          // the links at cgroups
	tells map[string]bool // names of the attached programs for named events

	cgroups *cgroups // root of cgroup v2; nil before it is needed, and after all is loaded

	types *btf.Cache    // BTF of the kernel, read once and used by several goroutines; nil after all is loaded
	cast  bool          // the kernel has bpf_rdonly_cast: fields are read by plain loads
	adopt *ebpf.Program // iterator that assigns open sockets to the targets; may be nil

	changes atomic.Uint32  // number of our changes to the targets map
	epoch   *ebpf.Variable // the same number, in a variable of the programs

	twice   bool // threads are preempted in programs at tracepoints, so these have second copies
	pairs   []*pair
	seconds []*ebpf.Collection
	again   map[*ebpf.Program]*ebpf.Program // second copies by program
	before  uint64                          // result of Missed when all was attached

	raw    bool // tp_btf is refused: these programs are loaded as raw tracepoints
	ends   bool // programs see the end of each call that sends
	passes bool // a program sees when descriptors are passed
	bare   bool // tracing programs have no socket storage and cannot create cookies (before 5.12)
}

// Works tells which of the optional parts work.
type Works struct {
	Cookies, Uring      bool
	Perf                bool // programs at system calls are attached to perf events
	Packets, States     bool
	DeviceIn, DeviceOut bool // packets that no socket gets
	Steps               bool // stacks at the tracepoints in steps
}

// Names resolves numbers of this kernel. It is set only with layer krn.
type Names struct {
	Drops, Resets map[uint32]string // names of enum skb_drop_reason and sk_rst_reason; nil without BTF
	Symbols       *ksyms.Table      // nil if not read, or on SymbolsErr
	SymbolsErr    error
	Protos        map[uint64]string // arguments and results of traced functions by address; see describe
}

// ReadSymbols reads the symbol table of the kernel, which takes 0.1 s.
func (n *Names) ReadSymbols() { n.Symbols, n.SymbolsErr = ksyms.Read() }

// Note describes something that does not work on this machine, and the consequence.
type Note struct {
	Text, Fix string
	Err       error // may be nil
}

// Tells reports whether a program for a named event is attached, by its name.
func (k *Kernel) Tells(program string) bool { return k.tells[program] }

// Close detaches all programs and frees all maps.
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

// harmless are the programs that may be skipped without a loss.
var harmless = map[string]bool{
	object.StepsProgTreeStep:             true, // skipped for its own allocations, which pass its tracepoints
	object.SocketsProgCookieState:        true, // the cookie is created later, when it is needed
	object.PacketsProgOwnerAccepted:      true, // the owner of the socket is set at its first use
	object.PacketsProgOwnerAcceptedMptcp: true,
}

// Missed returns how often the kernel has skipped one of the programs, because it was
// already running on that CPU and was interrupted or preempted (recursion_misses). The
// kernel counts this by program, for all tasks; before 5.12 it does not. Events that a
// second copy has handled are not counted, nor are those of the programs at system calls:
// these detect skipped calls for each thread (PW_LOST_CALL).
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

// hasFunc reports whether the kernel has a function (kfunc) in its BTF.
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

// sinceBoot returns CLOCK_BOOTTIME in ns, which is the clock of task start times.
func sinceBoot() uint64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return 0
	}
	return uint64(t.Nano())
}

// readAhead starts to read the objects that will be loaded, so that the verifier checks the programs of one while
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

// Load loads and attaches the programs. A failure of an optional part, which is all that the
// system calls do not need, becomes a note.
func Load(c Config) (*Kernel, error) { return loadAt(c, nil) }

// loadAt is Load with the given cgroup as the root; nil for the one that cgroupRoot finds.
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
			err = fmt.Errorf("%w: %w", ErrPackets, err) // only packets were requested
		}
	}()
	// Before 5.11, maps count against RLIMIT_MEMLOCK. An error is ignored, as the
	// current limit may be enough; if it is not, creating a map fails.
	_ = rlimit.RemoveMemlock()
	if err := c.check(); err != nil {
		return nil, err
	}

	ring := makeRing(orDefault(c.RingBytes, DefaultRing))
	defer func() {
		<-ring.mapped
		k.Maps.Ring, k.Reader = ring.m, ring.rd // set in any case, so that Close closes them
		if err == nil {
			err = ring.err
		}
	}()
	defer object.Forget()
	c.readAhead()
	k.cast = k.hasFunc("bpf_rdonly_cast") // loads the BTF of the kernel while the objects are read
	k.twice = c.Twice || PreemptedAtTracepoints(Release())
	spec, err := k.makeMaps(c)
	if err != nil {
		return nil, err
	}
	k.loadSockets(c)
	k.loadIfaces(c)
	// The following programs write to the ring.
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
	k.types = nil // frees tens of megabytes
	k.closeRoot()
	k.before = k.Missed()
	return k, nil
}

// check returns an error if c exceeds a limit of the programs.
func (c Config) check() error {
	if c.StrLen > MaxStrLen {
		return fmt.Errorf("string size %d: the maximum is %d bytes per buffer", c.StrLen, MaxStrLen)
	}
	if c.Payload > MaxPayload {
		return fmt.Errorf("payload of %d bytes: the maximum is %d for each direction of a connection", c.Payload, MaxPayload)
	}
	if len(c.Cgroups) > maxCgroups {
		return fmt.Errorf("%d cgroups: the maximum is %d", len(c.Cgroups), maxCgroups)
	}
	return nil
}

// makeMaps creates and fills the maps that all programs share, and returns the object with the
// programs at system calls.
func (k *Kernel) makeMaps(c Config) (*ebpf.CollectionSpec, error) {
	spec, sys, err := object.Open[object.SyscallsSpecs](object.LoadSyscalls)
	if err != nil {
		return nil, err
	}
	if err := c.size(spec); err != nil {
		return nil, err
	}
	if err := k.Maps.make(sys.Targets, sys.Refused, sys.Undecided, sys.Threads, sys.Calls, sys.Uids, sys.Ports, sys.Cgroups, sys.Lost, sys.LostEvents, sys.Maybe, sys.Reader, sys.Gone, sys.Spread); err != nil {
		return nil, err
	}
	if err := k.fill(c); err != nil {
		return nil, err
	}
	return spec, fillCalls(k.Maps.Calls, c.shows)
}

// loadParts loads and attaches the programs for calls, processes and packets, in several
// goroutines.
func (k *Kernel) loadParts(c Config, spec *ebpf.CollectionSpec) error {
	calls, others := k.part(), k.part()
	// Run by the first goroutine that is done.
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

// loadKernel loads and attaches the programs of layer krn that packets do not need, and reads the
// names of the kernel's numbers.
func (k *Kernel) loadKernel(c Config) error {
	types, _ := k.types.Kernel() // without BTF, numbers are shown
	k.Names = Names{
		Drops:  reasonsOf(types, "skb_drop_reason", "SKB_DROP_REASON_"),
		Resets: reasonsOf(types, "sk_rst_reason", "SK_RST_REASON_"),
		Protos: map[uint64]string{},
	}
	if c.Tree || c.Stacks {
		k.Names.ReadSymbols() // before processes are watched, which might end meanwhile
		if err := k.Names.SymbolsErr; err != nil {
			k.note(err, "kernel functions are shown as addresses", "")
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

// shows reports whether the programs must handle a call.
func (c Config) shows(call *syscalls.Call) bool {
	switch {
	case call.Role.Has(event.Binds) && len(c.Ports) > 0:
		return true // it may make the process a target by port, even if it is not shown
	case c.NoCalls:
		// A process becomes a target by user or cgroup at a call: the one that
		// creates its first socket, as only packets are needed.
		return call.Role.Has(event.Opens) && c.matchedByCalls()
	}
	return c.Calls == nil || c.Calls(call.Name)
}

// part returns a Kernel that another goroutine can load programs into, as the verifier can run on several CPUs at
// once. The fields that it has copied from k must not be changed until takeIn. The BTF cache may be used by several
// goroutines.
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

// ringInWork is a ring buffer that is being created. The kernel zeroes its memory, which may be some hundred
// megabytes; meanwhile the objects are read, and programs that do not use the ring are loaded. Mapping it takes half
// that time again, and is done when all is loaded.
type ringInWork struct {
	made   chan struct{} // closed when m is set, or creating it has failed
	m      *ebpf.Map
	mapped chan struct{} // closed when rd or err is set
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

// loadCalls loads the programs at system calls. It attaches them after born is closed, when the programs at fork are
// attached or have failed, which ends the run: a child must be a target before its first call.
func (k *Kernel) loadCalls(c Config, spec *ebpf.CollectionSpec, born <-chan struct{}) error {
	if c.NoCalls && !c.matchedByCalls() {
		return nil
	}
	return k.watchCalls(c, spec, born)
}

// loadOthers loads the optional parts of calls. An error of one becomes a note.
func (k *Kernel) loadOthers(c Config) {
	if !c.NoCalls {
		k.loadBlocked(c)
		k.loadUring(c)
	}
}

// loadProcess attaches the programs at fork, exec and exit of processes.
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

// load loads programs of an object, and returns them in the order of which. It replaces
// maps by the shared ones and by those in own, which may be nil. It changes spec, so the
// caller must pass a copy if it loads other programs of that object.
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

// noHelper is the number of a helper that no kernel has.
const noHelper = 0xbad1dea

// dropKfuncs makes calls of kfuncs, which come after a test for them or make the program fail to load, calls of a
// helper that does not exist. The library does the same, but first it searches the BTF of each module and of each
// loaded program for each call, which took half of the time on kernels without bpf_rdonly_cast. Such kernels have
// none of the other kfuncs that the programs call.
func dropKfuncs(spec *ebpf.CollectionSpec) {
	for _, p := range spec.Programs {
		for i := range p.Instructions {
			if ins := &p.Instructions[i]; ins.IsKfuncCall() {
				*ins = asm.BuiltinFunc(noHelper).Call()
			}
		}
	}
}

func (k *Kernel) collection(c Config, spec *ebpf.CollectionSpec, own map[string]*ebpf.Map, which ...*ebpf.ProgramSpec) (*ebpf.Collection, error) {
	wanted := map[string]*ebpf.ProgramSpec{}
	for _, p := range which {
		if spec.Programs[p.Name] == nil {
			return nil, fmt.Errorf("program %s: not in the object", p.Name)
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
				// Both types have the same context: the arguments of the tracepoint.
				p.Type, p.AttachType = ebpf.RawTracepoint, ebpf.AttachNone
			}
		}
	}
	if !k.cast {
		dropKfuncs(spec)
	}
	maps.DeleteFunc(spec.Maps, func(name string, _ *ebpf.MapSpec) bool { return !ofSection(name) && !used(spec, name) })
	replace, err := k.Maps.shared(spec)
	if err != nil {
		return nil, err
	}
	for name := range k.Maps.byName() {
		if spec.Maps[name] != nil && replace[name] == nil {
			return nil, fmt.Errorf("map %s: it is shared, and not created yet", name)
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

// used reports whether a program of an object references a map.
func used(spec *ebpf.CollectionSpec, name string) bool {
	for _, p := range spec.Programs {
		if refersTo(p, name) {
			return true
		}
	}
	return false
}

// fill writes the criteria that the BPF programs match.
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

// Release returns the release of the kernel, as uname -r prints it.
func Release() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Release[:])
}

// briefly removes the verifier log from an error.
func briefly(err error) error {
	var ve *ebpf.VerifierError
	if errors.As(err, &ve) {
		return ve.Cause
	}
	return err
}
