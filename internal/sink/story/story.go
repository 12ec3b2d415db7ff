// Package story writes what a person wants to know first: look-ups, connections, handshakes, exchanges and their ends, and
// failures, a line each. Lines that repeat are folded.
//
//	0.062528 curl[29269]  c5  HTTP GET / localhost:18090 -> 200  text/html 187 B  # 4.5 ms: server 4.4 ms
package story

import (
	"io"
	"net/netip"
	"strconv"
	"strings"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink/clean"
	"github.com/pidwire/pidwire/internal/sink/notation"
	"github.com/pidwire/pidwire/internal/sink/text"
)

// Options control the lines.
type Options struct {
	Notation notation.Options
	Start    int64 // ns since the epoch: the zero of times
}

// Sink writes lines to w. It is buffered.
type Sink struct {
	w   io.Writer
	o   Options
	b   []byte
	err error

	conns   map[uint32]*conn    // by Conn.N
	asked   map[uint64]*request // by exchange
	order   []uint64            // of asked, the oldest first
	lookups []*lookup           // not written yet
	last    []folded
}

// maxConns and maxAsked bound the tables: what is beyond them is written without what it belongs to.
const (
	maxConns = 1 << 14
	maxAsked = 1 << 14
	flushAt  = 32 << 10
)

// conn is what was said of a connection.
type conn struct {
	connect   int64 // when connect was called; 0: not yet
	connected bool
	failed    bool // its failure has been written
}

// request is a request that waits for its answer.
type request struct {
	text string
	host string
}

// lookup is a look-up of a name: queries of several types, for the names of a search list.
type lookup struct {
	at      event.Entry // of the first query; without a body
	base    string      // the name that was asked for
	name    string      // the name of the last query
	began   int64
	end     int64
	queries int
	open    int // without an answer
	answers []string
	codes   []string // of the last name, other than success
	steps   []string // names before the last one
}

// folded is a line that is not written yet, with how often it came.
type folded struct {
	key   string
	head  []byte
	body  []byte
	all   []byte // what is written instead of body if it came more than once
	note  []byte // of the first one
	count int
	least int64 // ns
	most  int64
	timed bool
}

// window is how many different lines may come between two that are folded.
const window = 12

// New returns a sink that writes to w.
func New(w io.Writer, o Options) *Sink {
	return &Sink{w: w, o: o, conns: map[uint32]*conn{}, asked: map[uint64]*request{}}
}

// Write handles an entry.
func (s *Sink) Write(e *event.Entry) error {
	if s.err != nil {
		return s.err
	}
	s.settle(e)
	e.Visit(teller{s})
	if len(s.b) > flushAt {
		return s.write()
	}
	return nil
}

// Flush writes what there is.
func (s *Sink) Flush() error {
	s.unfold(len(s.last))
	return s.write()
}

func (s *Sink) write() error {
	if len(s.b) > 0 && s.err == nil {
		_, s.err = s.w.Write(s.b)
		s.b = s.b[:0]
	}
	return s.err
}

// Close writes the rest.
func (s *Sink) Close() error {
	for len(s.lookups) > 0 {
		s.looked(s.lookups[0])
		s.lookups = s.lookups[1:]
	}
	return s.Flush()
}

// Held returns the numbers of connections, requests and look-ups that are kept.
func (s *Sink) Held() (conns, asked, lookups int) { return len(s.conns), len(s.asked), len(s.lookups) }

// conn returns what is kept of an entry's connection; nil if there is no room.
func (s *Sink) conn(e *event.Entry) *conn {
	if e.Conn == nil {
		return nil
	}
	c := s.conns[e.Conn.N]
	if c == nil {
		if len(s.conns) >= maxConns {
			return nil
		}
		c = &conn{}
		s.conns[e.Conn.N] = c
	}
	return c
}

