// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * System calls. Each call gives one record, which is emitted at its return and has
 * the time of its entry. Memory that the call overwrites is copied at the entry, all
 * other memory at the return, when its pages are present.
 */
#include "events.h"
#include "sock.h"
#include "snap.h"
#include "turn.h"
#include "regs.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Incremented by user space after each change of the targets map: threads then look up their cached mode again. */
volatile u32 targets_epoch = 0;

/* The initial value of a thread's entry, which is too large for the stack. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct pw_thread);
} blank SEC(".maps");

#define NR_SOCKETCALL 102
#define NR_OLD_SELECT 82
#define VECTOR_MAX 20
#define MAX_SOCKS 8
#define MAX_POLL 64

static __always_inline bool is32(u8 abi)
{
	return abi == PW_ABI_I386 || abi == PW_ABI_ARM || abi == PW_ABI_X32;
}

/*
 * Attached to perf's raw_syscalls:sys_enter and sys_exit, which disable preemption
 * also on kernels where tracepoints do not (docs/decisions/0011-two-copies.md). Their
 * context starts with a word that is reserved, then has the number of the call, and
 * its arguments or its result (include/trace/events/syscalls.h).
 */
const volatile u8 cfg_perf = 0;

const volatile u8 cfg_returns = 1; /* sys_exit is attached */
const volatile u64 cfg_loaded = 0; /* when the programs were loaded, ns since boot */

/* Gets the arguments of a call from the context of a program at sys_enter. */
static __always_inline void entry_args(u64 args[6], u64 *ctx, bool compat)
{
	u64 mask = compat ? 0xffffffff : ~0ULL;

	if (!cfg_perf) {
		read_args(args, (void *)ARG(0), compat);
		return;
	}
	args[0] = ARG(2) & mask;
	args[1] = ARG(3) & mask;
	args[2] = ARG(4) & mask;
	args[3] = ARG(5) & mask;
	args[4] = ARG(6) & mask;
	args[5] = ARG(7) & mask;
}

/* Replaces the arguments of socketcall(call, vector) by the words of the vector. */
static __always_inline u32 open_socketcall(struct pw_thread *t)
{
	u32 sub = t->args[0];
	u32 vec[6] = {};
	u32 n;

	if (sub < 1 || sub > VECTOR_MAX)
		return 0;
	/* net/socket.c nargs[] */
	n = sub == 11 || sub == 12		? 6 :
	    sub == 14 || sub == 15 || sub == 19 ? 5 :
	    sub == 1 || sub == 2 || sub == 3 || sub == 5 || sub == 6 || sub == 7 || sub == 16 || sub == 17 ? 3 :
	    sub == 4 || sub == 13		? 2 :
						  4;
	if (bpf_probe_read_user(vec, n * 4, (void *)t->args[1]))
		return 0;
	t->args[0] = vec[0];
	t->args[1] = vec[1];
	t->args[2] = vec[2];
	t->args[3] = vec[3];
	t->args[4] = vec[4];
	t->args[5] = vec[5];
	t->sub = sub;
	return PW_SLOT_VECTOR + sub;
}

/* The old select of i386, whose arguments are in memory. */
static __always_inline bool open_old_select(struct pw_thread *t)
{
	u32 v[5] = {};

	if (bpf_probe_read_user(v, sizeof(v), (void *)t->args[0]))
		return false;
	t->args[0] = v[0];
	t->args[1] = v[1];
	t->args[2] = v[2];
	t->args[3] = v[3];
	t->args[4] = v[4];
	return true;
}

/*
 * Stores the socket of fd in a slot of the thread; returns false if fd is not a
 * socket. A thread usually works on the same socket as before: the fields that cannot
 * change are then kept, and those that can are read at the return.
 */
static __always_inline bool enter_sock(struct pw_thread *t, struct task_struct *task, u32 slot, s32 fd)
{
	struct file *f = file_of(task, fd);
	struct inode *inode;
	struct sock *sk;

	if (!f)
		return false;
	if (t->file[slot] == (u64)f) {
		inode = READ(f, f_inode);
		if (t->inode[slot] == (u64)inode && READ(inode, i_ino) == t->sock[slot].ino) {
			t->sock[slot].fd = fd;
			t->sock[slot].flags = PW_SOCK_ENTER;
			return true;
		}
	}
	t->file[slot] = 0;
	sk = sock_of(f, &inode);
	if (!sk)
		return false;
	fill_sock(&t->sock[slot], sk, READ(inode, i_ino), fd, PW_SOCK_ENTER);
	t->file[slot] = (u64)f;
	t->inode[slot] = (u64)inode;
	t->sk[slot] = (u64)sk;
	return true;
}

/*
 * The functions without `static` are global: the verifier checks them once, where it
 * would check an inlined one in each iteration of a loop (1.5 s more to load, and
 * beyond the limits of 5.10).
 */

/* Reports whether a descriptor of the current task is a socket. */
__noinline int fd_is_sock(u32 fd)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct inode *inode = 0;

	return sock_of(file_of(task, fd), &inode) != 0;
}

struct pollfd {
	s32 fd;
	u32 events;
};

/*
 * Returns the first descriptor that a call waits for and that is a socket, plus one; 0 if
 * there is none; a negative number if not all descriptors were examined: such a call is
 * shown rather than hidden.
 */
__noinline int poll_sock(u64 addr, u32 n)
{
	struct pollfd p;

	for (u32 i = 0; i < MAX_POLL; i++) {
		if (i >= n)
			return 0;
		if (bpf_probe_read_user(&p, sizeof(p), (void *)(addr + i * sizeof(p))))
			return -1;
		if (p.fd >= 0 && fd_is_sock(p.fd))
			return p.fd + 1;
	}
	return n > MAX_POLL ? -1 : 0;
}

#define MAX_SELECT 256

__noinline int byte_sock(u32 bits, u32 first)
{
	for (u32 i = 0; i < 8; i++)
		if ((bits >> i) & 1 && fd_is_sock(first + i))
			return first + i + 1;
	return 0;
}

