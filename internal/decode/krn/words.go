package krn

// tcpStates are TCP_*, include/net/tcp_states.h.
var tcpStates = [...]string{
	"", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE", "CLOSE_WAIT",
	"LAST_ACK", "LISTEN", "CLOSING", "NEW_SYN_RECV",
}

// caStates are enum tcp_ca_state, linux/tcp.h, with the names of ss and the kernel documentation.
var caStates = [...]string{"Open", "Disorder", "CWR", "Recovery", "Loss"}

// flagText has the text of each set of TCP flags, in the notation of tcpdump.
var flagText [256]string

func init() {
	const letters = "FSRP.UEW" // by bit, in the order of tcpdump, except for the dot
	for v := range flagText {
		b := make([]byte, 0, 8)
		for i := range 8 {
			if i != 4 && v>>i&1 != 0 {
				b = append(b, letters[i])
			}
		}
		if v>>4&1 != 0 {
			b = append(b, '.')
		}
		if len(b) == 0 {
			b = append(b, "none"...)
		}
		flagText[v] = string(b)
	}
}

func tcpFlags(v uint8) string { return flagText[v] }

// nudState returns the name of a neighbour state: NUD_*, linux/neighbour.h.
func nudState(v uint64) string {
	switch v {
	case 0:
		return "NONE"
	case 1:
		return "INCOMPLETE"
	case 2:
		return "REACHABLE"
	case 4:
		return "STALE"
	case 8:
		return "DELAY"
	case 16:
		return "PROBE"
	case 32:
		return "FAILED"
	case 64:
		return "NOARP"
	case 128:
		return "PERMANENT"
	}
	return "unknown"
}

// icmpType returns the name of an ICMP type that the kernel sends (RFC 792, RFC 4443).
func icmpType(t uint64, v6 bool) string {
	if v6 {
		switch t {
		case 1:
			return "unreachable"
		case 2:
			return "too-big"
		case 3:
			return "time-exceeded"
		case 4:
			return "parameter-problem"
		}
		return "other"
	}
	switch t {
	case 3:
		return "unreachable"
	case 4:
		return "source-quench"
	case 5:
		return "redirect"
	case 11:
		return "time-exceeded"
	case 12:
		return "parameter-problem"
	}
	return "other"
}

// icmpCode returns the name of the code of an unreachable message, "" for other types.
func icmpCode(t, code uint64, v6 bool) string {
	names := []string{"net", "host", "protocol", "port", "fragmentation-needed", "source-route", "net-unknown", "host-unknown",
		"source-isolated", "net-prohibited", "host-prohibited", "net-tos", "host-tos", "admin-prohibited"}
	want := uint64(3)
	if v6 {
		names = []string{"no-route", "admin-prohibited", "beyond-scope", "address", "port", "policy", "reject-route"}
		want = 1
	}
	if t != want || code >= uint64(len(names)) {
		return ""
	}
	return names[code]
}
