/* trace: socket,setsockopt,bind,listen,getsockname,getpeername,connect,accept,sendto,recvfrom,send,recv,close; bits: 64,32 */
#include "show.h"

/* A TCP connection over IPv6, a mapped IPv4 one, and a link-local address. */
int main(void)
{
	struct sockaddr_in6 sa = loopback6(0), peer;
	socklen_t len;
	char got[16];
	int zero = 0;
	long r;

	sa.sin6_addr = in6addr_any;
	int l = socket(AF_INET6, SOCK_STREAM, IPPROTO_TCP);
	if (l < 0)
		skip("no IPv6");
	saw(l, "socket(AF_INET6, SOCK_STREAM, IPPROTO_TCP)");
	r = setsockopt(l, SOL_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	saw(r, "setsockopt(%d, SOL_IPV6, IPV6_V6ONLY, [0], 4)", l);
	r = bind(l, (void *)&sa, sizeof(sa));
	saw(r, "bind(%d, %s, 28)", l, addr(&sa, sizeof(sa)));
	r = listen(l, 128);
	saw(r, "listen(%d, 128)", l);
	len = 100;
	r = getsockname(l, (void *)&sa, &len);
	saw(r, "getsockname(%d, %s, [100 => 28])", l, addr(&sa, len));

	sa.sin6_addr = in6addr_loopback;
	sa.sin6_flowinfo = 0;
	int c = socket(AF_INET6, SOCK_STREAM, 0);
	saw(c, "socket(AF_INET6, SOCK_STREAM, IPPROTO_IP)");
	r = connect(c, (void *)&sa, sizeof(sa));
	saw(r, "connect(%d, %s, 28)", c, addr(&sa, sizeof(sa)));
	len = sizeof(peer);
	int s = accept(l, (void *)&peer, &len);
	saw(s, "accept(%d, %s, [28])", l, addr(&peer, len));
	r = send(s, "six", 3, 0);
	SENT(r, s, "\"six\"", 3, "0");
	r = recv(c, got, sizeof(got), 0);
	RECEIVED(r, c, "\"six\"", sizeof(got), "0");
	r = close(c);
	saw(r, "close(%d)", c);
	r = close(s);
	saw(r, "close(%d)", s);

	/* An IPv4 client of the same listener. */
	struct sockaddr_in four = loopback(ntohs(sa.sin6_port));
	c = socket(AF_INET, SOCK_STREAM, 0);
	saw(c, "socket(AF_INET, SOCK_STREAM, IPPROTO_IP)");
	r = connect(c, (void *)&four, sizeof(four));
	saw(r, "connect(%d, %s, 16)", c, addr(&four, sizeof(four)));
	len = sizeof(peer);
	s = accept(l, (void *)&peer, &len);
	saw(s, "accept(%d, %s, [28])", l, addr(&peer, len));
	len = sizeof(peer);
	r = getpeername(s, (void *)&peer, &len);
	saw(r, "getpeername(%d, %s, [28])", s, addr(&peer, len));

	/* An unused address, with all its fields. */
	struct sockaddr_in6 local = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(7),
		.sin6_flowinfo = htonl(0x12345),
		.sin6_scope_id = LO,
	};
	inet_pton(AF_INET6, "fe80::1234", &local.sin6_addr);
	int u = socket(AF_INET6, SOCK_STREAM, 0);
	saw(u, "socket(AF_INET6, SOCK_STREAM, IPPROTO_IP)");
	r = bind(u, (void *)&local, sizeof(local));
	saw(r, "bind(%d, {sa_family=AF_INET6, sin6_port=htons(7), sin6_flowinfo=htonl(%u), "
	       "inet_pton(AF_INET6, \"fe80::1234\", &sin6_addr), sin6_scope_id=if_nametoindex(\"lo\")}, 28)",
	    u, 0x12345);
	/* The size without sin6_scope_id. */
	r = bind(u, (void *)&sa, 24);
	saw(r, "bind(%d, {sa_family=AF_INET6, sin6_port=htons(%u), sin6_flowinfo=htonl(0), "
	       "inet_pton(AF_INET6, \"::1\", &sin6_addr)}, 24)", u, ntohs(sa.sin6_port));
	return done();
}
