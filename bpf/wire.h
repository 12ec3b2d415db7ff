/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * The wire ABI: the binary form of records, as emitted by the BPF programs and
 * stored in .pidwire files. internal/wire/zwire.go is generated from this
 * header (go generate ./internal/wire), and nothing else defines the layout.
 *
 * All records are little-endian, 8-byte aligned and padded to 8 bytes. Numbers
 * of kinds, tags and flags are never reused. A struct may only grow at its end,
 * in multiples of 8 bytes, with PW_WIRE_VERSION raised; pw_hdr and pw_attr
 * never grow. A recording contains the sizes of its structs
 * (docs/decisions/0012-sizes-in-the-header.md).
 */
#ifndef PIDWIRE_WIRE_H
#define PIDWIRE_WIRE_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

enum pw_version {
	PW_WIRE_VERSION = 1,
};

enum pw_kind {
	PW_KIND_SYSCALL = 1, /* pw_syscall, nsock * pw_sock, chunks */
	PW_KIND_URING = 2,   /* pw_uring, nsock * pw_sock */
	PW_KIND_PROC = 3,    /* pw_proc, attributes: fork, exec, exit, or found at attach */
	PW_KIND_SOCK = 4,    /* pw_socksnap, pw_sock, attributes: a socket that was open at attach */
	PW_KIND_LOST = 5,    /* pw_lost */
	PW_KIND_CLOCK = 6,   /* pw_clock */
	PW_KIND_NAME = 7,    /* pw_name, attributes: user and interface names */
	PW_KIND_NOTE = 8,    /* pw_note, attributes: a message of the source */
	PW_KIND_END = 9,     /* pw_end: the recording was closed */
	PW_KIND_READY = 10,  /* pw_ready: a registration of an epoll instance, read at attach */
	PW_KIND_PACKET = 11, /* pw_packet, the packet */
	PW_KIND_HANDOVER = 12, /* pw_handover: the owner of a socket has changed */
	PW_KIND_STATE = 13,  /* pw_state, pw_sock: a TCP socket has changed its state, or was read */
	PW_KIND_AUDIT = 14,  /* pw_audit, text, perhaps a pw_syscall record */
	PW_KIND_TEXT = 15,   /* pw_text, text: a line of another tool */
	PW_KIND_KERNEL = 16, /* pw_kernel, naddr * 16 bytes, nsock * pw_sock, stacks of __u64, innermost first, the kernel's and the process's: a kernel event */
	PW_KIND_SYMBOL = 17, /* pw_symbol, attributes: the function of a code address */
	PW_KIND_FUNC = 18,   /* pw_func: a thread entered or left a kernel function */
	PW_KIND_FACT = 20,   /* pw_fact, attributes: a fact of the machine, as a process sees it */
	PW_KIND_ENV = 21,    /* pw_env, an environment: only what it says about proxies becomes a fact; not in recordings */
	PW_KIND_WROTE = 19,  /* pw_wrote: a process wrote a part of a TCP stream; not in recordings */
};

enum pw_layer {
	PW_LAYER_NONE = 0,
	PW_LAYER_SYS = 1,
	PW_LAYER_PKT = 2,
	PW_LAYER_KRN = 3,
	PW_LAYER_AUD = 4,
};

/* Table of system call numbers, with its struct layouts. */
enum pw_abi {
	PW_ABI_X86_64 = 1,
	PW_ABI_I386 = 2,
	PW_ABI_ARM64 = 3,
	PW_ABI_ARM = 4, /* EABI, as a compat task on arm64 */
	PW_ABI_X32 = 5,
};

struct pw_hdr {
	__u32 len;   /* of the whole record, this header and padding included */
	__u16 kind;  /* enum pw_kind */
	__u16 layer; /* enum pw_layer */
	__u64 time;  /* CLOCK_MONOTONIC ns of the creation of the record (for a call, its return) */
};

enum pw_sock_flags {
	PW_SOCK_NEW = 1,   /* this call created the fd: accept, socketpair, dup */
	PW_SOCK_ENTER = 2, /* read before the call, not after it (close) */
	PW_SOCK_RESULT = 4, /* the fd is the call's return value */
};

