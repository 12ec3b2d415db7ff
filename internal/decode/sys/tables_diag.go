package sys

import "github.com/pidwire/pidwire/internal/event"

// names returns the table of an enumeration that starts at first.
func names(unknown string, first uint64, list ...string) *event.Table {
	syms := make([]event.Sym, len(list))
	for i, n := range list {
		syms[i] = event.Sym{Num: first + uint64(i), Name: n}
	}
	return event.NewTable(unknown, syms...)
}

// bitsFrom returns the table of consecutive bits that start at bit first.
func bitsFrom(unknown string, first int, list ...string) *event.Table {
	syms := make([]event.Sym, len(list))
	for i, n := range list {
		syms[i] = event.Sym{Num: 1 << (first + i), Name: n}
	}
	return event.NewTable(unknown, syms...)
}

// diagExts: linux/inet_diag.h, as bits of idiag_ext.
var diagExts = bitsFrom("1<<(INET_DIAG_???-1)", 0,
	"1<<(INET_DIAG_MEMINFO-1)", "1<<(INET_DIAG_INFO-1)", "1<<(INET_DIAG_VEGASINFO-1)", "1<<(INET_DIAG_CONG-1)",
	"1<<(INET_DIAG_TOS-1)", "1<<(INET_DIAG_TCLASS-1)", "1<<(INET_DIAG_SKMEMINFO-1)", "1<<(INET_DIAG_SHUTDOWN-1)",
)

// diagStates: net/tcp_states.h, as bits.
var diagStates = bitsFrom("1<<TCP_???", 1,
	"1<<TCP_ESTABLISHED", "1<<TCP_SYN_SENT", "1<<TCP_SYN_RECV", "1<<TCP_FIN_WAIT1", "1<<TCP_FIN_WAIT2", "1<<TCP_TIME_WAIT",
	"1<<TCP_CLOSE", "1<<TCP_CLOSE_WAIT", "1<<TCP_LAST_ACK", "1<<TCP_LISTEN", "1<<TCP_CLOSING", "1<<TCP_NEW_SYN_RECV",
)

// diagReqNames: linux/inet_diag.h.
var diagReqNames = names("INET_DIAG_REQ_???", 0,
	"INET_DIAG_REQ_NONE", "INET_DIAG_REQ_BYTECODE", "INET_DIAG_REQ_SK_BPF_STORAGES", "INET_DIAG_REQ_PROTOCOL",
)

// diagCodes: linux/inet_diag.h.
var diagCodes = names("INET_DIAG_BC_???", 0,
	"INET_DIAG_BC_NOP", "INET_DIAG_BC_JMP", "INET_DIAG_BC_S_GE", "INET_DIAG_BC_S_LE", "INET_DIAG_BC_D_GE", "INET_DIAG_BC_D_LE",
	"INET_DIAG_BC_AUTO", "INET_DIAG_BC_S_COND", "INET_DIAG_BC_D_COND", "INET_DIAG_BC_DEV_COND", "INET_DIAG_BC_MARK_COND",
	"INET_DIAG_BC_S_EQ", "INET_DIAG_BC_D_EQ", "INET_DIAG_BC_CGROUP_COND",
)

// inetDiagNames: linux/inet_diag.h.
var inetDiagNames = names("INET_DIAG_???", 0,
	"INET_DIAG_NONE", "INET_DIAG_MEMINFO", "INET_DIAG_INFO", "INET_DIAG_VEGASINFO", "INET_DIAG_CONG", "INET_DIAG_TOS", "INET_DIAG_TCLASS",
	"INET_DIAG_SKMEMINFO", "INET_DIAG_SHUTDOWN", "INET_DIAG_DCTCPINFO", "INET_DIAG_PROTOCOL", "INET_DIAG_SKV6ONLY", "INET_DIAG_LOCALS",
	"INET_DIAG_PEERS", "INET_DIAG_PAD", "INET_DIAG_MARK", "INET_DIAG_BBRINFO", "INET_DIAG_CLASS_ID", "INET_DIAG_MD5SIG",
	"INET_DIAG_ULP_INFO", "INET_DIAG_SK_BPF_STORAGES", "INET_DIAG_CGROUP_ID", "INET_DIAG_SOCKOPT",
)

