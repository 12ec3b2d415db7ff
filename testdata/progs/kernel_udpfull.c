/* trace: shutdown; bits: 64 */
#include "show.h"

/* Datagrams to a socket whose receive queue is full. */
int main(void)
{
	static char data[1024];
	struct sockaddr_in sa = loopback(0);
	socklen_t len = sizeof(sa);
	int size = 2048;

	int u = must(socket(AF_INET, SOCK_DGRAM, 0), "socket");
	setsockopt(u, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	must(bind(u, (void *)&sa, sizeof(sa)), "bind");
	must(getsockname(u, (void *)&sa, &len), "getsockname");
	int s = must(socket(AF_INET, SOCK_DGRAM, 0), "socket");
	must(connect(s, (void *)&sa, sizeof(sa)), "connect");
	must(send(s, data, sizeof(data), 0), "send");
	say("#krn skb:receive length=1052");
	say("#krn sock:ready packets=1");
	for (int i = 0; i < 20; i++)
		must(send(s, data, sizeof(data), 0), "send");
	say("#krn sock:rcvqueue-full queued= rcvbuf= error=ENOMEM");
	say("#krn~skb:drop reason=SOCKET_RCVBUFF protocol=udp =127.0.0.1:%d # in ", ntohs(sa.sin_port));
	return done();
}
