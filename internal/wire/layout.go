package wire

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
)

/*
New fields of a struct are appended at its end, and PW_WIRE_VERSION is incremented.
The header of a recording has a table of the struct sizes at the time of writing. A
reader of any version uses it to convert each record to the sizes that it knows: fields
that the reader does not know are cut off, fields that the file lacks are zero.
docs/decisions/0012-sizes-in-the-header.md gives the reasons.
*/

// Ids of structs nested in records; the table of sizes has them and the kinds. Hdr, Attr
// and items without a struct (addresses, stack frames) have a fixed size: to change it
// requires a new fileFormat.
const (
	partSock = 0x8000 + iota
	partOwner
	partChunk
)

// shape describes a struct to the reader.
type shape struct {
	name string // for messages
	now  int    // size in this version, bytes
	v1   int    // size in version 1, whose files have no table, bytes
	own  int    // offset of a pw_owner in it; 0: none
}

// shapes has all structs of recordings, by kind or part.
var shapes = map[uint16]shape{
	KindSyscall:  {"calls", SizeSyscall, 136, 0},
	KindUring:    {"io_uring requests", SizeUring, 104, 0},
	KindProc:     {"processes", SizeProc, 88, 0},
	KindSock:     {"open sockets", SizeSocksnap, 32, 0},
	KindLost:     {"losses", SizeLost, 32, 0},
	KindClock:    {"clocks", SizeClock, 32, 0},
	KindName:     {"names", SizeName, 32, 0},
	KindNote:     {"notes", SizeNote, 24, 0},
	KindEnd:      {"ends", SizeEnd, 24, 0},
	KindReady:    {"epoll instances", SizeReady, 56, 0},
	KindPacket:   {"packets", SizePacket, 112, OffPacketOwner},
	KindHandover: {"handovers", SizeHandover, 96, OffHandoverOwner},
	KindState:    {"TCP states", SizeState, 176, OffStateOwner},
	KindAudit:    {"audit events", SizeAudit, 88, 0},
	KindText:     {"lines of other tools", SizeText, 56, 0},
	KindKernel:   {"kernel events", SizeKernel, 176, OffKernelOwner},
	KindSymbol:   {"symbols", SizeSymbol, 40, 0},
	KindFunc:     {"functions", SizeFunc, 216, OffFuncOwner},
	KindFact:     {"facts", SizeFact, 32, 0},
	partSock:     {"sockets", SizeSock, 80, 0},
	partOwner:    {"owners", SizeOwner, 64, 0},
	partChunk:    {"chunks of memory", SizeChunk, 16, 0},
}

// Known reports whether a record is of a kind that this version knows.
func (r Record) Known() bool {
	k := r.Kind()
	return int(k) < len(known) && known[k]
}

// known tells which kinds are in shapes. It is faster than the map, for Known is called
// for each record.
var known = func() (list [64]bool) {
	for id := range shapes {
		if id < partSock {
			list[id] = true
		}
	}
	return list
}()

// maxSize is the largest struct size that a reader accepts, in bytes.
const maxSize = 4096

// appendSizes appends the table of sizes: u16 id and u16 bytes of each struct, sorted by id.
func appendSizes(b []byte) []byte {
	for _, id := range slices.Sorted(maps.Keys(shapes)) {
		b = binary.LittleEndian.AppendUint16(b, id)
		b = binary.LittleEndian.AppendUint16(b, uint16(shapes[id].now))
	}
	return b
}

// Layout has the struct sizes of a recording. It is not safe for concurrent use.
type Layout struct {
	sizes map[uint16]int // of the file, by kind or part
	same  bool           // all sizes equal those of this version
	buf   []byte
}

