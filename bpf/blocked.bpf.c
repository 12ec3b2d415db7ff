// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Lists the system calls that have been blocked for long, on request. It is an iterator
 * because the kernel skips programs at perf events while user space reads a map
 * (see COUNTS in pidwire.h).
 */
#include "pidwire.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile u64 cfg_blocked = 1000000000; /* minimum time in the call, ns */

/* The iterator's output: a struct pw_thread for each. */
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

/* The same for kernels that refuse iterators over maps: it visits every thread of the host. */
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
