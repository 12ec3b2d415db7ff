package sys

import (
	"bytes"
	"net/netip"
	"unsafe"

	"github.com/pidwire/pidwire/internal/event"
)

// Address families with a decoder (linux/socket.h).
const (
	afUnspec     = 0
	afUnix       = 1
	afInet       = 2
	afAX25       = 3
	afIPX        = 4
	afX25        = 9
	afInet6      = 10
	afKey        = 15
	afNetlink    = 16
	afPacket     = 17
	afPPPoX      = 24
	afLLC        = 26
	afCan        = 29
	afTipc       = 30
	afBluetooth  = 31
	afIucv       = 32
	afRxrpc      = 33
	afIsdn       = 34
	afPhonet     = 35
	afIEEE802154 = 36
	afCaif       = 37
	afAlg        = 38
	afNfc        = 39
	afVsock      = 40
	afKcm        = 41
	afQipcrtr    = 42
	afSmc        = 43
	afXdp        = 44
	afMctp       = 45
)

// maxAddr is sizeof(struct sockaddr_storage), the largest sockaddr.
const maxAddr = 128

func (d *Decoder) addrIn(i int) {
	n := int64(int32(d.a[i+1]))
	d.addrAt("", d.a[i], n, d.inAll)
	if n < 2 || d.a[i] == 0 {
		return
	}
	b := d.inAll(d.a[i], uint64(min(n, maxAddr)))
	d.c.Addr = addrPort(b)
	if len(b) > 2 && u16(b, 0) == afUnix {
		d.c.Path = unixPath(b[2:min(len(b), 2+maxPath)])
	}
}

// maxPath is the size of sun_path (unix(7)).
const maxPath = 108

// unixPath returns the name in sun_path; it aliases b. Of an abstract name every byte is significant.
func unixPath(b []byte) string {
	if i := bytes.IndexByte(b, 0); i > 0 {
		b = b[:i]
	}
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// addrPort parses an IP sockaddr. The result is invalid for other families.
func addrPort(b []byte) netip.AddrPort {
	switch {
	case len(b) >= int(minAddr[afInet]) && u16(b, 0) == afInet:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), be16(b, 2))
	case len(b) >= int(minAddr[afInet6]) && u16(b, 0) == afInet6:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])), be16(b, 2))
	}
	return netip.AddrPort{}
}

// addrAt decodes the sockaddr in n bytes at addr.
func (d *Decoder) addrAt(f string, addr uint64, n int64, read func(addr, n uint64) []byte) {
	if n < 2 || addr == 0 {
		d.ptr(f, addr)
		return
	}
	b := read(addr, uint64(min(n, maxAddr)))
	if b == nil {
		d.ptr(f, addr)
		return
	}
	d.sockaddr(f, b)
}

// sockaddrs and lengths that the kernel returns, as in accept and getsockname. The length
// is the size of the buffer at entry, and the length of the address at exit.

func (d *Decoder) addrOut(i int) {
	before, after := d.before(d.a[i+1], 4), d.outAll(d.a[i+1], 4)
	if d.failed || after == nil || d.a[i] == 0 {
		d.ptr("", d.a[i])
		return
	}
	n := s32(after, 0)
	if before != nil {
		n = min(n, s32(before, 0))
	}
	d.addrAt("", d.a[i], n, d.outAll)
	if n > 0 {
		d.peer(0, d.a[i], uint64(n), d.outAll)
	}
}

func (d *Decoder) addrLenOut(i int) { d.lenOut(d.a[i], false) }

// lenOut prints the length at addr: [128 => 16], or [16] if it did not change.
func (d *Decoder) lenOut(addr uint64, unchanged bool) {
	before, after := d.before(addr, 4), d.outAll(addr, 4)
	if before == nil {
		before = after
	}
	if before == nil {
		d.ptr("", addr)
		return
	}
	d.open(event.TArray, "")
	d.int("", s32(before, 0))
	if !d.failed && !unchanged && after != nil && s32(after, 0) != s32(before, 0) {
		d.arrow()
		d.int("", s32(after, 0))
	}
	d.end()
}

// recvfrom on a stream socket changes neither the address nor the length.
func (d *Decoder) addrRecv(i int)    { d.addrOut(i) }
func (d *Decoder) addrLenRecv(i int) { d.lenOut(d.a[i], false) }

