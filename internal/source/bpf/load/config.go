//go:build linux

package load

import "golang.org/x/net/bpf"

// Config says what the kernel side does. It is fixed at load.
type Config struct {
	Self      uint32 // our own pid: never watched; 0 to watch ourselves too
	All       bool
	UIDs      []uint32
	Cgroups   []string // paths below the cgroup v2 root
	Ports     []uint16
	AskExec   bool // Decide is asked about every process that is exec'ed
	Follow    bool
	StrLen    uint32            // payload bytes a buffer, at most MaxStrLen
	Calls     func(string) bool // which of syscalls.Table; nil: all
	NoCalls   bool              // without system calls and io_uring requests
	Packets   bool              // with packets
	Kernel    bool              // with what the kernel does for the sockets
	Drops     bool              // of that only what it drops
	Tree      bool              // with the functions on the way
	Functions []string          // which: patterns of ksyms.Select; nil: the default set
	Engine    string            // that tells of them, one of Engines; empty: the first that works
	Stacks    bool              // with the stacks of the kernel and the process
	Audit     bool              // beside a source of audit's records
	Snaplen   uint32            // bytes of a packet, at most MaxSnaplen
	Filter    []bpf.Instruction // of pcapfilter.Compile: which packets; nil: all
	RingBytes uint32            // a power of two; 0: DefaultRing
	NoTracing bool              // as where tp_btf is refused; for tests
	Twice     bool              // as where programs at tracepoints are preempted; for tests
	NoPerf    bool              // then as where perf's events cannot be had; for tests
	Threads   uint32            // watched threads at most; 0: DefaultThreads
}

const (
	// MaxStrLen bounds what is copied of one buffer (SCRATCH_SLACK in bpf/snap.h).
	MaxStrLen = 64 << 10
	// MaxSnaplen bounds what is copied of one packet (SNAPLEN_MAX in bpf/packets.bpf.c).
	MaxSnaplen = 65535
	// DefaultRing is the size of the ring buffer, in bytes.
	DefaultRing = 8 << 20
	// DefaultThreads is the number of threads that can be watched at once.
	DefaultThreads = 16384
	maxCgroups     = 8
)

// matchedByCalls reports that a process may become a target by a call it makes.
func (c Config) matchedByCalls() bool {
	return c.All || len(c.UIDs) > 0 || len(c.Cgroups) > 0 || len(c.Ports) > 0
}
