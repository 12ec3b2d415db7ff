// Package summary writes tables of counts by call and by connection at the end of the timeline,
// like strace -c.
package summary

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink/clean"
	"github.com/pidwire/pidwire/internal/sink/exchanges"
	"github.com/pidwire/pidwire/internal/sink/notation"
	"github.com/pidwire/pidwire/internal/sink/text"
)

type counts struct {
	calls, errors     uint64
	bytesIn, bytesOut uint64
	ns                int64
	timed             bool // ns is known for at least one call
}

func (c *counts) add(call *event.Call) {
	c.calls++
	c.ns += call.Dur
	c.timed = c.timed || !call.Foreign || call.Dur != 0
	if call.Errno != "" {
		c.errors++
	}
	if call.In {
		c.bytesIn += uint64(call.Bytes)
	} else {
		c.bytesOut += uint64(call.Bytes)
	}
}

type conn struct {
	counts
	last  *event.Conn
	owner string
}

// Sink counts entries. Close writes the tables to w.
type Sink struct {
	w     io.Writer
	calls map[string]*counts
	conns map[uint32]*conn
	more  uint64 // connections beyond maxConns
	lost  uint64
	drops map[drop]*dropped
	said  exchanges.Table
	// onlyDrops omits the tables of calls and connections.
	onlyDrops bool
	of        uint64 // drops of more reasons than maxDrops
	spare     []conn
	named     string // the last result of nameOf
	buf       []byte
}

// drop is a kind of drop: event, reason and function.
type drop struct{ what, reason, function string }

type dropped struct{ n, bytes uint64 }

const packetDrop = "skb:drop"

// maxDrops is the maximum number of rows in the table of drops.
const maxDrops = 1000

// maxConns is the maximum number of rows in the table of connections, of 400 bytes each.
const maxConns = 10_000

// maxCalls is the maximum number of rows in the table of calls: files of other tools may have any
// number of names. Calls beyond it, and names longer than maxCall, are counted as furtherCalls.
const (
	maxCalls     = 2000
	maxCall      = 64
	furtherCalls = "further calls"
)

// New returns a sink that writes to w. onlyDrops omits the tables of calls and connections.
func New(w io.Writer, onlyDrops bool) *Sink {
	return &Sink{w: w, calls: map[string]*counts{}, conns: map[uint32]*conn{}, onlyDrops: onlyDrops}
}

// Write counts an entry.
func (s *Sink) Write(e *event.Entry) error {
	e.Visit(counter{s})
	return nil
}

// nameOf returns the name of a task. Successive calls for the same name share memory.
func (s *Sink) nameOf(t *event.Task) string {
	b := append(s.buf[:0], clean.Name(t.Comm)...)
	b = append(strconv.AppendUint(append(b, '['), uint64(t.PID), 10), ']')
	if s.buf = b; s.named != string(b) {
		s.named = string(b)
	}
	return s.named
}

func (s *Sink) drop(k *event.Kernel) {
	key := drop{k.Name, k.Reason, k.Func}
	d := s.drops[key]
	if d == nil {
		if len(s.drops) >= maxDrops {
			s.of++
			return
		}
		if s.drops == nil {
			s.drops = map[drop]*dropped{}
		}
		d = &dropped{}
		// Clone the strings: they may be in memory that is reused.
		s.drops[drop{strings.Clone(k.Name), strings.Clone(k.Reason), strings.Clone(k.Func)}] = d
	}
	d.n++
	d.bytes += uint64(max(k.Bytes, 0))
}

// Flush does nothing: Close writes the tables.
func (s *Sink) Flush() error { return nil }

// Close writes the tables.
func (s *Sink) Close() error {
	w := bufio.NewWriter(s.w)
	if len(s.calls) > 0 || len(s.drops) == 0 && s.said.Len() == 0 && !s.onlyDrops {
		s.callTable(w)
		s.connTable(w)
	}
	if s.said.Len() > 0 && !s.onlyDrops {
		fmt.Fprintln(w)
		s.said.Write(w)
	}
	s.dropTable(w)
	if s.lost > 0 {
		fmt.Fprintf(w, "\n! %d events were lost: the counts are too small\n", s.lost)
	}
	return w.Flush()
}

