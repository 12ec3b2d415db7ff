/* trace: socket,setsockopt,getsockopt; bits: 64,32 */
#include "show.h"
#include <linux/net_tstamp.h>
#include <linux/tls.h>
#include <netinet/tcp.h>
#include <sys/time.h>

/* Option values that strace prints as numbers or bytes, and pidwire decodes. */
int main(void)
{
	struct timeval tv = {1, 500000};
	struct sockaddr_in sa = loopback(0);
	socklen_t len = sizeof(sa);
	int val;
	long r;

	int s = socket(AF_INET, SOCK_STREAM, 0);
	saw(s, "socket(AF_INET, SOCK_STREAM, IPPROTO_IP)");
	int u = socket(AF_INET, SOCK_DGRAM, 0);
	saw(u, "socket(AF_INET, SOCK_DGRAM, IPPROTO_IP)");
	len = 4;
	r = getsockopt(s, SOL_SOCKET, SO_TYPE, &val, &len);
	saw(r, "getsockopt(%d, SOL_SOCKET, SO_TYPE, [SOCK_STREAM], [4])", s);
	r = getsockopt(s, SOL_SOCKET, SO_DOMAIN, &val, &len);
	saw(r, "getsockopt(%d, SOL_SOCKET, SO_DOMAIN, [AF_INET], [4])", s);
	r = getsockopt(s, SOL_SOCKET, SO_PROTOCOL, &val, &len);
	saw(r, "getsockopt(%d, SOL_SOCKET, SO_PROTOCOL, [IPPROTO_TCP], [4])", s);

	r = setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	saw(r, "setsockopt(%d, SOL_SOCKET, SO_RCVTIMEO_OLD, {tv_sec=1, tv_usec=500000}, %zu)", s, sizeof(tv));
	len = sizeof(tv);
	r = getsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, &len);
	saw(r, "getsockopt(%d, SOL_SOCKET, SO_RCVTIMEO_OLD, {tv_sec=1, tv_usec=%ld}, [%zu])",
	    s, (long)tv.tv_usec, sizeof(tv));
	long long wide[2] = {2, 250000};
	r = setsockopt(s, SOL_SOCKET, 67 /* SO_SNDTIMEO_NEW */, wide, sizeof(wide));
	saw(r, "setsockopt(%d, SOL_SOCKET, SO_SNDTIMEO_NEW, {tv_sec=2, tv_usec=250000}, 16)", s);

	unsigned long long cookie;
	len = sizeof(cookie);
	r = getsockopt(s, SOL_SOCKET, SO_COOKIE, &cookie, &len);
	saw(r, "getsockopt(%d, SOL_SOCKET, SO_COOKIE, [%llu], [8])", s, cookie);
	val = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
	r = setsockopt(u, SOL_SOCKET, SO_TIMESTAMPING, &val, sizeof(val));
	saw(r, "setsockopt(%d, SOL_SOCKET, SO_TIMESTAMPING_OLD, "
	       "[SOF_TIMESTAMPING_RX_SOFTWARE|SOF_TIMESTAMPING_SOFTWARE], 4)", u);

	/* Four bytes that are a name, not a number. */
	r = setsockopt(s, SOL_TCP, TCP_ULP, "tls", 4);
	saw(r, "setsockopt(%d, SOL_TCP, TCP_ULP, \"tls\\0\", 4)", s);
	r = setsockopt(s, SOL_TCP, TCP_CONGESTION, "reno", 4);
	saw(r, "setsockopt(%d, SOL_TCP, TCP_CONGESTION, \"reno\", 4)", s);

	/* A key must not be shown. */
	struct tls12_crypto_info_aes_gcm_128 tls = {
		.info = {TLS_1_2_VERSION, TLS_CIPHER_AES_GCM_128},
		.key = "SECRETSECRETSEC",
	};
	r = setsockopt(s, 282 /* SOL_TLS */, TLS_TX, &tls, sizeof(tls));
	saw(r, "setsockopt(%d, SOL_TLS, TLS_TX, {info={version=TLS_1_2_VERSION, "
	       "cipher_type=TLS_CIPHER_AES_GCM_128}, /* key not shown */}, 40)", s);

	val = IP_PMTUDISC_DO;
	r = setsockopt(u, SOL_IP, IP_MTU_DISCOVER, &val, sizeof(val));
	saw(r, "setsockopt(%d, SOL_IP, IP_MTU_DISCOVER, [IP_PMTUDISC_DO], 4)", u);
	val = 0xb8;
	r = setsockopt(u, SOL_IP, IP_TOS, &val, sizeof(val));
	saw(r, "setsockopt(%d, SOL_IP, IP_TOS, [184] /* EF */, 4)", u);
	struct ip_mreqn mreq = {.imr_ifindex = LO};
	inet_pton(AF_INET, "224.0.0.251", &mreq.imr_multiaddr);
	inet_pton(AF_INET, "127.0.0.1", &mreq.imr_address);
	r = setsockopt(u, SOL_IP, IP_ADD_MEMBERSHIP, &mreq, sizeof(mreq));
	saw(r, "setsockopt(%d, SOL_IP, IP_ADD_MEMBERSHIP, {imr_multiaddr=inet_addr(\"224.0.0.251\"), "
	       "imr_address=inet_addr(\"127.0.0.1\"), imr_ifindex=if_nametoindex(\"lo\")}, 12)", u);
	r = setsockopt(u, SOL_IP, IP_MULTICAST_IF, &mreq.imr_address, 4);
	saw(r, "setsockopt(%d, SOL_IP, IP_MULTICAST_IF, [inet_addr(\"127.0.0.1\")], 4)", u);
	struct ip_mreq_source source = {.imr_multiaddr = mreq.imr_multiaddr, .imr_interface = mreq.imr_address};
	inet_pton(AF_INET, "10.1.2.3", &source.imr_sourceaddr);
	r = setsockopt(u, SOL_IP, IP_ADD_SOURCE_MEMBERSHIP, &source, sizeof(source));
	saw(r, "setsockopt(%d, SOL_IP, IP_ADD_SOURCE_MEMBERSHIP, {imr_multiaddr=inet_addr(\"224.0.0.251\"), "
	       "imr_interface=inet_addr(\"127.0.0.1\"), imr_sourceaddr=inet_addr(\"10.1.2.3\")}, 12)", u);
	struct {
		struct group_filter f;
		struct sockaddr_storage more;
	} gf = {.f = {.gf_interface = LO, .gf_fmode = MCAST_INCLUDE, .gf_numsrc = 2}};
	struct sockaddr_in *a = (void *)&gf.f.gf_group;
	*a = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = mreq.imr_multiaddr};
	for (int i = 0; i < 2; i++) {
		a = (void *)&gf.f.gf_slist[i];
		a->sin_family = AF_INET;
		inet_pton(AF_INET, i ? "10.1.2.4" : "10.1.2.3", &a->sin_addr);
	}
	r = setsockopt(u, SOL_IP, MCAST_MSFILTER, &gf, GROUP_FILTER_SIZE(2));
	saw(r, "setsockopt(%d, SOL_IP, MCAST_MSFILTER, {gf_interface=if_nametoindex(\"lo\"), "
	       "gf_group={sa_family=AF_INET, sin_port=htons(0), sin_addr=inet_addr(\"224.0.0.251\")}, "
	       "gf_fmode=MCAST_INCLUDE, gf_numsrc=2, gf_slist=["
	       "{sa_family=AF_INET, sin_port=htons(0), sin_addr=inet_addr(\"10.1.2.3\")}, "
	       "{sa_family=AF_INET, sin_port=htons(0), sin_addr=inet_addr(\"10.1.2.4\")}]}, %zu)",
	    u, (size_t)GROUP_FILTER_SIZE(2));
	return done();
}
