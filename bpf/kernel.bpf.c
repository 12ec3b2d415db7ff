// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What the kernel does for the sockets of the watched processes. Events have names that
 * are independent of the kernel: each comes from whichever tracepoint the running kernel
 * has for it, in any of its forms. Each program is loaded separately, so that a missing
 * tracepoint costs only its own events.
 */
#include "kernel.h"
#include "turn.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Numbers of arguments of the tracepoints, which user space reads from the kernel's BTF. */
const volatile u8 cfg_drop_args = 4;  /* kfree_skb: 2; with a reason (5.17) 3; with a socket (6.11) 4 */
const volatile u8 cfg_reset_args = 3; /* tcp_send_reset: 2; with a reason (6.10) 3 */

#define SKB_CONSUMED 1
#define TCP_TIME_WAIT 6
#define TCP_NEW_SYN_RECV 12
#define SOCK_NOSPACE 2 /* enum socket_flags, linux/net.h, since 4.3 */

static __always_inline u64 pair32(u32 low, u32 high)
{
	return (u64)high << 32 | low;
}

static __always_inline u64 window(struct sock *sk)
{
	return pair32(READ((struct tcp_sock *)sk, snd_cwnd), READ((struct tcp_sock *)sk, snd_ssthresh));
}

static __always_inline u32 srtt(struct sock *sk)
{
	return READ((struct tcp_sock *)sk, srtt_us) >> 3;
}

static __always_inline struct tcp_skb_cb *tcp_cb(struct sk_buff *skb)
{
	return (void *)skb + bpf_core_field_offset(struct sk_buff, cb);
}

/* Gets the socket with the type that the verifier requires for socket storage. */
static __always_inline struct sock *sock_of_skb(struct sk_buff *skb)
{
	return cfg_storage ? skb->sk : READ(skb, sk);
}

/* Reports whether a socket is a full one, not a TIME_WAIT or request socket. */
static __always_inline bool full(struct sock *sk)
{
	u8 state = state_of(sk);

	return state != TCP_TIME_WAIT && state != TCP_NEW_SYN_RECV;
}

SEC("tp_btf/softirq_entry")
int softirq_begins(u64 *ctx)
{
	u32 zero = 0, *in = bpf_map_lookup_elem(&softirqs, &zero);

	if (in)
		*in = 1;
	return 0;
}

SEC("tp_btf/softirq_exit")
int softirq_ends(u64 *ctx)
{
	u32 zero = 0, *in = bpf_map_lookup_elem(&softirqs, &zero);

	if (in)
		*in = 0;
	return 0;
}

static __always_inline int sent(u64 *ctx, struct sock *sk, int length)
{
	struct origin s;

	s.ctx = ctx;
	if (!origin_of(&s, sk, CALLER, BY_SENDER))
		return 0;
	announce_sock(&s, sk);
	emit_event(&s, PW_EVENT_SEND, (s64)length, 0, 0, 0, 0, 0);
	return 0;
}

static __always_inline int received(u64 *ctx, struct sock *sk, int length, u32 flags)
{
	struct origin s;

	s.ctx = ctx;
	used(sk, BY_RECEIVER, PW_OWNER_RECEIVED, 0);
	if (!origin_of(&s, sk, CALLER, BY_RECEIVER))
		return 0;
	announce_sock(&s, sk);
	emit_event(&s, PW_EVENT_RECEIVE, (s64)length, flags, 0, 0, 0, 0);
	return 0;
}

/* Since 6.3. On older kernels the functions of IP protocols give the same. */
TURN_PROGRAM("tp_btf/sock_send_length", kernel_sent)
{
	sent_on((void *)ctx[0], ctx[1]);
	return sent(ctx, (void *)ctx[0], ctx[1]);
}

static __always_inline int sent_inet(u64 *ctx)
{
	struct socket *socket = (void *)ctx[0];
	struct sock *sk = socket->sk;

	if (!sk)
		return 0;
	used(sk, BY_SENDER, PW_OWNER_SENT, ctx[3]);
	return sent(ctx, sk, ctx[3]);
}

SEC("fexit/inet_sendmsg")
int kernel_sent_inet(u64 *ctx)
{
	return sent_inet(ctx);
}

SEC("fexit/inet6_sendmsg")
int kernel_sent_inet6(u64 *ctx)
{
	return sent_inet(ctx);
}

TURN_PROGRAM("tp_btf/sock_recv_length", kernel_received)
{
	return received(ctx, (void *)ctx[0], ctx[1], ctx[2]);
}

static __always_inline int received_on(u64 *ctx)
{
	struct socket *socket = (void *)ctx[0];
	struct sock *sk = socket->sk;

	return sk ? received(ctx, sk, ctx[4], ctx[3]) : 0;
}

