/* trace: socketpair; bits: 64,32 */
#include "uring.h"
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <sys/uio.h>

/*
 * Messages with a key, divided in every way, and options with a key; with an argument, also by
 * io_uring and AIO. stderr has the number of calls that the kernel accepted. No four bytes of the
 * key, which occur nowhere else, may be shown.
 */
#define KEY "Q7zX2kV9pW4jH8mT3bN6yL5rC1fG0dSaUvEiOqZ5xK2wP7sJ9hM4tB8nY3gR"
#define PARTS 8

static int taken, aio_works, ring_works;

struct message {
	struct nlmsghdr head;
	unsigned char rest[4 + sizeof(KEY) - 1];
};

static struct message message(int proto)
{
	struct message m = {.head = {.nlmsg_len = sizeof(m), .nlmsg_type = 0x13, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK, .nlmsg_seq = 40}};

	m.rest[0] = 1;
	memcpy(m.rest + 4, KEY, sizeof(KEY) - 1);
	if (proto < 0) { /* PF_KEY: a sadb_msg of the same length */
		unsigned char head[16] = {2, 3, 0, 2, sizeof(m) / 8};

		memcpy(&m.head, head, 16);
	}
	return m;
}

/* n iovecs, of which the first is empty, and which divide a message at cut. */
static int parts(struct iovec *v, void *m, size_t size, size_t cut, int n)
{
	size_t at = 0;

	v[0] = (struct iovec){NULL, 0};
	v[1] = (struct iovec){m, cut};
	at = cut;
	for (int i = 2; i < n; i++) {
		size_t len = i == n - 1 ? size - at : (size - at) / 2;

		v[i] = (struct iovec){(char *)m + at, len};
		at += len;
	}
	return n;
}

static void count(long r) { taken += r >= 0; }

/* The kernel's reply, which contains the message, in buffers divided at cut. */
static void answers(int s, size_t cut)
{
	static char got[8192];
	struct iovec v[3] = {{got, cut}, {got + cut, 1}, {got + cut + 1, sizeof(got) - cut - 1}};
	struct msghdr m = {.msg_iov = v, .msg_iovlen = 3};
	struct mmsghdr mm[2] = {{.msg_hdr = m}, {.msg_hdr = m}};

	count(recv(s, got, 100, MSG_DONTWAIT | MSG_PEEK | MSG_TRUNC));
	count(recvmsg(s, &m, MSG_DONTWAIT));
	count(recvmmsg(s, mm, 2, MSG_DONTWAIT, NULL));
	count(recv(s, got, sizeof(got), MSG_DONTWAIT));
	fcntl(s, F_SETFL, O_NONBLOCK);
	count(readv(s, v, 3));
	count(read(s, got, sizeof(got)));
}

static void send_all(int s, int proto)
{
	struct sockaddr_nl to = {.nl_family = AF_NETLINK};
	struct message m = message(proto);
	aio_context_t ctx = 0;

	count(sendto(s, &m, sizeof(m), 0, proto < 0 ? NULL : (void *)&to, proto < 0 ? 0 : sizeof(to)));
	count(send(s, &m, sizeof(m), MSG_MORE));
	count(write(s, &m, sizeof(m)));
	count(send(s, &m, sizeof(m), MSG_OOB)); /* refused */
	if (aio_works)
		must(syscall(SYS_io_setup, 4, &ctx), "io_setup");
	for (size_t cut = 1; cut < sizeof(m); cut += cut < 48 ? 1 : 7) {
		struct iovec v[PARTS];

		for (int n = 3; n <= PARTS; n++) {
			struct msghdr h = {.msg_iov = v, .msg_iovlen = parts(v, &m, sizeof(m), cut, n)};

			count(sendmsg(s, &h, 0));
			if (n == 3 || n == PARTS)
				count(writev(s, v, n));
		}
		/* One after the other, and two messages of which the second is the rest. */
		count(write(s, &m, cut));
		count(write(s, (char *)&m + cut, sizeof(m) - cut));
		count(send(s, &m, cut, MSG_MORE));
		count(send(s, (char *)&m + cut, sizeof(m) - cut, 0));
		struct mmsghdr mm[3] = {
			{.msg_hdr = {.msg_iov = v + 1, .msg_iovlen = 1}},
			{.msg_hdr = {.msg_iov = v + 2, .msg_iovlen = 1}},
			{.msg_hdr = {.msg_iov = v + 1, .msg_iovlen = 2}},
		};
		parts(v, &m, sizeof(m), cut, 3);
		count(syscall(SYS_sendmmsg, s, mm, 3, 0));
		count(syscall(SYS_sendmmsg, s, mm + 1, 2, 0));
		if (aio_works) {
			struct iocb one = {.aio_lio_opcode = IOCB_CMD_PWRITE, .aio_fildes = s, .aio_buf = (unsigned long)&m, .aio_nbytes = cut};
			struct iocb two = {.aio_lio_opcode = IOCB_CMD_PWRITE, .aio_fildes = s, .aio_buf = (unsigned long)&m + cut, .aio_nbytes = sizeof(m) - cut};
			struct iocb vec = {.aio_lio_opcode = IOCB_CMD_PWRITEV, .aio_fildes = s, .aio_buf = (unsigned long)(v + 1), .aio_nbytes = 2};
			struct iocb *list[] = {&one, &two, &vec};

			count(syscall(SYS_io_submit, ctx, 3, list));
			count(syscall(SYS_io_submit, ctx, 2, list + 1));
		}
		if (ring_works) {
			struct msghdr h = {.msg_iov = v + 1, .msg_iovlen = 2};

			put((struct io_uring_sqe){.opcode = IORING_OP_SENDMSG, .fd = s, .addr = (unsigned long)&h, .len = 1});
			put((struct io_uring_sqe){.opcode = IORING_OP_WRITEV, .fd = s, .addr = (unsigned long)(v + 1), .len = 2});
			put((struct io_uring_sqe){.opcode = IORING_OP_SEND, .fd = s, .addr = (unsigned long)&m + cut, .len = sizeof(m) - cut});
			put((struct io_uring_sqe){.opcode = IORING_OP_WRITE, .fd = s, .addr = (unsigned long)&m + cut, .len = sizeof(m) - cut});
			enter(4, 4);
			for (int i = 0; i < 4; i++)
				count(take().res);
		}
		answers(s, cut);
	}
}

