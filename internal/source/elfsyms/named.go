package elfsyms

import (
	"context"
	"encoding/binary"
	"os"
	"slices"
	"time"

	"github.com/pidwire/pidwire/internal/source/intime"
	"github.com/pidwire/pidwire/internal/wire"
)

// Source is a source of records, as pipeline has it.
type Source interface {
	Header() wire.Header
	Run(ctx context.Context, emit func(wire.Record) error) error
}

// Named is a source that names functions of processes: where a symbol's record (wire.KindSymbol) tells the
// place in a mapped file, by wire.TagModule, it gives the function there instead.
type Named struct {
	Source
	// Module opens such a file by its number. Named closes it.
	Module func(id uint32) (*os.File, error)

	open []module // the one that was asked last stands last
	buf  []byte
}

// module is an open file; names is nil where it has none that can be read.
type module struct {
	id    uint32
	file  *os.File
	names *File
}

const (
	// maxOpen bounds the files that are open, and so their indexes.
	maxOpen = 64
	// maxIndexed bounds the functions in the indexes of all of them, 8 bytes each.
	maxIndexed = 1 << 20
	// within is how long a file may take to be read: it may be on a file system that does not answer.
	within = time.Second
)

// Run emits the records of the source.
func (n *Named) Run(ctx context.Context, emit func(wire.Record) error) error {
	defer func() {
		for len(n.open) > 0 {
			n.drop()
		}
	}()
	return n.Source.Run(ctx, func(r wire.Record) error {
		if r != nil && r.Kind() == wire.KindSymbol && len(r) >= wire.SizeSymbol {
			r = n.name(r)
		}
		return emit(r)
	})
}

// name returns a record of a symbol with the function's name, if it is known.
func (n *Named) name(r wire.Record) wire.Record {
	id := wire.AttrOf(r[wire.SizeSymbol:], wire.TagModule)
	if len(id) != 4 {
		return r
	}
	var y wire.Symbol
	y.Unmarshal(r)
	attrs := wire.AppendAttr(nil, wire.TagExe, string(wire.AttrOf(r[wire.SizeSymbol:], wire.TagExe)))
	// The place is behind the call; see names.Teller.
	if name, into, ok := n.find(binary.NativeEndian.Uint32(id), y.Offset-1); ok {
		y.Offset = into + 1
		attrs = wire.AppendAttr(attrs, wire.TagName, name)
	}
	y.Attrs = uint16(len(attrs))
	n.buf = append(y.Append(n.buf[:0]), attrs...)
	return wire.Seal(n.buf)
}

func (n *Named) find(id uint32, offset uint64) (name string, into uint64, ok bool) {
	m := n.module(id)
	if m.names == nil {
		return "", 0, false
	}
	type place struct {
		name string
		into uint64
		ok   bool
	}
	names := m.names
	p, err := intime.Do(within, func() (p place, err error) {
		p.name, p.into, p.ok = names.Find(offset)
		return p, nil
	})
	if err != nil {
		n.open[len(n.open)-1].names = nil // it does not answer, and may still be at it
	}
	return p.name, p.into, p.ok
}

// module returns an open file, and puts it at the end of the list.
func (n *Named) module(id uint32) module {
	if i := slices.IndexFunc(n.open, func(m module) bool { return m.id == id }); i >= 0 {
		m := n.open[i]
		n.open = append(slices.Delete(n.open, i, i+1), m)
		return m
	}
	if len(n.open) >= maxOpen {
		n.drop()
	}
	m := module{id: id}
	if f, err := n.Module(id); err == nil {
		m.file = f
		// What cannot be read has no names, and is not tried again.
		m.names, _ = intime.Do(within, func() (*File, error) { return Open(f) })
	}
	n.open = append(n.open, m)
	for len(n.open) > 1 && n.indexed() > maxIndexed {
		n.drop()
	}
	return m
}

// indexed is how many functions are in the indexes.
func (n *Named) indexed() (sum int) {
	for _, m := range n.open {
		if m.names != nil {
			sum += m.names.Len()
		}
	}
	return sum
}

// drop closes the file that was not asked for the longest time.
func (n *Named) drop() {
	if f := n.open[0].file; f != nil {
		f.Close()
	}
	n.open = slices.Delete(n.open, 0, 1)
}
