package ktrace

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

// equal compares the fields that Append keeps: all but the leader.
func equal(a, b *Line) bool {
	return a.Kind == b.Kind && a.Format == b.Format && a.Depth == b.Depth && bytes.Equal(a.Name, b.Name) &&
		bytes.Equal(a.Module, b.Module) && bytes.Equal(a.Func, b.Func) && bytes.Equal(a.Args, b.Args) &&
		bytes.Equal(a.Ret, b.Ret) && a.HasRet == b.HasRet && a.Dur == b.Dur && a.HasDur == b.HasDur &&
		a.Local == b.Local && a.Peer == b.Peer && a.Dir == b.Dir && a.Bytes == b.Bytes &&
		bytes.Equal(a.Flags, b.Flags) && bytes.Equal(a.Old, b.Old) && bytes.Equal(a.New, b.New) &&
		a.Count == b.Count && bytes.Equal(a.Text, b.Text)
}

// leader returns the fields that Append omits.
func leader(l *Line) string {
	s := ""
	if len(l.Comm) > 0 || l.PID != 0 {
		s = fmt.Sprintf("%s-%d ", l.Comm, l.PID)
	}
	if l.CPU >= 0 {
		s += fmt.Sprintf("[%d] ", l.CPU)
	}
	if l.Time.Clock != NoClock {
		s += fmt.Sprintf("%s %d ", [...]string{"", "boot", "start", "thread", "delta", "ticks"}[l.Time.Clock], l.Time.NS)
	}
	return s
}

// again returns the result of Append, and checks that Parse returns the same line for it.
func again(t testing.TB, l *Line) string {
	t.Helper()
	out := Append(nil, l)
	if bytes.ContainsAny(out, "\n\r") {
		t.Errorf("more than one line: %q", out)
	}
	var l2 Line
	if err := Parse(out, &l2); err != nil {
		t.Errorf("%v: %s", err, out)
	} else if !equal(l, &l2) {
		t.Errorf("carried as\n%s\nbecomes\n%s", out, Append(nil, &l2))
	} else if l2.PID != 0 || l2.Comm != nil || l2.CPU != -1 || l2.Time != (Stamp{}) {
		t.Errorf("%s has a leader", out)
	}
	return string(out)
}

func transcripts(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 30 {
		t.Fatalf("only %d transcripts", len(files))
	}
	return files
}

func readFile(t testing.TB, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func lines(b []byte) [][]byte {
	return bytes.Split(bytes.TrimSuffix(b, []byte("\n")), []byte("\n"))
}

// TestTranscripts parses whole files. Those of ftrace and trace-cmd are output of that version of the kernel
// and trace-cmd for a program that connects to itself. Those of SystemTap and DTrace are made up by
// the formats of the scripts. No line may be Unknown, and Is must detect the format of each file.
func TestTranscripts(t *testing.T) {
	for _, file := range transcripts(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			want := Ftrace
			switch name := filepath.Base(file); { // the others are of ftrace or trace-cmd
			case strings.HasPrefix(name, "stap-"):
				want = SystemTap
			case strings.HasPrefix(name, "dtrace-"):
				want = DTrace
			}
			var r, fixed Reader
			fixed.Format = want
			var got bytes.Buffer
			is, total, began := 0, 0, false
			for i, line := range lines(readFile(t, file)) {
				before := string(line)
				var l, l2 Line
				err := r.Read(line, &l)
				if err2 := fixed.Read(line, &l2); err2 != nil || l2.Format != want {
					t.Errorf("line %d, with the format known: %v %s", i+1, err2, Append(nil, &l2))
				}
				// Only lines before the first certain one may be unknown.
				if err == nil && l.Format != 0 {
					began = true
				}
				if began && (err != nil || !equal(&l, &l2) || leader(&l) != leader(&l2)) {
					t.Errorf("line %d: %v: %s is %s", i+1, err, line, Append(nil, &l))
				}
				fmt.Fprintf(&got, "%s| %s\n", leader(&l2), again(t, &l2))
				if string(line) != before {
					t.Errorf("line %d was changed: %q", i+1, before)
				}
				switch Is(line) {
				case want:
					is++
					total++
				case 0:
					if l.Kind != Header && l.Kind != Gap {
						total++
					}
				default:
					t.Errorf("line %d is taken for %v: %q", i+1, Is(line), line)
				}
			}
			// Files with few columns are uncertain, and stack frames have no format.
			if is*2 <= total && !strings.Contains(file, "-columns") && !strings.Contains(file, "-stack") {
				t.Errorf("only %d of %d lines are certain", is, total)
			}
			golden := strings.TrimSuffix(file, ".txt") + ".golden"
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			wants, gots := lines(readFile(t, golden)), lines(got.Bytes())
			if len(wants) != len(gots) {
				t.Fatalf("%d lines, and %d in the golden file", len(gots), len(wants))
			}
			for i := range wants {
				if !bytes.Equal(wants[i], gots[i]) {
					t.Errorf("line %d\n got %s\nwant %s", i+1, gots[i], wants[i])
				}
			}
		})
	}
}

// tailed matches the name after a `}`, which funcgraph-tail and fgraph:tailprint of trace-cmd print.
var tailed = regexp.MustCompile(`\} /\* ([^ ]+) \*/`)

// TestTail removes the names after `}` from output of a kernel and trace-cmd, and checks that the Reader
// finds the same names.
func TestTail(t *testing.T) {
	for file, least := range map[string]int{"testdata/ftrace-graph-tail-6.1.txt": 40, "testdata/trace-cmd-tail-3.1.txt": 12} {
		var r Reader
		var l Line
		found, entered := 0, map[string]bool{}
		for i, line := range lines(readFile(t, file)) {
			m := tailed.FindSubmatch(line)
			short := line
			if m != nil {
				short = bytes.Replace(line, m[0], []byte("}"), 1)
			}
			if err := r.Read(short, &l); err != nil {
				t.Fatalf("%s:%d: %v", file, i+1, err)
			}
			switch {
			case l.Kind == Enter:
				entered[string(l.Name)] = true
			case m == nil:
			case string(l.Name) == string(m[1]):
				found++
			case entered[string(m[1])] || len(l.Name) > 0:
				t.Errorf("%s:%d: `%s` is the end of %q", file, i+1, line, l.Name)
			}
		}
		if found < least {
			t.Errorf("%s: only %d names were found", file, found)
		}
	}
}

