// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Packets seen at the devices: only those that belong to flows of the watched processes
 * and do not pass one of their sockets. These are packets after the socket is
 * closed (the last FIN, ACKs in TIME_WAIT, resets), ICMP errors about their packets, and
 * frames that are sent without IP.
 */
#include "owner.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define AF_PACKET 17
#define SOCK_RAW 3
#define ARPHRD_ETHER 1
#define ARPHRD_LOOPBACK 772
#define LINKTYPE_ETHERNET 1
#define TCP_SYN 2
#define TCP_RST 4
#define TCP_ACK 16
#define TCP_TIME_WAIT 6

/* How long after the close packets are attributed to a connection: TIME_WAIT and a margin. */
#define CLOSED_FOR (90ULL * 1000 * 1000 * 1000)

/* A packet passes each of several stacked devices (bond, bridge, VLAN). */
struct last {
	u64 what;
	u64 time;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4);
	__type(key, u32);
	__type(value, struct last);
} seen SEC(".maps");

static __always_inline bool seen_before(u8 dir, u64 what)
{
	u32 slot = dir;
	u64 now = bpf_ktime_get_ns();
	struct last *l = bpf_map_lookup_elem(&seen, &slot);

	if (!l)
		return false;
	if (l->what == what && now - l->time < 1000000)
		return true;
	l->what = what;
	l->time = now;
	return false;
}

/* The data of an skb, from the first byte that is needed. */
struct view {
	struct sk_buff *skb;
	void *data;
	u32 len;    /* bytes in all */
	u32 linear; /* bytes at data */
	u32 netns;
	u8 dir;
};

static __always_inline bool emit_wire(struct view *v, struct pw_owner *o, u64 cookie, u8 made, u16 link, const u32 room)
{
	struct {
		struct pw_packet p;
		u8 data[];
	} *r;
	u64 cap = v->len;

	r = bpf_ringbuf_reserve(&ring, sizeof(r->p) + room, 0);
	if (!r)
		return false;
	r->p.h.kind = PW_KIND_PACKET;
	r->p.h.layer = PW_LAYER_PKT;
	r->p.h.time = bpf_ktime_get_ns();
	r->p.cookie = cookie;
	r->p.owner = *o;
	r->p.len = v->len;
	r->p.ifindex = READ(v->skb, dev, ifindex);
	r->p.mark = READ(v->skb, mark);
	r->p.dir = v->dir;
	r->p.made = made;
	r->p.flags = PW_PACKET_WIRE;
	r->p.ns_high = v->netns ? (v->netns + 1) >> 16 : 0;
	r->p.link = link;
	r->p.ns_low = v->netns ? v->netns + 1 : 0;
	if (cap > v->linear)
		cap = v->linear;
	if (cap > cfg_snaplen)
		cap = cfg_snaplen;
	keep_bound(cap);
	if (cap > room)
		cap = room;
	keep_bound(cap);
	if ((s64)cap < 1 || bpf_probe_read_kernel(r->data, cap, v->data))
		cap = 0;
	r->p.caplen = cap;
	r->p.h.len = sizeof(r->p) + ((cap + 7) & ~7ULL);
	bpf_ringbuf_submit(r, ring_flags());
	return true;
}

static __always_inline void emit_view(struct view *v, struct pw_owner *o, u64 cookie, u8 made, u16 link)
{
	u32 cap = v->len < cfg_snaplen ? v->len : cfg_snaplen;
	bool done;

	if (cap <= 128)
		done = emit_wire(v, o, cookie, made, link, 128);
	else if (cap <= 1536)
		done = emit_wire(v, o, cookie, made, link, 1536);
	else
		done = emit_wire(v, o, cookie, made, link, 9216);
	if (!done)
		count_lost_packet(o->pid, PW_LOST_RING);
}

static __always_inline u64 hash(u8 *h, u32 words)
{
	u64 sum = 0xcbf29ce484222325ULL;

	for (u32 i = 0; i < words; i++)
		sum = (sum ^ ((u64 *)h)[i]) * 0x100000001b3ULL;
	return sum;
}

/* Gets the flow of an ICMP error: that of the packet that it quotes. */
static __always_inline void icmp(struct view *v, u32 at, bool v6)
{
	struct flow_key k = {};
	struct pw_owner o;
	struct flow *f;
	u8 h[40], type;
	u16 ports[4];
	u32 next;

	if (!maybe_flow(0) || bpf_probe_read_kernel(&type, 1, v->data + at))
		return;
	if (v6 ? type > 4 || type < 1 : type != 3 && type != 4 && type != 5 && type != 11 && type != 12)
		return;
	if (bpf_probe_read_kernel(h, sizeof(h), v->data + at + 8))
		return;
	/* An incoming error quotes an outgoing packet, and vice versa. */
	next = key_of_ip(&k, h, v->dir == PW_PACKET_IN);
	if (!next || bpf_probe_read_kernel(ports, sizeof(ports), v->data + at + 8 + next))
		return;
	switch (k.proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		k.lport = bswap16(ports[v->dir == PW_PACKET_IN ? 0 : 1]);
		k.rport = bswap16(ports[v->dir == PW_PACKET_IN ? 1 : 0]);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		k.lport = bswap16(ports[2]);
		break;
	default:
		return;
	}
	k.netns = v->netns;
	f = bpf_map_lookup_elem(&flows, &k);
	if (f && flow_of_ours(&o, f) && !seen_before(v->dir, hash(h, 5) ^ type))
		emit_view(v, &o, f->cookie, PW_MADE_ICMP, 0);
}

