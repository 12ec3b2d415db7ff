/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* Whose a socket is, and whose a packet is that no socket has any more. */
#ifndef PIDWIRE_OWNER_H
#define PIDWIRE_OWNER_H

#include "sock.h"

#define IPPROTO_ICMP 1
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define IPPROTO_ICMPV6 58

#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd
#define SOCK_DONE 1 /* enum sock_flags, net/sock.h */

#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT 2
#define TCP_SYN_RECV 3
#define TCP_CLOSE 7
#define TCP_LISTEN 10

/* bytes of a packet, at most SNAPLEN_MAX */
const volatile u32 cfg_snaplen = 256;

#define SNAPLEN_MAX 65535

/* The last evidence of each kind. */
enum kind {
	BY_MAKER, /* or who held it at attach */
	BY_ACCEPTER,
	BY_SENDER,
	BY_RECEIVER,
	KINDS,
};

struct owned {
	struct pw_owner by[KINDS];
	u64 sk;    /* address of the socket, as its last packet had it */
	u64 peer;  /* of UDP: a hash of the last one, which is in flows */
	u32 netns; /* of the socket: programs at its packets may not read it there */
	u8 last;   /* enum kind: the latest of all */
	u8 shared; /* one sends and another receives, in turn */
	u8 told;   /* a record says which socket it is */
	u8 ca;     /* TCP's congestion state, as last told */
};

/* A socket that is made from another one, as by accept, begins with a copy. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct owned);
} owners SEC(".maps");

/*
 * The same by the socket's address, where tracing programs have no socket
 * storage (before 5.12): those at the sockets keep it, and take out what is
 * closed.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, u64);
	__type(value, struct owned);
} owned_socks SEC(".maps");

const volatile u8 cfg_storage = 1;	/* tracing programs have socket storage, and cookies */
static const struct owned owned_none = {}; /* for there to be one */

/* For tracing programs: whose a socket is. */
static __always_inline struct owned *owned_of(struct sock *sk, bool create)
{
	u64 at = (u64)sk;
	struct owned *w;

	if (cfg_storage) {
		/* Sockets of others have none: they leave here. */
		if (!create && !READ(sk, sk_bpf_storage))
			return 0;
		return bpf_sk_storage_get(&owners, sk, 0, create ? BPF_SK_STORAGE_GET_F_CREATE : 0);
	}
	w = bpf_map_lookup_elem(&owned_socks, &at);
	if (w || !create)
		return w;
	bpf_map_update_elem(&owned_socks, &at, &owned_none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&owned_socks, &at);
}

/* For tracing programs: the cookie, which is made where that can be done. */
static __always_inline u64 cookie_of(struct sock *sk)
{
	return cfg_storage ? bpf_get_socket_cookie(sk) : READ(sk, __sk_common.skc_cookie.counter);
}

struct old_sock {
	struct pw_owner o;
	u32 netns;
	u32 pad;
};

/*
 * Sockets that were there at attach, by address, where a program cannot reach
 * them to give them an owner: listeners inside of MPTCP ones; before 5.12 all.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, u64);
	__type(value, struct old_sock);
} old_socks SEC(".maps");

const volatile u8 cfg_old = 0; /* not only listeners are there */

/* Counts of packets, by enum pw_lost_reason. */
COUNTS(lost_packets);

static __always_inline void count_lost_packet(u32 tgid, u32 reason)
{
	count_of(&lost_packets, PW_LAYER_PKT, reason, tgid);
}

static __always_inline bool ours(u32 tgid)
{
	u32 mode;

	if (!may_be_ours(tgid))
		return false;
	mode = mode_of(tgid);
	return mode && mode != PW_TARGET_NEVER;
}

/* A socket whose owner is a watched process, or was one until it ended. */
static __always_inline bool owned_by_ours(struct pw_owner *o)
{
	u32 pid = o->pid;
	u64 *start;

	if (ours(pid))
		return true;
	if (!may_be_ours(pid))
		return false;
	start = bpf_map_lookup_elem(&gone, &pid);
	return start && *start == o->start;
}

static __always_inline void fill_owner(struct pw_owner *o, struct task_struct *task, u64 cookie, u32 how)
{
	o->cookie = cookie;
	o->how = how;
	o->time = bpf_ktime_get_ns();
	/* Most evidence is of the thread that was there before. */
	if (o->tid == (u32)READ(task, pid) && o->start)
		return;
	o->start = READ(task, group_leader, start_boottime);
	o->pid = READ(task, tgid);
	o->tid = READ(task, pid);
	o->nspid = ns_pid(READ(task, group_leader));
	o->nstid = ns_pid(task);
	o->uid = READ(task, cred, euid.val);
	((u64 *)o->comm)[0] = WORD(&task->comm);
	((u64 *)o->comm)[1] = WORD2(&task->comm);
}

static __always_inline struct pw_owner *last_of(struct owned *w)
{
	return &w->by[w->last & (KINDS - 1)];
}

