/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* Shared by all BPF objects: the maps, the ring buffer, and which processes are watched. */
#ifndef PIDWIRE_PIDWIRE_H
#define PIDWIRE_PIDWIRE_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "wire.h"

/* Stops clang from replacing a bounds check of v by one that the verifier does not understand. */
#define keep_bound(v) asm volatile("" : "+r"(v))

/* Constants, set by user space before the programs are loaded. */
const volatile u32 cfg_self = 0;	 /* pidwire's own thread group, never watched */
const volatile u8 cfg_all = 0;		 /* all processes are targets */
const volatile u8 cfg_uids = 0;		 /* the uids map is in use */
const volatile u8 cfg_cgroups = 0;	 /* number of cgroups in the cgroups map */
const volatile u8 cfg_ports = 0;	 /* the ports map is in use */
const volatile u8 cfg_wide = 0;		 /* one of the four above is set */
const volatile u8 cfg_exec = 0;		 /* user space decides after each exec (targets by name) */
const volatile u8 cfg_follow = 1;	 /* children of targets are targets */
const volatile u32 cfg_strlen = 32;	 /* payload bytes copied from each buffer */

const volatile u8 cfg_cast = 0;		 /* the kernel has bpf_rdonly_cast */

/* Gives an address a type, at no cost at run time. Since Linux 6.2 (kernel/bpf/helpers.c). */
extern void *bpf_rdonly_cast(const void *obj, u32 btf_id) __ksym __weak;

#define TYPED(p) ((typeof(p))bpf_rdonly_cast(p, bpf_core_type_id_kernel(typeof(*(p)))))

/*
 * Reads a field of a kernel object; 0 if the memory is not readable. With
 * bpf_rdonly_cast it is a load, else a call of a helper (28 ns, measured 2026-11).
 */
#define READ1(p, f)                                                   \
	({                                                            \
		typeof(p) p_ = (p);                                   \
		typeof(p_->f) v_;                                     \
		if (cfg_cast)                                         \
			v_ = TYPED(p_)->f;                            \
		else                                                  \
			bpf_core_read(&v_, sizeof(v_), &p_->f);       \
		v_;                                                   \
	})
#define READ2(p, a, b) READ1(READ1(p, a), b)
#define READ3(p, a, b, c) READ1(READ2(p, a, b), c)
#define READ4(p, a, b, c, d) READ1(READ3(p, a, b, c), d)
#define READ_N(_1, _2, _3, _4, n, ...) n
#define READ(p, ...) READ_N(__VA_ARGS__, READ4, READ3, READ2, READ1)(p, __VA_ARGS__)

/* Reads the word at an address, and the one after it: timespec64, which every kernel has, starts with two words. */
#define WORD(p) READ((struct timespec64 *)(p), tv_sec)
#define WORD2(p) READ((struct timespec64 *)(p), tv_nsec)

/*
 * Reads argument n from the context of a program. It is assembly because clang would merge two such reads into one
 * with a computed offset, which the verifier rejects.
 */
#define ARG(n)                                                                                   \
	({                                                                                       \
		u64 arg_;                                                                        \
		asm volatile("%0 = *(u64 *)(%1 + %2)" : "=r"(arg_) : "r"(ctx), "i"((n) * 8)); \
		arg_;                                                                            \
	})

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20);
} ring SEC(".maps");

/* Thread groups. The low bits of the value are an enum pw_target, the others the time since when it is. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, u32);
	__type(value, u64);
} targets SEC(".maps");

#define TARGET_BITS 2
#define TARGET(since, mode) ((since) << TARGET_BITS | (mode))
#define TARGET_MODE(value) ((value) & ((1 << TARGET_BITS) - 1))

/*
 * Undecided thread groups that user space has refused, with the value of their entry in
 * targets at that time. User space does not delete that entry: the process may have
 * called exec again in the meantime, and must be asked about again.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, u32);
	__type(value, u64);
} refused SEC(".maps");

/* Losses of an undecided process, by layer. They are counted if it becomes a target. */
struct undecided {
	u64 lost[PW_LAYER_AUD]; /* PW_LAYER_NONE counts lost exec records, on which user space would decide */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u32);
	__type(value, struct undecided);
} undecided SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, u32);
	__type(value, struct pw_thread);
} threads SEC(".maps");

/* How each system call is captured. The desc of a thread is the slot of its call in progress. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PW_SLOTS);
	__type(key, u32);
	__type(value, struct pw_calldesc);
} calls SEC(".maps");

/* Watched thread groups that have ended, by pid, with their start time: the kernel closes their sockets later. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u32);
	__type(value, u64);
} gone SEC(".maps");

#define SPREAD_SLOTS 4096

/*
 * When a watched process last forked or may have passed descriptors, by the low bits of its
 * pid, CLOCK_MONOTONIC ns: any of its sockets may be open in another process since then.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SPREAD_SLOTS);
	__type(key, u32);
	__type(value, u64);
} spread SEC(".maps");

static __always_inline void sockets_spread(u32 tgid, u64 now)
{
	u32 slot = tgid & (SPREAD_SLOTS - 1);
	u64 *last = bpf_map_lookup_elem(&spread, &slot);

	if (last)
		*last = now;
}

/* Reports that sockets of a process may be open in another one, if they were not at that time. */
static __always_inline bool spread_since(u32 tgid, u64 time)
{
	u32 slot = tgid & (SPREAD_SLOTS - 1);
	u64 *last = bpf_map_lookup_elem(&spread, &slot);

	return !last || *last >= time;
}

