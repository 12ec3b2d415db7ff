// Package event defines the decoded form of all events. It does not depend on any source, sink or
// machine. Values are structured; only sinks format them.
package event

import "net/netip"

// Event is one event of the timeline.
type Event struct {
	Time  int64  // when it began, ns since the Unix epoch
	Slack int64  // how far Time may be off, ns; 0 for the kernel's own clock
	Seq   uint64 // number of its record, from 1
	Task  Task
	Body  Body
	Raw   []byte   // the wire record; aliases the source's memory
	Warn  []string // the parts that could not be decoded, with the reason
}

// Body is the content of an event: one of the types that Visitor has a method for.
type Body interface {
	visit(*Entry, Visitor)
	clone() Body
}

// Proc identifies a process until the next boot: pids are reused, a pid with its
// start time is not.
type Proc struct {
	PID   uint32 // thread group id, as the host sees it
	Start uint64 // in clock ticks of 10 ms since boot; 0 if the source has none
}

// Task is the thread of an event.
type Task struct {
	Proc
	TID          uint32
	NSPID, NSTID uint32 // in the task's own pid namespace; 0 if unknown
	UID          uint32
	Comm         string // of the thread, as in the kernel: hostile bytes
	// Bare says that only PID (as another tool printed it, perhaps a thread's) and
	// Comm are known.
	Bare bool
}

// SockID identifies a socket by its cookie, which is unique until the next boot, and
// by the inode of its file. Either may be 0.
type SockID struct {
	Cookie, Inode uint64
}

// Sock is the state of a socket at the time of the event.
type Sock struct {
	ID          SockID
	PeerInode   uint64 // AF_UNIX
	NetNS       uint32
	FD          int32 // -1 if none
	Family      uint16
	Type        uint16
	Protocol    uint16
	State       uint8
	New         bool           // created by this call
	Result      bool           // the fd is the call's return value
	Before      bool           // Sock is the state before the call
	Local, Peer netip.AddrPort // invalid if not IP, or not bound or connected
	Aux         [2]uint32      // AF_NETLINK: port id; AF_VSOCK: cid, port
}

// CallState says whether a call has returned.
type CallState uint8

const (
	Returned   CallState = iota
	Waiting              // still blocked; the call follows again when it returns
	Unfinished           // the task exited in the call
)

// ABI is a table of system call numbers with its struct layouts.
type ABI uint8

// The ABIs have the numbers of enum pw_abi.
const (
	X86_64 ABI = 1
	I386   ABI = 2
	ARM64  ABI = 3
	ARM    ABI = 4
	X32    ABI = 5
)

func (a ABI) String() string {
	switch a {
	case X86_64:
		return "x86_64"
	case I386:
		return "i386"
	case ARM64:
		return "aarch64"
	case ARM:
		return "arm"
	case X32:
		return "x32"
	}
	return "unknown"
}

// Call is a system call, or an io_uring request, which has the same shape.
type Call struct {
	Name  string // as strace names it, static
	Role  Role   // what it does with sockets
	NR    uint32
	ABI   ABI
	Via   string // "socketcall" or "io_uring", else empty
	Args  []Arg
	Ret   int64  // as the kernel returned it: -errno on failure
	Out   Tape   // Ret, if it is not a plain number; may be empty
	Aux   Tape   // the text that strace prints in parentheses after the result; may be empty
	Errno string // "ECONNREFUSED"; empty on success
	Dur   int64  // ns; for Waiting: so far
	State CallState
	Socks []Sock         // used or created by the call; may be empty
	Addr  netip.AddrPort // the IP address argument (connect, bind, sendto); invalid if none
	Path  string         // the AF_UNIX address argument, of at most 108 bytes; an abstract name begins with NUL
	Bytes int64          // payload moved, 0 if none
	In    bool           // Bytes were received
	// Payload is what the call sent or received, as far as it was recorded: the pieces are in order.
	// It is empty if the kernel moved the bytes (sendfile, io_uring), or if they were not recorded.
	Payload  []Piece
	Answers  []Answer // of a DNS answer that was received; may be empty
	Redacted bool     // key material was not copied
	Refused  bool     // seccomp refused or answered the call; its entry time is not known
	Cut      bool     // some memory exceeded the limits of the capture
	Foreign  bool     // printed by another tool: arguments are text, sockets are unknown
}

