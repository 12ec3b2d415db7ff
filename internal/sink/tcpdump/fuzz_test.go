package tcpdump_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/decode/pkt"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink/tcpdump"
)

// FuzzPacket checks that the text of any packet has a bounded size and no control characters but
// newline and tab.
func FuzzPacket(f *testing.F) {
	for _, list := range cases() {
		for _, c := range list {
			f.Add(c.data, uint16(c.wire-len(c.data)))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, more uint16) {
		if len(data) > 1<<16 {
			return
		}
		d := pkt.New()
		p := event.Packet{Dir: event.DirIn, Len: 7, Inner: &event.Packet{}} // the old contents must not matter
		for range 2 {                                                       // the second time the connection is known
			d.Packet(data, uint32(len(data))+uint32(more), &p)
			if p.Dir != event.DirIn {
				t.Fatal("the direction is lost")
			}
			for _, s := range styles {
				checkText(t, tcpdump.Append([]byte("before"), &p, &s.o), len(data))
			}
		}
	})
}

// TestPointerBudget checks that compression pointers cannot take quadratic time.
func TestPointerBudget(t *testing.T) {
	msg := cat(uint16(1), uint16(0x8180), uint16(0), uint16(3), uint16(0), uint16(0))
	msg = cat(msg, uint8(0), uint16(1), uint16(1), uint32(0), uint16(0x3f00))
	start := len(msg)
	for len(msg) < start+0x3f00 {
		to := len(msg) - 2
		if len(msg) == start {
			to = 12 // the empty name
		}
		msg = be.AppendUint16(msg, 0xc000|uint16(to))
	}
	for range 2 {
		msg = cat(msg, uint8(0), uint16(5), uint16(1), uint32(0), uint16(2), 0xc000|uint16(start+0x3efe))
	}
	p := udp4(53, 40000, msg)
	var e event.Packet
	pkt.New().Packet(p, uint32(len(p)), &e)
	const want = "IP 10.0.2.15.53 > 10.0.0.5.40000: 1 [0q] 3/0/0 A 192.12.192.23, CNAME , CNAME <TOO MANY PTRS> [|domain]"
	if got := string(tcpdump.Append(nil, &e, nil)); got != want {
		t.Errorf("got %q", got)
	}
}

func TestTooDeep(t *testing.T) {
	p := udp4(1, 2, []byte("at the bottom"))
	for range 12 {
		p = ip4{src: "192.0.2.1", dst: "192.0.2.2", proto: 4}.with(p)
	}
	var e event.Packet
	pkt.New().Packet(p, uint32(len(p)), &e)
	text := string(tcpdump.Append(nil, &e, nil))
	const tail = ": IP 192.0.2.1 > 192.0.2.2: [more than 8 packets inside each other]"
	if len(text) < len(tail) || text[len(text)-len(tail):] != tail {
		t.Errorf("got %q", text)
	}
}

func TestNothing(t *testing.T) {
	var e event.Packet
	pkt.New().Packet(nil, 0, &e)
	if got, want := string(tcpdump.Append(nil, &e, nil)), "[Invalid header: caplen==0, len==0]"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	pkt.New().Packet(nil, 5, &e)
	if got, want := string(tcpdump.Append(nil, &e, nil)), "[Invalid header: caplen==0]"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestBigTCP checks segments that are longer than the length field of IP can say: the kernel sets it to 0.
func TestBigTCP(t *testing.T) {
	const tcp = "9c401f40 00000064 000000c8 5010 01f6 0000 0000"
	for _, test := range []struct {
		head, want string
		size       uint32
	}{
		{"45000000 00004000 40060000 0a00020f 0a000005", "IP 10.0.2.15.40000 > 10.0.0.5.8000: Flags [.], seq 100:130096, ack 200, win 502, length 129996", 130036},
		{"60000000 0000 06 40" + strings.Repeat("00", 15) + "01" + strings.Repeat("00", 15) + "02", "IP6 ::1.40000 > ::2.8000: Flags [.], seq 100:130096, ack 200, win 502, length 129996", 130056},
		{"45000000 00004000 40060000 0a00020f 0a000005", "IP bad-len 0", 1500},
	} {
		b, err := hex.DecodeString(strings.ReplaceAll(test.head+tcp, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		var p event.Packet
		pkt.New().Packet(append(b, make([]byte, 100)...), test.size, &p)
		if got := string(tcpdump.Append(nil, &p, nil)); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
		if test.size > 65535 && (p.TCP.Length != 129996 || p.Damage != event.Whole) {
			t.Errorf("%d bytes of data, %v", p.TCP.Length, p.Damage)
		}
	}
}
