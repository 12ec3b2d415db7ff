package pcapng

import (
	"net/netip"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/pidwire/pidwire/internal/event"
)

const (
	portDNS  = 53
	portMDNS = 5353
	udpHead  = 8
	// maxAnswer bounds what is read of a DNS message, in bytes.
	maxAnswer = 16 << 10
)

// learn reads the names of addresses from a packet that is an answer of DNS, and
// writes those that are new.
func (s *Sink) learn(p *event.Capture) {
	if p.Proto != event.ProtoUDP || p.Fragment || p.Src.Port() != portDNS && p.Src.Port() != portMDNS {
		return
	}
	from, to := int(p.Off)+udpHead, int(p.End)
	if p.Off == 0 || from >= to || to > len(p.Data) || to-from > maxAnswer {
		return
	}
	had := len(s.known.hosts)
	changed := s.answers(p.Data[from:to])
	s.hosts(append(changed, s.known.hosts[had:]...))
}

// answers takes the addresses out of a DNS message. It returns those that had
// another name before; new ones are at the end of known.hosts.
func (s *Sink) answers(msg []byte) (changed []host) {
	// What a packet holds must not end the run, whatever the parser thinks.
	defer func() { _ = recover() }()
	d := &s.dns
	if d.DecodeFromBytes(msg, gopacket.NilDecodeFeedback); !d.QR {
		return nil
	}
	for i := range d.Answers {
		a := &d.Answers[i]
		if a.Class&0x7fff != layers.DNSClassIN || a.Type != layers.DNSTypeA && a.Type != layers.DNSTypeAAAA {
			continue
		}
		// The name that was asked for is the one that the process knows, not
		// the one behind the aliases.
		name := a.Name
		if len(d.Questions) == 1 {
			name = d.Questions[0].Name
		}
		addr, ok := netip.AddrFromSlice(a.IP)
		if !ok || !isHostName(name) {
			continue
		}
		if h, ok := s.known.learn(addr.Unmap(), string(name)); ok {
			changed = append(changed, h)
		}
	}
	return changed
}

// isHostName says whether a name may stand in the file: what it is from is
// outside, and anybody may answer.
func isHostName(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return len(b) > 0 && len(b) <= 255
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
