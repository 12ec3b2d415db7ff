// Package sinktest is the contract of all sinks: the test of each sink calls Run.
package sinktest

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink"
	"github.com/pidwire/pidwire/internal/sink/clean"
)

var many = &event.Key{Name: "a.list", Many: true}

// Hostile are strings that a process may use as a name, send, or put into a path, to attack a
// terminal or a parser of the output.
var Hostile = []string{
	"\x1b[31mred\x1b]0;title\x07",
	"a\nb\r\nc\td",
	"\u009b31m\x9b\u0085\u2028",
	"\u202egnp\u2066x\u200b\ufeff",
	"\xff\xfe\x00\xed\xa0\x80",
	`"\'<script>&=cmd()`,
	"\U000e0041\ufffd\x7f",
}

// static are the string fields that never come from a process, but from our own tables. Every other
// string field of an entry is hostile.
var static = map[string]bool{
	"Audit.AddrRole": true, "Call.Name": true, "Call.Via": true, "Call.Errno": true, "Arg.Name": true, "Token.Name": true, "Lost.Reason": true,
	"Message.Proto": true, "Message.Title": true, "Message.Unsure": true, "Message.Reason": true, "Verdict.Cause": true, "Key.Name": true, "Key.Label": true,
}

// Timeline returns entries with every kind of body, in which each string from outside is s. Two
// calls return equal entries that share no memory.
func Timeline(s string) []event.Entry {
	var list []event.Entry
	seq := uint64(0)
	add := func(b event.Body, conn *event.Conn, others ...*event.Conn) {
		seq++
		list = append(list, event.Entry{
			Event: event.Event{
				Time: 1_700_000_000_000_000_000 + int64(seq)*1_500_000, Seq: seq, Warn: []string{""},
				Task: event.Task{Proc: event.Proc{PID: 402475, Start: 12345}, TID: 402476, NSPID: 7, NSTID: 8, UID: 1000},
				Body: b,
			},
			Conn: conn, Match: event.MatchExact, First: conn != nil, Others: others, User: "-",
		})
	}
	tcp := &event.Conn{
		N: 1, ID: event.SockID{Cookie: 1 << 63, Inode: 4711}, NetNS: 4026531840, Family: 2, Type: 1, Protocol: 6, State: 1,
		Local: netip.MustParseAddrPort("10.0.2.15:48448"), Peer: netip.MustParseAddrPort("10.0.0.5:80"), Old: true, Found: true, First: 5,
	}
	unix := &event.Conn{N: 2, ID: event.SockID{Inode: 4712}, Family: 1, Type: 1, Path: "-", Old: true}
	child := &event.Conn{N: 3, ID: event.SockID{Cookie: 9}, Family: 10, Type: 1, Protocol: 6, Listener: 1, Closed: true}
	other := &event.Conn{N: 4, ID: event.SockID{Cookie: 10}, Family: 16, Type: 3}

	add(&event.Process{What: event.Found, Exe: "-", Argv: []string{"-", "-"}, Cgroup: "-", Container: "-", NetNS: 1}, nil)
	add(&event.Process{What: event.Fork, Parent: event.Proc{PID: 1}}, nil)
	add(&event.Process{What: event.Exec, Exe: "-", Argv: []string{"-", "-", "-"}, Compat: true}, nil)
	add(&event.SockFound{Sock: event.Sock{FD: 3, Family: 1}, Path: "-"}, nil)
	add(&event.Capture{Packet: event.Packet{Dir: event.DirOut}, Cookie: 1<<64 - 1, Owner: event.OwnerSent, Inherited: true}, nil)
	add(&event.Capture{Packet: event.Packet{Dir: event.DirIn}, Made: event.MadeTimeWait, Wire: true, Owner: event.OwnerFound}, tcp)
	add(&event.Capture{Packet: event.Packet{Dir: event.DirOut, Len: 28}, Link: 1, NoIP: true, Ether: 0x0806, Owner: event.OwnerSent}, nil)
	add(&event.Kernel{What: event.KernelLeaf, Tracer: event.Ftrace, Name: "-", Module: "-", Func: "-", Depth: 3, Args: "-", Ret: "-", HasRet: true, Dur: 5000, Bytes: -1, Text: "-"}, nil)
	add(&event.Kernel{What: event.KernelEvent, Tracer: event.DTrace, Name: "-", Dur: -1, Local: tcp.Local, Peer: tcp.Peer, Dir: event.DirOut, Bytes: 5, Flags: "-", From: "-", To: "-"}, tcp)
	add(&event.Kernel{
		What: event.KernelEvent, Tracer: event.Pidwire, Name: "skb:drop", Func: "-", Dur: -1, Bytes: 60, Reason: "-", Context: event.ContextSoftirq, CPU: 1, OnTID: 7, OnComm: s,
		Fields: []event.Arg{
			{Name: "reason", Val: event.Tape{{Kind: event.TAsIs, Str: "-"}}}, {Name: "dev", Val: event.Tape{{Kind: event.TIface, Num: 2, Str: "-", Flags: event.FPlain}}},
			{Name: "seq", Val: event.Tape{{Kind: event.TUint, Num: 1 << 63, Flags: event.FVerbose}}},
		},
		Stack:     []event.Frame{{Addr: 1 << 63, Offset: 3, Name: "-", File: "-"}, {Addr: 5}},
		UserStack: []event.Frame{{Addr: 1 << 40, Offset: 3, File: "-"}},
		Path:      []event.Frame{{Addr: 1 << 63, Offset: 3, Name: "-", File: "-"}, {Addr: 5}}, Around: 2,
	}, tcp)
	add(&event.Kernel{What: event.KernelStep, Tracer: event.Pidwire, Dur: -1, Bytes: -1, UserStack: []event.Frame{{Addr: 7, Name: "-", Offset: 1}}}, tcp)
	add(&event.Kernel{What: event.KernelEvent, Tracer: event.Pidwire, Name: "sock:send", Dur: -1, Bytes: -1, Depth: 1, HasRet: true, Ret64: -11, Errno: "EAGAIN", Context: event.ContextTask}, tcp)
	add(&event.Kernel{What: event.KernelSock, Tracer: event.Pidwire, HasSock: true, Cookie: 1}, tcp)
	add(&event.Symbol{Addr: 1 << 63, Name: "-", File: "-"}, nil)
	for _, part := range []event.MessagePart{event.WholeMessage, event.Head, event.Rest} {
		add(&event.Message{
			Proto: "http", Title: "HTTP", Kind: event.MessageAnswer, Dir: event.DirIn, Part: part, Text: s, Group: s, Error: s, Exchange: 7, Bytes: 1 << 40,
			Begin: 5, End: 9, Took: 4, Budget: &event.Budget{event.SharePeer: 3, event.ShareUnknown: 1}, Unsure: "a request is missing", Reason: "it is cut",
			Fields: []event.Field{
				{Key: &event.Key{Name: "a.b.c"}, Text: s}, {Key: many, Text: s}, {Key: many, Text: s}, {Key: &event.Key{Name: "a.size", Form: event.FormBytes, Label: "size"}, Num: 1 << 50},
				{Key: &event.Key{Name: "a.took", Form: event.FormNS}, Num: 1500}, {Key: &event.Key{Name: "b.quiet", Form: event.FormQuiet}, Text: s},
				{Key: &event.Key{Name: "b.cut", Label: "cut", Form: event.FormBool}, Num: 1}, {Key: &event.Key{Name: "network.protocol.version", Form: event.FormQuiet}, Text: s},
			},
		}, tcp)
	}
	add(&event.Message{Proto: "unknown", Title: "?", Text: s, Dir: event.DirOut}, tcp)
	add(&event.Message{
		Proto: "conn", Title: "TCP", Kind: event.MessageNotice, Text: s, Begin: 5, End: 29, Took: 24, Resent: 5, Shut: 2, Bytes: 9,
		Budget: &event.Budget{event.ShareNetwork: 20, event.ShareQueue: 4},
	}, tcp)
	for severity := event.Info; severity <= event.Failure; severity++ {
		add(&event.Verdict{
			Rank: int(severity), Cause: "dns-silent", Severity: severity, Conns: []uint32{1, 3}, Cost: 5_010_000_000 * int64(severity), Share: 0.94, Count: 1 + int(severity), Text: s,
			Evidence: []event.Evident{{Layer: event.LayerPkt, Seq: 3, Conn: 1, Text: s}, {Layer: event.LayerSys, Seq: 9, Text: s}}, Try: []string{s}, Missing: []event.Layer{event.LayerKrn},
		}, tcp)
	}
	add(&event.Handover{Cookie: 9, Listener: 1 << 63, Owner: event.OwnerReceived, From: event.Task{Comm: s}, Shown: 3}, child)
	add(&event.State{Sock: event.Sock{Family: 2, Type: 1, Protocol: 6}, From: 4, To: 7, Err: 104, TCP: event.TCPCounts{SegsIn: 1, Sent: 1 << 63, RTT: 1000, Retrans: 2}}, tcp)
	add(&event.State{Sock: event.Sock{Family: 2, Type: 1, Protocol: 6}, Look: true, From: 1, To: 1, Users: &event.Users{
		{What: event.OwnerCreated, Task: event.Task{Comm: s}, Inherited: true}, {}, {What: event.OwnerSent, Time: 1 << 60, Task: event.Task{Comm: s}},
	}}, tcp)
	recorded := call(event.Returned)
	recorded.Args[0] = event.Arg{Name: "arg", Unknown: true, Val: event.Tape{{Kind: event.TText, Str: "?"}}}
	add(&event.Audit{
		Serial: 1 << 63, Stamp: 1 << 60, Types: []string{"-"}, Call: recorded, AUID: 1000, Session: 3, UID: 0, PPID: 1, AUIDName: "-", TTY: "-", Exe: "-", Key: "-", Subject: "-",
		What: "-", Denial: true, Addr: event.Tape{{Kind: event.TStr, Str: "-"}}, AddrRole: "peer",
	}, tcp)
	add(&event.Audit{Missing: true, Joined: true, Call: call(event.Returned), AUID: event.Unset, Session: event.Unset, UID: event.Unset}, tcp)
	add(&event.Audit{Types: []string{"AVC"}, What: "-", AUID: event.Unset, Session: event.Unset, UID: event.Unset}, nil)
	foreign := call(event.Returned)
	foreign.Foreign, foreign.Dur = true, 0
	add(foreign, tcp)
	add(&event.Ready{EpFD: 4, FD: 3, Events: 1, Data: 1 << 63, Inode: 7}, nil)
	add(&event.Name{What: event.NameUser, ID: 1000, Name: "-"}, nil)
	add(&event.Name{What: event.NameIface, ID: 2, Name: "-"}, nil)
	add(&event.Note{Degraded: true, Text: "-", Fix: "-"}, nil)
	add(&event.Note{Text: "-"}, nil)
	add(&event.Clock{Drift: -5}, nil)
	add(&event.Fact{Name: "limit nofile", Text: s}, nil)
	for _, state := range []event.CallState{event.Returned, event.Waiting, event.Unfinished} {
		for _, conn := range []*event.Conn{nil, tcp, unix, child, other} {
			c := call(state)
			if conn != nil {
				c.Socks = []event.Sock{{ID: conn.ID, FD: 3, Family: conn.Family, Type: conn.Type, Protocol: conn.Protocol, Local: conn.Local, Peer: conn.Peer}}
				add(c, conn, child, other)
			} else {
				add(c, nil)
			}
		}
	}
	in := call(event.Returned)
	in.In, in.Via, in.ABI, in.Redacted, in.Cut = true, "io_uring", event.I386, true, true
	add(in, tcp)
	failed := &event.Call{Name: "connect", NR: 42, ABI: event.X86_64, Ret: -111, Errno: "ECONNREFUSED", Dur: 1234}
	failed.Aux = event.Tape{{Kind: event.TText, Str: "Connection refused"}}
	add(failed, tcp)
	add(&event.Lost{Layer: 1, Reason: "ring buffer full", Count: 3}, nil)
	add(&event.Unknown{Kind: 999, Len: 24}, nil)
	add(&event.Process{What: event.Exit, Code: 3 << 8}, nil)
	add(&event.Process{What: event.Exit, Code: 11 | 0x80}, nil)
	add(&event.Process{What: 99}, nil)
	add(&event.End{Reason: "-"}, nil)
	list[len(list)-2].Task = event.Task{}
	for i := range list {
		poison(reflect.ValueOf(&list[i]).Elem(), "", s)
		if list[i].Conn == nil {
			list[i].Match = event.MatchNone
		}
	}
	return list
}

