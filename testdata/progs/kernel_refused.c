/* trace: connect,sendto; bits: 64 */
#include "show.h"

/* Closed ports: the reply of TCP, and ICMP errors for UDP. */
int main(void)
{
	struct sockaddr_in tcp = loopback(0), udp = loopback(0);
	socklen_t len = sizeof(tcp);
	char got[4];
	long r;

	/* These ports are bound, so that no other process can listen on them. */
	int taken = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
	must(bind(taken, (void *)&tcp, sizeof(tcp)), "bind");
	must(getsockname(taken, (void *)&tcp, &len), "getsockname");
	int deaf = must(socket(AF_INET, SOCK_DGRAM, 0), "socket");
	must(bind(deaf, (void *)&udp, sizeof(udp)), "bind");
	must(getsockname(deaf, (void *)&udp, &len), "getsockname");
	must(connect(deaf, (void *)&udp, sizeof(udp)), "connect");
	say("connect(%d, %s, 16) = 0", deaf, addr(&udp, sizeof(udp)));

	int c = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
	r = connect(c, (void *)&tcp, sizeof(tcp));
	saw(r, "connect(%d, %s, 16)", c, addr(&tcp, sizeof(tcp)));
	say("#krn route:lookup to=127.0.0.1 dev=lo");
	say("#krn tcp CLOSE -> SYN_SENT # connect");
	say("#krn skb:queue dev=lo");
	say("#krn skb:send dev=lo");
	say("#krn?tcp_send_reset/3 tcp:reset-sent to_port=");
	say("#krn tcp:reset-received state=SYN_SENT");
	say("#krn sock:error error=ECONNREFUSED state=");
	say("#krn tcp SYN_SENT -> CLOSE # RST received: refused");
	say("#krn skb:drop protocol=tcp flags=S peer=127.0.0.1:%d # in tcp_v4_rcv", ntohs(tcp.sin_port));

	int u = must(socket(AF_INET, SOCK_DGRAM, 0), "socket");
	must(connect(u, (void *)&udp, sizeof(udp)), "connect");
	say("connect(%d, %s, 16) = 0", u, addr(&udp, sizeof(udp)));
	r = send(u, "x", 1, 0);
	SENT(r, u, "\"x\"", 1, "0");
	say("#krn sock:send = 1");
	say("#krn icmp:send type=unreachable code=port");
	say("#krn sock:error error=ECONNREFUSED");
	say("#krn skb:drop protocol=udp peer=127.0.0.1:%d # in ", ntohs(udp.sin_port));
	if (recv(u, got, sizeof(got), MSG_DONTWAIT) != -1 || errno != ECONNREFUSED)
		return 1;
	return done();
}
