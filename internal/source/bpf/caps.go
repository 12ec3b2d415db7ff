//go:build linux

package bpf

// NeededCaps returns the capabilities that a source needs once it was made, by number
// (linux/capability.h); kernel: it tells of what the kernel does.
func NeededCaps(kernel bool) []uint {
	const (
		capDACReadSearch = 2  // /proc of processes of others
		capSysPtrace     = 19 // their descriptors and memory maps
		capSysAdmin      = 21 // setns, for the names of interfaces
		capSyslog        = 34 // addresses in /proc/kallsyms
	)
	caps := []uint{capDACReadSearch, capSysPtrace, capSysAdmin, capBPF, capPerfmon}
	if kernel {
		caps = append(caps, capSyslog)
	}
	return caps
}
