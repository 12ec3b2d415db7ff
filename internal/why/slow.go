package why

import (
	"fmt"
	"strings"

	"github.com/pidwire/pidwire/internal/event"
)

// slow judges who owned the time of the connections.
func (j *judgement) slow() {
	j.reuse()
	for _, c := range j.list {
		if c.life == nil || c.life.Budget == nil || !c.tcp() && c.Family != afUnix {
			continue
		}
		for _, f := range j.owners(c) {
			f.task, f.conn = c.task, c
			f.at, f.until = c.began, c.life.End
			f.about = c.peer()
			f.Evidence = append(f.Evidence, c.lifeAt)
			f.Missing = append(f.Missing, j.missing(event.LayerPkt)...)
			j.add(f)
		}
	}
}

// reuse judges many connections to one destination, one after the other.
func (j *judgement) reuse() {
	const many = 8
	type group struct {
		first *conn
		n     int
		cost  int64
		conns []uint32
		last  *conn
	}
	groups := map[string]*group{}
	var order []*group
	for _, c := range j.list {
		if !c.client || c.life == nil || c.life.Budget == nil || c.up == 0 || c.requests.n > 2 || !c.tcp() {
			continue
		}
		k := c.Peer.String()
		g := groups[k]
		if g == nil {
			g = &group{first: c}
			groups[k] = g
			order = append(order, g)
		}
		g.n++
		g.cost += c.life.Budget[event.ShareConnect] + c.life.Budget[event.ShareTLS]
		g.last = c
		if len(g.conns) < mostConns {
			g.conns = append(g.conns, c.N)
		}
	}
	for _, g := range order {
		if g.n < many || !j.costly(g.cost) {
			continue
		}
		j.add(&finding{
			Verdict: event.Verdict{
				Cause: "no-connection-reuse", Cost: g.cost, Count: g.n, Conns: g.conns,
				Text:     fmt.Sprintf("%d connections to %s, one for each request: their handshakes took %s", g.n, g.first.peer(), since(g.cost)),
				Evidence: evidences(g.first.syn.first, g.first.lifeAt, g.last.lifeAt), Try: []string{"keep-alive: one connection for all requests"},
			},
			at: g.first.began, until: j.closed(g.last), task: g.first.task, conn: g.first, about: "reuse " + g.first.Peer.String(),
		})
	}
}

