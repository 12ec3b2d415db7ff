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

// flagsOf is how a connection went: each packet's direction and TCP flags.
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

// TestPacketsOfClient holds that the packets of a client are shown from the
// first SYN on, as its end sees them, and those of its server are not.
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
			owner = owner[1:] // one may be read so late under emulation that it was open whose it is
			late++
		}
		if !strings.HasPrefix(owner, "pwclient["+client.pid()) || p.conn != list[0].conn {
			t.Errorf("%+v", p)
		}
	}
	if got := flagsOf(list, list[0].conn); !regexp.MustCompile(`^>S <S\. >\. (>P\. <\. |<\. )`).MatchString(got) || !strings.Contains(got, "F") {
		t.Errorf("the connection went %s\n%s", got, lines)
	}
	// Calls and packets are of one connection.
	if !regexp.MustCompile(` ` + list[0].conn + ` sys +connect\(.*htons\(25881\)`).MatchString(lines) {
		t.Errorf("connect is not of %s:\n%s", list[0].conn, lines)
	}
	mustShow(t, s.rest.String(), "lost sys 0, pkt 0")
}

// TestPacketsOfServer holds that a connection to a listener that was there
// before is one from its SYN on, through accept, to its end.
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

// TestPacketsOfMPTCP holds that a listener whose TCP socket the kernel made has
// its owner from listen on.
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

// TestPacketsOfLaterTargets holds that without the layer of calls too a process
// is found that binds a port, or whose user matches, only later.
func TestPacketsOfLaterTargets(t *testing.T) {
	needRoot(t)
	s := attach(t, ":25885", "uid:61235", "-l", "pkt")
	server := start(t, "pwlater", "listen=127.0.0.1:25885 serve=pong serve=pong", nil)
	server.in.Write([]byte("\n"))
	start(t, "pwstranger", "dial=127.0.0.1:25885", nil).act(t)
	start(t, "pwuser", "dial=127.0.0.1:25885", &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 61235, Gid: 61235}}).act(t)
	server.cmd.Wait()
	time.Sleep(1500 * time.Millisecond) // a call that is not left must not be shown as waiting
	lines := s.stop(t)
	mustShow(t, lines, "pwlater[", "pwuser[")
	mustHide(t, lines, "pwstranger[", " sys ", "waiting")
	if list := packetsOf(lines); len(list) < 24 {
		t.Errorf("%d packets:\n%s", len(list), lines)
	}
}

// TestPacketsOfNamespaces holds that connections of two network namespaces with the
// same addresses and ports at the same time are not taken for one.
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

// TestPacketsRecorded holds that a recording gives the lines that were seen.
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

// TestPacketsOfNoSocket holds that what no socket gets is shown, and once: the
// end of a connection that was closed, a port that is closed, an ICMP error.
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
	if got := flagsOf(list, client); got != ">S <S. >. >P. <. >F. <. <F. >. " {
		t.Errorf("the client's connection went %q", got)
	}
	for _, want := range []string{`<.*Flags \[F\.\].*length 0  # closed$`, `>.*Flags \[\.\].*length 0  # timewait$`, `<.*ICMP 127\.0\.0\.1 udp port \d+ unreachable, length \d+  # icmp$`} {
		if n := len(regexp.MustCompile(`(?m) pkt  `+want).FindAllString(lines, -1)); n != 1 {
			t.Errorf("%d lines like %s", n, want)
		}
	}
	// States stand where they happen: the connection is established before its last ACK leaves.
	if !regexp.MustCompile(client+` krn  tcp CLOSE -> SYN_SENT  # connect\n.* > .*Flags \[S\]`).MatchString(lines) ||
		!regexp.MustCompile(client+` krn  tcp FIN_WAIT2 -> CLOSE  # sent 3, received 0 bytes`).MatchString(lines) {
		t.Errorf("states of %s", client)
	}
	if t.Failed() {
		t.Log(lines)
	}
}

// TestPacketsHandedOver holds that packets of a connection that a forked worker
// serves are the worker's, those of its handshake too.
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

// TestPacketsToWireshark holds that a pcapng file gives the lines that were
// seen live, whatever was shown meanwhile.
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

// TestPacketsOfFrames holds that what goes past IP is its process's too, and of
// the connection of its call.
func TestPacketsOfFrames(t *testing.T) {
	needRoot(t)
	_, shown := watch(t, build(t, "packet", "64"), "-l", "sys,pkt")
	lines := string(shown)
	if !regexp.MustCompile(`(?m) (c\d+) sys  sendto\(\d+, "frame".*\n.* c1 pkt  > 00:00:00:00:00:00 > 00:00:00:00:00:00, ethertype Unknown \(0x88b5\), length 19: $`).MatchString(lines) {
		t.Errorf("no frame behind its call:\n%s", lines)
	}
}

// TestLastClose: who changes the state of a socket in his own call is named, whoever used it last; and what a softirq
// changes of one whose last user has ended is said to be of one of those who have it.
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

// TestSharedSocket holds that each packet of two processes that send on one socket at
// the same time is its sender's, by name and number.
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
			// Both have the socket that is never read from: whose that is nobody knows.
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
	// Where the emulator is slow some may be lost, which is said.
	if right < 10_000 && !strings.Contains(string(shown), "lost") {
		t.Errorf("%d packets, want 10000", right)
	}
	if right < 1000 {
		t.Errorf("%d packets", right)
	}
}
