package sys

import "github.com/pidwire/pidwire/internal/event"

// levels has the options and the decoders of their values. Other values are shown as an int,
// [1], if they have 4 bytes, else as bytes.
var levels = []level{
	{num: solSocket, names: soOptions, ints: true, vals: []optval{
		{opt: 3, show: optSym(sockTypes)},                                               // SO_TYPE
		{opt: 4, show: optErrno},                                                        // SO_ERROR
		{opt: 13, show: optLinger, strict: true},                                        // SO_LINGER
		{opt: 17, show: optUcred},                                                       // SO_PEERCRED
		{opt: 20, show: optTimeval},                                                     // SO_RCVTIMEO_OLD
		{opt: 21, show: optTimeval},                                                     // SO_SNDTIMEO_OLD
		{opt: 25, show: optDevice},                                                      // SO_BINDTODEVICE
		{opt: 22, show: optBytes}, {opt: 23, show: optBytes}, {opt: 24, show: optBytes}, // SO_SECURITY_*
		{opt: 26, show: optFilter, strict: true}, // SO_ATTACH_FILTER
		{opt: 28, show: optAddr},                 // SO_PEERNAME
		{opt: 31, show: optString},               // SO_PEERSEC
		{opt: 36, show: optInt},                  // SO_MARK
		{opt: 37, show: optTimestamping},         // SO_TIMESTAMPING_OLD
		{opt: 38, show: optProtocol},             // SO_PROTOCOL
		{opt: 39, show: optSym(families)},        // SO_DOMAIN
		{opt: 47, show: optPacing},               // SO_MAX_PACING_RATE
		{opt: 50, show: optFD},                   // SO_ATTACH_BPF
		{opt: 51, show: optFilter, strict: true}, // SO_ATTACH_REUSEPORT_CBPF
		{opt: 52, show: optFD},                   // SO_ATTACH_REUSEPORT_EBPF
		{opt: 55, show: optMeminfo},              // SO_MEMINFO
		{opt: 57, show: optUint64},               // SO_COOKIE
		{opt: 59, show: optGroups},               // SO_PEERGROUPS
		{opt: 61, show: optTxtime},               // SO_TXTIME
		{opt: 62, show: optIfindex},              // SO_BINDTOIFINDEX
		{opt: 65, show: optTimestamping},         // SO_TIMESTAMPING_NEW
		{opt: 66, show: optTimeval64},            // SO_RCVTIMEO_NEW
		{opt: 67, show: optTimeval64},            // SO_SNDTIMEO_NEW
		{opt: 71, show: optUint64},               // SO_NETNS_COOKIE
		{opt: 72, show: optFlags(bufLocks)},      // SO_BUF_LOCK
		{opt: 74, show: optSym(txRehash)},        // SO_TXREHASH
		{opt: 77, show: optFD},                   // SO_PEERPIDFD
	}},
	{num: solIP, names: ipOptions, vals: []optval{
		{opt: 1, show: optTOS},                  // IP_TOS
		{opt: 10, show: optSym(pmtuModes)},      // IP_MTU_DISCOVER
		{opt: 32, show: optMulticastIf},         // IP_MULTICAST_IF
		{opt: 35, show: optMreq, strict: true},  // IP_ADD_MEMBERSHIP
		{opt: 36, show: optMreq, strict: true},  // IP_DROP_MEMBERSHIP
		{opt: 37, show: optMreqSource},          // IP_UNBLOCK_SOURCE
		{opt: 38, show: optMreqSource},          // IP_BLOCK_SOURCE
		{opt: 39, show: optMreqSource},          // IP_ADD_SOURCE_MEMBERSHIP
		{opt: 40, show: optMreqSource},          // IP_DROP_SOURCE_MEMBERSHIP
		{opt: 41, show: optMsfilter},            // IP_MSFILTER
		{opt: 42, show: optGroup, strict: true}, // MCAST_JOIN_GROUP
		{opt: 43, show: optGroupSource},         // MCAST_BLOCK_SOURCE
		{opt: 44, show: optGroupSource},         // MCAST_UNBLOCK_SOURCE
		{opt: 45, show: optGroup, strict: true}, // MCAST_LEAVE_GROUP
		{opt: 46, show: optGroupSource},         // MCAST_JOIN_SOURCE_GROUP
		{opt: 47, show: optGroupSource},         // MCAST_LEAVE_SOURCE_GROUP
		{opt: 48, show: optGroupFilter},         // MCAST_MSFILTER
		{opt: 51, show: optPortRange},           // IP_LOCAL_PORT_RANGE
		{opt: 52, show: optSym(ipProtos)},       // IP_PROTOCOL
		{opt: 80, show: optOriginalDst},         // SO_ORIGINAL_DST
	}},
	{num: solIPv6, names: ipv6Options, vals: []optval{
		{opt: 20, show: optMreq6, strict: true}, // IPV6_ADD_MEMBERSHIP
		{opt: 21, show: optMreq6, strict: true}, // IPV6_DROP_MEMBERSHIP
		{opt: 23, show: optSym(pmtu6Modes)},     // IPV6_MTU_DISCOVER
		{opt: 27, show: optMreq6, strict: true}, // IPV6_JOIN_ANYCAST
		{opt: 28, show: optMreq6, strict: true}, // IPV6_LEAVE_ANYCAST
		{opt: 42, show: optGroup, strict: true}, // MCAST_JOIN_GROUP
		{opt: 43, show: optGroupSource},         // MCAST_BLOCK_SOURCE
		{opt: 44, show: optGroupSource},         // MCAST_UNBLOCK_SOURCE
		{opt: 45, show: optGroup, strict: true}, // MCAST_LEAVE_GROUP
		{opt: 46, show: optGroupSource},         // MCAST_JOIN_SOURCE_GROUP
		{opt: 47, show: optGroupSource},         // MCAST_LEAVE_SOURCE_GROUP
		{opt: 48, show: optGroupFilter},         // MCAST_MSFILTER
		{opt: 50, show: optPktinfo},             // IPV6_PKTINFO
		{opt: 67, show: optTOS},                 // IPV6_TCLASS
		{opt: 72, show: optFlags(addrPrefs)},    // IPV6_ADDR_PREFERENCES
		{opt: 80, show: optOriginalDst},         // IP6T_SO_ORIGINAL_DST
	}},
	{num: solTCP, names: tcpOptions, vals: []optval{
		{opt: 11, show: optTCPInfo},           // TCP_INFO
		{opt: 13, show: optString},            // TCP_CONGESTION
		{opt: 14, show: optMD5Sig},            // TCP_MD5SIG
		{opt: 20, show: optSym(repairQueues)}, // TCP_REPAIR_QUEUE
		{opt: 19, show: optSym(repairModes)},  // TCP_REPAIR
		{opt: 26, show: optCCInfo},            // TCP_CC_INFO
		{opt: 28, show: optBytes},             // TCP_SAVED_SYN
		{opt: 29, show: optRepairWindow},      // TCP_REPAIR_WINDOW
		{opt: 31, show: optString},            // TCP_ULP
		{opt: 32, show: optMD5Sig},            // TCP_MD5SIG_EXT
		{opt: 33, show: optSecret},            // TCP_FASTOPEN_KEY
		{opt: 35, show: optZerocopy},          // TCP_ZEROCOPY_RECEIVE
		{opt: 38, show: optAOKey},             // TCP_AO_ADD_KEY
		{opt: 41, show: optSecret},            // TCP_AO_GET_KEYS
	}},
	{num: solUDP, names: udpOptions, vals: []optval{
		{opt: 100, show: optSym(udpEncaps)}, // UDP_ENCAP
	}},
	{num: solPacket, names: packetOptions, vals: []optval{
		{opt: 1, show: optPacketMreq, strict: true},  // PACKET_ADD_MEMBERSHIP
		{opt: 2, show: optPacketMreq, strict: true},  // PACKET_DROP_MEMBERSHIP
		{opt: 5, show: optTpacketReq, strict: true},  // PACKET_RX_RING
		{opt: 6, show: optTpacketStats},              // PACKET_STATISTICS
		{opt: 10, show: optSym(tpacketVersions)},     // PACKET_VERSION
		{opt: 13, show: optTpacketReq, strict: true}, // PACKET_TX_RING
		{opt: 18, show: optFanout},                   // PACKET_FANOUT
		{opt: 21, show: optRolloverStats},            // PACKET_ROLLOVER_STATS
	}},
	{num: solNetlink, names: netlinkOptions, ints: true, vals: []optval{
		{opt: 9, show: optGroups}, // NETLINK_LIST_MEMBERSHIPS
	}},
	{num: solTLS, names: tlsOptions, vals: []optval{
		{opt: 1, show: optTLS}, // TLS_TX
		{opt: 2, show: optTLS}, // TLS_RX
	}},
	{num: solMPTCP, names: mptcpOptions, vals: []optval{
		{opt: 1, show: optMptcpInfo}, // MPTCP_INFO
	}},
	{num: afVsock, names: vsockOptions, vals: vsockValues},
	{num: solVsock, names: vsockOptions, vals: vsockValues},
	{num: solXDP, names: xdpOptions, vals: []optval{
		{opt: 1, show: optXdpOffsets},         // XDP_MMAP_OFFSETS
		{opt: 4, show: optXdpUmem},            // XDP_UMEM_REG
		{opt: 7, show: optXdpStats},           // XDP_STATISTICS
		{opt: 8, show: optFlags(xdpOptFlags)}, // XDP_OPTIONS
	}},
	{num: solRaw, names: rawOptions, vals: []optval{{opt: 1, show: optIcmpFilter}}},
	{num: solCanRaw, names: canRawOptions, vals: []optval{
		{opt: 1, show: optCanFilter}, // CAN_RAW_FILTER
		{opt: 2, show: optHex},       // CAN_RAW_ERR_FILTER
	}},
	{num: solALG, names: algOptions, vals: []optval{
		{opt: 1, show: optSecret}, // ALG_SET_KEY
		{opt: 7, show: optSecret}, // ALG_SET_KEY_BY_KEY_SERIAL
		{opt: 6, show: optSecret}, // ALG_SET_DRBG_ENTROPY
	}},
	{num: solRxrpc, names: rxrpcOptions, vals: []optval{{opt: 1, show: optSecret}}}, // RXRPC_SECURITY_KEY
	{num: solSCTP, names: sctpOptions, vals: []optval{
		{opt: 2, show: optSctpInit}, // SCTP_INITMSG
		{opt: 23, show: optSecret},  // SCTP_AUTH_KEY
	}},
	{num: solTIPC, names: tipcOptions},
	{num: solICMPv6, names: icmpv6Options},
	{num: solUDPLite, names: udpLiteOptions},
	{num: solLLC, names: llcOptions},
	{num: solDCCP, names: dccpOptions},
	{num: solPPPoL2, names: l2tpOptions},
	{num: solBT, names: bluetoothOptions},
	{num: solPNPipe, names: pnOptions},
	{num: solRDS, names: rdsOptions},
	{num: solIUCV, names: iucvOptions},
	{num: solCAIF, names: caifOptions},
	{num: solNFC, names: nfcOptions},
	{num: solKCM, names: kcmOptions},
	{num: 256, names: ipxOptions}, // SOL_IPX
	{num: solMCTP, names: mctpOptions},
	{num: solSMC, names: smcOptions},
}

