/* trace: socketpair,io_submit,io_getevents,io_pgetevents; bits: 64 */
/* Linux AIO requests on sockets. */
#include "show.h"
#include <linux/aio_abi.h>
#include <poll.h>
#include <sys/uio.h>
#include <time.h>

int main(void)
{
	aio_context_t ctx = 0, other = 0;
	static char got[32];
	int sv[2];
	long r = socketpair(AF_UNIX, SOCK_STREAM, 0, sv);

	saw(r, "socketpair(AF_UNIX, SOCK_STREAM, 0, [%d, %d])", sv[0], sv[1]);
	if (syscall(SYS_io_setup, 8, &ctx) || syscall(SYS_io_setup, 8, &other))
		skip("no AIO");
	struct iovec iov[2] = {{"one", 3}, {"second", 6}};
	struct iocb w = {.aio_data = 7, .aio_lio_opcode = IOCB_CMD_PWRITE, .aio_fildes = sv[0], .aio_buf = (uintptr_t) "aio!", .aio_nbytes = 4};
	struct iocb wv = {.aio_lio_opcode = IOCB_CMD_PWRITEV, .aio_fildes = sv[0], .aio_buf = (uintptr_t)iov, .aio_nbytes = 2};
	struct iocb rd = {.aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = sv[1], .aio_buf = (uintptr_t)got, .aio_nbytes = sizeof(got)};
	struct iocb po = {.aio_data = 0x123456789, .aio_lio_opcode = IOCB_CMD_POLL, .aio_fildes = sv[0], .aio_buf = POLLOUT};
	struct iocb bad = {.aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = 999, .aio_buf = (uintptr_t)got, .aio_nbytes = 1};
	struct iocb *list[] = {&w, &wv, &rd, &po, &bad};

	r = syscall(SYS_io_submit, ctx, 5L, list);
	saw(r,
	    "io_submit(%p, 5, [{aio_data=0x7, aio_lio_opcode=IOCB_CMD_PWRITE, aio_fildes=%d, aio_buf=\"aio!\", aio_nbytes=4, aio_offset=0}, "
	    "{aio_data=0, aio_lio_opcode=IOCB_CMD_PWRITEV, aio_fildes=%d, aio_buf=[{iov_base=\"one\", iov_len=3}, {iov_base=\"second\", iov_len=6}], aio_offset=0}, "
	    "{aio_data=0, aio_lio_opcode=IOCB_CMD_PREAD, aio_fildes=%d, aio_buf=%p, aio_nbytes=32, aio_offset=0}, "
	    "{aio_data=0x123456789, aio_lio_opcode=IOCB_CMD_POLL, aio_fildes=%d, aio_buf=POLLOUT}, "
	    "{aio_data=0, aio_lio_opcode=IOCB_CMD_PREAD, aio_fildes=999, aio_buf=%p, aio_nbytes=1, aio_offset=0}])",
	    (void *)ctx, sv[0], sv[0], sv[1], got, sv[0], got);

	struct io_event e[8];
	struct timespec ts = {1, 0};
	r = syscall(SYS_io_getevents, ctx, 4L, 8L, e, &ts);
	if (r != 4)
		abort();
	char *text = str("%s", "");
	for (int i = 0; i < r; i++)
		text = str("%s%s{data=%s, obj=%p, res=%lld, res2=%lld}", text, i ? ", " : "", e[i].data ? str("0x%llx", e[i].data) : "0",
			   (void *)(uintptr_t)e[i].obj, e[i].res, e[i].res2);
	saw(r, "io_getevents(%p, 4, 8, [%s], {tv_sec=1, tv_nsec=0})", (void *)ctx, text);
	ts.tv_sec = 0;
	r = syscall(SYS_io_pgetevents, ctx, 0L, 8L, e, &ts, NULL);
	saw(r, "io_pgetevents(%p, 0, 8, [], {tv_sec=0, tv_nsec=0}, NULL)", (void *)ctx);

	/* Not on a socket: only strace shows it. */
	int p[2];
	must(pipe(p), "pipe");
	struct iocb pi = {.aio_lio_opcode = IOCB_CMD_PWRITE, .aio_fildes = p[1], .aio_buf = (uintptr_t) "pipe", .aio_nbytes = 4};
	struct iocb *one[] = {&pi};
	r = syscall(SYS_io_submit, other, 1L, one);
	say("~io_submit(%p, 1, [{aio_data=0, aio_lio_opcode=IOCB_CMD_PWRITE, aio_fildes=%d, aio_buf=\"pipe\", aio_nbytes=4, aio_offset=0}]) = %ld",
	    (void *)other, p[1], r);
	return done();
}
