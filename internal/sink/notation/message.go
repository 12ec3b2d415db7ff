package notation

import (
	"strconv"
	"strings"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink/clean"
)

// AppendMessage appends a message: > HTTP GET /  host=localhost:18090, or < HTTP 200  text/html 187 B. What
// takes more than one entry is shown as ... in the first and at the beginning of the last.
func AppendMessage(b []byte, m *event.Message, o *Options) []byte {
	switch m.Dir {
	case event.DirIn:
		b = append(b, "< "...)
	case event.DirOut:
		b = append(b, "> "...)
	default:
		b = append(b, "  "...)
	}
	b = append(b, m.Title...)
	if m.Part == event.Rest {
		b = append(b, " ..."...)
	}
	if m.Text != "" {
		b = append(b, ' ')
		if o.Style != nil {
			b = append(b, o.Style.Name...)
		}
		b = clean.AppendText(b, limited(m.Text, o))
		if o.Style != nil {
			b = append(b, reset...)
		}
	}
	if m.Part == event.Head {
		b = append(b, " ..."...)
	}
	gap := "  "
	for i := range m.Fields {
		f := &m.Fields[i]
		if f.Form.Quiet() || f.Form == event.FormBool && f.Num == 0 {
			continue
		}
		b = append(b, gap...)
		gap = " "
		if f.Label != "" {
			b = append(b, f.Label...)
			if f.Form == event.FormBool {
				continue
			}
			b = append(b, '=')
		}
		b = appendField(b, f, o)
	}
	return b
}

// mostText is how much of a text in a message is shown without -v, at least.
const mostText = 200

// limited returns the part of a text that is shown.
func limited(s string, o *Options) string {
	most := max(mostText, o.StrLen)
	if o.Verbose || len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

func appendField(b []byte, f *event.Field, o *Options) []byte {
	switch f.Form {
	case event.FormBytes:
		return AppendBytes(b, f.Num)
	case event.FormNS:
		return AppendSpan(b, f.Num)
	case event.FormInt, event.FormBool, event.FormCount:
		return strconv.AppendInt(b, f.Num, 10)
	}
	return clean.AppendText(b, limited(f.Text, o))
}

// AppendBytes appends a size: 187 B, 10.5 KiB, with three digits at most before the unit changes.
func AppendBytes(b []byte, n int64) []byte {
	if n < 0 {
		return append(b, '?')
	}
	if n < 1024 {
		return append(strconv.AppendInt(b, n, 10), " B"...)
	}
	v := float64(n)
	unit := -1
	for v >= 1023.5 && unit < 5 {
		v /= 1024
		unit++
	}
	return append(append(appendThree(b, v), ' '), [...]string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}[unit]...)
}

// AppendSpan appends a time in three digits: 4.5 ms, 12 us, 1.25 s.
func AppendSpan(b []byte, ns int64) []byte {
	if ns < 0 {
		b = append(b, '-')
		ns = -ns
	}
	v, unit := float64(ns), "ns"
	for _, u := range [...]string{"us", "ms", "s"} {
		if v < 999.5 {
			break
		}
		v /= 1000
		unit = u
	}
	if unit == "ns" {
		b = strconv.AppendInt(b, ns, 10)
	} else {
		b = appendThree(b, v)
	}
	return append(append(b, ' '), unit...)
}

// appendThree appends a number in at most three digits, or more if it has more before the point, without zeros at its end.
func appendThree(b []byte, v float64) []byte {
	decimals := 2
	switch {
	case v >= 99.95:
		decimals = 0
	case v >= 9.995:
		decimals = 1
	}
	b = strconv.AppendFloat(b, v, 'f', decimals, 64)
	if decimals > 0 {
		for b[len(b)-1] == '0' {
			b = b[:len(b)-1]
		}
		if b[len(b)-1] == '.' {
			b = b[:len(b)-1]
		}
	}
	return b
}

// AppendTook appends the time that an answer took, and what it was spent on: 4.5 ms: peer 4.4 ms. Shares below a twentieth
// are left out, unless all is set.
func AppendTook(b []byte, m *event.Message, all bool) []byte {
	b = AppendSpan(b, m.Took)
	if m.Budget == nil {
		return b
	}
	sep := ": "
	for _, s := range order(m.Budget) {
		n := m.Budget[s]
		if n <= 0 || !all && n*20 < m.Took {
			continue
		}
		name := s.String()
		if s == event.SharePeer && m.Dir == event.DirIn {
			name = "server"
		}
		b = append(append(append(b, sep...), name...), ' ')
		b = AppendSpan(b, n)
		switch {
		case s == event.ShareNetwork && m.Resent > 0:
			b = append(AppendSpan(append(b, " (retransmission "...), m.Resent), ')')
		case s == event.ShareQueue && m.Shut > 0:
			b = append(AppendSpan(append(b, " (window closed "...), m.Shut), ')')
		}
		sep = ", "
	}
	return b
}

// order returns the shares of a budget, the largest first.
func order(g *event.Budget) (list [event.Shares]event.Share) {
	for s := range event.Shares {
		i := int(s)
		for ; i > 0 && g[list[i-1]] < g[s]; i-- {
			list[i] = list[i-1]
		}
		list[i] = s
	}
	return list
}
