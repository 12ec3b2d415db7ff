package dns

import (
	"bytes"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// name returns the name at an offset as text, with the reason why it ends early.
func name(m Message, at int) (text string, end int, ok bool) {
	var b strings.Builder
	n := m.NameAt(at)
	for l, more := n.Next(); more; l, more = n.Next() {
		switch l.Kind {
		case Text:
			b.Write(m.Bytes[min(l.At, len(m.Bytes)):min(l.At+l.Len, len(m.Bytes))])
			b.WriteByte('.')
		case Bits:
			b.WriteString("bits.")
		case Root:
			b.WriteByte('.')
		case BadType:
			b.WriteString("!type")
		case BadExtended:
			b.WriteString("!extended")
		case BadPointer:
			b.WriteString("!pointer")
		case TooManyPointers:
			b.WriteString("!many")
		}
	}
	end, ok = n.End()
	return b.String(), end, ok
}

func TestName(t *testing.T) {
	const head = "............" // the header
	for _, c := range []struct {
		what, bytes string
		want        string
		end         int // 0: not ok
		skip        int // end of SkipName; 0: not ok
	}{
		{"root", "\x00", ".", 13, 13},
		{"labels", "\x03www\x04test\x00", "www.test.", 22, 22},
		{"a pointer", "\x03www\x00\x01a\xc0\x0c", "a.www.", 21, 21},
		{"only a pointer", "\x03www\x00\xc0\x0c", "www.", 19, 19},
		{"to itself", "\xc0\x0c", "!pointer", 0, 14},
		{"forward", "\xc0\x10\x00\x00\x00\x00", "!pointer", 0, 14},
		{"the reserved type", "\x80", "!type", 0, 0},
		{"another extended type", "\x42\x08", "!extended", 0, 0},
		{"bits", "\x41\x08\xff\x00", "bits.", 16, 16},
		{"256 bits", "\x41\x00" + strings.Repeat("\xff", 32) + "\x00", "bits.", 47, 47},
		{"bits without their number", "\x41", "", 0, 0},
		{"cut behind a label", "\x03www", "www.", 0, 0},
		{"cut in a label", "\x05ww", "ww.", 0, 0},
		{"cut in a pointer", "\xc0", "", 0, 14},
		{"nothing", "", "", 0, 0},
	} {
		m := Message{Bytes: []byte(head + c.bytes)}
		at := 12
		if c.what == "a pointer" || c.what == "only a pointer" {
			at = 17
		}
		text, end, ok := name(m, at)
		if text != c.want || ok != (c.end != 0) || end != c.end {
			t.Errorf("%s: %q to %d, %v, want %q to %d", c.what, text, end, ok, c.want, c.end)
		}
		if end, ok := m.SkipName(at); ok != (c.skip != 0) || end != c.skip {
			t.Errorf("%s: skipped to %d, %v, want %d", c.what, end, ok, c.skip)
		}
	}
}

// TestPointers checks that a chain of pointers is followed to its end, and no further than the bound.
func TestPointers(t *testing.T) {
	b := append(make([]byte, HeaderSize), 1, 'x', 0)
	at := HeaderSize
	for range 1000 {
		next := len(b)
		b = append(b, 0xc0|byte(at>>8), byte(at))
		at = next
	}
	m := Message{Bytes: b}
	if text, end, ok := name(m, at); text != "x." || end != len(b) || !ok {
		t.Errorf("%q to %d of %d, %v", text, end, len(b), ok)
	}
	n := m.NameAt(at)
	n.Jumps = maxJumps - 10
	l, _ := n.Next()
	if _, ok := n.End(); l.Kind != TooManyPointers || ok {
		t.Errorf("label of kind %d after %d pointers", l.Kind, n.Jumps)
	}
}

func TestResult(t *testing.T) {
	opt := "\x00\x00\x29\x04\xd0\x01\x00\x00\x00\x00\x00" // the upper bits are 1
	for want, b := range map[uint32]string{
		3:      "\x00\x00\x80\x03\x00\x00\x00\x00\x00\x00\x00\x00",
		16 | 3: "\x00\x00\x80\x03\x00\x00\x00\x00\x00\x00\x00\x01" + opt,
		16 | 4: "\x00\x00\x80\x04\x00\x01\x00\x00\x00\x00\x00\x01\x01a\x00\x00\x01\x00\x01" + opt,
		5:      "\x00\x00\x80\x05\x00\x01\x00\x00\x00\x00\x00\x01\x01a\x00\x00\x01\x00\x01" + opt[:4],
	} {
		m := Message{Bytes: []byte(b)}
		h, ok := m.Header()
		if got := m.Result(&h); !ok || got != want {
			t.Errorf("result %d of %x, want %d", got, b, want)
		}
	}
}

// message returns a message with records of several types.
func message(t testing.TB) []byte {
	t.Helper()
	q := layers.DNSQuestion{Name: []byte("www.example.com"), Type: layers.DNSTypeA, Class: layers.DNSClassIN}
	rr := func(kind layers.DNSType, set func(*layers.DNSResourceRecord)) layers.DNSResourceRecord {
		r := layers.DNSResourceRecord{Name: []byte("www.example.com"), Type: kind, Class: layers.DNSClassIN, TTL: 300}
		set(&r)
		return r
	}
	d := layers.DNS{ID: 7, QR: true, RD: true, RA: true, Questions: []layers.DNSQuestion{q}, Answers: []layers.DNSResourceRecord{
		rr(layers.DNSTypeCNAME, func(r *layers.DNSResourceRecord) { r.CNAME = []byte("cdn.example.net") }),
		rr(layers.DNSTypeA, func(r *layers.DNSResourceRecord) { r.IP = []byte{192, 0, 2, 1} }),
		rr(layers.DNSTypeTXT, func(r *layers.DNSResourceRecord) { r.TXTs = [][]byte{[]byte("text")} }),
	}}
	b := gopacket.NewSerializeBuffer()
	if err := d.SerializeTo(b, gopacket.SerializeOptions{FixLengths: true}); err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(b.Bytes())
}

// walk reads a whole message. It returns the questions and answers as far as they can be read.
func walk(m Message) (names []string, types []uint16) {
	h, ok := m.Header()
	if !ok {
		return nil, nil
	}
	m.Result(&h)
	at := m.At + HeaderSize
	for range h.Questions {
		q, next, ok := m.Question(at)
		if !ok {
			return names, types
		}
		text, _, _ := name(m, q.Name)
		names, types, at = append(names, text), append(types, q.Type), next
	}
	for range uint32(h.Answers) + uint32(h.Authorities) + uint32(h.Additional) {
		r, ok := m.Record(at)
		if !ok {
			return names, types
		}
		text, _, _ := name(m, r.Name)
		names, types, at = append(names, text), append(types, r.Type), r.End
	}
	return names, types
}

// TestMessage checks a message against gopacket, whole and cut at every byte.
func TestMessage(t *testing.T) {
	b := message(t)
	names, types := walk(Message{Bytes: append([]byte("head"), b...), At: 4})
	var d layers.DNS
	if err := d.DecodeFromBytes(b, gopacket.NilDecodeFeedback); err != nil {
		t.Fatal(err)
	}
	want, kinds := []string{string(d.Questions[0].Name) + "."}, []uint16{uint16(d.Questions[0].Type)}
	for _, r := range d.Answers {
		want, kinds = append(want, string(r.Name)+"."), append(kinds, uint16(r.Type))
	}
	if strings.Join(names, " ") != strings.Join(want, " ") || len(types) != len(kinds) {
		t.Errorf("%q %v, want %q %v", names, types, want, kinds)
	}
	for i := range types {
		if types[i] != kinds[i] {
			t.Errorf("type %d is %d, want %d", i, types[i], kinds[i])
		}
	}
	for cut := range b {
		if part, _ := walk(Message{Bytes: b[:cut:cut]}); len(part) > len(names) || len(part) > 0 && part[0] != names[0] {
			t.Errorf("cut to %d bytes: %q", cut, part)
		}
	}
}

func FuzzMessage(f *testing.F) {
	f.Add(message(f), 0)
	f.Add(bytes.Repeat([]byte{0xc0, 12}, 40), 2)
	f.Fuzz(func(t *testing.T, b []byte, at int) {
		if at < 0 || at > len(b) {
			return
		}
		m := Message{Bytes: b[:len(b):len(b)], At: at}
		names, types := walk(m)
		if len(names) != len(types) {
			t.Errorf("%d names, %d types", len(names), len(types))
		}
		for at := range min(len(b), 64) {
			end, ok := m.SkipName(at)
			if ok && end <= at {
				t.Errorf("the name at %d ends at %d", at, end)
			}
			// A name whose last byte is the first of a pointer or of a label has an end beyond what was captured.
			if _, whole, named := name(m, at); named && ok && whole != end && whole <= len(b) {
				t.Errorf("the name at %d ends at %d, and is skipped to %d", at, whole, end)
			}
		}
	})
}

func BenchmarkWalk(b *testing.B) {
	m := Message{Bytes: message(b)}
	b.ReportAllocs()
	for b.Loop() {
		at := HeaderSize
		_, at, _ = m.Question(at)
		for range 3 {
			r, _ := m.Record(at)
			n := m.NameAt(r.Name)
			for _, more := n.Next(); more; _, more = n.Next() {
			}
			at = r.End
		}
	}
}
