package event

import "net/netip"

// KernelWhat is the kind of a Kernel event.
type KernelWhat uint8

const (
	KernelEnter KernelWhat = iota + 1 // a function was entered
	KernelLeave                       // and left
	KernelLeaf                        // both: it called no other
	KernelCall                        // it was called; its return is unknown
	KernelEvent                       // something happened: a tracepoint, a probe
	KernelSock                        // no event: Sock is the socket of the following ones
	KernelStep                        // no event: a stack
)

func (w KernelWhat) String() string {
	switch w {
	case KernelEnter:
		return "enter"
	case KernelLeave:
		return "leave"
	case KernelLeaf:
		return "leaf"
	case KernelCall:
		return "call"
	case KernelEvent:
		return "event"
	case KernelSock:
		return "socket"
	case KernelStep:
		return "step"
	}
	return "unknown"
}

// Tracer is the tool that recorded a Kernel.
type Tracer uint8

const (
	SystemTap Tracer = iota + 1
	Ftrace
	DTrace
	Pidwire // pidwire itself
)

// KernelContext is the execution context of a kernel event.
type KernelContext uint8

// The values are those of enum pw_context.
const (
	ContextUnknown KernelContext = 0
	ContextTask    KernelContext = 1 // of a thread
	ContextSoftirq KernelContext = 2 // on the current thread's time
)

func (c KernelContext) String() string {
	switch c {
	case ContextTask:
		return "task"
	case ContextSoftirq:
		return "softirq"
	}
	return "unknown"
}

func (t Tracer) String() string {
	switch t {
	case SystemTap:
		return "systemtap"
	case Ftrace:
		return "ftrace"
	case DTrace:
		return "dtrace"
	case Pidwire:
		return "pidwire"
	}
	return "unknown"
}

// Kernel is a function of the kernel that a thread called, or an event in the kernel.
// Strings are as the tracer printed them: hostile bytes.
type Kernel struct {
	What   KernelWhat
	Tracer Tracer
	Name   string // of the function, the event or the probe
	Module string // its module, if reported
	Func   string // the caller; for a probe, the function that it is in
	Depth  int    // number of enclosing functions
	Args   string
	Ret    string // only if HasRet
	HasRet bool
	Ret64  int64 // for Pidwire, instead of Ret
	RetHex bool  // it is an address
	Dur    int64 // ns between entry and return; -1: not reported
	// About a connection's data; invalid, unknown, -1 and empty if not reported.
	Local, Peer netip.AddrPort
	Dir         Direction
	Bytes       int64
	Flags       string // of TCP, as printed
	From, To    string // states of TCP, as printed
	Text        string // other printed text
	Under       bool   // it happened in the preceding call of the timeline, as far as known

	// Only for Pidwire.

	Fields  []Arg  // in the order of display
	Errno   string // of Ret64
	Reason  string // of a drop; empty if the kernel has none
	Cookie  uint64 // of the socket; 0 if none is known
	Sock    Sock   // only if HasSock
	HasSock bool
	// About the task, if it is the socket's owner and not the current thread.
	Inherited bool // the evidence is from the listener
	Found     bool // the event has no socket: the owner has the addresses, or last requested the neighbour
	Shared    bool // several processes have the socket; the owner used it last
	Context   KernelContext
	CPU       int32
	OnTID     uint32 // the current thread, if it is not the task; 0: none
	OnComm    string // hostile bytes

	// Stack and UserStack are the call stacks, innermost first; may be empty.
	Stack, UserStack []Frame
	// Path is the part of Stack that is new since the thread's previous event in the
	// same call, outermost first: functions whose entry time and result are unknown.
	// Around is the number of frames before it.
	Path   []Frame
	Around int
}

// Frame is one function of a stack.
type Frame struct {
	Addr   uint64 // return address
	Offset uint64 // of Addr from the start of the function, or of File if Name is empty
	Name   string // empty if unknown
	File   string // executable, library, or module of the kernel; may be empty
}

// Function reports whether k is the entry or return of a function.
func (k *Kernel) Function() bool {
	return k.What >= KernelEnter && k.What <= KernelCall
}

// Lost reports whether k is the loss of a packet or of a connection request.
func (k *Kernel) Lost() bool {
	if k.Tracer != Pidwire {
		return false
	}
	switch k.Name {
	case "skb:drop", "sock:rcvqueue-full", "tcp:listen-overflow":
		return true
	}
	return false
}
