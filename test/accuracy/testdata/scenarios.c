// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Traffic with known owners. "scenarios NAME" sets up a scenario, prints the
 * processes to watch ("pid ROLE PID"), waits for a line on standard input, makes
 * the traffic, and prints the owner of each end:
 *
 *	end PROTO LOCALPORT PEERPORT ROLE PID	(ICMP: identifier, 0; peer port 0: any)
 *	end PROTO LOCALPORT PEERPORT ROLE PID,PID,PID...	(the writer, the reader, others that may close
 *							last; an incoming packet with "pid=PID." is read by PID)
 *
 * It runs in its own network namespace, in which lo is up.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/icmp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int gate[2]; /* closed by the first process when all begin */

static void say(const char *format, ...)
{
	char line[200];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	if (write(1, line, n) != n)
		_exit(3);
}

static void die(const char *what)
{
	fprintf(stderr, "scenarios: %s: %s\n", what, strerror(errno));
	_exit(1);
}

static void begin(void)
{
	char c;

	if (read(gate[0], &c, 1) < 0)
		die("gate");
}

static struct sockaddr_in at(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return a;
}

static int port_of(int fd, int peer)
{
	struct sockaddr_in a;
	socklen_t n = sizeof(a);

	if (peer ? getpeername(fd, (void *)&a, &n) : getsockname(fd, (void *)&a, &n))
		return 0;
	return ntohs(a.sin_port);
}

static int bystander; /* not compared */

static void tell(int fd, const char *role)
{
	if (!bystander)
		say("end tcp %d %d %s %d\n", port_of(fd, 0), port_of(fd, 1), role, getpid());
}

static int bound(int type, int port)
{
	struct sockaddr_in a = at(port);
	int one = 1, fd = socket(AF_INET, type, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (void *)&a, sizeof(a)))
		die("bind");
	if (type == SOCK_STREAM && listen(fd, 64))
		die("listen");
	return fd;
}

/* One exchange on an accepted connection, until it ends. */
static void echo(int fd)
{
	char buf[256];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		if (write(fd, buf, n) != n)
			break;
	close(fd);
}

static void serve(int fd)
{
	tell(fd, "server");
	echo(fd);
}

static int connected(int port)
{
	struct sockaddr_in a = at(port);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (void *)&a, sizeof(a)))
		die("connect");
	tell(fd, "client");
	return fd;
}

static void exchange(int fd, int times)
{
	char buf[64];

	while (times--)
		if (write(fd, "ping", 4) != 4 || read(fd, buf, sizeof(buf)) != 4)
			die("exchange");
}

static void client(int port, int times)
{
	while (times--) {
		int fd = connected(port);

		exchange(fd, 1);
		close(fd);
	}
}

static pid_t stay[8]; /* exits after all others */
static int stays, others;

static void kill_at_end(pid_t pid)
{
	stay[stays++] = pid;
	others--;
}

static pid_t role(const char *name, void (*run)(int), int arg)
{
	pid_t pid = fork();

	others++;

	if (pid < 0)
		die("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(gate[1]);
		gate[1] = -1;
		run(arg);
		_exit(0);
	}
	if (name)
		say("pid %s %d\n", name, pid);
	return pid;
}

static void accept_n(int l, int n, void (*each)(int))
{
	while (n--) {
		int fd = accept(l, 0, 0);

		if (fd < 0)
			die("accept");
		each(fd);
	}
}

#define CLIENTS 5

static void server_plain(int l)
{
	begin();
	accept_n(l, CLIENTS, serve);
}

static void client_plain(int port)
{
	begin();
	client(port, CLIENTS);
}

static void before(void)
{
	int l = bound(SOCK_STREAM, 5000);

	role("server", server_plain, l);
	close(l);
	role("client", client_plain, 5000);
}

static void late_server(int port)
{
	begin();
	accept_n(bound(SOCK_STREAM, port), CLIENTS, serve);
}

static void late_client(int port)
{
	begin();
	poll(0, 0, 100);
	client(port, CLIENTS);
}

static void after(void)
{
	role("server", late_server, 5000);
	role("client", late_client, 5000);
}

static void client_each(int port)
{
	client(port, 1);
}

static void client_forks(int port)
{
	begin();
	for (int i = 0; i < CLIENTS; i++)
		waitpid(role(0, client_each, port), 0, 0);
}

static void clients(void)
{
	int l = bound(SOCK_STREAM, 5000);

	role("server", server_plain, l);
	close(l);
	role("client", client_forks, 5000);
}

static int pair[2];

static void established_server(int fd)
{
	close(pair[0]);
	begin();
	serve(fd);
}

