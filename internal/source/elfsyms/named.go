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

// Source is a source of records; see pipeline.Source.
type Source interface {
	Header() wire.Header
	Run(ctx context.Context, emit func(wire.Record) error) error
}

// Named is a source that adds the names of functions of processes: in symbol records (wire.KindSymbol) with an
// offset in a mapped file (wire.TagModule) it replaces that by the function.
type Named struct {
	Source
	// Module opens a mapped file by its number. Named closes it.
	Module func(id uint32) (*os.File, error)

	open []module // in order of use, the most recently used one last
	buf  []byte
}

// module is an open file. names is nil if the file cannot be read.
type module struct {
	id    uint32
	file  *os.File
	names *File
}

const (
	// maxOpen is the maximum number of open files.
	maxOpen = 64
	// maxIndexed is the maximum number of functions in all indexes, at 8 bytes each.
	maxIndexed = 1 << 20
	// within is the timeout for reading a file, which may be on a file system that does not respond.
	within = time.Second
)

// Run emits the records of the source, with names of functions.
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

// name returns a symbol record with the name of the function, if it is known.
func (n *Named) name(r wire.Record) wire.Record {
	id := wire.AttrOf(r[wire.SizeSymbol:], wire.TagModule)
	if len(id) != 4 {
		return r
	}
	var y wire.Symbol
	y.Unmarshal(r)
	attrs := wire.AppendAttr(nil, wire.TagExe, string(wire.AttrOf(r[wire.SizeSymbol:], wire.TagExe)))
	// The address is after the call instruction; see names.Teller.
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
		n.open[len(n.open)-1].names = nil // timed out; the read may still be in progress
	}
	return p.name, p.into, p.ok
}

// module returns a file, opens it if necessary, and moves it to the end of the list.
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
		// A file that cannot be read has no names, and is not read again.
		m.names, _ = intime.Do(within, func() (*File, error) { return Open(f) })
	}
	n.open = append(n.open, m)
	for len(n.open) > 1 && n.indexed() > maxIndexed {
		n.drop()
	}
	return m
}

// indexed returns the number of functions in all indexes.
func (n *Named) indexed() (sum int) {
	for _, m := range n.open {
		if m.names != nil {
			sum += m.names.Len()
		}
	}
	return sum
}

// drop closes the least recently used file.
func (n *Named) drop() {
	if f := n.open[0].file; f != nil {
		f.Close()
	}
	n.open = slices.Delete(n.open, 0, 1)
}
