// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * How the processes that this pid namespace sees are numbered on the host and in
 * the namespace that /proc is of, for a pidwire that runs in one below the host's.
 */
#include "pidwire.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile u32 cfg_level = 0; /* of the namespace that /proc is of: 0 is the host's */

/* What user space reads from the iterator: one for each process. */
struct numbers {
	u32 host;
	u32 there; /* at cfg_level */
	u32 self;  /* it is the one that asks: */
	u32 level; /* of its own pid namespace */
};

SEC("iter/task")
int pids(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct task_struct *current = (void *)bpf_get_current_task();
	struct numbers n = {};
	struct pid *pid;

	if (!task || task->pid != task->tgid)
		return 0;
	pid = READ(task, thread_pid);
	n.level = READ(pid, level);
	if (cfg_level > n.level || n.level > 32)
		return 0;
	bpf_probe_read_kernel(&n.there, sizeof(n.there),
			      (void *)pid + bpf_core_field_offset(struct pid, numbers) +
				      cfg_level * bpf_core_type_size(struct upid));
	n.host = task->tgid;
	n.self = READ(current, tgid) == n.host;
	bpf_seq_write(ctx->meta->seq, &n, sizeof(n));
	return 0;
}
