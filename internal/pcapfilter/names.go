package pcapfilter

import "maps"

// noLink is the reason for rejecting filters of the link layer.
const noLink = "packets here have no link-layer header"

// noPF is the reason for rejecting filters of pf(4) logs of OpenBSD.
const noPF = "packets here are not from a pf log"

// protocols are the names of protocols. A name may be used alone, before qualifiers, and before an index.
var protocols = map[string]struct {
	number uint32
	v4, v6 bool // IP versions in which the name alone matches
	index  bool // proto[...] is allowed
}{
	"ip":    {index: true},
	"ip6":   {index: true},
	"tcp":   {6, true, true, true},
	"udp":   {17, true, true, true},
	"sctp":  {132, true, true, true},
	"pim":   {103, true, true, true},
	"ah":    {51, true, true, false},
	"esp":   {50, true, true, false},
	"icmp":  {1, true, false, true},
	"igmp":  {2, true, false, true},
	"igrp":  {9, true, false, true},
	"vrrp":  {112, true, false, true},
	"carp":  {112, true, false, true}, // same number as VRRP
	"icmp6": {58, false, true, true},
}

// elsewhere are protocols directly above a link layer, and types of IS-IS PDUs. A name without qualifiers is
// never true.
var elsewhere = set(
	"arp", "rarp", "atalk", "aarp", "decnet", "lat", "sca", "moprc", "mopdl", "iso",
	"esis", "isis", "clnp", "stp", "ipx", "netbeui", "pppoed",
	"l1", "l2", "iih", "lsp", "snp", "csnp", "psnp",
)

// refused are reserved words that are not supported, with the reasons.
var refused = func() map[string]string {
	why := map[string]string{
		"byte":    "write ip[...] or ip6[...]",
		"gateway": "names are not looked up, and " + noLink,

		"inbound":  "a packet has no direction",
		"outbound": "a packet has no direction",
	}
	for w := range set(
		"ether", "fddi", "tr", "wlan", "link", "slip", "ppp", "radio", "llc",
		"type", "subtype", "dir", "direction", "ra", "ta",
		"addr1", "addr2", "addr3", "addr4", "address1", "address2", "address3", "address4",
		"vlan", "mpls", "pppoes", "geneve", "vxlan", "ifindex",
		"vpi", "vci", "lane", "oamf4s", "oamf4e", "oamf4sc", "oamf4ec", "oamf4", "oam", "metac", "bcc", "sc",
		"ilmic", "connectmsg", "metaconnect",
		"fisu", "lssu", "lsu", "msu", "hfisu", "hlssu", "hmsu", "sio", "opc", "dpc", "sls", "hsio", "hopc", "hdpc", "hsls",
	) {
		why[w] = noLink
	}
	for w := range set(
		"on", "ifname", "rset", "ruleset", "rnr", "rulenum", "srnr", "subrulenum", "reason", "action",
	) {
		why[w] = noPF
	}
	return why
}()

// keywords are the words of the language in canonical spelling.
var keywords = func() map[string]bool {
	words := set(
		"src", "dst", "host", "net", "mask", "port", "portrange", "proto", "protochain",
		"less", "greater", "len", "broadcast", "multicast", "and", "or", "not",
	)
	maps.Copy(words, elsewhere)
	for w := range protocols {
		words[w] = true
	}
	for w := range refused {
		words[w] = true
	}
	return words
}()

func set(words ...string) map[string]bool {
	m := map[string]bool{}
	for _, w := range words {
		m[w] = true
	}
	return m
}

