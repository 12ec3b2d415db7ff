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
	// maxAnswer bounds the part of a DNS message that is parsed, in bytes.
	maxAnswer = 16 << 10
)

// Answers returns the addresses in a DNS response (RFC 1035), with their names. The name is
// that of the question, which the process has used, not the canonical name. A truncated
// response is parsed as far as possible. Over TCP only a message at the start of a segment is
// found.
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
		// The message follows its length, which may be in a segment of its own (RFC 7766).
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
	// Packets are hostile: a panic of the parser must not end the run.
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

// isHostName reports whether a name is safe to print. Names are hostile: anyone may send a
// response.
func isHostName(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return len(b) > 0 && len(b) <= 255
}
