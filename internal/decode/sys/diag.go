package sys

import "github.com/pidwire/pidwire/internal/event"

// Messages of NETLINK_SOCK_DIAG, as used by ss(8): linux/sock_diag.h, inet_diag.h,
// unix_diag.h, netlink_diag.h, packet_diag.h.

const (
	tcpDiagGetSock, dccpDiagGetSock, diagByFamily, diagDestroy = 18, 19, 20, 21

	nlmRequest = 1

	// diagMD5Sig is INET_DIAG_MD5SIG, which has keys. They are not shown.
	diagMD5Sig = 18
)

// sockDiag decodes the payload of a message: a request, or an answer of the kernel.
func (d *Decoder) sockDiag(kind, flags uint64, b []byte, full uint64) {
	family := u8(b, 0)
	request := flags&nlmRequest != 0
	switch {
	case full < 2:
		d.open(event.TStruct, "")
		d.sym("family", family, families)
		d.end()
	case kind == tcpDiagGetSock || kind == dccpDiagGetSock:
		if family != afInet && family != afInet6 {
			d.diagOther("sdiag_family", "family", b, full, false)
		} else if request {
			d.diag(&inetReqV1, b, full)
		} else {
			d.diag(&inetMsg, b, full)
		}
	case kind != diagByFamily && kind != diagDestroy:
		d.nlbytes("", b, full)
	case family == afInet || family == afInet6:
		if request {
			d.diag(&inetReq, b, full)
		} else {
			d.diag(&inetMsg, b, full)
		}
	case family == afUnix && request:
		d.diag(&unixReq, b, full)
	case family == afUnix:
		d.diag(&unixMsg, b, full)
	case family == afNetlink && request:
		d.diag(&netlinkReq, b, full)
	case family == afNetlink:
		d.diag(&netlinkMsg, b, full)
	case family == afPacket && request:
		d.diag(&packetReq, b, full)
	case family == afPacket:
		d.diag(&packetMsg, b, full)
	default:
		d.diagOther("sdiag_family", "family", b, full, true)
	}
}

// diagOther decodes a payload of an unknown family, or one that is too short.
func (d *Decoder) diagOther(short, name string, b []byte, full uint64, known bool) {
	d.open(event.TStruct, "")
	if known {
		d.sym(name, u8(b, 0), families)
		d.nlbytes("data", b[1:], full-1)
	} else {
		d.sym(short, u8(b, 0), families)
		d.more()
	}
	d.end()
}

// diagBody describes the struct at the start of a message, and the attributes after it.
type diagBody struct {
	size  int
	first string // name of the family field
	show  func(d *Decoder, b []byte)
	attrs *attrSet
}

func (d *Decoder) diag(s *diagBody, b []byte, full uint64) {
	if full < uint64(s.size) {
		d.diagOther(s.first, "", b, full, false)
		return
	}
	d.open(event.TStruct, "")
	d.sym(s.first, u8(b, 0), families)
	if len(b) < s.size {
		d.more()
	} else {
		s.show(d, b)
	}
	d.end()
	at := (s.size + 3) &^ 3
	if full > uint64(at) {
		d.attrs(b[min(at, len(b)):], full-uint64(at), u8(b, 0), s.attrs)
	}
}

// diagSockID decodes struct inet_diag_sockid, 48 bytes at offset o.
func (d *Decoder) diagSockID(family uint64, b []byte, o int) {
	d.open(event.TStruct, "id")
	d.port("idiag_sport", be16(b, o))
	d.port("idiag_dport", be16(b, o+2))
	if family == afInet {
		d.ipv4("idiag_src", b[o+4:])
		d.ipv4("idiag_dst", b[o+20:])
	} else {
		d.ipv6("idiag_src", b[o+4:])
		d.ipv6("idiag_dst", b[o+20:])
	}
	d.ifindex("idiag_if", u32(b, o+36))
	d.diagCookie("idiag_cookie", b, o+40)
	d.end()
}

func (d *Decoder) diagCookie(f string, b []byte, o int) {
	d.open(event.TArray, f)
	d.uint("", u32(b, o))
	d.uint("", u32(b, o+4))
	d.end()
}

var inetReq = diagBody{56, "sdiag_family", func(d *Decoder, b []byte) {
	d.sym("sdiag_protocol", u8(b, 1), ipProtos)
	d.flags("idiag_ext", u8(b, 2), diagExts)
	d.flags("idiag_states", u32(b, 4), diagStates)
	d.diagSockID(u8(b, 0), b, 8)
}, diagReqAttrs}

