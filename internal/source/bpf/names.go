//go:build linux

package bpf

import (
	"encoding/binary"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/pidwire/pidwire/internal/source/ksyms"
	"github.com/pidwire/pidwire/internal/source/usyms"
	"github.com/pidwire/pidwire/internal/wire"
)

// nameTeller tells what numbers of this kernel mean, each once before the first
// record that has it: reasons, whose numbers differ from kernel to kernel, and
// addresses of code, which differ from boot to boot.
type nameTeller struct {
	drops, resets map[uint32]string // of the kernel's BTF
	said          map[nameKey]bool
	syms          *ksyms.Table
	symsErr       error
	user          *usyms.Resolver
	programs      map[uint32]uint32 // how many a process has exec'ed
	protos        map[uint64]string // of functions that are traced, by address
}

type nameKey struct {
	what    uint16
	n       uint64
	pid     uint32 // of symbols; 0: the kernel's
	program uint32
}

const (
	symbolKey = 0xffff // beside the names of enum pw_name_what
	// maxSaid bounds what is remembered of what was said.
	maxSaid = 1 << 16
)

// reasonsOf reads an enum of the kernel's, without its prefix.
func reasonsOf(types *btf.Spec, name, prefix string) map[uint32]string {
	var e *btf.Enum
	if types == nil || types.TypeByName(name, &e) != nil {
		return nil
	}
	m := map[uint32]string{}
	for _, v := range e.Values {
		m[uint32(v.Value)] = strings.TrimPrefix(v.Name, prefix)
	}
	return m
}

func newNameTeller(types *btf.Spec) *nameTeller {
	return &nameTeller{
		drops:  reasonsOf(types, "skb_drop_reason", "SKB_DROP_REASON_"),
		resets: reasonsOf(types, "sk_rst_reason", "SK_RST_REASON_"),
		said:   map[nameKey]bool{},
		user:   usyms.New(), programs: map[uint32]uint32{}, protos: map[uint64]string{},
	}
}

// funcName tells which function a thread went through.
func (s *Source) funcName(r wire.Record, emit func(wire.Record) error) error {
	if len(r) < wire.SizeFunc {
		return nil
	}
	t, ip := s.k.names, binary.LittleEndian.Uint64(r[wire.OffFuncIp:])
	if !t.once(symbolKey, ip) || t.syms == nil {
		return nil
	}
	f, _, ok := t.syms.Find(ip)
	if !ok {
		return nil
	}
	// At the entry of the call, if that is earlier: this stands before all that is of it.
	return s.tellSymbol(0, ip, 0, f.Name, f.Module, t.protos[ip], r.Time()-min(r.Time(), binary.LittleEndian.Uint64(r[wire.OffFuncDur:])), emit)
}

// eventNames tells what the numbers of a kernel event mean, at the event's own
// time: it stands before it.
func (s *Source) eventNames(r wire.Record, emit func(wire.Record) error) error {
	if len(r) < wire.SizeKernel {
		return nil
	}
	if err := s.stackNames(r, emit); err != nil {
		return err
	}
	arg := func(i int) uint64 { return binary.LittleEndian.Uint64(r[wire.OffKernelArgs+8*i:]) }
	switch binary.LittleEndian.Uint16(r[wire.OffKernelEvent:]) {
	case wire.EventSkbDrop:
		if err := s.reason(wire.NameDrop, s.k.names.drops, uint32(arg(0)), r.Time(), emit); err != nil {
			return err
		}
		return s.symbol(arg(1), r.Time(), emit)
	case wire.EventRstSent:
		return s.reason(wire.NameReset, s.k.names.resets, uint32(arg(0)), r.Time(), emit)
	case wire.EventSkbQueue, wire.EventSkbSend:
		return s.device(r, uint32(arg(1)), emit)
	case wire.EventRoute, wire.EventNeighAsked:
		return s.device(r, uint32(arg(2)), emit)
	case wire.EventNeighNew:
		return s.device(r, uint32(arg(0)), emit)
	case wire.EventNeighFailed, wire.EventNeighFound:
		return s.device(r, uint32(arg(1)), emit)
	}
	return nil
}

// device tells the names of a namespace's interfaces again when there is one
// that has come since.
func (s *Source) device(r wire.Record, ifindex uint32, emit func(wire.Record) error) error {
	netns := uint64(binary.LittleEndian.Uint32(r[wire.OffKernelNetns:]))
	if ifindex == 0 || netns == 0 || !s.k.names.once(wire.NameIface, netns<<32|uint64(ifindex)) {
		return nil
	}
	delete(s.ifaces, netns)
	pid := binary.LittleEndian.Uint32(r[wire.OffKernelOwner+wire.OffOwnerPid:])
	return s.ifaceNames(pid, netns, r.Time(), emit)
}

