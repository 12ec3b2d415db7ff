//go:build linux

package load

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/pidwire/pidwire/internal/source/bpf/object"
)

// probe is a program of the kernel layer, with its tracepoint and events.
type probe struct {
	prog  *ebpf.ProgramSpec
	point string // tracepoint; empty if there is none
	tells string // names of its events; empty if it only helps other programs
	// instead are programs at functions, for kernels without the tracepoint.
	instead []*ebpf.ProgramSpec
	// but names the events that these do not see; empty if none.
	but string
}

func kernelProbes(o *object.KernelSpecs) []probe {
	return []probe{
		{o.SoftirqBegins, "softirq_entry", "", nil, ""},
		{o.SoftirqEnds, "softirq_exit", "", nil, ""},
		{o.KernelSent, "sock_send_length", "sock:send", []*ebpf.ProgramSpec{o.KernelSentInet, o.KernelSentInet6}, "sock:send of sockets other than IP"},
		{o.KernelReceived, "sock_recv_length", "sock:receive", []*ebpf.ProgramSpec{o.KernelReceivedInet, o.KernelReceivedInet6}, "sock:receive of sockets other than IP"},
		{o.KernelReady, "sk_data_ready", "sock:ready", []*ebpf.ProgramSpec{o.KernelReadyDefault}, ""},
		{o.KernelError, "inet_sk_error_report", "sock:error", []*ebpf.ProgramSpec{o.KernelErrorDefault}, ""},
		{o.KernelQueueFull, "sock_rcvqueue_full", "sock:rcvqueue-full", nil, ""},
		{o.KernelUdpFull, "udp_fail_queue_rcv_skb", "sock:rcvqueue-full of UDP", nil, ""},
		{o.KernelMemory, "sock_exceed_buf_limit", "sock:memory-limit", nil, ""},
		{o.KernelSkbQueue, "net_dev_queue", "skb:queue", nil, ""},
		{o.KernelSkbSend, "net_dev_start_xmit", "skb:send", nil, ""},
		{o.KernelSkbReceive, "tcp_probe", "skb:receive of TCP", nil, ""},
		{o.KernelSkbCopy, "skb_copy_datagram_iovec", "skb:copy", nil, ""},
		{o.KernelDrop, "kfree_skb", "skb:drop", nil, ""},
		{o.KernelRetransmit, "tcp_retransmit_skb", "tcp:retransmit", nil, ""},
		{o.KernelSynack, "tcp_retransmit_synack", "tcp:retransmit-synack", nil, ""},
		{o.KernelReset, "tcp_send_reset", "tcp:reset-sent", nil, ""},
		{o.KernelResetReceived, "tcp_receive_reset", "tcp:reset-received", nil, ""},
		{o.KernelCongestion, "tcp_cong_state_set", "tcp:congestion", []*ebpf.ProgramSpec{o.KernelAcked}, ""},
	}
}

func pathProbes(o *object.PathSpecs) []probe {
	return []probe{
		{o.KernelRoute, "fib_table_lookup", "route:lookup", nil, ""},
		{o.KernelRoute6, "fib6_table_lookup", "route:lookup of IPv6", nil, ""},
		{o.KernelNeighNew, "neigh_create", "neigh:create", nil, ""},
		{o.KernelNeighAsked, "neigh_event_send_done", "neigh:lookup", nil, ""},
		{o.KernelNeighFailed, "neigh_timer_handler", "neigh:failed", nil, ""},
		{o.KernelNeighFound, "neigh_update", "neigh:found", nil, ""},
		{o.KernelIcmp, "icmp_send", "icmp:send", []*ebpf.ProgramSpec{o.KernelIcmp4}, ""},
		{o.KernelIcmp6, "", "icmp:send of IPv6", []*ebpf.ProgramSpec{o.KernelIcmp6}, ""},
	}
}

func waitsProbes(o *object.WaitsSpecs) []probe {
	return []probe{
		{o.KernelSwitch, "sched_switch", "sock:wait", nil, ""},
	}
}

// probed is an object and its probes.
type probed struct {
	spec   *ebpf.CollectionSpec
	probes []probe
}

// probedObjects opens the objects of named events.
func probedObjects(set *form) ([]probed, error) {
	kernelSpec, kernel, err := object.Open[object.KernelSpecs](object.LoadKernel)
	if err != nil {
		return nil, err
	}
	if err := set.apply(kernel); err != nil {
		return nil, err
	}
	pathSpec, path, err := object.Open[object.PathSpecs](object.LoadPath)
	if err != nil {
		return nil, err
	}
	waitsSpec, waits, err := object.Open[object.WaitsSpecs](object.LoadWaits)
	if err != nil {
		return nil, err
	}
	return []probed{
		{kernelSpec, kernelProbes(kernel)},
		{pathSpec, pathProbes(path)},
		{waitsSpec, waitsProbes(waits)},
	}, nil
}

