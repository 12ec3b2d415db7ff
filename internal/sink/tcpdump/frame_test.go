package tcpdump_test

import (
	"bytes"
	"testing"

	"github.com/pidwire/pidwire/internal/decode/pkt"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink/tcpdump"
)

// TestOtherFrames checks the text of frames that tcpdump decodes and this package does not.
func TestOtherFrames(t *testing.T) {
	const ends = "02:00:00:00:ab:02 > 02:00:00:00:00:01"
	cooked := func(arp, ether uint16) []byte { return cat(uint16(0), arp, uint16(6), mac1, uint16(0), ether, "frame") }
	for _, c := range []struct {
		link                uint16
		frame               []byte
		plain, quick, whole string
	}{
		{1, tagged(0x8863, []byte("frame")),
			ends + ", ethertype PPPoE D (0x8863), length 19", ends + ", PPPoE D, length 19",
			ends + ", ethertype PPPoE D (0x8863), length 19"},
		{1, tagged(0x3c12, []byte("frame")),
			ends + ", ethertype Unknown (0x3c12), length 19", ends + ", Unknown Ethertype (0x3c12), length 19",
			ends + ", ethertype Unknown (0x3c12), length 19"},
		{1, tagged(0x88f7, []byte("frame"), 0x8100, 7),
			ends + ", ethertype PTP (0x88f7), length 23", ends + ", PTP, length 23",
			ends + ", ethertype 802.1Q (0x8100), length 23: vlan 7, p 0, ethertype PTP (0x88f7)"},
		{1, llc("\xe0\xe0\x03", "frame"),
			ends + " IPX Unnumbered, ui, Flags [Command], length 8", ends + " IPX Unnumbered, ui, Flags [Command], length 8",
			ends + ", 802.3, length 8: LLC, dsap IPX (0xe0) Individual, ssap IPX (0xe0) Command, ctrl 0x03: Unnumbered, ui, Flags [Command], length 8"},
		{1, llc("\xff\xff", "frame"),
			ends + " IPX 802.3, length 7", ends + " IPX 802.3, length 7", ends + ", 802.3, length 7: IPX 802.3, length 7"},
		{1, llc("\xaa\xaa\x03\x00\x00\x00\x08\x00", "frame"),
			ends + " SNAP, ethertype IPv4 (0x0800), length 5", ends + " SNAP, ethertype IPv4 (0x0800), length 5",
			ends + ", 802.3, length 13: LLC, dsap SNAP (0xaa) Individual, ssap SNAP (0xaa) Command, ctrl 0x03: oui Ethernet (0x000000), ethertype IPv4 (0x0800), length 5"},
		{1, llc("\xaa\xaa\x03\x00\x00\x0c\x20\x00", "frame"),
			ends + " SNAP, oui Cisco (0x00000c), pid CDP (0x2000), length 5", ends + " SNAP, oui Cisco (0x00000c), pid CDP (0x2000), length 5",
			ends + ", 802.3, length 13: LLC, dsap SNAP (0xaa) Individual, ssap SNAP (0xaa) Command, ctrl 0x03: oui Cisco (0x00000c), pid CDP (0x2000), length 5"},
		{113, cooked(1, 0x8863),
			" In 02:00:00:00:00:01 ethertype PPPoE D (0x8863), length 21", " In 02:00:00:00:00:01",
			" In 02:00:00:00:00:01 ethertype PPPoE D (0x8863), length 21"},
		{113, cooked(803, 0x8100),
			" In 02:00:00:00:00:01 ethertype 802.1Q (0x8100), length 21", " In 02:00:00:00:00:01",
			" In 02:00:00:00:00:01 ethertype 802.1Q (0x8100), length 21"},
		{113, cooked(1, 1),
			" In 02:00:00:00:00:01 802.3, length 21", " In 02:00:00:00:00:01", " In 02:00:00:00:00:01 802.3, length 21"},
		{108, cat(uint32(23), "frame"), "AF IPX (23), length 9", "IPX, length 9", "AF IPX (23), length 9"},
		{101, []byte("\x50"), "unknown ip 5", "unknown ip 5", "ip: unknown ip 5"},
		{1, nil, "[Invalid header: caplen==0, len==0]", "[Invalid header: caplen==0, len==0]", "[Invalid header: caplen==0, len==0]"},
	} {
		for _, s := range []struct {
			o    tcpdump.Options
			want string
		}{{tcpdump.Options{}, c.plain}, {tcpdump.Options{Quick: true}, c.quick}, {tcpdump.Options{Link: true}, c.whole}} {
			if got := string(tcpdump.AppendFrame(nil, c.link, nil, 0, c.frame, uint32(len(c.frame)), &s.o)); got != s.want {
				t.Errorf("%x %+v:\n got %q\nwant %q", c.frame, s.o, got, s.want)
			}
		}
	}
}

// TestFrameParts checks that the split of a frame into header and data does not matter, and that
// a frame without a link header is printed by its EtherType.
func TestFrameParts(t *testing.T) {
	request := arpMessage(1, mac1, addr1, noMAC, addr2)
	frame := tagged(0x0806, request)
	o := tcpdump.Options{Hex: true, Link: true}
	want := string(tcpdump.AppendFrame(nil, 1, nil, 0x0806, frame, uint32(len(frame)), &o))
	for n := range frame {
		if got := string(tcpdump.AppendFrame(nil, 1, frame[:n], 0x0806, frame[n:], uint32(len(frame)), &o)); got != want {
			t.Errorf("split at %d:\n got %q\nwant %q", n, got, want)
		}
	}
	const text = "Request who-has 10.0.0.2 tell 10.0.0.1, length 28"
	for _, c := range []struct {
		ether uint16
		o     *tcpdump.Options
		want  string
	}{
		{0x0806, nil, "ARP, " + text},
		{0x0806, &tcpdump.Options{Link: true}, "ethertype ARP (0x0806), length 28: " + text},
		{0x88f7, nil, "ethertype PTP (0x88f7), length 28"},
		{0x0800, &tcpdump.Options{Link: true, Quick: true}, "IPv4, length 28"},
		{0x1234, &tcpdump.Options{Quick: true}, "Unknown Ethertype (0x1234), length 28: "},
	} {
		if got := string(tcpdump.AppendFrame(nil, 0, nil, c.ether, request, 28, c.o)); got != c.want {
			t.Errorf("%#x %+v:\n got %q\nwant %q", c.ether, c.o, got, c.want)
		}
	}
}

