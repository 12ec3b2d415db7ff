package pcapng_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/bounded"
	"github.com/pidwire/pidwire/internal/decode"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/flow"
	"github.com/pidwire/pidwire/internal/sink"
	"github.com/pidwire/pidwire/internal/sink/pcapng"
	"github.com/pidwire/pidwire/internal/sink/sinktest"
	"github.com/pidwire/pidwire/internal/sink/text"
	"github.com/pidwire/pidwire/internal/wire"
)

var update = flag.Bool("update", false, "write the golden file again")

var le = binary.LittleEndian

// block is a block of a file, with its options.
type block struct {
	kind    uint32
	body    []byte // without type and lengths
	options map[uint16][][]byte
}

// blocks splits a complete file.
func blocks(t testing.TB, b []byte) []block {
	t.Helper()
	var list []block
	for len(b) > 0 {
		n := uint32(0)
		if len(b) >= 12 {
			n = le.Uint32(b[4:])
		}
		if n < 12 || n%4 != 0 || int(n) > len(b) || le.Uint32(b[n-4:]) != n {
			t.Fatalf("block %d: length %d, %d bytes left", len(list), n, len(b))
		}
		bl := block{kind: le.Uint32(b), body: b[8 : n-4]}
		at := map[uint32]int{0x0a0d0d0a: 16, 1: 8, 5: 12, 6: 20}[bl.kind]
		if bl.kind == 6 {
			at += (int(le.Uint32(bl.body[12:])) + 3) &^ 3
		}
		if at > 0 {
			bl.options = options(t, bl.body[at:])
		}
		list = append(list, bl)
		b = b[n:]
	}
	return list
}

func options(t testing.TB, b []byte) map[uint16][][]byte {
	t.Helper()
	m := map[uint16][][]byte{}
	for len(b) > 0 {
		code, n := le.Uint16(b), int(le.Uint16(b[2:]))
		if code == 0 {
			if len(b) != 4 {
				t.Fatalf("%d bytes behind the last option", len(b)-4)
			}
			break
		}
		m[code] = append(m[code], b[4:4+n])
		b = b[4+(n+3)&^3:]
	}
	return m
}

func (b block) text(code uint16) string {
	if v := b.options[code]; len(v) > 0 {
		return string(v[0])
	}
	return ""
}

// fields returns the fields of a row.
func (b block) fields() map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(strings.TrimRight(string(b.body), "\x00")) {
		k, v, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		m[k] = v
	}
	return m
}

// toLines is a writer that converts each block with hostile text to a line.
type toLines struct {
	t testing.TB
	w io.Writer
}

