/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* Records of kernel events: finds the process that an event belongs to, and emits the record. */
#ifndef PIDWIRE_KERNEL_H
#define PIDWIRE_KERNEL_H

#include "events.h"
#include "use.h"

const volatile u8 cfg_drops = 0; /* only drops are recorded */

const volatile u8 cfg_kstack = 0; /* events have a kernel stack */
const volatile u8 cfg_ustack = 0; /* events have a user stack */

#define FRAMES 64

/* The origin of an event: the process that it belongs to, and the context that it happens in. */
struct origin {
	struct pw_owner *o;
	struct owned *w; /* owners of the socket; 0: none */
	u64 cookie;
	u32 netns;
	u8 context;
	bool own; /* o is the thread that does the work */
	u8 flags; /* enum pw_kernel_flags */
	void *ctx; /* context of the program, to get stacks; 0: it has none */
	struct pw_owner now; /* storage that o usually points to */
};

/* These read the ids from the task: not all programs can call the helper for them. */
static __always_inline u32 current_tid(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	return READ(task, pid);
}

static __always_inline u32 current_tgid(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	return READ(task, tgid);
}

/* Reports that the current thread is watched, and is not interrupted by a softirq. */
static __always_inline bool our_call(struct origin *s)
{
	if (!ours(bpf_get_current_pid_tgid() >> 32))
		return false;
	s->context = context();
	return s->context == PW_CONTEXT_TASK;
}

static __always_inline void current_is_owner(struct origin *s)
{
	u64 word = fill_owner(&s->now, (void *)bpf_get_current_task(), s->cookie, PW_OWNER_USED);

	s->own = true;
	s->flags = 0;
	s->o = &s->now;
	if (s->w && !((last_word(s->w) ^ word) & KEY_MASK) && is_own(last_word(s->w), s->cookie)) {
		s->now.how = how_of(last_word(s->w));
		s->now.time = s->w->time[last_kind(s->w)];
	}
}

static __always_inline void owner_is(struct origin *s, struct pw_owner *o)
{
	s->o = o;
	s->flags = 0;
	s->own = s->context == PW_CONTEXT_TASK && o->tid == current_tid();
}

/* What an event implies about the current thread, outside of a softirq. */
enum caller {
	ANYBODY, /* nothing: it can be working on another process's queue */
	NOBODY, /* nothing, unless the socket is locked: the operation needs the lock */
	CALLER, /* it is in a call on this socket */
	LOCKER, /* it is in a call on this socket, but may be working for another user of it */
};

/*
 * Returns enum pw_kernel_flags: whether the process that sends or receives (side; KINDS: either) on a socket can be
 * another one than pid, the last one seen.
 */
static __always_inline u8 doubt(struct owned *w, struct sock *sk, u64 cookie, u32 side, u32 pid)
{
	struct tcp_sock *t = (void *)sk;

	switch (side) {
	case BY_SENDER:
		/* What has been sent and is not acknowledged: events of this side are about these bytes. */
		if (READ(sk, sk_protocol) == IPPROTO_TCP && state_of(sk) != TCP_LISTEN)
			return wrote(w, sk, cookie, pid, READ(t, snd_una), READ(t, snd_nxt), false) ? 0 : PW_KERNEL_SHARED;
		return is_alone(w, sk, cookie, pid) || !references(sk) ? 0 : PW_KERNEL_SHARED;
	case BY_RECEIVER:
		if (state_of(sk) != TCP_LISTEN && reader_open(sk, w, cookie, pid))
			return PW_KERNEL_SHARED | PW_KERNEL_OPEN;
		break;
	}
	if (is_alone(w, sk, cookie, pid))
		return 0;
	return w->turns > 1 || (side == KINDS && (w->shared || w->mixed)) ? PW_KERNEL_SHARED : 0;
}

static __always_inline enum whose by_kind(struct origin *s, u32 kind)
{
	if (!owner_of_word(&s->now, s->w, word_by(s->w, kind), s->w->time[kind & (KINDS - 1)], s->cookie))
		return NOT_OURS;
	return owned_by_ours(&s->now);
}

/* Finds the owner of a socket for an event outside of any call, by the direction of the data. */
static __always_inline bool by_side(struct origin *s, struct sock *sk, u32 side)
{
	u32 kind = last_kind(s->w);
	enum whose whose;
	u8 others;

	if (side == BY_SENDER ? is_own(s->w->by[BY_SENDER], s->cookie) : side == BY_RECEIVER)
		kind = side == BY_SENDER ? BY_SENDER : kind_of(s->w, s->cookie, BY_RECEIVER);
	whose = by_kind(s, kind);
	others = doubt(s->w, sk, s->cookie, side, s->now.pid);
	if (!whose && side == KINDS && others) {
		/* If only one of two owners is watched, take that one: otherwise the event would not be recorded. */
		kind = kind == BY_SENDER ? BY_RECEIVER : BY_SENDER;
		if (is_own(s->w->by[kind], s->cookie))
			whose = by_kind(s, kind);
	}
	if (!whose)
		return false;
	if (side != BY_SENDER && whose == WAS_OURS && left_behind(sk))
		others = side == BY_RECEIVER ? PW_KERNEL_SHARED | PW_KERNEL_OPEN : PW_KERNEL_SHARED;
	owner_is(s, &s->now);
	s->flags = others;
	return true;
}

