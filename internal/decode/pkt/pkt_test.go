package pkt

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/pidwire/pidwire/internal/event"
)

// captures returns the packets of testdata. The files are made by the tests of
// internal/sink/tcpdump; loopback.pcap was captured in its own network namespace.
func captures(t testing.TB) map[string][][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/*.pcap")
	if err != nil || len(files) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	le := binary.LittleEndian
	list := map[string][][]byte{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		link := le.Uint32(b[20:])
		for b = b[24:]; len(b) >= 16; {
			n := 16 + int(le.Uint32(b[8:]))
			if ip, _, ok := Strip(link, b[16:n]); ok {
				name := filepath.Base(file)
				list[name] = append(list[name], ip)
			}
			b = b[n:]
		}
	}
	return list
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(string(bytes.ReplaceAll([]byte(s), []byte(" "), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func decode(t testing.TB, s string) *event.Packet {
	t.Helper()
	b := unhex(t, s)
	p := &event.Packet{Dir: event.DirOut, Proto: 99, Inner: &event.Packet{}}
	New().Packet(b, uint32(len(b)), p)
	return p
}

const (
	ip4Header = "45b80048 12674000 40060000 0a00020f 0a000005"
	tcpHeader = "9c401f40 00000064 000000c8 8018 01f6 1234 0007"
)

func TestTCP(t *testing.T) {
	p := decode(t, ip4Header+tcpHeader+"0101080a 00000064 00000007"+"68656c6c6f")
	if p.Version != 4 || p.Proto != event.ProtoTCP || p.Off != 20 || p.Length != 0x48-20 || p.Dir != event.DirOut || p.Inner != nil {
		t.Errorf("%+v", p)
	}
	if p.Src != netip.MustParseAddrPort("10.0.2.15:40000") || p.Dst != netip.MustParseAddrPort("10.0.0.5:8000") {
		t.Errorf("%v > %v", p.Src, p.Dst)
	}
	h := p.IP
	if h.TOS != 0xb8 || h.TTL != 64 || h.ID != 0x1267 || h.Flags != event.FlagDF || h.Total != 0x48 || h.Header != 20 || h.Missing != 0x48-57 {
		t.Errorf("%+v", h)
	}
	c := p.TCP
	if !c.Valid || c.Seq != 100 || c.Ack != 200 || c.Flags != event.TCPAck|event.TCPPsh || c.Header != 32 || c.Win != 502 || c.Urg != 7 ||
		c.Sum != 0x1234 || len(c.Options) != 12 || c.Length != 0x48-52 {
		t.Errorf("%+v", c)
	}
}

// TestRelative checks relative sequence numbers: the first segment with an ACK sets the base of
// both ends, a SYN resets it, and a segment quoted by an ICMP error does not change it.
func TestRelative(t *testing.T) {
	d := New()
	var p event.Packet
	see := func(b []byte) *event.TCPHeader {
		d.Packet(b, uint32(len(b)), &p)
		in := &p
		for in.Inner != nil {
			in = in.Inner
		}
		return &in.TCP
	}
	seg := func(back bool, seq, ack uint32, flags uint8) []byte {
		b := unhex(t, "45000028 00000000 40060000 0a00020f 0a000005"+"9c401f40 00000000 00000000 5000 01f6 0000 0000")
		if back {
			copy(b[12:], []byte{10, 0, 0, 5, 10, 0, 2, 15, 0x1f, 0x40, 0x9c, 0x40})
		}
		binary.BigEndian.PutUint32(b[24:], seq)
		binary.BigEndian.PutUint32(b[28:], ack)
		b[33] = flags
		return b
	}
	quote := func(b []byte) []byte {
		out := unhex(t, "45000044 00000000 40010000 0a000005 0a00020f"+"0b000000 00000000")
		return append(out, b...)
	}
	const ackFlag, synFlag = event.TCPAck, event.TCPSyn
	for i, c := range []struct {
		b                []byte
		seq, ack, sacked uint32
	}{
		{quote(seg(false, 100, 201, ackFlag)), 100, 201, 200},
		{seg(false, 99, 0, synFlag), 99, 0, 0},
		{seg(true, 200, 100, synFlag|ackFlag), 200, 100, 99},
		{seg(false, 100, 201, ackFlag), 1, 1, 200},
		{seg(true, 201, 105, ackFlag), 1, 6, 99},
		{quote(seg(true, 201, 105, ackFlag)), 1, 6, 99},
		{seg(false, 105, 0, event.TCPRst), 105, 0, 0},
		{seg(true, 5000, 6001, synFlag|ackFlag), 5000, 6001, 6000},
		{seg(true, 5001, 6001, ackFlag), 1, 1, 6000},
	} {
		h := see(c.b)
		if h.RelSeq != c.seq || h.RelAck != c.ack || h.SackBase != c.sacked {
			t.Errorf("%d: seq %d ack %d sack from %d, want %+v", i, h.RelSeq, h.RelAck, h.SackBase, c)
		}
	}
}

// TestFlowsBounded checks that idle connections are dropped, and one in use is not.
func TestFlowsBounded(t *testing.T) {
	f := flows[key4]{full: 100}
	f.put(key4{low: 1}, base{low: 7})
	for i := range uint32(1000) {
		f.put(key4{low: 2, ports: i}, base{})
		if b, ok := f.find(key4{low: 1}); !ok || b.low != 7 {
			t.Fatalf("forgotten after %d others", i+1)
		}
		if n := len(f.young) + len(f.old); n > 200 {
			t.Fatalf("%d are remembered", n)
		}
	}
	if _, ok := f.find(key4{low: 2}); ok {
		t.Error("the first of a thousand is remembered")
	}
}

func TestUDP6(t *testing.T) {
	const addrs = "20010db8000000000000000000000001 20010db8000000000000000000000002"
	p := decode(t, "6280beef 0018 00 01"+addrs+ // preceded by a hop-by-hop and a fragment header
		"2c00 0104 00000000"+"1100 0001 0000cafe"+"03e8 07d0 0008 abcd")
	if p.Version != 6 || p.IP.TOS != 0x28 || p.IP.Flow != 0xbeef || p.IP.TTL != 1 || p.IP.Proto != 0 || !p.Fragment || len(p.IP.Options) != 16 {
		t.Errorf("%+v", p.IP)
	}
	if p.Proto != event.ProtoUDP || p.Off != 56 || p.Length != 8 || p.UDP != (event.UDPHeader{Length: 8, Sum: 0xabcd}) || p.Src.Port() != 1000 || p.Dst.Port() != 2000 {
		t.Errorf("%+v", p)
	}
}

func TestInner(t *testing.T) {
	quoted := "4500001c 00000000 40110000 0a00020f 0a000005" + "9c40 0009 0008 0000"
	for name, s := range map[string]string{
		"ICMP error":   "45000038 00000000 40010000 0a000005 0a00020f" + "0303 0000 00000000" + quoted,
		"IP in IP":     "45000030 00000000 40040000 c0000201 c0000202" + quoted,
		"GRE":          "45000038 00000000 402f0000 c0000201 c0000202" + "2000 0800 00000001" + quoted,
		"ICMPv6 error": "60000000 0038 3a 40 00000000000000000000000000000001 00000000000000000000000000000002" + "0104 0000 00000000" + "60000000 0008 11 40 20010db8000000000000000000000001 20010db8000000000000000000000002" + "9c40 0009 0008 0000",
	} {
		p := decode(t, s)
		if p.Inner == nil || p.Inner.Proto != event.ProtoUDP || p.Inner.Dst.Port() != 9 {
			t.Errorf("%s: %+v", name, p.Inner)
		}
	}
}

func TestDamage(t *testing.T) {
	long := bytes.Repeat([]byte{0}, 60)
	for _, c := range []struct {
		first string
		n     int
		want  event.Damage
	}{
		{"", 0, event.DamageCut},
		{"45", 19, event.DamageCut},
		{"60", 39, event.DamageCut},
		{"4f000040", 40, event.DamageCut},
		{"44", 40, event.BadHeaderLen},
		{"45000013", 40, event.BadTotalLen},
		{"55", 40, event.BadVersion},
		{"60000000 0010 3c 40", 41, event.BadExtension},
		{"60000000 0000 00 40", 60, event.BadExtension},
	} {
		b := append(unhex(t, c.first), long...)[:c.n]
		var p event.Packet
		New().Packet(b, 64, &p)
		if p.Damage != c.want || p.Damage.String() == "unknown damage" {
			t.Errorf("%s of %d bytes: %v, want %v", c.first, c.n, p.Damage, c.want)
		}
	}
}

func TestLongerThanTheWire(t *testing.T) {
	b := unhex(t, ip4Header+tcpHeader)
	var p event.Packet
	New().Packet(b, 30, &p)
	if p.Captured != 30 || p.Len != 30 || len(p.Data) != 30 {
		t.Errorf("%d of %d", p.Captured, p.Len)
	}
}

func TestStrip(t *testing.T) {
	ip := unhex(t, "45000014 00000000 40110000 0a00020f 0a000005")
	ip6 := append(unhex(t, "60000000"), make([]byte, 36)...)
	macs := "020000000001020000000002"
	for _, c := range []struct {
		link  uint32
		head  string
		body  []byte
		ether uint16
		ok    bool
	}{
		{LinkEthernet, macs + "0800", ip, 0x0800, true},
		{LinkEthernet, macs + "86dd", ip6, 0x86dd, true},
		{LinkEthernet, macs + "8100 0064 0800", ip, 0x0800, true},
		{LinkEthernet, macs + "88a8 0064 8100 0001 86dd", ip6, 0x86dd, true},
		{LinkEthernet, macs + "8100 00", nil, 0x8100, false},
		{LinkEthernet, macs + "0806", ip, 0x0806, false},
		{LinkEthernet, macs + "08", nil, 0, false},
		{LinkEthernet, macs + "0800", nil, 0x0800, false},
		{LinkLinuxSLL, "0000 0304 0006 000000000000 0000 0800", ip, 0x0800, true},
		{LinkLinuxSLL, "0000 0304 0006 000000000000 0000", nil, 0, false},
		{LinkLinuxSLL2, "86dd 0000 00000001 0304 00 06 0000000000000000", ip6, 0x86dd, true},
		{LinkLinuxSLL2, "86dd", nil, 0, false},
		{LinkNull, "02000000", ip, 0x0800, true},
		{LinkNull, "1e000000", ip6, 0x86dd, true},
		{LinkLoop, "00000002", ip, 0x0800, true},
		{LinkLoop, "00000007", ip, 0, false},
		{LinkLoop, "0000", nil, 0, false},
		{LinkRaw, "", ip, 0x0800, true},
		{LinkRaw12, "", ip6, 0x86dd, true},
		{LinkRaw, "50", nil, 0, false},
		{LinkRaw, "", nil, 0, false},
		{LinkIPv4, "", ip, 0x0800, true},
		{LinkIPv6, "", ip6, 0x86dd, true},
		{LinkIPv6, "", nil, 0x86dd, false},
		{147, "", ip, 0, false},
	} {
		got, ether, ok := Strip(c.link, append(unhex(t, c.head), c.body...))
		if ok != c.ok || ether != c.ether || ok && !bytes.Equal(got, c.body) {
			t.Errorf("link %d, %s: %x %#x %v", c.link, c.head, got, ether, ok)
		}
	}
}

// TestCaptures checks that all offsets and slices of decoded packets are in bounds.
func TestCaptures(t *testing.T) {
	n := 0
	for name, list := range captures(t) {
		d := New()
		for i, b := range list {
			var p event.Packet
			d.Packet(b, uint32(len(b)), &p)
			if err := inside(&p); err != "" {
				t.Errorf("%s %d: %s: %+v", name, i, err, p)
			}
			n++
		}
	}
	if n < 400 {
		t.Errorf("only %d packets", n)
	}
}

// inside describes the first field of p that is out of bounds, "" if there is none.
func inside(p *event.Packet) string {
	switch n := uint32(len(p.Data)); {
	case p.Captured != n:
		return "Captured is not the length of Data"
	case p.End > n:
		return "End is behind Data"
	case len(p.IP.Options) > len(p.Data), len(p.TCP.Options) > 40:
		return "options are too long"
	case p.TCP.Valid && p.Off+tcpMin > p.End:
		return "a TCP header that is not there"
	}
	if p.Inner != nil {
		if len(p.Inner.Data) >= len(p.Data) && len(p.Data) > 0 {
			return "the packet inside is not smaller"
		}
		return inside(p.Inner)
	}
	return ""
}

func FuzzDecode(f *testing.F) {
	for _, list := range captures(f) {
		for _, b := range list {
			f.Add(b, uint16(0))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, more uint16) {
		d := New()
		var p event.Packet
		for range 2 {
			d.Packet(b, uint32(len(b))+uint32(more), &p)
			if err := inside(&p); err != "" {
				t.Fatal(err)
			}
		}
	})
}

func FuzzStrip(f *testing.F) {
	f.Add(uint32(LinkEthernet), []byte("\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x81\x00\x00\x01\x08\x00E"))
	f.Fuzz(func(t *testing.T, link uint32, b []byte) {
		ip, _, ok := Strip(link, b)
		if ok && (len(ip) == 0 || len(ip) > len(b)) {
			t.Fatalf("%d of %d bytes", len(ip), len(b))
		}
	})
}