SEC("fexit/inet_recvmsg")
int kernel_received_inet(u64 *ctx)
{
	return received_on(ctx);
}

SEC("fexit/inet6_recvmsg")
int kernel_received_inet6(u64 *ctx)
{
	return received_on(ctx);
}

static __always_inline int ready(u64 *ctx)
{
	struct sock *sk = (void *)ctx[0];
	u16 protocol = READ(sk, sk_protocol);
	struct origin s;
	u32 unread = 0, waiting = 0;

	s.ctx = ctx;
	if (!origin_of(&s, sk, NOBODY, BY_RECEIVER))
		return 0;
	announce_sock(&s, sk);
	if (protocol == IPPROTO_TCP && state_of(sk) == TCP_LISTEN)
		waiting = READ(sk, sk_ack_backlog);
	else if (protocol == IPPROTO_TCP)
		unread = READ((struct tcp_sock *)sk, rcv_nxt) - READ((struct tcp_sock *)sk, copied_seq) -
			 (READ(sk, __sk_common.skc_flags) >> SOCK_DONE & 1); /* the FIN counts as one byte */
	emit_event(&s, PW_EVENT_READY, unread, READ(sk, sk_receive_queue.qlen), protocol, waiting, 0, 0);
	return 0;
}

TURN_PROGRAM("tp_btf/sk_data_ready", kernel_ready)
{
	return ready(ctx);
}

/* Before 6.2, at the place where the tracepoint is since then. */
SEC("fentry/sock_def_readable")
int kernel_ready_default(u64 *ctx)
{
	return ready(ctx);
}

static __always_inline int error(u64 *ctx)
{
	struct sock *sk = (void *)ctx[0];
	int err = READ(sk, sk_err);
	struct origin s;

	s.ctx = ctx;
	if (!err || !origin_of(&s, sk, NOBODY, KINDS))
		return 0;
	announce_sock(&s, sk);
	emit_event(&s, PW_EVENT_ERROR, err, state_of(sk), READ(sk, sk_protocol), 0, 0, 0);
	return 0;
}

TURN_PROGRAM("tp_btf/inet_sk_error_report", kernel_error)
{
	return error(ctx);
}

/* Before 5.15. */
SEC("fentry/sock_def_error_report")
int kernel_error_default(u64 *ctx)
{
	return error(ctx);
}

TURN_PROGRAM("tp_btf/sock_rcvqueue_full", kernel_queue_full)
{
	struct sock *sk = (void *)ctx[0];
	struct sk_buff *skb = (void *)ctx[1];
	struct origin s;

	s.ctx = ctx;
	if (!origin_of(&s, sk, NOBODY, BY_RECEIVER))
		return 0;
	announce_sock(&s, sk);
	emit_event(&s, PW_EVENT_QUEUE_FULL, READ(skb, len), READ(sk, sk_backlog.rmem_alloc.counter), READ(sk, sk_rcvbuf), 0, 0, 0);
	return 0;
}

TURN_PROGRAM("tp_btf/udp_fail_queue_rcv_skb", kernel_udp_full)
{
	struct sock *sk = (void *)ctx[1];
	struct origin s;

	s.ctx = ctx;
	if (!origin_of(&s, sk, NOBODY, BY_RECEIVER))
		return 0;
	announce_sock(&s, sk);
	emit_event(&s, PW_EVENT_QUEUE_FULL, 0, READ(sk, sk_backlog.rmem_alloc.counter), READ(sk, sk_rcvbuf), (s64)(int)ctx[0], 0, 0);
	return 0;
}

TURN_PROGRAM("tp_btf/sock_exceed_buf_limit", kernel_memory)
{
	struct sock *sk = (void *)ctx[0];
	struct origin s;

	s.ctx = ctx;
	if (!origin_of(&s, sk, NOBODY, KINDS))
		return 0;
	emit_event(&s, PW_EVENT_MEMORY, ctx[2], (u32)ctx[3], 0, 0, 0, 0);
	return 0;
}

/* The packet that the current thread passes to a device in its own call, by CPU. */
struct queued {
	u64 skb;
	u64 sk;
	u32 tid;
	u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct queued);
} queued SEC(".maps");

SEC("tp_btf/net_dev_queue")
int kernel_skb_queue(u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];
	struct sock *sk = sock_of_skb(skb);
	struct queued *q;
	struct origin s;
	u32 zero = 0;

	s.ctx = ctx;
	/* Outside of a softirq the current thread is the sender of a datagram. */
	if (!sk || !full(sk) || !origin_of(&s, sk, is_stream(READ(sk, sk_protocol)) ? NOBODY : CALLER, BY_SENDER))
		return 0;
	q = bpf_map_lookup_elem(&queued, &zero);
	if (q && s.own) {
		q->skb = (u64)skb;
		q->sk = (u64)sk;
		q->tid = bpf_get_current_pid_tgid();
	}
	announce_sock(&s, sk);
	emit_event(&s, PW_EVENT_SKB_QUEUE, READ(skb, len), READ(skb, dev, ifindex), 0, 0, 0, 0);
	return 0;
}