static void established_client(int fd)
{
	close(pair[1]);
	begin();
	tell(fd, "client");
	exchange(fd, 10);
	close(fd);
}

static void established(void)
{
	int l = bound(SOCK_STREAM, 5000);
	struct sockaddr_in a = at(5000);

	pair[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(pair[0], (void *)&a, sizeof(a)) || (pair[1] = accept(l, 0, 0)) < 0)
		die("connect");
	role("server", established_server, pair[1]);
	role("client", established_client, pair[0]);
	close(pair[0]);
	close(pair[1]);
	close(l);
}

static int udp_times = 15;

static void udp_server(int fd)
{
	struct sockaddr_in from;
	char buf[64];

	begin();
	say("end udp %d 0 server %d\n", port_of(fd, 0), getpid());
	for (int i = 0; i < udp_times; i++) {
		socklen_t n = sizeof(from);
		ssize_t len = recvfrom(fd, buf, sizeof(buf), 0, (void *)&from, &n);

		if (len < 0 || sendto(fd, buf, len, 0, (void *)&from, n) != len)
			die("udp");
	}
}

static void udp_client(int port)
{
	struct sockaddr_in a = at(port), none = at(0);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	char buf[64];

	begin();
	if (bind(fd, (void *)&none, sizeof(none)))
		die("bind");
	say("end udp %d 0 client %d\n", port_of(fd, 0), getpid());
	for (int i = 0; i < 15; i++)
		if (sendto(fd, "ask", 3, 0, (void *)&a, sizeof(a)) != 3 || recv(fd, buf, sizeof(buf), 0) != 3)
			die("udp");
}

static void udp(void)
{
	int fd = bound(SOCK_DGRAM, 5000);

	role("server", udp_server, fd);
	close(fd);
	role("client", udp_client, 5000);
}

static void sameport(void)
{
	before();
	udp();
}

static void worker(int l)
{
	for (;;)
		accept_n(l, 1, serve);
}

static void prefork_master(int l)
{
	pid_t a = role(0, worker, l), b = role(0, worker, l);

	begin();
	poll(0, 0, 700);
	kill(a, SIGTERM);
	kill(b, SIGTERM);
}

static void slow_client(int port)
{
	begin();
	for (int i = 0; i < CLIENTS; i++) {
		client(port, 1);
		poll(0, 0, 10);
	}
}

static void prefork(void)
{
	int l = bound(SOCK_STREAM, 5000);

	role("server", prefork_master, l);
	close(l);
	role("client", slow_client, 5000);
}

static void fork_serve(int fd)
{
	pid_t pid = role(0, echo, fd);

	say("end tcp %d %d server %d,%d,%d\n", port_of(fd, 0), port_of(fd, 1), pid, pid, getpid());
	waitpid(pid, 0, 0);
	close(fd);
}

static void forking_server(int l)
{
	begin();
	accept_n(l, CLIENTS, fork_serve);
}

static void forkper(void)
{
	int l = bound(SOCK_STREAM, 5000);

	role("server", forking_server, l);
	close(l);
	/* The child serves until its client closes: the clients have only their own sockets. */
	role("client", client_forks, 5000);
}

static int pass[2];

/* Receives the next connection that was passed; -1 at the end. */
static int taken(int sock)
{
	char c, control[CMSG_SPACE(sizeof(int))];
	struct iovec v = { &c, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	int fd;

	if (recvmsg(sock, &m, 0) <= 0)
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}

static void take(int sock)
{
	int fd;

	while ((fd = taken(sock)) >= 0) {
		say("end tcp %d %d server %d,%d,%d,%d\n", port_of(fd, 0), port_of(fd, 1), getpid(), getpid(), getpid(), getppid());
		echo(fd);
	}
}

static void give(int fd)
{
	char c = 0, control[CMSG_SPACE(sizeof(int))] = {};
	struct iovec v = { &c, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	*(int *)CMSG_DATA(h) = fd;
	if (sendmsg(pass[0], &m, 0) != 1)
		die("sendmsg");
	close(fd);
}

static void giving_server(int l)
{
	pid_t w;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pass))
		die("socketpair");
	w = role(0, take, pass[1]);
	begin();
	accept_n(l, CLIENTS, give);
	poll(0, 0, 100);
	kill(w, SIGTERM);
}

static void rights(void)
{
	int l = bound(SOCK_STREAM, 5000);

	role("server", giving_server, l);
	close(l);
	role("client", slow_client, 5000);
}

static void http(int fd)
{
	char buf[2048];

	tell(fd, "server");
	if (read(fd, buf, sizeof(buf)) > 0)
		dprintf(fd, "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nok\n");
	shutdown(fd, SHUT_WR);
	while (read(fd, buf, sizeof(buf)) > 0)
		;
	close(fd);
}

