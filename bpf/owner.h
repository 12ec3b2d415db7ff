/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* Whose a socket is, and whose a packet is that no socket has any more. */
#ifndef PIDWIRE_OWNER_H
#define PIDWIRE_OWNER_H

#include "regs.h"
#include "sock.h"

#define IPPROTO_ICMP 1
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define IPPROTO_DCCP 33
#define IPPROTO_ICMPV6 58
#define IPPROTO_SCTP 132

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

/*
 * Several CPUs use a socket at once, and each writes down who it was. So an owner
 * is one word, which is read and written whole: which thread (the key of its entry
 * in `people`), how it is known, and of which socket.
 */
#define TID_BITS 22 /* PID_MAX_LIMIT, include/linux/threads.h */
#define KEY_BITS 40 /* the thread's id and a hash of its name, user and start */
#define TID_MASK ((1ULL << TID_BITS) - 1)
#define HOW_AT 40
#define OLD_AT 43
#define COOKIE_AT 44 /* the low bits of the socket's cookie: a copy for another socket shows */

#define KEY_MASK ((1ULL << KEY_BITS) - 1)
#define HOW_MASK 7

struct owned {
	u64 by[KINDS];	 /* words, 0: no evidence */
	u64 time[KINDS]; /* of the evidence, CLOCK_MONOTONIC ns */
	u64 from;  /* cookie of the socket that this was made for; an accepted one has its listener's */
	struct pw_owner maker; /* whom the first word named, sealed: `people` may forget */
	u64 sk;    /* address of the socket, as its last packet had it */
	u64 peer;  /* of UDP: a hash of the last one, which is in flows */
	u32 netns; /* of the socket: programs at its packets may not read it there */
	u8 last;   /* enum kind: the latest of all */
	u8 shared; /* one sends and another receives, in turn */
	u8 told;   /* a record says which socket it is */
	u8 ca;     /* TCP's congestion state, as last told */
	u8 turns[KINDS]; /* how often another process came to be the one, 255: or more */
	u8 mixed;  /* what is sent may be of the sender before this one still */
	u8 open;   /* packets have been told of as nobody's for certain: who reads next is told of */
	u8 pad[2];
	u32 refs;  /* descriptors and calls that had its file when it was read from */
	u32 pad2;
	u64 quiet; /* when that one was seen last, CLOCK_MONOTONIC ns */
	u64 self;  /* in owned_socks: cookie of the socket, 0: it had none yet */
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

/*
 * Who a word names. An entry is never changed. Its cookie is a seal: where memory
 * that was another entry's is read while it is filled, the seal does not fit.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, u64);
	__type(value, struct pw_owner);
} people SEC(".maps");

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
	if (w) {
		u64 cookie = READ(sk, __sk_common.skc_cookie.counter);

		if (!w->self) {
			w->self = cookie;
		} else if (w->self != cookie) {
			/* Its memory was another socket's. */
			bpf_map_delete_elem(&owned_socks, &at);
			w = 0;
		}
	}
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

enum whose {
	NOT_OURS,
	OURS,
	WAS_OURS, /* until it ended */
};

/* Whether a process, by its pid and start, is watched, or was until it ended. */
static __always_inline enum whose whose_is(u32 pid, u64 since)
{
	u64 *start;

	if (ours(pid))
		return OURS;
	if (!may_be_ours(pid))
		return NOT_OURS;
	start = bpf_map_lookup_elem(&gone, &pid);
	return start && *start == since ? WAS_OURS : NOT_OURS;
}

static __always_inline enum whose owned_by_ours(struct pw_owner *o)
{
	return whose_is(o->pid, o->start);
}

/* Whether the thread that runs is of a watched process, be it at its end. */
static __always_inline bool current_is_ours(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	return whose_is(bpf_get_current_pid_tgid() >> 32, READ(task, group_leader, start_boottime));
}

