/* trace: socketpair; needs: io_uring */
#include "uring.h"

/* Many requests in flight at once; then more completions than their queue has room for. */
#define MANY 20000

int main(void)
{
	static char got[MANY];
	int sv[2], n = 0;

	int r = socketpair(AF_UNIX, SOCK_DGRAM, 0, sv);
	saw(r, "socketpair(AF_UNIX, SOCK_DGRAM, 0, [%d, %d])", sv[0], sv[1]);
	ring_start(4096, 32768, 0);
	for (int i = 0; i < MANY; i++) {
		put((struct io_uring_sqe){.opcode = IORING_OP_RECV, .fd = sv[0], .addr = (uintptr_t)&got[i], .len = 1, .user_data = i + 1});
		if (++n == 4096 || i == MANY - 1) {
			enter(n, 0);
			n = 0;
		}
	}
	for (int i = 0; i < MANY; i++) {
		must(write(sv[1], "x", 1), "write");
		enter(0, 1);
		say("#uring recv %d %d", sv[0], take().res);
	}
	close(ring.fd);

	/* The completion queue has 16 entries. */
	ring_start(8, 16, 0);
	for (int i = 0; i < 64; i += 8) {
		for (int j = 0; j < 8; j++)
			put((struct io_uring_sqe){.opcode = IORING_OP_SEND, .fd = sv[1], .addr = (uintptr_t) "y", .len = 1, .user_data = 100 + i + j});
		must(syscall(SYS_io_uring_enter, ring.fd, 8, 0, 0, NULL, 0), "io_uring_enter");
		for (int j = 0; j < 8; j++) {
			char c;

			say("#uring send %d 1", sv[1]);
			must(read(sv[0], &c, 1), "read");
		}
	}
	return done();
}