// sockoptBits: struct inet_diag_sockopt (linux/inet_diag.h), from the lowest bit.
var sockoptBits = []string{
	"recverr", "is_icsk", "freebind", "hdrincl", "mc_loop", "transparent", "mc_all", "nodefrag", "bind_address_no_port", "recverr_rfc4884",
	"defer_connect",
}

// meminfoNames: linux/sock_diag.h.
var meminfoNames = []string{
	"[SK_MEMINFO_RMEM_ALLOC]", "[SK_MEMINFO_RCVBUF]", "[SK_MEMINFO_WMEM_ALLOC]", "[SK_MEMINFO_SNDBUF]", "[SK_MEMINFO_FWD_ALLOC]",
	"[SK_MEMINFO_WMEM_QUEUED]", "[SK_MEMINFO_OPTMEM]", "[SK_MEMINFO_BACKLOG]", "[SK_MEMINFO_DROPS]",
}

// diagShutdowns: RCV_SHUTDOWN and SEND_SHUTDOWN (include/net/sock.h), which strace prints as
// a number.
var diagShutdowns = bitsFrom("???_SHUTDOWN", 0, "RCV_SHUTDOWN", "SEND_SHUTDOWN")

// unixDiagShows: linux/unix_diag.h.
var unixDiagShows = bitsFrom("UDIAG_SHOW_???", 0,
	"UDIAG_SHOW_NAME", "UDIAG_SHOW_VFS", "UDIAG_SHOW_PEER", "UDIAG_SHOW_ICONS", "UDIAG_SHOW_RQLEN", "UDIAG_SHOW_MEMINFO", "UDIAG_SHOW_UID",
)

// unixDiagNames: linux/unix_diag.h.
var unixDiagNames = names("UNIX_DIAG_???", 0,
	"UNIX_DIAG_NAME", "UNIX_DIAG_VFS", "UNIX_DIAG_PEER", "UNIX_DIAG_ICONS", "UNIX_DIAG_RQLEN", "UNIX_DIAG_MEMINFO", "UNIX_DIAG_SHUTDOWN",
	"UNIX_DIAG_UID",
)

// netlinkDiagShows: linux/netlink_diag.h.
var netlinkDiagShows = bitsFrom("NDIAG_SHOW_???", 0, "NDIAG_SHOW_MEMINFO", "NDIAG_SHOW_GROUPS", "NDIAG_SHOW_RING_CFG", "NDIAG_SHOW_FLAGS")

// netlinkDiagNames: linux/netlink_diag.h.
var netlinkDiagNames = names("NETLINK_DIAG_???", 0,
	"NETLINK_DIAG_MEMINFO", "NETLINK_DIAG_GROUPS", "NETLINK_DIAG_RX_RING", "NETLINK_DIAG_TX_RING", "NETLINK_DIAG_FLAGS",
)

// netlinkDiagFlags: linux/netlink_diag.h.
var netlinkDiagFlags = bitsFrom("NDIAG_FLAG_???", 0,
	"NDIAG_FLAG_CB_RUNNING", "NDIAG_FLAG_PKTINFO", "NDIAG_FLAG_BROADCAST_ERROR", "NDIAG_FLAG_NO_ENOBUFS", "NDIAG_FLAG_LISTEN_ALL_NSID",
	"NDIAG_FLAG_CAP_ACK",
)

// packetDiagShows: linux/packet_diag.h.
var packetDiagShows = bitsFrom("PACKET_SHOW_???", 0,
	"PACKET_SHOW_INFO", "PACKET_SHOW_MCLIST", "PACKET_SHOW_RING_CFG", "PACKET_SHOW_FANOUT", "PACKET_SHOW_MEMINFO", "PACKET_SHOW_FILTER",
)

// packetDiagNames: linux/packet_diag.h.
var packetDiagNames = names("PACKET_DIAG_???", 0,
	"PACKET_DIAG_INFO", "PACKET_DIAG_MCLIST", "PACKET_DIAG_RX_RING", "PACKET_DIAG_TX_RING", "PACKET_DIAG_FANOUT", "PACKET_DIAG_UID",
	"PACKET_DIAG_MEMINFO", "PACKET_DIAG_FILTER",
)

// packetDiagFlags: linux/packet_diag.h.
var packetDiagFlags = bitsFrom("PDI_???", 0, "PDI_RUNNING", "PDI_AUXDATA", "PDI_ORIGDEV", "PDI_VNETHDR", "PDI_LOSS")
