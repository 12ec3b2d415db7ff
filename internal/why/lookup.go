package why

import (
	"fmt"
	"strings"

	"github.com/pidwire/pidwire/internal/event"
)

// name is what a process wanted to know: the questions for a name, and for the same with the search domains.
type name struct {
	base  string
	pid   uint32
	steps []*lookup
}

// wanted groups the questions of each process: those of a search list begin with the same labels.
func (j *judgement) wanted() (list []*name) {
	for _, l := range j.order {
		if strings.HasSuffix(l.name, ".in-addr.arpa") || strings.HasSuffix(l.name, ".ip6.arpa") {
			continue
		}
		var n *name
		const near = 64 // of the last names
		for _, old := range list[max(len(list)-near, 0):] {
			last := old.steps[len(old.steps)-1]
			close := l.asks.first.Time-max(last.asks.last.Time, last.answered) < second
			if old.pid == l.pid && close && related(old, l.name) {
				n = old
			}
		}
		if n == nil {
			n = &name{base: l.name, pid: l.pid}
			list = append(list, n)
		}
		n.steps = append(n.steps, l)
		if len(l.name) < len(n.base) {
			n.base = l.name
		}
	}
	return list
}

// related reports whether a question belongs to those for a name: the same name, one shortened by a search domain, or the
// same first label with another domain.
func related(n *name, q string) bool {
	first := n.steps[0].name
	if q == first || strings.HasPrefix(first, q+".") || strings.HasPrefix(q, n.base+".") {
		return true
	}
	a, rest, ok := strings.Cut(first, ".")
	b, domain, ok2 := strings.Cut(q, ".")
	return ok && ok2 && a == b && rest != domain && n.steps[len(n.steps)-1].code == "NXDOMAIN"
}

// lookups judges what was asked of name servers.
func (j *judgement) lookups() {
	for _, n := range j.wanted() {
		j.lookup(n)
	}
}

func (j *judgement) lookup(n *name) {
	last := n.steps[len(n.steps)-1]
	var silent, good, failed, missing, empty *lookup
	first := n.steps[0].asks.first.Time
	for _, l := range n.steps {
		switch {
		case l.answers == 0 && l.torn():
			continue // what was answered is not known
		case l.answers == 0:
			silent = l
		case l.code == "NXDOMAIN":
			missing = l
		case l.code != "":
			failed = l
		case l.empty:
			empty = l
		default:
			good = l
		}
	}
	until := j.goesOn(n, last)
	f := &finding{at: first, until: until, task: n.steps[0].task, about: "name " + n.base, fails: good == nil, object: n}
	if len(n.steps[0].conns) > 0 {
		f.Conns = []uint32{n.steps[0].conns[0].N}
	}
	v := &f.Verdict
	switch {
	case silent != nil && unreachable(silent) != nil:
		c := unreachable(silent)
		v.Cause, v.Text = "dns-server-unreachable", fmt.Sprintf("no name server at %s: it cannot be asked for %s", c.peer(), silent.name)
		v.Evidence = evidences(silent.asks.first, c.icmp.first, c.failed)
		v.Try = []string{"resolv.conf; is the name server up?"}
		f.Cost = until - first
	case silent != nil && (good != nil && good.name == silent.name || empty != nil && empty.name == silent.name && good != nil):
		v.Cause, v.Text = "dns-aaaa-slow", fmt.Sprintf("the %s of %s is not answered, the %s is", silent.kind, silent.name, good.kind)
		v.Evidence = evidences(silent.asks.first, silent.asks.last, good.answer)
		v.Try = []string{"repair that answer of the name server", "options single-request in resolv.conf"}
		f.fails = false
		f.Cost = until - first
	case silent != nil && (silent.asks.n >= 2 || until-first >= 900*millisecond) && j.has(event.LayerPkt):
		v.Cause, v.Text = "dns-silent", fmt.Sprintf("%s answered none of %d queries for %s", server(silent), silent.asks.n, silent.name)
		v.Count = silent.asks.n
		v.Evidence = evidences(silent.asks.first, silent.asks.last)
		v.Try = []string{"remove that server from resolv.conf, or repair it", "options timeout:1"}
		if at := j.fact(0, "resolv.conf"); at != nil && !strings.Contains(at.text, "nameserver "+serverOf(silent)) {
			v.Try = []string{"the program has that server not from resolv.conf: its own settings"}
		} else {
			v.Evidence = append(v.Evidence, at.seenBy())
			v.Evidence = evidences(v.Evidence...)
		}
		f.Cost = until - first
	case good == nil && n.torn():
		return
	case good == nil && failed != nil && (missing == nil || failed.answered >= missing.answered):
		v.Cause, v.Text = "dns-servfail", fmt.Sprintf("%s answered %s for %s", server(failed), failed.code, failed.name)
		v.Evidence = evidences(failed.asks.first, failed.answer)
		v.Try = []string{"that server's upstream, DNSSEC"}
		f.Cost = until - first
	case good == nil && (missing != nil || empty != nil):
		l := missing
		if l == nil {
			l = empty
		}
		v.Cause, v.Text = "dns-nxdomain", fmt.Sprintf("there is no name %s", n.base)
		v.Evidence = evidences(l.asks.first, l.answer)
		v.Try = []string{"the name"}
	default:
		j.slowLookup(n, f, good)
		return
	}
	j.add(f)
}

