package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pidwire/pidwire/internal/sandbox"
	"github.com/pidwire/pidwire/internal/source/bpf"
	"github.com/pidwire/pidwire/internal/source/proc"
)

// finding is the result of one check of doctor.
type finding struct {
	Layer string   `json:"layer"`
	State string   `json:"state"` // ok, degraded, off
	What  string   `json:"what"`
	Cause []string `json:"cause,omitempty"`
	Fix   []string `json:"fix,omitempty"`
}

func (a *app) doctorCommand() *cobra.Command {
	var asJSON, clean bool
	cmd := &cobra.Command{
		Use: "doctor", Short: "check what works on this machine, what does not, and how to fix it", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			if clean {
				return a.clean()
			}
			return a.doctor(asJSON)
		},
	}
	cmd.Flags().BoolVar(&clean, "clean", false, "remove what killed runs left behind: audit rules, settings of ftrace")
	cmd.Flags().BoolVar(&asJSON, "json", false, "JSON lines, one per layer")
	return cmd
}

func (a *app) doctor(asJSON bool) error {
	list := examineAll()
	if list[0].State == "off" {
		a.code = exitPrivilege
	}
	spaces := proc.Default.Namespaces()
	if asJSON {
		enc := json.NewEncoder(a.stdout)
		enc.SetEscapeHTML(false)
		for _, n := range spaces {
			if err := enc.Encode(struct {
				V     int    `json:"v"`
				Type  string `json:"type"`
				Kind  string `json:"kind"`
				Inode string `json:"inode,omitempty"`
				Where string `json:"where"`
			}{1, "namespace", n.Kind, inode(n), n.Where}); err != nil {
				return err
			}
		}
		for _, f := range list {
			if err := enc.Encode(struct {
				V    int    `json:"v"`
				Type string `json:"type"`
				finding
			}{1, "layer", f}); err != nil {
				return err
			}
		}
		return nil
	}
	for _, f := range list {
		if _, err := fmt.Fprintf(a.stdout, "%-4s %-10s %s\n", f.Layer, f.State, f.What); err != nil {
			return err
		}
		for _, c := range f.Cause {
			fmt.Fprintf(a.stdout, "                cause: %s\n", c)
		}
		for _, x := range f.Fix {
			fmt.Fprintf(a.stdout, "                fix:   %s\n", x)
		}
	}
	for _, n := range spaces {
		fmt.Fprintf(a.stdout, "ns   %-10s %s %s\n", n.Kind, inode(n), n.Where)
	}
	if host, err := proc.Default.InHost(); err != nil {
		fmt.Fprintf(a.stdout, "                cause: %v\n", err)
	} else if !host {
		fmt.Fprintf(a.stdout, "                pids are those of the host, followed by those of the namespace in brackets\n")
	}
	_, err := fmt.Fprintf(a.stdout, "pidwire %s on Linux %s, %s\n", Version, bpf.Release(), runtime.GOARCH)
	return err
}

// examineAll runs all checks. If nothing can be watched, the first finding says so.
func examineAll() []finding {
	memory, limited := examineMemory()
	if memory.State == "off" {
		return []finding{memory, examineRest()} // the probes would use too much memory
	}
	list := []finding{examine("sys", "system calls", bpf.ProbeCalls()), examine("pkt", "packets", bpf.ProbePackets()),
		examine("krn", "kernel events", bpf.ProbeKernel()), examineAudit(), examineRest()}
	if limited {
		list = append(list, memory)
	}
	return list
}

// examineMemory checks how much memory the limit of our cgroup leaves, if it has one.
func examineMemory() (f finding, limited bool) {
	left, limit, limited := proc.Default.MemoryRoom()
	f = finding{Layer: "mem", State: "ok", What: fmt.Sprintf("memory: the limit in %s leaves %d MiB", limit, left>>20)}
	ring, err := ringSize("", true)
	var ee *exitError
	if errors.As(err, &ee) {
		f.State, f.Cause, f.Fix = "off", []string{err.Error()}, ee.hint
	} else if err == nil {
		f.What += ", the ring buffer is " + byteWords(ring)
	}
	return f, limited
}

// examineRest reports the user and the confinement of the process that decodes and prints.
func examineRest() finding {
	id := sandbox.Caller()
	name := id.Name
	if name == "" {
		name = "unnamed"
	}
	f := finding{Layer: "rest", State: "ok", What: fmt.Sprintf("decoding and printing: as user %s (%d, %s), without capabilities", name, id.UID, id.Why)}
	seccomp, landlock := sandbox.Supported()
	switch {
	case !seccomp:
		f.State = "degraded"
		f.Cause = append(f.Cause, "this kernel has no seccomp filters: the decoder is only confined by its user")
	default:
		f.What += ", seccomp"
	}
	if landlock > 0 {
		f.What += fmt.Sprintf(", Landlock (ABI %d)", landlock)
	} else {
		f.What += "; this kernel has no Landlock, seccomp forbids opening files"
	}
	return f
}

func inode(n proc.Namespace) string {
	if n.Inode == 0 {
		return ""
	}
	return strconv.FormatUint(n.Inode, 10)
}

// examine makes a finding from the Ability of a layer.
func examine(layer, what string, p bpf.Ability) finding {
	f := finding{Layer: layer, State: "ok"}
	if p.Err != nil {
		f.State, f.What = "off", what+" cannot be watched"
		err := explain(p.Err)
		f.Cause = []string{err.Error()}
		var ee *exitError
		if errors.As(err, &ee) {
			f.Cause = []string{strings.TrimPrefix(err.Error(), cannot(p.Err))}
			for _, h := range ee.hint {
				if h != doctorHint {
					f.Fix = append(f.Fix, h)
				}
			}
		}
		return f
	}
	f.What = what + ": " + strings.Join(p.Parts, ", ")
	if len(p.Notes) > 0 {
		f.State, f.Cause = "degraded", p.Notes
		for _, x := range p.Fixes {
			if x != "" {
				f.Fix = append(f.Fix, x)
			}
		}
	}
	return f
}