// inetReqV1 is struct inet_diag_req, from before Linux 3.3.
var inetReqV1 = diagBody{60, "idiag_family", func(d *Decoder, b []byte) {
	d.uint("idiag_src_len", u8(b, 1))
	d.uint("idiag_dst_len", u8(b, 2))
	d.flags("idiag_ext", u8(b, 3), diagExts)
	d.diagSockID(u8(b, 0), b, 4)
	d.flags("idiag_states", u32(b, 52), diagStates)
	d.uint("idiag_dbs", u32(b, 56))
}, diagReqAttrs}

var inetMsg = diagBody{72, "idiag_family", func(d *Decoder, b []byte) {
	d.sym("idiag_state", u8(b, 1), tcpStates)
	d.uint("idiag_timer", u8(b, 2))
	d.uint("idiag_retrans", u8(b, 3))
	d.diagSockID(u8(b, 0), b, 4)
	d.uint("idiag_expires", u32(b, 52))
	d.uint("idiag_rqueue", u32(b, 56))
	d.uint("idiag_wqueue", u32(b, 60))
	d.uint("idiag_uid", u32(b, 64))
	d.uint("idiag_inode", u32(b, 68))
}, inetDiagAttrs}

var unixReq = diagBody{24, "sdiag_family", func(d *Decoder, b []byte) {
	d.uint("sdiag_protocol", u8(b, 1))
	d.flags("udiag_states", u32(b, 4), diagStates)
	d.uint("udiag_ino", u32(b, 8))
	d.flags("udiag_show", u32(b, 12), unixDiagShows)
	d.diagCookie("udiag_cookie", b, 16)
}, nil}

var unixMsg = diagBody{16, "udiag_family", func(d *Decoder, b []byte) {
	d.sym("udiag_type", u8(b, 1), sockTypes)
	d.sym("udiag_state", u8(b, 2), tcpStates)
	d.uint("udiag_ino", u32(b, 4))
	d.diagCookie("udiag_cookie", b, 8)
}, unixDiagAttrs}

var netlinkReq = diagBody{20, "sdiag_family", func(d *Decoder, b []byte) {
	const all = 255
	if p := u8(b, 1); p == all {
		d.text("sdiag_protocol", "NDIAG_PROTO_ALL")
	} else {
		d.sym("sdiag_protocol", p, netlinkProtos)
	}
	d.uint("ndiag_ino", u32(b, 4))
	d.flags("ndiag_show", u32(b, 8), netlinkDiagShows)
	d.diagCookie("ndiag_cookie", b, 12)
}, nil}

var netlinkMsg = diagBody{28, "ndiag_family", func(d *Decoder, b []byte) {
	d.sym("ndiag_type", u8(b, 1), sockTypes)
	d.sym("ndiag_protocol", u8(b, 2), netlinkProtos)
	d.sym("ndiag_state", u8(b, 3), tcpStates)
	d.uint("ndiag_portid", u32(b, 4))
	d.uint("ndiag_dst_portid", u32(b, 8))
	d.uint("ndiag_dst_group", u32(b, 12))
	d.uint("ndiag_ino", u32(b, 16))
	d.diagCookie("ndiag_cookie", b, 20)
}, netlinkDiagAttrs}

var packetReq = diagBody{20, "sdiag_family", func(d *Decoder, b []byte) {
	d.hexZero("sdiag_protocol", u8(b, 1))
	d.uint("pdiag_ino", u32(b, 4))
	d.flags("pdiag_show", u32(b, 8), packetDiagShows)
	d.diagCookie("pdiag_cookie", b, 12)
}, nil}

var packetMsg = diagBody{16, "pdiag_family", func(d *Decoder, b []byte) {
	d.sym("pdiag_type", u8(b, 1), sockTypes)
	d.sym("pdiag_num", u16(b, 2), etherTypes)
	d.uint("pdiag_ino", u32(b, 4))
	d.diagCookie("pdiag_cookie", b, 8)
}, packetDiagAttrs}

// hexZero prints a number in hexadecimal, but 0 without 0x.
func (d *Decoder) hexZero(f string, v uint64) {
	if v == 0 {
		d.uint(f, 0)
	} else {
		d.hex(f, v)
	}
}

// Attributes.

var diagReqAttrs = &attrSet{diagReqNames, []attrKind{
	1: attrBytecode,
	3: attrSym32(ipProtos),
}}