#define PF_KTHREAD 0x00200000 /* include/linux/sched.h */

/*
 * By the low bits of a pid or tid: not 0 if a target may have it. An array lookup
 * is a few instructions, and saves a hash lookup for all other processes.
 * Entries are never cleared: a stale one costs a hash lookup.
 */
#define MAYBE_SLOTS 65536
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAYBE_SLOTS);
	__type(key, u32);
	__type(value, u8);
} maybe SEC(".maps");

static __always_inline bool may_be_ours(u32 id)
{
	u32 slot = id & (MAYBE_SLOTS - 1);
	u8 *m = bpf_map_lookup_elem(&maybe, &slot);

	return m && *m;
}

static __always_inline void set_maybe(u32 id)
{
	u32 slot = id & (MAYBE_SLOTS - 1);
	u8 *m = bpf_map_lookup_elem(&maybe, &slot);

	if (m)
		*m = 1;
}

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, u32);
	__type(value, u8);
} uids SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, u16);
	__type(value, u8);
} ports SEC(".maps");

#define MAX_CGROUPS 8
struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
	__uint(max_entries, MAX_CGROUPS);
	__type(key, u32);
	__type(value, u32);
} cgroups SEC(".maps");

/*
 * Counters by enum pw_lost_reason, which user space turns into records. It maps them into
 * memory: during a bpf(2) call that reads a map, the kernel skips programs at
 * perf events on that CPU (bpf_disable_instrumentation, include/linux/bpf.h).
 */
#define COUNTS(name)                                  \
	struct {                                      \
		__uint(type, BPF_MAP_TYPE_ARRAY);     \
		__uint(map_flags, BPF_F_MMAPABLE);    \
		__uint(max_entries, PW_LOST_REASONS); \
		__type(key, u32);                     \
		__type(value, u64);                   \
	} name SEC(".maps")

COUNTS(lost);

static __always_inline void count_in(void *counts, u32 reason)
{
	u64 *n = bpf_map_lookup_elem(counts, &reason);

	if (n)
		__sync_fetch_and_add(n, 1);
}

static __always_inline void count_lost(u32 reason)
{
	count_in(&lost, reason);
}

/* Returns the enum pw_target of a thread group; 0 if it is not a target or was refused. */
static __always_inline u32 mode_of(u32 tgid)
{
	u64 *v = bpf_map_lookup_elem(&targets, &tgid), *no;
	u64 value;

	if (!v)
		return 0;
	value = *v;
	if (TARGET_MODE(value) != PW_TARGET_TENTATIVE)
		return TARGET_MODE(value);
	no = bpf_map_lookup_elem(&refused, &tgid);
	return no && *no == value ? 0 : PW_TARGET_TENTATIVE;
}

static __always_inline void count_undecided(u32 layer, u32 tgid)
{
	struct undecided none = {}, *u;

	bpf_map_update_elem(&undecided, &tgid, &none, BPF_NOEXIST);
	u = bpf_map_lookup_elem(&undecided, &tgid);
	if (u && layer < PW_LAYER_AUD)
		__sync_fetch_and_add(&u->lost[layer], 1);
}

/* Counts a loss of a process. For an undecided process it is kept until that is decided. */
static __always_inline void count_of(void *counts, u32 layer, u32 reason, u32 tgid)
{
	if (cfg_exec && mode_of(tgid) == PW_TARGET_TENTATIVE)
		count_undecided(layer, tgid);
	else
		count_in(counts, reason);
}

static __always_inline void count_lost_of(u32 tgid, u32 reason)
{
	count_of(&lost, PW_LAYER_SYS, reason, tgid);
}

/* Counts the loss of a fork, exec or exit record: user space must then read /proc to know which processes exist. */
static __always_inline void count_lost_proc(u32 tgid, u8 what, u8 flags)
{
	struct undecided *u;

	count_in(&lost, PW_LOST_PROCS);
	if (!(flags & PW_PROC_TENTATIVE)) {
		count_in(&lost, PW_LOST_RING);
		return;
	}
	count_undecided(PW_LAYER_SYS, tgid);
	if (what == PW_PROC_EXEC)
		count_undecided(PW_LAYER_NONE, tgid);
	if (what != PW_PROC_EXIT)
		return;
	/* User space will see neither the exec nor the exit of this process. */
	u = bpf_map_lookup_elem(&undecided, &tgid);
	if (u && u->lost[PW_LAYER_NONE])
		count_in(&lost, PW_LOST_UNASKED);
}

/* Not 0 while the reader sleeps. User space sets it, through mapped memory, when the ring has been empty for a while. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} reader SEC(".maps");

/*
 * Returns the flags for submitting a record. The first record after a quiet period wakes the reader, which then
 * polls by a timer until the ring is quiet again: a wake-up costs the watched process more than the record does
 * (5.3 us against 1.1 us a call, measured 2026-11).
 */
