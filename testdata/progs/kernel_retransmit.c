/* trace: shutdown; bits: 64 */
#include "show.h"
#include <linux/filter.h>

/* Segments that the peer drops are sent again. */
int main(void)
{
	struct sock_filter none = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog prog = {1, &none};
	struct sockaddr_in sa = loopback(0);
	socklen_t len = sizeof(sa);
	char got[8];

	int l = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
	must(bind(l, (void *)&sa, sizeof(sa)), "bind");
	must(listen(l, 1), "listen");
	must(getsockname(l, (void *)&sa, &len), "getsockname");
	int c = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
	must(connect(c, (void *)&sa, sizeof(sa)), "connect");
	int s = must(accept(l, NULL, NULL), "accept");
	if (setsockopt(s, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)))
		skip("SO_ATTACH_FILTER");
	must(send(c, "again", 5, 0), "send");
	say("#krn~skb:drop reason=SOCKET_FILTER protocol=tcp flags=P. local=127.0.0.1:%d # in tcp_v4_rcv", ntohs(sa.sin_port));
	usleep(700000);
	say("#krn tcp:retransmit length=5 attempt= state=ESTABLISHED cwnd=1");
	must(setsockopt(s, SOL_SOCKET, SO_DETACH_FILTER, &prog, sizeof(prog)), "SO_DETACH_FILTER");
	must(recv(s, got, sizeof(got), 0), "recv");
	say("#krn tcp:congestion state=Loss cwnd=");
	say("#krn tcp:congestion state=Open cwnd=");
	say("#krn skb:receive length=5 flags=P.");
	return done();
}