// TestEmulator checks the SystemTap transcript of pid 9744.
func TestEmulator(t *testing.T) {
	var r Reader
	var l Line
	type call struct {
		depth int
		dur   int64
	}
	got := map[string][]call{}
	depth := 0
	for _, line := range lines(readFile(t, "testdata/stap-emulator.txt")) {
		if err := r.Read(line, &l); err != nil {
			t.Fatal(err)
		}
		if l.PID != 9744 {
			continue
		}
		if string(l.Comm) != "emulator" || l.CPU != -1 || l.Time.Clock != Thread {
			t.Errorf("%s: %s", line, leader(&l))
		}
		switch l.Kind {
		case Enter:
			if l.Depth != depth {
				t.Errorf("%s: depth %d, and %d functions are open", line, l.Depth, depth)
			}
			depth++
		case Leave:
			depth--
			if l.Depth != depth {
				t.Errorf("%s: depth %d, and %d functions are open", line, l.Depth, depth)
			}
			if !l.HasDur {
				t.Errorf("%s: no duration", line)
			}
			got[string(l.Name)] = append(got[string(l.Name)], call{l.Depth, l.Dur})
		default:
			t.Errorf("%s is a %v", line, l.Kind)
		}
	}
	for name, want := range map[string][]call{
		"sys_connect":  {{1, 23454000}},
		"sys_send":     {{1, 29000}},
		"sys_sendto":   {{2, 23000}},
		"sock_sendmsg": {{3, 4000}},
		"sys_recvfrom": {{2, 21000}},
		"sock_alloc":   {{3, 13000}},
		"sock_poll":    {{0, 6000}, {0, 8000}, {0, 5000}},
	} {
		if fmt.Sprint(got[name]) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", name, got[name], want)
		}
	}
	if n := len(got["sys_socketcall"]); n != 6 {
		t.Errorf("sys_socketcall was called %d times", n)
	}
}

