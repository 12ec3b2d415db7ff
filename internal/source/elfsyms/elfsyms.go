// Package elfsyms finds the names of functions in ELF files that processes have mapped. The files are not
// trusted, so memory is bounded: only a small index of each file is kept, and its tables are read when they
// are needed.
package elfsyms

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"

	"github.com/ulikunitz/xz/lzma"
)

const (
	// maxHeaders is the maximum number of bytes read of the headers of a file.
	maxHeaders = 8 << 20
	// maxSymbols is the maximum number of functions in the index of a file.
	maxSymbols = 1 << 20
	// maxUnfolded is the maximum size in bytes of the decompressed .gnu_debugdata, which is kept in memory.
	maxUnfolded = 8 << 20
	// maxFunction is the assumed maximum length in bytes of a function without a size.
	maxFunction = 1 << 20
	// maxName is the maximum length of a name, in bytes.
	maxName = 4096
	// chunk is the number of bytes of a table that are read at once: a multiple of both entry sizes.
	chunk = 48 << 10
)

// ErrNoCode means that a file has no executable segment.
var ErrNoCode = errors.New("no mapped parts")

// File finds functions of one file. It is not safe for concurrent use.
type File struct {
	r      io.ReaderAt // the file, which the caller closes
	loads  []load
	tables []*table
	golang *goTable // for programs without other tables
}

// load is an executable segment: size bytes at offset in the file, with the virtual address addr.
type load struct{ offset, size, addr uint64 }

// table is a symbol table: .symtab or .dynsym.
type table struct {
	r            io.ReaderAt
	order        binary.ByteOrder
	wide         bool // ELF64
	offset, size uint64
	names, end   uint64 // offsets of the start and the end of its string table
	base         uint64 // lowest address of code
	// index has the functions in order: the start address minus base in the high half, the index in the
	// table in the low half.
	index []uint64
}

// Open reads the headers of an ELF file and makes the index of its functions: those of .symtab and .dynsym, and
// those of the symbol table in .gnu_debugdata (an xz-compressed ELF file, which Fedora leaves in stripped
// files). If there are none it uses Go's function table.
func Open(r io.ReaderAt) (f *File, err error) {
	defer func() {
		// debug/elf may panic on a hostile file.
		if p := recover(); p != nil {
			f, err = nil, fmt.Errorf("not a readable ELF file: %v", p)
		}
	}()
	e, err := headers(r)
	if err != nil {
		return nil, err
	}
	f = &File{r: r}
	for _, p := range e.Progs {
		if p.Type == elf.PT_LOAD && p.Flags&elf.PF_X != 0 {
			f.loads = append(f.loads, load{p.Off, p.Filesz, p.Vaddr})
		}
	}
	if len(f.loads) == 0 {
		return nil, ErrNoCode
	}
	left := f.add(e, r, maxSymbols)
	if d := e.Section(".gnu_debugdata"); d != nil && left > 0 {
		if mini, r, err := unfold(d); err == nil {
			f.add(mini, r, left)
		}
	}
	if len(f.tables) == 0 {
		f.golang = goTableOf(e, r)
	}
	return f, nil
}

// headers reads the headers of a file, at most maxHeaders bytes.
func headers(r io.ReaderAt) (*elf.File, error) {
	return elf.NewFile(&budget{r: r, left: maxHeaders})
}

// budget is an io.ReaderAt that fails after left bytes have been requested.
type budget struct {
	r    io.ReaderAt
	left int
}

var errLong = errors.New("its headers are too long")

func (b *budget) ReadAt(p []byte, off int64) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errLong
	}
	return b.r.ReadAt(p, off)
}

// unfold decompresses the ELF file in .gnu_debugdata and reads its headers.
func unfold(d *elf.Section) (*elf.File, io.ReaderAt, error) {
	in := io.NewSectionReader(d.ReaderAt, 0, min(int64(d.FileSize), maxUnfolded))
	if err := xzHeaders(in); err != nil {
		return nil, nil, err
	}
	x, err := lzma.Reader2Config{DictCap: maxUnfolded}.NewReader2(in)
	if err != nil {
		return nil, nil, err
	}
	b, err := io.ReadAll(io.LimitReader(x, maxUnfolded))
	if err != nil {
		return nil, nil, err
	}
	r := bytes.NewReader(b)
	e, err := headers(r)
	return e, r, err
}

// xzHeaders reads the stream header and the first block header of an xz file (xz-file-format.txt, 2.1.1 and
// 3.1), and checks the dictionary size. xz.NewReader would allocate the size that the file requests, up to 4 GiB.
func xzHeaders(r io.Reader) error {
	b := make([]byte, 12+1024) // stream header, and the longest block header
	if _, err := io.ReadFull(r, b[:13]); err != nil {
		return err
	}
	if string(b[:6]) != "\xfd7zXZ\x00" {
		return errors.New("not an xz file")
	}
	block := b[12 : 12+(int(b[12])+1)*4]
	if _, err := io.ReadFull(r, block[1:]); err != nil {
		return err
	}
	flags, rest := block[1], block[2:]
	for _, size := range []byte{0x40, 0x80} { // flags: compressed size and uncompressed size are present
		if flags&size != 0 {
			_, n := binary.Uvarint(rest)
			if n <= 0 {
				return errXZ
			}
			rest = rest[n:]
		}
	}
	// One filter, LZMA2, with one byte of properties.
	if flags&3 != 0 || len(rest) < 3 || rest[0] != 0x21 || rest[1] != 1 {
		return errXZ
	}
	if size, err := lzma.DecodeDictCap(rest[2]); err != nil || size > maxUnfolded {
		return errXZ
	}
	return nil
}

