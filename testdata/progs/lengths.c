/* trace: socket,socketpair,bind,accept4,getsockname,getpeername,recvfrom,setsockopt,getsockopt,sendto,send; bits: 64,32 */
#include "show.h"

/* Length arguments and results: too small, too large, zero, negative. */
int main(void)
{
	struct sockaddr_in sa = loopback(0);
	struct sockaddr_storage out;
	struct linger linger;
	socklen_t len;
	int val, pair[2];
	char got[16], name[200] = "";
	long r;

	int s = socket(AF_INET, SOCK_DGRAM, 0);
	saw(s, "socket(AF_INET, SOCK_DGRAM, IPPROTO_IP)");
	r = bind(s, (void *)&sa, sizeof(sa));
	saw(r, "bind(%d, %s, 16)", s, addr(&sa, sizeof(sa)));

	len = 0;
	r = getsockname(s, (void *)&out, &len);
	saw(r, "getsockname(%d, %p, [0 => 16])", s, (void *)&out);
	len = 1;
	r = getsockname(s, (void *)&out, &len);
	saw(r, "getsockname(%d, %p, [1 => 16])", s, (void *)&out);
	/* Truncated: only the part that fit is shown. */
	len = 4;
	r = getsockname(s, (void *)&out, &len);
	saw(r, "getsockname(%d, {sa_family=AF_INET, sa_data=%s}, [4 => 16])",
	    s, bytes(((struct sockaddr *)&out)->sa_data, 2, 2));
	len = sizeof(out);
	r = getsockname(s, (void *)&out, &len);
	saw(r, "getsockname(%d, %s, [128 => 16])", s, addr(&out, len));
	sa = *(struct sockaddr_in *)&out;
	len = -5;
	r = getsockname(s, (void *)&out, &len);
	saw(r, "getsockname(%d, %p, [-5])", s, (void *)&out);

	r = sendto(s, "12345678", 8, 0, (void *)&sa, sizeof(sa));
	saw(r, "sendto(%d, \"12345678\", 8, 0, %s, 16)", s, addr(&sa, sizeof(sa)));
	len = 0;
	r = recvfrom(s, got, 3, MSG_PEEK, (void *)&out, &len);
	saw(r, "recvfrom(%d, \"123\", 3, MSG_PEEK, %p, [0 => 16])", s, (void *)&out);
	r = recvfrom(s, got, 0, MSG_PEEK, NULL, NULL);
	saw(r, "recvfrom(%d, \"\", 0, MSG_PEEK, NULL, NULL)", s);
	len = 8;
	r = recvfrom(s, got, 16, 0, (void *)&out, &len);
	saw(r, "recvfrom(%d, \"12345678\", 16, 0, {sa_family=AF_INET, sa_data=%s}, [8 => 16])",
	    s, bytes(((struct sockaddr *)&out)->sa_data, 6, 6));

	len = 4;
	r = getsockopt(s, SOL_SOCKET, SO_SNDBUF, &val, &len);
	saw(r, "getsockopt(%d, SOL_SOCKET, SO_SNDBUF, [%d], [4])", s, val);
	len = 2;
	val = 0;
	r = getsockopt(s, SOL_SOCKET, SO_REUSEADDR, &val, &len);
	saw(r, "getsockopt(%d, SOL_SOCKET, SO_REUSEADDR, \"\\x00\\x00\", [2])", s);
	len = 200;
	r = getsockopt(s, SOL_SOCKET, SO_REUSEADDR, &val, &len);
	saw(r, "getsockopt(%d, SOL_SOCKET, SO_REUSEADDR, [0], [200 => 4])", s);
	len = 0;
	r = getsockopt(s, SOL_SOCKET, SO_REUSEADDR, &val, &len);
	saw(r, "getsockopt(%d, SOL_SOCKET, SO_REUSEADDR, %p, [0])", s, (void *)&val);
	len = sizeof(linger) + 4;
	r = getsockopt(s, SOL_SOCKET, SO_LINGER, &linger, &len);
	saw(r, "getsockopt(%d, SOL_SOCKET, SO_LINGER, {l_onoff=0, l_linger=0}, [12 => 8])", s);
	len = 4;
	r = getsockopt(s, SOL_SOCKET, SO_LINGER, &linger, &len);
	saw(r, "getsockopt(%d, SOL_SOCKET, SO_LINGER, {l_onoff=0}, [4])", s);
	len = -1;
	r = getsockopt(s, SOL_SOCKET, SO_LINGER, &linger, &len);
	saw(r, "getsockopt(%d, SOL_SOCKET, SO_LINGER, %p, [-1])", s, (void *)&linger);
	r = setsockopt(s, SOL_SOCKET, SO_SNDBUF, &val, -1);
	saw(r, "setsockopt(%d, SOL_SOCKET, SO_SNDBUF, %p, -1)", s, (void *)&val);
	strcpy(name, "lo");
	r = setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, name, 3);
	saw(r, "setsockopt(%d, SOL_SOCKET, SO_BINDTODEVICE, \"lo\\0\", 3)", s);
	len = 100;
	r = getsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, name, &len);
	saw(r, "getsockopt(%d, SOL_SOCKET, SO_BINDTODEVICE, \"lo\\0\", [100 => 3])", s);

	r = socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	saw(r, "socketpair(AF_UNIX, SOCK_STREAM, 0, [%d, %d])", pair[0], pair[1]);
	len = sizeof(out);
	r = getpeername(pair[0], (void *)&out, &len);
	saw(r, "getpeername(%d, {sa_family=AF_UNIX}, [128 => 2])", pair[0]);
	len = 2;
	r = getpeername(pair[0], (void *)&out, &len);
	saw(r, "getpeername(%d, {sa_family=AF_UNIX}, [2])", pair[0]);
	r = accept4(pair[0], NULL, NULL, 0x80000001);
	saw(r, "accept4(%d, NULL, NULL, 0x80000001 /* SOCK_??? */)", pair[0]);
	return done();
}