static __always_inline void tcp(struct view *v, struct flow_key *k, u32 at)
{
	u8 made = PW_MADE_PEER;
	struct pw_owner o;
	struct flow *f;
	u8 h[16];
	u16 sport, dport;

	if (bpf_probe_read_kernel(h, sizeof(h), v->data + at))
		return;
	sport = h[0] << 8 | h[1];
	dport = h[2] << 8 | h[3];
	k->lport = v->dir == PW_PACKET_OUT ? sport : dport;
	k->rport = v->dir == PW_PACKET_OUT ? dport : sport;
	if (!maybe_flow(k->lport))
		return;
	k->netns = v->netns;
	if (v->dir == PW_PACKET_OUT)
		made = h[13] & TCP_RST ? PW_MADE_RST : PW_MADE_TIMEWAIT;
	f = bpf_map_lookup_elem(&flows, k);
	if (f && (h[13] & (TCP_SYN | TCP_ACK)) == TCP_SYN && f->closed) {
		/* A new connection with the same addresses; its packets are seen at its socket, if there is one. */
		bpf_map_delete_elem(&flows, k);
		f = 0;
	}
	if (!f && h[13] & (TCP_SYN | TCP_RST)) {
		/* A connection request to a port that a watched process listened on. */
		k->rport = 0;
		__builtin_memset(k->raddr, 0, 16);
		f = bpf_map_lookup_elem(&flows, k);
		if (!f) {
			__builtin_memset(k->laddr, 0, 16);
			f = bpf_map_lookup_elem(&flows, k);
		}
		if (f && !f->closed)
			return;
	}
	if (!f || !flow_of_ours(&o, f))
		return;
	if (f->closed ? bpf_ktime_get_ns() - f->closed > CLOSED_FOR : v->dir == PW_PACKET_IN)
		return;
	if (!seen_before(v->dir, hash(h, 2) ^ v->len))
		emit_view(v, &o, f->cookie, made, 0);
}

static __always_inline void ip(struct view *v)
{
	struct flow_key k = {};
	u8 h[40];
	u32 at;

	if (bpf_probe_read_kernel(h, sizeof(h), v->data))
		return;
	at = key_of_ip(&k, h, v->dir == PW_PACKET_OUT);
	if (!at)
		return;
	if (k.proto == IPPROTO_TCP)
		tcp(v, &k, at);
	else if (k.proto == (k.v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		icmp(v, at, k.v6);
}

static __always_inline bool is_ip(u16 protocol)
{
	return protocol == bswap16(ETH_P_IP) || protocol == bswap16(ETH_P_IPV6);
}

SEC("tp_btf/netif_receive_skb")
int device_in(u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];
	struct view v = {};

	if (!maybe_flow(0) || !is_ip(READ(skb, protocol)))
		return 0;
	v.skb = skb;
	v.dir = PW_PACKET_IN;
	v.data = READ(skb, data);
	v.len = READ(skb, len);
	v.linear = v.len - READ(skb, data_len);
	v.netns = READ(skb, dev, nd_net.net, ns.inum);
	ip(&v);
	return 0;
}

/* A frame sent on an AF_PACKET socket, in the context of its sender. */
static __always_inline void frame(struct view *v)
{
	struct pw_owner o = {};
	u16 type = READ(v->skb, dev, type);
	bool ether = type == ARPHRD_ETHER || type == ARPHRD_LOOPBACK;

	if (!ours(bpf_get_current_pid_tgid() >> 32))
		return;
	if (!ether) {
		u32 off = READ(v->skb, head) + READ(v->skb, network_header) - (unsigned char *)v->data;

		if (!is_ip(READ(v->skb, protocol)) || off > v->linear)
			return;
		v->data += off;
		v->len -= off;
		v->linear -= off;
	}
	fill_owner(&o, (void *)bpf_get_current_task(), READ(v->skb, sk, __sk_common.skc_cookie.counter), PW_OWNER_SENT);
	emit_view(v, &o, o.cookie, PW_MADE_SOCKET, ether ? LINKTYPE_ETHERNET : 0);
}

/*
 * Reports a packet without a full socket: it has none, a TIME_WAIT or request socket, or
 * one of the kernel's control sockets. Other packets have been seen at their socket.
 */
static __always_inline bool made_by_kernel(struct sock *sk)
{
	return !sk || state_of(sk) == TCP_TIME_WAIT ||
	       (READ(sk, sk_type) == SOCK_RAW && !READ(sk, sk_socket, file));
}

SEC("tp_btf/net_dev_queue")
int device_out(u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];
	struct sock *sk = READ(skb, sk);
	struct view v = {};
	u32 off;

	if (!sk && !maybe_flow(0))
		return 0;
	v.skb = skb;
	v.dir = PW_PACKET_OUT;
	v.data = READ(skb, data);
	v.len = READ(skb, len);
	v.linear = v.len - READ(skb, data_len);
	if (sk && READ(sk, __sk_common.skc_family) == AF_PACKET) {
		v.netns = READ(v.skb, dev, nd_net.net, ns.inum);
		frame(&v);
		return 0;
	}
	if (!maybe_flow(0) || !made_by_kernel(sk) || !is_ip(READ(skb, protocol)))
		return 0;
	off = READ(skb, head) + READ(skb, network_header) - (unsigned char *)v.data;
	if (off > v.linear)
		return 0;
	v.data += off;
	v.len -= off;
	v.linear -= off;
	v.netns = READ(skb, dev, nd_net.net, ns.inum);
	ip(&v);
	return 0;
}
