package auditlog

import (
	"bytes"
	"strconv"
)

// Names returns the number of a name in an interpreted record. key is syscall, a0, a1, a2, a3 or exit.
// For exit the name is that of an errno, and the number the return value of the call (-115).
// abi is the result of Arch. name aliases the record.
type Names func(abi uint8, key string, name []byte) (n int64, ok bool)

// AppendRaw appends a record as a line of audit.log for Parse, without a newline. It converts the
// values of an interpreted record that decoding needs to raw form: arch, syscall, exit, a0 to a3,
// ids that are unset or unknown, saddr, and strings chosen by processes (comm, exe, key,
// proctitle, cwd, name, path) in quotes or in hexadecimal. Other values stay unchanged, and so
// do names for which names has no number: syscall=connect, exit=EINPROGRESS, a0=inet,
// uid=root. names may be nil.
//
// Strings chosen by processes are not quoted in interpreted form, and may look like fields. They end
// at the field that the kernel prints next, and after comm a field that identifies the process is
// ignored if it was already there. This is safe for SYSCALL, SECCOMP and ANOM_ABEND. In records
// with such a field after a file name, as in those of AppArmor, a file name can be chosen so
// that it is misparsed.
func (r *Record) AppendRaw(dst []byte, names Names) []byte {
	if len(r.Node) > 0 {
		dst = append(append(append(dst, "node="...), r.Node...), ' ')
	}
	dst = append(dst, "type="...)
	if len(r.Name) > 0 {
		dst = append(dst, r.Name...)
	} else {
		dst = append(dst, Name(r.Type)...)
	}
	dst = strconv.AppendInt(append(dst, " msg=audit("...), max(r.Sec, 0), 10)
	dst = append(dst, '.', byte('0'+r.Milli/100%10), byte('0'+r.Milli/10%10), byte('0'+r.Milli%10), ':')
	dst = append(strconv.AppendUint(dst, r.Serial, 10), "): "...)
	if !r.Interpreted {
		return append(dst, r.Fields...)
	}
	return r.rawFields(dst, names)
}

// rawFields appends the fields of an interpreted record.
func (r *Record) rawFields(dst []byte, names Names) []byte {
	var abi uint8
	var seen uint8 // set of indexes of who
	comm := false
	socketcall, first := false, true
	for fields := r.Fields; len(fields) > 0; {
		key, v, rest := Next(fields)
		twice := false
		for i := range who {
			if string(key) == who[i] && v != nil {
				twice = comm && seen&(1<<i) != 0
				seen |= 1 << i
			}
		}
		if len(key) == 0 && len(v) == 0 || twice {
			fields = rest
			continue
		}
		if !first {
			dst = append(dst, ' ')
		}
		first = false
		if v == nil {
			dst, fields = append(dst, key...), rest
			continue
		}
		if chosen(key) {
			comm = comm || string(key) == "comm"
			all := fields[bytes.IndexByte(fields, '=')+1:]
			v = all[:chosenEnd(key, all)]
			fields = all[len(v):]
			if string(key) == "key" && bytes.Contains(v, []byte(" key=")) {
				v = bytes.ReplaceAll(v, []byte(" key="), []byte{1})
			}
			dst = appendUntrusted(append(append(dst, key...), '='), v)
			continue
		}
		fields = rest
		if r.Type == SockAddr && string(key) == "saddr" && !bytes.HasPrefix(v, []byte("{")) {
			v, fields = r.Fields[bytes.IndexByte(r.Fields, '=')+1:], nil // inet host:1.2.3.4 serv:80
		}
		dst = append(append(dst, key...), '=')
		switch {
		case string(key) == "arch":
			n, ok := archOf(v)
			if !ok {
				dst = append(dst, v...)
				break
			}
			abi = Arch(n)
			dst = strconv.AppendUint(dst, n, 16)
		case string(key) == "syscall":
			name, _, _ := bytes.Cut(v, []byte("("))
			socketcall = string(name) == "socketcall"
			dst = appendSyscall(dst, abi, v, names)
		case string(key) == "exit":
			dst = appendExit(dst, abi, v, names)
		case len(key) == 2 && key[0] == 'a' && key[1] >= '0' && key[1] <= '5' && (r.Type == Syscall || r.Type == SocketCall):
			dst = appendArg(dst, abi, key, v, socketcall, names)
		case r.Type == SockAddr && string(key) == "saddr":
			dst = appendAddress(dst, v)
		case isID(key):
			dst = appendID(dst, v)
		default:
			dst = append(dst, v...)
		}
	}
	return dst
}

