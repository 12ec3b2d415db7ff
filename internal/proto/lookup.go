package proto

import (
	"net/netip"
	"slices"
	"strings"
)

// lookup is a look-up of a name: the questions of a process for it, of several types, and for the names of a
// search list (resolv.conf(5)).
type lookup struct {
	pid        uint32
	base, name string // what was asked for first, and last
	began, end int64  // of the first question; of the last question or answer, ns
	open       int    // questions without an answer
	addrs      []netip.Addr
	used       bool // its time is part of that of a connection
}

const (
	maxLookups = 32
	maxAddrs   = 16
	// pauseOfLookup is how long a look-up may rest between an answer and its next question, ns.
	pauseOfLookup = 100_000_000
	// resolverWait is how long resolvers wait for an answer at most, ns.
	resolverWait = 30_000_000_000
	// freshLookup is how long before the connection its look-up ended, at most, ns. A name that was looked up earlier
	// was kept by the process.
	freshLookup = 1_000_000_000
)

// Asked notes a question for a name that this end has sent.
func (c *Conv) Asked(name string, at int64) {
	s := c.stage
	w := s.unit.who
	if w == nil || w.task.PID == 0 {
		return
	}
	for i := len(s.lookups) - 1; i >= 0; i-- {
		l := &s.lookups[i]
		if l.pid != w.task.PID || l.used || at-l.end > pauseOfLookup && (l.open == 0 || at-l.end > resolverWait) {
			continue
		}
		if l.name != name {
			// The next name of a search list has the same beginning.
			if len(l.addrs) > 0 || !strings.HasPrefix(l.name, name+".") && !strings.HasPrefix(name, l.base+".") {
				continue
			}
			l.name, l.open = strings.Clone(name), 0
			if len(name) < len(l.base) {
				l.base = l.name
			}
		}
		l.open++
		l.end = max(l.end, at)
		return
	}
	if len(s.lookups) == maxLookups {
		s.lookups = slices.Delete(s.lookups, 0, 1)
	}
	name = strings.Clone(name)
	base, _, _ := strings.Cut(name, ".")
	s.lookups = append(s.lookups, lookup{pid: w.task.PID, base: base, name: name, began: at, end: at, open: 1})
}

// Told notes an answer to such a question, with the addresses of the name.
func (c *Conv) Told(name string, at int64, addrs []netip.Addr) {
	s := c.stage
	if s.unit.who == nil {
		return
	}
	for i := len(s.lookups) - 1; i >= 0; i-- {
		l := &s.lookups[i]
		if l.pid != s.unit.who.task.PID || l.name != name {
			continue
		}
		l.open = max(l.open-1, 0)
		l.end = max(l.end, at)
		l.addrs = append(l.addrs, addrs[:min(len(addrs), maxAddrs-min(len(l.addrs), maxAddrs))]...)
		return
	}
}

// lookedUp returns the look-up that gave a process the address to which it connects; nil if there is none.
func (s *Stage) lookedUp(pid uint32, a netip.Addr, at int64) *lookup {
	for i := len(s.lookups) - 1; i >= 0; i-- {
		l := &s.lookups[i]
		if l.pid == pid && !l.used && l.end <= at && at-l.end <= freshLookup && slices.Contains(l.addrs, a.Unmap()) {
			return l
		}
	}
	return nil
}
