package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/pidwire/pidwire/internal/wire"
)

var testHeader = wire.Header{
	Version: wire.WireVersion, Arch: "arm64", Kernel: "6.18.44", Host: "a\x00b", Tool: "0.1", Targets: []string{"1234", "", "py*"},
	Command: []string{"curl", "http://x/"}, StrLen: 32, Mono: 1 << 63, Wall: 1_700_000_000_123_456_789, PageSize: 4096,
}

// blocks records the offset of each Write, which is that of each block.
type blocks struct {
	bytes.Buffer
	starts []int
}

func (b *blocks) Write(p []byte) (int, error) {
	b.starts = append(b.starts, b.Len())
	return b.Buffer.Write(p)
}

func note(n int, text string) wire.Record {
	attrs := wire.AppendAttr(nil, wire.TagText, text)
	r := wire.Note{H: wire.Hdr{Kind: wire.KindNote, Time: uint64(n)}, Level: wire.NoteInfo, Attrs: uint16(len(attrs))}
	return wire.Seal(append(r.Append(nil), attrs...))
}

// small is a recording of three blocks, with the offsets of its records and blocks.
type small struct {
	file     []byte
	recs     []wire.Record
	ends     []int // end offset of each record in the file
	prologue int
	blocks   []int // offset of each block, and the file size
}

