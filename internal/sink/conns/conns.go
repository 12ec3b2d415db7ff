// Package conns writes a table of connections like ss: process, addresses, state and transferred
// bytes.
package conns

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink/clean"
	"github.com/pidwire/pidwire/internal/sink/exchanges"
	"github.com/pidwire/pidwire/internal/sink/notation"
	"github.com/pidwire/pidwire/internal/sink/summary"
	"github.com/pidwire/pidwire/internal/sink/text"
)

// Options control when and how the table is written.
type Options struct {
	Live bool // processes are traced, so that there may be liveRows rows; false: maxRows
	// Every is the interval between tables. 0: one table at the end.
	Every time.Duration
	// Now is the clock for Every.
	Now   func() time.Time
	Clear bool  // clear the terminal before each table
	JSON  bool  // write an object for each connection
	All   bool  // include sockets that are not IP
	Wide  int   // maximum width of a line, in columns; 0: no limit
	Start int64 // ns since the epoch: the zero of t_ns
}

// Sink keeps the table and writes it to w.
type Sink struct {
	w     io.Writer
	o     Options
	rows  map[uint32]*row
	found map[uint64]*row   // by inode: sockets open at attach, not yet in rows
	inode map[uint64]uint64 // inode by cookie, of the sockets in found
	comms map[event.Proc]string
	gone  uint64 // closed connections that are no longer shown
	said  exchanges.Table
	parts int    // number of users and counts in rows
	more  unkept // connections beyond maxRows
	lost  uint64
	now   int64 // time of the last entry
	next  time.Time
	err   error
}

const (
	// maxRows bounds rows and found for files, which are hostile input. A row takes about 450 bytes;
	// its users and its kernel counts each count as a row.
	maxRows = 24_000
	// liveRows is the bound for traced processes: 50,000 rows with users and counts.
	liveRows = 150_000
	// closedShown is the time for which a closed connection stays in the table with Every,
	// in ns.
	closedShown = 10_000_000_000
)

// full reports whether there is no room for another row.
func (s *Sink) full() bool {
	most := maxRows
	if s.o.Live {
		most = liveRows
	}
	return len(s.rows)+len(s.found)+s.parts >= most
}

// unkept counts connections for which there is no room. Connections are numbered in order, so
// one is new if its number is above the highest so far.
type unkept struct {
	n    uint64
	last uint32
}

func (u *unkept) add(n uint32) {
	if n > u.last {
		u.n, u.last = u.n+1, n
	}
}

// counts has the latest counts of the kernel, and those at attach.
type counts struct{ tcp, base event.TCPCounts }

func (s *Sink) use(r *row, u event.Use) {
	if r.users == nil {
		s.parts++
		r.users = new(event.Users)
	}
	r.users.Add(u)
}

type row struct {
	conn   *event.Conn
	owner  event.Task
	how    event.Match
	users  *event.Users // nil: none
	path   string
	first  int64
	closed int64 // time of the close; 0: open

	counts *counts // of the kernel; nil: none

	calls, packets traffic
}

// traffic has the counts of a connection, from calls or from packets.
type traffic struct {
	seen      bool
	sent, got uint64 // bytes of payload
	out, in   uint64 // packets
}

// New returns a sink that writes to w.
func New(w io.Writer, o Options) *Sink {
	s := &Sink{w: w, o: o, rows: map[uint32]*row{}, found: map[uint64]*row{}, inode: map[uint64]uint64{}, comms: map[event.Proc]string{}}
	if o.Every > 0 {
		s.next = o.Now().Add(o.Every)
	}
	return s
}

// Write counts an entry.
func (s *Sink) Write(e *event.Entry) error {
	s.now = max(s.now, e.Time)
	e.Visit(counter{s})
	return nil
}

// wasOpen stores a socket that was open at attach, until it is used and gets a row.
func (s *Sink) wasOpen(e *event.Entry, b *event.SockFound) {
	k := &b.Sock
	if s.full() {
		s.more.n++
		return
	}
	owner := e.Task
	owner.Comm = s.comms[e.Task.Proc]
	if k.ID.Cookie != 0 {
		s.inode[k.ID.Cookie] = k.ID.Inode
	}
	s.found[k.ID.Inode] = &row{
		owner: owner, how: event.MatchTable, path: b.Path, first: e.Time,
		conn: &event.Conn{
			ID: k.ID, NetNS: k.NetNS, Family: k.Family, Type: k.Type, Protocol: k.Protocol, State: k.State,
			Local: k.Local, Peer: k.Peer, Path: b.Path, Old: true, Found: true, First: e.Time,
		},
	}
}

