package sys

import "github.com/pidwire/pidwire/internal/event"

// Sizes and numbers of linux/netlink.h.
const (
	nlHeader = 16
	// maxNetlink bounds the bytes that are decoded of a buffer.
	maxNetlink = 32 << 10
	maxNesting = 8

	nlmsgNoop, nlmsgError, nlmsgDone, nlmsgMin = 1, 2, 3, 16

	netlinkRoute, netlinkDiag, netlinkXfrm = 0, 4, 6
	netlinkAudit, netlinkGeneric           = 9, 16

	nlaHeader   = 4
	nlaTypeMask = 0x3fff
)

// netlink decodes n bytes of messages; b may be a prefix. It prints several messages as an
// array.
func (d *Decoder) netlink(f string, b []byte, n uint64, proto uint16) {
	if !d.follows(b, n) {
		d.nlmsg(f, b, n, proto)
		return
	}
	d.open(event.TArray, f).Flags |= event.FLimit
	for {
		d.nlmsg("", b, n, proto)
		step := (u32(b, 0) + 3) &^ 3
		if step < nlHeader || step >= n {
			break
		}
		if step+nlHeader > uint64(len(b)) || d.spent() {
			d.more()
			d.cut()
			break
		}
		b, n = b[step:], n-step
		if n < nlHeader {
			break
		}
	}
	d.end()
}

// follows reports whether another message follows the first one.
func (d *Decoder) follows(b []byte, n uint64) bool {
	step := (u32(b, 0) + 3) &^ 3
	return step >= nlHeader && step <= n && n-step >= nlHeader
}

// nlmsg decodes one message: its header and its payload.
func (d *Decoder) nlmsg(f string, b []byte, n uint64, proto uint16) {
	size, kind, flags := u32(b, 0), u16(b, 4), u16(b, 6)
	left := min(size, n)
	if left <= nlHeader {
		d.nlmsghdr(f, b, proto)
		return
	}
	d.open(event.TArray, f)
	d.nlmsghdr("", b, proto)
	body, full := b[nlHeader:min(uint64(len(b)), left)], left-nlHeader
	switch {
	case len(body) == 0:
		d.more()
	case kind == nlmsgDone && len(body) >= 4:
		d.int("", s32(body, 0))
		if len(body) > 4 {
			d.attrs(body[4:], full-4, 0, extAck)
		}
	case kind == nlmsgError && len(body) >= 4+nlHeader && d.depth < maxNesting:
		d.depth++
		d.nlmsgerr(body, full, flags, proto)
		d.depth--
	case kind >= nlmsgMin && proto == netlinkRoute:
		d.rtnetlink(kind, body, full)
	case kind >= nlmsgMin && proto == netlinkDiag:
		d.sockDiag(kind, flags, body, full)
	case kind >= nlmsgMin && proto == netlinkXfrm:
		d.redact("") // XFRM messages have IPsec keys
	default:
		d.nlbytes("", body, full)
	}
	d.end()
}

func (d *Decoder) nlbytes(f string, b []byte, full uint64) { d.hexstr(f, b).Num = full }

func (d *Decoder) nlmsghdr(f string, b []byte, proto uint16) {
	kind, flags := u16(b, 4), u16(b, 6)
	d.open(event.TStruct, f)
	d.uint("nlmsg_len", u32(b, 0))
	d.sym("nlmsg_type", kind, nlmsgTypes(kind, proto))
	d.flags("nlmsg_flags", flags, nlmsgFlags(kind, proto))
	d.uint("nlmsg_seq", u32(b, 8))
	d.uint("nlmsg_pid", u32(b, 12))
	d.end()
}

func nlmsgTypes(kind uint64, proto uint16) *event.Table {
	if kind < nlmsgMin {
		return nlTypes
	}
	switch proto {
	case netlinkRoute:
		return rtmTypes
	case netlinkDiag:
		return diagTypes
	case netlinkAudit:
		return auditTypes
	case netlinkGeneric:
		return genlTypes
	case netlinkXfrm:
		return xfrmTypes
	}
	return nlTypes
}

