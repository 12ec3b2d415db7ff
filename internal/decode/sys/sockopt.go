package sys

import (
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/foreign/keys"
)

var (
	optLevel   = kind{show: (*Decoder).optLevel}
	optSetName = kind{show: (*Decoder).optName}
	optGetName = kind{show: (*Decoder).optName}
	optSet     = kind{show: (*Decoder).optSet}
	optGet     = kind{(*Decoder).optGet, true}
	optGetLen  = kind{(*Decoder).optGetLen, true}
)

// opt is the value of a socket option: n bytes at addr, of which b was captured.
type opt struct {
	addr uint64
	n    int
	b    []byte
	set  bool
}

// shape decodes the value of an option. It returns false if the length, which the process
// chooses, does not fit.
type shape func(d *Decoder, o *opt) bool

// level is a level of options: their names and the decoders of their values.
type level struct {
	num   uint64
	names *event.Table
	vals  []optval
	ints  bool // named options without a decoder are ints
	dense [256]shape
}

// strict reports whether a value that is too short for its decoder is shown as an address.
func (l *level) strict(opt uint32) bool {
	for i := range l.vals {
		if l.vals[i].opt == uint64(opt) {
			return l.vals[i].strict
		}
	}
	return false
}

type optval struct {
	opt    uint64
	show   shape
	strict bool
}

const topLevel = 288

var levelOf [topLevel]*level

func init() {
	for i := range levels {
		l := &levels[i]
		if levelOf[l.num] == nil {
			levelOf[l.num] = l
		}
		for _, v := range l.vals {
			l.dense[v.opt] = v.show
		}
	}
}

func (d *Decoder) level(i int) *level {
	if n := uint64(uint32(d.a[i])); n < topLevel {
		return levelOf[n]
	}
	return nil
}

func (d *Decoder) optLevel(i int) { d.sym("", uint64(uint32(d.a[i])), optLevels) }

func (d *Decoder) optName(i int) {
	v := uint64(uint32(d.a[i]))
	if l := d.level(i - 1); l != nil {
		const soGetFilter = 26
		if l.num == solSocket && v == soGetFilter && i == 2 && d.c.Role.Has(event.GetsOption) {
			d.text("", "SO_GET_FILTER") // same number as SO_ATTACH_FILTER
			return
		}
		d.sym("", v, l.names)
		return
	}
	d.uint("", v)
}

// shapeOf returns the decoder for the option of the call, nil if there is none.
func (d *Decoder) shapeOf() shape {
	l := d.level(1)
	if n := uint64(uint32(d.a[2])); l != nil && n < uint64(len(l.dense)) {
		return l.dense[n]
	}
	return nil
}

// maxOpt bounds the bytes that are decoded of a value. Captures are smaller.
const maxOpt = 4096

func (d *Decoder) optSet(i int) {
	n := int64(int32(d.a[i+1]))
	d.optval(&opt{addr: d.a[i], n: int(n), set: true})
}

func (d *Decoder) optGet(i int) {
	before, after := d.before(d.a[i+1], 4), d.outAll(d.a[i+1], 4)
	if d.failed || after == nil {
		d.ptr("", d.a[i])
		return
	}
	n := s32(after, 0)
	if before != nil {
		// Some options return the length that they would need.
		n = min(n, max(s32(before, 0), 0))
	}
	d.optval(&opt{addr: d.a[i], n: int(n)})
}

func (d *Decoder) optval(o *opt) {
	switch {
	case o.addr == 0 || o.n < 0:
		d.ptr("", o.addr)
		return
	case o.n == 0:
		l := d.level(1)
		if o.set && !(l != nil && (l.strict(uint32(d.a[2])) || l.ints && d.shapeOf() == nil && l.names.Name(uint64(uint32(d.a[2]))) != "")) {
			d.str("", nil, 0)
		} else {
			d.ptr("", o.addr)
		}
		return
	}
	show := d.shapeOf()
	secret := d.secret()
	if n := uint64(min(o.n, maxOpt)); o.set {
		o.b = d.in(o.addr, n)
	} else {
		o.b = d.out(o.addr, n)
	}
	if len(o.b) == 0 && (!secret || d.mem.faulted(o.addr)) {
		d.ptr("", o.addr)
		return
	}
	mark, budget := len(d.toks)-d.tape, d.budget
	if show != nil && show(d, o) {
		return
	}
	// Drop the tokens of the failed decoder.
	d.toks = d.toks[:d.tape+mark]
	d.budget = budget
	if secret {
		d.redact("")
		return
	}
	l := d.level(1)
	switch {
	case l == nil:
	case o.set && l.strict(uint32(d.a[2])):
		d.ptr("", o.addr)
		return
	case !o.set && o.n < 4 && (l.ints || show != nil):
		d.hexstr("", o.b)
		return
	case l.ints && show == nil && l.names.Name(uint64(uint32(d.a[2]))) != "":
		if !optInt(d, o) {
			d.ptr("", o.addr)
		}
		return
	}
	if o.n == 4 && len(o.b) == 4 {
		d.open(event.TArray, "")
		d.int("", s32(o.b, 0))
		d.end()
		return
	}
	d.str("", o.b, uint64(o.n))
}

