package why

import (
	"fmt"

	"github.com/pidwire/pidwire/internal/event"
)

// spin counts calls of a thread that had nothing to return, one after the other without a pause.
type spin struct {
	conn  uint32
	end   int64 // of the last one
	calls hit
}

// spun is the longest spin that has been seen on a connection.
type spun struct {
	calls hit
	over  int64 // the call that ended it returned
	task  event.Task
}

const (
	// pause is what may be between two calls of a row: more means that the thread does something else. One that is ready to
	// run, and has to wait for the CPU, still spins.
	pause = 100 * millisecond
	// each is how long a call of a row takes at most, with what is between it and the next one, on average.
	each = 2 * millisecond
	// maxSpins bounds the threads of which calls are counted.
	maxSpins = 1024
)

// spins notes a call that returned nothing at once, and the end of a row of them.
func (g *Engine) spins(e *event.Entry, b *event.Call, c *conn) {
	returned := e.Time + b.Dur
	nothing := b.Dur < millisecond && (b.Errno == "EAGAIN" && b.Role.Has(event.Receives|event.Accepts) || b.Role.Has(event.Waits) && b.Ret == 0)
	s := g.spinning[e.Task.TID]
	if s != nil && (!nothing || e.Time-s.end > pause) {
		if o := g.conns[s.conn]; o != nil && s.calls.n > o.spun.calls.n && s.calls.n >= 100 {
			o.spun = spun{calls: s.calls, over: s.end, task: e.Task.Clone()}
			if e.Time-s.end <= pause {
				o.spun.over = returned
			}
		}
		delete(g.spinning, e.Task.TID)
		s = nil
	}
	if !nothing || c == nil {
		return
	}
	if s == nil {
		if len(g.spinning) >= maxSpins {
			return
		}
		s = &spin{conn: c.N}
		g.spinning[e.Task.TID] = s
	}
	s.end = returned
	s.calls.add(evident(e, event.LayerSys, b.Name+"() returned nothing at once"))
}

// idles notes a wait of a thread for nothing but time: nothing that it waits on owes it something.
func (g *Engine) idles(e *event.Entry, b *event.Call, c *conn) {
	const long = 20 * millisecond
	if !b.Role.Has(event.Waits) || b.Ret != 0 || b.Dur < long || c != nil && (c.lastOut >= c.lastIn || c.server) {
		return
	}
	for _, n := range e.Others {
		if o := g.conns[n.N]; o != nil && (o.lastOut >= o.lastIn || o.server) {
			return
		}
	}
	a := gap{pid: e.Task.PID, tid: e.Task.TID, from: e.Time, to: e.Time + b.Dur, task: e.Task.Clone()}
	a.spent[asleep] = b.Dur
	a.at = evident(e, event.LayerSys, b.Name+"() waited "+since(b.Dur)+" for nothing but time")
	g.away(a)
}

// tiny counts calls of a few bytes each, and the time of rows of them without a pause.
type tiny struct {
	calls hit
	bytes int64
	took  int64
	end   int64
}

func (t *tiny) add(e *event.Entry, b *event.Call) {
	const few = 16 // bytes
	returned := e.Time + b.Dur
	switch {
	case b.Bytes > few:
		t.end = 0
		return
	case t.end != 0 && e.Time-t.end < 5*millisecond:
		t.took += returned - t.end
	default:
		t.took += b.Dur
	}
	t.end = returned
	t.bytes += b.Bytes
	t.calls.add(evident(e, event.LayerSys, fmt.Sprintf("%s() = %d", b.Name, b.Bytes)))
}

