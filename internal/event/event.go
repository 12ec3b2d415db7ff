// Package event is the ground of pidwire: the decoded form of everything that
// happened, free of any source, sink or machine. Values are structured; words
// are made in sinks only.
package event

import "net/netip"

// Event is one thing that happened.
type Event struct {
	Time  int64  // when it began, ns since the Unix epoch
	Slack int64  // how far Time may be off, ns; 0 for the kernel's own clock
	Seq   uint64 // number of the record it came from, from 1
	Task  Task
	Body  Body
	Raw   []byte   // the wire record that it was decoded from; aliases it
	Warn  []string // what could not be decoded, and why
}

// Body is what happened: one of the types that Visitor has a method for.
type Body interface {
	visit(*Entry, Visitor)
	clone() Body
}

// Proc identifies a process for the lifetime of the machine: a pid is used
// again, a pid with its start time is not.
type Proc struct {
	PID   uint32 // thread group id, as the host sees it
	Start uint64 // in clock ticks of 10 ms since boot; 0 where the source has none
}

// Task is the thread that an event is about.
type Task struct {
	Proc
	TID          uint32
	NSPID, NSTID uint32 // in the task's own pid namespace; 0 where unknown
	UID          uint32
	Comm         string // of the thread, as the kernel has it: hostile bytes
	// Bare says that PID (as another tool printed it, perhaps of the thread) and
	// Comm are all that is known.
	Bare bool
}

// SockID identifies a socket: by cookie, unique per boot, and by the inode of
// its file. Either may be 0.
type SockID struct {
	Cookie, Inode uint64
}

// Sock is a socket as the kernel had it at the time of the event.
type Sock struct {
	ID          SockID
	PeerInode   uint64 // AF_UNIX
	NetNS       uint32
	FD          int32 // -1 where none
	Family      uint16
	Type        uint16
	Protocol    uint16
	State       uint8
	New         bool           // made by this call
	Result      bool           // the fd is the call's return value
	Before      bool           // state of before the call
	Local, Peer netip.AddrPort // invalid where not IP, or not bound or connected
	Aux         [2]uint32      // AF_NETLINK: port id; AF_VSOCK: cid, port
}

// CallState says how far a call got.
type CallState uint8

const (
	Returned   CallState = iota
	Waiting              // still blocked when looked at; it will come again
	Unfinished           // the task ended inside the call
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
	Name     string // as strace names it, static
	Role     Role   // what it does with sockets
	NR       uint32
	ABI      ABI
	Via      string // "socketcall" or "io_uring", else empty
	Args     []Arg
	Ret      int64  // as the kernel returned it: -errno on failure
	Out      Tape   // how a sink shows Ret when it is not a plain number; may be empty
	Aux      Tape   // what strace puts behind the result in parentheses; may be empty
	Errno    string // "ECONNREFUSED"; empty on success
	Dur      int64  // ns; for Waiting: so far
	State    CallState
	Socks    []Sock         // that the call worked on or made; may be empty
	Addr     netip.AddrPort // the IP address that the process gave (connect, bind, sendto); invalid where none
	Bytes    int64          // payload moved, 0 if none
	In       bool           // Bytes came in
	Redacted bool           // key material was left where it was
	Refused  bool           // seccomp refused or answered it, and the kernel did not do it: when it began is not known
	Cut      bool           // some memory was not captured: limits of the capture
	Foreign  bool           // printed by another tool: arguments are text, sockets are not known
}

// Arg is an argument: the register beside what it means.
type Arg struct {
	Name    string // as in the man page, static
	Raw     uint64
	Val     Tape
	Unknown bool // the source does not say: Raw is nothing
}

// ProcWhat says what happened to a process.
type ProcWhat uint8

// The values are those of enum pw_proc_what.
const (
	Found ProcWhat = 1
	Fork  ProcWhat = 2
	Exec  ProcWhat = 3
	Exit  ProcWhat = 4
)

// Process is a process that was found, born, exec'ed or ended.
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

// SockFound is a socket that was open before the first record.
type SockFound struct {
	Sock Sock
	Path string // AF_UNIX; an abstract name begins with NUL
}

