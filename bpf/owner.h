/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* Decides which process owns a socket, and which one owns a packet whose socket is gone. */
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

/* Kinds of evidence of who uses a socket; the latest of each is kept. */
enum kind {
	BY_MAKER, /* created it, or held it at attach */
	BY_ACCEPTER,
	BY_SENDER,
	BY_RECEIVER,
	KINDS,
};

/*
 * Several CPUs can use a socket at once, and each records its owner. An owner is
 * therefore a single word, which is read and written atomically: the thread (the key
 * of its entry in `people`), the kind of evidence, and the socket that it is about.
 */
#define TID_BITS 22 /* PID_MAX_LIMIT, include/linux/threads.h */
#define KEY_BITS 40 /* the thread's id and a hash of its name, user and start */
#define TID_MASK ((1ULL << TID_BITS) - 1)
#define HOW_AT 40
#define OLD_AT 43
#define COOKIE_AT 44 /* low bits of the socket's cookie: tells a word that was copied from another socket */

#define KEY_MASK ((1ULL << KEY_BITS) - 1)
#define HOW_MASK 7

struct owned {
	u64 by[KINDS];	 /* owner words; 0: no evidence */
	u64 time[KINDS]; /* of the evidence, CLOCK_MONOTONIC ns */
	u64 from;  /* cookie of the socket that this entry was created for; for an accepted socket its listener's */
	struct pw_owner maker; /* owner that the first word named, sealed; used when `people` has evicted it */
	u64 sk;    /* address of the socket, from its last packet */
	u64 peer;  /* UDP: hash of the last peer that was added to flows */
	u32 netns; /* namespace of the socket, which programs at packets cannot read */
	u8 last;   /* enum kind of the latest evidence */
	u8 shared; /* one process sends and another one receives */
	u8 announced; /* a record with the socket's addresses has been emitted */
	u8 ca;     /* TCP congestion state in the last record */
	u8 turns;  /* changes of the reader, saturates at 255 */
	u8 mixed;  /* a second process has sent, before the socket was last seen to have one user */
	u8 open;   /* packets have been emitted with an uncertain owner: the next reader is reported */
	u8 unsettled; /* outgoing packets have been emitted with an uncertain owner: the next proof is reported */
	u8 one_writer; /* no other process than the last sender has written to the stream */
	u8 counted; /* enum counted */
	u8 refs;   /* references to the file at `alone` */
	u8 pad;
	u32 holder; /* process that alone had the socket open at `alone` */
	u32 ended; /* sequence number that all calls that have ended have written up to, if nothing is in progress */
	u64 alone; /* CLOCK_MONOTONIC ns; 0: it has not been seen with one user */
	u64 start; /* place (stream.h): the bytes of the last sender begin here */
	u64 left;  /* place: no call that was in progress then had written before this */
	u64 was;   /* owner word: the sender before the last one; it wrote the bytes from was_start to was_left (places) */
	u64 was_time;
	u64 was_start;
	u64 was_left;
	u64 since; /* COUNTED_SETTLING: when counting began */
	u64 about; /* cookie of the socket that the fields from `unsettled` to `since` are about */
	u64 self;  /* in owned_socks: cookie of the socket; 0: it had none yet */
};

/* Owners by socket. A socket that is created from another one, as by accept, starts with a copy of its entry. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct owned);
} owners SEC(".maps");

/*
 * The same by the socket's address, where tracing programs cannot use socket
 * storage (before 5.12). The programs at the cgroup's socket hooks maintain it,
 * and delete the entry when the socket is closed.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, u64);
	__type(value, struct owned);
} owned_socks SEC(".maps");

/*
 * Threads by the key in an owner word. Entries are never modified. The cookie field
 * holds a checksum (seal), which does not match if an entry is read while its memory
 * is being reused for another one.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, u64);
	__type(value, struct pw_owner);
} people SEC(".maps");

const volatile u8 cfg_storage = 1;	/* tracing programs can use socket storage and cookies */
static const struct owned owned_none = {}; /* the value of a new entry */

