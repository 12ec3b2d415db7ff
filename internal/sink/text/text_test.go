package text_test

import (
	"bytes"
	"flag"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink"
	"github.com/pidwire/pidwire/internal/sink/notation"
	"github.com/pidwire/pidwire/internal/sink/sinktest"
	"github.com/pidwire/pidwire/internal/sink/text"
)

var update = flag.Bool("update", false, "write the golden files again")

func TestContract(t *testing.T) {
	for name, o := range map[string]text.Options{
		"columns": {},
		"strace":  {Plain: true},
		"full":    {Time: text.TimeMicro, Notation: notation.Options{Verbose: true, FDs: 2, StrLen: 4096}},
		"hex":     {Time: text.TimeEpoch, Notation: notation.Options{HexStrings: 2, FDs: 1, Numeric: true}},
	} {
		t.Run(name, func(t *testing.T) {
			sinktest.Run(t, func(w io.Writer) sink.Sink { return text.New(w, o) }, sinktest.Options{})
		})
	}
}

const start = int64(1_700_000_000_000_000_000) // 2023-11-14 22:13:20 UTC

var families = event.NewTable("AF_???", event.Sym{Num: 2, Name: "AF_INET"})

func fd(n int) event.Arg {
	return event.Arg{Name: "fd", Raw: uint64(n), Val: event.Tape{{Kind: event.TFd, Num: uint64(n)}}}
}

func str(s string) event.Arg {
	return event.Arg{Name: "buf", Raw: 0x7f00, Val: event.Tape{{Kind: event.TStr, Str: s, Num: uint64(len(s))}}}
}

func task(comm string, pid, tid uint32) event.Task {
	return event.Task{Proc: event.Proc{PID: pid, Start: 100}, TID: tid, NSPID: pid, NSTID: tid, UID: 1000, Comm: comm}
}

