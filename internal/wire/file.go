package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

/*
A .pidwire file is a prologue and blocks:

	prologue  8 bytes magic, u32 format, u32 length of the header, the header's
	          attributes, u32 CRC-32C of them, padding to 8
	block     u32 magic, u32 length, u32 CRC-32C, u32 number of records;
	          then the records

A block is written whole. If the writer is killed the last block may be cut:
its whole records are still read.
*/

const (
	fileMagic  = "PIDWIRE\n"
	fileFormat = 1
	blockMagic = 0x31425750 // "PWB1"
	blockHead  = 16
	// blockFill is when a block is written. A record that does not fit makes
	// a block of its own.
	blockFill = 64 << 10
	// maxBlock bounds what a reader accepts as a block, in bytes.
	maxBlock = 4 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Magic is how a .pidwire file begins.
const Magic = fileMagic

// Writer writes a recording. It is for one goroutine.
type Writer struct {
	w     io.Writer
	block []byte
	count uint32
	err   error // of w: nothing is written behind half a block
}

// NewWriter writes the prologue to w. w gets one Write a block.
func NewWriter(w io.Writer, h Header) (*Writer, error) {
	head := h.marshal()
	b := append([]byte(nil), fileMagic...)
	b = binary.LittleEndian.AppendUint32(b, fileFormat)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(head)))
	b = append(b, head...)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(head, castagnoli))
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	if _, err := w.Write(b); err != nil {
		return nil, err
	}
	return &Writer{w: w, block: make([]byte, blockHead, blockFill+blockHead)}, nil
}

// Write adds a record; its bytes are copied.
func (w *Writer) Write(r Record) error {
	if w.err != nil {
		return w.err
	}
	if len(w.block)+len(r) > blockFill && w.count > 0 {
		if err := w.Flush(); err != nil {
			return err
		}
	}
	w.block = append(w.block, r...)
	w.count++
	return nil
}

// Flush writes what is not written yet as a block.
func (w *Writer) Flush() error {
	if w.err != nil || w.count == 0 {
		return w.err
	}
	payload := w.block[blockHead:]
	binary.LittleEndian.PutUint32(w.block[0:], blockMagic)
	binary.LittleEndian.PutUint32(w.block[4:], uint32(len(payload)))
	binary.LittleEndian.PutUint32(w.block[8:], crc32.Checksum(payload, castagnoli))
	binary.LittleEndian.PutUint32(w.block[12:], w.count)
	_, w.err = w.w.Write(w.block)
	w.block, w.count = w.block[:blockHead], 0
	return w.err
}

// DamageError says where a recording stops making sense. Everything before
// Offset has been read.
type DamageError struct {
	Offset int64
	What   string
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("damaged at offset %d: %s", e.Offset, e.What)
}

// CutError says that a recording ends in the middle, as after a kill -9 of
// its writer. Every whole record before that has been read.
type CutError struct {
	Offset int64 // where the file ends
}

func (e *CutError) Error() string {
	return fmt.Sprintf("cut short at offset %d: read up to the last whole record", e.Offset)
}

// ErrNotRecording says that a file does not begin as a recording does.
var ErrNotRecording = errors.New("not a pidwire recording")

// NewerError says that a recording was written by a later version.
type NewerError struct{ Format uint32 }

func (e *NewerError) Error() string {
	return fmt.Sprintf("written by a newer pidwire (format %d, this one reads up to %d)", e.Format, fileFormat)
}

// Reader reads a recording.
type Reader struct {
	Header Header
	Layout *Layout // of the file; Next has converted its records

	version uint16 // of the file
	r       *bufio.Reader
	off     int64  // of the next byte of r
	start   int64  // offset in the file of the current block
	left    uint32 // records that the block still promises
	buf     []byte // the current block
	rest    []byte // of it, what is not read yet
	base    int64  // offset in the file of the end of rest
	err     error  // what follows rest; a *CutError: the block is cut
}