__noinline int set_sock(u64 addr, u32 n)
{
	if (!addr)
		return 0;
	for (u32 i = 0; i < MAX_SELECT; i += 8) {
		u8 bits = 0;

		if (i >= n)
			return 0;
		if (bpf_probe_read_user(&bits, 1, (void *)(addr + i / 8)))
			return 0;
		if (bits) {
			int fd = byte_sock(bits, i);

			if (fd)
				return fd;
		}
	}
	return n > MAX_SELECT ? -1 : 0;
}

#define EPOLL_ROWS 3

/*
 * Reports whether an epoll instance waits for a socket. Only the upper levels of its tree
 * are examined; with a larger tree the call is shown rather than hidden.
 */
__noinline int epoll_sock(u32 epfd)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct file *f = file_of(task, epfd);
	struct eventpoll *ep = f ? READ(f, private_data) : 0;
	struct rb_node *n;

	if (!ep)
		return 1;
	/* Heap order: node i has the children 2i and 2i+1; the path is in i's bits. */
	for (u32 i = 1; i < 1 << (EPOLL_ROWS + 1); i++) {
		struct inode *inode = 0;
		struct file *target = 0;

		n = READ(ep, rbr.rb_root.rb_node);
		for (int row = EPOLL_ROWS - 1; row >= 0; row--) {
			if (i >> row <= 1 || !n)
				continue;
			n = (i >> row) & 1 ? READ(n, rb_right) : READ(n, rb_left);
		}
		if (!n)
			continue;
		if (i >= 1 << EPOLL_ROWS)
			return 1; /* the tree is larger */
		bpf_core_read(&target, sizeof(target),
			      &((struct epitem *)((void *)n - bpf_core_field_offset(struct epitem, rbn)))->ffd.file);
		if (sock_of(target, &inode))
			return 1;
	}
	return 0;
}

/* Reports whether a call needs enter_capture. Most calls that move data do not. */
static __always_inline bool captured_before(u32 capture, struct pw_thread *t)
{
	const u64 none = 1ULL << PW_CAP_NONE | 1ULL << PW_CAP_BUF_IN | 1ULL << PW_CAP_BUF_OUT | 1ULL << PW_CAP_SENDTO |
			 1ULL << PW_CAP_IOV_IN | 1ULL << PW_CAP_IOV_OUT | 1ULL << PW_CAP_OPT_SET |
			 1ULL << PW_CAP_FDPAIR | 1ULL << PW_CAP_FCNTL | 1ULL << PW_CAP_RESTART;

	if (capture == PW_CAP_RECVFROM)
		return t->args[5];
	return !(none >> (capture & 63) & 1);
}

struct iocb_head {
	u64 data;
	u32 key, rw_flags;
	u16 opcode;
	u16 prio;
	s32 fd;
	u64 buf;
	u64 nbytes;
};

#define IOCB_SIZE 64
#define MAX_IOCB 8
#define IOCB_PWRITE 1
#define IOCB_PWRITEV 8

static __always_inline u64 iocb_at(u64 list, u32 i, u32 narrow)
{
	u64 at = 0;
	u32 at32 = 0;

	if (!narrow)
		return bpf_probe_read_user(&at, 8, (void *)(list + i * 8)) ? 0 : at;
	return bpf_probe_read_user(&at32, 4, (void *)(list + i * 4)) ? 0 : at32;
}

/* Like poll_sock, for the descriptors of AIO requests. */
__noinline int aio_sock(u64 list, u32 n, u32 narrow)
{
	for (u32 i = 0; i < MAX_IOCB; i++) {
		struct iocb_head c = {};
		u64 at;

		if (i >= n)
			return 0;
		at = iocb_at(list, i, narrow);
		if (at && !bpf_probe_read_user(&c, sizeof(c), (void *)at) && c.fd >= 0 && fd_is_sock(c.fd))
			return c.fd + 1;
	}
	return n > MAX_IOCB ? -1 : 0;
}

/* Copies the requests, and the data of those that write to one descriptor. */
__noinline int snap_aio(u64 list, u32 n, u32 narrow, u32 fd)
{
	snap(list, (n < MAX_IOCB ? n : MAX_IOCB) * (narrow ? 4 : 8), MAX_IOCB * 8);
	for (u32 i = 0; i < MAX_IOCB; i++) {
		struct iocb_head c = {};
		u64 at;

		if (i >= n)
			break;
		at = iocb_at(list, i, narrow);
		if (!at)
			continue;
		snap(at, IOCB_SIZE, IOCB_SIZE);
		if (bpf_probe_read_user(&c, sizeof(c), (void *)at) || c.fd != fd)
			continue;
		if (c.opcode == IOCB_PWRITE)
			snap_sent(c.buf, c.nbytes);
		if (c.opcode == IOCB_PWRITEV)
			snap_iov(c.buf, c.nbytes, narrow, SENT);
	}
	return 0;
}

/* AIO contexts of a process with requests on sockets: the value is the last such descriptor. */
struct aio_key {
	u64 ctx;
	u32 pid;
	u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct aio_key);
	__type(value, s32);
} aios SEC(".maps");

static __always_inline bool enter_aio(struct pw_thread *t, struct task_struct *task, bool submits)
{
	struct aio_key k = {};
	s32 fd, *known;

	k.ctx = t->args[0];
	k.pid = t->pid;
	if (submits) {
		s64 n = t->args[1];

		fd = n <= 0 ? 0 : aio_sock(t->args[2], n > 1 << 20 ? 1 << 20 : n, is32(t->abi));
		if (fd > 0) {
			fd--;
			bpf_map_update_elem(&aios, &k, &fd, BPF_ANY);
			t->nsock = enter_sock(t, task, 0, fd);
			return true;
		}
		return fd < 0;
	}
	known = bpf_map_lookup_elem(&aios, &k);
	if (!known)
		return false;
	t->nsock = enter_sock(t, task, 0, *known);
	return true;
}