// slowLookup judges a look-up that worked.
func (j *judgement) slowLookup(n *name, f *finding, good *lookup) {
	if good == nil {
		return
	}
	f.fails = false
	v := &f.Verdict
	var lost, slowest, quickest int64
	var steps []event.Evident
	tried := map[string]bool{}
	for _, l := range n.steps {
		took := l.answered - l.asks.first.Time
		if l.name != good.name {
			tried[l.name] = true
			steps = append(steps, l.answer)
			lost = max(lost, l.answered-f.at)
			continue
		}
		if slowest < took {
			slowest = took
		}
		if quickest == 0 || took < quickest {
			quickest = took
		}
	}
	switch {
	case len(tried) > 0 && lost > slowest:
		v.Cause, v.Text = "dns-search-fanout", fmt.Sprintf("%d names with search domains were asked before %s", len(tried), good.name)
		v.Evidence = evidences(append(steps[:min(len(steps), 4)], good.answer)...)
		v.Try = []string{"a dot at the end of the name", "options ndots:1; fewer search domains"}
		f.Cost = lost
	case slowest > 4*quickest && slowest-quickest > 50*millisecond:
		for _, l := range n.steps {
			if l.answered-l.asks.first.Time == slowest {
				v.Cause, v.Text = "dns-aaaa-slow", fmt.Sprintf("the %s of %s came %s after the other answer", l.kind, l.name, since(slowest-quickest))
				v.Evidence = evidences(l.asks.first, l.answer)
			}
		}
		v.Try = []string{"repair that answer of the name server"}
		f.Cost = slowest - quickest
	case good.asks.n >= 10:
		v.Cause, v.Text = "dns-repeated", fmt.Sprintf("%s was asked %d times", good.name, good.asks.n)
		v.Count, v.Evidence = good.asks.n, evidences(good.asks.first, good.asks.last)
		v.Try = []string{"keep the answer, or run a cache"}
		f.Cost = slowest * int64(good.asks.n)
	default:
		v.Cause, v.Text = "dns-slow", fmt.Sprintf("%s took %s to answer for %s", server(good), since(slowest), good.name)
		v.Evidence = evidences(good.asks.first, good.answer)
		v.Try = []string{"a caching resolver near by"}
		f.Cost = slowest
		if good.asks.n > 1 { // the first try was lost, or the first server is silent
			v.Cause, v.Text = "dns-silent", fmt.Sprintf("%s did not answer the first query for %s", server(good), good.name)
			f.Cost = good.answered - good.asks.first.Time
		}
	}
	j.add(f)
}

// goesOn returns when a process stopped to wait for a name: its next success, or its end.
func (j *judgement) goesOn(n *name, last *lookup) int64 {
	at := max(last.asks.last.Time, last.answered)
	for _, l := range n.steps {
		for _, c := range l.conns {
			at = max(at, c.closedAt)
		}
	}
	return min(at, j.end)
}

// unreachable returns the socket on which an error came back for a question.
func unreachable(l *lookup) *conn {
	for _, c := range l.conns {
		if c.icmp.n > 0 || c.failedCall("ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH") != nil {
			return c
		}
	}
	return nil
}

// torn reports whether records about a name are missing.
func (n *name) torn() bool {
	for _, l := range n.steps {
		if l.torn() {
			return true
		}
	}
	return false
}

// torn reports whether records of the sockets of a question are missing.
func (l *lookup) torn() bool {
	for _, c := range l.conns {
		if c.torn() {
			return true
		}
	}
	return false
}

// serverOf returns the address of the server that was asked.
func serverOf(l *lookup) string {
	if len(l.conns) == 0 {
		return ""
	}
	return l.conns[0].Peer.Addr().String()
}

func server(l *lookup) string {
	if len(l.conns) == 0 {
		return "the name server"
	}
	return l.conns[0].Peer.String()
}
