// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The interfaces of a network namespace, when asked: their names, without entering the namespace, which would
 * take CAP_SYS_ADMIN for as long as new namespaces can come.
 */
#include "pidwire.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define MAX_INTERFACES 1024

enum {
	WANTED = 0, /* inode of the namespace */
	FOUND = 1,  /* not 0: a process that is in it was there */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, u32);
	__type(value, u32);
} wanted SEC(".maps");

/* What user space reads from the iterator: one for each interface. */
struct iface {
	u32 index;
	char name[16]; /* IFNAMSIZ */
};

static __always_inline u32 *want(u32 what)
{
	return bpf_map_lookup_elem(&wanted, &what);
}

SEC("iter/task")
int interfaces(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	u32 *inum = want(WANTED), *found = want(FOUND);
	struct list_head *head, *at;
	struct net_device *dev;
	struct iface i;
	struct net *net;

	if (!task || !inum || !found || *found)
		return 0;
	net = READ(task, nsproxy, net_ns); /* none: it ends */
	if (!net || READ(net, ns.inum) != *inum)
		return 0;
	*found = 1;
	head = (void *)net + bpf_core_field_offset(struct net, dev_base_head);
	at = READ(head, next);
	for (u32 n = 0; n < MAX_INTERFACES; n++) {
		if (!at || at == head)
			break;
		dev = (void *)at - bpf_core_field_offset(struct net_device, dev_list);
		__builtin_memset(&i, 0, sizeof(i));
		i.index = READ(dev, ifindex);
		bpf_probe_read_kernel_str(i.name, sizeof(i.name), (void *)dev + bpf_core_field_offset(struct net_device, name));
		bpf_seq_write(ctx->meta->seq, &i, sizeof(i));
		at = READ(at, next);
	}
	return 0;
}
