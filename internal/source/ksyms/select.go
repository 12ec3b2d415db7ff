package ksyms

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Traced reports whether a symbol is a function of the source code, and not one that the
// compiler, the linker or a macro has generated.
func Traced(name string) bool {
	for _, prefix := range []string{"__pfx_", "__cfi_", "__SCT__", "__ftrace_", "__bpf_trace_", "__traceiter_", "__probestub_", "trace_event_", "perf_trace_", "bpf_prog_", "bpf_trampoline_", "bpf_dispatcher_"} {
		if strings.HasPrefix(name, prefix) {
			return false
		}
	}
	return name != "" && !strings.Contains(name, ".cold") && !strings.HasPrefix(name, ".")
}

// Default is the name of the default set of functions.
const Default = "socket"

// ErrPattern means that a pattern of functions is invalid or matches nothing.
var ErrPattern = errors.New("functions")

// Select returns the functions that match the patterns, each once, in the order of addresses.
// A pattern is a name, a glob, a glob@net/socket.c, or the name of the default set. note
// describes how the functions of a source file were found; it is empty if no pattern has
// one.
func (t *Table) Select(patterns []string) (list []Function, note string, err error) {
	seen := map[uint64]bool{}
	matched := 0
	add := func(f Function) {
		if Traced(f.Name) {
			matched++
		}
		if !seen[f.Addr] && Traced(f.Name) {
			seen[f.Addr] = true
			list = append(list, f)
		}
	}
	names := t.called(patterns)
	for _, p := range patterns {
		matched = 0
		switch glob, file, ofFile := strings.Cut(p, "@"); {
		case p == Default:
			run, _ := t.socketFile()
			for _, f := range run {
				add(f)
			}
			t.named(curated, add)
		case ofFile:
			if file != socketFile {
				return nil, "", fmt.Errorf("%w %q: the functions of a source file are only in debug information; without it, only %s is known", ErrPattern, p, socketFile)
			}
			var run []Function
			if run, note = t.socketFile(); glob == "" {
				glob = "*"
			}
			for _, f := range run {
				if ok, err := path.Match(glob, f.Name); err != nil {
					return nil, "", fmt.Errorf("%w %q: %w", ErrPattern, p, err)
				} else if ok {
					add(f)
				}
			}
		case isName(p):
			for _, f := range names[p] {
				add(f)
			}
		default:
			if _, err := path.Match(p, ""); err != nil {
				return nil, "", fmt.Errorf("%w %q: %w", ErrPattern, p, err)
			}
			for i := range t.addrs {
				f := t.At(i)
				if ok, _ := path.Match(p, f.Name); ok {
					add(f)
				}
			}
		}
		if matched == 0 {
			return nil, "", fmt.Errorf("%w %q: no matching function in this kernel", ErrPattern, p)
		}
	}
	slices.SortFunc(list, func(a, b Function) int {
		if a.Addr < b.Addr {
			return -1
		}
		return 1
	})
	return list, note, nil
}

