/* trace: socket,socketpair,setsockopt,getsockopt; bits: 64,32 */
#include "show.h"
#include <linux/filter.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>

static void set_int(int s, int level, const char *level_name, int opt, const char *name, int val)
{
	long r = setsockopt(s, level, opt, &val, sizeof(val));

	saw(r, "setsockopt(%d, %s, %s, [%d], 4)", s, level_name, name, val);
}

static void get_int(int s, int level, const char *level_name, int opt, const char *name)
{
	int val = 0;
	socklen_t len = sizeof(val);
	long r = getsockopt(s, level, opt, &val, &len);

	if (r == 0)
		saw(r, "getsockopt(%d, %s, %s, [%d], [4])", s, level_name, name, val);
	else
		saw(r, "getsockopt(%d, %s, %s, %p, [4])", s, level_name, name, (void *)&val);
}

#define SET(s, level, opt, val) set_int(s, level, #level, opt, #opt, val)
#define GET(s, level, opt) get_int(s, level, #level, opt, #opt)

/* Options that strace shows by name and value. */
int main(void)
{
	socklen_t len;
	long r;

	int s = socket(AF_INET, SOCK_STREAM, 0);
	saw(s, "socket(AF_INET, SOCK_STREAM, IPPROTO_IP)");
	int u = socket(AF_INET, SOCK_DGRAM, 0);
	saw(u, "socket(AF_INET, SOCK_DGRAM, IPPROTO_IP)");

	/* Numbers. */
	SET(s, SOL_SOCKET, SO_REUSEADDR, 1);
	SET(s, SOL_SOCKET, SO_REUSEPORT, 1);
	SET(s, SOL_SOCKET, SO_KEEPALIVE, 1);
	SET(s, SOL_SOCKET, SO_OOBINLINE, -1);
	SET(s, SOL_SOCKET, SO_SNDBUF, 65536);
	SET(s, SOL_SOCKET, SO_RCVBUF, 4096);
	SET(s, SOL_SOCKET, SO_RCVLOWAT, 2);
	SET(s, SOL_SOCKET, SO_PRIORITY, 6);
	SET(s, SOL_SOCKET, SO_MARK, 7);
	SET(s, SOL_SOCKET, SO_BROADCAST, 1);
	SET(s, SOL_SOCKET, SO_ZEROCOPY, 1);
	SET(u, SOL_SOCKET, SO_PEEK_OFF, -1);
	GET(s, SOL_SOCKET, SO_SNDBUF);
	GET(s, SOL_SOCKET, SO_RCVBUF);
	GET(s, SOL_SOCKET, SO_ACCEPTCONN);
	GET(s, SOL_SOCKET, SO_KEEPALIVE);
	GET(s, SOL_SOCKET, SO_INCOMING_NAPI_ID);
	GET(u, SOL_SOCKET, SO_BUSY_POLL);
	GET(s, SOL_SOCKET, SO_RXQ_OVFL);

	SET(s, SOL_TCP, TCP_NODELAY, 1);
	SET(s, SOL_TCP, TCP_CORK, 0);
	SET(s, SOL_TCP, TCP_KEEPIDLE, 60);
	SET(s, SOL_TCP, TCP_KEEPINTVL, 10);
	SET(s, SOL_TCP, TCP_KEEPCNT, 5);
	SET(s, SOL_TCP, TCP_USER_TIMEOUT, 30000);
	SET(s, SOL_TCP, TCP_DEFER_ACCEPT, 3);
	SET(s, SOL_TCP, TCP_SYNCNT, 4);
	SET(s, SOL_TCP, TCP_FASTOPEN_CONNECT, 1);
	GET(s, SOL_TCP, TCP_MAXSEG);
	GET(s, SOL_TCP, TCP_QUICKACK);

	SET(s, SOL_IP, IP_TTL, 63);
	SET(s, SOL_IP, IP_FREEBIND, 1);
	SET(s, SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	SET(u, SOL_IP, IP_PKTINFO, 1);
	SET(u, SOL_IP, IP_RECVERR, 1);
	SET(u, SOL_IP, IP_MULTICAST_TTL, 3);
	SET(u, SOL_IP, IP_MULTICAST_LOOP, 0);
	SET(u, SOL_UDP, UDP_CORK, 0);
	SET(u, SOL_UDP, UDP_SEGMENT, 1200);
	GET(s, SOL_IP, IP_TTL);
	GET(s, SOL_IP, IP_MTU);
	int six = socket(AF_INET6, SOCK_DGRAM, 0);
	saw(six, "socket(AF_INET6, SOCK_DGRAM, IPPROTO_IP)");
	SET(six, SOL_IPV6, IPV6_V6ONLY, 1);
	SET(six, SOL_IPV6, IPV6_RECVPKTINFO, 1);
	SET(six, SOL_IPV6, IPV6_UNICAST_HOPS, 9);
	SET(six, SOL_IPV6, IPV6_MULTICAST_IF, LO);
	GET(six, SOL_IPV6, IPV6_RECVTCLASS);

	/*
	 * The pending error, which getsockopt clears: a datagram was sent to a socket that accepts
	 * datagrams only from another one.
	 */
	struct sockaddr_in deaf = loopback(0), nobody = loopback(1);
	int e, c = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
	saw(c, "socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP)");
	len = sizeof(deaf);
	must(bind(u, (void *)&deaf, sizeof(deaf)), "bind");
	must(getsockname(u, (void *)&deaf, &len), "getsockname");
	must(connect(u, (void *)&nobody, sizeof(nobody)), "connect");
	must(connect(c, (void *)&deaf, sizeof(deaf)), "connect");
	must(send(c, "x", 1, 0), "send");
	len = sizeof(e);
	r = getsockopt(c, SOL_SOCKET, SO_ERROR, &e, &len);
	saw(r, "getsockopt(%d, SOL_SOCKET, SO_ERROR, [ECONNREFUSED], [4])", c);

	struct linger linger = {1, 5};
	r = setsockopt(s, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	saw(r, "setsockopt(%d, SOL_SOCKET, SO_LINGER, {l_onoff=1, l_linger=5}, 8)", s);
	len = sizeof(linger);
	r = getsockopt(s, SOL_SOCKET, SO_LINGER, &linger, &len);
	saw(r, "getsockopt(%d, SOL_SOCKET, SO_LINGER, {l_onoff=1, l_linger=5}, [8])", s);

	int pair[2];
	r = socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	saw(r, "socketpair(AF_UNIX, SOCK_STREAM, 0, [%d, %d])", pair[0], pair[1]);
	struct ucred cred;
	len = sizeof(cred);
	r = getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &cred, &len);
	saw(r, "getsockopt(%d, SOL_SOCKET, SO_PEERCRED, {pid=%d, uid=%u, gid=%u}, [12])",
	    pair[0], getpid(), getuid(), getgid());
	SET(pair[0], SOL_SOCKET, SO_PASSCRED, 1);

	/* A filter: strace shows only its size, except with -v. */
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 100, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, 0xffff),
	};
	struct sock_fprog prog = {4, code};
	r = setsockopt(u, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog));
	saw(r, "setsockopt(%d, SOL_SOCKET, SO_ATTACH_FILTER, {len=4, filter=%p}, %zu)",
	    u, (void *)code, sizeof(prog));
	SET(u, SOL_SOCKET, SO_DETACH_FILTER, 0);

	/* Memberships. */
	struct ip_mreqn mreq = {.imr_ifindex = LO};
	inet_pton(AF_INET, "224.0.0.251", &mreq.imr_multiaddr);
	inet_pton(AF_INET, "127.0.0.1", &mreq.imr_address);
	r = setsockopt(u, SOL_IP, IP_ADD_MEMBERSHIP, &mreq, 8);
	saw(r, "setsockopt(%d, SOL_IP, IP_ADD_MEMBERSHIP, {imr_multiaddr=inet_addr(\"224.0.0.251\"), "
	       "imr_interface=inet_addr(\"127.0.0.1\")}, 8)", u);
	r = setsockopt(u, SOL_IP, IP_DROP_MEMBERSHIP, &mreq, 8);
	saw(r, "setsockopt(%d, SOL_IP, IP_DROP_MEMBERSHIP, {imr_multiaddr=inet_addr(\"224.0.0.251\"), "
	       "imr_interface=inet_addr(\"127.0.0.1\")}, 8)", u);
	struct ipv6_mreq mreq6 = {.ipv6mr_interface = LO};
	inet_pton(AF_INET6, "ff02::1:2", &mreq6.ipv6mr_multiaddr);
	r = setsockopt(six, SOL_IPV6, IPV6_ADD_MEMBERSHIP, &mreq6, sizeof(mreq6));
	saw(r, "setsockopt(%d, SOL_IPV6, IPV6_ADD_MEMBERSHIP, {inet_pton(AF_INET6, \"ff02::1:2\", &ipv6mr_multiaddr), "
	       "ipv6mr_interface=if_nametoindex(\"lo\")}, 20)", six);
	r = setsockopt(six, SOL_IPV6, IPV6_DROP_MEMBERSHIP, &mreq6, sizeof(mreq6));
	saw(r, "setsockopt(%d, SOL_IPV6, IPV6_DROP_MEMBERSHIP, {inet_pton(AF_INET6, \"ff02::1:2\", &ipv6mr_multiaddr), "
	       "ipv6mr_interface=if_nametoindex(\"lo\")}, 20)", six);
	struct group_req group = {.gr_interface = LO};
	struct sockaddr_in *ga = (void *)&group.gr_group;
	ga->sin_family = AF_INET;
	ga->sin_addr = mreq.imr_multiaddr;
	r = setsockopt(u, SOL_IP, MCAST_JOIN_GROUP, &group, sizeof(group));
	saw(r, "setsockopt(%d, SOL_IP, MCAST_JOIN_GROUP, {gr_interface=if_nametoindex(\"lo\"), gr_group=%s}, %zu)",
	    u, addr(ga, sizeof(*ga)), sizeof(group));
	return done();
}
