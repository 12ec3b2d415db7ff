// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * io_uring requests: no system call is made for them, and a kernel thread may
 * submit and complete them. They are put down to the task that owns the ring's
 * request, never to whoever runs.
 */
#include "sock.h"
#include "turn.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The tracepoints' arguments have changed; user space reads which from BTF. */
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

#define OP_ACCEPT 13
#define OP_CLOSE 19
#define OP_SOCKET 45
#define SETUP_SQPOLL 2
#define SQE_FIXED_FILE 1
#define CQE_F_MORE 2

struct request {
	u64 enter;
	u64 start;
	u64 ring;
	u64 user_data;
	u64 task; /* the owner; alive as long as its request */
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
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, u64);
	__type(value, struct request);
} requests SEC(".maps");

/*
 * The operations that are about sockets whatever the fd (include/uapi/linux/io_uring.h),
 * as bits: SENDMSG 9, RECVMSG 10, ACCEPT 13, CONNECT 16, SEND 26, RECV 27,
 * SHUTDOWN 34, SOCKET 45, SEND_ZC 47, SENDMSG_ZC 48, BIND 56, LISTEN 57, RECV_ZC 58.
 */
#define SOCKET_OPS                                                                                       \
	(1ULL << 9 | 1ULL << 10 | 1ULL << 13 | 1ULL << 16 | 1ULL << 26 | 1ULL << 27 | 1ULL << 34 |     \
	 1ULL << 45 | 1ULL << 47 | 1ULL << 48 | 1ULL << 56 | 1ULL << 57 | 1ULL << 58)

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

TURN_PROGRAM("raw_tp/io_uring_submit_req", uring_submit)
{
	struct io_kiocb *req = submitted(ctx);
	struct task_struct *owner = cfg_submit == SUBMIT_CTX ? (void *)bpf_get_current_task() : owner_of(req);
	u32 tgid = READ(owner, tgid);
	u32 mode = mode_of(tgid);
	struct request r = {};
	u64 key;

	if (!mode || mode == PW_TARGET_NEVER) {
		/* `all`, a user or a cgroup can name the current task only. */
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
		break;
	default:
		r.ring = (u64)READ(req, ctx);
		r.opcode = READ(req, opcode);
		r.user_data = READ(req, cqe.user_data);
		r.fd = READ(req, cqe.fd);
		/* These have no file to work on: what stands in cqe.fd is not theirs. */
		if (r.opcode == OP_SOCKET)
			r.fd = -1;
		if (r.opcode == OP_CLOSE && bpf_core_field_exists(req->cmd) && bpf_core_type_exists(struct io_close))
			bpf_core_read(&r.fd, sizeof(r.fd), &((struct io_close *)&req->cmd)->fd);
		key = (u64)req;
		if (READ(req, flags) & SQE_FIXED_FILE)
			r.flags |= PW_URING_FIXED_FILE;
		/* req->file is set when the request is issued, which comes later */
		add_sock(&r, owner, 0);
		if (READ(req, ctx, flags) & SETUP_SQPOLL)
			r.flags |= PW_URING_SQPOLL;
	}
	if (!r.nsock && (r.opcode > 63 || !((1ULL << r.opcode) & SOCKET_OPS)))
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
	 * Without the request at completion, two in flight with one user_data
	 * cannot be told apart: the earlier is lost rather than guessed at.
	 */
	if (cfg_complete == COMPLETE_CTX && bpf_map_lookup_elem(&requests, &key))
		count_lost(PW_LOST_URING);
	if (bpf_map_update_elem(&requests, &key, &r, BPF_ANY))
		count_lost(PW_LOST_URING);
	return 0;
}

TURN_PROGRAM("raw_tp/io_uring_complete", uring_complete)
{
	struct io_kiocb *req = (void *)ARG(1);
	struct {
		struct pw_uring u;
		struct pw_sock k[2];
	} *rec;
	struct inode *inode = 0;
	struct request *r;
	struct sock *sk;
	u32 cqe_flags = 0;
	u64 key;
	s64 res;

	switch (cfg_complete) {
	case COMPLETE_CTX:
		key = ARG(0) ^ ARG(1);
		res = (s32)ARG(2);
		break;
	case COMPLETE_CTX_REQ:
		key = (u64)req;
		res = (s32)ARG(3);
		cqe_flags = ARG(4);
		break;
	default:
		key = (u64)req;
		res = READ((struct io_uring_cqe *)ARG(2), res);
		cqe_flags = READ((struct io_uring_cqe *)ARG(2), flags);
	}
	r = bpf_map_lookup_elem(&requests, &key);
	if (!r)
		return 0;
	rec = bpf_ringbuf_reserve(&ring, sizeof(*rec), 0);
	if (!rec) {
		count_lost_of(r->pid, PW_LOST_RING);
		return 0;
	}
	__builtin_memset(rec, 0, sizeof(*rec));
	rec->u.h.len = sizeof(*rec);
	rec->u.h.kind = PW_KIND_URING;
	rec->u.h.layer = PW_LAYER_SYS;
	rec->u.h.time = bpf_ktime_get_ns();
	rec->u.enter = r->enter;
	rec->u.start = r->start;
	rec->u.ring = r->ring;
	rec->u.user_data = r->user_data;
	rec->u.res = res;
	rec->u.pid = r->pid;
	rec->u.tid = r->tid;
	rec->u.nspid = r->nspid;
	rec->u.nstid = r->nstid;
	rec->u.uid = r->uid;
	rec->u.fd = r->fd;
	rec->u.cqe_flags = cqe_flags;
	rec->u.opcode = r->opcode;
	rec->u.flags = r->flags | (r->mode == PW_TARGET_TENTATIVE ? PW_URING_TENTATIVE : 0);
	__builtin_memcpy(rec->u.comm, r->comm, sizeof(r->comm));
	if (r->nsock) {
		rec->k[0] = r->sock;
		rec->u.nsock = 1;
	} else if (cfg_complete != COMPLETE_CTX) {
		/* a fixed file, or one not known at submission: the request has it now */
		sk = sock_of(READ(req, file), &inode);
		if (sk) {
			fill_sock(&rec->k[0], sk, READ(inode, i_ino), r->fd, 0);
			rec->u.nsock = 1;
		}
	}
	/* ACCEPT and SOCKET return a new descriptor */
	if ((r->opcode == OP_ACCEPT || r->opcode == OP_SOCKET) && res >= 0) {
		sk = sock_of(file_of((void *)r->task, res), &inode);
		if (sk) {
			fill_sock(rec->u.nsock ? &rec->k[1] : &rec->k[0], sk, READ(inode, i_ino), res,
				  PW_SOCK_NEW | PW_SOCK_RESULT);
			rec->u.nsock++;
		}
	}
	if (!(cqe_flags & CQE_F_MORE))
		bpf_map_delete_elem(&requests, &key);
	bpf_ringbuf_submit(rec, ring_flags());
	return 0;
}
