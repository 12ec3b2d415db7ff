/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* Stores who uses a socket, and reports when this tells the owner of earlier packets. */
#ifndef PIDWIRE_USE_H
#define PIDWIRE_USE_H

#include "stream.h"

/*
 * Reports that the reader of incoming data is uncertain: another process than pid may have the socket open, or had it
 * open before it was closed. Without storage the programs at packets do not know who reads. A socket before accept has
 * no references, and one inside an MPTCP socket has no file.
 */
static __always_inline bool reader_open(struct sock *sk, struct owned *w, u64 cookie, u32 pid)
{
	u32 refs;

	if (is_alone(w, sk, cookie, pid))
		return false;
	refs = references(sk);
	if (!is_own(last_word(w), cookie))
		return refs > 1;
	return refs > !cfg_storage || !READ(sk, sk_socket);
}

/* Writes an attribute whose value is aligned to 8 bytes, by an empty attribute before it; attributes are aligned to 4. */
#define ATTR8(r, tag_, what)                       \
	do {                                       \
		(r)->before = (struct pw_attr){};  \
		(r)->attr.tag = tag_;              \
		(r)->attr.len = sizeof((r)->what); \
	} while (0)

/*
 * Emits a handover record. since is the time of the previous read from the socket. A record that only confirms the
 * reader (!other) is not counted when it is lost: the packets concerned stay labelled as shared.
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

/* Emits what the sender of a stream is proved to have written. Without it the packets concerned stay labelled as shared. */
static __always_inline void emit_wrote(struct pw_owner *o, u64 cookie, struct proof *p)
{
	struct pw_wrote *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);

	if (!r)
		return;
	r->h.len = sizeof(*r);
	r->h.kind = PW_KIND_WROTE;
	r->h.layer = PW_LAYER_PKT;
	r->h.time = bpf_ktime_get_ns();
	r->cookie = cookie;
	r->from = p->from;
	r->to = p->to;
	r->owner = *o;
	bpf_ringbuf_submit(r, ring_flags());
}

/*
 * A call on a socket has ended: stores what this proves, and reports it if packets wait for it. watched: o is a
 * watched process; for the other arguments see account.
 */
static __always_inline void call_ends(struct owned *w, struct sock *sk, struct pw_owner *o, u64 cookie, u32 side, u32 n, bool same, bool watched)
{
	bool alone, tcp = READ(sk, sk_protocol) == IPPROTO_TCP;
	struct proof p = {};

	concerns(w, cookie);
	alone = is_alone(w, sk, cookie, o->pid);
	if (side == BY_SENDER && tcp) {
		account(w, sk, o, cookie, n, same, watched, alone, &p);
	} else {
		if (watched && !alone)
			prove_alone(w, sk, cookie, o->pid);
		if (tcp && !w->counted)
			count_quiet(w, sk);
	}
	not_alone(w, o->pid);
	if (p.from != p.to)
		emit_wrote(o, cookie, &p);
}

/*
 * Records that o has used a socket in one direction. Several CPUs can do so at once: words are written atomically,
 * and the last writer wins. same: no other process has sent before. sk: the socket, if a call on it has ended, else 0.
 */
static __always_inline void used_by(struct owned *w, struct pw_owner *o, u64 word, u64 cookie, u32 side, bool same, struct sock *sk)
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
	/* This process is not watched any more. If it sends after a watched one, that one must not be taken for the writer. */
	if (pid == o->pid && (same || side != BY_SENDER) && !ours(o->pid))
		return;
	/* The owner that was found at attach was only known to hold the socket. */
	confirms = (how_of(before) & HOW_MASK) == PW_OWNER_FOUND || (side == BY_RECEIVER && w->open);
	if (side == BY_RECEIVER)
		w->open = 0;
	if (is_own(mine, cookie)) {
		if (pid_beside(mine, word, o) != o->pid) {
			if (side == BY_RECEIVER && w->turns < 255)
				w->turns++;
			if (side == BY_SENDER)
				w->mixed = 1;
		} else if (pid_beside(w->by[last], word, o) != o->pid) {
			w->shared = 1;
		}
	}
	if (side == BY_SENDER && !same)
		sender_changes(w, sk, cookie);
	if (!w->by[last])
		set_first_owner(w, o, cookie);
	set_owner(w, side, word, o->time);
	if (confirms || pid != o->pid || from != cookie)
		emit_handover(o, cookie, from != cookie ? from : 0, since, pid != o->pid || from != cookie);
}

/* Makes the current task the owner of a socket that it has just used, in a call that sent n bytes. */
static __always_inline void used(struct sock *sk, u32 side, u32 how, s32 n)
{
	u64 cookie, word, sender;
	u32 tgid = bpf_get_current_pid_tgid() >> 32;
	bool watched = ours(tgid), same;
	struct pw_owner o;
	struct owned *w;

	w = owned_of(sk, watched);
	if (!w)
		return;
	if (!last_word(w)) {
		how |= PW_OWNER_OLD;
		w->netns = netns_of(sk);
	}
	cookie = cookie_of(sk);
	word = fill_owner(&o, (void *)bpf_get_current_task(), cookie, how | (how_of(last_word(w)) & PW_OWNER_OLD));
	sender = w->by[BY_SENDER];
	same = !is_own(sender, cookie) || pid_beside(sender, word, &o) == o.pid;
	used_by(w, &o, word, cookie, side, same, sk);
	call_ends(w, sk, &o, cookie, side, n > 0 ? n : 0, same, watched);
}

#define MSG_CONTROLLEN 40 /* struct user_msghdr, include/linux/socket.h */

/*
 * Reports whether a thread that has just sent on a unix socket can have passed descriptors: in a message with control data,
 * or in a call whose arguments cannot be read.
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

/* For programs at sock_send_length. Kernels with that tracepoint have all features that this uses. */
static __always_inline void sent_on(struct sock *sk, s32 n)
{
	used(sk, BY_SENDER, PW_OWNER_SENT, n);
	if (READ(sk, __sk_common.skc_family) == AF_UNIX && ours(bpf_get_current_pid_tgid() >> 32) && may_pass())
		sockets_spread(bpf_get_current_pid_tgid() >> 32, bpf_ktime_get_ns());
}

#endif