func (s *Sink) callTable(w io.Writer) {
	var total counts
	for _, c := range s.calls {
		total.calls += c.calls
		total.errors += c.errors
		total.ns += c.ns
		total.timed = total.timed || c.timed
		total.bytesIn += c.bytesIn
		total.bytesOut += c.bytesOut
	}
	names := slices.SortedFunc(maps.Keys(s.calls), func(a, b string) int {
		return cmp.Or(-cmp.Compare(s.calls[a].ns, s.calls[b].ns), cmp.Compare(a, b))
	})
	const row = "%6s %11s %11s %9s %9s %9s %9s %s\n"
	fmt.Fprintf(w, row, "% time", "time", "time/call", "calls", "errors", "in", "out", "syscall")
	fmt.Fprintf(w, row, dashes(6), dashes(11), dashes(11), dashes(9), dashes(9), dashes(9), dashes(9), dashes(16))
	line := func(c *counts, name string) {
		share := 0.0
		if total.ns > 0 {
			share = float64(c.ns) / float64(total.ns) * 100
		}
		var each int64
		if c.calls > 0 {
			each = c.ns / int64(c.calls)
		}
		percent, whole, one := fmt.Sprintf("%.2f", share), dur(c.ns), dur(each)
		if !c.timed && c.calls > 0 {
			percent, whole, one = "", "", ""
		}
		fmt.Fprintf(w, row, percent, whole, one, number(c.calls), number(c.errors),
			Bytes(c.bytesIn), Bytes(c.bytesOut), name)
	}
	for _, n := range names {
		line(s.calls[n], n)
	}
	fmt.Fprintf(w, row, dashes(6), dashes(11), dashes(11), dashes(9), dashes(9), dashes(9), dashes(9), dashes(16))
	line(&total, "total")
}

func (s *Sink) connTable(w io.Writer) {
	if len(s.conns) == 0 {
		return
	}
	const row = "%-6s %-22s %9s %9s %9s %9s %11s %s\n"
	fmt.Fprintf(w, "\n"+row, "conn", "process", "calls", "errors", "in", "out", "time", "socket")
	for _, n := range slices.Sorted(maps.Keys(s.conns)) {
		c := s.conns[n]
		took := ""
		if c.timed {
			took = dur(c.ns)
		}
		fmt.Fprintf(w, row, fmt.Sprintf("c%d", n), c.owner, number(c.calls), number(c.errors),
			Bytes(c.bytesIn), Bytes(c.bytesOut), took, text.AppendConn(nil, c.last))
	}
	if s.more > 0 {
		fmt.Fprintf(w, "calls on other connections: %d\n", s.more)
	}
}

// dropTable writes the table of drops by event, reason and function.
func (s *Sink) dropTable(w io.Writer) {
	if len(s.drops) == 0 {
		if s.onlyDrops {
			fmt.Fprintln(w, "no drops")
		}
		return
	}
	if len(s.calls) > 0 || s.said.Len() > 0 {
		fmt.Fprintln(w)
	}
	const row = "%9s %9s  %-20s %-24s %s\n"
	fmt.Fprintf(w, row, "drops", "bytes", "event", "reason", "function")
	fmt.Fprintf(w, row, dashes(9), dashes(9), dashes(20), dashes(24), dashes(16))
	// The total has only packets: other drops, like a full queue, are reported in addition to
	// the packet.
	var total dropped
	rows := slices.SortedFunc(maps.Keys(s.drops), func(a, b drop) int {
		return cmp.Or(-cmp.Compare(s.drops[a].n, s.drops[b].n), cmp.Compare(a.what, b.what), cmp.Compare(a.reason, b.reason), cmp.Compare(a.function, b.function))
	})
	line := func(k drop, d dropped) {
		fmt.Fprintf(w, row, number(d.n), Bytes(d.bytes), k.what, cmp.Or(clean.Text(k.reason), "-"), cmp.Or(clean.Text(k.function), "-"))
	}
	for _, k := range rows {
		if k.what == packetDrop {
			d := s.drops[k]
			line(k, *d)
			total.n += d.n
			total.bytes += d.bytes
		}
	}
	fmt.Fprintf(w, row, dashes(9), dashes(9), dashes(20), dashes(24), dashes(16))
	fmt.Fprintf(w, row, cmp.Or(number(total.n), "0"), Bytes(total.bytes), "total", "", "")
	for _, k := range rows {
		if k.what != packetDrop {
			line(k, *s.drops[k])
		}
	}
	if s.of > 0 {
		fmt.Fprintf(w, "other reasons: %d\n", s.of)
	}
}

func dashes(n int) string { return strings.Repeat("-", n) }

func dur(ns int64) string { return string(notation.AppendDuration(nil, ns)) }

// number formats n. Like strace in the column of errors, it returns "" for 0.
func number(n uint64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

// Bytes formats a size with three digits and an IEC unit. It returns "" for 0.
func Bytes(n uint64) string {
	if n == 0 {
		return ""
	}
	const units = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v, u := float64(n), -1
	for v >= 1023.5 && u < len(units)-1 { // 1024 after rounding is 1.00 of the next unit
		v /= 1024
		u++
	}
	switch {
	case v < 9.995:
		return fmt.Sprintf("%.2f %ciB", v, units[u])
	case v < 99.95:
		return fmt.Sprintf("%.1f %ciB", v, units[u])
	}
	return fmt.Sprintf("%.0f %ciB", v, units[u])
}
