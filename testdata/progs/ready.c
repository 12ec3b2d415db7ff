/* trace: socketpair,poll,ppoll,select,_newselect,pselect6,ppoll_time64,pselect6_time64,epoll_create,epoll_create1,epoll_ctl,epoll_wait,epoll_pwait; bits: 64,32 */
#include "show.h"
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>

/* The struct timespec and timeval of these calls' numbers, which differ from those of libc. */
struct old_time {
	long sec, sub;
};

#ifdef SYS__newselect
#define SELECT_NR SYS__newselect
#define SELECT "_newselect"
#else
#define SELECT_NR SYS_select
#define SELECT "select"
#endif

/* All ways of waiting for sockets, with and without available data. */
int main(void)
{
	int a[2], b[2];
	long r;

	r = socketpair(AF_UNIX, SOCK_STREAM, 0, a);
	saw(r, "socketpair(AF_UNIX, SOCK_STREAM, 0, [%d, %d])", a[0], a[1]);
	r = socketpair(AF_UNIX, SOCK_STREAM, 0, b);
	saw(r, "socketpair(AF_UNIX, SOCK_STREAM, 0, [%d, %d])", b[0], b[1]);
	must(send(a[0], "x", 1, 0), "send");

	struct pollfd fds[] = {{a[1], POLLIN, 0}, {b[1], POLLIN | POLLPRI, 0}, {b[0], POLLOUT, 0}};
	char *three = str("[{fd=%d, events=POLLIN}, {fd=%d, events=POLLIN|POLLPRI}, {fd=%d, events=POLLOUT}]",
			  a[1], b[1], b[0]);
	r = syscall(SYS_poll, fds, 3, -1);
	say("poll(%s, 3, -1) = 2 ([{fd=%d, revents=POLLIN}, {fd=%d, revents=POLLOUT}])", three, a[1], b[0]);
	r = syscall(SYS_poll, fds + 1, 1, 10);
	say("poll([{fd=%d, events=POLLIN|POLLPRI}], 1, 10) = 0 (Timeout)", b[1]);
	struct old_time limit = {0, 10000000};
	r = syscall(SYS_ppoll, fds + 1, 1, &limit, NULL, 0);
	say("ppoll([{fd=%d, events=POLLIN|POLLPRI}], 1, {tv_sec=0, tv_nsec=10000000}, NULL, 0) = 0 (Timeout)", b[1]);
	limit.sec = 5;
	sigset_t none;
	sigemptyset(&none);
	r = syscall(SYS_ppoll, fds, 1, &limit, &none, 8);
	say("ppoll([{fd=%d, events=POLLIN}], 1, {tv_sec=5, tv_nsec=%d}, [], 8) = 1 "
	    "([{fd=%d, revents=POLLIN}], left {tv_sec=%ld, tv_nsec=%ld})", a[1], 0, a[1], limit.sec, limit.sub);

	fd_set rd, wr;
	struct old_time tv = {1, 500};
	FD_ZERO(&rd);
	FD_ZERO(&wr);
	FD_SET(a[1], &rd);
	FD_SET(b[1], &rd);
	FD_SET(b[0], &wr);
	int n = b[1] + 1;
	r = syscall(SELECT_NR, n, &rd, &wr, NULL, &tv);
	say(SELECT "(%d, [%d %d], [%d], NULL, {tv_sec=1, tv_usec=500}) = 2 (in [%d], out [%d], "
	    "left {tv_sec=%ld, tv_usec=%ld})", n, a[1], b[1], b[0], a[1], b[0], tv.sec, tv.sub);
	FD_ZERO(&rd);
	FD_SET(b[1], &rd);
	tv = (struct old_time){0, 1000};
	r = syscall(SELECT_NR, n, &rd, NULL, NULL, &tv);
	say(SELECT "(%d, [%d], NULL, NULL, {tv_sec=0, tv_usec=1000}) = 0 (Timeout)", n, b[1]);
	FD_ZERO(&rd);
	FD_SET(a[1], &rd);
	limit = (struct old_time){2, 3};
	r = syscall(SYS_pselect6, n, &rd, NULL, NULL, &limit, NULL);
	say("pselect6(%d, [%d], NULL, NULL, {tv_sec=2, tv_nsec=3}, NULL) = 1 (in [%d], "
	    "left {tv_sec=%ld, tv_nsec=%ld})", n, a[1], a[1], limit.sec, limit.sub);
#ifdef SYS_ppoll_time64
	long long limit64[2] = {3, 4};
	r = syscall(SYS_ppoll_time64, fds, 1, limit64, NULL, 0);
	say("ppoll_time64([{fd=%d, events=POLLIN}], 1, {tv_sec=3, tv_nsec=4}, NULL, 0) = 1 "
	    "([{fd=%d, revents=POLLIN}], left {tv_sec=%lld, tv_nsec=%lld})", a[1], a[1], limit64[0], limit64[1]);
	limit64[0] = 3;
	limit64[1] = 4;
	r = syscall(SYS_pselect6_time64, n, &rd, NULL, NULL, limit64, NULL);
	say("pselect6_time64(%d, [%d], NULL, NULL, {tv_sec=3, tv_nsec=4}, NULL) = 1 (in [%d], "
	    "left {tv_sec=%lld, tv_nsec=%lld})", n, a[1], a[1], limit64[0], limit64[1]);
#endif

	struct epoll_event ev = {EPOLLIN | EPOLLET, {.u64 = 0x100000002}}, got[4];
	int old = syscall(SYS_epoll_create, 1);
	saw(old, "epoll_create(1)");
	int e = epoll_create1(EPOLL_CLOEXEC);
	saw(e, "epoll_create1(EPOLL_CLOEXEC)");
	r = epoll_ctl(e, EPOLL_CTL_ADD, a[1], &ev);
	saw(r, "epoll_ctl(%d, EPOLL_CTL_ADD, %d, {events=EPOLLIN|EPOLLET, data={u32=2, u64=4294967298}})", e, a[1]);
	ev.data.u64 = b[1];
	r = epoll_ctl(e, EPOLL_CTL_ADD, b[1], &ev);
	saw(r, "epoll_ctl(%d, EPOLL_CTL_ADD, %d, {events=EPOLLIN|EPOLLET, data={u32=%d, u64=%d}})", e, b[1], b[1], b[1]);
	r = epoll_ctl(e, EPOLL_CTL_ADD, b[1], &ev);
	saw(r, "epoll_ctl(%d, EPOLL_CTL_ADD, %d, {events=EPOLLIN|EPOLLET, data={u32=%d, u64=%d}})", e, b[1], b[1], b[1]);
	r = syscall(SYS_epoll_wait, e, got, 4, -1);
	saw(r, "epoll_wait(%d, [{events=EPOLLIN, data={u32=2, u64=4294967298}}], 4, -1)", e);
	r = syscall(SYS_epoll_wait, e, got, 4, 5);
	saw(r, "epoll_wait(%d, [], 4, 5)", e);
	ev.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLONESHOT;
	r = epoll_ctl(e, EPOLL_CTL_MOD, b[1], &ev);
	saw(r, "epoll_ctl(%d, EPOLL_CTL_MOD, %d, {events=EPOLLIN|EPOLLOUT|EPOLLRDHUP|EPOLLONESHOT, data={u32=%d, u64=%d}})",
	    e, b[1], b[1], b[1]);
	r = syscall(SYS_epoll_pwait, e, got, 4, 1000, NULL, 8);
	saw(r, "epoll_pwait(%d, [{events=EPOLLOUT, data={u32=%d, u64=%d}}], 4, 1000, NULL, 8)", e, b[1], b[1]);
	r = epoll_ctl(e, EPOLL_CTL_DEL, b[1], NULL);
	saw(r, "epoll_ctl(%d, EPOLL_CTL_DEL, %d, NULL)", e, b[1]);
	r = epoll_ctl(e, 77, b[1], &ev);
	saw(r, "epoll_ctl(%d, 0x4d /* EPOLL_CTL_??? */, %d, {events=EPOLLIN|EPOLLOUT|EPOLLRDHUP|EPOLLONESHOT, data={u32=%d, u64=%d}})",
	    e, b[1], b[1], b[1]);
	return done();
}
