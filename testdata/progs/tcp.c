/* trace: socket,setsockopt,getsockopt,bind,listen,getsockname,getpeername,connect,accept,accept4,sendto,recvfrom,send,recv,shutdown,close; bits: 64,32 */
#include "show.h"

/* A TCP connection over IPv4, both ends in one process, from socket to close. */
int main(void)
{
	char data[100], got[100];
	struct sockaddr_in sa = loopback(0), peer;
	socklen_t len;
	int one = 1, val;
	long r;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = 'a' + i % 26;

	int l = socket(AF_INET, SOCK_STREAM, 0);
	saw(l, "socket(AF_INET, SOCK_STREAM, IPPROTO_IP)");
	r = setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	saw(r, "setsockopt(%d, SOL_SOCKET, SO_REUSEADDR, [1], 4)", l);
	r = bind(l, (void *)&sa, sizeof(sa));
	saw(r, "bind(%d, %s, 16)", l, addr(&sa, sizeof(sa)));
	r = listen(l, 5);
	saw(r, "listen(%d, 5)", l);
	len = sizeof(sa);
	r = getsockname(l, (void *)&sa, &len);
	saw(r, "getsockname(%d, %s, [16])", l, addr(&sa, len));

	int c = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
	saw(c, "socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_TCP)");
	len = sizeof(peer);
	r = getpeername(c, (void *)&peer, &len);
	saw(r, "getpeername(%d, %p, [16])", c, (void *)&peer);
	r = connect(c, (void *)&sa, sizeof(sa));
	saw(r, "connect(%d, %s, 16)", c, addr(&sa, sizeof(sa)));
	len = sizeof(val);
	r = getsockopt(c, SOL_SOCKET, SO_ERROR, &val, &len);
	saw(r, "getsockopt(%d, SOL_SOCKET, SO_ERROR, [0], [4])", c);

	len = sizeof(peer);
	int s = accept(l, (void *)&peer, &len);
	saw(s, "accept(%d, %s, [16])", l, addr(&peer, len));
	struct sockaddr_in self;
	len = sizeof(self);
	r = getsockname(c, (void *)&self, &len);
	saw(r, "getsockname(%d, %s, [16])", c, addr(&self, len));
	len = sizeof(self);
	r = getpeername(s, (void *)&self, &len);
	saw(r, "getpeername(%d, %s, [16])", s, addr(&self, len));

	r = send(c, "hello\n", 6, MSG_NOSIGNAL);
	SENT(r, c, "\"hello\\n\"", 6, "MSG_NOSIGNAL");
	r = recv(s, got, sizeof(got), MSG_PEEK);
	RECEIVED(r, s, "\"hello\\n\"", sizeof(got), "MSG_PEEK");
	r = recv(s, got, sizeof(got), 0);
	RECEIVED(r, s, "\"hello\\n\"", sizeof(got), "0");
	r = recv(s, got, sizeof(got), MSG_DONTWAIT);
	RECEIVED(r, s, str("%p", got), sizeof(got), "MSG_DONTWAIT");

	r = sendto(s, data, sizeof(data), MSG_DONTWAIT | MSG_MORE, NULL, 0);
	saw(r, "sendto(%d, %s, 100, MSG_DONTWAIT|MSG_MORE, NULL, 0)", s, buf(data, sizeof(data)));
	r = sendto(s, "\0\1\0012\377\"\\", 7, 0, NULL, 0);
	saw(r, "sendto(%d, \"\\0\\1\\0012\\377\\\"\\\\\", 7, 0, NULL, 0)", s);
	r = recvfrom(c, got, 32, MSG_WAITALL, NULL, NULL);
	saw(r, "recvfrom(%d, %s, 32, MSG_WAITALL, NULL, NULL)", c, buf(data, 32));
	/* TCP returns no address; the length is zero. */
	len = sizeof(peer);
	r = recvfrom(c, got, 75, MSG_WAITALL, (void *)&peer, &len);
	saw(r, "recvfrom(%d, %s, 75, MSG_WAITALL, %p, [16 => 0])",
	    c, buf(got, 75), (void *)&peer);

	/* A second connection, with accept4 and flags, without asking for the peer. */
	int c2 = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	saw(c2, "socket(AF_INET, SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_IP)");
	r = connect(c2, (void *)&sa, sizeof(sa));
	saw(r, "connect(%d, %s, 16)", c2, addr(&sa, sizeof(sa)));
	int s2 = accept4(l, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	saw(s2, "accept4(%d, NULL, NULL, SOCK_CLOEXEC|SOCK_NONBLOCK)", l);
	r = connect(c2, (void *)&sa, sizeof(sa));
	saw(r, "connect(%d, %s, 16)", c2, addr(&sa, sizeof(sa)));
	r = connect(c2, (void *)&sa, sizeof(sa));
	saw(r, "connect(%d, %s, 16)", c2, addr(&sa, sizeof(sa)));

	r = shutdown(c, SHUT_WR);
	saw(r, "shutdown(%d, SHUT_WR)", c);
	r = recv(s, got, sizeof(got), 0);
	RECEIVED(r, s, "\"\"", sizeof(got), "0");
	r = shutdown(s, SHUT_RDWR);
	saw(r, "shutdown(%d, SHUT_RDWR)", s);
	r = shutdown(s2, SHUT_RD);
	saw(r, "shutdown(%d, SHUT_RD)", s2);
	r = shutdown(s2, 3);
	saw(r, "shutdown(%d, 0x3 /* SHUT_??? */)", s2);
	int fds[] = {c2, s2, c, s, l};
	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++) {
		r = close(fds[i]);
		saw(r, "close(%d)", fds[i]);
	}
	return done();
}