var vsockValues = []optval{
	{opt: 0, show: optUint64},    // SO_VM_SOCKETS_BUFFER_SIZE
	{opt: 1, show: optUint64},    // SO_VM_SOCKETS_BUFFER_MIN_SIZE
	{opt: 2, show: optUint64},    // SO_VM_SOCKETS_BUFFER_MAX_SIZE
	{opt: 6, show: optTimeval},   // SO_VM_SOCKETS_CONNECT_TIMEOUT_OLD
	{opt: 8, show: optTimeval64}, // SO_VM_SOCKETS_CONNECT_TIMEOUT_NEW
}

func optIfindex(d *Decoder, o *opt) bool {
	if len(o.b) < 4 {
		return false
	}
	d.open(event.TArray, "")
	d.ifindex("", u32(o.b, 0))
	d.end()
	return true
}

// optPacing decodes a rate in bytes per second, of 32 or 64 bits; all ones is no limit.
func optPacing(d *Decoder, o *opt) bool {
	switch {
	case len(o.b) >= 8:
		return optUint64(d, o)
	case len(o.b) >= 4:
		d.open(event.TArray, "")
		d.uint("", u32(o.b, 0))
		d.end()
		return true
	}
	return false
}

// optOriginalDst decodes SO_ORIGINAL_DST, a sockaddr, for getsockopt. For setsockopt the same
// number is an iptables request.
func optOriginalDst(d *Decoder, o *opt) bool { return !o.set && optAddr(d, o) }