/* Copies memory that the call overwrites; returns false if the call turns out not to be about sockets. */
static __noinline bool enter_capture(struct pw_thread *t, struct task_struct *task, u32 capture, u32 flags)
{
	bool narrow = is32(t->abi);
	u32 ts = narrow && !(flags & PW_DESC_TIME64) ? 8 : 16;
	u32 len;
	int fd;

	switch (capture) {
	case PW_CAP_ADDR_IN:
		snap_enter(t, t->args[1], t->args[2], 128);
		break;
	case PW_CAP_ADDR_OUT:
		snap_enter(t, t->args[2], 4, 16);
		break;
	case PW_CAP_RECVFROM:
		snap_enter(t, t->args[5], 4, 16);
		break;
	case PW_CAP_MSG_IN:
	case PW_CAP_MSG_OUT:
		snap_enter(t, t->args[1], narrow ? 28 : 56, 64);
		break;
	case PW_CAP_MMSG_IN:
	case PW_CAP_MMSG_OUT:
		len = t->args[2];
		if (len > 8)
			len = 8;
		snap_enter(t, t->args[1], len * (narrow ? 32 : 64), 512);
		if (capture == PW_CAP_MMSG_OUT)
			snap_enter(t, t->args[4], ts, 16);
		break;
	case PW_CAP_OPT_GET:
		snap_enter(t, t->args[4], 4, 16);
		break;
	case PW_CAP_POLL:
		fd = poll_sock(t->args[0], t->args[1]);
		if (!fd)
			return false;
		if (fd > 0 && enter_sock(t, task, 0, fd - 1))
			t->nsock = 1;
		len = t->args[1];
		if (len > MAX_POLL)
			len = MAX_POLL;
		snap_enter(t, t->args[0], len * 8, 512);
		if (flags & PW_DESC_TS3) {
			snap_enter(t, t->args[2], ts, 16);
			snap_enter(t, t->args[3], 8, 16);
		}
		break;
	case PW_CAP_SELECT:
		len = t->args[0];
		fd = set_sock(t->args[1], len);
		if (!fd)
			fd = set_sock(t->args[2], len);
		if (!fd)
			fd = set_sock(t->args[3], len);
		if (!fd)
			return false;
		if (fd > 0 && enter_sock(t, task, 0, fd - 1))
			t->nsock = 1;
		len = (len + 63) / 64 * 8;
		if (len > 128)
			len = 128;
		snap_enter(t, t->args[1], len, 128);
		snap_enter(t, t->args[2], len, 128);
		snap_enter(t, t->args[3], len, 128);
		snap_enter(t, t->args[4], ts, 16);
		break;
	case PW_CAP_EPOLL_WAIT:
		if (!epoll_sock(t->args[0]))
			return false;
		if (flags & PW_DESC_TS4)
			snap_enter(t, t->args[3], 16, 16);
		break;
	case PW_CAP_EPOLL_CTL:
		snap_enter(t, t->args[3], 16, 16);
		break;
	case PW_CAP_AIO_SUBMIT:
		return enter_aio(t, task, true);
	case PW_CAP_AIO_EVENTS:
		if (!enter_aio(t, task, false))
			return false;
		snap_enter(t, t->args[4], ts, 16);
		break;
	case PW_CAP_SENDFILE:
		snap_enter(t, t->args[2], narrow && !(flags & PW_DESC_TIME64) ? 4 : 8, 16);
		break;
	case PW_CAP_SPLICE:
		snap_enter(t, t->args[1], 8, 16);
		snap_enter(t, t->args[3], 8, 16);
		break;
	case PW_CAP_IOCTL:
		snap_enter(t, t->args[2], ioctl_size(t->args[1]), 64);
		break;
	case PW_CAP_URING_SETUP:
		snap_enter(t, t->args[1], 120, 128);
		break;
	}
	return true;
}

/* Fields of the thread's own process that its calls can change. */
static __always_inline void set_who(struct pw_thread *t, struct task_struct *task)
{
	t->uid = READ(task, cred, euid.val);
	((u64 *)t->comm)[0] = WORD(&task->comm);
	((u64 *)t->comm)[1] = WORD2(&task->comm);
}

static __always_inline struct pw_thread *new_thread(u32 tid, u32 tgid, struct task_struct *task)
{
	struct pw_thread *t;
	u32 zero = 0;

	t = bpf_map_lookup_elem(&blank, &zero);
	if (!t)
		return 0;
	bpf_map_update_elem(&threads, &tid, t, BPF_NOEXIST);
	t = bpf_map_lookup_elem(&threads, &tid);
	if (!t) {
		if (cfg_turn != TURN_SECOND) /* the first copy has counted it */
			count_lost_of(tgid, PW_LOST_INFLIGHT);
		return 0;
	}
	set_maybe(tid);
	t->pid = tgid;
	t->tid = tid;
	t->start = READ(task, group_leader, start_boottime);
	t->nspid = ns_pid(READ(task, group_leader));
	t->nstid = ns_pid(task);
	set_who(t, task);
	return t;
}

/* A process that binds to a target port becomes a target, from this call on. */
static __always_inline u32 match_port(u64 *ctx, u32 tgid, bool compat)
{
	struct { u16 family; __be16 port; } a = {};
	u64 args[6], now;
	u16 port;

	entry_args(args, ctx, compat);
	if (bpf_probe_read_user(&a, sizeof(a), (void *)args[1]))
		return 0;
	port = bswap16(a.port);
	if ((a.family != AF_INET && a.family != AF_INET6) || !bpf_map_lookup_elem(&ports, &port))
		return 0;
	now = bpf_ktime_get_ns();
	set_target(tgid, PW_TARGET_WATCH, now);
	emit_proc((void *)bpf_get_current_task(), PW_PROC_FOUND, 0, 0, now);
	return PW_TARGET_WATCH;
}

static __always_inline void clear_call(struct pw_thread *t, u32 nr, bool compat)
{
	t->enter = 0;
	t->nr = nr;
	t->sub = 0;
	t->flags = 0;
	t->snaplen = 0;
	t->nsock = 0;
	t->abi = compat ? ABI_COMPAT : nr & X32_BIT ? PW_ABI_X32 : ABI_NATIVE;
}

