package tcpdump_test

import (
	"testing"

	"github.com/pidwire/pidwire/internal/decode/pkt"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink/tcpdump"
)

var benchPackets = []struct {
	name string
	data []byte
}{
	{"TCP", tcp4(tcpSeg{sport: 48448, dport: 8000, seq: 124, ack: 9001, flags: ack | psh, options: stamps}, string(make([]byte, 100)))},
	{"TCP6", tcp6(tcpSeg{sport: 48448, dport: 8000, seq: 124, ack: 9001, flags: ack | psh, options: stamps}, string(make([]byte, 100)))},
	{"UDP", udp4(40000, 9999, make([]byte, 100))},
	{"DNS", udp4(40000, 53, dnsQuery)},
}

func BenchmarkDecode(b *testing.B) {
	for _, c := range benchPackets {
		b.Run(c.name, func(b *testing.B) {
			d := pkt.New()
			var p event.Packet
			b.ReportAllocs()
			for b.Loop() {
				d.Packet(c.data, uint32(len(c.data)), &p)
			}
		})
	}
}

func BenchmarkDecodeAndText(b *testing.B) {
	for _, c := range benchPackets {
		b.Run(c.name, func(b *testing.B) {
			d := pkt.New()
			var p event.Packet
			var o tcpdump.Options
			text := make([]byte, 0, 4096)
			b.ReportAllocs()
			for b.Loop() {
				d.Packet(c.data, uint32(len(c.data)), &p)
				text = tcpdump.Append(text[:0], &p, &o)
			}
		})
	}
}

// TestAllocs checks that common packets are decoded and printed without allocations.
func TestAllocs(t *testing.T) {
	d := pkt.New()
	var p event.Packet
	text := make([]byte, 0, 4096)
	for _, c := range benchPackets {
		n := testing.AllocsPerRun(100, func() {
			d.Packet(c.data, uint32(len(c.data)), &p)
			text = tcpdump.Append(text[:0], &p, nil)
		})
		if n != 0 {
			t.Errorf("%s: %v allocations a packet", c.name, n)
		}
	}
}
