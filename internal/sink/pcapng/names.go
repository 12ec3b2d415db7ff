package pcapng

import (
	"net/netip"
	"strings"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink/clean"
)

// learn stores the names in a DNS response, and writes those that are new.
func (s *Sink) learn(list []event.Answer) {
	if len(list) == 0 {
		return
	}
	had := len(s.known.hosts)
	var changed []host
	for _, a := range list {
		if _, ok := s.known.host[a.Addr]; ok && a.From == event.FromPTR {
			continue // the name that the address was looked up for is better
		}
		if h, ok := s.known.learn(a.Addr, a.Name); ok {
			changed = append(changed, h)
		}
	}
	s.hosts(append(changed, s.known.hosts[had:]...))
}

// called writes the name that a process has called its peer.
func (s *Sink) called(c *event.Conn) {
	if c == nil || c.PeerFrom != event.FromHost && c.PeerFrom != event.FromSNI {
		return
	}
	s.learn([]event.Answer{{Addr: c.Peer.Addr().Unmap(), Name: c.PeerName, From: c.PeerFrom}})
}

// madeUp writes the name of a placeholder address, which the reader of a file has assigned to a
// host name. The packets have that address.
func (s *Sink) madeUp(n *event.Name) {
	had := len(s.known.hosts)
	s.known.learn(n.Addr.Unmap(), strings.Clone(clean.Text(n.Name)))
	s.hosts(s.known.hosts[had:])
}

// learn stores the name of an address. The bool is true if the address had another name.
func (k *Preamble) learn(addr netip.Addr, name string) (host, bool) {
	i, ok := k.host[addr]
	if !ok {
		if len(k.hosts) < maxHosts {
			k.host[addr] = len(k.hosts)
			k.hosts = append(k.hosts, host{addr, name})
		}
		return host{}, false
	}
	if k.hosts[i].name == name {
		return host{}, false
	}
	k.hosts[i].name = name
	return k.hosts[i], true
}

// hosts writes a Name Resolution Block.
func (s *Sink) hosts(list []host) {
	if len(list) == 0 {
		return
	}
	const ip4, ip6 = 1, 2
	at := s.begin(blockNRB)
	for _, h := range list {
		kind := uint16(ip6)
		if h.addr.Is4() {
			kind = ip4
		}
		s.b = le.AppendUint16(s.b, kind)
		s.b = le.AppendUint16(s.b, uint16(h.addr.BitLen()/8+len(h.name)+1))
		s.b = append(s.b, h.addr.AsSlice()...)
		s.b = append(append(s.b, h.name...), 0)
		s.pad()
	}
	s.endOptions() // the end of the records is encoded like that of options
	s.end(at)
}
