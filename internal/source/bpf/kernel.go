//go:build linux

package bpf

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
)

// probe is a program of the kernel layer: where it is attached, and what is
// told there.
type probe struct {
	prog  string
	point string // tracepoint
	tells string // names of events; empty: it only helps the others
	// Programs at functions, if the kernel has no such tracepoint.
	instead []string
	// What these do not tell of; empty: nothing.
	but string
}

// object is a file of bpf/ with its probes.
type object struct {
	load   func() (*ebpf.CollectionSpec, error)
	probes []probe
}

var probeObjects = []object{
	{loadKernel, []probe{
		{"softirq_begins", "softirq_entry", "", nil, ""},
		{"softirq_ends", "softirq_exit", "", nil, ""},
		{"kernel_sent", "sock_send_length", "sock:send", []string{"kernel_sent_inet", "kernel_sent_inet6"}, "sock:send of sockets that are not of IP"},
		{"kernel_received", "sock_recv_length", "sock:receive", []string{"kernel_received_inet", "kernel_received_inet6"}, "sock:receive of sockets that are not of IP"},
		{"kernel_ready", "sk_data_ready", "sock:ready", []string{"kernel_ready_default"}, ""},
		{"kernel_error", "inet_sk_error_report", "sock:error", []string{"kernel_error_default"}, ""},
		{"kernel_queue_full", "sock_rcvqueue_full", "sock:rcvqueue-full", nil, ""},
		{"kernel_udp_full", "udp_fail_queue_rcv_skb", "sock:rcvqueue-full of UDP", nil, ""},
		{"kernel_memory", "sock_exceed_buf_limit", "sock:memory-limit", nil, ""},
		{"kernel_skb_queue", "net_dev_queue", "skb:queue", nil, ""},
		{"kernel_skb_send", "net_dev_start_xmit", "skb:send", nil, ""},
		{"kernel_skb_receive", "tcp_probe", "skb:receive of TCP", nil, ""},
		{"kernel_skb_copy", "skb_copy_datagram_iovec", "skb:copy", nil, ""},
		{"kernel_drop", "kfree_skb", "skb:drop", nil, ""},
		{"kernel_retransmit", "tcp_retransmit_skb", "tcp:retransmit", nil, ""},
		{"kernel_synack", "tcp_retransmit_synack", "tcp:retransmit-synack", nil, ""},
		{"kernel_reset", "tcp_send_reset", "tcp:reset-sent", nil, ""},
		{"kernel_reset_received", "tcp_receive_reset", "tcp:reset-received", nil, ""},
		{"kernel_congestion", "tcp_cong_state_set", "tcp:congestion", []string{"kernel_acked"}, ""},
	}},
	{loadPath, []probe{
		{"kernel_route", "fib_table_lookup", "route:lookup", nil, ""},
		{"kernel_route6", "fib6_table_lookup", "route:lookup of IPv6", nil, ""},
		{"kernel_neigh_new", "neigh_create", "neigh:create", nil, ""},
		{"kernel_neigh_asked", "neigh_event_send_done", "neigh:lookup", nil, ""},
		{"kernel_neigh_failed", "neigh_timer_handler", "neigh:failed", nil, ""},
		{"kernel_neigh_found", "neigh_update", "neigh:found", nil, ""},
		{"kernel_icmp", "icmp_send", "icmp:send", []string{"kernel_icmp4"}, ""},
		{"kernel_icmp6", "", "icmp:send of IPv6", []string{"kernel_icmp6"}, ""},
	}},
	{loadWaits, []probe{
		{"kernel_switch", "sched_switch", "sock:wait", nil, ""},
	}},
}

// onlyDrops are the probes that --drops needs.
var onlyDrops = []string{"softirq_begins", "softirq_ends", "kernel_drop", "kernel_udp_full", "kernel_queue_full"}