// notations has lines for a Reader without state, and for each the leader, a bar, and the result of
// Append.
var notations = []struct{ in, want string }{
	// SystemTap.
	{`     0 Xorg(3611): -> sock_poll`, `Xorg-3611 thread 0 | systemtap enter name=sock_poll`},
	{`0 Xorg(3611): -> sock_poll`, `Xorg-3611 thread 0 | systemtap enter name=sock_poll`},
	{` 28 swapper/0(0):   <- usb_hcd_irq`, `swapper/0-0 thread 28000 | systemtap leave depth=2 name=usb_hcd_irq`},
	{`    -3 a(b) c: (12): -> f`, `a(b) c: -12 thread -3000 | systemtap enter name=f`},
	{`     4 ls(24779):  ->set_program_name argv0=0x7ffe`, `ls-24779 thread 4000 | systemtap enter depth=2 name=set_program_name args=argv0=0x7ffe`},
	{`     5 ls(24779): <-xmalloc return=0x1a15050`, `ls-24779 thread 5000 | systemtap leave depth=1 name=xmalloc ret=0x1a15050`},
	{`     5 e(1): <- f return={.a=1, .b="x y"}`, `e-1 thread 5000 | systemtap leave name=f ret="{.a=1, .b=\"x y\"}"`},
	{`     5 e(1): <- f return=190 errno=0`, `e-1 thread 5000 | systemtap leave name=f args=errno=0 ret=190`},
	{`     5 e(1): <- f returned -11`, `e-1 thread 5000 | systemtap leave name=f ret=-11`},
	{`     5 e(1): -> f(sk=0x1 (x) size=2)`, `e-1 thread 5000 | systemtap enter name=f args="sk=0x1 (x) size=2"`},
	{`     5 e(1): -> f()`, `e-1 thread 5000 | systemtap enter name=f`},
	{`     5 e(1): -> kernel.function("f@net/socket.c:9").call`, `e-1 thread 5000 | systemtap enter name="kernel.function(\"f@net/socket.c:9\").call"`},
	{`     7 : -> f`, `thread 7000 | systemtap enter name=f`},
	{`Pass 1: parsed user script and 480 library scripts using 110000virt/83000res/6000shr/76000data kb, in 150usr/20sys/169real ms.`,
		`| systemtap note text="Pass 1: parsed user script and 480 library scripts using 110000virt/83000res/6000shr/76000data kb, in 150usr/20sys/169real ms."`},
	{`^CWARNING: Number of errors: 0, skipped probes: 36`, `| systemtap lost count=36 text="^CWARNING: Number of errors: 0, skipped probes: 36"`},
	{`WARNING: Number of errors: 1, skipped probes: 0`, `| systemtap note text="WARNING: Number of errors: 1, skipped probes: 0"`},

	// function_graph.
	{` 0)               |  tcp_sendmsg() {`, `[0] | ftrace enter name=tcp_sendmsg`},
	{`0) | tcp_sendmsg() {`, `[0] | ftrace enter name=tcp_sendmsg`},
	{` 11)   0.123 us    |    lock_sock_nested();`, `[11] | ftrace leaf depth=1 name=lock_sock_nested dur=123`},
	{` 0) + 12.345 us   |      }`, `[0] | ftrace leave depth=2 dur=12345`},
	{` 0) ! 104.75 us   |  }`, `[0] | ftrace leave dur=104750`},
	{` 0) $ 19354026 us |  } /* vfs_read */`, `[0] | ftrace leave name=vfs_read dur=19354026000`},
	{` 0)   19354026 us |  } /* vfs_read */`, `[0] | ftrace leave name=vfs_read dur=19354026000`},
	{` 3) # 1372.375 us |    } /* ucfg_dp_start_xmit [wlan] */`, `[3] | ftrace leave depth=1 name=ucfg_dp_start_xmit module=wlan dur=1372375`},
	{` 3) * 13720.37 us |  ucfg_dp_start_xmit [wlan]();`, `[3] | ftrace leaf name=ucfg_dp_start_xmit module=wlan dur=13720370`},
	{` 1) @ 137200.3 us |  } /* tcp_sendmsg = 0xbe */`, `[1] | ftrace leave name=tcp_sendmsg ret=0xbe dur=137200300`},
	{` 1)   1.100 us    |  } /* tcp_sendmsg ret=-11 */`, `[1] | ftrace leave name=tcp_sendmsg ret=-11 dur=1100`},
	{` 1)   1.100 us    |  tcp_ack(); /* = 0x0 */`, `[1] | ftrace leaf name=tcp_ack ret=0x0 dur=1100`},
	{` 1)   1.100 us    |  tcp_ack(sk=0x1, skb=0x2, flag=3); /* <-tcp_rcv_established+0x1f/0x5c0 ret=0x1 */`,
		`[1] | ftrace leaf name=tcp_ack func=tcp_rcv_established+0x1f/0x5c0 args="sk=0x1, skb=0x2, flag=3" ret=0x1 dur=1100`},
	{` 1)               |  tcp_sendmsg(sk=0x1, key=(sockptr_t)[0x2:0x0]) { /* <-sock_sendmsg+0x1/0x2 [x] */`,
		`[1] | ftrace enter name=tcp_sendmsg func=sock_sendmsg+0x1/0x2 args="sk=0x1, key=(sockptr_t)[0x2:0x0]"`},
	{` 1234.567890 |   1)  emulato-9744  |  d..1. | + 12.345 us   |  tcp_sendmsg();`,
		`emulato-9744 [1] boot 1234567890000 | ftrace leaf name=tcp_sendmsg dur=12345`},
	{`   10 us |   0)   a b|c-12    | ...1.. |               |    f() {`, ``},
	{`   10 us |   0)   a b-12    | ...1.. |               |    f() {`, `a b-12 [0] start 10000 | ftrace enter depth=1 name=f`},
	{` 0)   <idle>-0    | tcp_v4_rcv();`, `<idle>-0 [0] | ftrace leaf name=tcp_v4_rcv`},
	{`+ 23.425 us   |  __x64_sys_socket();`, `| ftrace leaf name=__x64_sys_socket dur=23425`},
	{`  emulato-9744  | ! 123.400 us  |  }`, `emulato-9744 | ftrace leave dur=123400`},
	{` 1)               |  /* tcp_probe: family=AF_INET src=127.0.0.1:5222 dest=[::1]:80 mark=0x0 data_len=190 snd_nxt=0x1 */`,
		`[1] | ftrace event name=tcp_probe local=127.0.0.1:5222 peer=[::1]:80 dir=in bytes=190 text="family=AF_INET src=127.0.0.1:5222 dest=[::1]:80 mark=0x0 data_len=190 snd_nxt=0x1"`},
	{` 1)               |      /* hello, world */`, `[1] | ftrace event depth=2 text="hello, world"`},
	{` 0)   ==========> |`, `[0] | ftrace note text===========>`},
	{` 0)   <========== |`, `[0] | ftrace note text=<==========`},
	{` 1)   rcu_pre-15   =>  emulato-9744 `, `emulato-9744 [1] | ftrace switch text="rcu_pre-15   =>  emulato-9744"`},
	{` | 1)  migration/0--1  =>  sshd-1755`, `sshd-1755 [1] | ftrace switch text="migration/0--1  =>  sshd-1755"`},
	{` 0)   0.1 us    |  }/*/`, `[0] | ftrace leave dur=100 text=/*/`},
	{` 0)   0.1 us    |  f(); something new`, `[0] | ftrace leaf name=f dur=100 text="something new"`},

	// The tracer function, and events.
	{`        emulator-9744    [001] d..1. 1234.567890: tcp_sendmsg <-sock_sendmsg`, `emulator-9744 [1] boot 1234567890000 | ftrace call name=tcp_sendmsg func=sock_sendmsg`},
	{`          <idle>-0       [000]  1234.567890: tcp_sendmsg <-0`, `<idle>-0 [0] boot 1234567890000 | ftrace call name=tcp_sendmsg func=0`},
	{`emulator-9744    (   9744) [001] d..1. 1234.567890: f [nf_tables](a=1, b=2) <-g [x]`, `emulator-9744 [1] boot 1234567890000 | ftrace call name=f module=nf_tables func=g args="a=1, b=2"`},
	{`emulator-9744    (-------) [001] .....    31.512679: f+0x0/0x40 <ffffffffa7854860> <-g+0x58/0x70 <ffffffffa777ada8>`, `emulator-9744 [1] boot 31512679000 | ftrace call name=f+0x0/0x40 func=g+0x58/0x70`},
	{`emulator-9744      0d.h.. 20203us#: f <-g`, `emulator-9744 [0] start 20203000 | ftrace call name=f func=g`},
	{`    ping-2653    0d.h.   870.097107: funcgraph_entry:                   |  f() {`, `ping-2653 [0] boot 870097107000 | ftrace enter name=f`},
	{`emulator-9744      1.....     1us : f <-g`, `emulator-9744 [1] start 1000 | ftrace call name=f func=g`},
	{`Web Content-5-12-9744 [001] .....            17: netif_rx: dev=lo skbaddr=00000000d168fd79 len=60`, `Web Content-5-12-9744 [1] ticks 17 | ftrace event name=netif_rx dir=in bytes=60 text="dev=lo skbaddr=00000000d168fd79 len=60"`},
	{`a-1 [000] b.s1. 31.755914: net_dev_xmit: dev=lo skbaddr=0 len=74 rc=0`, `a-1 [0] boot 31755914000 | ftrace event name=net_dev_xmit dir=out bytes=74 text="dev=lo skbaddr=0 len=74 rc=0"`},
	{`a-1 [000] b.s1. 31.755914: sock_send_length: sk address = 000000001, family = AF_INET protocol = IPPROTO_TCP, length = 190, error = 0, flags = 0x0`,
		`a-1 [0] boot 31755914000 | ftrace event name=sock_send_length dir=out bytes=190 text="sk address = 000000001, family = AF_INET protocol = IPPROTO_TCP, length = 190, error = 0, flags = 0x0"`},
	{`a-1 [000] ..... 3794784.779392: inet_sock_set_state: family=AF_INET6 protocol=IPPROTO_TCP sport=0 dport=443 saddr=0.0.0.0 daddr=0.0.0.0 saddrv6=2001:db8::1 daddrv6=::ffff:192.0.2.1 oldstate=TCP_CLOSE newstate=TCP_SYN_SENT`,
		`a-1 [0] boot 3794784779392000 | ftrace event name=inet_sock_set_state local=[2001:db8::1]:0 peer=192.0.2.1:443 old=TCP_CLOSE new=TCP_SYN_SENT text="family=AF_INET6 protocol=IPPROTO_TCP sport=0 dport=443 saddr=0.0.0.0 daddr=0.0.0.0 saddrv6=2001:db8::1 daddrv6=::ffff:192.0.2.1 oldstate=TCP_CLOSE newstate=TCP_SYN_SENT"`},
	{`a-1 [000] ..... 1.5: tcp_retransmit_skb: family=AF_INET sport=40181 dport=5222 saddr=192.0.2.8 daddr=198.51.100.40 saddrv6=::ffff:192.0.2.8 daddrv6=::ffff:198.51.100.40 state=TCP_ESTABLISHED`,
		`a-1 [0] boot 1500000000 | ftrace event name=tcp_retransmit_skb local=192.0.2.8:40181 peer=198.51.100.40:5222 text="family=AF_INET sport=40181 dport=5222 saddr=192.0.2.8 daddr=198.51.100.40 saddrv6=::ffff:192.0.2.8 daddrv6=::ffff:198.51.100.40 state=TCP_ESTABLISHED"`},
	{`a-1 [000] ..... 1.5: sys_connect(fd: 3, uservaddr: 7ffd0, addrlen: 10)`, `a-1 [0] boot 1500000000 | ftrace enter name=sys_connect args="fd: 3, uservaddr: 7ffd0, addrlen: 10"`},
	{`a-1 [000] ..... 1.5: sys_connect -> 0xffffffffffffff8d`, `a-1 [0] boot 1500000000 | ftrace leave name=sys_connect ret=0xffffffffffffff8d`},
	{`a-1 [000] ..... 1.5: <stack trace>`, `a-1 [0] boot 1500000000 | ftrace note text="<stack trace>"`},
	{`a-1 [000] ..... 1.5: 0xffffffff81: what is this`, `a-1 [0] boot 1500000000 | ftrace event name=0xffffffff81 text="what is this"`},

	// trace-cmd.
	{`cpus=8`, `| ftrace header text=cpus=8`},
	{`        emulator-9748  [000]    51.195553: funcgraph_entry:      + 20.731 us  |  mutex_unlock();`, `emulator-9748 [0] boot 51195553000 | ftrace leaf name=mutex_unlock dur=20731`},
	{`        emulator-9748  [000]    51.196223842: funcgraph_exit:       + 18.317 us  |        } /* kmem_cache_alloc */ (3)`, `emulator-9748 [0] boot 51196223842 | ftrace leave depth=3 name=kmem_cache_alloc dur=18317`},
	{`        emulator-9748  [000]    51.196198: (+645)   funcgraph_entry:                   |  __x64_sys_execve() {`, `emulator-9748 [0] boot 51196198000 | ftrace enter name=__x64_sys_execve`},
	{`        emulator-9748  [000] ..... 51.196198: funcgraph_exit:         1.462 us   |            } (ret=0xbe)`, `emulator-9748 [0] boot 51196198000 | ftrace leave depth=5 ret=0xbe dur=1462`},
	{`        emulator-9748  [000] ..... 51.196198: fgraph_retaddr_entry:              |  f(a=1) /* <-g */ { (0)`, `emulator-9748 [0] boot 51196198000 | ftrace enter name=f func=g args=a=1`},
	{`        emulator-9748  [000] ..... 51.196198: funcgraph_entry:       1.462 us    |  f(a=1); (4) /* <-g */ (ret=-11)`, `emulator-9748 [0] boot 51196198000 | ftrace leaf name=f func=g args=a=1 ret=-11 dur=1462`},
	{`        emulator-9748  [000] ..... 51.196198: funcgraph_entry:                   |  ) {`, `emulator-9748 [0] boot 51196198000 | ftrace enter`},
	{`              ls-13587 [002] 106467.860310: function: hrtick_start_fair <-- pick_next_task_fair`, `ls-13587 [2] boot 106467860310000 | ftrace call name=hrtick_start_fair func=pick_next_task_fair`},
	{`        emulator-9775  [001]    65.244163: function:                tcp_init_sock`, `emulator-9775 [1] boot 65244163000 | ftrace call name=tcp_init_sock`},
	{`CPU:0 [LOST 123 EVENTS]`, `[0] | ftrace lost count=123 text="CPU:0 [LOST 123 EVENTS]"`},
	{`CPU:0 [LOST EVENTS]`, `[0] | ftrace lost text="CPU:0 [LOST EVENTS]"`},
	{`CPU:1 [241 EVENTS DROPPED]`, `[1] | ftrace lost count=241 text="CPU:1 [241 EVENTS DROPPED]"`},
	{`CPU:1 [EVENTS DROPPED]`, `[1] | ftrace lost text="CPU:1 [EVENTS DROPPED]"`},
	{`##### CPU 2 buffer started ####`, `[2] | ftrace note text="##### CPU 2 buffer started ####"`},
	{`# tracer: function_graph`, `| ftrace header text="# tracer: function_graph"`},

	// DTrace.
	{`CPU     ID                    FUNCTION:NAME`, `| dtrace header text="CPU     ID                    FUNCTION:NAME"`},
	{`  0  68491      tcp_input:connect-established   127.0.0.1`, `[0] | dtrace event name=tcp:connect-established func=tcp_input dir=out text=127.0.0.1`},
	{`  1   3312                 ip_output:send 10.0.0.1 -> 10.0.0.2`, `[1] | dtrace event name=ip:send func=ip_output local=10.0.0.1:0 peer=10.0.0.2:0 dir=out text="10.0.0.1 -> 10.0.0.2"`},
	{`  1   3312                 some_func:receive `, `[1] | dtrace event name=receive func=some_func dir=in`},
	{"1   192.0.2.8:22  ->  198.51.100.40:60337    464 (PUSH|ACK|\b)", `[1] | dtrace event name=tcp:send local=192.0.2.8:22 peer=198.51.100.40:60337 dir=out bytes=464 flags=PUSH|ACK text="1   192.0.2.8:22  ->  198.51.100.40:60337    464 (PUSH|ACK|\x08)"`},
	{`   1     598913    192.0.2.8 ->   198.51.100.40   nge0     68`, `[1] delta 598913000 | dtrace event local=192.0.2.8:0 peer=198.51.100.40:0 dir=out bytes=68 text="1     598913    192.0.2.8 ->   198.51.100.40   nge0     68"`},
	{`  100  20892 192.0.2.5     36398 <- 192.0.2.1        79    66 finger`, `finger-20892 | dtrace event local=192.0.2.5:36398 peer=192.0.2.1:79 dir=in bytes=66 text="100  20892 192.0.2.5     36398 <- 192.0.2.1        79    66 finger"`},
	{`   0          613  state-syn-received   -> state-established`, `[0] delta 613000 | dtrace event name=tcp:state-change old=state-syn-received new=state-established text="0          613  state-syn-received   -> state-established"`},
	{`  0    <- tcp_sendmsg`, `[0] | dtrace leave depth=1 name=tcp_sendmsg`},
	{`dtrace: [DTRACEDROP_PRINCIPAL] 12 drops on CPU 3`, `[3] | dtrace lost count=12 text="dtrace: [DTRACEDROP_PRINCIPAL] 12 drops on CPU 3"`},
	{`dtrace: script './tcpio.d' matched 3 probes`, `| dtrace note text="dtrace: script './tcpio.d' matched 3 probes"`},

	// All formats.
	{``, `| none header`},
	{`...`, `| none gap text=...`},
	{` [...] `, `| none gap text=" [...]"`},
}

