//go:build linux

package bpf

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/pidwire/pidwire/internal/source/proc"
)

// ErrPackets says that packets cannot be captured here, and why.
var ErrPackets = errors.New("packets cannot be captured")

// loadPackets attaches to the packets of all sockets. What tells whose a socket
// is by its last use is not on every kernel: then its maker and its holder at
// attach are what is known.
func (k *kernel) loadPackets(c Config) error {
	root, err := proc.Default.CgroupRoot()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPackets, err)
	}
	spec, err := loadPackets()
	if err != nil {
		return err
	}
	for _, name := range []string{"owners", "lost_packets", "flows", "flow_ports"} {
		if k.maps[name], err = ebpf.NewMap(spec.Maps[name]); err != nil {
			delete(k.maps, name)
			return fmt.Errorf("%w: map %s: %w", ErrPackets, name, err)
		}
	}
	coll, err := k.packetPrograms(c, "owner_create", "packet_in", "packet_out")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPackets, err)
	}
	for _, p := range []struct{ name, without string }{
		{"owner_state", "changes of TCP states are not shown, nor what comes after a socket's close; packets of MPTCP sockets, on which Go servers listen, are shown only once a socket is accepted and used"},
		{"owner_sent", "a socket that is handed to another process, which sends on it, keeps its first owner"},
		{"owner_received", "a socket that is handed to another process, which receives on it, keeps its first owner"},
	} {
		if err := k.tracing(c, loadPackets, p.name); err != nil {
			k.note(err, p.without, "")
		}
	}
	for _, name := range []string{"device_in", "device_out"} {
		if err := k.tracing(c, loadDevice, name); err != nil {
			k.note(err, "packets that no socket gets (after its close, ICMP errors, AF_PACKET) are not shown", "")
		}
	}
	if found, err := k.packetPrograms(c, "owner_found", "states"); err == nil {
		k.adopt, k.states = found.Programs["owner_found"], found.Programs["states"]
	} else {
		k.note(err, "packets of sockets that were open before are not shown: an iterator can give them an owner since Linux 5.12", "")
	}
	for _, h := range []struct {
		prog   string
		attach ebpf.AttachType
	}{
		{"owner_create", ebpf.AttachCGroupInetSockCreate},
		{"packet_in", ebpf.AttachCGroupInetIngress},
		{"packet_out", ebpf.AttachCGroupInetEgress},
	} {
		l, err := link.AttachCgroup(link.CgroupOptions{Path: root, Attach: h.attach, Program: coll.Programs[h.prog]})
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrPackets, h.prog, err)
		}
		k.links = append(k.links, l)
	}
	k.parts["packets"] = true
	return nil
}

// tracing attaches a program of an object to its tracepoint.
func (k *kernel) tracing(c Config, object func() (*ebpf.CollectionSpec, error), name string) error {
	spec, err := object()
	if err != nil {
		return err
	}
	coll, err := k.loadSpec(c, spec, []string{name})
	if err != nil {
		return err
	}
	l, err := link.AttachTracing(link.TracingOptions{Program: coll.Programs[name]})
	if err != nil {
		return err
	}
	k.links = append(k.links, l)
	return nil
}

func (k *kernel) packetPrograms(c Config, names ...string) (*ebpf.Collection, error) {
	spec, err := loadPackets()
	if err != nil {
		return nil, err
	}
	return k.loadSpec(c, spec, names)
}

// Look puts into the ring how the TCP sockets of the targets stand now. It may
// be called from any goroutine while Run runs.
func (s *Source) Look() error {
	if s.k.states == nil {
		return nil
	}
	_, err := readIter(s.k.states)
	return err
}

// adoptSockets makes the sockets that the targets hold theirs.
func (k *kernel) adoptSockets() error {
	if k.adopt == nil {
		return nil
	}
	_, err := readIter(k.adopt)
	return err
}
