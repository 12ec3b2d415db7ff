package notation

import "strconv"

var tcpStates = [...]string{
	1: "ESTABLISHED", 2: "SYN_SENT", 3: "SYN_RECV", 4: "FIN_WAIT1", 5: "FIN_WAIT2", 6: "TIME_WAIT",
	7: "CLOSE", 8: "CLOSE_WAIT", 9: "LAST_ACK", 10: "LISTEN", 11: "CLOSING", 12: "NEW_SYN_RECV",
}

// TCPState returns the name of the state of a TCP or MPTCP socket (net/tcp_states.h). It returns
// "" for other protocols, whose states have other meanings.
func TCPState(family, protocol uint16, state uint8) string {
	if family != afInet && family != afInet6 || protocol != 6 && protocol != 262 || int(state) >= len(tcpStates) {
		return ""
	}
	return tcpStates[state]
}

// Transport returns the name of the protocol of a socket: TCP, UDP, UNIX-STREAM, NETLINK... or
// numbers if it has none.
func Transport(family, typ, protocol uint16) string {
	switch family {
	case afInet, afInet6:
		name := ipNames[protocol]
		if typ == sockRaw {
			name = "RAW"
		}
		if name != "" {
			return name
		}
	case afUnix:
		switch typ {
		case sockStream:
			return "UNIX-STREAM"
		case sockDgram:
			return "UNIX-DGRAM"
		case sockSeqpacket:
			return "UNIX-SEQPACKET"
		}
	case afNetlink:
		return "NETLINK"
	case afPacket:
		return "PACKET"
	case afVsock:
		return "VSOCK"
	}
	return "socket(" + strconv.Itoa(int(family)) + ", " + strconv.Itoa(int(typ)) + ", " + strconv.Itoa(int(protocol)) + ")"
}

var signals = [...]string{
	1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE",
	9: "SIGKILL", 10: "SIGUSR1", 11: "SIGSEGV", 12: "SIGUSR2", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM",
	16: "SIGSTKFLT", 17: "SIGCHLD", 18: "SIGCONT", 19: "SIGSTOP", 20: "SIGTSTP", 21: "SIGTTIN", 22: "SIGTTOU",
	23: "SIGURG", 24: "SIGXCPU", 25: "SIGXFSZ", 26: "SIGVTALRM", 27: "SIGPROF", 28: "SIGWINCH", 29: "SIGIO",
	30: "SIGPWR", 31: "SIGSYS",
}

// Signal returns the name of a signal (asm-generic/signal.h), or the number of a real-time one.
func Signal(n uint32) string {
	if int(n) < len(signals) && signals[n] != "" {
		return signals[n]
	}
	return "SIG_" + strconv.FormatUint(uint64(n), 10)
}
