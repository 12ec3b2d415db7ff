package pkt

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/pidwire/pidwire/internal/event"
)

// answer returns a DNS response with an address record of name for each address.
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

// datagram returns a UDP packet.
func datagram(port uint16, payload []byte) *event.Packet {
	data := append(make([]byte, 28), payload...)
	return &event.Packet{
		Data: data, Captured: uint32(len(data)), Len: uint32(len(data)), Version: 4, Proto: event.ProtoUDP, Off: 20, End: uint32(len(data)),
		Src: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.53"), port),
	}
}

func TestAnswers(t *testing.T) {
	long := strings.Repeat("a", 60)
	for _, c := range []struct {
		name string
		msg  []byte
		port uint16
		want string
	}{
		{"an answer", answer(t, "example.com", "example.com", "192.0.2.1", "192.0.2.2"), 53, "192.0.2.1=example.com 192.0.2.2=example.com"},
		{"behind an alias", answer(t, "www.example.com", "cdn.example.net", "192.0.2.1", "2001:db8::1"), 53, "192.0.2.1=www.example.com 2001:db8::1=www.example.com"},
		{"mDNS", answer(t, "", "printer.local", "192.0.2.7"), 5353, "192.0.2.7=printer.local"},
		{"another port", answer(t, "a.test", "a.test", "192.0.2.1"), 54, ""},
		{"escape", answer(t, "a\x1b[31m.test", "a", "192.0.2.1"), 53, ""},
		{"space", answer(t, "a b.test", "a", "192.0.2.1"), 53, ""},
		{"no ASCII", answer(t, "\xff.test", "a", "192.0.2.1"), 53, ""},
		{"long", answer(t, long+"."+long+"."+long, "a", "192.0.2.1"), 53, "192.0.2.1=" + long + "." + long + "." + long},
		{"nothing", nil, 53, ""},
		{"zeros", make([]byte, 12), 53, ""},
		{"pointers", bytes.Repeat([]byte{0xc0}, 100), 53, ""},
		{"an address of another size", bytes.Replace(answer(t, "a.test", "a.test", "192.0.2.1"), []byte{0, 4, 192}, []byte{0, 3, 192}, 1), 53, ""},
		{"too long", append(answer(t, "a.test", "a.test", "192.0.2.1"), make([]byte, maxAnswer)...), 53, ""},
	} {
		var got []string
		for _, a := range Answers(datagram(c.port, c.msg)) {
			got = append(got, a.Addr.String()+"="+a.Name)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// segment returns a TCP packet.
func segment(port uint16, payload []byte) *event.Packet {
	p := datagram(port, append(make([]byte, 12), payload...))
	p.Proto = event.ProtoTCP
	p.TCP = event.TCPHeader{Valid: true, Header: 20, Length: uint32(len(payload))}
	return p
}

func TestAnswersOverTCP(t *testing.T) {
	msg := answer(t, "a.test", "a.test", "192.0.2.1")
	framed := append([]byte{byte(len(msg) >> 8), byte(len(msg))}, msg...)
	for _, c := range []struct {
		name    string
		payload []byte
		port    uint16
		want    int
	}{
		{"an answer", framed, 53, 1},
		{"two", append(bytes.Clone(framed), framed...), 53, 1},
		{"cut", framed[:len(framed)-1], 53, 0},
		{"its length alone", framed[:2], 53, 0},
		{"a byte", framed[:1], 53, 0},
		{"nothing", nil, 53, 0},
		{"another port", framed, 80, 0},
	} {
		if got := Answers(segment(c.port, c.payload)); len(got) != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// FuzzAnswers checks that no payload causes a panic or an unsafe name.
func FuzzAnswers(f *testing.F) {
	for _, s := range [][]byte{answer(f, "www.example.com", "cdn.example.net", "192.0.2.1", "2001:db8::1"), bytes.Repeat([]byte{0xc0, 12}, 40)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		for _, a := range append(Answers(datagram(53, msg)), Answers(segment(53, msg))...) {
			unsafe := strings.ContainsFunc(a.Name, func(c rune) bool { return c <= ' ' || c >= 0x7f })
			if unsafe || a.Name == "" || len(a.Name) > 255 || !a.Addr.IsValid() {
				t.Errorf("%v is %q", a.Addr, a.Name)
			}
		}
	})
}

// TestReverse checks the names of answers for addresses.
func TestReverse(t *testing.T) {
	six := "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
	for _, c := range []struct{ asked, name, want string }{
		{"7.2.0.192.in-addr.arpa", "web.test", "192.0.2.7=web.test"},
		{"7.2.0.192.IN-ADDR.ARPA", "web.test", "192.0.2.7=web.test"},
		{six, "six.test", "2001:db8::1=six.test"},
		{"64.7.2.0.192.in-addr.arpa", "web.test", ""},
		{"2.0.192.in-addr.arpa", "web.test", ""},
		{"300.2.0.192.in-addr.arpa", "web.test", ""},
		{strings.Replace(six, "8.b", "x.b", 1), "six.test", ""},
		{six[2:], "six.test", ""},
		{strings.Replace(six, "1.0.", "1.00", 1), "six.test", ""},
		{"_http._tcp.local", "printer.local", ""},
		{"7.2.0.192.in-addr.arpa", "a\x1bb.test", ""},
	} {
		d := layers.DNS{
			QR: true, Questions: []layers.DNSQuestion{{Name: []byte(c.asked), Type: layers.DNSTypePTR, Class: layers.DNSClassIN}},
			Answers: []layers.DNSResourceRecord{{Name: []byte(c.asked), Type: layers.DNSTypePTR, Class: layers.DNSClassIN, PTR: []byte(c.name)}},
		}
		b := gopacket.NewSerializeBuffer()
		if err := d.SerializeTo(b, gopacket.SerializeOptions{FixLengths: true}); err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, a := range Answers(datagram(53, b.Bytes())) {
			got += a.Addr.String() + "=" + a.Name
			if a.From != event.FromPTR {
				t.Errorf("%s: the name is from %v", c.asked, a.From)
			}
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.asked, got, c.want)
		}
	}
}