/* The state of a socket in the kernel. Addresses are in network order, 4 or 16 bytes. */
struct pw_sock {
	__u64 cookie;   /* 0: not assigned yet */
	__u64 ino;      /* sockfs inode, as in /proc/PID/fd: socket:[ino] */
	__u64 peer_ino; /* AF_UNIX: inode of the connected peer, else 0 */
	__u32 netns;    /* inode of the network namespace */
	__s32 fd;       /* -1: none */
	__u16 family;   /* AF_* */
	__u16 type;     /* SOCK_* */
	__u16 protocol;
	__u8 state; /* TCP_* (enum in net/tcp_states.h), used by all families */
	__u8 flags; /* enum pw_sock_flags */
	__u16 lport; /* host order */
	__u16 rport; /* host order */
	__u32 _pad;
	__u8 laddr[16]; /* AF_INET: first 4 bytes; AF_NETLINK: u32 portid; AF_VSOCK: u32 cid, u32 port */
	__u8 raddr[16];
};

enum pw_syscall_flags {
	PW_CALL_WAITING = 1,    /* not returned yet: from a scan of calls in flight */
	PW_CALL_UNFINISHED = 2, /* the task ended inside the call */
	PW_CALL_CUT = 4,        /* the capture space was full: some memory is missing */
	PW_CALL_REDACTED = 8,   /* key material was not copied */
	PW_CALL_REFUSED = 64,   /* seccomp refused or answered it: it was not executed, and only its return was seen */
	PW_CALL_TENTATIVE = 32, /* emitted before it was known whether the process is a target */
};

struct pw_syscall {
	struct pw_hdr h;
	__u64 enter; /* CLOCK_MONOTONIC ns */
	__u64 start; /* start time of the thread group leader, ns since boot: with pid, identifies the process */
	__s64 ret;   /* -4095..-1: -errno */
	__u64 args[6]; /* registers; for socketcall the arguments in its vector */
	__u32 pid;  /* thread group id, in the host's pid namespace */
	__u32 tid;
	__u32 nspid; /* pid in the task's own pid namespace */
	__u32 nstid;
	__u32 uid;  /* effective, in the host's user namespace */
	__u32 nr;   /* as in the register: 102 for socketcall */
	__u8 abi;   /* enum pw_abi */
	__u8 sub;   /* socketcall: which call, else 0 */
	__u8 flags; /* enum pw_syscall_flags */
	__u8 nsock;
	__u32 chunks; /* bytes of chunks that follow the sockets */
	char comm[16]; /* of the thread */
};

enum pw_phase {
	PW_PHASE_ENTER = 0,
	PW_PHASE_EXIT = 1,
};

enum pw_chunk_flags {
	PW_CHUNK_FAULT = 1, /* len bytes at addr could not be read; no bytes follow */
};

/*
 * A part of the process's memory: len bytes at addr, padded to 8. The decoder reads memory by
 * address, as a tracer does, so a better decoder improves old recordings.
 */
struct pw_chunk {
	__u64 addr;
	__u32 len;
	__u8 phase; /* enum pw_phase */
	__u8 flags; /* enum pw_chunk_flags */
	__u16 _pad;
};

/* One io_uring request, submission to completion. */
struct pw_uring {
	struct pw_hdr h;
	__u64 enter; /* submission */
	__u64 start;
	__u64 ring; /* address of the io_ring_ctx: only identifies the ring */
	__u64 user_data;
	__s64 res;
	__u32 pid; /* of the ring's owner, never of a kernel worker */
	__u32 tid; /* of the submitter */
	__u32 nspid;
	__u32 nstid;
	__u32 uid;
	__s32 fd; /* or the index of a fixed file */
	__u32 cqe_flags;
	__u8 opcode; /* IORING_OP_* */
	__u8 flags;  /* enum pw_uring_flags */
	__u8 nsock;
	__u8 _pad;
	char comm[16];
};

enum pw_uring_flags {
	PW_URING_FIXED_FILE = 1, /* fd is an index into the ring's registered files */
	PW_URING_SQPOLL = 2,     /* submitted by the ring's kernel thread */
	PW_URING_WAITING = 4,
	PW_URING_TENTATIVE = 8,
	PW_URING_SKIPPED = 16, /* its completion is only reported if it fails: this is the submission, and res is not valid */
	PW_URING_FIXED_RESULT = 32, /* the result is not a descriptor, but one of the ring's registered files */
};

enum pw_owner_how {
	PW_OWNER_CREATED = 1, /* created the socket */
	PW_OWNER_FOUND = 2,   /* held it at attach */
	PW_OWNER_SENT = 3,    /* sent on it last */
	PW_OWNER_RECEIVED = 4, /* received from it last */
	PW_OWNER_ACCEPTED = 5, /* accepted it, known by the call or by the function in it */
	PW_OWNER_USED = 6, /* was in a call on it that does not transfer data: reads without result, or closes it */
	PW_OWNER_OLD = 256,   /* with one of these: the socket existed at attach */
};

/*
 * The owner of a socket by the last evidence, stored with the socket in the kernel. An accepted
 * socket starts with a copy of its listener's.
 */
