/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * Programs at tracepoints that can be preempted. While a thread runs such a
 * program, the kernel skips the program for every other thread on the same CPU
 * (prog->active, kernel/trace/bpf_trace.c). Up to Linux 6.19 a tracepoint
 * disables preemption, so that only an interrupt is affected. Since 7.0 it does
 * not (include/linux/tracepoint.h), and another thread can run for a whole time
 * slice. On such kernels each program is attached twice, and the second copy
 * handles the events that the first one was skipped for
 * (docs/decisions/0011-two-copies.md).
 */
#ifndef PIDWIRE_TURN_H
#define PIDWIRE_TURN_H

#include "pidwire.h"

enum turn_of {
	TURN_ALONE = 0,
	TURN_FIRST = 1,
	TURN_SECOND = 2,
};

const volatile u8 cfg_turn = TURN_ALONE;

#define TURN_SLOTS 16

/* The state of one pair of programs on one CPU. */
struct turn {
	u64 done[TURN_SLOTS]; /* contexts handled by the first copy and not yet seen by the second */
	u64 taken;	      /* events handled by the second copy */
};

#define TURNS 32 /* pairs in a file */

/* Indexed by CPU and pair. User space maps it into memory to read it (see COUNTS in pidwire.h). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, TURNS); /* user space: for each possible CPU */
	__type(key, u32);
	__type(value, struct turn);
} turns SEC(".maps");

static __always_inline struct turn *turn_of(u32 pair)
{
	u32 at = bpf_get_smp_processor_id() * TURNS + pair;

	return bpf_map_lookup_elem(&turns, &at);
}

/*
 * Both copies receive the same context pointer, unique while the thread is in the
 * tracepoint; entries are hashed by task. A second slot holds the previous entry
 * of the first one: a softirq uses the slot of the thread that it interrupts.
 */
static __always_inline u32 turn_slot(void)
{
	return bpf_get_current_task() * 0x9e3779b97f4a7c15ULL >> 60;
}

static __always_inline bool turn_enter(u32 pair, u64 at)
{
	struct turn *t;
	bool done;
	u32 slot;

	if (cfg_turn != TURN_SECOND)
		return true;
	t = turn_of(pair);
	if (!t)
		return false;
	slot = turn_slot();
	done = false;
	if (t->done[slot] == at) {
		t->done[slot] = 0;
		done = true;
	}
	slot ^= TURN_SLOTS / 2;
	if (t->done[slot] == at) {
		t->done[slot] = 0;
		done = true;
	}
	if (done)
		return false;
	t->taken++;
	return true;
}

static __always_inline void turn_leave(u32 pair, u64 at)
{
	struct turn *t;
	u64 before;
	u32 slot;

	if (cfg_turn != TURN_FIRST)
		return;
	t = turn_of(pair);
	if (!t)
		return;
	slot = turn_slot();
	before = t->done[slot];
	t->done[slot] = at;
	/* The second copy may not have seen the previous entry yet: keep that one, and drop the one before it. */
	if (before)
		t->done[slot ^ TURN_SLOTS / 2] = before;
}

/* Defines a program that is attached in two copies; u64 *ctx holds the tracepoint's arguments. */
#define TURN_PROGRAM(section, name) TURN_PROGRAM_(section, name, __COUNTER__)
#define TURN_PROGRAM_(section, name, pair)                   \
	static __always_inline int name##_turn(u64 *ctx);    \
	SEC(section) int name(u64 *ctx)                      \
	{                                                    \
		_Static_assert(pair < TURNS, "TURNS");       \
		if (turn_enter(pair, (u64)ctx)) {           \
			name##_turn(ctx);                    \
			turn_leave(pair, (u64)ctx);           \
		}                                            \
		return 0;                                    \
	}                                                    \
	static __always_inline int name##_turn(u64 *ctx)

#endif
