/* trace: shutdown; bits: 64 */
#include "show.h"

/* The same events for IPv6. */
int main(void)
{
	struct sockaddr_in6 sa = loopback6(0);
	socklen_t len = sizeof(sa);
	char got[8];

	int l = must(socket(AF_INET6, SOCK_STREAM, 0), "socket");
	if (bind(l, (void *)&sa, sizeof(sa)))
		skip("IPv6 on lo");
	must(listen(l, 1), "listen");
	must(getsockname(l, (void *)&sa, &len), "getsockname");
	int c = must(socket(AF_INET6, SOCK_STREAM, 0), "socket");
	must(connect(c, (void *)&sa, sizeof(sa)), "connect");
	say("#krn route:lookup to=::1 dev=lo");
	say("#krn tcp CLOSE -> SYN_SENT # connect");
	int s = must(accept(l, NULL, NULL), "accept");
	must(send(c, "hello", 5, 0), "send");
	say("#krn skb:receive length=5 flags=P.");
	must(recv(s, got, sizeof(got), 0), "recv");
	say("#krn skb:copy length=5");
	say("#krn sock:receive = 5");
	close(l);
	must(close(c), "close");
	must(close(s), "close");

	/* A closed port. */
	int n = must(socket(AF_INET6, SOCK_STREAM, 0), "socket");
	if (connect(n, (void *)&sa, sizeof(sa)) == 0 || errno != ECONNREFUSED)
		return 1;
	say("#krn tcp:reset-received state=SYN_SENT");
	say("#krn~skb:drop reason=NO_SOCKET flags=S local=[::1]: peer=[::1]:%d # in tcp_v6_rcv", ntohs(sa.sin6_port));
	return done();
}
