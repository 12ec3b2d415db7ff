// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Packets of the watched processes, seen at their sockets: by programs at the root of
 * cgroup v2, in all network namespaces, above the devices and after NAT.
 * The owner of a packet is stored with its socket, by the programs that see it being
 * created, held, sent on or received from. The current task alone is no evidence.
 */
#include "kernel.h"
#include "turn.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/*
 * Copies the owners of a socket, or the last user if that is a later one, to the map for tracing programs. Those add
 * who receives, which the programs here do not know.
 */
static __always_inline void mirror(u64 at, struct owned *w, u64 cookie)
{
	u32 last = last_kind(w);
	struct owned *m;

	if (cfg_storage)
		return;
	m = bpf_map_lookup_elem(&owned_socks, &at);
	if (!m || m->from != w->from || m->self != cookie) {
		w->self = cookie;
		bpf_map_update_elem(&owned_socks, &at, w, BPF_ANY);
	} else if (w->time[last] > m->time[last_kind(m)] && w->by[last] != last_word(m)) {
		set_owner(m, last, w->by[last], w->time[last]);
	}
}

/* The creation of a socket, in the context of its creator. */
SEC("cgroup/sock_create")
int owner_create(struct bpf_sock *ctx)
{
	u64 id = bpf_get_current_pid_tgid();
	struct task_struct *task;
	struct pw_owner o;
	u64 now = bpf_ktime_get_ns();
	struct owned *w;

	if (!ours(id >> 32))
		return 1;
	w = bpf_sk_storage_get(&owners, ctx, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!w) {
		count_lost_packet(id >> 32, PW_LOST_TARGETS);
		return 1;
	}
	task = (void *)bpf_get_current_task();
	set_owner_task(w, &o, BY_MAKER, task, bpf_get_socket_cookie(ctx), PW_OWNER_CREATED);
	concerns(w, bpf_get_socket_cookie(ctx));
	set_alone(w, id >> 32, 1, now);
	w->one_writer = 1;
	w->netns = READ(task, nsproxy, net_ns, ns.inum);
	mirror((u64)ctx, w, bpf_get_socket_cookie(ctx));
	return 1;
}

static __always_inline void forget_old(u64 at)
{
	bpf_map_delete_elem(&old_socks, &at);
	if (!cfg_storage)
		bpf_map_delete_elem(&owned_socks, &at);
}

/* A socket is freed, and its address can be used again. */
SEC("cgroup/sock_release")
int owner_released(struct bpf_sock *ctx)
{
	forget_old((u64)ctx);
	return 1;
}

TURN_PROGRAM("tp_btf/sock_send_length", owner_sent)
{
	sent_on((void *)ctx[0], ctx[1]);
	return 0;
}

TURN_PROGRAM("tp_btf/sock_recv_length", owner_received)
{
	used((void *)ctx[0], BY_RECEIVER, PW_OWNER_RECEIVED, 0);
	return 0;
}

/* Before 6.3. */
SEC("fexit/inet_sendmsg")
int owner_sent_inet(u64 *ctx)
{
	struct sock *sk = ((struct socket *)ctx[0])->sk;

	if (sk)
		used(sk, BY_SENDER, PW_OWNER_SENT, ctx[3]);
	return 0;
}

SEC("fexit/inet6_sendmsg")
int owner_sent_inet6(u64 *ctx)
{
	struct sock *sk = ((struct socket *)ctx[0])->sk;

	if (sk)
		used(sk, BY_SENDER, PW_OWNER_SENT, ctx[3]);
	return 0;
}

static __always_inline int received_on(struct socket *s)
{
	struct sock *sk = s->sk;

	if (sk)
		used(sk, BY_RECEIVER, PW_OWNER_RECEIVED, 0);
	return 0;
}

/* Before 6.3. */
SEC("fexit/inet_recvmsg")
int owner_received_inet(u64 *ctx)
{
	return received_on((void *)ctx[0]);
}

SEC("fexit/inet6_recvmsg")
int owner_received_inet6(u64 *ctx)
{
	return received_on((void *)ctx[0]);
}

static __always_inline int accepted(struct socket *s)
{
	struct sock *sk = s->sk;

	if (sk)
		used(sk, BY_ACCEPTER, PW_OWNER_ACCEPTED, 0);
	return 0;
}

/* Where functions can be traced, the process that accepts a socket is known before it uses it. */
SEC("fexit/inet_accept")
int owner_accepted(u64 *ctx)
{
	return accepted((void *)ctx[1]);
}

/* MPTCP listeners create plain TCP sockets for clients without MPTCP. */
SEC("fexit/mptcp_stream_accept")
int owner_accepted_mptcp(u64 *ctx)
{
	return accepted((void *)ctx[1]);
}

