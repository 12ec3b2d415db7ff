// Package auditlog reads the records of Linux audit as the kernel makes them and
// as audit.log and ausearch --raw hold them, from 2.6.18 to today, raw and
// enriched:
//
//	node=web1 type=SYSCALL msg=audit(1238054490.962:157574): arch=40000003 syscall=102 ... key="k"\x1dARCH=i386 SYSCALL=socketcall
//
// Everything in it is from outside; nothing is trusted to be well-formed.
package auditlog

import (
	"bytes"
	"strconv"
)

// Types of records that mean something to us (include/uapi/linux/audit.h).
const (
	Syscall         = 1300
	Path            = 1302
	SocketCall      = 1304
	ConfigChange    = 1305
	SockAddr        = 1306
	FDPair          = 1317
	EOE             = 1320
	NetfilterPkt    = 1324
	NetfilterCfg    = 1325
	Seccomp         = 1326
	ProcTitle       = 1327
	AVC             = 1400
	SELinuxErr      = 1401
	AppArmorFirst   = 1500
	AppArmorLast    = 1599
	AnomPromiscuous = 1700
	AnomLast        = 1799
)

// maxLine is the longest record that is read: what is behind it is cut. The
// kernel's own are below 9 KiB (MAX_AUDIT_MESSAGE_LENGTH).
const maxLine = 16 << 10

// Record is one line. Its slices alias the line.
type Record struct {
	Type   uint16 // 0: a name that is none of ours
	Name   []byte // SYSCALL, or UNKNOWN[1399]
	Node   []byte // of whom, where several write one log; may be empty
	Sec    int64  // since the Unix epoch
	Milli  int64
	Serial uint64
	Fields []byte // the rest: key=value, parted by spaces
}

// Wall is the record's time, ns since the Unix epoch: the kernel's coarse clock
// at the call's entry, in whole ms.
func (r *Record) Wall() int64 { return r.Sec*1e9 + r.Milli*1e6 }

// Name returns the name of a record type, as audit.log has it.
func Name(kind uint16) string {
	if n, ok := names[kind]; ok {
		return n
	}
	return "UNKNOWN[" + strconv.Itoa(int(kind)) + "]"
}

// Type returns the number of a record type, 0 if it is none.
func Type(name []byte) uint16 {
	if n, ok := numbers[string(name)]; ok {
		return n
	}
	if in, ok := bytes.CutPrefix(name, []byte("UNKNOWN[")); ok {
		if in, ok = bytes.CutSuffix(in, []byte("]")); ok {
			n, _ := number(in)
			if n <= 1<<16-1 {
				return uint16(n)
			}
		}
	}
	return 0
}

var numbers = func() map[string]uint16 {
	m := make(map[string]uint16, len(names))
	for n, s := range names {
		m[s] = n
	}
	return m
}()

// Parse reads a line without its newline, and reports whether it is a record.
func Parse(line []byte) (r Record, ok bool) {
	line = line[:min(len(line), maxLine)]
	if rest, has := bytes.CutPrefix(line, []byte("node=")); has {
		r.Node, line, ok = bytes.Cut(rest, []byte(" "))
		if !ok {
			return r, false
		}
	}
	line, ok = bytes.CutPrefix(line, []byte("type="))
	if !ok {
		return r, false
	}
	r.Name, line, ok = bytes.Cut(line, []byte(" "))
	if !ok || len(r.Name) == 0 {
		return r, false
	}
	line, ok = bytes.CutPrefix(line, []byte("msg="))
	if !ok {
		return r, false
	}
	r.Type = Type(r.Name)
	return r, r.stamp(line)
}

// ParseMessage reads a record as the kernel sends it: its type apart, and the
// text from audit( on.
func ParseMessage(kind uint16, text []byte) (r Record, ok bool) {
	r.Type = kind
	return r, r.stamp(text[:min(len(text), maxLine)])
}

