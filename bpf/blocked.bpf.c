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
SEC("iter/bpf_map_elem")
int blocked(struct bpf_iter__bpf_map_elem *ctx)
{
	struct pw_thread *t = ctx->value;
	u64 enter;

	if (!t || t->mode != PW_TARGET_WATCH)
		return 0;
	enter = t->enter;
	if (enter && bpf_ktime_get_ns() >= enter + cfg_blocked)
		bpf_seq_write(ctx->meta->seq, t, sizeof(*t));
	return 0;
}
