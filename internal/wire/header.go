package wire

import (
	"encoding/binary"
	"fmt"
)

// Header describes where and how records were made. A recording starts with one, and a
// live source has one, too.
type Header struct {
	Version  uint16 // of the records: WireVersion, to which a Reader converts others
	Arch     string // GOARCH of the recorded machine: "amd64", "arm64"
	Kernel   string // release, as printed by uname -r
	Host     string
	Tool     string   // pidwire version
	Targets  []string // as given on the command line
	Command  []string // command of trace -- COMMAND
	StrLen   uint32   // payload bytes captured of each buffer (-s)
	Mono     uint64   // CLOCK_MONOTONIC at the zero of the timeline, ns
	Wall     uint64   // CLOCK_REALTIME at the same moment, ns
	PageSize uint32
	Layers   uint32 // set of traced layers, 1<<Layer each; 0: unknown
	Clock    Clockwork
	Messages Messages
}

// Messages says whether the messages of application protocols were traced. They are made of calls and
// packets, so that any file may have them.
type Messages uint8

const (
	MessagesUnknown Messages = iota // an older recording, or a file of another tool
	WithMessages
	WithoutMessages
)

// Clockwork is the epoch of the times of a file. Recordings of pidwire have Mono and
// Wall; files of other tools may have less.
type Clockwork uint8

const (
	ClockEpoch Clockwork = iota // the Unix epoch
	ClockDate                   // date and time of day in an unknown zone, as if that were UTC
	ClockDay                    // time of day in an unknown zone, as of 1970-01-01 UTC
	ClockStart                  // an unknown time
	ClockNone                   // no times, only the order of events
)

const (
	tagVersion = iota + 1
	tagArch
	tagKernel
	tagHost
	tagTool
	tagTarget
	tagCommand
	tagStrLen
	tagMono
	tagWall
	tagPageSize
	tagLayers
	tagClock
	tagSizes // not in Header: a Reader converts records to the sizes of this version
	tagMessages
)

// maxHeader is the largest header that a reader accepts, in bytes.
const maxHeader = 1 << 20

// marshal encodes the header. Strings come last, the command line after all others, so
// that maxHeader truncates nothing but the command line.
func (h *Header) marshal() []byte {
	var b []byte
	full := false
	str := func(tag uint16, s string) {
		if full = full || len(b)+SizeAttr+len(s)+4 > maxHeader; !full {
			b = AppendAttr(b, tag, s)
		}
	}
	num := func(tag uint16, v uint64) {
		b = AppendAttr(b, tag, string(binary.LittleEndian.AppendUint64(nil, v)))
	}
	num(tagVersion, uint64(h.Version))
	num(tagStrLen, uint64(h.StrLen))
	num(tagMono, h.Mono)
	num(tagWall, h.Wall)
	num(tagPageSize, uint64(h.PageSize))
	num(tagLayers, uint64(h.Layers))
	num(tagClock, uint64(h.Clock))
	if h.Messages != MessagesUnknown {
		num(tagMessages, uint64(h.Messages))
	}
	if h.Version == WireVersion {
		b = AppendAttr(b, tagSizes, string(appendSizes(nil)))
	}
	str(tagArch, h.Arch)
	str(tagKernel, h.Kernel)
	str(tagHost, h.Host)
	str(tagTool, h.Tool)
	for _, t := range h.Targets {
		str(tagTarget, t)
	}
	for _, c := range h.Command {
		str(tagCommand, c)
	}
	return b
}

func (h *Header) unmarshal(b []byte) error {
	*h = Header{}
	for tag, v := range Attrs(b) {
		var n uint64
		switch tag {
		case tagVersion, tagStrLen, tagMono, tagWall, tagPageSize, tagLayers, tagClock, tagMessages:
			if len(v) != 8 {
				return fmt.Errorf("header field %d has %d bytes, want 8", tag, len(v))
			}
			n = binary.LittleEndian.Uint64(v)
		}
		switch tag {
		case tagVersion:
			h.Version = uint16(n)
		case tagArch:
			h.Arch = string(v)
		case tagKernel:
			h.Kernel = string(v)
		case tagHost:
			h.Host = string(v)
		case tagTool:
			h.Tool = string(v)
		case tagTarget:
			h.Targets = append(h.Targets, string(v))
		case tagCommand:
			h.Command = append(h.Command, string(v))
		case tagStrLen:
			h.StrLen = uint32(n)
		case tagMono:
			h.Mono = n
		case tagWall:
			h.Wall = n
		case tagPageSize:
			h.PageSize = uint32(n)
		case tagLayers:
			h.Layers = uint32(n)
		case tagClock:
			h.Clock = Clockwork(min(n, uint64(ClockNone)))
		case tagMessages:
			h.Messages = Messages(min(n, uint64(WithoutMessages)))
		}
	}
	return nil
}
