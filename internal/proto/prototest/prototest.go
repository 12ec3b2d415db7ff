// Package prototest tests protocols with written conversations.
package prototest

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
)

// Step is one call of a conversation.
type Step struct {
	Dir  proto.Dir
	Data []byte
	Gap  int64 // bytes after Data that were not recorded
	End  bool  // the direction ends
	Wait int64 // ns before it, beyond the usual one
	Peer netip.AddrPort
	Line int
}

// Talk is a conversation as one end saw it. A file with one has a line for each call:
//
//	# what it is                          comments, and settings: # datagrams, # old, # ports 40000 53, # path /run/x
//	> "GET / HTTP/1.1\r\n\r\n"            sent: a Go string
//	< "HTTP/1.1 200 OK\r\n" gap 1000      received, and 1000 bytes that were not recorded
//	< hex 1603 0100                       bytes in hexadecimal
//	< end                                 the end of the direction
//	> wait 200ms "..."                    after a while
//	< from 10.0.0.1:53 "..."              a datagram of that address
//
// A line that begins with a blank continues the one before.
type Talk struct {
	Steps       []Step
	Datagrams   bool
	Old         bool
	Local, Peer uint16
	Path        string
}

// Read reads a file.
func Read(t testing.TB, name string) *Talk {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	talk := &Talk{Local: 40000, Peer: 9}
	var lines []string
	var at []int
	scan := bufio.NewScanner(f)
	scan.Buffer(nil, 1<<20)
	for n := 1; scan.Scan(); n++ {
		line := scan.Text()
		switch {
		case strings.TrimSpace(line) == "":
		case line[0] == ' ' || line[0] == '\t':
			if len(lines) > 0 {
				lines[len(lines)-1] += " " + strings.TrimSpace(line)
			}
		default:
			lines, at = append(lines, line), append(at, n)
		}
	}
	if err := scan.Err(); err != nil {
		t.Fatal(err)
	}
	for i, line := range lines {
		if err := talk.line(line, at[i]); err != nil {
			t.Fatalf("%s:%d: %v", name, at[i], err)
		}
	}
	return talk
}

func (talk *Talk) line(line string, at int) error {
	if set, ok := strings.CutPrefix(line, "#"); ok {
		words := strings.Fields(set)
		if len(words) == 0 {
			return nil
		}
		switch words[0] {
		case "datagrams":
			talk.Datagrams = true
		case "old":
			talk.Old = true
		case "path":
			talk.Path = words[1]
		case "ports":
			a, err := strconv.ParseUint(words[1], 10, 16)
			if err != nil {
				return err
			}
			b, err := strconv.ParseUint(words[2], 10, 16)
			if err != nil {
				return err
			}
			talk.Local, talk.Peer = uint16(a), uint16(b)
		}
		return nil
	}
	s := Step{Line: at}
	switch line[0] {
	case '>':
	case '<':
		s.Dir = proto.In
	default:
		return fmt.Errorf("expected > or <: %.20q", line)
	}
	rest := strings.TrimSpace(line[1:])
	hex := false
	for rest != "" {
		if rest[0] == '"' {
			quoted, err := strconv.QuotedPrefix(rest)
			if err != nil {
				return err
			}
			text, err := strconv.Unquote(quoted)
			if err != nil {
				return err
			}
			s.Data = append(s.Data, text...)
			rest = strings.TrimSpace(rest[len(quoted):])
			hex = false
			continue
		}
		word, more, _ := strings.Cut(rest, " ")
		rest = strings.TrimSpace(more)
		next := func() string {
			w, more, _ := strings.Cut(rest, " ")
			rest = strings.TrimSpace(more)
			return w
		}
		var err error
		switch {
		case word == "end":
			s.End = true
		case word == "hex":
			hex = true
		case word == "gap":
			s.Gap, err = strconv.ParseInt(next(), 10, 64)
		case word == "times": // the data so far, repeated
			var n int
			n, err = strconv.Atoi(next())
			s.Data = []byte(strings.Repeat(string(s.Data), n))
		case word == "wait":
			var ms int64
			ms, err = strconv.ParseInt(strings.TrimSuffix(next(), "ms"), 10, 64)
			s.Wait = ms * 1e6
		case word == "from", word == "to":
			s.Peer, err = netip.ParseAddrPort(next())
		case hex:
			for len(word) >= 2 && err == nil {
				var n uint64
				n, err = strconv.ParseUint(word[:2], 16, 8)
				s.Data = append(s.Data, byte(n))
				word = word[2:]
			}
		default:
			err = fmt.Errorf("unknown word %q", word)
		}
		if err != nil {
			return err
		}
	}
	talk.Steps = append(talk.Steps, s)
	return nil
}

const (
	epoch = 1_700_000_000_000_000_000
	each  = 1_000_000 // ns between calls
)

// Run gives a conversation to a stage with the protocols of a list, and returns the messages. Each
// step is cut into calls of the sizes that split returns; nil: one call each. Calls of one step have the same time.
func Run(list []*proto.Protocol, o proto.Options, talk *Talk, split func(n int) int) []*event.Entry {
	out, _ := run(list, o, talk, split)
	return out
}

