package notation

import (
	"net/netip"
	"strconv"

	"github.com/pidwire/pidwire/internal/event"
)

// sock writes the socket of an fd, <TCP:[127.0.0.1:1->127.0.0.1:2]>, if the call has it.
func (w *writer) sock(fd int32) {
	var s *event.Sock
	for i := range w.c.Socks {
		if w.c.Socks[i].FD == fd && fd >= 0 {
			s = &w.c.Socks[i]
			break
		}
	}
	if s == nil {
		return
	}
	w.b = append(w.b, '<')
	if w.o.FDs == 1 {
		w.b = append(w.b, "socket"...)
		w.inode(s)
	} else {
		w.details(s)
	}
	w.b = append(w.b, '>')
}

func (w *writer) inode(s *event.Sock) {
	w.b = append(w.b, ":["...)
	w.b = strconv.AppendUint(w.b, s.ID.Inode, 10)
	w.b = append(w.b, ']')
}

// Numbers of linux/socket.h, linux/net.h and linux/in.h.
const (
	afUnix, afInet, afInet6, afNetlink, afPacket, afVsock = 1, 2, 10, 16, 17, 40

	sockStream, sockDgram, sockRaw, sockSeqpacket = 1, 2, 3, 5
)

var ipNames = map[uint16]string{1: "ICMP", 6: "TCP", 17: "UDP", 33: "DCCP", 58: "ICMP", 132: "SCTP", 136: "UDPLITE", 262: "MPTCP"}

var netlinkNames = [...]string{0: "ROUTE", 1: "UNUSED", 2: "USERSOCK", 3: "FIREWALL", 4: "SOCK_DIAG", 5: "NFLOG", 6: "XFRM", 7: "SELINUX", 8: "ISCSI", 9: "AUDIT",
	10: "FIB_LOOKUP", 11: "CONNECTOR", 12: "NETFILTER", 13: "IP6_FW", 14: "DNRTMSG", 15: "KOBJECT_UEVENT", 16: "GENERIC", 18: "SCSITRANSPORT", 19: "ECRYPTFS", 20: "RDMA", 21: "CRYPTO", 22: "SMC"}

func (w *writer) details(s *event.Sock) {
	switch s.Family {
	case afInet, afInet6:
		name := ipNames[s.Protocol]
		if s.Type == sockRaw {
			name = "RAW"
		}
		if name == "" {
			break
		}
		w.b = append(w.b, name...)
		if s.Family == afInet6 {
			w.b = append(w.b, "v6"...)
		}
		if !s.Local.IsValid() && !s.Peer.IsValid() {
			w.inode(s)
			return
		}
		w.b = append(w.b, ":["...)
		w.addr(s, s.Local)
		if s.Peer.IsValid() {
			w.b = append(w.b, "->"...)
			w.addr(s, s.Peer)
		}
		w.b = append(w.b, ']')
		return
	case afUnix:
		w.b = append(w.b, "UNIX"...)
		if s.Type == sockStream {
			w.b = append(w.b, "-STREAM"...)
		}
		w.b = append(w.b, ":["...)
		w.b = strconv.AppendUint(w.b, s.ID.Inode, 10)
		if s.PeerInode != 0 {
			w.b = append(w.b, "->"...)
			w.b = strconv.AppendUint(w.b, s.PeerInode, 10)
		}
		w.b = append(w.b, ']')
		return
	case afNetlink:
		w.b = append(w.b, "NETLINK"...)
		if int(s.Protocol) >= len(netlinkNames) || netlinkNames[s.Protocol] == "" {
			w.inode(s)
			return
		}
		w.b = append(w.b, ":["...)
		w.b = append(w.b, netlinkNames[s.Protocol]...)
		if s.Aux[0] != 0 {
			w.b = append(w.b, ':')
			w.b = strconv.AppendUint(w.b, uint64(s.Aux[0]), 10)
		}
		w.b = append(w.b, ']')
		return
	}
	w.b = append(w.b, "socket"...)
	w.inode(s)
}

func (w *writer) addr(s *event.Sock, a netip.AddrPort) {
	if !a.IsValid() {
		if s.Family == afInet6 {
			w.b = append(w.b, "[::]:0"...)
		} else {
			w.b = append(w.b, "0.0.0.0:0"...)
		}
		return
	}
	if s.Family == afInet6 {
		// Always in brackets, IPv4-mapped addresses too.
		w.b = append(w.b, '[')
		b := a.Addr().As16()
		w.ipv6(string(b[:]))
		w.b = append(w.b, "]:"...)
		w.b = strconv.AppendUint(w.b, uint64(a.Port()), 10)
		return
	}
	w.b = a.AppendTo(w.b)
}
