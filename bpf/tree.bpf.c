// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Records the kernel functions that a watched thread executes in its network calls: entry and
 * return of each selected function, with arguments. A function that calls no other
 * selected one gives a single record.
 */
#include "kernel.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define DEEPEST 64

/* Types of the arguments, 4 bits each, the first argument in the lowest. */
enum arg {
	ARG_VALUE = 1,
	ARG_SOCK = 2, /* struct sock * */
	ARG_SKB = 3,  /* struct sk_buff * */
};

/* Types of the arguments of each function, by its address. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, u64);
	__type(value, u32);
} functions SEC(".maps");

/* The position of a thread in its tree. */
struct walk {
	u64 call; /* entry time of the call that it is in */
	u32 depth;
	u32 held; /* the entry record of func has not been emitted yet */
	u64 ip[DEEPEST];
	u64 at[DEEPEST];
	struct pw_func func;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u32);
	__type(value, struct walk);
} walks SEC(".maps");

/* The initial value of a thread's entry, which is too large for the stack. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct walk);
} no_walk SEC(".maps");

/* Returns an index by depth, with a bounds check that clang must not remove. */
static __always_inline u64 *slot(u64 *list, u32 d)
{
	keep_bound(d);
	return &list[d & (DEEPEST - 1)];
}

static __always_inline void emit_func(struct pw_func *f, u8 what)
{
	f->what = what;
	if (bpf_ringbuf_output(&ring, f, sizeof(*f), ring_flags()))
		count_lost_event(f->owner.pid, PW_LOST_RING);
}

/* Returns the current thread's entry, if it is watched and in a network call. */
static __always_inline struct walk *walk_of(struct pw_thread **thread)
{
	u32 tid = bpf_get_current_pid_tgid(), zero = 0;
	struct walk *w, *blank;
	struct pw_thread *t;

	if (!ours(bpf_get_current_pid_tgid() >> 32))
		return 0;
	t = bpf_map_lookup_elem(&threads, &tid);
	if (!t || !t->enter)
		return 0;
	*thread = t;
	w = bpf_map_lookup_elem(&walks, &tid);
	if (!w) {
		blank = bpf_map_lookup_elem(&no_walk, &zero);
		if (!blank)
			return 0;
		bpf_map_update_elem(&walks, &tid, blank, BPF_ANY);
		w = bpf_map_lookup_elem(&walks, &tid);
		if (!w)
			return 0;
	}
	if (w->call != t->enter) {
		if (w->held)
			emit_func(&w->func, PW_FUNC_ENTER);
		w->call = t->enter;
		w->depth = 0;
		w->held = 0;
	}
	return w;
}

/* Reads the argument by a constant offset: the verifier allows no other access to a context. */
#if defined(__TARGET_ARCH_x86)
#define ARGS(ctx) {(ctx)->di, (ctx)->si, (ctx)->dx, (ctx)->cx, (ctx)->r8, (ctx)->r9}
#elif defined(__TARGET_ARCH_arm64)
#define ARGS(ctx) {(ctx)->regs[0], (ctx)->regs[1], (ctx)->regs[2], (ctx)->regs[3], (ctx)->regs[4], (ctx)->regs[5]}
#endif

static __always_inline s64 result_of(struct pt_regs *ctx)
{
#if defined(__TARGET_ARCH_x86)
	return ctx->ax;
#else
	return ctx->regs[0];
#endif
}

static __always_inline void fill_func_sock(struct pw_func *f, struct sock *sk)
{
	struct pw_sock s;

	fill_sock(&s, sk, 0, -1, 0);
	f->cookie = s.cookie;
	f->family = s.family;
	f->lport = s.lport;
	f->rport = s.rport;
	__builtin_memcpy(f->laddr, s.laddr, 16);
	__builtin_memcpy(f->raddr, s.raddr, 16);
}

static __always_inline void fill_func_skb(struct pw_func *f, struct sk_buff *skb)
{
	struct ends e;

	f->length = READ(skb, len);
	if (!ends_of(&e, skb, true))
		return;
	f->protocol = e.k.proto;
	f->flags = e.flags;
}