static void http_server(int l)
{
	begin();
	accept_n(l, 30, http);
}

static void curls(int port)
{
	begin();
	for (int i = 0; i < 30; i++) {
		char from[16], url[64];
		pid_t pid = fork();

		snprintf(from, sizeof(from), "%d", 6000 + i);
		snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
		if (!pid) {
			execlp("curl", "curl", "-s", "-o", "/dev/null", "--local-port", from, url, NULL);
			die("curl");
		}
		say("end tcp %d %d client %d\n", 6000 + i, port, pid);
		waitpid(pid, 0, 0);
	}
}

static void curl(void)
{
	int l = bound(SOCK_STREAM, 5000);

	role("server", http_server, l);
	close(l);
	role("client", curls, 5000);
}

static void refused(int port)
{
	begin();
	for (int i = 0; i < CLIENTS; i++) {
		struct sockaddr_in a = at(port), own = at(6000 + i);
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		if (bind(fd, (void *)&own, sizeof(own)) || !connect(fd, (void *)&a, sizeof(a)))
			die("closed port");
		say("end tcp %d %d client %d\n", 6000 + i, port, getpid());
		close(fd);
	}
}

static void closed(void)
{
	role("client", refused, 5001);
}

static void busy_server(int l)
{
	begin();
	accept_n(l, 40, serve);
}

static void busy_client(int port)
{
	begin();
	client(port, 40);
}

static void bystanders(void)
{
	bystander = 1;
	for (int port = 5100; port < 5102; port++) {
		int l = bound(SOCK_STREAM, port);

		role(0, busy_server, l);
		close(l);
		role(0, busy_client, port);
	}
	bystander = 0;
	before();
}

static void run(const char *line)
{
	if (system(line))
		die(line);
}

static int near_listener; /* does not belong to the client */

static void far_client(int ready)
{
	char line[128];
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(5000) };

	close(near_listener);
	if (unshare(CLONE_NEWNET))
		die("unshare");
	snprintf(line, sizeof(line), "ip link add far type veth peer name near netns %d", getppid());
	run(line);
	run("ip addr add 192.0.2.2/24 dev far && ip link set far up");
	if (write(ready, "", 1) != 1)
		die("ready");
	close(ready);
	begin();
	inet_pton(AF_INET, "192.0.2.1", &a.sin_addr);
	for (int i = 0; i < CLIENTS; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		if (connect(fd, (void *)&a, sizeof(a)))
			die("connect");
		tell(fd, "client");
		exchange(fd, 1);
		close(fd);
	}
}

static void netns(void)
{
	int ready[2], l = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(5000) };
	char c;

	if (pipe(ready) || bind(l, (void *)&a, sizeof(a)) || listen(l, 5))
		die("listen");
	near_listener = l;
	role("client", far_client, ready[1]);
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		die("client");
	run("ip addr add 192.0.2.1/24 dev near && ip link set near up");
	role("server", server_plain, l);
	close(l);
}

static void late(int fd)
{
	char buf[16];

	tell(fd, "server");
	if (read(fd, buf, sizeof(buf)) != 4)
		die("read");
	poll(0, 0, 150);
	close(fd);
}

static void late_closer(int l)
{
	begin();
	accept_n(l, CLIENTS, late);
}

static void early_closer(int port)
{
	begin();
	for (int i = 0; i < CLIENTS; i++) {
		int fd = connected(port);

		if (write(fd, "ping", 4) != 4)
			die("write");
		close(fd);
	}
	poll(0, 0, 1000);
}

static void lateclose(void)
{
	int l = bound(SOCK_STREAM, 5000);

	role("server", late_closer, l);
	close(l);
	role("client", early_closer, 5000);
}

static void nobody_there(int port)
{
	begin();
	for (int i = 0; i < CLIENTS; i++) {
		struct sockaddr_in a = at(port), own = at(6000 + i);
		int fd = socket(AF_INET, SOCK_DGRAM, 0);

		if (bind(fd, (void *)&own, sizeof(own)))
			die("bind");
		say("end udp %d %d client %d\n", 6000 + i, port, getpid());
		if (i % 2) /* connected: the next call returns the error */
			connect(fd, (void *)&a, sizeof(a));
		sendto(fd, "hello", 5, 0, (void *)&a, sizeof(a));
		poll(0, 0, 10);
		close(fd);
	}
}

static void unreachable(void)
{
	role("client", nobody_there, 5001);
}

#define TURNS 10

static void reader(int fd)
{
	char buf[64];

	for (int i = 0; i < TURNS; i++)
		if (read(fd, buf, sizeof(buf)) != 3)
			die("read");
	close(fd);
}

