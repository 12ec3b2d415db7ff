package cli

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/source/proc"
)

const (
	// The ring holds what the kernel tells until it is read. A busy program makes some 60,000 records a
	// second of 350 bytes, and a reader can be held up for seconds: by a CPU quota, a hypervisor, a
	// debugger.
	minRing = 8 << 20
	maxRing = 256 << 20
	// ringShare is the part of the machine's memory that the ring may take.
	ringShare = 64
	// ownMemory is what a run may take beside the ring: two processes (memoryLimit, and what Go takes beside
	// it), and 55 MiB of maps in the kernel. A short run takes 63 MiB with layer sys, 95 with sys,pkt,krn.
	ownMemory = 136 << 20
	// What --buffer takes: the kernel wants a power of two of pages, and less than 4 GiB.
	leastBuffer = 64 << 10
	mostBuffer  = 1 << 30
)

// ringSize is the size of the ring, in bytes: as --buffer says, else by the machine's memory, and by what the
// cgroup's limit leaves.
func ringSize(flag string) (uint32, error) {
	if flag == "" {
		var info unix.Sysinfo_t
		if unix.Sysinfo(&info) != nil {
			return minRing, nil
		}
		return ringWithin(ringOf(uint64(info.Totalram)*uint64(info.Unit)), proc.Default.MemoryRoom)
	}
	n, err := bufferSize(flag)
	if err != nil || n < leastBuffer || n > mostBuffer {
		return 0, usageError("--buffer %s: a size in KiB, or with a unit as in 64MiB, from %s to %s", flag, byteWords(leastBuffer), byteWords(mostBuffer))
	}
	return uint32(1) << bits.Len64(n-1), nil
}

// ringOf is the size of the ring on a machine with so much memory: a power of two.
func ringOf(memory uint64) uint32 {
	share := max(memory/ringShare, 1)
	return uint32(min(max(uint64(1)<<(bits.Len64(share)-1), minRing), maxRing))
}

// ringWithin is the size of the ring where the cgroup that we are in has a memory limit, as containers have: with
// all else that a run takes it fits into half of what is left. An error says that there is too little: the kernel
// would kill one of the processes in the cgroup, and that may be the watched one.
func ringWithin(ring uint32, room func() (uint64, string, bool)) (uint32, error) {
	left, limit, limited := room()
	if !limited {
		return ring, nil
	}
	if left < ownMemory+minRing {
		return 0, &exitError{
			code: exitPrivilege,
			err:  fmt.Errorf("too little memory: the limit in %s leaves %d MiB, and this takes about %d; the kernel would kill it, or what it watches", limit, left>>20, (ownMemory+minRing)>>20),
			hint: []string{"start it outside of the container, or raise the limit", "pidwire trace --buffer 1MiB starts with the smallest need, whatever is left"},
		}
	}
	for ring > minRing && uint64(ring) > (left-ownMemory)/2 {
		ring /= 2
	}
	return ring, nil
}

var units = []struct {
	suffix string
	bytes  uint64
}{{"gib", 1 << 30}, {"mib", 1 << 20}, {"kib", 1 << 10}, {"gb", 1e9}, {"mb", 1e6}, {"kb", 1e3}, {"g", 1 << 30}, {"m", 1 << 20}, {"k", 1 << 10}, {"", 1 << 10}}

// bufferSize reads a size in bytes; without a unit it is in KiB, as tcpdump's -B.
func bufferSize(s string) (uint64, error) {
	low := strings.ToLower(s)
	for _, u := range units {
		number, ok := strings.CutSuffix(low, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 64)
		if err != nil || n > mostBuffer {
			return 0, fmt.Errorf("%q is not a size", s)
		}
		return n * u.bytes, nil
	}
	return 0, fmt.Errorf("%q is not a size", s)
}

// byteWords writes a power of two of bytes.
func byteWords(n uint32) string {
	if n >= 1<<30 {
		return fmt.Sprintf("%d GiB", n>>30)
	}
	if n >= 1<<20 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}
