package cli

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/proto"
	"github.com/pidwire/pidwire/internal/source/bpf"
	"github.com/pidwire/pidwire/internal/source/proc"
)

const (
	// Limits of the default size of the ring buffer. A busy program makes some 60,000 records of 350
	// bytes per second, and the reader can be delayed for seconds: by a CPU quota, a hypervisor, a
	// debugger.
	minRing = 8 << 20
	maxRing = 256 << 20
	// ringShare limits the ring to 1/ringShare of the machine's memory.
	ringShare = 64
	// ownMemory is the memory that a run may use without the ring: two processes (memoryLimit, and what Go
	// uses in addition), and 55 MiB of BPF maps. A short run uses 63 MiB with layer sys, 95 with sys,pkt,krn.
	ownMemory = 136 << 20
	// Limits of --buffer. The kernel requires a power of two of pages, and less than 4 GiB.
	leastBuffer = 64 << 10
	mostBuffer  = 1 << 30
)

// ringSize returns the size of the ring buffer in bytes: that of --buffer, or else one that depends on the
// machine's memory and on the memory limit of the cgroup. messages says whether layer msg is traced.
func ringSize(flag string, messages bool) (uint32, error) {
	if flag == "" {
		var info unix.Sysinfo_t
		if unix.Sysinfo(&info) != nil {
			return minRing, nil
		}
		return ringWithin(ringOf(uint64(info.Totalram)*uint64(info.Unit)), ownMemoryWith(messages), proc.Default.MemoryRoom)
	}
	n, err := bufferSize(flag)
	if err != nil || n < leastBuffer || n > mostBuffer {
		return 0, usageError("--buffer %s: a size in KiB, or with a unit as in 64MiB, from %s to %s", flag, byteWords(leastBuffer), byteWords(mostBuffer))
	}
	return uint32(1) << bits.Len64(n-1), nil
}

// ownMemoryWith is ownMemory with the bytes of conversations, if messages are read.
func ownMemoryWith(messages bool) uint64 {
	if messages {
		return ownMemory + proto.Bytes
	}
	return ownMemory
}

// ringOf returns the size of the ring buffer for a machine with that many bytes of memory: a power of two.
func ringOf(memory uint64) uint32 {
	share := max(memory/ringShare, 1)
	return uint32(min(max(uint64(1)<<(bits.Len64(share)-1), minRing), maxRing))
}

// ringWithin reduces the size of the ring buffer to the memory limit of our cgroup, such as that of a container: it
// takes at most half of the memory that is left after what pidwire needs itself, but at least minRing. It returns an error if there is
// too little memory: the OOM killer would kill a process of the cgroup, which may be the watched one.
func ringWithin(ring uint32, own uint64, room func() (uint64, string, bool)) (uint32, error) {
	left, limit, limited := room()
	if !limited {
		return ring, nil
	}
	if left < own+minRing {
		e := &exitError{
			code: exitPrivilege,
			err:  fmt.Errorf("too little memory: the limit in %s leaves %d MiB, and pidwire needs about %d; the kernel would kill pidwire or the watched process", limit, left>>20, (own+minRing)>>20),
			hint: []string{"run it outside the container, or raise the limit", "pidwire trace --buffer 1MiB needs the least memory, and does not check the limit"},
		}
		if own > ownMemory && left >= ownMemory+minRing {
			e.hint = append(e.hint, fmt.Sprintf("without layer msg it needs %d MiB less: -l sys,pkt", (own-ownMemory)>>20))
		}
		return 0, e
	}
	for ring > minRing && uint64(ring) > (left-own)/2 {
		ring /= 2
	}
	return ring, nil
}

var units = []struct {
	suffix string
	bytes  uint64
}{{"gib", 1 << 30}, {"mib", 1 << 20}, {"kib", 1 << 10}, {"gb", 1e9}, {"mb", 1e6}, {"kb", 1e3}, {"g", 1 << 30}, {"m", 1 << 20}, {"k", 1 << 10}}

// bufferSize parses a size and returns it in bytes. Without a unit it is in KiB, like tcpdump's -B.
func bufferSize(s string) (uint64, error) { return sizeOf(s, 1<<10) }

// sizeOf parses a size and returns it in bytes. Without a unit it is a multiple of one.
func sizeOf(s string, one uint64) (uint64, error) {
	number := strings.ToLower(s)
	for _, u := range units {
		if before, ok := strings.CutSuffix(number, u.suffix); ok {
			number, one = before, u.bytes
			break
		}
	}
	n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 64)
	if err != nil || n > mostBuffer {
		return 0, fmt.Errorf("%q is not a size", s)
	}
	return n * one, nil
}

// payloadSize parses --payload: how many bytes of each direction of a connection are recorded for messages.
func payloadSize(flag string) (uint32, error) {
	switch flag {
	case "":
		return bpf.DefaultPayload, nil
	case "none":
		return 0, nil
	}
	n, err := sizeOf(flag, 1)
	if err != nil || n > bpf.MaxPayload {
		return 0, usageError("--payload %s: a number of bytes up to %s, with a unit as in 64KiB, or none", flag, byteWords(bpf.MaxPayload))
	}
	return uint32(n), nil
}

// byteWords formats a number of bytes that is a power of two.
func byteWords(n uint32) string {
	if n >= 1<<30 {
		return fmt.Sprintf("%d GiB", n>>30)
	}
	if n >= 1<<20 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}