/* Stores a call in the thread's entry, if it is to be shown at its return. */
static __always_inline void take_in(struct pw_thread *t, struct task_struct *task, struct pw_calldesc *d, u32 slot)
{
	bool any = false;

	if (t->abi == PW_ABI_I386 && t->nr == NR_SOCKETCALL) {
		slot = open_socketcall(t);
		if (!slot)
			return;
		d = bpf_map_lookup_elem(&calls, &slot);
		if (!d || !(d->flags & PW_DESC_ON))
			return;
	}
	if (t->abi == PW_ABI_I386 && t->nr == NR_OLD_SELECT && !open_old_select(t))
		return;
	t->desc = slot;
	if (d->fd1 >= 0 && enter_sock(t, task, 0, t->args[d->fd1 & 3])) {
		t->nsock = 1;
		any = true;
	}
	if (d->fd2 >= 0) {
		if (any ? enter_sock(t, task, 1, t->args[d->fd2 & 3]) :
			  enter_sock(t, task, 0, t->args[d->fd2 & 3])) {
			t->nsock++;
			any = true;
		}
	}
	if (d->flags & PW_DESC_SOCK && !any)
		return;
	/* After close and the like the socket can no longer be read at the return. */
	if (any && d->capture == PW_CAP_NONE)
		fill_sock_state(&t->sock[0], (struct sock *)t->sk[0]);
	if (captured_before(d->capture, t) && !enter_capture(t, task, d->capture, d->flags))
		return;
	t->enter = bpf_ktime_get_ns();
}

/*
 * restart_syscall continues an interrupted poll, with the arguments that the kernel has
 * saved: its sockets are those of that poll.
 */
static __always_inline void restart(struct pw_thread *t, struct task_struct *task, u32 nr, u32 slot)
{
	bool same = t->restarts && (u64)READ(task, restart_block.poll.ufds) == t->args[0];

	t->enter = 0;
	if (!same)
		return;
	t->args[1] = t->nr;
	t->nr = nr;
	t->flags = 0;
	t->snaplen = 0;
	t->desc = slot;
	t->enter = bpf_ktime_get_ns();
}

const volatile u8 cfg_gaps = 0; /* what threads do between their calls is measured (bpf/waits.bpf.c) */

#define GAP_MIN 20000000 /* ns */

/* Emits what a thread did since its last call. */
static __noinline int tell_gap(struct pw_thread *t)
{
	struct pw_kernel *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
	u32 tid = t->tid;

	if (!r) {
		count_lost_event(t->pid, PW_LOST_RING);
		return 0;
	}
	__builtin_memset(r, 0, sizeof(*r));
	r->h.len = sizeof(*r);
	r->h.kind = PW_KIND_KERNEL;
	r->h.layer = PW_LAYER_KRN;
	r->h.time = t->enter - 1;
	if (t->nsock) {
		r->cookie = t->sock[0].cookie;
		r->netns = t->sock[0].netns;
	}
	r->owner.cookie = r->cookie;
	r->owner.start = t->start;
	r->owner.time = r->h.time;
	r->owner.pid = t->pid;
	r->owner.tid = tid;
	r->owner.nspid = t->nspid;
	r->owner.nstid = t->nstid;
	r->owner.uid = t->uid;
	r->owner.how = PW_OWNER_USED;
	__builtin_memcpy(r->owner.comm, t->comm, sizeof(r->owner.comm));
	r->event = PW_EVENT_GAP;
	r->cpu = bpf_get_smp_processor_id();
	r->context = PW_CONTEXT_TASK;
	r->args[0] = t->enter - t->left;
	r->args[1] = t->ready;
	r->args[2] = t->disk;
	r->args[3] = t->slept;
	r->args[4] = t->other;
	r->args[5] = t->where | (u64)t->abi << 32;
	bpf_ringbuf_submit(r, ring_flags());
	return 0;
}

static __noinline int enter(u64 *ctx, u64 id)
{
	u32 tid = id, tgid = id >> 32, nr, slot, mode;
	struct pw_thread *t = 0;
	struct task_struct *task;
	struct pw_calldesc *d;
	bool compat;

	nr = ARG(1);
	slot = nr & ~X32_BIT;
	if (slot >= NR_MAX)
		return 0;
	task = (void *)bpf_get_current_task();
	compat = is_compat(task);
	if (compat)
		slot += PW_SLOT_COMPAT;
	d = bpf_map_lookup_elem(&calls, &slot);
	if (!d || !(d->flags & PW_DESC_ON))
		return 0;
	if (!cfg_wide || may_be_ours(tid))
		t = bpf_map_lookup_elem(&threads, &tid);
	if (cfg_turn == TURN_SECOND && t && t->seen) {
		t->seen = 0;
		return 0;
	}
	if (!t || t->epoch != targets_epoch || !t->mode) {
		mode = watched(tgid);
		if (!mode && d->flags & PW_DESC_PORTS && cfg_ports && tgid != cfg_self)
			mode = match_port(ctx, tgid, compat);
		if (!mode) {
			if (t)
				bpf_map_delete_elem(&threads, &tid); /* it is not watched any more */
			return 0;
		}
		if (!t)
			t = new_thread(tid, tgid, task);
		if (!t)
			return 0;
		t->mode = mode;
		t->epoch = targets_epoch;
	}
	/* The thread's entry tells whether the first copy has run: a call has one entry and one exit. */
	if (cfg_turn == TURN_FIRST)
		t->seen = 1;
	t->began = 1;

	if (t->enter && cfg_returns)
		count_lost_of(tgid, PW_LOST_CALL); /* the exit of the previous call was missed */
	if (d->capture == PW_CAP_RESTART) {
		restart(t, task, nr, slot);
		return 0;
	}
	t->restarts = 0;
	clear_call(t, nr, compat);
	entry_args(t->args, ctx, compat);
	take_in(t, task, d, slot);
	if (cfg_gaps && t->enter && t->left && t->enter - t->left >= GAP_MIN && t->mode == PW_TARGET_WATCH)
		tell_gap(t);
	return 0;
}

/*
 * Threads of other processes return early here and in sys_exit: a thread has an entry only
 * if its group may be watched. Both functions are as short as possible, because the cost
 * for other processes is mostly that of code that is not in the CPU's cache: with the rest
 * in the same function a ping-pong took 1.09 times as long, like this 1.06 (empty programs:
 * 1.05, measured 2026-11).
 */
SEC("raw_tp/sys_enter")
int sys_enter(u64 *ctx)
{
	u64 id = bpf_get_current_pid_tgid();

	if (!may_be_ours(id >> 32) && !cfg_wide)
		return 0;
	return enter(ctx, id);
}

