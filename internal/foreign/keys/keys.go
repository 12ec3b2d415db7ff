// Package keys takes keys out of calls as strace and truss print them: what a
// process gave to TLS_TX, TCP_MD5SIG, ALG_SET_KEY and their like, and messages of
// IPsec and WireGuard.
package keys

import (
	"bytes"
	"strconv"
)

// option is a socket option whose value holds a key.
type option struct {
	level, num uint64
	name       string
}

// options are those of Linux (include/uapi/linux: tls.h, tcp.h, if_alg.h, rxrpc.h,
// sctp.h).
var options = [...]option{
	{solTCP, 14, "TCP_MD5SIG"}, {solTCP, 32, "TCP_MD5SIG_EXT"}, {solTCP, 33, "TCP_FASTOPEN_KEY"},
	{solTCP, 38, "TCP_AO_ADD_KEY"}, {solTCP, 41, "TCP_AO_GET_KEYS"},
	{solSCTP, 23, "SCTP_AUTH_KEY"},
	{solRxrpc, 1, "RXRPC_SECURITY_KEY"},
	{solALG, 1, "ALG_SET_KEY"}, {solALG, 6, "ALG_SET_DRBG_ENTROPY"}, {solALG, 7, "ALG_SET_KEY_BY_KEY_SERIAL"},
	{solTLS, 1, "TLS_TX"}, {solTLS, 2, "TLS_RX"},
}

const (
	solTCP   = 6
	solSCTP  = 132
	solRxrpc = 272
	solALG   = 279
	solTLS   = 282
)

var levels = map[string]uint64{
	"SOL_TCP": solTCP, "IPPROTO_TCP": solTCP, "SOL_SCTP": solSCTP, "IPPROTO_SCTP": solSCTP,
	"SOL_RXRPC": solRxrpc, "SOL_ALG": solALG, "SOL_TLS": solTLS,
}

// Option reports whether the value of a socket option holds a key. Level and name
// are names, or numbers in C's notation with perhaps a comment behind; a name of
// an option tells by itself.
func Option(level, name string) bool {
	num, plain := number(name)
	at, ok := number(level)
	if !ok {
		at, ok = levels[level]
	}
	for i := range options {
		o := &options[i]
		if !plain && o.name == name || plain && ok && o.num == num && o.level == at {
			return true
		}
	}
	return false
}

func number(s string) (uint64, bool) {
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
	return n, err == nil
}

// hidden stands where another tool printed a key: keys are neither shown nor
// recorded, whoever let them out.
var hidden = []byte("... /* key not shown */")

var (
	md5Key  = []byte("tcpm_key=")
	netlink = []byte("nlmsg_")
	comma   = []byte(", ")
	// Messages of IPsec, WireGuard, MACsec and of wireless have keys in them,
	// where nothing tells: all of their data is left out.
	ofKeys = [...][]byte{
		[]byte("nlmsg_type=XFRM_MSG_"), []byte("nlmsg_type=wireguard"), []byte("nlmsg_type=macsec"), []byte("nlmsg_type=nl80211"),
	}
	keyFDs = [...][]byte{[]byte("<NETLINK:[XFRM"), []byte("<NETLINK:[GENERIC")}
)

// Maybe reports whether a call as it was printed seems to have a key among its
// arguments; Hide is sure to tell.
func Maybe(call []byte) bool {
	name, args, _ := bytes.Cut(call, []byte("("))
	if isOption(name) {
		fd, rest, _ := bytes.Cut(args, comma)
		if bytes.IndexByte(fd, '<') >= 0 {
			return true // what is said of a descriptor (-y) may have commas too
		}
		level, rest, _ := bytes.Cut(rest, comma)
		option, _, _ := bytes.Cut(rest, comma)
		return Option(string(level), string(option))
	}
	return ofKeyFD(args) || bytes.Contains(args, netlink) && (ofKeyMessage(args) || bytes.Contains(args, md5Key))
}

func ofKeyFD(args []byte) bool {
	const descriptor = 16
	n := bytes.IndexByte(args[:min(len(args), descriptor)], '<')
	return n >= 0 && (bytes.HasPrefix(args[n:], keyFDs[0]) || bytes.HasPrefix(args[n:], keyFDs[1]))
}

func ofKeyMessage(arg []byte) bool {
	for _, of := range ofKeys {
		if bytes.Contains(arg, of) {
			return true
		}
	}
	return false
}

func isOption(call []byte) bool {
	return string(call) == "setsockopt" || string(call) == "getsockopt"
}

// Hide takes keys out of the arguments of a call, and reports whether there
// was one.
func Hide(name []byte, args [][]byte) (hid bool) {
	if isOption(name) {
		if len(args) < 4 || !Option(string(args[1]), string(args[2])) {
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
		case len(arg) == 0 || arg[0] == '"': // what is in a string is not strace's
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

// hideStrings is an argument without its strings, or without those behind a name.
func hideStrings(arg, behind []byte) []byte {
	var out []byte
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
