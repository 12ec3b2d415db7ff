package http2

import "golang.org/x/net/http2/hpack"

// maxTable bounds a dynamic table, in the bytes that HPACK counts. It is the size that both ends begin with; what a
// larger one has beyond it is not known.
const maxTable = 4096

// entrySize is what HPACK counts for an entry beside its name and its value.
const entrySize = 32

// table is the dynamic table of one direction (RFC 7541). Unlike that of package hpack it has a small memory, and it can begin in the middle of
// a stream: entries are numbered from the newest on, so those that were seen are right even if earlier ones were not.
type table struct {
	buf     []byte  // names and values, from the oldest entry on
	head    int     // where the oldest one begins
	list    []entry // from the oldest on
	size    int
	max     int
	partial bool // there may be older entries, which are not known
}

// entry is an entry of the table.
type entry struct {
	name, value uint16 // lengths
	unknown     bool   // its name was not known: neither is kept
}

func newTable(partial bool) table { return table{max: maxTable, partial: partial} }

func (t *table) held() int { return cap(t.buf) + cap(t.list)*6 }

// lose says that entries may have been added that were not seen.
func (t *table) lose() { *t = newTable(true) }

// resize changes the size as the encoder says.
func (t *table) resize(n int) {
	if n > maxTable {
		n, t.partial = maxTable, true
	}
	t.max = n
	t.evict(0)
}

// evict makes room for n bytes.
func (t *table) evict(n int) {
	gone := 0
	for gone < len(t.list) && t.size+n > t.max {
		e := t.list[gone]
		gone++
		t.head += int(e.name) + int(e.value)
		t.size -= int(e.name) + int(e.value) + entrySize
	}
	t.list = t.list[:copy(t.list, t.list[gone:])]
}

// add adds an entry; without a name it is an unknown one. The slices may not be those of the table.
func (t *table) add(name, value []byte) {
	if name == nil {
		value = nil
	}
	n := len(name) + len(value)
	if t.evict(n + entrySize); n+entrySize > t.max {
		return
	}
	if len(t.buf)+n > cap(t.buf) && t.head > 0 {
		t.buf = t.buf[:copy(t.buf, t.buf[t.head:])]
		t.head = 0
	}
	if need := len(t.buf) + n; need > cap(t.buf) {
		t.buf = append(make([]byte, 0, min(max(2*need, 256), max(need, maxTable))), t.buf...)
	}
	t.buf = append(append(t.buf, name...), value...)
	t.list = append(t.list, entry{uint16(len(name)), uint16(len(value)), name == nil})
	t.size += n + entrySize
}

// get copies the field with an index to scratch. A nil name is one that is not known.
func (t *table) get(i int, scratch *scratch) (name, value []byte, ok bool) {
	if i <= 0 {
		return nil, nil, false
	}
	if i <= len(static) {
		f := &static[i-1]
		return scratch.string(f[0]), scratch.string(f[1]), true
	}
	back := i - len(static)
	if back > len(t.list) {
		return nil, nil, t.partial
	}
	e := t.list[len(t.list)-back]
	if e.unknown {
		return nil, nil, true
	}
	end := len(t.buf)
	for _, later := range t.list[len(t.list)-back+1:] {
		end -= int(later.name) + int(later.value)
	}
	at := end - int(e.name) - int(e.value)
	return scratch.copy(t.buf[at : at+int(e.name)]), scratch.copy(t.buf[at+int(e.name) : end]), true
}

// scratch has the names and values of one block. Slices of it stay as they are when it grows; none is nil.
type scratch struct{ b []byte }

func newScratch() scratch { return scratch{make([]byte, 0, 512)} }

// Write is for hpack.HuffmanDecode.
func (s *scratch) Write(b []byte) (int, error) {
	s.b = append(s.b, b...)
	return len(b), nil
}

func (s *scratch) copy(b []byte) []byte {
	at := len(s.b)
	s.b = append(s.b, b...)
	return s.b[at:len(s.b):len(s.b)]
}

func (s *scratch) string(t string) []byte {
	at := len(s.b)
	s.b = append(s.b, t...)
	return s.b[at:len(s.b):len(s.b)]
}

// decode reads a header block and calls f for each field; a nil name is one that is not known. It reports whether
// the block could be read to its end.
func (t *table) decode(b []byte, s *scratch, f func(name, value []byte)) bool {
	for len(b) > 0 {
		var name, value []byte
		first, bits := b[0], 4 // not indexed, or never
		switch {
		case first&0x80 != 0:
			bits = 7 // indexed
		case first&0x40 != 0:
			bits = 6 // to be indexed
		case first&0x20 != 0:
			bits = 5 // the size of the table
		}
		i, rest, ok := integer(b, bits)
		if !ok {
			return false
		}
		b = rest
		switch {
		case bits == 5:
			t.resize(i)
			continue
		case bits == 7:
			if name, value, ok = t.get(i, s); !ok {
				return false
			}
			f(name, value)
			continue
		case i > 0:
			name, _, ok = t.get(i, s)
		default:
			name, b, ok = text(b, s)
		}
		if !ok {
			return false
		}
		if value, b, ok = text(b, s); !ok {
			return false
		}
		if bits == 6 {
			t.add(name, value)
		}
		f(name, value)
	}
	return true
}

// integer reads a number whose first byte has some bits of it (RFC 7541, 5.1).
func integer(b []byte, bits int) (n int, rest []byte, ok bool) {
	if len(b) == 0 {
		return 0, nil, false
	}
	most := 1<<bits - 1
	n = int(b[0]) & most
	b = b[1:]
	if n < most {
		return n, b, true
	}
	for shift := 0; shift <= 21 && len(b) > 0; shift += 7 {
		c := b[0]
		b = b[1:]
		if n += int(c&0x7f) << shift; c&0x80 == 0 {
			return n, b, true
		}
	}
	return 0, nil, false
}

// text reads a string, which may be compressed (RFC 7541, 5.2).
func text(b []byte, s *scratch) (out, rest []byte, ok bool) {
	if len(b) == 0 {
		return nil, nil, false
	}
	huffman := b[0]&0x80 != 0
	n, b, ok := integer(b, 7)
	if !ok || n > len(b) {
		return nil, nil, false
	}
	if !huffman {
		return b[:n:n], b[n:], true
	}
	at := len(s.b)
	if _, err := hpack.HuffmanDecode(s, b[:n]); err != nil {
		return nil, nil, false
	}
	return s.b[at:len(s.b):len(s.b)], b[n:], true
}