// arches has the architecture names of ausearch (machinetab.h in libaudit). It prints armeb for arm of
// both byte orders; little-endian is assumed.
var arches = map[string]uint64{
	"i386": 0x40000003, "i486": 0x40000003, "i586": 0x40000003, "i686": 0x40000003,
	"x86_64": 0xc000003e, "aarch64": 0xc00000b7, "armv8l": 0xc00000b7,
	"arm": 0x40000028, "armeb": 0x40000028, "armv5tejl": 0x40000028, "armv5tel": 0x40000028, "armv6l": 0x40000028, "armv7l": 0x40000028,
	"ia64": 0xc0000032, "ppc": 0x14, "ppc64": 0x80000015, "ppc64le": 0xc0000015, "s390": 0x16, "s390x": 0x80000016,
	"riscv32": 0x400000f3, "riscv64": 0xc00000f3, "loongarch64": 0xc0000102,
}

func archOf(v []byte) (n uint64, ok bool) {
	if n, ok = arches[string(v)]; ok {
		return n, true
	}
	if in, has := inside(v, "unknown-elf-type"); has {
		v = in
	}
	return Hex(v)
}

// inside returns the text in parentheses after a name: unknown-syscall(548).
func inside(v []byte, name string) ([]byte, bool) {
	if len(v) < len(name)+2 || string(v[:len(name)]) != name || v[len(name)] != '(' || v[len(v)-1] != ')' {
		return nil, false
	}
	return v[len(name)+1 : len(v)-1], true
}

// appendSyscall appends the number of connect, socketcall(connect) or unknown-syscall(548), or the
// name if it is unknown.
func appendSyscall(dst []byte, abi uint8, v []byte, names Names) []byte {
	if in, ok := inside(v, "unknown-syscall"); ok {
		return append(dst, in...)
	}
	v, _, _ = bytes.Cut(v, []byte("("))
	if names != nil {
		if n, ok := names(abi, "syscall", v); ok {
			return strconv.AppendInt(dst, n, 10)
		}
	}
	return append(dst, v...)
}

// appendExit appends the number of 42 or EINPROGRESS(Operation now in progress), or the name of the
// errno if it is unknown. For an errno without a name, like those internal to the kernel,
// ausearch prints (null)(Unknown error 512).
func appendExit(dst []byte, abi uint8, v []byte, names Names) []byte {
	if in, ok := inside(v, "(null)"); ok {
		if n, ok := number(in[bytes.LastIndexByte(in, ' ')+1:]); ok {
			return strconv.AppendUint(append(dst, '-'), n, 10)
		}
	}
	if name, _, ok := bytes.Cut(v, []byte("(")); ok && len(name) > 0 {
		v = name
	}
	if _, isNumber := Decimal(v); !isNumber && names != nil {
		if n, ok := names(abi, "exit", v); ok {
			return strconv.AppendInt(dst, n, 10)
		}
	}
	return append(dst, v...)
}

// socketcalls has the calls of socketcall(2), from 1 on (linux/net.h; with the names of socktab.h in
// libauparse).
var socketcalls = [...]string{
	"socket", "bind", "connect", "listen", "accept", "getsockname", "getpeername", "socketpair", "send", "recv",
	"sendto", "recvfrom", "shutdown", "setsockopt", "getsockopt", "sendmsg", "recvmsg", "accept4", "recvmmsg", "sendmmsg",
}

// appendArg appends a register in hexadecimal, or its text if the value is unknown.
func appendArg(dst []byte, abi uint8, key, v []byte, socketcall bool, names Names) []byte {
	if digits, ok := bytes.CutPrefix(v, []byte("0x")); ok && isHex(digits) {
		return append(dst, digits...)
	}
	if n, ok := Decimal(v); ok {
		return strconv.AppendUint(dst, uint64(n), 16)
	}
	if i := bytes.IndexByte(v, '('); i > 0 && bytes.HasPrefix(v, []byte("unknown-")) && v[len(v)-1] == ')' {
		if digits := v[i+1 : len(v)-1]; isHex(digits) {
			return append(dst, digits...)
		}
	}
	if socketcall && string(key) == "a0" {
		for i, name := range socketcalls {
			if string(v) == name {
				return strconv.AppendInt(dst, int64(i)+1, 16)
			}
		}
	}
	if names != nil {
		if n, ok := names(abi, string(key), v); ok {
			return strconv.AppendUint(dst, uint64(n), 16)
		}
	}
	return append(dst, v...)
}

