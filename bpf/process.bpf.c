// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Forks, execs and exits of processes. They update the targets map, so that the first
 * call of a child is not missed, and are shown on the timeline.
 */
#include "sock.h"
#include "turn.h"
#include "regs.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define ARGV_MAX 512
#define EXE_MAX 256

struct exec_rec {
	struct pw_proc p;
	struct pw_attr exe_attr;
	char exe[EXE_MAX];
	struct pw_attr argv_attr;
	char argv[ARGV_MAX];
};

static __always_inline void emit_env_in(struct task_struct *task, u64 now, unsigned long at, u64 len, u64 size)
{
	struct pw_env *r = bpf_ringbuf_reserve(&ring, sizeof(*r) + size, 0);

	if (!r)
		return; /* what it says is not known then */
	__builtin_memset(r, 0, sizeof(*r));
	keep_bound(len);
	if (len > size)
		len = size;
	if (bpf_probe_read_user(r + 1, len, (void *)at)) {
		bpf_ringbuf_discard(r, BPF_RB_NO_WAKEUP);
		return;
	}
	r->h.len = sizeof(*r) + size;
	r->h.kind = PW_KIND_ENV;
	r->h.layer = PW_LAYER_SYS;
	r->h.time = now;
	r->start = READ(task, group_leader, start_boottime);
	r->pid = READ(task, tgid);
	r->size = len;
	bpf_ringbuf_submit(r, ring_flags());
}

/* Copies the environment after an exec, for user space to look for proxies in it. */
static __noinline int emit_env(struct task_struct *task, u64 now)
{
	unsigned long at = READ(task, mm, env_start), end = READ(task, mm, env_end);
	u64 n = end - at;

	if (!at || end <= at)
		return 0;
	if (n <= 2048)
		emit_env_in(task, now, at, n, 2048);
	else if (n <= 8192)
		emit_env_in(task, now, at, n, 8192);
	else
		emit_env_in(task, now, at, n, 32768);
	return 0;
}

const volatile u8 cfg_env = 0; /* the environment is read after an exec */

TURN_PROGRAM("raw_tp/sched_process_fork", process_fork)
{
	struct task_struct *parent = (void *)ctx[0];
	struct task_struct *child = (void *)ctx[1];
	u32 ptgid = READ(parent, tgid);
	u32 tgid = READ(child, tgid);
	u32 mode;
	u64 now;

	if (tgid == ptgid)
		return 0;
	mode = mode_of(ptgid);
	if (!mode || mode == PW_TARGET_NEVER)
		return 0;
	now = bpf_ktime_get_ns();
	sockets_spread(ptgid, now);
	if (!cfg_follow)
		return 0;
	set_target(tgid, mode, now);
	emit_proc(child, PW_PROC_FORK, mode == PW_TARGET_TENTATIVE ? PW_PROC_TENTATIVE : 0, 0, now);
	return 0;
}

TURN_PROGRAM("raw_tp/sched_process_exec", process_exec)
{
	struct task_struct *task = (void *)ctx[0];
	u32 old = ctx[1];
	struct linux_binprm *bprm = (void *)ctx[2];
	u32 tgid = READ(task, tgid);
	unsigned long start, end;
	struct exec_rec *r;
	u32 mode = watched(tgid);
	bool ask = false;
	u64 n, now = bpf_ktime_get_ns();

	if (old != tgid)
		bpf_map_delete_elem(&threads, &old);
	if (mode != PW_TARGET_WATCH) {
		if (!cfg_exec || tgid == cfg_self || mode_of(tgid) == PW_TARGET_NEVER)
			return 0;
		set_target(tgid, PW_TARGET_TENTATIVE, now);
		ask = true;
	}
	r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
	if (!r) {
		count_lost_proc(tgid, PW_PROC_EXEC, ask ? PW_PROC_TENTATIVE : 0);
		return 0;
	}
	fill_proc(&r->p, task, PW_PROC_EXEC);
	r->p.h.time = now;
	r->p.h.len = sizeof(*r);
	r->p.flags = ask ? PW_PROC_TENTATIVE : 0;
	r->p.attrs = sizeof(*r) - sizeof(r->p);
	__builtin_memset(r->exe, 0, sizeof(r->exe));
	__builtin_memset(r->argv, 0, sizeof(r->argv));
	r->exe_attr.tag = PW_TAG_EXE;
	r->exe_attr.len = EXE_MAX;
	r->argv_attr.tag = PW_TAG_ARGV;
	r->argv_attr.len = 0;
	bpf_probe_read_kernel_str(r->exe, sizeof(r->exe), READ(bprm, filename));
	start = READ(task, mm, arg_start);
	end = READ(task, mm, arg_end);
	if (start && end > start) {
		n = end - start;
		keep_bound(n);
		if (n > ARGV_MAX)
			n = ARGV_MAX;
		if (!bpf_probe_read_user(r->argv, n, (void *)start))
			r->argv_attr.len = n;
	}
	bpf_ringbuf_submit(r, ring_flags());
	if (cfg_env && !ask)
		emit_env(task, now);
	return 0;
}

