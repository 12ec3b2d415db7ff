package sys

import "github.com/pidwire/pidwire/internal/event"

// The numbers are from the kernel headers named in each comment, as of Linux 6.18.

// anyType has no names.
var anyType = event.NewTable("")

// scmTypes: include/linux/socket.h, asm-generic/socket.h.
var scmTypes = event.NewTable("SCM_???",
	event.Sym{Num: 1, Name: "SCM_RIGHTS"},
	event.Sym{Num: 2, Name: "SCM_CREDENTIALS"},
	event.Sym{Num: 3, Name: "SCM_SECURITY"},
	event.Sym{Num: 4, Name: "SCM_PIDFD"},
	event.Sym{Num: 12, Name: "SO_PRIORITY"},
	event.Sym{Num: 29, Name: "SO_TIMESTAMP_OLD"},
	event.Sym{Num: 35, Name: "SO_TIMESTAMPNS_OLD"},
	event.Sym{Num: 36, Name: "SO_MARK"},
	event.Sym{Num: 37, Name: "SO_TIMESTAMPING_OLD"},
	event.Sym{Num: 40, Name: "SO_RXQ_OVFL"},
	event.Sym{Num: 41, Name: "SO_WIFI_STATUS"},
	event.Sym{Num: 54, Name: "SCM_TIMESTAMPING_OPT_STATS"},
	event.Sym{Num: 58, Name: "SCM_TIMESTAMPING_PKTINFO"},
	event.Sym{Num: 61, Name: "SO_TXTIME"},
	event.Sym{Num: 63, Name: "SO_TIMESTAMP_NEW"},
	event.Sym{Num: 64, Name: "SO_TIMESTAMPNS_NEW"},
	event.Sym{Num: 65, Name: "SO_TIMESTAMPING_NEW"},
	event.Sym{Num: 78, Name: "SCM_DEVMEM_LINEAR"},
	event.Sym{Num: 79, Name: "SCM_DEVMEM_DMABUF"},
	event.Sym{Num: 81, Name: "SCM_TS_OPT_ID"},
	event.Sym{Num: 84, Name: "SCM_INQ"},
)

// ipCmsgs: linux/in.h.
var ipCmsgs = event.NewTable("IP_???",
	event.Sym{Num: 1, Name: "IP_TOS"},
	event.Sym{Num: 2, Name: "IP_TTL"},
	event.Sym{Num: 6, Name: "IP_RECVOPTS"},
	event.Sym{Num: 7, Name: "IP_RETOPTS"},
	event.Sym{Num: 8, Name: "IP_PKTINFO"},
	event.Sym{Num: 11, Name: "IP_RECVERR"},
	event.Sym{Num: 18, Name: "IP_PASSSEC"},
	event.Sym{Num: 20, Name: "IP_ORIGDSTADDR"},
	event.Sym{Num: 23, Name: "IP_CHECKSUM"},
	event.Sym{Num: 25, Name: "IP_RECVFRAGSIZE"},
	event.Sym{Num: 52, Name: "IP_PROTOCOL"},
)

// ipv6Cmsgs: linux/in6.h, linux/ipv6.h.
var ipv6Cmsgs = event.NewTable("IPV6_???",
	event.Sym{Num: 2, Name: "IPV6_2292PKTINFO"},
	event.Sym{Num: 3, Name: "IPV6_2292HOPOPTS"},
	event.Sym{Num: 4, Name: "IPV6_2292DSTOPTS"},
	event.Sym{Num: 5, Name: "IPV6_2292RTHDR"},
	event.Sym{Num: 8, Name: "IPV6_2292HOPLIMIT"},
	event.Sym{Num: 11, Name: "IPV6_FLOWINFO"},
	event.Sym{Num: 25, Name: "IPV6_RECVERR"},
	event.Sym{Num: 50, Name: "IPV6_PKTINFO"},
	event.Sym{Num: 52, Name: "IPV6_HOPLIMIT"},
	event.Sym{Num: 54, Name: "IPV6_HOPOPTS"},
	event.Sym{Num: 55, Name: "IPV6_RTHDRDSTOPTS"},
	event.Sym{Num: 57, Name: "IPV6_RTHDR"},
	event.Sym{Num: 59, Name: "IPV6_DSTOPTS"},
	event.Sym{Num: 61, Name: "IPV6_PATHMTU"},
	event.Sym{Num: 62, Name: "IPV6_DONTFRAG"},
	event.Sym{Num: 67, Name: "IPV6_TCLASS"},
	event.Sym{Num: 74, Name: "IPV6_ORIGDSTADDR"},
	event.Sym{Num: 77, Name: "IPV6_RECVFRAGSIZE"},
)

// tcpCmsgs: linux/tcp.h.
var tcpCmsgs = event.NewTable("TCP_???",
	event.Sym{Num: 36, Name: "TCP_CM_INQ"},
)

// tlsCmsgs: linux/tls.h.
var tlsCmsgs = event.NewTable("TLS_???",
	event.Sym{Num: 1, Name: "TLS_SET_RECORD_TYPE"},
	event.Sym{Num: 2, Name: "TLS_GET_RECORD_TYPE"},
)

// tlsRecords: RFC 8446, include/net/tls_prot.h.
var tlsRecords = event.NewTable("TLS_RECORD_TYPE_???",
	event.Sym{Num: 20, Name: "TLS_RECORD_TYPE_CHANGE_CIPHER_SPEC"},
	event.Sym{Num: 21, Name: "TLS_RECORD_TYPE_ALERT"},
	event.Sym{Num: 22, Name: "TLS_RECORD_TYPE_HANDSHAKE"},
	event.Sym{Num: 23, Name: "TLS_RECORD_TYPE_DATA"},
	event.Sym{Num: 24, Name: "TLS_RECORD_TYPE_HEARTBEAT"},
	event.Sym{Num: 26, Name: "TLS_RECORD_TYPE_ACK"},
)

// sctpCmsgs: linux/sctp.h.
var sctpCmsgs = event.NewTable("SCTP_???",
	event.Sym{Num: 0, Name: "SCTP_INIT"},
	event.Sym{Num: 1, Name: "SCTP_SNDRCV"},
	event.Sym{Num: 2, Name: "SCTP_SNDINFO"},
	event.Sym{Num: 3, Name: "SCTP_RCVINFO"},
	event.Sym{Num: 4, Name: "SCTP_NXTINFO"},
	event.Sym{Num: 5, Name: "SCTP_PRINFO"},
	event.Sym{Num: 6, Name: "SCTP_AUTHINFO"},
	event.Sym{Num: 7, Name: "SCTP_DSTADDRV4"},
	event.Sym{Num: 8, Name: "SCTP_DSTADDRV6"},
)

// rxrpcCmsgs: linux/rxrpc.h.
var rxrpcCmsgs = event.NewTable("RXRPC_???",
	event.Sym{Num: 1, Name: "RXRPC_USER_CALL_ID"},
	event.Sym{Num: 2, Name: "RXRPC_ABORT"},
	event.Sym{Num: 3, Name: "RXRPC_ACK"},
	event.Sym{Num: 5, Name: "RXRPC_NET_ERROR"},
	event.Sym{Num: 6, Name: "RXRPC_BUSY"},
	event.Sym{Num: 7, Name: "RXRPC_LOCAL_ERROR"},
	event.Sym{Num: 8, Name: "RXRPC_NEW_CALL"},
	event.Sym{Num: 10, Name: "RXRPC_EXCLUSIVE_CALL"},
	event.Sym{Num: 11, Name: "RXRPC_UPGRADE_SERVICE"},
	event.Sym{Num: 12, Name: "RXRPC_TX_LENGTH"},
	event.Sym{Num: 13, Name: "RXRPC_SET_CALL_TIMEOUT"},
	event.Sym{Num: 14, Name: "RXRPC_CHARGE_ACCEPT"},
)

// algOps: linux/if_alg.h.
var algOps = event.NewTable("ALG_OP_???",
	event.Sym{Num: 0, Name: "ALG_OP_DECRYPT"},
	event.Sym{Num: 1, Name: "ALG_OP_ENCRYPT"},
)

// algFeats: include/linux/crypto.h.
var algFeats = event.NewTable("CRYPTO_ALG_???",
	event.Sym{Num: 0x1000, Name: "CRYPTO_ALG_KERN_DRIVER_ONLY"},
)

// l2capPSMs: include/net/bluetooth/l2cap.h.
var l2capPSMs = event.NewTable("L2CAP_PSM_???",
	event.Sym{Num: 1, Name: "L2CAP_PSM_SDP"},
	event.Sym{Num: 3, Name: "L2CAP_PSM_RFCOMM"},
	event.Sym{Num: 33, Name: "L2CAP_PSM_3DSP"},
	event.Sym{Num: 35, Name: "L2CAP_PSM_IPSP"},
	event.Sym{Num: 128, Name: "L2CAP_PSM_LE_DYN_START"},
	event.Sym{Num: 255, Name: "L2CAP_PSM_LE_DYN_END"},
	event.Sym{Num: 4097, Name: "L2CAP_PSM_DYN_START"},
	event.Sym{Num: 65535, Name: "L2CAP_PSM_DYN_END"},
)

// l2capCIDs: include/net/bluetooth/l2cap.h.
var l2capCIDs = event.NewTable("L2CAP_CID_???",
	event.Sym{Num: 1, Name: "L2CAP_CID_SIGNALING"},
	event.Sym{Num: 2, Name: "L2CAP_CID_CONN_LESS"},
	event.Sym{Num: 3, Name: "L2CAP_CID_A2MP"},
	event.Sym{Num: 4, Name: "L2CAP_CID_ATT"},
	event.Sym{Num: 5, Name: "L2CAP_CID_LE_SIGNALING"},
	event.Sym{Num: 6, Name: "L2CAP_CID_SMP"},
	event.Sym{Num: 7, Name: "L2CAP_CID_SMP_BREDR"},
	event.Sym{Num: 64, Name: "L2CAP_CID_DYN_START"},
	event.Sym{Num: 65535, Name: "L2CAP_CID_DYN_END"},
)

// errOrigins: linux/errqueue.h.
var errOrigins = event.NewTable("SO_EE_ORIGIN_???",
	event.Sym{Num: 0, Name: "SO_EE_ORIGIN_NONE"},
	event.Sym{Num: 1, Name: "SO_EE_ORIGIN_LOCAL"},
	event.Sym{Num: 2, Name: "SO_EE_ORIGIN_ICMP"},
	event.Sym{Num: 3, Name: "SO_EE_ORIGIN_ICMP6"},
	event.Sym{Num: 4, Name: "SO_EE_ORIGIN_TXSTATUS"},
	event.Sym{Num: 5, Name: "SO_EE_ORIGIN_ZEROCOPY"},
	event.Sym{Num: 6, Name: "SO_EE_ORIGIN_TXTIME"},
)

