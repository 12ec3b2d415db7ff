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

A block is written by one Write. If the writer is killed, the last block may be
truncated; its complete records can still be read.
*/

const (
	fileMagic  = "PIDWIRE\n"
	fileFormat = 1
	blockMagic = 0x31425750 // "PWB1"
	blockHead  = 16
	// blockFill is the size at which a block is written, in bytes. A larger record
	// gets a block of its own.
	blockFill = 64 << 10
	// maxBlock is the largest block that a reader accepts, in bytes.
	maxBlock = 4 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Magic is the first 8 bytes of a .pidwire file.
const Magic = fileMagic

// Writer writes a recording. It is not safe for concurrent use.
type Writer struct {
	w     io.Writer
	block []byte
	count uint32
	err   error // first error of w; all later calls return it
}

// NewWriter writes the prologue to w. Each block is one call of w.Write.
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

// Write adds a record. It copies r.
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

// Flush writes the pending records as a block.
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

// DamageError reports that a recording is corrupt at Offset. Everything before
// Offset has been read.
type DamageError struct {
	Offset int64
	What   string
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("damaged at offset %d: %s", e.Offset, e.What)
}

// CutError reports that a recording is truncated, for example because its writer was
// killed. All complete records have been read.
type CutError struct {
	Offset int64 // size of the file
}

func (e *CutError) Error() string {
	return fmt.Sprintf("truncated at offset %d: everything up to the last complete record was read", e.Offset)
}

// ErrNotRecording means that a file does not start with Magic.
var ErrNotRecording = errors.New("not a pidwire recording")

// NewerError reports that a recording was written by a later version and cannot be read.
type NewerError struct{ Format uint32 }

func (e *NewerError) Error() string {
	return fmt.Sprintf("written by a later version of pidwire (format %d; this version reads up to %d)", e.Format, fileFormat)
}

// Reader reads a recording.
type Reader struct {
	Header Header
	Layout *Layout // struct sizes of the file; Next converts the records by it

	version uint16 // record version of the file
	r       *bufio.Reader
	off     int64  // file offset of the next byte of r
	start   int64  // file offset of the current block
	left    uint32 // records of the block, by its head, not yet returned
	buf     []byte // the current block
	rest    []byte // unread part of buf
	base    int64  // file offset of the end of rest
	err     error  // error to return after rest; a *CutError if the block is truncated
}

// NewReader reads the prologue. A recording of a later version can be read if its header
// has a table of struct sizes; Later describes what is lost. Errors are ErrNotRecording,
// *NewerError, *DamageError, *CutError and those of r.
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
		return nil, &DamageError{8, fmt.Sprintf("unknown format %d", f)}
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
		return nil, &DamageError{16, "wrong checksum of the header"}
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

// Later describes what is not read of a recording of a later version. It returns "" for
// this version and earlier ones.
func (r *Reader) Later() string {
	longer := r.Layout.longer()
	if longer == "" && r.version <= WireVersion {
		return ""
	}
	text := fmt.Sprintf("recorded by a later version of pidwire (record version %d; this version knows %d)", r.version, WireVersion)
	if longer != "" {
		text += ": skipping the last " + longer
	}
	return text
}

// full fills b. It returns io.EOF if no byte is left, and a *CutError if too few are.
func (r *Reader) full(b []byte) error {
	n, err := io.ReadFull(r.r, b)
	r.off += int64(n)
	if err == io.ErrUnexpectedEOF || err == io.EOF && len(b) > 0 && n > 0 {
		return &CutError{r.off}
	}
	return err
}

// Next returns the next record, which is valid until the next call. At the end it
// returns io.EOF, a *CutError, a *DamageError, or the error of the underlying reader.
func (r *Reader) Next() (Record, error) {
	for len(r.rest) == 0 {
		if r.err == nil && r.left != 0 {
			r.err = &DamageError{r.start, fmt.Sprintf("%d records of a block are missing", r.left)}
		}
		if r.err != nil {
			return nil, r.err
		}
		r.nextBlock()
	}
	at := r.base - int64(len(r.rest))
	if len(r.rest) < SizeHdr {
		return nil, r.stop(at, "an incomplete record")
	}
	n := binary.LittleEndian.Uint32(r.rest)
	if n < SizeHdr || n%8 != 0 || n > maxBlock {
		// Truncation cannot cause this.
		r.err = nil
		return nil, r.stop(at, fmt.Sprintf("a record of %d bytes", n))
	}
	if uint64(n) > uint64(len(r.rest)) {
		return nil, r.stop(at, fmt.Sprintf("a record of %d bytes with %d bytes left", n, len(r.rest)))
	}
	if r.left == 0 {
		r.err = nil
		return nil, r.stop(r.start, "a block has more records than its header states")
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

// stop ends the reading with a *DamageError, or with the *CutError of a truncated
// block, where an incomplete record is expected.
func (r *Reader) stop(at int64, what string) error {
	r.rest = nil
	if cut := (*CutError)(nil); !errors.As(r.err, &cut) {
		r.err = &DamageError{at, what}
	}
	return r.err
}

// nextBlock reads a block. It sets rest or err, or both if the block is truncated.
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
		r.err = &DamageError{start, "no block starts here"}
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
		r.err = &DamageError{start, "wrong checksum of a block"}
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