var errXZ = errors.New("unsupported kind of xz file")

// add adds the symbol tables of a file to the index, with at most left functions. It returns how many more may
// be added.
func (f *File) add(e *elf.File, r io.ReaderAt, left int) int {
	for _, kind := range []elf.SectionType{elf.SHT_SYMTAB, elf.SHT_DYNSYM} {
		s := e.SectionByType(kind)
		if s == nil || int(s.Link) >= len(e.Sections) {
			continue
		}
		names := e.Sections[s.Link]
		t := &table{
			r: r, order: e.ByteOrder, wide: e.Class == elf.ELFCLASS64,
			offset: s.Offset, size: s.FileSize, names: names.Offset, end: names.Offset + names.FileSize,
			base: f.loads[0].addr,
		}
		for _, l := range f.loads {
			t.base = min(t.base, l.addr)
		}
		// Of a damaged table, the entries before the damage are used.
		t.read(left)
		if len(t.index) > 0 {
			f.tables = append(f.tables, t)
			left -= len(t.index)
		}
	}
	return left
}

// symbol is an entry of a symbol table (elf(5)).
type symbol struct {
	name       uint32 // offset in the string table
	addr, size uint64
	function   bool
}

func (t *table) entry() uint64 {
	if t.wide {
		return elf.Sym64Size
	}
	return elf.Sym32Size
}

// parse decodes one entry.
func (t *table) parse(b []byte) (s symbol) {
	var info byte
	var section uint16
	s.name = t.order.Uint32(b)
	if t.wide {
		info, section, s.addr, s.size = b[4], t.order.Uint16(b[6:]), t.order.Uint64(b[8:]), t.order.Uint64(b[16:])
	} else {
		s.addr, s.size, info, section = uint64(t.order.Uint32(b[4:])), uint64(t.order.Uint32(b[8:])), b[12], t.order.Uint16(b[14:])
	}
	kind := elf.ST_TYPE(info)
	s.function = (kind == elf.STT_FUNC || kind == elf.STT_GNU_IFUNC) && section != uint16(elf.SHN_UNDEF) && s.name != 0
	return s
}

// read makes the index.
func (t *table) read(most int) {
	size := t.entry()
	buf := make([]byte, chunk)
	for at := uint64(0); at+size <= t.size && at/size <= 1<<32-1; {
		b := buf[:min(uint64(len(buf)), (t.size-at)/size*size)]
		n, err := t.r.ReadAt(b, int64(t.offset+at))
		for b = b[:n]; uint64(len(b)) >= size; b, at = b[size:], at+size {
			s := t.parse(b)
			if s.function && s.addr >= t.base && s.addr-t.base < 1<<32 {
				if len(t.index) == most {
					break
				}
				t.index = append(t.index, (s.addr-t.base)<<32|at/size)
			}
		}
		if err != nil || len(t.index) == most {
			break
		}
	}
	slices.Sort(t.index)
}

// at reads one entry of the table.
func (t *table) at(i uint32) (symbol, bool) {
	b := make([]byte, t.entry())
	if _, err := t.r.ReadAt(b, int64(t.offset+uint64(i)*t.entry())); err != nil {
		return symbol{}, false
	}
	return t.parse(b), true
}

// find returns the function that contains an address. Several functions of different sizes may start at the same
// address. A function without a size is assumed to reach to the next one, but at most maxFunction.
func (t *table) find(addr uint64) (found symbol, ok bool) {
	if addr < t.base || addr-t.base >= 1<<32 {
		return found, false
	}
	i := sort.Search(len(t.index), func(i int) bool { return t.index[i]>>32 > addr-t.base }) - 1
	if i < 0 {
		return found, false
	}
	const alike = 16
	for begin, n := t.index[i]>>32, 0; i >= 0 && t.index[i]>>32 == begin && n < alike; i, n = i-1, n+1 {
		s, read := t.at(uint32(t.index[i]))
		if read && (addr-s.addr < s.size || s.size == 0 && addr-s.addr < maxFunction) {
			found, ok = s, true
		}
	}
	return found, ok
}

// name reads the name of a function.
func (t *table) name(s symbol) string {
	return textAt(t.r, t.names+uint64(s.name), t.end)
}

// textAt reads the NUL-terminated string at offset at. It returns an empty string if there is no NUL before end or
// within maxName bytes.
func textAt(r io.ReaderAt, at, end uint64) string {
	if at >= end || at > 1<<62 {
		return ""
	}
	b := make([]byte, min(256, end-at))
	for {
		n, err := r.ReadAt(b, int64(at))
		if i := bytes.IndexByte(b[:n], 0); i >= 0 {
			return string(b[:i])
		}
		if err != nil || len(b) >= maxName || uint64(len(b)) == end-at {
			return ""
		}
		b = make([]byte, min(maxName, end-at))
	}
}

// Len returns the number of functions in the index.
func (f *File) Len() (sum int) {
	for _, t := range f.tables {
		sum += len(t.index)
	}
	return sum
}

// Find returns the function at an offset of the file, and the offset in the function, in bytes; false if it is
// not known.
func (f *File) Find(offset uint64) (name string, into uint64, ok bool) {
	for _, l := range f.loads {
		if offset < l.offset || offset-l.offset >= l.size {
			continue
		}
		addr := offset - l.offset + l.addr
		if f.golang != nil {
			return f.golang.find(addr)
		}
		var best symbol
		var in *table
		for _, t := range f.tables {
			if s, ok := t.find(addr); ok && (in == nil || s.addr > best.addr) {
				best, in = s, t
			}
		}
		if in == nil {
			return "", 0, false
		}
		name = in.name(best)
		return name, addr - best.addr, name != ""
	}
	return "", 0, false
}
