/* trace: socket,bind,getsockname,sendto,recvfrom,connect,setsockopt,getsockopt,close; bits: 64,32 */
#include "show.h"

/*
 * A netlink socket and its addresses. Messages of this protocol are not decoded, so their bodies
 * are shown as bytes.
 */
int main(void)
{
	struct sockaddr_nl sa = {.nl_family = AF_NETLINK}, self, from;
	socklen_t len;
	char got[16];
	int one = 1, val;
	long r;

	int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	saw(s, "socket(AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, NETLINK_ROUTE)");
	r = bind(s, (void *)&sa, sizeof(sa));
	saw(r, "bind(%d, {sa_family=AF_NETLINK, nl_pid=0, nl_groups=00000000}, 12)", s);
	len = sizeof(self);
	r = getsockname(s, (void *)&self, &len);
	saw(r, "getsockname(%d, {sa_family=AF_NETLINK, nl_pid=%d, nl_groups=00000000}, [12])", s, getpid());
	r = setsockopt(s, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	saw(r, "setsockopt(%d, SOL_NETLINK, NETLINK_EXT_ACK, [1], 4)", s);
	len = sizeof(val);
	r = getsockopt(s, SOL_NETLINK, NETLINK_PKTINFO, &val, &len);
	saw(r, "getsockopt(%d, SOL_NETLINK, NETLINK_PKTINFO, [%d], [4])", s, val);
	r = close(s);
	saw(r, "close(%d)", s);

	/* Groups, and padding that is not zero. */
	int g = socket(AF_NETLINK, SOCK_DGRAM | SOCK_NONBLOCK, NETLINK_ROUTE);
	saw(g, "socket(AF_NETLINK, SOCK_DGRAM|SOCK_NONBLOCK, NETLINK_ROUTE)");
	sa.nl_groups = 0x11;
	r = bind(g, (void *)&sa, sizeof(sa));
	saw(r, "bind(%d, {sa_family=AF_NETLINK, nl_pid=0, nl_groups=0x000011}, 12)", g);
	sa.nl_pad = 3;
	sa.nl_groups = 0;
	r = connect(g, (void *)&sa, sizeof(sa));
	saw(r, "connect(%d, {sa_family=AF_NETLINK, nl_pad=0x3, nl_pid=0, nl_groups=00000000}, 12)", g);
	len = sizeof(from);
	r = recvfrom(g, got, sizeof(got), 0, (void *)&from, &len);
	saw(r, "recvfrom(%d, %p, 16, 0, %p, [12])", g, got, (void *)&from);

	/* Names of protocols, and one without a name. */
	static const struct {
		int number;
		const char *name;
	} protocols[] = {
		{NETLINK_USERSOCK, "NETLINK_USERSOCK"},
		{NETLINK_SOCK_DIAG, "NETLINK_SOCK_DIAG"},
		{NETLINK_KOBJECT_UEVENT, "NETLINK_KOBJECT_UEVENT"},
		{NETLINK_GENERIC, "NETLINK_GENERIC"},
		{99, "0x63 /* NETLINK_??? */"},
	};
	for (size_t i = 0; i < sizeof(protocols) / sizeof(*protocols); i++) {
		int p = socket(AF_NETLINK, SOCK_RAW, protocols[i].number);
		saw(p, "socket(AF_NETLINK, SOCK_RAW, %s)", protocols[i].name);
	}
	return done();
}
