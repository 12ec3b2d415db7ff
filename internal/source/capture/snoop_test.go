package capture_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/decode"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/source/capture"
	"github.com/pidwire/pidwire/internal/wire"
)

// snoop writes a snoop file.
type snoop struct{ b []byte }

func newSnoop(link uint32) *snoop {
	b := binary.BigEndian.AppendUint32([]byte("snoop\x00\x00\x00"), 2)
	return &snoop{binary.BigEndian.AppendUint32(b, link)}
}

// record appends a packet of length bytes, of which data was captured, with behind after it in
// its record.
func (s *snoop) record(sec, usec uint32, length int, drops uint32, data, behind string) *snoop {
	for _, v := range []uint32{uint32(length), uint32(len(data)), uint32(24 + len(data) + len(behind)), drops, sec, usec} {
		s.b = binary.BigEndian.AppendUint32(s.b, v)
	}
	s.b = append(append(s.b, data...), behind...)
	return s
}

// packet appends a packet as snoop does, padded to four bytes.
func (s *snoop) packet(sec, usec uint32, drops uint32, data string) *snoop {
	return s.record(sec, usec, len(data), drops, data, "\x00\x00\x00"[:-len(data)&3])
}

// withLosses is like show, with losses in addition.
func withLosses(t testing.TB, h wire.Header, recs []wire.Record) string {
	t.Helper()
	var out []string
	for _, r := range recs {
		sourceWellFormed(t, r)
		text := show(h, []wire.Record{r})
		if r.Kind() == wire.KindLost {
			var l wire.Lost
			if !l.Unmarshal(r) {
				t.Fatalf("a record of %d bytes", len(r))
			}
			at, _, _ := strings.Cut(text, " ")
			text = fmt.Sprintf("%s lost %d for reason %d of layer %d", at, l.Count, l.Reason, l.H.Layer)
		}
		out = append(out, text)
	}
	return strings.Join(out, "\n")
}

// readSnoop returns the result of withLosses for a file, and the error last.
func readSnoop(t testing.TB, b []byte) string {
	t.Helper()
	s, err := capture.New(bytes.NewReader(b), "")
	if err != nil {
		return "New: " + err.Error()
	}
	recs, err := run(s)
	out := withLosses(t, s.Header(), recs)
	if err != nil {
		out = strings.TrimPrefix(out+"\n"+err.Error(), "\n")
	}
	return out
}

