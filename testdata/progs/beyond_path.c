/* trace: accept4; bits: 64; needs: root, /dev/net/tun */
/*
 * Exchanges over a path whose delay is known: two network namespaces, with a forwarder between them that holds each packet for
 * 10 ms, and loses the first one with a certain request. It prints what it knows to standard error: go test ./test/live -run TestBudgetOfPath.
 */
#define _GNU_SOURCE
#include "show.h"
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>

#define HOLD 10000 /* us */
#define HELD 64

static const char plain[] = "GET /path HTTP/1.1\r\nHost: h\r\n\r\n";
static const char lost[] = "GET /lost HTTP/1.1\r\nHost: h\r\n\r\n";
static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

static long now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000L + t.tv_nsec / 1000;
}

/* Makes a network namespace with one interface, and moves the process there. */
static int far_end(const char *local, const char *peer)
{
	struct ifreq r = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	struct sockaddr_in *a = (void *)&r.ifr_addr;
	int fd, s;

	must(unshare(CLONE_NEWNET), "unshare");
	fd = open("/dev/net/tun", O_RDWR);
	if (fd < 0)
		skip("/dev/net/tun");
	must(ioctl(fd, TUNSETIFF, &r), "TUNSETIFF");
	s = must(socket(AF_INET, SOCK_DGRAM, 0), "socket");
	a->sin_family = AF_INET;
	inet_pton(AF_INET, local, &a->sin_addr);
	must(ioctl(s, SIOCSIFADDR, &r), "SIOCSIFADDR");
	inet_pton(AF_INET, peer, &a->sin_addr);
	must(ioctl(s, SIOCSIFDSTADDR, &r), "SIOCSIFDSTADDR");
	r.ifr_flags = IFF_UP | IFF_POINTOPOINT | IFF_RUNNING;
	must(ioctl(s, SIOCSIFFLAGS, &r), "SIOCSIFFLAGS");
	close(s);
	return fd;
}

static void read_all(int fd, long n)
{
	static char buf[4096];

	while (n > 0) {
		long got = recv(fd, buf, n < (long)sizeof(buf) ? (unsigned long)n : sizeof(buf), 0);

		if (got <= 0)
			exit(1);
		n -= got;
	}
}

static void took(const char *what, long us)
{
	char line[64];
	int n = snprintf(line, sizeof(line), "%s %ld\n", what, us);

	must(write(2, line, n), "write");
}

static void client(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(8080) };
	int fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket"), i;

	long from = now_us();

	inet_pton(AF_INET, "10.99.0.2", &sa.sin_addr);
	must(connect(fd, (void *)&sa, sizeof(sa)), "connect");
	took("connect", now_us() - from);
	for (i = 0; i < 4; i++) {
		from = now_us();
		must(send(fd, i < 3 ? plain : lost, sizeof(plain) - 1, 0), "send");
		read_all(fd, sizeof(answer) - 1);
		if (i < 3)
			took("path", now_us() - from);
	}
	close(fd);
	exit(0);
}

static void server(int l)
{
	int fd = must(accept(l, 0, 0), "accept"), i, one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	for (i = 0; i < 4; i++) {
		read_all(fd, sizeof(plain) - 1);
		must(send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL), "send");
	}
	exit(0);
}

static struct {
	int to, n;
	long at;
	char data[2048];
} held[HELD];

/* Takes a packet, unless it is the first one with the request that is lost. */
static void take(int from, int to, int *count)
{
	static long dropped;
	static int again;
	int i = *count, n;

	if (i == HELD)
		return;
	held[i].n = n = must(read(from, held[i].data, sizeof(held[i].data)), "read");
	if (memmem(held[i].data, n, lost, sizeof(lost) - 1) && !again) {
		if (!dropped) {
			dropped = now_us();
			return;
		}
		again = 1;
		took("lost", now_us() - dropped);
	}
	held[i].to = to;
	held[i].at = now_us() + HOLD;
	*count = i + 1;
}

int main(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(8080) };
	int near_fd = far_end("10.99.0.1", "10.99.0.2"), far_fd, l, count = 0, pair[2], left = 2;
	char go = 1;

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), "socketpair");
	if (!fork()) {
		must(read(pair[1], &go, 1), "read");
		client();
	}
	far_fd = far_end("10.99.0.2", "10.99.0.1");
	l = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
	must(bind(l, (void *)&sa, sizeof(sa)), "bind");
	must(listen(l, 1), "listen");
	if (!fork())
		server(l);
	must(write(pair[0], &go, 1), "write");
	while (left > 0) {
		struct pollfd p[2] = { { near_fd, POLLIN, 0 }, { far_fd, POLLIN, 0 } };
		long wait = count ? held[0].at - now_us() : 20000;
		struct timespec t = { 0, (wait > 0 ? wait : 0) * 1000 };
		int status;

		ppoll(p, 2, &t, 0);
		if (p[0].revents & POLLIN)
			take(near_fd, far_fd, &count);
		if (p[1].revents & POLLIN)
			take(far_fd, near_fd, &count);
		while (count && held[0].at <= now_us()) {
			if (write(held[0].to, held[0].data, held[0].n) < 0)
				return 1;
			memmove(&held[0], &held[1], --count * sizeof(held[0]));
		}
		while (waitpid(-1, &status, WNOHANG) > 0) {
			if (status)
				return 1;
			left--;
		}
	}
	return 0;
}