static void writer(int proto)
{
	struct sockaddr_in a = at(5000);
	int fd = socket(AF_INET, proto == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM, 0);
	pid_t pid;

	begin();
	if (connect(fd, (void *)&a, sizeof(a)))
		die("connect");
	pid = role(0, reader, fd);
	say("end %s %d 5000 client %d,%d,%d\n", proto == IPPROTO_TCP ? "tcp" : "udp", port_of(fd, 0), getpid(), pid, getpid());
	for (int i = 0; i < TURNS; i++) {
		if (write(fd, "ask", 3) != 3)
			die("write");
		poll(0, 0, 10);
	}
	waitpid(pid, 0, 0);
	close(fd);
}

static void one_server(int l)
{
	begin();
	accept_n(l, 1, serve);
}

static void shared(void)
{
	int l = bound(SOCK_STREAM, 5000);

	role("server", one_server, l);
	close(l);
	role("client", writer, IPPROTO_TCP);
}

static void udp_shared(void)
{
	int fd = bound(SOCK_DGRAM, 5000);

	udp_times = TURNS;
	role("server", udp_server, fd);
	close(fd);
	role("client", writer, IPPROTO_UDP);
}

static unsigned short checksum(unsigned short *p, int words)
{
	unsigned sum = 0;

	while (words--)
		sum += *p++;
	sum = (sum >> 16) + (sum & 0xffff);
	return ~(sum + (sum >> 16));
}

/*
 * Many packets whose payload names their owner: lines of 16 bytes, "pid=", ten digits and a dot.
 * "sent PID BYTES" is the total that was sent.
 */
#define LINE 16
#define MANY 20000

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu % (sysconf(_SC_NPROCESSORS_ONLN) > 0 ? sysconf(_SC_NPROCESSORS_ONLN) : 1), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void fill(char *buf, size_t size, int pid)
{
	char line[LINE + 1];

	snprintf(line, sizeof(line), "pid=%010d.\n", pid);
	for (size_t i = 0; i + LINE <= size; i += LINE)
		memcpy(buf + i, line, LINE);
}

/* MSG_EOR prevents TCP from merging two writes into one packet, however slow the machine is. */
static int send_flags;

static void send_all(int fd, const char *buf, size_t size)
{
	while (size) {
		ssize_t n = send_flags ? send(fd, buf, size, send_flags) : write(fd, buf, size);

		if (n < 0)
			die("write");
		buf += n;
		size -= n;
	}
}

static int many_fd, many_times = MANY;
static size_t many_size;

static void many_writer(int cpu)
{
	static char buf[1 << 20];
	long long sent = 0;

	pin(cpu);
	fill(buf, many_size, getpid());
	begin();
	for (int i = 0; i < many_times; i++) {
		send_all(many_fd, buf, many_size);
		sent += many_size;
	}
	/*
	 * Watched processes stay until all data has left: pidwire does not wait long after their end.
	 */
	for (int left = 1, i = 0; i < 10000 && !ioctl(many_fd, TIOCOUTQ, &left) && left; i++)
		usleep(1000);
	say("sent %d %lld\n", getpid(), sent);
}

static void many_drain(int fd)
{
	static char buf[1 << 18];

	close(many_fd); /* or it would wait for itself */
	while (read(fd, buf, sizeof(buf)) > 0)
		;
}

/* One UDP socket, two writers on two CPUs. */
static void many_udp(void)
{
	struct sockaddr_in a = at(7801);

	many_size = 4 * LINE;
	bound(SOCK_DGRAM, 7801); /* nobody reads: it is soon full */
	many_fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (connect(many_fd, (void *)&a, sizeof(a)))
		die("connect");
	role("client", many_writer, 0);
	role("other", many_writer, 1);
}

/* One TCP connection. */
static int many_connection(int port)
{
	struct sockaddr_in a = at(port);
	int l = bound(SOCK_STREAM, port), fd;

	many_fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(many_fd, (void *)&a, sizeof(a)))
		die("connect");
	fd = accept(l, 0, 0);
	if (fd < 0)
		die("accept");
	close(l);
	return fd;
}

/* Each write is a packet of its own. */
static void no_delay(int fd)
{
	int one = 1;

	send_flags = MSG_EOR;
	if (setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, sizeof(one)))
		die("TCP_NODELAY");
}

/* Two writers on two CPUs, with sends larger than the buffer. */
static void many_tcp(void)
{
	int fd = many_connection(7802);

	many_size = 1 << 18;
	many_times = 170; /* of 182 packets, some of which leave in the other's calls */
	role(0, many_drain, fd);
	close(fd);
	role("client", many_writer, 0);
	role("other", many_writer, 1);
	close(many_fd);
}

