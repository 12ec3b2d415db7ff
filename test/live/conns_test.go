package live

import (
	"bufio"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestConns checks that the sockets of a running process are listed with the kernel's counters,
// once and with --watch.
func TestConns(t *testing.T) {
	needRoot(t)
	server := start(t, "pwserver", "listen=127.0.0.1:25891 serve=pong serve=pong", nil)
	server.in.Write([]byte("\n"))
	if release() == 510 {
		t.Skip("iterators cannot use socket storage before 5.12: what TCP counts is not asked there")
	}
	once := run(t, "conns", server.pid())
	if !regexp.MustCompile(`(?m)^c1 +pwserver\[` + server.pid() + `\] tcp +LISTEN 127\.0\.0\.1:25891 -$`).MatchString(once) {
		t.Errorf("conns:\n%s", once)
	}
	began := time.Now()
	w := exec.Command(pidwire, "conns", server.pid(), "--watch=200ms", "--for=20s")
	p, err := w.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Process.Kill() })
	r := bufio.NewReader(p)
	first, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		start(t, "pwclient", "dial=127.0.0.1:25891", nil).act(t)
		time.Sleep(300 * time.Millisecond)
	}
	server.cmd.Wait()
	rest, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Wait(); err != nil {
		t.Fatal(err)
	}
	out := first + string(rest)
	tables := strings.Count(out, "CONN PROCESS")
	if most := int(time.Since(began)/(200*time.Millisecond)) + 2; tables < 2 || tables > most {
		t.Errorf("%d tables, want 2 to %d:\n%s", tables, most, out)
	}
	last := out[strings.LastIndex(out, "CONN PROCESS"):]
	if n := len(regexp.MustCompile(`(?m)^c[23] +~?pwserver\[`+server.pid()+`\] tcp +closed +127\.0\.0\.1:25891 127\.0\.0\.1:\d+ +4 B +4 B +\d+ +\d+ +[0-9.]+[mu]s `).FindAllString(last, -1)); n != 2 {
		t.Errorf("%d connections with their counts, want 2:\n%s", n, last)
	}
}
