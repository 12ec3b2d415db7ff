package bundle_test

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pidwire/pidwire/internal/bundle"
	"github.com/pidwire/pidwire/internal/event"
)

// need skips the test if a tool is not installed, unless it is required.
func need(t *testing.T, tools ...string) {
	t.Helper()
	missing := ""
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			missing += " " + tool
		}
	}
	if os.Geteuid() != 0 {
		missing += " root"
	}
	switch {
	case missing == "":
	case os.Getenv("PIDWIRE_MUST") != "":
		t.Fatal("missing:" + missing)
	default:
		t.Skip("missing:" + missing)
	}
}

// TestTools traces three programs at a time with strace, whose clock has whole seconds, and with
// tcpdump. It compares the result with what their server saw: which process used which port.
func TestTools(t *testing.T) {
	need(t, "strace", "tcpdump", "curl", "bash")
	for name, client := range map[string]string{
		"curl": `sh -c 'exec curl -s -o %s/out http://127.0.0.1:%s/$$?%s'`, // sends its port
		// does not; three of them send different sizes
		"bash": `bash -c 'exec 3<>/dev/tcp/127.0.0.1/%[2]s; printf "GET /$$?%[3]s HTTP/1.0\r\n\r\n" >&3; read -r line <&3'`,
	} {
		t.Run(name, func(t *testing.T) { tools(t, client) })
	}
}

func tools(t *testing.T, client string) {
	const runs = 12
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	truth := map[uint16]uint32{} // pid by port
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		pid, _ := strconv.ParseUint(r.URL.Path[1:], 10, 32)
		truth[netip.MustParseAddrPort(r.RemoteAddr).Port()] = uint32(pid)
		w.Write(bytes.Repeat([]byte("x"), len(truth)*1000))
	})}
	go srv.Serve(l)
	defer srv.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	dir := t.TempDir()
	pcap, calls := filepath.Join(dir, "lo.pcap"), filepath.Join(dir, "calls.strace")
	dump := exec.Command("tcpdump", "-i", "lo", "-B", "16384", "--immediate-mode", "-U", "-w", pcap, "-Z", "root", "tcp", "port", port)
	var said lines
	dump.Stderr = &said
	if err := dump.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { dump.Process.Kill(); dump.Wait() }()
	for range 200 {
		if strings.Contains(said.String(), "listening on") {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	script := ""
	for i := range runs {
		script += fmt.Sprintf(client, dir, port, strings.Repeat("x", i)) + " & "
		if i%3 == 2 {
			script += "wait; "
		}
	}
	if out, err := exec.Command("strace", "-f", "-t", "-o", calls, "sh", "-c", script).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for last := int64(-1); ; time.Sleep(300 * time.Millisecond) {
		if s, err := os.Stat(pcap); err == nil {
			if s.Size() == last {
				break
			}
			last = s.Size()
		}
	}
	_ = dump.Process.Signal(syscall.SIGINT)
	_ = dump.Wait()

	file := func(name string) bundle.File {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return of(filepath.Base(name), string(b))
	}
	j := join(t, bundle.Options{}, file(calls), file(pcap))
	if j.err != nil || len(j.notes) != 1 || !strings.Contains(j.notes[0], "only times of day, assumed date "+time.Now().UTC().Format("2006-01-02")+" UTC") {
		t.Errorf("%v, notes %q", j.err, j.notes)
	}
	if len(truth) != runs {
		t.Fatalf("the server saw %d: %v", len(truth), truth)
	}
	found := 0
	for _, e := range j.list {
		c, ok := e.Body.(*event.Call)
		if !ok || e.Conn == nil || c.Name != "connect" || e.Conn.Peer.Port() != l.Addr().(*net.TCPAddr).AddrPort().Port() {
			continue
		}
		if found++; truth[e.Conn.Local.Port()] != e.Task.PID {
			t.Errorf("process %d is said to have port %d: %v", e.Task.PID, e.Conn.Local.Port(), truth)
		}
	}
	owned, caused, sent, all := 0, 0, 0, 0
	for _, e := range j.list {
		p, ok := e.Body.(*event.Capture)
		if !ok {
			continue
		}
		all++
		port := p.Src.Port()
		if _, ours := truth[port]; !ours {
			port = p.Dst.Port()
		}
		if e.Task.PID == truth[port] && truth[port] != 0 && e.Match == event.MatchGuess {
			owned++
		} else {
			t.Errorf("%v > %v is %d's (%s), want %d", p.Src, p.Dst, e.Task.PID, e.Match, truth[port])
		}
		if p.Dir == event.DirOut && p.TCP.Length > 0 {
			if sent++; e.Cause != 0 {
				caused++
			}
		}
	}
	if found != runs || all < runs*8 || owned != all || sent < runs || caused != sent {
		t.Errorf("%d connections; %d packets, %d owned; %d of %d that carry data have their call", found, all, owned, caused, sent)
	}
	t.Logf("%d connections, %d packets", found, all)
}

// lines is a buffer that is read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