// icmpTypes: linux/icmp.h.
var icmpTypes = event.NewTable("ICMP_???",
	event.Sym{Num: 0, Name: "ICMP_ECHOREPLY"},
	event.Sym{Num: 3, Name: "ICMP_DEST_UNREACH"},
	event.Sym{Num: 4, Name: "ICMP_SOURCE_QUENCH"},
	event.Sym{Num: 5, Name: "ICMP_REDIRECT"},
	event.Sym{Num: 8, Name: "ICMP_ECHO"},
	event.Sym{Num: 11, Name: "ICMP_TIME_EXCEEDED"},
	event.Sym{Num: 12, Name: "ICMP_PARAMETERPROB"},
	event.Sym{Num: 13, Name: "ICMP_TIMESTAMP"},
	event.Sym{Num: 14, Name: "ICMP_TIMESTAMPREPLY"},
	event.Sym{Num: 15, Name: "ICMP_INFO_REQUEST"},
	event.Sym{Num: 16, Name: "ICMP_INFO_REPLY"},
	event.Sym{Num: 17, Name: "ICMP_ADDRESS"},
	event.Sym{Num: 18, Name: "ICMP_ADDRESSREPLY"},
)

// icmpUnreach: linux/icmp.h.
var icmpUnreach = event.NewTable("ICMP_???",
	event.Sym{Num: 0, Name: "ICMP_NET_UNREACH"},
	event.Sym{Num: 1, Name: "ICMP_HOST_UNREACH"},
	event.Sym{Num: 2, Name: "ICMP_PROT_UNREACH"},
	event.Sym{Num: 3, Name: "ICMP_PORT_UNREACH"},
	event.Sym{Num: 4, Name: "ICMP_FRAG_NEEDED"},
	event.Sym{Num: 5, Name: "ICMP_SR_FAILED"},
	event.Sym{Num: 6, Name: "ICMP_NET_UNKNOWN"},
	event.Sym{Num: 7, Name: "ICMP_HOST_UNKNOWN"},
	event.Sym{Num: 8, Name: "ICMP_HOST_ISOLATED"},
	event.Sym{Num: 9, Name: "ICMP_NET_ANO"},
	event.Sym{Num: 10, Name: "ICMP_HOST_ANO"},
	event.Sym{Num: 11, Name: "ICMP_NET_UNR_TOS"},
	event.Sym{Num: 12, Name: "ICMP_HOST_UNR_TOS"},
	event.Sym{Num: 13, Name: "ICMP_PKT_FILTERED"},
	event.Sym{Num: 14, Name: "ICMP_PREC_VIOLATION"},
	event.Sym{Num: 15, Name: "ICMP_PREC_CUTOFF"},
)

// icmpExceeded: linux/icmp.h.
var icmpExceeded = event.NewTable("ICMP_???",
	event.Sym{Num: 0, Name: "ICMP_EXC_TTL"},
	event.Sym{Num: 1, Name: "ICMP_EXC_FRAGTIME"},
)

// icmp6Types: linux/icmpv6.h.
var icmp6Types = event.NewTable("ICMPV6_???",
	event.Sym{Num: 1, Name: "ICMPV6_DEST_UNREACH"},
	event.Sym{Num: 2, Name: "ICMPV6_PKT_TOOBIG"},
	event.Sym{Num: 3, Name: "ICMPV6_TIME_EXCEED"},
	event.Sym{Num: 4, Name: "ICMPV6_PARAMPROB"},
	event.Sym{Num: 128, Name: "ICMPV6_ECHO_REQUEST"},
	event.Sym{Num: 129, Name: "ICMPV6_ECHO_REPLY"},
)

// icmp6Unreach: linux/icmpv6.h.
var icmp6Unreach = event.NewTable("ICMPV6_???",
	event.Sym{Num: 0, Name: "ICMPV6_NOROUTE"},
	event.Sym{Num: 1, Name: "ICMPV6_ADM_PROHIBITED"},
	event.Sym{Num: 2, Name: "ICMPV6_NOT_NEIGHBOUR"},
	event.Sym{Num: 3, Name: "ICMPV6_ADDR_UNREACH"},
	event.Sym{Num: 4, Name: "ICMPV6_PORT_UNREACH"},
	event.Sym{Num: 5, Name: "ICMPV6_POLICY_FAIL"},
	event.Sym{Num: 6, Name: "ICMPV6_REJECT_ROUTE"},
)

// icmp6Exceeded: linux/icmpv6.h.
var icmp6Exceeded = event.NewTable("ICMPV6_???",
	event.Sym{Num: 0, Name: "ICMPV6_EXC_HOPLIMIT"},
	event.Sym{Num: 1, Name: "ICMPV6_EXC_FRAGTIME"},
)

// tpStatus: linux/if_packet.h.
var tpStatus = event.NewTable("TP_STATUS_???",
	event.Sym{Num: 0x1, Name: "TP_STATUS_USER"},
	event.Sym{Num: 0x2, Name: "TP_STATUS_COPY"},
	event.Sym{Num: 0x4, Name: "TP_STATUS_LOSING"},
	event.Sym{Num: 0x8, Name: "TP_STATUS_CSUMNOTREADY"},
	event.Sym{Num: 0x10, Name: "TP_STATUS_VLAN_VALID"},
	event.Sym{Num: 0x20, Name: "TP_STATUS_BLK_TMO"},
	event.Sym{Num: 0x40, Name: "TP_STATUS_VLAN_TPID_VALID"},
	event.Sym{Num: 0x80, Name: "TP_STATUS_CSUM_VALID"},
	event.Sym{Num: 0x100, Name: "TP_STATUS_GSO_TCP"},
	event.Sym{Num: 0x20000000, Name: "TP_STATUS_TS_SOFTWARE"},
	event.Sym{Num: 0x40000000, Name: "TP_STATUS_TS_SYS_HARDWARE"},
	event.Sym{Num: 0x80000000, Name: "TP_STATUS_TS_RAW_HARDWARE"},
)

// vsockCids: linux/vm_sockets.h.
var vsockCids = event.NewTable("",
	event.Sym{Num: 0xffffffff, Name: "VMADDR_CID_ANY"},
	event.Sym{Num: 0, Name: "VMADDR_CID_HYPERVISOR"},
	event.Sym{Num: 1, Name: "VMADDR_CID_LOCAL"},
	event.Sym{Num: 2, Name: "VMADDR_CID_HOST"},
)

// vsockPorts: linux/vm_sockets.h.
var vsockPorts = event.NewTable("",
	event.Sym{Num: 0xffffffff, Name: "VMADDR_PORT_ANY"},
)

// vsockFlags: linux/vm_sockets.h.
var vsockFlags = event.NewTable("VMADDR_FLAG_???",
	event.Sym{Num: 0x1, Name: "VMADDR_FLAG_TO_HOST"},
)

// xdpFlags: linux/if_xdp.h.
var xdpFlags = event.NewTable("XDP_???",
	event.Sym{Num: 0x1, Name: "XDP_SHARED_UMEM"},
	event.Sym{Num: 0x2, Name: "XDP_COPY"},
	event.Sym{Num: 0x4, Name: "XDP_ZEROCOPY"},
	event.Sym{Num: 0x8, Name: "XDP_USE_NEED_WAKEUP"},
	event.Sym{Num: 0x10, Name: "XDP_USE_SG"},
)

// xdpOptFlags: linux/if_xdp.h.
var xdpOptFlags = event.NewTable("XDP_OPTIONS_???",
	event.Sym{Num: 0x1, Name: "XDP_OPTIONS_ZEROCOPY"},
)

// xdpUmemFlags: linux/if_xdp.h.
var xdpUmemFlags = event.NewTable("XDP_UMEM_???",
	event.Sym{Num: 0x1, Name: "XDP_UMEM_UNALIGNED_CHUNK_FLAG"},
	event.Sym{Num: 0x2, Name: "XDP_UMEM_TX_SW_CSUM"},
	event.Sym{Num: 0x4, Name: "XDP_UMEM_TX_METADATA_LEN"},
)

// nfcRFProtos: linux/nfc.h.
var nfcRFProtos = event.NewTable("NFC_PROTO_???",
	event.Sym{Num: 1, Name: "NFC_PROTO_JEWEL"},
	event.Sym{Num: 2, Name: "NFC_PROTO_MIFARE"},
	event.Sym{Num: 3, Name: "NFC_PROTO_FELICA"},
	event.Sym{Num: 4, Name: "NFC_PROTO_ISO14443"},
	event.Sym{Num: 5, Name: "NFC_PROTO_NFC_DEP"},
	event.Sym{Num: 6, Name: "NFC_PROTO_ISO14443_B"},
	event.Sym{Num: 7, Name: "NFC_PROTO_ISO15693"},
)

// mctpAddrs: linux/mctp.h.
var mctpAddrs = event.NewTable("MCTP_ADDR_???",
	event.Sym{Num: 0, Name: "MCTP_ADDR_NULL"},
	event.Sym{Num: 255, Name: "MCTP_ADDR_ANY"},
)

// mctpTags: linux/mctp.h.
var mctpTags = event.NewTable("MCTP_TAG_???",
	event.Sym{Num: 0x8, Name: "MCTP_TAG_OWNER"},
	event.Sym{Num: 0x10, Name: "MCTP_TAG_PREALLOC"},
)

// tipcAddrTypes: linux/tipc.h.
var tipcAddrTypes = event.NewTable("TIPC_???",
	event.Sym{Num: 1, Name: "TIPC_ADDR_MCAST"},
	event.Sym{Num: 2, Name: "TIPC_SERVICE_ADDR"},
	event.Sym{Num: 3, Name: "TIPC_SOCKET_ADDR"},
)

// tipcScopes: linux/tipc.h.
var tipcScopes = event.NewTable("TIPC_???",
	event.Sym{Num: 1, Name: "TIPC_ZONE_SCOPE"},
	event.Sym{Num: 2, Name: "TIPC_CLUSTER_SCOPE"},
	event.Sym{Num: 3, Name: "TIPC_NODE_SCOPE"},
)

