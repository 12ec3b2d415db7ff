package capture_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/decode"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink/pcapng"
	"github.com/pidwire/pidwire/internal/source/capture"
	"github.com/pidwire/pidwire/internal/source/replay"
	"github.com/pidwire/pidwire/internal/source/sourcetest"
	"github.com/pidwire/pidwire/internal/wire"
)

const second = 1_700_000_000 // 2023-11-14 22:13:20 UTC

type order interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

var orders = []order{binary.LittleEndian, binary.BigEndian}

// pcapFile returns a pcap file of packets at intervals of a second.
func pcapFile(bo order, magic, link uint32, packets ...string) []byte {
	b := bo.AppendUint32(nil, magic)
	b = bo.AppendUint16(b, 2)
	b = bo.AppendUint16(b, 4)
	b = bo.AppendUint64(b, 0)
	b = bo.AppendUint32(b, 65535)
	b = bo.AppendUint32(b, link)
	for i, p := range packets {
		b = bo.AppendUint32(b, second+uint32(i))
		b = bo.AppendUint32(b, 123456)
		b = bo.AppendUint32(b, uint32(len(p)))
		b = bo.AppendUint32(b, uint32(len(p)+i))
		b = append(b, p...)
	}
	return b
}

// ng writes blocks of a pcapng file.
type ng struct {
	order
	b []byte
}

func newNG(bo order) *ng {
	n := &ng{order: bo}
	return n.section()
}

func (n *ng) block(kind uint32, body []byte, options ...[]byte) *ng {
	body = pad(bytes.Clone(body))
	for _, o := range options {
		body = append(body, o...)
	}
	if len(options) > 0 {
		body = append(body, 0, 0, 0, 0)
	}
	size := uint32(len(body) + 12)
	n.b = n.AppendUint32(n.b, kind)
	n.b = n.AppendUint32(n.b, size)
	n.b = append(n.b, body...)
	n.b = n.AppendUint32(n.b, size)
	return n
}

