//go:build linux

package bpf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/net/bpf"

	"github.com/pidwire/pidwire/internal/pcapfilter"
	"github.com/pidwire/pidwire/internal/source/proc"
	"github.com/pidwire/pidwire/internal/wire"
)

// ErrPackets says that packets cannot be captured here, and why.
var ErrPackets = errors.New("packets cannot be captured")

// loadPackets attaches to the packets of all sockets: to show them, or to know
// whose what the kernel does is. What tells whose a socket
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
	for _, name := range []string{"owners", "lost_packets", "lost_events", "flows", "flow_ports", "old_socks", "owned_socks", "people", "softirqs", "calls"} {
		if k.maps[name] != nil {
			continue
		}
		if k.maps[name], err = ebpf.NewMap(spec.Maps[name]); err != nil {
			delete(k.maps, name)
			return fmt.Errorf("%w: map %s: %w", ErrPackets, name, err)
		}
	}
	k.ownerState(c)
	if found, err := k.packetPrograms(c, "owner_found", "states"); err == nil {
		k.adopt, k.states = found.Programs["owner_found"], found.Programs["states"]
	} else if k.iter == nil {
		k.note(err, "packets of sockets that were open before are not shown", "")
	}
	k.ownerPrograms(c)
	coll, err := k.socketTap(c)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPackets, err)
	}
	for _, name := range []string{"device_in", "device_out"} {
		if !c.Packets {
			break
		}
		if err := k.tracing(c, loadDevice, name); err != nil {
			k.note(err, "packets that no socket gets (after its close, ICMP errors, AF_PACKET) are not shown", "")
		} else {
			k.parts[name] = true
		}
	}
	for _, h := range []struct {
		prog   string
		attach ebpf.AttachType
	}{
		{"owner_create", ebpf.AttachCGroupInetSockCreate},
		{"owner_released", ebpf.AttachCgroupInetSockRelease},
		{"packet_in", ebpf.AttachCGroupInetIngress},
		{"packet_out", ebpf.AttachCGroupInetEgress},
	} {
		l, err := link.AttachCgroup(link.CgroupOptions{Path: root, Attach: h.attach, Program: coll.Programs[h.prog]})
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrPackets, h.prog, err)
		}
		k.links = append(k.links, l)
	}
	k.parts["packets"] = c.Packets
	return nil
}

// socketTap loads the programs at the sockets, with the filter in them if that
// goes: rather too much is copied than nothing.
func (k *kernel) socketTap(c Config) (*ebpf.Collection, error) {
	programs := []string{"owner_create", "owner_released", "packet_in", "packet_out"}
	k.filtered = c.Filter != nil
	coll, err := k.packetPrograms(c, programs...)
	if err == nil || !k.filtered {
		return coll, err
	}
	why := err
	k.filtered = false
	if coll, err = k.packetPrograms(c, programs...); err == nil {
		k.note(why, "the filter does not load into the kernel: packets are copied first, and then filtered", "")
	}
	return coll, err
}

// ownerPrograms attaches what tells who uses a socket, and how it stands.
func (k *kernel) ownerPrograms(c Config) {
	if !c.Kernel { // kernel_received does the same
		err := k.tracing(c, loadPackets, "owner_received")
		if err != nil && k.tracing(c, loadPackets, "owner_received_inet") == nil && k.tracing(c, loadPackets, "owner_received_inet6") == nil {
			err = nil
		}
		if err != nil {
			k.note(err, "a socket that is handed to another process is shown as the new one's only when that sends on it", "")
		}
	}
	// Without them, who accepted a socket is known by the call, or by its first
	// use, and who sends by the first packet.
	for _, name := range []string{"owner_accepted", "owner_accepted_mptcp", "owner_sent"} {
		if c.Kernel && name == "owner_sent" {
			continue // kernel_sent does the same
		}
		k.parts[name] = k.tracing(c, loadPackets, name) == nil
	}
	switch {
	case c.Kernel:
		// kernel_sent, or where there is no such tracepoint programs at functions.
		k.ends = !c.Drops && (k.hasTracepoint("sock_send_length") || k.parts["owner_accepted"])
	case k.parts["owner_sent"]:
		k.ends = true
	default:
		k.ends = k.tracing(c, loadPackets, "owner_sent_inet") == nil && k.tracing(c, loadPackets, "owner_sent_inet6") == nil
	}
}

var errNoTracing = errors.New("tp_btf is not wanted")

