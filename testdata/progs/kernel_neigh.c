/* trace: connect; bits: 64; needs: root, /dev/net/tun */
#include "show.h"
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/time.h>

static void address(struct ifreq *r, const char *a)
{
	struct sockaddr_in in = {.sin_family = AF_INET};

	inet_pton(AF_INET, a, &in.sin_addr);
	memcpy(&r->ifr_addr, &in, sizeof(in));
}

static int tap;

/* Answers on the wire for 10.98.0.3. */
static void *answer(void *arg)
{
	static const unsigned char mac[6] = {2, 0, 0, 0, 0, 3}, ip[4] = {10, 98, 0, 3};
	unsigned char f[2048];

	for (int i = 0; i < 1000; i++) {
		ssize_t n = read(tap, f, sizeof(f));

		/* An ARP request (RFC 826) for it. */
		if (n < 42 || f[12] != 8 || f[13] != 6 || f[21] != 1 || memcmp(f + 38, ip, 4))
			continue;
		memcpy(f, f + 6, 6);
		memcpy(f + 6, mac, 6);
		f[21] = 2;
		memcpy(f + 32, f + 22, 10);
		memcpy(f + 22, mac, 6);
		memcpy(f + 28, ip, 4);
		if (write(tap, f, 42) == 42)
			break;
	}
	return arg;
}

/* A destination without a route, a neighbour that does not answer, and one that does. */
int main(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(80)};
	struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI};

	if (unshare(CLONE_NEWNET))
		skip("a network namespace of its own");
	pthread_t thread;

	tap = open("/dev/net/tun", O_RDWR);
	if (tap < 0)
		skip("/dev/net/tun");
	strcpy(r.ifr_name, "wire0");
	must(ioctl(tap, TUNSETIFF, &r), "TUNSETIFF");
	int ctl = must(socket(AF_INET, SOCK_DGRAM, 0), "socket");
	address(&r, "10.98.0.1");
	must(ioctl(ctl, SIOCSIFADDR, &r), "SIOCSIFADDR");
	address(&r, "255.255.255.0");
	must(ioctl(ctl, SIOCSIFNETMASK, &r), "SIOCSIFNETMASK");
	r.ifr_flags = IFF_UP;
	must(ioctl(ctl, SIOCSIFFLAGS, &r), "SIOCSIFFLAGS");
	/* The error arrives on lo. */
	strcpy(r.ifr_name, "lo");
	must(ioctl(ctl, SIOCSIFFLAGS, &r), "SIOCSIFFLAGS");
	inet_pton(AF_INET, "10.99.0.2", &sa.sin_addr);
	int c = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
	int ret = connect(c, (void *)&sa, sizeof(sa));
	saw(ret, "connect(%d, %s, 16)", c, addr(&sa, sizeof(sa)));
	say("#krn route:lookup to=10.99.0.2 table=main found=nothing");

	inet_pton(AF_INET, "10.98.0.2", &sa.sin_addr);
	int d = must(socket(AF_INET, SOCK_DGRAM, 0), "socket");
	setsockopt(d, SOL_IP, IP_RECVERR, &(int){1}, sizeof(int));
	setsockopt(d, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){.tv_sec = 10}, sizeof(struct timeval));
	ret = connect(d, (void *)&sa, sizeof(sa));
	saw(ret, "connect(%d, %s, 16)", d, addr(&sa, sizeof(sa)));
	say("#krn route:lookup to=10.98.0.2 table=main dev=wire0");
	must(send(d, "x", 1, 0), "send");
	say("#krn neigh:create address=10.98.0.2 dev=wire0");
	say("#krn neigh:lookup address=10.98.0.2 dev=wire0 state=INCOMPLETE");
	if (recv(d, &ret, sizeof(ret), 0) != -1 || errno != EHOSTUNREACH)
		return 1;
	say("#krn icmp:send type=unreachable code=host");
	say("#krn sock:error error=EHOSTUNREACH");
	say("#krn~skb:drop reason=NEIGH_FAILED protocol=udp peer=10.98.0.2:80 # in ");
	say("#krn neigh:failed address=10.98.0.2 dev=wire0 asked=");
	say("#krn sock:rcvbuf-wait <");

	if (pthread_create(&thread, NULL, answer, NULL))
		return 1;
	inet_pton(AF_INET, "10.98.0.3", &sa.sin_addr);
	must(sendto(d, "x", 1, 0, (void *)&sa, sizeof(sa)), "sendto");
	pthread_join(thread, NULL);
	say("#krn neigh:create address=10.98.0.3 dev=wire0");
	say("#krn neigh:found address=10.98.0.3 dev=wire0");
	usleep(20000);
	return done();
}