struct pw_owner {
	__u64 cookie; /* of the socket of the evidence; if it is another socket, the owner is inherited */
	__u64 start;  /* of the thread group leader, ns since boot */
	__u64 time;   /* of the evidence, CLOCK_MONOTONIC ns */
	__u32 pid;
	__u32 tid;
	__u32 nspid;
	__u32 nstid;
	__u32 uid;
	__u32 how; /* one of enum pw_owner_how, perhaps with PW_OWNER_OLD */
	char comm[16];
};

enum pw_packet_dir {
	PW_PACKET_IN = 1,
	PW_PACKET_OUT = 2,
};

/* The origin of a packet, if it is not its socket. */
enum pw_made {
	PW_MADE_SOCKET = 0,
	PW_MADE_RST = 1,      /* the kernel's reply to a packet without a socket */
	PW_MADE_TIMEWAIT = 2, /* of a connection whose socket is closed: a TIME_WAIT entry */
	PW_MADE_ICMP = 3,     /* an ICMP error about a packet of the socket */
	PW_MADE_PEER = 4,     /* of the other end, to a closed socket */
};

enum pw_packet_flags {
	PW_PACKET_WIRE = 1,   /* captured at the device, without a socket */
	PW_PACKET_HANDED = 2, /* the owner is the process to which the socket was passed afterwards */
	PW_PACKET_CLAIMED = 4, /* from a file: pid and name are those in it */
	PW_PACKET_MATCHED = 8, /* the owner made matching calls in another file: a guess */
	PW_PACKET_SHARED = 16, /* several processes write to the stream or read from the socket: the owner is the last of them, and may be wrong */
	PW_PACKET_OPEN = 32,   /* with SHARED: the next use of the socket determines the owner, if it proves one */
};

struct pw_packet {
	struct pw_hdr h;
	__u64 cookie; /* of the socket; of the listener in a handshake */
	struct pw_owner owner;
	__u32 len;    /* bytes of the packet, from its IP header or link header on */
	__u32 caplen; /* captured bytes, which follow */
	__u32 ifindex;
	__u32 mark;
	__u8 dir;   /* enum pw_packet_dir, as seen from the owner's end */
	__u8 made;  /* enum pw_made */
	__u8 flags; /* enum pw_packet_flags */
	__u8 ns_high; /* with ns_low: the low 24 bits of the number in the inode of the network namespace */
	__u16 link; /* LINKTYPE_* of its first header; 0: IP header */
	__u16 ns_low; /* both 0: not known */
};

/* A process uses a socket for the first time, or after another one. Attributes follow. */
struct pw_handover {
	struct pw_hdr h;
	__u64 cookie;
	__u64 listener; /* cookie of the listener that it was accepted from, else 0 */
	struct pw_owner owner;
};

/* The owner wrote the bytes of a TCP stream from sequence number `from` to `to`: packets with PW_PACKET_OPEN that carry only these are its. */
struct pw_wrote {
	struct pw_hdr h;
	__u64 cookie;
	__u32 from;
	__u32 to;
	struct pw_owner owner;
};

enum pw_state_what {
	PW_STATE_CHANGED = 1,
	PW_STATE_LOOK = 2, /* from and to are the same */
};

/* A TCP socket with its counters (struct tcp_sock). A pw_sock and attributes follow. */
struct pw_state {
	struct pw_hdr h;
	struct pw_owner owner;
	__u64 sent;     /* bytes, including retransmitted ones */
	__u64 acked;    /* bytes that the peer has acknowledged; SYN and FIN count as one each */
	__u64 received; /* bytes */
	__u64 resent;   /* bytes */
	__u32 segs_out;
	__u32 segs_in;
	__u32 data_segs_out;
	__u32 data_segs_in;
	__u32 retrans; /* retransmitted segments */
	__u32 srtt;    /* us */
	__u32 rttvar;  /* us */
	__u32 cwnd;    /* segments */
	__u32 ssthresh; /* segments */
	__u32 unsent;  /* bytes written but not sent */
	__u32 unacked; /* bytes sent but not acknowledged */
	__u32 unread;  /* bytes received but not read */
	__u32 mss;     /* bytes */
	__u32 snd_wnd; /* bytes */
	__u8 what; /* enum pw_state_what */
	__u8 from; /* TCP_*, net/tcp_states.h */
	__u8 to;
	__u8 err; /* pending error of the socket, sk_err */
	__u8 fin; /* 1: the peer's FIN was received, and counts as a byte in received */
	__u8 context; /* enum pw_context */
	__u8 flags;   /* enum pw_state_flags */
	__u8 _pad[1];
};

