//go:build linux

package bpf

import "os"

// Ability is what the layer of system calls can do on this machine.
type Ability struct {
	Err   error    // why it is off; nil if it works
	Notes []string // what is missing
	Fixes []string // beside Notes; empty where there is none
	Parts []string // what works
}

// Probe loads and attaches everything, and takes it away again.
func Probe() Ability {
	k, err := load(Config{Self: uint32(os.Getpid()), Follow: true, StrLen: 32, Threads: 64, RingBytes: 1 << 16})
	if err != nil {
		return Ability{Err: err}
	}
	defer k.Close()
	a := Ability{Parts: []string{"raw tracepoints, 64-bit and 32-bit calls"}}
	for _, n := range k.notes {
		a.Notes = append(a.Notes, n.text)
		a.Fixes = append(a.Fixes, n.fix)
	}
	if k.iter != nil {
		a.Parts = append(a.Parts, "open sockets by iterator")
	}
	if k.has("uring") {
		a.Parts = append(a.Parts, "io_uring")
	}
	if k.has("cookies") {
		a.Parts = append(a.Parts, "socket cookies from birth")
	}
	return a
}
