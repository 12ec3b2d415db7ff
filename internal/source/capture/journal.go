package capture

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/pidwire/pidwire/internal/wire"
)

// row is an entry in the systemd journal export format.
type row struct {
	ns                   int64
	message, ident       []byte
	warning              bool   // PRIORITY is 4 or less
	record, part, header []byte // base64; nil if not present
}

// parseRow parses an entry. A field is a line FIELD=value, or a line FIELD followed by the
// length in 8 bytes and the value. It stops at the first error.
func parseRow(b []byte) row {
	var r row
	for len(b) > 0 && b[0] != 0 {
		line, rest, _ := bytes.Cut(b, []byte{'\n'})
		key, v, text := bytes.Cut(line, []byte{'='})
		if !text {
			if len(rest) < 8 {
				break
			}
			n := binary.LittleEndian.Uint64(rest)
			if rest = rest[8:]; n > uint64(len(rest)) {
				break
			}
			v, rest = rest[:n], bytes.TrimPrefix(rest[n:], []byte{'\n'})
		}
		b = rest
		switch string(key) {
		case "__REALTIME_TIMESTAMP":
			r.ns = int64(number(v) * 1000)
		case "MESSAGE":
			r.message = v
		case "SYSLOG_IDENTIFIER":
			r.ident = v
		case "PRIORITY":
			r.warning = len(v) == 1 && v[0] <= '4'
		case "PIDWIRE_RECORD":
			r.record = v
		case "PIDWIRE_PART":
			r.part = v
		case "PIDWIRE_HEADER":
			r.header = v
		}
	}
	return r
}

var errNotBase64 = errors.New("no base64")

// addPart decodes a part of a field that continues in the next row.
func (s *Source) addPart(v []byte) error {
	if base64.StdEncoding.DecodedLen(len(v))+len(s.part) > maxParts {
		s.part = s.part[:0]
		return fmt.Errorf("more than %d bytes in parts", maxParts)
	}
	var err error
	if s.part, err = base64.StdEncoding.AppendDecode(s.part, v); err != nil {
		s.part = s.part[:0]
		return errNotBase64
	}
	return nil
}

// decoded returns the decoded value of a field, after its parts. It is valid until the next part or field is decoded.
func (s *Source) decoded(v []byte) ([]byte, error) {
	b, err := base64.StdEncoding.AppendDecode(s.part, v)
	s.part = b[:0]
	if err != nil {
		return nil, errNotBase64
	}
	return b, nil
}

// firstHeader reads the header in the first row of a file of sink/pcapng. It returns an error
// only if the header is of a newer version; otherwise Run reports a header that cannot be
// read.
func (s *Source) firstHeader(r row, body []byte) error {
	b, err := s.decoded(r.header)
	var rd *wire.Reader
	if err == nil {
		rd, err = wire.NewReader(bytes.NewReader(b))
	}
	var newer *wire.NewerError
	switch {
	case errors.As(err, &newer):
		return err
	case err != nil:
		s.begin(r.ns)
		return nil
	}
	s.header, s.ours, s.prolog, s.layout, s.later = rd.Header, true, bytes.Clone(b), rd.Layout, rd.Later()
	s.news = nil
	s.passBlock(body)
	return nil
}

// row emits the records in a row, or a note with its message.
func (s *Source) row(body []byte) error {
	r := parseRow(body)
	at := s.mono(r.ns)
	if r.part != nil {
		if err := s.addPart(r.part); err != nil {
			return s.bad(at, err)
		}
	}
	if r.header != nil {
		b, err := s.decoded(r.header)
		if err == nil && s.ours && bytes.Equal(b, s.prolog) {
			return nil // the next file of the same run
		}
		s.ours = false
		return s.unreadable(at)
	}
	switch {
	case r.record != nil && s.ours:
		b, err := s.decoded(r.record)
		if err != nil {
			return s.bad(at, err)
		}
		return s.records(at, b)
	case r.record != nil:
		s.part = s.part[:0]
		if err := s.unreadable(at); err != nil {
			return err
		}
	case r.part != nil:
		return nil
	}
	if string(r.ident) == "pidwire" {
		return nil // it has no message of its own
	}
	// In a file of sink/pcapng, a row without a record reports entries that were lost on the way to the file.
	return s.note(at, s.ours && r.warning, string(r.message))
}

