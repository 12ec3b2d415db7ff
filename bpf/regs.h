/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* Reads the number and the arguments of a system call from the registers of its thread. */
#ifndef PIDWIRE_REGS_H
#define PIDWIRE_REGS_H

#include "pidwire.h"

#define NR_MAX 1024
#define X32_BIT 0x40000000

#if defined(__TARGET_ARCH_x86)
#define TS_COMPAT 2
#define ABI_NATIVE PW_ABI_X86_64
#define ABI_COMPAT PW_ABI_I386
static __always_inline bool is_compat(struct task_struct *t)
{
	return READ(t, thread_info.status) & TS_COMPAT;
}
#elif defined(__TARGET_ARCH_arm64)
#define TIF_32BIT 22
#define ABI_NATIVE PW_ABI_ARM64
#define ABI_COMPAT PW_ABI_ARM
static __always_inline bool is_compat(struct task_struct *t)
{
	return READ(t, thread_info.flags) & (1UL << TIF_32BIT);
}
#endif

/*
 * The part of pt_regs from the first register that holds an argument to the last
 * one. The whole of it does not fit on the BPF stack on arm64.
 */
#if defined(__TARGET_ARCH_x86)
struct arg_regs {
	u64 bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di;
};
#define FIRST_REG(r) (&(r)->bp)
#elif defined(__TARGET_ARCH_arm64)
struct arg_regs {
	u64 x[6];
};
#define FIRST_REG(r) (&(r)->regs)
#endif

/* Copies the arguments of a system call out of its registers. */
static __always_inline void read_args(u64 args[6], struct pt_regs *regs, bool compat)
{
	struct arg_regs r;

	if (cfg_cast) {
		struct pt_regs *typed = TYPED(regs);

		__builtin_memcpy(&r, FIRST_REG(typed), sizeof(r));
	} else {
		bpf_probe_read_kernel(&r, sizeof(r), FIRST_REG(regs));
	}
#if defined(__TARGET_ARCH_x86)
	if (compat) {
		args[0] = (u32)r.bx;
		args[1] = (u32)r.cx;
		args[2] = (u32)r.dx;
		args[3] = (u32)r.si;
		args[4] = (u32)r.di;
		args[5] = (u32)r.bp;
	} else {
		args[0] = r.di;
		args[1] = r.si;
		args[2] = r.dx;
		args[3] = r.r10;
		args[4] = r.r8;
		args[5] = r.r9;
	}
#elif defined(__TARGET_ARCH_arm64)
	u64 mask = compat ? 0xffffffff : ~0ULL;

	args[0] = r.x[0] & mask;
	args[1] = r.x[1] & mask;
	args[2] = r.x[2] & mask;
	args[3] = r.x[3] & mask;
	args[4] = r.x[4] & mask;
	args[5] = r.x[5] & mask;
#endif
}

#if defined(__TARGET_ARCH_x86)
#define NR_OF(regs) READ(regs, orig_ax)
#elif defined(__TARGET_ARCH_arm64)
#define NR_OF(regs) READ(regs, syscallno)
#endif

/* The usual calls that send, for programs that do not have the table of calls. */
#if defined(__TARGET_ARCH_x86)
#define NR_WRITE 1
#define NR_WRITEV 20
#define NR_SENDTO 44
#define NR_SENDMSG 46
#elif defined(__TARGET_ARCH_arm64)
#define NR_WRITE 64
#define NR_WRITEV 66
#define NR_SENDTO 206
#define NR_SENDMSG 211
#endif

#define NR_IO_URING_ENTER 426 /* in all tables */

#define ENOSYS 38

/*
 * Returns the address of a thread's saved registers, at the end of its kernel stack
 * of 16 KiB, with up to 16 bytes behind them (FRED). Returns 0 if the memory there
 * does not look like registers.
 */
static __always_inline u64 regs_of(struct task_struct *task)
{
	u64 at = 0;

	/* The helper gives a number. A load would give a pointer, which a global function cannot take. */
	bpf_core_read(&at, sizeof(at), &task->stack);
	at += 16384 - bpf_core_type_size(struct pt_regs);
#pragma unroll
	for (int room = 0; room <= 16; room += 16) {
		struct pt_regs *r = (void *)(at - room);
#if defined(__TARGET_ARCH_x86)
		if (READ(r, cs) == 0x33 || READ(r, cs) == 0x23)
			return (u64)r;
#elif defined(__TARGET_ARCH_arm64)
		if (!(READ(r, pstate) & 15) && READ(r, sp) && READ(r, pc))
			return (u64)r;
#endif
	}
	return 0;
}

/* Reports that the result register still has its value from the entry of the call: no result has been set. */
static __always_inline bool no_result(struct pt_regs *r)
{
#if defined(__TARGET_ARCH_x86)
	return READ(r, ax) == (u64)-ENOSYS || READ(r, ax) == READ(r, orig_ax);
#elif defined(__TARGET_ARCH_arm64)
	return WORD(FIRST_REG(r)) == READ(r, orig_x0);
#endif
}

#endif
