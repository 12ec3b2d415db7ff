// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Builds the call tree from stacks. Where functions cannot be traced, those of a call are
 * taken from the stacks at the tracepoints that it passes, including ones that
 * have nothing to do with the network (memory, timers, the scheduler).
 */
#include "kernel.h"
#include "turn.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Returns the current call of the thread if it is on a socket, else 0. */
static __always_inline struct pw_thread *call_of(struct origin *s)
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

/* Attached after the program that stores the call. */
TURN_PROGRAM("raw_tp/sys_enter", call_stack)
{
	struct origin s;

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
	struct origin s;

	s.ctx = ctx;
	/* Softirqs that interrupt this thread are part of its tree, too. */
	if (!call_of(&s))
		return 0;
	s.context = context();
	current_is_owner(&s);
	emit_event(&s, PW_EVENT_STEP, 0, 0, 0, 0, 0, 0);
	return 0;
}
