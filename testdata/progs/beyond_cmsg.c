/* trace: sendmsg,recvmsg; bits: 64,32 */
#include "show.h"
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/udp.h>

static union {
	char bytes[512];
	struct cmsghdr align;
} ctl;

static char data[2400];
static struct iovec iov = {data, sizeof(data)};

static struct msghdr message(size_t control)
{
	return (struct msghdr){
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &ctl, .msg_controllen = control,
	};
}

static void on(int s, int level, int opt)
{
	int one = 1;

	must(setsockopt(s, level, opt, &one, sizeof(one)), "setsockopt");
}

#define HEAD "msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=\"x\", iov_len=%zu}], msg_iovlen=1, "

/* Control messages that strace shows as bytes. */
int main(void)
{
	struct sockaddr_in6 sa = loopback6(0);
	socklen_t len = sizeof(sa);
	struct cmsghdr *c;
	struct msghdr msg;
	long r;

	int s = socket(AF_INET6, SOCK_DGRAM, 0);
	if (s < 0)
		skip("no IPv6");
	must(bind(s, (void *)&sa, sizeof(sa)), "bind");
	must(getsockname(s, (void *)&sa, &len), "getsockname");
	on(s, SOL_IPV6, IPV6_RECVPKTINFO);
	on(s, SOL_IPV6, IPV6_RECVHOPLIMIT);
	on(s, SOL_IPV6, IPV6_RECVTCLASS);
	must(sendto(s, "x", 1, 0, (void *)&sa, sizeof(sa)), "sendto");
	msg = message(sizeof(ctl));
	r = recvmsg(s, &msg, 0);
	saw(r, "recvmsg(%d, {" HEAD "msg_control=["
	       "{cmsg_len=%zu, cmsg_level=SOL_IPV6, cmsg_type=IPV6_PKTINFO, "
	       "cmsg_data={inet_pton(AF_INET6, \"::1\", &ipi6_addr), ipi6_ifindex=if_nametoindex(\"lo\")}}, "
	       "{cmsg_len=%zu, cmsg_level=SOL_IPV6, cmsg_type=IPV6_HOPLIMIT, cmsg_data=[64]}, "
	       "{cmsg_len=%zu, cmsg_level=SOL_IPV6, cmsg_type=IPV6_TCLASS, cmsg_data=[0]}], "
	       "msg_controllen=%zu, msg_flags=0}, 0)",
	    s, sizeof(data), CMSG_LEN(20), CMSG_LEN(4), CMSG_LEN(4), (size_t)msg.msg_controllen);

	/* One call, two datagrams. */
	int u = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in four = loopback(0);
	len = sizeof(four);
	must(bind(u, (void *)&four, sizeof(four)), "bind");
	must(getsockname(u, (void *)&four, &len), "getsockname");
	must(connect(u, (void *)&four, sizeof(four)), "connect");
	memset(&ctl, 0, sizeof(ctl));
	memset(data, 'g', sizeof(data));
	msg = message(CMSG_SPACE(sizeof(uint16_t)));
	c = CMSG_FIRSTHDR(&msg);
	c->cmsg_len = CMSG_LEN(sizeof(uint16_t));
	c->cmsg_level = SOL_UDP;
	c->cmsg_type = UDP_SEGMENT;
	*(uint16_t *)CMSG_DATA(c) = 1200;
	r = sendmsg(u, &msg, 0);
	saw(r, "sendmsg(%d, {msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=%s, iov_len=%zu}], msg_iovlen=1, "
	       "msg_control=[{cmsg_len=%zu, cmsg_level=SOL_UDP, cmsg_type=UDP_SEGMENT, cmsg_data=[1200]}], "
	       "msg_controllen=%zu, msg_flags=0}, 0)",
	    u, buf(data, sizeof(data)), sizeof(data), CMSG_LEN(2), CMSG_SPACE(2));

	/*
	 * The error of a datagram: its port is bound by a socket that accepts only its own datagrams.
	 */
	int e = socket(AF_INET, SOCK_DGRAM, 0);
	on(e, SOL_IP, IP_RECVERR);
	must(connect(e, (void *)&four, sizeof(four)), "connect");
	must(send(e, "x", 1, 0), "send");
	msg = message(sizeof(ctl));
	r = recvmsg(e, &msg, MSG_ERRQUEUE);
	saw(r, "recvmsg(%d, {" HEAD "msg_control=["
	       "{cmsg_len=%zu, cmsg_level=SOL_IP, cmsg_type=IP_RECVERR, cmsg_data={ee_errno=ECONNREFUSED, "
	       "ee_origin=SO_EE_ORIGIN_ICMP, ee_type=ICMP_DEST_UNREACH, ee_code=ICMP_PORT_UNREACH, "
	       "ee_info=0, ee_data=0, offender=%s}}], msg_controllen=%zu, msg_flags=MSG_ERRQUEUE}, MSG_ERRQUEUE)",
	    e, sizeof(data), CMSG_LEN(sizeof(struct sock_extended_err) + sizeof(four)),
	    "{sa_family=AF_INET, sin_port=htons(0), sin_addr=inet_addr(\"127.0.0.1\")}", (size_t)msg.msg_controllen);
	return done();
}