// newLayout parses a table of sizes. A nil table means the sizes of version 1.
func newLayout(table []byte) (*Layout, error) {
	l := &Layout{sizes: map[uint16]int{}, same: true}
	for id, s := range shapes {
		l.sizes[id] = s.v1
	}
	for ; len(table) >= 4; table = table[4:] {
		id, size := binary.LittleEndian.Uint16(table), int(binary.LittleEndian.Uint16(table[2:]))
		least := SizeHdr
		if id >= partSock {
			least = 8
		}
		if size < least || size > maxSize || size%8 != 0 {
			return nil, fmt.Errorf("struct %#x has %d bytes", id, size)
		}
		if _, ok := shapes[id]; ok {
			l.sizes[id] = size
		}
	}
	for id, s := range shapes {
		if s.own != 0 && l.sizes[id] < s.own+l.sizes[partOwner] {
			return nil, fmt.Errorf("struct %#x has %d bytes, and holds one of %d", id, l.sizes[id], l.sizes[partOwner])
		}
		l.same = l.same && l.sizes[id] == s.now
	}
	return l, nil
}

// longer describes the fields that only the file has; "" if there are none.
func (l *Layout) longer() string {
	var list []string
	for _, id := range slices.Sorted(maps.Keys(shapes)) {
		if n := l.sizes[id] - shapes[id].now; n > 0 {
			list = append(list, fmt.Sprintf("%d bytes of each of the %s", n, shapes[id].name))
		}
	}
	return strings.Join(list, ", ")
}

// Convert converts a record of the file to the struct sizes of this version. The result
// is valid until the next call, and is r itself if the sizes are the same. A record
// shorter than its struct becomes a bare Hdr.
func (l *Layout) Convert(r Record) (Record, error) {
	if l.same || !r.Known() {
		return r, nil
	}
	b := l.convert(l.buf[:0], r)
	if len(b) > maxBlock {
		return nil, fmt.Errorf("a record of %d bytes", len(b))
	}
	if cap(b) <= maxKept {
		l.buf = b
	}
	return Record(b), nil
}

// maxKept is the largest buffer that Convert keeps for the next record, in bytes.
const maxKept = 1 << 20

// convert appends r with the struct sizes of this version.
func (l *Layout) convert(b []byte, r Record) []byte {
	at, kind := len(b), r.Kind()
	s, size := shapes[kind], l.sizes[kind]
	if len(r) < size {
		b = append(b, r[:SizeHdr]...)
		binary.LittleEndian.PutUint32(b[at:], SizeHdr)
		return b
	}
	if s.own == 0 {
		b = resize(b, r[:size], s.now)
	} else {
		owner := l.sizes[partOwner]
		b = append(b, r[:s.own]...)
		b = resize(b, r[s.own:s.own+owner], SizeOwner)
		b = resize(b, r[s.own+owner:size], s.now-s.own-SizeOwner)
	}
	fixed, rest := b[at:len(b):len(b)], r[size:]
	take := func(n int) (part []byte) {
		n = min(n, len(rest))
		part, rest = rest[:n], rest[n:]
		return part
	}
	socks := func(n int) {
		for ; n > 0 && len(rest) >= l.sizes[partSock]; n-- {
			b = resize(b, take(l.sizes[partSock]), SizeSock)
		}
	}
	switch kind {
	case KindSyscall:
		socks(int(fixed[OffSyscallNsock]))
		begin := len(b)
		b = l.chunks(b, take(int(min(uint32(len(rest)), binary.LittleEndian.Uint32(fixed[OffSyscallChunks:])))))
		binary.LittleEndian.PutUint32(b[at+OffSyscallChunks:], uint32(len(b)-begin))
	case KindUring:
		socks(int(fixed[OffUringNsock]))
	case KindSock:
		socks(1)
	case KindState:
		socks(1)
		b = l.owners(b, rest)
		rest = nil
	case KindKernel:
		b = append(b, take(16*int(fixed[OffKernelNaddr]))...)
		socks(int(fixed[OffKernelNsock]))
	case KindText:
		b = append(b, take(padded(binary.LittleEndian.Uint32(fixed[OffTextText:])))...)
		socks(int(fixed[OffTextNsock]))
	case KindAudit:
		b = append(b, take(padded(binary.LittleEndian.Uint32(fixed[OffAuditText:])))...)
		// The record of the call may follow; an audit record may not, which bounds the recursion.
		if call := Record(rest); (call.Kind() == KindSyscall || call.Kind() == KindText) && len(b)%8 == at%8 {
			b = l.convert(b, call)
			rest = nil
		}
	}
	b = append(b, rest...)
	for (len(b)-at)%8 != 0 {
		b = append(b, 0)
	}
	binary.LittleEndian.PutUint32(b[at:], uint32(len(b)-at))
	return b
}

