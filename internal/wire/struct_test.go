package wire_test

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/wire"
)

var update = flag.Bool("update", false, "write the golden files again")

type form interface {
	Unmarshal([]byte) bool
	Append([]byte) []byte
}

// forms has all structs of the ABI. Those with inFile are part of recordings, and must not
// change without a new version.
var forms = []struct {
	new    func() form
	size   int
	inFile bool
}{
	{func() form { return &wire.Hdr{} }, wire.SizeHdr, true},
	{func() form { return &wire.Sock{} }, wire.SizeSock, true},
	{func() form { return &wire.Syscall{} }, wire.SizeSyscall, true},
	{func() form { return &wire.Chunk{} }, wire.SizeChunk, true},
	{func() form { return &wire.Uring{} }, wire.SizeUring, true},
	{func() form { return &wire.Proc{} }, wire.SizeProc, true},
	{func() form { return &wire.Attr{} }, wire.SizeAttr, true},
	{func() form { return &wire.Socksnap{} }, wire.SizeSocksnap, true},
	{func() form { return &wire.Lost{} }, wire.SizeLost, true},
	{func() form { return &wire.Clock{} }, wire.SizeClock, true},
	{func() form { return &wire.Name{} }, wire.SizeName, true},
	{func() form { return &wire.Note{} }, wire.SizeNote, true},
	{func() form { return &wire.End{} }, wire.SizeEnd, true},
	{func() form { return &wire.Ready{} }, wire.SizeReady, true},
	{func() form { return &wire.Owner{} }, wire.SizeOwner, true},
	{func() form { return &wire.Packet{} }, wire.SizePacket, true},
	{func() form { return &wire.Handover{} }, wire.SizeHandover, true},
	{func() form { return &wire.Wrote{} }, wire.SizeWrote, false},
	{func() form { return &wire.State{} }, wire.SizeState, true},
	{func() form { return &wire.Audit{} }, wire.SizeAudit, true},
	{func() form { return &wire.Text{} }, wire.SizeText, true},
	{func() form { return &wire.Kernel{} }, wire.SizeKernel, true},
	{func() form { return &wire.Symbol{} }, wire.SizeSymbol, true},
	{func() form { return &wire.Func{} }, wire.SizeFunc, true},
	{func() form { return &wire.Fact{} }, wire.SizeFact, true},
	{func() form { return &wire.Env{} }, wire.SizeEnv, false},
	{func() form { return &wire.Thread{} }, wire.SizeThread, false},
	{func() form { return &wire.Calldesc{} }, wire.SizeCalldesc, false},
}

func nameOf(f form) string { return reflect.TypeOf(f).Elem().Name() }

// TestFormsComplete checks that forms has every struct that is generated.
func TestFormsComplete(t *testing.T) {
	known := map[string]bool{}
	for _, f := range forms {
		known[nameOf(f.new())] = true
	}
	for _, name := range declared(t).structs {
		if !known[name] {
			t.Errorf("struct %s of zwire.go is not in the table of this test", name)
		}
		delete(known, name)
	}
	for name := range known {
		t.Errorf("struct %s is not in zwire.go", name)
	}
}

func TestRoundTrip(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, f := range forms {
		name := nameOf(f.new())
		t.Run(name, func(t *testing.T) {
			for range 50 {
				in := f.new()
				fill(reflect.ValueOf(in).Elem(), rnd)
				prefix := []byte("before")
				b := in.Append(bytes.Clone(prefix))
				if !bytes.HasPrefix(b, prefix) {
					t.Fatalf("Append overwrote what was there: %q", b[:len(prefix)])
				}
				b = b[len(prefix):]
				if len(b) != f.size {
					t.Fatalf("Append wrote %d bytes, want Size%s = %d", len(b), name, f.size)
				}
				out := f.new()
				if !out.Unmarshal(append(bytes.Clone(b), 0xee)) {
					t.Fatal("Unmarshal refuses what Append wrote")
				}
				if !reflect.DeepEqual(in, out) {
					t.Fatalf("got  %+v\nwant %+v", out, in)
				}
				if again := out.Append(nil); !bytes.Equal(again, b) {
					t.Fatalf("written again:\n got %x\nwant %x", again, b)
				}
			}
			for n := range f.size {
				if f.new().Unmarshal(make([]byte, n)) {
					t.Fatalf("Unmarshal accepts %d bytes of %d", n, f.size)
				}
			}
			if f.inFile && f.size%4 != 0 {
				t.Errorf("a size of %d bytes would break the alignment of what follows", f.size)
			}
		})
	}
}

