package why

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/pidwire/pidwire/internal/event"
)

// local judges calls that failed because of this host's limits.
func (j *judgement) local() {
	for _, f := range j.failures {
		j.limit(f)
	}
	for _, c := range j.list {
		for i := range c.errors {
			j.limit(&c.errors[i])
		}
		if c.overflow.n > 0 && c.client {
			j.turnedAway(c)
		} else if c.overflow.n > 0 {
			j.add(&finding{
				Verdict: event.Verdict{
					Cause: "accept-queue-full", Count: c.overflow.n, Text: fmt.Sprintf("the accept queue of %s is full: new connections are dropped", c.Local),
					Evidence: evidences(c.overflow.first, c.overflow.last), Try: []string{"accept faster", "a larger backlog in listen(), and sysctl net.core.somaxconn"},
				},
				at: c.overflow.first.Time, until: c.overflow.last.Time, task: c.task, conn: c, leak: true, about: c.Local.String(), exact: 9, object: c,
			})
		}
	}
	j.leaks()
}

// turnedAway judges a connection to a listener of this host that has no room.
func (j *judgement) turnedAway(c *conn) {
	f := &finding{
		Verdict: event.Verdict{
			Cause: "accept-queue-full", Count: c.overflow.n, Text: fmt.Sprintf("the server at %s, on this host, does not accept: its accept queue is full", c.peer()),
			Evidence: evidences(c.syn.first, c.overflow.first, c.overflow.last),
			Try:      []string{"the server: is it stuck? ss -tlnp shows its queue", "a larger backlog in listen(), and sysctl net.core.somaxconn"},
		},
		at: c.began, until: c.overflow.last.Time, task: c.task, conn: c, fails: true, about: c.Peer.String(), exact: 9, object: c,
	}
	// The last segment of a handshake is dropped, too: the client takes it for a connection.
	if c.up != 0 && c.received > 0 {
		f.fails = false
		f.Cost = c.up - c.began
		if c.up < c.overflow.last.Time {
			f.Cost = c.overflow.last.Time - c.began
		}
	}
	j.add(f)
}

// limit judges one failed call.
func (j *judgement) limit(f *failure) {
	v := event.Verdict{Count: f.hits.n, Evidence: evidences(f.hits.first, f.hits.last)}
	switch {
	case f.errno == "EMFILE" || f.errno == "ENFILE":
		v.Cause, v.Text = "fd-limit", f.call+" failed: the process has no descriptor left"
		if f.errno == "ENFILE" {
			v.Text = f.call + " failed: the host has no file left"
		}
		v.Try = []string{"close connections that are not used", "ulimit -n, or LimitNOFILE= of the service"}
		if at := j.fact(f.task.PID, "limit nofile"); at != nil && f.errno == "EMFILE" {
			soft, _, _ := strings.Cut(at.text, " ")
			v.Text += ", its limit is " + soft
			v.Evidence = append(v.Evidence, at.at)
		}
	case f.errno == "EADDRINUSE":
		v.Cause, v.Text = "address-in-use", fmt.Sprintf("%s: the address %sis in use by another socket", f.call, address(f))
		v.Try = []string{"ss -tulpn shows who has it"}
		if at := j.fact(f.task.PID, "holder "+strconv.Itoa(int(f.addr.Port()))); at != nil && f.addr.IsValid() {
			if v.Evidence = append(v.Evidence, at.at); strings.HasPrefix(at.text, "no other") {
				v.Text += ", and no other process has it: of its own, or a connection that is not over"
				v.Try = []string{"SO_REUSEADDR before bind()"}
			} else {
				v.Text += ": of " + at.text
			}
		}
		if f.role.Has(event.Connects) {
			v.Cause, v.Text = "ephemeral-ports-exhausted", "connect failed: the local address is in use"
		}
	case f.errno == "EADDRNOTAVAIL" && f.role.Has(event.Connects):
		v.Cause, v.Text = "ephemeral-ports-exhausted", fmt.Sprintf("connect to %sfailed: all local ports are in use for this peer", address(f))
		v.Try = []string{"use connections again (keep-alive, a pool)", "sysctl net.ipv4.ip_local_port_range"}
	case f.errno == "EADDRNOTAVAIL" && f.role.Has(event.Binds):
		v.Cause, v.Text = "address-not-local", fmt.Sprintf("bind: this host does not have the address %s", address(f))
		v.Try = []string{"the address; ip address shows those that there are"}
	case f.errno == "EACCES" && f.role.Has(event.Binds) && f.addr.IsValid() && f.addr.Port() < j.unprivileged():
		v.Cause, v.Text = "port-privileged", fmt.Sprintf("bind: port %d needs CAP_NET_BIND_SERVICE", f.addr.Port())
		v.Try = []string{"AmbientCapabilities=CAP_NET_BIND_SERVICE, or sysctl net.ipv4.ip_unprivileged_port_start"}
	default:
		return
	}
	j.add(&finding{Verdict: v, at: f.hits.first.Time, until: f.hits.last.Time, task: f.task, conn: f.conn, fails: true, about: f.call, exact: 9, object: f})
}

