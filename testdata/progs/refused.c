/* trace: socket,bind,getsockname,connect,getsockopt,listen,sendto,recvfrom,send,recv; bits: 64,32 */
#include "show.h"

/* Connections that fail, and one that is not established yet. */
int main(void)
{
	struct sockaddr_in sa = loopback(0), far = {.sin_family = AF_INET, .sin_port = htons(80)};
	socklen_t len = sizeof(sa);
	char got[4];
	int e;
	long r;

	/* A bound port, so that no other process can listen on it. */
	int taken = socket(AF_INET, SOCK_STREAM, 0);
	saw(taken, "socket(AF_INET, SOCK_STREAM, IPPROTO_IP)");
	r = bind(taken, (void *)&sa, sizeof(sa));
	saw(r, "bind(%d, %s, 16)", taken, addr(&sa, sizeof(sa)));
	r = getsockname(taken, (void *)&sa, &len);
	saw(r, "getsockname(%d, %s, [16])", taken, addr(&sa, len));

	int c = socket(AF_INET, SOCK_STREAM, 0);
	saw(c, "socket(AF_INET, SOCK_STREAM, IPPROTO_IP)");
	r = connect(c, (void *)&sa, sizeof(sa));
	saw(r, "connect(%d, %s, 16)", c, addr(&sa, sizeof(sa)));
	len = sizeof(e);
	r = getsockopt(c, SOL_SOCKET, SO_ERROR, &e, &len);
	saw(r, "getsockopt(%d, SOL_SOCKET, SO_ERROR, [0], [4])", c);
	r = bind(c, (void *)&sa, sizeof(sa));
	saw(r, "bind(%d, %s, 16)", c, addr(&sa, sizeof(sa)));
	r = send(c, "x", 1, MSG_NOSIGNAL);
	SENT(r, c, "\"x\"", 1, "MSG_NOSIGNAL");
	r = recv(c, got, sizeof(got), 0);
	RECEIVED(r, c, str("%p", got), sizeof(got), "0");

	/* UDP returns the error at the next call. */
	int u = socket(AF_INET, SOCK_DGRAM, 0);
	saw(u, "socket(AF_INET, SOCK_DGRAM, IPPROTO_IP)");
	int deaf = socket(AF_INET, SOCK_DGRAM, 0);
	saw(deaf, "socket(AF_INET, SOCK_DGRAM, IPPROTO_IP)");
	sa.sin_port = 0;
	r = bind(deaf, (void *)&sa, sizeof(sa));
	saw(r, "bind(%d, %s, 16)", deaf, addr(&sa, sizeof(sa)));
	len = sizeof(sa);
	r = getsockname(deaf, (void *)&sa, &len);
	saw(r, "getsockname(%d, %s, [16])", deaf, addr(&sa, len));
	/* It is connected to itself, and its port is bound. */
	r = connect(deaf, (void *)&sa, sizeof(sa));
	saw(r, "connect(%d, %s, 16)", deaf, addr(&sa, sizeof(sa)));
	r = connect(u, (void *)&sa, sizeof(sa));
	saw(r, "connect(%d, %s, 16)", u, addr(&sa, sizeof(sa)));
	r = send(u, "x", 1, 0);
	SENT(r, u, "\"x\"", 1, "0");
	r = recv(u, got, sizeof(got), MSG_DONTWAIT);
	RECEIVED(r, u, str("%p", got), sizeof(got), "MSG_DONTWAIT");

	/* The listener's queue is full: the second handshake has to wait. */
	r = listen(taken, 0);
	saw(r, "listen(%d, 0)", taken);
	len = sizeof(sa);
	r = getsockname(taken, (void *)&sa, &len);
	saw(r, "getsockname(%d, %s, [16])", taken, addr(&sa, len));
	int first = socket(AF_INET, SOCK_STREAM, 0);
	saw(first, "socket(AF_INET, SOCK_STREAM, IPPROTO_IP)");
	r = connect(first, (void *)&sa, sizeof(sa));
	saw(r, "connect(%d, %s, 16)", first, addr(&sa, sizeof(sa)));
	int second = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	saw(second, "socket(AF_INET, SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_IP)");
	r = connect(second, (void *)&sa, sizeof(sa));
	saw(r, "connect(%d, %s, 16)", second, addr(&sa, sizeof(sa)));
	r = connect(second, (void *)&sa, sizeof(sa));
	saw(r, "connect(%d, %s, 16)", second, addr(&sa, sizeof(sa)));

	/* Not a broadcast socket; an address of another family. */
	inet_pton(AF_INET, "255.255.255.255", &far.sin_addr);
	r = connect(deaf, (void *)&far, sizeof(far));
	saw(r, "connect(%d, %s, 16)", deaf, addr(&far, sizeof(far)));
	struct sockaddr_in6 six = loopback6(80);
	r = connect(c, (void *)&six, sizeof(six));
	saw(r, "connect(%d, %s, 28)", c, addr(&six, sizeof(six)));
	r = connect(0xfff, (void *)&far, sizeof(far));
	saw(r, "connect(4095, %s, 16)", addr(&far, sizeof(far)));
	return done();
}
