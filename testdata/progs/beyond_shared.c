/* trace: socketpair; bits: 64 */
/*
 * Two processes send on one socket at the same time, each on its own CPU if there are two: the
 * payload names the sender. go test ./test/live -run TestSharedSocket.
 */
#include "show.h"
#include <sched.h>
#include <sys/wait.h>

#define EACH 5000

int main(void)
{
	struct sockaddr_in sa = loopback(0);
	socklen_t len = sizeof(sa);
	int r = must(socket(AF_INET, SOCK_DGRAM, 0), "socket"), s = must(socket(AF_INET, SOCK_DGRAM, 0), "socket");
	int gate[2];
	char c;

	must(bind(r, (void *)&sa, sizeof(sa)), "bind");
	must(getsockname(r, (void *)&sa, &len), "getsockname");
	must(connect(s, (void *)&sa, sizeof(sa)), "connect");
	must(pipe(gate), "pipe");
	for (int k = 0; k < 2; k++)
		if (!fork()) {
			char text[32];
			cpu_set_t set;

			close(gate[1]);
			CPU_ZERO(&set);
			CPU_SET(k, &set);
			sched_setaffinity(0, sizeof(set), &set);
			snprintf(text, sizeof(text), "pid=%010d.", getpid());
			if (read(gate[0], &c, 1))
				_exit(1);
			for (int i = 0; i < EACH; i++)
				send(s, text, strlen(text), 0);
			_exit(0);
		}
	close(gate[1]);
	while (wait(0) > 0)
		;
	return done();
}
