// Package verdicts writes the verdicts of a timeline for a person: the causes by rank, each with its evidence and with
// what would help, then what is harmless, and how the time was spent.
package verdicts

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink/clean"
	"github.com/pidwire/pidwire/internal/sink/notation"
)

// Options control the lines.
type Options struct {
	Start    int64 // ns since the epoch: the zero of times
	Markdown bool  // for the report of an issue
}

// Sink writes verdicts to w when it is closed.
type Sink struct {
	w    io.Writer
	o    Options
	list []*event.Verdict
	life event.Budget // of all connections
	lost [event.Layers]uint64
}

// New returns a sink that writes to w.
func New(w io.Writer, o Options) *Sink { return &Sink{w: w, o: o} }

// most is how many verdicts are written.
const most = 100

// Write takes the verdicts, and the budgets of connections.
func (s *Sink) Write(e *event.Entry) error {
	switch b := e.Body.(type) {
	case *event.Verdict:
		if len(s.list) < most {
			s.list = append(s.list, e.Clone().Body.(*event.Verdict))
		}
	case *event.Lost:
		s.lost[b.Layer] += b.Count
	case *event.Message:
		if b.Proto == "conn" && b.Budget != nil {
			for i, ns := range b.Budget {
				s.life[i] += ns
			}
		}
	}
	return nil
}

// Flush does nothing: the order is known at the end only.
func (s *Sink) Flush() error { return nil }

// Close writes everything.
func (s *Sink) Close() error {
	var b []byte
	if s.o.Markdown {
		_, err := s.w.Write(s.markdown())
		return err
	}
	problems := 0
	for _, v := range s.list {
		if v.Severity != event.Info {
			problems++
			b = s.problem(b, v)
		}
	}
	if problems == 0 {
		b = append(b, "ok  no problem seen\n"...)
	}
	for _, v := range s.list {
		if v.Severity == event.Info {
			b = append(b, "-   harmless: "...)
			b = append(clean.AppendText(b, v.Text), '\n')
		}
	}
	for l, n := range s.lost {
		if n > 0 {
			b = fold(b, "!   ", fmt.Sprintf("lost %d events of layer %s: what was not seen there proves nothing", n, event.Layer(l)))
		}
	}
	b = s.time(b)
	_, err := s.w.Write(b)
	return err
}

// width is that of lines on a terminal.
const width = 80

func (s *Sink) problem(b []byte, v *event.Verdict) []byte {
	b = append(b, "!   "...)
	head := v.Cause
	if v.Cost > 0 {
		head += ", " + string(notation.AppendDuration(nil, v.Cost))
		if v.Share > 0 {
			head += fmt.Sprintf(" (%.0f %% of the time)", 100*v.Share)
		}
	}
	if v.Count > 1 {
		head += ", " + strconv.Itoa(v.Count) + " times"
	}
	if len(v.Conns) > 0 {
		head += "  c" + strconv.Itoa(int(v.Conns[0]))
		if n := len(v.Conns); n > 1 {
			head += fmt.Sprintf(" and %d more", n-1)
		}
	}
	b = append(append(b, head...), '\n')
	b = fold(b, "    ", clean.Text(v.Text))
	for i := range v.Evidence {
		e := &v.Evidence[i]
		at := strconv.FormatFloat(float64(e.Time-s.o.Start)/1e9, 'f', 6, 64)
		label := "              "
		if i == 0 {
			label = "    evidence  "
		}
		b = fold(b, label, fmt.Sprintf("%s %s #%d  %s", at, e.Layer, e.Seq, clean.Text(e.Text)))
	}
	for i, t := range v.Try {
		label := "              "
		if i == 0 {
			label = "    try       "
		}
		b = fold(b, label, clean.Text(t))
	}
	if len(v.Missing) > 0 {
		var names []string
		for _, l := range v.Missing {
			names = append(names, l.String())
		}
		b = fold(b, "    missing   ", "layers "+strings.Join(names, ", ")+" would make it more certain")
	}
	return b
}

// markdown returns everything in Markdown. Text from outside is in code spans, in which nothing has a meaning.
func (s *Sink) markdown() []byte {
	var b []byte
	code := func(text string) string {
		return "`` " + strings.ReplaceAll(clean.Text(text), "``", "` `") + " ``"
	}
	problems := 0
	for _, v := range s.list {
		if v.Severity == event.Info {
			continue
		}
		problems++
		b = fmt.Appendf(b, "### %d. %s\n\n%s\n\n", problems, v.Cause, code(v.Text))
		if v.Cost > 0 {
			b = fmt.Appendf(b, "- cost: %s, %.0f %% of the time\n", notation.AppendDuration(nil, v.Cost), 100*v.Share)
		}
		if v.Count > 1 {
			b = fmt.Appendf(b, "- %d times\n", v.Count)
		}
		for i := range v.Evidence {
			e := &v.Evidence[i]
			b = fmt.Appendf(b, "- evidence: %.6f %s #%d %s\n", float64(e.Time-s.o.Start)/1e9, e.Layer, e.Seq, code(e.Text))
		}
		for _, t := range v.Try {
			b = fmt.Appendf(b, "- try: %s\n", code(t))
		}
		b = append(b, '\n')
	}
	if problems == 0 {
		b = append(b, "No problem seen.\n\n"...)
	}
	for _, v := range s.list {
		if v.Severity == event.Info {
			b = fmt.Appendf(b, "- harmless: %s\n", code(v.Text))
		}
	}
	for l, n := range s.lost {
		if n > 0 {
			b = fmt.Appendf(b, "- lost %d events of layer %s: what was not seen there proves nothing\n", n, event.Layer(l))
		}
	}
	if t := s.time(nil); len(t) > 0 {
		b = fmt.Appendf(b, "\n```\n%s```\n", t)
	}
	return b
}

// fold appends words in lines of at most width bytes, indented.
func fold(b []byte, label, text string) []byte {
	column := len(label)
	b = append(b, label...)
	used := column
	for i, word := range strings.Fields(text) {
		if i > 0 && used+1+len(word) > width {
			b = append(b, '\n')
			for range column {
				b = append(b, ' ')
			}
			used = column
		} else if i > 0 {
			b = append(b, ' ')
			used++
		}
		b = append(b, word...)
		used += len(word)
	}
	return append(b, '\n')
}

// time appends what the time of all connections was spent on.
func (s *Sink) time(b []byte) []byte {
	var total int64
	for _, ns := range s.life {
		total += ns
	}
	if total == 0 {
		return b
	}
	b = append(b, "time"...)
	used := 4
	for i, ns := range s.life {
		if 200*ns < total { // less than half a percent
			continue
		}
		part := fmt.Sprintf("  %s %s (%.0f %%)", event.Share(i), notation.AppendDuration(nil, ns), 100*float64(ns)/float64(total))
		if used+len(part) > width {
			b = append(b, "\n    "...)
			used = 4
		}
		b = append(b, part...)
		used += len(part)
	}
	return append(b, '\n')
}