var inetDiagAttrs = &attrSet{inetDiagNames, []attrKind{
	1:          attrWords(4, 4, "idiag_rmem", "idiag_wmem", "idiag_fmem", "idiag_tmem"),
	2:          attrTCPInfo,
	3:          attrWords(4, 4, "tcpv_enabled", "tcpv_rttcnt", "tcpv_rtt", "tcpv_minrtt"),
	4:          attrStr,
	5:          attrU8,
	6:          attrU8,
	7:          attrMeminfo,
	8:          attrShutdown,
	9:          attrDCTCP,
	10:         attrSym8(ipProtos),
	11:         attrU8,
	15:         attrU32,
	16:         bbrInfo,
	17:         attrU32,
	diagMD5Sig: attrMD5Sig,
	21:         attrU64,
	22:         attrSockopt,
}}

// bbrInfo is struct tcp_bbr_info.
var bbrInfo = attrWords(4, 5, "bbr_bw_lo", "bbr_bw_hi", "bbr_min_rtt", "bbr_pacing_gain", "bbr_cwnd_gain")

var unixDiagAttrs = &attrSet{unixDiagNames, []attrKind{
	0: attrPath,
	1: attrVFS,
	2: attrU32,
	3: attrInodes,
	4: attrWords(4, 2, "udiag_rqueue", "udiag_wqueue"),
	5: attrMeminfo,
	6: attrShutdown,
	7: attrU32,
}}

var netlinkDiagAttrs = &attrSet{netlinkDiagNames, []attrKind{
	0: attrMeminfo,
	1: attrGroups,
	2: netlinkRing,
	3: netlinkRing,
	4: attrFlags32(netlinkDiagFlags),
}}

var netlinkRing = attrWords(4, 4, "ndr_block_size", "ndr_block_nr", "ndr_frame_size", "ndr_frame_nr")

var packetDiagAttrs = &attrSet{packetDiagNames, []attrKind{
	0: attrPacketInfo,
	1: attrPacketMclist,
	2: packetRing,
	3: packetRing,
	4: attrFanout,
	5: attrU32,
	6: attrMeminfo,
	7: attrFilter,
}}

var packetRing = attrWords(4, 7, "pdr_block_size", "pdr_block_nr", "pdr_frame_size", "pdr_frame_nr", "pdr_retire_tmo", "pdr_sizeof_priv", "pdr_features")

func attrU64(d *Decoder, _ uint64, b []byte) bool {
	if len(b) < 8 {
		return false
	}
	d.uint("", u64(b, 0))
	return true
}

func attrTCPInfo(d *Decoder, _ uint64, b []byte) bool {
	if len(b) < 8 {
		return false
	}
	d.open(event.TStruct, "")
	d.tcpInfo(b)
	d.end()
	return true
}

func attrShutdown(d *Decoder, _ uint64, b []byte) bool {
	if len(b) < 1 {
		return false
	}
	d.flags("", u8(b, 0), diagShutdowns)
	return true
}

// attrMeminfo decodes an array indexed by SK_MEMINFO_*.
func attrMeminfo(d *Decoder, _ uint64, b []byte) bool {
	if len(b) < 4 {
		return false
	}
	d.open(event.TArray, "").Flags |= event.FLimit
	for i := range len(b) / 4 {
		name := ""
		if i < len(meminfoNames) {
			name = meminfoNames[i]
		}
		d.uint(name, u32(b, 4*i))
	}
	d.end()
	return true
}

func attrDCTCP(d *Decoder, _ uint64, b []byte) bool {
	if len(b) < 16 {
		return false
	}
	d.open(event.TStruct, "")
	d.uint("dctcp_enabled", u16(b, 0))
	d.uint("dctcp_ce_state", u16(b, 2))
	d.uint("dctcp_alpha", u32(b, 4))
	d.uint("dctcp_ab_ecn", u32(b, 8))
	d.uint("dctcp_ab_tot", u32(b, 12))
	d.end()
	return true
}

// attrMD5Sig decodes an array of struct tcp_diag_md5sig: 100 bytes, of which the last 80
// are the key.
func attrMD5Sig(d *Decoder, _ uint64, b []byte) bool {
	const each = 100
	d.open(event.TArray, "").Flags |= event.FLimit
	for ; len(b) >= each && !d.spent(); b = b[each:] {
		d.open(event.TStruct, "")
		d.sym("tcpm_family", u8(b, 0), families)
		d.uint("tcpm_prefixlen", u8(b, 1))
		d.uint("tcpm_keylen", u16(b, 2))
		if u8(b, 0) == afInet6 {
			d.ipv6("tcpm_addr", b[4:])
		} else {
			d.ipv4("tcpm_addr", b[4:])
		}
		d.redact("")
		d.end()
	}
	d.end()
	return true
}

