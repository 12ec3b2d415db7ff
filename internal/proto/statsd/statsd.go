// Package statsd reads metrics in the format of StatsD (https://github.com/statsd/statsd/blob/master/docs/metric_types.md) and of
// DogStatsD, which also has events and checks of services. Values and tags are not shown.
package statsd

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
)

// Protocol is StatsD on datagrams.
var Protocol = &proto.Protocol{
	Name: "statsd", Title: "StatsD",
	Ports:  []uint16{8125},
	Detect: detect,
	New:    func(*proto.Conv) proto.Parser { return &parser{} },
	Keys:   []*event.Key{keyCount, keyMetric},
}

var (
	keyCount  = &event.Key{Name: "statsd.metrics.count", Label: "lines", Form: event.FormInt}
	keyMetric = &event.Key{Name: "statsd.metrics.names", Form: event.FormQuiet, Many: true}
)

const (
	// maxMetrics bounds the different metrics that a message names, maxName their length.
	maxMetrics = 16
	maxName    = 120
)

// detect is certain if the first line is a metric to its end.
func detect(h *proto.Hint) proto.Verdict {
	if h.Stream || !metrics(h.Begin()) {
		return proto.No
	}
	return proto.Sure
}

// metrics reports whether a datagram begins with a metric, of which its end is known.
func metrics(b []byte) bool {
	line, _, _ := bytes.Cut(b, []byte("\n"))
	_, _, ok := metric(line)
	return ok
}

// metric reads a line: NAME:VALUE[:VALUE]|TYPE[|...], _e{LENGTH,LENGTH}:TITLE|TEXT or _sc|NAME|STATUS.
func metric(line []byte) (kind string, name []byte, ok bool) {
	if rest, event := bytes.CutPrefix(line, []byte("_e{")); event {
		sizes, text, ok := bytes.Cut(rest, []byte("}:"))
		a, b, two := bytes.Cut(sizes, []byte(","))
		n, err := strconv.Atoi(string(a[:min(len(a), 6)]))
		if !ok || !two || err != nil || n < 0 || n >= len(text) || text[n] != '|' || !value(b) {
			return "", nil, false
		}
		return "event", text[:n], true
	}
	if rest, check := bytes.CutPrefix(line, []byte("_sc|")); check {
		name, status, ok := bytes.Cut(rest, []byte("|"))
		return "check", name, ok && isName(name) && len(status) > 0 && status[0] >= '0' && status[0] <= '3'
	}
	name, rest, ok := bytes.Cut(line, []byte(":"))
	if !ok || !isName(name) {
		return "", nil, false
	}
	values, rest, ok := bytes.Cut(rest, []byte("|"))
	word, _, _ := bytes.Cut(bytes.TrimRight(rest, "\r"), []byte("|"))
	if !ok {
		return "", nil, false
	}
	switch string(word) {
	case "c", "m":
		kind = "counter"
	case "g":
		kind = "gauge"
	case "ms":
		kind = "timer"
	case "h":
		kind = "histogram"
	case "d":
		kind = "distribution"
	case "s":
		return "set", name, true // a value may be anything
	default:
		return "", nil, false
	}
	for more := true; more; {
		var v []byte
		if v, values, more = bytes.Cut(values, []byte(":")); !value(v) {
			return "", nil, false
		}
	}
	return kind, name, true
}

// isName reports whether b can be the name of a metric.
func isName(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c > '~' || c == '|' || c == '@' || c == '"' || c == '{' {
			return false
		}
	}
	return len(b) > 0
}

// value reports whether b is a number.
func value(b []byte) bool {
	const most = 40
	if len(b) == 0 || len(b) > most {
		return false
	}
	for i, c := range b {
		if (c < '0' || c > '9') && c != '.' && c != 'e' && c != 'E' && (c != '-' && c != '+' || i > 0 && b[i-1]|0x20 != 'e') {
			return false
		}
	}
	return true
}

type parser struct{ proto.Base }

func (p *parser) Packet(c *proto.Conv, d proto.Dir, b []byte, size int64) bool {
	if !metrics(b) {
		return false
	}
	m := c.Message(event.MessageNotice, d)
	m.Bytes = size
	cut := int64(len(b)) < size
	lines := int64(0)
	m.Fields = append(c.Fields(1+maxMetrics), event.Field{Key: keyCount})
	for len(b) > 0 {
		line, rest, whole := bytes.Cut(b, []byte("\n"))
		if b = rest; len(line) == 0 || cut && !whole {
			continue
		}
		lines++
		kind, name, ok := metric(line)
		if !ok || len(m.Fields) > maxMetrics {
			continue
		}
		what := kind + " " + proto.Text(name[:min(len(name), maxName)])
		if !slices.ContainsFunc(m.Fields, func(f event.Field) bool { return f.Text == what }) {
			m.Fields = append(m.Fields, event.Field{Key: keyMetric, Text: what})
		}
	}
	m.Fields[0].Num = lines
	if lines == 0 {
		m.Text = "metrics"
		c.Emit(m)
		return true
	}
	switch n := len(m.Fields) - 1; n {
	case 1:
		m.Text = m.Fields[1].Text
		if m.Group = m.Text; strings.HasPrefix(m.Text, "event ") {
			m.Group = "event" // its title is written for people
		}
	default:
		m.Text = m.Fields[1].Text + " and " + strconv.Itoa(n-1) + " more"
		m.Group = "several metrics"
	}
	c.Emit(m)
	return true
}
