package sys

import "github.com/pidwire/pidwire/internal/event"

var (
	offset3       = kind{show: (*Decoder).offset3}
	offsetHalves  = kind{show: (*Decoder).offsetHalves}
	rwfBits       = kind{show: (*Decoder).rwfBits}
	offsetInOut   = kind{(*Decoder).offsetInOut, true}
	offset64InOut = kind{(*Decoder).offset64InOut, true}
	offsetSplice  = kind{show: (*Decoder).offsetSplice}
	spliceBits    = bits(spliceFlags)
	fcntlArg      = kind{show: (*Decoder).fcntlArg}
	hexBits       = kind{show: func(d *Decoder, i int) { d.num(event.TFlags, "", d.a[i]) }}
)

// offset3 decodes the offset of pread64: one register, or two on 32-bit ABIs. ARM aligns the
// pair to an even register.
func (d *Decoder) offset3(int) {
	switch event.ABI(d.s.Abi) {
	case event.I386:
		d.int("", int64(d.a[3]|d.a[4]<<32))
	case event.ARM:
		d.int("", int64(d.a[4]|d.a[5]<<32))
	default:
		d.int("", int64(d.a[3]))
	}
}

// offsetHalves decodes the offset of preadv, which has two registers on all ABIs but x32. On
// 64-bit ABIs the low one has the whole offset.
func (d *Decoder) offsetHalves(i int) {
	if d.word == 4 && event.ABI(d.s.Abi) != event.X32 {
		d.int("", int64(d.a[i]|d.a[i+1]<<32))
		return
	}
	d.int("", int64(d.a[i]))
}

// rwfBits decodes the flags of preadv2. They follow the two registers of the offset, of which
// x32 has only one.
func (d *Decoder) rwfBits(i int) {
	v := d.a[i+1]
	if event.ABI(d.s.Abi) == event.X32 {
		v = d.a[i]
	}
	d.flags("", uint64(uint32(v)), rwfFlags)
}

func (d *Decoder) offsetInOut(i int)   { d.offset(i, d.long64) }
func (d *Decoder) offset64InOut(i int) { d.offset(i, true) }

// offset prints the offset of sendfile before and after the call: [0] => [10].
func (d *Decoder) offset(i int, wide bool) {
	n := uint64(8)
	if !wide {
		n = 4
	}
	addr := d.a[i]
	before, after := d.before(addr, n), d.outAll(addr, n)
	if before == nil {
		before = after
	}
	if before == nil {
		d.ptr("", addr)
		return
	}
	read := func(b []byte) int64 {
		if wide {
			return s64(b, 0)
		}
		return s32(b, 0)
	}
	d.list(read(before))
	if after != nil && !d.failed && read(after) != read(before) {
		d.arrow()
		d.list(read(after))
	}
}

func (d *Decoder) list(v int64) {
	d.open(event.TArray, "")
	d.int("", v)
	d.end()
}

func (d *Decoder) offsetSplice(i int) {
	b := d.inAll(d.a[i], 8)
	if b == nil {
		d.ptr("", d.a[i])
		return
	}
	d.list(s64(b, 0))
	if after := d.outAll(d.a[i], 8); d.done && !d.failed && after != nil && s64(after, 0) != s64(b, 0) {
		d.arrow()
		d.list(s64(after, 0))
	}
}

func retSplice(d *Decoder) {
	d.c.Bytes = max(d.ret, 0)
	// The data is read from the socket if the input fd is one.
	if s := d.sockOf(d.a[0]); s != nil {
		d.c.In = true
	}
}

// Commands of fcntl whose argument has its own type (asm-generic/fcntl.h, linux/fcntl.h).
const (
	fDupfd, fGetfd, fSetfd, fGetfl, fSetfl = 0, 1, 2, 3, 4
	fSetown, fGetown, fSetsig, fGetsig     = 8, 9, 10, 11
	fSetownEx, fGetownEx                   = 15, 16
	fGetownerUids                          = 17
	fDupfdCloexec, fDupfdQuery             = 1030, 1027
	fSetpipeSz, fGetpipeSz                 = 1031, 1032
	fGetlease, fSetlease                   = 1025, 1024
	fGetSeals, fAddSeals                   = 1034, 1033
)

func (d *Decoder) fcntlArg(i int) {
	v := d.a[i]
	switch uint32(d.a[1]) {
	case fGetfd, fGetfl, fGetown, fGetsig, fGetpipeSz, fGetlease, fGetSeals:
		return // no argument
	case fSetfd:
		d.flags("", uint64(uint32(v)), fdFlags)
	case fSetfl:
		d.openFlags(uint64(uint32(v)))
	case fDupfd, fDupfdCloexec, fDupfdQuery:
		d.int("", int64(int32(v)))
	case fSetlease:
		d.sym("", v, leases)
	case fAddSeals:
		d.flags("", v, seals)
	case fSetown, fSetpipeSz:
		d.int("", int64(int32(v)))
	case fSetsig:
		d.sym("", v, signals).Flags |= event.FDec | event.FBare
	case fSetownEx, fGetownEx:
		b := d.inAll(v, 8)
		if uint32(d.a[1]) == fGetownEx {
			b = d.outAll(v, 8)
		}
		if b == nil || d.failed && uint32(d.a[1]) == fGetownEx {
			d.ptr("", v)
			return
		}
		d.open(event.TStruct, "")
		d.sym("type", u32(b, 0), ownerTypes)
		d.int("pid", s32(b, 4))
		d.end()
	default:
		d.hex("", v)
	}
}

// openFlags prints open flags: the access mode first.
func (d *Decoder) openFlags(v uint64) {
	const mode = 3
	d.sym("", v&mode, accessModes)
	if v &^= mode; v != 0 {
		d.flags("", v, openFlags).Flags |= event.FOr
	}
}

func retFcntl(d *Decoder) {
	switch uint32(d.a[1]) {
	case fDupfd, fDupfdCloexec:
		retFD(d)
	case fGetfd:
		if d.ret == 0 {
			return
		}
		retHex(d)
		d.begin()
		d.flags("flags", uint64(d.ret), fdFlags)
		d.c.Aux = d.finish()
	case fGetfl:
		retHex(d)
		d.begin()
		const mode = 3
		v := uint64(d.ret)
		d.sym("flags", v&mode, accessModes)
		if v &^= mode; v != 0 {
			d.flags("", v, openFlags).Flags |= event.FOr
		}
		d.c.Aux = d.finish()
	case fGetlease:
		retHex(d)
		d.begin()
		d.sym("", uint64(d.ret), leases).Flags |= event.FBare
		d.c.Aux = d.finish()
	case fGetsig:
		if name := signals.Name(uint64(d.ret)); name != "" {
			d.begin()
			d.text("", name)
			d.c.Aux = d.finish()
		}
	}
}
