/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * The kernel types that pidwire reads, each with only the fields that it
 * reads: CO-RE finds their offsets in the running kernel's BTF at load.
 * A suffix behind three underscores is a variant of a type for kernels where
 * the field is of another form; libbpf's rule is to ignore it.
 */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

typedef unsigned char __u8;
typedef signed char __s8;
typedef unsigned short __u16;
typedef short __s16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;
typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __s32 s32;
typedef __u64 u64;
typedef __s64 s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u64 __be64;
typedef __u32 __wsum;
typedef _Bool bool;
#define true 1
#define false 0
typedef int pid_t;
typedef unsigned short umode_t;

enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_CGROUP_ARRAY = 8,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_SK_STORAGE = 24,
	BPF_MAP_TYPE_RINGBUF = 27,
};

enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
	BPF_F_NO_PREALLOC = 1,
	BPF_SK_STORAGE_GET_F_CREATE = 1,
	BPF_F_CLONE = 512,
	BPF_F_MMAPABLE = 1024,
	BPF_RB_NO_WAKEUP = 1,
	BPF_RB_FORCE_WAKEUP = 2,
	BPF_F_USER_STACK = 256,
};

struct bpf_raw_tracepoint_args {
	__u64 args[0];
};

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8;
	unsigned long ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
};
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs {
	u64 regs[31];
	u64 sp, pc, pstate;
	u64 orig_x0;
	s32 syscallno;
};
#endif

/* Context of the cgroup hooks and of sockops: uapi, fixed. */
struct bpf_sock {
	__u32 bound_dev_if;
	__u32 family;
	__u32 type;
	__u32 protocol, mark, priority, src_ip4, src_ip6[4], src_port, dst_port, dst_ip4, dst_ip6[4], state;
};

/* Context of cgroup_skb: uapi, fixed. */
struct __sk_buff {
	__u32 len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto, priority, ingress_ifindex, ifindex;
	__u32 tc_index, cb[5], hash, tc_classid, data, data_end, napi_id, family, remote_ip4, local_ip4, remote_ip6[4], local_ip6[4];
	__u32 remote_port, local_port, data_meta;
	__u64 flow_keys, tstamp;
	__u32 wire_len, gso_segs;
	struct bpf_sock *sk;
};

struct bpf_sock_ops {
	__u32 op;
	__u32 reply;
};