// row returns the row of the connection of an entry, and updates it with the entry. It returns
// nil if there is no connection or no room.
func (s *Sink) row(e *event.Entry) *row {
	if e.Conn == nil {
		return nil
	}
	r := s.rows[e.Conn.N]
	if r == nil {
		if s.full() {
			s.more.add(e.Conn.N)
			return nil
		}
		r = &row{first: e.Time}
		s.rows[e.Conn.N] = r
		ino := e.Conn.ID.Inode
		if ino == 0 {
			ino = s.inode[e.Conn.ID.Cookie]
		}
		if f := s.found[ino]; f != nil {
			r.path, r.first = f.path, f.first
			delete(s.found, ino)
			delete(s.inode, f.conn.ID.Cookie)
		}
	}
	r.conn = e.Conn
	if r.owner.PID == 0 || e.Match >= r.how {
		r.owner, r.how = e.Task, e.Match
	}
	if e.Conn.Closed && r.closed == 0 {
		r.closed = e.Time
	}
	return r
}

func (s *Sink) state(r *row, e *event.Entry, b *event.State) {
	if r.counts == nil {
		r.counts = new(counts)
		s.parts++
		if b.Look {
			r.counts.base = b.TCP
		}
	}
	r.counts.tcp = b.TCP
	if b.Users != nil {
		for _, u := range b.Users {
			s.use(r, u)
		}
	}
	if b.To == event.TCPClose && !b.Look {
		r.closed = e.Time
	}
}

func (r *row) packet(p *event.Capture) {
	t := &r.packets
	t.seen = true
	n := uint64(p.Length)
	switch {
	case p.Made == event.MadeICMP:
		n = 0
	case p.Proto == event.ProtoTCP:
		n = uint64(p.TCP.Length)
	case p.Proto == event.ProtoUDP && n >= 8:
		n -= 8
	}
	if p.Dir == event.DirIn {
		t.in++
		t.got += n
	} else {
		t.out++
		t.sent += n
	}
}

// total returns the counts of a connection from the best source: the kernel, then packets, then
// calls. since means that kernel counts start at attach.
func (r *row) total(since bool) (t traffic) {
	switch {
	case r.counts != nil:
		c, b := &r.counts.tcp, event.TCPCounts{}
		if since {
			b = r.counts.base
		}
		return traffic{true, c.Sent - c.Resent - (b.Sent - b.Resent), c.Received - b.Received, uint64(c.SegsOut - b.SegsOut), uint64(c.SegsIn - b.SegsIn)}
	case r.packets.seen:
		return r.packets
	}
	return r.calls
}

// Flush writes the table if Every has passed.
func (s *Sink) Flush() error {
	if s.o.Every == 0 || s.o.Now().Before(s.next) {
		return s.err
	}
	for s.next = s.next.Add(s.o.Every); s.next.Before(s.o.Now()); s.next = s.next.Add(s.o.Every) {
	}
	for n, r := range s.rows {
		if r.closed != 0 && s.now-r.closed > closedShown {
			delete(s.rows, n)
			if r.users != nil {
				s.parts--
			}
			if r.counts != nil {
				s.parts--
			}
			s.gone++
		}
	}
	return s.table()
}

// Close writes the last table.
func (s *Sink) Close() error {
	if s.err != nil {
		return s.err
	}
	return s.table()
}

// sorted returns the rows to show: connections by number, then sockets that were open at attach
// and have not been used.
func (s *Sink) sorted() (list []*row) {
	for _, n := range slices.Sorted(maps.Keys(s.rows)) {
		list = append(list, s.rows[n])
	}
	at := len(list)
	for _, r := range s.found {
		list = append(list, r)
	}
	slices.SortFunc(list[at:], func(a, b *row) int {
		return cmp.Or(cmp.Compare(a.owner.PID, b.owner.PID), cmp.Compare(a.conn.ID.Inode, b.conn.ID.Inode))
	})
	return slices.DeleteFunc(list, func(r *row) bool { return !s.o.All && !isIP(r.conn.Family) })
}

func isIP(family uint16) bool { return family == 2 || family == 10 }

func (s *Sink) table() error {
	w := bufio.NewWriter(s.w)
	if s.o.JSON {
		s.objects(w)
	} else {
		s.lines(w)
	}
	s.err = w.Flush()
	return s.err
}

var heads = []string{"CONN", "PROCESS", "PROTO", "STATE", "LOCAL", "PEER", "SENT", "RECEIVED", "PKT>", "<PKT", "RTX", "RTT", "AGE"}

// Columns from firstNumber on are numbers, and right-aligned.
const (
	firstNumber = 6
	peerColumn  = 5
)

