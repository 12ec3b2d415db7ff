/* trace: socketpair; bits: 64 */
/*
 * Exchanges whose times are known: a server that sleeps, a client that reads late, a request that does not fit into the send
 * buffer while the server does not read. It prints what each took to standard error, as it measured it: go test ./test/live -run TestBudget.
 */
#define _GNU_SOURCE
#include "show.h"
#include <netinet/tcp.h>
#include <sys/wait.h>
#include <time.h>

#define BIG 2000000

static long now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000L + t.tv_nsec / 1000;
}

/* Sleeps without a call on a socket, and returns how long that took. */
static long sleep_ms(int ms)
{
	struct timespec t = { 0, ms * 1000000L };
	long from = now_us();

	nanosleep(&t, 0);
	return now_us() - from;
}

static void read_all(int fd, long n)
{
	static char buf[1 << 16];

	while (n > 0) {
		long got = recv(fd, buf, n < (long)sizeof(buf) ? (unsigned long)n : sizeof(buf), 0);

		if (got <= 0)
			exit(1);
		n -= got;
	}
}

static void send_all(int fd, const char *p, long n)
{
	while (n > 0) {
		long sent = must(send(fd, p, n, MSG_NOSIGNAL), "send");

		p += sent;
		n -= sent;
	}
}

static const char slow[] = "GET /slow HTTP/1.1\r\nHost: h\r\n\r\n";
static const char late[] = "GET /late HTTP/1.1\r\nHost: h\r\n\r\n";
static const char full[] = "PUT /full HTTP/1.1\r\nHost: h\r\nContent-Length: 2000000\r\n\r\n";
static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

static void took(const char *what, long us)
{
	char line[64];
	int n = snprintf(line, sizeof(line), "%s %ld\n", what, us);

	must(write(2, line, n), "write");
}

static void serve(int fd)
{
	long us;

	read_all(fd, sizeof(slow) - 1);
	us = sleep_ms(50);
	send_all(fd, answer, sizeof(answer) - 1);
	took("slow", us);
	read_all(fd, sizeof(late) - 1);
	send_all(fd, answer, sizeof(answer) - 1);
	us = sleep_ms(250); /* of which the client sleeps 80 ms, before it sends */
	read_all(fd, sizeof(full) - 1 + BIG);
	send_all(fd, answer, sizeof(answer) - 1);
}

int main(void)
{
	struct sockaddr_in sa = loopback(0);
	socklen_t len = sizeof(sa);
	int l = must(socket(AF_INET, SOCK_STREAM, 0), "socket"), fd, one = 1, small = 65536;
	static char big[BIG];
	long from, us;

	must(setsockopt(l, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), "SO_RCVBUF");
	must(bind(l, (void *)&sa, sizeof(sa)), "bind");
	must(listen(l, 1), "listen");
	must(getsockname(l, (void *)&sa, &len), "getsockname");
	if (!fork()) {
		fd = must(accept(l, 0, 0), "accept");
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		serve(fd);
		exit(0);
	}
	fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
	must(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), "SO_SNDBUF");
	must(connect(fd, (void *)&sa, sizeof(sa)), "connect");
	send_all(fd, slow, sizeof(slow) - 1);
	read_all(fd, sizeof(answer) - 1);
	send_all(fd, late, sizeof(late) - 1);
	us = sleep_ms(80);
	read_all(fd, sizeof(answer) - 1);
	took("late", us);
	from = now_us();
	send_all(fd, full, sizeof(full) - 1);
	send_all(fd, big, BIG);
	took("full", now_us() - from);
	read_all(fd, sizeof(answer) - 1);
	close(fd);
	wait(0);
	return 0;
}