// call has an argument with every kind of token.
func call(state event.CallState) *event.Call {
	tab := event.NewTable("AF_???", event.Sym{Num: 1, Name: "AF_UNIX"}, event.Sym{Num: 2, Name: "AF_INET"})
	c := &event.Call{Name: "sendmsg", NR: 46, ABI: event.X86_64, State: state, Dur: 9000, Ret: 64, Bytes: 64}
	one := func(k event.Token) {
		c.Args = append(c.Args, event.Arg{Name: "arg", Raw: 1<<64 - 1, Val: event.Tape{k}})
	}
	for kind := event.TInt; kind <= event.TDur; kind++ {
		k := event.Token{Kind: kind, Num: 3, Tab: tab}
		switch kind {
		case event.TStr, event.THexStr, event.TIface, event.TAsIs:
			k.Str = "-"
		case event.TText, event.TNote:
			k.Str = "words"
		case event.TIPv4:
			k.Str = "\x1b[3\n"
		case event.TIPv6:
			k.Str = "\x1b[31m\x9b\n\r\x00\xff\xfe\xfd\xfc\xfb\xfa\x1b"
		case event.TMAC:
			k.Str = "\x1b[\x9b\n\r\x00"
		}
		one(k)
	}
	for _, flags := range []uint16{event.FAbstract | event.FWhole, event.FCut} {
		one(event.Token{Kind: event.TStr, Flags: flags, Str: "-", Num: 1 << 40})
	}
	c.Args = append(c.Args,
		event.Arg{Name: "nothing", Raw: 0},
		event.Arg{Name: "struct", Val: event.Tape{
			{Kind: event.TStruct}, {Kind: event.TStr, Name: "name", Str: "-"}, {Kind: event.TArray, Name: "list"},
			{Kind: event.TStr, Str: "-"}, {Kind: event.TMore}, {Kind: event.TEnd}, {Kind: event.TEnd},
		}},
		event.Arg{Name: "open", Val: event.Tape{{Kind: event.TStruct}, {Kind: event.TArray}}}, // without its ends
	)
	c.Out = event.Tape{{Kind: event.TStr, Str: "-"}}
	c.Aux = event.Tape{{Kind: event.TStr, Name: "left", Str: "-"}}
	return c
}

