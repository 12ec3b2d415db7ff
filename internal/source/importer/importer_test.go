package importer_test

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/bounded"
	"github.com/pidwire/pidwire/internal/decode"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/flow"
	"github.com/pidwire/pidwire/internal/sink/notation"
	"github.com/pidwire/pidwire/internal/sink/text"
	"github.com/pidwire/pidwire/internal/source/importer"
	"github.com/pidwire/pidwire/internal/source/sourcetest"
	"github.com/pidwire/pidwire/internal/wire"
)

// samples are transcripts of one process by three tools.
const samples = "../../../testdata/emulator"

// foreign are transcripts of tools of other systems, and of kernel tracers.
var foreign = []string{
	"../../internal/foreign/truss/testdata/solaris.truss", "../../internal/foreign/truss/testdata/aix.truss", "../../internal/foreign/truss/testdata/freebsd.truss",
	"../../internal/foreign/ktrace/testdata/stap-emulator.txt", "../../internal/foreign/ktrace/testdata/ftrace-graph-proc-6.1.txt",
	"../../internal/foreign/ktrace/testdata/ftrace-events-7.2.txt", "../../internal/foreign/ktrace/testdata/ftrace-lost-6.12.txt",
	"../../internal/foreign/ktrace/testdata/dtrace-tcpio.txt", "../../internal/foreign/ktrace/testdata/dtrace-tcpsnoop.txt",
}

var update = flag.Bool("update", false, "write the golden files again")

