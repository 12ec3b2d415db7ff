/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * Decides whether a process alone can use a socket, and which process wrote which bytes of a TCP stream.
 *
 * The kernel does not store who wrote a byte. What a call writes leaves in the call, in a softirq, or in a call of
 * another process, and a thread that loses the CPU after it has written is not seen for any length of time. Two
 * things can be proved when a call ends (docs/decisions/0015-bytes-by-account.md):
 *
 * - The caller is alone: the socket's file has no other reference than that of its descriptor and of this call.
 *   This holds until the process forks or passes descriptors.
 * - Nothing is in progress: the results of all calls that have ended add up to write_seq. If, in addition, write_seq
 *   has grown by exactly the result of this call since this was last true, all bytes between are the caller's.
 */
#ifndef PIDWIRE_STREAM_H
#define PIDWIRE_STREAM_H

#include "owner.h"

#define PF_IO_WORKER 0x00000010 /* include/linux/sched.h */

/* Whether `ended` adds up the results of all calls. */
enum counted {
	NOT_COUNTED,
	/* Since a time when everything had been acknowledged, but a call may have been in progress. */
	COUNTED_SETTLING,
	COUNTED, /* since the connection was established, or a call that was alone */
};

/*
 * A call that was in progress when counting began has ended after this time. Calls that wait for room in the send
 * buffer are no concern: everything had been acknowledged.
 */
#define SETTLED (1000ULL * 1000 * 1000)

/* A sequence number, with the process that a statement about it concerns: one word, written and read as a whole. */
static __always_inline u64 place(u32 seq, u32 pid)
{
	return (u64)seq << 32 | pid;
}

static __always_inline u32 seq_of(u64 place)
{
	return place >> 32;
}

static __always_inline bool before(u32 a, u32 b)
{
	return (s32)(a - b) < 0;
}

/*
 * Clears what has been copied from the listener, or from a freed socket at the same address. A process that alone has
 * the listener open is the only one that can accept the socket, and remains so until its sockets spread.
 */
static __always_inline void concerns(struct owned *w, u64 cookie)
{
	if (w->about == cookie)
		return;
	w->unsettled = 0;
	w->one_writer = 0;
	w->counted = NOT_COUNTED;
	if (!w->about || w->about != w->from)
		w->alone = 0;
	w->start = 0;
	w->left = 0;
	w->was = 0;
	*(volatile u64 *)&w->about = cookie;
}

const volatile u8 cfg_passes = 0; /* a program sees when descriptors are passed */

/* Reports whether no other process than this one can have the socket open. */
static __always_inline bool is_alone(struct owned *w, struct sock *sk, u64 cookie, u32 pid)
{
	u64 alone = *(volatile u64 *)&w->alone;

	return w->about == cookie && alone && w->holder == pid && !spread_since(pid, alone) && (cfg_passes || references(sk) <= w->refs);
}

/* refs: references to the file at that time. */
static __always_inline void set_alone(struct owned *w, u32 pid, u8 refs, u64 now)
{
	*(volatile u64 *)&w->alone = 0;
	w->holder = pid;
	w->refs = refs;
	*(volatile u64 *)&w->alone = now;
	w->mixed = 0;
}

/* Another process than the one that was alone uses the socket: it has got it in a way that is not seen (pidfd_getfd). */
static __always_inline void not_alone(struct owned *w, u32 pid)
{
	if (w->holder != pid)
		*(volatile u64 *)&w->alone = 0;
}

/*
 * Reports whether the current call has the only reference to the socket's file beside its descriptor. A call takes
 * one if its threads share the descriptors (__fget_light, fs/file.c). nr_threads is checked too because readers of
 * /proc/PID/fd share them for a moment before 5.11. A request of io_uring may use a registered file, whose reference
 * cannot be told from a descriptor's.
 */
static __always_inline bool only_caller(u32 refs)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct pt_regs *regs;

	if (refs != 1 && refs != 2)
		return false;
	if (refs == 2 && (READ(task, files, count.counter) < 2 || READ(task, signal, nr_threads) < 2))
		return false;
	regs = (void *)regs_of(task);
	return !(READ(task, flags) & PF_IO_WORKER) && NR_OF(regs) != NR_IO_URING_ENTER;
}