// unreadable emits a note, once, that the records in rows cannot be read.
func (s *Source) unreadable(at uint64) error {
	if s.told {
		return nil
	}
	s.told = true
	return s.note(at, true, "rows of system calls are only shown as text: their header row "+
		"(PIDWIRE_HEADER) was removed from the file, or the file is from several runs")
}

// bad emits a note that the records of a row are left out.
func (s *Source) bad(at uint64, err error) error {
	return s.note(at, true, fmt.Sprintf("cannot decode the row at offset %d of the file: %v", s.in.off, err))
}

// records emits the records in b. As the file may have any origin, it checks the length and
// the content of each.
func (s *Source) records(at uint64, b []byte) error {
	for len(b) > 0 {
		if len(b) < wire.SizeHdr {
			return s.bad(at, fmt.Errorf("%d bytes at the start of a record", len(b)))
		}
		n := binary.LittleEndian.Uint32(b)
		if n < wire.SizeHdr || n%8 != 0 || uint64(n) > uint64(len(b)) {
			return s.bad(at, fmt.Errorf("a record of %d bytes with %d bytes left", n, len(b)))
		}
		r, err := s.layout.Convert(wire.Record(b[:n:n]))
		b = b[n:]
		switch {
		case err != nil:
			err = s.bad(at, err)
		case !r.Known() && s.later != "": // unknown kinds are valid only from a newer version
			s.unknown.Add(r)
		case !valid(r):
			err = s.bad(at, fmt.Errorf("a record of kind %d with %d bytes", r.Kind(), n))
		case r.Kind() == wire.KindEnd:
			s.end = bytes.Clone(r)
		default:
			err = s.send(r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// valid reports whether a record is of a kind that files may have, and is as long as its
// fields require.
func valid(r wire.Record) bool {
	attrs := func(size int, n uint16) bool { return len(r) >= size && int(n) <= len(r)-size }
	switch r.Kind() {
	case wire.KindSyscall:
		var s wire.Syscall
		_, _, ok := wire.SyscallParts(r, &s)
		return ok
	case wire.KindUring:
		var u wire.Uring
		return u.Unmarshal(r) && len(r)-wire.SizeUring >= int(u.Nsock)*wire.SizeSock
	case wire.KindProc:
		var p wire.Proc
		return p.Unmarshal(r) && attrs(wire.SizeProc, p.Attrs)
	case wire.KindSock:
		var k wire.Socksnap
		return k.Unmarshal(r) && attrs(wire.SizeSocksnap+wire.SizeSock, k.Attrs)
	case wire.KindName:
		var n wire.Name
		return n.Unmarshal(r) && attrs(wire.SizeName, n.Attrs)
	case wire.KindNote:
		var n wire.Note
		return n.Unmarshal(r) && attrs(wire.SizeNote, n.Attrs)
	case wire.KindFact:
		var f wire.Fact
		return f.Unmarshal(r) && attrs(wire.SizeFact, f.Attrs)
	case wire.KindPacket:
		var p wire.Packet
		return p.Unmarshal(r) && uint64(p.Caplen) <= uint64(len(r)-wire.SizePacket)
	case wire.KindLost:
		return len(r) >= wire.SizeLost
	case wire.KindClock:
		return len(r) >= wire.SizeClock
	case wire.KindReady:
		return len(r) >= wire.SizeReady
	case wire.KindHandover:
		return len(r) >= wire.SizeHandover
	case wire.KindAudit:
		var a wire.Audit
		return a.Unmarshal(r) && uint64(a.Text) <= uint64(len(r)-wire.SizeAudit)
	case wire.KindText:
		var x wire.Text
		return x.Unmarshal(r) && uint64(x.Text) <= uint64(len(r)-wire.SizeText)
	case wire.KindKernel:
		var k wire.Kernel
		var t wire.KernelTail
		return wire.KernelParts(r, &k, &t)
	case wire.KindFunc:
		return len(r) >= wire.SizeFunc
	case wire.KindSymbol:
		var y wire.Symbol
		return y.Unmarshal(r) && attrs(wire.SizeSymbol, y.Attrs)
	case wire.KindState:
		return len(r) >= wire.SizeState+wire.SizeSock
	case wire.KindEnd:
		return len(r) >= wire.SizeEnd
	}
	return false
}