func TestNotations(t *testing.T) {
	for _, c := range notations {
		var r Reader
		var l Line
		err := r.Read([]byte(c.in), &l)
		got := leader(&l) + "| " + again(t, &l)
		if c.want == "" {
			if err != ErrUnknown {
				t.Errorf("%q: %v %s", c.in, err, got)
			}
			continue
		}
		if err != nil || got != c.want {
			t.Errorf("%q: %v\n got %s\nwant %s", c.in, err, got, c.want)
		}
		if f := Is([]byte(c.in)); f != l.Format {
			t.Errorf("%q: Is says %v", c.in, f)
		}
	}
}

// TestWeak parses ambiguous lines, which are accepted if the surrounding lines are of a tracer.
func TestWeak(t *testing.T) {
	for _, c := range []struct {
		f        Format
		in, want string
	}{
		{SystemTap, `WARNING: probes were skipped`, `| systemtap note text="WARNING: probes were skipped"`},
		{SystemTap, `ERROR: division by 0`, `| systemtap note text="ERROR: division by 0"`},
		{SystemTap, `   12 emulator(9744):   state TCP_ESTABLISHED`, `emulator-9744 thread 12000 | systemtap event depth=3 text="state TCP_ESTABLISHED"`},
		{SystemTap, `   12 emulator(9744): -> 0x401000`, `emulator-9744 thread 12000 | systemtap enter name=0x401000`},
		{Ftrace, ` 0) __x64_sys_brk();`, `[0] | ftrace leaf name=__x64_sys_brk`},
		{Ftrace, ` 0)   __sys_socket() {`, `[0] | ftrace enter depth=1 name=__sys_socket`},
		{Ftrace, `    __sys_socket() {`, `| ftrace enter depth=2 name=__sys_socket`},
		{Ftrace, `  }`, `| ftrace leave depth=1`},
		{Ftrace, `               |  __sys_socket() {`, `| ftrace enter name=__sys_socket`},
		{Ftrace, `#                              | / _---=> hardirq/softirq`, `| ftrace header text="#                              | / _---=> hardirq/softirq"`},
		{Ftrace, ` ------------------------------------------`, `| ftrace header text=" ------------------------------------------"`},
		{Ftrace, ` => tcp_sendmsg+0x5/0x40 <ffffffffa7854865>`, `| ftrace note text=" => tcp_sendmsg+0x5/0x40 <ffffffffa7854865>"`},
		{Ftrace, `version = 7`, `| ftrace header text="version = 7"`},
		{Ftrace, `CPU 3 is empty`, `| ftrace header text="CPU 3 is empty"`},
		{Ftrace, ` (Overruns: 12)`, `| ftrace note text=" (Overruns: 12)"`},
		{DTrace, `Tracing... Hit Ctrl-C to end.`, `| dtrace note text="Tracing... Hit Ctrl-C to end."`},
		{DTrace, `  0   4711                  sched_func:on-cpu     42`, `[0] | dtrace event name=on-cpu func=sched_func text=42`},
		{DTrace, `  192.0.2.8:53211 -> 198.51.100.40:53`, `| dtrace event local=192.0.2.8:53211 peer=198.51.100.40:53 dir=out text="192.0.2.8:53211 -> 198.51.100.40:53"`},
		{DTrace, `  0  -> tcp_sendmsg                               190`, `[0] | dtrace enter name=tcp_sendmsg text=190`},
	} {
		var l Line
		var r Reader
		if err := r.Read([]byte(c.in), &l); err != ErrUnknown || l.Kind != Unknown || string(l.Text) != c.in {
			t.Errorf("%q is read without more: %v %s", c.in, err, Append(nil, &l))
		}
		if f := Is([]byte(c.in)); f != 0 {
			t.Errorf("%q: Is says %v", c.in, f)
		}
		r.Format = c.f
		err := r.Read([]byte(c.in), &l)
		if got := leader(&l) + "| " + again(t, &l); err != nil || got != c.want {
			t.Errorf("%q: %v\n got %s\nwant %s", c.in, err, got, c.want)
		}
		// After a certain line.
		first := map[Format]string{SystemTap: "0 a(1): -> f", Ftrace: "# tracer: nop", DTrace: "CPU FUNCTION"}[c.f]
		r = Reader{}
		if err := r.Read([]byte(first), &l); err != nil {
			t.Fatal(err)
		}
		if err := r.Read([]byte(c.in), &l); err != nil || l.Format != c.f {
			t.Errorf("%q behind %q: %v %s", c.in, first, err, Append(nil, &l))
		}
	}
}