// nlmsgFlags returns the names of the flags of a message. The upper flags depend on its type.
func nlmsgFlags(kind uint64, proto uint16) *event.Table {
	if kind == nlmsgError || kind == nlmsgDone {
		return nlAckFlags
	}
	if kind < nlmsgMin {
		return nlFlags
	}
	switch proto {
	case netlinkDiag:
		if kind == tcpDiagGetSock || kind == dccpDiagGetSock || kind == diagByFamily {
			return nlGetFlags
		}
	case netlinkRoute:
		// Types of rtnetlink are in groups of four: new, del, get, set.
		switch kind & 3 {
		case 0:
			return nlNewFlags
		case 1:
			return nlDelFlags
		case 2:
			return nlGetFlags
		}
	}
	return nlFlags
}

// nlmsgerr decodes struct nlmsgerr: the error, the request, and the extended ACK.
func (d *Decoder) nlmsgerr(b []byte, full, flags uint64, proto uint16) {
	const capped, tlvs = 0x100, 0x200
	d.open(event.TStruct, "")
	if e := s32(b, 0); e < 0 && errnoTable.Name(uint64(-e)) != "" {
		d.text("error", "-"+errnoTable.Name(uint64(-e)))
	} else {
		d.int("error", e)
	}
	msg, n := b[4:], full-4
	said := uint64(nlHeader)
	if flags&capped == 0 && s32(b, 0) != 0 {
		said = min(max(u32(msg, 0), nlHeader), n)
	}
	if said > nlHeader {
		d.nlmsg("msg", msg[:min(uint64(len(msg)), said)], said, proto)
	} else {
		d.nlmsghdr("msg", msg, proto)
	}
	d.end()
	if at := (said + 3) &^ 3; flags&tlvs != 0 && at < uint64(len(msg)) {
		d.attrs(msg[at:], n-at, 0, extAck)
	}
}

// attrKind decodes the value of an attribute. It returns false if b is invalid. family is the
// address family of the message.
type attrKind func(d *Decoder, family uint64, b []byte) bool

// attrSet has the attributes of a kind of message.
type attrSet struct {
	names *event.Table
	kinds []attrKind // decoders by attribute type; nil: print bytes
}

// attrs decodes full bytes of attributes; b may be a prefix. It prints several attributes as an
// array.
func (d *Decoder) attrs(b []byte, full, family uint64, set *attrSet) {
	if full < nlaHeader {
		return
	}
	if len(b) < nlaHeader || d.depth >= maxNesting {
		d.more()
		return
	}
	d.depth++
	defer func() { d.depth-- }()
	step := (u16(b, 0) + 3) &^ 3
	if u16(b, 0) < nlaHeader || step >= full || full-step < nlaHeader {
		d.attr(b, full, family, set)
		return
	}
	d.open(event.TArray, "").Flags |= event.FLimit
	for {
		d.attr(b, full, family, set)
		size := u16(b, 0)
		step := (size + 3) &^ 3
		if size < nlaHeader || step >= full {
			break
		}
		if step+nlaHeader > uint64(len(b)) || d.spent() {
			d.more()
			d.cut()
			break
		}
		b, full = b[step:], full-step
		if full < nlaHeader {
			break
		}
	}
	d.end()
}

func (d *Decoder) attr(b []byte, full, family uint64, set *attrSet) {
	size, kind := u16(b, 0), u16(b, 2)
	left := min(size, full)
	if left <= nlaHeader {
		d.nlattr(b, set)
		return
	}
	d.open(event.TArray, "")
	d.nlattr(b, set)
	v := b[nlaHeader:min(uint64(len(b)), left)]
	whole := uint64(len(v)) == left-nlaHeader
	show := attrKind(nil)
	if t := kind & nlaTypeMask; set != nil && t < uint64(len(set.kinds)) {
		show = set.kinds[t]
	}
	if !whole || show == nil || !show(d, family, v) {
		d.nlbytes("", v, left-nlaHeader)
	}
	d.end()
}

