// Package capture is the source of a packet capture: pcapng and pcap files of
// whatever tool (draft-ietf-opsawg-pcapng, draft-ietf-opsawg-pcap), those of
// Solaris' snoop (RFC 1761), and those that sink/pcapng wrote, whose records
// come back as they were. It needs no privilege, and runs on any system.
//
// In a file of another tool a packet's process is what the file says of it, and
// is marked so (wire.PacketClaimed): by option 8 of the packet (process and
// thread), by a comment as sink/pcapng writes it, or by one of ptcpdump. Rows of
// the systemd journal become notes. Names, secrets and blocks that are not known
// are skipped.
//
// Memory is bounded, whatever the file holds: a block has 16 MiB at most, of which
// a packet has 1 MiB, a section 65,536 interfaces.
package capture

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/pidwire/pidwire/internal/source/replay"
	"github.com/pidwire/pidwire/internal/wire"
)

const (
	magicNG     = 0x0a0d0d0a
	magicMicro  = 0xa1b2c3d4
	magicNano   = 0xa1b23c4d
	magicOrder  = 0x1a2b3c4d
	magicPatch  = 0xa1b2cd34 // Kuznetzov's, of Linux 2.2
	pcapHead    = 24
	pcapPacket  = 16
	maxBlock    = 16 << 20
	maxParts    = 4 << 20 // bytes of a row of records: no call has a megabyte of its own
	maxIfaces   = 1 << 16
	maxPacket   = 1 << 20  // bytes of a packet: no snapshot length is above 256 KiB
	maxNote     = 32 << 10 // bytes of a note's text
	maxName     = 256      // bytes of an interface's name
	checkEvery  = 1024     // packets between two looks at the context
	linkNull    = 0
	linkLoop    = 108
	linkSLL     = 113
	linkSLL2    = 276
	linkUnknown = 0xffff
)

// ErrNotCapture says that a file does not begin as a capture does.
var ErrNotCapture = errors.New("neither pcapng nor pcap")

// Sniff reports whether b, the first bytes of a file, begins a capture. 12 are
// enough.
func Sniff(b []byte) bool {
	if len(b) < 4 {
		return false
	}
	if isSnoop(b) {
		return true
	}
	big, little := binary.BigEndian.Uint32(b), binary.LittleEndian.Uint32(b)
	switch {
	case little == magicNG:
		return len(b) < 12 || binary.BigEndian.Uint32(b[8:]) == magicOrder || binary.LittleEndian.Uint32(b[8:]) == magicOrder
	case isPcap(big), isPcap(little):
		return true
	}
	return false
}

func isSnoop(b []byte) bool { return bytes.HasPrefix(b, []byte(magicSnoop)) }

func isPcap(magic uint32) bool {
	return magic == magicMicro || magic == magicNano || magic == magicPatch
}

// Source reads a capture.
type Source struct {
	in     input
	header wire.Header
	emit   func(wire.Record) error
	ctx    context.Context
	rec    []byte      // the record at hand
	pkt    wire.Packet // the packet at hand
	keys   keys        // of its comment
	sent   int
	latest uint64 // time of a record

	ng    bool
	snoop bool
	big   bool     // byte order of the file, or the section
	nano  bool     // pcap
	link  uint16   // pcap, snoop
	drops uint32   // snoop: of the packet before
	ifs   []iface  // of the section
	seen  uint32   // interfaces in all
	news  []ifname // names of interfaces that are not sent yet

	ours    bool         // header is of the rows, and so are their records
	prolog  []byte       // as it stands in the first row
	layout  *wire.Layout // of the records in rows
	later   string       // what of them this version cannot read
	unknown wire.Unknown
	part    []byte // what the next row's field begins with
	told    bool   // that rows hold records which cannot be read
	end     []byte // the last record, kept for last
	closed  bool   // statistics came last
}

