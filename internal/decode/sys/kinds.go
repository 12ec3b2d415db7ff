package sys

import "github.com/pidwire/pidwire/internal/event"

// kind decodes an argument. exit means that the argument can only be decoded after the
// call has returned.
type kind struct {
	show func(d *Decoder, i int)
	exit bool
}

// The kinds of arguments. They have access to all arguments, for a length is a separate
// argument next to its pointer.
var (
	fd      = kind{show: func(d *Decoder, i int) { d.fd("", d.a[i]) }}
	dec     = kind{show: func(d *Decoder, i int) { d.int("", int64(int32(d.a[i]))) }}
	udec    = kind{show: func(d *Decoder, i int) { d.uint("", uint64(uint32(d.a[i]))) }}
	ulong   = kind{show: func(d *Decoder, i int) { d.uint("", d.a[i]) }}
	hexa    = kind{show: func(d *Decoder, i int) { d.hex("", d.a[i]) }}
	pointer = kind{show: func(d *Decoder, i int) { d.ptr("", d.a[i]) }}
	opcode  = func(t *event.Table) kind {
		return kind{show: func(d *Decoder, i int) { d.sym("", uint64(uint32(d.a[i])), t) }}
	}
	bits = func(t *event.Table) kind {
		return kind{show: func(d *Decoder, i int) { d.flags("", uint64(uint32(d.a[i])), t) }}
	}

	family    = opcode(families)
	sockType  = kind{show: (*Decoder).sockType}
	protocol  = kind{show: (*Decoder).protocol}
	how       = opcode(shutHows)
	msgBits   = bits(MsgFlags)
	sockFlags = bits(sockTypeFlags)

	addrIn      = kind{show: (*Decoder).addrIn}  // length: the next argument
	addrOut     = kind{(*Decoder).addrOut, true} // pointer to the length: the next argument
	addrLenOut  = kind{(*Decoder).addrLenOut, true}
	addrRecv    = kind{(*Decoder).addrRecv, true}
	addrLenRecv = kind{(*Decoder).addrLenRecv, true}

	bufIn  = kind{show: (*Decoder).bufIn} // length: the next argument
	bufOut = kind{(*Decoder).bufOut, true}
	iovIn  = kind{show: (*Decoder).iovIn}
	iovOut = kind{(*Decoder).iovOut, true}

	pair = kind{(*Decoder).fdPair, true}
)

// sockType prints the socket type and the flags in the same argument. An unknown type is
// printed as part of the flags.
func (d *Decoder) sockType(i int) {
	const mask = 0xf
	v := uint64(uint32(d.a[i]))
	t, rest := v&mask, v&^mask
	if sockTypes.Name(t) == "" {
		d.flags("", v, sockTypeFlags)
		return
	}
	d.sym("", t, sockTypes)
	if rest != 0 {
		d.flags("", rest, sockTypeFlags).Flags |= event.FOr
	}
}

// protocol prints the third argument of socket and socketpair, whose names depend on the
// family.
func (d *Decoder) protocol(i int) {
	switch uint32(d.a[0]) {
	case afInet, afInet6, afNetlink, afPacket:
		d.protoOf("", d.a[0], uint64(uint32(d.a[i])))
	default:
		d.protoOf("", d.a[0], d.a[i])
	}
}

func (d *Decoder) protoOf(f string, family, v uint64) {
	switch uint32(family) {
	case afInet, afInet6:
		d.sym(f, v, ipProtos)
	case afNetlink:
		d.sym(f, v, netlinkProtos)
	case afPacket:
		d.htonsSym(f, swap16(v), etherTypes)
	case afBluetooth:
		d.sym(f, v, btProtos)
	case afCan:
		d.sym(f, v, canProtos)
	case afCaif:
		d.sym(f, v, caifProtos)
	case afPhonet:
		d.sym(f, v, phonetProtos)
	case afNfc:
		d.sym(f, v, nfcProtos)
	case afKcm:
		d.sym(f, v, kcmProtos)
	case afSmc:
		d.sym(f, v, smcProtos)
	case afIsdn:
		d.sym(f, v, isdnProtos)
	default:
		d.uint(f, v)
	}
}

