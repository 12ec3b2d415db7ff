// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Packets of the watched processes, as their sockets see them: at the root of
 * cgroup v2, for all network namespaces, before device and after NAT. Whose a
 * packet is stands with its socket, written by those who made the socket, held
 * it, sent or received; never by whoever happens to run.
 */
#include "pidwire.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile u32 cfg_snaplen = 256; /* bytes of a packet, at most SNAPLEN_MAX */

#define SNAPLEN_MAX 65535

/* A socket that is made from another one, as by accept, begins with a copy. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct pw_owner);
} owners SEC(".maps");

/* Counts of packets, by enum pw_lost_reason. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PW_LOST_REASONS);
	__type(key, u32);
	__type(value, u64);
} lost_packets SEC(".maps");

static __always_inline void count_lost_packet(u32 reason)
{
	u64 *n = bpf_map_lookup_elem(&lost_packets, &reason);

	if (n)
		*n += 1;
}

static __always_inline bool ours(u32 tgid)
{
	u32 *mode;

	if (!may_be_ours(tgid))
		return false;
	mode = bpf_map_lookup_elem(&targets, &tgid);
	return mode && *mode != PW_TARGET_NEVER;
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

/* The maker of a socket, in its own context. */
SEC("cgroup/sock_create")
int owner_create(struct bpf_sock *ctx)
{
	struct pw_owner *o;
	u64 id = bpf_get_current_pid_tgid();

	if (!ours(id >> 32))
		return 1;
	o = bpf_sk_storage_get(&owners, ctx, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (o)
		fill_owner(o, (void *)bpf_get_current_task(), bpf_get_socket_cookie(ctx), PW_OWNER_CREATED);
	else
		count_lost_packet(PW_LOST_TARGETS);
	return 1;
}

/* Whoever uses a socket owns what it carries from then on. */
static __always_inline void used(struct sock *sk, u32 how)
{
	u64 id = bpf_get_current_pid_tgid();
	struct pw_owner *o;

	if (ours(id >> 32)) {
		o = bpf_sk_storage_get(&owners, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
		if (o)
			fill_owner(o, (void *)bpf_get_current_task(), bpf_get_socket_cookie(sk), how);
		return;
	}
	o = bpf_sk_storage_get(&owners, sk, 0, 0);
	if (o && o->pid != id >> 32)
		fill_owner(o, (void *)bpf_get_current_task(), bpf_get_socket_cookie(sk), how);
}

SEC("tp_btf/sock_send_length")
int owner_sent(u64 *ctx)
{
	used((void *)ctx[0], PW_OWNER_SENT);
	return 0;
}

SEC("tp_btf/sock_recv_length")
int owner_received(u64 *ctx)
{
	used((void *)ctx[0], PW_OWNER_RECEIVED);
	return 0;
}

#define TCP_SYN_SENT 2
#define TCP_LISTEN 10

/*
 * listen and connect, in their caller's context: the TCP sockets inside of
 * MPTCP ones (a Go server listens on such) are made by the kernel itself.
 */
SEC("tp_btf/inet_sock_set_state")
int owner_state(u64 *ctx)
{
	int to = ctx[2];
	struct pw_owner *o;

	if ((to != TCP_SYN_SENT && to != TCP_LISTEN) || !ours(bpf_get_current_pid_tgid() >> 32))
		return 0;
	o = bpf_sk_storage_get(&owners, (struct sock *)ctx[0], 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (o && !o->how)
		fill_owner(o, (void *)bpf_get_current_task(), bpf_get_socket_cookie((void *)ctx[0]), PW_OWNER_CREATED);
	return 0;
}

/* At attach: the sockets that the watched processes hold. */
SEC("iter/task_file")
int owner_found(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct socket *s;
	struct pw_owner *o;

	if (!task || !file || task->pid != task->tgid || !ours(task->tgid))
		return 0;
	s = bpf_sock_from_file(file);
	if (!s || !s->sk)
		return 0;
	o = bpf_sk_storage_get(&owners, s->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	/* The last user is better evidence than a holder. */
	if (o && !o->how)
		fill_owner(o, task, bpf_get_socket_cookie(s->sk), PW_OWNER_FOUND);
	return 0;
}

/* A record has the room of its class and no more: a snaplen for each would fill the ring with nothing. */
static __always_inline bool emit_packet(struct __sk_buff *skb, struct pw_owner *o, u8 dir, u64 cap, const u32 room)
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
	__builtin_memset(r->p._pad, 0, sizeof(r->p._pad));
	keep_bound(cap);
	if (cap > room)
		cap = room;
	/* A signed test of a number that clang knows nothing of: what 5.10 and 6.1 can follow. */
	keep_bound(cap);
	if ((s64)cap < 1 || bpf_skb_load_bytes(skb, 0, r->data, cap))
		cap = 0;
	r->p.caplen = cap;
	r->p.h.len = sizeof(r->p) + ((cap + 7) & ~7ULL);
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
	return true;
}

static __always_inline int packet(struct __sk_buff *skb, u8 dir)
{
	struct bpf_sock *sk = skb->sk;
	struct pw_owner *o;
	u32 cap = skb->len;
	bool done;

	if (!sk)
		return 1;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return 1;
	o = bpf_sk_storage_get(&owners, sk, 0, 0);
	if (!o || !ours(o->pid))
		return 1;
	if (cap > cfg_snaplen)
		cap = cfg_snaplen;
	if (cap <= 64)
		done = emit_packet(skb, o, dir, cap, 64);
	else if (cap <= 128)
		done = emit_packet(skb, o, dir, cap, 128);
	else if (cap <= 256)
		done = emit_packet(skb, o, dir, cap, 256);
	else if (cap <= 1536)
		done = emit_packet(skb, o, dir, cap, 1536);
	else if (cap <= 9216)
		done = emit_packet(skb, o, dir, cap, 9216);
	else
		done = emit_packet(skb, o, dir, cap, SNAPLEN_MAX + 1);
	if (!done)
		count_lost_packet(PW_LOST_RING);
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
