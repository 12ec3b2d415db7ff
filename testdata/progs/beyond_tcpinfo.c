/* trace: getsockopt; bits: 64,32 */
#include "show.h"
#include <linux/tcp.h>

/* The state of a TCP connection, from getsockopt. */
int main(void)
{
	struct sockaddr_in sa = loopback(0);
	socklen_t len = sizeof(sa);
	struct tcp_info t = {};
	char got[8];
	long r;

	int l = socket(AF_INET, SOCK_STREAM, 0);
	must(bind(l, (void *)&sa, sizeof(sa)), "bind");
	must(listen(l, 1), "listen");
	must(getsockname(l, (void *)&sa, &len), "getsockname");
	int c = socket(AF_INET, SOCK_STREAM, 0);
	must(connect(c, (void *)&sa, sizeof(sa)), "connect");
	int s = accept(l, NULL, NULL);
	must(send(c, "12345", 5, 0), "send");
	must(recv(s, got, sizeof(got), 0), "recv");

	len = sizeof(t);
	r = getsockopt(c, IPPROTO_TCP, TCP_INFO, &t, &len);
	saw(r, "getsockopt(%d, SOL_TCP, TCP_INFO, {tcpi_state=TCP_ESTABLISHED, tcpi_ca_state=TCP_CA_Open, "
	       "tcpi_retransmits=%u, tcpi_probes=%u, tcpi_backoff=%u, "
	       "tcpi_options=TCPI_OPT_TIMESTAMPS|TCPI_OPT_SACK|TCPI_OPT_WSCALE, "
	       "tcpi_snd_wscale=%u, tcpi_rcv_wscale=%u, tcpi_rto=%u, tcpi_snd_mss=%u, tcpi_rcv_mss=%u, "
	       "tcpi_unacked=%u, tcpi_lost=%u, tcpi_retrans=%u, tcpi_pmtu=%u, tcpi_rtt=%u, tcpi_rttvar=%u, "
	       "tcpi_snd_cwnd=%u, tcpi_total_retrans=%u, tcpi_bytes_acked=%llu, tcpi_bytes_received=%llu, "
	       "tcpi_notsent_bytes=%u, tcpi_min_rtt=%u, tcpi_delivery_rate=%llu, tcpi_bytes_retrans=%llu, "
	       "tcpi_snd_wnd=%u, ...}, %s)",
	    c, t.tcpi_retransmits, t.tcpi_probes, t.tcpi_backoff, t.tcpi_snd_wscale, t.tcpi_rcv_wscale,
	    t.tcpi_rto, t.tcpi_snd_mss, t.tcpi_rcv_mss, t.tcpi_unacked, t.tcpi_lost, t.tcpi_retrans,
	    t.tcpi_pmtu, t.tcpi_rtt, t.tcpi_rttvar, t.tcpi_snd_cwnd, t.tcpi_total_retrans,
	    (unsigned long long)t.tcpi_bytes_acked, (unsigned long long)t.tcpi_bytes_received,
	    t.tcpi_notsent_bytes, t.tcpi_min_rtt, (unsigned long long)t.tcpi_delivery_rate,
	    (unsigned long long)t.tcpi_bytes_retrans, t.tcpi_snd_wnd, vlen(sizeof(t), len));
	return done();
}