static __always_inline void emit_state(struct sock *sk, struct owned *w, struct pw_owner *o, u64 cookie, u8 what, u8 from, u8 to, u8 flags)
{
	struct tcp_sock *t = (void *)sk;
	struct pw_owner who;
	struct {
		struct pw_state s;
		struct pw_sock k;
		struct pw_attr before, attr;
		struct pw_owner by[KINDS];
	} *r;

	r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
	if (!r) {
		count_lost_packet(o->pid, PW_LOST_RING);
		return;
	}
	__builtin_memset(r, 0, sizeof(*r));
	r->s.h.len = sizeof(*r);
	r->s.h.kind = PW_KIND_STATE;
	r->s.h.layer = PW_LAYER_KRN;
	r->s.h.time = bpf_ktime_get_ns();
	r->s.owner = *o;
	ATTR8(r, PW_TAG_OWNERS, by);
#pragma unroll
	for (int i = 0; i < KINDS; i++)
		if (owner_of_word(&who, w, w->by[i], w->time[i], cookie))
			r->by[i] = who;
	r->s.what = what;
	r->s.from = from;
	r->s.to = to;
	r->s.err = READ(sk, sk_err);
	r->s.context = context();
	r->s.flags = flags;
	r->s.fin = READ(sk, __sk_common.skc_flags) >> SOCK_DONE & 1; /* only tcp_fin sets it */
	if (to != TCP_LISTEN) {
		if (bpf_core_field_exists(t->bytes_sent))
			r->s.sent = READ(t, bytes_sent);
		r->s.acked = READ(t, bytes_acked);
		r->s.received = READ(t, bytes_received);
		if (bpf_core_field_exists(t->bytes_retrans))
			r->s.resent = READ(t, bytes_retrans);
		r->s.segs_out = READ(t, segs_out);
		r->s.segs_in = READ(t, segs_in);
		r->s.data_segs_out = READ(t, data_segs_out);
		r->s.data_segs_in = READ(t, data_segs_in);
		r->s.retrans = READ(t, total_retrans);
		r->s.srtt = READ(t, srtt_us) >> 3;
		r->s.rttvar = READ(t, rttvar_us) >> 2;
		r->s.cwnd = READ(t, snd_cwnd);
		r->s.ssthresh = READ(t, snd_ssthresh);
		r->s.unsent = READ(t, write_seq) - READ(t, snd_nxt);
		r->s.unacked = READ(t, snd_nxt) - READ(t, snd_una);
		r->s.unread = READ(t, rcv_nxt) - READ(t, copied_seq);
		r->s.mss = READ(t, mss_cache);
		r->s.snd_wnd = READ(t, snd_wnd);
	}
	fill_sock(&r->k, sk, inode_of(sk), -1, 0);
	r->k.state = to;
	if (!r->k.lport) /* a closed socket has released its port */
		r->k.lport = bswap16(READ((struct inet_sock *)sk, inet_sport));
	bpf_ringbuf_submit(r, ring_flags());
}

/* Adds the flow of a TCP socket, in the form that its packets have. */
static __always_inline void key_of_sock(struct flow_key *k, struct sock *sk)
{
	struct pw_sock s;

	fill_sock(&s, sk, 0, -1, 0);
	__builtin_memset(k, 0, sizeof(*k));
	k->netns = s.netns;
	k->proto = IPPROTO_TCP;
	k->lport = s.lport ? s.lport : bswap16(READ((struct inet_sock *)sk, inet_sport));
	k->rport = s.rport;
	if (s.family == AF_INET6 && (((u64 *)s.laddr)[0] || ((u32 *)s.laddr)[2] != 0xffff0000)) {
		k->v6 = 1;
		__builtin_memcpy(k->laddr, s.laddr, 16);
		__builtin_memcpy(k->raddr, s.raddr, 16);
	} else {
		u32 at = s.family == AF_INET6 ? 12 : 0;

		__builtin_memcpy(k->laddr, s.laddr + at, 4);
		__builtin_memcpy(k->raddr, s.raddr + at, 4);
	}
}

static __always_inline void note_flow(struct flow_key *k, struct pw_owner *o, u64 cookie, u64 closed)
{
	struct flow f = {};

	f.cookie = cookie;
	f.closed = closed;
	f.o = *o;
	set_flow(k, &f);
}

/*
 * Without socket storage, an incoming connection is first attributed to its listener,
 * which is the socket with the same local port.
 */
