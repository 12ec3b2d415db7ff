// Package ladder draws one connection as a sequence diagram. The columns are the process, the
// socket in the kernel and the peer; time runs downwards.
package ladder

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink/clean"
	"github.com/pidwire/pidwire/internal/sink/notation"
	"github.com/pidwire/pidwire/internal/sink/tcpdump"
	"github.com/pidwire/pidwire/internal/sink/text"
)

// Options control what is drawn, and how.
type Options struct {
	Conn  uint32 // Conn.N
	Width int    // width of a line; 0: 96
	ASCII bool   // only ASCII characters
	Start int64  // ns since the epoch: the zero of the first column
	All   bool   // also calls that moved nothing
	Gap   int64  // minimum time without events that gets its own line, ns; 0: 10 ms
}

// Sink draws entries to w as they arrive.
type Sink struct {
	w    *bufio.Writer
	o    Options
	g    glyphs
	cur  *row   // the last row, to which later entries may be added
	said []byte // lines of messages, to be written after it
	prev int64  // time of the row before cur

	seen    uint64
	out     uint64 // packets
	in      uint64
	conn    *event.Conn
	owner   string
	tcp     *event.TCPCounts
	sentTo  uint32 // absolute sequence number after the last byte sent
	sends   bool   // sentTo is valid
	unacked int64  // time of the last packet sent and not acknowledged
	asked   int64  // time of the last packet with payload sent, if nothing was received since
	times   [256]struct {
		seq  uint64
		time int64
	}
	buf []byte
	err error
}

type glyphs struct{ line, left, right, gap, said string }

// row is a line of the ladder.
type row struct {
	time             int64
	seq              uint64 // Seq of the first call or packet of the row
	app, kernel, net string
	appIn, netIn     bool // from the kernel, from the peer
	mark             byte
	note             string
}

const (
	timeWide   = 13
	appWide    = 24
	kernelWide = 12
	noteWide   = 16
	// mostSaid is how wide a line with a message may be at least, as it has no columns.
	mostSaid = 160
)

// New returns a sink that draws to w.
func New(w io.Writer, o Options) *Sink {
	if o.Width == 0 {
		o.Width = 96
	}
	if o.Gap == 0 {
		o.Gap = 10_000_000
	}
	s := &Sink{w: bufio.NewWriter(w), o: o, g: glyphs{"─", "◀", "▶", "┄", "●"}}
	if o.ASCII {
		s.g = glyphs{"-", "<", ">", ".", "*"}
	}
	return s
}

// Seen returns the number of entries of the connection.
func (s *Sink) Seen() uint64 { return s.seen }

// Write draws an entry if it belongs to the connection.
func (s *Sink) Write(e *event.Entry) error {
	if !s.of(e) {
		return s.err
	}
	if s.seen++; s.seen == 1 {
		s.head(e)
	}
	e.Visit(rungs{s})
	return s.err
}

// of reports whether an entry belongs to the connection, and stores the connection.
func (s *Sink) of(e *event.Entry) bool {
	if e.Conn != nil && e.Conn.N == s.o.Conn {
		s.conn = e.Conn
		return true
	}
	for _, c := range e.Others {
		if c.N == s.o.Conn {
			s.conn = c
			return true
		}
	}
	return false
}

func name(t *event.Task) string {
	if t.PID == 0 {
		return "(unknown process):"
	}
	return fmt.Sprintf("%s[%d]", clean.Name(t.Comm), t.PID)
}

func (s *Sink) head(e *event.Entry) {
	s.owner = name(&e.Task)
	fmt.Fprintf(s.w, "c%d %s %s\n\n", s.o.Conn, s.owner, text.AppendConn(nil, s.conn))
	fmt.Fprintf(s.w, "%*s  %s%s  %s\n", timeWide, "time", pad(cut("process", appWide), appWide), pad("socket", kernelWide), "peer")
}

// add writes the last row and makes r the last one.
func (s *Sink) add(r *row) {
	s.done()
	s.cur = r
}

