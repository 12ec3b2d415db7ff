// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The path of the packets of the watched processes: routes that their calls look up,
 * neighbours that they must resolve, and ICMP errors about their packets. Each program
 * is loaded separately.
 */
#include "kernel.h"
#include "turn.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define EAGAIN 11
#define ENETUNREACH 101
#define RTF_REJECT 0x200 /* linux/route.h */
#define NUD_REACHABLE 2
#define NUD_FAILED 0x20

TURN_PROGRAM("tp_btf/fib_table_lookup", kernel_route)
{
	struct flowi4 *flow = (void *)ctx[1];
	struct fib_nh_common *nh = (void *)ctx[2];
	u8 addr[2][16] = {};
	u32 ifindex = 0;
	struct origin s;

	s.ctx = ctx;
	if (!origin_of_call(&s))
		return 0;
	*(u32 *)addr[0] = READ(flow, daddr);
	if (nh) {
		ifindex = READ(nh, nhc_dev, ifindex);
		if (READ(nh, nhc_gw_family) == AF_INET)
			*(u32 *)addr[1] = READ(nh, nhc_gw.ipv4);
	}
	emit_with(&s, PW_EVENT_ROUTE, addr, 2, (s64)(int)ctx[3], (u32)ctx[0], ifindex, AF_INET, 0, 0);
	return 0;
}

TURN_PROGRAM("tp_btf/fib6_table_lookup", kernel_route6)
{
	struct fib6_result *res = (void *)ctx[1];
	struct fib6_table *table = (void *)ctx[2];
	struct flowi6 *flow = (void *)ctx[3];
	struct fib_nh_common *nh;
	u8 addr[2][16] = {};
	u32 ifindex = 0;
	s64 err = 0;
	struct origin s;

	s.ctx = ctx;
	if (!origin_of_call(&s))
		return 0;
	bpf_core_read(addr[0], 16, &flow->daddr);
	nh = (void *)READ(res, nh);
	if (nh) {
		nh = (void *)nh + bpf_core_field_offset(struct fib6_nh, nh_common);
		ifindex = READ(nh, nhc_dev, ifindex);
		if (READ(nh, nhc_gw_family) == AF_INET6)
			bpf_core_read(addr[1], 16, &nh->nhc_gw.ipv6);
	}
	if (READ(res, fib6_flags) & RTF_REJECT)
		err = -ENETUNREACH;
	emit_with(&s, PW_EVENT_ROUTE, addr, 2, err, READ(table, tb6_id), ifindex, AF_INET6, 0, 0);
	return 0;
}

/* The thread that last needed a neighbour: the result is attributed to it. */
struct asked {
	struct pw_owner o;
	u64 cookie;
	u32 netns;
	u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, struct asked);
} neighbours SEC(".maps");

static __always_inline void address_of(u8 addr[2][16], u32 family, const void *key)
{
	if (family == AF_INET)
		bpf_probe_read_kernel(addr[0], 4, key);
	else
		bpf_probe_read_kernel(addr[0], 16, key);
}

static __always_inline void ask(struct origin *s, u64 neighbour)
{
	struct asked a = {};

	a.o = *s->o;
	a.cookie = s->cookie;
	a.netns = s->netns;
	bpf_map_update_elem(&neighbours, &neighbour, &a, BPF_ANY);
}

static __always_inline const void *key_of(struct neighbour *n)
{
	return (void *)n + bpf_core_field_offset(struct neighbour, primary_key);
}

/* One of its arguments has no type, which tp_btf does not accept on older kernels. */
TURN_PROGRAM("raw_tp/neigh_create", kernel_neigh_new)
{
	struct neigh_table *table = (void *)ctx[0];
	struct net_device *dev = (void *)ctx[1];
	u32 family = READ(table, family);
	u8 addr[2][16] = {};
	struct origin s;

	s.ctx = ctx;
	if (!origin_of_call(&s))
		return 0;
	address_of(addr, family, (void *)ctx[2]);
	emit_with(&s, PW_EVENT_NEIGH_NEW, addr, 1, READ(dev, ifindex), family, 0, 0, 0, 0);
	return 0;
}

TURN_PROGRAM("tp_btf/neigh_event_send_done", kernel_neigh_asked)
{
	struct neighbour *n = (void *)ctx[0];
	u32 family = READ(n, tbl, family);
	u8 addr[2][16] = {};
	struct origin s;

	s.ctx = ctx;
	if (!origin_of_call(&s))
		return 0;
	ask(&s, (u64)n);
	address_of(addr, family, key_of(n));
	emit_with(&s, PW_EVENT_NEIGH_ASKED, addr, 1, (u32)ctx[1], READ(n, nud_state), READ(n, dev, ifindex), family, 0, 0);
	return 0;
}

static __always_inline bool origin_of_neighbour(struct origin *s, u64 n)
{
	struct asked *a = bpf_map_lookup_elem(&neighbours, &n);

	if (!a || !owned_by_ours(&a->o))
		return false;
	s->now = a->o;
	s->w = 0;
	s->cookie = a->cookie;
	s->netns = a->netns;
	s->context = context();
	owner_is(s, &s->now);
	s->flags = PW_KERNEL_FOUND;
	return true;
}

TURN_PROGRAM("tp_btf/neigh_timer_handler", kernel_neigh_failed)
{
	struct neighbour *n = (void *)ctx[0];
	u64 key = (u64)n;
	u8 addr[2][16] = {};
	struct origin s;
	u32 family;

	s.ctx = ctx;
	if (READ(n, nud_state) != NUD_FAILED || !origin_of_neighbour(&s, key))
		return 0;
	family = READ(n, tbl, family);
	address_of(addr, family, key_of(n));
	emit_with(&s, PW_EVENT_NEIGH_FAILED, addr, 1, READ(n, probes.counter), READ(n, dev, ifindex), family, 0, 0, 0);
	bpf_map_delete_elem(&neighbours, &key);
	return 0;
}

TURN_PROGRAM("tp_btf/neigh_update", kernel_neigh_found)
{
	struct neighbour *n = (void *)ctx[0];
	u64 key = (u64)n;
	u8 addr[2][16] = {};
	struct origin s;
	u32 family;

	s.ctx = ctx;
	if ((u8)ctx[2] != NUD_REACHABLE || !origin_of_neighbour(&s, key))
		return 0;
	family = READ(n, tbl, family);
	address_of(addr, family, key_of(n));
	emit_with(&s, PW_EVENT_NEIGH_FOUND, addr, 1, READ(n, nud_state), READ(n, dev, ifindex), family, 0, 0, 0);
	bpf_map_delete_elem(&neighbours, &key);
	return 0;
}

static __always_inline int icmp(u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];
	struct ends e;
	struct origin s;

	s.ctx = ctx;
	/* It is about a received packet: for a watched process, or from one on this host. */
	if (origin_of_packet(&s, &e, skb))
		emit_event(&s, PW_EVENT_ICMP_SENT, (u8)ctx[1], (u8)ctx[2], READ(skb, len), e.k.v6 ? AF_INET6 : AF_INET, 0, 0);
	return 0;
}

TURN_PROGRAM("tp_btf/icmp_send", kernel_icmp)
{
	return icmp(ctx);
}

/* Before 6.10; there is no tracepoint for IPv6. */
SEC("fentry/__icmp_send")
int kernel_icmp4(u64 *ctx)
{
	return icmp(ctx);
}

SEC("fentry/icmp6_send")
int kernel_icmp6(u64 *ctx)
{
	return icmp(ctx);
}
