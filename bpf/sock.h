/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* Finds the socket of a file descriptor by reading kernel memory. It does not use /proc, and works in any namespace. */
#ifndef PIDWIRE_SOCK_H
#define PIDWIRE_SOCK_H

#include "pidwire.h"

#define AF_UNIX 1
#define AF_VSOCK 40
#define AF_INET 2
#define AF_INET6 10
#define AF_NETLINK 16
#define S_IFMT 0170000
#define S_IFSOCK 0140000

static __always_inline struct file *file_of(struct task_struct *task, u32 fd)
{
	struct fdtable *table = READ(task, files, fdt);

	if (fd >= READ(table, max_fds))
		return 0;
	return (struct file *)WORD(READ(table, fd) + fd);
}

/*
 * Returns the sock of a file, 0 if the file is not a socket. The path of a unix
 * socket that is opened with O_PATH has the mode of a socket, but no private_data.
 */
static __always_inline struct sock *sock_of(struct file *f, struct inode **inode)
{
	struct socket *s;

	if (!f)
		return 0;
	*inode = READ(f, f_inode);
	if ((READ(*inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	s = READ(f, private_data);
	if (!s)
		return 0;
	return READ(s, sk);
}

static __always_inline u64 inode_of(struct sock *sk)
{
	struct socket *s = READ(sk, sk_socket);
	unsigned long ino = 0;

	if (!s)
		return 0;
	bpf_core_read(&ino, sizeof(ino),
		      &((struct socket_alloc *)((void *)s - bpf_core_field_offset(struct socket_alloc, socket)))
			       ->vfs_inode.i_ino);
	return ino;
}

static __always_inline u8 state_of(struct sock *sk)
{
	u8 state = 0;

	bpf_core_read(&state, 1, &sk->__sk_common.skc_state);
	return state;
}

/*
 * The fields that can change between two calls. skc_daddr to skc_state have been
 * adjacent and in this order since Linux 3.0 (include/net/sock.h), so that one
 * read gets them all.
 */
struct sock_head {
	__be32 daddr;
	__be32 rcv_saddr;
	u32 hash;
	__be16 dport;
	u16 num;
	u16 family;
	u8 state;
	u8 reuse;
};

static __always_inline u16 bswap16(u16 v)
{
	return __builtin_bswap16(v);
}

static __always_inline void fill_sock_state(struct pw_sock *p, struct sock *sk)
{
	struct sock_head h = {};

	if (cfg_cast) {
		struct sock_common *c = &TYPED(sk)->__sk_common;

		h.daddr = c->skc_daddr;
		h.rcv_saddr = c->skc_rcv_saddr;
		h.dport = c->skc_dport;
		h.num = c->skc_num;
		h.family = c->skc_family;
		h.state = c->skc_state;
	} else {
		bpf_probe_read_kernel(&h, sizeof(h),
				      (void *)sk + bpf_core_field_offset(struct sock, __sk_common) +
					      bpf_core_field_offset(struct sock_common, skc_daddr));
	}
	p->family = h.family;
	p->state = h.state;
	p->lport = 0;
	p->rport = 0;
	switch (h.family) {
	case AF_INET:
		p->lport = h.num;
		p->rport = bswap16(h.dport);
		__builtin_memcpy(p->raddr, &h.daddr, 4);
		__builtin_memcpy(p->laddr, &h.rcv_saddr, 4);
		break;
	case AF_INET6:
		p->lport = h.num;
		p->rport = bswap16(h.dport);
		bpf_core_read(p->raddr, 16, &sk->__sk_common.skc_v6_daddr);
		bpf_core_read(p->laddr, 16, &sk->__sk_common.skc_v6_rcv_saddr);
		break;
	case AF_UNIX:
		/* The peer of a connected socket never changes. */
		if (!p->peer_ino) {
			struct sock *peer = READ((struct unix_sock *)sk, peer);

			p->peer_ino = peer ? inode_of(peer) : 0;
		}
		break;
	case AF_NETLINK: {
		u32 id = READ((struct netlink_sock *)sk, portid);

		__builtin_memcpy(p->laddr, &id, 4);
		break;
	}
	}
	/* The kernel assigns a cookie when it is first asked for one. */
	if (!p->cookie)
		p->cookie = READ(sk, __sk_common.skc_cookie.counter);
}

static __always_inline void fill_sock(struct pw_sock *p, struct sock *sk, u64 ino, s32 fd, u8 flags)
{
	__builtin_memset(p, 0, sizeof(*p));
	p->ino = ino;
	p->fd = fd;
	p->flags = flags;
	p->type = READ(sk, sk_type);
	p->protocol = READ(sk, sk_protocol);
	p->netns = READ(sk, __sk_common.skc_net.net, ns.inum);
	fill_sock_state(p, sk);
}

#endif