/* What is sent on a socket of such a protocol may leave at any time, and is done with the socket locked. */
static __always_inline bool is_stream(u32 protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
	case IPPROTO_DCCP:
	case IPPROTO_SCTP:
		return true;
	}
	return false;
}

static __always_inline u64 mix(u64 sum, u64 word)
{
	sum = (sum ^ word) * 0x9e3779b97f4a7c15ULL;
	return sum ^ sum >> 29;
}

#define PAIR(p) (*(u64 *)&(p))

/* Over all that tells who it is. */
static __always_inline u64 seal_of(struct pw_owner *o)
{
	u64 sum = mix(0x70697764ULL, o->start);

	sum = mix(sum, PAIR(o->pid)); /* with tid */
	sum = mix(sum, PAIR(o->nspid)); /* with nstid */
	sum = mix(sum, o->uid);
	sum = mix(sum, ((u64 *)o->comm)[0]);
	return mix(sum, ((u64 *)o->comm)[1]);
}

static __always_inline u64 key_from(u64 start, u32 pid, u32 tid, u32 uid, u64 name, u64 name2)
{
	u64 sum = mix(mix(start, (u64)pid << 32 | uid), name ^ name2 << 1);

	return (sum >> TID_BITS << TID_BITS | (tid & TID_MASK)) & KEY_MASK;
}

/*
 * Puts down who a thread is and returns its key. o: who, whole; it leaves with its
 * seal for a cookie. Different ones with one key are as rare as they are few: the
 * second has the next key.
 */
static __always_inline u64 put_down(struct pw_owner *o, u64 key)
{
	struct pw_owner *p;

	o->time = 0;
	o->how = 0;
	o->cookie = seal_of(o);
#pragma unroll
	for (int i = 0; i < 3; i++) {
		p = bpf_map_lookup_elem(&people, &key);
		if (!p) {
			bpf_map_update_elem(&people, &key, o, BPF_NOEXIST);
			break;
		}
		if (p->cookie == o->cookie)
			break;
		key = (key + (1ULL << TID_BITS)) & KEY_MASK;
	}
	return key;
}

static __always_inline u64 word_of(u64 key, u64 cookie, u32 how)
{
	return key | (u64)(how & HOW_MASK) << HOW_AT | (how & PW_OWNER_OLD ? 1ULL << OLD_AT : 0) | cookie << COOKIE_AT;
}

/* Whether a word is evidence of this very socket, not of the one that it came from. */
static __always_inline bool is_own(u64 word, u64 cookie)
{
	return word && word >> COOKIE_AT == (cookie & ((1ULL << (64 - COOKIE_AT)) - 1));
}

static __always_inline u32 how_of(u64 word)
{
	return (word >> HOW_AT & HOW_MASK) | (word >> OLD_AT & 1 ? PW_OWNER_OLD : 0);
}

/*
 * Who a task is, as an owner by evidence of now; returns the word for that. Read
 * from the task itself: what others write down meanwhile does not matter.
 */
static __always_inline u64 fill_owner(struct pw_owner *o, struct task_struct *task, u64 cookie, u32 how)
{
	u64 start = READ(task, group_leader, start_boottime);
	u64 name = WORD(&task->comm), name2 = WORD2(&task->comm);
	u32 pid = READ(task, tgid), tid = READ(task, pid), uid = READ(task, cred, euid.val);
	u64 key = key_from(start, pid, tid, uid, name, name2);
	struct pw_owner *known = bpf_map_lookup_elem(&people, &key);

	o->start = start;
	o->pid = pid;
	o->tid = tid;
	o->uid = uid;
	((u64 *)o->comm)[0] = name;
	((u64 *)o->comm)[1] = name2;
	o->nspid = known ? known->nspid : 0;
	o->nstid = known ? known->nstid : 0;
	if (!known || seal_of(o) != known->cookie) {
		o->nspid = ns_pid(READ(task, group_leader));
		o->nstid = ns_pid(task);
		key = put_down(o, key);
	}
	o->cookie = cookie;
	o->how = how;
	o->time = bpf_ktime_get_ns();
	return word_of(key, cookie, how);
}

