package dump_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/decode/pkt"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/foreign/dump"
	"github.com/pidwire/pidwire/internal/sink/tcpdump"
)

// FuzzHex adds the lines below a packet to it. What is added must be in the lines, and what the line of the packet says must remain.
func FuzzHex(f *testing.F) {
	for _, raw := range []string{rawUDP, rawTCP} {
		for _, text := range []bool{false, true} {
			for _, line := range []string{datagram, segment, "IP a.example.40000 > b.example.80: tcp 5"} {
				f.Add([]byte(line + "\n" + strings.Join(rows(raw, text), "\n")))
				f.Add([]byte(line + "\n" + strings.Join(rows("0200 0000 0002 0200 0000 0001 0800"+raw, text), "\n")))
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var r dump.Reader
		var h dump.Hex
		first, rest, _ := bytes.Cut(b, []byte("\n"))
		var l dump.Line
		if r.Read(first, &l); l.Kind != dump.Packet {
			return
		}
		before := append([]byte(nil), l.Data...)
		was := l
		h.Start()
		for _, line := range bytes.Split(rest, []byte("\n")) {
			h.Add(line)
		}
		if !h.Fill(&r, &l) {
			if !bytes.Equal(l.Data, before) || l.Len != was.Len || l.Unknown != was.Unknown {
				t.Fatalf("%q was changed", first)
			}
			return
		}
		if len(l.Data) < len(before) || uint64(len(l.Data)) > uint64(l.Len) || l.Len > 65535 {
			t.Fatalf("%q: %d bytes of %d", first, len(l.Data), l.Len)
		}
		if was.Unknown&dump.Length == 0 && was.Unknown&dump.TCPRest == 0 && l.Len != was.Len {
			t.Fatalf("%q: the length was %d, and is %d", first, was.Len, l.Len)
		}
		var p, q event.Packet
		pkt.New().Packet(before, was.Len, &p)
		pkt.New().Packet(l.Data, l.Len, &q)
		if p.Src != q.Src || p.Dst != q.Dst || p.Proto != q.Proto || was.Unknown&(dump.TCPRest|dump.Length) == 0 && (p.TCP.Seq != q.TCP.Seq || p.TCP.Ack != q.TCP.Ack || p.TCP.Flags != q.TCP.Flags) {
			t.Fatalf("%q: %v became %v", first, p, q)
		}
		if q.Version == 4 && checksum(l.Data[:20]) != 0 {
			t.Fatalf("%q: the header's checksum is wrong", first)
		}
		shown := strings.ToLower(hexDigits(rest))
		for _, c := range l.Data[len(before):] {
			if !strings.Contains(shown, fmt.Sprintf("%02x", c)) {
				t.Fatalf("%q: byte %02x is not in the dump", first, c)
			}
		}
	})
}

// hexDigits returns the text without blanks.
func hexDigits(b []byte) string {
	return string(bytes.Map(func(r rune) rune {
		if r == ' ' {
			return -1
		}
		return r
	}, b))
}

// FuzzLine parses lines. The result must be bounded and decode to a consistent packet, and its text
// must parse to the same packet.
func FuzzLine(f *testing.F) {
	for _, c := range notations {
		f.Add([]byte(c.line))
	}
	for _, c := range benchLines {
		f.Add([]byte(c.line))
	}
	sample, err := os.ReadFile("../../../testdata/emulator/emulator.tcpdump")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sample)
	for _, pattern := range []string{"*.plain.txt", "*.v.txt", "*.e.txt", "lines.A.txt"} {
		files, err := filepath.Glob(filepath.Join("../../sink/tcpdump/testdata", pattern))
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b[:min(len(b), 4096)])
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var r, r2 dump.Reader
		d, d2 := pkt.New(), pkt.New()
		for _, line := range bytes.Split(b, []byte("\n")) {
			before := string(line)
			var l dump.Line
			r.Read(line, &l)
			if string(line) != before {
				t.Fatalf("%q was changed", before)
			}
			if l.Kind != dump.Packet {
				if len(l.Data) != 0 || l.Len != 0 || l.Unknown != 0 {
					t.Fatalf("%q is %v with data", line, l.Kind)
				}
				continue
			}
			if len(l.Data) == 0 || len(l.Data) > 512 || uint64(len(l.Data)) > uint64(l.Len) || l.Len > 65535+40 {
				t.Fatalf("%q: %d bytes of %d", line, len(l.Data), l.Len)
			}
			var p event.Packet
			d.Packet(l.Data, l.Len, &p)
			if p.Version != 4 && p.Version != 6 {
				t.Fatalf("%q: version %d", line, p.Version)
			}
			if len(l.Data) >= 40 && (!p.Src.IsValid() || !p.Dst.IsValid()) {
				t.Fatalf("%q: no addresses", line)
			}
			if p.Version == 4 && len(l.Data) >= 20 && checksum(l.Data[:20]) != 0 {
				t.Fatalf("%q: the header's checksum is wrong", line)
			}
			o := tcpdump.Options{Name: r.Name}
			text := string(tcpdump.Append(nil, &p, &o))
			r2.Read([]byte(text), &l)
			once := upToLength.FindString(text)
			if once == "" || strings.Contains(once, "[bad") || strings.Contains(once, "[len ") || l.Unknown&dump.Options != 0 {
				if l.Kind == dump.Packet {
					d2.Packet(l.Data, l.Len, &p)
				}
				continue
			}
			if l.Kind != dump.Packet {
				t.Fatalf("%q became %q, which is %v %s", line, text, l.Kind, l.Why)
			}
			d2.Packet(l.Data, l.Len, &p)
			o.Name = r2.Name
			if twice := upToLength.FindString(string(tcpdump.Append(nil, &p, &o))); twice != once {
				t.Fatalf("%q became %q, and that %q", line, once, twice)
			}
		}
	})
}

// checksum returns 0 if the checksum of a header is correct (RFC 1071).
func checksum(b []byte) uint16 {
	s := uint32(0)
	for i := 0; i < len(b); i += 2 {
		s += uint32(b[i])<<8 | uint32(b[i+1])
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return ^uint16(s)
}