func (j *judgement) owners(c *conn) (list []*finding) {
	b := *c.life.Budget
	if c.shreds() {
		return nil
	}
	if c.torn() && c.zeroOut.n == 0 {
		// Data behind what is missing is taken for data that is here and not read.
		b[event.ShareTransfer] += b[event.ShareQueue]
		b[event.ShareQueue] = 0
	}
	cost := func(s event.Share) bool { return j.costly(b[s]) }
	put := func(cause string, ns int64, text string, try ...string) *finding {
		f := &finding{Verdict: event.Verdict{Cause: cause, Cost: ns, Text: text, Try: try}}
		list = append(list, f)
		return f
	}
	trips := b[event.ShareNetwork] + b[event.ShareConnect]
	if c.hello.hello.Seq != 0 && c.rtt > 0 {
		trips += min(b[event.ShareTLS], 3*c.rtt)
	}
	switch {
	case c.client && cost(event.SharePeer) && !c.stream && c.hello.hello.Seq != 0 && c.answers.n == 0 && c.hello.answer.Seq == 0:
	case c.client && cost(event.SharePeer) && !c.stream && c.again.n < 2:
		f := put("server-slow", b[event.SharePeer], fmt.Sprintf("%s needed %s to answer", c.peer(), since(b[event.SharePeer])), "the server")
		if c.slowestOf != "" {
			f.Text = fmt.Sprintf("%s needed %s to answer; the longest: %s, %s", c.peer(), since(b[event.SharePeer]), c.slowestOf, since(c.slowestTook))
		}
		f.Evidence = evidences(c.slowest)
		if f.Evidence == nil {
			f.Evidence = evidences(c.requests.last)
		}
		if text, at := j.unbalanced(c); at != nil {
			f.Cause, f.Text = "reuseport-imbalance", text
			f.Evidence = append(f.Evidence, at.at)
			f.Try = []string{"the process that is stuck: ss -tlnp shows the queue of each listener"}
		}
	}
	if j.costly(trips-c.life.Resent) && c.rtt >= 20*millisecond && c.sack.n == 0 && c.again.n == 0 {
		turns := c.requests.n
		f := put("network-latency", trips-c.life.Resent, fmt.Sprintf("a round trip to %s takes %s", c.peer(), since(c.rtt)), "a server that is nearer; fewer turns; TLS 1.3, keep-alive")
		if turns >= 10 {
			f.Cause = "serial-round-trips"
			f.Text = fmt.Sprintf("%d requests to %s, one after the other, each took a round trip of %s", turns, c.peer(), since(c.rtt))
			f.Try = []string{"send several at once: a batch, a pipeline"}
		}
		f.Evidence = evidences(c.syn.first, c.synAck.first)
	}
	lost := b[event.ShareTransfer] + c.life.Resent
	damage := c.hurt()
	if damage != nil && damage.n >= 3 {
		lost += b[event.ShareQueue] // what was damaged is taken for data that is here
	}
	if j.costly(lost) && c.zeroOut.n == 0 && (c.sack.n >= 5 || c.again.n >= 3 || damage != nil && damage.n >= 3) && c.up != 0 {
		f := put("packet-loss", lost, fmt.Sprintf("segments between here and %s are lost: %d acknowledgments with holes, %d sent again", c.peer(), c.sack.n, c.again.n), "the link; mtr "+addrOf(c))
		f.Evidence = evidences(c.sack.first, c.sack.last, c.again.first)
		c.lostHere(f)
	} else if j.costly(b[event.ShareTransfer]) && c.received > 64<<10 && c.zeroOut.n == 0 && !c.stream && c.sack.n < 5 {
		rate := float64(c.received) * 8 / (float64(b[event.ShareTransfer]) / 1e9)
		f := put("bandwidth-limited", b[event.ShareTransfer], fmt.Sprintf("the path from %s carries %.1f Mbit/s", c.peer(), rate/1e6), "more bandwidth; less data")
		if c.rcvbuf {
			f.Cause = "rcvbuf-limited"
			f.Text = fmt.Sprintf("the receive buffer that the process has set lets %s send no more than %.1f Mbit/s", c.peer(), rate/1e6)
			f.Try = []string{"do not set SO_RCVBUF"}
		} else {
			c.bloated(f)
		}
	}
	if cost(event.ShareTransfer) && c.client && c.received <= 64<<10 && c.sack.n == 0 && !c.stream && c.rstIn.n == 0 {
		f := put("server-slow", b[event.ShareTransfer], fmt.Sprintf("%s sent its answer in pieces, in %s", c.peer(), since(b[event.ShareTransfer])), "the server")
		f.Evidence = evidences(c.slowest)
	}
	if cost(event.ShareQueue) && (c.zeroOut.n > 0 || c.life.Shut > 0) {
		f := put("app-not-reading", b[event.ShareQueue], fmt.Sprintf("what %s sent waited for %s: the process did not read", c.peer(), since(b[event.ShareQueue])), "what keeps the reader busy")
		f.Evidence = evidences(c.zeroOut.first, c.zeroOut.last)
	}
	if cost(event.ShareSend) {
		j.sending(c, put)
	}
	return list
}

// sending judges time that this end needed to send.
func (j *judgement) sending(c *conn, put func(string, int64, string, ...string) *finding) {
	ns := c.life.Budget[event.ShareSend]
	switch {
	case c.zeroIn.n > 0:
		f := put("peer-not-reading", ns, fmt.Sprintf("%s does not read: its window was closed, and sending took %s", c.peer(), since(ns)), "the peer")
		f.Evidence = evidences(c.zeroIn.first, c.zeroIn.last)
	case c.cork:
		put("cork-delay", ns, "TCP_CORK held the last part of what was sent back", "uncork after the last part")
	case !c.noDelay && c.requests.n > 1 && c.sends > c.requests.n && ns/int64(c.requests.n) < 250*millisecond && ns/int64(c.requests.n) > 15*millisecond:
		f := put("nagle-delayed-ack", ns, fmt.Sprintf("small writes waited for the acknowledgment of the one before: %s on average, %d times", since(ns/int64(c.requests.n)), c.requests.n), "one write (writev), or TCP_NODELAY")
		f.Evidence = evidences(c.requests.first, c.requests.last)
	case c.sndbuf:
		put("sndbuf-limited", ns, "the send buffer that the process has set holds less than the path", "do not set SO_SNDBUF")
	case c.again.n >= 3:
		f := put("packet-loss", ns, fmt.Sprintf("segments to %s are lost: %d were sent again", c.peer(), c.again.n), "the link; mtr "+addrOf(c))
		f.Evidence = evidences(c.again.first, c.again.last)
		c.lostHere(f)
	case c.trips.n >= 3 && c.trips.mean() < 2*c.least() && c.least() >= 10*millisecond && c.again.n == 0:
		put("cwnd-limited", ns, fmt.Sprintf("the congestion window is smaller than the path to %s: what is sent waits for acknowledgments, a round trip of %s each, which does not grow", c.peer(), since(c.trips.mean())),
			"one connection that stays busy; sysctl net.ipv4.tcp_slow_start_after_idle=0", "ip route change ... initcwnd")
	default:
		f := put("bandwidth-limited", ns, fmt.Sprintf("sending to %s took %s", c.peer(), since(ns)), "more bandwidth; less data")
		c.bloated(f)
	}
}

