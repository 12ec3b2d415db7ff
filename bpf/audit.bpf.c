// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Which threads Linux audit cannot see: what audit writes down of a call has
 * room that is made when a thread is born, and only if audit was on once before.
 */
#include "pidwire.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";


/* What user space reads from the iterator: one for each thread without that room. */
struct unaudited {
	u32 tgid;
	u32 tid;
};

SEC("iter/task")
int unaudited(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct unaudited u;

	/* Threads of the kernel make no calls. */
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
