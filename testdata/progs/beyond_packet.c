/* trace: socket,getsockname; bits: 64,32; needs: CAP_NET_RAW */
#include "show.h"
#include <linux/if_ether.h>
#include <linux/if_packet.h>

/* The kernel takes an address of 18 bytes for a packet socket; strace requires 20. */
int main(void)
{
	struct sockaddr_ll sa = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_802_EX1),
		.sll_ifindex = LO,
	};
	socklen_t len = sizeof(sa);
	long r;

	int s = socket(AF_PACKET, SOCK_DGRAM, 0);
	if (s < 0)
		skip("no packet socket");
	saw(s, "socket(AF_PACKET, SOCK_DGRAM, htons(0 /* ETH_P_??? */))");
	must(bind(s, (void *)&sa, sizeof(sa)), "bind");
	r = getsockname(s, (void *)&sa, &len);
	saw(r, "getsockname(%d, {sa_family=AF_PACKET, sll_protocol=htons(ETH_P_802_EX1), "
	       "sll_ifindex=if_nametoindex(\"lo\"), sll_hatype=ARPHRD_LOOPBACK, sll_pkttype=PACKET_HOST, "
	       "sll_halen=6, sll_addr=[00, 00, 00, 00, 00, 00]}, [20 => 18])", s);
	return done();
}
