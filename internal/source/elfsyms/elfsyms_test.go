package elfsyms

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/wire"
)

const program = `
__attribute__((noinline)) int first(int x) { return x * 3 + 1; }
__attribute__((noinline)) static int second(int x) { return first(x) * first(x + 1); }
int main(int argc, char **argv) { return second(argc); }
`

func run(t *testing.T, name string, arg ...string) {
	t.Helper()
	if out, err := exec.Command(name, arg...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, arg, err, out)
	}
}

// places returns the functions of a file according to debug/elf: their offsets in the file by name.
func places(t *testing.T, file string) map[string]uint64 {
	t.Helper()
	f, err := elf.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	list, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]uint64{}
	for _, s := range list {
		for _, p := range f.Progs {
			if p.Type == elf.PT_LOAD && elf.ST_TYPE(s.Info) == elf.STT_FUNC && s.Size > 0 && s.Value >= p.Vaddr && s.Value < p.Vaddr+p.Filesz {
				at[s.Name] = s.Value - p.Vaddr + p.Off
			}
		}
	}
	return at
}

func open(t *testing.T, file string) *File {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	e, err := Open(f)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return e
}

// tools skips the test if a tool that makes the files is not installed, unless PIDWIRE_MUST is set.
func tools(t *testing.T, names ...string) {
	t.Helper()
	for _, tool := range names {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("PIDWIRE_MUST") != "" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
}

// TestFiles reads a C program: as it is, as a 32-bit program, stripped, and with .gnu_debugdata.
func TestFiles(t *testing.T) {
	tools(t, "gcc", "objcopy", "strip", "xz")
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(in("p.c"), []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "gcc", "-O1", "-o", in("p"), in("p.c"))
	run(t, "strip", "-o", in("stripped"), in("p"))
	// Made as in the manual of gdb, section MiniDebugInfo.
	run(t, "objcopy", "--only-keep-debug", in("p"), in("mini"))
	run(t, "xz", "-f", in("mini"))
	run(t, "objcopy", "--add-section", ".gnu_debugdata="+in("mini.xz"), in("stripped"), in("withmini"))
	files := map[string]string{"p": "p", "stripped": "p", "withmini": "p"}
	if runtime.GOARCH == "amd64" {
		run(t, "gcc", "-m32", "-O1", "-nostartfiles", "-Wl,-e,main", "-o", in("p32"), in("p.c"))
		files["p32"] = "p32"
	}
	for file, like := range files {
		e, at := open(t, in(file)), places(t, in(like))
		for _, name := range []string{"first", "second", "main"} {
			if at[name] == 0 {
				t.Fatalf("debug/elf finds no %s in %s", name, like)
			}
			got, into, ok := e.Find(at[name] + 1)
			if want := file != "stripped"; ok != want || ok && (got != name || into != 1) {
				t.Errorf("%s: %s+1 is %s+%d, %v", file, name, got, into, ok)
			}
		}
		if name, _, ok := e.Find(1 << 40); ok {
			t.Errorf("%s: an offset behind the file has the name %s", file, name)
		}
	}
}

// TestGo reads Go's function table of a stripped program, fixed and position-independent, and compares it with
// the symbol table of the same program when it is not stripped.
func TestGo(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(in("g.go"), []byte("package main\n\n//go:noinline\nfunc inside() { println(1) }\nfunc main() { inside() }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{"exe", "pie"} {
		build := func(name, flags string) {
			t.Helper()
			cmd := exec.Command("go", "build", "-buildmode", mode, "-ldflags", flags, "-o", in(name), in("g.go"))
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
		build("whole", "")
		build("stripped", "-s -w")
		e, whole := open(t, in("stripped")), places(t, in("whole"))
		if e.golang == nil {
			t.Fatalf("%s: not read by Go's table", mode)
		}
		if whole["main.inside"] == 0 {
			t.Fatalf("%s: debug/elf finds no main.inside in it", mode)
		}
		right, wrong := 0, 0
		for name, at := range whole {
			// In the symbol table, names of assembly functions have a suffix with the ABI.
			got, into, ok := e.Find(at)
			if ok && into == 0 && (got == name || strings.HasPrefix(name, got+".") || strings.Contains(name, "go:")) {
				right++
			} else if wrong++; wrong < 10 {
				t.Logf("%s: %s is %s+%d, %v", mode, name, got, into, ok)
			}
		}
		if name, _, ok := e.Find(whole["main.inside"]); !ok || name != "main.inside" {
			t.Errorf("%s: main.inside is %q, %v", mode, name, ok)
		}
		if right < 1000 || wrong > right/100 {
			t.Errorf("%s: %d functions right, %d wrong", mode, right, wrong)
		}
	}
}

// TestHostile opens files whose headers claim more data than there is, and checks that they have no functions and do
// not use more memory than a valid file.
func TestHostile(t *testing.T) {
	// Elf64_Ehdr and one Elf64_Phdr of linux/elf.h: an executable segment, and no sections.
	var b bytes.Buffer
	ident := [elf.EI_NIDENT]byte{'\x7f', 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)}
	for _, part := range []any{
		elf.Header64{Ident: ident, Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: 1, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1, Shentsize: 64},
		elf.Prog64{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_X | elf.PF_R), Vaddr: 0x1000, Filesz: 1 << 20, Memsz: 1 << 20},
	} {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	at := func(b []byte, off int, v uint64, size int) []byte {
		b = bytes.Clone(b)
		for i := range size {
			b[off+i] = byte(v >> (8 * i))
		}
		return b
	}
	// Elf64_Ehdr: e_phoff 32, e_shoff 40, e_phnum 56, e_shnum 60.
	honest := b.Bytes()
	for name, c := range map[string]struct {
		b    []byte
		says string // part of the error; "": no error, and no functions
	}{
		"honest":                  {honest, ""},
		"sections beyond the end": {at(at(honest, 60, 1, 2), 40, 1<<40, 8), "behind the end"},
		"sections without number": {at(at(append(bytes.Clone(honest), make([]byte, 64)...), 40, 120, 8), 120+32, 0xffffffff, 8), "too long"},
		"sections of everything":  {at(at(honest, 60, 0xfeff, 2), 40, 4096, 8), ""},
		"program headers":         {at(honest, 56, 0xffff, 2), ""},
		"program headers beyond":  {at(honest, 32, 1<<40, 8), "behind the end"},
		"nothing":                 {nil, "magic"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		e, err := Open(sparse{bytes.NewReader(c.b), 1 << 40})
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 32<<20 {
			t.Errorf("%s: took %d bytes", name, took)
		}
		switch {
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: %v, want %q", name, err, c.says)
		case c.says == "" && (err != nil || e.Len() != 0):
			t.Errorf("%s: %v, %d functions", name, err, e.Len())
		}
	}
	// A dictionary of 4 GiB.
	for _, b := range []string{"\xfd7zXZ\x00\x00\x04\xe6\xd6\xb4\x46\x02\x00\x21\x01\x28\x00\x00\x00\x00\x00\x00\x00", "\xfd7zXZ", "PK"} {
		if err := xzHeaders(strings.NewReader(b)); err == nil {
			t.Errorf("%q was taken", b)
		}
	}
}

// sparse is a file that ends with a hole.
type sparse struct {
	r    *bytes.Reader
	size int64
}

func (s sparse) ReadAt(p []byte, off int64) (int, error) {
	clear(p)
	if off >= s.size {
		return 0, errors.New("behind the end")
	}
	_, _ = s.r.ReadAt(p, off)
	return len(p), nil
}

// TestManySymbols checks the limit of the index, and that names are found with it.
func TestManySymbols(t *testing.T) {
	tab := make([]byte, 0, 24*(maxSymbols+10))
	for i := range maxSymbols + 10 {
		tab = binary.LittleEndian.AppendUint32(tab, 1)
		tab = append(tab, byte(elf.STT_FUNC), 0, 1, 0)
		tab = binary.LittleEndian.AppendUint64(tab, 0x1000+uint64(i)*16)
		tab = binary.LittleEndian.AppendUint64(tab, 16)
	}
	names := uint64(len(tab))
	b := append(tab, "\x00name\x00"...)
	tb := &table{r: bytes.NewReader(b), order: binary.LittleEndian, wide: true, size: names, names: names, end: names + 6, base: 0x1000}
	tb.read(maxSymbols)
	if len(tb.index) != maxSymbols {
		t.Errorf("%d in the index", len(tb.index))
	}
	s, ok := tb.find(0x1000 + 16*1000 + 5)
	if !ok || s.addr != 0x1000+16*1000 || tb.name(s) != "name" {
		t.Errorf("%+v, %v", s, ok)
	}
}

type records []wire.Record

func (r records) Header() wire.Header { return wire.Header{} }

func (r records) Run(_ context.Context, emit func(wire.Record) error) error {
	for _, rec := range r {
		if err := emit(rec); err != nil {
			return err
		}
	}
	return emit(nil)
}

// TestNamed checks what Named does with symbol records, and that all files are closed at the end.
func TestNamed(t *testing.T) {
	tools(t, "gcc")
	dir := t.TempDir()
	file := filepath.Join(dir, "p")
	if err := os.WriteFile(file+".c", []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "gcc", "-O1", "-o", file, file+".c")
	at := places(t, file)
	symbol := func(id uint32, offset uint64, name string) wire.Record {
		var attrs []byte
		if id != 0 {
			attrs = wire.AppendAttr(attrs, wire.TagModule, string(binary.NativeEndian.AppendUint32(nil, id)))
		}
		if name != "" {
			attrs = wire.AppendAttr(attrs, wire.TagName, name)
		}
		attrs = wire.AppendAttr(attrs, wire.TagExe, "/p")
		y := wire.Symbol{H: wire.Hdr{Kind: wire.KindSymbol, Layer: wire.LayerKrn, Time: 7}, Addr: 100, Offset: offset, Pid: 3, Attrs: uint16(len(attrs))}
		return wire.Seal(append(y.Append(nil), attrs...))
	}
	end := wire.End{H: wire.Hdr{Kind: wire.KindEnd}}
	in := records{
		symbol(1, at["second"]+5+1, ""),
		symbol(1, 1, ""), // in no function
		symbol(0, 9, "of the kernel"),
		symbol(2, 77, ""), // not open
		wire.Seal(end.Append(nil)),
	}
	for i := range maxOpen + 10 {
		in = append(in, symbol(uint32(10+i), at["main"]+1, ""))
	}
	var opened []*os.File
	n := &Named{Source: in, Module: func(id uint32) (*os.File, error) {
		if id == 2 {
			return nil, errors.New("gone")
		}
		f, err := os.Open(file)
		opened = append(opened, f)
		return f, err
	}}
	var got []string
	most := 0
	err := n.Run(t.Context(), func(r wire.Record) error {
		if r == nil || r.Kind() != wire.KindSymbol {
			got = append(got, "other")
			return nil
		}
		var y wire.Symbol
		y.Unmarshal(r)
		attrs := r[wire.SizeSymbol:]
		if wire.AttrOf(attrs, wire.TagModule) != nil {
			t.Error("the number of a file goes on")
		}
		got = append(got, fmt.Sprintf("%s+%d in %s, %d", wire.AttrOf(attrs, wire.TagName), y.Offset, wire.AttrOf(attrs, wire.TagExe), int(y.Pid)))
		most = max(most, len(n.open))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"second+6 in /p, 3", "+1 in /p, 3", "of the kernel+9 in /p, 3", "+77 in /p, 3", "other"}
	for range maxOpen + 10 {
		want = append(want, "main+1 in /p, 3")
	}
	if want = append(want, "other"); !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if most != maxOpen || len(opened) != maxOpen+11 {
		t.Errorf("%d files were open at once, %d in all", most, len(opened))
	}
	for _, f := range opened {
		if _, err := f.Stat(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s is open still: %v", f.Name(), err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	if b, err := os.ReadFile("/bin/true"); err == nil {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := Open(bytes.NewReader(b)); err == nil {
			for _, l := range e.loads {
				e.Find(l.offset)
				e.Find(l.offset + l.size/2)
			}
		}
	})
}

func FuzzXZ(f *testing.F) {
	f.Add([]byte("\xfd7zXZ\x00\x00\x04\xe6\xd6\xb4\x46\x02\x00\x21\x01\x16\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) { _ = xzHeaders(bytes.NewReader(b)) })
}