/* Who it is that somebody else has found out: o is whole. */
static __always_inline u64 know(struct pw_owner *o)
{
	u64 time = o->time, cookie = o->cookie;
	u32 how = o->how;
	u64 key = key_from(o->start, o->pid, o->tid, o->uid, ((u64 *)o->comm)[0], ((u64 *)o->comm)[1]);

	key = put_down(o, key);
	o->time = time;
	o->cookie = cookie;
	o->how = how;
	return word_of(key, cookie, how);
}

/*
 * The owner that a word of a socket names, with its cookie. One that was forgotten
 * is the one that the socket began with, or nobody.
 */
static __always_inline bool named(struct pw_owner *o, struct owned *w, u64 word, u64 time, u64 cookie)
{
	u64 key = word & KEY_MASK, from = is_own(word, cookie) ? cookie : w->from;
	struct pw_owner *p = bpf_map_lookup_elem(&people, &key);

	if (!word)
		return false;
	if (!p)
		p = &w->maker;
	*o = *p;
	if (o->cookie != seal_of(o)) {
		*o = w->maker;
		if (o->cookie != seal_of(o))
			return false;
		p = &w->maker;
	}
	if (p == &w->maker && (key ^ key_from(o->start, o->pid, o->tid, o->uid, ((u64 *)o->comm)[0], ((u64 *)o->comm)[1])) & TID_MASK)
		from = 0; /* it is the one that the socket began with, not the one that was meant */
	o->cookie = from;
	o->how = how_of(word);
	o->time = time;
	return true;
}

/* The process that a word names, 0 if it was forgotten. */
static __always_inline u32 pid_of(u64 word)
{
	u64 key = word & KEY_MASK;
	struct pw_owner *p = bpf_map_lookup_elem(&people, &key);

	return p ? p->pid : 0;
}

/* The same, where it is mostly o, whom word names. */
static __always_inline u32 pid_beside(u64 other, u64 word, struct pw_owner *o)
{
	return (other ^ word) & KEY_MASK ? pid_of(other) : o->pid;
}

static __always_inline u32 last_kind(struct owned *w)
{
	return w->last & (KINDS - 1);
}

/*
 * The evidence of a kind. Where another CPU has said just now that this is the last one, and what it is not yet, any
 * that there is.
 */
static __always_inline u64 word_by(struct owned *w, u32 kind)
{
	u64 word = w->by[kind & (KINDS - 1)];

#pragma unroll
	for (int i = 0; i < KINDS; i++)
		if (!word)
			word = w->by[i];
	return word;
}

static __always_inline u64 last_word(struct owned *w)
{
	return word_by(w, last_kind(w));
}

static __always_inline bool last_of(struct pw_owner *o, struct owned *w, u64 cookie)
{
	return named(o, w, last_word(w), w->time[last_kind(w)], cookie);
}

/* The first owner of all, who is kept whole. o is left as it was. */
static __always_inline void begin_with(struct owned *w, struct pw_owner *o, u64 cookie)
{
	w->maker = *o;
	w->maker.time = 0;
	w->maker.how = 0;
	w->maker.cookie = seal_of(o);
	w->from = cookie;
}

static __always_inline void give(struct owned *w, u32 kind, u64 word, u64 time)
{
	/* A softirq on this CPU, or another CPU, may look in the middle. */
	*(volatile u64 *)&w->by[kind] = word;
	w->time[kind] = time;
	*(volatile u8 *)&w->last = kind;
}