// isName reports whether a pattern has no special characters.
func isName(pattern string) bool { return !strings.ContainsAny(pattern, `*?[\`) }

// called finds the functions for all patterns that are names, by name. It searches the table
// only once, as there may be hundreds of them.
func (t *Table) called(patterns []string) map[string][]Function {
	found := map[string][]Function{}
	for _, p := range patterns {
		if isName(p) {
			found[p] = nil
		}
	}
	if len(found) == 0 {
		return nil
	}
	for i := range t.addrs {
		f := t.At(i)
		if list, ok := found[f.Name]; ok {
			found[f.Name] = append(list, f)
		}
	}
	return found
}

// named calls add for each function of the table whose name is in names.
func (t *Table) named(names []string, add func(Function)) {
	want := map[string]bool{}
	for _, n := range names {
		want[n] = true
	}
	for i := range t.addrs {
		if f := t.At(i); want[f.Name] {
			add(f)
		}
	}
}

const (
	socketFile = "net/socket.c"
	// The functions of one source file are adjacent in the kernel, and so in its
	// table: those of net/socket.c are between socketBefore, exclusive, and socketLast,
	// inclusive (seen on 6.1, 6.12, 6.18 and 7.2).
	socketBefore = "devm_unregister_netdev"
	socketLast   = "socket_seq_show"
	mostOfFile   = 1000
)

// ofSocketFile are functions that must be in that range; otherwise it is not used.
var ofSocketFile = []string{"sock_alloc_file", "__sys_bind", "__sys_connect", "sock_recvmsg", "kernel_sendmsg"}

// socketFile returns the functions of net/socket.c: that range of the table, or if it is
// not found, those of socketNames.
func (t *Table) socketFile() (list []Function, note string) {
	from, to := -1, -1
	for i := range t.addrs {
		switch f := t.At(i); {
		case f.Module != "":
		case f.Name == socketBefore:
			from = i + 1
		case f.Name == socketLast && from >= 0 && i-from < mostOfFile:
			to = i
		}
	}
	if to > 0 {
		have := map[string]bool{}
		for i := from; i <= to; i++ {
			if f := t.At(i); Traced(f.Name) {
				list = append(list, f)
				have[f.Name] = true
			}
		}
		if !slices.ContainsFunc(ofSocketFile, func(n string) bool { return !have[n] }) {
			return list, fmt.Sprintf("%s: %d functions, between %s and %s in /proc/kallsyms", socketFile, len(list), socketBefore, socketLast)
		}
		list = nil
	}
	t.named(socketNames, func(f Function) {
		if f.Module == "" {
			list = append(list, f)
		}
	})
	return list, fmt.Sprintf("%s: %d functions, from a built-in list: their place in /proc/kallsyms was not found", socketFile, len(list))
}

// socketNames are the functions of net/socket.c in Linux 6.1 that system calls pass
// through.
var socketNames = strings.Fields(`
sock_mmap kernel_listen kernel_bind kernel_connect kernel_accept kernel_getsockname kernel_getpeername kernel_sock_shutdown
sock_from_file sockfd_lookup sockfd_lookup_light sock_alloc sock_alloc_file sock_alloc_inode sock_free_inode sock_create sock_create_kern sock_create_lite __sock_create
sock_release __sock_release sock_close sock_sendmsg sock_sendmsg_nosec kernel_sendmsg kernel_sendmsg_locked sock_recvmsg sock_recvmsg_nosec kernel_recvmsg
sock_read_iter sock_write_iter sock_splice_read sock_sendpage sock_ioctl sock_do_ioctl compat_sock_ioctl sock_poll sock_fasync sock_wake_async sock_map_fd
move_addr_to_kernel move_addr_to_user __sys_socket __sys_socketpair __sys_bind __sys_listen __sys_accept4 do_accept __sys_accept4_file
__sys_connect __sys_connect_file __sys_getsockname __sys_getpeername __sys_sendto __sys_recvfrom __sys_setsockopt __sys_getsockopt
__sys_shutdown __sys_shutdown_sock ____sys_sendmsg ___sys_sendmsg __sys_sendmsg __sys_sendmmsg ____sys_recvmsg ___sys_recvmsg __sys_recvmsg __sys_recvmmsg do_recvmmsg
__x64_sys_socket __x64_sys_socketpair __x64_sys_bind __x64_sys_listen __x64_sys_accept __x64_sys_accept4 __x64_sys_connect __x64_sys_getsockname __x64_sys_getpeername
__x64_sys_sendto __x64_sys_send __x64_sys_recvfrom __x64_sys_recv __x64_sys_setsockopt __x64_sys_getsockopt __x64_sys_shutdown __x64_sys_sendmsg __x64_sys_sendmmsg __x64_sys_recvmsg __x64_sys_recvmmsg
__arm64_sys_socket __arm64_sys_socketpair __arm64_sys_bind __arm64_sys_listen __arm64_sys_accept __arm64_sys_accept4 __arm64_sys_connect __arm64_sys_getsockname __arm64_sys_getpeername
__arm64_sys_sendto __arm64_sys_send __arm64_sys_recvfrom __arm64_sys_recv __arm64_sys_setsockopt __arm64_sys_getsockopt __arm64_sys_shutdown __arm64_sys_sendmsg __arm64_sys_sendmmsg __arm64_sys_recvmsg __arm64_sys_recvmmsg
`)

// curated are functions below net/socket.c, from the protocols to the devices: those
// that show where time is spent and what was decided. Names that a kernel does not have
// are ignored.
var curated = strings.Fields(`
inet_create inet_release inet_bind __inet_bind inet_listen inet_accept inet_stream_connect __inet_stream_connect inet_dgram_connect inet_shutdown
inet_sendmsg inet_recvmsg inet6_create inet6_bind inet6_release inet6_sendmsg inet6_recvmsg inet_csk_get_port inet_hash_connect
tcp_v4_connect tcp_v6_connect tcp_connect tcp_sendmsg tcp_sendmsg_locked tcp_recvmsg tcp_recvmsg_locked tcp_close __tcp_close tcp_shutdown tcp_disconnect
tcp_push __tcp_push_pending_frames tcp_push_one tcp_write_xmit __tcp_transmit_skb tcp_send_ack tcp_send_fin tcp_send_active_reset tcp_v4_send_reset tcp_v6_send_reset
__tcp_retransmit_skb tcp_retransmit_skb tcp_retransmit_timer tcp_write_timer_handler tcp_rcv_established tcp_rcv_state_process tcp_data_queue tcp_data_queue_ofo tcp_ack
tcp_cleanup_rbuf tcp_stream_alloc_skb sk_stream_alloc_skb sk_stream_wait_memory sk_stream_wait_connect sk_wait_data inet_csk_accept inet_csk_wait_for_connect
tcp_v4_rcv tcp_v6_rcv tcp_v4_do_rcv tcp_v6_do_rcv tcp_conn_request tcp_v4_conn_request tcp_v6_conn_request tcp_v4_syn_recv_sock tcp_v6_syn_recv_sock tcp_check_req tcp_time_wait tcp_done tcp_reset
lock_sock_nested release_sock __release_sock sock_def_readable sock_def_write_space sock_queue_rcv_skb_reason sock_alloc_send_pskb skb_copy_datagram_iter skb_copy_datagram_from_iter
udp_sendmsg udpv6_sendmsg udp_recvmsg udpv6_recvmsg udp_send_skb udp_v6_send_skb udp_rcv udpv6_rcv __udp4_lib_rcv __udp6_lib_rcv udp_queue_rcv_skb udp_queue_rcv_one_skb __udp_enqueue_schedule_skb __skb_recv_udp
unix_stream_connect unix_stream_sendmsg unix_stream_recvmsg unix_dgram_sendmsg unix_dgram_recvmsg unix_accept unix_create unix_release netlink_sendmsg netlink_recvmsg
ip_route_output_flow ip_route_output_key_hash ip6_route_output_flags fib_table_lookup ip_queue_xmit __ip_queue_xmit inet6_csk_xmit ip6_xmit ip_local_out __ip_local_out ip_output ip6_output ip_finish_output ip_finish_output2 ip6_finish_output ip6_finish_output2 ip_send_skb ip_append_data ip_make_skb
ip_rcv ipv6_rcv ip_local_deliver ip_local_deliver_finish ip6_input ip_protocol_deliver_rcu icmp_send __icmp_send icmp_rcv nf_hook_slow neigh_resolve_output __neigh_event_send arp_solicit
dev_queue_xmit __dev_queue_xmit dev_hard_start_xmit sch_direct_xmit __qdisc_run loopback_xmit netif_rx __netif_rx netif_receive_skb __netif_receive_skb process_backlog net_rx_action kfree_skb_reason sk_skb_reason_drop
security_socket_connect security_socket_sendmsg security_socket_recvmsg __cgroup_bpf_run_filter_skb __cgroup_bpf_run_filter_sock_addr
`)
