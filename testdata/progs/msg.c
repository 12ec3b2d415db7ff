/* trace: socket,socketpair,bind,getsockname,setsockopt,sendmsg,recvmsg; bits: 64,32 */
#include "show.h"
#include <sys/time.h>

/* A header with a single buffer and nothing else. */
static struct msghdr one(struct iovec *iov, void *control, size_t len)
{
	return (struct msghdr){
		.msg_iov = iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = len,
	};
}

static void set(int s, int level, int opt, const char *name)
{
	int val = 1;
	long r = setsockopt(s, level, opt, &val, sizeof(val));

	saw(r, "setsockopt(%d, %s, [1], 4)", s, name);
}

/* sendmsg and recvmsg: several buffers, addresses, and control messages. */
int main(void)
{
	struct sockaddr_in sa = loopback(0), from;
	socklen_t len = sizeof(sa);
	char got[16], more[16];
	long r;

	int u = socket(AF_INET, SOCK_DGRAM, 0);
	saw(u, "socket(AF_INET, SOCK_DGRAM, IPPROTO_IP)");
	r = bind(u, (void *)&sa, sizeof(sa));
	saw(r, "bind(%d, %s, 16)", u, addr(&sa, sizeof(sa)));
	r = getsockname(u, (void *)&sa, &len);
	saw(r, "getsockname(%d, %s, [16])", u, addr(&sa, len));

	/* Several buffers, one of them empty; received in parts of another size. */
	struct iovec out[] = {{"one", 3}, {"", 0}, {"twothree", 8}};
	struct msghdr msg = {
		.msg_name = &sa, .msg_namelen = sizeof(sa), .msg_iov = out, .msg_iovlen = 3,
	};
	r = sendmsg(u, &msg, MSG_DONTWAIT);
	saw(r, "sendmsg(%d, {msg_name=%s, msg_namelen=16, msg_iov=[{iov_base=\"one\", iov_len=3}, "
	       "{iov_base=\"\", iov_len=0}, {iov_base=\"twothree\", iov_len=8}], msg_iovlen=3, "
	       "msg_controllen=0, msg_flags=0}, MSG_DONTWAIT)", u, addr(&sa, sizeof(sa)));
	struct iovec in[] = {{got, 6}, {more, sizeof(more)}};
	struct msghdr rcv = {
		.msg_name = &from, .msg_namelen = 100, .msg_iov = in, .msg_iovlen = 2,
	};
	r = recvmsg(u, &rcv, 0);
	saw(r, "recvmsg(%d, {msg_name=%s, msg_namelen=100 => 16, msg_iov=[{iov_base=\"onetwo\", iov_len=6}, "
	       "{iov_base=\"three\", iov_len=16}], msg_iovlen=2, msg_controllen=0, msg_flags=0}, 0)",
	    u, addr(&from, sizeof(from)));
	/* More data than fits. */
	msg.msg_iovlen = 1;
	r = sendmsg(u, &msg, 0);
	saw(r, "sendmsg(%d, {msg_name=%s, msg_namelen=16, msg_iov=[{iov_base=\"one\", iov_len=3}], "
	       "msg_iovlen=1, msg_controllen=0, msg_flags=0}, 0)", u, addr(&sa, sizeof(sa)));
	struct iovec two = {got, 2};
	rcv = one(&two, NULL, 0);
	r = recvmsg(u, &rcv, 0);
	saw(r, "recvmsg(%d, {msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=\"on\", iov_len=2}], "
	       "msg_iovlen=1, msg_controllen=0, msg_flags=MSG_TRUNC}, 0)", u);
	/* A failed call shows only its arguments. */
	rcv.msg_namelen = 55;
	rcv.msg_name = &from;
	r = recvmsg(u, &rcv, MSG_DONTWAIT);
	saw(r, "recvmsg(%d, {msg_namelen=55}, MSG_DONTWAIT)", u);

	/* File descriptors. */
	int pair[2];
	r = socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
	saw(r, "socketpair(AF_UNIX, SOCK_DGRAM, 0, [%d, %d])", pair[0], pair[1]);
	union {
		char bytes[256];
		struct cmsghdr align;
	} ctl = {};
	struct iovec x = {"x", 1}, y = {got, 1};
	int fds[2] = {u, pair[0]};
	msg = one(&x, &ctl, CMSG_SPACE(sizeof(fds)));
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	c->cmsg_len = CMSG_LEN(sizeof(fds));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(c), fds, sizeof(fds));
	r = sendmsg(pair[0], &msg, 0);
	saw(r, "sendmsg(%d, {msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=\"x\", iov_len=1}], msg_iovlen=1, "
	       "msg_control=[{cmsg_len=%zu, cmsg_level=SOL_SOCKET, cmsg_type=SCM_RIGHTS, cmsg_data=[%d, %d]}], "
	       "msg_controllen=%zu, msg_flags=0}, 0)",
	    pair[0], CMSG_LEN(8), u, pair[0], CMSG_SPACE(8));
	rcv = one(&y, &ctl, sizeof(ctl));
	r = recvmsg(pair[1], &rcv, MSG_CMSG_CLOEXEC);
	memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&rcv)), sizeof(fds));
	saw(r, "recvmsg(%d, {msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=\"x\", iov_len=1}], msg_iovlen=1, "
	       "msg_control=[{cmsg_len=%zu, cmsg_level=SOL_SOCKET, cmsg_type=SCM_RIGHTS, cmsg_data=[%d, %d]}], "
	       "msg_controllen=%zu, msg_flags=MSG_CMSG_CLOEXEC}, MSG_CMSG_CLOEXEC)",
	    pair[1], CMSG_LEN(8), fds[0], fds[1], (size_t)rcv.msg_controllen);

	/* Credentials, added by the kernel and sent explicitly. */
	set(pair[1], SOL_SOCKET, SO_PASSCRED, "SOL_SOCKET, SO_PASSCRED");
	struct ucred cred = {getpid(), getuid(), getgid()};
	char *who = str("{pid=%d, uid=%u, gid=%u}", cred.pid, cred.uid, cred.gid);
	msg = one(&x, &ctl, CMSG_SPACE(sizeof(cred)));
	c = CMSG_FIRSTHDR(&msg);
	c->cmsg_len = CMSG_LEN(sizeof(cred));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_CREDENTIALS;
	memcpy(CMSG_DATA(c), &cred, sizeof(cred));
	r = sendmsg(pair[0], &msg, 0);
	saw(r, "sendmsg(%d, {msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=\"x\", iov_len=1}], msg_iovlen=1, "
	       "msg_control=[{cmsg_len=%zu, cmsg_level=SOL_SOCKET, cmsg_type=SCM_CREDENTIALS, cmsg_data=%s}], "
	       "msg_controllen=%zu, msg_flags=0}, 0)",
	    pair[0], CMSG_LEN(12), who, CMSG_SPACE(12));
	rcv = one(&y, &ctl, sizeof(ctl));
	r = recvmsg(pair[1], &rcv, 0);
	saw(r, "recvmsg(%d, {msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=\"x\", iov_len=1}], msg_iovlen=1, "
	       "msg_control=[{cmsg_len=%zu, cmsg_level=SOL_SOCKET, cmsg_type=SCM_CREDENTIALS, cmsg_data=%s}], "
	       "msg_controllen=%zu, msg_flags=0}, 0)",
	    pair[1], CMSG_LEN(12), who, (size_t)rcv.msg_controllen);

	/* Two at once: the interface of the datagram, and its TTL. */
	set(u, SOL_IP, IP_PKTINFO, "SOL_IP, IP_PKTINFO");
	set(u, SOL_IP, IP_RECVTTL, "SOL_IP, IP_RECVTTL");
	r = sendto(u, "p", 1, 0, (void *)&sa, sizeof(sa));
	rcv = one(&y, &ctl, sizeof(ctl));
	r = recvmsg(u, &rcv, 0);
	saw(r, "recvmsg(%d, {msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=\"p\", iov_len=1}], msg_iovlen=1, "
	       "msg_control=[{cmsg_len=%zu, cmsg_level=SOL_IP, cmsg_type=IP_PKTINFO, "
	       "cmsg_data={ipi_ifindex=if_nametoindex(\"lo\"), ipi_spec_dst=inet_addr(\"127.0.0.1\"), "
	       "ipi_addr=inet_addr(\"127.0.0.1\")}}, "
	       "{cmsg_len=%zu, cmsg_level=SOL_IP, cmsg_type=IP_TTL, cmsg_data=[64]}], "
	       "msg_controllen=%zu, msg_flags=0}, 0)",
	    u, CMSG_LEN(12), CMSG_LEN(4), (size_t)rcv.msg_controllen);
	int off = 0;
	setsockopt(u, SOL_IP, IP_PKTINFO, &off, sizeof(off));
	saw(0, "setsockopt(%d, SOL_IP, IP_PKTINFO, [0], 4)", u);
	setsockopt(u, SOL_IP, IP_RECVTTL, &off, sizeof(off));
	saw(0, "setsockopt(%d, SOL_IP, IP_RECVTTL, [0], 4)", u);

	/* The time of arrival. */
	struct timeval tv;
	set(u, SOL_SOCKET, SO_TIMESTAMP, "SOL_SOCKET, SO_TIMESTAMP_OLD");
	sendto(u, "t", 1, 0, (void *)&sa, sizeof(sa));
	rcv = one(&y, &ctl, sizeof(ctl));
	r = recvmsg(u, &rcv, 0);
	memcpy(&tv, CMSG_DATA(CMSG_FIRSTHDR(&rcv)), sizeof(tv));
	saw(r, "recvmsg(%d, {msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=\"t\", iov_len=1}], msg_iovlen=1, "
	       "msg_control=[{cmsg_len=%zu, cmsg_level=SOL_SOCKET, cmsg_type=SO_TIMESTAMP_OLD, "
	       "cmsg_data={tv_sec=%lld, tv_usec=%ld}}], msg_controllen=%zu, msg_flags=0}, 0)",
	    u, CMSG_LEN(sizeof(tv)), (long long)tv.tv_sec, (long)tv.tv_usec, (size_t)rcv.msg_controllen);
	struct timespec ts;
	set(u, SOL_SOCKET, SO_TIMESTAMPNS, "SOL_SOCKET, SO_TIMESTAMPNS_OLD");
	sendto(u, "n", 1, 0, (void *)&sa, sizeof(sa));
	rcv = one(&y, &ctl, sizeof(ctl));
	r = recvmsg(u, &rcv, 0);
	memcpy(&ts, CMSG_DATA(CMSG_FIRSTHDR(&rcv)), sizeof(ts));
	saw(r, "recvmsg(%d, {msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=\"n\", iov_len=1}], msg_iovlen=1, "
	       "msg_control=[{cmsg_len=%zu, cmsg_level=SOL_SOCKET, cmsg_type=SO_TIMESTAMPNS_OLD, "
	       "cmsg_data={tv_sec=%lld, tv_nsec=%ld}}], msg_controllen=%zu, msg_flags=0}, 0)",
	    u, CMSG_LEN(sizeof(ts)), (long long)ts.tv_sec, ts.tv_nsec, (size_t)rcv.msg_controllen);
	/* No room for it. */
	sendto(u, "c", 1, 0, (void *)&sa, sizeof(sa));
	rcv = one(&y, &ctl, 4);
	r = recvmsg(u, &rcv, 0);
	saw(r, "recvmsg(%d, {msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=\"c\", iov_len=1}], msg_iovlen=1, "
	       "msg_controllen=0, msg_flags=MSG_CTRUNC}, 0)", u);
	return done();
}
