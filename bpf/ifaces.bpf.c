// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Lists the names of the interfaces of a network namespace, on request. Entering the namespace instead would
 * require CAP_SYS_ADMIN for the whole run, because new namespaces can appear at any time.
 */
#include "pidwire.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define MAX_INTERFACES 1024

#define AT_ONCE 32

enum {
	WANTED = 0, /* inode of the namespace */
	FOUND = 1,  /* not 0: a process in the namespace was found */
	COUNT = 2,  /* number of interfaces in `found` */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 3);
	__type(key, u32);
	__type(value, u32);
} wanted SEC(".maps");

struct iface {
	u32 index;
	char name[16]; /* IFNAMSIZ */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_INTERFACES);
	__type(key, u32);
	__type(value, struct iface);
} found SEC(".maps");

static __always_inline u32 *want(u32 what)
{
	return bpf_map_lookup_elem(&wanted, &what);
}

/*
 * Stores some interfaces of a list, starting with the one at `at`; returns the next one,
 * 0 at the end. It is a global function, which the verifier checks once: it would check
 * the body of one loop over all interfaces a thousand times.
 */
__noinline u64 some(u64 at, u64 head)
{
	u32 *count = want(COUNT);

	if (!count)
		return 0;
	for (u32 n = 0; n < AT_ONCE; n++) {
		struct net_device *dev = (void *)at - bpf_core_field_offset(struct net_device, dev_list);
		u32 slot = *count;
		struct iface *i;

		if (!at || at == head)
			return 0;
		i = bpf_map_lookup_elem(&found, &slot);
		if (!i)
			return 0;
		i->index = READ(dev, ifindex);
		bpf_probe_read_kernel_str(i->name, sizeof(i->name), (void *)dev + bpf_core_field_offset(struct net_device, name));
		*count = slot + 1;
		if (bpf_probe_read_kernel(&at, sizeof(at), (void *)at + bpf_core_field_offset(struct list_head, next)))
			return 0;
	}
	return at;
}

SEC("iter/task")
int interfaces(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	u32 *inum = want(WANTED), *seen = want(FOUND);
	u64 at = 0, head = 0;
	struct net *net;

	if (!task || !inum || !seen || *seen)
		return 0;
	net = READ(task, nsproxy, net_ns); /* 0: the task is exiting */
	if (!net || READ(net, ns.inum) != *inum)
		return 0;
	*seen = 1;
	/* A global function takes numbers, not pointers: the list head is passed as the `prev` of the first entry. */
	bpf_probe_read_kernel(&at, sizeof(at), (void *)net + bpf_core_field_offset(struct net, dev_base_head) + bpf_core_field_offset(struct list_head, next));
	if (at)
		bpf_probe_read_kernel(&head, sizeof(head), (void *)at + bpf_core_field_offset(struct list_head, prev));
	for (u32 n = 0; n < MAX_INTERFACES / AT_ONCE; n++)
		if (at && head)
			at = some(at, head);
	return 0;
}
