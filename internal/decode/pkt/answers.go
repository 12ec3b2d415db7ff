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
// of DNS (RFC 1035) over UDP: of each the name that was asked for, which is the
// one that the process knows, not the one behind the aliases. What the packet
// holds of a cut one is read.
func Answers(p *event.Packet) []event.Answer {
	if p.Proto != event.ProtoUDP || p.Fragment || p.Src.Port() != portDNS && p.Src.Port() != portMDNS {
		return nil
	}
	from, to := int(p.Off)+udpHead, int(p.End)
	if p.Off == 0 || from >= to || to > len(p.Data) || to-from > maxAnswer {
		return nil
	}
	return answers(p.Data[from:to])
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