// Peeks reports whether the call leaves what it receives in the queue (MSG_PEEK).
func (c *Call) Peeks() bool {
	const msgPeek = 2
	for i := range c.Args {
		if c.Args[i].Name == "flags" {
			return c.Args[i].Raw&msgPeek != 0
		}
	}
	return false
}

// Piece is a part of the payload of a call.
type Piece struct {
	Data []byte         // its beginning; aliases the record
	Len  int64          // bytes that were moved, at least those of Data
	Msg  int            // number of the message in the call, from 0: sendmmsg has several
	Peer netip.AddrPort // the address of the message; invalid if the call had none
}

// Arg is an argument: the register and its meaning.
type Arg struct {
	Name    string // as in the man page, static
	Raw     uint64
	Val     Tape
	Unknown bool // not recorded: Raw is meaningless
}

// ProcWhat is a change of a process.
type ProcWhat uint8

// The values are those of enum pw_proc_what.
const (
	Found ProcWhat = 1
	Fork  ProcWhat = 2
	Exec  ProcWhat = 3
	Exit  ProcWhat = 4
)

// Process is a process that was found, forked, exec'ed or exited.
type Process struct {
	What      ProcWhat
	Parent    Proc
	Exe       string
	Argv      []string
	Cgroup    string
	Container string
	Code      uint32 // Exit: wait status
	NetNS     uint64
	Compat    bool // a 32-bit program
}

// SockFound is a socket that was open before the first record of the timeline.
type SockFound struct {
	Sock Sock
	Path string // AF_UNIX; an abstract name begins with NUL
}

// Ready is a registration of an epoll instance that was made before the first record.
type Ready struct {
	EpFD, FD int32
	Events   uint32 // EPOLLIN...
	Data     uint64 // epoll_data, returned by epoll_wait
	Inode    uint64 // of FD's file when it was registered
}

// Layer is the layer that recorded an event.
type Layer uint16

// The layers have the numbers of enum pw_layer.
const (
	LayerNone Layer = 0
	LayerSys  Layer = 1
	LayerPkt  Layer = 2
	LayerKrn  Layer = 3
	LayerAud  Layer = 4
	LayerMsg  Layer = 5 // made of the others: no record has it
	Layers          = 6
)

func (l Layer) String() string {
	switch l {
	case LayerPkt:
		return "pkt"
	case LayerKrn:
		return "krn"
	case LayerAud:
		return "aud"
	case LayerMsg:
		return "msg"
	}
	return "sys"
}

// Lost counts events that are missing from the timeline.
type Lost struct {
	Layer  Layer
	Reason string // static
	Count  uint64
}

// The kinds of a Name; the values are those of enum pw_name_what.
const (
	NameUser  = 1
	NameIface = 2
	NameHost  = 3
)

// Name is the name of a user or interface, looked up by the source, or a host name that a file
// contains instead of an address. Addr is the placeholder address for it.
type Name struct {
	What  uint16 // NameUser, NameIface or NameHost
	ID    uint32
	NetNS uint64
	Name  string
	Addr  netip.Addr // for NameHost
}

// Symbol is the function of a code address; Name is empty if it is unknown.
type Symbol struct {
	Addr, Offset uint64
	PID          uint32 // whose memory; 0: the kernel's
	Name         string // of the function
	File         string // with the function: an executable, a library, or a kernel module
}

// Note is a message of the source about itself.
type Note struct {
	Degraded bool // something is missing from the following events
	Gap      bool // calls or packets are missing before it
	Text     string
	Fix      string // may be empty
}