static __always_inline u64 ring_flags(void)
{
	u32 zero = 0;
	u64 *asleep = bpf_map_lookup_elem(&reader, &zero);

	if (!asleep || !*asleep)
		return BPF_RB_NO_WAKEUP;
	*asleep = 0;
	return BPF_RB_FORCE_WAKEUP;
}

static __always_inline void emit(void *rec, u64 len, u32 tgid)
{
	if (bpf_ringbuf_output(&ring, rec, len, ring_flags()))
		count_lost_of(tgid, PW_LOST_RING);
}

/* Returns the pid of a task in its own pid namespace. */
static __always_inline u32 ns_pid(struct task_struct *t)
{
	struct pid *pid = READ(t, thread_pid);
	u32 level = READ(pid, level);
	u32 nr = 0;

	if (level > 32)
		return 0;
	bpf_probe_read_kernel(&nr, sizeof(nr),
			      (void *)pid + bpf_core_field_offset(struct pid, numbers) +
				      level * bpf_core_type_size(struct upid));
	return nr;
}

static __always_inline void fill_proc(struct pw_proc *p, struct task_struct *t, u8 what)
{
	struct task_struct *leader = READ(t, group_leader);

	p->h.len = sizeof(*p);
	p->h.kind = PW_KIND_PROC;
	p->h.layer = PW_LAYER_SYS;
	p->h.time = bpf_ktime_get_ns();
	p->start = READ(leader, start_boottime);
	p->parent_start = READ(leader, real_parent, group_leader, start_boottime);
	p->pid = READ(t, tgid);
	p->ppid = READ(leader, real_parent, tgid);
	p->tid = READ(t, pid);
	p->nspid = ns_pid(leader);
	p->uid = READ(t, cred, euid.val);
	p->code = 0;
	p->netns = READ(t, nsproxy, net_ns, ns.inum);
	p->what = what;
	p->flags = 0;
	p->attrs = 0;
	p->_pad = 0;
	BPF_CORE_READ_INTO(&p->comm, t, comm);
}

static __always_inline int emit_proc(struct task_struct *t, u8 what, u8 flags, u32 code, u64 time)
{
	struct pw_proc *p = bpf_ringbuf_reserve(&ring, sizeof(*p), 0);

	if (!p) {
		count_lost_proc(READ(t, tgid), what, flags);
		return -1;
	}
	fill_proc(p, t, what);
	p->h.time = time;
	p->flags = flags;
	p->code = code;
	bpf_ringbuf_submit(p, ring_flags());
	return 0;
}

/* Adds a target. since is the time of the record that announces it. */
static __always_inline void set_target(u32 tgid, u32 mode, u64 since)
{
	u64 value = TARGET(since, mode);

	if (bpf_map_update_elem(&targets, &tgid, &value, BPF_ANY))
		count_lost(PW_LOST_TARGETS);
	set_maybe(tgid);
}

static __always_inline bool in_cgroups(void)
{
	if (bpf_current_task_under_cgroup(&cgroups, 0) == 1)
		return true;
#pragma unroll
	for (u32 i = 1; i < MAX_CGROUPS; i++) {
		if (i >= cfg_cgroups)
			break;
		if (bpf_current_task_under_cgroup(&cgroups, i) == 1)
			return true;
	}
	return false;
}

/*
 * Returns the enum pw_target of the current task; 0 if it is not watched. A process
 * that matches a user, a cgroup or `all` is added to the targets and announced here.
 */
static __always_inline u32 watched(u32 tgid)
{
	u64 now;

	if (may_be_ours(tgid)) {
		u64 *v = bpf_map_lookup_elem(&targets, &tgid), *no;

		if (v) {
			u64 value = *v;

			if (TARGET_MODE(value) == PW_TARGET_NEVER)
				return 0;
			if (TARGET_MODE(value) == PW_TARGET_WATCH)
				return PW_TARGET_WATCH;
			no = bpf_map_lookup_elem(&refused, &tgid);
			if (!no || *no != value)
				return PW_TARGET_TENTATIVE;
			/* Only the process itself deletes its entry: it cannot call exec at the same time. */
			bpf_map_delete_elem(&targets, &tgid);
			bpf_map_delete_elem(&refused, &tgid);
		}
	}
	if (!cfg_all && !cfg_uids && !cfg_cgroups)
		return 0;
	if (tgid == cfg_self)
		return 0;
	if (!cfg_all) {
		bool hit = false;

		if (cfg_uids) {
			u32 uid = bpf_get_current_uid_gid();

			hit = bpf_map_lookup_elem(&uids, &uid) != 0;
		}
		if (cfg_cgroups && !hit)
			hit = in_cgroups();
		if (!hit)
			return 0;
	}
	now = bpf_ktime_get_ns();
	set_target(tgid, PW_TARGET_WATCH, now);
	emit_proc((void *)bpf_get_current_task(), PW_PROC_FOUND, 0, 0, now);
	return PW_TARGET_WATCH;
}

#endif