// unprivileged returns the first port that needs no privilege.
func (j *judgement) unprivileged() uint16 {
	if at := j.fact(0, "sysctl net.ipv4.ip_unprivileged_port_start"); at != nil {
		if n, err := strconv.ParseUint(at.text, 10, 16); err == nil {
			return uint16(n)
		}
	}
	return 1024
}

func address(f *failure) string {
	if !f.addr.IsValid() {
		return ""
	}
	return f.addr.String() + " "
}

// leaks judges connections that the peer has closed and this end keeps.
func (j *judgement) leaks() {
	const few, moment = 5, second
	f := &finding{leak: true, about: "close", until: j.end}
	n := 0
	v := event.Verdict{Cause: "close-wait-leak", Try: []string{"close the socket after recv() = 0"}}
	counted := map[[2]netip.AddrPort]bool{}
	closed := map[[2]netip.AddrPort]bool{}
	for _, c := range j.list {
		ends := [2]netip.AddrPort{c.Local, c.Peer}
		closed[ends] = closed[ends] || c.closedAt != 0
		if c.closeWait.Seq == 0 || c.state != stateCloseWait || c.closedAt != 0 || j.end-c.closeWait.Time < moment {
			continue
		}
		counted[ends] = true
		if n++; n == 1 {
			f.at, f.task, f.conn = c.closeWait.Time, c.task, c
		}
		if len(v.Conns) < mostConns {
			v.Conns = append(v.Conns, c.N)
		}
		if len(v.Evidence) < mostEvidence {
			v.Evidence = append(v.Evidence, c.closeWait)
		}
	}
	for i := range j.left {
		l := &j.left[i]
		if ends := [2]netip.AddrPort{l.local, l.peer}; counted[ends] || closed[ends] || j.end-l.at.Time < moment {
			continue
		}
		if n++; n == 1 {
			f.at, f.task = l.at.Time, l.task
		}
		if len(v.Evidence) < mostEvidence {
			v.Evidence = append(v.Evidence, l.at)
		}
	}
	if n < few {
		return
	}
	v.Count = n
	v.Text = strconv.Itoa(n) + " connections are in CLOSE_WAIT: their peers have closed, and the process has not"
	f.Verdict = v
	j.add(f)
}

// connects judges connections that were not made.
func (j *judgement) connects() {
	for _, c := range j.list {
		if !c.client || c.up != 0 || c.synAck.n > 0 && c.received > 0 || !c.tcp() {
			continue
		}
		if f := j.unconnected(c); f != nil {
			f.task, f.conn, f.fails, f.object = c.task, c, true, c
			if f.about == "" {
				f.about = c.Peer.String()
			}
			if f.at == 0 {
				f.at = c.began
			}
			if c.Peer.Port() == 53 && j.truncated53(c) {
				f.Cause, f.exact = "dns-tcp-blocked", 9
				f.Text = "the answer was too long for UDP, and " + c.peer() + " cannot be asked by TCP"
				f.Try = []string{"let TCP to port 53 through"}
			}
			j.add(f)
		}
	}
}