// timeline returns entries of a server that was running at attach, its child in a container,
// and errors.
func timeline() []event.Entry {
	server, thread := task("server", 4711, 4711), task("worker", 4711, 4712)
	inside := task("app", 5000, 5000)
	inside.NSPID, inside.NSTID = 7, 7
	insideThread := task("app", 5000, 5001)
	insideThread.NSPID, insideThread.NSTID = 7, 8

	listener := &event.Conn{
		N: 1, ID: event.SockID{Cookie: 70, Inode: 700}, Family: 2, Type: 1, Protocol: 6, State: 10,
		Local: netip.MustParseAddrPort("0.0.0.0:8080"), Old: true, Found: true,
	}
	child := &event.Conn{
		N: 2, ID: event.SockID{Cookie: 71, Inode: 701}, Family: 2, Type: 1, Protocol: 6, State: 1, Listener: 1,
		Local: netip.MustParseAddrPort("10.0.2.15:8080"), Peer: netip.MustParseAddrPort("10.0.2.2:40000"),
	}
	born := &event.Conn{N: 3, ID: event.SockID{Cookie: 72}, Family: 10, Type: 2, Protocol: 17}
	socket := &event.Conn{N: 4, ID: event.SockID{Inode: 703}, Family: 1, Type: 1, Path: "\x00/tmp/.X11-unix/X0", Old: true}
	file := &event.Conn{N: 5, ID: event.SockID{Inode: 704}, Family: 1, Type: 2, Path: "/run/a b\n.sock", Old: true}
	var many []*event.Conn
	for n := uint32(10); n < 20; n++ {
		many = append(many, &event.Conn{N: n})
	}
	conn := func(c *event.Conn, first bool, others ...*event.Conn) event.Entry {
		return event.Entry{Conn: c, First: first, Match: event.MatchExact, Others: others}
	}

	var list []event.Entry
	add := func(ms float64, who event.Task, e event.Entry, b event.Body) {
		e.Time, e.Task, e.Body, e.Seq = start+int64(ms*1e6), who, b, uint64(len(list)+1)
		list = append(list, e)
	}
	none := event.Entry{}
	add(0, server, none, &event.Process{What: event.Found, Exe: "/usr/bin/server"})
	add(0, server, none, &event.SockFound{Sock: event.Sock{FD: 3, Family: 2}})
	add(0, server, none, &event.Name{What: event.NameUser, ID: 1000, Name: "alice"})
	add(0.041, server, conn(listener, true, child), &event.Call{
		Name: "accept", Args: []event.Arg{fd(3), {Name: "addr"}, {Name: "addrlen"}}, Ret: 5,
		Out: event.Tape{{Kind: event.TFd, Num: 5}}, Dur: 9_100,
	})
	add(0.055, thread, conn(child, false), &event.Call{
		Name: "recvfrom", Args: []event.Arg{fd(5), str("GET / HTTP/1.0\r\n"), {Name: "len", Raw: 4096, Val: event.Tape{{Kind: event.TUint, Num: 4096}}}},
		Ret: 16, Dur: 1_234_567, Bytes: 16, In: true,
	})
	add(1.5, server, none, &event.Process{What: event.Fork, Parent: event.Proc{PID: 4711}})
	add(2, inside, none, &event.Process{What: event.Exec, Exe: "/bin/app", Argv: []string{"app", "--name", "a\x1b[31m b"}})
	add(2.25, inside, conn(born, true), &event.Call{
		Name: "socket", Args: []event.Arg{{Name: "domain", Raw: 2, Val: event.Tape{{Kind: event.TSym, Num: 2, Tab: families}}}}, Ret: 3, Dur: 800,
	})
	add(3, insideThread, conn(socket, true), &event.Call{
		Name: "connect", Args: []event.Arg{fd(4)}, Ret: -111, Errno: "ECONNREFUSED",
		Aux: event.Tape{{Kind: event.TText, Str: "Connection refused"}}, Dur: 25_400,
	})
	add(4, insideThread, conn(file, true), &event.Call{Name: "sendto", Via: "io_uring", Args: []event.Arg{fd(6), str("x")}, Ret: 1, Dur: 4_000_000})
	add(5, server, conn(listener, false), &event.Call{Name: "accept", Args: []event.Arg{fd(3)}, State: event.Waiting, Dur: 5_000_000_000})
	add(6, server, conn(listener, false), &event.Call{Name: "accept", Args: []event.Arg{fd(3)}, State: event.Unfinished, Dur: 6_000_000_000})
	add(7, server, conn(listener, false, many...), &event.Call{Name: "poll", Args: []event.Arg{fd(3)}, Ret: 10, Dur: 5_005_000_000})
	add(8, event.Task{}, none, &event.Lost{Layer: 1, Reason: "ring buffer full", Count: 1024})
	add(9, event.Task{}, none, &event.Note{Degraded: true, Text: "sockets of other namespaces\x1b are not seen"})
	add(9, event.Task{}, none, &event.Note{Text: "this is not worth a line"})
	add(9.5, event.Task{}, none, &event.Unknown{Kind: 77, Len: 40})
	add(9.75, event.Task{}, none, &event.Clock{Drift: 5})
	hostile := task("\x1b[31mevil\n", 6000, 6000)
	add(10, hostile, none, &event.Call{Name: "close", Args: []event.Arg{fd(9)}, Ret: -9, Errno: "EBADF", Dur: 0})
	add(3_600_000, task("a-thread-name-x", 4194304, 4194303), none, &event.Process{What: event.Exit, Code: 0})
	add(90_000_000, server, none, &event.Process{What: event.Exit, Code: 3 << 8})
	add(90_000_001, inside, none, &event.Process{What: event.Exit, Code: 9})
	add(90_000_002, server, none, &event.Process{What: event.Exit, Code: 11 | 0x80})
	add(90_000_003, server, none, &event.Process{What: event.Exit, Code: 35})
	add(-0.001, server, none, &event.Call{Name: "close", Args: []event.Arg{fd(3)}, Dur: 100}) // before the start: the clocks are not read at the same moment
	add(90_000_004, event.Task{}, none, &event.End{Reason: "detached"})
	return list
}