func TestSnoop(t *testing.T) {
	lost := func(n int) string {
		return fmt.Sprintf("lost %d for reason %d of layer %d", n, wire.LostTool, wire.LayerPkt)
	}
	for _, c := range []struct {
		name string
		file *snoop
		want string
	}{
		{
			"packets of all paddings", newSnoop(4).packet(second, 1, 0, "abcd").packet(second, 999999, 0, "abc").packet(second+1, 0, 0, "ab").packet(second+2, 5, 0, "a").packet(second+3, 0, 0, ""),
			"0.000001000 packet link=1 if=0 dir=0 cap=4 len=4 61626364\n0.999999000 packet link=1 if=0 dir=0 cap=3 len=3 616263\n1.000000000 packet link=1 if=0 dir=0 cap=2 len=2 6162\n" +
				"2.000005000 packet link=1 if=0 dir=0 cap=1 len=1 61\n3.000000000 packet link=1 if=0 dir=0 cap=0 len=0 \n3.000000000 end",
		},
		{"no packet", newSnoop(4), "-1700000000.000000000 end"},
		{"no padding", newSnoop(4).record(second, 0, 3, 0, "abc", "").record(second, 1, 1, 0, "d", ""), "0.000000000 packet link=1 if=0 dir=0 cap=3 len=3 616263\n0.000001000 packet link=1 if=0 dir=0 cap=1 len=1 64\n0.000001000 end"},
		{"a trailer behind the packet", newSnoop(4).record(second, 0, 3, 0, "abc", strings.Repeat("t", 1000)).packet(second, 1, 0, "d"), "0.000000000 packet link=1 if=0 dir=0 cap=3 len=3 616263\n0.000001000 packet link=1 if=0 dir=0 cap=1 len=1 64\n0.000001000 end"},
		{"a part of a packet", newSnoop(4).record(second, 0, 1514, 0, "abcd", ""), "0.000000000 packet link=1 if=0 dir=0 cap=4 len=1514 61626364\n0.000000000 end"},
		{"more captured than there was", newSnoop(4).record(second, 0, 1, 0, "abcd", ""), "0.000000000 packet link=1 if=0 dir=0 cap=4 len=4 61626364\n0.000000000 end"},
		{
			"drops", newSnoop(4).packet(second, 0, 0, "a").packet(second, 1, 0, "b").packet(second+1, 0, 7, "c").packet(second+1, 1, 7, "d").packet(second+2, 0, 1<<32-1, "e"),
			"0.000000000 packet link=1 if=0 dir=0 cap=1 len=1 61\n0.000001000 packet link=1 if=0 dir=0 cap=1 len=1 62\n1.000000000 " + lost(7) + "\n1.000000000 packet link=1 if=0 dir=0 cap=1 len=1 63\n" +
				"1.000001000 packet link=1 if=0 dir=0 cap=1 len=1 64\n2.000000000 " + lost(1<<32-8) + "\n2.000000000 packet link=1 if=0 dir=0 cap=1 len=1 65\n2.000000000 end",
		},
		{
			"drops before the first packet, and a count that begins anew", newSnoop(4).packet(second, 0, 3, "a").packet(second, 1, 1, "b").packet(second, 2, 2, "c"),
			"0.000000000 " + lost(3) + "\n0.000000000 packet link=1 if=0 dir=0 cap=1 len=1 61\n0.000001000 packet link=1 if=0 dir=0 cap=1 len=1 62\n0.000002000 " + lost(1) + "\n0.000002000 packet link=1 if=0 dir=0 cap=1 len=1 63\n0.000002000 end",
		},
		{"a time after 2038", newSnoop(4).packet(1<<32-1, 0, 0, "a"), "2594967295.000000000 packet link=1 if=0 dir=0 cap=1 len=1 61\n2594967295.000000000 end"},
		{"a time that goes back", newSnoop(4).packet(second+1, 0, 0, "a").packet(second, 0, 0, "b"), "1.000000000 packet link=1 if=0 dir=0 cap=1 len=1 61\n0.000000000 packet link=1 if=0 dir=0 cap=1 len=1 62\n1.000000000 end"},
	} {
		if got := readSnoop(t, c.file.b); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
	for link, want := range map[uint32]int{
		0: 1, 1: 0xffff, 2: 6, 3: 0xffff, 4: 1, 5: 0xffff, 8: 10, 9: 0xffff, 14: 0xffff, 16: 0xffff, 18: 123, 26: 0xffff, 99: 0xffff,
		0x80000004: 0xffff, 0x80000005: 226, 1<<32 - 1: 0xffff,
	} {
		if got, want := readSnoop(t, newSnoop(link).packet(second, 0, 0, "a").b), fmt.Sprintf("0.000000000 packet link=%d if=0 dir=0 cap=1 len=1 61\n0.000000000 end", want); got != want {
			t.Errorf("link type %d:\n got %s\nwant %s", link, got, want)
		}
	}
}

func TestSnoopDamage(t *testing.T) {
	be := binary.BigEndian
	packet := "0.000000000 packet link=1 if=0 dir=0 cap=4 len=4 61626364\n"
	const tail = "; everything before that was read"
	set := func(at int, v uint32) []byte {
		b := newSnoop(4).packet(second, 0, 0, "abcd").packet(second, 0, 0, "efgh").b
		be.PutUint32(b[at:], v)
		return b
	}
	const second = 16 + 28 // offset of the second record
	version := func(v uint32) []byte { return set(8, v) }
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"version 1", version(1), "New: damaged at offset 0: snoop version 1: only version 2 is supported" + tail},
		{"version 3, of Surveyor", version(3), "New: damaged at offset 0: snoop version 3: only version 2 is supported" + tail},
		{"the other byte order", version(2 << 24), "New: damaged at offset 0: snoop version 33554432: only version 2 is supported" + tail},
		{"a record of 0 bytes", set(second+8, 0), packet + "damaged at offset 44: a packet of 4 bytes in a record of 0 with its header" + tail},
		{"a record without room for its packet", set(second+8, 27), packet + "damaged at offset 44: a packet of 4 bytes in a record of 27 with its header" + tail},
		{"a packet of 4 GiB", set(second+4, 1<<32-1), packet + "damaged at offset 44: a packet of 4294967295 bytes in a record of 28 with its header" + tail},
		{"a record of 4 GiB", set(second+8, 1<<32-1), packet + "damaged at offset 44: a record of 4294967295 bytes, the limit is 16777216" + tail},
		{"a record of more than 16 MiB", set(second+8, 16<<20+1), packet + "damaged at offset 44: a record of 16777217 bytes, the limit is 16777216" + tail},
		{"a record of 16 MiB that ends before", set(second+8, 16<<20), packet + "truncated at offset 72: everything up to the last complete record was read"},
		{"another magic", append([]byte("snoopy\x00\x00"), newSnoop(4).b[8:]...), "New: neither pcapng nor pcap"},
		{"Bluetooth's", append([]byte("btsnoop\x00"), newSnoop(4).b[8:]...), "New: neither pcapng nor pcap"},
	} {
		if got := readSnoop(t, c.file); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
	if !capture.Sniff([]byte("snoop\x00\x00\x00")) || capture.Sniff([]byte("snoop\x00\x00")) {
		t.Error("the first eight bytes are what a snoop file is known by")
	}
}

