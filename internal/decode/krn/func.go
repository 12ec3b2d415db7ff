package krn

import (
	"strconv"
	"strings"

	"github.com/pidwire/pidwire/internal/decode/sock"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/wire"
)

// proto is the prototype of a function.
type proto struct {
	result kind
	args   []param
}

type param struct {
	name string
	kind kind
}

type kind struct {
	base string // s, u, bool, void, ptr, sock, skb, struct, enum; see parseKind
	bits uint8  // size of s and u, in bits
	tab  *event.Table
}

const (
	maxParams = 6
	// maxProtos bounds the memory of prototypes, in bytes. A byte of the text is counted as 16,
	// for the table of enum names.
	maxProtos = 4 << 20
	protoSize = 256
	maxNames  = 256        // names of an enum
	unused    = "__unused" // name of an argument that is not shown: the struct pt_regs of syscall entry points
)

// Proto stores the prototype in a wire.KindSymbol record: RESULT|NAME:TYPE|... It skips
// malformed arguments.
func (d *Decoder) Proto(addr uint64, text string) {
	if text == "" || d.protoBytes > maxProtos {
		return
	}
	d.protoBytes += protoSize + 16*len(text)
	result, rest, _ := strings.Cut(text, "|")
	p := &proto{result: parseKind(result)}
	for rest != "" && len(p.args) < maxParams {
		var one string
		one, rest, _ = strings.Cut(rest, "|")
		name, typ, ok := strings.Cut(one, ":")
		if !ok {
			continue
		}
		p.args = append(p.args, param{name, parseKind(typ)})
	}
	d.protos[addr] = p
}

func parseKind(s string) kind {
	if names, ok := strings.CutPrefix(s, "enum{"); ok {
		var syms []event.Sym
		for one := range strings.SplitSeq(strings.TrimSuffix(names, "}"), ",") {
			name, value, ok := strings.Cut(one, "=")
			n, err := strconv.ParseInt(value, 10, 64)
			if ok && err == nil && len(syms) < maxNames && printable(name) {
				syms = append(syms, event.Sym{Num: uint64(uint32(n)), Name: name})
			}
		}
		return kind{base: "enum", tab: event.NewTable("", syms...)}
	}
	if len(s) > 1 && (s[0] == 's' || s[0] == 'u') {
		if n, err := strconv.ParseUint(s[1:], 10, 8); err == nil && n <= 64 {
			return kind{base: s[:1], bits: uint8(n)}
		}
	}
	return kind{base: s}
}

