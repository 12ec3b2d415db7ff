/* trace: socket,bind,sendto,recvfrom,setsockopt,getsockopt,close; bits: 64,32; needs: CAP_NET_RAW */
#include "show.h"
#include <linux/if_ether.h>
#include <linux/if_packet.h>

/* Packet sockets and a raw socket. They send packets of an unused protocol on lo. */
int main(void)
{
	struct sockaddr_ll sa = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_802_EX1),
		.sll_ifindex = LO,
	}, got;
	struct packet_mreq mreq = {
		.mr_ifindex = sa.sll_ifindex,
		.mr_type = PACKET_MR_MULTICAST,
		.mr_alen = 6,
		.mr_address = {1, 0, 0x5e, 0, 0, 0xfb},
	};
	struct tpacket_stats stats;
	socklen_t len;
	char data[64];
	int val;
	long r;

	int s = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK, htons(ETH_P_802_EX1));
	if (s < 0)
		skip("no packet socket");
	saw(s, "socket(AF_PACKET, SOCK_DGRAM|SOCK_NONBLOCK, htons(ETH_P_802_EX1))");
	r = bind(s, (void *)&sa, sizeof(sa));
	saw(r, "bind(%d, {sa_family=AF_PACKET, sll_protocol=htons(ETH_P_802_EX1), "
	       "sll_ifindex=if_nametoindex(\"lo\"), sll_hatype=ARPHRD_NETROM, sll_pkttype=PACKET_HOST, "
	       "sll_halen=0}, 20)", s);
	r = setsockopt(s, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mreq, sizeof(mreq));
	saw(r, "setsockopt(%d, SOL_PACKET, PACKET_ADD_MEMBERSHIP, {mr_ifindex=if_nametoindex(\"lo\"), "
	       "mr_type=PACKET_MR_MULTICAST, mr_alen=6, mr_address=01:00:5e:00:00:fb}, 16)", s);
	len = sizeof(stats);
	r = getsockopt(s, SOL_PACKET, PACKET_STATISTICS, &stats, &len);
	saw(r, "getsockopt(%d, SOL_PACKET, PACKET_STATISTICS, {tp_packets=%u, tp_drops=%u}, [8])",
	    s, stats.tp_packets, stats.tp_drops);
	val = 1;
	r = setsockopt(s, SOL_PACKET, PACKET_AUXDATA, &val, sizeof(val));
	saw(r, "setsockopt(%d, SOL_PACKET, PACKET_AUXDATA, [1], 4)", s);

	sa.sll_halen = 6;
	memset(sa.sll_addr, 0, sizeof(sa.sll_addr));
	r = sendto(s, "frame", 5, 0, (void *)&sa, sizeof(sa));
	saw(r, "sendto(%d, \"frame\", 5, 0, {sa_family=AF_PACKET, sll_protocol=htons(ETH_P_802_EX1), "
	       "sll_ifindex=if_nametoindex(\"lo\"), sll_hatype=ARPHRD_NETROM, sll_pkttype=PACKET_HOST, "
	       "sll_halen=6, sll_addr=[00, 00, 00, 00, 00, 00]}, 20)", s);
	len = sizeof(got);
	r = recvfrom(s, data, sizeof(data), 0, (void *)&got, &len);
	saw(r, "recvfrom(%d, \"frame\", 64, 0, {sa_family=AF_PACKET, sll_protocol=htons(ETH_P_802_EX1), "
	       "sll_ifindex=if_nametoindex(\"lo\"), sll_hatype=ARPHRD_LOOPBACK, sll_pkttype=PACKET_HOST, "
	       "sll_halen=6, sll_addr=[00, 00, 00, 00, 00, 00]}, [20])", s);
	r = close(s);
	saw(r, "close(%d)", s);

	s = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	saw(s, "socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL))");
	s = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	saw(s, "socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)");
	s = socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
	saw(s, "socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6)");
	s = socket(AF_PACKET, SOCK_RAW, htons(0x4321));
	saw(s, "socket(AF_PACKET, SOCK_RAW, htons(0x4321 /* ETH_P_??? */))");
	s = socket(AF_INET, SOCK_RAW, 222);
	saw(s, "socket(AF_INET, SOCK_RAW, 0xde /* IPPROTO_??? */)");
	return done();
}