// once reports whether something is to be said for the first time.
func (t *nameTeller) once(what uint16, n uint64) bool {
	return t.first(nameKey{what: what, n: n})
}

func (t *nameTeller) first(k nameKey) bool {
	if t.said[k] {
		return false
	}
	if len(t.said) >= maxSaid {
		clear(t.said)
	}
	t.said[k] = true
	return true
}

func (s *Source) reason(what uint16, names map[uint32]string, n uint32, at uint64, emit func(wire.Record) error) error {
	if names[n] == "" || !s.k.names.once(what, uint64(n)) {
		return nil
	}
	return s.nameAt(at, what, 0, n, names[n], emit)
}

// readSymbols reads the kernel's table. It takes a tenth of a second.
func (t *nameTeller) readSymbols() { t.syms, t.symsErr = ksyms.Read() }

// symbol tells which function an address of the kernel is in.
func (s *Source) symbol(addr, at uint64, emit func(wire.Record) error) error {
	t := s.k.names
	if addr == 0 || !t.once(symbolKey, addr) {
		return nil
	}
	if t.syms == nil {
		if t.symsErr != nil {
			return nil
		}
		if t.readSymbols(); t.symsErr != nil {
			return s.note("functions of the kernel are shown as addresses: "+t.symsErr.Error(), "", emit)
		}
	}
	// A frame goes on behind its call, which may be a function's last instruction.
	f, offset, ok := t.syms.Find(addr - 1)
	if !ok {
		return nil
	}
	return s.tellSymbol(0, addr, offset+1, f.Name, f.Module, "", at, emit)
}

// userSymbol tells which function of a process an address is in.
func (s *Source) userSymbol(pid uint32, addr, at uint64, emit func(wire.Record) error) error {
	t := s.k.names
	if addr == 0 || !t.first(nameKey{symbolKey, addr, pid, t.programs[pid]}) {
		return nil
	}
	l, ok := t.user.Find(pid, addr-1)
	if !ok {
		return nil
	}
	return s.tellSymbol(pid, addr, l.Offset+1, l.Name, l.File, "", at, emit)
}

func (s *Source) tellSymbol(pid uint32, addr, offset uint64, name, file, proto string, at uint64, emit func(wire.Record) error) error {
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
	y := wire.Symbol{H: wire.Hdr{Kind: wire.KindSymbol, Layer: wire.LayerKrn, Time: at}, Addr: addr, Offset: offset, Pid: pid, Attrs: uint16(len(attrs))}
	return emit(wire.Seal(append(y.Append(s.buf[:0]), attrs...)))
}

// otherProgram says that what was known of a process's code is so no more. Where
// stacks are wanted, what is mapped is read at once: it may end soon.
func (t *nameTeller) otherProgram(pid uint32, ended, stacks bool) {
	t.user.Forget(pid)
	switch {
	case ended:
		delete(t.programs, pid)
	case len(t.programs) < maxSaid:
		t.programs[pid]++
	}
	if stacks && !ended {
		t.user.Learn(pid)
	}
}

// frames is the room of a stack in a record, FRAMES in bpf/kernel.h.
const frames = 64

// compact cuts off what a record has room for and does not hold: what is behind
// the addresses that are there, and between and behind the stacks.
func compact(r wire.Record) wire.Record {
	r = r[:min(uint32(len(r)), binary.LittleEndian.Uint32(r))]
	const full = wire.SizeKernel + 2*16 + 2*8*frames
	if len(r) < full {
		return r
	}
	kernel, user := min(int(r[wire.OffKernelNkstack]), frames), min(int(r[wire.OffKernelNustack]), frames)
	at := wire.SizeKernel + 16*min(int(r[wire.OffKernelNaddr]), 2)
	at += copy(r[at:], r[wire.SizeKernel+2*16:][:8*kernel])
	at += copy(r[at:], r[wire.SizeKernel+2*16+8*frames:][:8*user])
	binary.LittleEndian.PutUint32(r, uint32(at))
	return r[:at]
}

// stackNames tells which functions are on the stacks of an event.
func (s *Source) stackNames(r wire.Record, emit func(wire.Record) error) error {
	var k wire.Kernel
	var t wire.KernelTail
	if r[wire.OffKernelNkstack] == 0 && r[wire.OffKernelNustack] == 0 || !wire.KernelParts(r, &k, &t) {
		return nil
	}
	// The process first: it may end.
	for b := t.User; len(b) > 0; b = b[8:] {
		if err := s.userSymbol(k.Owner.Pid, binary.LittleEndian.Uint64(b), r.Time(), emit); err != nil {
			return err
		}
	}
	for b := t.Kernel; len(b) > 0; b = b[8:] {
		if err := s.symbol(binary.LittleEndian.Uint64(b), r.Time(), emit); err != nil {
			return err
		}
	}
	return nil
}
