package elfsyms

import (
	"debug/elf"
	"encoding/binary"
	"io"
	"sort"
)

// goTable is the function table of Go's runtime, which stripped programs have too (src/runtime/symtab.go,
// type pcHeader and functab; src/debug/gosym/pclntab.go has all its versions).
type goTable struct {
	r      io.ReaderAt
	order  binary.ByteOrder
	text   uint64 // what the table's addresses count from
	from   uint64 // the section: from, to
	end    uint64
	ptr    uint64 // size of a pointer
	field  uint64 // size of a field of the function table
	count  int
	tab    uint64 // the function table, in the section
	funcs  uint64 // what its offsets count from
	names  uint64
	failed bool
}

// Magic numbers of the table's versions.
const (
	go12  = 0xfffffffb
	go116 = 0xfffffffa
	go118 = 0xfffffff0
	go120 = 0xfffffff1
)

// goTableOf returns the table of a program, nil if it has none that can be read.
func goTableOf(e *elf.File, r io.ReaderAt) *goTable {
	s := e.Section(".gopclntab")
	if s == nil {
		s = e.Section(".data.rel.ro.gopclntab")
	}
	text := e.Section(".text")
	if s == nil || text == nil || s.FileSize < 64 {
		return nil
	}
	t := &goTable{r: r, order: e.ByteOrder, text: text.Addr, from: s.Offset, end: s.Offset + s.FileSize, ptr: 4, field: 4}
	magic := t.number(0, 4)
	if t.ptr = t.number(7, 1); t.ptr != 4 && t.ptr != 8 {
		return nil
	}
	word := func(i uint64) uint64 { return t.number(8+i*t.ptr, t.ptr) }
	count := word(0)
	switch magic {
	case go118, go120:
		t.names, t.funcs = word(3), word(7)
		t.tab = t.funcs
	case go116:
		t.text, t.field = 0, t.ptr
		t.names, t.funcs = word(2), word(6)
		t.tab = t.funcs
	case go12:
		t.text, t.field = 0, t.ptr
		t.tab = 8 + t.ptr
	default:
		return nil
	}
	if t.failed || count == 0 || count > s.FileSize/(2*t.field) {
		return nil
	}
	t.count = int(count)
	return t
}

// number reads one of so many bytes at a place of the section; 0 where there is none.
func (t *goTable) number(at, bytes uint64) uint64 {
	var b [8]byte
	if at > t.end-t.from || bytes > t.end-t.from-at {
		t.failed = true
		return 0
	}
	if _, err := t.r.ReadAt(b[:bytes], int64(t.from+at)); err != nil {
		t.failed = true
		return 0
	}
	switch bytes {
	case 1:
		return uint64(b[0])
	case 4:
		return uint64(t.order.Uint32(b[:]))
	}
	return t.order.Uint64(b[:])
}

// begin returns where a function begins; that of the one behind the last is its end.
func (t *goTable) begin(i int) uint64 {
	return t.text + t.number(t.tab+uint64(i)*2*t.field, t.field)
}

func (t *goTable) find(addr uint64) (name string, into uint64, ok bool) {
	t.failed = false
	i := sort.Search(t.count+1, func(i int) bool { return t.begin(i) > addr }) - 1
	if i < 0 || i == t.count || t.failed {
		return "", 0, false
	}
	begin := t.begin(i)
	info := t.funcs + t.number(t.tab+uint64(i)*2*t.field+t.field, t.field)
	// Of the function's own record the name is the second field, behind its begin.
	name = textAt(t.r, t.from+t.names+t.number(info+t.field, 4), t.end)
	return name, addr - begin, name != "" && !t.failed
}
