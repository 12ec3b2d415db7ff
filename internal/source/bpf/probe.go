//go:build linux

package bpf

import (
	"fmt"
	"os"
	"strings"

	"github.com/pidwire/pidwire/internal/source/bpf/load"
)

// Ability describes what a layer can do on this machine.
type Ability struct {
	Err   error    // why it does not work; nil if it does
	Notes []string // what is missing
	Fixes []string // beside Notes; empty where there is none
	Parts []string // what works
}

// probed is the smallest configuration that can be loaded.
var probed = Config{Self: uint32(os.Getpid()), Follow: true, StrLen: 32, Threads: 64, RingBytes: 1 << 16}

// ProbeCalls loads and attaches the programs for system calls, and removes them again.
func ProbeCalls() Ability {
	k, err := load.Load(probed)
	if err != nil {
		return Ability{Err: err}
	}
	defer k.Close()
	by := "raw tracepoints"
	switch {
	case k.Works.Perf:
		by = "perf events"
	case k.Twice():
		by = "raw tracepoints, two programs each"
	}
	a := ability(k, by+", 64-bit and 32-bit calls")
	if k.Open != nil {
		a.Parts = append(a.Parts, "open sockets by iterator")
	}
	if k.Works.Uring {
		a.Parts = append(a.Parts, "io_uring")
	}
	if k.Works.Cookies {
		a.Parts = append(a.Parts, "socket cookies from creation")
	}
	return a
}

// ProbePackets does the same for packets.
func ProbePackets() Ability {
	c := probed
	c.NoCalls, c.Packets, c.Snaplen = true, true, 256
	k, err := load.Load(c)
	if err != nil {
		return Ability{Err: err}
	}
	defer k.Close()
	parts := []string{"at the sockets of all network namespaces"}
	if k.Works.DeviceIn && k.Works.DeviceOut {
		parts = append(parts, "packets without a socket")
	}
	if k.Works.States {
		parts = append(parts, "TCP states")
	}
	return ability(k, parts...)
}

// ProbeKernel does the same for kernel events and calls.
func ProbeKernel() (a Ability) {
	c := probed
	c.Kernel, c.Tree, c.Stacks = true, true, true
	k, err := load.Load(c)
	if err != nil {
		return Ability{Err: err}
	}
	defer func() {
		if err := k.Close(); err != nil {
			a.Notes, a.Fixes = append(a.Notes, err.Error()), append(a.Fixes, "pidwire doctor --clean")
		}
	}()
	points, functions := k.Points()
	named := fmt.Sprintf("named events by %d tracepoints", points)
	if functions > 0 {
		named += fmt.Sprintf(" and %d functions", functions)
	}
	parts := []string{named, "stacks"}
	switch {
	case k.Exact:
		engine, _, _ := strings.Cut(k.Engine, ",")
		parts = append(parts, "tree by "+engine)
	case k.Works.Steps:
		parts = append(parts, "tree by stacks")
	}
	return ability(k, parts...)
}

func ability(k *load.Kernel, parts ...string) Ability {
	a := Ability{Parts: parts}
	for _, n := range k.Notes {
		a.Notes = append(a.Notes, n.Text)
		a.Fixes = append(a.Fixes, n.Fix)
	}
	return a
}
