package pcapfilter_test

// expressions cover the productions of pcap-filter(7) that apply to IP packets.
// tcpdump takes all of them, and its programs give the same verdicts.
var expressions = []string{
	// dst, src, host
	`host 10.0.0.1`, `src host 10.0.0.1`, `dst host 10.0.0.1`, `src 10.0.0.1`, `dst 10.0.0.1`,
	`src or dst host 10.0.0.1`, `dst or src host 10.0.0.1`, `src and dst host 10.0.0.1`, `dst and src 10.0.0.1`,
	`src || dst 10.0.0.1`, `src && dst 10.0.0.1`, `ip host 1.2.3.4`, `ip src 1.2.3.4`, `ip src or dst 1.2.3.4`,
	`host 01.02.03.04`, `host 10`, `host 0x0a000001`, `host 10.1`, `src 10.1`, `host 0.0.0.0`, `host 255.255.255.255`,
	`host 2001:db8::1`, `src host ::1`, `dst ff02::1`, `ip6 host fe80::1`, `ip6 src ::1`, `src and dst host ::1`,
	`host ::ffff:1.2.3.4`, `host 0:0:0:0:0:0:0:1`, `host FE80::1`, `host ::1 or 1.2.3.4`, `host ::`,

	// net
	`net 10`, `net 10.1`, `net 10.1.2`, `net 10.1.2.3`, `src net 10`, `dst net 10.1`, `src and dst net 10`,
	`net 300`, `net 70000`, `net 0`, `net 0x0a`, `net 010`, `net 0.0.0.0`,
	`net 10.0.0.0/8`, `net 10.0/8`, `net 10.1/16`, `net 10.1.2/24`, `net 10.1.2.3/32`, `net 1.2.3.4/31`, `net 128.0/1`,
	`net 0.0.0.0/0`, `src net 192.168.1.0/24`, `net 10.1 / 0x10`, `ip net 10.1/16`, `net 224.0.0.0/4`, `net 10.1/020`,
	`net 10.0.0.0 mask 255.0.0.0`, `net 10.1 mask 255.255.0.0`, `dst net 10.1 mask 255.255`, `net 10.0.2.0 mask 255.0.2.0`,
	`net 0.0.0.0 mask 0.0.0.0`, `net 10.1 mask 255.255.0.0 or 10.2 mask 255.255.0.0`,
	`net 2001:db8::/32`, `net 2001:db8::`, `src net 2001:db8:8000::/33`, `dst net ff00::/8`, `net ::/0`, `net ::/33`,
	`net ::1/128`, `ip6 net fe80::/10`, `net 2001:db8:1:2::/64`, `net 2001:db8:1:2::/ 65`, `src and dst net 2001:db8::/32`,
	`net ::/3 or 10.1`, `net 2001:db8::/127`,

	// port, portrange
	`port 80`, `src port 80`, `dst port 80`, `src or dst port 80`, `src and dst port 80`, `port 0x50`, `port 0120`, `port 0`, `port 65535`,
	`tcp port 80`, `udp port 53`, `sctp port 80`, `tcp src port 80`, `tcp dst port 443`, `udp src port 53`, `udp src and dst port 53`,
	`tcp src or dst port 22`, `sctp dst port 5060`,
	`port http`, `port domain`, `port https`, `tcp port domain`, `udp port ntp`, `port \ftp`, `dst port ftp or ftp-data or domain`,
	`tcp dst port ftp or ftp-data or domain`, `port ssh or smtp`, `port tcp-syn`,
	`portrange 20-25`, `portrange 25-20`, `src portrange 1-80`, `dst portrange 80-443`, `tcp portrange 1-100`, `udp portrange 53-123`,
	`sctp portrange 5-5060`, `portrange 80`, `portrange 80-80`, `portrange 010-025`, `portrange http-https`, `portrange ssh-http`,
	`portrange 22-http`, `tcp portrange ssh-80`, `src and dst portrange 1-100`, `portrange 1-5 or 80-443`, `portrange 0-65535`,

	// less, greater, len
	`less 60`, `greater 60`, `less 0x28`, `len <= 48`, `len >= 48`, `len = 40`, `length > 100`, `less 100 and greater 60`,

	// proto and its abbreviations
	`ip`, `ip6`, `tcp`, `udp`, `sctp`, `icmp`, `icmp6`, `igmp`, `igrp`, `pim`, `ah`, `esp`, `vrrp`, `carp`,
	`proto 6`, `proto 17`, `proto \tcp`, `proto \udp`, `proto gre`, `proto GRE`, `proto \icmp`, `proto 0`, `proto 300 or ip proto 1`,
	`ip proto 6`, `ip proto \tcp`, `ip proto ospf`, `ip proto \sctp`, `ip proto 0x11`, `ip proto (6 or 17)`, `ip proto \tcp or \udp`,
	`ip6 proto 6`, `ip6 proto \tcp`, `ip6 proto ipv6-icmp`, `ip6 proto 44`, `ip6 proto 0`, `ip6 proto 43`, `ip6 proto \icmp`, `proto 44`,
	`proto not 6`, `proto ipv6-frag`,

	// broadcast, multicast
	`ip broadcast`, `ip multicast`, `ip6 multicast`, `ip multicast and not ip broadcast`, `ip6 multicast or ip multicast`,

	// protocols of link layers
	`not arp`, `arp or ip`, `not arp and tcp`, `not stp and not atalk and not aarp`, `tcp or rarp or decnet`, `not (iso or clnp or esis or isis)`,
	`ipx or netbeui or lat or moprc or mopdl or ip6`, `not l1 and not l2 and not iih and not lsp and not snp and not csnp and not psnp`, `not pppoed`,

	// accessors
	`ip[0] = 0x45`, `ip[0] & 0xf != 5`, `ip[6:2] & 0x1fff = 0`, `ip[2:2] > 60`, `ip[12:4] = 0x0a000001`, `ip[8] < 65`, `ip [ 9 ] == 17`,
	`ip6[6] = 6`, `ip6[40] = 0x11`, `ip6[4:2] >= 24`, `ip6[8:4] = 0x20010db8`, `ip6[0] & 0xf0 = 0x60`,
	`tcp[13] = 2`, `tcp[tcpflags] = tcp-syn`, `tcp[tcpflags] & (tcp-syn|tcp-fin) != 0`, `tcp[tcpflags] & (tcp-rst|tcp-ack) == (tcp-rst|tcp-ack)`,
	`tcp[tcpflags] & tcp-push != 0`, `tcp[tcpflags] & tcp-urg != 0`, `tcp[tcpflags] & (tcp-ece|tcp-cwr) = tcp-ece`, `tcp[0:2] = 80`,
	`tcp[12] >> 4 = 5`, `tcp[(tcp[12] & 0xf0) >> 2] = 0`, `tcp[4:4] = 0`, `tcp[13] & 0x3f = 022`, `tcp[100] = 0`,
	`udp[4:2] > 20`, `udp[0:2] = 53`, `udp[8] = 0`, `sctp[12] = 1`, `igmp[0] = 0`, `igrp[0] = 0`, `pim[0:2] >= 0`, `vrrp[1] = 80`, `carp[0] = 0`,
	`icmp[icmptype] = icmp-echo`, `icmp[icmptype] != icmp-echo and icmp[icmptype] != icmp-echoreply`, `icmp[icmpcode] = 0`, `icmp[0] = 8`,
	`icmp[icmptype] = icmp-unreach or icmp[icmptype] = icmp-sourcequench or icmp[icmptype] = icmp-redirect`,
	`icmp[icmptype] = icmp-routeradvert or icmp[icmptype] = icmp-routersolicit or icmp[icmptype] = icmp-timxceed`,
	`icmp[icmptype] = icmp-paramprob or icmp[icmptype] = icmp-tstamp or icmp[icmptype] = icmp-tstampreply`,
	`icmp[icmptype] = icmp-ireq or icmp[icmptype] = icmp-ireqreply or icmp[icmptype] = icmp-maskreq or icmp[icmptype] = icmp-maskreply`,
	`icmp6[icmp6type] = icmp6-echo`, `icmp6[icmp6type] = icmp6-echoreply or icmp6[icmp6code] = 1`, `icmp6[0] = 128`, `icmp6[icmp6[1]:2] = 0`,
	`icmp6[icmp6type] = icmp6-destinationunreach or icmp6[icmp6type] = icmp6-packettoobig`,
	`icmp6[icmp6type] = icmp6-timeexceeded or icmp6[icmp6type] = icmp6-parameterproblem`,
	`icmp6[icmp6type] = icmp6-multicastlistenerquery or icmp6[icmp6type] = icmp6-multicastlistenerreportv1`,
	`icmp6[icmp6type] = icmp6-multicastlistenerdone or icmp6[icmp6type] = icmp6-routersolicit`,
	`icmp6[icmp6type] = icmp6-routeradvert or icmp6[icmp6type] = icmp6-neighborsolicit or icmp6[icmp6type] = icmp6-neighboradvert`,
	`icmp6[icmp6type] = icmp6-redirect or icmp6[icmp6type] = icmp6-routerrenum or icmp6[icmp6type] = icmp6-nodeinformationquery`,
	`icmp6[icmp6type] = icmp6-nodeinformationresponse or icmp6[icmp6type] = icmp6-ineighbordiscoverysolicit`,
	`icmp6[icmp6type] = icmp6-ineighbordiscoveryadvert or icmp6[icmp6type] = icmp6-multicastlistenerreportv2`,
	`icmp6[icmp6type] = icmp6-homeagentdiscoveryrequest or icmp6[icmp6type] = icmp6-homeagentdiscoveryreply`,
	`icmp6[icmp6type] = icmp6-mobileprefixsolicit or icmp6[icmp6type] = icmp6-mobileprefixadvert`,
	`icmp6[icmp6type] = icmp6-certpathsolicit or icmp6[icmp6type] = icmp6-certpathadvert`,
	`icmp6[icmp6type] = icmp6-multicastrouteradvert or icmp6[icmp6type] = icmp6-multicastroutersolicit or icmp6[icmp6type] = icmp6-multicastrouterterm`,
	`ip[ip[9]] = 0`, `ip[ip[0] & 0xf << 2:2] = 80`, `ip6[ip6[6] + 34:2] = 80`, `tcp[tcp[0] - 75] = 0`, `ip[65535:4] = 3`, `ip[0x7fffffff] = 3`, `icmp6[0x7fffff00] = 1`,
	`tcp[13] = tcp[12]`, `ip[9] > ip[8]`, `len > tcp[0:2]`, `tcp[0:2] + tcp[2:2] = 523`, `ip6[6] + ip6[7] > 100`,
	`ip[2:2] = len`, `ip[2:2] != len`, `ip[2:2] <= len`, `len >= ip[2:2]`, `40 < len`, `60 >= ip[2:2]`, `tcp[0] + ip6[0] = 5 or tcp`,
	`tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)`,

	// operators
	`len = 6 % 4 * 2 + 34`, `len = 39 + 2 ^ 3`, `len = 1 ^ 2 + 43`, `len = 2 * 6 % 4 + 40`, `len = 41 | 2 ^ 3`, `len = 43 & 46 ^ 4`,
	`len = 1 << 2 + 3 | 8`, `len = 100 - 50 - 10`, `len = 400 / 2 / 5`, `len = 9 % 5 % 3 + 39`, `len = 0x50 >> 1`, `len = 40 & 0xff | 0`,
	`len - 20 = 20`, `len -20 = 20`, `len- 20 = 20`, `len * 2 > 100`, `len / 3 = 13`, `len % 8 = 0`, `len & 7 = 4`, `len | 3 = 43`, `len ^ 40 = 0`,
	`len << 1 = 80`, `len >> 3 = 5`, `len << 31 = 0`, `-len = 0xffffffd8`, `- 1 = - len + 39`, `--len = 40`, `-len + 40 = 0`, `100 - len > 60`,
	`len << len = 0`, `1 << (len & 31) > 256`, `0xffffffff >> (len - 20) = 0`, `1000 / (len - 40) > 20`, `1000 % (len - 40) = 10`, `ip[9] / ip[1] = 0 or len > 50`,
	`(len) > 50`, `((len - 1)) > 50`, `1 = 1`, `1 + 1 = 2 and tcp`, `0x80000000 > 5`, `tcp and -1 > 0`, `len = len`, `icmp-echo = 8 and udp`, `tcp or 1 = 2`,
	`(ip[0] & 0xf) * 4 = 24`, `(ip[0]) = 0x45`, `ip[0:1] = 69`, `tcp[0xd:tcp-fin] = 2`, `ip[1+1:2] < 48`, `ip[3 * 3] = 6`,
	`((ip[2:2] + len) * (ip[4:2] - len)) / ((ip[6:2] + len) - (ip[8:2] ^ len)) > ((ip[10:2] | len) % (ip[12:2] & len)) << ((ip[14:2] - len) & 3)`,

	// and, or, not; parentheses; ids without qualifiers
	`tcp and port 80`, `tcp && port 80`, `tcp or icmp`, `tcp || icmp`, `not tcp`, `!tcp`, `! tcp`, `not not tcp`, `!(!(tcp))`, `not (tcp or udp)`,
	`tcp or udp and ip6`, `(tcp or udp) and ip6`, `tcp or (udp and ip6)`, `ip and not tcp or udp`, `not tcp and not udp and not icmp`,
	`port 80 or 443`, `tcp port 80 or 443`, `port 80 or 443 or 53`, `port 80 or 443 and 53`, `port 80 and 443`, `port 80 and not 443`, `port 80 or !443`,
	`not port 80 and 443`, `not port 80 or 443`, `port not 80`, `port not not 80`, `port (80 or 443)`, `port (80)`, `port ((80))`, `port ((80) or (443))`,
	`port not (80 or 443)`, `port (80 and not 443)`, `port (80 or (443 and 53))`, `port (80 or not (443 and 53))`, `port (not 443 or 53)`,
	`port 80 and (443 or 53)`, `port 80 and (not 443)`, `port 80 or (tcp port 22 or 443)`, `port 80 or (tcp port 22) or 443`,
	`tcp port 80 or (udp port 53 or 123) or 443`, `host 10.0.0.1 or 1.2.3.4`, `host (10.0.0.1 or 1.2.3.4)`, `host not 10.0.0.1`,
	`host 10.0.0.1 and (1.2.3.4 or 5.6.7.8)`, `host 10.0.0.1 and not (1.2.3.4 or 5.6.7.8)`, `not host 10.0.0.1 and 1.2.3.4`,
	`ip host 10.0.0.1 and not 1.2.3.4`, `src host 10.0.0.1 or 5.6.7.8`, `src 10.0.0.1 and dst 1.2.3.4`, `src host 10.0.0.1 and dst port 80`,
	`src 1.2.3.4 or 5.6.7.8 or port 80 or 443`, `net 10.1/16 or 1.2.3.4`, `host 1.2.3.4 or 10`, `tcp src port 80 or dst port 443`,
	`tcp and src or dst port 80`, `tcp or src and dst port 80`, `port 80 and 80 < len`, `port 80 and not 80 < len`, `port 80 and (80) < len`,
	`port 80 and (80 < len)`, `port 80 or (80) < len`, `not 1 = len`, `! 40 = len`, `(tcp)`, `((tcp))`, `(tcp port 80) and (host 10.0.0.1)`,
	`port 80 and(tcp)`, "tcp\nand\tport\r80", `(port 80 or 443)and not(host 10.0.0.1)`, `proto 6 or \udp`,
	`tcp port 80 or tcp port 443 or tcp port 22 or udp port 53 or icmp or icmp6`, `tcp[tcpflags] & (tcp-syn|tcp-fin) != 0 and not src and dst net 10`,
	`ip and not net 10`, `host 10.0.0.1 and not port 80 and not port 443`, `(ip and tcp or ip6 and udp) and (port 80 or 53) and greater 48`,
	`ip[9] = 6 or ip[9] = 17`, `ip[9] = 6 and ip[9] != 17`, `tcp port 80 and tcp[tcpflags] & tcp-syn != 0 or udp port 53 and udp[8] = 0`,
}

// apart are expressions whose verdicts differ from tcpdump's on purpose, each
// with an equivalent expression for which both agree.
var apart = [][2]string{
	{`1 + tcp[0:2] = 81`, `tcp[0:2] = 80`},
	{`100 - ip[9] = 94`, `ip proto 6`},
	{`(len - 0) - ip6[6] > 0 and 1 - ip6[40] = 1`, `ip6[40] = 0 and len != ip6[6]`},
	{`len ^ (udp[4:2] + 20) = 0`, `udp[4:2] + 20 = len`},
}