/* A writer that often loses the CPU, also between its last byte and the end of its call. */
static void many_starved_writer(int cpu)
{
	if (nice(15) < 0)
		die("nice");
	many_writer(cpu);
}

static void spin(int cpu)
{
	pin(cpu);
	for (;;)
		;
}

/* As manytcp, on one CPU, with little of it for one writer. */
static void many_starved(void)
{
	int fd = many_connection(7806);

	many_size = 1 << 18;
	many_times = 170;
	role(0, many_drain, fd);
	close(fd);
	role("client", many_writer, 0);
	role("other", many_starved_writer, 0);
	close(many_fd);
	kill_at_end(role(0, spin, 0));
	kill_at_end(role(0, spin, 1));
}

/* Each process writes and gives the connection to a child, which writes while its parent's bytes are still queued. */
static void many_relay(int hops)
{
	static char buf[1 << 18];
	pid_t next = 0;

	if (!hops)
		return;
	fill(buf, sizeof(buf), getpid());
	send_all(many_fd, buf, sizeof(buf));
	next = fork();
	if (next < 0)
		die("fork");
	if (!next) {
		many_relay(hops - 1);
		_exit(0);
	}
	close(many_fd);
	if (waitpid(next, 0, 0) != next)
		die("waitpid");
}

static void many_relay_first(int hops)
{
	begin();
	many_relay(hops);
}

static void many_relays(void)
{
	int fd = many_connection(7807);

	role(0, many_drain, fd);
	close(fd);
	role("client", many_relay_first, 150);
	close(many_fd);
}

static int reader_pid;

/* The peer of a connection: its data names the process that reads it. */
static void many_peer(int fd)
{
	char buf[4 * LINE], in[1024];

	fill(buf, sizeof(buf), reader_pid);
	close(many_fd);
	begin();
	for (int i = 0; i < MANY; i++) {
		send_all(fd, buf, sizeof(buf));
		while (recv(fd, in, sizeof(in), MSG_DONTWAIT) > 0)
			;
		if (i % 8 == 7)
			usleep(1);
	}
	shutdown(fd, SHUT_WR);
	while (read(fd, buf, sizeof(buf)) > 0)
		;
}

/* Messages between the three processes of many_split: to the writer, and to the peer. */
static int to_writer[2], to_peer[2];

static void pipe_say(int *whom)
{
	if (write(whom[1], "x", 1) != 1)
		die("pipe_say");
}

static void pipe_hear(int *whom)
{
	char x;

	if (read(whom[0], &x, 1) != 1)
		die("pipe_hear");
}

/*
 * First each process is seen using its direction: one reads, the other writes, the first reads
 * again, with bytes that name nobody. Then much data is sent in both directions at once.
 */
static void many_reader(int cpu)
{
	static char buf[1 << 16];
	long long got = 0;
	ssize_t n;

	pin(cpu);
	if (read(many_fd, buf, 1) != 1)
		die("read");
	pipe_say(to_writer);
	if (read(many_fd, buf, 1) != 1)
		die("read");
	pipe_say(to_writer);
	pipe_say(to_peer);
	while ((n = read(many_fd, buf, sizeof(buf))) > 0)
		got += n;
	say("got %d %lld\n", getpid(), got);
}

static void many_split_writer(int cpu)
{
	begin();
	pipe_hear(to_writer);
	send_all(many_fd, ".", 1);
	pipe_say(to_peer);
	pipe_hear(to_writer);
	many_writer(cpu);
}

static void many_split_peer(int fd)
{
	char c;

	begin();
	usleep(1200000); /* an old connection with two users is watched for a second before its bytes have an owner */
	send_all(fd, ".", 1);
	pipe_hear(to_peer);
	if (read(fd, &c, 1) != 1)
		die("read");
	send_all(fd, ".", 1);
	pipe_hear(to_peer);
	many_peer(fd);
}

/* One process writes to a connection, another reads from it, on two CPUs. */
static void many_split(void)
{
	int fd = many_connection(7803);

	if (pipe(to_writer) || pipe(to_peer))
		die("pipe");
	no_delay(many_fd);
	no_delay(fd);
	many_size = 4 * LINE;
	reader_pid = role("other", many_reader, 1);
	role("client", many_split_writer, 0);
	role(0, many_split_peer, fd);
	close(fd);
	close(many_fd);
}

#define WORKERS 4
#define REQUESTS 16

static void many_worker(int listener)
{
	char buf[4 * LINE], in[4 * LINE];
	int fd;

	fill(buf, sizeof(buf), getpid());
	while ((fd = accept(listener, 0, 0)) >= 0) {
		while (recv(fd, in, sizeof(in), MSG_WAITALL) == sizeof(in))
			send_all(fd, buf, sizeof(buf));
		close(fd);
	}
}

