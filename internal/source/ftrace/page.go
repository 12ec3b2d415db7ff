//go:build linux

package ftrace

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Kinds of events.
const (
	Enter = iota
	Leave
	Leaf // entry and return, with no traced function in between
)

// Event is the entry of a function, its return, or both.
type Event struct {
	Time  uint64 // CLOCK_MONOTONIC ns; the time of the entry for a Leaf
	Dur   uint64 // ns; 0 for Enter
	Func  uint64 // address of the ftrace call site in the function
	TID   uint32
	CPU   uint16
	Depth uint16 // number of traced functions around it
	Kind  uint8
}

// layout describes the pages of the running kernel and the two events of function_graph.
// Both differ between versions, and are documented in tracefs
// (events/header_page, events/ftrace/funcgraph_entry/format).
type layout struct {
	commit, data int // offsets of the length of the events, and of the events
	size         int // size of a page
	enter, leave format
}

// format has the offsets of the fields of an event.
type format struct {
	id                                   uint16
	pid, fn, depth, calltime, rettime, n int // n: minimum length of the event
}

// field parses a line of a format file: name, offset and size of a field.
func field(line string) (name string, offset, size int, ok bool) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(line), "field:")
	if !ok {
		return "", 0, 0, false
	}
	parts := strings.Split(rest, ";")
	words := strings.Fields(parts[0])
	if len(words) == 0 || len(parts) < 3 {
		return "", 0, 0, false
	}
	offset, err1 := strconv.Atoi(strings.TrimPrefix(strings.TrimSpace(parts[1]), "offset:"))
	size, err2 := strconv.Atoi(strings.TrimPrefix(strings.TrimSpace(parts[2]), "size:"))
	ok = err1 == nil && err2 == nil && offset >= 0 && size >= 0 && offset < maxPage && size < maxPage
	return words[len(words)-1], offset, size, ok
}

// maxPage is the maximum size of a page of the ring buffer (buffer_subbuf_size_kb).
const maxPage = 1 << 20

// parsePage parses events/header_page.
func (l *layout) parsePage(text string) error {
	for line := range strings.Lines(text) {
		switch name, offset, size, ok := field(line); {
		case !ok:
		case name == "commit":
			if size != 8 {
				return fmt.Errorf("header_page: a commit of %d bytes", size)
			}
			l.commit = offset
		case name == "data":
			l.data, l.size = offset, offset+size
		}
	}
	if l.commit < 8 || l.data < l.commit+8 || l.size <= l.data {
		return errors.New("header_page: no field commit or data")
	}
	return nil
}

// parseFormat parses events/ftrace/.../format.
func parseFormat(text string, want ...string) (f format, err error) {
	at := map[string]int{}
	for line := range strings.Lines(text) {
		if id, ok := strings.CutPrefix(line, "ID: "); ok {
			n, err := strconv.ParseUint(strings.TrimSpace(id), 10, 16)
			if err != nil {
				return f, fmt.Errorf("format: %q", strings.TrimSpace(line))
			}
			f.id = uint16(n)
		}
		name, offset, size, ok := field(line)
		if !ok {
			continue
		}
		for _, w := range want {
			if name != w {
				continue
			}
			// depth has 4 bytes, or 8 since 6.15. Only the low 4 are used, as its values are small.
			if least := map[string]int{"common_pid": 4, "depth": 4}[w]; size < max(least, 4) || least == 0 && size != 8 {
				return f, fmt.Errorf("format: %s of %d bytes", name, size)
			}
			at[w] = offset
			f.n = max(f.n, offset+size)
		}
	}
	for _, w := range want {
		if _, ok := at[w]; !ok {
			return f, fmt.Errorf("format: no field %s", w)
		}
	}
	f.pid, f.fn, f.depth, f.calltime, f.rettime = at["common_pid"], at["func"], at["depth"], at["calltime"], at["rettime"]
	return f, nil
}