// Fact is what cannot be seen in calls and packets: a fact of the machine as the process sees it, in its namespaces.
// docs/facts.md lists the names.
type Fact struct {
	Name string
	Text string
}

// Clock is a step of the wall clock, relative to the start of the timeline.
type Clock struct {
	Drift int64 // ns
}

// End closes a recording.
type End struct {
	Reason string
}

// Unknown is a record of a kind that this version cannot decode.
type Unknown struct {
	Kind uint16
	Len  int
}

// Match is the evidence by which an event was joined to its connection.
type Match uint8

const (
	MatchNone      Match = iota
	MatchGuess           // address, port, time, byte counts
	MatchTable           // inode, descriptor or 4-tuple found in a table
	MatchShared          // the kernel's identity of the socket; several processes have it, and the owner may be another of them
	MatchInherited       // the kernel's identity of the socket; the owner is inherited from another socket
	MatchExact           // the kernel's identity of the socket
)

func (m Match) String() string {
	switch m {
	case MatchExact:
		return "exact"
	case MatchInherited:
		return "inherited"
	case MatchShared:
		return "shared"
	case MatchTable:
		return "table"
	case MatchGuess:
		return "guess"
	}
	return "none"
}

// Conn is one end of a connection: a socket from its creation to its last event. A
// Conn is immutable once a sink has seen it; when more becomes known, later entries
// have a new Conn with the same N. Sinks count.
type Conn struct {
	N           uint32 // c1, c2, ... in order of appearance, stable in a recording
	ID          SockID
	NetNS       uint32
	Family      uint16
	Type        uint16
	Protocol    uint16
	State       uint8
	Local, Peer netip.AddrPort
	PeerName    string // name of Peer's address; may be empty
	PeerFrom    NameFrom
	LocalName   string // only if LocalMade
	LocalMade   bool   // Local is a placeholder for LocalName, the name in the file; sinks do not show it
	PeerMade    bool   // the same for Peer
	Path        string // AF_UNIX; an abstract name begins with NUL
	Owner       Proc   // first user
	Listener    uint32 // N of the listener that it was accepted from; 0: none
	Old         bool   // its creation was not recorded
	Found       bool   // it was open before the first record
	Closed      bool
	First       int64 // time of the first event
}

// NameFrom is how the name of an address is known.
type NameFrom uint8

// A name from a later value is preferred.
const (
	FromNowhere NameFrom = iota
	FromPTR              // a DNS answer for the address: what its owner calls it
	FromDNS              // a DNS answer has the address for the name, as it may have for others
	FromHost             // this end called its peer so on the connection: Host or :authority of HTTP
	FromSNI              // the same in the ClientHello of TLS (RFC 6066, 3)
	FromFile             // a file of another tool has the name in place of an address
)

func (f NameFrom) String() string {
	switch f {
	case FromPTR:
		return "ptr"
	case FromDNS:
		return "dns"
	case FromHost:
		return "host"
	case FromSNI:
		return "sni"
	case FromFile:
		return "file"
	}
	return ""
}

// Inferred reports whether the name is that of the address only: the connection may be meant for
// another one.
func (f NameFrom) Inferred() bool { return f == FromPTR || f == FromDNS }

// MadeName returns the name in the file of a placeholder address; empty for other
// addresses.
func (c *Conn) MadeName(a netip.Addr) string {
	switch {
	case c == nil:
	case c.PeerMade && c.Peer.Addr() == a:
		return c.PeerName
	case c.LocalMade && c.Local.Addr() == a:
		return c.LocalName
	}
	return ""
}

// Entry is an event joined to its connection.
type Entry struct {
	Event
	// Cause is the Seq of the call that sent this packet, or of the packet that this
	// call waited for; 0 if unknown.
	Cause  uint64
	Conn   *Conn // nil if none
	Match  Match
	First  bool    // the first entry of Conn
	Others []*Conn // further connections of the event (accept's child, socketpair, poll)
	User   string  // name of the user; empty if unknown
}
