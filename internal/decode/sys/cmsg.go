package sys

import (
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/foreign/keys"
)

// Levels of socket options and control messages (include/linux/socket.h).
const (
	solIP      = 0
	solSocket  = 1
	solTCP     = 6
	solUDP     = 17
	solIPv6    = 41
	solICMPv6  = 58
	solCanRaw  = 101
	solSCTP    = 132
	solUDPLite = 136
	solRaw     = 255
	solPacket  = 263
	solLLC     = 268
	solDCCP    = 269
	solNetlink = 270
	solTIPC    = 271
	solRxrpc   = 272
	solPPPoL2  = 273
	solBT      = 274
	solPNPipe  = 275
	solRDS     = 276
	solIUCV    = 277
	solCAIF    = 278
	solALG     = 279
	solNFC     = 280
	solKCM     = 281
	solTLS     = 282
	solXDP     = 283
	solMPTCP   = 284
	solMCTP    = 285
	solSMC     = 286
	solVsock   = 287
)

// control decodes the control messages in n bytes at addr. If n is 0 it prints nothing.
func (d *Decoder) control(addr, n uint64, read func(addr, n uint64) []byte) {
	if n == 0 {
		return
	}
	const most = 4096
	if addr == 0 {
		d.ptr("msg_control", 0)
		return
	}
	head := d.word + 8
	if n < head {
		d.ptr("msg_control", addr)
		return
	}
	b := read(addr, min(n, most))
	if uint64(len(b)) < head {
		d.ptr("msg_control", addr)
		return
	}
	d.open(event.TArray, "msg_control")
	d.cmsgs(b, addr, n)
	d.end()
}

// cmsgs decodes a list of struct cmsghdr: a length of the size of long, level, type, data,
// each entry aligned to that size. b may be a prefix of the n bytes at addr.
func (d *Decoder) cmsgs(b []byte, addr, n uint64) {
	word := d.word
	head := word + 8
	for off := uint64(0); off+head <= n; {
		if off+head > uint64(len(b)) || d.spent() {
			d.more()
			return
		}
		c := b[off:]
		size := d.long(c, 0)
		level, kind := u32(c, int(word)), u32(c, int(word)+4)
		d.open(event.TStruct, "")
		d.uint("cmsg_len", size)
		d.sym("cmsg_level", level, sockLevels)
		d.sym("cmsg_type", kind, cmsgTypes(level))
		left := n - off
		data := min(size, left)
		if data > head {
			p := c[head:min(uint64(len(c)), data)]
			if uint64(len(p)) < data-head {
				d.cut()
			}
			d.cmsg(level, kind, p)
		}
		d.end()
		step := (max(size, head) + word - 1) &^ (word - 1)
		if step < size || step > left {
			return
		}
		off += step
		if rest := n - off; size < head || rest > 0 && rest < head {
			d.fault(addr + off)
			return
		}
	}
}

// cut marks the call as truncated by the capture.
func (d *Decoder) cut() { d.c.Cut = true }

func cmsgTypes(level uint64) *event.Table {
	switch level {
	case solSocket:
		return scmTypes
	case solIP:
		return ipCmsgs
	case solIPv6:
		return ipv6Cmsgs
	case solTCP:
		return tcpCmsgs
	case solUDP:
		return udpOptions
	case solTLS:
		return tlsCmsgs
	case solPacket:
		return packetOptions
	case solNetlink:
		return netlinkOptions
	case solALG:
		return algOptions
	case solSCTP:
		return sctpCmsgs
	case solRxrpc:
		return rxrpcCmsgs
	}
	return anyType
}

type cmsgShape struct {
	level, kind uint64
	least       int // minimum length of the data
	show        func(d *Decoder, b []byte)
}

