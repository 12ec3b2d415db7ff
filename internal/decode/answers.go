package decode

import (
	"net/netip"

	"github.com/pidwire/pidwire/internal/decode/pkt"
	"github.com/pidwire/pidwire/internal/event"
)

const (
	portDNS  = 53
	portMDNS = 5353
)

// answers sets the names of addresses that a call received in a DNS answer. Of another tool's call the port is not known,
// so that the message must look like one.
func answers(c *event.Call) {
	if !c.In || len(c.Payload) == 0 {
		return
	}
	var peer netip.AddrPort
	stream := false
	if len(c.Socks) > 0 {
		peer, stream = c.Socks[0].Peer, c.Socks[0].Type == 1
	}
	for i := range c.Payload {
		p := &c.Payload[i]
		if i > 0 && p.Msg == c.Payload[i-1].Msg {
			continue // DNS in several buffers is rare
		}
		from, b := peer, p.Data
		if p.Peer.IsValid() {
			from = p.Peer
		}
		switch {
		case from.Port() == portDNS || from.Port() == portMDNS:
			if stream {
				if len(b) < 2 {
					continue
				}
				b = b[2:]
			}
		case !c.Foreign || from.Port() != 0 || !answer(b):
			continue
		}
		c.Answers = append(c.Answers, pkt.AnswersIn(b)...)
	}
}

// answer reports whether bytes have the header of a DNS answer with one question: standard, and without an error.
func answer(b []byte) bool {
	return len(b) >= 12 && b[2]&0xf8 == 0x80 && b[3]&0x4f == 0 && b[4] == 0 && b[5] == 1 && b[6] == 0 && b[7] > 0 && b[8] == 0
}
