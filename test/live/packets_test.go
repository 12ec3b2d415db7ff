package live

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// packet is one line of the packet layer.
type packet struct {
	owner, conn, dir, text string
}

var packetLine = regexp.MustCompile(`(?m)^ *[0-9.]+ (\S+) +(c[0-9]+) +pkt +([<>]) (.*)$`)

func packetsOf(lines string) (list []packet) {
	for _, m := range packetLine.FindAllStringSubmatch(lines, -1) {
		list = append(list, packet{m[1], m[2], m[3], m[4]})
	}
	return list
}

// flagsOf returns the direction and TCP flags of each packet.
func flagsOf(list []packet, conn string) string {
	var b strings.Builder
	flags := regexp.MustCompile(`Flags \[([^\]]*)\]`)
	for _, p := range list {
		if m := flags.FindStringSubmatch(p.text); m != nil && p.conn == conn {
			b.WriteString(p.dir + m[1] + " ")
		}
	}
	return b.String()
}

// TestPacketsOfClient checks that the packets of a client are shown from its first SYN on, as seen
// from its end, and that those of its server are not.
func TestPacketsOfClient(t *testing.T) {
	needRoot(t)
	server := start(t, "pwserver", "listen=127.0.0.1:25881 serve=pong serve=pong", nil)
	bystander := start(t, "pwother", "dial=127.0.0.1:25881", nil)
	client := start(t, "pwclient", "dial=127.0.0.1:25881", nil)
	s := attach(t, client.pid(), "-l", "sys,pkt", "-e", "connect,write")
	server.in.Write([]byte("\n"))
	bystander.act(t)
	client.act(t)
	lines := s.wait(t)
	list := packetsOf(lines)
	if len(list) < 8 {
		t.Fatalf("%d packets:\n%s", len(list), lines)
	}
	late := 0
	for _, p := range list {
		owner := p.owner
		if built != "" && late == 0 && strings.HasPrefix(owner, "~") {
			owner = owner[1:] // under emulation one may be read so late that its owner was still open
			late++
		}
		if !strings.HasPrefix(owner, "pwclient["+client.pid()) || p.conn != list[0].conn {
			t.Errorf("%+v", p)
		}
	}
	if got := flagsOf(list, list[0].conn); !regexp.MustCompile(`^>S <S\. >\. (>P\. <\. |<\. )`).MatchString(got) || !strings.Contains(got, "F") {
		t.Errorf("the connection went %s\n%s", got, lines)
	}
	// Calls and packets have the same connection.
	if !regexp.MustCompile(` ` + list[0].conn + ` sys +connect\(.*htons\(25881\)`).MatchString(lines) {
		t.Errorf("connect is not of %s:\n%s", list[0].conn, lines)
	}
	mustShow(t, s.rest.String(), "lost sys 0, pkt 0")
}

// TestPacketsOfServer checks that a connection to an existing listener is one connection from its
// SYN to its end, including accept.
func TestPacketsOfServer(t *testing.T) {
	needRoot(t)
	server := start(t, "pwserver", "listen=127.0.0.1:25882 serve=pong serve=pong", nil)
	s := attach(t, server.pid(), "-l", "sys,pkt", "-e", "accept4,write")
	server.in.Write([]byte("\n"))
	for range 2 {
		start(t, "pwclient", "dial=127.0.0.1:25882", nil).act(t)
	}
	server.cmd.Wait()
	time.Sleep(50 * time.Millisecond)
	lines := s.wait(t)
	list := packetsOf(lines)
	conns := map[string]bool{}
	for _, p := range list {
		conns[p.conn] = true
		if !strings.Contains(p.owner, "pwserver["+server.pid()) {
			t.Errorf("%+v", p)
		}
	}
	if len(conns) != 2 {
		t.Errorf("packets of %d connections, want 2:\n%s", len(conns), lines)
	}
	for c := range conns {
		if got := flagsOf(list, c); !strings.HasPrefix(got, "<S >S. <. <P. ") {
			t.Errorf("%s went %s\n%s", c, got, lines)
		}
		if !regexp.MustCompile(` sys +accept4\(.*\+`+c+`\b`).MatchString(lines) || !regexp.MustCompile(` `+c+` sys +write\(.*"pong"`).MatchString(lines) {
			t.Errorf("no accept or no write of %s:\n%s", c, lines)
		}
	}
	mustShow(t, lines, "# open before: TCP 127.0.0.1:25882 LISTEN")
}