// fill sets every field to a random value.
func fill(v reflect.Value, rnd *rand.Rand) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), rnd)
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), rnd)
		}
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(rnd.Uint64() >> (64 - v.Type().Bits()))
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(rnd.Uint64()) >> (64 - v.Type().Bits()))
	default:
		panic("a field of kind " + v.Kind().String())
	}
}

// TestABI checks the layout of all structs of recordings, for old recordings must stay
// readable. Lines may be added; to change a line requires a new WireVersion and a reader
// for both.
func TestABI(t *testing.T) {
	d := declared(t)
	notInFile := func(name string) bool {
		for _, p := range []string{"OffThread", "OffCalldesc", "SizeThread", "SizeCalldesc", "Cap", "Desc", "SnapSize", "Target", "Slot", "LostReasons", "LostProcs"} { // the last two count reasons, and are in no record
			if strings.HasPrefix(name, p) {
				return true
			}
		}
		return false
	}
	var b strings.Builder
	for _, c := range d.consts {
		if !notInFile(c[0]) {
			fmt.Fprintf(&b, "%s %s\n", c[0], c[1])
		}
	}
	const golden = "testdata/abi.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	now := map[string]string{}
	for line := range strings.Lines(b.String()) {
		k, v, _ := strings.Cut(strings.TrimSpace(line), " ")
		now[k] = v
	}
	for line := range strings.Lines(string(want)) {
		k, v, _ := strings.Cut(strings.TrimSpace(line), " ")
		if got, ok := now[k]; !ok {
			t.Errorf("%s = %s is gone", k, v)
		} else if got != v {
			t.Errorf("%s = %s, was %s", k, got, v)
		}
		delete(now, k)
	}
	for k, v := range now {
		t.Errorf("%s = %s is not in %s: go test ./internal/wire -run TestABI -update", k, v, golden)
	}
}

// TestNumbersUsedOnce checks that no enum uses a number twice.
func TestNumbersUsedOnce(t *testing.T) {
	for _, group := range declared(t).enums {
		seen := map[string]string{}
		for _, c := range group {
			if other, ok := seen[c[1]]; ok {
				t.Errorf("%s and %s are both %s", c[0], other, c[1])
			}
			seen[c[1]] = c[0]
		}
	}
}

type declarations struct {
	structs []string
	consts  [][2]string   // name, value; all groups
	enums   [][][2]string // by group
}

func declared(t *testing.T) (d declarations) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "zwire.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for _, decl := range file.Decls {
		g, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		var group [][2]string
		for _, spec := range g.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				d.structs = append(d.structs, s.Name.Name)
			case *ast.ValueSpec:
				group = append(group, [2]string{s.Names[0].Name, s.Values[0].(*ast.BasicLit).Value})
			}
		}
		d.consts = append(d.consts, group...)
		if strings.HasPrefix(g.Doc.Text(), "enum ") {
			d.enums = append(d.enums, group)
		}
	}
	if len(d.structs) == 0 || len(d.enums) == 0 {
		t.Fatal("nothing found in zwire.go")
	}
	return d
}

func TestRecordAccessors(t *testing.T) {
	e := wire.End{H: wire.Hdr{Kind: wire.KindEnd, Layer: wire.LayerSys, Time: 77}, Reason: wire.EndLimit}
	r := wire.Seal(e.Append(nil))
	if r.Kind() != wire.KindEnd || r.Time() != 77 {
		t.Errorf("kind %d, time %d", r.Kind(), r.Time())
	}
	r.SetTime(1 << 60)
	if r.Time() != 1<<60 || r.Kind() != wire.KindEnd {
		t.Errorf("after SetTime: kind %d, time %d", r.Kind(), r.Time())
	}
	for n := range wire.SizeHdr {
		if short := r[:n]; short.Kind() != 0 || short.Time() != 0 {
			t.Errorf("%d bytes have kind %d and time %d", n, short.Kind(), short.Time())
		}
	}
}