// hciChannels: include/net/bluetooth/hci_sock.h.
var hciChannels = event.NewTable("HCI_CHANNEL_???",
	event.Sym{Num: 0, Name: "HCI_CHANNEL_RAW"},
	event.Sym{Num: 1, Name: "HCI_CHANNEL_USER"},
	event.Sym{Num: 2, Name: "HCI_CHANNEL_MONITOR"},
	event.Sym{Num: 3, Name: "HCI_CHANNEL_CONTROL"},
	event.Sym{Num: 4, Name: "HCI_CHANNEL_LOGGING"},
)

// btAddrTypes: include/net/bluetooth/bluetooth.h.
var btAddrTypes = event.NewTable("BDADDR_???",
	event.Sym{Num: 0, Name: "BDADDR_BREDR"},
	event.Sym{Num: 1, Name: "BDADDR_LE_PUBLIC"},
	event.Sym{Num: 2, Name: "BDADDR_LE_RANDOM"},
)

// pppoxProtos: linux/if_pppox.h.
var pppoxProtos = event.NewTable("PX_PROTO_???",
	event.Sym{Num: 0, Name: "PX_PROTO_OE"},
	event.Sym{Num: 1, Name: "PX_PROTO_OL2TP"},
	event.Sym{Num: 2, Name: "PX_PROTO_PPTP"},
)

// ieee802154Types: include/net/af_ieee802154.h.
var ieee802154Types = event.NewTable("IEEE802154_ADDR_???",
	event.Sym{Num: 0, Name: "IEEE802154_ADDR_NONE"},
	event.Sym{Num: 2, Name: "IEEE802154_ADDR_SHORT"},
	event.Sym{Num: 3, Name: "IEEE802154_ADDR_LONG"},
)

// clocks: linux/time.h.
var clocks = event.NewTable("CLOCK_???",
	event.Sym{Num: 0, Name: "CLOCK_REALTIME"},
	event.Sym{Num: 1, Name: "CLOCK_MONOTONIC"},
	event.Sym{Num: 2, Name: "CLOCK_PROCESS_CPUTIME_ID"},
	event.Sym{Num: 3, Name: "CLOCK_THREAD_CPUTIME_ID"},
	event.Sym{Num: 4, Name: "CLOCK_MONOTONIC_RAW"},
	event.Sym{Num: 5, Name: "CLOCK_REALTIME_COARSE"},
	event.Sym{Num: 6, Name: "CLOCK_MONOTONIC_COARSE"},
	event.Sym{Num: 7, Name: "CLOCK_BOOTTIME"},
	event.Sym{Num: 8, Name: "CLOCK_REALTIME_ALARM"},
	event.Sym{Num: 9, Name: "CLOCK_BOOTTIME_ALARM"},
	event.Sym{Num: 11, Name: "CLOCK_TAI"},
)

// txtimeFlags: linux/net_tstamp.h.
var txtimeFlags = event.NewTable("SOF_TXTIME_???",
	event.Sym{Num: 0x1, Name: "SOF_TXTIME_DEADLINE_MODE"},
	event.Sym{Num: 0x2, Name: "SOF_TXTIME_REPORT_ERRORS"},
)

// timestampingFlags: linux/net_tstamp.h.
var timestampingFlags = event.NewTable("SOF_TIMESTAMPING_???",
	event.Sym{Num: 0x1, Name: "SOF_TIMESTAMPING_TX_HARDWARE"},
	event.Sym{Num: 0x2, Name: "SOF_TIMESTAMPING_TX_SOFTWARE"},
	event.Sym{Num: 0x4, Name: "SOF_TIMESTAMPING_RX_HARDWARE"},
	event.Sym{Num: 0x8, Name: "SOF_TIMESTAMPING_RX_SOFTWARE"},
	event.Sym{Num: 0x10, Name: "SOF_TIMESTAMPING_SOFTWARE"},
	event.Sym{Num: 0x20, Name: "SOF_TIMESTAMPING_SYS_HARDWARE"},
	event.Sym{Num: 0x40, Name: "SOF_TIMESTAMPING_RAW_HARDWARE"},
	event.Sym{Num: 0x80, Name: "SOF_TIMESTAMPING_OPT_ID"},
	event.Sym{Num: 0x100, Name: "SOF_TIMESTAMPING_TX_SCHED"},
	event.Sym{Num: 0x200, Name: "SOF_TIMESTAMPING_TX_ACK"},
	event.Sym{Num: 0x400, Name: "SOF_TIMESTAMPING_OPT_CMSG"},
	event.Sym{Num: 0x800, Name: "SOF_TIMESTAMPING_OPT_TSONLY"},
	event.Sym{Num: 0x1000, Name: "SOF_TIMESTAMPING_OPT_STATS"},
	event.Sym{Num: 0x2000, Name: "SOF_TIMESTAMPING_OPT_PKTINFO"},
	event.Sym{Num: 0x4000, Name: "SOF_TIMESTAMPING_OPT_TX_SWHW"},
	event.Sym{Num: 0x8000, Name: "SOF_TIMESTAMPING_BIND_PHC"},
	event.Sym{Num: 0x10000, Name: "SOF_TIMESTAMPING_OPT_ID_TCP"},
	event.Sym{Num: 0x20000, Name: "SOF_TIMESTAMPING_OPT_RX_FILTER"},
	event.Sym{Num: 0x40000, Name: "SOF_TIMESTAMPING_TX_COMPLETION"},
)

// pmtuModes: linux/in.h.
var pmtuModes = event.NewTable("IP_PMTUDISC_???",
	event.Sym{Num: 0, Name: "IP_PMTUDISC_DONT"},
	event.Sym{Num: 1, Name: "IP_PMTUDISC_WANT"},
	event.Sym{Num: 2, Name: "IP_PMTUDISC_DO"},
	event.Sym{Num: 3, Name: "IP_PMTUDISC_PROBE"},
	event.Sym{Num: 4, Name: "IP_PMTUDISC_INTERFACE"},
	event.Sym{Num: 5, Name: "IP_PMTUDISC_OMIT"},
)

// pmtu6Modes: linux/in6.h.
var pmtu6Modes = event.NewTable("IPV6_PMTUDISC_???",
	event.Sym{Num: 0, Name: "IPV6_PMTUDISC_DONT"},
	event.Sym{Num: 1, Name: "IPV6_PMTUDISC_WANT"},
	event.Sym{Num: 2, Name: "IPV6_PMTUDISC_DO"},
	event.Sym{Num: 3, Name: "IPV6_PMTUDISC_PROBE"},
	event.Sym{Num: 4, Name: "IPV6_PMTUDISC_INTERFACE"},
	event.Sym{Num: 5, Name: "IPV6_PMTUDISC_OMIT"},
)

// addrPrefs: linux/in6.h.
var addrPrefs = event.NewTable("IPV6_PREFER_SRC_???",
	event.Sym{Num: 0x1, Name: "IPV6_PREFER_SRC_TMP"},
	event.Sym{Num: 0x2, Name: "IPV6_PREFER_SRC_PUBLIC"},
	event.Sym{Num: 0x4, Name: "IPV6_PREFER_SRC_COA"},
	event.Sym{Num: 0x400, Name: "IPV6_PREFER_SRC_HOME"},
	event.Sym{Num: 0x8, Name: "IPV6_PREFER_SRC_CGA"},
	event.Sym{Num: 0x800, Name: "IPV6_PREFER_SRC_NONCGA"},
	event.Sym{Num: 0x100, Name: "IPV6_PREFER_SRC_PUBTMP_DEFAULT"},
)

// mcastModes: linux/in.h.
var mcastModes = event.NewTable("MCAST_???",
	event.Sym{Num: 0, Name: "MCAST_EXCLUDE"},
	event.Sym{Num: 1, Name: "MCAST_INCLUDE"},
)

// repairQueues: linux/tcp.h.
var repairQueues = event.NewTable("TCP_???",
	event.Sym{Num: 0, Name: "TCP_NO_QUEUE"},
	event.Sym{Num: 1, Name: "TCP_RECV_QUEUE"},
	event.Sym{Num: 2, Name: "TCP_SEND_QUEUE"},
)

// repairModes: linux/tcp.h.
var repairModes = event.NewTable("TCP_REPAIR_???",
	event.Sym{Num: 0, Name: "TCP_REPAIR_OFF"},
	event.Sym{Num: 1, Name: "TCP_REPAIR_ON"},
	event.Sym{Num: 0xffffffff, Name: "TCP_REPAIR_OFF_NO_WP"},
)

// udpEncaps: linux/udp.h.
var udpEncaps = event.NewTable("UDP_ENCAP_???",
	event.Sym{Num: 1, Name: "UDP_ENCAP_ESPINUDP_NON_IKE"},
	event.Sym{Num: 2, Name: "UDP_ENCAP_ESPINUDP"},
	event.Sym{Num: 3, Name: "UDP_ENCAP_L2TPINUDP"},
	event.Sym{Num: 4, Name: "UDP_ENCAP_GTP0"},
	event.Sym{Num: 5, Name: "UDP_ENCAP_GTP1U"},
	event.Sym{Num: 6, Name: "UDP_ENCAP_RXRPC"},
)

// udpLiteOptions: include/linux/udp.h.
var udpLiteOptions = event.NewTable("UDPLITE_???",
	event.Sym{Num: 10, Name: "UDPLITE_SEND_CSCOV"},
	event.Sym{Num: 11, Name: "UDPLITE_RECV_CSCOV"},
)

// bufLocks: linux/socket.h.
var bufLocks = event.NewTable("SOCK_???",
	event.Sym{Num: 0x1, Name: "SOCK_SNDBUF_LOCK"},
	event.Sym{Num: 0x2, Name: "SOCK_RCVBUF_LOCK"},
)

// txRehash: linux/socket.h.
var txRehash = event.NewTable("SOCK_TXREHASH_???",
	event.Sym{Num: 0, Name: "SOCK_TXREHASH_DISABLED"},
	event.Sym{Num: 1, Name: "SOCK_TXREHASH_ENABLED"},
	event.Sym{Num: 255, Name: "SOCK_TXREHASH_DEFAULT"},
)

// packetMrTypes: linux/if_packet.h.
var packetMrTypes = event.NewTable("PACKET_MR_???",
	event.Sym{Num: 0, Name: "PACKET_MR_MULTICAST"},
	event.Sym{Num: 1, Name: "PACKET_MR_PROMISC"},
	event.Sym{Num: 2, Name: "PACKET_MR_ALLMULTI"},
	event.Sym{Num: 3, Name: "PACKET_MR_UNICAST"},
)

// tpacketVersions: linux/if_packet.h.
var tpacketVersions = event.NewTable("TPACKET_???",
	event.Sym{Num: 0, Name: "TPACKET_V1"},
	event.Sym{Num: 1, Name: "TPACKET_V2"},
	event.Sym{Num: 2, Name: "TPACKET_V3"},
)