/* Before the device gets the packet: it can be freed afterwards. A queued packet can be sent by any thread. */
SEC("tp_btf/net_dev_start_xmit")
int kernel_skb_send(u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];
	struct sock *sk = sock_of_skb(skb);
	enum caller caller = ANYBODY;
	struct queued *q;
	struct origin s;
	u32 zero = 0;

	s.ctx = ctx;
	if (!sk || !full(sk))
		return 0;
	q = bpf_map_lookup_elem(&queued, &zero);
	if (q && q->skb == (u64)skb) {
		if (q->sk == (u64)sk && q->tid == (u32)bpf_get_current_pid_tgid())
			caller = LOCKER;
		q->skb = 0;
	}
	if (!origin_of(&s, sk, caller, BY_SENDER))
		return 0;
	emit_event(&s, PW_EVENT_SKB_SEND, READ(skb, len), READ((struct net_device *)ctx[1], ifindex), 0, 0, 0, 0);
	return 0;
}

const volatile u8 cfg_congestion = 1; /* the kernel has a tracepoint for TCP's congestion state */

static __always_inline void congestion(struct origin *s, struct sock *sk, u8 state)
{
	/* The kernel sets the same state repeatedly, and Open (0) when the connection starts. */
	if (s->w && s->w->ca == state)
		return;
	if (s->w)
		s->w->ca = state;
	announce_sock(s, sk);
	emit_event(s, PW_EVENT_CONGESTION, state, window(sk), srtt(sk), 0, 0, 0);
}

/* Without the tracepoint (before 5.19) the state is read at retransmits and acknowledgements. */
static __always_inline void check_congestion(struct origin *s, struct sock *sk)
{
	struct inet_connection_sock *icsk = (void *)sk;

	if (!cfg_congestion && s->w)
		congestion(s, sk, BPF_CORE_READ_BITFIELD_PROBED(icsk, icsk_ca_state));
}

/* Called for every segment of an established connection. */
TURN_PROGRAM("tp_btf/tcp_probe", kernel_skb_receive)
{
	struct sock *sk = (void *)ctx[0];
	struct sk_buff *skb = (void *)ctx[1];
	struct tcp_sock *t = (void *)sk;
	struct tcp_skb_cb *cb = tcp_cb(skb);
	struct origin s;
	u32 seq;
	u8 flags;

	s.ctx = ctx;
	if (!origin_of(&s, sk, NOBODY, BY_RECEIVER))
		return 0;
	announce_sock(&s, sk);
	seq = READ(cb, seq);
	flags = READ(cb, tcp_flags);
	emit_event(&s, PW_EVENT_SKB_RECEIVE, READ(cb, end_seq) - seq - (flags >> 1 & 1) - (flags & 1), IPPROTO_TCP, pair32(seq, flags),
		   window(sk), pair32(srtt(sk), READ(t, rcv_wnd)), pair32(READ(t, snd_nxt) - READ(t, snd_una), READ(t, snd_wnd)));
	return 0;
}

TURN_PROGRAM("tp_btf/skb_copy_datagram_iovec", kernel_skb_copy)
{
	struct sk_buff *skb = (void *)ctx[0];
	struct origin s;

	s.ctx = ctx;
	if (!origin_of_call(&s))
		return 0;
	emit_event(&s, PW_EVENT_SKB_COPY, (u32)ctx[1], READ(skb, len), 0, 0, 0, 0);
	return 0;
}

static __always_inline void dropped(struct origin *s, struct sk_buff *skb, struct ends *e, u64 location, u32 reason)
{
	u8 addr[2][16];

	__builtin_memcpy(addr[0], e->k.laddr, 16);
	__builtin_memcpy(addr[1], e->k.raddr, 16);
	emit_with(s, PW_EVENT_SKB_DROP, addr, e->k.proto ? 2 : 0, reason, location, READ(skb, len), pair32(e->k.proto, e->k.v6),
		  (u32)e->k.lport | (u32)e->k.rport << 16, e->flags);
}

