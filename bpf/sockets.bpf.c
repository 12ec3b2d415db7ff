// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Identity of sockets. The kernel assigns a socket's cookie when it is first asked for
 * one. These programs ask when the socket is created, so that all layers find it.
 * Each is loaded separately: without one of them its sockets have no cookie, and are
 * identified by their inode.
 */
#include "sock.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* AF_INET and AF_INET6, in the context of the creator. The cookie helper is there since 5.7. */
SEC("cgroup/sock_create")
int cookie_create(struct bpf_sock *ctx)
{
	bpf_get_socket_cookie(ctx);
	return 1;
}

/* Accepted TCP sockets are created in a softirq. tp_btf has the cookie helper since 5.12. */
SEC("tp_btf/inet_sock_set_state")
int cookie_state(u64 *ctx)
{
	bpf_get_socket_cookie((void *)ctx[0]);
	return 0;
}

/* The same before 5.12. */
SEC("sockops")
int cookie_sockops(struct bpf_sock_ops *ctx)
{
	if (ctx->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
		bpf_get_socket_cookie(ctx);
	ctx->reply = -1;
	return 1;
}

#define IPPROTO_MPTCP 262

/* The iterator's output: one for each open socket of the host. */
struct open_sock {
	u64 start;
	u32 pid;
	u32 pad;
	u64 sk;    /* its address */
	u64 first; /* MPTCP: address of its first TCP socket */
	struct pw_sock sock;
};

const volatile u8 cfg_number = 0; /* iterators can assign cookies: since 5.12 */

SEC("iter/task_file")
int open_sockets(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct inode *inode = 0;
	struct open_sock o = {};
	struct sock *sk;

	if (!task || !file)
		return 0;
	if (task->pid != task->tgid)
		return 0;
	sk = sock_of(file, &inode);
	if (!sk)
		return 0;
	if (cfg_number) {
		struct socket *s = bpf_sock_from_file(file);

		if (s)
			bpf_get_socket_cookie(s->sk);
	}
	o.pid = task->tgid;
	o.start = task->start_boottime;
	o.sk = (u64)sk;
	if (READ(sk, sk_protocol) == IPPROTO_MPTCP && bpf_core_type_exists(struct mptcp_sock))
		o.first = (u64)READ((struct mptcp_sock *)sk, first);
	fill_sock(&o.sock, sk, READ(inode, i_ino), ctx->fd, 0);
	bpf_seq_write(ctx->meta->seq, &o, sizeof(o));
	return 0;
}
