//go:build linux

package peers

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// limit is how long a peer may take, from its start to the end of the capture, beside two others on two busy CPUs; alone it takes two
// seconds. slow is for a server that takes long to start.
const (
	limit = 40 * time.Second
	slow  = time.Minute
)

// room is where a peer runs: namespaces of its own for networks, so that ports are free and the capture has nothing else;
// for mounts, so that it can have its own /etc/resolv.conf; and for processes, so that the kernel ends all servers with it.
type room struct {
	t   *testing.T
	ctx context.Context
	dir string // its own, where everybody can read
	pid int    // the first process inside
	// servers are what is watched beside the client, by their pids outside.
	servers []int
	begun   []*exec.Cmd // all servers
	logs    []*buffer
}

// buffer keeps what a process says.
type buffer struct {
	mu   sync.Mutex
	name string
	b    bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newRoom(t *testing.T, limit time.Duration) *room {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	r := &room{t: t, ctx: ctx, dir: t.TempDir()}
	// Servers that refuse root read and write below it.
	for d := r.dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// It ends with its standard input, however the test ends.
	cmd := exec.Command("unshare", "-n", "-m", "-p", "--fork", "--kill-child", "sh", "-c", "ip link set lo up && echo ready && exec cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
		cancel()
		for _, server := range r.begun {
			_ = server.Wait()
		}
		if t.Failed() {
			for _, l := range r.logs {
				t.Logf("%s said:\n%.3000s", l.name, l)
			}
		}
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("%q, %v", line, err)
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", cmd.Process.Pid, cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(string(b), &r.pid); err != nil {
		t.Fatal(err)
	}
	return r
}

// inside returns a command that runs in the namespaces of the room: of networks and mounts, and with servers also of processes.
func (r *room) inside(server bool, name string, args ...string) *exec.Cmd {
	flags := []string{"-t", fmt.Sprint(r.pid), "-n", "-m", "--wd=" + r.dir}
	if server {
		flags = append(flags, "-p")
	}
	// The parent of what runs in the namespace of processes must not end before it: until somebody else collects its status, the
	// namespace cannot end.
	var cmd *exec.Cmd
	if args = append(append(flags, name), args...); server {
		cmd = exec.Command("nsenter", args...)
	} else {
		cmd = exec.CommandContext(r.ctx, "nsenter", args...)
	}
	return cmd
}

// log returns a place for what a process says, which is shown if the test fails.
func (r *room) log(name string) *buffer {
	l := &buffer{name: name}
	r.logs = append(r.logs, l)
	return l
}

// do runs a command to its end, before anything is watched.
func (r *room) do(script string) {
	r.t.Helper()
	cmd := r.inside(true, "timeout", "30", "sh", "-ec", script)
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("%s: %v\n%s", script, err, out)
	}
}

// serve starts a server, which is watched, and waits until it listens on a port: "6379", or "53/udp".
func (r *room) serve(port string, name string, args ...string) {
	r.t.Helper()
	r.servers = append(r.servers, r.support(port, name, args...))
}

// support starts a server that is not watched. It returns its pid outside.
func (r *room) support(port string, name string, args ...string) int {
	r.t.Helper()
	cmd := r.inside(true, name, args...)
	l := r.log(name)
	cmd.Stdout, cmd.Stderr = l, l
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.begun = append(r.begun, cmd)
	r.await(port)
	return cmd.Process.Pid
}

// await waits until somebody listens on a port.
func (r *room) await(port string) {
	r.t.Helper()
	number, udp := strings.CutSuffix(port, "/udp")
	var n int
	if _, err := fmt.Sscan(number, &n); err != nil {
		r.t.Fatal(err)
	}
	table, state := "tcp", " 0A "
	if udp {
		table, state = "udp", " 07 "
	}
	for ; r.ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		for _, version := range []string{"", "6"} {
			b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s%s", r.pid, table, version))
			for line := range strings.Lines(string(b)) {
				f := strings.Fields(line)
				if len(f) > 3 && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", n)) && f[3] == strings.TrimSpace(state) {
					return
				}
			}
		}
	}
	r.t.Fatalf("nobody listens on %s", port)
}

// write writes a file into the room.
func (r *room) write(name, text string) string {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		r.t.Fatal(err)
	}
	return path
}

// resolv makes a file the room's /etc/resolv.conf.
func (r *room) resolv(text string) {
	r.do("mount --bind " + r.write("resolv.conf", text) + " \"$(readlink -f /etc/resolv.conf)\"")
}

// started starts a command and waits until it has said something on standard error.
func (r *room) started(cmd *exec.Cmd, what, text string) *buffer {
	r.t.Helper()
	l := r.log(what)
	cmd.Stdout, cmd.Stderr = l, l
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	r.said(l, text)
	return l
}

// said waits for a text.
func (r *room) said(l *buffer, text string) {
	r.t.Helper()
	for !strings.Contains(l.String(), text) {
		if r.ctx.Err() != nil {
			r.t.Fatalf("%s did not say %q", l.name, text)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// watch runs a client, a shell script, while pidwire watches it and the servers and tcpdump captures the packets. It returns the files of both.
func (r *room) watch(script string, want int) (recording, capture string) {
	r.t.Helper()
	recording, capture = filepath.Join(r.dir, "rec.pidwire"), filepath.Join(r.dir, "truth.pcap")
	// In immediate mode each packet takes a frame of snapshot length: 8 MiB of the default length hold 32.
	dump := r.inside(false, "tcpdump", "-Z", "root", "-nn", "-i", "lo", "-s", "66000", "-B", "65536", "-U", "--immediate-mode", "-w", capture)
	heard := r.started(dump, "tcpdump", "listening on")
	args := []string{"trace", "-l", "sys,pkt,msg", "-w", recording}
	for _, pid := range r.servers {
		args = append(args, fmt.Sprint(pid))
	}
	// The servers go on: pidwire is told when the client has ended.
	args = append(args, "--", "sh", "-c", script+"\necho \"peers: exit $?\"")
	pw := r.inside(false, pidwire, args...)
	l := r.started(pw, "pidwire and the client", "peers: exit ")
	time.Sleep(200 * time.Millisecond) // the last packets and the servers' last calls
	if !strings.Contains(l.String(), fmt.Sprintf("peers: exit %d\n", want)) {
		r.t.Fatalf("the client's exit is not %d", want)
	}
	_ = pw.Process.Signal(os.Interrupt)
	if err := pw.Wait(); err != nil {
		r.t.Errorf("pidwire: %v", err)
	}
	if text := l.String(); !strings.Contains(text, "lost sys 0") || strings.Contains(text, "panic") {
		r.t.Error("pidwire lost something")
	}
	_ = dump.Process.Signal(syscall.SIGINT)
	_ = dump.Wait()
	if !strings.Contains(heard.String(), "\n0 packets dropped by kernel") {
		r.t.Error("tcpdump lost packets")
	}
	return recording, capture
}

// output returns what a command prints.
func output(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, &stderr)
	}
	return out
}