func pad(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func (n *ng) option(code uint16, v string) []byte {
	b := n.AppendUint16(nil, code)
	b = n.AppendUint16(b, uint16(len(v)))
	return pad(append(b, v...))
}

func (n *ng) u64(v uint64) string { return string(n.AppendUint64(nil, v)) }
func (n *ng) u32(v uint32) string { return string(n.AppendUint32(nil, v)) }

func (n *ng) section() *ng {
	b := n.AppendUint32(nil, 0x1a2b3c4d)
	b = n.AppendUint16(b, 1)
	b = n.AppendUint16(b, 0)
	return n.block(0x0a0d0d0a, n.AppendUint64(b, 1<<64-1), n.option(4, "test"))
}

func (n *ng) iface(link uint16, snaplen uint32, options ...[]byte) *ng {
	b := n.AppendUint16(nil, link)
	return n.block(1, n.AppendUint32(n.AppendUint16(b, 0), snaplen), options...)
}

func (n *ng) packet(iface uint32, ticks uint64, length int, data string, options ...[]byte) *ng {
	b := n.AppendUint32(nil, iface)
	b = n.AppendUint32(b, uint32(ticks>>32))
	b = n.AppendUint32(b, uint32(ticks))
	b = n.AppendUint32(b, uint32(len(data)))
	b = n.AppendUint32(b, uint32(length))
	return n.block(6, append(b, data...), options...)
}

func (n *ng) old(iface uint16, ticks uint64, length int, data string, options ...[]byte) *ng {
	b := n.AppendUint16(nil, iface)
	b = n.AppendUint16(b, 7) // drops
	b = n.AppendUint32(b, uint32(ticks>>32))
	b = n.AppendUint32(b, uint32(ticks))
	b = n.AppendUint32(b, uint32(len(data)))
	b = n.AppendUint32(b, uint32(length))
	return n.block(2, append(b, data...), options...)
}

func (n *ng) row(fields ...string) *ng {
	return n.block(9, []byte(strings.Join(fields, "\n")+"\n"))
}

// show returns a line for each record, with the fields that are tested here.
func show(h wire.Header, recs []wire.Record) string {
	var out []string
	for _, r := range recs {
		var s string
		switch r.Kind() {
		case wire.KindPacket:
			var p wire.Packet
			p.Unmarshal(r)
			s = fmt.Sprintf("packet link=%d if=%d dir=%d cap=%d len=%d %x", p.Link, p.Ifindex, p.Dir, p.Caplen, p.Len, []byte(r[wire.SizePacket:wire.SizePacket+p.Caplen]))
			if o := p.Owner; o != (wire.Owner{}) || p.Flags != 0 {
				s += fmt.Sprintf(" pid=%d tid=%d uid=%d comm=%s flags=%d", o.Pid, o.Tid, o.Uid, bytes.TrimRight(o.Comm[:], "\x00"), p.Flags)
			}
		case wire.KindNote:
			var n wire.Note
			n.Unmarshal(r)
			s = fmt.Sprintf("note level=%d %s", n.Level, wire.AttrOf(r[wire.SizeNote:], wire.TagText))
		case wire.KindName:
			var n wire.Name
			n.Unmarshal(r)
			s = fmt.Sprintf("name %d of %d is %s", n.Id, n.Netns, wire.AttrOf(r[wire.SizeName:], wire.TagName))
		case wire.KindEnd:
			s = "end"
		default:
			s = fmt.Sprintf("kind %d, %d bytes", r.Kind(), len(r))
		}
		ns := int64(r.Time() - h.Mono + h.Wall)
		out = append(out, fmt.Sprintf("%d.%09d %s", ns/1e9-second, ns%1e9, s))
	}
	return strings.Join(out, "\n")
}

// read returns the result of show for a file, and the error last.
func read(t testing.TB, b []byte) string {
	t.Helper()
	s, err := capture.New(bytes.NewReader(b), "")
	if err != nil {
		return "New: " + err.Error()
	}
	recs, err := run(s)
	for _, r := range recs {
		sourceWellFormed(t, r)
	}
	out := show(s.Header(), recs)
	if err != nil {
		out += "\n" + err.Error()
	}
	return out
}

// sourceWellFormed checks that a record has the length that is in its header.
func sourceWellFormed(t testing.TB, r wire.Record) {
	t.Helper()
	if len(r) < wire.SizeHdr || int(binary.LittleEndian.Uint32(r)) != len(r) || len(r)%8 != 0 {
		t.Fatalf("a record of %d bytes: %x", len(r), []byte(r[:min(len(r), 16)]))
	}
}

func TestPcap(t *testing.T) {
	for _, bo := range orders {
		for _, c := range []struct {
			magic, link uint32
			packets     []string
			want        string
		}{
			{0xa1b2c3d4, 1, []string{"abc", ""}, "0.123456000 packet link=1 if=0 dir=0 cap=3 len=3 616263\n1.123456000 packet link=1 if=0 dir=0 cap=0 len=1 \n1.123456000 end"},
			{0xa1b23c4d, 101, []string{"abc"}, "0.000123456 packet link=101 if=0 dir=0 cap=3 len=3 616263\n0.000123456 end"},
			{0xa1b2c3d4, 0, []string{"a"}, "0.123456000 packet link=108 if=0 dir=0 cap=1 len=1 61\n0.123456000 end"},
			{0xa1b2c3d4, 0x54000001, []string{"a"}, "0.123456000 packet link=1 if=0 dir=0 cap=1 len=1 61\n0.123456000 end"}, // 4 bytes of FCS
			{0xa1b2c3d4, 0x12345, []string{"a"}, "0.123456000 packet link=65535 if=0 dir=0 cap=1 len=1 61\n0.123456000 end"},
			{0xa1b2cd34, 1, nil, "New: unknown pcap variant a1b2cd34: convert the file with editcap"},
			{0xa1b2c3d5, 1, nil, "New: neither pcapng nor pcap"},
			{0xa1b2c3d4, 113, []string{"\x00\x04" + strings.Repeat("x", 14), "\x00\x00" + strings.Repeat("x", 14)}, "0.123456000 packet link=113 if=0 dir=2 cap=16 len=16 0004" + strings.Repeat("78", 14) + "\n1.123456000 packet link=113 if=0 dir=1 cap=16 len=17 0000" + strings.Repeat("78", 14) + "\n1.123456000 end"},
		} {
			if got := read(t, pcapFile(bo, c.magic, c.link, c.packets...)); got != c.want {
				t.Errorf("%s %x, link %d:\n got %s\nwant %s", bo, c.magic, c.link, got, c.want)
			}
		}
	}
	none := pcapFile(binary.LittleEndian, 0xa1b2c3d4, 1)
	if got := read(t, none); got != "-1700000000.000000000 end" {
		t.Errorf("without a packet: %s", got)
	}
	if got := read(t, none[:20]); got != "New: truncated at offset 20: everything up to the last complete record was read" {
		t.Errorf("cut in its header: %s", got)
	}
	old := bytes.Clone(none)
	old[4] = 1
	if got := read(t, old); !strings.HasPrefix(got, "New: damaged at offset 0: pcap version 1.4") {
		t.Errorf("another version: %s", got)
	}
	huge := pcapFile(binary.LittleEndian, 0xa1b2c3d4, 1, "abc")
	binary.LittleEndian.PutUint32(huge[32:], 1<<31)
	if got := read(t, huge); got != "\ndamaged at offset 24: a packet of 2147483648 bytes, the limit is 16777216; everything before that was read" {
		t.Errorf("a packet of 2 GiB: %s", got)
	}
}

func TestPcapng(t *testing.T) {
	const ns = second * 1_000_000_000
	for _, bo := range orders {
		n := newNG(bo)
		for _, c := range []struct {
			name string
			file *ng
			want string
		}{
			{"a packet", newNG(bo).iface(1, 0).packet(0, second*1e6+7, 9, "abc"), "0.000007000 packet link=1 if=1 dir=0 cap=3 len=9 616263\n0.000007000 end"},
			{"more captured than there was", newNG(bo).iface(1, 0).packet(0, second*1e6, 1, "abc"), "0.000000000 packet link=1 if=1 dir=0 cap=3 len=3 616263\n0.000000000 end"},
			{
				"directions", newNG(bo).iface(1, 0).packet(0, second*1e6, 1, "a", n.option(2, n.u32(1))).packet(0, second*1e6, 1, "b", n.option(2, n.u32(0xffffff02))).packet(0, second*1e6, 1, "c", n.option(2, n.u32(3))),
				"0.000000000 packet link=1 if=1 dir=1 cap=1 len=1 61\n0.000000000 packet link=1 if=1 dir=2 cap=1 len=1 62\n0.000000000 packet link=1 if=1 dir=0 cap=1 len=1 63\n0.000000000 end",
			},
			{
				"interfaces of different clocks and links",
				newNG(bo).iface(1, 0, n.option(2, "eth0"), n.option(9, "\x09")).iface(101, 0, n.option(9, "\x03"), n.option(14, n.u64(5))).iface(228, 0, n.option(9, "\x8a")).
					packet(2, second<<10|512, 1, "c").packet(0, ns+1, 1, "a").packet(1, (second-5)*1000+1, 1, "b"),
				"0.500000000 name 1 of 0 is eth0\n0.500000000 packet link=228 if=3 dir=0 cap=1 len=1 63\n0.000000001 packet link=1 if=1 dir=0 cap=1 len=1 61\n0.001000000 packet link=101 if=2 dir=0 cap=1 len=1 62\n0.500000000 end",
			},
			{
				"interfaces as we describe them", newNG(bo).iface(113, 0, n.option(2, "curl[7]"), n.option(1, "pid=7 uid=1000 start=99")).iface(113, 0, n.option(1, "if=7 netns=5"), n.option(2, "eth0")).
					packet(0, second*1e6, 17, "\x00\x04\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x08\x00a", n.option(1, "pid=7 if=3 link=1 l2=AgMEBQ")).
					packet(1, second*1e6, 17, "\x00\x04\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x08\x00b"),
				"0.000000000 name 7 of 5 is eth0\n0.000000000 packet link=1 if=3 dir=2 cap=5 len=5 0203040561 pid=7 tid=7 uid=1000 comm= flags=4\n" +
					"0.000000000 packet link=113 if=2 dir=2 cap=17 len=17 0004ffff0000000000000000000008" + "0062\n0.000000000 end",
			},
			{
				"the offset before the resolution", newNG(bo).iface(1, 0, n.option(14, n.u64(1<<64-5)), n.option(9, "\x00")).packet(0, second+5, 1, "a"),
				"0.000000000 packet link=1 if=1 dir=0 cap=1 len=1 61\n0.000000000 end",
			},
			{
				"picoseconds wrap nothing", newNG(bo).iface(1, 0, n.option(9, "\x0c")).packet(0, 1700000*1e12+1999, 1, "a"),
				"-1698300000.000000001 packet link=1 if=1 dir=0 cap=1 len=1 61\n-1698300000.000000001 end",
			},
			{
				"old packets and simple ones", newNG(bo).iface(1, 2).old(0, second*1e6+1, 9, "abc", n.option(2, n.u32(2))).block(3, []byte(n.u32(3)+"abc")).block(3, []byte(n.u32(1)+"a")),
				"0.000001000 packet link=1 if=1 dir=2 cap=3 len=9 616263\n0.000001000 packet link=1 if=1 dir=0 cap=2 len=3 6162\n0.000001000 packet link=1 if=1 dir=0 cap=1 len=1 61\n0.000001000 end",
			},
			{
				"blocks to skip, and sections", newNG(bo).block(4, []byte("names")).block(10, []byte("secrets")).block(0xbad, []byte("custom")).iface(1, 0).block(0x80000001, nil).
					packet(0, second*1e6, 1, "a").block(5, []byte("statistics..")).section().iface(276, 0).packet(0, second*1e6, 20, strings.Repeat("x", 10)+"\x04"+strings.Repeat("x", 9)),
				"0.000000000 packet link=1 if=1 dir=0 cap=1 len=1 61\n0.000000000 packet link=276 if=2 dir=2 cap=20 len=20 " + strings.Repeat("78", 10) + "04" + strings.Repeat("78", 9) + "\n0.000000000 end",
			},
			{
				"a process by option 8", newNG(bo).iface(1, 0).packet(0, second*1e6, 1, "a", n.option(8, n.u32(1234)+n.u32(1235))),
				"0.000000000 packet link=1 if=1 dir=0 cap=1 len=1 61 pid=1234 tid=1235 uid=0 comm= flags=4\n0.000000000 end",
			},
			{
				"by our comment, which wins", newNG(bo).iface(1, 0).
					packet(0, second*1e6, 1, "a", n.option(8, n.u32(7)+n.u32(7)), n.option(1, "pid=1234 comm=a%20b uid=1000"), n.option(8, n.u32(7)+n.u32(7))),
				"0.000000000 packet link=1 if=0 dir=0 cap=1 len=1 61 pid=1234 tid=1234 uid=1000 comm=a b flags=4\n0.000000000 end",
			},
			{
				"by ptcpdump's", newNG(bo).iface(1, 0).packet(0, second*1e6, 1, "a", n.option(1, "PID: 1234\nCmd: /usr/bin/a-very-long-name-of-a-program\nArgs: x"),
					n.option(1, "UserId: 1000\nGroupId: 1"), n.option(1, "ParentPID: 1\nParentCmd: /sbin/init"), n.option(1, "ContainerName: x")).
					packet(0, second*1e6, 1, "b", n.option(1, "PID: 5\nCmd: /bin/x\nArgs: x"), n.option(1, "ThreadId: 6\nThreadName: worker")).
					packet(0, second*1e6, 1, "c", n.option(1, "see PID: 5")),
				"0.000000000 packet link=1 if=1 dir=0 cap=1 len=1 61 pid=1234 tid=1234 uid=1000 comm=a-very-long-nam flags=4\n" +
					"0.000000000 packet link=1 if=1 dir=0 cap=1 len=1 62 pid=5 tid=6 uid=0 comm=worker flags=4\n" +
					"0.000000000 packet link=1 if=1 dir=0 cap=1 len=1 63\n0.000000000 end",
			},
			{
				"the journal of a system", newNG(bo).row("__CURSOR=x", "__REALTIME_TIMESTAMP=1700000001000002", "MESSAGE=hello = world", "PRIORITY=3", "_PID=1").
					row("MESSAGE\n\x03\x00\x00\x00\x00\x00\x00\x00a\nb", "__REALTIME_TIMESTAMP=1700000002000000").row("__REALTIME_TIMESTAMP=1700000003000000", "MESSAGE\n\xff\x00\x00"),
				"1.000002000 note level=1 hello = world\n2.000000000 note level=1 a\nb\n3.000000000 note level=1 \n3.000000000 end",
			},
			{
				"options that make no sense", newNG(bo).iface(1, 0, n.option(9, ""), n.option(14, "x"), n.option(2, strings.Repeat("n", 40000))[:100]).packet(0, second*1e6, 1, "a", n.option(2, "x"), n.option(8, "x"), n.option(1, ""), []byte{1, 2, 3, 4}),
				"0.000000000 packet link=1 if=1 dir=0 cap=1 len=1 61\n0.000000000 end",
			},
		} {
			if got := read(t, c.file.b); got != c.want {
				t.Errorf("%s, %s:\n got %s\nwant %s", bo, c.name, got, c.want)
			}
		}
	}
	// Sections may have different byte orders.
	b := append(newNG(binary.BigEndian).iface(1, 0).packet(0, second*1e6, 1, "a").b, newNG(binary.LittleEndian).iface(1, 0).packet(0, second*1e6, 1, "b").b...)
	if got, want := read(t, b), "0.000000000 packet link=1 if=1 dir=0 cap=1 len=1 61\n0.000000000 packet link=1 if=2 dir=0 cap=1 len=1 62\n0.000000000 end"; got != want {
		t.Errorf("two orders:\n got %s\nwant %s", got, want)
	}
}

func TestDamage(t *testing.T) {
	le := binary.LittleEndian
	n := newNG(le)
	head := len(newNG(le).iface(1, 0).packet(0, second*1e6, 1, "a").b)
	packet := "0.000000000 packet link=1 if=1 dir=0 cap=1 len=1 61\n"
	set := func(at int, v uint32) []byte {
		b := newNG(le).iface(1, 0).packet(0, second*1e6, 1, "a").packet(0, second*1e6, 1, "b").b
		le.PutUint32(b[head+at:], v)
		return b
	}
	tail := "; everything before that was read"
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"a length of 0", set(4, 0), packet + fmt.Sprintf("damaged at offset %d: a block of 0 bytes", head) + tail},
		{"an odd length", set(4, 37), packet + fmt.Sprintf("damaged at offset %d: a block of 37 bytes", head) + tail},
		{"a length of 4 GiB", set(4, 1<<32-4), packet + fmt.Sprintf("damaged at offset %d: a block of 4294967292 bytes, the limit is 16777216", head) + tail},
		{"two lengths", set(32, 40), packet + fmt.Sprintf("damaged at offset %d: a block of type 6 has length 36 at its start and 40 at its end", head) + tail},
		{"no such interface", set(8, 5), packet + fmt.Sprintf("damaged at offset %d: a packet of interface 5: the file describes 1", head) + tail},
		{"more than the block", set(20, 99), packet + fmt.Sprintf("damaged at offset %d: a packet of 99 bytes in a block with 4", head) + tail},
		{"a short packet block", newNG(le).iface(1, 0).packet(0, second*1e6, 1, "a").block(6, make([]byte, 16)).b, packet + fmt.Sprintf("damaged at offset %d: a packet's block of 16 bytes", head) + tail},
		{"a short interface", newNG(le).block(1, make([]byte, 4)).b, "\ndamaged at offset 40: an interface of 4 bytes" + tail},
		{"a packet before any interface", newNG(le).packet(0, 1, 1, "a").b, "\ndamaged at offset 40: a packet of interface 0: the file describes 0" + tail},
		{"another byte order", append(bytes.Clone(n.b[:8]), 1, 2, 3, 4, 5, 6, 7, 8), "New: neither pcapng nor pcap"},
		{"another version", func() []byte { b := bytes.Clone(n.b); b[12] = 2; return b }(), "New: damaged at offset 0: pcapng version 2.0: only version 1 is supported" + tail},
		{"nothing", nil, "New: neither pcapng nor pcap"},
		{"a recording", []byte(wire.Magic + "\x01\x00\x00\x00\x00\x00"), "New: neither pcapng nor pcap"},
		{"cut in the section", n.b[:20], "New: truncated at offset 20: everything up to the last complete record was read"},
	} {
		if got := read(t, c.file); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
	var many ng
	many.order = le
	many.section()
	for range 1<<16 + 1 {
		many.iface(1, 0)
	}
	if got := read(t, many.b); !strings.Contains(got, "more than 65536 interfaces") {
		t.Errorf("too many interfaces: %s", got)
	}
}