// optSecret is for values with keys, which are never decoded.
func optSecret(*Decoder, *opt) bool { return false }

// optTLS decodes version and cipher, but not the key.
func optTLS(d *Decoder, o *opt) bool {
	if len(o.b) < 4 {
		return false
	}
	d.open(event.TStruct, "")
	d.open(event.TStruct, "info")
	d.sym("version", u16(o.b, 0), tlsVersions)
	d.sym("cipher_type", u16(o.b, 2), tlsCiphers)
	d.end()
	if o.n > 4 {
		d.redactField()
	}
	d.end()
	return true
}

// redactField prints a placeholder for a key in a struct.
func (d *Decoder) redactField() {
	d.text("", "/* key not shown */")
	d.c.Redacted = true
}

// optMD5Sig decodes struct tcp_md5sig: address, flags, prefix, length, interface, key.
func optMD5Sig(d *Decoder, o *opt) bool {
	if len(o.b) < maxAddr {
		return false
	}
	d.open(event.TStruct, "")
	d.sockaddr("tcpm_addr", o.b[:maxAddr])
	if len(o.b) >= maxAddr+8 {
		r := o.b[maxAddr:]
		d.flags("tcpm_flags", u8(r, 0), md5Flags)
		d.uint("tcpm_prefixlen", u8(r, 1))
		d.uint("tcpm_keylen", u16(r, 2))
		d.ifindex("tcpm_ifindex", u32(r, 4))
	}
	d.redactField()
	d.end()
	return true
}