// done writes the last row, preceded by a line for a gap before it.
func (s *Sink) done() {
	r := s.cur
	if r == nil {
		s.speak()
		return
	}
	s.cur = nil
	if s.prev != 0 && r.time-s.prev >= s.o.Gap {
		s.gap(r, r.time-s.prev)
	}
	s.prev = max(s.prev, r.time)
	s.draw(r)
	s.speak()
}

// speak writes the messages of the last row.
func (s *Sink) speak() {
	if _, err := s.w.Write(s.said); err != nil && s.err == nil {
		s.err = err
	}
	s.said = s.said[:0]
}

// message keeps the line of a message until the row of the call or packet that had its first byte is written.
func (s *Sink) message(e *event.Entry, m *event.Message) {
	line := notation.AppendMessage(nil, m, &notation.Options{})
	if m.Timed() && (m.Slack == 0 || m.Took >= m.Slack) {
		line = notation.AppendTook(append(line, "  # "...), m, false)
	}
	if m.Unsure != "" {
		line = append(append(line, "  # uncertain: "...), m.Unsure...)
	}
	mark := byte(' ')
	if m.Error != "" {
		mark = '!'
	}
	s.said = fmt.Appendf(append(s.said, mark), "%*s  %s %s\n", timeWide-1, seconds(e.Time-s.o.Start), s.g.said, cut(string(line), max(s.o.Width, mostSaid)-timeWide-4))
}

func (s *Sink) gap(next *row, ns int64) {
	what := "no calls or packets"
	switch {
	case next.net != "" && next.netIn:
		what = "no packet from the peer"
	case next.app != "" && !next.appIn:
		what = "no calls"
	case next.app != "" && next.appIn:
		what = "process waits"
	}
	label := fmt.Sprintf(" %s: %s ", notation.AppendDuration(nil, ns), what)
	side := max(2, (s.o.Width-timeWide-2-utf8.RuneCountInString(label))/2)
	fmt.Fprintf(s.w, "%*s  %s%s%s\n", timeWide, "", strings.Repeat(s.g.gap, side), label, strings.Repeat(s.g.gap, side))
}

func (s *Sink) draw(r *row) {
	b := append(s.buf[:0], ' ')
	if r.mark != 0 {
		b[0] = r.mark
	}
	b = fmt.Appendf(b, "%*s  ", timeWide-1, seconds(r.time-s.o.Start))
	app := cut(r.app, appWide-2)
	switch {
	case app == "":
		b = append(b, strings.Repeat(" ", appWide)...)
	case strings.HasPrefix(app, "#"):
		b = append(b, pad(r.app, appWide)...)
	case r.appIn:
		b = append(b, app+" "+s.g.left+strings.Repeat(s.g.line, max(0, appWide-utf8.RuneCountInString(app)-3))+" "...)
	default:
		b = append(b, app+" "+strings.Repeat(s.g.line, max(0, appWide-utf8.RuneCountInString(app)-3))+s.g.right+" "...)
	}
	b = append(b, pad(cut(r.kernel, kernelWide-1), kernelWide)...)
	wide := max(16, s.o.Width-timeWide-2-appWide-kernelWide-noteWide)
	switch net := cut(r.net, wide-8); {
	case net == "":
		b = append(b, strings.Repeat(" ", wide)...)
	case r.netIn:
		b = append(b, s.g.left+strings.Repeat(s.g.line, 3)+" "+net+" "+strings.Repeat(s.g.line, max(0, wide-utf8.RuneCountInString(net)-6))...)
	default:
		b = append(b, strings.Repeat(s.g.line, 4)+" "+net+" "+strings.Repeat(s.g.line, max(0, wide-utf8.RuneCountInString(net)-7))+s.g.right...)
	}
	if r.note != "" {
		b = append(append(b, "  "...), r.note...)
	}
	b = append(bytes.TrimRight(b, " "), '\n')
	s.buf = b
	if _, err := s.w.Write(b); err != nil && s.err == nil {
		s.err = err
	}
}

// seconds formats ns as 5.030871.
func seconds(ns int64) string {
	sign := ""
	if ns < 0 {
		sign, ns = "-", -ns
	}
	return fmt.Sprintf("%s%d.%06d", sign, ns/1e9, ns%1e9/1000)
}