func TestUnknown(t *testing.T) {
	for _, in := range []string{
		"hello", "hello world", "0", "12 34 56", "a-1 [000]", "a-1 [000] 1.5", "a-1 [000] 1.5:", "a-1 [x] 1.5: f", "a [000] 1.5: f <-g",
		"0)", "0) ", " 0)   0.123 us    |", " 0)   0.123 us    |  ", " 0)   0.1234 us    |  f();", " 0)   1. us    |  f();", " 0)               |  f(;",
		" 0)               |  f()", " 99999999) 1 us |  f();", "CPU:0 []", "CPU:0 [LOST EVENTS", "CPU: [LOST 1 EVENTS]", "CPU:0 [LOST x EVENTS]",
		"0 Xorg(): -> f", "0 0):0", "0 (1): -> f", "0 Xorg(x): -> f", "Xorg(1): -> f", "0 Xorg(1):", "0 Xorg(1): ->", "99999999999999999999 Xorg(1): -> f", "0 Xorg(99999999999): -> f",
		"Pass 0: x", "Pass x: y", "10.0.0.1 -> 10.0.0.2", "1 10.0.0.1 -> 10.0.0.256 10", "1 2 10.0.0.1:1 -> 10.0.0.2:70000 10",
		"LADDR RADDR", "HOST PORT", "CPU MEM", "CPU", "0 1 a:", "0 1 :", "0 1 12:30", "x -> y", "state-x -> y",
		"Accept connection from nowhere", "Accept connection from 1.2.3.4:5 to", "State changed from a\t\tb", "Sent x bytes of data to 1.2.3.4:5",
		"}", "f();", "# foo", "=> f", "^C", "version = 1",
	} {
		var r Reader
		var l Line
		err := r.Read([]byte(in), &l)
		if err != ErrUnknown || l.Kind != Unknown || l.Format != 0 || string(l.Text) != in {
			t.Errorf("%q: %v %s", in, err, Append(nil, &l))
		}
		again(t, &l)
		if f := Is([]byte(in)); f != 0 {
			t.Errorf("%q: Is says %v", in, f)
		}
	}
}