func isHex(v []byte) bool {
	_, ok := Hex(v)
	return ok
}

// who has the fields that identify the process.
var who = [...]string{"pid", "ppid", "auid", "uid", "euid", "ses"}

func isID(key []byte) bool {
	switch string(key) {
	case "auid", "uid", "gid", "euid", "suid", "fsuid", "egid", "sgid", "fsgid", "ses", "old-auid", "old-ses", "oauid", "ouid", "ogid":
		return true
	}
	return false
}

func appendID(dst, v []byte) []byte {
	if string(v) == "unset" {
		return append(dst, "4294967295"...)
	}
	if in, ok := inside(v, "unknown"); ok {
		v = in
	}
	return append(dst, v...)
}

// chosen reports whether the value of a field is chosen by a process.
func chosen(key []byte) bool {
	switch string(key) {
	case "comm", "exe", "key", "proctitle", "cwd", "name", "path":
		return true
	}
	return false
}

// behindExe has the fields that the kernel prints after exe in some records.
var behindExe = [...]string{" subj=", " key=", " sig=", " res=", " reason=", " nl-mcgrp=", " hostname=", " addr=", " terminal=", " op="}

// chosenEnd returns the length of the value at the start of b.
func chosenEnd(key, b []byte) int {
	const (
		maxComm = 15 * len(`\001`)
		pathMax = 4096 // PATH_MAX
	)
	end := len(b)
	switch string(key) {
	case "comm":
		if i := bytes.LastIndex(b[:min(len(b), maxComm+len(" exe="))], []byte(" exe=")); i >= 0 {
			return i
		}
		return wordsEnd(b)
	case "name", "path":
		for _, next := range behindName {
			if i := bytes.LastIndex(b[:min(len(b), pathMax+len(next))], []byte(next)); i >= 0 {
				return i
			}
		}
		return wordsEnd(b)
	case "exe":
		for _, next := range behindExe {
			if i := bytes.Index(b[:end], []byte(next)); i >= 0 {
				end = i
			}
		}
	case "key":
		// There may be several keys, each preceded by key=. Another field follows only in
		// records of rule changes.
		if i := bytes.LastIndex(b, []byte(" list=")); i >= 0 {
			end = i
		}
	}
	return end
}

// behindName has the fields that the kernel prints after a file name in PATH and AVC; the earlier ones
// may be missing.
var behindName = [...]string{" inode=", " nametype=", " dev=", " ino="}

// wordsEnd returns the length of the words before the next word with a =.
func wordsEnd(b []byte) int {
	space := -1
	for i, c := range b {
		switch {
		case c == ' ':
			space = i
		case c == '=' && space >= 0 && space < i-1:
			return space
		}
	}
	return len(b)
}

// appendUntrusted appends a string chosen by a process like audit_log_n_untrustedstring of the kernel:
// in quotes, or in hexadecimal if it has a quote, a space or a byte that is not ASCII. ausearch
// has escaped control characters as \001.
func appendUntrusted(dst, v []byte) []byte {
	if string(v) == "(null)" || string(v) == "(none)" || string(v) == "?" {
		return append(dst, v...)
	}
	if n := len(v); n >= 2 && v[0] == '"' && bytes.IndexByte(v[1:], '"') == n-2 {
		return append(dst, v...) // already raw
	}
	plain := true
	for i := 0; i < len(v) && plain; i++ {
		plain = v[i] > ' ' && v[i] < 0x7f && v[i] != '"' && v[i] != '\\'
	}
	if plain {
		return append(append(append(dst, '"'), v...), '"')
	}
	from := len(dst)
	dst = unescape(dst, v)
	v, dst = append([]byte(nil), dst[from:]...), dst[:from]
	return appendHex(dst, v)
}

func appendHex(dst, v []byte) []byte {
	const digits = "0123456789ABCDEF"
	for _, c := range v {
		dst = append(dst, digits[c>>4], digits[c&15])
	}
	return dst
}

// unescape reverses the escapes of ausearch for control characters: \001.
func unescape(dst, v []byte) []byte {
	for i := 0; i < len(v); i++ {
		if v[i] == '\\' && i+3 < len(v) && v[i+1] == '0' && v[i+2] >= '0' && v[i+2] <= '3' && v[i+3] >= '0' && v[i+3] <= '7' {
			dst = append(dst, (v[i+2]-'0')<<3|(v[i+3]-'0'))
			i += 3
			continue
		}
		dst = append(dst, v[i])
	}
	return dst
}
