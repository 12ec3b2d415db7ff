package syscalls

import "github.com/pidwire/pidwire/internal/wire"

// sleepers are calls that are not in Table, in which threads sleep (see Numbers for the sources).
var sleepers = []struct {
	name string
	nr   Numbers
}{
	{"futex", Numbers{202, 240, 98, 240}},
	{"futex", Numbers{no, 422, no, 422}}, // futex_time64
	{"futex_waitv", Numbers{449, 449, 449, 449}},
	{"nanosleep", Numbers{35, 162, 101, 162}},
	{"clock_nanosleep", Numbers{230, 267, 115, 265}},
	{"clock_nanosleep", Numbers{no, 407, no, 407}}, // clock_nanosleep_time64
	{"pause", Numbers{34, 29, no, 29}},
	{"rt_sigtimedwait", Numbers{128, 177, 137, 177}},
	{"wait4", Numbers{61, 114, 260, 114}},
	{"waitid", Numbers{247, 284, 95, 280}},
	{"fsync", Numbers{74, 118, 82, 118}},
	{"fdatasync", Numbers{75, 148, 83, 148}},
	{"pread64", Numbers{17, 180, 67, 180}},
	{"pwrite64", Numbers{18, 181, 68, 181}},
	{"openat", Numbers{257, 295, 56, 322}},
	{"flock", Numbers{73, 143, 32, 143}},
	{"fcntl", Numbers{72, 221, 25, 221}},
	{"semop", Numbers{65, no, 193, 298}},
	{"semtimedop", Numbers{220, no, 192, 312}},
	{"msgrcv", Numbers{70, no, 188, 301}},
}

// Sleeper returns the name of a call in which a thread may sleep; empty if it is not known.
func Sleeper(abi uint8, nr uint32) string {
	if c := Find(abi, nr, 0); c != nil {
		return c.Name
	}
	for i := range sleepers {
		n := sleepers[i].nr
		at := n.AMD64
		switch abi {
		case wire.AbiI386:
			at = n.I386
		case wire.AbiArm64:
			at = n.ARM64
		case wire.AbiArm:
			at = n.ARM
		}
		if at != no && uint32(at) == nr {
			return sleepers[i].name
		}
	}
	return ""
}
