package bundle_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pidwire/pidwire/internal/bounded"
	"github.com/pidwire/pidwire/internal/bundle"
	"github.com/pidwire/pidwire/internal/decode"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/flow"
	"github.com/pidwire/pidwire/internal/sink/text"
	"github.com/pidwire/pidwire/internal/source/capture"
	"github.com/pidwire/pidwire/internal/source/importer"
	"github.com/pidwire/pidwire/internal/source/replay"
	"github.com/pidwire/pidwire/internal/source/sourcetest"
	"github.com/pidwire/pidwire/internal/stage/cause"
	"github.com/pidwire/pidwire/internal/syscalls"
	"github.com/pidwire/pidwire/internal/wire"
)

var update = flag.Bool("update", false, "write the golden files again")

// of returns a file with this content.
func of(name, content string) bundle.File {
	return bundle.File{Name: name, Open: func() (bundle.Source, func() error, error) {
		src, err := open(strings.NewReader(content), name)
		return src, func() error { return nil }, err
	}}
}

func open(r io.Reader, name string) (bundle.Source, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	head, _ := in.Peek(12)
	if capture.Sniff(head) {
		return capture.New(in, name)
	}
	head, _ = in.Peek(min(in.Buffered(), importer.SniffBytes))
	if kind := importer.Sniff(head); kind != importer.Unknown {
		return importer.New(in, name, kind)
	}
	return replay.New(in)
}

// joined returns the timeline of the files.
type joined struct {
	list  []event.Entry
	notes []string
	start int64
	err   error
}

func join(t testing.TB, o bundle.Options, files ...bundle.File) (j joined) {
	t.Helper()
	b, err := bundle.New(context.Background(), files, o)
	if err != nil {
		t.Fatal(err)
	}
	h := b.Header()
	room := new(bounded.Room)
	d, f, causes := decode.New(h), flow.New(room), cause.New(room)
	j.notes, j.start = b.Notes(), int64(h.Wall)
	j.err = b.Run(context.Background(), func(r wire.Record) error {
		if r == nil {
			return nil
		}
		if tt, ok := t.(*testing.T); ok {
			sourcetest.WellFormed(tt, h, r)
		}
		j.list = append(j.list, event.Entry{})
		e := &j.list[len(j.list)-1]
		d.Record(bytes.Clone(r), &e.Event)
		f.Add(e)
		causes.Add(e, func(*event.Entry) {})
		return nil
	})
	return j
}