// TestOthers checks that lines of other tools are not taken as lines of a tracer.
func TestOthers(t *testing.T) {
	var files []string
	for _, pattern := range []string{"../../../testdata/emulator/*.strace", "../../../testdata/emulator/*.tcpdump",
		"../../../testdata/emulator/*.audit.log", "../auditlog/testdata/*.log", "../dump/testdata/*.modern.txt"} {
		list, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, list...)
	}
	n := 0
	check := func(line []byte) {
		n++
		if f := Is(line); f != 0 {
			t.Errorf("%q is taken for %v", line, f)
		}
		if len(trim(line)) == 0 || isGap(line) {
			return
		}
		var r Reader
		var l Line
		if err := r.Read(line, &l); err == nil {
			t.Errorf("%q is read as %s", line, Append(nil, &l))
		}
	}
	for _, file := range files {
		for _, line := range lines(readFile(t, file)) {
			check(line)
		}
	}
	if n < 300 {
		t.Errorf("only %d lines", n)
	}
	for _, line := range []string{
		// truss of FreeBSD and Solaris, ktrace's kdump, ltrace, perf, tshark, snoop, bpftrace and the BCC tools.
		`9744: connect(3,{ AF_INET 198.51.100.40:5222 },16)	 = 0 (0x0)`,
		`9744/1:	 0.0123	so_socket(PF_INET, SOCK_STREAM, IPPROTO_IP, NULL, SOV_XPG4_2) = 3`,
		`9744:   -> libnsl:t_connect(0x4, 0x8047c10)`,
		`9744/1@1:	-> libc:fsetpos(0x0, 0x1, 0x2)`,
		`  9744 emulator CALL  connect(0x3,0x7fffffffe5f0,0x10)`,
		`[pid 9744] connect(3, 0x7ffd, 16)  = 0`,
		`emulator  9744 [001]  1234.567890: sock:inet_sock_set_state: family=AF_INET protocol=IPPROTO_TCP sport=0 dport=443`,
		`     0.123 ( 0.004 ms): emulator/9744 connect(fd: 3<socket:[12345]>, uservaddr: 0x7ffd, addrlen: 16) = 0`,
		`    1 0.000000    192.0.2.8 -> 198.51.100.40 TCP 74 40181 > 5222 [SYN] Seq=0 Win=65535 Len=0`,
		`           mars -> jupiter      FINGER C port=56760`,
		`05:16:44 3375   10.150.18.225:53874  R> 10.105.152.3:6001    ESTABLISHED`,
		`TIME     PID    COMM       LADDR:LPORT           RADDR:RPORT          STATE       REASON`,
		`PID    COMM         IP SADDR            DADDR            DPORT LAT(ms)`,
		`USER       PID %CPU %MEM    VSZ   RSS TTY      STAT START   TIME COMMAND`,
		`Mar 27 21:21:19 desktop sshd[9744]: Accepted publickey for root from 198.51.100.40 port 60337 ssh2`,
		`[    0.000000] Linux version 6.1.0-50-cloud-amd64`,
		`tcp        0      0 192.0.2.8:22            198.51.100.40:60337     ESTABLISHED 9744/emulator`,
		`int main(void) {`, `	return f();`, `if (x-1 [0] 2.5: y) {`,
	} {
		check([]byte(line))
	}
}