/* Emits the record of a call that its thread did not return from. */
static __always_inline void emit_unfinished(struct pw_thread *t)
{
	struct {
		struct pw_syscall c;
		struct pw_sock k;
	} *r;

	r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
	if (!r) {
		count_lost_of(t->pid, PW_LOST_RING);
		return;
	}
	__builtin_memset(&r->c, 0, sizeof(r->c));
	r->c.h.len = sizeof(*r);
	r->c.h.kind = PW_KIND_SYSCALL;
	r->c.h.layer = PW_LAYER_SYS;
	r->c.h.time = bpf_ktime_get_ns();
	r->c.enter = t->enter;
	r->c.start = t->start;
	__builtin_memcpy(r->c.args, t->args, sizeof(r->c.args));
	r->c.pid = t->pid;
	r->c.tid = t->tid;
	r->c.nspid = t->nspid;
	r->c.nstid = t->nstid;
	r->c.uid = t->uid;
	r->c.nr = t->nr;
	r->c.abi = t->abi;
	r->c.sub = t->sub;
	r->c.flags = PW_CALL_UNFINISHED | (t->mode == PW_TARGET_TENTATIVE ? PW_CALL_TENTATIVE : 0);
	r->c.nsock = t->nsock ? 1 : 0;
	__builtin_memcpy(r->c.comm, t->comm, sizeof(r->c.comm));
	r->k = t->sock[0];
	bpf_ringbuf_submit(r, ring_flags());
}

#define SIGSYS 31

/*
 * Emits the call in which seccomp has killed a thread: such a call passes neither sys_enter nor
 * sys_exit. If the whole process is killed, its other threads have the same signal, but are
 * not in such a call. Up to Linux 6.15 the memory of the process is unmapped by now.
 */