static __always_inline struct owned *inherited(struct sock *sk, int to)
{
	struct flow_key k;
	struct pw_owner o;
	struct owned *w;
	struct flow *f;

	if (cfg_storage || to != TCP_SYN_RECV)
		return 0;
	key_of_sock(&k, sk);
	k.rport = 0;
	__builtin_memset(k.raddr, 0, 16);
	f = bpf_map_lookup_elem(&flows, &k);
	if (!f) {
		__builtin_memset(k.laddr, 0, 16);
		f = bpf_map_lookup_elem(&flows, &k);
	}
	if (!f || f->closed || !flow_of_ours(&o, f))
		return 0;
	w = owned_of(sk, true);
	if (w) {
		set_first_owner(w, &o, o.cookie);
		set_owner(w, BY_MAKER, owner_word(&o), o.time);
		w->netns = k.netns;
	}
	return w;
}

/*
 * The kernel itself creates the TCP sockets inside MPTCP sockets, which Go servers
 * listen on. They are attributed in listen and connect, in the context of the caller.
 */
static __always_inline void changes(struct sock *sk, int from, int to)
{
	bool opens = (to == TCP_SYN_SENT || to == TCP_LISTEN) && ours(bpf_get_current_pid_tgid() >> 32);
	struct owned *w = owned_of(sk, opens);
	struct pw_owner o;
	struct flow_key k;
	enum whose whose;
	u8 flags = 0;
	u64 cookie;

	if (!w)
		w = inherited(sk, to);
	if (!w)
		return;
	if (opens && !last_word(w)) {
		w->netns = netns_of(sk);
		set_owner_task(w, &o, BY_MAKER, (void *)bpf_get_current_task(), cookie_of(sk), PW_OWNER_CREATED);
	}
	cookie = READ(sk, __sk_common.skc_cookie.counter);
	if (!last_of(&o, w, cookie) || READ(sk, sk_protocol) != IPPROTO_TCP)
		return;
	whose = owned_by_ours(&o);
	if (!whose)
		return;
	if (!cookie) {
		cookie = cookie_of(sk); /* assigns one */
		last_of(&o, w, cookie);
	}
	if (to == TCP_ESTABLISHED)
		stream_begins(w, sk, cookie);
	w->announced = 1;
	if (to == TCP_ESTABLISHED || to == TCP_CLOSE || (to == TCP_LISTEN && !cfg_storage)) {
		key_of_sock(&k, sk);
		note_flow(&k, &o, cookie, to == TCP_CLOSE ? bpf_ktime_get_ns() : 0);
	}
	/* While a thread holds the socket's lock, only that thread can change its state. */
	if (READ(sk, sk_lock.owned) && current_is_ours()) {
		if (o.tid != (u32)bpf_get_current_pid_tgid())
			fill_owner(&o, (void *)bpf_get_current_task(), cookie, PW_OWNER_USED | (how_of(last_word(w)) & PW_OWNER_OLD));
	} else if ((whose == WAS_OURS && left_behind(sk)) || doubt(w, sk, cookie, KINDS, o.pid)) {
		flags = PW_STATE_SHARED;
	}
	emit_state(sk, w, &o, cookie, PW_STATE_CHANGED, from, to, flags);
}

TURN_PROGRAM("tp_btf/inet_sock_set_state", owner_state)
{
	struct sock *sk = (void *)ctx[0];

	changes(sk, ctx[1], ctx[2]);
	/* A socket that a process holds is reported until it is released. */
	if (ctx[2] == TCP_CLOSE && !READ(sk, sk_socket))
		forget_old(ctx[0]);
	return 0;
}

static __always_inline struct sock *held(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct socket *s;

	if (!task || !file || task->pid != task->tgid || !ours(task->tgid))
		return 0;
	s = bpf_sock_from_file(file);
	return s ? s->sk : 0;
}

