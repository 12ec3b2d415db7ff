package rooms

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/pidwire/pidwire/internal/wire"
)

/*
The stream is a sequence of frames: u32 kind, u32 length of the payload, payload. Payloads:

	header   the prologue of a recording (wire.Header)
	records  one or more complete records; each begins with its length
	idle     u64: CLOCK_MONOTONIC time in ns at which no more records were available
	end      empty: the collector has ended in order, and closes the pipe

Both ends are the same build of the program, so the frames have no version.
*/

const (
	frameHeader  = 1
	frameRecords = 2
	frameIdle    = 3
	frameEnd     = 4
	frameHead    = 8
	// maxFrame is the largest payload that the decoder accepts, in bytes. A single record may be a
	// little larger than fillFrame (wire: 64 KiB of data, and its headers).
	maxFrame = 32 << 20
	// fillFrame is the size in bytes at which a frame of records is written without waiting for an idle frame.
	fillFrame = 64 << 10
)

// encoder writes frames. Only written may be used concurrently.
type encoder struct {
	w     io.Writer
	buf   []byte // the current frame of records, including its head
	count uint64 // records in buf
	sent  uint64 // records written to w
	lost  uint64 // records that were not written because of fail
	fail  error  // first error of w

	written atomic.Int64 // bytes written to w
	pace    *pace        // of this process; may be nil
}

func newEncoder(w io.Writer) *encoder {
	return &encoder{w: w, buf: make([]byte, frameHead, 2*fillFrame)}
}

func appendHead(b []byte, kind uint32, n int) []byte {
	b = binary.LittleEndian.AppendUint32(b, kind)
	return binary.LittleEndian.AppendUint32(b, uint32(n))
}

func (e *encoder) header(h wire.Header) error {
	var prologue bytes.Buffer
	if _, err := wire.NewWriter(&prologue, h); err != nil {
		return err
	}
	n, err := e.w.Write(append(appendHead(nil, frameHeader, prologue.Len()), prologue.Bytes()...))
	e.written.Add(int64(n))
	return err
}

// add appends a record to the current frame. After an error of w it only counts it.
func (e *encoder) add(r wire.Record) {
	if e.fail != nil {
		e.lost++
		return
	}
	e.buf = append(e.buf, r...)
	e.count++
	if len(e.buf) >= fillFrame {
		e.flush(nil)
	}
}

// flush writes the current frame of records, followed by tail.
func (e *encoder) flush(tail []byte) {
	if e.fail != nil {
		return
	}
	b := e.buf
	if e.count == 0 {
		b = b[:0]
	} else {
		binary.LittleEndian.PutUint32(b, frameRecords)
		binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-frameHead))
	}
	if e.pace != nil {
		e.pace.received(len(b))
	}
	b = append(b, tail...)
	if len(b) > 0 {
		var n int
		n, e.fail = e.w.Write(b)
		e.written.Add(int64(n))
	}
	if e.fail != nil {
		e.lost += e.count
	} else {
		e.sent += e.count
	}
	e.buf, e.count = b[:frameHead], 0
}

func (e *encoder) idle(now uint64) {
	e.flush(binary.LittleEndian.AppendUint64(appendHead(nil, frameIdle, 8), now))
}

func (e *encoder) end() { e.flush(appendHead(nil, frameEnd, 0)) }

// decoder reads frames.
type decoder struct {
	r   *bufio.Reader
	buf []byte
}

func newDecoder(r io.Reader) *decoder { return &decoder{r: bufio.NewReaderSize(r, 2*fillFrame)} }

// errFrame means that the stream is invalid: the two processes are different builds, or the
// other one is not pidwire.
var errFrame = errors.New("invalid data from the collector")

// next returns the next frame. Its payload is valid until the next call.
func (d *decoder) next() (kind uint32, payload []byte, err error) {
	var head [frameHead]byte
	if _, err := io.ReadFull(d.r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.LittleEndian.Uint32(head[4:])
	if n > maxFrame {
		return 0, nil, fmt.Errorf("%w: a frame of %d bytes", errFrame, n)
	}
	if uint32(cap(d.buf)) < n {
		d.buf = make([]byte, n)
	}
	payload = d.buf[:n]
	if _, err := io.ReadFull(d.r, payload); err != nil {
		return 0, nil, err
	}
	return binary.LittleEndian.Uint32(head[:]), payload, nil
}

// header reads the first frame.
func (d *decoder) header() (h wire.Header, err error) {
	kind, b, err := d.next()
	switch {
	case err != nil:
		return h, err
	case kind != frameHeader:
		return h, fmt.Errorf("%w: it starts with a frame of kind %d", errFrame, kind)
	}
	r, err := wire.NewReader(bytes.NewReader(b))
	if err != nil {
		return h, fmt.Errorf("%w: %w", errFrame, err)
	}
	return r.Header, nil
}

// records emits each record of a frame. The records are slices of b.
func records(b []byte, emit func(wire.Record) error) error {
	for len(b) > 0 {
		if len(b) < wire.SizeHdr {
			return fmt.Errorf("%w: an incomplete record", errFrame)
		}
		n := binary.LittleEndian.Uint32(b)
		if n < wire.SizeHdr || n%8 != 0 || uint64(n) > uint64(len(b)) {
			return fmt.Errorf("%w: a record of %d bytes with %d bytes left", errFrame, n, len(b))
		}
		if err := emit(wire.Record(b[:n:n])); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}