// cmsgShapes has the decoders of control message data. Other data is printed as bytes.
var cmsgShapes = []cmsgShape{
	{solSocket, scmRights, 4, (*Decoder).cmsgFDs},
	{solSocket, scmCredentials, 12, func(d *Decoder, b []byte) { d.ucred("cmsg_data", b) }},
	{solSocket, scmSecurity, 1, func(d *Decoder, b []byte) { d.str("cmsg_data", b, uint64(len(b))) }},
	{solSocket, scmPidfd, 4, func(d *Decoder, b []byte) { d.fd("cmsg_data", u32(b, 0)) }},
	{solSocket, soTimestampOld, 8, func(d *Decoder, b []byte) { d.cmsgTime(b, d.long64, "tv_usec") }},
	{solSocket, soTimestampNew, 16, func(d *Decoder, b []byte) { d.cmsgTime(b, true, "tv_usec") }},
	{solSocket, soTimestampnsOld, 8, func(d *Decoder, b []byte) { d.cmsgTime(b, d.long64, "tv_nsec") }},
	{solSocket, soTimestampnsNew, 16, func(d *Decoder, b []byte) { d.cmsgTime(b, true, "tv_nsec") }},
	{solSocket, soTimestampingOld, 24, func(d *Decoder, b []byte) { d.cmsgTimes(b, d.long64) }},
	{solSocket, soTimestampingNew, 48, func(d *Decoder, b []byte) { d.cmsgTimes(b, true) }},
	{solSocket, soRxqOvfl, 4, (*Decoder).cmsgUint},
	{solSocket, soMark, 4, (*Decoder).cmsgUint},
	{solSocket, soPriority, 4, (*Decoder).cmsgUint},
	{solSocket, soTxtime, 8, func(d *Decoder, b []byte) { d.list1(event.TUint, u64(b, 0)) }},
	{solSocket, scmTsOptID, 4, (*Decoder).cmsgUint},
	{solSocket, soInq, 4, (*Decoder).cmsgInt},

	{solIP, ipPktinfo, 12, (*Decoder).cmsgPktinfo},
	{solIP, ipTTL, 4, (*Decoder).cmsgUint},
	{solIP, ipTOS, 1, func(d *Decoder, b []byte) {
		d.bytes("cmsg_data", b)
		d.tosNote(u8(b, 0))
	}},
	{solIP, ipRecverr, 16, (*Decoder).cmsgErr},
	{solIP, ipOrigdst, 16, func(d *Decoder, b []byte) { d.sockaddr("cmsg_data", b) }},
	{solIP, ipChecksum, 4, (*Decoder).cmsgUint},
	{solIP, ipRecvopts, 1, (*Decoder).cmsgBytes},
	{solIP, ipRetopts, 1, (*Decoder).cmsgBytes},
	{solIP, ipRecvfragsize, 4, (*Decoder).cmsgInt},
	{solIP, ipProtocol, 4, func(d *Decoder, b []byte) { d.listSym(u32(b, 0), ipProtos) }},

	{solIPv6, ipv6Pktinfo, 20, (*Decoder).cmsgPktinfo6},
	{solIPv6, ipv6Hoplimit, 4, (*Decoder).cmsgInt},
	{solIPv6, ipv6Tclass, 4, func(d *Decoder, b []byte) { d.cmsgTOS(u32(b, 0)) }},
	{solIPv6, ipv6Recverr, 16, (*Decoder).cmsgErr},
	{solIPv6, ipv6Origdst, 24, func(d *Decoder, b []byte) { d.sockaddr("cmsg_data", b) }},
	{solIPv6, ipv6Flowinfo, 4, func(d *Decoder, b []byte) {
		d.open(event.TArray, "cmsg_data")
		d.htonl("", be32(b, 0))
		d.end()
	}},
	{solIPv6, ipv6Recvfragsize, 4, (*Decoder).cmsgInt},
	{solIPv6, ipv6Dontfrag, 4, (*Decoder).cmsgInt},

	{solUDP, udpSegment, 2, func(d *Decoder, b []byte) { d.list1(event.TUint, u16(b, 0)) }},
	{solUDP, udpGRO, 4, (*Decoder).cmsgInt},
	{solTCP, tcpInq, 4, (*Decoder).cmsgInt},
	{solTLS, tlsSetRecord, 1, func(d *Decoder, b []byte) { d.listSym(u8(b, 0), tlsRecords) }},
	{solTLS, tlsGetRecord, 1, func(d *Decoder, b []byte) { d.listSym(u8(b, 0), tlsRecords) }},
	{solPacket, packetAuxdata, 20, (*Decoder).cmsgAuxdata},
	{solNetlink, netlinkPktinfo, 4, func(d *Decoder, b []byte) {
		d.open(event.TStruct, "cmsg_data")
		d.uint("group", u32(b, 0))
		d.end()
	}},
	{solALG, algSetOp, 4, func(d *Decoder, b []byte) { d.listSym(u32(b, 0), algOps) }},
	{solALG, algSetIV, 4, func(d *Decoder, b []byte) {
		// The initialization vector is not shown: it is of use only
		// together with the ciphertext.
		d.open(event.TStruct, "cmsg_data")
		d.uint("ivlen", u32(b, 0))
		d.note("iv not shown")
		d.end()
		d.c.Redacted = true
	}},
	{solALG, algSetAssoclen, 4, (*Decoder).cmsgUint},
}