enum pw_state_flags {
	PW_STATE_SHARED = 1, /* as PW_PACKET_SHARED: the owner is one of several users of the socket, or has exited and another process has it */
};

/* Execution context of a kernel event. */
enum pw_context {
	PW_CONTEXT_UNKNOWN = 0,
	PW_CONTEXT_TASK = 1, /* task context, in a call of the thread or at its exit */
	PW_CONTEXT_SOFTIRQ = 2, /* on the time of the current thread */
};

/*
 * Kernel events, from any tracepoint, hook or function. The comments give the meaning of args;
 * sizes are in bytes. "addr" are the addresses after the record, 16 bytes each, IPv4 ones in the
 * first 4.
 */
enum pw_kernel_event {
	PW_EVENT_NONE = 0,     /* no event: the socket of the following events */
	PW_EVENT_SEND = 1,     /* a call has sent: result, MSG_* flags */
	PW_EVENT_RECEIVE = 2,  /* a call has received: result, MSG_* flags */
	PW_EVENT_READY = 3,    /* waiting threads are notified of data: unread (TCP), packets in the queue, IPPROTO_*, connections to accept (a listener) */
	PW_EVENT_ERROR = 4,    /* the socket has a pending error: errno, TCP_* state, IPPROTO_* */
	PW_EVENT_WAIT = 5,     /* a thread slept in a call on the socket: ns, enum pw_wait, sk_wmem_queued, sk_sndbuf, sk_rmem_alloc, sk_rcvbuf */
	PW_EVENT_MEMORY = 6,   /* the protocol's memory is at its limit: pages in use, 0: to send, 1: to receive */
	PW_EVENT_QUEUE_FULL = 7, /* no room in the receive queue: length, sk_rmem_alloc, sk_rcvbuf, -errno or 0 */
	PW_EVENT_ACCEPT_FULL = 8, /* no room for an incoming connection: connections to accept, backlog, TCP flags, peer's port, AF_*, 1: at the listener of the peer, which is on this host; addr: peer */
	PW_EVENT_SKB_QUEUE = 9, /* to the queue of a device: length, ifindex */
	PW_EVENT_SKB_SEND = 10, /* offered to the device: length, ifindex */
	PW_EVENT_SKB_RECEIVE = 11, /* received by the socket: payload (TCP) or length, IPPROTO_*, then for TCP: seq | flags << 32, cwnd | ssthresh << 32, srtt us | rcv_wnd << 32, not acknowledged | snd_wnd << 32 */
	PW_EVENT_SKB_COPY = 12, /* to the process's memory: requested length, available length */
	PW_EVENT_SKB_DROP = 13, /* reason as numbered by that kernel, 0: none; code address, length, IPPROTO_* | 1 << 32 for IPv6, port local | peer << 16, TCP flags; addr: local, peer */
	PW_EVENT_RETRANSMIT = 14, /* seq, length, number of retransmits in a row, TCP_* state, cwnd | ssthresh << 32, srtt us */
	PW_EVENT_SYNACK_AGAIN = 15, /* of a listener: peer's port, number, AF_*; addr: peer */
	PW_EVENT_RST_SENT = 16, /* reason as numbered by that kernel, 0: none; port local | peer << 16, TCP_* state */
	PW_EVENT_RST_RECEIVED = 17, /* TCP_* state */
	PW_EVENT_CONGESTION = 18, /* enum tcp_ca_state, cwnd | ssthresh << 32, srtt us */
	PW_EVENT_ICMP_SENT = 19, /* type, code, length of the packet in question, AF_* */
	PW_EVENT_ROUTE = 20,   /* route lookup: -errno or 0, table, ifindex, AF_*; addr: destination, gateway */
	PW_EVENT_NEIGH_NEW = 21, /* a new neighbour: ifindex, AF_*; addr */
	PW_EVENT_NEIGH_ASKED = 22, /* a packet needs its link address: 0: known, 1: not yet; NUD_*, ifindex, AF_*; addr */
	PW_EVENT_NEIGH_FAILED = 23, /* it does not answer: number of requests, ifindex, AF_*; addr */
	PW_EVENT_NEIGH_FOUND = 24, /* it answers: previous NUD_*, ifindex, AF_*; addr */
	PW_EVENT_STEP = 25,    /* only a stack, of a call on a socket */
	PW_EVENT_CALL = 26,    /* the stack of a call, at its entry */
	PW_EVENT_GAP = 27,     /* a thread's time between two calls, at the entry of the second, if it is GAP_MIN: ns, of which runnable but not run, in uninterruptible sleep, asleep in one call, asleep in others; number of that call | PW_GAP_TIMED | enum pw_abi << 32 */
};