// entries returns the entries of a file.
func entries(t testing.TB, b []byte) (list []event.Entry, h wire.Header) {
	t.Helper()
	in := bufio.NewReaderSize(bytes.NewReader(b), 64<<10)
	head, _ := in.Peek(min(len(b), importer.SniffBytes))
	kind := importer.Sniff(head)
	if kind == importer.Unknown {
		t.Fatal("not recognised")
	}
	src, err := importer.New(in, "file", kind)
	if err != nil {
		t.Fatal(err)
	}
	h = src.Header()
	d, j := decode.New(h), flow.New(new(bounded.Room))
	if err := src.Run(context.Background(), func(r wire.Record) error {
		if r == nil {
			return nil
		}
		if tt, ok := t.(*testing.T); ok {
			sourcetest.WellFormed(tt, h, r)
		}
		list = append(list, event.Entry{})
		e := &list[len(list)-1]
		d.Record(bytes.Clone(r), &e.Event)
		j.Add(e)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return list, h
}

// TestSamples compares the lines of real files with the expected ones.
func TestSamples(t *testing.T) {
	for _, name := range append(foreign, "emulator.strace", "emulator.audit.log", "emulator.tcpdump") {
		b, err := os.ReadFile(filepath.Join(samples, name))
		if err != nil {
			t.Fatal(err)
		}
		name = filepath.Base(name)
		list, h := entries(t, b)
		var out bytes.Buffer
		s := text.New(&out, text.Options{Start: int64(h.Wall)})
		for i := range list {
			if err := s.Write(&list[i]); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		golden := filepath.Join("testdata", name+".lines")
		if *update {
			if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out.Bytes(), want) {
			t.Errorf("%s:\n%s", name, out.Bytes())
		}
	}
}

// TestEmulator checks the calls and connections in the transcript of strace.
func TestEmulator(t *testing.T) {
	b, err := os.ReadFile("../../../testdata/emulator/emulator.strace")
	if err != nil {
		t.Fatal(err)
	}
	list, _ := entries(t, b)
	conns := map[string]uint32{}
	calls := 0
	for _, e := range list {
		c, ok := e.Body.(*event.Call)
		if !ok {
			continue
		}
		calls++
		if e.Task.PID != 9744 || e.Conn == nil || e.Match != event.MatchTable {
			t.Fatalf("%s: of process %d, connection %v, match %v", c.Name, e.Task.PID, e.Conn, e.Match)
		}
		if e.Slack != 1e9 {
			t.Errorf("%s: slack %d", c.Name, e.Slack)
		}
		if c.Name == "connect" {
			if c.Ret != -115 || c.Errno != "EINPROGRESS" || e.Conn.Peer.String() != "124.65.150.30:5222" || e.Conn.Protocol != event.ProtoTCP {
				t.Errorf("connect = %d %s to %s", c.Ret, c.Errno, e.Conn.Peer)
			}
		}
		fd := fmt.Sprint(c.Args[0].Raw)
		if c.Name == "socket" {
			fd = fmt.Sprint(c.Ret)
		}
		if n, seen := conns[fd]; seen && n != e.Conn.N {
			t.Errorf("descriptor %s is c%d and c%d", fd, n, e.Conn.N)
		}
		conns[fd] = e.Conn.N
	}
	if calls != 20 || len(conns) != 2 || conns["11"] == conns["12"] {
		t.Errorf("%d calls, connections %v", calls, conns)
	}
}

// printed returns the calls of list in the notation of strace.
func printed(list []event.Entry) (out []string) {
	for i := range list {
		if c, ok := list[i].Body.(*event.Call); ok {
			out = append(out, string(notation.AppendCall(nil, c, &notation.Options{})))
		}
	}
	return out
}

var (
	leader = regexp.MustCompile(`^(\[pid +\d+\] |\d+ +)?([0-9:.]+ )?`)
	behind = regexp.MustCompile(` <[0-9.]+>$`)
)

// TestAgain checks that calls that strace has printed are the same when pidwire prints them.
func TestAgain(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		if os.Getenv("PIDWIRE_MUST") != "" {
			t.Fatal("strace is not installed")
		}
		t.Skip("strace is not installed")
	}
	for _, flags := range []string{"-o", "-t -o", "-tt -T -o", "-f -ttt -o", "-yy -x -o", "-s 5 -v -o"} {
		name := filepath.Join(t.TempDir(), "out")
		args := append(strings.Fields(flags), name, "-e", "trace=network,read,write,close", "curl", "-s", "-m", "2", "http://127.0.0.1:1/")
		_ = exec.Command("strace", args...).Run() // strace exits with the code of curl
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		list, _ := entries(t, b)
		got := printed(list)
		var want []string
		for _, l := range strings.Split(string(b), "\n") {
			l = leader.ReplaceAllString(l, "")
			if l == "" || l[0] == '+' || l[0] == '-' || strings.Contains(l, "<unfinished") || strings.Contains(l, "resumed>") {
				continue
			}
			l = behind.ReplaceAllString(l, "")
			if i := strings.LastIndex(l, " = "); i > 0 {
				l = strings.TrimRight(l[:i], " ") + l[i:] // strace aligns results
			}
			want = append(want, l)
		}
		if len(want) < 10 {
			t.Fatalf("%s: %d lines", flags, len(want))
		}
		have := map[string]int{}
		for _, l := range got {
			have[l]++
		}
		for _, l := range want {
			if have[l]--; have[l] < 0 {
				t.Errorf("%s: not printed again: %s", flags, l)
			}
		}
	}
}

// TestNotRead checks that unreadable lines are reported with their numbers, but only the first
// ones.
func TestNotRead(t *testing.T) {
	var b strings.Builder
	b.WriteString("08:00:00 close(3) = 0\n")
	for range 30 {
		b.WriteString("\x1b[31mgarbage\n")
	}
	b.WriteString("08:00:01 close(4) = 0\n")
	list, _ := entries(t, []byte(b.String()))
	var notes []string
	calls := 0
	for _, e := range list {
		switch x := e.Body.(type) {
		case *event.Note:
			notes = append(notes, x.Text)
		case *event.Call:
			calls++
		}
	}
	if calls != 2 || len(notes) != 11 || notes[0] != "file:2: not a line of strace" || notes[10] != "file: 30 lines in total could not be read" {
		t.Errorf("%d calls, notes %q", calls, notes)
	}
}

// TestDump checks the records for the output of tcpdump other than packets: names,
// interfaces, losses, and unreadable lines.
func TestDump(t *testing.T) {
	list, h := entries(t, []byte(`tcpdump: verbose output suppressed, use -v[v]... for full protocol decode
listening on bond0, link-type EN10MB (Ethernet), snapshot length 262144 bytes
08:01:30.000001 IP web.40181 > 10.0.0.5.http: Flags [P.], seq 1:11, ack 1, win 502, length 10
08:01:30.000002 ARP, Request who-has 10.0.0.1 tell 10.0.0.2, length 28
08:01:30.000003 lo    In  IP 127.0.0.1.5 > 127.0.0.1.6: UDP, length 3
2 packets captured
2 packets received by filter
7 packets dropped by kernel
`))
	if h.Clock != wire.ClockDay || h.Layers != 1<<wire.LayerPkt {
		t.Errorf("clock %d, layers %b", h.Clock, h.Layers)
	}
	var words []string
	for _, e := range list {
		switch b := e.Body.(type) {
		case *event.Name:
			words = append(words, fmt.Sprintf("name %d %d %s", b.What, b.ID, b.Name))
		case *event.Capture:
			words = append(words, fmt.Sprintf("packet if%d %s %d", b.Iface, b.Dir, b.Length))
			if b.Iface == 1 && (e.Conn == nil || !e.Conn.LocalMade || e.Conn.LocalName != "web" || e.Conn.PeerMade) {
				t.Errorf("connection %+v", e.Conn)
			}
		case *event.Note:
			words = append(words, b.Text)
		case *event.Lost:
			words = append(words, fmt.Sprintf("lost %d: %s", b.Count, b.Reason))
		}
	}
	want := []string{"name 2 1 bond0", "name 3 1 web", "packet if1 unknown 30", "file:4: not an IP packet, or its addresses are missing",
		"name 2 2 lo", "packet if2 in 11", "lost 7: dropped by the tool that wrote the file, as it reports"}
	if !slices.Equal(words, want) {
		t.Errorf("%q", words)
	}
}

// TestDeltas checks that deltas from the previous line and deltas from the first line are
// distinguished.
func TestDeltas(t *testing.T) {
	const line = " 00:00:0%d.000000 IP 10.0.0.1.5 > 10.0.0.2.6: UDP, length 3\n"
	for name, test := range map[string]struct {
		in   []any
		want int64
	}{"before": {[]any{0, 3, 1, 2}, 6e9}, "first": {[]any{0, 3, 4, 5}, 5e9}} {
		list, h := entries(t, fmt.Appendf(nil, strings.Repeat(line, 4), test.in...))
		if d := list[3].Time - list[0].Time; d != test.want || h.Clock != wire.ClockStart {
			t.Errorf("%s: %d ns, clock %d", name, d, h.Clock)
		}
	}
}

// TestMidnight checks that a time of day after midnight is of the next day.
func TestMidnight(t *testing.T) {
	list, _ := entries(t, []byte("23:59:59 close(3) = 0\n00:00:01 close(4) = 0\n00:00:00 close(5) = 0\n"))
	if d := list[1].Time - list[0].Time; d != 2e9 {
		t.Errorf("%d ns", d)
	}
	if d := list[2].Time - list[1].Time; d != -1e9 {
		t.Errorf("a step back of a second: %d ns", d)
	}
}

func TestSniff(t *testing.T) {
	for text, want := range map[string]importer.Kind{
		"":                               importer.Unknown,
		"hello\nworld\n":                 importer.Unknown,
		"PIDWIRE\x00\x00":                importer.Unknown,
		"close(3) = 0\n":                 importer.Strace,
		"[pid 7] close(3)   = 0":         importer.Strace,
		"type=EOE msg=audit(1.000:2):\n": importer.AuditLog,
		"----\ntime->Thu\ntype=EOE msg=audit(1.000:2):\n":                                                         importer.AuditLog,
		"tcpdump: verbose\n08:01:30.963712 IP a.1 > 10.0.0.5.80: . ack 1 win 46\n":                                importer.Dump,
		"4711:\tso_socket(PF_INET, SOCK_STREAM, IPPROTO_IP, \"\", SOV_DEFAULT) = 4\n4711:\tclose(4)\t= 0\n":       importer.Truss,
		"     0 emulator(9744): -> sys_socketcall\n     5 emulator(9744):  -> sys_socket\n":                       importer.Ktrace,
		" 0)   emulato-9744  |               |  __x64_sys_sendto() {\n 0)   emulato-9744  |   2.1 us      |  }\n": importer.Ktrace,
		"IP6 ::1.5 > ::1.6: UDP, length 3\n":                                                                      importer.Dump,
	} {
		if got := importer.Sniff([]byte(text)); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// FuzzImport checks that no file causes a panic, or records that cannot be
// written.
func FuzzImport(f *testing.F) {
	for i, name := range append(foreign, "emulator.strace", "emulator.audit.log", "emulator.tcpdump") {
		b, err := os.ReadFile(filepath.Join(samples, name))
		if err != nil {
			f.Fatal(err)
		}
		for kind := range 5 {
			if i%2 == kind%2 {
				f.Add(b[:min(len(b), 4000)], uint8(kind))
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, n uint8) {
		kind := []importer.Kind{importer.Strace, importer.AuditLog, importer.Dump, importer.Truss, importer.Ktrace}[n%5]
		src, err := importer.New(bufio.NewReader(bytes.NewReader(b)), "f", kind)
		if err != nil {
			t.Fatal(err)
		}
		d, j := decode.New(src.Header()), flow.New(new(bounded.Room))
		if err := src.Run(context.Background(), func(r wire.Record) error {
			if r == nil {
				return nil
			}
			var e event.Entry
			d.Record(bytes.Clone(r), &e.Event)
			j.Add(&e)
			w := text.Words{}
			_ = w.Append(nil, &e)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	})
}

// BenchmarkStrace measures reading, decoding and joining.
func BenchmarkStrace(b *testing.B) {
	one, err := os.ReadFile("../../../testdata/emulator/emulator.strace")
	if err != nil {
		b.Fatal(err)
	}
	whole := bytes.Repeat(one, 1000)
	b.SetBytes(int64(len(whole)))
	for b.Loop() {
		src, err := importer.New(bufio.NewReaderSize(bytes.NewReader(whole), 64<<10), "f", importer.Strace)
		if err != nil {
			b.Fatal(err)
		}
		d, j := decode.New(src.Header()), flow.New(new(bounded.Room))
		arena := new(event.Arena)
		d.Use(arena)
		n := 0
		if err := src.Run(context.Background(), func(r wire.Record) error {
			if r == nil {
				return nil
			}
			if n++; n%512 == 0 {
				arena.Reset()
				d.Use(arena)
			}
			var e event.Entry
			d.Record(r, &e.Event)
			j.Add(&e)
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAudit measures the same with an audit log of events with two records.
func BenchmarkAudit(b *testing.B) {
	const n = 10_000
	var log bytes.Buffer
	for i := range n {
		at := fmt.Sprintf("audit(%d.%03d:%d):", 1238054490+i/1000, i%1000, i)
		fmt.Fprintf(&log, `type=SYSCALL msg=%s arch=c000003e syscall=42 success=no exit=-115 a0=3 a1=7ffc1afff480 a2=10 a3=0 items=0 ppid=9743 pid=9744 auid=1000 uid=1003 gid=1002 euid=1003 suid=1003 fsuid=1003 egid=1002 sgid=1002 fsgid=1002 tty=pts61 ses=3 comm="emulator" exe="/usr/bin/emulator" key="emulator"`+"\n", at)
		fmt.Fprintf(&log, "type=SOCKADDR msg=%s saddr=020014667C41961E0000000000000000\n", at)
	}
	b.SetBytes(int64(log.Len()))
	b.ReportAllocs()
	for b.Loop() {
		src, err := importer.New(bufio.NewReaderSize(bytes.NewReader(log.Bytes()), 64<<10), "f", importer.AuditLog)
		if err != nil {
			b.Fatal(err)
		}
		d, j := decode.New(src.Header()), flow.New(new(bounded.Room))
		arena := new(event.Arena)
		d.Use(arena)
		w, line := text.Words{}, []byte(nil)
		events := 0
		if err := src.Run(context.Background(), func(r wire.Record) error {
			if r == nil {
				return nil
			}
			if events++; events%512 == 0 {
				arena.Reset()
				d.Use(arena)
			}
			var e event.Entry
			d.Record(r, &e.Event)
			j.Add(&e)
			line = w.Append(line[:0], &e)
			return nil
		}); err != nil {
			b.Fatal(err)
		}
		if events != n+1 {
			b.Fatalf("%d events", events)
		}
	}
	b.ReportMetric(float64(2*n*b.N)/b.Elapsed().Seconds(), "records/s")
}
