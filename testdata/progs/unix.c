/* trace: socket,socketpair,bind,listen,connect,accept,getsockname,getpeername,sendto,recvfrom,send,recv,close; bits: 64,32 */
#include "show.h"

/* Unix sockets: with a path, an abstract name, autobound, unbound, in pairs. */
int main(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX}, peer;
	char *path = str("/tmp/pidwire-unix-%d", getpid()), got[32];
	socklen_t len, salen;
	int pair[2];
	long r;

	/* A stream, its listener at a path, its client unbound. */
	strcpy(sa.sun_path, path);
	int l = socket(AF_UNIX, SOCK_STREAM, 0);
	saw(l, "socket(AF_UNIX, SOCK_STREAM, 0)");
	r = bind(l, (void *)&sa, sizeof(sa));
	saw(r, "bind(%d, {sa_family=AF_UNIX, sun_path=\"%s\"}, 110)", l, path);
	r = listen(l, 1);
	saw(r, "listen(%d, 1)", l);
	int c = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	saw(c, "socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK, 0)");
	salen = offsetof(struct sockaddr_un, sun_path) + strlen(path);
	r = connect(c, (void *)&sa, salen);
	saw(r, "connect(%d, {sa_family=AF_UNIX, sun_path=\"%s\"}, %u)", c, path, salen);
	len = sizeof(peer);
	int s = accept(l, (void *)&peer, &len);
	saw(s, "accept(%d, {sa_family=AF_UNIX}, [110 => 2])", l);
	len = sizeof(peer);
	r = getpeername(c, (void *)&peer, &len);
	saw(r, "getpeername(%d, {sa_family=AF_UNIX, sun_path=\"%s\"}, [110 => %zu])",
	    c, path, strlen(path) + 3);
	len = sizeof(peer);
	r = getsockname(c, (void *)&peer, &len);
	saw(r, "getsockname(%d, {sa_family=AF_UNIX}, [110 => 2])", c);
	r = send(c, "over", 4, 0);
	SENT(r, c, "\"over\"", 4, "0");
	r = recv(s, got, sizeof(got), 0);
	RECEIVED(r, s, "\"over\"", sizeof(got), "0");
	unlink(path);

	/* Nobody listens. */
	int n = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	saw(n, "socket(AF_UNIX, SOCK_SEQPACKET, 0)");
	r = connect(n, (void *)&sa, salen);
	saw(r, "connect(%d, {sa_family=AF_UNIX, sun_path=\"%s\"}, %u)", n, path, salen);

	/* Datagrams between abstract names. */
	struct sockaddr_un abs = {.sun_family = AF_UNIX};
	int abslen = sprintf(abs.sun_path + 1, "pidwire-%d", getpid());
	salen = offsetof(struct sockaddr_un, sun_path) + 1 + abslen;
	int d = socket(AF_UNIX, SOCK_DGRAM, 0);
	saw(d, "socket(AF_UNIX, SOCK_DGRAM, 0)");
	r = bind(d, (void *)&abs, salen);
	saw(r, "bind(%d, {sa_family=AF_UNIX, sun_path=@\"%s\"}, %u)", d, abs.sun_path + 1, salen);
	r = bind(d, (void *)&abs, sizeof(sa_family_t));
	saw(r, "bind(%d, {sa_family=AF_UNIX}, 2)", d);
	int e = socket(AF_UNIX, SOCK_DGRAM, 0);
	saw(e, "socket(AF_UNIX, SOCK_DGRAM, 0)");
	/* The kernel chooses the name: five hexadecimal digits. */
	r = bind(e, (void *)&abs, sizeof(sa_family_t));
	saw(r, "bind(%d, {sa_family=AF_UNIX}, 2)", e);
	len = sizeof(peer);
	r = getsockname(e, (void *)&peer, &len);
	saw(r, "getsockname(%d, %s, [110 => 8])", e, addr(&peer, len));
	r = sendto(e, "dgram", 5, 0, (void *)&abs, salen);
	saw(r, "sendto(%d, \"dgram\", 5, 0, %s, %u)", e, addr(&abs, salen), salen);
	len = sizeof(peer);
	r = recvfrom(d, got, sizeof(got), 0, (void *)&peer, &len);
	saw(r, "recvfrom(%d, \"dgram\", 32, 0, %s, [110 => 8])", d, addr(&peer, len));

	/* Names that are not text. */
	struct sockaddr_un odd = {.sun_family = AF_UNIX, .sun_path = "\0a\0b\n\377"};
	r = connect(e, (void *)&odd, 2 + 6);
	saw(r, "connect(%d, {sa_family=AF_UNIX, sun_path=@\"a\\0b\\n\\377\"}, 8)", e);
	memset(odd.sun_path, 'p', sizeof(odd.sun_path));
	r = connect(e, (void *)&odd, sizeof(odd));
	saw(r, "connect(%d, {sa_family=AF_UNIX, sun_path=\"%.108s\"}, 110)", e, odd.sun_path);

	r = socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	saw(r, "socketpair(AF_UNIX, SOCK_STREAM, 0, [%d, %d])", pair[0], pair[1]);
	r = send(pair[0], "pair", 4, MSG_EOR);
	SENT(r, pair[0], "\"pair\"", 4, "MSG_EOR");
	r = recv(pair[1], got, sizeof(got), 0);
	RECEIVED(r, pair[1], "\"pair\"", sizeof(got), "0");
	r = close(pair[0]);
	saw(r, "close(%d)", pair[0]);
	r = send(pair[1], "gone", 4, MSG_NOSIGNAL);
	SENT(r, pair[1], "\"gone\"", 4, "MSG_NOSIGNAL");
	r = socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair);
	saw(r, "socketpair(AF_UNIX, SOCK_DGRAM|SOCK_CLOEXEC, 0, [%d, %d])", pair[0], pair[1]);
	r = socketpair(AF_INET, SOCK_STREAM, 0, pair);
	saw(r, "socketpair(AF_INET, SOCK_STREAM, 0, %p)", (void *)pair);
	return done();
}