// unconnected finds out why a connection was not made.
func (j *judgement) unconnected(c *conn) *finding {
	peer := c.peer()
	one := func(cause, text string, exact int, v ...event.Evident) *finding {
		return &finding{Verdict: event.Verdict{Cause: cause, Text: text, Evidence: evidences(v...)}, exact: exact}
	}
	end := c.closedAt
	if end == 0 {
		end = j.end
	}
	if c.lifeAt.Seq != 0 && c.life != nil {
		end = c.life.End
	}
	waited := end - c.began
	switch {
	case c.rstIn.n > 0 && c.synAck.n == 0:
		f := one("connect-refused", peer+" refused the connection: nobody listens there", 5, c.syn.first, c.rstIn.first)
		f.Try = []string{"is the server up, on that port and address? ss -tlnp there"}
		f.until = c.rstIn.first.Time
		j.refusedHere(c, f)
		return f
	case c.icmp.n > 0:
		f := one("firewall-reject", fmt.Sprintf("%s rejected the connection to %s: ICMP %s", c.router, peer, icmpName(c.v6, c.code)), 6, c.syn.first, c.icmp.first)
		f.Try = []string{"the firewall of " + c.router.String()}
		switch {
		case timeExceeded(c.v6, c.code):
			f.Cause, f.Try = "routing-loop", []string{"the routes between here and there: mtr"}
		case hostUnreachable(c.v6, c.code):
			f.Cause = "host-unreachable"
			f.Text = fmt.Sprintf("%s cannot be reached: ICMP %s from %s", peer, icmpName(c.v6, c.code), c.router)
			f.Try = []string{"is the host up, and in this network?"}
		}
		f.until = c.icmp.first.Time
		return f
	case c.neighbour.n > 0:
		f := one("host-unreachable", "no host answers for "+peer+" on the local network", 6, c.syn.first, c.neighbour.first)
		f.Try = []string{"is the host up? ip neigh"}
		return f
	case c.dropped(true, localDrops...) != nil:
		d := c.dropped(true, localDrops...)
		f := one("firewall-drop-local", fmt.Sprintf("this host itself drops what is sent to %s (%s)", peer, d.reason), 7, d.first, d.last)
		f.Try = []string{"nft list ruleset, or iptables -L OUTPUT -nv"}
		j.tableFull(f, d)
		return f
	case c.dropped(false, localDrops...) != nil || c.dropped(false, "IP_RPFILTER", "IP_INVALID_SOURCE") != nil:
		d := c.dropped(false, append([]string{"IP_RPFILTER", "IP_INVALID_SOURCE"}, localDrops...)...)
		f := one("reply-dropped-local", fmt.Sprintf("%s answers, and this host drops the answer (%s)", peer, d.reason), 7, c.syn.first, d.first, d.last)
		f.Try = []string{"nft list ruleset"}
		if d.reason == "IP_RPFILTER" {
			f.Try = []string{"ip route get " + c.Peer.Addr().String() + ": answers come by another interface", "sysctl net.ipv4.conf.all.rp_filter=2"}
		}
		return f
	case c.hurt() != nil:
		d := c.hurt()
		if queueDrop(d.reason) {
			f := one("qdisc-drop", fmt.Sprintf("the queue of this host's own device drops what is sent to %s (%s)", peer, d.reason), 7, d.first, d.last)
			f.Try = []string{"tc -s qdisc: its limit and rate"}
			return f
		}
		f := one("reply-dropped-local", fmt.Sprintf("%s answers, and this host drops the answer: it is damaged (%s)", peer, d.reason), 7, c.syn.first, d.first, d.last)
		f.Try = []string{"the cable, the device, its offloads: ethtool -S, ethtool -k"}
		return f
	case md5(c) != nil:
		d := md5(c)
		return one("tcp-md5-mismatch", fmt.Sprintf("segments of %s are dropped: %s", peer, d.reason), 7, d.first)
	}
	switch c.errno {
	case "EPERM", "EACCES":
		if c.syn.n == 0 {
			f := one("denied-by-policy", "connect to "+address(&failure{addr: c.Peer})+"is not allowed: "+c.errno+", and no packet left", 6, c.failed)
			if e := c.failedCall("EPERM", "EACCES"); e != nil {
				if !c.Peer.IsValid() && e.addr.IsValid() {
					f.Text = "connect to " + e.addr.String() + " is not allowed: " + c.errno + ", and no packet left"
				}
				if e.refused {
					f.Text += "; seccomp refused the call"
				} else if at := j.fact(c.task.PID, "status Seccomp"); at != nil && at.text == "2" {
					f.Text += "; the process has a seccomp filter"
					f.Evidence = append(f.Evidence, at.at)
				}
			}
			f.Try = []string{"seccomp, AppArmor or SELinux of the process; SystemCallFilter=, RestrictAddressFamilies=, IPAddressDeny= of the service"}
			f.until = c.failed.Time
			return f
		}
	case "ENETUNREACH", "EHOSTUNREACH":
		if c.syn.n > 0 && c.errno == "EHOSTUNREACH" && j.has(event.LayerPkt) {
			f := one("host-unreachable", "no host answers for "+peer+" on the local network", 5, c.syn.first, c.failed)
			f.Try = []string{"is the host up? ip neigh"}
			f.until, f.Missing = c.failed.Time, j.missing(event.LayerKrn)
			return f
		}
		if c.syn.n == 0 {
			f := one("no-route", "there is no route to "+peerOf(c), 6, c.failed)
			f.Try = []string{"ip route get " + addrOf(c)}
			f.until = c.failed.Time
			return f
		}
	case "ECONNREFUSED":
		f := one("connect-refused", peerOf(c)+" refused the connection", 3, c.failed)
		f.Missing = j.missing(event.LayerPkt)
		f.Try = []string{"is the server up, on that port and address? ss -tlnp there"}
		f.until = c.failed.Time
		return f
	case "ETIMEDOUT":
		if c.syn.n == 0 {
			f := one("syn-blackhole", peerOf(c)+" does not answer", 3, c.failed)
			f.Missing = j.missing(event.LayerPkt, event.LayerKrn)
			return f
		}
	}
	if c.syn.n >= 2 && c.synAck.n == 0 && j.has(event.LayerPkt) {
		f := one("syn-blackhole", fmt.Sprintf("%s does not answer: %d SYN sent, nothing came back in %s", peer, c.syn.n, since(waited)), 4, c.syn.first, c.syn.last)
		f.Try = []string{"a firewall between here and there; the address; is the host up?"}
		f.Missing = j.missing(event.LayerKrn)
		f.until, f.Cost = end, waited
		return f
	}
	if c.Family == afInet6 && c.syn.n > 0 && c.synAck.n == 0 && j.has(event.LayerPkt) && waited > 100*millisecond {
		f := one(ipv6Broken, fmt.Sprintf("%s does not answer by IPv6", peer), 2, c.syn.first)
		f.until, f.Cost = end, waited
		return f
	}
	return nil
}