static __always_inline void emit_killed(struct task_struct *task, u32 mode)
{
	struct {
		struct pw_syscall c;
		struct pw_sock k;
		struct pw_chunk chunk;
		u8 addr[128];
	} *r;
	struct pt_regs *regs = (void *)regs_of(task);
	bool compat = is_compat(task);
	struct inode *inode = 0;
	struct pw_calldesc *d;
	struct sock *sk;
	u32 nr, slot, len;
	u64 args[6];

	if (!regs || !no_result(regs))
		return;
	nr = NR_OF(regs);
	slot = nr & ~X32_BIT;
	if (slot >= NR_MAX || (ABI_COMPAT == PW_ABI_I386 && compat && nr == 102))
		return; /* the arguments of socketcall are in memory */
	if (compat)
		slot += PW_SLOT_COMPAT;
	d = bpf_map_lookup_elem(&calls, &slot);
	if (!d || !(d->flags & PW_DESC_ON))
		return;
	read_args(args, regs, compat);
	sk = d->fd1 >= 0 ? sock_of(file_of(task, args[d->fd1 & 3]), &inode) : 0;
	if (d->flags & PW_DESC_SOCK && !sk)
		return;
	r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
	if (!r) {
		count_lost_of(READ(task, tgid), PW_LOST_RING);
		return;
	}
	__builtin_memset(r, 0, sizeof(*r));
	r->c.h.kind = PW_KIND_SYSCALL;
	r->c.h.layer = PW_LAYER_SYS;
	r->c.h.time = bpf_ktime_get_ns();
	r->c.enter = r->c.h.time;
	r->c.start = READ(task, group_leader, start_boottime);
	__builtin_memcpy(r->c.args, args, sizeof(r->c.args));
	r->c.pid = READ(task, tgid);
	r->c.tid = READ(task, pid);
	r->c.nspid = ns_pid(READ(task, group_leader));
	r->c.nstid = ns_pid(task);
	r->c.uid = READ(task, cred, euid.val);
	r->c.nr = nr;
	r->c.abi = compat ? ABI_COMPAT : nr & X32_BIT ? PW_ABI_X32 : ABI_NATIVE;
	r->c.flags = PW_CALL_UNFINISHED | PW_CALL_REFUSED | (mode == PW_TARGET_TENTATIVE ? PW_CALL_TENTATIVE : 0);
	BPF_CORE_READ_INTO(&r->c.comm, task, comm);
	r->c.h.len = sizeof(r->c);
	if (sk) {
		r->c.nsock = 1;
		fill_sock(&r->k, sk, READ(inode, i_ino), args[d->fd1 & 3], PW_SOCK_ENTER);
		r->c.h.len += sizeof(r->k);
	}
	if (sk && d->capture == PW_CAP_ADDR_IN) {
		len = args[2] > sizeof(r->addr) ? sizeof(r->addr) : args[2];
		keep_bound(len);
		if (len && len <= sizeof(r->addr) && !bpf_probe_read_user(r->addr, len, (void *)args[1])) {
			r->chunk.addr = args[1];
			r->chunk.len = len;
			r->chunk.phase = PW_PHASE_ENTER;
			r->c.chunks = sizeof(r->chunk) + ((len + 7) & ~7U);
			r->c.h.len += r->c.chunks;
		}
	}
	bpf_ringbuf_submit(r, ring_flags());
}

const volatile u8 cfg_calls = 1; /* system calls are recorded */

TURN_PROGRAM("raw_tp/sched_process_exit", process_exit)
{
	struct task_struct *task = (void *)ctx[0];
	u32 tgid = READ(task, tgid);
	u32 tid = READ(task, pid);
	struct pw_thread *t = bpf_map_lookup_elem(&threads, &tid);
	u32 mode, code;
	bool shown = false; /* its last call has a record */

	if (t) {
		shown = t->enter || t->began || t->rolled;
		if (t->enter)
			emit_unfinished(t);
		bpf_map_delete_elem(&threads, &tid);
	}
	if (!bpf_map_lookup_elem(&targets, &tgid))
		return 0;
	mode = mode_of(tgid); /* 0: it was refused, and its entry is deleted here */
	if (mode == PW_TARGET_NEVER)
		return 0;
	if (mode && cfg_calls && !shown && (READ(task, exit_code) & 0x7f) == SIGSYS && READ(task, seccomp.mode))
		emit_killed(task, mode);
	if (READ(task, signal, live.counter) > 0)
		return 0;
	if (mode == PW_TARGET_WATCH) {
		u64 start = READ(task, group_leader, start_boottime);

		bpf_map_update_elem(&gone, &tgid, &start, BPF_ANY);
	}
	/* Two threads can both see themselves as the last one: only one deletes the entry. */
	if (bpf_map_delete_elem(&targets, &tgid))
		return 0;
	if (cfg_exec)
		bpf_map_delete_elem(&refused, &tgid);
	if (!mode)
		return 0; /* it was refused */
	code = READ(task, signal, group_exit_code);
	if (!code)
		code = READ(task, exit_code);
	emit_proc(READ(task, group_leader), PW_PROC_EXIT, mode == PW_TARGET_TENTATIVE ? PW_PROC_TENTATIVE : 0, code,
		  bpf_ktime_get_ns());
	return 0;
}
