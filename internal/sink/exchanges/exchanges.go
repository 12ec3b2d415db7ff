// Package exchanges counts the exchanges of a timeline by protocol, peer and what was asked, with their
// times. The sinks that print tables have one.
package exchanges

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink/clean"
	"github.com/pidwire/pidwire/internal/sink/notation"
	"github.com/pidwire/pidwire/internal/sink/text"
)

// Table counts exchanges. The zero value is ready for use.
type Table struct {
	rows map[key]*row
	more uint64           // exchanges of kinds beyond maxRows
	last [recent]struct { // the peers of the last messages, by the last bits of their connection's number
		conn   *event.Conn
		server bool
		peer   string
	}
}

const recent = 16

const (
	// maxRows bounds the kinds of exchanges. A row takes 8 KiB at most.
	maxRows = 1000
	// maxName bounds the texts of a key, in bytes. Longer ones are counted together if their beginnings are equal.
	maxName = 200
	// maxPeer is how wide the column of peers may become.
	maxPeer = 48
)

// key is what exchanges are counted by.
type key struct {
	title, peer, group string
	server             bool // this end answers
}

// row has the counts of one kind of exchange.
type row struct {
	key
	count, errors uint64 // answers; of them failures
	asked         uint64 // requests
	out, in       int64  // bytes
	total         int64  // ns, of timed
	timed         uint64 // answers with a time
	times         times
}

// Add counts a message.
func (t *Table) Add(e *event.Entry, m *event.Message) {
	if m.Group == "" || m.Exchange == 0 || m.Kind == event.MessageNotice || m.Part == event.Head {
		return
	}
	answer := m.Kind == event.MessageAnswer
	k := key{title: m.Title, group: m.Group[:min(len(m.Group), maxName)], server: (m.Dir == event.DirOut) == answer}
	if c := e.Conn; c == nil {
		k.peer = peerOf(c, k.server)
	} else {
		l := &t.last[c.N%recent]
		if l.conn != c || l.server != k.server {
			l.conn, l.server, l.peer = c, k.server, peerOf(c, k.server)
		}
		k.peer = l.peer
	}
	r := t.rows[k]
	if r == nil {
		if len(t.rows) >= maxRows {
			if answer {
				t.more++
			}
			return
		}
		if t.rows == nil {
			t.rows = map[key]*row{}
		}
		k.group = strings.Clone(k.group)
		r = &row{key: k}
		t.rows[k] = r
	}
	if m.Dir == event.DirOut {
		r.out += m.Bytes
	} else {
		r.in += m.Bytes
	}
	if !answer {
		r.asked++
		return
	}
	r.count++
	if m.Error != "" {
		r.errors++
	}
	if m.Slack == 0 || m.Took >= m.Slack {
		r.timed++
		r.total += m.Took
		r.times.add(m.Took)
	}
}

// peerOf names the other end of an exchange: of a server without the port, as each client has one of its own.
func peerOf(c *event.Conn, server bool) string {
	switch {
	case c == nil:
		return "-"
	case c.Path != "":
		return strings.Replace(c.Path, "\x00", "@", 1)
	case !c.Peer.IsValid():
		return "-"
	case server && c.PeerName != "":
		return text.PeerName(c)
	case server:
		return c.Peer.Addr().Unmap().String()
	}
	return string(text.AppendPeer(nil, c, netip.AddrPortFrom(c.Peer.Addr().Unmap(), c.Peer.Port())))
}

// sorted returns the rows, those that took longest in all first.
func (t *Table) sorted() []*row {
	list := make([]*row, 0, len(t.rows))
	for _, r := range t.rows {
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b *row) int {
		return cmp.Or(-cmp.Compare(a.total, b.total), -cmp.Compare(a.count, b.count), cmp.Compare(a.title, b.title), cmp.Compare(a.peer, b.peer), cmp.Compare(a.group, b.group), order(a.server, b.server))
	})
	return list
}

// order sorts false first.
func order(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// Len returns the number of kinds of exchanges.
func (t *Table) Len() int { return len(t.rows) }

// Write writes the table, and nothing if there were no exchanges.
func (t *Table) Write(w io.Writer) {
	if len(t.rows) == 0 {
		return
	}
	list := t.sorted()
	wide := len("peer")
	for _, r := range list {
		wide = max(wide, min(utf8.RuneCountInString(clean.Text(r.peer))+2, maxPeer))
	}
	const columns = "%9s %7s %9s %9s %9s %9s %9s %9s %9s  %-*s %s\n"
	dashes := strings.Repeat("-", 9)
	fmt.Fprintf(w, columns, "exchanges", "errors", "no answer", "min", "median", "p95", "max", "out", "in", wide, "peer", "what")
	fmt.Fprintf(w, columns, dashes, dashes[:7], dashes, dashes, dashes, dashes, dashes, dashes, dashes, wide, strings.Repeat("-", wide), strings.Repeat("-", 16))
	for _, r := range list {
		var times [4]string
		if r.timed > 0 {
			for i, ns := range [...]int64{r.times.least, r.times.at(50), r.times.at(95), r.times.most} {
				times[i] = string(notation.AppendSpan(nil, ns))
			}
		}
		arrow := "> "
		if r.server {
			arrow = "< "
		}
		fmt.Fprintf(w, columns, number(r.count), number(r.errors), number(r.open()), times[0], times[1], times[2], times[3], size(r.out), size(r.in),
			wide, arrow+clean.Text(r.peer), r.title+" "+clean.Text(r.group))
	}
	if t.more > 0 {
		fmt.Fprintf(w, "exchanges of other kinds: %d\n", t.more)
	}
}

// open returns how many requests have no answer.
func (r *row) open() uint64 { return r.asked - min(r.asked, r.count) }

func number(n uint64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func size(n int64) string {
	if n == 0 {
		return ""
	}
	return string(notation.AppendBytes(nil, n))
}

// object is a row in JSON; docs/schema.json describes it.
type object struct {
	V        int    `json:"v"`
	Type     string `json:"type"`
	Protocol string `json:"protocol"`
	Peer     string `json:"peer"`
	Name     string `json:"name"`
	Role     string `json:"role"`
	Count    uint64 `json:"exchanges"`
	Errors   uint64 `json:"errors"`
	NoAnswer uint64 `json:"no_answer"`
	MinNS    *int64 `json:"min_ns,omitempty"`
	MedianNS *int64 `json:"median_ns,omitempty"`
	P95NS    *int64 `json:"p95_ns,omitempty"`
	MaxNS    *int64 `json:"max_ns,omitempty"`
	BytesOut int64  `json:"bytes_out"`
	BytesIn  int64  `json:"bytes_in"`
}

// Encode writes an object for each row.
func (t *Table) Encode(enc *json.Encoder) error {
	for _, r := range t.sorted() {
		o := object{
			V: 1, Type: "exchanges", Protocol: r.title, Peer: clean.Text(r.peer), Name: clean.Text(r.group), Role: "client", Count: r.count, Errors: r.errors,
			NoAnswer: r.open(), BytesOut: r.out, BytesIn: r.in,
		}
		if r.server {
			o.Role = "server"
		}
		if r.timed > 0 {
			median, p95 := r.times.at(50), r.times.at(95)
			o.MinNS, o.MedianNS, o.P95NS, o.MaxNS = &r.times.least, &median, &p95, &r.times.most
		}
		if err := enc.Encode(o); err != nil {
			return err
		}
	}
	return nil
}
