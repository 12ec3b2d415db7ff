package http2

import (
	"encoding/binary"
	"strconv"

	"github.com/pidwire/pidwire/internal/proto"
)

// Types of frames (RFC 9113, 6).
const (
	frameData         = 0
	frameHeaders      = 1
	framePriority     = 2
	frameReset        = 3
	frameSettings     = 4
	framePush         = 5
	framePing         = 6
	frameGoAway       = 7
	frameWindow       = 8
	frameContinuation = 9
)

// Flags of frames.
const (
	flagEndStream  = 0x01 // ACK in SETTINGS and PING
	flagEndHeaders = 0x04
	flagPadded     = 0x08
	flagPriority   = 0x20
)

const (
	frameHead = 9
	preface   = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	usual     = 1 << 14 // the size of frames that both ends accept from the beginning
)

// frame is the header of a frame.
type frame struct {
	size  int
	kind  uint8
	flags uint8
	id    uint32
}

func readFrame(b []byte) frame {
	return frame{int(b[0])<<16 | int(b[1])<<8 | int(b[2]), b[3], b[4], binary.BigEndian.Uint32(b[5:]) & 0x7fffffff}
}

// valid reports whether a frame of a known type has a size that it can have, and a stream where it needs one.
func (f *frame) valid() bool {
	switch f.kind {
	case frameData, frameHeaders, frameContinuation:
		return f.id != 0 && (f.kind == frameContinuation || f.flags&flagPadded == 0 || f.size > 0)
	case framePriority:
		return f.id != 0 && f.size == 5
	case frameReset:
		return f.id != 0 && f.size == 4
	case frameSettings:
		return f.id == 0 && f.size%6 == 0 && (f.flags&flagEndStream == 0 || f.size == 0)
	case framePush:
		return f.id != 0 && f.size >= 4
	case framePing:
		return f.id == 0 && f.size == 8
	case frameGoAway:
		return f.id == 0 && f.size >= 8
	case frameWindow:
		return f.size == 4
	}
	return true
}

// flags that each type of frame has.
var flags = [...]uint8{
	frameData: flagEndStream | flagPadded, frameHeaders: flagEndStream | flagEndHeaders | flagPadded | flagPriority, frameSettings: flagEndStream,
	framePush: flagEndHeaders | flagPadded, framePing: flagEndStream, frameContinuation: flagEndHeaders,
}

// likely reports whether bytes in the middle of a stream can be the header of a frame: one that usual programs send.
func likely(b []byte) bool {
	f := readFrame(b)
	return f.kind <= frameContinuation && f.size <= usual && f.flags&^flags[f.kind] == 0 && b[5]&0x80 == 0 && f.valid()
}

// frames says whether bytes are frames, from the first one on.
func frames(b []byte) proto.Verdict {
	if len(b) < frameHead {
		if len(b) > 3 && b[3] > frameContinuation || b[0] != 0 {
			return proto.No
		}
		return proto.Wait
	}
	found := 0
	telling := false // one that is not DATA
	for len(b) >= frameHead {
		if !likely(b) {
			return proto.No
		}
		found++
		f := readFrame(b)
		telling = telling || f.kind != frameData
		if f.size+frameHead > len(b) {
			b = nil
			break
		}
		if b = b[f.size+frameHead:]; len(b) == 0 {
			found++ // it ends where the bytes do
		}
	}
	if found > 1 && telling {
		return proto.Sure
	}
	return proto.Maybe
}

func detect(h *proto.Hint) proto.Verdict {
	if !h.Stream {
		return proto.No
	}
	best := proto.No
	for _, b := range h.Data {
		if len(b) > 0 {
			best = max(best, begins(b, h.Start))
		}
	}
	return best
}

// begins says whether bytes are the beginning of a connection, or with start unset, of frames.
func begins(b []byte, start bool) proto.Verdict {
	if n := min(len(b), len(preface)); string(b[:n]) == preface[:n] {
		if n < len(preface) {
			return proto.Wait
		}
		return proto.Sure
	}
	if !start {
		return frames(b)
	}
	// A server can begin before the client, with its settings.
	for i, c := range b[:min(len(b), frameHead)] {
		if c != 0 && i != 2 && i != 3 || i == 3 && c != frameSettings {
			return proto.No
		}
	}
	if len(b) < frameHead {
		return proto.Wait
	}
	f := readFrame(b)
	if !f.valid() || f.size > 16*6 {
		return proto.No
	}
	settings := 0
	for b = b[frameHead:]; f.size > 0; f.size -= 6 {
		if len(b) < 6 {
			return proto.Wait
		}
		const most = 0x10 // the highest of the settings that are in use
		if id := binary.BigEndian.Uint16(b); id == 0 || id > most {
			return proto.No
		}
		b = b[6:]
		settings++
	}
	if settings == 0 {
		return proto.Maybe
	}
	return proto.Sure
}

var errors = [...]string{
	"NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED", "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR",
	"CONNECT_ERROR", "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
}

// errorName returns the name of an error of RST_STREAM and GOAWAY (RFC 9113, 7).
func errorName(code uint32) string {
	if int64(code) < int64(len(errors)) {
		return errors[code]
	}
	return "error " + strconv.FormatUint(uint64(code), 10)
}

// statuses are the names of the results of gRPC.
var statuses = [...]string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
	"ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}

func statusName(code int64) string {
	if code >= 0 && code < int64(len(statuses)) {
		return statuses[code]
	}
	return "status " + strconv.FormatInt(code, 10)
}