/*
 * Finds the origin of an event on a socket. side is the direction of the data, KINDS for either. What a thread does
 * outside of a softirq belongs to that thread.
 */
static __always_inline bool origin_of(struct origin *s, struct sock *sk, enum caller caller, u32 side)
{
	bool here;

	s->w = owned_of(sk, false);
	if (!s->w && caller <= NOBODY)
		return false; /* the common case: no watched process uses the socket */
	s->context = context();
	here = s->context == PW_CONTEXT_TASK;
	/* While a thread holds the lock of a stream socket, nobody else works on the socket. */
	if (here && caller == NOBODY && is_stream(READ(sk, sk_protocol)) && READ(sk, sk_lock.owned))
		caller = LOCKER;
	here = here && caller > NOBODY;
	s->cookie = READ(sk, __sk_common.skc_cookie.counter); /* assigned when the socket was created */
	s->netns = s->w ? s->w->netns : 0;
	if (here && current_is_ours()) {
		current_is_owner(s);
		return true;
	}
	if (!s->w || (here && caller == CALLER) || !by_side(s, sk, side))
		return false;
	if (here && side == BY_SENDER)
		s->flags = PW_KERNEL_SHARED; /* another process may have written it */
	return true;
}

/* Finds the current call and its socket, for events that do not name a socket. */
static __always_inline bool origin_of_call(struct origin *s)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct pw_thread *t;

	if (!our_call(s))
		return false;
	t = bpf_map_lookup_elem(&threads, &tid);
	if (!t || !t->enter)
		return false;
	s->w = 0;
	s->cookie = t->nsock ? t->sock[0].cookie : 0;
	s->netns = t->nsock ? t->sock[0].netns : 0;
	current_is_owner(s);
	return true;
}

static __always_inline void fill_event(struct pw_kernel *r, struct origin *s, u16 event)
{
	struct task_struct *task;

	r->h.kind = PW_KIND_KERNEL;
	r->h.layer = PW_LAYER_KRN;
	r->h.time = bpf_ktime_get_ns();
	r->cookie = s->cookie;
	r->owner = *s->o;
	r->netns = s->netns;
	r->on_tid = 0;
	if (!s->own) {
		task = (void *)bpf_get_current_task();
		r->on_tid = READ(task, pid);
		((u64 *)r->on_comm)[0] = WORD(&task->comm);
		((u64 *)r->on_comm)[1] = WORD2(&task->comm);
	} else {
		((u64 *)r->on_comm)[0] = 0;
		((u64 *)r->on_comm)[1] = 0;
	}
	r->event = event;
	r->cpu = bpf_get_smp_processor_id();
	r->context = s->context;
	r->nsock = 0;
	r->naddr = 0;
	r->nkstack = 0;
	*(u64 *)&r->nustack = 0; /* also clears the padding after it */
	r->flags = s->flags;
}

/* Sizes of an event with addresses, and of one with stacks; user space removes the unused part. */
struct event_addrs {
	struct pw_kernel k;
	u8 addr[2][16];
};

struct event_stacks {
	struct pw_kernel k;
	u8 addr[2][16];
	u64 kernel[FRAMES];
	u64 user[FRAMES];
};

/* Reserves the record of an event. */
static __always_inline bool with_stacks(struct origin *s)
{
	return (cfg_kstack || cfg_ustack) && s->ctx;
}

static __always_inline void emit_stacks(struct origin *s, u16 event, u8 (*addr)[16], u8 naddr, u64 args[6])
{
	struct event_stacks *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
	long n;

	if (!r) {
		count_lost_event(s->o->pid, PW_LOST_RING);
		return;
	}
	fill_event(&r->k, s, event);
	r->k.h.len = sizeof(*r);
	r->k.naddr = naddr;
	__builtin_memcpy(r->addr, addr, 32);
	__builtin_memcpy(r->k.args, args, sizeof(r->k.args));
	if (cfg_kstack) {
		n = bpf_get_stack(s->ctx, r->kernel, sizeof(r->kernel), 0);
		if (n > 0)
			r->k.nkstack = n / 8;
	}
	if (cfg_ustack && s->own) {
		n = bpf_get_stack(s->ctx, r->user, sizeof(r->user), BPF_F_USER_STACK);
		if (n > 0)
			r->k.nustack = n / 8;
	}
	bpf_ringbuf_submit(r, ring_flags());
}