// least returns the shortest round trip that has been seen.
func (c *conn) least() int64 {
	if c.rtt > 0 && (c.trips.n == 0 || c.rtt < c.trips.least) {
		return c.rtt
	}
	return c.trips.least
}

// bloated makes a finding more exact: a queue on the path holds so much that everything else is slow, too.
func (c *conn) bloated(f *finding) {
	const times, more = 5, 100 * millisecond
	least := c.least()
	mean := c.trips.mean()
	if c.trips.n < 4 || c.trips.most < times*least || c.trips.most-least < more || mean < 2*least {
		return
	}
	f.Cause = "bufferbloat"
	f.Text += fmt.Sprintf(", and round trips grew from %s to %s meanwhile: a queue on the path holds too much", since(least), since(c.trips.most))
	f.Try = []string{"fq_codel or cake where the path is narrow: tc qdisc replace dev DEV root cake bandwidth RATE"}
}

// lostHere makes a finding about lost segments more exact, if this host itself dropped them.
func (c *conn) lostHere(f *finding) {
	for i := range c.drops {
		d := &c.drops[i]
		switch {
		case queueDrop(d.reason):
			f.Cause, f.Count = "qdisc-drop", d.n
			f.Text = fmt.Sprintf("the queue of this host's own device dropped %d packets to %s (%s)", d.n, c.peer(), d.reason)
			f.Try = []string{"tc -s qdisc: its limit and rate"}
		case damaged(d.reason):
			f.Cause, f.Count = "packet-corruption", d.n
			f.Text = fmt.Sprintf("%d packets of %s arrived damaged, and were dropped (%s)", d.n, c.peer(), d.reason)
			f.Try = []string{"the cable, the device, its offloads: ethtool -S, ethtool -k"}
		default:
			continue
		}
		f.Evidence = append(evidences(d.first, d.last), f.Evidence...)
		return
	}
}

// queueDrop reports whether a queue of a device dropped a packet (include/net/dropreason-core.h,
// dropreason-qdisc.h).
func queueDrop(reason string) bool {
	return strings.HasPrefix(reason, "QDISC_") || reason == "FULL_RING"
}

// damaged reports whether a packet was dropped because of a checksum.
func damaged(reason string) bool {
	return strings.HasSuffix(reason, "_CSUM")
}

// waiting judges time between answers and the next requests, where the scheduler's switches were not recorded: what the
// process did is not known.
func (j *judgement) waiting() {
	if !j.command() {
		return
	}
	for _, c := range j.list {
		if !c.client || c.life == nil || c.life.Budget == nil || !c.tcp() && c.Family != afUnix || c.requests.n+c.sends < 2 || j.selfish[c.task.PID] {
			continue
		}
		cost := c.life.Budget[event.ShareOwn]
		if !j.costly(cost) {
			continue
		}
		j.selfish[c.task.PID] = true
		j.found = append(j.found, &finding{
			Verdict: event.Verdict{
				Cause: "app-waiting", Severity: event.Warning, Cost: cost, Count: 1, Match: event.MatchExact, Conns: []uint32{c.N}, Missing: j.missing(event.LayerKrn),
				Text:     fmt.Sprintf("the process itself took %s between answers of %s and its next requests", since(cost), c.peer()),
				Evidence: evidences(c.requests.first, c.requests.last, c.lifeAt), Try: []string{"what it does meanwhile"},
			},
			at: c.began, until: c.life.End, task: c.task, conn: c,
		})
	}
}
