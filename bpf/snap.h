/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * Copies memory of the process into chunks of a record. The functions without
 * `static` are global: the verifier checks each of them once and not for each
 * caller, which keeps the programs within the limits of 5.10. A global function
 * takes numbers only, so that each looks up the buffer itself.
 */
#ifndef PIDWIRE_SNAP_H
#define PIDWIRE_SNAP_H

#include "keys.h"
#include "pidwire.h"

#define SCRATCH_WINDOW 65536 /* a chunk starts below this offset */
#define SCRATCH_SLACK (65536 + 64)
#define SNAP_MAX 65536 /* bytes of one chunk */
#define MAX_IOV 16
#define MAX_MSG 8

/* The record under construction, one for each CPU. It is too large for a per-CPU map before 6.x. */
struct scratch {
	u32 off;
	u32 cut;
	u32 limit; /* payload bytes copied from each buffer of this call */
	u32 keys;  /* enum key_head: which part of the messages of this socket has no key material */
	/* State of key_iov_room. It is in memory so that the verifier checks one iteration of its loop only. */
	u64 left;  /* bytes of the message in the buffers to come */
	u64 size;  /* bytes in the buffers so far */
	u32 have;  /* bytes in head */
	u32 room;  /* payload bytes that may still be copied for messages, over all buffers of this call */
	u8 head[64]; /* start of the message, which is checked before any of it is copied */
	u8 data[SCRATCH_WINDOW + SCRATCH_SLACK + 64];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* user space sets the number of possible CPUs */
	__type(key, u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

static __always_inline struct scratch *scratch_of(void)
{
	u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&scratches, &cpu);
}

/* Copies memory at the entry of a call, into the entry of the thread. most is a constant. */
static __always_inline void snap_enter(struct pw_thread *t, u64 addr, u64 want, const u32 most)
{
	u64 off = t->snaplen, len = want;
	struct pw_chunk *c;

	keep_bound(off);
	keep_bound(len);
	if (len > most)
		len = most;
	if (!addr || !len)
		return;
	if (off > PW_SNAP_SIZE - sizeof(*c) - most) {
		t->flags |= PW_CALL_CUT;
		return;
	}
	c = (void *)(t->snap + off);
	c->addr = addr;
	c->len = len;
	c->phase = PW_PHASE_ENTER;
	c->flags = 0;
	c->_pad = 0;
	off += sizeof(*c);
	if (bpf_probe_read_user(c + 1, len, (void *)addr))
		return; /* the page may not be present yet: it is read again at the return */
	t->snaplen = off + ((len + 7) & ~7ULL);
}

#define PAYLOAD 0 /* as most: the payload limit of this call */

/* Copies min(want, most) bytes at addr, after the call. */
static __always_inline u64 snap_here(struct scratch *s, u64 addr, u64 want, u32 most)
{
	struct pw_chunk *c;
	u64 off, len = want;

	if (len > most)
		len = most;
	if (!addr || !len)
		return 0;
	/* The verifiers of 5.10 and 6.1 need 64-bit values, and the bounds check right here. */
	keep_bound(len);
	if (len > SNAP_MAX)
		len = SNAP_MAX;
	off = s->off;
	keep_bound(off);
	if (off >= SCRATCH_WINDOW) {
		s->cut = 1;
		return 0;
	}
	c = (void *)(s->data + off);
	c->addr = addr;
	c->len = len;
	c->phase = PW_PHASE_EXIT;
	c->flags = 0;
	c->_pad = 0;
	off += sizeof(*c);
	if (bpf_probe_read_user(c + 1, len, (void *)addr))
		c->flags = PW_CHUNK_FAULT;
	else
		off += (len + 7) & ~7ULL;
	s->off = off;
	return len;
}

/* The same as a global function, for paths that are not hot. */
__noinline int snap(u64 addr, u64 want, u32 most)
{
	struct scratch *s = scratch_of();

	if (!s)
		return 0;
	if (most != PAYLOAD)
		return snap_here(s, addr, want, most);
	if (!s->room)
		return snap_here(s, addr, want, s->limit);
	most = snap_here(s, addr, want, s->limit);
	s->room = most < s->room ? s->room - most : 0;
	s->limit = s->room > cfg_strlen ? s->room : cfg_strlen;
	return most;
}

static __always_inline void snap_payload(u64 addr, u64 len)
{
	snap(addr, len, PAYLOAD);
}

/* Copies a buffer whose length is stored at lenp. */
__noinline int snap_sized(u64 addr, u64 lenp, u32 most)
{
	u32 len = 0;

	if (!lenp)
		return 0;
	snap(lenp, 4, 4);
	if (bpf_probe_read_user(&len, sizeof(len), (void *)lenp))
		return 0;
	return snap(addr, len, most);
}

struct iovec64 {
	u64 base;
	u64 len;
};

static __always_inline struct iovec64 iovec_at(u64 addr, u32 i, u32 narrow)
{
	struct iovec64 v = {};

	if (narrow) {
		u32 n[2] = {};

		bpf_probe_read_user(n, sizeof(n), (void *)(addr + i * 8));
		v.base = n[0];
		v.len = n[1];
	} else {
		bpf_probe_read_user(&v, sizeof(v), (void *)(addr + i * 16));
	}
	return v;
}

#define HEAD_MAX 20 /* nlmsghdr and genlmsghdr */
#define SENT (~0ULL) /* as the size of a message: the sum of its buffers */

/* Appends len bytes at addr to the start of a message, of which there are `have` bytes; returns the new number. */
static __always_inline u32 head_add(struct scratch *s, u32 have, u64 addr, u64 len)
{
	u64 at = have, n = len;

	if (have >= HEAD_MAX || !len)
		return have;
	if (n > HEAD_MAX - have)
		n = HEAD_MAX - have;
	have += n;
	keep_bound(at);
	keep_bound(n);
	if (at > 32 || n > 32)
		return 0;
	if (bpf_probe_read_user(s->head + at, n, (void *)addr))
		return 0;
	return have;
}

#define PF_KEY_V2 2
#define NLM_F_REQUEST 1

struct nl_head { /* nlmsghdr */
	u32 len;
	u16 type, flags;
	u32 seq, pid;
};

struct sadb_head { /* sadb_msg */
	u8 version, type, errno, satype;
	u16 len, reserved;
};

/*
 * Returns how many bytes of a message of `size` bytes are its header, and so free of keys.
 * s->head has its first `have` bytes. The length in the header must match the size:
 * in a fragment of a message the first bytes can be those of a key, and then it does
 * not. Only one message of each call is examined.
 */
static __always_inline u32 head_size(struct scratch *s, u32 have, u64 size, bool sent)
{
	struct nl_head *n = (void *)s->head;
	struct sadb_head *k = (void *)s->head;
	u32 keys = s->keys;
	u64 rest;

	s->keys = KEY_NO_HEAD;
	if (have < sizeof(*n))
		return 0;
	if (keys == KEY_PFKEY)
		return k->version == PF_KEY_V2 && !k->reserved && k->len * 8ULL == size ? 16 : 0;
	if (keys != KEY_NETLINK && keys != KEY_GENERIC)
		return 0;
	if (n->len < sizeof(*n) || n->len > size || (sent && !(n->flags & NLM_F_REQUEST)))
		return 0;
	rest = size - n->len;
	if (rest > 3 && rest < sizeof(*n)) /* what remains is not another message */
		return 0;
	/* genlmsghdr: cmd, version, reserved */
	if (keys == KEY_GENERIC && have == HEAD_MAX && n->len >= HEAD_MAX && !s->head[18] && !s->head[19])
		return HEAD_MAX;
	return sizeof(*n);
}

/* Returns how many bytes of a message in a single buffer can be copied; len is at most size. */
__noinline int key_room(u64 addr, u64 len, u64 size, u32 sent)
{
	struct scratch *s = scratch_of();

	if (!s || s->keys == KEY_NO_HEAD)
		return 0;
	return head_size(s, head_add(s, 0, addr, len), size, sent);
}

/* Adds one of several buffers; returns 0 if the buffers after it need not be read. */
__noinline int key_iov_add(u64 addr, u32 i, u32 narrow)
{
	struct scratch *s = scratch_of();
	struct iovec64 v;

	if (!s || !s->left)
		return 0;
	v = iovec_at(addr, i, narrow);
	if (v.len > s->left)
		v.len = s->left;
	if (!v.len)
		return 1;
	s->left -= v.len;
	s->size += v.len;
	if (s->keys == KEY_FIRST_BUFFER)
		return 0;
	s->have = head_add(s, s->have, v.base, v.len);
	return s->have != 0;
}

/* The same for a message of `total` bytes in several buffers. */
__noinline int key_iov_room(u64 addr, u64 cnt, u32 narrow, u64 total)
{
	struct scratch *s = scratch_of();

	if (!s || s->keys == KEY_NO_HEAD)
		return 0;
	s->left = total;
	s->size = 0;
	s->have = 0;
	for (u32 i = 0; i < MAX_IOV; i++)
		if (i >= cnt || !key_iov_add(addr, i, narrow))
			break;
	if (s->keys == KEY_FIRST_BUFFER && s->size)
		return s->size > SNAP_MAX ? SNAP_MAX : s->size;
	return head_size(s, s->have, total == SENT ? s->size : total, total == SENT);
}

/* Copies an array of iovecs, and up to `total` bytes of what they point to. */
__noinline int snap_iov(u64 addr, u64 cnt, u32 narrow, u64 total)
{
	struct scratch *s = scratch_of();
	u32 each = narrow ? 8 : 16;

	if (!addr || !s)
		return 0;
	/* sock_diag has keys in its answers, not in requests. */
	if (s->keys && s->keys != KEY_CONTROL && !(s->keys == KEY_FIRST_BUFFER && total == SENT))
		total = key_iov_room(addr, cnt, narrow, total);
	if (cnt > MAX_IOV)
		cnt = MAX_IOV;
	snap(addr, cnt * each, MAX_IOV * 16);
	for (u32 i = 0; i < MAX_IOV; i++) {
		struct iovec64 v;

		if (i >= cnt || !total)
			break;
		v = iovec_at(addr, i, narrow);
		if (v.len > total)
			v.len = total;
		total -= v.len;
		snap_payload(v.base, v.len);
	}
	return 0;
}

/* Copies one buffer of a message that was sent. */
static __always_inline void snap_sent(u64 addr, u64 len)
{
	struct scratch *s = scratch_of();

	if (s && s->keys && s->keys != KEY_CONTROL && s->keys != KEY_FIRST_BUFFER)
		len = key_room(addr, len, len, 1);
	snap_payload(addr, len);
}

struct msghdr64 {
	u64 name;
	u32 namelen;
	u32 pad;
	u64 iov;
	u64 iovlen;
	u64 control;
	u64 controllen;
	u32 flags;
	u32 pad2;
};

struct msghdr32 {
	u32 name;
	u32 namelen;
	u32 iov;
	u32 iovlen;
	u32 control;
	u32 controllen;
	u32 flags;
};

#define CMSG_MAX 512
#define MAX_CMSG 8

/* Returns how many bytes of control messages precede a key: those of AF_ALG can hold one. */
__noinline int control_room(u64 addr, u64 len, u32 narrow)
{
	u32 head = narrow ? 12 : 16, align = narrow ? 3 : 7;
	u64 off = 0;

	for (u32 i = 0; i < MAX_CMSG; i++) {
		u32 kind[2] = {};
		u64 size = 0;

		if (off + head > len || off >= CMSG_MAX)
			return CMSG_MAX;
		if (bpf_probe_read_user(&size, narrow ? 4 : 8, (void *)(addr + off)) ||
		    bpf_probe_read_user(kind, sizeof(kind), (void *)(addr + off + head - 8)))
			return off;
		if (key_value(kind[0], kind[1]) >= 0)
			return off + head;
		if (size < head || size > CMSG_MAX)
			return off + head;
		off += (size + align) & ~(u64)align;
	}
	return off;
}

/* Copies a msghdr, `total` bytes of its data, and if `whole` also its name and control messages. */
__noinline int snap_msg(u64 addr, u32 narrow, u64 total, u32 whole)
{
	struct msghdr64 m = {};

	if (narrow) {
		struct msghdr32 n = {};

		snap(addr, sizeof(n), sizeof(n));
		if (bpf_probe_read_user(&n, sizeof(n), (void *)addr))
			return 0;
		m.name = n.name;
		m.namelen = n.namelen;
		m.iov = n.iov;
		m.iovlen = n.iovlen;
		m.control = n.control;
		m.controllen = n.controllen;
	} else {
		snap(addr, sizeof(m), sizeof(m));
		if (bpf_probe_read_user(&m, sizeof(m), (void *)addr))
			return 0;
	}
	if (whole) {
		struct scratch *s = scratch_of();

		snap(m.name, m.namelen, 128);
		if (s && s->keys == KEY_CONTROL) {
			u32 room = control_room(m.control, m.controllen, narrow);

			if (room < m.controllen)
				m.controllen = room;
		}
		snap(m.control, m.controllen, CMSG_MAX);
	}
	return snap_iov(m.iov, m.iovlen, narrow, total);
}

/* Copies n mmsghdrs: of a sent one all of its data, of a received one as much as was received. */
__noinline int snap_mmsg(u64 addr, u32 narrow, u64 n, u32 out)
{
	u32 each = narrow ? 32 : 64;

	for (u32 i = 0; i < MAX_MSG; i++) {
		u64 at = addr + i * each;
		u32 len = 0;

		if (i >= n)
			break;
		snap(at, each, 64);
		bpf_probe_read_user(&len, sizeof(len), (void *)(at + each - (narrow ? 4 : 8)));
		snap_msg(at, narrow, out ? SENT : len, 1);
	}
	return 0;
}

#define SOL_SOCKET 1
#define SO_ATTACH_FILTER 26
#define SO_ATTACH_REUSEPORT_CBPF 51

/*
 * Copies the value of a socket option. Key material is never copied: for an option that
 * has a key, the bytes before the key are, and the function returns 1.
 */
__noinline int snap_optval(u64 level, u64 name, u64 addr, u64 len, u32 narrow)
{
	u32 l = level, o = name;
	s32 before = key_value(l, o);

	if (before >= 0) {
		if (before)
			snap(addr, len, before);
		return 1;
	}
	snap(addr, len, 512);
	if (l == SOL_SOCKET && (o == SO_ATTACH_FILTER || o == SO_ATTACH_REUSEPORT_CBPF)) {
		struct { u16 len; u16 pad[3]; u64 filter; } p = {};

		if (narrow) {
			struct { u16 len; u16 pad; u32 filter; } q = {};

			bpf_probe_read_user(&q, sizeof(q), (void *)addr);
			p.len = q.len;
			p.filter = q.filter;
		} else {
			bpf_probe_read_user(&p, sizeof(p), (void *)addr);
		}
		snap(p.filter, p.len * 8, 256);
	}
	return 0;
}

/* Returns the size of what an ioctl's argument points to; 0 if it is not a pointer or the request is unknown. */
static __always_inline u32 ioctl_size(u64 cmd64)
{
	u32 cmd = cmd64;

	if (cmd >= 0x8900 && cmd < 0x8a00) /* SIOC*: ifreq, ifconf, rtentry, arpreq: linux/sockios.h */
		return cmd <= 0x8907 ? 16 : 40;
	if (cmd == 0x541b || cmd == 0x5411 || cmd == 0x5421) /* FIONREAD, TIOCOUTQ, FIONBIO */
		return 4;
	if (cmd & 0xc0000000) { /* _IOR, _IOW: the request number has the size */
		u32 size = (cmd >> 16) & 0x3fff;

		return size > 64 ? 64 : size;
	}
	return 0;
}

#endif
