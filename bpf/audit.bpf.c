// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Finds the threads that Linux audit cannot see: the kernel allocates a thread's
 * audit context when it is created, and only if audit was enabled before.
 */
#include "pidwire.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";


/* The iterator's output: one for each thread without an audit context. */
struct unaudited {
	u32 tgid;
	u32 tid;
};

SEC("iter/task")
int unaudited(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct unaudited u;

	/* Kernel threads make no system calls. */
	if (!task || READ(task, flags) & PF_KTHREAD)
		return 0;
	if (!bpf_core_field_exists(task->audit_context) || READ(task, audit_context))
		return 0;
	u.tgid = READ(task, tgid);
	u.tid = READ(task, pid);
	if (may_be_ours(u.tgid) && mode_of(u.tgid))
		bpf_seq_write(ctx->meta->seq, &u, sizeof(u));
	return 0;
}