// constants are named offsets and values of header fields. They are allowed
// wherever a number is. ICMP types are from RFC 792, 950 and 1256, ICMPv6 types
// from IANA's registry, TCP flags from RFC 9293.
var constants = map[string]uint32{
	"icmptype": 0, "icmpcode": 1, "icmp6type": 0, "icmp6code": 1, "tcpflags": 13,

	"icmp-echoreply": 0, "icmp-unreach": 3, "icmp-sourcequench": 4, "icmp-redirect": 5, "icmp-echo": 8,
	"icmp-routeradvert": 9, "icmp-routersolicit": 10, "icmp-timxceed": 11, "icmp-paramprob": 12,
	"icmp-tstamp": 13, "icmp-tstampreply": 14, "icmp-ireq": 15, "icmp-ireqreply": 16,
	"icmp-maskreq": 17, "icmp-maskreply": 18,

	"icmp6-destinationunreach": 1, "icmp6-packettoobig": 2, "icmp6-timeexceeded": 3, "icmp6-parameterproblem": 4,
	"icmp6-echo": 128, "icmp6-echoreply": 129,
	"icmp6-multicastlistenerquery": 130, "icmp6-multicastlistenerreportv1": 131, "icmp6-multicastlistenerdone": 132,
	"icmp6-routersolicit": 133, "icmp6-routeradvert": 134, "icmp6-neighborsolicit": 135, "icmp6-neighboradvert": 136,
	"icmp6-redirect": 137, "icmp6-routerrenum": 138,
	"icmp6-nodeinformationquery": 139, "icmp6-nodeinformationresponse": 140,
	"icmp6-ineighbordiscoverysolicit": 141, "icmp6-ineighbordiscoveryadvert": 142,
	"icmp6-multicastlistenerreportv2": 143,
	"icmp6-homeagentdiscoveryrequest": 144, "icmp6-homeagentdiscoveryreply": 145,
	"icmp6-mobileprefixsolicit": 146, "icmp6-mobileprefixadvert": 147,
	"icmp6-certpathsolicit": 148, "icmp6-certpathadvert": 149,
	"icmp6-multicastrouteradvert": 151, "icmp6-multicastroutersolicit": 152, "icmp6-multicastrouterterm": 153,

	"tcp-fin": 1, "tcp-syn": 2, "tcp-rst": 4, "tcp-push": 8, "tcp-ack": 16, "tcp-urg": 32, "tcp-ece": 64, "tcp-cwr": 128,
}

// protoNames are the names of protocols that `proto` takes, in lower case. Names
// are those of /etc/protocols on Linux, numbers are IANA's.
var protoNames = map[string]uint32{
	"ip": 0, "hopopt": 0, "icmp": 1, "igmp": 2, "ggp": 3, "ipencap": 4, "ip-encap": 4, "st": 5, "tcp": 6, "egp": 8,
	"igp": 9, "pup": 12, "udp": 17, "hmp": 20, "xns-idp": 22, "rdp": 27, "iso-tp4": 29, "dccp": 33, "xtp": 36,
	"ddp": 37, "idpr-cmtp": 38, "ipv6": 41, "ipv6-route": 43, "ipv6-frag": 44, "idrp": 45, "rsvp": 46, "gre": 47,
	"esp": 50, "ipsec-esp": 50, "ah": 51, "ipsec-ah": 51, "skip": 57, "ipv6-icmp": 58, "ipv6-nonxt": 59,
	"ipv6-opts": 60, "rspf": 73, "vmtp": 81, "eigrp": 88, "ospf": 89, "ospfigp": 89, "ipip": 94, "etherip": 97,
	"encap": 98, "pim": 103, "ipcomp": 108, "vrrp": 112, "l2tp": 115, "isis": 124, "sctp": 132, "fc": 133,
	"mobility-header": 135, "udplite": 136, "mpls-in-ip": 137, "manet": 138, "hip": 139, "shim6": 140, "wesp": 141,
	"rohc": 142,
}

// service is a named port. A name that only TCP or only UDP has matches that
// protocol only. A name that both have matches the port of any protocol.
type service struct {
	port     uint16
	tcp, udp bool
}

func onTCP(port uint16) service  { return service{port, true, false} }
func onUDP(port uint16) service  { return service{port, false, true} }
func onBoth(port uint16) service { return service{port, true, true} }

