package elfsyms

import (
	"debug/elf"
	"encoding/binary"
	"io"
	"sort"
)

// goTable is the function table of the Go runtime, which stripped programs have too (src/runtime/symtab.go,
// types pcHeader and functab; src/debug/gosym/pclntab.go has all its versions).
type goTable struct {
	r      io.ReaderAt
	order  binary.ByteOrder
	text   uint64 // base of the addresses in the table
	from   uint64 // offset of the section in the file
	end    uint64 // end of the section in the file
	ptr    uint64 // size of a pointer
	field  uint64 // size of a field of the function table
	count  int    // number of functions
	tab    uint64 // offset of the function table in the section
	funcs  uint64 // base of the offsets in the function table
	names  uint64 // offset of the names in the section
	failed bool   // a read has failed
}

// Magic numbers of the versions of the table.
const (
	go12  = 0xfffffffb
	go116 = 0xfffffffa
	go118 = 0xfffffff0
	go120 = 0xfffffff1
)

// goTableOf returns the table of a program, or nil if it has none that can be read.
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

// number reads a number of 1, 4 or 8 bytes at an offset in the section. On an error it returns 0 and sets failed.
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

// begin returns the start address of function i. For i == count it is the end of the last function.
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
	// The offset of the name is the second field of the function's record, after its start address.
	name = textAt(t.r, t.from+t.names+t.number(info+t.field, 4), t.end)
	return name, addr - begin, name != "" && !t.failed
}
