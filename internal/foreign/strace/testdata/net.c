// What a tracee does to make strace print most of its notations.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void *server(void *arg) {
	int fd = accept(*(int *)arg, NULL, NULL);
	char buf[512];
	while (read(fd, buf, sizeof buf) > 0)
		;
	write(fd, "bye \"\\ <unfinished ...>) = 7", 28);
	close(fd);
	return NULL;
}

static void inet(int family) {
	struct sockaddr_storage ss = {.ss_family = family};
	struct sockaddr_in6 *in6 = (void *)&ss;
	struct sockaddr_in *in = (void *)&ss;
	socklen_t len = family == AF_INET ? sizeof *in : sizeof *in6;
	if (family == AF_INET)
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		in6->sin6_addr = in6addr_loopback;
	int l = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(l, (void *)&ss, len) < 0 || listen(l, 5) < 0)
		return;
	getsockname(l, (void *)&ss, &len);
	pthread_t t;
	pthread_create(&t, NULL, server, &l);
	int c = socket(family, SOCK_STREAM, 0);
	usleep(3000);
	connect(c, (void *)&ss, len);
	char bytes[256], buf[64];
	for (int i = 0; i < 256; i++)
		bytes[i] = i * 7;
	write(c, " = 3 <unfinished ...>, \"x\"), {[(</ /* ", 39);
	send(c, bytes, sizeof bytes, MSG_NOSIGNAL);
	struct iovec v[2] = {{"a, b", 4}, {"\0379\n", 3}};
	struct msghdr m = {.msg_iov = v, .msg_iovlen = 2, .msg_name = &ss, .msg_namelen = len};
	sendmsg(c, &m, 0);
	writev(c, v, 2);
	shutdown(c, SHUT_WR);
	struct pollfd p = {c, POLLIN, 0};
	poll(&p, 1, 1000);
	recv(c, buf, sizeof buf, 0);
	pthread_join(t, NULL);
	close(c);
	close(l);
	c = socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	connect(c, (void *)&ss, len);
	close(c);
	c = socket(family, SOCK_DGRAM, 0);
	sendto(c, "dgram", 5, 0, (void *)&ss, len);
	recvfrom(c, buf, sizeof buf, MSG_DONTWAIT, NULL, NULL);
	struct mmsghdr mm[2] = {{m, 0}, {m, 0}};
	sendmmsg(c, mm, 2, 0);
	close(c);
}

static void others(void) {
	struct sockaddr_un un = {AF_UNIX, "/nowhere/a \"q\" > b"};
	int fds[2], fd = socket(AF_UNIX, SOCK_STREAM, 0);
	connect(fd, (void *)&un, sizeof un);
	close(fd);
	fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	struct sockaddr_un abs = {AF_UNIX, "\0strace->test\""};
	bind(fd, (void *)&abs, 2 + 14);
	sendto(fd, "x", 1, 0, (void *)&abs, 2 + 14);
	close(fd);
	socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
	write(fds[0], "pair", 4);
	char buf[64];
	read(fds[1], buf, sizeof buf);
	int rights[] = {fds[0], 1};
	char control[CMSG_SPACE(sizeof rights)];
	struct iovec v = {"r", 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof rights);
	memcpy(CMSG_DATA(h), rights, sizeof rights);
	sendmsg(fds[0], &m, 0);
	struct sockaddr_nl nl = {AF_NETLINK};
	fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	bind(fd, (void *)&nl, sizeof nl);
	struct nlmsghdr req = {sizeof req, NLMSG_NOOP, NLM_F_REQUEST, 1, 0};
	send(fd, &req, sizeof req, 0);
	close(fd);
	char name[] = "/tmp/strace-> <1>,(\"\n.XXXXXX";
	fd = mkstemp(name);
	write(fd, "f", 1);
	unlink(name);
	write(fd, "g", 1);
	fcntl(fd, F_GETFL);
	fcntl(fd, F_GETFD);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	dup(fd);
	umask(umask(0));
	fd = open("/dev/null", O_RDWR);
	fcntl(fd, F_DUPFD, 50);
	int e = epoll_create1(0);
	struct epoll_event ev = {EPOLLIN, {.u64 = 1ull << 40}};
	epoll_ctl(e, EPOLL_CTL_ADD, fds[1], &ev);
	epoll_wait(e, &ev, 1, 1);
	fd_set r;
	FD_ZERO(&r);
	FD_SET(fds[1], &r);
	struct timeval tv = {1, 0};
	select(fds[1] + 1, &r, NULL, NULL, &tv);
	struct pollfd p = {fds[0], POLLIN, 0};
	poll(&p, 1, 1);
	syscall(1000, 1, 2);
	syscall(SYS_mmap, 0, 5, 0, 0, -1, 0);
}

static void handler(int s) { (void)s; }

static void interrupted(void) {
	struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_RESTART};
	sigaction(SIGALRM, &sa, NULL);
	ualarm(3000, 3000);
	struct timespec ts = {0, 20000000};
	nanosleep(&ts, &ts);
	sa.sa_flags = 0;
	sigaction(SIGALRM, &sa, NULL);
	ualarm(3000, 3000);
	pause();
	int fds[2];
	char c;
	pipe(fds);
	ualarm(3000, 3000);
	read(fds[0], &c, 1);
	ualarm(0, 0);
}

static void *spin(void *arg) {
	for (int i = 0; i < 20; i++) {
		struct timespec ts = {0, 200000 + 10000 * (long)arg};
		nanosleep(&ts, NULL);
		write(1000, "spin", 4);
	}
	return NULL;
}

static void *execs(void *arg) {
	execl("/bin/true", "true", "a\tb", (char *)NULL);
	return arg;
}

// child ends with its parent, where strace is killed.
static pid_t child(void) {
	pid_t pid = fork();
	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

int main(int argc, char **argv) {
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	inet(AF_INET);
	inet(AF_INET6);
	others();
	interrupted();
	pthread_t t[3];
	for (long i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, spin, (void *)i);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	if (child() == 0) {
		usleep(2000);
		_exit(3);
	}
	pid_t stopped = child();
	if (stopped == 0) {
		raise(SIGSTOP);
		pause();
	}
	usleep(5000);
	kill(stopped, SIGCONT);
	usleep(2000);
	kill(stopped, SIGKILL);
	if (child() == 0) {
		*(volatile int *)8 = 1;
	}
	if (child() == 0) {
		pthread_create(&t[0], NULL, execs, NULL);
		pause();
	}
	while (wait(NULL) > 0)
		;
	return 0;
}