// Types of control messages with a decoder (asm-generic/socket.h,
// include/linux/socket.h, linux/in.h, linux/in6.h, linux/udp.h, linux/tls.h).
const (
	scmRights, scmCredentials, scmSecurity, scmPidfd = 1, 2, 3, 4
	soTimestampOld, soTimestampnsOld                 = 29, 35
	soTimestampingOld                                = 37
	soTimestampNew, soTimestampnsNew                 = 63, 64
	soTimestampingNew                                = 65
	soRxqOvfl, soTxtime, scmTsOptID, soInq           = 40, 61, 81, 84
	soMark, soPriority                               = 36, 12
	ipTOS, ipTTL, ipRecvopts, ipRetopts, ipPktinfo   = 1, 2, 6, 7, 8
	ipRecverr, ipOrigdst, ipChecksum, ipRecvfragsize = 11, 20, 23, 25
	ipProtocol                                       = 52
	ipv6Flowinfo, ipv6Recverr, ipv6Pktinfo           = 11, 25, 50
	ipv6Hoplimit, ipv6Dontfrag, ipv6Tclass           = 52, 62, 67
	ipv6Origdst, ipv6Recvfragsize                    = 74, 77
	udpSegment, udpGRO, tcpInq                       = 103, 104, 36
	tlsSetRecord, tlsGetRecord                       = 1, 2
	packetAuxdata, netlinkPktinfo                    = 8, 3
	algSetIV, algSetOp, algSetAssoclen               = 2, 3, 4
)

func (d *Decoder) cmsg(level, kind uint64, b []byte) {
	if level == solALG && keys.Value(uint32(level), uint32(kind)) {
		d.redact("cmsg_data")
		return
	}
	for i := range cmsgShapes {
		s := &cmsgShapes[i]
		if s.level == level && s.kind == kind && len(b) >= s.least {
			s.show(d, b)
			return
		}
	}
	d.hexstr("cmsg_data", b)
}

// redact prints a placeholder instead of a key.
func (d *Decoder) redact(f string) {
	d.tok(event.TMore, f)
	d.note("key not shown")
	d.c.Redacted = true
}

func (d *Decoder) list1(kind event.TokenKind, v uint64) {
	d.open(event.TArray, "cmsg_data")
	d.num(kind, "", v)
	d.end()
}

func (d *Decoder) listSym(v uint64, t *event.Table) {
	d.open(event.TArray, "cmsg_data")
	d.sym("", v, t)
	d.end()
}

func (d *Decoder) cmsgUint(b []byte) { d.list1(event.TUint, u32(b, 0)) }
func (d *Decoder) cmsgInt(b []byte)  { d.list1(event.TInt, uint64(s32(b, 0))) }

