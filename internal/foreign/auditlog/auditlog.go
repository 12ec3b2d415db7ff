// Package auditlog parses the records of Linux audit, as sent by the kernel since 2.6.18 and as
// stored in audit.log and printed by ausearch --raw, raw and enriched:
//
//	node=web1 type=SYSCALL msg=audit(1238054490.962:157574): arch=40000003 syscall=102 ... key="k"\x1dARCH=i386 SYSCALL=socketcall
//
// Read also knows other forms of these records: the output of ausearch with and without -i, and
// the kernel log, to which the kernel prints them if no daemon is running. AppendRaw converts
// each to a line of audit.log.
//
// The input is hostile.
package auditlog

import (
	"bytes"
	"strconv"
)

// Record types that are handled (include/uapi/linux/audit.h).
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
	Landlock        = 1423 // LANDLOCK_ACCESS
	AppArmorFirst   = 1500
	AppArmorLast    = 1599
	AnomPromiscuous = 1700
	AnomLast        = 1799
)

const (
	// maxLine is the length to which records are truncated. Those of the kernel are below 9 KiB
	// (MAX_AUDIT_MESSAGE_LENGTH).
	maxLine = 16 << 10
	// maxNode is above the length of host names, maxName above that of type names.
	maxNode = 256
	maxName = 64
	// maxNest is the maximum length of an unquoted value in brackets.
	maxNest = 512
)

// Record is a parsed line. Its slices alias the line.
type Record struct {
	Type   uint16 // 0: unknown name
	Name   []byte // SYSCALL, or UNKNOWN[1399]; nil if only the number is known
	Node   []byte // host name in a log of several hosts; may be empty
	Sec    int64  // since the Unix epoch
	Milli  int64
	Serial uint64
	Fields []byte // the rest: key=value, separated by spaces

	// Interpreted means that the record is from ausearch -i: its values are interpreted, and Sec
	// is a local time as if it were UTC. The time zone is unknown: the caller must subtract
	// its offset from Sec.
	Interpreted bool
	// DayFirst is the value for Sec if the first part of the date is the day; 0 if that is
	// impossible or makes no difference. ausearch prints dates in the format of the locale,
	// and 03/04/26 is ambiguous: for Sec the first part is the month (C, en_US) if possible
	// and if the separators are slashes. If DayFirst equals Sec the day is certainly first,
	// and so it is in the whole file.
	DayFirst int64
}

// Wall returns the time of the record in ns since the Unix epoch: the coarse clock of the kernel at
// the entry of the call, in whole ms.
func (r *Record) Wall() int64 { return r.Sec*1e9 + r.Milli*1e6 }

// Name returns the name of a record type, as in audit.log.
func Name(kind uint16) string {
	if n, ok := names[kind]; ok {
		return n
	}
	return "UNKNOWN[" + strconv.Itoa(int(kind)) + "]"
}

