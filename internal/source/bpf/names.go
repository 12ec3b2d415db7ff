//go:build linux

package bpf

import (
	"encoding/binary"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/pidwire/pidwire/internal/source/ksyms"
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
}

type nameKey struct {
	what uint16
	n    uint64
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
	}
}

// eventNames tells what the numbers of a kernel event mean, at the event's own
// time: it stands before it.
func (s *Source) eventNames(r wire.Record, emit func(wire.Record) error) error {
	if len(r) < wire.SizeKernel {
		return nil
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
	k := nameKey{what, n}
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

// symbol tells which function an address of the kernel is in.
func (s *Source) symbol(addr, at uint64, emit func(wire.Record) error) error {
	t := s.k.names
	if addr == 0 || !t.once(symbolKey, addr) {
		return nil
	}
	if t.syms == nil && t.symsErr == nil {
		if t.syms, t.symsErr = ksyms.Read(); t.symsErr != nil {
			return s.note("functions of the kernel are shown as addresses: "+t.symsErr.Error(), "", emit)
		}
	}
	if t.syms == nil {
		return nil
	}
	f, offset, ok := t.syms.Find(addr)
	if !ok {
		return nil
	}
	attrs := wire.AppendAttr(nil, wire.TagName, f.Name)
	if f.Module != "" {
		attrs = wire.AppendAttr(attrs, wire.TagExe, f.Module)
	}
	y := wire.Symbol{H: wire.Hdr{Kind: wire.KindSymbol, Layer: wire.LayerKrn, Time: at}, Addr: addr, Offset: offset, Attrs: uint16(len(attrs))}
	return emit(wire.Seal(append(y.Append(s.buf[:0]), attrs...)))
}
