//go:build linux

package load

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/net/bpf"

	"github.com/pidwire/pidwire/internal/pcapfilter"
	"github.com/pidwire/pidwire/internal/source/bpf/object"
	"github.com/pidwire/pidwire/internal/wire"
)

// ErrPackets means that packets cannot be captured on this machine.
var ErrPackets = errors.New("packets cannot be captured")

// packets opens the packets object. Each load needs a new one, because it changes the spec.
func packets() (*ebpf.CollectionSpec, *object.PacketsSpecs, error) {
	return object.Open[object.PacketsSpecs](object.LoadPackets)
}

// loadPackets attaches the programs for packets, which are also needed to find the owners of kernel events. It returns
// an error if only packets were requested; otherwise a failure becomes a note.
func (k *Kernel) loadPackets(c Config) error {
	err := k.attachPackets(c)
	if err == nil {
		return nil
	}
	if cause := refused(err); cause != err {
		err = fmt.Errorf("%w: %w", ErrPackets, cause)
	}
	switch {
	case c.NoCalls && c.Packets:
		return err
	case c.Packets:
		k.note(err, "packets are not shown", fixOf(err))
	default:
		k.note(err, "only kernel events in the context of a thread are shown", fixOf(err))
	}
	return nil
}

// attachPackets does the work of loadPackets. Not every kernel supports the programs that find the last user of a
// socket; without them the owner is the process that created it or held it at attach.
func (k *Kernel) attachPackets(c Config) error {
	root, err := k.root()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPackets, err)
	}
	_, o, err := packets()
	if err != nil {
		return err
	}
	if err := k.Maps.make(o.Owners, o.LostPackets, o.Flows, o.FlowPorts, o.OldSocks, o.OwnedSocks, o.People, o.Softirqs); err != nil {
		return fmt.Errorf("%w: %w", ErrPackets, err)
	}
	k.ownerState(c)
	if spec, o, err := packets(); err != nil {
		return err
	} else if found, err := k.load(c, spec, nil, o.OwnerFound, o.States); err == nil {
		k.adopt, k.States = found[0], found[1]
	} else if k.Open == nil {
		k.note(err, "packets of sockets that were already open are not shown", "")
	}
	k.ownerPrograms(c)
	tap, err := k.socketTap(c)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPackets, err)
	}
	links, hooks := len(k.links), len(k.hooks)
	if c.Packets {
		k.Works.DeviceIn = k.device(c, func(o *object.DeviceSpecs) *ebpf.ProgramSpec { return o.DeviceIn })
		k.Works.DeviceOut = k.device(c, func(o *object.DeviceSpecs) *ebpf.ProgramSpec { return o.DeviceOut })
	}
	for i, as := range tapHooks {
		if err := k.cgroup(root, as, tap[i]); err != nil {
			k.detach(links) // packets of only one direction would be misleading
			k.hooks = k.hooks[:hooks]
			k.Works.DeviceIn, k.Works.DeviceOut = false, false
			return fmt.Errorf("%w: %s: %w", ErrPackets, as, err)
		}
	}
	k.Works.Packets = c.Packets
	if !k.cgroups.whole {
		k.note(nil, "packets of sockets that were created in other cgroups are not shown: pidwire runs in a cgroup namespace", "run pidwire on the host, or in its cgroup and pid namespaces (docker run --cgroupns=host --pid=host)")
	}
	return nil
}

// device attaches a program for packets that no socket gets. It reports whether it works.
func (k *Kernel) device(c Config, which func(*object.DeviceSpecs) *ebpf.ProgramSpec) bool {
	spec, o, err := object.Open[object.DeviceSpecs](object.LoadDevice)
	if err == nil {
		err = k.loadTracing(c, spec, which(o))
	}
	if err != nil {
		k.note(err, "packets without a socket (after close, ICMP errors, AF_PACKET) are not shown", "")
	}
	return err == nil
}

// tapHooks are the hooks for the programs of socketTap, in their order.
var tapHooks = []ebpf.AttachType{
	ebpf.AttachCGroupInetSockCreate, ebpf.AttachCgroupInetSockRelease, ebpf.AttachCGroupInetIngress, ebpf.AttachCGroupInetEgress,
}

// socketTap loads the cgroup programs for packets. If they do not load with the packet
// filter, it loads them without it, and packets are filtered in user space.
func (k *Kernel) socketTap(c Config) ([]*ebpf.Program, error) {
	load := func() ([]*ebpf.Program, error) {
		spec, o, err := packets()
		if err != nil {
			return nil, err
		}
		return k.load(c, spec, nil, o.OwnerCreate, o.OwnerReleased, o.PacketIn, o.PacketOut)
	}
	k.Filtered = c.Filter != nil
	progs, err := load()
	if err == nil || !k.Filtered {
		return progs, err
	}
	why := err
	k.Filtered = false
	if progs, err = load(); err == nil {
		k.note(why, "the kernel refuses the filter: packets are filtered after copying", "")
	}
	return progs, err
}

// owner loads and attaches a tracing program of the packets object.
func (k *Kernel) owner(c Config, which func(*object.PacketsSpecs) *ebpf.ProgramSpec) error {
	spec, o, err := packets()
	if err != nil {
		return err
	}
	return k.loadTracing(c, spec, which(o))
}