// attrSockopt decodes struct inet_diag_sockopt: two bytes of bit fields. It prints those
// that are set.
func attrSockopt(d *Decoder, _ uint64, b []byte) bool {
	if len(b) < 2 {
		return false
	}
	v := u16(b, 0)
	d.open(event.TStruct, "")
	for i, name := range sockoptBits {
		if v>>i&1 != 0 {
			d.uint(name, 1)
		}
	}
	d.end()
	return true
}

// attrBytecode decodes a filter, an array of struct inet_diag_bc_op.
func attrBytecode(d *Decoder, _ uint64, b []byte) bool {
	if len(b) < 4 {
		return false
	}
	many := len(b) >= 8
	if many {
		d.open(event.TArray, "").Flags |= event.FLimit
	}
	for ; len(b) >= 4 && !d.spent(); b = b[4:] {
		d.open(event.TStruct, "")
		d.sym("code", u8(b, 0), diagCodes)
		d.uint("yes", u8(b, 1))
		d.uint("no", u16(b, 2))
		d.end()
	}
	if many {
		d.end()
	}
	return true
}

// attrPath decodes the name of a UNIX socket; an abstract name starts with NUL.
func attrPath(d *Decoder, _ uint64, b []byte) bool {
	if len(b) > 0 && b[0] == 0 {
		d.str("", b[1:], uint64(len(b)-1)).Flags |= event.FAbstract
		return true
	}
	d.cstr("", b)
	return true
}

func attrVFS(d *Decoder, _ uint64, b []byte) bool {
	if len(b) < 8 {
		return false
	}
	d.open(event.TStruct, "")
	dev := u32(b, 4)
	d.tok(event.TFunc, "udiag_vfs_dev").Str = "makedev"
	d.hexZero("", dev>>20&0xfff)
	d.hexZero("", dev&0xfffff)
	d.end()
	d.uint("udiag_vfs_ino", u32(b, 0))
	d.end()
	return true
}

func attrInodes(d *Decoder, _ uint64, b []byte) bool {
	if len(b) < 4 {
		return false
	}
	d.open(event.TArray, "").Flags |= event.FLimit
	for ; len(b) >= 4 && !d.spent(); b = b[4:] {
		d.uint("", u32(b, 0))
	}
	d.end()
	return true
}

// attrGroups decodes a bitmap of multicast groups, an array of unsigned long.
func attrGroups(d *Decoder, _ uint64, b []byte) bool {
	w := int(d.word)
	if len(b) < w {
		return false
	}
	d.open(event.TArray, "").Flags |= event.FLimit
	for ; len(b) >= w && !d.spent(); b = b[w:] {
		d.num(event.TDigits, "", d.long(b, 0)).Width = uint8(2 * w)
	}
	d.end()
	return true
}

func attrPacketInfo(d *Decoder, _ uint64, b []byte) bool {
	if len(b) < 24 {
		return false
	}
	d.open(event.TStruct, "")
	d.ifindex("pdi_index", u32(b, 0))
	d.sym("pdi_version", u32(b, 4), tpacketVersions)
	d.uint("pdi_reserve", u32(b, 8))
	d.uint("pdi_copy_thresh", u32(b, 12))
	d.uint("pdi_tstamp", u32(b, 16))
	d.flags("pdi_flags", u32(b, 20), packetDiagFlags)
	d.end()
	return true
}

func attrPacketMclist(d *Decoder, _ uint64, b []byte) bool {
	const each = 44
	if len(b) < each {
		return false
	}
	d.open(event.TArray, "").Flags |= event.FLimit
	for ; len(b) >= each && !d.spent(); b = b[each:] {
		d.open(event.TStruct, "")
		d.ifindex("pdmc_index", u32(b, 0))
		d.uint("pdmc_count", u32(b, 4))
		d.uint("pdmc_type", u16(b, 8))
		n := u16(b, 10)
		d.uint("pdmc_alen", n)
		addr := b[12 : 12+min(n, 32)]
		d.str("pdmc_addr", addr, uint64(len(addr)))
		d.end()
	}
	d.end()
	return true
}

func attrFanout(d *Decoder, _ uint64, b []byte) bool {
	if len(b) < 4 {
		return false
	}
	d.hexZero("", u32(b, 0))
	return true
}

// attrFilter decodes a classic BPF program, as in SO_ATTACH_FILTER.
func attrFilter(d *Decoder, _ uint64, b []byte) bool {
	if len(b) < 8 {
		return false
	}
	d.open(event.TArray, "").Flags |= event.FLimit
	for ; len(b) >= 8 && !d.spent(); b = b[8:] {
		d.insn(b)
	}
	d.end()
	return true
}