enum {
	BPF_SOCK_OPS_TCP_CONNECT_CB = 3,
	BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB = 4,
	BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB = 5,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct timespec64 {
	s64 tv_sec;
	s64 tv_nsec;
};

struct thread_info {
	unsigned long flags;
	u32 status; /* x86 */
};

struct kuid_t___pw {
	u32 val;
};

struct cred {
	struct kuid_t___pw euid;
};

struct ns_common {
	unsigned int inum;
};

struct list_head {
	struct list_head *next, *prev;
};

struct net {
	struct ns_common ns;
	struct list_head dev_base_head;
};

struct nsproxy {
	struct net *net_ns;
};

struct upid {
	int nr;
};

struct pid {
	unsigned int level;
	struct upid numbers[1];
};

typedef struct {
	int counter;
} atomic_t;

struct signal_struct {
	atomic_t live;
	int nr_threads;
	int group_exit_code;
	unsigned int flags;
};

struct rb_node {
	struct rb_node *rb_right;
	struct rb_node *rb_left;
};

struct rb_root {
	struct rb_node *rb_node;
};

struct rb_root_cached {
	struct rb_root rb_root;
};

struct inode {
	umode_t i_mode;
	unsigned long i_ino;
};

struct file {
	void *private_data;
	struct inode *f_inode;
	struct {
		long counter;
	} f_count; /* until 6.12 */
	struct {
		struct {
			long counter;
		} refcnt;
	} f_ref; /* since 6.13: one less */
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	atomic_t count;
	struct fdtable *fdt;
};

struct mm_struct {
	unsigned long arg_start;
	unsigned long env_start;
	unsigned long env_end;
	unsigned long arg_end;
};

struct seccomp {
	int mode;
};

struct restart_block {
	union {
		struct {
			void *ufds;
			int nfds;
		} poll;
	};
};

struct task_struct {
	struct thread_info thread_info;
	struct restart_block restart_block;
	void *stack;
	unsigned int flags;
	unsigned int ptrace;
	struct mm_struct *mm;
	int exit_code;
	pid_t pid;
	pid_t tgid;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	u64 start_boottime;
	struct cred *cred;
	char comm[16];
	struct files_struct *files;
	struct nsproxy *nsproxy;
	struct signal_struct *signal;
	struct audit_context *audit_context;
	unsigned int __state; /* since 5.14 */
	struct seccomp seccomp;
};

struct task_struct___state {
	long state;
};

struct linux_binprm {
	const char *filename;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct in6_addr {
	union {
		__u8 u6_addr8[16];
	} in6_u;
};

typedef struct {
	s64 counter;
} atomic64_t;

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	unsigned long skc_flags;
	atomic64_t skc_cookie;
};

struct socket {
	short type;
	unsigned long flags;
	struct file *file;
	struct sock *sk;
};

struct socket_alloc {
	struct socket socket;
	struct inode vfs_inode;
};

struct bpf_local_storage;

struct sk_buff_head {
	u32 qlen;
};

struct sock {
	struct sock_common __sk_common;
	struct socket *sk_socket;
	u16 sk_type;
	u16 sk_protocol;
	int sk_err;
	struct {
		int owned;
	} sk_lock;
	struct {
		atomic_t rmem_alloc;
	} sk_backlog;
	struct sk_buff_head sk_receive_queue;
	int sk_wmem_queued;
	int sk_sndbuf;
	int sk_rcvbuf;
	u32 sk_ack_backlog;
	u32 sk_max_ack_backlog;
	struct bpf_local_storage *sk_bpf_storage; /* since 5.2 */
};

struct request_sock {
	struct sock_common __req_common;
	u8 num_retrans;
};

struct inet_connection_sock {
	u8 icsk_ca_state : 5;
	u8 icsk_retransmits;
};

/* What stands in sk_buff's cb while TCP has it. */
struct tcp_skb_cb {
	u32 seq;
	u32 end_seq;
	u8 tcp_flags; /* 16 bits since 6.15, of which these are the low ones */
};

struct neigh_table {
	int family;
};

struct neighbour {
	struct neigh_table *tbl;
	atomic_t probes;
	u8 nud_state;
	struct net_device *dev;
	u8 primary_key[0];
};

struct flowi4 {
	__be32 daddr;
};

struct flowi6 {
	struct in6_addr daddr;
};

struct fib_nh_common {
	struct net_device *nhc_dev;
	unsigned char nhc_gw_family;
	union {
		__be32 ipv4;
		struct in6_addr ipv6;
	} nhc_gw;
};

struct fib6_nh {
	struct fib_nh_common nh_common;
};

struct fib6_result {
	struct fib6_nh *nh;
	u32 fib6_flags;
};

struct fib6_table {
	u32 tb6_id;
};

struct inet_sock {
	__be16 inet_sport;
};

/* Fields of struct tcp_sock that lie deeper in some kernels are found by name. */
struct tcp_sock {
	u64 bytes_sent;
	u64 bytes_acked;
	u64 bytes_received;
	u64 bytes_retrans;
	u32 segs_out;
	u32 segs_in;
	u32 data_segs_out;
	u32 data_segs_in;
	u32 total_retrans;
	u32 srtt_us;
	u32 rttvar_us;
	u32 snd_cwnd;
	u32 snd_ssthresh;
	u32 write_seq;
	u32 snd_nxt;
	u32 snd_una;
	u32 packets_out;
	u32 rcv_nxt;
	u32 copied_seq;
	u32 mss_cache;
	u32 snd_wnd;
	u32 rcv_wnd;
};

struct mptcp_sock {
	struct sock *first;
};

struct net_device {
	char name[16];
	struct list_head dev_list;
	unsigned short type;
	int ifindex;
	possible_net_t nd_net;
};

struct sk_buff {
	struct net_device *dev;
	struct sock *sk;
	unsigned int len;
	unsigned int data_len;
	u32 mark;
	__be16 protocol;
	u16 network_header;
	u16 transport_header;
	char cb[48];
	unsigned char *head;
	unsigned char *data;
};

struct unix_sock {
	struct sock *peer;
};

struct netlink_sock {
	u32 portid;
};

struct epoll_filefd {
	struct file *file;
	int fd;
} __attribute__((packed));

struct epitem {
	struct rb_node rbn;
	struct epoll_filefd ffd;
};

struct eventpoll {
	struct rb_root_cached rbr;
};

struct io_cqe {
	__u64 user_data;
	s32 res;
	union {
		u32 flags;
		int fd;
	};
};

struct io_uring_cqe {
	__u64 user_data;
	s32 res;
	u32 flags;
};

struct io_uring_task {
	struct task_struct *task;
};

struct io_ring_ctx {
	unsigned int flags;
};

struct io_cmd_data {
	struct file *file;
};

/* What stands in io_kiocb's cmd for IORING_OP_CLOSE. */
struct io_close {
	int fd;
};

struct io_accept {
	u32 file_slot; /* 0: it makes a descriptor */
};

struct io_socket {
	u32 file_slot;
};

struct io_splice {
	int splice_fd_in;
};

/* io_kiocb of 6.13 and later; the variants below are of earlier kernels. */
struct io_kiocb {
	struct file *file;
	struct io_cmd_data cmd;
	u8 opcode;
	u32 flags; /* io_req_flags_t: 32 or 64 bits, the low ones are those of the SQE */
	struct io_cqe cqe;
	struct io_ring_ctx *ctx;
	struct io_uring_task *tctx;
};

struct io_kiocb___task {
	struct task_struct *task; /* 5.10 to 6.12 */
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
	u64 session_id;
	u64 seq_num;
};

struct bpf_map;

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	void *key;
	void *value;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	u32 fd;
	struct file *file;
};

#pragma clang attribute pop

#endif