// TestSnoopCut truncates a file at every byte, and checks that the records before are the
// same, and that the error has the offset.
func TestSnoopCut(t *testing.T) {
	file := newSnoop(4).packet(second, 0, 0, "abc").packet(second, 1, 5, "").packet(second, 2, 5, "defg").packet(second, 3, 9, strings.Repeat("x", 99)).b
	whole := readSnoop(t, file)
	bounds := map[int]bool{16: true, 16 + 28: true, 16 + 28 + 24: true, 16 + 28 + 24 + 28: true}
	seen := 0
	for n := range file {
		s, err := capture.New(bytes.NewReader(file[:n]), "")
		var cut *wire.CutError
		if err != nil {
			if n >= 16 || n < 8 && err != capture.ErrNotCapture || n >= 8 && (!errors.As(err, &cut) || cut.Offset != int64(n)) {
				t.Fatalf("cut at %d: New: %v", n, err)
			}
			continue
		}
		if n < 16 {
			t.Fatalf("cut at %d: New: no error", n)
		}
		got, err := run(s)
		switch {
		case bounds[n]:
			if seen++; err != nil || got[len(got)-1].Kind() != wire.KindEnd {
				t.Fatalf("cut at %d, between two records: %v", n, err)
			}
			got = got[:len(got)-1]
		case !errors.As(err, &cut) || cut.Offset != int64(n):
			t.Fatalf("cut at %d: %v", n, err)
		}
		if text := withLosses(t, s.Header(), got); !strings.HasPrefix(whole, text) {
			t.Fatalf("cut at %d: reads\n%s", n, text)
		}
	}
	if seen != len(bounds) {
		t.Errorf("%d cuts were between two records, want %d", seen, len(bounds))
	}
}

func TestSnoopContract(t *testing.T) {
	contract(t, newSnoop(4).packet(second, 0, 3, "abc").packet(second+1, 7, 5, "defgh").packet(second+1, 8, 5, "").b)
}

// ethernet converts a pcap file of raw IP packets: it adds an Ethernet header to each.
func ethernet(t *testing.T, b []byte) []byte {
	t.Helper()
	le := binary.LittleEndian
	out := bytes.Clone(b[:24])
	le.PutUint32(out[20:], 1)
	for at := 24; at < len(b); {
		n := int(le.Uint32(b[at+8:]))
		head, data := bytes.Clone(b[at:at+16]), b[at+16:at+16+n]
		at += 16 + n
		kind := "\x08\x00"
		if n > 0 && data[0]>>4 == 6 {
			kind = "\x86\xdd"
		}
		le.PutUint32(head[8:], uint32(n+14))
		le.PutUint32(head[12:], le.Uint32(head[12:])+14)
		out = append(append(append(append(out, head...), "\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01"...), kind...), data...)
	}
	return out
}

