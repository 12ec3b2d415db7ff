package ktrace

import (
	"bytes"
	"net/netip"
)

var (
	addrField   = []byte("addr=")
	destField   = []byte(" dest=")
	lenField    = []byte(" len=")
	lengthField = []byte(" length = ")
)

// fields parses the text of an event for the ends of a connection, its states, and the length of a packet.
// Events of the groups sock, tcp, net and skb have them (include/trace/events).
func fields(l *Line) {
	switch string(l.Name) {
	case "net_dev_queue", "net_dev_start_xmit", "net_dev_xmit":
		l.Dir = Out
		length(l, lenField)
	case "netif_receive_skb", "netif_receive_skb_entry", "netif_receive_skb_list_entry", "netif_rx", "netif_rx_entry",
		"netif_rx_ni_entry", "napi_gro_receive_entry", "napi_gro_frags_entry":
		l.Dir = In
		length(l, lenField)
	case "sock_send_length":
		l.Dir = Out
		length(l, lengthField)
	case "sock_recv_length":
		l.Dir = In
		length(l, lengthField)
	case "tcp_probe":
		l.Dir = In
		length(l, []byte(" data_len="))
	}
	if bytes.Contains(l.Text, addrField) || bytes.Contains(l.Text, destField) {
		ends(l)
	}
}

func length(l *Line, field []byte) {
	i := bytes.Index(l.Text, field)
	if i < 0 {
		return
	}
	t := text(l.Text[i+len(field):])
	if n, ok := t.num(max64); ok {
		l.Bytes = int64(n)
	}
}

// ends parses the addresses. With sport and dport the event is about a socket, and the source is the local
// end. src and dest are those of a received packet, except in tcp_probe, where they are reversed.
func ends(l *Line) {
	var saddr, daddr, saddr6, daddr6 netip.Addr
	var src, dest netip.AddrPort
	var sport, dport uint64
	six, ports := false, false
	for t := text(l.Text); len(t) > 0; t.blanks() {
		w := bytes.TrimSuffix(t.word(), []byte(","))
		i := bytes.IndexByte(w, '=')
		if i < 0 {
			continue
		}
		v := w[i+1:]
		switch string(w[:i]) {
		case "family":
			six = string(v) == "AF_INET6"
		case "sport":
			sport, ports = number(v, 1<<16-1)
		case "dport":
			dport, _ = number(v, 1<<16-1)
		case "saddr":
			saddr, _ = address(v)
		case "daddr":
			daddr, _ = address(v)
		case "saddrv6":
			saddr6, _ = address(v)
		case "daddrv6":
			daddr6, _ = address(v)
		case "src":
			src, _ = addrPort(v)
		case "dest":
			dest, _ = addrPort(v)
		case "oldstate":
			l.Old = v
		case "newstate":
			l.New = v
		}
	}
	switch {
	case ports:
		if six {
			saddr, daddr = saddr6.Unmap(), daddr6.Unmap()
		}
		// The fields of a socket that is not bound, or not connected, are zero.
		if saddr.IsValid() && (sport != 0 || !saddr.IsUnspecified()) {
			l.Local = netip.AddrPortFrom(saddr, uint16(sport))
		}
		if daddr.IsValid() && (dport != 0 || !daddr.IsUnspecified()) {
			l.Peer = netip.AddrPortFrom(daddr, uint16(dport))
		}
	case src.IsValid() && dest.IsValid():
		if l.Dir = In; string(l.Name) == "tcp_probe" {
			src, dest = dest, src
		}
		l.Local, l.Peer = dest, src
	}
}
