/* trace: socket,socketpair,bind,connect,accept,getsockname,sendto,recvfrom,send,recv,sendmsg,recvmsg,setsockopt,getsockopt; bits: 64,32 */
#include "show.h"

/* Pointers to unmapped memory, and to memory that ends too early. */
int main(void)
{
	char *bad = hole(), got[8];
	struct sockaddr_in sa = loopback(9), peer;
	socklen_t len, *badlen = (void *)bad;
	struct iovec iov = {bad, 5};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	int one = 1;
	long r;

	int s = socket(AF_INET, SOCK_DGRAM, 0);
	saw(s, "socket(AF_INET, SOCK_DGRAM, IPPROTO_IP)");
	r = bind(s, (void *)bad, 16);
	saw(r, "bind(%d, %p, 16)", s, bad);
	struct sockaddr_in *shorter = edge(&sa, 12);
	r = connect(s, (void *)shorter, 16);
	saw(r, "connect(%d, %p, 16)", s, (void *)shorter);
	/* All bytes of the given length are mapped. */
	struct sockaddr_in *exact = edge(&sa, 16);
	r = connect(s, (void *)exact, 16);
	saw(r, "connect(%d, %s, 16)", s, addr(&sa, 16));

	r = send(s, bad, 10, 0);
	SENT(r, s, str("%p", bad), 10, "0");
	char *three = edge("abc", 3);
	r = send(s, three, 3, 0);
	SENT(r, s, "\"abc\"", 3, "0");
	/* The readable part is shown, and the address of the rest. */
	r = send(s, three, 9, 0);
	SENT(r, s, str("%p", three), 9, "0");
	r = sendto(s, "x", 1, 0, (void *)bad, 16);
	saw(r, "sendto(%d, \"x\", 1, 0, %p, 16)", s, bad);
	r = sendto(s, "x", 1, 0, (void *)&sa, 4096);
	saw(r, "sendto(%d, \"x\", 1, 0, %s, 4096)", s, addr(&sa, 16));

	len = sizeof(peer);
	r = getsockname(s, (void *)bad, &len);
	saw(r, "getsockname(%d, %p, [16])", s, bad);
	r = getsockname(s, (void *)&peer, badlen);
	saw(r, "getsockname(%d, %p, %p)", s, (void *)&peer, bad);
	r = getsockname(s, (void *)&peer, NULL);
	saw(r, "getsockname(%d, %p, NULL)", s, (void *)&peer);
	r = accept(s, (void *)bad, badlen);
	saw(r, "accept(%d, %p, %p)", s, bad, bad);
	r = recvfrom(s, bad, 3, MSG_DONTWAIT, (void *)bad, badlen);
	saw(r, "recvfrom(%d, %p, 3, MSG_DONTWAIT, %p, %p)", s, bad, bad, bad);
	r = recv(-1, got, sizeof(got), 0);
	RECEIVED(r, -1, str("%p", got), sizeof(got), "0");

	r = setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, bad, 4);
	saw(r, "setsockopt(%d, SOL_SOCKET, SO_KEEPALIVE, %p, 4)", s, bad);
	r = setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, NULL, 0);
	saw(r, "setsockopt(%d, SOL_SOCKET, SO_KEEPALIVE, NULL, 0)", s);
	r = setsockopt(s, SOL_SOCKET, SO_LINGER, &one, 4);
	saw(r, "setsockopt(%d, SOL_SOCKET, SO_LINGER, %p, 4)", s, (void *)&one);
	len = 4;
	r = getsockopt(s, SOL_SOCKET, SO_KEEPALIVE, bad, &len);
	saw(r, "getsockopt(%d, SOL_SOCKET, SO_KEEPALIVE, %p, [4])", s, bad);
	r = getsockopt(s, SOL_SOCKET, SO_KEEPALIVE, &one, badlen);
	saw(r, "getsockopt(%d, SOL_SOCKET, SO_KEEPALIVE, %p, %p)", s, (void *)&one, bad);

	r = sendmsg(s, (void *)bad, 0);
	saw(r, "sendmsg(%d, %p, 0)", s, bad);
	r = sendmsg(s, &msg, 0);
	saw(r, "sendmsg(%d, {msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=%p, iov_len=5}], "
	       "msg_iovlen=1, msg_controllen=0, msg_flags=0}, 0)", s, bad);
	msg.msg_iov = (void *)bad;
	msg.msg_iovlen = 2;
	r = sendmsg(s, &msg, 0);
	saw(r, "sendmsg(%d, {msg_name=NULL, msg_namelen=0, msg_iov=%p, "
	       "msg_iovlen=2, msg_controllen=0, msg_flags=0}, 0)", s, bad);
	r = sendmsg(s, NULL, MSG_OOB);
	saw(r, "sendmsg(%d, NULL, MSG_OOB)", s);
	r = recvmsg(s, (void *)bad, MSG_DONTWAIT);
	saw(r, "recvmsg(%d, %p, MSG_DONTWAIT)", s, bad);
	r = socketpair(AF_UNIX, SOCK_STREAM, 0, (int *)bad);
	saw(r, "socketpair(AF_UNIX, SOCK_STREAM, 0, %p)", bad);
	return done();
}
