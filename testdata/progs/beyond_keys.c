/* trace: setsockopt,sendto; bits: 64,32 */
#include "show.h"
#include <linux/tls.h>
#include <linux/xfrm.h>
#include <netinet/tcp.h>

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

/*
 * Key material: the lines say that it was there, and a recording must not contain its bytes, all of
 * which contain "SECRET".
 */
int main(void)
{
	struct tls12_crypto_info_aes_gcm_128 tls = {
		.info = {TLS_1_2_VERSION, TLS_CIPHER_AES_GCM_128},
	};
	struct tcp_md5sig md5 = {.tcpm_keylen = 12};
	struct sockaddr_in *peer = (void *)&md5.tcpm_addr;
	struct {
		struct nlmsghdr head;
		char body[48];
	} msg = {.head = {.nlmsg_len = sizeof(msg), .nlmsg_type = XFRM_MSG_GETSA, .nlmsg_flags = NLM_F_REQUEST}};
	long r;

	memcpy(tls.key, "SECRETSECRETSECR", 16);
	memcpy(md5.tcpm_key, "SECRETSECRET", 12);
	strcpy(msg.body, "SECRETSECRETSECRETSECRET");
	peer->sin_family = AF_INET;

	int s = socket(AF_INET, SOCK_STREAM, 0);
	r = setsockopt(s, SOL_TLS, TLS_TX, &tls, sizeof(tls));
	saw(r, "setsockopt(%d, SOL_TLS, TLS_TX, {info={version=TLS_1_2_VERSION, "
	       "cipher_type=TLS_CIPHER_AES_GCM_128}, /* key not shown */}, %zu)", s, sizeof(tls));
	r = setsockopt(s, IPPROTO_TCP, TCP_MD5SIG, &md5, sizeof(md5));
	saw(r, "setsockopt(%d, SOL_TCP, TCP_MD5SIG, {tcpm_addr={sa_family=AF_INET, sin_port=htons(0), "
	       "sin_addr=inet_addr(\"0.0.0.0\")}, tcpm_flags=0, tcpm_prefixlen=0, tcpm_keylen=12, "
	       "tcpm_ifindex=0, /* key not shown */}, %zu)", s, sizeof(md5));
	r = setsockopt(-1, 279 /* SOL_ALG */, 1 /* ALG_SET_KEY */, "SECRETSECRET", 12);
	saw(r, "setsockopt(-1, SOL_ALG, ALG_SET_KEY, ... /* key not shown */, 12)");
	r = setsockopt(-1, 279 /* SOL_ALG */, 6 /* ALG_SET_DRBG_ENTROPY */, "SECRETSECRET", 12);
	saw(r, "setsockopt(-1, SOL_ALG, ALG_SET_DRBG_ENTROPY, ... /* key not shown */, 12)");
	r = setsockopt(-1, 132 /* SOL_SCTP */, 23 /* SCTP_AUTH_KEY */, "SECRETSECRET", 12);
	saw(r, "setsockopt(-1, SOL_SCTP, SCTP_AUTH_KEY, ... /* key not shown */, 12)");
	r = setsockopt(-1, 272 /* SOL_RXRPC */, 1 /* RXRPC_SECURITY_KEY */, "SECRETSECRET", 12);
	saw(r, "setsockopt(-1, SOL_RXRPC, RXRPC_SECURITY_KEY, ... /* key not shown */, 12)");
	/* IPsec keys are in netlink messages, of which only the header is shown. */
	int n = socket(AF_NETLINK, SOCK_RAW, 6 /* NETLINK_XFRM */);
	if (n >= 0) { /* not every kernel has it */
		r = syscall(SYS_sendto, n, &msg, sizeof(msg), 0, NULL, 0);
		saw(r, "sendto(%d, [{nlmsg_len=64, nlmsg_type=XFRM_MSG_GETSA, nlmsg_flags=NLM_F_REQUEST, "
		       "nlmsg_seq=0, nlmsg_pid=0}, ...], 64, 0, NULL, 0)", n);
	}
	return done();
}