// TestLargeUnread checks blocks that are skipped in pieces because nothing in them is read.
func TestLargeUnread(t *testing.T) {
	const ahead = 256 << 10 // as in the package
	const size = 3*ahead + 12
	le := binary.LittleEndian
	head := len(newNG(le).iface(1, 0).packet(0, second*1e6, 1, "a").b)
	file := newNG(le).iface(1, 0).packet(0, second*1e6, 1, "a").block(77, make([]byte, size-12)).packet(0, second*1e6, 1, "b").b
	packets := "0.000000000 packet link=1 if=1 dir=0 cap=1 len=1 61\n"
	if got := strings.TrimSuffix(read(t, file), "\n"); got != packets+"0.000000000 packet link=1 if=1 dir=0 cap=1 len=1 62\n0.000000000 end" {
		t.Errorf("it has %s", got)
	}
	other := bytes.Clone(file)
	le.PutUint32(other[head+size-4:], size-4)
	want := packets + fmt.Sprintf("damaged at offset %d: a block of type 77 has length %d at its start and %d at its end; everything before that was read", head+size-12, size, size-4)
	if got := read(t, other); got != want {
		t.Errorf("two lengths:\n got %s\nwant %s", got, want)
	}
	for _, at := range []int{8, 100, ahead, ahead + 1, 3 * ahead, size - 4, size - 1} {
		want := packets + fmt.Sprintf("truncated at offset %d: everything up to the last complete record was read", head+at)
		if got := read(t, file[:head+at]); got != want {
			t.Errorf("cut after %d bytes:\n got %s\nwant %s", at, got, want)
		}
	}
}