// Special values of type_len of an event (include/linux/ring_buffer.h).
const (
	typePadding    = 29
	typeTimeExtend = 30
	typeTimeStamp  = 31

	missedEvents = 1 << 31 // flag in commit: events were lost before this page
	missedStored = 1 << 30 // flag in commit: their number is stored after the events
	commitMask   = missedStored - 1
)

var errPage = errors.New("an unreadable page of the ring buffer")

// page appends the events of a page to list, and returns the number of events lost before
// it, which is 1 if the kernel does not give the number. It ignores events of other types.
func (l *layout) page(p []byte, cpu uint16, list []Event) (_ []Event, lost uint64, err error) {
	if len(p) < l.data {
		return list, 0, errPage
	}
	now := binary.LittleEndian.Uint64(p)
	commit := binary.LittleEndian.Uint64(p[l.commit:])
	data := p[l.data:]
	n := int(commit & commitMask)
	if n > len(data) {
		return list, 0, errPage
	}
	if commit&missedEvents != 0 {
		lost = 1
		if commit&missedStored != 0 && n+8 <= len(data) {
			lost = max(1, binary.LittleEndian.Uint64(data[n:]))
		}
	}
	first := len(list)
	data = data[:n]
	for len(data) >= 4 {
		head := binary.LittleEndian.Uint32(data)
		kind, delta := head&31, uint64(head>>5)
		data = data[4:]
		length := 4 * int(kind)
		if kind == 0 || kind >= typePadding {
			if len(data) < 4 {
				break // padding to the end of the page has no length
			}
			word := binary.LittleEndian.Uint32(data)
			switch kind {
			case typeTimeExtend:
				now += delta + uint64(word)<<27
				data = data[4:]
				continue
			case typeTimeStamp:
				// It has 59 bits; the others are taken from the previous time.
				now = now&^(1<<59-1) | (delta + uint64(word)<<27)
				data = data[4:]
				continue
			case typePadding:
				if delta == 0 {
					return list, lost, nil // padding to the end of the page
				}
				length = int(word)
			default:
				length = int(word) - 4
				data = data[4:]
				if length < 0 {
					return list, lost, errPage
				}
			}
		}
		now += delta
		length = (length + 3) &^ 3
		if length > len(data) || length < 0 {
			return list, lost, errPage
		}
		if kind != typePadding {
			list = l.event(data[:length], now, cpu, list, first)
		}
		data = data[length:]
	}
	return list, lost, nil
}

// event appends one event to list. A return directly after its entry is merged to a Leaf, if the entry is
// at or after the index first, which is the first one of this page.
func (l *layout) event(b []byte, at uint64, cpu uint16, list []Event, first int) []Event {
	if len(b) < 2 {
		return list
	}
	u32 := func(i int) uint32 { return binary.LittleEndian.Uint32(b[i:]) }
	u64 := func(i int) uint64 { return binary.LittleEndian.Uint64(b[i:]) }
	depth := func(i int) uint16 { return uint16(min(max(int32(u32(i)), 0), 1<<15)) }
	id := binary.LittleEndian.Uint16(b)
	switch {
	case id == l.enter.id && len(b) >= l.enter.n:
		f := &l.enter
		return append(list, Event{Time: at, Func: u64(f.fn), TID: u32(f.pid), CPU: cpu, Depth: depth(f.depth), Kind: Enter})
	case id == l.leave.id && len(b) >= l.leave.n:
		f := &l.leave
		e := Event{Time: at, Func: u64(f.fn), TID: u32(f.pid), CPU: cpu, Depth: depth(f.depth), Kind: Leave}
		e.Dur = u64(f.rettime) - min(u64(f.rettime), u64(f.calltime))
		if len(list) > first {
			if p := &list[len(list)-1]; p.Kind == Enter && p.Func == e.Func && p.TID == e.TID && p.Depth == e.Depth {
				p.Kind, p.Dur = Leaf, e.Dur
				return list
			}
		}
		return append(list, e)
	}
	return list
}
