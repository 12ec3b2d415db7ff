package pkt

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

// Answers returns the names that a packet gives to addresses, if it is an answer
// of DNS (RFC 1035): of each the name that was asked for, which is the one that
// the process knows, not the one behind the aliases. What the packet holds of a
// cut one is read. Over TCP it is one that a segment begins with.
func Answers(p *event.Packet) []event.Answer {
	var head int
	switch {
	case p.Fragment || p.Off == 0:
		return nil
	case p.Proto == event.ProtoUDP && (p.Src.Port() == portDNS || p.Src.Port() == portMDNS):
		head = udpHead
	case p.Proto == event.ProtoTCP && p.Src.Port() == portDNS && p.TCP.Valid && p.TCP.Length > 2:
		head = int(p.TCP.Header)
	default:
		return nil
	}
	from, to := int(p.Off)+head, int(p.End)
	if from >= to || to > len(p.Data) || to-from > maxAnswer {
		return nil
	}
	msg := p.Data[from:to]
	if p.Proto == event.ProtoTCP {
		// The length of the message stands before it, perhaps alone (RFC 7766).
		if len(msg) < 2 {
			return nil
		}
		n := int(msg[0])<<8 | int(msg[1])
		msg = msg[2:]
		msg = msg[:min(n, len(msg))]
	}
	return answers(msg)
}

func answers(msg []byte) (list []event.Answer) {
	// What a packet holds must not end the run, whatever the parser thinks.
	defer func() { _ = recover() }()
	var d layers.DNS
	if _ = d.DecodeFromBytes(msg, gopacket.NilDecodeFeedback); !d.QR {
		return nil
	}
	for i := range d.Answers {
		a := &d.Answers[i]
		if a.Class&0x7fff != layers.DNSClassIN || a.Type != layers.DNSTypeA && a.Type != layers.DNSTypeAAAA {
			continue
		}
		name := a.Name
		if len(d.Questions) == 1 {
			name = d.Questions[0].Name
		}
		addr, ok := netip.AddrFromSlice(a.IP)
		if ok && isHostName(name) {
			list = append(list, event.Answer{Addr: addr.Unmap(), Name: string(name)})
		}
	}
	return list
}

// isHostName says whether a name may be shown for an address: it is from
// outside, and anybody may answer.
func isHostName(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return len(b) > 0 && len(b) <= 255
}