/* Adds the current state of the socket of fd to the record; returns 0 if fd is not a socket. */
__noinline int exit_sock(s32 fd, u32 flags)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct scratch *s = scratch_of();
	struct inode *inode = 0;
	struct pw_syscall *c;
	struct sock *sk;
	u32 n;

	if (!s)
		return 0;
	c = (void *)s->data;
	n = c->nsock;
	sk = sock_of(file_of(task, fd), &inode);
	if (!sk || n >= MAX_SOCKS)
		return 0;
	for (u32 i = 0; i < MAX_SOCKS; i++) {
		struct pw_sock *k = (void *)(s->data + sizeof(*c) + i * sizeof(*k));

		if (i < n && k->fd == fd && !flags)
			return 0; /* it is in the record already */
	}
	fill_sock((struct pw_sock *)(s->data + sizeof(*c) + n * sizeof(struct pw_sock)), sk,
		  READ(inode, i_ino), fd, flags);
	c->nsock = n + 1;
	return 1;
}

__noinline int exit_poll_socks(u64 addr, u32 n)
{
	struct pollfd p;

	for (u32 i = 0; i < MAX_POLL; i++) {
		if (i >= n)
			break;
		if (bpf_probe_read_user(&p, sizeof(p), (void *)(addr + i * sizeof(p))))
			break;
		if (p.fd >= 0)
			exit_sock(p.fd, 0);
	}
	return 0;
}

__noinline int exit_byte_socks(u32 bits, u32 first)
{
	for (u32 i = 0; i < 8; i++)
		if ((bits >> i) & 1)
			exit_sock(first + i, 0);
	return 0;
}

/* Adds the sockets that select has left in a set. */
__noinline int exit_set_socks(u64 addr, u32 n)
{
	if (!addr)
		return 0;
	for (u32 i = 0; i < MAX_SELECT; i += 8) {
		u8 bits = 0;

		if (i >= n || bpf_probe_read_user(&bits, 1, (void *)(addr + i / 8)))
			break;
		if (bits)
			exit_byte_socks(bits, i);
	}
	return 0;
}

/* Adds the sockets of the call: those that it closes as they were at the entry, all others as they are now. */
static __always_inline void exit_socks(struct scratch *s, struct pw_thread *t, struct pw_calldesc *d, s64 ret)
{
	struct pw_syscall *c = (void *)s->data;
	struct pw_sock *out = (void *)(s->data + sizeof(*c));

	if (t->nsock > 0) {
		if (d->capture != PW_CAP_NONE || !(d->flags & PW_DESC_SOCK)) {
			/* The addresses are known only after connect, bind, listen, or the first send. */
			fill_sock_state(&t->sock[0], (struct sock *)t->sk[0]);
			t->sock[0].flags = 0;
		}
		out[0] = t->sock[0];
		c->nsock = 1;
	}
	if (t->nsock > 1) {
		out[1] = t->sock[1];
		c->nsock = 2;
	}
	if (d->flags & PW_DESC_RETFD && ret >= 0)
		exit_sock(ret, PW_SOCK_NEW | PW_SOCK_RESULT);
	if (d->capture == PW_CAP_FDPAIR && ret == 0) {
		s32 sv[2] = { -1, -1 };

		bpf_probe_read_user(sv, sizeof(sv), (void *)t->args[3]);
		exit_sock(sv[0], PW_SOCK_NEW);
		exit_sock(sv[1], PW_SOCK_NEW);
	}
	if (d->capture == PW_CAP_POLL)
		exit_poll_socks(t->args[0], t->args[1]);
	if (d->capture == PW_CAP_SELECT && ret > 0) {
		exit_set_socks(t->args[1], t->args[0]);
		exit_set_socks(t->args[2], t->args[0]);
	}
}

static __always_inline void exit_capture(struct scratch *s, struct pw_thread *t, struct pw_calldesc *d, s64 ret)
{
	bool narrow = is32(t->abi);
	u32 ts = narrow && !(d->flags & PW_DESC_TIME64) ? 8 : 16;
	u64 n = ret < 0 ? 0 : ret;
	u32 len;

	switch (d->capture) {
	case PW_CAP_ADDR_IN:
		if (!t->snaplen)
			snap(t->args[1], t->args[2], 128);
		break;
	case PW_CAP_ADDR_OUT:
		if (ret >= 0)
			snap_sized(t->args[1], t->args[2], 128);
		break;
	case PW_CAP_BUF_IN:
		snap_here(s, t->args[1], t->args[2], s->limit);
		break;
	case PW_CAP_BUF_OUT:
		snap_here(s, t->args[1], n, s->limit);
		break;
	case PW_CAP_SENDTO:
		if (t->args[4])
			snap(t->args[4], t->args[5], 128);
		snap_here(s, t->args[1], t->args[2], s->limit);
		break;
	case PW_CAP_RECVFROM:
		/* MSG_TRUNC returns more than was written */
		snap_here(s, t->args[1], n > t->args[2] ? t->args[2] : n, s->limit);
		if (ret >= 0 && t->args[5])
			snap_sized(t->args[4], t->args[5], 128);
		break;
	case PW_CAP_MSG_IN:
		snap_msg(t->args[1], narrow, SENT, 1);
		break;
	case PW_CAP_MSG_OUT:
		snap_msg(t->args[1], narrow, n, ret >= 0);
		break;
	case PW_CAP_MMSG_IN:
		snap_mmsg(t->args[1], narrow, t->args[2], 1);
		break;
	case PW_CAP_MMSG_OUT:
		snap_mmsg(t->args[1], narrow, n, 0);
		snap(t->args[4], ts, 16);
		break;
	case PW_CAP_IOV_IN:
		snap_iov(t->args[1], t->args[2], narrow, SENT);
		break;
	case PW_CAP_IOV_OUT:
		snap_iov(t->args[1], t->args[2], narrow, n);
		break;
	case PW_CAP_OPT_SET:
		if (snap_optval(t->args[1], t->args[2], t->args[3], t->args[4], narrow))
			t->flags |= PW_CALL_REDACTED;
		break;
	case PW_CAP_OPT_GET:
		len = 0;
		bpf_probe_read_user(&len, 4, (void *)t->args[4]);
		snap(t->args[4], 4, 4);
		if (ret >= 0 && snap_optval(t->args[1], t->args[2], t->args[3], len, narrow))
			t->flags |= PW_CALL_REDACTED;
		break;
	case PW_CAP_POLL:
		len = t->args[1];
		if (len > MAX_POLL)
			len = MAX_POLL;
		snap(t->args[0], len * 8, 512);
		if (d->flags & PW_DESC_TS3)
			snap(t->args[2], ts, 16);
		break;
	case PW_CAP_SELECT:
		len = ((u32)t->args[0] + 63) / 64 * 8;
		snap(t->args[1], len, 128);
		snap(t->args[2], len, 128);
		snap(t->args[3], len, 128);
		snap(t->args[4], ts, 16);
		break;
	case PW_CAP_EPOLL_WAIT:
		/* struct epoll_event is packed on x86 and on i386: 12 bytes; 16 elsewhere */
		snap(t->args[1], n * (t->abi == PW_ABI_ARM64 || t->abi == PW_ABI_ARM ? 16 : 12), 512);
		break;
	case PW_CAP_FDPAIR:
		snap(t->args[3], 8, 8);
		break;
	case PW_CAP_AIO_SUBMIT:
		snap_aio(t->args[2], t->args[1], narrow, t->nsock ? t->sock[0].fd : -1);
		break;
	case PW_CAP_AIO_EVENTS:
		snap(t->args[3], n * 32, 512);
		break;
	case PW_CAP_IOCTL:
		snap(t->args[2], ioctl_size(t->args[1]), 64);
		break;
	case PW_CAP_SENDFILE:
		snap(t->args[2], narrow && !(d->flags & PW_DESC_TIME64) ? 4 : 8, 8);
		break;
	case PW_CAP_SPLICE:
		snap(t->args[1], 8, 8);
		snap(t->args[3], 8, 8);
		break;
	case PW_CAP_URING_SETUP:
		snap(t->args[1], 120, 120);
		break;
	case PW_CAP_FCNTL:
		if ((u32)t->args[1] == 15 || (u32)t->args[1] == 16) /* F_SETOWN_EX, F_GETOWN_EX */
			snap(t->args[2], 8, 8);
		break;
	}
}