// Points returns the numbers of tracepoints and of functions to which programs for named events are attached.
func (k *Kernel) Points() (points, functions int) {
	objects, err := probedObjects(&form{})
	if err != nil {
		return 0, 0 // Load has noted the error
	}
	for _, o := range objects {
		for _, p := range o.probes {
			if p.tells != "" && p.point != "" && k.tells[p.prog.Name] {
				points++
			}
			for _, f := range p.instead {
				if k.tells[f.Name] {
					functions++
				}
			}
		}
	}
	return points, functions
}

// form describes the tracepoints of this kernel that differ between versions.
type form struct {
	dropArgs, resetArgs int  // number of arguments of kfree_skb and tcp_send_reset; 0 if not known
	noCongestion        bool // there is no tcp_cong_state_set
}

func (f *form) apply(o *object.KernelSpecs) (err error) {
	if f.dropArgs > 0 {
		err = errors.Join(err, o.CfgDropArgs.Set(uint8(f.dropArgs)))
	}
	if f.resetArgs > 0 {
		err = errors.Join(err, o.CfgResetArgs.Set(uint8(f.resetArgs)))
	}
	if f.noCongestion {
		err = errors.Join(err, o.CfgCongestion.Set(uint8(0)))
	}
	return err
}

// onlyDrops are the probes that --drops needs.
var onlyDrops = []string{
	object.KernelProgSoftirqBegins, object.KernelProgSoftirqEnds,
	object.KernelProgKernelDrop, object.KernelProgKernelUdpFull, object.KernelProgKernelQueueFull,
}

// loadKernelEvents attaches the programs for the named events of layer krn. It adds one note
// for all events that this kernel does not have, and one for each program that fails.
func (k *Kernel) loadKernelEvents(c Config) {
	spec, err := k.types.Kernel()
	if err != nil {
		k.note(err, "kernel events are not shown: this kernel has no BTF", "")
		return
	}
	var f form
	if p, err := tracepointProto(spec, "kfree_skb"); err == nil {
		f.dropArgs = len(p.Params) - 1
	}
	if p, err := tracepointProto(spec, "tcp_send_reset"); err == nil {
		f.resetArgs = len(p.Params) - 1
	}
	_, err = tracepointProto(spec, "tcp_cong_state_set")
	f.noCongestion = err != nil
	objects, err := probedObjects(&f)
	if err != nil {
		k.note(err, "kernel events are not shown", "")
		return
	}
	var lacking []string
	for _, o := range objects {
		var points, functions []probe
		for _, p := range o.probes {
			if c.Drops && !slices.Contains(onlyDrops, p.prog.Name) {
				continue
			}
			proto, err := tracepointProto(spec, p.point)
			if err == nil && p.point == "sched_switch" && !(len(proto.Params) > 2 && pointsTo(proto.Params[2].Type, "task_struct")) {
				err = errors.New("unknown arguments")
			}
			switch {
			case err == nil:
				p.instead = nil
				points = append(points, p)
			case len(p.instead) > 0 && !k.raw:
				functions = append(functions, p)
			case p.tells != "":
				lacking = append(lacking, p.tells)
			}
		}
		own, err := k.ownMaps(c, o.spec)
		if err != nil {
			k.note(err, "some kernel events are not shown", "")
			continue
		}
		k.attachProbes(c, o.spec, own, points)
		// Loaded separately, as these fail on kernels where functions cannot be traced.
		lacking = append(lacking, k.attachProbes(c, o.spec, own, functions)...)
	}
	if len(lacking) > 0 {
		k.note(nil, "this kernel does not report "+strings.Join(lacking, ", "), "")
	}
}

// programs returns the programs of the probe: the one at the tracepoint, or those
// at functions.
func (p *probe) programs() []*ebpf.ProgramSpec {
	if len(p.instead) > 0 {
		return p.instead
	}
	return []*ebpf.ProgramSpec{p.prog}
}

