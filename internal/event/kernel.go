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
	}
	return "unknown"
}

// Tracer is who told of a Kernel.
type Tracer uint8

const (
	SystemTap Tracer = iota + 1
	Ftrace
	DTrace
)

func (t Tracer) String() string {
	switch t {
	case SystemTap:
		return "systemtap"
	case Ftrace:
		return "ftrace"
	case DTrace:
		return "dtrace"
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
	Dur    int64 // ns between entry and return; -1: not told
	// Of what goes over a connection; invalid, unknown, -1 and empty where not told.
	Local, Peer netip.AddrPort
	Dir         Direction
	Bytes       int64
	Flags       string // of TCP, as printed
	From, To    string // states of TCP, as printed
	Text        string // what else was printed
	Under       bool   // it was done in the call before it on the timeline, as far as that can be told
}

func (*Kernel) body() {}
