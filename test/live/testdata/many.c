// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * many KIND N creates N objects of a kind:
 *
 *	conns    connections, one after the other, each of them reset
 *	threads  concurrent threads, each with its own name and eleven sockets
 *	procs    processes, up to 64 at a time, each with its own name and a socket
 *	names    DNS answers, each with another name and address
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* A connection that both ends close, with a reset, so that ports do not run out. */
static void conns(long n)
{
	struct linger now = {1, 0};
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t len = sizeof(a);
	int l = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (l < 0 || bind(l, (void *)&a, sizeof(a)) || listen(l, 8) || getsockname(l, (void *)&a, &len))
		die("listen");
	for (long i = 0; i < n; i++) {
		int c = socket(AF_INET, SOCK_STREAM, 0), s;

		if (c < 0 || connect(c, (void *)&a, sizeof(a)) || (s = accept(l, 0, 0)) < 0)
			die("connect");
		if (send(c, "x", 1, 0) != 1)
			die("send");
		setsockopt(c, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		close(c);
		close(s);
	}
}

static void one_datagram(unsigned port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (s < 0 || sendto(s, "x", 1, 0, (void *)&a, sizeof(a)) != 1)
		die("sendto");
	close(s);
}

static pthread_barrier_t all;

static void *thread(void *arg)
{
	char name[16];

	snprintf(name, sizeof(name), "t%d", (int)(long)arg);
	prctl(PR_SET_NAME, name);
	for (int i = 0; i < 10; i++)
		one_datagram(9);
	pthread_barrier_wait(&all);
	one_datagram(9);
	pthread_barrier_wait(&all);
	return 0;
}

static void threads(long n)
{
	pthread_attr_t attr;
	pthread_t t;

	pthread_barrier_init(&all, 0, n + 1);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 << 10);
	for (long i = 0; i < n; i++)
		if ((errno = pthread_create(&t, &attr, thread, (void *)i)))
			die("pthread_create");
	pthread_barrier_wait(&all);
	pthread_barrier_wait(&all);
}

static void procs(long n)
{
	for (long i = 0; i < n; i++) {
		pid_t p = fork();

		if (p < 0)
			die("fork");
		if (!p) {
			char name[16];

			snprintf(name, sizeof(name), "p%d", (int)i);
			prctl(PR_SET_NAME, name);
			one_datagram(9);
			_exit(0);
		}
		if (i >= 64)
			waitpid(-1, 0, 0);
	}
	while (waitpid(-1, 0, 0) > 0)
		;
}

/* Each answer has another name and another address. */
static void names(long n)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(53)}, from;
	int server = socket(AF_INET, SOCK_DGRAM, 0), client = socket(AF_INET, SOCK_DGRAM, 0);
	socklen_t len = sizeof(from);
	char buf[512];

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(server, (void *)&a, sizeof(a)) || connect(client, (void *)&a, sizeof(a)) || send(client, "", 1, 0) != 1 ||
	    recvfrom(server, buf, sizeof(buf), 0, (void *)&from, &len) != 1)
		die("port 53");
	for (long i = 0; i < n; i++) {
		/* A header, a question and an answer, RFC 1035, 4. */
		unsigned char m[128] = {i >> 8, i, 0x81, 0x80, 0, 1, 0, 1};
		int at = 12;

		m[at] = sprintf((char *)m + at + 1, "host%ld", i);
		at += m[at] + 1;
		memcpy(m + at, "\7example\0\0\1\0\1\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\12", 26);
		at += 26;
		m[at++] = i >> 16;
		m[at++] = i >> 8;
		m[at++] = i;
		if (sendto(server, m, at, 0, (void *)&from, len) != at || recv(client, buf, sizeof(buf), 0) != at)
			die("answer");
	}
}

int main(int argc, char **argv)
{
	long n = argc > 2 ? atol(argv[2]) : 0;

	if (argc != 3 || n <= 0)
		return 2;
	if (!strcmp(argv[1], "conns"))
		conns(n);
	else if (!strcmp(argv[1], "threads"))
		threads(n);
	else if (!strcmp(argv[1], "procs"))
		procs(n);
	else if (!strcmp(argv[1], "names"))
		names(n);
	else
		return 2;
	return 0;
}