// resize appends s, truncated or zero-padded to size.
func resize(b, s []byte, size int) []byte {
	b = append(b, s[:min(len(s), size)]...)
	for n := len(s); n < size; n++ {
		b = append(b, 0)
	}
	return b
}

// padded rounds n up to a multiple of 8.
func padded(n uint32) int { return int((uint64(n) + 7) &^ 7) }

// chunks appends a list of chunks with the Chunk size of this version. A trailing
// fragment is appended as it is.
func (l *Layout) chunks(b, list []byte) []byte {
	head := l.sizes[partChunk]
	for len(list) >= head {
		at := len(b)
		b = resize(b, list[:head], SizeChunk)
		var c Chunk
		c.Unmarshal(b[at:])
		list = list[head:]
		if c.Flags&ChunkFault != 0 {
			continue
		}
		n := min(padded(c.Len), len(list))
		b = append(b, list[:n]...)
		list = list[n:]
	}
	return append(b, list...)
}

// owners appends attributes. It converts the value of TagOwners to the Owner size of
// this version.
func (l *Layout) owners(b, attrs []byte) []byte {
	each := l.sizes[partOwner]
	if each == SizeOwner {
		return append(b, attrs...)
	}
	for len(attrs) >= SizeAttr {
		tag, n := binary.LittleEndian.Uint16(attrs), int(binary.LittleEndian.Uint16(attrs[2:]))
		end := min(SizeAttr+(n+3)&^3, len(attrs))
		if tag != TagOwners || SizeAttr+n > len(attrs) {
			b, attrs = append(b, attrs[:end]...), attrs[end:]
			continue
		}
		at := len(b)
		b = append(b, attrs[:SizeAttr]...)
		for v := attrs[SizeAttr : SizeAttr+n]; len(v) >= each && len(b)-at-SizeAttr <= 0xffff-SizeOwner; v = v[each:] {
			b = resize(b, v[:each], SizeOwner)
		}
		binary.LittleEndian.PutUint16(b[at+2:], uint16(len(b)-at-SizeAttr))
		attrs = attrs[end:]
	}
	return append(b, attrs...)
}

// Unknown counts records of kinds that this version does not know.
type Unknown struct {
	by     map[uint16]uint64
	others uint64 // records of kinds beyond maxUnknown
}

// maxUnknown bounds the number of kinds that are counted separately.
const maxUnknown = 16

// Add counts a record.
func (u *Unknown) Add(r Record) {
	if u.by == nil {
		u.by = map[uint16]uint64{}
	}
	if _, ok := u.by[r.Kind()]; !ok && len(u.by) >= maxUnknown {
		u.others++
		return
	}
	u.by[r.Kind()]++
}

// Text describes the counts for a message; "" if there are none.
func (u *Unknown) Text() string {
	var list []string
	for _, kind := range slices.Sorted(maps.Keys(u.by)) {
		list = append(list, fmt.Sprintf("%d of kind %d", u.by[kind], kind))
	}
	if u.others > 0 {
		list = append(list, fmt.Sprintf("%d of other kinds", u.others))
	}
	if len(list) == 0 {
		return ""
	}
	return "skipped records of unknown kinds: " + strings.Join(list, ", ")
}
