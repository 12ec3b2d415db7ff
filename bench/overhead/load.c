//go:build ignore

/*
 * The load for measuring the cost of a tracer, on loopback only.
 *
 *	load MODE (-n ITERATIONS | -t SECONDS) [-c CPU] [-w]
 *
 *	pp       TCP ping-pong of one byte with a server process; send, recv
 *	pprw     the same with write and read
 *	self     UDP to itself; sendto, recvfrom: no context switch
 *	http     HTTP/1.1 keep-alive: requests and answers of 200 bytes
 *	http20k  the same, 20,000 a second
 *	stream   64-KiB sends over TCP to a process that reads them
 *	getppid  a call that network tracers do not show
 *	tick     UDP to itself, five times a second, each with its number
 *
 * With -c both ends run on one CPU. Otherwise most of a round trip on a virtual
 * machine is the time that the other CPU takes to wake up, which varies sixfold.
 *
 * The last line is "MODE n=ITERATIONS ns_per_op=TIME". With -w the program first
 * prints "ready PID", where PID is the process to watch, and waits for a line on
 * stdin. That process has no children, so that following them makes no
 * difference. Mode tick prints "tick NUMBER TIME" for each call, with the time of
 * CLOCK_MONOTONIC just before it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 65536 };

static char chunk[CHUNK];

static void die(const char *what)
{
	perror(what);
	_exit(1);
}

static long long now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* One iteration of each mode. */

static void ping_pong(int fd)
{
	char c = 'p';

	if (send(fd, &c, 1, 0) != 1 || recv(fd, &c, 1, 0) != 1)
		die("ping");
}

static void ping_pong_rw(int fd)
{
	char c = 'p';

	if (write(fd, &c, 1) != 1 || read(fd, &c, 1) != 1)
		die("ping");
}

enum { MESSAGE = 200 };

static char request[MESSAGE + 1], answer[MESSAGE + 1];

/* Makes the messages of mode http, with a header that fills them up. */
static void make_messages(void)
{
	const char *ask = "GET /items/17 HTTP/1.1\r\nHost: localhost\r\nX-Fill: ", *say = "HTTP/1.1 200 OK\r\nContent-Length: 60\r\nX-Fill: ";
	char fill[MESSAGE + 1];

	memset(fill, 'x', MESSAGE);
	fill[MESSAGE] = 0;
	snprintf(request, sizeof(request), "%s%.*s\r\n\r\n", ask, MESSAGE - 4 - (int)strlen(ask), fill);
	snprintf(answer, sizeof(answer), "%s%.*s\r\n\r\n%.60s", say, MESSAGE - 64 - (int)strlen(say), fill, fill);
}

static void receive(int fd, char *buf, ssize_t size)
{
	for (ssize_t got = 0, n; got < size; got += n) {
		n = recv(fd, buf + got, size - got, 0);
		if (n <= 0)
			die("http");
	}
}

static void exchange(int fd)
{
	char buf[MESSAGE];

	if (send(fd, request, MESSAGE, 0) != MESSAGE)
		die("http");
	receive(fd, buf, MESSAGE);
}

static void exchange_paced(int fd)
{
	static long long due;
	static int n;

	exchange(fd);
	if (++n % 20)
		return;
	if (!due)
		due = now();
	due += 1000000;
	if (due > now())
		usleep((due - now()) / 1000);
}

static struct sockaddr_in own;

static void to_self(int fd)
{
	char data[64] = "self";

	if (sendto(fd, data, sizeof(data), 0, (struct sockaddr *)&own, sizeof(own)) < 0 ||
	    recvfrom(fd, data, sizeof(data), 0, NULL, NULL) < 0)
		die("self");
}

static void send_chunk(int fd)
{
	if (send(fd, chunk, CHUNK, 0) != CHUNK)
		die("stream");
}

static void ask_parent(int fd)
{
	(void)fd;
	syscall(SYS_getppid);
}

static void tick(int fd)
{
	static int number;
	char text[32];
	int len = snprintf(text, sizeof(text), "tick-%d.", ++number);
	long long t;

	usleep(200000);
	t = now();
	if (sendto(fd, text, len, 0, (struct sockaddr *)&own, sizeof(own)) < 0)
		die("tick");
	printf("tick %d %lld\n", number, t);
	fflush(stdout);
	if (recv(fd, text, sizeof(text), 0) < 0)
		die("tick");
}

