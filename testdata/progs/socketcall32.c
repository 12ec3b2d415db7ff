/* trace: socket,socketpair,bind,connect,listen,accept,accept4,getsockopt,setsockopt,getsockname,getpeername,send,recv,sendto,sendmsg,sendmmsg,recvfrom,recvmsg,recvmmsg,shutdown; bits: 32 */
#include "show.h"
#include <linux/net.h>

/* A call of old programs: a number, and a vector of its arguments. */
static long vcall(long number, long a, long b, long c, long d, long e, long f)
{
	long vec[] = {a, b, c, d, e, f};

	return syscall(SYS_socketcall, number, vec);
}
#define CALL6(n, a, b, c, d, e, f, ...) \
	vcall(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define CALL(n, ...) CALL6(n, __VA_ARGS__, 0, 0, 0, 0, 0)

/* All calls of socketcall(2). */
int main(void)
{
	struct sockaddr_in sa = loopback(0), peer;
	socklen_t len = sizeof(sa);
	int pair[2], one = 1;
	char got[8];
	long r;

	int l = CALL(SYS_SOCKET, AF_INET, SOCK_STREAM, 0);
	saw(l, "socket(AF_INET, SOCK_STREAM, IPPROTO_IP)");
	r = CALL(SYS_SETSOCKOPT, l, SOL_SOCKET, SO_REUSEADDR, &one, 4);
	saw(r, "setsockopt(%d, SOL_SOCKET, SO_REUSEADDR, [1], 4)", l);
	r = CALL(SYS_BIND, l, &sa, sizeof(sa));
	saw(r, "bind(%d, %s, 16)", l, addr(&sa, sizeof(sa)));
	r = CALL(SYS_LISTEN, l, 5);
	saw(r, "listen(%d, 5)", l);
	r = CALL(SYS_GETSOCKNAME, l, &sa, &len);
	saw(r, "getsockname(%d, %s, [16])", l, addr(&sa, len));
	int c = CALL(SYS_SOCKET, AF_INET, SOCK_STREAM, 0);
	saw(c, "socket(AF_INET, SOCK_STREAM, IPPROTO_IP)");
	r = CALL(SYS_CONNECT, c, &sa, sizeof(sa));
	saw(r, "connect(%d, %s, 16)", c, addr(&sa, sizeof(sa)));
	len = sizeof(peer);
	int s = CALL(SYS_ACCEPT, l, &peer, &len);
	saw(s, "accept(%d, %s, [16])", l, addr(&peer, len));
	r = CALL(SYS_GETPEERNAME, c, &peer, &len);
	saw(r, "getpeername(%d, %s, [16])", c, addr(&peer, len));
	r = CALL(SYS_SEND, c, "send", 4, 0);
	saw(r, "send(%d, \"send\", 4, 0)", c);
	r = CALL(SYS_RECV, s, got, sizeof(got), 0);
	saw(r, "recv(%d, \"send\", 8, 0)", s);
	r = CALL(SYS_SENDTO, c, "sendto", 6, MSG_DONTWAIT, NULL, 0);
	saw(r, "sendto(%d, \"sendto\", 6, MSG_DONTWAIT, NULL, 0)", c);
	r = CALL(SYS_RECVFROM, s, got, sizeof(got), 0, NULL, NULL);
	saw(r, "recvfrom(%d, \"sendto\", 8, 0, NULL, NULL)", s);
	struct iovec out = {"msg", 3}, in = {got, sizeof(got)};
	struct mmsghdr send = {.msg_hdr = {.msg_iov = &out, .msg_iovlen = 1}};
	struct mmsghdr recv = {.msg_hdr = {.msg_iov = &in, .msg_iovlen = 1}};
	r = CALL(SYS_SENDMSG, s, &send.msg_hdr, 0);
	saw(r, "sendmsg(%d, {msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=\"msg\", iov_len=3}], msg_iovlen=1, "
	       "msg_controllen=0, msg_flags=0}, 0)", s);
	r = CALL(SYS_RECVMSG, c, &recv.msg_hdr, 0);
	saw(r, "recvmsg(%d, {msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=\"msg\", iov_len=8}], msg_iovlen=1, "
	       "msg_controllen=0, msg_flags=0}, 0)", c);
	r = CALL(SYS_SENDMMSG, s, &send, 1, MSG_MORE);
	saw(r, "sendmmsg(%d, [{msg_hdr={msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=\"msg\", iov_len=3}], "
	       "msg_iovlen=1, msg_controllen=0, msg_flags=0}, msg_len=3}], 1, MSG_MORE)", s);
	r = CALL(SYS_SHUTDOWN, s, SHUT_WR);
	saw(r, "shutdown(%d, SHUT_WR)", s);
	r = CALL(SYS_RECVMMSG, c, &recv, 1, MSG_WAITALL, NULL);
	saw(r, "recvmmsg(%d, [{msg_hdr={msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=\"msg\", iov_len=8}], "
	       "msg_iovlen=1, msg_controllen=0, msg_flags=0}, msg_len=3}], 1, MSG_WAITALL, NULL)", c);
	len = 4;
	r = CALL(SYS_GETSOCKOPT, c, SOL_SOCKET, SO_ERROR, &one, &len);
	saw(r, "getsockopt(%d, SOL_SOCKET, SO_ERROR, [0], [4])", c);
	r = CALL(SYS_SOCKETPAIR, AF_UNIX, SOCK_DGRAM, 0, pair);
	saw(r, "socketpair(AF_UNIX, SOCK_DGRAM, 0, [%d, %d])", pair[0], pair[1]);
	r = CALL(SYS_ACCEPT4, pair[0], NULL, NULL, SOCK_NONBLOCK);
	saw(r, "accept4(%d, NULL, NULL, SOCK_NONBLOCK)", pair[0]);
	return done();
}