// cut truncates a cell to most characters, with a mark.
func cut(t string, most int) string {
	if utf8.RuneCountInString(t) <= most {
		return t
	}
	r := []rune(t)
	return string(r[:max(0, most-1)]) + "…"
}

func pad(t string, wide int) string {
	return t + strings.Repeat(" ", max(0, wide-utf8.RuneCountInString(t)))
}

// vague is the error of a time, in ns, from which on differences are not shown.
const vague = 1_000_000

// call draws a call: a sending one at its entry, together with its packets; a receiving one at its
// return, with the time that the data had been in the socket.
func (s *Sink) call(e *event.Entry, c *event.Call) {
	if !s.o.All && idle(c) {
		return
	}
	r := &row{time: e.Time, seq: e.Seq, app: callText(c)}
	if c.Errno != "" && c.Errno != "EAGAIN" && c.Errno != "EINPROGRESS" {
		r.mark = '!'
	}
	if c.State == event.Returned && waits(c) {
		r.appIn, r.time = true, e.Time+c.Dur
		if at := s.timeOf(e.Cause); at != 0 && r.time >= at && e.Slack < vague {
			r.note = fmt.Sprintf("%s in queue", notation.AppendDuration(nil, r.time-at))
		} else if c.Dur >= 1_000_000 {
			r.note = fmt.Sprintf("waited %s", notation.AppendDuration(nil, c.Dur))
		}
	}
	s.add(r)
}

// idle reports whether a call has neither moved anything nor changed the connection, and has not failed.
func idle(c *event.Call) bool {
	const changes = event.Opens | event.OpensPair | event.Binds | event.Connects | event.Listens | event.Accepts | event.ShutsDown | event.Closes | event.ClosesRange | event.Duplicates | event.Replaces
	const moves = event.Sends | event.Receives | event.Splices
	switch {
	case c.Errno == "EAGAIN", c.Errno == "EINTR":
		return true
	case c.Errno != "", c.Bytes > 0, c.Role.Has(changes):
		return false
	case c.Role.Has(moves):
		return c.State == event.Returned && c.Ret != 0 || c.State == event.Waiting // a result of 0 is the end of a stream, or an empty datagram
	}
	return true
}

// waits reports whether a call receives data or waits, instead of sending.
func waits(c *event.Call) bool {
	return c.In && c.Bytes > 0 || c.Role.Has(event.Receives|event.Accepts|event.Waits)
}

func callText(c *event.Call) string {
	switch {
	case c.State == event.Waiting:
		return c.Name + "() ..."
	case c.State == event.Unfinished:
		return c.Name + "() unfinished"
	case c.Errno != "":
		return c.Name + "() " + c.Errno
	case c.Bytes > 0:
		return fmt.Sprintf("%s() %d", c.Name, c.Bytes)
	case waits(c):
		return fmt.Sprintf("%s() = %d", c.Name, c.Ret)
	}
	return c.Name + "()"
}

// state draws a state change into the row of the call or packet that caused it.
func (s *Sink) state(e *event.Entry, b *event.State) {
	s.tcp = &b.TCP
	if b.Look {
		return
	}
	to := notation.TCPState(b.Sock.Family, b.Sock.Protocol, b.To)
	if s.cur != nil && s.cur.kernel == "" && (s.cur.net == "" && !s.cur.appIn || s.cur.netIn) && e.Time-s.cur.time < 1_000_000 {
		s.cur.kernel = to
		return
	}
	s.add(&row{time: e.Time, kernel: to})
}

