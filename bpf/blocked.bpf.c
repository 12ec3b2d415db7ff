// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The calls that are blocked, when asked: what threads are in for long. An
 * iterator, for while user space reads a map by itself, programs at perf's events
 * are passed over (COUNTS in pidwire.h).
 */
#include "pidwire.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile u64 cfg_blocked = 1000000000; /* ns that it takes */

/* What user space reads from it: a struct pw_thread for each. */
static __always_inline int tell(struct seq_file *seq, struct pw_thread *t)
{
	u64 enter;

	if (!t || t->mode != PW_TARGET_WATCH)
		return 0;
	enter = t->enter;
	if (enter && bpf_ktime_get_ns() >= enter + cfg_blocked)
		bpf_seq_write(seq, t, sizeof(*t));
	return 0;
}

SEC("iter/bpf_map_elem")
int blocked(struct bpf_iter__bpf_map_elem *ctx)
{
	return tell(ctx->meta->seq, ctx->value);
}

/* The same where a kernel lets nobody iterate over a map: by a look at every thread of the host. */
SEC("iter/task")
int blocked_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	u32 tid;

	if (!task || !may_be_ours(task->tgid))
		return 0;
	tid = task->pid;
	return tell(ctx->meta->seq, bpf_map_lookup_elem(&threads, &tid));
}