// loadKernelEvents attaches the named events of layer krn. What this kernel does
// not tell of is said in one note; what should be there and fails, in one each.
func (k *kernel) loadKernelEvents(c Config) {
	spec, err := k.types.Kernel()
	if err != nil {
		k.note(err, "kernel events are not shown: this kernel has no BTF", "")
		return
	}
	set := map[string]any{}
	if p, err := tracepointProto(spec, "kfree_skb"); err == nil {
		set["cfg_drop_args"] = uint8(len(p.Params) - 1)
	}
	if p, err := tracepointProto(spec, "tcp_send_reset"); err == nil {
		set["cfg_reset_args"] = uint8(len(p.Params) - 1)
	}
	if _, err := tracepointProto(spec, "tcp_cong_state_set"); err != nil {
		set["cfg_congestion"] = uint8(0)
	}
	var lacking []string
	for _, o := range probeObjects {
		var points, functions []probe
		for _, p := range o.probes {
			if c.Drops && !slices.Contains(onlyDrops, p.prog) {
				continue
			}
			proto, err := tracepointProto(spec, p.point)
			if err == nil && p.point == "sched_switch" && !(len(proto.Params) > 2 && pointsTo(proto.Params[2].Type, "task_struct")) {
				err = errors.New("another form than before and after Linux 5.18")
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
		object, err := o.load()
		if err == nil {
			err = k.shareMaps(c, object)
		}
		if err != nil {
			k.note(err, "what the kernel does is shown in part", "")
			continue
		}
		k.attachProbes(c, object, points, set)
		// Apart: where functions cannot be traced they do not go in.
		lacking = append(lacking, k.attachProbes(c, object, functions, set)...)
	}
	if len(lacking) > 0 {
		k.note(nil, "this kernel does not tell of "+strings.Join(lacking, ", "), "")
	}
}

// programs are those that tell of the probe's events: that at the tracepoint, or
// those at functions.
func (p *probe) programs() []string {
	if len(p.instead) > 0 {
		return p.instead
	}
	return []string{p.prog}
}

// shareMaps makes the maps of an object, for all its programs: what one of them
// keeps another one looks up, also where they are loaded each for itself.
func (k *kernel) shareMaps(c Config, spec *ebpf.CollectionSpec) error {
	if err := c.size(spec); err != nil {
		return err
	}
	for name, m := range spec.Maps {
		// .rodata is each collection's own.
		if k.maps[name] != nil || strings.HasPrefix(name, ".") {
			continue
		}
		made, err := ebpf.NewMap(m)
		if err != nil {
			return fmt.Errorf("map %s: %w", name, err)
		}
		k.maps[name] = made
	}
	return nil
}

// attachProbes loads the probes of an object together, and if that fails each
// for itself. It returns what functions do not tell of.
func (k *kernel) attachProbes(c Config, object *ebpf.CollectionSpec, probes []probe, set map[string]any) (lacking []string) {
	if len(probes) == 0 {
		return nil
	}
	var names []string
	for _, p := range probes {
		names = append(names, p.programs()...)
	}
	all, err := k.loadProbes(c, object, names, set)
	for _, p := range probes {
		coll, alone := all, error(nil)
		if err != nil {
			coll, alone = k.loadProbes(c, object, p.programs(), set)
		}
		if alone == nil {
			alone = k.attachProbe(&p, coll)
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

func (k *kernel) loadProbes(c Config, object *ebpf.CollectionSpec, names []string, set map[string]any) (*ebpf.Collection, error) {
	spec := object.Copy()
	for name, v := range set {
		if cv := spec.Variables[name]; cv != nil {
			if err := cv.Set(v); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return k.loadSpec(c, spec, names)
}

// attachProbe attaches all programs of a probe, or none.
func (k *kernel) attachProbe(p *probe, coll *ebpf.Collection) error {
	links := len(k.links)
	for _, name := range p.programs() {
		if err := k.attachTracing(coll.Programs[name], p.point); err != nil {
			k.detach(links)
			return err
		}
	}
	for _, name := range p.programs() {
		k.parts[name] = true
	}
	return nil
}

func (k *kernel) probeFailed(p probe, err error) {
	what := p.tells + " is not shown"
	if p.tells == "" {
		what = "whose time the kernel's work is done on is not known"
	}
	k.note(fmt.Errorf("tracepoint %s: %w", p.point, err), what, "")
}

// steps are tracepoints that network calls come by, whatever they tell.
var steps = []string{
	"kmem_cache_alloc", "kmem_cache_free", "kmalloc", "kfree", "mm_page_alloc",
	"timer_start", "timer_cancel", "hrtimer_start", "sched_waking", "sched_switch", "softirq_raise", "workqueue_queue_work",
	"consume_skb", "netif_rx", "netif_receive_skb", "net_dev_xmit", "napi_poll", "tcp_sendmsg_locked", "tcp_rcv_space_adjust", "tcp_destroy_sock", "tcp_rcvbuf_grow",
}

// loadSteps attaches to the tracepoints that only stacks are taken at. Which of
// them a kernel has does not matter: it is one step more or less.
func (k *kernel) loadSteps(c Config) {
	spec, err := loadSteps()
	var coll *ebpf.Collection
	if err == nil {
		coll, err = k.loadSpec(c, spec, []string{"tree_step"})
	}
	if err != nil {
		k.note(err, "the tree has fewer functions", "")
		return
	}
	n := 0
	for _, tp := range steps {
		if k.rawTracepoint(tp, coll.Programs["tree_step"]) == nil {
			n++
		}
	}
	k.parts["steps"] = n > 0
}

// loadCallStacks attaches what takes the stack of each call at its entry.
func (k *kernel) loadCallStacks(c Config) {
	spec, err := loadSteps()
	var coll *ebpf.Collection
	if err == nil {
		coll, err = k.loadSpec(c, spec, []string{"call_stack"})
	}
	if err == nil {
		err = k.rawTracepoint("sys_enter", coll.Programs["call_stack"])
	}
	if err != nil {
		k.note(err, "the stacks of calls are not shown", "")
	}
}
