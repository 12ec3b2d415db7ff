// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * io_uring requests. They need no system call, and a kernel thread can submit and
 * complete them. They are attributed to the task that owns the request, never to the
 * current one.
 */
#include "sock.h"
#include "turn.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Forms of the tracepoints, which differ between kernels; user space gets them from BTF. */
enum {
	SUBMIT_CTX = 1,	      /* 5.10: (ctx, opcode, user_data, ...) */
	SUBMIT_CTX_REQ = 2,   /* 5.15: (ctx, req, opcode, user_data, flags, force_nonblock, sq_thread) */
	SUBMIT_REQ = 3,	      /* 6.0: (req, ...) */
	COMPLETE_CTX = 1,     /* 5.10, 5.15: (ctx, user_data, res, ...) */
	COMPLETE_CTX_REQ = 2, /* 5.17: (ctx, req, user_data, res, cflags, ...) */
	COMPLETE_CQE = 3,     /* 6.12: (ctx, req, cqe) */
};

const volatile u8 cfg_submit = 0;
const volatile u8 cfg_complete = 0;
const volatile u8 cfg_overflow_cqe = 0; /* io_uring_cqe_overflow has a CQE, not its fields */

#define OP_ACCEPT 13
#define OP_CLOSE 19
#define OP_SOCKET 45
#define SETUP_SQPOLL 2
#define SQE_FIXED_FILE 1
#define SQE_CQE_SKIP 64
#define CQE_F_MORE 2
#define CQE_F_NOTIF 8
#define OP_SPLICE 30
#define OP_TEE 33
#define OP_URING_CMD 46

struct request {
	u64 enter;
	u64 start;
	u64 ring;
	u64 user_data;
	u64 task; /* the owner, which outlives its requests */
	u32 pid;
	u32 tid;
	u32 nspid;
	u32 nstid;
	u32 uid;
	s32 fd;
	u32 mode;
	u8 opcode;
	u8 flags;
	u8 nsock;
	u8 pad;
	char comm[16];
	struct pw_sock sock;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 131072);
	__type(key, u64);
	__type(value, struct request);
} requests SEC(".maps");

/*
 * Requests by ring and user_data, for completions that do not name the request: those of a
 * multishot request, the notification of a zero-copy send, and completions that
 * find the queue full.
 */
struct completion {
	u64 ring;
	u64 user_data;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 131072);
	__type(key, struct completion);
	__type(value, u64);
} by_data SEC(".maps");

/*
 * Operations that are always on sockets (include/uapi/linux/io_uring.h), as bits:
 * SENDMSG 9, RECVMSG 10, ACCEPT 13, CONNECT 16, SEND 26, RECV 27,
 * SHUTDOWN 34, SOCKET 45, SEND_ZC 47, SENDMSG_ZC 48, BIND 56, LISTEN 57, RECV_ZC 58.
 */
#define SOCKET_OPS                                                                                       \
	(1ULL << 9 | 1ULL << 10 | 1ULL << 13 | 1ULL << 16 | 1ULL << 26 | 1ULL << 27 | 1ULL << 34 |     \
	 1ULL << 45 | 1ULL << 47 | 1ULL << 48 | 1ULL << 56 | 1ULL << 57 | 1ULL << 58)

/* Operations on any file. With a registered file only the completion shows whether it is a socket: READV 1, WRITEV 2,
 * READ_FIXED 4, WRITE_FIXED 5, POLL_ADD 6, READ 22, WRITE 23, SPLICE 30, TEE 33, READ_MULTISHOT 49, READV_FIXED 60, WRITEV_FIXED 61. */
#define FILE_OPS                                                                                          \
	(1ULL << 1 | 1ULL << 2 | 1ULL << 4 | 1ULL << 5 | 1ULL << 6 | 1ULL << 22 | 1ULL << 23 |           \
	 1ULL << 30 | 1ULL << 33 | 1ULL << 49 | 1ULL << 60 | 1ULL << 61)

static __always_inline bool one_of(u64 ops, u8 opcode)
{
	return opcode < 64 && ops >> opcode & 1;
}

