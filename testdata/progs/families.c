/* trace: socket,bind,connect,listen,shutdown,setsockopt,getsockopt,sendto; bits: 64,32 */
#include "show.h"
#include <netinet/tcp.h>

/* Numbers without a name, and rare names. */
int main(void)
{
	long r;

	r = socket(AF_UNSPEC, SOCK_STREAM, 0);
	saw(r, "socket(AF_UNSPEC, SOCK_STREAM, 0)");
	r = socket(8765, SOCK_STREAM, 1);
	saw(r, "socket(0x223d /* AF_??? */, SOCK_STREAM, 1)");
	r = socket(-1, SOCK_STREAM, -1);
	saw(r, "socket(0xffffffff /* AF_??? */, SOCK_STREAM, 4294967295)");
	r = socket(AF_INET, 0, 0);
	saw(r, "socket(AF_INET, 0, IPPROTO_IP)");
	r = socket(AF_INET, 11 | SOCK_CLOEXEC, 0);
	saw(r, "socket(AF_INET, SOCK_CLOEXEC|0xb, IPPROTO_IP)");
	r = socket(AF_INET, SOCK_STREAM | 0x10000, 0);
	saw(r, "socket(AF_INET, SOCK_STREAM|0x10000 /* SOCK_??? */, IPPROTO_IP)");
	r = socket(AF_INET, SOCK_RDM, IPPROTO_SCTP);
	saw(r, "socket(AF_INET, SOCK_RDM, IPPROTO_SCTP)");
	r = socket(AF_INET, SOCK_DCCP, IPPROTO_DCCP);
	saw(r, "socket(AF_INET, SOCK_DCCP, IPPROTO_DCCP)");
	r = socket(AF_X25, SOCK_SEQPACKET, 0);
	saw(r, "socket(AF_X25, SOCK_SEQPACKET, 0)");
	r = socket(AF_DECnet, SOCK_PACKET, 0);
	saw(r, "socket(AF_DECnet, SOCK_PACKET, 0)");

	int s = socket(AF_INET, SOCK_STREAM, 0);
	saw(s, "socket(AF_INET, SOCK_STREAM, IPPROTO_IP)");
	struct sockaddr sa = {.sa_family = 8765, .sa_data = "0123456789abc"};
	r = bind(s, &sa, sizeof(sa));
	saw(r, "bind(%d, {sa_family=0x223d /* AF_??? */, sa_data=\"0123456789abc\\0\"}, 16)", s);
	sa.sa_family = AF_KEY;
	r = bind(s, &sa, 4);
	saw(r, "bind(%d, {sa_family=AF_KEY, sa_data=\"01\"}, 4)", s);
	/* Too short for its address family. */
	sa.sa_family = AF_INET;
	r = bind(s, &sa, 8);
	saw(r, "bind(%d, {sa_family=AF_INET, sa_data=\"012345\"}, 8)", s);
	r = bind(s, &sa, 1);
	saw(r, "bind(%d, %p, 1)", s, (void *)&sa);
	r = bind(s, &sa, 0);
	saw(r, "bind(%d, %p, 0)", s, (void *)&sa);
	r = bind(s, NULL, 16);
	saw(r, "bind(%d, NULL, 16)", s);
	r = bind(s, &sa, -1);
	saw(r, "bind(%d, %p, -1)", s, (void *)&sa);
	r = bind(-1, &sa, 1);
	saw(r, "bind(-1, %p, 1)", (void *)&sa);
	r = listen(s, -1);
	saw(r, "listen(%d, -1)", s);
	r = shutdown(4321, 7);
	saw(r, "shutdown(4321, 0x7 /* SHUT_??? */)");

	int val = 7;
	socklen_t len = sizeof(val);
	r = setsockopt(s, SOL_SOCKET, 4242, &val, sizeof(val));
	saw(r, "setsockopt(%d, SOL_SOCKET, 0x1092 /* SO_??? */, [7], 4)", s);
	r = setsockopt(s, 9999, 3, &val, sizeof(val));
	saw(r, "setsockopt(%d, 0x270f /* SOL_?? */, 3, [7], 4)", s);
	r = getsockopt(s, SOL_TCP, 222, &val, &len);
	saw(r, "getsockopt(%d, SOL_TCP, 0xde /* TCP_??? */, %p, [4])", s, (void *)&val);
	r = sendto(s, "x", 1, 0x1000000 | MSG_NOSIGNAL, NULL, 0);
	saw(r, "sendto(%d, \"x\", 1, MSG_NOSIGNAL|0x1000000, NULL, 0)", s);
	return done();
}