// loops judges calls that a program makes too often.
func (j *judgement) loops() {
	for _, c := range j.list {
		// These explain why what they are about waits: they come before it.
		var shares event.Budget
		if c.life != nil && c.life.Budget != nil {
			shares = *c.life.Budget
		}
		if s := &c.spun; s.calls.n >= 1000 && s.over-s.calls.first.Time < int64(s.calls.n)*each {
			j.add(&finding{
				Verdict: event.Verdict{
					Cause: "busy-loop", Count: s.calls.n, Cost: max(s.over-s.calls.first.Time, min(shares[event.SharePeer]+1, 2*(s.over-s.calls.first.Time))),
					Text:     fmt.Sprintf("the process asked %d times in %s whether %s has sent something, and did not wait", s.calls.n, since(s.over-s.calls.first.Time), c.peer()),
					Evidence: evidences(s.calls.first, s.calls.last), Try: []string{"wait in poll() or epoll_wait(), with a timeout that is not 0"},
				},
				at: s.calls.first.Time, until: s.over, task: s.task, conn: c, about: "loop",
			})
		}
		for i, t := range c.tiny {
			const many = 1000
			if t.calls.n < many {
				continue
			}
			v := event.Verdict{Cause: "tiny-writes", Count: t.calls.n, Cost: t.took, Evidence: evidences(t.calls.first, t.calls.last), Try: []string{"a buffer: one write for many"}}
			v.Text = fmt.Sprintf("the process sent %d bytes to %s with %d calls", t.bytes, c.peer(), t.calls.n)
			if i == 1 {
				v.Cause, v.Try = "tiny-reads", []string{"a buffer: one read for many"}
				v.Text = fmt.Sprintf("the process received %d bytes of %s with %d calls", t.bytes, c.peer(), t.calls.n)
				if 2*t.took > shares[event.ShareQueue] {
					v.Cost = max(v.Cost, shares[event.ShareQueue]+1)
				}
			}
			j.add(&finding{Verdict: v, at: t.calls.first.Time, until: t.calls.last.Time, task: c.task, conn: c, about: c.peer()})
		}
	}
}

// storms judges failures that come again without a pause. They explain nothing, so they follow their cause.
func (j *judgement) storms() {
	const many, apart = 20, 100 * millisecond
	var list []*finding
	for _, f := range j.found {
		span := f.until - f.at
		if !f.fails || f.Count < many || span/int64(f.Count) > apart || f.Cause == "udp-receive-overflow" {
			continue
		}
		list = append(list, &finding{
			Verdict: event.Verdict{
				Cause: "retry-storm", Count: f.Count, Cost: span, Conns: f.Conns, Evidence: f.Evidence, Match: f.Match,
				Text: fmt.Sprintf("the process tried the same %d times in %s: %s", f.Count, since(span), f.Text), Try: []string{"wait between attempts, longer each time"},
			},
			at: f.at, until: f.until, task: f.task, conn: f.conn, leak: true,
		})
	}
	j.found = append(j.found, list...)
}

// gap is what a thread did between two calls on sockets, or while it waited for nothing but time.
type gap struct {
	pid, tid uint32
	from, to int64
	spent    [activities]int64
	at       event.Evident
	task     event.Task
}

type activity uint8

const (
	onCPU activity = iota
	ready          // to run, and the CPU was not free
	onDisk
	asleep
	locked
	elsewhere
	activities
)

// maxGaps bounds the gaps that are kept.
const maxGaps = 1 << 13

func (g *Engine) away(a gap) {
	if len(g.gaps) < maxGaps {
		g.gaps = append(g.gaps, a)
	}
}

// gap takes what the scheduler tells (event task:gap).
func (g noter) gap(e *event.Entry, b *event.Kernel) {
	a := gap{pid: e.Task.PID, tid: e.Task.TID, from: e.Time - b.Dur, to: e.Time, task: e.Task.Clone()}
	most, where := int64(0), ""
	for i := range b.Fields {
		f := &b.Fields[i]
		ns := int64(f.Raw)
		what, name := elsewhere, "in "+f.Name
		switch f.Name {
		case "cpu":
			what, name = onCPU, "on the CPU"
		case "ready":
			what, name = ready, "ready to run, and the CPU was not free"
		case "disk":
			what, name = onDisk, "waiting for a disk"
		case "nanosleep", "clock_nanosleep", "poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait", "pause", "rt_sigtimedwait":
			what = asleep
		case "futex", "futex_waitv", "flock", "semop":
			what = locked
		case "other", "asleep":
			name = "asleep"
		}
		a.spent[what] += ns
		if ns > most {
			most, where = ns, name
		}
	}
	a.at = evident(e, event.LayerKrn, since(b.Dur)+" without a call on a socket, "+since(most)+" of it "+where)
	g.away(a)
}

