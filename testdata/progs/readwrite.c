/* trace: socketpair,read,write,readv,writev,pread64,preadv2,pwritev2,close; bits: 64,32 */
#include "show.h"
#include <sys/uio.h>

/* read and write on a socket, as most programs use them. */
int main(void)
{
	char data[50], got[64], more[8];
	int pair[2];
	long r;

	memset(data, 'd', sizeof(data));
	r = socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	saw(r, "socketpair(AF_UNIX, SOCK_STREAM, 0, [%d, %d])", pair[0], pair[1]);
	r = write(pair[0], data, sizeof(data));
	saw(r, "write(%d, %s, 50)", pair[0], buf(data, sizeof(data)));
	r = read(pair[1], got, sizeof(got));
	saw(r, "read(%d, %s, 64)", pair[1], buf(got, 50));
	r = write(pair[0], "", 0);
	saw(r, "write(%d, \"\", 0)", pair[0]);

	struct iovec out[] = {{"ab", 2}, {data, 40}}, in[] = {{got, 4}, {more, 8}, {got + 4, 60}};
	r = writev(pair[0], out, 2);
	saw(r, "writev(%d, [{iov_base=\"ab\", iov_len=2}, {iov_base=%s, iov_len=40}], 2)", pair[0], buf(data, 40));
	r = readv(pair[1], in, 3);
	saw(r, "readv(%d, [{iov_base=\"abdd\", iov_len=4}, {iov_base=\"dddddddd\", iov_len=8}, "
	       "{iov_base=\"%.30s\", iov_len=60}], 3)", pair[1], data);
	r = writev(pair[0], NULL, 0);
	saw(r, "writev(%d, NULL, 0)", pair[0]);
	volatile int less = -1; /* gcc would not compile it */
	char *bad = hole();
	r = writev(pair[0], (void *)bad, less);
	saw(r, "writev(%d, %p, 4294967295)", pair[0], bad);

	/* A socket has no file position. */
	r = pread(pair[1], got, 5, 7);
	saw(r, "pread64(%d, %p, 5, 7)", pair[1], got);
	r = pwritev2(pair[0], out, 1, -1, 0);
	saw(r, "pwritev2(%d, [{iov_base=\"ab\", iov_len=2}], 1, -1, 0)", pair[0]);
	r = preadv2(pair[1], in, 1, -1, 0);
	saw(r, "preadv2(%d, [{iov_base=\"ab\", iov_len=4}], 1, -1, 0)", pair[1]);
	/* No data: EAGAIN, or EOPNOTSUPP before Linux 6.4. */
	r = preadv2(pair[1], in, 1, -1, RWF_NOWAIT);
	saw(r, "preadv2(%d, [{iov_base=%p, iov_len=4}], 1, -1, RWF_NOWAIT)", pair[1], got);
	r = read(pair[1], hole(), 0);
	saw(r, "read(%d, \"\", 0)", pair[1]);

	r = close(pair[0]);
	saw(r, "close(%d)", pair[0]);
	r = read(pair[1], got, sizeof(got));
	saw(r, "read(%d, \"\", 64)", pair[1]);
	r = readv(pair[1], in, 2);
	saw(r, "readv(%d, [{iov_base=\"\", iov_len=4}, {iov_base=\"\", iov_len=8}], 2)", pair[1]);
	return done();
}
