// Package versus says what is different between two runs of the same: a good one and a bad one, phase by phase.
package versus

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink/clean"
	"github.com/pidwire/pidwire/internal/sink/notation"
)

// Run is a sink that keeps what is compared of a timeline.
type Run struct {
	name     string
	exe      string
	begin    int64 // ns since the epoch
	end      int64
	ran      int64 // the command replaced what started it
	root     event.Proc
	exited   bool
	status   uint32
	budget   event.Budget
	conns    int
	resent   int // segments that were sent again
	asks     int // look-ups
	groups   map[string]*group
	verdicts []*event.Verdict
	lost     [event.Layers]uint64
}

// group counts exchanges of a kind.
type group struct {
	n      int
	took   int64
	failed int
}

const (
	maxGroups   = 256
	maxVerdicts = 64
	maxName     = 100 // bytes of a name that is kept
)

// New returns a sink for one run; name says which one it is.
func New(name string) *Run { return &Run{name: name, groups: map[string]*group{}} }

// Write takes what is compared of an entry.
func (r *Run) Write(e *event.Entry) error {
	if r.begin == 0 || e.Time < r.begin {
		r.begin = e.Time
	}
	r.end = max(r.end, e.Time)
	switch b := e.Body.(type) {
	case *event.Process:
		r.process(e, b)
	case *event.Message:
		r.message(b)
	case *event.Kernel:
		if b.What == event.KernelEvent && b.Name == "tcp:retransmit" {
			r.resent++
		}
	case *event.Verdict:
		if b.Severity != event.Info && len(r.verdicts) < maxVerdicts {
			r.verdicts = append(r.verdicts, e.Clone().Body.(*event.Verdict))
		}
	case *event.Lost:
		r.lost[max(b.Layer, event.LayerSys)] += b.Count
	}
	return nil
}

func (r *Run) process(e *event.Entry, b *event.Process) {
	switch {
	case b.What == event.Exec && (r.root.PID == 0 || r.root.PID == e.Task.PID):
		r.root, r.ran = e.Task.Proc, e.Time
		r.exe = strings.Clone(b.Exe[max(0, len(b.Exe)-maxName):])
	case b.What == event.Exit && e.Task.PID == r.root.PID && e.Task.TID == e.Task.PID:
		r.exited, r.status, r.end = true, b.Code, e.Time
	}
}

func (r *Run) message(m *event.Message) {
	if m.Proto == "conn" {
		r.conns++
		if m.Budget != nil {
			for i, ns := range m.Budget {
				r.budget[i] += ns
			}
		}
		return
	}
	if m.Proto == "dns" && m.Kind == event.MessageRequest && m.Dir == event.DirOut {
		r.asks++
	}
	if m.Kind != event.MessageAnswer || m.Group == "" || m.Part == event.Head {
		return
	}
	k := m.Title + " " + m.Group[:min(len(m.Group), maxName)]
	g := r.groups[k]
	if g == nil {
		if len(r.groups) >= maxGroups {
			return
		}
		g = &group{}
		r.groups[strings.Clone(k)] = g
	}
	g.n++
	g.took += m.Took
	if m.Error != "" {
		g.failed++
	}
}

// Flush does nothing.
func (r *Run) Flush() error { return nil }

// Close does nothing: Compare writes.
func (r *Run) Close() error { return nil }

// took returns the time of the run, in ns: of its command, if it is one.
func (r *Run) took() int64 {
	if r.ran != 0 {
		return r.end - r.ran
	}
	return r.end - r.begin
}

// Problems returns the number of problems of a run.
func (r *Run) Problems() int { return len(r.verdicts) }

// phases are the shares of time in words.
var phases = [event.Shares]string{
	event.ShareName: "look-up of names", event.ShareConnect: "connecting", event.ShareTLS: "TLS", event.ShareSend: "sending", event.ShareNetwork: "round trips",
	event.SharePeer: "the server", event.ShareTransfer: "transfer", event.ShareQueue: "received, not read", event.ShareOwn: "the program itself", event.ShareIdle: "idle connections",
	event.ShareUnknown: "not divided",
}

// difference is a line of the comparison.
type difference struct {
	weight int64 // ns
	text   string
}