/* Makes a task the owner, whom o is filled with. */
static __always_inline void give_task(struct owned *w, struct pw_owner *o, u32 kind, struct task_struct *task, u64 cookie, u32 how)
{
	u64 word = fill_owner(o, task, cookie, how | (how_of(last_word(w)) & PW_OWNER_OLD));

	if (!last_word(w))
		begin_with(w, o, cookie);
	give(w, kind, word, o->time);
}

/*
 * Whose a packet is. Whoever used the socket last has it all, until another
 * one is seen to have kept his side of it.
 */
static __always_inline u32 kind_of(struct owned *w, u64 cookie, u32 side)
{
	return w->shared && is_own(w->by[side], cookie) ? side : last_kind(w);
}

/* How many descriptors and calls have the file of a socket. */
static __always_inline u32 references(struct sock *sk)
{
	struct socket *s = READ(sk, sk_socket);
	struct file *f = s ? READ(s, file) : 0;

	if (!f)
		return 0;
	if (bpf_core_field_exists(f->f_ref))
		return READ(f, f_ref.refcnt.counter) + 1;
	return READ(f, f_count.counter);
}

/* What comes in for a process that has ended: another one has its socket, if that has a file still. */
static __always_inline bool left_behind(struct sock *sk)
{
	return references(sk) && state_of(sk) != TCP_LISTEN;
}

/*
 * Whether it is open who reads what comes in: the process that used the socket last is not known to read from it while
 * another one has it or has used it; or somebody got it since that one was seen, or may have got it.
 */
static __always_inline bool reader_open(struct sock *sk, struct owned *w, u64 cookie)
{
	u64 last = last_word(w), reader = w->by[BY_RECEIVER], key = last & KEY_MASK, since, *got;
	u32 refs = references(sk), zero = 0;
	struct pw_owner *p;

	/* Without storage who read is not known at the packets. One that is not accepted yet has no references. */
	if (!cfg_storage || !is_own(last, cookie))
		return refs > 1;
	if (is_own(reader, cookie)) {
		if (!w->shared && ((reader ^ last) & KEY_MASK)) {
			p = bpf_map_lookup_elem(&people, &key);
			if (p && pid_of(reader) != p->pid)
				return true;
		}
		if (refs > w->refs)
			return true;
		since = w->time[BY_RECEIVER];
	} else {
		if (refs > 1)
			return true;
		since = w->time[last_kind(w)];
	}
	/* It may have but one holder left, and that be another. */
	got = bpf_map_lookup_elem(&spread, &zero);
	return got && *got > since;
}

/* Attributes begin at a multiple of 4, and what is in these at one of 8: an empty one stands first. */
#define ATTR8(r, tag_, what)                       \
	do {                                       \
		(r)->before = (struct pw_attr){};  \
		(r)->attr.tag = tag_;              \
		(r)->attr.len = sizeof((r)->what); \
	} while (0)

/*
 * since: when somebody received from the socket before. One that says no more than who reads may be missing:
 * what it would have settled stays shared, and no packet is lost with it.
 */