// TestCut truncates files at every byte, and checks that the records before are the same.
func TestCut(t *testing.T) {
	h, recs := recording(t, "../../../testdata/rec/udp-64-packets.pidwire")
	for name, file := range map[string][]byte{
		"pcap":   pcapFile(binary.LittleEndian, 0xa1b2c3d4, 1, "abc", "defg", ""),
		"pcapng": newNG(binary.BigEndian).iface(1, 0).packet(0, second*1e6, 3, "abc").row("__REALTIME_TIMESTAMP=1", "MESSAGE=x").packet(0, 5, 1, "a").b,
		"ours":   written(t, h, recs, 0, pcapng.Options{Header: prologue(t, h)}),
	} {
		whole := read(t, file)
		boundaries := 0
		step := 1 + len(file)/3000
		for n := 4; n < len(file); n += step {
			s, err := capture.New(bytes.NewReader(file[:n]), "")
			var cut *wire.CutError
			if err != nil {
				if !errors.As(err, &cut) && !errors.Is(err, capture.ErrNotCapture) {
					t.Fatalf("%s cut at %d: New: %v", name, n, err)
				}
				continue
			}
			got, err := run(s)
			switch {
			case err == nil && (name != "ours" || len(got) == 1 || show(s.Header(), got) == whole), errors.Is(err, replay.ErrNotClosed):
				boundaries++
			case !errors.As(err, &cut) || cut.Offset != int64(n):
				t.Fatalf("%s cut at %d: %v", name, n, err)
			}
			if len(got) > 0 && got[len(got)-1].Kind() == wire.KindEnd {
				got = got[:len(got)-1]
			}
			if text := show(s.Header(), got); !strings.HasPrefix(whole, text) {
				t.Fatalf("%s cut at %d: reads\n%s", name, n, text)
			}
		}
		if boundaries == 0 {
			t.Errorf("%s: no cut was between two blocks", name)
		}
	}
}