// tpFeatures: linux/if_packet.h.
var tpFeatures = event.NewTable("TP_FT_???",
	event.Sym{Num: 0x1, Name: "TP_FT_REQ_FILL_RXHASH"},
)

// fanoutModes: linux/if_packet.h.
var fanoutModes = event.NewTable("PACKET_FANOUT_???",
	event.Sym{Num: 0, Name: "PACKET_FANOUT_HASH"},
	event.Sym{Num: 1, Name: "PACKET_FANOUT_LB"},
	event.Sym{Num: 2, Name: "PACKET_FANOUT_CPU"},
	event.Sym{Num: 3, Name: "PACKET_FANOUT_ROLLOVER"},
	event.Sym{Num: 4, Name: "PACKET_FANOUT_RND"},
	event.Sym{Num: 5, Name: "PACKET_FANOUT_QM"},
	event.Sym{Num: 6, Name: "PACKET_FANOUT_CBPF"},
	event.Sym{Num: 7, Name: "PACKET_FANOUT_EBPF"},
)

// fanoutFlags: linux/if_packet.h.
var fanoutFlags = event.NewTable("PACKET_FANOUT_FLAG_???",
	event.Sym{Num: 0x1000, Name: "PACKET_FANOUT_FLAG_ROLLOVER"},
	event.Sym{Num: 0x2000, Name: "PACKET_FANOUT_FLAG_UNIQUEID"},
	event.Sym{Num: 0x4000, Name: "PACKET_FANOUT_FLAG_IGNORE_OUTGOING"},
	event.Sym{Num: 0x8000, Name: "PACKET_FANOUT_FLAG_DEFRAG"},
)

// tlsVersions: linux/tls.h.
var tlsVersions = event.NewTable("TLS_???",
	event.Sym{Num: 771, Name: "TLS_1_2_VERSION"},
	event.Sym{Num: 772, Name: "TLS_1_3_VERSION"},
)

// tlsCiphers: linux/tls.h.
var tlsCiphers = event.NewTable("TLS_CIPHER_???",
	event.Sym{Num: 51, Name: "TLS_CIPHER_AES_GCM_128"},
	event.Sym{Num: 52, Name: "TLS_CIPHER_AES_GCM_256"},
	event.Sym{Num: 53, Name: "TLS_CIPHER_AES_CCM_128"},
	event.Sym{Num: 54, Name: "TLS_CIPHER_CHACHA20_POLY1305"},
	event.Sym{Num: 55, Name: "TLS_CIPHER_SM4_GCM"},
	event.Sym{Num: 56, Name: "TLS_CIPHER_SM4_CCM"},
	event.Sym{Num: 57, Name: "TLS_CIPHER_ARIA_GCM_128"},
	event.Sym{Num: 58, Name: "TLS_CIPHER_ARIA_GCM_256"},
)

// md5Flags: linux/tcp.h.
var md5Flags = event.NewTable("TCP_MD5SIG_FLAG_???",
	event.Sym{Num: 0x1, Name: "TCP_MD5SIG_FLAG_PREFIX"},
	event.Sym{Num: 0x2, Name: "TCP_MD5SIG_FLAG_IFINDEX"},
)

// tcpStates: include/net/tcp_states.h.
var tcpStates = event.NewTable("TCP_???",
	event.Sym{Num: 1, Name: "TCP_ESTABLISHED"},
	event.Sym{Num: 2, Name: "TCP_SYN_SENT"},
	event.Sym{Num: 3, Name: "TCP_SYN_RECV"},
	event.Sym{Num: 4, Name: "TCP_FIN_WAIT1"},
	event.Sym{Num: 5, Name: "TCP_FIN_WAIT2"},
	event.Sym{Num: 6, Name: "TCP_TIME_WAIT"},
	event.Sym{Num: 7, Name: "TCP_CLOSE"},
	event.Sym{Num: 8, Name: "TCP_CLOSE_WAIT"},
	event.Sym{Num: 9, Name: "TCP_LAST_ACK"},
	event.Sym{Num: 10, Name: "TCP_LISTEN"},
	event.Sym{Num: 11, Name: "TCP_CLOSING"},
	event.Sym{Num: 12, Name: "TCP_NEW_SYN_RECV"},
)

// tcpCAStates: linux/tcp.h.
var tcpCAStates = event.NewTable("TCP_CA_???",
	event.Sym{Num: 0, Name: "TCP_CA_Open"},
	event.Sym{Num: 1, Name: "TCP_CA_Disorder"},
	event.Sym{Num: 2, Name: "TCP_CA_CWR"},
	event.Sym{Num: 3, Name: "TCP_CA_Recovery"},
	event.Sym{Num: 4, Name: "TCP_CA_Loss"},
)

// tcpiOptions: linux/tcp.h.
var tcpiOptions = event.NewTable("TCPI_OPT_???",
	event.Sym{Num: 0x1, Name: "TCPI_OPT_TIMESTAMPS"},
	event.Sym{Num: 0x2, Name: "TCPI_OPT_SACK"},
	event.Sym{Num: 0x4, Name: "TCPI_OPT_WSCALE"},
	event.Sym{Num: 0x8, Name: "TCPI_OPT_ECN"},
	event.Sym{Num: 0x10, Name: "TCPI_OPT_ECN_SEEN"},
	event.Sym{Num: 0x20, Name: "TCPI_OPT_SYN_DATA"},
	event.Sym{Num: 0x40, Name: "TCPI_OPT_USEC_TS"},
	event.Sym{Num: 0x80, Name: "TCPI_OPT_TFO_CHILD"},
)

// mptcpInfoFlags: linux/mptcp.h.
var mptcpInfoFlags = event.NewTable("MPTCP_INFO_FLAG_???",
	event.Sym{Num: 0x1, Name: "MPTCP_INFO_FLAG_FALLBACK"},
	event.Sym{Num: 0x2, Name: "MPTCP_INFO_FLAG_REMOTE_KEY_RECEIVED"},
)

// pollEvents: asm-generic/poll.h.
var pollEvents = event.NewTable("POLL???",
	event.Sym{Num: 0x1, Name: "POLLIN"},
	event.Sym{Num: 0x2, Name: "POLLPRI"},
	event.Sym{Num: 0x4, Name: "POLLOUT"},
	event.Sym{Num: 0x8, Name: "POLLERR"},
	event.Sym{Num: 0x10, Name: "POLLHUP"},
	event.Sym{Num: 0x20, Name: "POLLNVAL"},
	event.Sym{Num: 0x40, Name: "POLLRDNORM"},
	event.Sym{Num: 0x80, Name: "POLLRDBAND"},
	event.Sym{Num: 0x100, Name: "POLLWRNORM"},
	event.Sym{Num: 0x200, Name: "POLLWRBAND"},
	event.Sym{Num: 0x400, Name: "POLLMSG"},
	event.Sym{Num: 0x1000, Name: "POLLREMOVE"},
	event.Sym{Num: 0x2000, Name: "POLLRDHUP"},
	event.Sym{Num: 0x8000, Name: "POLL_BUSY_LOOP"},
)

// epollEventBits: linux/eventpoll.h.
var epollEventBits = event.NewTable("EPOLL???",
	event.Sym{Num: 0x1, Name: "EPOLLIN"},
	event.Sym{Num: 0x2, Name: "EPOLLPRI"},
	event.Sym{Num: 0x4, Name: "EPOLLOUT"},
	event.Sym{Num: 0x8, Name: "EPOLLERR"},
	event.Sym{Num: 0x10, Name: "EPOLLHUP"},
	event.Sym{Num: 0x20, Name: "EPOLLNVAL"},
	event.Sym{Num: 0x40, Name: "EPOLLRDNORM"},
	event.Sym{Num: 0x80, Name: "EPOLLRDBAND"},
	event.Sym{Num: 0x100, Name: "EPOLLWRNORM"},
	event.Sym{Num: 0x200, Name: "EPOLLWRBAND"},
	event.Sym{Num: 0x400, Name: "EPOLLMSG"},
	event.Sym{Num: 0x2000, Name: "EPOLLRDHUP"},
	event.Sym{Num: 0x10000000, Name: "EPOLLEXCLUSIVE"},
	event.Sym{Num: 0x20000000, Name: "EPOLLWAKEUP"},
	event.Sym{Num: 0x40000000, Name: "EPOLLONESHOT"},
	event.Sym{Num: 0x80000000, Name: "EPOLLET"},
)

// epollOps: linux/eventpoll.h.
var epollOps = event.NewTable("EPOLL_CTL_???",
	event.Sym{Num: 1, Name: "EPOLL_CTL_ADD"},
	event.Sym{Num: 2, Name: "EPOLL_CTL_DEL"},
	event.Sym{Num: 3, Name: "EPOLL_CTL_MOD"},
)

// epollFlags: linux/eventpoll.h.
var epollFlags = event.NewTable("EPOLL_???",
	event.Sym{Num: 0x80000, Name: "EPOLL_CLOEXEC"},
)

// closeRangeFlags: linux/close_range.h.
var closeRangeFlags = event.NewTable("CLOSE_RANGE_???",
	event.Sym{Num: 0x2, Name: "CLOSE_RANGE_UNSHARE"},
	event.Sym{Num: 0x4, Name: "CLOSE_RANGE_CLOEXEC"},
)

// spliceFlags: include/linux/splice.h.
var spliceFlags = event.NewTable("SPLICE_F_???",
	event.Sym{Num: 0x1, Name: "SPLICE_F_MOVE"},
	event.Sym{Num: 0x2, Name: "SPLICE_F_NONBLOCK"},
	event.Sym{Num: 0x4, Name: "SPLICE_F_MORE"},
	event.Sym{Num: 0x8, Name: "SPLICE_F_GIFT"},
)

// rwfFlags: linux/fs.h.
var rwfFlags = event.NewTable("RWF_???",
	event.Sym{Num: 0x1, Name: "RWF_HIPRI"},
	event.Sym{Num: 0x2, Name: "RWF_DSYNC"},
	event.Sym{Num: 0x4, Name: "RWF_SYNC"},
	event.Sym{Num: 0x8, Name: "RWF_NOWAIT"},
	event.Sym{Num: 0x10, Name: "RWF_APPEND"},
	event.Sym{Num: 0x20, Name: "RWF_NOAPPEND"},
	event.Sym{Num: 0x40, Name: "RWF_ATOMIC"},
	event.Sym{Num: 0x80, Name: "RWF_DONTCACHE"},
)

