//go:build linux

// Package names emits records with the names of numbers that are specific to this
// machine, each once before the first record that has the number: users, interfaces, the
// kernel's drop and reset reasons, which differ between kernels, and addresses of
// code, which differ between boots.
package names

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/source/bpf/load"
	"github.com/pidwire/pidwire/internal/source/proc"
	"github.com/pidwire/pidwire/internal/source/usyms"
	"github.com/pidwire/pidwire/internal/wire"
)

// Teller makes the records. It is not safe for concurrent use, except for Module.
type Teller struct {
	kernel *load.Names // nil without layer krn
	listed func(netns uint32) ([]load.Iface, error)
	proc   proc.FS
	self   uint32 // our own pid
	stacks bool   // functions of processes are named
	now    func() uint64
	note   func(text string, emit Emit) error

	users    map[uint32]bool // uids whose names have been emitted
	ifaces   map[uint64]bool // network namespaces whose interfaces have been emitted
	said     map[key]bool    // all other numbers that have been handled
	symbols  *usyms.Resolver
	programs map[uint32]uint32 // number of execs by pid
	buf      []byte
}

// Emit receives records, which are valid until it returns.
type Emit = func(wire.Record) error

type key struct {
	what    uint16
	n       uint64
	pid     uint32 // of symbols; 0: symbols of the kernel
	program uint32
}

// Options configures a Teller.
type Options struct {
	Kernel *load.Names // with layer krn; else nil
	// Interfaces lists the interfaces of a network namespace, given by inode; see load.Kernel.Interfaces.
	Interfaces func(netns uint32) ([]load.Iface, error)
	Proc       proc.FS
	Self       uint32 // our own pid, as in records
	Stacks     bool   // functions of processes are named
	Now        func() uint64
	Note       func(text string, emit Emit) error // emits a note that something does not work
}

// New returns a Teller that has not emitted any names.
func New(o Options) *Teller {
	symbols := usyms.New()
	if pids := o.Proc.Pids; pids != nil {
		symbols.Local = func(pid uint32) uint32 {
			pid, _ = pids.There(pid) // 0, which no process has, if there is none
			return pid
		}
	}
	return &Teller{
		kernel: o.Kernel, listed: o.Interfaces, proc: o.Proc, self: o.Self, stacks: o.Stacks, now: o.Now, note: o.Note,
		users: map[uint32]bool{}, ifaces: map[uint64]bool{}, said: map[key]bool{},
		symbols: symbols, programs: map[uint32]uint32{},
	}
}

const (
	symbolKey = 0xffff // in addition to the values of enum pw_name_what
	// maxSaid is the maximum size of the maps of handled numbers. A full map is cleared.
	maxSaid = 1 << 16
)

// Function emits the name of the function of a KindFunc record.
func (t *Teller) Function(r wire.Record, emit Emit) error {
	if len(r) < wire.SizeFunc {
		return nil
	}
	ip := binary.LittleEndian.Uint64(r[wire.OffFuncIp:])
	if !t.once(symbolKey, ip) || t.kernel.Symbols == nil {
		return nil
	}
	f, _, ok := t.kernel.Symbols.Find(ip)
	if !ok {
		return nil
	}
	// At the time of the entry, so that it precedes all records of that call of the function.
	return t.tellSymbol(ip, 0, f.Name, f.Module, t.kernel.Protos[ip], r.Time()-min(r.Time(), binary.LittleEndian.Uint64(r[wire.OffFuncDur:])), emit)
}

// Event emits the names of the numbers in a kernel event, with the time of the event. They
// must be emitted before it.
func (t *Teller) Event(r wire.Record, emit Emit) error {
	if len(r) < wire.SizeKernel {
		return nil
	}
	if err := t.stacked(r, emit); err != nil {
		return err
	}
	arg := func(i int) uint64 { return binary.LittleEndian.Uint64(r[wire.OffKernelArgs+8*i:]) }
	switch binary.LittleEndian.Uint16(r[wire.OffKernelEvent:]) {
	case wire.EventSkbDrop:
		if err := t.reason(wire.NameDrop, t.kernel.Drops, uint32(arg(0)), r.Time(), emit); err != nil {
			return err
		}
		return t.symbol(arg(1), r.Time(), emit)
	case wire.EventRstSent:
		return t.reason(wire.NameReset, t.kernel.Resets, uint32(arg(0)), r.Time(), emit)
	case wire.EventSkbQueue, wire.EventSkbSend:
		return t.device(r, uint32(arg(1)), emit)
	case wire.EventRoute, wire.EventNeighAsked:
		return t.device(r, uint32(arg(2)), emit)
	case wire.EventNeighNew:
		return t.device(r, uint32(arg(0)), emit)
	case wire.EventNeighFailed, wire.EventNeighFound:
		return t.device(r, uint32(arg(1)), emit)
	}
	return nil
}

