package why

import (
	"fmt"
	"strings"

	"github.com/pidwire/pidwire/internal/event"
)

// ends judges how connections ended.
func (j *judgement) ends() {
	for _, c := range j.list {
		if !c.tcp() || c.up == 0 && c.received == 0 && !c.Old {
			continue
		}
		if f := j.ended(c); f != nil {
			f.task, f.conn, f.object = c.task, c, c
			if f.about == "" {
				f.about = c.peer()
			}
			j.add(f)
		}
	}
}

func (j *judgement) ended(c *conn) *finding {
	v := event.Verdict{}
	reset := c.failedCall("ECONNRESET", "EPIPE")
	asked := c.pending()
	const idle = 500 * millisecond
	// The peer had closed while nothing was outstanding, and then this end sent a request.
	closedFirst := c.finIn.n > 0 && c.lastOut > c.finIn.first.Time && c.client && (c.rstIn.n > 0 || reset != nil || c.eof.Seq != 0)
	switch {
	case closedFirst && c.answers.n > 0:
		v.Cause, v.Text = "stale-connection-reused", fmt.Sprintf("%s had closed the connection %s before the request was sent on it", c.peer(), since(c.lastOut-c.finIn.first.Time))
		v.Evidence = evidences(c.finIn.first, c.requests.last, c.rstIn.first, hitOf(reset), c.eof)
		v.Try = []string{"a shorter idle timeout in the client than in the server", "try again on a new connection"}
		return &finding{Verdict: v, at: c.finIn.first.Time, until: max(c.rstIn.first.Time, c.lastOut), fails: true, exact: 7}
	case c.client && c.rstIn.n > 0 && c.answers.n > 0 && !c.torn() && asked.Seq != 0 && asked.Time-c.lastIn > idle && c.rstIn.first.Time-asked.Time < idle:
		v.Cause, v.Text = "half-open", fmt.Sprintf("%s does not know the connection any more: it was idle for %s", c.peer(), since(asked.Time-c.lastIn))
		v.Evidence = evidences(asked, c.rstIn.first)
		v.Try = []string{"TCP keep-alive", "a shorter idle timeout in the client"}
		return &finding{Verdict: v, at: asked.Time, until: c.rstIn.first.Time, fails: true, exact: 6}
	case c.rstIn.n > 0 && c.finOut.n == 0 && (reset != nil || asked.Seq != 0):
		v.Cause, v.Text = "peer-reset", fmt.Sprintf("%s reset the connection", c.peer())
		if c.received > 0 {
			v.Text += fmt.Sprintf(" after %d bytes", c.received)
		}
		v.Evidence = evidences(asked, c.rstIn.first, hitOf(reset))
		v.Try = []string{"the peer's log; its limits on connections"}
		return &finding{Verdict: v, at: c.rstIn.first.Time, fails: true, exact: 4}
	case reset != nil && reset.errno == "ECONNRESET" && !j.has(event.LayerPkt):
		v.Cause, v.Text = "peer-reset", fmt.Sprintf("%s reset the connection", peerOf(c))
		v.Evidence = evidences(reset.hits.first)
		v.Missing = j.missing(event.LayerPkt)
		return &finding{Verdict: v, at: reset.hits.first.Time, fails: true, exact: 3}
	case c.sack.n > 0 && c.streams[1].hole > int64(c.streams[1].most) && j.costly(j.lasted(c, c.sack.first.Time)) && c.finIn.n+c.rstIn.n == 0 && int(c.streams[1].most) < max(c.mss, 1000):
		v.Cause, v.Text = "pmtu-blackhole", fmt.Sprintf("full-size segments of %s do not arrive, smaller ones do: %d bytes are missing for %s", c.peer(), c.streams[1].hole, since(j.lasted(c, c.sack.first.Time)))
		v.Evidence = evidences(asked, c.sack.first, c.sack.last)
		v.Try = []string{"let ICMP \"fragmentation needed\" through; clamp the MSS", "a smaller MTU on this side: ip link set DEV mtu 1280"}
		return &finding{Verdict: v, at: c.sack.first.Time, until: j.closed(c), fails: true, exact: 6}
	case c.again.n >= 2 && c.zeroIn.n == 0 && c.again.last.Time > c.lastIn && j.costly(j.lasted(c, c.again.first.Time)) && c.again.n == c.againBig.n && c.received > 0:
		v.Cause, v.Text = "pmtu-blackhole", fmt.Sprintf("full-size segments to %s are lost again and again, small ones pass", c.peer())
		v.Evidence = evidences(c.again.first, c.again.last, c.resent.last)
		v.Count = c.again.n
		v.Try = []string{"let ICMP \"fragmentation needed\" through; clamp the MSS", "sysctl net.ipv4.tcp_mtu_probing=1"}
		return &finding{Verdict: v, at: c.again.first.Time, until: j.closed(c), fails: true, exact: 6}
	case c.again.n >= 2 && c.zeroIn.n == 0 && c.again.last.Time > c.lastIn && j.costly(j.lasted(c, c.again.first.Time)):
		v.Cause, v.Text = "peer-vanished", fmt.Sprintf("%s does not acknowledge any more: sent again %d times", c.peer(), c.again.n)
		v.Evidence = evidences(c.again.first, c.again.last)
		v.Try = []string{"is the host up? the path"}
		if c.answers.n > 0 && asked.Seq != 0 && asked.Time-c.lastIn > 2*idle {
			v.Cause, v.Text = "idle-connection-dropped", fmt.Sprintf("after %s without traffic %s does not answer any more", since(asked.Time-c.lastIn), c.peer())
			v.Try = []string{"TCP keep-alive, shorter than the timeout of a NAT or firewall between"}
		}
		return &finding{Verdict: v, at: c.again.first.Time, until: j.closed(c), fails: true, exact: 4}
	case strings.Contains(c.resetSent, "TCP_ABORT_ON_CLOSE") && c.server && c.sent > 0:
		v.Cause, v.Text = "closed-with-unread-data", fmt.Sprintf("the process closed its connection to %s with data unread: the peer gets a reset and may lose the answer", c.peer())
		v.Evidence = evidences(c.reset.first)
		v.Try = []string{"read to the end, or shutdown() first"}
		return &finding{Verdict: v, at: c.reset.first.Time, leak: true, exact: 5, about: "close"}
	case c.client && c.eof.Seq != 0 && asked.Seq != 0 && c.received == 0 && c.sent > 0 && !c.torn() && (c.endedFirst() || !j.has(event.LayerPkt)):
		v.Cause, v.Text = "peer-closed-early", fmt.Sprintf("%s closed the connection without an answer", c.peer())
		v.Evidence = evidences(asked, c.finIn.first, c.eof)
		v.Try = []string{"the peer's log"}
		return &finding{Verdict: v, at: c.eof.Time, fails: true, exact: 4}
	}
	if x := c.truncated(); x != nil && c.finIn.n > 0 && c.rstIn.n == 0 && !c.torn() {
		v.Cause, v.Text = "response-truncated", fmt.Sprintf("%s closed before the end of its answer to %s", c.peer(), x.text)
		v.Evidence = evidences(x.at, x.answered, c.finIn.first)
		v.Try = []string{"the server, or the limit of a proxy"}
		return &finding{Verdict: v, at: c.finIn.first.Time, fails: true, exact: 5}
	}
	if f := c.failedCall("EPIPE"); f != nil {
		v.Cause, v.Text = "write-after-close", fmt.Sprintf("%s had closed the connection that the process writes to", c.peer())
		v.Evidence = evidences(c.finIn.first, f.hits.first)
		return &finding{Verdict: v, at: f.hits.first.Time, fails: true, exact: 3}
	}
	return nil
}

// closed returns when a connection ended.
func (j *judgement) closed(c *conn) int64 {
	if c.closedAt != 0 {
		return c.closedAt
	}
	return j.end
}

// pending returns the last request without a complete answer.
func (c *conn) pending() event.Evident {
	if c.requests.n > c.answers.n || c.requests.n > 0 && c.lastIn < c.requests.last.Time {
		return c.requests.last
	}
	return event.Evident{}
}

// truncated returns an answer of HTTP that was not complete when its connection ended.
func (c *conn) truncated() *exchange {
	for _, x := range c.cut {
		if x.cut && x.answered.Seq != 0 && x.proto == "http" {
			return x
		}
	}
	return nil
}

func hitOf(f *failure) event.Evident {
	if f == nil {
		return event.Evident{}
	}
	return f.hits.first
}
