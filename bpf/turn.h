/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * Programs at tracepoints that can be preempted. While a thread is in one, the
 * kernel passes over that program for all others on its CPU (prog->active,
 * kernel/trace/bpf_trace.c). Up to Linux 6.19 a tracepoint disabled preemption,
 * and only an interrupt could come in between; since 7.0 it does not
 * (include/linux/tracepoint.h), and another thread may have its whole time slice
 * then. There each of these programs is attached twice, and the second one does
 * what the first was passed over for (docs/decisions/0011-two-copies.md).
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

/* Of a pair of programs, on one CPU. */
struct turn {
	u64 done[TURN_SLOTS]; /* contexts that the first was done with, until the second has seen them */
	u64 taken;	      /* how often the second stepped in */
};

#define TURNS 32 /* pairs in a file */

/* By CPU and pair, for user space to read as memory (COUNTS in pidwire.h). */
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
 * The context of a program at a tracepoint stands on the stack of the thread: both
 * copies are given the same one, and nobody else has it meanwhile. Other threads
 * that come in between mostly have other slots; what stands in one, as that of the
 * thread on whose time a softirq is, moves to a second one.
 */
static __always_inline u32 turn_slot(void)
{
	return bpf_get_current_task() * 0x9e3779b97f4a7c15ULL >> 60;
}

static __always_inline bool turn_begins(u32 pair, u64 at)
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

static __always_inline void turn_ends(u32 pair, u64 at)
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
	/* It may wait for its second one still; or that was passed over, and it is the next to go. */
	if (before)
		t->done[slot ^ TURN_SLOTS / 2] = before;
}

/* Begins a program that takes turns with its copy; u64 *ctx holds the tracepoint's arguments. */
#define TURN_PROGRAM(section, name) TURN_PROGRAM_(section, name, __COUNTER__)
#define TURN_PROGRAM_(section, name, pair)                   \
	static __always_inline int name##_turn(u64 *ctx);    \
	SEC(section) int name(u64 *ctx)                      \
	{                                                    \
		_Static_assert(pair < TURNS, "TURNS");       \
		if (turn_begins(pair, (u64)ctx)) {           \
			name##_turn(ctx);                    \
			turn_ends(pair, (u64)ctx);           \
		}                                            \
		return 0;                                    \
	}                                                    \
	static __always_inline int name##_turn(u64 *ctx)

#endif