/* Returns the owners of a socket, for tracing programs. */
static __always_inline struct owned *owned_of(struct sock *sk, bool create)
{
	u64 at = (u64)sk;
	struct owned *w;

	if (cfg_storage) {
		/* The common case: a socket that no watched process uses has no storage. */
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
			/* The entry belongs to a freed socket that had the same address. */
			bpf_map_delete_elem(&owned_socks, &at);
			w = 0;
		}
	}
	if (w || !create)
		return w;
	bpf_map_update_elem(&owned_socks, &at, &owned_none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&owned_socks, &at);
}

/* Returns the cookie, for tracing programs. It is assigned if the kernel lets them do so. */
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
 * Sockets that existed at attach, by address, for those to which a program cannot
 * attach storage: listeners inside MPTCP sockets; before 5.12 all sockets.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, u64);
	__type(value, struct old_sock);
} old_socks SEC(".maps");

const volatile u8 cfg_old = 0; /* old_socks has other sockets than listeners */

/* Packets that could not be recorded, by enum pw_lost_reason. */
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
	WAS_OURS, /* it was watched and has ended */
};

/* Reports whether the process with this pid and start time is watched, or was watched until it ended. */
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

/* Reports whether the current thread belongs to a watched process, also while that exits. */
static __always_inline bool current_is_ours(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	return whose_is(bpf_get_current_pid_tgid() >> 32, READ(task, group_leader, start_boottime));
}

/* Reports whether a protocol is a stream: it sends data later than the call, and with the socket locked. */
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

/* Returns the checksum of the fields that identify a thread. */
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
 * Adds a thread to `people` and returns its key. o has all fields set; its cookie is
 * replaced by the seal. If another thread has the key already, the next key is tried.
 */
static __always_inline u64 add_thread(struct pw_owner *o, u64 key)
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

/* Reports whether a word is about this socket, and not copied from the one that it was created from. */
static __always_inline bool is_own(u64 word, u64 cookie)
{
	return word && word >> COOKIE_AT == (cookie & ((1ULL << (64 - COOKIE_AT)) - 1));
}

static __always_inline u32 how_of(u64 word)
{
	return (word >> HOW_AT & HOW_MASK) | (word >> OLD_AT & 1 ? PW_OWNER_OLD : 0);
}

/*
 * Fills o with a task as the owner, the evidence dated now, and returns the owner word.
 * All fields are read from the task, so that concurrent writers have no effect.
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
		key = add_thread(o, key);
	}
	o->cookie = cookie;
	o->how = how;
	o->time = bpf_ktime_get_ns();
	return word_of(key, cookie, how);
}

/* Returns the owner word for an owner that was determined elsewhere; all fields of o are set. */
static __always_inline u64 owner_word(struct pw_owner *o)
{
	u64 time = o->time, cookie = o->cookie;
	u32 how = o->how;
	u64 key = key_from(o->start, o->pid, o->tid, o->uid, ((u64 *)o->comm)[0], ((u64 *)o->comm)[1]);

	key = add_thread(o, key);
	o->time = time;
	o->cookie = cookie;
	o->how = how;
	return word_of(key, cookie, how);
}

/*
 * Sets o to the owner that a word of the socket names. If `people` has evicted that
 * one, it is the first owner of the socket; without such, the result is false.
 */
static __always_inline bool owner_of_word(struct pw_owner *o, struct owned *w, u64 word, u64 time, u64 cookie)
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
		from = 0; /* this is the first owner, in place of the evicted one */
	o->cookie = from;
	o->how = how_of(word);
	o->time = time;
	return true;
}

/* Returns the process that a word names, 0 if it was evicted. */
static __always_inline u32 pid_of(u64 word)
{
	u64 key = word & KEY_MASK;
	struct pw_owner *p = bpf_map_lookup_elem(&people, &key);

	return p ? p->pid : 0;
}

/* The same for `other`, without a lookup if it names the same thread as `word`, which is o. */
static __always_inline u32 pid_beside(u64 other, u64 word, struct pw_owner *o)
{
	return (other ^ word) & KEY_MASK ? pid_of(other) : o->pid;
}

static __always_inline u32 last_kind(struct owned *w)
{
	return w->last & (KINDS - 1);
}

/*
 * Returns the word of a kind. If there is none, because another CPU has written `last` and not
 * yet the word, it returns any other.
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
	return owner_of_word(o, w, last_word(w), w->time[last_kind(w)], cookie);
}

/* Stores the first owner with all fields. It does not modify o. */
static __always_inline void set_first_owner(struct owned *w, struct pw_owner *o, u64 cookie)
{
	w->maker = *o;
	w->maker.time = 0;
	w->maker.how = 0;
	w->maker.cookie = seal_of(o);
	w->from = cookie;
}

