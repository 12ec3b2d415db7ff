//go:build linux

package live

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// asClient in the environment makes the tests' binary a client of an address: network, address, what it sends. It reads to the
// end, or as many times as COUNT says, and exits with 1 on an error.
const asClient = "PIDWIRE_CLIENT"

func client(spec string) error {
	var network, address, ask string
	if err := json.Unmarshal([]byte(spec), &[]any{&network, &address, &ask}); err != nil {
		return err
	}
	c, err := net.Dial(network, address)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := io.WriteString(c, ask); err != nil {
		return err
	}
	got, err := io.ReadAll(c)
	switch head, body, _ := strings.Cut(string(got), "\r\n\r\n"); {
	case err != nil:
		return err
	case !strings.HasPrefix(head, "HTTP/1.1 200"):
		return fmt.Errorf("no answer: %q", head)
	case strings.Contains(head, "Content-Length: 1000") && len(body) < 1000:
		return errors.New("the answer is not complete")
	}
	return nil
}

// answering listens, and gives each connection to serve after its first request.
func answering(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if _, err := bufio.NewReader(c).ReadByte(); err == nil {
					serve(c)
				}
			}()
		}
	}()
	return l.Addr().String()
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"

// TestWhy checks that causes are named first, live and from a recording, and that nothing is said of a run without a fault.
func TestWhy(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	left := filepath.Join(dir, "left.sock") // a server has left it
	if s, err := net.ListenUnix("unix", &net.UnixAddr{Name: left}); err != nil {
		t.Fatal(err)
	} else {
		s.SetUnlinkOnClose(false)
		s.Close()
	}
	const get = "GET /page HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
	write := func(text string) func(net.Conn) { return func(c net.Conn) { io.WriteString(c, text) } }
	for _, test := range []struct {
		cause, network, address, ask string
		code                         int // without pidwire
	}{
		{"", "tcp", answering(t, write(ok)), get, 0},
		{"connect-refused", "tcp", closed.Addr().String(), get, 1},
		{"unix-socket-missing", "unix", filepath.Join(dir, "none.sock"), get, 1},
		{"unix-socket-refused", "unix", left, get, 1},
		{"server-slow", "tcp", answering(t, func(c net.Conn) { time.Sleep(time.Second); io.WriteString(c, ok) }), get, 0},
		{"http-server-error", "tcp", answering(t, write("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")), get, 1},
		{"peer-closed-early", "tcp", answering(t, func(c net.Conn) { c.(*net.TCPConn).CloseWrite(); time.Sleep(50 * time.Millisecond) }), get, 1},
		{"response-truncated", "tcp", answering(t, func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nnot all")
			c.(*net.TCPConn).CloseWrite()
			time.Sleep(50 * time.Millisecond)
		}), get, 1},
		{"peer-reset", "tcp", answering(t, func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nnot all")
			time.Sleep(50 * time.Millisecond)
			c.(*net.TCPConn).SetLinger(0)
		}), get, 1},
		{"plain-to-tls-port", "tcp", answering(t, func(c net.Conn) {
			io.WriteString(c, "\x15\x03\x03\x00\x02\x02\x16")
			c.(*net.TCPConn).CloseWrite()
			time.Sleep(50 * time.Millisecond)
		}), get, 1},
		{"protocol-mismatch", "tcp", answering(t, func(c net.Conn) {
			io.WriteString(c, "SSH-2.0-OpenSSH_9.2\r\n")
			c.(*net.TCPConn).CloseWrite()
			time.Sleep(50 * time.Millisecond)
		}), get, 1},
	} {
		t.Run("of_"+test.cause, func(t *testing.T) {
			spec, err := json.Marshal([]string{test.network, test.address, test.ask})
			if err != nil {
				t.Fatal(err)
			}
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, "rec.pidwire")
			watch := func(args ...string) (string, int) {
				cmd := exec.Command(pidwire, args...)
				cmd.Env = append(os.Environ(), asClient+"="+string(spec))
				var said strings.Builder
				cmd.Stderr = &said
				out, err := cmd.Output()
				if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
					t.Fatal(err)
				}
				if len(out) == 0 {
					t.Fatalf("%v: no output, %s", args, said.String())
				}
				return string(out), cmd.ProcessState.ExitCode()
			}
			code := test.code
			if test.cause != "" {
				code = 10
			}
			out, got := watch("why", "--json", "-o", "-", "--", self)
			first(t, "live", out, test.cause)
			if got != code {
				t.Errorf("exit code %d, want %d", got, code)
			}
			watch("trace", "-l", "sys,pkt,krn,msg", "-w", file, "-o", "-", "--", self)
			if test.cause == "" {
				code = 0 // that of the command is not known
			}
			out, got = watch("why", "--json", file)
			first(t, "recording", out, test.cause)
			if got != code {
				t.Errorf("of a recording: exit code %d, want %d", got, code)
			}
		})
	}
}

// first checks the first verdict of a run.
func first(t *testing.T, what, out, cause string) {
	t.Helper()
	got, ended := "", false
	for l := range strings.Lines(out) {
		var v struct {
			Type, Cause, Severity string
			Rank                  int
			Evidence              []struct{ Seq uint64 }
		}
		if err := json.Unmarshal([]byte(l), &v); err != nil {
			t.Fatalf("%s: %v: %s", what, err, l)
		}
		ended = ended || v.Type == "end"
		if v.Type != "verdict" || v.Severity == "info" || v.Rank != 1 {
			continue
		}
		got = v.Cause
		if len(v.Evidence) == 0 || v.Evidence[0].Seq == 0 {
			t.Errorf("%s: no evidence: %s", what, l)
		}
	}
	if got != cause || !ended {
		t.Errorf("%s: the first cause is %q, want %q (ended: %t)\n%s", what, got, cause, ended, out)
	}
}