func swap16(v uint64) uint64 { return v>>8&0xff | v&0xff<<8 }

// htonsSym appends a constant in network byte order: htons(ETH_P_ALL).
func (d *Decoder) htonsSym(f string, v uint64, t *event.Table) {
	d.open(event.TFunc, f).Str = "htons"
	d.sym("", v, t)
	d.end()
}

func (d *Decoder) fdPair(i int) {
	b := d.outAll(d.a[i], 8)
	if d.failed || b == nil {
		d.ptr("", d.a[i])
		return
	}
	d.open(event.TArray, "")
	d.fd("", u32(b, 0))
	d.fd("", u32(b, 4))
	d.end()
}

func (d *Decoder) bufIn(i int) { d.payload("", d.a[i], d.a[i+1], d.in) }

func (d *Decoder) bufOut(i int) {
	if d.failed {
		d.ptr("", d.a[i])
		return
	}
	n := uint64(d.ret)
	if n > d.a[i+1] {
		n = d.a[i+1] // with MSG_TRUNC the result is the full length of the datagram
	}
	d.payload("", d.a[i], n, d.out)
}

// data prints the captured part of n bytes of payload at addr.
func (d *Decoder) data(f string, addr, n uint64, read func(addr, n uint64) []byte) {
	if addr == 0 {
		d.ptr(f, 0)
		return
	}
	if n == 0 {
		d.str(f, nil, 0)
		return
	}
	b := read(addr, n)
	d.piece(b, n)
	b = b[:min(uint64(len(b)), d.strlen)]
	// If a fault ended the capture early, print the address only, as a tracer does.
	if len(b) == 0 || uint64(len(b)) < min(n, d.strlen) && d.mem.faulted(addr+uint64(len(b))) {
		d.ptr(f, addr)
		return
	}
	d.str(f, b, n)
}

// piece adds n bytes to the payload, of which b was captured.
func (d *Decoder) piece(b []byte, n uint64) {
	if d.done && !d.failed {
		d.pieces = append(d.pieces, event.Piece{Data: b, Len: int64(min(n, 1<<40)), Msg: d.msg})
	}
}

// peer sets the address of the pieces of the current message, which is at addr.
func (d *Decoder) peer(from int, addr, n uint64, read func(addr, n uint64) []byte) {
	if addr == 0 || from == len(d.pieces) {
		return
	}
	a := addrPort(read(addr, min(n, maxAddr)))
	for i := from; i < len(d.pieces); i++ {
		d.pieces[i].Peer = a
	}
}

// takePayload moves the pieces to the call. They have no more bytes than the call has moved.
func (d *Decoder) takePayload() {
	c := d.c
	left := c.Bytes
	if c.Redacted || left <= 0 || len(d.pieces) == 0 {
		return
	}
	n := 0
	for i := range d.pieces {
		p := &d.pieces[i]
		if !p.Peer.IsValid() {
			p.Peer = c.Addr // of sendto
		}
		if p.Len = min(p.Len, left); p.Len < int64(len(p.Data)) {
			p.Data = p.Data[:p.Len:p.Len]
		}
		left -= p.Len
		if p.Len > 0 {
			n = i + 1
		}
	}
	c.Payload = d.arena.Pieces(n)
	copy(c.Payload, d.pieces)
}

// Return values that are not plain numbers.

func retFD(d *Decoder) {
	d.begin()
	d.fd("", uint64(d.ret))
	d.c.Out = d.finish()
}

func retHex(d *Decoder) {
	d.begin()
	d.hex("", uint64(d.ret))
	d.c.Out = d.finish()
}