static __always_inline void give(struct owned *w, enum kind kind, struct task_struct *task, u64 cookie, u32 how)
{
	fill_owner(&w->by[kind], task, cookie, how | (last_of(w)->how & PW_OWNER_OLD));
	w->last = kind;
}

/*
 * Whose a packet is. Whoever used the socket last has it all, until another
 * one is seen to have kept his side of it.
 */
static __always_inline struct pw_owner *owner_of(struct owned *w, u64 cookie, enum kind side)
{
	struct pw_owner *o = &w->by[side];

	return w->shared && o->how && o->cookie == cookie ? o : last_of(w);
}

/* Attributes begin at a multiple of 4, and what is in these at one of 8: an empty one stands first. */
#define ATTR8(r, tag_, what)                       \
	do {                                       \
		(r)->before = (struct pw_attr){};  \
		(r)->attr.tag = tag_;              \
		(r)->attr.len = sizeof((r)->what); \
	} while (0)

/* since: when somebody received from the socket before. */
static __always_inline void emit_handover(struct pw_owner *o, u64 cookie, u64 listener, u64 since)
{
	struct {
		struct pw_handover h;
		struct pw_attr before, attr;
		u64 since;
	} *r;

	r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
	if (!r) {
		count_lost_packet(o->pid, PW_LOST_RING);
		return;
	}
	r->h.h.len = sizeof(*r);
	r->h.h.kind = PW_KIND_HANDOVER;
	r->h.h.layer = PW_LAYER_PKT;
	r->h.h.time = bpf_ktime_get_ns();
	r->h.cookie = cookie;
	r->h.listener = listener;
	r->h.owner = *o;
	ATTR8(r, PW_TAG_SINCE, since);
	r->since = since;
	bpf_ringbuf_submit(r, ring_flags());
}

static __always_inline u32 netns_of(struct sock *sk)
{
	return READ(sk, __sk_common.skc_net.net, ns.inum);
}

static __always_inline void used_by(struct owned *w, struct task_struct *task, u64 cookie, enum kind side, u32 how)
{
	struct pw_owner *before = owner_of(w, cookie, side);
	u64 since = w->by[BY_RECEIVER].cookie == cookie ? w->by[BY_RECEIVER].time : 0;
	u64 from = before->cookie;
	u32 tgid = READ(task, tgid);
	u32 pid = before->pid;

	if (pid == tgid && !ours(tgid))
		return; /* an owner that is watched no more */
	if (last_of(w)->pid != tgid && w->by[side].pid == tgid && w->by[side].cookie == cookie)
		w->shared = 1;
	give(w, side, task, cookie, how);
	if (pid != tgid || from != cookie)
		emit_handover(&w->by[side], cookie, from != cookie ? from : 0, since);
}

/* Whoever uses a socket owns what it carries from then on. */
static __always_inline void used(struct sock *sk, enum kind side, u32 how)
{
	u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct owned *w;

	w = owned_of(sk, ours(tgid));
	if (!w)
		return;
	if (!last_of(w)->how) {
		last_of(w)->how = PW_OWNER_OLD;
		w->netns = netns_of(sk);
	}
	used_by(w, (void *)bpf_get_current_task(), cookie_of(sk), side, how);
}

/* Not 0 while a CPU does the work of a softirq, on the time of whoever ran. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
} softirqs SEC(".maps");

const volatile u8 cfg_softirqs = 0; /* they are kept */

static __always_inline u8 context(void)
{
	u32 zero = 0, *in;

	if (!cfg_softirqs)
		return PW_CONTEXT_UNKNOWN;
	in = bpf_map_lookup_elem(&softirqs, &zero);
	return in && *in ? PW_CONTEXT_SOFTIRQ : PW_CONTEXT_TASK;
}

/* A flow by its addresses, IPv4 ones in the first four bytes; ports in host order. */
struct flow_key {
	u8 laddr[16];
	u8 raddr[16];
	u32 netns;
	u16 lport;
	u16 rport;
	u8 proto;
	u8 v6;
	u16 pad;
};

struct flow {
	u64 cookie;
	u64 closed; /* CLOCK_MONOTONIC ns, 0: its socket is there and has its packets */
	struct pw_owner o;
};

/* Flows of the watched processes, to know what the device alone sees: replies of a TIME_WAIT, ICMP errors. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct flow_key);
	__type(value, struct flow);
} flows SEC(".maps");

/* By local port (ICMP: by 0): not 0 if a flow may have it. Other processes' packets are let go here. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 65536);
	__type(key, u32);
	__type(value, u8);
} flow_ports SEC(".maps");

static __always_inline bool maybe_flow(u16 lport)
{
	u32 slot = lport;
	u8 *m = bpf_map_lookup_elem(&flow_ports, &slot);

	return m && *m;
}

static __always_inline void set_flow(struct flow_key *k, struct flow *f)
{
	u32 slot = k->lport;
	u32 any = 0;
	u8 one = 1;

	bpf_map_update_elem(&flows, k, f, BPF_ANY);
	bpf_map_update_elem(&flow_ports, &slot, &one, BPF_ANY);
	bpf_map_update_elem(&flow_ports, &any, &one, BPF_ANY);
}

#endif
