package event

import "net/netip"

// Evidence says on what grounds a socket, and so its packets, is a thread's.
type Evidence uint8

// The values are those of enum pw_owner_how.
const (
	OwnerCreated  Evidence = 1 // made the socket
	OwnerFound    Evidence = 2 // held it at attach
	OwnerSent     Evidence = 3 // sent on it last
	OwnerReceived Evidence = 4 // received from it last
	OwnerAccepted Evidence = 5 // accepted it
	OwnerUsed     Evidence = 6 // was in a call on it: to read, or to close it
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

// Use is what a thread did with a socket, and when.
type Use struct {
	What      Evidence // 0: nobody is known to have done it
	Task      Task
	Time      int64 // ns since the Unix epoch
	Inherited bool  // with the listener that the socket came from
}

// Users are those whose a socket may be: who made it (or held it at attach),
// accepted it, sent and received on it last.
type Users [4]Use

// Add takes in what a thread did, in place of what was known of that kind.
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
	// One's own, if only an acceptance, is better evidence than a listener's.
	if old := &u[at]; old.What == 0 || !n.Inherited && old.Inherited || n.Inherited == old.Inherited && n.Time >= old.Time {
		*old = n
	}
}

// Sender and Receiver are who sent and received last; nil where nobody has.
func (u *Users) Sender() *Use   { return u.own(2) }
func (u *Users) Receiver() *Use { return u.own(3) }

func (u *Users) own(i int) *Use {
	if u[i].What == 0 || u[i].Inherited {
		return nil
	}
	return &u[i]
}

// SpaceOf returns what tells a network namespace, by its inode, from most others: 24
// bits, as packets have them. 0 is none that is known.
func SpaceOf(netns uint32) uint32 {
	if netns == 0 {
		return 0
	}
	return (netns + 1) & (1<<24 - 1)
}

// Capture is a packet, and the socket that it was seen at. The task of its
// event is the socket's owner by the last evidence, not whoever ran.
type Capture struct {
	Packet
	Cookie    uint64 // of the socket: of the listener, in a handshake; 0 where none is known
	Owner     Evidence
	Made      Made
	Old       bool   // the socket was there before the first record
	Inherited bool   // the evidence is of the listener that the socket came from
	Handed    bool   // the evidence came after the packet: the socket was handed over
	Shared    bool   // several processes write to the stream, or read from the socket: the owner is the last that was seen to
	Space     uint32 // tells network namespaces apart, as SpaceOf; 0: it is not known
	Handshake bool   // Cookie is the listener's, and the owner that of the connection it led to
	Wire      bool   // seen at the device; no socket had it
	Claimed   bool   // the owner is what a file says
	Seen      int64  // when the evidence was, ns since the Unix epoch
	Iface     uint32
	Mark      uint32
	Link      uint16   // LINKTYPE_* of the bytes before the IP header; 0: none
	Header    []byte   // these bytes
	Answers   []Answer // names that it gives to addresses; may be empty
	NoIP      bool     // Data is not an IP packet, but what the Ethernet type says
	Ether     uint16   // of what lies behind Header; 0 where that does not say
}

// Answer is the name of an address, as DNS has it.
type Answer struct {
	Addr netip.Addr
	Name string // printable ASCII without spaces, at most 255 bytes
}

// Made says who made a packet, where that is not its socket.
type Made uint8

// The values are those of enum pw_made.
const (
	MadeSocket   Made = 0
	MadeRST      Made = 1 // the kernel, for what belongs to no socket any more
	MadeTimeWait Made = 2 // what is left of a closed connection
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

// Handover says that a socket is used by another process than before, or by
// one for the first time. The task of its event is the new owner.
type Handover struct {
	Cookie   uint64
	Listener uint64 // cookie of the socket it was accepted from; 0 where not
	Owner    Evidence
	Seen     int64  // when the evidence was, ns since the Unix epoch
	From     Task   // whose packets were shown before; flow fills it in
	Shown    uint64 // of them those that were From's by inheritance only, so are this one's; flow counts them
}

// State is a TCP socket that changed its state, or was looked at, with what
// the kernel counts of it (struct tcp_sock). The task of its event is the
// socket's owner.
type State struct {
	Sock     Sock
	Listener uint64 // cookie of the socket that the owner is inherited from; 0 where it is not
	Old      bool   // the socket was there before the first record
	Look     bool   // nothing changed: From is To
	From, To uint8  // TCP_*, net/tcp_states.h
	Err      uint8  // errno that the socket has for its next call, 0 none
	Owner    Evidence
	Shared   bool   // the owner is one of several processes that have the socket
	Users    *Users // nil: not recorded
	Context  KernelContext
	Around   int // functions that the thread was in, where these are told of
	TCP      TCPCounts
}

// States of TCP (include/net/tcp_states.h) that mean something here.
const (
	TCPClose  = 7
	TCPListen = 10
)

// TCPCounts is what the kernel counts of a TCP connection.
type TCPCounts struct {
	Sent, Resent, Received  uint64 // bytes; Sent with those that were sent again
	Acked                   uint64 // bytes; SYN and FIN count as one each
	SegsOut, SegsIn         uint32
	DataOut, DataIn         uint32 // segments with data
	Retrans                 uint32 // segments
	RTT, RTTVar             int64  // ns, smoothed; 0 before the first measurement
	Cwnd, SSThresh          uint32 // segments
	Unsent, Unacked, Unread uint32 // bytes
	MSS, SendWindow         uint32 // bytes
}