// minAddr has the minimum length of a sockaddr of each family to be decoded.
var minAddr = [afMctp + 1]uint8{
	afUnix: 3, afInet: 16, afAX25: 16, afIPX: 16, afX25: 18, afInet6: 24, afNetlink: 12, afPacket: 18, afPPPoX: 26, afLLC: 16, afCan: 8,
	afTipc: 16, afBluetooth: 4, afIucv: 32, afRxrpc: 36, afPhonet: 16, afIEEE802154: 20, afCaif: 8, afAlg: 25, afNfc: 16, afVsock: 16,
	afQipcrtr: 12, afXdp: 16, afMctp: 12,
}

// sockaddr decodes b, a sockaddr of at least 2 bytes.
func (d *Decoder) sockaddr(f string, b []byte) {
	fam := u16(b, 0)
	d.open(event.TStruct, f)
	d.sym("sa_family", fam, families)
	show := (*Decoder).addrData
	if int(fam) < len(addrShapes) && addrShapes[fam] != nil && len(b) >= int(minAddr[fam]) {
		show = addrShapes[fam]
	}
	if len(b) > 2 {
		show(d, b)
	}
	d.end()
}

// addrShapes has the decoders of the part after the family. init sets it to avoid an
// initialization cycle: an AF_RXRPC address has another sockaddr in it.
var addrShapes [afMctp + 1]func(*Decoder, []byte)

func init() {
	addrShapes = [...]func(*Decoder, []byte){
		afUnix:       (*Decoder).addrUnix,
		afInet:       (*Decoder).addrInet,
		afAX25:       (*Decoder).addrAX25,
		afIPX:        (*Decoder).addrIPX,
		afX25:        (*Decoder).addrX25,
		afInet6:      (*Decoder).addrInet6,
		afNetlink:    (*Decoder).addrNetlink,
		afPacket:     (*Decoder).addrPacket,
		afPPPoX:      (*Decoder).addrPPPoX,
		afLLC:        (*Decoder).addrLLC,
		afCan:        (*Decoder).addrCan,
		afTipc:       (*Decoder).addrTipc,
		afBluetooth:  (*Decoder).addrBluetooth,
		afIucv:       (*Decoder).addrIucv,
		afRxrpc:      (*Decoder).addrRxrpc,
		afPhonet:     (*Decoder).addrPhonet,
		afIEEE802154: (*Decoder).addrIEEE802154,
		afCaif:       (*Decoder).addrCaif,
		afAlg:        (*Decoder).addrAlg,
		afNfc:        (*Decoder).addrNfc,
		afVsock:      (*Decoder).addrVsock,
		afQipcrtr:    (*Decoder).addrQipcrtr,
		afXdp:        (*Decoder).addrXdp,
		afMctp:       (*Decoder).addrMctp,
	}
}

func (d *Decoder) addrData(b []byte) {
	d.str("sa_data", b[2:], uint64(len(b)-2)).Flags |= event.FWhole
}

// addrUnix decodes a path, which need not end in NUL, or an abstract name, in which every byte
// is significant.
func (d *Decoder) addrUnix(b []byte) {
	p := b[2:min(len(b), 2+maxPath)]
	if len(p) == 0 {
		return
	}
	if p[0] == 0 {
		d.str("sun_path", p[1:], uint64(len(p)-1)).Flags |= event.FWhole | event.FAbstract
		return
	}
	d.cstr("sun_path", p)
}

// cstr appends the C string in a field of fixed size, up to its NUL.
func (d *Decoder) cstr(f string, b []byte) *event.Token {
	for i, c := range b {
		if c == 0 {
			b = b[:i]
			break
		}
	}
	t := d.str(f, b, uint64(len(b)))
	t.Flags |= event.FWhole
	return t
}

func (d *Decoder) addrInet(b []byte) {
	d.port("sin_port", be16(b, 2))
	d.ipv4("sin_addr", b[4:])
}

func (d *Decoder) addrInet6(b []byte) {
	d.port("sin6_port", be16(b, 2))
	d.htonl("sin6_flowinfo", be32(b, 4))
	a := b[8:24]
	d.ipv6("sin6_addr", a)
	if len(b) == 24 {
		return
	}
	scope := tailNum(b[24:])
	linkLocal := a[0] == 0xfe && a[1]&0xc0 == 0x80
	linkMulticast := a[0] == 0xff && a[1]&0xf == 2
	if linkLocal || linkMulticast {
		d.ifindex("sin6_scope_id", scope)
	} else {
		d.uint("sin6_scope_id", scope)
	}
}

