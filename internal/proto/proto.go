// Package proto is the stage that finds the messages of application protocols in what calls and
// packets carry. It has what is common to all protocols: the bytes of each connection in order,
// recognition, exchanges. Each protocol is a package of its own below it; package list has all of them.
package proto

import "github.com/pidwire/pidwire/internal/event"

// Protocol describes a protocol. A variable of this type is all that package list needs.
type Protocol struct {
	Name  string // as in -e msg=: "http"
	Title string // as in lines: "HTTP"
	// Ports are the usual ports of servers. They only decide between protocols of which the bytes
	// alone are not certain.
	Ports []uint16
	// Detect says whether the bytes can be of this protocol.
	Detect func(*Hint) Verdict
	// New returns the parser of a new connection.
	New func(*Conv) Parser
	// Opaque means that most of what is said cannot be read, so that it is not known whether an answer is awaited.
	Opaque bool
	// Keys are the fields that its messages can have, for the documentation and the schema.
	Keys []*event.Key
}

// Dir is a direction of a connection.
type Dir uint8

const (
	Out Dir = iota // sent by this end
	In             // received
)

// Other returns the opposite direction.
func (d Dir) Other() Dir { return 1 - d }

// Event returns the direction as in events.
func (d Dir) Event() event.Direction {
	if d == Out {
		return event.DirOut
	}
	return event.DirIn
}

// Verdict is the result of Protocol.Detect.
type Verdict uint8

const (
	No    Verdict = iota
	Wait          // nothing contradicts, but there are too few bytes
	Maybe         // possible; taken if a port agrees
	Sure          // other protocols do not begin like this
)

// Hint is what is known of a connection whose protocol is not.
type Hint struct {
	Data   [2][]byte // by direction: its bytes from Start or from a change of direction on, up to 4 KiB
	First  Dir       // the direction whose bytes came first
	Start  bool      // Data are the first bytes of the connection, or the first after another protocol
	Last   bool      // nothing follows Data[First] that can be known
	Stream bool      // Data are parts of streams; otherwise Data[First] is a datagram
	// Local and Peer are the ports; 0 if there are none. Path is that of an AF_UNIX socket.
	Local, Peer uint16
	Path        string
}

// Begin returns the bytes that came first.
func (h *Hint) Begin() []byte { return h.Data[h.First] }

// Turned reports whether the other end has sent something, too: the first message is complete.
func (h *Hint) Turned() bool { return len(h.Data[h.First.Other()]) > 0 }

// On reports whether one of the ports is in the list.
func (h *Hint) On(ports []uint16) bool {
	for _, p := range ports {
		if p != 0 && (p == h.Local || p == h.Peer) {
			return true
		}
	}
	return false
}

// Parser reads the messages of one connection. It is given both directions, each in order; bytes of
// one direction can be given before earlier ones of the other. Slices are valid until the method returns.
type Parser interface {
	// Read reads one unit at the beginning of b, which is what is known of direction d after the
	// last unit, and returns its size; 0 if b does not have all of it. What it returns may depend on the
	// unit's own bytes and on earlier units only, so that the messages are the same however the
	// bytes are split.
	Read(c *Conv, d Dir, b []byte) int
	// Skipped is called when the bytes for which Conv.Skip was called have passed.
	Skipped(c *Conv, d Dir)
	// Pause is called when some time has passed after Conv.Later, and there is no more to read. The parser emits what it
	// has of a message as its Head.
	Pause(c *Conv)
	// Lost says that n bytes of direction d are missing (n is 0 if their number is unknown) where
	// Read would be called. It returns whether the parser can go on with the bytes after them.
	Lost(c *Conv, d Dir, n int64) bool
	// Ended says that direction d has no more bytes. The parser emits what is left.
	Ended(c *Conv, d Dir)
}

// Cutter is implemented by parsers that can read units of which only the beginning was recorded, as in the output of
// strace.
type Cutter interface {
	// Cut is Read for b and, after it, missing bytes that are not known. It returns how many of all these belong to
	// the unit, or 0 if it cannot be read.
	Cut(c *Conv, d Dir, b []byte, missing int64) int64
}

// Packets is implemented by parsers of protocols on datagrams.
type Packets interface {
	// Packet reads a datagram of size bytes, of which b was captured. It reports whether the datagram
	// was of the protocol.
	Packet(c *Conv, d Dir, b []byte, size int64) bool
}

// Base has the methods of a Parser that many parsers do not need.
type Base struct{}

func (Base) Read(_ *Conv, _ Dir, b []byte) int { return len(b) }
func (Base) Skipped(*Conv, Dir)                {}
func (Base) Pause(*Conv)                       {}
func (Base) Lost(*Conv, Dir, int64) bool       { return false }
func (Base) Ended(*Conv, Dir)                  {}