// secret reports whether the value of the option has a key. It is then shown only by its
// decoder.
func (d *Decoder) secret() bool { return keys.Value(uint32(d.a[1]), uint32(d.a[2])) }

func (d *Decoder) optGetLen(i int) { d.lenOut(d.a[i], false) }

func retOpt(*Decoder) {}

// Decoders of values. Each returns false if the value is too short.

func optInt(d *Decoder, o *opt) bool {
	if len(o.b) < 4 {
		return false
	}
	d.open(event.TArray, "")
	d.int("", s32(o.b, 0))
	d.end()
	return true
}

func optUint64(d *Decoder, o *opt) bool {
	if len(o.b) < 8 {
		return false
	}
	d.open(event.TArray, "")
	d.uint("", u64(o.b, 0))
	d.end()
	return true
}

func optFD(d *Decoder, o *opt) bool {
	if len(o.b) < 4 {
		return false
	}
	d.open(event.TArray, "")
	d.fd("", u32(o.b, 0))
	d.end()
	return true
}

func optHex(d *Decoder, o *opt) bool {
	if len(o.b) < 4 {
		return false
	}
	d.open(event.TArray, "")
	d.hex("", u32(o.b, 0))
	d.end()
	return true
}

// optErrno prints the pending error of a socket, 0 for none.
func optErrno(d *Decoder, o *opt) bool {
	if len(o.b) < 4 {
		return false
	}
	d.open(event.TArray, "")
	d.sym("", uint64(s32(o.b, 0)), errnoTable).Flags |= event.FDec | event.FBare
	d.end()
	return true
}

// optSym returns a decoder for a constant.
func optSym(t *event.Table) shape {
	return func(d *Decoder, o *opt) bool {
		if len(o.b) < 4 {
			return false
		}
		d.open(event.TArray, "")
		d.sym("", u32(o.b, 0), t).Flags |= event.FDec
		d.end()
		return true
	}
}

func optFlags(t *event.Table) shape {
	return func(d *Decoder, o *opt) bool {
		if len(o.b) < 4 {
			return false
		}
		d.open(event.TArray, "")
		d.flags("", u32(o.b, 0), t)
		d.end()
		return true
	}
}

// optString prints a string of any length.
func optString(d *Decoder, o *opt) bool {
	d.str("", o.b, uint64(o.n))
	return true
}

// optProtocol prints SO_PROTOCOL. The names depend on the family of the socket.
func optProtocol(d *Decoder, o *opt) bool {
	if len(o.b) < 4 {
		return false
	}
	d.open(event.TArray, "")
	if s := d.sockOf(d.a[0]); s != nil {
		d.protoOf("", uint64(s.Family), u32(o.b, 0))
	} else {
		d.sym("", u32(o.b, 0), ipProtos).Flags |= event.FDec
	}
	d.end()
	return true
}

func optLinger(d *Decoder, o *opt) bool {
	if o.set && len(o.b) < 8 {
		return false
	}
	d.ints(o.b, "l_onoff", "l_linger")
	return true
}

func optUcred(d *Decoder, o *opt) bool {
	if o.set && len(o.b) < 12 {
		return false
	}
	d.ints(o.b, "pid", "uid", "gid")
	return true
}

// ints decodes a struct of ints. The process may have asked for a part of it.
func (d *Decoder) ints(b []byte, names ...string) {
	d.open(event.TStruct, "")
	for _, f := range names {
		if len(b) < 4 {
			if len(b) > 0 {
				d.hexstr(f, b)
			}
			break
		}
		d.int(f, s32(b, 0))
		b = b[4:]
	}
	d.end()
}

func optTimeval(d *Decoder, o *opt) bool { return d.optTime(o, d.long64) }

func optTimeval64(d *Decoder, o *opt) bool { return d.optTime(o, true) }

func (d *Decoder) optTime(o *opt, wide bool) bool {
	if uint64(len(o.b)) < timeSize(wide) {
		return false
	}
	d.timeOf("", o.b, wide, "tv_usec")
	return true
}

// optAddr decodes a sockaddr: SO_PEERNAME, SO_ORIGINAL_DST.
func optAddr(d *Decoder, o *opt) bool {
	if len(o.b) < 2 {
		return false
	}
	d.sockaddr("", o.b)
	return true
}

