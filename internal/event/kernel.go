package event

import "net/netip"

// KernelWhat says what a Kernel is.
type KernelWhat uint8

const (
	KernelEnter KernelWhat = iota + 1 // a function was entered
	KernelLeave                       // and left
	KernelLeaf                        // both: it called no other
	KernelCall                        // it was called, and nothing is known of its return
	KernelEvent                       // something happened: a tracepoint, a probe
	KernelSock                        // nothing: Sock is what later ones are on
	KernelStep                        // nothing has a name but what is on the stack
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

// Tracer is who told of a Kernel.
type Tracer uint8

const (
	SystemTap Tracer = iota + 1
	Ftrace
	DTrace
	Pidwire // we ourselves
)

// KernelContext is in whose time the kernel did something.
type KernelContext uint8

// The values are those of enum pw_context.
const (
	ContextUnknown KernelContext = 0
	ContextTask    KernelContext = 1 // a thread's own
	ContextSoftirq KernelContext = 2 // that of whoever ran
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

// Kernel is what the kernel did: a function that a thread went through, or an
// event on the way. Text is as its tracer printed it: hostile bytes.
type Kernel struct {
	What   KernelWhat
	Tracer Tracer
	Name   string // of the function, the event or the probe
	Module string // that it is of, where that is told
	Func   string // the caller; of a probe the function that it is in
	Depth  int    // how many functions are around it
	Args   string
	Ret    string // only where HasRet
	HasRet bool
	Ret64  int64 // of Pidwire, in place of Ret
	RetHex bool  // it is an address
	Dur    int64 // ns between entry and return; -1: not told
	// Of what goes over a connection; invalid, unknown, -1 and empty where not told.
	Local, Peer netip.AddrPort
	Dir         Direction
	Bytes       int64
	Flags       string // of TCP, as printed
	From, To    string // states of TCP, as printed
	Text        string // what else was printed
	Under       bool   // it was done in the call before it on the timeline, as far as that can be told

	// Of Pidwire only.

	Fields  []Arg  // what the event is about, in the order in which it is to be read
	Errno   string // of Ret64
	Reason  string // of a drop; empty where the kernel does not say
	Cookie  uint64 // of the socket; 0 where none is known
	Sock    Sock   // only where HasSock
	HasSock bool
	// Of the task, where it is whose the socket is, not the thread in whose own time it was done.
	Inherited bool // the evidence is of the listener that the socket came from
	Found     bool // no socket told of it: the owner is whose the addresses are, or who asked for the neighbour last
	Shared    bool // the owner is one of several processes, the last that was seen to use the socket
	Context   KernelContext
	CPU       int32
	OnTID     uint32 // whose time it was, if not the event's own task's; 0: nobody's
	OnComm    string // hostile bytes

	// The functions around it, by its stack: innermost first. May be empty.
	Stack, UserStack []Frame
	// Path is what of Stack is new since the thread's event before, in the same
	// call: outermost first. They were entered, nobody saw when; what they gave
	// back is not known. Around is how many were there already.
	Path   []Frame
	Around int
}

// Frame is a function on a stack.
type Frame struct {
	Addr   uint64 // where it goes on
	Offset uint64 // of that, into the function; into File where that has no name
	Name   string // empty where nobody knows it
	File   string // executable, library, or module of the kernel; may be empty
}

// Function reports whether it is a function that was entered or left.
func (k *Kernel) Function() bool {
	return k.What >= KernelEnter && k.What <= KernelCall
}

// Lost reports whether something was lost here that was on its way to or from
// a socket.
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