// tailNum returns the little-endian integer of up to 4 bytes in b; the kernel takes missing
// bytes as 0.
func tailNum(b []byte) (v uint64) {
	for j := 0; j < len(b) && j < 4; j++ {
		v |= uint64(b[j]) << (8 * j)
	}
	return v
}

func (d *Decoder) htonl(f string, v uint64) {
	d.open(event.TFunc, f).Str = "htonl"
	d.uint("", v)
	d.end()
}

func (d *Decoder) addrNetlink(b []byte) {
	if p := u16(b, 2); p != 0 {
		d.hex("nl_pad", p)
	}
	d.int("nl_pid", s32(b, 4))
	d.digits("nl_groups", u32(b, 8), 8)
}

// digits appends a number formatted like %#08x: padded, and without 0x if it is 0.
func (d *Decoder) digits(f string, v uint64, width uint8) {
	d.num(event.TDigits, f, v).Width = width
}

func (d *Decoder) addrPacket(b []byte) {
	d.htonsSym("sll_protocol", uint64(be16(b, 2)), etherTypes)
	d.ifindex("sll_ifindex", u32(b, 4))
	d.sym("sll_hatype", u16(b, 8), arpHards)
	d.sym("sll_pkttype", u8(b, 10), packetTypes)
	d.uint("sll_halen", u8(b, 11))
	if n := int(u8(b, 11)); n > 0 {
		const most = 8
		d.open(event.TArray, "sll_addr")
		for _, c := range b[12:min(12+min(n, most), len(b))] {
			d.digits("", uint64(c), 2)
		}
		if n > most {
			d.more()
		}
		d.end()
	}
}

// bytes appends an array of numbers: [0, 0x1a, 0xff].
func (d *Decoder) bytes(f string, b []byte) {
	d.open(event.TArray, f).Flags |= event.FLimit
	for _, c := range b {
		d.hex("", uint64(c))
	}
	d.end()
}

func (d *Decoder) addrVsock(b []byte) {
	if r := u16(b, 2); r != 0 {
		d.hex("svm_reserved1", r)
	}
	d.sym("svm_cid", u32(b, 8), vsockCids)
	d.sym("svm_port", u32(b, 4), vsockPorts)
	d.flags("svm_flags", u8(b, 12), vsockFlags)
	if b[13]|b[14]|b[15] != 0 {
		d.hexstr("svm_zero", b[13:16])
	}
}

func (d *Decoder) addrAlg(b []byte) {
	d.name("salg_type", b[2:16])
	d.flags("salg_feat", u32(b, 16), algFeats)
	d.flags("salg_mask", u32(b, 20), algFeats)
	d.name("salg_name", b[24:min(len(b), 88)])
}

// name appends the C string in a field of fixed size that should end in NUL. If it does not,
// all but the last byte is printed.
func (d *Decoder) name(f string, b []byte) {
	for _, c := range b {
		if c == 0 {
			d.cstr(f, b)
			return
		}
	}
	d.cstr(f, b[:max(0, len(b)-1)]).Flags |= event.FCut
}

func (d *Decoder) addrXdp(b []byte) {
	d.flags("sxdp_flags", u16(b, 2), xdpFlags)
	d.ifindex("sxdp_ifindex", u32(b, 4))
	d.uint("sxdp_queue_id", u32(b, 8))
	d.fd("sxdp_shared_umem_fd", u32(b, 12))
}

func (d *Decoder) addrQipcrtr(b []byte) {
	d.hex("sq_node", u32(b, 4))
	d.hex("sq_port", u32(b, 8))
}

func (d *Decoder) addrNfc(b []byte) {
	d.ifindex("dev_idx", u32(b, 4))
	d.hex("target_idx", u32(b, 8))
	d.sym("nfc_protocol", u32(b, 12), nfcRFProtos)
}