// Compare writes what is different in the second run, the largest difference first.
func Compare(w io.Writer, good, bad *Run) error {
	var b []byte
	for i, r := range []*Run{good, bad} {
		b = fmt.Appendf(b, "%-5s %s  %s", [...]string{"good", "bad"}[i], clean.Text(r.name), notation.AppendDuration(nil, r.took()))
		if r.exited {
			b = fmt.Appendf(b, "  exit %d", r.status)
		}
		b = append(append(append(b, "  "...), clean.Text(r.exe)...), '\n')
	}
	if good.exe != bad.exe {
		b = append(b, "      these are not runs of the same program\n"...)
	}
	var list []difference
	for i := range bad.budget {
		was, is := good.budget[i], bad.budget[i]
		if d := is - was; notable(d, good, bad) && event.Share(i) != event.ShareIdle {
			list = append(list, difference{abs(d), fmt.Sprintf("%s  %s: %s, was %s", signed(d), phases[i], notation.AppendDuration(nil, is), notation.AppendDuration(nil, was))})
		}
	}
	var divided int64
	for i := range bad.budget {
		divided += bad.budget[i] - good.budget[i]
	}
	if d := bad.took() - good.took() - divided; notable(d, good, bad) {
		list = append(list, difference{abs(d), signed(d) + "  between and beside the connections"})
	}
	for k, g := range bad.groups {
		was := good.groups[k]
		switch {
		case was == nil:
			list = append(list, difference{g.took, fmt.Sprintf("%12s  %s: %s, the good run has none", "new", clean.Text(k), g)})
		case notable(g.took-was.took, good, bad) || g.n != was.n || g.failed != was.failed:
			list = append(list, difference{abs(g.took - was.took), fmt.Sprintf("%s  %s: %s, was %s", signed(g.took-was.took), clean.Text(k), g, was)})
		}
	}
	for k, g := range good.groups {
		if bad.groups[k] == nil {
			list = append(list, difference{g.took, fmt.Sprintf("%12s  %s: was %s", "missing", clean.Text(k), g)})
		}
	}
	slices.SortFunc(list, func(a, b difference) int {
		return cmp.Or(cmp.Compare(b.weight, a.weight), cmp.Compare(a.text, b.text))
	})
	const most = 20
	for _, d := range list[:min(len(list), most)] {
		b = append(append(b, d.text...), '\n')
	}
	for _, c := range []struct {
		what    string
		was, is int
	}{{"connections", good.conns, bad.conns}, {"look-ups", good.asks, bad.asks}, {"segments sent again", good.resent, bad.resent}} {
		if c.was != c.is {
			b = fmt.Appendf(b, "%+12d  %s: %d, was %d\n", c.is-c.was, c.what, c.is, c.was)
		}
	}
	b = causes(b, good, bad)
	for l := range bad.lost {
		if n := good.lost[l] + bad.lost[l]; n > 0 {
			b = fmt.Appendf(b, "!   lost %d events of layer %s: what was not seen there proves nothing\n", n, event.Layer(l))
		}
	}
	if len(list) == 0 && len(bad.verdicts) == 0 {
		b = append(b, "no difference worth a line\n"...)
	}
	_, err := w.Write(b)
	return err
}

// causes appends the verdicts that only one of the runs has.
func causes(b []byte, good, bad *Run) []byte {
	has := func(r *Run, v *event.Verdict) bool {
		return slices.ContainsFunc(r.verdicts, func(o *event.Verdict) bool { return o.Cause == v.Cause })
	}
	for _, v := range bad.verdicts {
		label := "!   "
		if has(good, v) {
			label = "    in both: "
		}
		b = fmt.Appendf(b, "%s%s: %s\n", label, v.Cause, clean.Text(v.Text))
	}
	for _, v := range good.verdicts {
		if !has(bad, v) {
			b = fmt.Appendf(b, "    only in the good run: %s: %s\n", v.Cause, clean.Text(v.Text))
		}
	}
	return b
}

// notable reports whether a difference of time is worth a line: a twentieth of the longer run, and 5 ms.
func notable(d int64, good, bad *Run) bool {
	return abs(d) >= 5_000_000 && 20*abs(d) >= max(good.took(), bad.took())
}

func (g *group) String() string {
	s := fmt.Sprintf("%d in %s", g.n, notation.AppendDuration(nil, g.took))
	if g.failed > 0 {
		s += fmt.Sprintf(", %d failed", g.failed)
	}
	return s
}

func abs(n int64) int64 { return max(n, -n) }

// signed returns a difference of time with its sign, right-aligned.
func signed(ns int64) string {
	sign := "+"
	if ns < 0 {
		sign = "-"
	}
	return fmt.Sprintf("%12s", sign+string(notation.AppendDuration(nil, abs(ns))))
}
