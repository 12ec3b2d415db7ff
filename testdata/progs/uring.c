/* trace: socket,bind,listen,getsockname,accept,accept4; needs: io_uring */
#include "show.h"
#include <linux/io_uring.h>

/*
 * A TCP client that uses only io_uring, without system calls for its operations. Its lines begin
 * with "#uring": operation, fd (-1: the operation has none; with "fixed" an index), result. The
 * server's calls are ordinary ones.
 */

static struct {
	int fd;
	unsigned *sq_tail, *sq_array, *cq_head, *cq_tail, sq_mask, cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
} ring;

static void start(void)
{
	struct io_uring_params p = {};
	char *sq;

	ring.fd = syscall(SYS_io_uring_setup, 8, &p);
	if (ring.fd < 0)
		skip("no io_uring");
	if (!(p.features & IORING_FEAT_SINGLE_MMAP))
		skip("io_uring too old");
	sq = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe),
		  PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, IORING_OFF_SQ_RING);
	ring.sqes = mmap(NULL, p.sq_entries * sizeof(struct io_uring_sqe),
			 PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, IORING_OFF_SQES);
	if (sq == MAP_FAILED || ring.sqes == MAP_FAILED)
		abort();
	ring.sq_tail = (void *)(sq + p.sq_off.tail);
	ring.sq_array = (void *)(sq + p.sq_off.array);
	ring.sq_mask = *(unsigned *)(sq + p.sq_off.ring_mask);
	ring.cq_head = (void *)(sq + p.cq_off.head);
	ring.cq_tail = (void *)(sq + p.cq_off.tail);
	ring.cq_mask = *(unsigned *)(sq + p.cq_off.ring_mask);
	ring.cqes = (void *)(sq + p.cq_off.cqes);
}

/* Submits one request, waits for it, and returns its result. */
static int request(struct io_uring_sqe sqe)
{
	unsigned tail = *ring.sq_tail, head = *ring.cq_head;
	int res;

	ring.sqes[tail & ring.sq_mask] = sqe;
	ring.sq_array[tail & ring.sq_mask] = tail & ring.sq_mask;
	__atomic_store_n(ring.sq_tail, tail + 1, __ATOMIC_RELEASE);
	must(syscall(SYS_io_uring_enter, ring.fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0), "io_uring_enter");
	if (__atomic_load_n(ring.cq_tail, __ATOMIC_ACQUIRE) == head)
		abort();
	res = ring.cqes[head & ring.cq_mask].res;
	__atomic_store_n(ring.cq_head, head + 1, __ATOMIC_RELEASE);
	return res;
}

int main(void)
{
	struct sockaddr_in sa = loopback(0);
	socklen_t len = sizeof(sa);
	char got[16];
	long r;

	start();
	int l = socket(AF_INET, SOCK_STREAM, 0);
	saw(l, "socket(AF_INET, SOCK_STREAM, IPPROTO_IP)");
	r = bind(l, (void *)&sa, sizeof(sa));
	saw(r, "bind(%d, %s, 16)", l, addr(&sa, sizeof(sa)));
	r = listen(l, 5);
	saw(r, "listen(%d, 5)", l);
	r = getsockname(l, (void *)&sa, &len);
	saw(r, "getsockname(%d, %s, [16])", l, addr(&sa, len));

	int c = request((struct io_uring_sqe){
		.opcode = IORING_OP_SOCKET, .fd = AF_INET, .off = SOCK_STREAM, .user_data = 1,
	});
	if (c >= 0) {
		say("#uring socket -1 %d", c);
	} else {
		/* Linux before 5.19 does not know this request, and does not trace it. */
		c = socket(AF_INET, SOCK_STREAM, 0);
		saw(c, "socket(AF_INET, SOCK_STREAM, IPPROTO_IP)");
	}
	r = request((struct io_uring_sqe){
		.opcode = IORING_OP_CONNECT, .fd = c, .addr = (uintptr_t)&sa, .off = sizeof(sa), .user_data = 2,
	});
	say("#uring connect %d %ld", c, r);
	int s = request((struct io_uring_sqe){.opcode = IORING_OP_ACCEPT, .fd = l, .user_data = 3});
	say("#uring accept %d %d", l, s);
	r = request((struct io_uring_sqe){
		.opcode = IORING_OP_SEND, .fd = c, .addr = (uintptr_t) "ring", .len = 4, .user_data = 4,
	});
	say("#uring send %d %ld", c, r);
	r = request((struct io_uring_sqe){
		.opcode = IORING_OP_RECV, .fd = s, .addr = (uintptr_t)got, .len = sizeof(got), .user_data = 5,
	});
	say("#uring recv %d %ld", s, r);
	/* Nothing available, and the call must not wait. */
	r = request((struct io_uring_sqe){
		.opcode = IORING_OP_RECV, .fd = s, .addr = (uintptr_t)got, .len = sizeof(got),
		.msg_flags = MSG_DONTWAIT, .user_data = 6,
	});
	say("#uring recv %d %ld", s, r);
	/* Plain read and write also transfer data of a socket. */
	r = request((struct io_uring_sqe){
		.opcode = IORING_OP_WRITE, .fd = s, .addr = (uintptr_t) "back", .len = 4, .off = -1, .user_data = 7,
	});
	say("#uring write %d %ld", s, r);
	r = request((struct io_uring_sqe){
		.opcode = IORING_OP_READ, .fd = c, .addr = (uintptr_t)got, .len = 2, .off = -1, .user_data = 8,
	});
	say("#uring read %d %ld", c, r);
	struct iovec iov = {got, sizeof(got)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	r = request((struct io_uring_sqe){
		.opcode = IORING_OP_RECVMSG, .fd = c, .addr = (uintptr_t)&msg, .len = 1, .user_data = 9,
	});
	say("#uring recvmsg %d %ld", c, r);
	/* A registered file: the request has an index instead of an fd. */
	int files[] = {s, c};
	must(syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_FILES, files, 2), "io_uring_register");
	r = request((struct io_uring_sqe){
		.opcode = IORING_OP_SEND, .flags = IOSQE_FIXED_FILE, .fd = 1,
		.addr = (uintptr_t) "slot", .len = 4, .user_data = 10,
	});
	say("#uring send 1 %ld fixed", r);
	must(syscall(SYS_io_uring_register, ring.fd, IORING_UNREGISTER_FILES, NULL, 0), "io_uring_register");
	r = request((struct io_uring_sqe){.opcode = IORING_OP_SHUTDOWN, .fd = c, .len = SHUT_WR, .user_data = 11});
	say("#uring shutdown %d %ld", c, r);
	r = request((struct io_uring_sqe){.opcode = IORING_OP_CLOSE, .fd = c, .user_data = 12});
	say("#uring close %d %ld", c, r);
	r = request((struct io_uring_sqe){
		.opcode = IORING_OP_SEND, .fd = 4095, .addr = (uintptr_t) "x", .len = 1, .user_data = 13,
	});
	say("#uring send 4095 %ld", r);
	return done();
}