static void many_caller(int port)
{
	struct sockaddr_in a = at(port);
	char buf[4 * LINE];
	long long sent = 0;

	begin();
	for (int i = 0; i < 400; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		if (connect(fd, (void *)&a, sizeof(a)))
			die("connect");
		for (int j = 0; j < REQUESTS; j++) {
			fill(buf, sizeof(buf), getpid());
			send_all(fd, buf, sizeof(buf));
			sent += sizeof(buf);
			if (recv(fd, buf, sizeof(buf), MSG_WAITALL) != sizeof(buf))
				die("recv");
		}
		close(fd);
	}
	say("sent %d %lld\n", getpid(), sent);
}

/* Workers accept on one socket, while clients connect and close. */
static void many_prefork(void)
{
	int l = bound(SOCK_STREAM, 7804);

	for (int i = 0; i < WORKERS; i++)
		kill_at_end(role("server", many_worker, l));
	close(l);
	for (int i = 0; i < 4; i++)
		role("client", many_caller, 7804);
}

static void many_answerer(int port)
{
	struct sockaddr_in from, a = at(port);
	socklen_t n = sizeof(from);
	char buf[4 * LINE], in[4 * LINE];
	int one = 1, fd = socket(AF_INET, SOCK_DGRAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (bind(fd, (void *)&a, sizeof(a)))
		die("bind");
	fill(buf, sizeof(buf), getpid());
	while (recvfrom(fd, in, sizeof(in), 0, (void *)&from, &n) > 0)
		if (sendto(fd, buf, sizeof(buf), 0, (void *)&from, n) < 0)
			die("sendto");
}

static void many_asker(int port)
{
	struct sockaddr_in a = at(port);
	char buf[4 * LINE];
	long long sent = 0;

	begin();
	for (int i = 0; i < 60; i++) {
		int fd = socket(AF_INET, SOCK_DGRAM, 0);

		if (connect(fd, (void *)&a, sizeof(a)))
			die("connect");
		for (int j = 0; j < 200; j++) {
			fill(buf, sizeof(buf), getpid());
			send_all(fd, buf, sizeof(buf));
			sent += sizeof(buf);
			if (recv(fd, buf, sizeof(buf), 0) != sizeof(buf))
				die("recv");
		}
		close(fd);
	}
	say("sent %d %lld\n", getpid(), sent);
}

/* Two sockets on one port; the kernel distributes incoming packets. */
static void many_reuseport(void)
{
	kill_at_end(role("server", many_answerer, 7805));
	kill_at_end(role("server", many_answerer, 7805));
	usleep(100000);
	role("client", many_asker, 7805);
	role("client", many_asker, 7805);
}

/* As manyudp, with a queue that sends packets later, on any CPU. */
static void many_queue(void)
{
	if (system("tc qdisc add dev lo root tbf rate 400mbit burst 20kb latency 50ms") &&
	    system("tc qdisc add dev lo root netem delay 1ms limit 100000"))
		die("tc");
	many_udp();
}

/* As manytcp, through such a queue. */
static void many_tcp_queue(void)
{
	if (system("tc qdisc add dev lo root tbf rate 400mbit burst 20kb latency 50ms") &&
	    system("tc qdisc add dev lo root netem delay 1ms limit 100000"))
		die("tc");
	many_tcp();
}

/*
 * Successive children, each of which reads an answer to its parent's request, later than pidwire
 * waits; the parent reads in turn, too.
 */
static void heirs_client(int port, int too)
{
	struct sockaddr_in a = at(port);
	int fd = socket(AF_INET, SOCK_STREAM, 0), n;
	char buf[LINE], list[150];

	n = snprintf(list, sizeof(list), "%d,%d,%d", getpid(), getpid(), getpid());
	begin();
	if (fd < 0 || connect(fd, (void *)&a, sizeof(a)))
		die("connect");
	for (int i = 0; i < TURNS; i++) {
		pid_t pid;

		if (too && i % 2) {
			fill(buf, sizeof(buf), getpid());
			send_all(fd, buf, sizeof(buf));
			if (read(fd, buf, sizeof(buf)) != sizeof(buf))
				die("read");
		}
		pid = fork();
		if (pid < 0)
			die("fork");
		if (!pid) {
			usleep(too || i ? 150000 : 20000);
			_exit(read(fd, buf, sizeof(buf)) != sizeof(buf));
		}
		n += snprintf(list + n, sizeof(list) - n, ",%d", pid);
		fill(buf, sizeof(buf), pid);
		send_all(fd, buf, sizeof(buf));
		if (waitpid(pid, &(int){ 0 }, 0) != pid)
			die("waitpid");
	}
	say("end tcp %d %d client %s\n", port_of(fd, 0), port, list);
	close(fd);
}

static void lazy_client(int port)
{
	heirs_client(port, 1);
}

static void only_heirs_client(int port)
{
	heirs_client(port, 0);
}

static void at_one_server(void (*client)(int))
{
	int l = bound(SOCK_STREAM, 5000);

	role("server", one_server, l);
	close(l);
	role("client", client, 5000);
}

static void lazy(void)
{
	at_one_server(lazy_client);
}

static void heirs(void)
{
	at_one_server(only_heirs_client);
}

/*
 * The accepting process sends a greeting, and its child reads earlier data, later than pidwire
 * waits.
 */
static void greet(int fd)
{
	char buf[LINE];
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (!pid) {
		usleep(150000);
		_exit(read(fd, buf, sizeof(buf)) != sizeof(buf));
	}
	say("end tcp %d %d server %d,%d,%d,%d\n", port_of(fd, 0), port_of(fd, 1), getpid(), pid, getpid(), pid);
	usleep(40000); /* it has arrived */
	send_all(fd, "welcome", 7);
	if (waitpid(pid, &(int){ 0 }, 0) != pid)
		die("waitpid");
	close(fd);
}

static void greeting_server(int l)
{
	begin();
	accept_n(l, CLIENTS, greet);
}

static void greeted(int port)
{
	char buf[LINE] = "what I want";

	begin();
	for (int i = 0; i < CLIENTS; i++) {
		int fd = connected(port);

		usleep(20000); /* both hold it */
		send_all(fd, buf, sizeof(buf));
		while (read(fd, buf, sizeof(buf)) > 0)
			;
		close(fd);
	}
}

static void greeting(void)
{
	int l = bound(SOCK_STREAM, 5000);

	role("server", greeting_server, l);
	close(l);
	role("client", greeted, 5000);
}

static pid_t heir;   /* the process that gets each connection */
static int named[2]; /* each heir, for the client */

static void name_heir(int fd)
{
	say("end tcp %d %d server %d,%d,%d,%d\n", port_of(fd, 0), port_of(fd, 1), getpid(), heir, getpid(), heir);
	if (write(named[1], &heir, sizeof(heir)) != sizeof(heir))
		die("pipe");
}

static void take_silent(int sock)
{
	char buf[LINE];
	int fd;

	while ((fd = taken(sock)) >= 0) {
		usleep(150000);
		if (read(fd, buf, sizeof(buf)) != sizeof(buf))
			die("read");
		close(fd);
	}
}

/*
 * The accepting process sends a greeting and closes the connection; another process reads the data
 * that has arrived, later than pidwire waits.
 */
static void greet_and_give(int fd)
{
	send_all(fd, "welcome", 7);
	name_heir(fd);
	give(fd);
}

static void greet_and_fork(int fd)
{
	char buf[LINE];

	send_all(fd, "welcome", 7);
	heir = fork();
	if (heir < 0)
		die("fork");
	if (!heir && !usleep(150000))
		_exit(read(fd, buf, sizeof(buf)) != sizeof(buf));
	name_heir(fd);
	close(fd);
}

static void greeter_gives(int l)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pass))
		die("socketpair");
	heir = role(0, take_silent, pass[1]);
	begin();
	accept_n(l, CLIENTS, greet_and_give);
	poll(0, 0, 100);
	kill(heir, SIGTERM);
}

