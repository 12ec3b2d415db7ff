/* io_uring by system calls, without a library, for the programs of this directory. */
#ifndef URING_H
#define URING_H

#include "show.h"
#include <linux/io_uring.h>

static struct {
	int fd;
	unsigned *sq_tail, *sq_array, *cq_head, *cq_tail, *sq_flags, sq_mask, cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
} ring;

__attribute__((unused)) static void ring_start(unsigned entries, unsigned cq_entries, unsigned flags)
{
	struct io_uring_params p = {.flags = flags, .cq_entries = cq_entries, .sq_thread_idle = 2000};
	char *sq;

	if (cq_entries)
		p.flags |= IORING_SETUP_CQSIZE;
	ring.fd = syscall(SYS_io_uring_setup, entries, &p);
	if (ring.fd < 0)
		skip("no io_uring");
	if (!(p.features & IORING_FEAT_SINGLE_MMAP))
		skip("io_uring too old");
	sq = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe) + p.sq_entries * sizeof(unsigned) + 4096,
		  PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.fd, IORING_OFF_SQ_RING);
	if (sq == MAP_FAILED)
		sq = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe),
			  PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, IORING_OFF_SQ_RING);
	ring.sqes = mmap(NULL, p.sq_entries * sizeof(struct io_uring_sqe),
			 PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, IORING_OFF_SQES);
	if (sq == MAP_FAILED || ring.sqes == MAP_FAILED)
		abort();
	ring.sq_tail = (void *)(sq + p.sq_off.tail);
	ring.sq_flags = (void *)(sq + p.sq_off.flags);
	ring.sq_array = (void *)(sq + p.sq_off.array);
	ring.sq_mask = *(unsigned *)(sq + p.sq_off.ring_mask);
	ring.cq_head = (void *)(sq + p.cq_off.head);
	ring.cq_tail = (void *)(sq + p.cq_off.tail);
	ring.cq_mask = *(unsigned *)(sq + p.cq_off.ring_mask);
	ring.cqes = (void *)(sq + p.cq_off.cqes);
}

/* Adds a request to the queue. */
__attribute__((unused)) static void put(struct io_uring_sqe sqe)
{
	unsigned tail = *ring.sq_tail;

	ring.sqes[tail & ring.sq_mask] = sqe;
	ring.sq_array[tail & ring.sq_mask] = tail & ring.sq_mask;
	__atomic_store_n(ring.sq_tail, tail + 1, __ATOMIC_RELEASE);
}

/* Submits the requests, and waits for as many completions. */
__attribute__((unused)) static void enter(unsigned n, unsigned wait)
{
	must(syscall(SYS_io_uring_enter, ring.fd, n, wait, IORING_ENTER_GETEVENTS, NULL, 0), "io_uring_enter");
}

/*
 * Wakes the kernel's thread (IORING_SETUP_SQPOLL) if it sleeps. Without the fence, the tail of the
 * queue could be stored after the flag was read (io_uring_setup(2)): the thread reads them in the
 * opposite order, and would sleep with a request in the queue.
 */
__attribute__((unused)) static void wake(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(ring.sq_flags, __ATOMIC_RELAXED) & IORING_SQ_NEED_WAKEUP)
		must(syscall(SYS_io_uring_enter, ring.fd, 1, 0, IORING_ENTER_SQ_WAKEUP, NULL, 0), "io_uring_enter");
}

struct taken {
	unsigned long long user_data;
	int res;
	unsigned flags;
};

/* Takes the next completion; exits if there is none for a long time. */
__attribute__((unused)) static struct taken take(void)
{
	unsigned head = *ring.cq_head;
	struct io_uring_cqe *cqe = &ring.cqes[head & ring.cq_mask];
	struct taken t;

	for (int i = 0; __atomic_load_n(ring.cq_tail, __ATOMIC_ACQUIRE) == head; i++) {
		if (i == 10000) {
			fprintf(stderr, "no completion for 10 s\n");
			exit(1);
		}
		usleep(1000);
	}
	t = (struct taken){cqe->user_data, cqe->res, cqe->flags};
	__atomic_store_n(ring.cq_head, head + 1, __ATOMIC_RELEASE);
	return t;
}

__attribute__((unused)) static int one(struct io_uring_sqe sqe)
{
	put(sqe);
	enter(1, 1);
	return take().res;
}

#endif