func (d *Decoder) addrMctp(b []byte) {
	d.hex("smctp_network", u32(b, 4))
	d.open(event.TStruct, "smctp_addr")
	d.sym("s_addr", u8(b, 8), mctpAddrs).Flags |= event.FBare
	d.end()
	d.hex("smctp_type", u8(b, 9))
	d.flags("smctp_tag", u8(b, 10), mctpTags).Flags |= event.FBare
}

// addrTipc decodes the three forms of a TIPC address (linux/tipc.h).
func (d *Decoder) addrTipc(b []byte) {
	form := u8(b, 2)
	d.sym("addrtype", form, tipcAddrTypes)
	d.sym("scope", uint64(int64(int8(u8(b, 3)))), tipcScopes)
	const (
		ranged = 1
		name   = 2
		socket = 3
	)
	switch form {
	case ranged:
		d.open(event.TStruct, "addr.nameseq")
		d.uint("type", u32(b, 4))
		d.uint("lower", u32(b, 8))
		d.uint("upper", u32(b, 12))
	case name:
		d.open(event.TStruct, "addr.name")
		d.open(event.TStruct, "name")
		d.uint("type", u32(b, 4))
		d.uint("instance", u32(b, 8))
		d.end()
		d.uint("domain", u32(b, 12))
	case socket:
		d.open(event.TStruct, "addr.id")
		d.uint("ref", u32(b, 4))
		d.uint("node", u32(b, 8))
	default:
		d.str("addr", b[4:16], 12)
		return
	}
	d.end()
}

// addrBluetooth decodes addresses of HCI, SCO, RFCOMM and L2CAP, which differ by length.
func (d *Decoder) addrBluetooth(b []byte) {
	switch len(b) {
	case 4, 6:
		d.htobs("hci_dev", u16(b, 2), anyType, 0)
		if len(b) > 4 {
			d.sym("hci_channel", u16(b, 4), hciChannels)
		}
	case 8:
		d.mac("sco_bdaddr", b[2:8])
	case 10:
		d.mac("rc_bdaddr", b[2:8])
		d.uint("rc_channel", u8(b, 8))
	case 14, 12:
		d.htobs("l2_psm", u16(b, 2), l2capPSMs, 0x1001)
		d.mac("l2_bdaddr", b[4:10])
		d.htobs("l2_cid", u16(b, 10), l2capCIDs, 0x40)
		if len(b) > 12 {
			d.sym("l2_bdaddr_type", u8(b, 12), btAddrTypes)
		}
	default:
		d.addrData(b)
	}
}

// htobs appends a number in Bluetooth byte order. Numbers above start, if it is not 0, are
// printed as the name of start plus an offset.
func (d *Decoder) htobs(f string, v uint64, t *event.Table, start uint64) {
	d.open(event.TFunc, f).Str = "htobs"
	switch {
	case t.Name(v) != "":
		d.sym("", v, t)
	case start != 0 && v > start:
		d.text("", t.Name(start)+" + "+decText(v-start))
	case start != 0:
		d.hex("", v)
		d.note(t.Unknown)
	default:
		d.uint("", v)
	}
	d.end()
}

func (d *Decoder) addrCan(b []byte) {
	d.ifindex("can_ifindex", u32(b, 4))
	if len(b) < 16 {
		return
	}
	// The rest depends on the protocol of the socket: ISO-TP has two ids, J1939 a name, a
	// PGN and an address.
	var proto uint64
	if len(d.c.Socks) > 0 {
		proto = uint64(d.c.Socks[0].Protocol)
	}
	const isotp, j1939 = 6, 7
	switch proto {
	case isotp:
		d.open(event.TStruct, "tp")
		d.hex("rx_id", u32(b, 8))
		d.hex("tx_id", u32(b, 12))
		d.end()
	case j1939:
		d.open(event.TStruct, "j1939")
		d.hex("name", u64(b, 8))
		d.hex("pgn", u32(b, 16))
		d.hex("addr", u8(b, 20))
		d.end()
	}
}

func (d *Decoder) addrPPPoX(b []byte) {
	proto := u32(b, 2)
	d.sym("sa_protocol", proto, pppoxProtos)
	const pppoe, pptp = 0, 2
	switch proto {
	case pppoe:
		d.uint("sid", uint64(be16(b, 6)))
		d.mac("remote", b[8:14])
		d.cstr("dev", b[14:min(len(b), 30)])
	case pptp:
		d.uint("call_id", u16(b, 6))
		d.ipv4("sin_addr", b[8:12])
	default:
		d.str("sa_addr", b[6:], uint64(len(b)-6))
	}
}

