/* trace: socketpair,select; bits: 32 */
/* The old select of i386, whose arguments are in memory. */
#include "show.h"
#include <sys/select.h>

int main(void)
{
	int sv[2];
	long r = socketpair(AF_UNIX, SOCK_STREAM, 0, sv);

	saw(r, "socketpair(AF_UNIX, SOCK_STREAM, 0, [%d, %d])", sv[0], sv[1]);
	must(write(sv[1], "x", 1), "write");
	fd_set in, out;
	FD_ZERO(&in);
	FD_SET(sv[0], &in);
	FD_ZERO(&out);
	FD_SET(sv[1], &out);
	long tv[2] = {5, 0};
	unsigned long args[5] = {sv[1] + 1, (unsigned long)&in, (unsigned long)&out, 0, (unsigned long)tv};
	r = syscall(82, args);
	if (r != 2)
		abort();
	say("select(%d, [%d], [%d], NULL, {tv_sec=5, tv_usec=0}) = 2 (in [%d], out [%d], left {tv_sec=%ld, tv_usec=%ld})", sv[1] + 1, sv[0], sv[1], sv[0],
	    sv[1], tv[0], tv[1]);
	return done();
}
