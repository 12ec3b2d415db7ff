// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Stacks on the way: where the kernel may be looked at by tracepoints only, the
 * functions of a call are known by the stacks at those that it comes by, also
 * at ones that tell nothing of the network (memory, timers, the scheduler).
 */
#include "kernel.h"
#include "turn.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The thread's call on a socket, 0 if it is in none. */
static __always_inline struct pw_thread *call_of(struct scene *s)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct pw_thread *t;

	if (!ours(bpf_get_current_pid_tgid() >> 32))
		return 0;
	t = bpf_map_lookup_elem(&threads, &tid);
	if (!t || !t->enter || !t->nsock)
		return 0;
	s->w = 0;
	s->cookie = t->sock[0].cookie;
	s->netns = t->sock[0].netns;
	return t;
}

/* Behind the program that keeps the call: that is there already. */
TURN_PROGRAM("raw_tp/sys_enter", call_stack)
{
	struct scene s;

	s.ctx = ctx;
	if (!call_of(&s))
		return 0;
	s.context = PW_CONTEXT_TASK;
	current_is_owner(&s);
	emit_event(&s, PW_EVENT_CALL, 0, 0, 0, 0, 0, 0);
	return 0;
}

SEC("raw_tp/kmem_cache_alloc")
int tree_step(struct bpf_raw_tracepoint_args *ctx)
{
	struct scene s;

	s.ctx = ctx;
	/* Softirqs on this thread's time are part of its tree too. */
	if (!call_of(&s))
		return 0;
	s.context = context();
	current_is_owner(&s);
	emit_event(&s, PW_EVENT_STEP, 0, 0, 0, 0, 0, 0);
	return 0;
}