// TestRows checks that records in rows are validated, as the file may have any
// origin.
func TestRows(t *testing.T) {
	le := binary.LittleEndian
	h := wire.Header{Version: wire.WireVersion, Arch: "arm64", Mono: 5e9, Wall: second * 1e9}
	field := func(name string, v []byte) string { return name + "=" + base64.StdEncoding.EncodeToString(v) }
	first := field("PIDWIRE_HEADER", prologue(t, h))
	clock := wire.Clock{H: wire.Hdr{Kind: wire.KindClock, Time: 6e9}}
	good := []byte(wire.Seal(clock.Append(nil)))
	end := wire.End{H: wire.Hdr{Kind: wire.KindEnd, Time: 7e9}, Reason: wire.EndTargets}
	last := []byte(wire.Seal(end.Append(nil)))
	change := func(at int, v byte) []byte { b := bytes.Clone(good); b[at] = v; return b }
	short := func(kind uint16) []byte { return wire.Seal((&wire.Hdr{Kind: kind}).Append(nil)) }
	packet := func(caplen uint32) []byte {
		p := wire.Packet{H: wire.Hdr{Kind: wire.KindPacket}, Caplen: caplen}
		return wire.Seal(p.Append(nil))
	}
	const stamp = "__REALTIME_TIMESTAMP=1700000001000000"
	bad := "1.000000000 note level=2 cannot decode the row at offset %d of the file: "
	start := len(newNG(le).row(first).b)
	for _, c := range []struct {
		name string
		rows [][]string
		want string // %d: offset of the second row
	}{
		{"a record", [][]string{{stamp, field("PIDWIRE_RECORD", good)}}, "1.000000000 kind 6, 32 bytes\nnot closed: the last events may be missing"},
		{"several, and the end", [][]string{{field("PIDWIRE_RECORD", append(bytes.Clone(good), last...))}, {field("PIDWIRE_RECORD", good)}}, "1.000000000 kind 6, 32 bytes\n1.000000000 kind 6, 32 bytes\n2.000000000 end"},
		{"parts", [][]string{{field("PIDWIRE_PART", good[:10])}, {field("PIDWIRE_PART", good[10:20])}, {field("PIDWIRE_RECORD", good[20:])}, {field("PIDWIRE_RECORD", last)}}, "1.000000000 kind 6, 32 bytes\n2.000000000 end"},
		{"no base64", [][]string{{stamp, "PIDWIRE_RECORD=%%%"}, {field("PIDWIRE_RECORD", last)}}, bad + "no base64\n2.000000000 end"},
		{"no base64 in a part", [][]string{{stamp, "PIDWIRE_PART=%%%"}, {field("PIDWIRE_RECORD", last)}}, bad + "no base64\n2.000000000 end"},
		{"half a head", [][]string{{stamp, field("PIDWIRE_RECORD", good[:8])}, {field("PIDWIRE_RECORD", last)}}, bad + "8 bytes at the start of a record\n2.000000000 end"},
		{"half a record", [][]string{{stamp, field("PIDWIRE_RECORD", good[:24])}, {field("PIDWIRE_RECORD", last)}}, bad + "a record of 32 bytes with 24 bytes left\n2.000000000 end"},
		{"a length of 0", [][]string{{stamp, field("PIDWIRE_RECORD", change(0, 0))}, {field("PIDWIRE_RECORD", last)}}, bad + "a record of 0 bytes with 32 bytes left\n2.000000000 end"},
		{"an odd length", [][]string{{stamp, field("PIDWIRE_RECORD", change(0, 31))}, {field("PIDWIRE_RECORD", last)}}, bad + "a record of 31 bytes with 32 bytes left\n2.000000000 end"},
		{"a kind that there is not", [][]string{{stamp, field("PIDWIRE_RECORD", append(change(4, 99), good...))}, {field("PIDWIRE_RECORD", last)}}, bad + "a record of kind 99 with 32 bytes\n1.000000000 kind 6, 32 bytes\n2.000000000 end"},
		{"a packet longer than its record", [][]string{{stamp, field("PIDWIRE_RECORD", packet(1))}, {field("PIDWIRE_RECORD", last)}}, bad + "a record of kind 11 with 112 bytes\n2.000000000 end"},
		{"lost on the way", [][]string{{stamp, "MESSAGE=lost 3 events: output too slow", "PRIORITY=4", "SYSLOG_IDENTIFIER=lost"}, {field("PIDWIRE_RECORD", last)}}, "1.000000000 note level=2 lost 3 events: output too slow\n2.000000000 end"},
		{"the same header again", [][]string{{first}, {field("PIDWIRE_RECORD", append(bytes.Clone(good), last...))}}, "1.000000000 kind 6, 32 bytes\n2.000000000 end"},
	} {
		file := newNG(le).row(first)
		for _, r := range c.rows {
			file.row(r...)
		}
		want := c.want
		if strings.Contains(want, "%d") {
			want = fmt.Sprintf(want, start)
		}
		if got := read(t, file.b); got != want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, want)
		}
	}
	for kind := range uint16(16) {
		file := newNG(le).row(first).row(stamp, field("PIDWIRE_RECORD", short(kind)))
		if got := read(t, file.b); !strings.Contains(got, fmt.Sprintf("a record of kind %d with 16 bytes", kind)) {
			t.Errorf("kind %d, too short: %s", kind, got)
		}
	}

	const gone = "note level=2 rows of system calls are only shown as text: their header row (PIDWIRE_HEADER) was removed from the file, or the file is from several runs"
	call := []string{stamp, "MESSAGE=connect(3) = 0", "SYSLOG_IDENTIFIER=syscall", field("PIDWIRE_RECORD", good)}
	pending := []string{stamp, "MESSAGE=1 record without a line", "SYSLOG_IDENTIFIER=pidwire", field("PIDWIRE_RECORD", good)}
	file := newNG(le).row(pending...).row(call...).row(call...)
	if got, want := read(t, file.b), "1.000000000 "+gone+"\n1.000000000 note level=1 connect(3) = 0\n1.000000000 note level=1 connect(3) = 0\n1.000000000 end"; got != want {
		t.Errorf("without its header:\n got %s\nwant %s", got, want)
	}
	other := h
	other.Host = "other"
	file = newNG(le).row(first).row(call...).row(stamp, field("PIDWIRE_HEADER", prologue(t, other))).row(call...)
	if got, want := read(t, file.b), "1.000000000 kind 6, 32 bytes\n1.000000000 "+gone+"\n1.000000000 note level=1 connect(3) = 0\n1.000000000 end"; got != want {
		t.Errorf("of two runs:\n got %s\nwant %s", got, want)
	}
	file = newNG(le).row(stamp, "PIDWIRE_HEADER=AAAA").row(call...)
	if got, want := read(t, file.b), "1.000000000 "+gone+"\n1.000000000 note level=1 connect(3) = 0\n1.000000000 end"; got != want {
		t.Errorf("with a header that is none:\n got %s\nwant %s", got, want)
	}
	newer := h
	newer.Version = 99
	var newerErr *wire.NewerError
	if _, err := capture.New(bytes.NewReader(newNG(le).row(field("PIDWIRE_HEADER", prologue(t, newer))).b), ""); !errors.As(err, &newerErr) {
		t.Errorf("of a newer version: %v", err)
	}
}

