package jsonl

import (
	"strconv"

	"github.com/pidwire/pidwire/internal/event"
)

// verdict appends the fields of a verdict.
func (s *Sink) verdict(b *event.Verdict) {
	if b.Rank > 0 {
		s.raw(`,"rank":`).int(int64(b.Rank))
	}
	s.raw(`,"cause":`).str(b.Cause).raw(`,"severity":"`).raw(b.Severity.String()).raw(`"`)
	if len(b.Conns) > 0 {
		s.raw(`,"conn":"c`).uint(uint64(b.Conns[0])).raw(`","conns":[`)
		for i, n := range b.Conns {
			s.sep(i).raw(`"c`).uint(uint64(n)).raw(`"`)
		}
		s.raw("]")
	}
	s.raw(`,"match":"`).raw(b.Match.String()).raw(`"`)
	if b.Cost > 0 {
		s.raw(`,"cost_ns":`).int(b.Cost).raw(`,"share":`)
		s.b = strconv.AppendFloat(s.b, b.Share, 'f', 3, 64)
	}
	s.raw(`,"count":`).int(int64(b.Count)).raw(`,"text":`).str(b.Text).raw(`,"evidence":[`)
	for i := range b.Evidence {
		v := &b.Evidence[i]
		s.sep(i).raw(`{"layer":"`).raw(v.Layer.String()).raw(`","seq":`).uint(v.Seq).raw(`,"t_ns":`).int(v.Time - s.o.Start)
		if v.Conn != 0 {
			s.raw(`,"conn":"c`).uint(uint64(v.Conn)).raw(`"`)
		}
		s.raw(`,"text":`).str(v.Text).raw("}")
	}
	s.raw("]")
	if len(b.Try) > 0 {
		s.raw(`,"try":[`)
		for i, t := range b.Try {
			s.sep(i).str(t)
		}
		s.raw("]")
	}
	if len(b.Missing) > 0 {
		s.raw(`,"missing":[`)
		for i, l := range b.Missing {
			s.sep(i).raw(`"`).raw(l.String()).raw(`"`)
		}
		s.raw("]")
	}
}

func (s *Sink) sep(i int) *Sink {
	if i > 0 {
		s.raw(",")
	}
	return s
}