// stamp reads audit(SECONDS.MILLIS:SERIAL): and the fields behind it.
func (r *Record) stamp(b []byte) (ok bool) {
	b, ok = bytes.CutPrefix(b, []byte("audit("))
	if !ok {
		return false
	}
	stamp, rest, ok := bytes.Cut(b, []byte(")"))
	if !ok {
		return false
	}
	when, serial, ok := bytes.Cut(stamp, []byte(":"))
	if !ok {
		return false
	}
	sec, milli, _ := bytes.Cut(when, []byte("."))
	s, ok1 := number(sec)
	m, ok2 := number(milli)
	n, ok3 := number(serial)
	const farFuture = 1 << 33 // in ns it still fits
	if !ok1 || !ok2 || !ok3 || s > farFuture || m > 999 {
		return false
	}
	r.Sec, r.Milli, r.Serial = int64(s), int64(m), n
	r.Fields = bytes.TrimLeft(rest, ": ")
	return true
}

func number(b []byte) (n uint64, ok bool) {
	for _, c := range b {
		if c < '0' || c > '9' || n > (1<<64-1)/10-1 {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, len(b) > 0
}

// Next returns the first field and what is behind it. A value in quotes comes
// with them, and may hold spaces; the same for msg='...', whose inside is fields
// again. The part that auditd adds in enriched format begins with \x1d.
func Next(b []byte) (key, value, rest []byte) {
	b = bytes.TrimLeft(b, " \x1d,")
	i := bytes.IndexAny(b, "= \x1d")
	switch {
	case i < 0:
		return b, nil, nil
	case b[i] != '=':
		return b[:i], nil, b[i:]
	}
	key, b = b[:i], b[i+1:]
	end := bytes.IndexAny(b, " \x1d")
	if len(b) > 0 && (b[0] == '"' || b[0] == '\'') {
		if q := bytes.IndexByte(b[1:], b[0]); q >= 0 {
			end = q + 2
		}
	}
	if end < 0 || end > len(b) {
		end = len(b)
	}
	return key, b[:end], b[end:]
}

// Value returns the value of the first field with that key, nil if there is none.
func Value(fields []byte, key string) []byte {
	for len(fields) > 0 {
		var k, v []byte
		if k, v, fields = Next(fields); string(k) == key {
			return v
		}
	}
	return nil
}

// Text returns what a value of untrusted bytes stands for: "quoted" or in
// hexadecimal (audit_log_untrustedstring); (null) and (none) are nothing. What
// it returns may alias v.
func Text(v []byte) []byte {
	switch {
	case len(v) >= 2 && v[0] == '"' && v[len(v)-1] == '"':
		return v[1 : len(v)-1]
	case string(v) == "(null)", string(v) == "(none)", string(v) == "?":
		return nil
	}
	if b, ok := Bytes(v); ok {
		return b
	}
	return v
}

// Bytes reads hexadecimal digits.
func Bytes(v []byte) ([]byte, bool) {
	if len(v) == 0 || len(v)%2 != 0 {
		return nil, false
	}
	out := make([]byte, len(v)/2)
	for i := range out {
		hi, lo := digit(v[2*i]), digit(v[2*i+1])
		if hi > 15 || lo > 15 {
			return nil, false
		}
		out[i] = hi<<4 | lo
	}
	return out, true
}

func digit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}

// Hex reads a register: hexadecimal digits without 0x.
func Hex(v []byte) (n uint64, ok bool) {
	if len(v) == 0 || len(v) > 16 {
		return 0, false
	}
	for _, c := range v {
		d := digit(c)
		if d > 15 {
			return 0, false
		}
		n = n<<4 | uint64(d)
	}
	return n, true
}

// Decimal reads a number, perhaps negative; 4294967295 is -1 where the kernel
// has an unset id.
func Decimal(v []byte) (n int64, ok bool) {
	neg := len(v) > 0 && v[0] == '-'
	if neg {
		v = v[1:]
	}
	u, ok := number(v)
	if !ok || u > 1<<63-1 {
		return 0, false
	}
	if neg {
		return -int64(u), true
	}
	return int64(u), true
}

// Arch says which table of system calls an AUDIT_ARCH_ value means, in the
// numbers of enum pw_abi; 0: none of ours (include/uapi/linux/audit.h).
func Arch(v uint64) uint8 {
	switch v {
	case 0xc000003e:
		return 1
	case 0x40000003:
		return 2
	case 0xc00000b7:
		return 3
	case 0x40000028:
		return 4
	}
	return 0
}
