// Package capture is the source for packet captures: pcapng and pcap files of any
// tool (draft-ietf-opsawg-pcapng, draft-ietf-opsawg-pcap), files of Solaris' snoop
// (RFC 1761), and files of sink/pcapng, whose records are restored as they were. It needs
// no privilege, and runs on any system.
//
// In a file of another tool, the process of a packet is taken from option 8 of the packet
// (process and thread), from a comment in the format of sink/pcapng, or from a comment of
// ptcpdump, and is marked with wire.PacketClaimed. Entries of the systemd journal ("rows"
// below) become notes. Names, secrets and unknown blocks are skipped.
//
// Memory is bounded for any input: a block has at most 16 MiB, a packet 1 MiB, a
// section 65,536 interfaces.
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
	maxParts    = 4 << 20 // bytes of records in a row; no call has a megabyte
	maxIfaces   = 1 << 16
	maxPacket   = 1 << 20  // bytes of a packet; snapshot lengths are at most 256 KiB
	maxNote     = 32 << 10 // bytes of the text of a note
	maxName     = 256      // bytes of the name of an interface
	checkEvery  = 1024     // records between two checks of the context
	linkNull    = 0
	linkLoop    = 108
	linkSLL     = 113
	linkSLL2    = 276
	linkUnknown = 0xffff
)

// ErrNotCapture means that a file does not begin like a capture.
var ErrNotCapture = errors.New("neither pcapng nor pcap")

// Sniff reports whether b, the first bytes of a file, is the beginning of a capture. 12
// bytes are enough.
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
	rec    []byte      // buffer for the current record
	pkt    wire.Packet // current packet
	keys   keys        // of the comment of the current packet
	sent   int
	latest uint64 // latest time of a record

	ng    bool
	snoop bool
	big   bool     // the file or section is big-endian
	nano  bool     // pcap: times are in ns
	link  uint16   // pcap, snoop: link type
	drops uint32   // snoop: cumulative drops of the previous packet
	ifs   []iface  // interfaces of the section
	seen  uint32   // number of interfaces of all sections
	news  []ifname // names of interfaces that are not sent yet

	ours    bool         // the header is from a row, and the records in rows are valid with it
	prolog  []byte       // prologue in the first row
	layout  *wire.Layout // of the records in rows
	later   string       // describes records that this version cannot read
	unknown wire.Unknown
	part    []byte // decoded parts of the field that continues in the next row
	told    bool   // a note about unreadable records in rows has been sent
	end     []byte // the KindEnd record, to be sent last
	closed  bool   // a block of statistics was the last one
}

// New returns a source for r. It reads up to the first packet or row. name is the target in
// the header. It returns ErrNotCapture, a *wire.NewerError, a *wire.DamageError or a
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

// Header returns the header, which has the time of the first packet. In a file of
// sink/pcapng it is that of the recording.
func (s *Source) Header() wire.Header { return s.header }

// begin sets the start of the timeline. Files use the wall clock, which also takes the place
// of the monotonic one.
func (s *Source) begin(ns int64) {
	s.header.Mono, s.header.Wall = uint64(ns), uint64(ns)
}

// Run emits all records. At the end of a complete file it emits a KindEnd and returns nil.
// After all readable records it returns replay.ErrNotClosed if a file of sink/pcapng
// has no end, a *wire.CutError if the file ends inside a block, or a *wire.DamageError if
// it is invalid from there on.
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

// emitError wraps an error of emit, after which emit is not called again.
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

// send emits a record, and before it the names of new interfaces.
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

// mono converts a wall clock time to the monotonic clock of the header.
func (s *Source) mono(ns int64) uint64 { return uint64(ns) - s.header.Wall + s.header.Mono }

// packet emits s.pkt, after setting its header and lengths. l2 and data are its bytes, length
// is its length on the wire.
func (s *Source) packet(ns int64, l2, data []byte, length uint32) error {
	data = data[:min(len(data), maxPacket)] // length shows that it is truncated
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

// note emits a note. degraded means that data of the file is missing.
func (s *Source) note(time uint64, degraded bool, text string) error {
	n := wire.Note{H: wire.Hdr{Kind: wire.KindNote, Time: time}, Level: wire.NoteInfo}
	if degraded {
		n.Level = wire.NoteDegraded
	}
	attrs := wire.AppendAttr(nil, wire.TagText, text[:min(len(text), maxNote)])
	n.Attrs = uint16(len(attrs))
	return s.send(wire.Seal(append(n.Append(nil), attrs...)))
}

// damage returns an error with the offset and the reason why the rest of the file cannot be read.
func (s *Source) damage(format string, args ...any) error {
	return &wire.DamageError{Offset: s.in.off, What: fmt.Sprintf(format, args...) + "; everything before that was read"}
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

// input is a buffered reader.
type input struct {
	r    io.Reader
	buf  []byte
	at   int          // index in buf of the next byte
	off  int64        // offset in the file of the next byte
	err  error        // error of r, which is not read again
	wait func() error // called before each read from r, which may block; may be nil
}

// ahead is the minimum number of bytes to read at a time.
const ahead = 256 << 10

// peek returns the next n bytes without consuming them; fewer only at the end of the file.
// They are valid until the next call.
func (in *input) peek(n int) ([]byte, error) {
	if len(in.buf)-in.at < n {
		if err := in.fill(n); err != nil {
			return nil, err
		}
	}
	return in.buf[in.at:min(in.at+n, len(in.buf))], nil
}

// skip consumes n bytes that peek has returned.
func (in *input) skip(n int) {
	in.at += n
	in.off += int64(n)
}

func (in *input) fill(n int) error {
	const patience = 100 // maximum number of empty reads in a row
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

// whole returns the next n bytes without consuming them. It returns io.EOF if there are none,
// and a *wire.CutError if there are fewer.
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