func print(t *testing.T, o text.Options, list []event.Entry) string {
	t.Helper()
	o.Start = start
	var b bytes.Buffer
	s := text.New(&b, o)
	for i := range list {
		if err := s.Write(&list[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestLines(t *testing.T) {
	zone := time.FixedZone("east", 2*3600)
	for name, o := range map[string]text.Options{
		"rel":         {},
		"abs":         {Time: text.TimeAbs, Zone: zone},
		"micro":       {Time: text.TimeMicro, Zone: zone},
		"epoch":       {Time: text.TimeEpoch},
		"delta":       {Time: text.TimeDelta},
		"none":        {Time: text.TimeNone},
		"no-duration": {Time: text.TimeNone, NoDur: true},
		"strace":      {Plain: true},
		"colour":      {Colour: colours, Notation: notation.Options{Style: style}},
	} {
		t.Run(name, func(t *testing.T) { golden(t, name, print(t, o, timeline())) })
	}
}

var (
	colours = &text.Colours{
		Time: "\x1b[2m", Task: "\x1b[36m", Conn: "\x1b[35m", Layer: "\x1b[2m", Note: "\x1b[2m", Warn: "\x1b[33m", Reset: "\x1b[0m",
	}
	style = &notation.Style{Name: "\x1b[1m", Error: "\x1b[31m", String: "\x1b[32m", Note: "\x1b[2m"}
)

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", file, got, want)
	}
}

var sgr = regexp.MustCompile("\x1b\\[[0-9;]*m")

// TestColour checks that colour changes no text, and is reset at the end of each line.
func TestColour(t *testing.T) {
	plain := print(t, text.Options{}, timeline())
	colour := print(t, text.Options{Colour: colours, Notation: notation.Options{Style: style}}, timeline())
	if strings.Contains(plain, "\x1b") {
		t.Error("an escape sequence without colour")
	}
	if sgr.ReplaceAllString(colour, "") != plain {
		t.Errorf("without its colours:\n%s\nwant\n%s", sgr.ReplaceAllString(colour, ""), plain)
	}
	for line := range strings.Lines(colour) {
		all := sgr.FindAllString(line, -1)
		if len(all) == 0 {
			t.Errorf("no colour: %q", line)
		} else if all[len(all)-1] != "\x1b[0m" {
			t.Errorf("a colour goes on after the line: %q", line)
		}
	}
}

// TestColumns checks that all messages after the widest name start in the same column.
func TestColumns(t *testing.T) {
	var list []event.Entry
	for _, comm := range []string{"sixteen-letters", "a", "naïve", ""} {
		list = append(list, event.Entry{Event: event.Event{Time: start, Task: task(comm, 4194304, 4194303), Body: &event.Call{Name: "close", Args: []event.Arg{fd(3)}}}})
	}
	out := print(t, text.Options{Time: text.TimeNone}, list)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for _, l := range lines[1:] {
		at := func(l string) int { return utf8.RuneCountInString(l[:strings.Index(l, "close(")]) }
		if at(l) != at(lines[1]) {
			t.Errorf("not in one column:\n%s", out)
			break
		}
	}
}

func TestAppendDuration(t *testing.T) {
	for ns, want := range map[int64]string{
		0: "0ns", 1: "1ns", 999: "999ns",
		1000: "1us", 1499: "1us", 1500: "2us", 9_100: "9us", 999_499: "999us",
		999_500: "1.00ms", 999_999: "1.00ms", 1_000_000: "1.00ms", 1_234_567: "1.23ms", 25_400_000: "25.40ms", 999_994_999: "999.99ms",
		999_995_000: "1.000s", 999_999_999: "1.000s", 1_000_000_000: "1.000s", 5_005_000_000: "5.005s", 86_400_000_000_000: "86400.000s",
		-1: "?",
	} {
		if got := string(notation.AppendDuration(nil, ns)); got != want {
			t.Errorf("AppendDuration(%d) = %s, want %s", ns, got, want)
		}
	}
}

func TestAppendExit(t *testing.T) {
	for status, want := range map[uint32]string{
		0: "exited with 0", 1 << 8: "exited with 1", 255 << 8: "exited with 255", 0xff00ff00: "exited with 255",
		9: "killed by SIGKILL", 6 | 0x80: "killed by SIGABRT (core dumped)", 35: "killed by SIG_35",
	} {
		if got := string(text.AppendExit(nil, status)); got != want {
			t.Errorf("AppendExit(%#x) = %s, want %s", status, got, want)
		}
	}
}

func TestAppendConn(t *testing.T) {
	a, b := netip.MustParseAddrPort("10.0.2.15:48448"), netip.MustParseAddrPort("[2001:db8::1]:80")
	for _, c := range []struct {
		conn event.Conn
		want string
	}{
		{event.Conn{Family: 2, Type: 1, Protocol: 6, State: 1, Local: a, Peer: b}, "TCP 10.0.2.15:48448 -> [2001:db8::1]:80 ESTABLISHED"},
		{event.Conn{Family: 2, Type: 1, Protocol: 6, State: 7}, "TCP CLOSE"},
		{event.Conn{Family: 2, Type: 1, Protocol: 6, State: 2, Peer: b}, "TCP * -> [2001:db8::1]:80 SYN_SENT"},
		{event.Conn{Family: 10, Type: 2, Protocol: 17, State: 7, Local: b}, "UDP [2001:db8::1]:80"},
		{event.Conn{Family: 1, Type: 5, Path: "/run/x"}, "UNIX-SEQPACKET /run/x"},
		{event.Conn{Family: 1, Type: 1, Path: "\x00a\x00\x1b"}, `UNIX-STREAM @a\x00\x1b`},
		{event.Conn{Family: 16, Type: 3}, "NETLINK"},
		{event.Conn{Family: 44, Type: 2, Protocol: 3}, "socket(44, 2, 3)"},
	} {
		if got := string(text.AppendConn(nil, &c.conn)); got != c.want {
			t.Errorf("%+v: %s, want %s", c.conn, got, c.want)
		}
	}
}

// TestBounded checks that a sink writes its buffer without Flush when it is large.
func TestBounded(t *testing.T) {
	var b bytes.Buffer
	s := text.New(&b, text.Options{})
	list, written := timeline(), 0
	for range 1000 {
		for i := range list {
			if err := s.Write(&list[i]); err != nil {
				t.Fatal(err)
			}
			written++
		}
	}
	if missing := len(print(t, text.Options{}, list))*1000 - b.Len(); missing > 128<<10 {
		t.Errorf("%d bytes are held back after %d entries", missing, written)
	}
}

// TestTree checks the functions around kernel events, and the stacks below them with -k.
func TestTree(t *testing.T) {
	frame := func(name string, addr uint64) event.Frame { return event.Frame{Name: name, Addr: addr, Offset: 4} }
	sent := &event.Kernel{
		What: event.KernelEvent, Tracer: event.Pidwire, Name: "sock:send", Dur: -1, Depth: 1, HasRet: true, Ret64: 5, Context: event.ContextTask,
		Stack:     []event.Frame{frame("sock_sendmsg", 2), frame("__sys_sendto", 1)},
		UserStack: []event.Frame{{Addr: 0x20, Offset: 0x12, File: "/bin/x y"}, {Addr: 0x30}},
		Path:      []event.Frame{frame("sock_sendmsg", 2), {Addr: 0xabc}, {Name: "nft_do_chain", File: "nf_tables"}}, Around: 1,
	}
	step := &event.Kernel{What: event.KernelStep, Tracer: event.Pidwire, Dur: -1, Stack: sent.Stack, Path: []event.Frame{frame("__sys_sendto", 1)}}
	made := &event.Kernel{What: event.KernelStep, Tracer: event.Pidwire, Dur: -1, UserStack: []event.Frame{{Name: "main", Addr: 0x40, Offset: 9, File: "/bin/x"}}}
	for name, test := range map[string]struct {
		o    text.Options
		want string
	}{
		"neither": {text.Options{}, "c[7]              -  krn    sock:send = 5\n"},
		"tree": {text.Options{Tree: true}, `c[7]              -  krn    ~> __sys_sendto
c[7]              -  krn      ~> sock_sendmsg
c[7]              -  krn        ~> 0xabc
c[7]              -  krn          ~> nft_do_chain [nf_tables]
c[7]              -  krn            sock:send = 5
`},
		"stacks": {text.Options{Stacks: true}, ` > /bin/x(main+0x9) [0x40]
c[7]              -  krn    sock:send = 5
 > (sock_sendmsg+0x4) [0x2]
 > (__sys_sendto+0x4) [0x1]
 > /bin/x y [0x20]
 >  [0x30]
`},
	} {
		var b bytes.Buffer
		test.o.Time = text.TimeNone
		s := text.New(&b, test.o)
		for _, k := range []*event.Kernel{made, step, sent} {
			if err := s.Write(&event.Entry{Event: event.Event{Task: event.Task{Proc: event.Proc{PID: 7}, TID: 7, Comm: "c"}, Body: k}}); err != nil {
				t.Fatal(err)
			}
		}
		s.Close()
		if b.String() != test.want {
			t.Errorf("%s:\n%swant\n%s", name, b.String(), test.want)
		}
	}
}

// TestNames checks the names of peers: as they are if this end called its peer so on the connection, with a ~ if
// only its address has the name, and in packets with Names.
func TestNames(t *testing.T) {
	data := append([]byte{0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}, make([]byte, 20)...)
	packet := &event.Capture{Packet: event.Packet{
		Dir: event.DirOut, Data: data, Captured: 40, Len: 40, Version: 4, Src: netip.MustParseAddrPort("10.0.0.1:4000"), Dst: netip.MustParseAddrPort("10.0.0.2:80"),
	}}
	connect := &event.Call{Name: "connect", Role: event.Connects, State: event.Returned}
	for _, c := range []struct {
		from  event.NameFrom
		names bool
		want  []string
	}{
		{event.FromHost, true, []string{"# web.test", "IP 10.0.0.1 > web.test:"}},
		{event.FromDNS, true, []string{"# ~web.test", "IP 10.0.0.1 > ~web.test:"}},
		{event.FromPTR, false, []string{"# ~web.test", "IP 10.0.0.1 > 10.0.0.2:"}},
	} {
		conn := &event.Conn{N: 1, Family: 2, Type: 1, Protocol: 6, Local: packet.Src, Peer: packet.Dst, PeerName: "web.test", PeerFrom: c.from}
		got := print(t, text.Options{Names: c.names}, []event.Entry{
			{Event: event.Event{Time: 1, Body: connect}, Conn: conn, Match: event.MatchExact}, {Event: event.Event{Time: 2, Body: packet}, Conn: conn, Match: event.MatchExact},
		})
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%v: no %q in\n%s", c.from, want, got)
			}
		}
		want := "(10.0.0.2)"
		if b := string(text.AppendConn(nil, conn)); !strings.Contains(b, "web.test:80 "+want) || strings.Contains(b, "~") != c.from.Inferred() {
			t.Errorf("%v: %q", c.from, b)
		}
	}
}