func TestSeal(t *testing.T) {
	for n := wire.SizeHdr; n < wire.SizeHdr+17; n++ {
		b := bytes.Repeat([]byte{0xff}, n)
		r := wire.Seal(b)
		var h wire.Hdr
		h.Unmarshal(r)
		if len(r)%8 != 0 || len(r)-n >= 8 || int(h.Len) != len(r) {
			t.Errorf("%d bytes sealed to %d, length field %d", n, len(r), h.Len)
		}
		if pad := r[n:]; len(bytes.Trim(pad, "\x00")) != 0 {
			t.Errorf("padding of %d bytes is %x", n, pad)
		}
	}
}

type piece struct {
	c    wire.Chunk
	data string
}

func pieces(b []byte) (out []piece) {
	for c, data := range wire.Chunks(b) {
		out = append(out, piece{c, string(data)})
	}
	return out
}

func TestChunks(t *testing.T) {
	want := []piece{
		{wire.Chunk{Addr: 0x1000, Len: 5, Phase: wire.PhaseEnter}, "hello"},
		{wire.Chunk{Addr: 0x2000, Len: 99, Phase: wire.PhaseExit, Flags: wire.ChunkFault}, ""},
		{wire.Chunk{Addr: 0, Len: 0}, ""},
		{wire.Chunk{Addr: 1<<64 - 1, Len: 8}, "eight by"},
		{wire.Chunk{Addr: 0x3000, Len: 17}, "seventeen bytes !"},
	}
	var b []byte
	var ends []int // end offset of each chunk, with padding
	for _, p := range want {
		c := p.c
		if c.Flags&wire.ChunkFault == 0 {
			c.Len = 12345 // AppendChunk sets it
		}
		b = wire.AppendChunk(b, c, []byte(p.data))
		ends = append(ends, len(b))
		if len(b)%8 != 0 {
			t.Fatalf("%d bytes: not padded to 8", len(b))
		}
	}
	if got := pieces(b); !reflect.DeepEqual(got, want) {
		t.Fatalf("got  %+v\nwant %+v", got, want)
	}
	for n := range b {
		whole := 0
		for whole < len(ends) && ends[whole] <= n {
			whole++
		}
		if got := pieces(b[:n]); len(got) != whole {
			t.Fatalf("of %d bytes %d chunks are read, want %d", n, len(got), whole)
		}
	}
	for range wire.Chunks(b) {
		break // stop the iteration early
	}
	// A length near 2^32 must not overflow.
	huge := wire.Chunk{Len: 1<<32 - 1}
	if got := pieces(huge.Append(nil)); got != nil {
		t.Errorf("a chunk of 4 GiB in 16 bytes gave %+v", got)
	}
}

func TestChunkDataHasNoRoomBehind(t *testing.T) {
	b := wire.AppendChunk(nil, wire.Chunk{}, []byte("abc"))
	b = wire.AppendChunk(b, wire.Chunk{}, []byte("def"))
	before := bytes.Clone(b)
	for _, data := range wire.Chunks(b) {
		_ = append(data, "overwritten"...)
	}
	if !bytes.Equal(b, before) {
		t.Error("appending to a chunk's data changes what follows it")
	}
}

func TestAttrs(t *testing.T) {
	long := strings.Repeat("x", 70000)
	var b []byte
	b = wire.AppendAttr(b, 1, "")
	b = wire.AppendAttr(b, 2, "a")
	b = wire.AppendAttr(b, 3, "four")
	b = wire.AppendAttr(b, 2, "second")
	b = wire.AppendAttr(b, 9, long)
	type attr struct {
		tag uint16
		v   string
	}
	walk := func(b []byte) (got []attr) {
		for tag, v := range wire.Attrs(b) {
			got = append(got, attr{tag, string(v)})
		}
		return got
	}
	want := []attr{{1, ""}, {2, "a"}, {3, "four"}, {2, "second"}, {9, long[:65535]}}
	if got := walk(b); !reflect.DeepEqual(got, want) {
		t.Fatalf("got %d attributes", len(got))
	}
	if got := string(wire.AttrOf(b, 2)); got != "a" {
		t.Errorf("AttrOf gives %q, want the first", got)
	}
	if got := wire.AttrOf(b, 77); got != nil {
		t.Errorf("AttrOf of a tag that is not there gives %q", got)
	}
	if got := wire.AttrOf(b, 1); got == nil || len(got) != 0 {
		t.Errorf("AttrOf of an empty value gives %#v, want empty but there", got)
	}
	// The padding of the last attribute may be missing, its value may not.
	one := wire.AppendAttr(nil, 5, "abcde")
	for n := range one {
		want := 0
		if n >= wire.SizeAttr+5 {
			want = 1
		}
		if got := walk(one[:n]); len(got) != want {
			t.Errorf("of %d bytes %d attributes are read, want %d", n, len(got), want)
		}
	}
	for range wire.Attrs(b) {
		break
	}
}

