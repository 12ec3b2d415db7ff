/* trace: socket,socketpair,bind,connect,listen,accept4,getsockopt,setsockopt,getsockname,getpeername,sendto,sendmsg,recvfrom,recvmsg,shutdown,close; bits: 32 */
#include "show.h"

/* The numbers that i386 has had since Linux 4.3 and libc does not use. */
int main(void)
{
	struct sockaddr_in sa = loopback(0), peer;
	socklen_t len = sizeof(sa);
	int pair[2], one = 1;
	char got[8];
	long r;

	int l = syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
	saw(l, "socket(AF_INET, SOCK_STREAM, IPPROTO_IP)");
	r = syscall(SYS_setsockopt, l, SOL_SOCKET, SO_REUSEADDR, &one, 4);
	saw(r, "setsockopt(%d, SOL_SOCKET, SO_REUSEADDR, [1], 4)", l);
	r = syscall(SYS_bind, l, &sa, sizeof(sa));
	saw(r, "bind(%d, %s, 16)", l, addr(&sa, sizeof(sa)));
	r = syscall(SYS_listen, l, 5);
	saw(r, "listen(%d, 5)", l);
	r = syscall(SYS_getsockname, l, &sa, &len);
	saw(r, "getsockname(%d, %s, [16])", l, addr(&sa, len));
	int c = syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
	saw(c, "socket(AF_INET, SOCK_STREAM, IPPROTO_IP)");
	r = syscall(SYS_connect, c, &sa, sizeof(sa));
	saw(r, "connect(%d, %s, 16)", c, addr(&sa, sizeof(sa)));
	len = sizeof(peer);
	int s = syscall(SYS_accept4, l, &peer, &len, SOCK_CLOEXEC);
	saw(s, "accept4(%d, %s, [16], SOCK_CLOEXEC)", l, addr(&peer, len));
	r = syscall(SYS_getpeername, c, &peer, &len);
	saw(r, "getpeername(%d, %s, [16])", c, addr(&peer, len));
	r = syscall(SYS_sendto, c, "direct", 6, 0, NULL, 0);
	saw(r, "sendto(%d, \"direct\", 6, 0, NULL, 0)", c);
	r = syscall(SYS_recvfrom, s, got, sizeof(got), 0, NULL, NULL);
	saw(r, "recvfrom(%d, \"direct\", 8, 0, NULL, NULL)", s);
	struct iovec iov = {"msg", 3};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	r = syscall(SYS_sendmsg, s, &msg, 0);
	saw(r, "sendmsg(%d, {msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=\"msg\", iov_len=3}], msg_iovlen=1, "
	       "msg_controllen=0, msg_flags=0}, 0)", s);
	iov = (struct iovec){got, sizeof(got)};
	r = syscall(SYS_recvmsg, c, &msg, 0);
	saw(r, "recvmsg(%d, {msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=\"msg\", iov_len=8}], msg_iovlen=1, "
	       "msg_controllen=0, msg_flags=0}, 0)", c);
	len = 4;
	r = syscall(SYS_getsockopt, c, SOL_SOCKET, SO_ERROR, &one, &len);
	saw(r, "getsockopt(%d, SOL_SOCKET, SO_ERROR, [0], [4])", c);
	r = syscall(SYS_shutdown, c, SHUT_WR);
	saw(r, "shutdown(%d, SHUT_WR)", c);
	r = syscall(SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0, pair);
	saw(r, "socketpair(AF_UNIX, SOCK_DGRAM, 0, [%d, %d])", pair[0], pair[1]);
	r = close(c);
	saw(r, "close(%d)", c);
	return done();
}