/* Of PW_EVENT_GAP, in the number of a call. */
enum pw_gap {
	PW_GAP_TIMED = 0x80000000, /* futex with a timeout */
};

/* The condition for which a thread waited. */
enum pw_wait {
	PW_WAIT_DATA = 1,    /* the receive queue was empty */
	PW_WAIT_SNDBUF = 2,  /* the send buffer was full */
	PW_WAIT_CONNECT = 3,
	PW_WAIT_ACCEPT = 4,
	PW_WAIT_OTHER = 5,   /* for a lock, for memory, in close */
};

enum pw_kernel_flags {
	PW_KERNEL_SHARED = 1, /* as PW_PACKET_SHARED: the owner is one of several, and may be wrong */
	PW_KERNEL_OPEN = 2,   /* as PW_PACKET_OPEN, with SHARED: the next reader of the socket is the owner */
	PW_KERNEL_FOUND = 4,  /* without a socket: the owner has the addresses, or last requested the neighbour */
};

/* A kernel event for a socket, or for a thread in a call. */
struct pw_kernel {
	struct pw_hdr h;
	__u64 cookie;  /* of the socket; 0: none, or not known */
	struct pw_owner owner; /* in task context the thread, else the owner of the socket */
	__u64 args[6]; /* see enum pw_kernel_event */
	__u32 netns;   /* of the socket, or of the device */
	__u32 on_tid;  /* in softirq context the current thread; 0: none */
	char on_comm[16];
	__u16 event;   /* enum pw_kernel_event */
	__u16 cpu;
	__u8 context;  /* enum pw_context */
	__u8 nsock;
	__u8 naddr;
	__u8 nkstack; /* frames */
	__u8 nustack; /* frames */
	__u8 flags;   /* enum pw_kernel_flags */
	__u8 _pad[6];
};

enum pw_func_what {
	PW_FUNC_ENTER = 1, /* it calls others, or its return is not traced */
	PW_FUNC_LEAVE = 2,
	PW_FUNC_LEAF = 3,  /* entry and return */
};

/*
 * A kernel function in the call of a watched thread. The symbol of its address has the prototype.
 */
struct pw_func {
	struct pw_hdr h; /* time: of the entry; LEAVE: of the return */
	__u64 ip;
	__u64 dur;    /* ns from entry to return; ENTER: 0 */
	__s64 ret;
	__u64 args[6]; /* at the entry, from registers */
	__u64 cookie; /* of a socket among the arguments; 0: none */
	struct pw_owner owner; /* the thread */
	__u8 laddr[16]; /* of that socket, as in pw_sock */
	__u8 raddr[16];
	__u16 family;
	__u16 lport;
	__u16 rport;
	__u16 depth;  /* number of enclosing functions */
	__u32 length; /* of an sk_buff among the arguments; 0: none */
	__u16 cpu;
	__u8 what;    /* enum pw_func_what */
	__u8 context; /* enum pw_context */
	__u8 protocol; /* of the sk_buff: IPPROTO_*; 0: not known */
	__u8 flags;   /* of its TCP header */
	__u8 _pad[6];
};

/* A code address, emitted once before it is first used. */
struct pw_symbol {
	struct pw_hdr h;
	__u64 addr;
	__u64 offset; /* into the function */
	__u32 pid;    /* owner of the memory; 0: the kernel */
	__u16 attrs;  /* NAME: function; EXE: file or module; TEXT: prototype from BTF */
	__u16 _pad;
};

enum pw_proc_what {
	PW_PROC_FOUND = 1, /* existed at attach */
	PW_PROC_FORK = 2,
	PW_PROC_EXEC = 3,
	PW_PROC_EXIT = 4, /* of the whole thread group */
};

struct pw_proc {
	struct pw_hdr h;
	__u64 start;
	__u64 parent_start;
	__u32 pid;
	__u32 ppid;
	__u32 tid;
	__u32 nspid;
	__u32 uid;
	__u32 code;  /* EXIT: wait status as in wait(2) */
	__u64 netns; /* inode of the network namespace */
	__u8 what;   /* enum pw_proc_what */
	__u8 flags;  /* enum pw_proc_flags */
	__u16 attrs; /* bytes of attributes that follow */
	__u32 _pad;
	char comm[16];
};

enum pw_proc_flags {
	PW_PROC_TENTATIVE = 1,
	PW_PROC_COMPAT = 2,
};

enum pw_audit_flags {
	PW_AUDIT_CALL = 1,   /* it has a SYSCALL record, which pid, abi, nr, args and ret are from */
	PW_AUDIT_COVERS = 2, /* no event: from here on there is one for each socket call of pid */
	PW_AUDIT_UPTO = 4,   /* no event: all records of calls that ended before this time have been emitted */
	PW_AUDIT_MISSING = 8, /* no event: the call that follows should have one, and has none */
};

