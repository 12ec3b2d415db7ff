package why

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/pidwire/pidwire/internal/event"
)

// fact returns the last fact of a name that is about a process; of any process if pid is 0.
func (j *judgement) fact(pid uint32, name string) *fact {
	for i := len(j.known) - 1; i >= 0; i-- {
		if f := &j.known[i]; f.name == name && (pid == 0 || f.pid == pid) {
			return f
		}
	}
	return nil
}

// seenBy returns evidence of a fact; none if it is not known.
func (f *fact) seenBy() event.Evident {
	if f == nil {
		return event.Evident{}
	}
	return f.at
}

// proxy is one that the environment of a process names.
type proxy struct {
	*fact
	host string
	port uint16 // 0: not said; programs take 80, 443, 1080 or 3128
}

// proxies returns those that the environment of a process names.
func (j *judgement) proxies(pid uint32) (list []proxy) {
	for i := range j.known {
		f := &j.known[i]
		name, ok := strings.CutPrefix(f.name, "env ")
		if !ok || f.pid != pid || strings.EqualFold(name, "no_proxy") {
			continue
		}
		p := proxy{fact: f}
		_, rest, ok := strings.Cut(f.text, "://")
		if !ok {
			rest = f.text
		}
		rest = rest[strings.LastIndexByte(rest, '@')+1:]
		if end := strings.IndexAny(rest, "/?#"); end >= 0 {
			rest = rest[:end]
		}
		p.host = strings.Trim(rest, "[]")
		if at := strings.LastIndexByte(rest, ':'); at >= 0 && !strings.HasSuffix(rest, "]") {
			if n, err := strconv.ParseUint(rest[at+1:], 10, 16); err == nil {
				p.host, p.port = strings.Trim(rest[:at], "[]"), uint16(n)
			}
		}
		if p.host != "" {
			list = append(list, p)
		}
	}
	return list
}

// is reports whether a connection is one to the proxy.
func (p *proxy) is(c *conn) bool {
	if c == nil || !c.Peer.IsValid() {
		return false
	}
	switch port := c.Peer.Port(); {
	case port == p.port:
	case p.port != 0, port != 80 && port != 443 && port != 1080 && port != 3128:
		return false
	}
	if a, err := netip.ParseAddr(p.host); err == nil {
		return c.Peer.Addr() == a.Unmap()
	}
	return strings.EqualFold(c.PeerName, p.host) || p.host == "localhost" && c.Peer.Addr().IsLoopback()
}

// proxied judges failures of what nobody has asked for by name: the proxy that the environment says. Its verdict explains
// the failure, which follows it.
func (j *judgement) proxied() {
	var list []*finding
	said := map[string]bool{}
	for _, f := range j.found {
		if f.Severity != event.Failure {
			continue
		}
		for _, p := range j.proxies(f.task.PID) {
			lookedUp := f.about == "name "+strings.ToLower(p.host) || f.about == "name "+p.host
			if !p.is(f.conn) && !lookedUp && !(f.asksProxy && p.is(f.via)) || said[p.name] {
				continue
			}
			said[p.name] = true
			list = append(list, &finding{
				Verdict: event.Verdict{
					Cause: "proxy-misconfigured", Severity: event.Failure, Count: f.Count, Cost: f.Cost, Conns: f.Conns, Match: event.MatchExact,
					Text:     fmt.Sprintf("the environment has %s=%s, and that fails: %s", p.name[len("env "):], p.text, f.Text),
					Evidence: append(evidences(p.at), f.Evidence...), Try: []string{"unset " + p.name[len("env "):], "add the host that is asked for to no_proxy"},
				},
				at: f.at, until: f.until + 1, task: f.task, conn: f.conn, fails: true,
			})
			break
		}
	}
	j.found = append(list, j.found...)
}

// listener is one of a port of this host.
type listener struct {
	addr    netip.Addr
	waiting int
}

// listeners returns those of the port that a client has connected to, as of the end of its connection; nil if they are not
// known, or there is none.
func (j *judgement) listeners(c *conn) (list []listener, at *fact) {
	if at = j.fact(0, "listeners "+strconv.Itoa(int(c.Peer.Port()))); at == nil || !c.here() {
		return nil, nil
	}
	for _, s := range strings.Split(at.text, ", ") {
		addr, waiting, ok := strings.Cut(s, " waiting=")
		a, err := netip.ParseAddrPort(addr)
		n, err2 := strconv.Atoi(waiting)
		if ok && err == nil && err2 == nil {
			list = append(list, listener{a.Addr(), n})
		}
	}
	return list, at
}

// here reports whether the peer is this host.
func (c *conn) here() bool {
	return c.Peer.IsValid() && (c.Peer.Addr().IsLoopback() || c.Peer.Addr() == c.Local.Addr())
}

// listens reports whether a listener takes connections to an address.
func (l listener) listens(a netip.Addr) bool {
	return l.addr == a || l.addr.IsUnspecified() && (l.addr.Is6() || a.Is4())
}

// unbalanced reports whether several listeners share the port, of which one does not accept and another one does.
func (j *judgement) unbalanced(c *conn) (text string, at *fact) {
	list, at := j.listeners(c)
	var stuck, idle, n int
	for _, l := range list {
		if !l.listens(c.Peer.Addr()) {
			continue
		}
		if n++; l.waiting > 0 {
			stuck = max(stuck, l.waiting)
		} else {
			idle++
		}
	}
	if n < 2 || stuck == 0 || idle == 0 {
		return "", nil
	}
	return fmt.Sprintf("%d processes listen at %s: at one of them %d connections wait to be accepted, at %d none", n, c.Peer, stuck, idle), at
}
