/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * Copies of the process's memory, as chunks. The functions without `static`
 * are global: the verifier looks at each once, whoever calls it, which keeps
 * the sum small enough for 5.10. They take numbers only, and find the buffer
 * by themselves.
 */
#ifndef PIDWIRE_SNAP_H
#define PIDWIRE_SNAP_H

#include "keys.h"
#include "pidwire.h"

#define SCRATCH_WINDOW 65536 /* a chunk may begin below this offset */
#define SCRATCH_SLACK (65536 + 64)
#define SNAP_MAX 65536 /* bytes of one chunk */
#define MAX_IOV 16
#define MAX_MSG 8

/* The record under construction, one a CPU: too big for a per-CPU map before 6.x. */
struct scratch {
	u32 off;
	u32 cut;
	u32 limit; /* payload bytes a buffer, for this call */
	u32 keys;  /* enum key_head: what may be copied of the messages of this call's socket */
	/* Of key_iov_room, in memory for the verifier to see no more than one turn of its loop. */
	u64 left;  /* bytes of the message that no buffer has given yet */
	u64 size;  /* bytes that the buffers have given */
	u32 have;  /* bytes in head */
	u32 pad;
	u8 head[64]; /* the beginning of a message, looked at before any of it is copied */
	u8 data[SCRATCH_WINDOW + SCRATCH_SLACK + 64];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* user space: one a possible CPU */
	__type(key, u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

static __always_inline struct scratch *scratch_of(void)
{
	u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&scratches, &cpu);
}

/* Before the call: into the thread's own small space. most is a constant. */
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
		return; /* perhaps a page not touched yet: read again at the return */
	t->snaplen = off + ((len + 7) & ~7ULL);
}

#define PAYLOAD 0 /* as most: what is kept of a buffer, in this call */

/* After the call: min(want, most) bytes at addr. */
static __always_inline u64 snap_here(struct scratch *s, u64 addr, u64 want, u32 most)
{
	struct pw_chunk *c;
	u64 off, len = want;

	if (len > most)
		len = most;
	if (!addr || !len)
		return 0;
	/* As 64-bit numbers with a last test right here: what 5.10 and 6.1 can follow. */
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

/* The same, for any place that is not hot. */
__noinline int snap(u64 addr, u64 want, u32 most)
{
	struct scratch *s = scratch_of();

	if (!s)
		return 0;
	return snap_here(s, addr, want, most == PAYLOAD ? s->limit : most);
}

static __always_inline void snap_payload(u64 addr, u64 len)
{
	snap(addr, len, PAYLOAD);
}

/* A buffer whose length stands at lenp. */
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
#define SENT (~0ULL) /* as the bytes of a message: all that its buffers have */

/* Adds len bytes at addr to the have bytes of a message's beginning; returns how many there are. */
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
 * How many bytes of a message of size bytes tell what it is, the first have of which
 * stand in s->head. They must agree with the size: a piece of a message that somebody
 * cut up, of which the first bytes may be a key's, does not. Of one call, one message
 * is looked at.
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
	if (rest > 3 && rest < sizeof(*n)) /* not another message */
		return 0;
	/* genlmsghdr: cmd, version, reserved */
	if (keys == KEY_GENERIC && have == HEAD_MAX && n->len >= HEAD_MAX && !s->head[18] && !s->head[19])
		return HEAD_MAX;
	return sizeof(*n);
}

/* How many bytes of a message in one buffer may be copied; len is at most size. */
__noinline int key_room(u64 addr, u64 len, u64 size, u32 sent)
{
	struct scratch *s = scratch_of();

	if (!s || s->keys == KEY_NO_HEAD)
		return 0;
	return head_size(s, head_add(s, 0, addr, len), size, sent);
}

/* Takes in one buffer of several; 0: the next ones do not matter. */
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

/* The same of one in several buffers, with total bytes. */
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

/* An array of iovecs and what they point to, up to total bytes of it. */
__noinline int snap_iov(u64 addr, u64 cnt, u32 narrow, u64 total)
{
	struct scratch *s = scratch_of();
	u32 each = narrow ? 8 : 16;

	if (!addr || !s)
		return 0;
	/* The answers of sock_diag have keys, not what it is asked. */
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

/* A buffer that was sent by a call that has several. */
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

/* How many bytes of control messages stand in front of a key: those of AF_ALG may be its options. */
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

/* A msghdr and all it points to; of its data, total bytes. whole: its name and control too. */
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

/* n mmsghdrs; those sent give all their data, those received as much as came. */
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
 * An option's value. Key material stays in the process: of these options only
 * what stands before the key is copied, and 1 is returned.
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

/* How much an ioctl's argument points to; 0 where it is not a pointer, or of no kind we know. */
static __always_inline u32 ioctl_size(u64 cmd64)
{
	u32 cmd = cmd64;

	if (cmd >= 0x8900 && cmd < 0x8a00) /* SIOC*: ifreq, ifconf, rtentry, arpreq: linux/sockios.h */
		return cmd <= 0x8907 ? 16 : 40;
	if (cmd == 0x541b || cmd == 0x5411 || cmd == 0x5421) /* FIONREAD, TIOCOUTQ, FIONBIO */
		return 4;
	if (cmd & 0xc0000000) { /* _IOR, _IOW: the size stands in the number */
		u32 size = (cmd >> 16) & 0x3fff;

		return size > 64 ? 64 : size;
	}
	return 0;
}

#endif