// TestPartsBound checks that the size of accumulated parts is limited.
func TestPartsBound(t *testing.T) {
	h := wire.Header{Version: wire.WireVersion, Arch: "amd64", Mono: 5e9, Wall: second * 1e9}
	file := newNG(binary.LittleEndian).row("PIDWIRE_HEADER=" + base64.StdEncoding.EncodeToString(prologue(t, h)))
	part := "PIDWIRE_PART=" + base64.StdEncoding.EncodeToString(make([]byte, 1<<20))
	for range 6 {
		file.row("__REALTIME_TIMESTAMP=1700000001000000", part)
	}
	if got := read(t, file.b); strings.Count(got, "more than 4194304 bytes in parts") != 1 {
		t.Errorf("%.300s", got)
	}
}

func contract(t *testing.T, file []byte) {
	sourcetest.Run(t, sourcetest.Options{New: func(t *testing.T) sourcetest.Source {
		s, err := capture.New(bytes.NewReader(file), "test.pcapng")
		if err != nil {
			t.Fatal(err)
		}
		return s
	}})
}

func TestContract(t *testing.T) {
	t.Run("pcap", func(t *testing.T) { contract(t, pcapFile(binary.BigEndian, 0xa1b2c3d4, 1, "abc", "def")) })
	t.Run("pcapng", func(t *testing.T) {
		n := newNG(binary.LittleEndian)
		contract(t, n.iface(1, 0, n.option(2, "eth0")).packet(0, second*1e6, 3, "abc").row("__REALTIME_TIMESTAMP=1700000001000002", "MESSAGE=x").b)
	})
	t.Run("ours", func(t *testing.T) {
		h, recs := recording(t, "../../../testdata/rec/tcp-64-packets.pidwire")
		contract(t, written(t, h, recs, 0, pcapng.Options{Header: prologue(t, h)}))
	})
	t.Run("packets only", func(t *testing.T) {
		h, recs := recording(t, "../../../testdata/rec/tcp-64-packets.pidwire")
		contract(t, written(t, h, recs, 0, pcapng.Options{PacketsOnly: true}))
	})
}

func TestSniff(t *testing.T) {
	for _, c := range []struct {
		b    string
		want bool
	}{
		{"\xa1\xb2\xc3\xd4", true}, {"\xd4\xc3\xb2\xa1\x02\x00", true}, {"\xa1\xb2\x3c\x4d", true}, {"\x4d\x3c\xb2\xa1", true}, {"\xa1\xb2\xcd\x34", true},
		{"\x0a\x0d\x0d\x0a", true}, {"\x0a\x0d\x0d\x0a\x1c\x00\x00\x00\x4d\x3c\x2b\x1a", true}, {"\x0a\x0d\x0d\x0a\x00\x00\x00\x1c\x1a\x2b\x3c\x4d", true},
		{"\x0a\x0d\x0d\x0a\x00\x00\x00\x1c\x1a\x2b\x3c\x4e", false}, {"", false}, {"\xa1\xb2\xc3", false}, {"PIDWIRE\n", false}, {"\x1f\x8b\x08\x00", false},
	} {
		if got := capture.Sniff([]byte(c.b)); got != c.want {
			t.Errorf("%q: %t", c.b, got)
		}
	}
}

// trickle returns one byte per read, and an error at the end.
type trickle struct {
	b   []byte
	err error
}

func (r *trickle) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, r.err
	}
	p[0], r.b = r.b[0], r.b[1:]
	return 1, nil
}

