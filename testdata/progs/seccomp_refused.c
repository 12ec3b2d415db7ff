/* trace: socket,connect; bits: 64,32 */
/*
 * A seccomp filter makes a call fail, sends a signal instead, or has a supervisor answer it. Such
 * calls do not reach the tracepoint at the entry.
 */
#include "show.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#ifndef SECCOMP_RET_USER_NOTIF
#define SECCOMP_RET_USER_NOTIF 0x7fc00000U
#endif

/* connect, as a call of its own or in socketcall. */
static int filter(unsigned action, unsigned flags)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_connect, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(*code), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		skip("no_new_privs");
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
}

static struct sockaddr_in sa;
static int fd;

static long attempt(void)
{
	return syscall(SYS_connect, fd, &sa, sizeof(sa));
}

static void tried(long r)
{
	saw(r, "connect(%d, %s, 16)", fd, addr(&sa, sizeof(sa)));
}

static void on_sigsys(int sig)
{
	(void)sig;
}

/* A process with the filter. */
static void child(unsigned action, void (*run)(void))
{
	pid_t pid = fork();

	if (!pid) {
		if (filter(action, 0))
			_exit(SHOW_SKIP);
		run();
		_exit(0);
	}
	int status = 0;
	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == SHOW_SKIP)
		skip("seccomp");
}

static void fails(void)
{
	tried(attempt());
	tried(attempt());
}

static void traps(void)
{
	signal(SIGSYS, on_sigsys);
	say("connect(%d, %s, 16) = %d", fd, addr(&sa, sizeof(sa)), SYS_connect);
	attempt();
}

static volatile int listener = -1;

static void *supervise(void *arg)
{
	(void)arg;
	while (listener < 0)
		usleep(1000);
	for (int i = 0; i < 3; i++) {
		struct seccomp_notif n = {};
		struct seccomp_notif_resp r = {};

		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &n))
			_exit(SHOW_SKIP);
		r.id = n.id;
		switch (i) {
		case 0:
			r.error = -EHOSTUNREACH;
			break;
		case 1:
			r.val = 7;
			break;
		case 2:
			r.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
			break;
		}
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &r))
			_exit(SHOW_SKIP);
	}
	return 0;
}

static void supervised(void)
{
	pid_t pid = fork();
	pthread_t t;

	if (!pid) {
		if (pthread_create(&t, 0, supervise, 0))
			abort();
		int l = filter(SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER);

		if (l < 0)
			_exit(SHOW_SKIP);
		listener = l;
		for (int i = 0; i < 3; i++)
			tried(attempt());
		pthread_join(t, 0);
		_exit(0);
	}
	waitpid(pid, 0, 0);
}

int main(void)
{
	sa = loopback(25999);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	saw(fd, "socket(AF_INET, SOCK_DGRAM, IPPROTO_IP)");
	child(SECCOMP_RET_ERRNO | EPERM, fails);
	child(SECCOMP_RET_ERRNO | 0, fails); /* reported as done, and not done */
	child(SECCOMP_RET_TRACE, fails); /* nobody traces it */
	child(SECCOMP_RET_TRAP, traps);
	supervised();
	/* Without a filter. */
	tried(attempt());
	return done();
}