// optAOKey decodes struct tcp_ao_add, which starts with an address and ends with a key.
func optAOKey(d *Decoder, o *opt) bool {
	if len(o.b) < maxAddr {
		return false
	}
	d.open(event.TStruct, "")
	d.sockaddr("addr", o.b[:maxAddr])
	d.redactField()
	d.end()
	return true
}

func optBytes(d *Decoder, o *opt) bool {
	d.str("", o.b, uint64(o.n))
	return true
}

func optRepairWindow(d *Decoder, o *opt) bool {
	if len(o.b) < 20 {
		return false
	}
	d.open(event.TStruct, "")
	for j, f := range [...]string{"snd_wl1", "snd_wnd", "max_window", "rcv_wnd", "rcv_wup"} {
		d.uint(f, u32(o.b, 4*j))
	}
	d.end()
	return true
}

// optZerocopy decodes struct tcp_zerocopy_receive, which has been extended twice.
func optZerocopy(d *Decoder, o *opt) bool {
	if len(o.b) < 16 {
		return false
	}
	d.open(event.TStruct, "")
	d.ptr("address", u64(o.b, 0))
	d.uint("length", u32(o.b, 8))
	d.uint("recv_skip_hint", u32(o.b, 12))
	if len(o.b) >= 24 {
		d.uint("inq", u32(o.b, 16))
		d.sym("err", uint64(-s32(o.b, 20)), errnoTable).Flags |= event.FDec | event.FBare
	}
	d.end()
	return true
}