// accessModes: asm-generic/fcntl.h.
var accessModes = event.NewTable("O_???",
	event.Sym{Num: 0, Name: "O_RDONLY"},
	event.Sym{Num: 1, Name: "O_WRONLY"},
	event.Sym{Num: 2, Name: "O_RDWR"},
	event.Sym{Num: 3, Name: "O_ACCMODE"},
)

// openFlags: asm-generic/fcntl.h.
var openFlags = event.NewTable("O_???",
	event.Sym{Num: 0x40, Name: "O_CREAT"},
	event.Sym{Num: 0x80, Name: "O_EXCL"},
	event.Sym{Num: 0x100, Name: "O_NOCTTY"},
	event.Sym{Num: 0x200, Name: "O_TRUNC"},
	event.Sym{Num: 0x400, Name: "O_APPEND"},
	event.Sym{Num: 0x800, Name: "O_NONBLOCK"},
	event.Sym{Num: 0x101000, Name: "O_SYNC"},
	event.Sym{Num: 0x1000, Name: "O_DSYNC"},
	event.Sym{Num: 0x100000, Name: "__O_SYNC"},
	event.Sym{Num: 0x4000, Name: "O_DIRECT"},
	event.Sym{Num: 0x8000, Name: "O_LARGEFILE"},
	event.Sym{Num: 0x20000, Name: "O_NOFOLLOW"},
	event.Sym{Num: 0x40000, Name: "O_NOATIME"},
	event.Sym{Num: 0x80000, Name: "O_CLOEXEC"},
	event.Sym{Num: 0x200000, Name: "O_PATH"},
	event.Sym{Num: 0x410000, Name: "O_TMPFILE"},
	event.Sym{Num: 0x10000, Name: "O_DIRECTORY"},
	event.Sym{Num: 0x2000, Name: "FASYNC"},
)

// fdFlags: asm-generic/fcntl.h.
var fdFlags = event.NewTable("FD_???",
	event.Sym{Num: 0x1, Name: "FD_CLOEXEC"},
)

// leases: asm-generic/fcntl.h.
var leases = event.NewTable("F_???",
	event.Sym{Num: 0, Name: "F_RDLCK"},
	event.Sym{Num: 1, Name: "F_WRLCK"},
	event.Sym{Num: 2, Name: "F_UNLCK"},
)

// seals: linux/fcntl.h.
var seals = event.NewTable("F_SEAL_???",
	event.Sym{Num: 0x1, Name: "F_SEAL_SEAL"},
	event.Sym{Num: 0x2, Name: "F_SEAL_SHRINK"},
	event.Sym{Num: 0x4, Name: "F_SEAL_GROW"},
	event.Sym{Num: 0x8, Name: "F_SEAL_WRITE"},
	event.Sym{Num: 0x10, Name: "F_SEAL_FUTURE_WRITE"},
	event.Sym{Num: 0x20, Name: "F_SEAL_EXEC"},
)

// ownerTypes: asm-generic/fcntl.h.
var ownerTypes = event.NewTable("F_OWNER_???",
	event.Sym{Num: 0, Name: "F_OWNER_TID"},
	event.Sym{Num: 1, Name: "F_OWNER_PID"},
	event.Sym{Num: 2, Name: "F_OWNER_PGRP"},
)

// fcntlCmds: asm-generic/fcntl.h, linux/fcntl.h.
var fcntlCmds = event.NewTable("F_???",
	event.Sym{Num: 0, Name: "F_DUPFD"},
	event.Sym{Num: 1, Name: "F_GETFD"},
	event.Sym{Num: 2, Name: "F_SETFD"},
	event.Sym{Num: 3, Name: "F_GETFL"},
	event.Sym{Num: 4, Name: "F_SETFL"},
	event.Sym{Num: 5, Name: "F_GETLK"},
	event.Sym{Num: 6, Name: "F_SETLK"},
	event.Sym{Num: 7, Name: "F_SETLKW"},
	event.Sym{Num: 8, Name: "F_SETOWN"},
	event.Sym{Num: 9, Name: "F_GETOWN"},
	event.Sym{Num: 10, Name: "F_SETSIG"},
	event.Sym{Num: 11, Name: "F_GETSIG"},
	event.Sym{Num: 12, Name: "F_GETLK64"},
	event.Sym{Num: 13, Name: "F_SETLK64"},
	event.Sym{Num: 14, Name: "F_SETLKW64"},
	event.Sym{Num: 15, Name: "F_SETOWN_EX"},
	event.Sym{Num: 16, Name: "F_GETOWN_EX"},
	event.Sym{Num: 17, Name: "F_GETOWNER_UIDS"},
	event.Sym{Num: 36, Name: "F_OFD_GETLK"},
	event.Sym{Num: 37, Name: "F_OFD_SETLK"},
	event.Sym{Num: 38, Name: "F_OFD_SETLKW"},
	event.Sym{Num: 1024, Name: "F_SETLEASE"},
	event.Sym{Num: 1025, Name: "F_GETLEASE"},
	event.Sym{Num: 1026, Name: "F_NOTIFY"},
	event.Sym{Num: 1027, Name: "F_DUPFD_QUERY"},
	event.Sym{Num: 1028, Name: "F_CREATED_QUERY"},
	event.Sym{Num: 1029, Name: "F_CANCELLK"},
	event.Sym{Num: 1030, Name: "F_DUPFD_CLOEXEC"},
	event.Sym{Num: 1031, Name: "F_SETPIPE_SZ"},
	event.Sym{Num: 1032, Name: "F_GETPIPE_SZ"},
	event.Sym{Num: 1033, Name: "F_ADD_SEALS"},
	event.Sym{Num: 1034, Name: "F_GET_SEALS"},
	event.Sym{Num: 1035, Name: "F_GET_RW_HINT"},
	event.Sym{Num: 1036, Name: "F_SET_RW_HINT"},
	event.Sym{Num: 1037, Name: "F_GET_FILE_RW_HINT"},
	event.Sym{Num: 1038, Name: "F_SET_FILE_RW_HINT"},
)

// socketcalls: linux/net.h.
var socketcalls = event.NewTable("SYS_???",
	event.Sym{Num: 1, Name: "SYS_SOCKET"},
	event.Sym{Num: 2, Name: "SYS_BIND"},
	event.Sym{Num: 3, Name: "SYS_CONNECT"},
	event.Sym{Num: 4, Name: "SYS_LISTEN"},
	event.Sym{Num: 5, Name: "SYS_ACCEPT"},
	event.Sym{Num: 6, Name: "SYS_GETSOCKNAME"},
	event.Sym{Num: 7, Name: "SYS_GETPEERNAME"},
	event.Sym{Num: 8, Name: "SYS_SOCKETPAIR"},
	event.Sym{Num: 9, Name: "SYS_SEND"},
	event.Sym{Num: 10, Name: "SYS_RECV"},
	event.Sym{Num: 11, Name: "SYS_SENDTO"},
	event.Sym{Num: 12, Name: "SYS_RECVFROM"},
	event.Sym{Num: 13, Name: "SYS_SHUTDOWN"},
	event.Sym{Num: 14, Name: "SYS_SETSOCKOPT"},
	event.Sym{Num: 15, Name: "SYS_GETSOCKOPT"},
	event.Sym{Num: 16, Name: "SYS_SENDMSG"},
	event.Sym{Num: 17, Name: "SYS_RECVMSG"},
	event.Sym{Num: 18, Name: "SYS_ACCEPT4"},
	event.Sym{Num: 19, Name: "SYS_RECVMMSG"},
	event.Sym{Num: 20, Name: "SYS_SENDMMSG"},
)

// signals: asm-generic/signal.h.
var signals = event.NewTable("SIG???",
	event.Sym{Num: 1, Name: "SIGHUP"},
	event.Sym{Num: 2, Name: "SIGINT"},
	event.Sym{Num: 3, Name: "SIGQUIT"},
	event.Sym{Num: 4, Name: "SIGILL"},
	event.Sym{Num: 5, Name: "SIGTRAP"},
	event.Sym{Num: 6, Name: "SIGABRT"},
	event.Sym{Num: 7, Name: "SIGBUS"},
	event.Sym{Num: 8, Name: "SIGFPE"},
	event.Sym{Num: 9, Name: "SIGKILL"},
	event.Sym{Num: 10, Name: "SIGUSR1"},
	event.Sym{Num: 11, Name: "SIGSEGV"},
	event.Sym{Num: 12, Name: "SIGUSR2"},
	event.Sym{Num: 13, Name: "SIGPIPE"},
	event.Sym{Num: 14, Name: "SIGALRM"},
	event.Sym{Num: 15, Name: "SIGTERM"},
	event.Sym{Num: 16, Name: "SIGSTKFLT"},
	event.Sym{Num: 17, Name: "SIGCHLD"},
	event.Sym{Num: 18, Name: "SIGCONT"},
	event.Sym{Num: 19, Name: "SIGSTOP"},
	event.Sym{Num: 20, Name: "SIGTSTP"},
	event.Sym{Num: 21, Name: "SIGTTIN"},
	event.Sym{Num: 22, Name: "SIGTTOU"},
	event.Sym{Num: 23, Name: "SIGURG"},
	event.Sym{Num: 24, Name: "SIGXCPU"},
	event.Sym{Num: 25, Name: "SIGXFSZ"},
	event.Sym{Num: 26, Name: "SIGVTALRM"},
	event.Sym{Num: 27, Name: "SIGPROF"},
	event.Sym{Num: 28, Name: "SIGWINCH"},
	event.Sym{Num: 29, Name: "SIGIO"},
	event.Sym{Num: 30, Name: "SIGPWR"},
	event.Sym{Num: 31, Name: "SIGSYS"},
	event.Sym{Num: 32, Name: "SIGRTMIN"},
	event.Sym{Num: 33, Name: "SIGRT_1"},
	event.Sym{Num: 34, Name: "SIGRT_2"},
	event.Sym{Num: 35, Name: "SIGRT_3"},
	event.Sym{Num: 36, Name: "SIGRT_4"},
	event.Sym{Num: 37, Name: "SIGRT_5"},
	event.Sym{Num: 38, Name: "SIGRT_6"},
	event.Sym{Num: 39, Name: "SIGRT_7"},
	event.Sym{Num: 40, Name: "SIGRT_8"},
	event.Sym{Num: 41, Name: "SIGRT_9"},
	event.Sym{Num: 42, Name: "SIGRT_10"},
	event.Sym{Num: 43, Name: "SIGRT_11"},
	event.Sym{Num: 44, Name: "SIGRT_12"},
	event.Sym{Num: 45, Name: "SIGRT_13"},
	event.Sym{Num: 46, Name: "SIGRT_14"},
	event.Sym{Num: 47, Name: "SIGRT_15"},
	event.Sym{Num: 48, Name: "SIGRT_16"},
	event.Sym{Num: 49, Name: "SIGRT_17"},
	event.Sym{Num: 50, Name: "SIGRT_18"},
	event.Sym{Num: 51, Name: "SIGRT_19"},
	event.Sym{Num: 52, Name: "SIGRT_20"},
	event.Sym{Num: 53, Name: "SIGRT_21"},
	event.Sym{Num: 54, Name: "SIGRT_22"},
	event.Sym{Num: 55, Name: "SIGRT_23"},
	event.Sym{Num: 56, Name: "SIGRT_24"},
	event.Sym{Num: 57, Name: "SIGRT_25"},
	event.Sym{Num: 58, Name: "SIGRT_26"},
	event.Sym{Num: 59, Name: "SIGRT_27"},
	event.Sym{Num: 60, Name: "SIGRT_28"},
	event.Sym{Num: 61, Name: "SIGRT_29"},
	event.Sym{Num: 62, Name: "SIGRT_30"},
	event.Sym{Num: 63, Name: "SIGRT_31"},
	event.Sym{Num: 64, Name: "SIGRT_32"},
)