func TestSyscallParts(t *testing.T) {
	make := func(nsock uint8, chunks uint32, rest int) wire.Record {
		s := wire.Syscall{H: wire.Hdr{Kind: wire.KindSyscall}, Nsock: nsock, Chunks: chunks, Nr: 41}
		return append(s.Append(nil), bytes.Repeat([]byte{7}, rest)...)
	}
	for _, c := range []struct {
		nsock  uint8
		chunks uint32
		rest   int
		ok     bool
	}{
		{0, 0, 0, true},
		{0, 0, 8, true}, // padding
		{1, 0, wire.SizeSock, true},
		{1, 0, wire.SizeSock - 1, false},
		{2, 16, 2*wire.SizeSock + 16, true},
		{2, 16, 2*wire.SizeSock + 15, false},
		{255, 0, wire.SizeSock, false},
		{0, 1<<32 - 1, 64, false},
	} {
		var s wire.Syscall
		socks, chunks, ok := wire.SyscallParts(make(c.nsock, c.chunks, c.rest), &s)
		if ok != c.ok {
			t.Errorf("%+v: ok = %v", c, ok)
			continue
		}
		if ok && (len(socks) != int(c.nsock)*wire.SizeSock || len(chunks) != int(c.chunks) || s.Nr != 41) {
			t.Errorf("%+v: %d bytes of sockets, %d of chunks, nr %d", c, len(socks), len(chunks), s.Nr)
		}
	}
	var s wire.Syscall
	if _, _, ok := wire.SyscallParts(make(0, 0, 0)[:wire.SizeSyscall-1], &s); ok {
		t.Error("a record without its end is accepted")
	}
}

// FuzzChunks checks that all data returned is inside the input, and that chunks survive a
// write and a read.
func FuzzChunks(f *testing.F) {
	f.Add(wire.AppendChunk(nil, wire.Chunk{Addr: 1}, []byte("abc")))
	f.Add(wire.AppendChunk(nil, wire.Chunk{Addr: 1, Len: 9, Flags: wire.ChunkFault}, nil))
	f.Add(binary.LittleEndian.AppendUint64(bytes.Repeat([]byte{0xff}, 12), 1))
	f.Add(wire.AppendAttr(wire.AppendAttr(nil, 1, "x"), 2, "yy"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var again []byte
		total, first := 0, pieces(b)
		for c, data := range wire.Chunks(b) {
			if c.Flags&wire.ChunkFault == 0 && len(data) != int(c.Len) {
				t.Fatalf("a chunk of %d bytes has %d", c.Len, len(data))
			}
			total += wire.SizeChunk + len(data)
			again = wire.AppendChunk(again, c, data)
		}
		if total > len(b) {
			t.Fatalf("%d bytes read of %d", total, len(b))
		}
		if got := pieces(again); !reflect.DeepEqual(got, first) {
			t.Fatalf("written again:\n got %+v\nwant %+v", got, first)
		}
		total = 0
		for _, v := range wire.Attrs(b) {
			total += wire.SizeAttr + len(v)
		}
		if total > len(b) {
			t.Fatalf("attributes of %d bytes read of %d", total, len(b))
		}
		var s wire.Syscall
		if socks, chunks, ok := wire.SyscallParts(b, &s); ok && wire.SizeSyscall+len(socks)+len(chunks) > len(b) {
			t.Fatal("a record holds more than it is long")
		}
	})
}