// lines returns the lines of sink/text, with times of day.
func (j *joined) lines(t *testing.T) string {
	t.Helper()
	var out bytes.Buffer
	s := text.New(&out, text.Options{Start: j.start, Time: text.TimeMicro, Zone: time.UTC})
	for i := range j.list {
		if err := s.Write(&j.list[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// sample returns one of the transcripts of one process by three tools.
func sample(t testing.TB, name string) bundle.File {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../testdata/emulator", name))
	if err != nil {
		t.Fatal(err)
	}
	return of(name, string(b))
}

// TestEmulator checks facts about the timeline of three transcripts of one process, in any order of
// the files, and its whole text.
func TestEmulator(t *testing.T) {
	strace, tcpdump, audit := sample(t, "emulator.strace"), sample(t, "emulator.tcpdump"), sample(t, "emulator.audit.log")
	j := join(t, bundle.Options{}, strace, tcpdump, audit)
	if j.err != nil {
		t.Fatal(j.err)
	}
	got := strings.Join(j.notes, "\n") + "\n" + j.lines(t)
	golden := "testdata/emulator.lines"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s", got)
	}
	other := join(t, bundle.Options{}, audit, strace, tcpdump)
	if lines := other.lines(t); !strings.HasSuffix(got, "\n"+lines) {
		t.Errorf("in another order:\n%s", lines)
	}
	facts(t, &j)
}

func facts(t *testing.T, j *joined) {
	t.Helper()
	day := time.Date(2009, 3, 26, 0, 0, 0, 0, time.UTC).UnixNano()
	at := func(h, m, s, us int64) int64 { return day + ((h*60+m)*60+s)*1e9 + us*1000 }
	conns := map[string]uint32{}
	owned, packets := 0, 0
	var order []string
	calls := map[string]event.Entry{}
	for _, e := range j.list {
		switch b := e.Body.(type) {
		case *event.Call:
			fd := fmt.Sprint(b.Args[0].Raw)
			if b.Name == "socket" {
				fd = fmt.Sprint(b.Ret)
			}
			if n, seen := conns[fd]; seen && n != e.Conn.N {
				t.Errorf("descriptor %s is c%d and c%d", fd, n, e.Conn.N)
			}
			conns[fd] = e.Conn.N
			if e.Match != event.MatchTable && e.Match != event.MatchGuess {
				t.Errorf("%s: match %s", b.Name, e.Match)
			}
			if fd == "12" && b.Name != "socket" && (e.Conn.Local.Port() != 40181 || e.Conn.LocalName != "DEV-Blur-DB-1.s3lab.mot.com" || e.Conn.Peer.String() != "124.65.150.30:5222") {
				t.Errorf("%s: %+v", b.Name, e.Conn)
			}
			key := fmt.Sprintf("%s(%s)=%d", b.Name, fd, b.Ret)
			if _, seen := calls[key]; !seen {
				calls[key] = e
			}
			order = append(order, key)
		case *event.Capture:
			if e.Match != event.MatchGuess && e.Match != event.MatchTable {
				t.Errorf("a packet's match is %s", e.Match)
			}
			if b.Src.Port() == 40181 || b.Dst.Port() == 40181 {
				packets++
				if e.Task.PID == 9744 && e.Task.Comm == "emulator" && e.Conn.N == conns["12"] {
					owned++
				}
				if (b.Dir == event.DirOut) != (b.Src.Port() == 40181) {
					t.Errorf("%v is %s", b.Src, b.Dir)
				}
			} else if e.Task.PID != 0 || e.Conn.N == conns["12"] || e.Conn.N == conns["11"] {
				t.Errorf("a packet of port 8002 is %d's, c%d", e.Task.PID, e.Conn.N)
			}
			order = append(order, fmt.Sprintf("%s %d", b.Dir, b.TCP.Length))
		}
	}
	if packets != 19 || owned != 19 {
		t.Errorf("%d of %d packets are the emulator's", owned, packets)
	}
	if conns["11"] == conns["12"] || len(conns) != 2 {
		t.Errorf("connections %v", conns)
	}
	for key, want := range map[string]int64{
		"connect(12)=-115": at(8, 1, 30, 962_000), "send(12)=0": at(8, 1, 30, 964_000), "send(11)=190": at(8, 1, 31, 73_000),
		"socket(12)=12": at(8, 1, 30, 961_000), "recv(12)=182": at(8, 1, 31, 144_866), "recv(11)=79": at(8, 0, 38, 0),
	} {
		if e, ok := calls[key]; !ok || e.Time != want || e.Slack == 0 {
			t.Errorf("%s is at %s, want %s (slack %d)", key, time.Unix(0, e.Time).UTC(), time.Unix(0, want).UTC(), e.Slack)
		}
	}
	// The order, as sizes and stream positions determine it.
	inOrder(t, order, "socket(12)=12", "connect(12)=-115", "out 0", "in 0", "send(12)=0", "send(11)=190", "send(12)=207", "out 207", "in 182", "recv(12)=182", "in 136", "recv(12)=136", "in 811")
	for key, want := range map[string]int64{"send(12)=207": at(8, 1, 31, 143_569), "recv(12)=136": at(8, 1, 31, 244_338)} {
		if e := calls[key]; e.Time != want {
			t.Errorf("%s is at %d, want %d", key, e.Time, want)
		}
	}
}

// inOrder checks that words are in the output in this order.
func inOrder(t *testing.T, list []string, words ...string) {
	t.Helper()
	at := 0
	for _, w := range words {
		for at < len(list) && list[at] != w {
			at++
		}
		if at == len(list) {
			t.Fatalf("%s does not come where it should: %q", w, list)
		}
		at++
	}
}

const web = `08:00:00.000100 socket(AF_INET, SOCK_STREAM, IPPROTO_TCP) = 3
08:00:00.000200 connect(3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("10.0.0.5")}, 16) = 0
08:00:00.000900 write(3, "GET / HTTP/1.0\r\n\r\n", 18) = 18
08:00:00.001500 read(3, "HTTP/1.0 200 OK\r\n"..., 4096) = 120
08:00:00.001600 close(3)                = 0
`

// The packets of web, as printed by tcpdump -tt; their zone and date differ.
const webPackets = `1774512000.500300 IP 10.0.0.1.4000 > 10.0.0.5.80: Flags [S], seq 100, win 64240, options [mss 1460], length 0
1774512000.500500 IP 10.0.0.5.80 > 10.0.0.1.4000: Flags [S.], seq 900, ack 101, win 65160, options [mss 1460], length 0
1774512000.500600 IP 10.0.0.1.4000 > 10.0.0.5.80: Flags [.], ack 901, win 502, length 0
1774512000.500950 IP 10.0.0.1.4000 > 10.0.0.5.80: Flags [P.], seq 101:119, ack 901, win 502, length 18
1774512000.501300 IP 10.0.0.5.80 > 10.0.0.1.4000: Flags [P.], seq 901:1021, ack 119, win 509, length 120
1774512000.501700 IP 10.0.0.1.4000 > 10.0.0.5.80: Flags [F.], seq 119, ack 1021, win 502, length 0
`

// TestClocks checks that date, zone and offset of a clock are found and printed, and can be set by
// flags.
func TestClocks(t *testing.T) {
	day := time.Date(2026, 3, 26, 8, 0, 0, 0, time.UTC).UnixNano()
	for name, test := range map[string]struct {
		o     bundle.Options
		shift string
		want  int64 // time of the socket call
		note  string
	}{
		"found":  {want: day + 500_100_000, note: "web.strace: only times of day, assumed date 2026-03-26 UTC, and its clock is 500ms behind, from 3 events that are also in web.dump"},
		"zone":   {o: bundle.Options{Zone: time.FixedZone("", 2*3600), Date: day - 8*3600e9, Dated: true}, want: day + 500_100_000, note: "its clock is"},
		"shift":  {shift: "-1h", o: bundle.Options{Date: day - 8*3600e9, Dated: true}, want: day + 100_000 - 3600e9},
		"nought": {shift: "0s", o: bundle.Options{Date: day - 8*3600e9, Dated: true}, want: day + 100_000},
	} {
		t.Run(name, func(t *testing.T) {
			f := of("web.strace", web)
			if test.shift != "" {
				d, err := time.ParseDuration(test.shift)
				if err != nil {
					t.Fatal(err)
				}
				f.Shift, f.Shifted = int64(d), true
			}
			j := join(t, test.o, f, of("web.dump", webPackets))
			for _, e := range j.list {
				if c, ok := e.Body.(*event.Call); ok && c.Name == "socket" && abs(e.Time-test.want) > 300_000 {
					t.Errorf("socket at %s, want %s; %q", time.Unix(0, e.Time).UTC(), time.Unix(0, test.want).UTC(), j.notes)
				}
			}
			if got := strings.Join(j.notes, "\n"); test.note == "" && got != "" || !strings.Contains(got, test.note) {
				t.Errorf("notes %q, want %q", got, test.note)
			}
		})
	}
}

func abs(n int64) int64 { return max(n, -n) }

// TestZone checks that a time of day in another zone is distinguished from a wrong clock, and an
// earlier day from a later one.
func TestZone(t *testing.T) {
	const log = `type=SYSCALL msg=audit(1774508400.%03d:%d): arch=c000003e syscall=%d success=yes exit=%d a0=3 a1=0 a2=0 a3=0 items=0 ppid=1 pid=7 auid=0 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=1 comm="web" exe="/bin/web" key=(null)
`
	var b strings.Builder
	for i, c := range [][2]int{{1, 18}, {0, 120}, {1, 33}, {0, 41}} {
		fmt.Fprintf(&b, log, 100+i, i+1, c[0], c[1])
	}
	const calls = "09:00:00.10%d %s(3, \"\"..., 4096) = %d\n"
	lines := fmt.Sprintf(calls+calls+calls+calls, 1, "write", 18, 2, "read", 120, 3, "write", 33, 4, "read", 41)
	j := join(t, bundle.Options{}, of("a.strace", lines), of("audit.log", b.String()))
	if len(j.notes) != 1 || j.notes[0] != "a.strace: only times of day, assumed date 2026-03-26 UTC+02:00, from 4 events that are also in audit.log" {
		t.Errorf("notes %q", j.notes)
	}
	pairs := 0
	for i, e := range j.list {
		if a, ok := e.Body.(*event.Audit); ok && a.Joined {
			if c, before := j.list[i-1].Body.(*event.Call); !before || c.Ret != a.Call.Ret || j.list[i-1].Task.Comm != "web" {
				t.Errorf("%+v does not stand behind its call", a.Call)
			}
			pairs++
		}
	}
	if pairs != 4 {
		t.Errorf("%d pairs:\n%s", pairs, j.lines(t))
	}
}

// TestAttached checks that an existing connection is recognized by the sizes of its data, and that
// a connection with the same sizes in another order is not.
func TestAttached(t *testing.T) {
	const calls = `77 1774512000.100000 write(5, "x"..., 18) = 18
77 1774512000.200000 read(5, "x"..., 4096) = 120
77 1774512000.210000 write(6, "x"..., 18) = 18
77 1774512000.300000 write(5, "x"..., 33) = 33
77 1774512000.400000 read(5, "x"..., 4096) = 500
`
	packet := func(host, out, in int, ms int, n int) string {
		if out >= 0 {
			return fmt.Sprintf("1774512000.%03d100 IP 10.0.0.%d.4000 > 10.0.0.9.443: Flags [P.], seq %d:%d, ack 1, win 502, length %d\n", ms, host, out, out+n, n)
		}
		return fmt.Sprintf("1774512000.%03d100 IP 10.0.0.9.443 > 10.0.0.%d.4000: Flags [P.], seq %d:%d, ack 1, win 502, length %d\n", ms-1, host, in, in+n, n)
	}
	dump := packet(2, 100, -1, 100, 33) + packet(1, 100, -1, 100, 18) + packet(1, -1, 700, 200, 120) + packet(2, -1, 700, 200, 500) +
		packet(1, 118, -1, 300, 33) + packet(1, -1, 820, 400, 500)
	j := join(t, bundle.Options{}, of("a.strace", calls), of("a.dump", dump))
	for _, e := range j.list {
		if c, ok := e.Body.(*event.Capture); ok {
			ours := strings.Contains(c.Src.String()+c.Dst.String(), "10.0.0.1:")
			if owner := e.Task.PID; ours != (owner == 77) {
				t.Errorf("%v > %v is of process %d", c.Src, c.Dst, owner)
			}
		}
	}
	last := j.list[len(j.list)-2]
	if last.Conn == nil || last.Conn.Local.String() != "10.0.0.1:4000" {
		t.Errorf("the last call's connection is %+v\n%s", last.Conn, j.lines(t))
	}
}

// TestDamaged checks that a truncated file is named and does not affect the others.
func TestDamaged(t *testing.T) {
	var rec bytes.Buffer
	w, err := wire.NewWriter(&rec, wire.Header{Version: wire.WireVersion, Arch: "amd64", Kernel: "6.1", Mono: 5, Wall: 1774512000_000_000_000})
	if err != nil {
		t.Fatal(err)
	}
	n := wire.Note{H: wire.Hdr{Kind: wire.KindNote, Time: 6}, Level: wire.NoteInfo}
	if err := errors.Join(w.Write(wire.Seal(n.Append(nil))), w.Flush()); err != nil {
		t.Fatal(err)
	}
	j := join(t, bundle.Options{}, of("cut.pidwire", rec.String()), of("web.dump", webPackets))
	var of *bundle.ErrFile
	if !errors.As(j.err, &of) || of.Name != "cut.pidwire" || !errors.Is(j.err, replay.ErrNotClosed) {
		t.Errorf("error %v", j.err)
	}
	packets := 0
	for _, e := range j.list {
		if _, ok := e.Body.(*event.Capture); ok {
			packets++
		}
	}
	if _, ended := j.list[len(j.list)-1].Body.(*event.End); packets != 6 || !ended {
		t.Errorf("%d packets, ended %v", packets, ended)
	}
}

// TestRecordings checks that recordings of one machine and boot are merged, and that others, whose
// socket numbers have another meaning, are refused.
func TestRecordings(t *testing.T) {
	const wall = 1774512000_000_000_000
	recording := func(name string, h wire.Header) bundle.File {
		h.Version, h.Kernel = wire.WireVersion, "6.1"
		var b bytes.Buffer
		w, err := wire.NewWriter(&b, h)
		if err != nil {
			t.Fatal(err)
		}
		k := wire.Sock{Cookie: 7, Ino: 8, Fd: 3, Family: 2, Type: 1, Protocol: 6, Lport: 4000, Rport: 80, Laddr: [16]byte{10, 0, 0, 1}, Raddr: [16]byte{10, 0, 0, 5}}
		nr, _ := syscalls.ByName("shutdown").Number(wire.AbiX8664)
		c := wire.Syscall{H: wire.Hdr{Kind: wire.KindSyscall, Layer: wire.LayerSys, Time: h.Mono + 2000}, Enter: h.Mono + 1000, Pid: 9, Tid: 9, Nr: nr, Abi: wire.AbiX8664, Nsock: 1}
		e := wire.End{H: wire.Hdr{Kind: wire.KindEnd, Time: h.Mono + 3000}, Reason: wire.EndDetached}
		if err := errors.Join(w.Write(wire.Seal(k.Append(c.Append(nil)))), w.Write(wire.Seal(e.Append(nil))), w.Flush()); err != nil {
			t.Fatal(err)
		}
		return of(name, b.String())
	}
	first := recording("a.pidwire", wire.Header{Arch: "amd64", Host: "h", Mono: 5e9, Wall: wall})
	j := join(t, bundle.Options{}, first, recording("b.pidwire", wire.Header{Arch: "amd64", Host: "h", Mono: 15e9, Wall: wall + 10e9}))
	var words []string
	for _, e := range j.list {
		if c, ok := e.Body.(*event.Call); ok {
			words = append(words, fmt.Sprintf("%s c%d %s %dus", c.Name, e.Conn.N, e.Match, (e.Time-j.start)/1000))
		}
	}
	if got := strings.Join(words, ", "); got != "shutdown c1 exact 1us, shutdown c1 exact 10000001us" {
		t.Errorf("%s: %v", got, j.err)
	}
	for want, h := range map[string]wire.Header{
		"different machines": {Arch: "amd64", Host: "other", Mono: 5e9, Wall: wall},
		"different boots":    {Arch: "amd64", Host: "h", Mono: 5e9, Wall: wall + 3600e9},
	} {
		if _, err := bundle.New(context.Background(), []bundle.File{first, recording("b.pidwire", h)}, bundle.Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestNothingLost checks that each event of the files is on the timeline once, in the order of its
// file, for any clocks.
func TestNothingLost(t *testing.T) {
	const n = 60_000
	var a, b, none strings.Builder
	for i := range n {
		at := 1774512000 + float64(i)/1500
		fmt.Fprintf(&a, "%.6f write(3, \"x\"..., 9) = %d\n", at, i)
		fmt.Fprintf(&b, "%.6f IP 10.0.0.1.4000 > 10.0.0.5.80: Flags [.], ack 1, win %d, length 0\n", at, i)
		if i%10 == 0 {
			fmt.Fprintf(&none, "close(%d) = 0\n", i)
		}
	}
	j := join(t, bundle.Options{}, of("a.strace", a.String()), of("b.dump", b.String()), of("none.strace", none.String()))
	next := map[string]int64{}
	var last int64
	for _, e := range j.list {
		key, n := "", int64(0)
		switch x := e.Body.(type) {
		case *event.Call:
			key, n = x.Name, x.Ret
			if x.Name == "close" {
				n = int64(x.Args[0].Raw) / 10
			} else if e.Time < last {
				t.Fatalf("%d is before %d", e.Time, last)
			} else {
				last = e.Time
			}
		case *event.Capture:
			key, n = "packet", int64(x.TCP.Win)
		default:
			continue
		}
		if n != next[key] {
			t.Fatalf("%s %d comes where %d should", key, n, next[key])
		}
		next[key]++
	}
	if next["write"] != n || next["packet"] != n || next["close"] != n/10 {
		t.Errorf("%v", next)
	}
}

// BenchmarkBundle measures joining: 50,000 calls with their audit records and packets, 2,000 of
// each per second.
func BenchmarkBundle(b *testing.B) {
	const n = 50_000
	var calls, log, dump strings.Builder
	for i := range n {
		at, fd := float64(1774512000)+float64(i)/2000, i/5%100+3
		us := int64(i) * 500
		stamp := fmt.Sprintf("%d.%06d", 1774512000+us/1e6, us%1e6)
		record := func(nr, ret int, addr string) {
			fmt.Fprintf(&log, "type=SYSCALL msg=audit(%d.%03d:%d): arch=c000003e syscall=%d success=yes exit=%d a0=%x a1=0 a2=0 a3=0 items=0 ppid=1 pid=77 auid=0 uid=0 tty=pts0 ses=1 comm=\"web\" exe=\"/bin/web\" key=(null)\n", int64(at), us/1000%1000, i, nr, ret, fd)
			if addr != "" {
				fmt.Fprintf(&log, "type=SOCKADDR msg=audit(%d.%03d:%d): saddr=%s\n", int64(at), us/1000%1000, i, addr)
			}
			fmt.Fprintf(&log, "type=PROCTITLE msg=audit(%d.%03d:%d): proctitle=\"web\"\n", int64(at), us/1000%1000, i)
		}
		port, seq := 10000+i/5, 1000
		packet := func(out bool, flags string, from, length int) {
			src, dst := fmt.Sprintf("10.0.0.1.%d", port), "10.0.0.5.80"
			if !out {
				src, dst = dst, src
			}
			words := ""
			if length > 0 {
				words = fmt.Sprintf(" seq %d:%d, ack 1,", seq+from, seq+from+length)
			} else if flags == "S" || flags == "S." {
				words = fmt.Sprintf(" seq %d,", seq-1)
			} else {
				words = " ack 1,"
			}
			fmt.Fprintf(&dump, "%d.%06d IP %s > %s: Flags [%s],%s win 502, length %d\n", 1774512000+us/1e6, us%1e6+90, src, dst, flags, words, length)
		}
		switch i % 5 {
		case 0:
			fmt.Fprintf(&calls, "77 %s socket(AF_INET, SOCK_STREAM, IPPROTO_TCP) = %d\n", stamp, fd)
			record(41, fd, "")
		case 1:
			fmt.Fprintf(&calls, "77 %s connect(%d, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr(\"10.0.0.5\")}, 16) = 0\n", stamp, fd)
			record(42, 0, "020000500A0000050000000000000000")
			packet(true, "S", 0, 0)
			packet(false, "S.", 0, 0)
			packet(true, ".", 0, 0)
		case 2:
			fmt.Fprintf(&calls, "77 %s sendto(%d, \"GET / HT\"..., %d, 0, NULL, 0) = %d\n", stamp, fd, 50+i%70, 50+i%70)
			record(44, 50+i%70, "")
			packet(true, "P.", 0, 50+i%70)
			packet(false, "P.", 0, 100+i%300)
		case 3:
			fmt.Fprintf(&calls, "77 %s recvfrom(%d, \"HTTP/1.1\"..., 4096, 0, NULL, NULL) = %d\n", stamp, fd, 100+(i-1)%300)
			record(45, 100+(i-1)%300, "")
		case 4:
			fmt.Fprintf(&calls, "77 %s close(%d) = 0\n", stamp, fd)
			packet(true, "F.", 0, 0)
		}
	}
	files := []bundle.File{of("a.strace", calls.String()), of("audit.log", log.String()), of("a.dump", dump.String())}
	b.SetBytes(int64(calls.Len() + log.Len() + dump.Len()))
	for b.Loop() {
		src, err := bundle.New(context.Background(), files, bundle.Options{})
		if err != nil {
			b.Fatal(err)
		}
		records, joined, matched := 0, 0, 0
		if err := src.Run(context.Background(), func(r wire.Record) error {
			switch records++; {
			case r == nil:
			case r.Kind() == wire.KindAudit:
				if text := int(binary.LittleEndian.Uint32(r[wire.OffAuditText:])); len(r) > wire.SizeAudit+text+wire.SizeText {
					joined++
				}
			case r.Kind() == wire.KindPacket && r[wire.OffPacketFlags]&wire.PacketMatched != 0:
				matched++
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
		if joined < n*4/5*99/100 || matched < n*6/5*99/100 {
			b.Fatalf("%d records, %d joined, %d packets matched", records, joined, matched)
		}
	}
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "calls/s")
}

// TestDatagrams checks that datagrams are joined by the address in a call, even if the socket is
// not connected, and replies by their sizes.
func TestDatagrams(t *testing.T) {
	const calls = `9 1774512000.100000 socket(AF_INET, SOCK_DGRAM, IPPROTO_IP) = 4
9 1774512000.100100 sendto(4, "q"..., 31, 0, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("10.0.0.53")}, 16) = 31
9 1774512000.105000 recvfrom(4, "a"..., 512, 0, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("10.0.0.53")}, [16]) = 47
9 1774512000.105100 close(4) = 0
`
	const dump = `1774512000.100150 IP 10.0.0.1.3333 > 10.0.0.53.53: UDP, length 31
1774512000.100200 IP 10.0.0.1.4444 > 10.0.0.9.53: UDP, length 31
1774512000.104900 IP 10.0.0.53.53 > 10.0.0.1.3333: UDP, length 47
`
	j := join(t, bundle.Options{}, of("a.strace", calls), of("a.dump", dump))
	owned := 0
	for _, e := range j.list {
		if c, ok := e.Body.(*event.Capture); ok {
			ours := c.Src.Port() == 3333 || c.Dst.Port() == 3333
			if ours != (e.Task.PID == 9) || ours && e.Conn.N != 1 {
				t.Errorf("%v > %v is of %d, c%d", c.Src, c.Dst, e.Task.PID, e.Conn.N)
			}
			owned++
		}
		if c, ok := e.Body.(*event.Call); ok && c.Name == "sendto" && (e.Conn == nil || e.Conn.Local.String() != "10.0.0.1:3333") {
			t.Errorf("sendto is of %+v", e.Conn)
		}
	}
	if owned != 3 {
		t.Errorf("%d packets", owned)
	}
}

// TestAccepted checks that accepted connections are joined by the address of the peer.
func TestAccepted(t *testing.T) {
	const calls = `9 1774512000.000000 socket(AF_INET, SOCK_STREAM, IPPROTO_TCP) = 3
9 1774512000.000010 bind(3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("0.0.0.0")}, 16) = 0
9 1774512000.000020 listen(3, 128) = 0
9 1774512000.000030 accept4(3, {sa_family=AF_INET, sin_port=htons(4001), sin_addr=inet_addr("10.0.0.1")}, [16], 0) = 5
9 1774512000.100800 recvfrom(5, "GET"..., 512, 0, NULL, NULL) = 18
9 1774512000.100900 sendto(5, "HTTP"..., 120, 0, NULL, 0) = 120
`
	var dump strings.Builder
	for _, port := range []int{4000, 4001} {
		fmt.Fprintf(&dump, `1774512000.1005%[2]d0 IP 10.0.0.1.%[1]d > 10.0.0.5.80: Flags [S], seq 100, win 64240, length 0
1774512000.1005%[2]d1 IP 10.0.0.5.80 > 10.0.0.1.%[1]d: Flags [S.], seq 900, ack 101, win 65160, length 0
1774512000.1005%[2]d2 IP 10.0.0.1.%[1]d > 10.0.0.5.80: Flags [.], ack 1, win 502, length 0
1774512000.1005%[2]d3 IP 10.0.0.1.%[1]d > 10.0.0.5.80: Flags [P.], seq 1:19, ack 1, win 502, length 18
`, port, port-4000+1)
	}
	j := join(t, bundle.Options{}, of("a.strace", calls), of("a.dump", dump.String()))
	for _, e := range j.list {
		if c, ok := e.Body.(*event.Capture); ok {
			ours := c.Src.Port() == 4001 || c.Dst.Port() == 4001
			if ours && (e.Task.PID != 9 || e.Conn.N != 3 || (c.Dir == event.DirOut) != (c.Src.Port() == 80)) || !ours && e.Task.PID != 0 {
				t.Errorf("%v > %v is of %d, c%d, %s", c.Src, c.Dst, e.Task.PID, e.Conn.N, c.Dir)
			}
		}
		if c, ok := e.Body.(*event.Call); ok && (c.Name == "recvfrom" || c.Name == "sendto") && (e.Conn.Local.String() != "10.0.0.5:80" || e.Conn.Peer.String() != "10.0.0.1:4001") {
			t.Errorf("%s is of %+v", c.Name, e.Conn)
		}
	}
	if t.Failed() {
		t.Log(j.lines(t))
	}
}

// TestRecords checks that audit records without calls are joined to packets by the address of
// connect, and by the descriptor if there is one.
func TestRecords(t *testing.T) {
	const log = `type=SYSCALL msg=audit(1774512000.100:1): arch=c000003e syscall=41 success=yes exit=3 a0=2 a1=1 a2=0 a3=0 items=0 ppid=1 pid=7 auid=0 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=1 comm="web" exe="/bin/web" key=(null)
type=SYSCALL msg=audit(1774512000.101:2): arch=c000003e syscall=42 success=yes exit=0 a0=3 a1=7ff a2=10 a3=0 items=0 ppid=1 pid=7 auid=0 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=1 comm="web" exe="/bin/web" key=(null)
type=SOCKADDR msg=audit(1774512000.101:2): saddr=020000500A0000050000000000000000
type=SYSCALL msg=audit(1774512000.102:3): arch=40000003 syscall=102 success=yes exit=0 a0=3 a1=ff918ea4 a2=0 a3=0 items=0 ppid=1 pid=8 auid=0 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=1 comm="old" exe="/bin/old" key=(null)
type=SOCKADDR msg=audit(1774512000.102:3): saddr=020000510A0000050000000000000000
type=SYSCALL msg=audit(1774512000.110:4): arch=c000003e syscall=44 success=yes exit=18 a0=3 a1=7ff a2=12 a3=0 items=0 ppid=1 pid=7 auid=0 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=1 comm="web" exe="/bin/web" key=(null)
`
	const dump = `1774512000.102300 IP 10.0.0.1.4000 > 10.0.0.5.80: Flags [S], seq 100, win 64240, length 0
1774512000.103300 IP 10.0.0.1.4001 > 10.0.0.5.81: Flags [S], seq 100, win 64240, length 0
1774512000.112300 IP 10.0.0.1.4000 > 10.0.0.5.80: Flags [P.], seq 101:119, ack 1, win 502, length 18
`
	j := join(t, bundle.Options{}, of("audit.log", log), of("a.dump", dump))
	var words []string
	for _, e := range j.list {
		n := uint32(0)
		if e.Conn != nil {
			n = e.Conn.N
		}
		switch b := e.Body.(type) {
		case *event.Audit:
			words = append(words, fmt.Sprintf("%s %d c%d", b.Call.Name, e.Task.PID, n))
		case *event.Capture:
			words = append(words, fmt.Sprintf("%d %s[%d] c%d", b.Src.Port(), e.Task.Comm, e.Task.PID, n))
		}
	}
	want := "socket 7 c1, connect 7 c1, connect 8 c2, 4000 web[7] c1, 4001 old[8] c2, sendto 7 c1, 4000 web[7] c1"
	if got := strings.Join(words, ", "); got != want {
		t.Errorf("%s, want %s\n%s", got, want, j.lines(t))
	}
}

// TestGrows checks that data from standard input is shown before more arrives.
func TestGrows(t *testing.T) {
	r, w := io.Pipe()
	lines := strings.SplitAfter(webPackets, "\n")
	// Opening a file reads until its format is recognized.
	go io.WriteString(w, lines[0]+lines[1])
	growing := bundle.File{Name: "-", Once: true, Open: func() (bundle.Source, func() error, error) {
		src, err := open(r, "-")
		return src, r.Close, err
	}}
	b, err := bundle.New(context.Background(), []bundle.File{growing, of("web.strace", web)}, bundle.Options{Date: time.Date(2026, 3, 26, 0, 0, 0, 0, time.UTC).UnixNano(), Dated: true})
	if err != nil {
		t.Fatal(err)
	}
	shown := make(chan int, 1000)
	done := make(chan error, 1)
	go func() {
		n := 0
		done <- b.Run(context.Background(), func(r wire.Record) error {
			if r != nil && r.Kind() == wire.KindPacket {
				n++
				shown <- n
			}
			return nil
		})
	}()
	wait := func(want int) {
		t.Helper()
		for {
			select {
			case n := <-shown:
				if n == want {
					return
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("packet %d is not shown", want)
			}
		}
	}
	wait(1) // the second one may be followed by others with its time
	io.WriteString(w, lines[2]+lines[3])
	wait(3)
	io.WriteString(w, strings.Join(lines[4:], ""))
	w.Close()
	wait(6)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// TestSteps checks that output of SystemTap is placed under the calls in strace's file, by the
// order of their names, and that the rest is placed by its time.
func TestSteps(t *testing.T) {
	const calls = `9744 1238054490.961000 socket(PF_INET, SOCK_STREAM, IPPROTO_IP) = 12
9744 1238054490.961100 fcntl(12, F_GETFL) = 2
9744 1238054490.964000 send(12, "", 0, 0) = 0
9744 1238054490.965000 connect(12, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("10.0.0.5")}, 16) = 0
`
	const steps = `     0 emulator(9744): -> sys_socketcall
     5 emulator(9744):  -> sys_socket
     8 emulator(9744):  <- sys_socket
     9 emulator(9744): <- sys_socketcall
     0 other(1): -> sys_send
     1 other(1): <- sys_send
     0 emulator(9744): -> sock_poll
     2 emulator(9744): <- sock_poll
     0 emulator(9744): -> __x64_sys_connect
     3 emulator(9744): <- __x64_sys_connect
`
	j := join(t, bundle.Options{}, of("a.strace", calls), of("a.stap", steps))
	var words []string
	for _, e := range j.list {
		n := uint32(0)
		if e.Conn != nil {
			n = e.Conn.N
		}
		switch b := e.Body.(type) {
		case *event.Call:
			words = append(words, fmt.Sprintf("%s c%d", b.Name, n))
		case *event.Kernel:
			words = append(words, fmt.Sprintf("%s %s c%d", b.What, b.Name, n))
		}
	}
	got := strings.Join(words, ", ")
	for _, want := range []string{
		"socket c1, enter sys_socketcall c1, enter sys_socket c1, leave sys_socket c1, leave sys_socketcall c1", "connect c1, enter __x64_sys_connect c1, leave __x64_sys_connect c1",
		"enter sys_send c0, leave sys_send c0", "enter sock_poll c0, leave sock_poll c0",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
	if len(words) != 14 {
		t.Errorf("%d: %s", len(words), got)
	}
}

// TestNames checks that a name in tcpdump's output is the same host in all files, and that its
// address is taken from the connection to it.
func TestNames(t *testing.T) {
	const one = `1774512000.000250 IP laptop.4000 > www.example.com.http: Flags [S], seq 100, win 64240, length 0
1774512000.000950 IP laptop.4000 > www.example.com.http: Flags [P.], seq 101:119, ack 1, win 502, length 18: HTTP: GET / HTTP/1.0
1774512000.001300 IP www.example.com.http > laptop.4000: Flags [P.], seq 1:121, ack 119, win 509, length 120: HTTP: HTTP/1.0 200 OK
`
	// Its reader assigns the same placeholder addresses to other names.
	const two = `1774512000.000260 IP router.4000 > laptop.http: Flags [S], seq 100, win 64240, length 0
1774512000.000270 IP laptop.5 > router.6: UDP, length 3
`
	calls := strings.ReplaceAll(web, "08:00:00.", "1774512000.")
	j := join(t, bundle.Options{}, of("web.strace", calls), of("one", one), of("two", two))
	var words []string
	for _, e := range j.list {
		if p, ok := e.Body.(*event.Capture); ok {
			ends := fmt.Sprintf("%s %s", name(e.Conn, p.Src), name(e.Conn, p.Dst))
			words = append(words, fmt.Sprintf("%s c%d", ends, e.Conn.N))
		}
	}
	want := "laptop:4000 10.0.0.5:80 c1, router:4000 laptop:80 c2, laptop:5 router:6 c3, laptop:4000 10.0.0.5:80 c1, 10.0.0.5:80 laptop:4000 c1"
	if got := strings.Join(words, ", "); got != want {
		t.Errorf("%s, want %s\n%s", got, want, j.lines(t))
	}
	for _, e := range j.list {
		if c, ok := e.Body.(*event.Call); ok && c.Name == "write" && (e.Conn.Local.Port() != 4000 || e.Conn.LocalName != "laptop" || e.Conn.Peer.String() != "10.0.0.5:80" || e.Conn.PeerMade) {
			t.Errorf("write is of %+v", e.Conn)
		}
	}
}

func name(c *event.Conn, a netip.AddrPort) string {
	if n := c.MadeName(a.Addr()); n != "" {
		return fmt.Sprintf("%s:%d", n, a.Port())
	}
	return a.String()
}

// FuzzBundle checks that no files cause a panic, or records that cannot be read back.
func FuzzBundle(f *testing.F) {
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join("../../testdata/emulator", name))
		if err != nil {
			f.Fatal(err)
		}
		return string(b)
	}
	f.Add(read("emulator.strace"), read("emulator.tcpdump"), read("emulator.audit.log"))
	f.Add(web, webPackets, "close(3) = 0\n")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		var files []bundle.File
		for i, s := range []string{a, b, c} {
			file := of(fmt.Sprint(i), s)
			if _, closing, err := file.Open(); err == nil {
				closing()
				files = append(files, file)
			}
		}
		if len(files) == 0 {
			return
		}
		src, err := bundle.New(context.Background(), files, bundle.Options{})
		if err != nil {
			t.Fatal(err)
		}
		h := src.Header()
		d, j := decode.New(h), flow.New(new(bounded.Room))
		w := text.Words{}
		if err := src.Run(context.Background(), func(r wire.Record) error {
			if r == nil {
				return nil
			}
			var e event.Entry
			d.Record(bytes.Clone(r), &e.Event)
			j.Add(&e)
			_ = w.Append(nil, &e)
			return nil
		}); err != nil && !errors.As(err, new(*bundle.ErrFile)) {
			t.Fatal(err)
		}
	})
}