static void greeter_forks(int l)
{
	begin();
	accept_n(l, CLIENTS, greet_and_fork);
	while (wait(0) > 0)
		;
}

static void asks_later(int port)
{
	char buf[LINE];

	begin();
	for (int i = 0; i < CLIENTS; i++) {
		int fd = connected(port);
		pid_t pid;

		if (read(fd, buf, 7) != 7 || read(named[0], &pid, sizeof(pid)) != sizeof(pid))
			die("read");
		usleep(20000); /* the other one holds it */
		fill(buf, sizeof(buf), pid);
		send_all(fd, buf, sizeof(buf));
		while (read(fd, buf, sizeof(buf)) > 0)
			;
		close(fd);
	}
}

static void greeter(void (*server)(int))
{
	int l = bound(SOCK_STREAM, 5000);

	if (pipe(named))
		die("pipe");
	role("server", server, l);
	close(l);
	role("client", asks_later, 5000);
}

static void given(void)
{
	greeter(greeter_gives);
}

static void given_away(void)
{
	greeter(greeter_forks);
}

static int peers_end;

static void holder(int fd)
{
	close(peers_end);
	begin();
	usleep(400000);
	close(fd);
}

/*
 * Of several processes that held a connection at attach, the one that uses it, after letting the
 * first packets wait.
 */
