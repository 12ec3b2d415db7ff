package notation

import "github.com/pidwire/pidwire/internal/event"

// NoSSThresh is the smallest slow start threshold that means that none is set yet
// (TCP_INFINITE_SSTHRESH, net/tcp.h).
const NoSSThresh = 0x7fffffff

const (
	tcpEstablished = 1
	tcpSynSent     = 2
	tcpSynRecv     = 3
	tcpFinWait1    = 4
	tcpFinWait2    = 5
	tcpClosed      = 7
	tcpCloseWait   = 8
	tcpLastAck     = 9
	tcpListening   = 10
	tcpClosing     = 11
)

// StateCause returns the cause of a change of a TCP state, derived from the states, the error of
// the socket and the context, or "" if it is unknown. The changes are those of
// net/ipv4/tcp_input.c and tcp.c.
func StateCause(s *event.State) string {
	const connReset, timedOut, refused, pipe = 104, 110, 111, 32
	if s.Look {
		return ""
	}
	switch s.To {
	case tcpClosed:
		switch s.Err {
		case connReset, pipe:
			return "RST received"
		case refused:
			if s.From == tcpSynSent {
				return "RST received: refused"
			}
		case timedOut:
			return "timed out: no answer"
		case 0:
			switch {
			case s.From == tcpLastAck, s.From == tcpClosing:
				return "FIN acknowledged"
			case s.From == tcpFinWait2:
				if s.Context != event.ContextSoftirq {
					return "" // or the timeout of an orphan
				}
				return "FIN received"
			case s.Context == event.ContextTask:
				return "closed here"
			}
		}
		return ""
	case tcpSynSent:
		return "connect"
	case tcpSynRecv:
		return "SYN received"
	case tcpEstablished:
		switch s.From {
		case tcpSynSent:
			return "SYN-ACK received"
		case tcpSynRecv:
			return "handshake acknowledged"
		}
	case tcpFinWait1, tcpLastAck:
		return "closed here"
	case tcpCloseWait, tcpClosing:
		return "FIN received"
	case tcpFinWait2:
		return "FIN acknowledged"
	case tcpListening:
		return "listen"
	}
	return ""
}
