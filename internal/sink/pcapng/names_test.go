package pcapng

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/pidwire/pidwire/internal/event"
)

func addr(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

// answer is a DNS message that says of each address that it is name's.
func answer(t testing.TB, question, name string, addrs ...string) []byte {
	t.Helper()
	d := layers.DNS{QR: true}
	if question != "" {
		d.Questions = []layers.DNSQuestion{{Name: []byte(question), Type: layers.DNSTypeA, Class: layers.DNSClassIN}}
	}
	if question != name && question != "" {
		d.Answers = append(d.Answers, layers.DNSResourceRecord{
			Name: []byte(question), Type: layers.DNSTypeCNAME, Class: layers.DNSClassIN, CNAME: []byte(name),
		})
	}
	for _, a := range addrs {
		ip := netip.MustParseAddr(a)
		r := layers.DNSResourceRecord{Name: []byte(name), Type: layers.DNSTypeA, Class: layers.DNSClassIN, IP: ip.AsSlice()}
		if ip.Is6() {
			r.Type = layers.DNSTypeAAAA
		}
		d.Answers = append(d.Answers, r)
	}
	b := gopacket.NewSerializeBuffer()
	if err := d.SerializeTo(b, gopacket.SerializeOptions{FixLengths: true}); err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(b.Bytes())
}

// datagram is a packet with that payload.
func datagram(port uint16, payload []byte) *event.Capture {
	data := append(make([]byte, 28), payload...)
	return &event.Capture{Packet: event.Packet{
		Data: data, Captured: uint32(len(data)), Len: uint32(len(data)), Version: 4, Proto: event.ProtoUDP, Off: 20, End: uint32(len(data)),
		Src: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.53"), port),
	}}
}

// namesIn are the records of the Name Resolution Blocks of a file.
func namesIn(t *testing.T, b []byte) string {
	t.Helper()
	var out []string
	for len(b) > 0 {
		n := binary.LittleEndian.Uint32(b[4:])
		if binary.LittleEndian.Uint32(b) == blockNRB {
			for r := b[8:]; ; {
				kind, size := le.Uint16(r), int(le.Uint16(r[2:]))
				if kind == 0 {
					break
				}
				v := r[4 : 4+size]
				ip, ok := netip.AddrFromSlice(v[:map[uint16]int{1: 4, 2: 16}[kind]])
				name, zero := bytes.CutSuffix(v[ip.BitLen()/8:], []byte{0})
				if !ok || !zero {
					t.Fatalf("a record %x", v)
				}
				out = append(out, ip.String()+"="+string(name))
				r = r[4+(size+3)&^3:]
			}
			out = append(out, ";")
		}
		b = b[n:]
	}
	return strings.Join(out, " ")
}

func TestNames(t *testing.T) {
	long := strings.Repeat("a", 60)
	for _, c := range []struct {
		name string
		msgs [][]byte
		port uint16
		want string
	}{
		{"an answer", [][]byte{answer(t, "example.com", "example.com", "192.0.2.1", "192.0.2.2")}, 53, "192.0.2.1=example.com 192.0.2.2=example.com ;"},
		{"behind an alias", [][]byte{answer(t, "www.example.com", "cdn.example.net", "192.0.2.1", "2001:db8::1")}, 53, "192.0.2.1=www.example.com 2001:db8::1=www.example.com ;"},
		{"the same again", [][]byte{answer(t, "a.test", "a.test", "192.0.2.1"), answer(t, "a.test", "a.test", "192.0.2.1")}, 53, "192.0.2.1=a.test ;"},
		{"another name", [][]byte{answer(t, "a.test", "a.test", "192.0.2.1"), answer(t, "b.test", "b.test", "192.0.2.1", "192.0.2.9")}, 53, "192.0.2.1=a.test ; 192.0.2.1=b.test 192.0.2.9=b.test ;"},
		{"mDNS", [][]byte{answer(t, "", "printer.local", "192.0.2.7")}, 5353, "192.0.2.7=printer.local ;"},
		{"another port", [][]byte{answer(t, "a.test", "a.test", "192.0.2.1")}, 54, ""},
		{"hostile", [][]byte{answer(t, "a\x1b[31m.test", "a", "192.0.2.1"), answer(t, "a b.test", "a", "192.0.2.1"), answer(t, "\xff.test", "a", "192.0.2.1")}, 53, ""},
		{"long", [][]byte{answer(t, long+"."+long+"."+long, "a", "192.0.2.1")}, 53, "192.0.2.1=" + long + "." + long + "." + long + " ;"},
		{"nothing", [][]byte{{}, {0}, make([]byte, 12), bytes.Repeat([]byte{0xc0}, 100)}, 53, ""},
		{"too long", [][]byte{append(answer(t, "a.test", "a.test", "192.0.2.1"), make([]byte, maxAnswer)...)}, 53, ""},
	} {
		var b bytes.Buffer
		s, err := New(&b, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range c.msgs {
			if err := s.Write(&event.Entry{Event: event.Event{Body: datagram(c.port, m)}}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if got := namesIn(t, b.Bytes()); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestNamesAgain holds that the next file of a run has the names, too.
func TestNamesAgain(t *testing.T) {
	known := NewPreamble()
	var got []string
	for i := range 3 {
		var b bytes.Buffer
		s, err := New(&b, Options{Preamble: known})
		if err != nil {
			t.Fatal(err)
		}
		msg := answer(t, fmt.Sprintf("%d.test", i), "x", fmt.Sprintf("192.0.2.%d", i))
		if err := s.Write(&event.Entry{Event: event.Event{Body: datagram(53, msg)}}); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		got = append(got, namesIn(t, b.Bytes()))
	}
	if got[2] != "192.0.2.0=0.test 192.0.2.1=1.test ; 192.0.2.2=2.test ;" || got[0] != "192.0.2.0=0.test ;" {
		t.Errorf("%q", got)
	}
}

// FuzzAnswer holds that no payload of a packet ends the run, or makes names that
// are none.
func FuzzAnswer(f *testing.F) {
	for _, s := range [][]byte{answer(f, "www.example.com", "cdn.example.net", "192.0.2.1", "2001:db8::1"), bytes.Repeat([]byte{0xc0, 12}, 40)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		var b bytes.Buffer
		s, err := New(&b, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := s.Write(&event.Entry{Event: event.Event{Body: datagram(53, msg)}}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		for _, h := range s.known.hosts {
			if !isHostName([]byte(h.name)) || !h.addr.IsValid() {
				t.Errorf("%v is %q", h.addr, h.name)
			}
		}
		namesIn(t, b.Bytes())
	})
}

// TestNoAllocation holds that packets and rows cost no memory each.
func TestNoAllocation(t *testing.T) {
	s, err := New(discard{}, Options{Header: []byte("h")})
	if err != nil {
		t.Fatal(err)
	}
	packet := benchPacket()
	if n := testing.AllocsPerRun(2000, func() {
		if err := s.Write(packet); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%g allocations a packet", n)
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// benchPacket is of 100 bytes, as they come from the wire.
func benchPacket() *event.Entry {
	raw := make([]byte, sizePacket+104)
	le.PutUint16(raw[4:], 11)
	le.PutUint64(raw[offTime:], 12652411447298)
	le.PutUint64(raw[offOwnerCookie:], 5283)
	le.PutUint64(raw[offStart:], 12652296710034)
	le.PutUint64(raw[offOwnerTime:], 12652411396082)
	le.PutUint32(raw[offHow:], 3)
	copy(raw[offComm:], "curl")
	raw[sizePacket] = 0x45
	data := raw[sizePacket : sizePacket+100]
	return &event.Entry{
		Event: event.Event{
			Time: 1700000000123456789, Seq: 123456, Raw: raw,
			Task: event.Task{Proc: event.Proc{PID: 402475, Start: 1265229}, TID: 402475, NSPID: 402475, NSTID: 402475, UID: 1000},
			Body: &event.Capture{
				Packet: event.Packet{Dir: event.DirOut, Len: 100, Captured: 100, Data: data, Version: 4, Proto: event.ProtoTCP, Off: 20, End: 100},
				Cookie: 5283, Owner: event.OwnerSent, Iface: 2,
			},
		},
		Conn: &event.Conn{N: 3}, Match: event.MatchExact,
	}
}

// BenchmarkPacket is a packet of 100 bytes; overhead is what the file has of it
// beside these.
func BenchmarkPacket(b *testing.B) {
	s, err := New(discard{}, Options{Header: []byte("h")})
	if err != nil {
		b.Fatal(err)
	}
	e := benchPacket()
	if err := s.Write(e); err != nil {
		b.Fatal(err)
	}
	before := s.Size()
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Write(e); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(s.Size()-before)/float64(b.N)-100, "overhead-B/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "packets/s")
}

func BenchmarkPcap(b *testing.B) {
	s, err := NewPcap(discard{}, 0)
	if err != nil {
		b.Fatal(err)
	}
	e := benchPacket()
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Write(e); err != nil {
			b.Fatal(err)
		}
	}
}