// head returns the columns of a line.
func (s *Sink) head(e *event.Entry, at int64) []byte {
	b := appendTime(nil, at-s.o.Start)
	if e.Slack >= 1_000_000 {
		b = append(b, '~')
	} else {
		b = append(b, ' ')
	}
	from := len(b)
	if e.Task.PID != 0 {
		switch e.Match {
		case event.MatchInherited, event.MatchShared:
			b = append(b, '~')
		case event.MatchGuess:
			b = append(b, '?')
		}
		b = clean.AppendName(b, e.Task.Comm)
		b = append(strconv.AppendUint(append(b, '['), uint64(e.Task.PID), 10), ']')
	}
	b = pad(b, from, 14)
	b = append(b, "  "...)
	from = len(b)
	if e.Conn != nil {
		b = strconv.AppendUint(append(b, 'c'), uint64(e.Conn.N), 10)
	} else {
		b = append(b, '-')
	}
	return append(pad(b, from, 3), "  "...)
}

func pad(b []byte, from, width int) []byte {
	for len(b)-from < width {
		b = append(b, ' ')
	}
	return b
}

// appendTime appends seconds, right-aligned.
func appendTime(b []byte, ns int64) []byte {
	sign := ""
	if ns < 0 {
		sign, ns = "-", -ns
	}
	us := strconv.FormatInt(ns/1000%1_000_000, 10)
	n := sign + strconv.FormatInt(ns/1_000_000_000, 10) + "." + strings.Repeat("0", 6-len(us)) + us
	return append(append(b, strings.Repeat(" ", max(0, 11-len(n)))...), n...)
}

// line is what is written about an entry.
type line struct {
	key   string // lines with the same key are folded; empty: this one is not
	body  []byte
	all   []byte // instead of body, if it is folded; nil: body
	note  []byte
	timed bool // took is a time
	took  int64
}

// say writes a line at a time, or counts it if it is like one of the last ones of the same process.
func (s *Sink) say(e *event.Entry, at int64, l line) {
	if l.key != "" {
		l.key = strconv.FormatUint(uint64(e.Task.PID), 10) + " " + l.key
		for i := range s.last {
			if f := &s.last[i]; f.key == l.key {
				f.count++
				f.least, f.most = min(f.least, l.took), max(f.most, l.took)
				return
			}
		}
	}
	if len(s.last) == window {
		s.unfold(1)
	}
	s.last = append(s.last, folded{key: l.key, head: s.head(e, at), body: l.body, all: l.all, note: l.note, count: 1, least: l.took, most: l.took, timed: l.timed})
}

// unfold writes the first n of the last lines.
func (s *Sink) unfold(n int) {
	for i := range s.last[:n] {
		f := &s.last[i]
		s.b = append(s.b, f.head...)
		if f.count == 1 || f.all == nil {
			s.b = append(s.b, f.body...)
		} else {
			s.b = append(s.b, f.all...)
		}
		switch {
		case f.count > 1:
			s.b = strconv.AppendInt(append(s.b, "  x "...), int64(f.count), 10)
			if f.timed {
				s.b = notation.AppendSpan(append(s.b, ", "...), f.least)
				s.b = notation.AppendSpan(append(s.b, " .. "...), f.most)
			}
		case len(f.note) > 0:
			s.b = append(append(s.b, "  # "...), f.note...)
		}
		s.b = append(s.b, '\n')
	}
	s.last = append(s.last[:0], s.last[n:]...)
}

// peer appends the other end of a connection: name:port (address).
func peer(b []byte, c *event.Conn) []byte {
	if c == nil {
		return b
	}
	switch {
	case c.Path != "" && c.Path[0] == 0:
		return clean.AppendText(append(b, '@'), c.Path[1:])
	case c.Path != "":
		return clean.AppendText(b, c.Path)
	case !c.Peer.IsValid():
		return append(b, '?')
	}
	return text.AppendPeer(b, c, netip.AddrPortFrom(c.Peer.Addr().Unmap(), c.Peer.Port()))
}

// appendText appends a hostile text.
func appendText(b []byte, s string) []byte { return clean.AppendText(b, s) }
