// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Traffic for bench/packets. It waits for a line on standard input, and prints
 * its result: packets or bytes, seconds, its CPU time in us.
 *
 *	load udp RATE SECONDS   datagrams of 100 bytes to a receiver
 *	load tcp - SECONDS      writes of 64 KiB to a receiver
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char buf[64 << 10];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static double cpu(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e6 + r.ru_utime.tv_usec + r.ru_stime.tv_usec;
}

/* The other end is another process, which is not watched. */
static void receiver(int fd, int stream)
{
	if (fork())
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (stream && (fd = accept(fd, 0, 0)) < 0)
		die("accept");
	while (recv(fd, buf, sizeof(buf), 0) > 0)
		;
	_exit(0);
}

int main(int argc, char **argv)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t n = sizeof(a);
	int stream, in, out, big = 8 << 20;
	double rate, span, begin, used, t;
	long done = 0;

	cpu_set_t one;

	if (argc != 4)
		return 2;
	/*
	 * Run both ends on one CPU: on two CPUs of a virtual machine the rate of a stream varies by
	 * chance.
	 */
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	sched_setaffinity(0, sizeof(one), &one);
	stream = !strcmp(argv[1], "tcp");
	rate = atof(argv[2]);
	span = atof(argv[3]);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	in = socket(AF_INET, stream ? SOCK_STREAM : SOCK_DGRAM, 0);
	setsockopt(in, SOL_SOCKET, SO_RCVBUF, &big, sizeof(big));
	if (bind(in, (void *)&a, n) || (stream && listen(in, 1)) || getsockname(in, (void *)&a, &n))
		die("bind");
	receiver(in, stream);
	close(in);
	if (getchar() == EOF)
		return 1;
	out = socket(AF_INET, stream ? SOCK_STREAM : SOCK_DGRAM, 0);
	if (connect(out, (void *)&a, n))
		die("connect");
	begin = now();
	used = cpu();
	if (stream) {
		while (now() - begin < span) {
			ssize_t w = write(out, buf, sizeof(buf));

			if (w < 0)
				die("write");
			done += w;
		}
	} else {
		while ((t = now() - begin) < span) {
			/* Send the packets that are due, then sleep for half a millisecond. */
			for (long due = t * rate; done < due; done++)
				if (send(out, buf, 100, 0) != 100 && errno != ENOBUFS && errno != ECONNREFUSED)
					die("send");
			nanosleep(&(struct timespec){ 0, 500000 }, 0);
		}
	}
	used = cpu() - used;
	printf("%ld %.6f %.0f\n", done, now() - begin, used);
	return 0;
}
