//go:build linux

package bpf

import (
	"fmt"
	"os"
	"strings"
)

// Ability is what a layer can do on this machine.
type Ability struct {
	Err   error    // why it is off; nil if it works
	Notes []string // what is missing
	Fixes []string // beside Notes; empty where there is none
	Parts []string // what works
}

// probed is the least that can be loaded.
var probed = Config{Self: uint32(os.Getpid()), Follow: true, StrLen: 32, Threads: 64, RingBytes: 1 << 16}

// ProbeCalls loads and attaches what system calls need, and takes it away again.
func ProbeCalls() Ability {
	k, err := load(probed)
	if err != nil {
		return Ability{Err: err}
	}
	defer k.Close()
	by := "raw tracepoints"
	switch {
	case k.has("perf"):
		by = "perf's tracepoints"
	case k.twice:
		by = "raw tracepoints, two programs at each"
	}
	a := ability(k, by+", 64-bit and 32-bit calls")
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

// ProbePackets does the same for packets.
func ProbePackets() Ability {
	c := probed
	c.NoCalls, c.Packets, c.Snaplen = true, true, 256
	k, err := load(c)
	if err != nil {
		return Ability{Err: err}
	}
	defer k.Close()
	parts := []string{"at the sockets of all network namespaces, owners by evidence"}
	if k.has("device_in") && k.has("device_out") {
		parts = append(parts, "what no socket gets")
	}
	if k.has("states") {
		parts = append(parts, "TCP states")
	}
	return ability(k, parts...)
}

// ProbeKernel does the same for kernel events, beside calls.
func ProbeKernel() (a Ability) {
	c := probed
	c.Kernel, c.Tree, c.Stacks = true, true, true
	k, err := load(c)
	if err != nil {
		return Ability{Err: err}
	}
	defer func() {
		if err := k.Close(); err != nil {
			a.Notes, a.Fixes = append(a.Notes, err.Error()), append(a.Fixes, "pidwire doctor --clean")
		}
	}()
	points, functions := 0, 0
	for _, o := range probeObjects {
		for _, p := range o.probes {
			if p.tells != "" && p.point != "" && k.has(p.prog) {
				points++
			}
			for _, name := range p.instead {
				if k.has(name) {
					functions++
				}
			}
		}
	}
	named := fmt.Sprintf("named events by %d tracepoints", points)
	if functions > 0 {
		named += fmt.Sprintf(" and %d functions", functions)
	}
	parts := []string{named, "stacks"}
	switch {
	case k.exact:
		engine, _, _ := strings.Cut(k.Engine, ",")
		parts = append(parts, "tree by "+engine)
	case k.has("steps"):
		parts = append(parts, "tree by stacks")
	}
	return ability(k, parts...)
}

func ability(k *kernel, parts ...string) Ability {
	a := Ability{Parts: parts}
	for _, n := range k.notes {
		a.Notes = append(a.Notes, n.text)
		a.Fixes = append(a.Fixes, n.fix)
	}
	return a
}
