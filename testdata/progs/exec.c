/* trace: socketpair,sendto,recvfrom,send,recv; bits: 64,32 */
#include "show.h"
#include <fcntl.h>
#include <sys/wait.h>

/*
 * A child executes this program again, with an open socket. The parent prints the lines for what
 * the child does then, since they share no memory.
 */
int main(int argc, char **argv)
{
	int pair[2], status;
	char got[16];
	long r;

	if (argc > 1)
		return send(atoi(argv[1]), "executed", 8, 0) != 8;

	r = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
	saw(r, "socketpair(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0, [%d, %d])", pair[0], pair[1]);
	pid_t child = fork();
	must(child, "fork");
	if (child == 0) {
		fcntl(pair[1], F_SETFD, 0);
		execl("/proc/self/exe", argv[0], str("%d", pair[1]), NULL);
		_exit(1);
	}
	must(waitpid(child, &status, 0), "waitpid");
	SENT(8L, pair[1], "\"executed\"", 8, "0");
	r = recv(pair[0], got, sizeof(got), 0);
	RECEIVED(r, pair[0], "\"executed\"", sizeof(got), "0");
	return done();
}
