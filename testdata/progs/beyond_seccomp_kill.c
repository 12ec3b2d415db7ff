/* trace: socketpair; bits: 64 */
/*
 * Seccomp kills a thread, or the whole process, in a connect. What can be seen of that depends on
 * the kernel: go test ./test/live -run TestSeccompKills.
 */
#include "show.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static int fd;

static void die_by(unsigned action, unsigned short port)
{
	struct sockaddr_in sa = loopback(port);
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_connect, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(*code), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog))
		_exit(SHOW_SKIP);
	syscall(SYS_connect, fd, &sa, sizeof(sa));
	_exit(1);
}

static void *idle(void *arg)
{
	(void)arg;
	pause();
	return 0;
}

static void *thread(void *arg)
{
	(void)arg;
	die_by(SECCOMP_RET_KILL_THREAD, 25992);
	return 0;
}

int main(void)
{
	pthread_t t;

	fd = socket(AF_INET, SOCK_DGRAM, 0);
	for (int i = 0; i < 3; i++) {
		if (!fork()) {
			switch (i) {
			case 0: /* a process with one thread */
				die_by(SECCOMP_RET_KILL_PROCESS, 25991);
				break;
			case 1: /* only this thread ends */
				pthread_create(&t, 0, thread, 0);
				usleep(300000);
				_exit(0);
			case 2: /* all threads end, whatever they do */
				pthread_create(&t, 0, idle, 0);
				usleep(100000);
				die_by(SECCOMP_RET_KILL_PROCESS, 25993);
				break;
			}
			_exit(0);
		}
		wait(0);
	}
	return done();
}
