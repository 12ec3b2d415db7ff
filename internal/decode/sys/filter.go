package sys

import "github.com/pidwire/pidwire/internal/event"

// filter decodes struct sock_fprog: the length and the instructions of a classic BPF program.
func (d *Decoder) filter(f string, b []byte) {
	n, addr := u16(b, 0), d.long(b, int(d.word))
	const insn, most = 8, 4096
	d.open(event.TStruct, f)
	d.uint("len", n)
	first := d.inAll(addr, insn)
	if first == nil || n == 0 || n > most {
		d.ptr("filter", addr)
		d.end()
		return
	}
	d.num(event.TPtr, "filter", addr).Flags |= event.FBrief
	d.open(event.TArray, "filter").Flags |= event.FVerbose
	for j := uint64(0); j < n; j++ {
		b := d.inAll(addr+insn*j, insn)
		if b == nil || d.spent() {
			d.tail(addr + insn*j)
			break
		}
		d.insn(b)
	}
	d.end()
	d.end()
}

// insn decodes one instruction (linux/bpf_common.h).
func (d *Decoder) insn(b []byte) {
	code, jt, jf, k := u16(b, 0), u8(b, 2), u8(b, 3), u32(b, 4)
	jump := jt != 0 || jf != 0
	if jump {
		d.open(event.TFunc, "").Str = "BPF_JUMP"
	} else {
		d.open(event.TFunc, "").Str = "BPF_STMT"
	}
	const (
		ld, ldx, st, stx, alu, jmp, ret, misc = 0, 1, 2, 3, 4, 5, 6, 7
	)
	class := code & 7
	d.sym("", class, bpfClasses)
	or := func(v uint64, t *event.Table) { d.sym("", v, t).Flags |= event.FOr }
	rest := func(v uint64) {
		if v != 0 {
			or(v, anyType)
		}
	}
	switch class {
	case ld, ldx:
		or(code&0x18, bpfSizes)
		or(code&0xe0, bpfModes)
		rest(code &^ 0xff)
	case st, stx:
		rest(code &^ 7)
	case alu:
		or(code&0x08, bpfSources)
		or(code&0xf0, bpfALUOps)
		rest(code &^ 0xff)
	case jmp:
		or(code&0x08, bpfSources)
		or(code&0xf0, bpfJumps)
		rest(code &^ 0xff)
	case ret:
		or(code&0x18, bpfReturns)
		rest(code &^ 0x1f)
	case misc:
		or(code&0xf8, bpfMisc)
		rest(code &^ 0xff)
	}
	const skfOff = 0xfffff000
	if class == ld && code&0xe0 == 0x20 && k >= skfOff {
		d.sym("", skfOff, bpfOffsets)
		d.plus(k - skfOff)
	} else {
		d.hex("", k)
	}
	if jump {
		d.hex("", jt)
		d.hex("", jf)
	}
	d.end()
}

// plus replaces the previous token by one for an ancillary offset: SKF_AD_OFF+SKF_AD_PKTTYPE.
func (d *Decoder) plus(v uint64) {
	t := &d.toks[len(d.toks)-1]
	if name := bpfAncillary.Name(v); name != "" {
		*t = event.Token{Kind: event.TText, Str: "SKF_AD_OFF+" + name}
		return
	}
	*t = event.Token{Kind: event.THex, Num: 0xfffff000 + v}
}
