/* trace: socket,socketpair,ioctl; bits: 64,32 */
#include "show.h"
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>

/* Requests about sockets and interfaces. */
int main(void)
{
	int pair[2], n, on = 1;
	struct ifreq ifr = {};
	struct ifconf conf = {};
	long r;

	r = socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	saw(r, "socketpair(AF_UNIX, SOCK_STREAM, 0, [%d, %d])", pair[0], pair[1]);
	must(send(pair[0], "12345", 5, 0), "send");
	r = ioctl(pair[1], FIONREAD, &n);
	saw(r, "ioctl(%d, FIONREAD, [5])", pair[1]);
	r = ioctl(pair[1], FIONBIO, &on);
	saw(r, "ioctl(%d, FIONBIO, [1])", pair[1]);
	r = ioctl(pair[1], FIONREAD, NULL);
	saw(r, "ioctl(%d, FIONREAD, NULL)", pair[1]);

	int s = socket(AF_INET, SOCK_DGRAM, 0);
	saw(s, "socket(AF_INET, SOCK_DGRAM, IPPROTO_IP)");
	strcpy(ifr.ifr_name, "lo");
	r = ioctl(s, SIOCGIFINDEX, &ifr);
	saw(r, "ioctl(%d, SIOCGIFINDEX, {ifr_name=\"lo\", ifr_ifindex=%d})", s, ifr.ifr_ifindex);
	r = ioctl(s, SIOCGIFMTU, &ifr);
	saw(r, "ioctl(%d, SIOCGIFMTU, {ifr_name=\"lo\", ifr_mtu=%d})", s, ifr.ifr_mtu);
	r = ioctl(s, SIOCGIFADDR, &ifr);
	if (r == 0)
		saw(r, "ioctl(%d, SIOCGIFADDR, {ifr_name=\"lo\", ifr_addr=%s})", s, addr(&ifr.ifr_addr, 16));
	else
		saw(r, "ioctl(%d, SIOCGIFADDR, {ifr_name=\"lo\"})", s);
	r = ioctl(s, SIOCGIFFLAGS, &ifr);
	saw(r, "ioctl(%d, SIOCGIFFLAGS, {ifr_name=\"lo\", ifr_flags=IFF_UP|IFF_LOOPBACK|IFF_RUNNING})", s);
	r = ioctl(s, SIOCGIFHWADDR, &ifr);
	saw(r, "ioctl(%d, SIOCGIFHWADDR, {ifr_name=\"lo\", ifr_hwaddr={sa_family=ARPHRD_LOOPBACK, "
	       "sa_data=00:00:00:00:00:00}})", s);
	strcpy(ifr.ifr_name, "nonesuch0");
	r = ioctl(s, SIOCGIFINDEX, &ifr);
	saw(r, "ioctl(%d, SIOCGIFINDEX, {ifr_name=\"nonesuch0\"})", s);
	/* Only the size. */
	r = ioctl(s, SIOCGIFCONF, &conf);
	saw(r, "ioctl(%d, SIOCGIFCONF, {ifc_len=%d /* %zu * sizeof(struct ifreq) */, ifc_buf=NULL})",
	    s, conf.ifc_len, conf.ifc_len / sizeof(ifr));
	return done();
}
