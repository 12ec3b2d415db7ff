//go:build linux

package usyms

import (
	"bytes"
	"debug/elf"
	"debug/gosym"
	"errors"
	"fmt"
	"io"
	"sort"

	"github.com/ulikunitz/xz"
)

// symbols are the functions of a file, by where they are mapped from.
type symbols struct {
	addrs []uint64 // as the file's own addresses
	ends  []uint64
	names []string
	loads []load
}

// load is a part of a file that is mapped: at addr, in the file's own count.
type load struct{ offset, size, addr uint64 }

const (
	// maxTable bounds a table of symbols, and maxSymbols what is kept of it.
	maxTable   = 256 << 20
	maxSymbols = 1 << 20
	// maxDebug bounds what .gnu_debugdata unfolds to.
	maxDebug = 64 << 20
)

// errNoCode says that a file has no code that could be named.
var errNoCode = errors.New("no mapped parts")

// Read reads the functions of an ELF file: of .symtab and .dynsym, of the symbol
// table in .gnu_debugdata (an xz-compressed ELF file: what Fedora leaves in
// stripped ones), and if none of these has any, of Go's own table.
func Read(r io.ReaderAt) (s *symbols, err error) {
	defer func() {
		// The file is what a process has made of it: whatever it is, it ends nobody here.
		if p := recover(); p != nil {
			s, err = nil, fmt.Errorf("not an ELF file that can be read: %v", p)
		}
	}()
	f, err := elf.NewFile(r)
	if err != nil {
		return nil, err
	}
	s = &symbols{}
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD && p.Flags&elf.PF_X != 0 {
			s.loads = append(s.loads, load{p.Off, p.Filesz, p.Vaddr})
		}
	}
	if len(s.loads) == 0 {
		return nil, errNoCode
	}
	s.table(f)
	if d := f.Section(".gnu_debugdata"); d != nil && d.Size < maxTable {
		if mini, err := unfold(d); err == nil {
			s.table(mini)
		}
	}
	if len(s.addrs) == 0 {
		s.golang(f)
	}
	sort.Sort(s)
	return s, nil
}

// unfold reads the ELF file in .gnu_debugdata.
func unfold(d *elf.Section) (*elf.File, error) {
	x, err := xz.NewReader(d.Open())
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(x, maxDebug))
	if err != nil {
		return nil, err
	}
	return elf.NewFile(bytes.NewReader(b))
}

// table takes in the symbol tables of a file.
func (s *symbols) table(f *elf.File) {
	for _, t := range []struct {
		kind elf.SectionType
		read func() ([]elf.Symbol, error)
	}{{elf.SHT_SYMTAB, f.Symbols}, {elf.SHT_DYNSYM, f.DynamicSymbols}} {
		if sec := f.SectionByType(t.kind); sec == nil || sec.Size > maxTable {
			continue
		}
		list, err := t.read()
		if err != nil {
			continue // a table that is damaged has no names
		}
		for i := range list {
			y := &list[i]
			kind := elf.ST_TYPE(y.Info)
			if (kind == elf.STT_FUNC || kind == elf.STT_GNU_IFUNC) && y.Section != elf.SHN_UNDEF && y.Name != "" {
				s.add(y.Value, y.Size, y.Name)
			}
		}
	}
}

// golang takes in the functions of Go's runtime table, which stripped programs
// have too.
func (s *symbols) golang(f *elf.File) {
	sec := f.Section(".gopclntab")
	if sec == nil || sec.Size > maxTable {
		return
	}
	b, err := sec.Data()
	if err != nil {
		return
	}
	var text uint64
	if t := f.Section(".text"); t != nil {
		text = t.Addr
	}
	table, err := gosym.NewTable(nil, gosym.NewLineTable(b, text))
	if err != nil {
		return
	}
	for i := range table.Funcs {
		fn := &table.Funcs[i]
		if fn.Sym != nil && fn.End > fn.Entry {
			s.add(fn.Entry, fn.End-fn.Entry, fn.Name)
		}
	}
}

func (s *symbols) add(addr, size uint64, name string) {
	if len(s.addrs) < maxSymbols {
		s.addrs, s.ends, s.names = append(s.addrs, addr), append(s.ends, addr+size), append(s.names, name)
	}
}

// Len, Less and Swap order the functions by address.
func (s *symbols) Len() int           { return len(s.addrs) }
func (s *symbols) Less(i, j int) bool { return s.addrs[i] < s.addrs[j] }
func (s *symbols) Swap(i, j int) {
	s.addrs[i], s.addrs[j] = s.addrs[j], s.addrs[i]
	s.ends[i], s.ends[j] = s.ends[j], s.ends[i]
	s.names[i], s.names[j] = s.names[j], s.names[i]
}

// find returns the function at an offset of the file, and how far into it.
func (s *symbols) find(offset uint64) (name string, into uint64, ok bool) {
	for _, l := range s.loads {
		if offset < l.offset || offset-l.offset >= l.size {
			continue
		}
		addr := offset - l.offset + l.addr
		i := sort.Search(len(s.addrs), func(i int) bool { return s.addrs[i] > addr }) - 1
		// Several may begin at one place, of different length; one without a length
		// reaches to the next.
		for ; i >= 0; i-- {
			if addr < s.ends[i] || s.ends[i] == s.addrs[i] {
				return s.names[i], addr - s.addrs[i], true
			}
			if s.addrs[i]+maxFunction < addr {
				break
			}
			if i > 0 && s.addrs[i-1] != s.addrs[i] {
				break // between functions
			}
		}
		return "", 0, false
	}
	return "", 0, false
}

// maxFunction is how far behind its begin an address may be that is still taken
// to be in a function whose length is not known.
const maxFunction = 1 << 20
