package event

// Evidence says on what grounds a socket, and so its packets, is a thread's.
type Evidence uint8

// The values are those of enum pw_owner_how.
const (
	OwnerCreated  Evidence = 1 // made the socket
	OwnerFound    Evidence = 2 // held it at attach
	OwnerSent     Evidence = 3 // sent on it last
	OwnerReceived Evidence = 4 // received from it last
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
	}
	return "unknown"
}

// Capture is a packet, and the socket that it was seen at. The task of its
// event is the socket's owner by the last evidence, not whoever ran.
type Capture struct {
	Packet
	Cookie    uint64 // of the socket: of the listener, in a handshake
	Owner     Evidence
	Inherited bool  // the evidence is of the listener that the socket came from
	Seen      int64 // when the evidence was, ns since the Unix epoch
	Iface     uint32
	Mark      uint32
}