// ownMaps creates the maps of an object, so that its programs use the same ones even
// if they are loaded separately. It returns those that belong to the object only; maps
// shared with other objects are created in k.Maps.
func (k *Kernel) ownMaps(c Config, spec *ebpf.CollectionSpec) (map[string]*ebpf.Map, error) {
	if err := c.size(spec); err != nil {
		return nil, err
	}
	own, shared := map[string]*ebpf.Map{}, k.Maps.byName()
	for name, m := range spec.Maps {
		if ofSection(name) {
			continue // each collection has its own
		}
		if shared[name] != nil {
			if err := k.Maps.make(m); err != nil {
				return nil, err
			}
			continue
		}
		made, err := ebpf.NewMap(m)
		if err != nil {
			return nil, fmt.Errorf("map %s: %w", name, err)
		}
		k.owned = append(k.owned, made)
		own[name] = made
	}
	return own, nil
}

// attachProbes loads the probes of an object together, or if that fails one by one, and
// attaches them. It returns the events that probes at functions do not see.
func (k *Kernel) attachProbes(c Config, spec *ebpf.CollectionSpec, own map[string]*ebpf.Map, probes []probe) (lacking []string) {
	if len(probes) == 0 {
		return nil
	}
	var together []*ebpf.ProgramSpec
	for _, p := range probes {
		together = append(together, p.programs()...)
	}
	all, err := k.load(c, spec.Copy(), own, together...)
	for _, p := range probes {
		progs, alone := []*ebpf.Program(nil), error(nil)
		if err == nil {
			progs, all = all[:len(p.programs())], all[len(p.programs()):]
		} else {
			progs, alone = k.load(c, spec.Copy(), own, p.programs()...)
		}
		if alone == nil {
			alone = k.attachProbe(&p, progs)
		}
		switch {
		case alone == nil && len(p.instead) > 0 && p.but != "":
			lacking = append(lacking, p.but)
		case alone != nil && len(p.instead) > 0:
			lacking = append(lacking, p.tells)
		case alone != nil:
			k.probeFailed(p, alone)
		}
	}
	return lacking
}

// attachProbe attaches all programs of a probe, or none.
func (k *Kernel) attachProbe(p *probe, progs []*ebpf.Program) error {
	links := len(k.links)
	for _, prog := range progs {
		if err := k.tracing(prog, p.point); err != nil {
			k.detach(links)
			return err
		}
	}
	for _, spec := range p.programs() {
		k.tells[spec.Name] = true
	}
	return nil
}

func (k *Kernel) probeFailed(p probe, err error) {
	what := p.tells + " is not shown"
	if p.tells == "" {
		what = "the context of kernel events is not known"
	}
	k.note(fmt.Errorf("tracepoint %s: %w", p.point, err), what, "")
}

// steps are tracepoints that network calls pass, at which stacks are taken. Their arguments are not used.
var steps = []string{
	"kmem_cache_alloc", "kmem_cache_free", "kmalloc", "kfree", "mm_page_alloc",
	"timer_start", "timer_cancel", "hrtimer_start", "sched_waking", "sched_switch", "softirq_raise", "workqueue_queue_work",
	"consume_skb", "netif_rx", "netif_receive_skb", "net_dev_xmit", "napi_poll", "tcp_sendmsg_locked", "tcp_rcv_space_adjust", "tcp_destroy_sock", "tcp_rcvbuf_grow",
}

// loadSteps attaches a program that takes stacks to the tracepoints in steps. Those that
// the kernel does not have are skipped.
func (k *Kernel) loadSteps(c Config) {
	spec, o, err := object.Open[object.StepsSpecs](object.LoadSteps)
	var progs []*ebpf.Program
	if err == nil {
		progs, err = k.load(c, spec, nil, o.TreeStep)
	}
	if err != nil {
		k.note(err, "the tree has fewer functions", "")
		return
	}
	for _, tp := range steps {
		if k.rawTracepoint(tp, progs[0]) == nil {
			k.Works.Steps = true
		}
	}
}

// loadCallStacks attaches the program that takes the stack of each call at its entry.
func (k *Kernel) loadCallStacks(c Config) {
	spec, o, err := object.Open[object.StepsSpecs](object.LoadSteps)
	var progs []*ebpf.Program
	if err == nil {
		progs, err = k.load(c, spec, nil, o.CallStack)
	}
	if err == nil {
		err = k.rawTracepoint("sys_enter", progs[0])
	}
	if err != nil {
		k.note(err, "the stacks of calls are not shown", "")
	}
}

// reasonsOf returns the names of an enum of the kernel, without their prefix, by value; nil if
// it has none.
func reasonsOf(types *btf.Spec, name, prefix string) map[uint32]string {
	var e *btf.Enum
	if types == nil || types.TypeByName(name, &e) != nil {
		return nil
	}
	m := map[uint32]string{}
	for _, v := range e.Values {
		m[uint32(v.Value)] = strings.TrimPrefix(v.Name, prefix)
	}
	return m
}