func smallFile(t testing.TB) (s small) {
	t.Helper()
	var out blocks
	w, err := wire.NewWriter(&out, testHeader)
	if err != nil {
		t.Fatal(err)
	}
	var counts []int
	n := 0
	for _, size := range []int{2, 1, 3} {
		for range size {
			n++
			r := note(n, strings.Repeat("x", n*3))
			s.recs = append(s.recs, r)
			if err := w.Write(r); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		counts = append(counts, size)
	}
	s.file, s.prologue = out.Bytes(), out.starts[1]
	s.blocks = append(out.starts[1:], len(s.file))
	i := 0
	for b, count := range counts {
		at := s.blocks[b] + 16
		for range count {
			at += len(s.recs[i])
			s.ends = append(s.ends, at)
			i++
		}
		if at != s.blocks[b+1] {
			t.Fatalf("block %d ends at %d, its records at %d", b, s.blocks[b+1], at)
		}
	}
	return s
}

// read returns all records before the first error, and the error, nil for io.EOF.
func read(r io.Reader) (h wire.Header, recs []wire.Record, err error) {
	rd, err := wire.NewReader(r)
	if err != nil {
		return h, nil, err
	}
	for {
		rec, err := rd.Next()
		if err == io.EOF {
			return rd.Header, recs, nil
		}
		if err != nil {
			if _, again := rd.Next(); again != err {
				return rd.Header, recs, fmt.Errorf("Next gave %w, then %v", err, again)
			}
			return rd.Header, recs, err
		}
		recs = append(recs, bytes.Clone(rec)) // a record is valid until the next call
	}
}

func TestFileRoundTrip(t *testing.T) {
	s := smallFile(t)
	for name, r := range map[string]io.Reader{
		"whole":        bytes.NewReader(s.file),
		"byte by byte": iotest.OneByteReader(bytes.NewReader(s.file)),
		"with EOF":     iotest.DataErrReader(bytes.NewReader(s.file)),
	} {
		h, recs, err := read(r)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !reflect.DeepEqual(h, testHeader) {
			t.Errorf("%s: header\n got %+v\nwant %+v", name, h, testHeader)
		}
		if !reflect.DeepEqual(recs, s.recs) {
			t.Errorf("%s: other records than were written", name)
		}
	}
}

func TestFileOfNothing(t *testing.T) {
	var b bytes.Buffer
	w, err := wire.NewWriter(&b, wire.Header{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	h, recs, err := read(&b)
	if err != nil || len(recs) != 0 || !reflect.DeepEqual(h, wire.Header{}) {
		t.Errorf("%d records, header %+v, %v", len(recs), h, err)
	}
}

// TestBlocks checks that the size of blocks is bounded, and that a larger record gets a
// block of its own.
func TestBlocks(t *testing.T) {
	var out blocks
	w, err := wire.NewWriter(&out, testHeader)
	if err != nil {
		t.Fatal(err)
	}
	var want []wire.Record
	for i := range 300 {
		size := 1000
		if i == 100 {
			size = 200_000
		}
		e := wire.End{H: wire.Hdr{Kind: 99, Time: uint64(i)}}
		r := wire.Seal(append(e.Append(nil), make([]byte, size)...))
		want = append(want, bytes.Clone(r))
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
		clear(r) // the writer must have copied it
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	starts := append(out.starts, out.Len())
	for i := 1; i < len(starts)-1; i++ {
		if n := starts[i+1] - starts[i]; n > 68<<10 && n < 200_000 || n > 202_000 {
			t.Errorf("a block of %d bytes", n)
		}
	}
	if n := len(starts); n < 6 || n > 12 {
		t.Errorf("300 KiB and 200 KiB made %d writes", n-1)
	}
	_, recs, err := read(&out)
	if err != nil || !reflect.DeepEqual(recs, want) {
		t.Errorf("%d records of %d, %v", len(recs), len(want), err)
	}
}

// TestCut truncates a file at every byte. All complete records must be read, and the
// error must report the truncation.
func TestCut(t *testing.T) {
	s := smallFile(t)
	for n := range s.file {
		_, recs, err := read(bytes.NewReader(s.file[:n]))
		whole := 0
		for whole < len(s.ends) && s.ends[whole] <= n {
			whole++
		}
		if len(recs) != whole {
			t.Fatalf("cut at %d: %d records, want %d", n, len(recs), whole)
		}
		for i, r := range recs {
			if !bytes.Equal(r, s.recs[i]) {
				t.Fatalf("cut at %d: record %d is not what was written", n, i)
			}
		}
		between := false // cut between two blocks
		for _, b := range s.blocks {
			between = between || n == b
		}
		var cut *wire.CutError
		switch {
		case n == 0:
			if !errors.Is(err, wire.ErrNotRecording) {
				t.Errorf("an empty file: %v", err)
			}
		case between:
			if err != nil {
				t.Errorf("cut at %d, between two blocks: %v", n, err)
			}
		case !errors.As(err, &cut):
			t.Errorf("cut at %d: %v, want a *CutError", n, err)
		case cut.Offset != int64(n):
			t.Errorf("cut at %d: it says %d", n, cut.Offset)
		}
	}
}

// TestDamage flips each bit of the file. No flip may change, add or drop a record without
// an error, and the error must have the right offset.
func TestDamage(t *testing.T) {
	s := smallFile(t)
	padding := s.prologue - (16 + headerLen(s.file) + 4)
	for at := range s.file {
		for bit := range 8 {
			file := bytes.Clone(s.file)
			file[at] ^= 1 << bit
			_, recs, err := read(bytes.NewReader(file))
			for i, r := range recs {
				if i >= len(s.recs) || !bytes.Equal(r, s.recs[i]) {
					t.Fatalf("bit %d of byte %d: record %d is not what was written", bit, at, i)
				}
			}
			var damage *wire.DamageError
			var newer *wire.NewerError
			var cut *wire.CutError
			switch {
			case at < 8:
				if !errors.Is(err, wire.ErrNotRecording) {
					t.Errorf("magic, byte %d: %v", at, err)
				}
			case at < 12:
				// Format 0 never existed.
				if !errors.As(err, &newer) && (!errors.As(err, &damage) || damage.Offset != 8) {
					t.Errorf("format, byte %d: %v", at, err)
				}
			case at < 16:
				// A length beyond the end looks like truncation.
				if !errors.As(err, &damage) && !errors.As(err, &cut) {
					t.Errorf("length of the header, byte %d: %v", at, err)
				}
			case at < s.prologue-padding:
				if !errors.As(err, &damage) || damage.Offset != 16 {
					t.Errorf("header, byte %d: %v", at, err)
				}
			case at < s.prologue:
				if err != nil || len(recs) != len(s.recs) {
					t.Errorf("padding, byte %d: %d records, %v", at, len(recs), err)
				}
			default:
				b := 0
				for s.blocks[b+1] <= at {
					b++
				}
				start := s.blocks[b]
				last := b == len(s.blocks)-2
				if last && at >= start+4 && at < start+8 && errors.As(err, &cut) {
					continue // length of the last block: looks like truncation
				}
				if !errors.As(err, &damage) {
					t.Errorf("block %d, byte %d of it, bit %d: %v", b, at-start, bit, err)
					continue
				}
				// The error is inside the block, or at the next block if a length is
				// too large.
				if damage.Offset < int64(start) || damage.Offset > int64(s.blocks[b+1]) {
					t.Errorf("block %d, byte %d: damage at %d", b, at, damage.Offset)
				}
				if lenField := at >= start+4 && at < start+8; !lenField && damage.Offset != int64(start) && (at < start+12 || at >= start+16) {
					t.Errorf("block %d, byte %d: damage at %d, want %d", b, at, damage.Offset, start)
				}
				n := 0
				for n < len(s.ends) && s.ends[n] <= start {
					n++
				}
				if len(recs) < n {
					t.Errorf("block %d, byte %d: only %d records, %d stand before it", b, at, len(recs), n)
				}
			}
		}
	}
}

func headerLen(file []byte) int { return int(binary.LittleEndian.Uint32(file[12:])) }

// TestBadRecord reads blocks with a valid checksum and invalid records.
func TestBadRecord(t *testing.T) {
	s := smallFile(t)
	good := note(1, "good")
	for name, c := range map[string]struct {
		payload []byte
		count   uint32
		at      int // in the payload; -1: of the block
	}{
		"length 0":             {append(bytes.Clone(good), make([]byte, 16)...), 2, len(good)},
		"length not of 8":      {append(bytes.Clone(good), 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), 2, len(good)},
		"longer than is left":  {append(bytes.Clone(good), 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), 2, len(good)},
		"half a header":        {append(bytes.Clone(good), 16, 0, 0, 0, 0, 0, 0, 0), 2, len(good)},
		"fewer than it says":   {good, 2, -1},
		"more than it says":    {append(bytes.Clone(good), good...), 1, -1},
		"none, and it says so": {nil, 1, -1},
	} {
		file := block(s.file[:s.prologue:s.prologue], c.payload, c.count)
		file = block(file, good, 1)
		_, recs, err := read(bytes.NewReader(file))
		want := int64(s.prologue)
		if c.at >= 0 {
			want += int64(16 + c.at)
		}
		var damage *wire.DamageError
		if !errors.As(err, &damage) || damage.Offset != want {
			t.Errorf("%s: %v, want damage at %d", name, err, want)
		}
		for _, r := range recs {
			if !bytes.Equal(r, good) {
				t.Errorf("%s: a record %x", name, r)
			}
		}
	}
	// An empty block is valid.
	file := block(block(s.file[:s.prologue:s.prologue], nil, 0), good, 1)
	if _, recs, err := read(bytes.NewReader(file)); err != nil || len(recs) != 1 {
		t.Errorf("an empty block before one of 1: %d records, %v", len(recs), err)
	}
	// A block longer than maxBlock.
	file = binary.LittleEndian.AppendUint32(s.file[:s.prologue:s.prologue], 0x31425750)
	file = append(binary.LittleEndian.AppendUint32(file, 1<<30), make([]byte, 8)...)
	var damage *wire.DamageError
	if _, _, err := read(bytes.NewReader(file)); !errors.As(err, &damage) || damage.Offset != int64(s.prologue) {
		t.Errorf("a block of 1 GiB: %v", err)
	}
}

func block(b, payload []byte, count uint32) []byte {
	b = binary.LittleEndian.AppendUint32(b, 0x31425750)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(payload, crc32.MakeTable(crc32.Castagnoli)))
	b = binary.LittleEndian.AppendUint32(b, count)
	return append(b, payload...)
}

func TestNewer(t *testing.T) {
	var newer *wire.NewerError
	s := smallFile(t)
	file := bytes.Clone(s.file)
	binary.LittleEndian.PutUint32(file[8:], 2)
	if _, _, err := read(bytes.NewReader(file)); !errors.As(err, &newer) || newer.Format != 2 || !strings.Contains(err.Error(), "later version") {
		t.Errorf("a newer file format: %v", err)
	}
	var b bytes.Buffer
	h := testHeader
	h.Version = wire.WireVersion + 1
	if _, err := wire.NewWriter(&b, h); err != nil {
		t.Fatal(err)
	}
	if _, _, err := read(&b); !errors.As(err, &newer) {
		t.Errorf("a newer wire version: %v", err)
	}
}

func TestNotRecording(t *testing.T) {
	for _, text := range []string{"", "x", "PIDWIR", "PIDWIRE\r\n1234567890", "\x1f\x8b\x08", strings.Repeat("some log line\n", 100), "pidwire\n"} {
		_, recs, err := read(strings.NewReader(text))
		var cut *wire.CutError
		if text == "PIDWIR" {
			if !errors.As(err, &cut) {
				t.Errorf("%q: %v, want a *CutError: it may have been one", text, err)
			}
			continue
		}
		if !errors.Is(err, wire.ErrNotRecording) || recs != nil {
			t.Errorf("%.10q: %v", text, err)
		}
	}
}

// TestReaderError checks that a read error is not reported as damage.
func TestReaderError(t *testing.T) {
	s := smallFile(t)
	disk := errors.New("input/output error")
	for n := range s.file {
		_, recs, err := read(io.MultiReader(bytes.NewReader(s.file[:n]), iotest.ErrReader(disk)))
		if !errors.Is(err, disk) {
			t.Fatalf("after %d bytes: %v", n, err)
		}
		if len(recs) > len(s.recs) {
			t.Fatal("records were invented")
		}
	}
}

// failing is a writer whose nth Write and all later ones fail, after half of the data.
type failing struct {
	blocks
	n   int
	err error
}

func (f *failing) Write(p []byte) (int, error) {
	if f.n--; f.n < 0 {
		f.blocks.Write(p[:len(p)/2])
		return len(p) / 2, f.err
	}
	return f.blocks.Write(p)
}

// TestWriterError checks that a write error is returned by all later calls, too: a block
// after an incomplete one could not be read.
func TestWriterError(t *testing.T) {
	full := errors.New("no space left on device")
	if _, err := wire.NewWriter(&failing{err: full}, testHeader); !errors.Is(err, full) {
		t.Errorf("NewWriter: %v", err)
	}
	out := &failing{n: 2, err: full}
	w, err := wire.NewWriter(out, testHeader)
	if err != nil {
		t.Fatal(err)
	}
	r := note(1, "kept")
	for _, step := range []struct {
		name string
		do   func() error
		want error
	}{
		{"first write", func() error { return w.Write(r) }, nil},
		{"first flush", w.Flush, nil},
		{"second write", func() error { return w.Write(r) }, nil},
		{"second flush", w.Flush, full},
		{"third write", func() error { return w.Write(r) }, full},
		{"third flush", w.Flush, full},
	} {
		if err := step.do(); !errors.Is(err, step.want) {
			t.Errorf("%s: %v, want %v", step.name, err, step.want)
		}
	}
	_, recs, err := read(bytes.NewReader(out.Bytes()))
	var cut *wire.CutError
	if len(recs) < 1 || !errors.As(err, &cut) {
		t.Errorf("what was written reads as %d records, %v", len(recs), err)
	}
}

// TestLongCommand checks that a command line longer than maxHeader does not damage the
// rest of the header.
func TestLongCommand(t *testing.T) {
	h := testHeader
	h.Command = []string{"echo"}
	for range 40 {
		h.Command = append(h.Command, strings.Repeat("x", 60_000))
	}
	var b bytes.Buffer
	if _, err := wire.NewWriter(&b, h); err != nil {
		t.Fatal(err)
	}
	got, _, err := read(&b)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Command) < 10 || !reflect.DeepEqual(got.Command, h.Command[:len(got.Command)]) {
		t.Errorf("%d words of the command", len(got.Command))
	}
	got.Command, h.Command = nil, nil
	if !reflect.DeepEqual(got, h) {
		t.Errorf("got  %+v\nwant %+v", got, h)
	}
}

// FuzzReader checks that no file makes the reader panic, read out of bounds, or return an
// invalid record.
func FuzzReader(f *testing.F) {
	s := smallFile(f)
	f.Add(s.file)
	f.Add(s.file[:len(s.file)-5])
	f.Add(s.file[:s.prologue])
	f.Add([]byte("PIDWIRE\n"))
	f.Add(block(bytes.Clone(s.file[:s.prologue]), make([]byte, 64), 4))
	f.Fuzz(func(t *testing.T, file []byte) {
		h, recs, err := read(bytes.NewReader(file))
		total := 0
		for _, r := range recs {
			var head wire.Hdr
			if !head.Unmarshal(r) || int(head.Len) != len(r) || len(r)%8 != 0 {
				t.Fatalf("a record of %d bytes whose length field is %d", len(r), head.Len)
			}
			total += len(r)
		}
		if total > len(file) {
			t.Fatalf("%d bytes of records in a file of %d", total, len(file))
		}
		if len(recs) == 0 {
			return
		}
		// Records must survive a write and a read.
		var b bytes.Buffer
		w, werr := wire.NewWriter(&b, h)
		if werr != nil {
			t.Fatal(werr)
		}
		for _, r := range recs {
			if werr := w.Write(r); werr != nil {
				t.Fatal(werr)
			}
		}
		if werr := w.Flush(); werr != nil {
			t.Fatal(werr)
		}
		h2, again, werr := read(&b)
		if werr != nil || !reflect.DeepEqual(again, recs) || !reflect.DeepEqual(h2, h) {
			t.Fatalf("written again (first read: %v): %v", err, werr)
		}
	})
}