// ownerPrograms attaches the programs that find the process that uses a socket.
func (k *Kernel) ownerPrograms(c Config) {
	if !c.Kernel { // kernel_received does the same
		err := k.owner(c, func(o *object.PacketsSpecs) *ebpf.ProgramSpec { return o.OwnerReceived })
		if err != nil &&
			k.owner(c, func(o *object.PacketsSpecs) *ebpf.ProgramSpec { return o.OwnerReceivedInet }) == nil &&
			k.owner(c, func(o *object.PacketsSpecs) *ebpf.ProgramSpec { return o.OwnerReceivedInet6 }) == nil {
			err = nil
		}
		if err != nil {
			k.note(err, "a socket that is passed to another process is attributed to it only when it sends", "")
		}
	}
	// Optional: without them, the process that accepted a socket is found by its call or
	// first use, and the one that sends by the first packet.
	accepted := k.owner(c, func(o *object.PacketsSpecs) *ebpf.ProgramSpec { return o.OwnerAccepted }) == nil
	_ = k.owner(c, func(o *object.PacketsSpecs) *ebpf.ProgramSpec { return o.OwnerAcceptedMptcp })
	switch {
	case c.Kernel:
		// kernel_sent also does the work of owner_sent; without its tracepoint, programs at functions do.
		k.passes = !c.Drops && k.hasTracepoint("sock_send_length")
		k.ends = !c.Drops && (k.passes || accepted)
	case k.owner(c, func(o *object.PacketsSpecs) *ebpf.ProgramSpec { return o.OwnerSent }) == nil:
		k.ends, k.passes = true, true
	default:
		k.ends = k.owner(c, func(o *object.PacketsSpecs) *ebpf.ProgramSpec { return o.OwnerSentInet }) == nil &&
			k.owner(c, func(o *object.PacketsSpecs) *ebpf.ProgramSpec { return o.OwnerSentInet6 }) == nil
	}
}

var errNoTracing = errors.New("tp_btf is disabled")

// ownerState attaches the program at changes of TCP states. If it does not load with
// socket storage, it and all later ones are loaded without (bare); if it does not load as
// tp_btf, they are loaded as raw tracepoints (raw).
func (k *Kernel) ownerState(c Config) {
	state := func(o *object.PacketsSpecs) *ebpf.ProgramSpec { return o.OwnerState }
	err := errNoTracing
	if !c.NoTracing {
		if err = k.owner(c, state); err != nil {
			k.bare = true
			err = k.owner(c, state)
		}
	}
	if err != nil {
		k.bare, k.raw = true, true
		err = k.owner(c, state)
	}
	if err != nil {
		k.note(err, "TCP states and packets after the close of a socket are not shown, nor packets of new MPTCP listeners (such as those of Go servers)", "")
		return
	}
	k.Works.States = true
}

// loadTracing loads a program of an object and attaches it to its tracepoint or function.
func (k *Kernel) loadTracing(c Config, spec *ebpf.CollectionSpec, which *ebpf.ProgramSpec) error {
	point := which.AttachTo
	progs, err := k.load(c, spec, nil, which)
	if err != nil {
		return err
	}
	return k.tracing(progs[0], point)
}

// setFilter replaces the function pcap_filter (bpf/packets.bpf.c) by filter in all programs
// that have it.
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

// Adopt runs the iterator that assigns the open sockets of the targets to them.
func (k *Kernel) Adopt() error {
	if k.adopt == nil {
		return nil
	}
	_, err := ReadIter(k.adopt)
	return err
}

// ReadIter attaches and runs an iterator program, and returns its output.
func ReadIter(p *ebpf.Program) ([]byte, error) {
	it, err := link.AttachIter(link.IterOptions{Program: p})
	if err != nil {
		return nil, fmt.Errorf("iterator: %w", err)
	}
	defer it.Close()
	return ReadLink(it)
}

// ReadLink runs an attached iterator, and returns its output.
func ReadLink(it *link.Iter) ([]byte, error) {
	r, err := it.Open()
	if err != nil {
		return nil, fmt.Errorf("iterator: %w", err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("iterator: %w", err)
	}
	return b, nil
}

// OldSocket stores the owner of a socket from before attach in which no program can set
// it, until the first packet of the socket. sk is the address of its struct sock; first is
// that of the first TCP subflow of an MPTCP socket, else 0. An address is not reused
// unnoticed, as the programs see the end of the socket.
func (k *Kernel) OldSocket(sk, first uint64, o *wire.Owner, netns uint32) error {
	var addrs []uint64
	if k.Maps.OldSocks == nil {
		return nil
	}
	if k.adopt == nil && k.Works.States {
		addrs = append(addrs, sk)
	}
	if first != 0 {
		addrs = append(addrs, first)
	}
	for _, at := range addrs {
		// struct old_sock in bpf/owner.h
		b := binary.LittleEndian.AppendUint64(o.Append(nil), uint64(netns))
		if err := k.Maps.OldSocks.Put(at, b); err != nil {
			return fmt.Errorf("storing a socket of process %d: %w", o.Pid, err)
		}
	}
	return nil
}
