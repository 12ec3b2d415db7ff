//go:build linux

package bpf

// NeededCaps returns the capabilities that the source needs after New, by number
// (linux/capability.h).
func (s *Source) NeededCaps() []uint {
	const (
		capDACReadSearch = 2  // /proc of other users' processes
		capSysPtrace     = 19 // their descriptors and memory maps
		capSyslog        = 34 // addresses in /proc/kallsyms
	)
	caps := []uint{capDACReadSearch, capSysPtrace, capBPF, capPerfmon}
	if s.opts.Kernel {
		caps = append(caps, capSyslog)
	}
	if !s.k.TellsInterfaces() {
		caps = append(caps, capSysAdmin) // setns, for the names of interfaces
	}
	return caps
}