/* Makes the current process, a watched one, the only user of the socket if this call proves it. It takes the time first: a fork can follow. */
static __always_inline bool prove_alone(struct owned *w, struct sock *sk, u64 cookie, u32 pid)
{
	u64 now = bpf_ktime_get_ns();
	u32 refs = references(sk);

	if (!only_caller(refs))
		return false;
	concerns(w, cookie);
	set_alone(w, pid, refs, now);
	return true;
}

static __always_inline void count_from(struct owned *w, u32 seq, u8 how)
{
	w->ended = seq;
	w->left = place(seq, 0);
	*(volatile u8 *)&w->counted = how;
}

/* A connection is established: nothing has been written to it yet, except with TCP Fast Open. */
static __always_inline void stream_begins(struct owned *w, struct sock *sk, u64 cookie)
{
	struct tcp_sock *t = (void *)sk;
	u32 seq = READ(t, write_seq);

	concerns(w, cookie);
	if (READ(t, snd_una) != seq || READ(t, data_segs_out))
		return;
	w->one_writer = 1;
	w->start = 0;
	w->was = 0;
	count_from(w, seq, COUNTED);
}

/* A socket is found at attach. refs: references to its file that belong to descriptors and calls. */
static __always_inline void stream_found(struct owned *w, struct sock *sk, u64 cookie, u32 pid, u32 refs, u64 now)
{
	struct tcp_sock *t = (void *)sk;
	bool tcp = READ(sk, sk_protocol) == IPPROTO_TCP && state_of(sk) != TCP_LISTEN;
	u32 seq;

	concerns(w, cookie);
	if (refs == 1)
		set_alone(w, pid, refs, now);
	if (!tcp)
		return;
	seq = READ(t, write_seq);
	if (READ(t, snd_una) == seq) {
		w->one_writer = 1;
		w->since = now;
		count_from(w, seq, COUNTED_SETTLING);
	} else if (refs == 1) {
		w->start = place(seq, pid);
	}
}

/*
 * Another process than the last sender has sent: forgets what is known of the last sender's bytes, but for those that
 * are proved. sk: the socket, or 0 if no end of a call is seen.
 */
static __always_inline void sender_changes(struct owned *w, struct sock *sk, u64 cookie)
{
	u64 start = w->start, left = w->left, sender = w->by[BY_SENDER];
	struct tcp_sock *t = (void *)sk;

	if (sk && w->about == cookie && READ(sk, sk_protocol) == IPPROTO_TCP && (u32)left && pid_of(sender) == (u32)left) {
		if (w->one_writer)
			start = place(READ(t, snd_una), left);
		*(volatile u64 *)&w->was = 0;
		w->was_time = w->time[BY_SENDER];
		w->was_start = start;
		w->was_left = left;
		*(volatile u64 *)&w->was = sender;
	}
	*(volatile u8 *)&w->one_writer = 0;
	*(volatile u64 *)&w->start = 0;
}

/* More bytes than a connection can send while its packets wait for a proof (50 ms, internal/merge). */
#define OUTSTANDING (1U << 30)

/* What a call that has ended proves: sequence numbers between which the caller wrote all bytes. */
struct proof {
	u32 from;
	u32 to;
};

/* Begins to count while everything is acknowledged. */
static __always_inline void count_quiet(struct owned *w, struct sock *sk)
{
	struct tcp_sock *t = (void *)sk;
	u32 seq = READ(t, write_seq);

	if (READ(t, snd_una) != seq || state_of(sk) == TCP_LISTEN)
		return;
	w->since = bpf_ktime_get_ns();
	count_from(w, seq, COUNTED_SETTLING);
}

/*
 * A call of o on a TCP socket has ended, and has sent n bytes. same: no other process has sent before. If one has,
 * its claim has been withdrawn and the new sender stored before: another CPU that sees these n bytes counted must
 * not take them for the last sender's. watched, alone: o is a watched process, and known to be alone.
 */