static void user(int fd)
{
	char buf[LINE];

	close(peers_end);
	begin();
	say("end tcp %d %d client %d,%d,%d,%d\n", port_of(fd, 0), port_of(fd, 1), getpid(), getpid(), getpid(), reader_pid);
	usleep(150000);
	for (int i = 0; i < TURNS; i++) {
		if (read(fd, buf, sizeof(buf)) != sizeof(buf))
			die("read");
		send_all(fd, buf, sizeof(buf));
	}
}

static void pusher(int fd)
{
	char buf[LINE];

	close(many_fd);
	begin();
	fill(buf, sizeof(buf), reader_pid);
	for (int i = 0; i < TURNS; i++) {
		send_all(fd, buf, sizeof(buf));
		if (read(fd, buf, sizeof(buf)) != sizeof(buf))
			die("read");
	}
	while (read(fd, buf, sizeof(buf)) > 0)
		;
}

static void held(void)
{
	int fd = peers_end = many_connection(5000);

	reader_pid = role("client", holder, many_fd);
	reader_pid = role("client", user, many_fd);
	role("server", pusher, fd);
	close(fd);
	close(many_fd);
}

/* As manysplit, but no use is seen before much data arrives. */
static void cold_reader(int cpu)
{
	static char buf[1 << 16];
	long long got = 0;
	ssize_t n;

	pin(cpu);
	begin();
	while ((n = read(many_fd, buf, sizeof(buf))) > 0)
		got += n;
	say("got %d %lld\n", getpid(), got);
}

static void many_cold(void)
{
	int fd = many_connection(7806);

	no_delay(many_fd);
	no_delay(fd);

	many_size = 4 * LINE;
	reader_pid = role("other", cold_reader, 1);
	role("client", many_writer, 0);
	role(0, many_peer, fd);
	close(fd);
	close(many_fd);
}

/* As ping of iputils: a raw socket that takes echo replies only. */
static void pinger(int id)
{
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	struct icmp_filter only = { ~(1u << ICMP_ECHOREPLY) };
	struct sockaddr_in a = at(0);

	setsockopt(fd, SOL_RAW, ICMP_FILTER, &only, sizeof(only));
	begin();
	say("end icmp %d 0 client %d\n", id, getpid());
	for (int i = 1; i <= CLIENTS; i++) {
		struct icmphdr h = { .type = ICMP_ECHO };
		char buf[128];

		h.un.echo.id = htons(id);
		h.un.echo.sequence = htons(i);
		h.checksum = checksum((void *)&h, sizeof(h) / 2);
		if (sendto(fd, &h, sizeof(h), 0, (void *)&a, sizeof(a)) != sizeof(h) || recv(fd, buf, sizeof(buf), 0) < 28)
			die("ping");
	}
}

static void ping(void)
{
	role("client", pinger, 4242);
}

static struct {
	const char *name;
	void (*set_up)(void);
} all[] = {
	{ "before", before }, { "after", after }, { "clients", clients }, { "established", established },
	{ "udp", udp }, { "sameport", sameport }, { "prefork", prefork }, { "forkper", forkper }, { "rights", rights },
	{ "curl", curl }, { "closed", closed }, { "bystanders", bystanders }, { "netns", netns },
	{ "lateclose", lateclose }, { "unreachable", unreachable }, { "ping", ping },
	{ "shared", shared }, { "udpshared", udp_shared }, { "lazy", lazy }, { "heirs", heirs }, { "greeting", greeting }, { "given", given }, { "givenaway", given_away }, { "held", held }, { "manycold", many_cold },
	{ "manyudp", many_udp }, { "manytcp", many_tcp }, { "manystarved", many_starved }, { "manyrelay", many_relays },
	{ "manysplit", many_split }, { "manyprefork", many_prefork },
	{ "manyreuseport", many_reuseport }, { "manyqueue", many_queue }, { "manytcpqueue", many_tcp_queue },
};

int main(int argc, char **argv)
{
	char c;

	for (unsigned i = 0; argc == 2 && i < sizeof(all) / sizeof(*all); i++) {
		if (strcmp(argv[1], all[i].name))
			continue;
		if (pipe(gate))
			die("pipe");
		alarm(30); /* in any case */
		all[i].set_up();
		say("ready\n");
		if (read(0, &c, 1) != 1)
			return 1;
		close(gate[1]);
		while (wait(0) > 0 || errno == EINTR)
			if (--others == 0)
				for (int j = 0; j < stays; j++)
					kill(stay[j], SIGTERM);
		return 0;
	}
	fprintf(stderr, "usage: scenarios NAME\n");
	return 2;
}