func (d *Decoder) addrLLC(b []byte) {
	d.sym("sllc_arphrd", u16(b, 2), arpHards)
	d.uint("sllc_test", u8(b, 4))
	d.uint("sllc_xid", u8(b, 5))
	d.uint("sllc_ua", u8(b, 6))
	d.hex("sllc_sap", u8(b, 7))
	d.mac("sllc_mac", b[8:14])
}

func (d *Decoder) addrPhonet(b []byte) {
	d.hex("spn_obj", u8(b, 2))
	d.hex("spn_dev", u8(b, 3))
	d.hex("spn_resource", u8(b, 4))
}

func (d *Decoder) addrCaif(b []byte) {
	// The union at offset 4 starts with the type or service of the connection.
	d.hex("u.u32", u32(b, 4))
}

func (d *Decoder) addrIucv(b []byte) {
	d.uint("siucv_port", u16(b, 2))
	d.uint("siucv_addr", u32(b, 4))
	d.str("siucv_nodeid", b[8:16], 8).Flags |= event.FWhole
	d.str("siucv_user_id", b[16:24], 8).Flags |= event.FWhole
	d.str("siucv_name", b[24:32], 8).Flags |= event.FWhole
}

func (d *Decoder) addrRxrpc(b []byte) {
	d.hex("srx_service", u16(b, 2))
	d.sym("transport_type", u16(b, 4), sockTypes)
	d.uint("transport_len", u16(b, 6))
	t := b[8:]
	d.open(event.TStruct, "transport")
	switch fam := u16(t, 0); {
	case fam == afInet && len(t) >= 16:
		d.open(event.TStruct, "sin")
		d.sym("sin_family", fam, families)
		d.addrInet(t)
		d.end()
	case fam == afInet6 && len(t) >= 28:
		d.open(event.TStruct, "sin6")
		d.sym("sin6_family", fam, families)
		d.addrInet6(t[:28])
		d.end()
	default:
		d.sym("family", fam, families)
	}
	d.end()
}

func (d *Decoder) addrIEEE802154(b []byte) {
	kind := u32(b, 4)
	d.open(event.TStruct, "addr")
	d.hex("addr_type", kind)
	if s := ieee802154Types.Name(kind); s != "" {
		d.note(s)
	}
	d.hex("pan_id", u16(b, 8))
	const short, long = 2, 3
	switch kind {
	case short:
		d.hex("short_addr", u16(b, 10))
	case long:
		d.mac("hwaddr", b[10:18])
	}
	d.end()
}

func (d *Decoder) addrIPX(b []byte) {
	d.port("sipx_port", be16(b, 2))
	d.open(event.TFunc, "sipx_network").Str = "htonl"
	d.hex("", be32(b, 4))
	d.end()
	d.open(event.TArray, "sipx_node")
	for _, c := range b[8:14] {
		d.digits("", uint64(c), 2)
	}
	d.end()
	d.digits("sipx_type", u8(b, 14), 2)
}

func (d *Decoder) addrX25(b []byte) {
	d.open(event.TStruct, "sx25_addr")
	d.name("x25_addr", b[2:18])
	d.end()
}

func (d *Decoder) addrAX25(b []byte) {
	d.open(event.TStruct, "fsa_ax25")
	d.callsign("sax25_call", b[2:9])
	d.int("sax25_ndigis", s32(b, 12))
	d.end()
	if n := s32(b, 12); n > 0 {
		d.open(event.TArray, "fsa_digipeater")
		d.more()
		d.end()
	}
}

// callsign decodes an amateur radio address: six characters shifted left by one bit, and
// an SSID.
func (d *Decoder) callsign(f string, b []byte) {
	var s [10]byte
	n := 0
	for _, c := range b[:6] {
		c >>= 1
		if c == ' ' {
			break
		}
		if !(c >= '0' && c <= '9' || c >= 'A' && c <= 'Z') {
			d.open(event.TStruct, f)
			d.hexstr("ax25_call", b[:7])
			d.end()
			return
		}
		s[n] = c
		n++
	}
	d.text(f, string(s[:n])+"-"+decText(uint64(b[6]>>1&0xf)))
}