// poison sets the strings of v that are neither static nor empty to s.
func poison(v reflect.Value, field, s string) {
	switch v.Kind() {
	case reflect.String:
		if v.String() != "" && !static[field] || field == "Task.Comm" || field == "Event.Warn" {
			v.SetString(s)
		}
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() && v.Type() != reflect.TypeFor[*event.Table]() {
			poison(v.Elem(), field, s)
		}
	case reflect.Slice:
		for i := range v.Len() {
			poison(v.Index(i), field, s)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[event.Token]() {
			switch event.TokenKind(v.FieldByName("Kind").Uint()) {
			case event.TStr, event.THexStr, event.TIface:
			default:
				return
			}
		}
		if v.Type() == reflect.TypeFor[netip.AddrPort]() {
			return
		}
		for i := range v.NumField() {
			poison(v.Field(i), v.Type().Name()+"."+v.Type().Field(i).Name, s)
		}
	}
}

// Options describe special properties of a sink.
type Options struct {
	// AtClose: the sink writes everything in Close, and nothing before.
	AtClose bool
	// Folds: only some entries have a line, and lines that repeat between two calls of Flush are one.
	Folds bool
}

// Run tests a sink. make returns a new one that writes to w, without colour.
func Run(t *testing.T, make func(w io.Writer) sink.Sink, o Options) {
	t.Run("every kind of body", func(t *testing.T) { everyBody(t, make) })
	t.Run("nothing hostile gets through", func(t *testing.T) { hostile(t, make) })
	t.Run("entries are not changed", func(t *testing.T) { unchanged(t, make) })
	t.Run("entries are not kept", func(t *testing.T) { unkept(t, make) })
	t.Run("flush", func(t *testing.T) { flush(t, make, o) })
	t.Run("close", func(t *testing.T) { closing(t, make) })
	t.Run("an error of the writer", func(t *testing.T) { writeError(t, make) })
	t.Run("the end of a short disk", func(t *testing.T) { fullAtEnd(t, make) })
}

func write(t *testing.T, s sink.Sink, list []event.Entry) {
	t.Helper()
	for i := range list {
		if err := s.Write(&list[i]); err != nil {
			t.Fatalf("entry %d, %T: %v", i, list[i].Body, err)
		}
	}
}

func output(t *testing.T, make func(io.Writer) sink.Sink, list []event.Entry) string {
	t.Helper()
	var b bytes.Buffer
	s := make(&b)
	write(t, s, list)
	if err := s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	return b.String()
}

// everyBody checks that each kind of body is accepted on its own, in a separate timeline, and with
// all optional fields empty.
func everyBody(t *testing.T, make func(io.Writer) sink.Sink) {
	for i, e := range Timeline("x") {
		s := make(io.Discard)
		write(t, s, []event.Entry{e})
		if err := s.Close(); err != nil {
			t.Errorf("entry %d, %T: Close: %v", i, e.Body, err)
		}
		bare := event.Entry{Event: event.Event{Body: reflect.New(reflect.TypeOf(e.Body).Elem()).Interface().(event.Body)}}
		s = make(io.Discard)
		write(t, s, []event.Entry{bare, bare})
		if err := s.Close(); err != nil {
			t.Errorf("an empty %T: Close: %v", e.Body, err)
		}
	}
}

func hostile(t *testing.T, make func(io.Writer) sink.Sink) {
	plain := output(t, make, Timeline("x"))
	if plain == "" || !strings.HasSuffix(plain, "\n") {
		t.Fatalf("a timeline makes %d bytes, the last no newline", len(plain))
	}
	for _, s := range Hostile {
		out := output(t, make, Timeline(s))
		if got, want := strings.Count(out, "\n"), strings.Count(plain, "\n"); got != want {
			t.Errorf("%q: %d lines, want %d", s, got, want)
		}
		for line := range strings.Lines(out) {
			line = strings.TrimSuffix(line, "\n")
			if !utf8.ValidString(line) {
				t.Errorf("%q: not UTF-8: %q", s, line)
			}
			for _, r := range line {
				if clean.Hidden(r) {
					t.Errorf("%q: %U in %q", s, r, line)
					break
				}
			}
		}
	}
}

// unchanged checks that sinks do not modify entries, which they share.
func unchanged(t *testing.T, make func(io.Writer) sink.Sink) {
	given, want := Timeline(Hostile[0]), Timeline(Hostile[0])
	first := output(t, make, given)
	for i := range given {
		if !reflect.DeepEqual(given[i], want[i]) {
			t.Errorf("entry %d was changed:\n got %+v\nwant %+v", i, given[i], want[i])
		}
	}
	if second := output(t, make, want); second != first {
		t.Errorf("the same entries gave other output:\n%s\n%s", first, second)
	}
}

// unkept checks that a sink does not use an entry after Write returns: its memory, except that of
// its connections, is reused.
func unkept(t *testing.T, make func(io.Writer) sink.Sink) {
	want := output(t, make, Timeline("x"))
	var b bytes.Buffer
	s := make(&b)
	for _, e := range Timeline("x") {
		if err := s.Write(&e); err != nil {
			t.Fatal(err)
		}
		if c, ok := e.Body.(*event.Call); ok {
			for i := range c.Args {
				clear(c.Args[i].Val)
			}
			clear(c.Args)
			clear(c.Socks)
			clear(c.Out)
		}
		clear(e.Others)
		reflect.ValueOf(e.Body).Elem().SetZero()
		e = event.Entry{}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if b.String() != want {
		t.Errorf("after the entries were used again:\n got %s\nwant %s", b.String(), want)
	}
}

func flush(t *testing.T, make func(io.Writer) sink.Sink, o Options) {
	list := Timeline("x")
	want := output(t, make, list)
	var b bytes.Buffer
	s := make(&b)
	if err := s.Flush(); err != nil || b.Len() != 0 {
		t.Errorf("Flush of nothing wrote %q, %v", b.String(), err)
	}
	lines := 0
	for i := range list {
		write(t, s, list[i:i+1])
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
		if b.Len() > 0 && !bytes.HasSuffix(b.Bytes(), []byte("\n")) {
			t.Fatalf("after Flush the output ends with half a line: %q", b.String())
		}
		if n := bytes.Count(b.Bytes(), []byte("\n")); n > lines {
			lines = n
		} else if _, isCall := list[i].Body.(*event.Call); isCall && !o.AtClose && !o.Folds {
			t.Errorf("entry %d: Flush did not hand its line on", i)
		}
	}
	if o.AtClose && lines > 0 {
		t.Errorf("%d lines before Close", lines)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if b.String() != want && !o.Folds {
		t.Errorf("flushed after each entry the output is another:\n got %s\nwant %s", b.String(), want)
	}
}

type closer struct {
	bytes.Buffer
	closed bool
}

func (c *closer) Close() error { c.closed = true; return nil }

func closing(t *testing.T, make func(io.Writer) sink.Sink) {
	w := &closer{}
	s := make(w)
	write(t, s, Timeline("x"))
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if w.closed {
		t.Error("the sink closed a writer that is not its own")
	}
	if !bytes.HasSuffix(w.Bytes(), []byte("\n")) {
		t.Error("the output does not end with a newline")
	}
	var empty bytes.Buffer
	if err := make(&empty).Close(); err != nil {
		t.Errorf("Close of an empty timeline: %v", err)
	}
	if empty.Len() > 0 && !bytes.HasSuffix(empty.Bytes(), []byte("\n")) {
		t.Errorf("an empty timeline makes %q", empty.String())
	}
}

var errDisk = errors.New("no space left on device")

// short is a writer with room for a number of bytes.
type short struct {
	room   int
	writes int // number of failed writes
}

func (w *short) Write(p []byte) (int, error) {
	if len(p) <= w.room {
		w.room -= len(p)
		return len(p), nil
	}
	n := w.room
	w.room = 0
	w.writes++
	return n, errDisk
}

// writeError checks that a write error is returned, and then by every later call.
func writeError(t *testing.T, make func(io.Writer) sink.Sink) {
	w := &short{room: 100}
	s := make(w)
	list := Timeline("x")
	var err error
	for range 5000 {
		for i := range list {
			if werr := s.Write(&list[i]); err == nil {
				err = werr
			} else if !errors.Is(werr, errDisk) {
				t.Fatalf("Write after an error: %v", werr)
			}
		}
		if err != nil {
			break
		}
	}
	if err != nil && !errors.Is(err, errDisk) {
		t.Fatalf("Write: %v", err)
	}
	if err != nil {
		if ferr := s.Flush(); !errors.Is(ferr, errDisk) {
			t.Errorf("Flush after an error: %v", ferr)
		}
	}
	if cerr := s.Close(); !errors.Is(cerr, errDisk) {
		t.Errorf("Close after an error: %v", cerr)
	}
	if w.writes != 1 {
		t.Errorf("the writer was called %d times after it had failed", w.writes-1)
	}
}

// fullAtEnd checks that incomplete output is never a success, at whatever byte the writer failed.
func fullAtEnd(t *testing.T, make func(io.Writer) sink.Sink) {
	list := Timeline("x")
	size := len(output(t, make, list))
	for room := 0; room < size; room += 1 + size/50 {
		s := make(&short{room: room})
		var err error
		for i := range list {
			err = errors.Join(err, s.Write(&list[i]))
		}
		err = errors.Join(err, s.Flush(), s.Close())
		if !errors.Is(err, errDisk) {
			t.Fatalf("room for %d bytes of %d: %v", room, size, err)
		}
	}
	s := make(&short{room: size})
	write(t, s, list)
	if err := s.Close(); err != nil {
		t.Errorf("room for all %d bytes: %v", size, err)
	}
}