static __always_inline void fill_call(struct pw_syscall *c, struct pw_thread *t, s64 ret)
{
	set_who(t, (void *)bpf_get_current_task());
	c->h.kind = PW_KIND_SYSCALL;
	c->h.layer = PW_LAYER_SYS;
	c->h.time = bpf_ktime_get_ns();
	c->enter = t->enter;
	c->start = t->start;
	c->ret = ret;
	__builtin_memcpy(c->args, t->args, sizeof(c->args));
	c->pid = t->pid;
	c->tid = t->tid;
	c->nspid = t->nspid;
	c->nstid = t->nstid;
	c->uid = t->uid;
	c->nr = t->nr;
	c->abi = t->abi;
	c->sub = t->sub;
	c->flags = 0;
	c->nsock = 0;
	__builtin_memcpy(c->comm, t->comm, sizeof(c->comm));
}

#define NETLINK_ROUTE 0
#define NETLINK_SOCK_DIAG 4

/*
 * Limits what is copied of a message that can have keys to its header, and flags the
 * call. For messages in iovecs snap_iov does the same.
 */
static __noinline u32 key_limit(struct scratch *s, struct pw_thread *t, u32 capture, s64 ret)
{
	u64 n = ret < 0 ? 0 : ret;

	t->flags |= PW_CALL_REDACTED;
	switch (capture) {
	case PW_CAP_BUF_IN:
	case PW_CAP_SENDTO:
		return key_room(t->args[1], t->args[2], t->args[2], 1);
	case PW_CAP_BUF_OUT:
	case PW_CAP_RECVFROM:
		return key_room(t->args[1], n > t->args[2] ? t->args[2] : n, n, 0);
	}
	return HEAD_MAX;
}

const volatile u32 cfg_payload = 0;	 /* bytes copied of each direction of a connection, for messages; 0: only cfg_strlen of each buffer */
const volatile u32 cfg_turn_payload = 0; /* bytes copied after each change of direction */

#define PAYLOAD_CONNS 16384
#define REFILL_NS 1000000 /* a datagram socket may copy cfg_turn_payload again after this time */
#define MSG_PEEK 2
#define SOCK_DGRAM 2

/* How much of the payload of a socket has been copied. Two CPUs may change it at once: it limits, it does not count. */
struct said {
	u32 copied[2]; /* by direction: received, sent */
	u32 turn;      /* since the last change of direction */
	u32 sent;      /* the direction of the last call */
	u64 refilled;  /* ns since boot */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PAYLOAD_CONNS);
	__type(key, u64);
	__type(value, struct said);
} said SEC(".maps");

/* Adds n to a counter that stops far above all limits. */
static __always_inline u32 add_to(u32 to, u64 n)
{
	return to > 1 << 30 || n > 1 << 30 ? 1 << 30 : to + n;
}

/*
 * Returns how many bytes of the payload of a call may be copied for messages: the first ones of
 * each direction of a connection, and the first ones after each change of direction.
 */
