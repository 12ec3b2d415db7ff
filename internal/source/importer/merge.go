package importer

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"iter"
	"strings"

	"github.com/pidwire/pidwire/internal/wire"
)

// Merged is the source for the files of strace -ff, which writes one for each thread. It
// emits the records in the order of their times, and those with equal times in the order
// of the files. It marks them with wire.TextApart.
type Merged struct {
	list   []*Source
	header wire.Header
}

// Merge returns a source for several files of strace. name is the target in its header.
func Merge(list []*Source, name string) *Merged {
	m := &Merged{list: list, header: list[0].header}
	m.header.Targets = []string{name}
	for _, s := range list[1:] {
		if s.header.Wall < m.header.Wall {
			m.header.Mono, m.header.Wall = s.header.Mono, s.header.Wall
		}
		m.header.Clock = max(m.header.Clock, s.header.Clock)
	}
	return m
}

// Header returns the header, which has the time of the first event of all files.
func (m *Merged) Header() wire.Header { return m.header }

// Run emits the records of all files, and a KindEnd. After an error in one file it
// continues with the others.
func (m *Merged) Run(ctx context.Context, emit func(wire.Record) error) error {
	errs := make([]error, len(m.list))
	var front fronts
	for i, s := range m.list {
		next, stop := iter.Pull(func(yield func(wire.Record) bool) {
			errs[i] = s.Run(ctx, func(r wire.Record) error {
				if r != nil && r.Kind() != wire.KindEnd && !yield(r) {
					return context.Canceled
				}
				return nil
			})
		})
		defer stop()
		f := &oneFile{n: i, next: next}
		if f.advance() {
			front = append(front, f)
		}
	}
	heap.Init(&front)
	last := m.header.Mono
	for len(front) > 0 {
		f := front[0]
		r := f.rec
		if r.Kind() == wire.KindText && len(r) >= wire.SizeText {
			r[wire.OffTextFlags] |= wire.TextApart
		}
		last = max(last, r.Time())
		if err := emit(r); err != nil {
			return err
		}
		if f.advance() {
			heap.Fix(&front, 0)
		} else {
			heap.Pop(&front)
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	e := wire.End{H: wire.Hdr{Kind: wire.KindEnd, Time: last}, Reason: wire.EndDetached}
	if err := emit(wire.Seal(e.Append(nil))); err != nil {
		return err
	}
	return errors.Join(append(errs, emit(nil))...)
}

// oneFile is one of the files, with its current record.
type oneFile struct {
	n    int
	next func() (wire.Record, bool)
	rec  wire.Record
	at   uint64 // time of rec, or of an earlier record if that is later
}

func (f *oneFile) advance() bool {
	r, ok := f.next()
	if !ok {
		return false
	}
	f.rec = append(f.rec[:0], r...)
	f.at = max(f.at, r.Time())
	return true
}

// fronts is a heap of files by the time of their current records.
type fronts []*oneFile

func (h fronts) Len() int { return len(h) }
func (h fronts) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(h[i].at, h[j].at), cmp.Compare(h[i].n, h[j].n)) < 0
}
func (h fronts) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *fronts) Push(x any)   { *h = append(*h, x.(*oneFile)) }
func (h *fronts) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// OfThread reports whether the name of a file is like those of strace -ff (prefix.pid), and
// returns the prefix with the dot.
func OfThread(name string) (prefix string, ok bool) {
	at := strings.LastIndexByte(name, '.')
	if at <= 0 || pidOf(name) == 0 {
		return "", false
	}
	return name[:at+1], true
}
