package pcapng

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/event"
)

func addr(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

// answered returns a DNS response with addresses of a name.
func answered(name string, addrs ...string) *event.Capture {
	data := make([]byte, 28)
	c := &event.Capture{Packet: event.Packet{
		Data: data, Captured: uint32(len(data)), Len: uint32(len(data)), Version: 4, Proto: event.ProtoUDP, Off: 20, End: uint32(len(data)),
		Src: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.53"), 53),
	}}
	for _, a := range addrs {
		c.Answers = append(c.Answers, event.Answer{Addr: netip.MustParseAddr(a), Name: name})
	}
	return c
}

// namesIn returns the records of the Name Resolution Blocks of a file.
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
	for _, c := range []struct {
		name    string
		packets []*event.Capture
		want    string
	}{
		{"an answer", []*event.Capture{answered("example.com", "192.0.2.1", "2001:db8::1")}, "192.0.2.1=example.com 2001:db8::1=example.com ;"},
		{"the same again", []*event.Capture{answered("a.test", "192.0.2.1"), answered("a.test", "192.0.2.1")}, "192.0.2.1=a.test ;"},
		{"another name", []*event.Capture{answered("a.test", "192.0.2.1"), answered("b.test", "192.0.2.1", "192.0.2.9")}, "192.0.2.1=a.test ; 192.0.2.1=b.test 192.0.2.9=b.test ;"},
		{"none", []*event.Capture{answered("a.test")}, ""},
	} {
		var b bytes.Buffer
		s, err := New(&b, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range c.packets {
			if err := s.Write(&event.Entry{Event: event.Event{Body: p}}); err != nil {
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

// TestNamesAgain checks that the next file of a run has the names again.
func TestNamesAgain(t *testing.T) {
	known := NewPreamble()
	var got []string
	for i := range 3 {
		var b bytes.Buffer
		s, err := New(&b, Options{Preamble: known})
		if err != nil {
			t.Fatal(err)
		}
		p := answered(fmt.Sprintf("%d.test", i), fmt.Sprintf("192.0.2.%d", i))
		if err := s.Write(&event.Entry{Event: event.Event{Body: p}}); err != nil {
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

// TestNoAllocation checks that packets and rows are written without allocations.
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

// benchPacket returns a packet of 100 bytes.
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

// BenchmarkPacket writes packets of 100 bytes; overhead is the number of other bytes in the
// file for each.
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
