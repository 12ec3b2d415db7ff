/* trace: socketpair,copy_file_range; bits: 64,32 */
/* Works on files only: with a socket it returns an error. */
#include "show.h"

int main(void)
{
	int sv[2];
	long long off = 5;
	long r = socketpair(AF_UNIX, SOCK_STREAM, 0, sv);

	saw(r, "socketpair(AF_UNIX, SOCK_STREAM, 0, [%d, %d])", sv[0], sv[1]);
	r = syscall(SYS_copy_file_range, sv[0], NULL, sv[1], &off, 10, 0);
	saw(r, "copy_file_range(%d, NULL, %d, [5], 10, 0)", sv[0], sv[1]);
	r = syscall(SYS_copy_file_range, 0, NULL, sv[1], NULL, 10, 1);
	saw(r, "copy_file_range(0, NULL, %d, NULL, 10, 1)", sv[1]);
	return done();
}