// field is an integer in a struct.
type field struct {
	name string
	off  int
	size int
	key  bool // shown in abbreviated output, too
}

func (d *Decoder) fields(b []byte, fs []field) {
	left := false
	for i := range fs {
		f := &fs[i]
		if f.off+f.size > len(b) {
			break
		}
		var v uint64
		switch f.size {
		case 1:
			v = u8(b, f.off)
		case 2:
			v = u16(b, f.off)
		case 4:
			v = u32(b, f.off)
		case 8:
			v = u64(b, f.off)
		}
		t := d.num(event.TUint, f.name, v)
		if f.size == 8 && v == ^uint64(0) {
			t.Kind = event.TInt // no limit
		}
		if !f.key {
			t.Flags |= event.FVerbose
			left = true
		}
	}
	if left {
		d.tok(event.TMore, "").Flags |= event.FBrief
	}
}

// tcpInfo has the fields of struct tcp_info (linux/tcp.h) after its first 8 bytes. Newer
// kernels append fields; missing ones are not shown.
var tcpInfo = []field{
	{"tcpi_rto", 8, 4, true}, {"tcpi_ato", 12, 4, false}, {"tcpi_snd_mss", 16, 4, true}, {"tcpi_rcv_mss", 20, 4, true}, {"tcpi_unacked", 24, 4, true},
	{"tcpi_sacked", 28, 4, false}, {"tcpi_lost", 32, 4, true}, {"tcpi_retrans", 36, 4, true}, {"tcpi_fackets", 40, 4, false},
	{"tcpi_last_data_sent", 44, 4, false}, {"tcpi_last_ack_sent", 48, 4, false}, {"tcpi_last_data_recv", 52, 4, false}, {"tcpi_last_ack_recv", 56, 4, false},
	{"tcpi_pmtu", 60, 4, true}, {"tcpi_rcv_ssthresh", 64, 4, false}, {"tcpi_rtt", 68, 4, true}, {"tcpi_rttvar", 72, 4, true},
	{"tcpi_snd_ssthresh", 76, 4, false}, {"tcpi_snd_cwnd", 80, 4, true}, {"tcpi_advmss", 84, 4, false}, {"tcpi_reordering", 88, 4, false},
	{"tcpi_rcv_rtt", 92, 4, false}, {"tcpi_rcv_space", 96, 4, false}, {"tcpi_total_retrans", 100, 4, true}, {"tcpi_pacing_rate", 104, 8, false},
	{"tcpi_max_pacing_rate", 112, 8, false}, {"tcpi_bytes_acked", 120, 8, true}, {"tcpi_bytes_received", 128, 8, true}, {"tcpi_segs_out", 136, 4, false},
	{"tcpi_segs_in", 140, 4, false}, {"tcpi_notsent_bytes", 144, 4, true}, {"tcpi_min_rtt", 148, 4, true}, {"tcpi_data_segs_in", 152, 4, false},
	{"tcpi_data_segs_out", 156, 4, false}, {"tcpi_delivery_rate", 160, 8, true}, {"tcpi_busy_time", 168, 8, false}, {"tcpi_rwnd_limited", 176, 8, false},
	{"tcpi_sndbuf_limited", 184, 8, false}, {"tcpi_delivered", 192, 4, false}, {"tcpi_delivered_ce", 196, 4, false}, {"tcpi_bytes_sent", 200, 8, false},
	{"tcpi_bytes_retrans", 208, 8, true}, {"tcpi_dsack_dups", 216, 4, false}, {"tcpi_reord_seen", 220, 4, false}, {"tcpi_rcv_ooopack", 224, 4, false},
	{"tcpi_snd_wnd", 228, 4, true}, {"tcpi_rcv_wnd", 232, 4, false}, {"tcpi_rehash", 236, 4, false}, {"tcpi_total_rto", 240, 2, false},
	{"tcpi_total_rto_recoveries", 242, 2, false}, {"tcpi_total_rto_time", 244, 4, false},
}