TURN_PROGRAM("tp_btf/kfree_skb", kernel_drop)
{
	struct sk_buff *skb = (void *)ctx[0];
	struct sock *sk = sock_of_skb(skb);
	u32 reason = cfg_drop_args > 2 ? ctx[2] : 0;
	struct ends e;
	struct origin s;

	s.ctx = ctx;
	if (cfg_drop_args > 2 && reason <= SKB_CONSUMED)
		return 0;
	if (!READ(skb, len))
		return 0; /* only a FIN is unread: no data is lost */
	if (!sk && cfg_drop_args > 3)
		sk = (void *)ctx[3];
	if (!sk || !full(sk)) {
		if (origin_of_packet(&s, &e, skb))
			dropped(&s, skb, &e, ctx[1], reason);
		return 0;
	}
	if (!origin_of(&s, sk, ANYBODY, KINDS)) {
		/* Dropped at somebody else's listener: the client may be one of ours. */
		if (state_of(sk) == TCP_LISTEN && READ(sk, sk_protocol) == IPPROTO_TCP && origin_of_packet(&s, &e, skb))
			dropped(&s, skb, &e, ctx[1], reason);
		return 0;
	}
	announce_sock(&s, sk);
	if (!ends_of(&e, skb, true))
		e.k.proto = 0;
	else if (e.k.lport != READ(sk, __sk_common.skc_num))
		swap_ends(&e);
	dropped(&s, skb, &e, ctx[1], reason);
	return 0;
}

TURN_PROGRAM("tp_btf/tcp_retransmit_skb", kernel_retransmit)
{
	struct sock *sk = (void *)ctx[0];
	struct sk_buff *skb = (void *)ctx[1];
	struct tcp_skb_cb *cb = tcp_cb(skb);
	struct origin s;
	u32 seq;

	s.ctx = ctx;
	if (!origin_of(&s, sk, NOBODY, BY_SENDER))
		return 0;
	announce_sock(&s, sk);
	check_congestion(&s, sk);
	seq = READ(cb, seq);
	emit_event(&s, PW_EVENT_RETRANSMIT, seq, READ(cb, end_seq) - seq, READ((struct inet_connection_sock *)sk, icsk_retransmits),
		   state_of(sk), window(sk), srtt(sk));
	return 0;
}

TURN_PROGRAM("tp_btf/tcp_retransmit_synack", kernel_synack)
{
	struct sock *sk = (void *)ctx[0];
	struct request_sock *req = (void *)ctx[1];
	u8 addr[2][16] = {};
	struct origin s;

	s.ctx = ctx;
	if (!origin_of(&s, sk, NOBODY, KINDS))
		return 0;
	announce_sock(&s, sk);
	if (READ(req, __req_common.skc_family) == AF_INET)
		*(u32 *)addr[0] = READ(req, __req_common.skc_daddr);
	else
		bpf_core_read(addr[0], 16, &req->__req_common.skc_v6_daddr);
	emit_with(&s, PW_EVENT_SYNACK_AGAIN, addr, 1, bswap16(READ(req, __req_common.skc_dport)), READ(req, num_retrans),
		  READ(req, __req_common.skc_family), 0, 0, 0);
	return 0;
}

TURN_PROGRAM("tp_btf/tcp_send_reset", kernel_reset)
{
	struct sock *sk = (void *)ctx[0];
	struct sk_buff *skb = (void *)ctx[1];
	u32 reason = cfg_reset_args > 2 ? ctx[2] : 0;
	struct ends e = {};
	struct origin s;

	s.ctx = ctx;
	if (sk && full(sk)) {
		if (!origin_of(&s, sk, NOBODY, KINDS))
			return 0;
		announce_sock(&s, sk);
		if (skb)
			ends_of(&e, skb, false);
		emit_event(&s, PW_EVENT_RST_SENT, reason, (u32)e.k.lport | (u32)e.k.rport << 16, state_of(sk), 0, 0, 0);
		return 0;
	}
	if (skb && origin_of_packet(&s, &e, skb))
		emit_event(&s, PW_EVENT_RST_SENT, reason, (u32)e.k.lport | (u32)e.k.rport << 16, 0, 0, 0, 0);
	return 0;
}

TURN_PROGRAM("tp_btf/tcp_receive_reset", kernel_reset_received)
{
	struct sock *sk = (void *)ctx[0];
	struct origin s;

	s.ctx = ctx;
	if (!origin_of(&s, sk, NOBODY, KINDS))
		return 0;
	announce_sock(&s, sk);
	emit_event(&s, PW_EVENT_RST_RECEIVED, state_of(sk), 0, 0, 0, 0, 0);
	return 0;
}

TURN_PROGRAM("tp_btf/tcp_cong_state_set", kernel_congestion)
{
	struct sock *sk = (void *)ctx[0];
	struct origin s;

	s.ctx = ctx;
	if (origin_of(&s, sk, NOBODY, BY_SENDER))
		congestion(&s, sk, ctx[1]);
	return 0;
}

SEC("fexit/tcp_ack")
int kernel_acked(u64 *ctx)
{
	struct sock *sk = (void *)ctx[0];
	struct origin s;

	s.ctx = ctx;
	if (origin_of(&s, sk, NOBODY, BY_SENDER))
		check_congestion(&s, sk);
	return 0;
}
