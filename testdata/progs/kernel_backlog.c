/* trace: shutdown; bits: 64 */
#include "show.h"

/* More connections arrive than the backlog has room for. */
int main(void)
{
	struct sockaddr_in sa = loopback(0);
	socklen_t len = sizeof(sa);
	int c[4];

	int l = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
	must(bind(l, (void *)&sa, sizeof(sa)), "bind");
	must(listen(l, 0), "listen");
	must(getsockname(l, (void *)&sa, &len), "getsockname");
	say("#krn tcp CLOSE -> LISTEN # listen");
	for (int i = 0; i < 4; i++) {
		c[i] = must(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket");
		if (connect(c[i], (void *)&sa, sizeof(sa)) == -1 && errno != EINPROGRESS)
			return 1;
		usleep(10000);
	}
	say("#krn tcp SYN_RECV -> ESTABLISHED # handshake acknowledged");
	say("#krn tcp:listen-overflow waiting=1 backlog=0 flags=S from=127.0.0.1:");
	usleep(1200000);
	say("#krn tcp:retransmit attempt=1 state=SYN_SENT");
	return done();
}
