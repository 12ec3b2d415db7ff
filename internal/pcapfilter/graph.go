package pcapfilter

import "slices"

// block is a test of a program, and its two successors.
type block struct {
	test    test
	yes, no *block
	facts   *fact // known outcomes of tests at its start
	reached bool
}

// accept and reject are the ends of programs. They are empty, and must not be modified.
var accept, reject = new(block), new(block)

func (b *block) ends() bool { return b == accept || b == reject }

// graph returns the first block of a predicate, or nil if there are more than
// maxTests of them. No block repeats a test whose outcome is known from those
// on the way to it, none has two ways to the same block, and no two are equal.
func graph(p *pred) *block {
	g := grapher{}
	entry := g.place(p, accept, reject)
	if g.blocks > maxTests {
		return nil
	}
	for {
		for thread(entry) || drop(&entry) || regroup(entry) {
		}
		if !merge(&entry) {
			return entry
		}
	}
}

type grapher struct {
	blocks int
}

// place returns the first block of a predicate whose successors are yes and no.
func (g *grapher) place(p *pred, yes, no *block) *block {
	switch p.form {
	case predTrue:
		return yes
	case predFalse:
		return no
	case predFail:
		return reject
	case predAnd:
		return g.place(p.a, g.place(p.b, yes, no), no)
	case predOr:
		return g.place(p.a, yes, g.place(p.b, yes, no))
	case predNot:
		return g.place(p.a, no, yes)
	}
	if g.blocks++; g.blocks > maxTests {
		return reject
	}
	return &block{test: p.test, yes: yes, no: no}
}

// order returns the reachable blocks, except the ends, in topological order.
func order(entry *block) []*block {
	var list []*block
	seen := map[*block]bool{accept: true, reject: true}
	var visit func(*block)
	visit = func(b *block) {
		if seen[b] {
			return
		}
		seen[b] = true
		visit(b.no)
		visit(b.yes)
		list = append(list, b)
	}
	visit(entry)
	slices.Reverse(list)
	return list
}

// fact is the outcome of a test, and those before it.
type fact struct {
	test  test
	holds bool
	next  *fact
	depth int
}

func (f *fact) with(t test, holds bool) *fact {
	depth := 1
	if f != nil {
		depth += f.depth
	}
	return &fact{t, holds, f, depth}
}

// memory is the number of facts that are searched, from the last one on. It is bounded so that a filter of
// thousands of tests is compiled in well under a second.
const memory = 256

// outcome returns the outcome of t, if it follows from the facts.
func (f *fact) outcome(t test) (holds, known bool) {
	for n := 0; f != nil && n < memory; f, n = f.next, n+1 {
		switch {
		case f.test == t:
			return f.holds, true
		case f.test.a == t.a && f.holds && f.test.rel == equal && f.test.b.form == constant && t.b.form == constant:
			return t.rel.holds(f.test.b.k, t.b.k), true
		}
	}
	return false, false
}

// shared returns the facts at a block with two predecessors: the common end of both lists, preceded by
// those facts of each that follow from the other.
func shared(f, g *fact) *fact {
	var ours, theirs []*fact
	end, other := f, g
	for end != other {
		if other == nil || end != nil && end.depth >= other.depth {
			ours = append(ours, end)
			end = end.next
		} else {
			theirs = append(theirs, other)
			other = other.next
		}
	}
	const looked = 16
	both := end
	imply := func(facts []*fact, by *fact) {
		for _, fact := range slices.Backward(facts[:min(len(facts), looked)]) {
			holds, known := by.outcome(fact.test)
			if !known || holds != fact.holds {
				continue
			}
			if _, known := both.outcome(fact.test); !known {
				both = both.with(fact.test, fact.holds)
			}
		}
	}
	imply(ours, g)
	imply(theirs, f)
	return both
}

// thread redirects edges past the tests whose outcome is known on them (jump threading). It reports
// whether it changed something.
func thread(entry *block) bool {
	blocks := order(entry)
	for _, b := range blocks {
		b.reached = b == entry
		b.facts = nil
	}
	changed := false
	for _, b := range blocks {
		if !b.reached {
			continue
		}
		lead := func(to **block, holds bool) {
			f := b.facts.with(b.test, holds)
			for !(*to).ends() {
				holds, known := f.outcome((*to).test)
				if !known {
					break
				}
				changed = true
				if holds {
					*to = (*to).yes
				} else {
					*to = (*to).no
				}
			}
			switch next := *to; {
			case next.ends():
			case !next.reached:
				next.reached, next.facts = true, f
			default:
				next.facts = shared(next.facts, f)
			}
		}
		lead(&b.yes, true)
		lead(&b.no, false)
	}
	return changed
}

// drop removes the tests with two equal successors.
func drop(entry **block) bool {
	return replace(entry, func(b *block) *block {
		if b.yes == b.no {
			return b.yes
		}
		return b
	})
}

// merge merges equal blocks. It runs last, because fewer facts are known at a block with many
// predecessors than at each of its copies.
func merge(entry **block) bool {
	type key struct {
		test    test
		yes, no *block
	}
	only := map[key]*block{}
	return replace(entry, func(b *block) *block {
		k := key{b.test, b.yes, b.no}
		if only[k] == nil {
			only[k] = b
		}
		return only[k]
	})
}

// replace replaces blocks by the results of by, from the end to the start. It reports whether it changed
// something.
func replace(entry **block, by func(*block) *block) bool {
	changed := false
	put := func(b **block) {
		if (*b).ends() {
			return
		}
		if other := by(*b); other != *b {
			*b, changed = other, true
		}
	}
	for _, b := range slices.Backward(order(*entry)) {
		put(&b.yes)
		put(&b.no)
	}
	put(entry)
	return changed
}

// regroup moves tests of the same value in a row of alternatives, or of conditions, next to each other, so
// that the value is loaded once. It reports whether it changed something. src port 1 or dst port 1
// or src port 2 tests both source ports first, as in libpcap.
func regroup(entry *block) bool {
	blocks := order(entry)
	ways := map[*block]int{}
	for _, b := range blocks {
		ways[b.yes]++
		ways[b.no]++
	}
	changed := false
	for _, on := range []bool{true, false} {
		done := map[*block]bool{}
		for _, b := range blocks {
			if done[b] {
				continue
			}
			row := []*block{b}
			for next := b.way(on); !next.ends() && ways[next] == 1 && next.way(!on) == b.way(!on); next = next.way(on) {
				row = append(row, next)
				done[next] = true
			}
			changed = group(row) || changed
		}
	}
	return changed
}

func (b *block) way(yes bool) *block {
	if yes {
		return b.yes
	}
	return b.no
}

// group sorts the tests of a row by the first occurrence of their values.
func group(row []*block) bool {
	first := map[*value]int{}
	tests := make([]test, len(row))
	for i, b := range row {
		if _, ok := first[b.test.a]; !ok {
			first[b.test.a] = i
		}
		tests[i] = b.test
	}
	slices.SortStableFunc(tests, func(s, t test) int { return first[s.a] - first[t.a] })
	changed := false
	for i, b := range row {
		changed = changed || b.test != tests[i]
		b.test = tests[i]
	}
	return changed
}