/*
 * An event of Linux audit. Its records follow as lines of audit.log, padded to 8, then the record
 * of its call, if that was recorded: a pw_syscall, or a pw_text.
 */
struct pw_audit {
	struct pw_hdr h; /* time: wall, converted to CLOCK_MONOTONIC */
	__u64 wall;      /* audit's own time, CLOCK_REALTIME ns: the start of the call, in whole ms */
	__u64 serial;
	__u64 args[4];
	__s64 ret;
	__u32 pid;  /* thread group id */
	__u32 nr;   /* as in the register: 102 for socketcall */
	__u32 text; /* bytes of the lines, without padding */
	__u8 abi;   /* enum pw_abi; 0: unknown */
	__u8 flags; /* enum pw_audit_flags */
	__u16 _pad;
};

enum pw_text_format {
	PW_TEXT_STRACE = 1,
	PW_TEXT_TRUSS = 2,
	PW_TEXT_KTRACE = 3, /* of SystemTap, ftrace, DTrace: in the form of foreign/ktrace */
};

enum pw_text_flags {
	PW_TEXT_HALVES = 1,  /* printed in two parts: the line is at the position of the second */
	PW_TEXT_APART = 4,   /* other threads have files of their own: only the order of lines of one thread is known */
	PW_TEXT_UNDER = 2,   /* a kernel event in the preceding call, which is in another file */
	PW_TEXT_KEYLESS = 8, /* a key in the output was removed */
};

/*
 * A line of another tool, without its prefix, or the two lines of a call printed in parts. The text
 * follows, padded to 8, then nsock pw_sock: the addresses of its socket, if another file has them.
 * Times are those of the tool, converted to the clock of the timeline.
 */
struct pw_text {
	struct pw_hdr h;
	__u64 slack; /* maximum error of the time, ns */
	__u32 pid;   /* as printed, process or thread; 0: not printed */
	__u32 line;  /* in the file, from 1: where it begins */
	__u32 text;  /* bytes, without padding */
	__u8 format; /* enum pw_text_format */
	__u8 nsock;
	__u8 flags; /* enum pw_text_flags */
	__u8 _pad;
	char comm[16];
};

/* Attributes: pw_attr, len bytes, padded to 4. */
struct pw_attr {
	__u16 tag;
	__u16 len; /* of the bytes, without this header and padding */
};

enum pw_tag {
	PW_TAG_EXE = 1,     /* path */
	PW_TAG_ARGV = 2,    /* NUL-separated */
	PW_TAG_CGROUP = 3,  /* path below the cgroup v2 root */
	PW_TAG_NAME = 4,    /* of a user, an interface, a unix socket (abstract: leading NUL) */
	PW_TAG_TEXT = 5,    /* UTF-8 */
	PW_TAG_CONTAINER = 6, /* id */
	PW_TAG_FIX = 7,     /* how to fix what TEXT says */
	PW_TAG_OWNERS = 8,  /* pw_owner, the last evidence of each kind; how 0: none */
	PW_TAG_SINCE = 9,   /* __u64, CLOCK_MONOTONIC ns: previous read of the socket; 0: none */
	PW_TAG_ADDR = 10,   /* of NAME_HOST: 4 or 16 bytes */
	PW_TAG_MODULE = 11, /* __u32: number of the file that a symbol's offset refers to; not in recordings */
};

struct pw_socksnap {
	struct pw_hdr h;
	__u64 start;
	__u32 pid;
	__u16 attrs;
	__u16 holders; /* number of processes that have it open, watched or not; 0: not known */
};

enum pw_lost_reason {
	PW_LOST_PROCS = 0,    /* not in records: forks, execs and exits among PW_LOST_RING, after which user space checks the targets */
	PW_LOST_RING = 1,     /* the ring buffer was full */
	PW_LOST_INFLIGHT = 2, /* no room to store a call at its entry */
	PW_LOST_URING = 3,    /* no room to store a request */
	PW_LOST_TARGETS = 4,  /* no room to store a process to watch */
	/* 5 is not used */
	PW_LOST_MISSED = 6,   /* the kernel skipped a program, because it was running on that CPU */
	PW_LOST_BACKLOG = 7,  /* the kernel's queue of audit records was full */
	PW_LOST_AUDIT = 8,    /* audit records came faster than they were read */
	PW_LOST_TOOL = 9,     /* reported by another tool in its file */
	PW_LOST_CALL = 10,    /* no program ran at a call's entry, or at its return */
	PW_LOST_UNASKED = 11, /* processes that exited before they were decided, because the record of their exec was lost */
	PW_LOST_REASONS = 12,
};