// TestLinkOff checks that the link header is printed only on request.
func TestLinkOff(t *testing.T) {
	frame := tagged(0x0800, udp4(1, 2, nil))
	for _, o := range []*tcpdump.Options{nil, {Verbose: 2, HexASCII: true}} {
		if got := string(tcpdump.AppendLink([]byte("before"), 1, frame[:14], 0x0800, uint32(len(frame)), o)); got != "before" {
			t.Errorf("got %q", got)
		}
	}
}

// FuzzFrame is like FuzzPacket for frames, and for any bytes as the link header.
func FuzzFrame(f *testing.F) {
	add := func(link uint32, list []capture) {
		for _, c := range list {
			f.Add(uint16(link), uint16(0x0806), c.data, uint16(c.wire-len(c.data)))
		}
	}
	for _, c := range frameCases() {
		add(c.link, c.list)
	}
	add(pkt.LinkEthernet, otherFrames())
	f.Add(uint16(0), uint16(0x88cc), []byte("no link header"), uint16(0))
	f.Fuzz(func(t *testing.T, link, ether uint16, data []byte, more uint16) {
		if len(data) > 1<<16 {
			return
		}
		length := uint32(len(data)) + uint32(more)
		for _, s := range styles {
			text := tcpdump.AppendFrame([]byte("before"), link, nil, ether, data, length, &s.o)
			checkText(t, text, len(data))
			text = tcpdump.AppendLink([]byte("before"), link, data, ether, length, &s.o)
			checkText(t, text, len(data))
		}
		half := len(data) / 2
		text := tcpdump.AppendFrame([]byte("before"), link, data[:half], ether, data[half:], length/2, nil)
		checkText(t, text, len(data))
	})
}

// checkText checks that the text after "before" has a bounded size for n bytes, and no control
// characters but newline and tab.
func checkText(t *testing.T, text []byte, n int) {
	t.Helper()
	// A byte may be printed twice with -X; a compressed name of 2 bytes stands for up to 255
	// bytes.
	if most := 4096 + 600*n; len(text) > most {
		t.Fatalf("%d bytes of text for %d of packet", len(text), n)
	}
	if !bytes.HasPrefix(text, []byte("before")) {
		t.Fatal("what stood before is gone")
	}
	for _, c := range text {
		if c < ' ' && c != '\n' && c != '\t' || c >= 0x7f {
			t.Fatalf("%q has a control byte", text)
		}
	}
}

var benchFrames = []struct {
	name string
	data []byte
}{
	{"ARP", tagged(0x0806, arpMessage(1, mac1, addr1, noMAC, addr2))},
	{"LLDP", tagged(0x88cc, cat(uint16(5<<9|6), "a host", uint16(0)))},
	{"STP", llc(uint8(0x42), uint8(0x42), uint8(3), make([]byte, 36))},
	{"SNAP", llc("\xaa\xaa\x03\x00\x00\x0c\x20\x00", make([]byte, 36))},
	{"Loopback", tagged(0x9000, cat("\x00\x00\x01\x00\x05\x00", make([]byte, 40)))},
	{"Unknown", tagged(0x1234, make([]byte, 46))},
}

func BenchmarkFrame(b *testing.B) {
	for _, c := range benchFrames {
		b.Run(c.name, func(b *testing.B) {
			var o tcpdump.Options
			text := make([]byte, 0, 4096)
			b.ReportAllocs()
			for b.Loop() {
				text = tcpdump.AppendFrame(text[:0], 1, nil, 0, c.data, uint32(len(c.data)), &o)
			}
		})
	}
}

func BenchmarkLink(b *testing.B) {
	o := tcpdump.Options{Link: true}
	header := tagged(0x0800, nil, 0x8100, 7)
	text := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		text = tcpdump.AppendLink(text[:0], 1, header, 0x0800, 100, &o)
	}
}

// TestFrameAllocs checks that frames and link headers are printed without allocations.
func TestFrameAllocs(t *testing.T) {
	d := pkt.New()
	var p event.Packet
	text := make([]byte, 0, 4096)
	for _, o := range []*tcpdump.Options{nil, {Verbose: 1}, {Link: true}, {Quick: true, Hex: true}} {
		for _, c := range benchFrames {
			n := testing.AllocsPerRun(100, func() {
				text = tcpdump.AppendFrame(text[:0], 1, nil, 0, c.data, uint32(len(c.data)), o)
			})
			if n != 0 {
				t.Errorf("%s %+v: %v allocations a frame", c.name, o, n)
			}
		}
		for _, c := range benchPackets {
			header := tagged(etherOf(c.data), nil, 0x8100, 7)
			n := testing.AllocsPerRun(100, func() {
				text = tcpdump.AppendLink(text[:0], 1, header, etherOf(c.data), 100, o)
				d.Packet(c.data, uint32(len(c.data)), &p)
				text = tcpdump.Append(text, &p, o)
			})
			if n != 0 {
				t.Errorf("%s %+v: %v allocations a packet", c.name, o, n)
			}
		}
	}
}