// services are the names of ports that `port` and `portrange` take: the common
// part of IANA's registry, with the protocols of Debian's /etc/services.
var services = map[string]service{
	"echo": onBoth(7), "discard": onBoth(9), "daytime": onBoth(13), "qotd": onTCP(17), "chargen": onBoth(19),
	"ftp-data": onTCP(20), "ftp": onTCP(21), "ssh": onTCP(22), "telnet": onTCP(23), "smtp": onTCP(25), "mail": onTCP(25),
	"time": onBoth(37), "whois": onTCP(43), "nicname": onTCP(43), "tacacs": onBoth(49), "domain": onBoth(53),
	"bootps": onUDP(67), "bootpc": onUDP(68), "tftp": onUDP(69), "gopher": onTCP(70), "finger": onTCP(79),
	"http": onTCP(80), "www": onTCP(80), "kerberos": onBoth(88), "pop3": onTCP(110), "sunrpc": onBoth(111), "portmapper": onBoth(111),
	"auth": onTCP(113), "ident": onTCP(113), "nntp": onTCP(119), "ntp": onUDP(123), "epmap": onTCP(135),
	"netbios-ns": onUDP(137), "netbios-dgm": onUDP(138), "netbios-ssn": onTCP(139), "imap2": onTCP(143), "imap": onTCP(143),
	"snmp": onBoth(161), "snmp-trap": onBoth(162), "snmptrap": onBoth(162), "xdmcp": onUDP(177), "bgp": onTCP(179),
	"ptp-event": onUDP(319), "ptp-general": onUDP(320), "ldap": onBoth(389), "svrloc": onBoth(427), "https": onBoth(443),
	"microsoft-ds": onTCP(445), "kpasswd": onBoth(464), "submissions": onTCP(465), "smtps": onTCP(465), "isakmp": onUDP(500),
	"exec": onTCP(512), "biff": onUDP(512), "login": onTCP(513), "who": onUDP(513), "shell": onTCP(514), "syslog": onBoth(514),
	"printer": onTCP(515), "talk": onUDP(517), "ntalk": onUDP(518), "route": onUDP(520), "uucp": onTCP(540),
	"dhcpv6-client": onUDP(546), "dhcpv6-server": onUDP(547), "rtsp": onBoth(554), "nntps": onTCP(563), "submission": onTCP(587),
	"asf-rmcp": onUDP(623), "ipp": onTCP(631), "ldaps": onBoth(636), "ldp": onBoth(646), "kerberos-adm": onTCP(749),
	"domain-s": onBoth(853), "rsync": onTCP(873), "ftps-data": onTCP(989), "ftps": onTCP(990), "telnets": onTCP(992),
	"imaps": onTCP(993), "pop3s": onTCP(995), "socks": onTCP(1080), "openvpn": onBoth(1194),
	"ms-sql-s": onTCP(1433), "ms-sql-m": onUDP(1434), "l2tp": onUDP(1701), "radius": onBoth(1812), "radius-acct": onBoth(1813),
	"nfs": onBoth(2049), "iscsi-target": onTCP(3260), "mysql": onTCP(3306), "ms-wbt-server": onTCP(3389), "svn": onTCP(3690),
	"epmd": onTCP(4369), "ipsec-nat-t": onUDP(4500), "iax": onUDP(4569), "sip": onBoth(5060), "sip-tls": onBoth(5061),
	"xmpp-client": onTCP(5222), "xmpp-server": onTCP(5269), "mdns": onUDP(5353), "postgresql": onTCP(5432), "postgres": onTCP(5432),
	"amqps": onTCP(5671), "amqp": onTCP(5672), "x11": onTCP(6000), "redis": onTCP(6379), "syslog-tls": onTCP(6514), "ircd": onTCP(6667),
	"http-alt": onTCP(8080), "webcache": onTCP(8080), "git": onTCP(9418), "zabbix-agent": onTCP(10050), "zabbix-trapper": onTCP(10051),
}