// device emits the names of a namespace's interfaces again if ifindex is an interface that
// is new.
func (t *Teller) device(r wire.Record, ifindex uint32, emit Emit) error {
	netns := uint64(binary.LittleEndian.Uint32(r[wire.OffKernelNetns:]))
	if ifindex == 0 || netns == 0 || !t.once(wire.NameIface, netns<<32|uint64(ifindex)) {
		return nil
	}
	delete(t.ifaces, netns)
	pid := binary.LittleEndian.Uint32(r[wire.OffKernelOwner+wire.OffOwnerPid:])
	return t.Interfaces(pid, netns, r.Time(), emit)
}

// once reports whether a number has not been handled before, and marks it as handled.
func (t *Teller) once(what uint16, n uint64) bool {
	return t.first(key{what: what, n: n})
}

func (t *Teller) first(k key) bool {
	if t.said[k] {
		return false
	}
	if len(t.said) >= maxSaid {
		clear(t.said)
	}
	t.said[k] = true
	return true
}

func (t *Teller) reason(what uint16, names map[uint32]string, n uint32, at uint64, emit Emit) error {
	if names[n] == "" || !t.once(what, uint64(n)) {
		return nil
	}
	return t.at(at, what, 0, n, names[n], emit)
}

// symbol emits the function of the kernel that an address of a stack is in.
func (t *Teller) symbol(addr, at uint64, emit Emit) error {
	if addr == 0 || !t.once(symbolKey, addr) {
		return nil
	}
	if t.kernel.Symbols == nil {
		if t.kernel.SymbolsErr != nil {
			return nil
		}
		if t.kernel.ReadSymbols(); t.kernel.SymbolsErr != nil {
			return t.note("kernel functions are shown as addresses: "+t.kernel.SymbolsErr.Error(), emit)
		}
	}
	// A return address is after the call instruction, which may be the last one of a function.
	f, offset, ok := t.kernel.Symbols.Find(addr - 1)
	if !ok {
		return nil
	}
	return t.tellSymbol(addr, offset+1, f.Name, f.Module, "", at, emit)
}

// userSymbol emits the mapped file of a process and the offset in it for an address; elfsyms.Named finds the function.
func (t *Teller) userSymbol(pid uint32, addr, at uint64, emit Emit) error {
	if addr == 0 || !t.first(key{symbolKey, addr, pid, t.programs[pid]}) {
		return nil
	}
	l, ok := t.symbols.Find(pid, addr-1)
	if !ok {
		return nil
	}
	var attrs []byte
	if l.Module != 0 {
		attrs = wire.AppendAttr(attrs, wire.TagModule, string(binary.NativeEndian.AppendUint32(nil, l.Module)))
	}
	return t.emitSymbol(pid, addr, l.Offset+1, wire.AppendAttr(attrs, wire.TagExe, l.File), at, emit)
}

// Module opens a file that a process has mapped, by its number in a symbol record. It is safe for
// concurrent use.
func (t *Teller) Module(id uint32) (*os.File, error) { return t.symbols.Module(id) }

// tellSymbol emits a symbol record of the kernel. name, file and proto may be empty.
func (t *Teller) tellSymbol(addr, offset uint64, name, file, proto string, at uint64, emit Emit) error {
	var attrs []byte
	if name != "" {
		attrs = wire.AppendAttr(attrs, wire.TagName, name)
	}
	if file != "" {
		attrs = wire.AppendAttr(attrs, wire.TagExe, file)
	}
	if proto != "" {
		attrs = wire.AppendAttr(attrs, wire.TagText, proto)
	}
	return t.emitSymbol(0, addr, offset, attrs, at, emit)
}

func (t *Teller) emitSymbol(pid uint32, addr, offset uint64, attrs []byte, at uint64, emit Emit) error {
	y := wire.Symbol{H: wire.Hdr{Kind: wire.KindSymbol, Layer: wire.LayerKrn, Time: at}, Addr: addr, Offset: offset, Pid: pid, Attrs: uint16(len(attrs))}
	return emit(wire.Seal(append(y.Append(t.buf[:0]), attrs...)))
}