// printable reports whether s is an identifier of C.
func printable(s string) bool {
	for _, c := range []byte(s) {
		if c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return s != ""
}

// Func decodes the record of a function call or return.
func (d *Decoder) Func(f *wire.Func) *event.Kernel {
	e := d.arena.Kernel()
	e.Tracer, e.Dur, e.Bytes, e.Cookie, e.CPU = event.Pidwire, -1, -1, f.Cookie, int32(f.Cpu)
	if e.Cookie == 0 {
		e.Cookie = f.Owner.Cookie
	}
	e.Context = event.KernelContext(f.Context)
	e.Depth = 1 + int(f.Depth)
	y := d.symbols[symbolKey{0, f.Ip}]
	if e.Name, e.Module = y.name, y.file; e.Name == "" {
		e.Name = "0x" + strconv.FormatUint(f.Ip, 16)
	}
	open := int(f.Depth)
	switch f.What {
	case wire.FuncEnter:
		e.What = event.KernelEnter
		open++
	case wire.FuncLeave:
		e.What = event.KernelLeave
	default:
		e.What = event.KernelLeaf
	}
	d.opens(f.Owner.Tid, open)
	p := d.protos[f.Ip]
	if p == nil {
		p = &proto{result: kind{base: "s", bits: 64}}
	}
	if e.What != event.KernelLeave {
		d.begin(&wire.Kernel{})
		for i := range p.args {
			if p.args[i].name != unused {
				d.arg(&p.args[i], f.Args[i], f)
			}
		}
		e.Fields = d.fields[:d.n:d.n]
	}
	if e.What != event.KernelEnter {
		e.Dur = int64(f.Dur)
		d.gave(e, p.result, f.Ret)
	}
	return e
}

// Open returns the number of traced functions that a thread is in.
func (d *Decoder) Open(tid uint32) int { return d.open[tid] }

// opens sets the number of functions that a thread is in.
func (d *Decoder) opens(tid uint32, n int) {
	if len(d.open) >= maxThreads {
		clear(d.open)
	}
	if n == 0 {
		delete(d.open, tid)
		return
	}
	d.open[tid] = n
}

// arg adds an argument: the value v of a register, formatted by its type.
func (d *Decoder) arg(p *param, v uint64, f *wire.Func) {
	t := event.Token{Kind: event.THex, Num: v}
	switch p.kind.base {
	case "s":
		t = event.Token{Kind: event.TInt, Num: signed(v, p.kind.bits)}
	case "u":
		t = event.Token{Kind: event.TUint, Num: unsigned(v, p.kind.bits)}
	case "bool":
		t = event.Token{Kind: event.TText, Str: [...]string{"false", "true"}[min(v&0xff, 1)]}
	case "enum":
		t = event.Token{Kind: event.TInt, Num: signed(v, 32)}
		if name := p.kind.tab.Name(uint64(uint32(v))); name != "" {
			t = event.Token{Kind: event.TText, Str: name}
		}
	case "sock":
		t = event.Token{Kind: event.TPtr, Num: v}
		if s := ends(f); s != "" && v != 0 {
			t = event.Token{Kind: event.TText, Str: s}
		}
	case "skb":
		t = event.Token{Kind: event.TPtr, Num: v}
		if f.Length != 0 && v != 0 {
			t = event.Token{Kind: event.TText, Str: packetOf(f)}
		}
	case "ptr":
		t = event.Token{Kind: event.TPtr, Num: v}
	case "struct", "void":
		t = event.Token{Kind: event.TMore}
	}
	name := p.name
	if !printable(name) {
		name = "arg"
	}
	d.put(name, t)
}

// ends returns the addresses of the socket argument, "" if there are none.
func ends(f *wire.Func) string {
	if f.Family == 0 {
		return ""
	}
	s := sock.Event(&wire.Sock{Family: f.Family, Lport: f.Lport, Rport: f.Rport, Laddr: f.Laddr, Raddr: f.Raddr})
	if !s.Local.IsValid() && !s.Peer.IsValid() {
		return ""
	}
	text := "*"
	if s.Local.IsValid() {
		text = s.Local.String()
	}
	if s.Peer.IsValid() {
		text += "->" + s.Peer.String()
	}
	return text
}

// packetOf describes the skb argument: its length, and its protocol if the header is already
// there.
func packetOf(f *wire.Func) string {
	text := strconv.FormatUint(uint64(f.Length), 10) + " bytes"
	switch f.Protocol {
	case protoTCP:
		text += " tcp [" + tcpFlags(f.Flags) + "]"
	case protoUDP:
		text += " udp"
	}
	return text
}

// gave sets the return value of a function.
func (d *Decoder) gave(e *event.Kernel, k kind, v int64) {
	const maxErrno = 4095
	switch k.base {
	case "void", "struct":
		return
	case "s", "enum":
		if k.bits == 0 || k.bits > 32 {
			k.bits = max(k.bits, 32)
		}
		v = int64(signed(uint64(v), k.bits))
	case "u":
		v = int64(unsigned(uint64(v), k.bits))
	case "bool":
		v &= 0xff
	default:
		if v < -maxErrno || v >= 0 {
			e.HasRet, e.Ret64, e.RetHex = true, v, true
			return
		}
	}
	d.result(e, v)
}

func signed(v uint64, bits uint8) uint64 {
	shift := 64 - uint(bits)
	return uint64(int64(v<<shift) >> shift)
}

func unsigned(v uint64, bits uint8) uint64 {
	shift := 64 - uint(bits)
	return v << shift >> shift
}
