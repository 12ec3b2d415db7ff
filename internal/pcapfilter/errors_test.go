package pcapfilter_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/pcapfilter"
)

var update = flag.Bool("update", false, "write the golden files")

// wrong are expressions that both pidwire and tcpdump refuse.
var wrong = []string{
	// syntax
	`80`, `foo`, `1.2.3.4`, `::1`, `tcp 80`, `tcp udp`, `tcp and`, `and tcp`, `tcp or`, `not`, `(tcp`, `tcp)`, `()`, `tcp & udp`, `tcp | udp`,
	`host`, `src`, `src port`, `ip host`, `ip proto`, `proto`, `net`, `port`, `portrange`, `ip6 src`, `port 80 443`, `port 80 and`, `port 80 tcp`,
	`src src port 80`, `src or src port 80`, `src or 1.2.3.4`, `src and dst`, `src tcp`, `host src 1.2.3.4`, `src ip host 1.2.3.4`, `src proto 6`,
	`host 1.2.3.4 1.2.3.4`, `host 1.2.3.4 port 80`, `TCP`, `ip AND tcp`, `tcp#`, `tcp@`, `tcp;`, "tcp \x1b[2J", "tcp\fudp", `tcp é`, `host \`, `host \ 1`,
	`less`, `less foo`, `less -1`, `less (5)`, `greater tcp`, `port 80)`, `port (80`, `port (80 or 443`, `port ()`, `((tcp)`, `port (80 or tcp)`,
	`host ((1.2.3.4) or 5.6.7.8)`, `port 80 or (443 or tcp)`, `mask 255.0.0.0`, `host [::1]`, `net 10 mask 255.0.0.0`,

	// ids without current qualifiers
	`tcp or 80`, `(host 1.2.3.4) or 5.6.7.8`, `not (port 80) and 443`, `port 80 or tcp or 443`, `port 80 or (tcp or 443)`, `len > 5 or 80`,
	`ip multicast or 1.2.3.4`, `less 5 or 6`,

	// combinations of qualifiers that are not allowed
	`ip port 80`, `ip6 portrange 1-5`, `icmp port 80`, `tcp host 1.2.3.4`, `tcp net 10.1`, `udp src 1.2.3.4`, `icmp6 host ::1`, `tcp proto 6`, `icmp proto 6`,
	`ip host ::1`, `ip6 host 1.2.3.4`, `ip6 net 10.1`, `ip net ff00::/8`, `ip host 1.2.3.4 or ::1`, `port 1.2`, `port ::1`, `proto 1.2.3.4`, `portrange 1.2`,
	`tcp broadcast`, `ip6 broadcast`, `tcp multicast`, `arp broadcast`, `tcp protochain 6`,

	// numbers and addresses
	`port 65536`, `port 4294967296`, `port 08`, `host 0x100000000`, `portrange 1-70000`, `portrange 1 - 5`, `portrange 0x50-0x60`, `portrange http`, `port -1`,
	`net 10/8`, `net 256.1.1.1`, `net 1.256`, `net 0x7f.1`, `net 1.2.3.4.5`, `net 1.2.3.4.`, `host 1:2:3:4:5:6:7`, `host 1:2:3:4:5:6:7:8:9`, `host fe80::1%eth0`,
	`host 10.1/16`, `src 10.1/16`, `port 10.1/16`, `host ::1/64`, `host 10.1 mask 255.255.0.0`,
	`net 10.1.2.3/16`, `net 1.2.3.4/0`, `net 10.1.2.3 mask 255.255.0.0`, `net 10.1/010`, `net 2001:db8::1/32`, `net 1.2.3.4/33`, `net ::/129`, `net 1.2/08`, `net 1.2/x`,
	`net 1.2 mask 255`, `net 1.2 mask 0xffff0000`, `net 1.2 mask 1.256`, `net ::1 mask ::1`,
	`host 0:1:2:3:4:5`, `host 00-01-02-03-04-05`, `host 0001.0203.0405`,

	// names
	`port nosuch`, `port HTTP`, `port 80-90`, `port 1e5`, `port tcp`, `portrange ftp-data-ssh`, `portrange nosuch-80`, `tcp port ntp`, `udp port http`, `sctp port http`,
	`udp portrange ssh-http`, `tcp port domain or ntp`, `proto nosuch`, `proto tcp`, `ip proto sctp`, `proto http`, `\tcp`, `proto ip`, `port arp`,

	// arithmetic
	`len`, `ip[0]`, `len & 1`, `(len)`, `(1)`, `ip[] = 1`, `ip[0 = 1`, `ip[0:3] = 1`, `ip[0:len] = 1`, `ip[0:1+1] = 1`, `ip[0:(1)] = 1`, `ip[0] 1`, `ip[0] = = 1`,
	`ip[0] => 1`, `ip[0] <> 1`, `tcp = 5`, `(tcp) = 5`, `len > (tcp)`, `len > 5 > 3`, `+1 = len`, `~1 = len`, `len-5 > 3`, `ip[1-2] = 3`, `(len = 1`, `len = (1`, `len = )`,
	`len = 1 / 0`, `len = 1 % 0`, `len = 1 << 32`, `len = 1 >> 99`, `ah[0] = 1`, `esp[0] = 1`, `ah = 1`, `len = foo`, `len = host`, `net 1.2.3.4/-1`,

	// properties that packets without a link-layer header do not have
	`broadcast`, `multicast`, `ether broadcast`, `link multicast`, `ether host 0:1:2:3:4:5`, `wlan host 1`, `ether src 0:1:2:3:4:5`,
	`vlan`, `vlan 5`, `mpls 5`, `llc`, `inbound`, `outbound`, `ifindex 1`, `radio[0] = 1`, `wlan type mgt`, `type mgt`, `subtype beacon`, `dir in`, `direction 1`,
	`ifname eth0`, `on eth0`, `rnr 5`, `rulenum 5`, `reason match`, `rset foo`, `ruleset foo`, `srnr 1`, `subrulenum 1`, `action pass`,
	`vpi 1`, `vci 1`, `lane`, `oamf4`, `oam`, `metac`, `bcc`, `sc`, `ilmic`, `connectmsg`, `metaconnect`, `oamf4s`, `oamf4e`, `fisu`, `sio 1`, `hsio 1`, `vxlan`,
	`ra 1:2:3:4:5:6`, `wlan addr2 1:2:3:4:5:6`, `address1 host 1.2.3.4`, `aarp[0] = 1`, `stp[0] = 1`, `gateway foo`, `ip gateway foo`, `arp proto 1`, `ether multicast`,

	// never true
	`arp`, `rarp`, `arp and tcp`, `iso`, `pppoed`, `l1`, `arp or stp`, `arp host 1.2.3.4`, `rarp net 10.1`, `arp[0] = 1`, `decnet src 10.1`, `atalk[0] = 1`, `pppoes 5`,
	`tcp and udp`, `ip and ip6`, `1 = 2`, `link proto 2`, `ether proto \arp`, `host 10.0.0.1 and ip6`, `tcp and not tcp`, `iso proto 5`,
}

// wrongHere are expressions that pidwire refuses and tcpdump takes, for the
// reasons in the package comment.
var wrongHere = []string{
	`ether[0] = 1`, `link[0] & 1 = 0`, `wlan[0] = 1`, `ip[0] = ppp[0]`, `ether proto 0x800`, `ether proto \ip`, `geneve`, `geneve 5`, `byte 0 = 1`, `arp host 1.2.3.4 or ip`, `ip or arp[0] = 1`,
	`ip protochain 6`, `ip6 protochain \tcp`, `protochain 17`, `ip[0xffffffff] = 1`, `tcp[- 1] = 0`,
	`udp src port 25 and src portrange 5-10`,
}

// unknownHosts have names that tcpdump looks up.
var unknownHosts = []string{`host example.com`, `src host example.com`, `net example`, `host \tcp`, `host 80-90`, `net example/8`, `ip6 host example.com`}

// TestErrors compares the error messages with testdata/errors.golden.
func TestErrors(t *testing.T) {
	var b strings.Builder
	for _, list := range [][]string{wrong, wrongHere, unknownHosts} {
		for _, expr := range list {
			prog, err := pcapfilter.Compile(expr)
			if err == nil {
				t.Errorf("%q compiles: %v", expr, prog)
				continue
			}
			var e *pcapfilter.SyntaxError
			if !errors.As(err, &e) || e.Offset < 0 || e.Offset+len(e.Word) > len(expr) || expr[e.Offset:e.Offset+len(e.Word)] != e.Word {
				t.Errorf("%q: the error does not say where: %#v", expr, err)
			}
			fmt.Fprintf(&b, "%q\n\t%v\n", expr, err)
		}
	}
	const file = "testdata/errors.golden"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("the errors differ from %s; -update writes it:\n%s", file, b.String())
	}
}

// TestErrorsOracle checks that tcpdump refuses the expressions in wrong and takes
// those in wrongHere.
func TestErrorsOracle(t *testing.T) {
	tcpdump := needTcpdump(t)
	for _, expr := range wrong {
		if prog, err := tcpdump.raw(expr); err == nil {
			t.Errorf("tcpdump takes %q: %v", expr, prog)
		}
	}
	for _, expr := range wrongHere {
		if _, err := tcpdump.raw(expr); err != nil {
			t.Errorf("tcpdump refuses %q too: %v", expr, err)
		}
	}
}

// TestBounds checks that an expression that is too long or nested too deeply is
// an error, and does not overflow the stack.
func TestBounds(t *testing.T) {
	accessors := "ip"
	for i := range 2000 {
		accessors += " and ip[" + strconv.Itoa(i) + "] = len"
	}
	for name, expr := range map[string]string{
		"parentheses":  strings.Repeat("(", 10000) + "tcp" + strings.Repeat(")", 10000),
		"open":         strings.Repeat("(", 60000),
		"negations":    strings.Repeat("!", 60000) + "tcp",
		"ids":          "port " + strings.Repeat("(80 or ", 5000) + "443" + strings.Repeat(")", 5000),
		"id negations": "port " + strings.Repeat("not ", 5000) + "80",
		"minus":        "len = " + strings.Repeat("-", 5000) + "1",
		"remainders":   "len = 1" + strings.Repeat(" % 3", 5000),
		"accessors":    strings.Repeat("ip[", 5000) + "0" + strings.Repeat("]", 5000) + " = 1",
		"alternatives": "port 1" + strings.Repeat(" or 1000", 5000),
		"a long one":   strings.Repeat("tcp or ", 20000) + "tcp",
		"tests":        accessors,
	} {
		_, err := pcapfilter.Compile(expr)
		var e *pcapfilter.SyntaxError
		if !errors.As(err, &e) || !strings.Contains(e.Reason, "too") && e.Reason != "missing closing parenthesis" {
			t.Errorf("%s: %.100v", name, err)
		}
	}
}

// TestLarge compares filters with long jumps with tcpdump's.
func TestLarge(t *testing.T) {
	tcpdump := needTcpdump(t)
	all := packets()
	hosts, odd := "", ""
	for i := range 300 {
		hosts += " or 10.0." + strconv.Itoa(i%256) + "." + strconv.Itoa(i/256+1)
		odd += " or ip[" + strconv.Itoa(i%100) + "] = " + strconv.Itoa(i) + " and len > " + strconv.Itoa(i)
	}
	for _, expr := range []string{
		"tcp and (host 1.2.3.4" + hosts + ")",
		"not host 1.2.3.4" + hosts + " or udp",
		"tcp" + odd,
		"port 1" + strings.Repeat(" or 53 or 5", 3) + " and (udp" + odd + ")",
	} {
		theirs, err := tcpdump.compile(expr)
		if err != nil {
			t.Fatal(err)
		}
		prog, err := pcapfilter.Compile(expr)
		if err != nil {
			t.Fatal(err)
		}
		sameVerdicts(t, expr, vm(t, expr, prog), theirs, all)
	}
}
