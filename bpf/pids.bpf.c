// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Translates pids: lists the processes visible in pidwire's pid namespace with their pids on
 * the host and in the namespace of /proc, for runs inside of a container.
 */
#include "pidwire.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile u32 cfg_level = 0; /* level of the namespace of /proc; 0: the host's */

/* The iterator's output: one for each process. */
struct numbers {
	u32 host;
	u32 there; /* pid at cfg_level */
	u32 self;  /* it is pidwire itself */
	u32 level; /* level of its own pid namespace */
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