// TestPacketsOfMPTCP checks that a listener whose TCP socket was created by the kernel has an owner
// from listen on.
func TestPacketsOfMPTCP(t *testing.T) {
	needRoot(t)
	for _, before := range []bool{false, true} {
		server := start(t, "pwserver", "mptcp=127.0.0.1:25884 serve=pong", nil)
		listen := func() {
			server.in.Write([]byte("\n"))
			if l, err := server.out.ReadString('\n'); l != "listening\n" {
				t.Fatalf("the server said %q: %v", l, err)
			}
		}
		if before {
			listen()
		}
		s := attach(t, server.pid(), "-l", "pkt")
		if !before {
			listen()
		}
		start(t, "pwclient", "dial=127.0.0.1:25884", nil).act(t)
		server.cmd.Wait()
		lines := s.wait(t)
		list := packetsOf(lines)
		if len(list) < 8 || !strings.HasPrefix(flagsOf(list, list[0].conn), "<S >S. <. <P. ") {
			t.Errorf("listening before %v: %d packets:\n%s", before, len(list), lines)
		}
	}
}

// TestPacketsOfLaterTargets checks that without layer sys, too, a process becomes a target when it
// binds a port or changes to a matching user.
func TestPacketsOfLaterTargets(t *testing.T) {
	needRoot(t)
	s := attach(t, ":25885", "uid:61235", "-l", "pkt")
	server := start(t, "pwlater", "listen=127.0.0.1:25885 serve=pong serve=pong", nil)
	server.in.Write([]byte("\n"))
	start(t, "pwstranger", "dial=127.0.0.1:25885", nil).act(t)
	start(t, "pwuser", "dial=127.0.0.1:25885", &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 61235, Gid: 61235}}).act(t)
	server.cmd.Wait()
	time.Sleep(1500 * time.Millisecond) // a call that is filtered out must not be shown as waiting
	lines := s.stop(t)
	mustShow(t, lines, "pwlater[", "pwuser[")
	mustHide(t, lines, "pwstranger[", " sys ", "waiting")
	if list := packetsOf(lines); len(list) < 24 {
		t.Errorf("%d packets:\n%s", len(list), lines)
	}
}

