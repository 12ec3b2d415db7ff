package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestSizesOfVersion1 checks that no struct of recordings grows without a new version, and
// that a file without a table of sizes is read with the sizes of version 1.
func TestSizesOfVersion1(t *testing.T) {
	for id, s := range shapes {
		if s.now < s.v1 || s.now > maxSize || s.now%8 != 0 {
			t.Errorf("struct %#x: %d bytes, in version 1 %d", id, s.now, s.v1)
		}
		if WireVersion == 1 && s.now != s.v1 {
			t.Errorf("struct %#x has %d bytes and had %d: raise PW_WIRE_VERSION", id, s.now, s.v1)
		}
	}
	l, err := newLayout(nil)
	if err != nil {
		t.Fatal(err)
	}
	if l.same != (WireVersion == 1) {
		t.Errorf("a file without a table: same is %v", l.same)
	}
	if l, err = newLayout(appendSizes(nil)); err != nil || !l.same || l.longer() != "" {
		t.Errorf("our own table: %+v, %v", l, err)
	}
}

func TestTablesThatAreNone(t *testing.T) {
	for name, table := range map[string][]byte{
		"not of 8":         {byte(KindCall), 0, 137, 0},
		"too long":         {byte(KindCall), 0, 0x08, 0x10},
		"shorter than Hdr": {byte(KindCall), 0, 8, 0},
		"zero":             {1, 0x80, 0, 0},
		"no room":          {byte(KindPacket), 0, 64, 0},
	} {
		if _, err := newLayout(table); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	// Structs of unknown kinds may have any size.
	if l, err := newLayout([]byte{200, 0, 64, 0}); err != nil || !l.same {
		t.Errorf("an unknown struct: %v", err)
	}
}

// KindCall is a kind of shapes.
const KindCall = KindSyscall

// writer converts records to those of another version, in which each struct is longer or
// shorter by delta. It shares no code with Layout, which it tests.
type writer struct {
	delta func(id uint16) int
}

func (w *writer) part(b []byte, id uint16, s []byte) []byte {
	d := w.delta(id)
	if d < 0 {
		return append(b, s[:len(s)+d]...)
	}
	b = append(b, s...)
	return append(b, bytes.Repeat([]byte{0xee}, d)...)
}

func (w *writer) record(r Record) []byte {
	kind := r.Kind()
	size := shapes[kind].now
	fixed, rest := r[:size], []byte(r[size:])
	if own := shapes[kind].own; own > 0 {
		f := append([]byte(nil), fixed[:own]...)
		f = w.part(f, partOwner, fixed[own:own+SizeOwner])
		fixed = append(f, fixed[own+SizeOwner:]...)
	}
	b := w.part(nil, kind, fixed)
	socks := func(n int) {
		for range n {
			b = w.part(b, partSock, rest[:SizeSock])
			rest = rest[SizeSock:]
		}
	}
	skip := func(n int) {
		b = append(b, rest[:n]...)
		rest = rest[n:]
	}
	switch kind {
	case KindSyscall:
		var c Syscall
		c.Unmarshal(r)
		socks(int(c.Nsock))
		at := len(b)
		for list := rest[:c.Chunks]; len(list) > 0; {
			var piece Chunk
			piece.Unmarshal(list)
			b = w.part(b, partChunk, list[:SizeChunk])
			list = list[SizeChunk:]
			if piece.Flags&ChunkFault == 0 { // including the padding
				b = append(b, list[:padded(piece.Len)]...)
				list = list[padded(piece.Len):]
			}
		}
		rest = rest[c.Chunks:]
		binary.LittleEndian.PutUint32(b[OffSyscallChunks:], uint32(len(b)-at))
	case KindUring:
		socks(int(r[OffUringNsock]))
	case KindSock:
		socks(1)
	case KindState:
		socks(1)
		for len(rest) > 0 {
			tag, n := binary.LittleEndian.Uint16(rest), int(binary.LittleEndian.Uint16(rest[2:]))
			if tag != TagOwners {
				skip(SizeAttr + (n+3)&^3)
				continue
			}
			at := len(b)
			skip(SizeAttr)
			for range n / SizeOwner {
				b = w.part(b, partOwner, rest[:SizeOwner])
				rest = rest[SizeOwner:]
			}
			binary.LittleEndian.PutUint16(b[at+2:], uint16(len(b)-at-SizeAttr))
		}
	case KindKernel:
		skip(16 * int(r[OffKernelNaddr]))
		socks(int(r[OffKernelNsock]))
	case KindText:
		var x Text
		x.Unmarshal(r)
		skip(padded(x.Text))
		socks(int(x.Nsock))
	case KindAudit:
		var a Audit
		a.Unmarshal(r)
		skip(padded(a.Text))
		if len(rest) >= SizeHdr {
			b = append(b, w.record(Record(rest))...)
			rest = nil
		}
	}
	return Seal(append(b, rest...))
}

// table returns the table of sizes.
func (w *writer) table() (b []byte) {
	for id, s := range shapes {
		size := s.now + w.delta(id)
		if s.own > 0 {
			size += w.delta(partOwner)
		}
		b = binary.LittleEndian.AppendUint16(b, id)
		b = binary.LittleEndian.AppendUint16(b, uint16(size))
	}
	return b
}

// file returns a recording of another version.
func (w *writer) file(t testing.TB, h Header, version uint16, recs []Record) []byte {
	t.Helper()
	h.Version = version
	head := AppendAttr(h.marshal(), tagSizes, string(w.table()))
	if version == WireVersion {
		t.Fatal("it must be another version")
	}
	b := binary.LittleEndian.AppendUint32([]byte(fileMagic), fileFormat)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(head)))
	b = append(b, head...)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(head, castagnoli))
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	out := bytes.NewBuffer(b)
	blocks := &Writer{w: out, block: make([]byte, blockHead, blockFill+blockHead)}
	for _, r := range recs {
		if err := blocks.Write(w.record(r)); err != nil {
			t.Fatal(err)
		}
	}
	if err := blocks.Flush(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func recordings(t testing.TB) (files [][]byte) {
	t.Helper()
	names, err := filepath.Glob("../../testdata/rec/*.pidwire")
	if err != nil || len(names) < 10 {
		t.Fatalf("%d recordings: %v", len(names), err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, b)
	}
	return files
}

func readAll(t testing.TB, file []byte) (*Reader, []Record) {
	t.Helper()
	rd, err := NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	var recs []Record
	for {
		r, err := rd.Next()
		if err == io.EOF {
			return rd, recs
		}
		if err != nil {
			t.Fatal(err)
		}
		recs = append(recs, bytes.Clone(r))
	}
}

// every returns a record of each kind that testdata/rec lacks, with all optional parts.
func every() []Record {
	text := []byte("type=SYSCALL msg=audit(1:2): x\n\x00\x00")
	sock := Sock{Cookie: 1, Ino: 2, Fd: 3, Family: 2}
	chunk := AppendChunk(AppendChunk(nil, Chunk{Addr: 16}, []byte("abc")), Chunk{Addr: 32, Len: 5, Flags: ChunkFault}, nil)
	call := Syscall{H: Hdr{Kind: KindSyscall, Time: 5}, Nsock: 2, Chunks: uint32(len(chunk)), Pid: 7, Tid: 7}
	callRec := Seal(append(sock.Append(sock.Append(call.Append(nil))), chunk...))
	line := Text{H: Hdr{Kind: KindText, Time: 6}, Text: 3, Nsock: 1}
	lineRec := Seal(sock.Append(append(line.Append(nil), "a()\x00\x00\x00\x00\x00"...)))
	aud := Audit{H: Hdr{Kind: KindAudit, Time: 7}, Text: uint32(len(text))}
	audRec := append(aud.Append(nil), text...)
	for len(audRec)%8 != 0 {
		audRec = append(audRec, 0)
	}
	hand := Handover{H: Hdr{Kind: KindHandover, Time: 8}, Cookie: 3, Owner: Owner{Pid: 4}}
	snap := Socksnap{H: Hdr{Kind: KindSock, Time: 9}, Start: 1, Pid: 2}
	lost := Lost{H: Hdr{Kind: KindLost, Time: 9}, Count: 3, Reason: LostRing}
	clock := Clock{H: Hdr{Kind: KindClock, Time: 9}, Mono: 3, Wall: 4}
	fact := Fact{H: Hdr{Kind: KindFact, Time: 9}, Start: 1, Pid: 2, Attrs: 16}
	return []Record{
		Seal(AppendAttr(fact.Append(nil), TagName, "resolv.conf")), Seal(AppendAttr(sock.Append(snap.Append(nil)), TagName, "/run/x")), Seal(lost.Append(nil)), Seal(clock.Append(nil)),
		callRec, lineRec, Seal(slices.Clone(audRec)), Seal(append(slices.Clone(audRec), callRec...)), Seal(append(slices.Clone(audRec), lineRec...)),
		Seal(append(AppendAttr(hand.Append(nil), 0, ""), AppendAttr(nil, TagSince, "12345678")...)),
	}
}

// TestOtherVersions checks that the recordings of testdata/rec, written with longer or
// shorter structs, are read with extra fields cut off and missing fields zero.
func TestOtherVersions(t *testing.T) {
	grow := func(ids ...uint16) func(uint16) int {
		return func(id uint16) int {
			if len(ids) == 0 || slices.Contains(ids, id) {
				return 8 * (1 + int(id)%3)
			}
			return 0
		}
	}
	kinds := map[uint16]int{}
	for i, file := range recordings(t) {
		rd, recs := readAll(t, file)
		if rd.Later() != "" || !rd.Layout.same {
			t.Fatalf("recording %d is of another version", i)
		}
		recs = append(recs, every()...)
		for _, r := range recs {
			kinds[r.Kind()]++
		}
		for name, w := range map[string]*writer{
			"all longer":     {grow()},
			"kinds longer":   {func(id uint16) int { return map[bool]int{true: 16}[id < partSock] }},
			"sockets longer": {grow(partSock)}, "owners longer": {grow(partOwner)}, "memory longer": {grow(partChunk)},
			"longest": {func(id uint16) int { return map[bool]int{true: 1024, false: 8}[id < partSock] }},
		} {
			got, conv := readAll(t, w.file(t, rd.Header, WireVersion+1, recs))
			if !slices.EqualFunc(conv, recs, func(a, b Record) bool { return bytes.Equal(a, b) }) {
				j := 0
				for j < len(conv) && j < len(recs) && bytes.Equal(conv[j], recs[j]) {
					j++
				}
				t.Fatalf("recording %d, %s: %d records of %d; the first that reads otherwise is of kind %d:\n got %x\nwant %x", i, name, len(conv), len(recs), recs[j].Kind(), conv[j], recs[j])
			}
			if got.Header.Version != WireVersion || !strings.Contains(got.Later(), "record version 2;") || !strings.Contains(got.Later(), "skipping the last") {
				t.Errorf("recording %d, %s: version %d, %q", i, name, got.Header.Version, got.Later())
			}
		}
		// An earlier version without the last 8 bytes.
		short := &writer{func(id uint16) int {
			if id < partSock && id != KindHandover || id == partSock { // a handover ends with its owner
				return -8
			}
			return 0
		}}
		got, conv := readAll(t, short.file(t, rd.Header, 0, recs))
		if got.Later() != "" || got.Header.Version != WireVersion {
			t.Errorf("recording %d, shorter: version %d, %q", i, got.Header.Version, got.Later())
		}
		want := make([]Record, len(recs))
		for j, r := range recs {
			want[j] = zeroed(r)
		}
		if len(conv) != len(want) {
			t.Fatalf("recording %d, shorter: %d records, want %d", i, len(conv), len(want))
		}
		for j := range want {
			if want[j] != nil && !bytes.Equal(conv[j], want[j]) {
				t.Errorf("recording %d, shorter, record %d of kind %d:\n got %x\nwant %x", i, j, recs[j].Kind(), conv[j], want[j])
				break
			}
		}
	}
	for id := range shapes {
		if id < partSock && kinds[id] == 0 {
			t.Errorf("no record of kind %d was tried", id)
		}
	}
}

// zeroed returns a copy of a record with zeros in the last 8 bytes of its struct and of its
// sockets; nil for audit records, which have the length of their text there.
func zeroed(r Record) Record {
	z := bytes.Clone(r)
	kind, size := r.Kind(), shapes[r.Kind()].now
	socks, from := 0, size
	switch kind {
	case KindAudit:
		return nil
	case KindHandover:
		return z
	case KindSyscall:
		socks = int(r[OffSyscallNsock])
	case KindUring:
		socks = int(r[OffUringNsock])
	case KindSock, KindState:
		socks = 1
	case KindKernel:
		socks, from = int(r[OffKernelNsock]), size+16*int(r[OffKernelNaddr])
	case KindText:
		socks, from = int(r[OffTextNsock]), size+padded(binary.LittleEndian.Uint32(r[OffTextText:]))
	}
	clear(z[size-8 : size])
	for ; socks > 0; socks-- {
		from += SizeSock
		clear(z[from-8 : from])
	}
	return z
}

// TestLaterWithoutTable checks that a recording of a later version without a table of sizes
// is rejected.
func TestLaterWithoutTable(t *testing.T) {
	var b bytes.Buffer
	if _, err := NewWriter(&b, Header{Version: WireVersion + 1}); err != nil {
		t.Fatal(err)
	}
	var newer *NewerError
	if _, err := NewReader(&b); !errors.As(err, &newer) {
		t.Errorf("%v", err)
	}
}

func TestUnknown(t *testing.T) {
	var u Unknown
	if u.Text() != "" {
		t.Errorf("%q", u.Text())
	}
	for kind := range uint16(40) {
		r := Record(make([]byte, SizeHdr))
		binary.LittleEndian.PutUint16(r[4:], 1000+kind)
		for range kind + 1 {
			u.Add(r)
		}
		if r.Known() {
			t.Errorf("kind %d is known", 1000+kind)
		}
	}
	if got := u.Text(); !strings.Contains(got, "1 of kind 1000, 2 of kind 1001") || !strings.HasSuffix(got, "684 of other kinds") {
		t.Errorf("%q", got)
	}
}

// FuzzLayout converts hostile records with hostile layouts. The result must be a valid
// record of bounded size.
func FuzzLayout(f *testing.F) {
	for _, r := range every() {
		f.Add(uint64(1), []byte(r))
	}
	for _, file := range recordings(f)[:6] {
		_, recs := readAll(f, file)
		for _, r := range recs[:min(len(recs), 30)] {
			f.Add(uint64(r.Kind()), []byte(r))
		}
	}
	f.Fuzz(func(t *testing.T, seed uint64, b []byte) {
		if len(b) < SizeHdr || len(b) > 1<<16 {
			return
		}
		r := Seal(bytes.Clone(b))
		rng := rand.New(rand.NewPCG(seed, 1))
		var table []byte
		for id := range shapes {
			table = binary.LittleEndian.AppendUint16(table, id)
			table = binary.LittleEndian.AppendUint16(table, uint16(8*rng.IntN(64)))
		}
		l, err := newLayout(table)
		if err != nil {
			table = nil
			for id, s := range shapes {
				size := s.now + 8*rng.IntN(4)
				if s.own > 0 {
					size += 24
				}
				table = binary.LittleEndian.AppendUint16(table, id)
				table = binary.LittleEndian.AppendUint16(table, uint16(size))
			}
			if l, err = newLayout(table); err != nil {
				t.Fatal(err)
			}
		}
		out, err := l.Convert(r)
		if err != nil {
			return
		}
		var h Hdr
		if !h.Unmarshal(out) || int(h.Len) != len(out) || len(out)%8 != 0 || h.Kind != r.Kind() || h.Time != r.Time() {
			t.Fatalf("%x became %x", r, out)
		}
		if len(out) > 10*len(r)+2*maxSize {
			t.Fatalf("%d bytes became %d", len(r), len(out))
		}
	})
}
