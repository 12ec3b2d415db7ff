package event

import "net/netip"

// Evidence is the reason why a thread owns a socket and its packets.
type Evidence uint8

// The values are those of enum pw_owner_how.
const (
	OwnerCreated  Evidence = 1 // created the socket
	OwnerFound    Evidence = 2 // held it at attach
	OwnerSent     Evidence = 3 // sent on it last
	OwnerReceived Evidence = 4 // received from it last
	OwnerAccepted Evidence = 5 // accepted it
	OwnerUsed     Evidence = 6 // was in a call that reads or closes it
)

func (e Evidence) String() string {
	switch e {
	case OwnerCreated:
		return "created"
	case OwnerFound:
		return "found"
	case OwnerSent:
		return "sent"
	case OwnerReceived:
		return "received"
	case OwnerAccepted:
		return "accepted"
	case OwnerUsed:
		return "used"
	}
	return "unknown"
}

// Use is a use of a socket by a thread.
type Use struct {
	What      Evidence // 0: none is known
	Task      Task
	Time      int64 // ns since the Unix epoch
	Inherited bool  // of the listener that the socket came from
}

// Users are the possible owners of a socket: the creator (or holder at attach), the
// accepting thread, the last sender and the last receiver.
type Users [4]Use

// Add records a use in place of the previous one of its kind.
func (u *Users) Add(n Use) {
	at := 0
	switch n.What {
	case OwnerAccepted:
		at = 1
	case OwnerSent:
		at = 2
	case OwnerReceived:
		at = 3
	case OwnerCreated, OwnerFound:
	default:
		return
	}
	// A use of the socket itself is better evidence than one of its listener.
	if old := &u[at]; old.What == 0 || !n.Inherited && old.Inherited || n.Inherited == old.Inherited && n.Time >= old.Time {
		*old = n
	}
}

// Sender and Receiver return the last sender and receiver, or nil.
func (u *Users) Sender() *Use   { return u.own(2) }
func (u *Users) Receiver() *Use { return u.own(3) }

func (u *Users) own(i int) *Use {
	if u[i].What == 0 || u[i].Inherited {
		return nil
	}
	return &u[i]
}

// SpaceOf returns 24 bits that identify a network namespace by its inode, as recorded
// with packets. 0: unknown.
func SpaceOf(netns uint32) uint32 {
	if netns == 0 {
		return 0
	}
	return (netns + 1) & (1<<24 - 1)
}

// Capture is a packet and the socket at which it was captured. The task of its event
// is the owner of the socket by the last evidence, not the running thread.
type Capture struct {
	Packet
	Cookie    uint64 // of the socket, or of the listener in a handshake; 0: unknown
	Owner     Evidence
	Made      Made
	Old       bool   // the socket was open before the first record
	Inherited bool   // the evidence is the listener's
	Handed    bool   // the evidence is later than the packet: the socket was handed over
	Shared    bool   // several processes write to the stream or read from the socket; the owner did so last
	Space     uint32 // network namespace, as SpaceOf; 0: unknown
	Handshake bool   // Cookie is the listener's; the owner is that of the accepted connection
	Wire      bool   // captured at the device; no socket had it
	Claimed   bool   // the owner is from a file
	Seen      int64  // time of the evidence, ns since the Unix epoch
	Iface     uint32
	Mark      uint32
	Link      uint16   // LINKTYPE_* of the bytes before the IP header; 0: none
	Header    []byte   // these bytes
	Answers   []Answer // of a DNS answer; may be empty
	NoIP      bool     // Data is not an IP packet; Ether is its type
	Ether     uint16   // Ethernet type behind Header; 0: unknown
}

// Answer is the name of an address in a DNS answer.
type Answer struct {
	Addr netip.Addr
	Name string   // printable ASCII without spaces, at most 255 bytes
	From NameFrom // FromDNS or FromPTR
}

// Made is the origin of a packet that its socket did not send or receive.
type Made uint8

// The values are those of enum pw_made.
const (
	MadeSocket   Made = 0
	MadeRST      Made = 1 // the kernel, for a packet without a socket
	MadeTimeWait Made = 2 // a TIME_WAIT socket
	MadeICMP     Made = 3 // an ICMP error about a packet of the socket
	MadePeer     Made = 4 // the other end, for a socket that is closed
)

func (m Made) String() string {
	switch m {
	case MadeSocket:
		return "socket"
	case MadeRST:
		return "rst"
	case MadeTimeWait:
		return "timewait"
	case MadeICMP:
		return "icmp"
	case MadePeer:
		return "closed"
	}
	return "unknown"
}

// Handover is the first use of a socket, or its first use by another process than
// before. The task of its event is the new owner.
type Handover struct {
	Cookie   uint64
	Listener uint64 // cookie of the listener that it was accepted from; 0: none
	Owner    Evidence
	Seen     int64  // time of the evidence, ns since the Unix epoch
	From     Task   // the previous owner; set by flow
	Shown    uint64 // packets shown with From by inheritance, which belong to the new owner; counted by flow
}

// State is a change of state of a TCP socket, or a look at one, with its counters
// (struct tcp_sock). The task of its event is the socket's owner.
type State struct {
	Sock     Sock
	Listener uint64 // cookie of the socket whose owner is inherited; 0: none
	Old      bool   // the socket was open before the first record
	Look     bool   // a look: From is To
	From, To uint8  // TCP_*, net/tcp_states.h
	Err      uint8  // pending error of the socket (errno); 0: none
	Owner    Evidence
	Shared   bool   // several processes have the socket
	Users    *Users // nil: not recorded
	Context  KernelContext
	Around   int // number of enclosing functions, where these are recorded
	TCP      TCPCounts
}

// States of TCP (include/net/tcp_states.h).
const (
	TCPClose = 7

	TCPEstablished = 1
	TCPSynSent     = 2
	TCPListen      = 10
)

// TCPCounts are the counters of a TCP connection.
type TCPCounts struct {
	Sent, Resent, Received  uint64 // bytes; Sent includes retransmitted ones
	Acked                   uint64 // bytes; SYN and FIN count as one each
	SegsOut, SegsIn         uint32
	DataOut, DataIn         uint32 // segments with data
	Retrans                 uint32 // segments
	RTT, RTTVar             int64  // ns, smoothed; 0 before the first measurement
	Cwnd, SSThresh          uint32 // segments
	Unsent, Unacked, Unread uint32 // bytes
	MSS, SendWindow         uint32 // bytes
}