func optTCPInfo(d *Decoder, o *opt) bool {
	if len(o.b) < 8 {
		return false
	}
	d.open(event.TStruct, "")
	d.tcpInfo(o.b)
	d.end()
	return true
}

func (d *Decoder) tcpInfo(b []byte) {
	d.sym("tcpi_state", u8(b, 0), tcpStates)
	d.sym("tcpi_ca_state", u8(b, 1), tcpCAStates)
	d.uint("tcpi_retransmits", u8(b, 2))
	d.uint("tcpi_probes", u8(b, 3))
	d.uint("tcpi_backoff", u8(b, 4))
	d.flags("tcpi_options", u8(b, 5), tcpiOptions)
	d.uint("tcpi_snd_wscale", u8(b, 6)&0xf)
	d.uint("tcpi_rcv_wscale", u8(b, 6)>>4)
	d.num(event.TUint, "tcpi_delivery_rate_app_limited", u8(b, 7)&1).Flags |= event.FVerbose
	d.num(event.TUint, "tcpi_fastopen_client_fail", u8(b, 7)>>1&3).Flags |= event.FVerbose
	d.fields(b, tcpInfo)
}

// mptcpInfo has the fields of struct mptcp_info (linux/mptcp.h) after its flags.
var mptcpInfo = []field{
	{"mptcpi_token", 12, 4, true}, {"mptcpi_write_seq", 16, 8, true}, {"mptcpi_snd_una", 24, 8, true}, {"mptcpi_rcv_nxt", 32, 8, true},
	{"mptcpi_local_addr_used", 40, 1, true}, {"mptcpi_local_addr_max", 41, 1, true}, {"mptcpi_csum_enabled", 42, 1, true},
	{"mptcpi_retransmits", 44, 4, true}, {"mptcpi_bytes_retrans", 48, 8, true}, {"mptcpi_bytes_sent", 56, 8, true}, {"mptcpi_bytes_received", 64, 8, true},
	{"mptcpi_bytes_acked", 72, 8, true}, {"mptcpi_subflows_total", 80, 1, true},
}

func optMptcpInfo(d *Decoder, o *opt) bool {
	if len(o.b) < 16 {
		return false
	}
	d.open(event.TStruct, "")
	for j, f := range [...]string{"mptcpi_subflows", "mptcpi_add_addr_signal", "mptcpi_add_addr_accepted", "mptcpi_subflows_max", "mptcpi_add_addr_signal_max", "mptcpi_add_addr_accepted_max"} {
		d.uint(f, u8(o.b, j))
	}
	d.flags("mptcpi_flags", u32(o.b, 8), mptcpInfoFlags)
	d.fields(o.b, mptcpInfo)
	d.end()
	return true
}

func optPacketMreq(d *Decoder, o *opt) bool {
	if len(o.b) < 16 {
		return false
	}
	d.open(event.TStruct, "")
	d.ifindex("mr_ifindex", u32(o.b, 0))
	d.sym("mr_type", u16(o.b, 4), packetMrTypes)
	n := int(u16(o.b, 6))
	d.uint("mr_alen", uint64(n))
	d.mac("mr_address", o.b[8:8+min(n, 8)])
	d.end()
	return true
}

// optTpacketReq decodes struct tpacket_req, or tpacket_req3 if it is long enough.
func optTpacketReq(d *Decoder, o *opt) bool {
	if len(o.b) < 16 {
		return false
	}
	d.open(event.TStruct, "")
	d.uint("tp_block_size", u32(o.b, 0))
	d.uint("tp_block_nr", u32(o.b, 4))
	d.uint("tp_frame_size", u32(o.b, 8))
	d.uint("tp_frame_nr", u32(o.b, 12))
	if len(o.b) >= 28 {
		d.uint("tp_retire_blk_tov", u32(o.b, 16))
		d.uint("tp_sizeof_priv", u32(o.b, 20))
		d.flags("tp_feature_req_word", u32(o.b, 24), tpFeatures)
	}
	d.end()
	return true
}

