/* trace: socketpair; bits: 64 */
/*
 * Kernel events for sockets that two processes use at once, each on its own CPU if there are two:
 * the length identifies the process. go test ./test/live -run TestKernelShared.
 */
#include "show.h"
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/wait.h>

#define EACH 3000
#define FIRST 100  /* bytes of a datagram of the first sender */
#define SECOND 200 /* of the second */
#define WRITES 300 /* bytes that one process writes on the connection at a time */
#define READS 400  /* bytes that another one reads from it */

static int gate[2];

/* A child on this CPU, which begins when all have started. */
static int child(int cpu)
{
	cpu_set_t set;
	char c;
	int pid = must(fork(), "fork");

	if (pid)
		return pid;
	close(gate[1]);
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
	if (read(gate[0], &c, 1))
		_exit(1);
	return 0;
}

static void all(ssize_t (*what)(int, void *, size_t, int), int fd, int n)
{
	char buf[512] = {0};

	for (int i = 0; i < EACH; i++)
		for (int left = n; left > 0;) {
			int k = what(fd, buf, left, 0);

			if (k <= 0)
				_exit(1);
			left -= k;
		}
	_exit(0);
}

static ssize_t put(int fd, void *buf, size_t n, int flags)
{
	return send(fd, buf, n, flags);
}

int main(void)
{
	struct sockaddr_in sa = loopback(0), ta = loopback(0);
	socklen_t len = sizeof(sa);
	int r = must(socket(AF_INET, SOCK_DGRAM, 0), "socket"), u = must(socket(AF_INET, SOCK_DGRAM, 0), "socket");
	int l = must(socket(AF_INET, SOCK_STREAM, 0), "socket"), c = must(socket(AF_INET, SOCK_STREAM, 0), "socket"), s;
	int one = 1;

	must(bind(r, (void *)&sa, sizeof(sa)), "bind");
	must(getsockname(r, (void *)&sa, &len), "getsockname");
	must(connect(u, (void *)&sa, sizeof(sa)), "connect");
	must(bind(l, (void *)&ta, sizeof(ta)), "bind");
	must(listen(l, 1), "listen");
	must(getsockname(l, (void *)&ta, &len), "getsockname");
	must(connect(c, (void *)&ta, sizeof(ta)), "connect");
	s = must(accept(l, 0, 0), "accept");
	must(setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), "setsockopt");
	must(setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), "setsockopt");
	must(pipe(gate), "pipe");
	for (int k = 0; k < 2; k++)
		if (!child(k))
			all(put, u, k ? SECOND : FIRST);
	if (!child(0))
		all(put, s, WRITES);
	if (!child(1))
		all(recv, s, READS);
	if (!child(1))
		all(put, c, READS);
	if (!child(0))
		all(recv, c, WRITES);
	close(gate[1]);
	while (wait(0) > 0)
		;
	return done();
}