// TestReader checks that records of a slow reader are emitted as they arrive, with emit(nil) in
// between, and that its error is returned.
func TestReader(t *testing.T) {
	broken := errors.New("input/output error")
	for _, file := range [][]byte{
		pcapFile(binary.LittleEndian, 0xa1b2c3d4, 1, "abc", "def"),
		newNG(binary.LittleEndian).iface(1, 0).packet(0, second*1e6, 3, "abc").packet(0, second*1e6, 3, "def").b,
	} {
		for _, readErr := range []error{io.EOF, broken} {
			s, err := capture.New(&trickle{bytes.Clone(file), readErr}, "x")
			if err != nil {
				t.Fatal(err)
			}
			if got := s.Header().Targets; len(got) != 1 || got[0] != "x" {
				t.Errorf("targets %q", got)
			}
			packets, idleAt := 0, 0
			err = s.Run(context.Background(), func(r wire.Record) error {
				switch {
				case r == nil:
					idleAt = packets
				case r.Kind() == wire.KindPacket:
					if packets++; packets == 2 && idleAt != 1 {
						t.Errorf("before packet 2 it was idle after packet %d", idleAt)
					}
				}
				return nil
			})
			if packets != 2 || readErr == io.EOF && err != nil || readErr != io.EOF && !errors.Is(err, broken) {
				t.Errorf("%d packets, %v", packets, err)
			}
		}
	}
	if _, err := capture.New(&trickle{nil, broken}, ""); !errors.Is(err, broken) {
		t.Errorf("New: %v", err)
	}
	if _, err := capture.New(stuck{}, ""); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader that gives nothing: %v", err)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

// TestPacketsOnly checks that packets and their owners are read from a file without
// rows, and that the owners are marked as claimed.
func TestPacketsOnly(t *testing.T) {
	for _, file := range recordings(t) {
		h, recs := recording(t, file)
		b := written(t, h, recs, 0, pcapng.Options{PacketsOnly: true})
		s, err := capture.New(bytes.NewReader(b), "")
		if err != nil {
			t.Fatal(err)
		}
		var want []wire.Packet
		for _, r := range recs {
			var p wire.Packet
			if r.Kind() == wire.KindPacket && p.Unmarshal(r) {
				want = append(want, p)
			}
		}
		got := records(t, s)
		if len(got) != len(want)+1 {
			t.Fatalf("%s: %d records, want %d packets and an end", file, len(got), len(want))
		}
		for i, w := range want {
			var p wire.Packet
			p.Unmarshal(got[i])
			w.Flags |= wire.PacketClaimed
			shift := s.Header().Wall - s.Header().Mono - h.Wall + h.Mono // from the clock of the recording to that of the file
			w.H.Time -= shift
			w.Owner.Time -= shift
			if p != w {
				t.Errorf("%s, packet %d:\n got %+v\nwant %+v", file, i, p, w)
			}
		}
	}
}

// TestKeys checks that all values of all fields of a packet are restored.
func TestKeys(t *testing.T) {
	h := wire.Header{Version: wire.WireVersion, Arch: "amd64", Mono: 5e9, Wall: second * 1e9}
	usual := wire.Packet{
		H: wire.Hdr{Kind: wire.KindPacket, Layer: wire.LayerPkt, Time: 6e9}, Cookie: 1, Dir: 1, Ifindex: 1,
		Owner: wire.Owner{Cookie: 1, Start: 10e9, Time: 5e9, Pid: 7, Tid: 7, Nspid: 7, Nstid: 7, How: 1},
	}
	ip := []byte{0x45, 0, 0, 20, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}
	ether := append(bytes.Repeat([]byte{2}, 12), 8, 0)
	var recs []wire.Record
	add := func(change func(*wire.Packet), data ...byte) {
		p := usual
		change(&p)
		if data == nil {
			data = ip
		}
		p.Caplen = uint32(len(data))
		if p.Len == 0 {
			p.Len = p.Caplen
		}
		recs = append(recs, wire.Seal(append(p.Append(nil), data...)))
	}
	// The length of a packet on the wire is at least its captured length, and less than 4 GiB.
	length := func(v uint64) uint32 { return min(uint32(v|64), 1<<31) }
	for v := range 256 {
		add(func(p *wire.Packet) { p.Made = uint8(v) })
		add(func(p *wire.Packet) { p.Flags = uint8(v) })
		add(func(p *wire.Packet) { p.Dir = uint8(v % 3) })
		add(func(p *wire.Packet) { p.Owner.How = uint32(v) })
		add(func(p *wire.Packet) { p.Owner.How = uint32(v) | wire.OwnerOld })
		add(func(p *wire.Packet) { p.Owner.Comm = [16]byte{'a', byte(v), 'b', 15: byte(v)} })
	}
	for _, v := range []uint64{0, 1, 2, 7, 1 << 31, 1<<32 - 1, 1 << 32, 1<<63 - 1, 1 << 63, 1<<64 - 1} {
		add(func(p *wire.Packet) { p.Cookie = v })
		add(func(p *wire.Packet) { p.Owner.Cookie = v })
		add(func(p *wire.Packet) { p.Owner.Start = v })
		add(func(p *wire.Packet) { p.Owner.Time = v })
		add(func(p *wire.Packet) { p.H.Time = v })
		add(func(p *wire.Packet) { p.Owner.Pid = uint32(v) })
		add(func(p *wire.Packet) { p.Owner.Tid = uint32(v) })
		add(func(p *wire.Packet) { p.Owner.Nspid = uint32(v) })
		add(func(p *wire.Packet) { p.Owner.Nstid = uint32(v) })
		add(func(p *wire.Packet) { p.Owner.Nspid, p.Owner.Tid = uint32(v), 8 })
		add(func(p *wire.Packet) { p.Owner.Uid = uint32(v) })
		add(func(p *wire.Packet) { p.Owner.How = uint32(v) })
		add(func(p *wire.Packet) { p.Ifindex = uint32(v) })
		add(func(p *wire.Packet) { p.Mark = uint32(v) })
		add(func(p *wire.Packet) { p.Len = length(v) })
		add(func(p *wire.Packet) { p.Link, p.Len = 1, length(v) }, append(ether, ip...)...)
		add(func(p *wire.Packet) { p.Link = uint16(v) }, append(ether, ip...)...)
		add(func(p *wire.Packet) { *p = wire.Packet{H: p.H, Len: length(v)} })
	}
	add(func(p *wire.Packet) { p.Link = 101 })
	add(func(p *wire.Packet) { p.Link = 108 }, append([]byte{0, 0, 0, 2}, ip...)...)
	add(func(p *wire.Packet) { p.Link = 1 }, 1, 2, 3)
	add(func(p *wire.Packet) {}, 0xff)
	add(func(*wire.Packet) {}, []byte{}...)
	for _, byDevice := range []bool{false, true} {
		b := written(t, h, recs, 0, pcapng.Options{Header: prologue(t, h), ByDevice: byDevice})
		s, err := capture.New(bytes.NewReader(b), "")
		if err != nil {
			t.Fatal(err)
		}
		got := records(t, s)
		compare(t, "keys", got[:len(got)-1], recs)
	}
}

// TestFiles reads the captures of the decoder's tests, and checks the number of packets and
// that the decoder reads each.
func TestFiles(t *testing.T) {
	files, err := filepath.Glob("../../decode/pkt/testdata/*.pcap")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d captures: %v", len(files), err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s, err := capture.New(bytes.NewReader(b), file)
		if err != nil {
			t.Fatal(err)
		}
		recs := records(t, s)
		dec := decode.New(s.Header())
		n := 0
		for _, r := range recs {
			var e event.Event
			dec.Record(r, &e)
			if _, ok := e.Body.(*event.Capture); ok {
				n++
			}
		}
		want := 0
		for at := 24; at < len(b); want++ {
			at += 16 + int(binary.LittleEndian.Uint32(b[at+8:]))
		}
		if n != want || len(recs) != want+1 {
			t.Errorf("%s: %d packets of %d records, want %d", file, n, len(recs), want)
		}
	}
}