func (d *Decoder) nlattr(b []byte, set *attrSet) {
	kind := u16(b, 2)
	d.open(event.TStruct, "")
	d.uint("nla_len", u16(b, 0))
	names := anyType
	if set != nil {
		names = set.names
	}
	if kind&^nlaTypeMask != 0 {
		d.flags("nla_type", kind&^nlaTypeMask, nlaFlags)
		d.sym("", kind&nlaTypeMask, names).Flags |= event.FOr
	} else {
		d.sym("nla_type", kind, names)
	}
	d.end()
}

// Decoders of attributes.

func attrStr(d *Decoder, _ uint64, b []byte) bool {
	d.cstr("", b)
	return true
}

func attrU8(d *Decoder, _ uint64, b []byte) bool {
	if len(b) < 1 {
		return false
	}
	d.uint("", u8(b, 0))
	return true
}

func attrU16(d *Decoder, _ uint64, b []byte) bool {
	if len(b) < 2 {
		return false
	}
	d.uint("", u16(b, 0))
	return true
}

func attrU32(d *Decoder, _ uint64, b []byte) bool {
	if len(b) < 4 {
		return false
	}
	d.uint("", u32(b, 0))
	return true
}

func attrS32(d *Decoder, _ uint64, b []byte) bool {
	if len(b) < 4 {
		return false
	}
	d.int("", s32(b, 0))
	return true
}

func attrX32(d *Decoder, _ uint64, b []byte) bool {
	if len(b) < 4 {
		return false
	}
	d.hex("", u32(b, 0))
	return true
}

func attrPort(d *Decoder, _ uint64, b []byte) bool {
	if len(b) < 2 {
		return false
	}
	d.port("", be16(b, 0))
	return true
}

func attrIface(d *Decoder, _ uint64, b []byte) bool {
	if len(b) < 4 {
		return false
	}
	d.ifindex("", u32(b, 0))
	return true
}

func attrMAC(d *Decoder, _ uint64, b []byte) bool {
	d.mac("", b)
	return true
}

// attrIP decodes an address of the family of the message.
func attrIP(d *Decoder, family uint64, b []byte) bool {
	switch {
	case family == afInet && len(b) >= 4:
		d.ipv4("", b)
	case family == afInet6 && len(b) >= 16:
		d.ipv6("", b)
	default:
		return false
	}
	return true
}

func attrSym8(t *event.Table) attrKind {
	return func(d *Decoder, _ uint64, b []byte) bool {
		if len(b) < 1 {
			return false
		}
		d.sym("", u8(b, 0), t)
		return true
	}
}

func attrSym32(t *event.Table) attrKind {
	return func(d *Decoder, _ uint64, b []byte) bool {
		if len(b) < 4 {
			return false
		}
		d.sym("", u32(b, 0), t)
		return true
	}
}

func attrFlags32(t *event.Table) attrKind {
	return func(d *Decoder, _ uint64, b []byte) bool {
		if len(b) < 4 {
			return false
		}
		d.flags("", u32(b, 0), t)
		return true
	}
}

// attrWords returns a decoder for a struct of integers of size bytes. At least the first least
// of them must be present.
func attrWords(size, least int, names ...string) attrKind {
	return func(d *Decoder, _ uint64, b []byte) bool {
		if len(b) < size*least {
			return false
		}
		d.open(event.TStruct, "")
		for j, f := range names {
			if size*(j+1) > len(b) {
				break
			}
			if size == 8 {
				d.uint(f, u64(b, 8*j))
			} else {
				d.uint(f, u32(b, 4*j))
			}
		}
		d.end()
		return true
	}
}

func attrNested(set *attrSet) attrKind {
	return func(d *Decoder, family uint64, b []byte) bool {
		d.attrs(b, uint64(len(b)), family, set)
		return len(b) >= nlaHeader
	}
}

// extAck has the attributes of an extended ACK.
var extAck = &attrSet{nlmsgerrNames, []attrKind{1: attrStr, 2: attrU32, 3: nil, 5: attrU32, 6: attrU32}}