static __always_inline void account(struct owned *w, struct sock *sk, struct pw_owner *o, u64 cookie, u32 n, bool same, bool watched, bool alone, struct proof *p)
{
	struct tcp_sock *t = (void *)sk;
	bool counted, all, mine, one_writer, proved = false;
	u32 ended, written, una, from;
	u64 start, left;

	if (w->counted)
		__sync_fetch_and_add(&w->ended, n);
	/* In this order: what is in write_seq and not yet in `ended` belongs to a call in progress, and a sender that is counted has withdrawn the claims. */
	ended = *(volatile u32 *)&w->ended;
	written = READ(t, write_seq);
	if (w->counted == COUNTED_SETTLING && bpf_ktime_get_ns() - w->since > SETTLED)
		w->counted = COUNTED;
	counted = w->counted == COUNTED;
	all = counted && ended == written;
	if (watched && !(all && alone))
		proved = prove_alone(w, sk, cookie, o->pid);
	one_writer = *(volatile u8 *)&w->one_writer;
	start = *(volatile u64 *)&w->start;
	left = w->left;
	if (w->was && !before(READ(t, snd_una), seq_of(w->was_left)))
		w->was = 0; /* all acknowledged: later bytes can have these numbers again */
	if (!all && !proved) {
		if (!w->counted)
			count_quiet(w, sk);
		else if (before(written, ended))
			w->counted = NOT_COUNTED; /* a call was in progress when counting began */
		return;
	}
	mine = counted && written == seq_of(left) + n;
	if (proved) {
		w->ended = written;
		w->counted = COUNTED;
	}
	if (same && one_writer) {
		from = written - OUTSTANDING;
	} else {
		if (same && (u32)start == o->pid)
			from = seq_of(start);
		else
			from = mine ? seq_of(left) : written;
		una = READ(t, snd_una);
		/* Packets that wait for this proof may have been acknowledged. Later ones are not older than una. */
		start = place(before(from, una) ? una : from, o->pid);
	}
	/* A packet on another CPU may read between these stores: see wrote. */
	*(volatile u64 *)&w->left = place(written, o->pid);
	*(volatile u64 *)&w->start = start;
	if (!w->unsettled)
		return;
	w->unsettled = 0;
	p->from = from;
	p->to = written;
}

/*
 * Reports whether a process is known to have written all bytes of a TCP stream from seq to end. here: it is
 * watched, and the current thread belongs to it and is in a call on this socket.
 */
static __always_inline bool wrote(struct owned *w, struct sock *sk, u64 cookie, u32 pid, u32 seq, u32 end, bool here)
{
	bool alone = is_alone(w, sk, cookie, pid) || (here && prove_alone(w, sk, cookie, pid));
	bool one_writer = *(volatile u8 *)&w->one_writer;
	u64 start = *(volatile u64 *)&w->start;
	u64 left = *(volatile u64 *)&w->left;
	u64 sender = w->by[BY_SENDER];

	/* A socket without a file: it has been closed, it has not been accepted yet, or it is inside an MPTCP socket. */
	if (!alone && (one_writer || w->about != cookie) && !references(sk))
		alone = true;
	if (w->about != cookie)
		return alone;
	if (!alone && ((u32)left != pid || before(seq_of(left), end)))
		return false;
	/* Otherwise these have changed meanwhile. */
	if (*(volatile u64 *)&w->start != start || *(volatile u8 *)&w->one_writer != one_writer)
		return false;
	if (one_writer)
		return !is_own(sender, cookie) || pid_of(sender) == pid;
	return (u32)start == pid && !before(seq, seq_of(start));
}

/* Reports whether the sender before the last one is known to have written all bytes from seq to end. */
static __always_inline bool wrote_before(struct owned *w, u64 cookie, u32 seq, u32 end)
{
	u64 was = *(volatile u64 *)&w->was, start = w->was_start, left = w->was_left;

	if (w->about != cookie || !was || (u32)start != (u32)left || before(seq, seq_of(start)) || before(seq_of(left), end))
		return false;
	return *(volatile u64 *)&w->was == was && pid_of(was) == (u32)left;
}

#endif
