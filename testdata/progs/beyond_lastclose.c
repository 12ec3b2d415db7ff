/* trace: socketpair; bits: 64 */
/*
 * A child writes on its parent's connection and exits, and the parent, which has not used it, shuts
 * it down. go test ./test/live -run TestLastClose.
 */
#include "show.h"
#include <sys/prctl.h>
#include <sys/wait.h>

int main(void)
{
	struct sockaddr_in sa = loopback(0);
	socklen_t len = sizeof(sa);
	int l = must(socket(AF_INET, SOCK_STREAM, 0), "socket"), c = must(socket(AF_INET, SOCK_STREAM, 0), "socket"), pid;

	must(bind(l, (void *)&sa, sizeof(sa)), "bind");
	must(listen(l, 1), "listen");
	must(getsockname(l, (void *)&sa, &len), "getsockname");
	must(connect(c, (void *)&sa, sizeof(sa)), "connect");
	must(accept(l, 0, 0), "accept");
	pid = must(fork(), "fork");
	if (!pid) {
		prctl(PR_SET_NAME, "writer");
		send(c, "x", 1, 0);
		_exit(0);
	}
	must(waitpid(pid, 0, 0), "waitpid");
	usleep(100000);
	must(shutdown(c, SHUT_WR), "shutdown");
	usleep(100000);
	return done();
}