func optMeminfo(d *Decoder, o *opt) bool {
	names := [...]string{"rmem_alloc", "rcvbuf", "wmem_alloc", "sndbuf", "fwd_alloc", "wmem_queued", "optmem", "backlog", "drops"}
	if len(o.b) < 4 {
		return false
	}
	d.open(event.TStruct, "")
	for j := 0; j < len(names) && 4*j+4 <= len(o.b); j++ {
		d.uint(names[j], u32(o.b, 4*j))
	}
	d.end()
	return true
}

func optGroups(d *Decoder, o *opt) bool {
	d.open(event.TArray, "").Flags |= event.FLimit
	for j := 0; j+4 <= len(o.b) && !d.spent(); j += 4 {
		d.uint("", u32(o.b, j))
	}
	if o.n > len(o.b) {
		d.more()
	}
	d.end()
	return len(o.b) >= 4
}

func optTxtime(d *Decoder, o *opt) bool {
	if len(o.b) < 8 {
		return false
	}
	d.open(event.TStruct, "")
	d.sym("clockid", u32(o.b, 0), clocks)
	d.flags("flags", u32(o.b, 4), txtimeFlags)
	d.end()
	return true
}

// optTimestamping decodes the flags, and bind_phc if there are 8 bytes.
func optTimestamping(d *Decoder, o *opt) bool {
	switch {
	case len(o.b) >= 8 && u32(o.b, 4) != 0:
		d.open(event.TStruct, "")
		d.flags("flags", u32(o.b, 0), timestampingFlags)
		d.int("bind_phc", s32(o.b, 4))
		d.end()
	case len(o.b) >= 4:
		d.open(event.TArray, "")
		d.flags("", u32(o.b, 0), timestampingFlags)
		d.end()
	default:
		return false
	}
	return true
}

// optTOS prints the TOS byte and its DSCP and ECN fields.
func optTOS(d *Decoder, o *opt) bool {
	v := u8(o.b, 0)
	switch {
	case o.n == 4 && len(o.b) == 4:
		d.open(event.TArray, "")
		d.int("", s32(o.b, 0))
		d.end()
		v = u32(o.b, 0)
	case o.n == 1:
		d.str("", o.b, 1)
	default:
		return false
	}
	d.tosNote(v)
	return true
}

// tosNote appends the names of the DSCP (RFC 2474) and the ECN codepoint (RFC 3168) of a
// TOS byte.
func (d *Decoder) tosNote(v uint64) {
	if v > 0xff {
		return
	}
	s := dscpNames[v>>2]
	if e := ecnNames[v&3]; e != "" {
		if s != "" {
			s += ", "
		}
		s += e
	}
	if s != "" {
		d.note(s)
	}
}

var ecnNames = [4]string{1: "ECT(1)", 2: "ECT(0)", 3: "CE"}

var dscpNames = [64]string{
	1: "LE", 8: "CS1", 10: "AF11", 12: "AF12", 14: "AF13", 16: "CS2", 18: "AF21", 20: "AF22", 22: "AF23", 24: "CS3", 26: "AF31", 28: "AF32", 30: "AF33",
	32: "CS4", 34: "AF41", 36: "AF42", 38: "AF43", 40: "CS5", 44: "VOICE-ADMIT", 46: "EF", 48: "CS6", 56: "CS7",
}

// optFilter decodes struct sock_fprog and its instructions.
func optFilter(d *Decoder, o *opt) bool {
	size := int(2 * d.word)
	if !o.set || o.n < size || len(o.b) < size {
		return false
	}
	d.filter("", o.b)
	return true
}

// optDevice prints the name of an interface.
func optDevice(d *Decoder, o *opt) bool { return optString(d, o) }

// Multicast.

func optMreq(d *Decoder, o *opt) bool {
	if len(o.b) < 8 {
		return false
	}
	d.open(event.TStruct, "")
	d.ipv4("imr_multiaddr", o.b)
	if len(o.b) >= 12 {
		d.ipv4("imr_address", o.b[4:])
		d.ifindex("imr_ifindex", u32(o.b, 8))
	} else {
		d.ipv4("imr_interface", o.b[4:])
	}
	d.end()
	return true
}

// optMulticastIf decodes an address, a struct ip_mreq or a struct ip_mreqn.
func optMulticastIf(d *Decoder, o *opt) bool {
	if len(o.b) >= 8 {
		return optMreq(d, o)
	}
	if len(o.b) < 4 {
		return false
	}
	d.open(event.TArray, "")
	d.ipv4("", o.b)
	d.end()
	return true
}

func optMreqSource(d *Decoder, o *opt) bool {
	if len(o.b) < 12 {
		return false
	}
	d.open(event.TStruct, "")
	d.ipv4("imr_multiaddr", o.b)
	d.ipv4("imr_interface", o.b[4:])
	d.ipv4("imr_sourceaddr", o.b[8:])
	d.end()
	return true
}

