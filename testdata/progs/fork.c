/* trace: socketpair,sendto,recvfrom,send,recv,close; bits: 64,32 */
#include "show.h"
#include <sys/wait.h>

/* A child inherits a socket, uses it before anything else, and exits. */
int main(void)
{
	int pair[2], status;
	char got[8];
	long r;

	r = socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	saw(r, "socketpair(AF_UNIX, SOCK_STREAM, 0, [%d, %d])", pair[0], pair[1]);
	pid_t child = fork();
	must(child, "fork");
	if (child == 0) {
		r = send(pair[1], "child", 5, 0);
		SENT(r, pair[1], "\"child\"", 5, "0");
		r = close(pair[0]);
		saw(r, "close(%d)", pair[0]);
		_exit(0);
	}
	must(waitpid(child, &status, 0), "waitpid");
	r = recv(pair[0], got, sizeof(got), 0);
	RECEIVED(r, pair[0], "\"child\"", sizeof(got), "0");
	r = close(pair[1]);
	saw(r, "close(%d)", pair[1]);
	/* The child's end was closed when it exited: end of stream. */
	r = recv(pair[0], got, sizeof(got), 0);
	RECEIVED(r, pair[0], "\"\"", sizeof(got), "0");
	return done();
}