// uringEnterFlags: linux/io_uring.h.
var uringEnterFlags = event.NewTable("IORING_ENTER_???",
	event.Sym{Num: 0x1, Name: "IORING_ENTER_GETEVENTS"},
	event.Sym{Num: 0x2, Name: "IORING_ENTER_SQ_WAKEUP"},
	event.Sym{Num: 0x4, Name: "IORING_ENTER_SQ_WAIT"},
	event.Sym{Num: 0x8, Name: "IORING_ENTER_EXT_ARG"},
	event.Sym{Num: 0x10, Name: "IORING_ENTER_REGISTERED_RING"},
	event.Sym{Num: 0x20, Name: "IORING_ENTER_ABS_TIMER"},
	event.Sym{Num: 0x40, Name: "IORING_ENTER_EXT_ARG_REG"},
	event.Sym{Num: 0x80, Name: "IORING_ENTER_NO_IOWAIT"},
)

// uringSetupFlags: linux/io_uring.h.
var uringSetupFlags = event.NewTable("IORING_SETUP_???",
	event.Sym{Num: 0x1, Name: "IORING_SETUP_IOPOLL"},
	event.Sym{Num: 0x2, Name: "IORING_SETUP_SQPOLL"},
	event.Sym{Num: 0x4, Name: "IORING_SETUP_SQ_AFF"},
	event.Sym{Num: 0x8, Name: "IORING_SETUP_CQSIZE"},
	event.Sym{Num: 0x10, Name: "IORING_SETUP_CLAMP"},
	event.Sym{Num: 0x20, Name: "IORING_SETUP_ATTACH_WQ"},
	event.Sym{Num: 0x40, Name: "IORING_SETUP_R_DISABLED"},
	event.Sym{Num: 0x80, Name: "IORING_SETUP_SUBMIT_ALL"},
	event.Sym{Num: 0x100, Name: "IORING_SETUP_COOP_TASKRUN"},
	event.Sym{Num: 0x200, Name: "IORING_SETUP_TASKRUN_FLAG"},
	event.Sym{Num: 0x400, Name: "IORING_SETUP_SQE128"},
	event.Sym{Num: 0x800, Name: "IORING_SETUP_CQE32"},
	event.Sym{Num: 0x1000, Name: "IORING_SETUP_SINGLE_ISSUER"},
	event.Sym{Num: 0x2000, Name: "IORING_SETUP_DEFER_TASKRUN"},
	event.Sym{Num: 0x4000, Name: "IORING_SETUP_NO_MMAP"},
	event.Sym{Num: 0x8000, Name: "IORING_SETUP_REGISTERED_FD_ONLY"},
	event.Sym{Num: 0x10000, Name: "IORING_SETUP_NO_SQARRAY"},
	event.Sym{Num: 0x20000, Name: "IORING_SETUP_HYBRID_IOPOLL"},
	event.Sym{Num: 0x40000, Name: "IORING_SETUP_CQE_MIXED"},
)

// uringFeatures: linux/io_uring.h.
var uringFeatures = event.NewTable("IORING_FEAT_???",
	event.Sym{Num: 0x1, Name: "IORING_FEAT_SINGLE_MMAP"},
	event.Sym{Num: 0x2, Name: "IORING_FEAT_NODROP"},
	event.Sym{Num: 0x4, Name: "IORING_FEAT_SUBMIT_STABLE"},
	event.Sym{Num: 0x8, Name: "IORING_FEAT_RW_CUR_POS"},
	event.Sym{Num: 0x10, Name: "IORING_FEAT_CUR_PERSONALITY"},
	event.Sym{Num: 0x20, Name: "IORING_FEAT_FAST_POLL"},
	event.Sym{Num: 0x40, Name: "IORING_FEAT_POLL_32BITS"},
	event.Sym{Num: 0x80, Name: "IORING_FEAT_SQPOLL_NONFIXED"},
	event.Sym{Num: 0x100, Name: "IORING_FEAT_EXT_ARG"},
	event.Sym{Num: 0x200, Name: "IORING_FEAT_NATIVE_WORKERS"},
	event.Sym{Num: 0x400, Name: "IORING_FEAT_RSRC_TAGS"},
	event.Sym{Num: 0x800, Name: "IORING_FEAT_CQE_SKIP"},
	event.Sym{Num: 0x1000, Name: "IORING_FEAT_LINKED_FILE"},
	event.Sym{Num: 0x2000, Name: "IORING_FEAT_REG_REG_RING"},
	event.Sym{Num: 0x4000, Name: "IORING_FEAT_RECVSEND_BUNDLE"},
	event.Sym{Num: 0x8000, Name: "IORING_FEAT_MIN_TIMEOUT"},
	event.Sym{Num: 0x10000, Name: "IORING_FEAT_RW_ATTR"},
	event.Sym{Num: 0x20000, Name: "IORING_FEAT_NO_IOWAIT"},
)

// uringRegisterOps: linux/io_uring.h.
var uringRegisterOps = event.NewTable("IORING_REGISTER_???",
	event.Sym{Num: 0, Name: "IORING_REGISTER_BUFFERS"},
	event.Sym{Num: 1, Name: "IORING_UNREGISTER_BUFFERS"},
	event.Sym{Num: 2, Name: "IORING_REGISTER_FILES"},
	event.Sym{Num: 3, Name: "IORING_UNREGISTER_FILES"},
	event.Sym{Num: 4, Name: "IORING_REGISTER_EVENTFD"},
	event.Sym{Num: 5, Name: "IORING_UNREGISTER_EVENTFD"},
	event.Sym{Num: 6, Name: "IORING_REGISTER_FILES_UPDATE"},
	event.Sym{Num: 7, Name: "IORING_REGISTER_EVENTFD_ASYNC"},
	event.Sym{Num: 8, Name: "IORING_REGISTER_PROBE"},
	event.Sym{Num: 9, Name: "IORING_REGISTER_PERSONALITY"},
	event.Sym{Num: 10, Name: "IORING_UNREGISTER_PERSONALITY"},
	event.Sym{Num: 11, Name: "IORING_REGISTER_RESTRICTIONS"},
	event.Sym{Num: 12, Name: "IORING_REGISTER_ENABLE_RINGS"},
	event.Sym{Num: 13, Name: "IORING_REGISTER_FILES2"},
	event.Sym{Num: 14, Name: "IORING_REGISTER_FILES_UPDATE2"},
	event.Sym{Num: 15, Name: "IORING_REGISTER_BUFFERS2"},
	event.Sym{Num: 16, Name: "IORING_REGISTER_BUFFERS_UPDATE"},
	event.Sym{Num: 17, Name: "IORING_REGISTER_IOWQ_AFF"},
	event.Sym{Num: 18, Name: "IORING_UNREGISTER_IOWQ_AFF"},
	event.Sym{Num: 19, Name: "IORING_REGISTER_IOWQ_MAX_WORKERS"},
	event.Sym{Num: 20, Name: "IORING_REGISTER_RING_FDS"},
	event.Sym{Num: 21, Name: "IORING_UNREGISTER_RING_FDS"},
	event.Sym{Num: 22, Name: "IORING_REGISTER_PBUF_RING"},
	event.Sym{Num: 23, Name: "IORING_UNREGISTER_PBUF_RING"},
	event.Sym{Num: 24, Name: "IORING_REGISTER_SYNC_CANCEL"},
	event.Sym{Num: 25, Name: "IORING_REGISTER_FILE_ALLOC_RANGE"},
	event.Sym{Num: 26, Name: "IORING_REGISTER_PBUF_STATUS"},
	event.Sym{Num: 27, Name: "IORING_REGISTER_NAPI"},
	event.Sym{Num: 28, Name: "IORING_UNREGISTER_NAPI"},
	event.Sym{Num: 29, Name: "IORING_REGISTER_CLOCK"},
	event.Sym{Num: 30, Name: "IORING_REGISTER_CLONE_BUFFERS"},
	event.Sym{Num: 31, Name: "IORING_REGISTER_SEND_MSG_RING"},
	event.Sym{Num: 32, Name: "IORING_REGISTER_ZCRX_IFQ"},
	event.Sym{Num: 33, Name: "IORING_REGISTER_RESIZE_RINGS"},
	event.Sym{Num: 34, Name: "IORING_REGISTER_MEM_REGION"},
	event.Sym{Num: 35, Name: "IORING_REGISTER_QUERY"},
)

// ifFlagBits: linux/if.h.
var ifFlagBits = event.NewTable("IFF_???",
	event.Sym{Num: 0x1, Name: "IFF_UP"},
	event.Sym{Num: 0x2, Name: "IFF_BROADCAST"},
	event.Sym{Num: 0x4, Name: "IFF_DEBUG"},
	event.Sym{Num: 0x8, Name: "IFF_LOOPBACK"},
	event.Sym{Num: 0x10, Name: "IFF_POINTOPOINT"},
	event.Sym{Num: 0x20, Name: "IFF_NOTRAILERS"},
	event.Sym{Num: 0x40, Name: "IFF_RUNNING"},
	event.Sym{Num: 0x80, Name: "IFF_NOARP"},
	event.Sym{Num: 0x100, Name: "IFF_PROMISC"},
	event.Sym{Num: 0x200, Name: "IFF_ALLMULTI"},
	event.Sym{Num: 0x400, Name: "IFF_MASTER"},
	event.Sym{Num: 0x800, Name: "IFF_SLAVE"},
	event.Sym{Num: 0x1000, Name: "IFF_MULTICAST"},
	event.Sym{Num: 0x2000, Name: "IFF_PORTSEL"},
	event.Sym{Num: 0x4000, Name: "IFF_AUTOMEDIA"},
	event.Sym{Num: 0x8000, Name: "IFF_DYNAMIC"},
	event.Sym{Num: 0x10000, Name: "IFF_LOWER_UP"},
	event.Sym{Num: 0x20000, Name: "IFF_DORMANT"},
	event.Sym{Num: 0x40000, Name: "IFF_ECHO"},
)

