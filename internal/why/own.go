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
	// pause between two calls: a thread that does something else meanwhile does not spin.
	pause = 5 * millisecond
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
	case t.end != 0 && e.Time-t.end < pause:
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
		if s := &c.spun; s.calls.n >= 1000 {
			j.add(&finding{
				Verdict: event.Verdict{
					Cause: "busy-loop", Count: s.calls.n, Cost: s.over - s.calls.first.Time,
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
