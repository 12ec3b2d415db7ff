// Package why is the stage that names the causes of what is slow or failing: it puts verdicts before the end of the
// timeline, the cause to read first with rank 1.
//
// It collects facts while entries pass (facts.go), and judges them at the end: first the outcomes, what failed and was
// not overcome, then who owned the time. The rules are in a file for each family of the catalogue.
package why

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/pidwire/pidwire/internal/event"
)

// Times are in ns.
const (
	millisecond = int64(1_000_000)
	second      = 1000 * millisecond
)

// Options say what the timeline can tell.
type Options struct {
	Layers  uint32 // those that were recorded: a bit for each event.Layer
	Command bool   // the timeline is that of a command
}

// Engine is the stage. It keeps facts of a bounded number of connections, look-ups and failed calls.
type Engine struct {
	o Options
	facts
}

// New returns a stage that judges one timeline.
func New(o Options) *Engine {
	return &Engine{o: o, facts: newFacts()}
}

// Add passes an entry on, and the verdicts before the last one.
func (g *Engine) Add(e *event.Entry, emit func(*event.Entry)) {
	if _, last := e.Body.(*event.End); last {
		if g.more > 0 {
			emit(&event.Entry{Event: event.Event{Time: e.Time, Body: &event.Lost{Layer: event.LayerMsg, Reason: "of more connections than why judges", Count: uint64(g.more)}}})
		}
		for _, v := range g.judge(e.Time) {
			emit(v)
		}
	} else {
		g.note(e)
	}
	emit(e)
}

// command reports whether the timeline is that of a command: its time is that of the run, and its exit status says how it
// ended.
func (g *Engine) command() bool { return g.o.Command && g.ran != 0 }

// finding is a verdict that is not ranked yet.
type finding struct {
	event.Verdict
	at        int64 // when it began
	until     int64 // when it was known, or over
	over      int64 // when it was overcome, else until
	task      event.Task
	conn      *conn // nil if it is about none
	fails     bool  // something did not work because of this
	leak      bool  // a warning of what comes, whatever the cost
	about     string
	exact     int   // of two findings about the same, the higher one stays
	object    any   // what it is about: two findings about the same object exclude each other
	via       *conn // of asksProxy
	asksProxy bool  // a request that asks to pass something on was refused by the host that via goes to
}

// rules are all families.
var rules = []func(*judgement){
	(*judgement).local, (*judgement).lookups, (*judgement).connects, (*judgement).unix, (*judgement).handshakes,
	(*judgement).ends, (*judgement).exchanges, (*judgement).datagrams, (*judgement).slow, (*judgement).loops,
}

// judgement is the state while the end of a timeline is judged.
type judgement struct {
	*Engine
	begin, end int64
	found      []*finding
	about      map[any]int     // indexes of found, by their objects
	selfish    map[uint32]bool // processes with a finding about what they did themselves
}

// whole returns the time of the run, in ns.
func (j *judgement) whole() int64 { return max(j.end-j.begin, 1) }

// costly reports whether a time is worth a verdict: half a second or a third of the run, and never less than 100 ms.
func (j *judgement) costly(ns int64) bool {
	const least, enough = 100 * millisecond, 500 * millisecond
	return ns >= least && (ns >= enough || 3*ns >= j.whole())
}

// has reports whether a layer was recorded and lost nothing: only then absence is evidence.
func (j *judgement) has(l event.Layer) bool { return j.o.Layers&(1<<l) != 0 && j.lost[l] == 0 }

// missing lists layers that were not recorded, of those that a rule would have used.
func (j *judgement) missing(want ...event.Layer) (list []event.Layer) {
	for _, l := range want {
		if j.o.Layers&(1<<l) == 0 {
			list = append(list, l)
		}
	}
	return list
}

// add takes a finding, unless there is a more exact one about the same object.
func (j *judgement) add(f *finding) *finding {
	if f.Count == 0 {
		f.Count = 1
	}
	if f.until == 0 {
		f.until = f.at
	}
	if f.conn != nil && len(f.Conns) == 0 {
		f.Conns = []uint32{f.conn.N}
	}
	if f.Match == event.MatchNone {
		f.Match = event.MatchExact
	}
	if f.object != nil {
		if i, double := j.about[f.object]; double {
			if j.found[i].exact >= f.exact {
				return nil
			}
			j.found[i] = f
			return f
		}
		j.about[f.object] = len(j.found)
	}
	j.found = append(j.found, f)
	return f
}