// ioctls: linux/sockios.h, asm-generic/ioctls.h.
var ioctls = event.NewTable("",
	event.Sym{Num: 1977, Name: "IOCTL_VM_SOCKETS_GET_LOCAL_CID"},
	event.Sym{Num: 21505, Name: "TCGETS"},
	event.Sym{Num: 21506, Name: "TCSETS"},
	event.Sym{Num: 21519, Name: "TIOCGPGRP"},
	event.Sym{Num: 21521, Name: "TIOCOUTQ"},
	event.Sym{Num: 21523, Name: "TIOCGWINSZ"},
	event.Sym{Num: 21531, Name: "FIONREAD"},
	event.Sym{Num: 21537, Name: "FIONBIO"},
	event.Sym{Num: 21584, Name: "FIONCLEX"},
	event.Sym{Num: 21585, Name: "FIOCLEX"},
	event.Sym{Num: 21586, Name: "FIOASYNC"},
	event.Sym{Num: 21600, Name: "FIOQSIZE"},
	event.Sym{Num: 35073, Name: "FIOSETOWN"},
	event.Sym{Num: 35074, Name: "SIOCSPGRP"},
	event.Sym{Num: 35075, Name: "FIOGETOWN"},
	event.Sym{Num: 35076, Name: "SIOCGPGRP"},
	event.Sym{Num: 35077, Name: "SIOCATMARK"},
	event.Sym{Num: 35078, Name: "SIOCGSTAMP_OLD"},
	event.Sym{Num: 35079, Name: "SIOCGSTAMPNS_OLD"},
	event.Sym{Num: 35083, Name: "SIOCADDRT"},
	event.Sym{Num: 35084, Name: "SIOCDELRT"},
	event.Sym{Num: 35085, Name: "SIOCRTMSG"},
	event.Sym{Num: 35088, Name: "SIOCGIFNAME"},
	event.Sym{Num: 35089, Name: "SIOCSIFLINK"},
	event.Sym{Num: 35090, Name: "SIOCGIFCONF"},
	event.Sym{Num: 35091, Name: "SIOCGIFFLAGS"},
	event.Sym{Num: 35092, Name: "SIOCSIFFLAGS"},
	event.Sym{Num: 35093, Name: "SIOCGIFADDR"},
	event.Sym{Num: 35094, Name: "SIOCSIFADDR"},
	event.Sym{Num: 35095, Name: "SIOCGIFDSTADDR"},
	event.Sym{Num: 35096, Name: "SIOCSIFDSTADDR"},
	event.Sym{Num: 35097, Name: "SIOCGIFBRDADDR"},
	event.Sym{Num: 35098, Name: "SIOCSIFBRDADDR"},
	event.Sym{Num: 35099, Name: "SIOCGIFNETMASK"},
	event.Sym{Num: 35100, Name: "SIOCSIFNETMASK"},
	event.Sym{Num: 35101, Name: "SIOCGIFMETRIC"},
	event.Sym{Num: 35102, Name: "SIOCSIFMETRIC"},
	event.Sym{Num: 35103, Name: "SIOCGIFMEM"},
	event.Sym{Num: 35104, Name: "SIOCSIFMEM"},
	event.Sym{Num: 35105, Name: "SIOCGIFMTU"},
	event.Sym{Num: 35106, Name: "SIOCSIFMTU"},
	event.Sym{Num: 35107, Name: "SIOCSIFNAME"},
	event.Sym{Num: 35108, Name: "SIOCSIFHWADDR"},
	event.Sym{Num: 35109, Name: "SIOCGIFENCAP"},
	event.Sym{Num: 35110, Name: "SIOCSIFENCAP"},
	event.Sym{Num: 35111, Name: "SIOCGIFHWADDR"},
	event.Sym{Num: 35113, Name: "SIOCGIFSLAVE"},
	event.Sym{Num: 35120, Name: "SIOCSIFSLAVE"},
	event.Sym{Num: 35121, Name: "SIOCADDMULTI"},
	event.Sym{Num: 35122, Name: "SIOCDELMULTI"},
	event.Sym{Num: 35123, Name: "SIOCGIFINDEX"},
	event.Sym{Num: 35124, Name: "SIOCSIFPFLAGS"},
	event.Sym{Num: 35125, Name: "SIOCGIFPFLAGS"},
	event.Sym{Num: 35126, Name: "SIOCDIFADDR"},
	event.Sym{Num: 35127, Name: "SIOCSIFHWBROADCAST"},
	event.Sym{Num: 35128, Name: "SIOCGIFCOUNT"},
	event.Sym{Num: 35136, Name: "SIOCGIFBR"},
	event.Sym{Num: 35137, Name: "SIOCSIFBR"},
	event.Sym{Num: 35138, Name: "SIOCGIFTXQLEN"},
	event.Sym{Num: 35139, Name: "SIOCSIFTXQLEN"},
	event.Sym{Num: 35142, Name: "SIOCETHTOOL"},
	event.Sym{Num: 35143, Name: "SIOCGMIIPHY"},
	event.Sym{Num: 35144, Name: "SIOCGMIIREG"},
	event.Sym{Num: 35145, Name: "SIOCSMIIREG"},
	event.Sym{Num: 35146, Name: "SIOCWANDEV"},
	event.Sym{Num: 35147, Name: "SIOCOUTQNSD"},
	event.Sym{Num: 35148, Name: "SIOCGSKNS"},
	event.Sym{Num: 35155, Name: "SIOCDARP"},
	event.Sym{Num: 35156, Name: "SIOCGARP"},
	event.Sym{Num: 35157, Name: "SIOCSARP"},
	event.Sym{Num: 35168, Name: "SIOCDRARP"},
	event.Sym{Num: 35169, Name: "SIOCGRARP"},
	event.Sym{Num: 35170, Name: "SIOCSRARP"},
	event.Sym{Num: 35184, Name: "SIOCGIFMAP"},
	event.Sym{Num: 35185, Name: "SIOCSIFMAP"},
	event.Sym{Num: 35200, Name: "SIOCADDDLCI"},
	event.Sym{Num: 35201, Name: "SIOCDELDLCI"},
	event.Sym{Num: 35202, Name: "SIOCGIFVLAN"},
	event.Sym{Num: 35203, Name: "SIOCSIFVLAN"},
	event.Sym{Num: 35216, Name: "SIOCBONDENSLAVE"},
	event.Sym{Num: 35217, Name: "SIOCBONDRELEASE"},
	event.Sym{Num: 35218, Name: "SIOCBONDSETHWADDR"},
	event.Sym{Num: 35219, Name: "SIOCBONDSLAVEINFOQUERY"},
	event.Sym{Num: 35220, Name: "SIOCBONDINFOQUERY"},
	event.Sym{Num: 35221, Name: "SIOCBONDCHANGEACTIVE"},
	event.Sym{Num: 35232, Name: "SIOCBRADDBR"},
	event.Sym{Num: 35233, Name: "SIOCBRDELBR"},
	event.Sym{Num: 35234, Name: "SIOCBRADDIF"},
	event.Sym{Num: 35235, Name: "SIOCBRDELIF"},
	event.Sym{Num: 35248, Name: "SIOCSHWTSTAMP"},
	event.Sym{Num: 35249, Name: "SIOCGHWTSTAMP"},
	event.Sym{Num: 0x80108906, Name: "SIOCGSTAMP_NEW"},
	event.Sym{Num: 0x80108907, Name: "SIOCGSTAMPNS_NEW"},
)

// iocDirs: asm-generic/ioctl.h.
var iocDirs = event.NewTable("_IOC_???",
	event.Sym{Num: 0, Name: "_IOC_NONE"},
	event.Sym{Num: 1, Name: "_IOC_WRITE"},
	event.Sym{Num: 2, Name: "_IOC_READ"},
	event.Sym{Num: 3, Name: "_IOC_READ|_IOC_WRITE"},
)

