/* trace: socket,connect */
/*
 * Landlock forbids TCP connect: since Linux 6.15 audit has a record of that, next to the record of
 * the call.
 */
#include "show.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

/* linux/landlock.h; the numbers are the same on all architectures. */
#define CREATE_RULESET 444
#define RESTRICT_SELF 446
#define CONNECT_TCP 2 /* LANDLOCK_ACCESS_NET_CONNECT_TCP */

int main(void)
{
	struct {
		uint64_t fs, net;
	} rules = { 0, CONNECT_TCP };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
	int set, fd, r;

	set = syscall(CREATE_RULESET, &rules, sizeof(rules), 0);
	if (set < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(RESTRICT_SELF, set, 0)) {
		perror("landlock that knows the network");
		return SHOW_SKIP;
	}
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	saw(fd, "socket(AF_INET, SOCK_STREAM, IPPROTO_IP)");
	r = connect(fd, (struct sockaddr *)&to, sizeof(to));
	saw(r, "connect(%d, {sa_family=AF_INET, sin_port=htons(9), sin_addr=inet_addr(\"127.0.0.1\")}, 16)", fd);
	return done();
}
