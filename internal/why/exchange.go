package why

import (
	"fmt"
	"strings"

	"github.com/pidwire/pidwire/internal/event"
)

// exchanges judges what servers answered.
func (j *judgement) exchanges() {
	again := map[string]int{}
	for _, x := range j.said {
		if x.proto != "http" && x.proto != "http2" {
			continue
		}
		if x.location != "" {
			again[x.location]++
			if again[x.location] == 5 {
				j.add(&finding{
					Verdict: event.Verdict{
						Cause: "http-redirect-loop", Count: again[x.location], Text: "the server redirects to " + x.location + " again and again",
						Evidence: evidences(x.at, x.answered), Try: []string{"the rule that redirects"},
					},
					at: x.at.Time, until: j.end, task: x.task, conn: x.conn, fails: true, about: x.location, exact: 6,
				})
			}
		}
		if x.failed && x.conn.client {
			j.refused(x)
		}
	}
}

// refused judges an answer that reports a failure.
func (j *judgement) refused(x *exchange) {
	v := event.Verdict{
		Text: fmt.Sprintf("%s answered %s to %s", x.conn.peer(), x.status, x.text), Conns: []uint32{x.conn.N}, Evidence: evidences(x.at, x.answered),
	}
	switch {
	case x.status == "429":
		v.Cause, v.Try = "http-rate-limited", []string{"fewer requests"}
	case strings.HasPrefix(x.status, "5"):
		v.Cause, v.Try = "http-server-error", []string{"the server's log"}
		if x.status == "502" || x.status == "504" {
			v.Try = []string{"the server behind " + x.conn.peer()}
		}
	case strings.HasPrefix(x.status, "4"):
		// A client may be content with it.
		if !j.command() || j.status == 0 {
			return
		}
		v.Cause, v.Try = "http-client-error", []string{"the request"}
	default:
		return
	}
	// Without conn: another connection does not undo it, but another answer.
	f := &finding{Verdict: v, at: x.at.Time, until: x.answered.Time, task: x.task, fails: true, about: "answer " + x.text, object: x}
	switch x.status {
	case "407", "502", "503", "504": // of a proxy that works
	default:
		f.asksProxy, f.via = x.relayed, x.conn
	}
	j.add(f)
}

// datagrams judges sockets of UDP.
func (j *judgement) datagrams() {
	for _, c := range j.list {
		if c.Type != sockDgram || c.Family != afInet && c.Family != afInet6 || c.names {
			continue
		}
		d := c.dropped(false, "SOCKET_RCVBUFF")
		if d == nil {
			d = c.dropped(true, "SOCKET_RCVBUFF")
		}
		v := event.Verdict{}
		hurt := c.hurt()
		switch {
		case hurt != nil && queueDrop(hurt.reason):
			v.Cause, v.Count, v.Evidence = "qdisc-drop", hurt.n, evidences(hurt.first, hurt.last)
			v.Text = fmt.Sprintf("the queue of this host's own device dropped %d datagrams to %s (%s)", v.Count, peerOf(c), hurt.reason)
			v.Try = []string{"tc -s qdisc: its limit and rate"}
		case hurt != nil:
			v.Cause, v.Count, v.Evidence = "packet-corruption", hurt.n, evidences(hurt.first, hurt.last)
			v.Text = fmt.Sprintf("%d datagrams of %s arrived damaged, and were dropped (%s)", v.Count, peerOf(c), hurt.reason)
			v.Try = []string{"the cable, the device, its offloads: ethtool -S, ethtool -k"}
		case d != nil || c.full.n > 0:
			v.Cause = "udp-receive-overflow"
			v.Count = c.full.n
			v.Evidence = evidences(c.full.first, c.full.last)
			if d != nil {
				v.Count, v.Evidence = d.n, evidences(d.first, d.last)
			}
			v.Text = fmt.Sprintf("%d datagrams to %s were dropped: the receive queue was full", v.Count, c.Local)
			v.Try = []string{"read faster", "a larger SO_RCVBUF, and sysctl net.core.rmem_max"}
		case c.icmp.n > 0 && portUnreachable(c.v6, c.code):
			v.Cause, v.Text = "udp-refused", "nobody listens at "+peerOf(c)
			v.Evidence, v.Count = evidences(c.icmp.first, hitOf(c.failedCall("ECONNREFUSED"))), c.icmp.n
			v.Try = []string{"start the server"}
		case c.sends == 0 && c.failedCall("ENETUNREACH", "EHOSTUNREACH") != nil:
			// libc connects datagram sockets to find out which address has a route, and sends nothing.
			f := c.failedCall("ENETUNREACH", "EHOSTUNREACH")
			if f.role.Has(event.Connects) && (j.status == 0 || !j.command() || j.speaks(c.task.PID)) {
				continue
			}
			v.Cause, v.Text = "no-route", "there is no route to "+peerOf(c)
			v.Evidence, v.Count = evidences(f.hits.first), f.hits.n
			v.Try = []string{"ip route get " + addrOf(c)}
		case c.failedCall("EMSGSIZE") != nil:
			f := c.failedCall("EMSGSIZE")
			v.Cause, v.Text = "message-too-big", "a datagram is too big to be sent"
			v.Evidence, v.Count = evidences(f.hits.first), f.hits.n
			v.Try = []string{"smaller datagrams"}
		case c.failedCall("EPERM") != nil && c.failedCall("EPERM").role.Has(event.Sends):
			f := c.failedCall("EPERM")
			v.Cause, v.Text = "firewall-drop-local", "the firewall of this host does not let datagrams out: EPERM"
			v.Evidence, v.Count = evidences(f.hits.first), f.hits.n
			v.Try = []string{"nft list ruleset"}
		case c.unheard.n > 0 && c.sent > 0 && c.received == 0 && !c.server && j.has(event.LayerPkt) && j.costly(c.unheardFor):
			v.Cause, v.Text = "udp-no-answer", fmt.Sprintf("%s did not answer: the process waited %s", peerOf(c), since(c.unheardFor))
			v.Evidence, v.Count, v.Cost = evidences(c.unheard.first, c.unheard.last), c.unheard.n, c.unheardFor
			v.Try = []string{"the server; a firewall between"}
		default:
			continue
		}
		j.add(&finding{Verdict: v, at: v.Evidence[0].Time, until: v.Evidence[len(v.Evidence)-1].Time, task: c.task, conn: c, fails: true, about: c.Local.String(), exact: 5, object: c})
	}
}

// hurt returns the drops of datagrams in a queue of this host's device, or because of a checksum.
func (c *conn) hurt() *drop {
	for i := range c.drops {
		if d := &c.drops[i]; queueDrop(d.reason) || damaged(d.reason) {
			return d
		}
	}
	return nil
}

// speaks reports whether a process has a connection on which something was sent or received.
func (j *judgement) speaks(pid uint32) bool {
	for _, c := range j.list {
		if c.task.PID == pid && (c.tcp() || c.sent+c.received > 0) {
			return true
		}
	}
	return false
}
