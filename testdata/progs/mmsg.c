/* trace: socket,socketpair,sendmmsg,recvmmsg,recvmmsg_time64; bits: 64,32 */
#include "show.h"

/* The struct timespec of this call's number: libc would choose another call. */
struct old_timespec {
	long tv_sec, tv_nsec;
};

/* Several messages per call, with and without a timeout. */
int main(void)
{
	int pair[2];
	long r;

	r = socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
	saw(r, "socketpair(AF_UNIX, SOCK_DGRAM, 0, [%d, %d])", pair[0], pair[1]);

	struct iovec out[] = {{"first", 5}, {"second", 6}, {"third", 5}};
	struct mmsghdr send[2] = {
		{.msg_hdr = {.msg_iov = out, .msg_iovlen = 1}},
		{.msg_hdr = {.msg_iov = out + 1, .msg_iovlen = 2}},
	};
	r = syscall(SYS_sendmmsg, pair[0], send, 2, MSG_DONTWAIT | MSG_NOSIGNAL);
	saw(r, "sendmmsg(%d, [{msg_hdr={msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=\"first\", iov_len=5}], "
	       "msg_iovlen=1, msg_controllen=0, msg_flags=0}, msg_len=5}, "
	       "{msg_hdr={msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=\"second\", iov_len=6}, "
	       "{iov_base=\"third\", iov_len=5}], msg_iovlen=2, msg_controllen=0, msg_flags=0}, msg_len=11}], 2, "
	       "MSG_DONTWAIT|MSG_NOSIGNAL)", pair[0]);

	/* Three are requested, two are available. */
	char got[3][16];
	struct iovec in[] = {{got[0], 16}, {got[1], 16}, {got[2], 16}};
	struct mmsghdr recv[3] = {};
	for (int i = 0; i < 3; i++)
		recv[i].msg_hdr = (struct msghdr){.msg_iov = in + i, .msg_iovlen = 1};
	struct old_timespec limit = {1, 500};
	r = syscall(SYS_recvmmsg, pair[1], recv, 3, MSG_WAITFORONE, &limit);
	say("recvmmsg(%d, [{msg_hdr={msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=\"first\", iov_len=16}], "
	       "msg_iovlen=1, msg_controllen=0, msg_flags=0}, msg_len=5}, "
	       "{msg_hdr={msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=\"secondthird\", iov_len=16}], "
	       "msg_iovlen=1, msg_controllen=0, msg_flags=0}, msg_len=11}], 3, MSG_WAITFORONE, "
	       "{tv_sec=1, tv_nsec=500}) = 2 (left {tv_sec=%ld, tv_nsec=%ld})",
	    pair[1], limit.tv_sec, limit.tv_nsec);

	/* Nothing available. */
	r = syscall(SYS_recvmmsg, pair[1], recv, 3, MSG_DONTWAIT, NULL);
	saw(r, "recvmmsg(%d, %p, 3, MSG_DONTWAIT, NULL)", pair[1], (void *)recv);
	r = syscall(SYS_recvmmsg, -1, recv, 3, 0, hole());
	saw(r, "recvmmsg(-1, %p, 3, 0, %p)", (void *)recv, hole());
	r = syscall(SYS_sendmmsg, pair[0], NULL, 0, 0);
	saw(r, "sendmmsg(%d, NULL, 0, 0)", pair[0]);
#ifdef SYS_recvmmsg_time64
	r = syscall(SYS_sendmmsg, pair[0], send, 1, 0);
	saw(r, "sendmmsg(%d, [{msg_hdr={msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=\"first\", iov_len=5}], "
	       "msg_iovlen=1, msg_controllen=0, msg_flags=0}, msg_len=5}], 1, 0)", pair[0]);
	long long limit64[2] = {2, 7};
	r = syscall(SYS_recvmmsg_time64, pair[1], recv, 1, 0, limit64);
	say("recvmmsg_time64(%d, [{msg_hdr={msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=\"first\", iov_len=16}], "
	       "msg_iovlen=1, msg_controllen=0, msg_flags=0}, msg_len=5}], 1, 0, {tv_sec=2, tv_nsec=7}) "
	    "= 1 (left {tv_sec=%lld, tv_nsec=%lld})", pair[1], limit64[0], limit64[1]);
#endif
	return done();
}
