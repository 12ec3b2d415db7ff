package importer

import (
	"bytes"

	"github.com/pidwire/pidwire/internal/decode/sys"
)

// keyHidden stands where another tool printed a key: keys are neither shown nor
// recorded, whoever let them out.
var keyHidden = []byte("... /* key not shown */")

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

// hasKey reports whether a call as it was printed seems to have a key among its
// arguments; hideKeys is sure to tell.
func hasKey(call []byte) bool {
	name, args, _ := bytes.Cut(call, []byte("("))
	if isOption(name) {
		fd, rest, _ := bytes.Cut(args, comma)
		if bytes.IndexByte(fd, '<') >= 0 {
			return true // what is said of a descriptor (-y) may have commas too
		}
		level, rest, _ := bytes.Cut(rest, comma)
		option, _, _ := bytes.Cut(rest, comma)
		return sys.SecretOption(string(level), string(option))
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

// hideKeys takes keys out of the arguments of a call, and reports whether there
// was one.
func hideKeys(name []byte, args [][]byte) (hid bool) {
	if isOption(name) {
		if len(args) < 4 || !sys.SecretOption(string(args[1]), string(args[2])) {
			return false
		}
		for i := 3; i < max(len(args)-1, 4); i++ {
			if len(args[i]) > 0 && bytes.IndexAny(args[i][:1], `"{[`) == 0 {
				args[i], hid = keyHidden, true
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
			out = append(out, keyHidden...)
			end += len(arg[end:]) - len(bytes.TrimPrefix(arg[end:], []byte("...")))
		} else {
			out = append(out, arg[i:end]...)
		}
		i = end
	}
	return out
}