// ipv6Broken is the cause where a connection by IPv6 was not answered, and one by IPv4 was made.
const ipv6Broken = "ipv6-broken"

// refusedHere looks at the listeners, if it is this host that has refused a connection.
func (j *judgement) refusedHere(c *conn, f *finding) {
	if d := c.dropped(true, "NETFILTER_DROP"); d != nil {
		f.Cause, f.exact = "firewall-reject", 7
		f.Text = fmt.Sprintf("the firewall of this host rejects connections to %s", c.peer())
		f.Evidence = append(evidences(d.first), f.Evidence...)
		f.Try = []string{"nft list ruleset, or iptables -L -nv"}
		return
	}
	list, at := j.listeners(c)
	if at == nil {
		return
	}
	f.Evidence = append(f.Evidence, at.at)
	for _, l := range list {
		if l.listens(c.Peer.Addr()) {
			f.Cause, f.exact = "firewall-reject", 6
			f.Text = fmt.Sprintf("%s is rejected, although a server listens there: by a firewall", c.peer())
			f.Try = []string{"nft list ruleset, or iptables -L -nv"}
			return
		}
	}
	if len(list) > 0 {
		f.Text = fmt.Sprintf("%s refused the connection: the server listens at %s only", c.peer(), netip.AddrPortFrom(list[0].addr, c.Peer.Port()))
		f.Try = []string{"the address that the server listens at"}
	}
}

// tableFull makes a finding about drops by netfilter more exact: there was no room for another connection.
func (j *judgement) tableFull(f *finding, d *drop) {
	at := j.fact(0, "conntrack")
	if at == nil || d.reason != "NETFILTER_DROP" {
		return
	}
	count, limit, ok := strings.Cut(at.text, " of ")
	n, err := strconv.ParseUint(count, 10, 64)
	most, err2 := strconv.ParseUint(limit, 10, 64)
	if !ok || err != nil || err2 != nil || n < most {
		return
	}
	f.Cause, f.exact = "conntrack-full", 8
	f.Text = fmt.Sprintf("this host tracks %s connections and can track %s: it drops the packets of new ones", count, limit)
	f.Evidence = append(f.Evidence, at.at)
	f.Try = []string{"sysctl net.netfilter.nf_conntrack_max", "fewer connections, shorter timeouts"}
}