struct pw_lost {
	struct pw_hdr h;
	__u64 count; /* since the previous such record */
	__u32 reason; /* enum pw_lost_reason */
	__u32 _pad;
};

/* A descriptor registered with an epoll instance: a line of /proc/PID/fdinfo/FD. */
struct pw_ready {
	struct pw_hdr h;
	__u64 start;
	__u64 data; /* epoll_data */
	__u64 ino;  /* of the file of fd when it was registered */
	__u32 pid;
	__s32 epfd;
	__s32 fd;
	__u32 events; /* EPOLL* */
};

struct pw_clock {
	struct pw_hdr h;
	__u64 mono; /* CLOCK_MONOTONIC ns */
	__u64 wall; /* CLOCK_REALTIME ns at the same moment */
};

enum pw_name_what {
	PW_NAME_USER = 1,
	PW_NAME_IFACE = 2,
	PW_NAME_HOST = 3, /* a host name in place of an address; TAG_ADDR is a placeholder for it */
	PW_NAME_DROP = 4, /* of enum skb_drop_reason, which differs between kernels */
	PW_NAME_RESET = 5, /* of enum sk_rst_reason */
};

struct pw_name {
	struct pw_hdr h;
	__u64 netns; /* IFACE */
	__u32 id;    /* uid, ifindex or reason */
	__u16 what;  /* enum pw_name_what */
	__u16 attrs;
};

enum pw_note_level {
	PW_NOTE_INFO = 1,
	PW_NOTE_DEGRADED = 2, /* something is missing from the following records */
};

struct pw_note {
	struct pw_hdr h;
	__u32 level;
	__u16 attrs;
	__u16 _pad;
};

/*
 * What cannot be seen in calls and packets, and is read from the machine: NAME says what
 * it is, TEXT its value (docs/facts.md). Never made in the kernel.
 */
struct pw_fact {
	struct pw_hdr h;
	__u64 start; /* of the process that it is about */
	__u32 pid;
	__u16 attrs;
	__u16 _pad;
};

/* The environment of a process after an exec, as NUL-terminated variables. */
struct pw_env {
	struct pw_hdr h;
	__u64 start;
	__u32 pid;
	__u32 size; /* bytes that were copied; the rest of the record is undefined */
};

enum pw_end_reason {
	PW_END_DETACHED = 1, /* by the user */
	PW_END_TARGETS = 2,  /* all targets have exited */
	PW_END_LIMIT = 3,    /* --for or --count */
	PW_END_ERROR = 4,
};

struct pw_end {
	struct pw_hdr h;
	__u32 reason; /* enum pw_end_reason */
	__u32 _pad;
};

/*
 * How the BPF programs capture a call; internal/source/bpf/load stores it in the calls map. Not in
 * recordings.
 */
enum pw_capture {
	PW_CAP_NONE = 0,
	PW_CAP_ADDR_IN = 1,    /* (fd, addr, len) */
	PW_CAP_ADDR_OUT = 2,   /* (fd, addr, lenp) */
	PW_CAP_BUF_IN = 3,     /* (fd, buf, len) */
	PW_CAP_BUF_OUT = 4,    /* (fd, buf, len) = n */
	PW_CAP_SENDTO = 5,     /* (fd, buf, len, flags, addr, addrlen) */
	PW_CAP_RECVFROM = 6,   /* (fd, buf, len, flags, addr, lenp) = n */
	PW_CAP_MSG_IN = 7,     /* (fd, msghdr, flags) */
	PW_CAP_MSG_OUT = 8,
	PW_CAP_MMSG_IN = 9,    /* (fd, mmsghdr, vlen, flags) = n */
	PW_CAP_MMSG_OUT = 10,  /* (fd, mmsghdr, vlen, flags, timeout) = n */
	PW_CAP_IOV_IN = 11,    /* (fd, iov, cnt) = n */
	PW_CAP_IOV_OUT = 12,
	PW_CAP_OPT_SET = 13,   /* (fd, level, name, val, len) */
	PW_CAP_OPT_GET = 14,   /* (fd, level, name, val, lenp) */
	PW_CAP_POLL = 15,      /* (fds, nfds, ...) */
	PW_CAP_SELECT = 16,    /* (n, r, w, x, timeout, sig) */
	PW_CAP_EPOLL_CTL = 17, /* (epfd, op, fd, event) */
	PW_CAP_EPOLL_WAIT = 18, /* (epfd, events, max, timeout, ...) = n */
	PW_CAP_FDPAIR = 19,    /* (.., .., .., sv) */
	PW_CAP_IOCTL = 20,     /* (fd, cmd, arg) */
	PW_CAP_SENDFILE = 21,  /* (out, in, offp, n) */
	PW_CAP_SPLICE = 22,    /* (in, offp, out, offp, n, flags) */
	PW_CAP_OLDSELECT = 23, /* i386: (struct) */
	PW_CAP_URING_SETUP = 24, /* (entries, params) */
	PW_CAP_FCNTL = 25,
	PW_CAP_AIO_SUBMIT = 26, /* (ctx, n, iocb **) */
	PW_CAP_AIO_EVENTS = 27, /* (ctx, min, max, events, timeout) = n */
	PW_CAP_RESTART = 28,   /* (): resumes the previous call; in the record args[1] is its number */
};