// NewReader reads the prologue. A recording of a later version is read as far as
// its header says how; Later says what is not. It returns ErrNotRecording, a *NewerError, a
// *DamageError or a *CutError, or the error of r.
func NewReader(r io.Reader) (*Reader, error) {
	rd := &Reader{r: bufio.NewReaderSize(r, 256<<10)}
	head := make([]byte, len(fileMagic)+8)
	err := rd.full(head)
	cut := (*CutError)(nil)
	if begun := min(rd.off, int64(len(fileMagic))); err == io.EOF ||
		(err == nil || errors.As(err, &cut)) && string(head[:begun]) != fileMagic[:begun] {
		return nil, ErrNotRecording
	}
	if err != nil {
		return nil, err
	}
	switch f := binary.LittleEndian.Uint32(head[8:]); {
	case f > fileFormat:
		return nil, &NewerError{f}
	case f < fileFormat:
		return nil, &DamageError{8, fmt.Sprintf("format %d, which there never was", f)}
	}
	n := binary.LittleEndian.Uint32(head[12:])
	if n > maxHeader {
		return nil, &DamageError{12, fmt.Sprintf("a header of %d bytes", n)}
	}
	attrs := make([]byte, (n+4+7)&^7)
	if err := rd.full(attrs); err == io.EOF {
		return nil, &CutError{rd.off}
	} else if err != nil {
		return nil, err
	}
	if crc32.Checksum(attrs[:n], castagnoli) != binary.LittleEndian.Uint32(attrs[n:]) {
		return nil, &DamageError{16, "the header's checksum is wrong"}
	}
	if err := rd.Header.unmarshal(attrs[:n]); err != nil {
		return nil, &DamageError{16, err.Error()}
	}
	table := AttrOf(attrs[:n], tagSizes)
	rd.version = rd.Header.Version
	if rd.version > WireVersion {
		if table == nil {
			return nil, &NewerError{uint32(rd.version)}
		}
		rd.Header.Version = WireVersion
	}
	if rd.Layout, err = newLayout(table); err != nil {
		return nil, &DamageError{16, err.Error()}
	}
	if !rd.Layout.same {
		rd.Header.Version = WireVersion
	}
	return rd, nil
}

// Later says what a recording of a later version has that is not read; empty where
// it is of this version or an earlier one.
func (r *Reader) Later() string {
	longer := r.Layout.longer()
	if longer == "" && r.version <= WireVersion {
		return ""
	}
	text := fmt.Sprintf("recorded by a later pidwire (records of version %d, this one knows version %d)", r.version, WireVersion)
	if longer != "" {
		text += ": not read are the last " + longer
	}
	return text
}

// full fills b. A short file is a CutError; no byte at all is io.EOF.
func (r *Reader) full(b []byte) error {
	n, err := io.ReadFull(r.r, b)
	r.off += int64(n)
	if err == io.ErrUnexpectedEOF || err == io.EOF && len(b) > 0 && n > 0 {
		return &CutError{r.off}
	}
	return err
}

// Next returns the next record, which is good until the next call. At the end it
// returns io.EOF, or a *CutError or *DamageError.
func (r *Reader) Next() (Record, error) {
	for len(r.rest) == 0 {
		if r.err == nil && r.left != 0 {
			r.err = &DamageError{r.start, fmt.Sprintf("a block lacks %d of its records", r.left)}
		}
		if r.err != nil {
			return nil, r.err
		}
		r.nextBlock()
	}
	at := r.base - int64(len(r.rest))
	if len(r.rest) < SizeHdr {
		return nil, r.stop(at, "half a record")
	}
	n := binary.LittleEndian.Uint32(r.rest)
	if n < SizeHdr || n%8 != 0 || n > maxBlock {
		// No cut makes such a record.
		r.err = nil
		return nil, r.stop(at, fmt.Sprintf("a record of %d bytes", n))
	}
	if uint64(n) > uint64(len(r.rest)) {
		return nil, r.stop(at, fmt.Sprintf("a record of %d bytes where %d are left", n, len(r.rest)))
	}
	if r.left == 0 {
		r.err = nil
		return nil, r.stop(r.start, "a block has more records than it says")
	}
	r.left--
	rec := Record(r.rest[:n:n])
	r.rest = r.rest[n:]
	if rec, err := r.Layout.Convert(rec); err == nil {
		return rec, nil
	} else {
		r.err = nil
		return nil, r.stop(at, err.Error())
	}
}

// stop ends the reading. Behind a cut block half a record is no damage.
func (r *Reader) stop(at int64, what string) error {
	r.rest = nil
	if cut := (*CutError)(nil); !errors.As(r.err, &cut) {
		r.err = &DamageError{at, what}
	}
	return r.err
}

// nextBlock sets rest, or err, or both where a block is cut.
func (r *Reader) nextBlock() {
	start := r.off
	var head [blockHead]byte
	if err := r.full(head[:]); err != nil {
		r.err = err
		return
	}
	n := binary.LittleEndian.Uint32(head[4:])
	switch {
	case binary.LittleEndian.Uint32(head[0:]) != blockMagic:
		r.err = &DamageError{start, "no block begins here"}
		return
	case n > maxBlock:
		r.err = &DamageError{start, fmt.Sprintf("a block of %d bytes", n)}
		return
	}
	if uint32(cap(r.buf)) < n {
		r.buf = make([]byte, n)
	}
	b := r.buf[:n]
	at := r.off
	err := r.full(b)
	got := int(r.off - at)
	switch cut := (*CutError)(nil); {
	case err == nil && crc32.Checksum(b, castagnoli) != binary.LittleEndian.Uint32(head[8:]):
		r.err = &DamageError{start, "a block's checksum is wrong"}
		return
	case err == nil:
	case err == io.EOF:
		r.err = &CutError{r.off}
		return
	case errors.As(err, &cut):
		r.err = cut
	default:
		r.err = err
		return
	}
	r.rest, r.base, r.start = b[:got], r.off, start
	r.left = binary.LittleEndian.Uint32(head[12:])
}