static void options(void)
{
	static const struct { int level, name, before; } o[] = {
		{6, 14, 136}, {6, 32, 136}, {6, 33, 0}, {6, 38, 128}, {6, 41, 128}, {132, 23, 0}, {272, 1, 0},
		{279, 1, 0}, {279, 6, 0}, {279, 7, 0}, {282, 1, 4}, {282, 2, 4},
	};
	struct { unsigned char before[136], key[sizeof(KEY) - 1]; } v = {{0}};
	int s = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
	socklen_t len;

	for (size_t i = 0; i < sizeof(o) / sizeof(*o); i++) {
		char *at = (char *)v.key - o[i].before;

		memset(&v, 0, sizeof(v));
		memcpy(v.key, KEY, sizeof(v.key));
		if (o[i].level == 6 && o[i].before == 136) {
			*(unsigned short *)v.before = AF_INET;
			*(unsigned short *)(v.before + 130) = sizeof(v.key);
		}
		count(setsockopt(s, o[i].level, o[i].name, at, o[i].before + sizeof(v.key)));
		if (o[i].level == 6 && o[i].name == 33)
			count(setsockopt(s, 6, 33, KEY, 16));
		len = o[i].before + sizeof(v.key);
		count(getsockopt(s, o[i].level, o[i].name, at, &len));
	}
	/* As control messages, if the family accepts them. */
	struct { size_t len; int level, type; char data[sizeof(KEY) - 1]; } c[2] = {{sizeof(c[0]), 279, 3, ""}, {sizeof(c[0]), 279, 1, KEY}};
	int alg = socket(AF_ALG, SOCK_SEQPACKET, 0);

	c[0].len = 20;
	memmove((char *)c + ((20 + sizeof(size_t) - 1) & -sizeof(size_t)), &c[1], sizeof(c[1]));
	struct msghdr m = {.msg_control = c, .msg_controllen = ((20 + sizeof(size_t) - 1) & -sizeof(size_t)) + sizeof(c[1])};
	if (alg >= 0)
		count(sendmsg(alg, &m, 0));
}

int main(int argc, char **argv)
{
	static const int protocols[] = {NETLINK_GENERIC, 6, 8, 19};

	aio_works = ring_works = argc > 1 && !strcmp(argv[1], "all");
	if (ring_works)
		ring_start(8, 0, 0);
	options();
	for (size_t i = 0; i < sizeof(protocols) / sizeof(*protocols); i++) {
		int s = socket(AF_NETLINK, SOCK_RAW, protocols[i]);

		if (s >= 0)
			send_all(s, protocols[i]);
	}
	int k = socket(15 /* AF_KEY */, SOCK_RAW, 2);
	if (k >= 0)
		send_all(k, -1);
	dprintf(2, "%d taken\n", taken);
	return 0;
}