// OtherProgram invalidates the symbols of a process that has exec'ed or ended. With
// stacks, it reads the mappings immediately after an exec, because the process may end
// soon.
func (t *Teller) OtherProgram(pid uint32, ended bool) {
	if t.kernel == nil {
		return
	}
	t.symbols.Forget(pid)
	switch {
	case ended:
		delete(t.programs, pid)
	case len(t.programs) < maxSaid:
		t.programs[pid]++
	}
	if t.stacks && !ended {
		t.symbols.Learn(pid)
	}
}

// stacked emits the functions on the stacks of an event.
func (t *Teller) stacked(r wire.Record, emit Emit) error {
	var k wire.Kernel
	var tail wire.KernelTail
	if r[wire.OffKernelNkstack] == 0 && r[wire.OffKernelNustack] == 0 || !wire.KernelParts(r, &k, &tail) {
		return nil
	}
	// The user stack first, because the process may end.
	for b := tail.User; len(b) > 0; b = b[8:] {
		if err := t.userSymbol(k.Owner.Pid, binary.LittleEndian.Uint64(b), r.Time(), emit); err != nil {
			return err
		}
	}
	for b := tail.Kernel; len(b) > 0; b = b[8:] {
		if err := t.symbol(binary.LittleEndian.Uint64(b), r.Time(), emit); err != nil {
			return err
		}
	}
	return nil
}

// User emits the name of a user, once.
func (t *Teller) User(uid uint32, emit Emit) error {
	if t.users[uid] {
		return nil
	}
	if len(t.users) >= maxSaid {
		clear(t.users)
	}
	t.users[uid] = true
	name := proc.UserName(uid)
	if name == "" {
		return nil
	}
	return t.at(t.now(), wire.NameUser, 0, uid, name, emit)
}

// maxNamespaces is the maximum number of network namespaces whose interfaces are named.
const maxNamespaces = 1024

// Interfaces emits the names of the interfaces of a network namespace, in which the process
// pid is, once for each namespace. It emits nothing if they cannot be read.
func (t *Teller) Interfaces(pid uint32, netns, at uint64, emit Emit) error {
	if t.ifaces[netns] || netns == 0 || len(t.ifaces) >= maxNamespaces {
		return nil
	}
	t.ifaces[netns] = true
	list, err := t.interfacesOf(pid, netns)
	if err != nil {
		return nil
	}
	for _, i := range list {
		if t.kernel != nil {
			t.once(wire.NameIface, netns<<32|uint64(i.Index))
		}
		if err := t.at(at, wire.NameIface, netns, i.Index, i.Name, emit); err != nil {
			return err
		}
	}
	return nil
}

// interfacesOf lists the interfaces of a network namespace: by the BPF iterator, or else by a thread that enters
// the namespace of the process.
func (t *Teller) interfacesOf(pid uint32, netns uint64) ([]load.Iface, error) {
	if list, err := t.listed(uint32(netns)); err == nil && len(list) > 0 {
		return list, nil
	}
	if own, err := t.proc.NetNS(t.self); err == nil && own == netns {
		return interfaces()
	}
	f, err := os.Open(t.proc.Path(pid, "ns/net"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, err
	}
	if st.Ino != netns {
		return nil, fmt.Errorf("process %d has left network namespace %d", pid, netns)
	}
	type result struct {
		list []load.Iface
		err  error
	}
	done := make(chan result)
	go func() {
		// Never unlocked: the thread exits with the goroutine, so that no other
		// goroutine runs in that namespace.
		runtime.LockOSThread()
		var r result
		if r.err = unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); r.err == nil {
			r.list, r.err = interfaces()
		}
		done <- r
	}()
	r := <-done
	return r.list, r.err
}

// interfaces lists the interfaces of the network namespace of the calling thread.
func interfaces() (list []load.Iface, err error) {
	all, err := net.Interfaces()
	for _, i := range all {
		list = append(list, load.Iface{Index: uint32(i.Index), Name: i.Name})
	}
	return list, err
}

// at emits the name of an id.
func (t *Teller) at(time uint64, what uint16, netns uint64, id uint32, name string, emit Emit) error {
	attrs := wire.AppendAttr(nil, wire.TagName, name)
	n := wire.Name{
		H:     wire.Hdr{Kind: wire.KindName, Time: time},
		Netns: netns, Id: id, What: what, Attrs: uint16(len(attrs)),
	}
	return emit(wire.Seal(append(n.Append(t.buf[:0]), attrs...)))
}
