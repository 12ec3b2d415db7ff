//go:build linux

package load

import "golang.org/x/net/bpf"

// Config configures the BPF programs. It cannot be changed after they are loaded.
type Config struct {
	Self    uint32 // our own pid, which is never watched; 0 to watch it too
	All     bool
	UIDs    []uint32
	Cgroups []string // paths relative to the cgroup v2 root
	Ports   []uint16
	AskExec bool // processes that exec are undecided until user space has matched their names
	Follow  bool
	StrLen  uint32 // bytes copied of each buffer, at most MaxStrLen
	// Payload is how many bytes are copied of each direction of a connection, for messages, at most MaxPayload, and
	// then a quarter of it after each change of direction. 0: only StrLen of each buffer.
	Payload   uint32
	Calls     func(string) bool // selects calls of syscalls.Table by name; nil: all
	NoCalls   bool              // no system calls and io_uring requests
	Env       bool              // the environment is read after an exec, for what it says about proxies
	Packets   bool              // packets
	Kernel    bool              // kernel events
	Drops     bool              // only the kernel events of drops
	Tree      bool              // kernel functions
	Functions []string          // which kernel functions: patterns of ksyms.Select; nil: the default set
	Engine    string            // how to trace them, one of Engines; empty: the first that works
	Stacks    bool              // stacks of the kernel and the process
	Audit     bool              // there is also a source of audit records
	Snaplen   uint32            // bytes copied of each packet, at most MaxSnaplen
	Filter    []bpf.Instruction // packet filter of pcapfilter.Compile; nil: all packets
	RingBytes uint32            // a power of two; 0: DefaultRing
	NoTracing bool              // for tests: as if tp_btf were refused
	Twice     bool              // for tests: as if programs at tracepoints were preempted
	NoPerf    bool              // for tests, with Twice: as if there were no perf events
	Threads   uint32            // maximum number of watched threads; 0: DefaultThreads
}

const (
	// MaxStrLen is the maximum number of bytes copied from one buffer (SCRATCH_SLACK in bpf/snap.h).
	MaxStrLen = 64 << 10
	// MaxPayload is the maximum number of bytes copied of a direction, and DefaultPayload what messages need.
	MaxPayload     = 1 << 20
	DefaultPayload = 16 << 10
	// MaxSnaplen is the maximum number of bytes copied from one packet (SNAPLEN_MAX in bpf/packets.bpf.c).
	MaxSnaplen = 65535
	// DefaultRing is the size of the ring buffer, in bytes.
	DefaultRing = 8 << 20
	// DefaultThreads is the number of threads that can be watched at once.
	DefaultThreads = 16384
	maxCgroups     = 8
)

// matchedByCalls reports whether a process can become a target by making a call.
func (c Config) matchedByCalls() bool {
	return c.All || len(c.UIDs) > 0 || len(c.Cgroups) > 0 || len(c.Ports) > 0
}