// TestSnoopEditcap converts captures to snoop files with editcap, and checks that each has the
// same packets and times, which are in microseconds in both.
func TestSnoopEditcap(t *testing.T) {
	need(t, "editcap")
	files, err := filepath.Glob("../../decode/pkt/testdata/*.pcap")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d captures: %v", len(files), err)
	}
	le := binary.LittleEndian
	packets := 0
	same := func(name string, pcap []byte) {
		want := readSnoop(t, pcap)
		file := tool(t, "editcap", []string{"-F", "snoop"}, pcap)
		if !bytes.HasPrefix(file, []byte("snoop\x00\x00\x00\x00\x00\x00\x02")) {
			t.Fatalf("%s: editcap wrote % x", name, file[:min(len(file), 16)])
		}
		if got := readSnoop(t, file); got != want {
			t.Errorf("%s:\n got %.2000s\nwant %.2000s", name, got, want)
		}
		packets += strings.Count(want, " packet ")
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if le.Uint32(b) != 0xa1b2c3d4 {
			continue // snoop has no nanoseconds
		}
		switch link := le.Uint32(b[20:]); link {
		case 1:
			same(file, b)
		case 101:
			same(file, ethernet(t, b))
		default:
			t.Errorf("%s: link type %d", file, link)
		}
	}
	if packets < 100 {
		t.Errorf("only %d packets were compared", packets)
	}
	for _, link := range []uint32{1, 6, 10, 123} {
		same(fmt.Sprintf("link type %d", link), pcapFile(le, 0xa1b2c3d4, link, strings.Repeat("\x01x", 30), strings.Repeat("\x02y", 15)))
	}
}

// TestSnoopTshark compares what we read from hand-made files, with all paddings and with
// truncated packets, to what tshark reads.
func TestSnoopTshark(t *testing.T) {
	need(t, "tshark")
	n := newSnoop(4)
	for i := range 40 {
		data := strings.Repeat(string(rune('a'+i%26)), 14+i)
		n.record(second+uint32(i), uint32(i*25000), len(data)+i%3*100, 0, data, "\x00\x00\x00"[:-len(data)&3])
	}
	file := filepath.Join(t.TempDir(), "a.snoop")
	if err := os.WriteFile(file, n.b, 0o666); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("tshark", "-n", "-r", file, "-T", "fields", "-e", "frame.time_epoch", "-e", "frame.cap_len", "-e", "frame.len").Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	var want strings.Builder
	s, err := capture.New(bytes.NewReader(n.b), "")
	if err != nil {
		t.Fatal(err)
	}
	h := s.Header()
	for _, r := range records(t, s) {
		var p wire.Packet
		if r.Kind() == wire.KindPacket && p.Unmarshal(r) {
			ns := int64(r.Time() - h.Mono + h.Wall)
			fmt.Fprintf(&want, "%d.%09d\t%d\t%d\n", ns/1e9, ns%1e9, p.Caplen, p.Len)
		}
	}
	if got := string(out); got != want.String() || strings.Count(got, "\n") != 40 {
		t.Errorf("tshark reads\n%s\nand we read\n%s", got, want.String())
	}
}

// FuzzSnoop checks that no file causes a panic or an unexpected error, or more
// records than it can have.
func FuzzSnoop(f *testing.F) {
	f.Add(uint32(4), newSnoop(4).packet(second, 1, 0, "abc").packet(second, 2, 7, "defg").b[16:])
	f.Add(uint32(18), newSnoop(18).record(second, 0, 9, 1<<32-1, "abc", "trailer").b[16:])
	f.Add(uint32(0x80000005), []byte{})
	f.Fuzz(func(t *testing.T, link uint32, rest []byte) {
		b := append(newSnoop(link).b, rest...)
		s, err := capture.New(bytes.NewReader(b), "x")
		if err != nil {
			t.Fatal(err)
		}
		dec := decode.New(s.Header())
		size, packets, bytesOf := 0, 0, 0
		var last uint16
		err = s.Run(context.Background(), func(r wire.Record) error {
			if r == nil {
				return nil
			}
			sourceWellFormed(t, r)
			var e event.Event
			dec.Record(r, &e)
			size += len(r)
			if last = r.Kind(); last == wire.KindPacket {
				var p wire.Packet
				p.Unmarshal(r)
				packets++
				bytesOf += int(p.Caplen)
			}
			return nil
		})
		if bytesOf+24*packets > len(rest) {
			t.Errorf("%d packets of %d bytes from %d", packets, bytesOf, len(rest))
		}
		if most := 1000 + 20*len(b); size > most {
			t.Errorf("%d bytes of records from a file of %d", size, len(b))
		}
		var cut *wire.CutError
		var damage *wire.DamageError
		switch {
		case err == nil && last == wire.KindEnd:
		case errors.As(err, &cut) && cut.Offset == int64(len(b)):
		case errors.As(err, &damage) && damage.Offset < int64(len(b)):
		default:
			t.Errorf("after a record of kind %d: %v", last, err)
		}
	})
}

func BenchmarkSnoop(b *testing.B) {
	n := newSnoop(4)
	head := len(n.b)
	benchmarkRead(b, n.packet(second, 123456, 0, strings.Repeat("x", 100)).b, head)
}