// judge returns the verdicts, ranked.
func (g *Engine) judge(end int64) []*event.Entry {
	j := &judgement{Engine: g, begin: g.begin, end: end, about: map[any]int{}, selfish: map[uint32]bool{}}
	if g.command() {
		j.begin = g.ran
		if g.exited != 0 {
			j.end = g.exited
		}
	}
	for _, rule := range rules {
		rule(j)
	}
	j.merge()
	j.storms()
	j.settle()
	j.proxied()
	j.own()
	j.waiting()
	j.unexplained()
	j.rank()
	list := make([]*event.Entry, 0, len(j.found))
	for i, f := range j.found {
		f.Rank = i + 1
		if f.Cost > 0 {
			f.Share = min(1, float64(f.Cost)/float64(j.whole()))
		}
		v := f.Verdict
		e := &event.Entry{Event: event.Event{Time: f.at, Task: f.task, Body: &v}, Match: f.Match}
		if f.conn != nil {
			e.Conn = f.conn.Conn
		}
		if len(v.Evidence) > 0 {
			e.Seq = v.Evidence[0].Seq
		}
		list = append(list, e)
	}
	return list
}

// merge makes one finding of those that have the same cause and are about the same.
func (j *judgement) merge() {
	type key struct{ cause, about string }
	first := map[key]*finding{}
	list := j.found[:0]
	for _, f := range j.found {
		k := key{f.Cause, f.about}
		one := first[k]
		if one == nil {
			first[k] = f
			list = append(list, f)
			continue
		}
		one.Count += f.Count
		one.Cost += f.Cost
		one.until = max(one.until, f.until)
		one.fails = one.fails || f.fails
		for _, n := range f.Conns {
			if !slices.Contains(one.Conns, n) && len(one.Conns) < mostConns {
				one.Conns = append(one.Conns, n)
			}
		}
		if len(one.Evidence) < mostEvidence {
			one.Evidence = append(one.Evidence, f.Evidence[:min(len(f.Evidence), mostEvidence-len(one.Evidence))]...)
		}
	}
	j.found = list
}

const (
	mostConns    = 32
	mostEvidence = 8
)

// settle gives each finding its severity. A failure that was overcome is what it cost.
func (j *judgement) settle() {
	const soon = 500 * millisecond
	list := j.found[:0]
	for _, f := range j.found {
		switch {
		case !f.fails:
			if f.leak || j.costly(f.Cost) {
				f.Severity = event.Warning
			} else {
				continue
			}
		default:
			f.Severity = event.Failure
			over, by := j.overcome(f)
			f.over = max(over, f.until)
			if over == 0 {
				if f.Cause == ipv6Broken {
					continue // it was given up for another reason
				}
				break
			}
			if f.conn != nil && f.conn.Family == afInet6 && by == afInet && (f.Cause == "syn-blackhole" || f.Cause == ipv6Broken) {
				f.Cause, f.Cost = ipv6Broken, over-f.at
				f.Text = fmt.Sprintf("%s does not answer by IPv6; the process went on with IPv4 after %s", f.conn.peer(), since(f.Cost))
				f.Try = []string{"repair IPv6, or remove the AAAA record"}
				if !j.costly(f.Cost) {
					f.Severity = event.Info
				} else {
					f.Severity = event.Warning
				}
				break
			}
			f.Severity = event.Info
			if took := over - f.at; took >= soon {
				f.Cost = max(f.Cost, took)
				f.Severity = event.Warning
			}
		}
		list = append(list, f)
	}
	j.found = list
}

// overcome returns when what failed worked after all, and by which address family; 0 if it did not.
func (j *judgement) overcome(f *finding) (at int64, family uint16) {
	for _, s := range j.successes {
		if s.at > f.at && f.undone(s) {
			return s.at, s.family
		}
	}
	return 0, 0
}

// undone reports whether a success is one of what failed.
func (f *finding) undone(s success) bool {
	if f.conn != nil && s.connected && s.peer.IsValid() && s.peer == f.conn.Peer {
		return true // perhaps another process of the command has tried again
	}
	if f.task.PID != s.pid {
		return false
	}
	if f.conn == nil {
		return s.what == f.about
	}
	if f.conn.Family == afUnix {
		return s.unix
	}
	return s.connected && !s.unix
}

// rank sorts the findings: failures before what was slow; of failures the last one first, of the others the one that
// cost most.
func (j *judgement) rank() {
	slices.SortStableFunc(j.found, func(a, b *finding) int {
		switch {
		case a.Severity != b.Severity:
			return int(b.Severity) - int(a.Severity)
		case a.Severity == event.Failure && a.until != b.until:
			if a.until > b.until {
				return -1
			}
			return 1
		case a.Cost > b.Cost:
			return -1
		case a.Cost < b.Cost:
			return 1
		}
		return 0
	})
}

// since prints a time as a person does: 5.01 s, 40 ms.
func since(ns int64) string {
	switch {
	case ns >= second:
		return strconv.FormatFloat(float64(ns)/1e9, 'f', 2, 64) + " s"
	case ns >= millisecond:
		return strconv.FormatFloat(float64(ns)/1e6, 'f', 0, 64) + " ms"
	}
	return strconv.FormatInt(ns/1000, 10) + " us"
}