func TestNames(t *testing.T) {
	if got := fmt.Sprint(Unknown, Gap, Kind(99), SystemTap, DTrace, Format(9)); got != "unknown gap invalid systemtap dtrace invalid" {
		t.Error(got)
	}
	if len(kindNames) != int(Gap)+1 || len(formatNames) != int(DTrace)+1 {
		t.Error("a kind or a format has no name")
	}
}

// TestInherit parses lines that need state of the CPU or the task.
func TestInherit(t *testing.T) {
	for name, c := range map[string][]struct{ in, want string }{
		"graph": {
			{` 0)               |  a() {`, `[0] | ftrace enter name=a`},
			{` 0)               |    b [mod]() {`, `[0] | ftrace enter depth=1 name=b module=mod`},
			{` 1)               |    c() {`, `[1] | ftrace enter depth=1 name=c`},
			{` 0)   1.0 us    |      d();`, `[0] | ftrace leaf depth=2 name=d dur=1000`},
			{` 0)   1.0 us    |    }`, `[0] | ftrace leave depth=1 name=b module=mod dur=1000`},
			{` 0)   1.0 us    |    e();`, `[0] | ftrace leaf depth=1 name=e dur=1000`},
			{` 0)   1.0 us    |    }`, `[0] | ftrace leave depth=1 dur=1000`},
			{` ------------------------------------------`, `| ftrace header text=" ------------------------------------------"`},
			{` 0)    a-1    =>    b-2   `, `b-2 [0] | ftrace switch text="a-1    =>    b-2"`},
			{` ------------------------------------------`, `| ftrace header text=" ------------------------------------------"`},
			{` 0)               |  /* hello */`, `b-2 [0] | ftrace event text=hello`},
			// Like the kernel: a task that was not running in between.
			{` 0)   1.0 us    |  }`, `b-2 [0] | ftrace leave name=a dur=1000`},
			{` 0)   1.0 us    |  } /* x */`, `b-2 [0] | ftrace leave name=x dur=1000`},
			{` 1)   1.0 us    |    }`, `[1] | ftrace leave depth=1 name=c dur=1000`},
			{` 9)   1.0 us    |    }`, `[9] | ftrace leave depth=1 dur=1000`},
			{`CPU:0 [LOST 5 EVENTS]`, `[0] | ftrace lost count=5 text="CPU:0 [LOST 5 EVENTS]"`},
			{` 0)               |  a() {`, `b-2 [0] | ftrace enter name=a`},
			// After omitted lines the running task is unknown.
			{`...`, `| ftrace gap text=...`},
			{` 0)   1.0 us    |  }`, `[0] | ftrace leave dur=1000`},
		},
		"proc": {
			{` 0)    a-1     |               |  a() {`, `a-1 [0] | ftrace enter name=a`},
			{` 0)               |    /* hello */`, `a-1 [0] | ftrace event depth=1 text=hello`},
			{` 0)    b-2     |   1.0 us    |  }`, `b-2 [0] | ftrace leave name=a dur=1000`},
		},
		"proc without CPU": {
			{`    a-1     |               |  a() {`, `a-1 | ftrace enter name=a`},
			{`    b-2     |   1.0 us    |  }`, `b-2 | ftrace leave dur=1000`},
			{`    a-1     |   1.0 us    |  }`, `a-1 | ftrace leave name=a dur=1000`},
		},
		"trace-cmd": {
			{`a-1 [000] 1.0: funcgraph_entry:             |  a() {`, `a-1 [0] boot 1000000000 | ftrace enter name=a`},
			{`b-2 [000] 1.1: funcgraph_entry:             |  b() {`, `b-2 [0] boot 1100000000 | ftrace enter name=b`},
			{`a-1 [001] 1.2: funcgraph_exit:   1.0 us     |  }`, `a-1 [1] boot 1200000000 | ftrace leave name=a dur=1000`},
			{`CPU:3 [EVENTS DROPPED]`, `[3] | ftrace lost text="CPU:3 [EVENTS DROPPED]"`},
			{`b-2 [000] 1.3: funcgraph_exit:   1.0 us     |  }`, `b-2 [0] boot 1300000000 | ftrace leave dur=1000`},
		},
		"systemtap": {
			{`0 a(1): -> f`, `a-1 thread 0 | systemtap enter name=f`},
			{`2 a(1):  -> f`, `a-1 thread 2000 | systemtap enter depth=1 name=f`},
			{`0 b(2): -> f`, `b-2 thread 0 | systemtap enter name=f`},
			{`5 a(1):  <- f`, `a-1 thread 5000 | systemtap leave depth=1 name=f dur=3000`},
			{`6 a(1):  -> lost`, `a-1 thread 6000 | systemtap enter depth=1 name=lost`},
			{`9 a(1): <- f`, `a-1 thread 9000 | systemtap leave name=f dur=9000`},
			{`10 a(1): <- f`, `a-1 thread 10000 | systemtap leave name=f`},
			{`7 b(2): <- f`, `b-2 thread 7000 | systemtap leave name=f dur=7000`},
			{`0 b(2): -> g`, `b-2 thread 0 | systemtap enter name=g`},
			{`0 b(2): -> f`, `b-2 thread 0 | systemtap enter name=f`},
			{`1 b(2): <- g`, `b-2 thread 1000 | systemtap leave name=g`},
			{`-1 b(2): <- f`, `b-2 thread -1000 | systemtap leave name=f`},
			{`0 b(2): -> f`, `b-2 thread 0 | systemtap enter name=f`},
			{`[...]`, `| systemtap gap text=[...]`},
			{`1 b(2): <- f`, `b-2 thread 1000 | systemtap leave name=f`},
		},
		"columns": {
			{`1 192.0.2.8:22 -> 198.51.100.40:60337 464`, `| dtrace event local=192.0.2.8:22 peer=198.51.100.40:60337 dir=out bytes=464 text="1 192.0.2.8:22 -> 198.51.100.40:60337 464"`},
			{`CPU LADDR:LPORT RADDR:RPORT BYTES FLAGS`, `| dtrace header text="CPU LADDR:LPORT RADDR:RPORT BYTES FLAGS"`},
			{`1 192.0.2.8:22 -> 198.51.100.40:60337 464`, `[1] | dtrace event local=192.0.2.8:22 peer=198.51.100.40:60337 dir=out bytes=464 text="1 192.0.2.8:22 -> 198.51.100.40:60337 464"`},
			{`DELTA(us) SOURCE DEST INT BYTES`, `| dtrace header text="DELTA(us) SOURCE DEST INT BYTES"`},
			{`1 ::1 <- ::2 lo0 464`, `delta 1000 | dtrace event name=ip:receive local=[::1]:0 peer=[::2]:0 dir=in bytes=464 text="1 ::1 <- ::2 lo0 464"`},
			// Fewer columns than in the heading: their meaning is unknown.
			{`7 1 ::1 <- ::2 lo0 464`, `| dtrace event name=ip:receive local=[::1]:0 peer=[::2]:0 dir=in bytes=464 text="7 1 ::1 <- ::2 lo0 464"`},
		},
	} {
		var r Reader
		var l Line
		for _, step := range c {
			if err := r.Read([]byte(step.in), &l); err != nil {
				t.Errorf("%s: %q: %v", name, step.in, err)
			}
			if got := leader(&l) + "| " + again(t, &l); got != step.want {
				t.Errorf("%s: %q\n got %s\nwant %s", name, step.in, got, step.want)
			}
		}
	}
}