// New reads up to the first packet or row. name is what the header has as its
// target. It returns ErrNotCapture, a *wire.NewerError, a *wire.DamageError or a
// *wire.CutError, or the error of r.
func New(r io.Reader, name string) (*Source, error) {
	s := &Source{in: input{r: r}}
	s.header = wire.Header{Version: wire.WireVersion, Arch: "amd64", Layers: 1 << wire.LayerPkt}
	if name != "" {
		s.header.Targets = []string{name}
	}
	b, err := s.in.peek(12)
	switch {
	case err != nil:
		return nil, err
	case !Sniff(b):
		return nil, ErrNotCapture
	}
	s.snoop, s.ng = isSnoop(b), binary.LittleEndian.Uint32(b) == magicNG
	switch {
	case s.snoop:
		err = s.snoopHeader()
	case s.ng:
		err = s.prime()
	default:
		err = s.pcapHeader()
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Header says when the first packet was; in a file of ours it is what the
// recording had.
func (s *Source) Header() wire.Header { return s.header }

// begin sets the zero of the timeline. The clock of a file is the wall clock,
// and stands in for the monotonic one, too.
func (s *Source) begin(ns int64) {
	s.header.Mono, s.header.Wall = uint64(ns), uint64(ns)
}

// Run emits every record. At the end of a whole file it emits a KindEnd and
// returns nil. After everything before it returns replay.ErrNotClosed, if a
// file of ours has no end; a *wire.CutError, where the file ends inside a block;
// a *wire.DamageError, where it stops making sense.
func (s *Source) Run(ctx context.Context, emit func(wire.Record) error) error {
	s.ctx, s.emit, s.latest = ctx, emit, s.header.Mono
	s.in.wait = func() error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := emit(nil); err != nil {
			return &emitError{err}
		}
		return nil
	}
	if s.later != "" {
		if err := s.note(s.latest, true, s.later); err != nil {
			return errors.Unwrap(err)
		}
	}
	next := s.nextPcap
	switch {
	case s.snoop:
		next = s.nextSnoop
	case s.ng:
		next = s.nextBlock
	}
	for {
		err := next()
		if err == nil {
			continue
		}
		if err == io.EOF {
			err = s.finish()
		}
		var emitted *emitError
		switch {
		case errors.As(err, &emitted):
			return emitted.error
		case ctx.Err() != nil:
			return ctx.Err()
		}
		return errors.Join(emit(nil), err)
	}
}

// emitError is an error of emit, which is not called again then.
type emitError struct{ error }

func (e *emitError) Unwrap() error { return e.error }

func (s *Source) finish() error {
	if text := s.unknown.Text(); text != "" {
		if err := s.note(s.latest, true, text); err != nil {
			return err
		}
	}
	if s.end == nil {
		if s.ours && !s.closed {
			return replay.ErrNotClosed
		}
		e := wire.End{H: wire.Hdr{Kind: wire.KindEnd, Time: s.latest}, Reason: wire.EndDetached}
		s.end = wire.Seal(e.Append(nil))
	}
	return s.pass(s.end)
}

// send emits a record, and what is to be said before it.
func (s *Source) send(r wire.Record) error {
	if len(s.news) > 0 {
		if err := s.sendNames(); err != nil {
			return err
		}
	}
	if s.sent++; s.sent%checkEvery == 0 {
		if err := s.ctx.Err(); err != nil {
			return err
		}
	}
	s.closed = false
	return s.pass(r)
}

func (s *Source) pass(r wire.Record) error {
	s.latest = max(s.latest, r.Time())
	if err := s.emit(r); err != nil {
		return &emitError{err}
	}
	return nil
}

// mono turns a time of the wall clock into one of the header's.
func (s *Source) mono(ns int64) uint64 { return uint64(ns) - s.header.Wall + s.header.Mono }

// packet emits s.pkt, which is complete but for its header and lengths: l2 and
// data are its bytes, length is what it had on the wire.
func (s *Source) packet(ns int64, l2, data []byte, length uint32) error {
	data = data[:min(len(data), maxPacket)] // its length on the wire says that there was more
	p := &s.pkt
	p.Caplen = uint32(len(l2) + len(data))
	p.Len = length
	n := (wire.SizePacket + len(l2) + len(data) + 7) &^ 7
	p.H.Len, p.H.Kind, p.H.Time = uint32(n), wire.KindPacket, s.mono(ns)
	b := append(append(p.Append(s.rec[:0]), l2...), data...)
	for len(b) < n {
		b = append(b, 0)
	}
	s.rec = b
	return s.send(b)
}

// note emits what the source has to say; degraded means that something of the
// file is not in what follows.
func (s *Source) note(time uint64, degraded bool, text string) error {
	n := wire.Note{H: wire.Hdr{Kind: wire.KindNote, Time: time}, Level: wire.NoteInfo}
	if degraded {
		n.Level = wire.NoteDegraded
	}
	attrs := wire.AppendAttr(nil, wire.TagText, text[:min(len(text), maxNote)])
	n.Attrs = uint16(len(attrs))
	return s.send(wire.Seal(append(n.Append(nil), attrs...)))
}

// damage says where and why the file cannot be read on.
func (s *Source) damage(format string, args ...any) error {
	return &wire.DamageError{Offset: s.in.off, What: fmt.Sprintf(format, args...) + "; what is before that has been read"}
}

func (s *Source) u16(b []byte) uint16 {
	if s.big {
		return binary.BigEndian.Uint16(b)
	}
	return binary.LittleEndian.Uint16(b)
}

func (s *Source) u32(b []byte) uint32 {
	if s.big {
		return binary.BigEndian.Uint32(b)
	}
	return binary.LittleEndian.Uint32(b)
}

func (s *Source) u64(b []byte) uint64 {
	if s.big {
		return binary.BigEndian.Uint64(b)
	}
	return binary.LittleEndian.Uint64(b)
}

// input is a reader with what was read ahead of it.
type input struct {
	r    io.Reader
	buf  []byte
	at   int          // in buf: what is before is used up
	off  int64        // in the file, of at
	err  error        // of r, which is not asked again
	wait func() error // before r is asked for more, which may take long; may be nil
}

// ahead is how much is read at a time.
const ahead = 256 << 10

// peek returns the next n bytes, which stay the next ones; fewer only at the end
// of the file. They are good until the next call.
func (in *input) peek(n int) ([]byte, error) {
	if len(in.buf)-in.at < n {
		if err := in.fill(n); err != nil {
			return nil, err
		}
	}
	return in.buf[in.at:min(in.at+n, len(in.buf))], nil
}

// skip takes n bytes that peek has returned.
func (in *input) skip(n int) {
	in.at += n
	in.off += int64(n)
}

func (in *input) fill(n int) error {
	const patience = 100 // empty reads
	if need := max(n, ahead); cap(in.buf)-in.at < need {
		b := in.buf[:0]
		if cap(b) < need {
			b = make([]byte, 0, need)
		}
		in.buf, in.at = append(b, in.buf[in.at:]...), 0
	}
	for empty := 0; len(in.buf)-in.at < n && in.err == nil; {
		if in.wait != nil {
			if err := in.wait(); err != nil {
				return err
			}
		}
		got, err := in.r.Read(in.buf[len(in.buf):cap(in.buf)])
		in.buf, in.err = in.buf[:len(in.buf)+got], err
		if empty++; got > 0 {
			empty = 0
		} else if empty > patience {
			in.err = io.ErrNoProgress
		}
	}
	if len(in.buf)-in.at < n && in.err != io.EOF {
		return in.err
	}
	return nil
}

// whole returns the next n bytes. It returns io.EOF where there is none, and a
// *wire.CutError where there are fewer.
func (in *input) whole(n int) ([]byte, error) {
	b, err := in.peek(n)
	switch {
	case err != nil:
		return nil, err
	case len(b) == n:
		return b, nil
	case len(b) == 0:
		return nil, io.EOF
	}
	return nil, &wire.CutError{Offset: in.off + int64(len(b))}
}