// Ready is what an epoll instance waited for before the first record.
type Ready struct {
	EpFD, FD int32
	Events   uint32 // EPOLLIN...
	Data     uint64 // epoll_data, which epoll_wait gives back
	Inode    uint64 // of what FD was when it was registered
}

// Layer is where something was seen.
type Layer uint16

// The layers have the numbers of enum pw_layer.
const (
	LayerNone Layer = 0
	LayerSys  Layer = 1
	LayerPkt  Layer = 2
	LayerKrn  Layer = 3
	LayerAud  Layer = 4
	Layers          = 5
)

func (l Layer) String() string {
	switch l {
	case LayerPkt:
		return "pkt"
	case LayerKrn:
		return "krn"
	case LayerAud:
		return "aud"
	}
	return "sys"
}

// Lost counts what is not on the timeline.
type Lost struct {
	Layer  Layer
	Reason string // static
	Count  uint64
}

// What a Name is of; the values are those of enum pw_name_what.
const (
	NameUser  = 1
	NameIface = 2
	NameHost  = 3
)

// Name is a name that the source looked up, of a user or an interface, or one
// that stood for an address in a file, and Addr what was made up for it.
type Name struct {
	What  uint16 // NameUser, NameIface or NameHost
	ID    uint32
	NetNS uint64
	Name  string
	Addr  netip.Addr // of NameHost
}

// Symbol is what a code address is; nothing where nobody knows.
type Symbol struct {
	Addr, Offset uint64
	PID          uint32 // whose memory; 0: the kernel's
	Name         string // of the function
	File         string // that it is of: an executable, a library, a module of the kernel
}

// Note is what a source says about itself.
type Note struct {
	Degraded bool // something is missing from what follows
	Text     string
	Fix      string // may be empty
}

// Clock says how far the wall clock has been set since the timeline's start.
type Clock struct {
	Drift int64 // ns
}

// End closes a recording.
type End struct {
	Reason string
}

// Unknown is a record of a kind that this version does not know.
type Unknown struct {
	Kind uint16
	Len  int
}

// Match says on what evidence an event was joined to its connection.
type Match uint8

const (
	MatchNone      Match = iota
	MatchGuess           // address, port, time, byte counts
	MatchTable           // inode, descriptor or 4-tuple found in a table
	MatchShared          // the kernel's own identity of the socket; the owner is one of several processes that have it, and perhaps not the one
	MatchInherited       // the kernel's own identity; the owner is that of the socket it came from
	MatchExact           // the kernel's own identity of the socket
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

// Conn is a connection: one end of it, a socket from its birth to its last
// event. It is never changed once a sink has seen it: when more becomes known,
// later entries carry another Conn with the same N. Counts are a sink's work.
type Conn struct {
	N           uint32 // c1, c2, ... in order of appearance, stable in a recording
	ID          SockID
	NetNS       uint32
	Family      uint16
	Type        uint16
	Protocol    uint16
	State       uint8
	Local, Peer netip.AddrPort
	PeerName    string // that the host looked up, and got Peer for; empty where none was seen
	LocalName   string // only where LocalMade
	LocalMade   bool   // the file has LocalName: the address of Local was made up for it, and is to be shown by nobody
	PeerMade    bool   // the same of Peer
	Path        string // AF_UNIX; an abstract name begins with NUL
	Owner       Proc   // that first used it
	Listener    uint32 // N of the listening connection it was accepted from, 0 none
	Old         bool   // its making was not seen
	Found       bool   // it is known to have been open before the first record
	Closed      bool
	First       int64 // time of the first event
}

// MadeName is what stands in the file for an address that was made up for it;
// empty for any other.
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
	// Cause is the Seq of what brought this about: of the call that sent a
	// packet, of the packet that a call waited for; 0 where none is known.
	Cause  uint64
	Conn   *Conn // nil where none
	Match  Match
	First  bool    // the first entry of Conn
	Others []*Conn // further connections of the event (accept's child, socketpair, poll)
	User   string  // name of the user; empty where unknown
}