func (l *toLines) Write(p []byte) (int, error) {
	var out []byte
	for _, b := range blocks(l.t, p) {
		switch {
		case b.kind == 9:
			text := strings.TrimRight(string(b.body), "\x00")
			out = append(append(out, strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", " ")...), '\n')
		case b.kind == 6:
			out = append(append(out, b.text(1)...), '\n')
		case b.kind == 1 && b.text(2) != "other":
			out = append(append(out, b.text(2)+b.text(3)...), '\n')
		}
	}
	if len(out) > 0 {
		if _, err := l.w.Write(out); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func TestContract(t *testing.T) {
	for _, o := range []pcapng.Options{{}, {ByDevice: true}} {
		sinktest.Run(t, func(w io.Writer) sink.Sink {
			s, err := pcapng.New(&toLines{t: t, w: w}, o)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}, sinktest.Options{})
	}
}

const (
	mono = 5_000_000_000
	wall = 1_700_000_000_000_000_000
)

var header = wire.Header{Version: wire.WireVersion, Arch: "amd64", Mono: mono, Wall: wall}

// timeline makes entries of records.
type timeline struct {
	dec  *decode.Decoder
	join *flow.Joiner
}

func newTimeline() *timeline { return &timeline{decode.New(header), flow.New(new(bounded.Room))} }

func (l *timeline) entry(r wire.Record) *event.Entry {
	e := &event.Entry{}
	l.dec.Record(r, &e.Event)
	l.join.Add(e)
	return e
}

func hdr(kind uint16, layer uint16, us int) wire.Hdr {
	return wire.Hdr{Kind: kind, Layer: layer, Time: mono + uint64(us)*1000}
}

func comm(s string) (c [16]byte) {
	copy(c[:], s)
	return c
}

func packetRecord(p wire.Packet, data []byte) wire.Record {
	p.H.Kind, p.H.Layer = wire.KindPacket, wire.LayerPkt
	p.Caplen = uint32(len(data))
	p.Len = max(p.Len, p.Caplen)
	return wire.Seal(append(p.Append(nil), data...))
}

func lostRecord(us int, layer uint16, n uint64) wire.Record {
	l := wire.Lost{H: hdr(wire.KindLost, layer, us), Count: n, Reason: wire.LostRing}
	return wire.Seal(l.Append(nil))
}

func processRecord(us int, pid uint32, what uint8, name, exe string) wire.Record {
	attrs := wire.AppendAttr(nil, wire.TagExe, exe)
	if what != wire.ProcFound && what != wire.ProcExec {
		attrs = nil
	}
	p := wire.Proc{
		H: hdr(wire.KindProc, wire.LayerSys, us), Start: uint64(pid) * 10_000_000, Pid: pid, Tid: pid, Nspid: pid, What: what,
		Netns: 4026531840, Attrs: uint16(len(attrs)), Comm: comm(name),
	}
	return wire.Seal(append(p.Append(nil), attrs...))
}

func nameRecord(what uint16, netns uint64, id uint32, name string) wire.Record {
	attrs := wire.AppendAttr(nil, wire.TagName, name)
	n := wire.Name{H: hdr(wire.KindName, wire.LayerSys, 0), Netns: netns, Id: id, What: what, Attrs: uint16(len(attrs))}
	return wire.Seal(append(n.Append(nil), attrs...))
}

func noteRecord(level uint32, s string) wire.Record {
	attrs := wire.AppendAttr(nil, wire.TagText, s)
	n := wire.Note{H: hdr(wire.KindNote, wire.LayerSys, 0), Level: level, Attrs: uint16(len(attrs))}
	return wire.Seal(append(n.Append(nil), attrs...))
}

// callRecord returns the record of a sendto with size bytes of data.
func callRecord(us int, pid uint32, size int, ret int64) wire.Record {
	chunks := wire.AppendChunk(nil, wire.Chunk{Addr: 0x1000}, bytes.Repeat([]byte{'a'}, size))
	c := wire.Syscall{
		H: hdr(wire.KindSyscall, wire.LayerSys, us), Enter: mono + uint64(us)*1000 - 500, Start: uint64(pid) * 1e9, Ret: ret,
		Args: [6]uint64{3, 0x1000, uint64(size)}, Pid: pid, Tid: pid + 1, Nspid: pid, Nstid: pid + 1, Nr: 44, Abi: wire.AbiX8664,
		Chunks: uint32(len(chunks)), Comm: comm("curl"),
	}
	return wire.Seal(append(c.Append(nil), chunks...))
}

func udp(from, to string, payload []byte) []byte {
	src, dst := netip.MustParseAddrPort(from), netip.MustParseAddrPort(to)
	be := binary.BigEndian
	var b []byte
	if src.Addr().Is4() {
		b = append(b, 0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0)
		be.PutUint16(b[2:], uint16(28+len(payload)))
	} else {
		b = append(b, 0x60, 0, 0, 0, 0, 0, 17, 64)
		be.PutUint16(b[4:], uint16(8+len(payload)))
	}
	b = append(append(b, src.Addr().AsSlice()...), dst.Addr().AsSlice()...)
	b = be.AppendUint16(b, src.Port())
	b = be.AppendUint16(b, dst.Port())
	b = be.AppendUint16(b, uint16(8+len(payload)))
	return append(append(b, 0, 0), payload...)
}

var query = udp("10.0.2.15:40000", "10.0.0.53:5300", []byte("query"))

func curl() wire.Packet {
	return wire.Packet{
		H: hdr(0, 0, 300), Cookie: 5283, Ifindex: 2, Dir: wire.PacketOut,
		Owner: wire.Owner{
			Cookie: 5283, Start: 12_340_000_000, Time: mono + 299_000, Pid: 1234, Tid: 1234, Nspid: 1234, Nstid: 1234,
			Uid: 1000, How: wire.OwnerSent, Comm: comm("curl"),
		},
	}
}

func write(t testing.TB, o pcapng.Options, recs ...wire.Record) []byte {
	t.Helper()
	var b bytes.Buffer
	s, err := pcapng.New(&b, o)
	if err != nil {
		t.Fatal(err)
	}
	l := newTimeline()
	for _, r := range recs {
		if err := s.Write(l.entry(r)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s.Size() != int64(b.Len()) {
		t.Errorf("Size says %d bytes, there are %d", s.Size(), b.Len())
	}
	return b.Bytes()
}

// dump returns a readable dump of a file.
func dump(t testing.TB, b []byte) string {
	t.Helper()
	var out strings.Builder
	for _, b := range blocks(t, b) {
		stamp := func(at int) int64 { return int64(le.Uint32(b.body[at:]))<<32 | int64(le.Uint32(b.body[at+4:])) }
		switch b.kind {
		case 0x0a0d0d0a:
			fmt.Fprintf(&out, "section version=%d.%d order=%x length=%d\n", le.Uint16(b.body[4:]), le.Uint16(b.body[6:]), le.Uint32(b.body), int64(le.Uint64(b.body[8:])))
		case 1:
			fmt.Fprintf(&out, "interface link=%d snaplen=%d\n", le.Uint16(b.body), le.Uint32(b.body[4:]))
		case 4:
			fmt.Fprintf(&out, "names %q\n", b.body)
		case 5:
			fmt.Fprintf(&out, "statistics interface=%d time=%d\n", le.Uint32(b.body), stamp(4))
		case 6:
			n := le.Uint32(b.body[12:])
			fmt.Fprintf(&out, "packet interface=%d time=%d captured=%d length=%d %x\n", le.Uint32(b.body), stamp(4), n, le.Uint32(b.body[16:]), b.body[20:20+n])
		case 9:
			out.WriteString("row\n")
			for line := range strings.Lines(strings.TrimRight(string(b.body), "\x00")) {
				out.WriteString("\t" + line)
			}
		}
		for code := range uint16(20) {
			for _, v := range b.options[code] {
				fmt.Fprintf(&out, "\toption %d %q\n", code, v)
			}
		}
	}
	return out.String()
}

func sample() []wire.Record {
	in := curl()
	in.H.Time, in.Dir, in.Ifindex, in.Mark, in.Owner.How = mono+500_000, wire.PacketIn, 2, 7, wire.OwnerFound|wire.OwnerOld
	in.Owner.Tid, in.Owner.Comm, in.Owner.Cookie = 1235, comm("Socket Thread=%\x1b"), 77
	rst := curl()
	rst.H.Time, rst.Made, rst.Flags, rst.Owner.Time, rst.Owner.Nspid, rst.Owner.Nstid = mono+600_000, wire.MadeRst, wire.PacketWire, 0, 7, 7
	rst.Len = uint32(len(query))
	arp := packetRecord(wire.Packet{H: hdr(0, 0, 700), Link: 1}, append([]byte{255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 6}, make([]byte, 28)...))
	nobody := packetRecord(wire.Packet{H: hdr(0, 0, 800), Link: 1}, append([]byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0}, query...))
	owner := curl().Owner
	state := wire.State{H: hdr(wire.KindState, wire.LayerKrn, 250), Owner: owner, What: wire.StateChanged, From: 7, To: 2}
	look := state
	look.What, look.From = wire.StateLook, 2
	sock := wire.Sock{Cookie: 5283, Ino: 99, Fd: -1, Family: 2, Type: 1, Protocol: 6}
	end := wire.End{H: hdr(wire.KindEnd, 0, 1000), Reason: wire.EndTargets}
	return []wire.Record{
		nameRecord(wire.NameIface, 4026531840, 2, "eth0"),
		noteRecord(wire.NoteDegraded, "no packets of \x1b old sockets"),
		processRecord(100, 1234, wire.ProcExec, "curl", "/usr/bin/curl"),
		callRecord(200, 1234, 5, 5),
		callRecord(210, 1234, 5, -111),
		wire.Seal(sock.Append(state.Append(nil))),
		packetRecord(curl(), query),
		wire.Seal(sock.Append(look.Append(nil))),
		lostRecord(400, wire.LayerPkt, 3),
		lostRecord(410, wire.LayerSys, 4),
		packetRecord(in, query),
		packetRecord(rst, query[:30]),
		arp, nobody,
		processRecord(900, 1234, wire.ProcExit, "curl", ""),
		wire.Seal(end.Append(nil)),
	}
}

// TestGolden compares the dump of a file.
func TestGolden(t *testing.T) {
	o := pcapng.Options{
		App: "pidwire 1.2", OS: "Linux 6.1", Hardware: "x86_64", Comment: "pidwire 1.2: curl\x1b", Snaplen: 65535, Filter: "udp port 53",
		Header: []byte("what the recording has"), Start: wall,
	}
	for _, c := range []struct {
		name string
		set  func(*pcapng.Options)
	}{
		{"process", func(*pcapng.Options) {}},
		{"device", func(o *pcapng.Options) { o.ByDevice = true }},
		{"packets", func(o *pcapng.Options) { o.PacketsOnly = true }},
		{"plain", func(o *pcapng.Options) { *o = pcapng.Options{} }},
	} {
		o := o
		c.set(&o)
		got := dump(t, write(t, o, sample()...))
		golden := filepath.Join("testdata", c.name+".txt")
		if *update {
			if err := errors.Join(os.MkdirAll("testdata", 0o777), os.WriteFile(golden, []byte(got), 0o666)); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		g, w := strings.Split(got, "\n"), strings.Split(string(want), "\n")
		for i := range max(len(g), len(w)) {
			if i >= len(g) || i >= len(w) || g[i] != w[i] {
				t.Errorf("%s, line %d differs:\n got %q\nwant %q", golden, i+1, g[min(i, len(g)-1)], w[min(i, len(w)-1)])
				break
			}
		}
	}
}

// TestMessages compares the messages of rows with the lines of the text sink.
func TestMessages(t *testing.T) {
	files, err := filepath.Glob("../../../testdata/rec/*.pidwire")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d recordings: %v", len(files), err)
	}
	rows := 0
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		rd, err := wire.NewReader(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		var lines, file bytes.Buffer
		words := text.New(&lines, text.Options{})
		s, err := pcapng.New(&file, pcapng.Options{})
		if err != nil {
			t.Fatal(err)
		}
		dec, join := decode.New(rd.Header), flow.New(new(bounded.Room))
		for {
			r, err := rd.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			var e event.Entry
			dec.Record(bytes.Clone(r), &e.Event)
			join.Add(&e)
			if _, packet := e.Body.(*event.Capture); packet {
				continue
			}
			if err := errors.Join(words.Write(&e), s.Write(&e)); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(words.Close(), s.Close()); err != nil {
			t.Fatal(err)
		}
		var want []string
		for line := range strings.Lines(lines.String()) {
			if !strings.Contains(line, "  # open before: ") {
				want = append(want, strings.TrimSuffix(line, "\n"))
			}
		}
		for _, b := range blocks(t, file.Bytes()) {
			if b.kind != 9 {
				continue
			}
			f := b.fields()
			if f["SYSLOG_IDENTIFIER"] == "note" && f["PRIORITY"] == "6" {
				continue // the text sink has no line for these
			}
			if rows++; len(want) == 0 || !strings.HasSuffix(want[0], " "+f["MESSAGE"]) {
				t.Fatalf("%q is not how %q ends", f["MESSAGE"], want[:min(1, len(want))])
			}
			want = want[1:]
		}
		if len(want) > 0 {
			t.Errorf("no row for %q", want[0])
		}
	}
	t.Logf("%d rows have the words of lines", rows)
}

// TestLongRows checks that no block is larger than the limit of Wireshark, and that longer
// records are split.
func TestLongRows(t *testing.T) {
	const most = 256 << 10
	long := callRecord(100, 1, 300<<10, 300<<10)
	head := bytes.Repeat([]byte("h"), 200<<10)
	small := nameRecord(wire.NameIface, 1, 1, "lo")
	recs := []wire.Record{small, long, small}
	for range 5000 { // about 400 KiB of records without a row
		recs = append(recs, small)
	}
	recs = append(recs, packetRecord(curl(), query))
	var b bytes.Buffer
	s, err := pcapng.New(&b, pcapng.Options{Header: head})
	if err != nil {
		t.Fatal(err)
	}
	l := newTimeline()
	for _, r := range recs {
		e := l.entry(r)
		if c, ok := e.Body.(*event.Call); ok {
			c.Args[1].Val = event.Tape{{Kind: event.TText, Str: strings.Repeat("é", 20000)}}
		}
		if err := s.Write(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var got, gotHead, part []byte
	packets := 0
	for _, b := range blocks(t, b.Bytes()) {
		if len(b.body) > most {
			t.Errorf("a block of %d bytes", len(b.body))
		}
		if b.kind == 6 {
			packets++
		}
		if b.kind != 9 {
			continue
		}
		f := b.fields()
		if n := len(f["MESSAGE"]); n > 16<<10 || n == 0 && f["PIDWIRE_HEADER"] == "" {
			t.Errorf("a message of %d bytes", n)
		}
		if strings.ContainsRune(f["MESSAGE"], '\ufffd') {
			t.Error("a message ends inside a character")
		}
		for field, to := range map[string]*[]byte{"PIDWIRE_PART": &part, "PIDWIRE_RECORD": &got, "PIDWIRE_HEADER": &gotHead} {
			v, err := base64.StdEncoding.DecodeString(f[field])
			if err != nil {
				t.Fatal(err)
			}
			if f[field] != "" && field != "PIDWIRE_PART" {
				*to, part = append(*to, part...), nil
			}
			*to = append(*to, v...)
		}
		if packets > 0 && f["PIDWIRE_RECORD"] != "" {
			t.Error("records of before the packet are behind it")
		}
	}
	if !bytes.Equal(gotHead, head) {
		t.Errorf("a header of %d bytes, want %d", len(gotHead), len(head))
	}
	if want := bytes.Join([][]byte{small, long, bytes.Repeat(small, 5001)}, nil); !bytes.Equal(got, want) {
		t.Errorf("%d bytes of records, want %d", len(got), len(want))
	}
}

// TestInterfaces checks the interface of each packet.
func TestInterfaces(t *testing.T) {
	of := func(pid uint32, device uint32) wire.Record {
		p := curl()
		p.Owner.Pid, p.Owner.Start, p.Ifindex = pid, uint64(pid)*10_000_000, device
		if p.Owner.Comm = comm("thread"); pid == 0 {
			p.Owner = wire.Owner{}
		}
		return packetRecord(p, query)
	}
	recs := []wire.Record{
		nameRecord(wire.NameIface, 4026531840, 2, "eth0"), nameRecord(wire.NameIface, 4026532000, 2, "eth0"), nameRecord(wire.NameIface, 4026531840, 1, "lo"),
		processRecord(1, 1, wire.ProcFound, "sh", "/bin/sh"), of(0, 0), of(1, 2), of(2, 2), of(1, 1), of(0, 0), of(1, 2),
		processRecord(2, 1, wire.ProcExec, "curl\x1b", "/usr/bin/curl"), of(1, 2), of(1, 9),
	}
	for _, c := range []struct {
		byDevice bool
		names    []string
		of       string // by packet
	}{
		{false, []string{"other:", "sh[1]:/bin/sh", "thread[2]:", `curl\x1b[1]:/usr/bin/curl`}, "[0 1 2 1 0 1 3 3]"},
		{true, []string{
			"other:", "eth0:network namespace 4026531840", "interface 2:", "lo:network namespace 4026531840",
			"interface 9:network namespace 4026531840",
		}, "[0 1 2 3 0 1 1 4]"},
	} {
		var names []string
		var of []uint32
		for _, b := range blocks(t, write(t, pcapng.Options{ByDevice: c.byDevice}, recs...)) {
			switch b.kind {
			case 1:
				names = append(names, b.text(2)+":"+b.text(3))
			case 6:
				of = append(of, le.Uint32(b.body))
			}
		}
		if !slices.Equal(names, c.names) || fmt.Sprint(of) != c.of {
			t.Errorf("by device %t: interfaces %q, packets of %d\nwant %q, %s", c.byDevice, names, of, c.names, c.of)
		}
	}
}

// TestManyInterfaces checks that the number of interfaces is bounded.
func TestManyInterfaces(t *testing.T) {
	var recs []wire.Record
	for i := range uint32(17000) {
		p := curl()
		p.Owner.Pid = i + 1
		recs = append(recs, packetRecord(p, query))
	}
	n, others := 0, 0
	for _, b := range blocks(t, write(t, pcapng.Options{}, recs...)) {
		if b.kind == 1 {
			n++
		}
		if b.kind == 6 && le.Uint32(b.body) == 0 {
			others++
		}
	}
	if n != 16384 || others != 17000-16383 {
		t.Errorf("%d interfaces, %d packets of none", n, others)
	}
}

// fromRecording converts a recording to a pcapng file.
func fromRecording(t testing.TB, b []byte) []byte {
	t.Helper()
	rd, err := wire.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	s, err := pcapng.New(&out, pcapng.Options{Header: []byte("h"), Start: int64(rd.Header.Wall)})
	if err != nil {
		t.Fatal(err)
	}
	dec, join := decode.New(rd.Header), flow.New(new(bounded.Room))
	for {
		r, err := rd.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		var e event.Entry
		dec.Record(bytes.Clone(r), &e.Event)
		join.Add(&e)
		if err := s.Write(&e); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

type full struct{ room int }

var errDisk = errors.New("no space left on device")

func (w *full) Write(b []byte) (int, error) {
	if w.room -= len(b); w.room < 0 {
		return 0, errDisk
	}
	return len(b), nil
}

func TestFull(t *testing.T) {
	if _, err := pcapng.New(&full{}, pcapng.Options{}); !errors.Is(err, errDisk) {
		t.Errorf("New: %v", err)
	}
	if _, err := pcapng.NewPcap(&full{}, 0); !errors.Is(err, errDisk) {
		t.Errorf("NewPcap: %v", err)
	}
	s, err := pcapng.NewPcap(&full{24}, 0)
	if err != nil {
		t.Fatal(err)
	}
	e := newTimeline().entry(packetRecord(curl(), query))
	for range 10000 {
		if err = s.Write(e); err != nil {
			break
		}
	}
	for name, err := range map[string]error{"Write": err, "again": s.Write(e), "Flush": s.Flush(), "Close": s.Close()} {
		if !errors.Is(err, errDisk) {
			t.Errorf("%s of a full disk: %v", name, err)
		}
	}
}

func TestPcap(t *testing.T) {
	var b bytes.Buffer
	s, err := pcapng.NewPcap(&b, 1500)
	if err != nil {
		t.Fatal(err)
	}
	l := newTimeline()
	for _, r := range sample() {
		if err := s.Write(l.entry(r)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s.Size() != int64(b.Len()) || s.LeftOut() != 1 {
		t.Errorf("Size %d of %d bytes, %d left out", s.Size(), b.Len(), s.LeftOut())
	}
	const want = "4d3cb2a1" + "02000400" + "0000000000000000" + "dc050000" + "65000000"
	if got := fmt.Sprintf("%x", b.Bytes()[:24]); got != want {
		t.Errorf("header %s, want %s", got, want)
	}
	var got []string
	for rest := b.Bytes()[24:]; len(rest) > 0; {
		got = append(got, fmt.Sprintf("%d.%09d %d/%d", le.Uint32(rest), le.Uint32(rest[4:]), le.Uint32(rest[8:]), le.Uint32(rest[12:])))
		rest = rest[16+le.Uint32(rest[8:]):]
	}
	if fmt.Sprint(got) != "[1700000000.000300000 33/33 1700000000.000500000 33/33 1700000000.000600000 30/33 1700000000.000800000 33/33]" {
		t.Errorf("packets %q", got)
	}
}

// BenchmarkCall writes system calls as rows with their records.
func BenchmarkCall(b *testing.B) {
	s, err := pcapng.New(io.Discard, pcapng.Options{Header: []byte("h")})
	if err != nil {
		b.Fatal(err)
	}
	e := newTimeline().entry(callRecord(100, 1234, 32, 32))
	before := s.Size()
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Write(e); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(s.Size()-before)/float64(b.N), "B/call")
}

// TestCommentNamesCall checks that the comment of a packet has the call that sent it, if that
// is among the last keptCalls.
func TestCommentNamesCall(t *testing.T) {
	var b bytes.Buffer
	s, err := pcapng.New(&b, pcapng.Options{PacketsOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	conn := &event.Conn{N: 3, ID: event.SockID{Cookie: 5283}}
	packet := func(cause uint64) *event.Entry {
		return &event.Entry{
			Event: event.Event{Task: event.Task{Proc: event.Proc{PID: 1234}, TID: 1234, Comm: "curl"}, Body: &event.Capture{
				Packet: event.Packet{Dir: event.DirOut, Data: query, Len: uint32(len(query)), Captured: uint32(len(query))}, Cookie: 5283,
			}},
			Conn: conn, Cause: cause,
		}
	}
	call := func(seq uint64, name string, socks ...event.Sock) *event.Entry {
		return &event.Entry{Event: event.Event{Body: &event.Call{Name: name, Socks: socks}, Seq: seq}}
	}
	for _, e := range []*event.Entry{
		call(7, "sendto", event.Sock{FD: 5}), packet(7), packet(8), packet(0),
		call(9, "io_uring_enter"), packet(9), call(7+4096, "close", event.Sock{FD: 5}), packet(7),
	} {
		if err := s.Write(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range regexp.MustCompile(`pid=1234 comm=curl conn=c3 match=\w+( sys=[a-z_0-9()]+)?`).FindAllSubmatch(b.Bytes(), -1) {
		got = append(got, strings.TrimSpace(string(m[1])))
	}
	if want := []string{"sys=sendto(5)", "", "", "sys=io_uring_enter", ""}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