static __always_inline void emit_handover(struct pw_owner *o, u64 cookie, u64 listener, u64 since, bool other)
{
	struct {
		struct pw_handover h;
		struct pw_attr before, attr;
		u64 since;
	} *r;

	r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
	if (!r) {
		if (other)
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

/*
 * o has used a socket on one of its sides. Several may do so at once: each word
 * that is written is whole, and whoever comes last stays.
 */
static __always_inline void used_by(struct owned *w, struct pw_owner *o, u64 word, u64 cookie, u32 side)
{
	u64 mine = w->by[side], before, from, since;
	u32 last = last_kind(w), pid;
	bool confirms;

	if (mine == word && last == side && !w->open) {
		w->time[side] = o->time;
		return;
	}
	since = is_own(w->by[BY_RECEIVER], cookie) ? w->time[BY_RECEIVER] : 0;
	before = w->by[kind_of(w, cookie, side) & (KINDS - 1)];
	from = is_own(before, cookie) ? cookie : before ? w->from : 0;
	pid = pid_beside(before, word, o);
	if (pid == o->pid && !ours(o->pid))
		return; /* an owner that is watched no more */
	/* Who had a socket at attach was not known to be its user. */
	confirms = (how_of(before) & HOW_MASK) == PW_OWNER_FOUND || (side == BY_RECEIVER && w->open);
	if (side == BY_RECEIVER)
		w->open = 0;
	if (is_own(mine, cookie)) {
		if (pid_beside(mine, word, o) != o->pid) {
			if (w->turns[side] < 255)
				w->turns[side]++;
			if (side == BY_SENDER) {
				w->quiet = w->time[side];
				w->mixed = 1;
			}
		} else if (pid_beside(w->by[last], word, o) != o->pid) {
			w->shared = 1;
		}
	}
	if (!w->by[last])
		begin_with(w, o, cookie);
	give(w, side, word, o->time);
	if (confirms || pid != o->pid || from != cookie)
		emit_handover(o, cookie, from != cookie ? from : 0, since, pid != o->pid || from != cookie);
}

static __always_inline void used_by_task(struct owned *w, struct pw_owner *o, struct task_struct *task, u64 cookie, u32 side, u32 how)
{
	u64 word = fill_owner(o, task, cookie, how | (how_of(last_word(w)) & PW_OWNER_OLD));

	used_by(w, o, word, cookie, side);
}

/* Whoever uses a socket owns what it carries from then on. */
static __always_inline void used(struct sock *sk, u32 side, u32 how)
{
	u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct pw_owner o;
	struct owned *w;

	w = owned_of(sk, ours(tgid));
	if (!w)
		return;
	if (!last_word(w)) {
		how |= PW_OWNER_OLD;
		w->netns = netns_of(sk);
	}
	used_by_task(w, &o, (void *)bpf_get_current_task(), cookie_of(sk), side, how);
	if (side == BY_RECEIVER)
		w->refs = references(sk);
}

#define MSG_CONTROLLEN 40 /* struct user_msghdr, include/linux/socket.h */
#define PF_IO_WORKER 0x00000010 /* include/linux/sched.h */

/*
 * Whether a thread that has just sent on a unix socket may have passed descriptors on: in a message with control data, or in a
 * call that cannot be looked into.
 */
static __always_inline bool may_pass(void)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs;
	u64 args[6], control;

	if (READ(task, flags) & (PF_KTHREAD | PF_IO_WORKER) || is_compat(task))
		return true;
	regs = (void *)bpf_task_pt_regs(task);
	switch (NR_OF(regs)) {
	case NR_WRITE:
	case NR_WRITEV:
	case NR_SENDTO:
		return false;
	case NR_SENDMSG:
		read_args(args, regs, false);
		return bpf_probe_read_user(&control, sizeof(control), (void *)(args[1] + MSG_CONTROLLEN)) || control;
	}
	return true;
}

/* For programs at sock_send_length, which is younger than what this asks. */
static __always_inline void sent_on(struct sock *sk)
{
	used(sk, BY_SENDER, PW_OWNER_SENT);
	if (READ(sk, __sk_common.skc_family) == AF_UNIX && ours(bpf_get_current_pid_tgid() >> 32) && may_pass())
		sockets_spread(bpf_ktime_get_ns());
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
	u64 seal;   /* of o: an entry may be filled anew while it is read */
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

/* Copies the owner of a flow; false if it is none of ours. */
static __always_inline bool flow_of_ours(struct pw_owner *o, struct flow *f)
{
	*o = f->o;
	return f->seal == seal_of(o) && owned_by_ours(o);
}

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

	f->seal = seal_of(&f->o);
	bpf_map_update_elem(&flows, k, f, BPF_ANY);
	bpf_map_update_elem(&flow_ports, &slot, &one, BPF_ANY);
	bpf_map_update_elem(&flow_ports, &any, &one, BPF_ANY);
}

#endif
