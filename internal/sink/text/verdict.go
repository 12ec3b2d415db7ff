package text

import (
	"strconv"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink/clean"
	"github.com/pidwire/pidwire/internal/sink/notation"
)

// AppendVerdict appends a verdict in one line: dns-silent: 10.0.0.53 answered none of 2 queries for api.test (5.01 s).
func AppendVerdict(b []byte, v *event.Verdict) []byte {
	b = append(append(b, v.Cause...), ": "...)
	b = clean.AppendText(b, v.Text)
	if v.Count > 1 {
		b = strconv.AppendInt(append(b, ", "...), int64(v.Count), 10)
		b = append(b, " times"...)
	}
	if v.Cost > 0 {
		b = append(notation.AppendDuration(append(b, " ("...), v.Cost), ')')
	}
	return b
}