// own judges the time that a command took for itself, between its network activity.
func (j *judgement) own() {
	if !j.command() {
		return
	}
	type window struct {
		first, last int64
		unread      int64
		conn        *conn
	}
	busy := map[uint32]*window{}
	for _, c := range j.list {
		if c.sent+c.received == 0 && c.sends == 0 {
			continue
		}
		w := busy[c.task.PID]
		if w == nil {
			w = &window{first: c.began, conn: c}
			busy[c.task.PID] = w
		}
		w.first, w.last = min(w.first, c.began), max(w.last, c.lastOut, c.lastIn, c.said[0].Time, c.said[1].Time)
		if c.life != nil && c.life.Budget != nil {
			w.unread += c.life.Budget[event.ShareQueue]
		}
	}
	type thread struct {
		spent       [activities]int64
		total       int64
		n           int
		first, most *gap
	}
	threads := map[[2]uint32]*thread{}
	var order [][2]uint32
	for i := range j.gaps {
		a := &j.gaps[i]
		w := busy[a.pid]
		if w == nil || a.from < w.first || a.to > w.last || j.explained(a) {
			continue
		}
		k := [2]uint32{a.pid, a.tid}
		t := threads[k]
		if t == nil {
			t = &thread{first: a, most: a}
			threads[k] = t
			order = append(order, k)
		}
		for what, ns := range a.spent {
			t.spent[what] += ns
			t.total += ns
		}
		t.n++
		if a.to-a.from > t.most.to-t.most.from {
			t.most = a
		}
	}
	for _, k := range order {
		t, w := threads[k], busy[k[0]]
		cost := t.total - w.unread
		if !j.costly(cost) || j.selfish[k[0]] {
			continue
		}
		j.selfish[k[0]] = true
		v := event.Verdict{Cause: "app-waiting", Severity: event.Warning, Cost: cost, Count: t.n, Match: event.MatchExact, Evidence: evidences(t.first.at, t.most.at), Conns: []uint32{w.conn.N}}
		v.Try = []string{"what it does meanwhile: strace -f -p PID, or a profile"}
		what := ""
		most := func(a activity) bool { return 5*t.spent[a] >= 3*t.total }
		switch {
		case most(asleep):
			v.Cause, what = "app-sleeping", "it slept"
			v.Try = []string{"its back-off, its rate limit, its timer"}
		case most(locked):
			v.Cause, what = "app-lock-wait", "it waited for a lock, or for another of its threads (futex)"
			v.Try = []string{"which thread holds it: gdb -p PID -batch -ex 'thread apply all bt'"}
		case most(onCPU):
			v.Cause, what = "app-busy", "it was busy on the CPU"
			v.Try = []string{"a profile: perf top -p PID"}
		case most(onDisk):
			v.Cause, what = "app-disk-wait", "it waited for a disk"
			v.Try = []string{"the disk: iostat -x 1"}
		case most(ready):
			what = "it was ready to run, and the CPU was not free"
			v.Try = []string{"what else runs: top"}
		default:
			what = "it did not wait for the network"
		}
		v.Text = fmt.Sprintf("the process itself took %s between its network calls: %s", since(cost), what)
		j.found = append(j.found, &finding{Verdict: v, at: t.first.from, until: t.most.to, task: t.first.task, conn: w.conn})
	}
}

// explained reports whether a thread did something else because something had failed, until it worked.
func (j *judgement) explained(a *gap) bool {
	for _, f := range j.found {
		if f.fails && f.task.PID == a.pid && a.from >= f.at-millisecond && a.to <= f.over+10*millisecond {
			return true
		}
	}
	return false
}

// silence is the longest time in which nothing was recorded.
type silence struct {
	from, to event.Evident
}

// unexplained notes a long wait of a command that no verdict explains.
func (j *judgement) unexplained() {
	const long = second
	q := &j.quiet
	took := q.to.Time - q.from.Time
	if !j.command() || took < long || !j.costly(took) || len(j.list) == 0 {
		return
	}
	for _, f := range j.found {
		if f.Severity != event.Info {
			return
		}
	}
	for i := range j.gaps {
		if a := &j.gaps[i]; 2*(min(a.to, q.to.Time)-max(a.from, q.from.Time)) > took {
			return // what the thread did then is known
		}
	}
	for _, c := range j.list {
		if c.stream && c.life != nil {
			return // an answer that goes on: its pauses are explained
		}
	}
	j.found = append(j.found, &finding{
		Verdict: event.Verdict{
			Cause: "unexplained", Severity: event.Info, Cost: took, Count: 1, Match: event.MatchExact,
			Text: fmt.Sprintf("%s have no explanation, mostly between these lines", since(took)), Evidence: evidences(q.from, q.to),
		},
		at: q.from.Time, until: q.to.Time, task: j.list[0].task,
	})
}