// TestPacketsOfNamespaces checks that concurrent connections with the same addresses and ports in
// two network namespaces are kept apart.
func TestPacketsOfNamespaces(t *testing.T) {
	needRoot(t)
	apart := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	var actors []*actor
	for _, name := range []string{"pwone", "pwtwo"} {
		actors = append(actors, start(t, name, "lo listen=127.0.0.1:25887 meet=25888", apart))
	}
	s := attach(t, actors[0].pid(), actors[1].pid(), "-l", "sys,pkt", "-e", "accept4,write,connect")
	for _, a := range actors {
		a.in.Write([]byte("\n"))
	}
	for _, a := range actors {
		if err := a.cmd.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	lines := s.wait(t)
	owners := map[string]map[string]int{}
	for _, m := range regexp.MustCompile(`(?m)^ *[0-9.]+ +~?(pw\w+)\[\S+ +(?:\([^)]*\) *)?(c[0-9]+) +(?:pkt|sys|krn) `).FindAllStringSubmatch(lines, -1) {
		if owners[m[2]] == nil {
			owners[m[2]] = map[string]int{}
		}
		owners[m[2]][m[1]]++
	}
	ends := map[string]int{}
	for conn, of := range owners {
		if len(of) != 1 {
			t.Errorf("%s is of %v", conn, of)
			for name, n := range of {
				if n < 12 && len(of) > 1 {
					t.Logf("%s", strings.Join(regexp.MustCompile(`(?m)^ *[0-9.]+ +~?`+name+`\[.* `+conn+` .*$`).FindAllString(lines, 4), "\n"))
				}
			}
		}
		for name := range of {
			ends[name]++
		}
	}
	// 50 connections with two ends each, and the listener.
	if ends["pwone"] != 101 || ends["pwtwo"] != 101 {
		t.Errorf("%v connections", ends)
	}
	for conn := range owners {
		if got := flagsOf(packetsOf(lines), conn); got != "" && strings.Count(got, "S ") != 1 {
			t.Errorf("%s went %s", conn, got)
		}
	}
	if t.Failed() {
		t.Logf("the first of %d bytes:\n%s", len(lines), lines[:min(len(lines), 4000)])
	}
}

// TestPacketsRecorded checks that a recording gives the same lines as the live run.
func TestPacketsRecorded(t *testing.T) {
	needRoot(t)
	server := start(t, "pwserver", "listen=127.0.0.1:25883 serve=pong", nil)
	client := start(t, "pwclient", "dial=127.0.0.1:25883", nil)
	file := t.TempDir() + "/packets.pidwire"
	s := attach(t, client.pid(), "-l", "pkt", "-w", file, "--print")
	server.in.Write([]byte("\n"))
	client.act(t)
	live := s.wait(t)
	again := run(t, "open", "-q", file)
	if again != live {
		t.Errorf("opened:\n%s\nlive:\n%s", again, live)
	}
	if n := len(packetsOf(live)); n < 8 || strings.Contains(live, " sys ") {
		t.Errorf("%d packets:\n%s", n, live)
	}
	if js := run(t, "open", "-q", "--json", file); strings.Count(js, `"type":"packet"`) != len(packetsOf(live)) {
		t.Errorf("as JSON:\n%s", js)
	}
}

// TestPacketsOfNoSocket checks that packets without a socket are shown once: the end of a closed
// connection, a closed port, an ICMP error.
func TestPacketsOfNoSocket(t *testing.T) {
	needRoot(t)
	_, shown := watch(t, build(t, "lateclose", "64"), "-l", "sys,pkt")
	lines := string(shown)
	list := packetsOf(lines)
	client := ""
	for _, p := range list {
		if strings.HasSuffix(p.text, "# timewait") {
			client = p.conn
		}
	}
	// The server may acknowledge the data before or after the client's FIN, or both at once.
	if got := flagsOf(list, client); !regexp.MustCompile(`^>S <S\. >\. >P\. (<\. )*>F\. (<\. )+<F\. >\. $`).MatchString(got) {
		t.Errorf("the client's connection went %q", got)
	}
	for _, want := range []string{`<.*Flags \[F\.\].*length 0  # closed$`, `>.*Flags \[\.\].*length 0  # timewait$`, `<.*ICMP 127\.0\.0\.1 udp port \d+ unreachable, length \d+  # icmp$`} {
		if n := len(regexp.MustCompile(`(?m) pkt  `+want).FindAllString(lines, -1)); n != 1 {
			t.Errorf("%d lines like %s", n, want)
		}
	}
	// States are at their own time: the connection is established before its last ACK is sent.
	if !regexp.MustCompile(client+` krn  tcp CLOSE -> SYN_SENT  # connect\n.* > .*Flags \[S\]`).MatchString(lines) ||
		!regexp.MustCompile(client+` krn  tcp FIN_WAIT2 -> CLOSE  # sent 3, received 0 bytes`).MatchString(lines) {
		t.Errorf("states of %s", client)
	}
	if t.Failed() {
		t.Log(lines)
	}
}

// TestPacketsHandedOver checks that the packets of a connection that a forked worker serves belong
// to the worker, including its handshake.
func TestPacketsHandedOver(t *testing.T) {
	needRoot(t)
	_, shown := watch(t, build(t, "lateclose", "64"), "-l", "sys,pkt")
	lines := string(shown)
	m := regexp.MustCompile(`(?m) lateclose\[(\d+)\] +c1 sys  accept\(.*\+(c\d+)$`).FindStringSubmatch(lines)
	if m == nil {
		t.Fatalf("no accept:\n%s", lines)
	}
	n := 0
	for _, p := range packetsOf(lines) {
		if p.conn == m[2] {
			n++
			if p.owner != "lateclose["+m[1]+"]" {
				t.Errorf("%+v, want %s", p, m[1])
			}
		}
	}
	if n < 8 {
		t.Errorf("%d packets of the accepted connection:\n%s", n, lines)
	}
}

// run runs pidwire to its end, and returns its standard output.
func run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(pidwire, args...).Output()
	if err != nil {
		t.Fatalf("pidwire %v: %v", args, err)
	}
	return string(out)
}