static __noinline u32 message_room(struct pw_syscall *c, struct pw_sock *k, u32 capture, s64 ret)
{
	u64 key = k->cookie ? k->cookie : k->ino | 1ULL << 63, n = ret;
	struct said *v, fresh = {};
	u32 sent = 1, room, left;

	switch (capture) {
	case PW_CAP_RECVFROM:
		if (c->args[3] & MSG_PEEK)
			return 0;
		sent = 0;
		break;
	case PW_CAP_MSG_OUT:
		if (c->args[2] & MSG_PEEK)
			return 0;
		sent = 0;
		break;
	case PW_CAP_MMSG_OUT:
		n <<= 10; /* messages, whose sizes are not known here */
		sent = 0;
		break;
	case PW_CAP_BUF_OUT:
	case PW_CAP_IOV_OUT:
		sent = 0;
		break;
	case PW_CAP_MMSG_IN:
		n <<= 10;
		break;
	case PW_CAP_BUF_IN:
	case PW_CAP_SENDTO:
	case PW_CAP_MSG_IN:
	case PW_CAP_IOV_IN:
		break;
	default:
		return 0;
	}
	v = bpf_map_lookup_elem(&said, &key);
	if (!v) {
		fresh.sent = sent;
		bpf_map_update_elem(&said, &key, &fresh, BPF_NOEXIST);
		v = bpf_map_lookup_elem(&said, &key);
		if (!v)
			return 0;
	}
	if (v->sent != sent || (k->type == SOCK_DGRAM && c->h.time - v->refilled > REFILL_NS)) {
		v->sent = sent;
		v->turn = 0;
		v->refilled = c->h.time;
	}
	room = v->copied[sent & 1];
	room = room < cfg_payload ? cfg_payload - room : 0;
	left = v->turn < cfg_turn_payload ? cfg_turn_payload - v->turn : 0;
	v->copied[sent & 1] = add_to(v->copied[sent & 1], n);
	v->turn = add_to(v->turn, n);
	if (left > room)
		room = left;
	return n < room && capture != PW_CAP_MMSG_OUT && capture != PW_CAP_MMSG_IN ? n : room;
}

/* Returns the payload limit for each buffer. Messages that are decoded are copied whole. */
static __always_inline u32 payload_limit(struct scratch *s, struct pw_thread *t, u32 capture, s64 ret)
{
	struct pw_syscall *c = (void *)s->data;
	struct pw_sock *k = (void *)(s->data + sizeof(*c));

	s->keys = KEY_NONE;
	s->room = 0;
	if (!c->nsock)
		return cfg_strlen;
	s->keys = key_messages(k->family, k->protocol);
	if (s->keys && s->keys != KEY_FIRST_BUFFER && s->keys != KEY_CONTROL)
		return key_limit(s, t, capture, ret);
	if (k->family == AF_NETLINK && (k->protocol == NETLINK_ROUTE || k->protocol == NETLINK_SOCK_DIAG))
		return cfg_strlen > 2048 ? cfg_strlen : 2048;
	if (cfg_payload && ret > 0 && !s->keys && (k->family == AF_INET || k->family == AF_INET6 || k->family == AF_UNIX || k->family == AF_VSOCK))
		s->room = message_room(c, k, capture, ret);
	return s->room > cfg_strlen ? s->room : cfg_strlen;
}

/* Gets the number of a call from the context of a program at sys_exit. */
static __always_inline u32 exit_nr(u64 *ctx)
{
	return cfg_perf ? (u32)ARG(1) : (u32)NR_OF((struct pt_regs *)ARG(0));
}

/*
 * Returns the entry of the current thread, which is created if needed; 0 if the thread is not
 * watched. It and the next two are functions of their own so that their stacks do not
 * add up: 5.10 allows 512 bytes.
 */
__noinline int thread_ready(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	u64 id = bpf_get_current_pid_tgid();
	u32 tid = id, tgid = id >> 32, mode;
	struct pw_thread *t = bpf_map_lookup_elem(&threads, &tid);

	if (t && t->epoch == targets_epoch && t->mode)
		return 1;
	mode = watched(tgid);
	if (!mode)
		return 0;
	if (!t)
		t = new_thread(tid, tgid, task);
	if (!t)
		return 0;
	t->mode = mode;
	t->epoch = targets_epoch;
	return 1;
}

/* Reads the arguments of the current call in a program at sys_exit; regs are those of the tracepoint. */
static __always_inline void exit_args(u64 args[6], u64 regs, bool compat)
{
	/* perf's event has the number and the result only. */
	struct pt_regs *r = cfg_perf ? (void *)bpf_task_pt_regs(bpf_get_current_task_btf()) : (void *)regs;

	read_args(args, r, compat);
#if defined(__TARGET_ARCH_arm64)
	args[0] = READ(r, orig_x0); /* the register itself has the result now */
#endif
}

__noinline int put_args(u64 regs)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct pw_thread *t = bpf_map_lookup_elem(&threads, &tid);

	if (!t)
		return 0;
	exit_args(t->args, regs, t->abi == ABI_COMPAT);
	return 1;
}

/*
 * Handles a call of a watched thread that did not pass sys_enter: a call that seccomp refuses,
 * answers or turns into a signal has its return only (kernel/entry/common.c). It is stored as it
 * is now; it has not modified memory. Returns 0 if it is not to be shown.
 */
__noinline int take_unseen(u64 regs, u32 nr)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	u32 tid = bpf_get_current_pid_tgid(), slot = nr & ~X32_BIT;
	bool compat = is_compat(task);
	struct pw_calldesc *d;
	struct pw_thread *t;

	if (slot >= NR_MAX)
		return 0;
	if (compat)
		slot += PW_SLOT_COMPAT;
	d = bpf_map_lookup_elem(&calls, &slot);
	if (!d || !(d->flags & PW_DESC_ON) || !thread_ready())
		return 0;
	t = bpf_map_lookup_elem(&threads, &tid);
	if (!t)
		return 0;
	clear_call(t, nr, compat);
	put_args(regs);
	if (t->abi == PW_ABI_I386 && nr == NR_SOCKETCALL) {
		slot = open_socketcall(t);
		if (!slot)
			return 0;
		d = bpf_map_lookup_elem(&calls, &slot);
		if (!d || !(d->flags & PW_DESC_ON))
			return 0;
	}
	if (t->abi == PW_ABI_I386 && nr == NR_OLD_SELECT && !open_old_select(t))
		return 0;
	t->desc = slot;
	if (d->fd1 >= 0)
		t->nsock = enter_sock(t, task, 0, t->args[d->fd1 & 3]);
	if (!t->nsock && d->fd2 >= 0)
		t->nsock = enter_sock(t, task, 0, t->args[d->fd2 & 3]);
	if (d->flags & PW_DESC_SOCK && !t->nsock)
		return 0;
	/* The call has not modified memory; only the lengths are needed as at the entry. */
	switch (d->capture) {
	case PW_CAP_ADDR_OUT:
		snap_enter(t, t->args[2], 4, 16);
		break;
	case PW_CAP_RECVFROM:
		snap_enter(t, t->args[5], 4, 16);
		break;
	case PW_CAP_OPT_GET:
		snap_enter(t, t->args[4], 4, 16);
		break;
	}
	t->flags |= PW_CALL_REFUSED;
	t->enter = bpf_ktime_get_ns();
	return 1;
}

