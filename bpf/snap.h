/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * Copies of the process's memory, as chunks. The functions without `static`
 * are global: the verifier looks at each once, whoever calls it, which keeps
 * the sum small enough for 5.10. They take numbers only, and find the buffer
 * by themselves.
 */
#ifndef PIDWIRE_SNAP_H
#define PIDWIRE_SNAP_H

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
	u32 pad;
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

	if (!addr || !want)
		return 0;
	if (len > most)
		len = most;
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

/* An array of iovecs and what they point to, up to total bytes of it. */
__noinline int snap_iov(u64 addr, u64 cnt, u32 narrow, u64 total)
{
	u32 each = narrow ? 8 : 16;

	if (!addr)
		return 0;
	if (cnt > MAX_IOV)
		cnt = MAX_IOV;
	snap(addr, cnt * each, MAX_IOV * 16);
	for (u32 i = 0; i < MAX_IOV; i++) {
		u64 base = 0, len = 0;

		if (i >= cnt || !total)
			break;
		if (narrow) {
			u32 v[2] = {};

			bpf_probe_read_user(v, sizeof(v), (void *)(addr + i * 8));
			base = v[0];
			len = v[1];
		} else {
			u64 v[2] = {};

			bpf_probe_read_user(v, sizeof(v), (void *)(addr + i * 16));
			base = v[0];
			len = v[1];
		}
		if (len > total)
			len = total;
		total -= len;
		snap_payload(base, len);
	}
	return 0;
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
		snap(m.name, m.namelen, 128);
		snap(m.control, m.controllen, 512);
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
		snap_msg(at, narrow, out ? ~0ULL : len, 1);
	}
	return 0;
}

#define SOL_SOCKET 1
#define SOL_TCP 6
#define SOL_SCTP 132
#define SOL_RXRPC 272
#define SOL_ALG 279
#define SOL_TLS 282
#define SO_ATTACH_FILTER 26
#define SO_ATTACH_REUSEPORT_CBPF 51
#define TCP_MD5SIG 14
#define TCP_MD5SIG_EXT 32
#define TCP_FASTOPEN_KEY 33
#define TCP_AO_ADD_KEY 38
#define TCP_AO_LAST 41
#define ALG_SET_KEY 1
#define ALG_SET_DRBG_ENTROPY 6
#define ALG_SET_KEY_BY_KEY_SERIAL 7
#define SCTP_AUTH_KEY 23
#define RXRPC_SECURITY_KEY 1

/*
 * An option's value. Key material stays in the process: of these options only
 * what stands before the key is copied, and 1 is returned.
 */
__noinline int snap_optval(u64 level, u64 name, u64 addr, u64 len, u32 narrow)
{
	u32 l = level, o = name;

	if (l == SOL_TLS && (o == 1 || o == 2)) {
		snap(addr, len, 4); /* version, cipher_type */
		return 1;
	}
	if (l == SOL_TCP && (o == TCP_MD5SIG || o == TCP_MD5SIG_EXT)) {
		snap(addr, len, 136); /* address, flags, prefixlen, keylen, ifindex */
		return 1;
	}
	if (l == SOL_TCP && o >= TCP_AO_ADD_KEY && o <= TCP_AO_LAST) {
		snap(addr, len, 128); /* address */
		return 1;
	}
	if (l == SOL_TCP && o == TCP_FASTOPEN_KEY)
		return 1;
	if (l == SOL_ALG && (o == ALG_SET_KEY || o == ALG_SET_DRBG_ENTROPY || o == ALG_SET_KEY_BY_KEY_SERIAL))
		return 1;
	if ((l == SOL_SCTP && o == SCTP_AUTH_KEY) || (l == SOL_RXRPC && o == RXRPC_SECURITY_KEY))
		return 1;
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
