/* trace: socket,bind,getsockname,getpeername,connect,sendto,recvfrom,send,recv,close; bits: 64,32 */
#include "show.h"

/* UDP: with an address in each call, connected, and unconnected again. */
int main(void)
{
	struct sockaddr_in sa = loopback(0), sb = loopback(0), from;
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	socklen_t len;
	char got[64], big[40];
	long r;

	memset(big, 'x', sizeof(big));
	int a = socket(AF_INET, SOCK_DGRAM, 0);
	saw(a, "socket(AF_INET, SOCK_DGRAM, IPPROTO_IP)");
	int b = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP);
	saw(b, "socket(AF_INET, SOCK_DGRAM|SOCK_CLOEXEC|SOCK_NONBLOCK, IPPROTO_UDP)");
	r = bind(a, (void *)&sa, sizeof(sa));
	saw(r, "bind(%d, %s, 16)", a, addr(&sa, sizeof(sa)));
	len = sizeof(sa);
	r = getsockname(a, (void *)&sa, &len);
	saw(r, "getsockname(%d, %s, [16])", a, addr(&sa, len));
	r = bind(b, (void *)&sb, sizeof(sb));
	saw(r, "bind(%d, %s, 16)", b, addr(&sb, sizeof(sb)));
	len = sizeof(sb);
	r = getsockname(b, (void *)&sb, &len);
	saw(r, "getsockname(%d, %s, [16])", b, addr(&sb, len));

	r = recvfrom(b, got, sizeof(got), 0, NULL, NULL);
	saw(r, "recvfrom(%d, %p, 64, 0, NULL, NULL)", b, got);
	r = sendto(a, "ping", 4, 0, (void *)&sb, sizeof(sb));
	saw(r, "sendto(%d, \"ping\", 4, 0, %s, 16)", a, addr(&sb, sizeof(sb)));
	len = 128;
	r = recvfrom(b, got, sizeof(got), MSG_TRUNC, (void *)&from, &len);
	saw(r, "recvfrom(%d, \"ping\", 64, MSG_TRUNC, %s, [128 => 16])", b, addr(&from, len));
	r = sendto(b, NULL, 0, MSG_CONFIRM, (void *)&from, len);
	saw(r, "sendto(%d, NULL, 0, MSG_CONFIRM, %s, 16)", b, addr(&from, len));
	len = sizeof(from);
	r = recvfrom(a, got, sizeof(got), 0, (void *)&from, &len);
	saw(r, "recvfrom(%d, \"\", 64, 0, %s, [16])", a, addr(&from, len));

	r = connect(a, (void *)&sb, sizeof(sb));
	saw(r, "connect(%d, %s, 16)", a, addr(&sb, sizeof(sb)));
	len = sizeof(from);
	r = getpeername(a, (void *)&from, &len);
	saw(r, "getpeername(%d, %s, [16])", a, addr(&from, len));
	r = send(a, big, sizeof(big), 0);
	SENT(r, a, buf(big, sizeof(big)), sizeof(big), "0");
	/* More data than fits: the result is the full length. */
	r = recv(b, got, 8, MSG_TRUNC);
	RECEIVED(r, b, "\"xxxxxxxx\"", 8, "MSG_TRUNC");
	r = connect(a, &none, sizeof(none));
	saw(r, "connect(%d, {sa_family=AF_UNSPEC, sa_data=\"\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\"}, 16)", a);
	r = send(a, "late", 4, MSG_DONTWAIT);
	SENT(r, a, "\"late\"", 4, "MSG_DONTWAIT");
	r = close(a);
	saw(r, "close(%d)", a);
	r = close(b);
	saw(r, "close(%d)", b);
	return done();
}
