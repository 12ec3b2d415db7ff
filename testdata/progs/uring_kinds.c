/* trace: socket,socketpair; needs: io_uring of Linux 6.0 */
#include "uring.h"
#include <fcntl.h>

/*
 * Requests that do not have exactly one completion, or do not name a descriptor: registered files
 * and buffers, linked, cancelled, multishot, without completion, zero-copy.
 */

#ifndef IORING_CQE_F_NOTIF
#define IORING_CQE_F_NOTIF 8
#endif
#ifndef IORING_OP_SEND_ZC
#define IORING_OP_SEND_ZC 47
#endif
#ifndef IORING_ACCEPT_MULTISHOT
#define IORING_ACCEPT_MULTISHOT 1
#endif
#ifndef IORING_RECV_MULTISHOT
#define IORING_RECV_MULTISHOT 2
#endif
#ifndef IOSQE_CQE_SKIP_SUCCESS
#define IOSQE_CQE_SKIP_SUCCESS 64
#endif

static int sv[2];

int main(void)
{
	static char got[256], pool[4][64];
	struct sockaddr_in sa = loopback(0);
	socklen_t len = sizeof(sa);
	int r, p[2];

	r = socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
	saw(r, "socketpair(AF_UNIX, SOCK_STREAM, 0, [%d, %d])", sv[0], sv[1]);
	ring_start(32, 0, 0);

	/* Whether the kernel supports zero-copy sends. */
	struct io_uring_probe *probe = calloc(1, sizeof(*probe) + 256 * sizeof(struct io_uring_probe_op));
	if (syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_PROBE, probe, 256) || probe->last_op < IORING_OP_SEND_ZC) {
		errno = ENOSYS;
		skip("an old io_uring");
	}

	/* Registered files: the sockets, and a pipe, which is not a socket. */
	must(pipe(p), "pipe");
	int files[] = {sv[0], sv[1], p[0], p[1]};
	must(syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_FILES, files, 4), "io_uring_register");
	r = one((struct io_uring_sqe){.opcode = IORING_OP_WRITE, .flags = IOSQE_FIXED_FILE, .fd = 0, .addr = (uintptr_t) "fixed", .len = 5, .user_data = 1});
	say("#uring write 0 %d fixed", r);
	r = one((struct io_uring_sqe){.opcode = IORING_OP_READ, .flags = IOSQE_FIXED_FILE, .fd = 1, .addr = (uintptr_t)got, .len = 64, .user_data = 2});
	say("#uring read 1 %d fixed", r);
	one((struct io_uring_sqe){.opcode = IORING_OP_WRITE, .flags = IOSQE_FIXED_FILE, .fd = 3, .addr = (uintptr_t) "pipe", .len = 4, .user_data = 3});
	one((struct io_uring_sqe){.opcode = IORING_OP_READ, .flags = IOSQE_FIXED_FILE, .fd = 2, .addr = (uintptr_t)got, .len = 4, .user_data = 4});

	/* Registered buffers. */
	struct iovec iov = {got, sizeof(got)};
	must(syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_BUFFERS, &iov, 1), "io_uring_register");
	r = one((struct io_uring_sqe){.opcode = IORING_OP_WRITE_FIXED, .fd = sv[0], .addr = (uintptr_t)got, .len = 6, .user_data = 5});
	say("#uring write_fixed %d %d", sv[0], r);
	r = one((struct io_uring_sqe){.opcode = IORING_OP_READ_FIXED, .fd = sv[1], .addr = (uintptr_t)got, .len = 64, .user_data = 6});
	say("#uring read_fixed %d %d", sv[1], r);

	/* One after the other; then the first fails, and the second is cancelled. */
	put((struct io_uring_sqe){.opcode = IORING_OP_SEND, .flags = IOSQE_IO_LINK, .fd = sv[0], .addr = (uintptr_t) "link", .len = 4, .user_data = 7});
	put((struct io_uring_sqe){.opcode = IORING_OP_RECV, .fd = sv[1], .addr = (uintptr_t)got, .len = 64, .user_data = 8});
	enter(2, 2);
	say("#uring send %d %d", sv[0], take().res);
	say("#uring recv %d %d", sv[1], take().res);
	put((struct io_uring_sqe){.opcode = IORING_OP_RECV, .flags = IOSQE_IO_LINK, .fd = sv[1], .addr = (uintptr_t)got, .len = 64, .msg_flags = MSG_DONTWAIT, .user_data = 9});
	put((struct io_uring_sqe){.opcode = IORING_OP_SEND, .fd = sv[0], .addr = (uintptr_t) "never", .len = 5, .user_data = 10});
	enter(2, 2);
	say("#uring recv %d %d", sv[1], take().res);
	say("#uring send %d %d", sv[0], take().res);

	/* Cancelled by another request. */
	put((struct io_uring_sqe){.opcode = IORING_OP_RECV, .fd = sv[1], .addr = (uintptr_t)got, .len = 64, .user_data = 11});
	enter(1, 0);
	put((struct io_uring_sqe){.opcode = IORING_OP_ASYNC_CANCEL, .fd = -1, .addr = 11, .user_data = 12});
	enter(1, 2);
	for (int i = 0; i < 2; i++) {
		struct taken c = take();

		if (c.user_data == 11)
			say("#uring recv %d %d", sv[1], c.res);
	}

	/* Without a completion; the next request, which is not on a socket, reuses its memory. */
	for (int i = 0; i < 4; i++) {
		put((struct io_uring_sqe){.opcode = IORING_OP_SEND, .flags = IOSQE_CQE_SKIP_SUCCESS, .fd = sv[0], .addr = (uintptr_t) "skip", .len = 4, .user_data = 0});
		enter(1, 0);
		say("#uring send %d ?", sv[0]);
		must(read(sv[1], got, 4), "read");
		one((struct io_uring_sqe){.opcode = IORING_OP_NOP, .fd = -1, .user_data = 0});
	}

	/* Multishot accept, and multishot receive. */
	int l = socket(AF_INET, SOCK_STREAM, 0);
	saw(l, "socket(AF_INET, SOCK_STREAM, IPPROTO_IP)");
	must(bind(l, (void *)&sa, sizeof(sa)), "bind");
	must(listen(l, 5), "listen");
	must(getsockname(l, (void *)&sa, &len), "getsockname");
	put((struct io_uring_sqe){.opcode = IORING_OP_ACCEPT, .ioprio = IORING_ACCEPT_MULTISHOT, .fd = l, .user_data = 20});
	enter(1, 0);
	int c[3], s[3];
	for (int i = 0; i < 3; i++) {
		c[i] = socket(AF_INET, SOCK_STREAM, 0);
		saw(c[i], "socket(AF_INET, SOCK_STREAM, IPPROTO_IP)");
		must(connect(c[i], (void *)&sa, sizeof(sa)), "connect");
		enter(0, 1);
		s[i] = take().res;
		say("#uring accept %d %d", l, s[i]);
	}
	one((struct io_uring_sqe){.opcode = IORING_OP_PROVIDE_BUFFERS, .fd = 4, .addr = (uintptr_t)pool, .len = 64, .off = 0, .buf_group = 7, .user_data = 21});
	put((struct io_uring_sqe){.opcode = IORING_OP_RECV, .flags = IOSQE_BUFFER_SELECT, .ioprio = IORING_RECV_MULTISHOT, .fd = s[0], .buf_group = 7, .user_data = 22});
	enter(1, 0);
	for (int i = 0; i < 2; i++) {
		must(write(c[0], "again", 5), "write");
		enter(0, 1);
		say("#uring recv %d %d", s[0], take().res);
	}
	must(shutdown(c[0], SHUT_WR), "shutdown");
	enter(0, 1);
	say("#uring recv %d %d", s[0], take().res); /* the last one */

	/* Zero-copy: sent, and then the buffer is released. */
	put((struct io_uring_sqe){.opcode = IORING_OP_SEND_ZC, .fd = c[1], .addr = (uintptr_t) "zero", .len = 4, .user_data = 23});
	enter(1, 1);
	struct taken z = take();
	say("#uring send_zc %d %d", c[1], z.res);
	if (z.flags & IORING_CQE_F_MORE) {
		enter(0, 1);
		say("#uring send_zc %d %d", c[1], take().res);
	}
	put((struct io_uring_sqe){.opcode = IORING_OP_ASYNC_CANCEL, .fd = -1, .addr = 20, .user_data = 24});
	enter(1, 2);
	for (int i = 0; i < 2; i++) {
		struct taken c = take();

		if (c.user_data == 20)
			say("#uring accept %d %d", l, c.res);
	}
	close(ring.fd);

	/* A kernel thread submits. */
	ring_start(8, 0, IORING_SETUP_SQPOLL);
	put((struct io_uring_sqe){.opcode = IORING_OP_SEND, .fd = sv[0], .addr = (uintptr_t) "poll", .len = 4, .user_data = 30});
	wake();
	say("#uring send %d %d", sv[0], take().res);
	put((struct io_uring_sqe){.opcode = IORING_OP_RECV, .fd = sv[1], .addr = (uintptr_t)got, .len = 64, .user_data = 31});
	wake();
	say("#uring recv %d %d", sv[1], take().res);
	return done();
}