func (s *Sink) lines(w *bufio.Writer) {
	if s.o.Clear {
		fmt.Fprint(w, "\x1b[H\x1b[2J")
	}
	listed := s.sorted()
	// Cells are formatted twice: to store them would take as much memory as the table.
	cells := func(i int) []string {
		if i < 0 {
			return heads
		}
		return s.cells(listed[i])
	}
	width := make([]int, len(heads))
	for n := -1; n < len(listed); n++ {
		for i, c := range cells(n) {
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	total := len(heads) - 1
	for _, n := range width {
		total += n
	}
	if s.o.Wide > 0 && total > s.o.Wide {
		// Truncate the addresses.
		over := total - s.o.Wide
		for _, i := range []int{peerColumn, peerColumn - 1, 1} {
			cut := min(over, max(0, width[i]-12))
			width[i] -= cut
			over -= cut
		}
	}
	var b []byte
	for n := -1; n < len(listed); n++ {
		b = b[:0]
		for i, c := range cells(n) {
			if n := utf8.RuneCountInString(c); n > width[i] {
				c = string([]rune(c)[:max(0, width[i]-1)]) + "…"
			}
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(c))
			if i > 0 {
				b = append(b, ' ')
			}
			if i >= firstNumber {
				b = append(append(b, pad...), c...)
			} else {
				b = append(append(b, c...), pad...)
			}
		}
		fmt.Fprintf(w, "%s\n", strings.TrimRight(string(b), " "))
	}
	since := "since the start of each connection"
	if s.o.Every > 0 {
		since = "since pidwire started"
	}
	fmt.Fprintf(w, "--- %d connections; bytes and packets %s", len(listed), since)
	if s.gone > 0 {
		fmt.Fprintf(w, "; already closed: %d", s.gone)
	}
	if s.more.n > 0 {
		fmt.Fprintf(w, "; omitted: %d", s.more.n)
	}
	if s.lost > 0 {
		fmt.Fprintf(w, "; lost: %d events", s.lost)
	}
	fmt.Fprintln(w)
	if s.said.Len() > 0 {
		fmt.Fprintln(w)
		s.said.Write(w)
	}
	if s.o.Every > 0 && !s.o.Clear {
		fmt.Fprintln(w)
	}
}

// since reports whether kernel counts start at attach. Without Every they are those of the whole
// connection.
func (s *Sink) since() bool { return s.o.Every > 0 }

func (s *Sink) cells(r *row) []string {
	c := r.conn
	t := r.total(s.since())
	owner := clean.Name(r.owner.Comm)
	switch r.how {
	case event.MatchInherited, event.MatchShared:
		owner = "~" + owner
	case event.MatchGuess:
		owner = "?" + owner
	}
	local, peer := address(c, c.Local), address(c, c.Peer)
	if c.PeerName != "" && !c.PeerMade && c.Peer.IsValid() {
		peer = string(text.AppendPeer(nil, c, netip.AddrPortFrom(c.Peer.Addr().Unmap(), c.Peer.Port())))
	}
	if c.Family == 1 && r.path != "" {
		local = clean.Text(strings.Replace(r.path, "\x00", "@", 1))
	}
	row := []string{
		"-", "-", strings.ToLower(notation.Transport(c.Family, c.Type, c.Protocol)),
		stateOf(r), local, peer, summary.Bytes(t.sent), summary.Bytes(t.got), count(t.out), count(t.in), "", "", s.age(r),
	}
	if r.owner.PID != 0 {
		row[1] = fmt.Sprintf("%s[%d]", owner, r.owner.PID)
	}
	if r.users == nil {
	} else if to, from := r.users.Sender(), r.users.Receiver(); to != nil && from != nil && to.Task.Proc != from.Task.Proc {
		row[1] = fmt.Sprintf(">%s[%d] <%s[%d]", clean.Name(to.Task.Comm), to.Task.PID, clean.Name(from.Task.Comm), from.Task.PID)
	}
	if c.N != 0 {
		row[0] = fmt.Sprintf("c%d", c.N)
	}
	if r.counts != nil {
		tcp := &r.counts.tcp
		row[10] = count(uint64(tcp.Retrans - s.baseOf(r).Retrans))
		if tcp.RTT > 0 {
			row[11] = string(notation.AppendDuration(nil, tcp.RTT))
		}
	}
	return row
}

func (s *Sink) baseOf(r *row) event.TCPCounts {
	if s.since() && r.counts != nil {
		return r.counts.base
	}
	return event.TCPCounts{}
}

// age returns the age of a connection. For one that was open before it is the time since it was
// first seen.
func (s *Sink) age(r *row) string {
	end := s.now
	if r.closed != 0 {
		end = r.closed
	}
	d := end - r.first
	switch {
	case r.conn.Old && d < 1_000_000_000:
		return ""
	case r.conn.Old:
		return ">" + string(notation.AppendDuration(nil, d/1_000_000_000*1_000_000_000))
	}
	return string(notation.AppendDuration(nil, max(d, 0)))
}

func stateOf(r *row) string {
	c := r.conn
	state := notation.TCPState(c.Family, c.Protocol, c.State)
	switch {
	case r.closed != 0 && (state == "" || state == "CLOSE"):
		return "closed"
	case state != "":
		return state
	case c.Peer.IsValid():
		return "connected"
	}
	return ""
}

func address(c *event.Conn, a netip.AddrPort) string {
	name := c.MadeName(a.Addr())
	switch {
	case !a.IsValid():
		return "-"
	case name != "":
		return fmt.Sprintf("%s:%d", clean.Text(name), a.Port())
	case a.Port() == 0 && !a.Addr().IsUnspecified():
		return a.Addr().Unmap().String()
	case a.Addr().IsUnspecified():
		return fmt.Sprintf("*:%d", a.Port())
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()).String()
}

func count(n uint64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

type addrObject struct {
	Address string `json:"address,omitempty"`
	Port    uint16 `json:"port"`
	Name    string `json:"name,omitempty"`
	From    string `json:"name_from,omitempty"`
}

// object is the JSON object of a connection; docs/schema.json describes it.
type object struct {
	V       int    `json:"v"`
	Type    string `json:"type"`
	Time    string `json:"time"`
	TNS     int64  `json:"t_ns"`
	Conn    string `json:"conn,omitempty"`
	Match   string `json:"match"`
	Process struct {
		PID        uint32 `json:"pid"`
		TID        uint32 `json:"tid,omitempty"`
		Executable struct {
			Name string `json:"name"`
		} `json:"executable"`
	} `json:"process"`
	Network struct {
		Transport string      `json:"transport,omitempty"`
		Local     *addrObject `json:"local,omitempty"`
		Peer      *addrObject `json:"peer,omitempty"`
	} `json:"network"`
	State       string `json:"state,omitempty"`
	OpenBefore  bool   `json:"open_before"`
	Sent        uint64 `json:"bytes_sent"`
	Received    uint64 `json:"bytes_received"`
	PacketsOut  uint64 `json:"packets_out"`
	PacketsIn   uint64 `json:"packets_in"`
	Retransmits uint32 `json:"retransmits"`
	RTT         int64  `json:"rtt_ns,omitempty"`
	Seen        int64  `json:"seen_ns"`
	Users       []user `json:"users,omitempty"`
}

// user is the JSON object of a user of a socket.
type user struct {
	Evidence  string `json:"evidence"`
	Inherited bool   `json:"inherited,omitempty"`
	TNS       int64  `json:"t_ns"`
	PID       uint32 `json:"pid"`
	TID       uint32 `json:"tid"`
	Name      string `json:"name"`
}

func (s *Sink) objects(w io.Writer) {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, r := range s.sorted() {
		o := object{V: 1, Type: "conn", TNS: s.now - s.o.Start, Match: r.how.String(), State: stateOf(r), OpenBefore: r.conn.Found}
		o.Time = time.Unix(0, s.now).UTC().Format("2006-01-02T15:04:05.000000000Z")
		if r.conn.N != 0 {
			o.Conn = fmt.Sprintf("c%d", r.conn.N)
		}
		o.Process.PID, o.Process.TID, o.Process.Executable.Name = r.owner.PID, r.owner.TID, clean.Text(r.owner.Comm)
		o.Network.Transport = strings.ToLower(notation.Transport(r.conn.Family, r.conn.Type, r.conn.Protocol))
		o.Network.Local, o.Network.Peer = addrOf(r.conn, r.conn.Local), addrOf(r.conn, r.conn.Peer)
		t := r.total(s.since())
		o.Sent, o.Received, o.PacketsOut, o.PacketsIn = t.sent, t.got, t.out, t.in
		if r.counts != nil {
			o.Retransmits, o.RTT = r.counts.tcp.Retrans-s.baseOf(r).Retrans, r.counts.tcp.RTT
		}
		end := s.now
		if r.closed != 0 {
			end = r.closed
		}
		o.Seen = max(0, end-r.first)
		var users event.Users
		if r.users != nil {
			users = *r.users
		}
		for _, u := range users {
			if u.What != 0 {
				o.Users = append(o.Users, user{u.What.String(), u.Inherited, u.Time - s.o.Start, u.Task.PID, u.Task.TID, clean.Text(u.Task.Comm)})
			}
		}
		_ = enc.Encode(o) // w is buffered: Flush returns the error
	}
	_ = s.said.Encode(enc)
}

func addrOf(c *event.Conn, a netip.AddrPort) *addrObject {
	if !a.IsValid() {
		return nil
	}
	if name := c.MadeName(a.Addr()); name != "" {
		return &addrObject{"", a.Port(), clean.Text(name), event.FromFile.String()}
	}
	o := &addrObject{a.Addr().Unmap().String(), a.Port(), "", ""}
	if a == c.Peer {
		o.Name, o.From = clean.Text(c.PeerName), c.PeerFrom.String()
	}
	return o
}