/* Emits an event with naddr addresses; addr has room for two. */
static __always_inline void emit_with(struct origin *s, u16 event, u8 (*addr)[16], u8 naddr, u64 a0, u64 a1, u64 a2, u64 a3,
				      u64 a4, u64 a5)
{
	u64 args[6] = {a0, a1, a2, a3, a4, a5};
	struct event_addrs *r;

	if (with_stacks(s)) {
		emit_stacks(s, event, addr, naddr, args);
		return;
	}
	r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
	if (!r) {
		count_lost_event(s->o->pid, PW_LOST_RING);
		return;
	}
	fill_event(&r->k, s, event);
	r->k.h.len = sizeof(r->k) + naddr * 16;
	r->k.naddr = naddr;
	__builtin_memcpy(r->addr, addr, 32);
	__builtin_memcpy(r->k.args, args, sizeof(r->k.args));
	bpf_ringbuf_submit(r, ring_flags());
}

static __always_inline void emit_event(struct origin *s, u16 event, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct pw_kernel *r;
	u8 none[2][16] = {};

	if (with_stacks(s)) {
		emit_with(s, event, none, 0, a0, a1, a2, a3, a4, a5);
		return;
	}
	r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
	if (!r) {
		count_lost_event(s->o->pid, PW_LOST_RING);
		return;
	}
	fill_event(r, s, event);
	r->h.len = sizeof(*r);
	r->args[0] = a0;
	r->args[1] = a1;
	r->args[2] = a2;
	r->args[3] = a3;
	r->args[4] = a4;
	r->args[5] = a5;
	bpf_ringbuf_submit(r, ring_flags());
}

/* Emits the addresses of a socket, once, before its first event. */
static __always_inline void announce_sock(struct origin *s, struct sock *sk)
{
	struct {
		struct pw_kernel k;
		struct pw_sock sock;
	} *r;

	if (!s->w || s->w->announced)
		return;
	r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
	if (!r)
		return; /* the next event tries again */
	s->w->announced = 1;
	fill_event(&r->k, s, 0);
	r->k.h.len = sizeof(*r);
	r->k.nsock = 1;
	__builtin_memset(r->k.args, 0, sizeof(r->k.args));
	fill_sock(&r->sock, sk, inode_of(sk), -1, 0);
	bpf_ringbuf_submit(r, ring_flags());
}

/* The addresses of a packet without a socket, from the view of one of its ends. */
struct ends {
	struct flow_key k;
	u8 flags; /* TCP flags */
};

/* Reads the addresses at head + network_header, where at least 20 bytes are readable. */
static __always_inline bool ends_of(struct ends *e, struct sk_buff *skb, bool local_first)
{
	unsigned char *at = READ(skb, head) + READ(skb, network_header);
	u16 protocol = READ(skb, protocol);
	u8 h[40], t[16] = {};
	u16 sport, dport;
	u32 next;

	__builtin_memset(e, 0, sizeof(*e));
	if (protocol != bswap16(ETH_P_IP) && protocol != bswap16(ETH_P_IPV6))
		return false; /* another family, or the header is not set yet */
	if (READ(skb, network_header) == (u16)~0 || bpf_probe_read_kernel(h, sizeof(h), at))
		return false;
	next = key_of_ip(&e->k, h, local_first);
	if (!next)
		return false;
	e->k.netns = READ(skb, dev, nd_net.net, ns.inum);
	if (e->k.proto != IPPROTO_TCP && e->k.proto != IPPROTO_UDP)
		return true;
	if (bpf_probe_read_kernel(t, sizeof(t), at + next))
		return false;
	sport = t[0] << 8 | t[1];
	dport = t[2] << 8 | t[3];
	e->k.lport = local_first ? sport : dport;
	e->k.rport = local_first ? dport : sport;
	if (e->k.proto == IPPROTO_TCP)
		e->flags = t[13];
	return true;
}

static __always_inline void swap_ends(struct ends *e)
{
	u16 port = e->k.lport;
	u8 addr[16];

	__builtin_memcpy(addr, e->k.laddr, 16);
	__builtin_memcpy(e->k.laddr, e->k.raddr, 16);
	__builtin_memcpy(e->k.raddr, addr, 16);
	e->k.lport = e->k.rport;
	e->k.rport = port;
}

/* Finds the owner of a packet's flow. */
static __always_inline bool origin_of_ends(struct origin *s, struct ends *e)
{
	struct flow *f;

	if (!maybe_flow(e->k.lport))
		return false;
	f = bpf_map_lookup_elem(&flows, &e->k);
	if (!f || !flow_of_ours(&s->now, f))
		return false;
	s->w = 0;
	s->cookie = f->cookie;
	s->netns = e->k.netns;
	s->context = context();
	owner_is(s, &s->now);
	s->flags = PW_KERNEL_FOUND;
	return true;
}

/*
 * Finds the origin of an event on a packet without a socket, by its flow: first the
 * one of the receiving end, then the one of the sending end.
 */
static __always_inline bool origin_of_packet(struct origin *s, struct ends *e, struct sk_buff *skb)
{
	if (!maybe_flow(0) || !ends_of(e, skb, false))
		return false;
	if (origin_of_ends(s, e))
		return true;
	swap_ends(e);
	return origin_of_ends(s, e);
}

#endif