// TestPacketsToWireshark checks that a pcapng file gives the lines of the live run, whatever was
// printed at the same time.
func TestPacketsToWireshark(t *testing.T) {
	needRoot(t)
	server := start(t, "pwserver", "listen=127.0.0.1:25886 serve=pong", nil)
	client := start(t, "pwclient", "dial=127.0.0.1:25886", nil)
	file := t.TempDir() + "/packets.pcapng"
	s := attach(t, client.pid(), "-l", "sys,pkt", "-w", file, "--print")
	server.in.Write([]byte("\n"))
	client.act(t)
	live := s.wait(t)
	if again := run(t, "open", "-q", file); again != live {
		t.Errorf("opened:\n%s\nlive:\n%s", again, live)
	}
	if n := len(packetsOf(live)); n < 8 || !strings.Contains(live, " sys ") {
		t.Errorf("%d packets:\n%s", n, live)
	}
}

// TestPacketsOfFrames checks that frames other than IP are attributed to their process, and to the
// connection of their call.
func TestPacketsOfFrames(t *testing.T) {
	needRoot(t)
	_, shown := watch(t, build(t, "packet", "64"), "-l", "sys,pkt")
	lines := string(shown)
	if !regexp.MustCompile(`(?m) (c\d+) sys  sendto\(\d+, "frame".*\n.* c1 pkt  > 00:00:00:00:00:00 > 00:00:00:00:00:00, ethertype Unknown \(0x88b5\), length 19: $`).MatchString(lines) {
		t.Errorf("no frame behind its call:\n%s", lines)
	}
}

// TestLastClose checks that a state change in a process's own call is attributed to that process,
// and that a state change in a softirq, after the last user has ended, is marked as shared by one
// of the other holders.
func TestLastClose(t *testing.T) {
	needRoot(t)
	_, shown := watch(t, build(t, "beyond_lastclose", "64"), "-l", "sys,pkt")
	const parent = "beyond_lastclos"
	for change, who := range map[string][]string{"ESTABLISHED -> FIN_WAIT1": {parent}, "FIN_WAIT1 -> FIN_WAIT2": {"~writer", parent}} {
		m := regexp.MustCompile(`(?m)^ *\S+ (\S+)\[\d+\] .*tcp ` + change).FindSubmatch(shown)
		if m == nil || !slices.Contains(who, string(m[1])) {
			t.Errorf("%s: %q, want %s", change, m, who)
		}
	}
	if t.Failed() {
		t.Logf("%s", shown)
	}
}

// TestSharedSocket checks that of two processes that send on one socket at the same time, each
// packet has the name and pid of its sender.
func TestSharedSocket(t *testing.T) {
	needRoot(t)
	_, shown := watch(t, build(t, "beyond_shared", "64"), "-l", "pkt", "-A", "--snaplen", "64")
	owner, right := "", 0
	head := regexp.MustCompile(`(\S+)\[(\d+)\] +c\d+ pkt  ([<>]) `)
	payload := regexp.MustCompile(`pid=(\d{10})\.`)
	for l := range strings.Lines(string(shown)) {
		if m := head.FindStringSubmatch(l); m != nil {
			owner = ""
			if m[3] == ">" {
				owner = m[2]
			}
			// Both processes hold the socket that is never read; its reader is unknown.
			if m[1] != "beyond_shared" && (m[3] == ">" || m[1] != "~beyond_shared") {
				t.Fatalf("the name is %s: %s", m[1], l)
			}
		}
		m := payload.FindStringSubmatch(l)
		if m == nil || owner == "" {
			continue
		}
		if strings.TrimLeft(m[1], "0") != owner {
			t.Fatalf("of %s, shown as %s's", m[1], owner)
		}
		right++
		owner = ""
	}
	// Some may be lost if the emulator is slow; this is reported.
	if right < 10_000 && !strings.Contains(string(shown), "lost") {
		t.Errorf("%d packets, want 10000", right)
	}
	if right < 1000 {
		t.Errorf("%d packets", right)
	}
}