static __always_inline int entered(struct pt_regs *ctx, u64 ip)
{
	u64 args[6] = ARGS(ctx);
	struct task_struct *task;
	struct pw_thread *t;
	struct walk *w = walk_of(&t);
	struct pw_func *f;
	u32 *kinds, d;

	if (!w)
		return 0;
	f = &w->func;
	if (w->held)
		emit_func(f, PW_FUNC_ENTER);
	d = w->depth;
	w->depth = d + 1;
	w->held = 0;
	if (d >= DEEPEST)
		return 0;
	f->h.len = sizeof(*f);
	f->h.kind = PW_KIND_FUNC;
	f->h.layer = PW_LAYER_KRN;
	f->h.time = bpf_ktime_get_ns();
	f->ip = ip;
	f->dur = 0;
	f->ret = 0;
	f->cookie = 0;
	f->family = 0;
	f->length = 0;
	f->protocol = 0;
	f->flags = 0;
	f->depth = d;
	f->cpu = bpf_get_smp_processor_id();
	f->context = context();
	f->owner.cookie = t->nsock ? t->sock[0].cookie : 0;
	f->owner.start = t->start;
	f->owner.time = f->h.time;
	f->owner.pid = t->pid;
	f->owner.tid = t->tid;
	f->owner.nspid = t->nspid;
	f->owner.nstid = t->nstid;
	f->owner.uid = t->uid;
	f->owner.how = PW_OWNER_USED;
	/* The thread can have changed its name since its entry was stored. */
	task = (void *)bpf_get_current_task();
	((u64 *)f->owner.comm)[0] = WORD(&task->comm);
	((u64 *)f->owner.comm)[1] = WORD2(&task->comm);
	*slot(w->ip, d) = ip;
	*slot(w->at, d) = f->h.time;
	kinds = bpf_map_lookup_elem(&functions, &ip);
	for (u32 i = 0; i < 6; i++) {
		u64 v = args[i];

		f->args[i] = v;
		if (!kinds || !v)
			continue;
		switch (*kinds >> (4 * i) & 15) {
		case ARG_SOCK:
			if (!f->family)
				fill_func_sock(f, (void *)v);
			break;
		case ARG_SKB:
			if (!f->length)
				fill_func_skb(f, (void *)v);
			break;
		}
	}
	w->held = 1;
	return 0;
}

static __always_inline int left(struct pt_regs *ctx, u64 ip)
{
	struct pw_thread *t;
	struct walk *w = walk_of(&t);
	struct pw_func *f;
	u64 now = bpf_ktime_get_ns();
	bool found = false;
	u32 d;

	if (!w || !w->depth)
		return 0; /* the function was entered before the program was attached */
	f = &w->func;
	d = w->depth;
	/* The returns of some functions above it were missed. */
	for (u32 i = 0; i < 8; i++) {
		if (!d)
			break;
		d--;
		if (d < DEEPEST && *slot(w->ip, d) == ip) {
			found = true;
			break;
		}
	}
	if (!found) {
		if (w->depth > DEEPEST)
			w->depth--;
		return 0;
	}
	w->depth = d;
	if (w->held && f->ip == ip && f->depth == d) {
		w->held = 0;
		f->dur = now - f->h.time;
		f->ret = result_of(ctx);
		emit_func(f, PW_FUNC_LEAF);
		return 0;
	}
	if (w->held)
		emit_func(f, PW_FUNC_ENTER);
	w->held = 0;
	/* The thread is still in that function. */
	f->h.len = sizeof(*f);
	f->h.time = now;
	f->ip = ip;
	f->dur = now - *slot(w->at, d);
	f->ret = result_of(ctx);
	f->cookie = 0;
	f->family = 0;
	f->length = 0;
	f->depth = d;
	f->context = context();
	emit_func(f, PW_FUNC_LEAVE);
	return 0;
}

extern bool bpf_session_is_return(void) __ksym __weak;

/* Since 6.10: one program for both. */
SEC("kprobe.session/")
int tree_session(struct pt_regs *ctx)
{
	u64 ip = bpf_get_func_ip(ctx);

	if (bpf_session_is_return())
		return left(ctx, ip);
	return entered(ctx, ip);
}

/* Since 5.18, where the kernel has fprobe. */
SEC("kprobe.multi/")
int tree_enter(struct pt_regs *ctx)
{
	return entered(ctx, bpf_get_func_ip(ctx));
}

SEC("kretprobe.multi/")
int tree_leave(struct pt_regs *ctx)
{
	return left(ctx, bpf_get_func_ip(ctx));
}