func optTpacketStats(d *Decoder, o *opt) bool {
	if o.set || len(o.b) < 8 {
		return false
	}
	d.open(event.TStruct, "")
	d.uint("tp_packets", u32(o.b, 0))
	d.uint("tp_drops", u32(o.b, 4))
	if len(o.b) >= 12 {
		d.uint("tp_freeze_q_cnt", u32(o.b, 8))
	}
	d.end()
	return true
}

func optRolloverStats(d *Decoder, o *opt) bool {
	if len(o.b) < 24 {
		return false
	}
	d.open(event.TStruct, "")
	d.uint("tp_all", u64(o.b, 0))
	d.uint("tp_huge", u64(o.b, 8))
	d.uint("tp_failed", u64(o.b, 16))
	d.end()
	return true
}

// optFanout decodes group id, mode and flags in an int. Newer kernels accept the size of the
// group after it.
func optFanout(d *Decoder, o *opt) bool {
	if len(o.b) < 4 {
		return false
	}
	d.open(event.TStruct, "")
	d.uint("id", u16(o.b, 0))
	const mode = 0xff
	v := u16(o.b, 2)
	d.sym("type_flags", v&mode, fanoutModes)
	if v&^mode != 0 {
		d.flags("", v&^mode, fanoutFlags).Flags |= event.FOr
	}
	if len(o.b) >= 8 {
		d.uint("max_num_members", u32(o.b, 4))
	}
	d.end()
	return true
}

func optXdpUmem(d *Decoder, o *opt) bool {
	if len(o.b) < 24 {
		return false
	}
	d.open(event.TStruct, "")
	d.ptr("addr", u64(o.b, 0))
	d.uint("len", u64(o.b, 8))
	d.uint("chunk_size", u32(o.b, 16))
	d.uint("headroom", u32(o.b, 20))
	if len(o.b) >= 28 {
		d.flags("flags", u32(o.b, 24), xdpUmemFlags)
	}
	d.end()
	return true
}

func optXdpStats(d *Decoder, o *opt) bool {
	if len(o.b) < 24 {
		return false
	}
	d.open(event.TStruct, "")
	for j, f := range [...]string{"rx_dropped", "rx_invalid_descs", "tx_invalid_descs", "rx_ring_full", "rx_fill_ring_empty_descs", "tx_ring_empty_descs"} {
		if 8*j+8 <= len(o.b) {
			d.uint(f, u64(o.b, 8*j))
		}
	}
	d.end()
	return true
}

// optXdpOffsets decodes the offsets of four rings: three each, four since Linux 5.4.
func optXdpOffsets(d *Decoder, o *opt) bool {
	n := 4
	if o.n < 128 {
		n = 3
	}
	if len(o.b) < 4*8*n {
		return false
	}
	d.open(event.TStruct, "")
	for j, ring := range [...]string{"rx", "tx", "fr", "cr"} {
		d.open(event.TStruct, ring)
		for k, f := range []string{"producer", "consumer", "desc", "flags"}[:n] {
			d.hex(f, u64(o.b, 8*(j*n+k)))
		}
		d.end()
	}
	d.end()
	return true
}

func optCanFilter(d *Decoder, o *opt) bool {
	d.open(event.TArray, "").Flags |= event.FLimit
	for j := 0; j+8 <= len(o.b) && !d.spent(); j += 8 {
		d.open(event.TStruct, "")
		d.hex("can_id", u32(o.b, j))
		d.hex("can_mask", u32(o.b, j+4))
		d.end()
	}
	if o.n > len(o.b) {
		d.more()
	}
	d.end()
	return len(o.b) >= 8
}

func optSctpInit(d *Decoder, o *opt) bool {
	if len(o.b) < 8 {
		return false
	}
	d.open(event.TStruct, "")
	for j, f := range [...]string{"sinit_num_ostreams", "sinit_max_instreams", "sinit_max_attempts", "sinit_max_init_timeo"} {
		d.uint(f, u16(o.b, 2*j))
	}
	d.end()
	return true
}
