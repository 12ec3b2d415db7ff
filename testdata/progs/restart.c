/* trace: socketpair,poll,restart_syscall; bits: 64,32 */
/* A poll that is stopped and continued. */
#include "show.h"
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

int main(void)
{
	int sv[2];
	long r = socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
	pid_t self = getpid();

	saw(r, "socketpair(AF_UNIX, SOCK_STREAM, 0, [%d, %d])", sv[0], sv[1]);
	if (!fork()) {
		for (int i = 0; i < 2; i++) {
			usleep(150000);
			kill(self, SIGSTOP);
			usleep(150000);
			kill(self, SIGCONT);
		}
		usleep(150000);
		must(write(sv[1], "x", 1), "write");
		_exit(0);
	}
	struct pollfd p = {.fd = sv[0], .events = POLLIN};
	r = syscall(SYS_poll, &p, 1, 10000);
	say("poll([{fd=%d, events=POLLIN}], 1, 10000) = ? ERESTART_RESTARTBLOCK (Interrupted by signal)", sv[0]);
	say("restart_syscall(<... resuming interrupted poll ...>) = ? ERESTART_RESTARTBLOCK (Interrupted by signal)");
	saw(r, "restart_syscall(<... resuming interrupted %s ...>)", "restart_syscall");
	wait(0);
	return done();
}
