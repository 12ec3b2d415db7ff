// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Sleeps: how long a watched thread slept in a call on a socket, and what it waited for;
 * and what it did between two such calls. They are measured at the scheduler's switches,
 * from giving up the CPU to running again.
 */
#include "kernel.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define SOCK_NOSPACE 2 /* enum socket_flags, linux/net.h, since 4.3 */

static __always_inline u32 asleep(struct task_struct *t)
{
	if (bpf_core_field_exists(t->__state))
		return READ(t, __state);
	return READ((struct task_struct___state *)t, state);
}

/* Returns what a call waits for; 0 if it is not on a single socket. */
static __always_inline u32 wait_of(struct pw_thread *t, struct sock *sk)
{
	struct pw_calldesc *d;
	u32 slot = t->desc;

	d = bpf_map_lookup_elem(&calls, &slot);
	if (!d)
		return 0;
	switch (d->capture) {
	case PW_CAP_ADDR_IN: /* connect */
		return PW_WAIT_CONNECT;
	case PW_CAP_ADDR_OUT:
		return state_of(sk) == TCP_LISTEN ? PW_WAIT_ACCEPT : PW_WAIT_OTHER;
	case PW_CAP_BUF_IN:
	case PW_CAP_SENDTO:
	case PW_CAP_MSG_IN:
	case PW_CAP_MMSG_IN:
	case PW_CAP_IOV_IN:
	case PW_CAP_SENDFILE:
	case PW_CAP_SPLICE:
		return READ(sk, sk_socket, flags) & 1 << SOCK_NOSPACE ? PW_WAIT_SNDBUF : PW_WAIT_OTHER;
	case PW_CAP_BUF_OUT:
	case PW_CAP_RECVFROM:
	case PW_CAP_MSG_OUT:
	case PW_CAP_MMSG_OUT:
	case PW_CAP_IOV_OUT:
		return READ(sk, sk_receive_queue.qlen) ? PW_WAIT_OTHER : PW_WAIT_DATA;
	case PW_CAP_POLL:
	case PW_CAP_SELECT:
	case PW_CAP_OLDSELECT:
	case PW_CAP_EPOLL_CTL:
	case PW_CAP_EPOLL_WAIT:
		return 0;
	}
	return PW_WAIT_OTHER;
}

#define TASK_UNINTERRUPTIBLE 2 /* include/linux/sched.h */

#if defined(__TARGET_ARCH_x86)
#define NR_FUTEX 202
#define NR_FUTEX_COMPAT 240
#elif defined(__TARGET_ARCH_arm64)
#define NR_FUTEX 98
#define NR_FUTEX_COMPAT 240
#endif

/* Returns the number of the call that a thread is in, with PW_GAP_TIMED. */
static __always_inline u32 call_of(struct task_struct *task)
{
	struct pt_regs *regs = (void *)regs_of(task);
	bool compat = is_compat(task);
	u64 args[6];
	u32 nr;

	if (!regs)
		return PW_AWAY_DISK;
	nr = NR_OF(regs);
	if ((s32)nr < 0)
		return PW_AWAY_DISK; /* in a page fault */
	if (nr == (compat ? NR_FUTEX_COMPAT : NR_FUTEX)) {
		read_args(args, regs, compat);
		if (args[3])
			nr |= PW_GAP_TIMED;
	}
	return nr;
}

/* Notes that a thread gives up the CPU outside of a recorded call. */
static __always_inline void goes_away(struct pw_thread *t, struct task_struct *task, u32 state)
{
	if (!t->left)
		return;
	t->off = bpf_ktime_get_ns();
	t->away = !state ? PW_AWAY_READY : state & TASK_UNINTERRUPTIBLE ? PW_AWAY_DISK : call_of(task);
}

/* Adds the time until it runs again. Of the calls that it slept in, the one with the most time is kept. */
static __always_inline void comes_back(struct pw_thread *t)
{
	u64 ns = bpf_ktime_get_ns() - t->off;

	t->off = 0;
	if (t->away == PW_AWAY_READY) {
		t->ready += ns;
	} else if (t->away == PW_AWAY_DISK) {
		t->disk += ns;
	} else if (t->where == t->away) {
		t->slept += ns;
	} else if (ns > t->slept) {
		t->other += t->slept;
		t->slept = ns;
		t->where = t->away;
	} else {
		t->other += ns;
	}
}

static __always_inline void sleeps(struct task_struct *task, u32 tid)
{
	u32 state = asleep(task);
	struct pw_thread *t;

	t = bpf_map_lookup_elem(&threads, &tid);
	if (!t)
		return;
	if (!t->enter) {
		goes_away(t, task, state);
		return;
	}
	if (!state || !t->nsock || !t->sk[0])
		return; /* it was preempted, or waits for something else */
	t->why = wait_of(t, (struct sock *)t->sk[0]);
	t->asleep = t->why ? bpf_ktime_get_ns() : 0;
}

static __always_inline void wakes(u32 tid)
{
	struct pw_thread *t = bpf_map_lookup_elem(&threads, &tid);
	struct origin s = {}; /* no stack: the current one is not this thread's */
	struct sock *sk;
	u64 since, slept;

	if (!t)
		return;
	if (t->off && !t->enter)
		comes_back(t);
	if (!t->asleep)
		return;
	since = t->asleep;
	t->asleep = 0;
	/* The sleep was in an earlier call, and a switch was missed (bpf/turn.h). */
	if (since < t->enter || !t->enter || !t->sk[0])
		return;
	slept = bpf_ktime_get_ns() - since;
	sk = (void *)t->sk[0];
	s.cookie = t->sock[0].cookie;
	if (!s.cookie)
		s.cookie = READ(sk, __sk_common.skc_cookie.counter);
	s.netns = t->sock[0].netns;
	s.context = PW_CONTEXT_TASK;
	s.now.cookie = s.cookie;
	s.now.start = t->start;
	s.now.time = since;
	s.now.pid = t->pid;
	s.now.tid = t->tid;
	s.now.nspid = t->nspid;
	s.now.nstid = t->nstid;
	s.now.uid = t->uid;
	s.now.how = PW_OWNER_USED;
	__builtin_memcpy(s.now.comm, t->comm, sizeof(s.now.comm));
	s.o = &s.now;
	s.own = true; /* although `current` is still the previous thread */
	emit_event(&s, PW_EVENT_WAIT, slept, t->why, READ(sk, sk_wmem_queued), READ(sk, sk_sndbuf),
		   READ(sk, sk_backlog.rmem_alloc.counter), READ(sk, sk_rcvbuf));
}

SEC("tp_btf/sched_switch")
int kernel_switch(u64 *ctx)
{
	struct task_struct *prev = (void *)ctx[1], *next = (void *)ctx[2];
	u32 tid;

	tid = READ(prev, pid);
	if (may_be_ours(tid))
		sleeps(prev, tid);
	tid = READ(next, pid);
	if (may_be_ours(tid))
		wakes(tid);
	return 0;
}
