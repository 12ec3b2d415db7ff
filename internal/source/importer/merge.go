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

// Merged is the source of the files that strace -ff writes, one for each thread,
// in the order of their times; what has one time stays in the order of the files.
// Its lines say that (wire.TextApart).
type Merged struct {
	list   []*Source
	header wire.Header
}

// Merge returns the source of several that read strace. The first record of each
// has been read.
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

// Header says when the first event of all was.
func (m *Merged) Header() wire.Header { return m.header }

// Run emits the records of all, and a KindEnd. A file that cannot be read to its
// end does not end the others.
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

// oneFile is a file of several, and its record at hand.
type oneFile struct {
	n    int
	next func() (wire.Record, bool)
	rec  wire.Record
	at   uint64 // its time, or that of the one before it
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

// fronts are the records at hand, the earliest first.
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

// OfThread reports whether a file is one of those that strace -ff writes, and
// what their names have in common.
func OfThread(name string) (prefix string, ok bool) {
	at := strings.LastIndexByte(name, '.')
	if at <= 0 || pidOf(name) == 0 {
		return "", false
	}
	return name[:at+1], true
}