func (d *Decoder) cmsgFDs(b []byte) {
	d.open(event.TArray, "cmsg_data").Flags |= event.FLimit
	for o := 0; o+4 <= len(b) && !d.spent(); o += 4 {
		d.fd("", u32(b, o))
	}
	d.end()
}

func (d *Decoder) ucred(f string, b []byte) {
	d.open(event.TStruct, f)
	d.int("pid", s32(b, 0))
	d.int("uid", s32(b, 4))
	d.int("gid", s32(b, 8))
	d.end()
}

func (d *Decoder) cmsgTime(b []byte, wide bool, frac string) {
	if uint64(len(b)) < timeSize(wide) {
		d.hexstr("cmsg_data", b)
		return
	}
	d.timeOf("cmsg_data", b, wide, frac)
}

// cmsgTimes decodes struct scm_timestamping: software, hardware transformed to system time (no
// longer used), and raw hardware timestamp.
func (d *Decoder) cmsgTimes(b []byte, wide bool) {
	n := int(timeSize(wide))
	if len(b) < 3*n {
		d.hexstr("cmsg_data", b)
		return
	}
	d.open(event.TArray, "cmsg_data")
	for j := 0; j < 3; j++ {
		d.timeOf("", b[j*n:], wide, "tv_nsec")
	}
	d.end()
}

func (d *Decoder) cmsgTOS(v uint64) {
	d.open(event.TArray, "cmsg_data")
	d.hex("", v)
	d.end()
	d.tosNote(v)
}

func (d *Decoder) cmsgBytes(b []byte) { d.bytes("cmsg_data", b) }

func (d *Decoder) cmsgPktinfo(b []byte) {
	d.open(event.TStruct, "cmsg_data")
	d.ifindex("ipi_ifindex", u32(b, 0))
	d.ipv4("ipi_spec_dst", b[4:])
	d.ipv4("ipi_addr", b[8:])
	d.end()
}

func (d *Decoder) cmsgPktinfo6(b []byte) {
	d.open(event.TStruct, "cmsg_data")
	d.ipv6("ipi6_addr", b)
	d.ifindex("ipi6_ifindex", u32(b, 16))
	d.end()
}

// cmsgErr decodes struct sock_extended_err and the address of the sender of the error
// (linux/errqueue.h).
func (d *Decoder) cmsgErr(b []byte) {
	origin, kind, code := u8(b, 4), u8(b, 5), u8(b, 6)
	d.open(event.TStruct, "cmsg_data")
	d.sym("ee_errno", u32(b, 0), errnoTable).Flags |= event.FDec
	d.sym("ee_origin", origin, errOrigins).Flags |= event.FDec
	const icmp, icmp6 = 2, 3
	switch origin {
	case icmp:
		d.sym("ee_type", kind, icmpTypes).Flags |= event.FDec
		d.sym("ee_code", code, icmpCodes(kind)).Flags |= event.FDec
	case icmp6:
		d.sym("ee_type", kind, icmp6Types).Flags |= event.FDec
		d.sym("ee_code", code, icmp6Codes(kind)).Flags |= event.FDec
	default:
		d.uint("ee_type", kind)
		d.uint("ee_code", code)
	}
	d.uint("ee_info", u32(b, 8))
	d.uint("ee_data", u32(b, 12))
	if len(b) >= 18 {
		d.sockaddr("offender", b[16:])
	}
	d.end()
}

// cmsgAuxdata decodes struct tpacket_auxdata (linux/if_packet.h).
func (d *Decoder) cmsgAuxdata(b []byte) {
	d.open(event.TStruct, "cmsg_data")
	d.flags("tp_status", u32(b, 0), tpStatus)
	d.uint("tp_len", u32(b, 4))
	d.uint("tp_snaplen", u32(b, 8))
	d.uint("tp_mac", u16(b, 12))
	d.uint("tp_net", u16(b, 14))
	d.uint("tp_vlan_tci", u16(b, 16))
	d.hex("tp_vlan_tpid", u16(b, 18))
	d.end()
}