// ethtoolCmds: linux/ethtool.h.
var ethtoolCmds = event.NewTable("ETHTOOL_???",
	event.Sym{Num: 1, Name: "ETHTOOL_GSET"},
	event.Sym{Num: 2, Name: "ETHTOOL_SSET"},
	event.Sym{Num: 3, Name: "ETHTOOL_GDRVINFO"},
	event.Sym{Num: 4, Name: "ETHTOOL_GREGS"},
	event.Sym{Num: 5, Name: "ETHTOOL_GWOL"},
	event.Sym{Num: 6, Name: "ETHTOOL_SWOL"},
	event.Sym{Num: 7, Name: "ETHTOOL_GMSGLVL"},
	event.Sym{Num: 8, Name: "ETHTOOL_SMSGLVL"},
	event.Sym{Num: 9, Name: "ETHTOOL_NWAY_RST"},
	event.Sym{Num: 10, Name: "ETHTOOL_GLINK"},
	event.Sym{Num: 11, Name: "ETHTOOL_GEEPROM"},
	event.Sym{Num: 12, Name: "ETHTOOL_SEEPROM"},
	event.Sym{Num: 14, Name: "ETHTOOL_GCOALESCE"},
	event.Sym{Num: 15, Name: "ETHTOOL_SCOALESCE"},
	event.Sym{Num: 16, Name: "ETHTOOL_GRINGPARAM"},
	event.Sym{Num: 17, Name: "ETHTOOL_SRINGPARAM"},
	event.Sym{Num: 18, Name: "ETHTOOL_GPAUSEPARAM"},
	event.Sym{Num: 19, Name: "ETHTOOL_SPAUSEPARAM"},
	event.Sym{Num: 20, Name: "ETHTOOL_GRXCSUM"},
	event.Sym{Num: 21, Name: "ETHTOOL_SRXCSUM"},
	event.Sym{Num: 22, Name: "ETHTOOL_GTXCSUM"},
	event.Sym{Num: 23, Name: "ETHTOOL_STXCSUM"},
	event.Sym{Num: 24, Name: "ETHTOOL_GSG"},
	event.Sym{Num: 25, Name: "ETHTOOL_SSG"},
	event.Sym{Num: 26, Name: "ETHTOOL_TEST"},
	event.Sym{Num: 27, Name: "ETHTOOL_GSTRINGS"},
	event.Sym{Num: 28, Name: "ETHTOOL_PHYS_ID"},
	event.Sym{Num: 29, Name: "ETHTOOL_GSTATS"},
	event.Sym{Num: 30, Name: "ETHTOOL_GTSO"},
	event.Sym{Num: 31, Name: "ETHTOOL_STSO"},
	event.Sym{Num: 32, Name: "ETHTOOL_GPERMADDR"},
	event.Sym{Num: 33, Name: "ETHTOOL_GUFO"},
	event.Sym{Num: 34, Name: "ETHTOOL_SUFO"},
	event.Sym{Num: 35, Name: "ETHTOOL_GGSO"},
	event.Sym{Num: 36, Name: "ETHTOOL_SGSO"},
	event.Sym{Num: 37, Name: "ETHTOOL_GFLAGS"},
	event.Sym{Num: 38, Name: "ETHTOOL_SFLAGS"},
	event.Sym{Num: 39, Name: "ETHTOOL_GPFLAGS"},
	event.Sym{Num: 40, Name: "ETHTOOL_SPFLAGS"},
	event.Sym{Num: 41, Name: "ETHTOOL_GRXFH"},
	event.Sym{Num: 42, Name: "ETHTOOL_SRXFH"},
	event.Sym{Num: 43, Name: "ETHTOOL_GGRO"},
	event.Sym{Num: 44, Name: "ETHTOOL_SGRO"},
	event.Sym{Num: 45, Name: "ETHTOOL_GRXRINGS"},
	event.Sym{Num: 46, Name: "ETHTOOL_GRXCLSRLCNT"},
	event.Sym{Num: 47, Name: "ETHTOOL_GRXCLSRULE"},
	event.Sym{Num: 48, Name: "ETHTOOL_GRXCLSRLALL"},
	event.Sym{Num: 49, Name: "ETHTOOL_SRXCLSRLDEL"},
	event.Sym{Num: 50, Name: "ETHTOOL_SRXCLSRLINS"},
	event.Sym{Num: 51, Name: "ETHTOOL_FLASHDEV"},
	event.Sym{Num: 52, Name: "ETHTOOL_RESET"},
	event.Sym{Num: 53, Name: "ETHTOOL_SRXNTUPLE"},
	event.Sym{Num: 54, Name: "ETHTOOL_GRXNTUPLE"},
	event.Sym{Num: 55, Name: "ETHTOOL_GSSET_INFO"},
	event.Sym{Num: 56, Name: "ETHTOOL_GRXFHINDIR"},
	event.Sym{Num: 57, Name: "ETHTOOL_SRXFHINDIR"},
	event.Sym{Num: 58, Name: "ETHTOOL_GFEATURES"},
	event.Sym{Num: 59, Name: "ETHTOOL_SFEATURES"},
	event.Sym{Num: 60, Name: "ETHTOOL_GCHANNELS"},
	event.Sym{Num: 61, Name: "ETHTOOL_SCHANNELS"},
	event.Sym{Num: 62, Name: "ETHTOOL_SET_DUMP"},
	event.Sym{Num: 63, Name: "ETHTOOL_GET_DUMP_FLAG"},
	event.Sym{Num: 64, Name: "ETHTOOL_GET_DUMP_DATA"},
	event.Sym{Num: 65, Name: "ETHTOOL_GET_TS_INFO"},
	event.Sym{Num: 66, Name: "ETHTOOL_GMODULEINFO"},
	event.Sym{Num: 67, Name: "ETHTOOL_GMODULEEEPROM"},
	event.Sym{Num: 68, Name: "ETHTOOL_GEEE"},
	event.Sym{Num: 69, Name: "ETHTOOL_SEEE"},
	event.Sym{Num: 70, Name: "ETHTOOL_GRSSH"},
	event.Sym{Num: 71, Name: "ETHTOOL_SRSSH"},
	event.Sym{Num: 72, Name: "ETHTOOL_GTUNABLE"},
	event.Sym{Num: 73, Name: "ETHTOOL_STUNABLE"},
	event.Sym{Num: 74, Name: "ETHTOOL_GPHYSTATS"},
	event.Sym{Num: 75, Name: "ETHTOOL_PERQUEUE"},
	event.Sym{Num: 76, Name: "ETHTOOL_GLINKSETTINGS"},
	event.Sym{Num: 77, Name: "ETHTOOL_SLINKSETTINGS"},
	event.Sym{Num: 80, Name: "ETHTOOL_GFECPARAM"},
	event.Sym{Num: 81, Name: "ETHTOOL_SFECPARAM"},
)

// bpfClasses: linux/bpf_common.h.
var bpfClasses = event.NewTable("BPF_???",
	event.Sym{Num: 0, Name: "BPF_LD"},
	event.Sym{Num: 1, Name: "BPF_LDX"},
	event.Sym{Num: 2, Name: "BPF_ST"},
	event.Sym{Num: 3, Name: "BPF_STX"},
	event.Sym{Num: 4, Name: "BPF_ALU"},
	event.Sym{Num: 5, Name: "BPF_JMP"},
	event.Sym{Num: 6, Name: "BPF_RET"},
	event.Sym{Num: 7, Name: "BPF_MISC"},
)

// bpfSizes: linux/bpf_common.h.
var bpfSizes = event.NewTable("BPF_???",
	event.Sym{Num: 0, Name: "BPF_W"},
	event.Sym{Num: 8, Name: "BPF_H"},
	event.Sym{Num: 16, Name: "BPF_B"},
)

// bpfModes: linux/bpf_common.h.
var bpfModes = event.NewTable("BPF_???",
	event.Sym{Num: 0, Name: "BPF_IMM"},
	event.Sym{Num: 32, Name: "BPF_ABS"},
	event.Sym{Num: 64, Name: "BPF_IND"},
	event.Sym{Num: 96, Name: "BPF_MEM"},
	event.Sym{Num: 128, Name: "BPF_LEN"},
	event.Sym{Num: 160, Name: "BPF_MSH"},
)

// bpfSources: linux/bpf_common.h.
var bpfSources = event.NewTable("BPF_???",
	event.Sym{Num: 0, Name: "BPF_K"},
	event.Sym{Num: 8, Name: "BPF_X"},
)

// bpfReturns: linux/filter.h.
var bpfReturns = event.NewTable("BPF_???",
	event.Sym{Num: 0, Name: "BPF_K"},
	event.Sym{Num: 8, Name: "BPF_X"},
	event.Sym{Num: 16, Name: "BPF_A"},
)

// bpfALUOps: linux/bpf_common.h.
var bpfALUOps = event.NewTable("BPF_???",
	event.Sym{Num: 0, Name: "BPF_ADD"},
	event.Sym{Num: 16, Name: "BPF_SUB"},
	event.Sym{Num: 32, Name: "BPF_MUL"},
	event.Sym{Num: 48, Name: "BPF_DIV"},
	event.Sym{Num: 64, Name: "BPF_OR"},
	event.Sym{Num: 80, Name: "BPF_AND"},
	event.Sym{Num: 96, Name: "BPF_LSH"},
	event.Sym{Num: 112, Name: "BPF_RSH"},
	event.Sym{Num: 128, Name: "BPF_NEG"},
	event.Sym{Num: 144, Name: "BPF_MOD"},
	event.Sym{Num: 160, Name: "BPF_XOR"},
)

// bpfJumps: linux/bpf_common.h.
var bpfJumps = event.NewTable("BPF_???",
	event.Sym{Num: 0, Name: "BPF_JA"},
	event.Sym{Num: 16, Name: "BPF_JEQ"},
	event.Sym{Num: 32, Name: "BPF_JGT"},
	event.Sym{Num: 48, Name: "BPF_JGE"},
	event.Sym{Num: 64, Name: "BPF_JSET"},
)

// bpfMisc: linux/filter.h.
var bpfMisc = event.NewTable("BPF_???",
	event.Sym{Num: 0, Name: "BPF_TAX"},
	event.Sym{Num: 128, Name: "BPF_TXA"},
)

// bpfOffsets: linux/filter.h.
var bpfOffsets = event.NewTable("SKF_???",
	event.Sym{Num: 0xfffff000, Name: "SKF_AD_OFF"},
)

// bpfAncillary: linux/filter.h.
var bpfAncillary = event.NewTable("SKF_AD_???",
	event.Sym{Num: 0, Name: "SKF_AD_PROTOCOL"},
	event.Sym{Num: 4, Name: "SKF_AD_PKTTYPE"},
	event.Sym{Num: 8, Name: "SKF_AD_IFINDEX"},
	event.Sym{Num: 12, Name: "SKF_AD_NLATTR"},
	event.Sym{Num: 16, Name: "SKF_AD_NLATTR_NEST"},
	event.Sym{Num: 20, Name: "SKF_AD_MARK"},
	event.Sym{Num: 24, Name: "SKF_AD_QUEUE"},
	event.Sym{Num: 28, Name: "SKF_AD_HATYPE"},
	event.Sym{Num: 32, Name: "SKF_AD_RXHASH"},
	event.Sym{Num: 36, Name: "SKF_AD_CPU"},
	event.Sym{Num: 40, Name: "SKF_AD_ALU_XOR_X"},
	event.Sym{Num: 44, Name: "SKF_AD_VLAN_TAG"},
	event.Sym{Num: 48, Name: "SKF_AD_VLAN_TAG_PRESENT"},
	event.Sym{Num: 52, Name: "SKF_AD_PAY_OFFSET"},
	event.Sym{Num: 56, Name: "SKF_AD_RANDOM"},
	event.Sym{Num: 60, Name: "SKF_AD_VLAN_TPID"},
)

// signalName returns the name of a signal in a set, without SIG.
func signalName(n int) string {
	if s := signals.Name(uint64(n)); len(s) > 3 {
		return s[3:]
	}
	return decText(uint64(n))
}

func icmpCodes(kind uint64) *event.Table {
	switch kind {
	case 3:
		return icmpUnreach
	case 11:
		return icmpExceeded
	}
	return anyType
}

func icmp6Codes(kind uint64) *event.Table {
	switch kind {
	case 1:
		return icmp6Unreach
	case 3:
		return icmp6Exceeded
	}
	return anyType
}