static __always_inline struct task_struct *owner_of(struct io_kiocb *req)
{
	if (bpf_core_field_exists(req->tctx))
		return READ(req, tctx, task);
	if (bpf_core_field_exists(((struct io_kiocb___task *)req)->task))
		return READ((struct io_kiocb___task *)req, task);
	return (void *)bpf_get_current_task();
}

static __always_inline void add_sock(struct request *r, struct task_struct *owner, struct file *file)
{
	struct inode *inode = 0;
	struct sock *sk;

	if (!file && r->fd >= 0 && !(r->flags & PW_URING_FIXED_FILE))
		file = file_of(owner, r->fd);
	sk = sock_of(file, &inode);
	if (!sk)
		return;
	fill_sock(&r->sock, sk, READ(inode, i_ino), r->fd, 0);
	r->nsock = 1;
}

static __always_inline struct io_kiocb *submitted(u64 *ctx)
{
	if (cfg_submit == SUBMIT_CTX)
		return 0;
	if (cfg_submit == SUBMIT_CTX_REQ)
		return (void *)ARG(1);
	return (void *)ARG(0);
}

/* Deletes a request; r is the entry of key. */
static __always_inline void forget(u64 key, struct request *r)
{
	struct completion by = {};
	u64 *of;

	by.ring = r->ring;
	by.user_data = r->user_data;
	of = bpf_map_lookup_elem(&by_data, &by);
	if (of && *of == key)
		bpf_map_delete_elem(&by_data, &by);
	bpf_map_delete_elem(&requests, &key);
}

static __always_inline void fill_uring(struct pw_uring *u, struct request *r)
{
	u->h.kind = PW_KIND_URING;
	u->h.layer = PW_LAYER_SYS;
	u->h.time = bpf_ktime_get_ns();
	u->enter = r->enter;
	u->start = r->start;
	u->ring = r->ring;
	u->user_data = r->user_data;
	u->pid = r->pid;
	u->tid = r->tid;
	u->nspid = r->nspid;
	u->nstid = r->nstid;
	u->uid = r->uid;
	u->fd = r->fd;
	u->opcode = r->opcode;
	u->flags = r->flags | (r->mode == PW_TARGET_TENTATIVE ? PW_URING_TENTATIVE : 0);
	__builtin_memcpy(u->comm, r->comm, sizeof(r->comm));
}

/* The request has a completion only if it fails. */
static __always_inline void emit_skipped(struct request *r)
{
	struct {
		struct pw_uring u;
		struct pw_sock k;
	} *rec;

	rec = bpf_ringbuf_reserve(&ring, sizeof(*rec), 0);
	if (!rec) {
		count_lost_of(r->pid, PW_LOST_RING);
		return;
	}
	__builtin_memset(rec, 0, sizeof(*rec));
	fill_uring(&rec->u, r);
	rec->u.h.len = sizeof(*rec);
	rec->u.flags |= PW_URING_SKIPPED;
	rec->u.nsock = r->nsock;
	if (r->nsock)
		rec->k = r->sock;
	bpf_ringbuf_submit(rec, ring_flags());
}

