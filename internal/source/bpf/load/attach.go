//go:build linux

package load

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// attached stores a link, because a link that is garbage collected detaches its program.
func (k *Kernel) attached(l link.Link) { k.links = append(k.links, l) }

// detach closes all links except the first n.
func (k *Kernel) detach(n int) {
	for _, l := range k.links[n:] {
		l.Close()
	}
	k.links = k.links[:n]
}

// rawTracepoint attaches a program to a raw tracepoint, and then its second copy if there is one.
func (k *Kernel) rawTracepoint(name string, prog *ebpf.Program) error {
	l, err := link.AttachRawTracepoint(link.RawTracepointOptions{Name: name, Program: prog})
	if err != nil {
		return fmt.Errorf("raw tracepoint %s: %w", name, err)
	}
	k.attached(l)
	if again := k.again[prog]; again != nil {
		return k.rawTracepoint(name, again)
	}
	return nil
}

// tracing attaches a program to its tracepoint or function, as tp_btf or raw tracepoint
// according to its type, and then its second copy if there is one.
func (k *Kernel) tracing(prog *ebpf.Program, point string) error {
	if prog.Type() == ebpf.RawTracepoint {
		return k.rawTracepoint(point, prog)
	}
	l, err := link.AttachTracing(link.TracingOptions{Program: prog})
	if err != nil {
		return err
	}
	k.attached(l)
	if again := k.again[prog]; again != nil {
		return k.tracing(again, point)
	}
	return nil
}

// perfEvent attaches a program to a tracepoint by way of a perf event.
func (k *Kernel) perfEvent(group, point string, prog *ebpf.Program) error {
	l, err := link.Tracepoint(group, point, prog, nil)
	if err != nil {
		return fmt.Errorf("perf event %s:%s: %w", group, point, err)
	}
	k.attached(l)
	return nil
}