enum pw_desc_flags {
	PW_DESC_ON = 1,        /* the call is traced */
	PW_DESC_SOCK = 2,      /* only if fd1 (or fd2) is a socket */
	PW_DESC_RETFD = 4,     /* the returned fd may be a socket */
	PW_DESC_RETSOCK = 8,   /* only if the returned fd is a socket */
	PW_DESC_TS3 = 16,      /* args[2] is a timespec, args[3] a sigset (ppoll) */
	PW_DESC_TIME64 = 32,   /* a 32-bit ABI's call with 64-bit times */
	PW_DESC_TS4 = 64,      /* args[3] is a timespec (epoll_pwait2) */
	PW_DESC_PORTS = 128,   /* bind: may match a port target */
};

/*
 * A call in flight: the value of the threads map, one per watched thread, keyed by tid. User space
 * reads it to report blocked calls. Not in recordings.
 */
enum pw_thread_size {
	PW_SNAP_SIZE = 656, /* a 512-byte chunk, then a few of 16; or four of 128 */
};

struct pw_thread {
	__u64 enter; /* 0: no call in flight */
	__u64 start;
	__u64 args[6];
	__u32 pid;
	__u32 tid;
	__u32 nspid;
	__u32 nstid;
	__u32 uid;
	__u32 nr;
	__u32 snaplen; /* bytes of chunks in snap */
	__u32 desc;    /* slot in the calls map */
	__u8 abi;
	__u8 sub;
	__u8 flags; /* enum pw_syscall_flags */
	__u8 nsock;
	__u32 mode;  /* enum pw_target, valid if the targets map */
	__u32 epoch; /* has this epoch */
	__u8 seen;   /* the first of two programs at a call's entry was not skipped (bpf/turn.h) */
	__u8 began;  /* one of the two was not skipped */
	__u8 rolled; /* the return of a call that seccomp replaced by a signal was emitted */
	__u8 restarts; /* the last call was reported as interrupted, and will be resumed by restart_syscall */
	char comm[16];
	struct pw_sock sock[2];
	__u64 file[2]; /* the objects that sock was read from, kept between calls: */
	__u64 inode[2]; /* the same file with the same inode number is the same socket */
	__u64 sk[2];
	__u64 asleep; /* start of a wait that is reported; 0, or before enter: none */
	__u32 why;    /* enum pw_wait: the condition */
	__u32 away;   /* what it does since off: the number of the call in which it sleeps, or enum pw_away */
	__u64 left;   /* return of the last call that was recorded; 0: none was */
	__u64 off;    /* since then, outside of a recorded call: when it gave up the CPU; 0: it runs */
	__u64 ready;  /* since then: ns runnable but not run */
	__u64 disk;   /* in uninterruptible sleep */
	__u64 slept;  /* asleep in the call where */
	__u64 other;  /* asleep in other calls */
	__u32 where;
	__u32 pad;
	__u8 snap[PW_SNAP_SIZE];
};

/* Besides the numbers of calls. */
enum pw_away {
	PW_AWAY_READY = 0xffffffff,
	PW_AWAY_DISK = 0xfffffffe,
};

enum pw_target {
	PW_TARGET_WATCH = 1,
	PW_TARGET_TENTATIVE = 2, /* after an exec; user space decides */
	PW_TARGET_NEVER = 3,     /* pidwire itself */
};

/* Slots of the calls map. */
enum pw_slots {
	PW_SLOT_NATIVE = 0,
	PW_SLOT_COMPAT = 1024,
	PW_SLOT_VECTOR = 2048, /* socketcall(2): by the inner number */
	PW_SLOTS = 2112,
};

struct pw_calldesc {
	__u8 capture; /* enum pw_capture */
	__u8 flags;   /* enum pw_desc_flags */
	__s8 fd1;     /* index of the fd argument; -1: none */
	__s8 fd2;
};

#endif