TURN_PROGRAM("raw_tp/io_uring_submit_req", uring_submit)
{
	struct io_kiocb *req = submitted(ctx);
	struct task_struct *owner = cfg_submit == SUBMIT_CTX ? (void *)bpf_get_current_task() : owner_of(req);
	u32 tgid = READ(owner, tgid);
	u32 mode = mode_of(tgid);
	struct completion by = {};
	struct request r = {}, *before;
	bool skip = false;
	u64 key;

	if (!mode || mode == PW_TARGET_NEVER) {
		/* `all`, users and cgroups can be matched for the current task only. */
		if (owner != (void *)bpf_get_current_task())
			return 0;
		mode = watched(tgid);
		if (!mode)
			return 0;
	}
	r.fd = -1;
	switch (cfg_submit) {
	case SUBMIT_CTX:
		r.ring = ARG(0);
		r.opcode = ARG(1);
		r.user_data = ARG(2);
		key = r.ring ^ r.user_data;
		break;
	case SUBMIT_CTX_REQ:
		r.ring = ARG(0);
		r.opcode = ARG(2);
		r.user_data = ARG(3);
		key = cfg_complete == COMPLETE_CTX ? r.ring ^ r.user_data : (u64)req;
		add_sock(&r, owner, READ(req, file));
		if (READ(req, flags) & SQE_FIXED_FILE)
			r.flags |= PW_URING_FIXED_FILE;
		skip = READ(req, flags) & SQE_CQE_SKIP;
		break;
	default:
		r.ring = (u64)READ(req, ctx);
		r.opcode = READ(req, opcode);
		r.user_data = READ(req, cqe.user_data);
		r.fd = READ(req, cqe.fd);
		/* Other operations have no file: cqe.fd still has the result of the previous request in this memory. */
		if (r.opcode == OP_SOCKET || !one_of(SOCKET_OPS | FILE_OPS | 1ULL << OP_URING_CMD, r.opcode))
			r.fd = -1;
		if (r.opcode == OP_CLOSE && bpf_core_field_exists(req->cmd) && bpf_core_type_exists(struct io_close))
			bpf_core_read(&r.fd, sizeof(r.fd), &((struct io_close *)&req->cmd)->fd);
		key = (u64)req;
		skip = READ(req, flags) & SQE_CQE_SKIP;
		if (READ(req, flags) & SQE_FIXED_FILE)
			r.flags |= PW_URING_FIXED_FILE;
		if (bpf_core_field_exists(req->cmd)) {
			u32 slot = 0;

			if (r.opcode == OP_ACCEPT && bpf_core_type_exists(struct io_accept))
				bpf_core_read(&slot, sizeof(slot), &((struct io_accept *)&req->cmd)->file_slot);
			if (r.opcode == OP_SOCKET && bpf_core_type_exists(struct io_socket))
				bpf_core_read(&slot, sizeof(slot), &((struct io_socket *)&req->cmd)->file_slot);
			if (slot)
				r.flags |= PW_URING_FIXED_RESULT;
		}
		/* req->file is set when the request is issued, which is later. */
		add_sock(&r, owner, 0);
		if (READ(req, ctx, flags) & SETUP_SQPOLL)
			r.flags |= PW_URING_SQPOLL;
		if (!r.nsock && (r.opcode == OP_SPLICE || r.opcode == OP_TEE) && !(r.flags & PW_URING_FIXED_FILE) &&
		    bpf_core_field_exists(req->cmd) && bpf_core_type_exists(struct io_splice)) {
			s32 to = r.fd;

			bpf_core_read(&r.fd, sizeof(r.fd), &((struct io_splice *)&req->cmd)->splice_fd_in);
			add_sock(&r, owner, 0);
			if (!r.nsock)
				r.fd = to;
		}
	}
	/* An existing entry belongs to a request that has ended without a completion. */
	before = cfg_complete == COMPLETE_CTX ? 0 : bpf_map_lookup_elem(&requests, &key);
	if (before)
		forget(key, before);
	if (!r.nsock && !one_of(SOCKET_OPS, r.opcode) && !(r.flags & PW_URING_FIXED_FILE && one_of(FILE_OPS, r.opcode)))
		return 0;
	r.enter = bpf_ktime_get_ns();
	r.task = (u64)owner;
	r.pid = tgid;
	r.tid = READ(owner, pid);
	r.start = READ(owner, group_leader, start_boottime);
	r.nspid = ns_pid(READ(owner, group_leader));
	r.nstid = ns_pid(owner);
	r.uid = READ(owner, cred, euid.val);
	r.mode = mode;
	BPF_CORE_READ_INTO(&r.comm, owner, comm);
	/*
	 * If completions do not name the request, two requests in flight with the same
	 * user_data cannot be distinguished: the earlier one counts as lost.
	 */
	if (cfg_complete == COMPLETE_CTX && bpf_map_lookup_elem(&requests, &key))
		count_lost_of(r.pid, PW_LOST_URING);
	if (bpf_map_update_elem(&requests, &key, &r, BPF_ANY)) {
		count_lost_of(r.pid, PW_LOST_URING);
		return 0;
	}
	if (skip && (r.nsock || one_of(SOCKET_OPS, r.opcode))) {
		emit_skipped(&r);
		return 0;
	}
	if (cfg_complete == COMPLETE_CTX || skip)
		return 0;
	by.ring = r.ring;
	by.user_data = r.user_data;
	bpf_map_update_elem(&by_data, &by, &key, BPF_ANY);
	return 0;
}