// FuzzRead checks that no file causes a panic or an unexpected error, or more
// records than it can have.
func FuzzRead(f *testing.F) {
	h, recs := recording(f, "../../../testdata/rec/udp-64-packets.pidwire")
	le := binary.LittleEndian
	n := newNG(le)
	for _, b := range [][]byte{
		pcapFile(le, 0xa1b2c3d4, 1, "abc", ""),
		pcapFile(binary.BigEndian, 0xa1b23c4d, 113, strings.Repeat("x", 20)),
		n.iface(1, 0, n.option(2, "eth0"), n.option(9, "\x8a"), n.option(14, n.u64(5))).packet(0, second*1e6, 3, "abc", n.option(8, n.u32(1)+n.u32(2))).
			old(0, 1, 1, "a").block(3, []byte(n.u32(1)+"a")).row("__REALTIME_TIMESTAMP=1", "MESSAGE=x").b,
		written(f, h, recs, 0, pcapng.Options{Header: prologue(f, h)}),
		written(f, h, recs, 0, pcapng.Options{PacketsOnly: true, ByDevice: true}),
	} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := capture.New(bytes.NewReader(b), "x")
		if err != nil {
			return
		}
		dec := decode.New(s.Header())
		size, n := 0, 0
		var last uint16
		err = s.Run(context.Background(), func(r wire.Record) error {
			if r != nil {
				sourceWellFormed(t, r)
				var e event.Event
				dec.Record(r, &e)
				n++
				size += len(r)
				last = r.Kind()
			}
			return nil
		})
		if most := 1000 + 20*len(b); size > most {
			t.Errorf("%d bytes of records from a file of %d", size, len(b))
		}
		if err == nil && last != wire.KindEnd {
			t.Errorf("the last of %d records is of kind %d", n, last)
		}
	})
}

// endless generates a pcap file of n packets of 100 bytes.
type endless struct {
	head, packet []byte
	n, at        int
}

func (r *endless) Read(p []byte) (int, error) {
	got := copy(p, r.head)
	r.head = r.head[got:]
	for got < len(p) && r.n > 0 {
		c := copy(p[got:], r.packet[r.at:])
		got, r.at = got+c, r.at+c
		if r.at == len(r.packet) {
			r.at = 0
			r.n--
		}
	}
	if got == 0 {
		return 0, io.EOF
	}
	return got, nil
}

func benchmarkRead(b *testing.B, file []byte, head int) {
	r := &endless{head: file[:head], packet: file[head:], n: b.N}
	s, err := capture.New(r, "")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(r.packet)))
	b.ResetTimer()
	n := 0
	if err := s.Run(context.Background(), func(r wire.Record) error {
		n++
		return nil
	}); err != nil && !errors.Is(err, replay.ErrNotClosed) {
		b.Fatal(err)
	}
	if n < b.N {
		b.Fatalf("%d records", n)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "packets/s")
}

func BenchmarkPcap(b *testing.B) {
	benchmarkRead(b, pcapFile(binary.LittleEndian, 0xa1b2c3d4, 1, strings.Repeat("x", 100)), 24)
}

func BenchmarkPcapng(b *testing.B) {
	n := newNG(binary.LittleEndian).iface(1, 0)
	head := len(n.b)
	benchmarkRead(b, n.packet(0, second*1e6, 100, strings.Repeat("x", 100), n.option(2, n.u32(1))).b, head)
}

// BenchmarkOurs measures packets with a comment of sink/pcapng, in a file with a header.
func BenchmarkOurs(b *testing.B) {
	h := wire.Header{Version: wire.WireVersion, Arch: "amd64", Mono: 5e9, Wall: second * 1e9}
	n := newNG(binary.LittleEndian).row("PIDWIRE_HEADER=" + base64.StdEncoding.EncodeToString(prologue(b, h)))
	n.iface(101, 0, n.option(1, "pid=402475 start=12345678901234 uid=1000"), n.option(9, "\x09"))
	head := len(n.b)
	benchmarkRead(b, n.packet(0, second*1e9, 100, strings.Repeat("x", 100),
		n.option(1, "pid=402475 comm=curl conn=c3 match=exact how=sent seen=1543 sock=5283 if=2"), n.option(2, n.u32(1)),
		n.option(5, n.u64(1)), n.option(8, n.u32(402475)+n.u32(402475))).b, head)
}
