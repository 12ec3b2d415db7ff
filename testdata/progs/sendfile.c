/* trace: socketpair,sendfile,sendfile64,splice; bits: 64,32 */
#include "show.h"
#include <fcntl.h>
#include <sys/sendfile.h>

/* A file and a pipe into a socket, without a buffer in the program. */
int main(void)
{
	int pair[2], p[2], file = memfd_create("pidwire", 0);
	long r, off = 3;

	must(file, "memfd_create");
	must(ftruncate(file, 100), "ftruncate");
	must(pipe(p), "pipe");
	r = socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	saw(r, "socketpair(AF_UNIX, SOCK_STREAM, 0, [%d, %d])", pair[0], pair[1]);
	r = syscall(SYS_sendfile, pair[0], file, NULL, 10);
	saw(r, "sendfile(%d, %d, NULL, 10)", pair[0], file);
	r = syscall(SYS_sendfile, pair[0], file, &off, 50);
	saw(r, "sendfile(%d, %d, [3] => [53], 50)", pair[0], file);
	off = 100;
	r = syscall(SYS_sendfile, pair[0], file, &off, 50);
	saw(r, "sendfile(%d, %d, [100], 50)", pair[0], file);
	r = syscall(SYS_sendfile, pair[0], -1, &off, 50);
	saw(r, "sendfile(%d, -1, [100], 50)", pair[0]);
	r = syscall(SYS_sendfile, pair[0], file, hole(), 1);
	saw(r, "sendfile(%d, %d, %p, 1)", pair[0], file, hole());
#ifdef SYS_sendfile64
	long long off64 = 5;
	r = syscall(SYS_sendfile64, pair[0], file, &off64, 6);
	saw(r, "sendfile64(%d, %d, [5] => [11], 6)", pair[0], file);
#endif

	r = splice(pair[1], NULL, p[1], NULL, 20, SPLICE_F_MOVE);
	saw(r, "splice(%d, NULL, %d, NULL, 20, SPLICE_F_MOVE)", pair[1], p[1]);
	r = splice(p[0], NULL, pair[1], NULL, 8, SPLICE_F_NONBLOCK | SPLICE_F_MORE);
	saw(r, "splice(%d, NULL, %d, NULL, 8, SPLICE_F_NONBLOCK|SPLICE_F_MORE)", p[0], pair[1]);
	loff_t zero = 0;
	r = splice(pair[1], &zero, p[1], NULL, 1, 0);
	saw(r, "splice(%d, [0], %d, NULL, 1, 0)", pair[1], p[1]);
	return done();
}