// Type returns the number of a record type by its name, 0 if it is unknown. A decimal number is also
// a name.
func Type(name []byte) uint16 {
	switch string(name) { // the common types
	case "SYSCALL":
		return Syscall
	case "SOCKADDR":
		return SockAddr
	case "PROCTITLE":
		return ProcTitle
	case "EOE":
		return EOE
	}
	if n, ok := numbers[string(name)]; ok {
		return n
	}
	if in, ok := bytes.CutPrefix(name, []byte("UNKNOWN[")); ok {
		if in, ok = bytes.CutSuffix(in, []byte("]")); ok {
			name = in
		}
	}
	if n, ok := number(name); ok && n <= 1<<16-1 {
		return uint16(n)
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

// Parse parses a line without its newline. ok is false if it is not a raw record.
func Parse(line []byte) (r Record, ok bool) {
	line, ok = r.head(line[:min(len(line), maxLine)])
	return r, ok && r.stamp(line)
}

// Split parses a line that is known to be a raw record, except for its stamp, which it does not
// check.
func Split(line []byte) (r Record, ok bool) {
	rest, ok := r.head(line[:min(len(line), maxLine)])
	if !ok {
		return r, false
	}
	at := bytes.IndexByte(rest, ')')
	if at < 0 {
		return r, false
	}
	r.Fields = fieldsBehind(rest[at+1:])
	return r, true
}

// fieldsBehind skips the colon and blanks after a stamp.
func fieldsBehind(b []byte) []byte {
	for len(b) > 0 && (b[0] == ':' || b[0] == ' ') {
		b = b[1:]
	}
	return b
}

// head parses the part before the stamp, and returns the rest.
func (r *Record) head(line []byte) (rest []byte, ok bool) {
	if rest, has := bytes.CutPrefix(line, []byte("node=")); has {
		r.Node, line, ok = bytes.Cut(rest, []byte(" "))
		if !ok || len(r.Node) > maxNode {
			return nil, false
		}
	}
	line, ok = bytes.CutPrefix(line, []byte("type="))
	if !ok {
		return nil, false
	}
	r.Name, line, ok = bytes.Cut(line, []byte(" "))
	if !ok || len(r.Name) == 0 || len(r.Name) > maxName {
		return nil, false
	}
	r.Type = Type(r.Name)
	return bytes.CutPrefix(line, []byte("msg="))
}

// ParseMessage parses a record sent by the kernel: its type, and its text, which starts with audit(.
func ParseMessage(kind uint16, text []byte) (r Record, ok bool) {
	r.Type = kind
	return r, r.stamp(text[:min(len(text), maxLine)])
}

// stamp parses audit(SECONDS.MILLIS:SERIAL): and the fields after it.
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
	const farFuture = 1 << 33 // does not overflow in ns
	if !ok1 || !ok2 || !ok3 || s > farFuture || m > 999 {
		return false
	}
	r.Sec, r.Milli, r.Serial = int64(s), int64(m), n
	r.Fields = fieldsBehind(rest)
	return true
}

func number(b []byte) (n uint64, ok bool) {
	for _, c := range b {
		d := uint64(c - '0')
		if c < '0' || c > '9' || n > (1<<64-1-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, len(b) > 0
}

// Next returns the first field and the rest. A value in quotes, which may have spaces, is returned
// with the quotes; also msg='...', which has fields in it. \x1d precedes the part that auditd
// adds in enriched format. A word that is not a field is returned as a key with a nil value.
//
// Values without quotes may have spaces, too: in brackets (exit=EACCES(Permission denied),
// saddr={ saddr_fam=inet ... }), after proctitle=, which is the last field, and before the mode
// of an AppArmor label: subj=cupsd (enforce). The second = of subj==unconfined, which some
// kernels print, is not part of the value, nor is a comma at its end.
func Next(b []byte) (key, value, rest []byte) {
	for len(b) > 0 && (b[0] == ' ' || b[0] == 0x1d || b[0] == ',') {
		b = b[1:]
	}
	i := 0
	for i < len(b) && class[b[i]]&endsKey == 0 {
		i++
	}
	switch {
	case i == len(b):
		return b, nil, nil
	case b[i] != '=':
		return b[:i], nil, b[i:]
	}
	key, b = b[:i], b[i+1:]
	for len(key) > 0 && key[0] == '(' { // user space of 2.6: (hostname=?, addr=?)
		key = key[1:]
	}
	// The common case: a word that ends at a blank.
	for i = 0; i < len(b) && class[b[i]]&special == 0; i++ {
	}
	if i > 0 && i < len(b) && b[i] == ' ' && b[i-1] != ',' && !isLabel(key) && string(key) != "proctitle" {
		return key, b[:i], b[i:]
	}
	if isLabel(key) && len(b) > 0 && b[0] == '=' {
		b = b[1:]
	}
	end := valueEnd(key, b)
	return key, b[:end], b[end:]
}

// valueEnd returns the length of the value at the start of b.
func valueEnd(key, b []byte) int {
	if len(b) == 0 {
		return 0
	}
	switch b[0] {
	case '"':
		if q := bytes.IndexByte(b[1:], '"'); q >= 0 {
			return q + 2
		}
	case '\'':
		// A name in it may have an apostrophe; msg is the last field.
		q := bytes.IndexByte(b[1:], '\'')
		if string(key) == "msg" {
			q = bytes.LastIndexByte(ownPart(b)[1:], '\'')
		}
		if q >= 0 {
			return q + 2
		}
	case '{':
		// saddr is the only field of its record, and a path in it may have brackets.
		if string(key) == "saddr" || string(key) == "SADDR" {
			if q := bytes.LastIndexByte(ownPart(b), '}'); q >= 0 {
				return q + 1
			}
		} else if q := closing(b, '{', '}'); q >= 0 {
			return q + 1
		}
	}
	if string(key) == "proctitle" {
		return len(bytes.TrimRight(ownPart(b), " "))
	}
	i, open := 0, true // false after a bracket without end
	for i < len(b) && b[i] != ' ' && b[i] != 0x1d {
		if b[i] == '(' && open {
			q := closing(b[i:], '(', ')')
			if open = q >= 0; open {
				i += q
			}
		} else if b[i] == ')' && (i+1 == len(b) || b[i+1] == ' ') && bytes.IndexByte(b[:i], '(') < 0 {
			return i // end of a bracket that was opened before the key
		}
		i++
	}
	switch {
	case i > 0 && i < len(b) && b[i-1] == ',':
		return i - 1
	case isLabel(key) && i+2 < len(b) && b[i] == ' ' && b[i+1] == '(':
		if q := closing(b[i+1:], '(', ')'); q >= 0 && !bytes.ContainsAny(b[i+1:i+1+q], " =") {
			return i + q + 2
		}
	}
	return i
}

// Classes of bytes.
const (
	endsKey = 1 << iota // end of a key
	special             // end of a value, or not a plain word
)

var class = func() (t [256]uint8) {
	t['='], t[' '], t[0x1d] = endsKey, endsKey|special, endsKey|special
	for _, c := range []byte{'"', '\'', '{', '(', ')'} {
		t[c] |= special
	}
	return t
}()

func isLabel(key []byte) bool {
	return string(key) == "subj" || string(key) == "obj"
}

// ownPart returns the text before the part that auditd adds.
func ownPart(b []byte) []byte {
	if i := bytes.IndexByte(b, 0x1d); i >= 0 {
		return b[:i]
	}
	return b
}

// closing returns the end of the bracket that opens at the start of b, -1 if there is none within
// maxNest bytes.
func closing(b []byte, open, end byte) int {
	depth := 0
	for i, c := range b[:min(len(b), maxNest)] {
		switch c {
		case open:
			depth++
		case end:
			if depth--; depth == 0 {
				return i
			}
		case 0x1d:
			return -1
		}
	}
	return -1
}

// Value returns the value of the first field with the key, nil if there is none.
func Value(fields []byte, key string) []byte {
	for len(fields) > 0 {
		var k, v []byte
		if k, v, fields = Next(fields); string(k) == key {
			return v
		}
	}
	return nil
}

// Text decodes a value of untrusted bytes: "quoted" or in hexadecimal (audit_log_untrustedstring).
// (null), (none) and ? are nil. The result may alias v. If a rule has several keys they are
// separated by \x01 in one value (AUDIT_KEY_SEPARATOR in libaudit.h).
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

// Bytes decodes hexadecimal digits.
func Bytes(v []byte) ([]byte, bool) {
	if len(v) == 0 || len(v)%2 != 0 {
		return nil, false
	}
	for _, c := range v {
		if digit(c) > 15 {
			return nil, false
		}
	}
	out := make([]byte, len(v)/2)
	for i := range out {
		out[i] = digit(v[2*i])<<4 | digit(v[2*i+1])
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

// Hex parses a register: hexadecimal digits without 0x.
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

// Decimal parses a number, perhaps negative. The kernel prints an unset id as -1 or, since 2.6.2x, as
// 4294967295; each is returned unchanged.
func Decimal(v []byte) (n int64, ok bool) {
	neg := len(v) > 0 && v[0] == '-'
	if neg {
		v = v[1:]
	}
	u, ok := number(v)
	switch {
	case !ok || u > 1<<63 || u == 1<<63 && !neg:
		return 0, false
	case neg:
		return -int64(u), true // correct for 1<<63, too, which wraps to itself
	}
	return int64(u), true
}

// Arch returns the enum pw_abi for an AUDIT_ARCH_* value (include/uapi/linux/audit.h), 0 if it is not
// supported.
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