// localDrops are reports whether an answer to the process did not fit in a datagram.
func (j *judgement) truncated53(c *conn) bool {
	for _, l := range j.order {
		if l.pid == c.task.PID && l.cut {
			return true
		}
	}
	return false
}

func peerOf(c *conn) string {
	if c.Peer.IsValid() {
		return c.peer()
	}
	if len(c.errors) > 0 && c.errors[0].addr.IsValid() {
		return c.errors[0].addr.String()
	}
	return "the peer"
}

func addrOf(c *conn) string {
	if c.Peer.IsValid() {
		return c.Peer.Addr().String()
	}
	if len(c.errors) > 0 && c.errors[0].addr.IsValid() {
		return c.errors[0].addr.Addr().String()
	}
	return "ADDRESS"
}

// localDrops are reasons of drops that somebody configured on this host (include/net/dropreason-core.h).
var localDrops = []string{"NETFILTER_DROP", "BPF_CGROUP_EGRESS", "TC_EGRESS", "TC_INGRESS", "XDP", "XFRM_POLICY", "SOCKET_FILTER"}

// md5 returns drops because of a signature (RFC 2385, RFC 5925): of what this end received, or of what it sent to a peer on
// this host.
func md5(c *conn) *drop {
	if d := c.dropped(false, signatures...); d != nil {
		return d
	}
	return c.dropped(true, signatures...)
}

var signatures = []string{"TCP_MD5NOTFOUND", "TCP_MD5UNEXPECTED", "TCP_MD5FAILURE", "TCP_AONOTFOUND", "TCP_AOUNEXPECTED", "TCP_AOFAILURE", "TCP_AOKEYNOTFOUND", "TCP_AUTH_HDR"}

// evidences returns what there is of a list, each entry once.
func evidences(list ...event.Evident) (out []event.Evident) {
	for _, v := range list {
		if v.Seq == 0 {
			continue
		}
		double := false
		for _, o := range out {
			double = double || o.Seq == v.Seq && o.Text == v.Text
		}
		if !double {
			out = append(out, v)
		}
	}
	return out
}

// icmpName names an ICMP error (RFC 792, RFC 4443).
func icmpName(v6 bool, c [2]uint8) string {
	names := map[[2]uint8]string{
		{3, 0}: "network unreachable", {3, 1}: "host unreachable", {3, 2}: "protocol unreachable", {3, 3}: "port unreachable", {3, 4}: "fragmentation needed",
		{3, 9}: "network prohibited", {3, 10}: "host prohibited", {3, 13}: "admin prohibited", {11, 0}: "time exceeded",
	}
	if v6 {
		names = map[[2]uint8]string{
			{1, 0}: "no route", {1, 1}: "admin prohibited", {1, 3}: "address unreachable", {1, 4}: "port unreachable", {1, 5}: "policy", {1, 6}: "reject route",
			{2, 0}: "packet too big", {3, 0}: "time exceeded",
		}
	}
	if n := names[c]; n != "" {
		return n
	}
	return fmt.Sprintf("type %d code %d", c[0], c[1])
}

// isError reports whether an ICMP message says that a packet was not delivered. A redirect does not.
func isError(v6 bool, kind uint8) bool {
	if v6 {
		return kind < 128
	}
	return kind == 3 || kind == 11 || kind == 12
}

func timeExceeded(v6 bool, c [2]uint8) bool { return !v6 && c[0] == 11 || v6 && c[0] == 3 }

// hostUnreachable reports whether a router does not find the host or its network.
func hostUnreachable(v6 bool, c [2]uint8) bool {
	if v6 {
		return c[0] == 1 && (c[1] == 0 || c[1] == 3)
	}
	return c[0] == 3 && (c[1] == 0 || c[1] == 1)
}

func portUnreachable(v6 bool, c [2]uint8) bool {
	return !v6 && c[0] == 3 && c[1] == 3 || v6 && c[0] == 1 && c[1] == 4
}
