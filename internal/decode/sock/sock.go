// Package sock converts a wire.Sock to an event.Sock.
package sock

import (
	"encoding/binary"
	"net/netip"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/wire"
)

// Families with addresses in an event.Sock (linux/socket.h).
const (
	afInet    = 2
	afInet6   = 10
	afNetlink = 16
	afVsock   = 40

	sockRaw = 3
)

// Fill sets s from w. Local and Peer stay invalid if the socket is not an IP socket or the
// address is not set: address and port are both zero.
func Fill(s *event.Sock, w *wire.Sock) {
	*s = event.Sock{
		ID:        event.SockID{Cookie: w.Cookie, Inode: w.Ino},
		PeerInode: w.PeerIno,
		NetNS:     w.Netns,
		FD:        w.Fd,
		Family:    w.Family,
		Type:      w.Type,
		Protocol:  w.Protocol,
		State:     w.State,
		New:       w.Flags&wire.SockNew != 0,
		Result:    w.Flags&wire.SockResult != 0,
		Before:    w.Flags&wire.SockEnter != 0,
	}
	switch w.Family {
	case afInet, afInet6:
		s.Local = addrPort(w.Family, &w.Laddr, w.Lport)
		// A failed connect leaves the address, but not the port.
		if w.Rport != 0 || w.Type == sockRaw {
			s.Peer = addrPort(w.Family, &w.Raddr, w.Rport)
		}
	case afNetlink, afVsock:
		s.Aux[0] = binary.LittleEndian.Uint32(w.Laddr[0:])
		s.Aux[1] = binary.LittleEndian.Uint32(w.Laddr[4:])
	}
}

// Event returns w as an event.Sock.
func Event(w *wire.Sock) event.Sock {
	var s event.Sock
	Fill(&s, w)
	return s
}

func addrPort(family uint16, b *[16]byte, port uint16) netip.AddrPort {
	var a netip.Addr
	if family == afInet {
		a = netip.AddrFrom4([4]byte(b[:4]))
	} else {
		a = netip.AddrFrom16(*b)
	}
	if port == 0 && a.IsUnspecified() {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a, port)
}