/* Counts a call that returns without its entry having been seen, if it would have been shown. */
static __always_inline void count_unseen(struct pw_thread *t, u64 *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	bool compat = is_compat(task);
	u32 slot = exit_nr(ctx) & ~X32_BIT;
	struct pw_calldesc *d;
	u64 args[6];

	if (slot >= NR_MAX || t->epoch != targets_epoch)
		return; /* it may have stopped being watched */
	if (compat)
		slot += PW_SLOT_COMPAT;
	d = bpf_map_lookup_elem(&calls, &slot);
	if (!d || !(d->flags & PW_DESC_ON))
		return;
	/* A call that a tracer handles has no sys_enter. */
	if (READ(task, ptrace))
		return;
	if (d->flags & PW_DESC_SOCK) {
		exit_args(args, cfg_perf ? 0 : ARG(0), compat);
		if (!(d->fd1 >= 0 && fd_is_sock(args[d->fd1 & 3])) && !(d->fd2 >= 0 && fd_is_sock(args[d->fd2 & 3])))
			return;
	}
	count_lost_of(t->pid, PW_LOST_CALL);
}

#define ERESTARTSYS 512
#define ERESTART_RESTARTBLOCK 516
#define SIGNAL_GROUP_EXIT 4

/*
 * A thread that is killed in a call by exit_group or a fatal signal still returns from it in the
 * kernel, but never to user space: the call is unfinished.
 */
static __always_inline u8 dying(s64 ret)
{
	struct task_struct *task;

	if (ret > -ERESTARTSYS || ret < -ERESTART_RESTARTBLOCK)
		return 0;
	task = (void *)bpf_get_current_task();
	return READ(task, signal, flags) & SIGNAL_GROUP_EXIT ? PW_CALL_UNFINISHED : 0;
}

/* Emits the record of a call that has returned. */
static __always_inline int finish(struct pw_thread *t, s64 ret, u8 flags)
{
	struct pw_calldesc *d;
	struct pw_syscall *c;
	struct scratch *s;
	u32 desc = t->desc;
	u64 start, len;

	d = bpf_map_lookup_elem(&calls, &desc);
	s = scratch_of();
	if (!d || !s)
		return 0;

	c = (void *)s->data;
	s->cut = 0;
	fill_call(c, t, ret);
	exit_socks(s, t, d, ret);
	s->limit = payload_limit(s, t, d->capture, ret);
	if (d->flags & PW_DESC_RETSOCK && !c->nsock) {
		t->enter = 0;
		return 0;
	}
	start = sizeof(*c) + (c->nsock & 15) * sizeof(struct pw_sock);
	s->off = start;
	len = t->snaplen;
	if (len) {
		keep_bound(len);
		if (len > PW_SNAP_SIZE)
			len = PW_SNAP_SIZE;
		bpf_probe_read_kernel(s->data + start, len, t->snap);
		s->off = start + len;
	}
	exit_capture(s, t, d, ret);

	len = s->off;
	keep_bound(len);
	if (len > SCRATCH_WINDOW + SCRATCH_SLACK)
		len = SCRATCH_WINDOW + SCRATCH_SLACK;
	c->h.len = len;
	c->chunks = len - start;
	c->flags = t->flags | flags | (s->cut ? PW_CALL_CUT : 0) | (t->mode == PW_TARGET_TENTATIVE ? PW_CALL_TENTATIVE : 0);
	t->enter = 0;
	if (cfg_gaps) {
		t->left = c->h.time;
		t->off = t->ready = t->disk = t->slept = t->other = 0;
	}
	emit(c, len, t->pid);
	return 0;
}

/* Reports whether the current thread is subject to seccomp. */
static __always_inline bool filtered(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	return READ(task, seccomp.mode) && !READ(task, ptrace);
}

/* Reports whether the current thread is older than the programs. */
static __always_inline bool is_old(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	return READ(task, start_boottime) < cfg_loaded;
}

static __noinline int leave(u64 *ctx, u32 tid)
{
	s64 ret = cfg_perf ? ARG(2) : ARG(1);
	struct pw_thread *t = 0;
	u8 flags = 0;
	u32 nr;

	if (!cfg_wide || may_be_ours(tid))
		t = bpf_map_lookup_elem(&threads, &tid);
	if (!t) {
		if (cfg_turn == TURN_SECOND || !filtered())
			return 0;
		nr = exit_nr(ctx);
		if (is_old()) {
			/* This call may have started before the thread was watched; later ones have not. */
			thread_ready();
			return 0;
		}
		if (!take_unseen(cfg_perf ? 0 : ARG(0), nr))
			return 0;
		t = bpf_map_lookup_elem(&threads, &tid);
		if (!t)
			return 0;
		goto end;
	}
	if (!t->began) {
		if (cfg_turn == TURN_SECOND) /* the first copy has handled it */
			return 0;
		if (!filtered()) {
			count_unseen(t, ctx);
			return 0;
		}
		if (t->epoch != targets_epoch) {
			thread_ready(); /* it may not have been watched when this call started */
			return 0;
		}
		nr = exit_nr(ctx);
		if (!take_unseen(cfg_perf ? 0 : ARG(0), nr))
			return 0;
		goto end;
	}
	t->began = 0;
	t->seen = 0; /* in case the second copy is skipped */
	if (!t->enter)
		return 0;
	if (exit_nr(ctx) != t->nr) {
		t->enter = 0;
		count_lost_of(t->pid, PW_LOST_CALL); /* this is the exit of another call: that of the stored one was missed */
		return 0;
	}
	t->restarts = ret == -ERESTART_RESTARTBLOCK;
	flags = dying(ret);
end:
	t->rolled = ret == t->nr && t->flags & PW_CALL_REFUSED;
	return finish(t, ret, flags);
}

SEC("raw_tp/sys_exit")
int sys_exit(u64 *ctx)
{
	u64 id = bpf_get_current_pid_tgid();

	if (!may_be_ours(id >> 32) && !cfg_wide)
		return 0;
	return leave(ctx, id);
}