/* Handles a completion; req is the request that it names, 0 if none. */
static __always_inline void completed(u64 ring_at, struct io_kiocb *req, u64 user_data, s64 res, u32 cqe_flags)
{
	struct completion by = {};
	struct {
		struct pw_uring u;
		struct pw_sock k[2];
	} *rec;
	struct inode *inode = 0;
	struct request *r = 0;
	struct sock *sk;
	u64 key, *of;

	key = cfg_complete == COMPLETE_CTX ? ring_at ^ user_data : (u64)req;
	if (key)
		r = bpf_map_lookup_elem(&requests, &key);
	if (cfg_complete != COMPLETE_CTX) {
		if (r && (r->user_data != user_data || r->ring != ring_at)) {
			forget(key, r); /* the memory has been reused for another request */
			r = 0;
		}
		if (!r) {
			by.ring = ring_at;
			by.user_data = user_data;
			of = bpf_map_lookup_elem(&by_data, &by);
			if (!of)
				return;
			key = *of;
			r = bpf_map_lookup_elem(&requests, &key);
		}
	}
	if (!r || r->user_data != user_data)
		return;
	rec = bpf_ringbuf_reserve(&ring, sizeof(*rec), 0);
	if (!rec) {
		count_lost_of(r->pid, PW_LOST_RING);
		if (!(cqe_flags & CQE_F_MORE))
			forget(key, r);
		return;
	}
	__builtin_memset(rec, 0, sizeof(*rec));
	fill_uring(&rec->u, r);
	rec->u.h.len = sizeof(*rec);
	rec->u.res = res;
	rec->u.cqe_flags = cqe_flags;
	if (r->nsock) {
		rec->k[0] = r->sock;
		rec->u.nsock = 1;
	} else if (cfg_complete != COMPLETE_CTX) {
		/* A registered file, or one unknown at submission: the request has it now. */
		sk = sock_of(READ((struct io_kiocb *)key, file), &inode);
		if (sk) {
			fill_sock(&rec->k[0], sk, READ(inode, i_ino), r->fd, 0);
			rec->u.nsock = 1;
		}
	}
	/* ACCEPT and SOCKET return a new descriptor. */
	if ((r->opcode == OP_ACCEPT || r->opcode == OP_SOCKET) && res >= 0 && !(r->flags & PW_URING_FIXED_RESULT)) {
		sk = sock_of(file_of((void *)r->task, res), &inode);
		if (sk) {
			fill_sock(rec->u.nsock ? &rec->k[1] : &rec->k[0], sk, READ(inode, i_ino), res,
				  PW_SOCK_NEW | PW_SOCK_RESULT);
			rec->u.nsock++;
		}
	}
	if (rec->u.nsock || one_of(SOCKET_OPS, r->opcode))
		bpf_ringbuf_submit(rec, ring_flags());
	else
		bpf_ringbuf_discard(rec, BPF_RB_NO_WAKEUP);
	if (!(cqe_flags & CQE_F_MORE))
		forget(key, r);
}

TURN_PROGRAM("raw_tp/io_uring_complete", uring_complete)
{
	struct io_uring_cqe *cqe;

	switch (cfg_complete) {
	case COMPLETE_CTX:
		completed(ARG(0), 0, ARG(1), (s32)ARG(2), 0);
		break;
	case COMPLETE_CTX_REQ:
		completed(ARG(0), (void *)ARG(1), ARG(2), (s32)ARG(3), ARG(4));
		break;
	default:
		cqe = (void *)ARG(2);
		completed(ARG(0), (void *)ARG(1), READ(cqe, user_data), READ(cqe, res), READ(cqe, flags));
	}
	return 0;
}

/* The completion queue is full: the completion is kept by the kernel, and this is its only event. */
TURN_PROGRAM("raw_tp/io_uring_cqe_overflow", uring_overflow)
{
	struct io_uring_cqe *cqe;

	if (cfg_overflow_cqe) {
		cqe = (void *)ARG(1);
		completed(ARG(0), 0, READ(cqe, user_data), READ(cqe, res), READ(cqe, flags));
	} else {
		completed(ARG(0), 0, ARG(1), (s32)ARG(2), ARG(3));
	}
	return 0;
}