// TestBounds feeds lines that add state without end.
func TestBounds(t *testing.T) {
	var l Line
	long := bytes.Repeat([]byte("a"), MaxLine+1)
	var r Reader
	if err := r.Read(long, &l); err != ErrTooLong || l.Kind != Unknown || len(l.Text) != len(long) {
		t.Error(err, l.Kind)
	}
	if Is(long) != 0 {
		t.Error("a line that is too long is of a tracer")
	}
	if err := Parse(bytes.Repeat([]byte("a"), maxText+1), &l); err != ErrTooLong {
		t.Error(err)
	}
	name := strings.Repeat("n", 500)
	forgot := 0
	for i := range 40_000 {
		before := r.used
		for _, line := range []string{
			fmt.Sprintf(" %d)               |  %sf%d%s() {", i%4096, strings.Repeat("  ", i%300), i, name),
			fmt.Sprintf("0 a(%d): -> f%d%s", i, i, name),
			fmt.Sprintf("a%d-%d [000] 1.0: funcgraph_entry:             |  f%d() {", i, i, i),
			fmt.Sprintf(" %d)    a%d-1    =>    b%d-2   ", i%60000, i, i),
		} {
			if err := r.Read([]byte(line), &l); err != nil {
				t.Fatal(err, line)
			}
		}
		if r.used > maxMemory {
			t.Fatalf("%d bytes are remembered", r.used)
		}
		if r.used < before {
			forgot++
		}
	}
	if forgot == 0 {
		t.Error("nothing was forgotten")
	}
	// Functions that never return.
	for i := range 3 * MaxDepth {
		if err := r.Read(fmt.Appendf(nil, "%d a(1): -> f", i+1), &l); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(r.threads[1].frames); n > MaxDepth {
		t.Errorf("%d frames", n)
	}
	// After a long line Parse must still return the same, with a large buffer.
	l = Line{Kind: Note, Format: Ftrace, Bytes: -1, CPU: -1, Text: bytes.Repeat([]byte{1}, MaxLine)}
	again(t, &l)
}

func TestParse(t *testing.T) {
	for _, bad := range []string{
		"", "ftrace", "ftrace ", "ftrace what", "what enter", "ftrace enter ", "ftrace enter name", "ftrace enter name=", "ftrace enter =a",
		"ftrace enter  name=a", "ftrace enter name=a b", "ftrace enter foo=a", `ftrace enter name="a`, `ftrace enter name="a\`, `ftrace enter name="a\q"`,
		`ftrace enter name="a\x1"`, `ftrace enter name="a\xzz"`, `ftrace enter name=a"b`, "ftrace enter depth=-1", "ftrace enter depth=x",
		"ftrace enter depth=99999999", "ftrace leave dur=-1", "ftrace event local=1.2.3.4", "ftrace event peer=[::1%lo]:1", "ftrace event peer=1.2.3.4:70000",
		"ftrace event dir=up", "ftrace event bytes=-1", "ftrace lost count=x", "ftrace enter name=a\x01", `ftrace enter name="a"b`, "ftrace enter verylongnameofafield=1",
	} {
		var l Line
		if err := Parse([]byte(bad), &l); err != ErrUnknown || l.Kind != Unknown || l.Name != nil {
			t.Errorf("%q: %v %s", bad, err, Append(nil, &l))
		}
	}
	full := Line{
		Kind: Leave, Format: Ftrace, CPU: -1, Depth: 7, Name: []byte("f"), Module: []byte("m"), Func: []byte("g"), Args: []byte(`a="b\c"`),
		HasRet: true, Dur: 5, HasDur: true, Local: netip.MustParseAddrPort("1.2.3.4:5"), Peer: netip.MustParseAddrPort("[::ffff:1.2.3.4]:0"),
		Dir: In, Bytes: 0, Flags: []byte("SYN"), Old: []byte("a"), New: []byte("b c"), Count: 1<<64 - 1, Text: []byte("\x00\n\x7f\xff é"),
	}
	want := `ftrace leave depth=7 name=f module=m func=g args="a=\"b\\c\"" ret="" dur=5 local=1.2.3.4:5 peer=[::ffff:1.2.3.4]:0 dir=in bytes=0 flags=SYN old=a new="b c" count=18446744073709551615 text="\x00\x0a\x7f` + "\xff é\""
	if got := again(t, &full); got != want {
		t.Errorf("got %s", got)
	}
}