// Most returns the most memory that the connection has taken, in bytes.
func Most(list []*proto.Protocol, talk *Talk) int {
	_, most := run(list, proto.Options{}, talk, nil)
	return most
}

func run(list []*proto.Protocol, o proto.Options, talk *Talk, split func(n int) int) (out []*event.Entry, most int) {
	s := proto.New(list, o)
	keep := func(e *event.Entry) {
		if m, ok := e.Body.(*event.Message); ok && m.Proto != proto.Connection {
			out = append(out, e.Clone())
		}
	}
	conn := talk.conn()
	at, seq := int64(epoch), uint64(0)
	for i := range talk.Steps {
		step := &talk.Steps[i]
		at += each + step.Wait
		data, gap := step.Data, step.Gap
		for done := false; !done; {
			n := len(data)
			if split != nil && !talk.Datagrams {
				n = min(max(split(n), 1), n)
			}
			part := data[:n:n]
			data = data[n:]
			size := int64(n)
			if done = len(data) == 0; done {
				size += gap
			}
			seq++
			e := callEntry(step, conn, at, seq, part, size)
			if size > 0 {
				s.Add(e, keep)
				most = max(most, s.Held())
			}
			// What the stage was given is reused.
			for i := range part {
				if split != nil {
					part[i] = 0xee
				}
			}
		}
		if step.End {
			seq++
			e := callEntry(step, conn, at, seq, nil, 0)
			if step.Dir == proto.Out {
				c := e.Body.(*event.Call)
				c.Role = event.ShutsDown
				c.Args = []event.Arg{{Name: "sockfd"}, {Name: "how", Raw: 1}}
			}
			s.Add(e, keep)
		}
	}
	at += each
	seq++
	s.Add(&event.Entry{Event: event.Event{Time: at, Seq: seq, Body: &event.End{}}}, keep)
	return out, most
}

func (talk *Talk) conn() *event.Conn {
	c := &event.Conn{
		N: 1, Family: 2, Type: 1, Protocol: event.ProtoTCP, Path: talk.Path, Old: talk.Old, Found: talk.Old,
		Local: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.1"), talk.Local), Peer: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), talk.Peer),
	}
	if talk.Datagrams {
		c.Type, c.Protocol = 2, event.ProtoUDP
	}
	if talk.Path != "" {
		c.Family, c.Local, c.Peer, c.Protocol = 1, netip.AddrPort{}, netip.AddrPort{}, 0
	}
	return c
}

func callEntry(step *Step, conn *event.Conn, at int64, seq uint64, data []byte, size int64) *event.Entry {
	c := &event.Call{Name: "sendto", Role: event.Sends, Bytes: size, Ret: size, Args: []event.Arg{{Name: "fd"}}}
	if step.Dir == proto.In {
		c.Name, c.Role, c.In = "recvfrom", event.Receives, true
	}
	if size > 0 {
		c.Payload = []event.Piece{{Data: data, Len: size, Peer: step.Peer}}
	}
	task := event.Task{Proc: event.Proc{PID: 7, Start: 1}, TID: 7, Comm: "prog"}
	return &event.Entry{Event: event.Event{Time: at, Seq: seq, Task: task, Body: c}, Conn: conn, Match: event.MatchExact}
}

// Line writes a message with all that it has.
func Line(e *event.Entry) string {
	m := e.Body.(*event.Message)
	var b strings.Builder
	dir := ">"
	if m.Dir == event.DirIn {
		dir = "<"
	}
	fmt.Fprintf(&b, "%4d ms %s %s %s %q %d B", (e.Time-epoch)/1e6, dir, m.Title, m.Kind, m.Text, m.Bytes)
	switch m.Part {
	case event.Head:
		b.WriteString(" head")
	case event.Rest:
		b.WriteString(" rest")
	}
	if m.Exchange != 0 {
		fmt.Fprintf(&b, " x%d", m.Exchange)
	}
	if m.Kind == event.MessageAnswer && m.Exchange != 0 {
		fmt.Fprintf(&b, " took %.1f ms", float64(m.Took)/1e6)
	}
	if m.Group != "" {
		fmt.Fprintf(&b, " group %q", m.Group)
	}
	if m.Error != "" {
		fmt.Fprintf(&b, " error %q", m.Error)
	}
	if m.Unsure != "" {
		fmt.Fprintf(&b, " unsure: %s", m.Unsure)
	}
	if m.Reason != "" {
		fmt.Fprintf(&b, " reason: %s", m.Reason)
	}
	for _, f := range m.Fields {
		if f.Form.Number() {
			fmt.Fprintf(&b, "\n      %s=%d", f.Name, f.Num)
		} else {
			fmt.Fprintf(&b, "\n      %s=%q", f.Name, f.Text)
		}
	}
	return b.String()
}

// Lines writes messages.
func Lines(list []*event.Entry) string {
	var b strings.Builder
	for _, e := range list {
		b.WriteString(Line(e))
		b.WriteByte('\n')
	}
	return b.String()
}

// Gaps reports whether bytes of the conversation were not recorded.
func (talk *Talk) Gaps() bool {
	return slices.ContainsFunc(talk.Steps, func(s Step) bool { return s.Gap > 0 })
}
