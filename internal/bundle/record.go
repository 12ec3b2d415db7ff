package bundle

// records joins audit records and calls.
func (b *Bundle) records(limit int64) {
	for _, r := range b.files {
		byPID := map[uint32][]*item{}
		for _, it := range r.held {
			if it.kind == record && it.mate == nil && !it.placed {
				byPID[it.pid] = append(byPID[it.pid], it)
			}
		}
		for pid, rs := range byPID {
			for _, f := range b.files {
				if f == r {
					continue
				}
				b.recordsOf(rs, f, pid, limit)
			}
		}
	}
}

func (b *Bundle) recordsOf(rs []*item, f *file, pid uint32, limit int64) {
	var cs []*item
	for _, it := range f.held {
		if it.kind == call && !it.step && it.mate == nil && it.done && (it.pid == pid || it.pid == 0) {
			cs = append(cs, it)
		}
	}
	cs, rs = common(cs, rs)
	match(len(cs), len(rs), func(i, j int) bool { return same(cs[i], rs[j]) }, func(i, j int) {
		c, r := cs[i], rs[j]
		if c.due >= limit && c.hi < whenever || r.mate != nil {
			return // until more of the file has been read
		}
		c.mate, r.mate = r, c
		// Use the finer clock.
		lo, hi := max(c.lo, r.lo), min(c.hi, r.hi)
		switch {
		case lo <= hi:
		case c.hi-c.lo <= r.hi-r.lo:
			lo, hi = c.lo, c.hi
		default:
			lo, hi = r.lo, r.hi
		}
		c.lo, c.hi, r.lo, r.hi = lo, hi, lo, hi
		if c.comm == "" {
			c.comm = r.comm
		}
	})
}

// common removes items that only one side has, such as calls without an audit rule.
func common(cs, rs []*item) ([]*item, []*item) {
	type key struct {
		name string
		ret  int64
	}
	const inCalls, inRecords = 1, 2
	has := map[key]uint8{}
	for _, c := range cs {
		has[key{c.name, c.ret}] |= inCalls
	}
	for _, r := range rs {
		has[key{r.name, r.ret}] |= inRecords
	}
	keep := func(list []*item) (both []*item) {
		for _, it := range list {
			if has[key{it.name, it.ret}] == inCalls|inRecords {
				both = append(both, it)
			}
		}
		return both
	}
	return keep(cs), keep(rs)
}

// same reports whether a call can be that of an audit record.
func same(c, r *item) bool {
	if c.name != r.name || c.ret != r.ret || c.lo > r.hi+latency || r.lo > c.hi+latency {
		return false
	}
	return !c.addr.IsValid() || !r.addr.IsValid() || plain(c.addr) == plain(r.addr)
}