/* The other end of a TCP connection: sends data back, answers requests, or only reads. */
static void serve(int fd, int echo, int answers)
{
	ssize_t n;

	while (answers) {
		n = recv(fd, chunk, MESSAGE, MSG_WAITALL);
		if (n != MESSAGE || send(fd, answer, MESSAGE, 0) != MESSAGE)
			return;
	}
	while ((n = recv(fd, chunk, CHUNK, 0)) > 0)
		if (echo && send(fd, chunk, n, 0) != n)
			break;
}

static const struct mode {
	const char *name;
	void (*op)(int fd);
	enum { NONE, UDP, ECHO, SINK, HTTP } peer;
	int stride; /* operations between checks of the clock */
} modes[] = {
	{"pp", ping_pong, ECHO, 16},
	{"pprw", ping_pong_rw, ECHO, 16},
	{"self", to_self, UDP, 64},
	{"http", exchange, HTTP, 16},
	{"http20k", exchange_paced, HTTP, 20},
	{"stream", send_chunk, SINK, 16},
	{"getppid", ask_parent, NONE, 1024},
	{"tick", tick, UDP, 1},
};

static int udp_socket(void)
{
	socklen_t len = sizeof(own);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	own = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (fd < 0 || bind(fd, (struct sockaddr *)&own, len) || getsockname(fd, (struct sockaddr *)&own, &len))
		die("udp");
	return fd;
}

static int tcp_listener(struct sockaddr_in *sa)
{
	socklen_t len = sizeof(*sa);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	*sa = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (fd < 0 || bind(fd, (struct sockaddr *)sa, len) || listen(fd, 1) ||
	    getsockname(fd, (struct sockaddr *)sa, &len))
		die("listen");
	return fd;
}

static int tcp_client(const struct sockaddr_in *sa)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	if (fd < 0 || connect(fd, (const struct sockaddr *)sa, sizeof(*sa)))
		die("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static void stay_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
}

/* The watched process. */
static void client(const struct mode *m, int fd, long long n, double seconds, int wait_first)
{
	long long start, end, done = 0;
	char line[16];

	if (wait_first) {
		printf("ready %d\n", getpid());
		fflush(stdout);
		if (!fgets(line, sizeof(line), stdin))
			_exit(1);
	}
	start = end = now();
	while (n ? done < n : end - start < (long long)(seconds * 1e9)) {
		for (int i = 0; i < m->stride && (!n || done < n); i++, done++)
			m->op(fd);
		end = now();
	}
	printf("%s n=%lld ns_per_op=%.1f\n", m->name, done, (double)(end - start) / done);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const struct mode *m = NULL;
	struct sockaddr_in sa;
	long long n = 0;
	double seconds = 0;
	int opt, wait_first = 0, listener = -1, status;

	while ((opt = getopt(argc, argv, "n:t:c:w")) != -1) {
		switch (opt) {
		case 'n': n = atoll(optarg); break;
		case 't': seconds = atof(optarg); break;
		case 'c': stay_on(atoi(optarg)); break;
		case 'w': wait_first = 1; break;
		default: return 2;
		}
	}
	for (size_t i = 0; optind < argc && i < sizeof(modes) / sizeof(*modes); i++)
		if (!strcmp(argv[optind], modes[i].name))
			m = &modes[i];
	if (!m || (n <= 0) == (seconds <= 0)) {
		fprintf(stderr, "usage: load MODE (-n ITERATIONS | -t SECONDS) [-c CPU] [-w]\n");
		return 2;
	}

	make_messages();
	if (m->peer == ECHO || m->peer == SINK || m->peer == HTTP)
		listener = tcp_listener(&sa);
	/* The client is the child, so that it has no children. */
	pid_t pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		int fd = -1;

		if (listener >= 0) {
			close(listener);
			fd = tcp_client(&sa);
		} else if (m->peer == UDP) {
			fd = udp_socket();
		}
		client(m, fd, n, seconds, wait_first);
		_exit(0);
	}
	if (listener >= 0) {
		int on = 1, fd = accept(listener, NULL, NULL);

		if (fd < 0) {
			kill(pid, SIGKILL);
			die("accept");
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		serve(fd, m->peer == ECHO, m->peer == HTTP);
	}
	waitpid(pid, &status, 0);
	return !WIFEXITED(status) || WEXITSTATUS(status);
}