static __always_inline void set_owner(struct owned *w, u32 kind, u64 word, u64 time)
{
	/* A softirq on this CPU, or another CPU, can read between these stores. */
	*(volatile u64 *)&w->by[kind] = word;
	w->time[kind] = time;
	*(volatile u8 *)&w->last = kind;
}

/* Makes a task the owner, and fills o with it. */
static __always_inline void set_owner_task(struct owned *w, struct pw_owner *o, u32 kind, struct task_struct *task, u64 cookie, u32 how)
{
	u64 word = fill_owner(o, task, cookie, how | (how_of(last_word(w)) & PW_OWNER_OLD));

	if (!last_word(w))
		set_first_owner(w, o, cookie);
	set_owner(w, kind, word, o->time);
}

/*
 * Returns the kind of evidence that owns packets of one direction. The last user owns
 * both directions until two processes are seen using one direction each.
 */
static __always_inline u32 kind_of(struct owned *w, u64 cookie, u32 side)
{
	return w->shared && is_own(w->by[side], cookie) ? side : last_kind(w);
}

/* Returns the reference count of the socket's file: descriptors, and calls in progress. A function, as programs call it several times. */
static __noinline u32 references(struct sock *sk)
{
	struct socket *s = READ(sk, sk_socket);
	struct file *f = s ? READ(s, file) : 0;

	if (!f)
		return 0;
	if (bpf_core_field_exists(f->f_ref))
		return READ(f, f_ref.refcnt.counter) + 1;
	return READ(f, f_count.counter);
}

/* Reports that a socket whose owner has ended is still open in another process. */
static __always_inline bool left_behind(struct sock *sk)
{
	return references(sk) && state_of(sk) != TCP_LISTEN;
}

static __always_inline u32 netns_of(struct sock *sk)
{
	return READ(sk, __sk_common.skc_net.net, ns.inum);
}

/* Not 0 while the CPU runs a softirq, in the context of whatever task was interrupted. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
} softirqs SEC(".maps");

const volatile u8 cfg_softirqs = 0; /* the softirqs map is maintained */

static __always_inline u8 context(void)
{
	u32 zero = 0, *in;

	if (!cfg_softirqs)
		return PW_CONTEXT_UNKNOWN;
	in = bpf_map_lookup_elem(&softirqs, &zero);
	return in && *in ? PW_CONTEXT_SOFTIRQ : PW_CONTEXT_TASK;
}

/* The key of a flow: IPv4 addresses are in the first four bytes, ports are in host order. */
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

/* Reads the addresses and the protocol of an IP header; returns the offset of the next header, 0 if it is not one. */
static __always_inline u32 key_of_ip(struct flow_key *k, u8 *h, bool local_first)
{
	u8 *first = local_first ? k->laddr : k->raddr;
	u8 *second = local_first ? k->raddr : k->laddr;

	switch (h[0] >> 4) {
	case 4:
		if (((h[6] & 0x1f) | h[7]) != 0)
			return 0; /* not the first fragment */
		k->proto = h[9];
		__builtin_memcpy(first, h + 12, 4);
		__builtin_memcpy(second, h + 16, 4);
		return (h[0] & 15) * 4;
	case 6:
		k->proto = h[6];
		k->v6 = 1;
		__builtin_memcpy(first, h + 8, 16);
		__builtin_memcpy(second, h + 24, 16);
		return 40;
	}
	return 0;
}

struct flow {
	u64 cookie;
	u64 closed; /* when its socket was closed, CLOCK_MONOTONIC ns; 0: it is open and gets its packets itself */
	u64 seal;   /* checksum of o, as an entry can be reused while it is read */
	struct pw_owner o;
};

/* Flows of the watched processes, to attribute packets that only the device sees: of TIME_WAIT sockets, ICMP errors. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct flow_key);
	__type(value, struct flow);
} flows SEC(".maps");

/* By local port (ICMP: 0): not 0 if a flow can have it. Most packets of other processes need no further lookup. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 65536);
	__type(key, u32);
	__type(value, u8);
} flow_ports SEC(".maps");

/* Copies the owner of a flow. Returns false if that process is not watched. */
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