func optMsfilter(d *Decoder, o *opt) bool {
	if len(o.b) < 16 {
		return false
	}
	d.open(event.TStruct, "")
	d.ipv4("imsf_multiaddr", o.b)
	d.ipv4("imsf_interface", o.b[4:])
	d.sym("imsf_fmode", u32(o.b, 8), mcastModes)
	n := u32(o.b, 12)
	d.uint("imsf_numsrc", n)
	d.open(event.TArray, "imsf_slist").Flags |= event.FLimit
	for j := uint64(0); j < n; j++ {
		at := 16 + 4*int(j)
		if at+4 > len(o.b) {
			d.more()
			break
		}
		d.ipv4("", o.b[at:])
	}
	d.end()
	d.end()
	return true
}

func optMreq6(d *Decoder, o *opt) bool {
	if len(o.b) < 20 {
		return false
	}
	d.open(event.TStruct, "")
	d.ipv6("ipv6mr_multiaddr", o.b)
	d.ifindex("ipv6mr_interface", u32(o.b, 16))
	d.end()
	return true
}

// groupPad returns the offset of the sockaddr_storage in struct group_req. It is aligned like
// a long.
func (d *Decoder) groupPad() int { return int(d.word) }

func optGroup(d *Decoder, o *opt) bool {
	at := d.groupPad()
	if len(o.b) < at+maxAddr {
		return false
	}
	d.open(event.TStruct, "")
	d.ifindex("gr_interface", u32(o.b, 0))
	d.sockaddr("gr_group", o.b[at:at+maxAddr])
	d.end()
	return true
}

func optGroupSource(d *Decoder, o *opt) bool {
	at := d.groupPad()
	if len(o.b) < at+2*maxAddr && len(o.b) < at+maxAddr+28 {
		return false
	}
	d.open(event.TStruct, "")
	d.ifindex("gsr_interface", u32(o.b, 0))
	d.sockaddr("gsr_group", o.b[at:at+maxAddr])
	// The capture may end in the padding of the second address.
	d.sockaddr("gsr_source", o.b[at+maxAddr:min(len(o.b), at+2*maxAddr)])
	d.end()
	return true
}

// optGroupFilter decodes struct group_filter. The last addresses may not have been captured.
func optGroupFilter(d *Decoder, o *opt) bool {
	at := d.groupPad()
	mode := at + maxAddr
	if len(o.b) < mode+8 {
		return false
	}
	d.open(event.TStruct, "")
	d.ifindex("gf_interface", u32(o.b, 0))
	d.sockaddr("gf_group", o.b[at:mode])
	d.sym("gf_fmode", u32(o.b, mode), mcastModes)
	n := u32(o.b, mode+4)
	d.uint("gf_numsrc", n)
	d.open(event.TArray, "gf_slist").Flags |= event.FLimit
	for j, at := uint64(0), mode+8; j < n; j, at = j+1, at+maxAddr {
		const most = 28 // sizeof(struct sockaddr_in6); the rest is padding
		if at+most > len(o.b) {
			d.more()
			break
		}
		d.sockaddr("", o.b[at:min(len(o.b), at+maxAddr)])
	}
	d.end()
	d.end()
	return true
}

// optCCInfo decodes union tcp_cc_info for BBR, which is identified by its length. Vegas and
// DCTCP have the same length, and are not decoded.
func optCCInfo(d *Decoder, o *opt) bool {
	const bbr = 20
	return o.n == bbr && bbrInfo(d, 0, o.b)
}

func optPortRange(d *Decoder, o *opt) bool {
	if len(o.b) < 4 {
		return false
	}
	v := u32(o.b, 0)
	d.open(event.TArray, "")
	d.hex("", v)
	d.end()
	d.note(decText(v&0xffff) + ".." + decText(v>>16))
	return true
}

func optPktinfo(d *Decoder, o *opt) bool {
	if o.n == 4 || len(o.b) < 20 {
		return optInt(d, o)
	}
	d.open(event.TStruct, "")
	d.ipv6("ipi6_addr", o.b)
	d.ifindex("ipi6_ifindex", u32(o.b, 16))
	d.end()
	return true
}

func optIcmpFilter(d *Decoder, o *opt) bool {
	if len(o.b) < 4 {
		return false
	}
	v := u32(o.b, 0)
	held := 0
	for j := 0; j < 32; j++ {
		held += int(v >> j & 1)
	}
	t := d.open(event.TSet, "")
	if held > 16 {
		t.Flags |= event.FNot
		v = uint64(uint32(^v))
	}
	for j := uint64(0); j < 32; j++ {
		if v>>j&1 != 0 {
			d.sym("", j, icmpTypes).Flags |= event.FDec
		}
	}
	d.end()
	return true
}
