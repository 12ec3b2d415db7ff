package pcapng

import (
	"net/netip"
	"strings"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink/clean"
)

// learn writes the names that a packet gives to addresses, if they are new.
func (s *Sink) learn(p *event.Capture) {
	if len(p.Answers) == 0 {
		return
	}
	had := len(s.known.hosts)
	var changed []host
	for _, a := range p.Answers {
		if h, ok := s.known.learn(a.Addr, a.Name); ok {
			changed = append(changed, h)
		}
	}
	s.hosts(append(changed, s.known.hosts[had:]...))
}

// madeUp writes a name for which a file's reader made an address up: its packets
// have that address, and so the name is what is to be shown.
func (s *Sink) madeUp(n *event.Name) {
	had := len(s.known.hosts)
	s.known.learn(n.Addr.Unmap(), strings.Clone(clean.Text(n.Name)))
	s.hosts(s.known.hosts[had:])
}

// learn remembers the name of an address. It reports whether the address had
// another one before.
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
	s.endOptions() // the end of the list has the shape of an option's
	s.end(at)
}