func (s *Sink) packet(e *event.Entry, p *event.Capture) {
	r := &row{time: e.Time, seq: e.Seq, net: s.packetText(p), netIn: p.Dir == event.DirIn}
	s.times[e.Seq%uint64(len(s.times))].seq, s.times[e.Seq%uint64(len(s.times))].time = e.Seq, e.Time
	if p.Made != event.MadeSocket {
		r.note = "# " + p.Made.String()
	}
	if r.netIn {
		s.in++
		since := s.unacked
		if s.unacked = 0; carries(p) {
			since, s.asked = max(since, s.asked), 0
		}
		if since != 0 && r.note == "" {
			r.note = string(notation.AppendDuration(nil, e.Time-since))
		}
		if p.TCP.Valid && p.TCP.Flags&event.TCPRst != 0 || p.Made == event.MadeICMP {
			r.mark = '!'
		}
		s.add(r)
		return
	}
	s.out++
	if p.TCP.Valid {
		end := p.TCP.Seq + p.TCP.Length
		if p.TCP.Flags&(event.TCPSyn|event.TCPFin) != 0 {
			end++
		}
		if moved := end != p.TCP.Seq; moved {
			if s.sends && int32(end-s.sentTo) <= 0 {
				r.mark, r.note = '!', "retransmitted"
			} else {
				s.sentTo, s.sends = end, true
			}
			s.unacked = e.Time
		}
	} else {
		s.unacked = e.Time
	}
	if carries(p) {
		s.asked = e.Time
	}
	if e.Cause != 0 && s.cur != nil && s.cur.seq == e.Cause && s.cur.net == "" && r.mark == 0 {
		s.cur.net, s.cur.note = r.net, r.note
		return
	}
	s.add(r)
}

// carries reports whether a packet has payload.
func carries(p *event.Capture) bool {
	return p.Proto != event.ProtoTCP || p.TCP.Length > 0
}

// packetText returns the text of tcpdump after the addresses, or for TCP the flags and the length
// of the payload.
func (s *Sink) packetText(p *event.Capture) string {
	if p.TCP.Valid && p.Proto == event.ProtoTCP {
		t := flags(p.TCP.Flags)
		if p.TCP.Length > 0 {
			t += fmt.Sprintf(" %d", p.TCP.Length)
		}
		if p.TCP.Win == 0 && p.TCP.Flags&event.TCPRst == 0 {
			t += " win 0"
		}
		return t
	}
	line := string(tcpdump.Append(nil, &p.Packet, &tcpdump.Options{}))
	if _, rest, ok := strings.Cut(line, ": "); ok {
		line = rest
	}
	return clean.Text(line)
}

// flags returns TCP flags in the format of tcpdump.
func flags(f uint8) string {
	var b strings.Builder
	for _, x := range []struct {
		bit  uint8
		name string
	}{
		{event.TCPFin, "F"}, {event.TCPSyn, "S"}, {event.TCPRst, "R"}, {event.TCPPsh, "P"}, {event.TCPAck, "."},
		{event.TCPUrg, "U"}, {event.TCPEce, "E"}, {event.TCPCwr, "W"},
	} {
		if f&x.bit != 0 {
			b.WriteString(x.name)
		}
	}
	return b.String()
}

// timeOf returns the time of a packet, 0 if it is no longer stored.
func (s *Sink) timeOf(seq uint64) int64 {
	if t := &s.times[seq%uint64(len(s.times))]; seq != 0 && t.seq == seq {
		return t.time
	}
	return 0
}

// Flush does not write the last row, for later entries may be added to it.
func (s *Sink) Flush() error { return s.err }

// Close writes the last row and a summary of the connection.
func (s *Sink) Close() error {
	s.done()
	if s.seen > 0 {
		fmt.Fprintf(s.w, "\n%s; %d packets out, %d in", text.AppendConn(nil, s.conn), s.out, s.in)
		if c := s.tcp; c != nil && c.SegsIn+c.SegsOut > 0 {
			fmt.Fprintf(s.w, "; %d bytes sent, %d received", c.Sent-min(c.Sent, c.Resent), c.Received)
			if c.Retrans > 0 {
				fmt.Fprintf(s.w, ", %d segments retransmitted", c.Retrans)
			}
			if c.RTT > 0 {
				fmt.Fprintf(s.w, ", rtt %s", notation.AppendDuration(nil, c.RTT))
			}
		}
		fmt.Fprintln(s.w)
	}
	if err := s.w.Flush(); err != nil && s.err == nil {
		s.err = err
	}
	return s.err
}
