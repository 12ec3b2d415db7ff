/* trace: shutdown; bits: 64 */
#include "show.h"
#include <linux/filter.h>

/* The client drops the SYN-ACK, which is sent again. */
int main(void)
{
	struct sock_filter none = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog prog = {1, &none};
	struct sockaddr_in sa = loopback(0);
	socklen_t len = sizeof(sa);

	int l = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
	must(bind(l, (void *)&sa, sizeof(sa)), "bind");
	must(listen(l, 1), "listen");
	must(getsockname(l, (void *)&sa, &len), "getsockname");
	int c = must(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket");
	if (setsockopt(c, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)))
		skip("SO_ATTACH_FILTER");
	if (connect(c, (void *)&sa, sizeof(sa)) == 0 || errno != EINPROGRESS)
		return 1;
	say("#krn tcp CLOSE -> SYN_SENT # connect");
	say("#krn~skb:drop reason=SOCKET_FILTER flags=S. peer=127.0.0.1:%d # in tcp_v4_rcv", ntohs(sa.sin_port));
	usleep(1300000);
	say("#krn tcp:retransmit-synack to=127.0.0.1: attempt=");
	return done();
}
