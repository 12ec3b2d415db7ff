package importer

import (
	"github.com/pidwire/pidwire/internal/foreign/auditlog"
	"github.com/pidwire/pidwire/internal/source/auditrec"
	"github.com/pidwire/pidwire/internal/syscalls"
	"github.com/pidwire/pidwire/internal/wire"
)

func (s *Source) audit(line []byte) error {
	r := &s.record
	switch auditlog.Read(line, r) {
	case auditlog.Empty, auditlog.TimeLine:
		return nil
	case auditlog.Separator:
		return s.asm.Flush(s.auditEvent) // the line that ausearch prints between events
	case auditlog.Raw:
		s.clock.says(wire.ClockEpoch)
		return s.asm.Add(r, line, s.auditEvent)
	case auditlog.Interpreted, auditlog.Printed:
		if r.Interpreted {
			s.clock.says(wire.ClockDate)
		} else {
			s.clock.says(wire.ClockEpoch)
		}
		s.long = r.AppendRaw(s.long[:0], numberOf)
		return s.asm.Add(r, s.long, s.auditEvent)
	}
	return s.unread("not an audit record")
}

// numberOf returns the number for a name that ausearch -i has printed, and false if it is
// not known. Names of errors are resolved by the decoder.
func numberOf(abi uint8, key string, name []byte) (int64, bool) {
	c := syscalls.ByName(string(name))
	switch key {
	case "syscall":
		if string(name) == "socketcall" && abi == wire.AbiI386 {
			return syscalls.Socketcall, true
		}
		if c != nil {
			n, ok := c.Number(abi)
			return int64(n), ok
		}
	case "a0":
		if c != nil && c.Vector != 0 {
			return int64(c.Vector), true
		}
	}
	n, ok := socketWords[string(name)]
	return n, ok
}

// socketWords are the names that ausearch -i prints for arguments of socket(2).
var socketWords = map[string]int64{
	"local": 1, "inet": 2, "inet6": 10, "netlink": 16, "packet": 17, "vsock": 40,
	"SOCK_STREAM": 1, "SOCK_DGRAM": 2, "SOCK_RAW": 3, "SOCK_SEQPACKET": 5,
	"ip": 0, "icmp": 1, "tcp": 6, "udp": 17, "ipv6-icmp": 58, "sctp": 132,
}

func (s *Source) auditEvent(e *auditlog.Event) error {
	a, _ := auditrec.Read(e, nil)
	s.latest = max(s.latest, uint64(e.Wall))
	a.H = wire.Hdr{Kind: wire.KindAudit, Layer: wire.LayerAud, Time: uint64(e.Wall)}
	s.rec = auditrec.Append(s.rec[:0], &a, e.Text)
	return s.emit(wire.Seal(s.rec))
}
