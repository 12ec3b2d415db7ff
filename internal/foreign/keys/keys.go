// Package keys removes keys from calls printed by strace and truss: values of TLS_TX, TCP_MD5SIG,
// ALG_SET_KEY and similar options, and messages of IPsec and WireGuard.
package keys

import (
	"bytes"
	"strconv"
	"strings"
)

var levels = map[string]uint32{
	"SOL_TCP": solTCP, "IPPROTO_TCP": solTCP, "SOL_SCTP": solSCTP, "IPPROTO_SCTP": solSCTP,
	"SOL_RXRPC": solRxrpc, "SOL_ALG": solALG, "SOL_TLS": solTLS,
}

// Named reports whether the value of a socket option has a key. level and name are names, or numbers in
// C syntax, perhaps followed by a comment. If name is a name the level is not needed.
func Named(level, name string) bool {
	num, plain := number(name)
	if plain {
		at, ok := number(level)
		if !ok {
			at, ok = levels[level]
		}
		return ok && Value(at, num)
	}
	for i := range Options {
		if Options[i].Name == name {
			return true
		}
	}
	return false
}

func number(s string) (uint32, bool) {
	if s == "" || s[0] < '0' || s[0] > '9' {
		return 0, false
	}
	for i := range len(s) {
		if s[i] == ' ' {
			s = s[:i]
			break
		}
	}
	n, err := strconv.ParseUint(s, 0, 32)
	return uint32(n), err == nil
}

// hidden replaces keys printed by other tools: keys are neither shown nor recorded.
var hidden = []byte("... /* key not shown */")

var (
	md5Key  = []byte("tcpm_key=")
	netlink = []byte("nlmsg_")
	comma   = []byte(", ")

	lenField = []byte("{nlmsg_len=")
)

// keyFDs has the prefixes of the annotations of strace -y for fds whose messages have keys.
var keyFDs = func() (begin [][]byte) {
	for i := range Families {
		f := &Families[i]
		if f.Head.Len() == 0 && f.Head != NoHead {
			continue
		}
		if name, ok := strings.CutPrefix(f.Name, "NETLINK_"); ok {
			begin = append(begin, []byte("<NETLINK:["+name))
		} else if _, name, ok = strings.Cut(f.Name, "_"); ok {
			begin = append(begin, []byte("<"+name+":["))
		}
	}
	return begin
}()

// Maybe reports whether a printed call may have a key among its arguments. Hide gives a definite
// answer.
func Maybe(call []byte) bool {
	name, args, _ := bytes.Cut(call, []byte("("))
	if isOption(name) {
		fd, rest, _ := bytes.Cut(args, comma)
		if bytes.IndexByte(fd, '<') >= 0 {
			return true // an annotation of an fd (-y) may have commas, too
		}
		level, rest, _ := bytes.Cut(rest, comma)
		option, _, _ := bytes.Cut(rest, comma)
		return Named(string(level), string(option))
	}
	return ofKeyFD(args) || bytes.Contains(args, netlink) && (ofKeyMessage(args) || bytes.Contains(args, md5Key))
}

func ofKeyFD(args []byte) bool {
	const descriptor = 16
	n := bytes.IndexByte(args[:min(len(args), descriptor)], '<')
	if n < 0 {
		return false
	}
	for _, begin := range keyFDs {
		if bytes.HasPrefix(args[n:], begin) {
			return true
		}
	}
	return false
}

// garbled finds bytes in an argument that strace has decoded as a header by mistake, and which may be
// a key. It returns the offsets of the printed text, and false if there is none.
func garbled(arg []byte) (begin, end int, ok bool) {
	const most = 1 << 16 // bytes of a message: a key's first four say more
	for {
		at := bytes.Index(arg[end:], lenField)
		if at < 0 {
			return 0, 0, false
		}
		begin = end + at
		end = begin + len(lenField)
		n := 0
		for ; end < len(arg) && arg[end] >= '0' && arg[end] <= '9'; end++ {
			n = min(10*n+int(arg[end]-'0'), most+1)
		}
		if n > most {
			if at := bytes.IndexByte(arg[end:], '}'); at >= 0 {
				return begin, end + at + 1, true
			}
			return begin, len(arg), true
		}
	}
}

func ofKeyMessage(arg []byte) bool {
	if _, _, ok := garbled(arg); ok {
		return true
	}
	for _, of := range messageNames {
		if bytes.Contains(arg, []byte(of)) {
			return true
		}
	}
	return false
}

func isOption(call []byte) bool {
	return string(call) == "setsockopt" || string(call) == "getsockopt"
}

// Hide removes keys from the arguments of a call. It reports whether there was one.
func Hide(name []byte, args [][]byte) (hid bool) {
	if isOption(name) {
		if len(args) < 4 || !Named(string(args[1]), string(args[2])) {
			return false
		}
		for i := 3; i < max(len(args)-1, 4); i++ {
			if len(args[i]) > 0 && bytes.IndexAny(args[i][:1], `"{[`) == 0 {
				args[i], hid = hidden, true
			}
		}
		return hid
	}
	secure := len(args) > 0 && ofKeyFD(args[0])
	for i, arg := range args {
		switch {
		case secure && i > 0:
			args[i] = hideStrings(arg, nil)
		case len(arg) == 0 || arg[0] == '"': // the text in a string is not a decoding by strace
			continue
		case ofKeyMessage(arg):
			args[i] = hideStrings(arg, nil)
		case bytes.Contains(arg, md5Key):
			args[i] = hideStrings(arg, md5Key)
		default:
			continue
		}
		hid = hid || !bytes.Equal(args[i], arg)
	}
	return hid
}

// hideStrings returns an argument without its strings, or without those after a name.
func hideStrings(arg, behind []byte) []byte {
	var out []byte
	if behind == nil {
		rest := arg
		arg = nil
		for begin, end, ok := garbled(rest); ok; begin, end, ok = garbled(rest) {
			arg = append(append(arg, rest[:begin]...), hidden...)
			rest = rest[end:]
		}
		arg = append(arg, rest...)
	}
	for i := 0; i < len(arg); {
		if arg[i] != '"' {
			out = append(out, arg[i])
			i++
			continue
		}
		end := i + 1
		for end < len(arg) && arg[end] != '"' {
			if arg[end] == '\\' {
				end++
			}
			end++
		}
		end = min(end+1, len(arg))
		if bytes.HasSuffix(arg[:i], behind) {
			out = append(out, hidden...)
			end += len(arg[end:]) - len(bytes.TrimPrefix(arg[end:], []byte("...")))
		} else {
			out = append(out, arg[i:end]...)
		}
		i = end
	}
	return out
}