// ownerState attaches what tells of changes of TCP states. Where tracing programs
// have no socket storage, that and all the others do without; where there are
// none, they are raw tracepoints.
func (k *kernel) ownerState(c Config) {
	err := errNoTracing
	if !c.NoTracing {
		if err = k.tracing(c, loadPackets, "owner_state"); err != nil {
			k.bare = true
			err = k.tracing(c, loadPackets, "owner_state")
		}
	}
	if err != nil {
		k.bare, k.raw = true, true
		err = k.tracing(c, loadPackets, "owner_state")
	}
	if err != nil {
		k.note(err, "changes of TCP states are not shown, nor what comes after a socket's close; packets of MPTCP listeners (those of Go servers) that are made from now on are not shown", "")
		return
	}
	k.parts["states"] = true
}

// tracing attaches a program of an object to its tracepoint.
func (k *kernel) tracing(c Config, object func() (*ebpf.CollectionSpec, error), name string) error {
	spec, err := object()
	if err != nil {
		return err
	}
	point := spec.Programs[name].AttachTo
	coll, err := k.loadSpec(c, spec, []string{name})
	if err != nil {
		return err
	}
	return k.attachTracing(coll.Programs[name], point)
}

// attachTracing attaches a program to the tracepoint that it is made for, as
// whichever kind it was loaded.
func (k *kernel) attachTracing(prog *ebpf.Program, point string) error {
	if prog.Type() == ebpf.RawTracepoint {
		return k.rawTracepoint(point, prog)
	}
	l, err := link.AttachTracing(link.TracingOptions{Program: prog})
	if err != nil {
		return err
	}
	k.links = append(k.links, l)
	if again := k.again[prog]; again != nil {
		return k.attachTracing(again, point)
	}
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

// setFilter puts a filter in the place of pcap_filter (bpf/packets.bpf.c), in
// every program that has it.
func setFilter(spec *ebpf.CollectionSpec, filter []bpf.Instruction) error {
	const name = "pcap_filter"
	for _, p := range spec.Programs {
		from := slices.IndexFunc(p.Instructions, func(i asm.Instruction) bool { return i.Symbol() == name })
		if from < 0 {
			continue
		}
		to := from + 1
		for to < len(p.Instructions) && p.Instructions[to].Symbol() == "" {
			to++
		}
		body, err := pcapfilter.EBPF(filter)
		if err != nil {
			return err
		}
		body[0].Metadata = p.Instructions[from].Metadata
		p.Instructions = slices.Concat(p.Instructions[:from], body, p.Instructions[to:])
	}
	return nil
}

// passes reports whether a packet is to be shown: one that the filter at the
// sockets has not seen.
func (s *Source) passes(r wire.Record) bool {
	if s.opts.Filter == nil || s.k.filtered && r[wire.OffPacketFlags]&wire.PacketWire == 0 {
		return true
	}
	var p wire.Packet
	p.Unmarshal(r)
	data, length := r[wire.SizePacket:], p.Len
	data = data[:min(int(p.Caplen), len(data))]
	if p.Link != 0 {
		const ethernet = 14
		if len(data) < ethernet {
			return false
		}
		if kind := binary.BigEndian.Uint16(data[12:]); kind != 0x0800 && kind != 0x86dd {
			return false
		}
		data, length = data[ethernet:], length-ethernet
	}
	return pcapfilter.Match(s.opts.Filter, data, length)
}

// adoptSockets makes the sockets that the targets hold theirs.
func (k *kernel) adoptSockets() error {
	if k.adopt == nil {
		return nil
	}
	_, err := readIter(k.adopt)
	return err
}

// oldSocket keeps whose a socket is that no program can reach, until its first
// packet. Its address is its name for so long: its end is watched.
func (k *kernel) oldSocket(p *proc.Process, o *openSock, at uint64) error {
	var addrs []uint64
	if k.maps["old_socks"] == nil {
		return nil
	}
	if k.adopt == nil && k.parts["states"] {
		addrs = append(addrs, o.sk)
	}
	if o.first != 0 {
		addrs = append(addrs, o.first)
	}
	for _, sk := range addrs {
		w := wire.Owner{
			Cookie: o.sock.Cookie, Start: o.start, Time: at, Pid: p.PID, Tid: p.PID, Nspid: p.NSPID, Nstid: p.NSPID,
			Uid: p.UID, How: wire.OwnerFound | wire.OwnerOld,
		}
		copy(w.Comm[:len(w.Comm)-1], p.Comm)
		b := w.Append(nil)
		// struct old_sock in bpf/owner.h
		b = binary.LittleEndian.AppendUint64(b, uint64(o.sock.Netns))
		if err := k.maps["old_socks"].Put(sk, b); err != nil {
			return fmt.Errorf("remembering a socket of process %d: %w", p.PID, err)
		}
	}
	return nil
}