/* At attach: reports the sockets that the watched processes hold. */
SEC("iter/task_file")
int owner_found(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct sock *sk = held(ctx);
	u64 now = bpf_ktime_get_ns();
	struct pw_owner o;
	struct flow_key k;
	struct owned *w;

	if (!task || !sk)
		return 0;
	w = bpf_sk_storage_get(&owners, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	/* The last user is better evidence than a holder. */
	if (!w || last_word(w))
		return 0;
	set_owner_task(w, &o, BY_MAKER, task, bpf_get_socket_cookie(sk), PW_OWNER_FOUND | PW_OWNER_OLD);
	stream_found(w, sk, bpf_get_socket_cookie(sk), task->tgid, references(sk) - 1, now); /* the iterator has one */
	w->netns = netns_of(sk);
	if (READ(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	key_of_sock(&k, sk);
	note_flow(&k, &o, bpf_get_socket_cookie(sk), 0);
	return 0;
}

/* On request: reports the state of the TCP sockets of the watched processes. */
SEC("iter/task_file")
int states(struct bpf_iter__task_file *ctx)
{
	struct sock *sk = held(ctx);
	struct pw_owner o;
	struct owned *w;
	u64 cookie;
	u8 state;

	if (!sk || READ(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	w = bpf_sk_storage_get(&owners, sk, 0, 0);
	state = state_of(sk);
	cookie = READ(sk, __sk_common.skc_cookie.counter);
	if (w && last_of(&o, w, cookie))
		emit_state(sk, w, &o, cookie, PW_STATE_LOOK, state, state, 0);
	return 0;
}

/* Records have a few sizes: reserving the whole snaplen for each would waste the ring buffer. */
static __always_inline bool emit_packet(struct __sk_buff *skb, struct pw_owner *o, u8 dir, u8 flags, u32 netns, u64 cap, const u32 room)
{
	struct {
		struct pw_packet p;
		u8 data[];
	} *r;

	r = bpf_ringbuf_reserve(&ring, sizeof(r->p) + room, 0);
	if (!r)
		return false;
	r->p.h.kind = PW_KIND_PACKET;
	r->p.h.layer = PW_LAYER_PKT;
	r->p.h.time = bpf_ktime_get_ns();
	r->p.cookie = bpf_get_socket_cookie(skb);
	r->p.owner = *o;
	r->p.len = skb->len;
	r->p.ifindex = skb->ifindex;
	r->p.mark = skb->mark;
	r->p.dir = dir;
	r->p.made = PW_MADE_SOCKET;
	r->p.flags = flags;
	r->p.ns_high = netns ? (netns + 1) >> 16 : 0;
	r->p.link = 0;
	r->p.ns_low = netns ? netns + 1 : 0;
	keep_bound(cap);
	if (cap > room)
		cap = room;
	/* The verifiers of 5.10 and 6.1 need a signed comparison, of a value that clang cannot reason about. */
	keep_bound(cap);
	if ((s64)cap < 1 || bpf_skb_load_bytes(skb, 0, r->data, cap))
		cap = 0;
	r->p.caplen = cap;
	r->p.h.len = sizeof(r->p) + ((cap + 7) & ~7ULL);
	bpf_ringbuf_submit(r, ring_flags());
	return true;
}

static __always_inline u32 header_len(struct __sk_buff *skb)
{
	u8 first = 0;

	bpf_skb_load_bytes(skb, 0, &first, 1);
	return (first & 15) * 4;
}

/* Gets the key of a packet's flow: its addresses and ports, or the identifier of an ICMP echo. */
static __always_inline bool key_of_packet(struct flow_key *k, struct __sk_buff *skb, u32 netns, u8 dir)
{
	u8 h[40];
	u16 ports[4]; /* ICMP: type and code, checksum, identifier, sequence number */
	u32 at;

	__builtin_memset(k, 0, sizeof(*k));
	if (bpf_skb_load_bytes(skb, 0, h, 20) || (h[0] >> 4 == 6 && bpf_skb_load_bytes(skb, 0, h, 40)))
		return false;
	at = key_of_ip(k, h, dir == PW_PACKET_OUT);
	if (!at || bpf_skb_load_bytes(skb, at, ports, 8))
		return false;
	switch (k->proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		k->lport = bswap16(ports[dir == PW_PACKET_IN]);
		k->rport = bswap16(ports[dir == PW_PACKET_OUT]);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		k->lport = bswap16(ports[2]);
		break;
	default:
		return false;
	}
	k->netns = netns;
	return true;
}

/* Adds the flow of a packet: of the first one, and of the first one to each new peer. */
static __always_inline void learn_flow(struct __sk_buff *skb, struct bpf_sock *sk, struct owned *w, struct pw_owner *o, u8 dir)
{
	struct flow_key k;
	u64 peer;

	if (sk->protocol == IPPROTO_TCP) {
		if (dir == PW_PACKET_OUT && sk->state == TCP_SYN_SENT && key_of_packet(&k, skb, w->netns, dir))
			note_flow(&k, o, bpf_get_socket_cookie(skb), 0);
		/* The addresses of a closed connection are used again. */
		else if (dir == PW_PACKET_IN && sk->state == TCP_LISTEN && key_of_packet(&k, skb, w->netns, dir))
			bpf_map_delete_elem(&flows, &k);
		return;
	}
	if (dir != PW_PACKET_OUT || (w->peer && sk->protocol == IPPROTO_UDP && sk->state == TCP_ESTABLISHED))
		return;
	if (!key_of_packet(&k, skb, w->netns, dir))
		return;
	/* FNV-1a over what differs. */
	peer = 0xcbf29ce484222325ULL;
	for (int i = 0; i < 2; i++)
		peer = (peer ^ ((u64 *)k.raddr)[i] ^ ((u64 *)k.laddr)[i]) * 0x100000001b3ULL;
	peer = (peer ^ ((u32)k.lport << 16 | k.rport)) * 0x100000001b3ULL;
	if (peer == w->peer)
		return;
	w->peer = peer;
	note_flow(&k, o, bpf_get_socket_cookie(skb), 0);
}

/* Sets the owner of a socket at its first packet, where that was not possible at attach or at listen. */
static __always_inline struct owned *adopt(struct __sk_buff *skb, struct bpf_sock *sk)
{
	u64 at = (u64)sk, cookie = bpf_get_socket_cookie(skb);
	struct old_sock *old = bpf_map_lookup_elem(&old_socks, &at);
	struct owned *m = cfg_storage ? 0 : bpf_map_lookup_elem(&owned_socks, &at);
	struct pw_owner o;
	struct owned *w;
	u32 netns;

	if (old) {
		o = old->o;
		netns = old->netns;
	} else if (m && last_of(&o, m, cookie)) {
		netns = m->netns;
	} else {
		return 0;
	}
	w = bpf_sk_storage_get(&owners, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (w) {
		set_first_owner(w, &o, cookie);
		o.cookie = cookie;
		set_owner(w, BY_MAKER, owner_word(&o), o.time);
		w->netns = netns;
	}
	bpf_map_delete_elem(&old_socks, &at);
	return w;
}

const volatile u8 cfg_packets = 1; /* packets are recorded */
const volatile u8 cfg_events = 0;  /* kernel events are recorded */
const volatile u8 cfg_filter = 0;  /* pcap_filter has been replaced by the user's filter */

/* At load its instructions are replaced by those of the user's filter, if there is one; 0: no match. */
__noinline int pcap_filter(struct __sk_buff *skb)
{
	int match = 1;

	asm volatile("" : "+r"(match) : "r"(skb));
	return match;
}

/* Gets the socket as a plain address: programs of this type may not read all of its fields directly. */
static __always_inline struct sock *plain_sock(struct bpf_sock *sk, struct owned *w)
{
	*(volatile u64 *)&w->sk = (u64)sk;
	return (struct sock *)*(volatile u64 *)&w->sk;
}

/*
 * Reports whether the current thread is the sender. A datagram leaves in the call that
 * sends it. A packet of a stream can leave at any time, but while a thread holds the
 * lock of the socket, only that thread sends on it.
 */
static __always_inline bool sent_by_current(struct bpf_sock *sk, struct owned *w)
{
	if (!is_stream(sk->protocol))
		return true;
	if (sk->state == TCP_LISTEN)
		return false; /* the kernel answers without the lock */
	return READ(plain_sock(sk, w), sk_lock.owned);
}

/* The data of a TCP segment. */
struct segment {
	u32 seq;
	u32 len;
};

/* Returns the length of the data that a process wrote: 0 only for TCP segments without data. */
static __always_inline u32 data_of(struct __sk_buff *skb, struct segment *g)
{
	u8 ip, protocol, tcp[13];
	u32 at = 40;

	g->seq = 0;
	g->len = skb->len;
	if (bpf_skb_load_bytes(skb, 0, &ip, 1))
		return g->len;
	if (ip >> 4 == 4)
		at = (ip & 15) * 4;
	if (bpf_skb_load_bytes(skb, ip >> 4 == 4 ? 9 : 6, &protocol, 1) || protocol != IPPROTO_TCP)
		return g->len;
	if (bpf_skb_load_bytes(skb, at, tcp, sizeof(tcp)))
		return g->len;
	g->seq = (u32)tcp[4] << 24 | tcp[5] << 16 | tcp[6] << 8 | tcp[7];
	at += (tcp[12] >> 4) * 4;
	g->len = skb->len > at ? skb->len - at : 0;
	return g->len;
}

static __always_inline bool carries(struct __sk_buff *skb)
{
	struct segment g;

	return data_of(skb, &g);
}

const volatile u8 cfg_ends = 0; /* a program sees the end of each call that sends */

/*
 * Sets the owner of a packet that the current thread sends to that thread. Returns false
 * if it is not a user thread.
 *
 * Data of a stream can belong to another process: a thread that releases a socket, also after
 * a read, sends what could not be sent before. Until its call ends, such a packet is
 * attributed to the known sender or to this thread, and is evidence for neither.
 */
static __always_inline bool sent_by_task(struct bpf_sock *sk, struct owned *w, u64 cookie, bool bare, bool stream, struct pw_owner *o,
					 u8 *flags)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	u64 word;

	if (READ(task, flags) & PF_KTHREAD)
		return false;
	word = fill_owner(o, task, cookie, PW_OWNER_SENT | (how_of(last_word(w)) & PW_OWNER_OLD));
	/* A reader sends acknowledgements, and the last close sends a FIN: neither makes the process a sender. */
	if (bare && sk->state != TCP_SYN_SENT && !(is_own(w->by[BY_SENDER], cookie) && !((w->by[BY_SENDER] ^ word) & KEY_MASK))) {
		u64 last = last_word(w), reader = w->by[BY_RECEIVER];
		u32 how = PW_OWNER_USED | (how_of(last) & PW_OWNER_OLD);

		if (is_own(last, cookie) && pid_beside(last, word, o) == o->pid)
			how = how_of(last);
		else if (is_own(reader, cookie) && pid_beside(reader, word, o) == o->pid)
			how = how_of(reader);
		o->how = how;
		return true;
	}
	if (stream && cfg_ends) {
		u64 sender = w->by[BY_SENDER];

		if (is_own(sender, cookie) && pid_beside(sender, word, o) != o->pid) {
			concerns(w, cookie);
			not_alone(w, o->pid);
			if (!references(plain_sock(sk, w)))
				w->one_writer = 0; /* inside an MPTCP socket: no end of a call is seen */
			*flags = PW_PACKET_SHARED | PW_PACKET_OPEN;
			/* It is one of two: take the one that is watched, otherwise the packet would not be recorded. */
			if (!ours(o->pid) ||
			    (is_own(w->by[BY_RECEIVER], cookie) && pid_beside(w->by[BY_RECEIVER], word, o) == o->pid))
				return owner_of_word(o, w, sender, w->time[BY_SENDER], cookie);
			return true;
		}
	}
	used_by(w, o, word, cookie, BY_SENDER, !is_own(w->by[BY_SENDER], cookie) || pid_beside(w->by[BY_SENDER], word, o) == o->pid, 0);
	return true;
}

/*
 * Without programs at the ends of calls, packets tell who sends: pid, a watched process. A process that alone has the socket open has written
 * what is written from then on.
 */
static __always_inline void takes_over(struct owned *w, struct sock *sk, u64 cookie, u32 pid)
{
	struct tcp_sock *t = (void *)sk;

	if (!w->one_writer && (u32)w->start != pid && prove_alone(w, sk, cookie, pid))
		w->start = place(READ(t, write_seq), pid);
}

/* Finds the owner of a packet that has arrived. The result is as that of packet_owner. */
static __always_inline bool reader_of(struct __sk_buff *skb, struct bpf_sock *sk, struct owned *w, u64 cookie, struct pw_owner *o, u8 *flags)
{
	bool stream = sk->protocol == IPPROTO_TCP;
	bool bare = stream && w->shared && !carries(skb);
	u32 kind = bare ? last_kind(w) : kind_of(w, cookie, BY_RECEIVER);

	if (!owner_of_word(o, w, word_by(w, kind), w->time[kind & (KINDS - 1)], cookie))
		return false;
	if (bare || is_alone(w, plain_sock(sk, w), cookie, o->pid) || (stream && !carries(skb)))
		return true;
	if (w->turns > 1) {
		*flags = PW_PACKET_SHARED;
	} else if (sk->state != TCP_LISTEN && reader_open(plain_sock(sk, w), w, cookie, o->pid)) {
		*flags = PW_PACKET_SHARED | PW_PACKET_OPEN;
		w->open = 1;
	}
	return true;
}

/*
 * Sets the owner of a segment with data to its writer. o is the last sender, or the current thread (here). flags are
 * set if that is one of two.
 */
static __always_inline bool writer_of(struct bpf_sock *sk, struct owned *w, u64 cookie, struct segment *g, bool here, struct pw_owner *o, u8 *flags)
{
	u64 sender = w->by[BY_SENDER];
	u32 end = g->seq + g->len, pid = *flags ? pid_of(sender) : o->pid;

	if (wrote(w, plain_sock(sk, w), cookie, pid, g->seq, end, here && !*flags)) {
		if (!*flags)
			return true;
		/* Bytes of the last sender leave in a call of another process. */
		*flags = 0;
		return owner_of_word(o, w, sender, w->time[BY_SENDER], cookie);
	}
	if (wrote_before(w, cookie, g->seq, end)) {
		*flags = 0;
		return owner_of_word(o, w, w->was, w->was_time, cookie);
	}
	*flags = PW_PACKET_SHARED;
	if (cfg_ends) {
		*flags |= PW_PACKET_OPEN;
		w->unsettled = 1;
	}
	return true;
}

/* Finds the owner of a packet that leaves. */
static __always_inline bool sender_of(struct __sk_buff *skb, struct bpf_sock *sk, struct owned *w, u64 cookie, struct pw_owner *o, u8 *flags)
{
	bool stream = sk->protocol == IPPROTO_TCP, bare, here = false;
	struct segment g;
	u32 kind;

	bare = stream && !data_of(skb, &g);
	if (sent_by_current(sk, w) && sent_by_task(sk, w, cookie, bare, stream, o, flags)) {
		here = o->pid == current_tgid() && ours(o->pid);
		if (!cfg_ends && stream && !bare && here)
			takes_over(w, plain_sock(sk, w), cookie, o->pid);
	} else {
		if (stream && !bare && is_own(w->by[BY_SENDER], cookie))
			kind = BY_SENDER; /* the data was written earlier, perhaps before another process read */
		else
			kind = w->shared && bare ? last_kind(w) : kind_of(w, cookie, BY_SENDER);
		if (!owner_of_word(o, w, word_by(w, kind), w->time[kind & (KINDS - 1)], cookie))
			return false;
	}
	return !stream || bare || writer_of(sk, w, cookie, &g, here, o, flags);
}

/* Finds the owner of a packet, and how certain it is (enum pw_packet_flags). Returns false if it is unknown. */
static __always_inline bool packet_owner(struct __sk_buff *skb, struct bpf_sock *sk, struct owned *w, u8 dir, struct pw_owner *o, u8 *flags)
{
	u64 cookie = bpf_get_socket_cookie(skb);

	return dir == PW_PACKET_OUT ? sender_of(skb, sk, w, cookie, o, flags) : reader_of(skb, sk, w, cookie, o, flags);
}

#define TCP_RST 4

/* A packet has arrived at its socket. For TCP connections kernel.bpf.c has better events, but none for a packet that is dropped for lack of room. */
static __always_inline void arrived(struct __sk_buff *skb, struct bpf_sock *sk, struct owned *w, struct pw_owner *o, u8 how)
{
	struct origin s = {};
	u8 addr[2][16] = {};
	struct flow_key k;
	struct sock *listener;
	u32 waiting, backlog;
	u8 flags;

	if (sk->protocol == IPPROTO_TCP && sk->state != TCP_LISTEN)
		return;
	s.w = w;
	s.cookie = bpf_get_socket_cookie(skb);
	s.netns = w->netns;
	s.context = context();
	owner_is(&s, o);
	s.flags = (how & PW_PACKET_SHARED ? PW_KERNEL_SHARED : 0) | (how & PW_PACKET_OPEN ? PW_KERNEL_OPEN : 0);
	if (sk->protocol != IPPROTO_TCP) {
		if (!cfg_drops)
			emit_event(&s, PW_EVENT_SKB_RECEIVE, skb->len, sk->protocol, 0, 0, 0, 0);
		return;
	}
	/* The same condition as sk_acceptq_is_full, which the kernel checks next (include/net/sock.h). */
	listener = plain_sock(sk, w);
	waiting = READ(listener, sk_ack_backlog);
	backlog = READ(listener, sk_max_ack_backlog);
	if (waiting <= backlog || !key_of_packet(&k, skb, w->netns, PW_PACKET_IN))
		return;
	if (bpf_skb_load_bytes(skb, (k.v6 ? 40 : header_len(skb)) + 13, &flags, 1) || flags & TCP_RST)
		return;
	__builtin_memcpy(addr[0], k.raddr, 16);
	emit_with(&s, PW_EVENT_ACCEPT_FULL, addr, 1, waiting, backlog, flags, k.rport, k.v6 ? AF_INET6 : AF_INET, 0);
}

/* A listener that has no owner, whose storage plain_sock could use. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} other_listener SEC(".maps");

/*
 * A packet has arrived at somebody else's listener: if that has no room, and the client is one of ours, which is then on
 * this host, the client learns why nothing answers.
 */
static __noinline void turned_away(struct __sk_buff *skb, struct bpf_sock *sk)
{
	u32 zero = 0;
	volatile u64 *at = bpf_map_lookup_elem(&other_listener, &zero);
	struct sock *listener;
	struct task_struct *task;
	struct event_addrs *r;
	struct flow_key k;
	struct flow *f;
	u32 waiting, backlog;

	if (!at || !maybe_flow(0))
		return;
	*at = (u64)sk;
	listener = (void *)*at;
	if (!key_of_packet(&k, skb, READ(listener, __sk_common.skc_net.net, ns.inum), PW_PACKET_OUT))
		return;
	waiting = READ(listener, sk_ack_backlog);
	backlog = READ(listener, sk_max_ack_backlog);
	if (waiting <= backlog || !maybe_flow(k.lport))
		return;
	f = bpf_map_lookup_elem(&flows, &k);
	if (!f)
		return;
	/* In place: packet() leaves little room on the stack. */
	r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
	if (!r) {
		count_lost_event(f->o.pid, PW_LOST_RING);
		return;
	}
	__builtin_memset(r, 0, sizeof(*r));
	if (!flow_of_ours(&r->k.owner, f))
		goto no;
	if (bpf_skb_load_bytes(skb, (k.v6 ? 40 : header_len(skb)) + 13, &r->k.args[2], 1) || r->k.args[2] & TCP_RST)
		goto no;
	task = (void *)bpf_get_current_task();
	r->k.h.len = sizeof(r->k) + 16;
	r->k.h.kind = PW_KIND_KERNEL;
	r->k.h.layer = PW_LAYER_KRN;
	r->k.h.time = bpf_ktime_get_ns();
	r->k.cookie = f->cookie;
	r->k.netns = k.netns;
	r->k.on_tid = READ(task, pid);
	((u64 *)r->k.on_comm)[0] = WORD(&task->comm);
	((u64 *)r->k.on_comm)[1] = WORD2(&task->comm);
	r->k.event = PW_EVENT_ACCEPT_FULL;
	r->k.cpu = bpf_get_smp_processor_id();
	r->k.context = context();
	r->k.flags = PW_KERNEL_FOUND;
	r->k.naddr = 1;
	__builtin_memcpy(r->addr[0], k.raddr, 16);
	r->k.args[0] = waiting;
	r->k.args[1] = backlog;
	r->k.args[3] = k.rport;
	r->k.args[4] = k.v6 ? AF_INET6 : AF_INET;
	r->k.args[5] = 1;
	bpf_ringbuf_submit(r, ring_flags());
	return;
no:
	bpf_ringbuf_discard(r, BPF_RB_NO_WAKEUP);
}

static __always_inline int packet(struct __sk_buff *skb, u8 dir)
{
	struct bpf_sock *sk = skb->sk;
	struct pw_owner o;
	struct owned *w;
	u32 cap = skb->len;
	u8 flags = 0;
	enum whose whose;
	bool done;

	if (!sk)
		return 1;
	/* Only sockets of watched processes have an entry: all others return here, after one lookup. */
	w = bpf_sk_storage_get(&owners, sk, 0, 0);
	if (!w && !cfg_old && sk->state != TCP_LISTEN)
		return 1;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return 1;
	if (!w)
		w = adopt(skb, sk);
	if (!w) {
		if (cfg_events && dir == PW_PACKET_IN && sk->state == TCP_LISTEN && sk->protocol == IPPROTO_TCP)
			turned_away(skb, sk);
		return 1;
	}
	if (!cfg_storage && sk->protocol == IPPROTO_TCP && sk->state == TCP_ESTABLISHED && w->about != bpf_get_socket_cookie(skb))
		stream_begins(w, plain_sock(sk, w), bpf_get_socket_cookie(skb));
	if (!packet_owner(skb, sk, w, dir, &o, &flags)) {
		count_lost_packet(0, PW_LOST_TARGETS);
		return 1;
	}
	/* A reset of a socket that is being closed: a new entry would never be deleted. */
	if (sk->protocol != IPPROTO_TCP || sk->state != TCP_CLOSE)
		mirror((u64)sk, w, bpf_get_socket_cookie(skb));
	whose = owned_by_ours(&o);
	if (!whose) {
		if (cfg_events && dir == PW_PACKET_IN && sk->state == TCP_LISTEN && sk->protocol == IPPROTO_TCP)
			turned_away(skb, sk);
		return 1;
	}
	if (dir == PW_PACKET_IN && whose == WAS_OURS && left_behind(plain_sock(sk, w)) && (sk->protocol != IPPROTO_TCP || carries(skb))) {
		flags = PW_PACKET_SHARED | PW_PACKET_OPEN;
		w->open = 1;
	}
	learn_flow(skb, sk, w, &o, dir);
	if (cfg_events && dir == PW_PACKET_IN)
		arrived(skb, sk, w, &o, flags);
	if (!cfg_packets)
		return 1;
	if (cfg_filter && !pcap_filter(skb))
		return 1;
	if (cap > cfg_snaplen)
		cap = cfg_snaplen;
	if (cap <= 64)
		done = emit_packet(skb, &o, dir, flags, w->netns, cap, 64);
	else if (cap <= 128)
		done = emit_packet(skb, &o, dir, flags, w->netns, cap, 128);
	else if (cap <= 256)
		done = emit_packet(skb, &o, dir, flags, w->netns, cap, 256);
	else if (cap <= 512)
		done = emit_packet(skb, &o, dir, flags, w->netns, cap, 512);
	else if (cap <= 1536)
		done = emit_packet(skb, &o, dir, flags, w->netns, cap, 1536);
	else if (cap <= 3072)
		done = emit_packet(skb, &o, dir, flags, w->netns, cap, 3072);
	else if (cap <= 9216)
		done = emit_packet(skb, &o, dir, flags, w->netns, cap, 9216);
	else
		done = emit_packet(skb, &o, dir, flags, w->netns, cap, SNAPLEN_MAX + 1);
	if (!done)
		count_lost_packet(o.pid, PW_LOST_RING);
	return 1;
}

SEC("cgroup_skb/ingress")
int packet_in(struct __sk_buff *skb)
{
	return packet(skb, PW_PACKET_IN);
}

SEC("cgroup_skb/egress")
int packet_out(struct __sk_buff *skb)
{
	return packet(skb, PW_PACKET_OUT);
}
