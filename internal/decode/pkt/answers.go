package pkt

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/pidwire/pidwire/internal/dns"
	"github.com/pidwire/pidwire/internal/event"
)

const (
	portDNS  = 53
	portMDNS = 5353
	udpHead  = 8
	// maxAnswer bounds the part of a DNS message that is parsed, in bytes.
	maxAnswer = 16 << 10
)

// Answers returns the addresses in a DNS response (RFC 1035), with their names. The name of an
// address that was looked up is that of the question, which the process has used, not the canonical name. A truncated
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

// AnswersIn is Answers for a DNS message.
func AnswersIn(msg []byte) []event.Answer {
	if len(msg) > maxAnswer {
		return nil
	}
	return answers(msg)
}

func answers(msg []byte) (list []event.Answer) {
	m := dns.Message{Bytes: msg}
	h, ok := m.Header()
	if !ok || h.Flags&dns.Response == 0 {
		return nil
	}
	at, jumps, asked := m.At+dns.HeaderSize, 0, ""
	for range h.Questions {
		q, next, ok := m.Question(at)
		if !ok {
			return nil
		}
		if at = next; h.Questions == 1 {
			asked = hostName(m, q.Name, &jumps)
		}
	}
	for range h.Answers {
		r, ok := m.Record(at)
		if !ok || r.End > len(msg) {
			return list
		}
		at = r.End
		data, name := msg[r.Data:r.End], asked
		if r.Class&0x7fff == dns.ClassIN && r.Type == dns.TypePTR {
			if addr := arpaAddr(hostName(m, r.Name, &jumps)); addr.IsValid() {
				if name = hostName(m, r.Data, &jumps); name != "" {
					list = append(list, event.Answer{Addr: addr, Name: name, From: event.FromPTR})
				}
			}
			continue
		}
		if r.Class&0x7fff != dns.ClassIN || (r.Type != dns.TypeA || len(data) != 4) && (r.Type != dns.TypeAAAA || len(data) != 16) {
			continue
		}
		if h.Questions != 1 {
			name = hostName(m, r.Name, &jumps)
		}
		if addr, _ := netip.AddrFromSlice(data); name != "" {
			list = append(list, event.Answer{Addr: addr.Unmap(), Name: name, From: event.FromDNS})
		}
	}
	return list
}

// arpaAddr returns the address in a name of in-addr.arpa (RFC 1035, 3.5) or ip6.arpa (RFC 3596, 2.5);
// the zero Addr if there is none.
func arpaAddr(name string) (none netip.Addr) {
	name = strings.ToLower(name)
	if four, ok := strings.CutSuffix(name, ".in-addr.arpa"); ok {
		parts := strings.Split(four, ".")
		slices.Reverse(parts)
		a, err := netip.ParseAddr(strings.Join(parts, "."))
		if err != nil || !a.Is4() {
			return none
		}
		return a
	}
	six, ok := strings.CutSuffix(name, ".ip6.arpa")
	if !ok || len(six) != 63 {
		return none
	}
	var a [16]byte
	for i := range 32 {
		digit := strings.IndexByte("0123456789abcdef", six[62-2*i])
		if digit < 0 || i > 0 && six[63-2*i] != '.' {
			return none
		}
		a[i/2] = a[i/2]<<4 | byte(digit)
	}
	return netip.AddrFrom16(a).Unmap()
}

// hostName returns the name at an offset, and "" for one that is damaged or not safe to print: names are hostile,
// anyone may send a response. jumps is the number of pointers followed so far in the message.
func hostName(m dns.Message, at int, jumps *int) string {
	const maxName = 255
	var b []byte
	n := m.NameAt(at)
	n.Jumps = *jumps
	defer func() { *jumps = n.Jumps }()
	for l, more := n.Next(); more; l, more = n.Next() {
		if l.Kind != dns.Text || l.At+l.Len > len(m.Bytes) || len(b)+l.Len > maxName {
			return ""
		}
		for _, c := range m.Bytes[l.At : l.At+l.Len] {
			if c <= ' ' || c >= 0x7f {
				return ""
			}
		}
		if len(b) > 0 {
			b = append(b, '.')
		}
		b = append(b, m.Bytes[l.At:l.At+l.Len]...)
	}
	if _, ok := n.End(); !ok {
		return ""
	}
	return string(b)
}
